//! Words of the fleet: what a machine is, how it is reached, what it does and what it may carry.

use crate::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$vdoc:meta])* $variant:ident = $code:literal => $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant = $code),+ }

        impl $name {
            /// Every value, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word people and JSON see.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
            /// The stored number.
            pub const fn code(self) -> u8 {
                self as u8
            }
            /// Reads the stored number.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl FromStr for $name {
            type Err = ParseError;
            fn from_str(text: &str) -> Result<Self, ParseError> {
                Self::ALL.iter().copied().find(|v| v.word() == text).ok_or_else(|| ParseError::new($what, text, concat!("it is one of: ", $($word, " "),+)))
            }
        }
    };
}

pub(crate) use words;

words!(
    /// Operating system family: a failure domain.
    Os, "operating system", {
        /// Another one.
        Other = 0 => "other",
        /// Linux.
        Linux = 1 => "linux",
        /// Windows.
        Windows = 2 => "windows",
        /// macOS.
        Macos = 3 => "macos",
    }
);
words!(
    /// Processor family.
    Arch, "architecture", {
        /// Another one.
        Other = 0 => "other",
        /// 64-bit x86.
        X86_64 = 1 => "x86_64",
        /// 64-bit ARM.
        Aarch64 = 2 => "aarch64",
    }
);
words!(
    /// What kind of address translation a node stands behind (`docs/design/fleet.md` §4).
    NatKind, "NAT kind", {
        /// Not measured yet.
        Unknown = 0 => "unknown",
        /// It can be dialed.
        Open = 1 => "open",
        /// The same mapping towards everybody: hole punching works.
        Easy = 2 => "easy",
        /// Another mapping towards each peer.
        Hard = 3 => "hard",
        /// No UDP: everything goes over the relay.
        RelayOnly = 4 => "relay_only",
    }
);
words!(
    /// How two machines reach each other now.
    LinkKind, "link", {
        /// Datagrams between their own addresses.
        Direct = 0 => "direct",
        /// Through the relay.
        Relay = 1 => "relay",
    }
);
words!(
    /// Rank of a node (`docs/design/fleet.md` §6).
    Tier, "tier", {
        /// Joined.
        T0 = 0 => "T0",
        /// Fill test passed.
        T1 = 1 => "T1",
        /// Vetted: everything it is capable of.
        T2 = 2 => "T2",
        /// Steward.
        T3 = 3 => "T3",
    }
);
words!(
    /// What a node does with foreign work at this moment; decided on the node, by its owner's rules.
    NodeState, "node state", {
        /// Full share.
        Run = 0 => "run",
        /// In use, or under pressure: fewer workers, in-use ceilings.
        Limit = 1 => "limit",
        /// Compute is parked, storage serves within the in-use ceiling.
        Pause = 2 => "pause",
        /// Compute is dropped and its memory returned.
        Evict = 3 => "evict",
        /// Nothing is lent.
        Off = 4 => "off",
    }
);
words!(
    /// Why a node lends less than its full share.
    PauseReason, "reason", {
        /// It lends its full share.
        None = 0 => "none",
        /// The owner uses the machine.
        Input = 1 => "input",
        /// A program on the owner's list runs.
        App = 2 => "app",
        /// Something fills the screen.
        FullScreen = 3 => "full_screen",
        /// Runs on battery.
        Battery = 4 => "battery",
        /// The network is metered.
        Metered = 5 => "metered",
        /// Other programs need the processor, the disk or memory.
        Pressure = 6 => "pressure",
        /// Too hot.
        Thermal = 7 => "thermal",
        /// The owner said pause.
        Owner = 8 => "owner",
        /// Outside the hours of the owner's rule.
        Schedule = 9 => "schedule",
        /// No idle signal: treated as in use.
        NoSignal = 10 => "no_signal",
        /// The owner said down.
        Down = 11 => "down",
        /// Finishing what runs, taking nothing new.
        Finishing = 12 => "finishing",
        /// A disk is missing or its clock is wrong; the node paused itself.
        Fault = 13 => "fault",
    }
);
words!(
    /// What the center thinks of a node's whereabouts (`docs/design/fleet.md` §3).
    Presence, "presence", {
        /// Checked in less than 2.5 periods ago.
        On = 0 => "on",
        /// Its connection was lost and it has not come back within 15 s.
        Suspect = 1 => "suspect",
        /// Longer than 2.5 periods ago.
        Away = 2 => "away",
        /// Away for longer than its own τ.
        Missing = 3 => "missing",
        /// Declared absence.
        Holiday = 4 => "holiday",
        /// Left by its owner.
        Left = 5 => "left",
        /// Not seen since this center process started, and the first period is not over.
        Unknown = 6 => "unknown",
    }
);
words!(
    /// Where a node's region comes from, strongest last; only [`Self::Measured`] and [`Self::Declared`] count for rules.
    RegionEvidence, "region evidence", {
        /// Nothing is known, or what was said is refuted.
        Unknown = 0 => "unknown",
        /// From the operator's GeoIP file.
        GeoIp = 1 => "geoip",
        /// Said by the owner.
        Declared = 2 => "declared",
        /// Held up by round-trip times to known places.
        Measured = 3 => "measured",
    }
);
words!(
    /// A duty a node may carry (`docs/design/fleet.md` §4).
    Capability, "capability", {
        /// Holds pieces.
        Store = 0 => "store",
        /// Expands, repairs, audits, probes.
        Steward = 1 => "steward",
        /// Relays.
        Relay = 2 => "relay",
        /// Short tasks.
        Batch = 3 => "batch",
        /// Tasks over 30 minutes.
        Long = 4 => "long",
        /// Shuffle blocks.
        Shuffle = 5 => "shuffle",
        /// Answers requests.
        Service = 6 => "service",
        /// Load generation.
        Load = 7 => "load",
    }
);

/// What a ticket or member may do, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Roles(pub u8);

impl Roles {
    /// May lend a machine.
    pub const LEND: Self = Self(1);
    /// May use the cloud.
    pub const USE: Self = Self(2);
    /// May run the cloud.
    pub const OPERATOR: Self = Self(4);
    /// May lend and use.
    pub const BOTH: Self = Self(3);

    /// True when every bit of `other` is in `self`.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// Both together.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [(Self::LEND, "lend"), (Self::USE, "use"), (Self::OPERATOR, "operator")];
        let held: Vec<&str> = names.iter().filter(|(bit, _)| self.has(*bit)).map(|(_, n)| *n).collect();
        f.pad(&if held.is_empty() { "none".to_owned() } else { held.join("+") })
    }
}

impl FromStr for Roles {
    type Err = ParseError;
    /// `lend`, `use`, `both` or `operator` (who also lends and uses).
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "lend" => Ok(Self::LEND),
            "use" => Ok(Self::USE),
            "both" => Ok(Self::BOTH),
            "operator" => Ok(Self::OPERATOR.with(Self::BOTH)),
            _ => Err(ParseError::new("role", text, "it is lend, use, both or operator")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_read_back() {
        for state in NodeState::ALL {
            assert_eq!(state.word().parse::<NodeState>(), Ok(*state));
            assert_eq!(NodeState::from_code(state.code()), Some(*state));
        }
        assert_eq!(NodeState::from_code(200), None);
        assert!("sleeping".parse::<NodeState>().is_err());
    }

    #[test]
    fn roles_combine() {
        assert_eq!(Roles::LEND.with(Roles::USE), Roles::BOTH);
        assert!(!Roles::LEND.has(Roles::BOTH));
        assert_eq!("operator".parse::<Roles>().unwrap().to_string(), "lend+use+operator");
    }
}
