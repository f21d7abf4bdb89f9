//! Files into the cloud and out of it, sealed on this machine: `cp ls rm mv cat stat`, and `object versions|undelete`.

mod copy;
mod sync;

pub use copy::{CpArgs, cp};
pub use sync::{SyncArgs, sync};

use super::session::{Place, Session, client_fault, progress};
use crate::app::App;
use crate::cli::Form;
use crate::fault::Fault;
use crate::output::Row;
use clap::{Args, Subcommand};
use client::{Entry, Wanted};
use console::args;
use serde_json::{Value, json};
use std::ops::Range;
use wire::storage::Expect;

/// `ls`
#[derive(Args, Debug, Clone)]
pub struct LsArgs {
    #[arg(value_name = "my:BUCKET/PREFIX")]
    pub place: Option<String>,
    #[arg(long)]
    pub offline: bool,
}

/// `rm`
#[derive(Args, Debug, Clone)]
pub struct RmArgs {
    #[arg(value_name = "my:BUCKET/KEY")]
    pub place: String,
    #[arg(short, long)]
    pub recursive: bool,
}

/// `mv`
#[derive(Args, Debug, Clone)]
pub struct MvArgs {
    #[arg(value_name = "my:BUCKET/KEY")]
    pub from: String,
    #[arg(value_name = "my:BUCKET/KEY")]
    pub to: String,
}

/// `cat`
#[derive(Args, Debug, Clone)]
pub struct CatArgs {
    #[arg(value_name = "my:BUCKET/KEY")]
    pub place: String,
    #[arg(long, value_name = "FROM-TO", allow_hyphen_values = true)]
    pub range: Option<String>,
}

/// A place that names one object.
#[derive(Args, Debug, Clone)]
pub struct OneArgs {
    #[arg(value_name = "my:BUCKET/KEY")]
    pub place: String,
}

/// `object undelete`
#[derive(Args, Debug, Clone)]
pub struct UndeleteArgs {
    #[command(flatten)]
    pub one: OneArgs,
    #[arg(long, value_name = "ID")]
    pub version: Option<String>,
}

/// `object`
#[derive(Subcommand, Debug)]
pub enum ObjectVerb {
    Versions(OneArgs),
    Undelete(UndeleteArgs),
}

/// Runs `ls`; without a place it lists buckets.
pub async fn ls(app: &App, args: &LsArgs) -> Result<(), Fault> {
    let Some(shown) = &args.place else {
        return super::bucket::run(app, &super::bucket::BucketVerb::List).await;
    };
    let place = Place::parse(shown)?;
    let listed = match args.offline {
        true => offline(app, &place, shown).await?,
        false => {
            let listed = Session::at(app, &place, async |session| {
                let bucket = session.bucket_of(&place).await?;
                session.client.list(&bucket, &place.key).await.map_err(|e| client_fault(e, shown))
            });
            listed.await?
        }
    };
    let rows: Vec<Row> = listed
        .into_iter()
        .map(|e| Row { json: fields(&e), cells: vec![e.name, e.size.to_string(), e.at.to_string()] })
        .collect();
    app.out.table("object", &["column-key", "column-size", "column-changed"], 0, &rows);
    Ok(())
}

/// Names as this machine knows them, without asking anybody.
async fn offline(app: &App, place: &Place, shown: &str) -> Result<Vec<Entry>, Fault> {
    let place = place.clone().own(shown)?;
    let (root, index) = super::account::offline(app)?;
    let (listed, last) =
        client::list_offline(&index, &root, &place.bucket, &place.key).await.map_err(|e| client_fault(e, shown))?;
    let at = last.map_or_else(|| "–".to_owned(), |at| at.to_string());
    app.out.say("ls-offline", args!["at" => at]);
    Ok(listed)
}

