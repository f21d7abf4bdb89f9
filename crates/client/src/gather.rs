//! What a steward keeps between two turns of work (`docs/design/storage.md` §10). Patient repair: where fewer than k holders of a
//! segment are on at the same time, it keeps the pieces of those that are, until it has k. In simulated years of home PCs, repair
//! that waited for k at once lost every object, repair that gathers lost none. And pieces for later: those it made for holders
//! that are off, so that a segment is gathered once and not once for each of them.
//!
//! (A) A kept piece proves itself against the segment's id, when it comes and when it is read again: a bad sector costs one piece
//! and blames nobody. (B) What is kept stays below a share of what the owner lends, the oldest segments go first, and nothing
//! outlives [`KEPT_FOR`]; pieces for later take room that is free and no other. (C) A piece is there whole or not at all.

use crate::column::Source;
use crate::fill::Making;
use crate::piece::Coded;
use crate::{Client, ClientError};
use codec::{Decoder, Layout, PieceProof, PieceSet};
use model::{Bytes, SegmentId, Span, TimeScale};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;
use tokio::sync::watch;
use wire::storage::Slot;

/// Share of the lent room that may be kept, all segments together: one in so many …
pub const SCRATCH_SHARE: u64 = 10;
/// … and in any case room for one gathered segment and what is made of it.
pub const SCRATCH_MIN: u64 = 128 << 20;
/// A segment to which no piece came for so long is given up.
pub const KEPT_FOR: Span = Span::days(7);
/// Before the piece: lengths of proof and label.
const HEAD: usize = 4;

/// Where gathered pieces are kept: a folder per segment, a file per piece.
#[derive(Debug, Clone)]
pub struct Scratch {
    dir: PathBuf,
    max: Arc<AtomicU64>,
    /// How days count here.
    scale: watch::Receiver<TimeScale>,
}

/// A kept piece.
struct Kept {
    index: u16,
    file: File,
    /// Where its bytes begin.
    at: u64,
    label: Vec<u8>,
}

impl Scratch {
    /// In this folder, which is made when it is needed, of an owner who lends so much.
    pub fn new(dir: PathBuf, lent: Bytes, scale: watch::Receiver<TimeScale>) -> Self {
        let scratch = Self { dir, max: Arc::default(), scale };
        scratch.set_lent(lent);
        scratch
    }

    /// The owner lends so much from now.
    pub fn set_lent(&self, lent: Bytes) {
        self.max.store((lent.0 / SCRATCH_SHARE).max(SCRATCH_MIN), Relaxed);
    }

