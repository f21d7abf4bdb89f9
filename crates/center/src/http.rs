//! Pages and probes for people and monitors: the fleet, liveness, readiness, metrics. Read-only; loopback by default.

use crate::{Center, CenterError, fleet, metrics};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;

/// Longest time a readiness probe waits for the database.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// Listens and serves; the address it got.
pub async fn start(center: &Center) -> Result<SocketAddr, CenterError> {
    let wanted = center.settings().http.listen;
    let listen = |source| CenterError::Listen { addr: wanted, source };
    let listener = TcpListener::bind(wanted).await.map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;
    let router = Router::new()
        .route("/", get(page))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(|State(center): State<Center>| async move { metrics::page(&center) }))
        .route("/assets/{*path}", get(asset))
        .layer(map_response(secure))
        .with_state(center.clone());
    center.0.tasks.lock().await.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "pages ended");
        }
    });
    Ok(addr)
}

/// The security headers of every answer.
async fn secure(mut response: Response) -> Response {
    for (name, value) in console::headers() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::try_from(*value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn page(State(center): State<Center>, headers: HeaderMap) -> Response {
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let lang = if wanted.trim_start().starts_with("zh") { console::text::Lang::Zh } else { center.lang() };
    match fleet::page::view(&center).await {
        Ok(view) => console::fleet::page(&view, lang).into_response(),
        Err(refused) => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", refused.0.id)).into_response(),
    }
}

async fn asset(Path(path): Path<String>) -> Response {
    match console::assets::find(&path) {
        Some(asset) => ([(header::CONTENT_TYPE, asset.content_type)], asset.bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn ready(State(center): State<Center>) -> Response {
    let reads = center.db().read(|q| Ok(crate::access::store::count_members(q)?));
    let database = tokio::time::timeout(READY_TIMEOUT, reads).await.is_ok_and(|answer| answer.is_ok());
    if database && center.is_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}
