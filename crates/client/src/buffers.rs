//! Long buffers that are used again: pieces and segments on their way are megabytes each, made by one thread and let go of by
//! another. Given back to the system's allocator, they would leave holes in the heap of each thread that made one.
//!
//! (A) No more than [`KEPT_MAX`] bytes wait here. (B) A buffer is empty when it is taken. (C) Short ones are not kept.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of buffers that wait to be used.
pub const KEPT_MAX: usize = 48 << 20;
/// Shorter ones are left to the allocator.
const LONG: usize = 256 << 10;

/// Buffers that wait; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer that goes back when it is dropped.
#[derive(Default)]
pub(crate) struct Lent {
    bytes: Vec<u8>,
    home: Option<Buffers>,
}

impl Buffers {
    /// An empty buffer for `len` bytes.
    pub fn take(&self, len: usize) -> Lent {
        if len < LONG {
            return Lent { bytes: Vec::with_capacity(len), home: None };
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Not one that is much too long: it is worth more to whoever needs it.
        let fits = |bytes: &Vec<u8>| (len..=len.saturating_mul(2)).contains(&bytes.capacity());
        let found = kept.iter().position(fits).map(|at| kept.swap_remove(at));
        drop(kept);
        Lent { bytes: found.unwrap_or_else(|| Vec::with_capacity(len)), home: Some(self.clone()) }
    }

    fn give(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = kept.iter().map(Vec::capacity).sum();
        if bytes.capacity() >= LONG && all + bytes.capacity() <= KEPT_MAX {
            kept.push(bytes);
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home.give(std::mem::take(&mut self.bytes));
        }
    }
}

impl Deref for Lent {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(buffers: &Buffers) -> Vec<usize> {
        buffers.0.lock().unwrap().iter().map(Vec::capacity).collect()
    }

    #[test]
    fn a_long_buffer_is_used_again_and_what_waits_is_bounded() {
        let buffers = Buffers::default();
        let mut first = buffers.take(1 << 20);
        first.extend_from_slice(&[7; 100]);
        let at = first.as_ptr();
        drop(first);
        let again = buffers.take(900 << 10);
        assert_eq!((again.as_ptr(), again.len()), (at, 0), "(B) the same, and empty");
        assert!(buffers.take(300 << 10).capacity() < 1 << 20, "nothing waits");
        drop(again);
        assert_eq!(kept(&buffers).len(), 2);
        drop(buffers.take(4_000));
        assert_eq!(kept(&buffers).len(), 2, "(C)");
        let many: Vec<Lent> = (0..100).map(|_| buffers.take(1 << 20)).collect();
        drop(many);
        assert!(kept(&buffers).iter().sum::<usize>() <= KEPT_MAX, "(A)");
    }
}
