//! The device log: one hash chain per account that says which machines speak for it (`docs/design/security.md` §5).
//!
//! Entry: magic `PMD1` 4 · format 1 · kind 1 · body length u16 2 · account 16 · sequence u64 8 · previous hash 32 · time ms u64 8 ·
//! signer 32 = 104 bytes, the body, signature 64. The account is the first 16 bytes of the hash of entry 0, where that field is
//! zero. Bodies: 1 create: identity key 32, its box key 1,216 · 2 add: device 32, box key 1,216, rights u16, name u8 + bytes ·
//! 3 remove: device 32 · 5 recovery: key 32 · 8 rights: device 32, rights u16.
//!
//! (A) An entry counts only behind the one before it, whole, signed by who may. (B) A removed device never comes back. (C) The
//! center can neither add to a log nor leave one of its entries out.

use super::{Fields, SIGNATURE_LEN, sign, verify};
use model::{AccountId, DeviceId, Stamp};
use std::collections::BTreeMap;

const LABEL: &str = "pumasi v1 device log";
const MAGIC: &[u8; 4] = b"PMD1";
const HEAD: usize = 104;
/// Public key of boxes, as `seal` makes it, in bytes.
pub const BOX_KEY_LEN: usize = 1_216;
/// Longest body in bytes.
pub const BODY_MAX: usize = 2_048;
/// Longest entry in bytes.
pub const ENTRY_MAX: usize = HEAD + BODY_MAX + SIGNATURE_LEN;
/// Entries of one log.
pub const LOG_MAX: usize = 512;
/// Longest name of a device in bytes.
const NAME_MAX: usize = 64;

/// What a device may do for its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(pub u16);

impl Rights {
    /// Store and read.
    pub const USE: Self = Self(1);
    /// Lend its own machine in the account's name.
    pub const LEND: Self = Self(2);
    /// Add, remove and change devices.
    pub const ADMIN: Self = Self(4);
    /// Spend credits.
    pub const SPEND: Self = Self(8);
    /// Sign grants.
    pub const APPROVE: Self = Self(16);
    /// All of these.
    pub const ALL: Self = Self(31);

    /// True when it has all of `other`.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Its words, in order.
    pub fn words(self) -> Vec<&'static str> {
        let all = [
            (Self::USE, "use"),
            (Self::LEND, "lend"),
            (Self::ADMIN, "admin"),
            (Self::SPEND, "spend"),
            (Self::APPROVE, "approve"),
        ];
        all.into_iter().filter(|(right, _)| self.has(*right)).map(|(_, word)| word).collect()
    }
}

/// What an entry does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceChange {
    /// Entry 0: the keys of the account's identity.
    Create {
        /// Signs for the account.
        identity: [u8; 32],
        /// To seal for the account.
        box_key: Vec<u8>,
    },
    /// A machine speaks for the account from now on; a known one gets a new box key, rights and name.
    Add {
        /// Its key.
        device: DeviceId,
        /// To seal for the machine.
        box_key: Vec<u8>,
        /// What it may do.
        rights: Rights,
        /// As its owner calls it, at most 64 bytes.
        name: String,
    },
    /// A machine speaks for it no more.
    Remove(DeviceId),
    /// Key whose holder may recover the account.
    Recovery([u8; 32]),
    /// A machine may do more or less.
    Rights(DeviceId, Rights),
}

/// Why a log does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// Not an entry of this format.
    #[error("entry_malformed")]
    Malformed,
    /// Its signature is not its signer's.
    #[error("entry_signature")]
    Signature,
    /// It does not stand behind the last one.
    #[error("entry_order")]
    Order,
    /// It is of another account.
    #[error("entry_account")]
    Account,
    /// Its signer may not do this.
    #[error("entry_signer")]
    Signer,
    /// It speaks of a device that is not there, or was removed.
    #[error("entry_device")]
    Device,
    /// The log has as many entries as it may.
    #[error("log_full")]
    Full,
}

/// A machine of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFacts {
    /// To seal for it.
    pub box_key: Vec<u8>,
    /// What it may do.
    pub rights: Rights,
    /// As its owner calls it.
    pub name: String,
    /// Since when.
    pub added: Stamp,
    /// Until when.
    pub removed: Option<Stamp>,
}

/// A log that was verified from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLog {
    /// Whose.
    pub account: AccountId,
    /// Signs for the account.
    pub identity: [u8; 32],
    /// To seal for the account.
    pub box_key: Vec<u8>,
    /// Entries.
    pub len: u64,
    /// Hash of the last one.
    pub head: [u8; 32],
    /// All machines, removed ones too.
    pub devices: BTreeMap<DeviceId, DeviceFacts>,
    /// Key whose holder may recover the account.
    pub recovery: Option<[u8; 32]>,
}

