//! A page of another origin that asks, and what its browser is told of what it may see (CORS).

use crate::s3::cors::{Allowed, Asking};
use crate::wall::Asked;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method, Response, Uri};
use s3s::Body;

/// Puts what a page may see into an answer.
pub(crate) fn tell(answer: &mut Response<Body>, told: Allowed) {
    for (name, value) in told {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    }
}

/// A page of another origin that asks, by its browser's word.
pub(crate) struct Page {
    origin: String,
    /// What it does, or would do.
    pub method: String,
    headers: Vec<String>,
    path: String,
}

impl Page {
    /// Of a request; none where no page asks.
    pub fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let origin = text("origin").filter(|origin| !origin.is_empty())?;
        let path = crate::sign::decode(uri.path()).unwrap_or_default();
        if method != Method::OPTIONS {
            return Some(Self { origin, method: method.to_string(), headers: Vec::new(), path });
        }
        let wanted = text("access-control-request-headers").unwrap_or_default().to_ascii_lowercase();
        let wanted = wanted.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        let method = text("access-control-request-method").unwrap_or_default();
        Some(Self { origin, method, headers: wanted.collect(), path })
    }

    /// The bucket it asks for.
    pub fn bucket(&self, asked: &Asked) -> Option<String> {
        match asked {
            Asked::Bucket(bucket) => Some(bucket.clone()),
            Asked::Gateway => {
                let bucket = self.path.trim_start_matches('/').split('/').next().unwrap_or_default();
                (!bucket.is_empty()).then(|| bucket.to_owned())
            }
        }
    }

    /// As rules see it.
    pub fn asking(&self) -> Asking<'_> {
        Asking { origin: &self.origin, method: &self.method, headers: &self.headers }
    }
}
