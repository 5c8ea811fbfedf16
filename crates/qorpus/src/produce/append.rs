//! The writer: records that someone brings, appended to one file by any number of processes.
//!
//! Records are accepted into memory; a thread of the writer's own commits them in groups, while the
//! next ones are accepted. Their ids are given in the transaction that commits them, so that
//! writers need not agree beforehand.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::corpus_writer::CorpusWriter;
use crate::error::{Error, Result};
use crate::options::writer::{PairCheck, WriterOptions};
use crate::os::filesystem;
use crate::os::fork::{self, ForkAware};
use crate::os::waiting::{Tell, supervised};
use crate::paths::absolute;
use crate::produce::pair_check::{self, PairComparer};
use crate::qubit_order::{Order, reorder};
use crate::remedy::brief;
use crate::sqlite::connection::MAX_VALUE_BYTES;
use crate::tables::chunks::{insert_chunk, set_totals, totals};
use crate::tables::label_names::{add_label, clashing_label};
use qorpus_core::{
    Chunk, Circuits, Codec, Complex64, Dtype, Kernel, Label, LabelColumn, Labels, MAX_LENGTH, Recipe,
    Scratch, TEXT_AND_NUMBER, letter_case_clash, synonym, unitarity_residual,
};
use rusqlite::Connection;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A commit carries about this many bytes...
const GROUP_BYTES: usize = 8 << 20;

/// ...or what was accepted in this time.
const GROUP_TIME: Duration = Duration::from_secs(1);

/// Groups that wait to be committed while the next one is filled.
const MAX_WAITING_GROUPS: usize = 2;

/// How often is looked whether the committing thread has ended.
const JOIN_POLL_INTERVAL: Duration = Duration::from_micros(200);

/// Longer than anybody waits at a stretch.
const NO_LIMIT: Duration = Duration::from_secs(3600);

/// The columns of a chunk are meant to fit in a page.
const CHUNK_BYTES: usize = 62_000;

/// The letters of a chunk take at most this many bytes in memory, however few they take in the
/// file.
const CHUNK_LETTERS: usize = 2 << 20;

/// The labels of a chunk are meant to take no more, since all of them are read for one record.
const CHUNK_LABEL_BYTES: usize = 1 << 20;

/// The texts of a record's labels take at most this many bytes. What else is in its row, which must
/// not take more than [`MAX_VALUE_BYTES`], is far below 4 MiB: a unitary of 1 MiB, a circuit of 128
/// KiB, the names of 255 labels.
const MAX_TEXT_BYTES: usize = MAX_VALUE_BYTES as usize - (4 << 20);

/// Every writer of this process.
static WRITERS: Mutex<Vec<Weak<WriterShared>>> = Mutex::new(Vec::new());

/// A corpus to which records are appended, by any number of threads.
///
/// [`append`](Writer::append) and [`extend`](Writer::extend) accept records; when
/// [`flush`](Writer::flush) returns, all that were accepted before are durable. Dropped without
/// [`close`](Writer::close), it tries to flush. In a forked child it refuses to do anything.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<WriterShared>,
}

