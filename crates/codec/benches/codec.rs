//! What coding, hashing, decoding and judging cost, beside the kernels they are made of: `cargo bench -p codec`.
//!
//! All figures are MB/s (10⁶) of the member's sealed bytes on one core, the best of several runs. `share` is the whole way
//! (seal, code, hash all `n_max` pieces) over the serial sum 1/(1/seal + 1/code + 1/hash) of the raw kernels in the same run.
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use codec::{CodecError, Decoder, Encoder, Group, Layout, PieceSet, Remaker, tree};
use model::Scheme;
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Time spent on one figure.
const BUDGET: Duration = Duration::from_millis(1_500);
const STANDARD: Scheme = Scheme { k: 32, m: 80, o: 104, slots: 112, n_max: 144, accept: 44 };
const CIRCLE: Scheme = Scheme { k: 4, m: 9, o: 10, slots: 10, n_max: 16, accept: 5 };
const CHUNK: usize = 64 << 10;

/// Runs and prints; MB/s of `bytes`.
fn figure(name: &str, bytes: u64, mut work: impl FnMut()) -> f64 {
    work();
    let (begun, mut best) = (Instant::now(), Duration::MAX);
    while begun.elapsed() < BUDGET {
        let run = Instant::now();
        work();
        best = best.min(run.elapsed());
    }
    let rate = bytes as f64 / best.as_secs_f64() / 1e6;
    println!("{name:<58} {rate:>9.0} MB/s");
    rate
}

fn content(len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut out);
    out
}

fn seal(key: &LessSafeKey, chunks: &mut [u8]) {
    for chunk in chunks.chunks_mut(CHUNK) {
        let (body, tag) = chunk.split_at_mut(chunk.len() - 16);
        let made = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key([7; 12]), Aad::from([0; 96]), body);
        tag.copy_from_slice(made.expect("a chunk is short").as_ref());
    }
}

/// The raw kernels on `sealed`, as the design measures them: seal, code (library alone), hash of all pieces.
fn kernels(layout: &Layout, key: &LessSafeKey, sealed: &mut [u8]) -> [f64; 3] {
    let (k, n) = (usize::from(layout.scheme.k), usize::from(layout.scheme.n_max));
    let len = sealed.len() as u64;
    let sealing = figure("kernel: AES-256-GCM, 64 KiB chunks", len, || seal(key, sealed));
    let rate = |strip: usize| {
        let mut coder = ReedSolomonEncoder::new(k, n - k, strip).expect("a sound code");
        figure(&format!("kernel: code {k}/{n}, {} KiB shards", strip >> 10), len, || {
            for column in sealed.chunks_exact(k * strip) {
                column.chunks(strip).for_each(|shard| coder.add_original_shard(shard).expect("k shards"));
                black_box(coder.encode().expect("k shards").recovery(0));
            }
        })
    };
    let code = rate(64 << 10).max(rate(16 << 10));
    let piece = &sealed[..usize::try_from(layout.piece_len()).expect("a piece")];
    let hash = figure("kernel: BLAKE3 of all pieces", len, || {
        (0..n).for_each(|_| {
            black_box(blake3::hash(black_box(piece)));
        });
    });
    [sealing, code, hash]
}

fn encoders(name: &str, scheme: Scheme, stored: u16) {
    let mut sealed = content(usize::try_from(Layout::segment_bytes(&scheme)).expect("a segment"));
    let layout = Layout::new(scheme, sealed.len() as u64).expect("a sound layout");
    println!(
        "\n{name}: {}/{}, segment {} MiB, cell {} KiB",
        scheme.k,
        scheme.n_max,
        sealed.len() >> 20,
        layout.cell >> 10
    );
    println!("encoder holds {} KiB", Encoder::memory_bytes(&layout) >> 10);
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[1; 32]).expect("32 bytes"));
    let kernels = kernels(&layout, &key, &mut sealed);
    let serial = 1.0 / kernels.iter().map(|rate| 1.0 / rate).sum::<f64>();
    let mut encoder = Encoder::new(&layout, PieceSet::below(stored)).expect("a sound layout");
    let mut run = |portion: usize, sealed: &[u8], sink: &mut dyn FnMut(Group<'_>)| {
        encoder.restart(&layout, PieceSet::below(stored)).expect("a sound layout");
        let mut sink = |group: Group<'_>| {
            sink(group);
            Ok::<_, CodecError>(())
        };
        sealed.chunks(portion).for_each(|part| encoder.push(part, &mut sink).expect("no error"));
        black_box(encoder.finish(&mut sink).expect("whole"));
    };
    let len = layout.sealed_bytes;
    let column = usize::try_from(layout.column_bytes()).expect("a column");
    let nothing: &mut dyn FnMut(Group<'_>) = &mut |group| {
        black_box(group.index);
    };
    figure("encode + hash, column portions", len, || run(column, &sealed, nothing));
    figure("encode + hash, 64 KiB portions", len, || run(CHUNK, &sealed, nothing));
    let mut kept = vec![vec![0; usize::try_from(layout.piece_len()).expect("a piece")]; usize::from(stored)];
    figure(&format!("encode + hash, {stored} pieces copied out"), len, || {
        run(column, &sealed, &mut |group| {
            let from = usize::try_from(group.offset()).expect("within a piece");
            kept[usize::from(group.index)][from..from + group.bytes.len()].copy_from_slice(group.bytes);
        });
    });
    let mut way = |name: &str, portion: usize| {
        let mut buffer = vec![0; portion];
        let rate = figure(name, len, || {
            encoder.restart(&layout, PieceSet::below(stored)).expect("a sound layout");
            let mut sink = |group: Group<'_>| {
                black_box(group.index);
                Ok::<_, CodecError>(())
            };
            for part in sealed.chunks(portion) {
                buffer[..part.len()].copy_from_slice(part);
                seal(&key, &mut buffer[..part.len()]);
                encoder.push(&buffer[..part.len()], &mut sink).expect("no error");
            }
            black_box(encoder.finish(&mut sink).expect("whole"));
        });
        println!("{:<58} {:>8.0} % of {serial:.0} MB/s", "  share of the serial sum", 100.0 * rate / serial);
    };
    way("seal + encode + hash, column portions", column);
    way("seal + encode + hash, 64 KiB portions", CHUNK);
}

