//! Statement seal: a center's word on the lines of an account over a time, so that they can be shown to others
//! (`docs/design/ledger.md` §11).
//!
//! Layout: magic `PMT1` 4 · format 1 · 3 zeros · cloud key 32 · account u64 · from ms u64 · until ms u64 · opening i64 · closing i64, in µcredit ·
//! lines u64 · BLAKE3 over the 104-byte rows of the lines, in order, 32 · last row of the book u64 · hash of its last block 32 · at ms u64
//! = 168 bytes, signature 64 by the cloud key.
//!
//! (A) The cloud's key stands in it and has signed it: a seal leads to the cloud that everybody joined by.

use super::{Fields, SIGNATURE_LEN, public_of, sign, verify};
use model::{AccountNo, CloudKey, Credits, Stamp};

const LABEL: &str = "pumasi v1 statement";
const MAGIC: &[u8; 4] = b"PMT1";
const FIELDS: usize = 168;

/// The fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementSeal {
    /// Whose book.
    pub cloud: CloudKey,
    /// Whose lines.
    pub account: AccountNo,
    /// Not before.
    pub from: Stamp,
    /// Before.
    pub until: Stamp,
    /// Balance before the first line.
    pub opening: Credits,
    /// Balance behind the last.
    pub closing: Credits,
    /// How many lines.
    pub lines: u64,
    /// Hash over their rows.
    pub hash: [u8; 32],
    /// Where the book stood: its last row, and its last block's hash.
    pub head: (u64, [u8; 32]),
    /// When.
    pub at: Stamp,
}

impl StatementSeal {
    /// Length in bytes.
    pub const LEN: usize = FIELDS + SIGNATURE_LEN;

    /// Signed bytes, with the cloud's secret.
    pub fn sign(&self, secret: &[u8; 32]) -> [u8; Self::LEN] {
        debug_assert_eq!(public_of(secret), self.cloud.0, "(A)");
        let parts: [&[u8]; 13] = [
            MAGIC,
            &[1, 0, 0, 0],
            &self.cloud.0,
            &self.account.0.to_le_bytes(),
            &self.from.as_ms().to_le_bytes(),
            &self.until.as_ms().to_le_bytes(),
            &self.opening.0.to_le_bytes(),
            &self.closing.0.to_le_bytes(),
            &self.lines.to_le_bytes(),
            &self.hash,
            &self.head.0.to_le_bytes(),
            &self.head.1,
            &self.at.as_ms().to_le_bytes(),
        ];
        let mut out = [0; Self::LEN];
        out.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        let signature = sign(secret, LABEL, &out[..FIELDS]);
        out[FIELDS..].copy_from_slice(&signature);
        out
    }

    /// The seal in `bytes`, when the cloud it names signed it.
    pub fn check(bytes: &[u8]) -> Option<Self> {
        let whole: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let mut f = Fields::new(whole);
        f.magic(MAGIC)?;
        let zeros: [u8; 3] = f.take()?;
        let seal = Self {
            cloud: CloudKey(f.take()?),
            account: AccountNo(f.u64()?),
            from: Stamp(f.u64()?),
            until: Stamp(f.u64()?),
            opening: Credits(i64::from_le_bytes(f.take()?)),
            closing: Credits(i64::from_le_bytes(f.take()?)),
            lines: f.u64()?,
            hash: f.take()?,
            head: (f.u64()?, f.take()?),
            at: Stamp(f.u64()?),
        };
        let (fields, signature) = bytes.split_at(FIELDS);
        (zeros == [0; 3] && verify(&seal.cloud.0, LABEL, fields, signature)).then_some(seal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::AccountClass;

    fn seal(secret: &[u8; 32]) -> StatementSeal {
        StatementSeal {
            cloud: CloudKey(public_of(secret)),
            account: AccountNo::new(AccountClass::Member, 3),
            from: Stamp(1_800_000_000_000),
            until: Stamp(1_802_000_000_000),
            opening: Credits(-2_500_000),
            closing: Credits(1),
            lines: 7,
            hash: [8; 32],
            head: (99, [9; 32]),
            at: Stamp(1_802_000_000_001),
        }
    }

    #[test]
    fn a_seal_reads_back_and_every_bit_counts() {
        let secret = [7; 32];
        let bytes = seal(&secret).sign(&secret);
        assert_eq!(StatementSeal::check(&bytes), Some(seal(&secret)));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(StatementSeal::check(&bad), None, "bit {bit}");
        }
        assert!((0..bytes.len()).all(|cut| StatementSeal::check(&bytes[..cut]).is_none()));
    }

    #[test]
    fn bytes_of_a_seal_are_locked() {
        let secret = [7; 32];
        let bytes = seal(&secret).sign(&secret);
        let said = format!("{} {}", bytes.len(), blake3::hash(&bytes).to_hex());
        assert_eq!(said, include_str!("../../tests/golden/statement_seal.txt").trim());
    }
}
