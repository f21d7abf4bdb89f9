//! `pumasi wallet …`: what the member has, owes and set aside, every line of it, and gifts to others.
//!
//! (A) A word to spend is signed here and written to the disk before it is sent; where no answer came, the next command sends the
//! same again, so that it is carried out once or never. (B) Amounts are whole µcredits; a JSON string holds them as digits.

pub(super) mod amount;
mod detail;
mod export;
mod limit;
pub(super) mod quote;

use crate::app::App;
use crate::cli::Form;
use crate::clock;
use crate::fault::Fault;
use crate::home::write_atomic;
use crate::local::ask_center;
use crate::membership::Membership;
use crate::output::Row;
use crate::secret;
use amount::{parse_amount, signed};
use clap::{Args, Subcommand};
use console::args;
use model::{Code, DeviceId, Span, Stamp, TransferId, errors};
use serde_json::{Value, json};
use std::io::ErrorKind;
use wire::ledger::{Spent, StatementAsk, StatementLine, StatementPage, Wallet};
use wire::limits::STATEMENT_LINES;
use wire::signed::{Spend, public_of};
use wire::{Reply, Request};

/// `wallet`
#[derive(Subcommand, Debug)]
pub enum WalletVerb {
    Show(OfArgs),
    Statement(StatementArgs),
    Transfer(TransferArgs),
    Quote(quote::QuoteArgs),
    Export(export::ExportArgs),
    Verify(export::VerifyArgs),
    Limit(OfArgs),
}

/// Whose account.
#[derive(Args, Debug, Clone)]
pub struct OfArgs {
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
}

/// `wallet statement`
#[derive(Args, Debug, Clone)]
pub struct StatementArgs {
    #[command(flatten)]
    pub of: OfArgs,
    #[arg(long, value_name = "DURATION", default_value = "31d")]
    pub since: String,
    #[arg(long, conflicts_with_all = ["line", "by"])]
    pub csv: bool,
    #[arg(long, value_name = "ROW", conflicts_with = "by")]
    pub line: Option<u64>,
    #[arg(long, value_name = "WHAT")]
    pub by: Option<detail::By>,
}

/// `wallet transfer`
#[derive(Args, Debug, Clone)]
pub struct TransferArgs {
    #[arg(value_name = "MEMBER")]
    pub to: String,
    #[arg(value_name = "CREDITS")]
    pub amount: String,
}

/// Runs `wallet …`.
pub async fn run(app: &App, verb: &WalletVerb) -> Result<(), Fault> {
    if let WalletVerb::Verify(args) = verb {
        return export::verify(app, args);
    }
    send_waiting(app).await?;
    match verb {
        WalletVerb::Show(of) => show(app, of).await,
        WalletVerb::Statement(args) => statement(app, args).await,
        WalletVerb::Transfer(args) => transfer(app, args).await,
        WalletVerb::Quote(args) => quote::quote(app, args).await,
        WalletVerb::Export(args) => export::run(app, args).await,
        WalletVerb::Verify(args) => export::verify(app, args),
        WalletVerb::Limit(of) => limit::limit(app, of).await,
    }
}

async fn ask(app: &App, request: Request) -> Result<Reply, Fault> {
    ask_center(&app.home, request, app.timeout).await
}

fn other_answer() -> Fault {
    Fault::bug("the center answered something else")
}

impl OfArgs {
    fn account(&self) -> Result<Option<model::AccountNo>, Fault> {
        let parse =
            |text: &String| text.parse().map_err(|_| Fault::bad_value("account", text, "it is written as member-7"));
        self.account.as_ref().map(parse).transpose()
    }
}

async fn wallet(app: &App, of: &OfArgs) -> Result<Wallet, Fault> {
    match ask(app, Request::Wallet(of.account()?)).await? {
        Reply::Wallet(wallet) => Ok(*wallet),
        _ => Err(other_answer()),
    }
}

/// The caller's own account.
pub async fn of_member(app: &App) -> Result<Wallet, Fault> {
    wallet(app, &OfArgs { account: None }).await
}

async fn show(app: &App, of: &OfArgs) -> Result<(), Fault> {
    let wallet = wallet(app, of).await?;
    match app.out.form {
        Form::Json => app.out.json("wallet", wallet_json(&wallet)),
        Form::Id => app.out.print(&wallet.account.to_string()),
        Form::Plain => app.out.print(&wallet.balance().to_string()),
        Form::Human => show_human(app, &wallet),
    }
    Ok(())
}

