//! All machines: who comes, who goes, and who may hold pieces.
//!
//! (A) A machine more shifts no draw of another: each has its own streams. (B) At the start ages are those of a pool that has run
//! for long: a life is met in proportion to its length, at any point of it. (C) Outages of providers, regions and releases strike
//! everybody they concern at the same hour.

use super::machine::{CHECK_IN, Known, Machine};
use super::setup::{Hosts, Knows, Newcomers, Setup};
use crate::hosts::{HostModel, Law, MODELS, Session, Sessions, model, outages, without};
use crate::scene::fleet::START;
use crate::seed::{Draw, Seed, Stream};
use model::{Alias, Bytes, HourOfWeek, MemberId, Os, Ppm, Span, Stamp, Tier};
use rules::fleet::profile::WeeklyProfile;
use rules::storage::group::coverage::is_flaky;
use rules::storage::group::{Candidate, NetPrefix, Site};
use rules::storage::surge::{AWAY, SEEN_WITHIN, SurgeFacts, expected_away};
use std::collections::BTreeMap;

/// Uplink an owner lends: median, and deviation of its logarithm (**assumed**).
const UP_KBPS: f64 = 6_000.0;
const UP_SIGMA: f64 = 0.5;
/// Prefixes (/24) in which machines lie, and shares of the largest networks in percent (**assumed**).
const PREFIXES: u64 = 20_000;
const NETWORKS: [u64; 12] = [20, 16, 12, 9, 8, 7, 6, 6, 5, 4, 4, 3];
/// A machine silent for longer is looked at no more, should it be gone.
const FORGOTTEN: Span = Span::days(60);
/// A machine joined later than this ago is young.
const YOUNG: Span = Span::days(14);
/// Lives from which one is met at the start.
const LIVES: usize = 16;

/// All machines, by alias.
pub struct Fleet {
    /// The machines.
    pub machines: Vec<Machine>,
    /// Those that may hold one piece more, as of the last hour.
    pub fit: Vec<u32>,
    /// Stewards that are on, as of the last hour.
    pub stewards: Vec<u32>,
    /// Uplink of those on.
    pub up_on_kbps: u64,
    setup: Setup,
    span: Session,
    active: Vec<u32>,
    oracle: BTreeMap<(&'static str, u64), WeeklyProfile>,
    late: Stream,
}

/// What an hour brought.
#[derive(Debug, Default)]
pub struct Hourly {
    /// Called missing from now.
    pub missing: Vec<u32>,
    /// How many are away and how many should be.
    pub surge: Option<SurgeFacts>,
}

impl Fleet {
    /// A pool that has run for long, at its first hour.
    pub fn new(setup: &Setup) -> Self {
        let length = Span::days(u64::from(setup.learn_days + setup.days));
        let mut fleet = Self {
            machines: Vec::new(),
            fit: Vec::new(),
            stewards: Vec::new(),
            up_on_kbps: 0,
            span: Session { start: START, end: START + length },
            active: Vec::new(),
            oracle: BTreeMap::new(),
            late: setup.seed.named("last check-in"),
            setup: setup.clone(),
        };
        (0..setup.nodes).for_each(|_| {
            fleet.admit(START, None);
        });
        fleet
    }

    /// One machine more, of the same model as `like` or of the mix; its alias.
    pub fn admit(&mut self, now: Stamp, like: Option<&'static str>) -> u32 {
        let alias = u32::try_from(self.machines.len()).expect("a run has fewer than 2³² machines");
        let seed = self.setup.seed;
        let kind: &'static HostModel = match (&self.setup.hosts, like) {
            (Hosts::Mix(_), Some(name)) => model(name).expect("machines have models of the table"),
            (Hosts::Mix(mix), None) => mix.model_of(seed, alias),
            (Hosts::Trace { .. }, _) => &MODELS[0],
        };
        let zone = match &self.setup.hosts {
            Hosts::Mix(mix) => mix.zone_of(seed, alias),
            Hosts::Trace { .. } => Span::ZERO,
        };
        let life = self.life(kind, alias, now);
        let age = now.since(life.start);
        let on_before = age.scaled(u64::from(Ppm::percent(100).0.min((kind.long_run_on * 1e6) as u32)), 1_000_000);
        let mut rng = seed.nth("site", u64::from(alias));
        let country = self.setup.knows_countries.then(|| country(zone));
        let site = Site { country, ..site(alias, kind.name, &mut rng) };
        let up = UP_KBPS * (UP_SIGMA * rng.normal()).exp();
        let mut machine = Machine::new(self.kind_word(kind), life, site, up as u32, on_before);
        machine.ahead = self.sessions(kind, alias, zone, Session { start: now, end: life.end.min(self.span.end) });
        machine.ahead.reverse();
        machine.since = now;
        if self.setup.knows == Knows::Oracle {
            machine.known.profile = self.true_profile(kind, zone);
            machine.known.is_flaky = is_flaky(&machine.known.profile);
            machine.known.tier = if kind.long_run_on >= 0.95 { Tier::T3 } else { Tier::T2 };
        }
        self.machines.push(machine);
        self.active.push(alias);
        alias
    }