#[derive(Debug)]
struct WriterShared {
    path: PathBuf,
    recipe: Recipe,
    options: WriterOptions,
    codec: Codec,
    kernel: Kernel,
    process: u32,
    state: Mutex<WriterState>,
    changed: Condvar,
    /// Memory for comparing unitaries with their circuits.
    pairs: Mutex<PairComparer>,
    /// Whether the committing thread need not wait for long any more.
    interrupted: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct WriterState {
    /// Accepted last, and still growing.
    group: RecordGroup,
    waiting: VecDeque<RecordGroup>,
    /// Records that this writer has accepted.
    accepted: u64,
    /// Those of them that are durable, the first ones.
    durable: u64,
    /// Why nothing can be committed any more.
    failure: Option<String>,
    /// What the committing thread waits for, and nobody was told yet.
    warnings: Vec<String>,
    closed: bool,
    /// Tells the committing thread to finish what is waiting and to end.
    end: bool,
    thread: Option<JoinHandle<()>>,
    /// While no thread has it.
    store: Option<CorpusWriter>,
    scratch: Scratch,
    computed: Vec<Complex64>,
}

/// Records of one commit.
#[derive(Debug, Default)]
struct RecordGroup {
    circuits: Circuits,
    /// As the recipe stores them.
    unitaries: Vec<u8>,
    labels: Labels,
    bytes: usize,
    begun: Option<Instant>,
}

impl RecordGroup {
    /// What has been accepted; what is accepted from now on goes with its labels.
    fn take(&mut self) -> RecordGroup {
        let labels = self.labels.take();
        let empty =
            RecordGroup { labels: std::mem::replace(&mut self.labels, labels), ..RecordGroup::default() };
        std::mem::replace(self, empty)
    }
}

impl Writer {
    /// Opens the corpus at `path` for appending, creating it if need be.
    ///
    /// # Errors
    /// The path cannot hold a corpus, there is one with another recipe or with generated records,
    /// or there is none and no gates are given.
    pub fn open(path: &Path, options: &WriterOptions) -> Result<Writer> {
        let path = absolute(path)?;
        let _inside = fork::enter();
        let recipe = match options.recipe()? {
            Some(recipe) => recipe,
            None => CorpusFile::open(&path)?.recipe().clone(),
        };
        if !recipe.space().is_appended() || recipe.space().enumerates().is_some() {
            let reason = "a recipe decides them; append to another file";
            return Err(Error::Unsupported(path, reason.into()));
        }
        filesystem::check(path.parent().unwrap_or(&path), &path)?;
        // Refused now rather than at the first commit, and made now so that readers find it.
        let store = CorpusWriter::open(&path, &recipe, options.durability)?;
        let labels = Labels::beside(store.labels()?);
        let shared = Arc::new(WriterShared {
            codec: Codec::new(&recipe),
            kernel: Kernel::new(recipe.alphabet()),
            path,
            recipe,
            options: options.clone(),
            process: std::process::id(),
            state: Mutex::new(WriterState {
                group: RecordGroup { labels, ..RecordGroup::default() },
                store: Some(store),
                ..WriterState::default()
            }),
            changed: Condvar::new(),
            pairs: Mutex::default(),
            interrupted: Arc::default(),
        });
        let holder: Arc<dyn ForkAware> = shared.clone();
        fork::register(Arc::downgrade(&holder));
        let mut writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        writers.retain(|writer| writer.strong_count() > 0);
        writers.push(Arc::downgrade(&shared));
        drop(writers);
        Ok(Writer { shared })
    }

    /// The writers of this process that are open: to close them when it ends in a way that drops
    /// nothing.
    pub fn all_open() -> Vec<Writer> {
        let _inside = fork::enter();
        let writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |shared: &Arc<WriterShared>| shared.check_process().is_ok() && !shared.lock().closed;
        writers.iter().filter_map(Weak::upgrade).filter(is_open).map(|shared| Writer { shared }).collect()
    }

    /// The absolute path of the file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// What its records have in common.
    pub fn recipe(&self) -> &Recipe {
        &self.shared.recipe
    }

    /// Accepts one record: a circuit, its unitary if it is given (row-major; computed otherwise),
    /// and labels.
    ///
    /// A unitary that is given is compared with that of its circuit, as the
    /// [options](WriterOptions::check) say.
    ///
    /// Waits while two groups of records wait to be committed.
    ///
    /// # Errors
    /// [`Error::Refused`] if the record cannot be kept, [`Error::Stopped`] if an earlier commit
    /// failed, [`Error::Closed`], [`Error::Forked`]. Then nothing is accepted.
    pub fn append(
        &self,
        circuit: &[u16],
        unitary: Option<&[Complex64]>,
        labels: &[(&str, Label)],
    ) -> Result<()> {
        while !self.append_within(NO_LIMIT, circuit, unitary, labels)? {}
        Ok(())
    }

