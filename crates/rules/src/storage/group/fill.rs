//! Who gets the slots of a placement group (`docs/design/storage.md` §5)?
//!
//! (A) No node stands twice, and no index. (B) In public pools an owner, a local network, a /24 and a /48 hold at most one
//! slot, nodes of tier T1 at most a tenth. (C) No piece outside the region rule, ever; what cannot be met is refused.
//! (D) In public pools a soft cap is broken only while nobody is left who breaks none, and the plan says so. (E) Same facts, ask and seed,
//! same plan, whatever the order of the candidates. (F) Every candidate is either chosen or passed over with a reason.
//! (G) What stands over its cap at the end is reported.
//!
//! Greedy: take the weakest hour of the week, draw four candidates by weight, take the best for that hour; to `want`, in
//! public pools on until the week is covered. Where everybody holds a slot anyway, all candidates are weighed, and owners
//! take turns. One pass over the candidates per slot: 104 slots of 10,000 candidates are a few milliseconds.

use super::coverage::Weakest;
use super::{Coverage, Domain, DomainKind, Pass, Pick, RegionRule, Site, Unfit};
use crate::Refusal;
use crate::fleet::profile::WeeklyProfile;
use crate::storage::scheme::PoolKind;
use model::{Alias, Bytes, Class, Ppm, Region, Scheme, Tier, errors};
use rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// Candidates drawn for one slot in public pools.
pub const DRAWS: usize = 4;
/// Share of a group's slots that nodes on probation (T1) may hold.
pub const PROBATION_SHARE: Ppm = Ppm::percent(10);
const ONE: i64 = 1_000_000;
const FLAKY: i64 = ONE / 4;
const YOUNG: i64 = ONE / 10;
/// Standing in the system or country that holds more than half of the group: one that begins at its cap is soon repaired for it, and
/// whoever stands outside of it is spent last (`docs/durability.md` §3).
const WIDEST: i64 = ONE / 4;
/// More than all the rest of a score can differ, so that owners take turns.
const TURN: i64 = 4 * ONE;

/// A node as placement sees it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its number.
    pub node: Alias,
    /// What it fails with.
    pub site: Site,
    /// The region that evidence holds for promises; `None` where claims are refuted, disagree or lack.
    pub region: Option<&'a Region>,
    /// Share of each hour it is on.
    pub profile: &'a WeeklyProfile,
    /// Its rank.
    pub tier: Tier,
    /// Lent and not used.
    pub free: Bytes,
    /// Quality, 0.5 … 1.
    pub quality: Ppm,
    /// Factor of [`crate::ledger::debt_first::factor`].
    pub debt: Ppm,
    /// On now.
    pub on: bool,
    /// Often away for long.
    pub is_flaky: bool,
    /// Joined less than 14 d ago.
    pub is_young: bool,
    /// Why it may hold nothing new.
    pub unfit: Option<Unfit>,
}

/// A slot that stands already.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Its index.
    pub index: u16,
    /// Its holder.
    pub node: Candidate<'a>,
    /// On holiday: counts for durability, not for coverage.
    pub on_holiday: bool,
}

/// What is to be filled.
#[derive(Debug, Clone, Copy)]
pub struct FillAsk<'a> {
    /// Kind of pool: caps, δ and z.
    pub kind: PoolKind,
    /// Class, for the refusal's sentence.
    pub class: Class,
    /// The group's scheme.
    pub scheme: Scheme,
    /// Where pieces may stand.
    pub region: &'a RegionRule,
    /// Room a slot needs.
    pub slot: Bytes,
    /// Slots that stand; a missing holder's is left out, its index is free.
    pub held: &'a [Held<'a>],
    /// Slots wanted in all.
    pub want: u16,
    /// Fewest slots in all worth having; below, the ask is refused.
    pub slots_min: u16,
}

impl<'a> FillAsk<'a> {
    /// A new group: to `o`, at least one above the repair threshold.
    pub fn open(kind: PoolKind, class: Class, scheme: Scheme, region: &'a RegionRule, slot: Bytes) -> Self {
        let slots_min = (scheme.m + 1).min(scheme.o);
        Self { kind, class, scheme, region, slot, held: &[], want: scheme.o, slots_min }
    }

    /// A group that lacks slots: whoever can be added is welcome.
    #[must_use]
    pub fn refill(self, held: &'a [Held<'a>]) -> Self {
        Self { held, slots_min: 0, ..self }
    }
}

/// A domain that holds more than it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// Which.
    pub domain: Domain,
    /// Slots it holds.
    pub slots: u16,
    /// Slots it should hold at most.
    pub allowed: u16,
}

