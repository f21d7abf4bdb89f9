//! Objects that come in parts: begun, each part kept by itself, made an object by one commit, or given up. Parts count as what
//! the bucket holds from the moment they are kept.
//!
//! (A) Completed or given up, never both: each is one transaction that holds the bucket, and the later one gets E0318. (B) A
//! part that is sent again takes the place of the first, and is not taken for it: who completes names the parts by what they are.
//! (C) What nothing was done to for [`OPEN_FOR`] is given up.

use super::api::{of, too_large};
use super::commit::{self, Named, name_all};
use super::store::bucket;
use super::store::upload::{self, PartRow};
use crate::access::api::who;
use crate::db::StoreError;
use crate::refuse::{Refused, bad_value};
use crate::{Caller, Center};
use model::{BucketId, Span, errors};
use std::collections::BTreeMap;
use wire::limits::{COMMIT_RUNS_MAX, MANIFEST_MAX, PAGE_MAX, PARTS_MAX, REPLY_MAX, SEALED_NAME_MAX};
use wire::storage::{UploadAsk, UploadBegin, UploadComplete, UploadPage, UploadPart, notes_hash};
use wire::{RefusalMsg, Reply};

/// An upload to which nothing is done for so long, as the center's `time_scale` counts, is given up.
pub const OPEN_FOR: Span = Span::days(7);
/// Bytes of one answer's notes.
const PAGE_BYTES: usize = REPLY_MAX / 2;
/// What a line takes beside its own fields, at most.
const LINE_BYTES: usize = 64;

/// Begins an upload.
pub async fn begin(center: &Center, caller: &Caller, ask: UploadBegin) -> Result<Reply, Refused> {
    let owner = who(center, caller).await?.id;
    if ask.name_sealed.is_empty() || ask.name_sealed.len() > SEALED_NAME_MAX {
        return Err(too_large("sealed name", ask.name_sealed.len(), SEALED_NAME_MAX));
    }
    check_note(&ask.note)?;
    let now = center.now();
    let begun = center.db().write(move |tx| {
        let row = of(bucket::hold(tx, &ask.bucket)?, &owner)?;
        upload::begin(tx, row.number, &ask.upload, &ask.name_sealed, &ask.note, now)
    });
    begun.await?;
    Ok(Reply::Done)
}

fn check_note(note: &[u8]) -> Result<(), Refused> {
    let fits = !note.is_empty() && note.len() <= MANIFEST_MAX;
    if fits { Ok(()) } else { Err(too_large("note", note.len(), MANIFEST_MAX)) }
}

/// Keeps a part.
pub async fn part(center: &Center, caller: &Caller, ask: UploadPart) -> Result<Reply, Refused> {
    let owner = who(center, caller).await?.id;
    if !(1..=PARTS_MAX).contains(&ask.number) {
        return Err(bad_value("part", &ask.number.to_string(), "parts are numbered from 1 to 10,000").into());
    }
    if ask.segments.is_empty() || ask.segments.len() > COMMIT_RUNS_MAX {
        return Err(too_large("runs of segments", ask.segments.len(), COMMIT_RUNS_MAX));
    }
    check_note(&ask.note)?;
    let now = center.now();
    let kept = center.db().write(move |tx| {
        let row = of(bucket::hold(tx, &ask.bucket)?, &owner)?;
        upload::find(tx, row.number, &ask.upload)?;
        let (segments_count, sealed_bytes) = name_all(tx, &owner, &ask.segments)?;
        let UploadPart { number, segments, note, .. } = ask.clone();
        let part = PartRow { number, note, segments, segments_count, sealed_bytes };
        let before = upload::put_part(tx, row.number, &ask.upload, &part, now)?;
        row.check_quota(sealed_bytes.saturating_sub(before))
    });
    kept.await?;
    Ok(Reply::Done)
}

