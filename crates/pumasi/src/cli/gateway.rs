//! `pumasi gateway …`: this account's buckets for every tool that speaks S3 and every file manager, on this machine, and the keys that tools use.
//!
//! The agent serves them too, as soon as this home has a key for a tool.

use super::session::{MINE, Session};
use crate::app::App;
use crate::cli::Form;
use crate::clock;
use crate::fault::Fault;
use crate::output::Row;
use crate::process::{Lock, stop_asked};
use crate::secret;
use clap::Subcommand;
use console::args;
use gateway::{DavGateway, Gateway, KeyError, KeyStore, ListenError, Scope, ServeAsk, ToolKey};
use model::{Span, errors};
use serde::Deserialize;
use serde_json::json;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

/// Where S3 listens where nobody says another place.
const S3_LISTEN: &str = "127.0.0.1:7780";
/// Where WebDAV listens where nobody says another place.
const WEBDAV_LISTEN: &str = "127.0.0.1:7781";
/// Said in place of an address: there is none.
const OFF: &str = "off";
/// Pause between two looks whether this home has a key for a tool; a look asks nobody.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Pause after a gateway that did not start.
const REST: Duration = Duration::from_secs(15);

/// `gateway`
#[derive(Subcommand, Debug)]
pub enum GatewayVerb {
    Run(RunArgs),
    #[command(subcommand)]
    Key(KeyVerb),
}

/// `gateway run`
#[derive(clap::Args, Debug, Clone)]
pub struct RunArgs {
    #[arg(long, value_name = "ADDRESS")]
    pub s3: Option<String>,
    #[arg(long, value_name = "ADDRESS")]
    pub webdav: Option<String>,
    #[arg(long)]
    pub listen_anywhere: bool,
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
}

/// `gateway key`
#[derive(Subcommand, Debug)]
pub enum KeyVerb {
    Create(KeyArgs),
    List,
    Revoke {
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// `gateway key create`
#[derive(clap::Args, Debug, Clone)]
pub struct KeyArgs {
    #[arg(long, value_name = "BUCKET/PREFIX")]
    pub prefix: Option<String>,
    #[arg(long)]
    pub read_only: bool,
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,
}

/// What the owner's file says of the gateway.
#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    gateway: Section,
}

#[derive(Debug, Default, Deserialize)]
struct Section {
    s3: Option<String>,
    webdav: Option<String>,
    #[serde(default)]
    hosts: Vec<String>,
}

/// Runs `gateway …`.
pub async fn run(app: &App, verb: &GatewayVerb) -> Result<u8, Fault> {
    match verb {
        GatewayVerb::Run(args) => return serve(app, args).await,
        GatewayVerb::Key(KeyVerb::Create(args)) => create(app, args)?,
        GatewayVerb::Key(KeyVerb::List) => list(app)?,
        GatewayVerb::Key(KeyVerb::Revoke { id }) => revoke(app, id)?,
    }
    Ok(0)
}

fn section(app: &App) -> Result<Section, Fault> {
    let path = app.home.config_file();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Section::default()),
        Err(error) => return Err(Fault::file(&path, &error)),
    };
    let read: Result<File, _> = toml::from_str(&text);
    read.map(|file| file.gateway).map_err(|error| {
        let (path, why) = (path.display().to_string(), error.message().to_owned());
        Fault::new(errors::CONFIG_UNREADABLE, [("path", &path), ("why", &why)])
    })
}

fn address(key: &str, text: &str) -> Result<SocketAddr, Fault> {
    text.parse().map_err(|_| Fault::bad_value(key, text, "it is written as 127.0.0.1:7780"))
}

fn keys(app: &App) -> Result<KeyStore, Fault> {
    let machine = secret::load(&app.home.machine_key())?.ok_or_else(|| Fault::new(errors::NOT_JOINED, []))?;
    Ok(KeyStore::new(&app.home.gateway_keys(), &machine))
}

fn key_fault(error: KeyError) -> Fault {
    match error {
        KeyError::File { path, source } => Fault::file(&path, &source),
        KeyError::Sealed(path) => {
            let why = "it does not open with this machine's key";
            Fault::new(errors::CONFIG_UNREADABLE, [("path", &path.display().to_string()), ("why", why)])
        }
        KeyError::TooMany => {
            let (size, max) = (gateway::limits::KEYS_MAX + 1, gateway::limits::KEYS_MAX);
            Fault::new(errors::TOO_LARGE, [("what", "keys"), ("size", &size.to_string()), ("max", &max.to_string())])
        }
        KeyError::Unknown(count) => {
            let why = if count == 0 { "no key begins so" } else { "more than one key begins so" };
            Fault::bad_value("id", "", why)
        }
    }
}