    /// As [`append`](Writer::append), but waits no longer than `limit`; says whether the record is
    /// accepted.
    ///
    /// # Errors
    /// As [`append`](Writer::append).
    pub fn append_within(
        &self,
        limit: Duration,
        circuit: &[u16],
        unitary: Option<&[Complex64]>,
        labels: &[(&str, Label)],
    ) -> Result<bool> {
        let _inside = fork::enter();
        let columns: Vec<_> = labels.iter().map(|(name, label)| (*name, label.clone().into())).collect();
        self.shared.accept(limit, &[circuit], unitary, &columns)
    }

    /// Accepts records: circuits, their unitaries if they are given (row-major, one after the
    /// other; computed otherwise), and labels with a value for each record. All of them are
    /// accepted, or none.
    ///
    /// # Errors
    /// As [`append`](Writer::append).
    pub fn extend(
        &self,
        circuits: &Circuits,
        unitaries: Option<&[Complex64]>,
        labels: &[(&str, LabelColumn)],
    ) -> Result<()> {
        while !self.extend_within(NO_LIMIT, circuits, unitaries, labels)? {}
        Ok(())
    }

    /// As [`extend`](Writer::extend), but waits no longer than `limit`; says whether the records
    /// are accepted.
    ///
    /// # Errors
    /// As [`append`](Writer::append).
    pub fn extend_within(
        &self,
        limit: Duration,
        circuits: &Circuits,
        unitaries: Option<&[Complex64]>,
        labels: &[(&str, LabelColumn)],
    ) -> Result<bool> {
        let _inside = fork::enter();
        let circuits: Vec<&[u16]> = circuits.iter().collect();
        self.shared.accept(limit, &circuits, unitaries, labels)
    }

    /// Waits until all accepted records are durable; returns how many this writer has made durable
    /// in all.
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

    /// As [`flush`](Writer::flush), but waits no longer than `limit`: `None` if they are not
    /// durable then.
    ///
    /// # Errors
    /// As [`flush`](Writer::flush).
    pub fn flush_within(&self, limit: Duration) -> Result<Option<u64>> {
        let _inside = fork::enter();
        self.shared.check_process()?;
        self.shared.interrupted.store(false, Ordering::Relaxed);
        let state = self.shared.lock();
        self.shared.check_open(&state)?;
        self.shared.flush(state, limit)
    }

    /// Flushes and closes; closing again does nothing, nor does closing in a forked child, which
    /// owns nothing of it.
    ///
    /// # Errors
    /// As [`flush`](Writer::flush).
    pub fn close(&self) -> Result<()> {
        loop {
            if self.close_within(NO_LIMIT)? {
                return Ok(());
            }
        }
    }

    /// As [`close`](Writer::close), but waits no longer than `limit`; says whether all is durable.
    /// If not, the writer accepts nothing any more, goes on committing, and can be closed again.
    ///
    /// # Errors
    /// As [`flush`](Writer::flush).
    pub fn close_within(&self, limit: Duration) -> Result<bool> {
        let _inside = fork::enter();
        if self.shared.check_process().is_err() {
            return Ok(true);
        }
        let mut state = self.shared.lock();
        // In the same breath as the last group is sent off, so that nothing is accepted behind it.
        let was_closed = std::mem::replace(&mut state.closed, true);
        match self.shared.flush(state, limit) {
            Ok(None) => Ok(false),
            flushed => {
                // Its store may wait for others once more, to leave a file that is whole.
                if !self.shared.ends_within(limit) {
                    return Ok(false);
                }
                self.shared.stop_thread();
                if was_closed { Ok(true) } else { flushed.map(|_| true) }
            }
        }
    }

