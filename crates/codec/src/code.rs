//! Reed–Solomon over GF(2^16), column by column: encode, rebuild, remake missing pieces.

use crate::tree::SegmentRoots;
use crate::{CodecError, Layout};
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

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

fn code_error(error: reed_solomon_simd::Error) -> CodecError {
    CodecError::Code(error.to_string())
}

/// Codes a whole segment.
pub fn encode(layout: &Layout, sealed: &[u8]) -> Result<Encoded, CodecError> {
    if sealed.len() as u64 != layout.sealed_bytes {
        return Err(CodecError::Size(sealed.len() as u64));
    }
    let (k, n, cell) = shape(layout);
    let piece_len = usize::try_from(layout.piece_len()).map_err(|_| CodecError::Size(layout.sealed_bytes))?;
    let mut pieces = vec![Vec::with_capacity(piece_len); n];
    let mut encoder = (n > k).then(|| ReedSolomonEncoder::new(k, n - k, cell)).transpose().map_err(code_error)?;
    let mut padded = vec![0; cell];
    for column in sealed.chunks(k * cell) {
        for (i, piece) in pieces.iter_mut().take(k).enumerate() {
            let part = column.get(i * cell..).unwrap_or_default();
            let part = &part[..part.len().min(cell)];
            padded[..part.len()].copy_from_slice(part);
            padded[part.len()..].fill(0);
            if let Some(encoder) = &mut encoder {
                encoder.add_original_shard(&padded).map_err(code_error)?;
            }
            piece.extend_from_slice(&padded);
        }
        if let Some(encoder) = &mut encoder {
            let coded = encoder.encode().map_err(code_error)?;
            coded.recovery_iter().zip(&mut pieces[k..]).for_each(|(cell, piece)| piece.extend_from_slice(cell));
        }
    }
    let roots = SegmentRoots::of(layout, pieces.iter().map(|piece| crate::tree::piece_root(piece)).collect());
    Ok(Encoded { layout: *layout, pieces, roots })
}

fn shape(layout: &Layout) -> (usize, usize, usize) {
    (usize::from(layout.scheme.k), usize::from(layout.scheme.n_max), layout.cell as usize)
}

/// The sealed bytes from any `k` distinct pieces. Pieces must have been judged before: a wrong one gives wrong bytes here,
/// and the seal over them refuses those.
pub fn rebuild(layout: &Layout, pieces: &[(u16, &[u8])]) -> Result<Vec<u8>, CodecError> {
    let data = data_pieces(layout, pieces)?;
    let (k, _, cell) = shape(layout);
    let total = usize::try_from(layout.sealed_bytes).map_err(|_| CodecError::Size(layout.sealed_bytes))?;
    let mut sealed = Vec::with_capacity(total + k * cell);
    let columns = usize::try_from(layout.columns()).map_err(|_| CodecError::Size(layout.sealed_bytes))?;
    for column in 0..columns {
        data.iter().for_each(|piece| sealed.extend_from_slice(&piece[column * cell..(column + 1) * cell]));
    }
    sealed.truncate(total);
    Ok(sealed)
}

/// Pieces of the given indexes, made anew from any `k` distinct ones. For repair and expansion: the receiver judges them.
pub fn remake(layout: &Layout, pieces: &[(u16, &[u8])], wanted: &[u16]) -> Result<Vec<Vec<u8>>, CodecError> {
    if let Some(index) = wanted.iter().find(|index| **index >= layout.scheme.n_max) {
        return Err(CodecError::Piece { index: *index });
    }
    let sealed = rebuild(layout, pieces)?;
    let mut all = encode(layout, &sealed)?.pieces;
    Ok(wanted.iter().map(|index| std::mem::take(&mut all[usize::from(*index)])).collect())
}

/// The `k` data pieces, decoded where they are missing.
fn data_pieces(layout: &Layout, pieces: &[(u16, &[u8])]) -> Result<Vec<Vec<u8>>, CodecError> {
    let (k, n, cell) = shape(layout);
    let mut given: Vec<Option<&[u8]>> = vec![None; n];
    for (index, bytes) in pieces {
        let slot = given.get_mut(usize::from(*index)).filter(|_| bytes.len() as u64 == layout.piece_len());
        *slot.ok_or(CodecError::Piece { index: *index })? = Some(bytes);
    }
    let have = given.iter().flatten().count();
    if have < k {
        return Err(CodecError::TooFew { have, need: k });
    }
    let mut data: Vec<Vec<u8>> = given[..k].iter().map(|piece| piece.map_or_else(Vec::new, <[u8]>::to_vec)).collect();
    let missing: Vec<usize> = (0..k).filter(|i| given[*i].is_none()).collect();
    if missing.is_empty() {
        return Ok(data);
    }
    let coded: Vec<(usize, &[u8])> =
        (k..n).filter_map(|i| given[i].map(|piece| (i - k, piece))).take(missing.len()).collect();
    let mut decoder = ReedSolomonDecoder::new(k, n - k, cell).map_err(code_error)?;
    let columns = usize::try_from(layout.columns()).map_err(|_| CodecError::Size(layout.sealed_bytes))?;
    for column in 0..columns {
        let range = column * cell..(column + 1) * cell;
        for (i, piece) in given[..k].iter().enumerate() {
            if let Some(piece) = piece {
                decoder.add_original_shard(i, &piece[range.clone()]).map_err(code_error)?;
            }
        }
        for (i, piece) in &coded {
            decoder.add_recovery_shard(*i, &piece[range.clone()]).map_err(code_error)?;
        }
        let decoded = decoder.decode().map_err(code_error)?;
        decoded.restored_original_iter().for_each(|(i, cell)| data[i].extend_from_slice(cell));
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Scheme;
    use proptest::prelude::*;

    fn bytes(len: usize, seed: u64) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        let mut out = vec![0; len];
        hasher.finalize_xof().fill(&mut out);
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_k_pieces_rebuild(n in 3u16..=11, len in 1usize..300_000, seed in any::<u64>(), order in any::<u64>()) {
            let layout = Layout::new(Scheme::circle(n, n).unwrap(), len as u64).unwrap();
            let sealed = bytes(len, seed);
            let pieces = encode(&layout, &sealed).unwrap().pieces;
            let mut indexes: Vec<u16> = (0..layout.scheme.n_max).collect();
            indexes.sort_by_key(|i| blake3::hash(&(u64::from(*i) ^ order).to_le_bytes()).as_bytes()[0]);
            let chosen: Vec<(u16, &[u8])> = indexes.iter().take(usize::from(layout.scheme.k)).map(|i| (*i, &pieces[usize::from(*i)][..])).collect();
            prop_assert_eq!(rebuild(&layout, &chosen).unwrap(), sealed);
        }
    }
}
