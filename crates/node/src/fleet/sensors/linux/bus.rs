//! The system bus: time since the last input from logind, metered network from NetworkManager.
//!
//! (A) Asked on a thread of its own, at most once a look and one look at a time; every wait is bounded. (B) An answer
//! older than [`FRESH_FOR`] is none. (C) Where several people are signed in, the one who was here last counts; a session
//! that is not idle counts as input now; without a session of a person there is no signal. (D) Only properties are read:
//! no inhibitor is taken.

use model::Span;
use nix::time::{ClockId, clock_gettime};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};
use zbus::{Connection, Proxy};

/// Where the system bus listens.
const SOCKETS: [&str; 2] = ["/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket"];
/// Longest wait for one round of questions.
const ROUND_WAIT: Duration = Duration::from_millis(800);
/// Longest wait for the bus itself.
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// Between tries to reach a bus that does not answer.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// An answer older than this is none.
const FRESH_FOR: Duration = Duration::from_secs(3);
/// Sessions that are looked at.
const SESSIONS_MAX: usize = 32;

/// What the bus said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Heard {
    /// Since the last input of anybody signed in.
    pub(super) idle: Option<Span>,
    /// The way to the internet is metered.
    pub(super) metered: Option<bool>,
}

#[derive(Debug, Default)]
struct Shared {
    last: Mutex<Option<(Heard, Instant)>>,
    wake: Notify,
}

/// A thread that asks.
#[derive(Debug)]
pub(super) struct Bus(Arc<Shared>);

impl Bus {
    /// None where no bus listens.
    pub(super) fn of_this_machine() -> Option<Self> {
        if !SOCKETS.iter().any(|path| Path::new(path).exists()) {
            return None;
        }
        let shared = Arc::new(Shared::default());
        let weak = Arc::downgrade(&shared);
        let thread = std::thread::Builder::new().name("sensors-bus".to_owned()).spawn(move || ask_until_dropped(&weak));
        match thread {
            Ok(_) => Some(Self(shared)),
            Err(error) => {
                tracing::warn!(%error, "the system bus cannot be asked");
                None
            }
        }
    }

    /// What it said last, if that is fresh; asks again for the next look.
    pub(super) fn heard(&self) -> Heard {
        self.0.wake.notify_one();
        let last = *self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(_, at)| at.elapsed() < FRESH_FOR).map(|(heard, _)| heard).unwrap_or_default()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.0.wake.notify_one();
    }
}

fn ask_until_dropped(shared: &Weak<Shared>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(ask(shared)),
        Err(error) => tracing::warn!(%error, "the system bus cannot be asked"),
    }
}

/// One round for each wake; ends when nobody listens any more.
async fn ask(shared: &Weak<Shared>) {
    let mut bus: Option<Connection> = None;
    let mut retry_at: Option<Instant> = None;
    loop {
        let Some(listener) = shared.upgrade() else { return };
        // Waits with a limit: whoever drops the sensors also drops the last wake.
        let _ = timeout(FRESH_FOR, listener.wake.notified()).await;
        if Arc::strong_count(&listener) == 1 {
            return;
        }
        if bus.is_none() && retry_at.is_none_or(|at| at <= Instant::now()) {
            bus = timeout(CONNECT_WAIT, Connection::system()).await.ok().and_then(Result::ok);
            retry_at = Some(Instant::now() + RETRY_AFTER);
        }
        let Some(connection) = &bus else { continue };
        let round = timeout(ROUND_WAIT, round(connection)).await;
        match round {
            Ok(Ok(heard)) => {
                let mut last = listener.last.lock().unwrap_or_else(PoisonError::into_inner);
                *last = Some((heard, Instant::now()));
            }
            // A bus that fails as a whole is dialed again; single services may be missing.
            Ok(Err(_)) | Err(_) => bus = None,
        }
    }
}

/// Asks both services; an error only where the bus itself is gone.
async fn round(bus: &Connection) -> zbus::Result<Heard> {
    let idle = soft(idle(bus).await)?;
    let metered = soft(metered(bus).await)?;
    Ok(Heard { idle: idle.flatten(), metered: metered.flatten() })
}

/// A service that is missing or speaks otherwise is no signal; a broken connection is an error.
fn soft<T>(answer: zbus::Result<T>) -> zbus::Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error @ zbus::Error::InputOutput(_)) => Err(error),
        Err(_) => Ok(None),
    }
}

type Sessions = Vec<(String, u32, String, String, OwnedObjectPath)>;

/// (C) The smallest idle time of all people's sessions; none without one.
async fn idle(bus: &Connection) -> zbus::Result<Option<Span>> {
    let manager =
        Proxy::new(bus, "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager").await?;
    let sessions: Sessions = manager.call("ListSessions", &()).await?;
    let mut least: Option<Span> = None;
    for (_, _, _, _, path) in sessions.into_iter().take(SESSIONS_MAX) {
        let properties = Proxy::new(bus, "org.freedesktop.login1", path, "org.freedesktop.DBus.Properties").await?;
        let all: zbus::Result<HashMap<String, OwnedValue>> =
            properties.call("GetAll", &("org.freedesktop.login1.Session")).await;
        // A session that ended between both questions is gone.
        let Some(all) = soft(all)? else { continue };
        if let Some(idle) = session_idle(&all, monotonic_us()) {
            least = Some(least.map_or(idle, |least| least.min(idle)));
        }
    }
    Ok(least)
}

/// Idle time of one session; none when it is no person's. What it does not say counts as input now.
fn session_idle(session: &HashMap<String, OwnedValue>, now_us: u64) -> Option<Span> {
    let word = |key: &str| session.get(key).and_then(|value| <&str>::try_from(value).ok()).unwrap_or_default();
    if !matches!(word("Class"), "user" | "user-early" | "user-light" | "user-early-light") || word("State") == "closing"
    {
        return None;
    }
    let is_idle = session.get("IdleHint").and_then(|value| bool::try_from(value).ok()).unwrap_or(false);
    let since_us = session.get("IdleSinceHintMonotonic").and_then(|value| u64::try_from(value).ok());
    match since_us {
        Some(since_us) if is_idle => Some(Span::ms(now_us.saturating_sub(since_us) / 1_000)),
        _ => Some(Span::ZERO),
    }
}

/// The clock logind's monotonic stamps are of.
fn monotonic_us() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

/// NetworkManager's `Metered`: 1 yes, 2 no, 3 guessed yes, 4 guessed no, 0 unknown.
async fn metered(bus: &Connection) -> zbus::Result<Option<bool>> {
    let name = "org.freedesktop.NetworkManager";
    let manager = Proxy::new(bus, name, "/org/freedesktop/NetworkManager", "org.freedesktop.DBus.Properties").await?;
    let value: OwnedValue = manager.call("Get", &(name, "Metered")).await?;
    Ok(match u32::try_from(&value) {
        Ok(1 | 3) => Some(true),
        Ok(2 | 4) => Some(false),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
