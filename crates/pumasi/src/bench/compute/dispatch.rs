//! What one center hands out and takes back: a real center process, and simulated nodes of `pumasi dev workers` in another.
//!
//! Each load has a center of its own, so that none carries what another left behind. An item counts when its result was
//! acknowledged, which is after the journal is durable.

use super::Bench;
use crate::bench::process::{Usage, usage};
use crate::bench::stand::Stand;
use crate::fault::Fault;
use model::Span;
use serde_json::{Value, json};
use std::time::Duration;

/// Real connections, which the nodes share.
const SOCKETS: u32 = 20;
/// Check-ins of a node lie so far apart.
const PERIOD_S: u64 = 12;
/// Before counting begins.
const WARMUP: &str = "5s";
/// Items a second that are handed in where the wait for a lease is measured.
const PACE: u32 = 1_000;
/// Longest wait beside the measured time, per 1,000 nodes.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one load has seen.
struct Seen {
    done: Value,
    cpu_s: f64,
}

/// All loads that are asked for.
pub async fn run(bench: &mut Bench<'_>) {
    let loads: [(&str, &[&str]); 3] = [
        ("bundles", &["items_per_s", "item_cpu_us"]),
        ("singles", &["leases_per_s", "lease_cpu_us"]),
        ("paced", &["grant_p50_ms", "grant_p99_ms", "grant_max_ms"]),
    ];
    for (load, ids) in loads {
        if bench.is_meant(ids) {
            let done = one(bench, load).await;
            bench.ended(load, done);
        }
    }
}

async fn one(bench: &mut Bench<'_>, load: &str) -> Result<(), Fault> {
    let args = bench.args;
    let mut params = json!({"agents": args.agents, "sockets": SOCKETS.min(args.agents), "time": args.time,
        "warmup": WARMUP, "seed": args.seed, "db": "sqlite", "load": load, "slots": 8, "durable": "before the answer"});
    let seen = measured(bench, load).await?;
    let said = |key: &str| seen.done.get(key).and_then(Value::as_f64);
    for key in ["items", "leases", "jobs", "twice", "refused", "failed", "seconds", "jobs_without_lease"] {
        params[key] = json!(said(key));
    }
    params["center_cpu_s"] = json!(seen.cpu_s);
    params["whys"] = seen.done["whys"].clone();
    let needed = |key: &str| said(key).ok_or_else(|| Fault::bug(format!("nothing was counted: {}", seen.done)));
    let per = |count: f64| if count > 0.0 { seen.cpu_s / count * 1e6 } else { f64::NAN };
    let (items, leases) = (needed("items")?, needed("leases")?);
    if items == 0.0 {
        return Err(Fault::bug(format!("no result was acknowledged: {}", seen.done)));
    }
    match load {
        "bundles" => {
            bench.figure(&params, ("items_per_s", needed("items_per_s")?, "1/s"));
            bench.figure(&params, ("item_cpu_us", per(items), "µs"));
        }
        "singles" => {
            if items > leases {
                return Err(Fault::bug(format!("{items} items came in {leases} leases")));
            }
            bench.figure(&params, ("leases_per_s", needed("leases_per_s")?, "1/s"));
            bench.figure(&params, ("lease_cpu_us", per(leases), "µs"));
        }
        _ => {
            params["offered_items_per_s"] = json!(PACE);
            for (id, key) in [("grant_p50_ms", "p50_ms"), ("grant_p99_ms", "p99_ms"), ("grant_max_ms", "max_ms")] {
                bench.figure(&params, (id, needed(key)?, "ms"));
            }
        }
    }
    Ok(())
}

async fn measured(bench: &Bench<'_>, load: &str) -> Result<Seen, Fault> {
    let args = bench.args;
    let stand = Stand::new(bench.app, &bench.folder(load))?;
    stand.found(PERIOD_S).await?;
    let mut center = stand.start_center()?;
    let card = stand.card(&mut center).await?;
    let numbers = [args.agents, SOCKETS.min(args.agents), PACE].map(|n| n.to_string());
    let words = ["dev", "workers", "--json", "--load", load, "--time", &args.time, "--warmup", WARMUP];
    let mut words: Vec<String> = words.map(str::to_owned).to_vec();
    let seed = args.seed.to_string();
    let more = [("--count", &numbers[0]), ("--sockets", &numbers[1]), ("--pace", &numbers[2]), ("--seed", &seed)];
    words.extend(more.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value.clone()]));
    let (workers, mut lines) = stand.start_fleet(&card, args.agents, words).await?;
    let patience = PATIENCE * args.agents.div_ceil(1_000) + args.time.parse::<Span>()?.to_std();
    stand.wait(&mut lines, "begun", patience).await?;
    let before: Usage = usage(center.id())?;
    let done = stand.wait(&mut lines, "done", patience).await?;
    let after = usage(center.id())?;
    drop(workers);
    stand.end(center);
    Ok(Seen { done, cpu_s: after.cpu_s - before.cpu_s })
}
