//! A machine is taken in: facts, decision and commit in one transaction, so that a ticket is never used twice and a member
//! acknowledged is a member kept, whatever is killed when.

use super::store::{self, DeviceRow, MemberRow, MemberState, TicketRow};
use crate::db::{StoreError, Tx};
use crate::fleet::store::{self as nodes, MeasuredRow, NewNode, Standing};
use crate::found::member_of;
use crate::refuse::{Refused, bad_value};
use crate::storage::store::audit;
use crate::{Caller, Center, fleet};
use model::program::WIRE_VERSION;
use model::{Alias, Bytes, DeviceId, MemberId, NodeId, Ppm, RegionEvidence, Roles, Stamp, errors};
use rules::access::admit::{Admission, CenterFacts, JoinAsk as Ask, Seat, admit};
use rules::fleet::integrity::{BAN_BELOW, Score};
use rules::fleet::profile::{SessionScale, WeeklyProfile};
use wire::access::{JoinAsk, JoinReply};
use wire::limits::NAME_MAX;
use wire::signed::Binding;
use wire::{RefusalMsg, Reply, Ticket};

/// Nodes one cell takes.
pub const CELL_NODES_MAX: u32 = 1_000_000;

/// Takes a machine in, or answers again when it had joined.
pub async fn join(center: &Center, caller: &Caller, ask: JoinAsk) -> Result<Reply, Refused> {
    let node = proven(center, caller, &ask)?;
    let now = center.now();
    let cloud = center.keys().cloud_key();
    let lends = ask.lends;
    let trust = center.settings().trust();
    let work = ask.clone();
    let addr = caller.addr;
    let decided = center.db().write(move |tx| {
        let facts = facts(tx, &work, &node, now, cloud)?;
        let known = facts.1;
        let wanted =
            Ask { cloud: work.cloud, now: work.now, version: WIRE_VERSION, lends: work.lends, name: work.name.clone() };
        match admit(&facts.0, &wanted) {
            Err(refusal) => Ok(Err(refusal)),
            Ok(admission) => {
                let joined = commit(tx, admission, known.as_ref(), &work, node, addr, now)?;
                if let Some(alias) = joined.alias.filter(|_| !joined.again) {
                    fleet::vet::begin(tx, alias, (trust, joined.roles))?;
                }
                Ok(Ok(joined))
            }
        }
    });
    let joined = decided.await??;
    if let Some(alias) = joined.alias.filter(|_| lends) {
        let row = center.db().read(move |q| Ok(nodes::node_by_alias(q, alias)?)).await?;
        let stands = row.map_or((Standing::Active, model::Tier::T0), |row| (row.standing, row.tier));
        fleet::memory::register(center, alias, node, joined.member, stands);
    }
    let capabilities = match joined.alias {
        Some(alias) => fleet::api::capabilities(center, alias).await?,
        None => Vec::new(),
    };
    Ok(Reply::Joined(Box::new(JoinReply {
        member: joined.member,
        roles: joined.roles,
        alias: joined.alias,
        cloud_name: center.name().to_owned(),
        now,
        permit_key: center.keys().permit_key(),
        relays: center.relay_hint().cloned().into_iter().collect(),
        center: center.addr(),
        again: joined.again,
        capabilities,
        dev: center.settings().dev,
    })))
}

struct Joined {
    member: MemberId,
    roles: Roles,
    alias: Option<Alias>,
    again: bool,
}

/// The machine that asks: its owner's statement must be signed by the key the connection proves. A `dev` center believes
/// the statement alone, so that simulated machines may share a connection.
fn proven(center: &Center, caller: &Caller, ask: &JoinAsk) -> Result<NodeId, Refused> {
    let no = || Refused(RefusalMsg::new(errors::BAD_SIGNATURE, [("thing", "binding".to_owned())]));
    let binding = Binding::check(&ask.binding).ok_or_else(no)?;
    let is_caller = binding.node == caller.id || center.settings().dev;
    if !is_caller || binding.device != DeviceId::from(binding.node) || binding.name != ask.name {
        return Err(no());
    }
    if ask.name.is_empty() || ask.name.len() > NAME_MAX || ask.name.chars().any(char::is_control) {
        return Err(bad_value("name", &ask.name, "1 to 64 bytes without control characters").into());
    }
    Ok(binding.node)
}

