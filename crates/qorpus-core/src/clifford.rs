//! Clifford operators up to a global phase: tableaus with signs.

use crate::alphabet::{Alphabet, Letter};
use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::pauli::Pauli;
use num_complex::Complex64;

/// A Clifford operator U up to a global phase.
///
/// Row i is the image U P U† of a Pauli operator P: of X on each qubit, then of Z on each qubit, as
/// in S. Aaronson, D. Gottesman, "Improved simulation of stabilizer circuits", Physical Review A 70,
/// 052328, 2004.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clifford {
    qubits: usize,
    images: Vec<Image>,
}

/// The Pauli operator i^phase X^x Z^z, bit q for qubit q.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Image {
    x: u32,
    z: u32,
    phase: u8,
}

/// A product of Pauli operators X^x Z^z up to its phase, bit q for qubit q.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PauliProduct {
    /// The qubits with X.
    pub x: u32,
    /// The qubits with Z.
    pub z: u32,
}

impl PauliProduct {
    /// Returns the texts of its letters, such as `x 0` and `y 2`: one for each qubit that it
    /// changes.
    pub fn letters(self) -> Vec<String> {
        let letters = (0..u32::BITS).filter_map(|qubit| match (self.x >> qubit & 1, self.z >> qubit & 1) {
            (1, 0) => Some(format!("x {qubit}")),
            (1, 1) => Some(format!("y {qubit}")),
            (0, 1) => Some(format!("z {qubit}")),
            _ => None,
        });
        letters.collect()
    }
}

impl Clifford {
    fn identity(qubits: usize) -> Clifford {
        let xs = (0..qubits).map(|qubit| Image { x: 1 << qubit, z: 0, phase: 0 });
        let zs = (0..qubits).map(|qubit| Image { x: 0, z: 1 << qubit, phase: 0 });
        Clifford { qubits, images: xs.chain(zs).collect() }
    }

    /// Returns the operator of a circuit.
    ///
    /// # Errors
    /// [`Error::NotClifford`] for a gate of the circuit that is not a Clifford gate.
    ///
    /// # Panics
    /// If a letter is not in the alphabet.
    pub fn of_circuit(alphabet: &Alphabet, circuit: &[u16]) -> Result<Clifford> {
        let mut operator = Clifford::identity(alphabet.qubits());
        let mut gates: Vec<Option<GateImages>> = alphabet.gates().iter().map(|_| None).collect();
        for &letter in circuit {
            let letter = &alphabet.letters()[usize::from(letter)];
            let gate = &mut gates[letter.gate];
            let images = match gate {
                Some(images) => images,
                None => gate.insert(GateImages::new(&alphabet.gates()[letter.gate])?),
            };
            operator.images.iter_mut().for_each(|image| images.act(letter, image));
        }
        Ok(operator)
    }

    /// Returns the operator of a unitary, row-major, qubit 0 most significant; `None` if it is not
    /// a Clifford operator within 1e-6 in each entry.
    ///
    /// Takes time in O(n 4^n).
    ///
    /// # Panics
    /// If there are not 4^n entries.
    pub fn of_unitary(unitary: &[Complex64], qubits: usize) -> Option<Clifford> {
        assert_eq!(unitary.len(), 1 << (2 * qubits), "a matrix on {qubits} qubits");
        let reversed = |bits: usize| (bits as u32).reverse_bits() >> (u32::BITS - qubits as u32);
        let image = |operator: Pauli| {
            let (Pauli { x, z }, phase) = operator.image(unitary, qubits)?;
            Some(Image { x: reversed(x), z: reversed(z), phase: power_of_i(phase) })
        };
        let bit = |qubit: usize| 1 << (qubits - 1 - qubit);
        let xs = (0..qubits).map(|qubit| image(Pauli { x: bit(qubit), z: 0 }));
        let zs = (0..qubits).map(|qubit| image(Pauli { x: 0, z: bit(qubit) }));
        Some(Clifford { qubits, images: xs.chain(zs).collect::<Option<_>>()? })
    }

