"""Times the original program (original.py) beside `qorpus generate` on one workload, on one disk, in one run.

Alternates them several times, checks a sample of what each has written against NumPy products, measures what the
disk itself takes for the same bytes, prints a table and keeps a record under benches/record.

    .venv/bin/python benches/baseline.py
"""

import argparse
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from original import LONGEST, SHORTEST, letters
from surroundings import ROOT, Neighbours, keep, machine, summary

BUILT = ROOT / "target" / "release" / "qorpus"
GATES = {1: "h,s,t", 2: "h,s,t,cx"}
SAMPLE = 200


def sampled_ids(records: int) -> list[int]:
    return sorted({0, records - 1, *random.sample(range(records), SAMPLE)})


def check(circuit: list[str], unitary: np.ndarray, matrices: dict[str, np.ndarray], qubits: int) -> None:
    """The answer that is being timed: the product of the letters in time order, exactly as long as promised."""
    product = np.eye(2**qubits, dtype=complex)
    for letter in circuit:
        product = matrices[letter] @ product
    assert SHORTEST <= len(circuit) <= LONGEST and np.abs(product - unitary).max() < 1e-12, circuit


def timed(command: list) -> float:
    """Wall time of a whole process; what was written before is on the disk when it starts."""
    os.sync()
    start = time.perf_counter()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE)
    return time.perf_counter() - start


def original(path: Path, qubits: int, rows: int, processes: int) -> float:
    """Rows a second of the original program, as it reports them, after checking a sample of its rows."""
    command = [sys.executable, Path(__file__).with_name("original.py")]
    options = ["--db", path, "--rows", rows, "--qubits", qubits, "--processes", processes]
    os.sync()
    result = subprocess.run([*map(str, command + options)], check=True, capture_output=True, text=True)
    rate = float(re.search(r"(\d+) rows/s", result.stdout).group(1))
    connection, matrices = sqlite3.connect(path), letters(qubits)
    assert connection.execute("SELECT count(*) FROM unitaries").fetchone() == (rows,)
    for row in sampled_ids(rows):
        text, blob = connection.execute("SELECT circuit, unitary FROM unitaries WHERE id = ?", (row,)).fetchone()
        unitary = np.frombuffer(blob, dtype=complex).reshape(2**qubits, 2**qubits)
        check(text.split("; "), unitary, matrices, qubits)
    connection.close()
    return rate


def qorpus(program: Path, path: Path, qubits: int, records: int, jobs: int, stored: bool) -> tuple[float, int]:
    """Records a second, start and end of the process included, and the file's bytes, after checking a sample."""
    recipe = ["--gates", GATES[qubits], "--qubits", qubits, "--random", records, "--length", f"{SHORTEST}..{LONGEST}"]
    columns = [] if stored else ["--no-unitaries"]
    command = [program, "generate", path, *recipe, *columns, "--jobs", jobs, "--durability", "full", "--quiet"]
    seconds = timed(command)
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


def disk(path: Path, data: bytes) -> float:
    """Bytes a second that the disk takes at its best: these bytes in sequence, then fsync, twice.

    A virtual disk may be several times slower where it has never been written before than where it has.
    """
    view, step, rates = memoryview(data), 8 << 20, []
    for _ in range(2):
        os.sync()
        start = time.perf_counter()
        with open(path, "wb", buffering=0) as file:
            for at in range(0, len(view), step):
                file.write(view[at : at + step])
            os.fsync(file.fileno())
        rates.append(len(view) / (time.perf_counter() - start))
        path.unlink()
    return max(rates)


def measure(arguments: argparse.Namespace, qubits: int, directory: Path, program: Path) -> dict:
    """All ways on one workload, taking turns."""
    stored_records = arguments.stored // (1 if qubits == 1 else 4)
    rates = {"original": [], "qorpus stored": [], "qorpus derived": []}
    disk_rates, sizes, neighbours = [], {}, Neighbours()
    for repetition in range(arguments.repetitions):
        print(f"{qubits} qubit(s), repetition {repetition + 1} of {arguments.repetitions}", file=sys.stderr)
        path = directory / "original.db"
        rates["original"].append(original(path, qubits, arguments.rows, arguments.jobs))
        path.unlink()
        for name, records in [("qorpus stored", stored_records), ("qorpus derived", arguments.derived)]:
            path = directory / "made.db"
            rate, size = qorpus(program, path, qubits, records, arguments.jobs, name == "qorpus stored")
            rates[name].append(rate)
            sizes[name] = {"records": records, "bytes": size}
            if name == "qorpus stored":
                disk_rates.append(disk(directory / "bytes", path.read_bytes()))
            path.unlink()
    return {
        "qubits": qubits,
        "gates": GATES[qubits],
        "length": [SHORTEST, LONGEST],
        "original_rows": arguments.rows,
        "qorpus_sizes": sizes,
        "records_per_second": {name: summary(values) for name, values in rates.items()},
        "disk_bytes_per_second": summary(disk_rates),
        "cpu_share_of_others": neighbours.share(),
    }


def table(workloads: list[dict]) -> str:
    """Rates in millions of records a second, and as ratios of medians to the original."""
    lines = [f"{'':34} {'median':>9} {'min':>9} {'max':>9} {'ratio':>7}"]
    for workload in workloads:
        rates, disk_rate = workload["records_per_second"], workload["disk_bytes_per_second"]
        base = rates["original"]["median"]
        for name, rate in rates.items():
            columns = " ".join(f"{rate[key] / 1e6:9.3f}" for key in ["median", "min", "max"])
            lines.append(f"{workload['qubits']} qubit(s)  {name + ', M/s':21} {columns} {rate['median'] / base:7.1f}")
        stored = workload["qorpus_sizes"]["qorpus stored"]
        written = rates["qorpus stored"]["median"] * stored["bytes"] / stored["records"]
        columns = " ".join(f"{disk_rate[key] / 1e6:9.0f}" for key in ["median", "min", "max"])
        share = f"{written / disk_rate['median']:.0%} of it by qorpus stored"
        lines.append(f"{workload['qubits']} qubit(s)  {'disk alone, MB/s':21} {columns}    {share}")
        others = workload["cpu_share_of_others"]
        warning = "; repeat it on a quiet machine" if others > 0.1 else ""
        lines.append(f"{workload['qubits']} qubit(s)  {others:.0%} of the processors were used by others{warning}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the original program")
    parser.add_argument("--stored", type=int, default=20_000_000, help="records with unitaries; a quarter on 2 qubits")
    parser.add_argument("--derived", type=int, default=100_000_000, help="records without unitaries")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes of the one, threads of the other")
    parser.add_argument("--directory", type=Path, default=ROOT / "target", help="on the disk to measure")
    parser.add_argument("--no-record", action="store_true", help="print the table only")
    arguments = parser.parse_args()

    facts = machine(arguments.directory)
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        # A build in the meantime must not change what is being timed.
        program = Path(shutil.copy2(BUILT, name))
        workloads = [measure(arguments, qubits, Path(name), program) for qubits in [1, 2]]
    print(table(workloads))
    if not arguments.no_record:
        version = subprocess.run([BUILT, "--version"], check=True, capture_output=True, text=True).stdout.strip()
        record = {"qorpus": version, "jobs": arguments.jobs, "repetitions": arguments.repetitions}
        keep("baseline", facts, record | {"workloads": workloads})


if __name__ == "__main__":
    main()
