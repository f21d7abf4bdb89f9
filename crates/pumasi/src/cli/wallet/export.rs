//! `wallet export` and `wallet verify`: a statement that can be shown to others.
//!
//! (A) The file bears the rows themselves and the center's signature over their hash: what is said of a line beside its row is derived
//! from it again, and names of others apart nothing else is believed. (B) It is checked before it is written, and anywhere later without
//! a cloud; where this home has joined one, it must be of that one.

use super::{OfArgs, ask, ask_from, csv, other_answer, row, since};
use crate::app::App;
use crate::cli::object::hex;
use crate::fault::Fault;
use crate::home::write_atomic;
use crate::membership::Membership;
use clap::Args;
use console::args;
use model::{Credits, Stamp, errors};
use rules::ledger::Row as BookRow;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use wire::ledger::{SealAsk, StatementLine};
use wire::signed::StatementSeal;
use wire::{Reply, Request};

/// Tries until lines and seal are of one moment.
const TRIES_MAX: u32 = 4;
/// Longest file that is read.
const FILE_MAX: u64 = 256 << 20;

/// `wallet export`
#[derive(Args, Debug, Clone)]
pub struct ExportArgs {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub of: OfArgs,
    #[arg(long, value_name = "DURATION", default_value = "31d")]
    pub since: String,
}

/// `wallet verify`
#[derive(Args, Debug, Clone)]
pub struct VerifyArgs {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

fn broken(why: &str) -> Fault {
    Fault::new(errors::LEDGER_BROKEN, [("why", why)])
}

/// (A) Whether these rows are what was sealed.
fn judge(seal: &StatementSeal, rows: &[BookRow]) -> Result<(), &'static str> {
    let mut hasher = blake3::Hasher::new();
    let mut closing = seal.opening;
    for row in rows {
        hasher.update(&row.bytes());
        closing = Credits(closing.0.saturating_add(row.effect(seal.account).0.0));
    }
    match () {
        () if rows.len() as u64 != seal.lines => Err("lines are missing, or too many"),
        () if hasher.finalize().as_bytes() != &seal.hash => Err("its rows are not those that were signed"),
        () if rows.iter().any(|row| row.debit != seal.account && row.credit != seal.account) => Err("a row of others"),
        () if rows.iter().any(|row| row.at >= seal.until) => Err("a row of another time"),
        () if closing != seal.closing => Err("its lines do not add up"),
        () => Ok(()),
    }
}

fn parse_row(bytes: &[u8]) -> Option<BookRow> {
    BookRow::parse(bytes.try_into().ok()?)
}

/// Lines and the center's word on them, of one moment.
async fn gather(app: &App, args: &ExportArgs) -> Result<(StatementSeal, Vec<u8>, Vec<StatementLine>), Fault> {
    let (account, from) = (args.of.account()?, since(&args.since)?);
    let mut why = "";
    for _ in 0..TRIES_MAX {
        let mut asked = ask_from(account, from, Stamp(u64::MAX));
        asked.limit = 1;
        let Reply::Statement(page) = ask(app, Request::Statement(asked)).await? else { return Err(other_answer()) };
        let until = page.at;
        let Reply::StatementSeal(word) = ask(app, Request::StatementSeal(SealAsk { account, from, until })).await?
        else {
            return Err(other_answer());
        };
        let seal = StatementSeal::check(&word).ok_or_else(|| broken("the center's signature is none"))?;
        let mut lines = Vec::new();
        let mut asked = ask_from(account, from, until);
        loop {
            let Reply::Statement(page) = ask(app, Request::Statement(asked)).await? else { return Err(other_answer()) };
            let (next, closing) = (page.next, page.closing);
            lines.extend(page.lines);
            match next {
                Some(next) if next > asked.after => (asked.after, asked.opening) = (next, Some(closing)),
                _ => break,
            }
        }
        let rows: Option<Vec<BookRow>> = lines.iter().map(|line| parse_row(&line.row)).collect();
        match judge(&seal, &rows.ok_or_else(other_answer)?) {
            Ok(()) => return Ok((seal, word, lines)),
            // A row whose time was earlier than the question's, by another center's clock.
            Err(other) => why = other,
        }
    }
    Err(broken(why))
}

fn line_json(line: &StatementLine) -> Value {
    let mut fields = row(line).json;
    fields["row"] = json!(hex(&line.row));
    fields
}

