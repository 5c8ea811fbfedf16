//! Free angles of random circuits, drawn by Philox words of their own.
//!
//! Angle k of record i, counted through the letters of its circuit, takes word k of record i: half
//! of block k / 2 of Philox4x32-10, with the key and counter of the record's letters but 1 instead
//! of 0 as the last word of the counter. With t = floor(word / 2^11) + 1:
//!
//! ```text
//! x = t / 2^52 - 1                 exact, in (-1, 1]
//! angle = x · π                    one rounded product
//! theta of u3 = acos(x)            libm's; so that u3(theta, phi, lambda) is Haar-random up to a
//!                                  phase: cos(theta) is uniform
//! ```

use crate::alphabet::Alphabet;
use crate::circuit::Circuits;
use crate::gate::rotation::MAX_GATE_ANGLES;
use crate::random::philox::{BATCH, blocks_of_angles};
use crate::simd::acos::acos;
use crate::simd::dispatch::{InstructionSet, SimdTask};
use std::f64::consts::PI;
use std::mem;
use std::ops::Range;
use std::sync::Arc;

/// The number of blocks after which a group of circuits ends: its numbers stay in the first-level
/// cache.
const BLOCKS: usize = 256;

/// A sampler of the free angles of circuits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AngleSampler {
    key: [u32; 2],
    /// For each letter the number of its free angles.
    counts: Arc<[u8]>,
    /// The number of free angles of every letter, if all have as many.
    every: Option<usize>,
    /// Whether a letter has an angle theta of `u3`.
    has_thetas: bool,
    /// Whether all free angles are those of `u3`.
    has_only_general: bool,
}

impl AngleSampler {
    /// Returns the sampler of the letters of `alphabet`; `None` if no letter has free angles.
    pub(crate) fn new(alphabet: &Alphabet, seed: u64) -> Option<AngleSampler> {
        const GENERAL: u8 = MAX_GATE_ANGLES as u8;
        let letters = 0..alphabet.letters().len() as u16;
        let counts: Arc<[u8]> = letters.map(|letter| alphabet.free_angles(letter) as u8).collect();
        alphabet.has_free_angles().then(|| AngleSampler {
            key: [seed as u32, (seed >> 32) as u32],
            every: counts
                .first()
                .filter(|first| counts.iter().all(|count| count == *first))
                .map(|&count| count.into()),
            has_thetas: counts.contains(&GENERAL),
            has_only_general: counts.iter().all(|count| [0, GENERAL].contains(count)),
            counts,
        })
    }

    /// Draws the angles of the last circuits of `circuits`, which have these ids and no angles yet.
    pub(crate) fn extend(&self, ids: Range<u64>, circuits: &mut Circuits) {
        InstructionSet::best().run(AngleDraws { sampler: self, ids, circuits });
    }

    /// Returns the number of angles of a circuit.
    #[inline(always)]
    fn count(&self, letters: &[u16]) -> usize {
        if let Some(every) = self.every {
            return every * letters.len();
        }
        let mut count = 0;
        for &letter in letters {
            count += usize::from(self.counts[usize::from(letter)]);
        }
        count
    }
}

/// Circuits whose angles are to be drawn.
struct AngleDraws<'a> {
    sampler: &'a AngleSampler,
    ids: Range<u64>,
    circuits: &'a mut Circuits,
}

impl SimdTask for AngleDraws<'_> {
    #[inline(always)]
    fn run<const SET: u8>(self) {
        let AngleDraws { sampler, ids, circuits } = self;
        let (mut group, mut id) = (Group::default(), ids.start);
        while id < ids.end {
            let first = circuits.len() - (ids.end - id) as usize;
            group.begin(sampler, circuits, first, id);
            group.draw(sampler.key);
            group.compact();
            let letters = circuits.letters(first..first + group.counts.len());
            group.turn(sampler, letters);
            circuits.append_angles_of_many(first, &group.counts, &group.angles);
            id += group.counts.len() as u64;
        }
    }
}

