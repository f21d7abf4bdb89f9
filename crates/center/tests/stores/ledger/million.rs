//! Random operations on the kept book with crashes between its statements, beside the same on a book in memory: moves, holds, posts,
//! voids, ends by time, refusals, repeats, changed limits, frozen accounts. Some thousands always, a million on demand.
//!
//! A crash is a transaction that ends in the midst of its statements: at the first write of a table, at a row of many, behind the last
//! statement, by a panic, with its connection, or after its commit with the answer lost. (a) After each transaction, whatever came of it,
//! head, accounts, open holds, new rows and new blocks are those of the book, sums are zero, the chain goes on. (b) What crashed is asked
//! for again and is applied then: each id once. (c) At the end, and at some moments between, the whole book is audited from its rows.

use super::rows::{self, Bank, MEMBERS, NOW, member};
use super::start;
use crate::on_both;
use crate::place::Place;
use center::db::{StoreError, Tx};
use center::ledger::{Intent, Posting, store};
use model::{TransferId, Ucredit, errors};
use rules::ledger::chain::Block;
use rules::ledger::{Account, Book, Facts, Hold, Outcome, Refused, Row, Starter, check};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

on_both!(random_operations_with_crashes_between_statements);

/// Transfers asked for in passing.
const SHORT: u64 = 10_000;
/// Transfers asked for on demand.
const LONG: u64 = 1_000_000;
/// Groups of one transaction at most.
const GROUPS_MAX: u64 = 80;

/// Tables a posting writes, and how: where it can end.
const POINTS: [(&str, &str); 7] = [
    ("ledger_transfer", "INSERT"),
    ("ledger_intent", "INSERT"),
    ("ledger_block", "INSERT"),
    ("ledger_account", "UPDATE"),
    ("ledger_hold", "INSERT"),
    ("ledger_hold", "UPDATE"),
    ("ledger_head", "UPDATE"),
];

