//! Content on its way out: what is read is handed to the answer as it comes. The first bytes are waited for, so that what cannot be
//! read is told before anything was promised; what fails later ends the connection, never the content. A tool that takes nothing for
//! [`ANSWER_PAUSE`] is not read for any longer.

use super::error::fault;
use crate::limits::{ANSWER_PAUSE, ANSWER_STALL, CHUNKS_QUEUED};
use bytes::Bytes;
use client::{Bucket, Client, ClientError, Found};
use futures_util::{StreamExt, stream};
use s3s::S3Error;
use s3s::dto::StreamingBlob;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::sync::PollSender;

/// What is handed on.
pub(crate) type Chunk = Result<Bytes, ClientError>;

/// The writing end.
struct Outlet {
    to: PollSender<Chunk>,
    /// Runs while nobody takes anything.
    waits: Option<Pin<Box<Sleep>>>,
}

impl AsyncWrite for Outlet {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        match self.to.poll_reserve(cx) {
            Poll::Ready(has_room) => has_room.map_err(gone)?,
            Poll::Pending => {
                let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(ANSWER_PAUSE)));
                ready!(waits.as_mut().poll(cx));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        self.waits = None;
        self.to.send_item(Ok(Bytes::copy_from_slice(bytes))).map_err(gone)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Reads what was found, or a part of it, by a task of its own.
pub(crate) fn read(client: Client, bucket: Bucket, found: Found, range: Range<u64>) -> mpsc::Receiver<Chunk> {
    let (send, receive) = mpsc::channel(CHUNKS_QUEUED);
    tokio::spawn(async move {
        let mut out = Outlet { to: PollSender::new(send.clone()), waits: None };
        let reading = client.get_found(&bucket, found, Some(range), &mut out, &|_, _, _| {});
        if let Err(error) = reading.await {
            let _ = timeout(ANSWER_STALL, send.send(Err(error))).await; // nobody reads any more
        }
    });
    receive
}

/// The same as the body of an answer, once its first bytes are there.
pub(crate) async fn body(mut chunks: mpsc::Receiver<Chunk>) -> Result<StreamingBlob, S3Error> {
    let first = match chunks.recv().await {
        Some(Ok(bytes)) => Some(Ok(bytes)),
        Some(Err(error)) => return Err(fault(error)),
        None => None,
    };
    let told = |next: Chunk| next.map_err(|error| io::Error::other(error.to_string()));
    let rest = stream::poll_fn(move |cx| chunks.poll_recv(cx).map(|next| next.map(told)));
    Ok(StreamingBlob::wrap(stream::iter(first).chain(rest)))
}
