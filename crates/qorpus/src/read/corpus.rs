//! Records for many threads: one file, several read as one, or a recipe that is computed while it
//! is read.

use crate::corpus::corpus_file::{CorpusFile, Summary, bytes_of, damaged};
use crate::corpus::ids::{Ids, Sorted};
use crate::corpus::record::{GivenLabels, Record, labels_of};
use crate::corpus::scan::Batch;
use crate::corpus::unitary_buffer::UnitaryBufferPool;
use crate::distinct::find::Found;
use crate::error::other_recipe;
use crate::error::{ChunkDamage, Error, Result};
use crate::options::distinct::FindOptions;
use crate::os::fork::{self, ForkAware};
use crate::os::waiting::ThreadGroup;
use crate::qubit_order::{Order, reorder};
use crate::read::present::Present;
use crate::shards::open::OpenShards;
use crate::shards::seal::Sealed;
use crate::shards::sharded::is_there;
use crate::sqlite::wal;
use crate::tables::claims;
use crate::tables::levels::Level;
use qorpus_core::{Circuits, Complex64, Distinct, Kernel, Label, Permutation, Recipe, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A thread reads at least so many scattered records: to start one takes as long as some three
/// hundred of them.
///
/// The threads end with the call, because a pool would not live through a fork.
const MIN_SCATTERED_RECORDS: usize = 2048;

/// A thread reads at least so many bytes of neighbouring unitaries.
const MIN_DENSE_BYTES: usize = 1 << 19;

/// Unitaries are computed in batches of about this many bytes.
const BATCH_BYTES: usize = 1 << 20;

/// Some records, in the order they were asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Their circuits, as numbers of letters.
    pub circuits: Circuits,
    /// Their unitaries, row-major, little-endian, of the corpus's dtype.
    pub unitaries: Vec<u8>,
    /// The labels that came with them, or nothing at all if records bring none; those that are
    /// counted are left out.
    pub given: Vec<GivenLabels>,
}

/// A sequence of records, for any number of threads.
///
/// What it reads is one file, several files read as one, or a recipe whose records are computed. It
/// follows what others commit, and lives through forks: see [`before_fork`](crate::before_fork).
#[derive(Debug)]
pub struct Corpus {
    recipe: Recipe,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Computed(Kernel, UnitaryBufferPool),
    /// Parts of one recipe: each record is in one of the files.
    Parts(Vec<Arc<File>>),
    /// One file after the other; with each the id that its first record has here.
    Joined(Vec<(u64, Arc<File>)>),
    /// A directory of files, each with its range of ids.
    Sharded(Box<OpenShards>),
}

/// A file with the handles that no thread is using at present.
#[derive(Debug)]
struct File {
    path: PathBuf,
    /// Its size when it was opened first.
    bytes: u64,
    #[expect(clippy::vec_box, reason = "they are handed out for every read, and large")]
    idle: Mutex<Vec<Box<CorpusFile>>>,
}

