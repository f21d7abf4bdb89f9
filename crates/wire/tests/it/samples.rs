//! One sample of every message, with every field away from its default.

use model::*;
use std::collections::BTreeMap;
use wire::access::*;
use wire::account::*;
use wire::fleet::*;
use wire::signed::Head;
use wire::storage::*;
use wire::{Envelope, PeerAddr, RefusalMsg, RelayHint, Reply, Request};

const NOW: Stamp = Stamp(1_800_000_000_000);

fn addr() -> PeerAddr {
    let relay = RelayHint { host: "relay.example".into(), port: 7702, quic_port: 7703, key: NodeId([2; 32]) };
    PeerAddr {
        id: NodeId([1; 32]),
        direct: vec!["127.3.0.1:7701".parse().unwrap(), "[::1]:9".parse().unwrap()],
        relays: vec![relay],
    }
}

fn facts() -> MachineFacts {
    MachineFacts {
        os: Os::Linux,
        arch: Arch::X86_64,
        cores: 8,
        memory_mib: 16_000,
        disk_free: Bytes::gib(400),
        program: 1_000,
        lent: Bytes::gib(10),
        accepts: 9,
    }
}

fn commit() -> Commit {
    Commit {
        commit_id: [1; 16],
        record: vec![2; 256],
        name_sealed: vec![3; 40],
        expect: Expect::Version([4; 16]),
        segments: vec![SegmentRun { pg: PgId(1), seq: 5, count: 6 }],
        fresh: vec![1],
        manifest: vec![6; 300],
    }
}

fn upload_part() -> UploadPart {
    let segments = vec![SegmentRun { pg: PgId(1), seq: 5, count: 6 }];
    UploadPart { bucket: BucketId([2; 16]), upload: [3; 16], number: 9, segments, note: vec![4; 9] }
}

fn uploads() -> UploadPage {
    let line = UploadLine { upload: [3; 16], name_sealed: vec![3; 40], note: vec![4; 9], at: NOW, changed: NOW };
    let part = PartLine { number: 9, note: vec![4; 9], at: NOW };
    UploadPage { uploads: vec![line], parts: vec![part], more: true }
}

fn challenge() -> Challenge {
    let pick = AuditPick { pg: PgId(1), segment: SegmentId([2; 32]), index: 3, group: 4 };
    Challenge { nonce: [5; 32], node: NodeId([1; 32]), picks: vec![pick] }
}

fn audit_open() -> AuditOpen {
    AuditOpen { permit: vec![6; 224], challenge: challenge() }
}

fn audit_work() -> AuditWork {
    let scheme = Scheme { k: 2, m: 3, o: 4, slots: 4, n_max: 8, accept: 3 };
    let target = Slot { index: 0, addr: addr(), on: true, permit: vec![6; 224] };
    AuditWork {
        lease: 7,
        until: NOW,
        target,
        challenge: challenge(),
        layouts: vec![(scheme, 70_000)],
        deadline_ms: 12_000,
    }
}

fn hand_over() -> HandOver {
    let target = Slot { index: 3, addr: addr(), on: true, permit: vec![6; 224] };
    let segment = ReadSegment { id: SegmentId([2; 32]), pg: PgId(1), seq: 5, sealed_bytes: 70_000, have: Vec::new() };
    HandOver { moving: 1, waiting: 2, work: Some(Box::new(HandOverWork { target, segments: vec![segment] })) }
}

fn fill_work() -> FillWork {
    let target = Slot { index: 0, addr: addr(), on: true, permit: vec![6; 224] };
    FillWork { lease: 7, until: NOW, target, pieces: vec![FillSeed { number: 3, seed: [9; 32] }] }
}

fn audit_done() -> AuditDone {
    let outcome =
        AuditOutcome::Answered { slices: vec![[8; 32]], signature: vec![9; 64], wrong: vec![(0, vec![1; 20])] };
    AuditDone { lease: 7, took_ms: 900, outcome, signature: vec![3; 64] }
}

fn granted(ask: GrantedAsk) -> Request {
    Request::Granted(Box::new(Granted { grant: vec![1; 9], proof: vec![2; 64], ask }))
}

fn grant_note() -> GrantNote {
    GrantNote { id: [1; 16], bucket: BucketId([2; 16]), note: vec![3; 9], not_after: Some(NOW) }
}

fn account() -> AccountInfo {
    AccountInfo {
        account: AccountId([1; 16]),
        member: MemberId([2; 16]),
        entries: vec![vec![3; 9]],
        keybag: vec![4; 8],
        phrase_at: Some(NOW),
    }
}

