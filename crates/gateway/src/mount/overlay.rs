//! Which bytes of a file that is being changed come from where: from its own blocks, from the content it had, or from nowhere.
//!
//! Pure. (A) What is read is what was written last, else what the content had, else zeros. (B) What lay behind an end that was once
//! set is never seen again. (C) A block that is written only in part is asked for first.

use super::limits::BLOCK_BYTES;
use std::collections::BTreeMap;
use std::ops::Range;

const BLOCK: u64 = BLOCK_BYTES as u64;

/// Where each block of a file comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Overlay {
    len: u64,
    base: u64,
    /// Blocks of its own, each with how many of its bytes count; behind them it is zero.
    own: BTreeMap<u64, usize>,
}

/// A part of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Touch {
    /// Which block.
    pub block: u64,
    /// Which of its bytes.
    pub bytes: Range<usize>,
    /// Where they are, or the rest of the block is.
    pub from: Source,
}

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The block itself, of which so many bytes count.
    Own(usize),
    /// This range of the content it had; behind it there are zeros.
    Base(Range<u64>),
    /// Nowhere.
    Zero,
}

impl Overlay {
    /// Of a file that has `base` bytes and no block of its own.
    pub const fn over(base: u64) -> Self {
        Self { len: base, base, own: BTreeMap::new() }
    }

    /// Its length.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Bytes of the content it had that still show.
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// Its own blocks.
    pub fn blocks(&self) -> impl Iterator<Item = u64> + '_ {
        self.own.keys().copied()
    }

    /// How many bytes count of a block of its own.
    pub fn valid(&self, block: u64) -> Option<usize> {
        self.own.get(&block).copied()
    }

    /// What is to be read for a range; it ends where the file does.
    pub fn reads(&self, range: Range<u64>) -> Vec<Touch> {
        let range = range.start..range.end.min(self.len);
        pieces(range).map(|(block, bytes)| Touch { from: self.from(block, &bytes), block, bytes }).collect()
    }

    fn from(&self, block: u64, bytes: &Range<usize>) -> Source {
        if let Some(valid) = self.own.get(&block) {
            return Source::Own(*valid);
        }
        let at = |index: usize| block * BLOCK + index as u64;
        let (start, end) = (at(bytes.start), at(bytes.end).min(self.base));
        if start < end { Source::Base(start..end) } else { Source::Zero }
    }

    /// What is touched by a write of so many bytes; with [`Source::Base`] what stands in the rest of the block (C).
    pub fn writes(&self, offset: u64, len: usize) -> Vec<Touch> {
        let whole = |block: u64| block * BLOCK..((block + 1) * BLOCK).min(self.base);
        let touch = |(block, bytes): (u64, Range<usize>)| {
            let from = match self.own.get(&block) {
                Some(valid) => Source::Own(*valid),
                None if whole(block).is_empty() || covers(&bytes, &whole(block), block) => Source::Zero,
                None => Source::Base(whole(block)),
            };
            Touch { block, bytes, from }
        };
        pieces(offset..offset + len as u64).map(touch).collect()
    }

    /// A block is its own now.
    pub fn wrote(&mut self, block: u64, valid: usize) {
        self.own.insert(block, valid);
        self.len = self.len.max(block * BLOCK + valid as u64);
    }

    /// The file ends here now; of its own blocks those that are gone.
    pub fn cut(&mut self, len: u64) -> Vec<u64> {
        let first_gone = len.div_ceil(BLOCK);
        let gone: Vec<u64> = self.own.split_off(&first_gone).into_keys().collect();
        let (last, rest) = (len / BLOCK, (len % BLOCK) as usize);
        if let Some(valid) = self.own.get_mut(&last) {
            *valid = (*valid).min(rest); // (B)
        }
        self.base = self.base.min(len);
        self.len = len;
        gone
    }
}

/// Whether a write covers all of a block's old content.
fn covers(bytes: &Range<usize>, base: &Range<u64>, block: u64) -> bool {
    let end = (base.end - block * BLOCK) as usize;
    bytes.start == 0 && bytes.end >= end
}

/// A range, block by block.
fn pieces(range: Range<u64>) -> impl Iterator<Item = (u64, Range<usize>)> {
    let blocks = if range.is_empty() { 0..0 } else { range.start / BLOCK..range.end.div_ceil(BLOCK) };
    blocks.map(move |block| {
        let start = range.start.saturating_sub(block * BLOCK) as usize;
        let end = (range.end - block * BLOCK).min(BLOCK) as usize;
        (block, start..end)
    })
}

