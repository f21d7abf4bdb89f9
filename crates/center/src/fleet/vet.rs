//! Vetting: how nodes come to their rank. What each rank takes, `rules::fleet::tier` says, and how a fill test goes,
//! `rules::fleet::fill_test`; whose data is sent by whom, `crate::storage::fill`.
//!
//! A chore looks at those below T2 by and by: strangers in a public cloud, and whoever lost pieces. Higher ranks are learned from
//! hours, once a week (`super::learn`). (A) What is decided is decided in the transaction that keeps it. (B) Nodes of the
//! operators of a public cloud are vetted as members of a circle are: a young cloud begins with them.

use super::store::vetting::{self, Fill, Vetting};
use super::store::{self, NodeRow, Standing};
use crate::access::store as access;
use crate::db::{Reader, StoreError, Tx};
use crate::ledger::store::node_held;
use crate::refuse::Refused;
use crate::settings::Settings;
use crate::storage::store::audit as audits;
use crate::storage::{audit, fill, place};
use crate::{Center, fleet};
use codec::fill::PIECE_BYTES;
use model::{Alias, Bytes, NodeState, Ppm, Presence, Roles, Span, Stamp, Tier, TimeScale};
use rules::fleet::fill_test::{self, AUDITS, FillBounds, FillFacts, FillNext};
use rules::fleet::tier::{TierBounds, TierFacts, Trust, tier};
use std::time::Duration;
use wire::fleet::{RankDetail, RankWhy};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Aliases in one look …
const SLICE: u32 = 50_000;
/// … and nodes below T2 among them.
const NODES: usize = 512;

/// What vetting takes in this cloud, as this center counts time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    trust: Trust,
    tier: TierBounds,
    fill: FillBounds,
    least: Bytes,
    week: Span,
    scale: TimeScale,
}

impl Rules {
    /// Those of an operator.
    pub fn of(settings: &Settings) -> Self {
        let (scale, vetting) = (settings.time_scale, &settings.vetting);
        let tier = TierBounds {
            vetting: scale.of(Span::days(u64::from(vetting.days))),
            vetting_audits: vetting.audits,
            steward_for: scale.of(rules::fleet::tier::STEWARD_FOR),
        };
        let fill = FillBounds { stands: scale.of(fill_test::STANDS), stands_slow: scale.of(fill_test::STANDS_SLOW) };
        let least = Bytes::mib(u64::from(vetting.fill_mib));
        Self { trust: settings.trust(), tier, fill, least, week: scale.of(Span::days(7)), scale }
    }

    /// The pause after so many failed tries.
    fn rest(&self, tries: u8) -> Span {
        self.scale.of(fill_test::rest(tries))
    }
}

/// A node, with what its rank is judged by.
#[derive(Debug, Clone)]
pub struct Looked {
    /// Its row.
    pub row: NodeRow,
    vetting: Vetting,
    stored: u32,
    passed: u64,
    is_operators: bool,
}

/// What is known of a node's vetting.
pub fn looked(q: &mut Reader<'_>, row: NodeRow) -> Result<Looked, StoreError> {
    let owner = access::member(q, &row.node.owner)?;
    Ok(Looked {
        vetting: vetting::vetting(q, row.alias)?.unwrap_or_else(|| untouched(&row)),
        stored: vetting::fill_count(q, row.alias)?,
        passed: audits::counts(q, row.alias)?.map_or(0, |counts| counts.passed),
        is_operators: owner.is_some_and(|owner| owner.roles.has(Roles::OPERATOR)),
        row,
    })
}

fn untouched(row: &NodeRow) -> Vetting {
    Vetting { ranked_at: row.node.joined_at, back_at: None, passed_from: 0, fill: Fill::default() }
}

/// What a look at a node comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    vetting: Vetting,
    vetted_at: Option<Stamp>,
    tier: Tier,
    /// Pieces of its fill test to be sent now.
    send: u32,
}

impl Looked {
    fn trust(&self, rules: &Rules) -> Trust {
        if self.is_operators { Trust::Circle } else { rules.trust }
    }

    fn tier_facts(&self, rules: &Rules, now: Stamp) -> TierFacts {
        let begun = self.vetting.back_at.unwrap_or(self.row.node.joined_at);
        TierFacts {
            trust: self.trust(rules),
            fill_passed: self.row.vetted_at.is_some(),
            vetting_for: now.since(begun),
            audits_passed: count(self.passed.saturating_sub(self.vetting.passed_from)),
            // The rank of a steward is learned from hours.
            on: Ppm(0),
            age: now.since(self.row.node.joined_at),
            integrity: Ppm(0),
            put_back: self.vetting.back_at.is_some(),
        }
    }

