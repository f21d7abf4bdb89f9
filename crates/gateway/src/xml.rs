//! What is looked at before a body of XML is read by anything: it is UTF-8, whatever it says of itself, and has no declarations of
//! documents or entities, no sections that are passed over, no depth without end.

use crate::limits::XML_DEPTH_MAX;

/// Why XML is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum XmlFault {
    /// A document type, an entity, or another declaration.
    Declaration,
    /// More elements inside one another than [`XML_DEPTH_MAX`].
    Depth,
    /// A tag without an end, or an end without a tag.
    Broken,
    /// Bytes that a reader might take for other letters than are looked at here.
    Encoding,
}

/// Looks through a body; nothing is expanded, nothing is kept.
pub(crate) fn check(bytes: &[u8]) -> Result<(), XmlFault> {
    if std::str::from_utf8(bytes).is_err() || bytes.contains(&0) || is_of_another(bytes) {
        return Err(XmlFault::Encoding);
    }
    let (mut rest, mut depth) = (bytes, 0usize);
    while let Some(at) = rest.iter().position(|byte| *byte == b'<') {
        rest = &rest[at + 1..];
        let end = match rest {
            [b'!', b'-', b'-', ..] => find(&rest[3..], b"-->").map(|at| at + 6),
            [b'!', ..] => return Err(XmlFault::Declaration),
            [b'?', ..] => find(rest, b"?>").map(|at| at + 2),
            _ => tag_end(rest),
        };
        let end = end.ok_or(XmlFault::Broken)?;
        match (rest[0], rest[..end].ends_with(b"/>")) {
            (b'!' | b'?', _) | (_, true) => {}
            (b'/', _) => depth = depth.checked_sub(1).ok_or(XmlFault::Broken)?,
            _ => depth += 1,
        }
        if depth > XML_DEPTH_MAX {
            return Err(XmlFault::Depth);
        }
        rest = &rest[end..];
    }
    if depth == 0 { Ok(()) } else { Err(XmlFault::Broken) }
}

/// Whether the first instruction names another encoding.
fn is_of_another(bytes: &[u8]) -> bool {
    let head = find(bytes, b"?>").map_or(bytes, |end| &bytes[..end]).to_ascii_lowercase();
    find(&head, b"<?xml").is_some() && find(&head, b"encoding").is_some() && find(&head, b"utf-8").is_none()
}

/// One past the `>` of a tag; one inside a quoted value ends nothing.
fn tag_end(tag: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    None
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_xml_passes_and_what_could_grow_does_not() {
        let good = "<?xml version=\"1.0\"?><!-- a > b --><Delete xmlns='x>y'><Object><Key>a&lt;b</Key></Object><Quiet/></Delete>";
        assert_eq!(check(good.as_bytes()), Ok(()));
        assert_eq!(check(b""), Ok(()));
        for bad in ["<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "<x><![CDATA[<y>]]></x>", "<!ELEMENT x ANY>"] {
            assert_eq!(check(bad.as_bytes()), Err(XmlFault::Declaration), "{bad}");
        }
        let deep = |n: usize| "<a>".repeat(n) + &"</a>".repeat(n);
        assert_eq!(check(deep(XML_DEPTH_MAX).as_bytes()), Ok(()));
        assert_eq!(check(deep(10_000).as_bytes()), Err(XmlFault::Depth));
        // Read as UTF-16 the same bytes are other tags.
        let wide: Vec<u8> = "\u{feff}<a>\u{2f3c}\u{3e00}</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!((check(&wide), check(&wide[2..])), (Err(XmlFault::Encoding), Err(XmlFault::Encoding)));
        assert_eq!(check(b"<?xml version='1.0' encoding='UTF-16'?><a/>"), Err(XmlFault::Encoding));
        assert_eq!(check(b"<?xml version='1.0' encoding=\"utf-8\"?><a/>"), Ok(()));
        for bad in ["<a>", "</a>", "<a", "<!-- x", "<?xml"] {
            assert_eq!(check(bad.as_bytes()), Err(XmlFault::Broken), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = check(&bytes);
        }
    }
}
