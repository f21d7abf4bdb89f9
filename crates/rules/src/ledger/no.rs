//! Every lawful no of the ledger, with its reason (`docs/design/ledger.md` §3, `docs/design/errors.md`).

use crate::Refusal;
use model::{AccountNo, Code, Credits, Resource, Stamp, TransferId, TransferKind, Ucredit, errors};
use std::fmt;

/// Why a transfer is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum No {
    /// The id was used, with another content: of this field.
    IdReused {
        /// Whose.
        id: TransferId,
        /// What differs.
        field: &'static str,
    },
    /// The id says it was made later than any clock allows.
    IdFromFuture {
        /// Whose.
        id: TransferId,
        /// When it says.
        made: Stamp,
    },
    /// The id is older than rows are kept.
    IdTooOld {
        /// Whose.
        id: TransferId,
        /// When it says.
        made: Stamp,
    },
    /// (B) would break.
    InsufficientCredit {
        /// Who cannot.
        account: AccountNo,
        /// What the account can spend.
        available: Credits,
        /// What was asked.
        needed: Ucredit,
        /// What stands held.
        held: Ucredit,
    },
    /// The account may start nothing.
    AccountFrozen(AccountNo),
    /// The account is gone.
    AccountClosed(AccountNo),
    /// There is no such account.
    UnknownAccount(AccountNo),
    /// Both sides are one.
    SameAccount(AccountNo),
    /// Nothing would move.
    ZeroAmount,
    /// A counter would overflow.
    AmountTooLarge,
    /// A group is empty or has too many rows.
    GroupSize(usize),
    /// A hold's time is over already, or longer than any hold lasts.
    BadExpiry(Stamp),
    /// There is no such hold, or nothing of it is left.
    HoldClosed(TransferId),
    /// Less of it is left.
    HoldExceeded {
        /// Which.
        hold: TransferId,
        /// What is left.
        remaining: Ucredit,
    },
    /// Its time is over.
    HoldExpired(TransferId),
    /// Its time is not over, or a subject still argues about it.
    HoldNotDue(TransferId),
    /// No version of the price book has this price.
    NoPrice {
        /// Which version.
        version: u32,
        /// Of what.
        resource: Resource,
    },
    /// Who asks may not start this, or the code does not go between these accounts.
    CodeNotAllowed {
        /// What for.
        code: Code,
        /// What it does.
        kind: TransferKind,
        /// Who may not.
        why: &'static str,
    },
}

impl No {
    /// As people read it.
    pub fn refusal(&self) -> Refusal {
        let bad = |field, value: &dyn fmt::Display, why| {
            Refusal::new(errors::BAD_VALUE).with("field", field).with("value", value).with("why", why)
        };
        let over = |id, state| Refusal::new(errors::HOLD_OVER).with("id", id).with("state", state);
        let frozen = |who, why| Refusal::new(errors::MEMBER_FROZEN).with("who", who).with("why", why);
        match self {
            Self::IdReused { id, field } => Refusal::new(errors::TRANSFER_CONFLICT).with("id", id).with("field", field),
            Self::IdFromFuture { id, made } | Self::IdTooOld { id, made } => {
                Refusal::new(errors::ID_TIME).with("id", id).with("when", made)
            }
            Self::InsufficientCredit { available, needed, held, .. } => {
                Refusal::new(errors::CREDITS_SHORT).with("need", needed).with("have", available).with("held", held)
            }
            Self::AccountFrozen(account) => frozen(account, "until the operator has looked"),
            Self::AccountClosed(account) => frozen(account, "it is closed"),
            Self::UnknownAccount(account) => Refusal::new(errors::ACCOUNT_UNKNOWN).with("id", account),
            Self::SameAccount(account) => bad("account", account, "both sides are the same"),
            Self::ZeroAmount => bad("amount", &0, "nothing would move"),
            Self::AmountTooLarge => bad("amount", &format!("> {}", Ucredit::MAX), "no balance is so large"),
            Self::GroupSize(rows) => bad("group", rows, "a group has 1 to 256 rows"),
            Self::BadExpiry(at) => bad("expires", at, "it is over already or too far away"),
            Self::HoldClosed(hold) => over(hold, "closed"),
            Self::HoldExceeded { hold, remaining } => over(hold, "smaller").with("remaining", remaining),
            Self::HoldExpired(hold) => over(hold, "expired"),
            Self::HoldNotDue(hold) => over(hold, "open"),
            Self::NoPrice { version, resource } => {
                bad("price", &format!("{version} {resource}"), "there is no such price")
            }
            Self::CodeNotAllowed { code, kind, why } => {
                Refusal::new(errors::NOT_ALLOWED).with("who", why).with("verb", kind).with("thing", code)
            }
        }
    }
}

impl fmt::Display for No {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal().fmt(f)
    }
}

impl std::error::Error for No {}
