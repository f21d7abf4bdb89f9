//! Regions: `continent/country/area`, up to three lower-case parts; a chooser matches whole leading parts.

use crate::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A place for choosing, e.g. `asia/kr/seoul`. The country is an ISO 3166-1 alpha-2 code in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(String);

/// Continents a region may begin with.
pub const CONTINENTS: [&str; 7] =
    ["africa", "antarctica", "asia", "europe", "north-america", "oceania", "south-america"];

/// Longest region in bytes.
pub const MAX_LEN: usize = 64;

impl Region {
    /// The parts, one to three.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
    /// The country part, if the region names one.
    pub fn country(&self) -> Option<&str> {
        self.parts().nth(1)
    }
    /// True when `self` lies in `chooser`: `asia/kr/seoul` lies in `asia/kr` and in `asia`, not in `asia/k`.
    pub fn lies_in(&self, chooser: &Self) -> bool {
        self.0 == chooser.0 || self.0.strip_prefix(&chooser.0).is_some_and(|rest| rest.starts_with('/'))
    }
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Region {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = |why| ParseError::new("region", text, why);
        if text.len() > MAX_LEN {
            return Err(bad("it is longer than 64 bytes"));
        }
        let parts: Vec<&str> = text.split('/').collect();
        let clean = |part: &&str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if parts.len() > 3 || !parts.iter().all(clean) {
            return Err(bad("it is written as continent/country/area in lower case, e.g. asia/kr/seoul"));
        }
        if !CONTINENTS.contains(&parts[0]) {
            return Err(bad(
                "it begins with africa, antarctica, asia, europe, north-america, oceania or south-america",
            ));
        }
        if parts.get(1).is_some_and(|c| c.len() != 2 || !c.bytes().all(|b| b.is_ascii_lowercase())) {
            return Err(bad("the country is a two-letter code, e.g. kr"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Region {
    type Error = ParseError;
    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choosers_match_whole_parts() {
        let seoul: Region = "asia/kr/seoul".parse().unwrap();
        assert!(seoul.lies_in(&"asia/kr".parse().unwrap()));
        assert!(seoul.lies_in(&"asia".parse().unwrap()));
        assert!(!seoul.lies_in(&"asia/jp".parse().unwrap()));
        assert_eq!(seoul.country(), Some("kr"));
    }

    #[test]
    fn malformed_regions_are_refused() {
        for text in ["", "Asia/kr", "asia//seoul", "asia/kor", "mars", "asia/kr/a/b", "asia/kr/se oul"] {
            assert!(text.parse::<Region>().is_err(), "{text}");
        }
    }
}
