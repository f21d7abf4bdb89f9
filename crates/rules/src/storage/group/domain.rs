//! What can fail together, and where pieces may stand.
//!
//! (A) A node whose region is unknown satisfies no region rule. (B) A rule without words admits everybody.

use crate::storage::scheme::PoolKind;
use model::{MemberId, Os, Region, Scheme};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// The part of an address that one house or one small network shares: /24 of IPv4, /48 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetPrefix {
    /// A /24.
    V4([u8; 3]),
    /// A /48.
    V6([u8; 6]),
}

impl NetPrefix {
    /// Of an address as the center sees it; an IPv4 address in IPv6 clothes counts as IPv4.
    pub fn of(addr: IpAddr) -> Self {
        match addr.to_canonical() {
            IpAddr::V4(v4) => Self::V4([v4.octets()[0], v4.octets()[1], v4.octets()[2]]),
            IpAddr::V6(v6) => Self::V6(v6.octets()[..6].try_into().expect("16 bytes have 6")),
        }
    }
}

impl fmt::Display for NetPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4([a, b, c]) => write!(f, "{a}.{b}.{c}.0/24"),
            Self::V6(b) => {
                let group = |i: usize| u16::from_be_bytes([b[i], b[i + 1]]);
                write!(f, "{:x}:{:x}:{:x}::/48", group(0), group(2), group(4))
            }
        }
    }
}

/// Kinds of [`Domain`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DomainKind {
    /// One owner, clusters counted as one.
    Owner,
    /// One local network.
    Lan,
    /// One /24 or /48.
    Prefix,
    /// One network operator.
    Network,
    /// One family of operating systems.
    Os,
    /// One version of the client.
    Version,
    /// One country.
    Country,
}

/// What can fail together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// Machines of one owner.
    Owner(MemberId),
    /// Machines of one local network, by a number the center gives.
    Lan(u64),
    /// Machines of one address prefix.
    Prefix(NetPrefix),
    /// Machines of one network operator, by AS number.
    Network(u32),
    /// Machines with one family of operating systems.
    Os(Os),
    /// Machines with one version of the client.
    Version(u32),
    /// Machines of one country, ISO 3166-1 in lower case.
    Country([u8; 2]),
}

impl Domain {
    /// Its kind.
    pub const fn kind(&self) -> DomainKind {
        match self {
            Self::Owner(_) => DomainKind::Owner,
            Self::Lan(_) => DomainKind::Lan,
            Self::Prefix(_) => DomainKind::Prefix,
            Self::Network(_) => DomainKind::Network,
            Self::Os(_) => DomainKind::Os,
            Self::Version(_) => DomainKind::Version,
            Self::Country(_) => DomainKind::Country,
        }
    }

    /// At most one slot of a group in public pools.
    pub const fn is_hard(&self) -> bool {
        matches!(self.kind(), DomainKind::Owner | DomainKind::Lan | DomainKind::Prefix)
    }

    /// Most of `slots` slots this domain should hold: so many that k + δ stand outside of it, of a network operator no
    /// more than a quarter. For domains with a hard cap the same measure, which tells where a small pool has no caps.
    pub fn allowed(&self, slots: u16, scheme: &Scheme, kind: PoolKind) -> u16 {
        let outside = slots.saturating_sub(scheme.k + kind.delta());
        if self.kind() == DomainKind::Network { outside.min(slots / 4) } else { outside }
    }
}

impl fmt::Display for Domain {
    /// For logs and reports of why: `owner m7k…`, `network AS4134`, `country kr`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => write!(f, "owner {}", owner.short()),
            Self::Lan(lan) => write!(f, "local network {lan:016x}"),
            Self::Prefix(prefix) => write!(f, "prefix {prefix}"),
            Self::Network(number) => write!(f, "network AS{number}"),
            Self::Os(os) => write!(f, "system {os}"),
            Self::Version(version) => write!(f, "version {version}"),
            Self::Country(code) => write!(f, "country {}", String::from_utf8_lossy(code)),
        }
    }
}

