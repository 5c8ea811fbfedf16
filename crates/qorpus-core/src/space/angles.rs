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
use crate::simd::dispatch::{InstructionSet, SimdTask};
use crate::space::philox::blocks_of_angles;
use std::f64::consts::PI;
use std::ops::Range;
use std::sync::Arc;

/// The blocks of a record that are computed at once: enough for most circuits.
const BLOCKS: usize = 4;

/// A sampler of the free angles of circuits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AngleSampler {
    key: [u32; 2],
    /// For each letter the number of its free angles.
    counts: Arc<[u8]>,
}

impl AngleSampler {
    /// Returns the sampler of the letters of `alphabet`; `None` if no letter has free angles.
    pub(crate) fn new(alphabet: &Alphabet, seed: u64) -> Option<AngleSampler> {
        let key = [seed as u32, (seed >> 32) as u32];
        let counts = || (0..alphabet.letters().len() as u16).map(|letter| alphabet.free_angles(letter) as u8);
        alphabet.has_free_angles().then(|| AngleSampler { key, counts: counts().collect() })
    }

    /// Draws the angles of the last circuits of `circuits`, which have these ids and no angles yet.
    pub(crate) fn extend(&self, ids: Range<u64>, circuits: &mut Circuits) {
        InstructionSet::best().run(AngleDraws { sampler: self, ids, circuits });
    }

    /// Appends the angles that the words give the letters of a circuit.
    #[inline(always)]
    fn place(&self, letters: &[u16], mut words: &[u64], angles: &mut Vec<f64>) {
        for &letter in letters {
            let count = usize::from(self.counts[usize::from(letter)]);
            let (own, rest) = words.split_at(count);
            words = rest;
            let own = own.iter().map(|word| ((word >> 11) + 1) as f64 / (1u64 << 52) as f64 - 1.0);
            let is_general = count == MAX_GATE_ANGLES;
            let angle =
                |(place, x): (usize, f64)| if is_general && place == 0 { libm::acos(x) } else { x * PI };
            angles.extend(own.enumerate().map(angle));
        }
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
        let first = circuits.len() - (ids.end - ids.start) as usize;
        let mut words = Vec::new();
        for (index, id) in (first..).zip(ids) {
            let counts = circuits.get(index).iter().map(|&letter| sampler.counts[usize::from(letter)]);
            let total: usize = counts.map(usize::from).sum();
            words.clear();
            while words.len() < total {
                let [firsts, seconds] = blocks_of_angles::<BLOCKS>(id, words.len() as u64 / 2, sampler.key);
                words.extend(firsts.into_iter().zip(seconds).flat_map(<[u64; 2]>::from));
            }
            circuits.append_angles(index, |letters, angles| sampler.place(letters, &words, angles));
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
