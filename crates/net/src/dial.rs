//! Links we dialed, one to a peer: shared while they live, let go when nobody used them for [`REUSE_IDLE`].

use crate::error::NetError;
use crate::link::Link;
use model::NodeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex as AsyncMutex;

/// Links of our own at a time.
pub const DIALED_MAX: usize = 4_096;
/// A dialed link that nobody holds is kept so long for the next one who dials the same peer.
pub const REUSE_IDLE: Duration = Duration::from_secs(60);

/// One slot for each peer dialed. Who holds a slot's lock dials for all who wait for it.
#[derive(Default)]
pub(crate) struct Dials(Mutex<BTreeMap<NodeId, Arc<Slot>>>);

#[derive(Default)]
struct Slot(AsyncMutex<Option<(Link, Instant)>>);

impl Dials {
    /// The live link to `peer`, or what `dial` makes.
    pub(crate) async fn get(
        &self,
        peer: NodeId,
        dial: impl Future<Output = Result<Link, NetError>>,
    ) -> Result<Link, NetError> {
        let slot = self.slot(peer)?;
        let mut slot = slot.0.lock().await;
        let link = match slot.as_ref().filter(|(link, _)| !link.is_closed()) {
            Some((link, _)) => link.clone(),
            None => dial.await?,
        };
        *slot = Some((link.clone(), Instant::now()));
        Ok(link)
    }

    /// Lets go what is gone or was not used for long.
    pub(crate) fn sweep(&self, now: Instant) {
        sweep(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), now, REUSE_IDLE);
    }

    /// Lets go everything.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn slot(&self, peer: NodeId) -> Result<Arc<Slot>, NetError> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= DIALED_MAX && !slots.contains_key(&peer) {
            sweep(&mut slots, Instant::now(), Duration::ZERO);
            if slots.len() >= DIALED_MAX {
                return Err(NetError::Busy(slots.len()));
            }
        }
        Ok(Arc::clone(slots.entry(peer).or_default()))
    }
}

fn sweep(slots: &mut BTreeMap<NodeId, Arc<Slot>>, now: Instant, idle: Duration) {
    slots.retain(|_, slot| {
        let wanted = Arc::strong_count(slot) > 1;
        wanted
            || slot.0.try_lock().is_ok_and(|link| {
                link.as_ref().is_some_and(|(link, used)| {
                    !link.is_closed() && (link.is_shared() || now.saturating_duration_since(*used) < idle)
                })
            })
    });
}
