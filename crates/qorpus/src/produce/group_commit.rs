//! Group commit: a thread of the writer commits accepted records in groups, while the next ones are
//! accepted.
//!
//! Ids are assigned in the transaction that commits the records, so that writers need not agree
//! beforehand.

use crate::corpus::corpus_writer::CorpusWriter;
use crate::error::{Error, Result, io};
use crate::os::fork::ForkAware;
use crate::os::waiting::{Tell, supervised};
use crate::produce::validate::Validator;
use crate::tables::chunks::{insert_chunk, set_totals, totals};
use crate::tables::label_names::{add_label, clashing_label};
use qorpus_core::{Chunk, Circuits, Codec, Complex64, Labels, Scratch, TEXT_AND_NUMBER, letter_case_clash};
use rusqlite::Connection;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A commit has about this many bytes...
pub(super) const GROUP_BYTES: usize = 8 << 20;

/// ...or the records that were accepted in this time.
const GROUP_TIME: Duration = Duration::from_secs(1);

/// The interval at which a closing writer checks whether the committing thread has ended.
const JOIN_POLL_INTERVAL: Duration = Duration::from_micros(200);

/// The columns of a chunk are meant to fit in a page.
const MAX_CHUNK_BYTES: usize = 62_000;

/// The most bytes that the letters of a chunk take in memory, however few they take in the file.
const MAX_CHUNK_LETTERS: usize = 2 << 20;

/// The labels of a chunk are meant to take at most this many bytes, since all of them are read for
/// one record.
const MAX_LABEL_BYTES: usize = 1 << 20;

