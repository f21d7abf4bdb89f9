//! Where known results are kept: one SQLite file of this machine, each row sealed under the device's own key and bound to its name.
//!
//! (A) A cache that is missing, damaged, of another form or busy is an empty one: nothing here fails, and what is damaged is made
//! anew. (B) A row that was changed or moved does not open and is none. (C) At most [`ENTRIES_MAX`] rows, none unused for longer than
//! [`LIFE`]; those used least recently go first. (D) Several processes use it at the same time.

use super::{CacheKey, Known};
use model::{Span, Stamp};
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};
use seal::LocalKey;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Results that are kept at most.
pub const ENTRIES_MAX: u64 = 1_000_000;
/// One that was not used for so long is forgotten.
pub const LIFE: Span = Span::days(30);
/// Longest value in bytes; a result of more or longer names is not kept.
const VALUE_MAX: usize = 256 << 10;
/// Longest wait for another process that writes.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Pause between two looks whether it is free.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Form of the file; another one is made anew.
const FORM: i64 = 1;
/// What a row is bound to, beside its name.
const CONTEXT: &[u8] = b"result cache";

/// This machine's known results. All calls block.
#[derive(Clone)]
pub struct ResultCache {
    path: PathBuf,
    key: LocalKey,
    entries_max: u64,
}

impl ResultCache {
    /// Kept in a file for a device. It is made when the first result is put in.
    pub fn new(path: &Path, device: &[u8; 32]) -> Self {
        Self { path: path.to_owned(), key: LocalKey::of(device), entries_max: ENTRIES_MAX }
    }

    /// What is known, in the order asked for.
    pub fn get(&self, keys: &[CacheKey], now: Stamp) -> Vec<Option<Known>> {
        let none = || vec![None; keys.len()];
        if !self.path.exists() {
            return none();
        }
        let found = self.open().and_then(|conn| {
            let since = oldest(now);
            keys.iter().map(|key| self.row(&conn, key, since)).collect::<Result<Vec<_>, _>>()
        });
        found.unwrap_or_else(|error| {
            self.failed(&error);
            none()
        })
    }

    /// Puts results in, as used now; what is known of the same item already is merged ([`Known::over`]).
    pub fn put(&self, entries: &[(CacheKey, Known)], now: Stamp) {
        if entries.is_empty() {
            return;
        }
        if let Err(error) = self.write(entries, now)
            && self.failed(&error)
            && let Err(again) = self.write(entries, now)
        {
            self.failed(&again);
        }
    }

    fn write(&self, entries: &[(CacheKey, Known)], now: Stamp) -> Result<(), rusqlite::Error> {
        let mut conn = self.open()?;
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (since, used) = (oldest(now), now.as_ms().cast_signed());
        for (key, known) in entries {
            let known = match self.row(&tx, key, since)? {
                Some(old) => known.clone().over(old),
                None => known.clone(),
            };
            let plain = wire::encode(&known);
            if plain.len() > VALUE_MAX {
                continue;
            }
            let sealed = self.key.seal(&context(key), &plain, &mut rand::rng());
            let sql = "INSERT OR REPLACE INTO known VALUES (?1, ?2, ?3)";
            tx.prepare_cached(sql)?.execute(params![key.0, used, sealed])?;
        }
        tx.execute("DELETE FROM known WHERE used < ?1", [since])?;
        let count: i64 = tx.query_row("SELECT count(*) FROM known", [], |row| row.get(0))?;
        let over = count.cast_unsigned().saturating_sub(self.entries_max).cast_signed();
        if over > 0 {
            let sql = "DELETE FROM known WHERE key IN (SELECT key FROM known ORDER BY used LIMIT ?1)";
            tx.execute(sql, [over])?;
        }
        tx.commit()
    }

    fn row(&self, conn: &Connection, key: &CacheKey, since: i64) -> Result<Option<Known>, rusqlite::Error> {
        let mut statement = conn.prepare_cached("SELECT value FROM known WHERE key = ?1 AND used >= ?2")?;
        let sealed: Option<Vec<u8>> = statement.query_row(params![key.0, since], |row| row.get(0)).optional()?;
        let opened = sealed.and_then(|sealed| self.key.open(&context(key), &sealed).ok());
        Ok(opened.and_then(|plain| wire::decode(&plain, VALUE_MAX).ok()))
    }

