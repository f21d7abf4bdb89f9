//! Transport: endpoint, relay, calls, streams, rate limits. The only room that knows iroh.
//!
//! One [`Endpoint`] per process: an Ed25519 key is the machine's identity, the handshake proves it, and everything dials
//! out. A [`Link`] is a live connection to one peer, direct where hole punching works, else through our own [`Relay`].
//! On a link there are *calls* (a frame out, a frame back) and *streams* (frames and bulk bytes both ways).
//!
//! (A) No host is ever contacted that the caller did not name: no foreign relay, no lookup service, no probe elsewhere, no
//! public name server behind the system's own. Named are relays, addresses learned, and with port mapping the router.
//! (B) A relay is trusted only under the key its certificate must carry. (C) Every frame, wait, queue and number of
//! streams and links has a limit with a name. (D) A peer that vanished without a word is noticed within
//! [`IDLE_TIMEOUT`] + [`KEEP_ALIVE`] (9.5 s). (E) A link whose direct way was cut goes on over the relay, as the same
//! link, within seven tenths of [`IDLE_TIMEOUT`] + 2 × [`KEEP_ALIVE`] (9.9 s).

mod accept;
mod address;
pub mod code;
mod dial;
mod endpoint;
mod error;
mod limit;
mod link;
mod pin;
mod quic;
mod redial;
mod relay;
mod relayed;
mod stream;

pub use address::LEARNED_MAX;
pub use dial::{DIALED_MAX, REUSE_IDLE};
pub use endpoint::{Endpoint, EndpointConfig, Reach, SecretKey, Tap, tap_all};
pub use error::{CloseReason, NetError};
pub use limit::{FrameLimits, LINKS_MAX, LINKS_PER_PEER_MAX, PeerLimits};
pub use link::{CallLimits, Link, LinkStats};
pub use quic::{Congestion, IDLE_TIMEOUT, KEEP_ALIVE, QuicSettings};
pub use redial::{BACKOFF_BASE, BACKOFF_CAP, Redial, RedialEvent};
pub use relay::{Admit, Relay, RelayServerConfig};
pub use relayed::RELAYED_PEERS_MAX;
pub use stream::{SILENCE_MAX, Stream, StreamReader, StreamWriter};
