//! The records nearest to targets, by a scan of all of them on all cores.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::ids::Ids;
use crate::distinct::parallel::{Threads, parallel};
use crate::error::Result;
use crate::options::job::threads;
use crate::tables::levels::Level;
use qorpus_core::{Circuits, Complex64, Equivalence, Scratch, Target, distance};
use std::sync::atomic::{AtomicBool, Ordering};

/// Records that a thread compares at once.
const PIECE_RECORDS: u64 = 4096;

/// The nearest records of a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Nearest {
    /// The nearest record, the first of several.
    pub(super) id: u64,
    /// Its distance.
    pub(super) distance: f64,
    /// The distance of the second nearest one.
    pub(super) second: f64,
    /// The number of records within the tolerance.
    pub(super) within: u64,
}

impl Nearest {
    pub(super) const NONE: Nearest =
        Nearest { id: u64::MAX, distance: f64::INFINITY, second: f64::INFINITY, within: 0 };

    /// Adds a record, whose id is above all earlier ones.
    pub(super) fn add(&mut self, id: u64, distance: f64, tolerance: f64) {
        self.within += u64::from(distance <= tolerance);
        if distance < self.distance {
            self.second = self.distance;
            (self.id, self.distance) = (id, distance);
        } else {
            self.second = self.second.min(distance);
        }
    }

    fn merge(&mut self, later: &Nearest) {
        let second = self.distance.max(later.distance).min(self.second).min(later.second);
        if later.distance < self.distance {
            (self.id, self.distance) = (later.id, later.distance);
        }
        self.second = second;
        self.within += later.within;
    }
}

/// Compares every record with each target, within the tolerance beside it. `None` if `stop`, which
/// is called now and then, returned true.
///
/// Takes time in O(r t 4^n) for r records and t targets, and memory that does not grow with the
/// records.
pub(super) fn scan(
    corpus: &CorpusFile,
    levels: &[Level],
    up_to: Equivalence,
    targets: &[(&Target, f64)],
    stop: &mut dyn FnMut() -> bool,
) -> Result<Option<Vec<Nearest>>> {
    let records = levels.last().map_or(0, |last| last.ids().end);
    let (kernel, dim) = (corpus.recipe().kernel(), corpus.recipe().alphabet().dim());
    let (path, stopped) = (corpus.path().to_owned(), AtomicBool::new(false));
    type State = (CorpusFile, Circuits, Scratch, Vec<Complex64>);
    let begin = || Ok((CorpusFile::open(&path)?, Circuits::default(), Scratch::default(), Vec::new()));
    let work = |(corpus, circuits, scratch, unitaries): &mut State, piece: usize| {
        let start = piece as u64 * PIECE_RECORDS;
        circuits.clear();
        corpus.circuits(&Ids::Run(start..records.min(start + PIECE_RECORDS)), circuits)?;
        // In binary64, for any precision of the corpus.
        unitaries.resize(circuits.len() * dim * dim, Complex64::ZERO);
        kernel.unitaries(circuits, scratch, unitaries);
        let mut nearest = vec![Nearest::NONE; targets.len()];
        for (nearest, &(target, tolerance)) in nearest.iter_mut().zip(targets) {
            for (id, unitary) in (start..).zip(unitaries.chunks_exact(dim * dim)) {
                if distance_bound(target.numbers(), unitary, up_to) <= tolerance.max(nearest.second) {
                    nearest.add(id, distance(target.numbers(), unitary, up_to), tolerance);
                }
            }
        }
        Ok(nearest)
    };
    let mut nearest = vec![Nearest::NONE; targets.len()];
    let mut finish = |_, of_piece: Vec<Nearest>| {
        nearest.iter_mut().zip(&of_piece).for_each(|(nearest, later)| nearest.merge(later));
        Ok(())
    };
    let mut tick = || stopped.store(stop(), Ordering::Relaxed);
    let jobs = Threads::new(threads(None)?, &stopped);
    let whole =
        parallel(jobs, records.div_ceil(PIECE_RECORDS) as usize, &begin, &work, &mut finish, &mut tick)?;
    Ok(whole.then_some(nearest))
}

/// Returns a lower bound of the distance of two unitaries, in one pass.
///
/// One of the d² entries differs by at least |A - B|_F/d, and |A - B|_F² = |A|_F² + |B|_F² - 2 Re
/// tr(A†B), where up to phase the magnitude replaces the real part.
fn distance_bound(one: &[Complex64], other: &[Complex64], up_to: Equivalence) -> f64 {
    let (mut overlap, mut sizes) = (Complex64::ZERO, 0.0);
    for (u, v) in one.iter().zip(other) {
        overlap += u.conj() * v;
        sizes += u.norm_sqr() + v.norm_sqr();
    }
    let overlap = if up_to == Equivalence::GlobalPhase { overlap.norm_sqr().sqrt() } else { overlap.re };
    // Rounding of the sums must not push the bound above the distance.
    ((sizes - 2.0 * overlap - 1e-13 * sizes).max(0.0) / one.len() as f64).sqrt()
}
