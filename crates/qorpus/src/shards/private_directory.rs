//! Directories of one user in shared places: the cache, and stages.
//!
//! A user who can write there could change a copy, or keep a file open that becomes a shard. So
//! each user has a separate directory, and a link or a directory of another user is refused.

use crate::error::{Error, Result, io};
use nix::libc;
use nix::unistd::geteuid;
use std::fs::{DirBuilder, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Returns the directory of this user in the shared directory `parent`, by its purpose.
pub(super) fn path_in(parent: &Path, purpose: &str) -> PathBuf {
    parent.join(format!("qorpus-{purpose}-{}", geteuid()))
}

/// Creates the directory at `path` for this user alone, unless it exists. `option` is named in
/// errors as the way to choose another place.
///
/// # Errors
/// [`Error::Untrusted`] if others may write to it or replace it.
pub(super) fn create(path: &Path, option: &str) -> Result<()> {
    let refused = |path: &Path, reason: String| {
        Error::Untrusted(path.into(), format!("{reason}; choose another place with {option}"))
    };
    let above = path.parent().unwrap_or(path);
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder.recursive(true).create(above).map_err(io(above, "create the directory"))?;
    let found = above.metadata().map_err(io(above, "look at the directory"))?;
    // In /tmp the sticky bit keeps users from renaming files of others.
    if found.mode() & 0o1002 == 0o002 {
        let reason =
            "is writable by everyone and has no sticky bit, so other users can replace files in it".into();
        return Err(refused(above, reason));
    }
    // A process that ends removes an empty stage, perhaps just now.
    builder.recursive(false);
    while !is_private(path, &builder, refused)? {}
    Ok(())
}

/// Creates the directory at `path` unless it exists, and checks it; returns whether it is still
/// there.
fn is_private(path: &Path, builder: &DirBuilder, refused: impl Fn(&Path, String) -> Error) -> Result<bool> {
    match builder.create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made.map_err(io(path, "create the directory"))?,
    }
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Ok(found) if found.is_dir() => {}
        _ => return Err(refused(path, "is not a directory, but a link or a file".into())),
    }
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_DIRECTORY);
    // Another user's directory cannot be opened.
    let found = match options.open(path) {
        Ok(directory) => directory.metadata().map(|found| (found, Some(directory))),
        Err(_) => path.symlink_metadata().map(|found| (found, None)),
    };
    let (found, directory) = match found {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        found => found.map_err(io(path, "look at the directory"))?,
    };
    if found.uid() != geteuid().as_raw() {
        return Err(refused(path, format!("belongs to another user (uid {})", found.uid())));
    }
    if found.mode() & 0o022 != 0 {
        return Err(refused(path, "is writable by other users".into()));
    }
    if found.mode() & 0o777 != 0o700 {
        let permissions = Permissions::from_mode(0o700);
        let set = directory.map_or(Ok(()), |directory| directory.set_permissions(permissions));
        set.map_err(io(path, "restrict its permissions"))?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{chown, symlink};

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn refused(path: &Path) -> String {
        let error = create(path, "QORPUS_X").unwrap_err();
        assert!(matches!(error, Error::Untrusted { .. }), "{error}");
        assert!(error.to_string().contains("QORPUS_X"));
        error.to_string()
    }

    #[test]
    fn processes_that_end_do_not_disturb_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(directory.path(), "stage");
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        create(&path, "QORPUS_X").unwrap();
                        let _ = std::fs::remove_dir(&path);
                    }
                });
            }
        });
    }

    #[test]
    fn a_private_directory_is_nobody_elses() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("a/b");
        let path = path_in(&place, "x");
        create(&path, "QORPUS_X").unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        set(&path, 0o755);
        create(&path, "QORPUS_X").unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        set(&path, 0o770);
        assert!(refused(&path).contains("writable by other users"));
        set(&path, 0o700);
        set(&place, 0o1777);
        create(&path, "QORPUS_X").unwrap();
        set(&place, 0o777);
        assert!(refused(&path).contains("sticky"));
        set(&place, 0o700);
        std::fs::remove_dir(&path).unwrap();
        symlink(directory.path(), &path).unwrap();
        assert!(refused(&path).contains("link"));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(refused(&path).contains("file"));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        // Only root can make another user's.
        if chown(&path, Some(65_534), None).is_ok() {
            assert!(refused(&path).contains("uid 65534"));
        }
    }
}
