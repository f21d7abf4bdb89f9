//! Sizes, rates and shares, each its own type so that no two are mixed up.

use crate::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A size in bytes. Reads `10GiB`, `500 MB`, `4096`; prints IEC units with one decimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Bytes(pub u64);

/// A rate in kilobits (10³) a second. Reads `5Mbit/s`, `800kbit/s`, `1MB/s`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Kbps(pub u32);

/// A share in parts per million. Reads `50%`, `0.5%`, `0.25`; 1,000,000 is the whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Ppm(pub u32);

const SIZE_UNITS: [(&str, u64); 11] = [
    ("", 1),
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("g", 1 << 30),
];

impl Bytes {
    /// `n` KiB.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }
    /// `n` MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
    /// `n` GiB.
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let step = ((63 - self.0.leading_zeros()) / 10) as usize;
        // Tenths, rounded down, in whole numbers: a full disk is never shown as having room.
        let tenths = u128::from(self.0) * 10 / (1u128 << (10 * step));
        write!(f, "{}.{} {}", tenths / 10, tenths % 10, names[step - 1])
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Bytes {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = |why| ParseError::new("size", text, why);
        let (milli, unit) = number_and_unit(text).ok_or_else(|| bad("it does not begin with a number"))?;
        let unit = unit.to_ascii_lowercase();
        let size = SIZE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, size)| *size);
        let size = size.ok_or_else(|| bad("the unit is not B, KiB, MiB, GiB, TiB, KB, MB, GB or TB"))?;
        let wide = u128::from(milli) * u128::from(size) / 1000;
        u64::try_from(wide).map(Self).map_err(|_| bad("it is too large"))
    }
}

impl Kbps {
    /// Rate at which `bytes` go over in `ms` milliseconds, saturating.
    pub fn from_transfer(bytes: u64, ms: u64) -> Self {
        Self(u32::try_from(u128::from(bytes) * 8 / u128::from(ms.max(1))).unwrap_or(u32::MAX))
    }
    /// Bytes a second.
    pub const fn bytes_per_sec(self) -> u64 {
        self.0 as u64 * 125
    }
}

impl fmt::Display for Kbps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            k if k < 1_000 => write!(f, "{k} kbit/s"),
            k if k < 1_000_000 => write!(f, "{}.{} Mbit/s", k / 1_000, k / 100 % 10),
            k => write!(f, "{}.{} Gbit/s", k / 1_000_000, k / 100_000 % 10),
        }
    }
}

impl fmt::Debug for Kbps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Kbps {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = |why| ParseError::new("rate", text, why);
        let (milli, unit) = number_and_unit(text).ok_or_else(|| bad("it does not begin with a number"))?;
        let per_milli_bits: u64 = match unit.to_ascii_lowercase().as_str() {
            "kbit/s" | "kbps" => 1_000,
            "mbit/s" | "mbps" => 1_000_000,
            "gbit/s" | "gbps" => 1_000_000_000,
            "kb/s" => 8_000,
            "mb/s" => 8_000_000,
            _ => return Err(bad("the unit is not kbit/s, Mbit/s, Gbit/s, KB/s or MB/s")),
        };
        let kbit = u128::from(milli) * u128::from(per_milli_bits) / 1_000_000;
        u32::try_from(kbit).map(Self).map_err(|_| bad("it is too large"))
    }
}

impl Ppm {
    /// The whole.
    pub const ONE: Self = Self(1_000_000);

    /// `n` percent.
    pub const fn percent(n: u32) -> Self {
        Self(n * 10_000)
    }
    /// `value × self`, rounded down.
    pub fn of(self, value: u64) -> u64 {
        u64::try_from(u128::from(value) * u128::from(self.0) / 1_000_000).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0 / 1_000;
        if tenths.is_multiple_of(10) {
            write!(f, "{}%", tenths / 10)
        } else {
            write!(f, "{}.{}%", tenths / 10, tenths % 10)
        }
    }
}

impl fmt::Debug for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Ppm {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = |why| ParseError::new("share", text, why);
        let (milli, unit) = number_and_unit(text).ok_or_else(|| bad("it does not begin with a number"))?;
        let ppm = match unit {
            "%" => u128::from(milli) * 10,
            "" => u128::from(milli) * 1_000,
            _ => return Err(bad("it is written as 50% or 0.5")),
        };
        u32::try_from(ppm).ok().filter(|p| *p <= 1_000_000).map(Self).ok_or_else(|| bad("it is more than the whole"))
    }
}

/// Splits `12.5 MiB` into thousandths (12,500) and `MiB`. More than three decimals are cut.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let cut = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(cut);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.replace('_', "").parse().ok()?;
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let milli: u64 = digits.parse().ok()?;
    Some((whole.checked_mul(1000)?.checked_add(milli)?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_print() {
        assert_eq!("10GiB".parse::<Bytes>(), Ok(Bytes::gib(10)));
        assert_eq!("50G".parse::<Bytes>(), Ok(Bytes::gib(50)));
        assert_eq!("1.5 KiB".parse::<Bytes>(), Ok(Bytes(1536)));
        assert_eq!("4096".parse::<Bytes>(), Ok(Bytes(4096)));
        assert_eq!(Bytes(1536).to_string(), "1.5 KiB");
        assert_eq!(Bytes(u64::MAX).to_string(), "15.9 EiB");
        assert!("ten".parse::<Bytes>().is_err());
        assert!("10 GiBs".parse::<Bytes>().is_err());
        assert!("99999999TiB".parse::<Bytes>().unwrap_err().why.contains("too large"));
    }

    #[test]
    fn rates_and_shares_read_and_print() {
        assert_eq!("5Mbit/s".parse::<Kbps>(), Ok(Kbps(5_000)));
        assert_eq!("1MB/s".parse::<Kbps>(), Ok(Kbps(8_000)));
        assert_eq!(Kbps(5_000).to_string(), "5.0 Mbit/s");
        assert_eq!(Kbps::from_transfer(1_000_000, 1_000), Kbps(8_000));
        assert_eq!("50%".parse::<Ppm>(), Ok(Ppm(500_000)));
        assert_eq!("0.5%".parse::<Ppm>(), Ok(Ppm(5_000)));
        assert!("101%".parse::<Ppm>().is_err());
        assert_eq!(Ppm::percent(50).of(9), 4);
    }
}
