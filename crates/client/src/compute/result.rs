//! What one attempt leaves: names of its outputs, and the hash by which results are held against each other.

use model::JobId;
use serde::{Deserialize, Serialize};

/// Object of a guest's standard output.
pub const STDOUT: &str = "stdout";
/// Object of the end of its standard error.
pub const LOG: &str = "log";

/// An output of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Made {
    /// Its name below the attempt's folder; `blocks` for what a mapper made for its parts.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of them.
    pub hash: [u8; 32],
}

/// The hash under which a result is compared: keyed BLAKE3 over the exit code and, in the order of their names, each output's
/// name, size and hash.
pub fn result_hash(check_key: &[u8; 32], exit: i32, made: &[Made]) -> [u8; 32] {
    let mut sorted: Vec<&Made> = made.iter().collect();
    sorted.sort();
    let mut hasher = blake3::Hasher::new_keyed(check_key);
    hasher.update(&exit.to_le_bytes()).update(&(sorted.len() as u64).to_le_bytes());
    for one in sorted {
        hasher.update(&(one.name.len() as u64).to_le_bytes()).update(one.name.as_bytes());
        hasher.update(&one.size.to_le_bytes()).update(&one.hash);
    }
    *hasher.finalize().as_bytes()
}

/// Folder of an item's attempts below the job's, with a `/` at its end.
pub fn folder_of_item(stage: u8, item: u32) -> String {
    format!("o/{stage}/{item}/")
}

/// Name of a file of `/out` below an attempt's folder.
pub fn files_name(path: &str) -> String {
    format!("f/{path}")
}

/// Folder of a part's blocks below the job's, with a `/` at its end.
pub fn folder_of_part(part: u32) -> String {
    format!("m/{part}/")
}

/// Name of a mapper's block below its part's folder.
pub fn block_below(item: u32, serial: u64) -> String {
    format!("{item}/{serial:016x}")
}

/// Name of a mapper's block below the job's folder.
pub fn block_name(part: u32, item: u32, serial: u64) -> String {
    format!("{}{}", folder_of_part(part), block_below(item, serial))
}

/// Folder of one attempt below its item's, with a `/` at its end.
pub fn folder_of_attempt(serial: u64) -> String {
    format!("{serial:016x}/")
}

/// A job's folder in its bucket, with a `/` at its end.
pub fn folder_of(job: &JobId) -> String {
    let hex: String = job.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}{hex}/", super::submit::HIDDEN_JOBS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_covers_exit_code_names_sizes_and_bytes_in_any_order() {
        let made = |name: &str, hash: u8| Made { name: name.to_owned(), size: 3, hash: [hash; 32] };
        let key = [1; 32];
        let base = result_hash(&key, 0, &[made("a", 1), made("b", 2)]);
        assert_eq!(base, result_hash(&key, 0, &[made("b", 2), made("a", 1)]));
        let others = [
            result_hash(&[2; 32], 0, &[made("a", 1), made("b", 2)]),
            result_hash(&key, 1, &[made("a", 1), made("b", 2)]),
            result_hash(&key, 0, &[made("a", 2), made("b", 1)]),
            result_hash(&key, 0, &[made("a", 1)]),
            result_hash(&key, 0, &[made("ab", 1), made("b", 2)]),
            result_hash(&key, 0, &[made("a", 1), Made { size: 4, ..made("b", 2) }]),
        ];
        assert!(others.iter().all(|other| *other != base));
    }
}
