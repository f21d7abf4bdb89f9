//! A small S3 client: what the demo stores with, and what the tests attack with.

use crate::sign::{SignAsk, Signer, encode, query_string, sha256};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::Stamp;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The gateway is not there.
    #[error("the gateway cannot be reached: {0}")]
    Unreachable(#[from] std::io::Error),
    /// The connection ended.
    #[error("the connection ended: {0}")]
    Ended(#[from] hyper::Error),
    /// What was asked is no request.
    #[error("not a request: {0}")]
    Request(#[from] hyper::http::Error),
}

/// A request.
#[derive(Debug, Clone, Default)]
pub struct ToolAsk {
    /// `GET`, `PUT` …
    pub method: String,
    /// The path, plain: `/bucket/key`.
    pub path: String,
    /// The query, plain.
    pub query: Vec<(String, String)>,
    /// Headers besides those that every request has, in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl ToolAsk {
    /// Of a path, without more.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), ..Self::default() }
    }

    /// The same with a pair in its query.
    #[must_use]
    pub fn query(mut self, key: &str, value: &str) -> Self {
        self.query.push((key.to_owned(), value.to_owned()));
        self
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// The path as it is sent.
    pub fn target(&self) -> String {
        encode(&self.path, true)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct ToolAnswer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
}

impl ToolAnswer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What stands in the first element of this name.
    pub fn element(&self, name: &str) -> Option<String> {
        let text = self.text();
        let rest = text.split_once(&format!("<{name}>"))?.1;
        rest.split_once(&format!("</{name}>")).map(|(inside, _)| inside.to_owned())
    }
}

/// Asks one gateway with one key.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Where it is.
    pub addr: SocketAddr,
    /// The key's id.
    pub id: String,
    /// The key's secret.
    pub secret: String,
    /// The clock it signs by.
    pub now: fn() -> Stamp,
}

impl Tool {
    /// The host header of its requests.
    pub fn host(&self) -> String {
        self.addr.to_string()
    }

    /// Signs with its key, now.
    pub fn signer(&self) -> Signer {
        Signer::new(&self.id, &self.secret, (self.now)())
    }

    /// Asks, signed.
    ///
    /// # Errors
    /// [`ToolError`]; a refusal is an answer.
    pub async fn ask(&self, ask: ToolAsk) -> Result<ToolAnswer, ToolError> {
        let payload = sha256(&ask.body);
        self.send(self.signed(ask, &payload, &self.signer()).0).await
    }

    /// The same request with what signs it, and its signature.
    pub fn signed(&self, mut ask: ToolAsk, payload: &str, signer: &Signer) -> (ToolAsk, String) {
        let has_host = ask.headers.iter().any(|(name, _)| name == "host");
        if !has_host {
            ask = ask.header("host", &self.host());
        }
        let ask = ask.header("x-amz-date", signer.date()).header("x-amz-content-sha256", payload);
        let target = ask.target();
        let of = SignAsk { method: &ask.method, path: &target, query: &ask.query, headers: &ask.headers, payload };
        let (value, signature) = signer.authorization(&of);
        (ask.header("authorization", &value), signature)
    }

    /// The target of a signed address for a request, good for so many seconds.
    pub fn presigned(&self, ask: &ToolAsk, expires_s: u64, signer: &Signer) -> Vec<(String, String)> {
        let mut headers = ask.headers.clone();
        headers.push(("host".to_owned(), self.host()));
        let target = ask.target();
        let of = SignAsk { method: &ask.method, path: &target, query: &ask.query, headers: &headers, payload: "" };
        signer.presign(&of, expires_s)
    }

    /// Sends what is there, signed or not.
    ///
    /// # Errors
    /// [`ToolError`].
    pub async fn send(&self, ask: ToolAsk) -> Result<ToolAnswer, ToolError> {
        self.line().await?.send(ask).await
    }

    /// A connection that is kept for one request after another.
    ///
    /// # Errors
    /// [`ToolError`].
    pub async fn line(&self) -> Result<ToolLine, ToolError> {
        let stream = TcpStream::connect(self.addr).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(ToolLine { tool: self.clone(), sender, driving: tokio::spawn(connection) })
    }
}

/// A connection of a tool; it ends when it is dropped.
pub struct ToolLine {
    tool: Tool,
    sender: http1::SendRequest<Full<Bytes>>,
    driving: JoinHandle<Result<(), hyper::Error>>,
}

impl Drop for ToolLine {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

impl ToolLine {
    /// Asks, signed.
    ///
    /// # Errors
    /// [`ToolError`]; a refusal is an answer.
    pub async fn ask(&mut self, ask: ToolAsk) -> Result<ToolAnswer, ToolError> {
        let payload = sha256(&ask.body);
        let ask = self.tool.signed(ask, &payload, &self.tool.signer()).0;
        self.send(ask).await
    }

    async fn send(&mut self, ask: ToolAsk) -> Result<ToolAnswer, ToolError> {
        let query = query_string(&ask.query);
        let target = if query.is_empty() { ask.target() } else { format!("{}?{query}", ask.target()) };
        let mut request = hyper::Request::builder().method(ask.method.as_str()).uri(target);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if !ask.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", self.tool.host());
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::new(ask.body))?).await?;
        let status = answer.status().as_u16();
        let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok(ToolAnswer { status, headers, body })
    }
}
