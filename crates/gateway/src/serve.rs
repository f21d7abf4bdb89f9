//! S3 as it is answered: the wall, S3's library behind it, and answers that bear the id of our registry.

use crate::form::{self, FileName};
use crate::inflow::{Chunks, Inflow};
use crate::keys::KeyStore;
use crate::limits::{
    BUFFER_BYTES, FORM_BYTES_MAX, FORM_FIELDS_MAX, FORM_PARTS_MAX, FORM_WAIT, FORMS_MAX, PRESIGN_MAX_S, REQUESTS_MAX,
    XML_BYTES_HELD, XML_BYTES_MAX,
};
use crate::listen::{Answers, Listening};
use crate::page::{Page, tell};
use crate::s3::{Face, Guard, error};
use crate::wall::{self, Asked, Hosts, REGION, Refusal};
use crate::xml::{self, XmlFault};
use bytes::Bytes;
use client::{AccountRoot, Client};
use data_encoding::HEXLOWER;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use model::{Stamp, errors};
use rand::Rng;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{Body, S3Result};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Bytes of an error's body that are looked at.
const ERROR_BYTES_MAX: usize = 64 << 10;
/// Longest name of a bucket, as the account has them.
const BUCKET_NAME_MAX: usize = 255;

/// Why a gateway does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Others could reach it, and nobody said that they may.
    #[error("{0} can be reached from other machines")]
    NotLoopback(SocketAddr),
    /// The system does not let it.
    #[error("{addr}: {source}")]
    Bind {
        /// Where.
        addr: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
}

/// What is served, where and to whom.
#[derive(Clone)]
pub struct ServeAsk {
    /// Where it listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// It may be reached from other machines.
    pub is_open: bool,
    /// Names beside those of this machine itself under which it is asked.
    pub hosts: Vec<String>,
    /// Keys of tools.
    pub keys: KeyStore,
    /// The member's side.
    pub client: Client,
    /// The account.
    pub root: AccountRoot,
    /// Clock.
    pub now: fn() -> Stamp,
}

/// A gateway that listens; ends with [`Self::stop`].
pub struct Gateway {
    listening: Listening,
    expiring: JoinHandle<()>,
}

/// What every connection shares.
struct Shared {
    service: S3Service,
    face: Face,
    hosts: Hosts,
    turns: Semaphore,
    forms: Semaphore,
    xml_kib: Semaphore,
    now: fn() -> Stamp,
}

impl Gateway {
    /// Listens.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn start(ask: ServeAsk) -> Result<Self, ListenError> {
        let face = Face::new(ask.client.clone(), ask.root.clone());
        let listening = Listening::start(&ask, |hosts| {
            let guard = Guard { keys: ask.keys.clone(), now: ask.now };
            let service = service(face.clone(), guard, hosts.clone());
            let (turns, forms) = (Semaphore::new(REQUESTS_MAX), Semaphore::new(FORMS_MAX));
            let xml_kib = Semaphore::new(XML_BYTES_HELD >> 10);
            Shared { service, face: face.clone(), hosts, turns, forms, xml_kib, now: ask.now }
        });
        Ok(Self { listening: listening.await?, expiring: tokio::spawn(face.expire(ask.now)) })
    }

    /// Where it listens, with the port that the system chose.
    pub const fn addr(&self) -> SocketAddr {
        self.listening.addr()
    }

    /// Takes no more, and gives what is under way a moment.
    pub async fn stop(self) {
        self.expiring.abort();
        self.listening.stop().await;
    }
}

/// S3's library with our face, keys, names and limits.
fn service(face: Face, guard: Guard, hosts: Hosts) -> S3Service {
    let mut config = S3Config::default();
    config.xml_max_body_size = XML_BYTES_MAX;
    config.post_object_max_file_size = FORM_BYTES_MAX;
    config.form_max_field_size = FORM_FIELDS_MAX;
    config.form_max_parts = FORM_PARTS_MAX;
    // It holds what came and the next piece together against this.
    config.form_max_fields_size = FORM_FIELDS_MAX + BUFFER_BYTES;
    // Header and address are judged by the wall; a form's own end of time by its policy.
    config.presigned_url_max_skew_time_secs = u32::try_from(PRESIGN_MAX_S).unwrap_or(u32::MAX);
    let mut builder = S3ServiceBuilder::new(face);
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.set_auth(guard.clone());
    builder.set_access(guard);
    builder.set_host(Names(hosts));
    builder.set_validation(Buckets);
    builder.build()
}

