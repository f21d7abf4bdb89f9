//! Calls, and how links are found, shared and let go.

use crate::world::{CALL, NEVER, WAIT, config, endpoint, pair, serve};
use model::{LinkKind, NodeId};
use net::{CallLimits, CloseReason, Endpoint, NetError, SecretKey};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use wire::PeerAddr;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered_and_both_know_whom_they_talk_to() {
    let (here, there) = (endpoint(1).await, endpoint(2).await);
    here.learn(there.addr());
    let begun = Instant::now();
    let (link, taken) = tokio::join!(here.connect(there.id(), WAIT), there.accept());
    let (link, taken) = (link.unwrap(), taken.unwrap());
    println!("figure: fresh link on loopback in {:?}", begun.elapsed());
    assert_eq!((link.peer(), taken.peer()), (there.id(), here.id()));
    assert_eq!(link.kind(), LinkKind::Direct);
    assert_eq!(link.remote_addr(), Some(there.addr().direct[0]));
    tokio::spawn(crate::world::serve_link(taken));
    assert_eq!(link.call(b"hello", CALL).await.unwrap(), b"hello");
    assert_eq!(link.call(b"", CALL).await.unwrap(), b"");
    assert!(link.rtt() > Duration::ZERO);
    let stats = link.stats();
    assert!(stats.sent_bytes > 0 && stats.received_bytes > 0 && stats.sent_packets > 0);
    here.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_at_the_same_time_share_one_dial() {
    let (here, there) = (endpoint(1).await, endpoint(2).await);
    here.learn(there.addr());
    let links = at_once(16, |_| {
        let (here, id) = (here.clone(), there.id());
        async move { here.connect(id, WAIT).await.unwrap() }
    });
    let links = links.await;
    assert_eq!(links.len(), 16);
    assert!(there.accept().await.is_some());
    let second = tokio::time::timeout(Duration::from_millis(300), there.accept()).await;
    assert!(second.is_err(), "a second link was dialed");
    here.close().await;
    there.close().await;
}

async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    n: usize,
    make: impl Fn(usize) -> F,
) -> Vec<T> {
    let tasks: Vec<_> = (0..n).map(|i| tokio::spawn(make(i))).collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_link_is_dialed_anew_and_the_peer_is_told_why() {
    let (here, there) = (endpoint(1).await, endpoint(2).await);
    here.learn(there.addr());
    let (link, taken) = tokio::join!(here.connect(there.id(), WAIT), there.accept());
    let (link, taken) = (link.unwrap(), taken.unwrap());
    link.close(77, "enough for today");
    let told = taken.closed().await;
    assert_eq!(told, CloseReason::Peer { code: 77, reason: "enough for today".into() });
    assert_eq!(link.closed().await, CloseReason::Here);
    serve(there.clone());
    let again = here.connect(there.id(), WAIT).await.unwrap();
    assert_eq!(again.call(b"again", CALL).await.unwrap(), b"again");
    here.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_an_answer_ends_in_time() {
    let (here, there, link) = pair().await;
    let limits = CallLimits { max_reply: 10, timeout: Duration::from_millis(200) };
    let begun = Instant::now();
    assert_eq!(link.call(&[NEVER], limits).await, Err(NetError::TimedOut(limits.timeout)));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(link.call(b"still here", CALL).await.unwrap(), b"still here");
    here.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_reached_at_no_address_and_at_a_dead_one() {
    let here = endpoint(1).await;
    let stranger = SecretKey::from_bytes([7; 32]).id();
    assert!(matches!(here.connect(stranger, WAIT).await, Err(NetError::Unreachable { .. })));
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    here.learn(PeerAddr { direct: vec![closed], ..PeerAddr::key_only(stranger) });
    let wait = Duration::from_millis(500);
    let begun = Instant::now();
    assert!(here.connect(stranger, wait).await.is_err());
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(here.connect(NodeId([2; 32]), wait).await.is_err(), "not every 32 bytes are a key");
    here.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_machine_at_the_address_is_not_taken_for_the_peer() {
    let (here, wrong) = (endpoint(1).await, endpoint(2).await);
    serve(wrong.clone());
    let wanted = SecretKey::from_bytes([3; 32]).id();
    here.learn(PeerAddr { id: wanted, ..wrong.addr() });
    assert!(here.connect(wanted, Duration::from_secs(2)).await.is_err());
    here.close().await;
    wrong.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_endpoint_accepts_nobody_and_its_peers_know_at_once() {
    let (here, there, link) = pair().await;
    let begun = Instant::now();
    there.close().await;
    assert!(matches!(link.closed().await, CloseReason::Peer { .. }), "{:?}", link.closed().await);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(there.accept().await.is_none());
    here.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tap_sees_what_is_sent_before_it_is_sealed() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (here, there) = {
        let seen = Arc::clone(&seen);
        let tap: net::Tap = Arc::new(move |bytes: &[u8]| seen.lock().unwrap().extend_from_slice(bytes));
        let here = Endpoint::bind(net::EndpointConfig { tap: Some(tap), ..config(1) }).await.unwrap();
        (here, endpoint(2).await)
    };
    serve(there.clone());
    here.learn(there.addr());
    let link = here.connect(there.id(), WAIT).await.unwrap();
    link.call(b"a planted secret", CALL).await.unwrap();
    assert!(seen.lock().unwrap().windows(16).any(|bytes| bytes == b"a planted secret"));
    here.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_endpoint_has_the_loopback_address_it_asked_for_and_tells_only_that() {
    let one = endpoint(1).await;
    let addr = one.addr();
    assert_eq!(addr.direct.len(), 1, "{addr:?}");
    assert!(addr.direct[0].ip().to_string().starts_with("127.3."));
    assert_ne!(addr.direct[0].port(), 0);
    assert_eq!(*one.watch_addr().borrow(), addr);
    let reach = one.online(WAIT).await;
    assert_eq!((reach.direct, reach.relay, reach.refused), (addr.direct, false, None));
    let both = vec!["127.3.9.1:0".parse().unwrap(), "127.3.9.2:0".parse().unwrap()];
    let two_of_a_family = Endpoint::bind(net::EndpointConfig { bind: both, ..config(2) }).await;
    assert!(matches!(two_of_a_family, Err(NetError::Bind { .. })));
    one.close().await;
}
