//! `pumasi cp`: a file or a folder in, an object or a prefix out, a second name beside the first; `-` is a pipe.

use crate::app::App;
use crate::cli::Form;
use crate::cli::session::{MINE, Place, Session, client_fault, progress};
use crate::cli::wallet::amount::parse_amount;
use crate::cli::wallet::quote;
use crate::fault::Fault;
use clap::Args;
use client::{Bucket, Put, PutAsk, Small, Source, Wanted};
use console::args;
use model::{Stamp, Ucredit, errors};
use serde_json::json;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use wire::ledger::Prices;
use wire::storage::{Expect, SegmentRun};

/// Folders below each other that are followed.
const DEPTH_MAX: usize = 64;

/// Pause between two looks at whether everything is filled up.
const FULL_LOOK: Duration = Duration::from_millis(500);
/// Times a file is stored whose upload has to begin anew.
const PUT_TRIES: u32 = 3;
/// Small files read and stored together at most.
const FILES_AT_ONCE: usize = 1_000;

/// `cp`
#[derive(Args, Debug, Clone)]
pub struct CpArgs {
    #[arg(value_name = "FROM")]
    pub from: String,
    #[arg(value_name = "TO")]
    pub to: String,
    #[arg(short, long)]
    pub recursive: bool,
    #[arg(long)]
    pub no_overwrite: bool,
    #[arg(long)]
    pub full: bool,
    #[arg(long, value_name = "CREDITS")]
    pub max_credits: Option<String>,
}

/// Runs `cp`.
pub async fn cp(app: &App, args: &CpArgs) -> Result<(), Fault> {
    let sides = (Place::side(&args.from)?, Place::side(&args.to)?);
    let first = sides.0.clone().or(sides.1.clone()).unwrap_or_default();
    Session::at(app, &first, async |session| match &sides {
        (None, Some(to)) => put(app, session, args, to).await,
        (Some(from), None) => get(app, session, args, from).await,
        (Some(from), Some(to)) => copy(app, session, args, from, to).await,
        (None, None) => {
            Err(Fault::bad_value("cp", &format!("{} {}", args.from, args.to), "at least one side is my:bucket/key"))
        }
    })
    .await
}

/// Refuses what would cost more than the caller allows (E0613), by the prices in force: a month of storing, reading it once.
async fn within(
    app: &App,
    args: &CpArgs,
    cost: impl FnOnce(&Prices) -> Result<Ucredit, Fault> + Send,
) -> Result<(), Fault> {
    let Some(most) = args.max_credits.as_deref().map(parse_amount).transpose()? else { return Ok(()) };
    let need = cost(&quote::prices(app).await?)?;
    if need <= most {
        return Ok(());
    }
    Err(Fault::new(errors::ABOVE_MAX, [("need", &need.to_string()), ("most", &most.to_string())]))
}

/// What is expected of the name.
fn expect(args: &CpArgs) -> Expect {
    if args.no_overwrite { Expect::Absent } else { Expect::Any }
}

async fn put(app: &App, session: &Session, args: &CpArgs, to: &Place) -> Result<(), Fault> {
    let files = sources(args, to)?;
    if args.full && to.link.is_some() {
        return Err(Fault::bad_value("full", "--full", "only the owner of the bucket sees when its pieces stand"));
    }
    let bucket = session.bucket_to_write(to).await?;
    // What is stored by a link, its giver pays.
    if args.max_credits.is_some() && to.link.is_none() {
        let mut bytes = 0u64;
        for (path, _) in files.iter().filter(|(path, _)| path != Path::new("-")) {
            bytes = bytes.saturating_add(std::fs::metadata(path).map_err(|e| Fault::file(path, &e))?.len());
        }
        let facts = session.client.bucket_facts(session.root()?, &to.bucket).await;
        let class = facts.map_err(|e| client_fault(e, &args.to))?.made.class;
        within(app, args, |prices| quote::of_store(prices, class, bytes, 1)).await?;
    }
    if let ([(path, key)], false) = (&files[..], args.recursive) {
        let mut stored = put_one(app, session, &bucket, path, key, expect(args)).await?;
        if args.full {
            stored.pieces = until_full(app, session, &stored.runs).await?;
        }
        report(app, &to.at(key), &stored);
        return Ok(());
    }
    let count = files.len();
    let runs = put_files(app, session, &bucket, files, expect(args), to).await?;
    if args.full {
        until_full(app, session, &runs).await?;
    }
    if app.out.form == Form::Human {
        app.out.print(&app.out.text("cp-many", args!["n" => count, "place" => &args.to]));
    }
    Ok(())
}

