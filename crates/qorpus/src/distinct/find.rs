//! Finding: from a unitary to its shortest circuit, stored or made of two that are.

use super::expand::{Letters, Walk};
use super::levels::{Index, Level};
use super::plan;
use crate::error::{Error, Result, io};
use crate::ids::Ids;
use crate::reader::{Corpus, Order, reorder};
use npyz::{DType, NpyFile};
use qorpus_core::{
    Alphabet, Arithmetic, Circuits, Complex32, Complex64, Coupling, Distinct, Gate, Kernel, Scratch,
};
use std::fs::File;
use std::io::BufReader;
use std::ops::RangeInclusive;
use std::path::Path;

/// What is known of a unitary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is that of a record.
    Record {
        /// The record's id.
        id: u64,
        /// Its circuit: no other one costs less, or as little and is shorter.
        circuit: Vec<u16>,
    },
    /// A circuit longer than those of the corpus makes it, and no shorter one does.
    Circuit(Vec<u16>),
    /// No circuit of this length or a shorter one makes it: this was proven.
    BeyondLength(usize),
    /// No circuit that costs so much or less makes it: this was proven.
    BeyondCost(u32),
    /// No circuit over these gates makes it at all: all that they make were enumerated.
    Never,
}

impl Corpus {
    /// Looks for a unitary (row-major, entries within 1e-9, or 1e-12 if not all gates are exact) among those that were enumerated, up
    /// to a phase if they are.
    ///
    /// If `further`, and only lengths count, circuits up to twice as long are looked for: those with a beginning and an end that
    /// are both in the corpus. That takes time in O(n log n) for n records of a level, from the shortest on; `stop` is asked now
    /// and then and ends it, as if the lengths that were not looked through yet had not been asked for.
    ///
    /// # Errors
    /// A corpus that enumerates nothing or has no level yet, a unitary on another number of qubits, or the file cannot be read.
    pub fn find(
        &self,
        unitary: &[Complex64],
        further: bool,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Found> {
        let Some(distinct) = self.recipe().space().enumerates() else {
            let text = format!(
                "{}: only corpora that 'qorpus distinct' made can be searched",
                self.path().display()
            );
            return Err(Error::Usage(text));
        };
        let dim = self.recipe().alphabet().dim();
        if unitary.len() != dim * dim {
            let text =
                format!("the unitary has {} entries; those of this corpus have {dim} x {dim}", unitary.len());
            return Err(Error::Usage(text));
        }
        match Letters::new(self.recipe().alphabet(), distinct.up_to)? {
            Letters::Exact(letters) => self.find_by(&letters, distinct, unitary, further, stop),
            Letters::Floating(letters) => self.find_by(&letters, distinct, unitary, further, stop),
        }
    }

    fn find_by<A: Arithmetic>(
        &self,
        letters: &A,
        distinct: &Distinct,
        unitary: &[Complex64],
        further: bool,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Found> {
        let levels = self.levels()?;
        let nothing_yet = || {
            let text = "nothing is proven yet; run 'qorpus distinct' on it to its end";
            Error::Usage(format!("{}: {text}", self.path().display()))
        };
        let last = levels.iter().rfind(|level| level.records > 0).ok_or_else(nothing_yet)?;
        // What is not over the ring, no circuit makes; but that a denominator is not merely too large, numbers do not tell.
        let target = letters.recognize(unitary);
        let mut search = Search { corpus: self, letters, levels: &levels, block: None };
        if let Some(target) = &target {
            for number in 0..levels.len() {
                if let Some(circuit) = search.within(number, target)? {
                    let id = search.id(number, &circuit)?;
                    return Ok(Found::Record { id, circuit });
                }
            }
        }
        let complete = plan::is_complete(self.recipe(), &levels);
        if distinct.has_costs() {
            // Of the cost of a level that is not the last one, all lengths are there.
            let cost = if complete { Some(distinct.most_cost) } else { last.cost.checked_sub(1) };
            return cost.map(Found::BeyondCost).ok_or_else(nothing_yet);
        }
        // A group that has come to its end has an empty level.
        if levels.last().is_some_and(|level| level.records == 0) {
            return Ok(Found::Never);
        }
        let mut length = last.length;
        if let Some(target) = target.filter(|_| further) {
            for beginning in 1..levels.len() {
                match search.in_two(beginning, levels.len() - 1, &target, stop)? {
                    Half::Found(circuit) => return Ok(Found::Circuit(circuit)),
                    Half::Nothing => length = last.length + beginning,
                    Half::Stopped => break,
                }
            }
        }
        Ok(Found::BeyondLength(length))
    }
}

/// What came of looking for a circuit in two parts.
enum Half {
    Found(Vec<u16>),
    Nothing,
    Stopped,
}

struct Search<'a, A> {
    corpus: &'a Corpus,
    letters: &'a A,
    levels: &'a [Level],
    /// The block of the index that was read last: its level, its number, its bytes.
    block: Option<(usize, u64, Vec<u8>)>,
}

impl<A: Arithmetic> Search<'_, A> {
    /// The circuit of a level that makes `target`.
    fn within(&mut self, number: usize, target: &A::Unitary) -> Result<Option<Vec<u16>>> {
        let (level, corpus) = (&self.levels[number], self.corpus);
        if level.records == 0 {
            return Ok(None);
        }
        let (index, keys) = (Index::new(corpus.recipe(), number, level), keys_of(self.letters, target));
        for block in index.block(*keys.start())..=index.block(*keys.end()) {
            if self.block.as_ref().is_none_or(|(of, number_of, _)| (*of, *number_of) != (number, block)) {
                let bytes = corpus.read(|connection| index.read(connection, block))?;
                let bytes =
                    bytes.ok_or_else(|| Error::DamagedIndex { path: corpus.path().into(), level: number })?;
                self.block = Some((number, block, bytes));
            }
            let Some((_, _, bytes)) = &self.block else { return Ok(None) };
            let entries = index.entries(bytes);
            for (_, origin) in entries.into_iter().filter(|(part, _)| index.may_be(block, *part, &keys)) {
                let circuit = self.circuit(level, origin)?;
                // The index is a hint; what counts is the unitary.
                if self.letters.unitary(&circuit).is_ok_and(|unitary| self.letters.same(&unitary, target)) {
                    return Ok(Some(circuit));
                }
            }
        }
        Ok(None)
    }