fn decoders(scheme: Scheme, sealed_bytes: usize) {
    let (k, n) = (usize::from(scheme.k), usize::from(scheme.n_max));
    let layout = Layout::new(scheme, sealed_bytes as u64).expect("a sound layout");
    let encoded = codec::encode(&layout, &content(sealed_bytes)).expect("a sound layout");
    println!("\ndecode {k}/{n}, segment {} KiB, cell {} KiB", sealed_bytes >> 10, layout.cell >> 10);
    let cell = layout.cell as usize;
    let at = |i: usize, column: usize| {
        (u16::try_from(i).expect("few"), &encoded.pieces[i][column * cell..(column + 1) * cell])
    };
    let columns = usize::try_from(layout.columns()).expect("few columns");
    let mut out = vec![0; k * cell];
    let mut decoder = Decoder::new(&layout).expect("a sound layout");
    let mut library = ReedSolomonDecoder::new(k, n - k, cell).expect("a sound code");
    for lost in [0, 1, k / 2, k] {
        figure(&format!("decode, {lost} data pieces lost"), layout.sealed_bytes, || {
            for column in 0..columns {
                let cells: Vec<(u16, &[u8])> = (lost..lost + k).map(|i| at(i, column)).collect();
                black_box(decoder.column(column as u64, &cells, &mut out).expect("k cells"));
            }
        });
        figure(&format!("  the library's decoder, {lost} lost"), layout.sealed_bytes, || {
            for column in 0..columns {
                (lost..k).for_each(|i| library.add_original_shard(i, at(i, column).1).expect("k shards"));
                (k..k + lost).for_each(|i| library.add_recovery_shard(i - k, at(i, column).1).expect("k shards"));
                black_box(library.decode().expect("k shards").restored_original(0));
            }
        });
    }
    let mut one = vec![0; cell];
    figure("one lost cell, bytes of its column", layout.column_bytes(), || {
        let cells: Vec<(u16, &[u8])> = (1..=k).map(|i| at(i, 0)).collect();
        decoder.cell(0, &cells, &mut one).expect("k cells");
    });
    let known = encoded.roots.proofs()[0].prove(&encoded.roots.id, &layout).expect("its own proof");
    let groups = tree::group_hashes(&encoded.pieces[0]);
    figure("judge an arriving piece, bytes of the piece", layout.piece_len(), || {
        let mut arrival = known.arrival(0, groups.clone(), &[]).expect("its own hashes");
        let mut sink = |group: &[u8]| {
            black_box(group.len());
            Ok::<_, CodecError>(())
        };
        encoded.pieces[0].chunks(CHUNK).for_each(|part| arrival.push(part, &mut sink).expect("right bytes"));
    });
    let wanted: PieceSet = (scheme.accept..scheme.o).collect();
    figure(&format!("remake {} pieces from {k}, half of them coded", wanted.count()), layout.sealed_bytes, || {
        let mut remaker = Remaker::new(&layout, wanted).expect("a sound layout");
        let mut sink = |group: Group<'_>| {
            black_box(group.index);
            Ok::<_, CodecError>(())
        };
        for column in 0..columns {
            let cells: Vec<(u16, &[u8])> = (k / 2..k / 2 + k).map(|i| at(i, column)).collect();
            remaker.push_column(&cells, &mut sink).expect("k cells");
        }
        black_box(remaker.finish(&encoded.roots.id, &mut sink).expect("the same id"));
    });
}

fn main() {
    encoders("class standard", STANDARD, 44);
    encoders("circle of ten", CIRCLE, 10);
    decoders(STANDARD, 16 << 20);
    decoders(CIRCLE, 8 << 20);
    decoders(CIRCLE, 1 << 20);
}
