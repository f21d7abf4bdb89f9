//! Bytes that a member's session moves over the center's relay: a real center, its relay, a machine without UDP and a node that serves it.
//! The member signs, the center keeps, settles and shows what the line is made of; only its clock is moved.

use center::ledger::seat;
use center::ledger::store::relay::{Signed, largest, window};
use center::{Caller, Center, Founder, Settings};
use client::{AskCenter, Client, ClientError};
use console::text::Lang;
use model::{AccountClass, Code, DeviceId, LinkKind, NodeId, Resource, Span, Stamp, Ucredit, errors};
use net::{CallLimits, Endpoint, EndpointConfig, NetError, SecretKey};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wire::ledger::StatementAsk;
use wire::settle::RelayAsk;
use wire::signed::{Receipt, public_of};
use wire::{Envelope, PeerAddr, RelayHint, Reply, Request};

const MACHINE: [u8; 32] = [7; 32];
const WAIT: Duration = Duration::from_secs(20);
const CALL: CallLimits = CallLimits { max_reply: wire::limits::FRAME_MAX, timeout: WAIT };
/// Short days, so that chores look every second.
const SETTINGS: &str = "dev = true\ntime_scale = 2\n[net]\nbind = \"127.0.0.1\"\nport = 0\nrelay_port = 0\n[http]\nlisten = \"127.0.0.1:0\"\n";

/// How far the clock of center and member was moved.
static MOVED_MS: AtomicU64 = AtomicU64::new(0);

fn now() -> Stamp {
    let real = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_millis();
    Stamp(u64::try_from(real).expect("it fits")) + Span::ms(MOVED_MS.load(Ordering::Relaxed))
}

async fn center(dir: &std::path::Path, more: &str) -> Center {
    std::fs::write(dir.join(Settings::FILE), format!("{SETTINGS}{more}")).expect("a file can be written");
    let founder = Founder { device: DeviceId(public_of(&MACHINE)), name: "Li".to_owned(), member: None };
    let mut next = 1;
    let mut random = |key: &mut [u8; 32]| {
        *key = [next; 32];
        next += 1;
    };
    center::found(dir, "cloud", &founder, now(), &mut random).await.expect("the cloud is made");
    let settings = Settings::load(dir).expect("they read");
    Center::start(dir, settings, now, Lang::En).await.expect("the center starts")
}

async fn endpoint(seed: u8, hint: &RelayHint, udp: bool) -> Endpoint {
    let bind = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let key = SecretKey::from_bytes([seed; 32]);
    let config = EndpointConfig { bind, udp, relays: vec![hint.clone()], ..EndpointConfig::new(key) };
    let endpoint = Endpoint::bind(config).await.expect("loopback can be bound");
    assert!(endpoint.online(WAIT).await.relay, "the center's relay answers");
    endpoint
}

/// A node that echoes calls.
async fn node(hint: &RelayHint) -> Endpoint {
    let node = endpoint(60, hint, true).await;
    let serving = node.clone();
    tokio::spawn(async move {
        while let Some(link) = serving.accept().await {
            tokio::spawn(async move {
                while let Some(mut stream) = link.accept_stream().await {
                    tokio::spawn(async move {
                        let frame = stream.read_frame(wire::limits::FRAME_MAX).await?;
                        stream.write_frame(&frame).await?;
                        stream.finish()
                    });
                }
            });
        }
    });
    node
}

async fn ask(center: &Center, request: Request) -> Reply {
    let caller = Caller { id: NodeId(public_of(&MACHINE)), addr: None, alias: None };
    center.call(caller, &Envelope::new(request).to_bytes()).await
}

/// Where it is set, the next receipt does not arrive.
static IS_CUT: AtomicBool = AtomicBool::new(false);

