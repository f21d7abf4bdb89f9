//! Filling groups: caps, regions, reasons and exact determinism.

use super::*;
use crate::Refusal;
use crate::fleet::profile::WeeklyProfile;
use crate::storage::scheme::{PoolKind, circle, neighborhood, public};
use model::{Bytes, MemberId, Os, Ppm, Region, Tier};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};

const SLOT: Bytes = Bytes::gib(1);

/// What a candidate borrows.
struct World {
    regions: Vec<Region>,
    profiles: Vec<WeeklyProfile>,
}

impl World {
    fn new() -> Self {
        let regions = ["asia/kr/seoul", "asia/jp", "europe/de", "asia"].map(|r| r.parse().unwrap());
        let evening = WeeklyProfile::declared(|h| h.hour_of_day() >= 9 && h.hour_of_day() < 16);
        let office = WeeklyProfile::declared(|h| h.day() < 5 && h.hour_of_day() < 9);
        let profiles =
            vec![WeeklyProfile::flat(Ppm::percent(97)), evening, office, WeeklyProfile::flat(Ppm::percent(40))];
        Self { regions: regions.into(), profiles }
    }

    /// A node of its own owner, network and prefix; profile, region and system by its number.
    fn node(&self, i: u32) -> Candidate<'_> {
        let region = Some(&self.regions[i as usize % 3]);
        let site = Site {
            owner: owner(i),
            lan: Some(u64::from(i)),
            prefix: Some(NetPrefix::V4((i << 8).to_be_bytes()[..3].try_into().unwrap())),
            network: Some(i % 23),
            os: if i.is_multiple_of(5) { Os::Linux } else { Os::Windows },
            version: i % 2,
            country: Site::country_of(region),
        };
        Candidate {
            node: Alias(i),
            site,
            region,
            profile: &self.profiles[(i / 3 % 4) as usize],
            tier: Tier::T2,
            free: Bytes::gib(u64::from(i % 40) + 1),
            quality: Ppm::percent(50 + i % 51),
            debt: Ppm::ONE,
            on: true,
            is_flaky: i % 4 == 3,
            is_young: false,
            unfit: None,
        }
    }

    fn nodes(&self, count: u32) -> Vec<Candidate<'_>> {
        (0..count).map(|i| self.node(i)).collect()
    }
}

fn owner(i: u32) -> MemberId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&i.to_be_bytes());
    MemberId(id)
}

fn only(regions: &[&str], regions_min: u16) -> RegionRule {
    RegionRule { only: regions.iter().map(|r| r.parse().unwrap()).collect(), regions_min }
}

fn standard(rule: &RegionRule) -> FillAsk<'_> {
    FillAsk::open(PoolKind::Public, Class::Standard, public(Class::Standard), rule, SLOT)
}

fn run(nodes: &[Candidate<'_>], ask: &FillAsk<'_>, seed: u64) -> Result<FillPlan, Refusal> {
    fill(nodes, ask, &mut ChaCha8Rng::seed_from_u64(seed))
}

fn chosen<'a>(plan: &FillPlan, nodes: &[Candidate<'a>]) -> Vec<Candidate<'a>> {
    plan.picks.iter().map(|p| *nodes.iter().find(|c| c.node == p.node).unwrap()).collect()
}

#[test]
fn a_standard_group_of_ten_thousand_strangers() {
    let world = World::new();
    let nodes = world.nodes(10_000);
    let plan = run(&nodes, &standard(&RegionRule::default()), 1).unwrap();
    assert!(plan.picks.len() >= 104 && plan.is_covered, "{} slots, {:?}", plan.picks.len(), plan.weakest);
    assert_eq!(plan.over, [], "three quarters of the pool run Windows, and the cap holds");
    let windows = chosen(&plan, &nodes).iter().filter(|c| c.site.os == Os::Windows).count();
    assert_eq!(windows, 64, "k + δ stand outside: the pool would give 83");
    assert!(plan.picks.iter().all(|p| p.breaks.is_empty()), "(D)");
    assert_eq!(plan.passed.len() + plan.picks.len(), nodes.len(), "(F)");
}

