//! Rules of what goes are gone through while a gateway runs, every [`LIFECYCLE_EVERY`] and when they were changed. Several machines
//! of an account may do so at once: each removal names the version it means.

use super::Face;
use super::lifecycle::{Known, Rule};
use super::settings::LIFECYCLE;
use crate::limits::{LIFECYCLE_EVERY, LIFECYCLE_PAGE, LIFECYCLE_STEP_MAX};
use client::{Bucket, ClientError, Entry, Expect, History, Past};
use model::{Stamp, errors};
use s3s::S3Result;

/// An object may have gone, or changed, since it was looked at.
fn or_gone<T>(done: Result<T, ClientError>) -> Result<bool, ClientError> {
    match done {
        Ok(_) => Ok(true),
        Err(ClientError::Refused(no))
            if [errors::PRECONDITION, errors::OBJECT_UNKNOWN, errors::UPLOAD_UNKNOWN].contains(&no.id) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

impl Face {
    /// Until it is dropped.
    pub(crate) async fn expire(self, now: fn() -> Stamp) {
        loop {
            if let Err(error) = self.expire_all(now).await {
                tracing::warn!(%error, "what goes by itself could not be gone through; it is tried again");
            }
            let _ = tokio::time::timeout(LIFECYCLE_EVERY, self.0.rules_changed.notified()).await;
        }
    }

    async fn expire_all(&self, now: fn() -> Stamp) -> Result<(), ClientError> {
        let client = self.client();
        let with_rules = client.buckets_with(self.root(), LIFECYCLE).await?;
        if with_rules.is_empty() {
            return Ok(());
        }
        for facts in client.buckets(self.root()).await? {
            let Some(name) = facts.name.filter(|_| with_rules.contains(&facts.id)) else { continue };
            // As it is now: another machine may have made it anew.
            self.forget_bucket(&name);
            match self.expire_of(&name, now).await {
                Ok(0) => {}
                Ok(gone) => tracing::info!(gone, "went by the rules of a bucket"),
                Err(error) => {
                    tracing::warn!(%error, "the rules of a bucket could not be gone through; they are tried again")
                }
            }
        }
        Ok(())
    }

    async fn expire_of(&self, name: &str, now: fn() -> Stamp) -> S3Result<usize> {
        let Some(rules) = self.rules(name).await? else { return Ok(0) };
        let bucket = self.bucket(name).await?;
        self.expire_one(&bucket, &rules, now).await.map_err(|error| self.fault(name, error))
    }

    async fn expire_one(&self, bucket: &Bucket, rules: &[Rule], now: fn() -> Stamp) -> Result<usize, ClientError> {
        let mut gone = 0;
        if rules.iter().any(Rule::is_of_uploads) {
            gone += self.expire_uploads(bucket, rules, now()).await?;
        }
        if rules.iter().any(Rule::is_of_objects) {
            gone += self.expire_objects(bucket, rules, now()).await?;
        }
        if rules.iter().any(Rule::is_of_history) {
            gone += self.expire_history(bucket, rules, now()).await?;
        }
        Ok(gone)
    }

    async fn expire_uploads(&self, bucket: &Bucket, rules: &[Rule], now: Stamp) -> Result<usize, ClientError> {
        let mut gone = 0;
        for upload in self.client().uploads(bucket).await? {
            if rules.iter().any(|rule| rule.gives_up(&upload.name, upload.at, now)) {
                gone += usize::from(or_gone(self.client().upload_abort(bucket, upload.id).await)?);
            }
        }
        Ok(gone)
    }

    async fn expire_objects(&self, bucket: &Bucket, rules: &[Rule], now: Stamp) -> Result<usize, ClientError> {
        let due: Vec<Rule> = rules.iter().filter(|rule| rule.is_of_objects()).cloned().collect();
        let (mut gone, mut after) = (0, String::new());
        loop {
            let (of, from) = (due.clone(), after.clone());
            // Of those with conditions on tags the manifest tells the rest.
            let may_be = move |entry: &Entry| entry.name > from && of.iter().any(|rule| may_go(rule, entry, now));
            let found = self.client().list_from(bucket, ("", &after), move |names| {
                names.filter(may_be).take(LIFECYCLE_PAGE).collect::<Vec<_>>()
            });
            let found = found.await?;
            let Some(last) = found.last() else { return Ok(gone) };
            after.clone_from(&last.name);
            for entry in found {
                gone += usize::from(self.expire_object(bucket, &due, &entry, now).await?);
            }
            if gone >= LIFECYCLE_STEP_MAX {
                return Ok(gone);
            }
        }
    }

    async fn expire_object(
        &self,
        bucket: &Bucket,
        due: &[Rule],
        entry: &Entry,
        now: Stamp,
    ) -> Result<bool, ClientError> {
        let is_plain = due.iter().any(|rule| !rule.wants_tags() && goes(rule, entry, &[], now));
        if !is_plain {
            let tags = self.tags_of(bucket, &entry.name, entry.version).await?;
            if !due.iter().any(|rule| goes(rule, entry, &tags, now)) {
                return Ok(false);
            }
        }
        or_gone(self.client().remove(bucket, &entry.name, Expect::Version(entry.version)).await)
    }

    /// Tags of a version; none where it has gone.
    async fn tags_of(
        &self,
        bucket: &Bucket,
        name: &str,
        version: [u8; 16],
    ) -> Result<Vec<(String, String)>, ClientError> {
        match self.client().show(bucket, name, Some(version)).await {
            Ok(shown) => Ok(shown.facts.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()),
            Err(error) => or_gone::<()>(Err(error)).map(|_| Vec::new()),
        }
    }

    async fn expire_history(&self, bucket: &Bucket, rules: &[Rule], now: Stamp) -> Result<usize, ClientError> {
        let mut history = History::default();
        self.client().read_history(bucket, &mut history).await?;
        let mut gone = 0;
        for (_, of_name) in history.names("", "") {
            for past in self.due_of(bucket, of_name, rules, now).await? {
                // Judged under this newest one: if another is by now, it is judged anew.
                let expect = of_name.last().filter(|newest| newest.entry.is_some());
                let expect = expect.map_or(Expect::Absent, |newest| Expect::Version(newest.version));
                let dropped = self.client().drop_version(bucket, &past.name, past.version, expect).await;
                gone += usize::from(or_gone(dropped)?);
                if gone >= LIFECYCLE_STEP_MAX {
                    return Ok(gone);
                }
            }
        }
        Ok(gone)
    }

    /// What goes of the history of one name, which is told newest last.
    async fn due_of<'a>(
        &self,
        bucket: &Bucket,
        of_name: &'a [Past],
        rules: &[Rule],
        now: Stamp,
    ) -> Result<Vec<&'a Past>, ClientError> {
        let Some((newest, older)) = of_name.split_last() else { return Ok(Vec::new()) };
        if older.is_empty() && newest.entry.is_none() {
            let goes = rules.iter().any(|rule| rule.ends_marker(&newest.name));
            return Ok(if goes { vec![newest] } else { Vec::new() });
        }
        let (mut due, mut since, mut newer) = (Vec::new(), newest.at, 0);
        for past in older.iter().rev() {
            let Some(entry) = &past.entry else {
                // A marker in between goes with what it took away.
                since = past.at;
                continue;
            };
            let tags = match rules.iter().any(|rule| rule.wants_tags() && rule.is_of_history()) {
                false => Vec::new(),
                true => self.tags_of(bucket, &past.name, past.version).await?,
            };
            let known = Known { name: &past.name, size: entry.size.0, tags: &tags };
            if rules.iter().any(|rule| rule.lets_go(known, since, newer, now)) {
                due.push(past);
            }
            (since, newer) = (past.at, newer + 1);
        }
        Ok(due)
    }
}

/// Whether an object goes by what a list tells of it, whatever its tags.
fn may_go(rule: &Rule, entry: &Entry, now: Stamp) -> bool {
    rule.may_expire(Known { name: &entry.name, size: entry.size.0, tags: &[] }, entry.at, now)
}

fn goes(rule: &Rule, entry: &Entry, tags: &[(String, String)], now: Stamp) -> bool {
    rule.expires(Known { name: &entry.name, size: entry.size.0, tags }, entry.at, now)
}
