//! What the ledger promises beside the answers of a book: (A) to (E) of `center::ledger`.

use super::rows::{NOW, by_member, by_system, gift, hold, id, member, open_all, post};
use super::{all_rows, start};
use crate::on_both;
use crate::place::Place;
use center::db::{Db, DbError, StoreError, Unwritable, meta};
use center::ledger::{Intent, Ledger, PostError, Posting, store};
use model::{Stamp, errors};
use rules::ledger::{No, Outcome};

on_both!(
    rows_and_blocks_cannot_be_changed_or_deleted,
    every_message_three_times_in_any_order_changes_nothing,
    a_refused_posting_spoils_nothing_beside_it,
    a_subjects_rows_stand_and_fall_with_their_groups,
    signatures_are_kept_where_a_group_is_applied,
    two_centers_at_once_leave_no_gap,
    a_block_has_a_limit,
);

/// (D)
async fn rows_and_blocks_cannot_be_changed_or_deleted(place: &mut Place) {
    let ledger = start(place).await;
    ledger.post(by_member(1, [gift(1, 1, 2, 100)]).into()).await.unwrap();
    let mut attempts = vec![
        "UPDATE ledger_transfer SET amount = 1",
        "DELETE FROM ledger_transfer WHERE seq = 1",
        "UPDATE ledger_block SET made_at = 1",
        "DELETE FROM ledger_block",
    ];
    if place.is_postgres() {
        attempts.extend(["TRUNCATE ledger_transfer", "TRUNCATE ledger_block"]);
    }
    for sql in attempts {
        let refused = place.db.write(move |tx| Ok(tx.execute(sql, &[])?)).await.unwrap_err();
        assert!(refused.to_string().contains("never changed"), "{sql}: {refused}");
    }
    // A counter that cannot be is refused as well.
    for sql in [
        "UPDATE ledger_account SET debits = -1 WHERE class = 10",
        "UPDATE ledger_account SET credits = 5 WHERE class = 20",
        "UPDATE ledger_account SET held_credit = 5 WHERE class = 10",
        "UPDATE ledger_account SET credits = 1, debits = 1 WHERE class = 90",
    ] {
        place.db.write(move |tx| Ok(tx.execute(sql, &[])?)).await.unwrap_err();
    }
    assert_eq!(ledger.audit().await.unwrap().rows, 1);
}

/// (C) Through the writer, all at once.
async fn every_message_three_times_in_any_order_changes_nothing(place: &mut Place) {
    let ledger = start(place).await;
    let postings: Vec<Posting> = (0..60)
        .map(|n| {
            let (from, to) = (n % 20 + 1, n % 7 + 21);
            by_member(from, [gift(n * 2, from, to, n + 1), hold(n * 2 + 1, from, 3)]).into()
        })
        .collect();
    let mut order: Vec<usize> = (0..180).map(|n| n % 60).collect();
    order.sort_by_key(|n| n.wrapping_mul(37) % 61);
    let asks: Vec<_> = order
        .into_iter()
        .map(|n| {
            let (ledger, posting) = (ledger.clone(), postings[n].clone());
            tokio::spawn(async move { (n, ledger.post(posting).await.unwrap()) })
        })
        .collect();
    let (mut applied, mut exist) = (Vec::new(), 0);
    for ask in asks {
        match ask.await.unwrap() {
            (n, Outcome::Applied(_)) => applied.push(n),
            (_, Outcome::Exists { .. }) => exist += 1,
        }
    }
    applied.sort_unstable();
    assert_eq!((applied, exist), ((0..60).collect::<Vec<_>>(), 120));
    let sound = ledger.audit().await.unwrap();
    assert_eq!((sound.rows, sound.sums.debits), (120, (1..=60).sum::<u128>()));
    assert!(sound.blocks <= 60, "{} blocks for 180 postings that came together", sound.blocks);
}

/// (B)
async fn a_refused_posting_spoils_nothing_beside_it(place: &mut Place) {
    let ledger = start(place).await;
    let postings = [
        by_member(1, [gift(1, 1, 2, 100)]),
        // The second of these has not what it needs: the first is not made either.
        by_member(3, [gift(2, 3, 4, 7), gift(3, 3, 4, 40_000_000)]),
        by_member(5, [gift(4, 6, 5, 1)]),
        // What the first brought can be spent by the next.
        by_member(2, [gift(5, 2, 7, 30_000_100)]),
        // The id of the refused one is free.
        by_member(3, [gift(2, 3, 4, 8)]),
    ];
    let postings: Vec<Posting> = postings.into_iter().map(Posting::from).collect();
    let asked = postings.clone();
    let answers = place.db.write(move |tx| store::post_in(tx, &asked, NOW)).await.unwrap();
    let went: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(went, [true, false, false, true, true]);
    assert!(matches!(&answers[1], Err(r) if r.at == 1 && matches!(r.no, No::InsufficientCredit { .. })));
    assert_eq!(ledger.head().await.unwrap().seq, 3);
    assert_eq!(ledger.blocks(0, 9).await.unwrap().len(), 1, "one block for all of them");
    assert_eq!(ledger.row(id(3)).await.unwrap(), None, "(K) it is not remembered");
    let refused = ledger.post(postings[1].clone()).await.unwrap_err();
    // Its first id was used by then, for another content.
    assert!(matches!(refused, PostError::Refused(r) if matches!(r.no, No::IdReused { field: "amount", .. })));
    assert_eq!(ledger.audit().await.unwrap().rows, 3);
}

