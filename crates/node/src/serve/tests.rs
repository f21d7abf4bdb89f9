//! A node's data streams over real links: what a bad permit is answered by, in the order a node looks, and a payer that pays,
//! falls behind, pays on and lies.

use super::*;
use crate::compute::{BlockStore, Leases};
use crate::fleet::owner_loop::{OwnerConfig, OwnerHandle};
use crate::fleet::sensors::ScriptedSensors;
use crate::storage::{LABEL_LEN, StoreLimits};
use client::compute::{SealedBlock, seal_blocks};
use model::{Bytes, PgId, Scheme, SegmentId, Span};
use net::{EndpointConfig, SecretKey};
use std::net::SocketAddr;
use wire::limits::AUDIT_FRAME_MAX;
use wire::shuffle::{BlockHead, GetBlocks, PutBlocks};
use wire::signed::public_of;
use wire::storage::{AuditOutcome, Challenge};

const NOW: Stamp = Stamp(1_800_000_000_000);
const CENTER: [u8; 32] = [11; 32];
const NODE: [u8; 32] = [12; 32];
const SESSION: [u8; 32] = [13; 32];
const CLOUD: CloudKey = CloudKey([14; 32]);
const PG: PgId = PgId(5);
const LEN: u64 = 4 << 20;
const SEGMENT: SegmentId = SegmentId([15; 32]);

struct World {
    _dir: tempfile::TempDir,
    _owner: OwnerHandle,
    node: Endpoint,
    caller: Endpoint,
    receipts: Receipts,
    data: Vec<u8>,
}

async fn endpoint(secret: [u8; 32]) -> Endpoint {
    let bind = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    Endpoint::bind(EndpointConfig { bind, ..EndpointConfig::new(SecretKey::from_bytes(secret)) }).await.unwrap()
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lend = dir.path().join("pumasi.toml");
        let owner = OwnerHandle::start(
            OwnerConfig::new(lend, dir.path().to_owned(), || NOW),
            Box::new(ScriptedSensors::calm()),
        )
        .unwrap();
        let mut watch = owner.watch();
        watch.wait_for(|view| view.allowance.storage_reads).await.unwrap();
        let limits = StoreLimits::new(Bytes::gib(1), Bytes(0), |_| true);
        let store = PieceStore::open(&dir.path().join("pieces"), limits).await.unwrap();
        let data: Vec<u8> = (0..LEN).map(|n| (n * 7 + n / 251) as u8).collect();
        let root = codec::tree::piece_root(&data);
        let meta = PieceMeta {
            pg: PG,
            segment: SEGMENT,
            scheme: Scheme { k: 1, m: 1, o: 2, slots: 2, n_max: 16, accept: 2 },
            sealed_bytes: LEN,
            segment_root: root,
            index: 0,
            piece_root: root,
            path: Vec::new(),
            label: vec![0; LABEL_LEN],
            len: LEN,
        };
        let mut writer = store.begin(meta).await.unwrap();
        writer.push(&data).unwrap();
        writer.commit().await.unwrap();
        let (node, caller) = (endpoint(NODE).await, endpoint(SESSION).await);
        let receipts = Receipts::open(dir.path(), NodeId(public_of(&NODE)));
        let (_, quarantined) = watch::channel(false);
        let key = public_of(&CENTER);
        let leases = Leases::new(CLOUD, key, || NOW);
        let blocks = BlockStore::open(dir.path().join("blocks"), 1 << 20).unwrap();
        let served = (Keeper::new(dir.path().join("jobs"), leases), Holding::new(leases, blocks, node.id()));
        let (owned, paid) = (owner.watch(), receipts.clone());
        let server = Server::new(NODE, CLOUD, key, store, owned, quarantined, paid, || NOW, false, served);
        tokio::spawn(server.run(node.clone()));
        caller.learn(node.addr());
        Self { _dir: dir, _owner: owner, node, caller, receipts, data }
    }

    async fn ask(&self, permit: &[u8], receipt: &[u8]) -> (Stream, PieceAnswer) {
        let link = self.caller.connect(self.node.id(), Duration::from_secs(5)).await.unwrap();
        let mut stream = link.open().await.unwrap();
        let (permit, receipt) = (permit.to_vec(), receipt.to_vec());
        let get =
            GetPiece { permit, pg: PG, segment: SEGMENT, index: 0, offset: 0, len: LEN, with_label: false, receipt };
        stream.write_frame(&wire::encode(&StreamOpen::GetPiece(get))).await.unwrap();
        let frame = stream.read_frame(REQUEST_MAX).await.unwrap();
        (stream, wire::decode(&frame, REQUEST_MAX).unwrap())
    }

    /// The id of a refusal and its finer name.
    async fn refused(&self, permit: &[u8], receipt: &[u8]) -> (ErrorId, String) {
        match self.ask(permit, receipt).await.1 {
            PieceAnswer::Refused(no) => (no.id, no.args.get("name").cloned().unwrap_or_default()),
            _ => panic!("the piece was served"),
        }
    }
}

