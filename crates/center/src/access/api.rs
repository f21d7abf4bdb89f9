//! Who is asked for what in `access`: the cloud's card, tickets, members. Joining stands in `access/join.rs`.

use super::store::{self, MemberRow, MemberState, Speaker, TicketRow};
use crate::refuse::{Refused, bad_value, not_allowed, plain};
use crate::{Caller, Center};
use model::program::WIRE_VERSION;
use model::{Credits, DeviceId, Roles, Span, TicketId, errors};
use wire::access::{CloudInfo, MemberLine, TicketAsk, TicketLine, TicketMade};
use wire::limits::{NAME_MAX, PAGE_MAX};
use wire::{RefusalMsg, Reply};

/// Longest life of a ticket.
pub const TICKET_LIFE_MAX: Span = Span::days(90);
/// Shortest life of a ticket.
pub const TICKET_LIFE_MIN: Span = Span::secs(1);
/// Uses one ticket may have.
pub const TICKET_USES_MAX: u16 = 1_000;

/// What cloud is this?
pub fn cloud(center: &Center, caller: &Caller) -> Reply {
    Reply::Cloud(CloudInfo {
        key: center.keys().cloud_key(),
        name: center.name().to_owned(),
        now: center.now(),
        oldest_version: WIRE_VERSION,
        you_are: caller.addr,
    })
}

/// The member whose machine calls; E0107 for a stranger, E0110 for a removed device, E0114 for a frozen member.
pub async fn who(center: &Center, caller: &Caller) -> Result<MemberRow, Refused> {
    speaker(center, caller).await.map(|speaker| speaker.member)
}

/// The calling device, when it and its member may act.
pub async fn speaker(center: &Center, caller: &Caller) -> Result<Speaker, Refused> {
    let found = center.speakers().of(DeviceId::from(caller.id)).await?;
    let speaker = found.ok_or_else(|| plain(errors::NOT_SIGNED_IN))?;
    if let Some(when) = speaker.removed_at {
        return Err(RefusalMsg::new(errors::DEVICE_REMOVED, [("when", when.to_string())]).into());
    }
    match speaker.member.state {
        MemberState::Active => {
            center.ledger().called(&speaker.member.id);
            Ok(speaker)
        }
        MemberState::Frozen => {
            let MemberRow { name, frozen_why, .. } = speaker.member;
            let why = frozen_why.unwrap_or_default();
            Err(RefusalMsg::new(errors::MEMBER_FROZEN, [("who", name), ("why", why)]).into())
        }
    }
}

/// The caller, when the operator's role is theirs; else E0106.
pub async fn operator(center: &Center, caller: &Caller, verb: &str, thing: &str) -> Result<MemberRow, Refused> {
    let member = who(center, caller).await?;
    if member.roles.has(Roles::OPERATOR) { Ok(member) } else { Err(not_allowed(&member.name, verb, thing).into()) }
}

/// Makes a ticket. A member invites for what they may do themselves; only an operator makes operators.
pub async fn ticket_create(center: &Center, caller: &Caller, ask: TicketAsk) -> Result<Reply, Refused> {
    let maker = who(center, caller).await?;
    check_ask(&ask, center.settings().dev)?;
    if !maker.roles.has(ask.roles) {
        return Err(not_allowed(&maker.name, "invite", &ask.roles.to_string()).into());
    }
    let now = center.now();
    let row = TicketRow {
        id: TicketId(center.random()),
        secret_hash: ask.secret_hash,
        roles: ask.roles,
        credits: Credits::ZERO,
        uses_total: ask.uses,
        uses_left: ask.uses,
        expires_at: now + Span(ask.life_ms),
        maker: maker.id,
        name: ask.name,
        created_at: now,
        revoked_at: None,
    };
    let (id, expires) = (row.id, row.expires_at);
    center.db().write(move |tx| store::insert_ticket(tx, &row)).await?;
    Ok(Reply::TicketMade(TicketMade { id, expires, center: center.addr() }))
}

