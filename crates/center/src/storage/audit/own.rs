//! The center asks a node itself: where no steward can, where a node was silent towards stewards, and of some audits that a
//! steward calls good.

use super::{Asked, challenge, deadline, every, judge, permit};
use crate::Center;
use crate::leave::Pays;
use crate::refuse::Refused;
use codec::Layout;
use model::Alias;
use net::{CallLimits, NetError};
use std::time::Duration;
use wire::limits::AUDIT_FRAME_MAX;
use wire::signed::audit::NOT_HELD;
use wire::signed::{Permit, Receipt};
use wire::storage::{AuditOpen, AuditOutcome, StreamOpen};

/// Nodes the center asks at one time: it moves no data otherwise, and this much is little.
const OWN_MAX: usize = 8;
/// Of them, because a reader doubts a piece: whoever doubts much keeps nobody from being asked.
const DOUBTED_MAX: usize = 2;
/// Longest dial of a node.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What a steward called good.
pub struct Repeated {
    /// The steward.
    pub auditor: Alias,
    /// Hashes of the slices the node signed.
    pub slices: Vec<[u8; 32]>,
}

/// Why the center asks.
pub enum Why {
    /// The node is due, and was asked again so often.
    Due(u8),
    /// A steward called this good.
    Repeat(Box<Asked>, Repeated),
    /// A reader doubts a piece.
    Doubt(Box<Asked>),
}

/// Begins to ask a node; false where enough are asked already: nothing happens, and the node stays due.
pub fn ask(center: &Center, node: Alias, why: Why) -> bool {
    {
        let mut audits = center.audits();
        let is_doubt = matches!(why, Why::Doubt(_));
        let doubted = audits.own.values().filter(|is_doubt| **is_doubt).count();
        let is_full = audits.own.len() >= OWN_MAX || is_doubt && doubted >= DOUBTED_MAX;
        if is_full || audits.own.contains_key(&node) {
            return false;
        }
        audits.own.insert(node, is_doubt);
    }
    let center = center.clone();
    tokio::spawn(async move {
        let done = match why {
            Why::Repeat(asked, repeated) => repeat(&center, *asked, repeated).await,
            Why::Doubt(asked) => look_into(&center, &asked).await,
            Why::Due(asked_again) => {
                tracing::debug!(%node, asked_again, "the center asks a node itself");
                begin(&center, node).await
            }
        };
        center.audits().own.remove(&node);
        if let Err(refused) = done {
            tracing::warn!(id = %refused.0.id, %node, "a node was not audited; it stays due");
        }
    });
    true
}

async fn begin(center: &Center, node: Alias) -> Result<(), Refused> {
    let Some(asked) = challenge::draw(center, node).await? else {
        center.audits().over(node, true, None, every(center));
        return Ok(());
    };
    let outcome = put(center, &asked, Pays::of_work(center, None)).await?;
    judge::take(center, &asked, outcome).await.map(drop)
}

/// A doubted piece. Silence says nothing here: the node is asked in its turn. Neither does a good answer: readers choose what
/// they doubt, so it neither makes a score nor stands for an audit, and nobody pays for it.
async fn look_into(center: &Center, asked: &Asked) -> Result<(), Refused> {
    match put(center, asked, Pays::Nobody).await? {
        AuditOutcome::Silent(_) => Ok(()),
        AuditOutcome::Answered { slices, wrong, .. } if wrong.is_empty() && !slices.contains(&NOT_HELD) => Ok(()),
        outcome => judge::take(center, asked, outcome).await.map(drop),
    }
}

/// The same slices again, under a nonce of its own.
async fn repeat(center: &Center, mut asked: Asked, repeated: Repeated) -> Result<(), Refused> {
    asked.challenge.nonce = center.random();
    let outcome = put(center, &asked, Pays::of_work(center, None)).await?;
    if let AuditOutcome::Answered { slices, wrong, .. } = &outcome
        && wrong.is_empty()
    {
        // Proved slices have one form each, so what the node signed before must be the same; what it lost since is no lie.
        let differs = slices.iter().zip(&repeated.slices).any(|(now, then)| *now != NOT_HELD && now != then);
        if differs {
            tracing::warn!(node = %asked.node, auditor = %repeated.auditor, "a steward called wrong slices good");
            return judge::disagree(center, asked.node, repeated.auditor).await;
        }
    }
    judge::take(center, &asked, outcome).await.map(drop)
}

/// Puts a challenge to a node.
async fn put(center: &Center, asked: &Asked, pays: Pays) -> Result<AuditOutcome, Refused> {
    let wait = Duration::from_millis(deadline(center, asked).await?.as_ms());
    Ok(gather(center, asked, (pays, wait)).await.unwrap_or_else(|error| AuditOutcome::Silent(error.to_string())))
}

async fn gather(center: &Center, asked: &Asked, (pays, wait): (Pays, Duration)) -> Result<AuditOutcome, NetError> {
    let endpoint = center.endpoint();
    if let Some(addr) = super::addr(center, asked.node) {
        endpoint.learn(addr);
    }
    let link = endpoint.connect(asked.challenge.node, DIAL_TIMEOUT).await?;
    let permit = permit(center, endpoint.id(), pays, asked);
    let open = AuditOpen { permit: permit.clone(), challenge: asked.challenge.clone() };
    let limits = CallLimits { max_reply: AUDIT_FRAME_MAX, timeout: wait };
    let open = wire::encode(&StreamOpen::Audit(Box::new(open)));
    let judge = |frames: Vec<Vec<u8>>| {
        let (outcome, proved) =
            AuditOutcome::of(asked.challenge.picks.len(), &frames, |at, bytes| is_proved(asked, at, bytes));
        let receipt = Permit::parse(&permit).ok().and_then(|permit| Receipt::once(&permit, proved, center.now()));
        (outcome, receipt.map(|receipt| endpoint.sign_receipt(&receipt).to_vec()))
    };
    link.gather(&open, (asked.challenge.picks.len() + 1, limits), judge).await
}

/// True when bytes prove the pick at a place.
fn is_proved(asked: &Asked, at: usize, bytes: &[u8]) -> bool {
    let (pick, (scheme, sealed)) = (asked.challenge.picks[at], asked.layouts[at]);
    Layout::new(scheme, sealed)
        .is_ok_and(|layout| codec::slice::proves(bytes, &pick.segment, &layout, pick.index, u64::from(pick.group)))
}