fn permit() -> Permit {
    Permit {
        op: PermitOp::Get,
        flags: 0,
        serial: Permit::serial_of(NOW, [1; 8]),
        target: Permit::pg_target(PG),
        node: public_of(&NODE),
        session: public_of(&SESSION),
        cloud: CLOUD.0[..8].try_into().unwrap(),
        payer: 7,
        max_units: 1 << 30,
        max_units_node: 1 << 30,
        not_after: NOW + Span::hours(24),
        generation: 3,
        revocation_epoch: 0,
        key_epoch: 0,
    }
}

fn receipt(units: u64) -> Vec<u8> {
    let node = NodeId(public_of(&NODE));
    let (kind, serial) = (PermitOp::Get as u8, permit().serial);
    Receipt { kind, serial, node, units, window: Receipt::window_of(NOW), at: NOW }.sign(&SESSION).to_vec()
}

#[tokio::test]
async fn every_kind_of_bad_permit_is_refused_by_its_name_in_the_order_of_the_looks() {
    let world = World::new().await;
    let good = permit().sign(&CENTER);
    let changed = |change: &dyn Fn(&mut Permit)| {
        let mut permit = permit();
        change(&mut permit);
        permit.sign(&CENTER).to_vec()
    };
    let mut reserved = good;
    reserved[7] |= 0x80;
    let mut flipped = good;
    flipped[200] ^= 1;
    // In the order of the looks: each one is right in all that is looked at before.
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (good[..223].to_vec(), "permit_malformed"),
        (reserved.to_vec(), "permit_malformed"),
        (flipped.to_vec(), "permit_signature"),
        (permit().sign(&[99; 32]).to_vec(), "permit_signature"),
        (changed(&|p| p.key_epoch = 9), "permit_key"),
        (changed(&|p| p.node = [8; 32]), "permit_node"),
        (changed(&|p| p.cloud = [8; 8]), "permit_node"),
        (changed(&|p| p.node = [0; 32]), "permit_generation"),
        (changed(&|p| p.op = PermitOp::Put), "permit_op"),
        (changed(&|p| p.target = Permit::pg_target(PgId(6))), "permit_target"),
        (changed(&|p| p.not_after = NOW - Span::mins(16)), "permit_clock"),
        (changed(&|p| p.serial = Permit::serial_of(NOW + Span::mins(16), [1; 8])), "permit_clock"),
        (changed(&|p| p.session = [8; 32]), "permit_caller"),
        (changed(&|p| p.max_units_node = LEN - 1), "permit_spent"),
        (changed(&|p| p.max_units = LEN - 1), "permit_spent"),
    ];
    for (bytes, name) in &cases {
        assert_eq!(world.refused(bytes, &receipt(LEN)).await, (errors::BAD_PERMIT, (*name).to_owned()));
    }
    // Two things wrong: the first look names it.
    let both = changed(&|p| (p.op, p.session) = (PermitOp::Put, [8; 32]));
    assert_eq!(world.refused(&both, &receipt(LEN)).await.1, "permit_op");
    // None of them used anything up.
    let all = changed(&|p| p.max_units_node = LEN);
    let (mut stream, answer) = world.ask(&all, &receipt(LEN)).await;
    assert!(matches!(answer, PieceAnswer::Piece { len: LEN, .. }));
    let mut bytes = vec![0; LEN as usize];
    stream.read_exact(&mut bytes).await.unwrap();
    assert!(bytes == world.data);
    assert_eq!(world.refused(&all, &receipt(LEN)).await.1, "permit_spent");
}

