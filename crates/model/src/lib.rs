//! The words of pumasi: ids, units, time, regions, resources, schemes, credits.
//!
//! Parse, format, compare, and nothing else: no clock, file, socket, thread or hidden randomness. Every other room
//! imports this one; it imports none of ours. A word enters `docs/GLOSSARY.md` before it enters here.

pub mod compute;
pub mod credits;
pub mod errors;
pub mod fleet;
pub mod ids;
pub mod ledger;
pub mod program;
pub mod region;
pub mod scheme;
pub mod time;
pub mod units;

pub use compute::{Check, FailKind, ItemRef, JobKind, JobPause, JobState, Trust, TrustSet};
pub use credits::Credits;
pub use fleet::{
    Arch, Capability, LinkKind, NatKind, NodeState, Os, PauseReason, Presence, RegionEvidence, Roles, Tier,
};
pub use ids::{
    AccountId, Alias, BucketId, CloudKey, DeviceId, JobId, MemberId, NodeId, PgId, SegmentId, TicketId, TransferId,
};
pub use ledger::{AccountClass, AccountNo, Code, MemberState, Resource, TransferKind, Ucredit};
pub use region::Region;
pub use scheme::{Class, Scheme};
pub use time::{HourOfWeek, Span, Stamp, TimeScale};
pub use units::{Bytes, Kbps, Ppm};

/// What a word could not be read as: the field, what stood there, and why it does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be `{value}`: {why}")]
pub struct ParseError {
    /// The kind of word that was expected, e.g. `size`.
    pub what: &'static str,
    /// What stood there, cut to 80 characters.
    pub value: String,
    /// Why it does not fit, a lower-case fragment.
    pub why: &'static str,
}

impl ParseError {
    /// An error for `value`, cut to 80 characters so that a hostile input cannot flood a log.
    pub fn new(what: &'static str, value: &str, why: &'static str) -> Self {
        Self { what, value: value.chars().take(80).collect(), why }
    }
}