impl ForkAware for File {
    fn close_handles(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl File {
    fn open(path: &Path) -> Result<Arc<File>> {
        let _inside = fork::enter();
        let first = Box::new(CorpusFile::open(path)?);
        let (path, bytes) = (first.path().into(), first.found.0);
        let file = Arc::new(File { path, bytes, idle: Mutex::new(vec![first]) });
        let holder: Arc<dyn ForkAware> = file.clone();
        fork::register(Arc::downgrade(&holder));
        Ok(file)
    }

    /// Runs `read` with a handle that no other thread uses, of a corpus that still has this recipe.
    fn with<T>(&self, recipe: Option<&Recipe>, read: impl FnOnce(&CorpusFile) -> Result<T>) -> Result<T> {
        let _inside = fork::enter();
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let corpus = match idle.filter(|corpus| !corpus.is_replaced()) {
            Some(corpus) => corpus,
            None => {
                // Whatever a file is that was cut, it was a corpus.
                let cut = |error| match bytes_of(&self.path) < self.bytes {
                    true => Error::Changed(self.path.clone()),
                    false => error,
                };
                let corpus = Box::new(CorpusFile::open(&self.path).map_err(cut)?);
                match recipe {
                    Some(recipe) if recipe.hash() != corpus.recipe().hash() => {
                        return Err(other_recipe(&self.path, corpus.recipe(), recipe));
                    }
                    _ => corpus,
                }
            }
        };
        let result = read(&corpus);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(corpus);
        result
    }
}

impl Corpus {
    /// Opens files as one sequence of records, or a sharded corpus, of which files are opened when
    /// they are needed. Another directory stands for the `*.db` in it, in the order of their names.
    ///
    /// All must have one recipe. Generated files are parts of one corpus: each record is read from
    /// the file that has it. Files to which records were appended follow one another; then only the
    /// last one may grow.
    ///
    /// # Errors
    /// There is no file, one of them is no corpus, or they have different recipes.
    pub fn open(paths: &[PathBuf]) -> Result<Corpus> {
        if let [path] = paths
            && is_there(path)
        {
            let shards = Box::new(OpenShards::open(path)?);
            return Ok(Corpus { recipe: shards.recipe().clone(), source: Source::Sharded(shards) });
        }
        let mut files = Vec::new();
        for path in paths {
            if is_there(path) {
                let text = format!("{} is a sharded corpus, which is whole; open it alone", path.display());
                return Err(Error::Usage(text));
            }
            match path.is_dir() {
                true => files.extend(directory(path)?),
                false => files.push(path.clone()),
            }
        }
        let files = files.iter().map(|path| File::open(path)).collect::<Result<Vec<_>>>()?;
        let Some(first) = files.first() else {
            return Err(Error::Usage("there is nothing to open; name at least one corpus".into()));
        };
        let recipe = first.with(None, |corpus| Ok(corpus.recipe().clone()))?;
        for file in &files[1..] {
            file.with(None, |corpus| match corpus.recipe().hash() == recipe.hash() {
                true => Ok(()),
                false => Err(other_recipe(&file.path, corpus.recipe(), &recipe)),
            })?;
        }
        if recipe.expected().is_some() {
            return Ok(Corpus { recipe, source: Source::Parts(files) });
        }
        if recipe.space().enumerates().is_some() && files.len() > 1 {
            return Err(Error::Usage("an enumeration is whole in one file; open it alone".into()));
        }
        let (mut next, mut joined) = (0, Vec::new());
        for file in files {
            let len = file.with(Some(&recipe), CorpusFile::len)?;
            joined.push((next, file));
            next += len;
        }
        Ok(Corpus { recipe, source: Source::Joined(joined) })
    }

    /// The same, of a sharded corpus with the records of shards that are published and not listed
    /// in the manifest yet. Queries and all that is of the corpus as a whole leave these out.
    #[must_use]
    pub fn with_unsealed(self) -> Corpus {
        let source = match self.source {
            Source::Sharded(shards) => Source::Sharded(Box::new(shards.with_unsealed())),
            source => source,
        };
        Corpus { source, ..self }
    }

    /// The records of a recipe, computed while they are read; nothing is stored.
    ///
    /// # Errors
    /// [`Error::Usage`] for a recipe of appended circuits, which nobody can compute.
    pub fn computed(recipe: Recipe) -> Result<Corpus> {
        match recipe.expected() {
            Some(_) => Ok(Corpus {
                source: Source::Computed(Kernel::new(recipe.alphabet()), UnitaryBufferPool::default()),
                recipe,
            }),
            None => Err(Error::Usage(
                "appended circuits cannot be computed; a recipe needs words or random circuits".into(),
            )),
        }
    }

    /// What decides the records; of several files, what they share.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The files, absolute; of a sharded corpus the directory.
    pub fn paths(&self) -> Vec<&Path> {
        match &self.source {
            Source::Sharded(shards) => vec![shards.path()],
            _ => self.files().map(|file| file.path.as_path()).collect(),
        }
    }

    /// Whether it is a sharded corpus.
    pub fn is_sharded(&self) -> bool {
        matches!(self.source, Source::Sharded(_))
    }

    /// What stands for all of it in a sentence: its first file, or its directory.
    pub(crate) fn place(&self) -> PathBuf {
        self.paths().first().map_or_else(PathBuf::new, |path| path.to_path_buf())
    }

    fn files(&self) -> impl Iterator<Item = &Arc<File>> {
        let (parts, joined) = match &self.source {
            Source::Computed(..) | Source::Sharded(_) => (&[][..], &[][..]),
            Source::Parts(files) => (&files[..], &[][..]),
            Source::Joined(files) => (&[][..], &files[..]),
        };
        parts.iter().chain(joined.iter().map(|(_, file)| file))
    }

    /// How many ids there are: all of the recipe's, made or not, or those appended so far.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn len(&self) -> Result<u64> {
        match &self.source {
            Source::Joined(files) => match files.last() {
                Some((first, file)) => Ok(first + file.with(Some(&self.recipe), CorpusFile::len)?),
                None => Ok(0),
            },
            _ => Ok(self.recipe.space().len()),
        }
    }

    /// How many ids there are at least: as many as were seen not long ago, without a look at the
    /// file. Records are never taken away.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn at_least(&self) -> Result<u64> {
        match &self.source {
            Source::Joined(files) => match files.last() {
                Some((first, file)) => {
                    Ok(first + file.with(Some(&self.recipe), |corpus| Ok(corpus.records_known()))?)
                }
                None => Ok(0),
            },
            _ => Ok(self.recipe.space().len()),
        }
    }