#[test]
fn office_machines_alone_cannot_cover_the_week() {
    let world = World::new();
    let nodes: Vec<Candidate<'_>> =
        world.nodes(400).into_iter().map(|c| Candidate { profile: &world.profiles[2], ..c }).collect();
    let plan = run(&nodes, &standard(&RegionRule::default()), 1).unwrap();
    assert!(!plan.is_covered && plan.picks.len() == 144, "it goes on to n_max and says so");
    assert!(plan.weakest.spare < 0.0);
}

#[test]
fn no_piece_outside_the_region_and_a_refusal_when_it_is_too_thin() {
    let world = World::new();
    let rule = only(&["asia/kr"], 0);
    let nodes = world.nodes(600);
    let plan = run(&nodes, &standard(&rule), 5).unwrap();
    assert!(chosen(&plan, &nodes).iter().all(|c| c.region.unwrap().as_str() == "asia/kr/seoul"), "(C)");
    assert!(plan.over.iter().any(|o| o.domain == Domain::Country(*b"kr")), "(G) one country holds everything");
    assert_eq!(plan.passed[&Alias(1)], Pass::OutsideRegion, "(F)");
    let refusal = run(&nodes[..180], &standard(&rule), 5).unwrap_err();
    assert_eq!(refusal.to_string(), "E0506 region_thin have=60 need=81 region=asia/kr");
    let mut unknown = nodes.clone();
    unknown.iter_mut().for_each(|c| c.region = None);
    assert!(run(&unknown, &standard(&rule), 5).is_err(), "an unknown place satisfies no rule");
}

#[test]
fn at_least_three_countries_or_a_refusal() {
    let world = World::new();
    let nodes = world.nodes(300);
    let countries =
        |plan: &FillPlan| -> BTreeSet<[u8; 2]> { chosen(plan, &nodes).iter().filter_map(|c| c.site.country).collect() };
    let plan = run(&nodes, &standard(&only(&[], 3)), 9).unwrap();
    assert_eq!(countries(&plan).len(), 3, "(C)");
    let refusal = run(&nodes, &standard(&only(&["asia"], 3)), 9).unwrap_err();
    assert_eq!(refusal.to_string(), "E0506 region_thin have=0 need=1 region=asia, country 3 of 3");
}

#[test]
fn a_circle_takes_everybody_and_owners_take_turns() {
    let world = World::new();
    let rule = RegionRule::default();
    let ask = FillAsk::open(PoolKind::Circle, Class::Standard, circle(8, 8).unwrap(), &rule, SLOT);
    let plan = run(&world.nodes(8), &ask, 1).unwrap();
    assert_eq!(plan.picks.iter().map(|p| p.node.0).collect::<BTreeSet<_>>(), (0..8).collect());
    // Ten nodes of which one owner has five; eight slots.
    let nodes: Vec<Candidate<'_>> = world
        .nodes(10)
        .into_iter()
        .map(|c| if c.node.0 < 5 { Candidate { site: Site { owner: owner(99), ..c.site }, ..c } } else { c })
        .collect();
    let ask = FillAsk::open(PoolKind::Circle, Class::Standard, circle(10, 2).unwrap(), &rule, SLOT);
    let plan = run(&nodes, &ask, 1).unwrap();
    let rich = chosen(&plan, &nodes).iter().filter(|c| c.site.owner == owner(99)).count();
    assert_eq!((plan.picks.len(), rich), (8, 3), "the five others first");
    let refusal = run(&nodes[..7], &ask, 1).unwrap_err();
    assert_eq!(refusal.to_string(), "E0306 too_few_nodes class=standard fit=7 live=7 need=8");
}

