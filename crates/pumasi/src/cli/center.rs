//! `pumasi init` and `pumasi center …`: this machine as the management center of a cloud.

use super::join::{self, Entry};
use super::{center_lost, center_snapshot};
use crate::app::App;
use crate::cli::Form;
use crate::clock;
use crate::fault::Fault;
use crate::process::{Lock, start_detached};
use crate::roles;
use crate::secret::{self, random};
use center::{CenterCard, Founder, Settings};
use clap::{Args, Subcommand};
use console::args;
use model::{CloudKey, Credits, DeviceId, Roles, Span, errors};
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use wire::access::TicketAsk;
use wire::signed::public_of;
use wire::{Envelope, Reply, Request, Ticket};

/// How long a freshly started center may take until it answers.
const START_TIME: Duration = Duration::from_secs(20);
/// Life of the first ticket.
const FIRST_TICKET: Span = Span::hours(24);

/// `init`
#[derive(Args, Debug, Clone)]
pub struct InitArgs {
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub name: String,
    #[arg(long)]
    pub no_node: bool,
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub node_name: String,
    #[arg(long)]
    pub region: Option<String>,
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<IpAddr>,
    #[arg(long)]
    pub port: Option<u16>,
    #[arg(long)]
    pub relay_port: Option<u16>,
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub http: Option<SocketAddr>,
    #[arg(long, value_name = "URL")]
    pub db: Option<String>,
    #[arg(long)]
    pub public: bool,
    #[arg(long, hide = true)]
    pub dev: bool,
    #[arg(long)]
    pub foreground: bool,
}

/// `center`
#[derive(Subcommand, Debug)]
pub enum CenterVerb {
    Run,
    Start,
    Stop,
    Check,
    Rebuild(center_lost::RebuildArgs),
    Backup,
    Restore,
    Drill,
}

/// Runs `center …`.
pub async fn run(app: &App, verb: &CenterVerb) -> Result<u8, Fault> {
    match verb {
        CenterVerb::Run => return roles::run_center(app).await,
        CenterVerb::Start => {
            let card = start(app).await?;
            app.out.say("center-started", args!["page" => card.page()]);
        }
        CenterVerb::Stop => {
            let key = if runs(app) { "center-stopped" } else { "center-not-running" };
            stop(app).await?;
            app.out.say(key, args![]);
        }
        CenterVerb::Check => check(app).await?,
        CenterVerb::Rebuild(args) => center_lost::rebuild(app, args).await?,
        CenterVerb::Backup => center_snapshot::backup(app).await?,
        CenterVerb::Restore => center_snapshot::restore(app).await?,
        CenterVerb::Drill => center_snapshot::drill(app).await?,
    }
    Ok(0)
}

/// Makes a cloud and runs it.
pub async fn init(app: &App, args: &InitArgs) -> Result<(), Fault> {
    app.home.create()?;
    let dir = app.home.center();
    if dir.join("cloud.key").exists() {
        return Err(Fault::new(errors::ALREADY_RUNNING, [("path", &dir.display().to_string())])
            .because("this home has a center already"));
    }
    if app.home.membership().exists() {
        return Err(Fault::new(errors::ALREADY_RUNNING, [("path", &app.home.membership().display().to_string())])
            .because("this home has joined a cloud already"));
    }
    crate::home::create_private_dir(&dir)?;
    let machine = secret::load_or_make(&app.home.machine_key())?;
    write_settings(app, args)?;
    let name = if args.name.is_empty() { format!("{}'s cloud", node::machine::host_name()) } else { args.name.clone() };
    let founder = Founder { device: DeviceId(public_of(&machine)), name: node::machine::host_name(), member: None };
    center::found(&dir, &name, &founder, clock::now(), &mut |bytes| *bytes = random()).await.map_err(center_fault)?;
    app.out.say("init-made", args!["name" => &name]);
    if args.foreground {
        return roles::run_center(app).await.map(|_| ());
    }
    let card = start(app).await?;
    app.out.say("init-runs", args!["page" => card.page(), "log" => app.home.center_log().display()]);
    let entry = Entry {
        name: if args.node_name.is_empty() { node::machine::host_name() } else { args.node_name.clone() },
        region: args.region.as_deref().map(str::parse).transpose()?,
        bind: args.bind,
        lends: !args.no_node,
        probe: !args.no_node,
        ..Entry::default()
    };
    let mine = first_ticket(app, &card, "", Roles::BOTH.with(Roles::OPERATOR)).await?;
    join::enter(app, &mine, &entry, join::Before::Nothing).await?;
    let friends = first_ticket(app, &card, "", Roles::BOTH).await?;
    match app.out.form {
        Form::Json => app.out.json(
            "cloud",
            json!({"id": card.cloud.to_string(), "name": name, "page": card.page(), "ticket": friends.to_string()}),
        ),
        Form::Id => app.out.print(&card.cloud.to_string()),
        _ => {
            app.out.say("init-ticket", args![]);
            app.out.print(&friends.to_string());
            app.out.say("init-next", args!["page" => card.page()]);
        }
    }
    Ok(())
}

