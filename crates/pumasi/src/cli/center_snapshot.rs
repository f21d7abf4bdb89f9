//! `pumasi center backup`, `center drill` and `center restore`: snapshots of the database among the pieces, made every night by the
//! agent beside the center, and what they are good for (`docs/design/storage.md` §15).

use super::account::account_fault;
use super::center::{center_fault, read_card, runs, start, stop};
use super::join;
use super::recovery::phrase_fault;
use super::session::Session;
use crate::app::App;
use crate::cli::Form;
use crate::clock;
use crate::fault::Fault;
use crate::home::write_atomic;
use crate::membership::Membership;
use crate::secret;
use center::{CheckReport, Keys, Settings};
use client::{Client, ClientError, FoundSnapshot};
use console::args;
use model::{CloudKey, Span, Stamp, errors};
use seal::{AccountRoot, Phrase};
use serde_json::json;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A snapshot is made so often.
const EVERY: Span = Span::hours(24);
/// Pause between two looks whether one is due, and after one that could not be made.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const REST: Duration = Duration::from_secs(900);

/// When the last one was stored.
fn mark(app: &App) -> PathBuf {
    app.home.center().join("snapshot.at")
}

fn last(app: &App) -> Option<Stamp> {
    std::fs::read_to_string(mark(app)).ok()?.trim().parse().ok().map(Stamp)
}

