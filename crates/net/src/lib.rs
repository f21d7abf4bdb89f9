//! Transport: endpoint, relay, calls, streams, rate limits. The only room that knows iroh.
//!
//! One [`Endpoint`] per process: an Ed25519 key is the machine's identity, the handshake proves it, and everything dials
//! out. A [`Link`] is a live connection to one peer, direct where hole punching works, else through our own [`Relay`].
//! On a link there are *calls* (a frame out, a frame back) and *streams* (frames and bulk bytes both ways).
//!
//! (A) No host is ever contacted that the caller did not name: no foreign relay, no DNS service, no probe elsewhere.
//! (B) A relay is trusted only under the key its certificate must carry. (C) Every frame, wait, queue and number of
//! streams has a limit with a name. (D) A peer that vanished without a word is noticed within [`IDLE_TIMEOUT`].

mod endpoint;
mod error;
mod limit;
mod link;
mod pin;
mod redial;
mod relay;

pub use endpoint::{Endpoint, EndpointConfig, IDLE_TIMEOUT, KEEP_ALIVE, LEARNED_MAX, Reach, SecretKey, Tap};
pub use error::NetError;
pub use limit::PeerLimits;
pub use link::{CallLimits, Link, Stream, StreamReader, StreamWriter};
pub use redial::{Redial, RedialEvent};
pub use relay::{Admit, Relay, RelayServerConfig};
