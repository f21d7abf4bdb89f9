//! Giving room back: a log less than 60 % alive is emptied from its end, entry by entry, so that hardly more room is
//! needed than one step moves. What moves goes to the group's newest log and is durable there before the old is cut.
//!
//! Words about pieces move too while they count. A word of trash counts as long as the piece lies where it lay when the
//! word was written. A removal counts while a dead copy may still lie in an older log of its group, or in a log another
//! group left one behind in: only then may it be dropped, or the copy would come back with a rebuild of the index. So
//! that removals do not pile up, logs with dead copies are emptied in order once removals take 5 % of their group.

use super::entry::{self, BLOCK, Entry, PieceKey};
use super::error::{StoreError, io};
use super::state::{Held, Log, LogKey};
use super::store::CompactReport;
use super::writer::Writer;
use model::PgId;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::PoisonError;

/// Logs with a larger part dead are emptied, in percent.
const DEAD_MAX_PERCENT: u64 = 40;
/// Removals may take so much of a group's logs, in percent …
const REMOVALS_MAX_PERCENT: u64 = 5;
/// … and at least this part of a log.
const REMOVALS_MIN_OF_LOG: u64 = 16;

/// One step of at most `budget` moved bytes, at least one entry.
pub(super) fn step(writer: &mut Writer, budget: u64) -> Result<CompactReport, StoreError> {
    let Some((key, log)) = victim(writer) else { return Ok(CompactReport { done: true, ..Default::default() }) };
    close(writer, key);
    let entries = entries_of(writer, key, &log)?;
    // A removal may go only together with the copy it removes: when none is left, or the whole log goes.
    let whole = log.alive + log.words + log.removals <= budget;
    let forgets = (whole || log.dead() == 0) && alone(&writer.shared.held(), key);
    let mut report = CompactReport::default();
    let mut cut = BLOCK;
    // From the end on, so that of several words about a piece the last comes first.
    let mut said = BTreeSet::new();
    for (offset, seq, entry) in entries.iter().rev() {
        if !whole && report.moved_bytes > 0 && report.moved_bytes + entry.disk_len() > budget {
            cut = offset + entry.disk_len();
            break;
        }
        if matches!(entry, Entry::Trash { .. }) && !said.insert(entry.key()) {
            continue;
        }
        report.moved_bytes += carry(writer, key, *offset, *seq, entry, forgets)?;
    }
    if writer.finish() > 0 {
        return Err(io("move pieces")(std::io::Error::other("the new log could not be synced")));
    }
    let gone = entries.iter().filter(|(at, _, entry)| *at >= cut && matches!(entry, Entry::Remove { .. })).count();
    report.freed_bytes = cut_at(writer, key, &log, cut, gone as u64 * BLOCK)?;
    Ok(report)
}

fn victim(writer: &Writer) -> Option<(LogKey, Log)> {
    let held = writer.shared.held();
    let mut worst: Option<(u64, LogKey)> = None;
    for (key, log) in &held.logs {
        let waste = log.dead() + if log.removals > 0 && alone(&held, *key) { log.removals } else { 0 };
        let is_poor = waste * 100 > log.body() * DEAD_MAX_PERCENT || (log.body() == 0 && log.closed);
        let ppm = waste * 1_000_000 / log.len.max(1);
        if is_poor && worst.is_none_or(|(most, _)| ppm > most) {
            worst = Some((ppm, *key));
        }
    }
    let key = worst.map(|(_, key)| key).or_else(|| first_with_dead(&held, writer.log_max()))?;
    Some((key, held.logs[&key].clone()))
}

/// No dead copy lies in an older log of the group, and no other group has left one behind.
fn alone(held: &Held, key: LogKey) -> bool {
    let older_clean = held.logs.range((key.0, 0)..key).all(|(_, log)| log.dead() == 0);
    older_clean && held.logs.iter().all(|(other, log)| other.0 == key.0 || !log.left_behind)
}

/// In a group with too many removals: its oldest log with dead copies, else the one with most removals.
fn first_with_dead(held: &Held, log_max: u64) -> Option<LogKey> {
    let groups: BTreeSet<PgId> = held.logs.keys().map(|key| key.0).collect();
    groups.into_iter().find_map(|pg| {
        let logs = || held.logs.range((pg, 0)..=(pg, u32::MAX));
        let removals: u64 = logs().map(|(_, log)| log.removals).sum();
        let all: u64 = logs().map(|(_, log)| log.len).sum();
        let too_many = removals * 100 > all * REMOVALS_MAX_PERCENT && removals > log_max / REMOVALS_MIN_OF_LOG;
        if !too_many {
            return None;
        }
        let with_dead = logs().find(|(_, log)| log.dead() > 0).map(|(key, _)| *key);
        let elsewhere = || held.logs.iter().find(|(key, log)| key.0 != pg && log.left_behind).map(|(key, _)| *key);
        let fullest = || logs().max_by_key(|(_, log)| log.removals).map(|(key, _)| *key);
        with_dead.or_else(elsewhere).or_else(fullest)
    })
}

