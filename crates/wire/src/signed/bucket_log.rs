//! Bucket log: the changes of a bucket as its owner stores them among the pieces, so that names outlive the center
//! (`docs/design/storage.md` §8). Plain bytes before they are sealed; with the labels of pieces they bring an index back.
//!
//! Head, 128 bytes: magic `PMBL` 4 · format 2 · reserved 3 · bucket 16 · head before u64 and hash 32 · head after u64 and hash
//! 32 · count u32 · reserved 20. Then each change: commit record 256 · the center's time u64 · sealed name's length u16 ·
//! sealed manifest's length u32 · count of segments u32 · name · manifest, empty for a marker and for what is gone for good · ids
//! of its segments, 32 each. Integers little-endian. Zeros may follow.
//!
//! (A) What reads is one unbroken chain: the records lead from the head before to the head after. (B) Any other bytes are
//! refused, whatever they are. A record's signature and what it covers are the reader's to judge, as in an answer of the center.

use super::{CommitRecord, Fields, Head};
use crate::limits::{MANIFEST_MAX, SEALED_NAME_MAX};
use model::{BucketId, SegmentId, Stamp};

const MAGIC: &[u8; 4] = b"PMBL";
const FORMAT: u8 = 2;
/// Bytes before the first change.
pub const HEAD_LEN: usize = 128;
/// Bytes of a change beside its name and manifest.
pub const LINE_LEN: usize = CommitRecord::LEN + 8 + 2 + 4 + 4;

/// A change as a log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The writer's signed record.
    pub record: [u8; CommitRecord::LEN],
    /// When the center took it.
    pub at: Stamp,
    /// Sealed name.
    pub name_sealed: Vec<u8>,
    /// Sealed manifest; empty for a marker and for what is gone for good.
    pub manifest: Vec<u8>,
    /// Its segments, in order.
    pub segments: Vec<SegmentId>,
}

/// A log as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketLog {
    /// Whose changes.
    pub bucket: BucketId,
    /// Where the bucket's chain stood before the first of them.
    pub before: Head,
    /// Where it stands after the last.
    pub after: Head,
    /// In order, each the next place of the bucket's.
    pub lines: Vec<LogLine>,
}

/// A log as it is written.
#[derive(Debug, Clone)]
pub struct LogWriter {
    bytes: Vec<u8>,
    bucket: BucketId,
    before: Head,
    after: Head,
    count: u32,
}

impl LogWriter {
    /// An empty one of the changes after `before`.
    pub fn new(bucket: BucketId, before: Head) -> Self {
        Self { bytes: vec![0; HEAD_LEN], bucket, before, after: before, count: 0 }
    }

    /// Bytes so far.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// No change stands in it yet.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Where the bucket's chain stands after the last change.
    pub const fn after(&self) -> Head {
        self.after
    }

    /// The next change. False, and nothing is added, where a part of it is longer than any center takes.
    pub fn push(&mut self, line: &LogLine) -> bool {
        if line.name_sealed.len() > SEALED_NAME_MAX || line.manifest.len() > MANIFEST_MAX || self.count == u32::MAX {
            return false;
        }
        let Ok(segments) = u32::try_from(line.segments.len()) else { return false };
        let (name, manifest) = (line.name_sealed.len() as u16, line.manifest.len() as u32);
        self.bytes.extend_from_slice(&line.record);
        self.bytes.extend_from_slice(&line.at.as_ms().to_le_bytes());
        self.bytes.extend_from_slice(&name.to_le_bytes());
        self.bytes.extend_from_slice(&manifest.to_le_bytes());
        self.bytes.extend_from_slice(&segments.to_le_bytes());
        self.bytes.extend_from_slice(&line.name_sealed);
        self.bytes.extend_from_slice(&line.manifest);
        line.segments.iter().for_each(|id| self.bytes.extend_from_slice(id.as_bytes()));
        self.after = self.after.after(&line.record);
        self.count += 1;
        true
    }

    /// The whole of it.
    pub fn finish(mut self) -> Vec<u8> {
        let head = &mut self.bytes[..HEAD_LEN];
        head[0..4].copy_from_slice(MAGIC);
        head[4] = FORMAT;
        head[8..24].copy_from_slice(self.bucket.as_bytes());
        for (at, chain) in [(24, &self.before), (64, &self.after)] {
            head[at..at + 8].copy_from_slice(&chain.seq.to_le_bytes());
            head[at + 8..at + 40].copy_from_slice(&chain.hash);
        }
        head[104..108].copy_from_slice(&self.count.to_le_bytes());
        self.bytes
    }
}

