//! One machine: what is true of it, and what a center has learned.
//!
//! (A) The center learns from minutes-on of check-ins only: a session counts up to its last check-in. (B) Rank, τ and profile
//! are those of `rules::fleet`, looked at once a week as the center does.

use crate::hosts::Session;
use model::{Ppm, Span, Stamp, Tier};
use rules::fleet::history::{self, HISTORY_HOURS, History};
use rules::fleet::presence::missing_after;
use rules::fleet::profile::{SessionScale, WeeklyProfile};
use rules::fleet::tier::{TierBounds, TierFacts, Trust, tier};
use rules::storage::group::Site;
use rules::storage::group::coverage::is_flaky;
use rules::storage::surge::day_away_share;

/// A fill test is passed so long after joining.
const FILL_TEST: Span = Span::hours(72);
/// Audits come at one in so much time on: four a day.
pub const AUDIT_EVERY: Span = Span::hours(6);
/// Time between two check-ins: the last of a session is up to so much before its end.
pub const CHECK_IN: Span = Span::secs(300);
const UNKNOWN: u8 = u8::MAX;
const WEEK: Span = Span::days(7);
/// Hours of the record, as an index.
const RING: usize = 720;
const _: () = assert!(HISTORY_HOURS == RING as u64);

/// What the center knows.
#[derive(Debug, Clone)]
pub struct Known {
    /// Share of each hour of the week.
    pub profile: WeeklyProfile,
    /// Its sessions.
    pub scale: SessionScale,
    /// Silence after which it is missing.
    pub tau: Span,
    /// Rank.
    pub tier: Tier,
    /// Its hours foretell nothing.
    pub is_flaky: bool,
    /// It is called missing.
    pub is_missing: bool,
    /// Share of its past in which it had been away for a day.
    pub day_away: Ppm,
    /// Share of the last 30 d it was on.
    pub on: Ppm,
}

/// A machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its model.
    pub kind: &'static str,
    /// When it joined, and when it leaves for good.
    pub life: Session,
    /// Times on that lie ahead, the last one first.
    pub ahead: Vec<Session>,
    /// End of the time on that has begun.
    pub until: Stamp,
    /// On now.
    pub on: bool,
    /// It turned on or off then.
    pub since: Stamp,
    /// It left for good; nobody was told.
    pub is_gone: bool,
    /// A calamity keeps it off until then.
    pub held_off: Stamp,
    /// What it fails with.
    pub site: Site,
    /// Uplink its owner lends.
    pub up_kbps: u32,
    /// What the center knows.
    pub known: Known,
    /// Time on since it joined.
    pub on_total: Span,
    /// Group and place of each of its pieces.
    pub holdings: Vec<(u32, u16)>,
    /// It carries out a repair.
    pub is_leased: bool,
    on_in_hour: Span,
    minutes: Vec<u8>,
}

impl Machine {
    /// One of which only its word is known.
    pub fn new(kind: &'static str, life: Session, site: Site, up_kbps: u32, on_total: Span) -> Self {
        let known = Known {
            profile: WeeklyProfile::flat(Ppm::percent(50)),
            scale: SessionScale::default(),
            tau: missing_after(Span::ZERO, false),
            tier: Tier::T0,
            is_flaky: false,
            is_missing: false,
            day_away: Ppm(0),
            on: Ppm(0),
        };
        Self {
            kind,
            life,
            ahead: Vec::new(),
            until: life.start,
            on: false,
            since: life.start,
            is_gone: false,
            held_off: Stamp::EPOCH,
            site,
            up_kbps,
            known,
            on_total,
            holdings: Vec::new(),
            is_leased: false,
            on_in_hour: Span::ZERO,
            minutes: vec![UNKNOWN; RING],
        }
    }

    /// Turns on or off; `late` is the time from the last check-in to the end of the session.
    pub fn turn(&mut self, now: Stamp, on: bool, late: Span) {
        if self.on && !on {
            let hour = Stamp(now.as_ms() - now.into_hour().as_ms());
            let seen = now.since(self.since.max(hour));
            // (A) What was after the last check-in is not known.
            self.on_in_hour = self.on_in_hour + Span(seen.as_ms().saturating_sub(late.as_ms()));
        }
        self.on = on;
        self.since = now;
    }