fn listen_fault(key: &str, error: ListenError) -> Fault {
    match error {
        ListenError::NotLoopback(addr) => {
            let why = "other machines could reach it; say --listen-anywhere where that is meant";
            Fault::bad_value(key, &addr.to_string(), why)
        }
        ListenError::Bind { addr, source } => {
            let port = addr.port().to_string();
            Fault::new(errors::PORT_TAKEN, [("port", port.as_str()), ("key", key)]).because(source)
        }
    }
}

/// A gateway that listens, with what it needs of this home.
struct Serving {
    session: Session,
    gateway: Gateway,
    /// None where its address is somebody else's, or it was switched off.
    webdav: Option<DavGateway>,
    card: std::path::PathBuf,
    _lock: Lock,
}

impl Serving {
    async fn start(app: &App, args: &RunArgs) -> Result<Self, Fault> {
        let section = section(app)?;
        let listen = address("gateway.s3", args.s3.as_deref().or(section.s3.as_deref()).unwrap_or(S3_LISTEN))?;
        let webdav = args.webdav.as_deref().or(section.webdav.as_deref()).unwrap_or(WEBDAV_LISTEN);
        let webdav = if webdav == OFF { None } else { Some(address("gateway.webdav", webdav)?) };
        let lock = Lock::take(&app.home.gateway_lock())?;
        let session = Session::open(app).await?;
        let ask = ServeAsk {
            listen,
            is_open: args.listen_anywhere,
            hosts: section.hosts.into_iter().chain(args.host.iter().cloned()).collect(),
            keys: keys(app)?,
            client: session.client.clone(),
            root: session.root()?.clone(),
            now: clock::now,
        };
        let (gateway, webdav) = match listening(ask, webdav, args.webdav.is_some()).await {
            Ok(both) => both,
            Err(fault) => {
                session.close().await;
                return Err(fault);
            }
        };
        let card = app.home.gateway_card();
        let told =
            json!({"s3": gateway.addr().to_string(), "webdav": shown(webdav.as_ref()), "pid": std::process::id()});
        crate::home::write_atomic(&card, &serde_json::to_vec_pretty(&told).map_err(Fault::bug)?, 0o600)?;
        Ok(Self { session, gateway, webdav, card, _lock: lock })
    }

    async fn stop(self) {
        let _ = std::fs::remove_file(&self.card);
        let webdav = async {
            if let Some(webdav) = self.webdav {
                webdav.stop().await;
            }
        };
        tokio::join!(self.gateway.stop(), webdav);
        self.session.close().await;
    }
}

/// Where WebDAV is, as it is told.
fn shown(webdav: Option<&DavGateway>) -> Option<String> {
    webdav.map(|webdav| webdav.addr().to_string())
}

/// S3 where it is asked for, WebDAV at `webdav`; without it where its address is taken and nobody asked for just that one.
async fn listening(
    ask: ServeAsk,
    webdav: Option<SocketAddr>,
    is_asked: bool,
) -> Result<(Gateway, Option<DavGateway>), Fault> {
    let beside = webdav.map(|listen| ServeAsk { listen, ..ask.clone() });
    let gateway = Gateway::start(ask).await.map_err(|error| listen_fault("gateway.s3", error))?;
    let Some(beside) = beside else { return Ok((gateway, None)) };
    match DavGateway::start(beside).await {
        Ok(webdav) => Ok((gateway, Some(webdav))),
        Err(error) if !is_asked => {
            tracing::warn!(fault = %listen_fault("gateway.webdav", error), "tools are served by S3 alone");
            Ok((gateway, None))
        }
        Err(error) => {
            gateway.stop().await;
            Err(listen_fault("gateway.webdav", error))
        }
    }
}

async fn serve(app: &App, args: &RunArgs) -> Result<u8, Fault> {
    let serving = Serving::start(app, args).await?;
    let (addr, webdav) = (serving.gateway.addr(), shown(serving.webdav.as_ref()));
    match app.out.form {
        Form::Json => app.out.json("gateway", json!({"s3": addr.to_string(), "webdav": webdav})),
        _ => app.out.say("gateway-up", args!["addr" => addr, "webdav" => webdav.as_deref().unwrap_or(OFF)]),
    }
    if !keys(app)?.is_used(clock::now()) {
        app.out.say("gateway-no-key", args![]);
    }
    let code = stop_asked().await;
    serving.stop().await;
    Ok(code)
}

