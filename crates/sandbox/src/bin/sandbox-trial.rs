//! What a subverted child could try, for tests of this room: raises the walls without the layers named as arguments, tries
//! everything, prints one line per trial that went through and a last line with the level.

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("level 0");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::{self, File};
    use std::io::Write;
    use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    use std::process::Command;
    use std::time::Duration;

    use nix::sys::resource::{Resource, setrlimit};
    use sandbox::walls::{Bounds, Layer, LinuxWalls, Walls};

    pub(super) fn main() {
        let names = std::env::args().skip(1).collect::<Vec<_>>();
        let is_named = |layer: &Layer| names.iter().any(|name| *name == format!("{layer:?}"));
        let without = Layer::ALL.into_iter().filter(is_named).collect::<Vec<_>>();
        let raised = LinuxWalls::without(&without).raise(&Bounds {
            data_bytes: 256 << 20,
            file_bytes: 1 << 20,
            cpu_s: 10,
            gives_way: false,
        });
        let mut through = [network(), files(), processes()].concat();
        through.extend(std::env::vars_os().map(|(name, _)| format!("variable {}", name.to_string_lossy())));
        for trial in &through {
            println!("through: {trial}");
        }
        println!("missing: {}", raised.missing.join("; "));
        println!("level {}", raised.level());
    }

    fn network() -> Vec<String> {
        let mut through = Vec::new();
        let mut tried = |name: String, is_through: bool| through.extend(is_through.then_some(name));
        for address in [
            "127.0.0.1:9",
            "[::1]:9",
            "10.0.0.1:80",
            "169.254.169.254:80",
            "192.168.0.1:80",
            "[fe80::1]:80",
            "8.8.8.8:53",
        ] {
            let address: SocketAddr = address.parse().expect("an address");
            let connected = TcpStream::connect_timeout(&address, Duration::from_millis(50));
            // A refusal by the other side means that there is a network.
            let is_there = !matches!(&connected, Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied);
            tried(format!("connect {address}"), is_there);
        }
        tried("tcp listen".into(), TcpListener::bind("0.0.0.0:0").is_ok());
        tried("udp 4".into(), UdpSocket::bind("0.0.0.0:0").is_ok());
        tried("udp 6".into(), UdpSocket::bind("[::]:0").is_ok());
        tried("unix listen".into(), UnixListener::bind("out/socket").is_ok());
        tried("unix pair".into(), UnixStream::pair().is_ok());
        tried("unix datagram".into(), UnixDatagram::unbound().is_ok());
        tried("name".into(), "localhost:80".to_socket_addrs().is_ok());
        through
    }

    fn files() -> Vec<String> {
        let read =
            ["/etc/passwd", "/proc/self/environ", "/proc/1/cmdline", "/dev/null", "/usr/bin/env", "../../../etc/hosts"];
        let write = ["/tmp/escape", "../escape", "escape", "in/escape", "/dev/shm/escape"];
        let mut through = Vec::new();
        through.extend(read.iter().filter(|path| File::open(path).is_ok()).map(|path| format!("read {path}")));
        for path in write {
            // The private folder may be the root by now, and its `tmp` is the guest's own.
            let is_own = path == "/tmp/escape" && fs::metadata("/etc").is_err();
            if File::create(path).is_ok() && !is_own {
                let _ = fs::remove_file(path);
                through.push(format!("write {path}"));
            }
        }
        through.extend(fs::read_dir("/proc").is_ok().then(|| "list /proc".to_owned()));
        through.extend(std::os::unix::fs::symlink("/etc", "out/link").is_ok().then(|| "symlink".to_owned()));
        through.extend(nix::unistd::chroot("out").is_ok().then(|| "chroot".to_owned()));
        let kept = File::create("out/kept").and_then(|mut file| file.write_all(b"x"));
        through.extend(kept.is_err().then(|| "own folder cannot be written".to_owned()));
        through
    }

    fn processes() -> Vec<String> {
        let mut through = Vec::new();
        let mut tried = |name: &str, is_through: bool| through.extend(is_through.then(|| name.to_owned()));
        tried("program", Command::new("/bin/true").spawn().is_ok());
        tried("thread", std::thread::Builder::new().spawn(|| ()).is_ok());
        tried("signal to the parent", nix::sys::signal::kill(nix::unistd::getppid(), None).is_ok());
        tried("namespaces", nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).is_ok());
        tried("rlimit", setrlimit(Resource::RLIMIT_NPROC, 100, 100).is_ok());
        // The test leaves one open on purpose.
        tried("inherited descriptor", (3..64).any(|fd| nix::unistd::close(fd).is_ok()));
        through
    }
}
