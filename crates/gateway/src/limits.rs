//! Limits of the gateway, each with its name (`docs/design/security.md` §9, M28 to M31).

use model::Span;
use std::time::Duration;

/// Connections open at the same time; who comes then waits to be accepted.
pub const CONNECTIONS_MAX: usize = 256;
/// Requests that are done at the same time; who comes then is told to slow down.
pub const REQUESTS_MAX: usize = 128;
/// Headers of a request.
pub const HEADERS_MAX: usize = 100;
/// Names and values of all headers together, in bytes.
pub const HEADER_BYTES_MAX: usize = 16 << 10;
/// Path and query, in bytes.
pub const TARGET_BYTES_MAX: usize = 8 << 10;
/// Buffer of a connection, in bytes; a header that does not fit is refused.
pub const BUFFER_BYTES: usize = 256 << 10;
/// Longest wait for the header of a request, a connection's next one included.
pub const HEADER_WAIT: Duration = Duration::from_secs(30);
/// Longest wait for a next byte of a body.
pub const BODY_STALL: Duration = Duration::from_secs(30);
/// What comes of a body, at least, in bytes a second of the time that it is waited for.
pub const BODY_RATE_MIN: u64 = 1 << 10;
/// Longest wait until a client takes a next byte of an answer.
pub const ANSWER_STALL: Duration = Duration::from_secs(60);
/// A tool that takes nothing of an answer for so long, like a player that is paused, gets no more of it.
pub const ANSWER_PAUSE: Duration = Duration::from_secs(600);
/// How long requests under way have when the gateway ends.
pub const END_WAIT: Duration = Duration::from_secs(3);

/// Body of a request that is XML, in bytes: 10,000 parts with their checksums, or 1,000 of the longest names, have room.
pub const XML_BYTES_MAX: usize = 4 << 20;
/// Such bodies of all requests at the same time, in bytes, as they are announced: who asks may yet be nobody. Who comes then waits.
pub const XML_BYTES_HELD: usize = 64 << 20;
/// Elements inside one another.
pub const XML_DEPTH_MAX: usize = 32;
/// Keys of one request to delete.
pub const DELETE_KEYS_MAX: usize = 1_000;
/// Of these, so many are removed at the same time.
pub const DELETES_AT_ONCE: usize = 16;
/// Lines of one page of a list.
pub const LIST_KEYS_MAX: i32 = 1_000;

/// Content of one request that stores, in bytes.
pub const PUT_BYTES_MAX: u64 = 5 << 30;
/// The same with what frames it.
pub const RAW_BYTES_MAX: u64 = PUT_BYTES_MAX + PUT_BYTES_MAX / 16;
/// A chunk of a body, which is held until its signature is judged, in bytes.
pub const CHUNK_BYTES_MAX: u64 = 64 << 20;
/// Content of a part that is not the last, at least, in bytes.
pub const PART_BYTES_MIN: u64 = 5 << 20;
/// Highest number of a part.
pub const PART_NUMBER_MAX: i32 = 10_000;
/// Times an upload's parts are judged when they change while it is completed.
pub const COMPLETE_TRIES_MAX: usize = 3;
/// A member's own pairs of one object: names and values together, in bytes.
pub const METADATA_BYTES_MAX: usize = 2 << 10;
/// Tags of one object, and characters of a tag's key and value.
pub const TAGS_MAX: usize = 10;
/// Characters of a tag's key.
pub const TAG_KEY_MAX: usize = 128;
/// Characters of a tag's value.
pub const TAG_VALUE_MAX: usize = 256;

/// Rules of a bucket that say which pages may ask.
pub const CORS_RULES_MAX: usize = 100;
/// Rules of a bucket that say what goes after its time.
pub const LIFECYCLE_RULES_MAX: usize = 1_000;
/// Characters of a text in a rule.
pub const SETTING_TEXT_MAX: usize = 255;
/// Tags of a bucket.
pub const BUCKET_TAGS_MAX: usize = 50;
/// How often a bucket's rules are gone through, and how soon after a change of them.
pub const LIFECYCLE_EVERY: Duration = Duration::from_secs(3_600);
/// Names that are looked at before the list is asked for more.
pub const LIFECYCLE_PAGE: usize = 1_000;
/// Objects of a bucket that one pass over its rules removes; the next goes on.
pub const LIFECYCLE_STEP_MAX: usize = 10_000;
/// Content of a browser's form, which is held whole, in bytes.
pub const FORM_BYTES_MAX: u64 = 64 << 20;
/// Fields of a form together, in bytes.
pub const FORM_FIELDS_MAX: usize = 64 << 10;
/// Fields of a form.
pub const FORM_PARTS_MAX: usize = 100;
/// Forms that are read at the same time.
pub const FORMS_MAX: usize = 4;

/// How far a client's clock may be off.
pub const SKEW_MAX: Span = Span::mins(15);
/// Longest life of a signed address, in seconds.
pub const PRESIGN_MAX_S: u64 = 7 * 24 * 3_600;

/// Keys of one home.
pub const KEYS_MAX: usize = 1_000;
/// Open buckets that are remembered.
pub const BUCKETS_KEPT: usize = 256;
/// Open uploads whose keys are remembered.
pub const UPLOADS_KEPT: usize = 256;
/// Buckets whose history is remembered between two pages of their versions, and for how long.
pub const HISTORIES_KEPT: usize = 4;
/// How long a history is remembered.
pub const HISTORY_LIFE: Duration = Duration::from_secs(600);
/// How long a form may take in all.
pub const FORM_WAIT: Duration = Duration::from_secs(600);
/// Pieces of a body on their way between two tasks.
pub const CHUNKS_QUEUED: usize = 16;
/// Pieces of an object's content on their way to who codes it: a segment's, so that while one is coded the next one comes in.
pub const CONTENT_QUEUED: usize = 32;
/// Of all objects at the same time, in bytes.
pub const CONTENT_BYTES_HELD: usize = 256 << 20;
