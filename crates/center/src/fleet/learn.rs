//! The chore that learns: once a week of a thousand aliases its hours are folded into profiles, session scales, τ and ranks.
//! And the center's own down times, which teach nothing about anybody.

use super::store::{self, NodeRow, PRESENCE_BLOCK, PresenceHour, Scores};
use super::vet;
use crate::Center;
use crate::db::{Db, DbError, Reader, StoreError, Tx, meta};
use model::{Alias, Ppm, Span, Stamp, Tier};
use rules::fleet::down::DownTimes;
use rules::fleet::history::{HISTORY_HOURS, History, WEEK_HOURS, learn};
use rules::fleet::presence::missing_after;
use rules::fleet::profile::{SessionScale, WeeklyProfile};
use rules::fleet::tier::{TierBounds, TierFacts, Trust, tier};
use rules::storage::surge::day_away_share;

const HOUR_MS: u64 = 3_600_000;
/// An hour in which the center was down for longer teaches nothing.
const DOWN_IN_HOUR_MAX: Span = Span::mins(3);
/// Hours of presence that are kept: what is looked back, and a day.
pub const KEPT_HOURS: u64 = HISTORY_HOURS + 24;

/// Times in which no center ran, as kept.
pub fn down_times(q: &mut Reader<'_>) -> Result<DownTimes, DbError> {
    let bytes = meta::get(q, meta::DOWN_TIMES)?.unwrap_or_default();
    let stamp = |b: &[u8]| Stamp(u64::from_le_bytes(b.try_into().expect("eight bytes")));
    Ok(DownTimes::new(bytes.chunks_exact(16).map(|pair| (stamp(&pair[..8]), stamp(&pair[8..])))))
}

/// Notes that no center ran from `from` to `until`; all that is known then.
pub fn note_down(tx: &mut Tx<'_>, from: Stamp, until: Stamp) -> Result<DownTimes, DbError> {
    let mut downs = down_times(tx)?;
    downs.note(from, until);
    let pairs = downs.periods().iter().flat_map(|(f, u)| [f.as_ms(), u.as_ms()]);
    let bytes: Vec<u8> = pairs.flat_map(u64::to_le_bytes).collect();
    meta::put(tx, meta::DOWN_TIMES, &bytes)?;
    Ok(downs)
}

/// Learns what is due when hour `hour` is over: block `b` in every hour that is `b` modulo the hours of a week, those
/// included that passed while the center was down. Presence hears of every τ.
pub async fn run(center: &Center, hour: u64) -> Result<(), StoreError> {
    let aliases = center.fleet().aliases();
    let trust = center.settings().trust();
    let learned = learn_due(center.db(), (aliases, trust), hour, center.now()).await?;
    let mut fleet = center.fleet();
    learned.into_iter().for_each(|(alias, tau)| fleet.presence.set_missing_after(alias, tau));
    Ok(())
}

/// The same for a store: what is due is learned and kept; the nodes that were looked at, each with its τ.
pub async fn learn_due(
    db: &Db,
    (aliases, trust): (usize, Trust),
    hour: u64,
    now: Stamp,
) -> Result<Vec<(Alias, Span)>, StoreError> {
    let last = db.read(|q| Ok(learned_hour(q)?)).await?;
    let from = last.map_or(hour, |last| (last + 1).max(hour.saturating_sub(WEEK_HOURS - 1)));
    let downs = db.read(|q| Ok(down_times(q)?)).await?;
    let blocks = u32::try_from(aliases.div_ceil(PRESENCE_BLOCK as usize)).unwrap_or(u32::MAX);
    let mut learned = Vec::new();
    for block in (0..blocks).filter(|b| (from..=hour).any(|h| h % WEEK_HOURS == u64::from(*b) % WEEK_HOURS)) {
        learned.extend(learn_block(db, (block, trust), hour, &downs, now).await?);
    }
    let forget = hour.saturating_sub(KEPT_HOURS);
    db.write(move |tx| {
        store::forget_presence_before(tx, forget)?;
        Ok(meta::put(tx, meta::LEARNED_HOUR, &hour.to_le_bytes())?)
    })
    .await?;
    Ok(learned)
}

fn learned_hour(q: &mut Reader<'_>) -> Result<Option<u64>, DbError> {
    let bytes = meta::get(q, meta::LEARNED_HOUR)?;
    Ok(bytes.and_then(|b| b.try_into().ok()).map(u64::from_le_bytes))
}

async fn learn_block(
    db: &Db,
    (block, trust): (u32, Trust),
    hour: u64,
    downs: &DownTimes,
    now: Stamp,
) -> Result<Vec<(Alias, Span)>, StoreError> {
    let first = (hour + 1).saturating_sub(HISTORY_HOURS);
    let read = move |q: &mut Reader<'_>| {
        Ok((store::nodes_of_block(q, block)?, store::presence_hours(q, block, first, hour + 1)?))
    };
    let (nodes, hours) = db.read(read).await?;
    let record = Record::new(first, hour, &hours, downs);
    let learned: Vec<Scores> = nodes.iter().map(|row| scores(row, &record, trust, now)).collect();
    let taus =
        nodes.iter().zip(&learned).map(|(row, s)| (row.alias, Span::hours(u64::from(s.missing_after_h)))).collect();
    let keep_all = move |tx: &mut Tx<'_>| nodes.iter().zip(&learned).try_for_each(|(row, s)| keep(tx, row, s, now));
    db.write(keep_all).await?;
    Ok(taus)
}

