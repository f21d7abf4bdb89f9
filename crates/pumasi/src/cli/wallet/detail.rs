//! What a line of a statement is made of, and units by who served or used them.

use super::{OfArgs, StatementArgs, ask, other_answer, since};
use crate::app::App;
use crate::cli::Form;
use crate::cli::object::hex;
use crate::fault::Fault;
use crate::output::Row;
use clap::ValueEnum;
use console::args;
use model::Stamp;
use serde_json::{Value, json};
use wire::ledger::{LineDetail, PartLine, PartOf, PartsAsk, Reading, SettledOf};
use wire::{Reply, Request};

/// By what parts are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Machines that served.
    Node,
    /// Jobs that used.
    Job,
    /// Members who used.
    Account,
}

impl By {
    const fn is_of(self, part: &PartLine) -> bool {
        matches!(
            (self, part.of),
            (Self::Node, PartOf::Node(_)) | (Self::Job, PartOf::Job(_)) | (Self::Account, PartOf::Account(_))
        )
    }
}

fn of(app: &App, part: &PartLine) -> String {
    match part.of {
        PartOf::Node(node) => app.out.text("wallet-by-node", args!["id" => node.short()]),
        PartOf::Job(job) => app.out.text("wallet-by-job", args!["id" => job.to_string()]),
        PartOf::Account(account) => app.out.text("wallet-by-account", args!["id" => account.to_string()]),
    }
}

fn part_json(part: &PartLine) -> Value {
    let (by, id) = match part.of {
        PartOf::Node(node) => ("node", node.to_string()),
        PartOf::Job(job) => ("job", job.to_string()),
        PartOf::Account(account) => ("account", account.to_string()),
    };
    let side = if part.is_served { "served" } else { "used" };
    json!({"resource": part.resource.word(), "side": side, "by": by, "of": id, "units": part.units.to_string()})
}

fn reading_json(reading: &Reading) -> Value {
    json!({"variant": reading.variant, "version": reading.version, "units": reading.units.to_string(),
        "quality_bps": reading.quality_bps, "price": reading.price.0.to_string(), "per": reading.per.to_string(),
        "amount": reading.amount.0.to_string()})
}

fn settled_json(settled: &SettledOf) -> Value {
    json!({"period_end": settled.period.to_string(), "resource": settled.resource.word(),
        "side": if settled.is_served { "served" } else { "used" },
        "readings": settled.readings.iter().map(reading_json).collect::<Vec<_>>(),
        "parts": settled.parts.iter().map(part_json).collect::<Vec<_>>(),
        "there": settled.factor.map(|(there, _)| there.0.to_string()),
        "earned": settled.factor.map(|(_, earned)| earned.0.to_string())})
}

/// `wallet statement --line`
pub async fn line(app: &App, whose: &OfArgs, seq: u64) -> Result<(), Fault> {
    let Reply::LedgerLine(detail) = ask(app, Request::LedgerLine(whose.account()?, seq)).await? else {
        return Err(other_answer());
    };
    if app.out.form == Form::Json {
        let mut fields = super::row(&detail.line).json;
        fields["block"] = json!(detail.block.0);
        fields["block_hash"] = json!(hex(&detail.block.1));
        fields["signer"] = json!(detail.signer.map(|device| device.to_string()));
        fields["settled"] = detail.settled.as_ref().map_or(Value::Null, settled_json);
        app.out.json("statement_line_detail", fields);
        return Ok(());
    }
    show(app, &detail);
    Ok(())
}

fn show(app: &App, detail: &LineDetail) {
    let say = |key: &str, args| app.out.print(&app.out.text(key, args));
    let line = &detail.line;
    let other = if line.other_name.is_empty() { line.other.to_string() } else { line.other_name.clone() };
    let change = if line.balance.0 == 0 { line.held } else { line.balance };
    let (amount, code) = (super::signed(change), line.code.to_string());
    say(
        "wallet-line",
        args!["seq" => line.seq, "when" => line.at.to_string(), "amount" => amount, "code" => code, "other" => other, "block" => detail.block.0],
    );
    if let Some(device) = detail.signer {
        say("wallet-line-signed", args!["device" => device.to_string()]);
    }
    let Some(settled) = &detail.settled else { return };
    let key = if settled.is_served { "wallet-line-served" } else { "wallet-line-used" };
    say(key, args!["when" => settled.period.to_string(), "resource" => settled.resource.word()]);
    for reading in &settled.readings {
        let quality = format!("{}.{:02}", reading.quality_bps / 100, reading.quality_bps % 100);
        let (units, price, per) = (reading.units.to_string(), reading.price.0.to_string(), reading.per.to_string());
        let (variant, amount) = (reading.variant.clone(), reading.amount.to_string());
        say(
            "wallet-line-reading",
            args!["units" => units, "variant" => variant, "quality" => quality, "price" => price, "per" => per, "version" => reading.version, "amount" => amount],
        );
    }
    if let Some((there, wanted)) = settled.factor.filter(|(there, wanted)| there < wanted) {
        say("wallet-line-factor", args!["there" => there.to_string(), "wanted" => wanted.to_string()]);
    }
    for part in &settled.parts {
        say("wallet-line-part", args!["units" => part.units.to_string(), "of" => of(app, part)]);
    }
}

/// `wallet statement --by`
pub async fn parts(app: &App, args: &StatementArgs, by: By) -> Result<(), Fault> {
    let asked =
        PartsAsk { account: args.of.account()?, from: since(&args.since)?, until: Stamp(i64::MAX.unsigned_abs()) };
    let Reply::LedgerParts(parts) = ask(app, Request::LedgerParts(asked)).await? else { return Err(other_answer()) };
    let side = |part: &PartLine| app.out.text(if part.is_served { "side-served" } else { "side-used" }, args![]);
    let row = |part: &PartLine| Row {
        cells: vec![part.resource.word().to_owned(), side(part), part.units.to_string(), of(app, part)],
        json: part_json(part),
    };
    let rows: Vec<Row> = parts.iter().filter(|part| by.is_of(part)).map(row).collect();
    app.out.table("statement_part", &["column-for", "column-side", "column-units", "column-other"], 3, &rows);
    if app.out.form == Form::Human {
        app.out.say("wallet-parts", args!["n" => rows.len()]);
    }
    Ok(())
}
