use super::*;
use crate::serve::commits;
use crate::storage::{PieceMeta, StoreLimits};
use codec::fill::{PIECE_BYTES, SCHEME, make};
use wire::storage::LABEL_LEN;

async fn put(store: &PieceStore, pg: PgId, seed: u8) -> Result<(), StoreError> {
    let piece = make(&[seed; 32]);
    let meta = PieceMeta {
        pg,
        segment: piece.id,
        index: 0,
        len: PIECE_BYTES,
        scheme: SCHEME,
        sealed_bytes: PIECE_BYTES,
        segment_root: piece.proof.segment_root,
        piece_root: piece.proof.piece_root,
        path: piece.proof.path,
        label: vec![0; LABEL_LEN],
    };
    let mut writer = store.begin(meta).await?;
    writer.push(&piece.bytes)?;
    writer.commit().await.map(drop)
}

#[tokio::test]
async fn data_of_a_fill_test_makes_room_for_others_pieces_and_nothing_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let limits = StoreLimits::new(Bytes::mib(64), Bytes(0), commits);
    let store = PieceStore::open(dir.path(), limits).await.unwrap();
    for seed in 0..4 {
        put(&store, PgId::FILL, seed).await.unwrap();
    }
    assert_eq!(surplus(&store), [], "there is room enough");
    for seed in 10..13 {
        put(&store, PgId(3), seed).await.unwrap();
    }
    assert!(put(&store, PgId(3), 20).await.is_err(), "the owner's limit holds for both together");
    let pieces = surplus(&store);
    assert_eq!(pieces.len(), 4);
    assert!(pieces.iter().all(|piece| piece.pg == PgId::FILL), "(B)");
    remove(&store, &pieces).await.unwrap();
    assert!(store.oldest_of(PgId::FILL, 9).is_empty());
    assert!(store.usage().disk_bytes < 32 << 20, "{:?}", store.usage());
    put(&store, PgId(3), 20).await.unwrap();
    assert_eq!(surplus(&store), [], "(B)");
}
