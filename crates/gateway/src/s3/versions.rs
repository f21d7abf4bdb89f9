//! The history of a bucket's names: versions and markers, the newest of each name first. A marker that was taken away is not shown;
//! its name's content is there again as a version of its own.

use super::bucket::owner;
use super::error::bad;
use super::list::{Line, ListAsk, Page, Writes, fold, most, some, split};
use super::told::{self, time};
use super::{Done, Face};
use client::Past;
use s3s::dto::*;
use s3s::{S3Response, S3Result};

/// A version, and whether it is its name's newest.
type Dated = (Past, bool);

/// What is shown of a history, in its order.
fn shown(all: Vec<Past>) -> Vec<Dated> {
    let mut out: Vec<Dated> = Vec::with_capacity(all.len());
    let mut brought_back = None::<String>;
    for past in all {
        let is_taken = past.entry.is_none() && brought_back.as_deref() == Some(past.name.as_str());
        brought_back = past.is_undelete.then(|| past.name.clone());
        if is_taken {
            continue;
        }
        let is_newest = out.last().is_none_or(|(before, _)| before.name != past.name);
        out.push((past, is_newest));
    }
    out
}

/// One page behind a version of a name.
fn page_of(all: Vec<Dated>, ask: &ListAsk<'_>, version: Option<[u8; 16]>) -> S3Result<Page<Dated>> {
    let Some((key, version)) = ask.after.zip(version) else { return Ok(fold(all, ask, |dated| dated.0.name.as_str())) };
    let at = all.iter().position(|(past, _)| past.name == key && past.version == version);
    let at = at.ok_or_else(|| bad("version-id-marker is none of key-marker's versions"))?;
    let rest = all.into_iter().skip(at + 1);
    Ok(fold(rest, &ListAsk { after: None, ..*ask }, |dated| dated.0.name.as_str()))
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
        let all = self.client().history(&opened, prefix).await.map_err(|e| self.fault(&ask.bucket, e))?;
        let page = if most == 0 { Page { lines: Vec::new(), next: None } } else { page_of(shown(all), &of, version)? };
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

#[cfg(test)]
mod tests {
    use super::*;
    use model::Stamp;

    fn past(name: &str, number: u8, is_marker: bool, is_undelete: bool) -> Past {
        let version = [number; 16];
        let entry = (!is_marker).then(|| client::Entry {
            name: name.to_owned(),
            size: model::Bytes(1),
            at: Stamp(1),
            changed: None,
            hash: [1; 32],
            content_type: String::new(),
            version,
            etag: None,
            unix: None,
        });
        Past {
            name: name.to_owned(),
            version,
            at: Stamp(u64::from(number)),
            entry,
            is_undelete,
            seq: u64::from(number),
        }
    }

    #[test]
    fn a_marker_that_was_taken_away_is_not_shown_and_the_newest_is_told() {
        let all = vec![
            past("a", 4, false, true),
            past("a", 3, true, false),
            past("a", 1, false, false),
            past("b", 2, true, false),
        ];
        let seen: Vec<(u8, bool)> = shown(all).iter().map(|(past, newest)| (past.version[0], *newest)).collect();
        assert_eq!(seen, [(4, true), (1, false), (2, true)]);
    }

    #[test]
    fn pages_go_on_inside_a_name() {
        let all = shown(vec![past("a", 3, false, false), past("a", 2, true, false), past("a", 1, false, false)]);
        let ask = ListAsk { prefix: "", delimiter: "", after: None, most: 2 };
        let page = page_of(all.clone(), &ask, None).unwrap();
        assert_eq!((page.lines.len(), page.next.as_deref()), (2, Some("a")));
        let rest = page_of(all.clone(), &ListAsk { after: Some("a"), ..ask }, Some([2; 16])).unwrap();
        assert_eq!((rest.lines.len(), rest.next), (1, None));
        assert!(page_of(all, &ListAsk { after: Some("a"), ..ask }, Some([9; 16])).is_err());
    }
}