    /// Has the committing thread give up if it waits for other processes, unless it has just begun
    /// to: what it has is then lost, and the writer has stopped. What is appended or flushed
    /// afterwards takes this back.
    pub fn interrupt(&self) {
        self.shared.interrupted.store(true, Ordering::Relaxed);
    }

    /// What the committing thread waits for, as sentences, each once.
    pub fn take_warnings(&self) -> Vec<String> {
        let _inside = fork::enter();
        match self.shared.check_process() {
            Ok(()) => std::mem::take(&mut self.shared.lock().warnings),
            Err(_) => Vec::new(),
        }
    }

    /// Whether it was closed; in a forked child it always is.
    pub fn is_closed(&self) -> bool {
        let _inside = fork::enter();
        self.shared.check_process().is_err() || self.shared.lock().closed
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Whoever has closed it and did not wait for the end does not want to wait now.
        if !self.is_closed()
            && let Err(error) = self.close()
        {
            tracing::warn!("{error}");
        }
    }
}

impl ForkAware for WriterShared {
    /// The thread commits what is waiting and closes its store; the next record starts another one.
    fn close_handles(&self) {
        self.stop_thread();
    }
}

impl WriterShared {
    fn lock(&self) -> MutexGuard<'_, WriterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, WriterState>, limit: Duration) -> MutexGuard<'s, WriterState> {
        self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
    }

    fn check_process(&self) -> Result<()> {
        match self.process == std::process::id() {
            true => Ok(()),
            false => Err(Error::Forked(self.path.clone())),
        }
    }

    fn check_open(&self, state: &WriterState) -> Result<()> {
        self.check_process()?;
        match &state.failure {
            _ if state.closed => Err(Error::Closed(self.path.clone())),
            Some(reason) => Err(Error::Stopped(self.path.clone(), reason.clone())),
            None => Ok(()),
        }
    }

    /// Accepts records, all or none of them, waiting no longer than `limit`; says whether it did.
    fn accept(
        self: &Arc<Self>,
        limit: Duration,
        circuits: &[&[u16]],
        unitaries: Option<&[Complex64]>,
        labels: &[(&str, LabelColumn)],
    ) -> Result<bool> {
        self.check_process()?;
        if self.interrupted.load(Ordering::Relaxed) {
            self.interrupted.store(false, Ordering::Relaxed);
        }
        let turned = unitaries.filter(|_| self.options.order == Order::Little).map(|unitaries| {
            let mut turned = unitaries.to_vec();
            let (qubits, bytes) = (self.recipe.alphabet().qubits(), bytemuck::cast_slice_mut(&mut turned));
            reorder(bytes, qubits, size_of::<Complex64>(), Order::Little);
            turned
        });
        let unitaries = turned.as_deref().or(unitaries);
        self.check(circuits, unitaries)?;
        check_texts(circuits.len(), labels)?;
        let (mut begun, mut state) = (None, self.lock());
        loop {
            self.check_open(&state)?;
            if state.waiting.len() < MAX_WAITING_GROUPS {
                break;
            }
            let begun: &mut Instant = begun.get_or_insert_with(Instant::now);
            let Some(left) = limit.checked_sub(begun.elapsed()) else { return Ok(false) };
            self.start_thread(&mut state)?;
            state = self.wait(state, left);
        }
        // It also commits what has grown old when no more records come.
        self.start_thread(&mut state)?;
        let WriterState { group, scratch, computed, .. } = &mut *state;
        group.labels.extend(circuits.len(), labels)?;
        let before = group.circuits.len();
        circuits.iter().for_each(|circuit| group.circuits.push(circuit.iter().copied()));
        if self.recipe.stores_unitaries() {
            let entries = match unitaries {
                Some(unitaries) => unitaries,
                None => {
                    let mut own = Circuits::default();
                    (before..group.circuits.len())
                        .for_each(|index| own.push(group.circuits.get(index).iter().copied()));
                    computed.resize(circuits.len() * self.recipe.alphabet().dim().pow(2), Complex64::ZERO);
                    self.kernel.unitaries(&own, scratch, computed);
                    computed
                }
            };
            self.recipe.dtype().append(entries, &mut group.unitaries);
        }
        let letters: usize = circuits.iter().map(|circuit| circuit.len()).sum();
        let unitary_bytes = self.codec.unitary_bytes() * circuits.len();
        let label_bytes: usize = labels.iter().map(|(_, column)| column_bytes(column)).sum();
        group.bytes += 2 * letters + unitary_bytes + label_bytes + 2 * circuits.len();
        group.begun.get_or_insert_with(Instant::now);
        state.accepted += circuits.len() as u64;
        let group = &mut state.group;
        if group.bytes >= GROUP_BYTES {
            let group = group.take();
            state.waiting.push_back(group);
            self.changed.notify_all();
        }
        Ok(true)
    }

