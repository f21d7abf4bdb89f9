//! How soon guests stand still when their machine's owner is back: a node whose sensors follow a script runs guests that spin, that
//! print without end, that fill memory; the script says that there was input, and the processor time of the node's sandboxes is
//! looked at until it grows no more. And how soon memory is back when the owner lends nothing any more.
//!
//! After an input no guest runs for a minute, whatever the script says then; so the node is started anew for each.
//! What is counted ends with the last growth that was seen, so it is at most one pause between looks too long or too short.

use super::Bench;
use super::small::Small;
use crate::bench::process::children;
use crate::demo::cloud::Cloud;
use crate::fault::Fault;
use crate::local::ask_agent;
use hdrhistogram::Histogram;
use serde_json::json;
use std::time::{Duration, Instant};
use wire::local::LocalAsk;

/// What the guests do.
const GUESTS: [&str; 3] = ["spin", "flood", "fill"];
/// Times the owner comes back over each of them.
const EVENTS: u64 = 34;
/// Times in all: one at which guests got no processor just before is not counted, since who stands still cannot stop.
const TRIES: u64 = 68;
/// Times the owner lends nothing any more while guests fill memory.
const EVICTS: u64 = 10;
/// Longest wait for memory that is to come back.
const EVICT_PATIENCE: Duration = Duration::from_secs(30);
/// Guests that fill memory hold at least so much in all.
const FILLED_MIN: u64 = 128 << 20;
/// Looked at for so long before an event.
const LOOK_BEFORE: Duration = Duration::from_millis(60);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Looked at for so long after an event.
const LOOK_FOR: Duration = Duration::from_millis(700);
/// Growth of less in one look is the process noticing that it was stopped, in ns.
const GROWTH_MIN: u64 = 20_000;
/// Longest wait until guests compute again.
const PATIENCE: Duration = Duration::from_secs(60);
/// The member hands in at the first machine and the owner of the second one comes back.
const OWNER: usize = 1;

/// Runs it where it is asked for.
pub async fn run(bench: &mut Bench<'_>) {
    if bench.is_meant(&["yield_ms_p50", "yield_ms_p95", "yield_ms_p99", "yield_ms_max", "yield_memory_ms_max"]) {
        let done = all(bench).await;
        bench.ended("yield_ms", done);
    }
}

async fn all(bench: &mut Bench<'_>) -> Result<(), Fault> {
    let dir = bench.folder("yield");
    crate::home::create_private_dir(&dir)?;
    // Profile whisper: an owner's input stops everything.
    let mut small = Small { cloud: Cloud::new(bench.app, &dir, 2, bench.args.seed) };
    let seen = measured(&mut small).await;
    small.cloud.end().await;
    let (times, looked, evicts) = seen?;
    let ms = |share: f64| times.value_at_quantile(share) as f64 / 1e3;
    let params = json!({"events": times.len(), "lend_profile": "whisper", "guests": GUESTS, "longest_pause_ms": looked,
        "seed": bench.args.seed});
    bench.figure(&params, ("yield_ms_p50", ms(0.5), "ms"));
    bench.figure(&params, ("yield_ms_p95", ms(0.95), "ms"));
    bench.figure(&params, ("yield_ms_p99", ms(0.99), "ms"));
    bench.figure(&params, ("yield_ms_max", times.max() as f64 / 1e3, "ms"));
    let params = json!({"events": EVICTS, "guest": "fill", "seed": bench.args.seed});
    bench.figure(&params, ("yield_memory_ms_max", evicts, "ms"));
    Ok(())
}

/// Times in µs, the longest pause between two looks in ms, and the longest time until memory was back in ms.
async fn measured(small: &mut Small) -> Result<(Histogram<u64>, f64, f64), Fault> {
    small.cloud.start_center().await.map_err(Fault::bug)?;
    small.cloud.join_first().await.map_err(Fault::bug)?;
    small.cloud.join_last().await.map_err(Fault::bug)?;
    small.cloud.all_on().await.map_err(Fault::bug)?;
    let mut times = Histogram::new_with_bounds(1, 60_000_000, 3).map_err(Fault::bug)?;
    let (mut longest, mut evicts) = (0.0_f64, 0.0_f64);
    for guest in GUESTS {
        let (guest, to) = (format!("guest:{guest}"), format!("my:{guest}/"));
        let job = ["run", &guest, "--count", "10000", "--to", &to, "--fuel", "1000000000000000", "--wall", "2h"];
        // What one prints is limited but on standard error.
        small.command(&[&job[..], &["--fresh", "--detach", "--quiet", "--", "err"]].concat()).await?;
        let before = times.len();
        for _ in 0..TRIES {
            if times.len() - before == EVENTS {
                break;
            }
            let node = started(small).await?;
            if let Some((us, looked)) = one(small, node).await? {
                times.record(us).map_err(Fault::bug)?;
                longest = longest.max(looked);
            }
        }
        let seen = times.len() - before;
        if seen < EVENTS {
            let why = format!("{guest} was seen computing at {seen} of {TRIES} events: the machine is too busy");
            return Err(Fault::bug(why));
        }
        if guest == "guest:fill" {
            for _ in 0..EVICTS {
                let node = started(small).await?;
                evicts = evicts.max(evicted(small, node).await?);
            }
        }
        small.command(&["job", "stop", "last", "--quiet"]).await?;
    }
    Ok((times, longest, evicts))
}

