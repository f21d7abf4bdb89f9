//! The sealed stream: what one writer seals in one go, in chunks of 64 KiB (`docs/design/security.md` §4.2).
//!
//! Chunk `i`: nonce = prefix 7 ‖ `i` u32 big-endian ‖ last flag; associated data = the whole header; body of at most 65,520
//! bytes and a tag of 16. All chunks but the last are full; an empty run is one empty last chunk. The stream key is new for
//! every run, since it is derived from the random header, so counter nonces never repeat under a key.

use crate::SealError;
use crate::keys::ContentKey;
use model::BucketId;
use rand_core::CryptoRng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Content bytes of a full chunk.
pub const CHUNK_LEN: usize = 65_520;
/// Tag of a chunk.
pub const TAG_LEN: usize = 16;
/// A full sealed chunk: one cell.
pub const SEALED_CHUNK: usize = CHUNK_LEN + TAG_LEN;

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Content of an object or part.
    Content = 1,
    /// Content inside a manifest.
    Inline = 2,
    /// A manifest.
    Manifest = 3,
    /// A snapshot.
    Snapshot = 4,
    /// A shuffle block.
    Shuffle = 5,
    /// The keybag.
    Keybag = 6,
    /// The name index.
    Index = 7,
}

/// The header of a run, 96 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header([u8; Self::LEN]);

const MAGIC: &[u8; 4] = b"PMS1";
const STREAM_CONTEXT: &str = "pumasi v1 stream";

impl Header {
    /// Length in bytes.
    pub const LEN: usize = 96;

    /// A header for a new run under `key`, with random content id and nonce prefix, and its commitment.
    pub fn new(key: &ContentKey, role: Role, bucket: &BucketId, run: u32, rng: &mut impl CryptoRng) -> Self {
        let mut content_id = [0; 16];
        rng.fill_bytes(&mut content_id);
        Self::beside(key, role, bucket, (content_id, run), rng)
    }

    /// A header for one more run under `key` of the content of this id.
    pub fn beside(
        key: &ContentKey,
        role: Role,
        bucket: &BucketId,
        (content_id, run): ([u8; 16], u32),
        rng: &mut impl CryptoRng,
    ) -> Self {
        let mut h = [0; Self::LEN];
        h[0..4].copy_from_slice(MAGIC);
        h[4] = 1;
        h[5] = 1;
        h[6] = role as u8;
        h[7] = 16;
        h[8..24].copy_from_slice(bucket.as_bytes());
        h[24..40].copy_from_slice(&content_id);
        h[40..44].copy_from_slice(&run.to_le_bytes());
        rng.fill_bytes(&mut h[44..51]);
        let commitment = commitment(&stream_key(key, &h), &h);
        h[64..].copy_from_slice(&commitment);
        Self(h)
    }

    /// The header of the one run under `key`, a key that is used for nothing else: all of it follows from what its pieces' label
    /// tells, so that it need not be kept.
    pub fn told(key: &ContentKey, role: Role, bucket: &BucketId, content_id: [u8; 16]) -> Self {
        let mut h = [0; Self::LEN];
        h[0..4].copy_from_slice(MAGIC);
        h[4..8].copy_from_slice(&[1, 1, role as u8, 16]);
        h[8..24].copy_from_slice(bucket.as_bytes());
        h[24..40].copy_from_slice(&content_id);
        let prefix = blake3::keyed_hash(key.bytes(), b"nonce prefix");
        h[44..51].copy_from_slice(&prefix.as_bytes()[..7]);
        let commitment = commitment(&stream_key(key, &h), &h);
        h[64..].copy_from_slice(&commitment);
        Self(h)
    }

