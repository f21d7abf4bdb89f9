//! Objects that come in parts: each is sealed, sent and kept by itself, from one machine or from several, in any order, and one
//! commit makes an object of them (`docs/design/storage.md` §8).
//!
//! All parts are runs under one key, which the upload's own sealed note carries; a part's note is a manifest of that part alone.
//! The object's manifest lists the runs; a long list is sealed in a segment of its own, before the parts'.

use crate::put::{Change, RunAsk, settle};
use crate::stage::Begun;
use crate::{Bucket, Client, ClientError, Ending, Progress, PutAsk};
use model::{Bytes, Stamp, errors};
use rand_core::Rng;
use seal::{
    Body, ContentKey, Facts, Header, LabelKind, Manifest, PARTS_INLINE, Part, Role, inline_fits, parts, segments_hash,
};
use std::io::Read;
use wire::limits::PAGE_MAX;
use wire::signed::CommitOp;
use wire::storage::{
    Expect, PartLine, UploadAsk, UploadBegin, UploadComplete, UploadLine, UploadPage, UploadPart, notes_hash,
};
use wire::{RefusalMsg, Reply, Request};

const _: () = assert!(seal::PARTS_MAX == wire::limits::PARTS_MAX as usize);
/// Pair in a part's note: segments it was cut into.
const SEGMENTS: &str = "segments";

/// An open upload, with the key of its parts.
#[derive(Clone)]
pub struct Upload {
    /// Its id: the version that it becomes.
    pub id: [u8; 16],
    /// Plain name.
    pub name: String,
    /// When it was begun.
    pub at: Stamp,
    /// When the last part came, or it was begun.
    pub changed: Stamp,
    note: Manifest,
    key: ContentKey,
    header: Header,
}

impl Upload {
    /// Whether the list of so many parts fits the object's manifest.
    fn holds_list(&self, parts: usize) -> bool {
        let pairs: usize = self.note.pairs.iter().map(|(key, value)| key.len() + value.len() + 3).sum();
        let texts = self.name.len() + self.note.content_type.len() + pairs + self.note.facts.len();
        inline_fits(texts, parts * parts::PART_LEN)
    }

    /// What foreign protocols said of it when it was begun.
    pub const fn facts(&self) -> &Facts {
        &self.note.facts
    }
}

/// A part that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFacts {
    /// Its number.
    pub number: u16,
    /// Content bytes.
    pub size: Bytes,
    /// BLAKE3 of the content.
    pub hash: [u8; 32],
    /// When it was kept.
    pub at: Stamp,
    /// What foreign protocols tell of it.
    pub facts: Facts,
    run: Part,
    segments: [u8; 32],
    /// BLAKE3 of the sealed note.
    note: [u8; 32],
}

/// A part that is sent.
pub struct PartAsk {
    /// Its number.
    pub number: u16,
    /// Bytes that are going to come, for progress; 0 when unknown.
    pub size_hint: u64,
    /// Says what is known only when all content was read.
    pub ending: Option<Ending>,
}

/// How an upload becomes an object.
pub struct CompleteAsk<'a> {
    /// Its parts, in rising order, as [`Client::upload`] told them.
    pub parts: &'a [&'a PartFacts],
    /// What must be true of the name.
    pub expect: Expect,
    /// What foreign protocols tell of it, where that is other than it was when the upload was begun.
    pub facts: Option<Facts>,
}

/// An object that was made of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// Content size.
    pub size: Bytes,
    /// Parts it is made of.
    pub parts: usize,
    /// The version that was made.
    pub version: [u8; 16],
    /// Place in the bucket's order.
    pub bucket_seq: u64,
}

impl Client {
    /// Begins an object that comes in parts: name, media type, pairs and time of its content are said now.
    pub async fn upload_begin(&self, bucket: &Bucket, ask: PutAsk) -> Result<Upload, ClientError> {
        let (key, mut id) = (ContentKey::random(&mut rand::rng()), [0; 16]);
        rand::rng().fill_bytes(&mut id);
        let header = Header::new(&key, Role::Content, bucket.id(), 0, &mut rand::rng());
        let note = Manifest {
            name: ask.name.clone(),
            size: 0,
            changed_ms: ask.changed.map_or(0, Stamp::as_ms),
            hash: [0; 32],
            content_type: ask.content_type,
            pairs: ask.pairs,
            facts: ask.facts,
            body: Body::Run { header, key: key.clone(), segments: [0; 32], offset: 0 },
        };
        let sealed = note.seal(&bucket.keys, &mut rand::rng())?;
        let name_sealed = bucket.seal_name(&ask.name)?;
        let begin = UploadBegin { bucket: *bucket.id(), upload: id, name_sealed, note: sealed };
        self.ask_again(Request::UploadBegin(Box::new(begin))).await?;
        let now = self.now();
        Ok(Upload { id, name: ask.name, at: now, changed: now, note, key, header })
    }

