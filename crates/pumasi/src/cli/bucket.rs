//! `pumasi bucket …`: this account's buckets.

use super::session::{MINE, Session, client_fault};
use crate::app::App;
use crate::cli::Form;
use crate::fault::Fault;
use crate::output::Row;
use clap::{Args, Subcommand};
use client::BucketFacts;
use console::args;
use serde_json::{Value, json};

/// `bucket`
#[derive(Subcommand, Debug)]
pub enum BucketVerb {
    Create(BucketArgs),
    List,
    Show(BucketArgs),
    Rm(BucketArgs),
}

/// A bucket's name.
#[derive(Args, Debug, Clone)]
pub struct BucketArgs {
    #[arg(value_name = "NAME")]
    pub name: String,
}

impl BucketArgs {
    /// With or without `my:` in front; a key behind it is an error.
    fn name(&self) -> Result<&str, Fault> {
        let name = self.name.strip_prefix(MINE).unwrap_or(&self.name).trim_end_matches('/');
        if name.is_empty() || name.contains('/') || name.len() > seal::keys::LABEL_NAME_MAX {
            return Err(Fault::bad_value("bucket", &self.name, "a bucket's name has 1 to 255 bytes and no slash"));
        }
        Ok(name)
    }
}

/// Runs `bucket …`.
pub async fn run(app: &App, verb: &BucketVerb) -> Result<(), Fault> {
    Session::with(app, async |session| match verb {
        BucketVerb::Create(args) => create(app, session, args.name()?).await,
        BucketVerb::List => list(app, session).await,
        BucketVerb::Show(args) => show(app, session, args.name()?).await,
        BucketVerb::Rm(args) => remove(app, session, args.name()?).await,
    })
    .await
}

async fn create(app: &App, session: &Session, name: &str) -> Result<(), Fault> {
    let made = session.client.make_bucket(&session.root, name).await.map_err(|e| client_fault(e, name))?;
    match app.out.form {
        Form::Json => app.out.json("bucket", json!({"name": name, "id": made.to_string()})),
        Form::Id => app.out.print(&made.to_string()),
        _ => app.out.print(&app.out.text("bucket-made", args!["place" => format!("{MINE}{name}/")])),
    }
    Ok(())
}

async fn list(app: &App, session: &Session) -> Result<(), Fault> {
    let all = session.client.buckets(&session.root).await.map_err(|e| client_fault(e, MINE))?;
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
        "changes_count": b.changes, "at": b.at.to_string()})
}

async fn show(app: &App, session: &Session, name: &str) -> Result<(), Fault> {
    let facts = session.client.bucket_facts(&session.root, name).await.map_err(|e| client_fault(e, name))?;
    session.bucket(name).await?; // a wrong key says so
    match app.out.form {
        Form::Json => app.out.json("bucket", fields(&facts)),
        _ => app.out.print(&app.out.text(
            "bucket-show",
            args!["place" => format!("{MINE}{name}/"), "objects" => facts.objects, "size" => facts.sealed,
            "changes" => facts.changes, "at" => facts.at, "id" => facts.id],
        )),
    }
    Ok(())
}

async fn remove(app: &App, session: &Session, name: &str) -> Result<(), Fault> {
    session.client.remove_bucket(&session.root, name).await.map_err(|e| client_fault(e, name))?;
    if app.out.form == Form::Json {
        app.out.json("bucket", json!({"name": name, "removed": true}));
    } else {
        app.out.print(&app.out.text("bucket-removed", args!["place" => format!("{MINE}{name}/")]));
    }
    Ok(())
}
