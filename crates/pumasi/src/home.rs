//! Where this machine keeps what: config, data, state, and a place for sockets and locks.
//!
//! `PUMASI_HOME` puts everything under one folder, so that several homes live on one machine; otherwise the XDG folders
//! are used. Socket, lock and service names derive from the data folder, never from the program's name alone.

use crate::fault::Fault;
use model::program::NAME;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Longest path of a Unix socket that every system takes, in bytes.
const SOCKET_PATH_MAX: usize = 100;

/// The folders of one home.
#[derive(Debug, Clone)]
pub struct Home {
    /// Files an owner may edit.
    pub config: PathBuf,
    /// Keys, membership, pieces, databases.
    pub data: PathBuf,
    /// Logs.
    pub state: PathBuf,
    /// Sockets and locks.
    pub run: PathBuf,
}

impl Home {
    /// Finds the folders from the environment as `get` answers it; nothing is created.
    pub fn find(get: impl Fn(&str) -> Option<String>) -> Result<Self, Fault> {
        let set = |name: &str| get(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        if let Some(root) = set("PUMASI_HOME") {
            let root = absolute(&root);
            let run = socket_dir(&root.join("run"), &root, &get);
            return Ok(Self { config: root.join("config"), data: root.join("data"), state: root.join("state"), run });
        }
        let user = set("HOME").ok_or_else(|| Fault::bad_value("HOME", "", "neither HOME nor PUMASI_HOME is set"))?;
        let at = |name: &str, default: &str| set(name).unwrap_or_else(|| user.join(default)).join(NAME);
        let data = at("XDG_DATA_HOME", ".local/share");
        let run = match set("XDG_RUNTIME_DIR") {
            Some(dir) => socket_dir(&dir.join(format!("{NAME}-{}", tag_of(&data))), &data, &get),
            None => socket_dir(&data.join("run"), &data, &get),
        };
        Ok(Self { config: at("XDG_CONFIG_HOME", ".config"), state: at("XDG_STATE_HOME", ".local/state"), data, run })
    }

    /// Twelve letters that tell this home from others on the machine.
    pub fn tag(&self) -> String {
        tag_of(&self.data)
    }

    /// Name of the user-level service of this home.
    pub fn service_name(&self) -> String {
        format!("{NAME}-agent-{}", self.tag())
    }

    /// The owner's file.
    pub fn config_file(&self) -> PathBuf {
        self.config.join(format!("{NAME}.toml"))
    }
    /// Secret half of the machine's key.
    pub fn machine_key(&self) -> PathBuf {
        self.data.join("machine.key")
    }
    /// What this machine knows of the cloud it joined.
    pub fn membership(&self) -> PathBuf {
        self.data.join("membership.json")
    }
    /// Root of the account.
    pub fn account_root(&self) -> PathBuf {
        self.data.join("account.root")
    }
    /// The account's device log as it was seen last.
    pub fn account_seen(&self) -> PathBuf {
        self.data.join("account.json")
    }
    /// What brings the account back to a center that lost it: a copy of what the pool has.
    pub fn account_copy(&self) -> PathBuf {
        self.data.join("account.copy")
    }
    /// Which copy of the account was stored in the pool last.
    pub fn account_copied(&self) -> PathBuf {
        self.data.join("account.copied")
    }
    /// Daily roots of the book that were seen.
    pub fn ledger_roots(&self) -> PathBuf {
        self.data.join("ledger.roots")
    }
    /// A signed word to spend whose answer is still out.
    pub fn spend(&self) -> PathBuf {
        self.data.join("spend.word")
    }
    /// What was done about recovery, and when.
    pub fn recovery(&self) -> PathBuf {
        self.data.join("recovery.json")
    }
    /// Pieces of others.
    pub fn pieces(&self) -> PathBuf {
        self.data.join("pieces")
    }
    /// Where pieces are gathered whose holders are not on together.
    pub fn gather(&self) -> PathBuf {
        self.data.join("gather")
    }
    /// Uploads until the pool has filled up.
    pub fn stage(&self) -> PathBuf {
        self.data.join("stage")
    }
    /// Names of one's own buckets, sealed.
    pub fn names(&self) -> PathBuf {
        self.data.join("names")
    }
    /// Private folders of sandboxes.
    pub fn sandbox(&self) -> PathBuf {
        self.data.join("sandbox")
    }
    /// Compiled code of modules.
    pub fn compiled(&self) -> PathBuf {
        self.data.join("compiled")
    }
    /// Keys of one's own jobs.
    pub fn jobs(&self) -> PathBuf {
        self.data.join("jobs")
    }
    /// Blocks of shuffles.
    pub fn blocks(&self) -> PathBuf {
        self.data.join("blocks")
    }
    /// Keys for tools, sealed.
    pub fn gateway_keys(&self) -> PathBuf {
        self.data.join("gateway.keys")
    }
    /// Where the gateway of this home listens, while it does.
    pub fn gateway_card(&self) -> PathBuf {
        self.data.join("gateway.json")
    }
    /// Lock of the gateway.
    pub fn gateway_lock(&self) -> PathBuf {
        self.data.join("gateway.lock")
    }
    /// What was written to a mounted folder and is not uploaded yet, sealed.
    #[cfg(target_os = "linux")]
    pub fn spool(&self) -> PathBuf {
        self.data.join("spool")
    }
    /// Results of one's own jobs that are known.
    pub fn results(&self) -> PathBuf {
        self.jobs().join("results.sqlite")
    }
    /// The center's folder, where this machine is one.
    pub fn center(&self) -> PathBuf {
        self.data.join("center")
    }
    /// Control socket of the agent.
    pub fn agent_socket(&self) -> PathBuf {
        self.run.join("agent.sock")
    }
    /// Lock of the agent.
    pub fn agent_lock(&self) -> PathBuf {
        self.data.join("agent.lock")
    }
    /// Log of the agent.
    pub fn agent_log(&self) -> PathBuf {
        self.state.join("agent.log")
    }
    /// Log of the center.
    pub fn center_log(&self) -> PathBuf {
        self.state.join("center.log")
    }

    /// Makes the folders, readable by the owner only.
    pub fn create(&self) -> Result<(), Fault> {
        [&self.config, &self.data, &self.state, &self.run].into_iter().try_for_each(|dir| create_private_dir(dir))
    }
}

/// Makes a folder and its parents, mode 0700.
pub fn create_private_dir(dir: &Path) -> Result<(), Fault> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| Fault::file(dir, &e))
}

