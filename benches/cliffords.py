"""Times random Clifford operators against Qiskit's, and tests that they are uniform.

Five million operators on one and on two qubits are counted, and the counts of the 24 and 11,520
operators compared with the uniform distribution. Rates are of processor time on one core.

    target/package/bin/python benches/cliffords.py            # after scripts/test or scripts/bench
"""

import math
import time

import numpy as np
from unitaries import alone_on_a_core

#: The orders of the Clifford groups on one and two qubits, modulo global phases.
ORDERS = {1: 24, 2: 11_520}
#: Records that are read at once.
BATCH = 100_000
#: Operators of Qorpus and of Qiskit in one repetition.
TIMED = (1 << 18, 300)
#: Standard deviations by which chi-square may differ from its mean.
DEVIATIONS = 5


def keys(unitaries: np.ndarray) -> np.ndarray:
    """Return a number for each unitary, equal for those that differ by a global phase only."""
    flat = unitaries.reshape(len(unitaries), -1)
    first = flat[np.arange(len(flat)), (np.abs(flat) > 0.1).argmax(axis=1)]
    # The entries of a Clifford operator that are not 0 are the first one times 1, i, -1 or -i.
    steps = np.round(flat / first[:, None])
    digits = (steps == 1) + 2 * (steps == 1j) + 3 * (steps == -1) + 4 * (steps == -1j)
    return digits @ 5 ** np.arange(flat.shape[1])


def counts(qubits: int, records: int) -> np.ndarray:
    """Return how often each operator occurs."""
    import qorpus

    recipe, found = qorpus.Recipe(cliffords=records, qubits=qubits, seed=1), {}
    for start in range(0, records, BATCH):
        unitaries = recipe.unitaries(slice(start, min(start + BATCH, records)))
        for key, count in zip(*np.unique(keys(unitaries), return_counts=True)):
            found[key] = found.get(key, 0) + count
    return np.array(list(found.values()))


def uniform(qubits: int, records: int) -> dict:
    """Compare the counts with the uniform distribution."""
    order, counted = ORDERS[qubits], counts(qubits, records)
    assert len(counted) == order, f"{len(counted)} operators on {qubits} qubits instead of {order}"
    expected, freedom = records / order, order - 1
    chi2 = float(((counted - expected) ** 2 / expected).sum())
    away = (chi2 - freedom) / math.sqrt(2 * freedom)
    assert abs(away) < DEVIATIONS, f"chi-square {chi2:.0f} with {freedom} degrees of freedom"
    return {"qubits": qubits, "operators": order, "chi_square": round(chi2, 1), "deviations": round(away, 2)}


def rates(qubits: int, start: int, smoke: bool) -> dict[str, float]:
    """Return the operators a second of Qorpus, with their circuits, and of Qiskit."""
    import qorpus
    from qiskit.quantum_info import random_clifford

    recipe, random = qorpus.Recipe(cliffords=1 << 40, qubits=qubits), np.random.default_rng(start)
    records, operators = (100, 2) if smoke else TIMED
    begun = time.process_time()
    recipe.letters_array(slice(start, start + records))
    middle = time.process_time()
    for _ in range(operators):
        random_clifford(qubits, random)
    return {"Qorpus": records / (middle - begun), "Qiskit": operators / (time.process_time() - middle)}


def main() -> None:
    alone_on_a_core()
    import qiskit
    from harness import Neighbours, keep, parser, summary

    options = parser(__doc__, repetitions=5)
    options.add_argument("--records", type=int, default=5_000_000, help="operators that are counted")
    arguments = options.parse_args()
    if arguments.smoke:
        arguments.repetitions, arguments.records = 1, 300_000

    neighbours, results = Neighbours(), []
    for qubits in range(1, 9):
        # The first time is slower.
        rates(qubits, 1 << 39, smoke=True)
        found = [rates(qubits, turn << 20, arguments.smoke) for turn in range(arguments.repetitions)]
        operators = {name: summary([one[name] for one in found]) for name in found[0]}
        results.append({"qubits": qubits, "operators_per_second": operators})
    section = {
        "results": results,
        "packages": {"qiskit": qiskit.__version__},
        "records": arguments.records,
        "distribution": [uniform(qubits, arguments.records) for qubits in ORDERS],
    }
    keep("cliffords", arguments, section, neighbours)


if __name__ == "__main__":
    main()
