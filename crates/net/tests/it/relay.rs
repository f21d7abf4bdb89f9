//! The relay: the only way for machines without UDP, for members alone, trusted by key.

use crate::world::{CALL, WAIT, config, endpoint, key, relay, serve};
use model::{LinkKind, NodeId};
use net::{Endpoint, EndpointConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use wire::{PeerAddr, RelayHint};

async fn member(seed: u8, hint: &RelayHint, udp: bool) -> Endpoint {
    Endpoint::bind(EndpointConfig { relays: vec![hint.clone()], udp, ..config(seed) }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_udp_everything_goes_over_the_relay() {
    let (relay, hint) = relay(|_| true).await;
    let (here, there) = (member(1, &hint, false).await, member(2, &hint, true).await);
    let begun = Instant::now();
    assert!(here.online(WAIT).await.relay);
    println!("figure: online without UDP after {:?}", begun.elapsed());
    assert!(there.online(WAIT).await.relay);
    assert_eq!(here.addr().relays, vec![hint.clone()]);
    assert!(here.addr().direct.is_empty());
    serve(there.clone());
    here.learn(PeerAddr { direct: Vec::new(), ..there.addr() });
    let begun = Instant::now();
    let link = here.connect(there.id(), WAIT).await.unwrap();
    println!("figure: fresh link through the relay in {:?}", begun.elapsed());
    assert_eq!((link.kind(), link.remote_addr()), (LinkKind::Relay, None));
    assert_eq!(link.call(b"through", CALL).await.unwrap(), b"through");
    let begun = Instant::now();
    let request = vec![1; 1 << 20];
    for _ in 0..8 {
        assert_eq!(link.call(&request, CALL).await.unwrap().len(), request.len());
    }
    let rate = 16.0 * f64::from(1 << 20) / 1e6 / begun.elapsed().as_secs_f64();
    println!("figure: 16 MiB through the relay at {rate:.0} MB/s");
    assert_eq!(link.kind(), LinkKind::Relay);
    here.close().await;
    there.close().await;
    relay.shutdown().await;
}

/// Known by relay alone, they find the direct way and take it.
#[tokio::test(flavor = "multi_thread")]
async fn a_relayed_link_becomes_direct_where_it_can() {
    let (relay, hint) = relay(|_| true).await;
    let (here, there) = (member(1, &hint, true).await, member(2, &hint, true).await);
    assert!(here.online(WAIT).await.relay && there.online(WAIT).await.relay);
    serve(there.clone());
    here.learn(PeerAddr { direct: Vec::new(), ..there.addr() });
    let begun = Instant::now();
    let link = here.connect(there.id(), WAIT).await.unwrap();
    while link.kind() == LinkKind::Relay {
        assert!(begun.elapsed() < WAIT, "still over the relay");
        link.call(b"x", CALL).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("figure: direct {:?} after the dial through the relay", begun.elapsed());
    here.close().await;
    there.close().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_takes_only_whom_the_center_knows() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (relay, hint) = {
        let (asked, known) = (Arc::clone(&asked), key(1).id());
        relay(move |id: NodeId| {
            asked.fetch_add(1, Ordering::Relaxed);
            id == known
        })
        .await
    };
    let (known, stranger) = (member(1, &hint, false).await, member(2, &hint, false).await);
    assert!(known.online(WAIT).await.relay);
    let reach = stranger.online(WAIT).await;
    assert!(!reach.relay);
    assert_eq!(reach.refused.as_deref(), Some("not a member of this cloud"));
    assert!(asked.load(Ordering::Relaxed) >= 2);
    // Nobody gets through to the stranger, and the stranger to nobody.
    serve(known.clone());
    stranger.learn(PeerAddr { relays: vec![hint.clone()], ..PeerAddr::key_only(known.id()) });
    assert!(stranger.connect(known.id(), Duration::from_secs(2)).await.is_err());
    known.close().await;
    stranger.close().await;
    relay.shutdown().await;
}

/// Who sits at the relay's address but has not the key the cloud named is no relay.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_with_another_key_is_not_used() {
    let (relay, hint) = relay(|_| true).await;
    let wrong = RelayHint { key: key(77).id(), ..hint.clone() };
    let fooled = member(1, &wrong, false).await;
    assert!(!fooled.online(Duration::from_secs(2)).await.relay);
    let right = member(2, &hint, false).await;
    assert!(right.online(WAIT).await.relay);
    fooled.close().await;
    right.close().await;
    relay.shutdown().await;
}

/// A direct link does not need the relay any more.
#[tokio::test(flavor = "multi_thread")]
async fn direct_links_outlive_the_relay() {
    let (relay, hint) = relay(|_| true).await;
    let (here, there) = (member(1, &hint, true).await, endpoint(2).await);
    assert!(here.online(WAIT).await.relay);
    serve(there.clone());
    here.learn(there.addr());
    let link = here.connect(there.id(), WAIT).await.unwrap();
    relay.shutdown().await;
    assert_eq!(link.call(b"without", CALL).await.unwrap(), b"without");
    here.close().await;
    there.close().await;
}

/// What goes over a relay counts for who dialed, by peer, and outlives its link; what goes directly does not.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_over_a_relay_are_counted_and_outlive_their_link() {
    let (relay, hint) = relay(|_| true).await;
    let (here, there, near) = (member(1, &hint, false).await, member(2, &hint, true).await, endpoint(3).await);
    assert!(here.online(WAIT).await.relay && there.online(WAIT).await.relay);
    serve(there.clone());
    here.learn(PeerAddr { direct: Vec::new(), ..there.addr() });
    assert_eq!(here.relayed_bytes(|_| true), 0, "nothing moved yet");
    let request = vec![1; 1 << 20];
    let (mut last, mut moved) = (0, 0);
    for round in 1..=3_u64 {
        let link = here.connect(there.id(), WAIT).await.unwrap();
        for _ in 0..2 {
            assert_eq!(link.call(&request, CALL).await.unwrap().len(), request.len());
        }
        moved += 4 << 20;
        let counted = here.relayed_bytes(|_| true);
        println!("figure: {moved} bytes over the relay counted as {counted}");
        assert!(counted >= moved && counted < moved + moved / 4, "round {round}: {counted} for {moved}");
        assert!(counted > last);
        // The next round has another link: this one's count stays.
        link.close(0, "over");
        drop(link);
        last = here.relayed_bytes(|_| true);
        assert!(last >= counted);
    }
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(300) {
        assert!(here.relayed_bytes(|_| true) >= last, "a count never falls");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (only, other) = (there.id(), key(9).id());
    assert_eq!(here.relayed_bytes(|peer| *peer == only), here.relayed_bytes(|_| true));
    assert_eq!(here.relayed_bytes(|peer| *peer == other), 0);
    assert_eq!(there.relayed_bytes(|_| true), 0, "who dials pays");
    // Directly: nothing counts.
    serve(near.clone());
    let beside = endpoint(4).await;
    beside.learn(near.addr());
    let link = beside.connect(near.id(), WAIT).await.unwrap();
    assert_eq!(link.call(&request, CALL).await.unwrap().len(), request.len());
    assert_eq!(beside.relayed_bytes(|_| true), 0);
    for endpoint in [here, there, near, beside] {
        endpoint.close().await;
    }
    relay.shutdown().await;
}

/// The way over the relay is left for a direct one: what it moved until then stays counted, and bulk bytes do not add to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_became_direct_is_counted_as_far_as_it_was_relayed() {
    let (relay, hint) = relay(|_| true).await;
    let (here, there) = (member(1, &hint, true).await, member(2, &hint, true).await);
    assert!(here.online(WAIT).await.relay && there.online(WAIT).await.relay);
    serve(there.clone());
    here.learn(PeerAddr { direct: Vec::new(), ..there.addr() });
    let begun = Instant::now();
    let link = here.connect(there.id(), WAIT).await.unwrap();
    while link.kind() == LinkKind::Relay {
        assert!(begun.elapsed() < WAIT, "still over the relay");
        link.call(b"x", CALL).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Its peer answers over the relay until it has taken the direct way itself.
    let request = vec![1; 1 << 20];
    let found = loop {
        let before = here.relayed_bytes(|_| true);
        assert_eq!(link.call(&request, CALL).await.unwrap().len(), request.len());
        let found = here.relayed_bytes(|_| true);
        assert!(found >= before && before > 0);
        if found - before < 64 << 10 {
            break found;
        }
        assert!(begun.elapsed() < WAIT, "one way is still over the relay");
    };
    for _ in 0..8 {
        assert_eq!(link.call(&request, CALL).await.unwrap().len(), request.len());
    }
    let after = here.relayed_bytes(|_| true);
    println!("figure: {found} bytes over the relay until both ways were direct, {after} after 16 MiB more");
    assert!(after >= found && after - found < 1 << 20, "{found} {after}");
    here.close().await;
    there.close().await;
    relay.shutdown().await;
}