fn check_ask(ask: &TicketAsk, dev: bool) -> Result<(), Refused> {
    let life = Span(ask.life_ms);
    if !(TICKET_LIFE_MIN..=TICKET_LIFE_MAX).contains(&life) {
        return Err(bad_value("expires", &life.to_string(), "a ticket lives from 1 s to 90 d").into());
    }
    // A `dev` center's simulated nodes come in by the ten thousand.
    let most = if dev { u16::MAX } else { TICKET_USES_MAX };
    if !(1..=most).contains(&ask.uses) {
        return Err(bad_value("uses", &ask.uses.to_string(), "from 1 to 1,000").into());
    }
    if ask.name.len() > NAME_MAX {
        return Err(bad_value("name", &ask.name, "at most 64 bytes").into());
    }
    if ask.roles == Roles::default() || !Roles(7).has(ask.roles) {
        return Err(bad_value("role", &ask.roles.0.to_string(), "it is lend, use, both or operator").into());
    }
    if ask.credits != Credits::ZERO {
        return Err(bad_value("credits", &ask.credits.to_string(), "this cloud has no ledger yet").into());
    }
    Ok(())
}

/// Lists tickets: all for an operator, one's own for the rest.
pub async fn ticket_list(center: &Center, caller: &Caller) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let maker = (!member.roles.has(Roles::OPERATOR)).then_some(member.id);
    let limit = u32::try_from(PAGE_MAX).unwrap_or(u32::MAX);
    let rows = center.db().read(move |q| Ok(store::list_tickets(q, maker.as_ref(), None, limit)?)).await?;
    Ok(Reply::Tickets(rows.into_iter().map(ticket_line).collect()))
}

fn ticket_line(row: TicketRow) -> TicketLine {
    TicketLine {
        id: row.id,
        name: row.name,
        roles: row.roles,
        uses_left: row.uses_left,
        uses_total: row.uses_total,
        expires: row.expires_at,
        revoked: row.revoked_at,
        maker: row.maker,
    }
}

/// Ends a ticket: its maker or an operator.
pub async fn ticket_revoke(center: &Center, caller: &Caller, id: TicketId) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let ticket = center.db().read(move |q| Ok(store::ticket(q, &id)?)).await?;
    let ticket = ticket.ok_or_else(|| bad_value("id", &id.to_string(), "no ticket has this id"))?;
    if ticket.maker != member.id && !member.roles.has(Roles::OPERATOR) {
        return Err(not_allowed(&member.name, "revoke", &id.short()).into());
    }
    let now = center.now();
    center.db().write(move |tx| Ok(store::revoke_ticket(tx, &id, now)?)).await?;
    Ok(Reply::Done)
}

/// Lists members with their machines (operators see all; others themselves).
pub async fn member_list(center: &Center, caller: &Caller) -> Result<Reply, Refused> {
    let me = who(center, caller).await?;
    let lists = center.db().read(move |q| {
        let limit = u32::try_from(PAGE_MAX).unwrap_or(u32::MAX);
        let members =
            if me.roles.has(Roles::OPERATOR) { store::list_members(q, None, limit)? } else { vec![me.clone()] };
        members
            .into_iter()
            .map(|m| Ok((store::devices_of(q, &m.id)?, crate::fleet::store::count_nodes(q, &owned_by(&m))?, m)))
            .collect::<Result<Vec<_>, _>>()
    });
    let lines = lists.await?.into_iter().map(|(devices, nodes, m)| MemberLine {
        id: m.id,
        name: m.name,
        roles: m.roles,
        frozen: m.frozen_why,
        joined: m.created_at,
        devices: devices.into_iter().filter(|d| d.removed_at.is_none()).map(|d| d.id).collect(),
        nodes_count: u32::try_from(nodes).unwrap_or(u32::MAX),
    });
    Ok(Reply::Members(lines.collect()))
}

fn owned_by(member: &MemberRow) -> crate::fleet::store::NodeFilter {
    crate::fleet::store::NodeFilter { owner: Some(member.id), ..Default::default() }
}
