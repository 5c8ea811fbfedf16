//! The job of an enumeration: the state that its threads share, and the expansion with which every
//! level begins.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::corpus_writer::CorpusWriter;
use crate::distinct::context::Context;
use crate::distinct::dedup::Ambiguous;
use crate::distinct::expand::{Expand, PieceSink};
use crate::distinct::frontier::Frontier;
use crate::distinct::grouped_rows::AreaPool;
use crate::distinct::parallel::{Threads, parallel};
use crate::distinct::progress::{Phase, Reporter};
use crate::distinct::radix_sort::SortBuffer;
use crate::distinct::sorted_file::SortedFile;
use crate::distinct::spill::{SpillDirectory, keys_name};
use crate::error::{Error, Result};
use crate::tables::levels::{self, Level};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes of a candidate: 40, as many again for sorting, and a part of the files' buffers.
pub(super) const CANDIDATE_BYTES: u64 = 88;

/// The most candidates of a thread. More take longer to sort, in new memory that is far apart.
const MAX_CANDIDATES: u64 = 1 << 23;

/// The resources of an enumeration, shared by its threads.
pub(super) struct Resources<'a> {
    pub(super) path: &'a Path,
    pub(super) context: &'a Context,
    pub(super) jobs: usize,
    /// Bytes of memory for candidates.
    pub(super) memory: u64,
    pub(super) spill: SpillDirectory,
    /// Memory that a level leaves to the next one.
    pub(super) areas: AreaPool,
    pub(super) stop: &'a AtomicBool,
}

/// An enumeration on its first thread, the only one that writes the corpus.
pub(super) struct Enumeration<'a> {
    pub(super) resources: Resources<'a>,
    pub(super) writer: CorpusWriter,
    pub(super) reporter: Reporter<'a>,
}

impl Resources<'_> {
    pub(super) fn threads(&self) -> Threads<'_> {
        Threads::new(self.jobs, self.stop)
    }

    /// Returns the number of candidates that each of `threads` threads may hold.
    pub(super) fn candidates_of(&self, threads: usize) -> u64 {
        MAX_CANDIDATES.min(self.memory / threads as u64 / CANDIDATE_BYTES)
    }

    /// Opens the keys of one bucket of a level.
    pub(super) fn keys(&self, level: usize, bucket: u64) -> Result<SortedFile> {
        self.spill.sorted(&keys_name(level, bucket), &self.context.format.keys())
    }

    /// Returns the error that names the circuit of an ambiguous candidate.
    pub(super) fn ambiguous(&self, Ambiguous(origin): Ambiguous) -> Error {
        match CorpusFile::open(self.path).and_then(|corpus| corpus.circuit_from(origin)) {
            Ok(circuit) => {
                let circuit = self.context.recipe.alphabet().text(&circuit, &[]);
                Error::Unclear(self.path.into(), circuit)
            }
            Err(error) => error,
        }
    }
}

impl Enumeration<'_> {
    /// Expands the pieces `todo` of the frontier; a piece without letters gives its own keys.
    /// `sink` gets the candidates on many threads. False if it was stopped.
    pub(super) fn expand_pieces(
        &self,
        pieces: &[(Range<u64>, u32)],
        todo: &[usize],
        sink: &impl PieceSink,
    ) -> Result<bool> {
        let Enumeration { resources, reporter, .. } = self;
        let len = |(ids, _): &(Range<u64>, u32)| ids.end - ids.start;
        let all: u64 = pieces.iter().map(len).sum();
        let left: u64 = todo.iter().map(|&piece| len(&pieces[piece])).sum();
        reporter.begin(Phase::Expanding, all - left, all);
        let (done, candidates) = (AtomicU64::new(all - left), AtomicU64::new(reporter.progress().candidates));
        type State<'a> = (CorpusFile, Frontier, Box<dyn Expand + 'a>, SortBuffer);
        let begin = || {
            let corpus = CorpusFile::open(resources.path)?;
            Ok((corpus, Frontier::default(), resources.context.expander(), SortBuffer::default()))
        };
        let work = |(corpus, frontier, expander, buffer): &mut State<'_>, place: usize| {
            let (ids, letters) = pieces[todo[place]].clone();
            buffer.rows.clear();
            let max_candidates = (ids.end - ids.start) as usize * letters.count_ones() as usize;
            let mut piece = sink.begin(max_candidates, buffer);
            corpus.visit_frontier(ids, frontier, Frontier::decode, |frontier| {
                let new = sink.expand(&mut piece, &mut **expander, frontier, letters, buffer)?;
                candidates.fetch_add(new as u64, Ordering::Relaxed);
                done.fetch_add(frontier.rows.len() as u64, Ordering::Relaxed);
                Ok(())
            })?;
            sink.end(todo[place], piece, buffer)
        };
        let mut tick = || {
            reporter.report(|progress| {
                progress.candidates = candidates.load(Ordering::Relaxed);
                progress.done = done.load(Ordering::Relaxed);
            });
        };
        parallel(resources.threads(), todo.len(), &begin, &work, &mut |_, ()| Ok(()), &mut tick)
    }

    /// Adds a level, whose records and index are complete, to the finished ones.
    pub(super) fn finish(&self, number: usize, level: Level) -> Result<Level> {
        self.writer.write(|transaction| levels::insert(transaction, number, &level))?;
        self.resources.spill.remove(&format!("found-{number}-"))?;
        Ok(level)
    }
}
