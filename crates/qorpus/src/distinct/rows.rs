//! Candidates and the temporary files that hold them, sorted: what does not fit in memory.

use crate::connection::beside;
use crate::error::{Error, Result, io};
use qorpus_core::{Bands, Recipe};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// Bytes of a key, and of an origin, as they stand in rows: big-endian, so that rows are ordered as their bytes.
pub(super) const KEY: usize = 16;
const ORIGIN: usize = 6;
const COUNT: usize = 4;

/// Bytes of a row without its key, and of a whole one, if the sets of letters take four bytes each. Shorter rows are read and
/// written as if they were as long: they overlap.
const FOUND: usize = ORIGIN + COUNT + 8;
const ROW: usize = KEY + FOUND;

/// Bytes of the check behind the rows.
const CHECK: u64 = 8;

/// The file that says what the others are of, the same while it is written, and the one that is locked.
const OF_RECIPE: &str = "recipe.json";
const OF_RECIPE_PART: &str = "recipe.json.part";
const LOCK: &str = "lock";

/// How the names of the others begin.
const KINDS: [&str; 4] = ["run-", "keys-", "found-", "cut-"];

/// So much is read or written at once.
const AT_ONCE: usize = 1 << 20;

/// A unitary that one more letter makes, and what is known of all the circuits so far that make it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Two halves rather than 128 bits, which would have to be aligned.
    pub(super) key: [u64; 2],
    /// The id of the circuit without its last letter, times the number of letters, plus the last letter: the smallest.
    pub(super) origin: u64,
    /// How many circuits there are.
    pub(super) circuits: u32,
    /// Bits of the letters with which some of them begin.
    pub(super) first: u32,
    /// Bits of the letters with which some of them end.
    pub(super) last: u32,
}

/// The key as it is compared.
pub(super) fn halves(key: u128) -> [u64; 2] {
    [(key >> 64) as u64, key as u64]
}

/// Puts candidates in order by their keys, whose first halves less `first` have `common` leading zeros. `spare` is for its memory.
pub(super) fn sort_by_key(candidates: &mut [Candidate], first: u64, common: u32, spare: &mut Vec<Candidate>) {
    let place = |candidate: &Candidate| (candidate.key[0] - first) << common;
    sort(candidates, spare, place, |candidate| candidate.key);
}

/// Puts candidates in order by their origins, all of which are in `origins`.
pub(super) fn sort_by_origin(candidates: &mut [Candidate], origins: &Range<u64>, spare: &mut Vec<Candidate>) {
    let spread = (origins.end - origins.start).max(1).leading_zeros();
    let place = |candidate: &Candidate| (candidate.origin - origins.start) << spread;
    sort(candidates, spare, place, |candidate| candidate.origin);
}

/// Candidates are put into so many groups at once, by so many bits: more would not find their ends in the caches.
const MOST_BITS: u32 = 11;

/// Puts candidates in order by their `key`, of which `place` is the beginning, spread over all numbers: twice into groups by the leading
/// bits, after which few have the same.
fn sort<K: Ord>(
    candidates: &mut [Candidate],
    spare: &mut Vec<Candidate>,
    place: impl Fn(&Candidate) -> u64,
    key: impl Fn(&Candidate) -> K,
) {
    let bits = (candidates.len() / 4).max(1).ilog2();
    let first = bits.div_ceil(2).min(MOST_BITS);
    let second = (bits - first).min(MOST_BITS);
    spare.resize(candidates.len(), Candidate::default());
    let (mut ends, mut within) = (Vec::new(), Vec::new());
    scatter(candidates, spare, first, &place, &mut ends);
    let mut start = 0;
    for &end in &ends {
        let group = &mut candidates[start..end];
        scatter(&spare[start..end], group, second, |candidate| place(candidate) << first, &mut within);
        let mut from = 0;
        for &to in &within {
            if to - from > 1 {
                group[from..to].sort_unstable_by_key(&key);
            }
            from = to;
        }
        start = end;
    }
}

