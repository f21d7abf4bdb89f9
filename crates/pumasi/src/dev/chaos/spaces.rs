//! A network and a table of mounts of its own: the command starts itself again inside, where it may pull cables and fill disks
//! without root, and of which nothing is left when its last process has ended.
//!
//! Center and clients stand at a bridge; each node in a namespace of its own, at a cable that is plugged into that bridge, into
//! another one, or into none. A machine that allows no namespaces is told so by [`Spaces::found`]; nothing is cut there.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Set inside.
const INSIDE: &str = "PUMASI_CHAOS_INSIDE";
/// What must be possible inside, tried before anything is built on it.
const TRY: &str = "ip link set lo up && ip link add br0 type bridge && ip link add v0 type veth peer name p0 \
    && mount -t tmpfs none /run && mkdir -p /run/netns && ip netns add n0 && nsenter --net=/run/netns/n0 true";

/// Where the processes of a run stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spaces {
    /// Each node in a network namespace.
    Own,
    /// All on this machine's loopback.
    None,
}

impl Spaces {
    /// Starts this command again inside; comes back where it is inside already, or where that is not possible.
    pub fn found() -> Self {
        if std::env::var_os(INSIDE).is_some() {
            return Self::Own;
        }
        let outer: &[&str] = match nix::unistd::geteuid().is_root() {
            true => &["--net", "--mount"],
            false => &["--net", "--mount", "--map-root-user"],
        };
        let mut tried = Command::new("unshare");
        tried.args(outer).args(["sh", "-c", TRY]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(exe) = std::env::current_exe() else { return Self::None };
        if tried.status().is_ok_and(|status| status.success()) {
            let mut inside = Command::new("unshare");
            let error = inside.args(outer).arg(exe).args(std::env::args_os().skip(1)).env(INSIDE, "1").exec();
            tracing::warn!(%error, "no namespaces");
        }
        Self::None
    }

    /// Bridges, cables and namespaces for so many nodes.
    pub fn build(self, nodes: usize) -> Result<(), String> {
        if self == Self::None {
            return Ok(());
        }
        run("mount", "-t tmpfs none /run")?;
        std::fs::create_dir_all("/run/netns").map_err(|e| e.to_string())?;
        run("ip", "link set lo up")?;
        run("ip", "link add br0 type bridge")?;
        run("ip", "link add br1 type bridge")?;
        run("ip", "addr add 10.77.0.1/24 dev br0")?;
        run("ip", "link set br0 up")?;
        run("ip", "link set br1 up")?;
        for node in 0..nodes {
            self.add(node)?;
        }
        Ok(())
    }

    fn add(self, node: usize) -> Result<(), String> {
        run("ip", &format!("netns add n{node}"))?;
        run("ip", &format!("link add v{node} type veth peer name eth0 netns n{node}"))?;
        run("ip", &format!("link set v{node} master br0 up"))?;
        run("ip", &format!("-n n{node} addr add {}/24 dev eth0", self.address(node)))?;
        run("ip", &format!("-n n{node} link set eth0 up"))?;
        run("ip", &format!("-n n{node} link set lo up"))
    }

    /// Where center and clients are.
    pub fn center(self) -> &'static str {
        if self == Self::Own { "10.77.0.1" } else { "127.0.0.1" }
    }

    /// Where a node is.
    pub fn address(self, node: usize) -> String {
        if self == Self::Own { format!("10.77.0.{}", node + 11) } else { format!("127.{}.0.1", node + 1) }
    }

    /// Plugs a node's cable into a bridge, or into none.
    pub fn plug(self, node: usize, bridge: Option<&str>) -> Result<(), String> {
        match bridge {
            Some(bridge) => run("ip", &format!("link set v{node} master {bridge}")),
            None => run("ip", &format!("link set v{node} nomaster")),
        }
    }

    /// A command where a node stands.
    pub fn command(self, node: Option<usize>, exe: &Path) -> Command {
        match node.filter(|_| self == Self::Own) {
            Some(node) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/run/netns/n{node}")).arg(exe);
                command
            }
            None => Command::new(exe),
        }
    }

    /// A disk of its own for a folder, of so many bytes.
    pub fn mount(self, at: &Path, bytes: u64) -> Result<(), String> {
        std::fs::create_dir_all(at).map_err(|e| e.to_string())?;
        run("mount", &format!("-t tmpfs -o mode=700,size={bytes} none {}", at.display()))
    }

    /// Makes it as large as this; not possible below what is on it.
    pub fn resize(self, at: &Path, bytes: u64) -> Result<(), String> {
        run("mount", &format!("-o remount,size={bytes} {}", at.display()))
    }

    /// Takes it away.
    pub fn unmount(self, at: &Path) {
        if self == Self::Own {
            let _ = run("umount", &format!("-l {}", at.display()));
        }
    }
}

fn run(program: &str, args: &str) -> Result<(), String> {
    let done = Command::new(program).args(args.split(' ')).stdin(Stdio::null()).output();
    let out = done.map_err(|e| format!("{program}: {e}"))?;
    if out.status.success() {
        return Ok(());
    }
    Err(format!("{program} {args}: {}", String::from_utf8_lossy(&out.stderr).trim()))
}
