//! Daily roots of the book on this machine: kept over restarts, and held against what a center shows (`docs/design/ledger.md` §11).
//!
//! One file for a home: its agent and its commands hold the center to the same. It is written whole beside the old one and takes
//! its place, so that it is the old or the new one. Layout: magic `PMR1`, then day u32 and root 32 for each, oldest first.

use rules::ledger::chain::Day;
use rules::ledger::roots::{KEPT, Roots, Told};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use wire::ledger::DayLine;

const MAGIC: &[u8; 4] = b"PMR1";
/// Bytes of one root with its day.
const ENTRY: usize = 36;

/// Why roots are not kept, or not believed.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file.
    #[error("{path}: {source}")]
    File {
        /// Where.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The file is none of ours.
    #[error("{0}: these bytes are no roots")]
    Damaged(PathBuf),
    /// The center tells another history than before.
    #[error("{0}")]
    Refused(rules::Refusal),
}

/// The file with the roots of a home.
#[derive(Debug, Clone)]
pub struct RootsFile(PathBuf);

impl RootsFile {
    /// The file at a path; it need not be there.
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// What is kept; nothing where nothing was.
    ///
    /// # Errors
    /// [`RootsError::File`], [`RootsError::Damaged`].
    pub fn load(&self) -> Result<Roots, RootsError> {
        let mut bytes = Vec::new();
        // A longer file is none of ours.
        let most = (MAGIC.len() + KEPT * ENTRY + 1) as u64;
        match File::open(&self.0).and_then(|file| file.take(most).read_to_end(&mut bytes)) {
            Ok(_) => parse(&bytes).ok_or_else(|| RootsError::Damaged(self.0.clone())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Roots::default()),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Holds what a center told behind [`Roots::asks_after`] of what was kept when it was asked against that, and keeps what is new;
    /// durable when it answers. What another process of this home kept meanwhile must be the same history, and stays where it is longer.
    ///
    /// # Errors
    /// [`RootsError::Refused`] where it does not fit; what is kept stays as it is.
    pub fn take(&self, asked: &Roots, lines: &[DayLine]) -> Result<Roots, RootsError> {
        let mut roots = asked.clone();
        let told: Vec<Told> = lines.iter().map(told).collect();
        let new = roots.take(&told).map_err(RootsError::Refused)?;
        let now = self.load()?;
        if let Some(day) = differs(&roots, &now) {
            return Err(RootsError::Refused(rules::Refusal::new(model::errors::ROLLBACK_SEEN).with("day", day)));
        }
        if now.newest() > roots.newest() {
            return Ok(now);
        }
        if new > 0 && now != roots {
            self.save(&roots).map_err(|source| self.failed(source))?;
        }
        Ok(roots)
    }

    /// Begins anew: the next history that is shown is believed. Harmless twice.
    ///
    /// # Errors
    /// [`RootsError::File`].
    pub fn forget(&self) -> Result<(), RootsError> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    fn save(&self, roots: &Roots) -> Result<(), std::io::Error> {
        let beside = self.0.with_extension(format!("{}.new", std::process::id()));
        let mut file = File::create(&beside)?;
        file.write_all(&bytes(roots))?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.0)?;
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    fn failed(&self, source: std::io::Error) -> RootsError {
        RootsError::File { path: self.0.clone(), source }
    }
}

/// The first day of which two histories have other roots.
fn differs(one: &Roots, other: &Roots) -> Option<u32> {
    let found =
        |day: u32| other.all().binary_search_by_key(&day, |(day, _)| *day).ok().and_then(|at| other.all().get(at));
    one.all().iter().find(|kept| found(kept.0).is_some_and(|seen| seen != *kept)).map(|(day, _)| *day)
}

fn bytes(roots: &Roots) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for (day, root) in roots.all() {
        out.extend(day.to_le_bytes());
        out.extend(root);
    }
    out
}

fn parse(bytes: &[u8]) -> Option<Roots> {
    let (entries, rest) = bytes.strip_prefix(MAGIC)?.as_chunks::<ENTRY>();
    let entry = |entry: &[u8; ENTRY]| {
        let (day, root) = entry.split_first_chunk::<4>()?;
        Some((u32::from_le_bytes(*day), root.try_into().ok()?))
    };
    let kept = entries.iter().map(entry).collect::<Option<Vec<_>>>()?;
    if rest.is_empty() { Roots::from_kept(kept) } else { None }
}

fn told(line: &DayLine) -> Told {
    let DayLine { day, rows_root, accounts_root, debits, credits, rows, root, .. } = *line;
    Told { day: Day { day, rows_root, accounts_root, debits, credits, rows }, root }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(days: std::ops::Range<u32>, salt: u8) -> Vec<DayLine> {
        let mut prev = [0; 32];
        let mut line = |day: u32| {
            let (rows_root, accounts_root, rows) = ([salt; 32], [2; 32], u64::from(day));
            let made = Day { day, rows_root, accounts_root, debits: 7, credits: 7, rows };
            prev = made.root(&prev);
            DayLine { day, rows_root, accounts_root, debits: 7, credits: 7, rows, root: prev, cosigned: Vec::new() }
        };
        days.map(&mut line).collect()
    }

    #[test]
    fn what_is_kept_outlives_the_process_and_another_history_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = RootsFile::at(folder.path().join("roots"));
        assert_eq!(file.load().unwrap(), Roots::default());
        let told = lines(10..15, 1);
        assert_eq!(file.take(&Roots::default(), &told[..3]).unwrap().newest(), Some((12, told[2].root)));
        let again = RootsFile::at(folder.path().join("roots"));
        assert_eq!(again.take(&again.load().unwrap(), &told[2..]).unwrap().all().len(), 5);
        let before = std::fs::read(folder.path().join("roots")).unwrap();
        for bad in [&lines(10..16, 3)[4..], &[]] {
            assert!(matches!(file.take(&file.load().unwrap(), bad), Err(RootsError::Refused(_))));
        }
        assert_eq!(std::fs::read(folder.path().join("roots")).unwrap(), before);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        file.forget().unwrap();
        file.forget().unwrap();
        assert_eq!(file.take(&Roots::default(), &lines(10..16, 3)).unwrap().all().len(), 6);
    }

