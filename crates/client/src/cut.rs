//! The thread's side of an upload: content in, sealed, cut and coded segments out. What the center keeps already, of an
//! upload that goes on after an interruption, is sealed again and compared, and not coded again.

use crate::bucket::label_of;
use crate::buffers::{Buffers, Lent};
use crate::piece::Coded;
use crate::send::WIDE_PIECE_MAX;
use crate::stage::Kept;
use crate::{Client, ClientError};
use codec::{Encoder, Group, Layout, PieceSet};
use seal::{ContentKey, Header, Label, LabelKey, Sealer};
use std::io::Read;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use wire::storage::WriteGrant;

/// Content is read in such portions.
const PORTION: usize = 256 << 10;

/// A segment ready to be sent, with the leave under which it was coded.
pub(crate) struct Ready {
    /// Its number in the upload.
    pub number: u32,
    pub grant: Arc<WriteGrant>,
    pub coded: Arc<Coded>,
    /// Its sealed bytes, where they are staged.
    pub sealed: Option<Arc<Lent>>,
    /// Content read so far.
    pub content: u64,
    /// Room its pieces take; given back with them.
    pub _room: OwnedSemaphorePermit,
}

/// Bytes of the first pieces of so many sealed ones.
pub(crate) fn pieces_bytes(grant: &WriteGrant, sealed: usize) -> u64 {
    (sealed as u64).div_ceil(u64::from(grant.scheme.k.max(1))) * grant.first.len() as u64
}

/// What the thread found when the content ended.
pub(crate) struct Ended {
    pub size: u64,
    pub hash: [u8; 32],
    pub ids: [u8; 32],
}

/// The thread's side: content in, segments out.
pub(crate) struct Pipeline {
    sealer: Sealer,
    cutter: Cutter,
}

impl Pipeline {
    pub fn new(key: &ContentKey, header: &Header, cutter: Cutter) -> Result<Self, ClientError> {
        Ok(Self { sealer: Sealer::new(key, header)?, cutter })
    }

    pub fn run(mut self, mut content: Box<dyn Read + Send>) -> Result<Ended, ClientError> {
        let mut buffer = vec![0; PORTION];
        let mut hash = blake3::Hasher::new();
        loop {
            let len = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => len,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(content_error(&e)),
            };
            hash.update(&buffer[..len]);
            self.cutter.content += len as u64;
            let cutter = &mut self.cutter;
            self.sealer.push(&buffer[..len], &mut |sealed: &[u8]| cutter.push(sealed))?;
        }
        let cutter = &mut self.cutter;
        let size = self.sealer.finish_padded(&mut |sealed: &[u8]| cutter.push(sealed))?;
        self.cutter.cut()?;
        Ok(Ended { size, hash: *hash.finalize().as_bytes(), ids: *self.cutter.ids.finalize().as_bytes() })
    }
}

/// What a cutter begins with.
pub(crate) struct CutterParts {
    pub granted: watch::Receiver<Arc<WriteGrant>>,
    pub send: mpsc::Sender<Ready>,
    pub client: Client,
    pub labels: Option<LabelKey>,
    /// The label of the first segment.
    pub label: Label,
    /// The label of all segments, where it is another one than that.
    pub fixed: Option<Vec<u8>>,
    /// Segments that the center keeps already, from the first on.
    pub kept: Vec<Kept>,
    /// Sealed bytes go with each segment, to be staged.
    pub stages: bool,
}

/// Cuts sealed bytes into segments and codes each.
pub(crate) struct Cutter {
    parts: CutterParts,
    /// Under which the segment at hand is coded.
    grant: Arc<WriteGrant>,
    number: u32,
    segment: Lent,
    encoder: Option<Encoder>,
    ids: blake3::Hasher,
    content: u64,
}

impl Cutter {
    pub fn new(parts: CutterParts) -> Self {
        let grant = Arc::clone(&parts.granted.borrow());
        let (segment, ids) = (Lent::default(), blake3::Hasher::new());
        Self { parts, grant, number: 0, segment, encoder: None, ids, content: 0 }
    }

    /// The segment at hand as it stood before the interruption.
    fn before(&self) -> Option<&Kept> {
        self.parts.kept.get(usize::try_from(self.number).unwrap_or(usize::MAX))
    }

