//! Reading foreign bytes: every step checks its bound, every count its limit.

use crate::CodecError;

/// What is left of the bytes.
pub(crate) struct Reader<'a> {
    left: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Over bytes that should be a `what`.
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { left: bytes, what }
    }

    /// An error about these bytes.
    pub fn bad(&self) -> CodecError {
        CodecError::Format(self.what)
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        let (head, left) = self.left.split_at_checked(len).ok_or_else(|| self.bad())?;
        self.left = left;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (head, left) = self.left.split_first_chunk().ok_or_else(|| self.bad())?;
        self.left = left;
        Ok(*head)
    }

    pub fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(self.array::<1>()?[0])
    }
    pub fn u16(&mut self) -> Result<u16, CodecError> {
        Ok(u16::from_le_bytes(self.array()?))
    }
    pub fn u32(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// `count` hashes, at most `max`.
    pub fn hashes(&mut self, count: usize, max: usize) -> Result<Vec<[u8; 32]>, CodecError> {
        if count > max {
            return Err(self.bad());
        }
        (0..count).map(|_| self.array()).collect()
    }

    /// Nothing may be left.
    pub fn end(&self) -> Result<(), CodecError> {
        if self.left.is_empty() { Ok(()) } else { Err(self.bad()) }
    }
}
