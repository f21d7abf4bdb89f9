//! Does a cloud of mutual credit stay alive? Years of members against the real ledger, tariff, limits and weights.
//!
//! Driven: `rules::ledger` whole (`apply`, `check`, `tariff`, `settle`, `limit`, `sweep`, `debt_first`) and, for storage of public pools,
//! `rules::storage::group::fill` with the debt factor. Compute items are drawn by quality × the table of `debt_first`, as `compute.md` §7
//! draws among equally fit nodes; its scheduler is not driven. Modelled: members and what they want ([`mix`]), bytes as sums.
//!
//! Fixed with the mix, before the first run: *fair short* is the share of member-days of fair members ([`mix::FAIR_STORED_PERCENT`],
//! [`mix::FAIR_AFTER_DAYS`]) on which the ledger says `at_limit`, `grace` or `released`, over all judged days. *Served* is what was
//! stored, read and computed of what was wanted, both at the consumer prices of book v1. *Bad debt* is what was written off, of what
//! members paid. Bars (ledger.md, done means): final set ≤ 3 % fair short, always-on ≥ 97 % served, bad debt ≤ 4 %; pro rata ≥ 30 % short.
//!
//! Invariants: (A) every group passes `check::group`, and once a month `check::full`: sums are zero, holds add up, purses owe nobody;
//! (B) the rules refuse nothing the cloud itself asks for; (C) no more is held than what is stored × expansion,
//! and by nobody more than it lends.

mod acts;
mod books;
mod count;
mod member;
pub mod mix;
mod money;
mod place;
pub mod policy;
mod price;
mod standing;
#[cfg(test)]
mod tests;

pub use policy::{POLICIES, Policy, policy};

use crate::check::{Outcome, Violation};
use crate::seed::{Seed, Stream};
use crate::trace::{Record, Sink};
use crate::world::{Depth, Scene, World};
use books::{Bad, Books};
use count::Counts;
use member::{Member, midnight};
use model::{AccountClass, AccountNo, MemberState, Resource, Stamp, Ucredit};
use price::Prices;
use rules::fleet::profile::WeeklyProfile;
use rules::ledger::settle::{Carries, Seats};
use rules::ledger::tariff::{Tariff, book_v1};
use rules::ledger::{Account, Group};

/// Members of a circle.
pub const CIRCLE_MEMBERS: u32 = 20;
/// Days between two full checks.
const CHECK_DAYS: u64 = 30;

/// What a run is of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Members at any moment; a circle has [`CIRCLE_MEMBERS`].
    pub members: u32,
    /// Days in all, [`mix::WARM_UP_DAYS`] of them not judged.
    pub days: u32,
    /// Everything that is random follows from it.
    pub seed: Seed,
    /// Of the demand of the mix.
    pub demand_percent: u64,
    /// What is tried.
    pub policy: Policy,
}

impl Setup {
    /// The final set at the demand of the mix.
    pub fn new(members: u32, days: u32, seed: Seed) -> Self {
        let policy = policy("final").expect("it is in the table");
        Self { members, days, seed, demand_percent: 100, policy }
    }
}

/// A day is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Midnight(u64);

impl Record for Midnight {
    fn record(&self, sink: &mut Sink<'_>) {
        sink.u64(self.0);
    }
}

/// The world of one run.
pub struct Economy {
    setup: Setup,
    day: u64,
    prices: Prices,
    tariff: Tariff,
    books: Books,
    members: Vec<Member>,
    /// Those that have not closed, in order.
    open: Vec<usize>,
    /// When each of the first joins.
    joins: Vec<u64>,
    profiles: Vec<WeeklyProfile>,
    /// Carries of clearing and reserve.
    carries: Carries,
    counts: Counts,
    draw: Stream,
    /// Running sums of the weights of those who lend hours today.
    hours: Vec<(u64, usize)>,
    /// Bytes read today.
    read_today: u64,
    /// Storage that was taken and has no place yet, in MB.
    waits_mb: u64,
    broken: Option<Violation>,
    is_check_due: bool,
}

/// Runs one setup; the figures of `count`.
pub fn run(setup: &Setup) -> Outcome {
    run_keeping(setup, false).0
}

/// The same, with every row where a test wants them.
fn run_keeping(setup: &Setup, keeps: bool) -> (Outcome, Economy) {
    let mut scene = Economy::new(setup);
    scene.books.kept = keeps.then(Vec::new);
    let mut world = World::new(midnight(0));
    world.at(midnight(1), Midnight(0));
    let violation = world.run(&mut scene, midnight(u64::from(setup.days))).err();
    let outcome = Outcome {
        scenario: "economy",
        seed: setup.seed,
        nodes: setup.size(),
        days: setup.days,
        mix: "ledger",
        hash: world.trace.hash(),
        events: world.trace.events() + world.trace.effects(),
        faults: Vec::new(),
        figures: scene.figures(),
        violation,
    };
    (outcome, scene)
}

impl Setup {
    fn size(&self) -> u32 {
        if self.policy.is_circle { CIRCLE_MEMBERS } else { self.members }
    }
}