async fn random_operations_with_crashes_between_statements(place: &mut Place) {
    story(place, 21, SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a million operations; cargo nextest run --workspace --profile long --run-ignored only -E 'test(a_million_on)'"]
async fn a_million_on_sqlite() {
    story(&mut Place::sqlite(), 22, LONG).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a million operations on PostgreSQL"]
async fn a_million_on_postgres() {
    let Some(mut place) = Place::postgres() else { return };
    story(&mut place, 23, LONG).await;
    place.db.close().await;
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// In order.
    Commit,
    /// At the first write of a kind; of rows, at the one so far behind the head.
    Point(usize, u64),
    /// Behind its last statement.
    Refused,
    /// The same, by a panic.
    Panic,
    /// With its connection, behind its last statement.
    Connection,
    /// In order, and nobody hears it.
    Unheard,
}

impl End {
    fn draw(bank: &mut Bank) -> Self {
        match bank.below(24) {
            0 => Self::Refused,
            1 => Self::Panic,
            2 => Self::Connection,
            3 => Self::Unheard,
            4..8 => Self::Point(usize::try_from(bank.below(POINTS.len() as u64)).unwrap(), 1 + bank.below(12)),
            _ => Self::Commit,
        }
    }

    /// Its name without numbers, to be counted.
    fn word(self) -> String {
        match self {
            Self::Point(at, _) => format!("{} {}", POINTS[at].1, POINTS[at].0),
            other => format!("{other:?}"),
        }
    }
}

/// Triggers that end a transaction which says so.
async fn lay_traps(place: &Place) {
    let mut statements = vec!["CREATE TABLE trap (point BIGINT, row_no BIGINT)".to_owned()];
    statements.push("INSERT INTO trap VALUES (-1, 0)".to_owned());
    if place.is_postgres() {
        let body = |when: &str| {
            format!(
                "RETURNS trigger LANGUAGE plpgsql AS $do$ BEGIN IF EXISTS (SELECT 1 FROM trap WHERE point = \
                 TG_ARGV[0]::bigint{when}) THEN RAISE EXCEPTION 'crash'; END IF; RETURN NEW; END $do$"
            )
        };
        statements.push(format!("CREATE FUNCTION crash() {}", body("")));
        statements.push(format!("CREATE FUNCTION crash_at_row() {}", body(" AND NEW.seq >= row_no")));
    }
    for (at, (table, verb)) in POINTS.iter().enumerate() {
        let is_row = *table == "ledger_transfer";
        let then = match (place.is_postgres(), is_row) {
            (true, true) => format!("FOR EACH ROW EXECUTE FUNCTION crash_at_row('{at}')"),
            (true, false) => format!("FOR EACH ROW EXECUTE FUNCTION crash('{at}')"),
            (false, _) => {
                let row = if is_row { " AND NEW.seq >= row_no" } else { "" };
                format!(
                    "WHEN EXISTS (SELECT 1 FROM trap WHERE point = {at}{row}) BEGIN SELECT RAISE(ABORT, 'crash'); END"
                )
            }
        };
        statements.push(format!("CREATE TRIGGER trap_{at} BEFORE {verb} ON {table} {then}"));
    }
    for sql in statements {
        place.db.write(move |tx| Ok(tx.execute(&sql, &[])?)).await.unwrap();
    }
}

/// Everything that is known of the book beside the store.
struct Beside {
    book: Book,
    open: BTreeMap<TransferId, Hold>,
    seen: BTreeSet<TransferId>,
    last: Option<Block>,
    looked: u64,
    moments: u64,
    crashes: BTreeMap<String, u64>,
    refused: BTreeMap<&'static str, u64>,
    repeats: u64,
}

impl Beside {
    fn new() -> Self {
        Self {
            book: rows::book(),
            open: BTreeMap::new(),
            seen: BTreeSet::new(),
            last: None,
            looked: 0,
            moments: 0,
            crashes: BTreeMap::new(),
            refused: BTreeMap::new(),
            repeats: 0,
        }
    }

    fn apply(&mut self, postings: &[Posting], now: model::Stamp) -> Vec<Result<Outcome, Refused>> {
        let mut answers = Vec::with_capacity(postings.len());
        for posting in postings {
            let answer = self.book.apply(&posting.group, now);
            match &answer {
                Ok(Outcome::Applied(applied)) => {
                    for (id, hold) in &applied.holds {
                        if hold.remaining() > Ucredit::ZERO {
                            self.open.insert(*id, *hold);
                        } else {
                            self.open.remove(id);
                        }
                    }
                }
                Ok(Outcome::Exists { .. }) => self.repeats += 1,
                Err(refused) => *self.refused.entry(refused.no.refusal().id.row().code).or_default() += 1,
            }
            answers.push(answer);
        }
        answers
    }

    /// (a) The store is as the book is, in one snapshot.
    async fn look(&mut self, place: &Place, after: &str) {
        let (looked, block) = (self.looked, self.last.map_or(0, |block| block.no));
        let read = place.db.read(move |q| {
            let mut rows: Vec<Row> = Vec::new();
            loop {
                let page = store::row::after(q, rows.last().map_or(looked, |row| row.seq), 10_000)?;
                if page.is_empty() {
                    break;
                }
                rows.extend(page);
            }
            let (accounts, holds) = (store::account::all(q)?, store::hold::all(q, true)?);
            Ok((store::head(q)?, accounts, holds, rows, store::row::blocks(q, block, 9)?))
        });
        let (head, accounts, holds, rows, blocks) = read.await.unwrap();
        assert_eq!(head.seq, self.book.head().seq, "after {after}");
        assert_eq!(head.fault, None, "after {after}");
        let known: Vec<Account> = self.book.accounts().copied().collect();
        assert_eq!(accounts, known, "after {after}");
        assert!(holds.iter().eq(self.open.values()), "open holds after {after}");
        check::full(accounts.iter(), holds.iter()).unwrap();
        assert_eq!(rows, self.book.rows()[usize::try_from(looked).unwrap()..], "after {after}");
        for row in &rows {
            assert!(self.seen.insert(row.id), "{} is applied twice", row.id);
        }
        let mut at = 0;
        for stored in &blocks {
            let count = usize::try_from(stored.block.last_seq + 1 - stored.block.first_seq).unwrap();
            stored.block.verify(self.last.as_ref(), &rows[at..at + count]).unwrap();
            at += count;
            self.last = Some(stored.block);
        }
        assert_eq!(at, rows.len(), "each row is in a block");
        self.looked += rows.len() as u64;
        self.moments += 1;
    }
}

/// One transaction that ends so.
async fn transact(
    place: &Place,
    postings: &Arc<Vec<Posting>>,
    now: model::Stamp,
    (end, head): (End, u64),
) -> Result<Vec<Result<Outcome, Refused>>, StoreError> {
    let (postings, is_postgres) = (Arc::clone(postings), place.is_postgres());
    // A transaction whose connection is lost may be begun again; the second time it keeps it.
    let first = AtomicBool::new(true);
    let write = move |tx: &mut Tx<'_>| {
        if let End::Point(at, behind) = end {
            let at = i64::try_from(at).unwrap();
            tx.execute("UPDATE trap SET point = $1, row_no = $2", &[at.into(), (head + behind).into()])?;
        }
        let answers = store::post_in(tx, &postings, now)?;
        match end {
            End::Point(..) => drop(tx.execute("UPDATE trap SET point = -1", &[])?),
            End::Refused => return Err(StoreError::refused(errors::BAD_VALUE, "crash")),
            // Past the hook, which would write a page for each.
            End::Panic => std::panic::resume_unwind(Box::new("crash")),
            End::Connection if !first.swap(false, Ordering::Relaxed) => {}
            End::Connection if is_postgres => {
                let sql = "SELECT CAST(pg_terminate_backend(pg_backend_pid()) AS INT)";
                tx.query_opt(sql, &[], |row| row.get::<i64>(0))?;
            }
            End::Connection => return Err(StoreError::refused(errors::BAD_VALUE, "crash")),
            End::Commit | End::Unheard => {}
        }
        Ok(answers)
    };
    place.db.write(write).await
}

/// What is no counter of an account, and who argues about a hold, changes too.
async fn change(place: &Place, beside: &mut Beside, bank: &mut Bank) {
    let no = member(1 + bank.below(MEMBERS));
    match bank.below(3) {
        0 => {
            let limit = Ucredit(bank.below(60_000_000));
            place.db.write(move |tx| store::account::set_limit(tx, no, limit, "by hand", NOW)).await.unwrap();
            beside.book.set(no, |account| account.limit = limit);
        }
        1 => {
            let is_frozen = bank.below(4) == 0;
            place.db.write(move |tx| Ok(store::account::freeze(tx, no, is_frozen)?)).await.unwrap();
            beside.book.set(no, |account| account.is_frozen = is_frozen);
        }
        _ => {
            let Some(id) = beside.open.keys().next().copied() else { return };
            let on = bank.below(3) == 0;
            place.db.write(move |tx| Ok(store::hold::contest(tx, id, on)?)).await.unwrap();
            beside.book.contest(id, on);
            beside.open.insert(id, beside.book.hold(id).unwrap());
        }
    }
}

/// Puts a signature beside each transfer that a member starts.
fn sign(posting: &mut Posting) {
    if matches!(posting.group.starter, Starter::Member { .. }) {
        let intent = |ask: &rules::ledger::Ask| Intent { transfer: ask.id, key: [1; 32], signature: [2; 64] };
        posting.intents = posting.group.asks.iter().map(intent).collect();
    }
}

async fn story(place: &mut Place, seed: u64, asked: u64) {
    let (mut bank, mut beside, begun) = (Bank::new(seed), Beside::new(), std::time::Instant::now());
    drop(start(place).await);
    lay_traps(place).await;
    let (mut sent, mut round, mut next_audit) = (0, 0_u64, asked / 10);
    while sent < asked {
        round += 1;
        let count = 1 + bank.below(GROUPS_MAX);
        let mut postings = bank.postings(usize::try_from(count).unwrap());
        postings.iter_mut().for_each(sign);
        if round % 16 == 0 {
            // What time ends, as the chore of a center finds it.
            let over = beside.open.values().filter(|hold| hold.is_over(bank.now));
            postings.extend(over.map(|hold| Posting::from(rules::ledger::book::expire(hold))));
        }
        if round % 8 == 0 {
            change(place, &mut beside, &mut bank).await;
        }
        sent += postings.iter().map(|posting| posting.group.asks.len() as u64).sum::<u64>();
        let (postings, end, now) = (Arc::new(postings), End::draw(&mut bank), bank.now);
        let at = format!("round {round} of seed {seed}, {end:?}");
        let answers = transact(place, &postings, now, (end, beside.looked)).await;
        let stands = match answers {
            Ok(answers) => {
                assert_eq!(answers, beside.apply(&postings, now), "{at}");
                end != End::Unheard
            }
            Err(error) => {
                assert!(end != End::Commit, "{at}: {error}");
                false
            }
        };
        beside.look(place, &at).await;
        if !stands {
            *beside.crashes.entry(end.word()).or_default() += 1;
            // (b) Whoever heard nothing asks again.
            let answers = transact(place, &postings, now, (End::Commit, 0)).await.unwrap();
            assert_eq!(answers, beside.apply(&postings, now), "{at}, again");
            beside.look(place, &at).await;
        }
        if sent >= next_audit {
            next_audit += asked / 4;
            place.reopen().await;
            audit(place, &beside).await;
        }
    }
    audit(place, &beside).await;
    println!(
        "seed {seed}: {sent} transfers asked for in {round} transactions, {} rows, {} looks, repeats {}, refused {:?}, crashes {:?}, {:?}",
        beside.looked,
        beside.moments,
        beside.repeats,
        beside.refused,
        beside.crashes,
        begun.elapsed()
    );
    assert!(beside.looked > asked / 8 && beside.repeats > asked / 200, "the bank is lively");
    for code in ["credits_short", "hold_over", "transfer_conflict", "bad_value"] {
        assert!(beside.refused.get(code).is_some_and(|count| *count > 5), "{code}: {:?}", beside.refused);
    }
    assert!(beside.crashes.values().sum::<u64>() >= round / 20, "{:?}", beside.crashes);
}

/// (c)
async fn audit(place: &Place, beside: &Beside) {
    let ledger = center::ledger::Ledger::start(place.db.clone(), || NOW).await.unwrap();
    let sound = ledger.check().await.unwrap();
    assert_eq!((sound.rows, sound.is_replayed), (beside.looked, true));
    assert_eq!((sound.state_hash, Ok(sound.sums)), (beside.book.state_hash(), beside.book.check()));
}