type Known = (Option<TicketRow>, Option<MemberRow>);

fn facts(
    tx: &mut Tx<'_>,
    ask: &JoinAsk,
    node: &NodeId,
    now: Stamp,
    cloud: model::CloudKey,
) -> Result<(CenterFacts, Option<Known>), StoreError> {
    let ticket = store::find_ticket_by_secret_hash(tx, &Ticket::secret_hash(&ask.secret))?;
    let device = store::device(tx, &DeviceId::from(*node))?;
    let member = match &device {
        Some(device) => store::member(tx, &device.member)?,
        None => None,
    };
    let row = nodes::node_by_id(tx, node)?;
    let blocked = match (&member, &row, &device) {
        (Some(m), _, _) if m.state == MemberState::Frozen => Some(m.frozen_why.clone().unwrap_or_default()),
        (_, Some(row), _) if row.standing == Standing::Banned => Some(row.standing_why.clone().unwrap_or_default()),
        (_, _, Some(d)) if d.removed_at.is_some() => Some("this device was removed".to_owned()),
        _ => None,
    };
    // A device that is known and has all it asks for is answered again; the founder's has no node at first.
    let alias = row.as_ref().map(|r| r.alias);
    let seat =
        member.as_ref().filter(|_| alias.is_some() || !ask.lends).map(|m| Seat { member: m.id, roles: m.roles, alias });
    let count = nodes::count_nodes(tx, &nodes::NodeFilter::default())?;
    let ticket_facts = ticket.as_ref().map(TicketRow::facts);
    let facts = CenterFacts {
        now,
        cloud,
        version_floor: WIRE_VERSION,
        nodes_count: u32::try_from(count).unwrap_or(u32::MAX),
        nodes_max: CELL_NODES_MAX,
        other_cell: None,
        ticket: ticket_facts,
        member: member.as_ref().map(|m| m.roles),
        seat,
        blocked,
    };
    Ok((facts, Some((ticket, member))))
}

#[expect(clippy::too_many_arguments, reason = "what one transaction needs, each used once")]
fn commit(
    tx: &mut Tx<'_>,
    admission: Admission,
    known: Option<&Known>,
    ask: &JoinAsk,
    node: NodeId,
    addr: Option<std::net::SocketAddr>,
    now: Stamp,
) -> Result<Joined, StoreError> {
    let roles = match admission {
        Admission::Again(seat) => {
            if let Some(alias) = seat.alias {
                come_back(tx, alias, ask, addr)?;
            }
            return Ok(Joined { member: seat.member, roles: seat.roles, alias: seat.alias, again: true });
        }
        Admission::New { roles, .. } => roles,
    };
    let device = DeviceId::from(node);
    let (ticket, member) = known.map_or((None, None), |(t, m)| (t.as_ref(), m.as_ref()));
    if let Some(ticket) = ticket {
        store::take_ticket_use(tx, &ticket.id, &device, now)?;
    }
    let (member, roles) = match member {
        Some(member) => (member.id, member.roles),
        None => (new_member(tx, ask, device, roles, ticket.map(|t| t.maker), now)?, roles),
    };
    let alias = if ask.lends { Some(new_node(tx, ask, node, member, addr, now)?) } else { None };
    Ok(Joined { member, roles, alias, again: false })
}

fn new_member(
    tx: &mut Tx<'_>,
    ask: &JoinAsk,
    device: DeviceId,
    roles: Roles,
    invited_by: Option<MemberId>,
    now: Stamp,
) -> Result<MemberId, StoreError> {
    let id = member_of(&device);
    let row = MemberRow {
        id,
        name: ask.name.clone(),
        roles,
        state: MemberState::Active,
        frozen_why: None,
        created_at: now,
        invited_by,
    };
    store::insert_member(tx, &row)?;
    store::insert_device(
        tx,
        &DeviceRow { id: device, member: id, name: ask.name.clone(), added_at: now, removed_at: None },
    )?;
    Ok(id)
}

