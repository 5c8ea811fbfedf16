//! Gates: named unitaries on one to three qubits.
//!
//! Names and matrices follow OpenQASM 3 `stdgates.inc` as Qiskit implements it, global phase
//! included. A gate's first qubit is the most significant bit of its matrix index; a controlled
//! gate's control comes first.

pub(crate) mod angle;
pub(crate) mod name;
pub(crate) mod rotation;
pub(crate) mod standard;
pub(crate) mod synonyms;

use crate::error::{Error, Result};
use crate::gate::angle::Angle;
use crate::gate::name::{GateName, check_custom_name, free_name};
use crate::gate::rotation::{GENERIC_ANGLES, Rotation};
use crate::gate::standard::PRESETS;
use crate::gate::synonyms::advice;
use num_complex::Complex64;
use std::borrow::Cow;

/// The largest entry of U†U - 1 that a user-defined matrix may have.
const UNITARY_TOLERANCE: f64 = 1e-12;

/// A named unitary on one to three qubits, a rotation by free angles, or a name without a matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    name: String,
    /// The angles in radians, in the order of the name.
    angles: Vec<f64>,
    qubits: usize,
    matrix: Vec<Complex64>,
    kind: GateKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GateKind {
    Standard,
    /// A standard gate, whose matrix depends on the angles of each letter.
    Free(Rotation),
    Custom,
    Opaque,
}

/// Returns the gates of the preset `name` that fit on `qubits` qubits, or `None` if there is not
/// such a preset.
///
/// Gates on more qubits than there are (`cx` on one qubit) are left out.
pub fn preset(name: &str, qubits: usize) -> Option<Vec<Gate>> {
    let (_, gates) = PRESETS.iter().find(|(preset, _)| *preset == name)?;
    let gates = gates.iter().filter_map(|gate| Gate::standard(gate).ok());
    Some(gates.filter(|gate| gate.qubits <= qubits).collect())
}

impl Gate {
    /// Returns the standard gate with this name. Angles are part of the name: `rz(pi/4)`,
    /// `u3(pi/2, 0, pi)`.
    ///
    /// Letter case does not matter, nor do blanks around the name and in the angles. Matrices
    /// follow Qiskit: `sx` is the true square root of X, `rz(a)` = diag(e^(-ia/2), e^(ia/2)),
    /// `p(a)` = diag(1, e^(ia)), and `u3` has cos(theta/2) at `[0][0]`.
    ///
    /// The name keeps its angles as they are written if they use only numbers, `pi`, `+ - * /`,
    /// `sqrt`, `sin` and `cos`, which every reader of the format knows. Other angles are kept as
    /// values: `rz(tau/4)` is `rz(pi/2)`.
    ///
    /// Angles written `?` are free: each letter of a circuit has its own.
    ///
    /// # Errors
    /// [`Error::UnknownGate`] with the most likely gate; [`Error::Unusable`] if angles are missing,
    /// too many, or not [expressions](crate::evaluate).
    pub fn standard(text: &str) -> Result<Gate> {
        Gate::read(text, Angle::read)
    }

    /// Returns the standard gate that a stored recipe names.
    pub(crate) fn stored(name: &str) -> Result<Gate> {
        Gate::read(name, Angle::stored)
    }

    fn read(text: &str, read: fn(&str) -> std::result::Result<Angle, String>) -> Result<Gate> {
        let GateName { base, angles, is_free } = GateName::read(text, read)?;
        if let Some(rotation) = Rotation::of(&base).filter(|_| is_free) {
            let qubits = if base.starts_with('c') { 2 } else { 1 };
            let name = free_name(standard::find(&base).unwrap_or_default());
            let kind = GateKind::Free(rotation);
            return Ok(Gate { name, angles: Vec::new(), qubits, matrix: Vec::new(), kind });
        }
        let (values, texts): (Vec<_>, Vec<_>) =
            angles.into_iter().map(|angle| (angle.value, angle.text)).unzip();
        let matrix = standard::matrix(&base, &values)
            .ok_or_else(|| Error::UnknownGate { name: text.trim().into(), advice: advice(&base, &[]) })?;
        let name = if texts.is_empty() { base } else { format!("{base}({})", texts.join(",")) };
        Ok(Gate::new(name, values, matrix, GateKind::Standard))
    }

    fn new(name: String, angles: Vec<f64>, mut matrix: Vec<Complex64>, kind: GateKind) -> Gate {
        // Turns -0 into +0, so that equal gates are written alike.
        matrix.iter_mut().for_each(|entry| *entry += Complex64::ZERO);
        let qubits = matrix.len().checked_ilog2().unwrap_or(0) as usize / 2;
        Gate { name, angles, qubits, matrix, kind }
    }