/// Runs `wallet export`.
pub async fn run(app: &App, args: &ExportArgs) -> Result<(), Fault> {
    let (seal, word, lines) = gather(app, args).await?;
    let document = json!({"v": 1, "kind": "statement_export", "cloud": seal.cloud.to_string(),
        "account": seal.account.to_string(), "from": seal.from.to_string(), "until": seal.until.to_string(),
        "opening": seal.opening.0.to_string(), "closing": seal.closing.0.to_string(), "as_of": seal.at.to_string(),
        "as_of_row": seal.head.0, "block_hash": hex(&seal.head.1), "seal": hex(&word),
        "lines": lines.iter().map(line_json).collect::<Vec<_>>()});
    let mut text = serde_json::to_vec_pretty(&document).map_err(Fault::bug)?;
    text.push(b'\n');
    let table = args.file.with_extension("csv");
    if table == args.file {
        return Err(Fault::bad_value("file", &args.file.display().to_string(), "the table beside it ends in csv"));
    }
    let head = super::CSV_HEAD.to_owned();
    let csv: Vec<String> = std::iter::once(head).chain(lines.iter().map(csv)).collect();
    write_atomic(&args.file, &text, 0o600)?;
    write_atomic(&table, format!("{}\n", csv.join("\n")).as_bytes(), 0o600)?;
    let (file, csv) = (args.file.display().to_string(), table.display().to_string());
    let fields = json!({"file": file, "csv": csv, "lines": lines.len(), "opening": seal.opening.0.to_string(),
        "closing": seal.closing.0.to_string()});
    app.out.done(
        "statement_export_written",
        fields,
        "wallet-exported",
        args!["n" => lines.len(), "file" => file, "csv" => csv],
    );
    Ok(())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

fn read(path: &Path) -> Result<Value, Fault> {
    let len = std::fs::metadata(path).map_err(|e| Fault::file(path, &e))?.len();
    if len > FILE_MAX {
        let shown = path.display().to_string();
        return Err(Fault::new(
            errors::TOO_LARGE,
            [("what", &*shown), ("size", &len.to_string()), ("limit", &FILE_MAX.to_string())],
        ));
    }
    let bytes = std::fs::read(path).map_err(|e| Fault::file(path, &e))?;
    serde_json::from_slice(&bytes).map_err(|_| broken("the file is no statement"))
}

/// (A) The row of a line in a file, when all that is said beside it follows from it.
fn line_row(line: &Value, seal: &StatementSeal) -> Option<BookRow> {
    let row = parse_row(&unhex(line.get("row")?.as_str()?)?)?;
    let (balance, held) = row.effect(seal.account);
    let shown = StatementLine {
        seq: row.seq,
        at: row.at,
        id: row.id,
        kind: row.kind,
        code: row.code,
        other: if row.debit == seal.account { row.credit } else { row.debit },
        other_name: line.get("other_name")?.as_str()?.to_owned(),
        balance,
        held,
        hold: row.hold,
        reference: row.reference,
        row: row.bytes().to_vec(),
    };
    (line_json(&shown) == *line).then_some(row)
}

/// (A) Seal and rows of a file.
fn check(document: &Value) -> Result<StatementSeal, &'static str> {
    let word = document.get("seal").and_then(Value::as_str).and_then(unhex).ok_or("it bears no signature")?;
    let seal = StatementSeal::check(&word).ok_or("its signature is not of the cloud it names")?;
    let said = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default();
    let is_said = said("cloud") == seal.cloud.to_string()
        && said("account") == seal.account.to_string()
        && said("from") == seal.from.to_string()
        && said("until") == seal.until.to_string()
        && said("opening") == seal.opening.0.to_string()
        && said("closing") == seal.closing.0.to_string()
        && said("as_of") == seal.at.to_string()
        && said("block_hash") == hex(&seal.head.1)
        && document.get("as_of_row").and_then(Value::as_u64) == Some(seal.head.0);
    if !is_said {
        return Err("what it says of itself was not signed");
    }
    let lines = document.get("lines").and_then(Value::as_array).ok_or("it has no lines")?;
    let rows: Option<Vec<BookRow>> = lines.iter().map(|line| line_row(line, &seal)).collect();
    judge(&seal, &rows.ok_or("a line says other than its row")?)?;
    Ok(seal)
}

