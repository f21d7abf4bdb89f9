//! A steward audits: it puts a challenge of the center to another node, judges the slices by the segments' ids, and tells what
//! came of it under its own signature. It is trusted with nothing: a slice that proves nothing goes to the center as it came,
//! with the node's signature over its hash. What proved something it signs a receipt for, where the cloud pays for audits.

use crate::session::Session;
use codec::Layout;
use model::Stamp;
use net::{CallLimits, Endpoint, NetError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::limits::AUDIT_FRAME_MAX;
use wire::signed::{Permit, Receipt};
use wire::storage::{AuditDone, AuditOpen, AuditOutcome, AuditWork, StreamOpen};
use wire::{Reply, Request};

/// Longest dial of a node that is audited.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What an auditor needs.
pub struct Auditor {
    /// Session with the center.
    pub session: Arc<Session>,
    /// Speaks to other nodes.
    pub endpoint: Endpoint,
    /// The node's key, which signs reports.
    pub key: [u8; 32],
    /// Clock.
    pub now: fn() -> Stamp,
}

impl Auditor {
    /// One audit; false when there was none.
    pub async fn work(&self) -> bool {
        let Ok(Reply::AuditWork(Some(work))) = self.session.ask(Request::AuditAsk(self.endpoint.id())).await else {
            return false;
        };
        let begun = Instant::now();
        let outcome = self.put(&work).await;
        let took_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
        let report = AuditDone::report(work.challenge.hash(), took_ms, &outcome);
        let signature = report.sign(&self.key).to_vec();
        tracing::debug!(node = %work.challenge.node.short(), took_ms, "audited a node");
        let done = AuditDone { lease: work.lease, took_ms, outcome, signature };
        if let Err(error) = self.session.ask(Request::AuditDone(Box::new(done))).await {
            tracing::info!(%error, "an audit was not told; the node is asked again");
        }
        true
    }

    async fn put(&self, work: &AuditWork) -> AuditOutcome {
        self.gather(work).await.unwrap_or_else(|error| AuditOutcome::Silent(error.to_string()))
    }

    /// Judges the node's frames: a slice for each pick, then its signature; or a refusal alone.
    async fn gather(&self, work: &AuditWork) -> Result<AuditOutcome, NetError> {
        self.endpoint.learn(work.target.addr.clone());
        let link = self.endpoint.connect(work.target.addr.id, DIAL_TIMEOUT).await?;
        let open = AuditOpen { permit: work.target.permit.clone(), challenge: work.challenge.clone() };
        let open = wire::encode(&StreamOpen::Audit(Box::new(open)));
        let limits =
            CallLimits { max_reply: AUDIT_FRAME_MAX, timeout: Duration::from_millis(u64::from(work.deadline_ms)) };
        let judge = |frames: Vec<Vec<u8>>| {
            let (outcome, proved) =
                AuditOutcome::of(work.challenge.picks.len(), &frames, |at, bytes| is_proved(work, at, bytes));
            (outcome, self.receipt(&work.target.permit, proved))
        };
        link.gather(&open, (work.challenge.picks.len() + 1, limits), judge).await
    }

    /// The receipt for what proved something.
    fn receipt(&self, permit: &[u8], proved: u64) -> Option<Vec<u8>> {
        let receipt = Receipt::once(&Permit::parse(permit).ok()?, proved, (self.now)())?;
        Some(self.endpoint.sign_receipt(&receipt).to_vec())
    }
}

/// True when bytes prove the pick at a place.
fn is_proved(work: &AuditWork, at: usize, bytes: &[u8]) -> bool {
    let (Some(pick), Some((scheme, sealed))) = (work.challenge.picks.get(at), work.layouts.get(at)) else {
        return false;
    };
    Layout::new(*scheme, *sealed)
        .is_ok_and(|layout| codec::slice::proves(bytes, &pick.segment, &layout, pick.index, u64::from(pick.group)))
}
