//! What an operator may set. Every value has a default; a center starts with no file at all.

use crate::CenterError;
use crate::db::DbUrl;
use model::{Region, Span, TimeScale, Ucredit};
use rules::fleet::fill_test::LEAST;
use rules::fleet::region::RegionTable;
use rules::fleet::tier::{Trust, VETTING, VETTING_AUDITS};
use rules::ledger::sweep::Policy;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// `center.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Addresses.
    pub net: NetSettings,
    /// HTTP.
    pub http: HttpSettings,
    /// Database.
    pub db: DbSettings,
    /// Check-in.
    pub fleet: FleetSettings,
    /// Storage.
    pub storage: StorageSettings,
    /// Who is in.
    pub cloud: CloudSettings,
    /// Credits.
    pub ledger: LedgerSettings,
    /// What strangers' nodes show before they count.
    pub vetting: VettingSettings,
    /// Nodes whose place the operator knows: the fixed points against which round trips are held.
    pub beacon: Vec<Beacon>,
    /// A center for tests: many simulated nodes may share one connection.
    pub dev: bool,
    /// Divides intervals of days, here and at the nodes that joined this center; which ones: `docs/design/testing.md`. 1 but in
    /// a center for tests.
    pub time_scale: TimeScale,
}

/// What kind of cloud it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CloudSettings {
    /// Whose machines join.
    pub kind: CloudKind,
}

/// How credits are accounted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerSettings {
    /// Hours of a settle period, 1 to 24: what is due is charged and paid once in each.
    pub settle_period_h: u64,
    /// What running the cloud costs a day, in credits: 30 days of it stay with the operator, all above goes back to the members.
    pub operator_costs_a_day: u64,
    /// Owners with a node on share the commons alike; yes where nothing is said.
    pub stipend: Option<bool>,
    /// Free verified space is paid for out of the commons; yes where nothing is said.
    pub standby: Option<bool>,
    /// Of credits that lie idle 2 % a month go to the commons; where nothing is said, in a public cloud.
    pub demurrage: Option<bool>,
    /// Credits of who was not heard of for a year go to the commons; where nothing is said, in a public cloud.
    pub dormant: Option<bool>,
    /// A part of what holders earn by storage is held back until there is enough against silent loss; where nothing is said, in a
    /// public cloud.
    pub buffer: Option<bool>,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        let (stipend, standby, demurrage, dormant, buffer) = (None, None, None, None, None);
        Self { settle_period_h: 6, operator_costs_a_day: 0, stipend, standby, demurrage, dormant, buffer }
    }
}

impl LedgerSettings {
    /// What of the commons there is: as the kind of cloud has it, and as the operator says.
    pub fn policy(&self, trust: Trust) -> Policy {
        let costs = Ucredit::whole(self.operator_costs_a_day.min(COSTS_MAX));
        let as_usual = match trust {
            Trust::Public => Policy::public(costs),
            Trust::Circle => Policy::closed(costs),
        };
        Policy {
            has_stipend: self.stipend.unwrap_or(as_usual.has_stipend),
            has_standby: self.standby.unwrap_or(as_usual.has_standby),
            has_demurrage: self.demurrage.unwrap_or(as_usual.has_demurrage),
            has_dormant: self.dormant.unwrap_or(as_usual.has_dormant),
            ..as_usual
        }
    }
}

/// Most credits a day that running a cloud costs.
const COSTS_MAX: u64 = 1_000_000_000;

/// Whose machines join a cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloudKind {
    /// Those of people who invited each other: membership is the vetting.
    #[default]
    Private,
    /// Strangers': a node is vetted before it counts.
    Public,
}

/// What strangers' nodes show before they count, in a public cloud.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VettingSettings {
    /// Data of a fill test in MiB; more for large offers, half of small ones.
    pub fill_mib: u32,
    /// Days since joining before a node is vetted (T2) …
    pub days: u32,
    /// … and audits it passed in that time.
    pub audits: u32,
}

impl Default for VettingSettings {
    fn default() -> Self {
        Self {
            fill_mib: u32::try_from(LEAST.0 >> 20).unwrap_or(u32::MAX),
            days: u32::try_from(VETTING.as_secs() / 86_400).unwrap_or(u32::MAX),
            audits: VETTING_AUDITS,
        }
    }
}

