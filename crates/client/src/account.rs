//! The account as one of its devices knows it: its root, its keys, its device log; made, opened, recovered, added to.
//!
//! (A) Nothing the center says of an account is believed: its log is replayed from the first entry and must be the one whose
//! identity the keybag, opened by the root, holds. (B) A log that was seen never gets shorter or another.

use crate::{AskCenter, ClientError};
use model::{AccountId, DeviceId, Stamp, errors};
use rand_core::Rng;
use seal::{AccountRoot, BoxSecret, BucketKeys, Keybag, Phrase, Wrapped};
use serde::{Deserialize, Serialize};
use wire::account::{AccountInfo, AccountMake, GrantLine, GrantNote, SlotPut};
use wire::signed::{Caveats, DeviceChange, DeviceLog, GrantOps, Rights, grant, public_of};
use wire::{Link, RefusalMsg, Reply, Request, Ticket};

/// An account that proved itself.
#[derive(Clone)]
pub struct Account {
    /// Its root.
    pub root: AccountRoot,
    /// Its keys.
    pub bag: Keybag,
    /// Its devices.
    pub log: DeviceLog,
    /// When its recovery phrase was issued.
    pub phrase_at: Option<Stamp>,
}

/// What a device remembers of the log it saw last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenLog {
    /// The account.
    pub account: AccountId,
    /// Entries.
    pub len: u64,
    /// Hash of the last one.
    pub head: [u8; 32],
    /// When the account's recovery phrase was issued, on whichever of its devices.
    #[serde(default)]
    pub phrase_at: Option<Stamp>,
}

/// What is granted, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantAsk {
    /// What may be done.
    pub ops: GrantOps,
    /// Until when; none: until it is revoked.
    pub not_after: Option<Stamp>,
    /// Only by the machine of this key.
    pub recipient: Option<[u8; 32]>,
    /// What its giver's list calls it.
    pub note: String,
}

/// A device: its secret, and its clock.
#[derive(Clone, Copy)]
pub struct Me<'a> {
    /// Secret of its key.
    pub secret: &'a [u8; 32],
    /// Now.
    pub now: Stamp,
}

impl Me<'_> {
    /// Its id.
    pub fn id(&self) -> DeviceId {
        DeviceId(public_of(self.secret))
    }

    fn added(&self, rights: Rights, name: &str) -> DeviceChange {
        let box_key = BoxSecret::of_device(self.secret).public().as_bytes().to_vec();
        DeviceChange::Add { device: self.id(), box_key, rights, name: name.to_owned() }
    }
}

async fn ask(center: &AskCenter, request: Request) -> Result<Reply, ClientError> {
    Ok(center(request).await?.into_answer()?)
}

/// The account of the calling member as the center carries it.
///
/// # Errors
/// [`ClientError`].
pub async fn info(center: &AskCenter) -> Result<Option<AccountInfo>, ClientError> {
    match ask(center, Request::AccountShow).await? {
        Reply::Account(found) => Ok(found.map(|boxed| *boxed)),
        _ => Err(ClientError::Unexpected("no account")),
    }
}

impl Account {
    /// Opens what the center carries, with the root.
    ///
    /// # Errors
    /// [`ClientError::WrongKey`] for another account's root, [`ClientError::Log`].
    pub fn open(root: &AccountRoot, info: &AccountInfo) -> Result<Self, ClientError> {
        let log = DeviceLog::replay(info.entries.iter().map(Vec::as_slice))?;
        let bag = Keybag::open(root, &log.account.0, &info.keybag).map_err(|_| ClientError::WrongKey)?;
        if public_of(bag.signing()) != log.identity || bag.boxes().public().as_bytes()[..] != log.box_key[..] {
            return Err(ClientError::WrongKey);
        }
        Ok(Self { root: root.clone(), bag, log, phrase_at: info.phrase_at })
    }

