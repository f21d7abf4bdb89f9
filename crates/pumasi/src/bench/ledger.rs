//! `pumasi bench ledger`: how many transfers a second does the kept ledger take on each engine, each durable before its answer, how
//! long does a caller wait, and what does a transfer take on disk?
//!
//! The store alone, through the writer a center uses: many callers, one gift with its member's signature a group, each caller
//! waiting for its answer before the next. The wait is measured apart, at an even pace from the moment a transfer was due, so
//! that a stalled writer cannot hide behind callers that wait. Without PostgreSQL its figure is left out, and said so.

mod server;

use super::figure::Printer;
use crate::app::App;
use crate::cli::bench::BenchLedgerArgs;
use crate::fault::Fault;
use center::db::{Db, DbUrl, StoreError, meta};
use center::ledger::{Intent, Ledger, Posting, store};
use console::args;
use hdrhistogram::Histogram;
use model::{AccountClass, AccountNo, Code, MemberState, Span, Stamp, TransferId, Ucredit};
use rules::ledger::{Act, Ask, Group, Outcome, Starter};
use serde_json::json;
use server::Server;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Circumstances of figures.
const BENCH: &str = "ledger";
/// Members that give to each other.
const MEMBERS: u64 = 1_000;
/// Transfers a second when the wait is measured.
const PACE: u32 = 2_000;
/// Longest wait the histogram tells apart, in µs.
const WAIT_MAX_US: u64 = 60_000_000;

/// What is measured on one engine.
struct Bench {
    ledger: Ledger,
    accounts: Arc<Vec<AccountNo>>,
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
    let params = |pace: Option<u32>| json!({"callers": args.callers, "time": args.time, "members": MEMBERS, "rows": 1, "pace_per_s": pace});
    let mut missed = false;
    let mut print = |pace, id: &str, value, unit: &str| {
        let mut printer = Printer::new(app, BENCH, params(pace));
        printer.figure(id, value, unit);
        missed |= !printer.good;
    };
    if ["transfers_per_s_sqlite", "transfer_p99_ms", "transfer_bytes"].into_iter().any(is_meant) {
        let path = dir.join("ledger.db");
        let bench = Bench::open(&DbUrl::Sqlite(path.clone()), args).await?;
        let before = std::fs::metadata(&path).map_or(0, |file| file.len());
        if is_meant("transfers_per_s_sqlite") {
            print(None, "transfers_per_s_sqlite", bench.flood().await?, "1/s");
        }
        if is_meant("transfer_p99_ms") {
            print(Some(PACE), "transfer_p99_ms", bench.paced(PACE).await?, "ms");
        }
        let rows = bench.end().await?;
        let grown = std::fs::metadata(&path).map_or(0, |file| file.len()).saturating_sub(before);
        if is_meant("transfer_bytes") && rows > 0 {
            print(None, "transfer_bytes", grown as f64 / rows as f64, "B");
        }
    }
    if ["transfers_per_s_postgres", "transfer_p99_ms_postgres"].into_iter().any(is_meant) {
        let server = if args.postgres.is_none() { Server::start().await } else { None };
        let url = args.postgres.clone().or_else(|| server.as_ref().map(Server::url));
        let Some(url) = url else {
            app.out.say("bench-no-postgres", args![]);
            return Ok(missed);
        };
        let bench = Bench::open(&url.parse().map_err(Fault::bug)?, args).await?;
        if is_meant("transfers_per_s_postgres") {
            print(None, "transfers_per_s_postgres", bench.flood().await?, "1/s");
        }
        if is_meant("transfer_p99_ms_postgres") {
            print(Some(PACE / 2), "transfer_p99_ms_postgres", bench.paced(PACE / 2).await?, "ms");
        }
        bench.end().await?;
    }
    Ok(missed)
}

fn now() -> Stamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Stamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn fault(error: StoreError) -> Fault {
    Fault::bug(error)
}

