//! Limits of a mount, each with its name.

use std::time::Duration;

/// Requests of the system that are done at the same time; the others wait in the kernel.
pub const REQUESTS_MAX: usize = 64;
/// Calls of `fsync` that wait for holders and take no turn of the others.
pub const SYNC_WAITS_MAX: usize = 1_024;
/// Tries to open a file that others open at the same moment.
pub const OPEN_TRIES: u32 = 3;
/// Files and folders open at the same time.
pub const HANDLES_MAX: usize = 1_024;
/// Bytes of one write of the system.
pub const WRITE_BYTES_MAX: u32 = 1 << 20;
/// Bytes that the system itself reads ahead.
pub const KERNEL_AHEAD_BYTES: u32 = 1 << 20;
/// Longest part of a path, in bytes.
pub const PART_BYTES_MAX: usize = 255;
/// Longest name in a bucket, in bytes, as `client` seals them; a folder's has a `/` behind it.
pub const NAME_BYTES_MAX: usize = 1_023;
/// Longest target of a symbolic link, in bytes.
pub const TARGET_BYTES_MAX: usize = 4_095;
/// Longest file, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 40;

/// So long the system may use what it was told of a name, and of a file.
pub const ENTRY_TTL: Duration = Duration::from_secs(1);
/// So long a folder's list is used before the center is asked again.
pub const LIST_TTL: Duration = Duration::from_secs(1);
/// Longest wait for the center to list a folder; then it is shown as this machine knows it.
pub const LIST_WAIT: Duration = Duration::from_secs(8);
/// After a center that did not answer, it is not asked again for so long.
pub const AWAY_REST: Duration = Duration::from_secs(5);
/// Lists of folders that are kept, and names in all of them.
pub const LISTS_KEPT: usize = 1_000;
/// Names in all lists that are kept.
pub const LIST_NAMES_KEPT: usize = 200_000;
/// Tries of a list during which this mount itself changes names.
pub const LIST_TRIES: u32 = 3;
/// Names of a folder that is given another name.
pub const TREE_NAMES_MAX: usize = 100_000;
/// Names that are given anew, or taken away, at the same time.
pub const CHANGES_AT_ONCE: usize = 8;
/// Times of folders that are remembered.
pub const TIMES_KEPT: usize = 10_000;

/// Bytes read at a time, and kept together.
pub const CHUNK_BYTES: u64 = 256 << 10;
/// Bytes of content that was read and is kept in memory.
pub const CACHE_BYTES_MAX: u64 = 128 << 20;
/// Pieces of content that are kept.
pub const CACHE_CHUNKS_MAX: usize = 8_192;
/// Most bytes that are read ahead of who reads in order.
pub const AHEAD_BYTES_MAX: u64 = 16 << 20;
/// Ranges that are read at the same time.
pub const FETCHES_MAX: usize = 16;
/// Longest wait for leave to read a file.
pub const FIND_WAIT: Duration = Duration::from_secs(15);
/// So long leave to read an open file is used.
pub const FOUND_KEPT: Duration = Duration::from_secs(600);
/// Versions whose sealed facts are remembered.
pub const SHOWN_KEPT: usize = 4_096;

/// Bytes of a block of the spool.
pub const BLOCK_BYTES: usize = 64 << 10;
/// Blocks of a file that are in memory before they are written down.
pub const PENDING_BLOCKS_MAX: usize = 8;
/// Most bytes of all files that wait to be uploaded.
pub const SPOOL_BYTES_MAX: u64 = 64 << 30;
/// Share of the free disk that the spool takes at most, as a divisor.
pub const SPOOL_FREE_SHARE: u64 = 2;
/// Files that wait to be uploaded.
pub const SPOOL_FILES_MAX: usize = 100_000;
/// Bytes that were overwritten in a spooled file before it is written anew without them.
pub const SPOOL_SLACK: u64 = 64 << 20;
/// Longest record of a spooled file.
pub const RECORD_BYTES_MAX: usize = 128 << 10;
/// Folders of a spool: mounts that run, and those that ended before all was safe.
pub const SPOOLS_MAX: usize = 64;

/// Longest wait for the system to let a folder go; files in it that are open are answered on.
pub const UNMOUNT_WAIT: Duration = Duration::from_secs(3);
/// Files that are uploaded at the same time.
pub const UPLOADS_MAX: usize = 4;
/// Between the last close of a file and its upload: who writes a file and names it at once is waited for.
pub const SETTLE: Duration = Duration::from_millis(500);
/// First pause after an upload that failed; each is twice the one before.
pub const RETRY_FIRST: Duration = Duration::from_secs(2);
/// Longest pause after an upload that failed.
pub const RETRY_MAX: Duration = Duration::from_secs(120);

/// Names and values of a file's own attributes together, in bytes.
pub const XATTR_BYTES_MAX: usize = 2 << 10;