/// An object as programs see it.
fn fields(e: &Entry) -> Value {
    json!({"id": e.name, "size_bytes": e.size.0, "at": e.at.to_string(), "changed": e.changed.map(|at| at.to_string()),
        "version": hex(&e.version), "blake3": (!e.is_in_parts()).then(|| hex(&e.hash)), "content_type": e.content_type})
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs `rm`.
pub async fn rm(app: &App, args: &RmArgs) -> Result<(), Fault> {
    let place = if args.recursive { Place::parse(&args.place)? } else { Place::object(&args.place)? };
    let removed = Session::at(app, &place, async |session| {
        let bucket = session.bucket_of(&place).await?;
        let names = if args.recursive {
            let all = session.client.list_all(&bucket, &place.key).await;
            all.map_err(|e| client_fault(e, &args.place))?.into_iter().map(|e| e.name).collect()
        } else {
            vec![place.key.clone()]
        };
        for name in &names {
            let done = session.client.remove(&bucket, name, Expect::Any).await;
            done.map_err(|e| client_fault(e, &place.at(name)))?;
            if app.out.form == Form::Json {
                app.out.json("object", json!({"id": name, "removed": true}));
            }
        }
        Ok(names.len())
    });
    let count = removed.await?;
    if app.out.form == Form::Human {
        app.out.print(&app.out.text("rm-done", args!["n" => count, "place" => &args.place]));
    }
    Ok(())
}

/// Runs `mv`: another name, no piece moves; then the old name goes.
pub async fn mv(app: &App, args: &MvArgs) -> Result<(), Fault> {
    let (from, to) = (Place::object(&args.from)?.own(&args.from)?, Place::object(&args.to)?.own(&args.to)?);
    if from.bucket != to.bucket {
        return Err(Fault::bad_value("mv", &args.to, "both names are in one bucket; use cp, then rm"));
    }
    Session::with(app, async |session| {
        let bucket = session.bucket_of(&from).await?;
        let old = session.client.stat(&bucket, &from.key).await.map_err(|e| client_fault(e, &args.from))?;
        if from.key != to.key {
            let done = session.client.copy(&bucket, &from.key, &to.key, Expect::Any).await;
            done.map_err(|e| client_fault(e, &args.to))?;
            // Only what was copied goes; what somebody wrote meanwhile stays.
            let gone = session.client.remove(&bucket, &from.key, Expect::Version(old.version)).await;
            gone.map_err(|e| client_fault(e, &args.from))?;
        }
        match app.out.form {
            Form::Json => app.out.json("object", json!({"id": to.key, "from": from.key})),
            _ => app.out.print(&app.out.text("mv-done", args!["from" => &args.from, "place" => &args.to])),
        }
        Ok(())
    })
    .await
}

/// `A-B` (both counted in, as in HTTP), `A-` or `-N` (the last N).
fn range(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (from, to) = text.split_once('-')?;
    let number = |t: &str| if t.is_empty() { Some(None) } else { t.parse().ok().map(Some) };
    let (from, to) = (number(from)?, number(to)?);
    let is_sound = match (from, to) {
        (None, None) => false,
        (Some(from), Some(to)) => from <= to,
        _ => true,
    };
    is_sound.then_some((from, to))
}

/// Runs `cat`.
pub async fn cat(app: &App, args: &CatArgs) -> Result<(), Fault> {
    let place = Place::object(&args.place)?;
    let asked = args.range.as_deref().map(|text| {
        range(text).ok_or_else(|| Fault::bad_value("range", text, "it is written as 0-1023, 1024- or -512"))
    });
    let asked = asked.transpose()?;
    Session::at(app, &place, async |session| {
        let bucket = session.bucket_of(&place).await?;
        let fault = |e| client_fault(e, &args.place);
        let mut wanted = Wanted::default();
        if let Some(asked) = asked {
            let entry = session.client.stat(&bucket, &place.key).await.map_err(fault)?;
            wanted.version = Some(entry.version);
            wanted.range = Some(bytes_of(asked, entry.size.0));
        }
        let mut out = tokio::io::stdout();
        session.client.get(&bucket, &place.key, wanted, &mut out, &progress(app)).await.map_err(fault)?;
        Ok(())
    })
    .await
}

fn bytes_of((from, to): (Option<u64>, Option<u64>), size: u64) -> Range<u64> {
    match (from, to) {
        (Some(from), Some(to)) => from..to.saturating_add(1).min(size.max(from)),
        (Some(from), None) => from..size.max(from),
        (None, last) => size.saturating_sub(last.unwrap_or(0))..size,
    }
}

/// Runs `stat`.
pub async fn stat(app: &App, args: &OneArgs) -> Result<(), Fault> {
    let place = Place::object(&args.place)?;
    let entry = Session::at(app, &place, async |session| {
        let bucket = session.bucket_of(&place).await?;
        session.client.stat(&bucket, &place.key).await.map_err(|e| client_fault(e, &args.place))
    });
    let entry = entry.await?;
    match app.out.form {
        Form::Json => app.out.json("object", fields(&entry)),
        _ => app.out.print(&app.out.text(
            "stat-object",
            args!["place" => &args.place, "size" => entry.size, "bytes" => entry.size.0, "at" => entry.at,
            "changed" => entry.changed.map_or_else(|| "–".to_owned(), |at| at.to_string()),
            "version" => hex(&entry.version),
            "hash" => if entry.is_in_parts() { "–".to_owned() } else { hex(&entry.hash) }],
        )),
    }
    Ok(())
}

/// Runs `object …`.
pub async fn object(app: &App, verb: &ObjectVerb) -> Result<(), Fault> {
    match verb {
        ObjectVerb::Versions(args) => versions(app, args).await,
        ObjectVerb::Undelete(args) => undelete(app, args).await,
    }
}

async fn versions(app: &App, args: &OneArgs) -> Result<(), Fault> {
    let place = Place::object(&args.place)?;
    let all = Session::at(app, &place, async |session| {
        let bucket = session.bucket_of(&place).await?;
        session.client.versions(&bucket, &place.key).await.map_err(|e| client_fault(e, &args.place))
    });
    let rows: Vec<Row> = all
        .await?
        .into_iter()
        .map(|v| Row {
            json: json!({"id": hex(&v.version), "bucket_seq": v.bucket_seq, "at": v.at.to_string(),
                "size_bytes": v.size.map(|s| s.0), "is_marker": v.size.is_none(), "is_dropped": v.is_dropped}),
            cells: vec![
                hex(&v.version),
                match (v.size, v.is_dropped) {
                    (None, _) => app.out.text("version-removed", args![]),
                    (Some(size), true) => app.out.text("version-dropped", args!["size" => size]),
                    (Some(size), false) => size.to_string(),
                },
                v.at.to_string(),
            ],
        })
        .collect();
    app.out.table("version", &["column-version", "column-size", "column-changed"], 0, &rows);
    Ok(())
}

async fn undelete(app: &App, args: &UndeleteArgs) -> Result<(), Fault> {
    let shown = args.one.place.as_str();
    let place = Place::object(shown)?.own(shown)?;
    let entry = Session::with(app, async |session| {
        let (client, bucket) = (&session.client, session.bucket_of(&place).await?);
        let Some(id) = &args.version else {
            return client.undelete(&bucket, &place.key).await.map_err(|e| client_fault(e, shown));
        };
        let all = client.versions(&bucket, &place.key).await.map_err(|e| client_fault(e, shown))?;
        let fits = all.iter().filter(|v| v.size.is_some() && hex(&v.version).starts_with(&id.to_lowercase()));
        let found: Vec<[u8; 16]> = fits.map(|v| v.version).collect();
        let [version] = found[..] else {
            let why = format!("{} versions with content begin so; pumasi object versions {shown}", found.len());
            return Err(Fault::bad_value("version", id, &why));
        };
        client.bring_back(&bucket, &place.key, version).await.map_err(|e| client_fault(e, shown))
    });
    let entry = entry.await?;
    match app.out.form {
        Form::Json => app.out.json("object", fields(&entry)),
        _ => app.out.print(&app.out.text("undelete-done", args!["place" => shown, "size" => entry.size])),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_http() {
        let of = |text: &str, size| range(text).map(|asked| bytes_of(asked, size));
        assert_eq!(of("0-0", 10), Some(0..1));
        assert_eq!(of("4-99", 10), Some(4..10));
        assert_eq!(of("4-", 10), Some(4..10));
        assert_eq!(of("-3", 10), Some(7..10));
        assert_eq!(of("-30", 10), Some(0..10));
        assert_eq!(of("12-13", 10), Some(12..12), "the client refuses it with the size");
        for bad in ["", "-", "5", "b-3", "5-4", "1-2-3"] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }
}
