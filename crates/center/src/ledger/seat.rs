//! The system's own accounts: what number each has, opened when the ledger starts first (`docs/design/ledger.md` §2).
//!
//! Numbers stand in rows for ever, so they are written here once. The owner of a seat is its word, in bytes.

use model::{AccountClass, AccountNo, Resource};

/// What escrow is for: one account each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Escrow {
    /// Bounties.
    Market = 1,
    /// Load runs.
    Load = 2,
    /// What covers a day's permits.
    Allowance = 3,
    /// Earnings held back.
    Buffer = 4,
    /// Requesters' bonds.
    Bond = 5,
    /// Jobs.
    Compute = 6,
}

impl Escrow {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Market, Self::Load, Self::Allowance, Self::Buffer, Self::Bond, Self::Compute];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Load => "load",
            Self::Allowance => "allowance",
            Self::Buffer => "buffer",
            Self::Bond => "bond",
            Self::Compute => "compute",
        }
    }

    /// Its account.
    pub const fn account(self) -> AccountNo {
        AccountNo::new(AccountClass::Escrow, self as u64)
    }
}

/// The account a resource's settlement passes through.
pub const fn clearing(resource: Resource) -> AccountNo {
    AccountNo::new(AccountClass::Clearing, resource.number() as u64)
}

/// The one account of a class: reserve, insurance, commons, standby pool, panel pool, operator, bridge, write-off, genesis.
pub const fn only(class: AccountClass) -> AccountNo {
    AccountNo::new(class, 1)
}

/// Classes with one account.
const SINGLE: [AccountClass; 9] = [
    AccountClass::Repair,
    AccountClass::Insurance,
    AccountClass::Commons,
    AccountClass::Standby,
    AccountClass::Panel,
    AccountClass::Operator,
    AccountClass::Bridge,
    AccountClass::WriteOff,
    AccountClass::Genesis,
];

/// Every seat with its word.
pub fn all() -> impl Iterator<Item = (AccountNo, &'static str)> {
    let escrow = Escrow::ALL.into_iter().map(|escrow| (escrow.account(), escrow.word()));
    let clearing = Resource::ALL.iter().map(|resource| (clearing(*resource), resource.word()));
    let single = SINGLE.into_iter().map(|class| (only(class), class.word()));
    escrow.chain(clearing).chain(single)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_seat_has_a_number_of_its_own_and_no_member_has_one() {
        let numbers: BTreeSet<_> = all().map(|(no, _)| no).collect();
        assert_eq!((numbers.len(), all().count()), (26, 26));
        assert!(numbers.iter().all(|no| no.class().is_some() && !no.is_of_people()));
        assert_eq!(Escrow::Buffer.account().to_string(), "escrow-4");
        assert_eq!(clearing(Resource::LoadDown).to_string(), "clearing-9");
    }
}
