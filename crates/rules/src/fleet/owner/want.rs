//! What the owner's machine should do at this instant, before any waiting; and the limits that go with a state.

use super::{Allowance, CALM, INPUT_NOW, Owner, PRESSURE_FOR, Pause, STALE_AFTER};
use crate::fleet::lend::when::WhenFacts;
use crate::fleet::lend::{Ceiling, Give, MEMORY_IN_USE};
use crate::fleet::transfer::{Pace, pace};
use model::{Kbps, NodeState, PauseReason, Ppm, Span, Stamp};

/// From here on heat lowers what is lent.
const THERMAL_LIMIT: Ppm = Ppm::percent(75);
/// Workers are whole halves of a core; under pressure half of them stay.
const CORE_STEP_MILLI: u32 = 500;
const DAY_MIN: i64 = 1_440;

/// The next local midnight.
pub(super) fn next_midnight(now: Stamp, utc_offset_min: i16) -> Stamp {
    let (minute, _) = local(now, utc_offset_min);
    let into_minute = now.as_ms() % 60_000;
    now + Span(Span::mins(u64::from(1_440 - minute)).as_ms() - into_minute)
}

/// Minute of the local day and local day of the week, 0 = Monday.
fn local(now: Stamp, utc_offset_min: i16) -> (u16, u8) {
    let minutes = i64::try_from(now.as_ms() / 60_000).expect("2^64 ms are fewer minutes") + i64::from(utc_offset_min);
    let minute = u16::try_from(minutes.rem_euclid(DAY_MIN)).expect("below 1,440");
    // 1970-01-01 was a Thursday.
    let day = u8::try_from((minutes.div_euclid(DAY_MIN) + 3).rem_euclid(7)).expect("below 7");
    (minute, day)
}

impl Owner {
    /// Time since the last input as of now; none without a signal that is fresh. (D)
    pub(super) fn idle(&self, now: Stamp) -> Option<Span> {
        let at = self.readings_at.filter(|at| now.since(*at) < STALE_AFTER)?;
        let by_sensor = self.readings.idle? + now.since(at);
        Some(self.last_input.map_or(by_sensor, |input| by_sensor.min(now.since(input))))
    }

    fn in_use(&self, now: Stamp) -> bool {
        self.idle(now).is_none_or(|idle| idle <= self.policy.profile.idle_after())
    }

    /// A listed program or something that fills the screen.
    pub(super) fn screen_or_app(&self) -> Option<PauseReason> {
        let listed = |app: &String| self.policy.pause_for.iter().any(|name| name.eq_ignore_ascii_case(app));
        if self.readings.apps.iter().any(listed) {
            return Some(PauseReason::App);
        }
        self.readings.fullscreen.then_some(PauseReason::FullScreen)
    }

    fn over(&self) -> bool {
        let (r, l) = (&self.readings, &self.limits);
        let cpu = r.cpu_other > l.cpu_other || (r.psi_cpu_some > l.psi_cpu_some && r.cpu_other >= l.cpu_other_floor);
        cpu || r.psi_io_full > l.psi_io_full || r.psi_memory_some > l.psi_memory_some
    }

    fn memory_short(&self) -> bool {
        let (r, l) = (&self.readings, &self.limits);
        r.psi_memory_full > l.psi_memory_full || r.memory_available_mib.is_some_and(|mib| mib < l.memory_available_mib)
    }

    fn pressed(&self, now: Stamp) -> bool {
        self.over_since.is_some_and(|at| now.since(at) >= PRESSURE_FOR)
    }

    /// Notes when the owner was last at the machine and when anything else last disturbed.
    pub(super) fn note(&mut self, now: Stamp) {
        if let (Some(idle), Some(at)) = (self.readings.idle, self.readings_at) {
            self.last_input = self.last_input.max(Some(at - idle));
        }
        self.over_since = if self.over() { self.over_since.or(Some(now)) } else { None };
        if self.tolerated.is_some() && self.screen_or_app() != self.tolerated {
            self.tolerated = None;
        }
        let ended = match self.pause {
            Some(Pause::Until(at)) => now >= at,
            Some(Pause::UntilIdle) => !self.in_use(now),
            None => false,
        };
        if ended {
            self.pause = None;
        }
        if self.disturbance().is_some() || self.pressed(now) || self.readings.thermal >= THERMAL_LIMIT {
            self.last_other = Some(now);
        }
    }

    /// What stops guests whatever the rules give, other than input and the owner's word.
    fn disturbance(&self) -> Option<(NodeState, PauseReason)> {
        if self.memory_short() {
            return Some((NodeState::Evict, PauseReason::Pressure));
        }
        if self.readings.battery && !self.policy.lends_on_battery() {
            return Some((NodeState::Pause, PauseReason::Battery));
        }
        if self.readings.metered && !self.policy.lends_on_metered() {
            return Some((NodeState::Pause, PauseReason::Metered));
        }
        if let Some(reason) = self.screen_or_app().filter(|reason| self.tolerated != Some(*reason)) {
            return Some((NodeState::Pause, reason));
        }
        (self.readings.thermal >= Ppm::ONE).then_some((NodeState::Pause, PauseReason::Thermal))
    }

    /// The state that fits this instant.
    pub(super) fn want(&self, now: Stamp) -> (NodeState, PauseReason) {
        if self.fault {
            return (NodeState::Off, PauseReason::Fault);
        }
        if self.down || self.asleep {
            return (NodeState::Off, PauseReason::Down);
        }
        let disturbance = self.disturbance();
        if let Some(evict) = disturbance.filter(|(state, _)| *state == NodeState::Evict) {
            return evict;
        }
        if self.pause.is_some() {
            return (NodeState::Pause, PauseReason::Owner);
        }
        if let Some(pause) = disturbance {
            return pause;
        }
        self.want_by_rule(now)
    }

