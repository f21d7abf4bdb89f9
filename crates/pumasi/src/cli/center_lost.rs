//! `pumasi center rebuild`: a center whose database is gone is made anew from its keys; nodes and owners tell it the rest
//! (`docs/design/storage.md` §15).

use super::center::{center_fault, runs};
use crate::app::App;
use crate::cli::Form;
use crate::clock;
use crate::fault::Fault;
use crate::membership::Membership;
use crate::secret;
use center::Founder;
use clap::Args;
use console::args;
use model::{DeviceId, errors};
use serde_json::json;
use wire::signed::public_of;

/// `center rebuild`
#[derive(Args, Debug, Clone)]
pub struct RebuildArgs {
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
}

/// Makes the database anew; the center is started after it.
pub async fn rebuild(app: &App, args: &RebuildArgs) -> Result<(), Fault> {
    let dir = app.home.center();
    if runs(app) {
        let path = dir.display().to_string();
        return Err(Fault::new(errors::ALREADY_RUNNING, [("path", &path)]).because("end the center first"));
    }
    let membership = Membership::load(&app.home).ok();
    let name = match (&args.name, &membership) {
        (Some(name), _) => name.clone(),
        (None, Some(held)) => held.cloud_name.clone(),
        (None, None) => format!("{}'s cloud", node::machine::host_name()),
    };
    let machine = secret::load_or_make(&app.home.machine_key())?;
    let founder = Founder {
        device: DeviceId(public_of(&machine)),
        name: membership.as_ref().map_or_else(node::machine::host_name, |held| held.name.clone()),
        member: membership.as_ref().map(|held| held.member),
    };
    let cloud = center::found_again(&dir, &name, &founder, clock::now()).await.map_err(center_fault)?;
    match app.out.form {
        Form::Json => app.out.json("center_rebuilt", json!({"id": cloud.to_string(), "name": name})),
        _ => app.out.print(&app.out.text("center-rebuilt", args!["name" => &name, "id" => cloud.short()])),
    }
    Ok(())
}
