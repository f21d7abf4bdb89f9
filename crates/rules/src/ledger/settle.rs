//! Due rows of a period into groups of transfers, through the clearing account of their resource (`docs/design/ledger.md` §5, §7).
//!
//! Three steps, each of which a shell commits by itself: [`charge`] each payer, [`share()`] what came in, once, [`pay`] each holder what
//! the share leaves for it. (G) Clearing pays what it has: paid out ≤ taken in + what the reserve gives above its floor. (H) Shares add
//! up to what was taken, fractions are carried. (Q) A step needs nothing that a later one changes, and its ids are deterministic: a
//! step that is repeated, after a crash or by a second center, finds its transfers made or is refused, never made twice. (R)
//! One transfer per account, resource, side and period, apart from what is posted out of holds. (S) Of a pooled resource the
//! reserve gets what is left, and providers what is there, alike; of others nobody loses: what could not be paid is due again.

mod share;

use super::amount::{Carried, amount, portion};
use super::apply::{GROUP_MAX, Group};
use super::id::{Purpose, system_id};
use super::row::{Act, Ask};
use super::tariff::{Price, Source, Tariff, Variant};
use super::{Account, No, Starter};
use model::{AccountNo, Code, MemberState, Resource, Stamp, TransferId, Ucredit};
use std::collections::BTreeMap;

pub use share::{Factor, Shared, Taken, share};

/// The whole, in ten thousandths.
pub const WHOLE_BPS: u64 = 10_000;
/// Of a holder's storage earnings, held back until its buffer is full.
pub const BUFFER_BPS: u64 = 2_500;
/// Of a newcomer's other earnings, to the commons.
pub const DUES_BPS: u64 = 2_500;

/// Accounts a settlement goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seats {
    /// Of the resource.
    pub clearing: AccountNo,
    /// The repair reserve.
    pub reserve: AccountNo,
    /// The insurance.
    pub insurance: AccountNo,
    /// Loss beyond it.
    pub write_off: AccountNo,
    /// The operator.
    pub operator: AccountNo,
    /// The commons.
    pub commons: AccountNo,
    /// Escrow of buffers.
    pub buffer: AccountNo,
}

/// What is settled.
#[derive(Debug, Clone, Copy)]
pub struct Round<'a> {
    /// Which resource.
    pub resource: Resource,
    /// Number of the period.
    pub period: u64,
    /// Prices.
    pub tariff: &'a Tariff,
    /// Where it goes through.
    pub seats: Seats,
}

/// Which part of a price a carry is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What a payer pays.
    Consumer,
    /// What a provider gets.
    Provider,
    /// What the repair reserve gets.
    Repair,
    /// What the operator gets.
    Operator,
    /// What the insurance gets.
    Insurance,
}

/// Where a carry is kept: one per account, resource, part and price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// Whose.
    pub account: AccountNo,
    /// Of what.
    pub resource: Resource,
    /// Which of its prices.
    pub variant: Variant,
    /// In which version.
    pub version: u32,
    /// Which part of it.
    pub part: Part,
}

/// Carries by their places; what is not there is 0.
pub type Carries = BTreeMap<Slot, u64>;

/// Units of one price that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Which of the resource's prices.
    pub variant: Variant,
    /// In which version.
    pub version: u32,
    /// How many.
    pub units: u64,
    /// How good they were, in ten thousandths: storage only.
    pub quality_bps: u64,
}

/// A payer, and what it used in the period.
#[derive(Debug, Clone)]
pub struct Payer {
    /// As it stands.
    pub account: Account,
    /// What it used.
    pub uses: Vec<Due>,
    /// Its carries.
    pub carries: Carries,
    /// What it has set aside for this, oldest first, and what is left of each.
    pub allowances: Vec<(TransferId, Ucredit)>,
    /// What it may owe beyond its limit for this: rescue reads ([`super::limit::may`]).
    pub may_owe: Ucredit,
    /// The insurance as it stands.
    pub insurance: Account,
}

/// What a payer's charge comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    /// To be applied; nothing where nothing is due.
    pub group: Option<Group>,
    /// Its carries that changed.
    pub carries: Carries,
    /// What comes in, by version and variant.
    pub taken: BTreeMap<(u32, Variant), Ucredit>,
    /// What it signed beyond what it can pay, and others bear.
    pub overspent: Ucredit,
}

impl Round<'_> {
    fn price(&self, due: &Due) -> Result<&Price, No> {
        let found = self.tariff.price(due.version, self.resource, due.variant);
        found.ok_or(No::NoPrice { version: due.version, resource: self.resource })
    }

    fn slot(&self, account: AccountNo, due: (u32, Variant), part: Part) -> Slot {
        Slot { account, resource: self.resource, variant: due.1, version: due.0, part }
    }

    fn ask(&self, purpose: Purpose, of: (AccountNo, u32), act: Act, code: Code) -> Ask {
        let id = system_id(purpose, self.period, of.0, Some(self.resource), of.1);
        Ask { id, act, code, reference: None }
    }

    /// What units come to at a price, advancing its carry.
    fn count(
        &self,
        slot: Slot,
        units: (u64, u64),
        price: (Ucredit, u64),
        carries: &Carries,
        new: &mut Carries,
    ) -> Result<Ucredit, No> {
        let carry = new.get(&slot).or_else(|| carries.get(&slot)).copied().unwrap_or(0);
        // Units × quality is counted in ten thousandths of a unit.
        let weighed = u128::from(units.0).saturating_mul(units.1.into());
        let per = price.1.checked_mul(WHOLE_BPS).ok_or(No::AmountTooLarge)?;
        let Carried { amount, carry } = amount(weighed, price.0, per, carry)?;
        new.insert(slot, carry);
        Ok(amount)
    }
}

