//! `pumasi join TICKET`: one command, one confirmation. A checklist: ticket, key, center, measurement, offer, service.
//! A join that fails or is refused leaves nothing behind; one that was cut off may be repeated with the same ticket.

use super::account::{self, account_fault};
use super::agent::{self, SensorKind};
use super::node::capability_text;
use super::recovery::{Rungs, phrase_fault};
use super::recovery_rebuild;
use super::session::{Session, asking};
use crate::app::App;
use crate::cli::Form;
use crate::clock;
use crate::dial::Dialed;
use crate::fault::Fault;
use crate::local::CenterLink;
use crate::membership::Membership;
use crate::{lendfile, roles, secret, service};
use clap::Args;
use client::account::{Account, Me};
use client::{AskCenter, pair};
use console::args;
use model::{Bytes, DeviceId, LinkKind, NatKind, NodeId, Region, errors};
use rules::fleet::lend::LendPolicy;
use seal::Phrase;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use wire::access::{JoinAsk, JoinReply};
use wire::fleet::{MachineFacts, Measured};
use wire::signed::{Binding, public_of};
use wire::{Envelope, PeerAddr, Reply, Request, Ticket, TicketKind};

/// Version of this program as a number: major × 10⁶ + minor × 10³ + patch.
pub fn program_number() -> u32 {
    let mut parts = env!("CARGO_PKG_VERSION").split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    next() * 1_000_000 + next() * 1_000 + next()
}

/// `join`
#[derive(Args, Debug, Clone)]
pub struct JoinArgs {
    #[arg(value_name = "TICKET")]
    pub ticket: String,
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    #[arg(long)]
    pub region: Option<String>,
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<IpAddr>,
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    #[arg(long, value_name = "SIZE")]
    pub disk: Option<String>,
    #[arg(long)]
    pub no_lend: bool,
    #[arg(long)]
    pub no_probe: bool,
    #[arg(long)]
    pub no_service: bool,
    #[arg(long)]
    pub foreground: bool,
    #[arg(long, value_enum, default_value = "system", hide = true)]
    pub sensors: SensorKind,
}

/// What is decided about a machine before it joins.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub region: Option<Region>,
    /// Address to bind.
    pub bind: Option<IpAddr>,
    /// Lending profile.
    pub profile: Option<String>,
    /// Space to lend.
    pub disk: Option<Bytes>,
    /// Lends at all.
    pub lends: bool,
    /// Measure first.
    pub probe: bool,
    /// Install a service where one can run.
    pub service: bool,
    /// Run the agent in this terminal instead of beside it.
    pub foreground: bool,
    /// Where signals come from.
    pub sensors: SensorKind,
}

/// Runs `join`.
pub async fn run(app: &App, args: &JoinArgs) -> Result<u8, Fault> {
    let ticket: Ticket = args.ticket.parse().map_err(|e| Fault::new(errors::TICKET_DAMAGED, []).because(e))?;
    let entry = Entry {
        name: args.name.clone().unwrap_or_else(node::machine::host_name),
        region: args.region.as_deref().map(str::parse).transpose()?,
        bind: args.bind,
        profile: args.profile.clone(),
        disk: args.disk.as_deref().map(str::parse).transpose()?,
        lends: !args.no_lend,
        // Who comes in without a ticket to the cloud measures when its agent starts.
        probe: !args.no_probe && ticket.kind == TicketKind::Member,
        service: !args.no_service,
        foreground: args.foreground,
        sensors: args.sensors,
    };
    enter(app, &ticket, &entry, Before::Nothing).await?;
    if entry.foreground && entry.lends { roles::run_agent(app, entry.sensors).await } else { Ok(0) }
}

/// What comes before joining.
pub enum Before {
    /// Nothing, or what the ticket says.
    Nothing,
    /// The account comes back with its phrase.
    Restore(Box<Phrase>),
}

