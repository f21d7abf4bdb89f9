//! Why a limit is what it is, as it is kept and as people read it, and what would raise it next.
//!
//! (A) What is kept reads back to the same. (B) What is said to raise a limit does raise it.

use super::{EARNING_DAYS, L0_PROVEN, L0_SERVED, LIMIT_MAX, Shown, l0, own_limit};
use model::{Span, Ucredit};
use std::fmt;
use std::str::FromStr;

/// Service that takes an account from the first limit to the second.
pub const SERVED: Span = Span::hours(24);
/// Service with audits passed that takes it to the third.
pub const PROVEN: Span = Span::days(7);

/// Why a member may owe so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is new.
    Opening,
    /// A private cloud gives everybody as much.
    Private,
    /// It has served for 24 h.
    Served,
    /// It has served for 7 days with audits passed.
    Proven,
    /// 60 days of its mean earnings × its audits.
    Earned {
        /// A day.
        mean: Ucredit,
        /// In ten thousandths.
        audits_bps: u64,
    },
    /// Its debt was written off.
    WrittenOff,
}

impl Why {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Private => "private",
            Self::Served => "served",
            Self::Proven => "proven",
            Self::Earned { .. } => "earned",
            Self::WrittenOff => "written_off",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earned { mean, audits_bps } => write!(f, "earned {} {audits_bps}", mean.0),
            why => f.write_str(why.word()),
        }
    }
}

impl FromStr for Why {
    type Err = ();
    /// (A)
    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split(' ').collect();
        Ok(match parts.as_slice() {
            ["opening"] => Self::Opening,
            ["private"] => Self::Private,
            ["served"] => Self::Served,
            ["proven"] => Self::Proven,
            ["written_off"] => Self::WrittenOff,
            ["earned", mean, audits] => {
                let (mean, audits) = (mean.parse(), audits.parse());
                Self::Earned { mean: Ucredit(mean.map_err(drop)?), audits_bps: audits.map_err(drop)? }
            }
            _ => return Err(()),
        })
    }
}

/// A limit and why it is that. A private cloud keeps everybody's at the same; nobody vouches yet.
pub fn decide(shown: Shown, mean: Ucredit, audits_bps: u64) -> (Ucredit, Why) {
    let first = l0(shown);
    if shown.is_private {
        return (first, Why::Private);
    }
    let own = own_limit(first, mean, audits_bps);
    let why = match () {
        () if own > first => Why::Earned { mean, audits_bps },
        () if first >= L0_PROVEN => Why::Proven,
        () if first >= L0_SERVED => Why::Served,
        () => Why::Opening,
    };
    (own, why)
}

/// What would raise a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raise {
    /// So much more verified service takes it to this.
    Serve {
        /// How long.
        more: Span,
        /// How much then.
        to: Ucredit,
    },
    /// So much more service with audits passed does.
    Prove {
        /// How long.
        more: Span,
        /// How much then.
        to: Ucredit,
    },
    /// More than so much a day on average does.
    Earn {
        /// A day.
        more_than: Ucredit,
    },
}

/// (B) What would raise a limit, the next thing first; nothing in a private cloud or at the most there is.
pub fn raises(shown: Shown, mean: Ucredit, audits_bps: u64) -> Vec<Raise> {
    let (now, _) = decide(shown, mean, audits_bps);
    if shown.is_private || now >= LIMIT_MAX {
        return Vec::new();
    }
    let left = |whole: Span, so_far: Span| Span::ms(whole.as_ms().saturating_sub(so_far.as_ms()));
    let mut out = Vec::new();
    let (served, proven) = (left(SERVED, shown.served), left(PROVEN, shown.audited));
    if served > Span::ZERO && L0_SERVED > now {
        out.push(Raise::Serve { more: served, to: L0_SERVED });
    }
    let proven = proven.max(served);
    if proven > Span::ZERO && L0_PROVEN > now {
        out.push(Raise::Prove { more: proven, to: L0_PROVEN });
    }
    let days = u128::from(EARNING_DAYS).saturating_mul(audits_bps.clamp(1, 10_000).into());
    let a_day = u128::from(now.0).saturating_mul(10_000).div_ceil(days.max(1));
    out.push(Raise::Earn { more_than: Ucredit(u64::try_from(a_day).unwrap_or(u64::MAX)) });
    out
}