/// The agent's part: serves as long as this home has a key for a tool.
pub async fn tend(app: &App) -> Infallible {
    let args = RunArgs { s3: None, webdav: None, listen_anywhere: false, host: Vec::new() };
    let mut serving: Option<Serving> = None;
    loop {
        let is_used = keys(app).is_ok_and(|keys| keys.is_used(clock::now()));
        match (is_used, serving.take()) {
            (true, None) => match Serving::start(app, &args).await {
                Ok(started) => {
                    tracing::info!(addr = %started.gateway.addr(), "tools are served");
                    serving = Some(started);
                }
                Err(fault) if fault.id == errors::ALREADY_RUNNING => tokio::time::sleep(REST).await,
                Err(fault) => {
                    tracing::warn!(%fault, "tools are not served now");
                    tokio::time::sleep(REST).await;
                }
            },
            (false, Some(running)) => running.stop().await,
            (_, running) => serving = running,
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn create(app: &App, args: &KeyArgs) -> Result<(), Fault> {
    let place = args.prefix.as_deref().map(|place| place.strip_prefix(MINE).unwrap_or(place));
    let scope = match place {
        None => Scope { is_read_only: args.read_only, ..Scope::default() },
        Some(place) => Scope::of(place, args.read_only)
            .ok_or_else(|| Fault::bad_value("prefix", place, "it is written as bucket or bucket/beginning/of/names"))?,
    };
    let now = clock::now();
    let span = args.expires.as_deref().map(str::parse::<Span>).transpose()?;
    let key = ToolKey::make(scope, now, span.map(|span| now + span));
    keys(app)?.add(key.clone()).map_err(key_fault)?;
    match app.out.form {
        Form::Json => {
            let mut told = fields(&key);
            told["secret_access_key"] = json!(key.secret());
            app.out.json("gateway_key", told);
        }
        Form::Id => app.out.print(&key.id),
        _ => app.out.print(&app.out.text(
            "gateway-key-made",
            args!["id" => &key.id, "secret" => key.secret(), "place" => place_of(&key), "region" => gateway::wall::REGION],
        )),
    }
    Ok(())
}

fn place_of(key: &ToolKey) -> String {
    match &key.scope.bucket {
        Some(bucket) => format!("{MINE}{bucket}/{}", key.scope.prefix),
        None => MINE.to_owned(),
    }
}

/// A key as programs see it, without its secret.
fn fields(key: &ToolKey) -> serde_json::Value {
    json!({"id": key.id, "place": place_of(key), "read_only": key.scope.is_read_only, "at": key.made.to_string(),
        "until": key.until.map(|at| at.to_string()), "revoked": key.revoked.map(|at| at.to_string())})
}

fn list(app: &App) -> Result<(), Fault> {
    let (all, now) = (keys(app)?.list().map_err(key_fault)?, clock::now());
    let row = |key: &ToolKey| {
        let state = match key.check(now) {
            Ok(()) => "gateway-key-good",
            Err(errors::GRANT_REVOKED) => "gateway-key-revoked",
            Err(_) => "gateway-key-over",
        };
        let rights = if key.scope.is_read_only { "gateway-key-reads" } else { "gateway-key-writes" };
        let until = key.until.map_or_else(|| "–".to_owned(), |at| at.to_string());
        let words = [rights, state].map(|word| app.out.text(word, args![]));
        let [rights, state] = words;
        Row { json: fields(key), cells: vec![key.id.clone(), place_of(key), rights, until, state] }
    };
    let rows: Vec<Row> = all.iter().map(row).collect();
    let headers = ["column-id", "column-place", "column-rights", "column-until", "column-state"];
    app.out.table("gateway_key", &headers, 0, &rows);
    Ok(())
}

fn revoke(app: &App, id: &str) -> Result<(), Fault> {
    let revoked = keys(app)?.revoke(id, clock::now()).map_err(|error| {
        let mut fault = key_fault(error);
        if fault.id == errors::BAD_VALUE {
            fault.args.insert("value".to_owned(), id.to_owned());
        }
        fault
    })?;
    app.out.done("gateway_key", fields(&revoked), "gateway-key-ended", args!["id" => revoked.id.as_str()]);
    Ok(())
}
