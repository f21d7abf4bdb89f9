//! Words of the ledger: amounts, accounts, what a transfer does and what for, what is metered (`docs/design/ledger.md` §1–§3).
//!
//! (A) Every word has one number for ever: numbers stand in rows that are never changed. (B) Amounts have no sign and no
//! unchecked arithmetic.

use crate::{Credits, ParseError, Stamp, TransferId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An amount that moves, in µcredit (10⁻⁶ credit).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Ucredit(pub u64);

impl Ucredit {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Largest amount, and largest counter of an account: what a balance with a sign can hold.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// `n` whole credits; the largest amount where it does not fit.
    pub const fn whole(n: u64) -> Self {
        Self(n.saturating_mul(1_000_000))
    }
    /// The sum, or nothing beyond [`Self::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self).filter(|sum| *sum <= Self::MAX)
    }
    /// The difference, or nothing below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
    /// The difference, zero where it would be less.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
    /// As a balance; nothing where it does not fit.
    pub fn credits(self) -> Option<Credits> {
        i64::try_from(self.0).ok().map(Credits)
    }
    /// Reads an integer of µcredit, as JSON carries it in a string.
    pub fn parse_micro(text: &str) -> Option<Self> {
        text.parse().ok().map(Self).filter(|amount| *amount <= Self::MAX)
    }
}

impl fmt::Display for Ucredit {
    /// As [`Credits`] print: `1.25`, `0.000001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:06}", self.0 % 1_000_000);
        let kept = decimals.trim_end_matches('0');
        write!(f, "{}.{}", self.0 / 1_000_000, if kept.is_empty() { "0" } else { kept })
    }
}

impl fmt::Debug for Ucredit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}cr")
    }
}

/// Defines an enum whose variants have a number and a word for ever.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident: $int:ty, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $number:literal $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* $variant = $number,)+ }

        impl $name {
            /// All, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its number.
            pub const fn number(self) -> $int {
                self as $int
            }
            /// By its number.
            pub fn from_number(number: $int) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.number() == number)
            }
            /// Its word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl FromStr for $name {
            type Err = ParseError;
            fn from_str(text: &str) -> Result<Self, ParseError> {
                let found = Self::ALL.iter().copied().find(|one| one.word() == text);
                found.ok_or_else(|| ParseError::new($what, text, "it is none of the words"))
            }
        }
    };
}

numbered! {
    /// Who has an account, as the first 8 bits of its number say.
    AccountClass: u8, "account class" {
        /// A member.
        Member = 10 "member",
        /// A circle of members.
        Circle = 11 "circle",
        /// Sees held credits only: nobody can spend escrow.
        Escrow = 20 "escrow",
        /// What is metered passes through, one per resource.
        Clearing = 21 "clearing",
        /// Pays repair, and what pooled holders are short of.
        Repair = 30 "repair",
        /// Bears bad debt, down to a public limit.
        Insurance = 31 "insurance",
        /// Gives back to all.
        Commons = 32 "commons",
        /// Pays for free capacity.
        Standby = 33 "standby",
        /// Pays jurors.
        Panel = 34 "panel",
        /// The center's keeper.
        Operator = 40 "operator",
        /// Top-up and cash-out.
        Bridge = 50 "bridge",
        /// Loss beyond what insurance bears.
        WriteOff = 60 "write_off",
        /// Nobody: every field stays 0.
        Genesis = 90 "genesis",
    }
}

/// Number of an account: class in the first 8 bits, sequence in the other 56.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountNo(pub u64);

impl AccountNo {
    /// Largest sequence.
    pub const SEQUENCE_MAX: u64 = (1 << 56) - 1;

    /// The `sequence`-th of its class; the sequence is cut to 56 bits.
    pub const fn new(class: AccountClass, sequence: u64) -> Self {
        Self(((class as u64) << 56) | (sequence & Self::SEQUENCE_MAX))
    }
    /// Its class; nothing where the number is no account's.
    pub fn class(self) -> Option<AccountClass> {
        AccountClass::from_number(self.0.to_be_bytes()[0])
    }
    /// Number within its class.
    pub const fn sequence(self) -> u64 {
        self.0 & Self::SEQUENCE_MAX
    }
    /// True for an account of people: a member's or a circle's.
    pub fn is_of_people(self) -> bool {
        matches!(self.class(), Some(AccountClass::Member | AccountClass::Circle))
    }
}

