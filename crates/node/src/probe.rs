//! Measuring this machine at join: processor by a native suite, disk with fsync. The network part stands in
//! `probe/link.rs`, since it needs others.
//!
//! All of it is bounded: [`CPU_TIME`] on all cores, [`DISK_BYTES`] written and removed again.

pub mod link;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long the processor is measured.
pub const CPU_TIME: Duration = Duration::from_millis(1_500);
/// Bytes of the sequential test.
pub const DISK_BYTES: usize = 64 << 20;
/// Small writes with fsync.
pub const FSYNC_COUNT: usize = 40;
/// The whole disk test ends at the latest after this.
pub const DISK_TIME: Duration = Duration::from_secs(6);

/// What the disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskProbe {
    /// Median of a 16 KiB write with fsync, in ms, rounded up.
    pub fsync_p50_ms: u16,
    /// 99th percentile likewise.
    pub fsync_p99_ms: u16,
    /// Sequential write until durable, MB/s.
    pub write_mb_s: u16,
}

/// Loops of the reference suite per second on all `cores`, in thousands. A loop is 64 steps of integer multiply, table
/// walk in 64 KiB and a dependent add: integer speed and first-level cache, no vector units. Not fuel.
pub fn cpu(cores: u16) -> u64 {
    let workers: Vec<_> =
        (0..cores.max(1)).map(|seed| thread::spawn(move || cpu_worker(u64::from(seed) + 1, CPU_TIME))).collect();
    let loops: u64 = workers.into_iter().map(|w| w.join().unwrap_or(0)).sum();
    loops / u64::try_from(CPU_TIME.as_millis()).unwrap_or(1).max(1)
}

fn cpu_worker(seed: u64, time: Duration) -> u64 {
    let mut table: Vec<u64> = (0..8_192).map(|i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    let (end, mut state, mut loops) = (Instant::now() + time, seed, 0);
    while Instant::now() < end {
        for _ in 0..1_000 {
            for _ in 0..64 {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                let at = (state >> 51) as usize;
                table[at] = table[at].wrapping_add(state);
                state ^= table[at];
            }
        }
        loops += 1_000;
    }
    std::hint::black_box(state);
    loops
}

/// Writes and syncs in `dir` as pieces would be; the file is removed afterwards.
pub fn disk(dir: &Path) -> io::Result<DiskProbe> {
    std::fs::create_dir_all(dir)?;
    let path = dir.join(format!("probe-{}", std::process::id()));
    let result = disk_at(&path);
    let _ = std::fs::remove_file(&path);
    result
}

fn disk_at(path: &Path) -> io::Result<DiskProbe> {
    let end = Instant::now() + DISK_TIME;
    let mut file = File::create(path)?;
    let small = noise(16 << 10);
    let mut times = Vec::with_capacity(FSYNC_COUNT);
    while times.len() < FSYNC_COUNT && Instant::now() < end {
        let begun = Instant::now();
        file.write_all(&small)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let large = noise(1 << 20);
    let (begun, mut written) = (Instant::now(), 0);
    while written < DISK_BYTES && Instant::now() < end {
        file.write_all(&large)?;
        written += large.len();
    }
    file.sync_all()?;
    let micros = begun.elapsed().as_micros().max(1);
    Ok(DiskProbe {
        fsync_p50_ms: up_ms(times[times.len() / 2]),
        fsync_p99_ms: up_ms(times[(times.len() - 1) * 99 / 100]),
        write_mb_s: u16::try_from(written as u128 / micros).unwrap_or(u16::MAX),
    })
}

fn up_ms(time: Duration) -> u16 {
    u16::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(u16::MAX)
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).take(len / 8).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_measured_and_left_clean() {
        let dir = tempfile::tempdir().unwrap();
        let probe = disk(dir.path()).unwrap();
        assert!(probe.fsync_p99_ms >= probe.fsync_p50_ms && probe.write_mb_s > 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_processor_counts_loops() {
        assert!(cpu_worker(1, Duration::from_millis(20)) > 0);
    }
}
