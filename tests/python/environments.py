"""A second implementation of environments: plain products of NumPy matrices, one environment after
another, with brute force for masks and distances.

Gates have Cirq's matrices. `Environments` has the interface of `qorpus._qorpus.Environments`, so
that trajectories of both can be compared, and `qorpus.gym` runs on either.
"""

import functools
import itertools
import pickle
from collections import deque

import numpy as np
import qorpus
from format_v1 import words_of_record
from oracles import cirq_big

#: The largest difference of entries of equal unitaries: exact gates, and circuits of some hundred letters.
SAME = 1e-9

PAULIS = {
    (0, 0): np.eye(2),
    (1, 0): np.array([[0, 1], [1, 0]]),
    (0, 1): np.diag([1, -1]),
    (1, 1): np.array([[0, -1j], [1j, 0]]),
}


@functools.cache
def pauli(x, z):
    """The tensor product of Paulis with these bits, qubit 0 first."""
    product = np.eye(1)
    for bits in zip(x, z, strict=True):
        product = np.kron(product, PAULIS[bits])
    return product


@functools.cache
def paulis(qubits):
    """All tensor products of Paulis, in the order of their letters I, X, Y, Z, qubit 0 first."""
    every = itertools.product([(0, 0), (1, 0), (1, 1), (0, 1)], repeat=qubits)
    return [pauli(*map(tuple, zip(*bits, strict=True))) for bits in every]


def channel(unitary):
    """The Pauli transfer matrix: how conjugation by the unitary maps Paulis, in real numbers."""
    every = paulis(len(unitary).bit_length() - 1)
    turned = [unitary @ each @ unitary.conj().T for each in every]
    return np.array([[np.trace(row @ column).real / len(unitary) for column in turned] for row in every])


def tableau(unitary):
    """The bits of the images of X_0 ... X_n-1, Z_0 ... Z_n-1 under conjugation: x | z, no signs."""
    qubits = len(unitary).bit_length() - 1
    every = list(itertools.product([0, 1], repeat=2 * qubits))
    rows = []
    for bits in np.eye(2 * qubits, dtype=int).tolist():
        image = unitary @ pauli(tuple(bits[:qubits]), tuple(bits[qubits:])) @ unitary.conj().T
        overlaps = [abs(np.vdot(pauli(each[:qubits], each[qubits:]), image)) for each in every]
        assert max(overlaps) > len(unitary) * (1 - SAME), "not a Clifford operator"
        rows.append(every[np.argmax(overlaps)])
    return np.array(rows, np.int8)


def is_identity(unitary, up_to="phase", tolerance=None):
    """Whether a unitary is the identity, as `up_to` says, within a tolerance of its entries."""
    qubits, most = len(unitary).bit_length() - 1, SAME if tolerance is None else tolerance
    if up_to == "pauli":
        return max(abs(np.vdot(each, unitary)) for each in paulis(qubits)) > len(unitary) * (1 - SAME)
    if up_to == "phase":
        trace = np.trace(unitary)
        # The phase of the largest overlap with the identity. A trace of zero is far from it.
        unitary = unitary * (np.conj(trace) / abs(trace)) if abs(trace) > SAME else np.zeros_like(unitary)
    return bool(np.abs(unitary - np.eye(len(unitary))).max() <= most)


def key(unitary, up_to="phase"):
    """A dictionary key that unitaries share if they are equal, as `up_to` says."""
    if up_to == "pauli":
        return tableau(unitary).tobytes()
    if up_to == "phase":
        # No entry of an exact unitary is near this size.
        entry = unitary.flat[np.argmax(np.abs(unitary).ravel() > 0.3137 / np.sqrt(len(unitary)))]
        unitary = unitary * (np.conj(entry) / abs(entry))
    # No half of an integer is near an exact entry times this. Adding zero turns -0.0 into 0.0.
    return (np.round(np.stack([unitary.real, unitary.imag]) * (1e5 / np.pi)) + 0.0).tobytes()


@functools.cache
def matrix(letter, qubits):
    """The unitary of a letter, according to Cirq."""
    return cirq_big([letter], qubits)


def matrices(letters, qubits):
    """The unitary of each letter."""
    return [matrix(letter, qubits) for letter in letters]


def product(circuit, qubits):
    """The unitary of a circuit: letters in time order."""
    unitary = np.eye(1 << qubits, dtype=complex)
    for letter in circuit:
        unitary = matrix(letter, qubits) @ unitary
    return unitary


def distances(letters, qubits, longest, up_to="phase"):
    """The distance of every unitary of circuits up to a length, by breadth-first search."""
    gates, identity = matrices(letters, qubits), np.eye(1 << qubits, dtype=complex)
    found, queue = {key(identity, up_to): 0}, deque([(identity, 0)])
    while queue:
        unitary, distance = queue.popleft()
        for gate in gates if distance < longest else []:
            longer = gate @ unitary
            if (name := key(longer, up_to)) not in found:
                found[name] = distance + 1
                queue.append((longer, distance + 1))
    return found


def number_below(numbers, seed, record):
    """A number that is uniform below another: Lemire's method on every first word of Philox's blocks."""
    for word in itertools.islice(words_of_record(seed, record, 2), 0, None, 2):
        if word * numbers % 2**64 >= 2**64 % numbers:
            return word * numbers >> 64


