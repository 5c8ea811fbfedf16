//! Spilling to disk: the directory of temporary files beside a corpus.

use crate::distinct::candidate::Candidate;
use crate::distinct::row_format::{ROW_BYTES, RowFormat};
use crate::distinct::sorted_file::{BLOCK_BYTES, CHECKSUM_BYTES, HeldRows, SortedFile};
use crate::error::{Error, Result, io};
use crate::os::rights::{self, Rights};
use crate::paths::beside;
use qorpus_core::Recipe;
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// The names of the file with the recipe, of this file while it is written, and of the lock file.
const RECIPE: &str = "recipe.json";
const RECIPE_PART: &str = "recipe.json.part";
const LOCK: &str = "lock";

/// The prefixes of all other names.
const PREFIXES: [&str; 4] = ["run-", "keys-", "found-", "cut-"];

/// Returns the name of the file with the candidates of one piece in one part of the keys.
pub(super) fn run_name(level: usize, part: u64, piece: usize) -> String {
    format!("run-{level}-{part}-{piece}")
}

/// Returns the name of the file with the keys of one bucket of a level.
pub(super) fn keys_name(level: usize, bucket: u64) -> String {
    format!("keys-{level}-{bucket}")
}

/// Returns the name of the file with the survivors of one bucket, sorted by origin.
pub(super) fn survivors_name(level: usize, bucket: u64) -> String {
    format!("found-{level}-{bucket}")
}

/// The division of a level's work. It is kept beside the files, for runs with another amount of
/// memory.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(super) struct Bucketing {
    /// Circuits in a piece.
    pub(super) parents: u64,
    /// Ranges of keys, a power of two; 0 until all candidates are written.
    pub(super) buckets: u64,
}

/// The directory of temporary files beside a corpus, locked for one process. Keys of levels that
/// fit in memory are kept in memory instead.
#[derive(Debug)]
pub(super) struct SpillDirectory {
    pub(super) directory: PathBuf,
    /// The owner, group and mode of the corpus, which its temporary files get.
    rights: Option<Rights>,
    known: Mutex<Known>,
    /// Holds the lock until it is dropped.
    _lock: File,
}

/// The files that need not be checked, and the divisions of levels.
#[derive(Debug, Default)]
struct Known {
    /// By name, with the rows if they are in memory.
    files: HashMap<String, Option<HeldRows>>,
    bucketings: HashMap<usize, Bucketing>,
}

impl SpillDirectory {
    /// Opens or creates the directory of `corpus`. Files of another recipe are removed.
    pub(super) fn open(corpus: &Path, recipe: &Recipe) -> Result<SpillDirectory> {
        let directory = check_directory(corpus)?;
        match std::fs::create_dir(&directory) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made.map_err(io(&directory, "create the directory for temporary files"))?,
        }
        let rights = Rights::of(corpus);
        if let (Some(rights), Ok(directory)) = (rights, File::open(&directory)) {
            rights.give(&directory);
        }
        let name = directory.join(LOCK);
        let lock = create(&name, rights).map_err(io(&name, "create it"))?;
        if lock.try_lock().is_err() {
            let reason = "another process is enumerating it; wait until that process ends";
            return Err(Error::Usage(format!("{}: {reason}", corpus.display())));
        }
        let spill = SpillDirectory { directory, rights, known: Mutex::default(), _lock: lock };
        let recipe = recipe.to_json();
        if spill.text(RECIPE).is_none_or(|there| there != recipe) {
            spill.clear()?;
            spill.write_text(RECIPE, &recipe)?;
        }
        Ok(spill)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps rows in memory as if they were a file.
    pub(super) fn hold(&self, name: String, mut rows: Vec<u8>) {
        rows.resize(rows.len() + ROW_BYTES, 0);
        self.known().files.insert(name, Some(Arc::new(rows)));
    }

    /// Writes these columns of candidates to a file, atomically.
    pub(super) fn write(
        &self,
        name: &str,
        format: RowFormat,
        columns: &Range<usize>,
        candidates: &[Candidate],
    ) -> Result<()> {
        let (path, part) = (self.path(name), self.path(&format!("{name}.part")));
        let failed = io(&part, "write it");
        let mut file = create(&part, self.rights).map_err(&failed)?;
        let (mut buffer, mut checksum) = (vec![0; BLOCK_BYTES + ROW_BYTES], Xxh3Default::new());
        for candidates in candidates.chunks(BLOCK_BYTES / columns.len()) {
            let len = format.write(candidates, columns, &mut buffer);
            checksum.update(&buffer[..len]);
            file.write_all(&buffer[..len]).map_err(&failed)?;
        }
        file.write_all(&checksum.digest().to_le_bytes()).map_err(&failed)?;
        // Not synced: after a power cut its checksum shows damage.
        std::fs::rename(&part, &path).map_err(&failed)?;
        self.known().files.insert(name.into(), None);
        Ok(())
    }

    /// Opens a file from [`write`](SpillDirectory::write) or [`hold`](SpillDirectory::hold).
    pub(super) fn sorted(&self, name: &str, columns: &Range<usize>) -> Result<SortedFile> {
        let held = self.known().files.get(name).cloned().flatten();
        match held {
            Some(rows) => Ok(SortedFile::held(self.path(name), rows, columns.len())),
            None => SortedFile::open(self.path(name), columns.len()),
        }
    }