    /// Says no to what cannot be kept.
    fn check(&self, circuits: &[&[u16]], unitaries: Option<&[Complex64]>) -> Result<()> {
        self.check_circuits(circuits, unitaries.is_some())?;
        let Some(unitaries) = unitaries else { return Ok(()) };
        let size = self.recipe.alphabet().dim().pow(2);
        let refused = |position, reason| Err(Error::Refused { position, reason });
        if !self.recipe.stores_unitaries() {
            let reason = "this corpus computes unitaries on reading and keeps none; leave it out";
            return refused(0, reason.into());
        }
        if unitaries.len() != circuits.len() * size {
            let reason = format!(
                "{} circuits have {} entries of unitaries, not {}",
                circuits.len(),
                circuits.len() * size,
                unitaries.len()
            );
            return refused(0, reason);
        }
        // What is stored must be finite, also where it is rounded.
        let finite: fn(f64) -> bool = match self.recipe.dtype() {
            Dtype::Complex128 => |part| part.is_finite(),
            Dtype::Complex64 => |part| (part as f32).is_finite(),
        };
        let is_finite = |entry: &Complex64| finite(entry.re) && finite(entry.im);
        if let Some(place) = unitaries.iter().position(|entry| !is_finite(entry)) {
            return refused(place / size, "its unitary has an entry that is not a finite number".into());
        }
        self.check_unitaries(circuits, unitaries)
    }

    fn check_circuits(&self, circuits: &[&[u16]], have_unitaries: bool) -> Result<()> {
        let alphabet = self.recipe.alphabet();
        let refused = |position, reason| Err(Error::Refused { position, reason });
        for (position, circuit) in circuits.iter().enumerate() {
            if circuit.len() > MAX_LENGTH {
                let reason =
                    format!("its circuit has {} letters; at most {MAX_LENGTH} are kept", circuit.len());
                return refused(position, reason);
            }
            if let Some(letter) =
                circuit.iter().find(|letter| usize::from(**letter) >= alphabet.letters().len())
            {
                let last = alphabet.letters().len() - 1;
                return refused(
                    position,
                    format!("there is no letter {letter}; letters are numbered 0 to {last}"),
                );
            }
            if !have_unitaries && !alphabet.defines(circuit) {
                return refused(position, self.opaque_reason(circuit));
            }
        }
        Ok(())
    }

    /// Why a circuit with a gate of which only the name is known needs a unitary.
    fn opaque_reason(&self, circuit: &[u16]) -> String {
        let alphabet = self.recipe.alphabet();
        let opaque = circuit.iter().find(|letter| !alphabet.defines(&[**letter]));
        let letter = opaque.map(|&letter| &alphabet.letters()[usize::from(letter)]);
        let text = letter.map_or("", |letter| &letter.text);
        let name = letter.map_or("", |letter| alphabet.gates()[letter.gate].name());
        let advice = synonym(name).map_or(String::new(), |advice| format!(" (gate '{name}': {advice})"));
        format!(
            "'{text}' is a gate that the library does not know, so the record must bring its unitary{advice}"
        )
    }