    /// Open uploads of a bucket, by name.
    pub async fn uploads(&self, bucket: &Bucket) -> Result<Vec<Upload>, ClientError> {
        let (mut all, mut after) = (Vec::new(), [0; 16]);
        loop {
            let page = self.upload_page(bucket, None, after).await?;
            for line in page.uploads {
                after = line.upload;
                all.push(opened(bucket, line)?);
            }
            if !page.more {
                all.sort_by(|a: &Upload, b| (&a.name, a.at, a.id).cmp(&(&b.name, b.at, b.id)));
                return Ok(all);
            }
        }
    }

    /// An open upload with its parts, in order.
    ///
    /// # Errors
    /// E0318.
    pub async fn upload(&self, bucket: &Bucket, id: [u8; 16]) -> Result<(Upload, Vec<PartFacts>), ClientError> {
        let (mut all, mut after) = (Vec::new(), [0; 16]);
        loop {
            let mut page = self.upload_page(bucket, Some(id), after).await?;
            if page.uploads.len() != 1 || page.uploads[0].upload != id {
                return Err(ClientError::Unexpected("another upload"));
            }
            let upload = opened(bucket, page.uploads.remove(0))?;
            for line in page.parts {
                after[..2].copy_from_slice(&line.number.to_be_bytes());
                all.push(part_of(bucket, &upload, line)?);
            }
            if !page.more {
                return Ok((upload, all));
            }
        }
    }

    async fn upload_page(
        &self,
        bucket: &Bucket,
        upload: Option<[u8; 16]>,
        after: [u8; 16],
    ) -> Result<UploadPage, ClientError> {
        let limit = u16::try_from(PAGE_MAX).unwrap_or(u16::MAX);
        match self.ask_again(Request::UploadList(UploadAsk { bucket: *bucket.id(), upload, after, limit })).await? {
            Reply::Uploads(page) => Ok(page),
            _ => Err(ClientError::Unexpected("no uploads")),
        }
    }

    /// Stores one part; an earlier one of its number is replaced. Several may be on their way at once.
    pub async fn upload_part(
        &self,
        bucket: &Bucket,
        upload: &Upload,
        ask: PartAsk,
        content: Box<dyn Read + Send>,
        progress: Progress<'_>,
    ) -> Result<PartFacts, ClientError> {
        let PartAsk { number, size_hint, ending } = ask;
        let of = (upload.header.content_id(), u32::from(number));
        let header = Header::beside(&upload.key, Role::Content, bucket.id(), of, &mut rand::rng());
        let stored = self.send_run(bucket, upload, (LabelKind::Part, header), (size_hint, content), progress).await;
        let mut stored = stored?;
        let staging = stored.staging.take();
        let answer = match ending.map_or_else(|| Ok(Facts::default()), |ending| (ending.0)()) {
            Ok(facts) => self.name_part(bucket, upload, (number, facts), stored).await,
            Err(error) => Err(error),
        };
        settle(staging, &answer).await?;
        answer
    }

    /// One run under the upload's key.
    async fn send_run(
        &self,
        bucket: &Bucket,
        upload: &Upload,
        (kind, header): (LabelKind, Header),
        (size_hint, content): (u64, Box<dyn Read + Send>),
        progress: Progress<'_>,
    ) -> Result<crate::put::Stored, ClientError> {
        let mut folder = [0; 16];
        rand::rng().fill_bytes(&mut folder);
        let begun = Begun { staging: None, key: upload.key.clone(), header, version: folder, kept: Vec::new() };
        let begun = self.begin_staged(bucket, &upload.name, None, begun).await?;
        let ask =
            RunAsk { kind, version: upload.id, run: header.run(), name: &upload.name, size_hint, begun, label: None };
        self.put_run(bucket, ask, content, progress).await
    }

    async fn name_part(
        &self,
        bucket: &Bucket,
        upload: &Upload,
        (number, told): (u16, Facts),
        stored: crate::put::Stored,
    ) -> Result<PartFacts, ClientError> {
        let Body::Run { header, segments, .. } = &stored.body else {
            return Err(ClientError::Unexpected("a part without a run"));
        };
        let count: u32 = stored.runs.iter().map(|run| run.count).sum();
        let run = Part { header: *header, size: stored.size, segments: count };
        let (size, hash, segments) = (Bytes(stored.size), stored.hash, *segments);
        let note = Manifest {
            name: upload.name.clone(),
            size: stored.size,
            changed_ms: 0,
            hash: stored.hash,
            content_type: String::new(),
            // Under the seal: nobody else says which of an object's segments are this part's.
            pairs: vec![(SEGMENTS.to_owned(), count.to_string())],
            facts: told.clone(),
            body: stored.body,
        };
        let note = note.seal(&bucket.keys, &mut rand::rng())?;
        let known = blake3::hash(&note).into();
        let facts = PartFacts { number, size, hash, at: self.now(), facts: told, run, segments, note: known };
        let part = UploadPart { bucket: *bucket.id(), upload: upload.id, number, segments: stored.runs, note };
        self.ask_again(Request::UploadPart(Box::new(part))).await?;
        Ok(facts)
    }

