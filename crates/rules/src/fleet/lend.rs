//! What the owner of a machine lends: the local file in pure form, and the profiles as rules (`docs/design/fleet.md` §8).
//!
//! (A) An absent file is `whisper`. (B) Every profile is rules of the same language as the owner's own; the first that
//! matches counts. (C) No limit of the file is ever exceeded by a [`Ceiling`] made from it. (D) At least 5 % of the disk
//! and 1 GiB of memory stay free. (E) A file that does not hold is refused with the field; the shell keeps the last good.
//!
//! Reading TOML is the shell's; figures of profiles other than whisper are assumed.

pub mod when;

use model::{Bytes, Capability, Kbps, ParseError, Ppm, Span};
use std::fmt;
use std::str::FromStr;
use when::{When, WhenError};

/// Rules in one file.
pub const RULES_MAX: usize = 32;
/// Programs in `pause_for`.
pub const APPS_MAX: usize = 64;
/// Memory that stays free, in MiB.
pub const MEMORY_FREE_MIB: u32 = 1_024;
/// Share of the disk that stays free.
pub const DISK_FREE: Ppm = Ppm::percent(5);
/// Memory guests may hold while the owner is there.
pub const MEMORY_IN_USE: Ppm = Ppm::percent(25);
/// Rate that stands for an unmeasured one (assumed).
pub const UNMEASURED: Kbps = Kbps(5_000);
/// Transfer a month that storing costs, as a share of what is stored: audits and repair.
const TRANSFER_PER_STORED_PERCENT: u64 = 19;
const MEGABYTE_A_SECOND: Kbps = Kbps(8_000);

/// A named set of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Half of an idle machine, a fifth of the network.
    #[default]
    Whisper,
    /// All of an idle machine, one core beside its owner.
    Generous,
    /// At night.
    Night,
    /// Always, without yielding to input: machines without a screen.
    Always,
    /// The owner's rules only.
    Custom,
}

impl Profile {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Whisper, "whisper"),
        (Self::Generous, "generous"),
        (Self::Night, "night"),
        (Self::Always, "always"),
        (Self::Custom, "custom"),
    ];

    /// The word of the file.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(p, _)| *p == self).map_or("whisper", |(_, word)| word)
    }
    /// Input stops guests under it.
    pub fn yields_to_input(self) -> bool {
        self != Self::Always
    }
    /// How long without input until the machine is not in use.
    pub fn idle_after(self) -> Span {
        match self {
            Self::Generous => Span::mins(3),
            _ => Span::mins(5),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Profile {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let found = Self::ALL.iter().find(|(_, word)| *word == text).map(|(profile, _)| *profile);
        found.ok_or_else(|| ParseError::new("profile", text, "it is whisper, generous, night, always or custom"))
    }
}

/// Duties the owner says yes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accept {
    /// Pieces, and their upkeep.
    pub storage: bool,
    /// Tasks.
    pub batch: bool,
    /// Services.
    pub service: bool,
    /// Load generation, a separate yes.
    pub load: bool,
    /// Relaying, a separate yes.
    pub relay: bool,
}

impl Default for Accept {
    fn default() -> Self {
        Self { storage: true, batch: true, service: true, load: false, relay: false }
    }
}

impl Accept {
    /// Nothing accepted.
    pub const NONE: Self = Self { storage: false, batch: false, service: false, load: false, relay: false };

    /// Reads the list of the file.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, ParseError> {
        let mut accept = Self::NONE;
        for word in words {
            let field = match word {
                "storage" => &mut accept.storage,
                "batch" => &mut accept.batch,
                "service" => &mut accept.service,
                "load" => &mut accept.load,
                "relay" => &mut accept.relay,
                _ => return Err(ParseError::new("accept", word, "it is storage, batch, service, load or relay")),
            };
            *field = true;
        }
        Ok(accept)
    }

    /// Is the duty accepted?
    pub fn allows(self, capability: Capability) -> bool {
        match capability {
            Capability::Store | Capability::Steward => self.storage,
            Capability::Relay => self.relay,
            Capability::Batch | Capability::Long | Capability::Shuffle => self.batch,
            Capability::Service => self.service,
            Capability::Load => self.load,
        }
    }

    /// From the bits of [`Self::bits`].
    pub fn from_bits(bits: u32) -> Self {
        let has = |capability: Capability| bits & (1 << capability.code()) != 0;
        Self {
            storage: has(Capability::Store),
            batch: has(Capability::Batch),
            service: has(Capability::Service),
            load: has(Capability::Load),
            relay: has(Capability::Relay),
        }
    }

    /// As bits by number of capability, for the wire.
    pub fn bits(self) -> u32 {
        Capability::ALL.iter().filter(|c| self.allows(**c)).fold(0, |bits, c| bits | 1 << c.code())
    }
}

