"""Times enumerations of tableaus, linear functions and permutations, and looking operators up.

The orders of the groups are compared with |Sp(6,2)|, |GL(5,2)| and 10!. Targets are drawn uniformly,
and each circuit that is found is checked with Qiskit.

    target/package/bin/python benches/tableaus.py             # a part of scripts/bench
    target/package/bin/python benches/tableaus.py --cost 3    # four-qubit Cliffords by their CX count
"""

import argparse
import math
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import qorpus
from distinct import Enumerate
from harness import Neighbours, keep, parser, summary, workplace
from qiskit import QuantumCircuit
from qiskit.circuit.library import LinearFunction, PermutationGate
from qiskit.quantum_info import Clifford, random_clifford
from qiskit.synthesis.linear import random_invertible_binary_matrix

#: A group: its options, the number of its letters, its order, and a smaller one for a try-out.
GROUPS = {
    "three-qubit Cliffords, Sp(6,2)": (
        ["--gates", "h,s,cx", "--qubits", 3, "--up-to", "pauli"], 12, 1_451_520,
        ["--gates", "h,s,cx", "--qubits", 2, "--up-to", "pauli"], 8, 720,
    ),
    "five-qubit linear functions, GL(5,2)": (
        ["--gates", "cx", "--qubits", 5], 20, 9_999_360, ["--gates", "cx", "--qubits", 3], 6, 168,
    ),
    "ten-qubit permutations on a line": (
        ["--gates", "swap", "--qubits", 10, "--coupling", "line"], 9, math.factorial(10),
        ["--gates", "swap", "--qubits", 5, "--coupling", "line"], 4, 120,
    ),
}


def target(name: str, qubits: int, random: np.random.Generator):
    """Return a uniformly random operator of a group, as an object of Qiskit."""
    seed = int(random.integers(1 << 31))
    if "Sp" in name:
        return random_clifford(qubits, seed)
    if "GL" in name:
        return LinearFunction(random_invertible_binary_matrix(qubits, seed))
    return PermutationGate(random.permutation(qubits))


def operator(value, qubits: int) -> Clifford:
    """Return the Clifford operator of an object of Qiskit."""
    if isinstance(value, Clifford):
        return value
    circuit = QuantumCircuit(qubits)
    circuit.append(value, range(qubits))
    return Clifford(circuit)


def lookups(name: str, path: Path, targets: int) -> dict:
    """Time `find` of random operators, and check the circuits with Qiskit."""
    corpus, random, times = qorpus.open(path), np.random.default_rng(1), []
    for _ in range(targets):
        wanted = target(name, corpus.qubits, random)
        start = time.perf_counter()
        found = corpus.find(wanted)
        times.append((time.perf_counter() - start) * 1e3)
        assert Clifford(qorpus.to_qiskit(found.circuit, corpus.qubits)) == operator(wanted, corpus.qubits)
        assert found.circuit[: len(found.circuit) - found.paulis] == corpus[found.id].circuit
    cuts = statistics.quantiles(times, n=100)
    return {"targets": targets, "median_milliseconds": round(cuts[49], 4), "p99_milliseconds": round(cuts[98], 4)}


def timed(command: Enumerate, name: str, arguments: argparse.Namespace) -> dict:
    """Enumerate a group on one core, some times; then look operators up."""
    options, letters, order = GROUPS[name][3:] if arguments.smoke else GROUPS[name][:3]
    path, rates, processor = command.directory / "group.db", [], []
    for _ in range(arguments.repetitions):
        path.unlink(missing_ok=True)
        account = command.timed(path, *options, "--max-length", 100, "--jobs", 1)
        assert account["records"] == order and qorpus.open(path).is_group, f"{name}: {account['records']}"
        rates.append(order * letters / account["seconds"])
        processor.append(order * letters / account["processor_seconds"])
        print(f"{name}: {account['seconds']} s", file=sys.stderr)
    found = lookups(name, path, 20 if arguments.smoke else 1000)
    path.unlink()
    return {
        "options": account["options"],
        "records": order,
        "candidates": order * letters,
        "seconds": account["seconds"],
        "candidates_per_second": summary(rates),
        "candidates_per_processor_second": summary(processor),
        "peak_bytes": account["peak_bytes"],
        "bytes": account["bytes"],
        "find": found,
    }


def main() -> None:
    options = parser(__doc__, repetitions=3)
    options.add_argument("--cost", type=int, help="only four-qubit Cliffords, up to this number of CX gates, with 4 GiB")
    arguments = options.parse_args()
    if arguments.smoke:
        arguments.repetitions = 1
    neighbours = Neighbours()
    with workplace(arguments) as (directory, program):
        command = Enumerate(program, directory)
        if arguments.cost:
            recipe = ["--gates", "h,s,cx", "--qubits", 4, "--up-to", "pauli", "--cost", "cx=1", "--max-cost", arguments.cost]
            account = command.timed(directory / "four.db", *recipe, "--memory", "4GiB")
            by_cost = [0] * (arguments.cost + 1)
            for level in qorpus.open(directory / "four.db").levels:
                by_cost[level.cost] += len(level.ids)
            keep("tableaus_long", arguments, {**account, "by_cost": by_cost}, neighbours)
            return
        section = {"groups": {name: timed(command, name, arguments) for name in GROUPS}}
    keep("tableaus", arguments, section, neighbours)


if __name__ == "__main__":
    main()
