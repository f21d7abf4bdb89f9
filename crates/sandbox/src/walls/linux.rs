//! Walls on Linux, layer by layer, and then the trial from inside.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope, path_beneath_rules,
};
use nix::sched::CloneFlags;
use nix::sys::resource::{Resource, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use super::{Bounds, Raised, Walls};

/// Open files at most, of the process and so of its guest.
const OPEN_FILES: u64 = 128;

/// One layer of the walls, in the order they are raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Nothing that the parent had open stays open, the three standard pipes apart.
    Descriptors,
    /// No program run from here gains rights.
    NoNewPrivileges,
    /// Bounds of memory, files, processor time; no second process.
    Rlimits,
    /// Own user, net, ipc, mount and uts namespaces.
    Namespaces,
    /// The private folder is the root.
    Root,
    /// Only the private folder, only to read and write.
    Landlock,
    /// No right of root is left, not even over its own namespaces.
    Capabilities,
    /// Only the system calls a child needs.
    Seccomp,
}

impl Layer {
    /// All layers, in the order they are raised.
    pub const ALL: [Self; 8] = [
        Self::Descriptors,
        Self::NoNewPrivileges,
        Self::Rlimits,
        Self::Namespaces,
        Self::Root,
        Self::Landlock,
        Self::Capabilities,
        Self::Seccomp,
    ];

    /// The name a report has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Descriptors => "no inherited descriptors",
            Self::NoNewPrivileges => "no new privileges",
            Self::Rlimits => "rlimits",
            Self::Namespaces => "namespaces of user, net, ipc, mount and uts",
            Self::Root => "root in the private folder",
            Self::Landlock => "landlock",
            Self::Capabilities => "no capabilities",
            Self::Seccomp => "seccomp",
        }
    }

    fn raise(self, bounds: &Bounds) -> Result<(), String> {
        let told = |tried: nix::Result<()>| tried.map_err(|errno| errno.to_string());
        match self {
            Self::Descriptors => close_inherited().map_err(|error| error.to_string()),
            Self::NoNewPrivileges => told(nix::sys::prctl::set_no_new_privs()),
            Self::Rlimits => told(limit(bounds)),
            Self::Namespaces => told(leave_namespaces()),
            Self::Root => told(enter_folder()),
            Self::Landlock => lock_files(),
            Self::Capabilities => drop_capabilities().map_err(|error| error.to_string()),
            Self::Seccomp => filter_calls(),
        }
    }
}

/// Every layer this kernel allows.
#[derive(Clone, Debug, Default)]
pub struct LinuxWalls {
    without: Vec<Layer>,
}

impl LinuxWalls {
    /// Walls that leave some layers out, to see what the others hold alone. Never for foreign bytes.
    pub fn without(layers: &[Layer]) -> Self {
        Self { without: layers.to_vec() }
    }
}

impl Walls for LinuxWalls {
    fn raise(&self, bounds: &Bounds) -> Raised {
        let mut raised = Raised::default();
        let mut standing = Vec::new();
        for layer in Layer::ALL {
            if layer == Layer::Seccomp && bounds.gives_way {
                // No wall, but the owner's right: as late as can be, because from here on others go first.
                raised.note("idle scheduling", give_way());
            }
            let is_left_out = self.without.contains(&layer);
            let tried = if is_left_out { Err("left out".into()) } else { layer.raise(bounds) };
            if raised.note(layer.name(), tried) {
                standing.push(layer);
            }
        }
        let has = |layer| standing.contains(&layer);
        let is_deaf = raised.note("trial: no network", try_network());
        let is_blind = raised.note("trial: no files", try_files());
        raised.missing.push("own user: not built".into());
        raised.missing.push("cgroup: not built".into());
        // An own root holds only while no directory outside is open and no call can change it.
        let is_locked = has(Layer::Landlock) || (has(Layer::Root) && has(Layer::Descriptors));
        raised.level = match (has(Layer::Seccomp) && has(Layer::Rlimits), is_deaf && is_blind && is_locked) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        raised
    }
}

/// Computes only while nobody else wants to, and is last at the disk: the kernel takes idle IO from idle scheduling.
fn give_way() -> Result<(), String> {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle).map_err(|error| format!("{error:?}"))
}

