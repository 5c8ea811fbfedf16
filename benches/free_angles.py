"""Times unitaries of random circuits with free angles, and compares them with Qiskit's.

Both run on one core. Qiskit's circuits are built before the clock starts; Qorpus draws circuits and
angles.

    target/package/bin/python benches/free_angles.py        # after scripts/test or scripts/bench
"""

import importlib.metadata
import sys
import time

import numpy as np
from constraints import rate
from unitaries import alone_on_a_core, reversed_qubits

#: Gates and numbers of qubits.
CASES = [
    ("rz(?),sx", 1),
    ("rx(?),ry(?),rz(?)", 1),
    ("u3(?,?,?)", 1),
    ("rz(?),sx,cx", 3),
    ("rx(?),ry(?),rz(?),cp(?)", 3),
]
LENGTH = 10
#: The circuits that Qiskit takes, and those that are compared.
COMPARED = 64
#: The rounding error allowed after ten products.
TOLERANCE = 1e-12


def rate_of_qiskit(circuits: list, seconds: float) -> float:
    from qiskit.quantum_info import Operator

    begun, done = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begun) < seconds:
        for circuit in circuits:
            _ = Operator(circuit).data
        done += len(circuits)
    return done / elapsed


def difference(recipe, circuits: list) -> float:
    """Return the largest difference of an entry from Qiskit's."""
    from qiskit.quantum_info import Operator

    expected = np.array([Operator(circuit).data for circuit in circuits])
    found = recipe.unitaries(slice(0, len(circuits)))
    return float(np.abs(found - reversed_qubits(expected, circuits[0].num_qubits)).max())


def main() -> None:
    alone_on_a_core()
    import qorpus
    from harness import Neighbours, keep, parser, summary

    options = parser(__doc__, repetitions=5)
    options.add_argument("--seconds", type=float, default=0.3, help="about how long each cell is timed")
    arguments = options.parse_args()
    if arguments.smoke:
        arguments.repetitions, arguments.seconds = 1, 0.001

    neighbours, results = Neighbours(), []
    for gates, qubits in CASES:
        recipe = qorpus.Recipe(gates=gates, qubits=qubits, random=1 << 40, length=LENGTH)
        circuits = [recipe[number].to_qiskit() for number in range(COMPARED)]
        deviation = difference(recipe, circuits)
        assert deviation < TOLERANCE, f"{gates} on {qubits} qubits: {deviation}"
        rates: dict[str, list[float]] = {"Qorpus": [], "Qiskit": []}
        for turn in range(arguments.repetitions):
            rates["Qorpus"].append(rate(recipe, turn << 30, (1 << 15) >> (2 * qubits), arguments.seconds))
            rates["Qiskit"].append(rate_of_qiskit(circuits, arguments.seconds))
        summaries = {name: summary(values) for name, values in rates.items()}
        results.append({"gates": gates, "qubits": qubits, "largest_difference": deviation, "unitaries_per_second": summaries})
        print(f"{gates} on {qubits} qubits", file=sys.stderr)
    section = {
        "length": LENGTH,
        "compared": COMPARED,
        "qiskit": importlib.metadata.version("qiskit"),
        "results": results,
    }
    keep("free_angles", arguments, section, neighbours)


if __name__ == "__main__":
    main()
