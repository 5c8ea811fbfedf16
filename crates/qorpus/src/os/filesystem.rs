//! File systems: network file systems, where SQLite's locks and shared memory do not work between
//! machines, and free space.

use crate::error::{Error, Result, io};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::statfs::statfs;
use nix::sys::statvfs::statvfs;
use std::path::Path;

/// Turns writes beyond a limit on file sizes (`ulimit -f`) into errors; by default the system kills
/// the process. Applies to the whole process, and to programs it starts.
#[expect(unsafe_code, reason = "a disposition of signals is the process's")]
pub fn report_file_limits() {
    // SAFETY: ignoring a signal installs no code that might interrupt other code.
    let _ = unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
}

/// File system types (statfs(2)) that share files between machines, or FUSE, which may hide one.
const NETWORK_FILE_SYSTEMS: [(u32, &str); 12] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x5346_414F, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
];

/// Refuses a directory on a network file system.
pub(crate) fn check(directory: &Path, corpus: &Path) -> Result<()> {
    let found = statfs(directory).map_err(|error| io(directory, "look at the file system")(error.into()))?;
    match network(found.filesystem_type().0 as u32) {
        Some(kind) => Err(Error::NetworkFileSystem(corpus.into(), kind)),
        None => Ok(()),
    }
}

/// Refuses `needed` bytes for `corpus` with [`Error::NoRoom`] if the file system of `place`, or of
/// the first existing directory above it, has less free space. Other programs may use the space
/// meanwhile, so this only stops jobs that cannot succeed.
pub(crate) fn check_room(place: &Path, corpus: &Path, needed: u64) -> Result<()> {
    let place = std::path::absolute(place).map_err(io(place, "find the directory"))?;
    match place.ancestors().find(|above| above.is_dir()).and_then(free) {
        Some(free) if free < needed => Err(Error::NoRoom { path: corpus.into(), needed, free }),
        _ => Ok(()),
    }
}

/// Returns the bytes that this user may still write; `None` if the file system does not report
/// them.
fn free(directory: &Path) -> Option<u64> {
    let found = statvfs(directory).ok()?;
    let size = found.fragment_size();
    (found.blocks() > 0).then(|| found.blocks_available().saturating_mul(size))
}

/// Returns the name of the network file system with this type.
fn network(kind: u32) -> Option<&'static str> {
    NETWORK_FILE_SYSTEMS.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room() {
        let directory = tempfile::tempdir().unwrap();
        let corpus = directory.path().join("not").join("yet.db");
        assert!(check_room(&corpus, &corpus, 1).is_ok());
        let refused = check_room(&corpus, &corpus, u64::MAX).unwrap_err();
        let Error::NoRoom { needed: u64::MAX, free, .. } = refused else { panic!("{refused}") };
        let text = refused.to_string();
        assert!(text.contains("18,446,744,073,709,551,615 bytes, but"), "{text}");
        assert!(free > 0 && text.contains("--force") && text.contains("force=True"), "{text}");
    }

    #[test]
    fn types() {
        assert_eq!(network(0xFF53_4D42), Some("CIFS"));
        assert_eq!(network(0xEF53), None, "ext4");
        assert_eq!(network(0x0102_1994), None, "tmpfs");
        let directory = tempfile::tempdir().unwrap();
        assert!(check(directory.path(), &directory.path().join("c.db")).is_ok());
    }
}
