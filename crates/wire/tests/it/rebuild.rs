//! Samples of what brings a cloud back.

use model::*;
use wire::rebuild::*;
use wire::signed::Head;
use wire::storage::{GetPiece, SegmentRun, StreamOpen};
use wire::{PeerAddr, Reply, Request};

const NOW: Stamp = Stamp(1_800_000_000_000);

pub fn requests() -> Vec<(&'static str, Request)> {
    let digests = SlotDigests {
        pg: PgId(7),
        index: 3,
        scheme: Scheme::circle(8, 8).unwrap(),
        pieces: vec![SlotPiece { root: [1; 32], sealed_bytes: 65_536, locator: Some([2; 16]) }],
    };
    let bring = AccountBring {
        voucher: vec![1; 9],
        entries: vec![vec![2; 9]],
        keybag: vec![3; 9],
        slot: Some(([4; 16], vec![5; 80])),
    };
    let line = ReplayLine {
        record: vec![1; 256],
        at: NOW,
        name_sealed: vec![2; 34],
        manifest: vec![3; 300],
        segments: vec![SegmentRun { pg: PgId(7), seq: 5, count: 2 }],
        lost: vec![SegmentId([6; 32])],
    };
    let before = Head { seq: 4, hash: [8; 32] };
    let replay = Replay { bucket: BucketId([2; 16]), before, lines: vec![line] };
    vec![
        ("vouch", Request::Vouch),
        ("enrol", Request::Enrol(vec![1; 9])),
        ("slot_digests", Request::SlotDigests(Box::new(digests))),
        ("holders", Request::Holders([2; 16])),
        ("account_bring", Request::AccountBring(Box::new(bring))),
        ("slot_mine", Request::SlotMine),
        ("segment_ids", Request::SegmentIds(SegmentIdsAsk { bucket: BucketId([2; 16]), place: 5, first: 6 })),
        ("segments_find", Request::SegmentsFind(vec![SegmentId([6; 32])])),
        ("replay", Request::Replay(Box::new(replay))),
    ]
}

pub fn replies() -> Vec<(&'static str, Reply)> {
    let page = SegmentIdsPage { lines: vec![(5, vec![SegmentId([6; 32])])], next: Some((7, 8)) };
    vec![
        ("vouched", Reply::Vouched(Vouched { voucher: vec![1; 9], rebuilt: Some(NOW) })),
        ("slot_digests", Reply::SlotDigests(5)),
        ("holders", Reply::Holders(vec![PeerAddr::key_only(NodeId([1; 32]))])),
        ("slot_mine", Reply::SlotMine(Some(([4; 16], vec![5; 80])))),
        ("segment_ids", Reply::SegmentIds(page)),
        ("segments_found", Reply::SegmentsFound(vec![None, Some((PgId(7), 5))])),
        ("replayed", Reply::Replayed(Head { seq: 9, hash: [8; 32] })),
    ]
}

pub fn get_located(get: GetPiece) -> Vec<u8> {
    wire::encode(&StreamOpen::GetLocated([9; 16], get))
}
