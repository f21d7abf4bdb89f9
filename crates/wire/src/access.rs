//! Joining, tickets, members: what is said about who may do what.

use crate::addr::{PeerAddr, RelayHint};
use crate::fleet::{CapabilityLine, MachineFacts};
use model::{Alias, CloudKey, Credits, DeviceId, MemberId, Region, Roles, Stamp, TicketId};
use serde::{Deserialize, Serialize};

/// About the cloud, answered to anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudInfo {
    /// Its key, which the connection has proved already.
    pub key: CloudKey,
    /// What its people call it.
    pub name: String,
    /// The center's clock.
    pub now: Stamp,
    /// Oldest wire version it still speaks.
    pub oldest_version: u16,
    /// The address of the caller as the center sees it.
    pub you_are: Option<std::net::SocketAddr>,
}

/// A machine asks to be taken in. Sent over a connection that proves the machine's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinAsk {
    /// The cloud the ticket names.
    pub cloud: CloudKey,
    /// The ticket's one-time secret.
    pub secret: [u8; 16],
    /// What the owner calls the machine.
    pub name: String,
    /// The machine.
    pub facts: MachineFacts,
    /// This machine's clock.
    pub now: Stamp,
    /// Region its owner declares.
    pub region: Option<Region>,
    /// Owner's statement that this machine is theirs (`signed::binding`), signed by the machine's own key.
    pub binding: Vec<u8>,
    /// Lends storage or computing; a machine that only uses the cloud says no.
    pub lends: bool,
}

/// Taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinReply {
    /// Whose machine it is now.
    pub member: MemberId,
    /// What the member may do.
    pub roles: Roles,
    /// Its number in the cell, where it lends.
    pub alias: Option<Alias>,
    /// Cloud's name.
    pub cloud_name: String,
    /// The center's clock.
    pub now: Stamp,
    /// Key that signs permits.
    pub permit_key: [u8; 32],
    /// Relays of this cloud.
    pub relays: Vec<RelayHint>,
    /// Where the center can be dialed from now on.
    pub center: PeerAddr,
    /// True when this machine had joined already and was only answered again.
    pub again: bool,
    /// What it may carry, from what is known so far.
    pub capabilities: Vec<CapabilityLine>,
    /// This is a center for tests, and says so before anything is lent to it.
    pub dev: bool,
}

/// Ask for a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketAsk {
    /// For whom, as its maker calls them.
    pub name: String,
    /// What its users may do.
    pub roles: Roles,
    /// Gift from the maker's account.
    pub credits: Credits,
    /// How often it may be used.
    pub uses: u16,
    /// How long it lives.
    pub life_ms: u64,
    /// Hash of the one-time secret, which only its maker and its reader know.
    pub secret_hash: [u8; 32],
}

/// A ticket was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketMade {
    /// Which.
    pub id: TicketId,
    /// Until when.
    pub expires: Stamp,
    /// Where the center can be dialed.
    pub center: PeerAddr,
}

/// A ticket in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketLine {
    /// Which.
    pub id: TicketId,
    /// For whom.
    pub name: String,
    /// What its users may do.
    pub roles: Roles,
    /// Uses left of all.
    pub uses_left: u16,
    /// All uses.
    pub uses_total: u16,
    /// Until when.
    pub expires: Stamp,
    /// When it was ended by hand.
    pub revoked: Option<Stamp>,
    /// Who made it.
    pub maker: MemberId,
}

/// A member in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberLine {
    /// Who.
    pub id: MemberId,
    /// As they are called.
    pub name: String,
    /// What they may do.
    pub roles: Roles,
    /// Why frozen, where they are.
    pub frozen: Option<String>,
    /// Since when.
    pub joined: Stamp,
    /// Their machines.
    pub devices: Vec<DeviceId>,
    /// Of which lend.
    pub nodes_count: u32,
}
