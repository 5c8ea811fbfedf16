//! Temporary files of sorted rows: what does not fit in memory.

use crate::distinct::rows::{Candidate, KEY, Layout, ROW};
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
use std::sync::{Arc, Mutex, PoisonError};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// Bytes of the check behind the rows.
const CHECK: u64 = 8;

/// The file that says what the others are of, the same while it is written, and the one that is
/// locked.
const OF_RECIPE: &str = "recipe.json";
const OF_RECIPE_PART: &str = "recipe.json.part";
const LOCK: &str = "lock";

/// How the names of the others begin.
const KINDS: [&str; 4] = ["run-", "keys-", "found-", "cut-"];

/// So much is read or written at once.
const AT_ONCE: usize = 1 << 20;

/// The directory of temporary files beside a corpus, which is one process's alone. The keys of
/// levels that fit are kept in memory instead.
#[derive(Debug)]
pub(super) struct Temporary {
    directory: PathBuf,
    /// The owner, group and mode of the corpus, which its temporary files get.
    rights: Option<Rights>,
    /// Files in memory, by name; behind their last row there is room for another one.
    held: Mutex<HashMap<String, Arc<Vec<u8>>>>,
    /// Locked as long as it is open.
    _lock: File,
}

impl Temporary {
    /// Opens or makes that of `corpus`. What another recipe has left there is removed.
    pub(super) fn open(corpus: &Path, recipe: &Recipe) -> Result<Temporary> {
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
            let reason = "another process is enumerating it; wait until that one has ended";
            return Err(Error::Usage(format!("{}: {reason}", corpus.display())));
        }
        let temporary = Temporary { directory, rights, held: Mutex::default(), _lock: lock };
        let recipe = recipe.to_json();
        if temporary.text(OF_RECIPE).is_none_or(|there| there != recipe) {
            temporary.clear()?;
            temporary.write_text(OF_RECIPE, &recipe)?;
        }
        Ok(temporary)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Vec<u8>>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps rows in memory as if they were a file.
    pub(super) fn hold(&self, name: String, mut rows: Vec<u8>) {
        rows.resize(rows.len() + ROW, 0);
        self.held().insert(name, Arc::new(rows));
    }

    /// Writes these bytes of the rows of candidates to a file, which is there as a whole or not at
    /// all.
    pub(super) fn write(
        &self,
        name: &str,
        layout: Layout,
        bytes: &Range<usize>,
        candidates: &[Candidate],
    ) -> Result<()> {
        let (path, part) = (self.path(name), self.path(&format!("{name}.part")));
        let failed = io(&part, "write it");
        let mut file = create(&part, self.rights).map_err(&failed)?;
        let (mut buffer, mut check) = (vec![0; AT_ONCE + ROW], Xxh3Default::new());
        for candidates in candidates.chunks(AT_ONCE / bytes.len()) {
            let at = layout.put(candidates, bytes, &mut buffer);
            check.update(&buffer[..at]);
            file.write_all(&buffer[..at]).map_err(&failed)?;
        }
        file.write_all(&check.digest().to_le_bytes()).map_err(&failed)?;
        // Not synced: after a power cut its check tells.
        std::fs::rename(&part, &path).map_err(&failed)
    }

    /// A file that [`write`](Temporary::write) wrote.
    pub(super) fn sorted(&self, name: &str, bytes: &Range<usize>) -> Result<Sorted> {
        let width = bytes.len();
        if let Some(held) = self.held().get(name).cloned() {
            let rows = (held.len() - ROW) as u64 / width as u64;
            return Ok(Sorted { path: self.path(name), bytes: Bytes::Held(held), width, rows });
        }
        Sorted::open(self.path(name), width)
    }

    /// Whether the file is there as it was written, whatever has happened to the machine since.
    pub(super) fn is_whole(&self, name: &str) -> bool {
        if self.held().contains_key(name) {
            return true;
        }
        let check = || -> std::io::Result<bool> {
            let file = File::open(self.path(name))?;
            let rows = file.metadata()?.len().saturating_sub(CHECK);
            let (mut at, mut check, mut buffer) = (0, Xxh3Default::new(), vec![0; AT_ONCE]);
            while at < rows {
                let part = &mut buffer[..AT_ONCE.min((rows - at) as usize)];
                file.read_exact_at(part, at)?;
                check.update(part);
                at += part.len() as u64;
            }
            let mut expected = [0; CHECK as usize];
            file.read_exact_at(&mut expected, at)?;
            Ok(u64::from_le_bytes(expected) == check.digest())
        };
        check().unwrap_or(false)
    }

    /// A small text, with a check as well.
    pub(super) fn write_text(&self, name: &str, text: &str) -> Result<()> {
        let (path, part) = (self.path(name), self.path(&format!("{name}.part")));
        let whole = format!("{:016x}{text}", xxh3_64(text.as_bytes()));
        create(&part, self.rights)
            .and_then(|mut file| file.write_all(whole.as_bytes()))
            .and_then(|()| std::fs::rename(&part, &path))
            .map_err(io(&path, "write it"))
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        let whole = std::fs::read_to_string(self.path(name)).ok()?;
        let (check, text) = whole.split_at_checked(16)?;
        (check == format!("{:016x}", xxh3_64(text.as_bytes()))).then(|| text.to_owned())
    }