impl fmt::Display for AccountNo {
    /// `member-7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.class().map_or("?", AccountClass::word), self.sequence())
    }
}

impl fmt::Debug for AccountNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for AccountNo {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = |why| ParseError::new("account", text, why);
        let (class, sequence) = text.rsplit_once('-').ok_or_else(|| bad("it is written as member-7"))?;
        let class = class.parse().map_err(|_| bad("there is no such class"))?;
        let sequence: u64 = sequence.parse().map_err(|_| bad("the part behind the dash is no number"))?;
        if sequence > Self::SEQUENCE_MAX {
            return Err(bad("the number is too large"));
        }
        Ok(Self::new(class, sequence))
    }
}

numbered! {
    /// What a transfer does.
    TransferKind: u8, "kind of a transfer" {
        /// From one balance to another.
        Move = 1 "move",
        /// Set aside.
        Hold = 2 "hold",
        /// Out of a hold to somebody.
        Post = 3 "post",
        /// Out of a hold back to whose it is.
        Void = 4 "void",
        /// The same, because its time is over.
        Expire = 5 "expire",
    }
}

numbered! {
    /// What a transfer is for.
    Code: u16, "code" {
        /// Stored bytes.
        Storage = 100 "storage",
        /// Bytes read.
        Egress = 101 "egress",
        /// Bytes of audits and repair.
        Repair = 102 "repair",
        /// Verified results.
        Compute = 110 "compute",
        /// Load runs.
        Load = 120 "load",
        /// Relayed bytes.
        Relay = 130 "relay",
        /// A day's cover of permits.
        Allowance = 140 "allowance",
        /// Earnings held back against silent loss.
        Buffer = 150 "buffer",
        /// What stands behind a bounty.
        Bounty = 200 "bounty",
        /// Accepted work.
        Work = 201 "work",
        /// Back to the requester.
        Refund = 202 "refund",
        /// Jurors.
        Panel = 203 "panel",
        /// A requester's bond.
        Bond = 210 "bond",
        /// Commission to the insurance.
        ToInsurance = 300 "to_insurance",
        /// Commission to the operator.
        ToOperator = 301 "to_operator",
        /// What an operator does not need.
        Sweep = 302 "sweep",
        /// Commission to the panel pool.
        ToPanel = 304 "to_panel",
        /// On what lies idle.
        Demurrage = 310 "demurrage",
        /// From the commons, alike to all.
        Stipend = 311 "stipend",
        /// A newcomer's share to the commons.
        Dues = 312 "dues",
        /// For free capacity.
        Standby = 320 "standby",
        /// A present.
        Gift = 400 "gift",
        /// Into the cloud.
        TopUp = 410 "top_up",
        /// Out of the cloud.
        CashOut = 411 "cash_out",
        /// A debt written off.
        BadDebt = 500 "bad_debt",
        /// A written-off debt paid.
        Repay = 501 "repay",
        /// Loss of who vouched.
        VouchLoss = 502 "vouch_loss",
        /// An account nobody has come to for a year.
        Dormant = 510 "dormant",
        /// A correction, listed publicly.
        Correction = 900 "correction",
    }
}

numbered! {
    /// What is metered.
    Resource: u8, "resource" {
        /// MB·h: held by holders, used by members.
        Storage = 1 "storage",
        /// Bytes read from nodes.
        Egress = 2 "egress",
        /// Bytes written to nodes.
        Ingress = 3 "ingress",
        /// Bytes relayed.
        Relay = 4 "relay",
        /// Bytes sent for repair or audit.
        Repair = 5 "repair",
        /// Fuel.
        Compute = 6 "compute",
        /// Requests of load runs.
        LoadRequests = 7 "load_requests",
        /// Bytes sent by load runs.
        LoadUp = 8 "load_up",
        /// Bytes received by load runs.
        LoadDown = 9 "load_down",
        /// Node·seconds of load runs.
        LoadTime = 10 "load_time",
        /// MiB·s of services.
        Memory = 11 "memory",
    }
}

