//! The loop itself: one task that owns the machine of the rules, and one look at a time on another thread.

use super::clock::Clock;
use super::view::detail;
use super::{
    Guests, LOOK_DISK, LOOK_FILE, LOOK_GUESTS, LOOK_IDLE, LOOK_READY, Message, OwnerConfig, OwnerFact, OwnerView, span,
};
use crate::fleet::lendfile::{LendFileError, LendWatch, Lent};
use crate::fleet::sensors::{Sample, ScriptError, ScriptHandle, Sensors};
use crate::machine;
use model::{Bytes, PauseReason, Span, Stamp};
use rules::fleet::lend::when::When;
use rules::fleet::lend::{LendPolicy, Machine};
use rules::fleet::owner::{GuestAct, Input, Leave, Meter, Owner, Readings};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// What looks; lent to another thread for each look.
struct Eyes {
    sensors: Box<dyn Sensors>,
    file: LendWatch,
    pieces: PathBuf,
}

/// What to look at.
#[derive(Debug, Default)]
struct Look {
    sensors: bool,
    apps: Option<Vec<String>>,
    file: FileLook,
    disk: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum FileLook {
    #[default]
    No,
    IfChanged,
    Now,
}

/// What was seen.
struct Seen {
    sample: Option<(Sample, Instant)>,
    file: Option<Result<Lent, LendFileError>>,
    disk: Option<(Bytes, Bytes)>,
}

impl Eyes {
    fn look(&mut self, look: Look) -> Seen {
        if let Some(apps) = &look.apps {
            self.sensors.look_for(apps);
        }
        let began = Instant::now();
        Seen {
            sample: look.sensors.then(|| (self.sensors.sample(), began)),
            file: match look.file {
                FileLook::No => None,
                FileLook::IfChanged => self.file.changed(),
                FileLook::Now => Some(self.file.now()),
            },
            disk: look.disk.then(|| machine::disk(&self.pieces)).flatten(),
        }
    }
}

type Reloaded = oneshot::Sender<Result<OwnerView, LendFileError>>;

/// When what is looked at next.
struct Due {
    sensors: Instant,
    file: Instant,
    disk: Instant,
    /// Told by the rules: time alone may change the answer then.
    rules: Instant,
}

pub(super) struct Run {
    owner: Owner,
    clock: Clock,
    utc_offset_min: fn(Stamp) -> i16,
    guests: Arc<dyn Guests>,
    eyes: Option<Eyes>,
    /// The eyes were lost by a bug.
    is_blind: bool,
    script: Option<ScriptHandle>,
    machine: Machine,
    meter: Meter,
    readings: Readings,
    new_apps: Option<Vec<String>>,
    /// Who waits for a look at the file that has not begun, and for one that has.
    asked: Vec<Reloaded>,
    answering: Vec<Reloaded>,
    /// Samples begun before this are older than the script.
    scripted_at: Option<Instant>,
    due: Due,
    view: watch::Sender<OwnerView>,
}

impl Run {
    pub(super) fn new(
        config: OwnerConfig,
        sensors: Box<dyn Sensors>,
        file: LendWatch,
        lent: Lent,
        script: Option<ScriptHandle>,
    ) -> (Self, watch::Receiver<OwnerView>) {
        let mut clock = Clock::new(config.now);
        let machine = measure(&config.pieces);
        let owner = Owner::new(clock.now(), lent.policy.clone(), machine);
        let first = OwnerView {
            state: owner.state(),
            reason: owner.reason(),
            detail: String::new(),
            since: owner.since(),
            paused_until: None,
            allowance: owner.allowance(),
            profile: lent.policy.profile.to_string(),
            summary: lent.policy.offer(&machine),
            sensors: Vec::new(),
            lend_error: None,
            lend_warnings: warnings(&lent),
            last_park_ms: None,
            policy: lent.policy.clone(),
        };
        let (view, watch) = watch::channel(first);
        let at = Instant::now();
        let run = Self {
            owner,
            clock,
            utc_offset_min: config.utc_offset_min,
            guests: config.guests,
            eyes: Some(Eyes { sensors, file, pieces: config.pieces }),
            is_blind: false,
            script,
            machine,
            meter: Meter::default(),
            readings: Readings::default(),
            new_apps: Some(apps_of(&lent.policy)),
            asked: Vec::new(),
            answering: Vec::new(),
            scripted_at: None,
            due: Due { sensors: at, file: at + LOOK_FILE, disk: at + LOOK_DISK, rules: at },
            view,
        };
        (run, watch)
    }

    /// Until nobody is left to speak.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        let mut looking: Option<JoinHandle<(Eyes, Seen)>> = None;
        loop {
            if looking.is_none() {
                looking = self.begin_look();
            }
            let next = self.next_look(Instant::now()).map_or(self.due.rules, |look| look.min(self.due.rules));
            tokio::select! {
                biased;
                message = inbox.recv() => match message {
                    Some(message) => self.hear(message),
                    None => break,
                },
                done = look_done(&mut looking) => {
                    looking = None;
                    self.take_in(done);
                }
                () = sleep_until(next) => {
                    if self.due.rules <= Instant::now() {
                        self.handle(Input::Tick, Instant::now());
                    }
                }
            }
        }
        if self.owner.leave() != Leave::Gone {
            self.guests.evict();
        }
    }

