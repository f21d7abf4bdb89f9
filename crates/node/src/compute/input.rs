//! What an item reads, fetched and opened: whole objects, lines of a split.

use client::{Bucket, Client, ClientError, Wanted};
use codec::records::{RECORD_MAX, lines_of, reads_from};
use std::collections::BTreeMap;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use wire::Link;
use wire::compute::{Brief, InputForm, Parcel, PartOf};

/// Read beyond a split at first, to find the end of its last line.
const BEYOND: u64 = 64 << 10;
/// Objects fetched at the same time.
const FETCHES: usize = 4;
/// Bytes that one item reads at most.
pub const INPUT_MAX: u64 = 2 << 30;

/// Buckets that a lease's links open, each opened once.
pub struct Buckets {
    client: Client,
    links: Vec<String>,
    opened: Mutex<BTreeMap<u16, Bucket>>,
}

impl Buckets {
    /// Of these links.
    pub fn new(client: Client, links: Vec<String>) -> Self {
        Self { client, links, opened: Mutex::default() }
    }

    /// The bucket of a link by its place.
    pub async fn at(&self, place: u16) -> Result<Bucket, ClientError> {
        let mut opened = self.opened.lock().await;
        if let Some(bucket) = opened.get(&place) {
            return Ok(bucket.clone());
        }
        let text = self.links.get(usize::from(place)).ok_or(ClientError::Unexpected("a parcel without its link"))?;
        let bucket = open(&self.client, text).await?;
        opened.insert(place, bucket.clone());
        Ok(bucket)
    }
}

/// Opens what a link grants.
pub async fn open(client: &Client, text: &str) -> Result<Bucket, ClientError> {
    let link: Link = text.parse().map_err(|_| ClientError::Unexpected("a link that is none"))?;
    client.shared(&link).await
}

/// What a guest gets.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Standard input.
    pub stdin: Vec<u8>,
    /// Files below `/in`.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Fetches an item's input.
pub async fn fetch(client: &Client, buckets: &Buckets, brief: &Brief, parcel: &Parcel) -> Result<Fetched, ClientError> {
    let mut fetched = Fetched::default();
    match brief.input {
        InputForm::None => {}
        InputForm::Lines => {
            for part in &parcel.inputs {
                let bucket = buckets.at(part.link).await?;
                if fetched.stdin.last().is_some_and(|last| *last != b'\n') {
                    fetched.stdin.push(b'\n'); // the last line of an object is one, though it lacks its end
                }
                let more = lines(client, &bucket, part).await?;
                if fetched.stdin.is_empty() { fetched.stdin = more } else { fetched.stdin.extend(more) }
            }
        }
        InputForm::Stdin | InputForm::Files => {
            let mut wanted = Vec::new();
            for part in &parcel.inputs {
                wanted.push((buckets.at(part.link).await?, part.clone()));
            }
            let contents = all(client, wanted).await?;
            for (part, content) in parcel.inputs.iter().zip(contents) {
                if brief.input == InputForm::Files {
                    fetched.files.insert(part.file.clone(), content);
                } else if fetched.stdin.is_empty() {
                    fetched.stdin = content;
                } else {
                    fetched.stdin.extend(content);
                }
            }
        }
        InputForm::Merged { .. } => return Err(ClientError::Unexpected("blocks are not fetched like objects")),
    }
    Ok(fetched)
}

/// Objects, or parts of them, in the order asked for.
async fn all(client: &Client, wanted: Vec<(Bucket, PartOf)>) -> Result<Vec<Vec<u8>>, ClientError> {
    let mut got = vec![Vec::new(); wanted.len()];
    each(client, wanted, |n, content| content.map(|content| got[n] = content)).await?;
    Ok(got)
}

/// Objects as far as they are there, in the order asked for.
pub async fn those_there(client: &Client, wanted: Vec<(Bucket, PartOf)>) -> Vec<Option<Vec<u8>>> {
    let mut got = vec![None; wanted.len()];
    let keep = |n: usize, content: Result<Vec<u8>, ClientError>| {
        match content {
            Ok(content) => got[n] = Some(content),
            Err(error) => tracing::debug!(%error, "an object was not had"),
        }
        Ok(())
    };
    if let Err(error) = each(client, wanted, keep).await {
        tracing::warn!(%error, "objects were not fetched to the end");
    }
    got
}

/// Fetches objects, a few at a time, and hands each on with its place as it comes, until that is an error.
async fn each(
    client: &Client,
    wanted: Vec<(Bucket, PartOf)>,
    mut keep: impl FnMut(usize, Result<Vec<u8>, ClientError>) -> Result<(), ClientError> + Send,
) -> Result<(), ClientError> {
    let mut open = JoinSet::new();
    let mut rest = wanted.into_iter().enumerate();
    loop {
        while open.len() < FETCHES {
            let Some((n, (bucket, part))) = rest.next() else { break };
            let client = client.clone();
            open.spawn(async move { (n, whole(&client, &bucket, &part).await) });
        }
        match open.join_next().await {
            None => return Ok(()),
            Some(done) => {
                let (n, content) = done.map_err(|_| ClientError::Unexpected("fetching ended"))?;
                keep(n, content)?;
            }
        }
    }
}

async fn whole(client: &Client, bucket: &Bucket, part: &PartOf) -> Result<Vec<u8>, ClientError> {
    let end = if part.to == 0 { u64::MAX } else { part.to };
    let range = (part.from != 0 || part.to != 0).then_some(part.from..end);
    let mut content = Capped::new(INPUT_MAX);
    client.get(bucket, &part.name, Wanted { version: None, range }, &mut content, &|_, _, _| {}).await?;
    Ok(content.into_inner())
}

/// Bytes in memory, up to a limit: what is more ends the read.
pub struct Capped {
    bytes: Vec<u8>,
    limit: u64,
}

impl Capped {
    /// At most `limit` bytes.
    pub const fn new(limit: u64) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    /// What came.
    pub fn into_inner(self) -> Vec<u8> {
        self.bytes
    }
}

impl tokio::io::AsyncWrite for Capped {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        more: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        if (self.bytes.len() + more.len()) as u64 > self.limit {
            return std::task::Poll::Ready(Err(std::io::Error::other("more bytes than may be held in memory")));
        }
        self.bytes.extend_from_slice(more);
        std::task::Poll::Ready(Ok(more.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

/// The lines that begin in a part of an object.
async fn lines(client: &Client, bucket: &Bucket, part: &PartOf) -> Result<Vec<u8>, ClientError> {
    let base = reads_from(part.from);
    let mut content = Vec::new();
    let mut beyond = BEYOND;
    loop {
        let from = base + content.len() as u64;
        let range = Some(from..part.to.saturating_add(beyond));
        let got = client.get(bucket, &part.name, Wanted { version: None, range }, &mut content, &|_, _, _| {}).await?;
        let is_end = base + content.len() as u64 >= got.size.0;
        let found = lines_of(&content, (part.from, part.to), is_end);
        match found.map_err(|_| ClientError::Unexpected("a record of more than 1 MiB"))? {
            Some(range) => {
                content.truncate(range.end);
                content.drain(..range.start);
                return Ok(content);
            }
            None => beyond = beyond.saturating_mul(4).min(RECORD_MAX as u64 * 2),
        }
    }
}
