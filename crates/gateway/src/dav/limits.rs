//! Limits of WebDAV alone, each with its name; the others are the gateway's ([`crate::limits`]).

use std::time::Duration;

/// Body of a request that is XML, in bytes.
pub const XML_BYTES_MAX: usize = 1 << 20;
/// Body of a request for a lock, in bytes: its owner's words are kept as long as it is.
pub const LOCK_XML_BYTES_MAX: usize = 16 << 10;
/// Locks of one gateway.
pub const LOCKS_MAX: usize = 1_000;
/// Longest life of a lock; who needs it longer asks again.
pub const LOCK_WAIT: Duration = Duration::from_secs(3_600);
/// Life of a lock whose asker names none.
pub const LOCK_WAIT_USUAL: Duration = Duration::from_secs(600);
/// Wrong passwords of one key within [`FAILURES_SPAN`]; then nobody is let in with it until that is over.
pub const FAILURES_MAX: u32 = 20;
/// Over which wrong passwords are counted.
pub const FAILURES_SPAN: Duration = Duration::from_secs(60);
/// Id and password of a request, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 512;
/// Properties of tools' own of one object, as they stand in its manifest, in bytes.
pub const PROPERTIES_BYTES_MAX: usize = 3 << 10;
/// Versions whose properties are remembered.
pub const PROPERTIES_KEPT: usize = 10_000;
/// Levels of folders in a path.
pub const DEPTH_MAX: usize = 120;
/// Names that one request changes: a folder that is moved or copied with all that is in it.
pub const TREE_NAMES_MAX: usize = 100_000;
/// Names of one request whose properties are looked up at the same time.
pub const LOOKS_AT_ONCE: usize = 16;
/// When a client may ask again, in seconds.
pub const RETRY_S: &str = "10";