/// The owner's node begins anew, and computes: its process.
async fn started(small: &mut Small) -> Result<u32, Fault> {
    small.cloud.kill(OWNER..OWNER + 1);
    small.cloud.comes_back(OWNER).await.map_err(Fault::bug)?;
    let node = small.cloud.pids().get(OWNER).copied().ok_or_else(|| Fault::bug("a node is gone"))?;
    until_computing(node).await?;
    Ok(node)
}

/// The owner lends nothing any more: ms until no sandbox holds memory.
async fn evicted(small: &Small, node: u32) -> Result<f64, Fault> {
    let begun = Instant::now();
    while held(node) < FILLED_MIN {
        if begun.elapsed() > EVICT_PATIENCE {
            return Err(Fault::bug(format!("guests that fill memory hold {} bytes", held(node))));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let event = Instant::now();
    ask_agent(&small.cloud.machine(OWNER).home, &LocalAsk::Down).await?;
    while held(node) > 0 {
        if event.elapsed() > EVICT_PATIENCE {
            return Err(Fault::bug(format!("guests still hold {} bytes", held(node))));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let took = event.elapsed().as_secs_f64() * 1e3;
    ask_agent(&small.cloud.machine(OWNER).home, &LocalAsk::Up).await?;
    Ok(took)
}

/// Memory of all sandboxes of a node, in bytes.
fn held(node: u32) -> u64 {
    let (mut all, mut pids) = (0, children(node));
    while let Some(pid) = pids.pop() {
        pids.extend(children(pid));
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        all += kib.unwrap_or(0) << 10;
    }
    all
}

/// Processor time of all sandboxes of a node so far, in ns.
fn computed(node: u32) -> Option<u64> {
    let mut all = None;
    let mut pids = children(node);
    while let Some(pid) = pids.pop() {
        pids.extend(children(pid));
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let ns = text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok());
            all = ns.map(|ns| all.unwrap_or(0) + ns).or(all);
        }
    }
    all
}

async fn until_computing(node: u32) -> Result<(), Fault> {
    let begun = Instant::now();
    let mut before = computed(node);
    let mut grown = 0;
    while grown < 3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = computed(node);
        // Begun anew, a sandbox starts from nothing: that is no growth.
        let is_more = now.zip(before).is_some_and(|(now, before)| now > before + GROWTH_MIN);
        grown = if is_more { grown + 1 } else { 0 };
        before = now;
        if begun.elapsed() > PATIENCE {
            let why = if now.is_none() { "there is no sandbox" } else { "its sandboxes stand still" };
            return Err(Fault::bug(format!("the node does not compute after {PATIENCE:?}: {why}")));
        }
    }
    Ok(())
}

/// One input: µs until the last growth, and the longest pause between two looks in ms; none where nothing grew before it.
async fn one(small: &Small, node: u32) -> Result<Option<(u64, f64)>, Fault> {
    let watch = tokio::task::spawn_blocking(move || {
        let mut seen = vec![(Instant::now(), computed(node))];
        let begun = Instant::now();
        while begun.elapsed() < LOOK_FOR {
            std::thread::sleep(LOOK_EVERY);
            seen.push((Instant::now(), computed(node)));
        }
        seen
    });
    tokio::time::sleep(LOOK_BEFORE).await;
    let event = Instant::now();
    ask_agent(&small.cloud.machine(OWNER).home, &LocalAsk::Script { event: "input".to_owned() }).await?;
    let seen = watch.await.map_err(Fault::bug)?;
    let (mut last, mut was_computing) = (event, false);
    let mut longest = 0.0_f64;
    for pair in seen.windows(2) {
        let [(from, before), (at, now)] = pair else { continue };
        longest = longest.max((*at - *from).as_secs_f64() * 1e3);
        let grew = now.unwrap_or(0).saturating_sub(before.unwrap_or(0)) > GROWTH_MIN;
        was_computing |= grew && *at <= event;
        if grew && *at > event {
            last = *at;
        }
    }
    let end = seen.last().map_or(event, |(at, _)| *at);
    if end - last < Duration::from_millis(50) {
        return Err(Fault::bug(format!("guests still computed {:?} after the owner's input", end - event)));
    }
    if !was_computing {
        return Ok(None);
    }
    let us = u64::try_from((last - event).as_micros()).map_err(Fault::bug)?;
    Ok(Some((us.max(1), longest)))
}
