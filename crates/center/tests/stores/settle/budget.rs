//! What jobs may cost: set aside when they are handed in, paid out of it, given back when they are over and settled.

use super::town::{PERIODS, Town, balances};
use crate::on_both;
use crate::place::Place;
use crate::rows::member_id;
use center::compute::budget::{cover_again, give_back, set_aside};
use center::compute::store::{self, JobRow};
use center::db::Tx;
use center::ledger::settle::results::{self, Paid};
use model::compute::{Check, JobKind, JobState, Trust};
use model::{BucketId, ItemRef, JobId, Span, Stamp, Ucredit};
use rules::compute::{JobFacts, Pay, PayAct};
use rules::ledger::No;
use rules::ledger::tariff::Variant;

on_both!(
    a_job_is_paid_out_of_what_was_set_aside_and_gives_back_the_rest,
    a_job_that_is_tried_again_is_covered_again,
    what_was_set_aside_and_is_over_lets_nobody_off,
);

const JOB: JobId = JobId([7; 16]);
/// An hour of the reference core, and what it costs.
const HOUR: u64 = 3_600_000_000_000;
const PRICE: u64 = 638_889;

fn job(town: &Town) -> JobRow {
    let facts = JobFacts {
        id: JOB,
        account: member_id(1),
        trust: Trust::Public,
        check: Check::Standard,
        interactive: false,
        regions: Vec::new(),
        deadline: town.now() + Span::days(7),
        stages: Vec::new(),
        budget: 2 * HOUR,
    };
    JobRow {
        facts,
        member: member_id(1),
        kind: JobKind::Array,
        label: vec![1],
        bucket: BucketId([1; 16]),
        keepers: Vec::new(),
        engine: [0; 16],
        state: JobState::Queued,
        made_at: town.now(),
        ended_at: None,
        progress: None,
        max_credits: Ucredit(2 * PRICE),
    }
}

async fn hold(town: &Town, number: u32, amount: u64) -> Result<(), No> {
    let (job, account, now) = ((JOB, town.now() + Span::days(7)), town.account(1), town.now());
    let write = move |tx: &mut Tx<'_>| set_aside(tx, job, account, (number, Ucredit(amount)), now);
    town.ledger.db().write(write).await.unwrap()
}

async fn held(town: &Town) -> u64 {
    town.ledger.account(town.account(1)).await.unwrap().unwrap().account.held_debit.0
}

/// One item of the job took an hour at a node of member 2.
async fn computed(town: &Town, place: &Place) {
    let item = ItemRef { job: JOB, stage: 0, item: 0 };
    let pay =
        Pay { act: PayAct::Post, node: model::Alias(1), owner: member_id(2), item, serial: 1, fuel: HOUR, bytes: 9 };
    let paid = vec![Paid { member: member_id(1), variant: Variant::Checked, pay }];
    let terms = results::Terms { periods: *PERIODS, limit: Ucredit::ZERO, now: town.now() };
    place.db.write(move |tx| results::note(tx, &paid, terms)).await.unwrap();
}

async fn end(town: &Town, place: &Place) {
    let now = town.now();
    let end = move |tx: &mut Tx<'_>| {
        Ok(tx.execute("UPDATE job SET ended_at = $1 WHERE id = $2", &[now.into(), JOB.as_bytes()[..].into()])?)
    };
    place.db.write(end).await.unwrap();
}

