//! `pumasi bench storage`: how fast are files stored and read on a cloud of ten nodes on this machine, and what does a GiB
//! cost in processor time, all processes together?
//!
//! Real processes of this program: a center and ten nodes on loopback, each with its own store and its own fsyncs; the
//! writer is this process. A put ends with its acknowledgement: `accept` receipts given after fsync, and the commit durable.
//! `put_full_…` ends when stewards have made all other pieces too. Nodes call every second and lend all they have, so that
//! "full" measures the work and not the wait for the next call. A memory disk is refused: fsync costs nothing there.

use super::figure::Printer;
use super::process::{peak_bytes, usage};
use crate::app::App;
use crate::cli::bench::BenchStorageArgs;
use crate::cli::session::{Session, client_fault};
use crate::demo::cloud::Cloud;
use crate::fault::Fault;
use client::{Bucket, Client, Put, PutAsk, Wanted};
use serde_json::json;
use std::io::Cursor;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use wire::storage::SegmentRun;

/// What `--only` says for the measurement of memory with nodes that keep nothing.
const SOAK: &str = "soak";
/// Nodes of the cloud: 4 of 10.
const NODES: usize = 10;
const MIB: usize = 1 << 20;
/// Longest wait for what nodes measure when they join.
const PROBE_PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait until all pieces stand.
const SETTLE_MAX: Duration = Duration::from_secs(120);
/// Pause between two looks at that.
const SETTLE_LOOK: Duration = Duration::from_millis(50);

/// One measurement: so many objects of one size, by so many writers at once.
struct Load {
    name: &'static str,
    size: usize,
    count: usize,
    clients: usize,
    /// Objects a second instead of MB/s.
    per_s: bool,
}

/// Runs the bench; 1 when a bar was missed.
pub async fn run(app: &App, args: &BenchStorageArgs) -> Result<u8, Fault> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("pumasi-bench-{}", std::process::id())),
    };
    crate::home::create_private_dir(&dir)?;
    if node::machine::is_memory_disk(&dir) {
        return Err(Fault::bad_value("dir", &dir.display().to_string(), "it lies in memory; name a folder on a disk"));
    }
    let cloud = Cloud::new(app, &dir, NODES, args.seed).for_bench();
    let mut cloud = if args.only.as_deref() == Some(SOAK) { cloud.discarding() } else { cloud };
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

async fn measure(app: &App, args: &BenchStorageArgs, cloud: &mut Cloud, dir: &Path) -> Result<u8, Fault> {
    let bug = |why: String| Fault::bug(why);
    cloud.start_center().await.map_err(bug)?;
    cloud.join_first().await.map_err(bug)?;
    cloud.join_last().await.map_err(bug)?;
    cloud.all_on().await.map_err(bug)?;
    cloud.probed_within(PROBE_PATIENCE).await.map_err(bug)?;
    let session = Session::open(cloud.operator()).await?;
    let bucket = Arc::new(session.bucket_or_make("bench").await?);
    let first = put_one(&session.client, &bucket, "first", Arc::new(content(MIB, 0))).await?;
    let scheme = first.scheme.map_or_else(String::new, |s| s.to_string());
    let params = json!({"nodes": NODES, "scheme": scheme, "pieces": first.pieces, "seed": args.seed, "mib": args.mib,
        "fsync_p50_ms": fsync_ms(dir)});
    let mut printer = Printer::new(app, "storage", params);
    let pids: Vec<u32> = cloud.pids().into_iter().chain([std::process::id()]).collect();
    let bench =
        Bench { client: session.client.clone(), bucket, pids, names: AtomicUsize::new(0), runs: Arc::default() };
    let mib = usize::try_from(args.mib).unwrap_or(256);
    let loads = [
        Load { name: "64mib_c4", size: 64 * MIB, count: (mib / 64).max(4), clients: 4, per_s: false },
        Load { name: "1mib_c4", size: MIB, count: (mib / 4).max(4), clients: 4, per_s: false },
        Load { name: "4kib_c8", size: 4_096, count: (mib * 4).max(8), clients: 8, per_s: true },
        Load { name: "4097b_c8", size: 4_097, count: (mib * 8).max(8), clients: 8, per_s: true },
    ];
    let is_meant = |name: &str| args.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    if is_meant("pipeline") {
        super::pipeline::run(&mut printer)?;
    }
    super::process::forget_peak();
    if args.only.as_deref() == Some(SOAK) {
        let done = bench.soak(&mut printer, mib, dir).await;
        session.close().await;
        return done.map(|()| u8::from(!printer.good));
    }
    bench.settle(&first.runs).await?;
    let mut done = match is_meant("64mib_c1") {
        true => bench.whole(&mut printer, (mib / 64).max(1)).await,
        false => Ok(()),
    };
    for load in loads.iter().filter(|load| is_meant(load.name)) {
        if done.is_err() {
            break;
        }
        done = bench.load(&mut printer, load).await;
    }
    if done.is_ok() && args.only.as_deref() == Some("memory") {
        done = bench.streams(&mut printer, "streams_c4", mib).await;
    }
    if let (Ok(()), Some(peak)) = (&done, peak_bytes(std::process::id())) {
        let is_alone = args.only.as_deref() == Some("memory");
        let id = if is_alone { "writer_peak_streams_mib" } else { "writer_peak_mib" };
        printer.figure(id, peak / f64::from(1 << 20), "MiB");
    }
    session.close().await;
    if done.is_ok() && is_meant("rows") {
        done = super::rows::run(&mut printer, dir, args.rows).await;
    }
    done.map(|()| u8::from(!printer.good))
}