#[test]
fn a_home_that_holds_too_much_is_reported() {
    let world = World::new();
    let nodes: Vec<Candidate<'_>> = world
        .nodes(8)
        .into_iter()
        .map(|c| Candidate { site: Site { owner: owner(c.node.0 % 2), ..c.site }, ..c })
        .collect();
    let rule = RegionRule::default();
    let ask = FillAsk::open(PoolKind::Circle, Class::Standard, circle(8, 8).unwrap(), &rule, SLOT);
    let plan = run(&nodes, &ask, 1).unwrap();
    let home = plan.over.iter().find(|o| o.domain == Domain::Owner(owner(0)));
    assert_eq!(home.map(|o| (o.slots, o.allowed)), None, "four of eight: k + δ = 4 stand outside");
    let nodes: Vec<Candidate<'_>> = nodes
        .into_iter()
        .map(|c| if c.node.0 == 1 { Candidate { site: Site { owner: owner(0), ..c.site }, ..c } } else { c })
        .collect();
    let plan = run(&nodes, &ask, 1).unwrap();
    let home = plan.over.iter().find(|o| o.domain == Domain::Owner(owner(0)));
    assert_eq!(home.map(|o| (o.slots, o.allowed)), Some((5, 4)), "(G)");
}

#[test]
fn a_neighborhood_is_one_group_of_all() {
    let world = World::new();
    let rule = RegionRule::default();
    let ask = FillAsk::open(PoolKind::Neighborhood, Class::Eco, neighborhood(48, 14), &rule, SLOT);
    assert_eq!(run(&world.nodes(48), &ask, 1).unwrap().picks.len(), 48);
}

#[test]
fn a_refill_keeps_what_stands_and_never_refuses() {
    let world = World::new();
    let nodes = world.nodes(500);
    let rule = RegionRule::default();
    let first = run(&nodes, &standard(&rule), 3).unwrap();
    let held: Vec<Held<'_>> = first.picks[..90]
        .iter()
        .zip(chosen(&first, &nodes))
        .map(|(pick, node)| Held { index: pick.index, node, on_holiday: false })
        .collect();
    let plan = run(&nodes, &standard(&rule).refill(&held), 4).unwrap();
    assert!(plan.picks.len() >= 14 && plan.picks[0].index == 90, "the free indexes are filled, lowest first");
    assert!(held.iter().all(|h| plan.passed[&h.node.node] == Pass::Holds), "(A)");
    assert_eq!(run(&nodes[..5], &standard(&rule).refill(&held), 4).map(|p| p.picks.len() <= 5), Ok(true));
}

#[test]
fn reasons_read_as_sentences() {
    let world = World::new();
    let mut nodes = world.nodes(300);
    nodes[7].unfit = Some(Unfit::Quarantined);
    nodes[8].tier = Tier::T0;
    nodes[9].free = Bytes::mib(1);
    let plan = run(&nodes, &standard(&RegionRule::default()), 1).unwrap();
    assert_eq!(plan.passed[&Alias(7)].to_string(), "is in quarantine");
    assert_eq!(plan.passed[&Alias(8)].to_string(), "has not passed its fill test");
    assert_eq!(plan.passed[&Alias(9)].to_string(), "has no room for a slot");
    assert_eq!(Pass::Taken(Domain::Network(4134)).to_string(), "network AS4134 holds a slot already");
    let text = plan.picks[0].to_string();
    assert!(text.starts_with('#') && text.contains("got slot 0") && text.contains("day 0 00:00 UTC"), "{text}");
}

/// Three in four run one system, as at home; a group holds hardly more than half of it where others are as good.
#[test]
fn the_system_that_holds_more_than_half_comes_later() {
    let world = World::new();
    let os = |n: u32| if n.is_multiple_of(4) { Os::Linux } else { Os::Windows };
    let site = |c: &Candidate<'_>| Site { os: os(c.node.0), country: None, ..c.site };
    let (profile, quality) = (&world.profiles[0], Ppm::ONE);
    let nodes: Vec<Candidate<'_>> = world
        .nodes(1_000)
        .iter()
        .map(|c| Candidate { profile, quality, site: site(c), is_flaky: false, ..*c })
        .collect();
    for seed in 0..10 {
        let rule = RegionRule::default();
        let picked = chosen(&run(&nodes, &standard(&rule), seed).unwrap(), &nodes);
        let windows = picked.iter().filter(|c| c.site.os == Os::Windows).count();
        assert!((picked.len() / 2..=picked.len() * 6 / 10).contains(&windows), "{windows} of {}", picked.len());
    }
}