    /// Whether there are no records.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// What the files together say of themselves: sums, and the hash is the sum of theirs.
    ///
    /// # Errors
    /// A file cannot be read, or there is none because the records are computed.
    pub fn summary(&self) -> Result<Summary> {
        if let Source::Sharded(shards) = &self.source {
            return shards.summary();
        }
        let mut summaries = self.files().map(|file| file.with(Some(&self.recipe), CorpusFile::summary));
        let none =
            || Err(Error::Usage("the records of a recipe are computed; there is no file to sum up".into()));
        let mut sum = summaries.next().unwrap_or_else(none)?;
        for summary in summaries {
            let Summary { records, content_hash, bytes, wal_missing, .. } = summary?;
            sum.wal_missing |= wal_missing;
            sum.records += records;
            sum.content_hash += content_hash;
            sum.bytes += bytes;
        }
        if self.recipe.space().enumerates().is_none() {
            sum.complete = sum.expected.is_none_or(|expected| sum.records == expected);
        }
        Ok(sum)
    }

    /// What a user should know of these files before relying on them, as sentences: those that were
    /// copied without their WAL.
    pub fn warnings(&self) -> Vec<String> {
        let missing = self.files().filter(|file| wal::is_found(&file.path));
        missing.map(|file| wal::warning(&file.path)).collect()
    }

