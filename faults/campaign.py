"""Runs the fault campaigns, prints their counts and every failure, and records a long run.

    scripts/faults             all of them, long: a record, and docs/reliability.md from it
    scripts/faults --quick     the same code in some minutes, with one seed; nothing is recorded

A campaign is a module with a `TITLE`, `tasks(quick, seed)`, `work(task)`, which returns an Outcome
and runs in a process of its own, and `summed(counts)`, which returns the rows to show and what its
controls miss. Workers are forked after `tasks`, and inherit what it has made. When interrupted, the
program ends every process that it has started, removes its directories, and records nothing.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import datetime, timezone
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType, ModuleType
from typing import TypedDict, TypeVar

from built import ROOT
import disks
import flips
import fuzz
import hostile
import kill_storm
import kills
import locks
import power_cuts
import process_server
import shards
import surroundings
from outcome import Outcome

RECORDS = ROOT / "faults" / "record"
#: Campaigns by their names in records.
CAMPAIGNS: dict[str, ModuleType] = {
    "kills": kills, "storms": kill_storm, "cuts": power_cuts, "disks": disks, "locks": locks,
    "surroundings": surroundings, "shards": shards, "hostile": hostile, "flips": flips, "fuzz": fuzz,
}  # fmt: skip
#: The most failures that are printed of each campaign.
MAX_SHOWN = 20
SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: The time in which an interrupted worker cleans up.
CLEANUP_SECONDS = 20
T = TypeVar("T")


class Campaign(TypedDict):
    """The record of a campaign."""

    title: str
    seconds: float
    seed: int
    counts: dict[str, int]
    failures: list[str]


def interrupted(number: int, frame: FrameType | None) -> None:
    """End the program. Cleaning up is not interrupted again."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise SystemExit(128 + number)


def listen() -> None:
    for one in SIGNALS:
        signal.signal(one, interrupted)


def begin() -> None:
    """Make a worker lead a group that ends as one; Ctrl-C reaches only the main process."""
    os.setpgid(0, 0)
    listen()


def work_unless_interrupted(work: Callable[[T], Outcome], task: T) -> Outcome:
    """Work on a task, unless the worker was interrupted before it got it."""
    if signal.getsignal(signal.SIGTERM) != interrupted:
        raise SystemExit
    return work(task)


def end(workers: list[BaseProcess]) -> None:
    """Interrupt the workers and all that they have started, and kill the rest."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid or 0, number)
        for worker in workers:
            worker.join(CLEANUP_SECONDS)


def run(module: ModuleType, quick: bool, seed: int, jobs: int) -> Campaign:
    begun = shown = time.monotonic()
    counts: Counter[str] = Counter()
    failures: list[str] = []
    tasks = module.tasks(quick, seed)
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), begin)
    try:
        futures = [pool.submit(work_unless_interrupted, module.work, task) for task in tasks]
        for done, future in enumerate(as_completed(futures), 1):
            outcome = future.result()
            counts.update(outcome.counts)
            for text in outcome.failures[: max(0, MAX_SHOWN - len(failures))]:
                print(f"FAILED: {text}", flush=True)
            failures += outcome.failures
            if time.monotonic() - shown > 10:
                shown = time.monotonic()
                print(f"  {done} of {len(tasks)} parts, {len(failures)} failures, {shown - begun:.0f} s", flush=True)
        pool.shutdown()
    except BaseException:
        print("ending every process that was started", flush=True)
        pool.shutdown(wait=False, cancel_futures=True)
        end(multiprocessing.active_children())
        raise
    rows, missed = module.summed(counts)
    for text in missed:
        print(f"FAILED: {text}", flush=True)
    return {
        "title": module.TITLE,
        "seconds": round(time.monotonic() - begun, 1),
        "seed": seed,
        "counts": rows,
        "failures": failures + missed,
    }


def output_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()


def machine() -> dict[str, object]:
    """Return the properties of the machine on which counts may depend."""
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "other_sqlite": sqlite3.sqlite_version,
    }


def free_name() -> Path:
    """Return the path of the next record: none is replaced, later ones of a day get numbers."""
    cpu = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(.*?\)|@.*", "", str(machine()["cpu"])).lower()).strip("-")
    path = RECORDS / f"{datetime.now(timezone.utc).date()}-{cpu}.json"
    names = [path, *(path.with_stem(f"{path.stem}-{number}") for number in range(2, 1000))]
    return next(name for name in names if not name.exists())


def about() -> dict[str, object]:
    """Return the machine, the time and the commit of a record."""
    return {
        "machine": machine(),
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "git_commit": output_of("git", "rev-parse", "HEAD"),
        "uncommitted_changes": bool(output_of("git", "status", "--porcelain", "--", "crates", "faults", "Cargo.lock")),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small counts; nothing is recorded")
    parser.add_argument("--only", choices=CAMPAIGNS, action="append", help="run this campaign alone")
    parser.add_argument("--seed", type=int, default=0, help="the seed of every random choice")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="tasks that run at a time")
    arguments = parser.parse_args()
    listen()
    begun, record = time.monotonic(), about()
    done: dict[str, Campaign] = {}
    place = {"prefix": "qorpus-faults-", "dir": process_server.in_memory()}
    with tempfile.TemporaryDirectory(**place, ignore_cleanup_errors=True) as process_server.workspace:
        for name in arguments.only or CAMPAIGNS:
            print(f"{CAMPAIGNS[name].TITLE}", flush=True)
            done[name] = run(CAMPAIGNS[name], arguments.quick, arguments.seed, arguments.jobs)
            for what, count in done[name]["counts"].items():
                print(f"  {count:>8} {what}")
            print(f"  {done[name]['seconds']:>8} seconds, {len(done[name]['failures'])} failures", flush=True)
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes in all")
    if not arguments.quick:
        path = free_name()
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record | {"campaigns": done}, indent=1) + "\n")
        print(f"recorded in {path.relative_to(ROOT)}")
    return int(any(campaign["failures"] for campaign in done.values()))


if __name__ == "__main__":
    sys.exit(main())
