//! `pumasi dev chaos`: a small cloud of real processes under a seeded plan of faults, while several machines of one account
//! store, read, remove and list. When the last fault has ended the cloud heals, and then every acknowledged object is read byte
//! for byte, every removed name is gone, the history of every name is explained by an order (`linear`), and what the center
//! accounts for is what the nodes hold, each piece of which verifies on its disk.
//!
//! What breaks when is a function of the seed ([`plan`]); never more at a time than the code survives, so that a loss is a bug.
//! Everything else (which call meets which fault) is left to the machine: a seed makes a failure likely again, not certain.

mod check;
mod linear;
mod nemesis;
mod plan;
mod spaces;
mod work;
mod world;

use crate::app::App;
use crate::cli::Form;
use crate::cli::dev::ChaosArgs;
use crate::fault::Fault;
use check::Checker;
use console::args;
use nemesis::Done;
use node::storage::{PieceStore, StoreLimits};
use plan::{Ask, Kind};
use serde_json::json;
use spaces::Spaces;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use work::{BUCKET, Work};
use world::World;

/// Machines of the account that stores.
const CLIENTS: usize = 4;
/// Longest wait for the first object.
const START: Duration = Duration::from_secs(60);

/// Runs it; 1 when a check failed, and what is left of the cloud then stays.
pub async fn run(app: &App, args: &ChaosArgs) -> Result<u8, Fault> {
    let spaces = Spaces::found();
    let dir = std::env::temp_dir().join(format!("pumasi-chaos-{}", std::process::id()));
    crate::home::create_private_dir(&dir)?;
    let world = Arc::new(World::new(app, &dir, spaces, (usize::from(args.nodes), args.time_scale)));
    say(
        app,
        "begin",
        &json!({"seed": args.seed, "seconds": args.seconds, "nodes": args.nodes, "time_scale": args.time_scale,
        "namespaces": spaces == Spaces::Own}),
    );
    let told = tokio::select! {
        told = story(app, args, &world) => told,
        code = crate::process::stop_asked() => {
            world.end().await;
            world.remove();
            return Ok(code);
        }
    };
    let failed = told.unwrap_or_else(|why| {
        say(app, "broken", &json!({"why": why}));
        1
    });
    world.end().await;
    if failed == 0 {
        world.remove();
        return Ok(0);
    }
    world.keep_disks();
    let again = format!(
        "pumasi dev chaos --seconds {} --seed {} --nodes {} --time-scale {}",
        args.seconds, args.seed, args.nodes, args.time_scale
    );
    say(app, "replay", &json!({"dir": dir.display().to_string(), "command": again}));
    Ok(1)
}

/// The whole run; how many checks failed.
async fn story(app: &App, args: &ChaosArgs, world: &Arc<World>) -> Result<u32, String> {
    let begun = Instant::now();
    world.start(CLIENTS).await?;
    let scheme = first_object(world).await?;
    let (n, accept) = (scheme.1, scheme.1.min(scheme.0 + 1));
    let ask = Ask {
        seed: args.seed,
        seconds: args.seconds,
        nodes: world.size(),
        clients: CLIENTS,
        down_max: plan::down_max(n, accept),
    };
    let faults = plan::plan(&ask);
    say(
        app,
        "up",
        &json!({"k": scheme.0, "n": n, "accept": accept, "down_max": ask.down_max, "planned": faults.len(),
        "ms": ms(begun)}),
    );
    if args.plan {
        for fault in &faults {
            say(
                app,
                "plan",
                &json!({"at_ms": fault.at_ms, "lasts_ms": fault.lasts_ms, "kind": fault.kind.word(), "whom": fault.whom}),
            );
        }
    }
    let work = Arc::new(Work::new(world, args.seed, CLIENTS));
    let mut clients = tokio::task::JoinSet::new();
    (0..CLIENTS).for_each(|client| drop(clients.spawn(Arc::clone(&work).client(client))));
    let done = nemesis::run(world, &work, &faults, Instant::now()).await;
    work.stop();
    while clients.join_next().await.is_some() {}
    tell(app, world.spaces, &done, &work);
    let rotten = plan::rotten(args.seed, world.size());
    let checker = Checker { app, world, work: &work, k: scheme.0, n, seed: args.seed, rotten };
    Ok(checker.all(&done, faults.len()).await)
}

