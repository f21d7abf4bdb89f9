//! A town of members, a node that serves them, and what the pure rules say of the same.

use crate::place::Place;
use crate::rows::{member_id, node_id};
use center::db::Db;
use center::ledger::settle::api::{Intake, hand_in};
use center::ledger::settle::store::{self as due, DueRow, Side};
use center::ledger::settle::{Periods, meter, round, tariff};
use center::ledger::{Ledger, seat};
use model::{AccountClass, AccountNo, NodeId, PgId, Resource, Span, Stamp, TimeScale, Ucredit};
use rules::ledger::Book;
use rules::ledger::receipt::BadBatch;
use rules::ledger::settle::{Due, Earner, Payer, Round, Seats, Taken, charge, earned, pay, share};
use rules::ledger::tariff::book_v1;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wire::settle::{SettleBatch, SettleReceipt, SettleTotal, Settled};
use wire::signed::{Permit, PermitOp, Receipt, public_of};

pub const NOW: Stamp = Stamp(1_800_000_000_000);
pub const PERMIT_KEY: [u8; 32] = [1; 32];
pub const CLOUD: [u8; 8] = [3; 8];
pub const LIMIT: Ucredit = Ucredit::whole(60);

pub static PERIODS: std::sync::LazyLock<Periods> = std::sync::LazyLock::new(|| Periods::new(6, TimeScale(1)));

/// Members 1 to 4, of whom 2 owns the node.
pub struct Town {
    pub ledger: Ledger,
    clock: Arc<AtomicU64>,
    accounts: Vec<AccountNo>,
}

pub async fn ledger(db: Db, clock: &Arc<AtomicU64>) -> Ledger {
    let read = Arc::clone(clock);
    Ledger::start(db, move || Stamp(read.load(Ordering::Relaxed))).await.unwrap()
}

impl Town {
    pub async fn start(place: &Place) -> Self {
        let clock = Arc::new(AtomicU64::new(NOW.0));
        let town = Self::open(ledger(place.db.clone(), &clock).await, clock).await;
        // From here on stored bytes count; then the window of the receipts is over.
        town.meter().await;
        town.later(Span::hours(7).as_ms().cast_signed());
        town
    }

    async fn open(ledger: Ledger, clock: Arc<AtomicU64>) -> Self {
        let mut accounts = Vec::new();
        for n in 1..=4 {
            accounts.push(ledger.member(&member_id(n), LIMIT).await.unwrap());
        }
        Self { ledger, clock, accounts }
    }

    /// Another center process on the same database.
    pub async fn beside(place: &Place, town: &Self) -> Self {
        let clock = Arc::new(AtomicU64::new(town.now().0));
        let db = Db::open(&place.url).unwrap();
        Self::open(ledger(db, &clock).await, clock).await
    }

    /// The process ends and begins again.
    pub async fn restart(self, place: &mut Place) -> Self {
        let clock = Arc::clone(&self.clock);
        drop(self);
        place.reopen().await;
        Self::open(ledger(place.db.clone(), &clock).await, clock).await
    }

    pub fn now(&self) -> Stamp {
        Stamp(self.clock.load(Ordering::Relaxed))
    }

    pub fn later(&self, ms: i64) {
        self.clock.store(self.now().0.checked_add_signed(ms).unwrap(), Ordering::Relaxed);
    }

    pub fn account(&self, n: usize) -> AccountNo {
        self.accounts[n - 1]
    }

    pub fn intake(&self) -> Intake {
        Intake { node: node_id(1), owner: self.account(2), permit_key: public_of(&PERMIT_KEY), cloud: CLOUD }
    }

    /// The window that is over.
    pub fn window(&self) -> u32 {
        Receipt::window_of(self.now()) - 1
    }

