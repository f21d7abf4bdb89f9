//! What it costs a job that one of eight machines dies every ten seconds: the same job twice, once in peace, once while machines are
//! killed in turn, each coming back when the next one goes. Both results have to be the same.

use super::Bench;
use super::small::Small;
use crate::demo::cloud::Cloud;
use crate::fault::Fault;
use serde_json::json;
use std::time::{Duration, Instant};

/// Machines; the member hands in at the first one, which is not killed: it keeps the job's keys.
const NODES: usize = 8;
/// Between two deaths.
const EVERY: Duration = Duration::from_secs(10);
/// Items of the job, and points each throws: about half a second of one core, so that a job lasts minutes on two.
const ITEMS: &str = "480";
const THROWS: &str = "200000000";
const IDS: &[&str] = &["killing_one_of_8_over", "killing_peace_s", "killing_s", "killing_deaths"];

/// Runs it where it is asked for.
pub async fn run(bench: &mut Bench<'_>) {
    if bench.is_meant(IDS) {
        let done = all(bench).await;
        bench.ended("killing", done);
    }
}

async fn all(bench: &mut Bench<'_>) -> Result<(), Fault> {
    let dir = bench.folder("killing");
    crate::home::create_private_dir(&dir)?;
    let mut small = Small { cloud: Cloud::new(bench.app, &dir, NODES, bench.args.seed).for_bench() };
    let seen = measured(&mut small).await;
    small.cloud.end().await;
    let (peace, killed, deaths) = seen?;
    let params = json!({"nodes": NODES, "items": ITEMS, "throws": THROWS, "every_s": EVERY.as_secs(),
        "seed": bench.args.seed});
    bench.figure(&params, ("killing_peace_s", peace, "s"));
    bench.figure(&params, ("killing_s", killed, "s"));
    bench.figure(&params, ("killing_deaths", f64::from(deaths), ""));
    bench.figure(&params, ("killing_one_of_8_over", killed / peace, ""));
    Ok(())
}

/// Seconds in peace, seconds while machines die, and how many did.
async fn measured(small: &mut Small) -> Result<(f64, f64, u32), Fault> {
    small.cloud.start_center().await.map_err(Fault::bug)?;
    small.cloud.join_first().await.map_err(Fault::bug)?;
    small.cloud.join_last().await.map_err(Fault::bug)?;
    small.cloud.all_on().await.map_err(Fault::bug)?;
    let begun = Instant::now();
    hand_in(small, "my:peace/").await?;
    let peace = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let mut deaths = 0;
    let job = command(small, "my:killed/")?;
    tokio::pin!(job);
    let mut victim = 0;
    loop {
        tokio::select! {
            done = &mut job => {
                done?;
                break;
            }
            () = tokio::time::sleep(EVERY) => {
                let before = (victim > 0).then_some(victim);
                victim = victim % (NODES - 1) + 1;
                small.cloud.kill(victim..victim + 1);
                deaths += 1;
                if let Some(index) = before {
                    small.cloud.starts_again(index).map_err(Fault::bug)?;
                }
            }
        }
    }
    let killed = begun.elapsed().as_secs_f64();
    if deaths == 0 {
        return Err(Fault::bug(format!("the job was over after {killed:.1} s, before a machine died")));
    }
    for item in [0, 1, 77, 479] {
        let name = |place: &str| format!("my:{place}/part-{item:05}");
        let (was, is) =
            (small.command(&["cat", &name("peace")]).await?.0, small.command(&["cat", &name("killed")]).await?.0);
        if was != is || was.is_empty() {
            return Err(Fault::bug(format!("item {item} came out differently")));
        }
    }
    Ok((peace, killed, deaths))
}

async fn hand_in(small: &Small, to: &str) -> Result<(), Fault> {
    command(small, to)?.await
}

/// The job as a command of the member's; it does not borrow the cloud, whose machines die meanwhile.
fn command(small: &Small, to: &str) -> Result<impl Future<Output = Result<(), Fault>> + use<>, Fault> {
    let args =
        ["run", "guest:pi", "--count", ITEMS, "--to", to, "--trust", "circle", "--fresh", "--quiet", "--", THROWS];
    let mut command = small.prepared(&args)?;
    Ok(async move {
        let out = command.output().await.map_err(Fault::bug)?;
        match out.status.success() {
            true => Ok(()),
            false => Err(Fault::bug(format!("the job said {}", String::from_utf8_lossy(&out.stderr).trim()))),
        }
    })
}
