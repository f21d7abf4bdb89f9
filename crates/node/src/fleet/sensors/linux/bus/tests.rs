//! Against services that speak logind's and NetworkManager's words over a private connection, without a bus.

use super::*;
use std::os::unix::net::UnixStream as StdStream;
use tokio::net::UnixStream;
use zbus::connection::Builder;
use zbus::{Guid, interface};

struct Manager(Vec<&'static str>);

#[interface(name = "org.freedesktop.login1.Manager")]
impl Manager {
    #[zbus(name = "ListSessions")]
    fn list_sessions(&self) -> Sessions {
        let path = |id: &str| OwnedObjectPath::try_from(format!("/org/freedesktop/login1/session/{id}")).unwrap();
        self.0.iter().map(|id| ((*id).to_owned(), 1_000, "li".to_owned(), "seat0".to_owned(), path(id))).collect()
    }
}

struct Session {
    class: &'static str,
    idle: bool,
    since_us: u64,
}

#[interface(name = "org.freedesktop.login1.Session")]
impl Session {
    #[zbus(property)]
    fn class(&self) -> &str {
        self.class
    }
    #[zbus(property)]
    fn state(&self) -> &str {
        "active"
    }
    #[zbus(property)]
    fn idle_hint(&self) -> bool {
        self.idle
    }
    #[zbus(property)]
    fn idle_since_hint_monotonic(&self) -> u64 {
        self.since_us
    }
}

struct Network(u32);

#[interface(name = "org.freedesktop.NetworkManager")]
impl Network {
    #[zbus(property)]
    fn metered(&self) -> u32 {
        self.0
    }
}

/// Asks one round of a bus with these sessions, and NetworkManager where it is given.
async fn heard(sessions: Vec<(&'static str, Session)>, network: Option<Network>) -> Heard {
    let (ours, theirs) = StdStream::pair().unwrap();
    let stream = |stream: StdStream| {
        stream.set_nonblocking(true).unwrap();
        UnixStream::from_std(stream).unwrap()
    };
    let ids = sessions.iter().map(|(id, _)| *id).collect();
    let mut server = Builder::unix_stream(stream(theirs)).server(Guid::generate()).unwrap().p2p();
    server = server.serve_at("/org/freedesktop/login1", Manager(ids)).unwrap();
    for (id, session) in sessions {
        server = server.serve_at(format!("/org/freedesktop/login1/session/{id}"), session).unwrap();
    }
    if let Some(network) = network {
        server = server.serve_at("/org/freedesktop/NetworkManager", network).unwrap();
    }
    let client = Builder::unix_stream(stream(ours)).p2p();
    let (_server, client) = tokio::try_join!(server.build(), client.build()).unwrap();
    timeout(Duration::from_secs(10), round(&client)).await.unwrap().unwrap()
}

fn session(class: &'static str, idle: bool, ago: Duration) -> Session {
    let ago_us = u64::try_from(ago.as_micros()).unwrap();
    Session { class, idle, since_us: monotonic_us().saturating_sub(ago_us) }
}

#[tokio::test]
async fn the_person_who_was_here_last_counts() {
    let ago = Duration::from_secs;
    let idle = vec![("1", session("user", true, ago(2))), ("2", session("user", true, ago(1)))];
    let said = heard(idle, Some(Network(1))).await;
    assert!(said.idle >= Some(Span::secs(1)) && said.idle < Some(Span::secs(2)), "{said:?}");
    assert_eq!(said.metered, Some(true));
    let one_works = vec![("1", session("user", true, ago(2))), ("2", session("user", false, ago(1)))];
    assert_eq!(heard(one_works, Some(Network(4))).await, Heard { idle: Some(Span::ZERO), metered: Some(false) });
}

#[tokio::test]
async fn without_a_session_of_a_person_there_is_no_signal() {
    assert_eq!(heard(vec![], Some(Network(0))).await, Heard::default());
    let no_person =
        vec![("c1", session("greeter", true, Duration::ZERO)), ("3", session("background", false, Duration::ZERO))];
    assert_eq!(heard(no_person, None).await, Heard::default());
}

#[test]
fn a_machine_without_a_bus_has_none_to_ask() {
    let bus = Bus::of_this_machine();
    let listens = SOCKETS.iter().any(|path| Path::new(path).exists());
    println!(
        "{}",
        if listens { "this machine has a system bus" } else { "SKIPPED in part: this machine has no system bus" }
    );
    assert_eq!(bus.is_some(), listens);
}
