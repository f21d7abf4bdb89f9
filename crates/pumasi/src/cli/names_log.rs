//! The agent's part in bucket logs: what this machine changed in its account's buckets is logged within minutes, by the one
//! process of it that goes on when a command has ended (`docs/design/storage.md` §8).

use super::recovery_rebuild;
use super::session::Session;
use crate::app::App;
use crate::clock;
use client::NameIndex;
use model::{BucketId, Span, TimeScale, errors};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Pause between two looks at what this machine changed; a look asks nobody.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The account's copy in the pool is looked at so often, beside when something changed.
const COPY_EVERY: Span = Span::mins(10);
/// Pause after a log that could not be written.
const REST: Duration = Duration::from_secs(60);

/// Looks for ever. With `PUMASI_DEV_NO_LOGS` it does nothing, for tests that count pieces.
/// `scale`: how days count here.
pub async fn tend(app: &App, scale: watch::Receiver<TimeScale>) -> Infallible {
    if std::env::var_os("PUMASI_DEV_NO_LOGS").is_some() {
        return std::future::pending().await;
    }
    let mut copied: Option<(Instant, Vec<u8>)> = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // A machine that never used the account has nothing to log, and must not make an account by looking.
        let Ok(Some(_)) = crate::secret::load(&app.home.account_root()) else { continue };
        let times = *scale.borrow();
        let due = due(app, times);
        let account = std::fs::read(app.home.account_seen()).unwrap_or_default();
        let is_new =
            copied.as_ref().is_none_or(|(at, last)| *last != account || at.elapsed() > times.of(COPY_EVERY).to_std());
        if due.is_empty() && !is_new {
            continue;
        }
        let logged = Session::with(app, async |session| {
            let mut all = true;
            for bucket in &due {
                all &= log_one(session, bucket).await;
            }
            recovery_rebuild::store_copy(app, session).await?;
            Ok(all)
        });
        let all = logged.await.unwrap_or_else(|fault| {
            tracing::info!(%fault, "buckets are not logged now");
            false
        });
        copied = Some((Instant::now(), account));
        if !all {
            tokio::time::sleep(REST).await;
        }
    }
}

fn due(app: &App, scale: TimeScale) -> Vec<BucketId> {
    let Ok(Some(key)) = crate::secret::load(&app.home.machine_key()) else { return Vec::new() };
    NameIndex::open(&app.home.names(), &key).map(|index| index.logs_due(clock::now(), scale)).unwrap_or_default()
}

/// Logs one; false where it is to be tried again.
async fn log_one(session: &Session, id: &BucketId) -> bool {
    let Ok(root) = session.root() else { return true };
    let logged = async {
        let bucket = session.client.bucket_by_id(root, id).await?;
        session.client.log_changes(&bucket).await
    };
    match logged.await {
        Ok(logged) if logged.written > 0 => tracing::info!(bucket = %id, upto = logged.upto, "logged a bucket"),
        Ok(_) => {}
        Err(client::ClientError::Refused(no)) if no.id == errors::BUCKET_UNKNOWN => session.client.forget_log(id),
        Err(error) => {
            tracing::info!(%error, bucket = %id, "a bucket is not logged now");
            return false;
        }
    }
    true
}
