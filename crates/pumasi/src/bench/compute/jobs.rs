//! Words counted and lines sorted by jobs on a small cloud, beside plain programs that have the whole text in memory. A job's
//! result is compared with the plain one byte for byte; its time ends when its outputs have their names.

use super::small::{NODES, Small};
use super::{Bench, texts};
use crate::fault::Fault;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;

/// Bytes of one stored object of text.
const OBJECT: usize = 64 << 20;
/// Bytes of text a reducer of sorted lines has at most.
const SORT_PART: usize = 96 << 20;
const WORDS: &[&str] = &[
    "wordcount_plain_s",
    "wordcount_1gib_w2_s",
    "wordcount_1gib_w1_s",
    "wordcount_cpu_s",
    "wordcount_over_plain",
    "wordcount_cpu_over_plain",
    "cpu_growth_w1_w2",
];
const SORT: &[&str] = &["sort_plain_s", "sort_1gib_w2_s", "sort_cpu_s", "sort_over_plain", "sort_cpu_over_plain"];

/// All jobs that are asked for.
pub async fn run(bench: &mut Bench<'_>) {
    if !bench.is_meant(WORDS) && !bench.is_meant(SORT) {
        return;
    }
    let done = all(bench).await;
    bench.ended("jobs", done);
}

async fn all(bench: &mut Bench<'_>) -> Result<(), Fault> {
    let (bytes, seed) = (bench.args.mib as usize * (1 << 20), bench.args.seed);
    let text = texts::made(bytes, seed);
    let folder = written(bench, &text)?;
    let small = Small::start(bench, "two", 2).await?;
    let done = with_two(bench, &small, &text, &folder).await;
    let mut small = small;
    small.cloud.end().await;
    let two_cpu_s = done?;
    if let Some(two_cpu_s) = two_cpu_s.filter(|_| bench.is_meant(&["cpu_growth_w1_w2", "wordcount_1gib_w1_s"])) {
        let mut small = Small::start(bench, "one", 1).await?;
        let plain = texts::counted(&text);
        let done = count_words(&small, &folder, &plain).await;
        small.cloud.end().await;
        let (wall, cpu_s) = done?;
        let params = params(bench, 1, cpu_s);
        bench.figure(&params, ("wordcount_1gib_w1_s", wall, "s"));
        bench.figure(&params, ("cpu_growth_w1_w2", two_cpu_s / cpu_s, ""));
    }
    Ok(())
}

fn params(bench: &Bench<'_>, workers: usize, cpu_s: f64) -> Value {
    json!({"nodes": NODES, "workers": workers, "mib": bench.args.mib, "seed": bench.args.seed, "cpu_s": cpu_s,
        "cores_per_worker": 1})
}

/// The text as files of whole lines; their folder.
fn written(bench: &Bench<'_>, text: &[u8]) -> Result<PathBuf, Fault> {
    let folder = bench.folder("text");
    crate::home::create_private_dir(&folder)?;
    let (mut from, mut n) = (0, 0);
    while from < text.len() {
        let most = (from + OBJECT).min(text.len());
        let end = text[from..most].iter().rposition(|b| *b == b'\n').map_or(most, |at| from + at + 1);
        let path = folder.join(format!("text{n:03}"));
        std::fs::write(&path, &text[from..end]).map_err(|e| Fault::file(&path, &e))?;
        (from, n) = (end, n + 1);
    }
    Ok(folder)
}

