//! The name of the file in a browser's form, which may become a part of its object's name: the library behind does not hand it on, so
//! the head of the form is looked through on its way.

use crate::inflow::{Inflow, InflowError};
use crate::limits::FORM_FIELDS_MAX;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use hyper::body::Frame;
use s3s::Body;

/// Fields are handed on in pieces of so many bytes.
const FIELD_PIECE: usize = 4 << 10;
/// The file is handed on in pieces of so many bytes at least: each is kept apart until all of it came.
const FILE_PIECE: usize = 64 << 10;
/// What stands in the head of the part with the file.
const FILE: &[u8] = b"name=\"file\"";
const FILENAME: &[u8] = b"filename=\"";

/// The name of the file of a form, without folders; empty where it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileName(pub String);

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Looks for the file's part in what came so far; what was looked through is not looked through again.
#[derive(Default)]
struct Looking {
    head: BytesMut,
    /// Where the part's own line begins, once it was seen.
    line: Option<usize>,
    searched: usize,
}

impl Looking {
    /// The file's name, once its part's line is there whole.
    fn take(&mut self, bytes: &[u8]) -> Option<FileName> {
        self.head.extend_from_slice(bytes);
        if self.line.is_none() {
            let from = self.searched.saturating_sub(FILE.len());
            self.line = find(&self.head[from..], FILE).map(|at| from + at);
            self.searched = self.head.len();
        }
        let line = &self.head[self.line?..];
        let line = &line[..find(line, b"\r\n")?];
        let name = find(line, FILENAME).map(|at| &line[at + FILENAME.len()..]).unwrap_or_default();
        let name = &name[..name.iter().position(|byte| *byte == b'"').unwrap_or(name.len())];
        let name = String::from_utf8_lossy(name);
        Some(FileName(name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned()))
    }
}

/// Reads a form as far as its file's name, and puts what was read before the rest: fields in pieces that the library behind reads one
/// by one, the file in pieces that are worth being kept apart.
pub(crate) async fn looked_through(mut body: Inflow) -> (Option<FileName>, Body) {
    let (mut looking, mut name, mut broken) = (Looking::default(), None, None);
    while name.is_none() && broken.is_none() && looking.head.len() <= 2 * FORM_FIELDS_MAX {
        match body.frame().await {
            Some(Ok(frame)) => name = looking.take(frame.data_ref().map_or(&[][..], |bytes| bytes)),
            Some(Err(error)) => broken = Some(error),
            None => break,
        }
    }
    let mut head = looking.head.freeze();
    let mut first = Vec::new();
    while !head.is_empty() {
        first.push(Ok(head.split_to(head.len().min(FIELD_PIECE))));
    }
    first.extend(broken.map(Err));
    let rest = futures_util::stream::unfold(Some(body), |body| async {
        let (piece, body) = gathered(body?).await;
        (!matches!(&piece, Ok(bytes) if bytes.is_empty())).then_some((piece, body))
    });
    let all = futures_util::stream::iter(first).chain(rest).map(|part| part.map(Frame::data));
    (name, Body::http_body_unsync(http_body_util::StreamBody::new(all)))
}

/// The next piece of a body, of [`FILE_PIECE`] bytes or more where there are so many; the body, unless it ended.
async fn gathered(mut body: Inflow) -> (Result<Bytes, InflowError>, Option<Inflow>) {
    let mut piece = BytesMut::new();
    while piece.len() < FILE_PIECE {
        match body.frame().await {
            Some(Ok(frame)) => piece.extend_from_slice(frame.data_ref().map_or(&[][..], |bytes| bytes)),
            Some(Err(error)) => return (Err(error), None),
            None => return (Ok(piece.freeze()), None),
        }
    }
    (Ok(piece.freeze()), Some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_last_part_however_it_comes() {
        let of = |text: &str, step: usize| {
            let mut looking = Looking::default();
            text.as_bytes().chunks(step).find_map(|bytes| looking.take(bytes)).map(|name| name.0)
        };
        let head = |name: &str| format!("x\r\nContent-Disposition: form-data; name=\"file\"{name}\r\nmore");
        for step in [1, 7, 1_000] {
            assert_eq!(of(&head("; filename=\"b.txt\""), step), Some("b.txt".into()));
            assert_eq!(of(&head("; filename=\"C:\\x\\../b.txt\""), step), Some("b.txt".into()));
            assert_eq!(of(&head(""), step), Some(String::new()));
            assert_eq!(of("Content-Disposition: form-data; name=\"file\"; filename=\"b", step), None, "not whole yet");
            assert_eq!(of("name=\"key\"\r\n", step), None);
        }
    }
}