    /// When the next look is due, seen from `now`; never while one runs, or when the eyes were lost by a bug.
    fn next_look(&self, now: Instant) -> Option<Instant> {
        self.eyes.as_ref()?;
        let file = if self.asked.is_empty() { self.due.file } else { now };
        Some(self.due.sensors.min(file).min(self.due.disk))
    }

    /// Starts a look at everything that is due; none when nothing is.
    fn begin_look(&mut self) -> Option<JoinHandle<(Eyes, Seen)>> {
        let now = Instant::now();
        if self.next_look(now)? > now {
            return None;
        }
        let mut eyes = self.eyes.take()?;
        self.answering.append(&mut self.asked);
        let look = Look {
            sensors: self.due.sensors <= now,
            apps: self.new_apps.take(),
            file: match (self.answering.is_empty(), self.due.file <= now) {
                (false, _) => FileLook::Now,
                (true, true) => FileLook::IfChanged,
                (true, false) => FileLook::No,
            },
            disk: self.due.disk <= now,
        };
        if look.sensors {
            self.due.sensors = now + self.period();
        }
        if look.file != FileLook::No {
            self.due.file = now + LOOK_FILE;
        }
        if look.disk {
            self.due.disk = now + LOOK_DISK;
        }
        Some(tokio::task::spawn_blocking(move || {
            let seen = eyes.look(look);
            (eyes, seen)
        }))
    }

    fn period(&self) -> std::time::Duration {
        match self.owner.leave() {
            Leave::Run if self.guests.any() => LOOK_GUESTS,
            Leave::Run => LOOK_READY,
            Leave::Parked | Leave::Gone => LOOK_IDLE,
        }
    }

    fn take_in(&mut self, done: Result<(Eyes, Seen), tokio::task::JoinError>) {
        let (eyes, seen) = match done {
            Ok(done) => done,
            Err(error) => {
                // Readings become stale, and stale is in use: nothing runs any more.
                tracing::error!(%error, "a look at the sensors failed");
                self.is_blind = true;
                self.answering.clear();
                self.asked.clear();
                return;
            }
        };
        self.eyes = Some(eyes);
        if let Some(file) = seen.file {
            self.take_file(file);
        }
        if let Some((size, free)) = seen.disk {
            self.measured(|machine| (machine.disk_size, machine.disk_free) = (size, free));
        }
        if let Some((sample, began)) = seen.sample.filter(|(_, began)| self.scripted_at.is_none_or(|at| *began > at)) {
            self.take_sample(sample, began);
        }
    }

    fn take_sample(&mut self, sample: Sample, began: Instant) {
        let now = self.clock.now();
        let local = (self.utc_offset_min)(self.clock.to_wall(now)) - self.clock.ahead_min();
        let readings = Readings { utc_offset_min: local, ..sample.readings };
        self.readings = readings.clone();
        let signals: Vec<(String, bool)> =
            sample.signals.into_iter().map(|(name, has)| (name.to_owned(), has)).collect();
        self.view.send_if_modified(|view| {
            let changed = view.sensors != signals;
            view.sensors = signals;
            changed
        });
        self.handle(Input::Readings(readings), began);
    }

