//! Ledger: who owes whom, and nothing else (`docs/design/ledger.md`).
//!
//! A shell loads what a group of transfers touches, asks [`apply()`], and writes the answer's rows, accounts and holds in the
//! same transaction. [`Book`] is the same in memory, for tests, simulation and audits. [`check`] says what must hold between
//! any two groups, [`replay`] and [`chain`] how anybody with the rows comes to the same state, hash and daily root.
//! [`tariff`] is the price book, [`receipt`] judges what a node hands in, [`relay`] how relayed bytes are signed for, [`settle`] turns it
//! into groups, [`limit`] says how far a member may owe, [`allowance`] what covers permits, [`sweep`] what goes through the commons,
//! [`buffer`] what holders leave as a pledge, [`proved`] which free space is paid for, [`debt_first`] whom work goes to first.
//!
//! Properties of the whole, as the chapter letters them: (A) sums are zero after every group. (B) No hold and no move a member
//! started leaves more owed and held than balance and limit. (C) A transfer id is applied once. (D) Rows never change. (E) For
//! each hold posted + voided + expired + remaining = amount. (G) Paid out ≤ taken in + what the reserve gives. (H) Splits lose
//! nothing. (I) Every line leads to a root. (J) Replay gives the same state.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod account;
pub mod allowance;
pub mod amount;
pub mod apply;
pub mod book;
pub mod buffer;
pub mod chain;
pub mod check;
pub mod code;
pub mod cosign;
pub mod debt_first;
pub mod id;
pub mod limit;
pub mod no;
pub mod proved;
pub mod receipt;
pub mod relay;
pub mod replay;
pub mod roots;
pub mod row;
pub mod settle;
pub mod sum_tree;
pub mod sweep;
pub mod tariff;
#[cfg(test)]
mod tests;

pub use account::{Account, End, Hold};
pub use apply::{Applied, Facts, Group, Head, Needs, Outcome, Refused, apply};
pub use book::Book;
pub use code::Starter;
pub use no::No;
pub use row::{Act, Ask, Row};