fn measured() -> Measured {
    Measured {
        cpu_score: Some(123_456),
        fsync_ms: Some((4, 20)),
        disk_mb_s: Some(300),
        up: Some(Kbps(20_000)),
        down: Some(Kbps(90_000)),
        nat: Some(NatKind::Easy),
        rtt_ms: vec![(NodeId([4; 32]), 12, 3)],
        loss_ppm: Some(100),
    }
}

fn capability() -> CapabilityLine {
    CapabilityLine {
        capability: Capability::Store,
        yes: false,
        why: Some("capability-up".into()),
        args: vec![("have".into(), "1".into())],
    }
}

fn line() -> NodeLine {
    NodeLine {
        id: NodeId([1; 32]),
        alias: Alias(7),
        name: "li-desktop".into(),
        owner: MemberId([5; 16]),
        region: Some("asia/kr".parse().unwrap()),
        evidence: RegionEvidence::Declared,
        os: Os::Linux,
        presence: Presence::On,
        state: NodeState::Pause,
        reason: PauseReason::Input,
        tier: Tier::T2,
        quarantined: true,
        lent: Bytes::gib(10),
        nat: NatKind::Open,
        up: Some(Kbps(5_000)),
        seen: Some(NOW),
        capabilities: 9,
        program: 1_000,
    }
}

fn scheme() -> Scheme {
    Scheme::circle(8, 8).unwrap()
}

fn slot() -> Slot {
    Slot { index: 3, addr: addr(), on: true, permit: vec![7; 224] }
}

