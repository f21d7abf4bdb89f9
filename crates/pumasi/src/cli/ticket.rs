//! `pumasi ticket …`: rights to join that are out.

use super::invite::{self, InviteArgs};
use crate::app::App;
use crate::fault::Fault;
use crate::local::ask_center;
use crate::output::Row;
use clap::Subcommand;
use console::args;
use model::errors;
use serde_json::json;
use wire::access::TicketLine;
use wire::{Reply, Request};

/// `ticket`
#[derive(Subcommand, Debug)]
pub enum TicketVerb {
    Create(InviteArgs),
    List,
    Revoke {
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Runs `ticket …`.
pub async fn run(app: &App, verb: &TicketVerb) -> Result<(), Fault> {
    match verb {
        TicketVerb::Create(args) => invite::run(app, args).await,
        TicketVerb::List => {
            let headers = ["column-id", "column-name", "column-roles", "column-uses", "column-until", "column-state"];
            app.out.table("ticket", &headers, 0, &list(app).await?.iter().map(|t| row(app, t)).collect::<Vec<_>>());
            Ok(())
        }
        TicketVerb::Revoke { id } => {
            let found: Vec<_> = list(app).await?.into_iter().filter(|t| t.id.has_prefix(id)).collect();
            let [ticket] = &found[..] else {
                let why = if found.is_empty() { "no ticket has this id" } else { "more than one ticket begins so" };
                return Err(Fault::new(
                    errors::BAD_VALUE,
                    [("field", "id"), ("value", id), ("why", why), ("verb", "ticket revoke")],
                ));
            };
            ask_center(&app.home, Request::TicketRevoke(ticket.id), app.timeout).await?;
            app.out.say("ticket-revoked", args!["id" => ticket.id.short()]);
            Ok(())
        }
    }
}

async fn list(app: &App) -> Result<Vec<TicketLine>, Fault> {
    match ask_center(&app.home, Request::TicketList, app.timeout).await? {
        Reply::Tickets(tickets) => Ok(tickets),
        _ => Err(Fault::bug("the center answered something else")),
    }
}

fn row(app: &App, t: &TicketLine) -> Row {
    let state = match t.revoked {
        Some(_) => "ticket-state-revoked",
        None if t.uses_left == 0 => "ticket-state-used",
        None if t.expires < crate::clock::now() => "ticket-state-expired",
        None => "ticket-state-open",
    };
    let state_text = app.out.text(state, args![]);
    Row {
        cells: vec![
            t.id.to_string(),
            t.name.clone(),
            t.roles.to_string(),
            format!("{}/{}", t.uses_total - t.uses_left.min(t.uses_total), t.uses_total),
            t.expires.to_string(),
            state_text,
        ],
        json: json!({"id": t.id.to_string(), "name": t.name, "roles": t.roles.to_string(), "uses_left": t.uses_left, "uses_total": t.uses_total,
            "expires": t.expires.to_string(), "revoked": t.revoked.map(|at| at.to_string()), "state": state.trim_start_matches("ticket-state-")}),
    }
}
