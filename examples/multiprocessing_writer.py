"""A pool of processes that multiply NumPy matrices and write them to one corpus.

This is `benches/original.py` without its SQLite code: no connections, pragmas, SQL or commits. When
the pool is done, all records survive a power cut. The matrices are computed as before.

    python examples/multiprocessing_writer.py mine.db --rows 200000
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import random
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import qorpus

SHORTEST, LONGEST = 5, 14
GATES = {1: ["h", "s", "t"], 2: ["h", "s", "t", "cx"]}


def letters(qubits: int) -> dict[str, NDArray[Any]]:
    """Return the matrices of the gates on every placement; qubit 0 is the most significant bit."""
    root = np.sqrt(0.5)
    one = {
        "h": np.array([[root, root], [root, -root]], dtype=complex),
        "s": np.diag([1, 1j]),
        "t": np.diag([1, np.exp(0.25j * np.pi)]),
    }
    placed = {}
    for name, qubit in itertools.product(one, range(qubits)):
        left, right = np.eye(2**qubit), np.eye(2 ** (qubits - 1 - qubit))
        placed[f"{name} {qubit}"] = np.kron(np.kron(left, one[name]), right)
    if qubits == 2:
        placed["cx 0 1"] = np.eye(4, dtype=complex)[[0, 1, 3, 2]]
        placed["cx 1 0"] = np.eye(4, dtype=complex)[[0, 3, 2, 1]]
    return placed


def fill(work: tuple[str, int, int]) -> int:
    """Append records in one process; return the number of durable records."""
    path, qubits, rows = work
    matrices = letters(qubits)
    names = list(matrices)
    with qorpus.Writer(path, gates=GATES[qubits], qubits=qubits) as writer:
        for _ in range(rows):
            circuit = [random.choice(names) for _ in range(random.randint(SHORTEST, LONGEST))]
            unitary = np.eye(2**qubits, dtype=complex)
            for letter in circuit:
                unitary = matrices[letter] @ unitary
            writer.append(circuit, unitary)
        return writer.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="?", default="mine.db", help="the corpus to create or append to")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--qubits", type=int, choices=[1, 2], default=1)
    arguments = parser.parse_args()

    start = time.perf_counter()
    cuts = [arguments.rows * part // arguments.processes for part in range(arguments.processes + 1)]
    work = [(arguments.path, arguments.qubits, end - first) for first, end in zip(cuts, cuts[1:])]
    with multiprocessing.Pool(arguments.processes) as pool:
        rows = sum(pool.map(fill, work))
    seconds = time.perf_counter() - start
    print(f"{rows} rows, {seconds:.3f} s, {rows / seconds:.0f} rows/s")

    corpus = qorpus.open(arguments.path)
    record = corpus[-1]                                     # one record, by its id
    print(f"{len(corpus)} records; the last one is {'; '.join(record.circuit)}")
    print(record.unitary)
    batch = corpus.unitaries(slice(0, 1000))                # a thousand unitaries as one array
    print(f"a batch: shape {batch.shape}, {batch.dtype}")


if __name__ == "__main__":
    main()