    /// The circuit that comes from `origin`.
    fn circuit(&self, level: &Level, origin: u64) -> Result<Vec<u16>> {
        if level.length == 0 {
            return Ok(Vec::new());
        }
        let (letters, mut circuits) =
            (self.corpus.recipe().alphabet().letters().len() as u64, Circuits::default());
        self.corpus.circuits(&Ids::List(&[origin / letters]), &mut circuits)?;
        Ok(circuits.get(0).iter().copied().chain([(origin % letters) as u16]).collect())
    }

    /// The id of the record with this circuit, which the level has.
    fn id(&self, number: usize, circuit: &[u16]) -> Result<u64> {
        let (costs, ids) = (plan::costs(self.corpus.recipe()), self.levels[number].ids());
        // Records are ordered by the record of the circuit without its last letter, and then by that letter: by what the
        // circuit costs without its last letters, from the end on, and then letter by letter.
        let rank = |circuit: &[u16]| {
            let sum = |sum: &mut u64, letter: &u16| {
                *sum += u64::from(costs[usize::from(*letter)]);
                Some(*sum)
            };
            let mut sums: Vec<u64> = circuit.iter().scan(0, sum).collect();
            sums.reverse();
            (sums, circuit.to_vec())
        };
        let (wanted, mut circuits) = (rank(circuit), Circuits::default());
        let (mut from, mut to) = (ids.start, ids.end);
        while from < to {
            let middle = from + (to - from) / 2;
            circuits.clear();
            self.corpus.circuits(&Ids::List(&[middle]), &mut circuits)?;
            if rank(circuits.get(0)) < wanted { from = middle + 1 } else { to = middle }
        }
        Ok(from)
    }

