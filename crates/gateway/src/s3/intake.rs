//! Content on its way in: the body of a request as something that can be read, its sums made beside, and the word at its end
//! whether it is what was announced.
//!
//! (A) What did not come whole is an error to who reads it, never an end. (B) Sums are judged before anything is named.

use super::error::no;
use super::sums::{Summing, Sums, etag};
use crate::limits::{CONTENT_BYTES_HELD, CONTENT_QUEUED};
use bytes::Bytes;
use client::{Checksum, ChecksumKind, ClientError, Ending, Etag, Fact, Facts};
use data_encoding::BASE64;
use futures_util::StreamExt;
use model::errors;
use s3s::dto::{ETag, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, TrailingHeaders};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};

/// Content longer than this has its sums made by a thread of its own.
const ALONE_BYTES: u64 = 1 << 20;
/// Room for what waits of all requests of this process, in KiB.
static ROOM_KIB: Semaphore = Semaphore::const_new(CONTENT_BYTES_HELD >> 10);

/// What content is held against.
#[derive(Default)]
pub(crate) struct Checks {
    /// Its MD5, as announced.
    pub md5: Option<[u8; 16]>,
    /// The checksum that is made and given back.
    pub kind: Option<ChecksumKind>,
    /// That checksum, as announced.
    pub sum: Option<Vec<u8>>,
    /// The header behind the body that has it, and where headers behind the body are told.
    pub trailer: Option<(String, Option<TrailingHeaders>)>,
    /// Its length, as announced.
    pub len: Option<u64>,
}

/// What went wrong with a body, for the answer.
#[derive(Clone, Default)]
pub(crate) struct Fault(Arc<Mutex<Option<S3Error>>>);

impl Fault {
    fn set(&self, error: S3Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// What the body itself was at fault for, else what `error` says.
    pub fn or(&self, error: ClientError) -> S3Error {
        let own = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        own.unwrap_or_else(|| super::error::fault(error))
    }
}

/// A body that is taken in.
pub(crate) struct Intake {
    /// To be read by a thread.
    pub content: Box<dyn Read + Send>,
    /// Judges it at its end.
    pub ending: Ending,
    /// To be driven beside.
    pub feed: Feed,
    /// What it was at fault for.
    pub fault: Fault,
    sums: Arc<Mutex<Option<Sums>>>,
}

impl Intake {
    /// Of a body, with what it is held against.
    pub fn new(body: Option<StreamingBlob>, checks: Checks) -> Self {
        let (send, receive) = mpsc::channel(CONTENT_QUEUED);
        let (fault, sums) = (Fault::default(), Arc::new(Mutex::new(None)));
        let (summing, to_sums) = summing(&checks);
        let content =
            Box::new(Incoming { receive, summing, rest: Bytes::new(), is_over: false, sums: Arc::clone(&sums) });
        let feed = Feed { body, send, to_sums, fault: fault.clone() };
        let (told, at_fault) = (Arc::clone(&sums), fault.clone());
        let ending = Ending(Arc::new(move || {
            let sums = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let sums = sums.ok_or(ClientError::Announced("it did not end"))?;
            checks.judge(&sums).map_err(|(error, why)| {
                at_fault.set(error);
                ClientError::Announced(why)
            })
        }));
        Self { content, ending, feed, fault, sums }
    }

    /// Where its sums stand once it was read.
    pub fn told(&self) -> Told {
        Told(Arc::clone(&self.sums))
    }
}

/// Sums of a body that was read.
pub(crate) struct Told(Arc<Mutex<Option<Sums>>>);

impl Told {
    /// Its tag.
    pub fn etag(&self) -> Option<ETag> {
        let sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sums.as_ref().map(|sums| etag(Etag { md5: sums.md5, parts: 0 }))
    }

    /// Its checksum.
    pub fn checksum(&self, kind: Option<ChecksumKind>) -> Option<Checksum> {
        let sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = sums.as_ref()?.sum.clone()?;
        Some(Checksum { kind: kind?, parts: 0, bytes })
    }
}

impl Checks {
    fn judge(&self, sums: &Sums) -> Result<Facts, (S3Error, &'static str)> {
        let wrong = |code: S3ErrorCode, why: &'static str| Err((no(code, errors::BAD_VALUE, why), why));
        if self.len.is_some_and(|len| len != sums.len) {
            return wrong(S3ErrorCode::IncompleteBody, "the body is not as long as was announced");
        }
        if self.md5.is_some_and(|md5| md5 != sums.md5) {
            return wrong(S3ErrorCode::BadDigest, "the body has another MD5 than was announced");
        }
        let behind = match &self.trailer {
            None => None,
            Some((name, told)) => {
                let read = |headers: &hyper::HeaderMap| headers.get(name.as_str())?.to_str().ok().map(str::to_owned);
                let value = told.as_ref().and_then(|told| told.read(read).flatten());
                let Some(value) = value else {
                    return wrong(
                        S3ErrorCode::Custom("MalformedTrailerError".into()),
                        "the announced trailer did not come",
                    );
                };
                match BASE64.decode(value.trim().as_bytes()) {
                    Ok(sum) => Some(sum),
                    Err(_) => return wrong(S3ErrorCode::InvalidRequest, "the value of the trailer is no checksum"),
                }
            }
        };
        let is_other = |announced: &Option<Vec<u8>>| announced.is_some() && *announced != sums.sum;
        if is_other(&self.sum) || is_other(&behind) {
            return wrong(S3ErrorCode::BadDigest, "the body has another checksum than was announced");
        }
        let mut facts = vec![Fact::Etag(Etag { md5: sums.md5, parts: 0 })];
        if let (Some(kind), Some(bytes)) = (self.kind, sums.sum.clone()) {
            facts.push(Fact::Checksum(Checksum { kind, parts: 0, bytes }));
        }
        Ok(Facts(facts))
    }
}

/// Who makes the sums: whoever reads, or a thread of its own.
enum By {
    Reader(Option<Box<Summing>>),
    Thread(Option<oneshot::Receiver<Sums>>),
}

fn summing(checks: &Checks) -> (By, Option<mpsc::Sender<Bytes>>) {
    let summing = Summing::new(checks.kind);
    if checks.len.is_some_and(|len| len <= ALONE_BYTES) {
        return (By::Reader(Some(Box::new(summing))), None);
    }
    let (send, mut receive) = mpsc::channel::<Bytes>(CONTENT_QUEUED);
    let (done, told) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut summing = summing;
        while let Some(bytes) = receive.blocking_recv() {
            summing.update(&bytes);
        }
        let _ = done.send(summing.finish()); // nobody waits any more
    });
    (By::Thread(Some(told)), Some(send))
}

