//! `pumasi bench ledger`: how many transfers a second does a center take on each engine, each durable before its answer, how long
//! does a caller wait, and what does a transfer take on disk?
//!
//! Two ways in. Through the center's [`api`]: each transfer is a word that a member's machine signed, and the center does all it does for a
//! word that comes over a link: reads the message, looks up who calls and what the machine may, checks the signature, posts. The links
//! themselves are left out, and words are signed before the clock runs. The [`store`] alone: the writer behind the api, without messages,
//! rights and signatures.
//!
//! Many callers, one gift each, each caller waiting for its answer before the next. The wait is measured apart, at an even pace from
//! the moment a transfer was due, so that a stalled center cannot hide behind callers that wait. Without PostgreSQL its figures are
//! left out, and said so.

mod api;
mod server;
mod store;

use super::figure::Printer;
use crate::app::App;
use crate::cli::bench::BenchLedgerArgs;
use crate::fault::Fault;
use center::db::DbUrl;
use console::args;
use hdrhistogram::Histogram;
use model::{Span, TransferId};
use serde_json::json;
use server::Server;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Circumstances of figures.
const BENCH: &str = "ledger";
/// What is measured of the book that the store made.
const VERIFY: &str = "verify_rows_per_s";
/// Members that give to each other.
const MEMBERS: u64 = 1_000;
/// Longest wait the histogram tells apart, in µs.
const WAIT_MAX_US: u64 = 60_000_000;

/// Where postings go in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Messages to the center.
    Api,
    /// Groups to its writer.
    Store,
}

/// Ids of one door's figures on one engine, and transfers a second when the wait is measured.
struct Ask {
    door: Door,
    is_postgres: bool,
    per_s: &'static str,
    p99: &'static str,
    bytes: Option<&'static str>,
    pace: u32,
}

/// All that is measured, in order.
const ASKS: [Ask; 4] = [
    Ask {
        door: Door::Api,
        is_postgres: false,
        per_s: "transfers_per_s_sqlite",
        p99: "transfer_p99_ms",
        bytes: None,
        pace: 5_000,
    },
    Ask {
        door: Door::Store,
        is_postgres: false,
        per_s: "transfers_per_s_store_sqlite",
        p99: "transfer_p99_ms_store",
        bytes: Some("transfer_bytes"),
        pace: 5_000,
    },
    Ask {
        door: Door::Store,
        is_postgres: true,
        per_s: "transfers_per_s_store_postgres",
        p99: "transfer_p99_ms_store_postgres",
        bytes: None,
        pace: 2_000,
    },
    Ask {
        door: Door::Api,
        is_postgres: true,
        per_s: "transfers_per_s_postgres",
        p99: "transfer_p99_ms_postgres",
        bytes: None,
        pace: 2_000,
    },
];

/// A center, or the writer of one.
#[derive(Clone)]
enum Way {
    Api(api::Api),
    Store(store::Store),
}

impl Way {
    /// The `n`th gift; true where it was made now.
    async fn give(&self, n: u64) -> Result<bool, Fault> {
        match self {
            Self::Api(api) => api.give(n).await,
            Self::Store(store) => store.give(n).await,
        }
    }
}

/// What is measured of one way.
struct Bench {
    way: Way,
    next: Arc<AtomicU64>,
    callers: u64,
    time: Duration,
}

/// Runs the bench; 1 when a bar was missed.
pub async fn run(app: &App, args: &BenchLedgerArgs) -> Result<u8, Fault> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("pumasi-bench-{}", std::process::id())),
    };
    crate::home::create_private_dir(&dir)?;
    if node::machine::is_memory_disk(&dir) {
        app.out.say("demo-tmpfs", args![]);
    }
    let done = tokio::select! {
        done = all(app, args, &dir) => done.map(u8::from),
        code = crate::process::stop_asked() => Ok(code),
    };
    if args.dir.is_none() {
        let _ = std::fs::remove_dir_all(&dir);
    }
    done
}

/// True when a bar was missed.
async fn all(app: &App, args: &BenchLedgerArgs, dir: &Path) -> Result<bool, Fault> {
    let is_meant = |id: &str| args.only.as_ref().is_none_or(|only| id.contains(only.as_str()));
    let mut missed = false;
    for ask in &ASKS {
        let verify = ask.bytes.map(|_| VERIFY);
        if ![Some(ask.per_s), Some(ask.p99), ask.bytes, verify].into_iter().flatten().any(is_meant) {
            continue;
        }
        let server = if ask.is_postgres && args.postgres.is_none() { Server::start().await } else { None };
        let url = match (ask.is_postgres, &args.postgres, &server) {
            (false, ..) => DbUrl::Sqlite(dir.join(format!("{:?}.db", ask.door).to_lowercase())),
            (true, Some(url), _) => url.parse().map_err(Fault::bug)?,
            (true, None, Some(server)) => server.url().parse().map_err(Fault::bug)?,
            (true, None, None) => {
                app.out.say("bench-no-postgres", args![]);
                return Ok(missed);
            }
        };
        missed |= one(app, args, ask, (dir, &url)).await?;
    }
    Ok(missed)
}

