//! `pumasi demo`: a whole cloud on this machine doing its main job, as named checks that can fail.
//!
//! One center and N node processes, each its own member with its own declared region and loopback address; all children are
//! this same program and end when their parent's pipe closes, whatever ended the parent. Every check is a command a person
//! could type, or a look at what the center says.

pub mod cloud;

use crate::app::App;
use crate::cli::{DemoArgs, Form};
use crate::fault::Fault;
use cloud::Cloud;
use console::args;
use model::errors;
use serde_json::json;
use std::future::Future;
use std::time::{Duration, Instant};

/// Bytes of the file that is stored.
const FILE_BYTES: usize = 64 << 20;
/// Small files stored beside it.
const TREE_FILES: usize = 40;

/// Level of walls that strangers' work needs.
const WALLS: u8 = 2;

/// Checks that shortened days have a part in: a steward's lease, a settle period, when a PC counts as missing, when a node is audited.
const SCALED: [&str; 4] = ["filled", "ledger", "healed", "liar_found"];

struct Board<'a> {
    app: &'a App,
    passed: u32,
    all: u32,
    begun: Instant,
}

impl Board<'_> {
    /// Runs one check and prints its line. The value goes on to the next; nothing when it failed.
    async fn check<T>(&mut self, id: &str, n: usize, run: impl Future<Output = Result<T, String>>) -> Option<T> {
        let begun = Instant::now();
        let result = run.await;
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.all += 1;
        self.passed += u32::from(result.is_ok());
        let why = result.as_ref().err().cloned();
        let out = &self.app.out;
        match out.form {
            Form::Json => {
                let mut fields = json!({"id": id, "ok": result.is_ok(), "ms": ms});
                if let Some(why) = &why {
                    fields["why"] = json!(why);
                }
                if SCALED.contains(&id) {
                    fields["time_scale"] = json!(cloud::TIME_SCALE);
                }
                out.json("check", fields);
            }
            _ => {
                let mark = if result.is_ok() { "✓" } else { "✗" };
                let text = out.text(&format!("demo-{id}"), args!["n" => n]);
                let scaled =
                    if SCALED.contains(&id) { format!("  [time_scale {}]", cloud::TIME_SCALE) } else { String::new() };
                out.print(&format!("{mark} {id:<18} {ms:>6} ms  {text}{scaled}"));
                if let Some(why) = why {
                    out.print(&format!("    {}", crate::output::escape(&why)));
                }
            }
        }
        result.ok()
    }
}

impl Board<'_> {
    /// A check that cannot be made here is neither passed nor failed; where everything must be made it is a failure.
    fn skip(&mut self, id: &str, n: usize, why: &str) {
        let is_failure = std::env::var_os("PUMASI_FULL").is_some_and(|full| full == "1");
        self.all += u32::from(is_failure);
        let out = &self.app.out;
        match out.form {
            Form::Json => out.json("check", json!({"id": id, "ok": null, "skipped": why})),
            _ => {
                let text = out.text(&format!("demo-{id}"), args!["n" => n]);
                out.print(&format!("– {id:<18}            {text}: {}", crate::output::escape(why)));
            }
        }
    }
}

/// Runs the demo; 0 only when every check passed.
pub async fn run(app: &App, args: &DemoArgs) -> Result<u8, Fault> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("pumasi-demo-{}", std::process::id())),
    };
    crate::home::create_private_dir(&dir)?;
    app.out.say("demo-head", args!["nodes" => args.nodes, "seed" => args.seed, "dir" => dir.display()]);
    if node::machine::is_memory_disk(&dir) {
        app.out.say("demo-tmpfs", args![]);
    }
    let mut board = Board { app, passed: 0, all: 0, begun: Instant::now() };
    let mut cloud = Cloud::new(app, &dir, usize::from(args.nodes), args.seed).with_short_days();
    let finished = tokio::select! {
        done = story(&mut board, &mut cloud) => done,
        _ = crate::process::stop_asked() => false,
    };
    let span = model::Span(u64::try_from(board.begun.elapsed().as_millis()).unwrap_or(u64::MAX));
    app.out.say("demo-passed", args!["passed" => board.passed, "all" => board.all, "span" => span]);
    let good = finished && board.passed == board.all;
    let mut code = u8::from(!good);
    if good && !args.once {
        app.out.say("demo-stays", args!["page" => cloud.page()]);
        crate::process::stop_asked().await;
        code = 0;
    }
    cloud.end().await;
    if args.dir.is_none() {
        let _ = std::fs::remove_dir_all(&dir);
    }
    app.out.say("demo-cleaned", args![]);
    Ok(code)
}

