//! Where is a node? Claims against the speed of light (`docs/design/fleet.md` §5).
//!
//! (A) A claim that a round trip to a known place refutes is unknown, whatever else says so, and satisfies no rule.
//! (B) A claim is refuted only when no point of the claimed region could have answered so fast. (C) Evidence is the
//! strongest that holds: measured, declared, GeoIP, unknown. (D) Where declared and GeoIP disagree on the country and
//! neither is refuted, no rule that promises a country is satisfied. (E) The table is data of the operator; any text is
//! read or refused with its line.

use model::{Region, RegionEvidence};
use std::collections::BTreeMap;

/// Farthest light in fiber answers from, per ms of round trip.
pub const KM_PER_MS: u32 = 100;
/// Rows of a table.
pub const ROWS_MAX: usize = 8_192;
/// Longest table in bytes.
pub const TABLE_BYTES_MAX: usize = 1 << 20;
/// Mean radius of the Earth.
const EARTH_KM: f64 = 6_371.0;
/// No two places are farther apart: half the equator, rounded up.
const FARTHEST_KM: u32 = 20_038;

/// A region as a circle on the globe that holds all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Latitude of the center in thousandths of a degree, −90,000 … 90,000.
    pub lat_mdeg: i32,
    /// Longitude in thousandths of a degree, −180,000 … 180,000.
    pub lon_mdeg: i32,
    /// Radius.
    pub radius_km: u32,
}

/// Great-circle distance of two centers in km, rounded (haversine).
pub fn distance_km(a: &Place, b: &Place) -> u32 {
    let radians = |mdeg: i32| (f64::from(mdeg) / 1_000.0).to_radians();
    let (lat_a, lat_b) = (radians(a.lat_mdeg), radians(b.lat_mdeg));
    let half = |d: f64| (d / 2.0).sin().powi(2);
    let h = half(lat_b - lat_a) + lat_a.cos() * lat_b.cos() * half(radians(b.lon_mdeg) - radians(a.lon_mdeg));
    let km = 2.0 * EARTH_KM * h.clamp(0.0, 1.0).sqrt().asin();
    (km.round() as u32).min(FARTHEST_KM)
}

/// Why a text is no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct TableError {
    /// Counted from 1.
    pub line: usize,
    /// A lower-case fragment.
    pub why: String,
}

/// Places by region.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegionTable {
    rows: BTreeMap<Region, Place>,
}

impl RegionTable {
    /// Reads lines of `region lat lon radius_km`, degrees with decimals; `#` begins a remark.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        if text.len() > TABLE_BYTES_MAX {
            return Err(TableError { line: 1, why: "the table is larger than 1 MiB".to_owned() });
        }
        let mut rows = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let bad = |why: String| TableError { line: index + 1, why };
            let words: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().collect();
            let [region, lat, lon, radius] = words[..] else {
                if words.is_empty() {
                    continue;
                }
                return Err(bad("a line is `region lat lon radius_km`".to_owned()));
            };
            let region: Region = region.parse().map_err(|e: model::ParseError| bad(e.to_string()))?;
            let place = Place {
                lat_mdeg: mdeg(lat, 90).ok_or_else(|| bad(format!("`{lat:.20}` is no latitude")))?,
                lon_mdeg: mdeg(lon, 180).ok_or_else(|| bad(format!("`{lon:.20}` is no longitude")))?,
                radius_km: radius
                    .parse()
                    .ok()
                    .filter(|km| *km <= FARTHEST_KM)
                    .ok_or_else(|| bad("the radius is no km".to_owned()))?,
            };
            if rows.insert(region, place).is_some() {
                return Err(bad("the region stands here twice".to_owned()));
            }
            if rows.len() > ROWS_MAX {
                return Err(bad(format!("more than {ROWS_MAX} regions")));
            }
        }
        Ok(Self { rows })
    }

    /// The place of a region, or of the smallest one around it that is listed.
    pub fn place(&self, region: &Region) -> Option<Place> {
        let mut text = region.as_str();
        loop {
            let found = text.parse::<Region>().ok().and_then(|r| self.rows.get(&r).copied());
            if found.is_some() {
                return found;
            }
            text = text.rsplit_once('/')?.0;
        }
    }
}

/// `37.57` → 37,570, within ± `limit` degrees.
fn mdeg(text: &str, limit: i32) -> Option<i32> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || !numeric(whole) || !numeric(fraction) {
        return None;
    }
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    let value = whole.parse::<i32>().ok()? * 1_000 + thousandths.parse::<i32>().ok()?;
    (value <= limit * 1_000).then_some(if negative { -value } else { value })
}

/// A round trip to a node whose place is confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeaconRtt {
    /// The beacon's place.
    pub region: Region,
    /// Smallest round trip seen, in ms, rounded up.
    pub rtt_ms: u16,
}

