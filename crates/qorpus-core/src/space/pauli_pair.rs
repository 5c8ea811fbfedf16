//! Pairs of anticommuting Pauli operators, and the gates that turn a pair into X and Z of one qubit.
//!
//! The types of qubits and the gates for each are those of S. Bravyi, R. Shaydulin, S. Hu, D. Maslov,
//! "Clifford circuit optimization with templates and symbolic Pauli gates", Quantum 5, 580 (2021).
//! Signs are left out: the sampler draws them.

/// A Pauli operator without its sign: bit k of `x` and `z` is set if it has an X or a Z on qubit k.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pauli {
    x: u32,
    z: u32,
}

impl Pauli {
    /// Returns the factor on a qubit: 0 for I, 1 for X, 2 for Z, 3 for Y.
    #[inline(always)]
    fn factor(self, qubit: u32) -> usize {
        (self.x >> qubit & 1 | (self.z >> qubit & 1) << 1) as usize
    }

    #[inline(always)]
    fn h(&mut self, qubit: u32) {
        let swapped = (self.x ^ self.z) & 1 << qubit;
        self.x ^= swapped;
        self.z ^= swapped;
    }

    #[inline(always)]
    fn s(&mut self, qubit: u32) {
        self.z ^= self.x & 1 << qubit;
    }

    #[inline(always)]
    fn cx(&mut self, control: u32, target: u32) {
        self.x ^= (self.x >> control & 1) << target;
        self.z ^= (self.z >> target & 1) << control;
    }
}

/// The gates on one qubit, h or s, that turn two factors (p, q) into others: `[p][q]`.
type Turns = [[&'static [u8]; 4]; 4];

const TO_X_AND_Z: Turns =
    [[b"", b"", b"", b""], [b"", b"", b"", b"hsh"], [b"", b"h", b"", b"sh"], [b"", b"hs", b"s", b""]];
const TO_Y_AND_Z: Turns =
    [[b"", b"", b"", b""], [b"", b"", b"s", b"sh"], [b"", b"hs", b"", b"shs"], [b"", b"h", b"", b""]];

/// The gates that turn one factor, unless it is I, into X or Z.
const TO_X: [&[u8]; 4] = [b"", b"", b"h", b"s"];
const TO_Z: [&[u8]; 4] = [b"", b"h", b"", b"sh"];

/// The numbers of the letters of [`GATES`](crate::space::cliffords::GATES) on some qubits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) qubits: u32,
}

impl Numbers {
    fn h(self, qubit: u32) -> u16 {
        qubit as u16
    }

    fn s(self, qubit: u32) -> u16 {
        (self.qubits + qubit) as u16
    }

    fn cx(self, control: u32, target: u32) -> u16 {
        let place = target - u32::from(target > control);
        (2 * self.qubits + control * (self.qubits - 1) + place) as u16
    }

    /// Returns X, Y or Z, numbered from 0.
    pub(crate) fn pauli(self, pauli: u32, qubit: u32) -> u16 {
        (self.qubits * (self.qubits + 1 + pauli) + qubit) as u16
    }
}

/// Two Pauli operators that anticommute, while gates act on them.
#[derive(Debug)]
pub(crate) struct PauliPair<'a> {
    p: Pauli,
    q: Pauli,
    numbers: Numbers,
    letters: &'a mut Vec<u16>,
}

