"""The harness of all benchmarks: options, the command, the machine, and the records.

Run as a program, it prints the name of the next record.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from tables import PARTS

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "benches" / "record"
#: Cargo's directory. A relative path starts at the root of the repository, where scripts run.
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
#: The command.
QORPUS = TARGET / "release" / "qorpus"


class Neighbours:
    """A measurement of the share of the processors that other processes use."""

    def __init__(self) -> None:
        self.start = self.now()

    @staticmethod
    def now() -> tuple[float, float, float]:
        """Return the seconds of the clock, of all busy processors, and of this program."""
        numbers = list(map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9]))
        user, nice, system, _idle, _waiting, interrupts, soft, _stolen = numbers
        own = sum(os.times()[:4])
        return time.monotonic(), (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK"), own

    def seconds(self) -> float:
        return self.now()[0] - self.start[0]

    def share(self) -> float:
        clock, busy, own = (end - start for end, start in zip(self.now(), self.start))
        return max(0.0, busy - own) / clock / (os.cpu_count() or 1)


def output_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()


def machine(directory: Path) -> dict:
    """Return the properties of the machine on which rates depend."""
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "file_system": output_of("stat", "-f", "-c", "%T", str(directory)),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "python_sqlite": sqlite3.sqlite_version,
        "rustc": output_of("rustc", "--version"),
    }


def summary(values: Sequence[float]) -> dict:
    values = [float(f"{value:.5g}") for value in values]
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": values}


def parser(description: str | None, repetitions: int) -> argparse.ArgumentParser:
    """Return a parser with the options of all benchmarks."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--repetitions", type=int, default=repetitions)
    made.add_argument("--directory", type=Path, default=TARGET, help="a directory on the disk to measure")
    made.add_argument("--record", type=Path, help="add the section to this record instead of a new one")
    made.add_argument("--no-record", action="store_true", help="only print the table")
    made.add_argument("--smoke", action="store_true", help="run everything once with few records: check answers, record nothing")
    return made


@contextlib.contextmanager
def workplace(arguments: argparse.Namespace) -> Iterator[tuple[Path, Path]]:
    """Make a directory on the disk to measure, with a copy of the command."""
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        yield Path(name), Path(shutil.copy2(QORPUS, name))


def account_of(command: Sequence[object]) -> dict:
    """Run a command, and return the kernel's account of it."""
    program = [sys.executable, "-I", ROOT / "benches/account.py", *command]
    result = subprocess.run(list(map(str, program)), check=True, capture_output=True, text=True)
    account = json.loads(result.stdout)
    assert account["status"] == 0, result.stderr
    return account


def free_name() -> Path:
    """Return the path of the next record: none is replaced, later ones of a day get numbers."""
    cpu = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(.*?\)|@.*", "", machine(ROOT)["cpu"]).lower()).strip("-")
    path = RECORDS / f"{datetime.now(timezone.utc).date()}-{cpu}.json"
    names = [path, *(path.with_stem(f"{path.stem}-{number}") for number in range(2, 1000))]
    return next(name for name in names if not name.exists())


def keep(name: str, arguments: argparse.Namespace, section: dict, neighbours: Neighbours) -> None:
    """End a benchmark: print the section and how busy the machine was, and record them."""
    print(PARTS[name][1](section | {"repetitions": arguments.repetitions}))
    others = neighbours.share()
    warning = "; repeat it on a quiet machine" if others > 0.1 else ""
    print(f"{neighbours.seconds():.0f} s; {others:.0%} of the processors were used by others{warning}")
    if arguments.no_record or arguments.smoke:
        return
    path = (arguments.record or free_name()).resolve()
    record = {"machine": machine(arguments.directory), "sections": {}}
    if path.exists():
        record = json.loads(path.read_text())
    assert name not in record["sections"], f"{path} has a section {name!r}, and measurements are not replaced"
    about = {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "git_commit": output_of("git", "rev-parse", "HEAD"),
        "uncommitted_changes": bool(output_of("git", "status", "--porcelain", "--", "crates", "Cargo.toml", "Cargo.lock")),
        "qorpus": output_of(str(QORPUS), "--version"),
        "seconds": round(neighbours.seconds()),
        "cpu_share_of_others": round(others, 3),
        "repetitions": arguments.repetitions,
    }
    record["sections"][name] = about | section
    # The numbers of a list share a line.
    text = re.sub(r"\[[\s\d.,e+-]*\]", lambda found: json.dumps(json.loads(found[0])), json.dumps(record, indent=1))
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text + "\n")
    print(f"recorded in {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")


if __name__ == "__main__":
    print(free_name())
