//! The truth about a fleet's presence, kept apart from the rules, and the invariants over it.
//!
//! Time counts while a center runs: `uptime`. A node's silence is the uptime since a check-in of it was last taken in.

use crate::check::Violation;
use model::{Alias, Presence as Whereabouts, Span, Stamp};

/// Extra silence after which a node must be called missing, for each restart since it was heard: an hour not written.
const LATE_PER_RESTART: Span = Span::hours(2);
/// A node heard less than this ago is on: 2.5 × the quiet period of 300 s.
pub const SURELY_ON: Span = Span::secs(750);
/// A node not heard for this long is not on: 2.5 × the longest period of 600 s.
pub const SURELY_NOT_ON: Span = Span::secs(1_500);
/// The shortest τ: nobody in these scenes has another.
pub const TAU: Span = Span::hours(72);

/// The truth about one node.
#[derive(Debug, Clone, Copy, Default)]
pub struct Truth {
    /// Uptime of the center when it was last heard.
    pub heard_uptime: Span,
    /// When it was heard, if since the last start.
    pub heard_at: Option<Stamp>,
    /// It said goodbye, or its connection was lost, since it was heard.
    pub gone: bool,
    /// Restarts since it was heard.
    pub restarts: u64,
    /// Its last check-ins fell into an hour that a crash kept from being written.
    pub hour_lost: bool,
    /// It was called missing since it was heard.
    pub called: bool,
    /// End of the absence it declared and the center committed.
    pub holiday_until: Option<Stamp>,
}

/// The truth about all.
pub struct Watch {
    nodes: Vec<Truth>,
    uptime_before: Span,
    up_since: Option<Stamp>,
    /// Silences called missing; a call repeated after a restart counts once.
    pub missing_calls: u64,
    /// Calls that came early because a crash kept an hour from being written.
    pub early_by_lost_hour: u64,
}

impl Watch {
    /// `nodes` that were heard just now, a center that starts now.
    pub fn new(nodes: u32, now: Stamp) -> Self {
        Self {
            nodes: vec![Truth::default(); nodes as usize],
            uptime_before: Span::ZERO,
            up_since: Some(now),
            missing_calls: 0,
            early_by_lost_hour: 0,
        }
    }

    fn uptime(&self, now: Stamp) -> Span {
        self.uptime_before + self.up_since.map_or(Span::ZERO, |since| now.since(since))
    }

    /// The truth about one node, to be changed.
    pub fn node(&mut self, alias: Alias) -> &mut Truth {
        &mut self.nodes[alias.0 as usize]
    }

    /// A check-in was taken in.
    pub fn heard(&mut self, now: Stamp, alias: Alias) {
        let uptime = self.uptime(now);
        let holiday_until = self.nodes[alias.0 as usize].holiday_until;
        let heard = Truth { heard_uptime: uptime, heard_at: Some(now), holiday_until, ..Truth::default() };
        self.nodes[alias.0 as usize] = heard;
    }

    /// The center died; what was heard since `written` is in no row.
    pub fn crashed(&mut self, now: Stamp, written: Stamp) {
        self.uptime_before = self.uptime(now);
        self.up_since = None;
        for node in &mut self.nodes {
            node.hour_lost |= node.heard_at.is_some_and(|at| at >= written);
            node.heard_at = None;
            node.gone = false;
            node.restarts += 1;
        }
    }

    /// The center runs again.
    pub fn started(&mut self, now: Stamp) {
        self.up_since = Some(now);
    }

    /// May this node be called `called` now?
    pub fn judge(&mut self, now: Stamp, alias: Alias, called: Whereabouts, grace: Span) -> Result<(), Violation> {
        let Some(up_since) = self.up_since else { return Ok(()) };
        let truth = self.nodes[alias.0 as usize];
        let silence = Span(self.uptime(now).as_ms().saturating_sub(truth.heard_uptime.as_ms()));
        let broken = |rule, what: &str| {
            Err(Violation { rule, at: now, what: format!("{alias} called {called}: {what}, silent for {silence}") })
        };
        let holiday = truth.holiday_until.is_some_and(|until| now < until + Span::hours(24));
        if called == Whereabouts::Missing {
            if holiday {
                return broken("never_missing_on_holiday", "it declared its absence");
            }
            if silence <= TAU && !truth.hour_lost {
                return broken("never_missing_before_tau", "τ has not passed");
            }
            self.nodes[alias.0 as usize].called = true;
            self.missing_calls += u64::from(!truth.called);
            self.early_by_lost_hour += u64::from(!truth.called && silence <= TAU);
        }
        match truth.heard_at {
            None if now.since(up_since) < grace && !matches!(called, Whereabouts::Unknown | Whereabouts::Holiday) => {
                return broken("restart_grace", "the first period after the start is not over");
            }
            Some(at) if now.since(at) < SURELY_ON && !truth.gone && called != Whereabouts::On => {
                return broken("heard_is_on", "it was heard less than 2.5 periods ago");
            }
            Some(at) if now.since(at) >= SURELY_NOT_ON && called == Whereabouts::On => {
                return broken("silent_is_not_on", "it was heard more than 2.5 of the longest periods ago");
            }
            _ => {}
        }
        let late = TAU + LATE_PER_RESTART.scaled(truth.restarts + 1, 1);
        if silence > late && !holiday && now.since(up_since) > grace && called != Whereabouts::Missing {
            return broken("missing_in_the_end", "τ has passed long ago");
        }
        Ok(())
    }
}
