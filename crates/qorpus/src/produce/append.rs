//! The writer: appends a caller's records to one file, from any number of processes.
//!
//! Records are accepted into memory here; [`group_commit`](crate::produce::group_commit) makes them
//! durable.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::corpus_writer::CorpusWriter;
use crate::error::{Error, Result};
use crate::options::writer::WriterOptions;
use crate::os::filesystem;
use crate::os::fork::{self, ForkAware};
use crate::paths::absolute;
use crate::produce::group_commit::{GROUP_BYTES, WriterShared, WriterState};
use crate::produce::validate::{Validator, check_texts};
use crate::qubit_order::{Order, reorder};
use qorpus_core::{Circuit, Circuits, Complex64, Label, LabelColumn, Labels, Recipe};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The most groups that wait to be committed while the next one is filled.
const MAX_WAITING_GROUPS: usize = 2;

/// A time longer than any single wait.
const NO_LIMIT: Duration = Duration::from_secs(3600);

/// All writers of this process.
static WRITERS: Mutex<Vec<Weak<WriterShared>>> = Mutex::new(Vec::new());

/// A writer that appends records to a corpus, from any number of threads.
///
/// [`append`](Writer::append) and [`extend`](Writer::extend) accept records; when
/// [`flush`](Writer::flush) returns, all that were accepted before are durable. Dropped without
/// [`close`](Writer::close), it tries to flush. In a forked child every operation fails.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<WriterShared>,
}

impl Writer {
    /// Opens the corpus at `path` for appending, creating it if it does not exist.
    ///
    /// # Errors
    /// The path cannot hold a corpus, an existing corpus has another recipe or generated records,
    /// or there is none and no gates are given.
    pub fn open(path: &Path, options: &WriterOptions) -> Result<Writer> {
        let path = absolute(path)?;
        let _inside = fork::enter();
        let recipe = match options.recipe()? {
            Some(recipe) => recipe,
            None => CorpusFile::open(&path)?.recipe().clone(),
        };
        if !recipe.space().is_appended() || recipe.space().enumerates().is_some() {
            let reason = "its records follow from a recipe, so none can be appended; append to another file";
            return Err(Error::Unsupported(path, reason.into()));
        }
        filesystem::check(path.parent().unwrap_or(&path), &path)?;
        // Opened now, so that errors show before the first commit and readers find the file.
        let store = CorpusWriter::open(&path, &recipe, options.durability)?;
        let labels = Labels::beside(store.labels()?);
        let shared = WriterShared::new(path, Validator::new(recipe, options.clone()), labels, store);
        let holder: Arc<dyn ForkAware> = shared.clone();
        fork::register(Arc::downgrade(&holder));
        let mut writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        writers.retain(|writer| writer.strong_count() > 0);
        writers.push(Arc::downgrade(&shared));
        drop(writers);
        Ok(Writer { shared })
    }

    /// Returns the open writers of this process, to close them when it ends without dropping them.
    pub fn all_open() -> Vec<Writer> {
        let _inside = fork::enter();
        let writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open =
            |shared: &Arc<WriterShared>| shared.process == std::process::id() && !shared.lock().closed;
        writers.iter().filter_map(Weak::upgrade).filter(is_open).map(|shared| Writer { shared }).collect()
    }

    /// Returns the absolute path of the file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Returns the recipe, which its records have in common.
    pub fn recipe(&self) -> &Recipe {
        &self.shared.validator.recipe
    }

