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

    /// Changes the factor on a qubit by the bits of `flips`.
    #[inline(always)]
    fn flip(&mut self, qubit: u32, flips: u8) {
        self.x ^= u32::from(flips & 1) << qubit;
        self.z ^= u32::from(flips >> 1) << qubit;
    }

    #[inline(always)]
    fn cx(&mut self, control: u32, target: u32) {
        self.x ^= (self.x >> control & 1) << target;
        self.z ^= (self.z >> target & 1) << control;
    }
}

/// Gates on one qubit, h or s, for two factors (p, q): `[p][q]`.
type Turns = [[Turn; 4]; 4];

/// At most three gates on one qubit, and their effect on two factors.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// The bits of each factor that change.
    flips: [u8; 2],
    /// The number of gates.
    gates: u8,
    /// Bit k is set if gate k is s, and else it is h.
    is_s: u8,
}

impl Turn {
    /// Returns the effect of gates on factors.
    const fn new(gates: &[u8], p: u8, q: u8) -> Turn {
        let (mut factors, mut is_s, mut gate) = ([p, q], 0, 0);
        while gate < gates.len() {
            let mut k = 0;
            while k < 2 {
                let [x, z] = [factors[k] & 1, factors[k] >> 1];
                factors[k] = if gates[gate] == b's' { x | (z ^ x) << 1 } else { z | x << 1 };
                k += 1;
            }
            is_s |= if gates[gate] == b's' { 1 << gate } else { 0 };
            gate += 1;
        }
        Turn { flips: [p ^ factors[0], q ^ factors[1]], gates: gates.len() as u8, is_s }
    }

    const fn table(gates: [[&[u8]; 4]; 4]) -> Turns {
        let mut turns = [[Turn { flips: [0; 2], gates: 0, is_s: 0 }; 4]; 4];
        let mut at = 0;
        while at < 16 {
            let (p, q) = (at / 4, at % 4);
            turns[p][q] = Turn::new(gates[p][q], p as u8, q as u8);
            at += 1;
        }
        turns
    }
}

static TO_X_AND_Z: Turns = Turn::table([
    [b"", b"", b"", b""],
    [b"", b"", b"", b"hsh"],
    [b"", b"h", b"", b"sh"],
    [b"", b"hs", b"s", b""],
]);

static TO_Y_AND_Z: Turns = Turn::table([
    [b"", b"", b"", b""],
    [b"", b"", b"s", b"sh"],
    [b"", b"hs", b"", b"shs"],
    [b"", b"h", b"", b""],
]);

/// Turns the first factor, unless it is I, into X.
static P_TO_X: Turns = Turn::table([[b""; 4], [b""; 4], [b"h"; 4], [b"s"; 4]]);
/// Turns the first factor, unless it is I, into Z.
static P_TO_Z: Turns = Turn::table([[b""; 4], [b"h"; 4], [b""; 4], [b"sh"; 4]]);
/// Turns the second factor, unless it is I, into Z.
static Q_TO_Z: Turns = Turn::table([[b"", b"h", b"", b"sh"]; 4]);
/// The gate s.
static S: Turns = Turn::table([[b"s"; 4]; 4]);

/// The numbers of the letters of [`GATES`](crate::space::cliffords::GATES) on some qubits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) qubits: u32,
}

impl Numbers {
    /// Returns h for 0 and s for 1.
    #[inline(always)]
    fn h_or_s(self, is_s: u8, qubit: u32) -> u16 {
        (u32::from(is_s) * self.qubits + qubit) as u16
    }

    #[inline(always)]
    fn cx(self, control: u32, target: u32) -> u16 {
        let place = target - u32::from(target > control);
        (2 * self.qubits + control * (self.qubits - 1) + place) as u16
    }

    /// Returns X, Y or Z, numbered from 1.
    pub(crate) fn pauli(self, pauli: u32, qubit: u32) -> u16 {
        (self.qubits * (self.qubits + pauli) + qubit) as u16
    }
}

