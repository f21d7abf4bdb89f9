//! Segments of one upload on their way: sent and staged a few at a time, told to the center in order.

use crate::cut::Ready;
use crate::put::HOLDERS_LOOK;
use crate::stage::{Kept, Staging, runs_of};
use crate::{Bucket, Client, ClientError};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;
use wire::Reply;
use wire::account::GrantedAsk;
use wire::storage::{SegmentRun, SegmentsKeep, WrittenSegment};

/// Segments on their way to holders at the same time.
pub const SEGMENTS_OPEN: usize = 2;
/// Bytes of receipts told in one message.
const KEEP_BYTES: usize = 48 << 10;
/// What a segment takes in that message beside its receipts.
const KEEP_SEGMENT_BYTES: usize = 64;
/// Segments on their way, kept in order.
pub(crate) struct Sending {
    client: Client,
    bucket: Bucket,
    staging: Option<Arc<Staging>>,
    open: JoinSet<(u32, Result<Done, ClientError>)>,
    done: BTreeMap<u32, Done>,
    /// Number of the first segment that the center does not keep yet.
    told: u32,
    runs: Vec<SegmentRun>,
    pieces_min: usize,
}

/// A segment with its receipts, and what is noted of it.
struct Done {
    written: WrittenSegment,
    hash: [u8; 32],
    scheme: model::Scheme,
    label: Vec<u8>,
}

impl Sending {
    /// For an upload of which `kept` segments are kept already.
    pub fn new(client: Client, bucket: Bucket, staging: Option<Arc<Staging>>, kept: &[Kept]) -> Self {
        let (open, done, runs) = (JoinSet::new(), BTreeMap::new(), runs_of(kept));
        let told = u32::try_from(kept.len()).unwrap_or(u32::MAX);
        Self { client, bucket, staging, open, done, told, runs, pieces_min: usize::MAX }
    }

    /// Takes one more, once there is room for it.
    pub async fn add(&mut self, segment: Ready) -> Result<(), ClientError> {
        while self.open.len() >= SEGMENTS_OPEN {
            self.take().await?;
        }
        let (client, bucket, staging) = (self.client.clone(), self.bucket.clone(), self.staging.clone());
        self.open.spawn(async move { (segment.number, client.send_and_stage(&bucket, segment, staging).await) });
        self.tell(KEEP_BYTES).await
    }

    async fn take(&mut self) -> Result<(), ClientError> {
        match self.open.join_next().await {
            Some(Ok((number, sent))) => {
                let sent = sent?;
                self.pieces_min = self.pieces_min.min(sent.written.receipts.len());
                self.done.insert(number, sent);
                Ok(())
            }
            Some(Err(_)) => Err(ClientError::Unexpected("a sender ended")),
            None => Ok(()),
        }
    }

    /// Tells the center of finished segments, in order, whenever a message of them is full.
    async fn tell(&mut self, full: usize) -> Result<(), ClientError> {
        loop {
            let (mut bytes, mut batch) = (0, Vec::new());
            for (_, done) in
                self.done.range(self.told..).zip(self.told..).take_while(|((at, _), n)| *at == n).map(|(s, _)| s)
            {
                bytes += KEEP_SEGMENT_BYTES + done.written.receipts.iter().map(|r| r.len() + 2).sum::<usize>();
                if !batch.is_empty() && (bytes > KEEP_BYTES || batch.len() == wire::limits::SEGMENTS_KEEP_MAX) {
                    break;
                }
                batch.push(done.written.clone());
            }
            if batch.is_empty() || bytes < full {
                return Ok(());
            }
            let count = u32::try_from(batch.len()).unwrap_or(u32::MAX);
            let keep = SegmentsKeep { bucket: *self.bucket.id(), segments: batch };
            let keep = self.client.request_of(&self.bucket, GrantedAsk::Keep(Box::new(keep)));
            let Reply::SegmentsKept(runs) = self.client.ask_again(keep).await? else {
                return Err(ClientError::Unexpected("segments not kept"));
            };
            if runs.iter().map(|run| u64::from(run.count)).sum::<u64>() != u64::from(count) {
                return Err(ClientError::Unexpected("another number of segments kept"));
            }
            self.note(&runs).await?;
            runs.into_iter().for_each(|run| join_run(&mut self.runs, run));
            self.told += count;
        }
    }

    /// What the center keeps is let go of, and noted where the upload is staged.
    async fn note(&mut self, runs: &[SegmentRun]) -> Result<(), ClientError> {
        let places = runs.iter().flat_map(|run| (run.seq..run.seq + u64::from(run.count)).map(|seq| (run.pg, seq)));
        let mut kept = Vec::new();
        for (number, (pg, seq)) in (self.told..).zip(places) {
            let Some(Done { written, hash, scheme, label }) = self.done.remove(&number) else { continue };
            let (id, sealed_bytes) = (written.id, written.sealed_bytes);
            kept.push(Kept { number, id, hash, scheme, sealed_bytes, label, pg, seq });
        }
        let Some(staging) = self.staging.clone() else { return Ok(()) };
        let noting = tokio::task::spawn_blocking(move || staging.note(&kept));
        noting.await.map_err(|_| ClientError::Unexpected("staging ended"))
    }

    /// Waits for all, tells the center, and says where they stand and how many pieces the weakest has.
    pub async fn finish(mut self) -> Result<(Vec<SegmentRun>, usize), ClientError> {
        while !self.open.is_empty() {
            self.take().await?;
        }
        self.tell(0).await?;
        Ok((self.runs, self.pieces_min))
    }
}

impl Client {
    /// Sends a segment, and stages it meanwhile.
    async fn send_and_stage(
        &self,
        bucket: &Bucket,
        segment: Ready,
        staging: Option<Arc<Staging>>,
    ) -> Result<Done, ClientError> {
        let (number, scheme, label) = (segment.number, segment.grant.scheme, segment.coded.label.clone());
        let sealed = segment.sealed.clone();
        let keeping = tokio::task::spawn_blocking(move || match (staging, sealed) {
            (Some(staging), Some(sealed)) => {
                staging.keep(number, &sealed);
                *blake3::hash(&sealed).as_bytes()
            }
            _ => [0; 32],
        });
        let (written, hash) = tokio::join!(self.send_patiently(bucket, Arc::new(segment)), keeping);
        let hash = hash.map_err(|_| ClientError::Unexpected("staging ended"))?;
        Ok(Done { written: written?, hash, scheme, label })
    }

    /// Sends a segment; where too few holders took their piece, once more to those that are on then.
    async fn send_patiently(&self, bucket: &Bucket, segment: Arc<Ready>) -> Result<WrittenSegment, ClientError> {
        let failed = match self.send_segment(&segment.grant, &segment.coded).await {
            Err(failed @ ClientError::TooFewHolders { .. }) => failed,
            sent => return sent,
        };
        tokio::time::sleep(HOLDERS_LOOK.min(self.holders_wait)).await;
        match self.write_grant(bucket).await {
            Ok(grant) if grant.pg == segment.grant.pg => self.send_segment(&Arc::new(grant), &segment.coded).await,
            _ => Err(failed),
        }
    }
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
