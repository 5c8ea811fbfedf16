"""Times enumerating distinct unitaries, in memory and spilled to disk, and looking unitaries up.

Counts are compared with another program's (distinct-counts.json: new unitaries at each length),
with the orders of the Clifford groups, and with 24 (3 2^k - 2) unitaries of T-count at most k
(Matsumoto and Amano, 2008). Corpora of one recipe must have the same content hash with any memory
limit. Circuits composed from two parts must equal the circuits of the longer enumeration.

    target/package/bin/python benches/distinct.py             # a part of scripts/bench
    target/package/bin/python benches/distinct.py --long 16   # three-qubit Cliffords, 16 letters
"""

import argparse
import contextlib
import json
import os
import pty
import random
import re
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import qorpus
from harness import Neighbours, account_of, keep, parser, summary, workplace

COUNTS = Path(__file__).with_name("distinct-counts.json")
GATES = "h,t,tdg,cx"
#: Letters of GATES on two qubits.
LETTERS = 8


class Enumerate:
    """The command `qorpus distinct`, with an account of each run."""

    def __init__(self, program: Path, directory: Path) -> None:
        self.program, self.directory = program, directory

    def timed(self, path: Path, *options: object) -> dict:
        """Return a process's account, its levels, and the most bytes it had on the disk."""
        command = [self.program, "distinct", path, "--quiet", "--durability", "full", *options]
        most = 0
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(account_of, command)
            while not wait([running], timeout=0.2).done:
                most = max(most, on_disk(path))
        account, corpus = running.result(), qorpus.open(path)
        levels = [len(level.ids) for level in corpus.levels]
        return {
            "options": " ".join(map(str, options)),
            "seconds": round(account["seconds"], 3),
            "processor_seconds": round(account["user"] + account["system"], 3),
            "peak_bytes": account["peak_bytes"],
            "bytes": path.stat().st_size,
            "most_bytes_on_disk": max(most, path.stat().st_size),
            "records": len(corpus),
            "levels": levels,
            "content_hash": corpus.content_hash,
        }


def on_disk(path: Path) -> int:
    """Return the bytes of a corpus's files, including its temporary files."""
    size = 0
    for file in [path, *path.parent.glob(f"{path.name}-*"), *path.parent.glob(f"{path.name}-distinct/*")]:
        with contextlib.suppress(FileNotFoundError):
            size += file.stat().st_size
    return size


def candidates(levels: list[int]) -> int:
    """Return the number of products of an element with a letter, including the skipped ones."""
    return sum(levels[:-1]) * LETTERS


def checked(command: Enumerate, options: list, expected: list[int] | int) -> dict:
    """Check an enumeration against counts by length, by T-count, or in all; return its account."""
    path = command.directory / "reference.db"
    account = command.timed(path, "--memory", "4GiB", *options)
    if isinstance(expected, list):
        assert account["levels"] == expected, f"{options}: {account['levels']}"
    elif "--cost" in options:
        corpus = qorpus.open(path)
        for cost in range(expected + 1):
            known = sum(len(level.ids) for level in corpus.levels if level.cost <= cost)
            assert known == 24 * (3 * 2**cost - 2), f"{known} of T-count at most {cost}"
    else:
        # The last level of a whole group is empty.
        assert (account["records"], account["levels"][-1]) == (expected, 0), f"{options}: {account['records']}"
    path.unlink()
    print(f"{account['options']}: {account['records']} in {account['seconds']} s", file=sys.stderr)
    return account


def reference(command: Enumerate, smoke: bool) -> list[dict]:
    """Check all counts of another program, the orders of groups, and the T-counts."""
    accounts = []
    for row in json.loads(COUNTS.read_text()):
        expected = row["new_by_length"] + [0] * row.get("end", False)
        options = ["--gates", ",".join(row["gates"]), "--qubits", row["qubits"], "--max-length", len(expected) - 1]
        options += ["--up-to", {"mod": "phase", "exact": "nothing"}[row["phase"]]]
        if not smoke or sum(expected) < 20_000:
            accounts.append(checked(command, options, expected))
    for qubits, order in [(1, 24), (2, 11_520)]:
        accounts.append(checked(command, group(qubits), order))
    most = 6 if smoke else 12
    options = ["--gates", "h,s,t", "--qubits", 1, "--cost", "t=1", "--max-cost", most]
    return [*accounts, checked(command, options, most)]


def group(qubits: int) -> list:
    return ["--gates", "clifford", "--qubits", qubits, "--max-length", 100]


def speed(command: Enumerate, arguments: argparse.Namespace, path: Path) -> dict:
    """Time a corpus in memory, spilled to disk, and on all cores; keep the last at `path`."""
    recipe = ["--gates", GATES, "--qubits", 2, "--max-length", arguments.length]
    ways = {
        "one core, 4 GiB": ["--jobs", 1, "--memory", "4GiB"],
        "one core, 64 MiB": ["--jobs", 1, "--memory", "64MiB"],
        "all cores, 4 GiB": ["--memory", "4GiB"],
    }
    accounts: dict[str, list[dict]] = {}
    for _ in range(arguments.repetitions):
        for way, options in ways.items():
            path.unlink(missing_ok=True)
            accounts.setdefault(way, []).append(command.timed(path, *recipe, *options))
            print(f"{way}: {accounts[way][-1]['seconds']} s", file=sys.stderr)
    hashes = {account["content_hash"] for runs in accounts.values() for account in runs}
    assert len(hashes) == 1, "a corpus depends on how it was made"
    levels = next(iter(accounts.values()))[0]["levels"]
    return {
        "recipe": " ".join(map(str, recipe)),
        "levels": levels,
        "candidates": candidates(levels),
        "runs": {
            way: {
                "candidates_per_second": summary([candidates(levels) / account["seconds"] for account in runs]),
                "peak_bytes": max(account["peak_bytes"] for account in runs),
                "bytes": runs[0]["bytes"],
                "most_bytes_on_disk": max(account["most_bytes_on_disk"] for account in runs),
            }
            for way, runs in accounts.items()
        },
    }


