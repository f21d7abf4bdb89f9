//! `pumasi ledger …`: the whole book, for whoever wants to know that it adds up: how it stands, all of its rows as a file, and a replay
//! of either by a program that shares nothing with the center's store but the layout of a row.
//!
//! A file: magic `PML1`, then records in the order of the book: `R` and the 104 bytes of a row ([`rules::ledger::Row`]) · `B` and number,
//! first and last row, each u64, root over the rows, hash of the block before, own hash, each 32 bytes, behind the rows of the block · `D` and day u32, roots over rows and
//! accounts, each 32 bytes, Σ debits and Σ credits, each u128, rows so far u64, root 32, number of signatures u8 and each signature's 172 bytes
//! ([`wire::signed::Cosign`]), behind the last block of a day that has a root.

mod daily;
mod file;
mod replay;
mod roots;

use crate::app::App;
use crate::cli::Form;
use crate::fault::Fault;
use crate::local::ask_center;
use center::ledger::store::{StoredBlock, row};
use clap::{Args, Subcommand};
use console::args;
use daily::{Seen, Whose};
use file::{Reading, Writing};
use model::{AccountClass, AccountNo, Code, TransferKind, Ucredit};
use replay::{Found, Replaying};
use roots::RootsArgs;
pub use roots::{date, follow};
use rules::ledger::Row;
use rules::ledger::chain::Block;
use rules::ledger::roots::Roots;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wire::ledger::{BlockLine, DayLine, LedgerPage, LedgerState};
use wire::{Reply, Request};

/// Rows, and blocks, read of a store at a time.
const BOOK_STEP: u32 = 10_000;

/// `ledger`
#[derive(Subcommand, Debug)]
pub enum LedgerVerb {
    Show,
    Export(ExportArgs),
    Verify(VerifyArgs),
    Roots(RootsArgs),
    Thaw(ThawArgs),
}

