//! Commit record, 256 bytes: a writer's signed word on one change of a bucket; nothing enters a bucket without one. The
//! center orders them into one hash chain per bucket (`docs/design/security.md` §4.4).

use super::{Fields, SIGNATURE_LEN, sign, verify};
use model::{BucketId, DeviceId, Stamp};

const LABEL: &str = "pumasi v1 commit";
const MAGIC: &[u8; 4] = b"PMC1";

/// What a commit does to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CommitOp {
    /// A new version.
    Put = 1,
    /// A marker: the name is gone until undeleted.
    Delete = 2,
    /// An older version is the newest again.
    Undelete = 3,
    /// A new name for segments that are there.
    Copy = 4,
    /// The same content under newer keys.
    Rekey = 5,
    /// Changes of the bucket itself, stored among its pieces ([`super::bucket_log`]); without a manifest, an older such log
    /// is let go of.
    Log = 6,
    /// A version of the name goes out of its history: the name is what its newest other version says. What went stays for its
    /// retention and can be brought back until then.
    Drop = 7,
}

impl CommitOp {
    /// By its number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Put),
            2 => Some(Self::Delete),
            3 => Some(Self::Undelete),
            4 => Some(Self::Copy),
            5 => Some(Self::Rekey),
            6 => Some(Self::Log),
            7 => Some(Self::Drop),
            _ => None,
        }
    }
}

/// Where a bucket's chain of commits stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Head {
    /// Commits so far.
    pub seq: u64,
    /// Hash of the last head and the last commit; zero before the first.
    pub hash: [u8; 32],
}

impl Head {
    /// The head after `record`: `H(hash ‖ record)`.
    #[must_use]
    pub fn after(&self, record: &[u8; CommitRecord::LEN]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.hash).update(record);
        Self { seq: self.seq + 1, hash: *hasher.finalize().as_bytes() }
    }

    /// Judges the head a center shows against the highest one seen before (H8).
    ///
    /// # Errors
    /// [`HeadFault::RolledBack`] when it is older, [`HeadFault::Fork`] when it is as old and another one.
    pub fn follows(&self, seen: &Self) -> Result<(), HeadFault> {
        if self.seq < seen.seq {
            return Err(HeadFault::RolledBack);
        }
        if self.seq == seen.seq && self.hash != seen.hash { Err(HeadFault::Fork) } else { Ok(()) }
    }
}

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadFault {
    /// `head_rolled_back`: the center shows an older state than it did.
    RolledBack,
    /// `fork_seen`: two different histories were shown.
    Fork,
}

/// The fields, in the order of their offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitRecord {
    /// Offset 5: what is done.
    pub op: CommitOp,
    /// Offset 8: the bucket.
    pub bucket: BucketId,
    /// Offset 24: the device that writes, and signs.
    pub device: DeviceId,
    /// Offset 56: counts up on the device.
    pub device_seq: u64,
    /// Offset 64: the head the writer had seen.
    pub seen: Head,
    /// Offset 104: BLAKE3 of the sealed name.
    pub name_hash: [u8; 32],
    /// Offset 136: the version that is made, or that goes.
    pub version: [u8; 16],
    /// Offset 152: BLAKE3 of the sealed manifest; of nothing for a marker.
    pub manifest_hash: [u8; 32],
    /// Offset 184: the writer's clock.
    pub at: Stamp,
}

impl CommitRecord {
    /// Length in bytes.
    pub const LEN: usize = 256;

    /// Signed bytes, with the device's own key.
    pub fn sign(&self, secret: &[u8; 32]) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[0..4].copy_from_slice(MAGIC);
        out[4] = 1;
        out[5] = self.op as u8;
        out[8..24].copy_from_slice(self.bucket.as_bytes());
        out[24..56].copy_from_slice(self.device.as_bytes());
        out[56..64].copy_from_slice(&self.device_seq.to_le_bytes());
        out[64..72].copy_from_slice(&self.seen.seq.to_le_bytes());
        out[72..104].copy_from_slice(&self.seen.hash);
        out[104..136].copy_from_slice(&self.name_hash);
        out[136..152].copy_from_slice(&self.version);
        out[152..184].copy_from_slice(&self.manifest_hash);
        out[184..192].copy_from_slice(&self.at.as_ms().to_le_bytes());
        let signature = sign(secret, LABEL, &out[..192]);
        out[192..].copy_from_slice(&signature);
        out
    }

    /// What a record does, by its bytes alone: of one that was checked before.
    pub fn op_of(bytes: &[u8]) -> Option<CommitOp> {
        bytes.get(5).and_then(|code| CommitOp::from_code(*code))
    }

    /// The record in `bytes`, when the device it names signed it.
    pub fn check(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LEN {
            return None;
        }
        let mut f = Fields::new(bytes);
        f.magic(MAGIC)?;
        let op = CommitOp::from_code(f.take::<1>()?[0])?;
        f.zero::<2>()?;
        let (bucket, device, device_seq) = (BucketId(f.take()?), DeviceId(f.take()?), f.u64()?);
        let seen = Head { seq: f.u64()?, hash: f.take()? };
        let (name_hash, version, manifest_hash, at) = (f.take()?, f.take()?, f.take()?, Stamp(f.u64()?));
        verify(&device.0, LABEL, &bytes[..192], &bytes[192..192 + SIGNATURE_LEN]).then_some(Self {
            op,
            bucket,
            device,
            device_seq,
            seen,
            name_hash,
            version,
            manifest_hash,
            at,
        })
    }

    /// True when the record speaks of this sealed name and this sealed manifest.
    pub fn covers(&self, name_sealed: &[u8], manifest: &[u8]) -> bool {
        self.name_hash == *blake3::hash(name_sealed).as_bytes()
            && self.manifest_hash == *blake3::hash(manifest).as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::public_of;

    fn sample(secret: &[u8; 32]) -> CommitRecord {
        CommitRecord {
            op: CommitOp::Put,
            bucket: BucketId([1; 16]),
            device: DeviceId(public_of(secret)),
            device_seq: 7,
            seen: Head { seq: 3, hash: [4; 32] },
            name_hash: *blake3::hash(b"name").as_bytes(),
            version: [5; 16],
            manifest_hash: *blake3::hash(b"manifest").as_bytes(),
            at: Stamp(1_800_000_000_000),
        }
    }

    #[test]
    fn a_record_reads_back_and_every_bit_counts() {
        let secret = [9; 32];
        let record = sample(&secret);
        let good = record.sign(&secret);
        assert_eq!(CommitRecord::check(&good), Some(record));
        assert!(record.covers(b"name", b"manifest") && !record.covers(b"name", b"other"));
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(CommitRecord::check(&bad), None, "bit {bit}");
        }
        assert!(CommitRecord::check(&good[1..]).is_none() && CommitRecord::check(&[]).is_none());
    }

    #[test]
    fn bytes_of_a_record_are_locked() {
        let hex: String = sample(&[9; 32]).sign(&[9; 32]).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, include_str!("../../tests/golden/commit_record.txt").trim());
    }

    #[test]
    fn a_chain_tells_a_rollback_from_a_fork() {
        let (a, b) = ([1; CommitRecord::LEN], [2; CommitRecord::LEN]);
        let first = Head::default().after(&a);
        let (second, other) = (first.after(&a), first.after(&b));
        assert_eq!((first.seq, second.seq), (1, 2));
        assert_eq!(second.follows(&first), Ok(()));
        assert_eq!(second.follows(&second), Ok(()));
        assert_eq!(first.follows(&second), Err(HeadFault::RolledBack));
        assert_eq!(other.follows(&second), Err(HeadFault::Fork));
    }
}