/// Writes `bytes` beside `path` with `mode`, syncs, and renames over it: a reader sees the old file or the new one.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    let write = || -> io::Result<()> {
        let dir = path.parent().unwrap_or(Path::new("."));
        let temp = path.with_extension(format!("new-{}", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temp)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temp, path)?;
        fs::File::open(dir)?.sync_all()
    };
    write().map_err(|e| Fault::file(path, &e))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

fn tag_of(data: &Path) -> String {
    let hash = blake3::hash(absolute(data).as_os_str().as_encoded_bytes());
    model::ids::base32().encode(&hash.as_bytes()[..8])[..12].to_owned()
}

/// `wanted`, or a short private folder in the temporary one when sockets in it would have too long a path.
fn socket_dir(wanted: &Path, data: &Path, get: &impl Fn(&str) -> Option<String>) -> PathBuf {
    if wanted.as_os_str().len() + "/agent.sock".len() <= SOCKET_PATH_MAX {
        return wanted.to_path_buf();
    }
    let temp = get("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    temp.join(format!("{NAME}-{}-{}", nix::unistd::getuid(), tag_of(data)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        |name| pairs.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned())
    }

    #[test]
    fn one_variable_moves_everything() {
        let home = Home::find(env(&[("PUMASI_HOME", "/x/a"), ("HOME", "/h")])).unwrap();
        assert_eq!(home.config_file(), Path::new("/x/a/config/pumasi.toml"));
        assert_eq!(home.agent_socket(), Path::new("/x/a/run/agent.sock"));
    }

    #[test]
    fn two_homes_have_two_service_names() {
        let a = Home::find(env(&[("PUMASI_HOME", "/x/a")])).unwrap();
        let b = Home::find(env(&[("PUMASI_HOME", "/x/b")])).unwrap();
        assert_ne!(a.service_name(), b.service_name());
    }

    #[test]
    fn a_long_home_gets_a_short_socket_folder() {
        let long = "/x/".to_owned() + &"a".repeat(120);
        let home = Home::find(move |name| (name == "PUMASI_HOME").then(|| long.clone())).unwrap();
        assert!(home.agent_socket().as_os_str().len() <= SOCKET_PATH_MAX);
    }
}