/// Jobs of two workers; the processor time of the one that counts words.
async fn with_two(
    bench: &mut Bench<'_>,
    small: &Small,
    text: &[u8],
    folder: &std::path::Path,
) -> Result<Option<f64>, Fault> {
    let mut of_words = None;
    if bench.is_meant(WORDS) {
        let begun = Instant::now();
        let plain = texts::counted(text);
        let plain_s = begun.elapsed().as_secs_f64();
        let (wall, cpu_s) = count_words(small, folder, &plain).await?;
        let params = params(bench, 2, cpu_s);
        bench.figure(&params, ("wordcount_plain_s", plain_s, "s"));
        bench.figure(&params, ("wordcount_1gib_w2_s", wall, "s"));
        bench.figure(&params, ("wordcount_cpu_s", cpu_s, "s"));
        bench.figure(&params, ("wordcount_over_plain", wall / plain_s, ""));
        bench.figure(&params, ("wordcount_cpu_over_plain", cpu_s / plain_s, ""));
        of_words = Some(cpu_s);
    }
    if bench.is_meant(SORT) {
        let begun = Instant::now();
        let plain = texts::sorted(text);
        let plain_s = begun.elapsed().as_secs_f64();
        if of_words.is_none() {
            stored(small, folder).await?;
        }
        let cuts = texts::cuts(text, text.len().div_ceil(SORT_PART).max(2), bench.args.seed);
        let (wall, cpu_s) = sort_lines(small, &cuts, &plain).await?;
        let mut params = params(bench, 2, cpu_s);
        params["parts"] = json!(cuts.len() + 1);
        bench.figure(&params, ("sort_plain_s", plain_s, "s"));
        bench.figure(&params, ("sort_1gib_w2_s", wall, "s"));
        bench.figure(&params, ("sort_cpu_s", cpu_s, "s"));
        bench.figure(&params, ("sort_over_plain", wall / plain_s, ""));
        bench.figure(&params, ("sort_cpu_over_plain", cpu_s / plain_s, ""));
    }
    Ok(of_words)
}

async fn stored(small: &Small, folder: &std::path::Path) -> Result<(), Fault> {
    small.command(&["cp", "-r", "--full", &folder.display().to_string(), "my:text/"]).await.map(drop)
}

/// Stores the text, counts its words by a job, and compares; seconds on the wall and of the processors, without storing.
async fn count_words(small: &Small, folder: &std::path::Path, plain: &[u8]) -> Result<(f64, f64), Fault> {
    stored(small, folder).await?;
    let job = ["map", "guest:wordcount-map", "my:text/", "--reduce", "guest:wordcount-reduce", "--parts", "2"];
    let spent = small.timed(&[&job[..], &["--to", "my:words/", "--quiet", "--json"]].concat()).await?;
    let counted = outputs(small, "my:words", 2).await?;
    let mut lines: Vec<&[u8]> = counted.split_inclusive(|b| *b == b'\n').collect();
    lines.sort_unstable_by_key(|line| line.split(|b| *b == b'\t').next().unwrap_or_default());
    is_same(&lines.concat(), plain)?;
    Ok(spent)
}

async fn sort_lines(small: &Small, cuts: &[String], plain: &[u8]) -> Result<(f64, f64), Fault> {
    let cut = cuts.join(",");
    let job = ["map", "guest:sort-map", "my:text/", "--reduce", "guest:sort-reduce", "--cuts", &cut];
    let spent = small.timed(&[&job[..], &["--to", "my:sorted/", "--quiet", "--json"]].concat()).await?;
    is_same(&outputs(small, "my:sorted", cuts.len() + 1).await?, plain)?;
    Ok(spent)
}

async fn outputs(small: &Small, place: &str, parts: usize) -> Result<Vec<u8>, Fault> {
    let mut all = Vec::new();
    for part in 0..parts {
        all.extend(small.command(&["cat", &format!("{place}/part-{part:05}")]).await?.0);
    }
    Ok(all)
}

fn is_same(got: &[u8], plain: &[u8]) -> Result<(), Fault> {
    if got == plain {
        return Ok(());
    }
    let at = got.iter().zip(plain).position(|(a, b)| a != b);
    let at = at.unwrap_or_else(|| got.len().min(plain.len()));
    let why = format!("the job gave {} bytes, the plain program {}; they differ at {at}", got.len(), plain.len());
    Err(Fault::bug(why))
}
