//! Names in the order of their bytes, folded at a delimiter, a page at a time.
//!
//! (A) Pages one after another show each name once, and each folded beginning once, as long as nobody writes meanwhile; what is written
//! meanwhile is shown if it comes behind.

use super::bucket::owner;
use super::error::bad;
use super::told::{self, time};
use super::{Done, Face};
use crate::limits::LIST_KEYS_MAX;
use client::Entry;
use data_encoding::BASE64URL_NOPAD;
use s3s::dto::*;
use s3s::{S3Response, S3Result};

/// How a list is asked for.
pub(super) struct ListAsk<'a> {
    pub prefix: &'a str,
    /// What is folded; nothing where it is empty.
    pub delimiter: &'a str,
    /// Names, and folded beginnings, behind this one.
    pub after: Option<&'a str>,
    pub most: usize,
}

/// A line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line<T> {
    One(T),
    Folded(String),
}

/// One page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    pub lines: Vec<Line<T>>,
    /// The last name, or folded beginning, where there are more behind it.
    pub next: Option<String>,
}

/// Folds names that come in order. `name_of`: the name of one; several may have the same.
pub(super) fn fold<T>(all: impl IntoIterator<Item = T>, ask: &ListAsk<'_>, name_of: impl Fn(&T) -> &str) -> Page<T> {
    let (mut lines, mut last) = (Vec::new(), None::<String>);
    for one in all {
        let name = name_of(&one);
        let Some(rest) = name.strip_prefix(ask.prefix) else { continue };
        let folded = (!ask.delimiter.is_empty())
            .then(|| rest.find(ask.delimiter))
            .flatten()
            .map(|at| &name[..ask.prefix.len() + at + ask.delimiter.len()]);
        let shown = folded.unwrap_or(name);
        // A folded beginning that was shown is behind itself, with all that it folds.
        if ask.after.is_some_and(|after| shown <= after) || (folded.is_some() && last.as_deref() == folded) {
            continue;
        }
        if lines.len() == ask.most {
            return Page { lines, next: last };
        }
        last = Some(shown.to_owned());
        lines.push(match folded {
            Some(folded) => Line::Folded(folded.to_owned()),
            None => Line::One(one),
        });
    }
    Page { lines, next: None }
}

/// How many lines a page has at most.
pub(super) fn most(asked: Option<i32>, word: &str) -> S3Result<usize> {
    let asked = asked.unwrap_or(LIST_KEYS_MAX).min(LIST_KEYS_MAX);
    usize::try_from(asked).map_err(|_| bad(format!("{word} is 0 or more")))
}

/// Writes names as a list's asker wants them.
#[derive(Clone, Copy)]
pub(super) struct Writes {
    is_url: bool,
}

impl Writes {
    /// As an encoding type says.
    pub fn of(kind: Option<&EncodingType>) -> S3Result<Self> {
        match kind.map(EncodingType::as_str) {
            None => Ok(Self { is_url: false }),
            Some(EncodingType::URL) => Ok(Self { is_url: true }),
            Some(_) => Err(bad("Invalid Encoding Method specified in Request")),
        }
    }

    pub fn name(self, name: &str) -> String {
        if self.is_url { crate::sign::encode(name, true) } else { name.to_owned() }
    }

    pub fn opt(self, name: Option<&str>) -> Option<String> {
        name.map(|name| self.name(name))
    }
}

/// A line as S3 shows an object.
fn object(entry: &Entry, writes: Writes, with_owner: bool) -> Object {
    Object {
        e_tag: Some(told::etag(entry)),
        key: Some(writes.name(&entry.name)),
        last_modified: Some(time(entry.at)),
        owner: with_owner.then(owner),
        size: i64::try_from(entry.size.0).ok(),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Object::default()
    }
}

/// The two kinds of lines apart.
pub(super) fn split<T>(lines: Vec<Line<T>>, writes: Writes) -> (Vec<T>, Vec<CommonPrefix>) {
    let (mut all, mut folded) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            Line::One(one) => all.push(one),
            Line::Folded(prefix) => folded.push(CommonPrefix { prefix: Some(writes.name(&prefix)) }),
        }
    }
    (all, folded)
}

/// A list that may be empty, as S3 leaves it out.
pub(super) fn some<T>(all: Vec<T>) -> Option<Vec<T>> {
    Some(all).filter(|all| !all.is_empty())
}

/// A token that says where the next page begins.
fn token(next: &str) -> String {
    BASE64URL_NOPAD.encode(next.as_bytes())
}

fn of_token(token: &str) -> S3Result<String> {
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|name| !name.is_empty());
    name.ok_or_else(|| bad("The continuation token provided is incorrect"))
}

impl Face {
    async fn page(&self, bucket: &str, ask: &ListAsk<'_>) -> S3Result<Page<Entry>> {
        let opened = self.bucket(bucket).await?;
        if ask.most == 0 {
            return Ok(Page { lines: Vec::new(), next: None });
        }
        let (prefix, delimiter, after) =
            (ask.prefix.to_owned(), ask.delimiter.to_owned(), ask.after.map(str::to_owned));
        let (most, from) = (ask.most, ask.after.unwrap_or_default());
        let folded = self.client().list_from(&opened, (ask.prefix, from), move |all| {
            let ask = ListAsk { prefix: &prefix, delimiter: &delimiter, after: after.as_deref(), most };
            fold(all, &ask, |entry: &Entry| entry.name.as_str())
        });
        folded.await.map_err(|e| self.fault(bucket, e))
    }

