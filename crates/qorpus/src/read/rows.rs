//! Rows of a corpus: circuits, unitaries and labels by id, read or computed by several threads.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::ids::Ids;
use crate::corpus::record::{GivenLabels, Record, RowBuffers, labels_of};
use crate::error::{Error, Result};
use crate::os::workers;
use crate::qubit_order::{Order, reorder};
use crate::read::corpus::Corpus;
use crate::read::sorted_ids::SortedIds;
use crate::read::source::Source;
use qorpus_core::{Circuits, Label};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;

/// The fewest scattered records that a thread reads: starting one takes as long as reading about
/// three hundred.
///
/// The threads end with the call, because a pool would not survive a fork.
const MIN_SCATTERED_RECORDS: usize = 2048;

/// The fewest bytes of neighbouring unitaries that a thread reads.
const MIN_DENSE_BYTES: usize = 1 << 19;

/// The approximate bytes of a batch of computed unitaries.
const BATCH_BYTES: usize = 1 << 20;

/// The records of a request, in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Their circuits, as numbers of letters.
    pub circuits: Circuits,
    /// Their unitaries, row-major, little-endian, of the corpus's dtype; none if the recipe has none.
    pub unitaries: Vec<u8>,
    /// The labels that came with them, without the counted ones; empty if the corpus has none.
    pub given: Vec<GivenLabels>,
}