struct Entry {
    change: DeviceChange,
    account: AccountId,
    seq: u64,
    previous: [u8; 32],
    at: Stamp,
    signer: [u8; 32],
}

impl DeviceChange {
    const fn kind(&self) -> u8 {
        match self {
            Self::Create { .. } => 1,
            Self::Add { .. } => 2,
            Self::Remove(_) => 3,
            Self::Recovery(_) => 5,
            Self::Rights(..) => 8,
        }
    }

    fn body(&self) -> Vec<u8> {
        match self {
            Self::Create { identity, box_key } => [&identity[..], box_key].concat(),
            Self::Add { device, box_key, rights, name } => {
                let name = &name.as_bytes()[..name.len().min(NAME_MAX)];
                let len = u8::try_from(name.len()).unwrap_or(0);
                [&device.0[..], box_key, &rights.0.to_le_bytes(), &[len], name].concat()
            }
            Self::Remove(device) => device.0.to_vec(),
            Self::Recovery(key) => key.to_vec(),
            Self::Rights(device, rights) => [&device.0[..], &rights.0.to_le_bytes()].concat(),
        }
    }

    fn parse(kind: u8, body: &[u8]) -> Option<Self> {
        let mut f = Fields::new(body);
        let change = match kind {
            1 => Self::Create { identity: f.take()?, box_key: f.take::<BOX_KEY_LEN>()?.to_vec() },
            2 => {
                let (device, box_key) = (DeviceId(f.take()?), f.take::<BOX_KEY_LEN>()?.to_vec());
                let rights = Rights(f.u16()?);
                let [len] = f.take::<1>()?;
                let name = String::from_utf8(f.bytes(usize::from(len))?.to_vec()).ok()?;
                let fits = name.len() <= NAME_MAX && Rights::ALL.has(rights) && !name.chars().any(char::is_control);
                fits.then_some(())?;
                Self::Add { device, box_key, rights, name }
            }
            3 => Self::Remove(DeviceId(f.take()?)),
            5 => Self::Recovery(f.take()?),
            8 => Self::Rights(DeviceId(f.take()?), Rights(f.u16().filter(|bits| Rights::ALL.has(Rights(*bits)))?)),
            _ => return None,
        };
        f.is_empty().then_some(change)
    }
}

impl Entry {
    fn sign(&self, secret: &[u8; 32]) -> Vec<u8> {
        let body = self.change.body();
        let mut out = Vec::with_capacity(HEAD + body.len() + SIGNATURE_LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[1, self.change.kind()]);
        out.extend_from_slice(&u16::try_from(body.len()).unwrap_or(0).to_le_bytes());
        out.extend_from_slice(self.account.as_bytes());
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.previous);
        out.extend_from_slice(&self.at.as_ms().to_le_bytes());
        out.extend_from_slice(&self.signer);
        out.extend_from_slice(&body);
        let signature = sign(secret, LABEL, &out);
        out.extend_from_slice(&signature);
        out
    }

    fn check(bytes: &[u8]) -> Result<Self, LogFault> {
        let parsed = Self::parse(bytes).ok_or(LogFault::Malformed)?;
        let (fields, signature) = bytes.split_at(bytes.len() - SIGNATURE_LEN);
        if verify(&parsed.signer, LABEL, fields, signature) { Ok(parsed) } else { Err(LogFault::Signature) }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut f = Fields::new(bytes);
        f.magic(MAGIC)?;
        let ([kind], len) = (f.take::<1>()?, usize::from(f.u16()?));
        let (account, seq, previous, at) = (AccountId(f.take()?), f.u64()?, f.take()?, Stamp(f.u64()?));
        let signer = f.take()?;
        if len > BODY_MAX || bytes.len() != HEAD + len + SIGNATURE_LEN {
            return None;
        }
        let change = DeviceChange::parse(kind, f.bytes(len)?)?;
        Some(Self { change, account, seq, previous, at, signer })
    }
}

impl DeviceLog {
    /// A new account: its first entry, and the log with it.
    ///
    /// # Errors
    /// [`LogFault::Malformed`] where the box key has another length.
    pub fn create(identity: &[u8; 32], box_key: &[u8], at: Stamp) -> Result<(Self, Vec<u8>), LogFault> {
        let key = super::public_of(identity);
        let change = DeviceChange::Create { identity: key, box_key: box_key.to_vec() };
        let entry = Entry { change, account: AccountId([0; 16]), seq: 0, previous: [0; 32], at, signer: key };
        let bytes = entry.sign(identity);
        Ok((Self::begin(&bytes)?, bytes))
    }

