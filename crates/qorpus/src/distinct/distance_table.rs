//! Distances in memory: for each enumerated unitary, how far it is from the identity and the first
//! letters of all its shortest circuits.

use crate::corpus::corpus_file::CorpusFile;
use crate::distinct::frontier::Frontier;
use crate::distinct::letters::{Letters, PrefixWalk, with_letters};
use crate::error::{Error, Result};
use qorpus_core::{
    Alphabet, Arithmetic, BinaryLetters, Complex64, DenseArithmetic, Distinct, Equivalence, ExactLetters,
    Tolerance,
};
use std::ops::Range;

/// Records between two calls of `stop`.
const STOP_RECORDS: usize = 1 << 16;

/// The largest difference of an entry at which a matrix is a linear function.
const EXACT_DISTANCE: f64 = 1e-9;

/// The mean number of entries whose keys begin with the same bits.
const BUCKET_ENTRIES: usize = 4;

/// The distances of all unitaries of an enumeration. It takes some 33 bytes a record.
#[derive(Debug)]
pub struct DistanceTable {
    alphabet: Alphabet,
    up_to: Equivalence,
    letters: Letters,
    /// By ascending keys.
    entries: Vec<Entry>,
    /// The place of the first entry whose key begins with the bits of each bucket, or more.
    buckets: Vec<u32>,
    bits: u32,
    /// The largest exponent of an entry.
    max_exponent: u32,
}

/// An enumerated unitary.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The key of its adjoint: environments keep adjoints.
    key: u128,
    found: Distance,
}

/// The distance of a unitary from the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distance {
    /// The cost of its cheapest circuits or, without costs, the length of its shortest ones.
    pub distance: u32,
    /// The first letters of all these circuits, bit k for letter k; none of the identity.
    pub first_letters: u32,
}

impl CorpusFile {
    /// Reads all finished levels of an enumeration into memory. `None` if `stop`, which is called
    /// now and then, returned true.
    ///
    /// # Errors
    /// Another corpus, one without records or with more than 2^32, or the file cannot be read.
    pub(crate) fn distance_table(&self, stop: &mut dyn FnMut() -> bool) -> Result<Option<DistanceTable>> {
        let Some(distinct) = self.recipe().space().enumerates() else {
            let text = "only an enumeration of distinct unitaries (qorpus distinct) is a table of distances";
            return Err(Error::Usage(format!("{}: {text}", self.path().display())));
        };
        let letters = Letters::new(self.recipe().alphabet(), distinct)?;
        let entries = with_letters!(&letters, letters => self.entries(letters, distinct, stop)?);
        let Some((mut entries, max_exponent)) = entries else { return Ok(None) };
        entries.sort_unstable_by_key(|entry| entry.key);
        let (buckets, bits) = buckets(&entries);
        let alphabet = self.recipe().alphabet().clone();
        Ok(Some(DistanceTable {
            alphabet,
            up_to: distinct.up_to,
            letters,
            entries,
            buckets,
            bits,
            max_exponent,
        }))
    }

    fn entries<A: Arithmetic>(
        &self,
        letters: &A,
        distinct: &Distinct,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<(Vec<Entry>, u32)>> {
        let levels = self.levels()?;
        let records = levels.last().map_or(0, |last| last.ids().end);
        if records == 0 || records > u32::MAX.into() {
            let text = "a table of distances has 1 to 2^32 - 1 records";
            return Err(Error::Usage(format!("{}: {text}, not {records}", self.path().display())));
        }
        let mut entries = Vec::new();
        entries.try_reserve_exact(records as usize).map_err(|_| {
            let bytes = records * size_of::<Entry>() as u64;
            let text =
                format!("its table of distances takes {} MiB of memory, which are not free", bytes >> 20);
            Error::Usage(format!("{}: {text}; use a corpus of fewer levels", self.path().display()))
        })?;
        let mut max_exponent = 0;
        let mut walk = PrefixWalk::new(letters, letters.identity());
        let (mut frontier, mut stopped, mut unitary) = (Frontier::default(), false, A::Unitary::default());
        for level in &levels {
            let distance = if distinct.has_costs() { level.cost } else { level.length as u32 };
            self.visit_frontier(level.ids(), &mut frontier, Frontier::decode, |frontier| {
                stopped = stopped || (entries.len() % STOP_RECORDS < frontier.rows.len() && stop());
                let rows = if stopped { 0..0 } else { frontier.rows.clone() };
                for row in rows {
                    match frontier.circuits.get(row) {
                        [] => unitary = letters.unitary(&[])?,
                        [prefix @ .., last] => {
                            if !letters.advance(walk.unitary(prefix)?, *last, &mut unitary) {
                                return Err(qorpus_core::Error::ExactOverflow.into());
                            }
                        }
                    }
                    max_exponent = letters.exponent(&unitary).max(max_exponent);
                    let found = Distance { distance, first_letters: frontier.first_letters[row] };
                    entries.push(Entry { key: letters.key(&letters.adjoint(&unitary)), found });
                }
                Ok(())
            })?;
        }
        Ok((!stopped).then_some((entries, max_exponent)))
    }
}

/// Returns the place of the first entry of each bucket and of the end, and the number of bits that
/// keys of a bucket have in common.
fn buckets(entries: &[Entry]) -> (Vec<u32>, u32) {
    let bits = (entries.len() / BUCKET_ENTRIES).max(1).ilog2();
    let mut buckets = Vec::with_capacity((1 << bits) + 1);
    for (place, entry) in (0..).zip(entries) {
        let bucket = bucket(first_half(entry.key), bits);
        buckets.resize(buckets.len().max(bucket + 1), place);
    }
    buckets.resize((1 << bits) + 1, entries.len() as u32);
    (buckets, bits)
}

fn bucket(first_half: u64, bits: u32) -> usize {
    first_half.checked_shr(u64::BITS - bits).unwrap_or(0) as usize
}

fn first_half(key: u128) -> u64 {
    (key >> 64) as u64
}

impl DistanceTable {
    /// Returns the letters of its circuits.
    pub fn alphabet(&self) -> &Alphabet {
        &self.alphabet
    }