    /// Returns the operator with these rows of 2n + 1 bits: the X part on each qubit, the Z part,
    /// and whether the product of X, Y and Z has a minus sign.
    ///
    /// # Errors
    /// [`Error::NotSymplectic`] if the rows do not commute as the Pauli operators whose images they
    /// are.
    ///
    /// # Panics
    /// If there are not 2n rows of 2n + 1 bits.
    pub fn of_rows(rows: &[bool], qubits: usize) -> Result<Clifford> {
        let width = 2 * qubits + 1;
        assert_eq!(rows.len(), 2 * qubits * width, "a tableau on {qubits} qubits");
        let images = rows.chunks_exact(width).map(|row| {
            let (x, z) = (number(&row[..qubits]), number(&row[qubits..2 * qubits]));
            Image { x, z, phase: ((x & z).count_ones() as u8 + 2 * u8::from(row[2 * qubits])) % 4 }
        });
        let operator = Clifford { qubits, images: images.collect() };
        for (i, one) in operator.images.iter().enumerate() {
            for (j, other) in operator.images.iter().enumerate() {
                if one.anticommutes(*other) != (i.abs_diff(j) == qubits) {
                    return Err(Error::NotSymplectic { rows: (i.min(j), i.max(j)) });
                }
            }
        }
        Ok(operator)
    }

    /// Returns the operator that maps basis vector x to A x modulo 2, for the rows of A.
    ///
    /// # Errors
    /// [`Error::NotInvertible`].
    ///
    /// # Panics
    /// If there are not n x n bits.
    pub fn of_linear(rows: &[bool], qubits: usize) -> Result<Clifford> {
        assert_eq!(rows.len(), qubits * qubits, "a matrix on {qubits} qubits");
        let rows: Vec<u32> = rows.chunks_exact(qubits).map(number).collect();
        // X on qubit k becomes X on the qubits of column k of A, and Z on qubit k becomes Z on the
        // qubits of row k of the inverse: A leaves products of X parts and Z parts unchanged.
        let inverse = inverse_rows(&rows).ok_or(Error::NotInvertible)?;
        let column =
            |k: usize| (0..).zip(&rows).fold(0, |column, (row, bits)| column | (bits >> k & 1) << row);
        let xs = (0..qubits).map(|k| Image { x: column(k), z: 0, phase: 0 });
        let zs = inverse.iter().map(|&z| Image { x: 0, z, phase: 0 });
        Ok(Clifford { qubits, images: xs.chain(zs).collect() })
    }

    /// Returns the operator that moves qubit `pattern[k]` to place k.
    ///
    /// # Errors
    /// [`Error::NotPermutation`] if the pattern does not name each qubit once.
    pub fn of_permutation(pattern: &[i64], qubits: usize) -> Result<Clifford> {
        let mut rows = vec![false; qubits * qubits];
        for (place, &qubit) in pattern.iter().enumerate().take(qubits) {
            if let Some(entry) = usize::try_from(qubit).ok().filter(|&qubit| qubit < qubits) {
                rows[place * qubits + entry] = true;
            }
        }
        let operator = (pattern.len() == qubits).then(|| Clifford::of_linear(&rows, qubits).ok()).flatten();
        operator.ok_or(Error::NotPermutation { qubits })
    }

    /// Returns the number of qubits.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    /// Returns its columns without signs, bit i for row i: X parts, then Z parts.
    pub(crate) fn columns(&self) -> impl Iterator<Item = u32> {
        let column = |bit: &dyn Fn(&Image) -> u32| {
            (0..).zip(&self.images).fold(0, |column, (row, image)| column | bit(image) << row)
        };
        let xs = (0..self.qubits).map(move |qubit| column(&|image| image.x >> qubit & 1));
        let zs = (0..self.qubits).map(move |qubit| column(&|image| image.z >> qubit & 1));
        xs.chain(zs)
    }

    /// Returns whether no image has a minus sign.
    pub(crate) fn has_no_signs(&self) -> bool {
        self.images.iter().all(|image| u32::from(image.phase) % 4 == (image.x & image.z).count_ones() % 4)
    }

    /// Returns the Pauli operators that make this operator `target` when they act after it; `None`
    /// if the two differ by more.
    ///
    /// The images of partners, which are one another's only anticommuting ones, change each other's
    /// signs.
    ///
    /// # Panics
    /// If they are on different numbers of qubits.
    pub fn paulis_to(&self, target: &Clifford) -> Option<PauliProduct> {
        assert_eq!(self.qubits, target.qubits, "on the same number of qubits");
        let mut paulis = PauliProduct::default();
        for (row, (own, wanted)) in self.images.iter().zip(&target.images).enumerate() {
            if (own.x, own.z) != (wanted.x, wanted.z) {
                return None;
            }
            if own.phase != wanted.phase {
                let partner = self.images[(row + self.qubits) % (2 * self.qubits)];
                paulis.x ^= partner.x;
                paulis.z ^= partner.z;
            }
        }
        Some(paulis)
    }
}

