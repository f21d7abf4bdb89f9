//! Days as this center counts them: of 24 hours from 00:00 UTC, as many times shorter as its `time_scale` says.

use model::{Span, Stamp, TimeScale};

/// Days of a center.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    length: Span,
    scale: TimeScale,
}

impl Days {
    /// Days so many times shorter.
    pub fn new(scale: TimeScale) -> Self {
        Self { length: Span::ms(scale.of(Span::days(1)).as_ms().max(1)), scale }
    }

    /// The day a moment lies in.
    pub fn of(self, at: Stamp) -> u32 {
        u32::try_from(at.as_ms() / self.length.as_ms()).unwrap_or(u32::MAX)
    }

    /// When a day begins.
    pub fn begin(self, day: u32) -> Stamp {
        Stamp(u64::from(day).saturating_mul(self.length.as_ms()))
    }

    /// The last day that was over for so long.
    pub fn over(self, now: Stamp, for_so_long: Span) -> u32 {
        let before = Stamp(now.as_ms().saturating_sub(self.scale.of(for_so_long).as_ms()));
        self.of(before).saturating_sub(1)
    }

    /// A moment as it would lie before another one if days were of 24 hours: what rules count spans by.
    pub fn counted(self, at: Stamp, now: Stamp) -> Stamp {
        let ago = now.since(at).as_ms().saturating_mul(u64::from(self.scale.0.max(1)));
        if at > now { at } else { Stamp(now.as_ms().saturating_sub(ago)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_and_are_over_a_while_after() {
        let days = Days::new(TimeScale(1));
        let (noon, day) = (Stamp(0) + Span::days(9) + Span::hours(12), Span::days(1));
        assert_eq!((days.of(noon), days.begin(9) + Span::hours(12)), (9, noon));
        let at = |mins| days.over(days.begin(10) + Span::mins(mins), Span::mins(30));
        assert_eq!((at(0), at(29), at(30), at(1_469)), (8, 8, 9, 9));
        assert_eq!(days.counted(noon, noon + day), noon);
        let short = Days::new(TimeScale(86_400));
        assert_eq!((short.of(Stamp(5_999)), short.begin(5)), (5, Stamp(5_000)));
        assert_eq!(short.over(Stamp(6_019), Span::mins(30)), 4);
        assert_eq!(short.over(Stamp(6_020), Span::mins(30)), 5, "half an hour is twenty of its milliseconds");
        let now = Stamp(0) + Span::days(400);
        assert_eq!(short.counted(now - Span::secs(30), now), Stamp(0) + Span::days(370), "thirty days ago");
        assert_eq!(short.counted(now + Span::secs(1), now), now + Span::secs(1));
    }
}
