//! Spend: a member's signed word to move or set aside credits of its own (`docs/design/ledger.md` §3). It is kept beside the rows it
//! made, so that each debit a member started leads to a signature of one of its machines.
//!
//! Layout: magic `PMS1` 4 · format 1 · kind u8 (1 move, 2 hold) · code u16 · cloud key's first bytes 8 · transfer id 16 · debit account u64 · credit
//! account u64 (of a hold, the escrow account) · amount u64 in µcredit · expires ms u64 (0 for a move) · reference 16 (zeros for none) ·
//! device 32 = 112 bytes, signature 64 by the device's key.
//!
//! (A) The cloud stands in it: no word serves in another cloud. (B) Whether the device may spend, its account's device log says.

use super::{Fields, SIGNATURE_LEN, sign, verify};
use model::{AccountNo, CloudKey, Code, DeviceId, Stamp, TransferId, TransferKind, Ucredit};

const LABEL: &str = "pumasi v1 spend";
const MAGIC: &[u8; 4] = b"PMS1";
const FIELDS: usize = 112;

/// The fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spend {
    /// In which cloud.
    pub cloud: [u8; 8],
    /// Made and saved by who asks, before it is sent.
    pub id: TransferId,
    /// What for.
    pub code: Code,
    /// Whose credits.
    pub debit: AccountNo,
    /// To whom; of a hold, the escrow account.
    pub credit: AccountNo,
    /// How much.
    pub amount: Ucredit,
    /// Until when a hold lasts; none: it is a move.
    pub expires: Option<Stamp>,
    /// Of what in the subject's own rows.
    pub reference: Option<[u8; 16]>,
    /// The machine that speaks for the member.
    pub device: DeviceId,
}

/// Why a word is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpendFault {
    /// Not these fields.
    #[error("spend_malformed")]
    Malformed,
    /// Not signed by the device it names.
    #[error("spend_signature")]
    Signature,
    /// Of another cloud.
    #[error("spend_cloud")]
    Cloud,
}

impl Spend {
    /// Length in bytes.
    pub const LEN: usize = FIELDS + SIGNATURE_LEN;

    /// First bytes of a cloud's key, as they stand in the word.
    pub fn cloud_of(cloud: &CloudKey) -> [u8; 8] {
        *cloud.0.first_chunk().expect("a key has 32 bytes")
    }

    /// What it does.
    pub const fn kind(&self) -> TransferKind {
        if self.expires.is_some() { TransferKind::Hold } else { TransferKind::Move }
    }

    /// Signed bytes, with the device's secret.
    pub fn sign(&self, secret: &[u8; 32]) -> [u8; Self::LEN] {
        let parts: [&[u8]; 11] = [
            MAGIC,
            &[1, self.kind().number()],
            &self.code.number().to_le_bytes(),
            &self.cloud,
            &self.id.0,
            &self.debit.0.to_le_bytes(),
            &self.credit.0.to_le_bytes(),
            &self.amount.0.to_le_bytes(),
            &self.expires.unwrap_or(Stamp(0)).as_ms().to_le_bytes(),
            &self.reference.unwrap_or([0; 16]),
            self.device.as_bytes(),
        ];
        let mut out = [0; Self::LEN];
        out.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        let signature = sign(secret, LABEL, &out[..FIELDS]);
        out[FIELDS..].copy_from_slice(&signature);
        out
    }

    /// The word in `bytes`, when the device it names signed it for this cloud.
    ///
    /// # Errors
    /// [`SpendFault`], in the order of its variants.
    pub fn check(bytes: &[u8], cloud: &[u8; 8]) -> Result<Self, SpendFault> {
        let spend = Self::parse(bytes).ok_or(SpendFault::Malformed)?;
        let (fields, signature) = bytes.split_at(FIELDS);
        if !verify(spend.device.as_bytes(), LABEL, fields, signature) {
            return Err(SpendFault::Signature);
        }
        if spend.cloud != *cloud {
            return Err(SpendFault::Cloud);
        }
        Ok(spend)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let mut f = Fields::new(bytes);
        f.magic(MAGIC)?;
        let [kind] = f.take()?;
        let code = Code::from_number(f.u16()?)?;
        let (cloud, id) = (f.take()?, TransferId(f.take()?));
        let (debit, credit, amount) = (AccountNo(f.u64()?), AccountNo(f.u64()?), Ucredit(f.u64()?));
        let (expires, reference) = (f.u64()?, f.take()?);
        let spend = Self {
            cloud,
            id,
            code,
            debit,
            credit,
            amount,
            expires: (expires != 0).then_some(Stamp(expires)),
            reference: (reference != [0; 16]).then_some(reference),
            device: DeviceId(f.take()?),
        };
        (spend.kind().number() == kind && amount <= Ucredit::MAX).then_some(spend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::public_of;
    use model::AccountClass;

    const CLOUD: [u8; 8] = [4; 8];

    fn gift(device: DeviceId) -> Spend {
        Spend {
            cloud: CLOUD,
            id: TransferId::made(Stamp(1_800_000_000_000), [7; 10]),
            code: Code::Gift,
            debit: AccountNo::new(AccountClass::Member, 3),
            credit: AccountNo::new(AccountClass::Member, 4),
            amount: Ucredit::whole(2),
            expires: None,
            reference: None,
            device,
        }
    }

    #[test]
    fn a_word_reads_back_and_every_bit_counts() {
        let secret = [9; 32];
        let device = DeviceId(public_of(&secret));
        let hold = Spend { expires: Some(Stamp(1_900_000_000_000)), reference: Some([3; 16]), ..gift(device) };
        for spend in [gift(device), hold] {
            let bytes = spend.sign(&secret);
            assert_eq!(Spend::check(&bytes, &CLOUD), Ok(spend));
            assert_eq!(Spend::check(&bytes, &[5; 8]), Err(SpendFault::Cloud), "(A)");
            for bit in 0..bytes.len() * 8 {
                let mut bad = bytes;
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(Spend::check(&bad, &CLOUD).is_err(), "bit {bit}");
            }
            for cut in 0..bytes.len() {
                assert_eq!(Spend::check(&bytes[..cut], &CLOUD), Err(SpendFault::Malformed), "cut at {cut}");
            }
        }
        assert_eq!(Spend::check(&gift(device).sign(&[8; 32]), &CLOUD), Err(SpendFault::Signature), "another's");
    }

    #[test]
    fn bytes_of_a_word_are_locked() {
        let secret = [9; 32];
        let bytes = gift(DeviceId(public_of(&secret))).sign(&secret);
        let said = format!("{} {}", bytes.len(), blake3::hash(&bytes).to_hex());
        assert_eq!(said, include_str!("../../tests/golden/spend.txt").trim());
    }
}