    /// Returns the largest relative difference between its angles and the angles of `other`. `None`
    /// if it is another gate, or an angle differs by more than [rounding](angle::is_same).
    pub(crate) fn distance(&self, other: &GateName) -> Option<f64> {
        let angles = || self.angles.iter().zip(&other.angles).map(|(a, b)| (*a, b.value));
        let is_same = self.is_standard()
            && self.is_free() == other.is_free
            && self.parts().0 == other.base
            && self.angles.len() == other.angles.len()
            && angles().all(|(a, b)| angle::is_same(a, b));
        is_same.then(|| angles().map(|(a, b)| angle::distance(a, b)).fold(0.0, f64::max))
    }

    /// Returns whether it is T or its inverse up to a phase: diag(1, e^(i a)) with an odd multiple
    /// a of pi/4.
    pub fn is_t(&self) -> bool {
        match self.matrix[..] {
            [one, b, c, other] if b == Complex64::ZERO && c == Complex64::ZERO => {
                // (1 + i) / √2 to the power 4 is -1; to the power 2 it is not real.
                let fourth = (other * one.conj()).powu(4);
                (fourth + 1.0).norm_sqr() < UNITARY_TOLERANCE
            }
            _ => false,
        }
    }

    /// Creates a user-defined gate from its matrix, row-major, 2^`qubits` x 2^`qubits`.
    ///
    /// # Errors
    /// [`Error::Unusable`] for a name that is not `[A-Za-z_][A-Za-z0-9_]*` or belongs to a standard
    /// gate, for a number of qubits other than 1, 2, 3, or for a matrix of the wrong size.
    /// [`Error::NotUnitary`] if an entry of U†U - 1 exceeds 1e-12.
    pub fn custom(name: &str, qubits: usize, matrix: Vec<Complex64>) -> Result<Gate> {
        let refused = |reason: String| Err(Error::Unusable { item: format!("gate '{name}'"), reason });
        check_custom_name(name)?;
        if !(1..=3).contains(&qubits) {
            return refused(format!("it acts on {qubits} qubits, but a gate must act on 1, 2 or 3"));
        }
        let dim = 1 << qubits;
        if matrix.len() != dim * dim {
            return refused(format!("its matrix has {} entries, but {dim} x {dim} are needed", matrix.len()));
        }
        let residual = unitarity_residual(&matrix, dim);
        if residual.is_nan() || residual > UNITARY_TOLERANCE {
            return Err(Error::NotUnitary { gate: name.into(), residual });
        }
        Ok(Gate::new(name.into(), Vec::new(), matrix, GateKind::Custom))
    }

    /// Creates an opaque gate, of which only the name is known. It may act on any qubits, and its
    /// effect is known only from the unitary that comes with a circuit. Its matrix is empty and its
    /// number of qubits is 0.
    ///
    /// # Errors
    /// [`Error::Unusable`] for a name that is not `[A-Za-z_][A-Za-z0-9_]*` or belongs to a standard
    /// gate.
    pub fn opaque(name: &str) -> Result<Gate> {
        check_custom_name(name)?;
        Ok(Gate::new(name.into(), Vec::new(), Vec::new(), GateKind::Opaque))
    }

    /// Returns the name, angles included, in lower case and without blanks if the gate is standard.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name without its angles, and the angles as they are written in it.
    ///
    /// ```
    /// let gate = qorpus_core::Gate::standard("u3(pi/2, 0, pi)")?;
    /// assert_eq!(gate.parts(), ("u3", vec!["pi/2", "0", "pi"]));
    /// # Ok::<(), qorpus_core::Error>(())
    /// ```
    pub fn parts(&self) -> (&str, Vec<&str>) {
        standard::parts(&self.name)
    }

    /// Returns the number of qubits that the gate acts on: 1, 2 or 3; 0 if it is opaque.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    /// Returns the matrix, row-major, 2^qubits x 2^qubits; the gate's first qubit is the most
    /// significant index bit. It is empty if the gate is opaque or has free angles.
    pub fn matrix(&self) -> &[Complex64] {
        &self.matrix
    }

