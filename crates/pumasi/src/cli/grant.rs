//! `pumasi share` and `pumasi grant …`: a part of a bucket for somebody else, as a link that holds its own keys.

use super::account::account_fault;
use super::object::hex;
use super::recovery::address;
use super::session::{Place, Session, client_fault};
use crate::app::App;
use crate::cli::Form;
use crate::clock;
use crate::fault::Fault;
use crate::membership::Membership;
use crate::output::Row;
use clap::{Args, Subcommand};
use client::account::{Account, GrantAsk, Me, narrow};
use console::args;
use model::{Span, errors};
use seal::BucketKeys;
use serde_json::json;
use wire::signed::{GrantOps, grant};
use wire::{Link, Reply, Request};

/// Longest life of a grant that has an end.
const LIFE_MAX: Span = Span::days(3_650);

/// `share`, `grant create`
#[derive(Args, Debug, Clone)]
pub struct ShareArgs {
    #[arg(value_name = "my:BUCKET/PREFIX")]
    pub place: String,
    #[command(flatten)]
    pub what: What,
}

/// What is granted, and for how long.
#[derive(Args, Debug, Clone)]
pub struct What {
    #[arg(long, value_name = "OPS", default_value = "get,list")]
    pub ops: String,
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    pub expires: String,
    #[arg(long)]
    pub forever: bool,
}

/// `grant`
#[derive(Subcommand, Debug)]
pub enum GrantVerb {
    Create(ShareArgs),
    List,
    Show {
        #[arg(value_name = "LINK")]
        link: String,
    },
    Narrow {
        #[arg(value_name = "LINK[/PREFIX]")]
        link: String,
        #[command(flatten)]
        what: What,
    },
    Revoke {
        #[arg(value_name = "ID")]
        id: String,
    },
}

impl What {
    fn ask(&self) -> Result<GrantAsk, Fault> {
        let bad = || Fault::bad_value("ops", &self.ops, "words of: get, list, put, delete");
        let ops = GrantOps::parse(&self.ops).ok_or_else(bad)?;
        let life: Span = self.expires.parse()?;
        if life == Span(0) || life > LIFE_MAX {
            return Err(Fault::bad_value("expires", &self.expires, "more than 0, at most 10 years; or --forever"));
        }
        let not_after = (!self.forever).then(|| clock::now() + life);
        Ok(GrantAsk { ops, not_after, recipient: None, note: String::new() })
    }
}

/// Runs `grant …`.
pub async fn run(app: &App, verb: &GrantVerb) -> Result<(), Fault> {
    match verb {
        GrantVerb::Create(args) => share(app, args).await,
        GrantVerb::List => list(app).await,
        GrantVerb::Show { link } => show(app, link),
        GrantVerb::Narrow { link, what } => narrower(app, link, what),
        GrantVerb::Revoke { id } => revoke(app, id).await,
    }
}

/// Runs `share`: an object, or a folder where no object has the name.
pub async fn share(app: &App, args: &ShareArgs) -> Result<(), Fault> {
    let place = Place::parse(&args.place)?;
    if place.link.is_some() {
        return Err(Fault::bad_value("place", "pmg1…", "a link is passed on with `pumasi grant narrow`"));
    }
    let what = args.what.ask()?;
    let link = Session::with(app, async |session| {
        let account = session.account(app).await?;
        let bucket = session.bucket(&place.bucket).await?;
        let keys = part(session, &account, &bucket, &place, (&args.place, what.ops.has(GrantOps::PUT))).await?;
        let me = Me { secret: session.machine(), now: clock::now() };
        let what = GrantAsk { note: place.at(keys.base()), ..what.clone() };
        let address = address(&Membership::load(&app.home)?);
        account.give(&session.asking(), me, &keys, &what, address).await.map_err(account_fault)
    });
    tell(app, "share-done", &link.await?, &args.place, &what)
}

/// Keys of what a place names.
async fn part(
    session: &Session,
    account: &Account,
    bucket: &client::Bucket,
    place: &Place,
    (shown, may_put): (&str, bool),
) -> Result<BucketKeys, Fault> {
    let all = account.root.bucket(bucket.id());
    let fault = |e: seal::SealError| client_fault(e.into(), shown);
    if place.key.is_empty() {
        return Ok(all);
    }
    if !place.key.ends_with('/') {
        match session.client.stat(bucket, &place.key).await {
            Ok(_) => return all.object(&place.key).map_err(fault),
            Err(client::ClientError::Refused(no)) if no.id == errors::OBJECT_UNKNOWN => {
                if may_put && !is_folder(session, bucket, &format!("{}/", place.key), shown).await? {
                    return all.object(&place.key).map_err(fault); // it is still to be stored
                }
            }
            Err(error) => return Err(client_fault(error, shown)),
        }
    }
    let folder = all.folder(&place.key).map_err(fault)?;
    let below = format!("{}/", folder.base());
    // Where nothing can be put a typing error is likelier than a folder that fills up later.
    if !may_put && !is_folder(session, bucket, &below, shown).await? {
        return Err(Fault::new(errors::OBJECT_UNKNOWN, [("key", shown)]));
    }
    Ok(folder)
}

