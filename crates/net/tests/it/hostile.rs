//! What a hostile peer may send: frames over their limit, garbage in datagrams and in handshakes.

use crate::world::{CALL, WAIT, endpoint, own_ip, pair, relay, serve};
use net::{NetError, code};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use wire::limits::FRAME_MAX;

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_over_its_limit_is_refused_before_it_is_read() {
    let (here, there) = (endpoint(1).await, endpoint(2).await);
    here.learn(there.addr());
    let (link, taken) = tokio::join!(here.connect(there.id(), WAIT), there.accept());
    let (link, taken) = (link.unwrap(), taken.unwrap());

    // The limit of this reader.
    let mut stream = link.open().await.unwrap();
    stream.write_frame(&[0; 101]).await.unwrap();
    let mut other = taken.accept_stream().await.unwrap();
    assert_eq!(other.read_frame(100).await, Err(NetError::TooLong { len: 101, max: 100 }));
    // The sender is told, and an answer still gets through.
    other.write_frame(b"too long").await.unwrap();
    assert_eq!(stream.read_frame(100).await.unwrap(), b"too long");
    let refused = loop {
        match stream.write_all(&[0; 1 << 16]).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, NetError::Reset(code::TOO_LONG));

    // The limit of all readers, whatever this one says; a length of 4 GiB reserves nothing.
    for len in [FRAME_MAX as u32 + 1, u32::MAX] {
        let mut stream = link.open().await.unwrap();
        stream.write_all(&len.to_le_bytes()).await.unwrap();
        let mut other = taken.accept_stream().await.unwrap();
        let refused = other.read_frame(usize::MAX).await;
        assert_eq!(refused, Err(NetError::TooLong { len: len as usize, max: FRAME_MAX }));
    }
    // A frame of exactly the limit passes, one more is not even sent.
    let mut stream = link.open().await.unwrap();
    let (sent, got) = tokio::join!(stream.write_frame(&[5; FRAME_MAX]), async {
        taken.accept_stream().await.unwrap().read_frame(FRAME_MAX).await
    });
    assert_eq!((sent, got.unwrap().len()), (Ok(()), FRAME_MAX));
    let too_long = stream.write_frame(&vec![0; FRAME_MAX + 1]).await;
    assert_eq!(too_long, Err(NetError::TooLong { len: FRAME_MAX + 1, max: FRAME_MAX }));
    assert!(!link.is_closed() && !taken.is_closed());
    here.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_the_callers_limit_is_refused() {
    let (here, there, link) = pair().await;
    let limits = net::CallLimits { max_reply: 3, ..CALL };
    assert_eq!(link.call(b"four", limits).await, Err(NetError::TooLong { len: 4, max: 3 }));
    assert_eq!(link.call(b"abc", limits).await.unwrap(), b"abc");
    here.close().await;
    there.close().await;
}

/// Bytes without pattern, the same each time (xorshift64).
fn garbage(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_at_the_socket_harms_neither_old_links_nor_new_ones() {
    let (here, there, link) = pair().await;
    let target = there.addr().direct[0];
    let socket = UdpSocket::bind((own_ip(), 0)).unwrap();
    for n in 0..2_000_u64 {
        let mut bytes = garbage(n, 1 + (n as usize * 7) % 1_400);
        // Also such as look like the first packet of a handshake.
        bytes[0] |= if n % 2 == 0 { 0xc0 } else { 0x00 };
        let _ = socket.send_to(&bytes, target);
    }
    assert_eq!(link.call(b"old", CALL).await.unwrap(), b"old");
    let newcomer = endpoint(3).await;
    newcomer.learn(there.addr());
    let link = newcomer.connect(there.id(), WAIT).await.unwrap();
    assert_eq!(link.call(b"new", CALL).await.unwrap(), b"new");
    here.close().await;
    newcomer.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_at_the_relay_ends_that_connection_alone() {
    let (relay, hint) = relay(|_| true).await;
    let talk = {
        let hint = hint.clone();
        tokio::task::spawn_blocking(move || {
            for n in 0..20 {
                let mut socket = TcpStream::connect((hint.host.as_str(), hint.port)).unwrap();
                socket.set_read_timeout(Some(WAIT)).unwrap();
                let _ = socket.write_all(&garbage(n, 512));
                let _ = socket.shutdown(std::net::Shutdown::Write);
                let _ = socket.read(&mut [0; 64]);
            }
        })
    };
    talk.await.unwrap();
    let member =
        net::Endpoint::bind(net::EndpointConfig { relays: vec![hint], ..crate::world::config(1) }).await.unwrap();
    assert!(member.online(WAIT).await.relay);
    serve(member.clone());
    member.close().await;
    relay.shutdown().await;
}