/// The checks in order; true when the story came to its end.
async fn story(board: &mut Board<'_>, cloud: &mut Cloud) -> bool {
    tell(board, cloud).await.is_some()
}

async fn tell(board: &mut Board<'_>, cloud: &mut Cloud) -> Option<()> {
    let n = cloud.size();
    board.check("center_up", n, cloud.start_center()).await?;
    board.app.out.say("demo-page", args!["page" => cloud.page()]);
    board.check("nodes_join", n - 1, cloud.join_first()).await?;
    board.check("join_by_ticket", n, cloud.join_last()).await?;
    board.check("checked_in", n, cloud.all_on()).await?;
    board.check("probed", n, cloud.probed()).await?;
    let file = cloud.make_file(FILE_BYTES).map_err(|e| board.app.out.say_raw(&e)).ok()?;
    let tree = cloud.make_tree(TREE_FILES).map_err(|e| board.app.out.say_raw(&e)).ok()?;
    board.check("put_cli", n, cloud.put(&file)).await?;
    board.check("get_cli", n, cloud.get(&file)).await?;
    board.check("put_s3", n, cloud.put_s3(&file)).await?;
    board.check("get_s3", n, cloud.get_s3(&file)).await?;
    board.check("get_webdav", n, cloud.get_webdav(&file)).await?;
    board.check("tree_cli", TREE_FILES, cloud.put_tree(&tree)).await?;
    board.check("names", n, cloud.names()).await?;
    board.check("in_parts", n, cloud.in_parts(&file)).await?;
    board.check("names_logged", n, cloud.logs()).await?;
    board.check("filled", n, cloud.filled()).await?;
    board.check("bucket_says", n, cloud.says()).await?;
    board.check("shared", n, cloud.shared(&file)).await?;
    board.check("recovered", n, cloud.recovered(&file)).await?;
    board.check("nothing_in_clear", n, cloud.nothing_in_clear(&file)).await?;
    board.check("owner_pause", n, cloud.owner_pauses()).await?;
    let has_computed = compute(board, cloud, n).await?;
    let members = board.check("ledger", n, cloud.ledger(has_computed)).await?;
    for one in members {
        let words = args!["name" => one.name, "earned" => one.earned.to_string(), "paid" => one.paid.to_string(),
            "balance" => one.balance.to_string()];
        board.app.out.say("demo-ledger-line", words);
    }
    let dead = n / 2 + 1;
    let killed_at = Instant::now();
    cloud.kill(0..dead);
    let patience = Duration::from_secs(15).saturating_sub(killed_at.elapsed());
    board.check("node_suspect", n, cloud.suspect(dead, killed_at, patience)).await?;
    board.check("majority_dead", dead, cloud.get_all(&file, &tree)).await?;
    board.check("names_back", n - dead, cloud.names_back(n - dead)).await?;
    cloud.kill(dead..dead + 1);
    board.check("honest_degraded", n, cloud.degraded(&file)).await?;
    board.check("owner_back", n, cloud.comes_back(0)).await?;
    board.check("healed", dead, cloud.heals(n, dead)).await?;
    board.check("liar_found", n, cloud.lies(n)).await?;
    cloud.kill(0..n);
    board.check("outlived", dead, cloud.get_all(&file, &tree)).await?;
    Some(())
}

/// Words counted by strangers' machines. Where no walls stand around foreign work this is not done, and said so: false then.
async fn compute(board: &mut Board<'_>, cloud: &mut Cloud, n: usize) -> Option<bool> {
    let level = cloud.walls().await.unwrap_or(0);
    if level < WALLS {
        board.skip("word_count", n, &format!("walls of level {level} stand here, strangers' work needs {WALLS}"));
        return Some(false);
    }
    let plain = board.check("texts_stored", cloud::ITEMS, cloud.texts_stored()).await?;
    board.check("word_count", cloud::ITEMS, cloud.words_counted(plain)).await.map(|()| true)
}

/// A check's failure in words.
fn said(fault: &Fault) -> String {
    let id = fault.id;
    match &fault.cause {
        Some(cause) => format!("{fault} ({cause})"),
        None if id == errors::BUG => format!("{fault}"),
        None => fault.to_string(),
    }
}
