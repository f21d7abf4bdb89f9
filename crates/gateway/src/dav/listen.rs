//! WebDAV as it listens.

use super::answer::Shared;
use crate::listen::Listening;
use crate::serve::{ListenError, ServeAsk};
use std::net::SocketAddr;

/// WebDAV that listens; ends with [`Self::stop`].
pub struct DavGateway(Listening);

impl DavGateway {
    /// Listens.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn start(ask: ServeAsk) -> Result<Self, ListenError> {
        let listening = Listening::start(&ask, |hosts| {
            Shared::new(hosts, (ask.keys.clone(), ask.now), (ask.client.clone(), ask.root.clone()))
        });
        Ok(Self(listening.await?))
    }

    /// Where it listens, with the port that the system chose.
    pub const fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// Takes no more, and gives what is under way a moment.
    pub async fn stop(self) {
        self.0.stop().await;
    }
}
