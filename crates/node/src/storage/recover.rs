//! A start: what the index says, compared with the logs; what it does not know is read from them.
//!
//! Entries behind the index were perhaps never synced: they are read and verified whole, then their log is synced
//! before anything is built on them. A full rebuild trusts headers and leaves the bytes `Unchecked`; where two
//! copies of a piece exist, the newest that verifies counts.

use super::entry::{self, BLOCK, Entry, PieceKey};
use super::error::{StoreError, io};
use super::state::{Health, Held, Log, LogKey, Place, Shared};
use model::PgId;
use std::collections::BTreeMap;
use std::path::Path;

/// What a start found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenReport {
    /// The index was made anew from the logs.
    pub rebuilt: bool,
    /// Entries found that the index did not know.
    pub adopted: u64,
    /// Entries dropped because they were never whole.
    pub torn: u64,
    /// Logs whose head cannot be read; left as they are.
    pub unreadable_logs: u64,
    /// Rows of the index whose log is gone.
    pub lost_rows: u64,
}

struct Found {
    seq: u64,
    place: Option<Place>,
    trash: Option<Option<u64>>,
    known: bool,
}

/// Brings `shared.held` in line with the logs. `known`: what the index says, none when it is to be rebuilt. Returns
/// the report and the names of all pieces and logs that changed.
pub(super) fn recover(shared: &Shared, known: Option<Held>) -> Result<OpenReport, StoreError> {
    let mut report = OpenReport { rebuilt: known.is_none(), ..OpenReport::default() };
    let mut held = known.unwrap_or_default();
    held.next_seq = held.next_seq.max(1);
    held.next_log = held.next_log.max(1);
    let mut events: BTreeMap<PieceKey, Vec<Found>> = BTreeMap::new();
    let on_disk = logs_on_disk(shared)?;
    let gone: Vec<LogKey> = held.logs.keys().filter(|key| !on_disk.contains_key(*key)).copied().collect();
    for key in gone {
        report.lost_rows += forget(&mut held, key);
    }
    for (key, len) in on_disk {
        held.next_log = held.next_log.max(key.1.saturating_add(1));
        look_into(shared, &mut held, key, len, &mut events, &mut report)?;
    }
    resolve(shared, held, events, &mut report);
    Ok(report)
}

fn forget(held: &mut Held, key: LogKey) -> u64 {
    let lost: Vec<PieceKey> =
        held.pieces.iter().filter(|(_, p)| (p.pg, p.log) == key).map(|(piece, _)| *piece).collect();
    for piece in &lost {
        held.take(*piece);
    }
    held.logs.remove(&key);
    lost.len() as u64
}

fn logs_on_disk(shared: &Shared) -> Result<BTreeMap<LogKey, u64>, StoreError> {
    let mut logs = BTreeMap::new();
    for folder in shared.disk.list(&shared.dir).map_err(io("list the store"))? {
        let Some(pg) = number(&folder, "pg-", "") else { continue };
        for file in shared.disk.list(&folder).map_err(io("list a group's folder"))? {
            let Some(no) = number(&file, "", ".log") else { continue };
            logs.insert((PgId(pg), no), shared.disk.len(&file).map_err(io("measure a log"))?);
        }
    }
    Ok(logs)
}

