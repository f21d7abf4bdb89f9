//! The members and what they want: every number of the world that is no rule, with its source.
//!
//! Written and committed before the first run, and never changed after it: a model whose mix was turned until it gave a figure shows
//! nothing. §12 and §13 are those of `docs/design/ledger.md`; what no chapter says is **assumed**, and says so.
//!
//! A figure asked for is turned by [`Setup`](super::Setup) alone: how many members, how long, how much demand, which policy.

use crate::seed::{Draw, Stream};
use model::HourOfWeek;
use rules::fleet::profile::WeeklyProfile;

/// A kind of member and of the machine it lends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Members of it in a hundred (§12).
    pub percent: u64,
    /// Lent, in GB.
    pub lent_gb: u64,
    /// Cores lent.
    pub cores: u64,
    /// Hours a day on which they are lent.
    pub hours: u64,
    /// A core beside the reference core, in hundredths.
    pub speed_percent: u64,
    /// First hour on, UTC, and how many hours.
    pub on: (u64, u64),
    /// Share of those hours it is on, in ten thousandths.
    pub steady_bps: u64,
}

/// The kinds and their shares (§12). What they lend is §13 where it says so: 3 cores × 6 h, 4 × 8 h with 1 TB, 2 TB with 3 slow cores, 4 h.
///
/// **Assumed**, each from the sums of §13 (70 % of storage and 30 % of hours sold): an evening PC lends 100 GB (of its 91 credits 81 are
/// computed, 10 stored), a laptop 50 GB and 2 cores of 0.8 (32 credits), a NAS's slow core is 0.42 of the reference for 8 h (45 of its
/// 272 credits). §13 does not say what a *big* member lends: a workstation, 8 TB, 16 cores × 12 h.
pub const KINDS: [Kind; 6] = [
    Kind {
        name: "evening",
        percent: 35,
        lent_gb: 100,
        cores: 3,
        hours: 6,
        speed_percent: 100,
        on: (12, 6),
        steady_bps: 9_500,
    },
    Kind {
        name: "always_on",
        percent: 15,
        lent_gb: 1_000,
        cores: 4,
        hours: 8,
        speed_percent: 100,
        on: (0, 24),
        steady_bps: 9_700,
    },
    Kind {
        name: "nas",
        percent: 10,
        lent_gb: 2_000,
        cores: 3,
        hours: 8,
        speed_percent: 42,
        on: (0, 24),
        steady_bps: 9_900,
    },
    Kind {
        name: "laptop",
        percent: 30,
        lent_gb: 50,
        cores: 2,
        hours: 4,
        speed_percent: 80,
        on: (8, 4),
        steady_bps: 8_000,
    },
    Kind {
        name: "big",
        percent: 5,
        lent_gb: 8_000,
        cores: 16,
        hours: 12,
        speed_percent: 100,
        on: (0, 24),
        steady_bps: 9_700,
    },
    Kind {
        name: "consumer",
        percent: 5,
        lent_gb: 0,
        cores: 0,
        hours: 0,
        speed_percent: 100,
        on: (0, 0),
        steady_bps: 0,
    },
];

/// Place of the always-on in [`KINDS`].
pub const ALWAYS_ON: usize = 1;

impl Kind {
    /// On so much of the week, in ten thousandths.
    pub const fn on_bps(&self) -> u64 {
        self.on.1 * self.steady_bps / 24
    }

    /// Share of each hour it is on.
    pub fn profile(&self) -> WeeklyProfile {
        let level = u8::try_from(self.steady_bps * 255 / 10_000).expect("a share of 255");
        let (first, hours) = self.on;
        WeeklyProfile(std::array::from_fn(|at| {
            let hour = u64::try_from(HourOfWeek::wrapped(at as u64).hour_of_day()).unwrap_or(0);
            if (hour + 24 - first) % 24 < hours { level } else { 0 }
        }))
    }

    /// Hundredths of NCU·h lent a day.
    pub const fn ncu_h_percent(&self) -> u64 {
        self.cores * self.hours * self.speed_percent
    }
}