/// Every request, wrapped.
pub fn requests() -> Vec<(&'static str, Envelope)> {
    let check_in = CheckIn {
        boot: 77,
        sequence: 5,
        now: NOW,
        state: NodeState::Limit,
        reason: PauseReason::Pressure,
        free: Free { cores_milli: 4_000, memory_mib: 8_000, disk_mib: 1_000 },
        allowed: Allowed { up: Kbps(1), down: Kbps(2) },
        transfer_left_mib: Some(9),
        leases: vec![wire::compute::LeaseTold { serial: 1, items: 2, fuel: 3, parked: true }],
        cursors: vec![(3, 4)],
        generation: 6,
        busy: true,
        addr: Some(addr()),
        lent: Some(Bytes::gib(3)),
        held: Held { pieces: 5, bytes: 500, trashed: 1, trashed_bytes: 100, damaged: 2 },
    };
    let join = JoinAsk {
        cloud: CloudKey([2; 32]),
        secret: [3; 16],
        name: "li".into(),
        facts: facts(),
        now: NOW,
        region: Some("asia/kr".parse().unwrap()),
        binding: vec![1, 2, 3],
        lends: true,
    };
    let ticket = TicketAsk {
        name: "Li".into(),
        roles: Roles::BOTH,
        credits: Credits(5),
        uses: 2,
        life_ms: 86_400_000,
        secret_hash: [8; 32],
    };
    let commit = commit();
    let written = WrittenSegment {
        id: SegmentId([4; 32]),
        pg: PgId(1),
        sealed_bytes: 65_536,
        root: [0; 32],
        receipts: vec![vec![5; 176]],
    };
    let batch =
        CommitBatch { bucket: BucketId([2; 16]), segments: vec![written.clone()], commits: vec![commit.clone()] };
    let make = BucketMake {
        id: BucketId([2; 16]),
        check: [3; 16],
        name_check: [4; 16],
        label: vec![5; 40],
        class: Class::Fortress,
        regions: vec!["asia/kr".parse().unwrap()],
        regions_min: 2,
    };
    let read = ReadOpen {
        bucket: BucketId([2; 16]),
        name_sealed: vec![3; 40],
        version: Some([4; 16]),
        first: 5,
        limit: 6,
        session: NodeId([9; 32]),
        known: vec![(PgId(1), 2)],
        units: 7,
    };
    let list = ObjectList { bucket: BucketId([2; 16]), name_sealed: Some(vec![3; 40]), after: 5, limit: 100 };
    [
        ("cloud", Request::Cloud),
        ("join", Request::Join(Box::new(join))),
        ("check_in", Request::CheckIn(Box::new(check_in))),
        ("goodbye", Request::Goodbye(Goodbye { boot: 77, why: Parting::Sleep })),
        ("measured", Request::Measured(Box::new(measured()))),
        ("probe_peers", Request::ProbePeers(Some([3; 16]))),
        ("ticket_create", Request::TicketCreate(ticket)),
        ("ticket_list", Request::TicketList),
        ("ticket_revoke", Request::TicketRevoke(TicketId([9; 8]))),
        ("member_list", Request::MemberList),
        (
            "node_list",
            Request::NodeList(NodeFilter {
                mine: true,
                region: Some("asia".parse().unwrap()),
                after: Some(Alias(3)),
                limit: 100,
            }),
        ),
        ("node_show", Request::NodeShow("li-desktop".into())),
        ("node_set", Request::NodeSet(NodeSet { node: "li".into(), act: NodeAct::Quarantine { why: "test".into() } })),
        (
            "write_open",
            Request::WriteOpen(WriteOpen { bucket: BucketId([2; 16]), bytes_max: 1 << 20, session: NodeId([9; 32]) }),
        ),
        ("commit", Request::Commit(Box::new(commit))),
        ("read_open", Request::ReadOpen(read)),
        ("object_list", Request::ObjectList(list)),
        ("absence", Request::Absence(Absence::Holiday(NOW))),
        ("bucket_make", Request::BucketMake(Box::new(make))),
        ("bucket_list", Request::BucketList),
        ("bucket_show", Request::BucketShow(BucketId([2; 16]))),
        ("bucket_remove", Request::BucketRemove(BucketId([2; 16]))),
        ("bucket_report", Request::BucketReport(BucketId([2; 16]))),
        (
            "segments_keep",
            Request::SegmentsKeep(Box::new(SegmentsKeep {
                bucket: BucketId([2; 16]),
                segments: vec![written.clone()],
            })),
        ),
        ("commit_batch", Request::CommitBatch(Box::new(batch))),
        (
            "steward_ask",
            Request::StewardAsk(StewardAsk {
                session: NodeId([9; 32]),
                staged: vec![SegmentRun { pg: PgId(1), seq: 5, count: 6 }],
            }),
        ),
        (
            "steward_done",
            Request::StewardDone(Box::new(StewardDone {
                lease: 7,
                is_over: true,
                segments: vec![FilledSegment { id: written.id, receipts: written.receipts }],
                kept: vec![12],
                read: vec![0, 5],
            })),
        ),
        ("staged_ask", Request::Staged(vec![SegmentRun { pg: PgId(1), seq: 5, count: 6 }])),
        ("group_log_ask", Request::GroupLog(LogAsk { pg: PgId(3), after: 7, limit: 9 })),
        ("pieces_lost", Request::PiecesLost(vec![LostPiece { pg: PgId(3), segment: SegmentId([8; 32]), index: 2 }])),
        (
            "account_make",
            Request::AccountMake(Box::new(AccountMake { entries: vec![vec![1; 9], vec![2; 8]], keybag: vec![3; 7] })),
        ),
        ("account_show", Request::AccountShow),
        ("device_log_push", Request::DeviceLogPush(vec![4; 6])),
        ("slot_put", Request::SlotPut(Box::new(SlotPut { locator: [1; 16], wrap: vec![2; 80], entry: vec![3; 9] }))),
        ("slot_get", Request::SlotGet([5; 16])),
        ("pair_open", Request::PairOpen([6; 32], 600_000)),
        ("pair_say", Request::PairSay(Box::new(PairSay { secret: [7; 16], step: 2, bytes: vec![8; 5] }))),
        ("pair_hear", Request::PairHear([9; 16], 3)),
        ("grant_note", Request::GrantNote(Box::new(grant_note()))),
        ("grant_list", Request::GrantList),
        ("grant_revoke", Request::GrantRevoke([1; 16])),
        ("granted_commit", granted(GrantedAsk::Commit(Box::new(self::commit())))),
        (
            "granted_write",
            granted(GrantedAsk::Write(WriteOpen { bucket: BucketId([2; 16]), bytes_max: 9, session: NodeId([3; 32]) })),
        ),
        ("bucket_quota", Request::BucketQuota(BucketId([2; 16]), 99)),
        (
            "upload_begin",
            Request::UploadBegin(Box::new(UploadBegin {
                bucket: BucketId([2; 16]),
                upload: [3; 16],
                name_sealed: vec![3; 40],
                note: vec![4; 9],
            })),
        ),
        ("upload_part", Request::UploadPart(Box::new(upload_part()))),
        (
            "upload_list",
            Request::UploadList(UploadAsk {
                bucket: BucketId([2; 16]),
                upload: Some([3; 16]),
                after: [4; 16],
                limit: 9,
            }),
        ),
        (
            "upload_complete",
            Request::UploadComplete(Box::new(UploadComplete {
                upload: [3; 16],
                parts: vec![1, 9],
                notes: [8; 32],
                commit: self::commit(),
            })),
        ),
        ("upload_abort", Request::UploadAbort(BucketId([2; 16]), [3; 16])),
        (
            "pieces_doubted",
            Request::PiecesDoubted(vec![LostPiece { pg: PgId(1), segment: SegmentId([2; 32]), index: 3 }]),
        ),
        ("hand_over_ask", Request::HandOverAsk(Some(NodeId([1; 32])))),
        (
            "hand_over_done",
            Request::HandOverDone(Box::new(HandOverDone {
                pg: PgId(1),
                slot: 2,
                up_to: 9,
                receipts: vec![vec![1; 176]],
            })),
        ),
        ("absence_drain", Request::Absence(Absence::Drain(Some(NodeId([1; 32]))))),
        ("absence_stay", Request::Absence(Absence::Stay)),
        ("audit_ask", Request::AuditAsk(NodeId([1; 32]))),
        ("audit_done", Request::AuditDone(Box::new(audit_done()))),
        ("fill_ask", Request::FillAsk(NodeId([1; 32]))),
        ("fill_done", Request::FillDone(Box::new(FillDone { lease: 7, receipts: vec![(3, vec![5; 176])] }))),
        ("granted", granted(GrantedAsk::Show)),
    ]
    .into_iter()
    .chain(crate::rebuild::requests())
    .chain(crate::compute::requests())
    .chain(crate::ledger::requests())
    .chain(crate::settle::requests())
    .map(|(name, request)| (name, Envelope { version: 1, alias: Some(Alias(11)), request }))
    .collect()
}

