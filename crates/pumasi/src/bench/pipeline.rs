//! What a writer's processor does before the network: seal, code and hash of all possible pieces of the standard class, on one
//! core, beside the raw kernels in the same run.

use super::figure::Printer;
use crate::fault::Fault;
use codec::{CodecError, Encoder, Group, Layout, PieceSet, kernel};
use model::{BucketId, Class};
use rand_core::SeedableRng;
use rules::storage::scheme::public;
use seal::{ContentKey, Header, Role, SealError, Sealer};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Time spent on one figure.
const BUDGET: Duration = Duration::from_millis(1_200);
/// Shard of the code's kernel: the faster of the two that fit the cache.
const STRIPS: [usize; 2] = [16 << 10, 64 << 10];

/// Measures and prints.
pub fn run(printer: &mut Printer<'_>) -> Result<(), Fault> {
    let scheme = public(Class::Standard);
    let len = usize::try_from(Layout::segment_bytes(&scheme)).unwrap_or(64 << 20);
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(b"pipeline").finalize_xof().fill(&mut bytes);
    let layout = Layout::new(scheme, len as u64).map_err(Fault::bug)?;
    let cipher = rate(len, || {
        seal::kernel::cipher(&mut bytes);
        Ok(())
    })?;
    let mut code: f64 = 0.0;
    for strip in STRIPS {
        code = code.max(rate(len, || kernel::code(&layout, &bytes, strip).map_err(Fault::bug))?);
    }
    let hash = rate(len, || {
        kernel::hash(&layout, &bytes);
        Ok(())
    })?;
    let mut encoder = Encoder::new(&layout, PieceSet::below(scheme.accept)).map_err(Fault::bug)?;
    let whole = rate(len, || pipeline(&mut encoder, &layout, &bytes))?;
    let serial = 1.0 / (1.0 / cipher + 1.0 / code + 1.0 / hash);
    printer.figure("seal_kernel_mb_s", cipher, "MB/s");
    printer.figure("code_kernel_mb_s", code, "MB/s");
    printer.figure("hash_kernel_mb_s", hash, "MB/s");
    printer.figure("seal_code_hash_mb_s", whole, "MB/s");
    printer.figure("seal_code_hash_share", whole / serial, "");
    Ok(())
}

/// What the pipeline's steps fail with.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// The real way of one segment: sealed by the sealer of uploads, coded and hashed as it comes.
fn pipeline(encoder: &mut Encoder, layout: &Layout, content: &[u8]) -> Result<(), Fault> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let key = ContentKey::random(&mut rng);
    let header = Header::new(&key, Role::Content, &BucketId([1; 16]), 0, &mut rng);
    let mut run = || -> Result<(), Error> {
        encoder.restart(layout, PieceSet::below(layout.scheme.accept))?;
        let mut sealer = Sealer::new(&key, &header)?;
        let mut left = usize::try_from(layout.sealed_bytes).unwrap_or(usize::MAX);
        let mut sink = |group: Group<'_>| {
            black_box(group.index);
            Ok::<_, Error>(())
        };
        let mut keep = |sealed: &[u8]| {
            let part = &sealed[..sealed.len().min(left)];
            left -= part.len();
            encoder.push(part, &mut sink)
        };
        for portion in content.chunks(256 << 10) {
            sealer.push(portion, &mut keep)?;
        }
        sealer.finish(&mut keep)?;
        black_box(encoder.finish(&mut sink)?);
        Ok(())
    };
    run().map_err(Fault::bug)
}

/// MB/s (10^6) of `len` bytes, the best of several runs.
fn rate(len: usize, mut work: impl FnMut() -> Result<(), Fault>) -> Result<f64, Fault> {
    work()?;
    let (begun, mut best) = (Instant::now(), Duration::MAX);
    while begun.elapsed() < BUDGET {
        let run = Instant::now();
        work()?;
        best = best.min(run.elapsed());
    }
    Ok(len as f64 / best.as_secs_f64() / 1e6)
}
