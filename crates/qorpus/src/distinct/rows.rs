//! Candidates and the temporary files that hold them, sorted: what does not fit in memory.

use crate::connection::beside;
use crate::error::{Error, Result, io};
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// Bytes of a key, and of an origin, as they stand in rows: big-endian, so that rows are ordered as their bytes.
pub(super) const KEY: usize = 16;
const ORIGIN: usize = 6;
const COUNT: usize = 4;

/// Bytes of the check behind the rows.
const CHECK: u64 = 8;

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

/// Puts candidates in order by their keys, of which the first `common` bits are the same in all. `spare` is for its memory.
pub(super) fn sort_by_key(candidates: &mut Vec<Candidate>, common: u32, spare: &mut Vec<Candidate>) {
    scatter(candidates, spare, |candidate| candidate.key[0] << common);
    std::mem::swap(candidates, spare);
    sort_groups(
        candidates,
        |candidate| candidate.key[0] << common,
        |part| {
            part.sort_unstable_by_key(|candidate| candidate.key);
        },
    );
}

/// Puts candidates in order by their origins, all of which are in `origins`.
pub(super) fn sort_by_origin(
    candidates: &mut Vec<Candidate>,
    origins: &Range<u64>,
    spare: &mut Vec<Candidate>,
) {
    let spread = (origins.end - origins.start).max(1).leading_zeros();
    let place = |candidate: &Candidate| (candidate.origin - origins.start) << spread;
    scatter(candidates, spare, place);
    std::mem::swap(candidates, spare);
    sort_groups(candidates, place, |part| part.sort_unstable_by_key(|candidate| candidate.origin));
}

/// Groups of so many candidates are meant to be near enough to be sorted fast.
const GROUP: usize = 1024;

/// The number of leading bits that make groups of about that size.
fn group_bits(candidates: usize) -> u32 {
    (candidates / GROUP).max(1).ilog2().min(12)
}

/// Copies candidates to `out`, group by group, by the leading bits of their places.
fn scatter(candidates: &[Candidate], out: &mut Vec<Candidate>, place: impl Fn(&Candidate) -> u64) {
    let bits = group_bits(candidates.len());
    let group = |candidate: &Candidate| place(candidate).checked_shr(u64::BITS - bits).unwrap_or(0) as usize;
    let mut next = vec![0usize; (1 << bits) + 1];
    candidates.iter().for_each(|candidate| next[group(candidate) + 1] += 1);
    (1..next.len()).for_each(|k| next[k] += next[k - 1]);
    out.resize(candidates.len(), Candidate::default());
    for candidate in candidates {
        let to = &mut next[group(candidate)];
        out[*to] = *candidate;
        *to += 1;
    }
}

/// Calls `sort` with each of the groups that [`scatter`] has made.
fn sort_groups(
    candidates: &mut [Candidate],
    place: impl Fn(&Candidate) -> u64,
    sort: impl Fn(&mut [Candidate]),
) {
    let bits = group_bits(candidates.len());
    let group = |candidate: &Candidate| place(candidate).checked_shr(u64::BITS - bits).unwrap_or(0);
    candidates.chunk_by_mut(|one, next| group(one) == group(next)).for_each(sort);
}

/// Makes one of those with the same key, which must stand beside each other.
pub(super) fn combine(candidates: &mut Vec<Candidate>) {
    candidates.dedup_by(|next, kept| {
        let same = next.key == kept.key;
        if same {
            kept.origin = kept.origin.min(next.origin);
            kept.circuits = kept.circuits.saturating_add(next.circuits);
            kept.first |= next.first;
            kept.last |= next.last;
        }
        same
    });
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

    /// Bytes of a candidate.
    pub(super) fn width(self) -> usize {
        KEY + self.found_width()
    }

    /// Bytes of a key and its origin, the beginning of a candidate.
    pub(super) fn key_width(self) -> usize {
        KEY + ORIGIN
    }

    /// Bytes of a candidate without its key.
    pub(super) fn found_width(self) -> usize {
        ORIGIN + COUNT + 2 * self.set
    }

    /// The candidate as bytes, of which the first `width` count.
    pub(super) fn row(self, candidate: &Candidate) -> [u8; KEY + ORIGIN + COUNT + 8] {
        let mut row = [0; KEY + ORIGIN + COUNT + 8];
        row[..8].copy_from_slice(&candidate.key[0].to_be_bytes());
        row[8..KEY].copy_from_slice(&candidate.key[1].to_be_bytes());
        row[KEY..KEY + ORIGIN].copy_from_slice(&origin_bytes(candidate.origin));
        let rest = &mut row[KEY + ORIGIN..];
        rest[..COUNT].copy_from_slice(&candidate.circuits.to_le_bytes());
        // A set that takes fewer bytes is overwritten from its end on.
        rest[COUNT..COUNT + 4].copy_from_slice(&candidate.first.to_le_bytes());
        rest[COUNT + self.set..COUNT + self.set + 4].copy_from_slice(&candidate.last.to_le_bytes());
        row
    }

    /// The candidate of a row, or of one without its key.
    pub(super) fn candidate(self, row: &[u8]) -> Candidate {
        let (key, found) = row.split_at(row.len() - self.found_width());
        let half = |bytes: Option<&[u8]>| {
            bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
        };
        let set = |at: usize| {
            let mut bytes = [0; 4];
            bytes[..self.set].copy_from_slice(&found[ORIGIN + COUNT + at..][..self.set]);
            u32::from_le_bytes(bytes)
        };
        let mut circuits = [0; COUNT];
        circuits.copy_from_slice(&found[ORIGIN..ORIGIN + COUNT]);
        Candidate {
            key: [half(key.get(..8)), half(key.get(8..KEY))],
            origin: origin(&found[..ORIGIN]),
            circuits: u32::from_le_bytes(circuits),
            first: set(0),
            last: set(self.set),
        }
    }
}

