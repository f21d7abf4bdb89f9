//! How much one peer may ask.

use crate::child::Peer;
use crate::world::{CALL, WAIT, WAIT_FOR_END, config, endpoint, resident, serve};
use net::{CloseReason, Endpoint, EndpointConfig, FrameLimits, LINKS_PER_PEER_MAX, PeerLimits, code};
use std::time::{Duration, Instant};

async fn with(config: EndpointConfig) -> (Endpoint, Endpoint, net::Link) {
    let (here, there) = (endpoint(1).await, Endpoint::bind(config).await.unwrap());
    serve(there.clone());
    here.learn(there.addr());
    let link = here.connect(there.id(), WAIT).await.unwrap();
    (here, there, link)
}

#[tokio::test(flavor = "multi_thread")]
async fn over_its_rate_of_streams_a_peer_waits() {
    let limits = PeerLimits { streams_per_s: 20, burst: 10, ..PeerLimits::default() };
    let (here, there, link) = with(EndpointConfig { limits, ..config(2) }).await;
    let begun = Instant::now();
    for _ in 0..30 {
        link.call(b"x", CALL).await.unwrap();
    }
    // 10 at once, then 20 at 20/s.
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(900), "30 calls in {took:?}");
    assert!(took < Duration::from_secs(10), "30 calls in {took:?}");
    here.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_link_gives_no_second_allowance() {
    let limits = PeerLimits { streams_per_s: 20, burst: 10, ..PeerLimits::default() };
    let (here, there, link) = with(EndpointConfig { limits, ..config(2) }).await;
    let twin = Endpoint::bind(config(1)).await.unwrap(); // the same key again
    twin.learn(there.addr());
    let second = twin.connect(there.id(), WAIT).await.unwrap();
    let begun = Instant::now();
    for _ in 0..15 {
        let (a, b) = tokio::join!(link.call(b"x", CALL), second.call(b"x", CALL));
        assert!(a.is_ok() && b.is_ok());
    }
    assert!(begun.elapsed() > Duration::from_millis(900), "30 calls in {:?}", begun.elapsed());
    here.close().await;
    twin.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_its_rate_of_bytes_a_peer_waits() {
    let frames = FrameLimits { bytes_per_s: 200_000, burst_bytes: 100_000 };
    let (here, there, link) = with(EndpointConfig { frames, ..config(2) }).await;
    let begun = Instant::now();
    for _ in 0..6 {
        link.call(&[0; 50_000], CALL).await.unwrap();
    }
    // The last one waits until 250,000 bytes less the burst are paid.
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(600), "300 kB in {took:?}");
    assert!(took < Duration::from_secs(10), "300 kB in {took:?}");
    here.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_its_number_of_open_streams_a_peer_waits_for_one_to_end() {
    let limits = PeerLimits { streams: 4, ..PeerLimits::default() };
    let (here, there, link) = with(EndpointConfig { limits, ..config(2) }).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = link.open().await.unwrap();
        stream.write_frame(&[WAIT_FOR_END]).await.unwrap();
        open.push(stream);
    }
    assert!(tokio::time::timeout(Duration::from_millis(300), link.open()).await.is_err(), "a fifth stream opened");
    open.pop().unwrap().finish().unwrap();
    tokio::time::timeout(WAIT, link.open()).await.expect("one has ended").unwrap();
    here.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_so_many_links_and_the_next_is_refused_with_a_reason() {
    let there = endpoint(2).await;
    serve(there.clone());
    let mut all = Vec::new();
    for _ in 0..LINKS_PER_PEER_MAX {
        let twin = endpoint(1).await;
        twin.learn(there.addr());
        let link = twin.connect(there.id(), WAIT).await.unwrap();
        assert_eq!(link.call(b"in", CALL).await.unwrap(), b"in");
        all.push((twin, link));
    }
    let twin = endpoint(1).await;
    twin.learn(there.addr());
    let link = twin.connect(there.id(), WAIT).await.unwrap();
    assert_eq!(link.closed().await, CloseReason::Peer { code: code::BUSY, reason: "too many links".into() });
    // Another key is not concerned.
    let other = endpoint(3).await;
    other.learn(there.addr());
    assert!(other.connect(there.id(), WAIT).await.unwrap().call(b"x", CALL).await.is_ok());
    // A place that is given back can be taken.
    all.pop().unwrap().0.close().await;
    let begun = Instant::now();
    loop {
        let link = twin.connect(there.id(), WAIT).await.unwrap();
        if link.call(b"in", CALL).await.is_ok() {
            break;
        }
        assert!(begun.elapsed() < WAIT);
    }
    twin.close().await;
    other.close().await;
    for (twin, _) in all {
        twin.close().await;
    }
    there.close().await;
}

/// What a link costs the side that takes it, in resident memory; the thousand who dial are another process, and so is
/// the one they dial, because the tests beside this one share ours. Some seconds: a thousand handshakes in a debug build.
#[test]
fn a_thousand_links_into_one_endpoint_are_bounded_in_memory() {
    const LINKS: u64 = 1_000;
    const BYTES_PER_LINK_MAX: u64 = 160 << 10;
    let taker = Peer::start("serve", "2");
    let addr = taker.hear(WAIT);
    let before = resident(taker.pid());
    let begun = Instant::now();
    let crowd = Peer::start("crowd", &format!("{LINKS} {addr}"));
    assert_eq!(crowd.hear(Duration::from_secs(120)), "all linked");
    let per_link = resident(taker.pid()).saturating_sub(before) / LINKS;
    println!("figure: {LINKS} links, each with a call, in {:?}: {per_link} bytes a link", begun.elapsed());
    println!("figure: {} bytes an endpoint with its link", resident(crowd.pid()) / LINKS);
    assert!(per_link <= BYTES_PER_LINK_MAX, "{per_link} bytes a link");
}
