//! Who owes, as placement and scheduler ask: the factor of each owner's position ([`rules::ledger::debt_first`]), read anew once a
//! minute, page by page.
//!
//! (A) Whoever is not known, or stands at nothing, weighs as everybody. (B) Gifts of 90 days count as if they were not given.

use super::store::account;
use crate::Center;
use crate::db::StoreError;
use model::{AccountNo, MemberId, Ppm, Span, TimeScale, Ucredit};
use rules::ledger::debt_first::{factor, position};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// Between two looks.
const LOOK_EVERY: Span = Span::mins(1);
/// At least so long, however short days are.
const LOOK_LEAST: Duration = Duration::from_secs(1);
/// Accounts read at a time.
const STEP: u32 = 5_000;
/// For so long a gift counts.
const GIFTS_FOR: Span = Span::days(90);

/// Factors by owner; who is not in it has 1.
#[derive(Default)]
pub(crate) struct Debts(RwLock<HashMap<MemberId, Ppm>>);

impl Debts {
    /// (A) The factor of an owner's machines.
    pub(crate) fn weight(&self, owner: &MemberId) -> Ppm {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(owner).copied().unwrap_or(Ppm::ONE)
    }
}

/// Looks until the center stops.
pub(crate) async fn run(center: Center) {
    let scale: TimeScale = center.settings().time_scale;
    let mut tick = tokio::time::interval(scale.of(LOOK_EVERY).to_std().max(LOOK_LEAST));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match look(&center).await {
            Ok(all) => *center.debts().0.write().unwrap_or_else(PoisonError::into_inner) = all,
            Err(error) => tracing::warn!(%error, "who owes was not read; the next look is soon"),
        }
    }
}

async fn look(center: &Center) -> Result<HashMap<MemberId, Ppm>, StoreError> {
    let since = center.now() - center.settings().time_scale.of(GIFTS_FOR);
    let gifts: HashMap<AccountNo, Ucredit> =
        center.db().read(move |q| Ok(account::gifts_since(q, since)?)).await?.into_iter().collect();
    let (mut out, mut after) = (HashMap::new(), AccountNo(0));
    loop {
        let page = center.db().read(move |q| Ok(account::members_after(q, after, STEP)?)).await?;
        let Some((last, ..)) = page.last() else { return Ok(out) };
        after = *last;
        for (no, member, balance) in &page {
            let gifts = gifts.get(no).copied().unwrap_or_default();
            let weight = factor(position(*balance, gifts));
            if weight != Ppm::ONE {
                out.insert(*member, weight);
            }
        }
    }
}