    fn fill_facts(&self, rules: &Rules, now: Stamp) -> FillFacts {
        let fill = &self.vetting.fill;
        let fits = fill_test::wanted(self.row.node.lent, rules.least, Bytes(PIECE_BYTES));
        FillFacts {
            wanted: if fill.wanted == 0 { fits } else { fill.wanted.min(fits) },
            stored: self.stored,
            sent: fill.sent,
            whole_for: fill.whole_at.map(|at| now.since(at)),
            audits: count(self.passed.saturating_sub(fill.passed_from)),
            rests_for: fill.rests_until.since(now),
        }
    }

    fn step(&self, rules: &Rules, now: Stamp) -> Step {
        let mut next = self.clone();
        let mut send = 0;
        if self.trust(rules) == Trust::Public && self.row.vetted_at.is_none() {
            send = next.follow_test(rules, now);
        }
        let tier = tier(&next.tier_facts(rules, now), &rules.tier);
        if tier != self.row.tier {
            next.vetting.ranked_at = now;
        }
        if tier >= Tier::T2 {
            next.vetting.back_at = None;
        }
        Step { vetting: next.vetting, vetted_at: next.row.vetted_at, tier, send }
    }

    /// The next state of a fill test; pieces to be sent now.
    fn follow_test(&mut self, rules: &Rules, now: Stamp) -> u32 {
        let wanted = self.fill_facts(rules, now).wanted;
        let fill = &mut self.vetting.fill;
        fill.wanted = wanted;
        let is_whole = wanted > 0 && self.stored >= wanted;
        if !is_whole {
            fill.whole_at = None;
        } else if fill.whole_at.is_none() {
            (fill.whole_at, fill.passed_from) = (Some(now), self.passed);
        }
        match fill_test::next(&self.fill_facts(rules, now), &rules.fill) {
            FillNext::Send(pieces) => return pieces,
            FillNext::GiveUp => fail(&mut self.vetting.fill, rules, now),
            FillNext::Passed => self.row.vetted_at = Some(now),
            FillNext::NoRoom | FillNext::Rest | FillNext::Stand => {}
        }
        0
    }

    /// Pieces of its fill test that it has, and their bytes.
    pub fn stored(&self) -> (u64, u64) {
        let pieces = u64::from(self.stored);
        (pieces, pieces * PIECE_BYTES)
    }

    fn changes(&self, step: &Step) -> bool {
        (step.vetting, step.vetted_at, step.tier) != (self.vetting, self.row.vetted_at, self.row.tier)
    }

    /// Pieces of its fill test that are to be sent to it now: numbers, given those it has.
    pub fn lacks(&self, center: &Center, has: &[u32], now: Stamp) -> Vec<u32> {
        let rules = Rules::of(center.settings());
        let step = self.step(&rules, now);
        let lacking = (0..step.vetting.fill.wanted).filter(|number| !has.contains(number));
        lacking.take(step.send as usize).collect()
    }

    /// Its rank for its owner's eyes.
    pub fn detail(&self, center: &Center, now: Stamp) -> RankDetail {
        let rules = Rules::of(center.settings());
        let (fill, facts) = (self.fill_facts(&rules, now), self.tier_facts(&rules, now));
        let bytes = |pieces: u32| Bytes(u64::from(pieces) * PIECE_BYTES);
        let steward_after = rules.tier.steward_for;
        let why = match self.row.tier {
            Tier::T0 if fill.wanted == 0 => RankWhy::NoRoom,
            Tier::T0 if fill.rests_for > Span::ZERO => {
                RankWhy::Failed { again: self.vetting.fill.rests_until, tries: self.vetting.fill.tries }
            }
            Tier::T0 if fill.stored < fill.wanted => {
                RankWhy::Filling { stored: bytes(fill.stored), wanted: bytes(fill.wanted) }
            }
            Tier::T0 => RankWhy::Standing {
                stood: fill.whole_for.unwrap_or(Span::ZERO),
                wanted: rules.fill.stands,
                audits: fill.audits,
                audits_wanted: AUDITS,
            },
            Tier::T1 => RankWhy::Probation {
                put_back: facts.put_back,
                time: facts.vetting_for,
                time_wanted: rules.tier.vetting,
                audits: facts.audits_passed,
                audits_wanted: rules.tier.vetting_audits,
                accepts: (facts.trust == Trust::Public).then(|| self.accepts(&rules, now)),
            },
            Tier::T2 if facts.trust == Trust::Circle => RankWhy::Member { steward_after },
            Tier::T2 => RankWhy::Vetted { steward_after },
            Tier::T3 => RankWhy::Steward,
        };
        RankDetail { since: self.vetting.ranked_at, why }
    }