    fn folder(&self, id: &SegmentId) -> PathBuf {
        self.dir.join(id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    /// Indexes of the pieces kept of a segment.
    fn indexes(&self, id: &SegmentId) -> Vec<u16> {
        let Ok(entries) = std::fs::read_dir(self.folder(id)) else { return Vec::new() };
        let index = |entry: io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
        let mut indexes: Vec<u16> = entries.filter_map(index).collect();
        indexes.sort_unstable();
        indexes
    }

    /// Whether all of these pieces are kept, and any are asked for.
    pub(crate) fn has_all(&self, id: &SegmentId, wanted: PieceSet) -> bool {
        let held: PieceSet = self.indexes(id).into_iter().collect();
        wanted.count() > 0 && wanted.iter().all(|index| held.contains(index))
    }

    /// Whether any piece of a segment is kept.
    pub(crate) fn has_any(&self, id: &SegmentId) -> bool {
        !self.indexes(id).is_empty()
    }

    /// A file for a piece that is coming; it counts once [`Self::keep`] has renamed it.
    fn begin(&self, id: &SegmentId, index: u16) -> io::Result<(PathBuf, File)> {
        std::fs::create_dir_all(self.folder(id))?;
        let path = self.folder(id).join(format!("{index}.part"));
        Ok((path.clone(), File::create(path)?))
    }

    /// (C)
    fn keep(&self, id: &SegmentId, index: u16) -> io::Result<()> {
        let folder = self.folder(id);
        std::fs::rename(folder.join(format!("{index}.part")), folder.join(index.to_string()))
    }

    /// (A) A kept piece, its every byte judged; one that does not hold is removed.
    fn open(&self, id: &SegmentId, index: u16, layout: &Layout) -> io::Result<Option<Kept>> {
        let path = self.folder(id).join(index.to_string());
        let kept = judged(&path, id, index, layout)?;
        if kept.is_none() {
            std::fs::remove_file(&path)?;
        }
        Ok(kept)
    }

    /// Of a segment nothing is needed any more but these.
    pub(crate) fn keep_only(&self, id: &SegmentId, still: PieceSet) {
        let indexes = self.indexes(id);
        if !indexes.iter().any(|index| still.contains(*index)) {
            let _ = std::fs::remove_dir_all(self.folder(id));
            return;
        }
        for index in indexes.into_iter().filter(|index| !still.contains(*index)) {
            let _ = std::fs::remove_file(self.folder(id).join(index.to_string()));
        }
    }

    /// (B) Keeps made pieces for later, as many as there is free room for; which.
    pub(crate) fn keep_made(&self, coded: &Coded, later: PieceSet) -> io::Result<PieceSet> {
        self.tidy(0)?;
        let (mut held, id) = (self.bytes_held(), coded.roots.id);
        let mut kept = Vec::new();
        for index in later.iter().filter(|index| !coded.piece(*index).is_empty()) {
            let (piece, proof) = (coded.piece(index), coded.roots.proof(index).to_bytes());
            held += (HEAD + proof.len() + coded.label.len() + piece.len()) as u64;
            if held > self.max.load(Relaxed) {
                break;
            }
            let (_, mut file) = self.begin(&id, index)?;
            file.write_all(&head_of(&proof, &coded.label))?;
            file.write_all(piece)?;
            self.keep(&id, index)?;
            kept.push(index);
        }
        Ok(kept.into_iter().collect())
    }

    /// A kept piece as it is sent to the slot of its index; nothing where it is not kept, or damaged.
    pub(crate) fn to_send(
        &self,
        id: &SegmentId,
        index: u16,
        layout: &Layout,
    ) -> Option<(PieceProof, Vec<u8>, Vec<u8>)> {
        let kept = self.open(id, index, layout).ok()??;
        let mut head = vec![0; usize::try_from(kept.at).ok()?];
        kept.file.read_exact_at(&mut head, 0).ok()?;
        let proof = PieceProof::parse(head.get(HEAD..head.len() - kept.label.len())?).ok()?;
        let mut piece = vec![0; usize::try_from(layout.piece_len()).ok()?];
        kept.file.read_exact_at(&mut piece, kept.at).ok()?;
        Some((proof, kept.label, piece))
    }

    /// Bytes of pieces kept.
    fn bytes_held(&self) -> u64 {
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return 0 };
        let files = entries.flatten().filter_map(|entry| std::fs::read_dir(entry.path()).ok()).flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
    }

    /// (B) Gives room back: what is too old, then the oldest, until `room` more bytes fit.
    fn tidy(&self, room: u64) -> io::Result<()> {
        let mut folders = Vec::new();
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return Ok(()) };
        for entry in entries.flatten() {
            let bytes = std::fs::read_dir(entry.path())?.flatten().filter_map(|file| file.metadata().ok());
            let changed = entry.metadata()?.modified()?;
            folders.push((changed, bytes.map(|meta| meta.len()).sum::<u64>(), entry.path()));
        }
        folders.sort();
        let kept_for = self.scale.borrow().of(KEPT_FOR).to_std();
        let mut held: u64 = folders.iter().map(|(_, bytes, _)| *bytes).sum();
        for (changed, bytes, path) in folders {
            let is_old = SystemTime::now().duration_since(changed).is_ok_and(|age| age > kept_for);
            if is_old || held + room > self.max.load(Relaxed) {
                std::fs::remove_dir_all(path)?;
                held -= bytes;
            }
        }
        Ok(())
    }
}

fn judged(path: &Path, id: &SegmentId, index: u16, layout: &Layout) -> io::Result<Option<Kept>> {
    let mut file = File::open(path)?;
    let mut all = Vec::new();
    file.read_to_end(&mut all)?;
    let parsed = || {
        let (head, rest) = all.split_at_checked(HEAD)?;
        let len = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
        let (proof, rest) = rest.split_at_checked(len(0))?;
        let (label, bytes) = rest.split_at_checked(len(2))?;
        let known = PieceProof::parse(proof).ok().filter(|proof| proof.index == index)?.prove(id, layout).ok()?;
        let is_whole = bytes.len() as u64 == known.len() && codec::tree::piece_root(bytes) == *known.root();
        is_whole.then(|| ((HEAD + proof.len() + label.len()) as u64, label.to_vec()))
    };
    Ok(parsed().map(|(at, label)| Kept { index, file, at, label }))
}

impl Client {
    /// The same, keeping pieces of segments whose holders are not on together.
    #[must_use]
    pub fn with_scratch(self, scratch: Scratch) -> Self {
        Self { scratch: Some(scratch), ..self }
    }