/// Slots to be given, and why so.
#[derive(Debug, Clone, PartialEq)]
pub struct FillPlan {
    /// New slots, in the order they were chosen.
    pub picks: Vec<Pick>,
    /// The week with all of the group's slots.
    pub coverage: Coverage,
    /// Its weakest hour.
    pub weakest: Weakest,
    /// The week is covered.
    pub is_covered: bool,
    /// Domains over their cap, since the pool has nothing better; the bucket's report says so.
    pub over: Vec<Over>,
    /// Every candidate that got no slot, by number.
    pub passed: BTreeMap<Alias, Pass>,
}

/// Chooses holders for the slots a group lacks.
///
/// E0506 when the region rule leaves too few; E0306 when the whole pool has too few.
pub fn fill(candidates: &[Candidate<'_>], ask: &FillAsk<'_>, rng: &mut impl Rng) -> Result<FillPlan, Refusal> {
    let mut filler = Filler::new(candidates, ask);
    let spread = filler.spread_regions(rng);
    while spread.is_ok() && filler.lacks() && filler.step(rng, |_| true) {}
    if filler.count() < ask.slots_min || spread.is_err() {
        return Err(refuse(candidates, ask, &filler, spread));
    }
    Ok(filler.finish())
}

/// Too few: because of the regions, or at all.
fn refuse(all: &[Candidate<'_>], ask: &FillAsk<'_>, filler: &Filler<'_>, spread: Result<(), u16>) -> Refusal {
    let able = |c: &&Candidate<'_>| c.unfit.is_none() && c.free >= ask.slot;
    let inside = all.iter().filter(able).filter(|c| ask.region.admits(c.region)).count();
    let outside = all.iter().filter(able).count() - inside;
    let thin = Refusal::new(errors::REGION_THIN);
    if let Err(found) = spread {
        let region = format!("{}, country {} of {}", ask.region, found + 1, ask.region.regions_min);
        return thin.with("region", region).with("have", 0).with("need", 1);
    }
    if !ask.region.only.is_empty() && outside > 0 {
        return thin.with("region", ask.region).with("have", filler.count()).with("need", ask.slots_min);
    }
    let live = all.iter().filter(|c| c.on).count();
    let refusal = Refusal::new(errors::TOO_FEW_NODES).with("class", ask.class).with("need", ask.slots_min);
    refusal.with("live", live).with("fit", filler.count())
}

/// A candidate still in the running.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    node: Candidate<'a>,
    weight: u64,
    mean: i64,
}

struct Filler<'a> {
    ask: FillAsk<'a>,
    /// Break no cap.
    free: Vec<Entry<'a>>,
    /// Break a soft cap, with the one that moved them here.
    crowded: Vec<(Entry<'a>, Domain)>,
    counts: BTreeMap<Domain, u16>,
    probation: u16,
    coverage: Coverage,
    countries: BTreeSet<[u8; 2]>,
    indexes: BTreeSet<u16>,
    picks: Vec<Pick>,
    passed: BTreeMap<Alias, Pass>,
}

impl<'a> Filler<'a> {
    fn new(candidates: &[Candidate<'a>], ask: &FillAsk<'a>) -> Self {
        let mut filler = Self {
            ask: *ask,
            free: Vec::with_capacity(candidates.len()),
            crowded: Vec::new(),
            counts: BTreeMap::new(),
            probation: 0,
            coverage: Coverage::default(),
            countries: BTreeSet::new(),
            indexes: BTreeSet::new(),
            picks: Vec::new(),
            passed: BTreeMap::new(),
        };
        let holders: BTreeSet<Alias> = ask.held.iter().map(|held| held.node.node).collect();
        filler.free.extend(candidates.iter().map(Entry::of));
        // (E) The order of the facts is no fact.
        filler.free.sort_by_key(|entry| entry.node.node);
        filler.free.dedup_by_key(|entry| entry.node.node);
        let Self { free, passed, .. } = &mut filler;
        drop_where(free, passed, |c| if holders.contains(&c.node) { Some(Pass::Holds) } else { unsuitable(c, ask) });
        for held in ask.held {
            filler.indexes.insert(held.index);
            if !held.on_holiday {
                filler.coverage.add(held.node.profile);
            }
            filler.occupy(&held.node);
        }
        filler
    }

    fn count(&self) -> u16 {
        u16::try_from(self.indexes.len()).expect("at most n_max indexes, and those held")
    }

    /// Whether the group wants one slot more.
    fn lacks(&self) -> bool {
        let (count, scheme) = (self.count(), &self.ask.scheme);
        let extends = self.ask.kind.has_hard_caps() && count < scheme.n_max;
        count < self.ask.want.min(scheme.n_max)
            || extends && !self.coverage.is_covered(scheme.k, self.ask.kind.z_milli())
    }

    /// (C) First one slot in each country the rule asks for; the number found where there are no more.
    fn spread_regions(&mut self, rng: &mut impl Rng) -> Result<(), u16> {
        let wanted = usize::from(self.ask.region.regions_min);
        while wanted > 1 && self.countries.len() < wanted {
            let there = self.countries.clone();
            let is_new = |c: &Candidate<'_>| Site::country_of(c.region).is_some_and(|code| !there.contains(&code));
            if self.count() >= self.ask.scheme.n_max || !self.step(rng, is_new) {
                return Err(u16::try_from(there.len()).unwrap_or(u16::MAX));
            }
        }
        Ok(())
    }

    /// Gives one slot to one of those `among`; false when nobody is left.
    fn step(&mut self, rng: &mut impl Rng, among: impl Fn(&Candidate<'_>) -> bool) -> bool {
        let weakest = self.coverage.weakest(self.ask.scheme.k, self.ask.kind.z_milli());
        let vetted_only = self.probation_is_full();
        let may = |e: &&Entry<'_>| among(&e.node) && !(vetted_only && e.node.tier <= Tier::T1);
        let mut drawn = draw(self.ask.kind, self.free.iter().filter(may), rng);
        if drawn.is_empty() {
            drawn = draw(self.ask.kind, self.crowded.iter().map(|(e, _)| e).filter(may), rng);
        }
        let mut scored: Vec<(i64, Candidate<'a>)> = drawn.iter().map(|e| (self.score(e, &weakest), e.node)).collect();
        scored.sort_by_key(|(score, c)| (-score, c.node));
        let Some((score, node)) = scored.first().copied() else { return false };
        let beaten: Vec<(Alias, i64)> = scored[1..].iter().map(|(s, c)| (c.node, *s)).take(DRAWS - 1).collect();
        self.passed.extend(scored[1..].iter().map(|(score, c)| (c.node, Pass::Outdone(*score))));
        let index = (0..).find(|i| !self.indexes.contains(i)).expect("fewer than n_max are taken");
        let breaks = node.site.domains().filter(|d| self.is_full(d)).collect();
        self.picks.push(Pick { index, node: node.node, hour: weakest.hour, score, beaten, breaks });
        self.indexes.insert(index);
        self.coverage.add(node.profile);
        self.passed.remove(&node.node);
        self.free.retain(|e| e.node.node != node.node);
        self.crowded.retain(|(e, _)| e.node.node != node.node);
        self.occupy(&node);
        true
    }

    /// `a(weakest) + 0.5·mean(a) − 0.25[flaky] − 0.25[in the system or country that holds more than half] − 0.1[young]`. Where no hard cap parts them, owners take turns, and whoever
    /// breaks a soft cap comes later.
    fn score(&self, entry: &Entry<'_>, weakest: &Weakest) -> i64 {
        let c = &entry.node;
        let turns = self.counts.get(&Domain::Owner(c.site.owner)).copied().unwrap_or(0);
        let minus = |yes: bool, much: i64| if yes { much } else { 0 };
        let small = !self.ask.kind.has_hard_caps();
        i64::from(c.profile.share(weakest.hour).0) + entry.mean / 2
            - minus(c.is_flaky, FLAKY)
            - minus(!small && self.is_widest(c), WIDEST)
            - minus(c.is_young, YOUNG)
            - minus(small, TURN * i64::from(turns))
            - minus(small && c.site.domains().any(|d| self.is_full(&d)), ONE)
    }

    /// Whether it stands in the soft domain that holds most of the group, and that holds more than half of it.
    fn is_widest(&self, c: &Candidate<'_>) -> bool {
        let held = |d: &Domain| self.counts.get(d).copied().unwrap_or(0);
        c.site
            .domains()
            .any(|d| matches!(d.kind(), DomainKind::Os | DomainKind::Country) && 2 * held(&d) > self.count())
    }

    /// (D) Whether one more slot in this domain is one too many by its soft cap.
    fn is_full(&self, domain: &Domain) -> bool {
        let allowed = domain.allowed(self.ask.want, &self.ask.scheme, self.ask.kind);
        self.counts.get(domain).copied().unwrap_or(0) >= allowed
    }

    /// (B) Whether one more slot with a node on probation would be more than their share of the slots there are then.
    fn probation_is_full(&self) -> bool {
        let slots = u64::from(self.count()) + 1;
        self.ask.kind.has_hard_caps() && u64::from(self.probation) + 1 > PROBATION_SHARE.of(slots)
    }

    /// Counts a holder and takes out whoever may follow it no more.
    fn occupy(&mut self, node: &Candidate<'_>) {
        self.countries.extend(Site::country_of(node.region));
        let hard = self.ask.kind.has_hard_caps();
        if hard && node.tier <= Tier::T1 {
            self.probation += 1;
        }
        for domain in node.site.domains() {
            *self.counts.entry(domain).or_default() += 1;
            if hard && domain.is_hard() {
                self.forbid(|c| c.site.is_in(&domain).then_some(Pass::Taken(domain)));
            } else if hard && self.is_full(&domain) {
                let crowded = self.free.extract_if(.., |e| e.node.site.is_in(&domain));
                self.crowded.extend(crowded.map(|e| (e, domain)));
            }
        }
    }

    fn forbid(&mut self, why: impl Fn(&Candidate<'_>) -> Option<Pass>) {
        drop_where(&mut self.free, &mut self.passed, &why);
        let passed = &mut self.passed;
        self.crowded.retain(|(e, _)| {
            why(&e.node).is_none_or(|pass| {
                passed.insert(e.node.node, pass);
                false
            })
        });
    }

    fn finish(mut self) -> FillPlan {
        for entry in &self.free {
            self.passed.entry(entry.node.node).or_insert(Pass::NotDrawn);
        }
        for (entry, domain) in &self.crowded {
            self.passed.insert(entry.node.node, Pass::Crowded(*domain));
        }
        if self.probation_is_full() {
            let left = self.free.iter().chain(self.crowded.iter().map(|(e, _)| e));
            let waiting = left.filter(|e| e.node.tier <= Tier::T1);
            self.passed.extend(waiting.map(|e| (e.node.node, Pass::ProbationFull)));
        }
        let (count, scheme, kind) = (self.count(), self.ask.scheme, self.ask.kind);
        let over = self.counts.iter().map(|(domain, slots)| Over {
            domain: *domain,
            slots: *slots,
            allowed: domain.allowed(count, &scheme, kind),
        });
        // One home's machines are one owner's; said once.
        let over =
            over.filter(|o| o.slots > o.allowed && !matches!(o.domain.kind(), DomainKind::Lan | DomainKind::Prefix));
        let weakest = self.coverage.weakest(scheme.k, kind.z_milli());
        FillPlan {
            over: over.collect(),
            picks: self.picks,
            coverage: self.coverage,
            weakest,
            is_covered: weakest.spare >= 0.0,
            passed: self.passed,
        }
    }
}

impl<'a> Entry<'a> {
    fn of(node: &Candidate<'a>) -> Self {
        Self { node: *node, weight: weight(node), mean: i64::from(node.profile.mean_on().0) }
    }
}

/// free space × quality × debt-first factor, in MiB; at least 1, so that nobody who fits is left out for good.
fn weight(c: &Candidate<'_>) -> u64 {
    let free_mib = u128::from(c.free.0 >> 20);
    let weight = free_mib * u128::from(c.quality.0) * u128::from(c.debt.0) / 1_000_000_000_000;
    u64::try_from(weight).unwrap_or(u64::MAX).clamp(1, 1 << 40)
}

/// Why this candidate is out from the start.
fn unsuitable(c: &Candidate<'_>, ask: &FillAsk<'_>) -> Option<Pass> {
    let untested = ask.kind.has_hard_caps() && c.tier == Tier::T0;
    match c.unfit {
        Some(unfit) => Some(Pass::Unfit(unfit)),
        None if untested => Some(Pass::Probation),
        None if c.free < ask.slot => Some(Pass::NoRoom),
        None if !ask.region.admits(c.region) => Some(Pass::OutsideRegion),
        None => None,
    }
}

/// Four by weight, or all where no hard cap holds: everybody gets a slot there.
fn draw<'e, 'a: 'e>(kind: PoolKind, among: impl Iterator<Item = &'e Entry<'a>>, rng: &mut impl Rng) -> Vec<Entry<'a>> {
    let among: Vec<&Entry<'a>> = among.collect();
    if !kind.has_hard_caps() || among.len() <= DRAWS {
        return among.into_iter().copied().collect();
    }
    let mut sums: Vec<u64> = Vec::with_capacity(among.len());
    let total = among.iter().fold(0u64, |sum, entry| {
        sums.push(sum.saturating_add(entry.weight));
        sum.saturating_add(entry.weight)
    });
    let points = (0..DRAWS).map(|_| (u128::from(rng.next_u64()) * u128::from(total)) >> 64);
    let drawn: BTreeSet<usize> = points.map(|point| sums.partition_point(|sum| u128::from(*sum) <= point)).collect();
    // A point is below the total, so a sum above it is there.
    drawn.into_iter().map(|at| *among[at]).collect()
}

fn drop_where(
    entries: &mut Vec<Entry<'_>>,
    passed: &mut BTreeMap<Alias, Pass>,
    why: impl Fn(&Candidate<'_>) -> Option<Pass>,
) {
    entries.retain(|e| {
        why(&e.node).is_none_or(|pass| {
            passed.insert(e.node.node, pass);
            false
        })
    });
}