fn close(writer: &mut Writer, key: LogKey) {
    if let Some(log) = writer.shared.held().logs.get_mut(&key) {
        log.closed = true;
    }
}

fn entries_of(writer: &Writer, key: LogKey, log: &Log) -> Result<Vec<(u64, u64, Entry)>, StoreError> {
    let path = writer.shared.log_path(key);
    let mut block = vec![0; BLOCK as usize];
    let (mut at, mut out) = (BLOCK, Vec::new());
    while at + BLOCK <= log.len {
        match writer.shared.disk.read_at(&path, at, &mut block) {
            Ok(()) => {}
            // Removed or cut in an earlier step that could not tell so.
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::NotFound) => break,
            Err(error) => return Err(io("read a log")(error)),
        }
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
    forgets: bool,
) -> Result<u64, StoreError> {
    let piece = entry.key();
    let place = writer.shared.place(piece);
    let note =
        |writer: &mut Writer, note: &Entry| writer.append_moved(key.0, note, vec![0; BLOCK as usize]).map(|()| BLOCK);
    match (entry, place) {
        (Entry::Piece { .. }, Some(place)) if (place.pg, place.log, place.offset) == (key.0, key.1, offset) => {
            let (meta, body) = match writer.shared.verified(piece, &place) {
                Ok(whole) => whole,
                Err(StoreError::Damaged(_)) => return Ok(lose(writer, piece)),
                Err(error) => return Err(error),
            };
            let mut bytes = vec![0; BLOCK as usize];
            bytes.extend(body);
            let moved = Entry::Piece { meta: Box::new(meta), trashed_at: place.trashed_at };
            let len = moved.disk_len();
            writer.append_moved(key.0, &moved, bytes).map(|()| len)
        }
        (Entry::Trash { .. }, Some(place)) if (place.pg, place.word) == key && place.seq < seq => {
            note(writer, &Entry::Trash { key: piece, at: place.trashed_at })
        }
        // A piece that came back since has a copy of a later number: the removal says nothing about that one.
        (Entry::Remove { .. }, None) if !forgets => note(writer, entry),
        _ => Ok(0),
    }
}

/// A piece that no longer verifies is not carried on: it stays known as damaged until the center has it removed.
fn lose(writer: &mut Writer, piece: PieceKey) -> u64 {
    writer.shared.held().lose(piece);
    writer.save(&[], &[piece]);
    0
}

/// Gives the log's end back. The disk first: a log that is still there, or longer than the index says, is found out at the
/// next start, while one that is forgotten too early would come back with copies whose removals are gone.
fn cut_at(writer: &mut Writer, key: LogKey, log: &Log, cut: u64, removals: u64) -> Result<u64, StoreError> {
    let all = cut <= BLOCK;
    let path = writer.shared.log_path(key);
    let shared = std::sync::Arc::clone(&writer.shared);
    let still = shared.moving.write().unwrap_or_else(PoisonError::into_inner);
    if all {
        match shared.disk.remove(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io("remove a log")(error)),
            _ => shared.disk.sync_dir(&shared.pg_dir(key.0)).map_err(io("remove a log"))?,
        }
    } else {
        shared.disk.truncate(&path, cut).and_then(|()| shared.disk.sync(&path)).map_err(io("cut a log"))?;
    }
    let lost = {
        let mut held = shared.held();
        // Pieces whose headers could not be read stood there too, and no entry named them.
        let inside = |place: &super::state::Place| (place.pg, place.log) == key && place.offset >= cut;
        let lost: Vec<PieceKey> =
            held.pieces.iter().filter(|(_, place)| inside(place)).map(|(piece, _)| *piece).collect();
        for piece in &lost {
            held.lose(*piece);
        }
        if all {
            held.logs.remove(&key);
        } else if let Some(log) = held.logs.get_mut(&key) {
            (log.len, log.removals) = (cut, log.removals.saturating_sub(removals));
        }
        lost
    };
    drop(still);
    writer.save(&[key], &lost);
    Ok(if all { log.len } else { log.len - cut })
}