    /// Gathers pieces of a segment from the holders that are on, and makes the wanted ones once `k` are kept; with the indexes that
    /// came now.
    ///
    /// # Errors
    /// [`ClientError::Unreadable`] with the pieces kept so far, while they are fewer than `k`.
    pub(crate) async fn gather_patiently(
        &self,
        scratch: &Scratch,
        source: Source,
        wanted: PieceSet,
    ) -> Result<(Coded, Vec<u16>), ClientError> {
        let (id, layout) = (source.id, source.layout);
        let k = usize::from(layout.scheme.k);
        let (mut held, mut brought) = (scratch.indexes(&id), Vec::new());
        scratch.tidy(layout.piece_len() * layout.scheme.k as u64).map_err(|e| local(scratch, e))?;
        for slot in source.slots.iter().filter(|slot| slot.on) {
            if held.len() >= k {
                break;
            }
            if held.contains(&slot.index) {
                continue;
            }
            match self.fetch(scratch, &source, slot).await {
                Ok(()) => {
                    held.push(slot.index);
                    brought.push(slot.index);
                }
                Err(error) => tracing::debug!(%error, index = slot.index, "a piece was not gathered"),
            }
        }
        if held.len() < k {
            tracing::info!(segment = %id.short(), have = held.len(), need = k, "gathering pieces of a segment");
            return Err(ClientError::Unreadable { have: held.len(), need: k });
        }
        let (scratch, buffers) = (scratch.clone(), self.buffers.clone());
        let making = tokio::task::spawn_blocking(move || {
            let making = Making::new(&layout, wanted, &buffers)?;
            made_of(&scratch, &id, layout, making)
        });
        let coded = making.await.map_err(|_| ClientError::Unexpected("coding ended"))??;
        Ok((coded, brought))
    }

    /// One whole piece into its file.
    async fn fetch(&self, scratch: &Scratch, source: &Source, slot: &Slot) -> Result<(), ClientError> {
        let mut incoming = self.open_piece(source, slot, 0..source.layout.piece_len()).await?;
        let (path, mut file) = scratch.begin(&source.id, slot.index).map_err(|e| local(scratch, e))?;
        let head = head_of(&incoming.proof, &incoming.label);
        let at = |source| ClientError::File { path: path.display().to_string(), source };
        file.write_all(&head).map_err(at)?;
        while let Some(bytes) = incoming.next().await? {
            file.write_all(&bytes).map_err(at)?;
        }
        scratch.keep(&source.id, slot.index).map_err(at)
    }
}

/// What stands before a piece: lengths, proof, label.
fn head_of(proof: &[u8], label: &[u8]) -> Vec<u8> {
    let len = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap_or(0).to_le_bytes();
    [&len(proof)[..], &len(label), proof, label].concat()
}

fn local(scratch: &Scratch, source: io::Error) -> ClientError {
    ClientError::File { path: scratch.dir.display().to_string(), source }
}

