//! A corpus for many threads: one file, several read as one, shards, or a recipe whose records are
//! computed while they are read.

use crate::corpus::corpus_file::{CorpusFile, Summary};
use crate::corpus::ids::Ids;
use crate::corpus::unitary_buffer::UnitaryBufferPool;
#[cfg(feature = "environments")]
use crate::distinct::distance_table::DistanceTable;
use crate::distinct::found::Found;
use crate::error::{Error, Result, io, other_recipe};
use crate::options::distinct::FindOptions;
use crate::qubit_order::{Order, reorder};
use crate::read::pooled_file::PooledFile;
use crate::read::source::Source;
use crate::shards::open_pool::OpenShards;
use crate::shards::sharded::is_there;
use crate::sqlite::wal;
use crate::tables::levels::Level;
use qorpus_core::{Complex64, Distinct, Permutation, Recipe, Target};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A sequence of records that any number of threads may read.
///
/// It reads one file, several files as one, shards, or a recipe whose records are computed. It sees
/// commits of other processes, and survives forks: see [`before_fork`](crate::before_fork).
#[derive(Debug)]
pub struct Corpus {
    pub(super) recipe: Recipe,
    pub(super) source: Source,
}

impl Corpus {
    /// Opens files as one sequence of records, or a sharded corpus, whose files are opened when
    /// they are needed. Another directory means the `*.db` files in it, in the order of their
    /// names.
    ///
    /// All must have one recipe. Generated files are parts of one corpus: each record is read from
    /// the file that has it. Files of appended records follow one another; only the last one may
    /// grow.
    ///
    /// # Errors
    /// There is no file, one of them is not a corpus, or they have different recipes.
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
                let text = format!(
                    "{} is a sharded corpus, which cannot be combined with others; open it alone",
                    path.display()
                );
                return Err(Error::Usage(text));
            }
            if path.is_dir() {
                files.extend(corpora_in(path)?);
            } else {
                files.push(path.clone());
            }
        }
        let files = files.iter().map(|path| PooledFile::open(path)).collect::<Result<Vec<_>>>()?;
        let Some(recipe) = files.first().map(|first| first.recipe().clone()) else {
            return Err(Error::Usage("there is nothing to open; name at least one corpus".into()));
        };
        if let Some(other) = files.iter().find(|file| file.recipe().hash() != recipe.hash()) {
            return Err(other_recipe(other.path(), other.recipe(), &recipe));
        }
        if recipe.expected().is_some() {
            return Ok(Corpus { recipe, source: Source::Parts(files) });
        }
        if recipe.space().enumerates().is_some() && files.len() > 1 {
            return Err(Error::Usage(
                "an enumeration cannot be combined with other files; open it alone".into(),
            ));
        }
        let (mut next, mut joined) = (0, Vec::new());
        for file in files {
            let len = file.with(CorpusFile::len)?;
            joined.push((next, file));
            next += len;
        }
        Ok(Corpus { recipe, source: Source::Joined(joined) })
    }

    /// Includes the records of shards of a sharded corpus that are published but not listed in the
    /// manifest yet. Queries and summaries still leave them out.
    #[must_use]
    pub fn with_unsealed(self) -> Corpus {
        let source = match self.source {
            Source::Sharded(shards) => Source::Sharded(Box::new(shards.with_unsealed())),
            source => source,
        };
        Corpus { source, ..self }
    }

    /// Creates a corpus whose records are computed from a recipe while they are read; nothing is
    /// stored.
    ///
    /// # Errors
    /// [`Error::Usage`] for a recipe of appended circuits, which cannot be computed.
    pub fn computed(recipe: Recipe) -> Result<Corpus> {
        if recipe.expected().is_none() {
            let text = "appended circuits cannot be computed; use a recipe of words or random circuits";
            return Err(Error::Usage(text.into()));
        }
        let source = Source::Computed(recipe.kernel(), UnitaryBufferPool::default());
        Ok(Corpus { recipe, source })
    }

    /// Returns the recipe, which decides the records; several files share one.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Returns the absolute paths of the files, or the directory of a sharded corpus.
    pub fn paths(&self) -> Vec<&Path> {
        match &self.source {
            Source::Sharded(shards) => vec![shards.path()],
            _ => self.source.files().map(PooledFile::path).collect(),
        }
    }

    /// Returns whether it is a sharded corpus.
    pub fn is_sharded(&self) -> bool {
        matches!(self.source, Source::Sharded(_))
    }

    /// Returns the path that names the corpus in messages: its first file, or its directory.
    pub(crate) fn place(&self) -> PathBuf {
        self.paths().first().map_or_else(PathBuf::new, |path| path.to_path_buf())
    }

    /// Returns the number of ids: all ids of the recipe, generated or not, or the ids appended so
    /// far.
    pub fn len(&self) -> Result<u64> {
        self.len_with(CorpusFile::len)
    }

    /// Returns a lower bound of the number of ids, as seen not long ago, without looking at the
    /// file. Records are never removed.
    pub fn at_least(&self) -> Result<u64> {
        self.len_with(|corpus| Ok(corpus.records_known()))
    }

    /// Returns the number of ids, where `len` is that of the last file, which may grow.
    fn len_with(&self, len: impl FnOnce(&CorpusFile) -> Result<u64>) -> Result<u64> {
        match &self.source {
            Source::Joined(files) => match files.last() {
                Some((first, file)) => Ok(first + file.with(len)?),
                None => Ok(0),
            },
            _ => Ok(self.recipe.space().len()),
        }
    }

    /// Returns whether there are no records.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Returns a summary of all files: counts and hashes are their sums.
    ///
    /// # Errors
    /// A file cannot be read, or the records are computed, so that there is none.
    pub fn summary(&self) -> Result<Summary> {
        if let Source::Sharded(shards) = &self.source {
            return shards.summary();
        }
        let mut summaries = self.source.files().map(|file| file.with(CorpusFile::summary));
        let none = || {
            Err(Error::Usage(
                "a recipe computes its records when they are read, so there is no file to summarize".into(),
            ))
        };
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

    /// Returns warnings about files that were copied without their WAL.
    pub fn warnings(&self) -> Vec<String> {
        let missing = self.source.files().map(PooledFile::path).filter(|path| wal::is_found(path));
        missing.map(wal::warning).collect()
    }

    /// Returns the labels that came with the records, by name, each with whether it is a text; with
    /// several files, whether it is in one of them.
    pub fn label_kinds(&self) -> Result<BTreeMap<String, bool>> {
        let mut kinds = BTreeMap::new();
        for file in self.source.files() {
            for (name, is_text) in file.with(CorpusFile::label_kinds)? {
                *kinds.entry(name).or_default() |= is_text;
            }
        }
        Ok(kinds)
    }

    /// Returns the finished levels of an enumeration, in order; none for another corpus.
    ///
    /// # Errors
    /// The file cannot be read, or contradicts itself.
    pub fn levels(&self) -> Result<Vec<Level>> {
        self.source.files().next().map_or_else(|| Ok(Vec::new()), |file| file.with(CorpusFile::levels))
    }

    /// Returns the number of letters of the longest circuit: as the recipe bounds it or, of an
    /// enumeration, as its finished levels have it. `None` if records were appended, with circuits of
    /// any length.
    ///
    /// # Errors
    /// As [`levels`](Corpus::levels).
    pub fn longest(&self) -> Result<Option<usize>> {
        if self.recipe.space().enumerates().is_some() {
            let levels = self.levels()?;
            let lengths = levels.iter().filter(|level| level.records > 0).map(|level| level.length);
            return Ok(Some(lengths.max().unwrap_or(0)));
        }
        Ok((!self.recipe.space().is_appended()).then(|| self.recipe.space().lengths().1))
    }

    /// Returns whether an enumeration has every unitary of its gates, as [`CorpusFile::is_group`]
    /// does.
    ///
    /// # Errors
    /// As [`levels`](Corpus::levels).
    pub fn is_group(&self) -> Result<bool> {
        self.source.files().next().map_or(Ok(false), |file| file.with(CorpusFile::is_group))
    }

    /// Looks up unitaries as [`CorpusFile::find_many`] does.
    ///
    /// # Errors
    /// As [`CorpusFile::find`].
    pub fn find_many(
        &self,
        targets: &[Target],
        options: FindOptions,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Found>> {
        self.searchable()?.with(|corpus| match targets {
            [target] => Ok(vec![corpus.find(target, options, stop)?]),
            targets => corpus.find_many(targets, options, stop),
        })
    }

    /// Reads the distances of all enumerated unitaries into memory. `None` if `stop`, which is
    /// called now and then, returned true.
    ///
    /// # Errors
    /// A corpus that enumerates nothing or has no level yet, or the file cannot be read.
    #[cfg(feature = "environments")]
    pub fn distance_table(&self, stop: &mut dyn FnMut() -> bool) -> Result<Option<DistanceTable>> {
        self.searchable()?.with(|corpus| corpus.distance_table(stop))
    }

    /// Returns the file that searches look in.
    fn searchable(&self) -> Result<&PooledFile> {
        let text = if self.is_sharded() {
            "only an enumeration of distinct unitaries (qorpus distinct), in a single file, can be searched"
        } else {
            "a recipe computes its records when they are read, so there is no file to search"
        };
        self.source.files().next().ok_or_else(|| Error::Usage(text.into()))
    }

    /// Returns the ids of `count` records at this distance from the identity, drawn uniformly and
    /// without repetition. A seed always draws the same ids. The distance is the cost of the
    /// circuits or, without costs, their length.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are fewer, or the level is not finished yet.
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
                "there are {there} records at distance {distance}, fewer than {count}"
            )));
        }
        let order = Permutation::new((ids.end - ids.start).max(1), seed);
        Ok((0..count).map(|place| ids.start + order.apply(place)).collect())
    }

    /// Converts a row-major unitary from this order of qubits to [`Order::Big`].
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

    /// Returns the number of bytes of a unitary; 0 if records have none.
    pub fn unitary_bytes(&self) -> usize {
        self.recipe.unitary_entries() * self.recipe.dtype().bytes()
    }

    /// Refuses ids that a generated corpus does not have.
    pub(super) fn check(&self, ids: &Ids<'_>) -> Result<()> {
        let len = self.recipe.space().len();
        match ids.max() {
            Some(id) if id >= len && !self.recipe.space().is_appended() => {
                Err(Error::NoRecord { path: self.place(), id, len })
            }
            _ => Ok(()),
        }
    }
}

/// Lists the corpora in a directory, by name.
pub(crate) fn corpora_in(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = io(path, "read the directory");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(&failed)? {
        let file = entry.map_err(&failed)?.path();
        if file.extension().is_some_and(|ending| ending == "db") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::Usage(format!(
            "{} holds no corpora: there is no *.db file in it",
            path.display()
        )));
    }
    Ok(files)
}
