//! Coding, decoding and remaking segments of any scheme, in any portions, with any losses.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use codec::{CodecError, Decoder, Group, Layout, PieceSet, Remaker, encode, rebuild, tree};
use common::{bytes, coded, scheme, shuffled, standard};
use model::SegmentId;
use proptest::prelude::*;
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};
use std::collections::BTreeMap;

/// The bytes of the code library alone, one call a column: what every other way must equal.
fn by_the_library(layout: &Layout, sealed: &[u8]) -> Vec<Vec<u8>> {
    let (k, n, cell) = (usize::from(layout.scheme.k), usize::from(layout.scheme.n_max), layout.cell as usize);
    let mut padded = sealed.to_vec();
    padded.resize(usize::try_from(layout.columns() * layout.column_bytes()).unwrap(), 0);
    let mut pieces = vec![Vec::new(); n];
    for column in padded.chunks(k * cell) {
        column.chunks(cell).zip(&mut pieces).for_each(|(cell, piece)| piece.extend_from_slice(cell));
        if n > k {
            let mut coder = ReedSolomonEncoder::new(k, n - k, cell).unwrap();
            column.chunks(cell).for_each(|cell| coder.add_original_shard(cell).unwrap());
            let coded = coder.encode().unwrap();
            coded.recovery_iter().zip(&mut pieces[k..]).for_each(|(cell, piece)| piece.extend_from_slice(cell));
        }
    }
    pieces
}

fn cells<'a>(layout: &Layout, pieces: &'a [Vec<u8>], column: u64, indexes: &[u16]) -> Vec<(u16, &'a [u8])> {
    let range = layout.cell_in_piece(column);
    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
    indexes.iter().map(|index| (*index, &pieces[usize::from(*index)][range.clone()])).collect()
}

/// Roots and the beginning of the last piece, for the cell sizes and both rates of the code.
#[test]
fn pieces_and_roots_are_locked() {
    let cases = [(scheme(1, 16), 10), (scheme(3, 16), 100_000), (scheme(4, 16), 2_200_000), (scheme(2, 3), 4_300_001)];
    let mut out = String::new();
    for (scheme, len) in cases.into_iter().chain([(standard(), 700_000)]) {
        let layout = Layout::new(scheme, len).unwrap();
        let encoded = encode(&layout, &bytes(usize::try_from(len).unwrap(), len)).unwrap();
        let last: String = encoded.pieces.last().unwrap()[..64].iter().map(|b| format!("{b:02x}")).collect();
        let roots: Vec<u8> = encoded.roots.pieces.concat();
        out += &format!(
            "{}/{} of {len} bytes, cell {}: id {} roots {} last {last}\n",
            scheme.k,
            scheme.n_max,
            layout.cell,
            encoded.roots.id,
            blake3::hash(&roots),
        );
    }
    assert_eq!(out, include_str!("golden/segments.txt"));
}

#[test]
fn a_sound_layout_says_what_its_encoder_holds() {
    let layout = Layout::new(standard(), 64 << 20).unwrap();
    let held = codec::Encoder::memory_bytes(&layout);
    assert!(held < 5 << 20, "{held} bytes");
}

#[test]
fn too_many_and_too_few_sealed_bytes_are_refused() {
    let layout = Layout::new(scheme(3, 16), 10_000).unwrap();
    let mut nothing = |_: Group<'_>| Ok::<_, CodecError>(());
    let mut encoder = codec::Encoder::new(&layout, PieceSet::EMPTY).unwrap();
    encoder.push(&bytes(9_999, 1), &mut nothing).unwrap();
    assert_eq!(encoder.finish(&mut nothing), Err(CodecError::Size(9_999)));
    assert_eq!(encoder.push(&[0; 2], &mut nothing), Err(CodecError::Size(10_001)));
}