class Environments:
    """Environments with the interface of the native class, and none of its speed."""

    def __init__(
        self, count, *, first=0, seed=0, gates=None, qubits=None, coupling=None, letters=None, max_steps, length=None,
        observation, up_to, tolerance=None, costs, bonus, table=None, threads=None,
    ):  # fmt: skip
        self._options = {"gates": gates, "qubits": qubits, "coupling": coupling, "letters": letters, "random": 2**63}
        self.set_length(length)
        recipe = self._recipe(seed)
        self.letters, self.qubits, self.count = list(recipe.letters), recipe.qubits, count
        self._gates = matrices(self.letters, self.qubits)
        self._places = [{int(each) for each in letter.split(" ")[1:]} for letter in self.letters]
        self._first, self._max_steps, self._observation, self._up_to = first, max_steps, observation, up_to
        self._tolerance, self._costs, self._bonus = tolerance, costs, bonus
        dim = 1 << self.qubits
        self.observation_shape = {
            "unitary": (2, dim, dim), "channel": (dim * dim, dim * dim), "tableau": (2 * self.qubits,) * 2, "none": (0,)
        }[observation]  # fmt: skip
        self._seed, self._numbers = seed, [-1] * count
        self._residuals = [np.eye(dim, dtype=complex)] * count
        self._applied = [[] for _ in range(count)]
        self._known = None if table is None else distances(self.letters, self.qubits, table.lengths[1], up_to)

    def _recipe(self, seed):
        return qorpus.Recipe(**self._options, seed=seed, length=self._length)

    def set_length(self, length):
        self._length = (0, 0) if length is None else length

    def _chosen(self, which):
        return range(self.count) if which is None else np.flatnonzero(which).tolist()

    def reset(self, which=None, seed=None, targets=None):
        if seed is not None:
            self._seed, self._numbers = seed, [-1] * self.count
        for place, each in enumerate(self._chosen(which)):
            self._numbers[each] += 1
            self._applied[each] = []
            self._residuals[each] = self._random(each) if targets is None else np.array(targets[place])

    def _random(self, each):
        number, recipe = self._first + each << 40 | self._numbers[each] << 8, self._recipe(self._seed)
        for attempt in range(256):
            target = product(recipe[number | attempt].circuit, self.qubits)
            if not is_identity(target, self._up_to, self._tolerance):
                return target
        raise qorpus.Error("no target")

    def draw(self, which, low, high, attempt):
        numbers = {each: self._first + each << 40 | self._numbers[each] + 1 << 8 | attempt for each in self._chosen(which)}
        return np.array([low + number_below(high - low, self._seed, number) for number in numbers.values()], np.int64)

    def step(self, actions, which, rewards, terminated, truncated):
        for each in range(self.count):
            rewards[each], terminated[each], truncated[each] = 0, False, False
        for each in self._chosen(which):
            letter = actions[each]
            self._residuals[each] = self._residuals[each] @ self._gates[letter].conj().T
            self._applied[each].append(letter)
            terminated[each] = self._is_solved(each)
            truncated[each] = not terminated[each] and len(self._applied[each]) >= self._max_steps
            rewards[each] = self._bonus * terminated[each] - self._costs[letter]

    def _is_solved(self, each):
        return is_identity(self._residuals[each], self._up_to, self._tolerance)

    def solved(self):
        return np.array([self._is_solved(each) for each in range(self.count)])

    def observe(self, out):
        for each, residual in enumerate(self._residuals):
            if self._observation == "unitary":
                out[each] = residual.real, residual.imag
            elif self._observation != "none":
                out[each] = {"channel": channel, "tableau": tableau}[self._observation](residual)

    def action_mask(self, out):
        for each, applied in enumerate(self._applied):
            out[each] = [not self._undoes(letter, applied) for letter in range(len(self.letters))]

    def _undoes(self, letter, applied):
        touching = [other for other in applied if self._places[other] & self._places[letter]]
        # The qubits are sets: cz 1 0 undoes cz 0 1.
        if not touching or self._places[touching[-1]] != self._places[letter]:
            return False
        return is_identity(self._gates[letter] @ self._gates[touching[-1]], "pauli" if self._up_to == "pauli" else "phase")

    def distances(self, distance, optimal):
        for each, residual in enumerate(self._residuals):
            here = self._known.get(key(residual, self._up_to), -1)
            distance[each] = here
            after = [self._known.get(key(residual @ gate.conj().T, self._up_to), -1) for gate in self._gates]
            optimal[each] = [here > 0 and there == here - 1 for there in after]

    def unitaries(self):
        return np.array(self._residuals)

    def circuits(self):
        return [tuple(self.letters[letter] for letter in applied) for applied in self._applied]

    def steps(self):
        return np.array([len(applied) for applied in self._applied])

    def episodes(self):
        return np.array(self._numbers)

    def get_state(self):
        return pickle.dumps((self._seed, self._numbers, self._residuals, self._applied))

    def set_state(self, state):
        self._seed, self._numbers, self._residuals, self._applied = pickle.loads(state)
