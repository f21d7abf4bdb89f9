//! The policies that are held against each other: the rows of `docs/design/ledger.md` §12.

use model::{Credits, Ucredit};
use rules::ledger::{Account, debt_first, limit};

/// What a member may owe before it has earned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The same for everybody, from the first day, in credits.
    Flat(u64),
    /// 5, 15, 30, as the rules have it.
    Steps,
}

/// Where the operator's share goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commons {
    /// To the commons, and from there to free capacity; no stipend, no demurrage.
    Standby,
    /// To the commons and out again by the rules, with demurrage and stipend.
    Full,
    /// The operator keeps it; demurrage and stipend go on.
    Hoarded,
}

/// How new pieces find their holders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placing {
    /// By the real placement of public pools: four drawn by weight, the best of them for the weakest hour.
    Groups,
    /// By weight alone, without groups, caps and hours, and every piece of the pool anew each day: what debt first could do if no piece
    /// stayed where it is.
    Anew,
}

/// One policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line.
    pub about: &'static str,
    /// Limit at the beginning.
    pub opening: Opening,
    /// Credits over which the weight falls by e; nothing: everybody weighs the same.
    pub tau: Option<i64>,
    /// The operator's share.
    pub commons: Commons,
    /// Days of a settlement period.
    pub settle_days: u64,
    /// Buffers, newcomers' dues and an insurance share that follows bad debt.
    pub has_all: bool,
    /// Some members buy from those in surplus.
    pub has_bridge: bool,
    /// Leavers in a hundred that run; as the mix says where nothing is said.
    pub run_percent: Option<u64>,
    /// What the reserve has above its floor goes to the commons.
    pub sweeps_reserve: bool,
    /// Debt is weighed by how much of its limit a member owes, not in credits.
    pub is_relative: bool,
    /// Every owner with a machine bears a stipend, however long it is on.
    pub stipend_to_all: bool,
    /// Whoever would come to its limit within so many days by what it stores and earns writes nothing more.
    pub runway_days: Option<u64>,
    /// How pieces find holders.
    pub placing: Placing,
    /// A closed circle of 20 always-on members.
    pub is_circle: bool,
}

const PRO_RATA: Policy = Policy {
    name: "pro-rata",
    about: "L0 = 30, work by free space and quality, settled daily",
    opening: Opening::Flat(30),
    tau: None,
    commons: Commons::Standby,
    settle_days: 1,
    has_all: false,
    has_bridge: false,
    run_percent: None,
    sweeps_reserve: false,
    is_relative: false,
    stipend_to_all: false,
    runway_days: None,
    placing: Placing::Groups,
    is_circle: false,
};
const TAU_10: Policy = Policy { name: "tau-10", about: "+ debt first, τ = 10", tau: Some(10), ..PRO_RATA };
const STIPEND: Policy = Policy { name: "stipend", about: "+ demurrage and stipend", commons: Commons::Full, ..TAU_10 };
const FINAL: Policy = Policy {
    name: "final",
    about: "the final set: limit in steps, buffers, dues, insurance that follows bad debt",
    opening: Opening::Steps,
    has_all: true,
    ..STIPEND
};
const SWEPT: Policy =
    Policy { name: "swept", about: "final set, the reserve's rest goes to the commons", sweeps_reserve: true, ..FINAL };
const CHANGED: Policy = Policy {
    name: "changed",
    about: "swept; debt by share of the limit, stipend to all who lend, no writing with less than 60 days to the limit",
    is_relative: true,
    stipend_to_all: true,
    runway_days: Some(60),
    ..SWEPT
};
const LEAN: Policy = Policy {
    name: "lean",
    about: "changed, without buffers, dues and a moving insurance share",
    has_all: false,
    ..CHANGED
};
const CIRCLE: Policy =
    Policy { name: "circle", about: "closed circle, 20 always-on, L0 = 30, pro rata", is_circle: true, ..PRO_RATA };