    pub(super) async fn list_v1(&self, ask: ListObjectsInput) -> Done<ListObjectsOutput> {
        let (writes, most) = (Writes::of(ask.encoding_type.as_ref())?, most(ask.max_keys, "max-keys")?);
        let of = ListAsk {
            prefix: ask.prefix.as_deref().unwrap_or_default(),
            delimiter: ask.delimiter.as_deref().unwrap_or_default(),
            after: ask.marker.as_deref().filter(|marker| !marker.is_empty()),
            most,
        };
        let page = self.page(&ask.bucket, &of).await?;
        // Without a delimiter the last key itself is where the next page begins.
        let next = page.next.as_deref().filter(|_| !of.delimiter.is_empty()).map(|next| writes.name(next));
        let is_truncated = Some(page.next.is_some());
        let (all, folded) = split(page.lines, writes);
        let output = ListObjectsOutput {
            prefix: Some(writes.name(of.prefix)),
            marker: Some(writes.name(ask.marker.as_deref().unwrap_or_default())),
            max_keys: i32::try_from(most).ok(),
            is_truncated,
            contents: some(all.iter().map(|entry| object(entry, writes, true)).collect()),
            common_prefixes: some(folded),
            delimiter: writes.opt(ask.delimiter.as_deref()),
            next_marker: next,
            encoding_type: ask.encoding_type,
            name: Some(ask.bucket),
            ..ListObjectsOutput::default()
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn list_v2(&self, ask: ListObjectsV2Input) -> Done<ListObjectsV2Output> {
        let (writes, most) = (Writes::of(ask.encoding_type.as_ref())?, most(ask.max_keys, "max-keys")?);
        let begun = ask.continuation_token.as_deref().map(of_token).transpose()?;
        let of = ListAsk {
            prefix: ask.prefix.as_deref().unwrap_or_default(),
            delimiter: ask.delimiter.as_deref().unwrap_or_default(),
            after: begun.as_deref().or(ask.start_after.as_deref().filter(|after| !after.is_empty())),
            most,
        };
        let page = self.page(&ask.bucket, &of).await?;
        let next = page.next.as_deref().map(token);
        let key_count = i32::try_from(page.lines.len()).ok();
        let (all, folded) = split(page.lines, writes);
        let with_owner = ask.fetch_owner == Some(true);
        let output = ListObjectsV2Output {
            prefix: Some(writes.name(of.prefix)),
            max_keys: i32::try_from(most).ok(),
            key_count,
            continuation_token: ask.continuation_token,
            is_truncated: Some(next.is_some()),
            next_continuation_token: next,
            contents: some(all.iter().map(|entry| object(entry, writes, with_owner)).collect()),
            common_prefixes: some(folded),
            delimiter: writes.opt(ask.delimiter.as_deref()),
            start_after: writes.opt(ask.start_after.as_deref()),
            encoding_type: ask.encoding_type,
            name: Some(ask.bucket),
            ..ListObjectsV2Output::default()
        };
        Ok(S3Response::new(output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(names: &[&str], ask: &ListAsk<'_>) -> (Vec<String>, Option<String>) {
        let page = fold(names.iter().copied(), ask, |name| name);
        let shown = page.lines.into_iter().map(|line| match line {
            Line::One(name) => name.to_owned(),
            Line::Folded(folded) => format!("[{folded}]"),
        });
        (shown.collect(), page.next)
    }

    #[test]
    fn names_fold_at_the_delimiter_behind_the_prefix() {
        let names = ["a/1", "a/2", "a/b/1", "a/b/2", "a0", "b"];
        let ask = ListAsk { prefix: "", delimiter: "/", after: None, most: 10 };
        assert_eq!(page(&names, &ask).0, ["[a/]", "a0", "b"]);
        let ask = ListAsk { prefix: "a/", ..ask };
        assert_eq!(page(&names, &ask).0, ["a/1", "a/2", "[a/b/]"]);
        let ask = ListAsk { prefix: "a", most: 2, ..ask };
        assert_eq!(page(&names, &ask), (vec!["[a/]".to_owned(), "a0".to_owned()], None));
        let ask = ListAsk { most: 1, ..ask };
        assert_eq!(page(&names, &ask), (vec!["[a/]".to_owned()], Some("a/".to_owned())));
        let ask = ListAsk { after: Some("a/"), ..ask };
        assert_eq!(page(&names, &ask).0, ["a0"], "what was folded is not shown again");
        let ask = ListAsk { after: Some("a/1"), delimiter: "", most: 9, ..ask };
        assert_eq!(page(&names, &ask).0, ["a/2", "a/b/1", "a/b/2", "a0"]);
    }

    proptest! {
        #[test]
        fn pages_show_each_line_once_and_in_order(
            names in proptest::collection::btree_set("[ab/]{1,5}", 0..30),
            prefix in "[ab/]{0,2}",
            delimiter in "(/|a|)",
            most in 1usize..5,
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let whole = page(&names, &ListAsk { prefix: &prefix, delimiter: &delimiter, after: None, most: 1_000 }).0;
            let (mut all, mut after) = (Vec::new(), None::<String>);
            loop {
                let ask = ListAsk { prefix: &prefix, delimiter: &delimiter, after: after.as_deref(), most };
                let (shown, next) = page(&names, &ask);
                prop_assert!(shown.len() <= most);
                all.extend(shown);
                match next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            prop_assert_eq!(all, whole, "(A)");
        }
    }
}
