//! `pumasi bucket …`: this account's buckets.

use super::session::{MINE, Session, client_fault};
use crate::app::App;
use crate::cli::Form;
use crate::fault::Fault;
use crate::output::Row;
use clap::Subcommand;
use client::{BucketAsk, BucketFacts, Logged};
use console::args;
use console::text::Args;
use model::Bytes;
use serde_json::{Value, json};
use wire::storage::BucketReport;

/// `bucket`
#[derive(Subcommand, Debug)]
pub enum BucketVerb {
    Create(CreateArgs),
    List,
    Show(BucketArgs),
    Set(SetArgs),
    Log(LogArgs),
    Rm(BucketArgs),
}

/// A bucket's name.
#[derive(clap::Args, Debug, Clone)]
pub struct BucketArgs {
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// `bucket create`
#[derive(clap::Args, Debug, Clone)]
pub struct CreateArgs {
    #[arg(value_name = "NAME")]
    pub name: String,
    #[arg(long, default_value = "standard", value_name = "eco|standard|fortress")]
    pub class: String,
    #[arg(long, value_name = "REGION")]
    pub region: Vec<String>,
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub regions_min: u16,
    #[arg(long, value_name = "SIZE")]
    pub quota: Option<String>,
}

/// `bucket set`
#[derive(clap::Args, Debug, Clone)]
pub struct SetArgs {
    #[arg(value_name = "NAME")]
    pub name: String,
    #[arg(long, value_name = "SIZE|none", required = true)]
    pub quota: String,
}

/// `bucket log`
#[derive(clap::Args, Debug, Clone)]
pub struct LogArgs {
    #[arg(value_name = "NAME")]
    pub name: String,
    #[arg(long)]
    pub check: bool,
}

/// A size, or none for no limit.
fn quota_of(text: &str) -> Result<Option<Bytes>, Fault> {
    if text == "none" {
        return Ok(None);
    }
    let bytes: Bytes = text.parse()?;
    if bytes.0 == 0 { Err(Fault::bad_value("quota", text, "a size above 0, or none")) } else { Ok(Some(bytes)) }
}

/// A name with or without `my:` in front; a key behind it is an error.
fn name_of(given: &str) -> Result<&str, Fault> {
    let name = given.strip_prefix(MINE).unwrap_or(given).trim_end_matches('/');
    if name.is_empty() || name.contains('/') || name.len() > seal::keys::LABEL_NAME_MAX {
        return Err(Fault::bad_value("bucket", given, "a bucket's name has 1 to 255 bytes and no slash"));
    }
    Ok(name)
}

/// Runs `bucket …`.
pub async fn run(app: &App, verb: &BucketVerb) -> Result<(), Fault> {
    Session::with(app, async |session| match verb {
        BucketVerb::Create(args) => create(app, session, args).await,
        BucketVerb::List => list(app, session).await,
        BucketVerb::Show(args) => show(app, session, name_of(&args.name)?).await,
        BucketVerb::Set(args) => set(app, session, name_of(&args.name)?, quota_of(&args.quota)?).await,
        BucketVerb::Log(args) => log(app, session, name_of(&args.name)?, args.check).await,
        BucketVerb::Rm(args) => remove(app, session, name_of(&args.name)?).await,
    })
    .await
}

async fn create(app: &App, session: &Session, args: &CreateArgs) -> Result<(), Fault> {
    let name = name_of(&args.name)?;
    let regions = args.region.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let ask = BucketAsk { class: args.class.parse()?, regions, regions_min: args.regions_min };
    let quota = args.quota.as_deref().map(quota_of).transpose()?.flatten();
    let made = session.client.make_bucket(session.root()?, name, &ask).await;
    let made = made.map_err(|e| with_cover(app, client_fault(e, name)))?;
    if quota.is_some() {
        session.client.set_quota(session.root()?, name, quota).await.map_err(|e| client_fault(e, name))?;
    }
    match app.out.form {
        Form::Json => app.out.json("bucket", json!({"name": name, "id": made.to_string()})),
        Form::Id => app.out.print(&made.to_string()),
        _ => app.out.print(&app.out.text("bucket-made", args!["place" => format!("{MINE}{name}/")])),
    }
    Ok(())
}

/// E0317 with what the pool's week looks like, where that was the reason.
fn with_cover(app: &App, fault: Fault) -> Fault {
    let of = |key: &str| fault.args.get(key).cloned().unwrap_or_default();
    let milli = |key: &str| of(key).parse::<u32>().ok().map(|n| format!("{}.{}", n / 1_000, n / 100 % 10));
    let (Some(z), Some(z_need)) = (milli("z"), milli("z_need")) else { return fault };
    let vars = args!["nodes" => of("nodes"), "owners" => of("owners"), "on" => of("on"), "hour" => of("hour"),
        "z" => z, "z_need" => z_need];
    let why = app.out.text("bucket-uncovered", vars);
    fault.because(why)
}

async fn set(app: &App, session: &Session, name: &str, quota: Option<Bytes>) -> Result<(), Fault> {
    session.client.set_quota(session.root()?, name, quota).await.map_err(|e| client_fault(e, name))?;
    let shown = quota.map_or_else(|| app.out.text("quota-none", args![]), |bytes| bytes.to_string());
    let fields = json!({"name": name, "quota_bytes": quota.map(|bytes| bytes.0)});
    app.out.done("bucket", fields, "bucket-set", args!["place" => format!("{MINE}{name}/"), "quota" => shown]);
    Ok(())
}

async fn list(app: &App, session: &Session) -> Result<(), Fault> {
    let all = session.client.buckets(session.root()?).await.map_err(|e| client_fault(e, MINE))?;
    let rows: Vec<Row> = all
        .iter()
        .map(|b| Row {
            json: fields(b),
            cells: vec![
                b.name.clone().unwrap_or_else(|| app.out.text("bucket-foreign-key", args![])),
                b.objects.to_string(),
                b.sealed.to_string(),
                b.at.to_string(),
            ],
        })
        .collect();
    app.out.table("bucket", &["column-name", "column-objects", "column-size", "column-made"], 0, &rows);
    Ok(())
}

fn fields(b: &BucketFacts) -> Value {
    json!({"id": b.id.to_string(), "name": b.name, "objects_count": b.objects, "sealed_bytes": b.sealed.0,
        "changes_count": b.changes, "at": b.at.to_string(), "class": b.made.class.word(), "regions": b.made.regions,
        "regions_min": b.made.regions_min, "quota_bytes": b.quota.map(|bytes| bytes.0)})
}

async fn show(app: &App, session: &Session, name: &str) -> Result<(), Fault> {
    let facts = session.client.bucket_facts(session.root()?, name).await.map_err(|e| client_fault(e, name))?;
    let bucket = session.bucket(name).await?; // a wrong key says so
    let report = session.client.bucket_report(&bucket).await.map_err(|e| client_fault(e, name))?;
    let copies = session.client.copies_of(&bucket);
    if app.out.form == Form::Json {
        let mut all = fields(&facts);
        all["survives"] = report.as_ref().map_or(Value::Null, survives_fields);
        all["copies_here"] = json!(copies);
        app.out.json("bucket", all);
        return Ok(());
    }
    let regions: Vec<&str> = facts.made.regions.iter().map(model::Region::as_str).collect();
    app.out.print(&app.out.text(
        "bucket-show",
        args!["place" => format!("{MINE}{name}/"), "objects" => facts.objects, "size" => facts.sealed,
        "changes" => facts.changes, "at" => facts.at, "id" => facts.id, "class" => facts.made.class,
        "regions" => if regions.is_empty() { app.out.text("regions-any", args![]) } else { regions.join(", ") }],
    ));
    if let Some(quota) = facts.quota {
        app.out.print(&app.out.text("bucket-quota", args!["quota" => quota]));
    }
    match &report {
        Some(report) => say_survives(app, report, copies),
        None => app.out.print(&app.out.text("survives-nothing-yet", args![])),
    }
    Ok(())
}

fn survives_fields(r: &BucketReport) -> Value {
    let any: serde_json::Map<String, Value> =
        r.any.iter().map(|(kind, count, may)| (kind.clone(), json!({"count": count, "may_die": may}))).collect();
    let whole: Vec<Value> =
        r.whole.iter().map(|(domain, left, ok)| json!({"domain": domain, "left": left, "survives": ok})).collect();
    json!({"k": r.scheme.k, "n": r.scheme.o, "pieces": r.pieces, "on": r.on, "nodes": r.nodes, "may_die": r.any_nodes,
        "readable_now": r.on >= r.scheme.k, "any": any, "whole": whole, "pool_ppm": r.pool_ppm, "partial": r.is_partial,
        "tiers_waived": r.is_waived})
}

/// In words: how many PCs may die, which whole domain must not, and whether it reads now.
fn say_survives(app: &App, r: &BucketReport, copies: usize) {
    let out = &app.out;
    let readable = out.text(if r.on >= r.scheme.k { "survives-reads" } else { "survives-waits" }, args![]);
    out.print(&out.text(
        "survives-any",
        args!["scheme" => r.scheme, "n" => r.any_nodes, "nodes" => r.nodes, "on" => r.on, "pieces" => r.pieces,
        "readable" => readable],
    ));
    if copies > 0 {
        out.print(&out.text("survives-staged", args!["n" => copies]));
    }
    let deadly: Vec<&str> =
        r.whole.iter().filter(|(_, _, survives)| !survives).map(|(domain, ..)| domain.as_str()).collect();
    if deadly.is_empty() {
        out.print(&out.text("survives-domains", args![]));
    } else {
        out.print(&out.text("survives-not", args!["domains" => deadly.join(", ")]));
    }
    if r.is_partial {
        out.print(&out.text("survives-partial", args![]));
    }
}

/// Stores what brings the names back without the center, or looks at what is stored.
async fn log(app: &App, session: &Session, name: &str, is_check: bool) -> Result<(), Fault> {
    let bucket = session.bucket(name).await?;
    let place = format!("{MINE}{name}/");
    let logged_fields = |l: &Logged| {
        json!({"name": name, "logged_upto": l.upto, "changed_upto": l.changed, "logs_count": l.logs,
            "log_bytes": l.bytes.0, "written_count": l.written, "at": l.at.map(|at| at.to_string())})
    };
    if !is_check {
        let logged = session.client.log_changes(&bucket).await.map_err(|e| client_fault(e, name))?;
        // A log is found by who knows of the bucket, and the account's copy says so.
        super::recovery_rebuild::store_copy(app, session).await?;
        let key = match (logged.upto, logged.written) {
            (0, _) => "bucket-log-nothing",
            (_, 0) => "bucket-log-there",
            _ => "bucket-logged",
        };
        app.out.done("bucket_log", logged_fields(&logged), key, log_args(&place, &logged));
        return Ok(());
    }
    let check = session.client.check_log(&bucket).await.map_err(|e| client_fault(e, name))?;
    let mut fields = logged_fields(&check.logged);
    fields["names_count"] = json!(check.names);
    fields["holders_count"] = json!(check.holders);
    fields["pieces_located"] = json!(check.pieces);
    fields["pieces_needed"] = json!(check.need);
    let args = log_args(&place, &check.logged)
        .with("names", check.names)
        .with("holders", check.holders)
        .with("pieces", check.pieces)
        .with("need", check.need);
    let key = if check.logged.logs == 0 { "bucket-log-none" } else { "bucket-log-checked" };
    app.out.done("bucket_log_check", fields, key, args);
    if check.logged.changed > check.logged.upto {
        app.out.say("bucket-log-later", log_args(&place, &check.logged));
    }
    Ok(())
}

fn log_args(place: &str, l: &Logged) -> Args {
    args!["place" => place, "upto" => l.upto, "changed" => l.changed, "n" => l.logs, "size" => l.bytes,
        "at" => l.at.unwrap_or_default()]
}

async fn remove(app: &App, session: &Session, name: &str) -> Result<(), Fault> {
    session.client.remove_bucket(session.root()?, name).await.map_err(|e| client_fault(e, name))?;
    if app.out.form == Form::Json {
        app.out.json("bucket", json!({"name": name, "removed": true}));
    } else {
        app.out.print(&app.out.text("bucket-removed", args!["place" => format!("{MINE}{name}/")]));
    }
    Ok(())
}