/// What refutes a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refutation {
    /// The claim.
    pub claimed: Region,
    /// The beacon.
    pub beacon: Region,
    /// Its round trip.
    pub rtt_ms: u16,
    /// Farthest a node may be that answers so fast.
    pub reach_km: u32,
    /// Shortest way between the two regions.
    pub apart_km: u32,
}

/// Where the node is taken to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// For rules; none satisfies none. A GeoIP region is kept with its evidence, which counts for no rule.
    pub region: Option<Region>,
    /// How that is known.
    pub evidence: RegionEvidence,
    /// The country may be promised ("data stays in …").
    pub country_holds: bool,
    /// What refuted the declared region, or the GeoIP one where nothing was declared.
    pub refuted: Option<Refutation>,
}

impl Located {
    /// Does the node satisfy a rule for this region? Only measured and declared evidence counts, and a rule that names
    /// a country needs the country to hold.
    pub fn satisfies(&self, rule: &Region) -> bool {
        let counts = matches!(self.evidence, RegionEvidence::Measured | RegionEvidence::Declared);
        let holds = rule.country().is_none() || self.country_holds;
        counts && holds && self.region.as_ref().is_some_and(|region| region.lies_in(rule))
    }
}

/// Judges where a node is.
pub fn locate(
    table: &RegionTable,
    declared: Option<&Region>,
    geoip: Option<&Region>,
    beacons: &[BeaconRtt],
) -> Located {
    let refuted = |claim: Option<&Region>| claim.and_then(|c| refute(table, c, beacons));
    let (no_declared, no_geoip) = (refuted(declared), refuted(geoip));
    let declared = declared.filter(|_| no_declared.is_none());
    let geoip = geoip.filter(|_| no_geoip.is_none());
    let refuted = no_declared.or(no_geoip.filter(|_| declared.is_none()));
    if refuted.is_some() {
        // (A): the owner's word is refuted, and hearsay does not take its place; or there was only refuted hearsay.
        return Located { region: None, evidence: RegionEvidence::Unknown, country_holds: false, refuted };
    }
    match (declared, geoip) {
        (Some(region), other) => {
            let held_up = held_up(table, region, beacons);
            let evidence = if held_up { RegionEvidence::Measured } else { RegionEvidence::Declared };
            let agree = other.and_then(Region::country).is_none_or(|country| region.country() == Some(country));
            let country_holds = region.country().is_some() && (held_up || agree);
            Located { region: Some(region.clone()), evidence, country_holds, refuted }
        }
        (None, Some(region)) => {
            Located { region: Some(region.clone()), evidence: RegionEvidence::GeoIp, country_holds: false, refuted }
        }
        (None, None) => Located { region: None, evidence: RegionEvidence::Unknown, country_holds: false, refuted },
    }
}

fn reach_km(rtt_ms: u16) -> u32 {
    u32::from(rtt_ms) * KM_PER_MS
}

/// (B): the first beacon whose circle does not touch the claimed region.
fn refute(table: &RegionTable, claim: &Region, beacons: &[BeaconRtt]) -> Option<Refutation> {
    let claimed = table.place(claim)?;
    beacons.iter().find_map(|beacon| {
        let at = table.place(&beacon.region)?;
        let apart_km = distance_km(&claimed, &at).saturating_sub(claimed.radius_km).saturating_sub(at.radius_km);
        let reach_km = reach_km(beacon.rtt_ms);
        (apart_km > reach_km).then(|| Refutation {
            claimed: claim.clone(),
            beacon: beacon.region.clone(),
            rtt_ms: beacon.rtt_ms,
            reach_km,
            apart_km,
        })
    })
}

