//! Bytes, schemes and whole runs through the streams, for the tests of this room.
#![allow(dead_code, reason = "each test file uses a part of it")]

use codec::{CodecError, Commitment, Encoder, Group, Layout, PieceSet};
use model::Scheme;

/// Bytes that do not repeat.
pub fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// A scheme of `k` of `n_max`.
pub fn scheme(k: u16, n_max: u16) -> Scheme {
    Scheme { k, m: k, o: k, slots: n_max, n_max, accept: k }
}

/// The class `standard` of public pools.
pub fn standard() -> Scheme {
    Scheme { k: 32, m: 80, o: 104, slots: 112, n_max: 144, accept: 44 }
}

/// Order of `count` indexes by a seed.
pub fn shuffled(count: u16, seed: u64) -> Vec<u16> {
    let mut indexes: Vec<u16> = (0..count).collect();
    indexes.sort_by_key(|i| *blake3::hash(&[seed.to_le_bytes(), u64::from(*i).to_le_bytes()].concat()).as_bytes());
    indexes
}

/// Pieces in `kept` and the commitment, from portions of `step` bytes.
pub fn coded(layout: &Layout, sealed: &[u8], kept: PieceSet, step: usize) -> (Vec<Vec<u8>>, Commitment) {
    let mut encoder = Encoder::new(layout, kept).unwrap();
    let mut pieces = vec![Vec::new(); usize::from(layout.scheme.n_max)];
    let mut sink = |group: Group<'_>| {
        let piece: &mut Vec<u8> = &mut pieces[usize::from(group.index)];
        assert_eq!(group.offset(), piece.len() as u64, "groups of a piece come in order");
        piece.extend_from_slice(group.bytes);
        Ok::<_, CodecError>(())
    };
    for part in sealed.chunks(step) {
        encoder.push(part, &mut sink).unwrap();
    }
    let commitment = encoder.finish(&mut sink).unwrap();
    (pieces, commitment)
}