pub(super) fn origin_bytes(origin: u64) -> [u8; ORIGIN] {
    let [_, _, bytes @ ..] = origin.to_be_bytes();
    bytes
}

pub(super) fn origin(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |origin, &byte| origin << 8 | u64::from(byte))
}

/// The directory of temporary files beside a corpus, which is one process's alone.
#[derive(Debug)]
pub(super) struct Temporary {
    directory: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl Temporary {
    /// Opens or makes that of `corpus`.
    pub(super) fn open(corpus: &Path) -> Result<Temporary> {
        let directory = beside(corpus, "-distinct");
        match std::fs::create_dir(&directory) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                if !directory.symlink_metadata().is_ok_and(|found| found.is_dir()) {
                    return Err(Error::NoPlainFile(directory));
                }
            }
            made => made.map_err(io(&directory, "create the directory for temporary files"))?,
        }
        let name = directory.join("lock");
        let lock = File::create(&name).map_err(io(&name, "create it"))?;
        if lock.try_lock().is_err() {
            let reason = "another process is enumerating it; wait until that one has ended";
            return Err(Error::Usage(format!("{}: {reason}", corpus.display())));
        }
        Ok(Temporary { directory, _lock: lock })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file of rows, which is there as a whole or not at all.
    pub(super) fn write<'r>(
        &self,
        name: &str,
        rows: impl Iterator<Item = impl AsRef<[u8]> + 'r>,
    ) -> Result<u64> {
        let (path, part) = (self.path(name), self.path(&format!("{name}.part")));
        let failed = io(&part, "write it");
        let mut file = File::create(&part).map_err(&failed)?;
        let (mut buffer, mut check, mut count) = (Vec::with_capacity(AT_ONCE + 64), Xxh3Default::new(), 0);
        for row in rows {
            buffer.extend_from_slice(row.as_ref());
            count += 1;
            if buffer.len() >= AT_ONCE {
                check.update(&buffer);
                file.write_all(&buffer).map_err(&failed)?;
                buffer.clear();
            }
        }
        check.update(&buffer);
        buffer.extend_from_slice(&check.digest().to_le_bytes());
        file.write_all(&buffer).map_err(&failed)?;
        // Not synced: after a power cut its check tells.
        std::fs::rename(&part, &path).map_err(&failed)?;
        Ok(count)
    }

    /// A file that [`write`](Temporary::write) wrote.
    pub(super) fn sorted(&self, name: &str, width: usize) -> Result<Sorted> {
        Sorted::open(self.path(name), width)
    }

    /// Whether the file is there as it was written, whatever has happened to the machine since.
    pub(super) fn is_whole(&self, name: &str) -> bool {
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
        let failed = || io(&self.directory, "remove temporary files in it");
        for entry in std::fs::read_dir(&self.directory).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
                std::fs::remove_file(entry.path()).map_err(io(&entry.path(), "remove it"))?;
            }
        }
        Ok(())
    }

    /// Removes everything.
    pub(super) fn end(self) -> Result<()> {
        std::fs::remove_dir_all(&self.directory).map_err(io(&self.directory, "remove it"))
    }
}

/// A file of rows in ascending order.
#[derive(Debug)]
pub(super) struct Sorted {
    path: PathBuf,
    file: File,
    width: usize,
    rows: u64,
}

impl Sorted {
    fn open(path: PathBuf, width: usize) -> Result<Sorted> {
        let file = File::open(&path).map_err(io(&path, "open it"))?;
        let len = file.metadata().map_err(io(&path, "look at it"))?.len();
        Ok(Sorted { path, file, width, rows: len.saturating_sub(CHECK) / width as u64 })
    }

    pub(super) fn len(&self) -> u64 {
        self.rows
    }

    fn read_at(&self, row: u64, out: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(out, row * self.width as u64).map_err(io(&self.path, "read it"))
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

    /// Calls `visit` with each of `rows` in order, until it says no.
    pub(super) fn visit(&self, rows: Range<u64>, mut visit: impl FnMut(&[u8]) -> bool) -> Result<()> {
        let (mut next, mut buffer) = (rows.start, Vec::new());
        let at_once = (AT_ONCE / self.width) as u64;
        while next < rows.end {
            let until = rows.end.min(next + at_once);
            buffer.resize((until - next) as usize * self.width, 0);
            self.read_at(next, &mut buffer)?;
            next = until;
            if !buffer.chunks_exact(self.width).all(&mut visit) {
                break;
            }
        }
        Ok(())
    }
}