/// The account's side of a machine that joins as its member's device.
async fn take_account(
    app: &App,
    ticket: &Ticket,
    entry: &Entry,
    machine: &[u8; 32],
    before: &Before,
) -> Result<(), Fault> {
    if let (TicketKind::Member, Before::Nothing) = (ticket.kind, before) {
        return Ok(());
    }
    if let (TicketKind::Address, Before::Nothing) = (ticket.kind, before) {
        let why = "it says where a cloud is found and is no ticket; ask for one: pumasi invite";
        return Err(Fault::new(errors::TICKET_DAMAGED, []).because(why));
    }
    if app.home.account_root().exists() {
        let path = app.home.account_root().display().to_string();
        return Err(Fault::new(errors::ALREADY_RUNNING, [("path", &path)]).because("this home has an account already"));
    }
    let work = async |asking: &AskCenter| {
        let me = Me { secret: machine, now: clock::now() };
        let account = match before {
            Before::Restore(phrase) => {
                let mut account = by_phrase(app, ticket, entry, asking, phrase).await?;
                account.add_me(asking, me, &entry.name).await.map_err(account_fault)?;
                Rungs::tried(app)?;
                account
            }
            Before::Nothing => {
                let show = |digits: &str| {
                    app.out.say("device-digits", args!["digits" => digits]);
                };
                let root = pair::ask_in(asking, machine, &entry.name, ticket, show).await.map_err(account_fault)?;
                let carried = client::account::info(asking).await.map_err(account_fault)?;
                let carried = carried.ok_or_else(|| Fault::new(errors::KEY_MISSING, [("bucket", "account")]))?;
                Account::open(&root, &carried).map_err(account_fault)?
            }
        };
        account::keep(app, &account)
    };
    with_key(app, &ticket.center(), entry.bind, machine, work).await
}

/// The account of a phrase: as the center has it, or, where it lost it, as the pool does.
async fn by_phrase(
    app: &App,
    ticket: &Ticket,
    entry: &Entry,
    asking: &AskCenter,
    phrase: &Phrase,
) -> Result<Account, Fault> {
    match Account::by_phrase(asking, phrase).await {
        Err(client::ClientError::Refused(no)) if no.id == errors::KEY_MISSING => {
            let client = Session::client(&ticket.center(), entry.bind, secret::random(), Arc::clone(asking)).await?;
            let brought = recovery_rebuild::bring(app, &client, phrase).await;
            client.endpoint().close().await;
            brought?;
            Account::by_phrase(asking, phrase).await.map(|(account, _)| account).map_err(phrase_fault)
        }
        found => found.map(|(account, _)| account).map_err(phrase_fault),
    }
}

/// Does `work` with a link to a center of one's own, proved by `key`.
async fn with_key<T>(
    app: &App,
    center: &PeerAddr,
    bind: Option<IpAddr>,
    key: &[u8; 32],
    work: impl AsyncFnOnce(&AskCenter) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let dialed = Dialed::with_key(key, bind, center.clone(), app.timeout).await?;
    let link = Arc::new(CenterLink::over(&app.home, app.timeout, dialed));
    let done = work(&asking(&link)).await;
    link.close().await;
    done
}

/// The same as somebody the cloud does not know.
pub async fn as_stranger<T>(
    app: &App,
    center: &PeerAddr,
    bind: Option<IpAddr>,
    work: impl AsyncFnOnce(&AskCenter) -> Result<T, Fault>,
) -> Result<T, Fault> {
    with_key(app, center, bind, &secret::random(), work).await
}

/// Joins, and sees to it that the agent lends (unless it shall run in this terminal).
pub async fn enter(app: &App, ticket: &Ticket, entry: &Entry, before: Before) -> Result<(), Fault> {
    let begun = Instant::now();
    refuse_second_cloud(app, ticket)?;
    if ticket.kind != TicketKind::Address {
        app.out.say("join-ticket", args!["until" => ticket.expires]);
    }
    app.home.create()?;
    let key_was_there = app.home.machine_key().exists();
    let machine = secret::load_or_make(&app.home.machine_key())?;
    let joined = match take_account(app, ticket, entry, &machine, &before).await {
        Ok(()) => talk(app, ticket, entry, &machine).await,
        Err(fault) => Err(fault),
    };
    let (membership, reply, link) = match joined {
        Ok(Some(joined)) => joined,
        outcome => {
            if !key_was_there && !app.home.membership().exists() {
                leave_nothing(app);
            }
            return outcome.map(|_| ());
        }
    };
    membership.save(&app.home)?;
    if entry.lends && !entry.foreground {
        start(app, entry).await?;
    }
    report(app, &membership, &reply, link, entry, begun)
}