impl<'a> PauliPair<'a> {
    /// Returns the pair of two numbers of 2m bits, on the m qubits from `first` on: bit k of a
    /// number is an X on qubit `first` + k, bit m + k a Z. If the two commute, the bit of the second
    /// is flipped that makes them anticommute: the partner of the lowest bit of the first, which
    /// must not be 0. Gates are appended to `letters`.
    #[inline(always)]
    pub(crate) fn new(
        [p, q]: [u32; 2],
        first: u32,
        numbers: Numbers,
        letters: &'a mut Vec<u16>,
    ) -> PauliPair<'a> {
        let m = numbers.qubits - first;
        let mask = (1 << m) - 1;
        let pauli = |number: u32| Pauli { x: (number & mask) << first, z: (number >> m) << first };
        let p_swapped = p >> m | (p & mask) << m;
        let commutes = (p_swapped & q).count_ones().is_multiple_of(2);
        let partner = (p.trailing_zeros() + m) % (2 * m);
        let q = q ^ u32::from(commutes) << partner;
        PauliPair { p: pauli(p), q: pauli(q), numbers, letters }
    }

    fn turn(&mut self, qubit: u32, gates: &[u8]) {
        for &gate in gates {
            if gate == b'h' {
                self.p.h(qubit);
                self.q.h(qubit);
                self.letters.push(self.numbers.h(qubit));
            } else {
                self.p.s(qubit);
                self.q.s(qubit);
                self.letters.push(self.numbers.s(qubit));
            }
        }
    }

    fn turn_both(&mut self, qubit: u32, turns: &Turns) {
        self.turn(qubit, turns[self.p.factor(qubit)][self.q.factor(qubit)]);
    }

    fn cx(&mut self, control: u32, target: u32) {
        self.p.cx(control, target);
        self.q.cx(control, target);
        self.letters.push(self.numbers.cx(control, target));
    }

    /// Returns the qubits on which the factors anticommute.
    fn anticommuting(&self) -> u32 {
        self.p.x & self.q.z ^ self.p.z & self.q.x
    }

    /// Turns P into X and Q into Z of qubit `first`, up to signs.
    #[inline(always)]
    pub(crate) fn sweep(&mut self, first: u32) {
        if self.anticommuting() >> first & 1 == 0 {
            self.make_anticommute(first);
        }
        let mut others = Qubits(self.anticommuting() & !(1 << first));
        while let (Some(a), Some(b)) = (others.next(), others.next()) {
            self.turn_both(a, &TO_X_AND_Z);
            self.turn_both(b, &TO_X_AND_Z);
            self.cx(a, b);
        }
        self.clear(first);
    }

    /// Makes the factors on qubit `first` anticommute.
    fn make_anticommute(&mut self, first: u32) {
        let other = self.anticommuting().trailing_zeros();
        self.turn_both(other, &TO_X_AND_Z);
        if self.p.factor(first) == 0 {
            self.turn(first, TO_Z[self.q.factor(first)]);
            self.cx(other, first);
        }
        if self.anticommuting() >> first & 1 == 0 {
            self.turn(first, TO_X[self.p.factor(first)]);
            self.cx(first, other);
        }
    }

    /// Clears all qubits but `first`, the only one whose factors anticommute.
    fn clear(&mut self, first: u32) {
        let others = !(1 << first);
        let (p, q) = ((self.p.x | self.p.z) & others, (self.q.x | self.q.z) & others);
        let equal = p & q;
        self.turn_both(first, if equal == 0 { &TO_X_AND_Z } else { &TO_Y_AND_Z });
        for qubit in Qubits(p) {
            if equal >> qubit & 1 == 1 {
                self.turn(qubit, TO_Z[self.p.factor(qubit)]);
                self.cx(qubit, first);
            } else {
                self.turn(qubit, TO_X[self.p.factor(qubit)]);
                self.cx(first, qubit);
            }
        }
        if equal != 0 {
            self.turn(first, b"s");
        }
        for qubit in Qubits(q & !p) {
            self.turn(qubit, TO_Z[self.q.factor(qubit)]);
            self.cx(qubit, first);
        }
        debug_assert_eq!([self.p, self.q], [Pauli { x: 1 << first, z: 0 }, Pauli { x: 0, z: 1 << first }]);
    }
}

/// The most letters of [`PauliPair::sweep`] on m qubits.
///
/// With two factors that anticommute on the first qubit there are at most 4 letters on it, 9 for two
/// others that are a pair, and 3 for any other. If they do not, at most 11 bring the factors there
/// and clear the qubit that they come from.
pub(crate) const fn most_letters(m: usize) -> usize {
    if m == 1 { 3 } else { 11 + 9 * ((m - 2) / 2) + 3 * (m % 2) }
}

/// A set of qubits, from the lowest on.
struct Qubits(u32);

impl Iterator for Qubits {
    type Item = u32;

    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        let qubit = (self.0 != 0).then(|| self.0.trailing_zeros())?;
        self.0 &= self.0 - 1;
        Some(qubit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns P and Q after the sweep, and the number of letters.
    fn swept(p: u32, q: u32, first: u32, qubits: u32) -> ([Pauli; 2], usize) {
        let mut letters = Vec::new();
        let mut pair = PauliPair::new([p, q], first, Numbers { qubits }, &mut letters);
        pair.sweep(first);
        ([pair.p, pair.q], letters.len())
    }

    #[test]
    fn every_pair_becomes_x_and_z_within_the_bound() {
        for m in 1..=4 {
            let (mut most, expected) = (0, [Pauli { x: 4, z: 0 }, Pauli { x: 0, z: 4 }]);
            for p in 1..1 << (2 * m) {
                for q in 0..1 << (2 * m) {
                    let (pair, letters) = swept(p, q, 2, m + 2);
                    assert_eq!(pair, expected);
                    most = most.max(letters);
                }
            }
            assert_eq!(most, most_letters(m as usize), "{m} qubits");
        }
    }

    #[test]
    fn pairs_of_many_qubits_stay_within_the_bound() {
        for m in 5..=8 {
            for seed in 0..100_000u64 {
                let bits = crate::splitmix::mix(seed.wrapping_mul(crate::splitmix::GOLDEN));
                let mask = (1 << (2 * m)) - 1;
                let (p, q) = (bits as u32 & mask, (bits >> 32) as u32 & mask);
                let (pair, letters) = swept(p.max(1), q, 0, m);
                assert_eq!(pair, [Pauli { x: 1, z: 0 }, Pauli { x: 0, z: 1 }]);
                assert!(letters <= most_letters(m as usize));
            }
        }
    }
}
