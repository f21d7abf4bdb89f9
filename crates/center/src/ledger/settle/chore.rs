//! What settles: counts what was stored in periods that are over, then settles them. Twice, or by two center processes at once, it
//! does no harm.

use super::{Periods, meter, round, store, tariff};
use crate::Center;
use crate::db::StoreError;
use crate::ledger::store::allowance;
use model::{Span, Stamp};
use rules::fleet::tier::Trust;
use rules::ledger::row::day_of;
use std::sync::Arc;
use std::time::Duration;

/// Pause between two looks …
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// … and where days are short.
const LOOK_SOON: Duration = Duration::from_secs(1);
/// Days for which it is known what covered permits.
const ALLOWANCE_DAYS: u32 = 100;
/// For so long it is known which batches were taken, and how rounds went.
const KEPT: Span = Span::days(400);

/// Settle periods of this center.
pub fn periods(center: &Center) -> Periods {
    Periods::new(center.settings().ledger.settle_period_h, center.settings().time_scale)
}

/// Runs until the center stops.
pub async fn run(center: Center) {
    let is_short = center.settings().time_scale.0 > 1;
    let mut tick = tokio::time::interval(if is_short { LOOK_SOON } else { LOOK_EVERY });
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match look(&center).await {
            Ok(done) if done.resources > 0 => {
                tracing::info!(steps = done.steps, resources = done.resources, "settled what was due");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "what is due was not settled; the next look is soon"),
        }
    }
}

async fn look(center: &Center) -> Result<round::Done, StoreError> {
    let (ledger, periods) = (center.ledger(), periods(center));
    let over = periods.over(ledger.now());
    let is_circle = center.settings().trust() == Trust::Circle;
    let tariff = Arc::new(tariff(ledger.db(), ledger.now()).await?);
    let terms = meter::Terms { is_circle, limit: center.first_limit() };
    if meter::count(ledger.db(), (periods, &tariff), terms, ledger.now()).await? {
        let before = ledger.now() - KEPT;
        // Rescue reads count for 90 days.
        let day = day_of(ledger.now()).saturating_sub(ALLOWANCE_DAYS);
        let forget = move |tx: &mut crate::db::Tx<'_>| {
            store::forget(tx, before)?;
            Ok(allowance::forget(tx, day)?)
        };
        ledger.db().write(forget).await?;
    }
    let has_buffers = center.settings().ledger.buffer.unwrap_or(!is_circle);
    let terms = round::Terms { tariff, has_dues: !is_circle, has_buffers, periods };
    let done = round::settle(ledger, periods, &terms).await?;
    crate::compute::budget::give_back(ledger, Stamp(over)).await?;
    Ok(done)
}