    /// Returns the matrix at these angles in radians, one for each `?` of the name.
    ///
    /// ```
    /// let gate = qorpus_core::Gate::standard("rz(?)")?;
    /// assert!(gate.matrix().is_empty());
    /// let fixed = qorpus_core::Gate::standard("rz(0.25)")?;
    /// assert_eq!(*gate.matrix_at(&[0.25]), *fixed.matrix());
    /// # Ok::<(), qorpus_core::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there are not as many angles as [`free_angles`](Gate::free_angles).
    pub fn matrix_at(&self, angles: &[f64]) -> Cow<'_, [Complex64]> {
        assert_eq!(angles.len(), self.free_angles(), "an angle for each '?'");
        match self.kind {
            // Zeros are written alike.
            GateKind::Free(_) => standard::matrix(self.parts().0, angles)
                .unwrap_or_default()
                .into_iter()
                .map(|entry| entry + Complex64::ZERO)
                .collect(),
            _ => Cow::Borrowed(&self.matrix),
        }
    }

    /// Returns the matrix at [`GENERIC_ANGLES`].
    pub(crate) fn generic_matrix(&self) -> Cow<'_, [Complex64]> {
        self.matrix_at(&GENERIC_ANGLES[..self.free_angles()])
    }

    /// Returns the number of free angles, which each letter has: 0, 1 or 3.
    pub fn free_angles(&self) -> usize {
        self.rotation().map_or(0, Rotation::angles)
    }

    /// Returns whether its angles are free.
    pub fn is_free(&self) -> bool {
        self.rotation().is_some()
    }

    /// Returns the rotation by free angles that it is or controls.
    pub(crate) fn rotation(&self) -> Option<Rotation> {
        match self.kind {
            GateKind::Free(rotation) => Some(rotation),
            _ => None,
        }
    }

    /// Returns whether it is a standard gate of OpenQASM 3, so that its name, and its angles if they
    /// are free, determine its matrix.
    pub fn is_standard(&self) -> bool {
        matches!(self.kind, GateKind::Standard | GateKind::Free(_))
    }

    /// Returns whether only the name is known.
    pub fn is_opaque(&self) -> bool {
        self.kind == GateKind::Opaque
    }

    /// Returns whether permuting its qubits leaves the matrix unchanged; `order[k]` takes the place
    /// of k.
    pub(crate) fn is_symmetric_under(&self, order: &[usize]) -> bool {
        let dim = 1 << self.qubits;
        let moved = |index: usize| {
            let bit = |k: usize| (index >> (self.qubits - 1 - k)) & 1;
            order.iter().fold(0, |moved, &k| moved << 1 | bit(k))
        };
        let matrix = self.generic_matrix();
        let mut entries = (0..dim).flat_map(|row| (0..dim).map(move |column| (row, column)));
        entries.all(|(r, c)| matrix[r * dim + c] == matrix[moved(r) * dim + moved(c)])
    }
}

/// Returns the largest magnitude among the entries of U†U - 1 for a `dim` x `dim` matrix U,
/// row-major; NaN if an entry is NaN. Takes time in O(dim^3).
///
/// # Panics
/// If the matrix has fewer entries.
pub fn unitarity_residual(matrix: &[Complex64], dim: usize) -> f64 {
    let mut largest = 0.0_f64;
    // U†U is Hermitian: its upper triangle determines it.
    for i in 0..dim {
        for j in i..dim {
            let dot: Complex64 = (0..dim).map(|k| matrix[k * dim + i].conj() * matrix[k * dim + j]).sum();
            let off = dot - Complex64::from(f64::from(u8::from(i == j)));
            // max() would drop it.
            let square = off.norm_sqr();
            if square.is_nan() {
                return square;
            }
            largest = square.max(largest);
        }
    }
    largest.sqrt()
}

