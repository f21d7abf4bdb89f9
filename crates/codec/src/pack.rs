//! A pack: many small sealed objects in one segment, with a directory at its end (`docs/design/storage.md` §2).
//!
//! Bytes of a pack: sealed members, end to end ‖ the directory as `client` sealed it ‖ trailer 16. The directory, before it is
//! sealed: magic `PMPD` ‖ format 1 ‖ reserved 3 ‖ count u32 ‖ per member: offset u32 ‖ length u32 ‖ name length u16 ‖ name ‖
//! header 96 ‖ wrapped key 80. The trailer: magic `PMPT` ‖ format 1 ‖ reserved 3 ‖ offset u32 ‖ length u32 of the sealed
//! directory. Names, headers and keys are opaque here; the seal over the directory keeps them from everybody else.
//!
//! (A) What parses has members in order that neither overlap nor pass the end of the members' bytes. (B) Same members, same
//! bytes.

use crate::bytes::Reader;
use crate::{CodecError, Layout};
use std::ops::Range;

/// Most members of a pack: 64 MiB of objects of just more than 4 KiB.
pub const MEMBERS_MAX: usize = 16_384;
/// Longest name of a member.
pub const NAME_MAX: usize = 1_024;
/// Largest directory, before it is sealed.
pub const DIRECTORY_MAX: usize = 8 << 20;
/// Bytes of a run's header.
pub const HEADER_LEN: usize = 96;
/// Bytes of a wrapped key.
pub const WRAPPED_LEN: usize = 80;
/// Bytes of the trailer.
pub const TRAILER_LEN: usize = 16;

const DIRECTORY_MAGIC: &[u8; 8] = b"PMPD\x01\0\0\0";
const TRAILER_MAGIC: &[u8; 8] = b"PMPT\x01\0\0\0";
const HEAD_LEN: usize = 12;
const MEMBER_LEN: usize = 10 + HEADER_LEN + WRAPPED_LEN;

/// One object in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name as its owner gave it.
    pub name: Vec<u8>,
    /// First byte of its sealed run in the pack.
    pub offset: u32,
    /// Bytes of its sealed run.
    pub len: u32,
    /// Header of the run.
    pub header: [u8; HEADER_LEN],
    /// Wrapped content key.
    pub wrapped: [u8; WRAPPED_LEN],
}

impl Member {
    /// Where its sealed run lies in the pack.
    pub const fn range(&self) -> Range<u64> {
        self.offset as u64..self.offset as u64 + self.len as u64
    }
}

/// The members of a pack, in the order they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    members: Vec<Member>,
    directory_len: usize,
}

impl Default for Directory {
    fn default() -> Self {
        Self::new()
    }
}

impl Directory {
    /// Of a new pack.
    pub const fn new() -> Self {
        Self { members: Vec::new(), directory_len: HEAD_LEN }
    }

    /// The members.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Bytes of all members: where the sealed directory begins.
    pub fn members_len(&self) -> u32 {
        self.members.last().map_or(0, |last| last.offset + last.len)
    }

    /// Takes the next member, whose sealed run of `len` bytes follows those before; its offset.
    ///
    /// # Errors
    /// [`CodecError::PackFull`] when it belongs into the next pack; [`CodecError::Format`] for a name that is too long.
    pub fn add(
        &mut self,
        name: &[u8],
        len: u32,
        header: [u8; HEADER_LEN],
        wrapped: [u8; WRAPPED_LEN],
    ) -> Result<u32, CodecError> {
        if name.len() > NAME_MAX {
            return Err(CodecError::Format("name of a member"));
        }
        let offset = self.members_len();
        let directory_len = self.plain_len() + MEMBER_LEN + name.len();
        // The seal over the directory adds less than an eighth and 1 KiB.
        let pack_len = u64::from(offset) + u64::from(len) + (directory_len + directory_len / 8 + 1_024) as u64;
        if self.members.len() == MEMBERS_MAX || directory_len > DIRECTORY_MAX || pack_len > Layout::SEALED_MAX {
            return Err(CodecError::PackFull);
        }
        self.members.push(Member { name: name.to_vec(), offset, len, header, wrapped });
        self.directory_len = directory_len;
        Ok(offset)
    }

