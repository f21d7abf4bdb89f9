//! A PostgreSQL of the bench's own: made in a temporary folder, on loopback alone, begun again where it ends by itself, ended when
//! this process ends for any reason (a shell beside it waits for the end of its standard input).

use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// $1 folder of the programs, $2 port. PostgreSQL refuses root: where this is root, another user runs it.
const SCRIPT: &str = r#"
dir=$(mktemp -d "${TMPDIR:-/tmp}/pumasi-pg.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
"$1/initdb" -D "$dir/data" -U pumasi -A trust -E UTF8 >/dev/null 2>&1 || exit 1
(
    until [ -e "$dir/end" ]; do
        "$1/postgres" -D "$dir/data" -k "$dir" -h 127.0.0.1 -p "$2" >/dev/null 2>&1 </dev/null
        [ -e "$dir/up" ] || exit 1
        sleep 0.1
    done
) &
loop=$!
until "$1/pg_isready" -q -h "$dir" -p "$2"; do
    kill -0 "$loop" 2>/dev/null || exit 1
    sleep 0.05
done
touch "$dir/up"
echo ready
cat >/dev/null
touch "$dir/end"
kill -QUIT "$(head -n 1 "$dir/data/postmaster.pid")"
wait "$loop"
"#;

/// A running server; ends when it is dropped.
pub struct Server {
    port: u16,
    _shell: Child,
}

impl Server {
    /// Starts one with the settings it comes with; nothing where PostgreSQL is not installed or does not start.
    pub async fn start() -> Option<Self> {
        let bin = programs()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let mut shell = shell().await?;
        shell.args(["-c", SCRIPT, "sh"]).arg(&bin).arg(port.to_string()).current_dir("/");
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let mut lines = BufReader::new(shell.stdout.take()?).lines();
        let said = lines.next_line().await.ok().flatten();
        (said.as_deref() == Some("ready")).then_some(Self { port, _shell: shell })
    }

    /// Where its database is.
    pub fn url(&self) -> String {
        format!("postgres://pumasi@127.0.0.1:{}/postgres", self.port)
    }
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let has = |folder: &Path, program: &str| folder.join(program).is_file();
    folders.into_iter().find(|folder| ["initdb", "postgres", "pg_isready"].iter().all(|program| has(folder, program)))
}

/// A shell as this user, or as one without privileges where this is root.
async fn shell() -> Option<Command> {
    if id(&["-u"]).await? != "0" {
        return Some(Command::new("/bin/sh"));
    }
    for user in ["postgres", "nobody"] {
        if let (Some(uid), Some(gid)) = (id(&["-u", user]).await, id(&["-g", user]).await) {
            let mut shell = Command::new("setpriv");
            shell.args(["--reuid", &uid, "--regid", &gid, "--clear-groups", "/bin/sh"]);
            return Some(shell);
        }
    }
    None
}

async fn id(args: &[&str]) -> Option<String> {
    let out = Command::new("id").args(args).output().await.ok().filter(|out| out.status.success())?;
    Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
