//! `pumasi recovery rebuild`, and the account's copy it begins with: after the center lost its database, an owner's account and
//! names come back from the pool (`docs/design/storage.md` §15).

use super::account::account_fault;
use super::session::{Session, client_fault};
use crate::app::App;
use crate::cli::Form;
use crate::fault::Fault;
use crate::home::write_atomic;
use clap::Args;
use client::{AskCenter, Client, RebuildAsk, Rebuilt};
use console::args;
use model::{Span, errors};
use seal::{AccountRoot, Phrase};
use serde_json::json;
use std::time::Duration;
use wire::signed::AccountCopy;
use wire::{Reply, Request};

/// So long it is waited for nodes that did not tell yet, where nothing is said.
const WAIT: Span = Span::mins(10);

/// `recovery rebuild`
#[derive(Args, Debug, Clone)]
pub struct RebuildArgs {
    #[arg(long, value_name = "TIME")]
    pub wait: Option<String>,
}

/// What this home keeps of its account's copy.
pub fn kept(app: &App) -> Option<AccountCopy> {
    AccountCopy::parse(&std::fs::read(app.home.account_copy()).ok()?)
}

/// Keeps it.
pub fn keep(app: &App, copy: &AccountCopy) -> Result<(), Fault> {
    let bytes = copy.to_bytes().ok_or_else(|| Fault::bug("an account that is too long for a copy"))?;
    write_atomic(&app.home.account_copy(), &bytes, 0o600)
}

/// Stores a copy of the account in the pool where it is another one than the last; true when it did.
pub async fn store_copy(app: &App, session: &Session) -> Result<bool, Fault> {
    let root = session.root()?;
    let copy = session.client.account_copy().await.map_err(account_fault)?;
    let mark = copy.lasting();
    if std::fs::read(app.home.account_copied()).is_ok_and(|last| last == mark) {
        return Ok(false);
    }
    let copied = session.client.store_copy(root, copy.clone()).await.map_err(account_fault)?;
    tracing::info!(bytes = copied.bytes, "a copy of the account is in the pool");
    keep(app, &copied.copy)?;
    write_atomic(&app.home.account_copied(), &mark, 0o600)?;
    Ok(true)
}

/// The account of a phrase from the pool, brought to a center that does not know it.
pub async fn bring(app: &App, client: &Client, phrase: &Phrase) -> Result<AccountRoot, Fault> {
    let (root, copy) = client.copy_by_phrase(phrase).await.map_err(super::recovery::phrase_fault)?;
    client.bring_account(&copy).await.map_err(account_fault)?;
    app.home.create()?;
    keep(app, &copy)?;
    app.out.say("recovery-brought", args!["devices" => copy.entries.len(), "buckets" => copy.buckets.len()]);
    Ok(root)
}

/// A device of an account that the center lost: makes itself known, and its account.
async fn known_again(app: &App, asking: &AskCenter, client: &Client, copy: &AccountCopy) -> Result<(), Fault> {
    let ask = async |request| asking(request).await.map_err(account_fault);
    let is_stranger = |reply: &Reply| matches!(reply, Reply::Refused(no) if no.id == errors::NOT_SIGNED_IN);
    if is_stranger(&ask(Request::Vouch).await?) {
        match ask(Request::Enrol(copy.voucher.clone())).await? {
            Reply::Done => {}
            // Another machine wrote the copy: the account's log says that this one is a device too.
            Reply::Refused(_) => tracing::info!("the copy of the account is another machine's"),
            _ => return Err(Fault::bug("the center answered something else")),
        }
    }
    match ask(Request::AccountShow).await? {
        Reply::Account(Some(_)) => Ok(()),
        _ => {
            client.bring_account(copy).await.map_err(account_fault)?;
            app.out.say("recovery-brought", args!["devices" => copy.entries.len(), "buckets" => copy.buckets.len()]);
            Ok(())
        }
    }
}

/// Brings account and names back from the pool.
pub async fn run(app: &App, args: &RebuildArgs) -> Result<(), Fault> {
    let wait: Span = match &args.wait {
        Some(text) => text.parse().map_err(|_| Fault::bad_value("wait", text, "a time like 10min"))?,
        None => WAIT,
    };
    let copy = kept(app).ok_or_else(|| {
        Fault::new(errors::KEY_MISSING, [("bucket", "account")])
            .because("this machine keeps no copy of its account; with the phrase: pumasi recovery restore")
    })?;
    let ask = RebuildAsk { wait: Duration::from_millis(wait.as_ms()), retention: Span::days(30) };
    let (done, failed) = Session::with(app, async |session| {
        known_again(app, &session.asking(), &session.client, &copy).await?;
        let root = session.root()?;
        let (mut done, mut failed): (Vec<Rebuilt>, Vec<Fault>) = (Vec::new(), Vec::new());
        for bucket in &copy.buckets {
            // Of the account's own: nobody looks into it, and it is made anew.
            let Ok(name) = root.open_label(&bucket.id, &bucket.label) else { continue };
            if name.starts_with('\0') && name != client::SETTINGS {
                continue;
            }
            match session.client.rebuild_bucket(root, bucket, ask).await {
                Ok(rebuilt) => {
                    say(app, &rebuilt);
                    done.push(rebuilt);
                }
                Err(error) => {
                    let fault = client_fault(error, &format!("my:{name}"));
                    tracing::warn!(%fault, bucket = name, "a bucket was not rebuilt");
                    failed.push(fault);
                }
            }
        }
        Ok((done, failed))
    })
    .await?;
    // The next look of the agent stores a copy in the pool anew.
    let _ = std::fs::remove_file(app.home.account_copied());
    report(app, &done, failed.len());
    failed.into_iter().next().map_or(Ok(()), Err)
}

fn say(app: &App, b: &Rebuilt) {
    if app.out.form == Form::Json {
        return;
    }
    app.out.say(
        "recovery-bucket",
        args!["name" => b.name.trim_start_matches('\0'), "names" => b.names, "changes" => b.changes, "logs" => b.logs, "lost" => b.lost,
            "unlogged" => b.unlogged],
    );
}

fn report(app: &App, done: &[Rebuilt], failed: usize) {
    let sum = |field: fn(&Rebuilt) -> u64| done.iter().map(field).sum::<u64>();
    let buckets: Vec<_> = done
        .iter()
        .map(|b| {
            json!({"name": b.name, "names_count": b.names, "changes_count": b.changes, "told_count": b.told,
                "lost_count": b.lost, "unlogged_count": b.unlogged, "logs_count": b.logs})
        })
        .collect();
    let fields = json!({"buckets": buckets, "failed_count": failed});
    let (names, changes) = (sum(|b| b.names), sum(|b| b.told));
    app.out.done(
        "recovery_rebuild",
        fields,
        "recovery-rebuilt",
        args!["n" => done.len(), "names" => names, "changes" => changes, "lost" => sum(|b| b.lost), "failed" => failed],
    );
}