    #[test]
    fn two_processes_of_a_home_that_ask_at_once_make_no_false_alarm() {
        let folder = tempfile::tempdir().unwrap();
        let file = RootsFile::at(folder.path().join("roots"));
        let told = lines(10..16, 1);
        let asked = file.take(&Roots::default(), &told[..2]).unwrap();
        // Both asked behind the same day; the one that was told more comes first.
        assert_eq!(file.take(&asked, &told[1..5]).unwrap().all().len(), 5);
        assert_eq!(file.take(&asked, &told[1..4]).unwrap().newest(), Some((14, told[4].root)), "what is longer stays");
        assert_eq!(file.take(&asked, &told[1..]).unwrap().all().len(), 6);
        assert_eq!(file.load().unwrap().newest(), Some((15, told[5].root)));
        // What is kept meanwhile is another history.
        let mut other = Roots::default();
        other.take(&lines(10..12, 3).iter().map(super::told).collect::<Vec<_>>()).unwrap();
        assert!(matches!(file.take(&other, &lines(10..13, 3)[1..]), Err(RootsError::Refused(_))));
    }

    #[test]
    fn other_bytes_are_no_roots() {
        let folder = tempfile::tempdir().unwrap();
        let file = RootsFile::at(folder.path().join("roots"));
        file.take(&Roots::default(), &lines(10..15, 1)).unwrap();
        let good = std::fs::read(folder.path().join("roots")).unwrap();
        for bad in [&good[..good.len() - 1], &good[1..], &[&good[..], &good[4..]].concat(), b"PMR"] {
            std::fs::write(folder.path().join("roots"), bad).unwrap();
            assert!(matches!(file.load(), Err(RootsError::Damaged(_))));
        }
    }
}