    fn want_by_rule(&self, now: Stamp) -> (NodeState, PauseReason) {
        let yields = self.policy.profile.yields_to_input();
        let used = yields && self.in_use(now);
        let why_used = if self.idle(now).is_none() { PauseReason::NoSignal } else { PauseReason::Input };
        // Also where the profile that yields came after the input: none has leave before it has been calm.
        if yields && self.last_input.is_some_and(|at| now.since(at) < self.input_holds()) {
            return (NodeState::Pause, PauseReason::Input);
        }
        if self.ceiling(now).cores_milli == 0 {
            return (NodeState::Pause, if used { why_used } else { PauseReason::Schedule });
        }
        match (self.pressed(now), used) {
            (true, true) => (NodeState::Pause, PauseReason::Pressure),
            (true, false) => (NodeState::Limit, PauseReason::Pressure),
            (false, _) if self.readings.thermal >= THERMAL_LIMIT => (NodeState::Limit, PauseReason::Thermal),
            (false, true) => (NodeState::Limit, why_used),
            (false, false) => (NodeState::Run, PauseReason::None),
        }
    }

    /// How long an input alone pauses guests: a moment, after which only calm lets them rise; the whole calm where guests
    /// have leave at this moment, which they got under a profile that does not yield.
    fn input_holds(&self) -> Span {
        if matches!(self.state, NodeState::Run | NodeState::Limit) { CALM } else { INPUT_NOW }
    }

    /// (E): calm for long enough.
    pub(super) fn may_rise(&self, now: Stamp) -> bool {
        let input = self.last_input.filter(|_| self.policy.profile.yields_to_input());
        input.max(self.last_other).is_none_or(|at| now.since(at) >= CALM)
    }

    fn matched(&self, now: Stamp) -> Option<Give> {
        let (minute, day) = local(now, self.readings.utc_offset_min);
        let r = &self.readings;
        let facts = WhenFacts {
            idle: self.idle(now),
            in_use: self.in_use(now),
            battery: r.battery,
            metered: r.metered,
            fullscreen: r.fullscreen,
            thermal: r.thermal >= THERMAL_LIMIT,
            pressure: [r.psi_cpu_some, r.psi_io_some, r.psi_memory_some],
            apps: &r.apps,
            minute,
            day,
        };
        self.rules.iter().find(|rule| rule.when.holds(&facts)).map(|rule| rule.give)
    }

    fn ceiling(&self, now: Stamp) -> Ceiling {
        self.matched(now).map(|give| self.policy.ceiling(&give, &self.machine)).unwrap_or_default()
    }

    /// The limits of the present state. (B)
    pub(super) fn allowance_now(&self, now: Stamp) -> Allowance {
        let ceiling = self.ceiling(now);
        let (up, down) = self.policy.net_in_use(&self.machine);
        let in_use = Allowance {
            disk: self.policy.disk_ceiling(&self.machine),
            memory_mib: self.parked_memory(),
            up,
            down,
            storage_reads: true,
            ..Allowance::default()
        };
        let unpaid_way = self.battery_or_metered();
        let allowance = match self.state {
            NodeState::Run => Allowance {
                cores_milli: ceiling.cores_milli,
                memory_mib: ceiling.memory_mib,
                up: ceiling.up,
                down: ceiling.down,
                background: true,
                new_work: !self.finishing,
                ..in_use
            },
            NodeState::Limit => Allowance {
                cores_milli: self.limited(ceiling.cores_milli),
                memory_mib: ceiling.memory_mib.min(in_use.memory_mib),
                background: true,
                new_work: !self.finishing,
                ..in_use
            },
            NodeState::Pause if unpaid_way => silent(in_use),
            NodeState::Pause => in_use,
            NodeState::Evict if unpaid_way => silent(Allowance { memory_mib: 0, ..in_use }),
            NodeState::Evict => Allowance { memory_mib: 0, ..in_use },
            NodeState::Off => silent(Allowance { memory_mib: 0, ..in_use }),
        };
        self.paced(allowance)
    }

    /// Parked guests keep at most a quarter of the memory, and never what must stay free.
    fn parked_memory(&self) -> u32 {
        let quarter = MEMORY_IN_USE.of(u64::from(self.machine.memory_mib));
        let stays = crate::fleet::lend::MEMORY_FREE_MIB;
        u32::try_from(quarter).unwrap_or(u32::MAX).min(self.machine.memory_mib.saturating_sub(stays))
    }

    fn battery_or_metered(&self) -> bool {
        (self.readings.battery && !self.policy.lends_on_battery())
            || (self.readings.metered && !self.policy.lends_on_metered())
    }

    /// Fewer workers under pressure and heat; what the rule gives when the owner is merely there.
    fn limited(&self, cores_milli: u32) -> u32 {
        match self.reason {
            PauseReason::Pressure | PauseReason::Thermal => cores_milli / 2 / CORE_STEP_MILLI * CORE_STEP_MILLI,
            _ => cores_milli,
        }
    }

    fn paced(&self, allowance: Allowance) -> Allowance {
        match pace(self.policy.monthly_transfer, &self.meter) {
            Pace::Free => allowance,
            Pace::Essential => Allowance { background: false, new_work: false, ..allowance },
            Pace::Nothing => silent(Allowance { new_work: false, ..allowance }),
        }
    }
}

/// The same without a byte on the network.
fn silent(allowance: Allowance) -> Allowance {
    Allowance { storage_reads: false, background: false, up: Kbps(0), down: Kbps(0), ..allowance }
}
