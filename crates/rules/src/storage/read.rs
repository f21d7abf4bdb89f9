//! From whom is a segment read, when is one more asked, and which nodes does a range touch (`docs/design/storage.md` §7)?
//!
//! (A) A plan starts with exactly k distinct pieces whose holders are on, or refuses with both numbers. (B) The own network
//! comes first, then the own region; within each, the earliest expected finish; a data piece before a parity piece that is
//! hardly faster. (C) At most a quarter of k is asked beside, one at least. (D) A range names each cell it covers once, and no
//! other. (E) Same facts, same plan.

use crate::Refusal;
use model::{Kbps, Ppm, Span, errors};
use std::collections::BTreeMap;

/// For so long a read waits for k holders, by default.
pub const READ_WAIT: Span = Span::secs(30);
/// Bytes that are read ahead of a sequential reader at most.
pub const READ_AHEAD_MAX: u64 = 64 << 20;
/// Ranges in a row after which a reader is sequential.
pub const SEQUENTIAL_AFTER: u8 = 2;
/// Finished pieces whose times are remembered, per nearness.
pub const TIMES_MAX: usize = 64;
/// Finished pieces after which their times are believed.
const TIMES_MIN: usize = 4;
/// A parity piece must be this much faster than a data piece to be worth the decoding (**assumed**).
const PARITY_MORE: Ppm = Ppm::percent(25);
/// Rate of a holder nobody has measured: a slow home uplink (**assumed**).
const RATE_UNKNOWN: Kbps = Kbps(2_000);
/// Round trip to a holder nobody has measured (**assumed**).
const RTT_UNKNOWN_MS: u32 = 150;

/// How near a holder is. Nearer ones are always asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// In the own local network.
    Lan,
    /// In the own country or region.
    Region,
    /// Elsewhere, or unknown.
    Far,
}

/// A holder as a reader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Index of its piece.
    pub index: u16,
    /// Its holder is on and may be asked.
    pub on: bool,
    /// How near.
    pub nearness: Nearness,
    /// Round trip in ms, measured.
    pub rtt_ms: Option<u32>,
    /// What it sent lately, or its measured uplink.
    pub rate: Option<Kbps>,
    /// Bytes already asked of it and not here yet.
    pub waiting_bytes: u64,
}

impl Source {
    /// Expected time until `bytes` of it are here: a round trip, and everything asked of it at its rate.
    pub fn expected(&self, bytes: u64) -> Span {
        let rate = self.rate.filter(|rate| rate.0 > 0).unwrap_or(RATE_UNKNOWN);
        let bits = u128::from(self.waiting_bytes.saturating_add(bytes)) * 8;
        let sending = u64::try_from(bits / u128::from(rate.0)).unwrap_or(u64::MAX);
        Span(sending.saturating_add(self.rtt_ms.unwrap_or(RTT_UNKNOWN_MS).into()))
    }
}

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadPlan {
    /// k pieces to ask for at once, best first.
    pub start: Vec<u16>,
    /// Pieces to ask for when one fails or is slow, best first.
    pub spare: Vec<u16>,
}

/// Chooses k of the sources for `bytes` of each.
///
/// E0307 with `have` and `need` when fewer than k are on. `when` is for the caller to add: it knows the coverage; until then it is `?`.
pub fn choose(sources: &[Source], k: u16, bytes: u64) -> Result<ReadPlan, Refusal> {
    let mut best: BTreeMap<u16, (Nearness, Span)> = BTreeMap::new();
    for source in sources.iter().filter(|s| s.on) {
        let expected = source.expected(bytes);
        // Parity costs decoding.
        let extra = if source.index < k { 0 } else { PARITY_MORE.of(expected.as_ms()) };
        let order = (source.nearness, Span(expected.as_ms().saturating_add(extra)));
        let known = best.entry(source.index).or_insert(order);
        *known = order.min(*known);
    }
    if best.len() < usize::from(k) {
        return Err(unreadable(best.len(), k));
    }
    let mut ordered: Vec<(Nearness, Span, u16)> =
        best.into_iter().map(|(index, (near, span))| (near, span, index)).collect();
    ordered.sort_unstable();
    let mut start: Vec<u16> = ordered.into_iter().map(|(_, _, index)| index).collect();
    let spare = start.split_off(usize::from(k));
    Ok(ReadPlan { start, spare })
}