/// Open uploads of a bucket, or the parts of one.
pub async fn list(center: &Center, caller: &Caller, ask: UploadAsk) -> Result<Reply, Refused> {
    let owner = who(center, caller).await?.id;
    if usize::from(ask.limit) > PAGE_MAX {
        return Err(bad_value("limit", &ask.limit.to_string(), "at most 1,000").into());
    }
    let limit = u32::from(ask.limit.max(1));
    let page = center.db().read(move |q| {
        let row = of(bucket::find(q, &ask.bucket)?, &owner)?;
        match &ask.upload {
            None => {
                let uploads = upload::open(q, row.number, &ask.after, limit + 1)?;
                Ok(UploadPage { uploads, parts: Vec::new(), more: false })
            }
            Some(id) => {
                let uploads = vec![upload::find(q, row.number, id)?];
                let after = u16::from_be_bytes([ask.after[0], ask.after[1]]);
                let parts = upload::part_lines(q, row.number, id, after, limit + 1)?;
                Ok(UploadPage { uploads, parts, more: false })
            }
        }
    });
    let mut page = page.await?;
    let cut_uploads = cut(&mut page.uploads, limit, |line| line.note.len() + line.name_sealed.len());
    let cut_parts = cut(&mut page.parts, limit, |line| line.note.len());
    page.more = cut_uploads || cut_parts;
    Ok(Reply::Uploads(page))
}

/// Keeps as many lines as one answer holds; whether there were more.
fn cut<T>(lines: &mut Vec<T>, limit: u32, len: impl Fn(&T) -> usize) -> bool {
    let (mut bytes, before) = (0, lines.len());
    let fits = |line: &&T| {
        bytes += len(line) + LINE_BYTES;
        bytes <= PAGE_BYTES
    };
    let fit = lines.iter().take(limit as usize).take_while(fits).count();
    lines.truncate(fit);
    fit < before
}

/// Makes an object of the parts.
pub async fn complete(center: &Center, caller: &Caller, ask: UploadComplete) -> Result<Reply, Refused> {
    let owner = who(center, caller).await?.id;
    let UploadComplete { upload, parts, notes, commit } = ask;
    let rising = parts.windows(2).all(|pair| pair[0] < pair[1]);
    if parts.is_empty() || !rising || !commit.fresh.is_empty() {
        return Err(bad_value("parts", "", "at least one, in rising order").into());
    }
    let checked = commit::check_record(caller, commit)?;
    let now = center.now();
    let done = center.db().write(move |tx| {
        let mut row = of(bucket::hold(tx, &checked.record.bucket)?, &owner)?;
        if let Some(committed) = commit::answered(tx, &checked)? {
            return Ok(committed);
        }
        let line = upload::find(tx, row.number, &upload)?;
        if line.name_sealed != checked.commit.name_sealed {
            return Err(unknown("it is for another name"));
        }
        let there = upload::parts(tx, row.number, &upload, u32::from(PARTS_MAX))?;
        let mut there: BTreeMap<u16, PartRow> = there.into_iter().map(|part| (part.number, part)).collect();
        let (mut named, mut found) = (Named::default(), Vec::with_capacity(parts.len()));
        for number in &parts {
            let missing = || unknown(&format!("part {number} is not there"));
            let part = there.remove(number).ok_or_else(missing)?;
            found.push(upload::take_part(tx, row.number, &upload, *number)?.ok_or_else(missing)?);
            named.add(part.segments, part.segments_count);
        }
        if notes_hash(&found) != notes {
            return Err(StoreError::refused(errors::PRECONDITION, "a part was sent again meanwhile"));
        }
        upload::end(tx, row.number, &upload)?;
        commit::apply(tx, &owner, &mut row, &checked, commit::With { named, ..commit::With::default() }, now)
    });
    let committed = done.await?;
    Ok(Reply::Committed(committed))
}

/// E0318 with its reason.
fn unknown(why: &str) -> StoreError {
    StoreError::refused(errors::UPLOAD_UNKNOWN, why)
}

/// Gives an upload up.
pub async fn abort(center: &Center, caller: &Caller, id: BucketId, upload: [u8; 16]) -> Result<Reply, Refused> {
    let owner = who(center, caller).await?.id;
    let ended = center.db().write(move |tx| {
        let row = of(bucket::hold(tx, &id)?, &owner)?;
        Ok(upload::end(tx, row.number, &upload)?)
    });
    let gone = || RefusalMsg::new(errors::UPLOAD_UNKNOWN, [("why", "it was completed or given up".to_owned())]);
    if ended.await? { Ok(Reply::Done) } else { Err(gone().into()) }
}