    /// Reads a header; reserved bytes must be zero.
    pub fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let h: [u8; Self::LEN] = bytes.try_into().map_err(|_| SealError::Header)?;
        let fixed = h[0..4] == *MAGIC && h[4] == 1 && h[5] == 1 && (1..=7).contains(&h[6]) && h[7] == 16;
        if fixed && h[51..64] == [0; 13] { Ok(Self(h)) } else { Err(SealError::Header) }
    }

    /// Reads a header that must be of this role and bucket.
    pub fn parse_as(bytes: &[u8], role: Role, bucket: &BucketId) -> Result<Self, SealError> {
        let header = Self::parse(bytes)?;
        let fits = header.role() == role as u8 && header.0[8..24] == *bucket.as_bytes();
        if fits { Ok(header) } else { Err(SealError::Header) }
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// What is sealed under it, as a number of [`Role`].
    pub const fn role(&self) -> u8 {
        self.0[6]
    }

    /// The content id: random, new for every version.
    pub fn content_id(&self) -> [u8; 16] {
        self.0[24..40].try_into().expect("sixteen of 96 bytes")
    }

    /// Number of the run: 0, or that of a part.
    pub fn run(&self) -> u32 {
        u32::from_le_bytes(self.0[40..44].try_into().expect("four of 96 bytes"))
    }

    fn prefix(&self) -> &[u8] {
        &self.0[44..51]
    }

    /// What a run of the same content has of its own: nonce prefix 7, commitment 32.
    pub(crate) fn own(&self) -> [u8; 39] {
        let mut own = [0; 39];
        own[..7].copy_from_slice(self.prefix());
        own[7..].copy_from_slice(&self.0[64..]);
        own
    }

    /// The header of another run of the same content.
    pub(crate) fn sibling(&self, run: u32, own: &[u8; 39]) -> Self {
        let mut h = self.0;
        h[40..44].copy_from_slice(&run.to_le_bytes());
        h[44..51].copy_from_slice(&own[..7]);
        h[64..].copy_from_slice(&own[7..]);
        Self(h)
    }
}

fn stream_key(key: &ContentKey, header: &[u8; Header::LEN]) -> Zeroizing<[u8; 32]> {
    let mut hasher = blake3::Hasher::new_derive_key(STREAM_CONTEXT);
    hasher.update(key.bytes()).update(&header[..64]);
    Zeroizing::new(*hasher.finalize().as_bytes())
}

fn commitment(stream: &[u8; 32], header: &[u8; Header::LEN]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(stream);
    hasher.update(b"commit").update(&header[..64]);
    *hasher.finalize().as_bytes()
}

/// The stream's cipher, after its commitment was compared in constant time.
fn cipher(key: &ContentKey, header: &Header) -> Result<LessSafeKey, SealError> {
    let stream = stream_key(key, &header.0);
    if !bool::from(commitment(&stream, &header.0).ct_eq(&header.0[64..])) {
        return Err(SealError::Commitment);
    }
    let unbound = UnboundKey::new(&AES_256_GCM, &stream[..]).map_err(|_| SealError::WrongKey)?;
    Ok(LessSafeKey::new(unbound))
}

fn nonce(header: &Header, chunk: u32, last: bool) -> Nonce {
    let mut n = [0; 12];
    n[..7].copy_from_slice(header.prefix());
    n[7..11].copy_from_slice(&chunk.to_be_bytes());
    n[11] = u8::from(last);
    Nonce::assume_unique_for_key(n)
}

/// Chunks of a run of `len` content bytes; at least one.
pub const fn chunk_count(len: u64) -> u64 {
    let full = len.div_ceil(CHUNK_LEN as u64);
    if full == 0 { 1 } else { full }
}

/// Sealed bytes of a run of `len` content bytes.
pub const fn sealed_len(len: u64) -> u64 {
    len + chunk_count(len) * TAG_LEN as u64
}

/// Content length after padding (at most 12 % more), so that a size tells little: `⌈L / 2^(E−S)⌉ · 2^(E−S)` with
/// `E = ⌊log2 L⌋`, `S = ⌊log2 E⌋ + 1` (the Padmé function).
pub fn padded_len(len: u64) -> u64 {
    if len < 2 {
        return len;
    }
    let e = len.ilog2();
    let s = if e == 0 { 1 } else { e.ilog2() + 1 };
    let step = 1u64 << e.saturating_sub(s);
    len.div_ceil(step).saturating_mul(step)
}

/// Seals a run as its content comes, in any portions, with one chunk in memory.
pub struct Sealer {
    cipher: LessSafeKey,
    header: Header,
    held: Vec<u8>,
    chunk: u32,
    taken: u64,
}