/// Waits until every holder that is on has its piece of these segments; pieces of the weakest.
pub(super) async fn until_full(app: &App, session: &Session, runs: &[SegmentRun]) -> Result<usize, Fault> {
    let (progress, mut last) = (progress(app), None);
    loop {
        let standing = session.client.standing(runs).await.map_err(|e| client_fault(e, MINE))?;
        let Some(standing) = standing else { return Ok(0) };
        if standing.pieces >= standing.full {
            return Ok(usize::from(standing.pieces));
        }
        if last != Some(standing.pieces) {
            progress("phase-fill", standing.pieces.into(), standing.full.into());
            last = Some(standing.pieces);
        }
        tokio::time::sleep(FULL_LOOK).await;
    }
}

/// Many files, each with its key: small ones packed together, others one by one. Where their segments stand.
pub(super) async fn put_files(
    app: &App,
    session: &Session,
    bucket: &Bucket,
    files: Vec<(PathBuf, String)>,
    expect: Expect,
    to: &Place,
) -> Result<Vec<SegmentRun>, Fault> {
    let mut runs = Vec::new();
    let mut small: Vec<(PathBuf, String)> = Vec::new();
    let mut small_bytes = 0;
    for (path, key) in files {
        let len = std::fs::metadata(&path).map_err(|e| Fault::file(&path, &e))?.len();
        if len > client::SMALL_MAX {
            let stored = put_one(app, session, bucket, &path, &key, expect).await?;
            report_one_of_many(app, &to.at(&key), &stored);
            runs.extend(stored.runs);
            continue;
        }
        if small_bytes + len > client::PACK_BYTES as u64 || small.len() >= FILES_AT_ONCE {
            runs.extend(put_small(app, session, bucket, std::mem::take(&mut small), expect, to).await?);
            small_bytes = 0;
        }
        small_bytes += len;
        small.push((path, key));
    }
    runs.extend(put_small(app, session, bucket, small, expect, to).await?);
    runs.sort_unstable_by_key(|run| (run.pg, run.seq));
    runs.dedup();
    Ok(runs)
}

/// Small files of a folder, packed together.
async fn put_small(
    app: &App,
    session: &Session,
    bucket: &Bucket,
    files: Vec<(PathBuf, String)>,
    expect: Expect,
    to: &Place,
) -> Result<Vec<SegmentRun>, Fault> {
    let mut items = Vec::with_capacity(files.len());
    for (path, key) in &files {
        let content = std::fs::read(path).map_err(|e| Fault::file(path, &e))?;
        let changed = std::fs::metadata(path).ok().and_then(|facts| changed(&facts));
        items.push(Small { ask: PutAsk { expect, changed, ..PutAsk::new(key) }, content });
    }
    let stored = session.client.put_small(bucket, items, &progress(app)).await;
    let stored = stored.map_err(|e| client_fault(e, &to.at(&to.key)))?;
    files.iter().zip(&stored).for_each(|((_, key), put)| report_one_of_many(app, &to.at(key), put));
    Ok(stored.into_iter().flat_map(|put| put.runs).collect())
}

/// When a file was last changed, where the system knows.
pub(super) fn changed(facts: &std::fs::Metadata) -> Option<Stamp> {
    let since = facts.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(Stamp)
}

/// Files to store, each with its key.
fn sources(args: &CpArgs, to: &Place) -> Result<Vec<(PathBuf, String)>, Fault> {
    let path = PathBuf::from(&args.from);
    if args.recursive {
        let mut files = Vec::new();
        walk(&path, &path, 0, &mut files)?;
        let folder = if to.key.is_empty() || to.key.ends_with('/') { to.key.clone() } else { format!("{}/", to.key) };
        return Ok(files.into_iter().map(|(path, below)| (path, format!("{folder}{below}"))).collect());
    }
    if path.is_dir() {
        return Err(Fault::bad_value("cp", &args.from, "it is a folder; add -r"));
    }
    let into_folder = to.key.is_empty() || to.key.ends_with('/');
    let base = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let key = if into_folder { format!("{}{base}", to.key) } else { to.key.clone() };
    Ok(vec![(path, key)])
}