/// All of them, in the order of the table: the chapter's, and from `swept` on what the first runs asked for.
pub const POLICIES: [Policy; 25] = [
    Policy { name: "no-limit", about: "L0 = 0, pro rata", opening: Opening::Flat(0), ..PRO_RATA },
    PRO_RATA,
    Policy { name: "tau-100", about: "+ debt first, τ = 100", tau: Some(100), ..PRO_RATA },
    Policy { name: "tau-30", about: "+ debt first, τ = 30", tau: Some(30), ..PRO_RATA },
    TAU_10,
    STIPEND,
    Policy { name: "weekly", about: "the same, settled weekly", settle_days: 7, ..STIPEND },
    Policy { name: "monthly", about: "the same, settled monthly", settle_days: 30, ..STIPEND },
    Policy { name: "hoard", about: "the same, the operator keeps its share", commons: Commons::Hoarded, ..STIPEND },
    FINAL,
    Policy { name: "final-pro-rata", about: "the final set without debt first", tau: None, ..FINAL },
    Policy { name: "bridge", about: "final set, 25 % may buy from members in surplus", has_bridge: true, ..FINAL },
    Policy {
        name: "bridge-run",
        about: "the same, all leavers run",
        has_bridge: true,
        run_percent: Some(100),
        ..FINAL
    },
    SWEPT,
    Policy {
        name: "swept-anew",
        about: "the same, every piece placed by weight anew each day",
        placing: Placing::Anew,
        ..SWEPT
    },
    CHANGED,
    Policy { name: "changed-pro-rata", about: "the same without debt first", tau: None, ..CHANGED },
    Policy {
        name: "changed-anew",
        about: "changed, every piece placed by weight anew each day",
        placing: Placing::Anew,
        ..CHANGED
    },
    Policy { name: "swept-bridge", about: "swept, 25 % may buy from members in surplus", has_bridge: true, ..SWEPT },
    Policy { name: "changed-bridge", about: "changed, 25 % may buy", has_bridge: true, ..CHANGED },
    LEAN,
    Policy { name: "lean-pro-rata", about: "the same without debt first", tau: None, ..LEAN },
    Policy { name: "lean-bridge", about: "lean, 25 % may buy from members in surplus", has_bridge: true, ..LEAN },
    CIRCLE,
    Policy {
        name: "circle-60",
        about: "circle, L0 = 60 and demurrage",
        opening: Opening::Flat(60),
        commons: Commons::Full,
        ..CIRCLE
    },
];

/// The policy called `name`.
pub fn policy(name: &str) -> Option<Policy> {
    POLICIES.into_iter().find(|policy| policy.name == name)
}

impl Policy {
    /// What a member may owe before it has earned: what it has shown by the real rule, or the same for everybody.
    pub fn l0(&self, shown: limit::Shown) -> Ucredit {
        match self.opening {
            Opening::Flat(credits) => Ucredit::whole(credits),
            Opening::Steps => limit::l0(shown),
        }
    }

    /// Where an owner stands on the scale of the committed table, whose τ is 10 credits; at 0 where the policy does not look.
    pub fn position(&self, account: &Account) -> Credits {
        let Some(tau) = self.tau else { return Credits::ZERO };
        let mut position = debt_first::position(account.balance(), Ucredit::ZERO);
        if self.is_relative {
            let limit = account.limit.max(limit::L0_OPENING);
            let wide = i128::from(position.0) * i128::from(limit::L0_PROVEN.0) / i128::from(limit.0);
            position = Credits(i64::try_from(wide).unwrap_or(0));
        }
        Credits(position.0.saturating_mul(debt_first::TAU / 1_000_000) / tau)
    }

    /// Whether demurrage and stipend are on.
    pub fn has_stipend(&self) -> bool {
        self.commons != Commons::Standby
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_apart_and_tau_scales_the_table() {
        assert!(POLICIES.iter().all(|one| policy(one.name) == Some(*one)));
        let weight = |name: &str, credits: i64| {
            let no = model::AccountNo::new(model::AccountClass::Member, 1);
            let mut account = Account::open(no, model::MemberState::Active, Ucredit::whole(60));
            let side = if credits < 0 { &mut account.debits } else { &mut account.credits };
            *side = Ucredit::whole(credits.unsigned_abs());
            debt_first::weight(policy(name).unwrap().position(&account))
        };
        assert_eq!(weight("pro-rata", -50), debt_first::NEUTRAL);
        assert_eq!(weight("tau-10", -10), weight("tau-30", -30));
        assert_eq!(weight("tau-100", -100), weight("tau-10", -10));
        assert_eq!(weight("changed", -20), weight("swept", -10), "a third of a limit of 60 weighs as a third of 30");
    }
}
