//! `pumasi recovery …`: the phrase that brings the account back when all machines are gone: made, asked back, tried, used.

use super::account::{self, account_fault};
use super::join::{self, Before, Entry};
use super::recovery_rebuild;
use super::session::Session;
use crate::app::App;
use crate::cli::Form;
use crate::clock;
use crate::fault::Fault;
use crate::home::write_atomic;
use crate::membership::Membership;
use clap::{Args, Subcommand, ValueEnum};
use client::account::{Account, Me};
use console::args;
use model::{Span, Stamp, errors};
use seal::{PHRASE_WORDS, Phrase, PhraseList};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use wire::{Ticket, TicketKind};

/// Words asked back by `recovery check`.
const WORDS_ASKED: usize = 4;
/// After so long they are to be asked back again.
pub const CHECK_EVERY: Span = Span::days(180);

/// The list the words are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListName {
    En,
    Zh,
}

/// `recovery`
#[derive(Subcommand, Debug)]
pub enum RecoveryVerb {
    Phrase {
        #[arg(long, value_enum)]
        words: Option<ListName>,
    },
    Check,
    Drill,
    Restore(RestoreArgs),
    Rebuild(recovery_rebuild::RebuildArgs),
}

/// `recovery restore`
#[derive(Args, Debug, Clone)]
pub struct RestoreArgs {
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    #[arg(long, value_name = "IP")]
    pub bind: Option<std::net::IpAddr>,
}

/// What was done about recovery on this machine. Each word is kept as a hash under the machine's own key: enough to ask some of
/// them back, and of no use without this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Rungs {
    /// When the phrase was shown here.
    pub issued: Option<Stamp>,
    /// When words of it were asked back.
    pub checked: Option<Stamp>,
    /// When the whole of it was tried.
    pub drilled: Option<Stamp>,
    words: Vec<String>,
}