fn new_node(
    tx: &mut Tx<'_>,
    ask: &JoinAsk,
    node: NodeId,
    owner: MemberId,
    addr: Option<std::net::SocketAddr>,
    now: Stamp,
) -> Result<Alias, StoreError> {
    let evidence = if ask.region.is_some() { RegionEvidence::Declared } else { RegionEvidence::Unknown };
    let f = &ask.facts;
    let measured = MeasuredRow {
        cores: Some(f.cores),
        memory_mib: Some(f.memory_mib),
        disk_free: Some(f.disk_free),
        ..MeasuredRow::default()
    };
    let row = NewNode {
        id: node,
        owner,
        name: ask.name.clone(),
        region: ask.region.clone(),
        evidence,
        declared: ask.region.clone(),
        os: f.os,
        arch: f.arch,
        as_number: None,
        net_prefix: addr.map(prefix),
        version: f.program,
        lent: Bytes(f.lent.0.min(i64::MAX.cast_unsigned())),
        accepts: f.accepts,
        capabilities: 0,
        alpha: fleet::ALPHA_START,
        beta: 0,
        joined_at: now,
        binding: ask.binding.clone(),
        measured,
    };
    let alias = nodes::insert_node(tx, &row)?;
    // In circles membership is the vetting (`docs/design/fleet.md` §6).
    let scores = nodes::Scores {
        tier: model::Tier::T2,
        vetted_at: Some(now),
        session_scale: SessionScale::default().0,
        missing_after_h: fleet::TAU_START_H,
        day_away: Ppm(0),
        profile: WeeklyProfile::flat(model::Ppm::percent(50)).0,
    };
    nodes::set_scores(tx, alias, &scores)?;
    nodes::add_event(tx, alias, now, "joined", &ask.name)?;
    Ok(alias)
}

/// A machine that joins again says anew what it is; one that had left is a node again.
fn come_back(
    tx: &mut Tx<'_>,
    alias: Alias,
    ask: &JoinAsk,
    addr: Option<std::net::SocketAddr>,
) -> Result<(), StoreError> {
    let Some(row) = nodes::node_by_alias(tx, alias)? else { return Ok(()) };
    // A place declared anew counts until the next round trips refute it; without one what was found stays.
    let back = if row.standing == Standing::Left { Some(coming_back(tx, &row)?) } else { None };
    let (declared, region, evidence) = match &ask.region {
        Some(said) => (Some(said.clone()), Some(said.clone()), RegionEvidence::Declared),
        None => (row.node.declared, row.node.region, row.node.evidence),
    };
    let said = nodes::NodeSaid {
        name: ask.name.clone(),
        declared,
        region,
        evidence,
        as_number: row.node.as_number,
        net_prefix: addr.map(prefix).or(row.node.net_prefix),
        version: ask.facts.program,
        lent: ask.facts.lent,
        accepts: ask.facts.accepts,
    };
    nodes::update_said(tx, alias, &said)?;
    if let Some((standing, why)) = back {
        nodes::set_standing(tx, alias, standing, why, None)?;
    }
    Ok(())
}

/// How the cloud stands to a node that left and is back: what was proved of it is not forgotten.
fn coming_back(tx: &mut Tx<'_>, row: &nodes::NodeRow) -> Result<(Standing, Option<&'static str>), StoreError> {
    let proofs = audit::counts(tx, row.alias)?.map_or(0, |counts| counts.proofs);
    let score = Score { alpha_ppm: row.node.alpha, beta_ppm: row.node.beta }.value();
    let is_trusted = proofs == 0 && score >= BAN_BELOW;
    Ok(if is_trusted { (Standing::Active, None) } else { (Standing::Distrusted, Some("audits before it left")) })
}

/// Network of an address: /24 or /48.
pub fn prefix(addr: std::net::SocketAddr) -> String {
    match addr.ip() {
        std::net::IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        std::net::IpAddr::V6(ip) => {
            let s = ip.segments();
            format!("{:x}:{:x}:{:x}::/48", s[0], s[1], s[2])
        }
    }
}
