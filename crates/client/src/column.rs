//! A segment's columns in order, from whichever `k` holders bring their cells first. A holder that fails or stalls is
//! replaced by another from the column at hand on; the rest goes on as it was.

use crate::piece::Incoming;
use crate::{Client, ClientError, READ_WAIT};
use codec::{Decoder, GROUP_LEN, Layout};
use model::{NodeId, PgId, SegmentId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use wire::storage::{Locator, LostPiece, Slot};

/// Bytes one holder may be ahead of the column at hand.
const AHEAD_BYTES: usize = 1 << 20;
/// Cells that wait to be taken, all holders together.
const CELLS_QUEUE: usize = 256;
/// Without a step forward for so long, one more holder is asked.
const HEDGE_AFTER: Duration = Duration::from_millis(1_500);
/// Of `k` holders a quarter more may be asked for speed alone, at least one.
const HEDGE_SHARE: usize = 4;

/// What holders send: a cell, or why no more comes.
enum Came {
    Cell { index: u16, column: u64, bytes: Vec<u8>, place: OwnedSemaphorePermit },
    Label(Vec<u8>),
    Failed { index: u16, error: ClientError },
}

/// A cell that waits for its column, and the room it takes.
type Held = (u16, Vec<u8>, OwnedSemaphorePermit);

/// A holder that was asked.
struct Asked {
    index: u16,
    node: NodeId,
    /// Given up on: its cells count when they come, but nobody waits for them.
    is_slow: bool,
}

/// A segment that is read.
#[derive(Clone)]
pub(crate) struct Source {
    pub pg: PgId,
    pub id: SegmentId,
    pub layout: Layout,
    /// Holders that have their piece, best first.
    pub slots: Vec<Slot>,
    /// Their labels are wanted too.
    pub with_label: bool,
    /// What their labels show, where they are read by that and not by permits.
    pub locator: Option<Locator>,
}

/// Reads columns of one segment in order.
pub(crate) struct Columns {
    client: Client,
    source: Arc<Source>,
    decoder: Decoder,
    next: u64,
    end: u64,
    spare: std::vec::IntoIter<Slot>,
    /// Holders that may still bring cells.
    active: Vec<Asked>,
    hedges_left: usize,
    asked: usize,
    idle_since: Instant,
    send: mpsc::Sender<Came>,
    came: mpsc::Receiver<Came>,
    held: BTreeMap<u64, Vec<Held>>,
    /// Labels that holders showed, and how many showed each.
    labels: BTreeMap<Vec<u8>, u16>,
    /// Holders whose bytes proved themselves.
    brought: BTreeSet<u16>,
    /// Holders that could not be reached, or were lost: they may be reached again.
    lost: usize,
    tasks: JoinSet<()>,
}

impl Columns {
    /// For the columns in `range`; the first holders are asked at once.
    pub fn new(client: Client, source: Source, range: Range<u64>) -> Result<Self, ClientError> {
        let (send, came) = mpsc::channel(CELLS_QUEUE);
        let k = usize::from(source.layout.scheme.k);
        let mut columns = Self {
            client,
            decoder: Decoder::new(&source.layout)?,
            next: range.start,
            end: range.end,
            spare: source.slots.clone().into_iter(),
            source: Arc::new(source),
            active: Vec::new(),
            hedges_left: (k / HEDGE_SHARE).max(1),
            asked: 0,
            idle_since: Instant::now(),
            send,
            came,
            held: BTreeMap::new(),
            labels: BTreeMap::new(),
            brought: BTreeSet::new(),
            lost: 0,
            tasks: JoinSet::new(),
        };
        columns.fill();
        Ok(columns)
    }

    /// The next column's sealed bytes; nothing after the last.
    ///
    /// # Errors
    /// [`ClientError::Unreadable`] when fewer than `k` holders bring what proves itself.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        if self.next >= self.end {
            return Ok(None);
        }
        let k = usize::from(self.source.layout.scheme.k);
        while self.held.get(&self.next).map_or(0, Vec::len) < k {
            self.fill();
            // Those given up on may still bring what they have, for a while.
            let too_few = self.active.len() < k || self.idle_since.elapsed() > READ_WAIT;
            if too_few && self.spare.as_slice().is_empty() {
                let have = self.active.iter().filter(|asked| !asked.is_slow).count();
                return Err(ClientError::Unreadable { have: have.min(k.saturating_sub(1)), need: k });
            }
            match tokio::time::timeout(HEDGE_AFTER, self.came.recv()).await {
                Ok(Some(came)) => self.note(came),
                Ok(None) => return Err(ClientError::Unexpected("holders ended")),
                Err(_) => self.hedge(),
            }
        }
        let cells = self.held.remove(&self.next).unwrap_or_default();
        let given: Vec<(u16, &[u8])> = cells.iter().map(|(index, bytes, _)| (*index, &bytes[..])).collect();
        let mut out = vec![0; usize::try_from(self.source.layout.column_bytes()).unwrap_or(0)];
        let sealed = self.decoder.column(self.next, &given, &mut out)?;
        out.truncate(sealed);
        self.next += 1;
        self.idle_since = Instant::now();
        self.held = self.held.split_off(&self.next);
        Ok(Some(out))
    }

    /// The column at hand.
    pub const fn at(&self) -> u64 {
        self.next
    }

    /// Whether asking anew could bring it: enough of those that failed did not answer, instead of answering wrongly.
    pub fn may_come(&self) -> bool {
        self.active.len() + self.lost >= usize::from(self.source.layout.scheme.k)
    }

    /// How many holders were asked.
    pub const fn asked(&self) -> usize {
        self.asked
    }

    /// The label that most holders showed.
    pub fn label(&self) -> Option<&[u8]> {
        self.labels.iter().max_by_key(|(_, count)| **count).map(|(label, _)| &label[..])
    }

    /// Indexes of holders whose bytes proved themselves.
    pub fn brought(&self) -> Vec<u16> {
        self.brought.iter().copied().collect()
    }

    fn note(&mut self, came: Came) {
        match came {
            Came::Label(label) => *self.labels.entry(label).or_default() += 1,
            Came::Cell { index, column, bytes, place } => {
                self.brought.insert(index);
                if column >= self.next {
                    self.held.entry(column).or_default().push((index, bytes, place));
                }
            }
            Came::Failed { index, error } => {
                tracing::debug!(index, %error, "a holder brings no more");
                let is_spent = matches!(&error, ClientError::Refused(no) if no.id == model::errors::BAD_PERMIT);
                if is_spent {
                    self.client.forget_group(self.source.pg);
                }
                self.client.doubt(LostPiece { pg: self.source.pg, segment: self.source.id, index }, &error);
                self.lost += usize::from(is_spent || matches!(error, ClientError::Net(_)));
                if !is_spent {
                    self.shun(|asked| asked.index == index);
                }
                self.active.retain(|asked| asked.index != index);
            }
        }
    }

    /// Asks as many holders as are needed; where those that are on do not suffice, all the others at once.
    fn fill(&mut self) {
        let k = usize::from(self.source.layout.scheme.k);
        let on_left = self.spare.as_slice().iter().filter(|s| s.on).count();
        let wanted = if self.quick() + on_left < k { usize::MAX } else { k };
        while self.quick() < wanted {
            let Some(slot) = self.spare.next() else { return };
            self.begin(slot);
        }
    }

    /// Nothing moved for a while: one more holder is asked for speed; when enough were, whoever has not brought the column at
    /// hand counts as gone, and others take their places.
    fn hedge(&mut self) {
        if self.spare.as_slice().is_empty() {
            return;
        }
        if self.hedges_left == 0 {
            let held = self.held.get(&self.next);
            let brought = |index: u16| held.is_some_and(|cells| cells.iter().any(|(at, ..)| *at == index));
            self.active.iter_mut().for_each(|asked| asked.is_slow |= !brought(asked.index));
            self.shun(|asked| asked.is_slow);
            return;
        }
        self.hedges_left -= 1;
        if let Some(slot) = self.spare.next() {
            tracing::debug!(index = slot.index, column = self.next, "one more holder is asked");
            self.begin(slot);
        }
    }

    /// Holders that were asked and are not given up on.
    fn quick(&self) -> usize {
        self.active.iter().filter(|asked| !asked.is_slow).count()
    }

    /// Others are asked before these for a while, for other segments too.
    fn shun(&self, which: impl Fn(&Asked) -> bool) {
        self.active.iter().filter(|asked| which(asked)).for_each(|asked| self.client.shun(asked.node));
    }

    fn begin(&mut self, slot: Slot) {
        self.active.push(Asked { index: slot.index, node: slot.addr.id, is_slow: false });
        self.asked += 1;
        let cell = self.source.layout.cell as usize;
        let ahead = Arc::new(Semaphore::new((AHEAD_BYTES / cell).max(2)));
        let (client, source, send) = (self.client.clone(), Arc::clone(&self.source), self.send.clone());
        let range = self.next..self.end;
        self.tasks.spawn(async move {
            let index = slot.index;
            if let Err(error) = bring(&client, &source, &slot, range, &send, &ahead).await {
                let _ = send.send(Came::Failed { index, error }).await;
            }
        });
    }
}

