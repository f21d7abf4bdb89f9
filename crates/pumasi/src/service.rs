//! A user-level service that brings the agent back after a reboot, where the system can run one.
//!
//! Linux: a systemd user unit. Elsewhere, or without a user manager, the caller starts the agent detached and says what
//! will not survive a reboot. The unit's name derives from the home, so several homes live on one machine.

use crate::fault::Fault;
use crate::home::Home;
use model::errors;
use std::path::PathBuf;
use std::process::Command;

/// Whether a service of this home can be installed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// Yes.
    Systemd,
    /// No, with the reason.
    No(String),
}

/// Asks the user manager whether it answers.
pub fn availability() -> Availability {
    let asked = Command::new("systemctl").args(["--user", "show", "--property=Version"]).output();
    match asked {
        Ok(out) if out.status.success() => Availability::Systemd,
        Ok(out) => Availability::No(
            String::from_utf8_lossy(&out.stderr)
                .lines()
                .next()
                .unwrap_or("no user manager")
                .chars()
                .take(120)
                .collect(),
        ),
        Err(_) => Availability::No("no service manager on this system".to_owned()),
    }
}

/// Text of the unit: restarts on failure, lowest priority, never keeps the machine awake (it takes no inhibitor).
pub fn unit(home: &Home, exe: &str, env_home: Option<&str>) -> String {
    let env = env_home.map(|h| format!("Environment=PUMASI_HOME={h}\n")).unwrap_or_default();
    format!(
        "[Unit]\nDescription=pumasi agent ({})\nAfter=network-online.target\n\n[Service]\nExecStart={exe} agent run\n{env}Restart=on-failure\nRestartSec=5\nNice=19\nIOSchedulingClass=idle\n\n[Install]\nWantedBy=default.target\n",
        home.tag()
    )
}

/// Installs and starts the service of this home.
pub fn install(home: &Home) -> Result<(), Fault> {
    let exe = std::env::current_exe().map_err(Fault::bug)?;
    let path = unit_path(home)?;
    crate::home::create_private_dir(path.parent().unwrap_or(&path))?;
    let env_home = std::env::var("PUMASI_HOME").ok();
    crate::home::write_atomic(&path, unit(home, &exe.display().to_string(), env_home.as_deref()).as_bytes(), 0o600)?;
    systemctl(&["daemon-reload"])?;
    systemctl(&["enable", "--now", &format!("{}.service", home.service_name())])
}

/// Stops and removes the service of this home; nothing happens when there is none.
pub fn uninstall(home: &Home) -> Result<bool, Fault> {
    let path = unit_path(home)?;
    if !path.exists() {
        return Ok(false);
    }
    systemctl(&["disable", "--now", &format!("{}.service", home.service_name())])?;
    std::fs::remove_file(&path).map_err(|e| Fault::file(&path, &e))?;
    systemctl(&["daemon-reload"])?;
    Ok(true)
}

/// Starts an installed service; false where none is installed.
pub fn start(home: &Home) -> Result<bool, Fault> {
    if !unit_path(home)?.exists() {
        return Ok(false);
    }
    systemctl(&["start", &format!("{}.service", home.service_name())]).map(|()| true)
}

fn unit_path(home: &Home) -> Result<PathBuf, Fault> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let base = config.or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".config")));
    let base = base.ok_or_else(|| Fault::bad_value("HOME", "", "it is not set"))?;
    Ok(base.join("systemd/user").join(format!("{}.service", home.service_name())))
}

fn systemctl(args: &[&str]) -> Result<(), Fault> {
    let failed = |why: &str| Fault::new(errors::SERVICE_INSTALL, [("why", why)]);
    let out = Command::new("systemctl").arg("--user").args(args).output().map_err(|e| failed(&e.to_string()))?;
    if out.status.success() { Ok(()) } else { Err(failed(String::from_utf8_lossy(&out.stderr).trim())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_names_program_and_home_and_yields() {
        let home = Home::find(|name| (name == "PUMASI_HOME").then(|| "/x/a".to_owned())).unwrap();
        let unit = unit(&home, "/usr/bin/pumasi", Some("/x/a"));
        assert!(unit.contains("ExecStart=/usr/bin/pumasi agent run\nEnvironment=PUMASI_HOME=/x/a\n"));
        assert!(unit.contains("Nice=19") && unit.contains("IOSchedulingClass=idle"));
    }
}