async fn a_job_is_paid_out_of_what_was_set_aside_and_gives_back_the_rest(place: &mut Place) {
    let town = Town::start(place).await;
    for _ in 0..3 {
        assert_eq!(hold(&town, 0, 2 * PRICE).await, Ok(()), "the same again");
    }
    let row = job(&town);
    place.db.write(move |tx| store::insert(tx, &row)).await.unwrap();
    let kept = place.db.read(|q| Ok(store::find(q, &JOB)?)).await.unwrap().unwrap();
    assert_eq!((kept.facts.budget, kept.max_credits.0), (2 * HOUR, 2 * PRICE));
    assert_eq!(held(&town).await, 2 * PRICE);
    let refused = hold(&town, 1, 1_000 * PRICE).await;
    assert!(matches!(refused, Err(No::InsufficientCredit { .. })), "{refused:?}");
    // It can owe nothing any more: what was set aside pays all the same.
    town.ledger.set_limit(town.account(1), Ucredit::ZERO, "test").await.unwrap();
    computed(&town, place).await;
    town.over().await;
    town.settle().await;
    let found = balances(&town.ledger).await;
    assert_eq!((held(&town).await, found[&town.account(1)]), (PRICE, -(PRICE as i64)));
    assert_eq!(found[&town.account(2)], 500_000);
    // While it runs nothing comes back; when it has ended, the rest, once.
    let settled = || Stamp(PERIODS.over(town.now()));
    assert_eq!(give_back(&town.ledger, settled()).await.unwrap(), 0);
    end(&town, place).await;
    town.later(Span::hours(30).as_ms().cast_signed());
    assert_eq!(give_back(&town.ledger, settled()).await.unwrap(), 0, "what nobody checked is final a day later");
    town.later(Span::hours(30).as_ms().cast_signed());
    town.over().await;
    town.settle().await;
    assert_eq!(give_back(&town.ledger, settled()).await.unwrap(), 1);
    assert_eq!((give_back(&town.ledger, settled()).await.unwrap(), held(&town).await), (0, 0));
    assert!(town.ledger.audit().await.unwrap().is_replayed);
}

async fn a_job_that_is_tried_again_is_covered_again(place: &mut Place) {
    let town = Town::start(place).await;
    hold(&town, 0, 2 * PRICE).await.unwrap();
    let row = job(&town);
    place.db.write(move |tx| store::insert(tx, &row)).await.unwrap();
    let again = async |left: u64| {
        let (job, account, now) = ((JOB, town.now() + Span::days(7)), town.account(1), town.now());
        let write = move |tx: &mut Tx<'_>| cover_again(tx, job, account, Ucredit(left), now);
        town.ledger.db().write(write).await.unwrap()
    };
    assert_eq!((again(PRICE).await, held(&town).await), (Ok(()), 2 * PRICE), "something is set aside still");
    end(&town, place).await;
    town.later(Span::days(4).as_ms().cast_signed());
    assert_eq!(give_back(&town.ledger, Stamp(PERIODS.over(town.now()))).await.unwrap(), 1);
    assert_eq!(held(&town).await, 0);
    for _ in 0..2 {
        assert_eq!((again(PRICE).await, held(&town).await), (Ok(()), PRICE), "what is left of its budget, once");
    }
    // What is computed now is paid out of that.
    town.ledger.set_limit(town.account(1), Ucredit::ZERO, "test").await.unwrap();
    computed(&town, place).await;
    town.over().await;
    town.settle().await;
    assert_eq!((held(&town).await, balances(&town.ledger).await[&town.account(2)]), (0, 500_000));
    // Who has nothing any more is not tried again on credit.
    end(&town, place).await;
    town.later(Span::days(4).as_ms().cast_signed());
    give_back(&town.ledger, Stamp(PERIODS.over(town.now()))).await.unwrap();
    let refused = again(PRICE).await;
    assert!(matches!(refused, Err(No::InsufficientCredit { .. })), "{refused:?}");
    assert_eq!(again(0).await, Ok(()));
}

async fn what_was_set_aside_and_is_over_lets_nobody_off(place: &mut Place) {
    let town = Town::start(place).await;
    hold(&town, 0, 2 * PRICE).await.unwrap();
    let row = job(&town);
    place.db.write(move |tx| store::insert(tx, &row)).await.unwrap();
    // Its time is over, and nobody has noticed yet.
    town.later(Span::days(18).as_ms().cast_signed());
    computed(&town, place).await;
    town.over().await;
    town.settle().await;
    let found = balances(&town.ledger).await;
    assert_eq!((found[&town.account(1)], found[&town.account(2)]), (-(PRICE as i64), 500_000));
    assert_eq!((held(&town).await, town.ledger.expire_holds().await.unwrap()), (2 * PRICE, 1));
    assert!(town.ledger.audit().await.unwrap().is_replayed);
}