#[test]
fn what_the_sink_says_ends_the_run_and_the_encoder_begins_anew() {
    let layout = Layout::new(scheme(3, 16), 50_000).unwrap();
    let sealed = bytes(50_000, 9);
    let mut encoder = codec::Encoder::new(&layout, PieceSet::below(2)).unwrap();
    let mut refusing = |group: Group<'_>| Err(CodecError::Piece { index: group.index });
    assert_eq!(encoder.push(&sealed, &mut refusing), Err(CodecError::Piece { index: 0 }));
    for scheme in [scheme(3, 16), scheme(2, 2), scheme(5, 9), scheme(3, 16)] {
        let layout = Layout::new(scheme, 50_000).unwrap();
        encoder.restart(&layout, PieceSet::EMPTY).unwrap();
        let mut nothing = |_: Group<'_>| Err(CodecError::PackFull);
        encoder.push(&sealed, &mut nothing).unwrap();
        assert_eq!(encoder.finish(&mut nothing).unwrap().roots, encode(&layout, &sealed).unwrap().roots);
    }
}

#[test]
fn a_segment_that_was_coded_wrongly_is_found_by_who_expands_it() {
    let layout = Layout::new(scheme(2, 6), 9_000).unwrap();
    let (mut pieces, commitment) = coded(&layout, &bytes(9_000, 1), PieceSet::below(6), 9_000);
    let remade = |pieces: &[Vec<u8>], id: &SegmentId| {
        let mut remaker = Remaker::new(&layout, [1, 5].into_iter().collect()).unwrap();
        let mut made = BTreeMap::<u16, Vec<u8>>::new();
        let mut sink = |group: Group<'_>| {
            made.entry(group.index).or_default().extend_from_slice(group.bytes);
            Ok::<_, CodecError>(())
        };
        for column in 0..layout.columns() {
            remaker.push_column(&cells(&layout, pieces, column, &[4, 2]), &mut sink)?;
        }
        remaker.finish(id, &mut sink).map(|commitment| (made, commitment))
    };
    let id = commitment.roots.id;
    let (made, again) = remade(&pieces, &id).unwrap();
    assert_eq!(again, commitment);
    assert_eq!(made, BTreeMap::from([(1, pieces[1].clone()), (5, pieces[5].clone())]));
    // The writer committed to a piece that does not belong to the others.
    pieces[4][77] ^= 1;
    let mut roots = commitment.roots.pieces.clone();
    roots[4] = tree::piece_root(&pieces[4]);
    let lying = codec::SegmentRoots::of(&layout, roots).id;
    assert_eq!(remade(&pieces, &lying).unwrap_err(), CodecError::Contradiction(lying));
}