    /// The labels that records brought with them, by name, and for each whether it is a text; of
    /// several files, in one of them.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn label_kinds(&self) -> Result<BTreeMap<String, bool>> {
        let mut kinds = BTreeMap::new();
        for file in self.files() {
            for (name, is_text) in file.with(Some(&self.recipe), CorpusFile::label_kinds)? {
                *kinds.entry(name).or_default() |= is_text;
            }
        }
        Ok(kinds)
    }

    /// The finished levels of an enumeration, in order; none of another corpus.
    ///
    /// # Errors
    /// The file cannot be read, or contradicts itself.
    pub fn levels(&self) -> Result<Vec<Level>> {
        let levels = |file: &Arc<File>| file.with(Some(&self.recipe), CorpusFile::levels);
        self.files().next().map_or_else(|| Ok(Vec::new()), levels)
    }

    /// Looks for unitaries as [`CorpusFile::find_many`] does.
    ///
    /// # Errors
    /// As [`CorpusFile::find`].
    pub fn find_many(
        &self,
        targets: &[Target],
        options: FindOptions,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Found>> {
        let none = || match &self.source {
            Source::Sharded(_) => {
                let text = "only a corpus that 'qorpus distinct' made can be searched, and that is one file";
                Error::Usage(text.into())
            }
            _ => Error::Usage("the records of a recipe are computed; there is no file to search".into()),
        };
        let file = self.files().next().ok_or_else(none)?;
        file.with(Some(&self.recipe), |corpus| match targets {
            [target] => Ok(vec![corpus.find(target, options, stop)?]),
            targets => corpus.find_many(targets, options, stop),
        })
    }

    /// The ids of `count` records at this distance from the identity, drawn uniformly and without
    /// repetition: what a seed draws never changes. The distance is what the circuits cost, or, if
    /// nothing costs anything, their length.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are fewer, or the level is not there yet.
    pub fn sample(&self, distance: u64, count: u64, seed: u64) -> Result<Vec<u64>> {
        let levels = self.levels()?;
        let has_costs = self.recipe.space().enumerates().is_some_and(Distinct::has_costs);
        let at =
            |level: &&Level| if has_costs { u64::from(level.cost) } else { level.length as u64 } == distance;
        let mut found = levels.iter().filter(at).map(Level::ids);
        let first = found.next().unwrap_or(0..0);
        let ids = first.start..found.next_back().map_or(first.end, |last| last.end);
        if count > ids.end - ids.start {
            let there = ids.end - ids.start;
            return Err(Error::Usage(format!(
                "there are {there} records at distance {distance}, not {count}"
            )));
        }
        let order = Permutation::new((ids.end - ids.start).max(1), seed);
        Ok((0..count).map(|place| ids.start + order.apply(place)).collect())
    }

    /// A unitary of which the qubits are in this order, row-major, in the big order.
    pub fn from_order(&self, unitary: &[Complex64], order: Order) -> Vec<Complex64> {
        let mut unitary = unitary.to_vec();
        reorder(
            bytemuck::cast_slice_mut(&mut unitary),
            self.recipe.alphabet().qubits(),
            size_of::<Complex64>(),
            order,
        );
        unitary
    }

    /// Bytes of a unitary: dimension squared times those of an entry.
    pub fn unitary_bytes(&self) -> usize {
        self.recipe.alphabet().dim().pow(2) * self.recipe.dtype().bytes()
    }

    /// The circuits with these ids, in any order, also repeated, as numbers of letters. Many are
    /// read in parallel, here and in what follows.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::NotYet`], [`Error::DamagedChunk`], or a file cannot be read.
    pub fn circuits<'a>(&self, ids: impl Into<Ids<'a>>) -> Result<Circuits> {
        let ids = ids.into();
        // An array of unitaries does not fit in memory or it does; circuits grow, and memory must
        // not end in between.
        let piece = self.piece();
        if ids.len() <= piece {
            return Ok(joined(self.shares_of_circuits(&ids)?));
        }
        self.check(&ids)?;
        let too_many = |_| Error::TooMany(ids.len());
        let (mut circuits, (shortest, _)) = (Circuits::default(), self.recipe.space().lengths());
        circuits.try_reserve(ids.len(), ids.len().saturating_mul(shortest)).map_err(too_many)?;
        for start in (0..ids.len()).step_by(piece) {
            let part = ids.part(start..ids.len().min(start + piece));
            for more in self.shares_of_circuits(&part)? {
                circuits.try_reserve(0, more.total()).map_err(too_many)?;
                circuits.extend(&more);
            }
        }
        Ok(circuits)
    }

    /// The circuits with these ids, as threads have read them.
    fn shares_of_circuits(&self, ids: &Ids<'_>) -> Result<Vec<Circuits>> {
        self.shared_out(ids, None, |ids, _| {
            let mut circuits = Circuits::default();
            if let Source::Computed(..) = &self.source {
                self.compute_circuits(ids, &mut circuits);
                return Ok(circuits);
            }
            let sorted = self.sorted(ids)?;
            self.in_files(&sorted.ids(), &mut |corpus, ids, _| corpus.circuits(ids, &mut circuits))?;
            Ok(sorted.circuits_as_asked(circuits))
        })
    }

    /// How many circuits are read before it is looked whether there is memory for more: some
    /// hundred megabytes of them. Those that people append are seldom as long as they may be.
    fn piece(&self) -> usize {
        let longest = match self.recipe.space().is_appended() {
            true => 1 << 10,
            false => self.recipe.space().lengths().1.max(1),
        };
        ((1 << 27) / longest).min(1 << 20)
    }

    /// Writes the unitaries with these ids, in any order, also repeated, to `out`: row-major,
    /// little-endian, of the recipe's dtype, with qubits in this order.
    ///
    /// # Errors
    /// As [`circuits`](Corpus::circuits).
    ///
    /// # Panics
    /// If `out` does not hold exactly one unitary for each id.
    pub fn unitaries<'a>(&self, ids: impl Into<Ids<'a>>, order: Order, out: &mut [u8]) -> Result<()> {
        self.shared_out(&ids.into(), Some(out), |ids, out| {
            if let Source::Computed(kernel, buffer_pool) = &self.source {
                self.compute_rows(kernel, buffer_pool, ids, None, out);
            } else {
                let (size, sorted) = (self.unitary_bytes(), self.sorted(ids)?);
                self.in_files(&sorted.ids(), &mut |corpus, ids, range| {
                    corpus.unitaries(ids, &mut out[range.start * size..range.end * size])
                })?;
                self.as_asked(&sorted, out);
            }
            self.reorder(order, out);
            Ok(())
        })?;
        Ok(())
    }

    /// What [`circuits`](Corpus::circuits) and [`unitaries`](Corpus::unitaries) do, in one go.
    ///
    /// # Errors
    /// As [`circuits`](Corpus::circuits).
    ///
    /// # Panics
    /// If `out` does not hold exactly one unitary for each id.
    pub fn pairs<'a>(&self, ids: impl Into<Ids<'a>>, order: Order, out: &mut [u8]) -> Result<Circuits> {
        let shares = self.shared_out(&ids.into(), Some(out), |ids, out| {
            let mut circuits = Circuits::default();
            self.share_of_rows(ids, order, &mut circuits, out, None)?;
            Ok(circuits)
        })?;
        Ok(joined(shares))
    }

    /// Ids in the order in which they are read fastest: as they are, unless pages have to be looked
    /// up one by one.
    fn sorted<'a>(&self, ids: &Ids<'a>) -> Result<Sorted<'a>> {
        let Ids::List(list) = ids else { return Ok(Sorted::as_asked(ids)) };
        let only = match &self.source {
            Source::Parts(files) if files.len() == 1 => files.first(),
            Source::Joined(files) if files.len() == 1 => files.first().map(|(_, file)| file),
            _ => None,
        };
        if list.is_sorted()
            || only.map_or(Ok(false), |file| file.with(Some(&self.recipe), CorpusFile::is_mapped))?
        {
            return Ok(Sorted::as_asked(ids));
        }
        Ok(Sorted::new(list))
    }

    /// Puts unitaries, read in the sorted order, where they were asked for.
    fn as_asked(&self, sorted: &Sorted<'_>, unitaries: &mut [u8]) {
        let size = self.unitary_bytes();
        if let Some(places) = sorted.places() {
            let ascending = unitaries.to_vec();
            for (unitary, place) in ascending.chunks_exact(size).zip(places) {
                unitaries[place * size..][..size].copy_from_slice(unitary);
            }
        }
    }

    fn reorder(&self, order: Order, unitaries: &mut [u8]) {
        reorder(unitaries, self.recipe.alphabet().qubits(), self.recipe.dtype().bytes(), order);
    }

    /// The labels that came with the records with these ids, in any order, also repeated; nothing
    /// at all if records bring none.
    ///
    /// # Errors
    /// As [`circuits`](Corpus::circuits).
    pub fn given_labels<'a>(&self, ids: impl Into<Ids<'a>>) -> Result<Vec<GivenLabels>> {
        let ids = ids.into();
        if !self.recipe.space().is_appended() {
            self.check(&ids)?;
            return Ok(Vec::new());
        }
        let (sorted, mut labels) = (self.sorted(&ids)?, Vec::new());
        self.in_files(&sorted.ids(), &mut |corpus, ids, _| corpus.labels(ids, &mut labels))?;
        Ok(sorted.labels_as_asked(labels))
    }

    /// The records with these ids, in any order, also repeated, with qubits in this order.
    ///
    /// # Errors
    /// As [`circuits`](Corpus::circuits).
    pub fn rows<'a>(&self, ids: impl Into<Ids<'a>>, order: Order) -> Result<Rows> {
        let mut rows = Rows::default();
        self.read(ids, order, &mut rows)?;
        Ok(rows)
    }

    /// The same, in memory that is reused: what was in `rows` is replaced.
    ///
    /// # Errors
    /// As [`circuits`](Corpus::circuits); then there is nothing of use in `rows`.
    pub fn read<'a>(&self, ids: impl Into<Ids<'a>>, order: Order, rows: &mut Rows) -> Result<()> {
        self.some_rows(&ids.into(), order, true, rows)
    }

    /// The same, `with_labels` or without those that were given.
    pub(crate) fn some_rows(
        &self,
        ids: &Ids<'_>,
        order: Order,
        with_labels: bool,
        rows: &mut Rows,
    ) -> Result<()> {
        let Rows { circuits, unitaries, given } = rows;
        circuits.clear();
        given.clear();
        let size = ids.len().saturating_mul(self.unitary_bytes());
        let more = size.saturating_sub(unitaries.len());
        unitaries.try_reserve(more).map_err(|_| Error::TooMany(ids.len()))?;
        unitaries.resize(size, 0);
        if self.threads(ids) == 1 {
            self.check(ids)?;
            return again(|| {
                circuits.clear();
                given.clear();
                self.share_of_rows(ids, order, circuits, unitaries, with_labels.then_some(&mut *given))
            });
        }
        let shares = self.shared_out(ids, Some(unitaries), |ids, out| {
            let (mut circuits, mut given) = (Circuits::default(), Vec::new());
            self.share_of_rows(ids, order, &mut circuits, out, with_labels.then_some(&mut given))?;
            Ok((circuits, given))
        })?;
        for (more, more_given) in shares {
            circuits.extend(&more);
            given.extend(more_given);
        }
        Ok(())
    }

    /// Reads what one thread reads of some records; `circuits` and `given` are empty before.
    fn share_of_rows(
        &self,
        ids: &Ids<'_>,
        order: Order,
        circuits: &mut Circuits,
        out: &mut [u8],
        mut given: Option<&mut Vec<GivenLabels>>,
    ) -> Result<()> {
        if let Source::Computed(kernel, buffer_pool) = &self.source {
            self.compute_rows(kernel, buffer_pool, ids, Some(circuits), out);
        } else {
            let (size, sorted) = (self.unitary_bytes(), self.sorted(ids)?);
            self.in_files(&sorted.ids(), &mut |corpus, ids, range| {
                let out = &mut out[range.start * size..range.end * size];
                corpus.rows(ids, circuits, out, given.as_deref_mut())
            })?;
            if sorted.places().is_some() {
                self.as_asked(&sorted, out);
                *circuits = sorted.circuits_as_asked(std::mem::take(circuits));
                if let Some(given) = given {
                    *given = sorted.labels_as_asked(std::mem::take(given));
                }
            }
        }
        self.reorder(order, out);
        Ok(())
    }

    /// The record with this id, with qubits in this order.
    ///
    /// # Errors
    /// As [`circuits`](Corpus::circuits).
    pub fn record(&self, id: u64, order: Order) -> Result<Record> {
        let mut rows = self.rows(&[id], order)?;
        let circuit = rows.circuits.get(0).to_vec();
        let labels = self.labels(&circuit, rows.given.pop().unwrap_or_default());
        Ok(Record { id, circuit, unitary: self.recipe.dtype().decode(&rows.unitaries), labels })
    }

    /// All labels of a record: those that are counted from its circuit, and those it was `given`.
    pub fn labels(&self, circuit: &[u16], given: GivenLabels) -> BTreeMap<String, Label> {
        labels_of(&self.recipe, circuit, given)
    }

    /// The first id from `id` on whose record is made, or how many there are.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn next_made(&self, id: u64) -> Result<u64> {
        match &self.source {
            Source::Parts(files) => {
                let next = |file: &Arc<File>| file.with(Some(&self.recipe), |corpus| corpus.next_made(id));
                files.iter().map(next).try_fold(self.recipe.space().len(), |next, found| Ok(next.min(found?)))
            }
            Source::Sharded(shards) => Ok(shards.manifest()?.next_listed(id)),
            _ => Ok(id),
        }
    }

    /// Calls `visit` with the chunks that are there among `numbers`, as [`CorpusFile::scan`] does.
    ///
    /// # Errors
    /// As that; [`Error::Usage`] if there are several files that are parts, or none.
    pub(crate) fn scan(
        &self,
        numbers: Range<u64>,
        visit: &mut dyn FnMut(&Batch<'_>) -> Result<()>,
    ) -> Result<()> {
        let Source::Sharded(shards) = &self.source else {
            return self
                .only()
                .and_then(|file| file.with(Some(&self.recipe), |corpus| corpus.scan(numbers, visit)));
        };
        for (id, chunks) in shards.listed_chunks()? {
            let chunks = chunks.start.max(numbers.start)..chunks.end.min(numbers.end);
            if !chunks.is_empty() {
                let mut next = chunks.start;
                again(|| {
                    let from = next;
                    shards.with_chunks(id, |corpus| {
                        corpus.scan(from..chunks.end, &mut |batch| {
                            next = batch.number + 1;
                            visit(batch)
                        })
                    })
                })?;
            }
        }
        Ok(())
    }

    /// The names of the labels that some record of these chunks has as a real.
    ///
    /// # Errors
    /// As [`scan`](Corpus::scan).
    pub(crate) fn real_labels(&self, numbers: Range<u64>) -> Result<BTreeSet<String>> {
        match self.recipe.space().enumerates().is_some() || !self.recipe.space().is_appended() {
            // An enumeration's labels are integers, and a recipe's records have none.
            true => Ok(BTreeSet::new()),
            false => self
                .only()
                .and_then(|file| file.with(Some(&self.recipe), |corpus| corpus.real_labels(numbers))),
        }
    }

    /// The numbers that chunks may have which were there when this was the summary.
    pub(crate) fn numbers(&self, summary: &Summary) -> Range<u64> {
        0..summary.expected.unwrap_or(summary.records).div_ceil(self.recipe.stride())
    }

    /// What is there at this moment: of a sharded corpus the records of all shards that are
    /// published, whether the manifest lists them yet or not. All of it can be read [with what is
    /// unsealed](Corpus::with_unsealed).
    ///
    /// Takes time proportional to the number of shards, unless all of them are listed.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn present(&self) -> Result<Present> {
        match &self.source {
            Source::Sharded(shards) => {
                let there = shards.published()?.shards;
                Ok(Present::new(there.iter().map(|shard| shards.ids(shard.number))))
            }
            Source::Parts(files) => {
                let mut ranges = Vec::new();
                for file in files {
                    let done = file.with(Some(&self.recipe), |corpus| {
                        corpus.read(|connection| claims::done(connection, self.recipe.chunks()))
                    })?;
                    let last = |end: u64| self.recipe.chunk_ids(end - 1).end;
                    ranges.extend(
                        done.into_iter().map(|done| self.recipe.chunk_ids(done.start).start..last(done.end)),
                    );
                }
                Ok(Present::new(ranges))
            }
            Source::Computed(..) | Source::Joined(_) => Ok(Present::new(std::iter::once(0..self.len()?))),
        }
    }

    /// What is published of a sharded corpus, if its manifest does not list all of that yet.
    ///
    /// # Errors
    /// A receipt cannot be read, or the shards cannot be listed.
    pub fn unsealed(&self) -> Result<Option<Sealed>> {
        let Source::Sharded(shards) = &self.source else { return Ok(None) };
        let (listed, published) = (shards.manifest()?, shards.published()?);
        Ok((published.shards != listed.shards).then(|| Sealed::of(&published)))
    }

    /// The chunks that are still to be made, in order.
    ///
    /// # Errors
    /// As [`scan`](Corpus::scan).
    pub(crate) fn todo(&self) -> Result<Vec<Range<u64>>> {
        let chunks = 0..self.recipe.chunks();
        if let Source::Sharded(shards) = &self.source {
            let (mut todo, mut next) = (Vec::new(), chunks.start);
            for (_, listed) in shards.listed_chunks()? {
                todo.push(next..listed.start);
                next = listed.end;
            }
            todo.push(next..chunks.end);
            return Ok(todo);
        }
        self.only()?.with(Some(&self.recipe), |corpus| {
            let todo = corpus.read(|connection| claims::within(connection, &chunks))?;
            Ok(todo.into_iter().map(|todo| todo.chunks).collect())
        })
    }

    /// The error of a chunk that should be there.
    pub(crate) fn lost(&self, number: u64) -> Error {
        self.damaged(number, ChunkDamage::Missing)
    }

    /// The error of a damaged chunk.
    pub(crate) fn damaged(&self, number: u64, damage: ChunkDamage) -> Error {
        damaged(&self.recipe, self.place(), number, damage)
    }

    fn only(&self) -> Result<&Arc<File>> {
        let mut files = self.files();
        match (files.next(), files.next()) {
            (Some(file), None) => Ok(file),
            _ => Err(Error::Usage("this needs one file, or a sharded corpus; merge the files first".into())),
        }
    }

    /// Says no to ids that a generated corpus does not have.
    fn check(&self, ids: &Ids<'_>) -> Result<()> {
        let len = self.recipe.space().len();
        match ids.max() {
            Some(id) if id >= len && !self.recipe.space().is_appended() => {
                Err(Error::NoRecord { path: self.place(), id, len })
            }
            _ => Ok(()),
        }
    }

    fn compute_circuits(&self, ids: &Ids<'_>, circuits: &mut Circuits) {
        match ids {
            Ids::Run(ids) => self.recipe.space().extend(ids.clone(), circuits),
            // Consecutive words cost less than words one by one.
            Ids::List(ids) => {
                for run in ids.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
                    self.recipe.space().extend(run[0]..run[run.len() - 1] + 1, circuits);
                }
            }
        }
    }

    /// Computes the records with these ids: writes their unitaries to `out`, and appends their
    /// circuits if they are wanted.
    fn compute_rows(
        &self,
        kernel: &Kernel,
        buffer_pool: &UnitaryBufferPool,
        ids: &Ids<'_>,
        mut circuits: Option<&mut Circuits>,
        out: &mut [u8],
    ) {
        let (size, dtype) = (self.unitary_bytes(), self.recipe.dtype());
        let at_once = (BATCH_BYTES / size).max(1);
        buffer_pool.with(|unitary_buffer| {
            for (batch, out) in out.chunks_mut(at_once * size).enumerate() {
                let start = batch * at_once;
                unitary_buffer.circuits.clear();
                self.compute_circuits(&ids.part(start..start + out.len() / size), &mut unitary_buffer.circuits);
                unitary_buffer.compute_own(kernel, dtype, out);
                if let Some(circuits) = &mut circuits {
                    circuits.extend(&unitary_buffer.circuits);
                }
            }
        });
    }

    /// Among how many threads so many records are shared out.
    fn threads(&self, ids: &Ids<'_>) -> usize {
        let least = match (ids, &self.source) {
            (Ids::List(_), Source::Parts(_) | Source::Joined(_) | Source::Sharded(_)) => MIN_SCATTERED_RECORDS,
            _ => (MIN_DENSE_BYTES / self.unitary_bytes()).max(1),
        };
        match ids.len() / least {
            0 | 1 => 1,
            shares => std::thread::available_parallelism().map_or(1, Into::into).min(shares),
        }
    }

    /// Shares out ids and the places for their unitaries, if these are wanted, to threads that each
    /// `read` some; what they return is in the order of the ids.
    fn shared_out<T: Send>(
        &self,
        ids: &Ids<'_>,
        out: Option<&mut [u8]>,
        read: impl Fn(&Ids<'_>, &mut [u8]) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let (size, out) = match out {
            Some(out) => (self.unitary_bytes(), out),
            None => (0, &mut [][..]),
        };
        assert_eq!(out.len(), ids.len() * size, "one unitary for each id");
        self.check(ids)?;
        let threads = match self.threads(ids) {
            1 => return Ok(vec![again(|| read(ids, out))?]),
            threads => threads,
        };
        let share = ids.len().div_ceil(threads);
        let inside = fork::enter();
        let (own_out, mut others_out) = out.split_at_mut(share * size);
        let others = (share..ids.len()).step_by(share).map(|start| {
            let ids = ids.part(start..ids.len().min(start + share));
            let (out, rest) = std::mem::take(&mut others_out).split_at_mut(ids.len() * size);
            others_out = rest;
            Mutex::new(Some((ids, out)))
        });
        let others: Vec<_> = others.collect();
        // A share for which no thread can be started is left for this one.
        let take = |place: usize| {
            let mut other = others[place].lock().unwrap_or_else(PoisonError::into_inner);
            other.take().map(|(ids, out)| again(|| read(&ids, out)))
        };
        std::thread::scope(|scope| {
            let (take, group) = (&take, ThreadGroup::new());
            let follow = |place| {
                let (member, pass) = (group.member(), inside.pass_for_another());
                let begin = move || {
                    let _inside = fork::follow(pass);
                    member.work(|| take(place))
                };
                std::thread::Builder::new().spawn_scoped(scope, begin).ok()
            };
            let workers: Vec<_> = (0..others.len()).map(follow).collect();
            let own = again(|| read(&ids.part(0..share), own_out));
            group.join(own.is_err());
            let join = |(place, worker): (usize, Option<std::thread::ScopedJoinHandle<'_, _>>)| match worker {
                Some(worker) => worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                None => take(place),
            };
            std::iter::once(own).chain(workers.into_iter().enumerate().filter_map(join)).collect()
        })
    }

    /// Calls `read` for runs of `ids`, which ascend if there are several files, with a handle of
    /// the file that has them, their ids there, and their places among `ids`.
    fn in_files(&self, ids: &Ids<'_>, read: &mut ReadSome<'_>) -> Result<()> {
        match &self.source {
            Source::Computed(..) => Ok(()),
            Source::Sharded(shards) => {
                let mut start = 0;
                while let Some(first) = ids.at(start) {
                    let number = shards.number(first);
                    let inside = match ids {
                        Ids::Run(_) => {
                            let end = (number + 1).saturating_mul(shards.records());
                            (ids.len() - start).min(usize::try_from(end - first).unwrap_or(usize::MAX))
                        }
                        Ids::List(list) => {
                            list[start..].iter().take_while(|&&id| shards.number(id) == number).count()
                        }
                    };
                    let range = start..start + inside;
                    start = range.end;
                    shards.with(first, |corpus| read(corpus, &ids.part(range.clone()), range.clone()))?;
                }
                Ok(())
            }
            Source::Parts(files) => match &files[..] {
                [file] => file.with(Some(&self.recipe), |corpus| read(corpus, ids, 0..ids.len())),
                files => {
                    let chunk = |id: &u64| id / self.recipe.chunk_records();
                    let mut start = 0;
                    for run in ids.list().chunk_by(|a, b| chunk(a) == chunk(b)) {
                        let range = start..start + run.len();
                        start = range.end;
                        let mut found = Ok(());
                        for file in files {
                            let run = &Ids::List(run);
                            found = file.with(Some(&self.recipe), |corpus| read(corpus, run, range.clone()));
                            if !matches!(found, Err(Error::NotYet { .. })) {
                                break;
                            }
                        }
                        found?;
                    }
                    Ok(())
                }
            },
            Source::Joined(files) => {
                if let [(_, file)] = &files[..] {
                    return file.with(Some(&self.recipe), |corpus| read(corpus, ids, 0..ids.len()));
                }
                let (mut start, ids) = (0, ids.list());
                for (place, (first, file)) in files.iter().enumerate() {
                    let end = files.get(place + 1).map_or(u64::MAX, |(next, _)| *next);
                    let inside = ids[start..].partition_point(|&id| id < end);
                    if inside > 0 {
                        let range = start..start + inside;
                        start = range.end;
                        let own: Vec<u64> = ids[range.clone()].iter().map(|id| id - first).collect();
                        file.with(Some(&self.recipe), |corpus| read(corpus, &Ids::List(&own), range))?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// Repeats what reads if a copy of a shard was damaged, which was removed: it is fetched again,
/// once.
fn again<T>(mut read: impl FnMut() -> Result<T>) -> Result<T> {
    let mut seen = BTreeSet::new();
    loop {
        match read() {
            Err(Error::DamagedCopy { path, .. }) if !seen.contains(&path) => {
                tracing::warn!("{}: its copy in the cache was damaged and is fetched again", path.display());
                seen.insert(path);
            }
            result => return result,
        }
    }
}

/// Circuits of one share after the other.
fn joined(shares: Vec<Circuits>) -> Circuits {
    let mut shares = shares.into_iter();
    let mut circuits = shares.next().unwrap_or_default();
    shares.for_each(|more| circuits.extend(&more));
    circuits
}

/// See [`Corpus::in_files`].
type ReadSome<'r> = dyn FnMut(&CorpusFile, &Ids<'_>, Range<usize>) -> Result<()> + 'r;

/// The corpora in a directory.
pub(crate) fn directory(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = crate::error::io(path, "read the directory");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(&failed)? {
        let file = entry.map_err(&failed)?.path();
        if file.extension().is_some_and(|ending| ending == "db") {
            files.push(file);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(Error::Usage(format!("{} holds no corpora: there is no *.db in it", path.display()))),
        false => Ok(files),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_damaged_copy_spoils_is_read_once_more_for_each_copy() {
        let damaged = |name: &str| Error::DamagedCopy { path: name.into(), corpus: "s3://b/p".into() };
        let mut told = [damaged("one"), damaged("other")].into_iter();
        assert!(again(|| told.next().map_or(Ok(()), Err)).is_ok());
        let mut reads = 0;
        let failed = again(|| -> Result<()> {
            reads += 1;
            Err(damaged("one"))
        });
        assert!(matches!(failed, Err(Error::DamagedCopy { .. })) && reads == 2);
    }
}
