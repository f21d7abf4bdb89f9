//! A start: what the index says, compared with the logs; what it does not know is read from them.
//!
//! Entries behind the index were perhaps never synced: they are read and verified whole, then their log is synced
//! before anything is built on them. A full rebuild trusts headers and leaves the bytes `Unchecked`; where two
//! copies of a piece exist, the newest that verifies counts. A piece the index knew and no log has any more is kept as
//! damaged, so that its loss is told and not forgotten.

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
    /// Logs read from their beginning.
    pub rescanned: u64,
    /// Logs whose head cannot be read; left as they are.
    pub unreadable_logs: u64,
    /// Pieces the index knew that no log has any more; kept as damaged.
    pub lost_rows: u64,
}

struct Found {
    seq: u64,
    what: What,
}

enum What {
    Copy { place: Place, known: bool },
    Trash { log: LogKey, at: Option<u64> },
    Removal,
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
    let mut lost = BTreeMap::new();
    for key in gone {
        forget(&mut held, key, &mut lost);
    }
    for (key, len) in on_disk {
        held.next_log = held.next_log.max(key.1.saturating_add(1));
        let mut log = Looking { events: &mut events, lost: &mut lost, report: &mut report };
        log.look_into(shared, &mut held, key, len)?;
    }
    lost.retain(|piece, _| !events.get(piece).is_some_and(|all| all.iter().any(|f| matches!(f.what, What::Removal))));
    resolve(shared, held, events, &mut report)?;
    let mut held = shared.held();
    for (piece, place) in lost {
        if !held.pieces.contains_key(&piece) {
            let _ = held.put(piece, place.lost());
            report.lost_rows += 1;
        }
    }
    if report.rebuilt {
        // Which copies were replaced by one in another group is not known any more.
        held.logs.values_mut().for_each(|log| log.left_behind = log.dead() > 0);
    }
    drop(held);
    Ok(report)
}

/// Takes a log and all that stands in it out of what is held.
fn forget(held: &mut Held, key: LogKey, lost: &mut BTreeMap<PieceKey, Place>) {
    let inside: Vec<PieceKey> =
        held.pieces.iter().filter(|(_, p)| (p.pg, p.log) == key).map(|(piece, _)| *piece).collect();
    lost.extend(inside.into_iter().filter_map(|piece| held.take(piece).map(|place| (piece, place))));
    held.pieces.values_mut().filter(|p| (p.pg, p.word) == key).for_each(|place| place.word = 0);
    held.logs.remove(&key);
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

/// What a look into the logs gathers.
struct Looking<'a> {
    events: &'a mut BTreeMap<PieceKey, Vec<Found>>,
    lost: &'a mut BTreeMap<PieceKey, Place>,
    report: &'a mut OpenReport,
}

impl Looking<'_> {
    /// Reads from one log what the index does not know of it.
    fn look_into(&mut self, shared: &Shared, held: &mut Held, key: LogKey, len: u64) -> Result<(), StoreError> {
        let path = shared.log_path(key);
        let mut head = vec![0; BLOCK as usize];
        let read = match shared.disk.read_at(&path, 0, &mut head) {
            Ok(()) => entry::decode_head(&head, key.0, key.1),
            // A disk that does not answer says nothing about what stands on it.
            Err(error) if !is_damage(&error) => return Err(io("read a log's head")(error)),
            Err(_) => None,
        };
        let known = held.logs.get(&key).filter(|log| read.is_none_or(|salt| salt == log.salt)).cloned();
        let mut anew = false;
        // A head that cannot be read is no loss while the index remembers its salt.
        let mut log = match (known, read) {
            (Some(log), _) if log.len <= len => log,
            (_, None) if len <= BLOCK => {
                forget(held, key, self.lost);
                return shared.disk.remove(&path).map_err(io("remove an empty log"));
            }
            (known, read) => match read.or(known.map(|log| log.salt)) {
                Some(salt) => {
                    forget(held, key, self.lost);
                    (self.report.rescanned, anew) = (self.report.rescanned + 1, true);
                    Log::new(salt)
                }
                None => {
                    self.report.unreadable_logs += 1;
                    forget(held, key, self.lost);
                    return Ok(());
                }
            },
        };
        if log.len < len && !log.failed {
            self.take_up(shared, key, &mut log, len, held)?;
        }
        if log.len < len && log.failed {
            let cut = shared.disk.truncate(&path, log.len).and_then(|()| shared.disk.sync(&path));
            if let Err(error) = cut {
                tracing::warn!(%error, pg = key.0.0, log = key.1, "the refused end of a log could not be cut off");
            }
        }
        // A log that was cut and would grow again could hold other pieces where an older index means to know it.
        log.closed |= anew;
        held.logs.insert(key, log);
        Ok(())
    }

    /// Takes up the entries behind the log's known end, once they are surely durable, and cuts off what is none.
    fn take_up(
        &mut self,
        shared: &Shared,
        key: LogKey,
        log: &mut Log,
        len: u64,
        held: &mut Held,
    ) -> Result<(), StoreError> {
        let (entries, end) = scan(shared, key, log, len)?;
        let path = shared.log_path(key);
        // What cannot be synced can neither be relied on nor be thrown away: perhaps it was durable long ago.
        shared.disk.truncate(&path, end).and_then(|()| shared.disk.sync(&path)).map_err(io("sync the end of a log"))?;
        log.len = end;
        for (piece, found) in entries {
            held.next_seq = held.next_seq.max(found.seq.saturating_add(1));
            log.removals += if matches!(found.what, What::Removal) { BLOCK } else { 0 };
            self.events.entry(piece).or_default().push(found);
        }
        Ok(())
    }
}