/// Returns the number with these bits, the first one lowest.
fn number(bits: &[bool]) -> u32 {
    (0..).zip(bits).fold(0, |number, (k, &bit)| number | u32::from(bit) << k)
}

/// Returns the inverse of a binary matrix, whose rows are numbers, by the elimination of Gauss and
/// Jordan; `None` if it is singular.
pub(crate) fn inverse_rows(rows: &[u32]) -> Option<Vec<u32>> {
    let (mut left, mut right) = (rows.to_vec(), (0..rows.len()).map(|k| 1 << k).collect::<Vec<u32>>());
    for column in 0..rows.len() {
        let pivot = (column..rows.len()).find(|&row| left[row] >> column & 1 == 1)?;
        left.swap(column, pivot);
        right.swap(column, pivot);
        for row in (0..rows.len()).filter(|&row| row != column) {
            // All bits, if the entry is to be removed.
            let is_set = (left[row] >> column & 1).wrapping_neg();
            left[row] ^= left[column] & is_set;
            right[row] ^= right[column] & is_set;
        }
    }
    Some(right)
}

impl Image {
    fn anticommutes(self, other: Image) -> bool {
        ((self.x & other.z).count_ones() + (self.z & other.x).count_ones()) % 2 == 1
    }
}

/// The images of all Pauli operators on the qubits of a gate.
struct GateImages {
    qubits: usize,
    /// For X^x Z^z, at x 2^k + z; the gate's first qubit has the highest bit.
    images: Vec<Image>,
}

impl GateImages {
    fn new(gate: &Gate) -> Result<GateImages> {
        let refused = || Error::NotClifford { gate: gate.name().into() };
        if gate.is_opaque() || gate.is_free() {
            return Err(refused());
        }
        let qubits = gate.qubits();
        let dim = 1 << qubits;
        let image = |at: usize| {
            let (Pauli { x, z }, phase) =
                Pauli { x: at / dim, z: at % dim }.image(gate.matrix(), qubits).ok_or_else(refused)?;
            Ok(Image { x: x as u32, z: z as u32, phase: power_of_i(phase) })
        };
        Ok(GateImages { qubits, images: (0..dim * dim).map(image).collect::<Result<_>>()? })
    }

    fn act(&self, letter: &Letter, image: &mut Image) {
        let gather = |bits: u32| letter.qubits.iter().fold(0, |local, &qubit| local << 1 | bits >> qubit & 1);
        let local = self.images[(gather(image.x) << self.qubits | gather(image.z)) as usize];
        for (place, &qubit) in letter.qubits.iter().rev().enumerate() {
            let put = |bits: &mut u32, new: u32| *bits = *bits & !(1 << qubit) | (new >> place & 1) << qubit;
            put(&mut image.x, local.x);
            put(&mut image.z, local.z);
        }
        image.phase = (image.phase + local.phase) % 4;
    }
}

