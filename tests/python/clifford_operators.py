"""Random Clifford operators as docs/format.md specifies them: an implementation of its own that shares
nothing with the Rust one, one letter and one factor at a time."""

import format_v1

#: Letters that turn (p, q) on one qubit into (X, Z), and into (Y, Z).
TURNS = {
    "XZ": ("", "s"),
    "YZ": ("s", ""),
    "ZX": ("h", "hs"),
    "YX": ("hs", "h"),
    "ZY": ("sh", "shs"),
    "XY": ("hsh", "sh"),
}
TO_X = {"X": "", "Z": "h", "Y": "s"}
TO_Z = {"Z": "", "X": "h", "Y": "sh"}


class PauliPair:
    """Two Pauli operators that anticommute, and the letters that change them."""

    def __init__(self, p: list[str], q: list[str]):
        self.p, self.q, self.letters = p, q, []

    def turn(self, qubit: int, gates: str):
        for gate in gates:
            swapped = {"h": {"X": "Z", "Z": "X"}, "s": {"X": "Y", "Y": "X"}}[gate]
            for operator in (self.p, self.q):
                operator[qubit] = swapped.get(operator[qubit], operator[qubit])
            self.letters.append(f"{gate} {qubit}")

    def cx(self, control: int, target: int):
        for operator in (self.p, self.q):
            before = operator[control], operator[target]
            if before[0] in "XY":
                operator[target] = {"I": "X", "X": "I", "Y": "Z", "Z": "Y"}[before[1]]
            if before[1] in "ZY":
                operator[control] = {"I": "Z", "Z": "I", "X": "Y", "Y": "X"}[before[0]]
        self.letters.append(f"cx {control} {target}")

    def anticommuting(self) -> list[int]:
        return [k for k, (p, q) in enumerate(zip(self.p, self.q)) if "I" not in p + q and p != q]

    def kind(self, qubit: int) -> tuple[bool, bool]:
        return self.p[qubit] != "I", self.q[qubit] != "I"

    def sweep(self, first: int):
        """Append the letters after which P is X and Q is Z on the qubit `first`, up to signs."""
        if first not in self.anticommuting():
            other = self.anticommuting()[0]
            self.turn(other, TURNS[self.p[other] + self.q[other]][0])
            if self.p[first] == "I":
                self.turn(first, "" if self.q[first] == "I" else TO_Z[self.q[first]])
                self.cx(other, first)
            if first not in self.anticommuting():
                self.turn(first, TO_X[self.p[first]])
                self.cx(first, other)
        rest = [k for k in self.anticommuting() if k != first]
        for a, b in zip(rest[::2], rest[1::2]):
            for k in (a, b):
                self.turn(k, TURNS[self.p[k] + self.q[k]][0])
            self.cx(a, b)
        rest = [k for k in range(len(self.p)) if k != first]
        equal = any(self.kind(k) == (True, True) for k in rest)
        self.turn(first, TURNS[self.p[first] + self.q[first]][equal])
        for k in rest:
            if self.kind(k) == (True, True):
                self.turn(k, TO_Z[self.p[k]])
                self.cx(k, first)
            elif self.kind(k) == (True, False):
                self.turn(k, TO_X[self.p[k]])
                self.cx(first, k)
        self.turn(first, "s" * equal)
        for k in rest:
            if self.kind(k) == (False, True):
                self.turn(k, TO_Z[self.q[k]])
                self.cx(k, first)


def pauli_pair(p: int, q: int, first: int, qubits: int) -> PauliPair:
    """The pair of two numbers: bit k is the X of qubit `first` + k, bit m + k its Z."""
    m = qubits - first
    mask = (1 << m) - 1
    if ((p & q >> m).bit_count() + (p >> m & q & mask).bit_count()) % 2 == 0:
        lowest = (p & -p).bit_length() - 1
        q ^= 1 << (lowest + m) % (2 * m)
    operators = [["IXZY"[(n >> k & 1) + 2 * (n >> m + k & 1)] for k in range(m)] for n in (p, q)]
    return PauliPair(*(["I"] * first + operator for operator in operators))


def steps(seed: int, record: int, qubits: int) -> list[tuple[list[str], list[str], list[str]]]:
    """For each qubit P and Q as they are drawn, and the letters that make them X and Z of it."""
    words, left, fraction, drawn_steps = format_v1.words_of_record(seed, record), 0, 0, []
    products = [(4**m - 1) * 4**m * 4 for m in range(qubits, 0, -1)]
    for first in range(qubits):
        if left == 0:
            product = 1
            while left < qubits - first and product * products[first + left] <= 1 << 48:
                product *= products[first + left]
                left += 1
            fraction = next(word for word in words if word * product % 2**64 >= 2**64 % product)
        drawn = []
        for below in (4 ** (qubits - first) - 1, 4 ** (qubits - first), 4):
            fraction *= below
            drawn.append(fraction >> 64)
            fraction &= format_v1.U64
        left -= 1
        pair = pauli_pair(drawn[0] + 1, drawn[1], first, qubits)
        p, q = pair.p.copy(), pair.q.copy()
        pair.sweep(first)
        signs = [f"{'xyz'[drawn[2] - 1]} {first}"] if drawn[2] else []
        drawn_steps.append((p, q, pair.letters + signs))
    return drawn_steps


def circuit(seed: int, record: int, qubits: int) -> list[str]:
    """The letters of a record."""
    return [letter for _, _, letters in steps(seed, record, qubits) for letter in letters]


def longest(qubits: int) -> int:
    """The most letters of a circuit."""
    return sum(4 if m == 1 else 12 + 9 * ((m - 2) // 2) + 3 * (m % 2) for m in range(1, qubits + 1))
