//! Segments of one upload on their way: sent and staged a few at a time, told to the center in order.
//!
//! (A) Who waits for holders says so and waits [`rules::storage::writer::HOLDERS_WAIT`] at most. (B) A slot that changed hands
//! between receipt and commit costs its piece once more, [`KEEP_TRIES`] times at most, and nobody a second command.

use crate::cut::Ready;
use crate::put::HOLDERS_LOOK;
use crate::stage::{Kept, Staging, runs_of};
use crate::{Bucket, Client, ClientError};
use model::errors;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::JoinSet;
use wire::Reply;
use wire::account::GrantedAsk;
use wire::signed::PieceReceipt;
use wire::storage::{SegmentRun, SegmentsKeep, Slot, WriteGrant, WrittenSegment};

/// Tries to have a segment kept whose slots change hands meanwhile.
pub(crate) const KEEP_TRIES: u32 = 4;
/// Segments on their way to holders at the same time.
pub const SEGMENTS_OPEN: usize = 2;
/// Stands for the next segment's number once one was not kept.
const FAILED: u32 = u32::MAX;

/// Segments on their way; what became durable is told to the center in order, each segment by the task that sent it, so that its
/// pieces are at hand should a slot have changed hands meanwhile.
pub(crate) struct Sending {
    client: Client,
    bucket: Bucket,
    staging: Option<Arc<Staging>>,
    /// None came of a segment after one that failed.
    open: JoinSet<Result<Option<Done>, ClientError>>,
    /// Number of the first segment that the center does not keep yet.
    told: watch::Sender<u32>,
    before: Vec<SegmentRun>,
    done: BTreeMap<u32, SegmentRun>,
    pieces_min: usize,
}

/// A segment the center keeps.
struct Done {
    number: u32,
    run: SegmentRun,
    pieces: usize,
}

impl Sending {
    /// For an upload of which `kept` segments are kept already.
    pub fn new(client: Client, bucket: Bucket, staging: Option<Arc<Staging>>, kept: &[Kept]) -> Self {
        let told = watch::Sender::new(u32::try_from(kept.len()).unwrap_or(u32::MAX));
        let (open, done, before) = (JoinSet::new(), BTreeMap::new(), runs_of(kept));
        Self { client, bucket, staging, open, told, before, done, pieces_min: usize::MAX }
    }

    /// Takes one more, once there is room for it.
    pub async fn add(&mut self, segment: Ready) -> Result<(), ClientError> {
        while self.open.len() >= SEGMENTS_OPEN {
            self.take().await?;
        }
        let (client, bucket, staging) = (self.client.clone(), self.bucket.clone(), self.staging.clone());
        let told = self.told.clone();
        self.open.spawn(async move { client.send_and_keep(&bucket, segment, staging, told).await });
        Ok(())
    }

    async fn take(&mut self) -> Result<(), ClientError> {
        match self.open.join_next().await {
            Some(Ok(sent)) => {
                if let Some(Done { number, run, pieces }) = sent? {
                    self.pieces_min = self.pieces_min.min(pieces);
                    self.done.insert(number, run);
                }
                Ok(())
            }
            Some(Err(_)) => Err(ClientError::Unexpected("a sender ended")),
            None => Ok(()),
        }
    }

    /// Waits for all, and says where they stand and how many pieces the weakest has.
    pub async fn finish(mut self) -> Result<(Vec<SegmentRun>, usize), ClientError> {
        while !self.open.is_empty() {
            self.take().await?;
        }
        let mut runs = self.before;
        self.done.into_values().for_each(|run| join_run(&mut runs, run));
        Ok((runs, self.pieces_min))
    }
}

impl Client {
    /// Sends a segment, and stages it meanwhile; when those before it are kept, it is told to the center. Once one failed none
    /// after it waits any longer, as each holds the room of its pieces.
    async fn send_and_keep(
        &self,
        bucket: &Bucket,
        segment: Ready,
        staging: Option<Arc<Staging>>,
        told: watch::Sender<u32>,
    ) -> Result<Option<Done>, ClientError> {
        let kept = self.send_in_turn(bucket, segment, staging, &told).await;
        if kept.is_err() {
            told.send_replace(FAILED);
        }
        kept
    }

    async fn send_in_turn(
        &self,
        bucket: &Bucket,
        segment: Ready,
        staging: Option<Arc<Staging>>,
        told: &watch::Sender<u32>,
    ) -> Result<Option<Done>, ClientError> {
        let (number, scheme, label) = (segment.number, segment.grant.scheme, segment.coded.label.clone());
        let (copy, sealed) = (staging.clone(), segment.sealed.clone());
        let keeping = tokio::task::spawn_blocking(move || match (copy, sealed) {
            (Some(staging), Some(sealed)) => {
                staging.keep(number, &sealed);
                *blake3::hash(&sealed).as_bytes()
            }
            _ => [0; 32],
        });
        let (written, hash) = tokio::join!(self.send_patiently(bucket, &segment), keeping);
        let hash = hash.map_err(|_| ClientError::Unexpected("staging ended"))?;
        let mut written = written?;
        let turn = told.subscribe().wait_for(|next| *next == number || *next == FAILED).await.map(|next| *next);
        match turn {
            Ok(next) if next == number => {}
            Ok(_) => return Ok(None),
            Err(_) => return Err(ClientError::Unexpected("sending ended")),
        }
        let run = self.keep_segment(bucket, &segment, &mut written).await?;
        let (id, sealed_bytes, pieces) = (written.id, written.sealed_bytes, written.receipts.len());
        if let Some(staging) = staging {
            let kept = Kept { number, id, hash, scheme, sealed_bytes, label, pg: run.pg, seq: run.seq };
            let noting = tokio::task::spawn_blocking(move || staging.note(&[kept]));
            noting.await.map_err(|_| ClientError::Unexpected("staging ended"))?;
        }
        told.send_replace(number + 1);
        Ok(Some(Done { number, run, pieces }))
    }