/// Names of buckets that the account may have, S3's or not.
struct Buckets;

impl NameValidation for Buckets {
    fn validate_bucket_name(&self, name: &str) -> bool {
        !name.is_empty() && name.len() <= BUCKET_NAME_MAX && !name.contains('\0')
    }
}

struct Names(Hosts);

impl S3Host for Names {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        match self.0.read(host) {
            Some(Asked::Bucket(bucket)) => Ok(VirtualHost::new(host).with_bucket(bucket)),
            Some(Asked::Gateway) => Ok(VirtualHost::new(host)),
            None => Err(error::denied("this is not the host's gateway")),
        }
    }
}

impl Answers for Shared {
    type Body = Body;

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (is_head, id) = (request.method() == Method::HEAD, request_id());
        let has_body = !request.body().is_end_stream();
        // A body that is empty is not told to come, as the standard has it. botocore, in most of its versions, then reads the next answer
        // on this connection without its first line: it waits for an end that does not come, and takes a refusal for a success.
        let is_awaited = !has_body && request.headers().contains_key(EXPECT);
        let page = Page::of(request.method(), request.uri(), request.headers());
        let judged = match request.method() == Method::OPTIONS {
            true => self.preflight(request, page.as_ref()).await,
            false => self.judged(request, page.as_ref()).await,
        };
        let mut answer = match judged {
            Ok(answer) => answer,
            Err(refusal) => refused(&refusal, &id),
        };
        if answer.status().is_client_error() || answer.status().is_server_error() {
            answer = told(answer, is_head, &id).await;
        }
        // Who was refused before its body was read may leave it out, or not: what comes next on this connection could be either.
        let is_refused = answer.status().is_client_error() || answer.status().is_server_error();
        let is_unsure = has_body && is_refused || is_awaited;
        let headers = answer.headers_mut();
        if is_unsure {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert("x-amz-request-id", id);
        }
        answer
    }
}

impl Shared {
    /// A browser asks whether a page of another origin may ask. Nobody signs that; it is told what the bucket's owner set, and
    /// nothing else.
    async fn preflight(&self, request: Request<Incoming>, page: Option<&Page>) -> Result<Response<Body>, Refusal> {
        let _turn = self.turns.try_acquire().map_err(busy)?;
        let (parts, _) = request.into_parts();
        let asked = wall::known(&parts, &self.hosts)?;
        let page = page.filter(|page| !page.method.is_empty()).ok_or_else(|| {
            let why = "Insufficient information. Origin and Access-Control-Request-Method are needed";
            Refusal::new("BadRequest", StatusCode::BAD_REQUEST, errors::BAD_VALUE, why)
        })?;
        let told = match page.bucket(&asked) {
            Some(bucket) => self.face.cors(&bucket, page.asking()).await,
            None => None,
        };
        let told = told.ok_or_else(|| {
            let why = "CORSResponse: no rule of this bucket allows that";
            Refusal::new("AccessForbidden", StatusCode::FORBIDDEN, errors::FOREIGN_ORIGIN, why)
        })?;
        let mut answer = Response::new(Body::empty());
        tell(&mut answer, told);
        Ok(answer)
    }

    async fn judged(&self, request: Request<Incoming>, page: Option<&Page>) -> Result<Response<Body>, Refusal> {
        let _turn = self.turns.try_acquire().map_err(busy)?;
        let (mut parts, body) = request.into_parts();
        let asked = wall::check(&parts, &self.hosts, (self.now)())?;
        let _form = match wall::is_form(&parts) {
            true => Some(self.forms.try_acquire().map_err(busy)?),
            false => None,
        };
        let is_xml = is_xml(&parts, &asked);
        let _held = match is_xml {
            true => self.xml_kib.acquire_many(kib_of(body.size_hint().upper())).await.ok(),
            false => None,
        };
        let body = match is_xml {
            true => Body::from(read_xml(&parts, body).await?),
            false if wall::is_form(&parts) => {
                let (name, body) = form::looked_through(Inflow::new(body, Chunks::None)).await;
                parts.extensions.insert(name.unwrap_or_else(|| FileName(String::new())));
                body
            }
            false => Body::http_body(Inflow::new(body, chunks_of(&parts))),
        };
        let failed = |error: s3s::HttpError| {
            tracing::warn!(?error, "a request came to nothing");
            let why = "the answer could not be written";
            Refusal::new("InternalError", StatusCode::INTERNAL_SERVER_ERROR, errors::BUG, why)
        };
        let is_form = wall::is_form(&parts);
        let called = self.service.call(Request::from_parts(parts, body));
        let called = match is_form {
            true => tokio::time::timeout(FORM_WAIT, called).await.map_err(|_| {
                let why = "the form took too long";
                Refusal::new("RequestTimeout", StatusCode::BAD_REQUEST, errors::TIMED_OUT, why)
            })?,
            false => called.await,
        };
        let mut answer = called.map_err(failed)?;
        if let Some(page) = page
            && let Some(bucket) = page.bucket(&asked)
            && let Some(told) = self.face.cors(&bucket, page.asking()).await
        {
            tell(&mut answer, told);
        }
        Ok(answer)
    }
}

