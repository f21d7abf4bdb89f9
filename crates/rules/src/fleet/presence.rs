//! Who is on now: a table in the center's memory, dense by alias (`docs/design/fleet.md` §3).
//!
//! (A) A check-in makes a node `on`, from whatever it was, except when its boot is not the newest with its key.
//! (B) Within [`PresenceSettings::grace`] of the start nobody unseen is called away or missing: they are `unknown`.
//! (C) Nobody is missing before the τ of that node has passed; time in which this center was down is not counted.
//! (D) A lost connection is `suspect` at most [`SUSPECT_AFTER_MAX`] later, a goodbye is `away` at once.
//! (E) Minutes-on of an hour lie in 0 … 60 and miss the true ones by at most 2.5 periods at each end of a session.
//! (F) A node costs [`ENTRY_BYTES`] bytes and no row. (G) The state a node reports (a pause, say) is kept beside its
//! presence and changes nothing about it: a paused node is on.
//! (H) A check-in repeated or reordered within a boot changes no order: the newest sequence stays.
//!
//! The clock is the center's. A `now` earlier than one seen before counts as no time passed. What a transition leads to
//! (an event, a repair) is decided elsewhere.

mod entry;
#[cfg(test)]
mod tests;

use entry::{Entry, Flag};
use model::{Alias, NodeState, PauseReason, Presence as Whereabouts, Span, Stamp, TimeScale};
use rand_core::Rng;

pub use entry::ENTRY_BYTES;

/// Longest time from a lost connection to `suspect`, with the time it takes to notice the loss.
pub const SUSPECT_AFTER_MAX: Span = Span::secs(15);
/// Aliases of one hourly block.
pub const BLOCK: usize = 1_000;
/// Aliases a cell gives, and with it the largest this table grows.
pub const ALIASES_MAX: u32 = 1_048_576;
/// Check-ins of a superseded boot after which the key counts as held twice; one may be a late packet.
pub const DUPLICATES_TO_ACT: u8 = 2;
/// A declared absence ends so long after its last day before τ may pass.
pub const HOLIDAY_MERCY: Span = Span::hours(24);
/// Bounds of τ, in hours.
const TAU_MIN_H: u64 = 72;
const TAU_MAX_H: u64 = 168;
/// τ in surge mode.
const TAU_SURGE: Span = Span::hours(24);
/// Jitter of a period: ± 20 %.
const JITTER_PPM: u64 = 200_000;

/// How long a node may be away before it counts as missing: 3 × its longest absence of the last 30 d, between 72 h and
/// 168 h; 24 h in surge.
pub fn missing_after(longest_absence: Span, surge: bool) -> Span {
    if surge {
        return TAU_SURGE;
    }
    longest_absence.scaled(3, 1).clamp(Span::hours(TAU_MIN_H), Span::hours(TAU_MAX_H))
}

/// Figures of the check-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresenceSettings {
    /// Period of a node that holds a lease or waits for work.
    pub period_busy: Span,
    /// Period of the rest.
    pub period_quiet: Span,
    /// Longest a quiet period is stretched to under load.
    pub period_max: Span,
    /// Longest a busy period is stretched to: an attempt lease dies at 90 s.
    pub period_busy_max: Span,
    /// Check-ins a second this process wants at most; above it periods stretch.
    pub rate_max_per_s: u32,
    /// From the *noticed* loss of a connection to `suspect`; with the time to notice it, at most [`SUSPECT_AFTER_MAX`].
    pub suspect_after: Span,
    /// τ and a holiday's day of mercy are divided by this; 1 but in a center for tests.
    pub time_scale: TimeScale,
}

impl Default for PresenceSettings {
    fn default() -> Self {
        Self {
            period_busy: Span::secs(30),
            period_quiet: Span::secs(300),
            period_max: Span::secs(600),
            period_busy_max: Span::secs(45),
            rate_max_per_s: 3_333,
            suspect_after: Span::secs(3),
            time_scale: TimeScale::default(),
        }
    }
}

impl PresenceSettings {
    /// Every node at one period, e.g. 30 s in small clouds and tests.
    pub fn every(period: Span) -> Self {
        let d = Self::default();
        let busy = d.period_busy.min(period);
        Self { period_busy: busy, period_quiet: period, period_max: d.period_max.max(period), ..d }
    }

    /// The first period after a start of the center, with its jitter.
    pub fn grace(&self) -> Span {
        self.period_quiet.max(self.period_busy).scaled(1_000_000 + JITTER_PPM, 1_000_000)
    }
}