/// Where the center listens for machines.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetSettings {
    /// Address to bind; unspecified listens on all.
    pub bind: IpAddr,
    /// UDP port of the endpoint, 0 for any.
    pub port: u16,
    /// TCP port of the relay, 0 for any.
    pub relay_port: u16,
    /// Addresses told in tickets before those found; an operator with a fixed address names it here.
    pub announce: Vec<SocketAddr>,
    /// Host told for the relay, where it differs from the first address.
    pub relay_host: Option<String>,
    /// Ask the router for a port.
    pub port_mapping: bool,
    /// Calls one machine may make a second, on average; above it, it waits. A busy gateway of small objects makes thousands.
    pub calls_per_s: u32,
}

/// Where pages and metrics are served.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port; port 0 for any.
    pub listen: SocketAddr,
}

/// Which database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DbSettings {
    /// `sqlite:PATH` or `postgres://…`; empty means `center.db` in the center's folder.
    pub url: String,
}

/// How often nodes call, and when they count as away.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FleetSettings {
    /// Period of a node that holds a lease or waits for work, in seconds.
    pub period_busy_s: u64,
    /// Period of the rest, in seconds.
    pub period_idle_s: u64,
}

/// How storage behaves.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageSettings {
    /// In a circle or a neighborhood, a node on without a gap for so many seconds fills up what others wrote.
    pub steward_after_s: u64,
    /// Days a version is kept after another took its place; at least 30.
    pub retention_days: u32,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self { steward_after_s: rules::storage::expand::STEWARD_AFTER.as_ms() / 1_000, retention_days: 30 }
    }
}

impl StorageSettings {
    /// How long versions are kept: what is set, never below the floor.
    pub fn retention(&self) -> Span {
        rules::storage::collect::retention(Span::days(u64::from(self.retention_days)))
    }
    /// Time on after which a node is a steward, in small pools.
    pub fn steward_after(&self) -> Span {
        Span::secs(self.steward_after_s)
    }
}

/// A node whose place is known.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beacon {
    /// Its id, or a prefix of it.
    pub node: String,
    /// Its place.
    pub region: Region,
}

impl Default for NetSettings {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 7701,
            relay_port: 7702,
            announce: Vec::new(),
            relay_host: None,
            port_mapping: true,
            calls_per_s: 6_000,
        }
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 7700)) }
    }
}

impl Default for FleetSettings {
    fn default() -> Self {
        Self { period_busy_s: 30, period_idle_s: 30 }
    }
}

impl FleetSettings {
    /// Period of a node that holds a lease or waits for work.
    pub fn busy(&self) -> Span {
        Span::secs(self.period_busy_s.clamp(1, 600))
    }
    /// Period of the rest.
    pub fn idle(&self) -> Span {
        Span::secs(self.period_idle_s.clamp(1, 600))
    }
}

impl Settings {
    /// Name of the file in the center's folder.
    pub const FILE: &'static str = "center.toml";

    /// Reads the file in `dir`; without one every value has its default. The error says what does not fit and where.
    pub fn load(dir: &Path) -> Result<Self, (PathBuf, String)> {
        let path = dir.join(Self::FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let settings: Self = toml::from_str(&text).map_err(|e| (path.clone(), e.to_string()))?;
                if settings.time_scale != TimeScale::default() && !settings.dev {
                    return Err((path, "time_scale is for a center for tests: dev = true".to_owned()));
                }
                if settings.time_scale.0 > TimeScale::MAX.0 {
                    return Err((path, format!("time_scale is at most {}", TimeScale::MAX.0)));
                }
                if !(1..=24).contains(&settings.ledger.settle_period_h) {
                    return Err((path, "settle_period_h is 1 to 24".to_owned()));
                }
                Ok(settings)
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err((path, e.to_string())),
        }
    }

    /// What nodes are told: the scale where this is a center for tests, else nothing.
    pub fn told_scale(&self) -> Option<TimeScale> {
        self.dev.then_some(self.time_scale)
    }

