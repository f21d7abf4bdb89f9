//! Ids of the cloud's own transfers: the beginning of a hash of what they are for, so that a second run is harmless
//! (`docs/design/ledger.md` §3).
//!
//! (A) The same purpose, time, account and resource give the same id. (B) No member can make one: members' ids bear a time, these
//! bear the first bit, so nobody can use up the id of a charge to come. (C) Members' ids are taken from [`ID_AHEAD`] in the future to
//! [`ID_HORIZON`] in the past.

use super::No;
use model::{AccountNo, JobId, Resource, Span, Stamp, TransferId};

/// How far in the future a member's id may be made.
pub const ID_AHEAD: Span = Span::mins(15);
/// How long rows are kept where ids are looked for.
pub const ID_HORIZON: Span = Span::days(400);

/// Why the cloud itself moves credits. Numbers are for ever: they stand in hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// A payer's or holder's net of a settlement.
    Settle,
    /// A payer's part out of one hold, by its place.
    SettleHold,
    /// What the insurance adds for a payer that signed too much.
    SettleShort,
    /// What the commission pays to insurance, operator, repair.
    SettleShare,
    /// What the reserve gives to holders.
    SettleReserve,
    /// Earnings held back.
    Buffer,
    /// A newcomer's dues.
    Dues,
    /// The operator's rest.
    Sweep,
    /// Stipend.
    Stipend,
    /// Standby pay.
    Standby,
    /// Demurrage.
    Demurrage,
    /// Dormant accounts.
    Dormant,
    /// Bad debt.
    BadDebt,
    /// The end of a hold by time.
    Expire,
    /// A day's cover of permits.
    Allowance,
    /// What was written off, paid back.
    Repay,
    /// A buffer given back.
    BufferBack,
    /// A buffer that pays for what its holder lost.
    BufferLost,
}

impl Purpose {
    const fn number(self) -> u8 {
        match self {
            Self::Settle => 1,
            Self::SettleHold => 2,
            Self::SettleShort => 3,
            Self::SettleShare => 4,
            Self::SettleReserve => 5,
            Self::Buffer => 6,
            Self::Dues => 7,
            Self::Sweep => 8,
            Self::Stipend => 9,
            Self::Standby => 10,
            Self::Demurrage => 11,
            Self::Dormant => 12,
            Self::BadDebt => 13,
            Self::Expire => 14,
            Self::Allowance => 15,
            Self::Repay => 16,
            Self::BufferBack => 17,
            Self::BufferLost => 18,
        }
    }
}

/// (A) Id of what the cloud does for `purpose` at `time` (a day, window or period by the purpose) for an account, for a
/// resource. `part` tells several of one kind apart.
pub fn system_id(purpose: Purpose, time: u64, account: AccountNo, resource: Option<Resource>, part: u32) -> TransferId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"pumasi v1 ledger id");
    hasher.update(&[purpose.number()]).update(&time.to_le_bytes()).update(&account.0.to_le_bytes());
    hasher.update(&[resource.map_or(0, Resource::number)]).update(&part.to_le_bytes());
    TransferId::hashed(hasher.finalize().as_bytes())
}

/// Id of the end of a hold by time: one for each.
pub fn expire_id(hold: TransferId) -> TransferId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"pumasi v1 ledger id").update(&[Purpose::Expire.number()]).update(&hold.0);
    TransferId::hashed(hasher.finalize().as_bytes())
}

/// Id of what is set aside for a job: by its number, one for each time its budget grows.
pub fn job_hold_id(job: &JobId, number: u32) -> TransferId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"pumasi v1 job hold").update(job.as_bytes()).update(&number.to_le_bytes());
    TransferId::hashed(hasher.finalize().as_bytes())
}

/// Id of giving back what is left of it: one for each.
pub fn job_hold_end_id(hold: TransferId) -> TransferId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"pumasi v1 job hold end").update(&hold.0);
    TransferId::hashed(hasher.finalize().as_bytes())
}

/// (B, C) Whether a member's id may be taken now.
///
/// # Errors
/// [`No::IdFromFuture`], [`No::IdTooOld`].
pub fn judge_time(id: TransferId, now: Stamp) -> Result<(), No> {
    match id.made_at() {
        None => Err(No::IdFromFuture { id, made: Stamp(u64::MAX) }),
        Some(made) if made.since(now) > ID_AHEAD => Err(No::IdFromFuture { id, made }),
        Some(made) if now.since(made) > ID_HORIZON => Err(No::IdTooOld { id, made }),
        Some(_) => Ok(()),
    }
}