/// What a check-in says that concerns presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckInFacts {
    /// Random per start of the agent.
    pub boot: u64,
    /// Counts up within a boot.
    pub sequence: u32,
    /// What the node does.
    pub state: NodeState,
    /// Why not more.
    pub reason: PauseReason,
    /// It waits for work or holds a lease.
    pub parked_or_leased: bool,
    /// Its clock minus the center's.
    pub offset_ms: i64,
}

/// The answer to a check-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckInVerdict {
    /// When to call again.
    pub next_in: Span,
    /// Not heard before since this process started.
    pub first_since_start: bool,
    /// What it was called before, where that was not `on`.
    pub resumed_from: Option<Whereabouts>,
    /// Another boot with this key is newer: tell this one, change nothing.
    pub duplicate: bool,
    /// Two boots alternate: no writes for either, tell the owner. Stays until [`Presence::settle_duplicates`].
    pub contested: bool,
    /// A repeat or a late one of this boot; its figures are older than those held.
    pub stale: bool,
    /// A new boot since the last check-in.
    pub new_boot: bool,
}

/// What is known of a node from its row when the center starts or the node joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// Last heard, as far as hourly summaries tell.
    pub last_seen: Option<Stamp>,
    /// Its τ, see [`missing_after`]; zero stands for the shortest.
    pub missing_after: Span,
    /// End of a declared absence.
    pub holiday_until: Option<Stamp>,
    /// It left, or was banned.
    pub left: bool,
}

/// A change of presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Whose.
    pub alias: Alias,
    /// What it was called.
    pub from: Whereabouts,
    /// What it is now.
    pub to: Whereabouts,
}

/// Minutes-on of up to [`BLOCK`] aliases in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourBlock {
    /// First alias; byte `i` is that of alias `first + i`.
    pub first: Alias,
    /// 0 … 60 each; zeros at the end are cut.
    pub minutes: Vec<u8>,
}

/// One node for a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodePresence {
    /// Whereabouts.
    pub presence: Whereabouts,
    /// Last heard.
    pub seen: Option<Stamp>,
    /// On without a gap since then; none when it is not on.
    pub on_since: Option<Stamp>,
    /// What it said it does.
    pub state: NodeState,
    /// And why not more.
    pub reason: PauseReason,
    /// Its clock minus the center's, in ms.
    pub offset_ms: i64,
    /// Two boots alternate with its key.
    pub contested: bool,
}

/// The table.
#[derive(Debug, Clone)]
pub struct Presence {
    settings: PresenceSettings,
    started_at: Stamp,
    down_since: Option<Stamp>,
    surge: bool,
    open_hour: u64,
    busy_count: u32,
    quiet_count: u32,
    cursor: usize,
    entries: Vec<Entry>,
}

impl Presence {
    /// An empty table of a process that starts now.
    pub fn new(started_at: Stamp, settings: PresenceSettings) -> Self {
        Self {
            settings,
            started_at,
            down_since: None,
            surge: false,
            open_hour: started_at.hour(),
            busy_count: 0,
            quiet_count: 0,
            cursor: 0,
            entries: Vec::new(),
        }
    }

    /// Until when a center was known to run before this start; from then to the start nobody's absence counts. Down times
    /// before that one are the caller's to subtract, by registering nodes as seen so much later (`fleet::down`).
    pub fn set_down_since(&mut self, at: Stamp) {
        self.down_since = Some(at.min(self.started_at));
    }

    /// Surge mode on or off: τ is 24 h for everybody while it lasts.
    pub fn set_surge(&mut self, surge: bool) {
        self.surge = surge;
    }

    /// Other figures from now on (a changed file of the operator).
    pub fn set_settings(&mut self, settings: PresenceSettings) {
        self.settings = settings;
    }

    /// Takes a node in from its row, or changes what its row says; keeps what was heard from it.
    pub fn register(&mut self, alias: Alias, known: Known) {
        let Some(entry) = Self::entry_mut(&mut self.entries, alias) else { return };
        entry.set(Flag::Known, true);
        entry.set(Flag::Left, known.left);
        entry.holiday_until_s = known.holiday_until.map_or(0, seconds_up);
        entry.missing_after_h = tau_hours(known.missing_after);
        if !entry.has(Flag::Seen) {
            entry.seen_ms = known.last_seen.map_or(0, Stamp::as_ms);
        }
    }

    /// Its τ as learned now, see [`missing_after`].
    pub fn set_missing_after(&mut self, alias: Alias, tau: Span) {
        if let Some(entry) = self.entries.get_mut(alias.0 as usize) {
            entry.missing_after_h = tau_hours(tau);
        }
    }

