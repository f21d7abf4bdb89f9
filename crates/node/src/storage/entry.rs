//! Bytes at rest. A log is a 1 KiB head and entries aligned to 1 KiB; an entry is a 1 KiB header, then for a piece its
//! data and its group hashes (32 bytes per 16 KiB), zero-padded.
//!
//! Header hashes are keyed by a salt that stands only in the log's head (twice, each with its hash) and bind the
//! entry's offset: data a stranger stored can never be taken for an entry when a scan looks for the next one.

use super::error::StoreError;
use codec::tree::{self, GROUP_LEN};
use model::{PgId, Scheme, SegmentId};
use std::fmt;
use wire::storage::Locator;

/// Bytes of a sealed label.
pub const LABEL_LEN: usize = wire::storage::LABEL_LEN;
/// Most hashes on the way from a piece root to its segment root: 160 pieces at most.
pub const PATH_MAX: usize = 8;
/// Largest piece in bytes: a segment of 64 MiB is cut by `k ≥ 32`, one of `k = 1` is 8 MiB; doubled for room.
pub const PIECE_BYTES_MAX: u64 = 16 << 20;

pub(super) const BLOCK: u64 = 1024;
const HEAD_MAGIC: &[u8; 4] = b"PMLG";
const ENTRY_MAGIC: &[u8; 4] = b"PMPE";
const FORMAT: u8 = 1;
const HASHED: usize = 992;

/// Names one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceKey {
    /// The segment.
    pub segment: SegmentId,
    /// Index of the piece.
    pub index: u16,
}

impl PieceKey {
    /// Where it stands among all pieces: the first eight bytes of its segment's id as a big-endian number.
    pub fn place(&self) -> u64 {
        let (first, _) = self.segment.0.split_first_chunk::<8>().expect("an id has 32 bytes");
        u64::from_be_bytes(*first)
    }
}

impl fmt::Display for PieceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.segment.short(), self.index)
    }
}

/// All that is kept about a piece beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceMeta {
    /// The placement group.
    pub pg: PgId,
    /// The commitment.
    pub segment: SegmentId,
    /// Code of the segment.
    pub scheme: Scheme,
    /// Sealed bytes of the whole segment.
    pub sealed_bytes: u64,
    /// Root over all piece roots.
    pub segment_root: [u8; 32],
    /// Index of the piece.
    pub index: u16,
    /// Root of the piece.
    pub piece_root: [u8; 32],
    /// Path from the piece's root to the segment's, at most [`PATH_MAX`].
    pub path: Vec<[u8; 32]>,
    /// Sealed label, [`LABEL_LEN`] bytes.
    pub label: Vec<u8>,
    /// Bytes of the piece, 1 to [`PIECE_BYTES_MAX`].
    pub len: u64,
}

impl PieceMeta {
    /// Its name.
    pub fn key(&self) -> PieceKey {
        PieceKey { segment: self.segment, index: self.index }
    }

    /// What its label shows in clear, where it is that of a bucket log.
    pub fn locator(&self) -> Option<Locator> {
        wire::storage::locator_of(&self.label)
    }

    /// Refuses what no header can hold.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let bad = |why| Err(StoreError::BadMeta(why));
        match self {
            m if m.len == 0 || m.len > PIECE_BYTES_MAX => bad("its length is out of bounds"),
            m if !m.scheme.is_sound() => bad("its scheme is not sound"),
            m if m.index >= m.scheme.n_max => bad("its index is beyond the scheme's pieces"),
            m if m.path.len() > PATH_MAX => bad("its path is too long"),
            m if m.label.len() != LABEL_LEN => bad("its label has another length"),
            _ => Ok(()),
        }
    }
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// A piece; trashed since, when it was moved while in the trash.
    Piece { meta: Box<PieceMeta>, trashed_at: Option<u64> },
    /// Into the trash, or out of it.
    Trash { key: PieceKey, at: Option<u64> },
    /// Gone.
    Remove { key: PieceKey },
}

impl Entry {
    pub(super) fn key(&self) -> PieceKey {
        match self {
            Self::Piece { meta, .. } => meta.key(),
            Self::Trash { key, .. } | Self::Remove { key } => *key,
        }
    }
    /// Bytes in the log, padding included.
    pub(super) fn disk_len(&self) -> u64 {
        match self {
            Self::Piece { meta, .. } => piece_disk_len(meta.len),
            _ => BLOCK,
        }
    }
}

/// Bytes a piece of `len` takes in a log.
pub(super) fn piece_disk_len(len: u64) -> u64 {
    (BLOCK + len + 32 * tree::group_count(len)).next_multiple_of(BLOCK)
}

/// Head of a log.
pub(super) fn encode_head(pg: PgId, log: u32, salt: &[u8; 32]) -> Vec<u8> {
    let mut half = vec![0; 512];
    half[0..4].copy_from_slice(HEAD_MAGIC);
    half[4] = FORMAT;
    half[8..12].copy_from_slice(&pg.0.to_le_bytes());
    half[12..16].copy_from_slice(&log.to_le_bytes());
    half[16..48].copy_from_slice(salt);
    let hash = blake3::hash(&half[..480]);
    half[480..].copy_from_slice(hash.as_bytes());
    half.repeat(2)
}

/// Salt of a log, when either copy of its head is whole and names this very log.
pub(super) fn decode_head(bytes: &[u8], pg: PgId, log: u32) -> Option<[u8; 32]> {
    bytes.chunks_exact(512).find_map(|half| {
        let salt = half.get(16..48)?.try_into().ok()?;
        (half == &encode_head(pg, log, &salt)[..512]).then_some(salt)
    })
}

