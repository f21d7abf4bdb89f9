//! What a guest costs beside a native program that does the same, in processor time: a hash tree, sorting, counting words. Both
//! get the same bytes and must give the same; the guest's time is that of its whole process, its code kept from before.

use super::small::{ended_children_cpu_s, seconds};
use super::{Bench, sha256, texts};
use crate::fault::Fault;
use crate::roles::SANDBOX_VERB;
use nix::sys::resource::{UsageWho, getrusage};
use sandbox::{Attempt, CACHE_BYTES, Cache, End, MIB, Runner};
use serde_json::json;

/// Text that each gets, in MiB; less where less is asked for.
const TEXT_MIB: u32 = 32;
/// Runs of each, of which the median counts.
const RUNS: usize = 5;
const FUEL: u64 = 1_000_000_000_000_000;
const IDS: &[&str] = &["wasm_over_native", "wasm_sha256tree", "wasm_sort", "wasm_wordcount"];

/// A native program.
type Native = fn(&[u8]) -> Vec<u8>;

/// Runs it where it is asked for.
pub async fn run(bench: &mut Bench<'_>) {
    if bench.is_meant(IDS) {
        let done = all(bench).await;
        bench.ended("wasm_over_native", done);
    }
}

async fn all(bench: &mut Bench<'_>) -> Result<(), Fault> {
    let mib = bench.args.mib.min(TEXT_MIB);
    let text = texts::made(mib as usize * (1 << 20), bench.args.seed);
    let runner = runner(bench)?;
    let kinds: [(&str, &str, Native); 3] = [
        ("wasm_sha256tree", "sha256tree", sha256::tree),
        ("wasm_sort", "sort", texts::sorted),
        ("wasm_wordcount", "wordcount-map", texts::counted),
    ];
    let mut logs = 0.0;
    for (id, guest, native) in kinds {
        let (runner, text) = (runner.clone(), text.clone());
        let compared = tokio::task::spawn_blocking(move || compared(&runner, guest, native, text));
        let (guest_s, native_s) = compared.await.map_err(Fault::bug)??;
        let params = json!({"mib": mib, "seed": bench.args.seed, "runs": RUNS, "guest_cpu_s": guest_s,
            "native_cpu_s": native_s});
        bench.figure(&params, (id, guest_s / native_s, ""));
        logs += (guest_s / native_s).ln();
    }
    let params = json!({"mib": mib, "seed": bench.args.seed, "runs": RUNS});
    bench.figure(&params, ("wasm_over_native", (logs / kinds.len() as f64).exp(), ""));
    Ok(())
}

fn runner(bench: &Bench<'_>) -> Result<Runner, Fault> {
    let dir = bench.folder("sandbox");
    let rooms = dir.join("rooms");
    crate::home::create_private_dir(&dir)?;
    crate::home::create_private_dir(&rooms)?;
    let code = dir.join("code");
    let cache = Cache::open(code.clone(), CACHE_BYTES).map_err(|e| Fault::file(&code, &e))?;
    let program = std::env::current_exe().map_err(Fault::bug)?;
    Ok(Runner::new(program, &[SANDBOX_VERB], rooms).with_cache(cache))
}

/// Processor time of guest and native program, medians, in s.
fn compared(runner: &Runner, guest: &str, native: Native, text: Vec<u8>) -> Result<(f64, f64), Fault> {
    let module = sandbox::samples::get(guest).ok_or_else(|| Fault::bug(format!("there is no guest {guest}")))?;
    let mut attempt = Attempt::new(module.to_vec());
    attempt.limits.fuel = FUEL;
    attempt.limits.memory_bytes = 1_024 * MIB;
    // The first run makes the code; it is not measured.
    runner.run(&attempt).map_err(Fault::bug)?;
    attempt.stdin = text;
    let (mut guests, mut natives) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let before = ended_children_cpu_s();
        let outcome = runner.run(&attempt).map_err(Fault::bug)?;
        guests.push(ended_children_cpu_s() - before);
        if outcome.end != End::Exit(0) {
            return Err(Fault::bug(format!("{guest}: {}", outcome.end)));
        }
        let before = thread_cpu_s()?;
        let made = native(&attempt.stdin);
        natives.push(thread_cpu_s()? - before);
        if made != outcome.stdout {
            return Err(Fault::bug(format!("{guest} and the native program give different bytes")));
        }
    }
    let (guest_s, native_s) = (median(&mut guests), median(&mut natives));
    if guest_s <= 0.0 || native_s <= 0.0 {
        return Err(Fault::bug(format!("{guest}: the system says nothing of processor time")));
    }
    Ok((guest_s, native_s))
}

fn thread_cpu_s() -> Result<f64, Fault> {
    let used = getrusage(UsageWho::RUSAGE_THREAD).map_err(Fault::bug)?;
    Ok(seconds(used.user_time()) + seconds(used.system_time()))
}

/// The middle one.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
