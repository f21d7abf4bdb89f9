//! Records of map and reduce: lines, a key before the first TAB, the value after it (`docs/design/compute.md` §2.2, §9).
//!
//! A split of an object is cut anywhere; it stands for the lines that *begin* in it. What a mapper wrote is parted by key and
//! sorted; blocks of many mappers are merged again into what a reducer reads.
//!
//! (A) Every line of an object belongs to exactly one of its splits, whole. (B) Parting and merging lose, change and invent no
//! record; all records of a key meet in one part. (C) Order is bytewise by key, ties by (block, position).

use model::compute::Partitioning;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Bytes of one record at most, its end included.
pub const RECORD_MAX: usize = 1 << 20;
/// Parts of one mapper's output at most.
pub const PARTS_MAX: u32 = 4_096;

/// Why bytes are no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A line is longer than [`RECORD_MAX`].
    #[error("the record at byte {at} is longer than {} bytes", RECORD_MAX)]
    TooLong {
        /// Where it begins.
        at: u64,
    },
    /// More parts than [`PARTS_MAX`], or none.
    #[error("{parts} parts are not between 1 and {}", PARTS_MAX)]
    Parts {
        /// So many were asked for.
        parts: u32,
    },
}

/// Where the bytes have to begin of which [`lines_of`] finds the lines of a split: one before it.
pub const fn reads_from(split_from: u64) -> u64 {
    split_from.saturating_sub(1)
}

/// The lines that begin in the split `from..to`, as a range of `bytes`, which begin at [`reads_from`]`(from)` of an object;
/// none where `bytes` end before the last of them does and `is_end` does not say that the object ends there.
///
/// # Errors
/// [`RecordError::TooLong`].
pub fn lines_of(
    bytes: &[u8],
    (from, to): (u64, u64),
    is_end: bool,
) -> Result<Option<std::ops::Range<usize>>, RecordError> {
    let base = reads_from(from);
    let after = |at: usize| bytes.get(at..).and_then(line_end).map(|line| at + line + 1);
    // A line begins at 0, or after the end of another one.
    let Some(begin) = (if from == 0 { Some(0) } else { after(0) }) else {
        return if is_end { Ok(Some(bytes.len()..bytes.len())) } else { too_long(bytes.len(), base) };
    };
    if base + begin as u64 >= to {
        return Ok(Some(begin..begin));
    }
    // The last line that begins before `to` holds the byte before `to`, or ends with it.
    let last = usize::try_from(to - 1 - base).unwrap_or(usize::MAX);
    match after(last.min(bytes.len())) {
        Some(end) => Ok(Some(begin..end)),
        None if is_end => Ok(Some(begin..bytes.len())),
        None => too_long(bytes.len().saturating_sub(last), base + last as u64),
    }
}

fn too_long(read: usize, at: u64) -> Result<Option<std::ops::Range<usize>>, RecordError> {
    if read > RECORD_MAX { Err(RecordError::TooLong { at }) } else { Ok(None) }
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes)
}

/// The first line of some bytes, its end included, and what follows it; none where there is nothing.
fn first_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = line_end(bytes).map_or(bytes.len(), |end| end + 1);
    (len > 0).then(|| bytes.split_at(len))
}

/// The key of a line.
pub fn key_of(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    memchr::memchr(b'\t', line).map_or(line, |tab| &line[..tab])
}

/// The part of a key.
pub fn part_of(how: &Partitioning, key: &[u8]) -> u32 {
    match how {
        Partitioning::Hash(1) => 0,
        Partitioning::Hash(parts) => {
            let hash = blake3::hash(key);
            let (head, _) = hash.as_bytes().split_first_chunk::<4>().expect("a hash has 32 bytes");
            u32::from_le_bytes(*head) % (*parts).max(1)
        }
        Partitioning::Range(cuts) => {
            u32::try_from(cuts.partition_point(|cut| cut.as_slice() <= key)).unwrap_or(u32::MAX)
        }
    }
}

/// A line while it is sorted: the beginning of its key as a number, then where it lies.
#[derive(Clone, Copy)]
struct Lain {
    head: u64,
    at: u32,
    key: u32,
    len: u32,
}

/// Parts what a mapper wrote and sorts each part. The last line may lack its end; it gets one.
///
/// # Errors
/// [`RecordError`].
pub fn part(output: &[u8], how: &Partitioning) -> Result<Vec<Vec<u8>>, RecordError> {
    let parts = how.parts();
    if parts == 0 || parts > PARTS_MAX {
        return Err(RecordError::Parts { parts });
    }
    let mut lain: Vec<Vec<Lain>> = vec![Vec::new(); parts as usize];
    let (mut at, mut rest) = (0usize, output);
    while let Some((line, more)) = first_line(rest) {
        rest = more;
        if line.len() > RECORD_MAX {
            return Err(RecordError::TooLong { at: at as u64 });
        }
        let key = key_of(line);
        let place = Lain { head: head(key), at: at as u32, key: key.len() as u32, len: line.len() as u32 };
        lain[part_of(how, key) as usize].push(place);
        at += line.len();
    }
    Ok(lain.into_iter().map(|lines| sorted(output, lines)).collect())
}

/// Bytes of one mapper's output at most: places are 32 bits wide.
pub const OUTPUT_MAX: u64 = u32::MAX as u64;