#[test]
fn a_degraded_cell_of_the_standard_class_is_made_from_the_others() {
    let layout = Layout::new(standard(), 3 << 20).unwrap();
    let sealed = bytes(3 << 20, 5);
    let (pieces, _) = coded(&layout, &sealed, PieceSet::below(144), 1 << 20);
    let part = layout.cells_of(1_500_000..1_500_001).unwrap().next().unwrap();
    let given: Vec<u16> = shuffled(144, 1).into_iter().filter(|i| *i != part.index).take(32).collect();
    let mut cell = vec![0; layout.cell as usize];
    let mut decoder = Decoder::new(&layout).unwrap();
    decoder.cell(part.index, &cells(&layout, &pieces, part.column, &given), &mut cell).unwrap();
    assert_eq!(cell[part.from as usize], sealed[1_500_000]);
    let all = (0..144).all(|index| {
        let mut piece = vec![0; pieces[0].len()];
        let given: Vec<(u16, &[u8])> = given.iter().map(|i| (*i, &pieces[usize::from(*i)][..])).collect();
        decoder.cell(index, &given, &mut piece).unwrap();
        piece == pieces[usize::from(index)]
    });
    assert!(all, "every piece is made from any 32 others");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_k_pieces_rebuild_whatever_the_scheme_and_the_portions(
        k in 1u16..=40, extra in 0u16..=60, len in 1usize..600_000, step in 1usize..200_000, seed: u64,
    ) {
        let layout = Layout::new(scheme(k, k + extra), len as u64).unwrap();
        let sealed = bytes(len, seed);
        let (pieces, commitment) = coded(&layout, &sealed, PieceSet::below(k + extra), step);
        prop_assert_eq!(&pieces, &by_the_library(&layout, &sealed));
        for ((piece, groups), root) in pieces.iter().zip(&commitment.groups).zip(&commitment.roots.pieces) {
            prop_assert_eq!(groups, &tree::group_hashes(piece));
            prop_assert_eq!(*root, tree::piece_root(piece));
        }
        let mut given = shuffled(k + extra, seed);
        given.truncate(usize::from(k));
        let whole: Vec<(u16, &[u8])> = given.iter().map(|i| (*i, &pieces[usize::from(*i)][..])).collect();
        prop_assert_eq!(rebuild(&layout, &whole).unwrap(), sealed);
        let fewer = rebuild(&layout, &whole[1..]);
        prop_assert_eq!(fewer, Err(CodecError::TooFew { have: usize::from(k) - 1, need: usize::from(k) }));
    }

    #[test]
    fn kept_pieces_alone_reach_the_sink_and_the_rest_is_committed_too(
        len in 1usize..400_000, kept in proptest::collection::vec(0u16..16, 0..8), seed: u64,
    ) {
        let layout = Layout::new(scheme(4, 16), len as u64).unwrap();
        let sealed = bytes(len, seed);
        let kept: PieceSet = kept.into_iter().collect();
        let (pieces, commitment) = coded(&layout, &sealed, kept, 77_777);
        let whole = encode(&layout, &sealed).unwrap();
        prop_assert_eq!(&commitment.roots, &whole.roots);
        for (index, piece) in (0..16u16).zip(&pieces) {
            prop_assert_eq!(piece.as_slice(), if kept.contains(index) { &whole.pieces[usize::from(index)][..] } else { &[] });
        }
    }

    #[test]
    fn a_range_is_read_from_the_cells_it_names(len in 1usize..300_000, from: u64, wide in 0u64..70_000, seed: u64) {
        let layout = Layout::new(scheme(5, 16), len as u64).unwrap();
        let sealed = bytes(len, seed);
        let pieces = encode(&layout, &sealed).unwrap().pieces;
        let from = from % len as u64;
        let to = (from + wide).min(len as u64);
        let mut read = Vec::new();
        for part in layout.cells_of(from..to).unwrap() {
            let at = usize::try_from(layout.cell_in_piece(part.column).start).unwrap() + part.from as usize;
            read.extend_from_slice(&pieces[usize::from(part.index)][at..at + part.len as usize]);
        }
        prop_assert_eq!(&read[..], &sealed[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()]);
    }

    #[test]
    fn the_matrix_decodes_what_the_library_decodes(
        k in 1usize..=34, extra in 1usize..=120, lost in 1usize..=34, blocks in 1usize..70, seed: u64,
    ) {
        let (lost, len) = (lost.min(k).min(extra), 64 * blocks);
        let data: Vec<Vec<u8>> = (0..k).map(|i| bytes(len, seed ^ i as u64)).collect();
        let coded = reed_solomon_simd::encode(k, extra, &data).unwrap();
        let mut library = ReedSolomonDecoder::new(k, extra, len).unwrap();
        let mut given: Vec<(u16, &[u8])> = Vec::new();
        for (i, bytes) in data.iter().enumerate().skip(lost) {
            library.add_original_shard(i, bytes).unwrap();
            given.push((u16::try_from(i).unwrap(), bytes));
        }
        for (i, bytes) in coded.iter().enumerate().rev().take(lost) {
            library.add_recovery_shard(i, bytes).unwrap();
            given.push((u16::try_from(k + i).unwrap(), bytes));
        }
        let layout = Layout::new(scheme(u16::try_from(k).unwrap(), u16::try_from(k + extra).unwrap()), 1).unwrap();
        let mut decoder = Decoder::new(&layout).unwrap();
        for (i, expected) in library.decode().unwrap().restored_original_iter() {
            let mut out = vec![0; len];
            decoder.cell(u16::try_from(i).unwrap(), &given, &mut out).unwrap();
            prop_assert_eq!(&out[..], expected);
            prop_assert_eq!(&out, &data[i]);
        }
    }
}
