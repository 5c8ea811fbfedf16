"""The original approach, to which every speed claim is a ratio: a pool, NumPy products, SQL rows.

Each process opens one SQLite file with Python's own sqlite3 (write-ahead log, synchronous off),
draws circuits of 5 to 14 gates uniformly from h, s, t on one qubit (and cx on two), multiplies the
matrices in time order starting from the identity, inserts the circuit as text and the unitary as
bytes, and commits every 1000 rows.
"""

import argparse
import itertools
import multiprocessing
import random
import sqlite3
import time

import numpy as np

SHORTEST, LONGEST = 5, 14
ROWS_OF_A_COMMIT = 1000
SCHEMA = "CREATE TABLE IF NOT EXISTS unitaries (id INTEGER PRIMARY KEY, circuit TEXT, unitary BLOB)"


def letters(qubits: int) -> dict[str, np.ndarray]:
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


def fill(work: tuple[str, int, int, int]) -> int:
    """Make the rows with these ids in one process; return how many were committed."""
    path, qubits, first, end = work
    connection = sqlite3.connect(path, timeout=600)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")
    matrices = letters(qubits)
    names = list(matrices)
    for row in range(first, end):
        circuit = [random.choice(names) for _ in range(random.randint(SHORTEST, LONGEST))]
        unitary = np.eye(2**qubits, dtype=complex)
        for letter in circuit:
            unitary = matrices[letter] @ unitary
        connection.execute("INSERT INTO unitaries VALUES (?, ?, ?)", (row, "; ".join(circuit), unitary.tobytes()))
        if (row - first) % ROWS_OF_A_COMMIT == ROWS_OF_A_COMMIT - 1:
            connection.commit()
    connection.commit()
    connection.close()
    return end - first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", required=True, help="the file to make")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--qubits", type=int, choices=[1, 2], default=1)
    arguments = parser.parse_args()

    start = time.perf_counter()
    connection = sqlite3.connect(arguments.db)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(SCHEMA)
    connection.close()
    cuts = [arguments.rows * part // arguments.processes for part in range(arguments.processes + 1)]
    work = [(arguments.db, arguments.qubits, *ids) for ids in zip(cuts, cuts[1:])]
    with multiprocessing.Pool(arguments.processes) as pool:
        rows = sum(pool.map(fill, work))
    seconds = time.perf_counter() - start
    print(f"{rows} rows, {seconds:.3f} s, {rows / seconds:.0f} rows/s")


if __name__ == "__main__":
    main()
