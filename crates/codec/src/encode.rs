//! Coding one segment as its bytes come: columns, all possible pieces hashed, the kept ones handed on.
//!
//! Work goes in *strips*: 16 KiB of every piece at a time, which is one group of the hash tree, so that coding and hashing
//! both find their bytes in the processor's cache (`benches/codec.rs`). The code is the same 64 bytes after
//! 64 bytes, hence strips give the bytes that whole cells would.

use crate::layout::Layout;
use crate::set::PieceSet;
use crate::tree::{self, GROUP_LEN};
use crate::{CodecError, SegmentRoots};
use reed_solomon_simd::ReedSolomonEncoder;

pub(crate) fn code_error(error: reed_solomon_simd::Error) -> CodecError {
    CodecError::Code(error.to_string())
}

/// One group of one piece, in the caller's hands until the sink returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group<'a> {
    /// Index of the piece.
    pub index: u16,
    /// Number of the group; those of one piece come in order.
    pub group: u64,
    /// Its bytes: 16 KiB, fewer at the end of a piece.
    pub bytes: &'a [u8],
}

impl Group<'_> {
    /// Where it begins in its piece.
    pub const fn offset(&self) -> u64 {
        self.group * GROUP_LEN as u64
    }
}

/// All that commits to a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// Root of every possible piece, root over them, id.
    pub roots: SegmentRoots,
    /// By piece: the hashes of its groups.
    pub groups: Vec<Vec<[u8; 32]>>,
}

/// Codes segments, one after another.
pub struct Encoder {
    layout: Layout,
    kept: PieceSet,
    coder: Option<ReedSolomonEncoder>,
    /// Data cells of the columns that make one group, piece by piece.
    block: Vec<u8>,
    /// Bytes in `block`, and sealed bytes taken in all.
    filled: usize,
    taken: u64,
    groups: Vec<Vec<[u8; 32]>>,
}

impl Encoder {
    /// For one segment of which the pieces in `kept` go to the sink; the others are hashed only.
    pub fn new(layout: &Layout, kept: PieceSet) -> Result<Self, CodecError> {
        let mut new =
            Self { layout: *layout, kept, coder: None, block: Vec::new(), filled: 0, taken: 0, groups: Vec::new() };
        new.restart(layout, kept)?;
        Ok(new)
    }

    /// Begins another segment with the same buffers; what was taken is forgotten.
    pub fn restart(&mut self, layout: &Layout, kept: PieceSet) -> Result<(), CodecError> {
        (self.layout, self.kept, self.filled, self.taken) = (*layout, kept, 0, 0);
        let (k, n) = self.shape();
        self.block.resize(k * self.stride(), 0);
        let count = usize::try_from(tree::group_count(layout.piece_len())).expect("a piece has few groups");
        self.groups.resize_with(n, Vec::new);
        self.groups.iter_mut().for_each(|groups| {
            groups.clear();
            groups.reserve_exact(count);
        });
        self.prepare(self.run_of(self.block_columns()).min(GROUP_LEN))
    }

    /// Bytes an encoder of this layout holds: one block, the code's work on one strip, all group hashes. 4.6 MiB for
    /// 64 MiB at 32 of 144.
    pub fn memory_bytes(layout: &Layout) -> u64 {
        let (k, n) = (u64::from(layout.scheme.k), u64::from(layout.scheme.n_max));
        let coded = n - k;
        let work = k
            .next_power_of_two()
            .max(k.next_multiple_of(coded.max(1).next_power_of_two()))
            .max(coded.next_multiple_of(k.next_power_of_two()));
        let strip = GROUP_LEN as u64;
        k * strip.max(u64::from(layout.cell)) + work * strip + n * 32 * tree::group_count(layout.piece_len())
    }

