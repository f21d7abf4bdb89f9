//! A grant: what a member lets somebody else do with a part of a bucket; whoever holds it may narrow it further without asking
//! (`docs/design/security.md` §6).
//!
//! Magic `PMG1` 4 · format 1 · block count 1 · reserved 2 · account 16 · device 32 · blocks. Block: length of the caveats u16 ·
//! caveats · next public key 32 · signature 64 by the previous key, of the first block by the device. Caveat: tag u8, length u16,
//! value; each at most once in a block, all must hold: 1 operations u16 · 2 bucket 16 · 3 sealed prefix · 4 not before ms u64 ·
//! 5 not after ms u64 · 8 recipient's key 32. Who holds the secret of the last key holds the grant: a call shows a signature of
//! that key over the caller's own key. A block's id is the first 16 bytes of its hash; revoking one ends all behind it.
//!
//! (A) A block can only narrow: what is allowed is what all blocks allow. (B) A caveat of an unknown tag refuses the grant.
//! (C) What was shown by one machine is of no use to another.

use super::{Fields, SIGNATURE_LEN, public_of, sign, verify};
use model::{AccountId, BucketId, DeviceId, Stamp};

const LABEL: &str = "pumasi v1 grant";
const PROOF: &str = "pumasi v1 grant proof";
const MAGIC: &[u8; 4] = b"PMG1";
const HEAD: usize = 56;
/// Longest grant in bytes.
pub const GRANT_MAX: usize = 4 << 10;
/// Most blocks of one grant.
pub const BLOCKS_MAX: usize = 8;
/// Longest sealed prefix of a caveat in bytes.
pub const PREFIX_MAX: usize = 1_100;

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantOps(pub u16);

impl GrantOps {
    /// Read an object.
    pub const GET: Self = Self(1);
    /// Store an object.
    pub const PUT: Self = Self(2);
    /// See names.
    pub const LIST: Self = Self(4);
    /// Remove an object.
    pub const DELETE: Self = Self(8);
    /// All of these.
    pub const ALL: Self = Self(15);
    const WORDS: [(Self, &'static str); 4] =
        [(Self::GET, "get"), (Self::PUT, "put"), (Self::LIST, "list"), (Self::DELETE, "delete")];

    /// True when it has all of `other`.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Its words, in order.
    pub fn words(self) -> Vec<&'static str> {
        Self::WORDS.into_iter().filter(|(op, _)| self.has(*op)).map(|(_, word)| word).collect()
    }

    /// By its words, parted by commas.
    pub fn parse(text: &str) -> Option<Self> {
        let one = |word: &str| Self::WORDS.into_iter().find(|(_, w)| *w == word.trim()).map(|(op, _)| op.0);
        text.split(',').map(one).try_fold(0, |all, op| op.map(|op| all | op)).filter(|ops| *ops != 0).map(Self)
    }
}

/// What one block demands; what is none is not narrowed by it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caveats {
    /// Only these.
    pub ops: Option<GrantOps>,
    /// Only this bucket.
    pub bucket: Option<BucketId>,
    /// Only names that begin so, as the center knows them.
    pub prefix: Option<Vec<u8>>,
    /// Not earlier.
    pub not_before: Option<Stamp>,
    /// Not later.
    pub not_after: Option<Stamp>,
    /// Only by the machine of this key.
    pub recipient: Option<[u8; 32]>,
}

/// What is wrong with a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantFault {
    /// Its bytes are no grant, or a caveat is unknown.
    #[error("grant_malformed")]
    Malformed,
    /// A block is not signed by the key before it.
    #[error("grant_signature")]
    Signature,
    /// Its blocks allow nothing together.
    #[error("grant_empty")]
    Empty,
    /// Whoever shows it does not hold it.
    #[error("grant_proof")]
    Proof,
    /// It was given to another machine.
    #[error("grant_recipient")]
    Recipient,
    /// Its time is over, or has not come.
    #[error("grant_time")]
    Time,
}

/// What all blocks of a grant allow together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Whose bucket it is.
    pub account: AccountId,
    /// Who signed it: must speak for the account, with the right to.
    pub device: DeviceId,
    /// What may be done.
    pub ops: GrantOps,
    /// The bucket.
    pub bucket: BucketId,
    /// Names that begin so, as the center knows them.
    pub prefix: Vec<u8>,
    /// From when.
    pub not_before: Option<Stamp>,
    /// Until when.
    pub not_after: Option<Stamp>,
    /// Only by the machine of this key.
    pub recipient: Option<[u8; 32]>,
    /// Ids of its blocks: none of them may be revoked.
    pub ids: Vec<[u8; 16]>,
    /// Key whose secret proves that one holds it.
    pub holder: [u8; 32],
}