/// Copies candidates to `out`, group by group, by the `bits` leading bits of their places; notes where each group ends.
fn scatter(
    candidates: &[Candidate],
    out: &mut [Candidate],
    bits: u32,
    place: impl Fn(&Candidate) -> u64,
    ends: &mut Vec<usize>,
) {
    let group = |candidate: &Candidate| place(candidate).checked_shr(u64::BITS - bits).unwrap_or(0) as usize;
    // Where each begins, which moves on to where it ends.
    ends.clear();
    ends.resize(1 << bits, 0);
    candidates.iter().for_each(|candidate| ends[group(candidate)] += 1);
    let mut sum = 0;
    for end in ends.iter_mut() {
        sum += std::mem::replace(end, sum);
    }
    for candidate in candidates {
        let to = &mut ends[group(candidate)];
        out[*to] = *candidate;
        *to += 1;
    }
}

/// A candidate, by its origin, that is neither the same as another one nor clearly a different one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unclear(pub(super) u64);

/// Whether two keys are of the same unitary; `None` if nobody knows.
pub(super) fn same(one: [u64; 2], other: [u64; 2], bands: Bands) -> Option<bool> {
    let off = one[0].abs_diff(other[0]).max(one[1].abs_diff(other[1]));
    if off <= bands.same {
        Some(true)
    } else if off > bands.apart {
        Some(false)
    } else {
        None
    }
}

/// Makes one of those of the same unitary; they must be in the order of their keys, and are so again. It has the first one's key and
/// origin.
pub(super) fn combine(candidates: &mut Vec<Candidate>, bands: Bands) -> std::result::Result<(), Unclear> {
    if bands.apart == 0 {
        candidates.dedup_by(|next, kept| {
            let same = next.key == kept.key;
            if same {
                kept.join(next);
            }
            same
        });
        return Ok(());
    }
    let (mut start, mut kept) = (0, 0);
    while start < candidates.len() {
        // Neighbours that may be the same, in the order of their origins.
        let near = |k: &usize| candidates[*k].key[0] - candidates[*k - 1].key[0] <= bands.apart;
        let end = start + 1 + (start + 1..candidates.len()).take_while(near).count();
        candidates[start..end].sort_unstable_by_key(|candidate| candidate.origin);
        let first = kept;
        for k in start..end {
            let next = candidates[k];
            let mut known = None;
            for (place, candidate) in candidates[first..kept].iter().enumerate() {
                if same(candidate.key, next.key, bands).ok_or(Unclear(next.origin))? {
                    known = Some(first + place);
                }
            }
            match known {
                Some(known) => candidates[known].join(&next),
                None => {
                    candidates[kept] = next;
                    kept += 1;
                }
            }
        }
        candidates[first..kept].sort_unstable_by_key(|candidate| candidate.key);
        start = end;
    }
    candidates.truncate(kept);
    Ok(())
}

impl Candidate {
    /// Adds another of the same unitary.
    fn join(&mut self, other: &Candidate) {
        self.origin = self.origin.min(other.origin);
        self.circuits = self.circuits.saturating_add(other.circuits);
        self.first |= other.first;
        self.last |= other.last;
    }
}

/// How candidates stand in files: the key, the origin, the number of circuits, the two sets of letters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Bytes of a set of letters.
    set: usize,
}

impl Layout {
    pub(super) fn new(letters: usize) -> Layout {
        Layout { set: letters.div_ceil(8) }
    }

    /// The bytes of a row.
    pub(super) fn whole(self) -> Range<usize> {
        0..ROW - 8 + 2 * self.set
    }

    /// Those of a key and its origin.
    pub(super) fn keys(self) -> Range<usize> {
        0..KEY + ORIGIN
    }

    /// All but the key.
    pub(super) fn found(self) -> Range<usize> {
        KEY..self.whole().end
    }

    fn row(self, candidate: &Candidate) -> [u8; ROW] {
        let mut row = [0; ROW];
        row[..8].copy_from_slice(&candidate.key[0].to_be_bytes());
        row[8..KEY].copy_from_slice(&candidate.key[1].to_be_bytes());
        row[KEY..KEY + ORIGIN].copy_from_slice(&origin_bytes(candidate.origin));
        let rest = &mut row[KEY + ORIGIN..];
        rest[..COUNT].copy_from_slice(&candidate.circuits.to_le_bytes());
        // Of a set that takes fewer bytes, what follows overwrites the rest.
        rest[COUNT..COUNT + 4].copy_from_slice(&candidate.first.to_le_bytes());
        rest[COUNT + self.set..][..4].copy_from_slice(&candidate.last.to_le_bytes());
        row
    }