impl BucketLog {
    /// Reads what [`LogWriter::finish`] gave; nothing for other bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, mut rest) = bytes.split_at_checked(HEAD_LEN)?;
        let mut f = Fields::new(head);
        (f.take::<4>()? == *MAGIC && f.take::<1>()? == [FORMAT]).then_some(())?;
        f.zero::<3>()?;
        let bucket = BucketId(f.take()?);
        let before = Head { seq: f.u64()?, hash: f.take()? };
        let after = Head { seq: f.u64()?, hash: f.take()? };
        let count = u32::from_le_bytes(f.take()?);
        f.zero::<20>()?;
        // A count is not believed before the changes are there.
        let mut lines = Vec::with_capacity((count as usize).min(rest.len() / LINE_LEN));
        let mut chain = before;
        for _ in 0..count {
            let (fixed, tail) = rest.split_at_checked(LINE_LEN)?;
            let mut f = Fields::new(fixed);
            let (record, at) = (f.take::<{ CommitRecord::LEN }>()?, Stamp(f.u64()?));
            let name_len = usize::from(u16::from_le_bytes(f.take()?));
            let manifest_len = usize::try_from(u32::from_le_bytes(f.take()?)).ok()?;
            let ids_len = usize::try_from(u32::from_le_bytes(f.take()?)).ok()?.checked_mul(SegmentId::LEN)?;
            if name_len > SEALED_NAME_MAX || manifest_len > MANIFEST_MAX || chain.seq == u64::MAX {
                return None;
            }
            let (name, tail) = tail.split_at_checked(name_len)?;
            let (manifest, tail) = tail.split_at_checked(manifest_len)?;
            let (ids, tail) = tail.split_at_checked(ids_len)?;
            let segments = ids.chunks_exact(SegmentId::LEN).filter_map(SegmentId::from_slice).collect();
            chain = chain.after(&record);
            lines.push(LogLine { record, at, name_sealed: name.to_vec(), manifest: manifest.to_vec(), segments });
            rest = tail;
        }
        (rest.iter().all(|byte| *byte == 0) && chain == after).then_some(Self { bucket, before, after, lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::CommitOp;
    use model::DeviceId;

    fn line(n: u8) -> LogLine {
        let secret = [n; 32];
        let record = CommitRecord {
            op: CommitOp::Put,
            bucket: BucketId([1; 16]),
            device: DeviceId(crate::signed::public_of(&secret)),
            device_seq: u64::from(n),
            seen: Head::default(),
            name_hash: [n; 32],
            version: [n; 16],
            manifest_hash: [n; 32],
            at: Stamp(1_800_000_000_000),
        };
        let (name_sealed, manifest) = (vec![n; 34], if n == 2 { Vec::new() } else { vec![n; 300] });
        let segments = vec![SegmentId([n; 32]); usize::from(n) - 1];
        LogLine { record: record.sign(&secret), at: Stamp(1_800_000_000_001), name_sealed, manifest, segments }
    }

    fn sample() -> Vec<u8> {
        let mut log = LogWriter::new(BucketId([1; 16]), Head { seq: 7, hash: [9; 32] });
        (1..=3).for_each(|n| assert!(log.push(&line(n))));
        log.finish()
    }

    #[test]
    fn a_log_reads_back_and_every_bit_of_head_and_records_counts() {
        let bytes = sample();
        let log = BucketLog::parse(&bytes).unwrap();
        assert_eq!((log.before.seq, log.after.seq, log.lines.len()), (7, 10, 3));
        assert_eq!(log.lines, [line(1), line(2), line(3)]);
        for cut in 0..bytes.len() {
            assert!(BucketLog::parse(&bytes[..cut]).is_none(), "(B) cut at {cut}");
        }
        for bit in (0..HEAD_LEN * 8).filter(|bit| !(64..192).contains(bit)) {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(BucketLog::parse(&bad).is_none(), "(A) bit {bit}");
        }
        for byte in 0..CommitRecord::LEN {
            let mut bad = bytes.clone();
            bad[HEAD_LEN + byte] ^= 1;
            assert!(BucketLog::parse(&bad).is_none(), "(A) a record's byte {byte}");
        }
        let long = LogLine { manifest: vec![0; MANIFEST_MAX + 1], ..line(1) };
        assert!(!LogWriter::new(BucketId([1; 16]), Head::default()).push(&long));
    }

    #[test]
    fn bytes_of_a_log_are_locked() {
        let hex: String = sample().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, include_str!("../../tests/golden/bucket_log.txt").trim());
    }

    proptest::proptest! {
        #[test]
        fn random_bytes_are_no_log_and_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..700)) {
            let _ = BucketLog::parse(&bytes);
            let mut whole = sample();
            let at = bytes.len() % whole.len();
            let len = bytes.len().min(whole.len() - at);
            whole[at..at + len].copy_from_slice(&bytes[..len]);
            let _ = BucketLog::parse(&whole);
        }
    }
}