fn busy(_: tokio::sync::TryAcquireError) -> Refusal {
    let why = "too many requests at once";
    Refusal::new("SlowDown", StatusCode::SERVICE_UNAVAILABLE, errors::RATE_LIMITED, why)
}

/// How a body says that it is cut.
fn chunks_of(parts: &Parts) -> Chunks {
    match parts.headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok()) {
        Some(crate::sign::CHUNKS) => Chunks::Signed,
        Some(text) if text.starts_with("STREAMING-") => Chunks::WithTrailer,
        _ => Chunks::None,
    }
}

fn request_id() -> String {
    let mut id = [0; 8];
    rand::rng().fill_bytes(&mut id);
    HEXLOWER.encode(&id).to_ascii_uppercase()
}

/// Whether the body is read whole before it means anything: all but an object's content, and a part's.
fn is_xml(parts: &Parts, asked: &Asked) -> bool {
    if ![Method::PUT, Method::POST].contains(&parts.method) || wall::is_form(parts) {
        return false;
    }
    let path = parts.uri.path().trim_start_matches('/');
    let has_key = match asked {
        Asked::Gateway => path.split_once('/').is_some_and(|(_, key)| !key.is_empty()),
        Asked::Bucket(_) => !path.is_empty(),
    };
    let is_plain = |pair: &str| {
        let key = pair.split('=').next().unwrap_or_default();
        ["", "partNumber", "uploadId", "x-id"].contains(&key) || key.starts_with("X-Amz-")
    };
    let is_content =
        parts.method == Method::PUT && has_key && parts.uri.query().unwrap_or_default().split('&').all(is_plain);
    !is_content
}

/// What a body of XML may take, in KiB: as long as it says, where it says so.
fn kib_of(announced: Option<u64>) -> u32 {
    let bytes = announced.and_then(|len| usize::try_from(len).ok()).unwrap_or(XML_BYTES_MAX).min(XML_BYTES_MAX);
    u32::try_from(bytes >> 10).unwrap_or(u32::MAX) + 1
}

/// A body of XML, looked through before anything reads it.
async fn read_xml(parts: &Parts, body: Incoming) -> Result<Bytes, Refusal> {
    let framed =
        parts.headers.get("x-amz-content-sha256").is_some_and(|value| value.as_bytes().starts_with(b"STREAMING"));
    if framed {
        let why = "only content comes in chunks";
        return Err(Refusal::new("NotImplemented", StatusCode::NOT_IMPLEMENTED, errors::NOT_IN_BUILD, why));
    }
    let reading = tokio::time::timeout(crate::limits::BODY_STALL, Limited::new(body, XML_BYTES_MAX).collect());
    let read = reading.await.map_err(|_| {
        let why = "the body did not come in time";
        Refusal::new("RequestTimeout", StatusCode::BAD_REQUEST, errors::TIMED_OUT, why)
    })?;
    let bytes = match read {
        Ok(read) => read.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let why = format!("more than {XML_BYTES_MAX} bytes");
            return Err(Refusal::new("MaxMessageLengthExceeded", StatusCode::BAD_REQUEST, errors::TOO_LARGE, why));
        }
        Err(_) => {
            let why = "the body ended too early";
            return Err(Refusal::new("IncompleteBody", StatusCode::BAD_REQUEST, errors::BAD_VALUE, why));
        }
    };
    let is_complete = parts.uri.query().unwrap_or_default().split('&').any(|pair| pair.starts_with("uploadId="));
    crate::s3::check_small(&parts.headers, is_complete, &bytes)?;
    xml::check(&bytes).map_err(|fault| {
        let why = match fault {
            XmlFault::Declaration => "declarations are not read, of entities least of all",
            XmlFault::Depth => "too many elements inside one another",
            XmlFault::Broken => "a tag has no end",
            XmlFault::Encoding => "it is not UTF-8",
        };
        Refusal::new("MalformedXML", StatusCode::BAD_REQUEST, errors::BAD_VALUE, why)
    })?;
    Ok(bytes)
}

