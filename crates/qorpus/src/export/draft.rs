//! Files that get their names only when they are finished.

use crate::error::{Error, Result, io};
use crate::shards::publish::link;
use nix::libc;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// How file systems say that they cannot give a file a second name, nor rename it without
/// replacing.
const UNABLE: [i32; 5] = [libc::EPERM, libc::EOPNOTSUPP, libc::ENOSYS, libc::EMLINK, libc::EINVAL];

/// A file being written beside its target, as `TARGET.partial`; dropped unpublished, it is removed.
#[derive(Debug)]
pub(super) struct Draft {
    target: PathBuf,
    file: BufWriter<File>,
    /// Where the file is now.
    place: PathBuf,
    published: bool,
}

impl Draft {
    /// Begins the file that will be `target`.
    ///
    /// # Errors
    /// [`Error::Exists`] if `target` exists or someone else is at it, or the file cannot be
    /// created.
    pub(super) fn create(target: &Path) -> Result<Draft> {
        refuse_existing(target)?;
        let mut place = target.as_os_str().to_owned();
        place.push(".partial");
        let place = PathBuf::from(place);
        // Never shared with another export to the same target, nor with what one that was killed
        // left behind.
        let file = OpenOptions::new().write(true).create_new(true).open(&place);
        let file = file.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists(place.clone()),
            _ => io(target, "create it")(error),
        })?;
        Ok(Draft { target: target.into(), file: BufWriter::new(file), place, published: false })
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`Error::DiskFull`] or [`Error::Io`].
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(io(&self.target, "write it"))
    }
}

/// For encoders that write by themselves; their errors must be led back to [`io`].
impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed at least does not look finished.
            let _ = fs::remove_file(&self.place);
        }
    }
}

/// Refuses a target that would have to be replaced, a dangling link among them.
///
/// # Errors
/// [`Error::Exists`].
pub(super) fn refuse_existing(target: &Path) -> Result<()> {
    match target.symlink_metadata() {
        Ok(_) => Err(Error::Exists(target.into())),
        Err(_) => Ok(()),
    }
}

/// Makes the drafts durable, then gives them their names in this order: all of them, or none.
///
/// # Errors
/// A disk is full or fails, or a target has come into being meanwhile; then the drafts are gone.
pub(super) fn publish(mut drafts: Vec<Draft>) -> Result<()> {
    for draft in &mut drafts {
        let durable = draft.file.flush().and_then(|()| draft.file.get_ref().sync_all());
        durable.map_err(io(&draft.target, "write it"))?;
    }
    for draft in &mut drafts {
        match link(&draft.place, &draft.target) {
            Ok(true) => {}
            Ok(false) => return Err(Error::Exists(draft.target.clone())),
            // A file system that can do no better than to look first.
            Err(Error::Io { source, .. }) if UNABLE.contains(&source.raw_os_error().unwrap_or(0)) => {
                refuse_existing(&draft.target)?;
                fs::rename(&draft.place, &draft.target).map_err(io(&draft.target, "give it its name"))?;
            }
            Err(error) => return Err(error),
        }
        // It may still have its old name, too.
        let _ = fs::remove_file(&draft.place);
        draft.place.clone_from(&draft.target);
    }
    for draft in &mut drafts {
        draft.published = true;
        if let Some(directory) = draft.target.parent() {
            // Not every file system can; what a power cut takes then is the name, not the contents.
            let _ = File::open(directory).and_then(|directory| directory.sync_all());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_name_comes_last() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a.txt");
        let mut draft = Draft::create(&target).unwrap();
        draft.append(b"hello").unwrap();
        assert_eq!(names(directory.path()), ["a.txt.partial"]);
        assert!(
            matches!(Draft::create(&target), Err(Error::Exists(path)) if path.ends_with("a.txt.partial"))
        );
        publish(vec![draft]).unwrap();
        assert_eq!(names(directory.path()), ["a.txt"]);
        assert_eq!(fs::read(&target).unwrap(), b"hello");
        assert!(matches!(Draft::create(&target), Err(Error::Exists(path)) if path == target));
    }

    #[test]
    fn nothing_stays_of_what_is_not_published() {
        let directory = tempfile::tempdir().unwrap();
        drop(Draft::create(&directory.path().join("a.txt")).unwrap());
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn all_or_none() {
        let directory = tempfile::tempdir().unwrap();
        let targets = ["a.txt", "b.txt"].map(|name| directory.path().join(name));
        let drafts = targets.iter().map(|target| Draft::create(target).unwrap()).collect();
        fs::write(&targets[1], "someone else's").unwrap();
        assert!(matches!(publish(drafts), Err(Error::Exists(path)) if path == targets[1]));
        assert_eq!(names(directory.path()), ["b.txt"]);
        assert_eq!(fs::read(&targets[1]).unwrap(), b"someone else's");
    }

    /// Someone else makes the target at the moment at which it is published: of both, one gets the
    /// name.
    #[test]
    fn what_appears_meanwhile_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (mut won, mut lost) = (0, 0);
        for round in 0..2_000 {
            let target = directory.path().join(format!("{round}.txt"));
            let mut draft = Draft::create(&target).unwrap();
            draft.append(b"ours").unwrap();
            draft.file.flush().unwrap();
            let ready = std::sync::Barrier::new(2);
            let (published, theirs) = std::thread::scope(|scope| {
                let other = scope.spawn(|| {
                    ready.wait();
                    // Publishing saves the file first, which takes a while.
                    let until = std::time::Instant::now() + std::time::Duration::from_micros(round % 400);
                    while std::time::Instant::now() < until {}
                    let made = OpenOptions::new().write(true).create_new(true).open(&target);
                    made.map(|mut file| file.write_all(b"theirs").unwrap()).is_ok()
                });
                ready.wait();
                (publish(vec![draft]), other.join().unwrap())
            });
            match (published, theirs) {
                (Ok(()), false) => won += 1,
                (Err(Error::Exists(path)), true) if path == target => lost += 1,
                both => panic!("round {round}: {both:?}"),
            }
            let found = fs::read(&target).unwrap();
            assert_eq!(found, if theirs { &b"theirs"[..] } else { b"ours" }, "round {round}");
            fs::remove_file(target).unwrap();
            assert!(names(directory.path()).is_empty());
        }
        assert!(won > 0 && lost > 0, "{won} {lost}");
    }

    #[test]
    fn a_dangling_link_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("a.txt");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(Draft::create(&link), Err(Error::Exists(_))));
    }
}
