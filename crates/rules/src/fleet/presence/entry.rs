//! What the presence table keeps of one node: 64 bytes, fixed.

use super::{CheckInFacts, CheckInVerdict, DUPLICATES_TO_ACT};
use model::{Presence as Whereabouts, Span, Stamp};

/// Memory of one node in the table.
pub const ENTRY_BYTES: usize = size_of::<Entry>();

const _: () = assert!(ENTRY_BYTES <= 64, "presence is at most 64 bytes a node");

const HOUR_MS: u64 = 3_600_000;

/// What is true of an entry, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// Registered from its row.
    Known = 1,
    /// Heard since this process started.
    Seen = 2,
    /// Said goodbye.
    Gone = 4,
    /// Left or banned.
    Left = 8,
    /// Checks in at the busy period.
    Busy = 16,
    /// Stands in the count of those that check in.
    Counted = 32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Newest boot.
    pub boot: u64,
    /// The boot before it; 0 when there was none.
    pub other_boot: u64,
    /// Last heard; before the first check-in, what the row said; 0 when never.
    pub seen_ms: u64,
    /// Connection lost or goodbye said; 0 when neither.
    pub gone_ms: u64,
    /// On without a gap since; while it lends nothing, that since.
    pub since_s: u32,
    /// Newest sequence of the newest boot.
    pub sequence: u32,
    /// Period it was given, before jitter.
    pub period_ms: u32,
    /// Its clock minus ours, clamped.
    pub offset_ms: i32,
    /// End of a declared absence; 0 when none.
    pub holiday_until_s: u32,
    /// On in the open hour so far.
    pub on_ms: u32,
    /// τ.
    pub missing_after_h: u16,
    /// Code of what it does.
    pub state: u8,
    /// Code of why not more.
    pub reason: u8,
    /// [`Flag`] bits.
    pub flags: u8,
    /// Code of what was last told of it.
    pub shown: u8,
    /// Check-ins of superseded boots.
    pub duplicates: u8,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            boot: 0,
            other_boot: 0,
            seen_ms: 0,
            gone_ms: 0,
            since_s: 0,
            sequence: 0,
            period_ms: 0,
            offset_ms: 0,
            holiday_until_s: 0,
            on_ms: 0,
            missing_after_h: 0,
            state: model::NodeState::Off.code(),
            reason: 0,
            flags: 0,
            shown: Whereabouts::Unknown.code(),
            duplicates: 0,
        }
    }
}

impl Entry {
    pub fn has(&self, flag: Flag) -> bool {
        self.flags & flag as u8 != 0
    }

    pub fn set(&mut self, flag: Flag, on: bool) {
        self.flags = if on { self.flags | flag as u8 } else { self.flags & !(flag as u8) };
    }

    /// Which boot speaks, and is it late? Fills the verdict's four facts about it.
    pub fn note_boot(&mut self, boot: u64, sequence: u32, verdict: &mut CheckInVerdict) {
        verdict.first_since_start = !self.has(Flag::Seen);
        verdict.new_boot = verdict.first_since_start || boot != self.boot;
        if !verdict.first_since_start && boot != self.boot {
            if self.other_boot != 0 && boot == self.other_boot {
                self.duplicates = self.duplicates.saturating_add(1);
                verdict.duplicate = true;
                verdict.new_boot = false;
            } else {
                self.other_boot = self.boot;
                self.boot = boot;
                self.sequence = sequence;
            }
        } else if verdict.first_since_start {
            self.boot = boot;
            self.sequence = sequence;
        } else if sequence <= self.sequence {
            verdict.stale = true;
        } else {
            self.sequence = sequence;
        }
        verdict.contested = self.duplicates >= DUPLICATES_TO_ACT;
    }

    /// It was heard: credit the time since, or begin a session.
    pub fn heard(&mut self, now: Stamp, hour_start: Stamp, was_on: bool, period: Span) {
        if was_on && self.has(Flag::Seen) {
            if !self.lends_nothing() {
                self.credit(now, hour_start);
            }
        } else if !(self.lends_nothing() && self.has(Flag::Seen)) {
            self.since_s = u32::try_from(now.as_ms() / 1_000).unwrap_or(u32::MAX);
        }
        self.seen_ms = self.seen_ms.max(now.as_ms());
        if !self.has(Flag::Seen) {
            // What the row said may lie in the future of a corrected clock; what is heard counts.
            self.seen_ms = now.as_ms();
        }
        self.gone_ms = 0;
        self.set(Flag::Gone, false);
        self.set(Flag::Seen, true);
        self.period_ms = u32::try_from(period.as_ms()).unwrap_or(u32::MAX);
    }

    /// It is on and lends nothing at all: its owner said down, or it has a fault.
    pub fn lends_nothing(&self) -> bool {
        self.state == model::NodeState::Off.code()
    }

    /// On without a gap since, or lending nothing since.
    pub fn since(&self) -> Stamp {
        Stamp(u64::from(self.since_s) * 1_000)
    }

    /// Keeps what a check-in said.
    pub fn said(&mut self, now: Stamp, facts: &CheckInFacts) {
        if self.lends_nothing() != (facts.state == model::NodeState::Off) {
            self.since_s = u32::try_from(now.as_ms() / 1_000).unwrap_or(u32::MAX);
        }
        self.state = facts.state.code();
        self.reason = facts.reason.code();
        let clamped = facts.offset_ms.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
        self.offset_ms = i32::try_from(clamped).expect("clamped to i32");
    }

    /// Credits the time from the last check-in, or the start of the open hour, to `now`.
    pub fn credit(&mut self, now: Stamp, hour_start: Stamp) {
        let from = Stamp(self.seen_ms.max(hour_start.as_ms()));
        let gained = now.since(from).as_ms().min(HOUR_MS) + u64::from(self.on_ms);
        self.on_ms = u32::try_from(gained.min(HOUR_MS)).expect("an hour of milliseconds fits");
    }

    /// Minutes of the hour that ends, rounded, and a fresh count.
    pub fn take_minutes(&mut self) -> u8 {
        let minutes = (std::mem::take(&mut self.on_ms) + 30_000) / 60_000;
        u8::try_from(minutes).expect("on_ms is at most an hour")
    }
}