/// Some beacon's whole circle lies in the claimed region.
fn held_up(table: &RegionTable, claim: &Region, beacons: &[BeaconRtt]) -> bool {
    let Some(claimed) = table.place(claim) else { return false };
    beacons.iter().any(|beacon| {
        let inside =
            |at: Place| distance_km(&claimed, &at) + at.radius_km + reach_km(beacon.rtt_ms) <= claimed.radius_km;
        table.place(&beacon.region).is_some_and(inside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &str = "# places\nasia/kr 36.5 127.8 350\nasia/kr/seoul 37.57 126.98 40\nasia/jp/tokyo 35.68 139.69 60\n\
        europe/de 51.2 10.4 450 # Germany\neurope/de/berlin 52.52 13.40 40\nnorth-america/us 39.8 -98.6 2600\n";

    fn table() -> RegionTable {
        RegionTable::parse(TABLE).unwrap()
    }
    fn region(text: &str) -> Region {
        text.parse().unwrap()
    }
    fn beacon(text: &str, rtt_ms: u16) -> BeaconRtt {
        BeaconRtt { region: region(text), rtt_ms }
    }

    #[test]
    fn great_circles_are_known_distances() {
        let t = table();
        let place = |text| t.place(&region(text)).unwrap();
        assert!(distance_km(&place("europe/de/berlin"), &place("asia/kr/seoul")).abs_diff(8_130) < 40);
        assert!(distance_km(&place("asia/jp/tokyo"), &place("asia/kr/seoul")).abs_diff(1_155) < 15);
        assert_eq!(place("asia/kr/busan"), place("asia/kr"), "the smallest listed region around it");
        assert_eq!(t.place(&region("africa/eg")), None);
    }

    #[test]
    fn light_refutes_a_lie_and_it_satisfies_no_rule() {
        let seoul = region("asia/kr/seoul");
        let lie = locate(&table(), Some(&seoul), Some(&seoul), &[beacon("europe/de/berlin", 20)]);
        assert_eq!((lie.region.clone(), lie.evidence), (None, RegionEvidence::Unknown), "(A)");
        let why = lie.refuted.clone().unwrap();
        assert_eq!((why.reach_km, why.beacon), (2_000, region("europe/de/berlin")));
        assert!(why.apart_km > 8_000);
        assert!(!lie.satisfies(&region("asia")) && !lie.satisfies(&seoul), "(A)");
        let far = locate(&table(), Some(&seoul), None, &[beacon("europe/de/berlin", 90)]);
        assert_eq!(far.evidence, RegionEvidence::Declared, "(B) 90 ms reach 9,000 km");
    }

    #[test]
    fn a_refuted_word_is_not_replaced_by_hearsay_but_refuted_hearsay_by_nothing() {
        let (seoul, berlin) = (region("asia/kr/seoul"), region("europe/de/berlin"));
        let near_berlin = [beacon("europe/de/berlin", 2)];
        let lie = locate(&table(), Some(&seoul), Some(&berlin), &near_berlin);
        assert_eq!(lie.evidence, RegionEvidence::Unknown, "(A)");
        let stale = locate(&table(), Some(&berlin), Some(&seoul), &near_berlin);
        assert!(stale.country_holds && stale.region == Some(berlin), "a refuted GeoIP row does not count");
        let hearsay = locate(&table(), None, Some(&seoul), &near_berlin);
        assert_eq!((hearsay.region, hearsay.evidence), (None, RegionEvidence::Unknown));
    }

    #[test]
    fn evidence_is_the_strongest_that_holds() {
        let (de, kr) = (region("europe/de"), region("asia/kr"));
        let measured = locate(&table(), Some(&de), Some(&kr), &[beacon("europe/de/berlin", 1)]);
        assert_eq!(measured.evidence, RegionEvidence::Measured, "(C)");
        assert!(measured.satisfies(&de));
        let torn = locate(&table(), Some(&de), Some(&kr), &[]);
        assert!(!torn.satisfies(&de) && torn.satisfies(&region("europe")) && torn.region == Some(de.clone()), "(D)");
        let heard = locate(&table(), None, Some(&de), &[]);
        assert_eq!(heard.evidence, RegionEvidence::GeoIp);
        assert!(!heard.satisfies(&region("europe")), "hearsay counts for no rule");
        assert_eq!(locate(&table(), None, None, &[]).evidence, RegionEvidence::Unknown);
    }

    #[test]
    fn a_bad_table_names_its_line() {
        for (text, line) in [
            ("asia/kr 1 2", 1),
            ("\nmars 1 2 3", 2),
            ("asia/kr 91 2 3", 1),
            ("asia/kr 1 -180.001 3", 1),
            ("asia/kr 1 2 -3", 1),
            ("asia/kr 1 2 3\nasia/kr 1 2 3", 2),
            ("asia/kr 1e1 2 3", 1),
        ] {
            assert_eq!(RegionTable::parse(text).unwrap_err().line, line, "(E) {text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_table_or_names_a_line(text in "(asia/kr|[ -~]{0,9}|[ \n#.0-9-]){0,40}|\\PC{0,200}") {
            if let Err(error) = RegionTable::parse(&text) {
                prop_assert!(error.line >= 1 && error.line <= text.lines().count().max(1), "(E)");
            }
        }

        #[test]
        fn the_truth_is_never_refuted(lat in -90_000i32..=90_000, lon in -180_000i32..=180_000, off in -9_000i32..9_000, extra in 0u16..300) {
            let home = Place { lat_mdeg: lat, lon_mdeg: lon, radius_km: 50 };
            let far = Place { lat_mdeg: (lat + off).clamp(-90_000, 90_000), lon_mdeg: -lon, radius_km: 10 };
            let mut table = RegionTable::default();
            table.rows.insert(region("asia/kr"), home);
            table.rows.insert(region("asia/jp"), far);
            let km = distance_km(&home, &far);
            prop_assert!(km <= FARTHEST_KM && km == distance_km(&far, &home));
            let rtt_ms = u16::try_from(km.div_ceil(KM_PER_MS)).unwrap() + extra;
            let claim = region("asia/kr");
            let at = locate(&table, Some(&claim), None, &[BeaconRtt { region: region("asia/jp"), rtt_ms }]);
            prop_assert!(at.refuted.is_none(), "(B)");
        }
    }
}
