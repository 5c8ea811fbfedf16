"""Times `qorpus generate` by threads, by processes on one file, and by records, beside the machine.

The workload is the baseline's: one qubit, h s t, 5 to 14 letters; and, where noted, ten letters of
clifford+t. Every corpus must be complete, and all of one recipe must have the same content hash.

The cost of a record in one thread, in memory, gives a model of larger machines and faster disks.
The model states which of its numbers are measured and which are assumed.

    target/package/bin/python benches/scaling.py          # after scripts/test or scripts/bench
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from disk import written
from original import LONGEST, SHORTEST
from harness import Neighbours, account_of, keep, parser, summary, workplace

WORKLOAD = ["--gates", "h,s,t", "--qubits", "1", "--length", f"{SHORTEST}..{LONGEST}"]
TEN_LETTERS = ["--gates", "clifford+t", "--qubits", "1", "--length", "10"]
COLUMNS = {"stored": [], "derived": ["--no-unitaries"]}
PROCESSES = (1, 2, 4, 8, 16, 32, 64)
#: Cores and disks of the model; only this machine's disk is measured.
MODEL_CORES = (1, 2, 4, 8, 16, 32, 64)

#: Threads of a job that builds a directory, and its shards.
DIRECTORY_JOBS, SHARDS = (1, 2, 4), 16
ASSUMED_DISKS = {"a SATA SSD": 0.5e9, "an NVMe disk": 3e9, "a fast NVMe disk": 7e9}


class Generate:
    """The command `qorpus generate`; each corpus is compared with others of its recipe."""

    def __init__(self, program: Path) -> None:
        self.program = program
        #: Content hashes by recipe and number of records.
        self.hashes: dict[str, str] = {}

    def arguments(self, path: Path, records: int, recipe: list[str], *options: object) -> list[str]:
        command = [self.program, "generate", path, *recipe, "--random", records, "--durability", "full", "--quiet"]
        return list(map(str, [*command, *options]))

    def timed(self, path: Path, records: int, recipe: list[str], *options: object) -> dict:
        """Return the account of one process, with the size of the file."""
        os.sync()
        account = account_of(self.arguments(path, records, recipe, *options))
        return account | {"bytes": self.checked(path, records, recipe)}

    def timed_processes(self, count: int, path: Path, records: int, recipe: list[str]) -> float:
        """Return the records a second of processes on one file, until the last ends."""
        command = self.arguments(path, records, recipe)
        os.sync()
        start = time.perf_counter()
        processes = [subprocess.Popen(command) for _ in range(count)]
        assert [process.wait() for process in processes] == [0] * count
        seconds = time.perf_counter() - start
        self.checked(path, records, recipe)
        return records / seconds

    def checked(self, path: Path, records: int, recipe: list[str]) -> int:
        """Check that a corpus has the records of other runs; remove it, return its size."""
        shown = subprocess.run([self.program, "info", path, "--json"], check=True, capture_output=True)
        info = json.loads(shown.stdout)
        assert info["complete"] and info["records"] == records
        name = f"{records} {' '.join(recipe)}"
        assert self.hashes.setdefault(name, info["content_hash"]) == info["content_hash"], f"{name} differs from before"
        if path.is_dir():
            size = sum(shard.stat().st_size for shard in path.glob("*.db"))
            shutil.rmtree(path)
            return size
        size = path.stat().st_size
        path.unlink()
        return size


def columns_of(arguments: argparse.Namespace) -> dict[str, tuple[list[str], int]]:
    """Return recipe and number of records of corpora with unitaries and without."""
    records = {"stored": arguments.stored, "derived": arguments.derived}
    return {name: ([*WORKLOAD, *options], records[name]) for name, options in COLUMNS.items()}


def by_count(arguments: argparse.Namespace, counts: Iterable[int], rate: Callable[[int, int, list[str]], float]) -> dict:
    """Summarize rates by column and by how many work at a time."""
    rates: dict[str, dict[str, list[float]]] = {}
    for _ in range(arguments.repetitions):
        for name, (recipe, records) in columns_of(arguments).items():
            for count in counts:
                rates.setdefault(name, {}).setdefault(str(count), []).append(rate(count, records, recipe))
    return {name: {count: summary(values) for count, values in found.items()} for name, found in rates.items()}


def threads(command: Generate, arguments: argparse.Namespace, directory: Path) -> dict:
    def rate(jobs: int, records: int, recipe: list[str]) -> float:
        return records / command.timed(directory / "c.db", records, recipe, "--jobs", jobs)["seconds"]

    return by_count(arguments, range(1, (os.cpu_count() or 1) + 1), rate)


def processes(command: Generate, arguments: argparse.Namespace, directory: Path) -> dict:
    def rate(count: int, records: int, recipe: list[str]) -> float:
        return command.timed_processes(count, directory / "c.db", records, recipe)

    return by_count(arguments, PROCESSES, rate)


def directories(command: Generate, arguments: argparse.Namespace, _: Path) -> dict:
    """Measure a directory in memory by threads, in records a second of processor time."""

    def rate(jobs: int, records: int, recipe: list[str]) -> float:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
            account = command.timed(Path(place), records, recipe, "--jobs", jobs, "--shard", records // SHARDS)
        return records / (account["user"] + account["system"])

    return by_count(arguments, DIRECTORY_JOBS, rate)


def sizes(command: Generate, arguments: argparse.Namespace, directory: Path) -> dict:
    """Measure rate and peak memory of one process by the number of records."""
    found: dict[str, list[dict]] = {}
    for name, largest in [("derived", arguments.largest), ("stored", arguments.largest // 10)]:
        records = min(100_000, largest)
        while records <= largest:
            recipe = [*WORKLOAD, *COLUMNS[name]]
            # A long run is not repeated: it is an average by itself.
            repetitions = arguments.repetitions if records <= 10_000_000 else 1
            accounts = [command.timed(directory / "c.db", records, recipe) for _ in range(repetitions)]
            row = {
                "records": records,
                "records_per_second": summary([records / account["seconds"] for account in accounts]),
                "peak_bytes": max(account["peak_bytes"] for account in accounts),
                "bytes_per_record": round(accounts[0]["bytes"] / records, 3),
            }
            found.setdefault(name, []).append(row)
            print(f"{name}, {records} records", file=sys.stderr)
            records *= 10
    return found


def ten_letters(command: Generate, arguments: argparse.Namespace, directory: Path) -> dict:
    """Measure circuits of ten letters without unitaries, on one core and on all."""
    recipe, rates, accounts = [*TEN_LETTERS, "--no-unitaries"], {"one core": [], "all cores": []}, []
    cores = os.sched_getaffinity(0)
    for _ in range(arguments.repetitions):
        os.sched_setaffinity(0, {max(cores)})
        accounts.append(command.timed(directory / "c.db", arguments.derived, recipe, "--jobs", 1))
        os.sched_setaffinity(0, cores)
        rates["one core"].append(arguments.derived / accounts[-1]["seconds"])
        account = command.timed(directory / "c.db", arguments.derived, recipe)
        rates["all cores"].append(arguments.derived / account["seconds"])
    return {
        "records": arguments.derived,
        "records_per_second": {name: summary(values) for name, values in rates.items()},
        "bytes_per_record": round(accounts[0]["bytes"] / arguments.derived, 3),
    }


def limits(command: Generate, arguments: argparse.Namespace, directory: Path) -> dict:
    """Measure the machine's own rates for the bytes of the stored corpus."""
    recipe, records = columns_of(arguments)["stored"]
    path = directory / "c.db"
    subprocess.run(command.arguments(path, records, recipe), check=True)
    data = path.read_bytes()
    path.unlink()
    array = np.frombuffer(data, np.uint8)
    copy = np.empty_like(array)
    # Touch its pages before they are timed.
    copy[:] = array
    rates: dict[str, list[float]] = {"write and fsync": [], "np.save and fsync": [], "memory, copied": []}
    for _ in range(arguments.repetitions):
        rates["write and fsync"].append(written(directory / "bytes", data))
        os.sync()
        start = time.perf_counter()
        with open(directory / "bytes.npy", "wb") as file:
            np.save(file, array)
            file.flush()
            os.fsync(file.fileno())
        rates["np.save and fsync"].append(len(data) / (time.perf_counter() - start))
        assert np.array_equal(np.load(directory / "bytes.npy", mmap_mode="r"), array)
        (directory / "bytes.npy").unlink()
        start = time.perf_counter()
        np.copyto(copy, array)
        # Each byte is read and written.
        rates["memory, copied"].append(2 * len(data) / (time.perf_counter() - start))
    return {"bytes": len(data), "bytes_per_second": {name: summary(values) for name, values in rates.items()}}


