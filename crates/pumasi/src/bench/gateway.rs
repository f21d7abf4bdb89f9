//! `pumasi bench gateway`: what does S3 cost on top of the member's own client, on a cloud of ten nodes on this machine?
//!
//! Real processes of this program: a center and ten nodes on loopback. The gateway, its client and the tool that asks it are in this
//! process, so all of it shares the machine's cores; connections of the tool are kept, as tools keep them, and everything is signed
//! with its body's SHA-256, which the gateway verifies: what the tool needs to sign is not counted, nor what it does with what it
//! reads. At 64 MiB each object is stored by S3 and by the client itself in turns, and read in turns: what is
//! compared is the median of either. A memory disk is refused.

use super::figure::Printer;
use super::process::usage;
use crate::app::App;
use crate::cli::bench::BenchGatewayArgs;
use crate::cli::session::{Session, client_fault};
use crate::clock;
use crate::demo::cloud::Cloud;
use crate::fault::Fault;
use bytes::Bytes;
use client::{Bucket, Client, PutAsk, Wanted};
use gateway::tool::{Tool, ToolAsk, ToolLine};
use gateway::{Gateway, KeyStore, Scope, ServeAsk, ToolKey};
use serde_json::json;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Nodes of the cloud: 4 of 10.
const NODES: usize = 10;
const MIB: usize = 1 << 20;
const BUCKET: &str = "bench";
/// Who ask at the same time for small objects.
const CLIENTS: usize = 8;
const SMALL: usize = 4_096;
/// Longest wait for what nodes measure when they join.
const PROBE_PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two large objects, in which stewards fill up the one before.
const REST: Duration = Duration::from_secs(2);

/// Runs the bench; 1 when a bar was missed.
pub async fn run(app: &App, args: &BenchGatewayArgs) -> Result<u8, Fault> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("pumasi-bench-{}", std::process::id())),
    };
    crate::home::create_private_dir(&dir)?;
    if node::machine::is_memory_disk(&dir) {
        return Err(Fault::bad_value("dir", &dir.display().to_string(), "it lies in memory; name a folder on a disk"));
    }
    let mut cloud = Cloud::new(app, &dir, NODES, args.seed).for_bench();
    let done = tokio::select! {
        done = measure(app, args, &mut cloud, &dir) => done,
        code = crate::process::stop_asked() => Ok(code),
    };
    cloud.end().await;
    if args.dir.is_none() {
        let _ = std::fs::remove_dir_all(&dir);
    }
    done
}

async fn measure(app: &App, args: &BenchGatewayArgs, cloud: &mut Cloud, dir: &std::path::Path) -> Result<u8, Fault> {
    let bug = |why: String| Fault::bug(why);
    cloud.start_center().await.map_err(bug)?;
    cloud.join_first().await.map_err(bug)?;
    cloud.join_last().await.map_err(bug)?;
    cloud.all_on().await.map_err(bug)?;
    cloud.probed_within(PROBE_PATIENCE).await.map_err(bug)?;
    let session = Session::open(cloud.operator()).await?;
    let bucket = session.bucket_or_make(BUCKET).await?;
    let keys = KeyStore::new(&dir.join("keys"), &[7; 32]);
    let key = ToolKey::make(Scope::default(), clock::now(), None);
    keys.add(key.clone()).map_err(Fault::bug)?;
    let ask = ServeAsk {
        listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        is_open: false,
        hosts: Vec::new(),
        keys,
        client: session.client.clone(),
        root: session.root()?.clone(),
        now: clock::now,
    };
    let gateway = Gateway::start(ask).await.map_err(Fault::bug)?;
    let tool = Tool { addr: gateway.addr(), id: key.id.clone(), secret: key.secret().to_owned(), now: clock::now };
    let params = json!({"nodes": NODES, "seed": args.seed, "mib": args.mib});
    let mut printer = Printer::new(app, "gateway", params);
    let pids: Vec<u32> = cloud.pids().into_iter().chain([std::process::id()]).collect();
    let bench = Bench { pids, client: session.client.clone(), bucket: Arc::new(bucket), tool: Arc::new(tool) };
    let mib = usize::try_from(args.mib).unwrap_or(256);
    let is_meant = |name: &str| args.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let mut done = Ok(());
    if is_meant("64mib_c1") {
        done = bench.large(&mut printer, (mib / 64).max(3)).await;
    }
    if done.is_ok() && is_meant("4kib_c8") {
        done = bench.small(&mut printer, (mib * 16).max(CLIENTS)).await;
    }
    gateway.stop().await;
    session.close().await;
    done.map(|()| u8::from(!printer.good))
}

