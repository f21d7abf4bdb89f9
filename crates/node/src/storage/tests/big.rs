//! A start with many pieces. Long: `cargo nextest run -p node --run-ignored only a_start_with`.

use super::*;
use std::time::Instant;

/// Pieces of the figure in `docs/design/storage.md` §13.
const PIECES: u64 = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute and 210 MB"]
async fn a_start_with_a_hundred_thousand_pieces_takes_less_than_five_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let limits = StoreLimits::new(Bytes::gib(8), Bytes(0), leads);
    let store = PieceStore::open(dir.path(), limits).await.unwrap();
    let made = Instant::now();
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..200_u64 {
        let store = store.clone();
        lanes.spawn(async move {
            for n in 0..PIECES / 200 {
                let (meta, data) = piece((lane * (PIECES / 200) + n) * 4 + 1, 700);
                let mut writer = store.begin(meta).await.unwrap();
                writer.push(&data).unwrap();
                writer.commit().await.unwrap();
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.unwrap();
    }
    println!("{PIECES} pieces written in {:?}", made.elapsed());
    assert_eq!(store.usage().pieces, PIECES);
    drop(store);
    for (how, loses_index) in [("with its index", false), ("without its index", true)] {
        if loses_index {
            drop_index(dir.path());
        }
        let began = Instant::now();
        let store = PieceStore::open(dir.path(), limits).await.unwrap();
        let took = began.elapsed();
        println!("start {how}: {took:?}, {:?}", store.open_report());
        assert_eq!(store.usage().pieces, PIECES);
        assert!(loses_index || took.as_secs() < 5, "{took:?}");
    }
}
