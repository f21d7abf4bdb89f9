//! Recorded traces of availability (`.avt`): plain text, one time on a line: `node start end`.
//!
//! `node` is a number, `start` and `end` are seconds since any origin, `start` < `end`; fields are separated by blanks or
//! commas; `#` begins a comment. Lines may come in any order; times of one node may touch but not overlap.

use crate::hosts::Session;
use model::{Span, Stamp};
use std::collections::BTreeMap;

/// Largest file read.
pub const BYTES_MAX: usize = 256 * 1_024 * 1_024;
/// Most lines.
pub const LINES_MAX: usize = 10_000_000;
/// Most nodes.
pub const NODES_MAX: usize = 1_048_576;
/// Largest second: the year 5138.
pub const SECOND_MAX: u64 = 100_000_000_000;

/// Why a trace cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AvtError {
    /// Over [`BYTES_MAX`].
    #[error("the trace has {0} bytes, at most {BYTES_MAX} are read")]
    TooLarge(usize),
    /// Over [`LINES_MAX`].
    #[error("the trace has more than {LINES_MAX} lines")]
    TooLong,
    /// Over [`NODES_MAX`].
    #[error("line {line}: more than {NODES_MAX} nodes")]
    TooManyNodes {
        /// Counted from 1.
        line: usize,
    },
    /// Not three fields.
    #[error("line {line}: {found} fields instead of node, start, end")]
    Fields {
        /// Counted from 1.
        line: usize,
        /// How many there are.
        found: usize,
    },
    /// A field is no number in range.
    #[error("line {line}: {what} is not a whole number up to {max}")]
    Number {
        /// Counted from 1.
        line: usize,
        /// `node`, `start` or `end`.
        what: &'static str,
        /// Largest allowed.
        max: u64,
    },
    /// Ends before it starts.
    #[error("line {line}: the end is not after the start")]
    Backwards {
        /// Counted from 1.
        line: usize,
    },
    /// Two times on of one node overlap.
    #[error("node {node}: on twice at second {second}")]
    Overlap {
        /// Which node.
        node: u32,
        /// Where the second one starts.
        second: u64,
    },
}

/// The times on of every node, in order and apart; touching ones are joined.
pub fn read(text: &str) -> Result<BTreeMap<u32, Vec<Session>>, AvtError> {
    if text.len() > BYTES_MAX {
        return Err(AvtError::TooLarge(text.len()));
    }
    let mut nodes: BTreeMap<u32, Vec<Session>> = BTreeMap::new();
    for (index, raw) in text.lines().enumerate() {
        let line = index + 1;
        if line > LINES_MAX {
            return Err(AvtError::TooLong);
        }
        let content = raw.split('#').next().unwrap_or_default();
        if content.trim().is_empty() {
            continue;
        }
        let (node, session) = read_line(line, content)?;
        if nodes.len() >= NODES_MAX && !nodes.contains_key(&node) {
            return Err(AvtError::TooManyNodes { line });
        }
        nodes.entry(node).or_default().push(session);
    }
    nodes.into_iter().map(|(node, sessions)| Ok((node, joined(node, sessions)?))).collect()
}

fn read_line(line: usize, content: &str) -> Result<(u32, Session), AvtError> {
    let split = |c: char| c.is_whitespace() || c == ',';
    let fields: Vec<&str> = content.split(split).filter(|f| !f.is_empty()).take(4).collect();
    let [node, start, end] = fields[..] else { return Err(AvtError::Fields { line, found: fields.len() }) };
    let number = |what, text: &str, max: u64| {
        text.parse::<u64>().ok().filter(|n| *n <= max).ok_or(AvtError::Number { line, what, max })
    };
    let node = number("node", node, u64::from(u32::MAX))?;
    let (start, end) = (number("start", start, SECOND_MAX)?, number("end", end, SECOND_MAX)?);
    if end <= start {
        return Err(AvtError::Backwards { line });
    }
    let at = |second| Stamp::EPOCH + Span::secs(second);
    let node = u32::try_from(node).expect("at most u32::MAX, checked above");
    Ok((node, Session { start: at(start), end: at(end) }))
}

fn joined(node: u32, mut sessions: Vec<Session>) -> Result<Vec<Session>, AvtError> {
    sessions.sort_by_key(|s| s.start);
    let mut out: Vec<Session> = Vec::with_capacity(sessions.len());
    for next in sessions {
        match out.last_mut() {
            Some(last) if next.start < last.end => {
                return Err(AvtError::Overlap { node, second: next.start.as_ms() / 1_000 });
            }
            Some(last) if next.start == last.end => last.end = next.end,
            _ => out.push(next),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_trace_reads_in_any_order_with_comments_and_commas() {
        let nodes = read("# node start end\n7 100 200\n3,5,9\n7 200 300 # touches\n\n7 10\t20\n").unwrap();
        let secs: Vec<(u64, u64)> =
            nodes[&7].iter().map(|s| (s.start.as_ms() / 1_000, s.end.as_ms() / 1_000)).collect();
        assert_eq!(secs, [(10, 20), (100, 300)]);
        assert_eq!(nodes[&3].len(), 1);
    }

    #[test]
    fn each_fault_is_named_with_its_line() {
        let said = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(said("1 2"), "line 1: 2 fields instead of node, start, end");
        assert_eq!(said("1 2 3\n1 2 3 4"), "line 2: 4 fields instead of node, start, end");
        assert_eq!(said("1 x 3"), "line 1: start is not a whole number up to 100000000000");
        assert_eq!(said("9999999999 1 3"), "line 1: node is not a whole number up to 4294967295");
        assert_eq!(said("1 3 3"), "line 1: the end is not after the start");
        assert_eq!(said("1 3 9\n1 8 12"), "node 1: on twice at second 8");
    }

    proptest! {
        #[test]
        fn random_text_never_panics(text in ".{0,400}") {
            let _ = read(&text);
        }

        #[test]
        fn random_numbers_never_panic_and_come_out_in_order(
            rows in proptest::collection::vec((0u32..5, 0u64..200, 0u64..200), 0..30),
        ) {
            let text: String = rows.iter().map(|(n, s, e)| format!("{n} {s} {e}\n")).collect();
            if let Ok(nodes) = read(&text) {
                for sessions in nodes.values() {
                    prop_assert!(sessions.windows(2).all(|w| w[0].end < w[1].start));
                }
            }
        }
    }
}