/// The entries from the log's known end up to `len`, and where the last of them ends.
fn scan(shared: &Shared, key: LogKey, log: &Log, len: u64) -> Result<(Vec<(PieceKey, Found)>, u64), StoreError> {
    let path = shared.log_path(key);
    let (mut at, mut end, mut entries) = (log.len, log.len, Vec::new());
    let mut block = vec![0; BLOCK as usize];
    while at + BLOCK <= len {
        let header = match shared.disk.read_at(&path, at, &mut block) {
            Ok(()) => entry::decode_header(&block, key.0, &log.salt, at),
            // A sector that cannot be read is damage of what stands there, not of the log.
            Err(error) if is_damage(&error) => None,
            Err(error) => return Err(io("scan a log")(error)),
        };
        match header.filter(|(_, entry)| at + entry.disk_len() <= len) {
            Some((seq, entry)) => {
                entries.push((entry.key(), Found { seq, what: found(key, at, seq, &entry) }));
                at += entry.disk_len();
                end = at;
            }
            None => at += BLOCK,
        }
    }
    Ok((entries, end))
}

/// The file ends there or the sector cannot be read.
fn is_damage(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::UnexpectedEof || error.raw_os_error() == Some(nix::libc::EIO)
}

fn found(key: LogKey, offset: u64, seq: u64, entry: &Entry) -> What {
    match entry {
        Entry::Piece { meta, trashed_at } => {
            let (health, len, trashed_at) = (Health::Unchecked, meta.len, *trashed_at);
            let place = Place { pg: key.0, log: key.1, offset, len, seq, trashed_at, word: 0, health };
            What::Copy { place, known: false }
        }
        Entry::Trash { at, .. } => What::Trash { log: key, at: *at },
        Entry::Remove { .. } => What::Removal,
    }
}

/// Decides for each piece what its entries come to.
fn resolve(
    shared: &Shared,
    held: Held,
    events: BTreeMap<PieceKey, Vec<Found>>,
    report: &mut OpenReport,
) -> Result<(), StoreError> {
    *shared.held() = held;
    for (key, mut founds) in events {
        report.adopted += founds.len() as u64;
        let old = shared.held().take(key);
        founds.extend(old.map(|place| Found { seq: place.seq, what: What::Copy { place, known: true } }));
        founds.sort_by_key(|found| found.seq);
        let removed = founds.iter().rposition(|found| matches!(found.what, What::Removal));
        let alive = &founds[removed.map_or(0, |at| at + 1)..];
        let Some(mut place) = newest_good(shared, key, alive, report)? else { continue };
        let words = alive.iter().rev().filter(|found| found.seq > place.seq);
        if let Some((log, at)) = words.into_iter().find_map(|found| match found.what {
            What::Trash { log, at } => Some((log, at)),
            _ => None,
        }) {
            // A word in another group's log is about a copy there; it says the same, but counts for nothing here.
            (place.trashed_at, place.word) = (at, if log.0 == place.pg { log.1 } else { 0 });
        }
        let _ = shared.held().put(key, place);
    }
    Ok(())
}

/// The newest copy that counts. One the index knew is believed; in a rebuild a lone copy is believed unread.
fn newest_good(
    shared: &Shared,
    key: PieceKey,
    alive: &[Found],
    report: &mut OpenReport,
) -> Result<Option<Place>, StoreError> {
    let copies = || {
        alive.iter().rev().filter_map(|found| match found.what {
            What::Copy { place, known } => Some((place, known)),
            _ => None,
        })
    };
    let must_read = !report.rebuilt || copies().count() > 1;
    for (place, known) in copies() {
        if known || !must_read {
            return Ok(Some(place));
        }
        match shared.verified(key, &place) {
            Ok(_) => return Ok(Some(Place { health: Health::Verified, ..place })),
            Err(StoreError::Damaged(_)) => report.torn += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