    /// How far membership alone is trusted.
    pub const fn trust(&self) -> Trust {
        match self.cloud.kind {
            CloudKind::Private => Trust::Circle,
            CloudKind::Public => Trust::Public,
        }
    }

    /// Where the database is.
    pub fn db_url(&self, dir: &Path) -> Result<DbUrl, crate::db::DbError> {
        if self.db.url.is_empty() { Ok(DbUrl::Sqlite(dir.join("center.db"))) } else { self.db.url.parse() }
    }
}

/// The table of places: the operator's `regions.txt` in `dir`, else the one that ships.
pub fn regions(dir: &Path) -> Result<RegionTable, CenterError> {
    let path = dir.join("regions.txt");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => include_str!("../data/regions.txt").to_owned(),
        Err(source) => return Err(CenterError::Folder { path: path.display().to_string(), source }),
    };
    RegionTable::parse(&text).map_err(|e| CenterError::Folder {
        path: path.display().to_string(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, e.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default_and_a_typing_error_is_told() {
        assert_eq!(toml::from_str::<Settings>(""), Ok(Settings::default()));
        let error = toml::from_str::<Settings>("[http]\nlissen = '127.0.0.1:1'").unwrap_err();
        assert!(error.to_string().contains("lissen"), "{error}");
    }

    #[test]
    fn days_are_shortened_in_a_center_for_tests_only() {
        let dir = tempfile::tempdir().unwrap();
        let with = |text: &str| {
            std::fs::write(dir.path().join(Settings::FILE), text).unwrap();
            Settings::load(dir.path()).map(|settings| settings.time_scale.of(Span::hours(72)))
        };
        assert_eq!(with(""), Ok(Span::hours(72)));
        assert_eq!(with("dev = true\ntime_scale = 4320"), Ok(Span::mins(1)));
        assert!(with("time_scale = 2").unwrap_err().1.contains("dev = true"));
        assert_eq!(with("dev = true\ntime_scale = 0"), Ok(Span::hours(72)));
        assert!(with("dev = true\ntime_scale = 86401").unwrap_err().1.contains("86400"));
        let told = |text: &str| toml::from_str::<Settings>(text).unwrap().told_scale();
        assert_eq!((told(""), told("dev = true\ntime_scale = 9")), (None, Some(TimeScale(9))));
    }

    #[test]
    fn a_cloud_is_private_unless_its_operator_says_otherwise() {
        let read = |text: &str| toml::from_str::<Settings>(text);
        assert_eq!(read("").unwrap().trust(), Trust::Circle);
        let public = read("[cloud]\nkind = 'public'\n[vetting]\ndays = 7").unwrap();
        assert_eq!((public.trust(), public.vetting.days), (Trust::Public, 7));
        assert_eq!((public.vetting.fill_mib, public.vetting.audits), (1_024, 100));
        assert!(read("[cloud]\nkind = 'open'").is_err());
    }

    #[test]
    fn the_commons_are_as_the_kind_of_cloud_has_them_unless_the_operator_says_otherwise() {
        let read = |text: &str| {
            let settings: Settings = toml::from_str(text).unwrap();
            settings.ledger.policy(settings.trust())
        };
        assert_eq!(read(""), Policy::closed(Ucredit::ZERO));
        assert_eq!(read("cloud.kind = 'public'"), Policy::public(Ucredit::ZERO));
        let said = read("[ledger]\noperator_costs_a_day = 7\ndemurrage = true\nstipend = false");
        let expected = Policy { has_demurrage: true, has_stipend: false, ..Policy::closed(Ucredit::whole(7)) };
        assert_eq!(said, expected);
    }

    #[test]
    fn the_table_that_ships_reads() {
        let dir = tempfile::tempdir().unwrap();
        assert!(regions(dir.path()).unwrap().place(&"asia/kr/seoul".parse().unwrap()).is_some());
    }

    #[test]
    fn a_beacon_names_a_node_and_a_place() {
        let settings: Settings = toml::from_str("[[beacon]]\nnode = 'nabcd'\nregion = 'asia/kr'").unwrap();
        assert_eq!(settings.beacon[0].region, "asia/kr".parse().unwrap());
    }
}