    /// A permit and its receipt in the window that is over.
    pub fn signed(&self, node: NodeId, (n, payer, units): (u8, usize, u64)) -> (Permit, Receipt) {
        let at = Stamp(u64::from(self.window()) * Span::hours(6).as_ms()) + Span::hours(1);
        let permit = Permit {
            op: PermitOp::Get,
            flags: 0,
            serial: Permit::serial_of(at, [n; 8]),
            target: Permit::pg_target(PgId(1)),
            node: node.0,
            session: public_of(&session(payer)),
            cloud: CLOUD,
            payer: self.account(payer).0,
            max_units: 1 << 40,
            max_units_node: 1 << 40,
            not_after: at + Span::hours(24),
            generation: 1,
            revocation_epoch: 0,
            key_epoch: 0,
        };
        (permit.clone(), Receipt { kind: 1, serial: permit.serial, node, units, window: self.window(), at })
    }

    /// Receipts of these payers and units at the town's node.
    pub fn batch(&self, of: &[(usize, u64)]) -> SettleBatch {
        self.batch_of(node_id(1), of)
    }

    pub fn batch_of(&self, node: NodeId, of: &[(usize, u64)]) -> SettleBatch {
        let (mut receipts, mut sums) = (Vec::new(), BTreeMap::new());
        for (n, (payer, units)) in (1..).zip(of) {
            let (permit, receipt) = self.signed(node, (n, *payer, *units));
            receipts.push(shown(&permit, &receipt, *payer));
            *sums.entry(self.account(*payer)).or_insert(0) += units;
        }
        let total = |(payer, units)| SettleTotal { payer, resource: Resource::Egress, units };
        SettleBatch { window: self.window(), totals: sums.into_iter().map(total).collect(), receipts }
    }

    pub async fn hand_in(&self, batch: SettleBatch) -> Result<Settled, BadBatch> {
        self.hand_in_as(self.intake(), batch).await
    }

    pub async fn hand_in_as(&self, intake: Intake, batch: SettleBatch) -> Result<Settled, BadBatch> {
        hand_in(&self.ledger, intake, batch, *PERIODS).await.unwrap()
    }

    pub async fn meter(&self) -> bool {
        let tariff = tariff(self.ledger.db(), self.now()).await.unwrap();
        let terms = meter::Terms { is_circle: false, limit: LIMIT };
        meter::count(self.ledger.db(), (*PERIODS, &tariff), terms, self.now()).await.unwrap()
    }

    /// The period is over and its stored bytes are counted.
    pub async fn over(&self) {
        self.later(Span::hours(6).as_ms().cast_signed());
        self.meter().await;
    }

    /// Its clock shows what another's does.
    pub fn over_at(&self, other: &Self) {
        self.clock.store(other.now().0, Ordering::Relaxed);
    }

    pub fn terms(&self) -> round::Terms {
        let tariff = rules::ledger::tariff::Tariff::begin(book_v1()).unwrap();
        round::Terms { tariff: Arc::new(tariff), has_dues: false, has_buffers: false, periods: *PERIODS }
    }

    pub async fn settle(&self) -> round::Done {
        round::settle(&self.ledger, *PERIODS, &self.terms()).await.unwrap()
    }

    /// The period that is due.
    pub async fn period(&self) -> u64 {
        let over = PERIODS.after(PERIODS.of(self.now()));
        self.ledger.db().read(move |q| Ok(due::next_period(q, over)?)).await.unwrap().unwrap()
    }

    pub async fn due(&self) -> Vec<DueRow> {
        let period = self.period().await;
        self.ledger.db().read(move |q| Ok(due::due_in(q, period)?)).await.unwrap()
    }

    /// Balances after what is due now, by the rules alone, from what the store has.
    pub async fn reference(&self) -> BTreeMap<AccountNo, i64> {
        let rows = self.due().await;
        let mut book = Book::default();
        let before = balances(&self.ledger).await;
        for opened in self.ledger.accounts(AccountNo(0), 10_000).await.unwrap() {
            // A book's accounts open at 0: what was before is added at the end.
            book.open(opened.account);
        }
        let mut all: Vec<Resource> = rows.iter().map(|row| row.resource).collect();
        all.dedup();
        for resource in all {
            self.reference_of(&mut book, resource, &rows).await;
        }
        book.accounts().map(|account| (account.no, before[&account.no] + account.balance().0)).collect()
    }

