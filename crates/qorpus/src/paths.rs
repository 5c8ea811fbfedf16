//! Paths of corpora: absolute names, the files beside a corpus, and whether a path names a file, a
//! directory or a bucket.

use crate::error::{Error, Result, io};
use std::path::{Path, PathBuf};

/// The endings of the files that SQLite keeps beside a database.
pub(crate) const COMPANIONS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// The most links in a row that Linux follows.
const MAX_LINKS: usize = 40;

/// Returns the path for SQLite: absolute, so that no name is read as a URI, and without links. Its
/// directory must exist.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    if path.as_os_str().is_empty() {
        return Err(Error::Usage("the file name is empty".into()));
    }
    check_spelling(path)?;
    if is_sharded(path) {
        return Err(Error::Directory(path.into()));
    }
    // A file has one name, even if links lead to it, because the sidecar lock is found by that
    // name.
    match path.canonicalize() {
        Ok(path) => return Ok(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(path, "find the file")(error)),
    }
    let mut absolute = std::path::absolute(path).map_err(io(path, "find the file"))?;
    // A link to a file that does not exist yet; a circle of links leads nowhere.
    for _ in 0..MAX_LINKS {
        match (absolute.read_link(), absolute.parent()) {
            (Ok(target), Some(directory)) => absolute = directory.join(target),
            _ => break,
        }
    }
    match (absolute.parent(), absolute.file_name()) {
        (Some(directory), Some(name)) => match directory.canonicalize() {
            Ok(directory) => Ok(directory.join(name)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::MissingDirectory(directory.into()))
            }
            Err(error) => Err(io(directory, "find the directory")(error)),
        },
        _ => Err(Error::Directory(path.into())),
    }
}

/// Returns the path of the file's WAL.
pub(crate) fn wal_path(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// Returns the path of the corpus with an ending added.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The scheme of a bucket's name.
const SCHEME: &str = "s3://";

/// Returns whether `path` names a bucket.
pub(crate) fn is_bucket(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(SCHEME.as_bytes())
}

/// Refuses the name of a bucket that lacks a slash, as path libraries produce it.
pub(crate) fn check_spelling(path: &Path) -> Result<()> {
    match path.to_str().and_then(|path| path.strip_prefix("s3:/")) {
        Some(rest) if !rest.starts_with('/') => Err(Error::Usage(format!(
            "{} lacks a slash: write s3://{rest}, as a string, because path objects drop the second slash",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Returns whether `path` names a sharded corpus: a bucket, a path that ends in a slash, or an
/// existing directory.
pub fn is_sharded(path: &Path) -> bool {
    is_bucket(path) || path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir()
}
