//! Carries a plan of faults out, each beside the others, and ends each one.

use super::plan::{Fault, Kind};
use super::spaces::Spaces;
use super::work::Work;
use super::world::{self, Who, World};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes looked through for one that is not zero.
const SEARCHED: usize = 64 << 10;
/// Smallest piece of a file system in memory.
const PAGE: u64 = 4_096;

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Done {
    /// Faults that took place, by kind.
    pub seen: BTreeMap<Kind, u32>,
    /// Those that did not, and why.
    pub failed: Vec<String>,
}

/// Carries `faults` out; comes back when the last one has ended.
pub async fn run(world: &Arc<World>, work: &Arc<Work>, faults: &[Fault], begun: Instant) -> Done {
    let done = Arc::new(Mutex::new(Done::default()));
    let mut all = tokio::task::JoinSet::new();
    for fault in faults.iter().cloned() {
        let (world, work, done) = (Arc::clone(world), Arc::clone(work), Arc::clone(&done));
        all.spawn(async move {
            tokio::time::sleep_until((begun + Duration::from_millis(fault.at_ms)).into()).await;
            let came = one(&world, &work, &fault).await;
            tracing::info!(kind = fault.kind.word(), whom = ?fault.whom, at_ms = fault.at_ms, ?came, "a fault has ended");
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            match came {
                Ok(()) => *done.seen.entry(fault.kind).or_default() += 1,
                Err(why) => done.failed.push(format!("{} at {} ms: {why}", fault.kind.word(), fault.at_ms)),
            }
        });
    }
    while let Some(ended) = all.join_next().await {
        if let Err(error) = ended {
            done.lock().unwrap_or_else(PoisonError::into_inner).failed.push(error.to_string());
        }
    }
    std::mem::take(&mut *done.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn one(world: &World, work: &Work, fault: &Fault) -> Result<(), String> {
    let first = fault.whom.first().copied().unwrap_or(0);
    let lasts = Duration::from_millis(fault.lasts_ms);
    match fault.kind {
        Kind::KillNode => killed(world, Who::Node(first), lasts).await,
        Kind::KillCenter => killed(world, Who::Center, lasts).await,
        Kind::KillKeeper => killed(world, Who::Keeper, lasts).await,
        Kind::StopNode => stopped(world, Who::Node(first), lasts).await,
        Kind::StopCenter => stopped(world, Who::Center, lasts).await,
        Kind::KillPut => work.doom(first, lasts).await,
        Kind::FullDisk => full(world, first, lasts, fault.dice).await,
        Kind::FlipBit => flipped(world, first, fault.dice),
        Kind::CutNode => unplugged(world, &fault.whom, None, lasts).await,
        Kind::Split => unplugged(world, &fault.whom, Some("br1"), lasts).await,
        Kind::MoveDisk => moved(world, first, lasts).await,
    }
}

async fn killed(world: &World, who: Who, lasts: Duration) -> Result<(), String> {
    let ran = world.kill(who).await;
    tokio::time::sleep(lasts).await;
    world.run_again(who).await?;
    if ran { Ok(()) } else { Err(format!("{who:?} had ended by itself")) }
}

async fn stopped(world: &World, who: Who, lasts: Duration) -> Result<(), String> {
    world.signal(who, Signal::SIGSTOP).await?;
    tokio::time::sleep(lasts).await;
    world.signal(who, Signal::SIGCONT).await
}

/// The disk ends where what is on it ends, or a few bytes behind, and then is as large as before. A node without a disk of its own
/// is made to lend less than it holds instead, and the output says so.
async fn full(world: &World, node: usize, lasts: Duration, dice: u64) -> Result<(), String> {
    if world.spaces != Spaces::Own {
        world.lend(node, "1MiB").await?;
        tokio::time::sleep(lasts).await;
        return world.lend(node, world::LENT).await;
    }
    let data = world.data(node);
    let begun = Instant::now();
    loop {
        let used = used(&data)?;
        match world.spaces.resize(&data, used + (dice % 3) * PAGE) {
            Ok(()) => break,
            // More was written meanwhile.
            Err(_) if begun.elapsed() < Duration::from_secs(5) => {}
            Err(why) => return Err(why),
        }
    }
    tokio::time::sleep(lasts).await;
    world.spaces.resize(&data, world::DISK_BYTES)
}

fn used(dir: &Path) -> Result<u64, String> {
    let stat = nix::sys::statvfs::statvfs(dir).map_err(|e| e.to_string())?;
    Ok(stat.blocks().saturating_sub(stat.blocks_free()).saturating_mul(stat.fragment_size()))
}

/// Every log below a folder, with its length.
pub fn logs(dir: &Path) -> Vec<(PathBuf, u64)> {
    let entries = std::fs::read_dir(dir).map(|all| all.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let mut out = Vec::new();
    for entry in entries {
        let path = entry.path();
        match entry.metadata() {
            Ok(meta) if meta.is_dir() => out.extend(logs(&path)),
            Ok(meta) if path.extension().is_some_and(|end| end == "log") && meta.len() > 0 => {
                out.push((path, meta.len()))
            }
            _ => {}
        }
    }
    out.sort();
    out
}

/// One bit somewhere in the logs of a node, each as likely as the others.
fn flipped(world: &World, node: usize, dice: u64) -> Result<(), String> {
    let logs = logs(&world.data(node).join("pieces"));
    let all: u64 = logs.iter().map(|(_, len)| len).sum();
    let mut place = dice.checked_rem(all).ok_or("it holds nothing yet")?;
    for (path, len) in logs {
        if place >= len {
            place -= len;
            continue;
        }
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).map_err(|e| e.to_string())?;
        let (mut bytes, end) = (vec![0; SEARCHED], len - place);
        let read = file.read_at(&mut bytes, place).map_err(|e| e.to_string())?;
        // What fills up a block is zeros, and no piece.
        let skip = bytes[..read].iter().position(|byte| *byte != 0).unwrap_or(0);
        let byte = [bytes[skip] ^ 1 << (dice >> 61)];
        tracing::info!(path = %path.display(), at = place + skip as u64, end, "a bit is flipped");
        return file.write_all_at(&byte, place + skip as u64).map_err(|e| e.to_string());
    }
    Err("it holds nothing any more".to_owned())
}

/// Cables are pulled and plugged in again. Where nothing can be cut the nodes are stopped for as long, and the output says so.
async fn unplugged(world: &World, nodes: &[usize], to: Option<&str>, lasts: Duration) -> Result<(), String> {
    if world.spaces != Spaces::Own {
        for node in nodes {
            world.signal(Who::Node(*node), Signal::SIGSTOP).await?;
        }
        tokio::time::sleep(lasts).await;
        for node in nodes {
            world.signal(Who::Node(*node), Signal::SIGCONT).await?;
        }
        return Ok(());
    }
    nodes.iter().try_for_each(|node| world.spaces.plug(*node, to))?;
    tokio::time::sleep(lasts).await;
    nodes.iter().try_for_each(|node| world.spaces.plug(*node, Some("br0")))
}

async fn moved(world: &World, node: usize, lasts: Duration) -> Result<(), String> {
    let pieces = world.data(node).join("pieces");
    let away = pieces.with_extension("away");
    std::fs::rename(&pieces, &away).map_err(|e| e.to_string())?;
    tokio::time::sleep(lasts).await;
    if pieces.exists() {
        return Err("another folder stands in its place".to_owned());
    }
    std::fs::rename(&away, &pieces).map_err(|e| e.to_string())
}
