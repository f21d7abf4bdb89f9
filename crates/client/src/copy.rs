//! The account's copy in the pool (`docs/design/storage.md` §15): device log, keybag, the wrap a phrase opens, and what its buckets
//! are, so that a center without its database gets the account back from who has its phrase, or one of its devices.
//!
//! (A) Nothing in the pool opens it but the phrase or the root. (B) Of several copies the one with the longest device log counts.

use crate::bucket::HIDDEN;
use crate::located::Found;
use crate::put::{PutAsk, RunAsk, settle};
use crate::settings::SETTINGS;
use crate::stage::Begun;
use crate::{Bucket, BucketAsk, Client, ClientError};
use model::errors;
use rand_core::Rng;
use seal::{AccountLabel, AccountRoot, LabelKind, Phrase, Wrapped, open_run};
use std::io::Cursor;
use wire::limits::BRING_ENTRIES_MAX;
use wire::rebuild::{AccountBring, Vouched};
use wire::signed::{AccountCopy, CommitOp, CopiedBucket, DeviceLog};
use wire::{RefusalMsg, Reply, Request};

/// Name of the object in its own bucket.
const NAME: &str = "account";

/// A copy that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// As it was stored.
    pub copy: AccountCopy,
    /// Bytes of its content.
    pub bytes: u64,
}

fn hidden() -> String {
    format!("{HIDDEN}account")
}

