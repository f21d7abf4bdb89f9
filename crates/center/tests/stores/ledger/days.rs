//! Daily roots, also of days that were missed.

use super::rows::{Bank, NOW, book};
use super::start_with_clock;
use crate::on_both;
use crate::place::Place;
use center::ledger::{DayRow, store};
use model::{CloudKey, MemberId, NodeId, Span, Stamp};
use rules::ledger::Row;
use rules::ledger::chain::Day;
use rules::ledger::cosign::KEPT_MAX;
use rules::ledger::roots::{Roots, Told};
use rules::ledger::row::day_of;
use std::sync::atomic::Ordering;
use wire::signed::{Cosign, public_of};

on_both!(roots_are_those_of_a_book_at_the_end_of_each_day);

async fn roots_are_those_of_a_book_at_the_end_of_each_day(place: &mut Place) {
    let (ledger, clock) = start_with_clock(place).await;
    let (mut bank, mut book, mut days) = (Bank::new(13), book(), Vec::new());
    let midnight = Stamp(u64::from(day_of(NOW)) * Span::days(1).as_ms());
    let mut prev = [0; 32];
    // The third day has no rows; the fifth goes on while roots are made.
    for day in 0..5_u64 {
        for hour in [1, 9, 23] {
            bank.now = midnight + Span::days(day) + Span::hours(hour);
            let (now, postings) = (bank.now, if day == 2 { Vec::new() } else { bank.postings(40) });
            postings.iter().for_each(|posting| drop(book.apply(&posting.group, now)));
            place.db.write(move |tx| store::post_in(tx, &postings, now)).await.unwrap().len();
        }
        let number = day_of(NOW) + u32::try_from(day).unwrap();
        let of_day: Vec<Row> = book.rows().iter().filter(|row| row.day == number).copied().collect();
        let sums = book.check().unwrap();
        let root_of = Day::new(number, &of_day, book.accounts(), &sums, book.rows().len() as u64);
        prev = root_of.root(&prev);
        days.push((root_of, prev));
    }
    assert!(days[1].0.rows > 40 && days[2].0.rows == days[1].0.rows);
    clock.store((midnight + Span::days(1) + Span::mins(59)).0, Ordering::Relaxed);
    assert_eq!(ledger.make_day_roots().await.unwrap(), 0, "not before an hour has passed");
    clock.store((midnight + Span::days(1) + Span::hours(1)).0, Ordering::Relaxed);
    assert_eq!(ledger.make_day_roots().await.unwrap(), 1);
    clock.store((midnight + Span::days(4) + Span::hours(2)).0, Ordering::Relaxed);
    assert_eq!(ledger.make_day_roots().await.unwrap(), 3);
    assert_eq!(ledger.make_day_roots().await.unwrap(), 0, "twice does nothing");
    let kept: Vec<_> = ledger.day_roots(None, 99).await.unwrap().iter().map(|row| (row.day, row.root)).collect();
    assert_eq!(kept, days[..4]);
    assert_eq!(ledger.day_roots(Some(days[1].0.day), 1).await.unwrap()[0].root, days[2].1);
    // Who keeps roots and no book follows them, from any day on, and holds the center to what it said.
    let told = |row: &DayRow| Told { day: row.day, root: row.root };
    let all: Vec<Told> = ledger.day_roots(None, 99).await.unwrap().iter().map(told).collect();
    let mut roots = Roots::default();
    assert_eq!((roots.take(&all[..2]), roots.take(&all[1..])), (Ok(2), Ok(2)));
    assert!(roots.take(&[]).is_err() && roots.take(&all[..2]).is_err());
    ledger.look_at_roots().await.unwrap();
    assert_eq!((ledger.newest_root(), roots.newest()), (Some((days[3].0.day, days[3].1)), ledger.newest_root()));
    // Owners' nodes sign a root, each once, as many as are kept.
    let (day, root) = roots.newest().unwrap();
    let word = |n: u8| {
        let (secret, node) = ([n; 32], NodeId(public_of(&[n; 32])));
        let word = Cosign { cloud: CloudKey([9; 32]), day, root, node };
        (word, MemberId([n; 16]), word.sign(&secret).to_vec())
    };
    for n in 0..u8::try_from(KEPT_MAX).unwrap() {
        for is_new in [true, false] {
            let (word, owner, bytes) = word(n);
            assert_eq!(ledger.keep_cosign(word, owner, bytes).await.unwrap(), is_new);
        }
    }
    let (more, owner, bytes) = word(99);
    assert!(!ledger.keep_cosign(more, owner, bytes).await.unwrap(), "enough are kept");
    let words = || place.db.read(move |q| Ok(store::cosign::between(q, 0, day + 9)?));
    let kept_words = words().await.unwrap();
    assert_eq!((kept_words.len(), kept_words[&day].len(), &kept_words[&day][2]), (1, KEPT_MAX, &word(2).2));
    // A year and more later the first ones are let go of.
    clock.store((midnight + Span::days(402) + Span::hours(1)).0, Ordering::Relaxed);
    while ledger.make_day_roots().await.unwrap() > 0 {}
    let kept = ledger.day_roots(None, 999).await.unwrap();
    assert_eq!((kept.len(), kept[0].root), (400, days[2].1));
    assert_eq!(ledger.last_day_over(), kept.last().map(|row| row.day.day));
    assert_eq!(words().await.unwrap(), kept_words);
    clock.store((midnight + Span::days(405) + Span::hours(1)).0, Ordering::Relaxed);
    while ledger.make_day_roots().await.unwrap() > 0 {}
    assert!(words().await.unwrap().is_empty(), "they go with their days");
}
