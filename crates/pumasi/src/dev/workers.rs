//! `pumasi dev workers`: joins simulated nodes that check in, ask for work, and say at once that it is done, in messages as an
//! agent's. What is measured is the center: how much work it hands out and takes back, and how soon.
//!
//! An item counts when the center acknowledged it, which it does after its journal is durable. Nodes compute nothing.

use super::agents::{connect_all, join_all, raise_file_limit};
use super::fleet::{Seat, Socket};
use super::tally::Tally;
use crate::app::App;
use crate::cli::dev::{AgentsArgs, WorkLoad, WorkersArgs};
use crate::fault::Fault;
use crate::process::stop_asked;
use crate::{clock, secret};
use hdrhistogram::Histogram;
use model::compute::{Check, JobKind, Trust, TrustSet};
use model::{BucketId, Class, JobId, Span, errors};
use net::CallLimits;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use wire::compute::{FreeSlot, ItemFate, ItemResult, JobStage, JobSubmit, WorkAsk, WorkLease, WorkReport, WorkSaid};
use wire::limits::REPLY_MAX;
use wire::signed::{LeaseBody, work};
use wire::storage::BucketMake;
use wire::{Envelope, Reply, Request, Ticket};

/// First check-ins are spread over this time, and all have been made after twice as long.
const SPREAD: Duration = Duration::from_secs(1);
/// As an agent's.
const ASK_WAIT: Duration = Duration::from_secs(75);
const CALL_WAIT: Duration = Duration::from_secs(30);
/// After a call that came to nothing.
const AGAIN: Duration = Duration::from_millis(500);
/// Free places of every node.
const SLOTS: usize = 8;
/// Items of one job where work has no end …
const JOB_ITEMS: u32 = 1_000_000;
/// … and the next one is handed in when so few are left.
const LEFT_MIN: u64 = 400_000;
/// Items of a job that is handed in at a pace.
const PACED_ITEMS: u32 = 10;
/// Pause between two looks at what is left.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Steps of an item: a moment.
const FUEL: u64 = 1_000_000;
/// What an item reads where none shares its lease: as much as a lease may carry.
const WHOLE_LEASE: u64 = 256 << 20;
/// Different reasons that are told.
const WHYS_MAX: usize = 8;
/// Longest wait for a lease that is told apart, in µs.
const LONGEST_US: u64 = 120_000_000;

/// What is counted.
struct Counts {
    items: AtomicU64,
    leases: AtomicU64,
    /// Run again by another machine, as a share of a circle's items is.
    twice: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    jobs: AtomicU64,
    /// Why calls came to nothing, with how many did.
    whys: Mutex<BTreeMap<String, u64>>,
    /// When jobs were handed in of which no lease was seen.
    begun: Mutex<BTreeMap<JobId, Instant>>,
    grants_us: Mutex<Histogram<u64>>,
}

/// The counts at one moment.
struct Seen {
    at: Instant,
    counts: [u64; 6],
}

impl Counts {
    fn new() -> Self {
        let times = Histogram::new_with_bounds(1, LONGEST_US, 3).expect("three digits between 1 µs and 2 min");
        let zero = || AtomicU64::new(0);
        Self {
            items: zero(),
            leases: zero(),
            twice: zero(),
            refused: zero(),
            failed: zero(),
            jobs: zero(),
            whys: Mutex::default(),
            begun: Mutex::default(),
            grants_us: Mutex::new(times),
        }
    }

    fn seen(&self) -> Seen {
        let all = [&self.items, &self.leases, &self.refused, &self.failed, &self.jobs, &self.twice];
        Seen { at: Instant::now(), counts: all.map(|count| count.load(Relaxed)) }
    }

    /// A lease of this job arrived; only the first one of a job counts.
    fn granted(&self, job: &JobId, at: Instant) {
        let Some(begun) = lock(&self.begun).remove(job) else { return };
        let us = u64::try_from(at.duration_since(begun).as_micros()).unwrap_or(LONGEST_US);
        lock(&self.grants_us).saturating_record(us.max(1));
    }

    /// A call came to nothing.
    fn lost(&self, why: &str) {
        self.failed.fetch_add(1, Relaxed);
        let mut whys = lock(&self.whys);
        if whys.len() < WHYS_MAX || whys.contains_key(why) {
            *whys.entry(why.to_owned()).or_default() += 1;
        }
    }

