//! Foreign protocols over `client`, on the member's own machine: S3, WebDAV, and on Linux a folder.
//!
//! A tool signs what it asks with a key that lives on this machine only ([`keys`]). A request passes the wall ([`wall`]) before
//! anything of it is read, its signature is checked, its key's scope is held against it, and the face ([`s3`]) does it over
//! `client`: sealed here, before a byte leaves. Nothing of the gateway is at the center.
//! WebDAV ([`dav`]) stands beside it, over the same keys. A folder (`mount`) needs none: who mounts it is who runs the program.
//!
//! (A) Nothing is answered without a signature, on loopback neither. (B) What is not done is refused in S3's words, never passed
//! over. (C) Content that is not what was announced is not stored. (D) Each error carries the id of our registry. (E) Every body,
//! header, depth, count, connection and wait has a limit with a name ([`limits`]).

mod buckets;
pub mod dav;
mod form;
mod inflow;
pub mod keys;
pub mod limits;
mod listen;
#[cfg(target_os = "linux")]
pub mod mount;
mod page;
pub mod s3;
pub mod serve;
pub mod sign;
pub mod tool;
pub mod wall;
mod xml;

pub use dav::DavGateway;
pub use keys::{KeyError, KeyStore, Scope, ToolKey};
#[cfg(target_os = "linux")]
pub use mount::{Mount, MountAsk, MountError};
pub use serve::{Gateway, ListenError, ServeAsk};
