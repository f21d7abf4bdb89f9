//! WebDAV as it listens: connections with their limits, and what every one of them shares. It listens on this machine only, unless it
//! is told otherwise in so many words.

use super::answer::Shared;
use crate::limits::{BUFFER_BYTES, CONNECTIONS_MAX, END_WAIT, HEADER_WAIT, HEADERS_MAX};
use crate::serve::{ListenError, ServeAsk};
use crate::wall::Hosts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Pause after a connection that could not be accepted.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// WebDAV that listens; ends with [`Self::stop`].
pub struct DavGateway {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl DavGateway {
    /// Listens.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn start(ask: ServeAsk) -> Result<Self, ListenError> {
        let ServeAsk { listen, is_open, mut hosts, keys, client, root, now } = ask;
        if !listen.ip().is_loopback() && !is_open {
            return Err(ListenError::NotLoopback(listen));
        }
        let bound = |source| ListenError::Bind { addr: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(bound)?;
        let addr = listener.local_addr().map_err(bound)?;
        hosts.push(addr.ip().to_string());
        let shared = Arc::new(Shared::new(Hosts::new(&hosts, addr.port()), (keys, now), (client, root)));
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, shared, stopped));
        Ok(Self { addr, stop, accepting })
    }

    /// Where it listens, with the port that the system chose.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no more, and gives what is under way a moment.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = tokio::time::timeout(END_WAIT + ACCEPT_REST, self.accepting).await; // what is left is cut off
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
                open.spawn(async move {
                    connection(stream, shared, stopped).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::info!(%error, "a connection is not accepted");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
    drop(listener);
    let ending = async { while open.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(END_WAIT, ending).await; // the rest is cut off
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true); // only slower without
    let answering = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WAIT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), answering);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