    fn take_file(&mut self, file: Result<Lent, LendFileError>) {
        match &file {
            Ok(lent) => {
                let warnings = warnings(lent);
                for warning in &warnings {
                    tracing::warn!(warning, "a key of the owner's file is unknown");
                }
                self.view.send_if_modified(|view| {
                    let changed = view.lend_error.is_some() || view.lend_warnings != warnings;
                    (view.lend_error, view.lend_warnings) = (None, warnings);
                    changed
                });
                if lent.policy != *self.owner.policy() {
                    tracing::info!(profile = %lent.policy.profile, "another file of the owner is in force");
                    self.new_apps = Some(apps_of(&lent.policy));
                    self.handle(Input::Lend(lent.policy.clone()), Instant::now());
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the owner's file does not hold, the last good one stays in force");
                let text = error.to_string();
                self.view.send_modify(|view| view.lend_error = Some(text));
            }
        }
        self.answer_reloads(file);
    }

    /// The first asker gets the whole error, the others its text.
    fn answer_reloads(&mut self, file: Result<Lent, LendFileError>) {
        let view = self.view.borrow().clone();
        let text = file.as_ref().err().map(ToString::to_string);
        let mut error = file.err();
        for answer in self.answering.drain(..) {
            let _ = answer.send(match (error.take(), &text) {
                (Some(error), _) => Err(error),
                (None, Some(text)) => Err(LendFileError::Again(text.clone())),
                (None, None) => Ok(view.clone()),
            });
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Command(command, answer) => {
                tracing::info!(?command, "the owner's word");
                self.handle(Input::Command(command.rule()), Instant::now());
                let _ = answer.send(self.view.borrow().clone());
            }
            Message::Fact(OwnerFact::Held(held)) => self.measured(|machine| machine.held = held),
            Message::Fact(OwnerFact::Rates(up, down)) => {
                self.measured(|machine| (machine.up, machine.down) = (up, down))
            }
            Message::Fact(OwnerFact::Meter(meter)) => {
                if meter != self.meter {
                    self.meter = meter;
                    self.handle(Input::Meter(meter), Instant::now());
                }
            }
            Message::Fact(OwnerFact::Fault(fault)) => self.handle(Input::Fault(fault), Instant::now()),
            Message::Script { event, at, answer } => {
                let done = self.follow_script(&event, at);
                let _ = answer.send(done.map(|()| self.view.borrow().clone()));
            }
            // An asker without an answer takes the view that stands.
            Message::Reload(answer) if self.is_blind => drop(answer),
            Message::Reload(answer) => self.asked.push(answer),
        }
    }

    fn follow_script(&mut self, event: &str, at: Instant) -> Result<(), ScriptError> {
        let script = self.script.clone().ok_or(ScriptError::NotScripted)?;
        let is_input = script.apply(event)?;
        self.scripted_at = Some(Instant::now());
        if is_input {
            self.handle(Input::InputEvent, at);
        }
        self.take_sample(script.sample(), at);
        Ok(())
    }

    fn measured(&mut self, change: impl FnOnce(&mut Machine)) {
        let mut machine = self.machine;
        change(&mut machine);
        if machine != self.machine {
            self.machine = machine;
            self.handle(Input::Machine(machine), Instant::now());
        }
    }

    /// The rules decide; this carries out, in their order. `began` is when what happened was noticed.
    fn handle(&mut self, input: Input, began: Instant) {
        let input_ago = match &input {
            Input::InputEvent => Some(Span::ZERO),
            Input::Readings(readings) => readings.idle,
            _ => None,
        };
        let now = self.clock.now();
        let effects = self.owner.handle(now, input);
        if let Some(act) = effects.guests {
            match act {
                GuestAct::Park => self.guests.park(),
                GuestAct::Unpark => self.guests.unpark(),
                GuestAct::Evict => self.guests.evict(),
            }
        }
        let parked = effects.guests == Some(GuestAct::Park) && self.owner.reason() == PauseReason::Input;
        let park_ms = input_ago.filter(|_| parked).map(|ago| (ago + span(began.elapsed())).as_ms());
        self.due.rules = self.clock.instant(effects.next_at, now);
        // Guests that begin to run are watched more closely at once.
        self.due.sensors = self.due.sensors.min(Instant::now() + self.period());
        self.publish(park_ms);
        if let Some(record) = effects.record {
            tracing::info!(from = %record.from, to = %record.to, reason = %record.reason, park_ms, "the owner's machine changed its state");
        }
    }

    fn publish(&self, park_ms: Option<u64>) {
        let owner = &self.owner;
        let (machine, clock) = (&self.machine, &self.clock);
        self.view.send_if_modified(|view| {
            let next = OwnerView {
                state: owner.state(),
                reason: owner.reason(),
                detail: match (view.state, view.reason) == (owner.state(), owner.reason()) {
                    true => view.detail.clone(),
                    false => detail(owner.reason(), &self.readings, owner.policy()),
                },
                since: clock.to_wall(owner.since()),
                paused_until: owner.paused_until().map(|at| clock.to_wall(at)),
                allowance: owner.allowance(),
                profile: owner.policy().profile.to_string(),
                policy: owner.policy().clone(),
                summary: owner.policy().offer(machine),
                sensors: view.sensors.clone(),
                lend_error: view.lend_error.clone(),
                lend_warnings: view.lend_warnings.clone(),
                last_park_ms: park_ms.or(view.last_park_ms),
            };
            let changed = *view != next;
            *view = next;
            changed
        });
    }
}

/// The look that runs; never, when none does.
async fn look_done(looking: &mut Option<JoinHandle<(Eyes, Seen)>>) -> Result<(Eyes, Seen), tokio::task::JoinError> {
    match looking {
        Some(look) => look.await,
        None => std::future::pending().await,
    }
}

fn warnings(lent: &Lent) -> Vec<String> {
    lent.unknown.iter().map(ToString::to_string).collect()
}

/// This machine, its network not measured yet.
fn measure(pieces: &std::path::Path) -> Machine {
    let (disk_size, disk_free) = machine::disk(pieces).unwrap_or_default();
    let (memory_mib, _) = machine::memory_mib();
    Machine { cores: machine::cores(), memory_mib, disk_size, disk_free, held: Bytes(0), up: None, down: None }
}

/// Programs that the file names, in its list and in its rules.
fn apps_of(policy: &LendPolicy) -> Vec<String> {
    let mut apps = policy.pause_for.clone();
    let mut open: Vec<&When> = policy.rules.iter().map(|rule| &rule.when).collect();
    while let Some(when) = open.pop() {
        match when {
            When::App(name) => apps.push(name.clone()),
            When::Not(inner) => open.push(inner),
            When::And(a, b) | When::Or(a, b) => open.extend([&**a, &**b]),
            _ => {}
        }
    }
    apps.sort();
    apps.dedup();
    apps
}
