//! Giving room back: a log less than 60 % alive is emptied from its end, entry by entry, so that hardly more room is
//! needed than one step moves. What moves goes to the group's newest log and is durable there before the old is cut.
//!
//! Words about pieces (trash, remove) move too while an older copy of the piece may still lie in some log: numbers of
//! logs grow with time, so a removal is dropped only with the oldest log of its group.

use super::entry::{self, BLOCK, Entry, PieceKey};
use super::error::{StoreError, io};
use super::state::{Log, LogKey};
use super::store::CompactReport;
use super::writer::Writer;
use std::sync::PoisonError;

/// Logs with a smaller part alive are emptied, in percent.
const ALIVE_MIN_PERCENT: u64 = 60;

/// One step of at most `budget` moved bytes, at least one entry.
pub(super) fn step(writer: &mut Writer, budget: u64) -> Result<CompactReport, StoreError> {
    let Some((key, log)) = victim(writer) else { return Ok(CompactReport { done: true, ..Default::default() }) };
    close(writer, key);
    let entries = entries_of(writer, key, &log)?;
    let notes = entries.iter().filter(|(_, _, entry)| !matches!(entry, Entry::Piece { .. })).count() as u64;
    // A removal may go only together with the copy it removes: when the whole log goes and no older one exists.
    let whole = log.alive + notes * BLOCK <= budget;
    let oldest = whole && is_oldest(writer, key);
    let mut report = CompactReport::default();
    let mut cut = BLOCK;
    for (offset, seq, entry) in entries.into_iter().rev() {
        if !whole && report.moved_bytes > 0 && report.moved_bytes + entry.disk_len() > budget {
            cut = offset + entry.disk_len();
            break;
        }
        report.moved_bytes += carry(writer, key, offset, seq, &entry, oldest)?;
    }
    if writer.finish() > 0 {
        return Err(io("move pieces")(std::io::Error::other("the new log could not be synced")));
    }
    report.freed_bytes = cut_at(writer, key, &log, cut)?;
    Ok(report)
}

fn victim(writer: &Writer) -> Option<(LogKey, Log)> {
    let held = writer.shared.held();
    let mut poor = held.logs.iter().filter(|(_, log)| {
        let body = log.len.saturating_sub(BLOCK);
        log.alive * 100 < body * ALIVE_MIN_PERCENT || (body == 0 && log.closed)
    });
    let first = poor.next()?;
    let worst = poor.fold(first, |a, b| if b.1.alive * a.1.len < a.1.alive * b.1.len { b } else { a });
    Some((*worst.0, worst.1.clone()))
}

fn close(writer: &mut Writer, key: LogKey) {
    if let Some(log) = writer.shared.held().logs.get_mut(&key) {
        log.closed = true;
    }
}

fn is_oldest(writer: &Writer, key: LogKey) -> bool {
    writer.shared.held().logs.range((key.0, 0)..key).next().is_none()
}

fn entries_of(writer: &Writer, key: LogKey, log: &Log) -> Result<Vec<(u64, u64, Entry)>, StoreError> {
    let path = writer.shared.log_path(key);
    let mut block = vec![0; BLOCK as usize];
    let (mut at, mut out) = (BLOCK, Vec::new());
    while at + BLOCK <= log.len {
        writer.shared.disk.read_at(&path, at, &mut block).map_err(io("read a log"))?;
        match entry::decode_header(&block, key.0, &log.salt, at) {
            Some((seq, entry)) => {
                let next = at + entry.disk_len();
                out.push((at, seq, entry));
                at = next;
            }
            None => at += BLOCK,
        }
    }
    Ok(out)
}

/// Takes along what still counts; returns the bytes that took.
fn carry(
    writer: &mut Writer,
    key: LogKey,
    offset: u64,
    seq: u64,
    entry: &Entry,
    oldest: bool,
) -> Result<u64, StoreError> {
    let piece = entry.key();
    let place = writer.shared.place(piece);
    let note = |writer: &mut Writer, note: &Entry| {
        writer.append_moved(key.0, note, vec![0; BLOCK as usize], false).map(|()| BLOCK)
    };
    match (entry, place) {
        (Entry::Piece { .. }, Some(place)) if (place.pg, place.log, place.offset) == (key.0, key.1, offset) => {
            let (meta, body) = match writer.shared.verified(piece, &place) {
                Ok(whole) => whole,
                Err(StoreError::Damaged(_)) => return lose(writer, piece),
                Err(error) => return Err(error),
            };
            let mut bytes = vec![0; BLOCK as usize];
            bytes.extend(body);
            let moved = Entry::Piece { meta: Box::new(meta), trashed_at: place.trashed_at };
            let len = moved.disk_len();
            writer.append_moved(key.0, &moved, bytes, true).map(|()| len)
        }
        (Entry::Piece { .. }, _) => Ok(0),
        (Entry::Trash { .. }, Some(place)) if place.seq < seq => {
            note(writer, &Entry::Trash { key: piece, at: place.trashed_at })
        }
        (Entry::Remove { .. }, None) if !oldest => note(writer, entry),
        _ => Ok(0),
    }
}

/// A piece that no longer verifies is not carried on: it stays known as damaged until the center has it removed.
fn lose(writer: &mut Writer, piece: PieceKey) -> Result<u64, StoreError> {
    if let Some(place) = writer.shared.held().pieces.get_mut(&piece) {
        place.health = super::state::Health::Damaged;
    }
    writer.save(&[], &[piece]);
    Ok(0)
}

fn cut_at(writer: &mut Writer, key: LogKey, log: &Log, cut: u64) -> Result<u64, StoreError> {
    let all = cut <= BLOCK;
    let path = writer.shared.log_path(key);
    {
        let mut held = writer.shared.held();
        if all {
            held.logs.remove(&key);
        } else if let Some(log) = held.logs.get_mut(&key) {
            log.len = cut;
        }
    }
    writer.save(&[key], &[]);
    let _still = writer.shared.moving.write().unwrap_or_else(PoisonError::into_inner);
    let disk = &writer.shared.disk;
    if all {
        disk.remove(&path).and_then(|()| disk.sync_dir(&writer.shared.pg_dir(key.0))).map_err(io("remove a log"))?;
        return Ok(log.len);
    }
    disk.truncate(&path, cut).and_then(|()| disk.sync(&path)).map_err(io("cut a log"))?;
    Ok(log.len - cut)
}
