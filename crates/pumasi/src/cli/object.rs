//! `pumasi cp` and `pumasi ls`: files into the cloud and out of it, sealed on this machine.

use crate::app::App;
use crate::cli::Form;
use crate::dial::{endpoint_config, net_fault};
use crate::fault::Fault;
use crate::local::ask_center;
use crate::membership::Membership;
use crate::output::Row;
use crate::secret;
use clap::Args;
use client::{Bucket, Client, ClientError};
use console::args;
use model::errors;
use net::Endpoint;
use seal::AccountRoot;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// `cp`
#[derive(Args, Debug, Clone)]
pub struct CpArgs {
    #[arg(value_name = "FROM")]
    pub from: String,
    #[arg(value_name = "TO")]
    pub to: String,
}

/// `ls`
#[derive(Args, Debug, Clone)]
pub struct LsArgs {
    #[arg(value_name = "my:BUCKET/PREFIX")]
    pub place: String,
}

/// `my:bucket/key`.
struct Place {
    bucket: String,
    key: String,
}

fn place(text: &str) -> Option<Place> {
    let (bucket, key) = text.strip_prefix("my:")?.split_once('/').unwrap_or((text.strip_prefix("my:")?, ""));
    (!bucket.is_empty()).then(|| Place { bucket: bucket.to_owned(), key: key.to_owned() })
}

/// Runs `cp`.
pub async fn cp(app: &App, args: &CpArgs) -> Result<(), Fault> {
    match (place(&args.from), place(&args.to)) {
        (None, Some(to)) => put(app, &args.from, to, &args.to).await,
        (Some(from), None) => get(app, from, &args.to, &args.from).await,
        _ => Err(Fault::bad_value(
            "cp",
            &format!("{} {}", args.from, args.to),
            "one side is a file, the other my:bucket/key",
        )),
    }
}

/// A member's side with an endpoint of its own, which is the session of its permits.
async fn session(app: &App) -> Result<(Client, AccountRoot, Endpoint), Fault> {
    let membership = Membership::load(&app.home)?;
    let key = secret::load(&app.home.machine_key())?.ok_or_else(|| Fault::new(errors::NOT_JOINED, []))?;
    let root = AccountRoot::from_bytes(secret::load_or_make(&app.home.data.join("account.root"))?);
    let endpoint = Endpoint::bind(endpoint_config(&key, membership.bind, &membership.center, false)).await;
    let endpoint = endpoint.map_err(|e| net_fault(&e, "bind"))?;
    let (home, timeout) = (app.home.clone(), app.timeout);
    let ask: client::AskCenter = Arc::new(move |request| {
        let home = home.clone();
        Box::pin(async move {
            ask_center(&home, request, timeout)
                .await
                .map_err(|fault| ClientError::Refused(wire::RefusalMsg { id: fault.id, args: fault.args }))
        })
    });
    Ok((Client::new(endpoint.clone(), ask), root, endpoint))
}

fn progress(app: &App) -> impl Fn(&'static str, u64, u64) + Send + Sync + use<> {
    use indicatif::{ProgressBar, ProgressStyle};
    use std::io::IsTerminal;
    let bar =
        if app.out.quiet || !std::io::stderr().is_terminal() { ProgressBar::hidden() } else { ProgressBar::new(0) };
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    let out = app.out.clone();
    move |phase, done, total| {
        bar.set_length(total);
        bar.set_message(out.text(phase, args![]));
        bar.set_position(done);
    }
}