    /// Bytes of members' data it accepts on probation.
    fn accepts(&self, rules: &Rules, now: Stamp) -> Bytes {
        let tested = Bytes(u64::from(self.vetting.fill.wanted) * PIECE_BYTES);
        fill_test::accepts(now.since(self.vetting.ranked_at), rules.week, tested)
    }
}

fn count(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A try is over without success.
fn fail(fill: &mut Fill, rules: &Rules, now: Stamp) {
    fill.tries = fill.tries.saturating_add(1);
    (fill.sent, fill.whole_at) = (0, None);
    fill.rests_until = now + rules.rest(fill.tries);
}

/// A node of a stranger begins to be vetted: in the transaction in which it joined.
pub fn begin(tx: &mut Tx<'_>, alias: Alias, (trust, roles): (Trust, Roles)) -> Result<(), StoreError> {
    if trust == Trust::Public && !roles.has(Roles::OPERATOR) {
        vetting::set_rank(tx, alias, Tier::T0, None)?;
    }
    Ok(())
}

/// An audit met pieces of a fill test that are gone: the try has failed, unless the test was passed before.
pub fn found_gone(tx: &mut Tx<'_>, row: &NodeRow, rules: &Rules, now: Stamp) -> Result<(), StoreError> {
    if row.vetted_at.is_none() {
        let mut held = vetting::vetting(tx, row.alias)?.unwrap_or_else(|| untouched(row));
        fail(&mut held.fill, rules, now);
        vetting::put_vetting(tx, row.alias, &held)?;
        store::add_event(tx, row.alias, now, "fill_gone", &held.fill.tries.to_string())?;
    }
    Ok(())
}

/// A node lost slots: it stands at T1 at most until it is vetted anew, and its fill test is lost with the rest. Its rank now.
pub fn put_back(tx: &mut Tx<'_>, row: &NodeRow, passed: u64, now: Stamp) -> Result<Tier, StoreError> {
    let tier = row.tier.min(Tier::T1);
    let held = vetting::vetting(tx, row.alias)?.unwrap_or_else(|| untouched(row));
    let fill = Fill { whole_at: None, sent: 0, ..held.fill };
    let ranked_at = if tier == row.tier { held.ranked_at } else { now };
    vetting::forget_fill(tx, row.alias)?;
    node_held::forget_most(tx, row.alias)?;
    vetting::put_vetting(tx, row.alias, &Vetting { ranked_at, back_at: Some(now), passed_from: passed, fill })?;
    vetting::set_rank(tx, row.alias, tier, row.vetted_at)?;
    noted(tx, row, tier, now)?;
    Ok(tier)
}

/// So many pieces of a node's fill test were sent, and these it has.
pub fn sent(tx: &mut Tx<'_>, node: Alias, pieces: u32, taken: &[(u32, model::SegmentId)]) -> Result<(), StoreError> {
    let Some(row) = store::node_by_alias(tx, node)? else { return Ok(()) };
    let mut held = vetting::vetting(tx, node)?.unwrap_or_else(|| untouched(&row));
    held.fill.sent = held.fill.sent.saturating_add(pieces);
    vetting::put_vetting(tx, node, &held)?;
    taken.iter().try_for_each(|(number, id)| Ok(vetting::add_fill(tx, node, *number, id)?))
}

/// The rank that was learned from hours is another one since now.
pub fn ranked(tx: &mut Tx<'_>, row: &NodeRow, tier: Tier, now: Stamp) -> Result<(), StoreError> {
    if tier != row.tier {
        let held = vetting::vetting(tx, row.alias)?.unwrap_or_else(|| untouched(row));
        vetting::put_vetting(tx, row.alias, &Vetting { ranked_at: now, ..held })?;
    }
    noted(tx, row, tier, now)
}

fn noted(tx: &mut Tx<'_>, row: &NodeRow, tier: Tier, now: Stamp) -> Result<(), StoreError> {
    if tier != row.tier {
        store::add_event(tx, row.alias, now, "tier", &format!("{} → {}", row.tier.word(), tier.word()))?;
    }
    Ok(())
}

/// Runs until the center stops.
pub async fn run(center: Center) {
    let mut after = 0;
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match look(&center, after).await {
            Ok(next) => after = next,
            Err(refused) => tracing::warn!(id = %refused.0.id, "nobody was vetted; the next look is soon"),
        }
    }
}

