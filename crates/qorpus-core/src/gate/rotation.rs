//! Rotations: the standard gates that take angles.

use num_complex::Complex64;

/// The most angles of a gate.
pub const MAX_GATE_ANGLES: usize = 3;

/// Room for the numbers of a rotation.
pub(crate) const MAX_NUMBERS: usize = 8;

/// The number of arguments of sine and cosine in the numbers of any unitary.
pub(crate) const GENERAL_ARGUMENTS: usize = 4;

/// Angles at which no entry is 0 or 1 that is not so at all angles, and entries are equal only if
/// they are at all angles.
pub(crate) const GENERIC_ANGLES: [f64; MAX_GATE_ANGLES] = [0.3, 1.1, -2.0];

/// A unitary on one qubit as a function of angles. A rotation gate is one, or controls one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    X,
    Y,
    Z,
    Phase,
    /// Any unitary, up to a phase.
    General,
}

impl Rotation {
    /// Returns the rotation that the standard gate `base` is or controls.
    pub(crate) fn of(base: &str) -> Option<Rotation> {
        Some(match base {
            "rx" | "crx" => Rotation::X,
            "ry" | "cry" => Rotation::Y,
            "rz" | "crz" => Rotation::Z,
            "p" | "cp" => Rotation::Phase,
            "u3" => Rotation::General,
            _ => return None,
        })
    }

    /// Returns the number of angles.
    pub(crate) fn angles(self) -> usize {
        if self == Rotation::General { 3 } else { 1 }
    }

    /// Returns the factor of its angle in the argument of cosine and sine, if it has one angle.
    pub(crate) fn scale(self) -> f64 {
        if self == Rotation::Phase { 1.0 } else { 0.5 }
    }

    /// Returns the numbers that its entries consist of, as a sum or with another sign: 1, and cosine
    /// and sine; or for any unitary the first entry and both parts of the others. `angles` are as
    /// many as it has.
    pub(crate) fn numbers(self, angles: &[f64]) -> [f64; MAX_NUMBERS] {
        if self == Rotation::General {
            let turns = general_arguments([angles[0], angles[1], angles[2]]).map(libm::sincos);
            return general_numbers(turns.map(|(sin, _)| sin), turns.map(|(_, cos)| cos));
        }
        let (sin, cos) = libm::sincos(angles[0] * self.scale());
        [1.0, cos, sin, 0.0, 0.0, 0.0, 0.0, 0.0]
    }

    /// Returns the matrix, row-major, for as many angles as it has.
    pub(crate) fn matrix(self, angles: &[f64]) -> [Complex64; 4] {
        let [one, cos, sin, rest @ ..] = self.numbers(angles);
        let (new, real) = (Complex64::new, Complex64::from);
        match self {
            Rotation::X => [real(cos), new(0.0, -sin), new(0.0, -sin), real(cos)],
            Rotation::Y => [cos, -sin, sin, cos].map(real),
            Rotation::Z => [new(cos, -sin), real(0.0), real(0.0), new(cos, sin)],
            Rotation::Phase => [real(one), real(0.0), real(0.0), new(cos, sin)],
            Rotation::General => {
                let [im, c_re, c_im, d_re, d_im] = rest;
                [real(cos), new(sin, im), new(c_re, c_im), new(d_re, d_im)]
            }
        }
    }
}

/// Returns the arguments of sine and cosine in the numbers of any unitary.
#[inline(always)]
pub(crate) fn general_arguments([theta, phi, lambda]: [f64; MAX_GATE_ANGLES]) -> [f64; GENERAL_ARGUMENTS] {
    [theta / 2.0, phi, lambda, phi + lambda]
}

/// Returns the numbers of any unitary, from the sines and cosines of its arguments.
#[inline(always)]
pub(crate) fn general_numbers(
    sin: [f64; GENERAL_ARGUMENTS],
    cos: [f64; GENERAL_ARGUMENTS],
) -> [f64; MAX_NUMBERS] {
    let [[cos, cos_phi, cos_lambda, cos_sum], [sin, sin_phi, sin_lambda, sin_sum]] = [cos, sin];
    // Eight products for vectors: two are those of 1.
    let mut numbers = [1.0, cos, cos_lambda, sin_lambda, cos_phi, sin_phi, cos_sum, sin_sum];
    for (number, factor) in numbers.iter_mut().zip([1.0, 1.0, -sin, -sin, sin, sin, cos, cos]) {
        *number *= factor;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        /// The format names libm's sine and cosine; one call computes both.
        #[test]
        fn both_at_once_have_the_bits_of_each(x in prop_oneof![-4.0f64..4.0, -1e-7f64..1e-7, -1e9f64..1e9]) {
            let (sin, cos) = libm::sincos(x);
            prop_assert_eq!((sin.to_bits(), cos.to_bits()), (libm::sin(x).to_bits(), libm::cos(x).to_bits()));
            prop_assert_eq!((libm::sin(-x).to_bits(), libm::cos(-x).to_bits()), ((-sin).to_bits(), cos.to_bits()));
        }
    }
}
