//! Keeps a link to one peer alive for as long as it lives itself: dials, waits when that fails, dials again.

use crate::address::AddressBook;
use crate::endpoint::Endpoint;
use crate::link::Link;
use model::NodeId;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// First wait after a failure.
pub const BACKOFF_BASE: Duration = Duration::from_millis(500);
/// Longest wait.
pub const BACKOFF_CAP: Duration = Duration::from_secs(30);
/// A link that lived shorter counts as a failure, so that a center that takes links and drops them is not stormed.
const STEADY: Duration = Duration::from_secs(10);
/// Longest dial.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What happened to the link.
#[derive(Debug, Clone)]
pub enum RedialEvent {
    /// Not connected; how often in a row dialing failed, and how the last try ended.
    Down {
        /// Failures in a row.
        failures: u32,
        /// The last one's words.
        cause: String,
    },
    /// Connected.
    Up(Link),
}

/// A link that comes back.
pub struct Redial {
    state: watch::Receiver<RedialEvent>,
    task: JoinHandle<()>,
    book: Arc<AddressBook>,
    peer: NodeId,
}

impl Redial {
    /// Begins to dial `peer`, of which the endpoint has learned an address and from now on does not forget it.
    pub fn start(endpoint: Endpoint, peer: NodeId) -> Self {
        let book = Arc::clone(endpoint.book());
        book.keep(peer);
        let (send, state) = watch::channel(RedialEvent::Down { failures: 0, cause: String::new() });
        let task = tokio::spawn(run(endpoint, peer, send));
        Self { state, task, book, peer }
    }

    /// The live link, if there is one now.
    pub fn now(&self) -> Option<Link> {
        match &*self.state.borrow() {
            RedialEvent::Up(link) if !link.is_closed() => Some(link.clone()),
            _ => None,
        }
    }

    /// Waits for a live link.
    pub async fn link(&self) -> Link {
        let mut state = self.state.clone();
        loop {
            let up = match &*state.borrow_and_update() {
                RedialEvent::Up(link) if !link.is_closed() => Some(link.clone()),
                _ => None,
            };
            match up {
                Some(link) => return link,
                // The task ends only with its owner, who then does not wait here.
                None if state.changed().await.is_err() => std::future::pending().await,
                None => {}
            }
        }
    }

    /// Follows what happens.
    pub fn watch(&self) -> watch::Receiver<RedialEvent> {
        self.state.clone()
    }
}

impl Drop for Redial {
    fn drop(&mut self) {
        self.task.abort();
        self.book.release(self.peer);
    }
}

async fn run(endpoint: Endpoint, peer: NodeId, state: watch::Sender<RedialEvent>) {
    let mut failures: u32 = 0;
    loop {
        match endpoint.connect(peer, DIAL_TIMEOUT).await {
            Ok(link) => {
                let since = Instant::now();
                state.send_replace(RedialEvent::Up(link.clone()));
                let cause = link.closed().await.to_string();
                failures = if since.elapsed() < STEADY { failures.saturating_add(1) } else { 0 };
                state.send_replace(RedialEvent::Down { failures, cause });
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                state.send_replace(RedialEvent::Down { failures, cause: error.to_string() });
            }
        }
        tokio::time::sleep(backoff(failures, rand::random())).await;
    }
}

/// Full jitter: a random share of `min(cap, base × 2^failures)`, at least a fifth of the base, so that a fleet that lost its
/// center does not come back at one instant.
fn backoff(failures: u32, random: u32) -> Duration {
    let most = BACKOFF_BASE.saturating_mul(1 << failures.min(10)).min(BACKOFF_CAP);
    let share = f64::from(random) / f64::from(u32::MAX);
    most.mul_f64(share).max(BACKOFF_BASE / 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_are_spread() {
        assert_eq!(backoff(0, u32::MAX), BACKOFF_BASE);
        assert_eq!(backoff(20, u32::MAX), BACKOFF_CAP);
        assert_eq!(backoff(3, 0), BACKOFF_BASE / 5);
        assert!(backoff(6, u32::MAX / 2) < backoff(6, u32::MAX));
    }
}