    /// Says no to what is not unitary, or not the unitary of its circuit.
    fn check_unitaries(&self, circuits: &[&[u16]], unitaries: &[Complex64]) -> Result<()> {
        let (alphabet, size) = (self.recipe.alphabet(), self.recipe.alphabet().dim().pow(2));
        let unitary = |position: usize| &unitaries[position * size..][..size];
        if self.options.check == PairCheck::None {
            return (0..circuits.len()).try_for_each(|at| self.check_unitary(at, unitary(at)));
        }
        let (pair, allowed) = ((alphabet, &self.kernel), pair_check::tolerance(self.recipe.dtype()));
        let (check, mut wrong) = (self.options.check, Ok(()));
        let dim = alphabet.dim() as f64;
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let is_compared = |position: &usize| pair_check::is_compared(*position, alphabet.qubits());
        let record = |position: usize| (circuits[position], unitary(position));
        let compared = (0..circuits.len()).filter(is_compared);
        pairs.compare(pair, compared, record, check, |position, difference| {
            let is_unitary = |difference: f64| {
                // So near to a unitary, the largest entry of U†U - 1 is at most this: an entry of
                // it adds up products of a column with one of length 1.
                let residual = difference * (2.0 * dim.sqrt() + dim * difference);
                self.options.tolerance.is_none_or(|tolerance| residual <= tolerance)
            };
            wrong = match difference {
                Some(difference) if difference <= allowed && is_unitary(difference) => Ok(()),
                None => self.check_unitary(position, unitary(position)),
                Some(difference) => self.check_unitary(position, unitary(position)).and_then(|()| {
                    self.check_pair(position, (circuits[position], unitary(position)), difference)
                }),
            };
            wrong.is_ok()
        });
        wrong?;
        let mut others = (0..circuits.len()).filter(|position| !is_compared(position));
        others.try_for_each(|position| self.check_unitary(position, unitary(position)))
    }

    /// Says no to a unitary whose entries differ from those of its circuit's by more than its
    /// digits explain.
    fn check_pair(
        &self,
        position: usize,
        (circuit, given): (&[u16], &[Complex64]),
        difference: f64,
    ) -> Result<()> {
        let (alphabet, check) = (self.recipe.alphabet(), self.options.check);
        let residual = unitarity_residual(given, alphabet.dim());
        let allowed = pair_check::tolerance_of(residual, self.recipe.dtype());
        if difference <= allowed || allowed.is_infinite() {
            return Ok(());
        }
        let order = Some(self.options.order);
        let cause = pair_check::likely_cause((alphabet, &self.kernel), circuit, given, allowed, check, order);
        let reason = mismatch(&alphabet.text(circuit), difference, allowed, check, &cause);
        Err(Error::Refused { position, reason })
    }

    fn check_unitary(&self, position: usize, unitary: &[Complex64]) -> Result<()> {
        let Some(tolerance) = self.options.tolerance else { return Ok(()) };
        let residual = unitarity_residual(unitary, self.recipe.alphabet().dim());
        // Of enormous entries it is no number.
        if residual > tolerance || residual.is_nan() {
            let reason = format!(
                "its unitary is not unitary: the largest entry of U†U - 1 is {residual:.1e}, more than {tolerance:.1e}"
            );
            return Err(Error::Refused { position, reason });
        }
        Ok(())
    }