    /// A check-in of an authenticated node. An alias at or above [`ALIASES_MAX`] is answered and not kept.
    pub fn check_in(&mut self, now: Stamp, alias: Alias, facts: CheckInFacts, rng: &mut impl Rng) -> CheckInVerdict {
        let before = self.state(now, alias);
        let period = self.period(facts.parked_or_leased);
        let mut verdict = CheckInVerdict {
            next_in: jittered(period, rng).min(self.settings.period_max),
            first_since_start: true,
            resumed_from: None,
            duplicate: false,
            contested: false,
            stale: false,
            new_boot: true,
        };
        let hour_start = hour_start(self.open_hour);
        let Some(entry) = Self::entry_mut(&mut self.entries, alias) else { return verdict };
        entry.note_boot(facts.boot, facts.sequence, &mut verdict);
        if verdict.duplicate {
            return verdict;
        }
        uncount(entry, &mut self.busy_count, &mut self.quiet_count);
        entry.heard(now, hour_start, before == Whereabouts::On || before == Whereabouts::Suspect, period);
        if !verdict.stale {
            entry.said(now, &facts);
        }
        entry.set(Flag::Busy, facts.parked_or_leased);
        let count = if facts.parked_or_leased { &mut self.busy_count } else { &mut self.quiet_count };
        *count += 1;
        entry.set(Flag::Counted, true);
        let after = self.state(now, alias);
        if let Some(entry) = self.entries.get_mut(alias.0 as usize) {
            entry.shown = after.code();
        }
        verdict.resumed_from = (before != after).then_some(before);
        verdict
    }

    /// The node said that it goes: it is away at once. Ignored when a newer boot has spoken.
    pub fn goodbye(&mut self, now: Stamp, alias: Alias, boot: u64) {
        let hour_start = hour_start(self.open_hour);
        let on = matches!(self.state(now, alias), Whereabouts::On | Whereabouts::Suspect);
        let Some(entry) = self.entries.get_mut(alias.0 as usize) else { return };
        if entry.boot != boot || !entry.has(Flag::Seen) {
            return;
        }
        if on {
            entry.credit(now, hour_start);
        }
        entry.set(Flag::Gone, true);
        entry.gone_ms = now.as_ms();
        uncount(entry, &mut self.busy_count, &mut self.quiet_count);
    }

    /// Its connection was lost. It is suspect [`PresenceSettings::suspect_after`] later unless it checks in.
    pub fn link_lost(&mut self, now: Stamp, alias: Alias) {
        if let Some(entry) = self.entries.get_mut(alias.0 as usize).filter(|e| !e.has(Flag::Gone) && e.gone_ms == 0) {
            entry.gone_ms = now.as_ms();
        }
    }

    /// Its connection is there again, before any check-in.
    pub fn link_back(&mut self, alias: Alias) {
        if let Some(entry) = self.entries.get_mut(alias.0 as usize).filter(|e| !e.has(Flag::Gone)) {
            entry.gone_ms = 0;
        }
    }

    /// The operator or the owner settled which machine holds the key.
    pub fn settle_duplicates(&mut self, alias: Alias) {
        if let Some(entry) = self.entries.get_mut(alias.0 as usize) {
            entry.duplicates = 0;
            entry.other_boot = 0;
        }
    }

    /// Where the node is, as the center thinks. A node never registered nor heard is `unknown`.
    pub fn state(&self, now: Stamp, alias: Alias) -> Whereabouts {
        self.entries.get(alias.0 as usize).map_or(Whereabouts::Unknown, |entry| self.judge(now, entry))
    }

    fn judge(&self, now: Stamp, entry: &Entry) -> Whereabouts {
        if entry.has(Flag::Left) {
            return Whereabouts::Left;
        }
        if !entry.has(Flag::Seen) {
            return self.judge_unseen(now, entry);
        }
        if self.is_fresh(now, entry) {
            let lost = entry.gone_ms != 0 && now.since(Stamp(entry.gone_ms)) >= self.settings.suspect_after;
            let is_idle = entry.lends_nothing() && now.since(entry.since()) > self.tau(entry);
            return match (lost, is_idle && !self.is_on_holiday(now, entry)) {
                (true, _) => Whereabouts::Suspect,
                (false, true) => Whereabouts::Missing,
                (false, false) => Whereabouts::On,
            };
        }
        self.absent(now, entry, self.absence(now, entry))
    }

    fn is_fresh(&self, now: Stamp, entry: &Entry) -> bool {
        let silent = now.since(Stamp(entry.seen_ms));
        silent < Span(u64::from(entry.period_ms)).scaled(5, 2) && !entry.has(Flag::Gone)
    }

