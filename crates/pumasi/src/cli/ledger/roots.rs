//! `pumasi ledger roots`: the daily roots of the book that this machine has seen, and whether the center stands by them.

use crate::app::App;
use crate::cli::Form;
use crate::cli::object::hex;
use crate::fault::Fault;
use crate::local::ask_center;
use crate::output::Row;
use clap::Args;
use client::roots::{RootsError, RootsFile};
use console::args;
use model::{Span, Stamp, errors};
use rules::ledger::roots::Roots;
use serde_json::json;
use wire::{Reply, Request};

/// Questions until all days are told: each answer bears as many as are kept.
const ASKS_MAX: u32 = 3;

/// `ledger roots`
#[derive(Args, Debug, Clone)]
pub struct RootsArgs {
    #[arg(long)]
    pub forget: bool,
}

/// The begin of a day, as it is read.
pub fn date(day: u32) -> String {
    let at = Stamp(u64::from(day).saturating_mul(Span::days(1).as_ms())).to_string();
    at.split(['T', ' ']).next().unwrap_or_default().to_owned()
}

fn fault(error: RootsError) -> Fault {
    match error {
        RootsError::Refused(refusal) => {
            let day = refusal.args.get("day").and_then(|day| day.parse().ok());
            let why = format!("its book is not the one of {} that was seen before", day.map_or_else(String::new, date));
            Fault::new(errors::ROLLBACK_SEEN, []).because(why)
        }
        RootsError::File { ref path, .. } | RootsError::Damaged(ref path) => {
            let path = path.display().to_string();
            Fault::new(errors::CONFIG_UNREADABLE, [("path", &path), ("why", &error.to_string())])
        }
    }
}

fn file(app: &App) -> RootsFile {
    RootsFile::at(app.home.ledger_roots())
}

/// What this home has seen, without asking anybody; nothing where that cannot be read.
pub fn kept(app: &App) -> Roots {
    file(app).load().unwrap_or_default()
}

/// Holds the center to what this home has seen of its book, and keeps what is new: E0808 where the center tells another history.
pub async fn follow(app: &App) -> Result<Roots, Fault> {
    let file = file(app);
    let mut roots = file.load().map_err(fault)?;
    for _ in 0..ASKS_MAX {
        let asked = Request::LedgerDays(roots.asks_after());
        let Reply::LedgerDays(lines) = ask_center(&app.home, asked, app.timeout).await? else {
            return Err(Fault::bug("the center answered something else"));
        };
        let before = roots.newest();
        roots = file.take(&roots, &lines).map_err(fault)?;
        if roots.newest() == before {
            break;
        }
    }
    Ok(roots)
}

/// Runs `ledger roots`.
pub async fn run(app: &App, given: &RootsArgs) -> Result<(), Fault> {
    if given.forget {
        let question = app.out.text("ledger-roots-forget-ask", args![]);
        if !app.out.confirm(&question)? {
            return Ok(());
        }
        file(app).forget().map_err(fault)?;
    }
    let roots = follow(app).await?;
    let row = |(day, root): &(u32, [u8; 32])| Row {
        cells: vec![date(*day), hex(root)],
        json: json!({"day": day, "date": date(*day), "root": hex(root)}),
    };
    let rows: Vec<Row> = roots.all().iter().map(row).collect();
    app.out.table("ledger_root", &["column-time", "column-root"], 1, &rows);
    if app.out.form == Form::Human {
        app.out.say("ledger-roots", args!["n" => rows.len()]);
    }
    Ok(())
}