    /// Sends off what was accepted and waits until it is durable, but no longer than `limit`.
    fn flush(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, WriterState>,
        limit: Duration,
    ) -> Result<Option<u64>> {
        // What others go on to append meanwhile is not waited for.
        let (begun, wanted) = (Instant::now(), state.accepted);
        if !state.group.circuits.is_empty() {
            let group = state.group.take();
            state.waiting.push_back(group);
        }
        loop {
            if let Some(reason) = &state.failure {
                return Err(Error::Stopped(self.path.clone(), reason.clone()));
            }
            if state.durable >= wanted {
                return Ok(Some(state.durable));
            }
            let Some(left) = limit.checked_sub(begun.elapsed()) else { return Ok(None) };
            self.start_thread(&mut state)?;
            self.changed.notify_all();
            state = self.wait(state, left);
        }
    }

    /// Starts the committing thread unless it runs. Whoever calls this is inside the gate: a thread
    /// that began during a fork would carry its handles into the child.
    fn start_thread(self: &Arc<Self>, state: &mut WriterState) -> Result<()> {
        if state.thread.is_some() {
            return Ok(());
        }
        let (shared, store) = (self.clone(), state.store.take());
        state.end = false;
        let thread = std::thread::Builder::new().name("qorpus writer".into()).spawn(move || {
            let (interrupted, appender) = (shared.interrupted.clone(), shared.clone());
            let tell: Tell = Rc::new(move |text| {
                tracing::warn!("{text}");
                appender.lock().warnings.push(text.into());
            });
            supervised(interrupted, Some(tell), || shared.commit_groups(store));
        });
        let failed = crate::error::io(&self.path, "start the thread that commits");
        state.thread = Some(thread.map_err(failed)?);
        Ok(())
    }

    /// Has the thread end; says whether it has within `limit`.
    fn ends_within(&self, limit: Duration) -> bool {
        let begun = Instant::now();
        loop {
            let mut state = self.lock();
            state.end = true;
            self.changed.notify_all();
            if state.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return true;
            }
            drop(state);
            if begun.elapsed() >= limit {
                return false;
            }
            std::thread::sleep(JOIN_POLL_INTERVAL);
        }
    }

    /// Has the thread commit what is waiting and end.
    fn stop_thread(&self) {
        let mut state = self.lock();
        state.end = true;
        let (thread, store) = (state.thread.take(), state.store.take());
        self.changed.notify_all();
        drop(state);
        drop(store);
        if let Some(thread) = thread {
            // The thread catches the panics of its commits.
            let _ = thread.join();
        }
    }