    fn open(&self) -> Result<Connection, rusqlite::Error> {
        if let Some(folder) = self.path.parent() {
            // Where it cannot be made, opening says so.
            let _ = std::fs::create_dir_all(folder);
        }
        let mut conn = Connection::open(&self.path)?;
        conn.busy_timeout(BUSY_WAIT)?;
        let since = Instant::now();
        // The switch to this journal does not wait for others by itself.
        while let Err(error) = conn.execute_batch("PRAGMA journal_mode = WAL;") {
            let is_busy = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
            if !is_busy || since.elapsed() > BUSY_WAIT {
                return Err(error);
            }
            std::thread::sleep(BUSY_PAUSE);
        }
        conn.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;")?;
        if form_of(&conn)? != FORM {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Another process may have been first.
            if form_of(&tx)? != FORM {
                tx.execute_batch(&format!(
                    "DROP TABLE IF EXISTS known;
                     CREATE TABLE known (key BLOB PRIMARY KEY, used INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
                     CREATE INDEX known_used ON known (used);
                     PRAGMA user_version = {FORM};"
                ))?;
            }
            tx.commit()?;
        }
        Ok(conn)
    }

    /// Says what is wrong; a damaged file goes. Whether it went.
    fn failed(&self, error: &rusqlite::Error) -> bool {
        let is_damaged = match error {
            rusqlite::Error::SqliteFailure(why, _) => {
                matches!(why.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
            }
            _ => true,
        };
        tracing::warn!(%error, is_damaged, "known results are not used");
        if is_damaged {
            for tail in ["", "-wal", "-shm"] {
                let mut name = self.path.clone().into_os_string();
                name.push(tail);
                let _ = std::fs::remove_file(name);
            }
        }
        is_damaged
    }
}

fn form_of(conn: &Connection) -> Result<i64, rusqlite::Error> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn oldest(now: Stamp) -> i64 {
    now.as_ms().saturating_sub(LIFE.as_ms()).cast_signed()
}

fn context(key: &CacheKey) -> Vec<u8> {
    [CONTEXT, &key.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::{KnownPlace, Made};
    use model::BucketId;
    use model::compute::{Check, Trust};

    const NOW: Stamp = Stamp(100 * 86_400_000);

    fn key(n: u16) -> CacheKey {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&n.to_le_bytes());
        CacheKey(key)
    }

    fn known(n: u16) -> Known {
        let made = Made { name: "stdout".into(), size: u64::from(n), hash: [1; 32] };
        let files = vec![(format!("out/secret-{n}"), [n.to_le_bytes()[0]; 16])];
        Known {
            made: vec![made],
            fuel: 5,
            bytes: u64::from(n),
            verified: true,
            trust: Trust::Circle,
            check: Check::Standard,
            at: NOW,
            places: vec![KnownPlace { bucket: BucketId([7; 16]), files }],
        }
    }

    fn cache(dir: &Path) -> ResultCache {
        ResultCache::new(&dir.join("known/results.sqlite"), &[1; 32])
    }

    fn has(cache: &ResultCache, numbers: std::ops::Range<u16>, now: Stamp) -> Vec<u16> {
        let keys: Vec<CacheKey> = numbers.clone().map(key).collect();
        numbers.zip(cache.get(&keys, now)).filter(|(_, found)| found.is_some()).map(|(n, _)| n).collect()
    }

    #[test]
    fn what_is_put_in_is_found_by_its_key_only_and_no_name_stands_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let one = cache(dir.path());
        assert_eq!(one.get(&[key(1)], NOW), [None], "a cache that is missing is empty");
        assert!(!one.path.exists(), "asking makes nothing");
        one.put(&[(key(1), known(1)), (key(2), known(2))], NOW);
        assert_eq!(cache(dir.path()).get(&[key(2), key(3), key(1)], NOW), [Some(known(2)), None, Some(known(1))]);
        let other = ResultCache::new(&one.path, &[2; 32]);
        assert_eq!(other.get(&[key(1)], NOW), [None], "another device's key opens no row");
        for file in std::fs::read_dir(one.path.parent().unwrap()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(6).any(|w| w == b"secret"));
        }
    }