    /// Tells the center of a segment. Where a slot changed hands since its holder gave the receipt, its new holder gets the piece.
    async fn keep_segment(
        &self,
        bucket: &Bucket,
        segment: &Ready,
        written: &mut WrittenSegment,
    ) -> Result<SegmentRun, ClientError> {
        let mut tries = 1;
        loop {
            let keep = SegmentsKeep { bucket: *bucket.id(), segments: vec![written.clone()] };
            match self.ask_again(self.request_of(bucket, GrantedAsk::Keep(Box::new(keep)))).await {
                Ok(Reply::SegmentsKept(runs)) => match runs[..] {
                    [run] if run.count == 1 => return Ok(run),
                    _ => return Err(ClientError::Unexpected("another number of segments kept")),
                },
                Ok(_) => return Err(ClientError::Unexpected("segments not kept")),
                Err(error) if is_moved(&error) && tries < KEEP_TRIES => {
                    tracing::info!(tries, "a slot changed hands during an upload; its new holder gets the piece");
                    tries += 1;
                    *written = self.send_changed(bucket, segment, written).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a segment; where too few holders took their piece, again to those that are on then, as long as an upload waits
    /// for holders. What was taken is not sent again.
    pub(crate) async fn send_patiently(&self, bucket: &Bucket, segment: &Ready) -> Result<WrittenSegment, ClientError> {
        let until = Instant::now() + self.holders_wait;
        let (mut grant, mut receipts) = (Arc::clone(&segment.grant), Vec::new());
        loop {
            let failed = match self.send_segment(&grant, &segment.coded, &mut receipts).await {
                Err(failed @ ClientError::TooFewHolders { .. }) => failed,
                sent => return sent,
            };
            if Instant::now() >= until {
                return Err(failed);
            }
            if let ClientError::TooFewHolders { have, need, .. } = &failed {
                self.waits_for_holders(*have as u64, *need as u64);
            }
            tokio::time::sleep(HOLDERS_LOOK.min(self.holders_wait)).await;
            let Ok(anew) = self.write_grant_until(bucket, until).await else { return Err(failed) };
            if anew.scheme != segment.grant.scheme {
                return Err(ClientError::CodeChanged);
            }
            receipts = standing(receipts, &anew);
            grant = Arc::new(anew);
        }
    }

    /// The same segment with pieces at those who hold its group's slots now.
    ///
    /// # Errors
    /// [`ClientError::CodeChanged`] where the segment has to be coded anew.
    pub(crate) async fn send_changed(
        &self,
        bucket: &Bucket,
        segment: &Ready,
        written: &WrittenSegment,
    ) -> Result<WrittenSegment, ClientError> {
        self.forget_write_grant(bucket);
        let grant = self.write_grant(bucket).await?;
        if grant.scheme != segment.grant.scheme {
            return Err(ClientError::CodeChanged);
        }
        let mut receipts = standing(written.receipts.clone(), &grant);
        self.send_segment(&Arc::new(grant), &segment.coded, &mut receipts).await
    }
}

/// A receipt was refused that its holder gave for a slot it had then.
pub(crate) fn is_moved(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(no) if no.id == errors::BAD_RECEIPT)
}

/// Receipts of who holds the very slot of the very group now.
fn standing(receipts: Vec<Vec<u8>>, grant: &WriteGrant) -> Vec<Vec<u8>> {
    let stands = |bytes: &Vec<u8>| {
        let Some(receipt) = PieceReceipt::check(bytes) else { return false };
        let is_holder = |slot: &Slot| slot.index == receipt.index && slot.addr.id == receipt.node;
        receipt.pg == grant.pg && grant.slots.iter().any(is_holder)
    };
    receipts.into_iter().filter(stands).collect()
}

/// Appends a run, joined to the last where it goes on.
pub(crate) fn join_run(runs: &mut Vec<SegmentRun>, run: SegmentRun) {
    match runs.last_mut() {
        Some(last) if last.pg == run.pg && last.seq + u64::from(last.count) == run.seq => last.count += run.count,
        _ => runs.push(run),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::PgId;

    #[test]
    fn runs_join_where_they_go_on() {
        let run = |seq, count| SegmentRun { pg: PgId(1), seq, count };
        let mut runs = Vec::new();
        [run(5, 2), run(7, 1), run(9, 1)].into_iter().for_each(|r| join_run(&mut runs, r));
        assert_eq!(runs, [run(5, 3), run(9, 1)]);
    }
}