impl Economy {
    fn new(setup: &Setup) -> Self {
        let mut draw = setup.seed.named("economy");
        let mut joins: Vec<u64> =
            (0..setup.size()).map(|_| crate::seed::Draw::below(&mut draw, mix::JOIN_DAYS)).collect();
        // The last first, so that the next to join is the last of the list.
        joins.sort_unstable_by(|a, b| b.cmp(a));
        let mut books = Books::default();
        for class in [
            AccountClass::Repair,
            AccountClass::Insurance,
            AccountClass::Commons,
            AccountClass::Operator,
            AccountClass::Bridge,
            AccountClass::WriteOff,
        ] {
            books.open(Account::open(seat(class), MemberState::Active, Ucredit::ZERO));
        }
        for resource in money::SETTLED {
            books.open(Account::open(clearing(resource), MemberState::Active, Ucredit::ZERO));
        }
        for escrow in [BUFFERS, ALLOWANCES] {
            books.open(Account::open(escrow, MemberState::Active, Ucredit::ZERO));
        }
        Self {
            setup: setup.clone(),
            day: 0,
            prices: Prices::new(setup.policy.is_circle, setup.demand_percent),
            tariff: Tariff::begin(book_v1()).expect("book v1 balances, see its tests"),
            books,
            members: Vec::new(),
            open: Vec::new(),
            joins,
            profiles: mix::KINDS.iter().map(mix::Kind::profile).collect(),
            carries: Carries::new(),
            counts: Counts::begin(),
            draw,
            hours: Vec::new(),
            read_today: 0,
            waits_mb: 0,
            broken: None,
            is_check_due: false,
        }
    }

    /// The moment at which the day's transfers are made.
    fn now(&self) -> Stamp {
        midnight(self.day + 1)
    }

    fn is_judged(&self) -> bool {
        self.day >= u64::from(mix::WARM_UP_DAYS)
    }

    /// Applies a group of the cloud's own; (B) the rules refuse none of them.
    fn make(&mut self, world: &mut World<Midnight>, group: &Group) {
        if let Err(bad) = self.books.apply(group, self.now(), &mut world.trace) {
            self.fail("the_cloud_is_not_refused", format!("{bad}: {:?}", group.asks.first()));
        }
    }

    /// Applies a group that may be refused for lack of credit; whether it was made.
    fn try_make(&mut self, world: &mut World<Midnight>, group: &Group) -> bool {
        match self.books.apply(group, self.now(), &mut world.trace) {
            Ok(()) => true,
            Err(Bad::Refused(rules::ledger::No::InsufficientCredit { .. })) => false,
            Err(bad) => {
                self.fail("only_credit_lacks", format!("{bad}: {:?}", group.asks.first()));
                false
            }
        }
    }

    fn fail(&mut self, rule: &'static str, what: String) {
        let at = self.now();
        self.broken.get_or_insert(Violation { rule, at, what });
    }
}

impl Scene for Economy {
    type Event = Midnight;

    fn handle(&mut self, world: &mut World<Midnight>, event: Midnight) {
        self.day = event.0;
        self.books.next_day();
        self.counts.next_day();
        self.come_and_go(world);
        self.act(world);
        self.place();
        self.meter();
        self.settle_all(world);
        self.share_commons(world);
        self.stand(world);
        for group in self.books.due(self.now()) {
            self.make(world, &group);
        }
        self.tally();
        self.is_check_due |= self.day % CHECK_DAYS == CHECK_DAYS - 1;
        let next = self.day + 1;
        if next < u64::from(self.setup.days) {
            world.at(midnight(next + 1), Midnight(next));
        }
    }

    fn check(&mut self, now: Stamp, depth: Depth) -> Result<(), Violation> {
        if depth == Depth::Full && std::mem::take(&mut self.is_check_due) {
            self.counts.checks += 1;
            self.books.check().map_err(|fault| Violation {
                rule: "sums_are_zero",
                at: now,
                what: fault.to_string(),
            })?;
        }
        self.broken.take().map_or(Ok(()), Err)
    }
}

/// Escrow of buffers.
const BUFFERS: AccountNo = AccountNo::new(AccountClass::Escrow, 1);
/// Escrow of allowances and jobs.
const ALLOWANCES: AccountNo = AccountNo::new(AccountClass::Escrow, 2);

/// A purse.
const fn seat(class: AccountClass) -> AccountNo {
    AccountNo::new(class, 1)
}

/// The clearing account of a resource.
const fn clearing(resource: Resource) -> AccountNo {
    AccountNo::new(AccountClass::Clearing, resource as u64)
}

/// Accounts a settlement goes through.
const fn seats(resource: Resource) -> Seats {
    Seats {
        clearing: clearing(resource),
        reserve: seat(AccountClass::Repair),
        insurance: seat(AccountClass::Insurance),
        write_off: seat(AccountClass::WriteOff),
        operator: seat(AccountClass::Operator),
        commons: seat(AccountClass::Commons),
        buffer: BUFFERS,
    }
}
