//! Download as a stream: manifest, segments with their holders page by page, columns in order, opened, out.

use crate::column::{Columns, Source};
use crate::names::{Entry, entry};
use crate::{Bucket, Client, ClientError, Progress};
use codec::Layout;
use model::{Bytes, NodeId, PgId, Stamp, errors};
use rules::storage::read::{Nearness, Source as Holder, choose};
use seal::{
    Body, CHUNK_LEN, ContentKey, Facts, Header, Manifest, Opener, Part, SEALED_CHUNK, SealError, chunk_count,
    padded_len, parts, sealed_len,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use wire::account::GrantedAsk;
use wire::limits::READ_SEGMENTS_MAX;
use wire::storage::{ReadGrant, ReadGroup, ReadOpen, ReadSegment, Slot};
use wire::{RefusalMsg, Reply};

/// What is read of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Which version; the newest where none is named.
    pub version: Option<[u8; 16]>,
    /// Which bytes; all where none are named. The end may lie beyond the object's.
    pub range: Option<Range<u64>>,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// Content size of the whole object.
    pub size: Bytes,
    /// Bytes that were handed on.
    pub bytes: u64,
    /// Holders asked for the segment that needed most.
    pub holders: usize,
    /// Which version.
    pub version: [u8; 16],
    /// When its content was last changed, where that is known.
    pub changed: Option<Stamp>,
}

/// An object as its manifest tells it, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// As it is listed.
    pub entry: Entry,
    /// Pairs of the member's own, in the order given.
    pub pairs: Vec<(String, String)>,
    /// What foreign protocols tell of it.
    pub facts: Facts,
    /// It came in so many parts; 0 where it came whole.
    pub parts: u32,
}

/// An object that was found, ready to be read.
#[derive(Clone)]
pub struct Found {
    /// What it is.
    pub shown: Shown,
    opened: Opened,
    first: ReadGrant,
}

/// An object as its manifest tells it.
#[derive(Clone)]
pub(crate) struct Opened {
    pub manifest: Manifest,
    pub version: [u8; 16],
    pub at: Stamp,
    pub segments_count: u32,
}

impl Client {
    /// Reads an object into a file, which appears only when it is whole.
    pub async fn get_file(
        &self,
        bucket: &Bucket,
        name: &str,
        path: &Path,
        progress: Progress<'_>,
    ) -> Result<Got, ClientError> {
        let file = |source| ClientError::File { path: path.display().to_string(), source };
        let temp = path.with_extension(format!("part-{}", std::process::id()));
        let mut out = tokio::io::BufWriter::new(tokio::fs::File::create(&temp).await.map_err(file)?);
        let got = self.get(bucket, name, Wanted::default(), &mut out, progress).await;
        let written = match got {
            Ok(got) => match finish(out, &temp, path).await {
                Ok(()) => Ok(got),
                Err(e) => Err(file(e)),
            },
            Err(error) => Err(error),
        };
        if written.is_err() {
            let _ = tokio::fs::remove_file(&temp).await;
        }
        written
    }

    /// Reads an object, or a part of it, as a stream.
    pub async fn get(
        &self,
        bucket: &Bucket,
        name: &str,
        wanted: Wanted,
        out: &mut (impl AsyncWrite + Unpin + Send),
        progress: Progress<'_>,
    ) -> Result<Got, ClientError> {
        let found = self.find(bucket, name, wanted.version).await?;
        self.get_found(bucket, found, wanted.range, out, progress).await
    }

    /// What a version of a name is; the newest where none is named.
    ///
    /// # Errors
    /// E0304.
    pub async fn show(&self, bucket: &Bucket, name: &str, version: Option<[u8; 16]>) -> Result<Shown, ClientError> {
        let (opened, _) = self.open(bucket, name, version, 0).await?;
        Ok(shown(&opened))
    }

    /// The same, ready to be read.
    ///
    /// # Errors
    /// E0304.
    pub async fn find(&self, bucket: &Bucket, name: &str, version: Option<[u8; 16]>) -> Result<Found, ClientError> {
        let (opened, first) = self.open(bucket, name, version, READ_SEGMENTS_MAX).await?;
        Ok(Found { shown: shown(&opened), opened, first })
    }

