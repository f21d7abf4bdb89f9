//! The mark beside the pieces, and its copy in the agent's home: a store that is not the one that was there before, because a disk
//! was not mounted, is not taken for an empty one.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Name of the mark inside the folder of the pieces.
const MARK: &str = "mark";
/// Bytes of a mark, as text.
const MARK_LEN: usize = 32;

/// Where the copy of a store's mark stands: beside its folder.
pub fn copy_of(pieces: &Path) -> PathBuf {
    pieces.with_extension("mark")
}

/// True when the folder holds the store that was there before, or one that is seen for the first time; it is marked then.
///
/// # Errors
/// Of the disk.
pub fn is_the_same(pieces: &Path) -> io::Result<bool> {
    let (copy, mark) = (copy_of(pieces), pieces.join(MARK));
    match (read(&copy)?, read(&mark)?) {
        (Some(copy), mark) => Ok(mark == Some(copy)),
        (None, Some(mark)) => write(&copy, &mark).map(|()| true),
        (None, None) => {
            std::fs::create_dir_all(pieces)?;
            let mut random = [0u8; MARK_LEN / 2];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            // The mark first: a copy without one would say that a disk is gone.
            write(&mark, &text)?;
            write(&copy, &text).map(|()| true)
        }
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) if text.len() == MARK_LEN => Ok(Some(text)),
        // Cut by a power failure: written anew.
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_another_one_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let pieces = dir.path().join("pieces");
        assert!(is_the_same(&pieces).unwrap(), "the first time");
        assert!(is_the_same(&pieces).unwrap());
        std::fs::rename(&pieces, dir.path().join("unplugged")).unwrap();
        assert!(!is_the_same(&pieces).unwrap(), "it is not there");
        assert!(!pieces.exists(), "and none is made in its place");
        std::fs::create_dir(&pieces).unwrap();
        assert!(!is_the_same(&pieces).unwrap(), "an empty one in its place");
        std::fs::remove_dir(&pieces).unwrap();
        std::fs::rename(dir.path().join("unplugged"), &pieces).unwrap();
        assert!(is_the_same(&pieces).unwrap(), "it is back");
        std::fs::remove_file(copy_of(&pieces)).unwrap();
        assert!(is_the_same(&pieces).unwrap(), "the copy is made anew");
        // Cut in the middle of the first start.
        std::fs::remove_file(copy_of(&pieces)).unwrap();
        std::fs::write(pieces.join(MARK), "0123").unwrap();
        assert!(is_the_same(&pieces).unwrap() && is_the_same(&pieces).unwrap());
    }
}