#[tokio::test]
async fn a_node_serves_what_is_signed_for_and_goes_on_with_the_next_receipt() {
    let world = World::new().await;
    let permit = permit().sign(&CENTER);
    let (mut stream, answer) = world.ask(&permit, &receipt(300_000)).await;
    assert!(matches!(answer, PieceAnswer::Piece { .. }));
    let mut bytes = vec![0; LEN as usize];
    stream.read_exact(&mut bytes[..300_000]).await.unwrap();
    let more = tokio::time::timeout(Duration::from_millis(200), stream.read_some(&mut bytes[300_000..])).await;
    assert!(more.is_err(), "nothing more is sent than was signed for");
    for units in [500_000, 400_000, 2_000_000, LEN] {
        stream.write_frame(&receipt(units)).await.unwrap();
    }
    stream.read_exact(&mut bytes[300_000..]).await.unwrap();
    assert!(bytes == world.data);
    world.receipts.write(NOW);
    let kept = world.receipts.of_window(Receipt::window_of(NOW), [0; 16], 9);
    assert_eq!((kept.len(), kept[0].receipt.units), (1, LEN));
    assert_eq!(kept[0].bytes, receipt(LEN), "the receipt is kept as it came");
}

#[tokio::test]
async fn a_bad_receipt_ends_the_stream_and_one_that_is_missing_is_refused() {
    let world = World::new().await;
    let signed = permit().sign(&CENTER);
    assert_eq!(world.refused(&signed, &[]).await, (errors::BAD_RECEIPT, "receipt_signature".into()));
    let foreign = Receipt::check(&receipt(5), &public_of(&SESSION)).unwrap().sign(&[9; 32]);
    assert_eq!(world.refused(&signed, &foreign).await.1, "receipt_signature");
    assert_eq!(world.refused(&signed, &receipt((1 << 30) + 1)).await.1, "receipt_units");
    let (mut stream, _) = world.ask(&signed, &receipt(100_000)).await;
    let mut bytes = vec![0; LEN as usize];
    stream.read_exact(&mut bytes[..100_000]).await.unwrap();
    stream.write_frame(&foreign).await.unwrap();
    assert!(stream.read_exact(&mut bytes[100_000..]).await.is_err());
    // Under a permit that is free nothing is signed.
    let free = Permit { flags: FLAG_FREE, serial: Permit::serial_of(NOW, [2; 8]), ..permit() }.sign(&CENTER);
    let (mut stream, _) = world.ask(&free, &[]).await;
    stream.read_exact(&mut bytes).await.unwrap();
    assert!(bytes == world.data);
}

