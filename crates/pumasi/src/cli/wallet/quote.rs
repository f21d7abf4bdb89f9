//! `wallet quote`: what storing, reading and computing would cost, by the price book in force; without flags, the book.

use super::{OfArgs, ask, other_answer, wallet};
use crate::app::App;
use crate::cli::Form;
use crate::fault::Fault;
use crate::output::Row;
use clap::Args;
use console::args;
use model::compute::Check;
use model::units::Bytes;
use model::{Class, Resource, Ucredit};
use serde_json::json;
use wire::ledger::{PriceLine, Prices};
use wire::{Reply, Request};

/// Hours of a month, as storage is priced.
const MONTH_H: u64 = 720;
/// Bytes of the unit that stored bytes are counted in, for an hour.
const MB: u64 = 1_000_000;

/// `wallet quote`
#[derive(Args, Debug, Clone)]
pub struct QuoteArgs {
    #[arg(long, value_name = "SIZE")]
    pub store: Option<Bytes>,
    #[arg(long, value_name = "eco|standard|fortress", default_value = "standard")]
    pub class: String,
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub months: u64,
    #[arg(long, value_name = "SIZE")]
    pub read: Option<Bytes>,
    #[arg(long, value_name = "STEPS")]
    pub compute: Option<u64>,
    #[arg(long, value_name = "fast|standard|strict", default_value = "standard")]
    pub check: String,
}

/// Prices in force, as the center tells them.
pub(in crate::cli) async fn prices(app: &App) -> Result<Prices, Fault> {
    match ask(app, Request::Prices).await? {
        Reply::Prices(prices) => Ok(*prices),
        _ => Err(other_answer()),
    }
}

fn line<'p>(prices: &'p Prices, resource: Resource, variant: &str) -> Result<&'p PriceLine, Fault> {
    let found = prices.lines.iter().find(|line| line.resource == resource && line.variant == variant);
    found.ok_or_else(|| Fault::bug(format!("the price book has no row {resource} {variant}")))
}

/// What so many sealed bytes of a class cost for some months.
pub(in crate::cli) fn of_store(prices: &Prices, class: Class, bytes: u64, months: u64) -> Result<Ucredit, Fault> {
    let variant = if prices.is_circle { "circle" } else { class.word() };
    Ok(line(prices, Resource::Storage, variant)?
        .cost(bytes.div_ceil(MB).saturating_mul(MONTH_H).saturating_mul(months)))
}

/// What it costs to read so many bytes.
pub(in crate::cli) fn of_read(prices: &Prices, bytes: u64) -> Result<Ucredit, Fault> {
    Ok(line(prices, Resource::Egress, "plain")?.cost(bytes))
}

/// Runs `wallet quote`.
pub async fn quote(app: &App, quote: &QuoteArgs) -> Result<(), Fault> {
    let prices = prices(app).await?;
    let mut parts: Vec<(&str, String, Ucredit)> = Vec::new();
    if let Some(bytes) = quote.store {
        let class: Class = quote.class.parse()?;
        parts.push(("quote-store", bytes.to_string(), of_store(&prices, class, bytes.0, quote.months)?));
    }
    if let Some(bytes) = quote.read {
        parts.push(("quote-read", bytes.to_string(), of_read(&prices, bytes.0)?));
    }
    if let Some(steps) = quote.compute {
        let variant = if quote.check.parse::<Check>()? == Check::Strict { "strict" } else { "checked" };
        parts.push(("quote-compute", steps.to_string(), line(&prices, Resource::Compute, variant)?.cost(steps)));
    }
    if parts.is_empty() {
        table(app, &prices);
        return Ok(());
    }
    let sum = Ucredit(parts.iter().fold(0u64, |sum, (.., cost)| sum.saturating_add(cost.0)));
    match app.out.form {
        Form::Json => {
            let part = |(what, amount, cost): &(&str, String, Ucredit)| json!({"what": what.trim_start_matches("quote-"), "amount": amount, "cost": cost.0.to_string()});
            let each: Vec<_> = parts.iter().map(part).collect();
            app.out.json("quote", json!({"version": prices.version, "parts": each, "sum": sum.0.to_string()}));
        }
        Form::Plain | Form::Id => app.out.print(&sum.to_string()),
        Form::Human => {
            for (key, amount, cost) in &parts {
                let words = args!["amount" => amount, "cost" => cost.to_string(), "months" => quote.months];
                app.out.print(&app.out.text(key, words));
            }
            let has = wallet(app, &OfArgs { account: None }).await?.available();
            app.out.print(&app.out.text("quote-sum", args!["sum" => sum.to_string(), "has" => has.to_string()]));
        }
    }
    Ok(())
}

fn table(app: &App, prices: &Prices) {
    let row = |line: &PriceLine| Row {
        cells: vec![
            line.resource.word().to_owned(),
            line.variant.clone(),
            line.consumer.to_string(),
            line.provider.to_string(),
            line.per.to_string(),
        ],
        json: json!({"resource": line.resource.word(), "variant": line.variant, "consumer": line.consumer.0.to_string(),
            "provider": line.provider.0.to_string(), "per": line.per}),
    };
    let rows: Vec<Row> = prices.lines.iter().map(row).collect();
    app.out.table("price", &["column-for", "column-kind", "column-pays", "column-earns", "column-per"], 0, &rows);
    if app.out.form == Form::Human {
        app.out.say("quote-book", args!["version" => prices.version, "from" => prices.valid_from.to_string()]);
    }
}