/// The agent's part, where this home is the center's: a snapshot every night. With `PUMASI_DEV_NO_LOGS` it does nothing.
pub async fn tend(app: &App) -> Infallible {
    // A PostgreSQL is backed up by its own tools.
    let is_file = |here: Here| matches!(here.settings.db_url(&here.dir), Ok(center::db::DbUrl::Sqlite(_)));
    if std::env::var_os("PUMASI_DEV_NO_LOGS").is_some() || !here(app).is_ok_and(is_file) {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let is_due = last(app).is_none_or(|at| clock::now().since(at) >= EVERY);
        let Ok(Some(_)) = crate::secret::load(&app.home.account_root()) else { continue };
        if !is_due {
            continue;
        }
        match store(app).await {
            Ok(bytes) => tracing::info!(bytes, "a snapshot of the database is in the pool"),
            Err(fault) => {
                tracing::warn!(%fault, "no snapshot of the database was stored");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// What is known of the center of this home.
struct Here {
    dir: PathBuf,
    settings: Settings,
    cloud: CloudKey,
}

fn here(app: &App) -> Result<Here, Fault> {
    let dir = app.home.center();
    let settings = Settings::load(&dir).map_err(|(path, why)| {
        Fault::new(errors::CONFIG_UNREADABLE, [("path", &path.display().to_string()), ("why", &why)])
    })?;
    let cloud = Keys::load(&dir).map_err(|e| Fault::file(&dir, &e))?.cloud_key();
    Ok(Here { dir, settings, cloud })
}

/// A file that is removed with its guard.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(end);
            let _ = std::fs::remove_file(PathBuf::from(name));
        }
    }
}

async fn store(app: &App) -> Result<u64, Fault> {
    let Here { dir, settings, cloud } = here(app)?;
    let scratch = Scratch(dir.join("snapshot.part"));
    let _ = std::fs::remove_file(&scratch.0);
    let (at, into) = (clock::now(), scratch.0.clone());
    let taking = tokio::task::spawn_blocking(move || center::snapshot::snapshot(&dir, &settings, &into));
    let len = taking.await.map_err(Fault::bug)?.map_err(center_fault)?;
    let file = std::fs::File::open(&scratch.0).map_err(|e| Fault::file(&scratch.0, &e))?;
    let bytes = Session::with(app, async |session| {
        let stored = session.client.store_snapshot(session.root()?, (cloud, at, len), Box::new(file)).await;
        stored.map_err(account_fault)
    })
    .await?;
    write_atomic(&mark(app), at.as_ms().to_string().as_bytes(), 0o600)?;
    Ok(bytes)
}

/// `center backup`
pub async fn backup(app: &App) -> Result<(), Fault> {
    let bytes = store(app).await?;
    let size = model::Bytes(bytes).to_string();
    app.out.done("center_backup", json!({"snapshot_bytes": bytes}), "center-backed-up", args!["size" => size]);
    Ok(())
}

/// Reads the newest snapshot that is whole into a file, and looks into it.
async fn fetch(
    client: &Client,
    root: &AccountRoot,
    (all, cloud): (&[FoundSnapshot], &CloudKey),
    into: &Path,
) -> Result<(usize, CheckReport), Fault> {
    let none = || Fault::new(errors::BAD_BACKUP, [("why", "no snapshot is found among the pieces")]);
    let mut failed = none();
    for (number, found) in all.iter().enumerate() {
        let mut file = std::fs::File::create(into).map_err(|e| Fault::file(into, &e))?;
        let read: Result<_, ClientError> = client.read_snapshot(root, found, cloud, &mut file).await;
        let looked = match read {
            Ok(_) => {
                file.sync_all().map_err(|e| Fault::file(into, &e))?;
                center::snapshot::look(into, cloud).await.map_err(center_fault)
            }
            Err(error) => Err(Fault::new(errors::BAD_BACKUP, [("why", &error.to_string())])),
        };
        match looked {
            Ok(report) => return Ok((number, report)),
            Err(fault) => {
                tracing::warn!(%fault, at = %found.at, "a snapshot is not whole; an older one is tried");
                failed = fault;
            }
        }
    }
    Err(failed)
}

fn fields(found: &FoundSnapshot, report: &CheckReport) -> serde_json::Value {
    json!({"at": found.at.to_string(), "sealed_bytes": found.sealed.0, "pieces_located": found.pieces(),
        "pieces_needed": found.need(), "holders_count": found.holders(), "name": report.name,
        "members_count": report.members, "nodes_count": report.nodes, "schema": report.schema})
}

fn words(found: &FoundSnapshot, report: &CheckReport) -> console::text::Args {
    args!["at" => found.at, "size" => found.sealed.to_string(), "holders" => found.holders(),
        "pieces" => found.pieces(), "need" => found.need(), "members" => report.members, "nodes" => report.nodes]
}

/// `center drill`: all that a restore does but for the last step, from holders alone.
pub async fn drill(app: &App) -> Result<(), Fault> {
    let Here { dir, cloud, .. } = here(app)?;
    let scratch = Scratch(dir.join("drill.part"));
    Session::with(app, async |session| {
        let root = session.root()?;
        let holders = match session.client.snapshot_group(root).await {
            Err(ClientError::Refused(no)) if no.id == errors::BUCKET_UNKNOWN => Vec::new(),
            holders => holders.map_err(account_fault)?,
        };
        let all = session.client.find_snapshots(root, holders).await.map_err(account_fault)?;
        let (number, report) = fetch(&session.client, root, (&all, &cloud), &scratch.0).await?;
        let found = &all[number];
        let mut said = fields(found, &report);
        said["generations_count"] = json!(all.len());
        said["skipped_count"] = json!(number);
        app.out.done("center_drill", said, "center-drilled", words(found, &report).with("generations", all.len()));
        Ok(())
    })
    .await
}

/// `center restore`: the newest snapshot takes the place of the database.
pub async fn restore(app: &App) -> Result<(), Fault> {
    let Here { dir, settings, cloud } = here(app)?;
    let card = read_card(app).filter(|_| runs(app)).ok_or_else(|| {
        Fault::new(errors::CENTER_UNREACHABLE, [("n", "0"), ("m", "0"), ("when", "–")])
            .because("nodes bring the snapshot to a center that runs: pumasi center rebuild, then pumasi center start")
    })?;
    let phrase = match secret::load(&app.home.account_root())? {
        Some(_) => None,
        None => Some(super::recovery::ask_phrase(app)?),
    };
    let bind = Membership::load(&app.home).ok().and_then(|held| held.bind).or(Some(settings.net.bind));
    let bind = bind.filter(|ip| !ip.is_unspecified());
    let scratch = Scratch(dir.join("restore.part"));
    let (found, report) = join::as_stranger(app, &card.addr, bind, async |asking| {
        let client = Session::client(&card.addr, bind, secret::random(), std::sync::Arc::clone(asking)).await?;
        let fetched = fetch_by(app, &client, phrase.as_ref(), &cloud, &scratch.0).await;
        client.endpoint().close().await;
        fetched
    })
    .await?;
    stop(app).await?;
    let taken = center::snapshot::take(&dir, &settings, &scratch.0, &cloud, clock::now()).await;
    // Whatever came of it, a center runs again.
    let started = start(app).await;
    taken.map_err(center_fault)?;
    started?;
    match app.out.form {
        Form::Json => app.out.json("center_restored", fields(&found, &report)),
        _ => app.out.print(&app.out.text("center-restored", words(&found, &report))),
    }
    Ok(())
}

async fn fetch_by(
    app: &App,
    client: &Client,
    phrase: Option<&Phrase>,
    cloud: &CloudKey,
    into: &Path,
) -> Result<(FoundSnapshot, CheckReport), Fault> {
    let root = match phrase {
        Some(phrase) => client.copy_by_phrase(phrase).await.map_err(phrase_fault)?.0,
        None => {
            let root = secret::load(&app.home.account_root())?;
            AccountRoot::from_bytes(root.ok_or_else(|| Fault::new(errors::KEY_MISSING, [("bucket", "account")]))?)
        }
    };
    let holders = client.snapshot_holders(&root).await.map_err(account_fault)?;
    let mut all = client.find_snapshots(&root, holders).await.map_err(account_fault)?;
    let (number, report) = fetch(client, &root, (&all, cloud), into).await?;
    Ok((all.swap_remove(number), report))
}