    fn taken(&self, fates: &[ItemFate]) {
        let accepted = fates.iter().filter(|fate| **fate == ItemFate::Accepted).count() as u64;
        self.items.fetch_add(accepted, Relaxed);
        self.leases.fetch_add(u64::from(accepted > 0), Relaxed);
        let twice = fates.iter().filter(|fate| **fate == ItemFate::Duplicate).count() as u64;
        self.twice.fetch_add(twice, Relaxed);
        self.refused.fetch_add(fates.len() as u64 - accepted - twice, Relaxed);
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs until the time is over, or until told to stop.
pub async fn run(app: &App, args: &WorkersArgs) -> Result<u8, Fault> {
    let tickets = args.ticket.iter().map(|text| text.parse::<Ticket>());
    let tickets: Vec<Ticket> =
        tickets.collect::<Result<_, _>>().map_err(|e| Fault::new(errors::TICKET_DAMAGED, []).because(e))?;
    let (time, warmup): (Span, Span) = (args.time.parse()?, args.warmup.parse()?);
    raise_file_limit(args.sockets);
    let fleet = AgentsArgs {
        count: args.count,
        sockets: args.sockets.min(args.count),
        seed: args.seed,
        ticket: Vec::new(),
        bind: args.bind,
        time: None,
        warmup: String::new(),
        fault: Vec::new(),
    };
    let sockets = connect_all(&fleet, &tickets[0], &Arc::new(Tally::new())).await?;
    let sockets = join_all(&fleet, sockets, &tickets).await?;
    let (mut members, mut seats) = (Vec::new(), Vec::new());
    for socket in &sockets {
        let mut of_socket = socket.seats(args.seed).await;
        members.extend(of_socket.first().cloned());
        seats.append(&mut of_socket);
    }
    say(app, args, "joined", json!({}));
    let endpoints: Vec<net::Endpoint> = sockets.iter().map(Socket::endpoint).collect();
    let mut running = JoinSet::new();
    sockets.into_iter().for_each(|socket| drop(running.spawn(socket.run(SPREAD))));
    tokio::time::sleep(SPREAD * 2).await;
    let counts = Arc::new(Counts::new());
    let members = members_with_buckets(members).await?;
    seats.into_iter().for_each(|seat| drop(running.spawn(works(seat, Arc::clone(&counts)))));
    running.spawn(hand_in(members, (args.load, args.pace), Arc::clone(&counts)));
    let measured = async {
        tokio::time::sleep(warmup.to_std()).await;
        lock(&counts.grants_us).reset();
        let before = counts.seen();
        say(app, args, "begun", json!({}));
        tokio::time::sleep(time.to_std()).await;
        say(app, args, "done", figures(&counts, &before));
    };
    let code = tokio::select! {
        () = measured => 0,
        code = stop_asked() => code,
    };
    running.shutdown().await;
    let mut closing = JoinSet::new();
    endpoints.into_iter().for_each(|endpoint| drop(closing.spawn(async move { endpoint.close().await })));
    while closing.join_next().await.is_some() {}
    Ok(code)
}

fn say(app: &App, args: &WorkersArgs, phase: &str, more: Value) {
    let mut fields = json!({"phase": phase, "count": args.count, "sockets": args.sockets, "seed": args.seed});
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    app.out.json("workers", fields);
}

/// What was done since `before`.
fn figures(counts: &Counts, before: &Seen) -> Value {
    let now = counts.seen();
    let seconds = (now.at - before.at).as_secs_f64();
    let since: Vec<u64> = now.counts.iter().zip(&before.counts).map(|(now, before)| now - before).collect();
    let waiting = lock(&counts.begun).len();
    let times = lock(&counts.grants_us);
    let ms = |share: f64| times.value_at_quantile(share) as f64 / 1e3;
    let mut said = json!({"seconds": seconds, "items": since[0], "leases": since[1], "refused": since[2],
        "failed": since[3], "jobs": since[4], "twice": since[5], "jobs_without_lease": waiting, "whys": *lock(&counts.whys), "grants": times.len(),
        "items_per_s": since[0] as f64 / seconds, "leases_per_s": since[1] as f64 / seconds});
    if let (Value::Object(said), false) = (&mut said, times.is_empty()) {
        let grants = json!({"p50_ms": ms(0.5), "p99_ms": ms(0.99), "max_ms": times.max() as f64 / 1e3});
        said.extend(grants.as_object().cloned().unwrap_or_default());
    }
    said
}

/// One call in a node's name.
async fn call(seat: &Seat, request: Request, wait: Duration) -> Result<Reply, String> {
    let mut envelope = Envelope::new(request);
    envelope.alias = seat.alias;
    let limits = CallLimits { max_reply: REPLY_MAX, timeout: wait };
    let bytes = seat.link.call(&envelope.to_bytes(), limits).await.map_err(|e| e.to_string())?;
    match Reply::from_bytes(&bytes).map_err(|e| e.to_string())? {
        Reply::Refused(no) => Err(no.id.to_string()),
        reply => Ok(reply),
    }
}

/// Why an answer is not the one that was asked for.
fn why(answer: Result<Reply, String>) -> String {
    answer.map_or_else(|why| why, |_| "another answer".to_owned())
}

/// A member that hands jobs in, by the node whose key its link proves.
struct Member {
    seat: Seat,
    bucket: BucketId,
}

async fn members_with_buckets(seats: Vec<Seat>) -> Result<Vec<Member>, Fault> {
    let mut members = Vec::new();
    for seat in seats {
        let bucket = BucketId(secret::random());
        let make = BucketMake {
            id: bucket,
            check: secret::random(),
            name_check: secret::random(),
            label: b"simulated".to_vec(),
            class: Class::default(),
            regions: Vec::new(),
            regions_min: 0,
        };
        let made = call(&seat, Request::BucketMake(Box::new(make)), CALL_WAIT).await;
        made.map_err(|why| Fault::bug(format!("a bucket came to nothing: {why}")))?;
        members.push(Member { seat, bucket });
    }
    Ok(members)
}

/// Hands jobs in, for ever.
async fn hand_in(members: Vec<Member>, (load, pace): (WorkLoad, u32), counts: Arc<Counts>) {
    let members: Arc<[Member]> = members.into();
    if load == WorkLoad::Paced {
        let mut tick = tokio::time::interval(Duration::from_secs(1).mul_f64(f64::from(PACED_ITEMS) / f64::from(pace)));
        for at in 0.. {
            tick.tick().await;
            let (members, counts) = (Arc::clone(&members), Arc::clone(&counts));
            tokio::spawn(async move { submit(&members[at % members.len()], (PACED_ITEMS, 0), &counts).await });
        }
    }
    let reads = if load == WorkLoad::Singles { WHOLE_LEASE } else { 0 };
    let mut given = 0;
    for at in 0.. {
        while counts.items.load(Relaxed) + LEFT_MIN < given {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        match submit(&members[at % members.len()], (JOB_ITEMS, reads), &counts).await {
            true => given += u64::from(JOB_ITEMS),
            false => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// Hands one job in; whether it was taken.
async fn submit(member: &Member, (items, bytes_in): (u32, u64), counts: &Counts) -> bool {
    let id = JobId(secret::random());
    let stage = JobStage { items, memory_mib: 64, scratch_mib: 64, fuel_max: 0, wall: Span::mins(30), bytes_in };
    let job = JobSubmit {
        id,
        kind: JobKind::Array,
        label: b"simulated".to_vec(),
        trust: Trust::Circle,
        check: Check::Off,
        is_interactive: false,
        regions: Vec::new(),
        deadline: clock::now() + Span::days(1),
        stages: vec![stage],
        bucket: member.bucket,
        keepers: vec![member.seat.id],
        engine: [0; 16],
        max_credits: model::Ucredit::ZERO,
    };
    counts.jobs.fetch_add(1, Relaxed);
    lock(&counts.begun).insert(id, Instant::now());
    let answer = call(&member.seat, Request::JobSubmit(Box::new(job)), CALL_WAIT).await;
    if let Err(why) = &answer {
        counts.lost(&format!("job: {why}"));
        lock(&counts.begun).remove(&id);
    }
    answer.is_ok()
}

/// Asks for work and says that it is done, for ever.
async fn works(seat: Seat, counts: Arc<Counts>) {
    let begun = clock::now();
    loop {
        let ask = WorkAsk {
            session: seat.id,
            slots: vec![FreeSlot { memory_mib: 2_048, scratch_mib: 2_048 }; SLOTS],
            trusts: TrustSet::ALL.0,
            walls: 0,
            engines: vec![[0; 16]],
            session_age: clock::now().since(begun),
            longest: Span::hours(2),
        };
        match call(&seat, Request::WorkAsk(Box::new(ask)), ASK_WAIT).await {
            Ok(Reply::Work(leases)) => all_done(&seat, &leases, &counts).await,
            other => {
                counts.lost(&format!("ask: {}", why(other)));
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Tells of every lease in a call of its own, as attempts of an agent do.
async fn all_done(seat: &Seat, leases: &[WorkLease], counts: &Arc<Counts>) {
    let now = Instant::now();
    let bodies: Vec<LeaseBody> = leases.iter().filter_map(|lease| LeaseBody::parse(&lease.body)).collect();
    bodies.iter().for_each(|body| counts.granted(&body.job, now));
    let mut telling = JoinSet::new();
    for body in bodies {
        let (seat, counts) = (seat.clone(), Arc::clone(counts));
        telling.spawn(async move {
            let reports = vec![done(&body)];
            let signature = work::sign_reports(&seat.key, &reports).to_vec();
            let said = Request::WorkReports(Box::new(WorkSaid { reports, signature }));
            match call(&seat, said, CALL_WAIT).await {
                Ok(Reply::WorkTaken(taken)) => taken.fates.iter().for_each(|fates| counts.taken(fates)),
                other => counts.lost(&format!("report: {}", why(other))),
            }
        });
    }
    while telling.join_next().await.is_some() {}
}

/// Results of a lease that every node would find alike.
fn done(body: &LeaseBody) -> WorkReport {
    let result = |item: u32| {
        let hash = *blake3::hash(&item.to_le_bytes()).as_bytes();
        ItemResult { item, hash, fuel: FUEL, bytes: 64, of: hash }
    };
    WorkReport::Done(body.serial, body.items().map(result).collect())
}
