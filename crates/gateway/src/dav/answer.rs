//! A request as it is answered: the wall, the door, then the tree; what changes something goes through the protocol's library.

use super::door::Door;
use super::error::{Body, Fault};
use super::limits::{LOCK_XML_BYTES_MAX, XML_BYTES_MAX};
use super::locks::Locks;
use super::place::Place;
use super::tree::{Node, Tree};
use super::visit::{Visit, VisitAsk};
use super::wall::{self, METHODS, Passed};
use crate::keys::{KeyStore, ToolKey};
use crate::limits::{BODY_STALL, REQUESTS_MAX};
use crate::listen::Answers;
use crate::wall::Hosts;
use crate::xml;
use bytes::Bytes;
use client::{AccountRoot, Client};
use dav_server::{DavConfig, DavHandler};
use futures_util::stream::{self, Stream};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use model::{Stamp, errors};
use std::io;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Headers that name a state of what a request changes.
const CONDITIONS: [HeaderName; 4] =
    [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE];

/// What every connection shares.
pub(crate) struct Shared {
    tree: Tree,
    locks: Locks,
    door: Door,
    hosts: Hosts,
    library: DavHandler<Visit>,
    turns: Semaphore,
}

impl Shared {
    pub fn new(hosts: Hosts, (keys, now): (KeyStore, fn() -> Stamp), (client, root): (Client, AccountRoot)) -> Self {
        let (tree, locks) = (Tree::new(client, root), Locks::default());
        let config = DavConfig::new().filesystem(Box::new(tree.clone())).locksystem(Box::new(locks.clone()));
        let (library, turns) = (config.build_handler(), Semaphore::new(REQUESTS_MAX));
        Self { tree, locks, door: Door::new(keys, now), hosts, library, turns }
    }
}

impl Answers for Shared {
    type Body = Body;

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let is_head = request.method() == Method::HEAD;
        let has_body = !request.body().is_end_stream();
        let mut answer = match self.judged(request).await {
            Ok(answer) => answer,
            Err(fault) => fault.answer(),
        };
        if is_head && answer.status().as_u16() >= 400 {
            *answer.body_mut() = whole(Bytes::new());
        }
        // Who was refused before its body was read may leave it out, or not: what comes next on this connection could be either.
        let is_unsure = has_body && answer.status().as_u16() >= 400;
        let headers = answer.headers_mut();
        if is_unsure {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert("MS-Author-Via", HeaderValue::from_static("DAV"));
        answer
    }
}

impl Shared {
    async fn judged(&self, request: Request<Incoming>) -> Result<Response<Body>, Fault> {
        let busy = |_| Fault::new(StatusCode::SERVICE_UNAVAILABLE, errors::RATE_LIMITED, "too many requests at once");
        let _turn = self.turns.try_acquire().map_err(busy)?;
        let (parts, body) = request.into_parts();
        let passed = wall::check(&parts, &self.hosts)?;
        let key = self.door.open(&parts.headers)?;
        let visit = visit(&parts, &passed, key);
        let Passed { place, is_deep, .. } = passed;
        match parts.method.as_str() {
            "OPTIONS" => Ok(options()),
            "GET" => self.tree.read(&visit, &place, &parts.headers, false).await,
            "HEAD" => self.tree.read(&visit, &place, &parts.headers, true).await,
            "PROPFIND" => {
                let xml = read_xml(body, XML_BYTES_MAX).await?;
                self.tree.find(&visit, (&place, is_deep), &xml, &self.locks).await
            }
            _ => self.change(&visit, &place, (parts, body)).await,
        }
    }