    /// Removes the files whose names begin like this.
    pub(super) fn remove(&self, prefix: &str) -> Result<()> {
        self.held().retain(|name, _| !name.starts_with(prefix));
        let failed = || io(&self.directory, "remove temporary files in it");
        for entry in std::fs::read_dir(&self.directory).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
                std::fs::remove_file(entry.path()).map_err(io(&entry.path(), "remove it"))?;
            }
        }
        Ok(())
    }

    /// Removes all rows.
    fn clear(&self) -> Result<()> {
        KINDS.iter().try_for_each(|prefix| self.remove(prefix))
    }

    /// Removes everything that was made here; what someone else has put beside it stays.
    pub(super) fn end(self) -> Result<()> {
        self.clear()?;
        self.remove(OF_RECIPE)?;
        self.remove(LOCK)?;
        match std::fs::remove_dir(&self.directory) {
            Err(error) if error.kind() != std::io::ErrorKind::DirectoryNotEmpty => {
                Err(io(&self.directory, "remove it")(error))
            }
            _ => Ok(()),
        }
    }
}

/// Makes a file in it, for whoever may write the corpus.
fn create(path: &Path, rights: Option<Rights>) -> std::io::Result<File> {
    let file = rights::create(path)?;
    rights.inspect(|rights| rights.give(&file));
    Ok(file)
}

/// The directory of temporary files of `corpus`, if it is there already one that was made here: at
/// first with nothing but the lock in it.
///
/// # Errors
/// [`Error::Usage`] if it is someone else's.
pub(super) fn check_directory(corpus: &Path) -> Result<PathBuf> {
    let directory = beside(corpus, "-distinct");
    let is_known = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name() == LOCK || entry.file_name() == OF_RECIPE_PART)
    };
    let above = directory.parent().and_then(|above| above.metadata().ok());
    let is_trusted = |found: &Metadata| above.as_ref().is_some_and(|above| rights::is_trusted(found, above));
    let is_ours = match directory.symlink_metadata() {
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        Ok(found) if !found.is_dir() => false,
        Ok(found) if !is_trusted(&found) => {
            let reason = "is another user's, who could change what is read from it; have it removed, and run the command again";
            return Err(Error::Untrusted(directory, reason.into()));
        }
        Ok(_) => {
            directory.join(OF_RECIPE).exists()
                || std::fs::read_dir(&directory).is_ok_and(|mut entries| entries.all(is_known))
        }
    };
    let reason = "holds something else; move it away and run the command again";
    if is_ours { Ok(directory) } else { Err(Error::Usage(format!("{} {reason}", directory.display()))) }
}

/// Where rows are.
#[derive(Debug)]
enum Bytes {
    File(File),
    Held(Arc<Vec<u8>>),
}

/// A file of rows in ascending order.
#[derive(Debug)]
pub(super) struct Sorted {
    path: PathBuf,
    bytes: Bytes,
    width: usize,
    rows: u64,
}

impl Sorted {
    fn open(path: PathBuf, width: usize) -> Result<Sorted> {
        let file = File::open(&path).map_err(io(&path, "open it"))?;
        let len = file.metadata().map_err(io(&path, "look at it"))?.len();
        Ok(Sorted { path, bytes: Bytes::File(file), width, rows: len.saturating_sub(CHECK) / width as u64 })
    }

    pub(super) fn len(&self) -> u64 {
        self.rows
    }

    fn read_at(&self, row: u64, out: &mut [u8]) -> Result<()> {
        let at = row * self.width as u64;
        match &self.bytes {
            Bytes::File(file) => file.read_exact_at(out, at).map_err(io(&self.path, "read it")),
            Bytes::Held(held) => {
                out.copy_from_slice(&held[at as usize..][..out.len()]);
                Ok(())
            }
        }
    }

    /// The number of rows below `bound`, the beginning of a row.
    pub(super) fn below(&self, bound: &[u8]) -> Result<u64> {
        let (mut from, mut to) = (0, self.rows);
        let mut row = [0; KEY];
        while from < to {
            let middle = from + (to - from) / 2;
            let begin = &mut row[..bound.len()];
            self.read_at(middle, begin)?;
            if *begin < *bound { from = middle + 1 } else { to = middle }
        }
        Ok(from)
    }

    /// The rows from one that is not below `start` to the first that is not below `end`, if there
    /// is an end.
    pub(super) fn between(&self, start: &[u8], end: Option<&[u8]>) -> Result<Range<u64>> {
        let end = end.map_or(Ok(self.rows), |end| self.below(end))?;
        Ok(self.below(start)?..end)
    }

    /// Calls `visit` with each of `rows` in order, and with what happens to stand behind it, until
    /// it says no.
    pub(super) fn visit(&self, rows: Range<u64>, mut visit: impl FnMut(&[u8; ROW]) -> bool) -> Result<()> {
        if let Bytes::Held(held) = &self.bytes {
            let place = |row: u64| row as usize * self.width;
            let mut starts = (place(rows.start)..place(rows.end)).step_by(self.width);
            starts.all(|at| held[at..].first_chunk().is_some_and(&mut visit));
            return Ok(());
        }
        let (mut next, mut buffer) = (rows.start, Vec::new());
        let at_once = (AT_ONCE / self.width) as u64;
        while next < rows.end {
            let until = rows.end.min(next + at_once);
            let len = (until - next) as usize * self.width;
            buffer.resize(len + ROW, 0);
            self.read_at(next, &mut buffer[..len])?;
            next = until;
            let mut starts = (0..len).step_by(self.width).map_while(|at| buffer[at..].first_chunk());
            if !starts.all(&mut visit) {
                break;
            }
        }
        Ok(())
    }
}
