//! The history of a bucket's names: versions and markers, the newest of each name first.

use super::bucket::owner;
use super::error::bad;
use super::list::{Line, ListAsk, Page, Writes, fold, most, some, split};
use super::told::{self, time};
use super::{Done, Face};
use client::{History, Past};
use s3s::dto::*;
use s3s::{S3Response, S3Result};

/// A version, and whether it is its name's newest.
type Dated = (Past, bool);

/// A name's history, which is told newest last, newest first.
fn shown(of_name: &[Past]) -> impl Iterator<Item = Dated> + '_ {
    of_name.iter().rev().enumerate().map(|(at, past)| (past.clone(), at == 0))
}

/// One page of a history, behind a version of a name where one is named.
fn page_of(history: &History, ask: &ListAsk<'_>, version: Option<[u8; 16]>) -> S3Result<Page<Dated>> {
    let from = ask.after.unwrap_or_default();
    let all = || history.names(ask.prefix, from).flat_map(|(_, of_name)| shown(of_name));
    let Some((key, version)) = ask.after.zip(version) else { return Ok(fold(all(), ask, name_of)) };
    let mut of_key = all().take_while(|(past, _)| past.name == key);
    // One that has gone since is not found: then its name is told once more, and nothing is left out.
    let behind = of_key.position(|(past, _)| past.version == version).map_or(0, |at| at + 1);
    Ok(fold(all().skip(behind), &ListAsk { after: None, ..*ask }, name_of))
}

fn name_of(dated: &Dated) -> &str {
    &dated.0.name
}

impl Face {
    pub(super) async fn list_versions(&self, ask: ListObjectVersionsInput) -> Done<ListObjectVersionsOutput> {
        let (writes, most) = (Writes::of(ask.encoding_type.as_ref())?, most(ask.max_keys, "max-keys")?);
        let marker = ask.version_id_marker.as_deref().filter(|marker| !marker.is_empty());
        let after = ask.key_marker.as_deref().filter(|marker| !marker.is_empty());
        if marker.is_some() && after.is_none() {
            return Err(bad("A version-id marker cannot be specified without a key marker."));
        }
        let version = told::wanted(marker)?;
        let (prefix, delimiter) =
            (ask.prefix.as_deref().unwrap_or_default(), ask.delimiter.as_deref().unwrap_or_default());
        let of = ListAsk { prefix, delimiter, after, most };
        let opened = self.bucket(&ask.bucket).await?;
        let history = self.history(&ask.bucket, &opened).await?;
        let page = if most == 0 { Page { lines: Vec::new(), next: None } } else { page_of(&history, &of, version)? };
        drop(history);
        let next_version = page.next.as_ref().and_then(|_| match page.lines.last() {
            Some(Line::One((past, _))) => Some(told::version(past.version)),
            _ => None,
        });
        let next_key = page.next.as_deref().map(|next| writes.name(next));
        let (all, folded) = split(page.lines, writes);
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        for dated in all {
            match line(dated, writes) {
                Ok(version) => versions.push(version),
                Err(marker) => markers.push(marker),
            }
        }
        let output = ListObjectVersionsOutput {
            common_prefixes: some(folded),
            delete_markers: some(markers),
            delimiter: writes.opt(ask.delimiter.as_deref()),
            is_truncated: Some(next_key.is_some()),
            key_marker: Some(writes.name(ask.key_marker.as_deref().unwrap_or_default())),
            max_keys: i32::try_from(most).ok(),
            next_key_marker: next_key,
            next_version_id_marker: next_version,
            prefix: Some(writes.name(prefix)),
            version_id_marker: Some(ask.version_id_marker.unwrap_or_default()),
            versions: some(versions),
            encoding_type: ask.encoding_type,
            name: Some(ask.bucket),
            ..ListObjectVersionsOutput::default()
        };
        Ok(S3Response::new(output))
    }
}

/// A version as S3 shows it, or a marker.
fn line((past, is_latest): Dated, writes: Writes) -> Result<ObjectVersion, DeleteMarkerEntry> {
    let (key, version_id) = (Some(writes.name(&past.name)), Some(told::version(past.version)));
    let (is_latest, last_modified, owner) = (Some(is_latest), Some(time(past.at)), Some(owner()));
    match past.entry {
        Some(entry) => Ok(ObjectVersion {
            e_tag: Some(told::etag(&entry)),
            is_latest,
            key,
            last_modified,
            owner,
            size: i64::try_from(entry.size.0).ok(),
            storage_class: Some(ObjectVersionStorageClass::from_static(ObjectVersionStorageClass::STANDARD)),
            version_id,
            ..ObjectVersion::default()
        }),
        None => Err(DeleteMarkerEntry { is_latest, key, last_modified, owner, version_id }),
    }
}