async fn a_subjects_rows_stand_and_fall_with_their_groups(place: &mut Place) {
    let ledger = start(place).await;
    let subject = |refuses: bool, panics: bool| {
        move |tx: &mut center::db::Tx<'_>| {
            meta::put(tx, "bounty", b"published")?;
            let hold: Posting = by_member(1, [hold(1, 1, 500)]).into();
            let answers = store::post_in(tx, &[hold], NOW)?;
            assert!(!panics, "by hand");
            if refuses {
                return Err(StoreError::refused(errors::NOT_ALLOWED, "by hand"));
            }
            Ok(answers.len())
        }
    };
    let is_there = async || place.db.read(|q| Ok(meta::get(q, "bounty")?)).await.unwrap().is_some();
    place.db.write(subject(true, false)).await.unwrap_err();
    place.db.write(subject(false, true)).await.unwrap_err();
    assert!(!is_there().await && ledger.head().await.unwrap().seq == 0);
    place.db.write(subject(false, false)).await.unwrap();
    assert!(is_there().await && ledger.holds(member(1), 9).await.unwrap().len() == 1);
    // Twice in one transaction, once more afterwards.
    let twice = |tx: &mut center::db::Tx<'_>| {
        let first = store::post_in(tx, &[by_member(2, [gift(5, 2, 3, 9)]).into()], NOW)?;
        let again: [Posting; 2] = [by_member(2, [gift(5, 2, 3, 9)]).into(), by_member(3, [gift(6, 3, 2, 4)]).into()];
        Ok((first, store::post_in(tx, &again, NOW)?))
    };
    let (first, second) = place.db.write(twice).await.unwrap();
    assert!(matches!(first[0], Ok(Outcome::Applied(_))) && matches!(second[0], Ok(Outcome::Exists { seq: 2 })));
    assert!(matches!(&second[1], Ok(Outcome::Applied(applied)) if applied.rows[0].seq == 3));
    assert_eq!(ledger.audit().await.unwrap().blocks, 3);
}

async fn signatures_are_kept_where_a_group_is_applied(place: &mut Place) {
    let ledger = start(place).await;
    let intent = |n: u64| Intent { transfer: id(n), key: [n.to_le_bytes()[0]; 32], signature: [7; 64] };
    let posting = |n: u64, amount| Posting { group: by_member(1, [gift(n, 1, 2, amount)]), intents: vec![intent(n)] };
    ledger.post(posting(1, 5)).await.unwrap();
    ledger.post(posting(2, 40_000_000)).await.unwrap_err();
    ledger.post(posting(1, 5)).await.unwrap();
    assert_eq!(ledger.intent(id(1)).await.unwrap(), Some(intent(1)));
    assert_eq!(ledger.intent(id(2)).await.unwrap(), None);
}

/// (E) Two stores as two processes have them, postings of each overlap.
async fn two_centers_at_once_leave_no_gap(place: &mut Place) {
    let mine = start(place).await;
    let other = Db::open(&place.url).unwrap();
    let theirs = Ledger::start(other.clone(), || Stamp(NOW.0 + 1)).await.unwrap();
    let asks: Vec<_> = (0..200_u64)
        .map(|n| {
            let ledger = if n % 2 == 0 { mine.clone() } else { theirs.clone() };
            // Every fourth is asked of both.
            let n = if n % 4 == 1 { n - 1 } else { n };
            let (from, to) = (n % 9 + 1, n % 11 + 10);
            tokio::spawn(async move { ledger.post(by_member(from, [gift(n, from, to, 5)]).into()).await })
        })
        .collect();
    let mut applied = 0;
    for ask in asks {
        applied += u64::from(matches!(ask.await.unwrap().unwrap(), Outcome::Applied(_)));
    }
    assert_eq!(applied, 150);
    let places: Vec<u64> = all_rows(&theirs).await.iter().map(|row| row.seq).collect();
    assert_eq!(places, (1..=150).collect::<Vec<_>>());
    let sound = mine.audit().await.unwrap();
    assert_eq!((sound.rows, sound.sums.debits), (150, 750));
    drop(theirs);
    other.close().await;
}

async fn a_block_has_a_limit(place: &mut Place) {
    let ledger = start(place).await;
    let posting: Posting = by_system((0..256).map(|n| gift(n, 1, 2, 1)).collect::<Vec<_>>()).into();
    let many = vec![posting; store::BLOCK_ROWS_MAX / 256 + 1];
    let refused = place.db.write(move |tx| store::post_in(tx, &many, NOW)).await.unwrap_err();
    assert_eq!(refused.id(), errors::BAD_VALUE);
    assert_eq!(ledger.head().await.unwrap().seq, 0);
}

