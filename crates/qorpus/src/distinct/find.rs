//! Finding unitaries: from a unitary to its shortest circuit, stored or combined from two.
//!
//! A precise target can be distinguished from all other unitaries, so it is found or proven absent.
//! A less precise one is compared with the records within its tolerance; then the answer is not a
//! proof.

use crate::corpus::corpus_file::CorpusFile;
use crate::distinct::found::Found;
use crate::distinct::index_lookup::IndexLookup;
use crate::distinct::letters::Letters;
use crate::distinct::nearest::scan;
use crate::distinct::parallel::{Threads, parallel};
use crate::distinct::search::{Answer, Search, judge, nothing_yet};
use crate::distinct::target::check_matrix;
use crate::error::{Error, Result};
use crate::options::distinct::FindOptions;
use crate::options::job::threads;
use crate::tables::levels::Level;
use qorpus_core::{Distinct, Target};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The time for which one thread answers alone. Each further thread opens the file, which takes some
/// milliseconds.
const ALONE: Duration = Duration::from_millis(5);

/// The corpus and the options that all searches of a call share.
struct Searches<'a> {
    distinct: &'a Distinct,
    letters: Letters,
    levels: Vec<Level>,
    options: FindOptions,
}

impl CorpusFile {
    /// Looks up a unitary among the enumerated ones, up to phase if the enumeration is.
    ///
    /// A target whose entries are correct to 1e-9 (1e-12 if not all gates are exact) is found or
    /// proven absent. Other targets, and all targets if a tolerance is given, are compared with the
    /// records within the tolerance: the one that is clearly meant is [`Found::Near`].
    ///
    /// If `extend` is set and only lengths count, circuits up to twice as long are searched, whose
    /// beginning and end are both in the corpus, shortest first. That takes time in O(n log n) for
    /// n records of a level. `stop` is called now and then; if it returns true, the search ends as
    /// if the remaining lengths had not been requested. Naming the nearest record where none is
    /// within the tolerance takes time in O(n).
    ///
    /// # Errors
    /// A corpus that enumerates nothing or has no level yet, a unitary on another number of qubits,
    /// a tolerance out of range, or the file cannot be read.
    pub fn find(
        &self,
        target: &Target,
        options: FindOptions,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Found> {
        let searches = self.searches(std::slice::from_ref(target), options)?;
        let answer = self.answer(&searches, target, stop)?;
        Ok(self.settle(&searches, std::slice::from_ref(target), vec![answer], stop)?.swap_remove(0))
    }

    /// Looks for many unitaries as [`find`](CorpusFile::find) does: on this thread, and on all cores
    /// once that takes longer than opening the file again.
    ///
    /// # Errors
    /// As [`find`](CorpusFile::find).
    pub fn find_many(
        &self,
        targets: &[Target],
        options: FindOptions,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Found>> {
        let searches = self.searches(targets, options)?;
        let (mut answers, start) = (Vec::with_capacity(targets.len()), Instant::now());
        for target in targets {
            if start.elapsed() > ALONE {
                break;
            }
            answers.push(self.answer(&searches, target, stop)?);
        }
        self.answer_in_parallel(&searches, &targets[answers.len()..], &mut answers, stop)?;
        let unknown = || Answer::Known(Found::Unclear { nearest: None, tolerance: 0.0, within: 0 });
        answers.resize_with(targets.len(), unknown);
        self.settle(&searches, targets, answers, stop)
    }

    /// Appends the answers for these targets, as far as `stop` lets it come.
    fn answer_in_parallel(
        &self,
        searches: &Searches<'_>,
        targets: &[Target],
        answers: &mut Vec<Answer>,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<()> {
        if targets.is_empty() {
            return Ok(());
        }
        let (stopped, path, shared) = (AtomicBool::new(false), self.path().to_owned(), self.shared().clone());
        let begin = || CorpusFile::open_known(&path, std::iter::once(&shared), |_| Ok(()));
        let work = |corpus: &mut CorpusFile, number: usize| {
            corpus.answer(searches, &targets[number], &mut || stopped.load(Ordering::Relaxed))
        };
        let mut finish = |_, answer| {
            answers.push(answer);
            Ok(())
        };
        let mut tick = || stopped.store(stop(), Ordering::Relaxed);
        let jobs = Threads::new(threads(None)?, &stopped);
        parallel(jobs, targets.len(), &begin, &work, &mut finish, &mut tick).map(drop)
    }

    /// Checks the corpus, the targets and the options.
    fn searches(&self, targets: &[Target], options: FindOptions) -> Result<Searches<'_>> {
        let Some(distinct) = self.recipe().space().enumerates() else {
            let text = "only an enumeration of distinct unitaries (qorpus distinct) can be searched";
            return Err(Error::Usage(format!("{}: {text}", self.path().display())));
        };
        let is_possible = |tolerance: &f64| *tolerance > 0.0 && *tolerance <= 2.0;
        if let Some(tolerance) = options.tolerance.filter(|tolerance| !is_possible(tolerance)) {
            return Err(qorpus_core::Error::Tolerance(tolerance).into());
        }
        let (dim, qubits) = (self.recipe().alphabet().dim(), self.recipe().alphabet().qubits());
        for target in targets {
            let entries = target.numbers().len();
            if let Some(operator) = target.clifford() {
                if !distinct.tableaus {
                    let text = "this corpus compares unitaries, and a tableau has none; give the matrix";
                    return Err(Error::Usage(text.into()));
                }
                if operator.qubits() != qubits {
                    let found = operator.qubits();
                    let text = format!("the tableau is on {found} qubits, but this corpus has {qubits}");
                    return Err(Error::Usage(text));
                }
                continue;
            }
            check_matrix(qubits)?;
            if entries != dim * dim {
                return Err(Error::Usage(format!(
                    "the unitary has {entries} entries, but this corpus has unitaries of {dim} x {dim}"
                )));
            }
        }
        let letters = Letters::new(self.recipe().alphabet(), distinct)?;
        let levels = self.levels()?;
        if !levels.iter().any(|level| level.records > 0) {
            return Err(nothing_yet(self));
        }
        Ok(Searches { distinct, letters, levels, options })
    }

    fn answer(
        &self,
        Searches { distinct, letters, levels, options }: &Searches<'_>,
        target: &Target,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Answer> {
        let (distinct, options) = (*distinct, *options);
        match letters {
            Letters::Exact(letters) => {
                let lookup = IndexLookup::new(self, letters, levels);
                Search { lookup, distinct, target, options }.answer(stop)
            }
            Letters::Approximate(letters) => {
                let lookup = IndexLookup::new(self, letters, levels);
                Search { lookup, distinct, target, options }.answer(stop)
            }
            Letters::Binary(letters) => {
                let lookup = IndexLookup::new(self, letters, levels);
                Search { lookup, distinct, target, options }.answer_of_tableaus(stop)
            }
        }
    }

    /// Scans the records once for all targets that need it.
    fn settle(
        &self,
        searches: &Searches<'_>,
        targets: &[Target],
        answers: Vec<Answer>,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Found>> {
        let open = answers.iter().zip(targets).filter_map(|(answer, target)| match answer {
            Answer::Known(_) => None,
            Answer::Scan(tolerance) => Some((target, *tolerance)),
        });
        let open: Vec<(&Target, f64)> = open.collect();
        let scanned = match &open[..] {
            [] => None,
            open => scan(self, &searches.levels, searches.distinct.up_to, open, stop)?,
        };
        let mut scanned = scanned.into_iter().flatten();
        let settle = |answer| match answer {
            Answer::Known(found) => Ok(found),
            Answer::Scan(tolerance) => match scanned.next() {
                None => Ok(Found::Unclear { nearest: None, tolerance, within: 0 }),
                Some(nearest) => judge(self, &nearest, tolerance, searches.options),
            },
        };
        answers.into_iter().map(settle).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DistinctOptions, EnumerateOptions, Order};

    #[test]
    fn threads_answer_as_one_does() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let options = DistinctOptions {
            gates: Some("h,s,cx".into()),
            qubits: Some(2),
            max_length: Some(4),
            ..DistinctOptions::default()
        };
        let recipe = options.recipe().unwrap();
        crate::enumerate(&path, &recipe, EnumerateOptions::default(), &false.into(), &mut |_| ()).unwrap();
        let corpus = CorpusFile::open(&path).unwrap();
        let target = |id| Target::new(corpus.record(id, Order::Big).unwrap().unitary, 4, false).unwrap();
        let targets: Vec<Target> = (0..corpus.len().unwrap()).map(target).collect();
        let searches = corpus.searches(&targets, FindOptions::default()).unwrap();
        let mut answers = Vec::new();
        corpus.answer_in_parallel(&searches, &targets, &mut answers, &mut || false).unwrap();
        assert!(targets.len() > 50 && answers.len() == targets.len());
        for (number, (target, answer)) in targets.iter().zip(answers).enumerate() {
            let Answer::Known(found) = answer else { panic!("{number} is not known") };
            assert!(matches!(found, Found::Record { id, .. } if id == number as u64), "{found:?}");
            assert_eq!(found, corpus.find(target, FindOptions::default(), &mut || false).unwrap());
        }
    }

    #[test]
    fn blocks_of_the_index_come_from_the_mapping() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let options = DistinctOptions {
            gates: Some("swap".into()),
            qubits: Some(6),
            coupling: Some("line".into()),
            max_length: Some(15),
            ..DistinctOptions::default()
        };
        let recipe = options.recipe().unwrap();
        crate::enumerate(&path, &recipe, EnumerateOptions::default(), &false.into(), &mut |_| ()).unwrap();
        let corpus = CorpusFile::open(&path).unwrap();
        let stored = |connection: &rusqlite::Connection| {
            let mut statement = connection.prepare("SELECT place, entries FROM keys")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(u64, Vec<u8>)>>>()
        };
        let blocks = corpus.read(stored).unwrap();
        assert!(blocks.len() > 15);
        for (place, entries) in blocks {
            assert_eq!(corpus.mapped_keys(place).unwrap(), Some(entries), "{place}");
        }
        assert_eq!(corpus.mapped_keys(1 << 62).unwrap(), None);
    }
}
