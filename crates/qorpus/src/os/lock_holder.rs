//! Names the holder of a lock, for messages. The kernel does not report the holder of an
//! open-file-description lock, but `/proc` shows the locks of each process.

use std::fmt::Write;
use std::fs::{File, read_dir, read_to_string};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The most holders that are named: after a fork, several processes hold one lock.
const MAX_NAMED: usize = 3;

/// Describes the processes that hold a lock on `file` covering the byte `at`, as far as this user
/// may see them.
pub(crate) fn named(file: &File, at: i64) -> Option<String> {
    let number = file.metadata().ok()?.ino();
    let mut text = String::new();
    let processes = read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        holds(&entry.path(), number, at).then_some(process)
    });
    for process in processes.take(MAX_NAMED) {
        let before = if text.is_empty() { "" } else { ", " };
        let _ = if process == std::process::id() {
            write!(text, "{before}another writer of this process ({process})")
        } else {
            write!(text, "{before}process {process}{}", described(process))
        };
    }
    (!text.is_empty()).then_some(text)
}

/// Returns whether the process with this directory has such a lock.
fn holds(process: &Path, number: u64, at: i64) -> bool {
    let Ok(files) = read_dir(process.join("fdinfo")) else { return false };
    files.flatten().filter_map(|file| read_to_string(file.path()).ok()).any(|text| {
        text.lines().filter_map(|line| line.strip_prefix("lock:")).any(|lock| covers(lock, number, at))
    })
}

/// Returns whether a line such as `1: OFDLCK ADVISORY WRITE -1 08:02:1234 0 EOF` is a lock of this
/// byte of the file with this number.
fn covers(lock: &str, number: u64, at: i64) -> bool {
    let words: Vec<&str> = lock.split_whitespace().collect();
    let [.., file, start, end] = words[..] else { return false };
    let is_file = file.rsplit(':').next().and_then(|found| found.parse().ok()) == Some(number);
    let is_range = words.iter().any(|word| matches!(*word, "OFDLCK" | "POSIX"));
    let from_start = start.parse().is_ok_and(|start: i64| start <= at);
    is_file && is_range && from_start && (end == "EOF" || end.parse().is_ok_and(|end: i64| at <= end))
}

/// Returns the name of a process's program, and whether the process is stopped.
fn described(process: u32) -> String {
    let stat = read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name is in parentheses and may contain parentheses.
    let parts = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
    parts.map_or_else(String::new, |(name, rest)| {
        let stopped = if rest.trim_start().starts_with(['T', 't']) { ", stopped" } else { "" };
        format!(" ({}{stopped})", crate::remedy::brief(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_locks() {
        let line = "\t1: OFDLCK  ADVISORY  WRITE -1 08:02:1234 0 0";
        assert!(covers(line, 1234, 0) && !covers(line, 1234, 1) && !covers(line, 234, 0));
        assert!(covers("1: POSIX ADVISORY READ 77 00:2f:9 0 EOF", 9, i64::MAX));
        assert!(!covers("1: FLOCK ADVISORY WRITE 77 00:2f:9 0 EOF", 9, 0) && !covers("", 9, 0));
    }
}
