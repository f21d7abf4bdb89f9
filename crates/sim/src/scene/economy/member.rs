//! One member: what it is, what it holds and stores, and what is due of it since the last settlement.

use super::mix::{self, KINDS, Kind};
use super::price::Prices;
use crate::seed::{Draw, Seed};
use model::{
    AccountClass, AccountNo, Bytes, Credits, MemberId, MemberState, Os, Ppm, Resource, Stamp, TransferId, Ucredit,
};
use rules::ledger::settle::Carries;
use rules::ledger::{debt_first, sweep};
use rules::storage::group::Site;

/// Operators of networks, all of one size. **Assumed**.
const NETWORKS: u64 = 12;
/// Percent of machines with Windows: of PCs, of boxes that are always on. As the durability simulation has it.
const WINDOWS: (u64, u64) = (85, 30);

/// Where a member is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Uses and lends.
    Here,
    /// Wants to go and lends on until its debt is paid.
    Paying(u64),
    /// Asked to go; what is due is settled.
    Leaving(u64),
    /// Never heard of again, since that day.
    Gone(u64),
    /// Gone, with nothing left.
    Closed,
}

/// What is due since the last settlement.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dues {
    /// MB·h stored.
    pub stored: u64,
    /// MB·h held.
    pub held: u64,
    /// Bytes read.
    pub read: u64,
    /// Some of it at the limit.
    pub is_rescue: bool,
    /// Bytes sent to readers.
    pub sent: u64,
    /// Bytes sent for repair.
    pub repaired: u64,
    /// Fuel used.
    pub used: u64,
    /// Fuel burnt for others.
    pub made: u64,
}

/// A member.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its account.
    pub no: AccountNo,
    /// Place of its kind.
    pub kind: usize,
    /// What it wants stored, in MB.
    pub need_mb: u64,
    /// It computes.
    pub is_developer: bool,
    /// It would buy credits.
    pub is_buyer: bool,
    /// Its lending would pay for all it wants.
    pub is_fair: bool,
    /// Day it joined.
    pub joined: u64,
    /// Day it goes, if it is not driven out before.
    pub goes: u64,
    /// Of a hundred who go, its place: the first of them run.
    pub nerve: u64,
    /// Among the first: the pool begins with vetted machines.
    pub is_founder: bool,
    /// What its machine fails with.
    pub site: Site,
    /// Where it is on its way.
    pub phase: Phase,
    /// As the ledger has it.
    pub state: MemberState,
    /// Since that day.
    pub since: u64,
    /// MB it stores.
    pub stored_mb: u64,
    /// MB let go of a day, while it is released.
    pub drops_mb: u64,
    /// MB it holds for others.
    pub held_mb: u64,
    /// Hours of service, and the first day of it.
    pub served_h: u64,
    /// First day on which it held something.
    pub first_held: Option<u64>,
    /// Mean of daily earnings: E.
    pub mean: Ucredit,
    /// Mean of daily use.
    pub daily_use: Ucredit,
    /// Earned and charged today.
    pub earned: Ucredit,
    /// As above.
    pub charged: Ucredit,
    /// Due since the last settlement.
    pub due: Dues,
    /// Parts of a µcredit.
    pub carries: Carries,
    /// Those of demurrage.
    pub demurrage_carry: u64,
    /// Set aside for what is under way.
    pub allowances: Vec<(Resource, TransferId, Ucredit)>,
    /// Not paid yet, of traffic.
    pub arrears: Vec<(Resource, Ucredit)>,
    /// Reads at the limit, by day.
    pub rescues: Vec<(u64, u64)>,
    /// Hundredths of NCU·h it still lends today.
    pub hours_left: u64,
}

