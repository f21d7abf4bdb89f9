//! `pumasi dev massacre`: of ten real nodes, seeded choices are killed at once, and what was stored is read back byte for byte;
//! then one more is killed, and the answer must name both numbers.
//!
//! The writer's stage is wiped before the first choice: only the nodes' pieces are left. Each read is a new process with a new
//! session, as a person would type it.

use crate::app::App;
use crate::cli::Form;
use crate::cli::dev::MassacreArgs;
use crate::demo::cloud::Cloud;
use crate::fault::Fault;
use console::args;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// Nodes of the cloud: 4 of 10.
const NODES: usize = 10;
/// Killed at once: what is left rebuilds exactly.
const DEAD: usize = 6;

/// Longest wait for what only the writer's copy still holds whole: it waits a minute for stewards, then fills up who is on.
const COPY_PATIENCE: Duration = Duration::from_secs(180);

/// Runs it; 1 when a read failed.
pub async fn run(app: &App, args: &MassacreArgs) -> Result<u8, Fault> {
    let dir = std::env::temp_dir().join(format!("pumasi-massacre-{}", std::process::id()));
    crate::home::create_private_dir(&dir)?;
    let nodes = if args.standard { super::standard::NODES } else { NODES };
    let mut cloud = Cloud::new(app, &dir, nodes, args.seed).for_bench();
    let telling = async {
        if args.standard {
            return super::standard::story(app, args, &mut cloud).await;
        }
        story(app, args, &mut cloud, &dir).await
    };
    let done = tokio::select! {
        done = telling => done.map_err(Fault::bug),
        code = crate::process::stop_asked() => Ok(code),
    };
    cloud.end().await;
    let _ = std::fs::remove_dir_all(&dir);
    done
}

async fn story(app: &App, args: &MassacreArgs, cloud: &mut Cloud, dir: &Path) -> Result<u8, String> {
    cloud.start_center().await?;
    cloud.join_first().await?;
    cloud.join_last().await?;
    cloud.all_on().await?;
    let begun = Instant::now();
    let file = cloud.make_file(64 << 20)?;
    cloud.put(&file).await?;
    say(app, "said", 0, begun, &cloud.survives_now().await);
    cloud.filled().await?;
    say(app, "full", 0, begun, &Ok(()));
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let mut failed = 0;
    if args.midway {
        let read = midway(cloud, &file, &mut rng).await;
        failed += u32::from(read.is_err());
        say(app, "midway", 0, begun, &read);
    }
    // Only what the nodes hold is left.
    std::fs::remove_dir_all(cloud.operator().home.stage()).map_err(|e| e.to_string())?;
    for choice in 1..=args.choices {
        let dead = draw(&mut rng);
        let begun = Instant::now();
        dead.iter().for_each(|index| cloud.kill(*index..index + 1));
        let read = cloud.get(&file).await;
        failed += u32::from(read.is_err());
        say(app, "six_dead", choice, begun, &read);
        for index in dead {
            cloud.comes_back(index).await?;
        }
    }
    let mut dead = draw(&mut rng);
    dead.extend((0..NODES).find(|index| !dead.contains(index)));
    let begun = Instant::now();
    dead.iter().for_each(|index| cloud.kill(*index..index + 1));
    let told = cloud.degraded(&dir.join("unused")).await;
    failed += u32::from(told.is_err());
    say(app, "seven_dead", 1, begun, &told);
    Ok(u8::from(failed > 0))
}

/// The file once more; six nodes are killed as soon as it is acknowledged, so that fewer than `k` pieces may be left. While the
/// writer's machine lives nothing is lost: from its copy it fills up the four, and from them alone it reads.
async fn midway(cloud: &mut Cloud, file: &Path, rng: &mut ChaCha8Rng) -> Result<(), String> {
    cloud.spawn_writer()?;
    cloud.put(file).await?;
    let dead = draw(rng);
    dead.iter().for_each(|index| cloud.kill(*index..index + 1));
    let pieces = cloud.scheme().await?;
    tracing::info!(%pieces, "right after the killing");
    let read = cloud.get_within(file, COPY_PATIENCE).await;
    for index in dead {
        cloud.comes_back(index).await?;
    }
    read?;
    cloud.filled().await
}

/// Six of the nodes.
fn draw(rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut all: Vec<usize> = (0..NODES).collect();
    for at in 0..DEAD {
        let left = u64::try_from(NODES - at).unwrap_or(1);
        let other = at + usize::try_from(rng.next_u64() % left).unwrap_or(0);
        all.swap(at, other);
    }
    all.truncate(DEAD);
    all
}

pub(super) fn say<T: std::fmt::Debug>(app: &App, id: &str, n: u32, begun: Instant, read: &Result<T, String>) {
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let why = match read {
        Ok(said) => Some(format!("{said:?}")).filter(|said| said != "()"),
        Err(why) => Some(crate::output::escape(why)),
    };
    if app.out.form == Form::Json {
        app.out.json("check", json!({"id": id, "n": n, "ok": read.is_ok(), "ms": ms, "why": why}));
        return;
    }
    let mark = if read.is_ok() { "✓" } else { "✗" };
    let text = app.out.text(&format!("massacre-{id}"), args!["n" => n]);
    app.out.print(&format!("{mark} {ms:>6} ms  {text} {}", why.unwrap_or_default()));
}
