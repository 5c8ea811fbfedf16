//! Errors of files and jobs, in a user's terms: what happened, where, and what to do next.

use crate::hex::hex;
use crate::remedy::{brief, is_damaged, sqlite_reason, system_reason};
use nix::libc;
use qorpus_core::{Damage, Recipe};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure. Each variant's text names the file and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are explained by the text in which they stand")]
pub enum Error {
    /// A recipe that cannot be.
    #[error(transparent)]
    Recipe(#[from] qorpus_core::Error),
    /// An argument that cannot be read, or arguments that exclude each other.
    #[error("{0}")]
    Usage(String),
    /// A gate file that cannot be read as one, and the reason.
    #[error("gate file {}: {}", .0.display(), .1)]
    GateFile(PathBuf, String),
    /// No such file.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// A directory that would have to exist first.
    #[error("the directory {} does not exist; create it first", .0.display())]
    MissingDirectory(PathBuf),
    /// A directory or a bucket where a file is needed.
    #[error("{} is a directory or a bucket, and this needs a corpus in one file; name a file", .0.display())]
    Directory(PathBuf),
    /// A file in WAL mode without its WAL, which cannot be opened as where nobody may write: the
    /// warning, and the reason.
    #[error("{0}. Here it cannot be opened: {1}")]
    NoWal(String, #[source] Box<Error>),
    /// A pipe, a link, or whatever else stands where a plain file must be.
    #[error("{} is not a plain file, so it is left alone; move it away and run the command again", .0.display())]
    NoPlainFile(PathBuf),
    /// A file or directory with which another user could tamper: who could, and the remedy.
    #[error("{} {}", .0.display(), .1)]
    Untrusted(PathBuf, String),
    /// A file that already exists and would have to be replaced.
    #[error("{} already exists; remove it first or choose another name", .0.display())]
    Exists(PathBuf),
    /// A file that is not a corpus, and how that shows.
    #[error("{} is not a Qorpus corpus: {}", .0.display(), .1)]
    NotACorpus(PathBuf, String),
    /// A file without a byte, as a power cut or a full disk may leave it.
    #[error("{} is not a Qorpus corpus: it is empty; run 'qorpus generate' again to make it", .0.display())]
    Empty(PathBuf),
    /// A sharded corpus whose manifest is gone.
    #[error(
        "{} has lost its manifest: there is no manifest.json in it, although there are shards; restore it from a copy, or run the same \
         'qorpus generate' again: shards that are there are found by their receipts, and not made again",
        .0.display()
    )]
    LostManifest(PathBuf),
    /// A manifest that cannot be believed, and what is wrong with it.
    #[error(
        "{}: {}; restore it from a copy, or delete it and run the same 'qorpus generate' again: shards that are there are \
         found by their receipts, and not made again",
        .0.display(), .1
    )]
    Manifest(PathBuf, String),
    /// A shard that is not as its directory's manifest says.
    #[error("{}: {reason}; 'qorpus repair {}' makes this shard again", .path.display(), .directory.display())]
    DamagedShard { path: PathBuf, reason: String, directory: PathBuf },
    /// A cached copy of a shard that was damaged, fetched again, and damaged for the second time.
    #[error(
        "{}: the copy of this shard in the cache was damaged, was removed and fetched again, and is damaged once more, although the \
         shard itself is what the manifest of {} says: the disk or the memory of this machine may fail; set QORPUS_CACHE to a \
         directory on another disk",
        .path.display(), .corpus.display()
    )]
    DamagedCopy { path: PathBuf, corpus: PathBuf },
    /// An object store that refused, or was not reached.
    #[error("{}: cannot {action}: {reason}", .path.display())]
    ObjectStore { path: PathBuf, action: &'static str, reason: String },
    /// A path that needs a Cargo feature which this build lacks, and the feature.
    #[error(
        "{}: this build of Qorpus lacks the feature '{}'; add '--features {}' to the cargo command that builds it, or use the \
         Python package, whose 'qorpus' command has it",
        .0.display(), .1, .1
    )]
    MissingFeature(PathBuf, &'static str),
    /// A corpus of this later format version.
    #[error(
        "{} has format version {}, but this version of Qorpus reads versions up to {}; use a newer Qorpus",
        .0.display(), .1, qorpus_core::FORMAT_VERSION
    )]
    NewerFormat(PathBuf, i64),
    /// A file that ends after these bytes, before its last page.
    #[error(
        "{} is truncated: it ends after {} bytes, before its last page; restore it from a copy, or delete it and generate it again",
        .0.display(), .1
    )]
    Truncated(PathBuf, u64),
    /// A file that lost its end, or was written over, while it was read.
    #[error(
        "{} was truncated or overwritten while it was read, or its disk cannot read it; if a copy is being written over it, read again \
         when that is finished, otherwise restore it from a copy or make it again. Replace a corpus by renaming another file to its \
         name, not by writing over it",
        .0.display()
    )]
    Changed(PathBuf),
    /// A damaged index of the distinct unitaries of this level.
    #[error(
        "{}: the index of level {} is damaged; 'qorpus repair' cannot make it again, restore the file from a copy or enumerate it again",
        .0.display(), .1
    )]
    DamagedIndex(PathBuf, usize),
    /// Two unitaries in floating point that are neither equal nor clearly different, and the circuit
    /// of one of them.
    #[error(
        "{}: the unitary of '{}' and that of another circuit are neither equal nor clearly different: some multiple of what \
         rounding explains lies between them; use gates whose angles differ more, or gates over Clifford+T, which are told apart exactly",
        .0.display(), .1
    )]
    Unclear(PathBuf, String),
    /// Rows of a level, made by another process, that cannot be right, and why.
    #[error(
        "what was made elsewhere of this level cannot be right: {0}; run the same again, it goes on from the last finished level"
    )]
    Rows(&'static str),
    /// A corpus of another recipe.
    #[error(
        "{} holds another corpus.\n  there: {there}\n  asked: {asked}\nuse the same recipe, or another file",
        .path.display()
    )]
    OtherRecipe { path: PathBuf, there: String, asked: String },
    /// A chunk that cannot be believed.
    #[error(
        "{}: chunk {chunk} ({}) is damaged: {damage}; other chunks can still be read, and {remedy}",
        .path.display(), records(.ids)
    )]
    DamagedChunk { path: PathBuf, chunk: u64, ids: Range<u64>, damage: ChunkDamage, remedy: &'static str },
    /// An id past the end.
    #[error("{}there is no record {id}; {}", place(.path), ids(*.len))]
    NoRecord { path: PathBuf, id: u64, len: u64 },
    /// A record that is still to be made.
    #[error(
        "{}: record {id} is not made yet ({records} of {len} are); run the same 'qorpus generate' again to finish",
        .path.display()
    )]
    NotYet { path: PathBuf, id: u64, records: u64, len: u64 },
    /// Something that needs every record.
    #[error(
        "{}: {what} needs the complete corpus, and {records} of {len} records are made; run the same 'qorpus generate' again to finish",
        .path.display()
    )]
    Incomplete { path: PathBuf, what: &'static str, records: u64, len: u64 },
    /// An operation that appended records do not allow, and the alternative.
    #[error("{}: its records were appended by someone, so {}", .0.display(), .1)]
    Appended(PathBuf, &'static str),
    /// Appended records whose unitaries are not those of their circuits.
    #[error(
        "{}: the unitaries of {records} appended records, the first of them record {id}, do not belong to their circuits; nothing says \
         which of the two is wrong, so nothing was changed: append the records that are right to another file",
        .path.display()
    )]
    Mismatched { path: PathBuf, id: u64, records: usize },
    /// A query that failed.
    #[error("the query failed: {0}")]
    Query(String),
    /// A record that a writer does not accept.
    #[error("record {position} of those given: {reason}")]
    Refused { position: usize, reason: String },
    /// A writer that was closed.
    #[error("{}: this writer was closed; open another one", .0.display())]
    Closed(PathBuf),
    /// A writer whose earlier commit failed, and the reason.
    #[error("{}: an earlier commit failed, so this writer has stopped: {}", .0.display(), .1)]
    Stopped(PathBuf, String),
    /// An operation that this kind of corpus or file does not allow, and the alternative.
    #[error("{}: {}", .0.display(), .1)]
    Unsupported(PathBuf, String),
    /// A file that several processes write on a network file system of this kind, such as NFS.
    #[error(
        "{} is on a network file system ({}), where SQLite cannot lock safely; build the corpus on a local disk, then copy the finished file there, as \
         'qorpus generate DIR/ --stage LOCALDIR' does for a directory of files",
        .0.display(), .1
    )]
    NetworkFileSystem(PathBuf, &'static str),
    /// A corpus that needs more room than there is.
    #[error(
        "{} needs about {} bytes, and its file system has {} bytes free; make a smaller corpus, choose another place, \
         free some room, or begin all the same with --force (force=True in Python)",
        .path.display(), grouped(*.needed), grouped(*.free)
    )]
    NoRoom { path: PathBuf, needed: u64, free: u64 },
    /// No room left.
    #[error(
        "{}: the disk is full; what was committed is safe: free some room and run the same command again",
        .0.display()
    )]
    DiskFull(PathBuf),
    /// A handle that was carried into another process.
    #[error("{}: the handle was opened in another process; open the corpus again after a fork", .0.display())]
    Forked(PathBuf),
    /// The caller did not want to wait any longer for another process or a store.
    #[error("{0}; this was interrupted, and what was committed before is safe")]
    Interrupted(String),
    /// The writers' lock file was removed or replaced under a writer.
    #[error("{} was removed while the corpus was being written, so writers no longer see each other; run the command again", .0.display())]
    LostLock(PathBuf),
    /// A file that was taken away under a writer, and how.
    #[error(
        "{} was {} while it was being written, so nothing more is written to it; bring back a whole copy if there is one, then run the command again",
        .0.display(), .1
    )]
    LostFile(PathBuf, &'static str),
    /// A thread that panicked while it did this: a defect of this program.
    #[error("{0} failed in a way that is a defect of Qorpus; please report the message above")]
    Defect(String),
    /// More records at once than fit in memory.
    #[error("{0} records at once are too many for the memory; ask for them in pieces")]
    TooMany(usize),
    /// Not one thread could be started.
    #[error(
        "no thread can be started: {0}; end other programs, or raise the limits on threads (ulimit -u) and memory (ulimit -v)"
    )]
    Threads(std::io::Error),
    /// A writer that failed before.
    #[error("{}: an earlier write failed, so this writer has stopped; open the corpus again", .0.display())]
    Poisoned(PathBuf),
    /// A linked SQLite that is known to lose data.
    #[error(
        "SQLite {0} can lose committed data when several processes write; Qorpus needs 3.51.3 or later, and not 3.52.0"
    )]
    UnsafeSqlite(String),
    /// The operating system refused.
    #[error("{}: cannot {action}: {}", .path.display(), system_reason(.source))]
    Io { path: PathBuf, action: &'static str, source: std::io::Error },
    /// SQLite refused.
    #[error("{}: cannot {action}: {}", .path.display(), sqlite_reason(.source))]
    Sqlite { path: PathBuf, action: &'static str, source: rusqlite::Error },
}

/// The damage of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkDamage {
    /// Its bytes.
    #[error(transparent)]
    Bytes(#[from] Damage),
    /// Its place: ids or count that do not fit the recipe.
    #[error("its ids do not fit the recipe")]
    Ids,
    /// It should be there.
    #[error("it is missing although the corpus counts it as done")]
    Missing,
    /// It should not be there.
    #[error("it is there although the corpus counts it as still to be made")]
    Unexpected,
    /// SQLite cannot read the page it is on.
    #[error("SQLite cannot read it")]
    Unreadable,
    /// Intact bytes, but not those that the recipe makes.
    #[error("recomputing it gives other records")]
    Recomputed,
}

impl Error {
    /// Whether the operating system denied permission.
    pub fn is_permission_denied(&self) -> bool {
        let denied = |source: &std::io::Error| source.kind() == std::io::ErrorKind::PermissionDenied;
        match self {
            Error::Io { source, .. } => denied(source),
            Error::NoWal(_, source) => source.is_permission_denied(),
            _ => false,
        }
    }

    /// Whether the bytes of a file that was read may be the reason.
    pub(crate) fn may_be_damage(&self) -> bool {
        let is_other = matches!(
            self,
            Error::NoRecord { .. }
                | Error::Interrupted(_)
                | Error::ObjectStore { .. }
                | Error::DamagedShard { .. }
                | Error::DamagedCopy { .. }
                | Error::Forked(_)
                | Error::Untrusted { .. }
        );
        !is_other && !self.is_usage()
    }

    /// Describes the damage of the file, without its name and a remedy. `None` if it may be whole:
    /// it holds another corpus, or its disk fails, or permission is denied.
    pub(crate) fn damage(&self) -> Option<String> {
        match self {
            Error::NotACorpus(_, reason) => Some(reason.clone()),
            Error::Empty(_) => Some("it is empty".into()),
            Error::Missing(_) => Some("it is a link that leads nowhere".into()),
            Error::Truncated(_, found) => {
                Some(format!("it is truncated: it ends after {found} bytes, before its last page"))
            }
            Error::DamagedChunk { chunk, damage, .. } => Some(format!("chunk {chunk} is damaged: {damage}")),
            Error::NoWal(_, source) => source.damage(),
            Error::Sqlite { source, .. } if is_damaged(source) => Some(brief(&source.to_string())),
            _ => None,
        }
    }

    /// Whether the command was used wrongly, rather than failed: exit status 2 instead of 1.
    pub fn is_usage(&self) -> bool {
        matches!(self, Error::Recipe(_) | Error::Usage(_) | Error::GateFile { .. })
    }
}

/// Turns an operating system's refusal into an error that names the file and what was tried.
pub(crate) fn io(path: &Path, action: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| match source.raw_os_error() {
        Some(libc::ENOSPC) => Error::DiskFull(path.into()),
        Some(libc::ENOENT) if action == LOOK_FOR => Error::Missing(path.into()),
        _ => Error::Io { path: path.into(), action, source },
    }
}

/// An action of [`io`] for which a missing file is [`Error::Missing`].
pub(crate) const LOOK_FOR: &str = "look for it";

/// Formats the path before a sentence, if there is one.
fn place(path: &Path) -> String {
    if path.as_os_str().is_empty() { String::new() } else { format!("{}: ", path.display()) }
}

/// Formats a number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let separated = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    separated.collect::<Vec<_>>().join(",")
}

