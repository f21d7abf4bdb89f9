//! The owner's machine: RUN, LIMIT, PAUSE, EVICT, OFF (`docs/design/fleet.md` §9). Runs on the node; the center has no say.
//!
//! (A) After input no guest has leave to run in the very answer to it, and none for [`CALM`] after it, except under
//! profile `always`; the shell has [`PARK_WITHIN`] to make it so.
//! (B) At every instant no field of the [`Allowance`] is above what the owner's file gives on this machine.
//! (C) Every state has an exit: when its owner has said nothing else and a rule holds, RUN comes within [`CALM`] of the
//! last disturbance, or when the profile's time without input is over, whichever is later.
//! (D) No idle signal, or none for [`STALE_AFTER`], counts as in use. (E) Going down is at once (pressure: after
//! [`PRESSURE_FOR`]); going up waits for calm. (F) [`EVICT_AFTER`] of PAUSE is EVICT, memory pressure is EVICT at once.
//! (G) Every answer names the next moment at which it may change by itself; a call before it does no harm.
//!
//! Shells carry an answer out in the order of its fields: guests first, the center is told last.

#[cfg(test)]
mod tests;
mod want;

use crate::fleet::lend::{LendPolicy, LendRule, Machine};
use model::{Bytes, Kbps, NodeState, PauseReason, Ppm, Span, Stamp};

/// From input to guests parked.
pub const PARK_WITHIN: Span = Span::ms(100);
/// A guest that has not parked by itself so long after the ask is stopped by the system.
pub const PARK_HARD_AFTER: Span = Span::ms(50);
/// From EVICT to memory given back.
pub const EVICT_WITHIN: Span = Span::secs(1);
/// Without disturbance until more is lent again.
pub const CALM: Span = Span::secs(60);
/// PAUSE becomes EVICT.
pub const EVICT_AFTER: Span = Span::secs(300);
/// Pressure shorter than this is a blip.
pub const PRESSURE_FOR: Span = Span::secs(2);
/// Readings older than this are none.
pub const STALE_AFTER: Span = Span::secs(5);
/// Input younger than this is happening now.
pub const INPUT_NOW: Span = Span::secs(1);
/// Longest pause one command gives.
pub const PAUSE_MAX: Span = Span::days(30);
/// Longest time between two looks: hours of rules begin and end on full minutes.
pub const LOOK_EVERY: Span = Span::mins(1);

/// Limits of pressure (assumed).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PressureLimits {
    /// Share of all processors that other programs use.
    pub cpu_other: Ppm,
    /// Waiting for the processor; heeded when others use at least [`Self::cpu_other_floor`], as guests wait too.
    pub psi_cpu_some: Ppm,
    /// See above.
    pub cpu_other_floor: Ppm,
    /// Everything waiting for disks.
    pub psi_io_full: Ppm,
    /// Something waiting for memory: LIMIT.
    pub psi_memory_some: Ppm,
    /// Everything waiting for memory: EVICT.
    pub psi_memory_full: Ppm,
    /// Memory available below this, in MiB: EVICT.
    pub memory_available_mib: u32,
}

impl Default for PressureLimits {
    fn default() -> Self {
        Self {
            cpu_other: Ppm::percent(40),
            psi_cpu_some: Ppm::percent(25),
            cpu_other_floor: Ppm::percent(10),
            psi_io_full: Ppm::percent(20),
            psi_memory_some: Ppm::percent(10),
            psi_memory_full: Ppm::percent(5),
            memory_available_mib: 512,
        }
    }
}

/// What the sensors say. The default is a machine without sensors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readings {
    /// Since the last input; none without a signal.
    pub idle: Option<Span>,
    /// Share of all processors used by programs that are not ours.
    pub cpu_other: Ppm,
    /// Share of time in which something waited for the processor.
    pub psi_cpu_some: Ppm,
    /// Something waited for disks.
    pub psi_io_some: Ppm,
    /// Everything waited for disks.
    pub psi_io_full: Ppm,
    /// Something waited for memory.
    pub psi_memory_some: Ppm,
    /// Everything waited for memory.
    pub psi_memory_full: Ppm,
    /// Memory that could be had, in MiB, where known.
    pub memory_available_mib: Option<u32>,
    /// On battery.
    pub battery: bool,
    /// The network is metered.
    pub metered: bool,
    /// Something fills the screen.
    pub fullscreen: bool,
    /// Share of the thermal room in use; the whole means throttling.
    pub thermal: Ppm,
    /// Programs that run, of those in `pause_for` and in rules.
    pub apps: Vec<String>,
    /// Local time minus UTC.
    pub utc_offset_min: i16,
}

/// The month's transfer under the owner's limit, as the meter counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meter {
    /// Ours, both ways, since the reset day.
    pub month: Bytes,
    /// Ours, both ways, since local midnight.
    pub today: Bytes,
    /// Days until the reset day, this one counted.
    pub days_left: u8,
}

