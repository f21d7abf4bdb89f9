//! Credits: whole micro-credits with checked arithmetic. No floating point comes near them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount in µcredit (10⁻⁶ credit); negative is a debt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Credits(pub i64);

impl Credits {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `n` whole credits, or nothing where it does not fit.
    pub fn whole(n: i64) -> Option<Self> {
        n.checked_mul(1_000_000).map(Self)
    }
    /// The sum, or nothing on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
    /// The difference, or nothing on overflow.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl fmt::Display for Credits {
    /// Credits with six decimals, zeros at the end cut, at least one kept: `1.25`, `-0.000001`, `3.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let abs = self.0.unsigned_abs();
        let decimals = format!("{:06}", abs % 1_000_000);
        let kept = decimals.trim_end_matches('0');
        write!(f, "{sign}{}.{}", abs / 1_000_000, if kept.is_empty() { "0" } else { kept })
    }
}

impl fmt::Debug for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}cr")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_print_exactly() {
        assert_eq!(Credits(1_250_000).to_string(), "1.25");
        assert_eq!(Credits(-1).to_string(), "-0.000001");
        assert_eq!(Credits(3_000_000).to_string(), "3.0");
        assert_eq!(Credits(i64::MIN).to_string(), "-9223372036854.775808");
    }

    #[test]
    fn overflow_is_seen() {
        assert_eq!(Credits(i64::MAX).checked_add(Credits(1)), None);
        assert_eq!(Credits::whole(i64::MAX), None);
    }
}
