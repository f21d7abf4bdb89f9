//! Codes with which links and streams end.

/// In order; also when the whole endpoint closes.
pub const DONE: u32 = 0;
/// A frame was longer than its reader allows.
pub const TOO_LONG: u32 = 1;
/// The peer has too many links, or this machine has.
pub const BUSY: u32 = 2;