fn head(key: &[u8]) -> u64 {
    let mut head = [0; 8];
    let len = key.len().min(8);
    head[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(head)
}

fn sorted(output: &[u8], mut lines: Vec<Lain>) -> Vec<u8> {
    let key = |line: &Lain| &output[line.at as usize..(line.at + line.key) as usize];
    lines.sort_unstable_by(|a, b| {
        a.head.cmp(&b.head).then_with(|| key(a).cmp(key(b))).then_with(|| a.at.cmp(&b.at)) // (C)
    });
    let mut out = Vec::with_capacity(lines.iter().map(|line| line.len as usize).sum::<usize>() + 1);
    for line in &lines {
        let bytes = &output[line.at as usize..(line.at + line.len) as usize];
        out.extend_from_slice(bytes);
        if !bytes.ends_with(b"\n") {
            out.push(b'\n');
        }
    }
    out
}

/// The next line of a block that is being merged.
struct Next<'a> {
    key: &'a [u8],
    line: &'a [u8],
    rest: &'a [u8],
    block: usize,
}

impl<'a> Next<'a> {
    fn of(rest: &'a [u8], block: usize) -> Option<Self> {
        let (line, rest) = first_line(rest)?;
        Some(Self { key: key_of(line), line, rest, block })
    }
}

impl PartialEq for Next<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Next<'_> {}
impl PartialOrd for Next<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Next<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(other.key).then(self.block.cmp(&other.block)) // (C)
    }
}

/// Merges sorted blocks, in the order of their mappers, into one.
pub fn merge<B: AsRef<[u8]>>(blocks: &[B]) -> Vec<u8> {
    let mut out = Vec::with_capacity(blocks.iter().map(|block| block.as_ref().len()).sum());
    let mut heap: BinaryHeap<Reverse<Next<'_>>> =
        blocks.iter().enumerate().filter_map(|(n, block)| Next::of(block.as_ref(), n)).map(Reverse).collect();
    while let Some(mut top) = heap.peek_mut() {
        let next = &top.0;
        out.extend_from_slice(next.line);
        if !next.line.ends_with(b"\n") {
            out.push(b'\n');
        }
        match Next::of(next.rest, next.block) {
            Some(after) => top.0 = after,
            None => drop(std::collections::binary_heap::PeekMut::pop(top)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(
            prop_oneof![3 => Just(b'a'), 2 => Just(b'b'), 1 => Just(b'\t'), 2 => Just(b'\n')],
            0..200,
        )
    }

    fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
        bytes.split_inclusive(|b| *b == b'\n').map(|l| l.strip_suffix(b"\n").unwrap_or(l).to_vec()).collect()
    }

    /// Reads as a node does: a little, and more where that is not enough.
    fn split_lines(object: &[u8], from: usize, to: usize) -> Vec<u8> {
        let base = usize::try_from(reads_from(from as u64)).unwrap();
        for end in to..=object.len() {
            let is_end = end == object.len();
            if let Some(range) = lines_of(&object[base..end], (from as u64, to as u64), is_end).unwrap() {
                return object[base..end][range].to_vec();
            }
        }
        unreachable!("the whole object is enough")
    }

    proptest! {
        #[test]
        fn every_line_belongs_to_one_split(object in text(), step in 1usize..40) {
            let mut all = Vec::new();
            let mut from = 0;
            while from < object.len() {
                let to = (from + step).min(object.len());
                all.extend(split_lines(&object, from, to));
                from = to;
            }
            prop_assert_eq!(all, object, "(A)");
        }

        #[test]
        fn what_is_parted_and_merged_is_all_there_in_order(
            outputs in proptest::collection::vec(text(), 1..5),
            cuts in proptest::option::of(proptest::collection::vec(proptest::collection::vec(97u8..99, 0..3), 0..3)),
            hashed in 1u32..5,
        ) {
            let parting = cuts.map_or(Partitioning::Hash(hashed), |mut cuts| { cuts.sort(); Partitioning::Range(cuts) });
            let parted: Vec<Vec<Vec<u8>>> = outputs.iter().map(|out| part(out, &parting).unwrap()).collect();
            let mut merged = Vec::new();
            for n in 0..parting.parts() as usize {
                let blocks: Vec<&Vec<u8>> = parted.iter().map(|parts| &parts[n]).collect();
                let one = merge(&blocks);
                let keys: Vec<Vec<u8>> = lines(&one).iter().map(|line| key_of(line).to_vec()).collect();
                prop_assert!(keys.is_sorted(), "(C)");
                prop_assert!(keys.iter().all(|key| part_of(&parting, key) as usize == n), "(B)");
                merged.extend(lines(&one));
            }
            let mut expected: Vec<Vec<u8>> = outputs.iter().flat_map(|out| lines(out)).collect();
            merged.sort();
            expected.sort();
            prop_assert_eq!(merged, expected, "(B)");
        }
    }

    #[test]
    fn ties_keep_the_order_of_blocks_and_positions() {
        let parted = part(b"k\t2\na\t1\nk\t1\nk", &Partitioning::Hash(1)).unwrap();
        assert_eq!(parted, [b"a\t1\nk\t2\nk\t1\nk\n".to_vec()], "(C)");
        assert_eq!(merge(&[&b"k\t9\n"[..], b"a\t1\nk\t1\n"]), b"a\t1\nk\t9\nk\t1\n", "(C)");
    }

    #[test]
    fn records_that_are_too_long_and_odd_numbers_of_parts_are_refused() {
        let long = vec![b'x'; RECORD_MAX + 2];
        assert_eq!(part(&long, &Partitioning::Hash(1)), Err(RecordError::TooLong { at: 0 }));
        assert!(matches!(lines_of(&long, (1, 2), false), Err(RecordError::TooLong { .. })));
        assert_eq!(lines_of(&long[..9], (1, 2), false), Ok(None), "more is to be read");
        for parts in [0, PARTS_MAX + 1] {
            assert_eq!(part(b"", &Partitioning::Hash(parts)), Err(RecordError::Parts { parts }));
        }
    }
}