/// Every reply.
pub fn replies() -> Vec<(&'static str, Reply)> {
    let plan = Plan {
        generation: 3,
        quarantined: true,
        ask: Ask { cores_milli: 1, memory_mib: 2, disk: Bytes(3), up: Kbps(4), down: Kbps(5) },
    };
    let probe = ProbePeer { addr: addr(), region: Some("europe/de".parse().unwrap()), permit: vec![7; 224] };
    let joined = JoinReply {
        member: MemberId([5; 16]),
        roles: Roles::BOTH,
        alias: Some(Alias(7)),
        cloud_name: "Chen family".into(),
        now: NOW,
        permit_key: [6; 32],
        relays: addr().relays,
        center: addr(),
        again: true,
        capabilities: vec![capability()],
        dev: true,
    };
    let checked_in = CheckInReply {
        now: NOW,
        next: Span::secs(30),
        plan,
        leases_canceled: vec![1],
        leases_unknown: vec![2],
        probes: vec![probe.clone()],
        revocation_epoch: 2,
        program_floor: 3,
        notices: vec![201],
        integrity: model::Ppm(979_000),
        duplicate: true,
        has_steward_work: true,
        moved: vec![PgId(3)],
        time_scale: Some(model::TimeScale(4_320)),
        ledger_root: Some((20_833, [9; 32])),
        signs_root: true,
    };
    let detail = NodeDetail {
        line: line(),
        measured: measured(),
        declared: Some("asia/kr".parse().unwrap()),
        capabilities: vec![capability()],
        integrity_ppm: 999_000,
        profile: vec![200; 168],
        joined: NOW,
        clock_offset_ms: -5,
        quarantine_why: Some("test".into()),
        events: vec![(NOW, "joined".into(), String::new())],
        generation: 3,
        missing_after: Span::hours(72),
        held: Some(Held { pieces: 5, bytes: 500, trashed: 1, trashed_bytes: 100, damaged: 2 }),
        accounted: Some((5, 500)),
        audits: Some(AuditCounts { proved: 160, gone: 1, wrong: 2, silent: 3, at: NOW }),
        rank: RankDetail {
            since: NOW,
            why: RankWhy::Probation {
                put_back: true,
                time: Span::days(3),
                time_wanted: Span::days(21),
                audits: 12,
                audits_wanted: 100,
                accepts: Some(Bytes::gib(10)),
            },
        },
    };
    let segment =
        ReadSegment { id: SegmentId([4; 32]), pg: PgId(1), seq: 5, sealed_bytes: 65_536, have: vec![0xff, 3] };
    vec![
        ("done", Reply::Done),
        (
            "refused",
            Reply::Refused(RefusalMsg { id: errors::TICKET_USED, args: BTreeMap::from([("n".into(), "1".into())]) }),
        ),
        (
            "cloud",
            Reply::Cloud(CloudInfo {
                key: CloudKey([2; 32]),
                name: "Chen".into(),
                now: NOW,
                oldest_version: 1,
                you_are: Some("127.0.0.1:5".parse().unwrap()),
            }),
        ),
        ("joined", Reply::Joined(Box::new(joined))),
        ("checked_in", Reply::CheckedIn(Box::new(checked_in))),
        ("probe_peers", Reply::ProbePeers(vec![probe])),
        ("capabilities", Reply::Capabilities(vec![capability()])),
        ("ticket_made", Reply::TicketMade(TicketMade { id: TicketId([9; 8]), expires: NOW, center: addr() })),
        (
            "tickets",
            Reply::Tickets(vec![TicketLine {
                id: TicketId([9; 8]),
                name: "Li".into(),
                roles: Roles::LEND,
                uses_left: 1,
                uses_total: 2,
                expires: NOW,
                revoked: Some(NOW),
                maker: MemberId([5; 16]),
            }]),
        ),
        (
            "members",
            Reply::Members(vec![MemberLine {
                id: MemberId([5; 16]),
                name: "Li".into(),
                roles: Roles::USE,
                frozen: Some("why".into()),
                joined: NOW,
                devices: vec![DeviceId([1; 32])],
                nodes_count: 1,
            }]),
        ),
        ("nodes", Reply::Nodes(NodePage { nodes: vec![line()], more: true, counts: vec![1, 2, 3] })),
        ("node", Reply::Node(Box::new(detail))),
        (
            "write_grant",
            Reply::WriteGrant(Box::new(WriteGrant {
                pg: PgId(1),
                generation: 2,
                scheme: scheme(),
                slots: vec![slot()],
                first: vec![3],
                spare: vec![4, 5],
            })),
        ),
        ("committed", Reply::Committed(Committed { head: head(), at: NOW })),
        (
            "read_grant",
            Reply::ReadGrant(Box::new(ReadGrant {
                version: [4; 16],
                manifest: vec![6; 30],
                at: NOW,
                is_dropped: false,
                segments_count: 7,
                segments: vec![segment.clone()],
                groups: vec![read_group()],
            })),
        ),
        (
            "objects",
            Reply::Objects(ObjectPage {
                objects: vec![ObjectLine {
                    bucket_seq: 1,
                    name_sealed: vec![2],
                    version: [4; 16],
                    record: vec![5; 256],
                    manifest: vec![3],
                    at: NOW,
                }],
                more: true,
                head: head(),
            }),
        ),
        (
            "buckets",
            Reply::Buckets(vec![BucketLine {
                id: BucketId([2; 16]),
                check: [3; 16],
                name_check: [4; 16],
                label: vec![5; 40],
                at: NOW,
                head: head(),
                objects: 6,
                sealed_bytes: 7,
                class: Class::Eco,
                regions: vec!["asia/kr".parse().unwrap()],
                regions_min: 2,
                quota: 77,
            }]),
        ),
        (
            "bucket_report",
            Reply::BucketReport(Some(Box::new(BucketReport {
                scheme: scheme(),
                pieces: 1,
                on: 2,
                nodes: 3,
                any_nodes: 4,
                any: vec![("owner".into(), 5, 6)],
                whole: vec![("country kr".into(), 7, true)],
                pool_ppm: 8,
                is_partial: true,
                is_waived: false,
            }))),
        ),
        ("segments_kept", Reply::SegmentsKept(vec![SegmentRun { pg: PgId(1), seq: 5, count: 6 }])),
        (
            "commit_batch_answer",
            Reply::CommitBatch(CommitAnswers {
                segments: vec![SegmentRun { pg: PgId(1), seq: 5, count: 1 }],
                commits: vec![
                    Ok(Committed { head: head(), at: NOW }),
                    Err(RefusalMsg::new(errors::PRECONDITION, [("key", "x".into())])),
                ],
            }),
        ),
        (
            "steward_work",
            Reply::StewardWork(Some(Box::new(StewardWork {
                lease: 7,
                until: NOW,
                group: read_group(),
                targets: vec![slot()],
                line_share: Ppm::percent(30),
                segments: vec![StewardSegment { segment, wanted: vec![3, 7], later: vec![9] }],
            }))),
        ),
        ("account", Reply::Account(Some(Box::new(account())))),
        ("slot", Reply::Slot(Box::new(SlotInfo { wrap: vec![1; 80], account: account() }))),
        ("pair", Reply::Pair(Some(vec![2; 9]))),
        ("uploads", Reply::Uploads(uploads())),
        ("hand_over", Reply::HandOver(Some(Box::new(hand_over())))),
        ("handed_over", Reply::HandedOver(true)),
        ("audit_work", Reply::AuditWork(Some(Box::new(audit_work())))),
        ("fill_work", Reply::FillWork(Some(Box::new(fill_work())))),
        ("grants", Reply::Grants(vec![GrantLine { note: grant_note(), at: NOW, revoked: Some(NOW) }])),
        (
            "group_log",
            Reply::GroupLog(LogPage {
                entries: vec![
                    LogEntry { seq: 8, id: SegmentId([1; 32]), is_drop: false },
                    LogEntry { seq: 9, id: SegmentId([2; 32]), is_drop: true },
                ],
                head: 9,
                more: false,
                is_whole: true,
                yours: vec![3, 140],
            }),
        ),
        ("staged", Reply::Staged(vec![StagedState { pieces: 5, enough: 9, full: 10, is_gone: false }])),
    ]
    .into_iter()
    .chain(crate::rebuild::replies())
    .chain(crate::compute::replies())
    .chain(crate::ledger::replies())
    .chain(crate::settle::replies())
    .collect()
}