/// Runs `wallet verify`. (B)
pub fn verify(app: &App, args: &VerifyArgs) -> Result<(), Fault> {
    let seal = check(&read(&args.file)?).map_err(broken)?;
    if let Ok(membership) = Membership::load(&app.home)
        && membership.cloud != seal.cloud
    {
        return Err(broken("it is of another cloud than this home has joined"));
    }
    let (cloud, account) = (seal.cloud.to_string(), seal.account.to_string());
    let fields = json!({"cloud": cloud, "account": account, "lines": seal.lines, "opening": seal.opening.0.to_string(),
        "closing": seal.closing.0.to_string(), "from": seal.from.to_string(), "until": seal.until.to_string()});
    let told = args!["cloud" => cloud, "account" => account, "n" => seal.lines, "opening" => seal.opening.to_string(), "closing" => seal.closing.to_string()];
    app.out.done("statement_verified", fields, "wallet-verified", told);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AccountClass, AccountNo, CloudKey, Code, TransferId, TransferKind, Ucredit};
    use wire::signed::public_of;

    const SECRET: [u8; 32] = [3; 32];

    fn document() -> Value {
        let no = |n| AccountNo::new(AccountClass::Member, n);
        let book_row = |seq: u64, debit, credit| BookRow {
            seq,
            id: TransferId([seq as u8; 16]),
            kind: TransferKind::Move,
            debit,
            credit,
            amount: Ucredit(seq * 10),
            code: Code::Gift,
            hold: None,
            reference: None,
            expires: None,
            day: 20_833,
            at: Stamp(1_800_000_000_000),
        };
        let rows = [book_row(4, no(1), no(2)), book_row(9, no(3), no(1))];
        let mut hasher = blake3::Hasher::new();
        rows.iter().for_each(|row| {
            hasher.update(&row.bytes());
        });
        let seal = StatementSeal {
            cloud: CloudKey(public_of(&SECRET)),
            account: no(1),
            from: Stamp(1_799_000_000_000),
            until: Stamp(1_800_000_000_001),
            opening: Credits(5),
            closing: Credits(55),
            lines: 2,
            hash: *hasher.finalize().as_bytes(),
            head: (12, [7; 32]),
            at: Stamp(1_800_000_000_001),
        };
        let line = |row: &BookRow| {
            let (balance, held) = row.effect(no(1));
            let (seq, at, id, kind, code) = (row.seq, row.at, row.id, row.kind, row.code);
            let other = if row.debit == no(1) { row.credit } else { row.debit };
            let (hold, reference, other_name) = (None, None, "=cmd".to_owned());
            let row = row.bytes().to_vec();
            line_json(&StatementLine {
                seq,
                at,
                id,
                kind,
                code,
                other,
                other_name,
                balance,
                held,
                hold,
                reference,
                row,
            })
        };
        json!({"cloud": seal.cloud.to_string(), "account": seal.account.to_string(), "from": seal.from.to_string(),
            "until": seal.until.to_string(), "opening": "5", "closing": "55", "as_of": seal.at.to_string(),
            "as_of_row": 12, "block_hash": hex(&[7; 32]), "seal": hex(&seal.sign(&SECRET)),
            "lines": rows.iter().map(line).collect::<Vec<_>>()})
    }

    #[test]
    fn a_statement_that_says_other_than_was_signed_is_refused() {
        let good = document();
        assert_eq!(check(&good).map(|seal| seal.lines), Ok(2));
        let mut named = good.clone();
        named["lines"][0]["other_name"] = json!("somebody");
        assert!(check(&named).is_ok(), "names are not signed");
        for (key, value) in [
            ("closing", json!("56")),
            ("opening", json!("4")),
            ("account", json!("member-2")),
            ("as_of_row", json!(13)),
            ("from", json!("2020-01-01T00:00:00Z")),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            assert!(check(&bad).is_err(), "{key}");
        }
        for (key, value) in [("balance", json!("1")), ("code", json!("storage")), ("other", json!("member-9"))] {
            let mut bad = good.clone();
            bad["lines"][1][key] = value;
            assert_eq!(check(&bad), Err("a line says other than its row"), "{key}");
        }
        let lines = good["lines"].as_array().unwrap().clone();
        for cut in [vec![], lines[..1].to_vec(), vec![lines[1].clone(), lines[0].clone()]] {
            let mut bad = good.clone();
            bad["lines"] = json!(cut);
            assert!(check(&bad).is_err());
        }
        let seal = good["seal"].as_str().unwrap();
        let mut bad = good.clone();
        bad["seal"] = json!(format!("{}0{}", &seal[..100], &seal[101..]));
        let is_same = bad["seal"] == good["seal"];
        assert!(is_same || check(&bad).is_err());
    }
}
