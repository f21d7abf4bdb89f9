//! Accounts as their devices know them: device log, keybag, recovery slots, a second device, grants.

use crate::storage::{Commit, CommitBatch, ObjectList, ReadOpen, SegmentsKeep, WriteOpen};
use model::{AccountId, BucketId, MemberId, Stamp};
use serde::{Deserialize, Serialize};

/// A member's first device makes the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountMake {
    /// First entries of its device log: its creation, and this device.
    pub entries: Vec<Vec<u8>>,
    /// Its keys, sealed for who has its root.
    pub keybag: Vec<u8>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountInfo {
    /// Which.
    pub account: AccountId,
    /// Whose.
    pub member: MemberId,
    /// Its device log, from the first entry.
    pub entries: Vec<Vec<u8>>,
    /// Its keys, sealed for who has its root.
    pub keybag: Vec<u8>,
    /// When its recovery phrase was issued, if one was.
    pub phrase_at: Option<Stamp>,
}

/// A wrap of an account's root that a phrase opens; the one before it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotPut {
    /// Where the phrase finds it.
    pub locator: [u8; 16],
    /// The wrapped root.
    pub wrap: Vec<u8>,
    /// The next entry of the device log: the key of who holds the phrase.
    pub entry: Vec<u8>,
}

/// What stands at a locator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotInfo {
    /// The wrapped root.
    pub wrap: Vec<u8>,
    /// The account.
    pub account: AccountInfo,
}

/// One of two devices says something to the other, by the ticket they share; each step is said once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairSay {
    /// The ticket's secret.
    pub secret: [u8; 16],
    /// Which step.
    pub step: u8,
    /// What is said.
    pub bytes: Vec<u8>,
}

/// A grant that was given, for its giver's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantNote {
    /// Id of its first block.
    pub id: [u8; 16],
    /// Bucket.
    pub bucket: BucketId,
    /// What it is, sealed for the giver's account.
    pub note: Vec<u8>,
    /// Until when.
    pub not_after: Option<Stamp>,
}

/// A grant in its giver's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantLine {
    /// What was noted.
    pub note: GrantNote,
    /// When.
    pub at: Stamp,
    /// When it was revoked.
    pub revoked: Option<Stamp>,
}

/// A call under a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The grant.
    pub grant: Vec<u8>,
    /// The word of who holds it, for the machine that calls.
    pub proof: Vec<u8>,
    /// What is asked.
    pub ask: GrantedAsk,
}

/// What can be asked under a grant. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GrantedAsk {
    /// The bucket.
    Show,
    /// An object.
    Read(ReadOpen),
    /// Names.
    List(ObjectList),
    /// A placement group to write to.
    Write(WriteOpen),
    /// Segments that were written.
    Keep(Box<SegmentsKeep>),
    /// Make an object visible, or remove one.
    Commit(Box<Commit>),
    /// Segments and the commits that name them.
    Batch(Box<CommitBatch>),
}