/// Returns the standard gates, with some angles.
#[cfg(test)]
pub(crate) fn examples() -> impl Iterator<Item = Gate> {
    let angles = |name: &str| name.replace("theta", "0.3").replace("phi", "1.1").replace("lambda", "-2");
    standard::STANDARD.iter().map(move |name| Gate::standard(&angles(name)).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::name::MAX_NAME_BYTES;
    use crate::gate::standard::{ONE, diagonal, turn};

    fn product(a: &[Complex64], b: &[Complex64]) -> Vec<Complex64> {
        let dim = a.len().isqrt();
        let entry = |k: usize| (0..dim).map(|j| a[k / dim * dim + j] * b[j * dim + k % dim]).sum();
        (0..a.len()).map(entry).collect()
    }

    fn close(a: &[Complex64], b: &[Complex64]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(x, y)| (x - y).l1_norm() < 1e-15)
    }

    fn gate(name: &str) -> Gate {
        Gate::standard(name).unwrap()
    }

    #[test]
    fn every_standard_gate_is_unitary() {
        for gate in examples() {
            assert!(unitarity_residual(&gate.matrix, 1 << gate.qubits) < 1e-15, "{}", gate.name);
        }
    }

    #[test]
    fn roots_and_powers() {
        let squared = |name| product(gate(name).matrix(), gate(name).matrix());
        assert!(close(&squared("sx"), gate("x").matrix()));
        assert!(close(&squared("t"), gate("s").matrix()));
        assert!(close(&squared("csx"), gate("cx").matrix()));
        assert!(close(&squared("h"), gate("id").matrix()));
        assert!(close(&product(gate("sx").matrix(), gate("sxdg").matrix()), gate("id").matrix()));
        assert!(close(gate("u3(0.3,1.1,-2)").matrix(), &{
            let turned = |name| gate(name).matrix;
            let rotations = product(&product(&turned("rz(1.1)"), &turned("ry(0.3)")), &turned("rz(-2)"));
            rotations.iter().map(|entry| entry * turn((1.1 - 2.0) / 2.0)).collect::<Vec<_>>()
        }));
        let full = gate("rz(2*pi)");
        assert!(close(full.matrix(), &diagonal(&[-ONE, -ONE])), "rz has a period of two turns");
    }

    #[test]
    fn names() {
        assert_eq!(gate(" RZ( 3 * pi / 4 ) ").name(), "rz(3*pi/4)");
        assert_eq!(gate("u3(pi/2,0,pi)").qubits(), 1);
        assert_eq!(gate("RZ(Τ/4)").name(), "rz(pi/2)");
        assert_eq!(gate("u3(pow(2,1), +1, tau)").name(), "u3(2.0,1.0,2*pi)");
        assert_eq!(gate(" U3( ? ,?,? )").name(), "u3(?,?,?)");
        assert_eq!((gate("cp(?)").qubits(), gate("u3(?,?,?)").free_angles()), (2, 3));
        for (text, sentence) in [
            ("hh", "unknown gate 'hh'; the nearest names are"),
            ("tgd", "unknown gate 'tgd'; did you mean 'tdg'?"),
            ("frobnicate", "unknown gate 'frobnicate'; the standard gates are id, x, y"),
            ("U1(pi/4)", "unknown gate 'U1(pi/4)'; did you mean 'p'? Write it as 'p(pi/4)'"),
            ("u2(0, pow(2, 3))", "unknown gate 'u2(0, pow(2, 3))'; did you mean 'u3'?"),
            ("frob(theta)", "unknown gate 'frob(theta)'; the standard gates are"),
            ("s x", "unknown gate 's x'"),
            ("h()", "gate 'h()': it takes no angle"),
            ("rz(1 2)", "gate 'rz(1 2)': unexpected '2'"),
            ("rz(pi/0)", "gate 'rz(pi/0)': 'pi/0' divides by zero"),
            ("rz", "gate 'rz': it needs one angle, such as 'rz(pi/4)'"),
            ("h(pi)", "gate 'h(pi)': it takes no angle"),
            ("u3(1)", "gate 'u3(1)': it needs 3 angles: u3(theta,phi,lambda)"),
            ("rz(pi", "gate 'rz(pi': ')' is missing"),
            ("h(?)", "gate 'h(?)': it takes no angle"),
            ("u3(?)", "gate 'u3(?)': it needs 3 angles"),
            ("u3(?,0,?)", "gate 'u3(?,0,?)': all of its angles are free or none: 'u3(?,?,?)'"),
            ("rz(2*?)", "gate 'rz(2*?)': unexpected '?'"),
            ("rz(theta)", "gate 'rz(theta)': unknown name 'theta' in the expression 'theta'"),
            ("", "unknown gate ''"),
        ] {
            let error = Gate::standard(text).unwrap_err().to_string();
            assert!(error.starts_with(sentence), "{text}: {error}");
        }
    }

    #[test]
    fn custom_gates_are_checked() {
        let identity = || diagonal(&[ONE, ONE]);
        assert!(Gate::custom("my_gate", 1, identity()).is_ok());
        for (name, qubits) in [("h", 1), ("1q", 1), ("a b", 1), ("m", 2)] {
            let refused = Gate::custom(name, qubits, identity()).unwrap_err();
            assert!(matches!(refused, Error::Unusable { .. }), "{name}");
        }
        let residual = |entry| match Gate::custom("m", 1, diagonal(&[ONE, entry])) {
            Err(Error::NotUnitary { residual, .. }) => residual,
            other => panic!("{other:?}"),
        };
        assert!((residual(ONE * 1.1) - 0.21).abs() < 1e-12);
        assert!(residual(ONE * f64::NAN).is_nan());
    }

    #[test]
    fn names_are_short() {
        let long = "g".repeat(MAX_NAME_BYTES);
        assert!(Gate::opaque(&long).is_ok() && Gate::opaque(&format!("{long}g")).is_err());
        let angle = format!("rz({}1)", "1+".repeat(MAX_NAME_BYTES));
        let said = Gate::standard(&angle).unwrap_err().to_string();
        assert!(said.contains("at most 256") && said.len() < 100, "{said}");
    }

    #[test]
    fn presets_exist_and_fit() {
        for (name, gates) in PRESETS {
            assert_eq!(preset(name, 2).unwrap().len(), gates.len(), "{name}");
            assert!(preset(name, 1).unwrap().iter().all(|gate| gate.qubits == 1));
        }
        assert!(preset("h", 1).is_none());
    }
}
