//! Making any piece from any `k` others: the code as a matrix over GF(2^16).
//!
//! The code library decodes by transforms of a fixed, high cost a call (one of 65,536 points whatever was lost). Here the
//! library only says once what its code is: coding the unit vectors gives its matrix. The rows of the `k` pieces at hand are
//! inverted once for each choice of pieces (tenths of a millisecond at `k = 32`), and every cell wanted is then a sum of `k` products, so that
//! the cost grows with what is lost and works on cells of any size. Bytes are those of the library, which the tests
//! compare.

use crate::CodecError;
use crate::encode::code_error;
use reed_solomon_simd::ReedSolomonEncoder;
use reed_solomon_simd::engine::{DefaultEngine, Engine, GF_MODULUS, GfElement, tables, utils};
use std::collections::BTreeMap;

/// Elements in 64 bytes of a cell: element `j` has its low byte at `j`, its high byte at `32 + j`.
const LANES: usize = 32;
/// Blocks of 64 bytes worked on at a time: sources, product and sum stay in the first cache.
const STRIP: usize = 64;

type Block = [u8; 64];

/// Rows of field elements.
type Rows = Vec<Vec<GfElement>>;

/// Makes pieces from others.
pub(crate) struct Maker {
    engine: DefaultEngine,
    k: usize,
    /// Rows of all `n_max` pieces over the data pieces.
    code: Rows,
    /// The pieces at hand.
    given: Vec<u16>,
    /// Rows of the data pieces over the pieces at hand.
    inverse: Rows,
    /// Rows of pieces made so far over the pieces at hand, as logarithms.
    made: BTreeMap<u16, Vec<GfElement>>,
    product: Vec<Block>,
}

impl Maker {
    /// For the code `k` of `n`.
    pub fn new(k: usize, n: usize) -> Result<Self, CodecError> {
        Ok(Self {
            engine: DefaultEngine::new(),
            k,
            code: code_rows(k, n)?,
            given: Vec::new(),
            inverse: Vec::new(),
            made: BTreeMap::new(),
            product: vec![[0; 64]; STRIP],
        })
    }

    /// From now on the bytes of these pieces are at hand: `k` distinct indexes within the scheme.
    pub fn hold(&mut self, given: &[u16]) -> Result<(), CodecError> {
        if self.given == given {
            return Ok(());
        }
        self.made.clear();
        self.given.clear();
        let rows = given.iter().map(|index| self.code[usize::from(*index)].clone()).collect();
        self.inverse = inverse(rows).ok_or_else(|| CodecError::Code("these pieces are not independent".to_owned()))?;
        self.given.extend_from_slice(given);
        Ok(())
    }

    /// Bytes of piece `wanted` from those of the pieces at hand, in the order of [`Self::hold`]. All of one length, a
    /// multiple of 64.
    pub fn make(&mut self, bytes: &[&[u8]], wanted: u16, out: &mut [u8]) {
        let row = match self.made.get(&wanted) {
            Some(row) => row,
            None => {
                let row = self.row(wanted);
                self.made.entry(wanted).or_insert(row)
            }
        };
        out.fill(0);
        let (out, _) = out.as_chunks_mut::<64>();
        for (sum, at) in out.chunks_mut(STRIP).zip((0..).step_by(STRIP)) {
            let product = &mut self.product[..sum.len()];
            for (bytes, log) in bytes.iter().zip(row).filter(|(_, log)| **log != GF_MODULUS) {
                let (blocks, _) = bytes.as_chunks::<64>();
                product.copy_from_slice(&blocks[at..at + sum.len()]);
                if *log != 0 {
                    self.engine.mul(product, *log);
                }
                utils::xor(sum, product);
            }
        }
    }

    /// Row of piece `wanted` over the pieces at hand, as logarithms; that of zero is [`GF_MODULUS`].
    fn row(&self, wanted: u16) -> Vec<GfElement> {
        let over_data = &self.code[usize::from(wanted)];
        let mut row = vec![0; self.k];
        for (factor, data) in over_data.iter().zip(&self.inverse) {
            add_product(&mut row, data, *factor);
        }
        row.into_iter().map(log_of).collect()
    }
}

fn log_of(x: GfElement) -> GfElement {
    if x == 0 { GF_MODULUS } else { tables::get_exp_log().log[usize::from(x)] }
}

fn product(x: GfElement, y: GfElement) -> GfElement {
    let tables = tables::get_exp_log();
    if y == 0 { 0 } else { tables::mul(x, tables.log[usize::from(y)], &tables.exp, &tables.log) }
}

fn reciprocal(x: GfElement) -> GfElement {
    let tables = tables::get_exp_log();
    tables.exp[usize::from(GF_MODULUS - tables.log[usize::from(x)])]
}

fn add_product(sum: &mut [GfElement], row: &[GfElement], factor: GfElement) {
    if factor != 0 {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum ^= product(*x, factor));
    }
}

/// What the library's code does to the data pieces, found by coding unit vectors.
fn code_rows(k: usize, n: usize) -> Result<Rows, CodecError> {
    let unit = |i: usize| (0..k).map(|j| GfElement::from(i == j)).collect::<Vec<_>>();
    let mut rows: Rows = (0..k).map(unit).collect();
    if n == k {
        return Ok(rows);
    }
    let mut coder = ReedSolomonEncoder::new(k, n - k, 64 * k.div_ceil(LANES)).map_err(code_error)?;
    for i in 0..k {
        let mut shard = vec![0; 64 * k.div_ceil(LANES)];
        shard[i / LANES * 64 + i % LANES] = 1;
        coder.add_original_shard(shard).map_err(code_error)?;
    }
    let coded = coder.encode().map_err(code_error)?;
    let element = |shard: &[u8], i: usize| {
        let at = i / LANES * 64 + i % LANES;
        GfElement::from_le_bytes([shard[at], shard[at + LANES]])
    };
    rows.extend(coded.recovery_iter().map(|shard| (0..k).map(|i| element(shard, i)).collect::<Vec<_>>()));
    Ok(rows)
}

/// Gauss and Jordan; nothing when the rows depend on each other.
fn inverse(mut rows: Rows) -> Option<Rows> {
    let k = rows.len();
    let mut inverse: Rows = (0..k).map(|i| (0..k).map(|j| GfElement::from(i == j)).collect()).collect();
    for at in 0..k {
        let pivot = (at..k).find(|i| rows[*i].get(at).is_some_and(|x| *x != 0))?;
        rows.swap(at, pivot);
        inverse.swap(at, pivot);
        let by = reciprocal(rows[at][at]);
        if by != 1 {
            rows[at].iter_mut().chain(&mut inverse[at]).for_each(|x| *x = product(*x, by));
        }
        let (row, inverse_row) = (rows[at].clone(), inverse[at].clone());
        for i in (0..k).filter(|i| *i != at) {
            let factor = rows[i][at];
            add_product(&mut rows[i], &row, factor);
            add_product(&mut inverse[i], &inverse_row, factor);
        }
    }
    Some(inverse)
}