    /// Makes the account of a member's first device, with a root that is kept already.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::WrongKey`] where the member has an account of another root.
    pub async fn make(center: &AskCenter, root: &AccountRoot, me: Me<'_>, name: &str) -> Result<Self, ClientError> {
        let bag = Keybag::random(&mut rand::rng());
        let (mut log, first) = DeviceLog::create(bag.signing(), bag.boxes().public().as_bytes(), me.now)?;
        let second = log.next(me.added(Rights::ALL, name), bag.signing(), me.now)?;
        log.push(&second)?;
        let keybag = bag.seal(root, &log.account.0, &mut rand::rng())?;
        let make = AccountMake { entries: vec![first, second], keybag };
        match ask(center, Request::AccountMake(Box::new(make))).await? {
            Reply::Account(Some(info)) => Self::open(root, &info),
            _ => Err(ClientError::Unexpected("no account")),
        }
    }

    /// What to remember of its log.
    pub fn seen(&self) -> SeenLog {
        SeenLog { account: self.log.account, len: self.log.len, head: self.log.head, phrase_at: self.phrase_at }
    }

    /// Refuses a log that is older than the one seen before, or another (B).
    ///
    /// # Errors
    /// [`ClientError::Head`].
    pub fn follows(&self, seen: &SeenLog, info: &AccountInfo) -> Result<(), ClientError> {
        if seen.account != self.log.account {
            return Err(ClientError::Head("another account than it did before (fork_seen)"));
        }
        if self.log.len < seen.len {
            return Err(ClientError::Head("an older device log than it did before (head_rolled_back)"));
        }
        let then = usize::try_from(seen.len).ok().and_then(|len| info.entries.get(len.checked_sub(1)?));
        match then.map(|entry| *blake3::hash(entry).as_bytes()) {
            Some(hash) if hash == seen.head => Ok(()),
            _ => Err(ClientError::Head("another device log than it did before (fork_seen)")),
        }
    }

    /// Appends to the log by the word of a device.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with E0106 where the device may not.
    pub async fn push(&mut self, center: &AskCenter, change: DeviceChange, me: Me<'_>) -> Result<(), ClientError> {
        let entry = self.entry(change, me)?;
        self.append(center, &entry).await
    }

    async fn append(&mut self, center: &AskCenter, entry: &[u8]) -> Result<(), ClientError> {
        ask(center, Request::DeviceLogPush(entry.to_vec())).await?;
        Ok(self.log.push(entry)?)
    }

    fn entry(&self, change: DeviceChange, me: Me<'_>) -> Result<Vec<u8>, ClientError> {
        self.must(me, Rights::ADMIN, "change", "the devices and the phrase of its account")?;
        Ok(self.log.next(change, me.secret, me.now)?)
    }

    /// Refuses with E0106 what a device has no right to.
    fn must(&self, me: Me<'_>, right: Rights, verb: &str, thing: &str) -> Result<(), ClientError> {
        let facts = self.log.device(&me.id());
        if facts.is_some_and(|facts| facts.rights.has(right)) {
            return Ok(());
        }
        let who = facts.map_or_else(|| me.id().short(), |facts| facts.name.clone());
        let args = [("who", who), ("verb", verb.to_owned()), ("thing", thing.to_owned())];
        Err(ClientError::Refused(RefusalMsg::new(errors::NOT_ALLOWED, args)))
    }

