//! A PostgreSQL of the tests' own: made in a temporary folder, listening on loopback alone, ended when the test process
//! ends for any reason (a shell beside it waits for the end of its standard input).

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

const TRIES_MAX: u32 = 5;

/// Runs as the unprivileged user: PostgreSQL refuses root. $1 folder of the programs, $2 port.
const SCRIPT: &str = r#"
dir=$(mktemp -d "${TMPDIR:-/tmp}/center-pg.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
"$1/initdb" -D "$dir/data" -U center -A trust -E UTF8 --no-sync >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
"$1/postgres" -D "$dir/data" -k "$dir" -h 127.0.0.1 -p "$2" -c max_connections=300 -c shared_buffers=32MB \
    >>"$dir/log" 2>&1 </dev/null &
pid=$!
until "$1/pg_isready" -q -h "$dir" -p "$2"; do
    kill -0 "$pid" 2>/dev/null || { cat "$dir/log"; exit 1; }
    sleep 0.05
done
echo ready
cat >/dev/null
kill -QUIT "$pid"
wait "$pid"
"#;

pub struct Cluster {
    port: u16,
    made: AtomicU32,
    _shell: Child,
}

/// The cluster of this test process, or nothing where PostgreSQL is not installed.
pub fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| programs().map(|bin| start(&bin))).as_ref()
}

impl Cluster {
    /// The address of a new, empty database.
    pub fn new_database(&self) -> String {
        let name = format!("t{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.admin(&format!("CREATE DATABASE {name}"));
        format!("postgres://center@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs a statement as the administrator, in the database `postgres`.
    pub fn admin(&self, sql: &str) {
        let url = format!("postgres://center@127.0.0.1:{}/postgres", self.port);
        let sql = sql.to_owned();
        std::thread::spawn(move || {
            let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
            client.batch_execute(&sql).unwrap();
        })
        .join()
        .unwrap();
    }
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    folders.into_iter().find(|folder| ["initdb", "postgres", "pg_isready"].iter().all(|p| folder.join(p).is_file()))
}

fn start(bin: &std::path::Path) -> Cluster {
    let mut said = String::new();
    for _ in 0..TRIES_MAX {
        // The port is free now and may be taken before the server asks for it: hence the tries.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut shell = unprivileged_shell()
            .args(["-c", SCRIPT, "sh"])
            .arg(bin)
            .arg(port.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        said.clear();
        for line in BufReader::new(shell.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line == "ready" {
                return Cluster { port, made: AtomicU32::new(0), _shell: shell };
            }
            said.push_str(&line);
            said.push('\n');
        }
        shell.wait().unwrap();
    }
    panic!("PostgreSQL is installed and does not start:\n{said}");
}

/// A shell as this user, or as one without privileges where this is root.
fn unprivileged_shell() -> Command {
    let output = |program: &str, args: &[&str]| {
        let out = Command::new(program).args(args).output().ok().filter(|out| out.status.success())?;
        Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    if output("id", &["-u"]).as_deref() != Some("0") {
        return Command::new("/bin/sh");
    }
    let user = ["postgres", "nobody"].into_iter().find(|user| output("id", &["-u", user]).is_some());
    let user = user.expect("root needs the user postgres or nobody to run PostgreSQL");
    let (uid, gid) = (output("id", &["-u", user]).unwrap(), output("id", &["-g", user]).unwrap());
    let mut shell = Command::new("setpriv");
    shell.args(["--reuid", &uid, "--regid", &gid, "--clear-groups", "/bin/sh"]);
    shell
}
