//! Clifford operators up to a global phase: tableaus with signs.

use crate::alphabet::{Alphabet, Letter};
use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::tableau::Pauli;
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
        let bits = |bits: &[bool]| (0..).zip(bits).fold(0, |number, (k, &bit)| number | u32::from(bit) << k);
        let images = rows.chunks_exact(width).map(|row| {
            let (x, z) = (bits(&row[..qubits]), bits(&row[qubits..2 * qubits]));
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
