//! The account of this machine's member: its root in a file of this home, checked against what the center carries.

use super::session::client_fault;
use crate::app::App;
use crate::clock;
use crate::fault::Fault;
use crate::home::write_atomic;
use crate::secret;
use client::account::{Account, Me, SeenLog, info};
use client::{AskCenter, ClientError, NameIndex};
use model::errors;
use seal::AccountRoot;
use std::fs::File;

/// No key of the account here.
fn missing() -> Fault {
    Fault::new(errors::KEY_MISSING, [("bucket", "account")])
}

/// What this machine remembers of its account.
pub fn seen(app: &App) -> Option<SeenLog> {
    serde_json::from_slice(&std::fs::read(app.home.account_seen()).ok()?).ok()
}

/// The root of this machine's account. Where it is not known yet whether the center has the account, that is settled first:
/// it is made for a member's first device, and missing keys are told for any other.
pub async fn root(app: &App, center: &AskCenter, machine: &[u8; 32], name: &str) -> Result<AccountRoot, Fault> {
    if app.home.account_seen().exists()
        && let Some(root) = secret::load(&app.home.account_root())?
    {
        return Ok(AccountRoot::from_bytes(root));
    }
    settle(app, center, machine, name).await.map(|account| account.root)
}

/// Root and index of this machine, for what needs nobody else.
pub fn offline(app: &App) -> Result<(AccountRoot, NameIndex), Fault> {
    let machine = secret::load(&app.home.machine_key())?.ok_or_else(|| Fault::new(errors::NOT_JOINED, []))?;
    let root = secret::load(&app.home.account_root())?.ok_or_else(missing)?;
    let index = NameIndex::open(&app.home.names(), &machine).map_err(account_fault)?;
    Ok((AccountRoot::from_bytes(root), index))
}

/// The account, opened from what the center carries now.
pub async fn open(app: &App, center: &AskCenter, machine: &[u8; 32], name: &str) -> Result<Account, Fault> {
    if !app.home.account_seen().exists() {
        return settle(app, center, machine, name).await;
    }
    let root = secret::load(&app.home.account_root())?.ok_or_else(missing)?;
    let carried = info(center).await.map_err(account_fault)?.ok_or_else(missing)?;
    let account = Account::open(&AccountRoot::from_bytes(root), &carried).map_err(account_fault)?;
    let bytes = std::fs::read(app.home.account_seen()).map_err(|e| Fault::file(&app.home.account_seen(), &e))?;
    let seen: SeenLog = serde_json::from_slice(&bytes).map_err(Fault::bug)?;
    account.follows(&seen, &carried).map_err(account_fault)?;
    keep(app, &account)?;
    Ok(account)
}

/// The first look at the account: under a lock, so that two commands do not make two roots.
async fn settle(app: &App, center: &AskCenter, machine: &[u8; 32], name: &str) -> Result<Account, Fault> {
    let path = app.home.data.join("account.lock");
    let lock = File::create(&path).map_err(|e| Fault::file(&path, &e))?;
    let waiting = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock));
    let _lock = waiting.await.map_err(Fault::bug)?.map_err(|e| Fault::file(&path, &e))?;
    let kept = secret::load(&app.home.account_root())?;
    let account = match (info(center).await.map_err(account_fault)?, kept) {
        (Some(carried), Some(root)) => Account::open(&AccountRoot::from_bytes(root), &carried),
        (Some(_), None) => return Err(missing()),
        (None, _) => {
            let root = AccountRoot::from_bytes(secret::load_or_make(&app.home.account_root())?);
            Account::make(center, &root, Me { secret: machine, now: clock::now() }, name).await
        }
    };
    let account = account.map_err(account_fault)?;
    keep(app, &account)?;
    Ok(account)
}

/// Writes root and last seen log, durably.
pub fn keep(app: &App, account: &Account) -> Result<(), Fault> {
    write_atomic(&app.home.account_root(), account.root.as_bytes(), 0o600)?;
    write_atomic(&app.home.account_seen(), &serde_json::to_vec(&account.seen()).map_err(Fault::bug)?, 0o600)
}

/// An error of the account as a command ends with it.
pub fn account_fault(error: ClientError) -> Fault {
    client_fault(error, "account")
}