/// Files below a folder in order of their names, with their keys; links are not followed.
pub(super) fn walk(root: &Path, dir: &Path, depth: usize, files: &mut Vec<(PathBuf, String)>) -> Result<(), Fault> {
    if depth > DEPTH_MAX {
        return Err(Fault::bad_value("cp", &dir.display().to_string(), "more than 64 folders below each other"));
    }
    let entries = std::fs::read_dir(dir).map_err(|e| Fault::file(dir, &e))?;
    let mut entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(|e| Fault::file(dir, &e))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(|e| Fault::file(&path, &e))?;
        if kind.is_dir() {
            walk(root, &path, depth + 1, files)?;
        } else if kind.is_file() {
            let below = path.strip_prefix(root).unwrap_or(&path);
            let parts: Option<Vec<&str>> = below.iter().map(std::ffi::OsStr::to_str).collect();
            let parts = parts.ok_or_else(|| {
                let shown = path.display().to_string();
                Fault::new(errors::BAD_NAME, [("name", &*shown), ("why", "it is not UTF-8")])
            })?;
            files.push((path.clone(), parts.join("/")));
        }
    }
    Ok(())
}

async fn put_one(
    app: &App,
    session: &Session,
    bucket: &Bucket,
    path: &Path,
    key: &str,
    expect: Expect,
) -> Result<Put, Fault> {
    let shown = path.display().to_string();
    let mut stored = put_once(app, session, bucket, path, key, expect).await?;
    for _ in 1..PUT_TRIES {
        // An upload that was cut off does not go on with other bytes: it begins anew. Where the bucket writes with another code
        // by now, what is kept already stays.
        let begins_anew = matches!(stored, Err(client::ClientError::Changed | client::ClientError::CodeChanged));
        if !begins_anew || path == Path::new("-") {
            break;
        }
        stored = put_once(app, session, bucket, path, key, expect).await?;
    }
    stored.map_err(|error| match error {
        client::ClientError::File { source, .. } => Fault::file(Path::new(&shown), &source),
        error => client_fault(error, key),
    })
}

async fn put_once(
    app: &App,
    session: &Session,
    bucket: &Bucket,
    path: &Path,
    key: &str,
    expect: Expect,
) -> Result<Result<Put, client::ClientError>, Fault> {
    let mut ask = PutAsk { expect, ..PutAsk::new(key) };
    let content: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let file = std::fs::File::open(path).map_err(|e| Fault::file(path, &e))?;
        let facts = file.metadata().map_err(|e| Fault::file(path, &e))?;
        ask.size_hint = facts.len();
        ask.changed = changed(&facts);
        ask.source = source(path, &facts);
        Box::new(file)
    };
    Ok(session.client.put(bucket, ask, content, &progress(app)).await)
}

/// What an upload that is cut off is known by when the same command comes again.
fn source(path: &Path, facts: &std::fs::Metadata) -> Option<Source> {
    let path = std::fs::canonicalize(path).ok()?.to_str()?.to_owned();
    let since = facts.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Source { path, size: facts.len(), changed_ns: u64::try_from(since.as_nanos()).ok()? })
}

/// A program hears of each of many files; a person, of all of them together at the end.
fn report_one_of_many(app: &App, shown: &str, stored: &Put) {
    if app.out.form != Form::Human {
        report(app, shown, stored);
    }
}

fn report(app: &App, shown: &str, stored: &Put) {
    if app.out.quiet && app.out.form == Form::Human {
        return;
    }
    let k = stored.scheme.map_or(0, |s| usize::from(s.k));
    let may_die = stored.pieces.saturating_sub(k);
    match (app.out.form, stored.scheme) {
        (Form::Json, scheme) => app.out.json(
            "object",
            json!({"place": shown, "size_bytes": stored.size.0, "pieces_count": stored.pieces, "k": k,
            "n": scheme.map(|s| s.o), "may_die_count": may_die, "inline": scheme.is_none(),
            "bucket_seq": stored.bucket_seq}),
        ),
        (_, Some(scheme)) => {
            let survive = app.out.text("cp-survives", args!["n" => may_die]);
            app.out.print(&app.out.text(
                "cp-put",
                args!["place" => shown, "size" => stored.size, "pieces" => stored.pieces,
                "nodes" => stored.holders, "scheme" => scheme, "survive" => survive],
            ));
        }
        (_, None) => {
            app.out.print(&app.out.text("cp-put-inline", args!["place" => shown, "size" => stored.size]));
        }
    }
}