/// Brings the cells of a range of columns from one holder.
async fn bring(
    client: &Client,
    source: &Source,
    slot: &Slot,
    columns: Range<u64>,
    send: &mpsc::Sender<Came>,
    ahead: &Arc<Semaphore>,
) -> Result<(), ClientError> {
    let layout = &source.layout;
    let (begin, end) = (layout.cell_in_piece(columns.start).start, layout.cell_in_piece(columns.end).start);
    let group = GROUP_LEN as u64;
    let range = begin / group * group..end.next_multiple_of(group).min(layout.piece_len());
    let mut skip = usize::try_from(begin - range.start).unwrap_or(0);
    let mut incoming: Incoming = client.open_piece(source, slot, range).await?;
    if source.with_label && send.send(Came::Label(std::mem::take(&mut incoming.label))).await.is_err() {
        return Ok(()); // nobody reads any more
    }
    let cell = layout.cell as usize;
    let (mut held, mut column) = (Vec::with_capacity(2 * cell), columns.start);
    while column < columns.end {
        let Some(bytes) = incoming.next().await? else {
            return Err(ClientError::Unexpected("a piece that ends early"));
        };
        let cut = skip.min(bytes.len());
        skip -= cut;
        held.extend_from_slice(&bytes[cut..]);
        while held.len() >= cell && column < columns.end {
            let rest = held.split_off(cell);
            let bytes = std::mem::replace(&mut held, rest);
            let place =
                Arc::clone(ahead).acquire_owned().await.map_err(|_| ClientError::Unexpected("reading ended"))?;
            if send.send(Came::Cell { index: slot.index, column, bytes, place }).await.is_err() {
                return Ok(()); // nobody reads any more
            }
            column += 1;
        }
    }
    Ok(())
}