    /// Where the part of a number stands in what was found; none where it has no such part. What came whole is its own first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn part_of(
        &self,
        bucket: &Bucket,
        found: &Found,
        number: u32,
    ) -> Result<Option<Range<u64>>, ClientError> {
        let opened = &found.opened;
        let Body::Parts { header, key, count, list, .. } = &opened.manifest.body else {
            return Ok((number == 1).then_some(0..opened.manifest.size));
        };
        let of = Of { client: self, bucket, name: &found.shown.entry.name, opened };
        let list = match list {
            Some(list) => list.clone(),
            None => of.list(key, header, *count, found.first.clone()).await?,
        };
        let before = list.iter().take_while(|part| part.header.run() != number).map(|part| part.size).sum::<u64>();
        let part = list.iter().find(|part| part.header.run() == number);
        Ok(part.map(|part| before..before + part.size))
    }

    /// Reads what was found, or a part of it, as a stream.
    pub async fn get_found(
        &self,
        bucket: &Bucket,
        found: Found,
        range: Option<Range<u64>>,
        out: &mut (impl AsyncWrite + Unpin + Send),
        progress: Progress<'_>,
    ) -> Result<Got, ClientError> {
        let Found { shown, opened, first } = found;
        let name = shown.entry.name.as_str();
        let size = opened.manifest.size;
        let range = range.map_or(0..size, |r| r.start..r.end.min(size));
        if range.start > range.end || (range.start == size && size > 0 && range.end == size && range.start != 0) {
            return Err(ClientError::Range { from: range.start, to: range.end, size });
        }
        let changed = (opened.manifest.changed_ms != 0).then_some(Stamp(opened.manifest.changed_ms));
        let mut got =
            Got { size: Bytes(size), bytes: range.end - range.start, holders: 0, version: opened.version, changed };
        match &opened.manifest.body {
            Body::Inline(content) => {
                let part = usize::try_from(range.start).unwrap_or(0)..usize::try_from(range.end).unwrap_or(0);
                write(out, &content.0[part]).await?;
            }
            Body::Run { header, key, segments, offset } => {
                let run = Run { key, header: *header, offset: *offset, size, first: 0, count: opened.segments_count };
                let (of, is_whole) = (Of { client: self, bucket, name, opened: &opened }, range == (0..size));
                let tell = |at| progress("phase-read", at, got.bytes);
                let (holders, ids) = Reader::new(of, &run, range, is_whole)?.run(first, out, &tell).await?;
                got.holders = holders;
                check_ids(is_whole, ids, segments)?;
            }
            Body::Parts { header, key, segments, count, list } => {
                let of = Of { client: self, bucket, name, opened: &opened };
                let (list, first_segment) = match list {
                    Some(list) => (list.clone(), 0),
                    None => (of.list(key, header, *count, first).await?, 1),
                };
                got.holders = of.parts(key, (&list, first_segment), (range, segments), out, progress).await?;
            }
        }
        out.flush().await.map_err(|e| out_error(&e))?;
        Ok(got)
    }

    /// A name's manifest, judged, and the first page of its segments.
    pub(crate) async fn open(
        &self,
        bucket: &Bucket,
        name: &str,
        version: Option<[u8; 16]>,
        limit: u16,
    ) -> Result<(Opened, ReadGrant), ClientError> {
        let (opened, grant) = self.open_any(bucket, name, version, limit).await?;
        if grant.is_dropped {
            return Err(ClientError::Refused(RefusalMsg::new(errors::OBJECT_UNKNOWN, [])));
        }
        Ok((opened, grant))
    }

    /// The same for a version that went out of its name's history, too.
    pub(crate) async fn open_any(
        &self,
        bucket: &Bucket,
        name: &str,
        version: Option<[u8; 16]>,
        limit: u16,
    ) -> Result<(Opened, ReadGrant), ClientError> {
        let grant = self.read_page(bucket, name, version, 0, limit).await?;
        let manifest = Manifest::open(&bucket.keys, name, &grant.manifest)?;
        let (version, at, segments_count) = (grant.version, grant.at, grant.segments_count);
        Ok((Opened { manifest, version, at, segments_count }, grant))
    }

    pub(crate) async fn read_page(
        &self,
        bucket: &Bucket,
        name: &str,
        version: Option<[u8; 16]>,
        first: u32,
        limit: u16,
    ) -> Result<ReadGrant, ClientError> {
        let (name_sealed, session) = (bucket.keys.seal_stored(name)?, self.endpoint.id());
        let (known, units) = self.known_groups();
        let ask = ReadOpen { bucket: *bucket.id(), name_sealed, version, first, limit, session, known, units };
        match self.ask_of(bucket, GrantedAsk::Read(ask)).await? {
            Reply::ReadGrant(mut grant) => {
                self.learn_groups(&mut grant.groups);
                Ok(*grant)
            }
            _ => Err(ClientError::Unexpected("no leave to read")),
        }
    }
}