impl Client {
    /// The account as a copy tells it, gathered from the center.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn account_copy(&self) -> Result<AccountCopy, ClientError> {
        let Reply::Account(Some(info)) = self.ask(Request::AccountShow).await? else {
            return Err(ClientError::Refused(RefusalMsg::new(errors::KEY_MISSING, [])));
        };
        let Reply::SlotMine(slot) = self.ask(Request::SlotMine).await? else {
            return Err(ClientError::Unexpected("no phrase's place"));
        };
        let voucher = self.vouched().await?.voucher;
        let Reply::Buckets(lines) = self.ask(Request::BucketList).await? else {
            return Err(ClientError::Unexpected("no buckets"));
        };
        let copied = |line: wire::storage::BucketLine| CopiedBucket {
            id: line.id,
            label: line.label,
            class: line.class,
            regions: line.regions,
            regions_min: line.regions_min,
            quota: line.quota,
        };
        let buckets = lines.into_iter().map(copied).collect();
        Ok(AccountCopy { voucher, entries: info.entries, keybag: info.keybag, slot, buckets })
    }

    /// The center's word on this machine, and whether it lost something.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn vouched(&self) -> Result<Vouched, ClientError> {
        match self.ask(Request::Vouch).await? {
            Reply::Vouched(vouched) => Ok(vouched),
            _ => Err(ClientError::Unexpected("no voucher")),
        }
    }

    /// Stores a copy among the pieces, in the place of the one before; of the buckets that are none of the owner's own making only
    /// that of settings is in it.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub async fn store_copy(&self, root: &AccountRoot, mut copy: AccountCopy) -> Result<Copied, ClientError> {
        let account = DeviceLog::replay(copy.entries.iter().map(Vec::as_slice))?.account;
        let is_kept = |name: String| !name.starts_with(HIDDEN) || name == SETTINGS;
        copy.buckets.retain(|bucket| root.open_label(&bucket.id, &bucket.label).is_ok_and(is_kept));
        let content = copy.to_bytes().ok_or(ClientError::Unexpected("an account that is too long for a copy"))?;
        let bucket = self.hidden_bucket(root).await?;
        let mut version = [0; 16];
        rand::rng().fill_bytes(&mut version);
        let (key, header) = root.account_copy(bucket.id(), &version);
        let (locator, wrap) = match &copy.slot {
            Some((locator, wrap)) => (*locator, Some(wrap.clone())),
            None => (root.locator(), None),
        };
        let label = AccountLabel { account, wrap, copy: version, locator }.to_bytes();
        let bytes = content.len() as u64;
        let begun = Begun { staging: None, key, header, version, kept: Vec::new() };
        let begun = self.begin_staged(&bucket, NAME, None, begun).await?;
        let kind = LabelKind::Log;
        let run = RunAsk { kind, version, run: 0, name: NAME, size_hint: bytes, begun, label: Some(label) };
        let mut stored = self.put_run(&bucket, run, Box::new(Cursor::new(content)), &|_, _, _| {}).await?;
        let staging = stored.staging.take();
        let name_sealed = bucket.seal_name(NAME)?;
        let named = self.name_it(&bucket, PutAsk::new(NAME), (CommitOp::Put, name_sealed), stored, &|_, _, _| {}).await;
        settle(staging, &named).await?;
        named.map(|_| Copied { copy, bytes })
    }

    /// The bucket of copies, made where it is not there. No state of it is remembered: it is made anew when it is lost.
    async fn hidden_bucket(&self, root: &AccountRoot) -> Result<Bucket, ClientError> {
        let bucket = Bucket::of(root, &hidden());
        match self.bucket_line(bucket.id()).await {
            Err(ClientError::Refused(no)) if no.id == errors::BUCKET_UNKNOWN => {
                self.make_bucket(root, &hidden(), &BucketAsk::default()).await?;
            }
            line => drop(line?),
        }
        Ok(bucket)
    }

    /// The account a phrase opens, as the pool has it: without any center that knows it, from nodes that told this one.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with E0111 where no holder has a copy that this phrase opens.
    pub async fn copy_by_phrase(&self, phrase: &Phrase) -> Result<(AccountRoot, AccountCopy), ClientError> {
        let locator = phrase.locator();
        let holders = self.holders_by(locator).await?;
        let mut best: Option<(AccountRoot, AccountCopy)> = None;
        for found in self.find_located(locator, holders).await {
            let opened = match self.open_copy(&found, phrase).await {
                Ok(opened) => opened,
                Err(error) => {
                    tracing::info!(%error, segment = %found.id.short(), "a copy of an account does not open");
                    continue;
                }
            };
            let len = |copy: &AccountCopy| (copy.entries.len(), copy.buckets.len());
            if best.as_ref().is_none_or(|(_, there)| len(there) < len(&opened.1)) {
                best = Some(opened);
            }
        }
        best.ok_or_else(|| ClientError::Refused(RefusalMsg::new(errors::KEY_MISSING, [])))
    }

    async fn open_copy(&self, found: &Found, phrase: &Phrase) -> Result<(AccountRoot, AccountCopy), ClientError> {
        let locator = phrase.locator();
        let label = found.labels.iter().find_map(|label| AccountLabel::parse(label).ok().filter(|l| l.wrap.is_some()));
        let label = label.ok_or(ClientError::WrongKey)?;
        let wrap = Wrapped::parse(label.wrap.as_deref().unwrap_or_default())?;
        let root = phrase.open(&label.account.0, &wrap)?;
        let (key, header) = root.account_copy(&root.bucket_id(&hidden()), &label.copy);
        let plain = open_run(&key, &header, &self.read_located(locator, found).await?)?;
        let copy = AccountCopy::parse(&plain).ok_or(ClientError::Unexpected("a copy that does not read"))?;
        let log = DeviceLog::replay(copy.entries.iter().map(Vec::as_slice))?;
        if log.account == label.account { Ok((root, copy)) } else { Err(ClientError::WrongKey) }
    }

    /// Brings the account of a copy to a center that lost it; told twice is told once.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn bring_account(&self, copy: &AccountCopy) -> Result<(), ClientError> {
        let bring = AccountBring {
            voucher: copy.voucher.clone(),
            entries: copy.entries.iter().take(BRING_ENTRIES_MAX).cloned().collect(),
            keybag: copy.keybag.clone(),
            slot: copy.slot.clone(),
        };
        let Reply::Account(Some(there)) = self.ask(Request::AccountBring(Box::new(bring))).await? else {
            return Err(ClientError::Unexpected("no account"));
        };
        // One that went back to an older state has fewer than came with the call.
        for entry in copy.entries.iter().skip(there.entries.len()) {
            self.ask(Request::DeviceLogPush(entry.clone())).await?;
        }
        Ok(())
    }
}