/// A full disk refuses, nothing of it stands, and the same posting goes through when there is space.
#[tokio::test]
async fn without_space_nothing_is_acknowledged_and_nothing_stands() {
    let place = Place::sqlite();
    let ledger = start(&place).await;
    let pages = |q: &mut center::db::Reader<'_>| Ok(q.query_opt("PRAGMA page_count", &[], |row| row.get::<u32>(0))?);
    let full = place.db.read(pages).await.unwrap().unwrap();
    place.db.write(move |tx| Ok(tx.set_page_ceiling(full + 1)?)).await.unwrap();
    let large: Posting = by_system((0..256).map(|n| gift(n, 1, 2, 1)).collect::<Vec<_>>()).into();
    for _ in 0..3 {
        let refused = ledger.post(large.clone()).await.unwrap_err();
        let is_full = |error: &PostError| {
            matches!(error, PostError::Store(StoreError::Db(DbError::Unwritable { why: Unwritable::Full, .. })))
        };
        assert!(is_full(&refused), "{refused:?}");
        assert_eq!(ledger.head().await.unwrap().seq, 0);
        assert_eq!(ledger.audit().await.unwrap().rows, 0);
    }
    place.db.write(|tx| Ok(tx.set_page_ceiling(1 << 20)?)).await.unwrap();
    ledger.post(large).await.unwrap();
    assert_eq!(ledger.audit().await.unwrap().rows, 256);
}

/// The connection is lost during the commit, once: the caller hears what became of its posting all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_unknown_outcome_is_resolved_by_its_ids() {
    let Some(place) = Place::postgres() else { return };
    let ledger = start(&place).await;
    for sql in [
        "CREATE SEQUENCE commits",
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $do$ BEGIN IF nextval('commits') = 1 THEN \
            PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NULL; END $do$",
        "CREATE CONSTRAINT TRIGGER lose AFTER INSERT ON ledger_block DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
            EXECUTE FUNCTION lose()",
    ] {
        place.db.write(move |tx| Ok(tx.execute(sql, &[])?)).await.unwrap();
    }
    let posting: Posting = by_member(1, [gift(1, 1, 2, 5)]).into();
    let answer = ledger.post(posting.clone()).await.unwrap();
    assert!(matches!(answer, Outcome::Applied(_)), "it did not stand, and was made again: {answer:?}");
    assert!(matches!(ledger.post(posting).await, Ok(Outcome::Exists { seq: 1 })));
    assert_eq!(ledger.audit().await.unwrap().rows, 1);
    place.db.close().await;
}

/// What a transfer takes on disk, with its indexes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_takes_few_bytes() {
    for place in [Some(Place::sqlite()), Place::postgres()].into_iter().flatten() {
        let ledger = start(&place).await;
        let tables: Vec<&str> = vec!["ledger_transfer", "ledger_block"];
        let size = async |is_postgres: bool| {
            let sql = if is_postgres {
                let sizes = tables.iter().map(|table| format!("pg_total_relation_size('{table}')")).collect::<Vec<_>>();
                format!("SELECT {}", sizes.join(" + "))
            } else {
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size".to_owned()
            };
            place.db.read(move |q| Ok(q.query_opt(&sql, &[], |row| row.get::<u64>(0))?)).await.unwrap().unwrap()
        };
        let before = size(place.is_postgres()).await;
        for block in 0..40_u64 {
            let postings: Vec<Posting> = (0..500_u64)
                .map(|n| {
                    let n = block * 500 + n;
                    let (from, to) = (n % 50 + 1, (n * 7 + 3) % 50 + 1);
                    let (from, to) = (from, if from == to { to % 50 + 1 } else { to });
                    let mut ask = gift(n, from, to, 1 + n % 977);
                    ask.id = super::rows::id_at(Stamp(NOW.0 + n * 3), n.wrapping_mul(0x9e37_79b9));
                    by_member(from, [ask]).into()
                })
                .collect();
            let at = Stamp(NOW.0 + block * 1_500);
            let answers = place.db.write(move |tx| store::post_in(tx, &postings, at)).await.unwrap();
            assert!(answers.iter().all(Result::is_ok));
        }
        let each = (size(place.is_postgres()).await - before) / ledger.head().await.unwrap().seq;
        println!("{} bytes a transfer on {}", each, if place.is_postgres() { "PostgreSQL" } else { "SQLite" });
        assert!(each <= if place.is_postgres() { 280 } else { 220 }, "{each} bytes");
        place.db.close().await;
    }
}

/// A store that has members open already starts again as it was.
#[tokio::test]
async fn a_second_start_opens_nothing_twice() {
    let mut place = Place::sqlite();
    let ledger = start(&place).await;
    ledger.post(by_system([gift(1, 1, 2, 3), hold(2, 2, 1), post(3, 2, 1, 1)]).into()).await.unwrap();
    let before = ledger.accounts(model::AccountNo(0), 1_000).await.unwrap();
    place.reopen().await;
    let ledger = Ledger::start(place.db.clone(), || Stamp(NOW.0 + 9)).await.unwrap();
    open_all(&place.db).await;
    assert_eq!(ledger.accounts(model::AccountNo(0), 1_000).await.unwrap(), before);
}