    /// A new recovery phrase; the one before it opens nothing any more.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn new_phrase(&mut self, center: &AskCenter, me: Me<'_>) -> Result<Phrase, ClientError> {
        let phrase = Phrase::random(&mut rand::rng());
        let entry = self.entry(DeviceChange::Recovery(public_of(&phrase.signing())), me)?;
        let wrap = phrase.wrap(&self.log.account.0, &self.root, &mut rand::rng());
        let put = SlotPut { locator: phrase.locator(), wrap: wrap.as_bytes().to_vec(), entry: entry.clone() };
        ask(center, Request::SlotPut(Box::new(put))).await?;
        self.log.push(&entry)?;
        self.phrase_at = Some(me.now);
        Ok(phrase)
    }

    /// The account a phrase opens; nothing is changed by it.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with E0111 where no account has this phrase, [`ClientError::WrongKey`].
    pub async fn by_phrase(center: &AskCenter, phrase: &Phrase) -> Result<(Self, AccountInfo), ClientError> {
        let Reply::Slot(slot) = ask(center, Request::SlotGet(phrase.locator())).await? else {
            return Err(ClientError::Unexpected("no slot"));
        };
        let root = phrase.open(&slot.account.account.0, &Wrapped::parse(&slot.wrap)?)?;
        let account = Self::open(&root, &slot.account)?;
        if account.log.recovery != Some(public_of(&phrase.signing())) {
            return Err(ClientError::WrongKey);
        }
        Ok((account, slot.account))
    }

    /// Takes a device in, by the word of the account's identity.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn add_me(&mut self, center: &AskCenter, me: Me<'_>, name: &str) -> Result<(), ClientError> {
        if self.log.device(&me.id()).is_some() {
            return Ok(());
        }
        let entry = self.log.next(me.added(Rights::ALL, name), self.bag.signing(), me.now)?;
        self.append(center, &entry).await
    }

    /// Grants a part of a bucket: notes it in the account's list, and makes the link.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with E0106 where the device may not.
    pub async fn give(
        &self,
        center: &AskCenter,
        me: Me<'_>,
        keys: &BucketKeys,
        what: &GrantAsk,
        address: Ticket,
    ) -> Result<Link, ClientError> {
        self.must(me, Rights::APPROVE, "give", "links")?;
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        let caveats = Caveats {
            ops: Some(what.ops),
            bucket: Some(*keys.bucket()),
            prefix: (!keys.base_sealed().is_empty()).then(|| keys.base_sealed().to_vec()),
            not_before: None,
            not_after: what.not_after,
            recipient: what.recipient,
        };
        let given = grant::give(&self.log.account, me.secret, &caveats, &secret);
        let id = grant_id(&given)?;
        let note = self.root.notes().seal(&id, what.note.as_bytes(), &mut rand::rng());
        let noted = GrantNote { id, bucket: *keys.bucket(), note, not_after: what.not_after };
        ask(center, Request::GrantNote(Box::new(noted))).await?;
        Ok(Link { address, grant: given, secret, keys: keys.to_bytes() })
    }

    /// Grants this account gave, each with its note where this root opens it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn grants(
        center: &AskCenter,
        root: &AccountRoot,
    ) -> Result<Vec<(GrantLine, Option<String>)>, ClientError> {
        let Reply::Grants(lines) = ask(center, Request::GrantList).await? else {
            return Err(ClientError::Unexpected("no grants"));
        };
        let notes = root.notes();
        let opened = |line: GrantLine| {
            let note = notes.open(&line.note.id, &line.note.note).ok().and_then(|plain| String::from_utf8(plain).ok());
            (line, note)
        };
        Ok(lines.into_iter().map(opened).collect())
    }
}

/// Id of a grant's first block, by which its giver revokes it.
///
/// # Errors
/// [`ClientError::Unexpected`] for bytes that are no grant.
pub fn grant_id(grant: &[u8]) -> Result<[u8; 16], ClientError> {
    grant::check(grant).map(|allowed| allowed.ids[0]).map_err(|_| ClientError::Unexpected("no grant"))
}

