//! The kept ledger: what `rules::ledger::Book` answers, the store answers on both engines, and what it keeps replays to the same
//! hash.

mod rows;

use crate::on_both;
use crate::place::Place;
use center::ledger::{Ledger, store};
use model::Stamp;
use rows::{Bank, NOW, by_member, gift, hold, member, open_all, post};
use rules::ledger::{Book, Outcome};

on_both!(the_same_answers_as_a_book_in_memory);

/// Thousands of random groups, in batches, with repeats, changed repeats, expiry and jumps of the clock.
async fn the_same_answers_as_a_book_in_memory(place: &mut Place) {
    let mut bank = Bank::new(11);
    let mut book = rows::book();
    open_all(&place.db).await;
    for round in 0..40_u64 {
        let postings = bank.postings(100);
        let now = bank.now;
        let expected: Vec<_> = postings.iter().map(|posting| book.apply(&posting.group, now)).collect();
        let answers = place.db.write(move |tx| store::post_in(tx, &postings, now)).await.unwrap();
        assert_eq!(answers, expected, "round {round}");
        if round % 10 == 9 {
            same(place, &book).await;
        }
    }
    same(place, &book).await;
    println!("{} rows", book.rows().len());
}

async fn same(place: &Place, book: &Book) {
    let ledger = Ledger::start(place.db.clone(), || NOW).await.unwrap();
    let sound = ledger.audit().await.unwrap();
    assert_eq!(sound.state_hash, book.state_hash());
    assert_eq!(sound.rows, book.rows().len() as u64);
    assert_eq!(Ok(sound.sums), book.check());
}

#[tokio::test]
async fn one_posting_is_answered_after_its_commit() {
    let place = Place::sqlite();
    let ledger = Ledger::start(place.db.clone(), || Stamp(NOW.0 + 5)).await.unwrap();
    open_all(&place.db).await;
    let answer = ledger.post(by_member(1, [gift(1, 1, 2, 100)]).into()).await.unwrap();
    let Outcome::Applied(applied) = answer else { panic!("{answer:?}") };
    assert_eq!((applied.rows[0].seq, applied.rows[0].at), (1, Stamp(NOW.0 + 5)));
    assert_eq!(ledger.lines(member(2), 0, 9).await.unwrap(), applied.rows);
    assert_eq!(ledger.account(member(2)).await.unwrap().unwrap().account.balance().0, 100);
    ledger.post(by_member(1, [hold(2, 1, 50)]).into()).await.unwrap();
    assert_eq!(ledger.holds(member(1), 9).await.unwrap().len(), 1);
    ledger.post(rows::by_system([post(3, 2, 3, 20)]).into()).await.unwrap();
    assert_eq!(ledger.blocks(0, 9).await.unwrap().len(), 3);
    assert_eq!(ledger.block_of(2).await.unwrap().unwrap().block.no, 2);
}