/// The blocks and angles of consecutive circuits.
#[derive(Default)]
struct Group {
    /// The number of angles of each circuit.
    counts: Vec<usize>,
    /// For each block its record and its number there. More may follow than are needed.
    records: Vec<u64>,
    blocks: Vec<u64>,
    needed: usize,
    /// The numbers x of all words of the blocks.
    drawn: Vec<f64>,
    angles: Vec<f64>,
    thetas: Thetas,
}

impl Group {
    /// Begins with circuit `first`, which has this id, and lists the blocks that are needed.
    #[inline(always)]
    fn begin(&mut self, sampler: &AngleSampler, circuits: &Circuits, first: usize, id: u64) {
        self.counts.clear();
        self.needed = 0;
        for (index, record) in (first..circuits.len()).zip(id..) {
            if self.needed >= BLOCKS {
                break;
            }
            let count = sampler.count(circuits.get(index));
            self.counts.push(count);
            self.list(record, count.div_ceil(2));
        }
    }

    /// Lists the first `count` blocks of a record. Whole batches are written for any number of
    /// blocks: the next record overwrites the excess.
    #[inline(always)]
    fn list(&mut self, record: u64, count: usize) {
        let room = (self.needed + count).next_multiple_of(BATCH) + BATCH;
        if self.records.len() < room {
            self.records.resize(room, 0);
            self.blocks.resize(room, 0);
        }
        for block in (0..count).step_by(BATCH) {
            let mut numbers = [block as u64; BATCH];
            for (lane, number) in numbers.iter_mut().enumerate() {
                *number += lane as u64;
            }
            self.records[self.needed + block..][..BATCH].copy_from_slice(&[record; BATCH]);
            self.blocks[self.needed + block..][..BATCH].copy_from_slice(&numbers);
        }
        self.needed += count;
    }

    /// Draws the numbers of the blocks.
    #[inline(always)]
    fn draw(&mut self, key: [u32; 2]) {
        let batches = self.needed.div_ceil(BATCH);
        self.drawn.resize(2 * BATCH * batches + BATCH, 0.0);
        let (records, blocks) = (self.records.as_chunks().0, self.blocks.as_chunks().0);
        for (batch, numbers) in self.drawn.as_chunks_mut::<{ 2 * BATCH }>().0.iter_mut().enumerate() {
            let [firsts, seconds] = blocks_of_angles(&records[batch], &blocks[batch], key);
            for lane in 0..BATCH {
                numbers[2 * lane] = number(firsts[lane]);
                numbers[2 * lane + 1] = number(seconds[lane]);
            }
        }
    }

    /// Leaves out the second number of a circuit's last block if it has an odd number of angles.
    #[inline(always)]
    fn compact(&mut self) {
        if self.counts.iter().fold(0, |odd, count| odd | count & 1) == 0 {
            mem::swap(&mut self.angles, &mut self.drawn);
            self.angles.truncate(2 * self.needed);
            return;
        }
        self.angles.resize(2 * self.needed + BATCH, 0.0);
        let (mut from, mut to) = (0, 0);
        for &count in &self.counts {
            // As in `list`, the next circuit overwrites the excess.
            for at in (0..count).step_by(BATCH) {
                self.angles[to + at..][..BATCH].copy_from_slice(&self.drawn[from + at..][..BATCH]);
            }
            from += count.next_multiple_of(2);
            to += count;
        }
        self.angles.truncate(to);
    }

    /// Turns the numbers into the angles of `letters`.
    #[inline(always)]
    fn turn(&mut self, sampler: &AngleSampler, letters: &[u16]) {
        if sampler.has_only_general {
            return self.thetas.turn_general(self.angles.as_chunks_mut().0);
        }
        if sampler.has_thetas {
            self.thetas.compute(sampler, letters, &self.angles);
        }
        for angle in &mut self.angles {
            *angle *= PI;
        }
        if sampler.has_thetas {
            self.thetas.place(&mut self.angles);
        }
    }
}

