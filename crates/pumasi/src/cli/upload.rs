//! `pumasi upload …`: an object that comes in parts, from one machine or from several, in any order.

use super::object::hex;
use super::session::{Place, Session, client_fault, progress};
use crate::app::App;
use crate::cli::Form;
use crate::fault::Fault;
use crate::output::Row;
use clap::{Args, Subcommand};
use client::parts::{CompleteAsk, PartAsk, PartFacts, Upload};
use client::{Bucket, PutAsk};
use console::args;
use model::{Bytes, errors};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use wire::limits::PARTS_MAX;
use wire::storage::Expect;

/// `upload`
#[derive(Subcommand, Debug)]
pub enum UploadVerb {
    Begin(BeginArgs),
    Part(PartArgs),
    List(ListArgs),
    Show(UploadArgs),
    Complete(CompleteArgs),
    Abort(UploadArgs),
}

/// `upload begin`
#[derive(Args, Debug, Clone)]
pub struct BeginArgs {
    #[arg(value_name = "my:BUCKET/KEY")]
    pub place: String,
}

/// An open upload.
#[derive(Args, Debug, Clone)]
pub struct UploadArgs {
    #[arg(value_name = "my:BUCKET/KEY")]
    pub place: String,
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
}

/// `upload part`
#[derive(Args, Debug, Clone)]
pub struct PartArgs {
    #[command(flatten)]
    pub upload: UploadArgs,
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=i64::from(PARTS_MAX)))]
    pub number: u16,
    #[arg(value_name = "FILE")]
    pub file: String,
}

/// `upload list`
#[derive(Args, Debug, Clone)]
pub struct ListArgs {
    #[arg(value_name = "my:BUCKET")]
    pub place: String,
}

/// `upload complete`
#[derive(Args, Debug, Clone)]
pub struct CompleteArgs {
    #[command(flatten)]
    pub upload: UploadArgs,
    #[arg(long, value_name = "N,N…", value_delimiter = ',')]
    pub parts: Vec<u16>,
    #[arg(long)]
    pub no_overwrite: bool,
}

/// Runs `upload …`.
pub async fn run(app: &App, verb: &UploadVerb) -> Result<(), Fault> {
    Session::with(app, async |session| match verb {
        UploadVerb::Begin(args) => begin(app, session, args).await,
        UploadVerb::Part(args) => part(app, session, args).await,
        UploadVerb::List(args) => list(app, session, args).await,
        UploadVerb::Show(args) => show(app, session, args).await,
        UploadVerb::Complete(args) => complete(app, session, args).await,
        UploadVerb::Abort(args) => abort(app, session, args).await,
    })
    .await
}

async fn begin(app: &App, session: &Session, args: &BeginArgs) -> Result<(), Fault> {
    let place = Place::object(&args.place)?.own(&args.place)?;
    let bucket = session.bucket_or_make(&place.bucket).await?;
    let begun = session.client.upload_begin(&bucket, PutAsk::new(&place.key)).await;
    let upload = begun.map_err(|e| client_fault(e, &args.place))?;
    match app.out.form {
        Form::Human => {
            app.out.print(&app.out.text("upload-begun", args!["place" => &args.place, "id" => hex(&upload.id)]));
        }
        _ => app.out.table("upload", &[], 0, &[Row { json: facts(&upload), cells: vec![hex(&upload.id)] }]),
    }
    Ok(())
}

/// An upload as programs see it.
fn facts(upload: &Upload) -> Value {
    json!({"id": hex(&upload.id), "key": upload.name, "at": upload.at.to_string(),
        "changed": upload.changed.to_string()})
}

/// The bucket, and the upload that is meant: that of the name, by its id where there are several.
async fn find(session: &Session, args: &UploadArgs) -> Result<(Bucket, [u8; 16]), Fault> {
    let place = Place::object(&args.place)?.own(&args.place)?;
    let bucket = session.bucket_of(&place).await?;
    let all = session.client.uploads(&bucket).await.map_err(|e| client_fault(e, &args.place))?;
    let fits = |upload: &&Upload| {
        upload.name == place.key && args.id.as_ref().is_none_or(|id| hex(&upload.id).starts_with(&id.to_lowercase()))
    };
    let found: Vec<&Upload> = all.iter().filter(fits).collect();
    match found[..] {
        [one] => Ok((bucket, one.id)),
        [] => Err(Fault::new(errors::UPLOAD_UNKNOWN, [("why", &*args.place)])),
        _ => {
            let ids: Vec<String> = found.iter().map(|upload| hex(&upload.id)).collect();
            let why = format!("several uploads are open under this name; say which: {}", ids.join(", "));
            Err(Fault::bad_value("id", args.id.as_deref().unwrap_or("–"), &why))
        }
    }
}