    /// Makes an object of the parts that are named. The upload ends with it; of two at once, one gets E0318.
    ///
    /// # Errors
    /// E0305 where one of them was sent again since it was read; E0318 without any, and where one is not there.
    pub async fn upload_complete(
        &self,
        bucket: &Bucket,
        mut upload: Upload,
        ask: CompleteAsk<'_>,
    ) -> Result<Completed, ClientError> {
        let CompleteAsk { parts: list, expect, facts } = ask;
        if let Some(facts) = facts {
            upload.note.facts = facts;
        }
        let runs: Vec<Part> = list.iter().map(|part| part.run).collect();
        let Some(count) = u32::try_from(runs.len()).ok().filter(|count| *count > 0) else {
            let no = RefusalMsg::new(errors::UPLOAD_UNKNOWN, [("why", "it has no parts yet".to_owned())]);
            return Err(ClientError::Refused(no));
        };
        let size = runs.iter().map(|part| part.size).sum();
        let ids: Vec<[u8; 32]> = list.iter().map(|part| part.segments).collect();
        let is_short = runs.len() <= PARTS_INLINE && upload.holds_list(runs.len());
        let (header, segments, staging) = if is_short {
            (upload.header, Vec::new(), None)
        } else {
            let of = (upload.header.content_id(), 0);
            let header = Header::beside(&upload.key, Role::Content, bucket.id(), of, &mut rand::rng());
            let content = Box::new(std::io::Cursor::new(parts::to_bytes(&runs)));
            let run = self.send_run(bucket, &upload, (LabelKind::Part, header), (0, content), &|_, _, _| {}).await?;
            (header, run.runs, run.staging)
        };
        let body = Body::Parts {
            header,
            key: upload.key.clone(),
            segments: segments_hash(&ids),
            count,
            list: is_short.then_some(runs),
        };
        let manifest = Manifest { size, body, ..upload.note }.seal(&bucket.keys, &mut rand::rng())?;
        let change = Change {
            op: CommitOp::Put,
            name_sealed: bucket.seal_name(&upload.name)?,
            expect,
            version: upload.id,
            segments,
            manifest,
        };
        let answer = self.commit_parts(bucket, upload.id, list, change).await;
        settle(staging, &answer).await?;
        Ok(Completed { size: Bytes(size), parts: list.len(), version: upload.id, bucket_seq: answer? })
    }

    async fn commit_parts(
        &self,
        bucket: &Bucket,
        upload: [u8; 16],
        list: &[&PartFacts],
        change: Change,
    ) -> Result<u64, ClientError> {
        let asked = bucket.head();
        let commit = self.sign(bucket, change, Vec::new());
        let parts = list.iter().map(|part| part.number).collect();
        let notes = notes_hash(list.iter().map(|part| &part.note));
        let complete = UploadComplete { upload, parts, notes, commit };
        match self.ask_again(Request::UploadComplete(Box::new(complete))).await? {
            Reply::Committed(committed) => {
                bucket.saw(asked, committed.head)?;
                Ok(committed.head.seq)
            }
            _ => Err(ClientError::Unexpected("no commit")),
        }
    }

    /// Gives an upload up; what was stored of it goes.
    ///
    /// # Errors
    /// E0318.
    pub async fn upload_abort(&self, bucket: &Bucket, id: [u8; 16]) -> Result<(), ClientError> {
        self.ask(Request::UploadAbort(*bucket.id(), id)).await.map(drop)
    }
}

fn opened(bucket: &Bucket, line: UploadLine) -> Result<Upload, ClientError> {
    let name = bucket.keys.open_name(&line.name_sealed)?;
    let note = Manifest::open(&bucket.keys, &name, &line.note)?;
    let Body::Run { header, key, .. } = &note.body else {
        return Err(ClientError::Unexpected("an upload without a key"));
    };
    let (header, key) = (*header, key.clone());
    Ok(Upload { id: line.upload, name, at: line.at, changed: line.changed, note, key, header })
}

/// A part as its own note tells it, which must be one of this upload under this number.
fn part_of(bucket: &Bucket, upload: &Upload, line: PartLine) -> Result<PartFacts, ClientError> {
    let known = blake3::hash(&line.note).into();
    let note = Manifest::open(&bucket.keys, &upload.name, &line.note)?;
    let count = note.pairs.iter().find(|(key, _)| key == SEGMENTS).and_then(|(_, count)| count.parse().ok());
    let count: u32 = count.ok_or(ClientError::Unexpected("a part that does not say its segments"))?;
    match note.body {
        Body::Run { header, segments, .. }
            if header.content_id() == upload.header.content_id() && header.run() == u32::from(line.number) =>
        {
            let run = Part { header, size: note.size, segments: count };
            let (number, size, hash, at, facts) = (line.number, Bytes(note.size), note.hash, line.at, note.facts);
            Ok(PartFacts { number, size, hash, at, facts, run, segments, note: known })
        }
        _ => Err(ClientError::Unexpected("a part of another upload")),
    }
}