impl Sealer {
    /// For one run under its header.
    pub fn new(key: &ContentKey, header: &Header) -> Result<Self, SealError> {
        let held = Vec::with_capacity(SEALED_CHUNK);
        Ok(Self { cipher: cipher(key, header)?, header: *header, held, chunk: 0, taken: 0 })
    }

    /// Takes content and hands on every chunk that is known not to be the last.
    ///
    /// # Errors
    /// [`SealError::TooLong`] beyond 2³² chunks; what the sink returns.
    pub fn push<E: From<SealError>>(
        &mut self,
        mut content: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.taken += content.len() as u64;
        while !content.is_empty() {
            if self.held.len() == CHUNK_LEN {
                self.seal(false, sink)?;
            }
            let (now, later) = content.split_at(content.len().min(CHUNK_LEN - self.held.len()));
            self.held.extend_from_slice(now);
            content = later;
        }
        Ok(())
    }

    /// Pads with zeros to [`padded_len`], seals the last chunk and says how many content bytes were taken.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish_padded<E: From<SealError>>(
        mut self,
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        const ZEROS: &[u8] = &[0; 4096];
        let taken = self.taken;
        let mut padding = padded_len(taken) - taken;
        while padding > 0 {
            let step = padding.min(ZEROS.len() as u64);
            self.push(&ZEROS[..usize::try_from(step).expect("at most 4096")], sink)?;
            padding -= step;
        }
        self.finish(sink)?;
        Ok(taken)
    }

    /// Seals the last chunk.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish<E: From<SealError>>(mut self, sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.seal(true, sink)
    }

    fn seal<E: From<SealError>>(&mut self, last: bool, sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let nonce = nonce(&self.header, self.chunk, last);
        let tag = self.cipher.seal_in_place_separate_tag(nonce, Aad::from(self.header.as_bytes()), &mut self.held);
        let tag = tag.map_err(|_| SealError::TooLong)?;
        self.held.extend_from_slice(tag.as_ref());
        sink(&self.held)?;
        self.held.clear();
        self.chunk = self.chunk.checked_add(1).ok_or(SealError::TooLong)?;
        Ok(())
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.held.zeroize();
    }
}

/// Opens chunks of a run as their bytes come, in any portions, with one chunk in memory.
pub struct Opener {
    cipher: LessSafeKey,
    header: Header,
    held: Vec<u8>,
    next: u64,
    count: u64,
}

impl Opener {
    /// For a run of `count` chunks from chunk `first` on.
    pub fn new(key: &ContentKey, header: &Header, first: u64, count: u64) -> Result<Self, SealError> {
        let held = Vec::with_capacity(SEALED_CHUNK);
        Ok(Self { cipher: cipher(key, header)?, header: *header, held, next: first, count })
    }

    /// Takes sealed bytes and hands on the content of every chunk that is whole and right. The run's last chunk, which may
    /// be short, is opened by [`Self::finish`].
    ///
    /// # Errors
    /// [`SealError::Damaged`] names the chunk; what the sink returns. After an error nothing more is to be fed.
    pub fn push<E: From<SealError>>(
        &mut self,
        mut sealed: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !sealed.is_empty() {
            let (now, later) = sealed.split_at(sealed.len().min(SEALED_CHUNK - self.held.len()));
            self.held.extend_from_slice(now);
            sealed = later;
            if self.held.len() == SEALED_CHUNK && self.next + 1 < self.count {
                self.open(sink)?;
            } else if self.held.len() == SEALED_CHUNK && !sealed.is_empty() {
                return Err(SealError::Damaged { chunk: self.next + 1 }.into());
            }
        }
        Ok(())
    }

    /// Opens what is held: the run's last chunk, or nothing where a range ended before it.
    ///
    /// # Errors
    /// [`SealError::Damaged`] when the bytes end inside a chunk, or the run's last is missing.
    pub fn finish<E: From<SealError>>(mut self, sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match (self.held.is_empty(), self.next + 1 == self.count) {
            (false, true) => self.open(sink),
            (true, false) => Ok(()),
            _ => Err(SealError::Damaged { chunk: self.next }.into()),
        }
    }