/// Closes what came along from the parent by mistake.
fn close_inherited() -> io::Result<()> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()).filter(|fd| *fd > 2));
    }
    // The listing's own descriptor is among them and closed already.
    for fd in open {
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

fn limit(bounds: &Bounds) -> nix::Result<()> {
    let limits = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NPROC, 0),
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_NOFILE, OPEN_FILES),
        (Resource::RLIMIT_DATA, bounds.data_bytes),
        (Resource::RLIMIT_FSIZE, bounds.file_bytes),
        (Resource::RLIMIT_CPU, bounds.cpu_s),
    ];
    limits.into_iter().try_for_each(|(resource, most)| setrlimit(resource, most, most))
}

/// Namespaces of this process alone. No pid namespace: it would hold for children only, and there are none.
fn leave_namespaces() -> nix::Result<()> {
    let own = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS;
    nix::sched::unshare(own | CloneFlags::CLONE_NEWUSER)
}

/// Makes the private folder the root. Possible with an own user namespace, or for a node that runs as root.
/// No directory outside is open and no later call can change the root, so there is no way back.
fn enter_folder() -> nix::Result<()> {
    nix::unistd::chroot(".")?;
    nix::unistd::chdir("/")
}

/// Only `in` for reading and `out` and `tmp` for all but running and making special files; no TCP, no foreign signals.
fn lock_files() -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let abi = ABI::V6;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let special =
        AccessFs::MakeBlock | AccessFs::MakeChar | AccessFs::MakeFifo | AccessFs::MakeSock | AccessFs::MakeSym;
    let write: BitFlags<AccessFs> = AccessFs::from_all(abi) & !(AccessFs::Execute | AccessFs::IoctlDev | special);
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.add_rules(path_beneath_rules(["in"], read)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(["out", "tmp"], write)))
        .and_then(|rules| rules.restrict_self())
        .map_err(|error| text(&error))?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err("the kernel does not have it".into()),
        _ => Ok(()),
    }
}

/// Gives up every capability; a node without any has none to give up.
fn drop_capabilities() -> Result<(), caps::errors::CapsError> {
    use caps::CapSet::{Ambient, Effective, Inheritable, Permitted};
    [Ambient, Effective, Inheritable, Permitted].into_iter().try_for_each(|set| caps::clear(None, set))
}

/// What a child calls: memory, its pipes, its folder, time, its end. Anything else fails with "not permitted".
const CALLS: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_getdents64,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_readlinkat,
    libc::SYS_ftruncate,
    libc::SYS_fcntl,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_membarrier,
    libc::SYS_rseq,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

fn filter_calls() -> Result<(), String> {
    let rules: BTreeMap<i64, Vec<_>> = CALLS.iter().map(|call| (*call, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let arch = std::env::consts::ARCH.try_into().map_err(|error| format!("{error}"))?;
    let filter = SeccompFilter::new(rules, refused, SeccompAction::Allow, arch).map_err(|error| error.to_string())?;
    let program: BpfProgram = filter.try_into().map_err(|error: seccompiler::BackendError| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

/// Tries to get a socket of each kind.
fn try_network() -> Result<(), String> {
    let address = ([127, 0, 0, 1], 9).into();
    let refused = [
        is_refused(&UdpSocket::bind("127.0.0.1:0")),
        is_refused(&UdpSocket::bind("[::1]:0")),
        is_refused(&TcpStream::connect_timeout(&address, Duration::from_millis(50))),
        is_refused(&UnixDatagram::unbound()),
    ];
    if refused.iter().all(|is_refused| *is_refused) { Ok(()) } else { Err("a socket could be made".into()) }
}

/// Tries files that every Linux has, from the root and by climbing, and to make one outside of `out` and `tmp`.
fn try_files() -> Result<(), String> {
    let paths =
        ["/etc/passwd", "/proc/self/status", "/proc/self/exe", "/dev/null", "../../../../../../../../etc/passwd"];
    match paths.into_iter().find(|path| File::open(path).is_ok()) {
        Some(path) => Err(format!("{path} could be opened")),
        None => Ok(()),
    }
}

/// Whether a trial was refused as such; a refused connection, for instance, is a network that answers.
fn is_refused<T>(tried: &io::Result<T>) -> bool {
    matches!(tried, Err(error) if error.kind() == ErrorKind::PermissionDenied)
}