    /// A circuit that begins like one of level `beginning` and ends like one of level `end`, the first in the order of the alphabet.
    ///
    /// Where P is the unitary of the beginning, W that of the end and V the one that is looked for, V = W·P, so that W is the adjoint of P·V†:
    /// the letters of the beginning are put to V†.
    fn in_two(
        &mut self,
        beginning: usize,
        end: usize,
        target: &A::Unitary,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Half> {
        let (ids, mut circuits) = (self.levels[beginning].ids(), Circuits::default());
        let mut walk = Walk::new(self.letters, self.letters.adjoint(target));
        let mut start = ids.start;
        while start < ids.end {
            if stop() {
                return Ok(Half::Stopped);
            }
            let part = start..ids.end.min(start + AT_ONCE);
            start = part.end;
            circuits.clear();
            self.corpus.circuits(&Ids::Run(part), &mut circuits)?;
            for circuit in circuits.iter() {
                let wanted = self.letters.adjoint(walk.to(circuit)?);
                if let Some(rest) = self.within(end, &wanted)? {
                    return Ok(Half::Found(circuit.iter().copied().chain(rest).collect()));
                }
            }
        }
        Ok(Half::Nothing)
    }
}

/// The keys that a unitary may have, made by whatever circuit.
pub(super) fn keys_of<A: Arithmetic>(letters: &A, unitary: &A::Unitary) -> RangeInclusive<u128> {
    let key = letters.key(unitary);
    match u128::from(letters.reach()) << 64 {
        0 => key..=key,
        // Only the first halves are compared: few are so near.
        reach => {
            let first = key >> 64 << 64;
            first.saturating_sub(reach)..=first.saturating_add(reach) | u128::from(u64::MAX)
        }
    }
}

/// So many circuits are read at once.
const AT_ONCE: u64 = 4096;

/// The unitary of a circuit of any standard gates on so many qubits.
///
/// # Errors
/// Text that is no circuit.
pub fn circuit_unitary(text: &str, qubits: usize) -> Result<Vec<Complex64>> {
    let mut gates: Vec<Gate> = Vec::new();
    for letter in text.split(';').map(str::trim).filter(|letter| !letter.is_empty()) {
        // The qubits stand behind the last parenthesis, if there is one, or behind the name.
        let end = letter.rfind(')').map_or_else(|| letter.find(' ').unwrap_or(letter.len()), |end| end + 1);
        let gate = Gate::standard(&letter[..end])?;
        if gates.iter().all(|known| known.name() != gate.name()) {
            gates.push(gate);
        }
    }
    if gates.is_empty() {
        gates.push(Gate::standard("id")?);
    }
    let alphabet = Alphabet::new(gates, qubits, Coupling::All)?;
    let circuit = alphabet.circuit(text)?;
    let (mut circuits, mut unitary) = (Circuits::default(), vec![Complex64::ZERO; alphabet.dim().pow(2)]);
    circuits.push(circuit);
    Kernel::new(&alphabet).unitaries(&circuits, &mut Scratch::default(), &mut unitary);
    Ok(unitary)
}

/// Reads the unitary of so many qubits from a NumPy file, row-major, with qubit 0 the most significant bit.
///
/// # Errors
/// The file cannot be read, or holds no such matrix of numbers.
pub fn read_npy(path: &Path, qubits: usize, order: Order) -> Result<Vec<Complex64>> {
    let size = 1usize << qubits;
    let failed = || io(path, "read it");
    let refused = |what: String| {
        let wanted = format!("give a matrix of {size} x {size} complex numbers");
        Error::Usage(format!("{}: {what}; {wanted}", path.display()))
    };
    let file = NpyFile::new(BufReader::new(File::open(path).map_err(failed())?)).map_err(failed())?;
    if *file.shape() != [size as u64; 2] {
        return Err(refused(format!("its shape is {:?}", file.shape())));
    }
    let by_columns = file.order() == npyz::Order::Fortran;
    let DType::Plain(kind) = file.dtype() else { return Err(refused("it is a structured array".into())) };
    let entries: std::io::Result<Vec<Complex64>> = match &kind.to_string()[1..] {
        "c16" => file.data::<Complex64>().map_err(|error| refused(error.to_string()))?.collect(),
        "c8" => {
            let data = file.data::<Complex32>().map_err(|error| refused(error.to_string()))?;
            data.map(|entry| entry.map(|entry| Complex64::new(entry.re.into(), entry.im.into()))).collect()
        }
        "f8" => {
            let data = file.data::<f64>().map_err(|error| refused(error.to_string()))?;
            data.map(|entry| entry.map(Into::into)).collect()
        }
        other => return Err(refused(format!("its numbers are of type {other}"))),
    };
    let mut entries = entries.map_err(failed())?;
    if by_columns {
        entries = (0..size * size).map(|k| entries[k % size * size + k / size]).collect();
    }
    reorder(bytemuck::cast_slice_mut(&mut entries), qubits, size_of::<Complex64>(), order);
    Ok(entries)
}
