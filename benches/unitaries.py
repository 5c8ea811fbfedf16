"""Times computing unitaries of random circuits: Qorpus, NumPy, Qiskit, Cirq, BQSKit, qulacs.

All run on one core. Circuits are built before the clock starts, except for Qorpus, which draws
them. Every unitary is compared with NumPy's product of placed matrices, global phase included,
before it is timed.

    target/package/bin/python benches/unitaries.py          # after scripts/test or scripts/bench
"""

import importlib.metadata
import os
import sys
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

GATES = "clifford+t"
QUBITS = range(1, 7)
LENGTHS = (10, 100)
#: The rounding error allowed after a hundred products.
TOLERANCE = 1e-11
#: The phases of diagonal gates on one qubit.
PHASES = {"s": 1j, "sdg": -1j, "t": np.exp(0.25j * np.pi), "tdg": np.exp(-0.25j * np.pi)}


def alone_on_a_core() -> None:
    """Restart this program on one core, with the threads that libraries start when imported."""
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        os.sched_setaffinity(0, {max(cores)})
        os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "RAYON")}
        os.execv(sys.executable, [sys.executable, *sys.argv])


class Circuits:
    """Random circuits of some length: names and qubits in time order."""

    def __init__(self, qubits: int, length: int, count: int) -> None:
        import qorpus

        self.qubits, self.length = qubits, length
        self.recipe = qorpus.Recipe(gates=GATES, qubits=qubits, random=1 << 30, length=length, seed=1)
        self.letters = self.recipe.letters_array(slice(0, count))
        self.names = [letter.split() for letter in self.recipe.letters]

    def gates(self) -> list[list[tuple[str, tuple[int, ...]]]]:
        """Return names and qubits of each circuit."""
        gates = [(name, tuple(map(int, qubits))) for name, *qubits in self.names]
        return [[gates[letter] for letter in row] for row in self.letters]


def matrices(circuits: Circuits) -> np.ndarray:
    """Return the matrix of each placed letter; qubit 0 is the most significant bit."""
    one = {name: np.diag([1, phase]) for name, phase in PHASES.items()} | {"h": np.array([[1, 1], [1, -1]]) / np.sqrt(2)}
    qubits, placed = circuits.qubits, []
    for name, *on in circuits.names:
        if name == "cx":
            control, target = (1 << (qubits - 1 - int(qubit)) for qubit in on)
            states = np.arange(1 << qubits)
            placed.append(np.eye(1 << qubits)[np.where(states & control, states ^ target, states)].T)
        else:
            qubit = int(on[0])
            placed.append(np.kron(np.kron(np.eye(1 << qubit), one[name]), np.eye(1 << (qubits - 1 - qubit))))
    return np.array(placed, np.complex128)


class Contestant(ABC):
    """A way to compute unitaries, made with its circuits ready."""

    name: str
    how: str
    package: str

    @abstractmethod
    def __init__(self, circuits: Circuits) -> None: ...

    @abstractmethod
    def unitaries(self) -> Sequence[np.ndarray]:
        """Return the unitaries of all circuits. This is timed."""

    def in_order(self, unitaries: Sequence[np.ndarray]) -> np.ndarray:
        """Return them with qubit 0 as the most significant bit. This is not timed."""
        return np.array(unitaries)


class Qorpus(Contestant):
    name, how, package = "Qorpus", "`recipe.unitaries(ids)`: the circuits are drawn as well", "qorpus"

    def __init__(self, circuits: Circuits) -> None:
        self.recipe, self.ids = circuits.recipe, slice(0, len(circuits.letters))

    def unitaries(self) -> np.ndarray:
        return self.recipe.unitaries(self.ids)


class Products(Contestant):
    name, how, package = "NumPy, products", "one product of placed matrices for each letter, as in the original program", "numpy"

    def __init__(self, circuits: Circuits) -> None:
        self.matrices = list(matrices(circuits))
        self.circuits = circuits.letters.tolist()
        self.identity = np.eye(1 << circuits.qubits, dtype=np.complex128)

    def unitaries(self) -> list[np.ndarray]:
        found = []
        for circuit in self.circuits:
            unitary = self.identity
            for letter in circuit:
                unitary = self.matrices[letter] @ unitary
            found.append(unitary)
        return found


