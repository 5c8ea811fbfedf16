//! Batches of circuits.

use std::collections::TryReserveError;
use std::ops::Range;

/// The largest length of a circuit, in letters.
pub const MAX_LENGTH: usize = 65_535;

/// The number of numbers that are written in one step.
const LANES: usize = 8;

/// Masks: eight words from `LANES - k` on leave the first k numbers of a group unchanged and turn
/// the others into -1.
const PADDING: [i32; 2 * LANES] = [0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1];

/// A circuit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Circuit<'a> {
    /// Its letters, in time order.
    pub letters: &'a [u16],
    /// The angles in radians of those of its letters whose gates have free angles, in the order of
    /// the letters.
    pub angles: &'a [f64],
    /// The id of a record whose unitary is drawn by its id instead of computed from letters: it has
    /// no circuit.
    pub drawn: Option<u64>,
}

/// A circuit without free angles.
impl<'a, T: AsRef<[u16]> + ?Sized> From<&'a T> for Circuit<'a> {
    fn from(letters: &'a T) -> Circuit<'a> {
        Circuit { letters: letters.as_ref(), angles: &[], drawn: None }
    }
}

/// A batch of circuits, each a sequence of letters in time order, in flat buffers that are reused.
///
/// A circuit also has the angles of those of its letters whose gates have free angles, in the order
/// of the letters. A record whose unitary is drawn by its id has no letters, and the id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Circuits {
    letters: Vec<u16>,
    ends: Vec<usize>,
    angles: Vec<f64>,
    /// The ends of the circuits in `angles`, up to the last circuit that has any.
    angle_ends: Vec<usize>,
    /// The ids of the records whose unitaries are drawn, [`COMPUTED`] for other ones, up to the last
    /// record that has any.
    drawn: Vec<u64>,
}

/// The place of an id, of a record whose unitary is not drawn. Ids are smaller.
const COMPUTED: u64 = u64::MAX;

impl Circuits {
    /// Returns the number of circuits.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Removes all circuits and keeps the memory.
    pub fn clear(&mut self) {
        self.letters.clear();
        self.ends.clear();
        self.angles.clear();
        self.angle_ends.clear();
        self.drawn.clear();
    }

    /// Removes all but the first `len` circuits.
    pub fn truncate(&mut self, len: usize) {
        self.ends.truncate(len);
        self.letters.truncate(self.ends.last().copied().unwrap_or(0));
        self.angle_ends.truncate(len);
        self.angles.truncate(self.angle_ends.last().copied().unwrap_or(0));
        // The last end is that of a circuit with angles.
        while self.angle_ends.last().is_some_and(|end| {
            let before = self.angle_ends.len().checked_sub(2).map_or(0, |before| self.angle_ends[before]);
            *end == before
        }) {
            self.angle_ends.pop();
        }
        self.drawn.truncate(len);
        while self.drawn.last() == Some(&COMPUTED) {
            self.drawn.pop();
        }
    }

