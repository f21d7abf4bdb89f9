//! Leave to do one kind of thing on nodes, as the center signs it: the one place where its permits are made, and where it is said
//! who pays for what is done under them.
//!
//! (A) A machine serves its own owner for nothing. (B) What the cloud does by itself is paid by the repair reserve where strangers'
//! machines are read from, and by nobody in a circle, whose members repair for each other.

use crate::Center;
use crate::db::StoreError;
use crate::ledger::seat;
use crate::ledger::settle::{chore, results};
use crate::refuse::Refused;
use model::{AccountClass, AccountNo, MemberId, NodeId, Span, Ucredit};
use rules::fleet::tier::Trust;
use rules::ledger::limit::{Shown, l0, may_spend};
use wire::signed::permit::FLAG_FREE;
use wire::signed::{Permit, PermitOp};

/// Who pays, as it stands in one permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payer {
    account: AccountNo,
    is_free: bool,
}

impl Payer {
    /// Nobody: the cloud's own work, for which nothing is owed.
    pub const NOBODY: Self = Self { account: AccountNo(0), is_free: true };

    /// Nothing is owed.
    pub const fn is_free(self) -> bool {
        self.is_free
    }
}

/// Who pays for an ask, whichever node serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pays {
    /// Nobody.
    Nobody,
    /// A member, from its account, and nothing at its own machines.
    Member(MemberId, AccountNo),
    /// The repair reserve, for the work of a steward; nothing at machines of the steward's own owner, so that nobody draws on the
    /// reserve by its own word. With no steward the center itself does it.
    Reserve(Option<MemberId>),
}

impl Pays {
    /// What follows for a node of this owner. (A)
    pub fn at(self, owner: &MemberId) -> Payer {
        match self {
            Self::Nobody => Payer::NOBODY,
            Self::Member(member, account) => Payer { account, is_free: member == *owner },
            Self::Reserve(steward) => {
                Payer { account: seat::only(AccountClass::Repair), is_free: steward == Some(*owner) }
            }
        }
    }

    /// Who pays for what a steward of this owner reads, or the center where it is nobody's. (B)
    pub fn of_work(center: &Center, owner: Option<MemberId>) -> Self {
        match center.settings().trust() {
            Trust::Public => Self::Reserve(owner),
            Trust::Circle => Self::Nobody,
        }
    }
}

impl Center {
    /// What a member may owe before it has shown anything.
    pub(crate) fn first_limit(&self) -> Ucredit {
        l0(Shown { is_private: self.settings().trust() == Trust::Circle, ..Shown::default() })
    }

    /// What paid results go by now.
    pub(crate) fn result_terms(&self) -> results::Terms {
        results::Terms { periods: chore::periods(self), limit: self.first_limit(), now: self.now() }
    }

    /// The ledger account of a member, opened when it is needed first.
    pub(crate) async fn account_of(&self, member: &MemberId) -> Result<AccountNo, StoreError> {
        self.ledger().member(member, self.first_limit()).await
    }

    /// A member as who pays for what it writes or has computed; E0602 where it is at its limit. In a circle it is only last in the
    /// queue then.
    pub(crate) async fn spends(&self, member: &MemberId) -> Result<Pays, Refused> {
        let account = self.account_of(member).await?;
        if let Some(opened) = self.ledger().account(account).await? {
            may_spend(&opened.account, self.settings().trust() == Trust::Circle)?;
        }
        Ok(Pays::Member(*member, account))
    }

    /// A member as who pays for reading. Reading goes on where the ledger cannot be written: it is free then.
    pub(crate) async fn read_by(&self, member: &MemberId) -> Pays {
        match self.account_of(member).await {
            Ok(account) => Pays::Member(*member, account),
            Err(error) => {
                tracing::warn!(%error, member = %member.short(), "an account was not opened; reading is free meanwhile");
                Pays::Nobody
            }
        }
    }
}

/// What one session may do on one node.
#[derive(Debug, Clone, Copy)]
pub struct Leave {
    /// What.
    pub op: PermitOp,
    /// Key of the endpoint that will do it.
    pub session: NodeId,
    /// Where.
    pub node: NodeId,
    /// To what ([`Permit::pg_target`]); zero where the operation has no target.
    pub target: [u8; 16],
    /// Generation of the group that is the target.
    pub generation: u64,
    /// Up to so many bytes.
    pub units: u64,
    /// For so long.
    pub life: Span,
    /// Who pays.
    pub payer: Payer,
}

impl Leave {
    /// The permit, signed now, as bytes.
    pub fn sign(&self, center: &Center) -> [u8; Permit::LEN] {
        let (now, cloud) = (center.now(), center.keys().cloud_key());
        let permit = Permit {
            op: self.op,
            flags: if self.payer.is_free { FLAG_FREE } else { 0 },
            serial: Permit::serial_of(now, center.random()),
            target: self.target,
            node: self.node.0,
            session: self.session.0,
            cloud: cloud.0[..8].try_into().expect("a key has 32 bytes"),
            payer: self.payer.account.0,
            max_units: self.units,
            max_units_node: self.units,
            not_after: now + self.life,
            generation: self.generation,
            revocation_epoch: 0,
            key_epoch: 0,
        };
        permit.sign(&center.keys().permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_serves_its_own_owner_for_nothing() {
        let (one, two) = (MemberId([1; 16]), MemberId([2; 16]));
        let account = AccountNo::new(AccountClass::Member, 7);
        let pays = Pays::Member(one, account);
        assert_eq!(pays.at(&two), Payer { account, is_free: false });
        assert_eq!(pays.at(&one), Payer { account, is_free: true }, "(A)");
        let reserve = seat::only(AccountClass::Repair);
        assert_eq!(Pays::Reserve(Some(one)).at(&two), Payer { account: reserve, is_free: false });
        assert!(Pays::Reserve(Some(one)).at(&one).is_free, "no steward pays its own owner");
        assert!(!Pays::Reserve(None).at(&one).is_free, "the center is nobody's");
        assert_eq!(Pays::Nobody.at(&two), Payer::NOBODY);
    }
}
