//! What this machine knows of the cloud it joined: written by `join` and `init`, read by everything else.

use crate::fault::Fault;
use crate::home::{Home, write_atomic};
use model::{Alias, CloudKey, MemberId, Roles, Stamp};
use serde::{Deserialize, Serialize};
use wire::{PeerAddr, RelayHint};

/// A joined cloud. Holds no secret; the machine's key lies beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Format of this file.
    pub version: u16,
    /// The cloud, pinned at join.
    pub cloud: CloudKey,
    /// Its name.
    pub cloud_name: String,
    /// Where its center can be dialed.
    pub center: PeerAddr,
    /// Its relays.
    pub relays: Vec<RelayHint>,
    /// Key that signs permits.
    pub permit_key: [u8; 32],
    /// Whose machine this is.
    pub member: MemberId,
    /// What the member may do.
    pub roles: Roles,
    /// Number in the cell, where it lends.
    pub alias: Option<Alias>,
    /// Name of this machine.
    pub name: String,
    /// Address this machine's endpoint binds to; none for all.
    pub bind: Option<std::net::IpAddr>,
    /// When joined.
    pub joined: Stamp,
    /// It was a center for tests that was joined: it may shorten days.
    #[serde(default)]
    pub dev: bool,
}

impl Membership {
    /// Format of the file.
    pub const VERSION: u16 = 1;

    /// Reads it; E0101 when this machine has joined nothing.
    pub fn load(home: &Home) -> Result<Self, Fault> {
        let path = home.membership();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Fault::new(model::errors::NOT_JOINED, []));
            }
            Err(e) => return Err(Fault::file(&path, &e)),
        };
        serde_json::from_slice(&bytes).map_err(|e| {
            Fault::new(
                model::errors::CONFIG_UNREADABLE,
                [("path", &path.display().to_string()), ("why", &e.to_string())],
            )
        })
    }

    /// Writes it durably.
    pub fn save(&self, home: &Home) -> Result<(), Fault> {
        write_atomic(&home.membership(), &serde_json::to_vec_pretty(self).map_err(Fault::bug)?, 0o600)
    }
}