    /// For how long a node that is not on has been away, as far as this center knows: its own down time taught nothing.
    fn absence(&self, now: Stamp, entry: &Entry) -> Span {
        if entry.has(Flag::Seen) {
            let idle = if entry.lends_nothing() { now.since(entry.since()) } else { Span::ZERO };
            return now.since(Stamp(entry.seen_ms)).max(idle);
        }
        let before = match (self.down_since, entry.seen_ms) {
            (Some(down), seen) if seen != 0 => down.since(Stamp(seen)),
            _ => Span::ZERO,
        };
        before + now.since(self.started_at)
    }

    /// For how long a node has been away; nothing where it is on, on holiday, gone for good, or not known to be away.
    pub fn away_for(&self, now: Stamp, alias: Alias) -> Option<Span> {
        let entry = self.entries.get(alias.0 as usize)?;
        match self.judge(now, entry) {
            Whereabouts::Away | Whereabouts::Missing => Some(self.absence(now, entry)),
            _ => None,
        }
    }

    /// Whether surge is on.
    pub fn is_surge(&self) -> bool {
        self.surge
    }

    /// (B), (C): not heard since this process started.
    fn judge_unseen(&self, now: Stamp, entry: &Entry) -> Whereabouts {
        let up_for = now.since(self.started_at);
        if !entry.has(Flag::Known) || up_for < self.settings.grace() {
            let holiday = entry.holiday_until_s != 0 && now < until(entry.holiday_until_s);
            return if holiday { Whereabouts::Holiday } else { Whereabouts::Unknown };
        }
        self.absent(now, entry, self.absence(now, entry))
    }

    fn absent(&self, now: Stamp, entry: &Entry, away_for: Span) -> Whereabouts {
        if self.is_on_holiday(now, entry) {
            return Whereabouts::Holiday;
        }
        if away_for > self.tau(entry) { Whereabouts::Missing } else { Whereabouts::Away }
    }

    fn is_on_holiday(&self, now: Stamp, entry: &Entry) -> bool {
        entry.holiday_until_s != 0 && now < until(entry.holiday_until_s) + self.scaled(HOLIDAY_MERCY)
    }

    /// Away, or on and lending nothing, for longer than this a node is missing.
    fn tau(&self, entry: &Entry) -> Span {
        let hours = u64::from(entry.missing_after_h).max(TAU_MIN_H);
        let tau = if self.surge { TAU_SURGE } else { Span::hours(hours) };
        self.scaled(tau)
    }

    fn scaled(&self, span: Span) -> Span {
        self.settings.time_scale.of(span)
    }

    /// One node for a list; nothing when it is neither registered nor heard.
    pub fn view(&self, now: Stamp, alias: Alias) -> Option<NodePresence> {
        let entry = self.entries.get(alias.0 as usize).filter(|e| e.has(Flag::Known) || e.has(Flag::Seen))?;
        let presence = self.judge(now, entry);
        let on = matches!(presence, Whereabouts::On | Whereabouts::Suspect);
        Some(NodePresence {
            presence,
            seen: (entry.seen_ms != 0).then_some(Stamp(entry.seen_ms)),
            on_since: on.then(|| Stamp(u64::from(entry.since_s) * 1_000)),
            state: NodeState::from_code(entry.state).unwrap_or(NodeState::Off),
            reason: PauseReason::from_code(entry.reason).unwrap_or(PauseReason::None),
            offset_ms: i64::from(entry.offset_ms),
            contested: entry.duplicates >= DUPLICATES_TO_ACT,
        })
    }

    /// How many there are of each presence, in the order of [`Whereabouts::ALL`].
    pub fn counts(&self, now: Stamp) -> [u32; Whereabouts::ALL.len()] {
        let mut counts = [0; Whereabouts::ALL.len()];
        for entry in self.entries.iter().filter(|e| e.has(Flag::Known) || e.has(Flag::Seen)) {
            counts[usize::from(self.judge(now, entry).code())] += 1;
        }
        counts
    }

    /// Looks at the next `budget` nodes, round and round, and returns what changed since it was last told. Changes by a
    /// check-in are told by its verdict and not again here; `unknown` → `on` is none.
    pub fn sweep(&mut self, now: Stamp, budget: usize) -> Vec<Transition> {
        let mut changes = Vec::new();
        for _ in 0..budget.min(self.entries.len()) {
            let index = self.cursor;
            self.cursor = (self.cursor + 1) % self.entries.len();
            let entry = &self.entries[index];
            if !entry.has(Flag::Known) && !entry.has(Flag::Seen) {
                continue;
            }
            let to = self.judge(now, entry);
            let from = Whereabouts::from_code(entry.shown).unwrap_or(Whereabouts::Unknown);
            if from == to {
                continue;
            }
            let entry = &mut self.entries[index];
            entry.shown = to.code();
            if !matches!(to, Whereabouts::On | Whereabouts::Suspect) {
                uncount(entry, &mut self.busy_count, &mut self.quiet_count);
            }
            let alias = Alias(u32::try_from(index).expect("the table is at most ALIASES_MAX long"));
            changes.push(Transition { alias, from, to });
        }
        changes
    }

