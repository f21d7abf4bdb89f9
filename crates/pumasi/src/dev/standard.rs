//! `pumasi dev massacre --standard`: the same in a neighborhood of 120 nodes, each with its own key, owner and address, ten in a
//! process: a put acknowledged at 44 of 32/104, filled by its writer's own machine, as no steward has its month of history yet;
//! then seven processes are killed at once, 70 nodes, and what was stored is read back byte for byte.

use super::massacre::say;
use crate::app::App;
use crate::cli::agent::SensorKind;
use crate::cli::dev::{MassacreArgs, NodesArgs};
use crate::cli::join::{self, Before, Entry};
use crate::demo::cloud::Cloud;
use crate::fault::Fault;
use crate::home::Home;
use model::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use wire::Ticket;

/// Nodes, each with an owner of its own.
pub const NODES: usize = 120;
/// Nodes of one process.
const EACH: usize = 10;
/// Processes killed at once: 70 nodes of 120.
const DEAD: usize = 7;
/// Pieces of a full segment: one for each slot of its group.
const PIECES: u64 = 104;
/// Longest wait until all pieces stand.
const FILL_PATIENCE: Duration = Duration::from_secs(400);

/// Runs `dev nodes`: the agents of some homes in one process.
pub async fn nodes(app: &App, args: &NodesArgs) -> Result<u8, Fault> {
    let mut agents = JoinSet::new();
    for root in &args.homes {
        let home = Home::find(|key| (key == "PUMASI_HOME").then(|| root.clone()))?;
        let app = App { home, ..app.clone() };
        agents.spawn(async move { crate::roles::run_agent(&app, SensorKind::Scripted).await });
    }
    while let Some(ended) = agents.join_next().await {
        ended.map_err(Fault::bug)??;
    }
    Ok(0)
}

/// Tells how it went; 1 when a read failed.
pub async fn story(app: &App, args: &MassacreArgs, cloud: &mut Cloud) -> Result<u8, String> {
    let begun = Instant::now();
    cloud.start_center().await?;
    for index in 0..NODES {
        let ticket: Ticket = cloud.invite().await?.parse().map_err(|e| format!("{e}"))?;
        let number = u8::try_from(index + 1).map_err(|e| e.to_string())?;
        let entry = Entry {
            name: format!("pc{}", index + 1),
            bind: Some([127, number, 0, 1].into()),
            region: cloud.region(index).parse().ok(),
            profile: Some("always".into()),
            disk: Some(Bytes::gib(8)),
            lends: true,
            foreground: true,
            sensors: SensorKind::Scripted,
            ..Entry::default()
        };
        let machine = cloud.machine(index);
        join::enter(&machine, &ticket, &entry, Before::Nothing).await.map_err(|e| e.to_string())?;
    }
    for first in (0..NODES).step_by(EACH) {
        cloud.spawn_many(first..first + EACH)?;
    }
    cloud.spawn_writer()?;
    cloud.until_on(NODES, Duration::from_secs(120)).await?;
    say(app, "joined", 0, begun, &Ok(()));
    let file = cloud.make_file(64 << 20)?;
    let begun = Instant::now();
    cloud.put(&file).await?;
    say(app, "put", 0, begun, &cloud.scheme().await);
    let filled = cloud.filled_to(PIECES, FILL_PATIENCE).await;
    say(app, "full", 0, begun, &filled);
    filled?;
    std::fs::remove_dir_all(cloud.operator().home.stage()).map_err(|e| e.to_string())?;
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let mut groups: Vec<usize> = (0..NODES / EACH).collect();
    for at in 0..DEAD {
        let left = u64::try_from(groups.len() - at).unwrap_or(1);
        groups.swap(at, at + usize::try_from(rng.next_u64() % left).unwrap_or(0));
    }
    let begun = Instant::now();
    groups[..DEAD].iter().for_each(|group| cloud.kill(group * EACH..group * EACH + 1));
    let read = cloud.get(&file).await;
    say(app, "most_dead", 1, begun, &read);
    Ok(u8::from(read.is_err()))
}