/// The letters of a circuit while it is drawn, in memory that is long enough for all. So a letter may
/// be written before it is known whether it counts, without a branch.
#[derive(Debug)]
pub(crate) struct LetterBuffer {
    letters: [u16; LetterBuffer::ROOM],
    number: usize,
}

impl LetterBuffer {
    /// The longest circuit on eight qubits has 178 letters.
    const ROOM: usize = 192;

    pub(crate) fn new() -> LetterBuffer {
        LetterBuffer { letters: [0; LetterBuffer::ROOM], number: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.number = 0;
    }

    pub(crate) fn letters(&self) -> &[u16] {
        &self.letters[..self.number]
    }

    /// Appends the first `number` of some letters.
    #[inline(always)]
    pub(crate) fn push<const N: usize>(&mut self, letters: [u16; N], number: usize) {
        self.letters[self.number..][..N].copy_from_slice(&letters);
        self.number += number;
    }
}

/// Two Pauli operators that anticommute, while gates act on them.
#[derive(Debug)]
pub(crate) struct PauliPair<'a> {
    p: Pauli,
    q: Pauli,
    numbers: Numbers,
    letters: &'a mut LetterBuffer,
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
        letters: &'a mut LetterBuffer,
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

    /// Appends the gates for the two factors on a qubit.
    #[inline(always)]
    fn turn(&mut self, qubit: u32, turns: &Turns) {
        let Turn { flips, gates, is_s } = turns[self.p.factor(qubit)][self.q.factor(qubit)];
        self.p.flip(qubit, flips[0]);
        self.q.flip(qubit, flips[1]);
        let letters = [0, 1, 2].map(|gate| self.numbers.h_or_s(is_s >> gate & 1, qubit));
        self.letters.push(letters, usize::from(gates));
    }

    #[inline(always)]
    fn cx(&mut self, control: u32, target: u32) {
        self.p.cx(control, target);
        self.q.cx(control, target);
        self.letters.push([self.numbers.cx(control, target)], 1);
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
            self.turn(a, &TO_X_AND_Z);
            self.turn(b, &TO_X_AND_Z);
            self.cx(a, b);
        }
        self.clear(first);
    }

    /// Makes the factors on qubit `first` anticommute.
    fn make_anticommute(&mut self, first: u32) {
        let other = self.anticommuting().trailing_zeros();
        self.turn(other, &TO_X_AND_Z);
        if self.p.factor(first) == 0 {
            self.turn(first, &Q_TO_Z);
            self.cx(other, first);
        }
        if self.anticommuting() >> first & 1 == 0 {
            self.turn(first, &P_TO_X);
            self.cx(first, other);
        }
    }

    /// Clears all qubits but `first`, the only one whose factors anticommute.
    fn clear(&mut self, first: u32) {
        let others = !(1 << first);
        let (p, q) = ((self.p.x | self.p.z) & others, (self.q.x | self.q.z) & others);
        let equal = p & q;
        self.turn(first, if equal == 0 { &TO_X_AND_Z } else { &TO_Y_AND_Z });
        for qubit in Qubits(p) {
            // Chosen without a branch, which would be predicted wrongly half of the time.
            let is_equal = equal >> qubit & 1;
            self.turn(qubit, [&P_TO_X, &P_TO_Z][is_equal as usize]);
            let ends = [first, qubit];
            self.cx(ends[is_equal as usize], ends[1 - is_equal as usize]);
        }
        if equal != 0 {
            self.turn(first, &S);
        }
        for qubit in Qubits(q & !p) {
            self.turn(qubit, &Q_TO_Z);
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
        let mut letters = LetterBuffer::new();
        let mut pair = PauliPair::new([p, q], first, Numbers { qubits }, &mut letters);
        pair.sweep(first);
        ([pair.p, pair.q], letters.letters().len())
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
