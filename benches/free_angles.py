"""Times unitaries of random circuits with free angles, and compares them with Qiskit's.

Both run on one core. Qiskit's circuits are built before the clock starts; Qorpus draws circuits and
angles.

    target/package/bin/python benches/free_angles.py        # after scripts/test or scripts/bench
"""

import importlib.metadata
import sys
import time
from collections.abc import Callable

import numpy as np
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


def rate(count: int, seconds: float, compute: Callable[[int], object]) -> float:
    """Return records a second. `compute` takes the number of earlier calls."""
    begun, calls = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begun) < seconds:
        compute(calls)
        calls += 1
    return calls * count / elapsed


def main() -> None:
    alone_on_a_core()
    import qorpus
    from harness import Neighbours, keep, parser, summary
    from qiskit.quantum_info import Operator

    options = parser(__doc__, repetitions=5)
    options.add_argument("--seconds", type=float, default=0.3, help="about how long each cell is timed")
    arguments = options.parse_args()
    if arguments.smoke:
        arguments.repetitions, arguments.seconds = 1, 0.001

    neighbours, results = Neighbours(), []
    for gates, qubits in CASES:
        recipe = qorpus.Recipe(gates=gates, qubits=qubits, random=1 << 40, length=LENGTH)
        circuits = [recipe[number].to_qiskit() for number in range(COMPARED)]
        found = reversed_qubits(np.array([Operator(circuit).data for circuit in circuits]), qubits)
        deviation = float(np.abs(recipe.unitaries(slice(0, COMPARED)) - found).max())
        assert deviation < TOLERANCE, f"{gates} on {qubits} qubits: {deviation}"

        count = (1 << 15) >> (2 * qubits)
        rates: dict[str, list[float]] = {"Qorpus": [], "Qiskit": []}
        for turn in range(arguments.repetitions):
            start = turn << 30
            rates["Qorpus"].append(
                rate(
                    count,
                    arguments.seconds,
                    lambda calls, start=start: recipe.unitaries(slice(start + calls * count, start + (calls + 1) * count)),
                )
            )
            rates["Qiskit"].append(
                rate(COMPARED, arguments.seconds, lambda _: [Operator(circuit).data for circuit in circuits])
            )
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