def phases(command: Enumerate, arguments: argparse.Namespace, memory: str) -> dict:
    """Return each phase's seconds, processor seconds, and those of the thread that commits, on all cores.

    The phase is read from the bar, which is drawn twenty times a second.
    """
    path = command.directory / "phases.db"
    bar, terminal = pty.openpty()
    options = ["--gates", GATES, "--qubits", 2, "--max-length", arguments.length, "--memory", memory, "--durability", "full"]
    words = [command.program, "distinct", path, *options]
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL, stderr=terminal, env=os.environ | {"TERM": "xterm"})
    os.close(terminal)

    def clocks() -> list[float]:
        """Return the clock, and what the process and its first thread have used of the processors."""
        # The name that Linux gives another process's clock: clock_getcpuclockid(3).
        used = time.clock_gettime((~process.pid << 3) | 2)
        first = int(Path(f"/proc/{process.pid}/task/{process.pid}/schedstat").read_text().split()[0]) / 1e9
        return [time.perf_counter(), used, first]

    spent, phase, before = {name: [0.0, 0.0, 0.0] for name in ("expanding", "merging", "ordering")}, "expanding", clocks()

    def add() -> list[float]:
        """Add what the phase has taken since the clocks were read."""
        now = clocks()
        spent[phase] = [total + end - start for total, end, start in zip(spent[phase], now, before)]
        return now

    def drawn() -> str:
        """Return what was drawn of the bar, or nothing at the end, where a terminal fails."""
        with contextlib.suppress(OSError):
            return os.read(bar, 1 << 16).decode(errors="replace")
        return ""

    while text := drawn():
        before, phase = add(), (re.findall("|".join(spent), text) or [phase])[-1]
    # The process has ended, but its clocks are still there.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    add()
    assert process.wait() == 0, f"{words}: status {process.returncode}"
    os.close(bar)
    path.unlink()
    names = ("seconds", "processor_seconds", "committing_seconds")
    return {name: dict(zip(names, (round(value, 3) for value in values))) for name, values in spent.items()}


def lookups(command: Enumerate, arguments: argparse.Namespace, path: Path) -> dict:
    """Time `find` of stored records, and of circuits twice as long as a corpus has."""
    chance, large = random.Random(1), qorpus.open(path)
    ids = [chance.randrange(len(large)) for _ in range(50 if arguments.smoke else 1000)]
    stored = []
    for id in ids:
        unitary = large[id].unitary
        start = time.perf_counter()
        record = large.find(unitary)
        stored.append((time.perf_counter() - start) * 1e3)
        assert record.id == id
    half = command.directory / "half.db"
    command.timed(half, "--gates", GATES, "--qubits", 2, "--max-length", arguments.length // 2)
    small, met, lengths = qorpus.open(half), [], []
    alphabet = list(large.letters)
    for _ in range(10 if arguments.smoke else 100):
        circuit = [chance.choice(alphabet) for _ in range(arguments.length)]
        expected = large.find("; ".join(circuit))
        start = time.perf_counter()
        shortest = small.find("; ".join(circuit), further=True)
        met.append((time.perf_counter() - start) * 1e3)
        assert shortest.circuit == expected.circuit, circuit
        lengths.append(len(shortest.circuit))
    half.unlink()

    def quantiles(values: list[float]) -> dict:
        cuts = statistics.quantiles(values, n=100)
        return {"median": round(cuts[49], 4), "p99": round(cuts[98], 4), "most": round(max(values), 3)}

    return {
        "records": len(large),
        "stored_milliseconds": quantiles(stored),
        "from_two_milliseconds": quantiles(met),
        "from_two": len(met),
        "from_two_lengths": {length: lengths.count(length) for length in sorted(set(lengths))},
    }


def main() -> None:
    options = parser(__doc__, repetitions=2)
    options.add_argument("--length", type=int, default=12, help="letters of the circuits of the timed corpus")
    options.add_argument("--long", type=int, help="time only three-qubit Cliffords and circuits of this length, with 4 GiB")
    arguments = options.parse_args()
    if arguments.smoke:
        arguments.length, arguments.repetitions = 6, 1
    neighbours = Neighbours()
    with workplace(arguments) as (directory, program):
        command, path = Enumerate(program, directory), directory / "c.db"
        if arguments.long:
            recipe = ["--gates", GATES, "--qubits", 2, "--max-length", arguments.long]
            long = {"three-qubit Cliffords": checked(command, group(3), 92_897_280)}
            long[f"circuits of {arguments.long} letters"] = command.timed(path, *recipe, "--memory", "4GiB")
            keep("distinct_long", arguments, {"runs": long}, neighbours)
            return
        section = {"speed": speed(command, arguments, path), "find": lookups(command, arguments, path)}
        path.unlink()
        section["phases"] = {way: phases(command, arguments, way.replace(" ", "")) for way in ("4 GiB", "64 MiB")}
        section["reference"] = reference(command, arguments.smoke)
    keep("distinct", arguments, section, neighbours)


if __name__ == "__main__":
    main()
