//! Content of an account's copy among the pieces, plain bytes before they are sealed: all that brings the account back to a center
//! without it, and what its buckets are made of (`docs/design/storage.md` §15).
//!
//! Magic `PMAC` 4 · format 1 · length u32 · a [`AccountCopy`] as a message · zeros. (A) Any other bytes are refused.

use super::Fields;
use crate::limits::ACCOUNT_COPY_MAX;
use crate::storage::Locator;
use model::{BucketId, Class, Region};
use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 4] = b"PMAC";
const HEAD_LEN: usize = 9;

/// An account, as the pool keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountCopy {
    /// The center's word on the machine that wrote it, which names account and member.
    pub voucher: Vec<u8>,
    /// The device log.
    pub entries: Vec<Vec<u8>>,
    /// The keybag, sealed for who has the root.
    pub keybag: Vec<u8>,
    /// Locator and wrap of its recovery phrase.
    pub slot: Option<(Locator, Vec<u8>)>,
    /// Its buckets.
    pub buckets: Vec<CopiedBucket>,
}

/// A bucket, as it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedBucket {
    /// Its id.
    pub id: BucketId,
    /// Its sealed name.
    pub label: Vec<u8>,
    /// How much its pieces must outlive.
    pub class: Class,
    /// Its pieces stand in these regions only.
    pub regions: Vec<Region>,
    /// And in at least so many countries.
    pub regions_min: u16,
    /// Most sealed bytes of all versions together; 0: no limit.
    pub quota: u64,
}

impl AccountCopy {
    /// Its bytes; nothing where it is too long.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let body = crate::encode(self);
        let len = u32::try_from(body.len()).ok().filter(|_| body.len() <= ACCOUNT_COPY_MAX)?;
        Some([&MAGIC[..], &[1], &len.to_le_bytes(), &body].concat())
    }

    /// Reads what [`Self::to_bytes`] gave.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD_LEN)?;
        let mut f = Fields::new(head);
        f.magic(MAGIC)?;
        let len = usize::try_from(f.u32()?).ok().filter(|len| *len <= ACCOUNT_COPY_MAX)?;
        let (body, zeros) = rest.split_at_checked(len)?;
        zeros.iter().all(|byte| *byte == 0).then_some(())?;
        crate::decode(body, ACCOUNT_COPY_MAX).ok()
    }

    /// The same without what changes by itself, to tell whether a copy is to be written anew.
    pub fn lasting(&self) -> [u8; 32] {
        *blake3::hash(&crate::encode(&Self { voucher: Vec::new(), ..self.clone() })).as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_reads_back_behind_padding_and_nothing_else_does() {
        let bucket = CopiedBucket {
            id: BucketId([1; 16]),
            label: vec![2; 104],
            class: Class::Fortress,
            regions: vec!["asia/kr".parse().unwrap()],
            regions_min: 2,
            quota: 9,
        };
        let copy = AccountCopy {
            voucher: vec![3; 144],
            entries: vec![vec![4; 9]],
            keybag: vec![5; 9],
            slot: Some(([6; 16], vec![7; 80])),
            buckets: vec![bucket],
        };
        let mut bytes = copy.to_bytes().unwrap();
        assert_eq!(AccountCopy::parse(&bytes), Some(copy.clone()));
        assert_eq!(copy.lasting(), AccountCopy { voucher: vec![9; 9], ..copy.clone() }.lasting());
        assert_ne!(copy.lasting(), AccountCopy { keybag: vec![9; 9], ..copy.clone() }.lasting());
        (0..bytes.len()).for_each(|cut| assert!(AccountCopy::parse(&bytes[..cut]).is_none(), "cut at {cut}"));
        bytes.extend_from_slice(&[0; 99]);
        assert_eq!(AccountCopy::parse(&bytes), Some(copy));
        bytes.push(1);
        assert_eq!(AccountCopy::parse(&bytes), None);
    }

    proptest::proptest! {
        #[test]
        fn random_bytes_are_no_copy_and_never_panic(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = AccountCopy::parse(&bytes);
            if bytes.len() > 9 {
                let len = u32::try_from(bytes.len() - 9).unwrap().to_le_bytes();
                bytes[..9].copy_from_slice(&[b'P', b'M', b'A', b'C', 1, len[0], len[1], len[2], len[3]]);
                let _ = AccountCopy::parse(&bytes);
            }
        }
    }
}