    /// Returns whether a file exists and is intact. Files of this run are not read again.
    pub(super) fn contains(&self, name: &str) -> bool {
        let is_known = self.known().files.contains_key(name);
        if !is_known && self.is_whole(name).unwrap_or(false) {
            self.known().files.insert(name.into(), None);
            return true;
        }
        is_known
    }

    fn is_whole(&self, name: &str) -> std::io::Result<bool> {
        let file = File::open(self.path(name))?;
        let rows = file.metadata()?.len().saturating_sub(CHECKSUM_BYTES as u64);
        let (mut at, mut checksum, mut buffer) = (0, Xxh3Default::new(), vec![0; BLOCK_BYTES]);
        while at < rows {
            let part = &mut buffer[..BLOCK_BYTES.min((rows - at) as usize)];
            file.read_exact_at(part, at)?;
            checksum.update(part);
            at += part.len() as u64;
        }
        let mut expected = [0; CHECKSUM_BYTES];
        file.read_exact_at(&mut expected, at)?;
        Ok(u64::from_le_bytes(expected) == checksum.digest())
    }

    /// Writes a small text and its checksum.
    fn write_text(&self, name: &str, text: &str) -> Result<()> {
        let (path, part) = (self.path(name), self.path(&format!("{name}.part")));
        let whole = format!("{:016x}{text}", xxh3_64(text.as_bytes()));
        create(&part, self.rights)
            .and_then(|mut file| file.write_all(whole.as_bytes()))
            .and_then(|()| std::fs::rename(&part, &path))
            .map_err(io(&path, "write it"))
    }

    fn text(&self, name: &str) -> Option<String> {
        let whole = std::fs::read_to_string(self.path(name)).ok()?;
        let (checksum, text) = whole.split_at_checked(16)?;
        (checksum == format!("{:016x}", xxh3_64(text.as_bytes()))).then(|| text.to_owned())
    }

    /// Returns the division of a level, in this run or an earlier one.
    pub(super) fn bucketing(&self, level: usize) -> Option<Bucketing> {
        let known = self.known().bucketings.get(&level).copied();
        known.or_else(|| serde_json::from_str(&self.text(&format!("cut-{level}.json"))?).ok())
    }

    /// Sets the division of a level for this run.
    pub(super) fn set_bucketing(&self, level: usize, bucketing: Bucketing) {
        self.known().bucketings.insert(level, bucketing);
    }

    /// Sets the division of a level, also for later runs.
    pub(super) fn save_bucketing(&self, level: usize, bucketing: Bucketing) -> Result<()> {
        self.set_bucketing(level, bucketing);
        let text = serde_json::to_string(&bucketing).unwrap_or_default();
        self.write_text(&format!("cut-{level}.json"), &text)
    }

    /// Removes the keys of a level.
    pub(super) fn forget(&self, level: usize) -> Result<()> {
        self.remove(&format!("keys-{level}-"))?;
        self.remove(&format!("cut-{level}."))?;
        self.known().bucketings.remove(&level);
        Ok(())
    }

    /// Removes the files whose names begin with `prefix`.
    pub(super) fn remove(&self, prefix: &str) -> Result<()> {
        self.known().files.retain(|name, _| !name.starts_with(prefix));
        let failed = || io(&self.directory, "remove temporary files in it");
        for entry in std::fs::read_dir(&self.directory).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
                std::fs::remove_file(entry.path()).map_err(io(&entry.path(), "remove it"))?;
            }
        }
        Ok(())
    }

    fn clear(&self) -> Result<()> {
        PREFIXES.iter().try_for_each(|prefix| self.remove(prefix))
    }

    /// Removes every file created here, and the directory unless it holds other files.
    pub(super) fn end(self) -> Result<()> {
        self.clear()?;
        self.remove(RECIPE)?;
        self.remove(LOCK)?;
        match std::fs::remove_dir(&self.directory) {
            Err(error) if error.kind() != std::io::ErrorKind::DirectoryNotEmpty => {
                Err(io(&self.directory, "remove it")(error))
            }
            _ => Ok(()),
        }
    }
}

/// Creates a file that everyone who may write the corpus can use.
fn create(path: &Path, rights: Option<Rights>) -> std::io::Result<File> {
    let file = rights::create(path)?;
    rights.inspect(|rights| rights.give(&file));
    Ok(file)
}

/// Returns the directory of temporary files of `corpus`, which may not exist yet. A new one holds
/// only the lock file.
///
/// # Errors
/// [`Error::Usage`] if it holds other files; [`Error::Untrusted`] if it belongs to another user.
pub(super) fn check_directory(corpus: &Path) -> Result<PathBuf> {
    let directory = beside(corpus, "-distinct");
    let is_known = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name() == LOCK || entry.file_name() == RECIPE_PART)
    };
    let above = directory.parent().and_then(|above| above.metadata().ok());
    let is_trusted = |found: &Metadata| above.as_ref().is_some_and(|above| rights::is_trusted(found, above));
    let is_ours = match directory.symlink_metadata() {
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        Ok(found) if !found.is_dir() => false,
        Ok(found) if !is_trusted(&found) => {
            let reason =
                "belongs to another user, who could change its files; have it removed, then start again";
            return Err(Error::Untrusted(directory, reason.into()));
        }
        Ok(_) => {
            directory.join(RECIPE).exists()
                || std::fs::read_dir(&directory).is_ok_and(|mut entries| entries.all(is_known))
        }
    };
    let reason = "is not a directory of this corpus's temporary files; move it away, then start again";
    if is_ours { Ok(directory) } else { Err(Error::Usage(format!("{} {reason}", directory.display()))) }
}
