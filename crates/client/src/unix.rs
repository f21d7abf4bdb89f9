//! What a file of a Unix system has beside content and name: mode, owner, times. It stands in an object's own pairs, under the names
//! that s3fs and rclone use, so that their files and ours are the same.
//!
//! `mode` is decimal and has the type of the file; `uid` and `gid` are decimal; `mtime` and `atime` are seconds since 1970, with a
//! `.` and nine digits behind it where they have parts of a second.

use serde::{Deserialize, Serialize};

/// Names of the pairs, in the order they are written.
const NAMES: [&str; 5] = ["mode", "uid", "gid", "mtime", "atime"];

/// A time: seconds since 1970, and nanoseconds.
pub type UnixTime = (i64, u32);

/// What is known of an object as a file; nothing of what nobody told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unix {
    /// Type and rights.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// When its content was last changed.
    pub mtime: Option<UnixTime>,
    /// When it was last read, where somebody set it.
    pub atime: Option<UnixTime>,
}

impl Unix {
    /// What an object's pairs say.
    pub fn of(pairs: &[(String, String)]) -> Self {
        let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let number = |name: &str| value(name).and_then(|value| value.parse().ok());
        let time = |name: &str| value(name).and_then(parse_time);
        Self {
            mode: number("mode"),
            uid: number("uid"),
            gid: number("gid"),
            mtime: time("mtime"),
            atime: time("atime"),
        }
    }

    /// The same; nothing where nothing is told.
    pub(crate) fn told(pairs: &[(String, String)]) -> Option<Self> {
        let unix = Self::of(pairs);
        (unix != Self::default()).then_some(unix)
    }

    /// An object's pairs with these in place of those that told it before.
    #[must_use]
    pub fn into_pairs(self, mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
        pairs.retain(|(key, _)| !NAMES.contains(&key.as_str()));
        let number = |value: Option<u32>| value.map(|value| value.to_string());
        let time = |value: Option<UnixTime>| value.map(show_time);
        let values = [number(self.mode), number(self.uid), number(self.gid), time(self.mtime), time(self.atime)];
        let told = NAMES.into_iter().zip(values);
        pairs.extend(told.filter_map(|(name, value)| Some((name.to_owned(), value?))));
        pairs
    }
}

fn show_time((seconds, nanos): UnixTime) -> String {
    if nanos == 0 { seconds.to_string() } else { format!("{seconds}.{nanos:09}") }
}

fn parse_time(text: &str) -> Option<UnixTime> {
    let (seconds, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 9 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((seconds.parse().ok()?, format!("{part:0<9}").parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn what_other_tools_wrote_is_read_and_the_rest_is_left() {
        let pairs = [pair("mtime", "1700000000.5"), pair("mode", "33188"), pair("camera", "x"), pair("uid", "no")];
        let unix = Unix::of(&pairs);
        assert_eq!((unix.mode, unix.uid, unix.mtime), (Some(33_188), None, Some((1_700_000_000, 500_000_000))));
        let again = unix.into_pairs(pairs.to_vec());
        assert_eq!(again[0], pair("camera", "x"));
        assert_eq!(again.len(), 3, "what does not read is not kept");
        assert_eq!(Unix::told(&[pair("camera", "x")]), None);
    }

    proptest! {
        #[test]
        fn what_is_told_reads_back(mode in any::<Option<u32>>(), mtime in any::<Option<(i64, u32)>>()) {
            let mtime = mtime.map(|(seconds, nanos)| (seconds, nanos % 1_000_000_000));
            let unix = Unix { mode, mtime, gid: Some(5), ..Unix::default() };
            prop_assert_eq!(Unix::of(&unix.into_pairs(vec![pair("mode", "1")])), unix);
        }

        #[test]
        fn any_text_is_a_time_or_none(text in "[0-9.-]{0,30}") {
            if let Some(time) = parse_time(&text) {
                prop_assert_eq!(parse_time(&show_time(time)), Some(time));
            }
        }
    }
}