/// A ticket for one machine, asked for with the founder's own key, straight from the center.
pub async fn first_ticket(app: &App, card: &CenterCard, name: &str, roles: Roles) -> Result<Ticket, Fault> {
    ticket_of_founder(app, card, name, roles, 1).await
}

/// The same for any number of machines.
pub async fn ticket_of_founder(
    app: &App,
    card: &CenterCard,
    name: &str,
    roles: Roles,
    uses: u16,
) -> Result<Ticket, Fault> {
    let secret = random::<16>();
    let ask = TicketAsk {
        name: name.to_owned(),
        roles,
        credits: Credits::ZERO,
        uses,
        life_ms: FIRST_TICKET.as_ms(),
        secret_hash: Ticket::secret_hash(&secret),
    };
    let dialed = crate::dial::Dialed::to_center(&app.home, card.addr.clone(), app.timeout).await?;
    let reply = dialed.call(&Envelope::new(Request::TicketCreate(ask)), app.timeout).await;
    dialed.close().await;
    let reply = Reply::from_bytes(&reply?).map_err(Fault::bug)?.into_answer()?;
    let Reply::TicketMade(made) = reply else { return Err(Fault::bug("the center answered something else")) };
    let direct = made.center.direct.into_iter().take(wire::limits::TICKET_ADDRS_MAX).collect();
    Ok(Ticket {
        kind: wire::TicketKind::Member,
        cloud: card.cloud,
        secret,
        expires: made.expires,
        direct,
        relay: made.center.relays.into_iter().next(),
    })
}

/// Writes what the flags say into `center.toml`, beside what an operator may have written there before; without flags no file
/// is needed and none is made.
fn write_settings(app: &App, args: &InitArgs) -> Result<(), Fault> {
    let path = app.home.center().join(Settings::FILE);
    let unreadable =
        |why: String| Fault::new(errors::CONFIG_UNREADABLE, [("path", &path.display().to_string()), ("why", &why)]);
    let mut doc: toml_edit::DocumentMut = match std::fs::read_to_string(&path) {
        Ok(text) => text.parse().map_err(|e: toml_edit::TomlError| unreadable(e.to_string()))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => toml_edit::DocumentMut::new(),
        Err(e) => return Err(Fault::file(&path, &e)),
    };
    let quoted = |text: String| toml_edit::value(text);
    let mut net = doc.get("net").and_then(|net| net.as_table().cloned()).unwrap_or_default();
    if let Some(bind) = args.bind {
        net["bind"] = quoted(bind.to_string());
    }
    if let Some(port) = args.port {
        net["port"] = toml_edit::value(i64::from(port));
    }
    if let Some(port) = args.relay_port {
        net["relay_port"] = toml_edit::value(i64::from(port));
    }
    if args.bind.is_some_and(|ip| ip.is_loopback()) {
        net["port_mapping"] = toml_edit::value(false);
    }
    if args.public {
        doc["cloud"]["kind"] = quoted("public".to_owned());
    }
    if args.dev {
        doc["dev"] = toml_edit::value(true);
    }
    if !net.is_empty() {
        doc["net"] = toml_edit::Item::Table(net);
    }
    if let Some(http) = args.http {
        doc["http"]["listen"] = quoted(http.to_string());
    }
    if let Some(db) = &args.db {
        doc["db"]["url"] = quoted(db.clone());
    }
    if doc.is_empty() {
        return Ok(());
    }
    let text = doc.to_string();
    toml::from_str::<Settings>(&text).map_err(|e| unreadable(e.to_string()))?;
    crate::home::write_atomic(&path, text.as_bytes(), 0o600)
}

