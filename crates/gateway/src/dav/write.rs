//! An object as it is written: what comes is handed on as it comes, and is named once all of it is there.
//!
//! (A) What is let go of before its end is an upload that broke off: nothing is named. (B) At most [`CHUNKS_QUEUED`] pieces wait.

use super::error::Fault;
use super::place::Place;
use super::properties;
use super::tree::{Node, Tree};
use super::visit::Visit;
use crate::limits::{CHUNKS_QUEUED, PUT_BYTES_MAX};
use crate::s3::{Checks, Intake};
use bytes::Bytes;
use client::{Bucket, ClientError, Entry, Expect, Fact, Facts, Found, PutAsk, Shown};
use futures_util::stream::{self, StreamExt};
use hyper::StatusCode;
use model::errors;
use s3s::dto::StreamingBlob;
use std::io;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A piece of what comes, or its end.
enum Item {
    Bytes(Bytes),
    End,
}

/// An object that is being written.
pub(crate) struct Writing {
    send: Option<mpsc::Sender<Item>>,
    putting: Option<JoinHandle<Result<(), Fault>>>,
    size: Option<u64>,
    came: u64,
}

impl std::fmt::Debug for Writing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writing").field("came", &self.came).finish_non_exhaustive()
    }
}

impl Writing {
    /// Hands a piece on.
    pub async fn push(&mut self, bytes: Bytes) -> Result<(), Fault> {
        self.came += bytes.len() as u64;
        if self.came > PUT_BYTES_MAX {
            let why = format!("more than {PUT_BYTES_MAX} bytes");
            return Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, errors::TOO_LARGE, why));
        }
        let is_taken = match &self.send {
            Some(send) => send.send(Item::Bytes(bytes)).await.is_ok(),
            None => false,
        };
        if is_taken { Ok(()) } else { self.ended().await }
    }

    /// All of it came: names it.
    pub async fn finish(&mut self) -> Result<(), Fault> {
        if self.size.is_some_and(|size| size != self.came) {
            self.send = None; // (A)
            let why = format!("{} bytes came of those that were announced", self.came);
            return Err(Fault::bad(why));
        }
        if let Some(send) = self.send.take() {
            let _ = send.send(Item::End).await; // who does not take it has ended
        }
        self.ended().await
    }

    async fn ended(&mut self) -> Result<(), Fault> {
        self.send = None;
        let broken = || Fault::new(StatusCode::INTERNAL_SERVER_ERROR, errors::BUG, "the upload ended");
        match self.putting.take() {
            Some(putting) => putting.await.unwrap_or_else(|_| Err(broken())),
            None => Err(broken()),
        }
    }
}

/// How an object is written.
pub(crate) struct WriteAsk {
    /// Nothing may be there.
    pub is_new: bool,
    /// Something must be there.
    pub is_old: bool,
    /// Bytes that are going to come.
    pub size: Option<u64>,
}

impl Tree {
    /// Begins to write an object.
    pub async fn write(&self, visit: &Visit, place: &Place, ask: WriteAsk) -> Result<Writing, Fault> {
        let (bucket, put) = self.prepared(visit, place, &ask).await?;
        let opened = self.bucket(&bucket).await?;
        let (send, mut receive) = mpsc::channel(CHUNKS_QUEUED);
        let mut is_over = false;
        let coming = stream::poll_fn(move |cx| {
            receive.poll_recv(cx).map(|item| match item {
                Some(Item::Bytes(bytes)) => Some(Ok(bytes)),
                Some(Item::End) => {
                    is_over = true;
                    None
                }
                None if is_over => None,
                None => Some(Err(io::Error::from(io::ErrorKind::UnexpectedEof))), // (A)
            })
        });
        let tree = self.clone();
        let size = ask.size;
        let putting =
            tokio::spawn(async move { tree.store((&bucket, &opened), put, StreamingBlob::wrap(coming), size).await });
        Ok(Writing { send: Some(send), putting: Some(putting), size: ask.size, came: 0 })
    }

    /// Puts an empty object where none is.
    pub async fn touch(&self, visit: &Visit, place: &Place) -> Result<(), Fault> {
        let mut writing = self.write(visit, place, WriteAsk { is_new: true, is_old: false, size: Some(0) }).await?;
        let done = writing.finish().await;
        visit.changed();
        done
    }