impl Client {
    /// Holders of a segment, best first.
    fn order(&self, segment: &ReadSegment, group: &ReadGroup) -> Vec<Slot> {
        let holds =
            |index: u16| segment.have.get(usize::from(index / 8)).is_some_and(|byte| byte & (1 << (index % 8)) != 0);
        let slots = group.slots.iter().filter(|s| holds(s.index)).cloned().collect();
        ordered(slots, group.scheme.k, |node| self.rtt_to(node), |node| self.is_shunned(node))
    }
}

/// What of an opened object is shown.
fn shown(opened: &Opened) -> Shown {
    let parts = match &opened.manifest.body {
        Body::Parts { count, .. } => *count,
        Body::Run { .. } | Body::Inline(_) => 0,
    };
    let entry = entry(&opened.manifest, opened.version, opened.at);
    Shown { entry, pairs: opened.manifest.pairs.clone(), facts: opened.manifest.facts.clone(), parts }
}

/// Holders in the order they are asked: those that are on by the time their first column is expected, by measured round trip and
/// data before parity ([`rules::storage::read`]); then those that failed lately; those that are off last.
fn ordered(
    mut slots: Vec<Slot>,
    k: u16,
    rtt_ms: impl Fn(&NodeId) -> Option<u32>,
    is_shunned: impl Fn(&NodeId) -> bool,
) -> Vec<Slot> {
    let source = |slot: &Slot| Holder {
        index: slot.index,
        on: slot.on && !is_shunned(&slot.addr.id),
        nearness: Nearness::Far,
        rtt_ms: rtt_ms(&slot.addr.id),
        rate: None,
        waiting_bytes: 0,
    };
    let sources: Vec<Holder> = slots.iter().map(source).collect();
    let plan = choose(&sources, k, FIRST_BYTES).map(|plan| [plan.start, plan.spare].concat()).unwrap_or_default();
    let rank = |index: u16| plan.iter().position(|at| *at == index).unwrap_or(usize::MAX);
    slots.sort_by_key(|slot| (rank(slot.index), !slot.on, is_shunned(&slot.addr.id), slot.index));
    slots
}

async fn finish(mut out: tokio::io::BufWriter<tokio::fs::File>, temp: &Path, path: &Path) -> std::io::Result<()> {
    out.flush().await?;
    out.get_ref().sync_all().await?;
    tokio::fs::rename(temp, path).await
}

async fn write(out: &mut (impl AsyncWrite + Unpin + Send), bytes: &[u8]) -> Result<(), ClientError> {
    out.write_all(bytes).await.map_err(|e| out_error(&e))
}

fn out_error(error: &std::io::Error) -> ClientError {
    ClientError::File { path: "output".to_owned(), source: std::io::Error::new(error.kind(), error.to_string()) }
}

/// Bytes by which holders are compared: those of the first cell. How fast the rest comes shows as it comes.
const FIRST_BYTES: u64 = 64 << 10;
/// Between two looks at the holders of a segment that could not be read.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is read, and by whom.
#[derive(Clone, Copy)]
struct Of<'a> {
    client: &'a Client,
    bucket: &'a Bucket,
    name: &'a str,
    opened: &'a Opened,
}

