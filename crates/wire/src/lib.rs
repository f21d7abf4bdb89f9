//! What machines say to each other: one message file per subject, the envelope, limits, signed bytes, golden vectors.
//!
//! Messages are postcard; enums are append-only, and the number of the protocol stands in the envelope and in the
//! connection's application protocol (`model::program::ALPN`). Signed bytes are fixed layouts of their own
//! (`signed`), so that a signature never depends on a serializer. Messages are never stored and rows are never sent.
//!
//! (A) Every message has a named limit, checked before a byte is parsed. (B) Random bytes never panic a parser.
//! (C) The bytes of every message and signed layout are locked by golden files (`tests/golden`).

pub mod access;
pub mod account;
pub mod addr;
pub mod compute;
pub mod envelope;
pub mod fleet;
pub mod frame;
pub mod ledger;
pub mod limits;
pub mod link;
pub mod local;
pub mod rebuild;
pub mod settle;
pub mod shuffle;
pub mod signed;
pub mod storage;
pub mod ticket;

pub use addr::{PeerAddr, RelayHint};
pub use envelope::{Answer, Envelope, RefusalMsg, Reply, Request};
pub use frame::{WireError, decode, encode};
pub use link::Link;
pub use ticket::{Ticket, TicketError, TicketKind};