    /// Who replaces a machine that left.
    pub fn heir(&self, alias: u32) -> Option<&'static str> {
        let is_mix = matches!(self.setup.hosts, Hosts::Mix(_));
        (is_mix && self.setup.newcomers == Newcomers::Same).then(|| self.machines[alias as usize].kind)
    }

    fn kind_word(&self, kind: &'static HostModel) -> &'static str {
        if matches!(self.setup.hosts, Hosts::Mix(_)) { kind.name } else { "trace" }
    }

    /// (B) From joining to leaving.
    fn life(&self, kind: &HostModel, alias: u32, now: Stamp) -> Session {
        let law = match &self.setup.hosts {
            Hosts::Mix(_) => kind.life,
            Hosts::Trace { life_days, .. } => Law::Weibull(1.0, 24.0 * f64::from(*life_days)),
        };
        let mut rng = self.setup.seed.nth("life", u64::from(alias));
        let hasten = u64::from(self.setup.hasten.max(1));
        if now > START {
            return Session { start: now, end: now + law.draw(&mut rng).scaled(1, hasten) };
        }
        let lives: Vec<Span> = (0..LIVES).map(|_| law.draw(&mut rng)).collect();
        let mut point = rng.unit() * lives.iter().map(|l| l.as_ms() as f64).sum::<f64>();
        let met = lives.iter().copied().find(|life| {
            point -= life.as_ms() as f64;
            point < 0.0
        });
        let life = met.unwrap_or(lives[0]);
        let age = life.scaled(rng.below(1_000_000), 1_000_000);
        let rest = Span(life.as_ms() - age.as_ms()).scaled(1, hasten);
        Session { start: Stamp(now.as_ms().saturating_sub(age.as_ms())), end: now + rest }
    }

    fn sessions(&self, kind: &HostModel, alias: u32, zone: Span, within: Session) -> Vec<Session> {
        let mut all: Vec<Session> = Vec::new();
        let mut join = |next: Session| match all.last_mut() {
            Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
            _ => all.push(next),
        };
        match &self.setup.hosts {
            Hosts::Mix(_) => {
                Sessions::new(kind, self.setup.seed, alias, zone, within.start, within.end).for_each(&mut join);
            }
            Hosts::Trace { sessions, .. } => traced(sessions, alias, within).for_each(&mut join),
        }
        // (C)
        let cuts = outages(self.setup.seed, alias, self.span, &self.setup.layers);
        let cuts: Vec<Session> = cuts.into_iter().map(|outage| outage.span).collect();
        let before = Session { start: Stamp::EPOCH, end: within.start };
        without(without(all, &[before]), &cuts)
    }

    /// The model's own share of every hour of the week, over many weeks of another seed.
    fn true_profile(&mut self, kind: &'static HostModel, zone: Span) -> WeeklyProfile {
        const WEEKS: u64 = 60;
        let key = (kind.name, zone.as_ms());
        if let Some(known) = self.oracle.get(&key) {
            return known.clone();
        }
        let end = START + Span::days(7 * WEEKS);
        let mut sums = [0u64; HourOfWeek::COUNT];
        for session in Sessions::new(kind, Seed(0), 0, zone, START, end) {
            let mut at = session.start;
            while at < session.end {
                let next = Stamp(at.as_ms() - at.into_hour().as_ms()) + Span::hours(1);
                sums[at.hour_of_week().index()] += next.min(session.end).since(at).as_ms();
                at = next;
            }
        }
        let level = |sum: u64| u8::try_from((sum * 255 / (WEEKS * Span::hours(1).as_ms())).min(255)).unwrap_or(255);
        let profile = WeeklyProfile(sums.map(level));
        self.oracle.insert(key, profile.clone());
        profile
    }

    /// Turns a machine on or off; false where it is so already.
    pub fn turn(&mut self, now: Stamp, alias: u32, on: bool) -> bool {
        let late = if on { Span::ZERO } else { Span(self.late.below(CHECK_IN.as_ms())) };
        let machine = &mut self.machines[alias as usize];
        if machine.on == on {
            return false;
        }
        machine.turn(now, on, late);
        let up = u64::from(machine.up_kbps);
        self.up_on_kbps = if on { self.up_on_kbps + up } else { self.up_on_kbps - up };
        true
    }

    /// The hour that ends now: records, learning, who is missing, who is fit. `slots_max` is what a machine may hold.
    pub fn hour(&mut self, now: Stamp, is_surge: bool, slots_max: usize) -> Hourly {
        let mut hourly = Hourly::default();
        let mut surge = SurgeFacts { nodes: 0, away: 0, expected_ppm: 0 };
        self.fit.clear();
        self.stewards.clear();
        let learns = self.setup.knows == Knows::Learned;
        let Self { machines, active, fit, stewards, .. } = self;
        active.retain(|alias| {
            let machine = &mut machines[*alias as usize];
            machine.close_hour(now);
            if now.hour() % history_week() == u64::from(*alias) % history_week() && now.hour() > START.hour() + 720 {
                let held = machine.known.clone();
                machine.learn(now, START);
                if !learns {
                    let Known { profile, tier, is_flaky, .. } = held;
                    machine.known = Known { profile, tier, is_flaky, ..machine.known.clone() };
                }
            }
            let away = machine.away_for(now);
            let tau = if is_surge { AWAY } else { machine.known.tau };
            if away > tau && !machine.known.is_missing {
                machine.known.is_missing = true;
                hourly.missing.push(*alias);
            }
            if away < SEEN_WITHIN {
                surge.nodes += 1;
                surge.away += u64::from(away > AWAY);
                let known = &machine.known;
                surge.expected_ppm += u64::from(expected_away(&known.profile, now.hour_of_week(), known.day_away).0);
            }
            if !machine.known.is_missing {
                if machine.known.tier >= Tier::T1 && machine.holdings.len() < slots_max {
                    fit.push(*alias);
                }
                if machine.on && machine.known.tier == Tier::T3 {
                    stewards.push(*alias);
                }
            }
            !(machine.is_gone && away > FORGOTTEN)
        });
        hourly.surge = Some(surge);
        hourly
    }

    /// A machine as placement sees it.
    pub fn candidate(&self, alias: u32, now: Stamp) -> Candidate<'_> {
        let machine = &self.machines[alias as usize];
        let held = u64::try_from(machine.holdings.len()).unwrap_or(u64::MAX).saturating_mul(self.setup.slot.0);
        Candidate {
            node: Alias(alias),
            site: machine.site,
            region: None,
            profile: &machine.known.profile,
            tier: machine.known.tier,
            free: Bytes(self.setup.lent.0.saturating_sub(held)),
            quality: Ppm::ONE,
            debt: Ppm::ONE,
            on: machine.on,
            is_flaky: machine.known.is_flaky,
            is_young: now.since(machine.life.start) < YOUNG,
            unfit: None,
        }
    }

    /// Machines that have not left, gone ones the center still believes in not among them.
    pub fn alive(&self) -> impl Iterator<Item = (u32, &Machine)> {
        self.active.iter().map(|alias| (*alias, &self.machines[*alias as usize])).filter(|(_, m)| !m.is_gone)
    }
}

