//! Formats of the wire: golden bytes and hostile bytes.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests read and write their golden file")]

mod compute;
mod golden;
mod hostile;
mod ledger;
mod rebuild;
mod samples;
mod settle;
