//! `pumasi sync`: makes one side like the other. What has the same size and the same time of change is passed over, so a
//! second run moves nothing, and one that was cut off goes on where it stopped.

use super::copy::{below_folder, changed, get_one, put_files, walk};
use crate::app::App;
use crate::cli::Form;
use crate::cli::session::{Place, Session, client_fault};
use crate::fault::Fault;
use clap::Args;
use client::{Bucket, Entry};
use console::args;
use model::Stamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wire::storage::Expect;

/// `sync`
#[derive(Args, Debug, Clone)]
pub struct SyncArgs {
    #[arg(value_name = "FROM")]
    pub from: String,
    #[arg(value_name = "TO")]
    pub to: String,
    #[arg(long)]
    pub delete: bool,
    #[arg(long)]
    pub dry_run: bool,
}

/// What one side has under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    size: u64,
    changed: Option<Stamp>,
}

/// What is to be done, by name.
#[derive(Debug, PartialEq, Eq)]
struct Todo {
    copy: Vec<String>,
    remove: Vec<String>,
    same: usize,
}

/// Compares two sides. A time that one side does not know tells nothing: then the size decides.
fn compare(from: &BTreeMap<String, Facts>, to: &BTreeMap<String, Facts>, delete: bool) -> Todo {
    let is_same =
        |a: &Facts, b: &Facts| a.size == b.size && a.changed.zip(b.changed).is_none_or(|(here, there)| here == there);
    let copy: Vec<String> = from
        .iter()
        .filter(|(name, facts)| to.get(*name).is_none_or(|there| !is_same(facts, there)))
        .map(|(name, _)| name.clone())
        .collect();
    let remove = to.keys().filter(|name| delete && !from.contains_key(*name)).cloned().collect();
    Todo { same: from.len() - copy.len(), copy, remove }
}

/// Runs `sync`.
pub async fn sync(app: &App, args: &SyncArgs) -> Result<(), Fault> {
    let sides = (Place::side(&args.from)?, Place::side(&args.to)?);
    let first = sides.0.clone().or(sides.1.clone()).unwrap_or_default();
    Session::at(app, &first, async |session| match &sides {
        (None, Some(to)) => up(app, session, args, &folder(to)).await,
        (Some(from), None) => down(app, session, args, &folder(from)).await,
        _ => Err(Fault::bad_value(
            "sync",
            &format!("{} {}", args.from, args.to),
            "one side is a folder, the other my:bucket/prefix",
        )),
    })
    .await
}

/// A prefix is meant as a folder.
fn folder(place: &Place) -> Place {
    let key =
        if place.key.is_empty() || place.key.ends_with('/') { place.key.clone() } else { format!("{}/", place.key) };
    Place { key, ..place.clone() }
}

fn here(root: &Path) -> Result<BTreeMap<String, Facts>, Fault> {
    let mut files = Vec::new();
    if root.exists() {
        walk(root, root, 0, &mut files)?;
    }
    let facts = |(path, name): (PathBuf, String)| {
        let meta = std::fs::metadata(&path).map_err(|e| Fault::file(&path, &e))?;
        Ok((name, Facts { size: meta.len(), changed: changed(&meta) }))
    };
    files.into_iter().map(facts).collect()
}

async fn there(session: &Session, bucket: &Bucket, place: &Place) -> Result<BTreeMap<String, Entry>, Fault> {
    let all = session.client.list(bucket, &place.key).await.map_err(|e| client_fault(e, &place.at(&place.key)))?;
    let below = |e: Entry| Some((e.name.strip_prefix(&place.key)?.to_owned(), e));
    Ok(all.into_iter().filter_map(below).collect())
}

fn facts_of(entries: &BTreeMap<String, Entry>) -> BTreeMap<String, Facts> {
    entries.iter().map(|(name, e)| (name.clone(), Facts { size: e.size.0, changed: e.changed })).collect()
}

async fn up(app: &App, session: &Session, args: &SyncArgs, to: &Place) -> Result<(), Fault> {
    let root = PathBuf::from(&args.from);
    if !root.is_dir() {
        return Err(Fault::bad_value("sync", &args.from, "it is no folder"));
    }
    let to = &to.clone().own(&args.to)?;
    let bucket = session.bucket_or_make(&to.bucket).await?;
    let entries = there(session, &bucket, to).await?;
    let todo = compare(&here(&root)?, &facts_of(&entries), args.delete);
    if !args.dry_run {
        let files = todo.copy.iter().map(|name| (root.join(name), format!("{}{name}", to.key))).collect();
        put_files(app, session, &bucket, files, Expect::Any, to).await?;
        for name in &todo.remove {
            let key = format!("{}{name}", to.key);
            // Only what was seen goes; what somebody wrote meanwhile stays.
            let expect = entries.get(name).map_or(Expect::Any, |e| Expect::Version(e.version));
            let gone = session.client.remove(&bucket, &key, expect).await;
            gone.map_err(|e| client_fault(e, &to.at(&key)))?;
        }
    }
    report(app, args, &todo);
    Ok(())
}

async fn down(app: &App, session: &Session, args: &SyncArgs, from: &Place) -> Result<(), Fault> {
    let root = PathBuf::from(&args.to);
    let bucket = session.bucket_of(from).await?;
    let entries = there(session, &bucket, from).await?;
    let todo = compare(&facts_of(&entries), &here(&root)?, args.delete);
    if !args.dry_run {
        for name in &todo.copy {
            let path = below_folder(&root, name)?;
            get_one(app, session, &bucket, from, &format!("{}{name}", from.key), &path, false).await?;
        }
        for name in &todo.remove {
            let path = below_folder(&root, name)?;
            std::fs::remove_file(&path).map_err(|e| Fault::file(&path, &e))?;
        }
    }
    report(app, args, &todo);
    Ok(())
}

fn report(app: &App, args: &SyncArgs, todo: &Todo) {
    let out = &app.out;
    if out.form == Form::Json {
        out.json(
            "sync",
            json!({"copied_count": todo.copy.len(), "removed_count": todo.remove.len(), "same_count": todo.same,
                "dry_run": args.dry_run}),
        );
        return;
    }
    if args.dry_run {
        todo.copy.iter().for_each(|name| out.print(&format!("+ {}", crate::output::escape(name))));
        todo.remove.iter().for_each(|name| out.print(&format!("- {}", crate::output::escape(name))));
    }
    let key = if args.dry_run { "sync-would" } else { "sync-done" };
    out.print(&out.text(key, args!["n" => todo.copy.len(), "gone" => todo.remove.len(), "same" => todo.same]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(rows: &[(&str, u64, u64)]) -> BTreeMap<String, Facts> {
        let facts = |(name, size, at): &(&str, u64, u64)| {
            ((*name).to_owned(), Facts { size: *size, changed: (*at != 0).then_some(Stamp(*at)) })
        };
        rows.iter().map(facts).collect()
    }

    #[test]
    fn only_what_differs_moves_and_only_what_is_asked_goes() {
        let from = side(&[("same", 5, 9), ("longer", 6, 9), ("newer", 5, 10), ("new", 1, 1), ("timeless", 5, 0)]);
        let to = side(&[("same", 5, 9), ("longer", 5, 9), ("newer", 5, 9), ("old", 1, 1), ("timeless", 5, 4)]);
        let todo = compare(&from, &to, false);
        assert_eq!(
            (todo.copy, todo.remove, todo.same),
            (["longer", "new", "newer"].map(str::to_owned).into(), vec![], 2)
        );
        assert_eq!(compare(&from, &to, true).remove, ["old"]);
    }
}