fn client(center: &Center, endpoint: &Endpoint) -> Client {
    let (asked, id) = (center.clone(), center.addr().id);
    let asking: AskCenter = Arc::new(move |request| {
        let center = asked.clone();
        Box::pin(async move {
            if matches!(request, Request::RelaySigned(_)) && IS_CUT.swap(false, Ordering::Relaxed) {
                return Err(ClientError::Net(NetError::TimedOut(WAIT)));
            }
            Ok(ask(&center, request).await)
        })
    });
    Client::new(endpoint.clone(), MACHINE, now, asking).with_relay_paid(id)
}

async fn until<T: std::fmt::Debug>(what: &str, look: impl AsyncFn() -> T, is_there: impl Fn(&T) -> bool) -> T {
    let began = Instant::now();
    loop {
        let found = look().await;
        if is_there(&found) {
            return found;
        }
        assert!(began.elapsed() < WAIT, "{what}: {found:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn kept(center: &Center, at: u32) -> Vec<Signed> {
    center.ledger().db().read(move |q| Ok(largest(q, at, 9)?)).await.expect("it reads")
}

/// Moves so many MiB there and back over the relay.
async fn echo(endpoint: &Endpoint, node: &Endpoint, mib: u32) {
    endpoint.learn(PeerAddr { direct: Vec::new(), ..node.addr() });
    let link = endpoint.connect(node.id(), WAIT).await.expect("it is reached");
    let frame = vec![5; 1 << 20];
    for _ in 0..mib {
        assert_eq!(link.call(&frame, CALL).await.expect("it answers").len(), frame.len());
    }
    assert_eq!(link.kind(), LinkKind::Relay);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_moves_over_the_relay_is_signed_settled_and_shown() {
    let dir = tempfile::tempdir().expect("a folder");
    let center = center(dir.path(), "").await;
    let hint = center.addr().relays.first().cloned().expect("the center has a relay");
    let node = node(&hint).await;

    // A session that moved next to nothing asks for nothing.
    let quiet = endpoint(61, &hint, false).await;
    let session = client(&center, &quiet);
    quiet.learn(PeerAddr { direct: Vec::new(), ..node.addr() });
    let link = quiet.connect(node.id(), WAIT).await.expect("it is reached");
    assert_eq!(link.call(b"small", CALL).await.expect("it answers"), b"small");
    session.end_relay().await;
    assert!(session.relayed_bytes() > 0, "it went over the relay");
    assert!(kept(&center, Receipt::window_of(now())).await.is_empty(), "finding the way is free");

    // One that read and wrote signs for all of it, at its end at the latest, and for nothing of the link to the center.
    let loud = endpoint(62, &hint, false).await;
    let session = client(&center, &loud);
    loud.learn(PeerAddr { direct: Vec::new(), ..center.addr() });
    let control = loud.connect(center.addr().id, WAIT).await.expect("the center is reached over its relay too");
    let cloud = Envelope::new(Request::Cloud).to_bytes();
    assert!(!control.call(&cloud, CALL).await.expect("it answers").is_empty());
    assert_eq!(session.relayed_bytes(), 0, "control is free");
    echo(&loud, &node, 6).await;
    session.end_relay().await;
    let first = session.relayed_bytes();
    let at = Receipt::window_of(now());
    let [one] = &kept(&center, at).await[..] else { panic!("one receipt") };
    assert!(one.units > 12 << 20 && one.units <= first, "{} of {first}", one.units);
    echo(&loud, &node, 2).await;
    IS_CUT.store(true, Ordering::Relaxed);
    session.end_relay().await;
    assert_eq!(kept(&center, at).await, std::slice::from_ref(one), "the newest receipt was lost on its way …");
    session.end_relay().await;
    let [newest] = &kept(&center, at).await[..] else { panic!("one receipt") };
    assert!(newest.serial == one.serial && newest.units > one.units + (4 << 20), "… and is sent again");
    let units = newest.units;
    for endpoint in [&quiet, &loud] {
        endpoint.close().await;
    }

    // Its window over, the center hands it in by itself; a period later it is paid.
    MOVED_MS.fetch_add(Span::hours(7).as_ms(), Ordering::Relaxed);
    let over = async || center.ledger().db().read(move |q| Ok(window(q, at)?)).await.expect("it reads");
    let handed = until("handed in", over, |row| row.as_ref().is_some_and(|row| row.is_over)).await;
    assert_eq!(handed.map(|row| (row.batch, row.refused)), Some((Some(1), None)));
    MOVED_MS.fetch_add(Span::hours(7).as_ms(), Ordering::Relaxed);
    let rows = async || center.ledger().rows(0, 1_000).await.expect("they read");
    let operator = seat::only(AccountClass::Operator);
    let is_paid =
        |rows: &Vec<rules::ledger::Row>| rows.iter().any(|row| row.code == Code::Relay && row.credit == operator);
    let rows = until("paid", rows, is_paid).await;
    let amounts: Vec<u64> = rows.iter().filter(|row| row.code == Code::Relay).map(|row| row.amount.0).collect();
    let price = |ucredit: u64| units * ucredit / 1_000_000_000;
    println!("figure: {units} bytes over the relay: {amounts:?} µcredit");
    assert_eq!(amounts, [price(111_112), price(100_000)], "the member pays, the operator earns");
    assert!(center.ledger().audit().await.expect("it adds up").is_replayed);

    // The member's line says what it is made of.
    let (account, opening) = (None, None);
    let all = StatementAsk { account, from: Stamp(0), until: now() + Span::days(1), after: 0, opening, limit: 100 };
    let Reply::Statement(page) = ask(&center, Request::Statement(all)).await else { panic!("a statement") };
    let line = page.lines.iter().find(|line| line.code == Code::Relay).expect("a line of it");
    let Reply::LedgerLine(detail) = ask(&center, Request::LedgerLine(None, line.seq)).await else { panic!("a line") };
    let settled = detail.settled.expect("it is of a settlement");
    let [reading] = &settled.readings[..] else { panic!("{settled:?}") };
    assert_eq!((settled.resource, settled.is_served), (Resource::Relay, false));
    assert_eq!((reading.units, reading.amount.0, reading.price.0), (units, price(111_112), 111_112));
    assert_eq!(settled.parts.iter().map(|part| part.units).collect::<Vec<_>>(), [units], "the relay served it");
    node.close().await;
    center.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_credit_goes_on_over_the_relay_and_nothing_is_counted() {
    let dir = tempfile::tempdir().expect("a folder");
    let center = center(dir.path(), "[cloud]\nkind = \"public\"\n").await;
    let hint = center.addr().relays.first().cloned().expect("the center has a relay");
    let (node, poor) = (node(&hint).await, endpoint(63, &hint, false).await);
    let Reply::Wallet(wallet) = ask(&center, Request::Wallet(None)).await else { panic!("a wallet") };
    assert!(center.ledger().set_limit(wallet.account, Ucredit::ZERO, "test").await.expect("it is set"));
    let asked = Request::RelayAsk(RelayAsk { session: poor.id(), units: 1 });
    let Reply::Refused(no) = ask(&center, asked).await else { panic!("among strangers nobody uses it on credit") };
    assert_eq!(no.id, errors::AT_LIMIT);
    let session = client(&center, &poor);
    for _ in 0..2 {
        echo(&poor, &node, 5).await;
        session.end_relay().await;
    }
    assert!(session.relayed_bytes() > 20 << 20, "it went on");
    assert!(kept(&center, Receipt::window_of(now())).await.is_empty());
    // A stranger to the cloud has no account there.
    let caller = Caller { id: NodeId([99; 32]), addr: None, alias: None };
    let asked = Envelope::new(Request::RelayAsk(RelayAsk { session: poor.id(), units: 1 }));
    let Reply::Refused(no) = center.call(caller, &asked.to_bytes()).await else { panic!("a stranger") };
    assert_eq!(no.id, errors::NOT_SIGNED_IN);
    for endpoint in [poor, node] {
        endpoint.close().await;
    }
    center.stop().await;
}