/// Every domain a node stands in. Unknown ones are `None` and cap nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// Whose it is; the owner cluster's first member where several accounts count as one.
    pub owner: MemberId,
    /// Its local network.
    pub lan: Option<u64>,
    /// Its prefix, from the address the center sees.
    pub prefix: Option<NetPrefix>,
    /// Its network operator.
    pub network: Option<u32>,
    /// Its operating system.
    pub os: Os,
    /// Its client's version.
    pub version: u32,
    /// Its country, where evidence holds ([`Site::country_of`]).
    pub country: Option<[u8; 2]>,
}

impl Site {
    /// The country of a region as a domain names it.
    pub fn country_of(region: Option<&Region>) -> Option<[u8; 2]> {
        region?.country()?.as_bytes().try_into().ok()
    }

    /// The domains it stands in, in the order of [`DomainKind`].
    pub fn domains(&self) -> impl Iterator<Item = Domain> + use<> {
        let known = [
            Some(Domain::Owner(self.owner)),
            self.lan.map(Domain::Lan),
            self.prefix.map(Domain::Prefix),
            self.network.map(Domain::Network),
            Some(Domain::Os(self.os)),
            Some(Domain::Version(self.version)),
            self.country.map(Domain::Country),
        ];
        known.into_iter().flatten()
    }

    /// Whether it stands in this domain.
    pub fn is_in(&self, domain: &Domain) -> bool {
        match domain {
            Domain::Owner(owner) => self.owner == *owner,
            Domain::Lan(lan) => self.lan == Some(*lan),
            Domain::Prefix(prefix) => self.prefix == Some(*prefix),
            Domain::Network(number) => self.network == Some(*number),
            Domain::Os(os) => self.os == *os,
            Domain::Version(version) => self.version == *version,
            Domain::Country(country) => self.country == Some(*country),
        }
    }
}

/// Where the pieces of a bucket may stand. Hard: what it cannot have is refused, never placed elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegionRule {
    /// Only in these; empty: anywhere.
    pub only: BTreeSet<Region>,
    /// In at least so many different countries; 0 and 1 ask for nothing.
    pub regions_min: u16,
}

impl RegionRule {
    /// Most regions one rule lists.
    pub const ONLY_MAX: usize = 32;

    /// Whether a node may hold pieces. `region` is the one evidence holds for promises, `None` where there is none.
    pub fn admits(&self, region: Option<&Region>) -> bool {
        self.only.is_empty() || region.is_some_and(|r| self.only.iter().any(|chooser| r.lies_in(chooser)))
    }

    /// Whether anything is asked.
    pub fn is_empty(&self) -> bool {
        self.only.is_empty() && self.regions_min <= 1
    }
}

impl fmt::Display for RegionRule {
    /// `asia/kr, asia/jp`; `anywhere` where no region is listed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.only.is_empty() {
            return f.write_str("anywhere");
        }
        let listed: Vec<&str> = self.only.iter().map(Region::as_str).collect();
        f.write_str(&listed.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_cut_addresses() {
        let of = |text: &str| NetPrefix::of(text.parse().unwrap()).to_string();
        assert_eq!(of("203.0.113.77"), "203.0.113.0/24");
        assert_eq!(of("::ffff:203.0.113.9"), "203.0.113.0/24");
        assert_eq!(of("2001:db8:7:1::5"), "2001:db8:7::/48");
    }

    #[test]
    fn a_region_rule_admits_what_lies_in_it() {
        let region = |text: &str| text.parse::<Region>().unwrap();
        let rule = RegionRule { only: BTreeSet::from([region("asia/kr"), region("europe")]), regions_min: 0 };
        assert!(rule.admits(Some(&region("asia/kr/seoul"))) && rule.admits(Some(&region("europe/de"))));
        assert!(!rule.admits(Some(&region("asia/jp"))) && !rule.admits(Some(&region("asia"))));
        assert!(!rule.admits(None), "(A)");
        assert!(RegionRule::default().admits(None) && RegionRule::default().is_empty(), "(B)");
        assert_eq!(rule.to_string(), "asia/kr, europe");
    }
}