impl Member {
    /// The `index`-th member of a run, from the mix or of one kind.
    pub fn draw(seed: Seed, index: u64, joined: u64, kind: Option<usize>, prices: &Prices) -> Self {
        let mut draw = seed.nth("member", index);
        let drawn = mix::kind(&mut draw);
        let kind = kind.unwrap_or(drawn);
        let need_mb = mix::need_mb(&mut draw) * prices.demand_percent / 100;
        let is_developer = draw.below(100) < mix::DEVELOPERS_PERCENT;
        let is_buyer = draw.below(100) < mix::BUYERS_PERCENT;
        let site = site(index, kind, &mut draw);
        let stays = draw.weibull(1.0, 30.0 * 10_000.0 / mix::LEAVE_MONTHLY_BPS as f64);
        let nerve = draw.below(100);
        Self {
            no: AccountNo::new(AccountClass::Member, index + 1),
            kind,
            need_mb,
            is_developer,
            is_buyer,
            is_fair: prices.earns(&KINDS[kind]) >= prices.costs(need_mb, is_developer),
            joined,
            goes: joined + 1 + stays as u64,
            nerve,
            is_founder: joined < mix::JOIN_DAYS,
            site,
            phase: Phase::Here,
            state: MemberState::Newcomer,
            since: joined,
            stored_mb: 0,
            drops_mb: 0,
            held_mb: 0,
            served_h: 0,
            first_held: None,
            mean: Ucredit::ZERO,
            daily_use: Ucredit::ZERO,
            earned: Ucredit::ZERO,
            charged: Ucredit::ZERO,
            due: Dues::default(),
            carries: Carries::new(),
            demurrage_carry: 0,
            allowances: Vec::new(),
            arrears: Vec::new(),
            rescues: Vec::new(),
            hours_left: 0,
        }
    }

    /// Its kind.
    pub fn kind(&self) -> &'static Kind {
        &KINDS[self.kind]
    }

    /// It is a member who uses and lends.
    pub fn is_here(&self) -> bool {
        self.phase == Phase::Here
    }

    /// Its machine lends.
    pub fn lends(&self) -> bool {
        matches!(self.phase, Phase::Here | Phase::Paying(_)) && self.kind().lent_gb > 0
    }

    /// It has not left, or nobody knows it yet.
    pub fn is_open(&self) -> bool {
        self.phase != Phase::Closed
    }

    /// MB lent and not used.
    pub fn free_mb(&self) -> u64 {
        (self.kind().lent_gb * 1_000).saturating_sub(self.held_mb)
    }

    /// The same as bytes.
    pub fn free(&self) -> Bytes {
        Bytes(self.free_mb() * 1_000_000)
    }

    /// Availability × audits × latency by the real rule; nobody fails audits here.
    pub fn quality_bps(&self) -> u64 {
        sweep::quality_bps(self.kind().on_bps(), 10_000, 10_000)
    }

    /// The same as a share.
    pub fn quality(&self) -> Ppm {
        Ppm(u32::try_from(self.quality_bps() * 100).expect("at most a million"))
    }

    /// At the limit by the ledger.
    pub fn is_stuck(&self) -> bool {
        matches!(self.state, MemberState::AtLimit | MemberState::Grace | MemberState::Released)
    }

    /// Weight among equally fit nodes: quality × the committed table.
    pub fn weight(&self, position: Credits) -> u64 {
        self.quality_bps() * u64::from(debt_first::weight(position))
    }

    /// Days since it joined.
    pub fn age(&self, day: u64) -> u64 {
        day.saturating_sub(self.joined)
    }

    /// MB it wants stored by now: it writes over some days.
    pub fn wanted_mb(&self, day: u64) -> u64 {
        self.need_mb * (self.age(day) + 1).min(mix::UPLOAD_DAYS) / mix::UPLOAD_DAYS
    }

    /// Bytes read as a rescue in the last 90 days.
    pub fn rescued(&self, day: u64) -> u64 {
        self.rescues.iter().filter(|(at, _)| day - at < 90).map(|(_, bytes)| bytes).sum()
    }
}

/// Midnight of a day of the run.
pub fn midnight(day: u64) -> Stamp {
    const DAY_MS: u64 = 86_400_000;
    Stamp((crate::scene::fleet::START.as_ms() / DAY_MS + day) * DAY_MS)
}

fn site(index: u64, kind: usize, draw: &mut crate::seed::Stream) -> Site {
    let mut owner = [0; 16];
    owner[..8].copy_from_slice(&index.to_be_bytes());
    let windows = if KINDS[kind].on.1 == 24 { WINDOWS.1 } else { WINDOWS.0 };
    let network = u32::try_from(draw.below(NETWORKS)).expect("a dozen");
    let os = if draw.below(100) < windows { Os::Windows } else { Os::Linux };
    Site { owner: MemberId(owner), lan: None, prefix: None, network: Some(network), os, version: 1, country: None }
}
