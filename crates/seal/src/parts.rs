//! The list of an object's parts: runs under one key, one after another, that were uploaded each by itself
//! (`docs/design/security.md` §4.4). It stands in the manifest where it is short, otherwise as the content of a run of its own, number 0.
//!
//! Layout, 64 bytes a part, little-endian: number u32 (1 to 10,000, rising) · segments u32 · size u64 · nonce prefix 7 ·
//! reserved 9, zero · commitment 32. The rest of a part's header is that of the list's own.
//!
//! (A) Bytes that are no list are refused without a panic, whatever they are. (B) A list names no part twice and none out of
//! order.

use crate::{Header, SealError};

/// Bytes of a part in the list.
pub const PART_LEN: usize = 64;
/// Parts of one object.
pub const PARTS_MAX: usize = 10_000;
/// A list of at most so many parts stands in the manifest.
pub const PARTS_INLINE: usize = 64;

/// A part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Header of its run, which says its number.
    pub header: Header,
    /// Content bytes.
    pub size: u64,
    /// Segments it was cut into.
    pub segments: u32,
}

/// The list as bytes.
pub fn to_bytes(parts: &[Part]) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.len() * PART_LEN);
    for part in parts {
        let own = part.header.own();
        out.extend_from_slice(&part.header.run().to_le_bytes());
        out.extend_from_slice(&part.segments.to_le_bytes());
        out.extend_from_slice(&part.size.to_le_bytes());
        out.extend_from_slice(&own[..7]);
        out.extend_from_slice(&[0; 9]);
        out.extend_from_slice(&own[7..]);
    }
    out
}

/// Reads a list; `header` is its own.
///
/// # Errors
/// [`SealError::Header`].
pub fn parse(bytes: &[u8], header: &Header) -> Result<Vec<Part>, SealError> {
    if !bytes.len().is_multiple_of(PART_LEN) || bytes.is_empty() || bytes.len() > PARTS_MAX * PART_LEN {
        return Err(SealError::Header);
    }
    let (mut parts, mut before, mut size) = (Vec::with_capacity(bytes.len() / PART_LEN), 0, 0u64);
    for line in bytes.chunks_exact(PART_LEN) {
        let u32_at = |at: usize| u32::from_le_bytes(line[at..at + 4].try_into().expect("four bytes"));
        let mut own = [0; 39];
        own[..7].copy_from_slice(&line[16..23]);
        own[7..].copy_from_slice(&line[32..]);
        let (number, segments) = (u32_at(0), u32_at(4));
        let part = Part {
            header: header.sibling(number, &own),
            size: u64::from_le_bytes(line[8..16].try_into().expect("eight bytes")),
            segments,
        };
        size = size.checked_add(part.size).ok_or(SealError::Header)?;
        if number <= before || number as usize > PARTS_MAX || segments == 0 || line[23..32] != [0; 9] {
            return Err(SealError::Header);
        }
        before = number;
        parts.push(part);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountRoot, ContentKey, Role};
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    fn sample(count: u32) -> (Header, Vec<Part>) {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let bucket = AccountRoot::from_bytes([1; 32]).bucket_id("photos");
        let key = ContentKey::random(&mut rng);
        let header = Header::new(&key, Role::Content, &bucket, 0, &mut rng);
        let one = |number: u32| Part {
            header: Header::beside(&key, Role::Content, &bucket, (header.content_id(), number), &mut rng),
            size: u64::from(number) << 23,
            segments: number,
        };
        (header, (1..=count).map(one).collect())
    }

    #[test]
    fn a_list_reads_back_and_one_that_is_no_list_does_not() {
        let (header, parts) = sample(70);
        let bytes = to_bytes(&parts);
        assert_eq!(parse(&bytes, &header), Ok(parts));
        let swapped = [&bytes[PART_LEN..2 * PART_LEN], &bytes[..PART_LEN]].concat();
        let twice = [&bytes[..PART_LEN], &bytes[..PART_LEN]].concat();
        for bad in [&[][..], &bytes[..65], &swapped, &twice] {
            assert_eq!(parse(bad, &header), Err(SealError::Header), "(A), (B)");
        }
        for (at, value) in [(0, 0), (4, 0), (23, 1), (2, 9)] {
            let mut bad = bytes[..PART_LEN].to_vec();
            bad[at] = value;
            assert_eq!(parse(&bad, &header), Err(SealError::Header), "byte {at}");
        }
    }

    #[test]
    fn bytes_are_locked() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex(&to_bytes(&sample(2).1)), include_str!("../tests/golden/parts.txt").trim());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4 * PART_LEN), len in 0usize..4) {
            let header = sample(0).0;
            let _ = parse(&bytes, &header);
            let whole = len * PART_LEN;
            if bytes.len() >= whole {
                let _ = parse(&bytes[..whole], &header);
            }
        }
    }
}