fn show_human(app: &App, wallet: &Wallet) {
    let line = |key: &str, args| app.out.print(&app.out.text(key, args));
    line("wallet-of", args!["name" => wallet.name.clone(), "account" => wallet.account.to_string()]);
    line("wallet-balance", args!["amount" => wallet.balance().to_string()]);
    line("wallet-held", args!["amount" => wallet.held.to_string(), "n" => wallet.holds_count]);
    let why = limit::why_text(app, &wallet.limit_why);
    line("wallet-limit", args!["amount" => wallet.limit.to_string(), "why" => why]);
    line("wallet-available", args!["amount" => wallet.available().to_string()]);
    let state = limit::state_text(app, wallet.state, wallet.limit_why == "private");
    line("wallet-stands", args!["state" => state]);
    for hold in &wallet.holds {
        let (code, until) = (hold.code.to_string(), hold.expires.to_string());
        line("wallet-hold", args!["amount" => hold.remaining.to_string(), "code" => code, "when" => until]);
    }
}

fn wallet_json(wallet: &Wallet) -> Value {
    let hold = |hold: &wire::ledger::HoldLine| {
        json!({"id": hold.id.to_string(), "code": hold.code.word(), "amount": hold.amount.0.to_string(),
            "remaining": hold.remaining.0.to_string(), "expires": hold.expires.to_string()})
    };
    json!({"account": wallet.account.to_string(), "name": wallet.name, "state": wallet.state.word(),
        "frozen": wallet.is_frozen, "credits": wallet.credits.0.to_string(), "debits": wallet.debits.0.to_string(),
        "balance": wallet.balance().0.to_string(), "held": wallet.held.0.to_string(), "limit": wallet.limit.0.to_string(),
        "limit_why": wallet.limit_why, "available": wallet.available().0.to_string(),
        "holds": wallet.holds.iter().map(hold).collect::<Vec<_>>(), "holds_count": wallet.holds_count,
        "opened": wallet.opened.to_string(), "as_of": wallet.head.1.to_string(), "as_of_row": wallet.head.0})
}

/// All pages of a statement, each handed to `each`; the last one is given back.
async fn pages(app: &App, args: &StatementArgs, mut each: impl FnMut(&StatementPage)) -> Result<StatementPage, Fault> {
    let from = since(&args.since)?;
    let mut asked = ask_from(args.of.account()?, from, Stamp(u64::MAX));
    loop {
        let Reply::Statement(page) = ask(app, Request::Statement(asked)).await? else { return Err(other_answer()) };
        each(&page);
        match page.next {
            Some(next) if next > asked.after => (asked.after, asked.opening) = (next, Some(page.closing)),
            _ => return Ok(*page),
        }
    }
}

/// So long ago.
fn since(text: &str) -> Result<Stamp, Fault> {
    let since: Span = text.parse()?;
    Ok(Stamp(clock::now().as_ms().saturating_sub(since.as_ms())))
}

fn ask_from(account: Option<model::AccountNo>, from: Stamp, until: Stamp) -> StatementAsk {
    let limit = u32::try_from(STATEMENT_LINES).unwrap_or(u32::MAX);
    StatementAsk { account, from, until, after: 0, opening: None, limit }
}

async fn statement(app: &App, args: &StatementArgs) -> Result<(), Fault> {
    if let Some(seq) = args.line {
        return detail::line(app, &args.of, seq).await;
    }
    if let Some(by) = args.by {
        return detail::parts(app, args, by).await;
    }
    if args.csv {
        app.out.print(CSV_HEAD);
        pages(app, args, |page| page.lines.iter().for_each(|line| app.out.print(&csv(line)))).await?;
        return Ok(());
    }
    let (mut rows, mut opening) = (Vec::new(), None);
    let last = pages(app, args, |page| {
        opening.get_or_insert(page.opening);
        rows.extend(page.lines.iter().map(row));
    });
    let last = last.await?;
    let opening = opening.unwrap_or(last.opening);
    let headers = ["column-time", "column-for", "column-other", "column-change", "column-held", "column-id"];
    app.out.table("statement_line", &headers, 5, &rows);
    match app.out.form {
        Form::Json => app.out.json(
            "statement",
            json!({"account": last.account.to_string(), "opening": opening.0.to_string(),
                "closing": last.closing.0.to_string(), "lines": rows.len(), "as_of": last.at.to_string()}),
        ),
        Form::Human => {
            let (from, to) = (opening.to_string(), last.closing.to_string());
            app.out.say("wallet-statement", args!["n" => rows.len(), "opening" => from, "closing" => to]);
        }
        Form::Plain | Form::Id => {}
    }
    Ok(())
}

