//! What this machine is and has: system, processor, cores, memory, free disk. Read once at join and when asked.

use model::{Arch, Bytes, Os};
use std::path::Path;

/// The system family this program was built for.
pub const fn os() -> Os {
    if cfg!(target_os = "linux") {
        Os::Linux
    } else if cfg!(target_os = "windows") {
        Os::Windows
    } else if cfg!(target_os = "macos") {
        Os::Macos
    } else {
        Os::Other
    }
}

/// The processor family this program was built for.
pub const fn arch() -> Arch {
    if cfg!(target_arch = "x86_64") {
        Arch::X86_64
    } else if cfg!(target_arch = "aarch64") {
        Arch::Aarch64
    } else {
        Arch::Other
    }
}

/// Logical processors this process may use.
pub fn cores() -> u16 {
    std::thread::available_parallelism().map_or(1, |n| u16::try_from(n.get()).unwrap_or(u16::MAX))
}

/// Memory of the machine in MiB: total and available. (0, 0) where the system does not say.
pub fn memory_mib() -> (u32, u32) {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    (meminfo_mib(&text, "MemTotal:"), meminfo_mib(&text, "MemAvailable:"))
}

/// The value of one line of `/proc/meminfo`, which counts KiB.
fn meminfo_mib(text: &str, name: &str) -> u32 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)).and_then(|rest| rest.split_whitespace().next());
    value.and_then(|kib| kib.parse::<u64>().ok()).map_or(0, |kib| u32::try_from(kib / 1024).unwrap_or(u32::MAX))
}

/// Size of the file system that `dir` lies on, and what is free for us there.
pub fn disk(dir: &Path) -> Option<(Bytes, Bytes)> {
    let existing = dir.ancestors().find(|d| d.exists())?;
    let stat = nix::sys::statvfs::statvfs(existing).ok()?;
    let unit = stat.fragment_size();
    Some((Bytes(stat.blocks() * unit), Bytes(stat.blocks_available() * unit)))
}

/// True when `dir` lies on a file system that lives in memory: nothing there survives a reboot.
pub fn is_memory_disk(dir: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    let existing = dir.ancestors().find(|d| d.exists());
    let kind = existing.and_then(|d| nix::sys::statfs::statfs(d).ok()).map(|s| s.filesystem_type().0);
    matches!(kind, Some(TMPFS | RAMFS))
}

/// Name of the host, for a default name of the node; at most 64 bytes.
pub fn host_name() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|n| n.into_string().ok()).unwrap_or_default();
    let short: String =
        name.split('.').next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(16).collect();
    if short.is_empty() { "pc".to_owned() } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_memory_and_a_disk() {
        assert!(cores() >= 1);
        let (total, available) = memory_mib();
        assert!(total >= available && total > 0);
        let (size, free) = disk(Path::new("/nonexistent/below/root")).expect("the root file system answers");
        assert!(size >= free);
    }

    #[test]
    fn a_missing_line_counts_as_nothing() {
        assert_eq!(meminfo_mib("MemFree: 2048 kB\n", "MemTotal:"), 0);
        assert_eq!(meminfo_mib("MemTotal:    2097152 kB\n", "MemTotal:"), 2048);
    }
}