def model(command: Generate, arguments: argparse.Namespace, disk: float) -> dict:
    """Model the limits with more cores and other disks.

    Measured: the cost of a record for the threads that compute and the one that commits, in
    /dev/shm, and its bytes. Assumed: cores do not disturb each other, only the committing thread
    of a file is serial, and the disks. A directory has a file at a time for every two cores.
    """
    disks = {"this disk, measured": disk, **ASSUMED_DISKS}
    found: dict = {"disks": disks, "assumed_disks": list(ASSUMED_DISKS), "cores": list(MODEL_CORES), "columns": {}}
    for name, (recipe, records) in columns_of(arguments).items():
        computing, committing, bytes_per_record = [], [], 0.0
        for _ in range(arguments.repetitions):
            with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
                account = command.timed(Path(directory) / "c.db", records, recipe, "--jobs", 1)
            committing.append(account["first_thread"] / records)
            computing.append((account["user"] + account["system"] - account["first_thread"]) / records)
            bytes_per_record = account["bytes"] / records
        seconds = {"computing": summary(computing), "committing": summary(committing)}
        compute, commit = seconds["computing"]["median"], seconds["committing"]["median"]
        column = {"seconds_per_record": seconds, "bytes_per_record": bytes_per_record}
        for way, files in [("one file", lambda cores: 1), ("a directory", lambda cores: -(-cores // 2))]:
            rows = []
            for cores in MODEL_CORES:
                bounds = {"cores": cores / (compute + commit), "the committing thread": files(cores) / commit}
                rates = {}
                for title, rate in disks.items():
                    limit = min((*bounds.items(), ("the disk", rate / bytes_per_record)), key=lambda bound: bound[1])
                    rates[title] = {"records_per_second": float(f"{limit[1]:.4g}"), "bound_by": limit[0]}
                rows.append(rates)
            column.setdefault("ways", {})[way] = rows
        found["columns"][name] = column
    return found


def main() -> None:
    options = parser(__doc__, repetitions=3)
    options.add_argument("--stored", type=int, default=5_000_000, help="records with unitaries of the fixed work")
    options.add_argument("--derived", type=int, default=50_000_000, help="records without")
    largest = "records of the largest corpus; a tenth with unitaries"
    options.add_argument("--largest", type=int, default=100_000_000, help=largest)
    options.add_argument("--billion", action="store_true", help="--largest 1000000000")
    arguments = options.parse_args()
    if arguments.billion:
        arguments.largest = 1_000_000_000
    if arguments.smoke:
        arguments.stored, arguments.derived, arguments.largest, arguments.repetitions = 20_000, 20_000, 20_000, 1

    neighbours = Neighbours()
    with workplace(arguments) as (directory, program):
        command = Generate(program)
        section = {"workload": " ".join(WORKLOAD), "stored": arguments.stored, "derived": arguments.derived}
        parts = {"limits": limits, "threads": threads, "processes": processes, "directories": directories}
        for title, part in parts.items():
            print(title, file=sys.stderr)
            section[title] = part(command, arguments, directory)
        section["ten_letters"] = ten_letters(command, arguments, directory)
        section["sizes"] = sizes(command, arguments, directory)
        disk = section["limits"]["bytes_per_second"]["write and fsync"]["median"]
        section["model"] = model(command, arguments, disk)
    keep("scaling", arguments, section, neighbours)


if __name__ == "__main__":
    main()
