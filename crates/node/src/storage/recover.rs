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
use wire::storage::Locator;

/// What a start found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenReport {
    /// The index was made anew from the logs.
    pub rebuilt: bool,
    /// Entries found that the index did not know.
    pub adopted: u64,
    /// Entries dropped because they were never whole.
    pub torn: u64,
    /// Logs read from their beginning, new ones of the last moments included.
    pub rescanned: u64,
    /// Logs whose head cannot be read; left as they are.
    pub unreadable_logs: u64,
    /// Pieces the index knew that no log has any more; kept as damaged.
    pub lost_rows: u64,
}

struct Found {
    seq: u64,
    what: What,
    /// What a copy's label shows.
    locator: Option<Locator>,
}

enum What {
    Copy { place: Place, known: bool },
    Trash { log: LogKey, at: Option<u64> },
    Removal,
}

/// Brings `shared.held` in line with the logs. `known`: what the index says, none when there is none. An index that does not
/// fit the logs is not mended here and there, since what it leaves out may be just the word that makes an old copy dead: all
/// is read anew then, and of the index only salts, refused ends and names of pieces are used.
pub(super) fn recover(shared: &Shared, known: Option<Held>) -> Result<OpenReport, StoreError> {
    let on_disk = logs_on_disk(shared)?;
    let mut logs = Vec::with_capacity(on_disk.len());
    for (key, len) in on_disk {
        logs.push(OnDisk { key, len, salt: salt_of(shared, key)? });
    }
    let fits = known.as_ref().is_some_and(|held| logs.iter().all(|log| log.fits(held)));
    let mut report = OpenReport { rebuilt: !fits, ..OpenReport::default() };
    let (mut held, before) = match known {
        Some(held) if fits => (held, Held::default()),
        known => (Held::default(), known.unwrap_or_default()),
    };
    held.next_seq = held.next_seq.max(before.next_seq).max(1);
    held.next_log = held.next_log.max(before.next_log).max(1);
    let mut lost: BTreeMap<PieceKey, Place> = before.pieces;
    let gone = held.logs.keys().filter(|key| !logs.iter().any(|log| log.key == **key)).copied();
    for key in gone.collect::<Vec<_>>() {
        forget(&mut held, key, &mut lost);
    }
    let mut events: BTreeMap<PieceKey, Vec<Found>> = BTreeMap::new();
    for log in logs {
        held.next_log = held.next_log.max(log.key.1.saturating_add(1));
        let mut looking = Looking { events: &mut events, report: &mut report };
        looking.look_into(shared, &mut held, &log, before.logs.get(&log.key))?;
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

/// A log as it stands on the disk.
struct OnDisk {
    key: LogKey,
    len: u64,
    /// As its head says; none when that cannot be read.
    salt: Option<[u8; 32]>,
}

impl OnDisk {
    /// What the index says of it can be built on: nothing is missing before its known end, and what stands behind that is
    /// either a tail the index is behind with or the refused end of a failed log. A log the index does not know is newer than
    /// all it knows.
    fn fits(&self, held: &Held) -> bool {
        match held.logs.get(&self.key) {
            None => self.key.1 >= held.next_log,
            Some(log) if self.salt.is_some_and(|salt| salt != log.salt) || self.len < log.len => false,
            Some(log) => self.len == log.len || !log.closed || log.failed,
        }
    }
}

fn salt_of(shared: &Shared, key: LogKey) -> Result<Option<[u8; 32]>, StoreError> {
    let mut head = vec![0; BLOCK as usize];
    match shared.disk.read_at(&shared.log_path(key), 0, &mut head) {
        Ok(()) => Ok(entry::decode_head(&head, key.0, key.1)),
        // A disk that does not answer says nothing about what stands on it.
        Err(error) if !is_damage(&error) => Err(io("read a log's head")(error)),
        Err(_) => Ok(None),
    }
}

/// What a look into the logs gathers.
struct Looking<'a> {
    events: &'a mut BTreeMap<PieceKey, Vec<Found>>,
    report: &'a mut OpenReport,
}

impl Looking<'_> {
    /// Reads from one log what is not held of it. `before`: what an index that did not fit said of it.
    fn look_into(
        &mut self,
        shared: &Shared,
        held: &mut Held,
        on_disk: &OnDisk,
        before: Option<&Log>,
    ) -> Result<(), StoreError> {
        let OnDisk { key, len, salt } = *on_disk;
        // A head that cannot be read is no loss while an index remembers its salt.
        let before = before.filter(|log| salt.is_none_or(|salt| salt == log.salt));
        let mut log = match (held.logs.get(&key), salt.or(before.map(|log| log.salt))) {
            (Some(log), _) => log.clone(),
            (None, Some(salt)) if len >= BLOCK => Log { closed: self.report.rebuilt, ..Log::new(salt) },
            (None, _) if len <= BLOCK => {
                return shared.disk.remove(&shared.log_path(key)).map_err(io("remove an empty log"));
            }
            (None, _) => {
                self.report.unreadable_logs += 1;
                return Ok(());
            }
        };
        // What was refused once stays refused, also when all else is read anew.
        let refused_from = before.unwrap_or(&log).clone();
        let end = if refused_from.failed { refused_from.len.min(len) } else { len };
        log.failed = refused_from.failed;
        self.report.rescanned += u64::from(!held.logs.contains_key(&key));
        if log.len < end {
            self.take_up(shared, key, &mut log, end, held)?;
        }
        if log.len < len {
            let path = shared.log_path(key);
            // What cannot be synced can neither be relied on nor be thrown away: perhaps it was durable long ago.
            let cut = shared.disk.truncate(&path, log.len).and_then(|()| shared.disk.sync(&path));
            match cut {
                Ok(()) => {}
                Err(error) if log.failed => {
                    tracing::warn!(%error, pg = key.0.0, log = key.1, "the refused end of a log could not be cut off");
                }
                Err(error) => return Err(io("cut off a torn end")(error)),
            }
        }
        held.logs.insert(key, log);
        Ok(())
    }

    /// Takes up the entries behind the log's known end, once they are surely durable.
    fn take_up(
        &mut self,
        shared: &Shared,
        key: LogKey,
        log: &mut Log,
        len: u64,
        held: &mut Held,
    ) -> Result<(), StoreError> {
        let (entries, end) = scan(shared, key, log, len)?;
        shared.disk.sync(&shared.log_path(key)).map_err(io("sync the end of a log"))?;
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
                entries.push((entry.key(), found(key, at, seq, &entry)));
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

fn found(key: LogKey, offset: u64, seq: u64, entry: &Entry) -> Found {
    let mut locator = None;
    let what = match entry {
        Entry::Piece { meta, trashed_at } => {
            locator = meta.locator();
            let (health, len, trashed_at) = (Health::Unchecked, meta.len, *trashed_at);
            let place = Place { pg: key.0, log: key.1, offset, len, seq, trashed_at, word: 0, health };
            What::Copy { place, known: false }
        }
        Entry::Trash { at, .. } => What::Trash { log: key, at: *at },
        Entry::Remove { .. } => What::Removal,
    };
    Found { seq, what, locator }
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
        let (old, locator) = {
            let mut held = shared.held();
            (held.take(key), held.locator(key))
        };
        founds.extend(old.map(|place| Found { seq: place.seq, what: What::Copy { place, known: true }, locator }));
        founds.sort_by_key(|found| found.seq);
        let removed = founds.iter().rposition(|found| matches!(found.what, What::Removal));
        let alive = &founds[removed.map_or(0, |at| at + 1)..];
        let locator = alive.iter().rev().find_map(|found| found.locator);
        let Some(mut place) = newest_good(shared, key, alive, report)? else {
            shared.held().locate(key, None);
            continue;
        };
        let words = alive.iter().rev().filter(|found| found.seq > place.seq);
        if let Some((log, at)) = words.into_iter().find_map(|found| match found.what {
            What::Trash { log, at } => Some((log, at)),
            _ => None,
        }) {
            // A word in another group's log is about a copy there; it says the same, but counts for nothing here.
            (place.trashed_at, place.word) = (at, if log.0 == place.pg { log.1 } else { 0 });
        }
        let mut held = shared.held();
        let _ = held.put(key, place);
        held.locate(key, locator);
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