/// Step 1: what a payer pays.
///
/// # Errors
/// [`No::NoPrice`], [`No::AmountTooLarge`].
pub fn charge(round: &Round<'_>, payer: &Payer) -> Result<Charged, No> {
    let no = payer.account.no;
    let (mut carries, mut taken, mut sum) = (Carries::new(), BTreeMap::new(), Ucredit::ZERO);
    for due in &payer.uses {
        let price = round.price(due)?;
        if price.source == Source::Free {
            continue;
        }
        let slot = round.slot(no, (due.version, due.variant), Part::Consumer);
        let units = (due.units, WHOLE_BPS);
        let cost = round.count(slot, units, (price.consumer, price.per), &payer.carries, &mut carries)?;
        add(taken.entry((due.version, due.variant)).or_default(), cost)?;
        add(&mut sum, cost)?;
    }
    let (asks, overspent) = collect(round, payer, sum);
    let owes = round.resource == Resource::Storage || payer.may_owe > Ucredit::ZERO;
    let starter = if owes { Starter::Owed } else { Starter::System };
    let group = (!asks.is_empty()).then_some(Group { starter, asks });
    Ok(Charged { group, carries, taken, overspent })
}

/// First out of what is set aside, then out of the balance, at last from the insurance, which bears all that is due of an account that
/// was closed meanwhile.
fn collect(round: &Round<'_>, payer: &Payer, sum: Ucredit) -> (Vec<Ask>, Ucredit) {
    let (no, code, clearing) = (payer.account.no, round.resource.code(), round.seats.clearing);
    let is_closed = payer.account.state == MemberState::Closed;
    let (mut asks, mut left) = (Vec::new(), sum);
    let holds = if is_closed { &[][..] } else { &payer.allowances[..] };
    for ((hold, remaining), part) in holds.iter().zip(0u32..).take(GROUP_MAX.saturating_sub(2)) {
        let amount = left.min(*remaining);
        if amount > Ucredit::ZERO {
            let act = Act::Post { hold: *hold, credit: clearing, amount };
            asks.push(round.ask(Purpose::SettleHold, (no, part), act, code));
            left = left.less(amount);
        }
    }
    // Bytes that are stored already are charged whatever the limit says (B).
    let beyond = if round.resource == Resource::Storage { Ucredit::MAX } else { payer.may_owe };
    let most = if no.is_of_people() { beyond } else { Ucredit::ZERO };
    let has = if is_closed { Ucredit::ZERO } else { Ucredit(spendable(&payer.account).0.saturating_add(most.0)) };
    let own = left.min(has);
    if own > Ucredit::ZERO {
        let act = Act::Move { debit: no, credit: clearing, amount: own };
        asks.push(round.ask(Purpose::Settle, (no, 0), act, code));
    }
    let short = left.less(own);
    // The reserve is no member: what it cannot pay stays due to its providers.
    if short > Ucredit::ZERO && no.is_of_people() {
        let bears = if payer.insurance.affords(short) { payer.insurance.no } else { round.seats.write_off };
        let act = Act::Move { debit: bears, credit: clearing, amount: short };
        asks.push(round.ask(Purpose::SettleShort, (no, 0), act, Code::BadDebt));
        return (asks, short);
    }
    (asks, Ucredit::ZERO)
}

fn spendable(account: &Account) -> Ucredit {
    Ucredit(u64::try_from(account.available().0).unwrap_or(0))
}

fn add(sum: &mut Ucredit, more: Ucredit) -> Result<(), No> {
    *sum = sum.checked_add(more).ok_or(No::AmountTooLarge)?;
    Ok(())
}

/// A holder, and what it served in the period.
#[derive(Debug, Clone)]
pub struct Earner {
    /// As it stands.
    pub account: Account,
    /// What it served.
    pub served: Vec<Due>,
    /// Its carries.
    pub carries: Carries,
    /// What could not be paid before.
    pub arrears: Ucredit,
    /// Room in its buffer, and until when a part of it is held.
    pub buffer: Option<(Ucredit, Stamp)>,
    /// Its owner is new: it pays dues.
    pub is_newcomer: bool,
}

/// What a holder is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// To be applied; nothing where nothing is due.
    pub group: Option<Group>,
    /// Its carries that changed.
    pub carries: Carries,
    /// What it gets.
    pub paid: Ucredit,
    /// Of it: held back.
    pub buffered: Ucredit,
    /// Of it: dues.
    pub dues: Ucredit,
    /// What is due again.
    pub arrears: Ucredit,
}

