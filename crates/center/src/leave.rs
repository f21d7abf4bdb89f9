//! Leave to do one kind of thing on nodes, as the center signs it: the one place where its permits are made.

use crate::Center;
use model::{NodeId, Span};
use wire::signed::{Permit, PermitOp};

/// What one session may do on one node.
#[derive(Debug, Clone, Copy)]
pub struct Leave {
    /// What.
    pub op: PermitOp,
    /// Key of the endpoint that will do it.
    pub session: NodeId,
    /// Where.
    pub node: NodeId,
    /// To what ([`Permit::pg_target`]); zero where the operation has no target.
    pub target: [u8; 16],
    /// Generation of the group that is the target.
    pub generation: u64,
    /// Up to so many bytes.
    pub units: u64,
    /// For so long.
    pub life: Span,
}

impl Leave {
    /// The permit, signed now, as bytes.
    pub fn sign(&self, center: &Center) -> [u8; Permit::LEN] {
        let (now, cloud) = (center.now(), center.keys().cloud_key());
        let permit = Permit {
            op: self.op,
            flags: 0,
            serial: Permit::serial_of(now, center.random()),
            target: self.target,
            node: self.node.0,
            session: self.session.0,
            cloud: cloud.0[..8].try_into().expect("a key has 32 bytes"),
            payer: 0,
            max_units: self.units,
            max_units_node: self.units,
            not_after: now + self.life,
            generation: self.generation,
            revocation_epoch: 0,
            key_epoch: 0,
        };
        permit.sign(&center.keys().permit)
    }
}
