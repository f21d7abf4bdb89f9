//! What the ledger does once a day by itself: gives out the commons, at 00:20 UTC ([`super::commons`]), and works out how members stand, at
//! 00:30 ([`super::standing`]). Twice, or by two center processes at once, it does no harm.

use super::commons;
use super::days::Days;
use super::standing::{self, Terms};
use crate::Center;
use model::Span;
use rules::fleet::tier::Trust;
use std::time::Duration;

/// Pause between two looks …
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// … and where days are short.
const LOOK_SOON: Duration = Duration::from_secs(1);
/// How long after a day's end the commons are given out.
const COMMONS_AFTER: Span = Span::mins(20);
/// How long after a day's end members' standing is worked out.
const STANDING_AFTER: Span = Span::mins(30);

/// What standing goes by in this center.
pub fn terms(center: &Center) -> Terms {
    let settings = center.settings();
    Terms {
        days: Days::new(settings.time_scale),
        period: Span::hours(settings.ledger.settle_period_h),
        is_private: settings.trust() == Trust::Circle,
    }
}

/// Runs until the center stops.
pub async fn run(center: Center) {
    let is_short = center.settings().time_scale.0 > 1;
    let mut tick = tokio::time::interval(if is_short { LOOK_SOON } else { LOOK_EVERY });
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (ledger, terms) = (center.ledger().clone(), terms(&center));
    let settings = center.settings();
    let (is_public, policy) = (settings.trust() == Trust::Public, settings.ledger.policy(settings.trust()));
    let common = commons::Terms { days: terms.days, policy, is_public, standing: terms };
    let (mut given, mut stood) = (None, None);
    loop {
        tick.tick().await;
        let day = terms.days.over(ledger.now(), COMMONS_AFTER);
        if given < Some(day) {
            match commons::give_out(&ledger, day, common).await {
                Ok(steps) => {
                    given = Some(day);
                    tracing::debug!(day, steps, "the commons of a day are given out");
                }
                Err(error) => tracing::warn!(%error, "the commons were not given out; the next look is soon"),
            }
        }
        let day = terms.days.over(ledger.now(), STANDING_AFTER);
        if stood < Some(day) {
            match standing::work_out(&ledger, day, terms).await {
                Ok(accounts) => {
                    stood = Some(day);
                    tracing::debug!(day, accounts, "how members stand was worked out");
                }
                Err(error) => tracing::warn!(%error, "how members stand was not worked out; the next look is soon"),
            }
        }
    }
}
