//! What a file or a folder is, as the system asks it.

use super::limits::{BLOCK_BYTES, ENTRY_TTL};
use client::{Entry, Unix, UnixTime};
use fuser::{FileAttr, FileType, INodeNo};
use model::Stamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bits of a mode that say the type.
const TYPE: u32 = 0o170_000;
const LINK: u32 = 0o120_000;
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
/// Bits that say the rights.
const RIGHTS: u32 = 0o7_777;
/// Media type of a symbolic link.
pub(super) const LINK_TYPE: &str = "inode/symlink";

/// Who mounted, and whether others than that may own something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub uid: u32,
    pub gid: u32,
    /// Owners that are told are shown: only the system's own administrator may give files away.
    pub is_root: bool,
}

/// What is shown of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub kind: FileType,
    pub size: u64,
    pub unix: Unix,
    /// Where no other time is told.
    pub at: UnixTime,
    /// When something of it was changed last.
    pub ctime: UnixTime,
    /// It has a name.
    pub is_named: bool,
}

/// A kind with rights, as a mode says it.
pub(super) const fn mode_of(kind: FileType, rights: u32) -> u32 {
    let kind = match kind {
        FileType::Directory => FOLDER,
        FileType::Symlink => LINK,
        _ => FILE,
    };
    kind | (rights & RIGHTS)
}

/// What an object is: its mode says it, and where nobody told one its type.
pub(super) fn kind_of(entry: &Entry) -> FileType {
    let mode = entry.unix.and_then(|unix| unix.mode).map(|mode| mode & TYPE);
    if mode == Some(LINK) || entry.content_type == LINK_TYPE { FileType::Symlink } else { FileType::RegularFile }
}

impl Shape {
    /// Of an object.
    pub fn of(entry: &Entry) -> Self {
        let at = time_of(entry.changed.unwrap_or(entry.at));
        let unix = entry.unix.unwrap_or_default();
        Self { kind: kind_of(entry), size: entry.size.0, unix, at, ctime: time_of(entry.at), is_named: true }
    }

    /// Of a folder, with its marker where it has one.
    pub fn folder(marker: Option<&Entry>, at: UnixTime) -> Self {
        let unix = marker.and_then(|entry| entry.unix).unwrap_or_default();
        let at = marker.map_or(at, |entry| time_of(entry.at));
        Self { kind: FileType::Directory, size: 0, unix, at, ctime: at, is_named: true }
    }

    /// Its rights.
    pub fn rights(&self) -> u32 {
        let usual = match self.kind {
            FileType::Directory => 0o755,
            FileType::Symlink => 0o777,
            _ => 0o644,
        };
        self.unix.mode.map_or(usual, |mode| mode & RIGHTS)
    }

    /// Who owns it.
    pub fn owner(&self, owner: Owner) -> (u32, u32) {
        match owner.is_root {
            true => (self.unix.uid.unwrap_or(owner.uid), self.unix.gid.unwrap_or(owner.gid)),
            false => (owner.uid, owner.gid),
        }
    }

    /// As the system is told.
    pub fn attr(&self, number: u64, owner: Owner) -> FileAttr {
        let (uid, gid) = self.owner(owner);
        let mtime = self.unix.mtime.unwrap_or(self.at);
        let is_folder = self.kind == FileType::Directory;
        FileAttr {
            ino: INodeNo(number),
            size: self.size,
            blocks: self.size.div_ceil(512),
            atime: system(self.unix.atime.unwrap_or(mtime)),
            mtime: system(mtime),
            ctime: system(self.ctime),
            crtime: system(self.ctime),
            kind: self.kind,
            perm: u16::try_from(self.rights()).unwrap_or(0),
            nlink: match (self.is_named, is_folder) {
                (false, _) => 0,
                (true, true) => 2,
                (true, false) => 1,
            },
            uid,
            gid,
            rdev: 0,
            blksize: BLOCK_BYTES as u32,
            flags: 0,
        }
    }
}

/// So long the system may use it.
pub(super) const TTL: &Duration = &ENTRY_TTL;

/// A stamp as a time.
pub(super) fn time_of(at: Stamp) -> UnixTime {
    let ms = at.as_ms();
    (i64::try_from(ms / 1_000).unwrap_or(i64::MAX), u32::try_from(ms % 1_000).unwrap_or(0) * 1_000_000)
}

/// A time as a stamp; none for one before 1970.
pub(super) fn stamp_of((seconds, nanos): UnixTime) -> Option<Stamp> {
    let ms = u64::try_from(seconds).ok()?.checked_mul(1_000)?;
    Some(Stamp(ms + u64::from(nanos / 1_000_000)))
}

/// A time of the system.
pub(super) fn unix_of(at: SystemTime) -> UnixTime {
    match at.duration_since(UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => (-seconds, 0),
                nanos => (-seconds - 1, 1_000_000_000 - nanos),
            }
        }
    }
}

fn system((seconds, nanos): UnixTime) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let at = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    at.and_then(|at| at.checked_add(Duration::from_nanos(u64::from(nanos)))).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_same_there_and_back() {
        for time in [(0, 0), (1_700_000_000, 123_456_789), (-1, 999_999_999), (-5, 0)] {
            assert_eq!(unix_of(system(time)), time);
        }
        assert_eq!(stamp_of((1, 999_999_999)), Some(Stamp(1_999)));
        assert_eq!(stamp_of((-1, 0)), None);
        assert_eq!(time_of(Stamp(1_999)), (1, 999_000_000));
    }

    #[test]
    fn only_the_administrator_sees_other_owners() {
        let unix = Unix { uid: Some(7), mode: Some(0o104_755), ..Unix::default() };
        let shape = Shape { kind: FileType::RegularFile, size: 1_000, unix, at: (1, 0), ctime: (2, 0), is_named: true };
        let owner = |is_root| Owner { uid: 1_000, gid: 100, is_root };
        let (root, other) = (shape.attr(9, owner(true)), shape.attr(9, owner(false)));
        assert_eq!((root.uid, root.gid, root.perm, root.blocks), (7, 100, 0o4_755, 2));
        assert_eq!((other.uid, other.gid, other.nlink), (1_000, 100, 1));
    }
}