impl Rungs {
    /// What this home knows.
    pub fn load(app: &App) -> Self {
        std::fs::read(app.home.recovery())
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    fn save(&self, app: &App) -> Result<(), Fault> {
        write_atomic(&app.home.recovery(), &serde_json::to_vec_pretty(self).map_err(Fault::bug)?, 0o600)
    }

    /// The whole phrase was used on this machine just now.
    pub fn tried(app: &App) -> Result<(), Fault> {
        Self { drilled: Some(clock::now()), ..Self::load(app) }.save(app)
    }

    fn issue(app: &App, key: &[u8; 32], phrase: &Phrase) -> Result<(), Fault> {
        let both = [PhraseList::English, PhraseList::Chinese].map(|list| phrase.words(list));
        let hashes =
            (0..PHRASE_WORDS).map(|at| format!("{} {}", hash(key, at, both[0][at]), hash(key, at, both[1][at])));
        Self { issued: Some(clock::now()), words: hashes.collect(), ..Self::default() }.save(app)
    }

    /// The sentence of `status`, and whether it is a warning.
    pub fn sentence(&self, app: &App) -> (String, bool) {
        let now = clock::now();
        let last = self.checked.max(self.drilled);
        let out = &app.out;
        let elsewhere = super::account::seen(app).and_then(|seen| seen.phrase_at);
        match (self.issued.or(elsewhere), last) {
            (None, None) => (out.text("recovery-none", args![]), true),
            (Some(at), None) if self.issued.is_none() => (out.text("recovery-elsewhere", args!["at" => at]), true),
            (Some(at), None) => (out.text("recovery-unchecked", args!["at" => at]), true),
            (_, Some(at)) if now.since(at) > CHECK_EVERY => (out.text("recovery-old", args!["at" => at]), true),
            (_, Some(at)) => (out.text("recovery-good", args!["at" => at]), false),
        }
    }
}

fn hash(key: &[u8; 32], at: usize, word: &str) -> String {
    let under = blake3::derive_key("pumasi v1 phrase word", key);
    let hash = blake3::keyed_hash(&under, format!("{at} {word}").as_bytes());
    hash.to_hex()[..16].to_owned()
}

/// Runs `recovery …`.
pub async fn run(app: &App, verb: &RecoveryVerb) -> Result<(), Fault> {
    match verb {
        RecoveryVerb::Phrase { words } => phrase(app, *words).await,
        RecoveryVerb::Check => check(app),
        RecoveryVerb::Drill => drill(app).await,
        RecoveryVerb::Restore(args) => restore(app, args).await,
        RecoveryVerb::Rebuild(args) => recovery_rebuild::run(app, args).await,
    }
}

async fn phrase(app: &App, words: Option<ListName>) -> Result<(), Fault> {
    Session::with(app, async |session| {
        let asking = session.asking();
        let mut account = session.account(app).await?;
        if let Some(at) = account.phrase_at
            && !app.out.confirm(&app.out.text("recovery-replace-ask", args!["at" => at]))?
        {
            return Ok(());
        }
        let me = Me { secret: session.machine(), now: clock::now() };
        let phrase = account.new_phrase(&asking, me).await.map_err(account_fault)?;
        account::keep(app, &account)?;
        Rungs::issue(app, session.machine(), &phrase)?;
        // The words are shown whatever comes of it: the agent tries again.
        if let Err(fault) = recovery_rebuild::store_copy(app, session).await {
            tracing::info!(%fault, "no copy of the account is in the pool yet");
        }
        let list = match words {
            Some(ListName::En) => PhraseList::English,
            Some(ListName::Zh) => PhraseList::Chinese,
            None if app.out.lang == console::text::Lang::Zh => PhraseList::Chinese,
            None => PhraseList::English,
        };
        show(app, &phrase.words(list), &address(&Membership::load(&app.home)?));
        Ok(())
    })
    .await
}

fn show(app: &App, words: &[&str], address: &Ticket) {
    let out = &app.out;
    match out.form {
        Form::Json => out.json("recovery_phrase", json!({"words": words, "address": address.to_string()})),
        Form::Plain | Form::Id => out.print(&words.join(" ")),
        Form::Human => {
            out.print(&out.text("recovery-phrase-head", args![]));
            for (row, four) in words.chunks(4).enumerate() {
                let cell = |(i, word): (usize, &&str)| format!("{:>2}. {word:<10}", row * 4 + i + 1);
                out.print(&format!("  {}", four.iter().enumerate().map(cell).collect::<String>().trim_end()));
            }
            out.print(&out.text("recovery-phrase-tail", args!["address" => address.to_string()]));
        }
    }
}

/// Where the cloud is found, as text without any right.
pub fn address(membership: &Membership) -> Ticket {
    let center = &membership.center;
    Ticket {
        kind: TicketKind::Address,
        cloud: membership.cloud,
        secret: [0; 16],
        expires: Stamp(0),
        direct: center.direct.clone(),
        relay: center.relays.first().cloned(),
    }
}

/// Asks some words back, against their hashes: the phrase itself is nowhere.
fn check(app: &App) -> Result<(), Fault> {
    let key = crate::secret::load(&app.home.machine_key())?.ok_or_else(|| Fault::new(errors::NOT_JOINED, []))?;
    let mut rungs = Rungs::load(app);
    if rungs.words.len() != PHRASE_WORDS {
        return Err(
            Fault::new(errors::KEY_MISSING, []).because("this machine has shown no phrase: pumasi recovery phrase")
        );
    }
    let mut asked = BTreeSet::new();
    while asked.len() < WORDS_ASKED {
        asked.insert(usize::from(crate::secret::random::<1>()[0]) % PHRASE_WORDS);
    }
    for at in asked {
        let word = app.out.ask_line(&app.out.text("recovery-word-ask", args!["n" => at + 1]))?;
        let word = word.trim().to_lowercase();
        if !rungs.words[at].split(' ').any(|kept| kept == hash(&key, at, &word)) {
            let why = format!("word {} is another one", at + 1);
            return Err(Fault::bad_value("phrase", "", &why));
        }
    }
    rungs.checked = Some(clock::now());
    rungs.save(app)?;
    app.out.done("recovery_check", json!({"words_asked": WORDS_ASKED}), "recovery-checked", args!["n" => WORDS_ASKED]);
    Ok(())
}

/// The phrase, typed or piped in.
pub fn ask_phrase(app: &App) -> Result<Phrase, Fault> {
    let text = app.out.ask_line(&app.out.text("recovery-phrase-ask", args![]))?;
    Phrase::parse(&text).map_err(|e| Fault::bad_value("phrase", "", &e.to_string()))
}

/// An error of a phrase that was typed whole: no account has it, or another's.
pub fn phrase_fault(error: client::ClientError) -> Fault {
    let fault = account_fault(error);
    match fault.id {
        errors::KEY_MISSING => {
            fault.because("no account of this cloud has this phrase; a newer one takes an older one's place")
        }
        _ => fault,
    }
}

/// Does all that a restore does up to the first change: as a stranger with the phrase, opens the account, and every bucket's keys.
async fn drill(app: &App) -> Result<(), Fault> {
    let membership = Membership::load(&app.home)?;
    let phrase = ask_phrase(app)?;
    let (account, _) = join::as_stranger(app, &membership.center, membership.bind, async |asking| {
        Account::by_phrase(asking, &phrase).await.map_err(phrase_fault)
    })
    .await?;
    let (opened, logged) = Session::with(app, async |session| {
        let mine = session.root()?;
        if account.root.as_bytes() != mine.as_bytes() {
            return Err(Fault::new(errors::KEY_WRONG, [("bucket", "account")]));
        }
        let all = session.client.buckets(&account.root).await.map_err(account_fault)?;
        let (mut opened, mut logged) = (0, 0);
        for name in all.iter().filter_map(|bucket| bucket.name.as_deref()) {
            let bucket = session.client.bucket(&account.root, name).await.map_err(account_fault)?;
            opened += 1;
            match session.client.check_log(&bucket).await {
                Ok(check) => logged += usize::from(check.logged.logs > 0 && check.pieces >= usize::from(check.need)),
                Err(error) => {
                    tracing::warn!(%error, bucket = name, "the log of a bucket does not bring its names back")
                }
            }
        }
        if opened == all.len() {
            Ok((opened, logged))
        } else {
            Err(Fault::new(errors::KEY_WRONG, [("bucket", "account")]))
        }
    })
    .await?;
    Rungs::tried(app)?;
    let fields =
        json!({"account": account.log.account.to_string(), "buckets_opened": opened, "buckets_logged": logged});
    app.out.done("recovery_drill", fields, "recovery-drilled", args!["n" => opened, "logged" => logged]);
    Ok(())
}

/// On a new machine: the phrase and the cloud's address bring the account back.
async fn restore(app: &App, args: &RestoreArgs) -> Result<(), Fault> {
    let address: Ticket = args.address.parse().map_err(|e| Fault::new(errors::TICKET_DAMAGED, []).because(e))?;
    let phrase = ask_phrase(app)?;
    let name = args.name.clone().unwrap_or_else(node::machine::host_name);
    let entry = Entry { name, bind: args.bind, ..Entry::default() };
    join::enter(app, &address, &entry, Before::Restore(Box::new(phrase))).await
}
