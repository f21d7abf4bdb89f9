//! Peers that die without a word, and come back.

use crate::child::{Peer, from_text};
use crate::world::{CALL, WAIT, config, endpoint, key, serve};
use net::{CloseReason, Endpoint, EndpointConfig, IDLE_TIMEOUT, KEEP_ALIVE, Redial, RedialEvent};
use std::time::{Duration, Instant};

/// Takes the idle timeout: nothing on the wire tells of a SIGKILL.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_peer_is_noticed_within_ten_seconds() {
    let peer = Peer::start("serve", "2");
    let addr = from_text(&peer.hear(WAIT));
    let here = endpoint(1).await;
    here.learn(addr.clone());
    let link = here.connect(addr.id, WAIT).await.unwrap();
    link.call(b"are you there", CALL).await.unwrap();
    let begun = Instant::now();
    peer.kill();
    assert_eq!(link.closed().await, CloseReason::Silent);
    println!("figure: a killed peer was noticed after {:?}", begun.elapsed());
    assert!(begun.elapsed() <= Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(KEEP_ALIVE + IDLE_TIMEOUT <= Duration::from_secs(10));
    here.close().await;
}

/// A quiet link outlives several idle timeouts, because both sides say that they live.
#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_link_stays() {
    let quic = net::QuicSettings {
        idle_timeout: Duration::from_millis(600),
        keep_alive: Duration::from_millis(150),
        ..net::QuicSettings::default()
    };
    let here = Endpoint::bind(EndpointConfig { quic, ..config(1) }).await.unwrap();
    let there = Endpoint::bind(EndpointConfig { quic, ..config(2) }).await.unwrap();
    serve(there.clone());
    here.learn(there.addr());
    let link = here.connect(there.id(), WAIT).await.unwrap();
    let gone = tokio::time::timeout(Duration::from_secs(3), link.closed()).await;
    assert!(gone.is_err(), "{gone:?}");
    assert_eq!(link.call(b"still", CALL).await.unwrap(), b"still");
    here.close().await;
    there.close().await;
}

/// The center dies and comes back with its key at its address; whoever keeps a link to it has one again.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_comes_back_when_the_peer_does() {
    let first = endpoint(2).await;
    let place = first.addr();
    serve(first.clone());
    let here = endpoint(1).await;
    here.learn(place.clone());
    let redial = Redial::start(here.clone(), place.id);
    let link = redial.link().await;
    link.call(b"one", CALL).await.unwrap();
    assert!(redial.now().is_some());

    let mut events = redial.watch();
    events.borrow_and_update();
    first.close().await;
    drop(first);
    let down = events.wait_for(|event| matches!(event, RedialEvent::Down { .. }));
    tokio::time::timeout(WAIT, down).await.unwrap().unwrap();

    let begun = Instant::now();
    let bound = loop {
        let config = EndpointConfig { bind: place.direct.clone(), ..EndpointConfig::new(key(2)) };
        match Endpoint::bind(config).await {
            Ok(endpoint) => break endpoint,
            Err(error) => assert!(begun.elapsed() < WAIT, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    serve(bound.clone());
    let link = tokio::time::timeout(WAIT, redial.link()).await.unwrap();
    println!("figure: back {:?} after the peer was", begun.elapsed());
    assert_eq!(link.call(b"two", CALL).await.unwrap(), b"two");
    drop(redial);
    here.close().await;
    bound.close().await;
}

/// With nobody there the tries become rarer: in three seconds at most as many as jitter of half the base allows.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_stormed_while_away() {
    let away = {
        let endpoint = endpoint(2).await;
        let addr = endpoint.addr();
        endpoint.close().await;
        addr
    };
    let here = endpoint(1).await;
    here.learn(wire::PeerAddr { direct: Vec::new(), ..away.clone() }); // fails at once
    let redial = Redial::start(here.clone(), away.id);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let RedialEvent::Down { failures, cause } = redial.watch().borrow().clone() else { panic!("nobody is there") };
    assert!((1..=30).contains(&failures), "{failures} tries: {cause}");
    assert!(cause.contains("no address"), "{cause}");
    drop(redial);
    here.close().await;
}
