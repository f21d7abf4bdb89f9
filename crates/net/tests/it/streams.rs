//! Streams: bulk bytes both ways, ends and cuts, many at a time.

use crate::world::{SEND_ME, TAKE_THIS, WAIT, bulk, endpoint, pair};
use net::{Link, NetError};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

/// Reads `bytes` bulk bytes over one stream and checks them.
async fn fetch(link: Link, bytes: usize) {
    let mut stream = link.open().await.unwrap();
    stream.write_frame(&bulk(SEND_ME, bytes)).await.unwrap();
    stream.finish().unwrap();
    let (mut got, mut step) = (0, vec![0; 64 << 10]);
    loop {
        match stream.read_some(&mut step).await.unwrap() {
            0 => break,
            n => {
                assert!(step[..n].iter().all(|byte| *byte == 7));
                got += n;
            }
        }
    }
    assert_eq!(got, bytes);
}

/// Sends `bytes` bulk bytes over one stream; the peer's sum must be right.
async fn send(link: Link, bytes: usize) {
    let (mut writer, mut reader) = link.open().await.unwrap().split();
    writer.write_frame(&bulk(TAKE_THIS, bytes)).await.unwrap();
    let step = vec![3; 64 << 10];
    for _ in 0..bytes / step.len() {
        writer.write_all(&step).await.unwrap();
    }
    writer.finish().unwrap();
    let sum = reader.read_frame(8).await.unwrap();
    assert_eq!(u64::from_le_bytes(sum.try_into().unwrap()), 3 * bytes as u64);
    writer.delivered().await.unwrap();
}

/// 64 MiB each way, in parallel streams over windows of 2 MiB: takes a second or more in a debug build.
#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_mebibytes_go_over_parallel_streams_each_way() {
    let (here, there, link) = pair().await;
    for streams in [1, 8] {
        for (name, way) in [("received", 0), ("sent", 1)] {
            let begun = Instant::now();
            let tasks: Vec<_> = (0..streams)
                .map(|_| {
                    let (link, bytes) = (link.clone(), 64 * MIB / streams);
                    if way == 0 { tokio::spawn(fetch(link, bytes)) } else { tokio::spawn(send(link, bytes)) }
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            let rate = 64.0 * MIB as f64 / 1e6 / begun.elapsed().as_secs_f64();
            println!("figure: 64 MiB {name} over {streams} streams at {rate:.0} MB/s");
        }
    }
    assert!(!link.is_closed());
    here.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_inside_a_frame_is_cut_and_one_that_is_reset_says_its_code() {
    let (here, there) = (endpoint(1).await, endpoint(2).await);
    here.learn(there.addr());
    let (link, taken) = tokio::join!(here.connect(there.id(), WAIT), there.accept());
    let (link, taken) = (link.unwrap(), taken.unwrap());

    let mut stream = link.open().await.unwrap();
    stream.write_all(&[100, 0, 0, 0, 1, 2, 3]).await.unwrap();
    stream.finish().unwrap();
    let mut other = taken.accept_stream().await.unwrap();
    assert_eq!(other.read_frame(1_000).await, Err(NetError::Cut));

    let mut stream = link.open().await.unwrap();
    stream.write_frame(b"first").await.unwrap();
    let mut other = taken.accept_stream().await.unwrap();
    assert_eq!(other.read_frame(1_000).await.unwrap(), b"first");
    stream.reset(42);
    assert_eq!(other.read_frame(1_000).await, Err(NetError::Reset(42)));
    here.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_neither_sends_nor_takes_ends_the_operation() {
    let (here, there) = (endpoint(1).await, endpoint(2).await);
    here.learn(there.addr());
    let (link, taken) = tokio::join!(here.connect(there.id(), WAIT), there.accept());
    let (link, _taken) = (link.unwrap(), taken.unwrap());
    let mut stream = link.open().await.unwrap();
    let silence = Duration::from_millis(200);
    stream.set_silence(silence);
    assert_eq!(stream.read_frame(10).await, Err(NetError::TimedOut(silence)));
    // Nobody reads over there: the window fills, then nothing moves.
    assert_eq!(stream.write_all(&vec![0; 8 * MIB]).await, Err(NetError::TimedOut(silence)));
    here.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_wait_for_a_stream_loses_none() {
    let (here, there) = (endpoint(1).await, endpoint(2).await);
    here.learn(there.addr());
    let (link, taken) = tokio::join!(here.connect(there.id(), WAIT), there.accept());
    let (link, taken) = (link.unwrap(), taken.unwrap());
    let sender = tokio::spawn(async move {
        for n in 0..50_u8 {
            let mut stream = link.open().await.unwrap();
            stream.write_frame(&[n]).await.unwrap();
            stream.finish().unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        link
    });
    let mut got = Vec::new();
    let begun = Instant::now();
    while got.len() < 50 {
        assert!(begun.elapsed() < WAIT, "{} came", got.len());
        if let Ok(Some(mut stream)) = tokio::time::timeout(Duration::from_millis(1), taken.accept_stream()).await {
            got.extend(stream.read_frame(1).await.unwrap());
        }
    }
    got.sort_unstable();
    assert_eq!(got, (0..50).collect::<Vec<u8>>());
    sender.await.unwrap();
    here.close().await;
    there.close().await;
}