    /// Returns the letters of circuit `index`.
    ///
    /// # Panics
    /// If there is no circuit with this index.
    #[inline]
    pub fn get(&self, index: usize) -> &[u16] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.letters[start..self.ends[index]]
    }

    /// Returns the angles of circuit `index` in radians: those of its first letter with free angles,
    /// then those of the next one.
    ///
    /// # Panics
    /// If there is no circuit with this index.
    pub fn angles(&self, index: usize) -> &[f64] {
        assert!(index < self.len(), "circuit {index} of {}", self.len());
        self.angles_of(index..index + 1)
    }

    /// Returns the id of record `index`, if its unitary is drawn.
    ///
    /// # Panics
    /// If there is no circuit with this index.
    pub fn drawn(&self, index: usize) -> Option<u64> {
        assert!(index < self.len(), "circuit {index} of {}", self.len());
        self.drawn.get(index).copied().filter(|&id| id != COMPUTED)
    }

    /// Returns the ids of all records; `None` if a unitary is not drawn.
    pub(crate) fn all_drawn(&self) -> Option<&[u64]> {
        let are_drawn = self.drawn.len() == self.len() && !self.drawn.contains(&COMPUTED);
        are_drawn.then_some(&self.drawn)
    }

    /// Returns circuit `index`.
    ///
    /// # Panics
    /// If there is no circuit with this index.
    pub fn circuit(&self, index: usize) -> Circuit<'_> {
        Circuit { letters: self.get(index), angles: self.angles(index), drawn: self.drawn(index) }
    }

    /// Returns the circuits in order, with their angles.
    pub fn circuits(&self) -> impl ExactSizeIterator<Item = Circuit<'_>> {
        (0..self.len()).map(|index| self.circuit(index))
    }

    /// Returns the letters of the circuits in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u16]> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Returns the length of the longest circuit, 0 if there is none.
    pub fn longest(&self) -> usize {
        let first = self.ends.first().copied().unwrap_or(0);
        self.ends.windows(2).map(|ends| ends[1] - ends[0]).fold(first, usize::max)
    }

    /// Writes each circuit to a row of `longest` numbers, padded with -1 at the end.
    ///
    /// # Panics
    /// If there are not as many rows as circuits, or a circuit is longer than a row.
    pub fn write_rows(&self, longest: usize, rows: &mut [i32]) {
        assert_eq!(rows.len(), self.len() * longest, "a row for each circuit");
        assert!(self.longest() <= longest, "room for the longest circuit");
        let wide = longest.next_multiple_of(LANES);
        let mut begin = 0;
        for (index, &end) in self.ends.iter().enumerate() {
            let (row, letters) = (&mut rows[index * longest..], &self.letters[begin..]);
            let len = end - begin;
            begin = end;
            if row.len() < wide || letters.len() < wide {
                let (row, padding) = row[..longest].split_at_mut(len);
                row.iter_mut().zip(letters).for_each(|(entry, &letter)| *entry = letter.into());
                padding.fill(-1);
                continue;
            }
            // Whole groups are copied for any length of the circuit: the next row overwrites the
            // excess.
            let (row, letters) = (row[..wide].as_chunks_mut().0, letters[..wide].as_chunks().0);
            let mut left = len;
            for (row, letters) in row.iter_mut().zip(letters) {
                let (row, letters): (&mut [i32; LANES], &[u16; LANES]) = (row, letters);
                let now = left.min(LANES);
                left -= now;
                for (lane, padding) in PADDING[LANES - now..][..LANES].iter().enumerate() {
                    row[lane] = i32::from(letters[lane]) | padding;
                }
            }
        }
    }

    /// Appends a circuit.
    pub fn push(&mut self, letters: impl IntoIterator<Item = u16>) {
        self.letters.extend(letters);
        self.ends.push(self.letters.len());
    }

    /// Appends a circuit with one more letter behind it.
    #[inline]
    pub fn push_longer(&mut self, letters: &[u16], last: u16) {
        self.letters.extend_from_slice(letters);
        self.letters.push(last);
        self.ends.push(self.letters.len());
    }

    /// Appends a copy of a circuit.
    pub fn push_circuit(&mut self, circuit: Circuit<'_>) {
        self.push(circuit.letters.iter().copied());
        self.push_angles(circuit.angles.iter().copied());
        if let Some(id) = circuit.drawn {
            self.draw(id..id + 1);
        }
    }

    /// Appends the records with these ids, without circuits: their unitaries are drawn.
    pub fn push_drawn(&mut self, ids: Range<u64>) {
        let records = (ids.end - ids.start) as usize;
        self.ends.resize(self.ends.len() + records, self.letters.len());
        self.draw(ids);
    }

    /// Gives the last records, which have no letters, these ids.
    pub(crate) fn draw(&mut self, ids: Range<u64>) {
        self.drawn.resize(self.len() - (ids.end - ids.start) as usize, COMPUTED);
        self.drawn.extend(ids);
    }

    /// Appends angles to those of the last circuit.
    ///
    /// # Panics
    /// If there is no circuit.
    pub fn push_angles(&mut self, angles: impl IntoIterator<Item = f64>) {
        assert!(!self.is_empty(), "a circuit to which the angles belong");
        self.append_angles(self.len() - 1, angles);
    }

    /// Appends the angles of circuit `index`, behind which no circuit has angles.
    pub(crate) fn append_angles(&mut self, index: usize, angles: impl IntoIterator<Item = f64>) {
        let before = self.angles.len();
        self.angles.extend(angles);
        if self.angles.len() > before {
            // Circuits without angles end where the circuit before them ends.
            self.angle_ends.resize(index, before);
            self.angle_ends.push(self.angles.len());
        }
    }

    /// Appends the angles of circuits from number `first` on, one after the other, of which each
    /// has as many as `counts` says. No circuit from `first` on has angles yet.
    pub(crate) fn append_angles_of_many(&mut self, first: usize, counts: &[usize], angles: &[f64]) {
        let Some(last) = counts.iter().rposition(|&count| count > 0) else { return };
        let mut end = self.angles.len();
        self.angles.extend_from_slice(angles);
        self.angle_ends.resize(first, end);
        self.angle_ends.extend(counts[..=last].iter().map(|count| {
            end += count;
            end
        }));
    }

    /// Returns the angles of the circuits in `range`, one after the other.
    pub(crate) fn angles_of(&self, range: Range<usize>) -> &[f64] {
        let end = |circuits: usize| match circuits.min(self.angle_ends.len()) {
            0 => 0,
            circuits => self.angle_ends[circuits - 1],
        };
        &self.angles[end(range.start)..end(range.end)]
    }

    /// Returns the angles of all circuits, one after the other.
    pub fn all_angles(&self) -> &[f64] {
        &self.angles
    }

    /// Reserves memory for `circuits` more circuits that have `letters` letters in all.
    ///
    /// # Errors
    /// There is not enough memory; the batch is unchanged.
    pub fn try_reserve(&mut self, circuits: usize, letters: usize) -> Result<(), TryReserveError> {
        self.ends.try_reserve(circuits)?;
        self.letters.try_reserve(letters)
    }

    /// Returns the number of letters of all circuits together.
    pub fn total(&self) -> usize {
        self.letters.len()
    }

    /// Appends all circuits of `other`.
    pub fn extend(&mut self, other: &Circuits) {
        let start = self.letters.len();
        self.letters.extend_from_slice(&other.letters);
        let (known, start_angle) = (self.ends.len(), self.angles.len());
        self.ends.extend(other.ends.iter().map(|end| start + end));
        if !other.angles.is_empty() {
            self.angle_ends.resize(known, start_angle);
            self.angles.extend_from_slice(&other.angles);
            self.angle_ends.extend(other.angle_ends.iter().map(|end| start_angle + end));
        }
        if !other.drawn.is_empty() {
            self.drawn.resize(known, COMPUTED);
            self.drawn.extend_from_slice(&other.drawn);
        }
    }

    /// Returns the letters of all circuits and the ends of the circuits, to append to both.
    pub(crate) fn buffers(&mut self) -> (&mut Vec<u16>, &mut Vec<usize>) {
        (&mut self.letters, &mut self.ends)
    }

    /// Returns all letters of the circuits in `range`, one after the other.
    pub(crate) fn letters(&self, range: Range<usize>) -> &[u16] {
        let begin = |index: usize| if index == 0 { 0 } else { self.ends[index - 1] };
        &self.letters[begin(range.start)..begin(range.end)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Angles stay with their circuits, and equal batches compare equal however they were made.
        #[test]
        fn angles_belong_to_circuits(
            all in prop::collection::vec(prop::collection::vec(0f64..1.0, 0..3), 0..9), cut in 0usize..9, len in 0usize..9,
        ) {
            let made = |all: &[Vec<f64>]| {
                let mut circuits = Circuits::default();
                for angles in all {
                    circuits.push(angles.iter().map(|_| 7));
                    angles.iter().for_each(|&angle| circuits.push_angles([angle]));
                }
                circuits
            };
            let whole = made(&all);
            for (index, angles) in all.iter().enumerate() {
                prop_assert_eq!(whole.angles(index), &angles[..]);
            }
            let cut = cut.min(all.len());
            let mut joined = made(&all[..cut]);
            joined.extend(&made(&all[cut..]));
            prop_assert_eq!(&joined, &whole);
            joined.truncate(len);
            prop_assert_eq!(&joined, &made(&all[..len.min(all.len())]));
            joined.clear();
            prop_assert_eq!(&joined, &Circuits::default());
        }

        /// Ids of drawn unitaries stay with their records, and equal batches compare equal however
        /// they were made.
        #[test]
        fn ids_belong_to_records(
            all in prop::collection::vec(prop::option::of(0u64..1000), 0..9), cut in 0usize..9, len in 0usize..9,
        ) {
            let made = |all: &[Option<u64>]| {
                let mut circuits = Circuits::default();
                for id in all {
                    match *id {
                        Some(id) => circuits.push_drawn(id..id + 1),
                        None => circuits.push([7]),
                    }
                }
                circuits
            };
            let whole = made(&all);
            for (index, id) in all.iter().enumerate() {
                prop_assert_eq!(whole.drawn(index), *id);
                prop_assert_eq!(whole.get(index).len(), usize::from(id.is_none()));
            }
            let ids: Option<Vec<u64>> = all.iter().copied().collect();
            prop_assert_eq!(whole.all_drawn(), ids.as_deref());
            let cut = cut.min(all.len());
            let mut joined = made(&all[..cut]);
            joined.extend(&made(&all[cut..]));
            prop_assert_eq!(&joined, &whole);
            let mut copied = Circuits::default();
            whole.circuits().for_each(|circuit| copied.push_circuit(circuit));
            prop_assert_eq!(&copied, &whole);
            joined.truncate(len);
            prop_assert_eq!(&joined, &made(&all[..len.min(all.len())]));
            joined.clear();
            prop_assert_eq!(&joined, &Circuits::default());
            joined.push_drawn(3..3 + len as u64);
            prop_assert_eq!(joined.all_drawn(), Some(&(3..3 + len as u64).collect::<Vec<_>>()[..]));
        }

        #[test]
        fn rows_are_circuits_and_padding(
            letters in prop::collection::vec(prop::collection::vec(any::<u16>(), 0..40), 0..20), more in 0usize..20,
        ) {
            let mut circuits = Circuits::default();
            letters.iter().for_each(|circuit| circuits.push(circuit.iter().copied()));
            let longest = letters.iter().map(Vec::len).max().unwrap_or(0);
            prop_assert_eq!(circuits.longest(), longest);
            let width = longest + more;
            let mut rows = vec![7; letters.len() * width];
            circuits.write_rows(width, &mut rows);
            let padded = |circuit: &Vec<u16>| {
                let letters = circuit.iter().map(|&letter| i32::from(letter));
                letters.chain(std::iter::repeat(-1)).take(width).collect::<Vec<_>>()
            };
            prop_assert_eq!(rows, letters.iter().flat_map(padded).collect::<Vec<_>>());
        }
    }
}
