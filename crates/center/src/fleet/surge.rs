//! The chore that notices when far more nodes are away than their own past says, and tells presence, which is stricter then, and
//! repair, which hurries. Nothing is dropped or forgotten meanwhile. What counts, `rules::storage::surge` says.

use super::store::Standing;
use crate::Center;
use crate::db::meta;
use crate::refuse::Refused;
use crate::storage::place;
use model::{Span, Stamp, Tier};
use rules::fleet::profile::WeeklyProfile;
use rules::fleet::tier::Trust;
use rules::storage::surge::{AWAY, CALM, SEEN_WITHIN, Surge, SurgeFacts, expected_away};
use std::time::Duration;

/// Pause between two looks …
const LOOK_EVERY: Span = Span::mins(1);
/// … and the shortest in a center for tests.
const LOOK_MIN: Duration = Duration::from_secs(1);

/// Runs until the center stops.
pub async fn run(center: Center) {
    let every = Duration::from_millis(center.settings().time_scale.of(LOOK_EVERY).as_ms()).max(LOOK_MIN);
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut surge = resumed(&center).await;
    center.fleet().presence.set_surge(surge.is_on());
    loop {
        tick.tick().await;
        if let Err(refused) = look(&center, &mut surge).await {
            tracing::warn!(id = %refused.0.id, "nobody counted who is away; the next look is soon");
        }
    }
}

async fn resumed(center: &Center) -> Surge {
    let stir = center.db().read(|q| Ok(meta::get(q, meta::SURGE_STIR)?)).await;
    let bytes = stir.ok().flatten().and_then(|bytes| bytes.try_into().ok());
    Surge::resumed(bytes.map(|bytes| Stamp(u64::from_le_bytes(bytes))))
}

async fn look(center: &Center, surge: &mut Surge) -> Result<(), Refused> {
    let now = center.now();
    let facts = facts(center, now).await?;
    let (was_on, stirred) = (surge.is_on(), surge.last_stir());
    let is_on = surge.look(now, &facts, center.settings().time_scale.of(CALM));
    center.fleet().presence.set_surge(is_on);
    let SurgeFacts { nodes, away, expected_ppm } = facts;
    match (was_on, is_on) {
        (false, true) => tracing::warn!(
            nodes,
            away,
            expected = expected_ppm / 1_000_000,
            "surge: far more nodes are away than usual; repair hurries, and nothing is dropped"
        ),
        (true, false) => tracing::warn!(nodes, away, "the surge is over"),
        _ => {}
    }
    // Written when it begins and ends, and now and then while it lasts: a restart shall not end it.
    let stir = surge.last_stir();
    let is_news =
        stir.is_some() != stirred.is_some() || stir.zip(stirred).is_some_and(|(new, old)| new.hour() != old.hour());
    if is_news {
        let write = center.db().write(move |tx| match stir {
            Some(at) => Ok(meta::put(tx, meta::SURGE_STIR, &at.as_ms().to_le_bytes())?),
            None => Ok(meta::remove(tx, meta::SURGE_STIR)?),
        });
        write.await?;
    }
    Ok(())
}

/// Who is away now, and who should be.
async fn facts(center: &Center, now: Stamp) -> Result<SurgeFacts, Refused> {
    let rows = place::nodes(center, now).await?;
    let scale = center.settings().time_scale;
    let (away_after, seen_within) = (scale.of(AWAY), scale.of(SEEN_WITHIN));
    let fleet = center.fleet();
    let mut facts = SurgeFacts { nodes: 0, away: 0, expected_ppm: 0 };
    let counts = |standing| matches!(standing, Standing::Active | Standing::Leaving | Standing::Quarantined);
    // Strangers who have not shown anything yet say nothing about the pool.
    let is_known = |tier: Tier| center.settings().trust() == Trust::Circle || tier >= Tier::T2;
    for row in rows.iter().filter(|row| counts(row.standing) && is_known(row.tier)) {
        let away = fleet.presence.away_for(now, row.alias).unwrap_or(Span::ZERO);
        if away >= seen_within {
            continue;
        }
        facts.nodes += 1;
        facts.away += u64::from(away > away_after);
        facts.expected_ppm += u64::from(expected_away(&WeeklyProfile(row.profile), now.hour_of_week(), row.day_away).0);
    }
    Ok(facts)
}