    /// Bucket and circumstances of an object that shall be written.
    async fn prepared(&self, visit: &Visit, place: &Place, ask: &WriteAsk) -> Result<(String, PutAsk), Fault> {
        let failed = |why: &str| Fault::new(StatusCode::PRECONDITION_FAILED, errors::PRECONDITION, why);
        visit.check(place, false)?;
        let Place::Name { bucket, name } = place else {
            return Err(Fault::denied("what lies at the top is a bucket, and nothing else is"));
        };
        let known = match self.look(visit, place).await {
            Ok(Node::File(entry)) => Some(entry),
            Ok(_) => {
                let why = "a folder is there";
                return Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, errors::BAD_NAME, why));
            }
            Err(fault) if fault.is_unknown() => None,
            Err(fault) => return Err(fault),
        };
        if ask.is_new && known.is_some() {
            return Err(failed("it is there already"));
        }
        if ask.is_old && known.is_none() {
            return Err(failed("it is not there"));
        }
        self.parent(visit, place).await?;
        let expect = match &known {
            None if ask.is_new || visit.is_conditional() => Expect::Absent,
            Some(entry) if visit.is_conditional() => Expect::Version(entry.version),
            _ => Expect::Any,
        };
        let mut put = PutAsk { expect, size_hint: ask.size.unwrap_or(0), ..PutAsk::new(name) };
        put.content_type = visit.content_type().to_owned();
        if let Some(entry) = known {
            self.keep_told(bucket, &entry, &mut put).await?;
        }
        Ok((bucket.clone(), put))
    }

    /// What outlives an object's content.
    async fn keep_told(&self, bucket: &str, entry: &Entry, put: &mut PutAsk) -> Result<(), Fault> {
        let opened = self.bucket(bucket).await?;
        match self.client().show(&opened, &entry.name, None).await {
            Ok(shown) => {
                put.facts = properties::kept(&shown.facts);
                if put.content_type.is_empty() {
                    put.content_type = shown.entry.content_type;
                }
                Ok(())
            }
            Err(ClientError::Refused(no)) if no.id == errors::OBJECT_UNKNOWN => Ok(()), // it went meanwhile
            Err(error) => Err(self.fault(bucket, error)),
        }
    }

    /// Stores what comes.
    async fn store(
        &self,
        (name, bucket): (&str, &Bucket),
        ask: PutAsk,
        body: StreamingBlob,
        len: Option<u64>,
    ) -> Result<(), Fault> {
        let intake = Intake::new(Some(body), Checks { len, ..Checks::default() });
        let Intake { content, ending, feed, .. } = intake;
        let ask = PutAsk { ending: Some(ending), ..ask };
        let putting = self.client().put(bucket, ask, content, &|_, _, _| {});
        let (put, ()) = tokio::join!(putting, feed.run());
        put.map(drop).map_err(|error| match error {
            ClientError::Announced(_) | ClientError::File { .. } => Fault::bad("the content did not come whole"),
            error => self.fault(name, error),
        })
    }

    /// Stores what is read from one bucket in another.
    pub async fn copy_over(
        &self,
        (from, found): (Bucket, Found),
        (to, name): (&str, &str),
        expect: Expect,
    ) -> Result<(), Fault> {
        let Shown { entry, pairs, facts, .. } = found.shown.clone();
        let size = entry.size.0;
        let chunks = crate::s3::read(self.client().clone(), from, found, 0..size);
        let reading =
            stream::unfold(chunks, |mut chunks| async move { chunks.recv().await.map(|next| (next, chunks)) });
        let told = reading.map(|next| next.map_err(|error| io::Error::other(error.to_string())));
        // Its tag and its checksum are made anew.
        let facts = facts.0.into_iter().filter(|fact| !matches!(fact, Fact::Etag(_) | Fact::Checksum(_)));
        let ask = PutAsk {
            size_hint: size,
            content_type: entry.content_type,
            changed: entry.changed,
            pairs,
            facts: Facts(facts.collect()),
            expect,
            ..PutAsk::new(name)
        };
        let opened = self.bucket(to).await?;
        self.store((to, &opened), ask, StreamingBlob::wrap(told), Some(size)).await
    }
}