    fn open<E: From<SealError>>(&mut self, sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let chunk = u32::try_from(self.next).map_err(|_| SealError::TooLong)?;
        let nonce = nonce(&self.header, chunk, self.next + 1 == self.count);
        let damaged = SealError::Damaged { chunk: self.next };
        let opened = self.cipher.open_in_place(nonce, Aad::from(self.header.as_bytes()), &mut self.held);
        sink(opened.map_err(|_| damaged)?)?;
        self.held.zeroize();
        self.next += 1;
        Ok(())
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.held.zeroize();
    }
}

/// Seals a whole run.
pub fn seal_run(key: &ContentKey, header: &Header, content: &[u8]) -> Result<Vec<u8>, SealError> {
    let total = usize::try_from(sealed_len(content.len() as u64)).map_err(|_| SealError::TooLong)?;
    let mut out = Vec::with_capacity(total);
    let mut keep = |chunk: &[u8]| {
        out.extend_from_slice(chunk);
        Ok::<(), SealError>(())
    };
    let mut sealer = Sealer::new(key, header)?;
    sealer.push(content, &mut keep)?;
    sealer.finish(&mut keep)?;
    Ok(out)
}

/// Opens a whole run.
pub fn open_run(key: &ContentKey, header: &Header, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let count = (sealed.len() as u64).div_ceil(SEALED_CHUNK as u64).max(1);
    open_range(key, header, sealed, 0, count)
}

