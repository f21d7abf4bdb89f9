//! Processor, pressure and memory: shares of the time since an earlier look.

use super::{WINDOW_MS, share, text};
use model::Ppm;
use std::collections::VecDeque;
use std::path::Path;

/// Looks that are kept; at ten a second they span more than the window.
const HISTORY_MAX: usize = 16;
/// Processes of our own tree whose time is counted.
const OWN_MAX: usize = 128;

/// Shares of time in which something waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pressure {
    pub(super) cpu_some: Ppm,
    pub(super) io_some: Ppm,
    pub(super) io_full: Ppm,
    pub(super) memory_some: Ppm,
    pub(super) memory_full: Ppm,
}

/// What one look says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) cpu_other: Option<Ppm>,
    pub(super) pressure: Option<Pressure>,
    pub(super) memory_available_mib: Option<u32>,
}

/// Counters at a moment.
#[derive(Debug, Clone, Copy)]
struct Counters {
    at_ms: u64,
    cpu: Option<Ticks>,
    /// Microseconds of waiting: cpu some, io some, io full, memory some, memory full.
    stalled_us: Option<[u64; 5]>,
}

/// Kernel ticks since boot.
#[derive(Debug, Clone, Copy)]
struct Ticks {
    all: u64,
    busy: u64,
    own: u64,
}

/// Remembers earlier looks.
#[derive(Debug, Default)]
pub(super) struct Load {
    history: VecDeque<Counters>,
}

impl Load {
    pub(super) fn look(&mut self, root: &Path, at_ms: u64) -> Loaded {
        let now = Counters { at_ms, cpu: ticks(root), stalled_us: stalled_us(root) };
        // The newest look that is old enough, else the oldest there is.
        let old_enough = |then: &&Counters| then.at_ms + WINDOW_MS <= at_ms;
        let then = self.history.iter().rev().find(old_enough).or(self.history.front()).copied();
        self.history.push_back(now);
        if self.history.len() > HISTORY_MAX {
            self.history.pop_front();
        }
        let since = |pair: fn(&Counters, &Counters) -> Option<Ppm>| then.map_or(Some(Ppm(0)), |then| pair(&then, &now));
        Loaded {
            cpu_other: now.cpu.and_then(|_| since(other_share)),
            pressure: now.stalled_us.map(|_| then.and_then(|then| pressure(&then, &now)).unwrap_or_default()),
            memory_available_mib: memory_available_mib(root),
        }
    }
}

fn other_share(then: &Counters, now: &Counters) -> Option<Ppm> {
    let (then, now) = (then.cpu?, now.cpu?);
    let busy = now.busy.saturating_sub(then.busy);
    let own = now.own.saturating_sub(then.own);
    Some(share(busy.saturating_sub(own), now.all.saturating_sub(then.all)))
}

fn pressure(then: &Counters, now: &Counters) -> Option<Pressure> {
    let (before, after) = (then.stalled_us?, now.stalled_us?);
    let whole_us = now.at_ms.saturating_sub(then.at_ms).saturating_mul(1_000);
    let of = |i: usize| share(after[i].saturating_sub(before[i]), whole_us);
    Some(Pressure { cpu_some: of(0), io_some: of(1), io_full: of(2), memory_some: of(3), memory_full: of(4) })
}

/// First line of `/proc/stat`: user nice system idle iowait irq softirq steal. Time stolen by a hypervisor is nobody's
/// use of this machine.
fn ticks(root: &Path) -> Option<Ticks> {
    let stat = text(&root.join("proc/stat"))?;
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, idle, iowait, irq, softirq, steal] = fields[..] else { return None };
    let busy = [user, nice, system, irq, softirq].into_iter().fold(0u64, u64::saturating_add);
    let all = [busy, idle, iowait, steal].into_iter().fold(0u64, u64::saturating_add);
    Some(Ticks { all, busy, own: own_ticks(root)? })
}

/// Ours: this process with its ended children, and its living descendants.
fn own_ticks(root: &Path) -> Option<u64> {
    let proc = root.join("proc");
    let (pid, mut sum) = process_ticks(&text(&proc.join("self/stat"))?)?;
    let mut open = children(&proc, pid);
    let mut seen = 0;
    while let Some(child) = open.pop() {
        seen += 1;
        if seen > OWN_MAX {
            break;
        }
        if let Some((_, ticks)) = text(&proc.join(child.to_string()).join("stat")).as_deref().and_then(process_ticks) {
            sum = sum.saturating_add(ticks);
            open.extend(children(&proc, child));
        }
    }
    Some(sum)
}

/// Children of all threads of a process; none where the kernel does not list them.
fn children(proc: &Path, pid: u64) -> Vec<u64> {
    let tasks = proc.join(pid.to_string()).join("task");
    let Some(threads) = super::names(&tasks, "") else { return Vec::new() };
    let lists = threads.iter().filter_map(|thread| text(&tasks.join(thread).join("children")));
    let pids = lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u64>>());
    pids.take(OWN_MAX).collect()
}

/// Process id and utime + stime + cutime + cstime of a `stat` line (`proc_pid_stat(5)`, fields 1 and 14 to 17).
fn process_ticks(stat: &str) -> Option<(u64, u64)> {
    let pid = stat.split_whitespace().next()?.parse().ok()?;
    // The name stands in parentheses and may hold anything, also parentheses.
    let after_name = stat.rsplit_once(')')?.1;
    let times: Vec<u64> =
        after_name.split_whitespace().skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    (times.len() == 4).then(|| (pid, times.into_iter().fold(0, u64::saturating_add)))
}

fn stalled_us(root: &Path) -> Option<[u64; 5]> {
    let folder = root.join("proc/pressure");
    let (cpu, io, memory) = (text(&folder.join("cpu"))?, text(&folder.join("io"))?, text(&folder.join("memory"))?);
    Some([
        total_us(&cpu, "some")?,
        total_us(&io, "some")?,
        total_us(&io, "full")?,
        total_us(&memory, "some")?,
        total_us(&memory, "full")?,
    ])
}

/// `total=` of a line of a pressure file, in microseconds.
fn total_us(text: &str, kind: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(kind))?;
    line.split_whitespace().find_map(|field| field.strip_prefix("total="))?.parse().ok()
}

fn memory_available_mib(root: &Path) -> Option<u32> {
    let text = text(&root.join("proc/meminfo"))?;
    let rest = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(u32::try_from(kib / 1024).unwrap_or(u32::MAX))
}