/// Median of what a member wants stored (§12), in GB.
pub const NEED_MEDIAN_GB: f64 = 60.0;
/// σ of its logarithm. **Assumed**: with it the mean is 140 GB, which §12 names as the backup evening PCs cannot earn.
pub const NEED_SIGMA: f64 = 1.3;
/// Largest need. **Assumed**: about one member in a thousand is cut.
pub const NEED_MAX_GB: f64 = 3_500.0;
/// Of what is stored, read back a month, in ten thousandths (§13: 20 GB of a backup of 200).
pub const READ_MONTHLY_BPS: u64 = 1_000;
/// Members who compute, in a hundred. **Assumed**: with it about 3 % of lent hours are asked for, the tenth of 30 % that §13 calls likely
/// at the start.
pub const DEVELOPERS_PERCENT: u64 = 20;
/// NCU·h such a member wants a month (§13).
pub const NCU_H_MONTHLY: u64 = 100;
/// Days between two of its jobs. **Assumed**.
pub const JOB_DAYS: u64 = 3;
/// A new member writes what it wants over so many days. **Assumed**.
pub const UPLOAD_DAYS: u64 = 30;
/// The first members come over so many days. **Assumed**.
pub const JOIN_DAYS: u64 = 90;
/// Days that are not judged. **Assumed**: twice the time in which the first members come.
pub const WARM_UP_DAYS: u32 = 180;
/// Members that leave a month, in ten thousandths; each is replaced by one drawn from the mix (§12; that they are replaced is **assumed**).
pub const LEAVE_MONTHLY_BPS: u64 = 300;
/// Of them, in a hundred: those who spend to their limit and are never heard of again (§12).
pub const RUN_PERCENT: u64 = 20;
/// An honest leaver in debt goes on lending for so long to pay it, then gives up and falls silent. **Assumed**.
pub const PAYS_UP_DAYS: u64 = 90;
/// Of what is held, lost a month for good and placed anew, in ten thousandths: §10's 15 % for standard, from which its B of 0.56 follows.
/// Leavers' pieces come on top.
pub const PIECES_LOST_MONTHLY_BPS: u64 = 1_500;
/// Bytes repaired for a byte stored and month, in hundredths: the book's own B for standard (§6).
pub const REPAIRED_MONTHLY_PERCENT: u64 = 56;
/// The operator's declared costs: of 30 days' volume, in ten thousandths. **Assumed**: half of its 7 %.
pub const OPERATOR_COSTS_BPS: u64 = 350;
/// Members who would buy credits from others, in a hundred (§12).
pub const BUYERS_PERCENT: u64 = 25;

/// Who is *fair*: whose lending would pay for all it wants if so much of it were sold. §13: 70 % of storage, and of hours the tenth of 30 %.
pub const FAIR_STORED_PERCENT: u64 = 70;
/// As above, of lent hours.
pub const FAIR_HOURS_PERCENT: u64 = 3;
/// Fair members are counted from this age: until then they are newcomers by rule (§8). **Assumed**.
pub const FAIR_AFTER_DAYS: u64 = 30;

/// Draws a kind by its share.
pub fn kind(draw: &mut Stream) -> usize {
    let mut left = draw.below(100);
    for (at, kind) in KINDS.iter().enumerate() {
        if left < kind.percent {
            return at;
        }
        left -= kind.percent;
    }
    0
}

/// Draws a need at a demand of 100 %, in MB.
pub fn need_mb(draw: &mut Stream) -> u64 {
    let gb = (NEED_MEDIAN_GB.ln() + NEED_SIGMA * draw.normal()).exp().min(NEED_MAX_GB);
    // Between 0 and 3.5 million.
    (gb * 1_000.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn the_mix_is_what_the_chapter_says() {
        assert_eq!(KINDS.iter().map(|kind| kind.percent).collect::<Vec<_>>(), [35, 15, 10, 30, 5, 5]);
        let mut draw = Seed(1).named("mix");
        let mut needs: Vec<u64> = (0..20_000).map(|_| need_mb(&mut draw)).collect();
        needs.sort_unstable();
        assert!((58_000..62_000).contains(&needs[10_000]), "median {}", needs[10_000]);
        let mean = needs.iter().sum::<u64>() / 20_000;
        assert!((125_000..150_000).contains(&mean), "mean {mean}");
        let drawn = (0..20_000).filter(|_| kind(&mut draw) == ALWAYS_ON).count();
        assert!((2_800..3_200).contains(&drawn), "{drawn}");
    }

    #[test]
    fn hours_asked_for_are_about_three_in_a_hundred() {
        let lent: u64 = KINDS.iter().map(|kind| kind.percent * kind.ncu_h_percent() * 30).sum();
        let asked = DEVELOPERS_PERCENT * NCU_H_MONTHLY * 100;
        assert!((250..350).contains(&(asked * 10_000 / lent)), "{asked} of {lent}");
        assert_eq!(KINDS[0].profile().mean_on().0 / 10_000, 23);
    }
}
