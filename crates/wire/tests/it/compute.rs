//! Samples of jobs and work.

use model::compute::*;
use model::*;
use wire::compute::*;
use wire::shuffle::*;
use wire::storage::StreamOpen;
use wire::{PeerAddr, Reply, Request};

const NOW: Stamp = Stamp(1_800_000_000_000);

fn submit() -> JobSubmit {
    JobSubmit {
        id: JobId([1; 16]),
        kind: JobKind::MapReduce,
        label: vec![2; 40],
        trust: Trust::Public,
        check: Check::Strict,
        is_interactive: true,
        regions: vec!["asia/kr".parse().unwrap()],
        deadline: NOW,
        stages: vec![JobStage {
            items: 3,
            memory_mib: 256,
            scratch_mib: 64,
            fuel_max: 4,
            wall: Span::mins(30),
            bytes_in: 5,
        }],
        bucket: BucketId([3; 16]),
        keepers: vec![NodeId([4; 32])],
        engine: [5; 16],
        max_credits: model::Ucredit(6),
    }
}

fn ask() -> WorkAsk {
    WorkAsk {
        session: NodeId([1; 32]),
        slots: vec![FreeSlot { memory_mib: 256, scratch_mib: 64 }],
        trusts: 7,
        walls: 2,
        engines: vec![[5; 16]],
        session_age: Span::hours(3),
        longest: Span::hours(2),
    }
}

fn result() -> ItemResult {
    ItemResult { item: 1, hash: [2; 32], fuel: 3, bytes: 4, of: [5; 32] }
}

pub fn requests() -> Vec<(&'static str, Request)> {
    let trouble = ItemTrouble { item: 2, kind: FailKind::Trap, detail: 3, fuel: 4 };
    let reports = vec![
        WorkReport::Computed(9, vec![result()]),
        WorkReport::Done(9, vec![result()]),
        WorkReport::Failed(9, trouble),
        WorkReport::Parked(9),
        WorkReport::Over(9),
        WorkReport::Missing(9, 0, vec![3, 4]),
    ];
    let items = JobItemsAsk { job: JobId([1; 16]), stage: 1, after: Some(7), limit: 9 };
    vec![
        ("job_submit", Request::JobSubmit(Box::new(submit()))),
        ("job_list", Request::JobList),
        ("job_show", Request::JobShow(JobId([1; 16]))),
        ("job_stop", Request::JobStop(JobId([1; 16]))),
        ("job_retry", Request::JobRetry(JobId([1; 16]))),
        ("job_items", Request::JobItems(items)),
        ("work_ask", Request::WorkAsk(Box::new(ask()))),
        ("work_reports", Request::WorkReports(Box::new(WorkSaid { reports, signature: vec![6; 64] }))),
        (
            "lease_show",
            Request::LeaseShow(Box::new(LeaseShow { node: ask(), leases: vec![(vec![1; 112], vec![2; 224])] })),
        ),
        ("job_blocks", Request::JobBlocks(items)),
        ("jobs_live", Request::JobsLive(vec![JobId([1; 16])])),
    ]
}

fn detail() -> JobDetail {
    let line = JobLine {
        id: JobId([1; 16]),
        kind: JobKind::Array,
        label: vec![2; 40],
        state: JobState::Running,
        trust: Trust::Circle,
        check: Check::Off,
        at: NOW,
        ended: Some(NOW),
        items: 10,
        done: 4,
        failed: 1,
        bucket: BucketId([3; 16]),
    };
    JobDetail {
        line,
        stages: vec![StageDetail { items: 10, done: 4, verified: 3, failed: 1, running: 2 }],
        running: 2,
        nodes: 2,
        moved: 1,
        copies: 2,
        retried: 3,
        checked: 4,
        fuel: 5,
        fuel_extra: 6,
        eta: Some(Span::secs(7)),
        waits: vec![Waits { why: "waits-region".into(), nodes: 3 }],
        liars: vec![Liar {
            node: Alias(8),
            name: "pc8".into(),
            stage: 0,
            item: 3,
            said: ([1; 32], 2),
            others: ([3; 32], 4),
        }],
        differ: Vec::new(),
        failures: vec![ItemFailure { stage: 0, item: 9, kind: FailKind::Guest, tries: 3 }],
        deadline: NOW,
        max_credits: model::Ucredit(7),
        worth: model::Ucredit(8),
    }
}

