//! Settings of the transport below: windows, timers, congestion control.

use crate::limit::PeerLimits;
use iroh::endpoint::{QuicTransportConfig, VarInt};
use noq_proto::congestion::{Bbr3Config, ControllerFactory, CubicConfig, NewRenoConfig};
use std::sync::Arc;
use std::time::Duration;

/// A peer that says nothing for so long is gone. A killed peer may have spoken just before our last sign of life, so it is
/// noticed within this and [`KEEP_ALIVE`].
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(7);
/// A quiet link says this often that it lives.
pub const KEEP_ALIVE: Duration = Duration::from_millis(2_500);
/// The transport keeps each way of a link alive at least this often; a longer keep-alive saves no battery.
const PATH_KEEP_ALIVE_MAX: Duration = Duration::from_secs(5);
/// Tenths of the idle timeout after which one way of a link is given up. It must be clearly earlier than the link itself:
/// both count from the same last packet, and a link that is given up first never gets to use its other way.
const PATH_IDLE_TENTHS: u32 = 7;
/// The transport gives a way of a link up after this at the latest.
const PATH_IDLE_MAX: Duration = Duration::from_secs(15);
/// Receive window of a stream: more lets one lossy stream end its whole connection (reassembly limit of the transport).
const STREAM_WINDOW: u32 = 2 << 20;
/// Receive window of a connection.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Bytes of a connection that were given to the transport and not yet acknowledged: more is memory, times all holders of a
/// segment; less bounds the rate over long ways (2 MiB at 100 ms: 20 MB/s to one holder).
const SEND_WINDOW: u64 = 2 << 20;

/// Who decides how fast to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Congestion {
    /// RFC 9438; the default.
    #[default]
    Cubic,
    /// RFC 9002.
    NewReno,
    /// Models bandwidth and round trip; steadier on lossy radio links.
    Bbr,
}

/// Timers and congestion control of an endpoint's links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuicSettings {
    /// Silence after which a peer is gone; the shorter of both sides rules.
    pub idle_timeout: Duration,
    /// How often a quiet link says that it lives.
    pub keep_alive: Duration,
    /// Congestion control.
    pub congestion: Congestion,
}

impl Default for QuicSettings {
    fn default() -> Self {
        Self { idle_timeout: IDLE_TIMEOUT, keep_alive: KEEP_ALIVE, congestion: Congestion::default() }
    }
}

/// The transport's own form of the settings; the error says what does not fit.
pub(crate) fn transport(settings: QuicSettings, limits: PeerLimits) -> Result<QuicTransportConfig, String> {
    let idle = settings.idle_timeout.try_into().map_err(|_| "the idle timeout is too long".to_owned())?;
    Ok(QuicTransportConfig::builder()
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(settings.keep_alive)
        .default_path_max_idle_timeout(path_idle(settings.idle_timeout))
        .default_path_keep_alive_interval(settings.keep_alive.min(PATH_KEEP_ALIVE_MAX))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(SEND_WINDOW)
        .max_concurrent_bidi_streams(VarInt::from_u32(limits.streams))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .congestion_controller_factory(controller(settings.congestion))
        .build())
}

/// Silence after which one way of a link is given up.
fn path_idle(idle_timeout: Duration) -> Duration {
    (idle_timeout * PATH_IDLE_TENTHS / 10).min(PATH_IDLE_MAX)
}

fn controller(congestion: Congestion) -> Arc<dyn ControllerFactory + Send + Sync> {
    match congestion {
        Congestion::Cubic => Arc::new(CubicConfig::default()),
        Congestion::NewReno => Arc::new(NewRenoConfig::default()),
        Congestion::Bbr => Arc::new(Bbr3Config::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_given_up_before_its_link_and_after_a_sign_of_life_was_missed() {
        let slack = IDLE_TIMEOUT - path_idle(IDLE_TIMEOUT);
        assert!(slack >= Duration::from_secs(2), "{slack:?} to get through another way");
        assert!(path_idle(IDLE_TIMEOUT) > KEEP_ALIVE + Duration::from_secs(2));
        assert!(path_idle(IDLE_TIMEOUT) + 2 * KEEP_ALIVE <= Duration::from_secs(10));
        assert!(IDLE_TIMEOUT + KEEP_ALIVE <= Duration::from_secs(10));
        assert_eq!(path_idle(Duration::from_secs(60)), PATH_IDLE_MAX);
    }
}