    /// Bytes of the plain directory as it stands.
    pub const fn plain_len(&self) -> usize {
        self.directory_len
    }

    /// The directory, to be sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.plain_len());
        out.extend_from_slice(DIRECTORY_MAGIC);
        out.extend_from_slice(&u32::try_from(self.members.len()).expect("few members").to_le_bytes());
        for member in &self.members {
            out.extend_from_slice(&member.offset.to_le_bytes());
            out.extend_from_slice(&member.len.to_le_bytes());
            out.extend_from_slice(&u16::try_from(member.name.len()).expect("checked in add").to_le_bytes());
            out.extend_from_slice(&member.name);
            out.extend_from_slice(&member.header);
            out.extend_from_slice(&member.wrapped);
        }
        out
    }

    /// Reads an opened directory of a pack whose sealed directory begins at `members_len` ([`Trailer::offset`]).
    ///
    /// # Errors
    /// [`CodecError::Format`].
    pub fn parse(bytes: &[u8], members_len: u32) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, "directory of a pack");
        if bytes.len() > DIRECTORY_MAX || reader.array()? != *DIRECTORY_MAGIC {
            return Err(reader.bad());
        }
        let count = reader.u32()? as usize;
        if count > MEMBERS_MAX || count > bytes.len() / MEMBER_LEN {
            return Err(reader.bad());
        }
        let mut members = Vec::with_capacity(count);
        let mut end = 0;
        for _ in 0..count {
            let member = Self::member(&mut reader)?;
            if u64::from(member.offset) < end {
                return Err(reader.bad());
            }
            end = member.range().end;
            members.push(member);
        }
        reader.end()?;
        if end > u64::from(members_len) {
            return Err(reader.bad());
        }
        Ok(Self { members, directory_len: bytes.len() })
    }

    fn member(reader: &mut Reader<'_>) -> Result<Member, CodecError> {
        let (offset, len, name_len) = (reader.u32()?, reader.u32()?, usize::from(reader.u16()?));
        if name_len > NAME_MAX {
            return Err(reader.bad());
        }
        let name = reader.take(name_len)?.to_vec();
        Ok(Member { name, offset, len, header: reader.array()?, wrapped: reader.array()? })
    }
}

/// The end of a pack: where its sealed directory lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// First byte of the sealed directory; the members end here.
    pub offset: u32,
    /// Its bytes.
    pub len: u32,
}

impl Trailer {
    /// Its bytes, the last of the pack.
    pub fn to_bytes(self) -> [u8; TRAILER_LEN] {
        let mut out = [0; TRAILER_LEN];
        out[..8].copy_from_slice(TRAILER_MAGIC);
        out[8..12].copy_from_slice(&self.offset.to_le_bytes());
        out[12..].copy_from_slice(&self.len.to_le_bytes());
        out
    }