impl Resource {
    /// What its transfers are for.
    pub const fn code(self) -> Code {
        match self {
            Self::Storage => Code::Storage,
            Self::Egress | Self::Ingress => Code::Egress,
            Self::Relay => Code::Relay,
            Self::Repair => Code::Repair,
            Self::Compute | Self::Memory => Code::Compute,
            Self::LoadRequests | Self::LoadUp | Self::LoadDown | Self::LoadTime => Code::Load,
        }
    }
}

numbered! {
    /// How a member stands (`docs/design/ledger.md` §8).
    MemberState: u8, "state of a member" {
        /// Has lent nothing yet.
        Newcomer = 1 "newcomer",
        /// Uses and lends.
        Active = 2 "active",
        /// Less than 7 days of use left.
        Low = 3 "low",
        /// Nothing left to spend.
        AtLimit = 4 "at_limit",
        /// 30 days at the limit with stored data.
        Grace = 5 "grace",
        /// Its data is let go of, oldest first.
        Released = 6 "released",
        /// Its debt is borne by others.
        WrittenOff = 7 "written_off",
        /// Asked to go.
        Leaving = 8 "leaving",
        /// Gone.
        Closed = 9 "closed",
    }
}

impl TransferId {
    /// Set in the first byte of ids that are made from a hash: such an id has no time and is no member's.
    const HASHED: u8 = 0x80;

    /// An id made at `at` with 80 random bits. Times are cut to 47 bits (until the year 6429).
    pub fn made(at: Stamp, random: [u8; 10]) -> Self {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&at.as_ms().to_be_bytes()[2..]);
        id[6..].copy_from_slice(&random);
        id[0] &= !Self::HASHED;
        Self(id)
    }
    /// An id that is the beginning of a hash, so that a second run finds the first one's transfers.
    pub fn hashed(hash: &[u8; 32]) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        id[0] |= Self::HASHED;
        Self(id)
    }
    /// When it was made; nothing where it is the beginning of a hash.
    pub fn made_at(&self) -> Option<Stamp> {
        let mut ms = [0; 8];
        ms[2..].copy_from_slice(&self.0[..6]);
        (self.0[0] & Self::HASHED == 0).then_some(Stamp(u64::from_be_bytes(ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_read_back() {
        for class in AccountClass::ALL {
            assert_eq!(AccountClass::from_number(class.number()), Some(*class), "(A)");
            let no = AccountNo::new(*class, 77);
            assert_eq!((no.class(), no.sequence(), no.to_string().parse()), (Some(*class), 77, Ok(no)));
        }
        for code in Code::ALL {
            assert_eq!((Code::from_number(code.number()), code.word().parse()), (Some(*code), Ok(*code)), "(A)");
        }
        assert_eq!(AccountNo(7).class(), None);
        assert_eq!(AccountNo(7).to_string(), "?-7");
        assert!("member-99999999999999999".parse::<AccountNo>().is_err() && "user-1".parse::<AccountNo>().is_err());
        assert_eq!((Code::ALL.len(), Resource::ALL.len(), MemberState::ALL.len()), (29, 11, 9));
    }

    #[test]
    fn an_id_tells_when_it_was_made_and_a_hashed_one_has_no_time() {
        let at = Stamp(1_800_000_000_123);
        let id = TransferId::made(at, [255; 10]);
        assert_eq!((id.made_at(), id.to_string().parse()), (Some(at), Ok(id)));
        assert_eq!(TransferId::hashed(&[0; 32]).made_at(), None);
        assert!(TransferId::made(Stamp(u64::MAX), [0; 10]).made_at().is_some(), "no member makes a hashed one");
    }

    #[test]
    fn amounts_print_as_credits_and_never_wrap() {
        assert_eq!((Ucredit(1_250_000).to_string(), Ucredit(1).to_string()), ("1.25".into(), "0.000001".into()));
        assert_eq!(Ucredit::MAX.checked_add(Ucredit(1)), None, "(B)");
        assert_eq!((Ucredit(1).checked_sub(Ucredit(2)), Ucredit(1).less(Ucredit(2))), (None, Ucredit::ZERO), "(B)");
        assert_eq!((Ucredit::parse_micro("12"), Ucredit::parse_micro("-1")), (Some(Ucredit(12)), None));
        assert_eq!(Ucredit(u64::MAX).credits(), None);
    }
}
