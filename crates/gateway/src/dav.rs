//! WebDAV, class 1 and 2, for the file managers of every system: the member's buckets as folders, and in them names with `/` as
//! folders within folders.
//!
//! A request passes the wall (`wall`), says a tool's key as its password (`door`), and is done over a `tree` of folders that
//! stands on `client`. What is read is answered here (`find`, `read`); what changes something goes through a library that
//! knows the protocol's conditions and locks, over the same tree (`files`).
//!
//! (A) Nothing is answered without a password, on loopback neither. (B) What cannot be listed is an error, never an empty folder.
//! (C) An upload that does not end leaves nothing. (D) A folder that is empty is an empty object whose name ends with `/`, as S3's
//! tools have it. (E) What is removed can be brought back; a bucket goes only when it is empty. (F) Every body, header, depth, count
//! and wait has a limit with a name ([`limits`]).
//!
//! Not shown: names that are no path (`a//b`, `..`), what jobs keep for themselves, and an object that has the name of a folder.

mod answer;
mod door;
mod error;
mod files;
mod find;
pub mod limits;
mod listen;
mod locks;
pub(crate) mod place;
mod properties;
mod read;
mod tree;
mod visit;
mod wall;
mod write;

pub use door::password;
pub use listen::DavGateway;