/// Looks at nodes below T2 from an alias on; where the next look goes on.
async fn look(center: &Center, from: u32) -> Result<u32, Refused> {
    let now = center.now();
    let (below, next) = below(center, from);
    if below.is_empty() {
        return Ok(next);
    }
    let read = center.db().read(move |q| {
        let mut all = Vec::with_capacity(below.len());
        for alias in &below {
            if let Some(row) = store::node_by_alias(q, *alias)? {
                all.push(looked(q, row)?);
            }
        }
        Ok(all)
    });
    let all = read.await?;
    let rows = place::nodes(center, now).await?;
    let senders = audit::auditors(center, &rows, now);
    {
        let mut fills = center.fills();
        let fleet = center.fleet();
        fills.tidy(now, |node| fleet.presence.state(now, node) == Presence::On);
    }
    for one in all {
        let step = keep(center, &one, now).await?;
        if step.send > 0 && takes(center, one.row.alias, now) {
            fill::offer(center, (one.row.alias, &one.row.node.owner), &senders, now);
        }
    }
    Ok(next)
}

/// Nodes below T2 in a slice of aliases, and where the next slice begins.
fn below(center: &Center, from: u32) -> (Vec<Alias>, u32) {
    let fleet = center.fleet();
    let aliases = u32::try_from(fleet.aliases()).unwrap_or(u32::MAX);
    let from = if from < aliases { from } else { 0 };
    let end = aliases.min(from.saturating_add(SLICE));
    let is_in = |node: &fleet::memory::NodeMemory| !matches!(node.standing, Standing::Left | Standing::Banned);
    let mut found = Vec::new();
    for alias in (from..end).map(Alias) {
        if fleet.node(alias).is_some_and(|node| node.tier < Tier::T2 && is_in(node)) {
            found.push(alias);
        }
        if found.len() == NODES {
            return (found, alias.0 + 1);
        }
    }
    (found, end)
}

/// (A) Keeps what a look at a node comes to.
async fn keep(center: &Center, one: &Looked, now: Stamp) -> Result<Step, StoreError> {
    let (rules, alias) = (Rules::of(center.settings()), one.row.alias);
    let mut step = one.step(&rules, now);
    if one.changes(&step) {
        let kept = center.db().write(move |tx| {
            let Some(row) = store::node_by_alias(tx, alias)? else { return Ok(None) };
            let looked = looked(tx, row)?;
            let step = looked.step(&rules, now);
            vetting::put_vetting(tx, alias, &step.vetting)?;
            vetting::set_rank(tx, alias, step.tier, step.vetted_at)?;
            noted(tx, &looked.row, step.tier, now)?;
            Ok(Some(step))
        });
        step = kept.await?.unwrap_or(step);
    }
    let stands = Looked { vetting: step.vetting, ..one.clone() };
    let fill = Bytes(u64::from(one.stored) * PIECE_BYTES);
    let accepts = Bytes(stands.accepts(&rules, now).0.saturating_add(fill.0));
    if let Some(node) = center.fleet().node_mut(alias) {
        if node.tier != step.tier {
            tracing::info!(node = %alias, from = node.tier.word(), to = step.tier.word(), "a node has another rank");
        }
        node.set_rank(step.tier, accepts);
    }
    Ok(step)
}

/// Whether a node can be sent data now.
fn takes(center: &Center, alias: Alias, now: Stamp) -> bool {
    let fleet = center.fleet();
    let is_active = fleet.node(alias).is_some_and(|node| node.standing == Standing::Active);
    let view = fleet.presence.view(now, alias);
    is_active
        && view.is_some_and(|v| v.presence == Presence::On && !matches!(v.state, NodeState::Off | NodeState::Evict))
}

#[cfg(test)]
mod tests;