    /// The hour that ends now goes into the record.
    pub fn close_hour(&mut self, now: Stamp) {
        let begun = Stamp(now.as_ms() - Span::hours(1).as_ms());
        let rest = if self.on { now.since(self.since.max(begun)) } else { Span::ZERO };
        let on = std::mem::take(&mut self.on_in_hour) + rest;
        self.on_total = self.on_total + on;
        let minutes = u8::try_from(on.as_ms() / 60_000).unwrap_or(60).min(60);
        let place = usize::try_from(begun.hour() % HISTORY_HOURS).expect("below the hours of the record");
        self.minutes[place] = minutes;
    }

    /// (B) Learns from the record that ended now, of which `began` is the first hour the center ran.
    pub fn learn(&mut self, now: Stamp, began: Stamp) {
        let first_hour = now.hour() - HISTORY_HOURS;
        let place = |hour: u64| usize::try_from(hour % HISTORY_HOURS).expect("below the hours of the record");
        let minutes: Vec<Option<u8>> = (first_hour..now.hour())
            .map(|hour| Some(self.minutes[place(hour)]).filter(|minutes| *minutes != UNKNOWN))
            .collect();
        let weeks = now.since(self.life.start.max(began)).as_ms() / WEEK.as_ms();
        let weeks = u32::try_from(weeks.saturating_sub(1)).unwrap_or(u32::MAX);
        let record = History { first_hour, minutes: &minutes };
        let learned = history::learn(&self.known.profile, self.known.scale, weeks, record);
        self.known.profile = learned.profile;
        self.known.scale = learned.scale;
        self.known.tau = missing_after(learned.longest_absence, false);
        self.known.day_away = day_away_share(&minutes);
        self.known.on = learned.on;
        self.known.is_flaky = is_flaky(&self.known.profile);
        self.rank(now);
    }

    /// Its rank among strangers.
    pub fn rank(&mut self, now: Stamp) {
        let age = now.since(self.life.start);
        let audits = self.on_total.as_ms() / AUDIT_EVERY.as_ms();
        let facts = TierFacts {
            trust: Trust::Public,
            fill_passed: age >= FILL_TEST,
            vetting_for: age,
            audits_passed: u32::try_from(audits).unwrap_or(u32::MAX),
            on: self.known.on,
            age,
            integrity: Ppm::ONE,
            put_back: false,
        };
        self.known.tier = tier(&facts, &TierBounds::default());
    }

    /// For how long it has been silent.
    pub fn away_for(&self, now: Stamp) -> Span {
        if self.on { Span::ZERO } else { now.since(self.since) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::fleet::START;
    use model::{HourOfWeek, MemberId, Os};

    #[test]
    fn evenings_are_learned_from_check_ins_and_audits_make_the_rank() {
        let site = Site {
            owner: MemberId([0; 16]),
            lan: None,
            prefix: None,
            network: None,
            os: Os::Linux,
            version: 1,
            country: None,
        };
        let life = Session { start: START, end: START + Span::days(900) };
        let mut machine = Machine::new("evening", life, site, 1, Span::ZERO);
        for hour in 1..=120 * 24 {
            let (begun, now) = (START + Span::hours(hour - 1), START + Span::hours(hour));
            match begun.hour_of_week().hour_of_day() {
                18 => machine.turn(begun, true, Span::ZERO),
                22 => machine.turn(begun + Span::mins(30), false, CHECK_IN),
                _ => {}
            }
            machine.close_hour(now);
            if hour % 168 == 0 {
                machine.learn(now, START);
            }
        }
        let share = |hour| machine.known.profile.share(HourOfWeek::wrapped(hour));
        assert!(share(20) > Ppm::percent(97) && share(3) < Ppm::percent(3));
        assert!(share(22) > Ppm::percent(38) && share(22) < Ppm::percent(46), "(A) 25 of 60 minutes: {}", share(22));
        assert_eq!((machine.known.tau, machine.known.tier), (Span::hours(72), Tier::T1), "(B) 90 audits in 120 days");
        machine.on_total = Span::hours(601);
        machine.rank(START + Span::days(120));
        assert_eq!(machine.known.tier, Tier::T2);
    }
}
