//! Judges leases that others show, offline: a permit's signature, that it is of this cloud, of op `task`, for these very bytes,
//! shown by the session it names, and not over.

use client::ClientError;
use model::{CloudKey, NodeId, Stamp, errors};
use wire::RefusalMsg;
use wire::signed::permit::PermitFacts;
use wire::signed::{LeaseBody, Permit, PermitOp};

/// What leases are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Leases {
    cloud: CloudKey,
    permit_key: [u8; 32],
    now: fn() -> Stamp,
}

impl Leases {
    /// Of this cloud, whose permits are signed with this key.
    pub const fn new(cloud: CloudKey, permit_key: [u8; 32], now: fn() -> Stamp) -> Self {
        Self { cloud, permit_key, now }
    }

    /// The lease that `caller`, whose key the connection proved, shows.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `bad_permit`.
    pub fn judge(&self, caller: NodeId, lease: &[u8], permit: &[u8]) -> Result<LeaseBody, ClientError> {
        let bad = |name: String| {
            ClientError::Refused(RefusalMsg::new(errors::BAD_PERMIT, [("op", "task".to_owned()), ("name", name)]))
        };
        let body = LeaseBody::parse(lease).ok_or_else(|| bad("permit_target".to_owned()))?;
        let keys = [(0, self.permit_key)];
        let facts = PermitFacts {
            keys: &keys,
            node: body.node,
            cloud: self.cloud.0[..8].try_into().expect("a key has 32 bytes"),
            generation: None,
            op: PermitOp::Task,
            target: LeaseBody::target(lease),
            now: (self.now)(),
            revocation_epoch: 0,
            revoked: &[],
            caller,
            spent: 0,
            wanted: 0,
        };
        Permit::check(permit, &facts).map_err(|name| bad(name.to_string()))?;
        Ok(body)
    }
}
