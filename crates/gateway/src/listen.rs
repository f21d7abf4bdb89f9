//! How a face listens: connections with their limits, each answered from what all of them share. It listens on this machine only,
//! unless it is told otherwise in so many words.

use crate::limits::{BUFFER_BYTES, CONNECTIONS_MAX, END_WAIT, HEADER_WAIT, HEADERS_MAX};
use crate::serve::{ListenError, ServeAsk};
use crate::wall::Hosts;
use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Pause after a connection that could not be accepted.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What every connection of a face shares.
pub(crate) trait Answers: Send + Sync + 'static {
    /// What it answers with.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Answers one request.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// A face that listens; ends with [`Self::stop`].
pub(crate) struct Listening {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Listening {
    /// Listens where it is asked to; `shared` gets the names under which that is asked.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn start<A: Answers>(ask: &ServeAsk, shared: impl FnOnce(Hosts) -> A) -> Result<Self, ListenError> {
        let listen = ask.listen;
        if !listen.ip().is_loopback() && !ask.is_open {
            return Err(ListenError::NotLoopback(listen));
        }
        let bound = |source| ListenError::Bind { addr: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(bound)?;
        let addr = listener.local_addr().map_err(bound)?;
        let hosts: Vec<String> = ask.hosts.iter().cloned().chain([addr.ip().to_string()]).collect();
        let shared = Arc::new(shared(Hosts::new(&hosts, addr.port())));
        let (stop, stopped) = watch::channel(false);
        Ok(Self { addr, stop, accepting: tokio::spawn(accept(listener, shared, stopped)) })
    }

    /// Where it listens, with the port that the system chose.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no more, gives what is under way a moment, and cuts off what is left.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(END_WAIT + ACCEPT_REST, &mut self.accepting).await.is_err() {
            self.accepting.abort();
        }
    }
}

/// A place and who takes it.
async fn next(listener: &TcpListener, places: &Arc<Semaphore>) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    Ok((listener.accept().await?.0, place))
}

async fn accept<A: Answers>(listener: TcpListener, shared: Arc<A>, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = next(&listener, &places) => accepted,
            _ = stopped.changed() => break,
        };
        match accepted {
            Ok((stream, place)) => {
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

async fn connection<A: Answers>(stream: TcpStream, shared: Arc<A>, mut stopped: watch::Receiver<bool>) {
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
