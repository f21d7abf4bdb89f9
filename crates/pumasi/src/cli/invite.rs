//! `pumasi invite`: makes a ticket. The one-time secret is made here and never reaches the center, which keeps its hash.

use crate::app::App;
use crate::fault::Fault;
use crate::local::ask_center;
use crate::membership::Membership;
use crate::secret::random;
use clap::Args;
use console::args;
use model::{Credits, Roles, Span, Stamp};
use serde_json::json;
use wire::access::{TicketAsk, TicketMade};
use wire::{Reply, Request, Ticket};

/// `invite`
#[derive(Args, Debug, Clone)]
pub struct InviteArgs {
    #[arg(long, default_value = "")]
    pub name: String,
    #[arg(long, default_value = "both", value_name = "lend|use|both|operator")]
    pub role: String,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub uses: u16,
    #[arg(long, default_value = "24h", value_name = "DURATION")]
    pub expires: String,
}

/// A ticket as its maker sees it.
pub struct Invited {
    /// To paste.
    pub ticket: Ticket,
    /// Until when.
    pub expires: Stamp,
    /// Its id at the center.
    pub id: model::TicketId,
}

/// Runs `invite`.
pub async fn run(app: &App, args: &InviteArgs) -> Result<(), Fault> {
    let made = make(app, args).await?;
    let out = &app.out;
    match out.form {
        crate::cli::Form::Human => {
            out.print(&made.ticket.to_string());
            out.say("invite-note", args!["uses" => args.uses, "until" => made.expires]);
            out.say("invite-next", args!["ticket" => "TICKET"]);
        }
        crate::cli::Form::Json => out.json(
            "ticket",
            json!({"id": made.id.to_string(), "ticket": made.ticket.to_string(),
            "expires": made.expires.to_string(), "uses": args.uses, "roles": args.role}),
        ),
        crate::cli::Form::Plain => out.print(&made.ticket.to_string()),
        crate::cli::Form::Id => out.print(&made.id.to_string()),
    }
    Ok(())
}

/// Makes a ticket at the center of this home.
pub async fn make(app: &App, args: &InviteArgs) -> Result<Invited, Fault> {
    let membership = Membership::load(&app.home)?;
    let (roles, life): (Roles, Span) = (args.role.parse()?, args.expires.parse()?);
    let secret = random::<16>();
    let ask = TicketAsk {
        name: args.name.clone(),
        roles,
        credits: Credits::ZERO,
        uses: args.uses,
        life_ms: life.as_ms(),
        secret_hash: Ticket::secret_hash(&secret),
    };
    let Reply::TicketMade(TicketMade { id, expires, center }) =
        ask_center(&app.home, Request::TicketCreate(ask), app.timeout).await?
    else {
        return Err(Fault::bug("the center answered something else"));
    };
    let direct = center.direct.into_iter().take(wire::limits::TICKET_ADDRS_MAX).collect();
    let ticket = Ticket {
        kind: wire::TicketKind::Member,
        cloud: membership.cloud,
        secret,
        expires,
        direct,
        relay: center.relays.into_iter().next(),
    };
    Ok(Invited { ticket, expires, id })
}