/// Cores as written: a share of the machine or thousandths of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cores {
    /// Of all.
    Share(Ppm),
    /// Thousandths of a core.
    Milli(u32),
}

/// What a rule gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Give {
    /// Processor.
    pub cores: Cores,
    /// Memory.
    pub memory: Ppm,
    /// Network, of what was measured.
    pub net: Ppm,
}

/// One rule: when, and what then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LendRule {
    /// Condition.
    pub when: When,
    /// Gift.
    pub give: Give,
}

impl LendRule {
    /// A rule from its parts.
    pub fn new(when: &str, give: Give) -> Result<Self, WhenError> {
        Ok(Self { when: When::parse(when)?, give })
    }
}

/// The owner's file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LendPolicy {
    /// Named limits.
    pub profile: Profile,
    /// Space; none leaves it to the profile.
    pub disk: Option<Bytes>,
    /// Ceiling of upload over whatever the profile gives.
    pub up: Option<Kbps>,
    /// Ceiling of download, likewise.
    pub down: Option<Kbps>,
    /// Both ways in a month.
    pub monthly_transfer: Option<Bytes>,
    /// Day of the month on which that starts anew, 1 … 28; 0 stands for 1.
    pub reset_day: u8,
    /// Duties.
    pub accept: Accept,
    /// Programs that pause everything while they run.
    pub pause_for: Vec<String>,
    /// The owner's rules, for profile `custom`.
    pub rules: Vec<LendRule>,
    /// Lend on battery; heeded under `always` and `custom` only.
    pub on_battery: bool,
    /// Lend on a metered network, likewise.
    pub on_metered: bool,
}

/// What the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Logical processors.
    pub cores: u16,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Size of the disk pieces are on.
    pub disk_size: Bytes,
    /// Free on it now.
    pub disk_free: Bytes,
    /// Held by us now; counts as free when the limit is made.
    pub held: Bytes,
    /// Upload measured.
    pub up: Option<Kbps>,
    /// Download measured.
    pub down: Option<Kbps>,
}

/// What a gift comes to on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ceiling {
    /// Thousandths of a core.
    pub cores_milli: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Upload.
    pub up: Kbps,
    /// Download.
    pub down: Kbps,
}

impl LendPolicy {
    /// (E): does the file hold?
    pub fn check(&self) -> Result<(), ParseError> {
        let bad = |what, value: String, why| Err(ParseError::new(what, &value, why));
        if self.rules.len() > RULES_MAX {
            return bad("lend.rule", self.rules.len().to_string(), "more than 32 rules");
        }
        if !self.rules.is_empty() && self.profile != Profile::Custom {
            return bad("profile", self.profile.to_string(), "own rules need profile custom");
        }
        if self.pause_for.len() > APPS_MAX {
            return bad("pause_for", self.pause_for.len().to_string(), "more than 64 programs");
        }
        if self.reset_day > 28 {
            return bad("reset_day", self.reset_day.to_string(), "it is a day from 1 to 28");
        }
        Ok(())
    }

    /// The rules in force: the owner's own, or the profile's. (B)
    pub fn compiled(&self) -> Vec<LendRule> {
        let give = |cores, memory, net| Give {
            cores: Cores::Share(Ppm::percent(cores)),
            memory: Ppm::percent(memory),
            net: Ppm::percent(net),
        };
        let rule = |text: &str, give| LendRule::new(text, give).expect("the profiles' rules parse, a test reads them");
        match self.profile {
            Profile::Whisper => vec![rule("idle > 5min", give(50, 50, 20))],
            Profile::Generous => {
                let beside = Give { cores: Cores::Milli(1_000), ..give(0, 25, 30) };
                vec![rule("idle > 3min", give(100, 75, 60)), rule("in_use", beside)]
            }
            Profile::Night => vec![rule("idle > 5min and hours('23:00-07:00')", give(80, 75, 60))],
            Profile::Always => vec![rule("in_use or not in_use", give(100, 75, 80))],
            Profile::Custom => self.rules.clone(),
        }
    }

    /// Ceiling of a gift while the machine is idle. (C), (D)
    pub fn ceiling(&self, give: &Give, machine: &Machine) -> Ceiling {
        let all_milli = u32::from(machine.cores) * 1_000;
        let cores_milli = match give.cores {
            Cores::Share(share) => share_of(share, all_milli),
            Cores::Milli(milli) => milli.min(all_milli),
        };
        let memory_mib =
            share_of(give.memory, machine.memory_mib).min(machine.memory_mib.saturating_sub(MEMORY_FREE_MIB));
        let (up, down) = self.net(give.net, None, machine);
        Ceiling { cores_milli, memory_mib, up, down }
    }