    /// A log of one entry.
    ///
    /// # Errors
    /// [`LogFault`].
    pub fn begin(bytes: &[u8]) -> Result<Self, LogFault> {
        let entry = Entry::check(bytes)?;
        let DeviceChange::Create { identity, box_key } = entry.change else { return Err(LogFault::Order) };
        if entry.seq != 0 || entry.previous != [0; 32] || entry.account != AccountId([0; 16]) {
            return Err(LogFault::Order);
        }
        if entry.signer != identity {
            return Err(LogFault::Signer);
        }
        let head = *blake3::hash(bytes).as_bytes();
        let account = AccountId(head[..16].try_into().map_err(|_| LogFault::Malformed)?);
        Ok(Self { account, identity, box_key, len: 1, head, devices: BTreeMap::new(), recovery: None })
    }

    /// The account an entry behind the first says it is of, and the hash of the entry it stands behind: what can be looked at
    /// before a whole log is verified.
    pub fn claims(entry: &[u8]) -> Option<(AccountId, [u8; 32])> {
        Entry::parse(entry).map(|entry| (entry.account, entry.previous))
    }

    /// A whole log, verified from its first entry.
    ///
    /// # Errors
    /// [`LogFault`].
    pub fn replay<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, LogFault> {
        let mut entries = entries.into_iter();
        let mut log = Self::begin(entries.next().ok_or(LogFault::Malformed)?)?;
        entries.try_for_each(|entry| log.push(entry))?;
        Ok(log)
    }

    /// The next entry, signed; the log is as it was until it is pushed.
    ///
    /// # Errors
    /// [`LogFault`] where the log would not take it.
    pub fn next(&self, change: DeviceChange, secret: &[u8; 32], at: Stamp) -> Result<Vec<u8>, LogFault> {
        let signer = super::public_of(secret);
        let entry = Entry { change, account: self.account, seq: self.len, previous: self.head, at, signer };
        let bytes = entry.sign(secret);
        self.clone().push(&bytes)?;
        Ok(bytes)
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// [`LogFault`]; then nothing changed.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), LogFault> {
        let entry = Entry::check(bytes)?;
        if entry.account != self.account {
            return Err(LogFault::Account);
        }
        if entry.seq != self.len || entry.previous != self.head {
            return Err(LogFault::Order);
        }
        if self.len >= LOG_MAX as u64 {
            return Err(LogFault::Full);
        }
        let is_admin = |device: &DeviceFacts| device.removed.is_none() && device.rights.has(Rights::ADMIN);
        let may = entry.signer == self.identity || self.devices.get(&DeviceId(entry.signer)).is_some_and(is_admin);
        if !may {
            return Err(LogFault::Signer);
        }
        self.apply(entry.change, entry.at)?;
        self.len += 1;
        self.head = *blake3::hash(bytes).as_bytes();
        Ok(())
    }

    fn apply(&mut self, change: DeviceChange, at: Stamp) -> Result<(), LogFault> {
        let there = |facts: &mut DeviceFacts| facts.removed.is_none();
        match change {
            DeviceChange::Create { .. } => return Err(LogFault::Order),
            DeviceChange::Add { device, box_key, rights, name } => {
                let added = match self.devices.get(&device) {
                    Some(known) if known.removed.is_some() => return Err(LogFault::Device),
                    Some(known) => known.added,
                    None => at,
                };
                self.devices.insert(device, DeviceFacts { box_key, rights, name, added, removed: None });
            }
            DeviceChange::Remove(device) => {
                let facts = self.devices.get_mut(&device).ok_or(LogFault::Device)?;
                let is_there = there(facts);
                is_there.then(|| facts.removed = Some(at)).ok_or(LogFault::Device)?;
            }
            DeviceChange::Recovery(key) => self.recovery = Some(key),
            DeviceChange::Rights(device, rights) => {
                let facts = self.devices.get_mut(&device).ok_or(LogFault::Device)?;
                let is_there = there(facts);
                is_there.then(|| facts.rights = rights).ok_or(LogFault::Device)?;
            }
        }
        Ok(())
    }