struct Bench {
    client: Client,
    bucket: Arc<Bucket>,
    pids: Vec<u32>,
    names: AtomicUsize,
    /// Where segments stand that were put since the last time all pieces stood.
    runs: Arc<Mutex<Vec<SegmentRun>>>,
}

impl Bench {
    /// Puts, then gets the same objects; prints both.
    async fn load(&self, printer: &mut Printer<'_>, load: &Load) -> Result<(), Fault> {
        let first = self.names.fetch_add(load.count, Relaxed);
        let data = Arc::new(content(load.size, first as u64));
        let wall = self
            .timed(load, |client, bucket, at| {
                let data = Arc::clone(&data);
                let runs = Arc::clone(&self.runs);
                async move {
                    let put = put_one(&client, &bucket, &name(first + at), data).await?;
                    runs.lock().unwrap_or_else(PoisonError::into_inner).extend(put.runs);
                    Ok(())
                }
            })
            .await?;
        self.print(printer, load, "put", wall);
        self.settle_all().await?;
        let size = load.size as u64;
        let wall = self
            .timed(load, move |client, bucket, at| async move {
                let name = name(first + at);
                let got = client.get(&bucket, &name, Wanted::default(), &mut tokio::io::sink(), &|_, _, _| {}).await;
                let got = got.map_err(|e| client_fault(e, &name))?;
                if got.bytes == size { Ok(()) } else { Err(Fault::bug("another size came back")) }
            })
            .await?;
        self.print(printer, load, "get", wall);
        Ok(())
    }

    /// Four streams of `mib` MiB at once, whose content is made as it is read: what is left in memory is the writer's own.
    async fn streams(&self, printer: &mut Printer<'_>, id: &'static str, mib: usize) -> Result<(), Fault> {
        let load = Load { name: id, size: mib * MIB, count: 4, clients: 4, per_s: false };
        let first = self.names.fetch_add(load.count, Relaxed);
        let size = load.size as u64;
        let wall = self
            .timed(&load, |client, bucket, at| async move {
                let name = name(first + at);
                let ask = PutAsk { size_hint: size, ..PutAsk::new(&name) };
                let put = client.put(&bucket, ask, Box::new(Made::new(size, at as u64)), &|_, _, _| {}).await;
                put.map(drop).map_err(|e| client_fault(e, &name))
            })
            .await?;
        self.print(printer, &load, "put", wall);
        Ok(())
    }