fn unreadable(have: usize, need: u16) -> Refusal {
    Refusal::new(errors::UNREADABLE_NOW).with("have", have).with("need", need).with("when", "?")
}

/// Times of pieces that came lately, by nearness: what "slow" means.
#[derive(Debug, Clone, Default)]
pub struct PieceTimes {
    times: BTreeMap<Nearness, Vec<Span>>,
    next: BTreeMap<Nearness, usize>,
}

impl PieceTimes {
    /// A piece came after so long. The oldest of [`TIMES_MAX`] is forgotten.
    pub fn add(&mut self, nearness: Nearness, took: Span) {
        let times = self.times.entry(nearness).or_default();
        let next = self.next.entry(nearness).or_default();
        if times.len() < TIMES_MAX {
            times.push(took)
        } else {
            times[*next] = took
        }
        *next = (*next + 1) % TIMES_MAX;
    }

    /// The time nine of ten pieces keep; `None` until enough came.
    pub fn p90(&self, nearness: Nearness) -> Option<Span> {
        let mut times = self.times.get(&nearness).filter(|t| t.len() >= TIMES_MIN)?.clone();
        times.sort_unstable();
        // Nearest rank: the ⌈0.9 n⌉-th.
        times.get((times.len() * 9).div_ceil(10) - 1).copied()
    }

    /// When a stream of this nearness is slow: past the p90, or past twice what was expected while that is not known.
    pub fn slow_after(&self, nearness: Nearness, expected: Span) -> Span {
        self.p90(nearness).unwrap_or(Span(expected.as_ms().saturating_mul(2)))
    }
}

/// A piece on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Index of the piece.
    pub index: u16,
    /// How near its holder is.
    pub nearness: Nearness,
    /// Since it was asked.
    pub elapsed: Span,
    /// [`Source::expected`] when it was asked.
    pub expected: Span,
    /// One more was asked because of it.
    pub is_hedged: bool,
}

/// Most pieces of a segment asked beside k because others are slow: a quarter, one at least.
pub const fn hedges_max(k: u16) -> u16 {
    let quarter = k / 4;
    if quarter == 0 { 1 } else { quarter }
}

/// The stream because of which one more piece is asked now: the first that is slow and not hedged. `None` when none is, or
/// when `hedged` pieces of this segment are all that may be (C). Replacing a failed stream is no hedge.
pub fn hedge(streams: &[Stream], times: &PieceTimes, k: u16, hedged: u16) -> Option<u16> {
    if hedged >= hedges_max(k) {
        return None;
    }
    let slow = |s: &&Stream| !s.is_hedged && s.elapsed > times.slow_after(s.nearness, s.expected);
    streams.iter().find(slow).map(|s| s.index)
}

/// How the bytes of a segment lie: columns of k cells, cell i of each in data piece i.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Cells of a column.
    pub k: u16,
    /// Bytes of a cell.
    pub cell_bytes: u32,
    /// Sealed bytes of the segment.
    pub sealed_bytes: u64,
}

/// Cells of one piece, one of each of these columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PieceRange {
    /// Index of the piece.
    pub index: u16,
    /// First column.
    pub first_column: u64,
    /// How many.
    pub columns: u64,
}

impl PieceRange {
    /// Where it begins in the piece, in bytes.
    pub fn offset_bytes(&self, layout: &Layout) -> u64 {
        self.first_column * u64::from(layout.cell_bytes)
    }
    /// How long it is, in bytes.
    pub fn len_bytes(&self, layout: &Layout) -> u64 {
        self.columns * u64::from(layout.cell_bytes)
    }
}

