//! The name of the file in a browser's form, which may become a part of its object's name: the library behind does not hand it on, so
//! the head of the form is looked through on its way.

use crate::inflow::Inflow;
use crate::limits::FORM_FIELDS_MAX;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use hyper::body::Frame;
use s3s::Body;

/// What stands in the head of the part with the file.
const FILE: &[u8] = b"name=\"file\"";
const FILENAME: &[u8] = b"filename=\"";

/// The name of the file of a form, without folders; empty where it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileName(pub String);

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The file's name, once its part's head is there whole.
fn name_in(head: &[u8]) -> Option<FileName> {
    let line = &head[find(head, FILE)?..];
    let line = &line[..find(line, b"\r\n")?];
    let name = find(line, FILENAME).map(|at| &line[at + FILENAME.len()..]).unwrap_or_default();
    let name = &name[..name.iter().position(|byte| *byte == b'"').unwrap_or(name.len())];
    let name = String::from_utf8_lossy(name);
    Some(FileName(name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned()))
}

/// Reads a form as far as its file's name, and puts what was read before the rest.
pub(crate) async fn looked_through(mut body: Inflow) -> (Option<FileName>, Body) {
    let (mut head, mut name, mut broken) = (BytesMut::new(), None, None);
    while name.is_none() && head.len() <= 2 * FORM_FIELDS_MAX {
        match body.frame().await {
            Some(Ok(frame)) => head.extend_from_slice(frame.data_ref().map_or(&[][..], |bytes| bytes)),
            Some(Err(error)) => broken = Some(error),
            None => break,
        }
        if broken.is_some() {
            break;
        }
        name = name_in(&head);
    }
    let first = futures_util::stream::iter([Some(Ok(head.freeze())), broken.map(Err)].into_iter().flatten());
    let rest = futures_util::stream::unfold(body, |mut body| async {
        let frame = body.frame().await?;
        Some((frame.map(|frame| frame.into_data().unwrap_or_else(|_| Bytes::new())), body))
    });
    let all = first.chain(rest).map(|part| part.map(Frame::data));
    (name, Body::http_body_unsync(http_body_util::StreamBody::new(all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_last_part() {
        let of = |text: &str| name_in(text.as_bytes()).map(|name| name.0);
        let head = |name: &str| format!("x\r\nContent-Disposition: form-data; name=\"file\"{name}\r\n");
        assert_eq!(of(&head("; filename=\"b.txt\"")), Some("b.txt".into()));
        assert_eq!(of(&head("; filename=\"C:\\x\\../b.txt\"")), Some("b.txt".into()));
        assert_eq!(of(&head("")), Some(String::new()));
        assert_eq!(of("Content-Disposition: form-data; name=\"file\"; filename=\"b"), None, "not whole yet");
        assert_eq!(of("name=\"key\"\r\n"), None);
    }
}