/// A link narrowed to a folder below, fewer operations or a shorter time, without asking anybody.
///
/// # Errors
/// [`ClientError::Seal`] where its keys do not reach so far, [`ClientError::Refused`] with E0106 where it would be wider or too
/// long.
pub fn narrow(link: &Link, below: Option<&str>, what: &GrantAsk) -> Result<Link, ClientError> {
    let keys = BucketKeys::parse(&link.keys)?;
    let keys = match below {
        Some(path) if path.ends_with('/') => keys.folder(path)?,
        Some(path) => keys.object(path)?,
        None => keys,
    };
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    let caveats = Caveats {
        ops: Some(what.ops),
        bucket: None,
        prefix: below.map(|_| keys.base_sealed().to_vec()),
        not_before: None,
        not_after: what.not_after,
        recipient: what.recipient,
    };
    let narrowed = grant::narrow(&link.grant, &link.secret, &caveats, &secret);
    let given = narrowed.ok_or_else(|| {
        let args = [("who", "who holds a link"), ("verb", "widen"), ("thing", "it, nor narrow it more than 7 times")];
        ClientError::Refused(RefusalMsg::new(errors::NOT_ALLOWED, args.map(|(key, value)| (key, value.to_owned()))))
    })?;
    Ok(Link { address: link.address.clone(), grant: given, secret, keys: keys.to_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::MemberId;

    const ME: [u8; 32] = [3; 32];
    const NOW: Stamp = Stamp(1_800_000_000_000);

    fn carried() -> (AccountRoot, AccountInfo) {
        let (root, bag) = (AccountRoot::from_bytes([1; 32]), Keybag::random(&mut rand::rng()));
        let (mut log, first) = DeviceLog::create(bag.signing(), bag.boxes().public().as_bytes(), NOW).unwrap();
        let me = Me { secret: &ME, now: NOW };
        let second = log.next(me.added(Rights::ALL, "one"), bag.signing(), NOW).unwrap();
        log.push(&second).unwrap();
        let keybag = bag.seal(&root, &log.account.0, &mut rand::rng()).unwrap();
        let (account, member, entries) = (log.account, MemberId([2; 16]), vec![first, second]);
        (root, AccountInfo { account, member, entries, keybag, phrase_at: None })
    }

    #[test]
    fn a_center_that_shows_less_than_it_did_or_another_log_is_refused() {
        let (root, info) = carried();
        let account = Account::open(&root, &info).unwrap();
        assert!(account.follows(&account.seen(), &info).is_ok());
        let mut longer = info.clone();
        let removed = account.log.next(DeviceChange::Recovery([9; 32]), &ME, NOW).unwrap();
        longer.entries.push(removed);
        let after = Account::open(&root, &longer).unwrap();
        assert!(after.follows(&account.seen(), &longer).is_ok(), "a log grows");
        let back = account.follows(&after.seen(), &info);
        assert!(matches!(back, Err(ClientError::Head(why)) if why.contains("head_rolled_back")));
        let mut other = info.clone();
        other.entries.push(account.log.next(DeviceChange::Recovery([8; 32]), &ME, NOW).unwrap());
        let fork = Account::open(&root, &other).unwrap().follows(&after.seen(), &other);
        assert!(matches!(fork, Err(ClientError::Head(why)) if why.contains("fork_seen")));
    }

    #[tokio::test]
    async fn a_device_does_only_what_it_may_though_it_has_every_key() {
        let (root, mut info) = carried();
        let mut account = Account::open(&root, &info).unwrap();
        let (small, admin) = (Me { secret: &[4; 32], now: NOW }, Me { secret: &ME, now: NOW });
        let entry = account.log.next(small.added(Rights::USE, "small"), admin.secret, NOW).unwrap();
        account.log.push(&entry).unwrap();
        info.entries.push(entry);
        let nobody: AskCenter = std::sync::Arc::new(|_| panic!("nothing is asked for what it may not"));
        let not_allowed = |done: Result<(), ClientError>| matches!(done, Err(ClientError::Refused(no)) if no.id == errors::NOT_ALLOWED);
        assert!(not_allowed(account.push(&nobody, DeviceChange::Remove(admin.id()), small).await));
        assert!(not_allowed(account.new_phrase(&nobody, small).await.map(drop)));
        let keys = root.bucket(&root.bucket_id("b"));
        let what = GrantAsk { ops: GrantOps::GET, not_after: None, recipient: None, note: String::new() };
        let kind = wire::TicketKind::Address;
        let (cloud, secret) = (model::CloudKey([3; 32]), [0; 16]);
        let address = Ticket { kind, cloud, secret, expires: NOW, direct: Vec::new(), relay: None };
        assert!(not_allowed(account.give(&nobody, small, &keys, &what, address).await.map(drop)));
        assert!(Account::open(&root, &info).is_ok(), "its own word in the log is as good as any");
    }

    #[test]
    fn another_root_or_another_account_s_keys_open_nothing() {
        let (root, info) = carried();
        let open = |root: &AccountRoot, info: &AccountInfo| Account::open(root, info).map(|_| ());
        assert!(matches!(open(&AccountRoot::from_bytes([2; 32]), &info), Err(ClientError::WrongKey)));
        let (_, stranger) = carried();
        let swapped = AccountInfo { keybag: stranger.keybag.clone(), ..info.clone() };
        assert!(matches!(open(&root, &swapped), Err(ClientError::WrongKey)), "the same root, another account's keybag");
        let swapped = AccountInfo { entries: stranger.entries, ..info.clone() };
        assert!(matches!(open(&root, &swapped), Err(ClientError::WrongKey)));
        let cut = AccountInfo { entries: info.entries[1..].to_vec(), ..info };
        assert!(matches!(open(&root, &cut), Err(ClientError::Log(_))));
    }
}