class Batched(Products):
    name = "NumPy, batched"
    how = "one batched `matmul` of all circuits for each position in the circuit, with a matrix looked up for each letter"

    def __init__(self, circuits: Circuits) -> None:
        self.table, self.letters = matrices(circuits), np.ascontiguousarray(circuits.letters.T)

    def unitaries(self) -> np.ndarray:
        unitaries = self.table[self.letters[0]]
        for column in self.letters[1:]:
            unitaries = self.table[column] @ unitaries
        return unitaries


class RowUpdates(Products):
    name = "NumPy, row updates"
    how = "for each position and letter, one update of the changed rows, of all circuits at once"

    def __init__(self, circuits: Circuits) -> None:
        self.letters, self.qubits = np.ascontiguousarray(circuits.letters.T), circuits.qubits
        self.names = circuits.names

    def unitaries(self) -> np.ndarray:
        dimension, count = 1 << self.qubits, self.letters.shape[1]
        # Circuits come last, so that every operation is on long rows of numbers.
        unitaries = np.zeros((dimension, dimension, count), np.complex128)
        unitaries[np.arange(dimension), np.arange(dimension)] = 1
        states, root = np.arange(dimension), np.sqrt(0.5)
        for column in self.letters:
            order = np.argsort(column, kind="stable")
            ends = np.searchsorted(column[order], np.arange(len(self.names) + 1))
            for letter, (name, *on) in enumerate(self.names):
                some = order[ends[letter] : ends[letter + 1]]
                if not len(some):
                    continue
                bits = [1 << (self.qubits - 1 - int(qubit)) for qubit in on]
                low = states[(states & bits[0]) == 0]
                if name == "cx":
                    low = states[(states & bits[0] != 0) & (states & bits[1] == 0)]
                high = low | bits[-1]
                if name in PHASES:
                    unitaries[np.ix_(high, states, some)] *= PHASES[name]
                    continue
                one, other = unitaries[np.ix_(low, states, some)], unitaries[np.ix_(high, states, some)]
                pair = (other, one) if name == "cx" else ((one + other) * root, (one - other) * root)
                unitaries[np.ix_(low, states, some)], unitaries[np.ix_(high, states, some)] = pair
        return unitaries

    def in_order(self, unitaries: Sequence[np.ndarray]) -> np.ndarray:
        return np.moveaxis(np.asarray(unitaries), -1, 0)


class Qiskit(Contestant):
    name, how, package = "Qiskit", "`Operator(circuit).data`", "qiskit"

    def __init__(self, circuits: Circuits) -> None:
        from qiskit import QuantumCircuit
        from qiskit.quantum_info import Operator

        self.operator, self.circuits, self.qubits = Operator, [], circuits.qubits
        for gates in circuits.gates():
            circuit = QuantumCircuit(circuits.qubits)
            for name, qubits in gates:
                getattr(circuit, name)(*qubits)
            self.circuits.append(circuit)

    def unitaries(self) -> list[np.ndarray]:
        return [self.operator(circuit).data for circuit in self.circuits]

    def in_order(self, unitaries: Sequence[np.ndarray]) -> np.ndarray:
        return reversed_qubits(np.array(unitaries), self.qubits)


class Cirq(Contestant):
    name, package = "Cirq", "cirq-core"
    how = "`circuit.unitary(...)` on all qubits; `cirq.unitary(circuit)` does the same if the circuit uses all of them"

    def __init__(self, circuits: Circuits) -> None:
        import cirq

        self.qubits = cirq.LineQubit.range(circuits.qubits)
        gates = {"h": cirq.H, "s": cirq.S, "sdg": cirq.S**-1, "t": cirq.T, "tdg": cirq.T**-1, "cx": cirq.CNOT}
        self.circuits = [
            cirq.Circuit(gates[name](*(self.qubits[qubit] for qubit in on)) for name, on in circuit)
            for circuit in circuits.gates()
        ]

    def unitaries(self) -> list[np.ndarray]:
        return [circuit.unitary(qubits_that_should_be_present=self.qubits) for circuit in self.circuits]


class Bqskit(Contestant):
    name, how, package = "BQSKit", "`circuit.get_unitary()`", "bqskit"

    def __init__(self, circuits: Circuits) -> None:
        from bqskit.ir import Circuit, gates

        kinds = {name: f"{name.capitalize()}Gate" for name in ("h", "s", "sdg", "t", "tdg")} | {"cx": "CNOTGate"}
        named = {name: getattr(gates, kind)() for name, kind in kinds.items()}
        self.circuits = []
        for given in circuits.gates():
            circuit = Circuit(circuits.qubits)
            for name, on in given:
                circuit.append_gate(named[name], on)
            self.circuits.append(circuit)

    def unitaries(self) -> list[np.ndarray]:
        return [circuit.get_unitary().numpy for circuit in self.circuits]


