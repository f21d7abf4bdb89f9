//! `pumasi wallet limit`: how far one may owe, why, how one stands and what leads on from there.

use super::{OfArgs, ask, other_answer};
use crate::app::App;
use crate::cli::Form;
use crate::fault::Fault;
use crate::output::Row;
use console::{args, text};
use model::{MemberState, Ucredit};
use rules::ledger::limit::{Raise, Shown, Why, raises};
use serde_json::{Value, json};
use wire::ledger::LimitPage;
use wire::{Reply, Request};

/// Shows it.
pub async fn limit(app: &App, of: &OfArgs) -> Result<(), Fault> {
    let Reply::Limit(page) = ask(app, Request::Limit(of.account()?)).await? else { return Err(other_answer()) };
    match app.out.form {
        Form::Json => app.out.json("limit", fields(&page)),
        Form::Id => app.out.print(&page.account.to_string()),
        Form::Plain => app.out.print(&page.limit.to_string()),
        Form::Human => human(app, &page),
    }
    Ok(())
}

/// Why a limit is what it is, as people read it; words of no rule stand as they are.
pub fn why_text(app: &App, why: &str) -> String {
    let (word, args) = match why.parse() {
        Ok(Why::Earned { mean, audits_bps }) => {
            ("earned", args!["mean" => mean.to_string(), "audits" => share(audits_bps)])
        }
        Ok(why) => (why.word(), args![]),
        Err(()) => (why, args![]),
    };
    let key = format!("wallet-why-{}", word.replace('_', "-"));
    if text::has(app.out.lang, &key) { app.out.text(&key, args) } else { why.to_owned() }
}

/// How one stands, and what that means: in a private cloud the limit only orders.
pub fn state_text(app: &App, state: MemberState, is_private: bool) -> String {
    let word = match state {
        MemberState::AtLimit if is_private => "last".to_owned(),
        state => state.word().replace('_', "-"),
    };
    app.out.text(&format!("wallet-state-{word}"), args![])
}

/// Ten thousandths as percent.
fn share(bps: u64) -> String {
    format!("{}.{:02}", bps / 100, bps % 100)
}

fn human(app: &App, page: &LimitPage) {
    let line = |key: &str, args| app.out.print(&app.out.text(key, args));
    line("wallet-of", args!["name" => page.name.clone(), "account" => page.account.to_string()]);
    line("wallet-limit", args!["amount" => page.limit.to_string(), "why" => why_text(app, &page.why)]);
    line("wallet-available", args!["amount" => page.available.to_string()]);
    line(
        "wallet-state",
        args!["state" => state_text(app, page.state, page.is_private), "when" => page.since.to_string()],
    );
    if page.written_off > Ucredit::ZERO {
        line("wallet-written-off", args!["amount" => page.written_off.to_string()]);
    }
    if let (n, Some(at)) = page.notices {
        line("wallet-notices", args!["n" => n, "when" => at.to_string()]);
    }
    for raise in next(page) {
        line("wallet-next", args!["what" => raise_text(app, raise)]);
    }
    if !page.changes.is_empty() {
        let row = |change: &wire::ledger::LimitLine| Row {
            cells: vec![
                change.at.to_string(),
                change.old.to_string(),
                change.new.to_string(),
                why_text(app, &change.why),
            ],
            json: Value::Null,
        };
        let rows: Vec<Row> = page.changes.iter().map(row).collect();
        app.out.table("limit_change", &["column-time", "column-before", "column-after", "column-why"], 0, &rows);
    }
}

fn next(page: &LimitPage) -> Vec<Raise> {
    if page.written_off > Ucredit::ZERO {
        return Vec::new();
    }
    let shown = Shown { served: page.served, audited: page.proven, is_private: page.is_private };
    raises(shown, page.mean, page.audits_bps)
}

fn raise_text(app: &App, raise: Raise) -> String {
    match raise {
        Raise::Serve { more, to } => {
            app.out.text("wallet-next-serve", args!["more" => more.to_string(), "to" => to.to_string()])
        }
        Raise::Prove { more, to } => {
            app.out.text("wallet-next-prove", args!["more" => more.to_string(), "to" => to.to_string()])
        }
        Raise::Earn { more_than } => app.out.text("wallet-next-earn", args!["amount" => more_than.to_string()]),
    }
}

fn fields(page: &LimitPage) -> Value {
    let raise = |raise: Raise| match raise {
        Raise::Serve { more, to } => json!({"by": "serve", "more_s": more.as_secs(), "to": to.0.to_string()}),
        Raise::Prove { more, to } => json!({"by": "prove", "more_s": more.as_secs(), "to": to.0.to_string()}),
        Raise::Earn { more_than } => json!({"by": "earn", "more_than": more_than.0.to_string()}),
    };
    let change = |change: &wire::ledger::LimitLine| {
        json!({"at": change.at.to_string(), "old": change.old.0.to_string(), "new": change.new.0.to_string(),
            "why": change.why})
    };
    json!({"account": page.account.to_string(), "name": page.name, "state": page.state.word(),
        "since": page.since.to_string(), "limit": page.limit.0.to_string(), "why": page.why,
        "balance": page.balance.0.to_string(), "available": page.available.0.to_string(), "private": page.is_private,
        "mean": page.mean.0.to_string(), "daily_use": page.daily_use.0.to_string(), "audits_bps": page.audits_bps,
        "served_s": page.served.as_secs(), "proven_s": page.proven.as_secs(),
        "written_off": page.written_off.0.to_string(), "notices": page.notices.0,
        "noticed": page.notices.1.map(|at| at.to_string()), "next": next(page).into_iter().map(raise).collect::<Vec<_>>(),
        "changes": page.changes.iter().map(change).collect::<Vec<_>>(),
        "worked_out": page.worked_out.map(|at| at.to_string())})
}
