//! Which of the owner's listed programs run: names in `/proc/*/comm`.

use crate::fleet::sensors::COMM_MAX;
use std::io::Read;
use std::path::Path;

/// Processes looked at in one scan.
const PROCESSES_MAX: usize = 8_192;

/// The names looked for.
#[derive(Debug, Default)]
pub(super) struct Programs {
    wanted: Vec<String>,
}

impl Programs {
    pub(super) fn look_for(&mut self, apps: &[String]) {
        self.wanted = apps.to_vec();
    }

    /// Those that run, as the owner wrote them. None where the kernel lists no processes; nothing is read without names.
    pub(super) fn running(&self, root: &Path) -> Option<Vec<String>> {
        let processes = std::fs::read_dir(root.join("proc")).ok()?;
        let mut found = vec![false; self.wanted.len()];
        if self.wanted.is_empty() {
            return Some(Vec::new());
        }
        let is_number = |name: &std::ffi::OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        let processes = processes.filter_map(Result::ok).filter(|entry| is_number(&entry.file_name()));
        for process in processes.take(PROCESSES_MAX) {
            let Some(comm) = comm(&process.path()) else { continue };
            for (found, wanted) in found.iter_mut().zip(&self.wanted) {
                *found |= same(wanted.as_bytes(), &comm);
            }
        }
        let found = self.wanted.iter().zip(found).filter(|(_, found)| *found).map(|(name, _)| name.clone());
        Some(found.collect())
    }
}

/// The kernel keeps the first 15 bytes of a name.
fn same(wanted: &[u8], comm: &[u8]) -> bool {
    !wanted.is_empty() && wanted[..wanted.len().min(COMM_MAX)].eq_ignore_ascii_case(comm)
}

fn comm(process: &Path) -> Option<Vec<u8>> {
    let mut comm = Vec::new();
    std::fs::File::open(process.join("comm")).ok()?.take(64).read_to_end(&mut comm).ok()?;
    comm.truncate(comm.iter().position(|byte| *byte == b'\n').unwrap_or(comm.len()));
    Some(comm)
}
