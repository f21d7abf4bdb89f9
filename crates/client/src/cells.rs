//! A small part of a segment, read from the one or two holders whose data pieces hold it (`docs/design/storage.md` §7). When one of
//! them is off, slow or wrong, the caller reads whole columns from any `k` instead.

use crate::column::Source;
use crate::{Client, ClientError};
use codec::GROUP_LEN;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use tokio::task::JoinSet;
use wire::storage::{LostPiece, Slot};

/// Longest wait for one holder's part, before all `k` are asked.
const PART_WAIT: Duration = Duration::from_millis(1_500);
/// Most bytes that are read so.
pub(crate) const PART_BYTES_MAX: u64 = 1 << 20;

impl Client {
    /// Reads a range of a segment's sealed bytes from the holders of its data cells; nothing where that is no shorter way than
    /// whole columns, or where a holder does not bring its part.
    pub(crate) async fn read_cells(&self, source: &Source, range: Range<u64>) -> Option<Vec<u8>> {
        let parts: Vec<_> = source.layout.cells_of(range.clone()).ok()?.collect();
        let mut wanted: BTreeMap<u16, Range<u64>> = BTreeMap::new();
        for part in &parts {
            let cell = source.layout.cell_in_piece(part.column);
            let (from, to) = (cell.start + u64::from(part.from), cell.start + u64::from(part.from + part.len));
            let of = wanted.entry(part.index).or_insert(from..to);
            *of = of.start.min(from)..of.end.max(to);
        }
        let fetched: u64 = wanted.values().map(|of| of.end - of.start).sum();
        // Two of four, not three: the third makes whole columns as cheap, and those ask whoever is quick.
        let is_short = wanted.len() * 2 <= usize::from(source.layout.scheme.k) && fetched <= 2 * PART_BYTES_MAX;
        if !is_short || range.end - range.start > PART_BYTES_MAX {
            return None;
        }
        let mut asked = JoinSet::new();
        for (index, of) in wanted {
            let slot = source.slots.iter().find(|slot| slot.index == index && slot.on)?.clone();
            if self.is_shunned(&slot.addr.id) {
                return None;
            }
            let (client, source) = (self.clone(), source.clone());
            asked.spawn(async move {
                let part = tokio::time::timeout(PART_WAIT, client.part(&source, &slot, of.clone())).await;
                if let Ok(Err(error)) = &part {
                    client.doubt(LostPiece { pg: source.pg, segment: source.id, index }, error);
                }
                if !matches!(part, Ok(Ok(_))) {
                    client.shun(slot.addr.id);
                }
                (index, of.start, part)
            });
        }
        let mut got: BTreeMap<u16, (u64, Vec<u8>)> = BTreeMap::new();
        while let Some(one) = asked.join_next().await {
            let Ok((index, start, Ok(Ok(bytes)))) = one else { return None };
            got.insert(index, (start, bytes));
        }
        let mut out = Vec::with_capacity(usize::try_from(range.end - range.start).ok()?);
        for part in &parts {
            let (start, bytes) = got.get(&part.index)?;
            let at = source.layout.cell_in_piece(part.column).start + u64::from(part.from) - start;
            let at = usize::try_from(at).ok()?;
            out.extend_from_slice(bytes.get(at..at + part.len as usize)?);
        }
        Some(out)
    }

    /// A range of one holder's piece, judged.
    async fn part(&self, source: &Source, slot: &Slot, of: Range<u64>) -> Result<Vec<u8>, ClientError> {
        let group = GROUP_LEN as u64;
        let whole = of.start / group * group..of.end.next_multiple_of(group).min(source.layout.piece_len());
        let mut incoming = self.open_piece(source, slot, whole.clone()).await?;
        let mut bytes = Vec::with_capacity(usize::try_from(whole.end - whole.start).unwrap_or(0));
        while let Some(more) = incoming.next().await? {
            bytes.extend_from_slice(&more);
        }
        let at = |n: u64| usize::try_from(n - whole.start).unwrap_or(usize::MAX);
        bytes
            .get(at(of.start)..at(of.end))
            .map(<[u8]>::to_vec)
            .ok_or(ClientError::Unexpected("a piece that ends early"))
    }
}