fn refused(refusal: &Refusal, id: &str) -> Response<Body> {
    let message = format!("{} {}: {}", refusal.id, refusal.id.row().code, refusal.why);
    rendered(refusal.status, refusal.code, &escape(&message), id)
}

fn rendered(status: StatusCode, code: &str, message: &str, id: &str) -> Response<Body> {
    let region = if code.starts_with("Authorization") { format!("<Region>{REGION}</Region>") } else { String::new() };
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{region}\
         <RequestId>{id}</RequestId></Error>"
    );
    let mut answer = Response::new(Body::from(xml));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    answer
}

/// An error as it goes out: with the id of our registry, whoever said it.
async fn told(answer: Response<Body>, is_head: bool, id: &str) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let read = Limited::new(body, ERROR_BYTES_MAX).collect().await;
    let text = read.map(|read| String::from_utf8_lossy(&read.to_bytes()).into_owned()).unwrap_or_default();
    let inside = |name: &str| {
        let rest = text.split_once(&format!("<{name}>"))?.1;
        rest.split_once(&format!("</{name}>")).map(|(inside, _)| inside)
    };
    let code = inside("Code").unwrap_or("InternalError");
    let message = inside("Message").unwrap_or_default();
    let own = error::id_of_code(code);
    let is_ours =
        message.starts_with('E') && message.as_bytes().get(1..5).is_some_and(|id| id.iter().all(u8::is_ascii_digit));
    let message = if is_ours { message.to_owned() } else { format!("{own} {}: {message}", own.row().code) };
    let mut answer = rendered(parts.status, code, &message, id);
    for (name, value) in &parts.headers {
        if ![hyper::header::CONTENT_LENGTH, CONTENT_TYPE].contains(name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    if is_head {
        *answer.body_mut() = Body::empty();
    }
    answer
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str, uri: &str) -> Parts {
        Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0
    }

    #[test]
    fn content_streams_and_everything_else_is_looked_through() {
        for (method, uri, is) in [
            ("PUT", "/b/k", false),
            ("PUT", "/b/k?partNumber=1&uploadId=2", false),
            ("PUT", "/b/k?x-id=PutObject&X-Amz-Date=1", false),
            ("PUT", "/b/k?tagging", true),
            ("PUT", "/b/k?acl=", true),
            ("PUT", "/b", true),
            ("PUT", "/b/", true),
            ("POST", "/b?delete", true),
            ("POST", "/b/k?uploadId=2", true),
            ("GET", "/b/k?tagging", false),
        ] {
            assert_eq!(is_xml(&parts(method, uri), &Asked::Gateway), is, "{method} {uri}");
        }
        assert!(!is_xml(&parts("PUT", "/k"), &Asked::Bucket("b".into())));
        assert!(is_xml(&parts("PUT", "/"), &Asked::Bucket("b".into())));
    }

    #[tokio::test]
    async fn errors_bear_our_ids_whoever_said_them() {
        let of = |xml: &str| {
            let mut answer = Response::new(Body::from(xml.to_owned()));
            *answer.status_mut() = StatusCode::FORBIDDEN;
            answer
        };
        let read = |answer: Response<Body>| async {
            String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
        };
        let foreign = of("<Error><Code>SignatureDoesNotMatch</Code></Error>");
        let text = read(told(foreign, false, "X").await).await;
        assert!(text.contains("<Message>E0116 bad_signature: </Message>"), "{text}");
        let own = of("<Error><Code>AccessDenied</Code><Message>E0112 key_wrong: no</Message></Error>");
        assert!(read(told(own, false, "X").await).await.contains("<Message>E0112 key_wrong: no</Message>"));
        let refusal = Refusal::bad("<&>");
        assert!(read(refused(&refusal, "X")).await.contains("&lt;&amp;&gt;"));
    }
}