impl Corpus {
    /// Reads the circuits with these ids, in any order, also repeated, as numbers of letters. Many
    /// are read in parallel, as in all methods below.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::NotYet`], [`Error::DamagedChunk`], or a file cannot be read.
    pub fn circuits<'a>(&self, ids: impl Into<Ids<'a>>) -> Result<Circuits> {
        let ids = ids.into();
        // An array of unitaries either fits in memory or does not, but circuits grow, so memory is
        // reserved in steps.
        let piece = self.piece();
        if ids.len() <= piece {
            return Ok(joined(self.circuit_shares(&ids)?));
        }
        self.check(&ids)?;
        let too_many = |_| Error::TooMany(ids.len());
        let (mut circuits, (shortest, _)) = (Circuits::default(), self.recipe.space().lengths());
        circuits.try_reserve(ids.len(), ids.len().saturating_mul(shortest)).map_err(too_many)?;
        for start in (0..ids.len()).step_by(piece) {
            let part = ids.part(start..ids.len().min(start + piece));
            for more in self.circuit_shares(&part)? {
                circuits.try_reserve(0, more.total()).map_err(too_many)?;
                circuits.extend(&more);
            }
        }
        Ok(circuits)
    }

    fn circuit_shares(&self, ids: &Ids<'_>) -> Result<Vec<Circuits>> {
        self.share_out(ids, None, |ids, _| {
            let mut circuits = Circuits::default();
            let buffers = RowBuffers { circuits: Some(&mut circuits), ..RowBuffers::default() };
            self.read_share(ids, Order::Big, buffers)?;
            Ok(circuits)
        })
    }

    /// Returns the number of circuits that are read before memory for more is requested: some
    /// hundred megabytes. Appended circuits are seldom as long as they may be.
    fn piece(&self) -> usize {
        let longest =
            if self.recipe.space().is_appended() { 1 << 10 } else { self.recipe.space().lengths().1.max(1) };
        ((1 << 27) / longest).min(1 << 20)
    }

    /// Writes the unitaries with these ids, in any order, also repeated, to `out`: row-major,
    /// little-endian, of the recipe's dtype, with qubits in this order.
    ///
    /// # Errors
    /// As [`circuits`](Corpus::circuits), or records have no unitaries.
    ///
    /// # Panics
    /// If `out` does not hold exactly one unitary for each id.
    pub fn unitaries<'a>(&self, ids: impl Into<Ids<'a>>, order: Order, out: &mut [u8]) -> Result<()> {
        self.recipe.check_unitaries()?;
        self.share_out(&ids.into(), Some(out), |ids, out| {
            self.read_share(ids, order, RowBuffers { unitaries: Some(out), ..RowBuffers::default() })
        })
        .map(drop)
    }

    /// Reads both [`circuits`](Corpus::circuits) and [`unitaries`](Corpus::unitaries) in one call.
    ///
    /// # Errors
    /// As [`unitaries`](Corpus::unitaries).
    ///
    /// # Panics
    /// If `out` does not hold exactly one unitary for each id.
    pub fn pairs<'a>(&self, ids: impl Into<Ids<'a>>, order: Order, out: &mut [u8]) -> Result<Circuits> {
        self.recipe.check_unitaries()?;
        let shares = self.share_out(&ids.into(), Some(out), |ids, out| {
            let mut circuits = Circuits::default();
            let buffers =
                RowBuffers { circuits: Some(&mut circuits), unitaries: Some(out), ..RowBuffers::default() };
            self.read_share(ids, order, buffers)?;
            Ok(circuits)
        })?;
        Ok(joined(shares))
    }

    /// Reads the labels that came with the records with these ids, in any order, also repeated;
    /// empty if the corpus has none.
    pub fn given_labels<'a>(&self, ids: impl Into<Ids<'a>>) -> Result<Vec<GivenLabels>> {
        let (ids, mut labels) = (ids.into(), Vec::new());
        if self.recipe.space().is_appended() {
            let buffers = RowBuffers { labels: Some(&mut labels), ..RowBuffers::default() };
            self.read_share(&ids, Order::Big, buffers)?;
        } else {
            self.check(&ids)?;
        }
        Ok(labels)
    }

    /// Reads the records with these ids, in any order, also repeated, with qubits in this order.
    pub fn rows<'a>(&self, ids: impl Into<Ids<'a>>, order: Order) -> Result<Rows> {
        let mut rows = Rows::default();
        self.read(ids, order, &mut rows)?;
        Ok(rows)
    }

    /// Reads records into `rows`, whose contents are replaced and whose memory is reused.
    ///
    /// # Errors
    /// As [`circuits`](Corpus::circuits); then the contents of `rows` are undefined.
    pub fn read<'a>(&self, ids: impl Into<Ids<'a>>, order: Order, rows: &mut Rows) -> Result<()> {
        self.read_rows(&ids.into(), order, true, rows)
    }

    /// Reads records, with the given labels if `with_labels`.
    pub(super) fn read_rows(
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
        let read = |ids: &Ids<'_>, circuits: &mut Circuits, out: &mut [u8], given: &mut Vec<_>| {
            let labels = with_labels.then_some(given);
            self.read_share(ids, order, RowBuffers { circuits: Some(circuits), unitaries: Some(out), labels })
        };
        if self.threads(ids) == 1 {
            self.check(ids)?;
            return again(|| {
                circuits.clear();
                given.clear();
                read(ids, circuits, unitaries, given)
            });
        }
        let shares = self.share_out(ids, Some(unitaries), |ids, out| {
            let (mut circuits, mut given) = (Circuits::default(), Vec::new());
            read(ids, &mut circuits, out, &mut given)?;
            Ok((circuits, given))
        })?;
        for (more, more_given) in shares {
            circuits.extend(&more);
            given.extend(more_given);
        }
        Ok(())
    }

    /// Reads the record with this id, with qubits in this order.
    pub fn record(&self, id: u64, order: Order) -> Result<Record> {
        let mut rows = self.rows(&[id], order)?;
        let (circuit, angles) = (rows.circuits.get(0).to_vec(), rows.circuits.angles(0).to_vec());
        let labels = self.labels(&circuit, rows.given.pop().unwrap_or_default());
        Ok(Record { id, circuit, angles, unitary: self.recipe.dtype().decode(&rows.unitaries), labels })
    }

    /// Returns all labels of a record: those counted from its circuit, and the `given` ones.
    pub fn labels(&self, circuit: &[u16], given: GivenLabels) -> BTreeMap<String, Label> {
        labels_of(&self.recipe, circuit, given)
    }

    /// Reads or computes one thread's share of some records; circuits and labels must be empty.
    fn read_share(&self, ids: &Ids<'_>, order: Order, mut buffers: RowBuffers<'_>) -> Result<()> {
        let size = self.unitary_bytes();
        if !self.recipe.has_unitaries() {
            buffers.unitaries = None;
        }
        if let Source::Computed(kernel, pool) = &self.source {
            let RowBuffers { circuits, unitaries, .. } = &mut buffers;
            match (circuits, unitaries) {
                (circuits, Some(out)) => {
                    let batches = out.chunks_mut((BATCH_BYTES / size).max(1) * size);
                    let read = |places, circuits: &mut Circuits| {
                        self.compute_circuits(&ids.part(places), circuits);
                        Ok::<_, Infallible>(())
                    };
                    let (dtype, circuits) = (self.recipe.dtype(), circuits.as_deref_mut());
                    let Ok(()) = pool.compute_rows(kernel, dtype, size, batches, circuits, read);
                }
                (Some(circuits), None) => self.compute_circuits(ids, circuits),
                (None, None) => {}
            }
        } else {
            let sorted = self.sorted(ids)?;
            let RowBuffers { circuits, unitaries, labels } = &mut buffers;
            self.source.read(&sorted.ids(), self.recipe.chunk_records(), &mut |corpus, ids, range| {
                corpus.rows(
                    ids,
                    RowBuffers {
                        circuits: circuits.as_deref_mut(),
                        unitaries: unitaries
                            .as_deref_mut()
                            .map(|out| &mut out[range.start * size..range.end * size]),
                        labels: labels.as_deref_mut(),
                    },
                )
            })?;
            sorted.restore(&mut buffers, size);
        }
        if let Some(out) = buffers.unitaries {
            reorder(out, self.recipe.alphabet().qubits(), self.recipe.dtype().bytes(), order);
        }
        Ok(())
    }

    /// Returns the ids in the order in which they are read fastest: unchanged, unless pages have to
    /// be looked up one by one.
    fn sorted<'a>(&self, ids: &Ids<'a>) -> Result<SortedIds<'a>> {
        let is_mapped =
            || self.source.single_file().map_or(Ok(false), |file| file.with(CorpusFile::is_mapped));
        match ids {
            Ids::List(list) if !list.is_sorted() && !is_mapped()? => Ok(SortedIds::ascending(list)),
            _ => Ok(SortedIds::as_asked(ids)),
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

    /// Returns the number of threads that share the reading of these records.
    fn threads(&self, ids: &Ids<'_>) -> usize {
        let dense = (MIN_DENSE_BYTES / self.unitary_bytes().max(1)).max(1);
        let least = match (ids, &self.source) {
            // Drawing a unitary takes longer than reading one.
            (Ids::List(_), Source::Parts(_) | Source::Joined(_) | Source::Sharded(_)) => {
                if self.recipe.space().has_circuits() { MIN_SCATTERED_RECORDS } else { dense }
            }
            _ => dense,
        };
        match ids.len() / least {
            0 | 1 => 1,
            shares => std::thread::available_parallelism().map_or(1, Into::into).min(shares),
        }
    }

    /// Distributes ids and the memory for their unitaries, if wanted, to threads that each `read`
    /// some; the results are in the order of the ids.
    fn share_out<T: Send>(
        &self,
        ids: &Ids<'_>,
        out: Option<&mut [u8]>,
        read: impl Fn(&Ids<'_>, &mut [u8]) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let size = if out.is_some() { self.unitary_bytes() } else { 0 };
        let mut out = out.unwrap_or_default();
        assert_eq!(out.len(), ids.len() * size, "one unitary for each id");
        self.check(ids)?;
        let threads = self.threads(ids);
        if threads == 1 {
            return Ok(vec![again(|| read(ids, out))?]);
        }
        let share = ids.len().div_ceil(threads);
        let shares = (0..ids.len()).step_by(share).map(|start| {
            let ids = ids.part(start..ids.len().min(start + share));
            let (own, others) = std::mem::take(&mut out).split_at_mut(ids.len() * size);
            out = others;
            (ids, own)
        });
        workers::share(shares.collect(), |(ids, out)| again(|| read(&ids, out)))
    }
}

/// Repeats a read once if a cached copy of a shard was damaged and therefore removed: it is fetched
/// again.
pub(super) fn again<T>(mut read: impl FnMut() -> Result<T>) -> Result<T> {
    let mut seen = BTreeSet::new();
    loop {
        match read() {
            Err(error) => forgive(error, &mut seen)?,
            result => return result,
        }
    }
}

/// Warns of a damaged copy, unless it is among those that were damaged before.
fn forgive(error: Error, seen: &mut BTreeSet<PathBuf>) -> Result<()> {
    match error {
        Error::DamagedCopy { path, .. } if !seen.contains(&path) => {
            tracing::warn!("{}: its cached copy was damaged and is fetched again", path.display());
            seen.insert(path);
            Ok(())
        }
        error => Err(error),
    }
}

/// Joins the circuits of all shares in order.
fn joined(shares: Vec<Circuits>) -> Circuits {
    let joined = shares.into_iter().reduce(|mut circuits, more| {
        circuits.extend(&more);
        circuits
    });
    joined.unwrap_or_default()
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