    /// Accepts one record: a circuit with the angles of its letters that have free ones, optionally
    /// its unitary (row-major; computed otherwise), and labels.
    ///
    /// A given unitary is compared with its circuit's, as the [options](WriterOptions::check) say.
    ///
    /// Blocks while two groups of records wait to be committed.
    ///
    /// # Errors
    /// [`Error::Refused`] if the record cannot be kept, [`Error::Stopped`] if an earlier commit
    /// failed, [`Error::Closed`], [`Error::Forked`]. Then nothing is accepted.
    pub fn append<'c>(
        &self,
        circuit: impl Into<Circuit<'c>>,
        unitary: Option<&[Complex64]>,
        labels: &[(&str, Label)],
    ) -> Result<()> {
        let circuit = circuit.into();
        while !self.append_within(NO_LIMIT, circuit, unitary, labels)? {}
        Ok(())
    }

    /// Does as [`append`](Writer::append), but waits no longer than `limit`; returns whether the
    /// record is accepted.
    pub fn append_within(
        &self,
        limit: Duration,
        circuit: Circuit<'_>,
        unitary: Option<&[Complex64]>,
        labels: &[(&str, Label)],
    ) -> Result<bool> {
        let _inside = fork::enter();
        let columns: Vec<_> = labels.iter().map(|(name, label)| (*name, label.clone().into())).collect();
        self.accept(limit, &[circuit], unitary, &columns)
    }

    /// Accepts records: circuits, optionally their unitaries (row-major, one after the other;
    /// computed otherwise), and labels with a value for each record. All of them are accepted, or
    /// none.
    pub fn extend(
        &self,
        circuits: &Circuits,
        unitaries: Option<&[Complex64]>,
        labels: &[(&str, LabelColumn)],
    ) -> Result<()> {
        while !self.extend_within(NO_LIMIT, circuits, unitaries, labels)? {}
        Ok(())
    }

    /// Does as [`extend`](Writer::extend), but waits no longer than `limit`; returns whether the
    /// records are accepted.
    pub fn extend_within(
        &self,
        limit: Duration,
        circuits: &Circuits,
        unitaries: Option<&[Complex64]>,
        labels: &[(&str, LabelColumn)],
    ) -> Result<bool> {
        let _inside = fork::enter();
        let circuits: Vec<Circuit<'_>> = circuits.circuits().collect();
        self.accept(limit, &circuits, unitaries, labels)
    }

    /// Waits until all accepted records are durable; returns the number of records that this writer
    /// has made durable in total.
    ///
    /// # Errors
    /// [`Error::Stopped`] if a commit failed, [`Error::Closed`], [`Error::Forked`].
    pub fn flush(&self) -> Result<u64> {
        loop {
            if let Some(durable) = self.flush_within(NO_LIMIT)? {
                return Ok(durable);
            }
        }
    }

    /// Does as [`flush`](Writer::flush), but waits no longer than `limit`; `None` if they are not
    /// durable then.
    pub fn flush_within(&self, limit: Duration) -> Result<Option<u64>> {
        let _inside = fork::enter();
        self.check_process()?;
        self.shared.interrupted.store(false, Ordering::Relaxed);
        let state = self.shared.lock();
        self.check_open(&state)?;
        self.shared.flush(state, limit)
    }

    /// Flushes and closes the writer. Closing again, or in a forked child, does nothing.
    pub fn close(&self) -> Result<()> {
        while !self.close_within(NO_LIMIT)? {}
        Ok(())
    }

    /// Does as [`close`](Writer::close), but waits no longer than `limit`; returns whether all is
    /// durable. If not, the writer accepts no more records, continues to commit, and can be closed
    /// again.
    pub fn close_within(&self, limit: Duration) -> Result<bool> {
        let _inside = fork::enter();
        if self.check_process().is_err() {
            return Ok(true);
        }
        let mut state = self.shared.lock();
        // Under the same lock that queues the last group, so that nothing is accepted after it.
        state.closed = true;
        match self.shared.flush(state, limit) {
            Ok(None) => Ok(false),
            flushed => {
                // Its store may wait for others again, to leave a complete file.
                if !self.shared.ends_within(limit) {
                    return Ok(false);
                }
                self.shared.stop_thread();
                // An earlier call that returned `false` has not told a failure.
                let was_told = std::mem::replace(&mut self.shared.lock().told_end, true);
                if was_told { Ok(true) } else { flushed.map(|_| true) }
            }
        }
    }

    /// Lets the committing thread give up if it waits for other processes, unless the wait has just
    /// begun: its records are then lost, and the writer has stopped. A later append or flush
    /// cancels this.
    pub fn interrupt(&self) {
        self.shared.interrupted.store(true, Ordering::Relaxed);
    }

    /// Returns sentences about waits of the committing thread, each once.
    pub fn take_warnings(&self) -> Vec<String> {
        let _inside = fork::enter();
        match self.check_process() {
            Ok(()) => std::mem::take(&mut self.shared.lock().warnings),
            Err(_) => Vec::new(),
        }
    }

    /// Returns whether it was closed; in a forked child it always is.
    pub fn is_closed(&self) -> bool {
        let _inside = fork::enter();
        self.check_process().is_err() || self.shared.lock().closed
    }

    fn check_process(&self) -> Result<()> {
        if self.shared.process == std::process::id() {
            Ok(())
        } else {
            Err(Error::Forked(self.shared.path.clone()))
        }
    }

    fn check_open(&self, state: &WriterState) -> Result<()> {
        self.check_process()?;
        match &state.failure {
            _ if state.closed => Err(Error::Closed(self.shared.path.clone())),
            Some(reason) => Err(Error::Stopped(self.shared.path.clone(), reason.clone())),
            None => Ok(()),
        }
    }

    /// Accepts records, all or none of them, waiting no longer than `limit`; returns whether it did.
    fn accept(
        &self,
        limit: Duration,
        circuits: &[Circuit<'_>],
        unitaries: Option<&[Complex64]>,
        labels: &[(&str, LabelColumn)],
    ) -> Result<bool> {
        let (shared, validator) = (&self.shared, &self.shared.validator);
        self.check_process()?;
        if shared.interrupted.load(Ordering::Relaxed) {
            shared.interrupted.store(false, Ordering::Relaxed);
        }
        let turned = unitaries.filter(|_| validator.options.order == Order::Little).map(|unitaries| {
            let mut turned = unitaries.to_vec();
            let qubits = validator.recipe.alphabet().qubits();
            let bytes = bytemuck::cast_slice_mut(&mut turned);
            reorder(bytes, qubits, size_of::<Complex64>(), Order::Little);
            turned
        });
        let unitaries = turned.as_deref().or(unitaries);
        validator.check(circuits, unitaries)?;
        check_texts(circuits.len(), labels)?;
        let (mut begun, mut state) = (None, shared.lock());
        loop {
            self.check_open(&state)?;
            if state.waiting.len() < MAX_WAITING_GROUPS {
                break;
            }
            let begun: &mut Instant = begun.get_or_insert_with(Instant::now);
            let Some(left) = limit.checked_sub(begun.elapsed()) else { return Ok(false) };
            shared.start_thread(&mut state)?;
            state = shared.wait(state, left);
        }
        // It also commits an old group when no more records come.
        shared.start_thread(&mut state)?;
        self.add(&mut state, circuits, unitaries, labels)?;
        if state.group.bytes >= GROUP_BYTES {
            let group = state.group.take();
            state.waiting.push_back(group);
            shared.changed.notify_all();
        }
        Ok(true)
    }

    /// Adds records to the growing group.
    fn add(
        &self,
        state: &mut WriterState,
        circuits: &[Circuit<'_>],
        unitaries: Option<&[Complex64]>,
        labels: &[(&str, LabelColumn)],
    ) -> Result<()> {
        let WriterShared { validator: Validator { recipe, kernel, .. }, codec, .. } = &*self.shared;
        let WriterState { group, scratch, computed, .. } = state;
        group.labels.extend(circuits.len(), labels)?;
        circuits.iter().for_each(|circuit| group.circuits.push_circuit(*circuit));
        if recipe.stores_unitaries() {
            let entries = unitaries.unwrap_or_else(|| {
                let mut own = Circuits::default();
                circuits.iter().for_each(|circuit| own.push_circuit(*circuit));
                computed.resize(circuits.len() * recipe.alphabet().dim().pow(2), Complex64::ZERO);
                kernel.unitaries(&own, scratch, computed);
                computed
            });
            recipe.dtype().append(entries, &mut group.unitaries);
        }
        let circuit_bytes = |circuit: &Circuit<'_>| 2 * circuit.letters.len() + 8 * circuit.angles.len();
        let bytes: usize = circuits.iter().map(circuit_bytes).sum();
        let label_bytes: usize = labels.iter().map(|(_, column)| column_bytes(column)).sum();
        group.bytes += bytes + (codec.unitary_bytes() + 2) * circuits.len() + label_bytes;
        group.begun.get_or_insert_with(Instant::now);
        state.accepted += circuits.len() as u64;
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A caller that closed it without waiting does not want to wait now.
        if !self.is_closed()
            && let Err(error) = self.close()
        {
            tracing::warn!("{error}");
        }
    }
}

fn column_bytes(column: &LabelColumn) -> usize {
    match column {
        LabelColumn::Texts(texts) => texts.iter().map(|text| text.len() + 4).sum(),
        numbers => 8 * numbers.len(),
    }
}