    #[test]
    fn a_row_that_was_moved_or_changed_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let one = cache(dir.path());
        one.put(&[(key(1), known(1)), (key(2), known(2)), (key(3), known(3))], NOW);
        let conn = Connection::open(&one.path).unwrap();
        let moved = "UPDATE known SET value = (SELECT value FROM known WHERE key = ?1) WHERE key = ?2";
        assert_eq!(conn.execute(moved, params![key(1).0, key(2).0]), Ok(1));
        let changed = "UPDATE known SET value = substr(value, 1, length(value) - 1) WHERE key = ?1";
        assert_eq!(conn.execute(changed, [key(3).0]), Ok(1));
        assert_eq!(has(&one, 0..5, NOW), [1]);
        one.put(&[(key(2), known(2))], NOW);
        assert_eq!(has(&one, 0..5, NOW), [1, 2], "written over");
    }

    #[test]
    fn those_used_least_recently_go_first_and_none_is_older_than_its_life() {
        let dir = tempfile::tempdir().unwrap();
        let one = ResultCache { entries_max: 4, ..cache(dir.path()) };
        for n in 0..4 {
            one.put(&[(key(n), known(n))], NOW + Span::secs(u64::from(n)));
        }
        // The oldest is used again: the next one is the oldest then.
        one.put(&[(key(0), known(0))], NOW + Span::secs(10));
        one.put(&[(key(4), known(4)), (key(5), known(5))], NOW + Span::secs(20));
        assert_eq!(has(&one, 0..9, NOW + Span::secs(20)), [0, 3, 4, 5]);
        let later = NOW + LIFE + Span::secs(10);
        assert_eq!(has(&one, 0..9, later), [0, 4, 5], "at the end of its life, to the second");
        assert_eq!(has(&one, 0..9, later + Span::secs(1)), [4, 5]);
        one.put(&[(key(6), known(6))], NOW + LIFE + LIFE);
        let rows: i64 = one.open().unwrap().query_row("SELECT count(*) FROM known", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1, "what nobody used is not kept");
    }

    #[test]
    fn a_damaged_file_is_an_empty_cache_that_takes_results_again() {
        let dir = tempfile::tempdir().unwrap();
        let one = cache(dir.path());
        let damage = |bytes: &[u8]| std::fs::write(&one.path, bytes).unwrap();
        one.put(&[(key(1), known(1))], NOW);
        damage(
            b"this is no database, and long enough that nobody takes it for an empty one ............................",
        );
        assert_eq!(has(&one, 0..3, NOW), Vec::<u16>::new());
        one.put(&[(key(2), known(2))], NOW);
        assert_eq!(has(&one, 0..3, NOW), [2]);
        damage(
            b"again no database, and this time it is a writer that finds it so; it must not stay so .................",
        );
        one.put(&[(key(1), known(1))], NOW);
        assert_eq!(has(&one, 0..3, NOW), [1]);
        // Pages in the middle that are noise.
        let many: Vec<(CacheKey, Known)> = (0..2_000).map(|n| (key(n), known(n))).collect();
        one.put(&many, NOW);
        drop(Connection::open(&one.path).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        let mut bytes = std::fs::read(&one.path).unwrap();
        let len = bytes.len();
        assert!(len > 64 << 10);
        bytes[4_096..len - 4_096].fill(0xa5);
        damage(&bytes);
        one.put(&many[..3], NOW);
        one.put(&many[..3], NOW);
        assert_eq!(has(&one, 0..3, NOW), [0, 1, 2]);
        // Another form.
        Connection::open(&one.path).unwrap().execute_batch("PRAGMA user_version = 77").unwrap();
        assert_eq!(has(&one, 0..3, NOW), Vec::<u16>::new());
        one.put(&many[..1], NOW);
        assert_eq!(has(&one, 0..3, NOW), [0]);
        // A place where no file can be made.
        let nowhere = ResultCache::new(&one.path.join("below/a/file"), &[1; 32]);
        nowhere.put(&many[..1], NOW);
        assert_eq!(nowhere.get(&[key(0)], NOW), [None]);
    }

    /// Set for the processes that this test starts: where they write, and what.
    const CHILD: &str = "PUMASI_TEST_RESULT_CACHE";
    const PROCESSES: u16 = 4;
    const EACH: u16 = 20;

    #[test]
    fn processes_write_and_read_at_the_same_time() {
        if let Ok(told) = std::env::var(CHILD) {
            let (writer, dir) = told.split_once(' ').unwrap();
            let (one, first) = (cache(Path::new(dir)), writer.parse::<u16>().unwrap() * EACH);
            for n in first..first + EACH {
                one.put(&[(key(n), known(n)), (key(500), known(500))], NOW);
                assert!(one.get(&[key(n)], NOW)[0].is_some(), "{n}");
            }
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let name = std::thread::current().name().unwrap().to_owned();
        let start = |n: u16| {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", &name]).env(CHILD, format!("{n} {}", dir.path().display()));
            child.stdout(std::process::Stdio::null()).spawn().unwrap()
        };
        let children: Vec<_> = (0..PROCESSES).map(start).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(has(&cache(dir.path()), 0..600, NOW).len(), usize::from(PROCESSES * EACH) + 1);
    }
}
