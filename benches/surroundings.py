"""What a rate depends on, and where rates are kept: one record a machine, date and benchmark under benches/record."""

import json
import os
import platform
import re
import sqlite3
import statistics
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]


class Neighbours:
    """How much of the processors others use meanwhile: a rate taken on a busy machine is no rate."""

    def __init__(self):
        self.start = self.now()

    @staticmethod
    def now() -> tuple[float, float, float]:
        """Seconds: of the clock, of all processors busy, of this program and its finished children."""
        numbers = list(map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9]))
        user, nice, system, _idle, _waiting, interrupts, soft, _stolen = numbers
        own = sum(os.times()[:4])
        return time.monotonic(), (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK"), own

    def share(self) -> float:
        clock, busy, own = (end - start for end, start in zip(self.now(), self.start))
        return max(0.0, busy - own) / clock / os.cpu_count()


def machine(directory: Path) -> dict:
    """What a rate depends on."""
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    def said(*command):
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()

    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": pages,
        "kernel": platform.release(),
        "file_system": said("stat", "-f", "-c", "%T", str(directory)),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "python_sqlite": sqlite3.sqlite_version,
        "rustc": said("rustc", "--version"),
        "git_commit": said("git", "rev-parse", "HEAD"),
        "uncommitted_changes": bool(said("git", "status", "--porcelain", "--", "crates", "Cargo.toml", "Cargo.lock")),
    }


def summary(values: list[float]) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": values}


def free_name(path: Path) -> Path:
    """A record is never replaced: the next one of the day gets a number."""
    names = [path, *(path.with_stem(f"{path.stem}-{number}") for number in range(2, 1000))]
    return next(name for name in names if not name.exists())


def keep(name: str, facts: dict, record: dict) -> None:
    """Writes the record of a benchmark of this name on this machine."""
    now = datetime.now(timezone.utc)
    record = {"when": now.isoformat(timespec="seconds"), **record, "machine": facts}
    cpu = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(.*?\)|@.*", "", facts["cpu"]).lower()).strip("-")
    path = free_name(ROOT / "benches" / "record" / f"{now.date()}-{cpu}-{name}.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"recorded in {path.relative_to(ROOT)}")
