//! `pumasi dev agents`: joins a fleet of simulated nodes, lets it check in, and says once a second how that goes.

use super::fleet::Socket;
use super::tally::{Counted, Tally};
use crate::app::App;
use crate::cli::dev::AgentsArgs;
use crate::fault::Fault;
use crate::process::stop_asked;
use model::{Span, errors};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wire::Ticket;

/// First check-ins are spread over this time.
const SPREAD: Duration = Duration::from_secs(2);
/// Files a socket holds: its own, its timer's, its network monitor's.
const FILES_PER_SOCKET: u64 = 8;
const FILES_ELSE: u64 = 256;
/// Sockets that dial at once.
const DIALS_MAX: usize = 64;
/// Longest dial.
const DIAL_TIMEOUT: Duration = Duration::from_secs(60);
/// Between links and joins, so that a watcher can weigh the links alone.
const PAUSE: Duration = Duration::from_secs(2);

/// Runs until the time is over, or until told to stop.
pub async fn run(app: &App, args: &AgentsArgs) -> Result<u8, Fault> {
    let tickets = args.ticket.iter().map(|text| text.parse::<Ticket>());
    let tickets: Vec<Ticket> =
        tickets.collect::<Result<_, _>>().map_err(|e| Fault::new(errors::TICKET_DAMAGED, []).because(e))?;
    let time: Option<Span> = args.time.as_deref().map(str::parse).transpose()?;
    let warmup: Span = args.warmup.parse()?;
    raise_file_limit(args.sockets);
    let begun = Instant::now();
    let tally = Arc::new(Tally::new());
    let sockets = connect_all(args, &tickets[0], &tally).await?;
    say(app, args, "connected", begun, None);
    tokio::time::sleep(PAUSE).await;
    let sockets = join_all(args, sockets, &tickets).await?;
    say(app, args, "joined", begun, None);
    let endpoints: Vec<net::Endpoint> = sockets.iter().map(Socket::endpoint).collect();
    let mut running = JoinSet::new();
    sockets.into_iter().for_each(|socket| drop(running.spawn(socket.run(SPREAD))));
    let measured = async {
        tokio::time::sleep(warmup.to_std()).await;
        let _ = tally.take();
        say(app, args, "begun", begun, None);
        watch(app, args, &tally, time.map(Span::to_std)).await;
    };
    let code = tokio::select! {
        () = measured => 0,
        code = stop_asked() => code,
    };
    running.shutdown().await;
    let mut closing = JoinSet::new();
    endpoints.into_iter().for_each(|endpoint| drop(closing.spawn(async move { endpoint.close().await })));
    while closing.join_next().await.is_some() {}
    Ok(code)
}

/// Every socket holds a handful of files; as many as the system's hard limit lets us.
pub(super) fn raise_file_limit(sockets: u32) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = (u64::from(sockets) * FILES_PER_SOCKET + FILES_ELSE).min(hard);
    if wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_err() {
        tracing::warn!(soft, wanted, "the limit of open files could not be raised");
    }
}

/// Without an end one line a second; with one a single line over the whole time, so that its percentiles are exact.
async fn watch(app: &App, args: &AgentsArgs, tally: &Tally, time: Option<Duration>) {
    let step = time.unwrap_or(Duration::from_secs(1));
    loop {
        let since = Instant::now();
        tokio::time::sleep(step).await;
        let phase = if time.is_some() { "done" } else { "running" };
        say(app, args, phase, since, Some(tally.take()));
        if time.is_some() {
            return;
        }
    }
}

fn say(app: &App, args: &AgentsArgs, phase: &str, since: Instant, counted: Option<Counted>) {
    let seconds = since.elapsed().as_secs_f64();
    let mut fields = json!({"phase": phase, "count": args.count, "sockets": args.sockets, "seed": args.seed,
        "seconds": seconds});
    if let (Some(c), Value::Object(fields)) = (counted, &mut fields) {
        let figures = json!({"answered": c.answered, "failed": c.failed, "refused": c.refused,
            "per_s": c.answered as f64 / seconds, "p50_ms": c.p50_ms, "p99_ms": c.p99_ms, "max_ms": c.max_ms});
        fields.extend(figures.as_object().cloned().unwrap_or_default());
    }
    app.out.json("agents", fields);
}

/// Binds all sockets and dials the center.
pub(super) async fn connect_all(args: &AgentsArgs, ticket: &Ticket, tally: &Arc<Tally>) -> Result<Vec<Socket>, Fault> {
    let center = ticket.center();
    let faults: Arc<[_]> = args.fault.clone().into();
    let places = Arc::new(Semaphore::new(DIALS_MAX));
    let mut dialing = JoinSet::new();
    for first in 0..args.sockets.min(args.count) {
        let (center, faults, tally, places) =
            (center.clone(), Arc::clone(&faults), Arc::clone(tally), Arc::clone(&places));
        let (bind, seed) = (args.bind, args.seed);
        dialing.spawn(async move {
            let _place = places.acquire().await.map_err(|e| e.to_string())?;
            let socket = Socket::bind(bind, seed, first, &center, faults, tally).await.map_err(|e| e.to_string())?;
            tokio::time::timeout(DIAL_TIMEOUT, socket.up())
                .await
                .map_err(|_| "the center was not reached".to_owned())?;
            Ok::<_, String>((first, socket))
        });
    }
    let mut sockets = Vec::new();
    while let Some(one) = dialing.join_next().await {
        let one = one.map_err(Fault::bug)?;
        sockets.push(one.map_err(|why| Fault::bug(format!("a socket came to nothing: {why}")))?);
    }
    sockets.sort_unstable_by_key(|(first, _)| *first);
    Ok(sockets.into_iter().map(|(_, socket)| socket).collect())
}

/// Joins all nodes: node `i` speaks over socket `i mod sockets`.
pub(super) async fn join_all(
    args: &AgentsArgs,
    sockets: Vec<Socket>,
    tickets: &[Ticket],
) -> Result<Vec<Socket>, Fault> {
    let step = sockets.len();
    let mut joining = JoinSet::new();
    for (first, mut socket) in (0..).zip(sockets) {
        let (tickets, seed, count) = (tickets.to_vec(), args.seed, args.count);
        joining.spawn(async move {
            let indexes = (first..count).step_by(step);
            socket.join(seed, indexes, |index| tickets[index as usize % tickets.len()].clone()).await?;
            Ok::<_, String>(socket)
        });
    }
    let mut joined = Vec::new();
    while let Some(one) = joining.join_next().await {
        let one = one.map_err(Fault::bug)?;
        joined.push(one.map_err(|why| Fault::bug(format!("a simulated node was not taken: {why}")))?);
    }
    Ok(joined)
}
