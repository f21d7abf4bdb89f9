//! Download: manifest, any `k` pieces of every segment, rebuild, open.

use crate::{Bucket, Client, ClientError, Progress};
use codec::{Layout, rebuild};
use model::Bytes;
use seal::open_run;
use std::path::Path;
use wire::storage::{ReadGrant, ReadOpen, ReadSegment};
use wire::{Reply, Request};

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// Content size.
    pub size: Bytes,
    /// Pieces that were fetched.
    pub pieces: usize,
}

impl Client {
    /// Reads an object into a file, which appears only when it is whole.
    pub async fn get_file(
        &self,
        bucket: &Bucket,
        name: &str,
        path: &Path,
        progress: Progress<'_>,
    ) -> Result<Got, ClientError> {
        let ask = ReadOpen { bucket: *bucket.id(), name_sealed: bucket.seal_name(name)? };
        let Reply::ReadGrant(grant) = self.ask(Request::ReadOpen(ask)).await? else {
            return Err(ClientError::Unexpected("no leave to read"));
        };
        let ReadGrant { manifest, segments } = *grant;
        let manifest = bucket.open_manifest(&manifest)?;
        if manifest.name != name {
            return Err(ClientError::Unexpected("a manifest of another name"));
        }
        let mut sealed = Vec::new();
        let mut fetched = 0;
        for segment in &segments {
            let (bytes, pieces) = self.read_segment(segment).await?;
            sealed.extend_from_slice(&bytes);
            fetched += pieces;
            progress("phase-read", (sealed.len() as u64).min(manifest.size), manifest.size);
        }
        let (key, header) = (manifest.key.clone(), manifest.header);
        let opening = tokio::task::spawn_blocking(move || open_run(&key, &header, &sealed));
        let content = opening.await.map_err(|_| ClientError::Unexpected("opening ended"))??;
        if content.len() as u64 != manifest.size {
            return Err(ClientError::Unexpected("content of another size than its manifest says"));
        }
        write_whole(path, &content).await?;
        Ok(Got { size: Bytes(manifest.size), pieces: fetched })
    }

    /// Data pieces first, all holders that are on at once in waves of what is still missing; stops at `k`.
    async fn read_segment(&self, segment: &ReadSegment) -> Result<(Vec<u8>, usize), ClientError> {
        let layout = Layout::new(segment.scheme, segment.sealed_bytes)?;
        let need = usize::from(segment.scheme.k);
        let mut waiting: Vec<_> = segment.slots.clone();
        waiting.sort_by_key(|slot| (!slot.on, slot.index));
        let mut waiting = waiting.into_iter();
        let mut fetches = tokio::task::JoinSet::new();
        let mut have: Vec<(u16, Vec<u8>)> = Vec::new();
        loop {
            while fetches.len() + have.len() < need {
                let Some(slot) = waiting.next() else { break };
                let (client, id, pg) = (self.clone(), segment.id, segment.pg);
                fetches.spawn(async move {
                    let piece = client.fetch_piece(pg, &slot, &id, &layout).await;
                    (slot.index, piece)
                });
            }
            match fetches.join_next().await {
                Some(Ok((index, Ok(piece)))) => have.push((index, piece)),
                Some(Ok((index, Err(error)))) => tracing::debug!(index, %error, "a piece was not read"),
                Some(Err(_)) => {}
                None => return Err(ClientError::Unreadable { have: have.len(), need }),
            }
            if have.len() == need {
                let pieces: Vec<(u16, &[u8])> = have.iter().map(|(index, piece)| (*index, &piece[..])).collect();
                return Ok((rebuild(&layout, &pieces)?, need));
            }
        }
    }
}

/// Writes beside the file and renames: nobody sees half of it.
async fn write_whole(path: &Path, content: &[u8]) -> Result<(), ClientError> {
    let file = |source| ClientError::File { path: path.display().to_string(), source };
    let temp = path.with_extension(format!("part-{}", std::process::id()));
    tokio::fs::write(&temp, content).await.map_err(file)?;
    tokio::fs::rename(&temp, path).await.map_err(file)
}