fn read_group() -> ReadGroup {
    ReadGroup { pg: PgId(1), generation: 2, scheme: scheme(), slots: vec![slot()] }
}

fn head() -> Head {
    Head { seq: 9, hash: [8; 32] }
}

/// First frames of data streams and their answers.
pub fn streams() -> Vec<(&'static str, Vec<u8>)> {
    let put = PutPiece {
        permit: vec![7; 224],
        pg: PgId(1),
        segment: SegmentId([4; 32]),
        scheme: scheme(),
        sealed_bytes: 65_536,
        segment_root: [1; 32],
        index: 2,
        piece_root: [3; 32],
        path: vec![[4; 32]; 4],
        label: vec![5; 512],
        len: 65_536,
    };
    let get = GetPiece {
        permit: vec![7; 224],
        pg: PgId(1),
        segment: SegmentId([4; 32]),
        index: 2,
        offset: 3,
        len: 4,
        with_label: true,
        receipt: vec![8; 144],
    };
    let piece = PieceAnswer::Piece {
        segment_root: [1; 32],
        piece_root: [2; 32],
        path: vec![[3; 32]],
        groups: vec![[4; 32]],
        range_path: vec![[5; 32]],
        label: vec![6; 512],
        piece_len: 5,
        len: 6,
    };
    let locate = Locate { locator: [9; 16], after: Some((SegmentId([4; 32]), 7)), limit: 20 };
    let located = LocatedPiece {
        segment: SegmentId([4; 32]),
        index: 2,
        pg: PgId(1),
        scheme: scheme(),
        sealed_bytes: 70_000,
        label: vec![6; 512],
    };
    let mut all = crate::compute::blocks();
    all.extend([
        ("parcels", crate::compute::parcel_ask()),
        ("answer_parcels", crate::compute::parcels()),
        ("locate", wire::encode(&StreamOpen::Locate(locate))),
        ("audit", wire::encode(&StreamOpen::Audit(Box::new(audit_open())))),
        ("answer_slice", wire::encode(&PieceAnswer::Slice(vec![1; 9]))),
        ("answer_signed", wire::encode(&PieceAnswer::Signed(vec![2; 64]))),
        ("answer_located", wire::encode(&PieceAnswer::Located(vec![located]))),
        ("put_piece", wire::encode(&StreamOpen::PutPiece(Box::new(put)))),
        ("get_located", crate::rebuild::get_located(get.clone())),
        ("get_piece", wire::encode(&StreamOpen::GetPiece(get))),
        ("probe", wire::encode(&StreamOpen::Probe { permit: vec![7; 224], up: 1, down: 2 })),
        ("answer_kept", wire::encode(&PieceAnswer::Kept(vec![8; 176]))),
        ("answer_piece", wire::encode(&piece)),
        ("answer_probe", wire::encode(&PieceAnswer::Probe)),
        (
            "answer_refused",
            wire::encode(&PieceAnswer::Refused(RefusalMsg::new(errors::BAD_PERMIT, [("op", "put".into())]))),
        ),
    ]);
    all
}