    /// Returns the equivalence under which its unitaries are distinct.
    pub fn up_to(&self) -> Equivalence {
        self.up_to
    }

    /// Returns the memory that it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.entries.len() * size_of::<Entry>() + self.buckets.len() * size_of::<u32>()
    }

    /// Returns the letters in exact arithmetic, if all gates have it.
    pub(crate) fn exact_letters(&self) -> Option<&ExactLetters> {
        match &self.letters {
            Letters::Exact(letters) => Some(letters),
            Letters::Approximate(_) | Letters::Binary(_) => None,
        }
    }

    /// Returns the letters as they act on tableaus, if these are compared.
    pub(crate) fn binary_letters(&self) -> Option<&BinaryLetters> {
        match &self.letters {
            Letters::Binary(letters) => Some(letters),
            Letters::Exact(_) | Letters::Approximate(_) => None,
        }
    }

    /// Returns the largest denominator's exponent of its unitaries.
    pub(crate) fn max_exponent(&self) -> u32 {
        self.max_exponent
    }

    /// Returns the distance of a unitary, row-major, with all digits of double precision; `None` if
    /// it is not in the table.
    ///
    /// Takes constant time on average, besides recognizing an exact unitary from its entries.
    ///
    /// # Panics
    /// If it is on another number of qubits.
    pub fn find(&self, unitary: &[Complex64]) -> Option<Distance> {
        assert_eq!(unitary.len(), self.alphabet.dim().pow(2), "on the same number of qubits");
        match &self.letters {
            Letters::Exact(letters) => self.find_dense(letters, unitary),
            Letters::Approximate(letters) => self.find_dense(letters, unitary),
            Letters::Binary(letters) => {
                self.find_adjoint(letters, &letters.adjoint(&letters.of_unitary(unitary, EXACT_DISTANCE)?))
            }
        }
    }

    fn find_dense<A: DenseArithmetic>(&self, letters: &A, unitary: &[Complex64]) -> Option<Distance> {
        self.find_adjoint(letters, &letters.adjoint(&letters.recognize_small(unitary, self.max_exponent)?))
    }

    /// Returns the distance of the unitary with this adjoint.
    pub(crate) fn find_adjoint<A: Arithmetic>(&self, letters: &A, adjoint: &A::Unitary) -> Option<Distance> {
        let (Tolerance { equal, distinct }, key) = (A::TOLERANCE, letters.key(adjoint));
        let (first, second) = (first_half(key), key as u64);
        let keys = first.saturating_sub(distinct)..=first.saturating_add(distinct);
        let places: Range<usize> = self.buckets[bucket(*keys.start(), self.bits)] as usize
            ..self.buckets[bucket(*keys.end(), self.bits) + 1] as usize;
        let is_near = |entry: &&Entry| {
            keys.contains(&first_half(entry.key)) && (entry.key as u64).abs_diff(second) <= distinct
        };
        let mut near = self.entries[places].iter().filter(is_near);
        // Two entries in reach of rounding errors, or one that is neither equal nor distinct, do not
        // answer.
        let (entry, other) = (near.next()?, near.next());
        let is_equal =
            first_half(entry.key).abs_diff(first) <= equal && (entry.key as u64).abs_diff(second) <= equal;
        (is_equal && other.is_none()).then_some(entry.found)
    }
}
