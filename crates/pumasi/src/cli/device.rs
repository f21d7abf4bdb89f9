//! `pumasi device …`: the machines that speak for one member.

use super::account::{self, account_fault};
use super::recovery::address;
use super::session::Session;
use crate::app::App;
use crate::cli::Form;
use crate::clock;
use crate::fault::Fault;
use crate::membership::Membership;
use crate::output::Row;
use clap::Subcommand;
use client::account::Me;
use client::pair;
use console::args;
use model::{DeviceId, Span};
use serde_json::json;
use wire::signed::{DeviceChange, Rights};

/// `device`
#[derive(Subcommand, Debug)]
pub enum DeviceVerb {
    List,
    Add {
        #[arg(long, value_name = "RIGHTS", default_value = "use,lend,admin,spend,approve")]
        rights: String,
        #[arg(long, value_name = "DURATION", default_value = "10m")]
        expires: String,
    },
    Remove {
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Runs `device …`.
pub async fn run(app: &App, verb: &DeviceVerb) -> Result<(), Fault> {
    match verb {
        DeviceVerb::List => list(app).await,
        DeviceVerb::Add { rights, expires } => add(app, rights, expires).await,
        DeviceVerb::Remove { id } => remove(app, id).await,
    }
}

async fn list(app: &App) -> Result<(), Fault> {
    let (account, me) =
        Session::with(app, async |session| Ok((session.account(app).await?, *session.machine()))).await?;
    let here = DeviceId(wire::signed::public_of(&me));
    let rows: Vec<Row> = account
        .log
        .devices
        .iter()
        .map(|(id, facts)| {
            let state = match facts.removed {
                Some(_) => "device-state-removed",
                None if *id == here => "device-state-here",
                None => "device-state-active",
            };
            Row {
                cells: vec![
                    id.short(),
                    facts.name.clone(),
                    facts.rights.words().join(","),
                    facts.added.to_string(),
                    app.out.text(state, args![]),
                ],
                json: json!({"id": id.to_string(), "name": facts.name, "rights": facts.rights.words(), "at": facts.added.to_string(),
                    "removed": facts.removed.map(|at| at.to_string()), "is_here": *id == here}),
            }
        })
        .collect();
    app.out.table("device", &["column-id", "column-name", "column-rights", "column-since", "column-state"], 0, &rows);
    Ok(())
}

fn rights_of(text: &str) -> Result<Rights, Fault> {
    let one = |word: &str| (0..5).map(|bit| Rights(1 << bit)).find(|right| right.words() == [word.trim()]);
    let all = text.split(',').map(one).try_fold(0, |all, right| right.map(|right| all | right.0));
    all.map(Rights).ok_or_else(|| Fault::bad_value("rights", text, "words of: use, lend, admin, spend, approve"))
}

/// Shows a ticket, waits for the new machine, and lets it in when its digits were typed here.
async fn add(app: &App, rights: &str, expires: &str) -> Result<(), Fault> {
    let rights = rights_of(rights)?;
    let life: Span = expires.parse()?;
    let out = &app.out;
    Session::with(app, async |session| {
        let asking = session.asking();
        let mut account = session.account(app).await?;
        let ticket = pair::ticket(&address(&Membership::load(&app.home)?), clock::now(), life);
        pair::open(&asking, &ticket, life).await.map_err(account_fault)?;
        match out.form {
            Form::Json => {
                out.json("device_ticket", json!({"ticket": ticket.to_string(), "expires": ticket.expires.to_string()}))
            }
            Form::Human => out.print(&out.text("device-ticket", args!["ticket" => ticket.to_string(), "span" => life])),
            Form::Plain | Form::Id => out.print(&ticket.to_string()),
        }
        let me = Me { secret: session.machine(), now: clock::now() };
        let new = pair::wait(&asking, &account, me, &ticket, rights).await.map_err(account_fault)?;
        for left in (0..pair::DIGITS_TRIES).rev() {
            let typed = out.ask_line(&out.text("device-digits-ask", args!["name" => &new.name]))?;
            let typed: String = typed.chars().filter(char::is_ascii_digit).collect();
            if typed == new.digits {
                let me = Me { secret: session.machine(), now: clock::now() };
                pair::admit(&asking, &mut account, me, &ticket, &new).await.map_err(account_fault)?;
                account::keep(app, &account)?;
                let fields = json!({"name": new.name, "rights": rights.words()});
                out.done("device_added", fields, "device-added", args!["name" => &new.name]);
                return Ok(());
            }
            out.say("device-digits-wrong", args!["n" => left]);
        }
        pair::refuse(&asking, &ticket).await.map_err(account_fault)?;
        Err(Fault::bad_value(
            "digits",
            "",
            "they are not those the new machine shows: somebody may sit between; nothing was given",
        ))
    })
    .await
}

async fn remove(app: &App, id: &str) -> Result<(), Fault> {
    Session::with(app, async |session| {
        let mut account = session.account(app).await?;
        let me = Me { secret: session.machine(), now: clock::now() };
        let there = account.log.devices.iter().filter(|(_, facts)| facts.removed.is_none());
        let found: Vec<(DeviceId, String)> = there
            .filter(|(device, facts)| device.has_prefix(id) || device.short() == id || facts.name == id)
            .map(|(device, facts)| (*device, facts.name.clone()))
            .collect();
        let [(device, name)] = &found[..] else {
            let why = if found.is_empty() { "no device has this id" } else { "more than one device is meant" };
            return Err(Fault::bad_value("id", id, why));
        };
        if *device == me.id() {
            return Err(Fault::bad_value("id", id, "it is this machine; remove it from another one"));
        }
        if !app.out.confirm(&app.out.text("device-remove-ask", args!["name" => name]))? {
            return Ok(());
        }
        account.push(&session.asking(), DeviceChange::Remove(*device), me).await.map_err(account_fault)?;
        account::keep(app, &account)?;
        app.out.done(
            "device_removed",
            json!({"id": device.to_string(), "name": name}),
            "device-removed",
            args!["name" => name],
        );
        Ok(())
    })
    .await
}
