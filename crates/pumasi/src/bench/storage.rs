//! `pumasi bench storage`: how fast are files stored and read on a cloud of ten nodes on this machine, and what does a GiB
//! cost in processor time, all processes together?
//!
//! Real processes of this program: a center and ten nodes on loopback, each with its own store and its own fsyncs; the
//! writer is this process. A put ends when every holder that is on has given its receipt and the commit is durable, so
//! its figures are those of the full code (k of n), not of the acknowledgement. A memory disk is refused: fsync costs nothing
//! there.

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
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;
use tokio::task::JoinSet;

/// Nodes of the cloud: 4 of 10.
const NODES: usize = 10;
const MIB: usize = 1 << 20;

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
    let mut cloud = Cloud::new(app, &dir, NODES, args.seed);
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
    let session = Session::open(cloud.operator()).await?;
    let bucket = Arc::new(session.bucket_or_make("bench").await?);
    let first = put_one(&session.client, &bucket, "first", Arc::new(content(MIB, 0))).await?;
    let scheme = first.scheme.map_or_else(String::new, |s| s.to_string());
    let params = json!({"nodes": NODES, "scheme": scheme, "pieces": first.pieces, "seed": args.seed, "mib": args.mib,
        "fsync_p50_ms": fsync_ms(dir)});
    let mut printer = Printer::new(app, "storage", params);
    let pids: Vec<u32> = cloud.pids().into_iter().chain([std::process::id()]).collect();
    let bench = Bench { client: session.client.clone(), bucket, pids, names: AtomicUsize::new(0) };
    let mib = usize::try_from(args.mib).unwrap_or(256);
    let loads = [
        Load { name: "64mib_c1", size: 64 * MIB, count: (mib / 64).max(1), clients: 1, per_s: false },
        Load { name: "64mib_c4", size: 64 * MIB, count: (mib / 64).max(4), clients: 4, per_s: false },
        Load { name: "1mib_c4", size: MIB, count: (mib / 4).max(4), clients: 4, per_s: false },
        Load { name: "4kib_c8", size: 4_096, count: (mib * 4).max(8), clients: 8, per_s: true },
        Load { name: "4097b_c8", size: 4_097, count: (mib / 2).max(8), clients: 8, per_s: true },
    ];
    let mut done = Ok(());
    for load in &loads {
        done = bench.load(&mut printer, load).await;
        if done.is_err() {
            break;
        }
    }
    if let (Ok(()), Some(peak)) = (&done, peak_bytes(std::process::id())) {
        printer.figure("writer_peak_mib", peak / f64::from(1 << 20), "MiB");
    }
    session.close().await;
    if done.is_ok() {
        done = super::rows::run(&mut printer, dir, args.rows).await;
    }
    done.map(|()| u8::from(!printer.good))
}

struct Bench {
    client: Client,
    bucket: Arc<Bucket>,
    pids: Vec<u32>,
    names: AtomicUsize,
}

impl Bench {
    /// Puts, then gets the same objects; prints both.
    async fn load(&self, printer: &mut Printer<'_>, load: &Load) -> Result<(), Fault> {
        let first = self.names.fetch_add(load.count, Relaxed);
        let data = Arc::new(content(load.size, first as u64));
        let (wall, cpu) = self
            .timed(load, |client, bucket, at| {
                let data = Arc::clone(&data);
                async move { put_one(&client, &bucket, &name(first + at), data).await.map(drop) }
            })
            .await?;
        self.print(printer, load, "put", wall, cpu);
        let size = load.size as u64;
        let (wall, cpu) = self
            .timed(load, move |client, bucket, at| async move {
                let name = name(first + at);
                let got = client.get(&bucket, &name, Wanted::default(), &mut tokio::io::sink(), &|_, _, _| {}).await;
                let got = got.map_err(|e| client_fault(e, &name))?;
                if got.bytes == size { Ok(()) } else { Err(Fault::bug("another size came back")) }
            })
            .await?;
        self.print(printer, load, "get", wall, cpu);
        Ok(())
    }

    /// Runs `work` for every object, by so many at once; seconds on the wall and of all processors.
    async fn timed<F>(&self, load: &Load, work: impl Fn(Client, Arc<Bucket>, usize) -> F) -> Result<(f64, f64), Fault>
    where
        F: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let (before, begun) = (self.cpu()?, Instant::now());
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
        Ok((begun.elapsed().as_secs_f64(), self.cpu()? - before))
    }

    fn cpu(&self) -> Result<f64, Fault> {
        self.pids.iter().map(|pid| usage(*pid).map(|used| used.cpu_s)).sum()
    }

    fn print(&self, printer: &mut Printer<'_>, load: &Load, verb: &str, wall: f64, cpu: f64) {
        let bytes = (load.size * load.count) as f64;
        let id = format!("{verb}_{}", load.name);
        if load.per_s {
            printer.figure(&id, load.count as f64 / wall, "1/s");
        } else {
            printer.figure(&id, bytes / wall / 1e6, "MB/s");
        }
        if load.size == 64 * MIB && load.clients == 1 {
            let gib = bytes / f64::from(1 << 30);
            printer.figure(&format!("{verb}_full_cpu_s_per_gib"), cpu / gib, "s");
        }
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