/// The state that the threads that append and the thread that commits share.
#[derive(Debug)]
pub(super) struct WriterShared {
    pub(super) path: PathBuf,
    pub(super) validator: Validator,
    pub(super) codec: Codec,
    state: Mutex<WriterState>,
    pub(super) changed: Condvar,
    pub(super) process: u32,
    /// Whether the committing thread should stop waiting.
    pub(super) interrupted: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
pub(super) struct WriterState {
    /// The last group, which is still growing.
    pub(super) group: RecordGroup,
    pub(super) waiting: VecDeque<RecordGroup>,
    /// Records that this writer has accepted.
    pub(super) accepted: u64,
    /// The number of these that are durable; they are the first ones.
    durable: u64,
    /// The reason why nothing can be committed any more.
    pub(super) failure: Option<String>,
    /// Sentences about waits of the committing thread that are not shown yet.
    pub(super) warnings: Vec<String>,
    pub(super) closed: bool,
    /// Whether a call of `close` has returned how it ended.
    pub(super) told_end: bool,
    /// Whether the committing thread should commit the waiting groups and end.
    end: bool,
    thread: Option<JoinHandle<()>>,
    /// `None` while the committing thread has it.
    store: Option<CorpusWriter>,
    pub(super) scratch: Scratch,
    pub(super) computed: Vec<Complex64>,
}

/// The records of one commit.
#[derive(Debug, Default)]
pub(super) struct RecordGroup {
    pub(super) circuits: Circuits,
    /// In the form that the recipe stores.
    pub(super) unitaries: Vec<u8>,
    pub(super) labels: Labels,
    pub(super) bytes: usize,
    pub(super) begun: Option<Instant>,
}

impl RecordGroup {
    /// Takes the accepted records; later ones keep the kinds of the labels.
    pub(super) fn take(&mut self) -> RecordGroup {
        let labels = self.labels.take();
        let empty =
            RecordGroup { labels: std::mem::replace(&mut self.labels, labels), ..RecordGroup::default() };
        std::mem::replace(self, empty)
    }
}

impl ForkAware for WriterShared {
    /// Lets the thread commit the waiting groups and close its connection; the next record starts
    /// another thread.
    fn close_handles(&self) {
        self.stop_thread();
    }
}

impl WriterShared {
    pub(super) fn new(
        path: PathBuf,
        validator: Validator,
        labels: Labels,
        store: CorpusWriter,
    ) -> Arc<WriterShared> {
        let group = RecordGroup { labels, ..RecordGroup::default() };
        Arc::new(WriterShared {
            path,
            codec: Codec::new(&validator.recipe),
            validator,
            state: Mutex::new(WriterState { group, store: Some(store), ..WriterState::default() }),
            changed: Condvar::new(),
            process: std::process::id(),
            interrupted: Arc::default(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, WriterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'s>(
        &self,
        state: MutexGuard<'s, WriterState>,
        limit: Duration,
    ) -> MutexGuard<'s, WriterState> {
        self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Queues the growing group and waits until all accepted records are durable, but no longer than
    /// `limit`.
    pub(super) fn flush(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, WriterState>,
        limit: Duration,
    ) -> Result<Option<u64>> {
        // This does not wait for records that others append meanwhile.
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

    /// Starts the committing thread unless it runs. The caller holds a `ForkGuard`: a thread that
    /// began during a fork would carry its handles into the child.
    pub(super) fn start_thread(self: &Arc<Self>, state: &mut WriterState) -> Result<()> {
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
        let failed = io(&self.path, "start the thread that commits");
        state.thread = Some(thread.map_err(failed)?);
        Ok(())
    }

    /// Tells the thread to end; returns whether it has within `limit`.
    pub(super) fn ends_within(&self, limit: Duration) -> bool {
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

    /// Lets the thread commit the waiting groups, and joins it.
    pub(super) fn stop_thread(&self) {
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

    /// Commits groups until `end` is set. This is the committing thread.
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
                state = self.wait(state, limit.max(Duration::from_millis(1)));
            }
        }
    }

    /// Takes a waiting group, or the growing one if it is old.
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
            none => none.insert(CorpusWriter::open(
                &self.path,
                &self.validator.recipe,
                self.validator.options.durability,
            )?),
        };
        let mut conflict = None;
        let written = store.write(|transaction| {
            for (name, is_text) in group.labels.names() {
                let reason = match clashing_label(transaction, name)? {
                    Some(other) => letter_case_clash(&other),
                    None if add_label(transaction, name, is_text)? == is_text => continue,
                    None => format!("it {TEXT_AND_NUMBER}"),
                };
                conflict = Some((name.to_owned(), reason));
                return Err(rusqlite::Error::StatementChangedRows(0));
            }
            self.insert(transaction, group)
        });
        match conflict {
            // Another writer used the name first, after this one was opened.
            Some((name, reason)) => {
                Err(qorpus_core::Error::Unusable { item: format!("label '{name}'"), reason }.into())
            }
            None => written,
        }
    }

    /// Assigns the next ids to the records of a group and adds them as chunks.
    fn insert(&self, connection: &Connection, group: &RecordGroup) -> rusqlite::Result<()> {
        let (mut records, mut content) = totals(connection)?;
        let (size, mut start) = (self.codec.unitary_bytes(), 0);
        let (mut circuits, mut chunk) = (Circuits::default(), Chunk::default());
        while start < group.circuits.len() {
            circuits.clear();
            let (mut letters, mut angles, mut labels, mut end) = (0, 0, 0, start);
            while end < group.circuits.len()
                && circuits.len() < self.validator.recipe.chunk_records() as usize
            {
                let circuit = group.circuits.circuit(end);
                letters += circuit.letters.len();
                angles += circuit.angles.len();
                labels += group.labels.row_bytes(end);
                let bytes = self.codec.columns_bytes(end + 1 - start, letters, angles);
                let is_full =
                    bytes > MAX_CHUNK_BYTES || letters > MAX_CHUNK_LETTERS || labels > MAX_LABEL_BYTES;
                if is_full && !circuits.is_empty() {
                    break;
                }
                circuits.push_circuit(circuit);
                end += 1;
            }
            let unitaries = group.unitaries[start * size..end * size].to_vec();
            self.codec.encode_stored(records, &circuits, unitaries, &mut chunk);
            self.codec.encode_labels(&group.labels, start..end, &mut chunk);
            if !insert_chunk(connection, &chunk)? {
                // The totals are wrong: continuing would overwrite or lose records.
                return Err(rusqlite::Error::StatementChangedRows(0));
            }
            records += chunk.count;
            content += chunk.content;
            start = end;
        }
        set_totals(connection, records, content)
    }
}