    fn push(&mut self, mut sealed: &[u8]) -> Result<(), ClientError> {
        while !sealed.is_empty() {
            let full = self.before().map_or_else(|| Layout::segment_bytes(&self.grant.scheme), |k| k.sealed_bytes);
            let full = usize::try_from(full).unwrap_or(usize::MAX);
            if self.segment.capacity() == 0 {
                self.segment = self.parts.client.buffers.take(full);
            }
            let (now, later) = sealed.split_at(sealed.len().min(full - self.segment.len()));
            self.segment.extend_from_slice(now);
            sealed = later;
            if self.segment.len() == full {
                self.cut()?;
            }
        }
        Ok(())
    }

    /// Hands on what is held as one segment, unless the center keeps that already.
    fn cut(&mut self) -> Result<(), ClientError> {
        if self.segment.is_empty() {
            return Ok(());
        }
        match self.before().cloned() {
            Some(kept) => {
                let same = *blake3::hash(&self.segment).as_bytes() == kept.hash;
                if !same || self.segment.len() as u64 != kept.sealed_bytes {
                    return Err(ClientError::Changed);
                }
                self.ids.update(kept.id.as_bytes());
                self.parts.label.offset += self.segment.len() as u64;
                self.segment.clear();
            }
            None => self.code()?,
        }
        self.number += 1;
        Ok(())
    }

    fn code(&mut self) -> Result<(), ClientError> {
        // This is a thread for blocking work, so it may wait for room here.
        let staged = if self.parts.stages { self.segment.len() as u64 } else { 0 };
        let room = self.parts.client.room(pieces_bytes(&self.grant, self.segment.len()) + staged);
        let room = tokio::runtime::Handle::current().block_on(room)?;
        let mut coded = code(&self.grant, &self.segment, &mut self.encoder, &self.parts.client.buffers)?;
        coded.label = match &self.parts.fixed {
            Some(fixed) => fixed.clone(),
            None => label_of(self.parts.labels.as_ref(), &self.parts.label, &coded.roots.id),
        };
        self.parts.label.offset += self.segment.len() as u64;
        self.ids.update(coded.roots.id.as_bytes());
        let sealed = self.parts.stages.then(|| Arc::new(std::mem::take(&mut self.segment)));
        self.segment.clear();
        let (number, grant, content) = (self.number, Arc::clone(&self.grant), self.content);
        let ready = Ready { number, grant, coded: Arc::new(coded), sealed, content, _room: room };
        self.parts.send.blocking_send(ready).map_err(|_| ClientError::Unexpected("sending ended"))?;
        self.grant = Arc::clone(&self.parts.granted.borrow());
        Ok(())
    }
}

/// A buffer for each of these pieces, empty ones for the others.
pub(crate) fn buffers_for(layout: &Layout, wanted: PieceSet, len: usize, buffers: &Buffers) -> Vec<Lent> {
    (0..layout.scheme.n_max).map(|i| if wanted.contains(i) { buffers.take(len) } else { Lent::default() }).collect()
}

/// Codes sealed bytes as one segment, with the pieces that are sent first; its label is still empty.
pub(crate) fn code(
    grant: &WriteGrant,
    sealed: &[u8],
    encoder: &mut Option<Encoder>,
    buffers: &Buffers,
) -> Result<Coded, ClientError> {
    let layout = Layout::new(grant.scheme, sealed.len() as u64)?;
    let mut kept = PieceSet::EMPTY;
    grant.first.iter().for_each(|index| kept.insert(*index));
    if layout.piece_len() <= WIDE_PIECE_MAX {
        grant.spare.iter().for_each(|index| kept.insert(*index));
    }
    let len = usize::try_from(layout.piece_len()).unwrap_or(0);
    let mut pieces = buffers_for(&layout, kept, len, buffers);
    let encoder = match encoder {
        Some(encoder) => {
            encoder.restart(&layout, kept)?;
            encoder
        }
        none => none.insert(Encoder::new(&layout, kept)?),
    };
    let mut keep = |group: Group<'_>| {
        pieces[usize::from(group.index)].extend_from_slice(group.bytes);
        Ok::<(), ClientError>(())
    };
    encoder.push(sealed, &mut keep)?;
    let commitment = encoder.finish(&mut keep)?;
    Ok(Coded { layout, roots: commitment.roots, pieces, label: Vec::new() })
}

pub(crate) fn content_error(error: &std::io::Error) -> ClientError {
    ClientError::File { path: "content".to_owned(), source: std::io::Error::new(error.kind(), error.to_string()) }
}