/// Header of `entry` at `offset`.
pub(super) fn encode_header(entry: &Entry, pg: PgId, seq: u64, salt: &[u8; 32], offset: u64) -> Vec<u8> {
    let mut out = vec![0; BLOCK as usize];
    out[0..4].copy_from_slice(ENTRY_MAGIC);
    out[4] = FORMAT;
    out[8..16].copy_from_slice(&seq.to_le_bytes());
    out[16..20].copy_from_slice(&pg.0.to_le_bytes());
    let key = entry.key();
    out[20..22].copy_from_slice(&key.index.to_le_bytes());
    out[64..96].copy_from_slice(key.segment.as_bytes());
    match entry {
        Entry::Piece { meta, trashed_at } => {
            out[5] = 1;
            put_since(&mut out, *trashed_at);
            put_meta(&mut out, meta);
        }
        Entry::Trash { at, .. } => {
            out[5] = 2;
            put_since(&mut out, *at);
        }
        Entry::Remove { .. } => out[5] = 3,
    }
    let hash = header_hash(&out, salt, offset);
    out[HASHED..].copy_from_slice(&hash);
    out
}

fn put_since(out: &mut [u8], at: Option<u64>) {
    out[7] = u8::from(at.is_some());
    out[56..64].copy_from_slice(&at.unwrap_or(0).to_le_bytes());
}

fn put_meta(out: &mut [u8], meta: &PieceMeta) {
    out[6] = meta.path.len() as u8;
    out[24..32].copy_from_slice(&meta.len.to_le_bytes());
    out[32..40].copy_from_slice(&meta.sealed_bytes.to_le_bytes());
    let s = meta.scheme;
    for (at, n) in [s.k, s.m, s.o, s.slots, s.n_max, s.accept].into_iter().enumerate() {
        out[40 + 2 * at..42 + 2 * at].copy_from_slice(&n.to_le_bytes());
    }
    out[96..128].copy_from_slice(&meta.segment_root);
    out[128..160].copy_from_slice(&meta.piece_root);
    for (at, hash) in meta.path.iter().enumerate() {
        out[160 + 32 * at..192 + 32 * at].copy_from_slice(hash);
    }
    out[416..928].copy_from_slice(&meta.label);
}

fn header_hash(header: &[u8], salt: &[u8; 32], offset: u64) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(salt);
    hasher.update(&offset.to_le_bytes()).update(&header[..HASHED]);
    *hasher.finalize().as_bytes()
}

/// The entry whose header stands in `bytes`, with its sequence number; none when it is not one of this log and place.
pub(super) fn decode_header(bytes: &[u8], pg: PgId, salt: &[u8; 32], offset: u64) -> Option<(u64, Entry)> {
    if bytes.len() != BLOCK as usize || &bytes[0..4] != ENTRY_MAGIC || bytes[4] != FORMAT {
        return None;
    }
    if header_hash(bytes, salt, offset) != bytes[HASHED..] || u32_at(bytes, 16) != pg.0 {
        return None;
    }
    let key = PieceKey { segment: SegmentId(hash_at(bytes, 64)), index: u16_at(bytes, 20) };
    let at = (bytes[7] == 1).then(|| u64_at(bytes, 56));
    let entry = match bytes[5] {
        1 => Entry::Piece { meta: Box::new(read_meta(bytes, pg, key)?), trashed_at: at },
        2 => Entry::Trash { key, at },
        3 => Entry::Remove { key },
        _ => return None,
    };
    Some((u64_at(bytes, 8), entry))
}

fn read_meta(bytes: &[u8], pg: PgId, key: PieceKey) -> Option<PieceMeta> {
    let paths = usize::from(bytes[6]);
    if paths > PATH_MAX {
        return None;
    }
    let n = |at: usize| u16_at(bytes, 40 + 2 * at);
    let meta = PieceMeta {
        pg,
        segment: key.segment,
        scheme: Scheme { k: n(0), m: n(1), o: n(2), slots: n(3), n_max: n(4), accept: n(5) },
        sealed_bytes: u64_at(bytes, 32),
        segment_root: hash_at(bytes, 96),
        index: key.index,
        piece_root: hash_at(bytes, 128),
        path: (0..paths).map(|at| hash_at(bytes, 160 + 32 * at)).collect(),
        label: bytes[416..928].to_vec(),
        len: u64_at(bytes, 24),
    };
    meta.check().is_ok().then_some(meta)
}

/// True when `body` (data and group hashes, as they follow the header) is what `meta` commits to.
pub(super) fn body_verifies(meta: &PieceMeta, body: &[u8]) -> bool {
    let Ok(len) = usize::try_from(meta.len) else { return false };
    let Some((data, rest)) = body.split_at_checked(len) else { return false };
    let groups = tree::group_hashes(data);
    let stored = rest.chunks_exact(32).take(groups.len());
    tree::root_of_groups(&groups) == Some(meta.piece_root)
        && stored.len() == groups.len()
        && stored.zip(&groups).all(|(a, b)| a == b)
}

/// Where group hashes begin and how many bytes they take, after the header.
pub(super) fn groups_span(len: u64) -> (u64, usize) {
    (len, 32 * usize::try_from(tree::group_count(len)).expect("a piece has at most 1,024 groups"))
}

/// Groups that cover `offset..offset + len`: first group and one past the last.
pub(super) fn covering(offset: u64, len: u64) -> (u64, u64) {
    let group = GROUP_LEN as u64;
    (offset / group, (offset + len).div_ceil(group))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes of a block"))
}
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes of a block"))
}
fn hash_at(bytes: &[u8], at: usize) -> [u8; 32] {
    bytes[at..at + 32].try_into().expect("thirty-two bytes of a block")
}