/// Returns the number x of a word, in vector instructions, of which many machines have none that
/// turn 64-bit integers into numbers.
#[inline(always)]
fn number(word: u64) -> f64 {
    const STEP: f64 = 1.0 / (1u64 << 52) as f64;
    // Bits of the fraction make a number in [1, 2): t is twice that much, and 1 or 2.
    let most = f64::from_bits(word >> 12 | 1.0f64.to_bits());
    let rest = f64::from_bits(STEP.to_bits() + (word << 41 & 1 << 52));
    most + most - 3.0 + rest
}

/// The angles theta of the letters `u3` of a group.
#[derive(Default)]
struct Thetas {
    /// Their places among the angles. More may follow than there are.
    places: Vec<usize>,
    values: Vec<f64>,
}

impl Thetas {
    /// Turns numbers into the angles of letters `u3`.
    #[inline(always)]
    fn turn_general(&mut self, letters: &mut [[f64; MAX_GATE_ANGLES]]) {
        self.values.resize(letters.len(), 0.0);
        for (value, [first, _, _]) in self.values.iter_mut().zip(&*letters) {
            *value = *first;
        }
        acos(&mut self.values);
        for (value, [theta, phi, lambda]) in self.values.iter().zip(letters) {
            (*theta, *phi, *lambda) = (*value, *phi * PI, *lambda * PI);
        }
    }

    /// Finds their places and computes them.
    #[inline(always)]
    fn compute(&mut self, sampler: &AngleSampler, letters: &[u16], numbers: &[f64]) {
        let found = self.find(sampler, letters);
        self.values.resize(found, 0.0);
        for (value, &place) in self.values.iter_mut().zip(&self.places) {
            *value = numbers[place];
        }
        acos(&mut self.values);
    }

    /// Finds their places and returns their number.
    #[inline(always)]
    fn find(&mut self, sampler: &AngleSampler, letters: &[u16]) -> usize {
        self.places.resize(letters.len() + 1, 0);
        let (mut found, mut place) = (0, 0);
        // Without branches, which could not be predicted.
        for &letter in letters {
            let count = usize::from(sampler.counts[usize::from(letter)]);
            self.places[found] = place;
            found += usize::from(count == MAX_GATE_ANGLES);
            place += count;
        }
        found
    }

