//! Signatures of nodes under daily roots: who is drawn is asked at its check-in, until enough have signed (`docs/design/ledger.md` §11).
//!
//! (A) A node that lends among strangers signs only where it was vetted; each owner counts once. (B) What is kept was checked here, and whoever
//! gets it checks it again: it names cloud, day, root and node.

use super::{Ledger, store};
use crate::db::{StoreError, Tx};
use crate::fleet::api::alias_of;
use crate::fleet::memory::NodeMemory;
use crate::fleet::store::Standing;
use crate::refuse::{Refused, bad_value};
use crate::{Caller, Center};
use model::{MemberId, NodeId, Tier, errors};
use rules::fleet::tier::Trust;
use rules::ledger::chain::Hash;
use rules::ledger::cosign::{ENOUGH, KEPT_MAX, is_drawn};
use std::collections::BTreeSet;
use std::sync::PoisonError;
use wire::signed::Cosign;
use wire::{RefusalMsg, Reply};

/// Whose signatures the newest root has, and among how many nodes is drawn.
#[derive(Debug, Default)]
pub(super) struct Signing {
    owners: BTreeSet<MemberId>,
    vetted: u64,
}

/// (A)
fn may_sign(node: &NodeMemory, trust: Trust) -> bool {
    let is_vetted = trust == Trust::Circle || matches!(node.tier, Tier::T2 | Tier::T3);
    is_vetted && node.standing == Standing::Active
}

impl Ledger {
    /// Whether a node is asked to sign the newest root.
    pub(crate) fn asks_to_sign(&self, node: &NodeMemory, trust: Trust) -> bool {
        let Some((_, root)) = self.newest_root() else { return false };
        let signing = self.signing.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = signing.owners.len() < ENOUGH && !signing.owners.contains(&node.owner);
        is_open && may_sign(node, trust) && is_drawn(&root, &node.id, signing.vetted)
    }

    /// Looks who has signed the newest root, also by way of another center process; `vetted` nodes may.
    ///
    /// # Errors
    /// Of the store.
    pub(crate) async fn look_at_cosigns(&self, vetted: u64) -> Result<(), StoreError> {
        let owners = match self.newest_root() {
            Some((day, _)) => self.db().read(move |q| Ok(store::cosign::owners(q, day)?)).await?,
            None => BTreeSet::new(),
        };
        *self.signing.lock().unwrap_or_else(PoisonError::into_inner) = Signing { owners, vetted };
        Ok(())
    }

    /// Keeps a signature that was checked; false where enough are kept, or its owner has signed.
    ///
    /// # Errors
    /// Of the store.
    pub async fn keep_cosign(&self, word: Cosign, owner: MemberId, bytes: Vec<u8>) -> Result<bool, StoreError> {
        let write = move |tx: &mut Tx<'_>| {
            let owners = store::cosign::owners(tx, word.day)?;
            if owners.len() >= KEPT_MAX || owners.contains(&owner) {
                return Ok(false);
            }
            Ok(store::cosign::insert(tx, word.day, &owner, &bytes)?)
        };
        let is_kept = self.db().write(write).await?;
        if is_kept {
            self.signing.lock().unwrap_or_else(PoisonError::into_inner).owners.insert(owner);
        }
        Ok(is_kept)
    }
}

/// How many nodes may sign.
pub(super) fn vetted(center: &Center) -> u64 {
    let trust = center.settings().trust();
    center.fleet().nodes().filter(|(_, node)| may_sign(node, trust)).count() as u64
}

/// Takes the calling node's signature under the newest root.
pub async fn signed(center: &Center, caller: &Caller, bytes: Vec<u8>) -> Result<Reply, Refused> {
    let alias = alias_of(center, caller)?;
    let bad = |why: &str| {
        let args = [("thing", "daily root".to_owned()), ("why", why.to_owned())];
        Refused::from(RefusalMsg::new(errors::BAD_SIGNATURE, args))
    };
    let word = Cosign::check(&bytes).ok_or_else(|| bad("the signature is not of the node it names"))?;
    let trust = center.settings().trust();
    let node: Option<(NodeId, MemberId, bool)> = {
        let fleet = center.fleet();
        fleet.node(alias).map(|node| (node.id, node.owner, may_sign(node, trust)))
    };
    let newest: Option<(u32, Hash)> = center.ledger().newest_root();
    let (id, owner, may) = node.ok_or_else(|| crate::serve::no_node(caller))?;
    if word.node != id || word.cloud != center.keys().cloud_key() || !may {
        return Err(bad("this node does not sign for this cloud"));
    }
    if newest != Some((word.day, word.root)) {
        return Err(bad_value("day", &word.day.to_string(), "the newest root is another one").into());
    }
    if center.ledger().keep_cosign(word, owner, bytes).await? {
        tracing::info!(node = %alias, day = word.day, "a node signed the daily root");
    }
    Ok(Reply::Done)
}