impl Bench {
    /// A ledger with members; refuses a database that holds a cloud, whose book nobody could clean of this.
    async fn open(url: &DbUrl, args: &BenchLedgerArgs) -> Result<Self, Fault> {
        let db = Db::open(url).map_err(Fault::bug)?;
        if db.read(|q| Ok(meta::get(q, meta::CLOUD_KEY)?)).await.map_err(fault)?.is_some() {
            return Err(Fault::bad_value("postgres", &url.to_string(), "the database holds a cloud"));
        }
        let ledger = Ledger::start(db.clone(), now).await.map_err(fault)?;
        let opened = db.write(|tx| {
            let open = |n: u64| {
                let mut owner = [0; 16];
                owner[..8].copy_from_slice(&n.to_le_bytes());
                let terms = (MemberState::Active, Ucredit::whole(2_000));
                let opened = store::account::open(tx, AccountClass::Member, &owner, terms, now())?;
                Ok(opened.account.no)
            };
            (0..MEMBERS).map(open).collect::<Result<Vec<_>, StoreError>>()
        });
        let accounts = Arc::new(opened.await.map_err(fault)?);
        let time = args.time.parse::<Span>()?.to_std();
        // Ids of another run in the same database are another time's.
        let next = Arc::new(AtomicU64::new(0));
        Ok(Self { ledger, accounts, next, callers: args.callers.into(), time })
    }

    /// The next gift, between two members that are far apart.
    fn posting(accounts: &[AccountNo], n: u64) -> Posting {
        let account = |n: u64| accounts[usize::try_from(n % MEMBERS).unwrap_or_default()];
        let (debit, credit) = (account(n.wrapping_mul(7_919)), account(n.wrapping_mul(7_919) + 1 + n % (MEMBERS - 1)));
        let mut random = [0; 10];
        random.copy_from_slice(&blake3::hash(&n.to_le_bytes()).as_bytes()[..10]);
        let id = TransferId::made(now(), random);
        let act = Act::Move { debit, credit, amount: Ucredit(1 + n % 1_000) };
        let asks = vec![Ask { id, act, code: Code::Gift, reference: None }];
        let group = Group { starter: Starter::Member { account: debit, with_bridge: false }, asks };
        Posting { group, intents: vec![Intent { transfer: id, key: [1; 32], signature: [2; 64] }] }
    }

    /// Transfers a second, every caller as fast as it is answered.
    async fn flood(&self) -> Result<f64, Fault> {
        let begun = Instant::now();
        let mut callers = JoinSet::new();
        for _ in 0..self.callers {
            let (ledger, accounts, next, time) =
                (self.ledger.clone(), Arc::clone(&self.accounts), Arc::clone(&self.next), self.time);
            callers.spawn(async move {
                let mut made = 0_u64;
                while begun.elapsed() < time {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let answer = ledger.post(Self::posting(&accounts, n)).await.map_err(Fault::bug)?;
                    made += u64::from(matches!(answer, Outcome::Applied(_)));
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
            let (ledger, posting) =
                (self.ledger.clone(), Self::posting(&self.accounts, self.next.fetch_add(1, Ordering::Relaxed)));
            under_way.spawn(async move { ledger.post(posting).await.map(|_| due.elapsed()) });
            while let Some(done) = under_way.try_join_next() {
                note(&mut waits, done.map_err(Fault::bug)?.map_err(Fault::bug)?);
            }
        }
        while let Some(done) = under_way.join_next().await {
            note(&mut waits, done.map_err(Fault::bug)?.map_err(Fault::bug)?);
        }
        Ok(waits.value_at_quantile(0.99) as f64 / 1e3)
    }

    /// Sees that the book is sound, and closes it; how many rows it has.
    async fn end(self) -> Result<u64, Fault> {
        let sound = self.ledger.audit().await.map_err(Fault::bug)?;
        let db = self.ledger.db().clone();
        drop(self);
        db.close().await;
        Ok(sound.rows)
    }
}

fn note(waits: &mut Histogram<u64>, wait: Duration) {
    waits.saturating_record(u64::try_from(wait.as_micros()).unwrap_or(WAIT_MAX_US));
}
