//! Signed bytes: fixed layouts, little-endian, Ed25519 over `label ‖ 0x00 ‖ fields` (`docs/design/security.md`).
//!
//! (A) A label names format and purpose, so no signature serves twice. (B) Reserved bytes are zero and a non-zero one
//! is refused. (C) Golden vectors lock every layout.

pub mod account_copy;
pub mod audit;
pub mod binding;
pub mod bucket_log;
pub mod commit;
pub mod cosign;
pub mod device_log;
pub mod grant;
pub mod lease;
pub mod permit;
pub mod piece_receipt;
pub mod receipt;
pub mod spend;
pub mod statement;
pub mod voucher;
pub mod work;

pub use account_copy::{AccountCopy, CopiedBucket};
pub use audit::{AuditAnswer, AuditReport};
pub use binding::Binding;
pub use bucket_log::{BucketLog, LogLine, LogWriter};
pub use commit::{CommitOp, CommitRecord, Head, HeadFault};
pub use cosign::Cosign;
pub use device_log::{DeviceChange, DeviceLog, LogFault, Rights};
pub use grant::{Allowed, Caveats, GrantFault, GrantOps};
pub use lease::LeaseBody;
pub use permit::{Permit, PermitOp, PermitRefusal};
pub use piece_receipt::PieceReceipt;
pub use receipt::Receipt;
pub use spend::{Spend, SpendFault};
pub use statement::StatementSeal;
pub use voucher::Voucher;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// Length of a signature in bytes.
pub const SIGNATURE_LEN: usize = 64;

/// The public half of a secret key.
pub fn public_of(secret: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(secret).verifying_key().to_bytes()
}

/// Signs `label ‖ 0x00 ‖ fields` with the Ed25519 key `secret`.
pub fn sign(secret: &[u8; 32], label: &str, fields: &[u8]) -> [u8; SIGNATURE_LEN] {
    SigningKey::from_bytes(secret).sign(&message(label, fields)).to_bytes()
}

/// True when `signature` is one of `key` over `label ‖ 0x00 ‖ fields` (strict: no weak keys, no malleability).
pub fn verify(key: &[u8; 32], label: &str, fields: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_bytes(key), Signature::from_slice(signature)) else {
        return false;
    };
    key.verify_strict(&message(label, fields), &signature).is_ok()
}

fn message(label: &str, fields: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(label.len() + 1 + fields.len());
    message.extend_from_slice(label.as_bytes());
    message.push(0);
    message.extend_from_slice(fields);
    message
}

/// Reads fixed fields in order; every read is checked against the layout's length by construction.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }
    /// The next `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
    /// `N` reserved bytes, all zero.
    pub(crate) fn zero<const N: usize>(&mut self) -> Option<()> {
        self.take::<N>().filter(|b| b.iter().all(|x| *x == 0)).map(|_| ())
    }
    /// The magic and the format byte 1.
    pub(crate) fn magic(&mut self, magic: &[u8; 4]) -> Option<()> {
        (self.take::<4>()? == *magic && self.take::<1>()? == [1]).then_some(())
    }
}