/// One block's hours: which of them count, and every node's minutes.
struct Record<'a> {
    first: u64,
    known: Vec<bool>,
    by_hour: Vec<Option<&'a [u8]>>,
}

impl<'a> Record<'a> {
    fn new(first: u64, last: u64, rows: &'a [PresenceHour], downs: &DownTimes) -> Self {
        let up = |h: u64| downs.between(Stamp(h * HOUR_MS), Stamp((h + 1) * HOUR_MS)) <= DOWN_IN_HOUR_MAX;
        let mut by_hour = vec![None; usize::try_from(last + 1 - first).unwrap_or(0)];
        for row in rows {
            if let Some(place) = row.hour.checked_sub(first).and_then(|i| by_hour.get_mut(i as usize)) {
                *place = Some(row.minutes.as_slice());
            }
        }
        Self { first, known: (first..=last).map(up).collect(), by_hour }
    }

    /// Minutes of the `place`-th alias of the block since it joined.
    fn minutes(&self, place: usize, joined: Stamp) -> Vec<Option<u8>> {
        let hours = (self.first..).zip(self.known.iter().zip(&self.by_hour));
        let of = |(hour, (known, row)): (u64, (&bool, &Option<&[u8]>))| {
            let counts = *known && hour > joined.hour();
            counts.then(|| row.and_then(|minutes| minutes.get(place).copied()).unwrap_or(0))
        };
        hours.map(of).collect()
    }
}

fn scores(row: &NodeRow, record: &Record<'_>, trust: Trust, now: Stamp) -> Scores {
    let place = (row.alias.0 % PRESENCE_BLOCK) as usize;
    let minutes = record.minutes(place, row.node.joined_at);
    let weeks = now.hour().saturating_sub(row.node.joined_at.hour()) / WEEK_HOURS;
    let scale = if row.session_scale == 0 { SessionScale::default() } else { SessionScale(row.session_scale) };
    let history = History { first_hour: record.first, minutes: &minutes };
    let learned =
        learn(&WeeklyProfile(row.profile), scale, u32::try_from(weeks.saturating_sub(1)).unwrap_or(u32::MAX), history);
    let tau = missing_after(learned.longest_absence, false);
    Scores {
        tier: rank(row, learned.on, trust, now),
        vetted_at: row.vetted_at,
        session_scale: learned.scale.0,
        profile: learned.profile.0,
        missing_after_h: u16::try_from(tau.as_secs() / 3_600).unwrap_or(super::TAU_START_H),
        day_away: day_away_share(&minutes),
    }
}

/// Rank by hours: that of a steward or not. Who is not vetted is looked at by [`vet`], and stays where it is here.
fn rank(row: &NodeRow, on: Ppm, trust: Trust, now: Stamp) -> Tier {
    if row.tier < Tier::T2 {
        return row.tier;
    }
    let total = u64::from(row.node.alpha) + u64::from(row.node.beta);
    let integrity = Ppm(u32::try_from(u64::from(row.node.alpha) * 1_000_000 / total.max(1)).unwrap_or(0));
    let facts = TierFacts {
        trust,
        fill_passed: true,
        vetting_for: Span(u64::MAX),
        audits_passed: u32::MAX,
        on,
        age: now.since(row.node.joined_at),
        integrity,
        put_back: false,
    };
    tier(&facts, &TierBounds::default())
}

fn keep(tx: &mut Tx<'_>, row: &NodeRow, scores: &Scores, now: Stamp) -> Result<(), StoreError> {
    store::set_scores(tx, row.alias, scores)?;
    vet::ranked(tx, row, scores.tier, now)
}

/// When a center last was known to run: the end of the last hour in which anybody was on.
pub async fn last_sign(db: &Db, seen: Option<u64>) -> Result<Option<Stamp>, StoreError> {
    let learned = db.read(|q| Ok(learned_hour(q)?)).await?;
    Ok(seen.max(learned).map(|hour| Stamp((hour + 1) * HOUR_MS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_the_record_are_those_the_center_saw_since_the_node_joined() {
        let rows = [
            PresenceHour { hour: 101, block: 0, minutes: vec![60, 5] },
            PresenceHour { hour: 103, block: 0, minutes: vec![60] },
        ];
        let downs = DownTimes::new([(Stamp(102 * HOUR_MS), Stamp(102 * HOUR_MS + 600_000))]);
        let record = Record::new(100, 104, &rows, &downs);
        assert_eq!(record.minutes(0, Stamp(0)), [Some(0), Some(60), None, Some(60), Some(0)]);
        assert_eq!(record.minutes(1, Stamp(101 * HOUR_MS)), [None, None, None, Some(0), Some(0)]);
    }
}
