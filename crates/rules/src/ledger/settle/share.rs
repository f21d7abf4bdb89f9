//! Step 2 of a settlement: what came in, shared between operator, insurance, reserve and holders.
//!
//! (G) Holders get what clearing has after the commission, with what the reserve gives above its floor. (H) Operator, insurance, repair
//! and the rest add up to what was taken.

use super::super::amount::amount;
use super::super::apply::Group;
use super::super::id::Purpose;
use super::super::row::Act;
use super::super::{Account, No, Starter};
use super::Due;
use super::{Carries, Part, Round, add, is_pooled, spendable};
use model::{Code, Ppm, Ucredit};
use std::collections::BTreeMap;

/// What came in, after every payer was charged.
#[derive(Debug, Clone)]
pub struct Taken {
    /// By version and variant, gross.
    pub taken: BTreeMap<(u32, super::Variant), Ucredit>,
    /// What all holders have earned together.
    pub wanted: Ucredit,
    /// Clearing as it stands, with everything taken.
    pub clearing: Account,
    /// The reserve as it stands.
    pub reserve: Account,
    /// What the reserve keeps: 30 days of forecast repair.
    pub floor: Ucredit,
    /// Carries of clearing.
    pub carries: Carries,
}

/// How much of what it earned every holder gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factor {
    /// What there is for them.
    pub there: Ucredit,
    /// What they earned.
    pub wanted: Ucredit,
}

impl Factor {
    /// Everything.
    pub const WHOLE: Self = Self { there: Ucredit(1), wanted: Ucredit(1) };

    /// A holder's part, rounded down.
    pub fn of(self, earned: Ucredit) -> Ucredit {
        super::portion(earned, self.there.0, self.wanted.0).min(earned)
    }

    /// As statements show it.
    pub fn ppm(self) -> Ppm {
        let ppm = super::portion(Ucredit(1_000_000), self.there.0, self.wanted.0);
        Ppm(u32::try_from(ppm.0).unwrap_or(0))
    }
}

/// What the share comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// To be applied; nothing where nothing moves.
    pub group: Option<Group>,
    /// Carries of clearing that changed.
    pub carries: Carries,
    /// What holders get of what they earned.
    pub factor: Factor,
    /// To the operator.
    pub operator: Ucredit,
    /// To the insurance.
    pub insurance: Ucredit,
    /// To the reserve, for repair.
    pub repair: Ucredit,
    /// To the reserve, because fewer bytes are held than were paid for.
    pub left: Ucredit,
    /// From the reserve, because more are.
    pub given: Ucredit,
}

/// Step 2: shares what came in, once. Every holder of the period before is paid by then: what clearing has is this one's.
///
/// # Errors
/// [`No::NoPrice`], [`No::AmountTooLarge`].
pub fn share(round: &Round<'_>, facts: &Taken) -> Result<Shared, No> {
    let mut out = Shared {
        group: None,
        carries: Carries::new(),
        factor: Factor::WHOLE,
        operator: Ucredit::ZERO,
        insurance: Ucredit::ZERO,
        repair: Ucredit::ZERO,
        left: Ucredit::ZERO,
        given: Ucredit::ZERO,
    };
    let mut there = spendable(&facts.clearing);
    for (key, taken) in &facts.taken {
        let price = *round.price(&Due { version: key.0, variant: key.1, units: 0, quality_bps: 0 })?;
        for (part, of, sum) in [
            (Part::Repair, price.repair, &mut out.repair),
            (Part::Insurance, price.insurance, &mut out.insurance),
            (Part::Operator, price.operator, &mut out.operator),
        ] {
            let slot = round.slot(round.seats.clearing, *key, part);
            let carry = facts.carries.get(&slot).copied().unwrap_or(0);
            let (amount, carry) = part_of(*taken, (of, price.consumer), carry, there)?;
            there = there.less(amount);
            out.carries.insert(slot, carry);
            add(sum, amount)?;
        }
    }
    balance(&mut out, round, facts);
    let asks = asks(round, &out);
    out.group = (!asks.is_empty()).then_some(Group { starter: Starter::System, asks });
    Ok(out)
}

/// A part of what was taken, by its share of the price. Carries of several parts may come due together when next to nothing
/// was taken: what is not there then is carried on.
fn part_of(
    taken: Ucredit,
    (of, consumer): (Ucredit, Ucredit),
    carry: u64,
    there: Ucredit,
) -> Result<(Ucredit, u64), No> {
    let full = amount(taken.0, of, consumer.0.max(1), carry)?;
    let now = full.amount.min(there);
    let missing = full.amount.less(now).0.checked_mul(consumer.0);
    let carry = missing.and_then(|missing| full.carry.checked_add(missing)).ok_or(No::AmountTooLarge)?;
    Ok((now, carry))
}

fn balance(out: &mut Shared, round: &Round<'_>, facts: &Taken) {
    let shared = [out.operator, out.insurance, out.repair];
    let there = shared.iter().fold(spendable(&facts.clearing), |left, part| left.less(*part));
    let wanted = facts.wanted;
    if is_pooled(round.resource) {
        // Of computing no more is ever paid than was charged ([`super::Copies`]): what the reserve gives for it in one period it got in another.
        let reserve = Ucredit(spendable(&facts.reserve).0.saturating_add(out.repair.0));
        out.given = wanted.less(there).min(reserve.less(facts.floor));
        out.left = there.less(wanted);
    }
    if wanted > Ucredit::ZERO {
        let there = Ucredit(there.0.saturating_add(out.given.0)).min(wanted);
        out.factor = Factor { there, wanted };
    }
}

fn asks(round: &Round<'_>, out: &Shared) -> Vec<super::Ask> {
    let (seats, code) = (round.seats, round.resource.code());
    let ways = [
        (out.operator, seats.clearing, seats.operator, Code::ToOperator, 0),
        (out.insurance, seats.clearing, seats.insurance, Code::ToInsurance, 1),
        (out.repair, seats.clearing, seats.reserve, Code::Repair, 2),
        (out.left, seats.clearing, seats.reserve, code, 3),
        (out.given, seats.reserve, seats.clearing, code, 4),
    ];
    let some = ways.into_iter().filter(|(amount, ..)| *amount > Ucredit::ZERO);
    some.map(|(amount, debit, credit, code, part)| {
        round.ask(Purpose::SettleShare, (seats.clearing, part), Act::Move { debit, credit, amount }, code)
    })
    .collect()
}