impl Of<'_> {
    /// The list of an object's parts, which is the content of its first segment.
    async fn list(
        self,
        key: &ContentKey,
        header: &Header,
        count: u32,
        first: ReadGrant,
    ) -> Result<Vec<Part>, ClientError> {
        let (size, of) = (u64::from(count) * parts::PART_LEN as u64, self.opened.manifest.size);
        let run = Run { key, header: *header, offset: 0, size, first: 0, count: 1 };
        let mut bytes = Vec::new();
        Reader::new(self, &run, 0..size, true)?.run(first, &mut bytes, &|_| {}).await?;
        let list = parts::parse(&bytes, header)?;
        if seal::is_whole(&list, count, of) { Ok(list) } else { Err(SealError::Header.into()) }
    }

    /// Reads a range over parts, the first of which begins with the segment of this number. Where all is read, their segments
    /// are held against the manifest.
    async fn parts(
        self,
        key: &ContentKey,
        (list, mut segment): (&[Part], u32),
        (range, expected): (Range<u64>, &[u8; 32]),
        out: &mut (impl AsyncWrite + Unpin + Send),
        progress: Progress<'_>,
    ) -> Result<usize, ClientError> {
        let (mut at, mut holders, mut all) = (0, 0, Vec::with_capacity(list.len()));
        let (is_whole, total) = (range == (0..self.opened.manifest.size), range.end - range.start);
        for part in list {
            let (here, first) = (at..at + part.size, segment);
            (at, segment) = (here.end, segment.saturating_add(part.segments));
            let wanted = range.start.max(here.start)..range.end.min(here.end);
            if wanted.is_empty() && !is_whole {
                continue;
            }
            let run = Run { key, header: part.header, offset: 0, size: part.size, first, count: part.segments };
            let page =
                self.client.read_page(self.bucket, self.name, Some(self.opened.version), first, run.page()).await?;
            let done = wanted.start - range.start;
            let tell = |read| progress("phase-read", done + read, total);
            let wanted = wanted.start - here.start..wanted.end - here.start;
            let (asked, ids) = Reader::new(self, &run, wanted, is_whole)?.run(page, out, &tell).await?;
            holders = holders.max(asked);
            all.extend(ids);
        }
        check_ids(is_whole, Some(seal::segments_hash(&all)), expected)?;
        Ok(holders)
    }
}

/// Where all was read: the segments were those that the manifest names.
fn check_ids(is_whole: bool, ids: Option<[u8; 32]>, expected: &[u8; 32]) -> Result<(), ClientError> {
    let holds = !is_whole || ids.as_ref() == Some(expected);
    if holds { Ok(()) } else { Err(ClientError::Unexpected("segments that the manifest does not name")) }
}

/// A run, and where it stands among an object's segments.
struct Run<'a> {
    key: &'a ContentKey,
    header: Header,
    /// Where it begins in them.
    offset: u64,
    /// Content bytes.
    size: u64,
    /// Number of its first segment.
    first: u32,
    /// How many it has.
    count: u32,
}

impl Run<'_> {
    /// Segments to ask for first.
    fn page(&self) -> u16 {
        u16::try_from(self.count).unwrap_or(u16::MAX).min(READ_SEGMENTS_MAX)
    }
}

/// Reads a range of one run.
struct Reader<'a> {
    of: Of<'a>,
    opener: Opener,
    /// Bytes of the segments that are needed, whole chunks.
    sealed: Range<u64>,
    /// Content bytes to drop at the beginning, then to hand on.
    skip: u64,
    left: u64,
    total: u64,
    /// Number of the next segment, and one past the run's last.
    number: u32,
    end: u32,
    /// The ids of all segments, where the whole is read.
    ids: Option<blake3::Hasher>,
}

impl<'a> Reader<'a> {
    fn new(of: Of<'a>, run: &Run<'_>, range: Range<u64>, is_whole: bool) -> Result<Self, ClientError> {
        let padded = padded_len(run.size);
        let (chunk, count) = (CHUNK_LEN as u64, chunk_count(padded));
        let first = (range.start / chunk).min(count - 1);
        let end = if is_whole { count } else { range.end.div_ceil(chunk).max(first + 1) };
        let sealed_end = if end >= count { sealed_len(padded) } else { end * SEALED_CHUNK as u64 };
        Ok(Self {
            of,
            opener: Opener::new(run.key, &run.header, first, count)?,
            sealed: run.offset + first * SEALED_CHUNK as u64..run.offset + sealed_end,
            skip: range.start - first * chunk,
            left: range.end - range.start,
            total: range.end - range.start,
            number: run.first,
            end: run.first.saturating_add(run.count),
            ids: is_whole.then(blake3::Hasher::new),
        })
    }