async fn get(app: &App, session: &Session, args: &CpArgs, from: &Place) -> Result<(), Fault> {
    let bucket = session.bucket_of(from).await?;
    if args.recursive {
        let all = session.client.list(&bucket, &from.key).await.map_err(|e| client_fault(e, &args.from))?;
        let bytes = all.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.size.0));
        within(app, args, |prices| quote::of_read(prices, bytes)).await?;
        for entry in &all {
            let below = entry.name.strip_prefix(&from.key).unwrap_or(&entry.name).trim_start_matches('/');
            let path = below_folder(Path::new(&args.to), below)?;
            get_one(app, session, &bucket, from, &entry.name, &path, args.no_overwrite).await?;
        }
        if app.out.form == Form::Human {
            app.out.print(&app.out.text("cp-many-got", args!["n" => all.len(), "file" => &args.to]));
        }
        return Ok(());
    }
    let from = Place::object(&args.from)?;
    if args.max_credits.is_some() {
        let shown = session.client.show(&bucket, &from.key, None).await.map_err(|e| client_fault(e, &args.from))?;
        within(app, args, |prices| quote::of_read(prices, shown.entry.size.0)).await?;
    }
    if args.to == "-" {
        let mut out = tokio::io::stdout();
        let got = session.client.get(&bucket, &from.key, Wanted::default(), &mut out, &progress(app)).await;
        return got.map(drop).map_err(|e| client_fault(e, &args.from));
    }
    let mut path = PathBuf::from(&args.to);
    if path.is_dir() {
        path.push(from.key.rsplit('/').next().unwrap_or(&from.key));
    }
    get_one(app, session, &bucket, &from, &from.key, &path, args.no_overwrite).await
}

/// Where an object of a prefix goes below a folder. A key that would lead out of it is refused.
pub(super) fn below_folder(folder: &Path, key: &str) -> Result<PathBuf, Fault> {
    let below = Path::new(key);
    let is_plain = !key.is_empty() && below.components().all(|part| matches!(part, Component::Normal(_)));
    // `a//b` and `a/./b` are other keys than `a/b`, and would be written over each other.
    let is_exact = key.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    if is_plain && is_exact && !key.contains('\\') {
        return Ok(folder.join(below));
    }
    Err(Fault::new(errors::BAD_NAME, [("name", key), ("why", "as a file it would lie elsewhere")]))
}

#[expect(clippy::too_many_arguments, reason = "one object of many, each argument of its own kind")]
pub(super) async fn get_one(
    app: &App,
    session: &Session,
    bucket: &Bucket,
    from: &Place,
    key: &str,
    path: &Path,
    no_overwrite: bool,
) -> Result<(), Fault> {
    let shown = path.display().to_string();
    if no_overwrite && path.exists() {
        return Err(Fault::bad_value("file", &shown, "it is there, and --no-overwrite was given"));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| Fault::file(folder, &e))?;
    }
    let place = from.at(key);
    let got = session.client.get_file(bucket, key, path, &progress(app)).await.map_err(|e| client_fault(e, &place))?;
    if let Some(changed) = got.changed {
        // A file whose time cannot be set is whole all the same; a later sync looks at it again.
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(changed.as_ms());
        let _ = std::fs::File::options().write(true).open(path).and_then(|file| file.set_modified(at));
    }
    match app.out.form {
        Form::Json => app.out.json(
            "object",
            json!({"place": place, "file": shown, "size_bytes": got.size.0, "holders_count": got.holders}),
        ),
        _ => app.out.print(&app.out.text("cp-get", args!["place" => place, "size" => got.size, "file" => shown])),
    }
    Ok(())
}

/// Inside a bucket no byte moves; between buckets it goes through this machine, since keys differ.
async fn copy(app: &App, session: &Session, args: &CpArgs, from: &Place, to: &Place) -> Result<(), Fault> {
    Place::object(&args.from)?.own(&args.from)?;
    Place::object(&args.to)?.own(&args.to)?;
    if from.bucket != to.bucket {
        return Err(Fault::bad_value("cp", &args.to, "both names are in one bucket; go through a file or a pipe"));
    }
    let bucket = session.bucket_of(from).await?;
    let copied = session.client.copy(&bucket, &from.key, &to.key, expect(args)).await;
    let entry = copied.map_err(|e| client_fault(e, &args.from))?;
    match app.out.form {
        Form::Json => app.out.json("object", json!({"place": args.to, "from": args.from, "size_bytes": entry.size.0})),
        _ => app.out.print(&app.out.text("cp-copied", args!["from" => &args.from, "place" => &args.to])),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_leads_out_of_the_folder() {
        let folder = Path::new("/back");
        assert_eq!(below_folder(folder, "a/b.txt").ok(), Some(PathBuf::from("/back/a/b.txt")));
        for bad in ["", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/.", "a\\..\\b"] {
            assert!(below_folder(folder, bad).is_err(), "{bad}");
        }
    }
}