impl Caveats {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |tag: u8, value: Option<Vec<u8>>| {
            if let Some(value) = value {
                out.push(tag);
                out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
                out.extend_from_slice(&value);
            }
        };
        let time = |at: Option<Stamp>| at.map(|at| at.as_ms().to_le_bytes().to_vec());
        put(1, self.ops.map(|ops| ops.0.to_le_bytes().to_vec()));
        put(2, self.bucket.map(|bucket| bucket.0.to_vec()));
        put(3, self.prefix.clone());
        put(4, time(self.not_before));
        put(5, time(self.not_after));
        put(8, self.recipient.map(|key| key.to_vec()));
        out
    }

    /// Tags in rising order, each once: one form only.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (mut f, mut caveats, mut last) = (Fields::new(bytes), Self::default(), 0);
        while !f.is_empty() {
            let ([tag], len) = (f.take::<1>()?, usize::from(f.u16()?));
            let value = f.bytes(len)?;
            if tag <= last {
                return None;
            }
            last = tag;
            let time = || Some(Stamp(u64::from_le_bytes(value.try_into().ok()?)));
            match tag {
                1 => {
                    let bits = u16::from_le_bytes(value.try_into().ok()?);
                    caveats.ops = Some(GrantOps(bits)).filter(|ops| GrantOps::ALL.has(*ops)).map(Some)?;
                }
                2 => caveats.bucket = Some(BucketId(value.try_into().ok()?)),
                3 if len <= PREFIX_MAX => caveats.prefix = Some(value.to_vec()),
                4 => caveats.not_before = Some(time()?),
                5 => caveats.not_after = Some(time()?),
                8 => caveats.recipient = Some(value.try_into().ok()?),
                _ => return None,
            }
        }
        Some(caveats)
    }
}

/// Makes a grant: its bytes, and the secret that proves one holds it.
pub fn give(account: &AccountId, device: &[u8; 32], caveats: &Caveats, next: &[u8; 32]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[1, 0, 0, 0]);
    out.extend_from_slice(account.as_bytes());
    out.extend_from_slice(&public_of(device));
    push_block(&mut out, device, caveats, next);
    out
}

/// Narrows a grant one holds with `secret`; the new holder is who has `next`. Nothing where it has as many blocks as it may.
pub fn narrow(grant: &[u8], secret: &[u8; 32], caveats: &Caveats, next: &[u8; 32]) -> Option<Vec<u8>> {
    let allowed = check(grant).ok()?;
    if allowed.holder != public_of(secret) || allowed.ids.len() >= BLOCKS_MAX {
        return None;
    }
    let mut out = grant.to_vec();
    push_block(&mut out, secret, caveats, next);
    check(&out).ok().map(|_| out)
}

