//! Notices that the owner's file was changed. The file is looked at, not subscribed to: that works on every file system
//! and survives editors that rename.

use super::{LendFileError, Lent, parse, text_of};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Looks after a change in which the text is read again although the file looks the same: two writes within one tick
/// of the file system's clock look alike.
const SURE_AFTER: u8 = 4;

/// How a file looks from outside; none where there is none.
type Look = Option<(i64, i64, u64, u64, u64)>;

/// A file that is looked at again and again.
#[derive(Debug)]
pub struct LendWatch {
    path: PathBuf,
    look: Look,
    text: Option<String>,
    unsure: u8,
    was_gone: bool,
}

impl LendWatch {
    /// Reads the file and begins to watch it.
    pub fn begin(path: &Path) -> Result<(Self, Lent), LendFileError> {
        let look = look_at(path);
        let text = text_of(path)?;
        let lent = parse(path, text.as_deref().unwrap_or_default())?;
        Ok((Self { path: path.to_owned(), look, text, unsure: SURE_AFTER, was_gone: false }, lent))
    }

    /// What the file says, if it was changed since the last look.
    pub fn changed(&mut self) -> Option<Result<Lent, LendFileError>> {
        let look = look_at(&self.path);
        // An editor that deletes and writes anew leaves no file for a moment: that is no word of the owner's.
        let just_gone = look.is_none() && self.look.is_some() && !self.was_gone;
        self.was_gone = look.is_none();
        if just_gone {
            return None;
        }
        if look != self.look {
            (self.look, self.unsure) = (look, SURE_AFTER);
        } else if self.unsure > 0 {
            self.unsure -= 1;
        } else {
            return None;
        }
        match text_of(&self.path) {
            Ok(text) if text == self.text => None,
            Ok(text) => {
                self.text = text;
                Some(self.parsed())
            }
            Err(error) => {
                // What comes back is news, whatever it says.
                self.text = Some("\u{0}".to_owned());
                (self.unsure == SURE_AFTER).then_some(Err(error))
            }
        }
    }

    /// What the file says now, changed or not.
    pub fn now(&mut self) -> Result<Lent, LendFileError> {
        (self.look, self.unsure) = (look_at(&self.path), SURE_AFTER);
        self.text = text_of(&self.path)?;
        self.parsed()
    }

    fn parsed(&self) -> Result<Lent, LendFileError> {
        parse(&self.path, self.text.as_deref().unwrap_or_default())
    }
}

fn look_at(path: &Path) -> Look {
    let meta = fs::metadata(path).ok()?;
    Some((meta.mtime(), meta.mtime_nsec(), meta.ino(), meta.size(), u64::from(meta.mode())))
}
