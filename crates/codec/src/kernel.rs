//! The raw kernels that coding is made of, alone: what `pumasi bench` holds the whole way against.

use crate::{CodecError, Layout};
use reed_solomon_simd::ReedSolomonEncoder;
use std::hint::black_box;

/// The library's code alone over `sealed`, whole columns in shards of `strip` bytes.
///
/// # Errors
/// [`CodecError::Code`] for shapes the library does not take.
pub fn code(layout: &Layout, sealed: &[u8], strip: usize) -> Result<(), CodecError> {
    let (k, n) = (usize::from(layout.scheme.k), usize::from(layout.scheme.n_max));
    let error = |error: reed_solomon_simd::Error| CodecError::Code(error.to_string());
    let mut coder = ReedSolomonEncoder::new(k, n - k, strip).map_err(error)?;
    for column in sealed.chunks_exact(k * strip) {
        column.chunks(strip).try_for_each(|shard| coder.add_original_shard(shard)).map_err(error)?;
        black_box(coder.encode().map_err(error)?.recovery(0));
    }
    Ok(())
}

/// BLAKE3 of as many bytes as all possible pieces of `sealed` have.
pub fn hash(layout: &Layout, sealed: &[u8]) {
    let piece = &sealed[..sealed.len().min(usize::try_from(layout.piece_len()).unwrap_or(usize::MAX))];
    (0..layout.scheme.n_max).for_each(|_| {
        black_box(blake3::hash(black_box(piece)));
    });
}