/// Describes the ids of `len` records.
fn ids(len: u64) -> String {
    match len {
        0 => "there are none".into(),
        1 => "there is one, number 0".into(),
        len => format!("there are {len}, numbered 0 to {}", len - 1),
    }
}

/// Describes records with consecutive ids.
fn records(ids: &Range<u64>) -> String {
    match ids.end - ids.start {
        1 => format!("record {}", ids.start),
        _ => format!("records {} to {}", ids.start, ids.end - 1),
    }
}

pub(crate) fn not_a_corpus(path: &Path, reason: String) -> Error {
    Error::NotACorpus(path.into(), reason)
}

/// The error that names both recipes.
pub(crate) fn other_recipe(path: &Path, there: &Recipe, asked: &Recipe) -> Error {
    let named = |recipe: &Recipe| format!("{} (recipe {})", recipe.summary(), hex(&recipe.hash()[..6]));
    Error::OtherRecipe { path: path.into(), there: named(there), asked: named(asked) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn the_system_is_quoted_as_it_is() {
        let path = Path::new("c.db");
        for (errno, words) in [
            (libc::EMFILE, "too many open files"),
            (libc::EACCES, "permission denied"),
            (libc::EFBIG, "file too large"),
            (libc::EROFS, "read-only"),
            (libc::EDQUOT, "quota"),
            (libc::ENOTDIR, "not a directory"),
            (libc::ELOOP, "symbolic links"),
            (libc::ENAMETOOLONG, "too long"),
        ] {
            let error = io(path, "open it")(std::io::Error::from_raw_os_error(errno));
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.is_permission_denied(), errno == libc::EACCES);
        }
        let full = io(path, "write it")(std::io::Error::from_raw_os_error(libc::ENOSPC));
        assert!(matches!(full, Error::DiskFull(_)));
    }
}
