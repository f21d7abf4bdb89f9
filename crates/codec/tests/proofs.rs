//! Nothing wrong passes: one bit changed anywhere is found and its piece named; what does not read is refused.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use codec::{Arrival, CodecError, GROUP_LEN, KnownPiece, Layout, PieceProof, PieceSet, Slice, SliceProof, tree};
use common::{bytes, coded, scheme, standard};
use proptest::prelude::*;

struct Held {
    layout: Layout,
    id: model::SegmentId,
    pieces: Vec<Vec<u8>>,
    groups: Vec<Vec<[u8; 32]>>,
    proofs: Vec<PieceProof>,
}

fn held(layout: Layout, seed: u64) -> Held {
    let len = usize::try_from(layout.sealed_bytes).unwrap();
    let (pieces, commitment) = coded(&layout, &bytes(len, seed), PieceSet::below(layout.scheme.n_max), 100_000);
    let proofs = commitment.roots.proofs();
    Held { layout, id: commitment.roots.id, pieces, groups: commitment.groups, proofs }
}

impl Held {
    fn known(&self, index: usize) -> KnownPiece {
        self.proofs[index].prove(&self.id, &self.layout).unwrap()
    }
    fn arrival(&self, index: usize, groups: std::ops::Range<u64>) -> Result<Arrival, CodecError> {
        let all = &self.groups[index];
        let inside = all[usize::try_from(groups.start).unwrap()..usize::try_from(groups.end).unwrap()].to_vec();
        let path = tree::range_path(all, groups.start, groups.end).unwrap();
        self.known(index).arrival(groups.start, inside, &path)
    }
    fn slice(&self, index: usize, group: u64) -> Slice {
        let at = usize::try_from(group).unwrap() * GROUP_LEN;
        let bytes = self.pieces[index][at..self.pieces[index].len().min(at + GROUP_LEN)].to_vec();
        let proof = SliceProof::with(&self.groups[index], group, bytes).unwrap();
        Slice { piece: self.proofs[index].clone(), proof }
    }
}

fn take(arrival: &mut Arrival, bytes: &[u8], step: usize) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    for part in bytes.chunks(step) {
        arrival.push(part, &mut |group: &[u8]| {
            out.extend_from_slice(group);
            Ok::<_, CodecError>(())
        })?;
    }
    Ok(out)
}

#[test]
fn a_slice_of_a_big_segment_takes_about_16_and_a_half_kib() {
    // 2 MiB pieces of 32/144, without the 300 MB: the tree over the groups is made of any hashes.
    let layout = Layout::new(standard(), 64 << 20).unwrap();
    let groups: Vec<[u8; 32]> = (0..128u8).map(|i| [i; 32]).collect();
    let root = tree::root_of_groups(&groups).unwrap();
    let roots = codec::SegmentRoots::of(&layout, vec![root; 144]);
    let proof = SliceProof::with(&groups, 77, vec![0; GROUP_LEN]).unwrap();
    let slice = Slice { piece: roots.proofs()[143].clone(), proof };
    assert_eq!((slice.proof.path.len(), layout.piece_len()), (7, 2 << 20));
    let sizes: Vec<usize> = roots.proofs().iter().map(|proof| proof.path.len()).collect();
    assert_eq!((sizes.iter().min(), sizes.iter().max()), (Some(&5), Some(&8)));
    let largest = slice.to_bytes().len() + 32 * (8 - slice.piece.path.len());
    assert_eq!(largest, 16_938, "16.54 KiB");
}

#[test]
fn bytes_too_many_or_too_few_are_told() {
    let h = held(Layout::new(scheme(2, 5), 100_000).unwrap(), 1);
    let count = h.groups[3].len() as u64;
    let mut arrival = h.arrival(3, 0..count).unwrap();
    assert_eq!(take(&mut arrival, &h.pieces[3], 1_000).unwrap(), h.pieces[3]);
    assert!(arrival.is_whole());
    assert_eq!(take(&mut arrival, &[0], 1), Err(CodecError::Piece { index: 3 }));
    assert_eq!(arrival.finish().unwrap(), h.groups[3]);
    let mut arrival = h.arrival(3, 0..count).unwrap();
    take(&mut arrival, &h.pieces[3][1..], 60_000).unwrap_err();
    let mut arrival = h.arrival(3, 0..count).unwrap();
    take(&mut arrival, &h.pieces[3][..h.pieces[3].len() - 1], 60_000).unwrap();
    assert_eq!(arrival.finish(), Err(CodecError::Piece { index: 3 }));
}