    /// Four streams of forty times `mib` MiB at once, then a sparse file of four hundred times as much, to nodes that keep no
    /// bytes: what the writer needs of memory whatever the size (10 GiB and 100 GiB with `--mib 256`).
    async fn soak(&self, printer: &mut Printer<'_>, mib: usize, dir: &Path) -> Result<(), Fault> {
        let peak = |printer: &mut Printer<'_>, id| {
            if let Some(peak) = peak_bytes(std::process::id()) {
                printer.figure(id, peak / f64::from(1 << 20), "MiB");
            }
            super::process::forget_peak();
        };
        self.streams(printer, "soak_streams_c4", 40 * mib).await?;
        peak(printer, "writer_peak_soak_streams_mib");
        let (path, size) = (dir.join("sparse"), (400 * mib * MIB) as u64);
        let made = std::fs::File::create(&path).and_then(|file| file.set_len(size));
        made.map_err(|e| Fault::file(&path, &e))?;
        let load = Load { name: "soak_sparse_c1", size: 400 * mib * MIB, count: 1, clients: 1, per_s: false };
        let file = std::fs::File::open(&path).map_err(|e| Fault::file(&path, &e))?;
        let begun = Instant::now();
        let ask = PutAsk { size_hint: size, ..PutAsk::new("sparse") };
        let put = self.client.put(&self.bucket, ask, Box::new(file), &|_, _, _| {}).await;
        put.map_err(|e| client_fault(e, "sparse"))?;
        self.print(printer, &load, "put", begun.elapsed().as_secs_f64());
        peak(printer, "writer_peak_soak_sparse_mib");
        Ok(())
    }

    /// Runs `work` for every object, by so many at once; seconds.
    async fn timed<F>(&self, load: &Load, work: impl Fn(Client, Arc<Bucket>, usize) -> F) -> Result<f64, Fault>
    where
        F: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let begun = Instant::now();
        let mut running = JoinSet::new();
        for at in 0..load.count {
            while running.len() >= load.clients {
                joined(running.join_next().await)?;
            }
            running.spawn(work(self.client.clone(), Arc::clone(&self.bucket), at));
        }
        while !running.is_empty() {
            joined(running.join_next().await)?;
        }
        Ok(begun.elapsed().as_secs_f64())
    }

    fn cpu(&self) -> Result<f64, Fault> {
        self.pids.iter().map(|pid| usage(*pid).map(|used| used.cpu_s)).sum()
    }

    fn print(&self, printer: &mut Printer<'_>, load: &Load, verb: &str, wall: f64) {
        let bytes = (load.size * load.count) as f64;
        let id = format!("{verb}_{}", load.name);
        if load.per_s {
            printer.figure(&id, load.count as f64 / wall, "1/s");
        } else {
            printer.figure(&id, bytes / wall / 1e6, "MB/s");
        }
    }

    /// One 64 MiB object after another: to the acknowledgement, until all pieces stand, and back.
    async fn whole(&self, printer: &mut Printer<'_>, count: usize) -> Result<(), Fault> {
        let first = self.names.fetch_add(count, Relaxed);
        let (mut acked, mut full) = (Spent::default(), Spent::default());
        let sent = self.client.sent();
        for at in first..first + count {
            let data = Arc::new(content(64 * MIB, at as u64));
            let (cpu, begun) = (self.cpu()?, Instant::now());
            let put = put_one(&self.client, &self.bucket, &name(at), data).await?;
            acked.add(begun, self.cpu()? - cpu);
            self.settle(&put.runs).await?;
            full.add(begun, self.cpu()? - cpu);
        }
        let bytes = (64 * MIB * count) as f64;
        let (mb, gib) = (bytes / 1e6, bytes / f64::from(1 << 30));
        printer.figure("put_64mib_c1", mb / acked.wall_s, "MB/s");
        printer.figure("put_cpu_s_per_gib", acked.cpu_s / gib, "s");
        printer.figure("put_full_mb_per_s", mb / full.wall_s, "MB/s");
        printer.figure("put_full_cpu_s_per_gib", full.cpu_s / gib, "s");
        printer.figure("uplink_ratio", (self.client.sent() - sent) as f64 / bytes, "");
        let mut got = Spent::default();
        for at in first..first + count {
            let (cpu, begun) = (self.cpu()?, Instant::now());
            let mut out = tokio::io::sink();
            let read = self.client.get(&self.bucket, &name(at), Wanted::default(), &mut out, &|_, _, _| {}).await;
            read.map_err(|e| client_fault(e, &name(at)))?;
            got.add(begun, self.cpu()? - cpu);
        }
        printer.figure("get_64mib_c1", mb / got.wall_s, "MB/s");
        printer.figure("get_cpu_s_per_gib", got.cpu_s / gib, "s");
        Ok(())
    }

    /// Waits until every piece of everything that was put since the last time stands.
    async fn settle_all(&self) -> Result<(), Fault> {
        let mut runs = std::mem::take(&mut *self.runs.lock().unwrap_or_else(PoisonError::into_inner));
        runs.sort_unstable_by_key(|run| (run.pg, run.seq));
        runs.dedup();
        self.settle(&runs).await
    }

    async fn settle(&self, runs: &[SegmentRun]) -> Result<(), Fault> {
        let begun = Instant::now();
        while begun.elapsed() < SETTLE_MAX {
            let standing = self.client.standing(runs).await.map_err(|e| client_fault(e, "bench"))?;
            if standing.is_none_or(|s| s.pieces >= s.full) {
                return Ok(());
            }
            tokio::time::sleep(SETTLE_LOOK).await;
        }
        Err(Fault::bug("not all pieces stand after two minutes"))
    }
}