    /// Takes the next sealed bytes, in any portion, and hands on the groups they fill.
    ///
    /// # Errors
    /// [`CodecError::Size`] when more comes than the layout says; what the sink returns. After an error only
    /// [`Self::restart`] makes sense.
    pub fn push<E: From<CodecError>>(
        &mut self,
        mut sealed: &[u8],
        sink: &mut impl FnMut(Group<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.taken += sealed.len() as u64;
        if self.taken > self.layout.sealed_bytes {
            return Err(CodecError::Size(self.taken).into());
        }
        while !sealed.is_empty() {
            // A whole column in the caller's bytes lies as the block would: it is coded where it stands.
            if self.filled == 0 && self.block_columns() == 1 && sealed.len() >= self.block.len() {
                let (block, rest) = sealed.split_at(self.block.len());
                self.code(block, 1, sink)?;
                sealed = rest;
            } else {
                let len = self.fill(sealed);
                sealed = &sealed[len..];
                self.code_full(sink)?;
            }
        }
        Ok(())
    }

    /// Pads and codes the last column and says what commits to the segment.
    ///
    /// # Errors
    /// [`CodecError::Size`] when fewer bytes came than the layout says; what the sink returns.
    pub fn finish<E: From<CodecError>>(
        &mut self,
        sink: &mut impl FnMut(Group<'_>) -> Result<(), E>,
    ) -> Result<Commitment, E> {
        if self.taken != self.layout.sealed_bytes {
            return Err(CodecError::Size(self.taken).into());
        }
        let column = self.cell() * usize::from(self.layout.scheme.k);
        while !self.filled.is_multiple_of(column) {
            const ZEROS: &[u8] = &[0; 4096];
            self.fill(&ZEROS[..ZEROS.len().min(column - self.filled % column)]);
        }
        if self.filled > 0 {
            let block = std::mem::take(&mut self.block);
            let coded = self.code(&block, self.filled / column, sink);
            self.block = block;
            self.filled = 0;
            coded?;
        }
        let groups = std::mem::take(&mut self.groups);
        let root = |groups: &Vec<[u8; 32]>| tree::root_of_groups(groups).expect("a piece has at least one group");
        Ok(Commitment { roots: SegmentRoots::of(&self.layout, groups.iter().map(root).collect()), groups })
    }

    fn shape(&self) -> (usize, usize) {
        (usize::from(self.layout.scheme.k), usize::from(self.layout.scheme.n_max))
    }

    const fn cell(&self) -> usize {
        self.layout.cell as usize
    }

    /// Columns that make whole groups.
    const fn block_columns(&self) -> usize {
        if self.cell() < GROUP_LEN { GROUP_LEN / self.cell() } else { 1 }
    }

    /// Bytes of a piece in `columns` columns.
    const fn run_of(&self, columns: usize) -> usize {
        columns * self.cell()
    }

    /// Bytes from one piece to the next in the block.
    const fn stride(&self) -> usize {
        self.run_of(self.block_columns())
    }

    /// Puts bytes where they belong in the block, at most to the end of a cell; how many.
    fn fill(&mut self, bytes: &[u8]) -> usize {
        let (k, cell) = (usize::from(self.layout.scheme.k), self.cell());
        let (column, within) = (self.filled / (k * cell), self.filled % (k * cell));
        let (index, from) = (within / cell, within % cell);
        let len = bytes.len().min(cell - from);
        let to = index * self.stride() + column * cell + from;
        self.block[to..to + len].copy_from_slice(&bytes[..len]);
        self.filled += len;
        len
    }

    fn code_full<E: From<CodecError>>(&mut self, sink: &mut impl FnMut(Group<'_>) -> Result<(), E>) -> Result<(), E> {
        if self.filled < self.block.len() {
            return Ok(());
        }
        let block = std::mem::take(&mut self.block);
        let coded = self.code(&block, self.block_columns(), sink);
        self.block = block;
        self.filled = 0;
        coded
    }

    /// Makes the coder ready for shards of `len` bytes.
    fn prepare(&mut self, len: usize) -> Result<(), CodecError> {
        let (k, n) = self.shape();
        match &mut self.coder {
            _ if n == k => self.coder = None,
            Some(coder) => coder.reset(k, n - k, len).map_err(code_error)?,
            None => self.coder = Some(ReedSolomonEncoder::new(k, n - k, len).map_err(code_error)?),
        }
        Ok(())
    }

    /// Codes, hashes and hands on the first `columns` columns of a block.
    fn code<E: From<CodecError>>(
        &mut self,
        block: &[u8],
        columns: usize,
        sink: &mut impl FnMut(Group<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (run, stride) = (self.run_of(columns), self.stride());
        if !run.is_multiple_of(GROUP_LEN) {
            self.prepare(run)?;
        }
        let count = tree::group_count(self.layout.piece_len());
        for from in (0..run).step_by(GROUP_LEN) {
            let len = GROUP_LEN.min(run - from);
            let mut take = Take { kept: &self.kept, groups: &mut self.groups, count };
            let data = block.chunks(stride).map(|piece| &piece[from..from + len]);
            for (strip, index) in data.zip(0..) {
                if let Some(coder) = &mut self.coder {
                    coder.add_original_shard(strip).map_err(code_error)?;
                }
                take.group(index, strip, sink)?;
            }
            if let Some(coder) = &mut self.coder {
                let coded = coder.encode().map_err(code_error)?;
                for (strip, index) in coded.recovery_iter().zip(self.layout.scheme.k..) {
                    take.group(index, strip, sink)?;
                }
            }
        }
        Ok(())
    }
}

/// Where a coded group goes: into its piece's hashes, and to the sink when it is kept.
struct Take<'a> {
    kept: &'a PieceSet,
    groups: &'a mut [Vec<[u8; 32]>],
    count: u64,
}

impl Take<'_> {
    fn group<E>(
        &mut self,
        index: u16,
        bytes: &[u8],
        sink: &mut impl FnMut(Group<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let groups = &mut self.groups[usize::from(index)];
        let group = groups.len() as u64;
        groups.push(tree::group_hash(bytes, group, self.count));
        if self.kept.contains(index) { sink(Group { index, group, bytes }) } else { Ok(()) }
    }
}