/// Makes pieces of `k` kept ones, column by column.
fn made_of(scratch: &Scratch, id: &SegmentId, layout: Layout, mut making: Making) -> Result<Coded, ClientError> {
    let k = usize::from(layout.scheme.k);
    let mut kept = Vec::with_capacity(k);
    for index in scratch.indexes(id) {
        kept.extend(scratch.open(id, index, &layout).map_err(|e| local(scratch, e))?);
        if kept.len() == k {
            break;
        }
    }
    if kept.len() < k {
        return Err(ClientError::Unreadable { have: kept.len(), need: k });
    }
    let mut decoder = Decoder::new(&layout)?;
    let cell_bytes = usize::try_from(u64::from(layout.cell)).unwrap_or(0);
    let mut cells: Vec<(u16, Vec<u8>)> = kept.iter().map(|piece| (piece.index, vec![0; cell_bytes])).collect();
    let mut out = vec![0; usize::try_from(layout.column_bytes()).unwrap_or(0)];
    for column in 0..layout.columns() {
        let range = layout.cell_in_piece(column);
        for (piece, (_, cell)) in kept.iter().zip(&mut cells) {
            piece.file.read_exact_at(cell, piece.at + range.start).map_err(|e| local(scratch, e))?;
        }
        let given: Vec<(u16, &[u8])> = cells.iter().map(|(index, cell)| (*index, &cell[..])).collect();
        let sealed = decoder.column(column, &given, &mut out)?;
        making.push(&out[..sealed])?;
    }
    let mut labels: BTreeMap<&[u8], u16> = BTreeMap::new();
    kept.iter().for_each(|piece| *labels.entry(&piece.label).or_default() += 1);
    let label = labels.into_iter().max_by_key(|(_, count)| *count).map(|(label, _)| label.to_vec());
    making.finish(layout, label.ok_or(ClientError::Unexpected("a piece without a label"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffers::Buffers;
    use model::Scheme;

    const SCHEME: Scheme = Scheme { k: 3, m: 4, o: 5, slots: 5, n_max: 8, accept: 4 };

    fn scratch_of(dir: &Path, max: u64) -> Scratch {
        let scratch = Scratch::new(dir.join("gather"), Bytes(0), watch::Sender::default().subscribe());
        scratch.max.store(max, Relaxed);
        scratch
    }

    /// A segment's pieces, each kept as if a holder had brought it.
    fn kept(scratch: &Scratch, sealed: &[u8], indexes: &[u16]) -> (Layout, codec::SegmentRoots, Vec<Vec<u8>>) {
        let layout = Layout::new(SCHEME, sealed.len() as u64).unwrap();
        let all = codec::encode(&layout, sealed).unwrap();
        let pieces = all.pieces;
        for index in indexes {
            let proof = all.roots.proofs()[usize::from(*index)].to_bytes();
            let label = [*index as u8 / 4; 7];
            let (_, mut file) = scratch.begin(&all.roots.id, *index).unwrap();
            let len = |n: usize| u16::try_from(n).unwrap().to_le_bytes();
            file.write_all(&[&len(proof.len())[..], &len(7), &proof, &label, &pieces[usize::from(*index)]].concat())
                .unwrap();
            scratch.keep(&all.roots.id, *index).unwrap();
        }
        (layout, all.roots, pieces)
    }

    #[test]
    fn pieces_kept_at_different_times_make_the_missing_ones() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = scratch_of(dir.path(), SCRATCH_MIN);
        let sealed: Vec<u8> = (0..700_000u32).map(|i| (i * 7 % 251) as u8).collect();
        let (layout, roots, pieces) = kept(&scratch, &sealed, &[1, 2, 6]);
        let make = || {
            let wanted: PieceSet = [0u16, 7].into_iter().collect();
            made_of(&scratch, &roots.id, layout, Making::new(&layout, wanted, &Buffers::default()).unwrap())
        };
        let made = make().unwrap();
        assert_eq!((made.roots.id, made.piece(0), made.piece(7)), (roots.id, &pieces[0][..], &pieces[7][..]));
        assert_eq!(made.label, [0; 7], "what most showed");
        // (A) A flipped bit costs this piece alone, and is not taken for the writer's fault.
        let path = scratch.folder(&roots.id).join("2");
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(make(), Err(ClientError::Unreadable { have: 2, need: 3 })));
        assert_eq!(scratch.indexes(&roots.id), [1, 6], "it is fetched anew");
        scratch.keep_only(&roots.id, PieceSet::default());
        assert_eq!(scratch.indexes(&roots.id), [0u16; 0]);
    }

    #[test]
    fn pieces_made_for_who_is_off_are_kept_whole_and_only_in_free_room() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = scratch_of(dir.path(), 800_000);
        let sealed: Vec<u8> = (0..700_000u32).map(|i| (i * 5 % 253) as u8).collect();
        let layout = Layout::new(SCHEME, sealed.len() as u64).unwrap();
        let all: PieceSet = (0..8u16).collect();
        let mut making = Making::new(&layout, all, &Buffers::default()).unwrap();
        making.push(&sealed).unwrap();
        let coded = making.finish(layout, vec![9; 7]).unwrap();
        let id = coded.roots.id;
        let later: PieceSet = [3u16, 4, 6, 7].into_iter().collect();
        let kept = scratch.keep_made(&coded, later).unwrap();
        assert_eq!(kept.iter().collect::<Vec<_>>(), [3, 4, 6, 7].into_iter().take(kept.count()).collect::<Vec<_>>());
        assert!((1..4).contains(&kept.count()) && scratch.bytes_held() <= 800_000, "(B) {}", kept.count());
        let (proof, label, piece) = scratch.to_send(&id, 3, &layout).unwrap();
        assert_eq!(
            (proof.to_bytes(), label, &piece[..]),
            (coded.roots.proof(3).to_bytes(), vec![9; 7], coded.piece(3))
        );
        assert!(
            scratch.has_all(&id, [3u16].into_iter().collect())
                && !scratch.has_all(&id, [3u16, 5].into_iter().collect())
        );
        let path = scratch.folder(&id).join("3");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[500] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(
            scratch.to_send(&id, 3, &layout).is_none() && !scratch.has_all(&id, [3u16].into_iter().collect()),
            "(A)"
        );
        scratch.keep_only(&id, PieceSet::default());
        assert!(!scratch.has_any(&id));
    }

    #[test]
    fn what_is_kept_stays_below_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = scratch_of(dir.path(), 600_000);
        let ids: Vec<SegmentId> = (0..5u8).map(|n| kept(&scratch, &vec![n; 300_000], &[0]).1.id).collect();
        assert!(ids.iter().all(|id| scratch.indexes(id) == [0]));
        scratch.tidy(300_000).unwrap();
        let left = ids.iter().filter(|id| scratch.indexes(id) == [0]).count();
        assert_eq!(left, 2, "(B) of five of 100 KB each, 300 KB fit beside what comes");
    }
}