/// A join that came to nothing: the key it made is removed, and every folder of the home that is empty.
fn leave_nothing(app: &App) {
    let home = &app.home;
    let made = [home.machine_key(), home.account_root(), home.account_seen(), home.recovery(), home.account_copy()];
    for file in made {
        let _ = std::fs::remove_file(file);
    }
    let dirs = [home.pieces(), home.data.clone(), home.config.clone(), home.state.clone(), home.run.clone()];
    // Only empty folders go; what holds anything of its owner's stays.
    dirs.iter().for_each(|dir| drop(std::fs::remove_dir(dir)));
}

fn refuse_second_cloud(app: &App, ticket: &Ticket) -> Result<(), Fault> {
    match Membership::load(&app.home) {
        Ok(held) if held.cloud != ticket.cloud => {
            let path = app.home.membership().display().to_string();
            Err(Fault::new(errors::ALREADY_RUNNING, [("path", &path)])
                .because(format!("this machine is in {} already: pumasi leave", held.cloud_name)))
        }
        Ok(_) | Err(Fault { id: errors::NOT_JOINED, .. }) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Reaches the center, measures, shows the offer, joins. Nothing when the owner quits.
async fn talk(
    app: &App,
    ticket: &Ticket,
    entry: &Entry,
    machine: &[u8; 32],
) -> Result<Option<(Membership, JoinReply, LinkKind)>, Fault> {
    let dialed = Dialed::with_key(machine, entry.bind, ticket.center(), app.timeout).await?;
    let result = talk_on(app, ticket, entry, machine, &dialed).await;
    dialed.close().await;
    result
}

async fn talk_on(
    app: &App,
    ticket: &Ticket,
    entry: &Entry,
    machine: &[u8; 32],
    dialed: &Dialed,
) -> Result<Option<(Membership, JoinReply, LinkKind)>, Fault> {
    let link = dialed.kind();
    let Reply::Cloud(cloud) = ask(app, dialed, Request::Cloud).await? else {
        return Err(Fault::bug("the center answered something else"));
    };
    if cloud.key != ticket.cloud {
        return Err(Fault::new(errors::CENTER_KEY, [("addr", &dialed.shown())]));
    }
    let link_text = app.out.text(&format!("link-{}", link.word()), args![]);
    app.out.say("join-center", args!["cloud" => &cloud.name, "link" => link_text, "addr" => dialed.shown()]);
    let measured = if entry.probe && entry.lends { measure(app, ticket, dialed).await? } else { Measured::default() };
    let policy = lendfile::policy_for(app, entry)?;
    if entry.lends && !accept_offer(app, entry, &policy, &measured)? {
        app.out.say("join-quit", args![]);
        return Ok(None);
    }
    let id = NodeId(public_of(machine));
    let binding = Binding { node: id, device: DeviceId::from(id), at: clock::now(), name: entry.name.clone() };
    let binding = binding.sign(machine).ok_or_else(|| Fault::bad_value("name", &entry.name, "at most 64 bytes"))?;
    let join = JoinAsk {
        cloud: ticket.cloud,
        secret: ticket.secret,
        name: entry.name.clone(),
        facts: facts(app, &policy),
        now: clock::now(),
        region: entry.region.clone(),
        binding,
        lends: entry.lends,
    };
    let Reply::Joined(reply) = ask(app, dialed, Request::Join(Box::new(join))).await? else {
        return Err(Fault::bug("the center answered something else"));
    };
    let mut reply = *reply;
    if entry.lends {
        lendfile::write_first(app, entry)?;
        if let Reply::Capabilities(lines) = ask(app, dialed, Request::Measured(Box::new(measured))).await? {
            reply.capabilities = lines;
        }
    }
    let membership = Membership {
        version: Membership::VERSION,
        cloud: ticket.cloud,
        cloud_name: reply.cloud_name.clone(),
        center: reply.center.clone(),
        relays: reply.relays.clone(),
        permit_key: reply.permit_key,
        member: reply.member,
        roles: reply.roles,
        alias: reply.alias,
        name: entry.name.clone(),
        bind: entry.bind,
        joined: reply.now,
        dev: reply.dev,
    };
    Ok(Some((membership, reply, link)))
}

async fn ask(app: &App, dialed: &Dialed, request: Request) -> Result<Reply, Fault> {
    let bytes = dialed.call(&Envelope::new(request), app.timeout).await?;
    Ok(Reply::from_bytes(&bytes).map_err(Fault::bug)?.into_answer()?)
}

fn facts(app: &App, policy: &LendPolicy) -> MachineFacts {
    let disk_free = node::machine::disk(&app.home.data).map_or(Bytes(0), |(_, free)| free);
    MachineFacts {
        os: node::machine::os(),
        arch: node::machine::arch(),
        cores: node::machine::cores(),
        memory_mib: node::machine::memory_mib().0,
        disk_free,
        program: program_number(),
        lent: lendfile::lent(policy, &app.home.data),
        accepts: lendfile::accepts(policy),
    }
}

/// Up to 15 s: processor, disk, and up, down, round trips against nodes that are on.
async fn measure(app: &App, ticket: &Ticket, dialed: &Dialed) -> Result<Measured, Fault> {
    app.out.say("join-measuring", args![]);
    let dir = app.home.pieces();
    let cores = node::machine::cores();
    // Asked first: a ticket that is over is told before anything is measured.
    let peers = match ask(app, dialed, Request::ProbePeers(Some(ticket.secret))).await? {
        Reply::ProbePeers(peers) => peers,
        _ => Vec::new(),
    };
    let local = tokio::task::spawn_blocking(move || (node::probe::cpu(cores), node::probe::disk(&dir)));
    let (cpu, disk) = local.await.map_err(Fault::bug)?;
    let disk = disk.map_err(|e| Fault::file(&app.home.pieces(), &e))?;
    let network = node::probe::link::measure(dialed.endpoint(), &peers).await;
    let mut measured = Measured {
        cpu_score: Some(cpu),
        fsync_ms: Some((disk.fsync_p50_ms, disk.fsync_p99_ms)),
        disk_mb_s: Some(disk.write_mb_s),
        ..network
    };
    measured.nat = Some(dialed.nat()).filter(|nat| *nat != NatKind::Unknown);
    let unknown = || app.out.text("word-unknown", args![]);
    app.out.say(
        "join-measured",
        args!["cpu" => cpu, "fsync" => disk.fsync_p50_ms, "disk" => disk.write_mb_s,
            "up" => measured.up.map_or_else(unknown, |u| u.to_string()), "down" => measured.down.map_or_else(unknown, |d| d.to_string()),
            "nat" => measured.nat.unwrap_or(NatKind::Unknown).word()],
    );
    Ok(measured)
}

/// Shows the offer and asks once.
fn accept_offer(app: &App, entry: &Entry, policy: &LendPolicy, measured: &Measured) -> Result<bool, Fault> {
    for sentence in lendfile::offer(app, policy, measured.up, entry.sensors == SensorKind::Scripted) {
        app.out.say_raw(&sentence);
    }
    app.out.confirm(&app.out.text("join-offer-ask", args![]))
}

/// Installs the service, or starts the agent detached and says what that means.
async fn start(app: &App, entry: &Entry) -> Result<(), Fault> {
    let service = if entry.service {
        service::availability()
    } else {
        service::Availability::No(app.out.text("word-not-asked", args![]))
    };
    match service {
        service::Availability::Systemd => {
            service::install(&app.home)?;
            agent::wait_for_agent(app).await?;
            app.out.say("join-service", args!["service" => app.home.service_name()]);
        }
        service::Availability::No(why) => {
            crate::process::start_detached(&["agent", "run"], &app.home.agent_log())?;
            agent::wait_for_agent(app).await?;
            app.out.say("join-detached", args!["why" => why, "log" => app.home.agent_log().display()]);
        }
    }
    Ok(())
}

fn report(
    app: &App,
    m: &Membership,
    reply: &JoinReply,
    link: LinkKind,
    entry: &Entry,
    begun: Instant,
) -> Result<(), Fault> {
    let out = &app.out;
    if entry.lends {
        reply.capabilities.iter().for_each(|line| out.say_raw(&format!("  {}", capability_text(app, line))));
    }
    let key = if entry.lends { "join-done" } else { "join-done-use" };
    match out.form {
        Form::Json => out.json("joined", json!({"cloud": m.cloud.to_string(), "cloud_name": m.cloud_name, "member": m.member.to_string(),
            "alias": m.alias.map(|a| a.0), "name": m.name, "link": link.word(), "lending": entry.lends, "again": reply.again,
            "ms": u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)})),
        _ if out.quiet => {}
        _ => out.print(&out.text(key, args!["cloud" => &m.cloud_name, "name" => &m.name])),
    }
    Ok(())
}