    /// What changes something.
    async fn change(
        &self,
        visit: &Visit,
        place: &Place,
        (parts, body): (Parts, Incoming),
    ) -> Result<Response<Body>, Fault> {
        if visit.scope().is_read_only {
            return Err(Fault::denied("the key is for reading only"));
        }
        self.may_change(visit, place, parts.method.as_str()).await?;
        let principal = visit.key_id().to_owned();
        let answer = match parts.method.as_str() {
            "PUT" => {
                let request = Request::from_parts(parts, coming(body, visit.clone()));
                self.library.handle_guarded(request, principal, visit.clone()).await
            }
            method => {
                let most = if method == "LOCK" { LOCK_XML_BYTES_MAX } else { XML_BYTES_MAX };
                let xml = read_xml(body, most).await?;
                match method {
                    "UNLOCK" if self.locks.is_others(&token_of(&parts), &principal) => {
                        return Err(Fault::denied("the lock is another key's"));
                    }
                    "LOCK" if !xml.is_empty() && self.locks.is_full() => {
                        let why = "there are too many locks";
                        return Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, errors::RATE_LIMITED, why));
                    }
                    "LOCK" => {}
                    "PROPPATCH" => {}
                    "COPY" | "MOVE" if xml.is_empty() => self.may_go(visit, place).await?,
                    _ if xml.is_empty() => {}
                    _ => {
                        let why = "nothing is said in the body of this request";
                        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, errors::BAD_VALUE, why));
                    }
                }
                let request = Request::from_parts(parts, Full::new(xml));
                self.library.handle_guarded(request, principal, visit.clone()).await
            }
        };
        match visit.fault() {
            Some(fault) if !answer.status().is_success() => Err(fault),
            _ => Ok(told(answer)),
        }
    }

    /// What a copy needs beside what the library looks at: it takes away first what is replaced. A bucket is not replaced, and a file
    /// takes the place of another one in one step.
    async fn may_go(&self, visit: &Visit, place: &Place) -> Result<(), Fault> {
        let Some(to) = visit.destination() else { return Ok(()) };
        if let (Place::Bucket(_), true) = (to, to != place) {
            match self.tree.look(visit, to).await {
                Ok(_) => return Err(Fault::denied("a bucket that is there is not replaced")),
                Err(fault) if fault.is_unknown() => {}
                Err(fault) => return Err(fault),
            }
        }
        if let Ok(Node::File(_)) = self.tree.look(visit, place).await {
            visit.saw_file();
        }
        Ok(())
    }

    /// Refuses, before anything is done, what the key does not have with all that lies in it.
    async fn may_change(&self, visit: &Visit, place: &Place, method: &str) -> Result<(), Fault> {
        let is_folder = match method {
            "COPY" => self.kind(visit, place).await?.unwrap_or(false),
            "DELETE" | "MOVE" | "LOCK" => {
                let is_folder = self.kind(visit, place).await?.unwrap_or(false);
                visit.check(place, is_folder)?;
                is_folder
            }
            _ => return Ok(()),
        };
        let Some(to) = visit.destination() else { return Ok(()) };
        let goes = self.kind(visit, to).await?.unwrap_or(is_folder);
        visit.check(to, is_folder).and_then(|()| visit.check(to, goes))
    }

    /// Whether a folder is at a place; nothing where nothing is.
    async fn kind(&self, visit: &Visit, place: &Place) -> Result<Option<bool>, Fault> {
        match self.tree.look(visit, place).await {
            Ok(node) => Ok(Some(node.is_folder())),
            Err(fault) if fault.is_unknown() => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

fn visit(parts: &Parts, passed: &Passed, key: ToolKey) -> Visit {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    Visit::new(VisitAsk {
        key,
        method: parts.method.clone(),
        place: passed.place.clone(),
        destination: passed.destination.clone(),
        content_type: kind.to_owned(),
        is_conditional: CONDITIONS.iter().any(|name| parts.headers.contains_key(name))
            || parts.headers.contains_key("if"),
        replaces: parts.headers.get("overwrite").is_none_or(|word| word.as_bytes() != b"F"),
    })
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn options() -> Response<Body> {
    let mut answer = Response::new(whole(Bytes::new()));
    let headers: &mut HeaderMap = answer.headers_mut();
    headers.insert("DAV", HeaderValue::from_static("1, 2"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(all) = HeaderValue::from_str(&METHODS.join(", ")) {
        headers.insert(header::ALLOW, all);
    }
    answer
}

/// A body that streams; one of which no byte comes for too long ends.
fn coming(body: Incoming, visit: Visit) -> StreamBody<impl Stream<Item = Result<Frame<Bytes>, io::Error>>> {
    let next = |(mut body, visit): (Incoming, Visit)| async move {
        let frame = match timeout(BODY_STALL, body.frame()).await {
            Ok(frame) => frame?.map_err(|error| {
                visit.fail(Fault::bad("the content did not come whole"));
                io::Error::other(error)
            }),
            Err(_) => {
                visit.fail(late());
                Err(io::ErrorKind::TimedOut.into())
            }
        };
        Some((frame, (body, visit)))
    };
    StreamBody::new(stream::unfold((body, visit), next))
}

fn late() -> Fault {
    Fault::new(StatusCode::REQUEST_TIMEOUT, errors::TIMED_OUT, "the body did not come in time")
}

/// A body of XML, looked through before anything reads it.
async fn read_xml(body: Incoming, most: usize) -> Result<Bytes, Fault> {
    let long = || Fault::new(StatusCode::PAYLOAD_TOO_LARGE, errors::TOO_LARGE, format!("more than {most} bytes"));
    if body.size_hint().lower() > most as u64 {
        return Err(long());
    }
    let reading = timeout(BODY_STALL, Limited::new(body, most).collect());
    let bytes = match reading.await.map_err(|_| late())? {
        Ok(read) => read.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(long()),
        Err(_) => return Err(Fault::bad("the body ended too early")),
    };
    xml::check(&bytes).map_err(|_| Fault::bad("XML that is broken, too deep, or has declarations of its own"))?;
    Ok(bytes)
}

/// An answer of the library's, with words where it has none.
fn told(answer: Response<dav_server::body::Body>) -> Response<Body> {
    let status = answer.status();
    if status.as_u16() < 400 {
        return answer.map(BodyExt::boxed_unsync);
    }
    let (id, why) = match status {
        StatusCode::NOT_FOUND => (errors::OBJECT_UNKNOWN, "there is nothing of this name"),
        StatusCode::CONFLICT => (errors::OBJECT_UNKNOWN, "the folder it shall lie in is not there, or it is not empty"),
        StatusCode::PRECONDITION_FAILED => (errors::PRECONDITION, "it is not in the state that was named"),
        StatusCode::LOCKED => (errors::LEASE_STALE, "somebody holds a lock on it"),
        StatusCode::METHOD_NOT_ALLOWED => (errors::NOT_ALLOWED, "this is not done to what is there"),
        StatusCode::FORBIDDEN => (errors::NOT_ALLOWED, "this is not allowed"),
        status if status.is_server_error() => (errors::BUG, "the request came to nothing"),
        _ => (errors::BAD_VALUE, "the request is not one of WebDAV"),
    };
    let mut own = Fault::new(status, id, why).answer();
    for (name, value) in answer.headers() {
        if ![header::CONTENT_LENGTH, header::CONTENT_TYPE].contains(name) {
            own.headers_mut().insert(name, value.clone());
        }
    }
    own
}

/// The token that an `UNLOCK` names.
fn token_of(parts: &Parts) -> String {
    let text = parts.headers.get("lock-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.trim().trim_start_matches('<').trim_end_matches('>').to_owned()
}