/// A block with bytes put into it.
pub(super) fn patched(mut block: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    if block.len() < at + bytes.len() {
        block.resize(at + bytes.len(), 0);
    }
    block[at..at + bytes.len()].copy_from_slice(bytes);
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file over `base`, with its blocks in memory.
    struct Sample {
        overlay: Overlay,
        base: Vec<u8>,
        own: BTreeMap<u64, Vec<u8>>,
        asked: u64,
    }

    impl Sample {
        fn content(&mut self, touch: &Touch) -> Vec<u8> {
            match &touch.from {
                Source::Own(valid) => self.own[&touch.block][..*valid].to_vec(),
                Source::Base(range) => {
                    self.asked += range.end - range.start;
                    self.base[range.start as usize..range.end as usize].to_vec()
                }
                Source::Zero => Vec::new(),
            }
        }

        fn write(&mut self, offset: u64, bytes: &[u8]) {
            let mut rest = bytes;
            for touch in self.overlay.writes(offset, bytes.len()) {
                let (now, later) = rest.split_at(touch.bytes.len());
                let block = patched(self.content(&touch), touch.bytes.start, now);
                self.overlay.wrote(touch.block, block.len());
                self.own.insert(touch.block, block);
                rest = later;
            }
        }

        fn read(&mut self, range: Range<u64>) -> Vec<u8> {
            let mut out = Vec::new();
            for touch in self.overlay.reads(range) {
                let mut part = match &touch.from {
                    Source::Base(_) | Source::Zero => self.content(&touch),
                    Source::Own(_) => {
                        let block = self.content(&touch);
                        block.get(touch.bytes.start..).map(<[u8]>::to_vec).unwrap_or_default()
                    }
                };
                part.resize(touch.bytes.len(), 0);
                out.extend_from_slice(&part);
            }
            out
        }
    }

    #[derive(Debug, Clone)]
    enum Op {
        Write(u64, usize),
        Cut(u64),
        Read(u64, u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        let at = 0..4 * BLOCK + 9;
        prop_oneof![
            3 => (at.clone(), 1usize..100_000).prop_map(|(at, len)| Op::Write(at, len)),
            1 => at.clone().prop_map(Op::Cut),
            1 => (at, 0..3 * BLOCK).prop_map(|(at, len)| Op::Read(at, at + len)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_file_reads_as_it_was_written(base in 0usize..200_000, ops in proptest::collection::vec(op(), 1..30)) {
            let content: Vec<u8> = (0..base).map(|at| (at % 251) as u8 + 1).collect();
            let mut model = content.clone();
            let overlay = Overlay::over(base as u64);
            let mut file = Sample { overlay, base: content, own: BTreeMap::new(), asked: 0 };
            for (number, op) in ops.into_iter().enumerate() {
                match op {
                    Op::Write(at, len) => {
                        let bytes: Vec<u8> = (0..len).map(|i| (i + number) as u8).collect();
                        model = patched(std::mem::take(&mut model), at as usize, &bytes);
                        file.write(at, &bytes);
                    }
                    Op::Cut(len) => {
                        model.resize(len as usize, 0);
                        for block in file.overlay.cut(len) {
                            file.own.remove(&block);
                        }
                    }
                    Op::Read(from, to) => {
                        let (from, to) = (from.min(model.len() as u64), to.min(model.len() as u64));
                        prop_assert_eq!(file.read(from..to), &model[from as usize..to as usize]);
                    }
                }
                prop_assert_eq!(file.overlay.len(), model.len() as u64);
            }
            prop_assert!(file.read(0..u64::MAX) == model);
        }
    }

    #[test]
    fn a_block_that_is_written_whole_is_not_asked_for() {
        let overlay = Overlay::over(3 * BLOCK);
        let from: Vec<bool> =
            overlay.writes(10, 2 * BLOCK_BYTES).iter().map(|touch| matches!(touch.from, Source::Base(_))).collect();
        assert_eq!(from, [true, false, true]);
        assert!(matches!(Overlay::over(5).writes(0, 5)[0].from, Source::Zero), "all that was there is replaced");
    }
}