#[test]
fn more_room_draws_more_often_and_debt_comes_first() {
    let world = World::new();
    let even = |c: Candidate<'_>| (c.node.0 % 2) as usize;
    let mut with_room = [0usize; 2];
    let mut in_debt = [0usize; 2];
    for seed in 0..20 {
        let same = |c: Candidate<'_>| (c.node.0 / 2).is_multiple_of(2);
        let nodes: Vec<Candidate<'_>> = world
            .nodes(2_000)
            .into_iter()
            .filter(|c| same(*c))
            .map(|c| Candidate { site: Site { version: c.node.0 / 4 % 3, ..c.site }, ..c })
            .map(|c| Candidate { profile: &world.profiles[0], is_flaky: false, quality: Ppm::ONE, ..c })
            .collect();
        let roomy: Vec<Candidate<'_>> =
            nodes.iter().map(|c| Candidate { free: Bytes::gib(if even(*c) == 1 { 40 } else { 10 }), ..*c }).collect();
        let owing: Vec<Candidate<'_>> = nodes
            .iter()
            .map(|c| Candidate {
                free: Bytes::gib(9),
                debt: Ppm(if even(*c) == 1 { 3_000_000 } else { 1_000_000 }),
                ..*c
            })
            .collect();
        let rule = RegionRule::default();
        chosen(&run(&roomy, &standard(&rule), seed).unwrap(), &roomy).iter().for_each(|c| with_room[even(*c)] += 1);
        chosen(&run(&owing, &standard(&rule), seed).unwrap(), &owing).iter().for_each(|c| in_debt[even(*c)] += 1);
    }
    assert!(with_room[1] > 2 * with_room[0], "{with_room:?}");
    assert!(in_debt[1] > 2 * in_debt[0], "{in_debt:?}");
}

/// Prints what filling costs; the limit is wide, since the machine may be busy.
#[test]
fn filling_from_ten_thousand_takes_milliseconds() {
    let world = World::new();
    let nodes = world.nodes(10_000);
    let rule = RegionRule::default();
    #[expect(clippy::disallowed_methods, reason = "a test may measure")]
    let started = std::time::Instant::now();
    let slots: usize = (0..5).map(|seed| run(&nodes, &standard(&rule), seed).unwrap().picks.len()).sum();
    let each_ms = started.elapsed().as_secs_f64() * 200.0;
    println!("fill: {} slots of {} candidates in {each_ms:.1} ms", slots / 5, nodes.len());
    assert!(each_ms < 1_000.0);
}

/// Shapes of random pools: owner, prefix, network, system, version, tier, region, profile, fit.
type Shape = (u32, u8, u8, u8, u8, u8, u8, u8, bool);