fn row(line: &StatementLine) -> Row {
    let other = if line.other_name.is_empty() { line.other.to_string() } else { line.other_name.clone() };
    Row {
        cells: vec![
            line.at.to_string(),
            format!("{} {}", line.code, line.kind),
            other,
            signed(line.balance),
            signed(line.held),
            line.id.to_string(),
        ],
        json: json!({"seq": line.seq, "at": line.at.to_string(), "id": line.id.to_string(), "transfer_kind": line.kind.word(),
            "code": line.code.word(), "other": line.other.to_string(), "other_name": line.other_name,
            "balance": line.balance.0.to_string(), "held": line.held.0.to_string(),
            "hold": line.hold.map(|id| id.to_string()), "reference": line.reference.map(|id| super::object::hex(&id))}),
    }
}

/// Columns of a table of lines.
const CSV_HEAD: &str = "seq,at,id,kind,code,other,other_name,balance_change_ucredit,held_change_ucredit,hold,reference";

/// A line of a table that spreadsheets read: names are quoted, and begin with no sign that would be computed.
fn csv(line: &StatementLine) -> String {
    let is_formula = line.other_name.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let name = format!("\"{}{}\"", if is_formula { "'" } else { "" }, line.other_name.replace('"', "\"\""));
    [
        line.seq.to_string(),
        line.at.to_string(),
        line.id.to_string(),
        line.kind.to_string(),
        line.code.to_string(),
        line.other.to_string(),
        name,
        line.balance.0.to_string(),
        line.held.0.to_string(),
        line.hold.map(|id| id.to_string()).unwrap_or_default(),
        line.reference.map(|id| super::object::hex(&id)).unwrap_or_default(),
    ]
    .join(",")
}

async fn transfer(app: &App, args: &TransferArgs) -> Result<(), Fault> {
    let amount = parse_amount(&args.amount)?;
    // Nothing is given in a book that is not the one that was seen.
    super::ledger::follow(app).await?;
    let own = wallet(app, &OfArgs { account: None }).await?;
    let Reply::Payee(payee) = ask(app, Request::Payee(args.to.clone())).await? else { return Err(other_answer()) };
    let question =
        app.out.text("wallet-transfer-ask", args!["amount" => amount.to_string(), "name" => payee.name.clone()]);
    if !app.out.confirm(&question)? {
        return Ok(());
    }
    let membership = Membership::load(&app.home)?;
    let key = secret::load(&app.home.machine_key())?.ok_or_else(|| Fault::new(errors::NOT_JOINED, []))?;
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(Fault::bug)?;
    let spend = Spend {
        cloud: Spend::cloud_of(&membership.cloud),
        id: TransferId::made(clock::now(), random),
        code: Code::Gift,
        debit: own.account,
        credit: payee.account,
        amount,
        expires: None,
        reference: None,
        device: DeviceId(public_of(&key)),
    };
    let word = spend.sign(&key);
    // (A)
    write_atomic(&app.home.spend(), &word, 0o600)?;
    let spent = send(app, &word).await?;
    let balance = wallet(app, &OfArgs { account: None }).await?.balance();
    let fields = json!({"id": spend.id.to_string(), "seq": spent.seq, "amount": amount.0.to_string(),
        "to": payee.account.to_string(), "name": payee.name, "balance": balance.0.to_string()});
    let told = args!["amount" => amount.to_string(), "name" => payee.name, "balance" => balance.to_string()];
    app.out.done("transfer", fields, "wallet-transfer-done", told);
    Ok(())
}

/// Sends a word that is on the disk; it goes from there once it was answered.
async fn send(app: &App, word: &[u8]) -> Result<Spent, Fault> {
    let answer = ask(app, Request::Spend(word.to_vec())).await;
    let is_open = |fault: &Fault| {
        [errors::CENTER_UNREACHABLE, errors::TIMED_OUT, errors::RATE_LIMITED, errors::BUG].contains(&fault.id)
    };
    if !answer.as_ref().is_err_and(is_open) {
        let _ = std::fs::remove_file(app.home.spend()); // sent again, it is answered the same
    }
    match answer? {
        Reply::Spent(spent) => Ok(spent),
        _ => Err(other_answer()),
    }
}

/// (A) What an earlier command did not hear the end of.
async fn send_waiting(app: &App) -> Result<(), Fault> {
    let word = match std::fs::read(app.home.spend()) {
        Ok(word) => word,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Fault::bug(error)),
    };
    let id = word.get(16..32).map(super::object::hex).unwrap_or_default();
    match send(app, &word).await {
        Ok(_) => app.out.say("wallet-sent-again", args!["id" => id]),
        Err(fault) if app.home.spend().exists() => return Err(fault),
        Err(fault) => app.out.say("wallet-refused-again", args!["id" => id, "why" => fault.id.to_string()]),
    }
    Ok(())
}
