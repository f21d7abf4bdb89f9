//! Was there an order in which one client alone would have seen all this? A search after Wing and Gong for the history of one
//! name, whose value is a version or nothing (linearizability is local: a history of many names is judged name by name).
//!
//! (A) An answer that came is placed between its call and its answer. (B) A write whose answer never came took effect at some
//! moment after its call, or never. (C) A history that no order explains is called wrong, one that an order explains is not,
//! and one that is too long for [`STATES_MAX`] steps is called undecided, never either of the two. (D) Nothing is tried twice: where
//! the same answered calls are done and the value is the same, whoever has used fewer writes without an answer can all that the
//! other can.

use std::collections::HashMap;

/// Steps after which a history is undecided.
const STATES_MAX: usize = 1 << 20;

/// What was asked for, and what was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A version takes the place of what was there.
    Put(u64),
    /// The name goes.
    Delete,
    /// The version read, or that there is none.
    Get(Option<u64>),
    /// A listing shows the name, or does not.
    Seen(bool),
}

/// One call about one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op {
    /// When it was asked, on the one clock of all clients.
    pub call: u64,
    /// When it was answered; a write without an answer may take effect until the end, or never.
    pub answer: Option<u64>,
    /// What it was.
    pub what: What,
}

impl Op {
    fn is_read(&self) -> bool {
        matches!(self.what, What::Get(_) | What::Seen(_))
    }
    /// A read that may be answered so where the name has this value.
    fn fits(&self, value: Option<u64>) -> bool {
        match self.what {
            What::Get(got) => got == value,
            What::Seen(there) => there == value.is_some(),
            What::Put(_) | What::Delete => false,
        }
    }
    fn after(&self, value: Option<u64>) -> Option<u64> {
        match self.what {
            What::Put(version) => Some(version),
            What::Delete => None,
            What::Get(_) | What::Seen(_) => value,
        }
    }
}

/// What is said of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// An order explains it.
    Explained,
    /// None does.
    Wrong,
    /// It is too long to say.
    Undecided,
}

/// Where the search stands: what is done, and the value then.
#[derive(Clone)]
struct Point {
    done: Calls,
    value: Option<u64>,
}

impl Point {
    fn is_done(&self, at: usize) -> bool {
        self.done[at / 64] & (1 << (at % 64)) != 0
    }
    fn with(mut self, at: usize, value: Option<u64>) -> Self {
        self.done[at / 64] |= 1 << (at % 64);
        Self { value, ..self }
    }
}

/// A set of calls, one bit each.
type Calls = Vec<u64>;

/// Where the search was: by the answered calls that were done and the value, which of the others were used.
#[derive(Default)]
struct Tried {
    used: HashMap<(Calls, Option<u64>), Vec<Calls>>,
    points: usize,
}

impl Tried {
    /// (D) False where it was as well off before.
    fn is_new(&mut self, ops: &[Op], point: &Point) -> bool {
        let (mut answered, mut used) = (point.done.clone(), point.done.clone());
        for (at, op) in ops.iter().enumerate() {
            let side = if op.answer.is_some() { &mut used } else { &mut answered };
            side[at / 64] &= !(1 << (at % 64));
        }
        let before = self.used.entry((answered, point.value)).or_default();
        let within = |a: &Calls, b: &Calls| a.iter().zip(b).all(|(a, b)| a & !b == 0);
        if before.iter().any(|other| within(other, &used)) {
            return false;
        }
        before.retain(|other| !within(&used, other));
        before.push(used);
        self.points += 1;
        true
    }
}

/// Judges the history of one name that was not there in the beginning. Reads without an answer say nothing and are left out.
pub fn judge(history: &[Op]) -> Verdict {
    let mut ops: Vec<Op> = history.iter().filter(|op| op.answer.is_some() || !op.is_read()).copied().collect();
    ops.sort_by_key(|op| op.call);
    let mut tried = Tried::default();
    let mut open = vec![Point { done: vec![0; ops.len().div_ceil(64)], value: None }];
    while let Some(point) = open.pop() {
        let Some((point, next)) = advance(&ops, point) else { return Verdict::Explained };
        if !tried.is_new(&ops, &point) {
            continue;
        }
        if tried.points > STATES_MAX {
            return Verdict::Undecided;
        }
        // Last pushed is tried first: what was answered before what perhaps never was.
        let (sure, perhaps): (Vec<usize>, Vec<usize>) = next.iter().partition(|at| ops[**at].answer.is_some());
        let reads = |value| next.iter().any(|at| ops[*at].is_read() && ops[*at].fits(value));
        for at in perhaps.into_iter().chain(sure) {
            let (op, value) = (ops[at], ops[at].after(point.value));
            // A write without an answer matters only to a read right behind it: any other order is one in which it never was.
            if !op.is_read() && (op.answer.is_some() || reads(value)) {
                open.push(point.clone().with(at, value));
            }
        }
    }
    Verdict::Wrong
}

