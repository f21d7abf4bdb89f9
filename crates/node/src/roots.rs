//! Follows the daily roots of the book: each check-in names the newest, what it is made of is asked for and kept.
//!
//! (A) What a center shows otherwise than before is told to the owner, and what was kept stays as it is: it is the proof. (B) Nothing else
//! stops: what the owner lends goes on. (C) Where the center asks for it, a root that follows is signed, and no other.

use crate::session::Session;
use client::roots::{RootsError, RootsFile};
use model::{CloudKey, NodeId};
use std::sync::Arc;
use std::time::Duration;
use wire::signed::{Cosign, public_of};
use wire::{Reply, Request};

/// Pause after a question that was not answered.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What following needs.
pub struct Follows {
    /// Session with the center.
    pub session: Arc<Session>,
    /// Where roots are kept.
    pub file: RootsFile,
    /// Whose book.
    pub cloud: CloudKey,
    /// The machine's secret key.
    pub key: [u8; 32],
}

impl Follows {
    /// Follows for ever.
    pub async fn run(self) {
        let mut told = self.session.ledger_root();
        loop {
            let shown = *told.borrow_and_update();
            let is_done = match shown {
                Some((shown, is_asked)) => self.look(shown).await && self.sign(shown.filter(|_| is_asked)).await,
                None => true,
            };
            tokio::select! {
                changed = told.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(AGAIN_AFTER), if !is_done => {}
            }
        }
    }

    /// (C) Signs a root that is kept; false where that is to be tried again.
    async fn sign(&self, asked: Option<(u32, [u8; 32])>) -> bool {
        let Some((day, root)) = asked else { return true };
        let file = self.file.clone();
        let kept = tokio::task::spawn_blocking(move || file.load()).await;
        if !kept.is_ok_and(|kept| kept.is_ok_and(|kept| kept.newest() == asked)) {
            return true;
        }
        let node = NodeId(public_of(&self.key));
        let word = Cosign { cloud: self.cloud, day, root, node }.sign(&self.key);
        match self.session.ask(Request::RootSigned(word.to_vec())).await {
            Ok(Reply::Refused(refusal)) => {
                tracing::info!(id = %refusal.id, day, "the center took no signature under a daily root");
                true
            }
            Ok(_) => true,
            Err(_) => false,
        }
    }

    /// Holds the newest root that was shown against what is kept; false where that is to be tried again.
    async fn look(&self, shown: Option<(u32, [u8; 32])>) -> bool {
        let file = self.file.clone();
        let kept = match tokio::task::spawn_blocking(move || file.load()).await {
            Ok(Ok(kept)) => kept,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the roots of the book that were kept cannot be read");
                return false;
            }
            Err(_) => return false,
        };
        if kept.newest() == shown {
            self.session.note_fork(None);
            return true;
        }
        // Center processes of one cloud may name a root some seconds one after the other: what counts is what the database says.
        let lines = match self.session.ask(Request::LedgerDays(kept.asks_after())).await {
            Ok(Reply::LedgerDays(lines)) => lines,
            answer => {
                tracing::info!(
                    is_answered = answer.is_ok(),
                    "the center does not tell the roots of the book; it is asked again"
                );
                return false;
            }
        };
        let (file, asked) = (self.file.clone(), kept.clone());
        match tokio::task::spawn_blocking(move || file.take(&asked, &lines)).await {
            Ok(Ok(roots)) => {
                let day = roots.newest().map_or(0, |(day, _)| day);
                tracing::debug!(day, "the roots of the book follow one another");
                self.session.note_fork(None);
                true
            }
            // (A)
            Ok(Err(RootsError::Refused(refusal))) => {
                let day = kept.newest().map_or(0, |(day, _)| day);
                tracing::error!(%refusal, day, "the center shows another book than before");
                self.session.note_fork(Some(day));
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the roots of the book cannot be kept");
                false
            }
            Err(_) => false,
        }
    }
}
