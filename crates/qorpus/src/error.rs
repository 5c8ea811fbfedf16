//! Errors of files and jobs, in the user's terms: what happened, where, and what to do next.

use crate::hex::hex;
use crate::remedy::{brief, is_damaged, sqlite_reason, system_reason};
use nix::libc;
use qorpus_core::{Damage, Recipe, grouped};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure. Each variant's text names the file and, if there is one, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are explained by the text in which they stand")]
pub enum Error {
    /// An invalid recipe.
    #[error(transparent)]
    Recipe(#[from] qorpus_core::Error),
    /// An argument that cannot be read, or arguments that exclude each other.
    #[error("{0}")]
    Usage(String),
    /// A gate file that cannot be read, and the reason.
    #[error("gate file {}: {}", .0.display(), .1)]
    GateFile(PathBuf, String),
    /// A missing file.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// A missing directory.
    #[error("the directory {} does not exist; create it first", .0.display())]
    MissingDirectory(PathBuf),
    /// A directory or a bucket where a file is needed.
    #[error(
        "{} is a directory or a bucket, but this operation needs a corpus in a single file; name a file",
        .0.display()
    )]
    Directory(PathBuf),
    /// A file in WAL mode without its WAL, which cannot be opened in a read-only directory: the
    /// warning, and the reason.
    #[error("{0}. It cannot be opened here: {1}")]
    NoWal(String, #[source] Box<Error>),
    /// A pipe, a link or anything else where a regular file must be.
    #[error("{} is not a regular file, so it is left alone; move it away and try again", .0.display())]
    NoPlainFile(PathBuf),
    /// A file or directory that another user could tamper with: which user, and the remedy.
    #[error("{} {}", .0.display(), .1)]
    Untrusted(PathBuf, String),
    /// An existing file that would have to be replaced.
    #[error("{} already exists; remove it first or choose another name", .0.display())]
    Exists(PathBuf),
    /// A file that is not a corpus, and the evidence.
    #[error("{} is not a Qorpus corpus: {}", .0.display(), .1)]
    NotACorpus(PathBuf, String),
    /// An empty file, as a power cut or a full disk may leave it.
    #[error("{} is not a Qorpus corpus: it is empty; generate it again", .0.display())]
    Empty(PathBuf),
    /// A sharded corpus without its manifest.
    #[error(
        "{} has shards but no manifest.json; restore the manifest from a copy, or run the same generate again: \
         published shards are found by their receipts and are not built again",
        .0.display()
    )]
    LostManifest(PathBuf),
    /// An invalid manifest, and the reason.
    #[error(
        "{}: {}; restore it from a copy, or delete it and run the same generate again: published shards are \
         found by their receipts and are not built again",
        .0.display(), .1
    )]
    Manifest(PathBuf, String),
    /// A shard that does not match its directory's manifest.
    #[error("{}: {reason}; 'qorpus repair {}' builds this shard again", .path.display(), .directory.display())]
    DamagedShard { path: PathBuf, reason: String, directory: PathBuf },
    /// A cached copy of a shard that was damaged, fetched again, and damaged a second time.
    #[error(
        "{}: the cached copy of this shard was damaged, was fetched again, and is damaged again, although the \
         shard itself matches the manifest of {}: the disk or the memory of this machine may be failing; set \
         QORPUS_CACHE to a directory on another disk",
        .path.display(), .corpus.display()
    )]
    DamagedCopy { path: PathBuf, corpus: PathBuf },
    /// An object store that refused or could not be reached.
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
    /// A file that ends before its last page, after this many bytes.
    #[error(
        "{} is truncated: it ends after {} bytes, before its last page; restore it from a copy, or delete it \
         and generate it again",
        .0.display(), .1
    )]
    Truncated(PathBuf, u64),
    /// A file that lost its end, or was overwritten, while it was read.
    #[error(
        "{} was truncated or overwritten while it was being read, or its disk failed to read it; if a copy is \
         being written over it, wait until that is finished and read again, otherwise restore it from a copy or \
         generate it again. To replace a corpus, rename another file to its name instead of writing over it",
        .0.display()
    )]
    Changed(PathBuf),
    /// An enumeration whose index of this level is damaged.
    #[error(
        "{}: the index of level {} is damaged and cannot be repaired; restore the file from a copy or \
         enumerate it again",
        .0.display(), .1
    )]
    DamagedIndex(PathBuf, usize),
    /// Two unitaries in floating point that are neither equal nor clearly different, and the circuit
    /// of one of them.
    #[error(
        "{}: the unitaries of '{}' and of another circuit are neither equal nor clearly different: the difference is \
         larger than rounding errors, but too small to be sure; use gates whose angles differ more, or gates over \
         Clifford+T, which are compared exactly",
        .0.display(), .1
    )]
    Unclear(PathBuf, String),
    /// Rows of a level from another process that cannot be right, and the reason.
    #[error(
        "rows of this level that another process sent are invalid: {0}; run the same enumeration again: it \
         resumes after the last finished level"
    )]
    Rows(&'static str),
    /// A corpus of another recipe.
    #[error(
        "{} holds another corpus.\n  there: {there}\n  asked: {asked}\nuse the same recipe, or another file",
        .path.display()
    )]
    OtherRecipe { path: PathBuf, there: String, asked: String },
    /// A corpus that is larger than the requested one.
    #[error(
        "{} already holds more than that.\n  there: {there}\n  asked: {asked}\na corpus grows but does not shrink: \
         ask for at least as much, or use another file",
        .path.display()
    )]
    HoldsMore { path: PathBuf, there: String, asked: String },
    /// A sharded corpus whose chunks are divided differently in the larger one that was requested.
    #[error(
        "{} cannot grow to that: longer words are packed into other chunks, and shards are not packed again.\n  \
         there: {there}\n  asked: {asked}\ngenerate the larger one into another place, or use a corpus in a single file",
        .path.display()
    )]
    ShardsDoNotGrow { path: PathBuf, there: String, asked: String },
    /// A file that has grown since it was opened for reading.
    #[error("{} has grown since it was opened; open it again", .0.display())]
    Grown(PathBuf),
    /// A file that another process has grown while this one was writing it.
    #[error(
        "{} was grown by another process, so this one has stopped; everything committed is safe, and the larger job \
         makes the rest",
        .0.display()
    )]
    GrownMeanwhile(PathBuf),
    /// A damaged chunk.
    #[error(
        "{}: chunk {chunk} ({}) is damaged: {damage}; other chunks can still be read, and {remedy}",
        .path.display(), records(.ids)
    )]
    DamagedChunk { path: PathBuf, chunk: u64, ids: Range<u64>, damage: ChunkDamage, remedy: &'static str },
    /// An id past the end.
    #[error("{}there is no record {id}; {}", place(.path), ids(*.len))]
    NoRecord { path: PathBuf, id: u64, len: u64 },
    /// A record that is not generated yet.
    #[error(
        "{}: record {id} is not generated yet ({records} of {len} are); run the same generate again to finish",
        .path.display()
    )]
    NotYet { path: PathBuf, id: u64, records: u64, len: u64 },
    /// An operation that needs every record of an incomplete corpus.
    #[error(
        "{}: {what} needs the complete corpus, but only {records} of {len} records are generated; run the same \
         generate again to finish",
        .path.display()
    )]
    Incomplete { path: PathBuf, what: &'static str, records: u64, len: u64 },
    /// An operation that appended or enumerated records do not allow, and the alternative.
    #[error("{}: {}", .0.display(), .1)]
    Appended(PathBuf, &'static str),
    /// Appended records whose unitaries do not match their circuits.
    #[error(
        "{}: the unitaries of {records} appended records, the first of them record {id}, do not match their \
         circuits; either could be wrong, so nothing was changed: append the correct records to another file",
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
    /// A corpus file on a network file system of this kind, such as NFS.
    #[error(
        "{} is on a network file system ({}), where SQLite cannot lock safely; build the corpus on a local disk \
         and copy the finished file there, or generate a directory of shards with a local stage (--stage LOCALDIR, \
         stage= in Python)",
        .0.display(), .1
    )]
    NetworkFileSystem(PathBuf, &'static str),
    /// A corpus that needs more space than its file system has free.
    #[error(
        "{} needs about {} bytes, but its file system has only {} bytes free; free some space, choose another \
         place, make the corpus smaller, or start anyway with --force (force=True in Python)",
        .path.display(), grouped(*.needed), grouped(*.free)
    )]
    NoRoom { path: PathBuf, needed: u64, free: u64 },
    /// A full disk.
    #[error("{}: the disk is full; free some space and try again (everything committed is safe)", .0.display())]
    DiskFull(PathBuf),
    /// A handle that was carried into another process.
    #[error("{}: this handle was opened in another process; open the corpus again after a fork", .0.display())]
    Forked(PathBuf),
    /// A wait for another process or a store that the caller ended.
    #[error("{0}; interrupted, and everything committed before is safe")]
    Interrupted(String),
    /// A lock file that was removed or replaced while a writer had it.
    #[error(
        "{} was removed while the corpus was being written, so writers no longer see each other; start the job \
         again",
        .0.display()
    )]
    LostLock(PathBuf),
    /// A file that was removed or changed while it was written, and how.
    #[error(
        "{} was {} while it was being written, so nothing more is written to it; restore it from a copy if there \
         is one, then start the job again",
        .0.display(), .1
    )]
    LostFile(PathBuf, &'static str),
    /// A thread that panicked during this action: a bug.
    #[error("{0} failed because of a bug in Qorpus; please report the message above")]
    Defect(String),
    /// More records at once than fit in memory.
    #[error("{0} records at once do not fit in memory; read fewer at a time")]
    TooMany(usize),
    /// A system that cannot start a single thread.
    #[error(
        "no thread can be started: {0}; close other programs, or raise the limits on threads (ulimit -u) and \
         memory (ulimit -v)"
    )]
    Threads(std::io::Error),
    /// A writer that failed before.
    #[error("{}: an earlier write failed, so this writer has stopped; open the corpus again", .0.display())]
    Poisoned(PathBuf),
    /// A linked SQLite that is known to lose data.
    #[error(
        "SQLite {0} can lose committed data when several processes write; Qorpus needs 3.51.3 or later, except \
         3.52.0"
    )]
    UnsafeSqlite(String),
    /// A refusal of the operating system.
    #[error("{}: cannot {action}: {}", .path.display(), system_reason(.source))]
    Io { path: PathBuf, action: &'static str, source: std::io::Error },
    /// A refusal of SQLite.
    #[error("{}: cannot {action}: {}", .path.display(), sqlite_reason(.source))]
    Sqlite { path: PathBuf, action: &'static str, source: rusqlite::Error },
}

/// The damage of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkDamage {
    /// Damaged bytes.
    #[error(transparent)]
    Bytes(#[from] Damage),
    /// Ids or a count that do not fit the recipe.
    #[error("its ids do not fit the recipe")]
    Ids,
    /// A missing chunk.
    #[error("it is missing although the corpus counts it as done")]
    Missing,
    /// A chunk that should not exist yet.
    #[error("it exists although the corpus counts it as still to be generated")]
    Unexpected,
    /// A page that SQLite cannot read.
    #[error("SQLite cannot read it")]
    Unreadable,
    /// Intact bytes that differ from what the recipe generates.
    #[error("recomputing it gives other records")]
    Recomputed,
}

impl Error {
    /// Returns whether the operating system denied permission.
    pub fn is_permission_denied(&self) -> bool {
        let denied = |source: &std::io::Error| source.kind() == std::io::ErrorKind::PermissionDenied;
        match self {
            Error::Io { source, .. } => denied(source),
            Error::NoWal(_, source) => source.is_permission_denied(),
            _ => false,
        }
    }

    /// Returns whether damaged bytes of a file that was read may be the cause.
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
                | Error::Grown(_)
        );
        !is_other && !self.is_usage()
    }

    /// Describes the damage of the file, without its name and a remedy. `None` if the file may be
    /// whole: it holds another corpus, its disk fails, or permission is denied.
    pub(crate) fn damage(&self) -> Option<String> {
        match self {
            Error::NotACorpus(_, reason) => Some(reason.clone()),
            Error::Empty(_) => Some("it is empty".into()),
            Error::Missing(_) => Some("it is a dangling symbolic link".into()),
            Error::Truncated(_, found) => {
                Some(format!("it is truncated: it ends after {found} bytes, before its last page"))
            }
            Error::DamagedChunk { chunk, damage, .. } => Some(format!("chunk {chunk} is damaged: {damage}")),
            Error::NoWal(_, source) => source.damage(),
            Error::Sqlite { source, .. } if is_damaged(source) => Some(brief(&source.to_string())),
            _ => None,
        }
    }

    /// Returns whether the caller made a mistake, for which the command exits with status 2 instead
    /// of 1.
    pub fn is_usage(&self) -> bool {
        matches!(self, Error::Recipe(_) | Error::Usage(_) | Error::GateFile { .. })
    }
}