/// Measures one door on one engine; true when a bar was missed.
async fn one(app: &App, args: &BenchLedgerArgs, ask: &Ask, (dir, url): (&Path, &DbUrl)) -> Result<bool, Fault> {
    let is_meant = |id: &str| args.only.as_ref().is_none_or(|only| id.contains(only.as_str()));
    let params = |pace: Option<u32>| {
        json!({"callers": args.callers, "time": args.time, "members": MEMBERS, "rows": 1,
        "pace_per_s": pace, "door": format!("{:?}", ask.door).to_lowercase()})
    };
    let mut missed = false;
    let mut print = |pace, id: &str, value, unit: &str| {
        let mut printer = Printer::new(app, BENCH, params(pace));
        printer.figure(id, value, unit);
        missed |= !printer.good;
    };
    let time = args.time.parse::<Span>()?.to_std();
    let way = match ask.door {
        Door::Api => Way::Api(api::Api::open((dir, url), app.out.lang, time).await?),
        Door::Store => Way::Store(store::Store::open(url).await?),
    };
    let size = || match url {
        DbUrl::Sqlite(path) => std::fs::metadata(path).map_or(0, |file| file.len()),
        DbUrl::Postgres(_) => 0,
    };
    let before = size();
    let bench = Bench { way, next: Arc::default(), callers: args.callers.into(), time };
    if is_meant(ask.per_s) {
        print(None, ask.per_s, bench.flood().await?, "1/s");
    }
    if is_meant(ask.p99) {
        print(Some(ask.pace), ask.p99, bench.paced(ask.pace).await?, "ms");
    }
    if let (Way::Store(store), Some(_), true) = (&bench.way, ask.bytes, is_meant(VERIFY)) {
        print(None, VERIFY, store.verified(&dir.join("book.pml")).await?, "1/s");
    }
    let rows = match bench.way {
        Way::Api(api) => api.end().await?,
        Way::Store(store) => store.end().await?,
    };
    let grown = size().saturating_sub(before);
    if let Some(id) = ask.bytes.filter(|id| is_meant(id) && rows > 0) {
        print(None, id, grown as f64 / rows as f64, "B");
    }
    Ok(missed)
}

/// An id for the `n`th gift, made now.
fn id(n: u64) -> TransferId {
    let mut random = [0; 10];
    random.copy_from_slice(&blake3::hash(&n.to_le_bytes()).as_bytes()[..10]);
    TransferId::made(crate::clock::now(), random)
}

/// Who gives the `n`th gift to whom: two members that are far apart.
fn sides(n: u64) -> (usize, usize) {
    let place = |n: u64| usize::try_from(n % MEMBERS).unwrap_or_default();
    (place(n.wrapping_mul(7_919)), place(n.wrapping_mul(7_919) + 1 + n % (MEMBERS - 1)))
}

impl Bench {
    /// Transfers a second, every caller as fast as it is answered.
    async fn flood(&self) -> Result<f64, Fault> {
        let begun = Instant::now();
        let mut callers = JoinSet::new();
        for _ in 0..self.callers {
            let (way, next, time) = (self.way.clone(), Arc::clone(&self.next), self.time);
            callers.spawn(async move {
                let mut made = 0_u64;
                while begun.elapsed() < time {
                    made += u64::from(way.give(next.fetch_add(1, Ordering::Relaxed)).await?);
                }
                Ok::<_, Fault>(made)
            });
        }
        let mut made = 0;
        while let Some(caller) = callers.join_next().await {
            made += caller.map_err(Fault::bug)??;
        }
        Ok(made as f64 / begun.elapsed().as_secs_f64())
    }

    /// 99th percentile of the wait in ms at `pace` transfers a second, from when each was due.
    async fn paced(&self, pace: u32) -> Result<f64, Fault> {
        let count = u64::from(pace) * self.time.as_secs().max(1);
        let mut waits = Histogram::<u64>::new_with_bounds(1, WAIT_MAX_US, 3).map_err(Fault::bug)?;
        let (begun, mut under_way) = (tokio::time::Instant::now(), JoinSet::new());
        for place in 0..count {
            let due = begun + Duration::from_secs_f64(place as f64 / f64::from(pace));
            tokio::time::sleep_until(due).await;
            let (way, n) = (self.way.clone(), self.next.fetch_add(1, Ordering::Relaxed));
            under_way.spawn(async move { way.give(n).await.map(|_| due.elapsed()) });
            while let Some(done) = under_way.try_join_next() {
                note(&mut waits, done.map_err(Fault::bug)??);
            }
        }
        while let Some(done) = under_way.join_next().await {
            note(&mut waits, done.map_err(Fault::bug)??);
        }
        Ok(waits.value_at_quantile(0.99) as f64 / 1e3)
    }
}

fn note(waits: &mut Histogram<u64>, wait: Duration) {
    waits.saturating_record(u64::try_from(wait.as_micros()).unwrap_or(WAIT_MAX_US));
}