    /// The candidate of a whole row.
    pub(super) fn candidate(self, row: &[u8; ROW]) -> Candidate {
        let (halves, found) = (row.as_chunks::<8>().0, row.last_chunk::<FOUND>());
        let key = [u64::from_be_bytes(halves[0]), u64::from_be_bytes(halves[1])];
        Candidate { key, ..found.map(|found| self.without_key(found)).unwrap_or_default() }
    }

    fn without_key(self, row: &[u8; FOUND]) -> Candidate {
        let four = |at: usize| row[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let mask = u32::MAX >> (32 - 8 * self.set);
        Candidate {
            key: [0; 2],
            origin: row.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)) >> (64 - 8 * ORIGIN),
            circuits: four(ORIGIN),
            first: four(ORIGIN + COUNT) & mask,
            last: four(ORIGIN + COUNT + self.set) & mask,
        }
    }

    /// The candidate, without its key, of a row without one.
    pub(super) fn of_found(self, row: &[u8; ROW]) -> Candidate {
        row.first_chunk().map(|found| self.without_key(found)).unwrap_or_default()
    }
}

/// The key of a row that has one.
pub(super) fn key(row: &[u8; ROW]) -> u128 {
    row.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// The origin of a row with a key.
pub(super) fn origin_of_key(row: &[u8; ROW]) -> u64 {
    row[KEY..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)) >> (64 - 8 * ORIGIN)
}

pub(super) fn origin_bytes(origin: u64) -> [u8; ORIGIN] {
    let [_, _, bytes @ ..] = origin.to_be_bytes();
    bytes
}

/// The directory of temporary files beside a corpus, which is one process's alone. Files of levels that fit are kept in
/// memory instead.
#[derive(Debug)]
pub(super) struct Temporary {
    directory: PathBuf,
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
        let name = directory.join(LOCK);
        let lock = File::create(&name).map_err(io(&name, "create it"))?;
        if lock.try_lock().is_err() {
            let reason = "another process is enumerating it; wait until that one has ended";
            return Err(Error::Usage(format!("{}: {reason}", corpus.display())));
        }
        let temporary = Temporary { directory, held: Mutex::default(), _lock: lock };
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

    /// Writes these bytes of the rows of candidates to a file, which is there as a whole or not at all, or keeps them in memory.
    pub(super) fn write(
        &self,
        name: &str,
        layout: Layout,
        bytes: &Range<usize>,
        candidates: &[Candidate],
        in_memory: bool,
    ) -> Result<()> {
        let put = |candidates: &[Candidate], buffer: &mut [u8]| {
            let mut at = 0;
            for candidate in candidates {
                let row = layout.row(candidate);
                match bytes.start {
                    0 => buffer[at..at + ROW].copy_from_slice(&row),
                    _ => buffer[at..at + FOUND].copy_from_slice(&row[KEY..]),
                }
                at += bytes.len();
            }
            at
        };
        if in_memory {
            let mut rows = vec![0; candidates.len() * bytes.len() + ROW];
            put(candidates, &mut rows);
            self.held().insert(name.into(), Arc::new(rows));
            return Ok(());
        }
        let (path, part) = (self.path(name), self.path(&format!("{name}.part")));
        let failed = io(&part, "write it");
        let mut file = File::create(&part).map_err(&failed)?;
        let (mut buffer, mut check) = (vec![0; AT_ONCE + ROW], Xxh3Default::new());
        for candidates in candidates.chunks(AT_ONCE / bytes.len()) {
            let at = put(candidates, &mut buffer);
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
        std::fs::write(&part, whole)
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

/// The directory of temporary files of `corpus`, if it is there already one that was made here: at first with nothing but the
/// lock in it.
///
/// # Errors
/// [`Error::Usage`] if it is someone else's.
pub(super) fn check_directory(corpus: &Path) -> Result<PathBuf> {
    let directory = beside(corpus, "-distinct");
    let is_known = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name() == LOCK || entry.file_name() == OF_RECIPE_PART)
    };
    let is_ours = match directory.symlink_metadata() {
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        Ok(found) if !found.is_dir() => false,
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

    /// The rows from one that is not below `start` to the first that is not below `end`, if there is an end.
    pub(super) fn between(&self, start: &[u8], end: Option<&[u8]>) -> Result<Range<u64>> {
        let end = end.map_or(Ok(self.rows), |end| self.below(end))?;
        Ok(self.below(start)?..end)
    }

    /// Calls `visit` with each of `rows` in order, and with what happens to stand behind it, until it says no.
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
