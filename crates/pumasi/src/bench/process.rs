//! A process that is measured: what it used of processor and memory, and what its pages say.

use crate::fault::Fault;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Ticks a second in `/proc`, the same on every Linux.
const TICKS_PER_S: f64 = 100.0;
/// Longest answer of a metrics page.
const PAGE_MAX: u64 = 4 << 20;
/// Longest wait for it.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a process used so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Processor time, user and system, in s.
    pub cpu_s: f64,
    /// Resident memory in bytes.
    pub resident_bytes: f64,
}

/// Reads it from `/proc`; other systems have no figure here.
pub fn usage(pid: u32) -> Result<Usage, Fault> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
    let (stat, status) = read("stat").and_then(|stat| Ok((stat, read("status")?))).map_err(Fault::bug)?;
    parse(&stat, &status).ok_or_else(|| Fault::bug("the system says nothing of its processes"))
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The name of the program may hold blanks and brackets; fields are counted behind its last bracket (proc_pid_stat(5)).
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(Usage { cpu_s: (ticks(11)? + ticks(12)?) / TICKS_PER_S, resident_bytes: kib * 1024.0 })
}

/// Processor time of a process, of its children that ended, and of those that live, and theirs, in s; 0 of one that is gone.
pub fn family_cpu_s(pid: u32) -> f64 {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    own_and_ended_s(&read("stat")).unwrap_or(0.0) + children(pid).into_iter().map(family_cpu_s).sum::<f64>()
}

fn own_and_ended_s(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = (11..15).map(|at| fields.get(at)?.parse::<f64>().ok()).sum::<Option<f64>>();
    Some(ticks? / TICKS_PER_S)
}

/// Children of a process that live.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let of_task = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let lists: Vec<String> = tasks.flatten().map(of_task).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|pid| pid.parse().ok()).collect()
}

/// Most resident memory a process had so far, in bytes.
pub fn peak_bytes(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024.0)
}

/// From now on the peak counts anew (proc(5), `clear_refs`); where the system does not let us, it stays what it was.
pub fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The metrics of a center.
pub async fn metrics(http: SocketAddr) -> io::Result<String> {
    let ask = async {
        let mut stream = TcpStream::connect(http).await?;
        stream.write_all(format!("GET /metrics HTTP/1.0\r\nHost: {http}\r\n\r\n").as_bytes()).await?;
        let mut page = String::new();
        stream.take(PAGE_MAX).read_to_string(&mut page).await?;
        Ok(page)
    };
    tokio::time::timeout(PAGE_TIMEOUT, ask).await?
}

/// One value of a metrics page.
pub fn metric(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_and_memory_are_read_behind_any_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 1 1 1";
        let used = parse(stat, "Name:\tx\nVmRSS:\t    2048 kB\n").unwrap();
        assert_eq!(used, Usage { cpu_s: 3.0, resident_bytes: 2_097_152.0 });
        assert_eq!(own_and_ended_s("7 (a) S 1 7 7 0 -1 4194560 1 0 0 0 100 50 30 20 20 0"), Some(2.0));
        assert!(usage(std::process::id()).unwrap().resident_bytes > 1e5);
        assert!(peak_bytes(std::process::id()).unwrap() > 1e5);
    }

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let page = "# TYPE a_b counter\na_bc 4\na_b 3\na{state=\"on\"} 9\n";
        assert_eq!(metric(page, "a_b"), Some(3.0));
        assert_eq!(metric(page, "a{state=\"on\"}"), Some(9.0));
        assert_eq!(metric(page, "zz"), None);
    }
}