async fn put(app: &App, file: &str, to: Place, shown: &str) -> Result<(), Fault> {
    let (client, root, endpoint) = session(app).await?;
    let name = if to.key.is_empty() || to.key.ends_with('/') {
        let base = PathBuf::from(file).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        format!("{}{base}", to.key)
    } else {
        to.key
    };
    let stored = client.put_file(&Bucket::open(&root, &to.bucket), &name, &PathBuf::from(file), &progress(app)).await;
    endpoint.close().await;
    let stored = stored.map_err(|e| client_fault(e, shown))?;
    let may_die = stored.pieces.saturating_sub(usize::from(stored.scheme.k));
    match app.out.form {
        Form::Json => app.out.json(
            "object",
            json!({"place": shown, "size_bytes": stored.size.0, "pieces_count": stored.pieces, "k": stored.scheme.k,
            "n": stored.scheme.o, "may_die_count": may_die, "bucket_seq": stored.bucket_seq}),
        ),
        _ => {
            let survive = app.out.text("cp-survives", args!["n" => may_die]);
            app.out.print(&app.out.text(
                "cp-put",
                args!["place" => shown, "size" => stored.size, "pieces" => stored.pieces,
                "nodes" => stored.holders, "scheme" => stored.scheme, "survive" => survive],
            ));
        }
    }
    Ok(())
}

async fn get(app: &App, from: Place, file: &str, shown: &str) -> Result<(), Fault> {
    let (client, root, endpoint) = session(app).await?;
    let got =
        client.get_file(&Bucket::open(&root, &from.bucket), &from.key, &PathBuf::from(file), &progress(app)).await;
    endpoint.close().await;
    let got = got.map_err(|e| client_fault(e, shown))?;
    match app.out.form {
        Form::Json => app.out.json(
            "object",
            json!({"place": shown, "file": file, "size_bytes": got.size.0, "pieces_count": got.pieces}),
        ),
        _ => app.out.print(&app.out.text("cp-get", args!["place" => shown, "size" => got.size, "file" => file])),
    }
    Ok(())
}

/// Runs `ls`.
pub async fn ls(app: &App, args: &LsArgs) -> Result<(), Fault> {
    let place = place(&args.place)
        .ok_or_else(|| Fault::bad_value("place", &args.place, "it is written as my:bucket/prefix"))?;
    let (client, root, endpoint) = session(app).await?;
    let listed = client.list(&Bucket::open(&root, &place.bucket), &place.key).await;
    endpoint.close().await;
    let rows: Vec<Row> = listed
        .map_err(|e| client_fault(e, &args.place))?
        .into_iter()
        .map(|e| Row {
            json: json!({"id": e.name, "size_bytes": e.size.0, "at": e.at.to_string()}),
            cells: vec![e.name, e.size.to_string(), e.at.to_string()],
        })
        .collect();
    app.out.table("object", &["column-key", "column-size", "column-changed"], 0, &rows);
    Ok(())
}

/// An error of a transfer as a command ends with it.
fn client_fault(error: ClientError, shown: &str) -> Fault {
    match error {
        ClientError::Refused(refusal) => {
            let mut fault = Fault::from(refusal);
            fault.args.entry("key".to_owned()).or_insert_with(|| shown.to_owned());
            fault
        }
        ClientError::TooFewHolders { have, need, ref why } => {
            let (have, need) = (have.to_string(), need.to_string());
            Fault::new(errors::TOO_FEW_NODES, [("class", "standard"), ("need", &need), ("live", &have), ("fit", &have)])
                .because(why.join("; "))
        }
        ClientError::Unreadable { have, need } => Fault::new(
            errors::UNREADABLE_NOW,
            [("have", &have.to_string()), ("need", &need.to_string()), ("when", "–")],
        ),
        ClientError::Seal(seal::SealError::WrongKey) => Fault::new(errors::KEY_WRONG, [("bucket", shown)]),
        ClientError::Seal(seal::SealError::Commitment) => Fault::new(errors::KEY_COMMITMENT, [("thing", shown)]),
        ClientError::Seal(seal::SealError::Name(why)) => Fault::new(errors::BAD_NAME, [("name", shown), ("why", why)]),
        ClientError::Seal(e) => Fault::new(errors::DAMAGED, [("key", shown), ("n", "1")]).because(e),
        ClientError::File { path, source } => Fault::file(&PathBuf::from(path), &source),
        ClientError::Net(e) => net_fault(&e, shown),
        other => Fault::bug(other),
    }
}
