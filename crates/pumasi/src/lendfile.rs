//! The owner's file as commands use it: what a new machine will lend, the sentences of the offer, the first file.

use crate::app::App;
use crate::cli::join::Entry;
use crate::fault::Fault;
use console::args;
use model::{Bytes, Kbps};
use node::fleet::lendfile;
use node::machine;
use rules::fleet::lend::{LendPolicy, Machine, Profile};
use std::path::Path;

/// An error of the owner's file as a command ends with it.
pub fn fault(error: &lendfile::LendFileError) -> Fault {
    Fault::from(error.refusal())
}

/// Changes that the flags of `join` make to the owner's file.
fn changes(entry: &Entry) -> Vec<(String, String)> {
    let profile = entry.profile.clone().map(|p| ("profile".to_owned(), p));
    let disk = entry.disk.map(|d| ("disk".to_owned(), format!("{}B", d.0)));
    profile.into_iter().chain(disk).collect()
}

/// What will be lent: the file that is there, changed as the flags say. Nothing is written.
pub fn policy_for(app: &App, entry: &Entry) -> Result<LendPolicy, Fault> {
    let mut policy = lendfile::read(&app.home.config_file()).map_err(|e| fault(&e))?;
    if let Some(word) = &entry.profile {
        policy.profile = word.parse::<Profile>()?;
    }
    if entry.disk.is_some() {
        policy.disk = entry.disk;
    }
    policy.check()?;
    Ok(policy)
}

/// Writes what the flags say into the owner's file; without flags no file is needed and none is made.
pub fn write_first(app: &App, entry: &Entry) -> Result<(), Fault> {
    let changes = changes(entry);
    if !changes.is_empty() {
        lendfile::set(&app.home.config_file(), &changes).map_err(|e| fault(&e))?;
    }
    Ok(())
}

/// This machine as the rules see it.
fn this_machine(data: &Path, up: Option<Kbps>) -> Machine {
    let (disk_size, disk_free) = machine::disk(data).unwrap_or_default();
    let memory_mib = machine::memory_mib().0;
    Machine { cores: machine::cores(), memory_mib, disk_size, disk_free, held: Bytes(0), up, down: None }
}

/// Space that is lent.
pub fn lent(policy: &LendPolicy, data: &Path) -> Bytes {
    policy.disk_ceiling(&this_machine(data, None))
}

/// What the owner accepts, as bits.
pub fn accepts(policy: &LendPolicy) -> u32 {
    policy.accept.bits()
}

/// The sentences of the offer.
pub fn offer(app: &App, policy: &LendPolicy, up: Option<Kbps>, has_signal: bool) -> Vec<String> {
    let offer = policy.offer(&this_machine(&app.home.data, up));
    let share = |milli: u32| format!("{}/{}", crate::cli::status::cores(milli), offer.cores);
    let idle = args!["cores" => share(offer.idle.cores_milli), "disk" => offer.disk, "free" => offer.disk_free, "up" => offer.idle.up];
    let mut lines = vec![app.out.text("offer-idle", idle)];
    let never = !offer.on_battery && !offer.on_metered;
    lines.push(app.out.text(if never { "offer-never" } else { "offer-battery" }, args![]));
    if offer.yields_to_input && !has_signal {
        lines.push(app.out.text("offer-headless", args![]));
    }
    lines.into_iter().map(|line| format!("  {line}")).collect()
}