    /// Reads the last [`TRAILER_LEN`] bytes of a pack of `pack_len` bytes.
    ///
    /// # Errors
    /// [`CodecError::Format`]: this segment is no pack, or what it says does not fit its length.
    pub fn parse(bytes: &[u8], pack_len: u64) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, "trailer of a pack");
        let magic: [u8; 8] = reader.array()?;
        let trailer = Self { offset: reader.u32()?, len: reader.u32()? };
        reader.end()?;
        let whole = u64::from(trailer.offset) + u64::from(trailer.len) + TRAILER_LEN as u64;
        if magic == *TRAILER_MAGIC && whole == pack_len { Ok(trailer) } else { Err(reader.bad()) }
    }

    /// Where the sealed directory lies in the pack.
    pub const fn range(self) -> Range<u64> {
        self.offset as u64..self.offset as u64 + self.len as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn directory() -> Directory {
        let mut directory = Directory::new();
        directory.add(b"a/b.txt", 5_000, [1; HEADER_LEN], [2; WRAPPED_LEN]).unwrap();
        directory.add("图片/猫.jpg".as_bytes(), 70_000, [3; HEADER_LEN], [4; WRAPPED_LEN]).unwrap();
        directory.add(b"", 0, [5; HEADER_LEN], [6; WRAPPED_LEN]).unwrap();
        directory
    }

    #[test]
    fn what_was_packed_is_found_again() {
        let directory = directory();
        let bytes = directory.to_bytes();
        assert_eq!((bytes.len(), directory.members_len()), (directory.plain_len(), 75_000));
        assert_eq!(Directory::parse(&bytes, 75_000), Ok(directory));
        let trailer = Trailer { offset: 75_000, len: 700 };
        assert_eq!(Trailer::parse(&trailer.to_bytes(), 75_716), Ok(trailer));
        assert_eq!(Directory::parse(&Directory::new().to_bytes(), 0), Ok(Directory::new()));
    }

    #[test]
    fn the_bytes_of_a_directory_are_locked() {
        let mut bytes = directory().to_bytes();
        bytes.extend(Trailer { offset: 75_000, len: 700 }.to_bytes());
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, include_str!("../tests/golden/pack_directory.hex").trim());
    }

    #[test]
    fn a_directory_that_lies_is_refused() {
        let good = directory().to_bytes();
        assert!(Directory::parse(&good, 74_999).is_err(), "a member beyond the end");
        for cut in 0..good.len() {
            assert!(Directory::parse(&good[..cut], 75_000).is_err(), "{cut}");
        }
        let change = |at: usize, to: &[u8]| {
            let mut bad = good.clone();
            bad[at..at + to.len()].copy_from_slice(to);
            Directory::parse(&bad, 75_000)
        };
        assert!(change(4, &[2]).is_err(), "another format");
        assert!(change(5, &[1]).is_err(), "a reserved byte");
        assert!(change(8, &u32::MAX.to_le_bytes()).is_err(), "more members than bytes");
        assert!(change(16, &5_001u32.to_le_bytes()).is_err(), "members that overlap");
        assert!(change(20, &u16::MAX.to_le_bytes()).is_err(), "a name that is too long");
        assert!(Trailer::parse(&Trailer { offset: u32::MAX, len: u32::MAX }.to_bytes(), 75_716).is_err());
    }

    #[test]
    fn a_pack_is_full_at_its_limits() {
        let mut directory = Directory::new();
        let add = |d: &mut Directory, name: &[u8], len| d.add(name, len, [0; HEADER_LEN], [0; WRAPPED_LEN]);
        assert_eq!(add(&mut directory, &[0; NAME_MAX + 1], 1), Err(CodecError::Format("name of a member")));
        assert_eq!(add(&mut directory, b"x", 64 << 20), Err(CodecError::PackFull));
        for _ in 0..15 {
            add(&mut directory, b"x", 4 << 20).unwrap();
        }
        assert_eq!(add(&mut directory, b"x", 4 << 20), Err(CodecError::PackFull));
        let mut directory = Directory::new();
        let added = (0..).take_while(|_| add(&mut directory, &[7; NAME_MAX], 1).is_ok()).count();
        assert_eq!(added, (DIRECTORY_MAX - HEAD_LEN) / (MEMBER_LEN + NAME_MAX));
        assert!(Directory::parse(&directory.to_bytes(), directory.members_len()).is_ok());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), len: u32) {
            let _ = Directory::parse(&bytes, len);
            let _ = Trailer::parse(&bytes, u64::from(len));
            let with_magic = [DIRECTORY_MAGIC.as_slice(), &bytes].concat();
            if let Ok(directory) = Directory::parse(&with_magic, len) {
                prop_assert_eq!(directory.to_bytes(), with_magic);
            }
        }

        #[test]
        fn a_changed_directory_never_panics(at in 0usize..600, to: u8) {
            let mut bytes = directory().to_bytes();
            let at = at % bytes.len();
            bytes[at] = to;
            if let Ok(read) = Directory::parse(&bytes, 75_000) {
                prop_assert!(read.members_len() <= 75_000);
            }
        }
    }
}