/// Opens whole chunks of a run of `count` chunks, beginning with chunk `first`. Chunks that are not the run's last must be full.
pub fn open_range(
    key: &ContentKey,
    header: &Header,
    sealed: &[u8],
    first: u64,
    count: u64,
) -> Result<Vec<u8>, SealError> {
    let mut out = Vec::with_capacity(sealed.len());
    let mut keep = |content: &[u8]| {
        out.extend_from_slice(content);
        Ok::<(), SealError>(())
    };
    let mut opener = Opener::new(key, header, first, count)?;
    if sealed.is_empty() {
        return Err(SealError::Damaged { chunk: first });
    }
    opener.push(sealed, &mut keep)?;
    opener.finish(&mut keep)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    const BUCKET: BucketId = BucketId([3; 16]);

    fn setup() -> (ContentKey, Header) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let key = ContentKey::random(&mut rng);
        let header = Header::new(&key, Role::Content, &BUCKET, 0, &mut rng);
        (key, header)
    }

    #[test]
    fn runs_of_every_edge_open_again() {
        let (key, header) = setup();
        for len in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN] {
            let content: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let sealed = seal_run(&key, &header, &content).unwrap();
            assert_eq!(sealed.len() as u64, sealed_len(len as u64));
            assert_eq!(open_run(&key, &header, &sealed).unwrap(), content, "{len}");
        }
    }

    #[test]
    fn every_single_bit_of_three_chunks_and_their_header_counts() {
        let (key, header) = setup();
        // Two full chunks would take long to flip bit by bit: the body's bits are sampled, headers and tags are not.
        let content = vec![7; 2 * CHUNK_LEN + 100];
        let sealed = seal_run(&key, &header, &content).unwrap();
        for bit in 0..Header::LEN * 8 {
            let mut bad = header.0;
            bad[bit / 8] ^= 1 << (bit % 8);
            let opened = Header::parse(&bad).and_then(|h| open_run(&key, &h, &sealed));
            assert!(opened.is_err(), "header bit {bit}");
        }
        let tags =
            [CHUNK_LEN..SEALED_CHUNK, SEALED_CHUNK + CHUNK_LEN..2 * SEALED_CHUNK, 2 * SEALED_CHUNK..sealed.len()];
        let sampled = (0..2 * SEALED_CHUNK).step_by(1_021);
        for at in tags.into_iter().flatten().chain(sampled) {
            let mut bad = sealed.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(matches!(open_run(&key, &header, &bad), Err(SealError::Damaged { .. })), "byte {at}");
        }
    }

    #[test]
    fn swapped_dropped_repeated_and_cut_chunks_are_refused() {
        let (key, header) = setup();
        let sealed = seal_run(&key, &header, &vec![7; 3 * CHUNK_LEN]).unwrap();
        let part = |i: usize| sealed[i * SEALED_CHUNK..(i + 1) * SEALED_CHUNK].to_vec();
        let cases = [
            [part(1), part(0), part(2)].concat(),
            [part(0), part(2)].concat(),
            [part(0), part(1), part(1), part(2)].concat(),
            [part(0), part(1)].concat(),
            sealed[..sealed.len() - 1].to_vec(),
            Vec::new(),
        ];
        for (n, case) in cases.iter().enumerate() {
            assert!(open_run(&key, &header, case).is_err(), "case {n}");
        }
    }

    #[test]
    fn another_key_is_told_before_anything_opens() {
        let (key, header) = setup();
        let sealed = seal_run(&key, &header, b"secret").unwrap();
        let other = ContentKey::random(&mut ChaCha8Rng::seed_from_u64(2));
        assert_eq!(open_run(&other, &header, &sealed), Err(SealError::Commitment));
    }

    #[test]
    fn a_range_opens_alone() {
        let (key, header) = setup();
        let content: Vec<u8> = (0..3 * CHUNK_LEN + 5).map(|i| (i % 241) as u8).collect();
        let sealed = seal_run(&key, &header, &content).unwrap();
        let middle = open_range(&key, &header, &sealed[SEALED_CHUNK..2 * SEALED_CHUNK], 1, 4).unwrap();
        assert_eq!(middle, content[CHUNK_LEN..2 * CHUNK_LEN]);
    }

    #[test]
    fn portions_make_no_difference_and_padding_is_sealed_with_the_rest() {
        let (key, header) = setup();
        for len in [0, 1, 4096, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN + 5] {
            let content: Vec<u8> = (0..len).map(|i| (i % 239) as u8).collect();
            let mut padded = content.clone();
            padded.resize(usize::try_from(padded_len(len as u64)).unwrap(), 0);
            let whole = seal_run(&key, &header, &padded).unwrap();
            for portion in [1_000, 65_536, 1 << 20] {
                let mut out = Vec::new();
                let mut keep = |chunk: &[u8]| {
                    out.extend_from_slice(chunk);
                    Ok::<(), SealError>(())
                };
                let mut sealer = Sealer::new(&key, &header).unwrap();
                content.chunks(portion).try_for_each(|part| sealer.push(part, &mut keep)).unwrap();
                assert_eq!(sealer.finish_padded(&mut keep).unwrap(), len as u64);
                assert_eq!(out, whole, "{len} in {portion}");
                let mut back = Vec::new();
                let mut keep = |content: &[u8]| {
                    back.extend_from_slice(content);
                    Ok::<(), SealError>(())
                };
                let mut opener = Opener::new(&key, &header, 0, chunk_count(padded.len() as u64)).unwrap();
                out.chunks(portion).try_for_each(|part| opener.push(part, &mut keep)).unwrap();
                opener.finish(&mut keep).unwrap();
                assert_eq!(back, padded, "{len} in {portion}");
            }
        }
    }

    #[test]
    fn a_header_of_another_role_or_bucket_is_refused() {
        let (_, header) = setup();
        assert!(Header::parse_as(header.as_bytes(), Role::Content, &BUCKET).is_ok());
        assert_eq!(Header::parse_as(header.as_bytes(), Role::Manifest, &BUCKET), Err(SealError::Header));
        assert_eq!(Header::parse_as(header.as_bytes(), Role::Content, &BucketId([4; 16])), Err(SealError::Header));
    }

    #[test]
    fn bytes_of_a_run_are_locked() {
        let (key, header) = setup();
        let sealed = seal_run(&key, &header, b"golden").unwrap();
        let bytes: String = header.as_bytes().iter().chain(&sealed).map(|b| format!("{b:02x}")).collect();
        assert_eq!(bytes, include_str!("../tests/golden/run.txt").trim());
    }

    proptest! {
        #[test]
        fn padding_costs_at_most_twelve_percent(len in 2u64..1 << 42) {
            let padded = padded_len(len);
            prop_assert!(padded >= len && (padded - len) * 100 <= len * 12 + 100);
        }

        #[test]
        fn random_bytes_are_no_header_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Header::parse(&bytes);
        }
    }
}
