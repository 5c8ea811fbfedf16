"""Times the original program (original.py) beside `qorpus generate`: one workload, disk and run.

They take turns with the original program whose SQL is a Writer
(examples/multiprocessing_writer.py). A sample of each file is checked against NumPy products. The
disk alone is timed with the same bytes.

    target/package/bin/python benches/baseline.py          # after scripts/test or scripts/bench
"""

import argparse
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import qorpus
from disk import written
from original import LONGEST, SHORTEST, letters
from harness import ROOT, Neighbours, keep, parser, summary, workplace

GATES = {1: "h,s,t", 2: "h,s,t,cx"}
SAMPLE = 200


def sampled_ids(records: int) -> list[int]:
    return sorted({0, records - 1, *random.sample(range(records), SAMPLE)})


def check(circuit: list[str], unitary: np.ndarray, matrices: dict[str, np.ndarray], qubits: int) -> None:
    """Check that a unitary is the product of its letters in time order, and their number."""
    product = np.eye(2**qubits, dtype=complex)
    for letter in circuit:
        product = matrices[letter] @ product
    assert SHORTEST <= len(circuit) <= LONGEST and np.abs(product - unitary).max() < 1e-12, circuit


def program(script: str, *options: object) -> float:
    """Return the rows a second that a program reports."""
    os.sync()
    command = [sys.executable, ROOT / script, *map(str, options)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    found = re.search(r"(\d+) rows/s", result.stdout)
    assert found, result.stdout
    return float(found[1])


def with_a_writer(path: Path, qubits: int, rows: int, processes: int) -> float:
    """Time the original program with its SQL replaced by a Writer, which loses nothing."""
    options = ["--rows", rows, "--qubits", qubits, "--processes", processes]
    rate = program("examples/multiprocessing_writer.py", path, *options)
    corpus, matrices = qorpus.open(path), letters(qubits)
    assert len(corpus) == rows
    for record in corpus[sampled_ids(rows)]:
        check(list(record.circuit), record.unitary, matrices, qubits)
    return rate


def original(path: Path, qubits: int, rows: int, processes: int) -> float:
    """Time the original program, and check a sample of its rows."""
    options = ["--db", path, "--rows", rows, "--qubits", qubits, "--processes", processes]
    rate = program("benches/original.py", *options)
    connection, matrices = sqlite3.connect(path), letters(qubits)
    assert connection.execute("SELECT count(*) FROM unitaries").fetchone() == (rows,)
    for row in sampled_ids(rows):
        text, blob = connection.execute("SELECT circuit, unitary FROM unitaries WHERE id = ?", (row,)).fetchone()
        unitary = np.frombuffer(blob, dtype=complex).reshape(2**qubits, 2**qubits)
        check(text.split("; "), unitary, matrices, qubits)
    connection.close()
    return rate


def generated(program: Path, path: Path, qubits: int, records: int, jobs: int, stored: bool) -> tuple[float, int]:
    """Return records a second of a whole process, and the file's bytes; check a sample."""
    recipe = ["--gates", GATES[qubits], "--qubits", qubits, "--random", records, "--length", f"{SHORTEST}..{LONGEST}"]
    columns = [] if stored else ["--no-unitaries"]
    command = [program, "generate", path, *recipe, *columns, "--jobs", jobs, "--durability", "full", "--quiet"]
    os.sync()
    start = time.perf_counter()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE)
    seconds = time.perf_counter() - start
    facts = json.loads(subprocess.run([program, "info", path, "--json"], check=True, capture_output=True).stdout)
    assert facts["complete"] and facts["records"] == records
    ids, matrices = sampled_ids(records), letters(qubits)
    shown = subprocess.run([program, "show", path, *map(str, ids), "--json"], check=True, capture_output=True)
    lines = shown.stdout.splitlines()
    assert len(lines) == len(ids)
    for line in lines:
        record = json.loads(line)
        check(record["circuit"], np.array(record["unitary"]) @ [1, 1j], matrices, qubits)
    return records / seconds, path.stat().st_size


def measure(arguments: argparse.Namespace, qubits: int, directory: Path, command: Path) -> dict:
    """Time all ways on one workload, in turns."""
    stored_records = arguments.stored // (1 if qubits == 1 else 4)
    rates = {"original": [], "original with a Writer": [], "qorpus stored": [], "qorpus derived": []}
    disk_rates, sizes = [], {}
    for repetition in range(arguments.repetitions):
        print(f"{qubits} qubit(s), repetition {repetition + 1} of {arguments.repetitions}", file=sys.stderr)
        path = directory / "rows.db"
        for name, run in [("original", original), ("original with a Writer", with_a_writer)]:
            rates[name].append(run(path, qubits, arguments.rows, arguments.jobs))
            path.unlink()
        for name, records in [("qorpus stored", stored_records), ("qorpus derived", arguments.derived)]:
            path = directory / "made.db"
            rate, size = generated(command, path, qubits, records, arguments.jobs, name == "qorpus stored")
            rates[name].append(rate)
            sizes[name] = {"records": records, "bytes": size}
            if name == "qorpus stored":
                disk_rates.append(written(directory / "bytes", path.read_bytes()))
            path.unlink()
    return {
        "qubits": qubits,
        "gates": GATES[qubits],
        "length": [SHORTEST, LONGEST],
        "original_rows": arguments.rows,
        "qorpus_sizes": sizes,
        "records_per_second": {name: summary(values) for name, values in rates.items()},
        "disk_bytes_per_second": summary(disk_rates),
    }


def main() -> None:
    options = parser(__doc__, repetitions=5)
    options.add_argument("--rows", type=int, default=200_000, help="rows of the original program")
    options.add_argument("--stored", type=int, default=20_000_000, help="records with unitaries; a quarter on 2 qubits")
    options.add_argument("--derived", type=int, default=100_000_000, help="records without unitaries")
    options.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes of the one, threads of the other")
    arguments = options.parse_args()
    if arguments.smoke:
        arguments.rows, arguments.stored, arguments.derived, arguments.repetitions = 2000, 20_000, 20_000, 1

    neighbours = Neighbours()
    with workplace(arguments) as (directory, command):
        workloads = [measure(arguments, qubits, directory, command) for qubits in [1, 2]]
    keep("baseline", arguments, {"jobs": arguments.jobs, "workloads": workloads}, neighbours)


if __name__ == "__main__":
    main()