/// Whether any name begins so.
async fn is_folder(session: &Session, bucket: &client::Bucket, below: &str, shown: &str) -> Result<bool, Fault> {
    let names = session.client.list(bucket, below).await.map_err(|e| client_fault(e, shown))?;
    Ok(!names.is_empty())
}

fn tell(app: &App, done: &str, link: &Link, place: &str, what: &GrantAsk) -> Result<(), Fault> {
    let id = hex(&client::account::grant_id(&link.grant).map_err(account_fault)?);
    let (out, until) = (&app.out, what.not_after);
    match out.form {
        Form::Json => out.json(
            "grant",
            json!({"id": id, "link": link.to_string(), "place": place, "until": until.map(|at| at.to_string())}),
        ),
        Form::Id => out.print(&id),
        Form::Plain => out.print(&link.to_string()),
        Form::Human => {
            let when = until.map_or_else(|| out.text("grant-forever", args![]), |at| at.to_string());
            out.print(&link.to_string());
            let ops = what.ops.words().join(", ");
            out.say(done, args!["place" => place, "until" => when, "id" => &id[..8], "ops" => ops]);
        }
    }
    Ok(())
}

async fn list(app: &App) -> Result<(), Fault> {
    let grants = Session::with(app, async |session| {
        Account::grants(&session.asking(), session.root()?).await.map_err(account_fault)
    });
    let now = clock::now();
    let rows: Vec<Row> = grants
        .await?
        .into_iter()
        .map(|(line, note)| {
            let state = match (line.revoked, line.note.not_after) {
                (Some(_), _) => "ticket-state-revoked",
                (None, Some(until)) if until < now => "ticket-state-expired",
                _ => "ticket-state-open",
            };
            let until = line.note.not_after.map_or_else(|| app.out.text("grant-forever", args![]), |at| at.to_string());
            let (id, place) = (hex(&line.note.id), note.unwrap_or_else(|| "–".to_owned()));
            Row {
                json: json!({"id": id, "place": place, "at": line.at.to_string(), "until": line.note.not_after.map(|at| at.to_string()),
                    "revoked": line.revoked.map(|at| at.to_string()), "state": state.trim_start_matches("ticket-state-")}),
                cells: vec![id[..8].to_owned(), place, until, app.out.text(state, args![])],
            }
        })
        .collect();
    app.out.table("grant", &["column-id", "column-place", "column-until", "column-state"], 0, &rows);
    Ok(())
}

/// What a link allows, as far as it says itself; nobody is asked.
fn show(app: &App, text: &str) -> Result<(), Fault> {
    let place = Place::parse(text)?;
    let link = place.link.ok_or_else(|| Fault::bad_value("link", text, "a link begins with pmg1"))?;
    let damaged = |why: &dyn std::fmt::Display| Fault::new(errors::TICKET_DAMAGED, []).because(why);
    let allowed = grant::check(&link.grant).map_err(|e| damaged(&e))?;
    let keys = BucketKeys::parse(&link.keys).map_err(|e| damaged(&e))?;
    let until = allowed.not_after.map_or_else(|| app.out.text("grant-forever", args![]), |at| at.to_string());
    let ops = allowed.ops.words().join(",");
    let fields = json!({"id": hex(&allowed.ids[0]), "ops": allowed.ops.words(), "base": keys.base(), "is_object": keys.is_object(),
        "until": allowed.not_after.map(|at| at.to_string()), "blocks_count": allowed.ids.len(), "cloud": link.address.cloud.to_string()});
    let base = if keys.base().is_empty() { "/" } else { keys.base() };
    app.out.done(
        "grant",
        fields,
        "grant-shown",
        args!["ops" => ops, "base" => base, "until" => until, "n" => allowed.ids.len()],
    );
    Ok(())
}

fn narrower(app: &App, text: &str, what: &What) -> Result<(), Fault> {
    let place = Place::parse(text)?;
    let link = place.link.clone().ok_or_else(|| Fault::bad_value("link", text, "a link begins with pmg1"))?;
    let ask = what.ask()?;
    let below = text.contains('/').then_some(place.key.as_str());
    let narrowed = narrow(&link, below, &ask).map_err(|e| client_fault(e, &place.bucket))?;
    tell(app, "grant-narrowed", &narrowed, &place.at(&place.key), &ask)
}

async fn revoke(app: &App, id: &str) -> Result<(), Fault> {
    Session::with(app, async |session| {
        let asking = session.asking();
        let all = Account::grants(&asking, session.root()?).await.map_err(account_fault)?;
        let found: Vec<_> = all.into_iter().filter(|(line, _)| hex(&line.note.id).starts_with(id)).collect();
        let [(line, note)] = &found[..] else {
            let why = if found.is_empty() { "no grant has this id" } else { "more than one grant begins so" };
            return Err(Fault::bad_value("id", id, why));
        };
        let ended = asking(Request::GrantRevoke(line.note.id)).await.map_err(account_fault)?;
        match ended.into_answer() {
            Ok(Reply::Done) => {}
            Ok(_) => return Err(Fault::bug("the center answered something else")),
            Err(refusal) => return Err(Fault::from(refusal)),
        }
        let place = note.clone().unwrap_or_else(|| "–".to_owned());
        app.out.done(
            "grant_revoked",
            json!({"id": hex(&line.note.id), "place": place}),
            "grant-revoked",
            args!["place" => &place],
        );
        Ok(())
    })
    .await
}