/// Stores one small object and one of a segment, and says k and n of what the second is cut by.
async fn first_object(world: &World) -> Result<(usize, usize), String> {
    let path = world.root("first");
    std::fs::write(&path, vec![7; 5 << 20]).map_err(|e| e.to_string())?;
    let from = path.display().to_string();
    let place = format!("{BUCKET}first");
    let put = ["cp", &from, &place, "--full"];
    // A node that has just joined says only with its next check-in what room it has.
    until(START, || async { world::said(world.command("client0", &put, "").await?) }).await?;
    let shown = world.shown("client0", &["bucket", "show", "chaos", "--json"]).await?;
    let number = |key: &str| shown["survives"][key].as_u64().and_then(|n| usize::try_from(n).ok());
    world::said(world.command("client0", &["rm", &place, "--yes"], "").await?)?;
    number("k").zip(number("n")).ok_or_else(|| shown.to_string())
}

/// One line a kind of fault, and what the clients did.
fn tell(app: &App, spaces: Spaces, done: &Done, work: &Work) {
    for kind in Kind::ALL {
        let how = match kind {
            Kind::CutNode | Kind::Split if spaces == Spaces::None => "by stopping: no namespaces here",
            Kind::CutNode => "cable of its namespace unplugged",
            Kind::Split => "cables of their namespaces in another bridge",
            Kind::FullDisk if spaces == Spaces::None => "by lending less: nothing can be mounted here",
            Kind::FullDisk => "ENOSPC of a mounted file system",
            _ => "",
        };
        let count = done.seen.get(&kind).copied().unwrap_or(0);
        say(app, "fault", &json!({"fault": kind.word(), "count": count, "how": how}));
    }
    let counts = work.counts();
    for (call, count) in &counts.calls {
        let said = counts.said.get(call).map_or("", String::as_str);
        say(app, "calls", &json!({"call": call, "count": count, "said": said}));
    }
}

/// One object, or one line with the same words.
fn say(app: &App, kind: &str, fields: &serde_json::Value) {
    if app.out.form == Form::Json {
        return app.out.json(kind, fields.clone());
    }
    let words = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), crate::output::escape);
    let all: Vec<String> = fields.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", words(v))).collect();
    let head = app.out.text(&format!("chaos-{kind}"), args![]);
    app.out.print(&format!("{head} {}", all.join(" ")));
}

fn ms(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Waits until `look` has nothing to complain of; its last complaint where it always has.
async fn until<T, F: Future<Output = Result<T, String>>>(
    patience: Duration,
    look: impl Fn() -> F,
) -> Result<T, String> {
    let begun = Instant::now();
    loop {
        match look().await {
            Err(_) if begun.elapsed() < patience => tokio::time::sleep(world::LOOK_EVERY).await,
            done => return done,
        }
    }
}

/// What a look at all pieces of a disk found.
struct Looked {
    pieces: u64,
    damaged: u64,
}

/// Looks at all pieces on the disk of a node that does not run; what does not verify is marked, as the node itself would do it.
async fn scrubbed(pieces: &Path) -> Result<Looked, String> {
    let limits = StoreLimits::new(model::Bytes(u64::MAX / 2), model::Bytes(0), |_| true);
    let store = PieceStore::open(pieces, limits).await.map_err(|e| e.to_string())?;
    let before = store.usage().damaged;
    let report = store.scrub_range(None, u64::MAX, model::Bytes(u64::MAX / 2)).await.map_err(|e| e.to_string())?;
    Ok(Looked { pieces: report.pieces, damaged: before + report.damaged.len() as u64 })
}