    /// A machine that speaks for the account now.
    pub fn device(&self, id: &DeviceId) -> Option<&DeviceFacts> {
        self.devices.get(id).filter(|facts| facts.removed.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::public_of;
    use proptest::prelude::*;

    const AT: Stamp = Stamp(1_800_000_000_000);
    const IDENTITY: [u8; 32] = [1; 32];
    const FIRST: [u8; 32] = [2; 32];
    const SECOND: [u8; 32] = [3; 32];

    fn device(secret: &[u8; 32]) -> DeviceId {
        DeviceId(public_of(secret))
    }

    fn add(secret: &[u8; 32], rights: Rights) -> DeviceChange {
        DeviceChange::Add { device: device(secret), box_key: vec![7; BOX_KEY_LEN], rights, name: "laptop".into() }
    }

    fn log() -> (DeviceLog, Vec<Vec<u8>>) {
        let (mut log, first) = DeviceLog::create(&IDENTITY, &[5; BOX_KEY_LEN], AT).unwrap();
        let mut entries = vec![first];
        for (change, by) in [(add(&FIRST, Rights::ALL), &IDENTITY), (add(&SECOND, Rights::USE), &FIRST)] {
            let entry = log.next(change, by, AT).unwrap();
            log.push(&entry).unwrap();
            entries.push(entry);
        }
        (log, entries)
    }

    #[test]
    fn a_log_replays_and_nothing_in_it_can_be_changed_left_out_or_moved() {
        let (log, entries) = log();
        let replay = |entries: &[Vec<u8>]| DeviceLog::replay(entries.iter().map(Vec::as_slice));
        assert_eq!(replay(&entries), Ok(log.clone()));
        assert_eq!(DeviceLog::claims(&entries[2]), Some((log.account, *blake3::hash(&entries[1]).as_bytes())));
        assert!(log.device(&device(&SECOND)).is_some_and(|d| d.rights == Rights::USE && d.name == "laptop"));
        for at in 0..entries.len() {
            let mut less = entries.clone();
            less.remove(at);
            assert_eq!(replay(&less).is_ok(), at == entries.len() - 1, "(C): all but the last are needed");
            for bit in (0..entries[at].len() * 8).step_by(5) {
                let mut bad = entries.clone();
                bad[at][bit / 8] ^= 1 << (bit % 8);
                assert!(replay(&bad).is_err(), "(A): entry {at}, bit {bit}");
            }
        }
        let mut swapped = entries;
        swapped.swap(1, 2);
        assert!(replay(&swapped).is_err());
    }

    #[test]
    fn only_who_may_changes_it_and_the_removed_stay_so() {
        let (mut log, _) = log();
        assert_eq!(log.next(add(&[9; 32], Rights::USE), &SECOND, AT), Err(LogFault::Signer), "it is no admin");
        assert_eq!(log.next(add(&[9; 32], Rights::USE), &[8; 32], AT), Err(LogFault::Signer), "a stranger");
        let remove = log.next(DeviceChange::Remove(device(&SECOND)), &FIRST, AT).unwrap();
        log.push(&remove).unwrap();
        assert!(log.device(&device(&SECOND)).is_none());
        assert_eq!(log.next(add(&SECOND, Rights::USE), &FIRST, AT), Err(LogFault::Device), "(B)");
        assert_eq!(log.push(&remove), Err(LogFault::Order));
        let demote = log.next(DeviceChange::Rights(device(&FIRST), Rights::USE), &FIRST, AT).unwrap();
        log.push(&demote).unwrap();
        assert_eq!(log.next(DeviceChange::Recovery([4; 32]), &FIRST, AT), Err(LogFault::Signer));
        assert!(log.next(DeviceChange::Recovery([4; 32]), &IDENTITY, AT).is_ok());
        let (other, _) = DeviceLog::create(&[6; 32], &[5; BOX_KEY_LEN], AT).unwrap();
        let foreign = other.next(add(&FIRST, Rights::ALL), &[6; 32], AT).unwrap();
        assert_eq!(log.push(&foreign), Err(LogFault::Account));
    }

    #[test]
    fn bytes_of_an_entry_are_locked() {
        let (_, entries) = log();
        let hash: Vec<String> = entries.iter().map(|e| format!("{} {}", e.len(), blake3::hash(e).to_hex())).collect();
        assert_eq!(hash.join("\n"), include_str!("../../tests/golden/device_log.txt").trim());
    }

    proptest! {
        #[test]
        fn random_bytes_are_no_entry_and_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0u8..9) {
            if bytes.len() > 200 {
                let len = u16::try_from(bytes.len() - 168).unwrap_or(0).to_le_bytes();
                bytes[..8].copy_from_slice(&[b'P', b'M', b'D', b'1', 1, kind, len[0], len[1]]);
            }
            prop_assert!(DeviceLog::begin(&bytes).is_err());
        }
    }
}
