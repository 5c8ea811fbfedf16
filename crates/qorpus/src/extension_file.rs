//! The file of the loadable SQLite extension, which a build of its own makes.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The name of the file, as cargo builds it.
const NAME: &str = "libqorpus_sqlite.so";

/// Returns the path of the SQLite extension in the directory of a program or package.
///
/// # Errors
/// [`Error::Unsupported`] if it was not built.
pub fn sqlite_extension(directory: &Path) -> Result<PathBuf> {
    let file = directory.join(NAME);
    if file.is_file() {
        return Ok(file);
    }
    let text = "the SQLite extension is not installed, because this copy of Qorpus was built without it; install \
                the Python package, or run 'cargo build --release --manifest-path crates/qorpus-sqlite/Cargo.toml' \
                in Qorpus's sources and copy the file to this place";
    Err(Error::Unsupported(file, text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_extension_is_an_error_with_a_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let message = sqlite_extension(directory.path()).unwrap_err().to_string();
        assert!(message.contains(NAME) && message.contains("crates/qorpus-sqlite/Cargo.toml"), "{message}");
        std::fs::write(directory.path().join(NAME), "").unwrap();
        assert_eq!(sqlite_extension(directory.path()).unwrap(), directory.path().join(NAME));
    }
}