/// Seconds on the wall and of all processors.
#[derive(Default)]
struct Spent {
    wall_s: f64,
    cpu_s: f64,
}

impl Spent {
    fn add(&mut self, begun: Instant, cpu_s: f64) {
        self.wall_s += begun.elapsed().as_secs_f64();
        self.cpu_s += cpu_s;
    }
}

fn joined(done: Option<Result<Result<(), Fault>, tokio::task::JoinError>>) -> Result<(), Fault> {
    done.map_or(Ok(()), |done| done.map_err(Fault::bug)?)
}

fn name(number: usize) -> String {
    format!("objects/{number}")
}

/// Bytes that repeat nowhere.
fn content(len: usize, seed: u64) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// Content that is made as it is read.
struct Made {
    left: u64,
    from: blake3::OutputReader,
}

impl Made {
    fn new(len: u64, seed: u64) -> Self {
        Self { left: len, from: blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof() }
    }
}

impl std::io::Read for Made {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let len = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.from.fill(&mut into[..len]);
        self.left -= len as u64;
        Ok(len)
    }
}

/// Content that several puts share.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

async fn put_one(client: &Client, bucket: &Bucket, name: &str, data: Arc<Vec<u8>>) -> Result<Put, Fault> {
    let ask = PutAsk { size_hint: data.len() as u64, ..PutAsk::new(name) };
    let stored = client.put(bucket, ask, Box::new(Cursor::new(Shared(data))), &|_, _, _| {}).await;
    stored.map_err(|e| client_fault(e, name))
}

/// Median of a 16 KiB write with fdatasync in this folder, in ms.
fn fsync_ms(dir: &Path) -> Option<f64> {
    use std::io::Write;
    let path = dir.join("fsync.probe");
    let mut file = std::fs::File::create(&path).ok()?;
    let mut times: Vec<f64> = (0..21)
        .filter_map(|_| {
            let begun = Instant::now();
            file.write_all(&[7; 16 << 10]).and_then(|()| file.sync_data()).ok()?;
            Some(begun.elapsed().as_secs_f64() * 1e3)
        })
        .collect();
    let _ = std::fs::remove_file(&path);
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).map(|ms| (ms * 100.0).round() / 100.0)
}