async fn part(app: &App, session: &Session, args: &PartArgs) -> Result<(), Fault> {
    let (bucket, id) = find(session, &args.upload).await?;
    let shown = &args.upload.place;
    let (upload, _) = session.client.upload(&bucket, id).await.map_err(|e| client_fault(e, shown))?;
    let path = Path::new(&args.file);
    let (content, size): (Box<dyn Read + Send>, u64) = if args.file == "-" {
        (Box::new(std::io::stdin()), 0)
    } else {
        let file = std::fs::File::open(path).map_err(|e| Fault::file(path, &e))?;
        let size = file.metadata().map_err(|e| Fault::file(path, &e))?.len();
        (Box::new(file), size)
    };
    let ask = PartAsk { number: args.number, size_hint: size, ending: None };
    let kept = session.client.upload_part(&bucket, &upload, ask, content, &progress(app)).await;
    let kept = kept.map_err(|error| match error {
        client::ClientError::File { source, .. } => Fault::file(path, &source),
        error => client_fault(error, shown),
    })?;
    match app.out.form {
        Form::Json => app.out.json("part", part_facts(&kept)),
        _ => app.out.print(
            &app.out.text("upload-part", args!["n" => kept.number, "size" => kept.size, "place" => shown.as_str()]),
        ),
    }
    Ok(())
}

fn part_facts(part: &PartFacts) -> Value {
    json!({"id": part.number, "size_bytes": part.size.0, "blake3": hex(&part.hash), "at": part.at.to_string()})
}

async fn list(app: &App, session: &Session, args: &ListArgs) -> Result<(), Fault> {
    let place = Place::parse(&args.place)?.own(&args.place)?;
    let bucket = session.bucket_of(&place).await?;
    let all = session.client.uploads(&bucket).await.map_err(|e| client_fault(e, &args.place))?;
    let rows: Vec<Row> = all
        .iter()
        .filter(|upload| upload.name.starts_with(&place.key))
        .map(|upload| Row {
            json: facts(upload),
            cells: vec![hex(&upload.id), upload.name.clone(), upload.changed.to_string()],
        })
        .collect();
    app.out.table("upload", &["column-id", "column-key", "column-changed"], 0, &rows);
    Ok(())
}

async fn show(app: &App, session: &Session, args: &UploadArgs) -> Result<(), Fault> {
    let (bucket, id) = find(session, args).await?;
    let (_, parts) = session.client.upload(&bucket, id).await.map_err(|e| client_fault(e, &args.place))?;
    let rows: Vec<Row> = parts
        .iter()
        .map(|part| Row {
            json: part_facts(part),
            cells: vec![part.number.to_string(), part.size.to_string(), part.at.to_string()],
        })
        .collect();
    app.out.table("part", &["column-part", "column-size", "column-changed"], 0, &rows);
    if app.out.form == Form::Human {
        let size = Bytes(parts.iter().map(|part| part.size.0).sum());
        app.out.print(&app.out.text("upload-parts", args!["n" => parts.len(), "size" => size]));
    }
    Ok(())
}

async fn complete(app: &App, session: &Session, args: &CompleteArgs) -> Result<(), Fault> {
    let (bucket, id) = find(session, &args.upload).await?;
    let shown = args.upload.place.as_str();
    let mut named = args.parts.clone();
    named.sort_unstable();
    named.dedup();
    let expect = if args.no_overwrite { Expect::Absent } else { Expect::Any };
    let (upload, there) = session.client.upload(&bucket, id).await.map_err(|e| client_fault(e, shown))?;
    if let Some(number) = named.iter().find(|number| !there.iter().any(|part| part.number == **number)) {
        return Err(Fault::new(errors::UPLOAD_UNKNOWN, [("why", &*format!("part {number} is not there"))]));
    }
    let parts: Vec<&PartFacts> = there.iter().filter(|part| named.is_empty() || named.contains(&part.number)).collect();
    let ask = CompleteAsk { parts: &parts, expect, facts: None };
    let done = session.client.upload_complete(&bucket, upload, ask).await;
    let done = done.map_err(|e| client_fault(e, shown))?;
    match app.out.form {
        Form::Json => app.out.json(
            "object",
            json!({"place": shown, "size_bytes": done.size.0, "parts_count": done.parts,
                "version": hex(&done.version), "bucket_seq": done.bucket_seq}),
        ),
        _ => app
            .out
            .print(&app.out.text("upload-completed", args!["place" => shown, "size" => done.size, "n" => done.parts])),
    }
    Ok(())
}

async fn abort(app: &App, session: &Session, args: &UploadArgs) -> Result<(), Fault> {
    let (bucket, id) = find(session, args).await?;
    session.client.upload_abort(&bucket, id).await.map_err(|e| client_fault(e, &args.place))?;
    match app.out.form {
        Form::Json => app.out.json("upload", json!({"id": hex(&id), "removed": true})),
        _ => app.out.print(&app.out.text("upload-aborted", args!["place" => &args.place])),
    }
    Ok(())
}