/// (D) The cells that `len` bytes from `offset` touch, by data piece, in order of index. Nothing of no bytes. E0314 beyond the end.
pub fn range(layout: &Layout, offset: u64, len: u64) -> Result<Vec<PieceRange>, Refusal> {
    let end =
        offset.checked_add(len).filter(|end| *end <= layout.sealed_bytes && layout.k > 0 && layout.cell_bytes > 0);
    let Some(end) = end else {
        let range = format!("{offset}+{len}");
        return Err(Refusal::new(errors::BAD_RANGE).with("range", range).with("size", layout.sealed_bytes));
    };
    if len == 0 {
        return Ok(Vec::new());
    }
    let (k, cell) = (u64::from(layout.k), u64::from(layout.cell_bytes));
    let (first, last) = (offset / cell, (end - 1) / cell);
    let of = |index: u16| {
        let at = u64::from(index);
        // The first cell of this piece at or after `first`, and the end after the last at or before `last`.
        let from = first / k + u64::from(at < first % k);
        let to = last / k + u64::from(at <= last % k);
        (to > from).then_some(PieceRange { index, first_column: from, columns: to - from })
    };
    Ok((0..layout.k).filter_map(of).collect())
}

/// What a range read asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangePlan {
    /// Cells from the holders that have them.
    pub direct: Vec<PieceRange>,
    /// Columns whose cells must be rebuilt from k pieces, since a holder is off.
    pub rebuild: Option<Rebuild>,
}

/// Columns to be rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuild {
    /// First column.
    pub first_column: u64,
    /// How many.
    pub columns: u64,
    /// From whom: k cells of each column.
    pub from: ReadPlan,
}

/// The nodes of the cells a range covers; where one is off or given up, k cells of its columns from others.
pub fn range_plan(layout: &Layout, offset: u64, len: u64, sources: &[Source]) -> Result<RangePlan, Refusal> {
    let is_on = |index: u16| sources.iter().any(|s| s.index == index && s.on);
    let (direct, lacking): (Vec<PieceRange>, Vec<PieceRange>) =
        range(layout, offset, len)?.into_iter().partition(|part| is_on(part.index));
    let first = lacking.iter().map(|part| part.first_column).min();
    let end = lacking.iter().map(|part| part.first_column + part.columns).max();
    let Some((first_column, end)) = first.zip(end) else { return Ok(RangePlan { direct, rebuild: None }) };
    let columns = end - first_column;
    let from = choose(sources, layout.k, columns * u64::from(layout.cell_bytes))?;
    Ok(RangePlan { direct, rebuild: Some(Rebuild { first_column, columns, from }) })
}

/// Notices a reader that goes through an object in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadAhead {
    next: Option<u64>,
    in_a_row: u8,
}

