//! Whole segments in memory: what the streams of [`crate::Encoder`], [`crate::Decoder`] and [`crate::Remaker`] do, in one call.

use crate::encode::{Encoder, Group};
use crate::set::PieceSet;
use crate::{CodecError, Decoder, Layout, SegmentRoots};

/// All possible pieces of a segment and what commits to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// How it lies.
    pub layout: Layout,
    /// Pieces by index, `n_max` of them.
    pub pieces: Vec<Vec<u8>>,
    /// Root of every piece, root over them, id.
    pub roots: SegmentRoots,
}

/// Codes a whole segment.
pub fn encode(layout: &Layout, sealed: &[u8]) -> Result<Encoded, CodecError> {
    let n = layout.scheme.n_max;
    let len = usize::try_from(layout.piece_len()).map_err(|_| CodecError::Size(layout.sealed_bytes))?;
    let mut pieces = vec![Vec::with_capacity(len); usize::from(n)];
    let mut sink = |group: Group<'_>| {
        pieces[usize::from(group.index)].extend_from_slice(group.bytes);
        Ok::<_, CodecError>(())
    };
    let mut encoder = Encoder::new(layout, PieceSet::below(n))?;
    encoder.push(sealed, &mut sink)?;
    let roots = encoder.finish(&mut sink)?.roots;
    Ok(Encoded { layout: *layout, pieces, roots })
}

/// The sealed bytes from any `k` distinct pieces. Pieces must have been judged before: a wrong one gives wrong bytes here,
/// and the seal over them refuses those.
pub fn rebuild(layout: &Layout, pieces: &[(u16, &[u8])]) -> Result<Vec<u8>, CodecError> {
    if let Some((index, _)) = pieces.iter().find(|(_, bytes)| bytes.len() as u64 != layout.piece_len()) {
        return Err(CodecError::Piece { index: *index });
    }
    let usize_of = |n: u64| usize::try_from(n).map_err(|_| CodecError::Size(layout.sealed_bytes));
    let column_bytes = usize_of(layout.column_bytes())?;
    let mut sealed = vec![0; usize_of(layout.columns())? * column_bytes];
    let mut decoder = Decoder::new(layout)?;
    let mut cells = Vec::with_capacity(pieces.len());
    for (out, column) in sealed.chunks_mut(column_bytes).zip(0..) {
        let range = layout.cell_in_piece(column);
        let range = usize_of(range.start)?..usize_of(range.end)?;
        cells.clear();
        cells.extend(pieces.iter().map(|(index, bytes)| (*index, &bytes[range.clone()])));
        decoder.column(column, &cells, out)?;
    }
    sealed.truncate(usize_of(layout.sealed_bytes)?);
    Ok(sealed)
}

/// Pieces of the given indexes, made anew from any `k` distinct ones. The receiver judges them.
pub fn remake(layout: &Layout, pieces: &[(u16, &[u8])], wanted: &[u16]) -> Result<Vec<Vec<u8>>, CodecError> {
    let mut decoder = Decoder::new(layout)?;
    let len = usize::try_from(layout.piece_len()).map_err(|_| CodecError::Size(layout.sealed_bytes))?;
    let one = |index: &u16| {
        let mut piece = vec![0; len];
        decoder.cell(*index, pieces, &mut piece).map(|()| piece)
    };
    wanted.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Scheme;

    fn bytes(len: usize, seed: u64) -> Vec<u8> {
        let mut out = vec![0; len];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
        out
    }

    #[test]
    fn data_pieces_are_plain_parts_of_the_sealed_bytes() {
        let layout = Layout::new(Scheme::circle(8, 8).unwrap(), 20_000).unwrap();
        let sealed = bytes(20_000, 1);
        let encoded = encode(&layout, &sealed).unwrap();
        assert_eq!(encoded.pieces[0][..4_096], sealed[..4_096]);
        assert_eq!(encoded.pieces[1][..4_096], sealed[4_096..8_192]);
        assert_eq!(encoded.pieces.len(), 16);
    }

    #[test]
    fn one_of_one_is_a_copy() {
        let layout = Layout::new(Scheme { n_max: 1, ..Scheme::circle(1, 1).unwrap() }, 10).unwrap();
        let encoded = encode(&layout, &bytes(10, 2)).unwrap();
        assert_eq!(rebuild(&layout, &[(0, &encoded.pieces[0])]).unwrap(), bytes(10, 2));
    }

    #[test]
    fn too_few_doubled_short_and_foreign_pieces_are_refused() {
        let layout = Layout::new(Scheme::circle(8, 8).unwrap(), 50_000).unwrap();
        let pieces = encode(&layout, &bytes(50_000, 3)).unwrap().pieces;
        let p = |i: u16| (i, &pieces[usize::from(i)][..]);
        assert_eq!(rebuild(&layout, &[p(0), p(0), p(9)]), Err(CodecError::TooFew { have: 2, need: 3 }));
        assert_eq!(rebuild(&layout, &[p(0), p(1), (2, &pieces[2][..100])]), Err(CodecError::Piece { index: 2 }));
        assert_eq!(rebuild(&layout, &[p(0), p(1), (16, &pieces[2])]), Err(CodecError::Piece { index: 16 }));
    }

    #[test]
    fn remade_pieces_are_the_same_pieces() {
        let layout = Layout::new(Scheme::circle(5, 5).unwrap(), 70_000).unwrap();
        let pieces = encode(&layout, &bytes(70_000, 4)).unwrap().pieces;
        let made = remake(&layout, &[(3, &pieces[3]), (4, &pieces[4])], &[0, 1, 15]).unwrap();
        assert_eq!(made, [pieces[0].clone(), pieces[1].clone(), pieces[15].clone()]);
    }
}
