//! Storage at the center: placement groups, segment records, sealed names. No payload and no key passes here.

pub mod api;
pub mod audit;
pub mod collect;
pub mod commit;
pub mod expand;
pub mod fill;
pub mod hand_over;
pub mod log;
pub mod offer;
pub mod place;
pub mod repair;
pub mod store;
pub mod upload;

use crate::Center;
use model::Span;

/// How long the answer to a commit is remembered, so that the same commit asked again is not done twice.
const ANSWERS_KEPT: Span = Span::days(7);

/// Forgets old answers to commits.
pub async fn forget_answers(center: &Center) {
    let before = center.now() - ANSWERS_KEPT;
    let forgot = center.db().write(move |tx| Ok(store::bucket::forget_answers_before(tx, before)?));
    if let Err(error) = forgot.await {
        tracing::warn!(%error, "old answers to commits were not forgotten; the next hour tries again");
    }
}