    /// Ends hour `hour` (since 1970) and returns the minutes-on of every block with any. An hour already ended is empty.
    pub fn close_hour(&mut self, hour: u64) -> Vec<HourBlock> {
        if hour < self.open_hour {
            return Vec::new();
        }
        let (start, end) = (hour_start(self.open_hour), hour_start(hour + 1));
        for index in 0..self.entries.len() {
            if self.judge(end, &self.entries[index]) == Whereabouts::On && !self.entries[index].lends_nothing() {
                self.entries[index].credit(end, start);
            }
        }
        self.open_hour = hour + 1;
        let blocks = self.entries.chunks_mut(BLOCK).enumerate().map(|(number, chunk)| {
            let mut minutes: Vec<u8> = chunk.iter_mut().map(Entry::take_minutes).collect();
            let used = minutes.iter().rposition(|m| *m != 0).map_or(0, |last| last + 1);
            minutes.truncate(used);
            let first = u32::try_from(number * BLOCK).expect("the table is at most ALIASES_MAX long");
            HourBlock { first: Alias(first), minutes }
        });
        blocks.filter(|block| !block.minutes.is_empty()).collect()
    }

    /// The hour that is open: close it when the clock stands in a later one.
    pub fn open_hour(&self) -> u64 {
        self.open_hour
    }

    /// Memory held, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.entries.capacity() * ENTRY_BYTES
    }

    /// The period given now, before jitter: the quiet ones stretch first, so that all together stay under the rate.
    fn period(&self, busy: bool) -> Span {
        let s = &self.settings;
        let rate = u64::from(s.rate_max_per_s.max(1));
        let for_busy =
            Span(u64::from(self.busy_count) * 1_000 / rate).clamp(s.period_busy, s.period_busy_max.max(s.period_busy));
        if busy {
            return for_busy;
        }
        let busy_rate_milli = u64::from(self.busy_count) * 1_000_000 / for_busy.as_ms().max(1);
        let left_milli = (rate * 1_000).saturating_sub(busy_rate_milli).max(1);
        let needed = u64::from(self.quiet_count) * 1_000_000 / left_milli;
        Span(needed).clamp(s.period_quiet, s.period_max.max(s.period_quiet))
    }

    fn entry_mut(entries: &mut Vec<Entry>, alias: Alias) -> Option<&mut Entry> {
        if alias.0 >= ALIASES_MAX {
            return None;
        }
        let index = alias.0 as usize;
        if index >= entries.len() {
            // An eighth more, not double: a fleet that stays as it is pays for no empty half.
            let room = (index + 1).max(entries.len() + entries.len() / 8);
            if room > entries.capacity() {
                entries.reserve_exact(room - entries.len());
            }
            entries.resize(index + 1, Entry::default());
        }
        entries.get_mut(index)
    }
}

/// Takes a node out of the count of those that check in.
fn uncount(entry: &mut Entry, busy_count: &mut u32, quiet_count: &mut u32) {
    if entry.has(Flag::Counted) {
        let count = if entry.has(Flag::Busy) { busy_count } else { quiet_count };
        *count = count.saturating_sub(1);
        entry.set(Flag::Counted, false);
    }
}

fn tau_hours(tau: Span) -> u16 {
    let tau = tau.clamp(Span::hours(TAU_MIN_H), Span::hours(TAU_MAX_H));
    u16::try_from(tau.as_secs() / 3_600).expect("at most 168 h, clamped above")
}

fn hour_start(hour: u64) -> Stamp {
    Stamp::EPOCH + Span::hours(hour)
}

fn seconds_up(at: Stamp) -> u32 {
    u32::try_from(at.as_ms().div_ceil(1_000)).unwrap_or(u32::MAX)
}

fn until(seconds: u32) -> Stamp {
    Stamp(u64::from(seconds) * 1_000)
}

/// `period` ± 20 %.
fn jittered(period: Span, rng: &mut impl Rng) -> Span {
    let draw = (u64::from(rng.next_u32()) * (2 * JITTER_PPM + 1)) >> 32;
    period.scaled(1_000_000 - JITTER_PPM + draw, 1_000_000)
}
