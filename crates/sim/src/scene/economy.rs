//! Does a cloud of mutual credit stay alive? Years of members against the real ledger, tariff, limits and weights.
//!
//! Fixed with the mix, before the first run: *fair short* is the share of member-days of fair members ([`mix::FAIR_STORED_PERCENT`],
//! [`mix::FAIR_AFTER_DAYS`]) on which the ledger says `at_limit`, `grace` or `released`, over all judged days. *Served* is what was
//! stored, read and computed of what was wanted, both at the consumer prices of book v1. *Bad debt* is what was written off, of what
//! members paid. Bars (ledger.md, done means): final set ≤ 3 % fair short, always-on ≥ 97 % served, bad debt ≤ 4 %; pro rata ≥ 30 % short.

pub mod mix;

/// What a run is of.
#[derive(Debug, Clone)]
pub struct Setup {}