    /// The work of the committing thread.
    fn commit_groups(self: Arc<Self>, mut store: Option<CorpusWriter>) {
        let mut state = self.lock();
        loop {
            if let Some(group) = self.next_group(&mut state) {
                drop(state);
                let commit = AssertUnwindSafe(|| self.commit(&mut store, &group));
                let result = catch_unwind(commit).unwrap_or_else(|_| Err(Error::Defect("committing".into())));
                state = self.lock();
                match result {
                    Ok(()) => state.durable += group.circuits.len() as u64,
                    Err(error) => {
                        state.failure = Some(error.to_string());
                        state.waiting.clear();
                        state.group = RecordGroup::default();
                    }
                }
                self.changed.notify_all();
            } else if state.end {
                return;
            } else {
                let limit =
                    state.group.begun.map_or(GROUP_TIME, |begun| GROUP_TIME.saturating_sub(begun.elapsed()));
                let limit = limit.max(Duration::from_millis(1));
                let waited = self.changed.wait_timeout(state, limit);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// A group that waits, or the growing one if it has grown old.
    fn next_group(&self, state: &mut WriterState) -> Option<RecordGroup> {
        let is_old = |group: &RecordGroup| group.begun.is_some_and(|begun| begun.elapsed() >= GROUP_TIME);
        match state.waiting.pop_front() {
            None if is_old(&state.group) => Some(state.group.take()),
            next => next,
        }
    }

    fn commit(&self, store: &mut Option<CorpusWriter>, group: &RecordGroup) -> Result<()> {
        let store = match store {
            Some(store) => store,
            none => none.insert(CorpusWriter::open(&self.path, &self.recipe, self.options.durability)?),
        };
        let mut conflict = None;
        let written = store.write(|transaction| {
            for (name, is_text) in group.labels.names() {
                let reason = match clashing_label(transaction, name)? {
                    Some(other) => letter_case_clash(&other),
                    None if add_label(transaction, name, is_text)? == is_text => continue,
                    None => TEXT_AND_NUMBER.into(),
                };
                conflict = Some((name.to_owned(), reason));
                return Err(rusqlite::Error::StatementChangedRows(0));
            }
            self.insert(transaction, group)
        });
        match conflict {
            // Another writer was the first to use the name, after this one was opened.
            Some((name, reason)) => Err(qorpus_core::Error::Label { name, reason }.into()),
            None => written,
        }
    }

    /// Gives the records of a group the next ids and adds them as chunks.
    fn insert(&self, connection: &Connection, group: &RecordGroup) -> rusqlite::Result<()> {
        let (mut records, mut content) = totals(connection)?;
        let (size, mut start) = (self.codec.unitary_bytes(), 0);
        let (mut circuits, mut chunk) = (Circuits::default(), Chunk::default());
        while start < group.circuits.len() {
            circuits.clear();
            let (mut letters, mut labels, mut end) = (0, 0, start);
            while end < group.circuits.len() && circuits.len() < self.recipe.chunk_records() as usize {
                let circuit = group.circuits.get(end);
                letters += circuit.len();
                labels += group.labels.row_bytes(end);
                let bytes = self.codec.columns_bytes(end + 1 - start, letters);
                let is_full = bytes > CHUNK_BYTES || letters > CHUNK_LETTERS || labels > CHUNK_LABEL_BYTES;
                if is_full && !circuits.is_empty() {
                    break;
                }
                circuits.push(circuit.iter().copied());
                end += 1;
            }
            let unitaries = group.unitaries[start * size..end * size].to_vec();
            self.codec.encode_stored(records, &circuits, unitaries, &mut chunk);
            self.codec.encode_labels(&group.labels, start..end, &mut chunk);
            if !insert_chunk(connection, &chunk)? {
                // Someone's totals do not add up: to go on would overwrite or lose records.
                return Err(rusqlite::Error::StatementChangedRows(0));
            }
            records += chunk.count;
            content += chunk.content;
            start = end;
        }
        set_totals(connection, records, content)
    }
}

/// The sentence about a unitary that does not belong to its circuit.
fn mismatch(circuit: &str, difference: f64, allowed: f64, check: PairCheck, cause: &str) -> String {
    let phase = if check == PairCheck::Phase { " up to a global phase" } else { "" };
    format!(
        "its unitary does not belong to its circuit '{}': entries differ by up to {}{phase}, more than {allowed:.0e}; {cause}; check \"none\" takes \
         any unitary",
        brief(circuit),
        pair_check::shown(difference)
    )
}

fn column_bytes(column: &LabelColumn) -> usize {
    match column {
        LabelColumn::Texts(texts) => texts.iter().map(|text| text.len() + 4).sum(),
        numbers => 8 * numbers.len(),
    }
}

/// Says no to texts that no row can hold.
fn check_texts(records: usize, labels: &[(&str, LabelColumn)]) -> Result<()> {
    let texts: Vec<_> = labels
        .iter()
        .filter_map(|(_, column)| if let LabelColumn::Texts(texts) = column { Some(texts) } else { None })
        .collect();
    let bytes =
        |row: usize| texts.iter().filter_map(|column| column.get(row)).map(String::len).sum::<usize>();
    match (0..records).find(|row| bytes(*row) > MAX_TEXT_BYTES) {
        None => Ok(()),
        Some(position) => {
            let reason = format!(
                "the texts of its labels have {} bytes, and at most {MAX_TEXT_BYTES} are kept; keep such texts in files, and their names here",
                bytes(position)
            );
            Err(Error::Refused { position, reason })
        }
    }
}