const fn history_week() -> u64 {
    rules::fleet::history::WEEK_HOURS
}

/// A country for each time zone.
fn country(zone: Span) -> [u8; 2] {
    [b'z', b'a' + u8::try_from(zone.as_ms() / Span::hours(1).as_ms() % 26).unwrap_or(0)]
}

/// What a machine fails with: its own owner, one of many prefixes, a network of a few large ones, a system.
fn site(alias: u32, kind: &str, rng: &mut Stream) -> Site {
    let mut owner = [0; 16];
    owner[..4].copy_from_slice(&alias.to_be_bytes());
    let prefix = rng.below(PREFIXES).to_be_bytes();
    let mut point = rng.below(NETWORKS.iter().sum());
    let network = NETWORKS.iter().position(|share| {
        let is_here = point < *share;
        point = point.saturating_sub(*share);
        is_here
    });
    let (windows, linux) = if kind == "steward" { (30, 50) } else { (85, 5) };
    let os = match rng.below(100) {
        p if p < windows => Os::Windows,
        p if p < windows + linux => Os::Linux,
        _ => Os::Macos,
    };
    Site {
        owner: MemberId(owner),
        lan: None,
        prefix: Some(NetPrefix::V4([prefix[5], prefix[6], prefix[7]])),
        network: network.and_then(|n| u32::try_from(n).ok()),
        os,
        version: 1,
        country: None,
    }
}

/// A recorded machine's times on, again and again by whole weeks, so that its hours of the week stay.
fn traced(sessions: &[Vec<Session>], alias: u32, within: Session) -> impl Iterator<Item = Session> {
    let week = Span::days(7).as_ms();
    let first = sessions.iter().flatten().map(|s| s.start.as_ms()).min().unwrap_or(0);
    let last = sessions.iter().flatten().map(|s| s.end.as_ms()).max().unwrap_or(0);
    let round = (last - first).div_ceil(week).max(1) * week;
    let own = sessions.get(alias as usize % sessions.len().max(1)).cloned().unwrap_or_default();
    // The first round begins in the week of `within`, at the trace's own place in the week.
    let begin = within.start.as_ms() / week * week + first % week;
    let begin = if begin > within.start.as_ms() { begin - week } else { begin };
    let rounds = within.end.as_ms().saturating_sub(begin).div_ceil(round);
    let at = move |round_no: u64, t: Stamp| Stamp(begin + round_no * round + (t.as_ms() - first));
    let all = (0..rounds)
        .flat_map(move |n| own.clone().into_iter().map(move |s| Session { start: at(n, s.start), end: at(n, s.end) }));
    all.filter(move |s| s.start < within.end && s.end > within.start)
        .map(move |s| Session { start: s.start, end: s.end.min(within.end) })
}
