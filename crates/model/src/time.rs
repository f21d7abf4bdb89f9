//! Time as a value: a point ([`Stamp`]), a length ([`Span`]) and the hour of the week. Nobody here reads a clock.

use crate::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Stamp(pub u64);

/// A length of time in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Span(pub u64);

/// By how much a center for tests shortens intervals of days; 1 everywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimeScale(pub u32);

/// Hour of the week in UTC, 0 = Monday 00:00, below [`HourOfWeek::COUNT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HourOfWeek(u8);

const MS: u64 = 1;
const S: u64 = 1_000 * MS;
const MIN: u64 = 60 * S;
const H: u64 = 60 * MIN;
const D: u64 = 24 * H;

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// `n` milliseconds.
    pub const fn ms(n: u64) -> Self {
        Self(n)
    }
    /// `n` seconds.
    pub const fn secs(n: u64) -> Self {
        Self(n.saturating_mul(S))
    }
    /// `n` minutes.
    pub const fn mins(n: u64) -> Self {
        Self(n.saturating_mul(MIN))
    }
    /// `n` hours.
    pub const fn hours(n: u64) -> Self {
        Self(n.saturating_mul(H))
    }
    /// `n` days of 24 hours.
    pub const fn days(n: u64) -> Self {
        Self(n.saturating_mul(D))
    }
    /// Whole milliseconds.
    pub const fn as_ms(self) -> u64 {
        self.0
    }
    /// Whole seconds, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / S
    }
    /// As the standard library's duration.
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
    /// `self × num / den`, saturating; `den` 0 counts as 1.
    pub fn scaled(self, num: u64, den: u64) -> Self {
        let wide = u128::from(self.0) * u128::from(num) / u128::from(den.max(1));
        Self(u64::try_from(wide).unwrap_or(u64::MAX))
    }
}

impl TimeScale {
    /// More than this is no setting: a day would be shorter than a second.
    pub const MAX: Self = Self(86_400);

    /// An interval as it counts under this scale; 0 counts as 1.
    pub fn of(self, span: Span) -> Span {
        span.scaled(1, u64::from(self.0.max(1)))
    }
}

impl Default for TimeScale {
    fn default() -> Self {
        Self(1)
    }
}

impl Stamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// Milliseconds since the epoch.
    pub const fn as_ms(self) -> u64 {
        self.0
    }
    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
    /// Distance between two points, whichever is first.
    pub const fn distance(self, other: Self) -> Span {
        Span(self.0.abs_diff(other.0))
    }
    /// The hour of the week this point lies in.
    pub const fn hour_of_week(self) -> HourOfWeek {
        // 1970-01-01 was a Thursday: 3 days into a week that begins on Monday.
        HourOfWeek((((self.0 / H) + 3 * 24) % 168) as u8)
    }
    /// Whole hours since the epoch; the key of hourly summaries.
    pub const fn hour(self) -> u64 {
        self.0 / H
    }
    /// Milliseconds into the current hour.
    pub const fn into_hour(self) -> Span {
        Span(self.0 % H)
    }
}

impl HourOfWeek {
    /// Hours in a week.
    pub const COUNT: usize = 168;

    /// The hour `index`, wrapped into the week.
    pub const fn wrapped(index: u64) -> Self {
        Self((index % Self::COUNT as u64) as u8)
    }
    /// 0 … 167.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
    /// 0 = Monday … 6 = Sunday.
    pub const fn day(self) -> usize {
        self.index() / 24
    }
    /// Hour of the day, 0 … 23.
    pub const fn hour_of_day(self) -> usize {
        self.index() % 24
    }
}

impl Add<Span> for Stamp {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Stamp {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Stamp {
    /// RFC 3339 in UTC with seconds: `2026-11-25T02:07:55Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (y, m, d) = civil_from_days((self.0 / D) as i64);
        let s = self.0 % D / S;
        write!(f, "{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}Z", s / 3600, s / 60 % 60, s % 60)
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}+{:03}", self.0 % S)
    }
}

impl fmt::Display for Span {
    /// The two largest units: `2 d 3 h`, `4 min 5 s`, `800 ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(D, "d"), (H, "h"), (MIN, "min"), (S, "s"), (MS, "ms")];
        let Some(first) = units.iter().position(|(size, _)| self.0 >= *size) else { return write!(f, "0 s") };
        let (size, name) = units[first];
        write!(f, "{} {name}", self.0 / size)?;
        if let Some((small, small_name)) = units.get(first + 1).filter(|(small, _)| *small >= S) {
            let rest = self.0 % size / small;
            if rest > 0 {
                write!(f, " {rest} {small_name}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Span {
    type Err = ParseError;
    /// A number and one unit: `500ms`, `30s`, `10min` or `10m`, `24h`, `14d`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = |why| ParseError::new("duration", text, why);
        let trimmed = text.trim();
        let cut =
            trimmed.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| bad("a unit is missing (ms, s, min, h, d)"))?;
        let number: u64 = trimmed[..cut].parse().map_err(|_| bad("it does not begin with a number"))?;
        let unit = match trimmed[cut..].trim() {
            "ms" => MS,
            "s" | "sec" => S,
            "m" | "min" => MIN,
            "h" => H,
            "d" => D,
            _ => return Err(bad("the unit is not ms, s, min, h or d")),
        };
        number.checked_mul(unit).map(Self).ok_or_else(|| bad("it is too long"))
    }
}

/// Year, month and day of a day number since the epoch (Howard Hinnant, `civil_from_days`).
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = (if mp < 10 { mp + 3 } else { mp - 9 }) as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_print_as_rfc_3339() {
        assert_eq!(Stamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Stamp(1_764_036_475_000).to_string(), "2025-11-25T02:07:55Z");
        assert_eq!(Stamp(951_782_400_000).to_string(), "2000-02-29T00:00:00Z");
    }

    #[test]
    fn the_week_begins_on_monday() {
        assert_eq!(Stamp(0).hour_of_week().day(), 3);
        assert_eq!((Stamp::EPOCH + Span::days(4)).hour_of_week().index(), 0);
        assert_eq!((Stamp::EPOCH + Span::days(4) + Span::hours(167)).hour_of_week().index(), 167);
    }

    #[test]
    fn spans_read_and_print() {
        assert_eq!("24h".parse::<Span>(), Ok(Span::hours(24)));
        assert_eq!("10 min".parse::<Span>(), Ok(Span::mins(10)));
        assert!("24".parse::<Span>().is_err());
        assert!("99999999999999999999d".parse::<Span>().is_err());
        assert!("9999999999999999d".parse::<Span>().unwrap_err().why.contains("too long"));
        assert_eq!((Span::days(2) + Span::hours(3)).to_string(), "2 d 3 h");
        assert_eq!(Span::ms(800).to_string(), "800 ms");
        assert_eq!(Span::ms(4_800).to_string(), "4 s");
    }
}
