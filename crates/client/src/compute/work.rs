//! What a machine that runs others' items asks of who keeps their job's keys.

use crate::{Client, ClientError};
use std::time::Duration;
use wire::PeerAddr;
use wire::compute::{ParcelAnswer, ParcelAsk, Parcels};
use wire::limits::PARCELS_MAX;
use wire::storage::StreamOpen;

/// Longest wait for a keeper that is dialed.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

impl Client {
    /// Parcels of a lease, from the first keeper that answers.
    ///
    /// # Errors
    /// What the last of them said, or why it was not reached.
    pub async fn ask_parcels(&self, keepers: &[PeerAddr], ask: &ParcelAsk) -> Result<Parcels, ClientError> {
        let mut last = ClientError::Unexpected("no keeper is on");
        for keeper in keepers {
            match tokio::time::timeout(ANSWER_TIMEOUT, self.ask_keeper(keeper, ask)).await {
                Ok(Ok(parcels)) => return Ok(parcels),
                Ok(Err(error)) => last = error,
                Err(_) => last = ClientError::Net(net::NetError::TimedOut(ANSWER_TIMEOUT)),
            }
        }
        Err(last)
    }

    async fn ask_keeper(&self, keeper: &PeerAddr, ask: &ParcelAsk) -> Result<Parcels, ClientError> {
        self.endpoint.learn(keeper.clone());
        let link = self.endpoint.connect(keeper.id, DIAL_TIMEOUT).await?;
        let mut stream = link.open().await?;
        stream.write_frame(&wire::encode(&StreamOpen::Parcels(Box::new(ask.clone())))).await?;
        let frame = stream.read_frame(PARCELS_MAX).await?;
        match wire::decode(&frame, PARCELS_MAX).map_err(|_| ClientError::Unexpected("no parcels"))? {
            ParcelAnswer::Parcels(parcels) => Ok(*parcels),
            ParcelAnswer::Refused(refusal) => Err(ClientError::Refused(refusal)),
        }
    }
}