/// How long a pause lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseFor {
    /// So long, at most [`PAUSE_MAX`].
    Span(Span),
    /// Until the machine is not in use.
    UntilIdle,
    /// Until local midnight.
    Tomorrow,
}

/// What the owner says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Lend no computing for a while.
    Pause(PauseFor),
    /// Lend again now; a listed program or a full screen that is there now is put up with until it ends.
    Resume,
    /// Complete what runs, take nothing new.
    Finish,
    /// Lend nothing.
    Down,
    /// Lend.
    Up,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The sensors' sample.
    Readings(Readings),
    /// A key, a pointer, a touch: now.
    InputEvent,
    /// The owner's word.
    Command(Command),
    /// Another file of the owner, checked.
    Lend(LendPolicy),
    /// Another measure of the machine.
    Machine(Machine),
    /// The transfer meter.
    Meter(Meter),
    /// Something is broken that the node must not work with (`true`), or whole again.
    Fault(bool),
    /// The system goes to sleep or down.
    Sleep,
    /// It is back.
    Wake,
    /// The moment that was asked for has come.
    Tick,
}

/// Everything the machine may do for others at this instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowance {
    /// Guests' processor, thousandths of a core.
    pub cores_milli: u32,
    /// Guests' memory in MiB, parked ones counted.
    pub memory_mib: u32,
    /// Upload.
    pub up: Kbps,
    /// Download.
    pub down: Kbps,
    /// Space for pieces.
    pub disk: Bytes,
    /// Pieces may be served.
    pub storage_reads: bool,
    /// Repair, fill and relay may run.
    pub background: bool,
    /// New work may be asked for.
    pub new_work: bool,
}

/// What becomes of guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestAct {
    /// Stop all within [`PARK_WITHIN`], keep their memory.
    Park,
    /// Parked ones go on.
    Unpark,
    /// Drop all, memory back within [`EVICT_WITHIN`].
    Evict,
}

/// What guests have leave for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Running.
    Run,
    /// Sitting in memory.
    Parked,
    /// Not being there.
    Gone,
}

/// A change worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Stamp,
    /// What it was.
    pub from: NodeState,
    /// What it is.
    pub to: NodeState,
    /// Why.
    pub reason: PauseReason,
}

/// The whole answer, to be carried out in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effects {
    /// First.
    pub guests: Option<GuestAct>,
    /// New limits, where they changed.
    pub allowance: Option<Allowance>,
    /// For the log, `status` and, last, the center.
    pub record: Option<Record>,
    /// Call again with [`Input::Tick`] at this moment, unless something happens before. Always later than now.
    pub next_at: Stamp,
}

/// The machine.
#[derive(Debug, Clone)]
pub struct Owner {
    policy: LendPolicy,
    rules: Vec<LendRule>,
    machine: Machine,
    limits: PressureLimits,
    meter: Meter,
    readings: Readings,
    readings_at: Option<Stamp>,
    last_input: Option<Stamp>,
    last_other: Option<Stamp>,
    over_since: Option<Stamp>,
    pause: Option<Pause>,
    tolerated: Option<PauseReason>,
    down: bool,
    fault: bool,
    asleep: bool,
    finishing: bool,
    state: NodeState,
    reason: PauseReason,
    since: Stamp,
    leave: Leave,
    allowance: Allowance,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    Until(Stamp),
    UntilIdle,
}

impl Owner {
    /// A machine whose agent starts: nothing runs until the sensors have spoken. The policy has been checked.
    pub fn new(now: Stamp, policy: LendPolicy, machine: Machine) -> Self {
        let mut owner = Self {
            rules: policy.compiled(),
            policy,
            machine,
            limits: PressureLimits::default(),
            meter: Meter::default(),
            readings: Readings::default(),
            readings_at: None,
            last_input: None,
            last_other: None,
            over_since: None,
            pause: None,
            tolerated: None,
            down: false,
            fault: false,
            asleep: false,
            finishing: false,
            state: NodeState::Pause,
            reason: PauseReason::NoSignal,
            since: now,
            leave: Leave::Gone,
            allowance: Allowance::default(),
        };
        owner.allowance = owner.allowance_now(now);
        owner
    }

    /// Other limits of pressure than the assumed ones.
    pub fn set_limits(&mut self, limits: PressureLimits) {
        self.limits = limits;
    }

    /// What it does.
    pub fn state(&self) -> NodeState {
        self.state
    }
    /// Why not more.
    pub fn reason(&self) -> PauseReason {
        if self.finishing && self.leave == Leave::Run { PauseReason::Finishing } else { self.reason }
    }
    /// Since when it does that.
    pub fn since(&self) -> Stamp {
        self.since
    }
    /// What guests have leave for.
    pub fn leave(&self) -> Leave {
        self.leave
    }
    /// What may be done for others.
    pub fn allowance(&self) -> Allowance {
        self.allowance
    }
    /// The file in force.
    pub fn policy(&self) -> &LendPolicy {
        &self.policy
    }
    /// Until when the owner's pause lasts, where it has an end.
    pub fn paused_until(&self) -> Option<Stamp> {
        match self.pause {
            Some(Pause::Until(at)) => Some(at),
            _ => None,
        }
    }

