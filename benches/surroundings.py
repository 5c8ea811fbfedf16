"""What a rate depends on, and where rates are kept: one record a machine and date under benches/record.

Run as a program, it prints the name of the next record.
"""

import argparse
import json
import os
import platform
import re
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "benches" / "record"
#: The command that is timed.
# Where cargo builds. A relative path is one from the root of the repository, where the scripts run.
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
QORPUS = TARGET / "release" / "qorpus"


class Neighbours:
    """How much of the processors others use meanwhile: a rate taken on a busy machine is no rate."""

    def __init__(self) -> None:
        self.start = self.now()

    @staticmethod
    def now() -> tuple[float, float, float]:
        """Seconds: of the clock, of all processors busy, of this program and its finished children."""
        numbers = list(map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9]))
        user, nice, system, _idle, _waiting, interrupts, soft, _stolen = numbers
        own = sum(os.times()[:4])
        return time.monotonic(), (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK"), own

    def seconds(self) -> float:
        return self.now()[0] - self.start[0]

    def share(self) -> float:
        clock, busy, own = (end - start for end, start in zip(self.now(), self.start))
        return max(0.0, busy - own) / clock / (os.cpu_count() or 1)


def said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()


def machine(directory: Path) -> dict:
    """What a rate depends on."""
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "file_system": said("stat", "-f", "-c", "%T", str(directory)),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "python_sqlite": sqlite3.sqlite_version,
        "rustc": said("rustc", "--version"),
    }


def summary(values: Sequence[float]) -> dict:
    values = [float(f"{value:.5g}") for value in values]
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": values}


def parser(description: str | None, repetitions: int) -> argparse.ArgumentParser:
    """The options that all benchmarks have."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--repetitions", type=int, default=repetitions)
    made.add_argument("--directory", type=Path, default=TARGET, help="on the disk to measure")
    made.add_argument("--record", type=Path, help="add the section to this record instead of a new one of the day")
    made.add_argument("--no-record", action="store_true", help="print the table only")
    made.add_argument("--smoke", action="store_true", help="everything once and tiny: answers are checked, no record")
    return made


def free_name() -> Path:
    """A record is never replaced: the next one of the day gets a number."""
    cpu = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(.*?\)|@.*", "", machine(ROOT)["cpu"]).lower()).strip("-")
    path = RECORDS / f"{datetime.now(timezone.utc).date()}-{cpu}.json"
    names = [path, *(path.with_stem(f"{path.stem}-{number}") for number in range(2, 1000))]
    return next(name for name in names if not name.exists())


def keep(name: str, arguments: argparse.Namespace, section: dict, neighbours: Neighbours) -> None:
    """Ends a benchmark: says how busy the machine was, and adds the section to the record."""
    others = neighbours.share()
    warning = "; repeat it on a quiet machine" if others > 0.1 else ""
    print(f"{neighbours.seconds():.0f} s; {others:.0%} of the processors were used by others{warning}")
    if arguments.no_record or arguments.smoke:
        return
    path = (arguments.record or free_name()).resolve()
    record = (
        json.loads(path.read_text()) if path.exists() else {"machine": machine(arguments.directory), "sections": {}}
    )
    assert name not in record["sections"], f"{path} has a section {name!r}, and what was measured is not replaced"
    about = {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "git_commit": said("git", "rev-parse", "HEAD"),
        "uncommitted_changes": bool(said("git", "status", "--porcelain", "--", "crates", "Cargo.toml", "Cargo.lock")),
        "qorpus": said(str(QORPUS), "--version"),
        "seconds": round(neighbours.seconds()),
        "cpu_share_of_others": round(others, 3),
        "repetitions": arguments.repetitions,
    }
    record["sections"][name] = about | section
    text = json.dumps(record, indent=1)
    # Numbers of a list stand in a line.
    text = re.sub(
        r"\[[\s\d.,e+-]*\]",
        lambda found: re.sub(r",\s+", ", ", re.sub(r"([\[\]])\s+|\s+(\])", r"\1\2", found[0])),
        text,
    )
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text + "\n")
    print(f"recorded in {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")


if __name__ == "__main__":
    print(free_name())