    /// Walks the pages of segments, the first of which begins with the run's first; holders asked for the segment that needed
    /// most, and the hash of all segments' ids where the whole is read.
    async fn run(
        mut self,
        first: ReadGrant,
        out: &mut (impl AsyncWrite + Unpin + Send),
        tell: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(usize, Option<[u8; 32]>), ClientError> {
        let (mut page, mut at, mut holders) = (first, 0u64, 0);
        loop {
            let groups: BTreeMap<PgId, ReadGroup> = page.groups.into_iter().map(|g| (g.pg, g)).collect();
            let left = usize::try_from(self.end - self.number).unwrap_or(usize::MAX);
            let is_empty = page.segments.is_empty();
            for segment in page.segments.into_iter().take(left) {
                let here = at..at.saturating_add(segment.sealed_bytes);
                at = here.end;
                if let Some(hasher) = &mut self.ids {
                    hasher.update(segment.id.as_bytes());
                }
                if here.end > self.sealed.start && here.start < self.sealed.end {
                    holders = holders.max(self.segment(&segment, &groups, here, out, tell).await?);
                }
                self.number += 1;
            }
            if at >= self.sealed.end || self.number >= self.end || is_empty {
                break;
            }
            let version = Some(self.of.opened.version);
            let limit = u16::try_from(self.end - self.number).unwrap_or(u16::MAX).min(READ_SEGMENTS_MAX);
            page = self.of.client.read_page(self.of.bucket, self.of.name, version, self.number, limit).await?;
        }
        let ids = self.ids.take().map(|hasher| *hasher.finalize().as_bytes());
        let mut rest = Vec::new();
        self.opener.finish(&mut |content: &[u8]| {
            rest.extend_from_slice(content);
            Ok::<(), ClientError>(())
        })?;
        let part = part_of(&rest, &mut self.skip, &mut self.left);
        write(out, part).await?;
        if self.left > 0 {
            return Err(ClientError::Unexpected("content that is shorter than its manifest says"));
        }
        tell(self.total);
        Ok((holders, ids))
    }

    /// What is needed of one segment, which lies at `here` in the run.
    async fn segment(
        &mut self,
        segment: &ReadSegment,
        groups: &BTreeMap<PgId, ReadGroup>,
        here: Range<u64>,
        out: &mut (impl AsyncWrite + Unpin + Send),
        tell: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<usize, ClientError> {
        let group = groups.get(&segment.pg).ok_or(ClientError::Unexpected("a segment without its group"))?;
        let layout = Layout::new(group.scheme, segment.sealed_bytes)?;
        let wanted = self.sealed.start.max(here.start) - here.start..self.sealed.end.min(here.end) - here.start;
        let columns = layout.columns_of(&wanted);
        let slots = self.of.client.order(segment, group);
        let mut source = Source { pg: segment.pg, id: segment.id, layout, slots, with_label: false, locator: None };
        let at_each = layout.cell_in_piece(columns.end).start - layout.cell_in_piece(columns.start).start;
        let first = source.slots.len().min(usize::from(group.scheme.k));
        if !self.of.client.has_leave(source.pg, &source.slots[..first], at_each) {
            source = self.look_again(&source).await?;
        }
        if let Some(sealed) = self.of.client.read_cells(&source, wanted.clone()).await {
            self.take(&sealed, out).await?;
            tell(self.total - self.left);
            return Ok(1);
        }
        let mut at = columns.start * layout.column_bytes();
        let mut reading = Columns::new(self.of.client.clone(), source.clone(), columns.clone())?;
        let mut moved = Instant::now();
        loop {
            let column = match reading.next().await {
                Ok(Some(column)) => column,
                Ok(None) => break,
                // Somebody may only have been away for a moment, or is found at another address by now.
                Err(ClientError::Unreadable { .. })
                    if reading.may_come() && moved.elapsed() < self.of.client.read_wait =>
                {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    let left = reading.at()..columns.end;
                    reading = Columns::new(self.of.client.clone(), self.look_again(&source).await?, left)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            moved = Instant::now();
            let end = at + column.len() as u64;
            let (from, to) = (wanted.start.max(at) - at, wanted.end.min(end) - at);
            let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            self.take(&column[index(from)..index(to)], out).await?;
            at = end;
            tell(self.total - self.left);
        }
        Ok(reading.asked())
    }

    /// The same segment, with its holders as the center sees them now.
    async fn look_again(&self, source: &Source) -> Result<Source, ClientError> {
        let version = Some(self.of.opened.version);
        let page = self.of.client.read_page(self.of.bucket, self.of.name, version, self.number, 1).await?;
        let segment = page.segments.iter().find(|segment| segment.id == source.id);
        let group = page.groups.iter().find(|group| group.pg == source.pg);
        let (Some(segment), Some(group)) = (segment, group) else {
            return Err(ClientError::Unexpected("a segment without its group"));
        };
        Ok(Source { slots: self.of.client.order(segment, group), ..source.clone() })
    }

    /// Opens sealed bytes and hands on what is wanted of them.
    async fn take(&mut self, sealed: &[u8], out: &mut (impl AsyncWrite + Unpin + Send)) -> Result<(), ClientError> {
        let mut content = Vec::with_capacity(sealed.len());
        self.opener.push(sealed, &mut |opened: &[u8]| {
            content.extend_from_slice(opened);
            Ok::<(), ClientError>(())
        })?;
        let part = part_of(&content, &mut self.skip, &mut self.left);
        write(out, part).await
    }
}

/// The part of `content` that is wanted: `skip` bytes are dropped, then at most `left` are taken.
fn part_of<'c>(content: &'c [u8], skip: &mut u64, left: &mut u64) -> &'c [u8] {
    let drop = (*skip).min(content.len() as u64);
    *skip -= drop;
    let rest = &content[usize::try_from(drop).unwrap_or(content.len())..];
    let take = (*left).min(rest.len() as u64);
    *left -= take;
    &rest[..usize::try_from(take).unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::{ordered, part_of};
    use model::NodeId;
    use wire::PeerAddr;
    use wire::storage::Slot;

    #[test]
    fn the_nearest_holders_that_are_on_are_asked_first() {
        // Pieces 0 to 3 are data. 0 and 1 are across the sea, 5 is next door, 6 failed lately, 7 is off.
        let slot = |index: u16| Slot {
            index,
            addr: PeerAddr::key_only(NodeId([index as u8; 32])),
            on: index != 7,
            permit: Vec::new(),
        };
        let rtt = |node: &NodeId| match node.0[0] {
            0 => Some(280),
            1 => Some(250),
            2 | 3 => Some(20),
            4 => Some(30),
            5 | 6 => Some(2),
            _ => None,
        };
        let order = ordered((0..8).map(slot).collect(), 4, rtt, |node| node.0[0] == 6);
        let indexes: Vec<u16> = order.iter().map(|slot| slot.index).collect();
        assert_eq!(indexes, [2, 3, 5, 4, 1, 0, 6, 7]);
        let unmeasured = ordered((0..8).map(slot).collect(), 4, |_| None, |_| false);
        assert_eq!(unmeasured.iter().map(|slot| slot.index).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
        let too_few = ordered(vec![slot(7), slot(6)], 4, rtt, |_| false);
        assert_eq!(too_few.iter().map(|slot| slot.index).collect::<Vec<_>>(), [6, 7], "those that are on");
    }

    #[test]
    fn what_is_skipped_and_what_is_padding_is_not_handed_on() {
        let (mut skip, mut left) = (3, 4);
        assert_eq!(part_of(b"ab", &mut skip, &mut left), b"");
        assert_eq!(part_of(b"cde", &mut skip, &mut left), b"de");
        assert_eq!(part_of(b"fghij", &mut skip, &mut left), b"fg");
        assert_eq!((skip, left), (0, 0));
        assert_eq!(part_of(b"000", &mut skip, &mut left), b"");
    }
}