/// Converts an error of the operating system into one that names the file and the action.
pub(crate) fn io(path: &Path, action: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| match source.raw_os_error() {
        Some(libc::ENOSPC) => Error::DiskFull(path.into()),
        Some(libc::ENOENT) if action == LOOK_FOR => Error::Missing(path.into()),
        _ => Error::Io { path: path.into(), action, source },
    }
}

/// An action of [`io`] whose missing file is [`Error::Missing`].
pub(crate) const LOOK_FOR: &str = "look for it";

/// Formats the path as the beginning of a sentence, if it is not empty.
fn place(path: &Path) -> String {
    if path.as_os_str().is_empty() { String::new() } else { format!("{}: ", path.display()) }
}

/// Describes which ids `len` records have.
fn ids(len: u64) -> String {
    match len {
        0 => "the corpus is empty".into(),
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

/// Returns the error for a file that is not a corpus.
pub(crate) fn not_a_corpus(path: &Path, reason: String) -> Error {
    Error::NotACorpus(path.into(), reason)
}

/// Returns the error that names both recipes.
pub(crate) fn other_recipe(path: &Path, there: &Recipe, asked: &Recipe) -> Error {
    let named = |recipe: &Recipe| format!("{} (recipe {})", recipe.summary(), hex(&recipe.hash()[..6]));
    Error::OtherRecipe { path: path.into(), there: named(there), asked: named(asked) }
}

/// Returns the error of a corpus that cannot grow to the recipe that was asked for, which is smaller
/// or differs in more than its size.
pub(crate) fn cannot_grow(path: &Path, there: &Recipe, asked: &Recipe) -> Error {
    match other_recipe(path, there, asked) {
        Error::OtherRecipe { path, there: named, asked: smaller } if asked.begins(there) => {
            Error::HoldsMore { path, there: named, asked: smaller }
        }
        error => error,
    }
}

/// Returns the error of a sharded corpus whose chunks differ from those of the larger recipe that was
/// asked for.
pub(crate) fn shards_do_not_grow(path: &Path, there: &Recipe, asked: &Recipe) -> Error {
    match other_recipe(path, there, asked) {
        Error::OtherRecipe { path, there, asked } => Error::ShardsDoNotGrow { path, there, asked },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