/// Returns k of the nearest i^k to a number of magnitude 1.
fn power_of_i(number: Complex64) -> u8 {
    match (number.re.abs() > number.im.abs(), number.re > 0.0, number.im > 0.0) {
        (true, true, _) => 0,
        (true, false, _) => 2,
        (false, _, true) => 1,
        (false, _, false) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Equivalence;
    use crate::kernel::naive;
    use crate::target::distance;
    use proptest::prelude::*;

    const GATES: &str = "h,s,sdg,sx,sxdg,x,y,z,rz(pi/2),cx,cz,cy,swap,iswap";

    proptest! {
        /// A circuit's operator is that of its unitary, signs included, and Pauli operators that are
        /// put behind it are found.
        #[test]
        fn circuits_are_their_unitaries(
            word in prop::collection::vec(0u16..1000, 0..30),
            qubits in 2usize..4,
            paulis in 0u32..64,
        ) {
            let alphabet = Alphabet::of(GATES, qubits);
            let word: Vec<_> = word.iter().map(|letter| letter % alphabet.letters().len() as u16).collect();
            let operator = Clifford::of_circuit(&alphabet, &word).unwrap();
            let unitary = naive::unitary(&alphabet, &word, &[]);
            prop_assert_eq!(Some(operator.clone()), Clifford::of_unitary(&unitary, qubits));

            let paulis = PauliProduct { x: paulis & 7 >> (3 - qubits), z: paulis >> 3 & 7 >> (3 - qubits) };
            let behind = paulis.letters().join("; ");
            let longer = [word, alphabet.circuit(&behind).unwrap()].concat();
            let target = Clifford::of_circuit(&alphabet, &longer).unwrap();
            prop_assert_eq!(operator.paulis_to(&target), Some(paulis));
        }

        /// Rows with signs come back.
        #[test]
        fn rows_come_back(word in prop::collection::vec(0u16..1000, 0..30)) {
            let alphabet = Alphabet::of(GATES, 3);
            let word: Vec<_> = word.iter().map(|letter| letter % alphabet.letters().len() as u16).collect();
            let operator = Clifford::of_circuit(&alphabet, &word).unwrap();
            let row = |image: &Image| {
                let bits = |number: u32| (0..3).map(move |k| number >> k & 1 == 1);
                let sign = (u32::from(image.phase) + 4 - (image.x & image.z).count_ones()) % 4;
                assert!(sign == 0 || sign == 2);
                bits(image.x).chain(bits(image.z)).chain([sign == 2]).collect::<Vec<_>>()
            };
            let rows: Vec<bool> = operator.images.iter().flat_map(row).collect();
            prop_assert_eq!(Clifford::of_rows(&rows, 3), Ok(operator));
        }

        /// A linear function is the operator of a circuit that computes it.
        #[test]
        fn linear_functions_are_their_circuits(word in prop::collection::vec(0u16..1000, 0..30)) {
            let alphabet = Alphabet::of("cx,swap", 3);
            let word: Vec<_> = word.iter().map(|letter| letter % alphabet.letters().len() as u16).collect();
            // The image of each basis vector with one bit, by the textbook.
            let mut rows = vec![false; 9];
            for input in 0..3 {
                let mut bits = [false; 3];
                bits[input] = true;
                for &letter in &word {
                    let letter = &alphabet.letters()[usize::from(letter)];
                    let (a, b) = (letter.qubits[0], letter.qubits[1]);
                    if letter.gate == 0 { bits[b] ^= bits[a] } else { bits.swap(a, b) }
                }
                (0..3).for_each(|output| rows[3 * output + input] = bits[output]);
            }
            let operator = Clifford::of_circuit(&alphabet, &word).unwrap();
            prop_assert_eq!(Clifford::of_linear(&rows, 3), Ok(operator));
        }
    }

    /// The Pauli operators that are found make circuits equal.
    #[test]
    fn paulis_make_circuits_equal() {
        let alphabet = Alphabet::of("h,s,cx,x,y,z", 2);
        let circuit = |text: &str| alphabet.circuit(text).unwrap();
        let (one, other) = (circuit("h 0; s 0; cx 0 1"), circuit("x 1; h 0; s 0; cx 0 1; z 0"));
        let operator = |circuit: &[u16]| Clifford::of_circuit(&alphabet, circuit).unwrap();
        let paulis = operator(&one).paulis_to(&operator(&other)).unwrap();
        assert_ne!(paulis, PauliProduct::default());
        let whole = [one, circuit(&paulis.letters().join("; "))].concat();
        let unitary = |circuit: &[u16]| naive::unitary(&alphabet, circuit, &[]);
        assert!(distance(&unitary(&whole), &unitary(&other), Equivalence::GlobalPhase) < 1e-12);
        assert_eq!(operator(&circuit("h 0")).paulis_to(&operator(&circuit("s 0"))), None);
    }

    #[test]
    fn what_is_no_operator_is_refused() {
        // Both images are X.
        let rows = [true, false, false, true, false, false];
        assert_eq!(Clifford::of_rows(&rows, 1), Err(Error::NotSymplectic { rows: (0, 1) }));
        let singular = [true, true, true, true];
        assert_eq!(Clifford::of_linear(&singular, 2), Err(Error::NotInvertible));
        let alphabet = Alphabet::of("h,t", 1);
        assert_eq!(
            Clifford::of_circuit(&alphabet, &alphabet.circuit("h; t").unwrap()),
            Err(Error::NotClifford { gate: "t".into() })
        );
        // Only gates of the circuit count.
        assert!(Clifford::of_circuit(&alphabet, &[0]).is_ok());
        for pattern in [&[0, 0][..], &[0, 2], &[-1, 0], &[0], &[0, 1, 2]] {
            assert_eq!(Clifford::of_permutation(pattern, 2), Err(Error::NotPermutation { qubits: 2 }));
        }
        assert_eq!(PauliProduct { x: 0b101, z: 0b110 }.letters(), ["x 0", "z 1", "y 2"]);
    }
}
