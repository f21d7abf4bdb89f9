//! `pumasi member list`: the people of this cloud.

use crate::app::App;
use crate::fault::Fault;
use crate::local::ask_center;
use crate::output::Row;
use clap::Subcommand;
use serde_json::json;
use wire::access::MemberLine;
use wire::{Reply, Request};

/// `member`
#[derive(Subcommand, Debug)]
pub enum MemberVerb {
    List,
}

/// Runs `member …`.
pub async fn run(app: &App, verb: &MemberVerb) -> Result<(), Fault> {
    let MemberVerb::List = verb;
    let Reply::Members(members) = ask_center(&app.home, Request::MemberList, app.timeout).await? else {
        return Err(Fault::bug("the center answered something else"));
    };
    let headers = ["column-id", "column-name", "column-roles", "column-nodes", "column-joined", "column-state"];
    app.out.table("member", &headers, 0, &members.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn row(m: &MemberLine) -> Row {
    let state = if m.frozen.is_some() { "frozen" } else { "active" };
    Row {
        cells: vec![
            m.id.to_string(),
            m.name.clone(),
            m.roles.to_string(),
            m.nodes_count.to_string(),
            m.joined.to_string(),
            state.to_owned(),
        ],
        json: json!({"id": m.id.to_string(), "name": m.name, "roles": m.roles.to_string(), "nodes_count": m.nodes_count,
            "joined": m.joined.to_string(), "state": state, "frozen_why": m.frozen, "devices": m.devices.iter().map(ToString::to_string).collect::<Vec<_>>()}),
    }
}
