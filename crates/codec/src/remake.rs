//! Missing pieces made anew from any `k`, column by column: expansion and repair.
//!
//! A steward must hand each receiver a piece with its way to the segment's id, and that way needs the roots of all pieces.
//! So the whole segment is coded again: the id that comes out either is the segment's, which proves every piece made, or
//! its writer coded it wrongly (`docs/design/storage.md` §4).

use crate::decode::Decoder;
use crate::encode::{Commitment, Encoder, Group};
use crate::set::PieceSet;
use crate::{CodecError, Layout};
use model::SegmentId;

/// Makes pieces of one segment anew.
pub struct Remaker {
    decoder: Decoder,
    encoder: Encoder,
    column: Vec<u8>,
    next: u64,
}

impl Remaker {
    /// For the pieces in `wanted`.
    pub fn new(layout: &Layout, wanted: PieceSet) -> Result<Self, CodecError> {
        let column = usize::try_from(layout.column_bytes()).expect("a column fits memory");
        Ok(Self {
            decoder: Decoder::new(layout)?,
            encoder: Encoder::new(layout, wanted)?,
            column: vec![0; column],
            next: 0,
        })
    }

    /// Column that is awaited.
    pub const fn next_column(&self) -> u64 {
        self.next
    }

    /// Takes `k` judged cells of the next column and hands on the groups of the wanted pieces that are full. They are proved
    /// only when [`Self::finish`] agrees.
    ///
    /// # Errors
    /// As [`Decoder::column`]; what the sink returns.
    pub fn push_column<E: From<CodecError>>(
        &mut self,
        cells: &[(u16, &[u8])],
        sink: &mut impl FnMut(Group<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let sealed = self.decoder.column(self.next, cells, &mut self.column)?;
        self.next += 1;
        self.encoder.push(&self.column[..sealed], sink)
    }

    /// Hands on the last groups and compares with the segment's id; roots and paths of all pieces.
    ///
    /// # Errors
    /// [`CodecError::Contradiction`] when proved pieces give another id: the writer coded the segment wrongly;
    /// [`CodecError::Size`] when columns are missing.
    pub fn finish<E: From<CodecError>>(
        mut self,
        id: &SegmentId,
        sink: &mut impl FnMut(Group<'_>) -> Result<(), E>,
    ) -> Result<Commitment, E> {
        let made = self.encoder.finish(sink)?;
        if made.roots.id == *id { Ok(made) } else { Err(CodecError::Contradiction(*id).into()) }
    }
}