/// Puts a challenge for two slices of what is held to the node, and sends a receipt behind the answer.
async fn audit(world: &World, permit: &Permit, receipt: Option<Vec<u8>>) {
    let pick = |group| AuditPick { pg: PG, segment: SEGMENT, index: 0, group };
    let challenge = Challenge { nonce: [6; 32], node: world.node.id(), picks: vec![pick(0), pick(9)] };
    let open = AuditOpen { permit: permit.sign(&CENTER).to_vec(), challenge };
    let open = wire::encode(&StreamOpen::Audit(Box::new(open)));
    let link = world.caller.connect(world.node.id(), Duration::from_secs(5)).await.unwrap();
    let limits = net::CallLimits { max_reply: AUDIT_FRAME_MAX, timeout: Duration::from_secs(5) };
    let (outcome, proved) = link
        .gather(&open, (3, limits), |frames| (AuditOutcome::of(2, &frames, |_, bytes| bytes.len() > 16 << 10), receipt))
        .await
        .unwrap();
    assert!(matches!(outcome, AuditOutcome::Answered { .. }) && proved > 32 << 10, "{outcome:?}");
}

#[tokio::test]
async fn the_receipt_for_proofs_is_kept_and_one_that_does_not_count_is_not() {
    let world = World::new().await;
    let paid = Permit { op: PermitOp::Audit, target: [0; 16], ..permit() };
    let signed = |units, secret: &[u8; 32]| Some(Receipt::once(&paid, units, NOW).unwrap().sign(secret).to_vec());
    let kept = || {
        world.receipts.write(NOW);
        world.receipts.of_window(Receipt::window_of(NOW), [0; 16], 9)
    };
    audit(&world, &paid, None).await;
    audit(&world, &paid, signed(33_000, &[9; 32])).await;
    assert!(kept().is_empty(), "nothing was signed, or by somebody else");
    let free = Permit { flags: FLAG_FREE, serial: Permit::serial_of(NOW, [2; 8]), ..paid };
    audit(&world, &free, signed(33_000, &SESSION)).await;
    audit(&world, &paid, signed(33_000, &SESSION)).await;
    for _ in 0..100 {
        if !kept().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let [one] = &kept()[..] else { panic!("one receipt is kept") };
    assert_eq!((one.receipt.kind, one.receipt.units, one.permit.payer), (PermitOp::Audit as u8, 33_000, 7));
}

/// Who holds blocks: the node, and another.
fn holders() -> [NodeId; 2] {
    [NodeId(public_of(&NODE)), NodeId([24; 32])]
}

/// A lease of this stage and item for the caller, with its permit.
fn lease(stage: u8, first: u32) -> (Vec<u8>, Vec<u8>) {
    let node = NodeId([21; 32]);
    let body = wire::signed::LeaseBody {
        stage,
        count: 1,
        first,
        direct: true,
        job: model::JobId([22; 16]),
        serial: 23,
        expected_fuel: 0,
        max_fuel: 1,
        node,
        engine: [0; 16],
        parts: 3,
        holders: wire::signed::LeaseBody::holders_hash(&holders()),
    };
    let body = body.to_bytes();
    let target = wire::signed::LeaseBody::target(&body);
    let permit = Permit { op: PermitOp::Task, target, node: node.0, ..permit() };
    (body.to_vec(), permit.sign(&CENTER).to_vec())
}

impl World {
    async fn put_blocks(&self, lease: &(Vec<u8>, Vec<u8>), item: u32, blocks: &[SealedBlock]) -> BlockAnswer {
        self.put_blocks_to(&holders(), lease, item, blocks).await
    }

    async fn put_blocks_to(
        &self,
        holders: &[NodeId],
        (lease, permit): &(Vec<u8>, Vec<u8>),
        item: u32,
        blocks: &[SealedBlock],
    ) -> BlockAnswer {
        let heads = blocks.iter().map(|block| block.head.clone()).collect();
        let holders = holders.to_vec();
        let put = PutBlocks { lease: lease.clone(), permit: permit.clone(), item, holders, heads };
        let mut stream = self.open(&StreamOpen::PutBlocks(Box::new(put))).await;
        for block in blocks {
            let _ = stream.write_all(&block.bytes).await; // who refuses reads no further
        }
        let _ = stream.finish();
        self.said(&mut stream).await
    }

    async fn get_block(
        &self,
        (lease, permit): &(Vec<u8>, Vec<u8>),
        part: u32,
        of: (u32, u64),
    ) -> (BlockAnswer, Vec<u8>) {
        let get = GetBlocks { lease: lease.clone(), permit: permit.clone(), stage: 0, part, of: vec![of] };
        let mut stream = self.open(&StreamOpen::GetBlocks(Box::new(get))).await;
        let answer = self.said(&mut stream).await;
        let mut bytes = Vec::new();
        if let BlockAnswer::Block(head) = &answer {
            bytes.resize(usize::try_from(head.sealed).unwrap(), 0);
            stream.read_exact(&mut bytes).await.unwrap();
        }
        (answer, bytes)
    }

    async fn open(&self, open: &StreamOpen) -> Stream {
        let link = self.caller.connect(self.node.id(), Duration::from_secs(5)).await.unwrap();
        let mut stream = link.open().await.unwrap();
        stream.write_frame(&wire::encode(open)).await.unwrap();
        stream
    }

    async fn said(&self, stream: &mut Stream) -> BlockAnswer {
        let frame = stream.read_frame(wire::limits::BLOCK_ANSWER_MAX).await.unwrap();
        wire::decode(&frame, REQUEST_MAX).unwrap()
    }
}

fn is_refused(answer: &BlockAnswer) -> bool {
    matches!(answer, BlockAnswer::Refused(no) if no.id == errors::BAD_PERMIT)
}

#[tokio::test]
async fn blocks_are_kept_for_a_mapper_and_given_to_who_merges_their_part_alone() {
    let world = World::new().await;
    let parts = vec![b"a\t1\n".to_vec(), b"b\t1\n".repeat(100_000), Vec::new()];
    let (blocks, _) = seal_blocks(&model::JobId([22; 16]), &[1; 32], &[2; 32], parts).unwrap();
    let (maps, merges) = (lease(0, 7), lease(1, 1));
    assert!(is_refused(&world.put_blocks(&maps, 8, &blocks).await), "an item that the lease does not name");
    let forged = (maps.0.clone(), merges.1.clone());
    assert!(is_refused(&world.put_blocks(&forged, 7, &blocks).await), "another lease's permit");
    let others = [NodeId([24; 32])];
    assert!(is_refused(&world.put_blocks_to(&others, &maps, 7, &blocks).await), "this machine is no holder");
    let more = [holders()[0], holders()[1], NodeId([25; 32])];
    assert!(is_refused(&world.put_blocks_to(&more, &maps, 7, &blocks).await), "other holders than the lease names");
    let beyond = [SealedBlock { head: BlockHead { part: 3, ..blocks[1].head.clone() }, ..blocks[1].clone() }];
    assert!(is_refused(&world.put_blocks(&maps, 7, &beyond).await), "a part that there is not");
    assert_eq!(world.put_blocks(&maps, 7, &blocks).await, BlockAnswer::Kept);
    let (answer, bytes) = world.get_block(&merges, 1, (7, 23)).await;
    assert_eq!((answer, &bytes), (BlockAnswer::Block(blocks[1].head.clone()), &blocks[1].bytes));
    assert_eq!(world.get_block(&merges, 1, (7, 24)).await.0, BlockAnswer::Missing, "another attempt's");
    assert!(is_refused(&world.get_block(&merges, 0, (7, 23)).await.0), "another part");
    assert!(is_refused(&world.get_block(&maps, 7, (7, 23)).await.0), "a mapper merges nothing");
    let too_much =
        [SealedBlock { bytes: vec![0; 1 << 20], head: BlockHead { sealed: 1 << 20, ..blocks[1].head.clone() } }];
    let refused = world.put_blocks(&maps, 7, &too_much).await;
    assert!(matches!(refused, BlockAnswer::Refused(no) if no.id == errors::NOT_LENDING), "more than the room");
}