/// What a holder has earned: what [`share()`] sums up before, and [`pay`] pays a part of.
///
/// # Errors
/// [`No::NoPrice`], [`No::AmountTooLarge`].
pub fn earned(round: &Round<'_>, earner: &Earner) -> Result<(Ucredit, Carries), No> {
    let (mut carries, mut sum) = (Carries::new(), earner.arrears);
    for due in &earner.served {
        let price = round.price(due)?;
        if price.source == Source::Free {
            continue;
        }
        let slot = round.slot(earner.account.no, (due.version, due.variant), Part::Provider);
        let quality = if round.resource == Resource::Storage { due.quality_bps.min(WHOLE_BPS) } else { WHOLE_BPS };
        let units = (due.units, quality);
        let pay = round.count(slot, units, (price.provider, price.per), &earner.carries, &mut carries)?;
        add(&mut sum, pay)?;
    }
    Ok((sum, carries))
}

/// Step 3: pays a holder its part.
///
/// # Errors
/// As [`earned`].
pub fn pay(round: &Round<'_>, earner: &Earner, factor: Factor) -> Result<Paid, No> {
    let (wanted, carries) = earned(round, earner)?;
    let no = earner.account.no;
    let paid = factor.of(wanted);
    let arrears = if is_pooled(round.resource) { Ucredit::ZERO } else { wanted.less(paid) };
    let mut out = Paid { group: None, carries, paid, buffered: Ucredit::ZERO, dues: Ucredit::ZERO, arrears };
    if paid == Ucredit::ZERO {
        return Ok(out);
    }
    let act = Act::Move { debit: round.seats.clearing, credit: no, amount: paid };
    let mut asks = vec![round.ask(Purpose::Settle, (no, 1), act, round.resource.code())];
    // What is taken of it again leaves nobody beyond its limit, so that the group is never refused.
    let free = Account { credits: earner.account.credits.checked_add(paid).unwrap_or(Ucredit::MAX), ..earner.account };
    let most = spendable(&free).min(paid);
    if earner.is_newcomer && round.resource != Resource::Storage {
        out.dues = portion(paid, DUES_BPS, WHOLE_BPS).min(most);
    }
    if let Some((room, until)) = earner.buffer.filter(|_| round.resource == Resource::Storage && !free.is_frozen) {
        out.buffered = portion(paid, BUFFER_BPS, WHOLE_BPS).min(room).min(most);
        if out.buffered > Ucredit::ZERO {
            let (escrow, amount, expires) = (round.seats.buffer, out.buffered, until);
            let act = Act::Hold { debit: no, escrow, amount, expires };
            asks.push(round.ask(Purpose::Buffer, (no, 0), act, Code::Buffer));
        }
    }
    if out.dues > Ucredit::ZERO {
        let act = Act::Move { debit: no, credit: round.seats.commons, amount: out.dues };
        asks.push(round.ask(Purpose::Dues, (no, 0), act, Code::Dues));
    }
    out.group = Some(Group { starter: Starter::System, asks });
    Ok(out)
}

/// Fuel of a job's items that was charged, and fuel of accepted copies of their results that was paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copies {
    /// Charged: each item once.
    pub charged: u64,
    /// Paid.
    pub paid: u64,
}

/// Most fuel of a job that is counted: what stands in a row, with room above it.
const COPIES_MAX: u64 = 1 << 60;

impl Copies {
    /// So much more is charged.
    pub fn charge(&mut self, fuel: u64) {
        self.charged = self.charged.saturating_add(fuel).min(COPIES_MAX);
    }

    /// What workers of the job are paid now of what each has done and was not paid for yet: all of it, as long as all copies of its
    /// items together come to no more than the price has of copies on average, else each its part; the rest they claim again when more
    /// was charged. Nobody gets more out of a job than was paid for it, whoever computes it and however often it was checked.
    pub fn pay<K: Copy + Ord>(&mut self, claims: &BTreeMap<K, u64>, copies_ppm: u64) -> BTreeMap<K, u64> {
        let most = u128::from(self.charged).saturating_mul(copies_ppm.into()) / 1_000_000;
        let open = most.saturating_sub(self.paid.into()).min(COPIES_MAX.saturating_sub(self.paid).into());
        let all: u128 = claims.values().map(|claim| u128::from(*claim)).sum();
        let part = |claim: u64| match all <= open {
            true => claim,
            false => (u128::from(claim).saturating_mul(open).checked_div(all))
                .and_then(|part| u64::try_from(part).ok())
                .unwrap_or(0),
        };
        let paid: BTreeMap<K, u64> = claims.iter().map(|(who, claim)| (*who, part(*claim))).collect();
        self.paid = paid.values().fold(self.paid, |sum, part| sum.saturating_add(*part));
        paid
    }
}

/// Whether a shortage of the resource is borne by all its holders alike, and what is left goes to the reserve.
pub const fn is_pooled(resource: Resource) -> bool {
    matches!(resource, Resource::Storage | Resource::Compute)
}
