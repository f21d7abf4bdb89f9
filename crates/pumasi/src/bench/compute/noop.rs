//! A job of one item that does nothing: what everything around a guest takes. Its keys are made and its module is stored before;
//! from the moment it is handed in until its member sees it done is counted.

use super::Bench;
use super::native::median;
use super::small::{NODES, Small};
use crate::app::App;
use crate::cli::recovery::address;
use crate::cli::session::{Session, client_fault};
use crate::clock;
use crate::fault::Fault;
use crate::membership::Membership;
use crate::secret;
use client::account::Me;
use client::compute::{Earlier, ItemsSpec, JobAsk, JobSpec, ModuleAsk, Speaker, StageSpec, Submitted, stage_of};
use model::compute::{Check, JobKind, JobState, Trust};
use model::{JobId, NodeId, Span};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use wire::compute::{Brief, GuestLimits, InputForm, ModuleRef, OutputForm};
use wire::{Reply, Request};

/// Jobs, of which the first is not counted: it makes the code on its machine.
const JOBS: usize = 31;
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(3);
/// Longest wait for one.
const PATIENCE: Duration = Duration::from_secs(60);
const BUCKET: &str = "noop";
const GUEST: &str = "noop";

/// Runs it where it is asked for.
pub async fn run(bench: &mut Bench<'_>) {
    if bench.is_meant(&["noop_p50_ms", "noop_max_ms"]) {
        let done = all(bench).await;
        bench.ended("noop", done);
    }
}

async fn all(bench: &mut Bench<'_>) -> Result<(), Fault> {
    let mut small = Small::start(bench, "noop", 2).await?;
    let app = small.member();
    let times = Session::with(&app, async |session| {
        let mut times = Vec::new();
        for _ in 0..JOBS {
            times.push(one(&app, session).await?);
        }
        Ok(times)
    });
    let times = times.await;
    small.cloud.end().await;
    let mut times = times?.split_off(1);
    let params = json!({"nodes": NODES, "workers": 2, "jobs": times.len(), "seed": bench.args.seed,
        "look_every_ms": LOOK_EVERY.as_millis() as u64});
    bench.figure(&params, ("noop_p50_ms", median(&mut times), "ms"));
    bench.figure(&params, ("noop_max_ms", times.last().copied().unwrap_or(f64::NAN), "ms"));
    Ok(())
}

/// One job, from handed in to seen done, in ms.
async fn one(app: &App, session: &Session) -> Result<f64, Fault> {
    let prepared = prepared(app, session).await?;
    let job = prepared.submit.id;
    crate::home::create_private_dir(&app.home.jobs())?;
    let path = node::compute::Keeper::file(&app.home.jobs(), &job);
    crate::home::write_atomic(&path, &serde_json::to_vec(&prepared.kept).map_err(Fault::bug)?, 0o600)?;
    let begun = Instant::now();
    session.client.submit_job(prepared.submit).await.map_err(|e| client_fault(e, BUCKET))?;
    loop {
        let answer = session.asking()(Request::JobShow(job)).await.map_err(|e| client_fault(e, BUCKET))?;
        let Reply::Job(detail) = answer.into_answer()? else {
            return Err(Fault::bug("the center answered something else than a job"));
        };
        let state = detail.line.state;
        if state == JobState::Done {
            let _ = std::fs::remove_file(&path);
            return Ok(begun.elapsed().as_secs_f64() * 1e3);
        }
        if state.is_over() || begun.elapsed() > PATIENCE {
            return Err(Fault::bug(format!("a job that does nothing is {state}; it waits for {:?}", detail.waits)));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn prepared(app: &App, session: &Session) -> Result<Submitted, Fault> {
    let bytes = sandbox::samples::get(GUEST).ok_or_else(|| Fault::bug("there is no such guest"))?.to_vec();
    let bucket = session.bucket_or_make(BUCKET).await?;
    let stage = StageSpec { brief: brief(*blake3::hash(&bytes).as_bytes()), items: ItemsSpec::Count(1) };
    let stages = vec![stage_of(&stage, 0, 0)];
    let spec = JobSpec {
        job: JobId(secret::random()),
        kind: JobKind::Array,
        name: GUEST.to_owned(),
        trust: Trust::Circle,
        until: clock::now() + Span::days(1),
        bucket: BUCKET.to_owned(),
        to: "out/".to_owned(),
        pattern: "part-{index:05}".to_owned(),
        sources: Vec::new(),
        stages: vec![stage],
        earlier: Earlier::default(),
    };
    let ask = JobAsk {
        spec,
        modules: vec![ModuleAsk { name: GUEST.to_owned(), bytes }],
        check: Check::Standard,
        is_interactive: false,
        regions: Vec::new(),
        stages,
        keepers: vec![NodeId(wire::signed::public_of(session.machine()))],
        engine: sandbox::engine_id()[..16].try_into().map_err(Fault::bug)?,
        max_credits: model::Ucredit::ZERO,
    };
    let account = session.account(app).await?;
    let speaker = Speaker {
        account: &account,
        me: Me { secret: session.machine(), now: clock::now() },
        address: address(&Membership::load(&app.home)?),
        center: session.asking(),
    };
    let prepared = session.client.prepare_job(&speaker, &bucket, &BTreeMap::new(), ask).await;
    prepared.map_err(|e| client_fault(e, BUCKET))
}

fn brief(hash: [u8; 32]) -> Brief {
    let mib = |n: u64| n << 20;
    Brief {
        modules: String::new(),
        module: ModuleRef { name: GUEST.to_owned(), hash, args: Vec::new(), env: Vec::new(), seed: [0; 32] },
        combine: None,
        check_key: secret::random(),
        limits: GuestLimits {
            memory_bytes: mib(64),
            output_bytes: mib(1),
            scratch_bytes: mib(1),
            wall: Span::mins(1),
            stderr_bytes: 1 << 10,
        },
        input: InputForm::None,
        output: OutputForm::Whole,
        count: 1,
        tells_index: true,
        shuffle: None,
    }
}