enum Item {
    Bytes(Bytes, Option<SemaphorePermit<'static>>),
    End,
    Broken(io::Error),
}

/// Hands a body on.
pub(crate) struct Feed {
    body: Option<StreamingBlob>,
    send: mpsc::Sender<Item>,
    to_sums: Option<mpsc::Sender<Bytes>>,
    fault: Fault,
}

impl Feed {
    /// Until the body ended, or nobody reads it any more.
    pub async fn run(mut self) {
        let end = match self.hand_on().await {
            Some(Ok(())) => Item::End,
            Some(Err(error)) => {
                let why = io::Error::new(io::ErrorKind::InvalidData, error.code().as_str().to_owned());
                self.fault.set(error);
                Item::Broken(why)
            }
            None => return,
        };
        drop(self.to_sums.take());
        let _ = self.send.send(end).await; // nobody reads any more
    }

    async fn hand_on(&mut self) -> Option<Result<(), S3Error>> {
        let Some(mut body) = self.body.take() else { return Some(Ok(())) };
        loop {
            // How long it is waited for is [`crate::inflow`]'s to say.
            let bytes = match body.next().await {
                Some(Ok(bytes)) => bytes,
                Some(Err(error)) => return Some(Err(broken(error.to_string()))),
                None => return Some(Ok(())),
            };
            if let Some(sums) = &self.to_sums {
                sums.send(bytes.clone()).await.ok()?;
            }
            let kib = u32::try_from(bytes.len().min(CONTENT_BYTES_HELD) >> 10).unwrap_or(0);
            let room = ROOM_KIB.acquire_many(kib).await.ok();
            self.send.send(Item::Bytes(bytes, room)).await.ok()?;
        }
    }
}

/// An error of a body's own layers, which name themselves only in words.
fn broken(words: String) -> S3Error {
    let has = |word: &str| words.contains(word);
    let (code, id) = match () {
        () if has("SignatureMismatch") => (S3ErrorCode::SignatureDoesNotMatch, errors::BAD_SIGNATURE),
        () if has("Sha256Mismatch") => (S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()), errors::BAD_SIGNATURE),
        () if has("TooSlow") => (S3ErrorCode::RequestTimeout, errors::TIMED_OUT),
        () if has("TooLong") => (S3ErrorCode::EntityTooLarge, errors::TOO_LARGE),
        () if has("Format") || has("TooLarge") || has("TooMany") => (S3ErrorCode::InvalidRequest, errors::BAD_VALUE),
        () => (S3ErrorCode::IncompleteBody, errors::BAD_VALUE),
    };
    no(code, id, words)
}

/// The reading end.
struct Incoming {
    receive: mpsc::Receiver<Item>,
    summing: By,
    rest: Bytes,
    is_over: bool,
    sums: Arc<Mutex<Option<Sums>>>,
}

impl Incoming {
    fn next(&mut self) -> io::Result<()> {
        match self.receive.blocking_recv() {
            Some(Item::Bytes(bytes, _room)) => {
                if let By::Reader(Some(summing)) = &mut self.summing {
                    summing.update(&bytes);
                }
                self.rest = bytes;
                Ok(())
            }
            Some(Item::End) => {
                let sums = match &mut self.summing {
                    By::Reader(summing) => summing.take().map(|summing| summing.finish()),
                    By::Thread(told) => told.take().and_then(|told| told.blocking_recv().ok()),
                };
                *self.sums.lock().unwrap_or_else(PoisonError::into_inner) = sums;
                self.is_over = true;
                Ok(())
            }
            Some(Item::Broken(why)) => Err(why),
            // (A)
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Read for Incoming {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.is_over {
            self.next()?;
        }
        let len = self.rest.len().min(out.len());
        out[..len].copy_from_slice(&self.rest.split_to(len));
        Ok(len)
    }
}
