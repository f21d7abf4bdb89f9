//! The kept ledger: what `rules::ledger::Book` answers, the store answers on both engines, and what it keeps replays to the same
//! hash. The letters are those of `center::ledger`.

mod accounts;
mod crash;
mod days;
mod faults;
mod million;
mod prices;
mod promises;
mod rows;

use crate::on_both;
use crate::place::Place;
use center::ledger::{Ledger, store};
use model::Stamp;
use rows::{Bank, NOW, by_member, gift, hold, member, open_all, post};
use rules::ledger::chain::Block;
use rules::ledger::replay::Replay;
use rules::ledger::{Outcome, Row};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

on_both!(
    the_same_answers_as_a_book_in_memory,
    what_is_exported_replays_to_the_same_hash,
    a_posting_is_answered_after_its_commit
);

/// A ledger with seats and members open, at [`NOW`].
pub async fn start(place: &Place) -> Ledger {
    let ledger = Ledger::start(place.db.clone(), || NOW).await.unwrap();
    open_all(&place.db).await;
    ledger
}

/// A ledger whose clock the test sets.
pub async fn start_with_clock(place: &Place) -> (Ledger, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(NOW.0));
    let read = Arc::clone(&clock);
    let ledger = Ledger::start(place.db.clone(), move || Stamp(read.load(Ordering::Relaxed))).await.unwrap();
    open_all(&place.db).await;
    (ledger, clock)
}

/// Every row, page by page.
pub async fn all_rows(ledger: &Ledger) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let page = ledger.rows(rows.len() as u64, 300).await.unwrap();
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

/// (B, C) Thousands of random groups, in batches, with repeats, changed repeats, ends by time and jumps of the clock.
async fn the_same_answers_as_a_book_in_memory(place: &mut Place) {
    let mut bank = Bank::new(11);
    let mut book = rows::book();
    let ledger = start(place).await;
    for round in 0..40_u64 {
        let postings = bank.postings(100);
        let now = bank.now;
        let expected: Vec<_> = postings.iter().map(|posting| book.apply(&posting.group, now)).collect();
        let answers = place.db.write(move |tx| store::post_in(tx, &postings, now)).await.unwrap();
        assert_eq!(answers, expected, "round {round}");
        if round % 10 == 9 {
            let sound = ledger.audit().await.unwrap();
            assert_eq!((sound.state_hash, sound.is_replayed), (book.state_hash(), true));
            assert_eq!((sound.rows, Ok(sound.sums)), (book.rows().len() as u64, book.check()));
        }
    }
    let refused = bank.sent() - book.rows().len();
    println!("{} rows of {} asked for", book.rows().len(), bank.sent());
    assert!(book.rows().len() > 1_000 && refused > 500, "the bank is lively");
}

/// (D, E) Who has rows, blocks and nothing else comes to the same accounts, holds and hash.
async fn what_is_exported_replays_to_the_same_hash(place: &mut Place) {
    let mut bank = Bank::new(12);
    let ledger = start(place).await;
    for _ in 0..12 {
        let postings = bank.postings(60);
        let now = bank.now;
        place.db.write(move |tx| store::post_in(tx, &postings, now)).await.unwrap().len();
    }
    let rows = all_rows(&ledger).await;
    let mut replay = Replay::default();
    rows.iter().try_for_each(|row| replay.row(row)).unwrap();
    let mut prev: Option<Block> = None;
    for stored in ledger.blocks(0, 100).await.unwrap() {
        let block = stored.block;
        let of_block: Vec<Row> =
            rows.iter().filter(|row| (block.first_seq..=block.last_seq).contains(&row.seq)).copied().collect();
        block.verify(prev.as_ref(), &of_block).unwrap();
        prev = Some(block);
    }
    let (prev, head) = (prev.unwrap(), ledger.head().await.unwrap());
    assert_eq!((prev.no, prev.last_seq, prev.hash), (12, rows.len() as u64, head.hash));
    assert_eq!(replay.state_hash(), ledger.audit().await.unwrap().state_hash);
    for account in replay.accounts() {
        let stored = ledger.account(account.no).await.unwrap().unwrap().account;
        assert_eq!((stored.debits, stored.credits), (account.debits, account.credits));
        assert_eq!((stored.held_debit, stored.held_credit), (account.held_debit, account.held_credit));
        let touches = |row: &&Row| row.debit == account.no || row.credit == account.no;
        let lines: Vec<Row> = rows.iter().filter(touches).copied().collect();
        assert_eq!(ledger.lines(account.no, 0, 10_000).await.unwrap(), lines);
        let back: Vec<Row> = lines.iter().rev().take(7).copied().collect();
        assert_eq!(ledger.lines_before(account.no, u64::MAX, 7).await.unwrap(), back);
        let later: Vec<Row> = lines.iter().filter(|row| row.seq > 40).take(5).copied().collect();
        assert_eq!(ledger.lines(account.no, 40, 5).await.unwrap(), later);
    }
    for hold in replay.holds() {
        assert_eq!(ledger.hold(hold.id).await.unwrap(), Some(*hold));
    }
}

async fn a_posting_is_answered_after_its_commit(place: &mut Place) {
    let ledger = start(place).await;
    let answer = ledger.post(by_member(1, [gift(1, 1, 2, 100)]).into()).await.unwrap();
    let Outcome::Applied(applied) = answer else { panic!("{answer:?}") };
    assert_eq!((applied.rows[0].seq, applied.rows[0].at), (1, NOW));
    assert_eq!(ledger.lines(member(2), 0, 9).await.unwrap(), applied.rows);
    assert_eq!(ledger.row(rows::id(1)).await.unwrap(), Some(applied.rows[0]));
    assert_eq!(ledger.account(member(2)).await.unwrap().unwrap().account.balance().0, 100);
    ledger.post(by_member(1, [hold(2, 1, 50)]).into()).await.unwrap();
    let holds = ledger.holds(member(1), 9).await.unwrap();
    assert_eq!((holds.len(), holds[0].amount.0), (1, 50));
    ledger.post(rows::by_system([post(3, 2, 3, 20)]).into()).await.unwrap();
    assert_eq!(ledger.blocks(0, 9).await.unwrap().len(), 3);
    assert_eq!(ledger.block_of(2).await.unwrap().unwrap().block.no, 2);
    assert_eq!(ledger.block_of(4).await.unwrap(), None);
    let sums = ledger.sums().await.unwrap();
    assert_eq!((sums.debits, sums.credits, sums.held_debit, sums.owed), (120, 120, 30, 120));
}