fn push_block(out: &mut Vec<u8>, secret: &[u8; 32], caveats: &Caveats, next: &[u8; 32]) {
    let before = *blake3::hash(&out[8..]).as_bytes();
    let body = caveats.to_bytes();
    let start = out.len();
    out.extend_from_slice(&u16::try_from(body.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(&body);
    out.extend_from_slice(&public_of(next));
    let signature = sign(secret, LABEL, &[&before[..], &out[start..]].concat());
    out.extend_from_slice(&signature);
    out[5] += 1;
}

/// What a grant allows, when every block is signed by the one before it. Who signed the first is for the caller to judge.
///
/// # Errors
/// [`GrantFault::Malformed`], [`GrantFault::Signature`], [`GrantFault::Empty`].
pub fn check(bytes: &[u8]) -> Result<Allowed, GrantFault> {
    let malformed = GrantFault::Malformed;
    if bytes.len() > GRANT_MAX {
        return Err(malformed);
    }
    let mut f = Fields::new(bytes);
    f.magic(MAGIC).ok_or(malformed)?;
    let [count] = f.take::<1>().ok_or(malformed)?;
    f.zero::<2>().ok_or(malformed)?;
    let account = AccountId(f.take().ok_or(malformed)?);
    let device = DeviceId(f.take().ok_or(malformed)?);
    if !(1..=BLOCKS_MAX).contains(&usize::from(count)) {
        return Err(malformed);
    }
    let (mut key, mut start, mut ids, mut all) = (device.0, HEAD, Vec::new(), Vec::new());
    for _ in 0..count {
        let len = usize::from(f.u16().ok_or(malformed)?);
        let caveats = f.bytes(len).and_then(Caveats::parse).ok_or(malformed)?;
        let (next, signature) = (f.take().ok_or(malformed)?, f.take::<SIGNATURE_LEN>().ok_or(malformed)?);
        let end = start + 2 + len + 32;
        let before = blake3::hash(&bytes[8..start]);
        if !verify(&key, LABEL, &[&before.as_bytes()[..], &bytes[start..end]].concat(), &signature) {
            return Err(GrantFault::Signature);
        }
        let hash = blake3::hash(&[&before.as_bytes()[..], &bytes[start..end + SIGNATURE_LEN]].concat());
        ids.push(hash.as_bytes()[..16].try_into().map_err(|_| malformed)?);
        all.push(caveats);
        (key, start) = (next, end + SIGNATURE_LEN);
    }
    if !f.is_empty() {
        return Err(malformed);
    }
    together(&all, account, device, ids, key).ok_or(GrantFault::Empty)
}

/// The intersection of all blocks; nothing where it is empty, or names no bucket.
fn together(
    all: &[Caveats],
    account: AccountId,
    device: DeviceId,
    ids: Vec<[u8; 16]>,
    holder: [u8; 32],
) -> Option<Allowed> {
    let ops = all.iter().filter_map(|c| c.ops).fold(GrantOps::ALL.0, |all, ops| all & ops.0);
    let mut prefix: &[u8] = &[];
    for narrower in all.iter().filter_map(|c| c.prefix.as_deref()) {
        prefix = narrower.starts_with(prefix).then_some(narrower)?;
    }
    let bucket = same(all.iter().filter_map(|c| c.bucket))?;
    let recipient = same(all.iter().filter_map(|c| c.recipient))?;
    (ops != 0).then_some(Allowed {
        account,
        device,
        ops: GrantOps(ops),
        bucket: bucket?,
        prefix: prefix.to_vec(),
        not_before: all.iter().filter_map(|c| c.not_before).max(),
        not_after: all.iter().filter_map(|c| c.not_after).min(),
        recipient,
        ids,
        holder,
    })
}

/// The one value of all; `Some(None)` where there is none, nothing where they differ.
fn same<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<Option<T>> {
    let Some(first) = values.next() else { return Some(None) };
    values.all(|value| value == first).then_some(Some(first))
}

/// The word of who holds `grant`, for a call of the machine with the key `caller`.
pub fn prove(grant: &[u8], secret: &[u8; 32], caller: &[u8; 32]) -> [u8; SIGNATURE_LEN] {
    sign(secret, PROOF, &[&caller[..], blake3::hash(grant).as_bytes()].concat())
}

impl Allowed {
    /// Whether the machine `caller` may use the grant at `now`, with its proof.
    ///
    /// # Errors
    /// [`GrantFault::Proof`], [`GrantFault::Recipient`], [`GrantFault::Time`].
    pub fn shown(&self, grant: &[u8], proof: &[u8], caller: &[u8; 32], now: Stamp) -> Result<(), GrantFault> {
        if !verify(&self.holder, PROOF, &[&caller[..], blake3::hash(grant).as_bytes()].concat(), proof) {
            return Err(GrantFault::Proof);
        }
        if self.recipient.is_some_and(|key| key != *caller) {
            return Err(GrantFault::Recipient);
        }
        let is_in_time = self.not_before.is_none_or(|from| from <= now) && self.not_after.is_none_or(|to| now <= to);
        if is_in_time { Ok(()) } else { Err(GrantFault::Time) }
    }

    /// Whether a name lies within it.
    pub fn covers(&self, name_sealed: &[u8]) -> bool {
        name_sealed.starts_with(&self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ACCOUNT: AccountId = AccountId([1; 16]);
    const DEVICE: [u8; 32] = [2; 32];
    const CALLER: [u8; 32] = [7; 32];
    const NOW: Stamp = Stamp(1_800_000_000_000);

    fn caveats() -> Caveats {
        let ops = Some(GrantOps(GrantOps::GET.0 | GrantOps::LIST.0));
        Caveats {
            ops,
            bucket: Some(BucketId([3; 16])),
            prefix: Some(b"ab".to_vec()),
            not_after: Some(NOW),
            ..Caveats::default()
        }
    }

    #[test]
    fn a_grant_reads_back_every_bit_counts_and_only_its_holder_may_show_it() {
        let grant = give(&ACCOUNT, &DEVICE, &caveats(), &[5; 32]);
        let allowed = check(&grant).unwrap();
        assert_eq!(
            (allowed.account, allowed.device, allowed.bucket),
            (ACCOUNT, DeviceId(public_of(&DEVICE)), BucketId([3; 16]))
        );
        assert_eq!(allowed.ops.words(), ["get", "list"]);
        assert!(allowed.covers(b"abc") && !allowed.covers(b"a"));
        for bit in 0..grant.len() * 8 {
            let mut bad = grant.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let same = check(&bad).is_ok_and(|other| other == allowed);
            assert!(!same, "bit {bit}");
        }
        let proof = prove(&grant, &[5; 32], &CALLER);
        assert_eq!(allowed.shown(&grant, &proof, &CALLER, NOW), Ok(()));
        assert_eq!(allowed.shown(&grant, &proof, &[8; 32], NOW), Err(GrantFault::Proof), "(C)");
        assert_eq!(allowed.shown(&grant, &prove(&grant, &[6; 32], &CALLER), &CALLER, NOW), Err(GrantFault::Proof));
        let late = Stamp(NOW.as_ms() + 1);
        assert_eq!(allowed.shown(&grant, &proof, &CALLER, late), Err(GrantFault::Time));
    }

    #[test]
    fn a_block_narrows_and_never_widens() {
        let grant = give(&ACCOUNT, &DEVICE, &caveats(), &[5; 32]);
        let less = Caveats {
            ops: Some(GrantOps(GrantOps::GET.0 | GrantOps::PUT.0)),
            prefix: Some(b"abc".to_vec()),
            recipient: Some(CALLER),
            ..Caveats::default()
        };
        let narrower = narrow(&grant, &[5; 32], &less, &[6; 32]).unwrap();
        let allowed = check(&narrower).unwrap();
        assert_eq!((allowed.ops, allowed.ids.len()), (GrantOps::GET, 2), "(A)");
        assert_eq!(allowed.ids[0], check(&grant).unwrap().ids[0], "revoking the parent ends it");
        let proof = prove(&narrower, &[6; 32], &[8; 32]);
        assert_eq!(allowed.shown(&narrower, &proof, &[8; 32], NOW), Err(GrantFault::Recipient));
        assert!(narrow(&grant, &[9; 32], &less, &[6; 32]).is_none(), "not its holder");
        let wider = Caveats { prefix: Some(b"a".to_vec()), ..Caveats::default() };
        assert!(narrow(&grant, &[5; 32], &wider, &[6; 32]).is_none(), "another prefix");
        let other = Caveats { bucket: Some(BucketId([4; 16])), ..Caveats::default() };
        assert!(narrow(&grant, &[5; 32], &other, &[6; 32]).is_none(), "another bucket");
        let mut chain = grant;
        for _ in 1..BLOCKS_MAX {
            chain = narrow(&chain, &[5; 32], &Caveats::default(), &[5; 32]).unwrap();
        }
        assert!(narrow(&chain, &[5; 32], &Caveats::default(), &[5; 32]).is_none(), "as many blocks as it may have");
        assert!(check(&give(&ACCOUNT, &DEVICE, &Caveats::default(), &[5; 32])).is_err(), "no bucket");
    }

    #[test]
    fn an_unknown_or_repeated_caveat_refuses() {
        assert!(Caveats::parse(&[6, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_none(), "(B)");
        let twice = [caveats().to_bytes(), caveats().to_bytes()].concat();
        assert!(Caveats::parse(&twice).is_none());
        assert_eq!(GrantOps::parse("get, list"), Some(GrantOps(5)));
        assert!(GrantOps::parse("get,own").is_none() && GrantOps::parse("").is_none());
    }

    #[test]
    fn bytes_of_a_grant_are_locked() {
        let hex: String = give(&ACCOUNT, &DEVICE, &caveats(), &[5; 32]).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, include_str!("../../tests/golden/grant.txt").trim());
    }

    proptest! {
        #[test]
        fn random_bytes_are_no_grant_and_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if bytes.len() > 8 {
                bytes[..8].copy_from_slice(&[b'P', b'M', b'G', b'1', 1, 1, 0, 0]);
            }
            prop_assert!(check(&bytes).is_err());
            let _ = Caveats::parse(&bytes);
        }
    }
}
