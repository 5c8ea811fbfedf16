"""Times random Clifford operators against Qiskit's, and tests that they are uniform.

Five million operators on one and on two qubits are counted, and the counts of the 24 and 11,520
operators compared with the uniform distribution. Rates are of processor time on one core, circuits included;
Qiskit's `random_clifford` returns a tableau without a circuit.

    target/package/bin/python benches/cliffords.py            # after scripts/test or scripts/bench
    target/package/bin/python benches/cliffords.py --records 100_000
"""

import argparse
import math
import time

import numpy as np
import qorpus
from qiskit.quantum_info import random_clifford
from unitaries import alone_on_a_core

#: The orders of the Clifford groups on one and two qubits, modulo global phases.
ORDERS = {1: 24, 2: 11_520}
#: Records that are read at once.
BATCH = 100_000
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
    recipe, found = qorpus.Recipe(cliffords=records, qubits=qubits, seed=1), {}
    for start in range(0, records, BATCH):
        unitaries = recipe.unitaries(slice(start, min(start + BATCH, records)))
        for key, count in zip(*np.unique(keys(unitaries), return_counts=True)):
            found[key] = found.get(key, 0) + count
    return np.array(list(found.values()))


def uniform(qubits: int, records: int) -> str:
    """Compare the counts with the uniform distribution; return the result as text."""
    order, counted = ORDERS[qubits], counts(qubits, records)
    assert len(counted) == order, f"{len(counted)} operators on {qubits} qubits instead of {order}"
    expected, freedom = records / order, order - 1
    chi2 = ((counted - expected) ** 2 / expected).sum()
    away = (chi2 - freedom) / math.sqrt(2 * freedom)
    assert abs(away) < DEVIATIONS, f"chi-square {chi2:.0f} with {freedom} degrees of freedom"
    return f"qubits {qubits}: {records:,} records, {order:,} operators, chi-square {chi2:,.0f} ({away:+.2f} deviations)"


def rates(qubits: int) -> tuple[float, float]:
    """Return the operators a second of Qorpus and of Qiskit."""
    recipe, records = qorpus.Recipe(cliffords=1 << 40, qubits=qubits), 1 << 18
    recipe.letters_array(slice(0, 1000))
    begun = time.process_time()
    recipe.letters_array(slice(0, records))
    ours = records / (time.process_time() - begun)
    random, operators = np.random.default_rng(1), 300
    random_clifford(qubits, random)
    begun = time.process_time()
    for _ in range(operators):
        random_clifford(qubits, random)
    return ours, operators / (time.process_time() - begun)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--records", type=int, default=5_000_000, help="operators that are counted")
    records = arguments.parse_args().records
    alone_on_a_core()
    for qubits in range(1, 9):
        ours, theirs = rates(qubits)
        print(f"qubits {qubits}: {ours:,.0f} a second, {ours / theirs:,.0f} times Qiskit's {theirs:,.0f}", flush=True)
    for qubits in ORDERS:
        print(uniform(qubits, records), flush=True)


if __name__ == "__main__":
    main()