fn number(path: &Path, before: &str, after: &str) -> Option<u32> {
    let digits = path.file_name()?.to_str()?.strip_prefix(before)?.strip_suffix(after)?;
    (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// Reads from one log what the index does not know of it.
fn look_into(
    shared: &Shared,
    held: &mut Held,
    key: LogKey,
    len: u64,
    events: &mut BTreeMap<PieceKey, Vec<Found>>,
    report: &mut OpenReport,
) -> Result<(), StoreError> {
    let path = shared.log_path(key);
    let mut head = vec![0; BLOCK as usize];
    let salt = match shared.disk.read_at(&path, 0, &mut head) {
        Ok(()) => entry::decode_head(&head, key.0, key.1),
        Err(_) => None,
    };
    let known = held.logs.get(&key).filter(|log| salt.is_none_or(|salt| salt == log.salt)).cloned();
    let (salt, from, closed) = match (&known, salt) {
        (Some(log), _) if log.len <= len => (log.salt, log.len, log.closed),
        (_, Some(salt)) => {
            forget(held, key);
            (salt, BLOCK, false)
        }
        (_, None) if len <= BLOCK => return shared.disk.remove(&path).map_err(io("remove an empty log")),
        (_, None) => {
            report.unreadable_logs += 1;
            report.lost_rows += forget(held, key);
            return Ok(());
        }
    };
    let alive = held.logs.get(&key).map_or(0, |log| log.alive);
    let mut log = Log { salt, len: from, alive, closed };
    if !closed && from < len {
        log.len = scan(shared, key, &salt, from..len, events, held)?;
        log.closed = shared.disk.truncate(&path, log.len).is_err() || shared.disk.sync(&path).is_err();
    }
    held.logs.insert(key, log);
    Ok(())
}

/// Collects the entries of a stretch; returns where the last one ends.
fn scan(
    shared: &Shared,
    key: LogKey,
    salt: &[u8; 32],
    range: std::ops::Range<u64>,
    events: &mut BTreeMap<PieceKey, Vec<Found>>,
    held: &mut Held,
) -> Result<u64, StoreError> {
    let path = shared.log_path(key);
    let (mut at, mut end) = (range.start, range.start);
    let mut block = vec![0; BLOCK as usize];
    while at + BLOCK <= range.end {
        shared.disk.read_at(&path, at, &mut block).map_err(io("scan a log"))?;
        let Some((seq, entry)) = entry::decode_header(&block, key.0, salt, at) else {
            at += BLOCK;
            continue;
        };
        held.next_seq = held.next_seq.max(seq.saturating_add(1));
        let next = at + entry.disk_len();
        if next <= range.end {
            events.entry(entry.key()).or_default().push(found(key, at, seq, &entry));
            (at, end) = (next, next);
        } else {
            at += BLOCK;
        }
    }
    Ok(end)
}

fn found(key: LogKey, offset: u64, seq: u64, entry: &Entry) -> Found {
    match entry {
        Entry::Piece { meta, trashed_at } => {
            let health = Health::Unchecked;
            let place = Place { pg: key.0, log: key.1, offset, len: meta.len, seq, trashed_at: *trashed_at, health };
            Found { seq, place: Some(place), trash: None, known: false }
        }
        Entry::Trash { at, .. } => Found { seq, place: None, trash: Some(*at), known: false },
        Entry::Remove { .. } => Found { seq, place: None, trash: None, known: false },
    }
}

/// Decides for each piece what its entries come to.
fn resolve(shared: &Shared, held: Held, events: BTreeMap<PieceKey, Vec<Found>>, report: &mut OpenReport) {
    *shared.held() = held;
    for (key, mut founds) in events {
        report.adopted += founds.len() as u64;
        let old = shared.held().take(key);
        founds.extend(old.map(|place| Found { seq: place.seq, place: Some(place), trash: None, known: true }));
        founds.sort_by_key(|found| found.seq);
        let removed = founds.iter().rposition(|found| found.place.is_none() && found.trash.is_none());
        let alive = &founds[removed.map_or(0, |at| at + 1)..];
        let copies: Vec<&Found> = alive.iter().rev().filter(|found| found.place.is_some()).collect();
        let must_read = !report.rebuilt || copies.len() > 1;
        let mut chosen = None;
        for copy in copies {
            let place = copy.place.expect("copies have places");
            if copy.known || !must_read {
                chosen = Some(place);
            } else if shared.verified(key, &place).is_ok() {
                chosen = Some(Place { health: Health::Verified, ..place });
            } else {
                report.torn += 1;
            }
            if chosen.is_some() {
                break;
            }
        }
        let Some(mut place) = chosen else { continue };
        if let Some(trash) = alive.iter().rev().filter(|f| f.seq > place.seq).find_map(|f| f.trash) {
            place.trashed_at = trash;
        }
        shared.held().put(key, place);
    }
}