fn holder() -> PeerAddr {
    PeerAddr { id: NodeId([1; 32]), direct: vec!["127.3.0.1:7".parse().unwrap()], relays: vec![] }
}

pub fn replies() -> Vec<(&'static str, Reply)> {
    let lease = WorkLease {
        body: vec![1; 112],
        permit: vec![2; 224],
        life: Span::secs(90),
        keepers: vec![holder()],
        trust: Trust::Own,
        memory_mib: 256,
        deep_stack: true,
        holders: vec![Some(holder()), None],
        spill: true,
    };
    let item = JobItem { item: 1, serial: 2, node: Alias(3), hash: [4; 32], fuel: 5, bytes: 6, verified: true };
    let fates = vec![vec![ItemFate::Store, ItemFate::Unknown], vec![]];
    vec![
        ("jobs", Reply::Jobs(vec![detail().line])),
        ("job", Reply::Job(Box::new(detail()))),
        ("job_items", Reply::JobItems(JobItemPage { items: vec![item], more: true })),
        ("work", Reply::Work(vec![lease])),
        ("work_taken", Reply::WorkTaken(WorkTaken { fates })),
        ("job_blocks", Reply::JobBlocks(Box::new(blocks_page()))),
        ("jobs_live", Reply::JobsLive(vec![true, false])),
    ]
}

fn blocks_page() -> BlocksPage {
    BlocksPage {
        holders: vec![Some(holder()), None],
        makers: vec![holder()],
        items: vec![BlocksOf { item: 1, serial: 2, hash: [3; 32], maker: 0 }],
        more: true,
    }
}

fn block_head() -> BlockHead {
    BlockHead { part: 1, size: 2, hash: [3; 32], sealed: 4, path: vec![[5; 32]] }
}

/// What nodes say to each other of blocks.
pub fn blocks() -> Vec<(&'static str, Vec<u8>)> {
    let (lease, permit) = (vec![1; 112], vec![2; 224]);
    let put = PutBlocks {
        lease: lease.clone(),
        permit: permit.clone(),
        item: 3,
        holders: vec![NodeId([6; 32])],
        heads: vec![block_head()],
    };
    let get = GetBlocks { lease, permit, stage: 0, part: 1, of: vec![(2, 3)] };
    let refused = BlockAnswer::Refused(wire::RefusalMsg::new(errors::NOT_LENDING, [("why", "off".to_owned())]));
    vec![
        ("put_blocks", wire::encode(&StreamOpen::PutBlocks(Box::new(put)))),
        ("get_blocks", wire::encode(&StreamOpen::GetBlocks(Box::new(get)))),
        ("blocks_kept", wire::encode(&BlockAnswer::Kept)),
        ("block", wire::encode(&BlockAnswer::Block(block_head()))),
        ("block_missing", wire::encode(&BlockAnswer::Missing)),
        ("block_refused", wire::encode(&refused)),
    ]
}

pub fn parcel_ask() -> Vec<u8> {
    let ask = ParcelAsk { lease: vec![1; 112], permit: vec![2; 224], knows_brief: true };
    wire::encode(&StreamOpen::Parcels(Box::new(ask)))
}

pub fn parcels() -> Vec<u8> {
    let module = ModuleRef {
        name: "map".into(),
        hash: [1; 32],
        args: vec!["-v".into()],
        env: vec![("A".into(), "b".into())],
        seed: [2; 32],
    };
    let limits =
        GuestLimits { memory_bytes: 1, output_bytes: 2, scratch_bytes: 3, wall: Span::secs(4), stderr_bytes: 5 };
    let brief = Brief {
        modules: "pmg1a".into(),
        module: module.clone(),
        combine: Some(module),
        check_key: [3; 32],
        limits,
        input: InputForm::Merged { stage: 0, items: 9 },
        output: OutputForm::Parts(Partitioning::Range(vec![b"k".to_vec()])),
        count: 7,
        tells_index: true,
        shuffle: Some([6; 32]),
    };
    let part = PartOf { link: 1, name: "in/a".into(), file: "a".into(), from: 2, to: 3 };
    let parcel = Parcel {
        item: 4,
        number: 17,
        inputs: vec![part],
        out: (0, "o/0/4/".into()),
        parts: vec![5],
        block_key: Some([7; 32]),
    };
    let parcels = Parcels { brief: Some(Box::new(brief)), links: vec!["pmg1b".into()], items: vec![parcel] };
    wire::encode(&ParcelAnswer::Parcels(Box::new(parcels)))
}