/// Starts the center of this home detached and waits until it answers.
pub async fn start(app: &App) -> Result<CenterCard, Fault> {
    let card_path = app.home.center().join(CenterCard::FILE);
    let looked = Instant::now();
    while runs(app) && looked.elapsed() < START_TIME {
        // One that was just killed may hold its lock for another moment.
        match read_card(app) {
            Some(card) if answers(&card).await => return Ok(card),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    let _ = std::fs::remove_file(&card_path);
    let pid = start_detached(&["center", "run"], &app.home.center_log())?;
    let begun = Instant::now();
    loop {
        if let Some(card) = read_card(app).filter(|card| card.pid == pid) {
            return Ok(card);
        }
        if begun.elapsed() > START_TIME || !process_lives(pid) {
            let log = std::fs::read_to_string(app.home.center_log()).unwrap_or_default();
            let last = log.lines().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n  ");
            return Err(Fault::new(errors::CENTER_UNREACHABLE, [("n", "0"), ("m", "0"), ("when", "–")]).because(last));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Ends the center of this home in order, where one runs, and waits until it has.
pub async fn stop(app: &App) -> Result<(), Fault> {
    let Some(card) = read_card(app).filter(|_| runs(app)) else { return Ok(()) };
    let pid = i32::try_from(card.pid).map_err(Fault::bug)?;
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
    let begun = Instant::now();
    while runs(app) {
        if begun.elapsed() > START_TIME {
            let path = app.home.center().display().to_string();
            return Err(Fault::new(errors::ALREADY_RUNNING, [("path", &path)]).because("the center does not end"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// The running center's card, where one wrote it.
pub fn read_card(app: &App) -> Option<CenterCard> {
    serde_json::from_slice(&std::fs::read(app.home.center().join(CenterCard::FILE)).ok()?).ok()
}

/// True when the center of this card answers now.
async fn answers(card: &CenterCard) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let talk = async {
        let mut stream = tokio::net::TcpStream::connect(card.http).await?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await?;
        stream.read_u8().await
    };
    tokio::time::timeout(Duration::from_secs(1), talk).await.is_ok_and(|answer| answer.is_ok())
}

/// True while a center of this home runs: it holds the lock, which the system takes back when it is killed.
pub fn runs(app: &App) -> bool {
    let lock = Lock::take(&app.home.center().join("center.lock"));
    lock.is_err_and(|fault| fault.id == errors::ALREADY_RUNNING)
}

fn process_lives(pid: u32) -> bool {
    i32::try_from(pid).is_ok_and(|pid| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok())
}

/// What can be said of the center without starting it.
async fn check(app: &App) -> Result<(), Fault> {
    let dir = app.home.center();
    let settings = Settings::load(&dir).map_err(|(path, why)| {
        Fault::new(errors::CONFIG_UNREADABLE, [("path", &path.display().to_string()), ("why", &why)])
    })?;
    let keys = center::Keys::load(&dir).map_err(|e| Fault::file(&dir, &e))?;
    let report = center::check(&dir, &settings).await.map_err(center_fault)?;
    let cloud: CloudKey = keys.cloud_key();
    let runs = runs(app);
    match app.out.form {
        Form::Json => app.out.json(
            "center",
            json!({"id": cloud.to_string(), "name": report.name, "schema": report.schema, "db": report.db,
            "members_count": report.members, "nodes_count": report.nodes, "runs": runs}),
        ),
        _ => app.out.print(&app.out.text(
            "center-check",
            args!["name" => report.name, "id" => cloud.short(), "db" => report.db, "schema" => report.schema,
            "members" => report.members, "nodes" => report.nodes, "runs" => if runs { "✓" } else { "–" }],
        )),
    }
    Ok(())
}

/// An error of the center as a command ends with it.
pub fn center_fault(error: center::CenterError) -> Fault {
    let refusal = error.refusal();
    Fault { id: refusal.id, args: refusal.args, cause: Some(error.to_string()) }
}
