//! Upload: seal, cut, encode, send, commit.

use crate::{Bucket, Client, ClientError, Progress};
use codec::{Encoded, Layout, encode};
use model::{Bytes, Scheme};
use rand_core::Rng;
use seal::{ContentKey, Header, Role, seal_run};
use std::path::Path;
use wire::storage::{Commit, WriteGrant, WriteOpen, WrittenSegment};
use wire::{Reply, Request};

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Content size.
    pub size: Bytes,
    /// Code used.
    pub scheme: Scheme,
    /// Pieces with receipts, of the segment that has fewest.
    pub pieces: usize,
    /// Holders that took part.
    pub holders: usize,
    /// Place in the bucket's order.
    pub bucket_seq: u64,
}

impl Client {
    /// Stores a file under a name. Sends every piece to its holder and waits for all that are on; fails when fewer than the
    /// scheme accepts gave a receipt.
    pub async fn put_file(
        &self,
        bucket: &Bucket,
        name: &str,
        path: &Path,
        progress: Progress<'_>,
    ) -> Result<Put, ClientError> {
        let file = |source| ClientError::File { path: path.display().to_string(), source };
        let name_sealed = bucket.seal_name(name)?;
        let content = tokio::fs::read(path).await.map_err(file)?;
        let size = content.len() as u64;
        let mut rng = rand::rng();
        let key = ContentKey::random(&mut rng);
        let header = Header::new(&key, Role::Content, bucket.id(), 0, &mut rng);
        progress("phase-seal", 0, size);
        let sealed = {
            let key = key.clone();
            tokio::task::spawn_blocking(move || seal_run(&key, &header, &content))
                .await
                .map_err(|_| ClientError::Unexpected("sealing ended"))??
        };
        let grant = self.write_grant(sealed.len() as u64).await?;
        let step = usize::try_from(Layout::segment_bytes(&grant.scheme)).unwrap_or(usize::MAX);
        let (mut segments, mut pieces, mut done) = (Vec::new(), usize::MAX, 0);
        for part in sealed.chunks(step) {
            let encoded = self.encode_part(&grant.scheme, part.to_vec()).await?;
            let receipts = self.send_all(&grant, encoded).await?;
            pieces = pieces.min(receipts.1.len());
            segments.push(WrittenSegment {
                id: receipts.0,
                pg: grant.pg,
                sealed_bytes: part.len() as u64,
                receipts: receipts.1,
            });
            done += part.len() as u64;
            progress("phase-send", done.min(size), size);
        }
        let manifest = bucket.seal_manifest(name, size, &header, &key, &mut rng)?;
        let mut commit_id = [0; 16];
        rng.fill_bytes(&mut commit_id);
        let commit = Commit { commit_id, bucket: *bucket.id(), name_sealed, segments, manifest };
        progress("phase-commit", size, size);
        let Reply::Committed(committed) = self.ask(Request::Commit(Box::new(commit))).await? else {
            return Err(ClientError::Unexpected("no commit"));
        };
        let holders = grant.slots.iter().filter(|s| s.on).count();
        Ok(Put { size: Bytes(size), scheme: grant.scheme, pieces, holders, bucket_seq: committed.bucket_seq })
    }

    async fn write_grant(&self, bytes_max: u64) -> Result<WriteGrant, ClientError> {
        match self.ask(Request::WriteOpen(WriteOpen { bytes_max: bytes_max.saturating_mul(4) })).await? {
            Reply::WriteGrant(grant) => Ok(*grant),
            _ => Err(ClientError::Unexpected("no leave to write")),
        }
    }

    async fn encode_part(&self, scheme: &Scheme, part: Vec<u8>) -> Result<Encoded, ClientError> {
        let layout = Layout::new(*scheme, part.len() as u64)?;
        let encoding = tokio::task::spawn_blocking(move || encode(&layout, &part));
        Ok(encoding.await.map_err(|_| ClientError::Unexpected("encoding ended"))??)
    }

    /// Sends every piece of a segment to its holder at the same time; id and receipts.
    async fn send_all(
        &self,
        grant: &WriteGrant,
        encoded: Encoded,
    ) -> Result<(model::SegmentId, Vec<Vec<u8>>), ClientError> {
        let encoded = std::sync::Arc::new(encoded);
        let mut sends = tokio::task::JoinSet::new();
        for slot in grant.slots.iter().filter(|s| s.on).cloned() {
            let (client, encoded, pg) = (self.clone(), std::sync::Arc::clone(&encoded), grant.pg);
            sends.spawn(async move {
                let sent = client.send_piece(pg, &slot, &encoded).await;
                (slot.addr.id, sent)
            });
        }
        let (mut receipts, mut why) = (Vec::new(), Vec::new());
        while let Some(sent) = sends.join_next().await {
            match sent {
                Ok((_, Ok(receipt))) => receipts.push(receipt),
                Ok((node, Err(error))) => why.push(format!("{}: {error}", node.short())),
                Err(_) => why.push("a sender ended".to_owned()),
            }
        }
        let need = usize::from(grant.scheme.accept);
        if receipts.len() < need {
            return Err(ClientError::TooFewHolders { have: receipts.len(), need, why });
        }
        Ok((encoded.roots.id, receipts))
    }
}