    /// Takes in what happens and returns everything that follows from it.
    pub fn handle(&mut self, now: Stamp, input: Input) -> Effects {
        let before = (self.state, self.reason(), self.allowance);
        self.take_in(now, input);
        self.note(now);
        let guests = self.move_on(now);
        self.allowance = self.allowance_now(now);
        let changed = (self.state, self.reason()) != (before.0, before.1);
        let record = Record { at: now, from: before.0, to: self.state, reason: self.reason() };
        Effects {
            guests,
            allowance: (self.allowance != before.2).then_some(self.allowance),
            record: changed.then_some(record),
            next_at: self.next_at(now),
        }
    }

    fn take_in(&mut self, now: Stamp, input: Input) {
        match input {
            Input::Readings(readings) => {
                self.readings = readings;
                self.readings_at = Some(now);
            }
            Input::InputEvent => {
                self.last_input = Some(now);
                self.readings.idle = self.readings.idle.map(|_| Span::ZERO);
                self.readings_at = self.readings_at.map(|_| now);
            }
            Input::Command(command) => self.obey(now, command),
            Input::Lend(policy) => {
                self.rules = policy.compiled();
                self.policy = policy;
            }
            Input::Machine(machine) => self.machine = machine,
            Input::Meter(meter) => self.meter = meter,
            Input::Fault(fault) => self.fault = fault,
            Input::Sleep => self.asleep = true,
            Input::Wake => self.asleep = false,
            Input::Tick => {}
        }
    }

    fn obey(&mut self, now: Stamp, command: Command) {
        match command {
            Command::Pause(PauseFor::Span(span)) => self.pause = Some(Pause::Until(now + span.min(PAUSE_MAX))),
            Command::Pause(PauseFor::UntilIdle) => self.pause = Some(Pause::UntilIdle),
            Command::Pause(PauseFor::Tomorrow) => {
                self.pause = Some(Pause::Until(want::next_midnight(now, self.readings.utc_offset_min)));
            }
            Command::Resume => {
                (self.pause, self.finishing, self.last_other) = (None, false, None);
                self.tolerated = self.screen_or_app();
            }
            Command::Finish => self.finishing = true,
            Command::Down => self.down = true,
            Command::Up => (self.down, self.finishing, self.pause) = (false, false, None),
        }
    }

    /// Moves the state towards what is wanted; returns what becomes of guests.
    fn move_on(&mut self, now: Stamp) -> Option<GuestAct> {
        let (mut to, mut reason) = self.want(now);
        if to < self.state && !self.may_rise(now) {
            // (E): what had to stop stays stopped until calm; OFF opens to PAUSE, which runs nothing.
            let held = if self.state == NodeState::Off { NodeState::Pause } else { self.state };
            if to < held {
                (to, reason) = (held, if held == self.state { self.reason } else { PauseReason::Input });
            }
        }
        if self.state == NodeState::Evict && to == NodeState::Pause {
            to = NodeState::Evict;
        }
        if self.state == NodeState::Pause && to == NodeState::Pause && now.since(self.since) >= EVICT_AFTER {
            to = NodeState::Evict;
        }
        if to != self.state {
            (self.state, self.since) = (to, now);
        }
        self.reason = reason;
        self.lead_guests()
    }

    fn lead_guests(&mut self) -> Option<GuestAct> {
        let (leave, act) = match (self.state, self.leave) {
            (NodeState::Run | NodeState::Limit, Leave::Parked) => (Leave::Run, Some(GuestAct::Unpark)),
            (NodeState::Run | NodeState::Limit, _) => (Leave::Run, None),
            (NodeState::Pause, Leave::Run) => (Leave::Parked, Some(GuestAct::Park)),
            (NodeState::Pause, leave) => (leave, None),
            (NodeState::Evict | NodeState::Off, Leave::Gone) => (Leave::Gone, None),
            (NodeState::Evict | NodeState::Off, _) => (Leave::Gone, Some(GuestAct::Evict)),
        };
        self.leave = leave;
        act
    }

    /// (G): the earliest moment at which time alone may change the answer.
    fn next_at(&self, now: Stamp) -> Stamp {
        let idle_since = self.last_input.map(|at| at + self.policy.profile.idle_after() + Span::ms(1));
        let due = [
            self.over_since.map(|at| at + PRESSURE_FOR),
            (self.state == NodeState::Pause).then(|| self.since + EVICT_AFTER),
            self.last_other.map(|at| at + CALM),
            self.last_input.map(|at| at + INPUT_NOW),
            self.last_input.map(|at| at + CALM),
            idle_since,
            self.readings_at.map(|at| at + STALE_AFTER),
            self.paused_until(),
        ];
        let minute = Stamp(now.as_ms() - now.as_ms() % LOOK_EVERY.as_ms()) + LOOK_EVERY;
        due.into_iter().flatten().filter(|at| *at > now).min().map_or(minute, |at| at.min(minute))
    }
}