    /// Network ceiling while the owner is there.
    pub fn net_in_use(&self, machine: &Machine) -> (Kbps, Kbps) {
        let (share, absolute) = match self.profile {
            Profile::Whisper | Profile::Custom => (Ppm::percent(20), Some(MEGABYTE_A_SECOND)),
            Profile::Generous => (Ppm::percent(30), None),
            Profile::Night => (Ppm::ONE, Some(MEGABYTE_A_SECOND)),
            Profile::Always => (Ppm::percent(80), None),
        };
        self.net(share, absolute, machine)
    }

    fn net(&self, share: Ppm, absolute: Option<Kbps>, machine: &Machine) -> (Kbps, Kbps) {
        let one = |measured: Option<Kbps>, limit: Option<Kbps>| {
            let base = measured.or(limit).unwrap_or(UNMEASURED);
            let most = limit.into_iter().chain(absolute).fold(Kbps(u32::MAX), Kbps::min);
            Kbps(share_of(share, base.0)).min(most)
        };
        (one(machine.up, self.up), one(machine.down, self.down))
    }

    /// Space lent. (C), (D), and no more than the month's transfer can look after.
    pub fn disk_ceiling(&self, machine: &Machine) -> Bytes {
        let free = machine.disk_free.0.saturating_add(machine.held.0);
        let by_profile = match self.profile {
            Profile::Generous => Ppm::percent(25).of(free),
            Profile::Night => Ppm::percent(10).of(free),
            Profile::Whisper | Profile::Always | Profile::Custom => Ppm::percent(10).of(free).min(20_000_000_000),
        };
        let stays = DISK_FREE.of(machine.disk_size.0);
        let cared_for =
            self.monthly_transfer.map_or(u64::MAX, |m| m.0.saturating_mul(100) / TRANSFER_PER_STORED_PERCENT);
        let wished = self.disk.map_or(by_profile, |disk| disk.0);
        Bytes(wished.min(free.saturating_sub(stays)).min(cared_for))
    }

    /// What joining or `lend show` tells the owner.
    pub fn offer(&self, machine: &Machine) -> Offer {
        let rules = self.compiled();
        let best = rules.iter().map(|rule| self.ceiling(&rule.give, machine)).max_by_key(|c| (c.cores_milli, c.up));
        Offer {
            profile: self.profile,
            when: rules.iter().map(|rule| rule.when.to_string()).collect(),
            idle: best.unwrap_or_default(),
            cores: machine.cores,
            disk: self.disk_ceiling(machine),
            disk_free: machine.disk_free,
            net_in_use: self.net_in_use(machine),
            on_battery: self.lends_on_battery(),
            on_metered: self.lends_on_metered(),
            yields_to_input: self.profile.yields_to_input(),
        }
    }

    /// Battery is no reason to stop.
    pub fn lends_on_battery(&self) -> bool {
        self.on_battery && matches!(self.profile, Profile::Always | Profile::Custom)
    }

    /// A metered network is no reason to stop.
    pub fn lends_on_metered(&self) -> bool {
        self.on_metered && matches!(self.profile, Profile::Always | Profile::Custom)
    }
}

fn share_of(share: Ppm, whole: u32) -> u32 {
    u32::try_from(share.of(u64::from(whole))).unwrap_or(u32::MAX)
}

/// Figures of the offer's sentence; the words are the registry's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Named limits.
    pub profile: Profile,
    /// Conditions, first match first.
    pub when: Vec<String>,
    /// Most that is lent.
    pub idle: Ceiling,
    /// Logical processors of the machine.
    pub cores: u16,
    /// Space lent.
    pub disk: Bytes,
    /// Free space it is taken from.
    pub disk_free: Bytes,
    /// Network while the owner is there, up and down.
    pub net_in_use: (Kbps, Kbps),
    /// Also on battery.
    pub on_battery: bool,
    /// Also on a metered network.
    pub on_metered: bool,
    /// Input stops it.
    pub yields_to_input: bool,
}

impl fmt::Display for Offer {
    /// One English line, for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milli = self.idle.cores_milli;
        write!(f, "{}: {}.{} of {} cores", self.profile, milli / 1_000, milli % 1_000 / 100, self.cores)?;
        write!(f, ", {} of {} free, at most {} up", self.disk, self.disk_free, self.idle.up)?;
        f.write_str(if self.on_battery { "" } else { ", never on battery" })
    }
}

#[cfg(test)]
mod tests;