struct Bench {
    pids: Vec<u32>,
    client: Client,
    bucket: Arc<Bucket>,
    tool: Arc<Tool>,
}

/// What one kind of call took: each by itself on the wall, and all of them of processors.
#[derive(Default)]
struct Spent {
    wall_s: Vec<f64>,
    cpu_s: f64,
}

impl Spent {
    fn add(&mut self, (begun, before): (Instant, f64), after: f64) {
        self.wall_s.push(begun.elapsed().as_secs_f64());
        self.cpu_s += after - before;
    }

    fn median(mut self) -> f64 {
        self.wall_s.sort_by(f64::total_cmp);
        self.wall_s.get(self.wall_s.len() / 2).copied().unwrap_or_default()
    }
}

/// The value below which such a share lies.
fn quantile(times: &[f64], share: f64) -> f64 {
    let at = (times.len() as f64 * share) as usize;
    times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

impl Bench {
    /// 64 MiB objects, one after another, by S3 and by the client in turns.
    async fn large(&self, printer: &mut Printer<'_>, count: usize) -> Result<(), Fault> {
        let mut line = self.tool.line().await.map_err(Fault::bug)?;
        let (mut put, mut own_put, mut get, mut own_get) = <(Spent, Spent, Spent, Spent)>::default();
        for at in 0..count {
            let data = content(64 * MIB, at as u64);
            let ask = line.signed(ToolAsk::new("PUT", &format!("/{BUCKET}/large/s3/{at}")).body(data.clone()));
            let begun = (Instant::now(), self.cpu()?);
            let answer = line.send(ask).await.map_err(Fault::bug)?;
            if answer.status != 200 {
                return Err(Fault::bug(format!("{}: {}", answer.status, answer.text())));
            }
            put.add(begun, self.cpu()?);
            tokio::time::sleep(REST).await;
            let begun = (Instant::now(), self.cpu()?);
            put_own(&self.client, &self.bucket, &format!("large/own/{at}"), data).await?;
            own_put.add(begun, self.cpu()?);
            tokio::time::sleep(REST).await;
        }
        for at in 0..count {
            let name = format!("large/s3/{at}");
            // Who comes second finds all that the first had to ask for: either comes first as often as the other.
            for is_s3 in [at % 2 == 0, at % 2 != 0] {
                let ask = line.signed(ToolAsk::new("GET", &format!("/{BUCKET}/{name}")));
                let begun = (Instant::now(), self.cpu()?);
                if !is_s3 {
                    get_own(&self.client, &self.bucket, &name).await?;
                    own_get.add(begun, self.cpu()?);
                    continue;
                }
                let (status, bytes) = line.drain(ask).await.map_err(Fault::bug)?;
                if (status, bytes) != (200, 64 * MIB as u64) {
                    return Err(Fault::bug(format!("{status}: {bytes} bytes")));
                }
                get.add(begun, self.cpu()?);
            }
        }
        let (mb, gib) = (64.0 * MIB as f64 / 1e6, (64 * MIB * count) as f64 / f64::from(1 << 30));
        for (verb, by_s3, own) in [("put", put, own_put), ("get", get, own_get)] {
            let (s3_cpu, own_cpu) = (by_s3.cpu_s / gib, own.cpu_s / gib);
            let (by_s3, own) = (by_s3.median(), own.median());
            printer.figure(&format!("s3_{verb}_64mib_c1"), mb / by_s3, "MB/s");
            printer.figure(&format!("client_{verb}_64mib_c1"), mb / own, "MB/s");
            printer.figure(&format!("s3_{verb}_64mib_over_client"), by_s3 / own, "");
            printer.figure(&format!("s3_{verb}_cpu_s_per_gib"), s3_cpu, "s");
            printer.figure(&format!("client_{verb}_cpu_s_per_gib"), own_cpu, "s");
        }
        Ok(())
    }

    /// Seconds of processor time so far, of all processes.
    fn cpu(&self) -> Result<f64, Fault> {
        self.pids.iter().map(|pid| usage(*pid).map(|used| used.cpu_s)).sum()
    }

    /// Objects of 4 KiB, by eight at once.
    async fn small(&self, printer: &mut Printer<'_>, count: usize) -> Result<(), Fault> {
        for (id, what) in [
            ("client_put_4kib_c8", What::OwnPut),
            ("s3_put_4kib_c8", What::Put),
            ("client_get_4kib_c8", What::OwnGet),
            ("s3_get_4kib_c8", What::Get("GET")),
            ("s3_head_c8", What::Get("HEAD")),
        ] {
            let begun = Instant::now();
            let (next, mut running) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
            for _ in 0..CLIENTS {
                let (client, bucket) = (self.client.clone(), Arc::clone(&self.bucket));
                let worker = Worker { client, bucket, line: self.tool.line().await.map_err(Fault::bug)? };
                running.spawn(worker.work(what, Arc::clone(&next), count));
            }
            let mut times = Vec::with_capacity(count);
            while let Some(done) = running.join_next().await {
                times.extend(done.map_err(Fault::bug)??);
            }
            let wall = begun.elapsed().as_secs_f64();
            times.sort_by(f64::total_cmp);
            printer.figure(id, count as f64 / wall, "1/s");
            printer.figure(&format!("{id}_p50_ms"), quantile(&times, 0.5) * 1e3, "ms");
            printer.figure(&format!("{id}_p99_ms"), quantile(&times, 0.99) * 1e3, "ms");
        }
        Ok(())
    }
}

/// What is done with each small object.
#[derive(Debug, Clone, Copy)]
enum What {
    OwnPut,
    OwnGet,
    Put,
    Get(&'static str),
}

/// One of those who ask at the same time, with a connection of its own.
struct Worker {
    client: Client,
    bucket: Arc<Bucket>,
    line: ToolLine,
}

impl Worker {
    /// The next object again and again; how long each took, in seconds.
    async fn work(mut self, what: What, next: Arc<AtomicUsize>, count: usize) -> Result<Vec<f64>, Fault> {
        let (data, mut times) = (content(SMALL, 9), Vec::new());
        loop {
            let at = next.fetch_add(1, Relaxed);
            if at >= count {
                return Ok(times);
            }
            let (own, by_s3) = (format!("small/own/{at}"), format!("small/s3/{at}"));
            let begun = Instant::now();
            match what {
                What::OwnPut => put_own(&self.client, &self.bucket, &own, data.clone()).await?,
                What::OwnGet => get_own(&self.client, &self.bucket, &own).await?,
                What::Put => put_by(&mut self.line, &by_s3, data.clone()).await?,
                What::Get(verb) => get_by(&mut self.line, verb, &by_s3, SMALL).await?,
            }
            times.push(begun.elapsed().as_secs_f64());
        }
    }
}

async fn put_own(client: &Client, bucket: &Bucket, name: &str, data: Bytes) -> Result<(), Fault> {
    let ask = PutAsk { size_hint: data.len() as u64, ..PutAsk::new(name) };
    let stored = client.put(bucket, ask, Box::new(Cursor::new(data)), &|_, _, _| {}).await;
    stored.map(drop).map_err(|e| client_fault(e, name))
}

async fn get_own(client: &Client, bucket: &Bucket, name: &str) -> Result<(), Fault> {
    let got = client.get(bucket, name, Wanted::default(), &mut tokio::io::sink(), &|_, _, _| {}).await;
    got.map(drop).map_err(|e| client_fault(e, name))
}

async fn put_by(line: &mut ToolLine, name: &str, data: Bytes) -> Result<(), Fault> {
    let answer = line.ask(ToolAsk::new("PUT", &format!("/{BUCKET}/{name}")).body(data)).await.map_err(Fault::bug)?;
    if answer.status == 200 { Ok(()) } else { Err(Fault::bug(format!("{}: {}", answer.status, answer.text()))) }
}

async fn get_by(line: &mut ToolLine, verb: &str, name: &str, len: usize) -> Result<(), Fault> {
    let answer = line.ask(ToolAsk::new(verb, &format!("/{BUCKET}/{name}"))).await.map_err(Fault::bug)?;
    let is_whole = verb == "HEAD" || answer.body.len() == len;
    if answer.status == 200 && is_whole {
        return Ok(());
    }
    Err(Fault::bug(format!("{}: {} bytes: {}", answer.status, answer.body.len(), answer.text())))
}

/// Bytes that repeat nowhere.
fn content(len: usize, seed: u64) -> Bytes {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out.into()
}