/// `ledger export`
#[derive(Args, Debug, Clone)]
pub struct ExportArgs {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `ledger verify`
#[derive(Args, Debug, Clone)]
pub struct VerifyArgs {
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `ledger thaw`
#[derive(Args, Debug, Clone)]
pub struct ThawArgs {
    #[arg(value_name = "ACCOUNT")]
    pub account: String,
}

/// A record of the book.
pub(super) enum Record {
    Row(Box<Row>),
    Block(BlockLine),
    Day(Box<DayLine>),
}

/// Runs `ledger …`.
pub async fn run(app: &App, verb: &LedgerVerb) -> Result<(), Fault> {
    match verb {
        LedgerVerb::Show => show(app).await,
        LedgerVerb::Export(args) => export(app, args).await,
        LedgerVerb::Verify(args) => verify(app, args).await,
        LedgerVerb::Roots(args) => roots::run(app, args).await,
        LedgerVerb::Thaw(args) => thaw(app, args).await,
    }
}

async fn state(app: &App) -> Result<LedgerState, Fault> {
    match ask_center(&app.home, Request::LedgerState, app.timeout).await? {
        Reply::LedgerState(state) => Ok(*state),
        _ => Err(Fault::bug("the center answered something else")),
    }
}

async fn show(app: &App) -> Result<(), Fault> {
    let state = state(app).await?;
    let seen = follow(app).await?;
    let [debits, credits, held_debits, held_credits] = state.sums;
    let adds_up = debits == credits && held_debits == held_credits && state.fault.is_none();
    let word = |class: u8| AccountClass::from_number(class).map_or("?", AccountClass::word);
    if app.out.form == Form::Json {
        let class = |(class, count, balance): &(u8, u64, model::Credits)| json!({"class": word(*class), "accounts": count, "balance": balance.0.to_string()});
        let fields = json!({"rows": state.rows, "blocks": state.blocks.0, "block_hash": super::object::hex(&state.blocks.1),
            "debits": debits.to_string(), "credits": credits.to_string(), "held_debits": held_debits.to_string(),
            "held_credits": held_credits.to_string(), "adds_up": adds_up, "fault": state.fault,
            "state": super::object::hex(&state.state), "classes": state.classes.iter().map(class).collect::<Vec<_>>(),
            "root_day": seen.newest().map(|(day, _)| date(day)), "root": seen.newest().map(|(_, root)| super::object::hex(&root)),
            "as_of": state.at.to_string()});
        app.out.json("ledger", fields);
        return Ok(());
    }
    let amount = |sum: u128| u64::try_from(sum).map_or_else(|_| format!("{sum} µ"), |micro| Ucredit(micro).to_string());
    let line = |key: &str, args| app.out.print(&app.out.text(key, args));
    line("ledger-rows", args!["n" => state.rows, "blocks" => state.blocks.0]);
    line("ledger-sums", args!["debits" => amount(debits), "credits" => amount(credits), "held" => amount(held_debits)]);
    for (class, count, balance) in &state.classes {
        line("ledger-class", args!["class" => word(*class), "n" => *count, "balance" => balance.to_string()]);
    }
    if let Some((day, _)) = seen.newest() {
        line("ledger-newest-root", args!["day" => date(day), "n" => seen.all().len()]);
    }
    line(if adds_up { "ledger-adds-up" } else { "ledger-broken" }, args!["why" => state.fault.unwrap_or_default()]);
    Ok(())
}

/// All days with a root, oldest first.
async fn days(app: &App) -> Result<Vec<DayLine>, Fault> {
    let mut days: Vec<DayLine> = Vec::new();
    loop {
        let after = days.last().map(|day| day.day);
        let Reply::LedgerDays(page) = ask_center(&app.home, Request::LedgerDays(after), app.timeout).await? else {
            return Err(Fault::bug("the center answered something else"));
        };
        if page.first().is_none_or(|first| after.is_some_and(|after| first.day <= after)) {
            return Ok(days);
        }
        days.extend(page);
    }
}

/// All records of the center's book, in order, each page handed on.
async fn pages(app: &App, mut each: impl FnMut(Record) -> Result<(), Fault>) -> Result<(), Fault> {
    let bad = || Fault::bug("the center sent rows that are none");
    let mut after = 0;
    let mut days = days(app).await?.into_iter().peekable();
    loop {
        let answer = ask_center(&app.home, Request::LedgerRows(after), app.timeout).await?;
        let Reply::LedgerRows(LedgerPage { rows, blocks, head }) = answer else {
            return Err(Fault::bug("the center answered something else"));
        };
        let (chunks, rest) = rows.as_chunks::<{ Row::LEN }>();
        if !rest.is_empty() {
            return Err(bad());
        }
        let mut blocks = blocks.into_iter().peekable();
        for chunk in chunks {
            let row = Row::parse(chunk).ok_or_else(bad)?;
            after = row.seq;
            while let Some(day) = days.next_if(|day| day.day < row.day) {
                each(Record::Day(Box::new(day)))?;
            }
            each(Record::Row(Box::new(row)))?;
            while let Some(block) = blocks.next_if(|block| block.last <= after) {
                each(Record::Block(block))?;
            }
        }
        if chunks.is_empty() || after >= head {
            return days.try_for_each(|day| each(Record::Day(Box::new(day))));
        }
    }
}

/// What was credited to and debited from each account, by code.
pub async fn sums(app: &App) -> Result<BTreeMap<(AccountNo, Code), (Ucredit, Ucredit)>, Fault> {
    let mut out: BTreeMap<(AccountNo, Code), (Ucredit, Ucredit)> = BTreeMap::new();
    let note = |record: Record| {
        if let Record::Row(row) = record
            && matches!(row.kind, TransferKind::Move | TransferKind::Post)
        {
            let into = &mut out.entry((row.credit, row.code)).or_default().0;
            into.0 = into.0.saturating_add(row.amount.0);
            let from = &mut out.entry((row.debit, row.code)).or_default().1;
            from.0 = from.0.saturating_add(row.amount.0);
        }
        Ok(())
    };
    pages(app, note).await.map(|()| out)
}

/// The center's book, added up again.
pub async fn verified(app: &App) -> Result<(), Fault> {
    let mut replay = Replaying::default();
    pages(app, |record| replay.take(record)).await?;
    replay.end(Whose::Center, &seen(app)).map(drop)
}

/// What this home has seen of its cloud's book.
fn seen(app: &App) -> Seen {
    let cloud = crate::membership::Membership::load(&app.home).ok().map(|membership| membership.cloud);
    Seen { cloud, roots: roots::kept(app) }
}

/// Writes a book as a file, as `ledger export` does, out of a store that is at hand; how many rows it has.
pub async fn write_book(db: &center::db::Db, path: &Path) -> Result<u64, Fault> {
    let mut out = Writing::new(path)?;
    let (mut seq, mut no) = (0, 0);
    loop {
        let (rows, blocks) = db
            .read(move |q| Ok((row::after(q, seq, BOOK_STEP)?, row::blocks(q, no, BOOK_STEP)?)))
            .await
            .map_err(Fault::bug)?;
        let mut blocks = blocks.into_iter().peekable();
        for row in &rows {
            seq = row.seq;
            out.put(&Record::Row(Box::new(*row)))?;
            while let Some(StoredBlock { block, .. }) = blocks.next_if(|stored| stored.block.last_seq <= seq) {
                no = block.no;
                let Block { no, first_seq: first, last_seq: last, rows_root: root, prev, hash } = block;
                out.put(&Record::Block(BlockLine { no, first, last, root, prev, hash }))?;
            }
        }
        if rows.is_empty() {
            return out.end().map(|(rows, _)| rows);
        }
    }
}

/// A book's file, added up again as `ledger verify` does; how many rows it has.
pub fn verify_book(path: &Path) -> Result<u64, Fault> {
    let mut replay = Replaying::default();
    Reading::new(path)?.each(|record| replay.take(record))?;
    replay.end(Whose::File, &Seen { cloud: None, roots: Roots::default() }).map(|found| found.rows)
}

async fn export(app: &App, args: &ExportArgs) -> Result<(), Fault> {
    let mut out = Writing::new(&args.file)?;
    pages(app, |record| out.put(&record)).await?;
    let (rows, blocks) = out.end()?;
    let path = args.file.display().to_string();
    let fields = json!({"file": path, "rows": rows, "blocks": blocks});
    app.out.done("ledger_export", fields, "ledger-exported", args!["file" => path, "n" => rows]);
    Ok(())
}

async fn thaw(app: &App, args: &ThawArgs) -> Result<(), Fault> {
    let bad = |_| Fault::bad_value("account", &args.account, "it is written as member-7");
    let account: AccountNo = args.account.parse().map_err(bad)?;
    match ask_center(&app.home, Request::AccountThaw(account), app.timeout).await? {
        Reply::Done => {
            let fields = json!({"account": account.to_string()});
            app.out.done("ledger_thaw", fields, "ledger-thawed", args!["account" => account.to_string()]);
            Ok(())
        }
        _ => Err(Fault::bug("the center answered something else")),
    }
}

async fn verify(app: &App, args: &VerifyArgs) -> Result<(), Fault> {
    let mut replay = Replaying::default();
    let expected = match &args.file {
        Some(path) => {
            Reading::new(path)?.each(|record| replay.take(record))?;
            None
        }
        None => {
            let before = state(app).await?;
            pages(app, |record| replay.take(record)).await?;
            let after = state(app).await?;
            // Compared where nothing was added meanwhile.
            (before.rows == after.rows && before.rows == replay.rows()).then_some(after.state)
        }
    };
    let whose = if args.file.is_some() { Whose::File } else { Whose::Center };
    let Found { rows, blocks, holds, state, sums, days } = replay.end(whose, &seen(app))?;
    if expected.is_some_and(|expected| expected != state) {
        return Err(replay::broken("the center's accounts are not what its rows add up to"));
    }
    let fields = json!({"rows": rows, "blocks": blocks, "open_holds": holds, "debits": sums.debits.to_string(),
        "credits": sums.credits.to_string(), "state": super::object::hex(&state), "compared": expected.is_some(),
        "days": days.count, "least_signatures": days.least_signatures, "newest_signatures": days.newest_signatures});
    let told = args!["days" => days.count, "signed" => days.newest_signatures, "n" => rows, "blocks" => blocks, "state" => super::object::hex(&state)];
    app.out.done("ledger_verify", fields, "ledger-verified", told);
    Ok(())
}
