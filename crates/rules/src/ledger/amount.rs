//! Units into µcredit without losing a part of one (`docs/design/ledger.md` §1).
//!
//! (H) `amount = ⌊(units × price + carry) / per⌋`, and the rest is carried: after any number of settlements the sum paid differs from
//! the exact value by less than 1 µC. Parts of a split add up to the whole.

use super::No;
use model::Ucredit;

/// An amount, and what is carried to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Carried {
    /// Whole µcredit.
    pub amount: Ucredit,
    /// What is left over, in parts of a µcredit; below `per`.
    pub carry: u64,
}

/// (H) What `units` cost at `price` per `per` of them. A carry of another price is not to be given here.
///
/// # Errors
/// [`No::AmountTooLarge`] where it is no balance's, or nothing is to be divided by.
pub fn amount(units: impl Into<u128>, price: Ucredit, per: u64, carry: u64) -> Result<Carried, No> {
    let exact = units.into().checked_mul(price.0.into()).and_then(|wide| wide.checked_add(carry.into()));
    let exact = exact.ok_or(No::AmountTooLarge)?;
    let whole = exact.checked_div(per.into()).ok_or(No::AmountTooLarge)?;
    let carry = exact.checked_rem(per.into()).ok_or(No::AmountTooLarge)?;
    let amount = u64::try_from(whole).ok().map(Ucredit).filter(|amount| *amount <= Ucredit::MAX);
    Ok(Carried {
        amount: amount.ok_or(No::AmountTooLarge)?,
        carry: u64::try_from(carry).map_err(|_| No::AmountTooLarge)?,
    })
}

/// `⌊whole × part / of⌋`; nothing of nothing.
pub fn portion(whole: Ucredit, part: u64, of: u64) -> Ucredit {
    let wide = u128::from(whole.0).saturating_mul(part.into()).checked_div(of.into()).unwrap_or(0);
    Ucredit(u64::try_from(wide).unwrap_or(u64::MAX).min(Ucredit::MAX.0))
}

/// (H) A whole in parts by weight: each `⌊whole × weight / Σ⌋`, the rest to the first of the heaviest. Nothing where all weigh nothing.
pub fn split(whole: Ucredit, weights: &[u64]) -> Vec<Ucredit> {
    let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let part = |weight: &u64| {
        let wide = u128::from(whole.0).saturating_mul((*weight).into()).checked_div(sum).unwrap_or(0);
        Ucredit(u64::try_from(wide).unwrap_or(0))
    };
    let mut parts: Vec<Ucredit> = weights.iter().map(part).collect();
    let given = parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.0));
    let heaviest = weights.iter().max().copied().unwrap_or(0);
    let first = weights.iter().position(|weight| *weight == heaviest && sum > 0);
    if let Some(part) = first.and_then(|at| parts.get_mut(at)) {
        part.0 = part.0.saturating_add(whole.0.saturating_sub(given));
    }
    parts
}
