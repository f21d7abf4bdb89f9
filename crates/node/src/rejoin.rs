//! This node's part when its center lost its database, or went back to an older one: it keeps the center's own word on it, shows it
//! to a center that knows it no more, and tells again what it holds (`docs/design/storage.md` §15).
//!
//! (A) Nothing here is decided: what a node tells is what its pieces' headers say, and the center judges. (B) A telling that was cut
//! off begins anew; told twice is told once. (C) The last word of the center is kept until a newer one is durable.

use crate::session::Session;
use crate::storage::{PieceKey, PieceMeta, PieceStore};
use model::{PgId, Scheme, Stamp, errors};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use wire::limits::{DIGESTS_MAX, VOUCHER_MAX};
use wire::rebuild::{SlotDigests, SlotPiece, Vouched};
use wire::{Reply, Request};

/// The center's word is asked for anew after this, and with every new link.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);
/// Pause after a try that failed, …
const PAUSE: Duration = Duration::from_secs(2);
/// … and so many tries before the next look is waited for.
const TRIES: u32 = 30;

/// Name of the file of the center's word, beside the pieces.
pub const VOUCHER_FILE: &str = "voucher";
/// Name of the file that says up to which rebuild all was told.
const TOLD_FILE: &str = "told";

/// What it needs.
pub struct Rejoin {
    /// The pieces.
    pub store: PieceStore,
    /// Session with the center.
    pub session: Arc<Session>,
    /// Folder of the pieces.
    pub dir: PathBuf,
}

/// Why a try failed.
#[derive(Debug, thiserror::Error)]
enum RejoinError {
    #[error("the center did not answer, or something else")]
    NoAnswer,
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
}

impl Rejoin {
    /// Goes on for ever.
    pub async fn run(self) {
        loop {
            for _ in 0..TRIES {
                match self.once().await {
                    Ok(()) => break,
                    Err(error) => {
                        tracing::info!(%error, "this node's place in the cloud is not confirmed now");
                        sleep(PAUSE).await;
                    }
                }
            }
            let _ = timeout(LOOK_EVERY, self.session.relinked()).await;
        }
    }

    async fn once(&self) -> Result<(), RejoinError> {
        let vouched = match self.session.ask(Request::Vouch).await {
            Ok(Reply::Vouched(vouched)) => Some(vouched),
            Ok(Reply::Refused(no)) if [errors::NOT_SIGNED_IN, errors::NODE_UNKNOWN].contains(&no.id) => None,
            _ => return Err(RejoinError::NoAnswer),
        };
        let is_told = |vouched: &Vouched| vouched.rebuilt.is_none_or(|at| self.told() == Some(at));
        let vouched = match vouched {
            Some(vouched) if is_told(&vouched) => vouched,
            // It may know the machine, and not that it is a node.
            _ => {
                self.enrol().await?;
                self.vouched().await?
            }
        };
        if let Some(at) = vouched.rebuilt.filter(|_| !is_told(&vouched)) {
            self.tell_all().await?;
            self.write(TOLD_FILE, &at.as_ms().to_le_bytes())?;
        }
        self.write(VOUCHER_FILE, &vouched.voucher)
    }

    async fn vouched(&self) -> Result<Vouched, RejoinError> {
        match self.session.ask(Request::Vouch).await {
            Ok(Reply::Vouched(vouched)) => Ok(vouched),
            _ => Err(RejoinError::NoAnswer),
        }
    }

    /// Shows the center its own word. One that came after a rebuild has none from before it, and needs none.
    async fn enrol(&self) -> Result<(), RejoinError> {
        let path = self.dir.join(VOUCHER_FILE);
        let word = match std::fs::read(&path) {
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            word => word.map_err(|source| file(&path, source))?,
        };
        if word.len() > VOUCHER_MAX {
            return Err(RejoinError::NoAnswer);
        }
        match self.session.ask(Request::Enrol(word)).await {
            Ok(Reply::Done) => tracing::info!("the center that lost its rows took this node in again"),
            Ok(Reply::Refused(no)) => tracing::info!(id = %no.id, "the center said no to its word on this node"),
            _ => return Err(RejoinError::NoAnswer),
        }
        Ok(())
    }

    /// Tells all that is held, place by place.
    async fn tell_all(&self) -> Result<(), RejoinError> {
        let (mut told, mut places) = (0u64, 0u64);
        // Data of a fill test stands in no group: it is sent again where it is wanted.
        for ((pg, index), keys) in self.store.places().into_iter().filter(|((pg, _), _)| *pg != PgId::FILL) {
            told += self.tell_place(pg, index, &keys).await?;
            places += 1;
        }
        tracing::info!(told, places, "told the center what is held here");
        Ok(())
    }

    /// Tells one place; how many pieces count.
    async fn tell_place(&self, pg: PgId, index: u16, keys: &[PieceKey]) -> Result<u64, RejoinError> {
        let mut kept = 0;
        for page in keys.chunks(DIGESTS_MAX) {
            for (scheme, pieces) in by_scheme(self.store.metas(page.to_vec()).await) {
                let digests = SlotDigests { pg, index, scheme, pieces };
                match self.session.ask(Request::SlotDigests(Box::new(digests))).await {
                    Ok(Reply::SlotDigests(count)) => kept += u64::from(count),
                    _ => return Err(RejoinError::NoAnswer),
                }
            }
        }
        Ok(kept)
    }

    fn told(&self) -> Option<Stamp> {
        let bytes = std::fs::read(self.dir.join(TOLD_FILE)).ok()?;
        Some(Stamp(u64::from_le_bytes(bytes.try_into().ok()?)))
    }

    /// Whole or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RejoinError> {
        let (path, part) = (self.dir.join(name), self.dir.join(format!("{name}.part")));
        let written = std::fs::File::create(&part).and_then(|mut out| {
            out.write_all(bytes)?;
            out.sync_all()
        });
        written.and_then(|()| std::fs::rename(&part, &path)).map_err(|source| file(&path, source))
    }
}

/// Pieces of one code together, in the order they came.
fn by_scheme(metas: Vec<PieceMeta>) -> Vec<(Scheme, Vec<SlotPiece>)> {
    let mut all: Vec<(Scheme, Vec<SlotPiece>)> = Vec::new();
    for meta in metas {
        let piece = SlotPiece { root: meta.segment_root, sealed_bytes: meta.sealed_bytes, locator: meta.locator() };
        match all.iter_mut().find(|(scheme, _)| *scheme == meta.scheme) {
            Some((_, pieces)) => pieces.push(piece),
            None => all.push((meta.scheme, vec![piece])),
        }
    }
    all
}

fn file(path: &Path, source: std::io::Error) -> RejoinError {
    RejoinError::File { path: path.display().to_string(), source }
}