/// Takes every read that fits now, which never does harm, and says which calls may come next: those asked before the first
/// answer of those that are left. Nothing when all that was answered is done.
fn advance(ops: &[Op], mut point: Point) -> Option<(Point, Vec<usize>)> {
    loop {
        let next = next(ops, &point)?;
        let fits = |at: &&usize| ops[**at].is_read() && ops[**at].fits(point.value);
        let reads: Vec<usize> = next.iter().filter(fits).copied().collect();
        if reads.is_empty() {
            return Some((point, next));
        }
        point = reads.into_iter().fold(point, |point, at| {
            let value = point.value;
            point.with(at, value)
        });
    }
}

/// Calls that may come next. They are in the order in which they were asked: none behind the first answer is looked at.
fn next(ops: &[Op], point: &Point) -> Option<Vec<usize>> {
    let (mut first_answer, mut next) = (u64::MAX, Vec::new());
    let whole = point.done.iter().take_while(|word| **word == u64::MAX).count() * 64;
    for (at, op) in ops.iter().enumerate().skip(whole).filter(|(at, _)| !point.is_done(*at)) {
        if op.call > first_answer {
            break;
        }
        first_answer = first_answer.min(op.answer.unwrap_or(u64::MAX));
        next.push(at);
    }
    (first_answer < u64::MAX).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use What::{Delete, Get, Put, Seen};
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng, SeedableRng};

    fn op(call: u64, answer: u64, what: What) -> Op {
        Op { call, answer: (answer > 0).then_some(answer), what }
    }

    #[test]
    fn histories_that_an_order_explains() {
        let good: [&[Op]; 12] = [
            &[],
            &[op(1, 2, Get(None)), op(3, 4, Seen(false))],
            &[op(1, 2, Put(7)), op(3, 4, Get(Some(7))), op(3, 5, Seen(true))],
            // Read while it is written: either.
            &[op(1, 9, Put(7)), op(2, 3, Get(None)), op(4, 5, Get(Some(7)))],
            // Two at once, in an order that the reads tell.
            &[op(1, 9, Put(1)), op(1, 9, Put(2)), op(10, 11, Get(Some(1)))],
            &[op(1, 9, Put(1)), op(1, 9, Put(2)), op(2, 3, Get(Some(2))), op(4, 5, Get(Some(1)))],
            // An answer that never came: it took effect, late, or never.
            &[op(1, 0, Put(1)), op(2, 3, Get(None)), op(4, 5, Get(Some(1)))],
            &[op(1, 0, Put(1)), op(2, 3, Get(None)), op(4, 5, Get(None))],
            &[op(1, 2, Put(1)), op(3, 0, Delete), op(4, 5, Get(Some(1))), op(6, 7, Seen(false))],
            &[op(1, 2, Put(1)), op(3, 0, Put(2)), op(4, 5, Put(3)), op(6, 7, Get(Some(2)))],
            // Deleted, then stored again.
            &[op(1, 2, Put(1)), op(3, 4, Delete), op(5, 6, Get(None)), op(7, 8, Put(2)), op(9, 10, Get(Some(2)))],
            // A read that never came back says nothing.
            &[op(1, 2, Put(1)), op(3, 0, Get(None))],
        ];
        for (at, history) in good.iter().enumerate() {
            assert_eq!(judge(history), Verdict::Explained, "{at}");
        }
    }

    #[test]
    fn histories_that_no_order_explains() {
        let bad: [&[Op]; 12] = [
            // Of nobody.
            &[op(1, 2, Get(Some(7)))],
            &[op(1, 2, Seen(true))],
            // What was acknowledged is lost.
            &[op(1, 2, Put(1)), op(3, 4, Get(None))],
            &[op(1, 2, Put(1)), op(3, 4, Seen(false))],
            // An older version as the newest.
            &[op(1, 2, Put(1)), op(3, 4, Put(2)), op(5, 6, Get(Some(1)))],
            // What was deleted came back.
            &[op(1, 2, Put(1)), op(3, 4, Delete), op(5, 6, Get(Some(1)))],
            &[op(1, 2, Put(1)), op(3, 4, Delete), op(5, 6, Get(None)), op(7, 8, Seen(true))],
            // Seen, then not yet there.
            &[op(1, 9, Put(1)), op(2, 3, Get(Some(1))), op(4, 5, Get(None))],
            &[op(1, 0, Put(1)), op(2, 3, Get(Some(1))), op(4, 5, Get(None))],
            // Two readers saw two orders.
            &[
                op(1, 20, Put(1)),
                op(1, 20, Put(2)),
                op(2, 3, Get(Some(1))),
                op(4, 5, Get(Some(2))),
                op(6, 7, Get(Some(1))),
            ],
            // Read before it was asked for.
            &[op(1, 2, Get(Some(1))), op(3, 4, Put(1))],
            // A delete without an answer cannot act twice.
            &[op(1, 2, Put(1)), op(3, 0, Delete), op(4, 5, Get(None)), op(6, 7, Put(2)), op(8, 9, Get(None))],
        ];
        for (at, history) in bad.iter().enumerate() {
            assert_eq!(judge(history), Verdict::Wrong, "{at}");
        }
    }

    /// All orders, and every choice of which unanswered writes took effect.
    fn naive(history: &[Op], done: u32, value: Option<u64>) -> bool {
        let left = || (0..history.len()).filter(|at| done & (1 << at) == 0);
        let Some(first_answer) = left().filter_map(|at| history[at].answer).min() else { return true };
        left().filter(|at| history[*at].call <= first_answer).any(|at| {
            let op = history[at];
            (!op.is_read() || op.fits(value)) && naive(history, done | 1 << at, op.after(value))
        })
    }

    fn below(rng: &mut ChaCha8Rng, end: u64) -> u64 {
        rng.next_u64() % end
    }

    fn drawn() -> impl Strategy<Value = Op> {
        let what = prop_oneof![
            (0..4u64).prop_map(Put),
            Just(Delete),
            any::<bool>().prop_map(Seen),
            proptest::option::of(0..4u64).prop_map(Get),
        ];
        (1..12u64, 1..7u64, what, 0..5u8).prop_map(|(call, takes, what, lost)| {
            let is_lost = lost == 0 && matches!(what, Put(_) | Delete);
            Op { call, answer: (!is_lost).then_some(call + takes), what }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]
        #[test]
        fn says_what_trying_all_orders_says(history in proptest::collection::vec(drawn(), 1..8)) {
            let want = if naive(&history, 0, None) { Verdict::Explained } else { Verdict::Wrong };
            prop_assert_eq!(judge(&history), want);
        }
    }

    /// A register that many use at once: moments of effect are drawn, and calls and answers around them.
    fn lived(rng: &mut ChaCha8Rng, len: u64) -> Vec<Op> {
        let (mut value, mut out) = (None, Vec::new());
        for n in 1..=len {
            let at = n * 10;
            let lost = below(rng, 12) == 0;
            let what = match below(rng, 10) {
                0..=2 => Put(n),
                3 => Delete,
                4 => Seen(value.is_some()),
                _ => Get(value),
            };
            // Of the writes whose answer is lost every second one never was.
            let op = Op { call: at - below(rng, 30).min(at), answer: (!lost).then(|| at + below(rng, 30)), what };
            if !lost || below(rng, 2) == 0 {
                value = op.after(value);
            }
            out.push(op);
        }
        out
    }

    #[test]
    fn long_histories_of_a_true_register_are_explained_and_one_changed_answer_is_not() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut found = 0;
        for _ in 0..20 {
            let mut history = lived(&mut rng, 300);
            assert_eq!(judge(&history), Verdict::Explained);
            // A version that was replaced long ago is served again.
            let old = history.iter().find_map(|op| if let Put(v) = op.what { op.answer.and(Some(v)) } else { None });
            history.push(op(9_000, 9_001, Put(99_999)));
            history.push(op(9_002, 9_003, Get(old)));
            found += u32::from(judge(&history) == Verdict::Wrong);
        }
        assert_eq!(found, 20);
    }
}
