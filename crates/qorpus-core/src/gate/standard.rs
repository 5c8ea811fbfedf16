//! The standard gates: names and matrices of OpenQASM 3, as Qiskit implements them; and presets.

use crate::gate::rotation::Rotation;
use num_complex::Complex64;
use std::f64::consts::FRAC_1_SQRT_2;

/// The names of the standard gates, with the names of their angles.
#[rustfmt::skip]
pub const STANDARD: [&str; 29] = [
    "id", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg",
    "rx(theta)", "ry(theta)", "rz(theta)", "p(theta)", "u3(theta,phi,lambda)",
    "cx", "cy", "cz", "ch", "cp(theta)", "crx(theta)", "cry(theta)", "crz(theta)", "csx",
    "swap", "iswap", "ccx", "cswap",
];

/// The presets: a name and its gates in order.
pub const PRESETS: [(&str, &[&str]); 6] = [
    ("clifford", &["h", "s", "sdg", "cx"]),
    ("clifford+t", &["h", "s", "sdg", "t", "tdg", "cx"]),
    ("ht", &["h", "t"]),
    ("nam", &["h", "x", RZ[0], RZ[1], RZ[2], RZ[3], RZ[4], RZ[5], RZ[6], "cx"]),
    ("ibm", &[RZ[0], RZ[1], RZ[2], RZ[3], RZ[4], RZ[5], RZ[6], "sx", "x", "cx"]),
    ("rigetti", &["rx(pi/2)", "rx(-pi/2)", "rx(pi)", RZ[0], RZ[1], RZ[2], RZ[3], RZ[4], RZ[5], RZ[6], "cz"]),
];

/// The rotations by multiples of pi/4, other than multiples of 2 pi.
const RZ: [&str; 7] =
    ["rz(pi/4)", "rz(pi/2)", "rz(3*pi/4)", "rz(pi)", "rz(-3*pi/4)", "rz(-pi/2)", "rz(-pi/4)"];

/// Returns the name of a gate without its angles.
pub(crate) fn base(name: &str) -> &str {
    name.split('(').next().unwrap_or(name)
}

/// Returns the name without its angles, and the angles as they are written in it.
pub(crate) fn parts(name: &str) -> (&str, Vec<&str>) {
    match name.strip_suffix(')').and_then(|name| name.split_once('(')) {
        Some((base, angles)) => (base, angles.split(',').collect()),
        None => (name, Vec::new()),
    }
}

/// Returns the entry of [`STANDARD`] with this base name.
pub(crate) fn find(name: &str) -> Option<&'static str> {
    STANDARD.into_iter().find(|known| base(known) == name)
}

/// Returns the number of angles that an entry of [`STANDARD`] takes.
pub(crate) fn angle_count(known: &str) -> usize {
    parts(known).1.len()
}

const ZERO: Complex64 = Complex64::ZERO;
pub(crate) const ONE: Complex64 = Complex64::ONE;
const I: Complex64 = Complex64::I;

/// Returns e^(i angle) as libm computes it, also for exact half turns.
pub(crate) fn turn(angle: f64) -> Complex64 {
    let (sin, cos) = libm::sincos(angle);
    Complex64::new(cos, sin)
}

/// Returns the matrix of a standard gate, row-major; `None` for an unknown name or the wrong number
/// of angles.
pub(crate) fn matrix(name: &str, angles: &[f64]) -> Option<Vec<Complex64>> {
    if let Some(rotation) = Rotation::of(name) {
        let target = (angles.len() == rotation.angles()).then(|| rotation.matrix(angles))?;
        return Some(if name.starts_with('c') { controlled(&target) } else { target.to_vec() });
    }
    if !angles.is_empty() {
        return None;
    }
    let half = Complex64::new(0.5, 0.5);
    let eighth = Complex64::new(FRAC_1_SQRT_2, FRAC_1_SQRT_2);
    let r = Complex64::from(FRAC_1_SQRT_2);
    Some(match name {
        "id" => diagonal(&[ONE, ONE]),
        "x" => vec![ZERO, ONE, ONE, ZERO],
        "y" => vec![ZERO, -I, I, ZERO],
        "z" => diagonal(&[ONE, -ONE]),
        "h" => vec![r, r, r, -r],
        "s" => diagonal(&[ONE, I]),
        "sdg" => diagonal(&[ONE, -I]),
        "t" => diagonal(&[ONE, eighth]),
        "tdg" => diagonal(&[ONE, eighth.conj()]),
        "sx" => vec![half, half.conj(), half.conj(), half],
        "sxdg" => vec![half.conj(), half, half, half.conj()],
        "cx" | "cy" | "cz" | "ch" | "csx" => controlled(&matrix(&name[1..], &[])?),
        "swap" => swap(ONE),
        "iswap" => swap(I),
        "ccx" => controlled(&matrix("cx", &[])?),
        "cswap" => controlled(&swap(ONE)),
        _ => return None,
    })
}

pub(crate) fn diagonal(entries: &[Complex64]) -> Vec<Complex64> {
    let dim = entries.len();
    let mut matrix = vec![ZERO; dim * dim];
    for (k, &entry) in entries.iter().enumerate() {
        matrix[k * dim + k] = entry;
    }
    matrix
}

/// Returns the block diagonal matrix of the identity and `target`: a control on a new first qubit.
fn controlled(target: &[Complex64]) -> Vec<Complex64> {
    let half = target.len().isqrt();
    let dim = 2 * half;
    let mut matrix = diagonal(&vec![ONE; dim]);
    for row in 0..half {
        let start = (half + row) * dim + half;
        matrix[start..start + half].copy_from_slice(&target[row * half..][..half]);
    }
    matrix
}

/// Exchanges |01> and |10>, multiplying both by `factor`.
fn swap(factor: Complex64) -> Vec<Complex64> {
    let mut matrix = diagonal(&[ONE, ZERO, ZERO, ONE]);
    (matrix[6], matrix[9]) = (factor, factor);
    matrix
}
