//! Example groups, and a bank that makes random ones.

use center::db::Db;
use center::ledger::{Posting, seat, store};
use model::{AccountClass, AccountNo, Code, MemberState, Span, Stamp, TransferId, Ucredit};
use rules::ledger::{Account, Act, Ask, Book, Group, Starter};

pub const NOW: Stamp = Stamp(1_800_000_000_000);
pub const MEMBERS: u64 = 50;
/// Groups that are remembered, to be sent again.
const SENT_MAX: usize = 20_000;
pub const LIMIT: Ucredit = Ucredit::whole(30);

/// Members' accounts are numbered from 1.
pub const fn member(n: u64) -> AccountNo {
    AccountNo::new(AccountClass::Member, n)
}

pub fn id(n: u64) -> TransferId {
    id_at(NOW, n)
}

pub fn id_at(at: Stamp, n: u64) -> TransferId {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&n.to_be_bytes());
    TransferId::made(at, random)
}

/// A book as [`open_all`] leaves the store.
pub fn book() -> Book {
    let mut book = Book::default();
    for n in 1..=MEMBERS {
        book.open(Account::open(member(n), MemberState::Active, LIMIT));
    }
    for (no, _) in seat::all() {
        book.open(Account::open(no, MemberState::Active, Ucredit::ZERO));
    }
    book
}

/// Opens seats and members in the order of their numbers.
pub async fn open_all(db: &Db) {
    db.write(|tx| {
        store::account::open_seats(tx, NOW)?;
        for n in 1..=MEMBERS {
            let owner = crate::rows::member_id(n);
            let terms = (MemberState::Active, LIMIT);
            let opened = store::account::open(tx, AccountClass::Member, &owner.0, terms, NOW)?;
            assert_eq!(opened.account.no, member(n));
        }
        Ok(())
    })
    .await
    .unwrap();
}

pub fn gift(n: u64, from: u64, to: u64, amount: u64) -> Ask {
    let act = Act::Move { debit: member(from), credit: member(to), amount: Ucredit(amount) };
    Ask { id: id(n), act, code: Code::Gift, reference: None }
}

pub fn hold(n: u64, from: u64, amount: u64) -> Ask {
    let escrow = seat::Escrow::Market.account();
    let act = Act::Hold { debit: member(from), escrow, amount: Ucredit(amount), expires: NOW + Span::days(1) };
    Ask { id: id(n), act, code: Code::Bounty, reference: None }
}

pub fn post(n: u64, of: u64, to: u64, amount: u64) -> Ask {
    let act = Act::Post { hold: id(of), credit: member(to), amount: Ucredit(amount) };
    Ask { id: id(n), act, code: Code::Work, reference: None }
}

pub fn by_system(asks: impl Into<Vec<Ask>>) -> Group {
    Group { starter: Starter::System, asks: asks.into() }
}

pub fn by_member(n: u64, asks: impl Into<Vec<Ask>>) -> Group {
    Group { starter: Starter::Member { account: member(n), with_bridge: false }, asks: asks.into() }
}

/// Makes random groups, some of them twice, some changed, some wrong.
pub struct Bank {
    state: u64,
    pub now: Stamp,
    next: u64,
    sent: Vec<Group>,
    live: Vec<TransferId>,
}

impl Bank {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, now: NOW, next: 0, sent: Vec::new(), live: Vec::new() }
    }

    /// splitmix64
    pub fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn some_hold(&mut self) -> TransferId {
        let Some(last) = self.live.len().checked_sub(1) else { return id(0) };
        // Mostly one that may still be open.
        let back = self.below(40.min(last as u64 + 1));
        self.live[last - usize::try_from(back).unwrap()]
    }

    fn amount(&mut self) -> Ucredit {
        let width = self.below(26);
        Ucredit(self.below(1 << width))
    }

    fn ask(&mut self, from: u64) -> Ask {
        self.next += 1;
        let (id, amount, to) = (id_at(self.now, self.next), self.amount(), 1 + self.below(MEMBERS + 1));
        let (act, code) = match self.below(10) {
            0..3 => (Act::Move { debit: member(from), credit: member(to), amount }, Code::Gift),
            3..6 => {
                let expires = self.now + Span::mins(1 + self.below(600));
                self.live.push(id);
                let escrow = seat::Escrow::Market.account();
                (Act::Hold { debit: member(from), escrow, amount, expires }, Code::Bounty)
            }
            6..8 => (Act::Post { hold: self.some_hold(), credit: member(to), amount }, Code::Work),
            8 => {
                let amount = (self.below(2) == 0).then_some(amount);
                (Act::Void { hold: self.some_hold(), amount }, Code::Refund)
            }
            _ => (Act::Expire { hold: self.some_hold() }, Code::Refund),
        };
        let reference = (self.below(4) == 0).then(|| crate::rows::spread(self.next));
        Ask { id, act, code, reference }
    }

    pub fn group(&mut self) -> Group {
        if self.below(10) == 0 && !self.sent.is_empty() {
            let at = usize::try_from(self.below(self.sent.len() as u64)).unwrap();
            let mut again = self.sent[at].clone();
            if self.below(3) == 0 {
                again.asks[0].reference = Some([1; 16]);
            }
            return again;
        }
        if self.below(30) == 0 {
            // A clock also goes backwards.
            let by = Span::mins(self.below(90));
            self.now = if self.below(4) == 0 { self.now - by } else { self.now + by };
        }
        let (from, len) = (1 + self.below(MEMBERS), [1, 1, 1, 2, 3, 9][usize::try_from(self.below(6)).unwrap()]);
        let asks = (0..len).map(|_| self.ask(from)).collect::<Vec<_>>();
        let own = asks.iter().all(|ask| matches!(ask.act, Act::Move { .. } | Act::Hold { .. }));
        let group = if own && self.below(4) > 0 { by_member(from, asks) } else { by_system(asks) };
        if self.sent.len() < SENT_MAX {
            self.sent.push(group.clone());
        } else {
            let at = usize::try_from(self.below(SENT_MAX as u64)).unwrap();
            self.sent[at] = group.clone();
        }
        group
    }

    /// Transfers asked for so far, repeats apart.
    pub fn sent(&self) -> usize {
        usize::try_from(self.next).unwrap()
    }

    pub fn postings(&mut self, count: usize) -> Vec<Posting> {
        (0..count).map(|_| self.group().into()).collect()
    }
}
