//! Which code goes between which accounts, and who may start it (`docs/design/ledger.md` §2, §3).
//!
//! (A) A member starts holds of 200, 120 and 210 and moves of 400; 410 and 411 only where the bridge is on; nothing else, and only
//! out of its own account. (B) Escrow takes part in holds alone, genesis in nothing. (C) Every code names the classes it goes between;
//! what the table does not say is refused, whoever asks.

use super::No;
use model::AccountClass::{
    Bridge, Circle, Clearing, Commons, Escrow, Insurance, Member, Operator, Panel, Repair, Standby, WriteOff,
};
use model::{AccountClass, AccountNo, Code, TransferKind};

/// Who starts a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starter {
    /// A member, by its signature, out of its own account.
    Member {
        /// Whose signature.
        account: AccountNo,
        /// The operator has opened the bridge.
        with_bridge: bool,
    },
    /// The cloud, by its rules. (B) holds for every hold and move. Where a subject lets a member's ids in here, it judges
    /// their time ([`super::id::judge_time`]) and the signature itself.
    System,
    /// The cloud, for what may be owed beyond the limit: bytes that are stored already, rescue reads (§8), in a circle what was relayed,
    /// and, until something is set aside before work begins, what was computed already: else its payer would be let off, and others
    /// pay. For other codes it is [`Self::System`].
    Owed,
}

impl Starter {
    /// Whether this move may leave the account beyond its limit.
    pub fn may_owe(self, code: Code, debit: AccountNo) -> bool {
        self == Self::Owed
            && matches!(code, Code::Storage | Code::Egress | Code::Compute | Code::Relay)
            && debit.is_of_people()
    }
}

const PEOPLE: &[AccountClass] = &[Member, Circle];
/// Everybody but escrow and genesis.
const ANY: &[AccountClass] =
    &[Member, Circle, Clearing, Repair, Insurance, Commons, Standby, Panel, Operator, Bridge, WriteOff];
const PAID: &[AccountClass] = &[Member, Circle, Clearing];
const BEARS: &[AccountClass] = &[Insurance, WriteOff];

/// Classes a code's balance moves between, by move or post: from, to. None where it is for holds only.
const fn sides(code: Code) -> (&'static [AccountClass], &'static [AccountClass]) {
    match code {
        // Reserve and clearing also pay each other: what pooled holders are short of, what they leave.
        Code::Storage | Code::Compute | Code::Repair | Code::Egress | Code::Load => {
            (&[Member, Circle, Clearing, Repair], &[Member, Circle, Clearing, Repair])
        }
        // A center's own relay earns for who runs it.
        Code::Relay => (&[Member, Circle, Clearing, Repair], &[Member, Circle, Clearing, Repair, Operator]),
        Code::Allowance => (&[], &[]),
        Code::Buffer => (PEOPLE, &[Repair]),
        Code::Bounty | Code::Work | Code::Refund | Code::Bond | Code::Gift => (PEOPLE, PEOPLE),
        Code::Panel => (&[Member, Circle, Panel], PEOPLE),
        Code::ToInsurance => (PAID, &[Insurance]),
        Code::ToOperator => (PAID, &[Operator]),
        Code::ToPanel => (PAID, &[Panel]),
        Code::Sweep => (&[Operator, Repair], &[Commons]),
        Code::Demurrage | Code::Dormant => (PEOPLE, &[Commons]),
        Code::Stipend => (&[Commons], PEOPLE),
        Code::Dues => (PEOPLE, &[Commons]),
        Code::Standby => (&[Commons, Standby], &[Member, Circle, Standby]),
        Code::TopUp => (&[Bridge], PEOPLE),
        Code::CashOut => (PEOPLE, &[Bridge]),
        // To clearing: what a payer signed beyond what it can pay.
        Code::BadDebt => (BEARS, PAID),
        Code::Repay => (&[Member, Circle, Insurance], BEARS),
        Code::VouchLoss => (PEOPLE, &[Member, Circle, Insurance]),
        Code::Correction => (ANY, ANY),
    }
}

/// Codes a hold is made for.
const fn is_held(code: Code) -> bool {
    matches!(
        code,
        Code::Allowance
            | Code::Buffer
            | Code::Bounty
            | Code::Bond
            | Code::Load
            | Code::Compute
            | Code::Panel
            | Code::ToOperator
            | Code::ToPanel
            | Code::Gift
            | Code::CashOut
    )
}

/// (A) Whether a member may start a transfer of this code and kind.
pub const fn member_may(code: Code, kind: TransferKind, with_bridge: bool) -> bool {
    match (code, kind) {
        (Code::Bounty | Code::Load | Code::Bond, TransferKind::Hold) | (Code::Gift, TransferKind::Move) => true,
        (Code::TopUp | Code::CashOut, TransferKind::Hold | TransferKind::Move) => with_bridge,
        _ => false,
    }
}

/// (A) Whether `starter` may start a transfer of this kind out of `debit`.
pub fn judge_starter(starter: Starter, code: Code, kind: TransferKind, debit: AccountNo) -> Result<(), No> {
    let no = |why| Err(No::CodeNotAllowed { code, kind, why });
    match starter {
        Starter::System | Starter::Owed => Ok(()),
        Starter::Member { with_bridge, .. } if !member_may(code, kind, with_bridge) => no("a member"),
        Starter::Member { account, .. } if account != debit => no("another member"),
        Starter::Member { .. } => Ok(()),
    }
}

/// (B, C) Whether a move or post of this code goes between these accounts.
pub fn judge_sides(code: Code, kind: TransferKind, debit: AccountNo, credit: AccountNo) -> Result<(), No> {
    let (from, to) = sides(code);
    let is_in =
        |account: AccountNo, classes: &[AccountClass]| account.class().is_some_and(|one| classes.contains(&one));
    if is_in(debit, from) && is_in(credit, to) {
        return Ok(());
    }
    Err(No::CodeNotAllowed { code, kind, why: "such an account" })
}

/// (B, C) Whether a hold of this code may be made.
pub fn judge_hold(code: Code, debit: AccountNo, escrow: AccountNo) -> Result<(), No> {
    if is_held(code) && debit.is_of_people() && escrow.class() == Some(Escrow) {
        return Ok(());
    }
    Err(No::CodeNotAllowed { code, kind: TransferKind::Hold, why: "such an account" })
}