    /// Writes them to their places.
    #[inline(always)]
    fn place(&self, angles: &mut [f64]) {
        for (&theta, &place) in self.values.iter().zip(&self.places) {
            angles[place] = theta;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Space;
    use proptest::prelude::*;

    fn space(gates: &str, records: u64) -> Space {
        Space::random(&Alphabet::of(gates, 2), records, 9, 0, 30).unwrap()
    }

    proptest! {
        /// A record's angles are the same, whichever records are drawn with it.
        #[test]
        fn angles_belong_to_ids(start in 0u64..400, len in 0u64..50) {
            let space = space("rz(?),h,u3(?,?,?),cx", 500);
            let whole = space.listed(0..500);
            let part = space.listed(start..start + len);
            for index in 0..len as usize {
                prop_assert_eq!(part.angles(index), whole.angles(start as usize + index));
            }
        }
    }

    /// Returns angle k of a record by the definition.
    fn defined(id: u64, k: usize, is_theta: bool) -> f64 {
        let blocks = blocks_of_angles(&[id; BATCH], &[k as u64 / 2; BATCH], [9, 0]);
        let t = (blocks[k % 2][0] >> 11) + 1;
        let x = t as f64 / (1u64 << 52) as f64 - 1.0;
        if is_theta { libm::acos(x) } else { x * PI }
    }

    /// Of short and long circuits, with every number of angles of letters, for all instructions.
    #[test]
    fn angles_have_the_defined_bits() {
        for gates in ["rz(?),h", "rx(?),ry(?)", "u3(?,?,?)", "u3(?,?,?),cx", "h,u3(?,?,?),cp(?)"] {
            let alphabet = Alphabet::of(gates, 2);
            for (shortest, longest) in [(0, 30), (900, 1000)] {
                let drawn = Space::random(&alphabet, 300, 9, shortest, longest).unwrap().listed(0..300);
                let (mut letters, mut expected) = (Circuits::default(), Circuits::default());
                for (id, circuit) in (0..).zip(drawn.iter()) {
                    letters.push(circuit.iter().copied());
                    expected.push(circuit.iter().copied());
                    let counts = circuit.iter().map(|&letter| alphabet.free_angles(letter));
                    let is_theta =
                        counts.flat_map(|count| (0..count).map(move |place| count == 3 && place == 0));
                    expected.push_angles(is_theta.enumerate().map(|(k, is_theta)| defined(id, k, is_theta)));
                }
                assert!(drawn == expected, "{gates}, {longest} letters");
                let sampler = AngleSampler::new(&alphabet, 9).unwrap();
                for instructions in InstructionSet::all() {
                    let mut circuits = letters.clone();
                    instructions.run(AngleDraws { sampler: &sampler, ids: 0..300, circuits: &mut circuits });
                    assert!(circuits == expected, "{gates}, {longest} letters, {instructions:?}");
                }
            }
        }
    }

    #[test]
    fn numbers_have_the_defined_bits() {
        let words = (0..64)
            .flat_map(|bit| [1u64 << bit, u64::MAX >> bit, u64::MAX << bit, !(1 << bit), 0x5a3 << bit]);
        for word in words.chain([0]) {
            let defined = ((word >> 11) + 1) as f64 / (1u64 << 52) as f64 - 1.0;
            assert_eq!(number(word).to_bits(), defined.to_bits(), "{word:x}");
        }
    }

    /// Angle k takes word k, whatever letters it belongs to.
    #[test]
    fn words_are_taken_in_order() {
        let (mixed, plain) = (space("u3(?,?,?)", 50).listed(0..50), space("rx(?)", 50).listed(0..50));
        for index in 0..50 {
            assert_eq!(mixed.get(index).len(), plain.get(index).len());
            let angles = plain.angles(index).iter().zip(mixed.angles(index)).enumerate();
            for (place, (uniform, other)) in angles {
                let expected = if place % 3 == 0 { (uniform / PI).acos() } else { *uniform };
                assert!((other - expected).abs() < 1e-12 && (-PI..=PI).contains(uniform));
            }
        }
    }

    /// A hundred thousand angles: the largest distance of the distribution function from a straight
    /// line has a probability above 1e-6 if it is below 2.69 / sqrt(n) (Kolmogorov).
    #[test]
    fn angles_are_uniform_and_unitaries_haar_random() {
        let is_uniform = |mut numbers: Vec<f64>| {
            numbers.sort_by(f64::total_cmp);
            let count = numbers.len() as f64;
            let off = numbers.iter().enumerate().map(|(place, x)| (x - place as f64 / count).abs());
            off.fold(0.0, f64::max) < 2.69 / count.sqrt()
        };
        let angles = |gate: &str| space(gate, 7000).listed(0..7000);
        let turns = angles("rz(?)").all_angles().iter().map(|angle| (angle + PI) / (2.0 * PI)).collect();
        assert!(is_uniform(turns));
        let general = angles("u3(?,?,?)");
        for place in 0..3 {
            let own = general.all_angles().iter().skip(place).step_by(3);
            let number =
                |angle: &f64| if place == 0 { (1.0 - angle.cos()) / 2.0 } else { (angle + PI) / (2.0 * PI) };
            assert!(is_uniform(own.map(number).collect()), "{place}");
        }
    }
}