#[test]
fn pieces_of_another_place_or_segment_are_refused() {
    let h = held(Layout::new(scheme(2, 5), 100_000).unwrap(), 1);
    let other = held(Layout::new(scheme(2, 5), 100_000).unwrap(), 2);
    assert_eq!(h.proofs[1].prove(&other.id, &h.layout), Err(CodecError::WrongRoot { index: 1 }));
    let swapped = PieceProof { index: 2, ..h.proofs[1].clone() };
    assert_eq!(swapped.prove(&h.id, &h.layout), Err(CodecError::WrongRoot { index: 2 }));
    let foreign = h.known(1).arrival(0, other.groups[1].clone(), &[]);
    assert_eq!(foreign.unwrap_err(), CodecError::WrongBytes { index: 1, group: 0 });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_range_of_any_piece_arrives_judged(index in 0usize..9, from: u64, wide: u64, step in 1usize..50_000) {
        let h = held(Layout::new(scheme(2, 9), 300_000).unwrap(), 3);
        let count = h.groups[index].len() as u64;
        let from = from % count;
        let to = from + 1 + wide % (count - from);
        let at = |group: u64| (usize::try_from(group).unwrap() * GROUP_LEN).min(h.pieces[index].len());
        let part = &h.pieces[index][at(from)..at(to)];
        let mut arrival = h.arrival(index, from..to).unwrap();
        prop_assert_eq!(take(&mut arrival, part, step).unwrap(), part);
        prop_assert!(arrival.is_whole());
    }

    #[test]
    fn one_flipped_bit_in_a_piece_is_found_and_named(index in 0usize..9, bit: usize, step in 1usize..50_000) {
        let h = held(Layout::new(scheme(2, 9), 300_000).unwrap(), 3);
        let mut piece = h.pieces[index].clone();
        let bit = bit % (8 * piece.len());
        piece[bit / 8] ^= 1 << (bit % 8);
        let group = (bit / 8 / GROUP_LEN) as u64;
        let named = CodecError::WrongBytes { index: u16::try_from(index).unwrap(), group };
        let mut arrival = h.arrival(index, 0..h.groups[index].len() as u64).unwrap();
        let mut out = 0;
        let pushed = piece.chunks(step).try_for_each(|part| arrival.push(part, &mut |group: &[u8]| {
            out += group.len();
            Ok::<_, CodecError>(())
        }));
        prop_assert_eq!(pushed, Err(named.clone()));
        prop_assert_eq!(out as u64, group * GROUP_LEN as u64, "not a byte of the wrong group was handed on");
        let mut slice = h.slice(index, group);
        prop_assert!(slice.prove(&h.id, &h.layout).is_ok());
        slice.proof.bytes[bit / 8 % GROUP_LEN] ^= 1 << (bit % 8);
        prop_assert_eq!(slice.prove(&h.id, &h.layout).unwrap_err(), named);
    }

    #[test]
    fn one_flipped_bit_in_a_proof_is_never_accepted(index in 0usize..9, group: u64, bit: usize) {
        let h = held(Layout::new(scheme(2, 9), 300_000).unwrap(), 3);
        let slice = h.slice(index, group % h.groups[index].len() as u64);
        let mut wire = slice.to_bytes();
        prop_assert_eq!(Slice::parse(&wire).unwrap(), slice);
        let bit = bit % (8 * wire.len());
        wire[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = Slice::parse(&wire) {
            prop_assert!(changed.prove(&h.id, &h.layout).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn random_bytes_are_no_proof_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1_200)) {
        let h = held(Layout::new(scheme(2, 9), 10).unwrap(), 3);
        if let Ok(proof) = PieceProof::parse(&bytes) {
            prop_assert_eq!(proof.to_bytes(), &bytes[..]);
            prop_assert!(proof.prove(&h.id, &h.layout).is_err());
        }
        if let Ok(proof) = SliceProof::parse(&bytes) {
            prop_assert_eq!(proof.to_bytes(), &bytes[..]);
            prop_assert!(!proof.verify(&[0; 32], 4_096));
        }
        if let Ok(slice) = Slice::parse(&bytes) {
            prop_assert!(slice.prove(&h.id, &h.layout).is_err());
        }
        let hashes: Vec<[u8; 32]> = bytes.chunks_exact(32).map(|c| c.try_into().unwrap()).collect();
        let _ = tree::root_by_range(&hashes, u64::MAX, 5, &hashes);
        let _ = tree::root_by_range(&hashes, 0, u64::MAX, &hashes);
        let _ = tree::root_by_path([0; 32], 7, u64::MAX, &hashes);
    }
}