class Qulacs(Contestant):
    name, package = "qulacs", "qulacs"
    how = "all columns at once: the circuit acts on half of the qubits of a state of 2n qubits, which starts as the identity"

    def __init__(self, circuits: Circuits) -> None:
        import qulacs

        self.qubits, self.circuits = circuits.qubits, []
        names = {"h": "H", "s": "S", "sdg": "Sdag", "t": "T", "tdg": "Tdag", "cx": "CNOT"}
        for given in circuits.gates():
            circuit = qulacs.QuantumCircuit(2 * circuits.qubits)
            for name, on in given:
                # The index of a row is the upper half of the bits of the state's index.
                getattr(circuit, f"add_{names[name]}_gate")(*(circuits.qubits + qubit for qubit in on))
            self.circuits.append(circuit)
        self.start, self.state = (qulacs.StateVector(2 * circuits.qubits) for _ in range(2))
        self.start.load(np.eye(1 << circuits.qubits, dtype=np.complex128).ravel())

    def unitaries(self) -> list[np.ndarray]:
        found, dimension = [], 1 << self.qubits
        for circuit in self.circuits:
            self.state.load(self.start)
            circuit.update_quantum_state(self.state)
            found.append(self.state.get_vector().reshape(dimension, dimension))
        return found

    def in_order(self, unitaries: Sequence[np.ndarray]) -> np.ndarray:
        return reversed_qubits(np.array(unitaries), self.qubits)


def reversed_qubits(unitaries: np.ndarray, qubits: int) -> np.ndarray:
    """Make qubit 0, the least significant bit, the most significant one."""
    order = [int(f"{state:0{qubits}b}"[::-1], 2) for state in range(1 << qubits)]
    return unitaries[:, order][:, :, order]


CONTESTANTS: list[type[Contestant]] = [Qorpus, Products, Batched, RowUpdates, Qiskit, Cirq, Bqskit, Qulacs]


def rate(contestant: Contestant, count: int, seconds: float) -> float:
    start, done = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        contestant.unitaries()
        done += count
    return done / elapsed


def batch(kind: type[Contestant], qubits: int) -> int:
    """Return the number of circuits: those that fit in the cache, or 32 if computed one by one."""
    if kind in (Qorpus, Batched, RowUpdates):
        return max(16, min(4096, (2 << 20) // (16 << (2 * qubits))))
    return 32


def main() -> None:
    alone_on_a_core()
    from harness import Neighbours, keep, parser, summary

    # BQSKit uses parts of Dask and NumPy that warn.
    warnings.filterwarnings("ignore")
    options = parser(__doc__, repetitions=3)
    options.add_argument("--seconds", type=float, default=0.15, help="about how long each cell is timed")
    arguments = options.parse_args()
    if arguments.smoke:
        arguments.repetitions, arguments.seconds = 1, 0.001

    neighbours, results = Neighbours(), []
    lengths = LENGTHS[:1] if arguments.smoke else LENGTHS
    for qubits in [1, 2, 4] if arguments.smoke else QUBITS:
        for length in lengths:
            measured: dict[str, list[float]] = {kind.name: [] for kind in CONTESTANTS}
            given = {count: Circuits(qubits, length, count) for count in {batch(kind, qubits) for kind in CONTESTANTS}}
            truth = {count: np.array(Products(circuits).unitaries()) for count, circuits in given.items()}
            ready = [(kind.name, kind(given[count := batch(kind, qubits)]), count) for kind in CONTESTANTS]
            for name, contestant, count in ready:
                found = contestant.in_order(contestant.unitaries())
                assert found.shape == truth[count].shape, name
                assert np.abs(found - truth[count]).max() < TOLERANCE, f"{name} disagrees on {qubits} qubits"
            for _ in range(arguments.repetitions):
                for name, contestant, count in ready:
                    measured[name].append(rate(contestant, count, arguments.seconds))
            rates = {name: summary(values) for name, values in measured.items()}
            results.append({"qubits": qubits, "length": length, "unitaries_per_second": rates})
            print(f"{qubits} qubits, {length} letters", file=sys.stderr)
    section = {
        "gates": GATES,
        "how": {kind.name: kind.how for kind in CONTESTANTS},
        "packages": {kind.package: importlib.metadata.version(kind.package) for kind in CONTESTANTS},
        "results": results,
    }
    keep("unitaries", arguments, section, neighbours)


if __name__ == "__main__":
    main()