fn pool<'a>(world: &'a World, shapes: &[Shape]) -> Vec<Candidate<'a>> {
    let node = |(i, s): (usize, &Shape)| {
        let base = world.node(i as u32);
        let region = world.regions.get(usize::from(s.6 % 6));
        let site = Site {
            owner: owner(s.0),
            prefix: Some(NetPrefix::V4([10, s.1, 0])),
            network: (s.2 > 0).then_some(u32::from(s.2)),
            os: Os::from_code(s.3 % 4).unwrap(),
            version: u32::from(s.4 % 3),
            country: Site::country_of(region),
            ..base.site
        };
        let tier = Tier::from_code(s.5 % 4).unwrap();
        let profile = &world.profiles[usize::from(s.7 % 4)];
        Candidate { site, region, tier, profile, unfit: (!s.8).then_some(Unfit::Away), ..base }
    };
    shapes.iter().enumerate().map(node).collect()
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let shape = (
        0u32..400,
        any::<u8>(),
        0u8..40,
        any::<u8>(),
        any::<u8>(),
        any::<u8>(),
        any::<u8>(),
        any::<u8>(),
        prop::bool::weighted(0.9),
    );
    proptest::collection::vec(shape, 0..260)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn plans_keep_every_cap(shapes in shapes(), seed: u64, kr: bool, regions_min in 0u16..4, eco: bool, turn in 0usize..50) {
        let world = World::new();
        let nodes = pool(&world, &shapes);
        let rule = only(if kr { &["asia/kr", "asia/jp"] } else { &[] }, regions_min);
        let class = if eco { Class::Eco } else { Class::Standard };
        // No floor, so that small random pools give plans too.
        let ask = FillAsk { slots_min: 0, ..FillAsk::open(PoolKind::Public, class, public(class), &rule, SLOT) };
        let Ok(plan) = run(&nodes, &ask, seed) else {
            prop_assert!(regions_min > 1, "only the number of countries can be refused here");
            return Ok(());
        };
        let got = chosen(&plan, &nodes);
        let mut counts: BTreeMap<Domain, u16> = BTreeMap::new();
        got.iter().flat_map(|c| c.site.domains()).for_each(|d| *counts.entry(d).or_default() += 1);
        prop_assert!(counts.iter().all(|(d, n)| !d.is_hard() || *n == 1), "(B)");
        let probation = got.iter().filter(|c| c.tier == Tier::T1).count();
        prop_assert!(probation <= got.len() / 10 && got.iter().all(|c| c.tier >= Tier::T1), "(B)");
        prop_assert!(got.iter().all(|c| rule.admits(c.region) && c.unfit.is_none()), "(C)");
        let countries: BTreeSet<_> = got.iter().filter_map(|c| c.site.country).collect();
        prop_assert!(regions_min <= 1 || countries.len() >= usize::from(regions_min), "(C)");
        let indexes: BTreeSet<u16> = plan.picks.iter().map(|p| p.index).collect();
        let names: BTreeSet<Alias> = plan.picks.iter().map(|p| p.node).collect();
        prop_assert!(indexes.len() == got.len() && names.len() == got.len() && got.len() <= ask.scheme.n_max.into(), "(A)");
        for (domain, count) in &counts {
            let allowed = domain.allowed(got.len() as u16, &ask.scheme, ask.kind);
            let told = plan.over.iter().any(|o| o.domain == *domain && o.slots == *count);
            let once = matches!(domain.kind(), DomainKind::Lan | DomainKind::Prefix);
            prop_assert!(once || told == (*count > allowed), "(G) {domain}");
        }
        prop_assert_eq!(plan.picks.len() + plan.passed.len(), nodes.len(), "(F)");
        let mut turned = nodes.clone();
        turned.rotate_left(turn % nodes.len().max(1));
        prop_assert_eq!(run(&turned, &ask, seed).unwrap(), plan, "(E)");
    }

    #[test]
    fn soft_caps_give_way_only_when_nobody_else_is_left(shapes in shapes(), seed: u64) {
        let world = World::new();
        let nodes = pool(&world, &shapes);
        let rule = RegionRule::default();
        let ask = FillAsk { slots_min: 0, ..standard(&rule) };
        let plan = run(&nodes, &ask, seed).unwrap();
        // After a broken cap nobody is left for this group who would have broken none.
        if plan.picks.iter().any(|p| !p.breaks.is_empty()) {
            let vetted = |a: &Alias| nodes.iter().any(|c| c.node == *a && c.tier > Tier::T1);
            let idle = plan.passed.iter().filter(|(a, p)| vetted(a) && matches!(p, Pass::NotDrawn | Pass::Outdone(_))).count();
            prop_assert_eq!(idle, 0, "(D)");
        }
    }

    #[test]
    fn small_pools_give_everybody_a_slot(shapes in proptest::collection::vec((0u32..5, any::<u8>(), 0u8..4, any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>(), Just(true)), 3..12), seed: u64, always_on in 0u16..12) {
        let world = World::new();
        let nodes = pool(&world, &shapes);
        let scheme = circle(nodes.len() as u16, always_on).unwrap();
        let rule = RegionRule::default();
        let ask = FillAsk::open(PoolKind::Circle, Class::Standard, scheme, &rule, SLOT);
        let plan = run(&nodes, &ask, seed).unwrap();
        prop_assert_eq!(plan.picks.len(), usize::from(scheme.o), "(A)");
        let mut owned: BTreeMap<MemberId, u16> = BTreeMap::new();
        chosen(&plan, &nodes).iter().for_each(|c| *owned.entry(c.site.owner).or_default() += 1);
        for left_out in nodes.iter().filter(|c| plan.passed.contains_key(&c.node)) {
            let theirs = owned.get(&left_out.site.owner).copied().unwrap_or(0);
            prop_assert!(owned.values().all(|n| *n <= theirs + 1), "owners take turns");
        }
    }
}