    async fn reference_of(&self, book: &mut Book, resource: Resource, rows: &[DueRow]) {
        let terms = self.terms();
        let round = Round { resource, period: self.period().await, tariff: &terms.tariff, seats: seats(resource) };
        let of = |side| {
            let mut out: BTreeMap<AccountNo, Vec<Due>> = BTreeMap::new();
            rows.iter()
                .filter(|row| row.side == side && row.resource == resource)
                .for_each(|row| out.entry(row.account).or_default().push(row.due));
            out
        };
        let at = |book: &Book, no: AccountNo| *book.accounts().find(|account| account.no == no).unwrap();
        let mut carries = BTreeMap::new();
        for no in of(Side::Used).keys().chain(of(Side::Served).keys()).chain([&round.seats.clearing]) {
            let no = *no;
            let own = self.ledger.db().read(move |q| Ok(center::ledger::store::price::carries(q, no, resource)?));
            carries.extend(own.await.unwrap());
        }
        let mut taken: BTreeMap<_, Ucredit> = BTreeMap::new();
        let apply = |book: &mut Book, group: Option<rules::ledger::Group>| {
            if let Some(group) = group {
                book.apply(&group, self.now()).unwrap();
            }
        };
        for (no, uses) in of(Side::Used) {
            let insurance = at(book, round.seats.insurance);
            let account = at(book, no);
            // Nobody here had leave to read as a rescue.
            let is_covered = matches!(resource, Resource::Egress | Resource::Relay);
            let may_owe = if is_covered { Ucredit::ZERO } else { Ucredit::MAX };
            let payer = Payer { account, uses, carries: carries.clone(), allowances: Vec::new(), may_owe, insurance };
            let one = charge(&round, &payer).unwrap();
            apply(book, one.group);
            one.taken.into_iter().for_each(|(key, amount)| taken.entry(key).or_default().0 += amount.0);
        }
        let earner = |book: &Book, no, served: &[Due]| Earner {
            account: at(book, no),
            served: served.to_vec(),
            carries: carries.clone(),
            arrears: Ucredit::ZERO,
            buffer: None,
            is_newcomer: false,
        };
        let served = of(Side::Served);
        let wanted = served.iter().map(|(no, dues)| earned(&round, &earner(book, *no, dues)).unwrap().0.0).sum();
        let (clearing, reserve) = (at(book, round.seats.clearing), at(book, round.seats.reserve));
        let floor = Ucredit::ZERO;
        let facts = Taken { taken, wanted: Ucredit(wanted), clearing, reserve, floor, carries: carries.clone() };
        let shared = share(&round, &facts).unwrap();
        apply(book, shared.group);
        for (no, dues) in &served {
            let one = pay(&round, &earner(book, *no, dues), shared.factor).unwrap();
            apply(book, one.group);
        }
    }
}

fn seats(resource: Resource) -> Seats {
    Seats {
        clearing: seat::clearing(resource),
        reserve: seat::only(AccountClass::Repair),
        insurance: seat::only(AccountClass::Insurance),
        write_off: seat::only(AccountClass::WriteOff),
        operator: seat::only(AccountClass::Operator),
        commons: seat::only(AccountClass::Commons),
        buffer: seat::Escrow::Buffer.account(),
    }
}

/// A payer's session key.
pub fn session(payer: usize) -> [u8; 32] {
    [u8::try_from(payer).unwrap() + 40; 32]
}

pub fn shown(permit: &Permit, receipt: &Receipt, payer: usize) -> SettleReceipt {
    SettleReceipt { permit: permit.sign(&PERMIT_KEY).to_vec(), receipt: receipt.sign(&session(payer)).to_vec() }
}

/// Every account's balance.
pub async fn balances(ledger: &Ledger) -> BTreeMap<AccountNo, i64> {
    let all = ledger.accounts(AccountNo(0), 10_000).await.unwrap();
    all.into_iter().map(|opened| (opened.account.no, opened.account.balance().0)).collect()
}