impl ReadAhead {
    /// A range is read. Answers how many bytes after it are worth fetching in whole columns: none for a reader that jumps,
    /// otherwise four times its range, at most [`READ_AHEAD_MAX`] (the factor is **assumed**).
    pub fn on_range(&mut self, offset: u64, len: u64) -> u64 {
        let follows = self.next == Some(offset);
        self.in_a_row = if follows { self.in_a_row.saturating_add(1) } else { 1 };
        self.next = offset.checked_add(len);
        if self.in_a_row < SEQUENTIAL_AFTER { 0 } else { len.saturating_mul(4).min(READ_AHEAD_MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn source(index: u16, nearness: Nearness, rtt_ms: u32) -> Source {
        Source { index, on: true, nearness, rtt_ms: Some(rtt_ms), rate: Some(Kbps(8_000)), waiting_bytes: 0 }
    }

    #[test]
    fn the_own_network_then_the_region_then_the_earliest() {
        use Nearness::{Far, Lan, Region};
        let sources =
            [source(0, Far, 1), source(1, Region, 90), source(2, Region, 30), source(3, Lan, 200), source(4, Far, 5)];
        let plan = choose(&sources, 3, 1_000).unwrap();
        assert_eq!((plan.start, plan.spare), (vec![3, 2, 1], vec![0, 4]), "(B)");
        let refusal = choose(&sources, 6, 1).unwrap_err();
        assert_eq!(refusal.to_string(), "E0307 unreadable_now have=5 need=6 when=?", "(A)");
    }

    #[test]
    fn data_pieces_come_before_parity_that_is_hardly_faster() {
        let sources = [source(0, Nearness::Far, 100), source(1, Nearness::Far, 100), source(2, Nearness::Far, 90)];
        assert_eq!(choose(&sources, 2, 0).unwrap().start, [0, 1], "(B)");
        let fast = [sources[0], sources[1], source(2, Nearness::Far, 10)];
        assert_eq!(choose(&fast, 2, 0).unwrap().start, [2, 0], "(B)");
    }

    #[test]
    fn what_is_asked_already_counts() {
        let idle = source(0, Nearness::Far, 20);
        assert_eq!(idle.expected(1_000_000), Span(1_020), "1 MB at 8 Mbit/s");
        let busy = Source { waiting_bytes: 2_000_000, ..idle };
        assert_eq!(busy.expected(1_000_000), Span(3_020));
        let unknown = Source { rate: None, rtt_ms: None, ..idle };
        assert_eq!(unknown.expected(1_000_000), Span(4_150));
        assert_eq!(Source { rate: Some(Kbps(0)), ..idle }.expected(0), Span(20));
    }

    #[test]
    fn a_slow_stream_is_hedged_within_a_quarter() {
        let mut times = PieceTimes::default();
        (1..=10).for_each(|ms| times.add(Nearness::Far, Span(ms * 100)));
        assert_eq!(times.p90(Nearness::Far), Some(Span(900)));
        assert_eq!(times.p90(Nearness::Lan), None);
        let stream = |index, elapsed, is_hedged| {
            let (elapsed, expected) = (Span(elapsed), Span(200));
            Stream { index, nearness: Nearness::Far, elapsed, expected, is_hedged }
        };
        let streams = [stream(1, 900, false), stream(2, 901, true), stream(3, 901, false)];
        assert_eq!(hedge(&streams, &times, 32, 7), Some(3));
        assert_eq!(hedge(&streams, &times, 32, 8), None, "(C)");
        assert_eq!(hedge(&streams[..2], &times, 32, 0), None);
        assert_eq!([1, 3, 4, 8, 32].map(hedges_max), [1, 1, 1, 2, 8], "(C)");
        assert_eq!(hedge(&streams, &PieceTimes::default(), 3, 0), Some(1), "twice the expected while nothing is known");
        (0..200).for_each(|_| times.add(Nearness::Far, Span(7)));
        assert_eq!((times.p90(Nearness::Far), times.times[&Nearness::Far].len()), (Some(Span(7)), TIMES_MAX));
    }

    #[test]
    fn a_small_range_touches_one_or_two_nodes() {
        let layout = Layout { k: 32, cell_bytes: 65_536, sealed_bytes: 64 << 20 };
        let touched = |offset, len| range(&layout, offset, len).unwrap();
        assert_eq!(touched(100, 1_000), [PieceRange { index: 0, first_column: 0, columns: 1 }]);
        let two = touched(65_536 * 32 - 1, 2);
        assert_eq!(two.iter().map(|p| (p.index, p.first_column)).collect::<Vec<_>>(), [(0, 1), (31, 0)]);
        assert_eq!(touched(0, 64 << 20).len(), 32);
        assert!(touched(5, 0).is_empty());
        assert_eq!(range(&layout, 64 << 20, 1).unwrap_err().id, errors::BAD_RANGE);
        assert_eq!(range(&layout, u64::MAX, 2).unwrap_err().id, errors::BAD_RANGE);
        assert_eq!((two[0].offset_bytes(&layout), two[0].len_bytes(&layout)), (65_536, 65_536));
    }

    #[test]
    fn where_a_holder_is_off_its_columns_come_from_k_others() {
        let layout = Layout { k: 3, cell_bytes: 10, sealed_bytes: 90 };
        let mut sources: Vec<Source> = (0..5).map(|i| source(i, Nearness::Far, 10)).collect();
        assert_eq!(range_plan(&layout, 12, 5, &sources).unwrap().rebuild, None);
        sources[1].on = false;
        let plan = range_plan(&layout, 12, 15, &sources).unwrap();
        assert_eq!(plan.direct, [PieceRange { index: 2, first_column: 0, columns: 1 }]);
        let rebuild = plan.rebuild.unwrap();
        assert_eq!((rebuild.first_column, rebuild.columns, rebuild.from.start), (0, 1, vec![0, 2, 3]));
        sources[3].on = false;
        sources[4].on = false;
        assert_eq!(range_plan(&layout, 12, 5, &sources).unwrap_err().id, errors::UNREADABLE_NOW, "(A)");
    }

    #[test]
    fn two_ranges_in_a_row_read_ahead() {
        let mut ahead = ReadAhead::default();
        assert_eq!([ahead.on_range(0, 10), ahead.on_range(10, 10), ahead.on_range(20, 10)], [0, 40, 40]);
        assert_eq!([ahead.on_range(5, 10), ahead.on_range(15, 1 << 30)], [0, READ_AHEAD_MAX]);
    }

    proptest! {
        #[test]
        fn a_plan_has_k_distinct_pieces_that_are_on(
            shape in proptest::collection::vec((0u16..40, any::<bool>(), 0u8..3, 0u32..500, 0u32..9_000), 0..60), k in 1u16..20,
        ) {
            let near = [Nearness::Lan, Nearness::Region, Nearness::Far];
            let mut sources: Vec<Source> = shape.iter().map(|(index, on, n, rtt, rate)| Source {
                on: *on, rate: Some(Kbps(*rate)), ..source(*index, near[usize::from(*n)], *rtt)
            }).collect();
            let on: BTreeSet<u16> = sources.iter().filter(|s| s.on).map(|s| s.index).collect();
            let Ok(plan) = choose(&sources, k, 1 << 20) else {
                prop_assert!(on.len() < usize::from(k), "(A)");
                return Ok(());
            };
            let all: Vec<u16> = plan.start.iter().chain(&plan.spare).copied().collect();
            prop_assert_eq!(plan.start.len(), usize::from(k), "(A)");
            prop_assert!(all.iter().copied().collect::<BTreeSet<_>>() == on && all.len() == on.len(), "(A)");
            let nearest = |i: &u16| sources.iter().filter(|s| s.on && s.index == *i).map(|s| s.nearness).min().unwrap();
            prop_assert!(all.windows(2).all(|w| nearest(&w[0]) <= nearest(&w[1])), "(B)");
            sources.reverse();
            prop_assert_eq!(choose(&sources, k, 1 << 20).unwrap(), plan, "(E)");
        }

        #[test]
        fn a_range_names_each_cell_it_covers_once(k in 1u16..9, cell in 1u32..7, size in 0u64..300, a: u64, b: u64) {
            let layout = Layout { k, cell_bytes: cell, sealed_bytes: size };
            let (a, b) = (a % (size + 1), b % (size + 1));
            let (from, to) = (a.min(b), a.max(b));
            let parts = range(&layout, from, to - from).unwrap();
            let mut named: Vec<u64> = Vec::new();
            for part in &parts {
                prop_assert!(part.columns > 0);
                (0..part.columns).for_each(|c| named.push((part.first_column + c) * u64::from(k) + u64::from(part.index)));
            }
            named.sort_unstable();
            let naive: BTreeSet<u64> = (from..to).map(|byte| byte / u64::from(cell)).collect();
            prop_assert_eq!(named, naive.into_iter().collect::<Vec<_>>(), "(D)");
        }
    }
}
