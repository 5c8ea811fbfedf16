"""Runs the fault campaigns, prints their counts and every failure, and keeps a record of a long run.

    scripts/faults             all of them, long; a record under faults/record, and docs/reliability.md from it
    scripts/faults --quick     the same code in about three minutes, always with the same seed; nothing is recorded

A campaign is a module with a `TITLE`, `tasks(quick, seed)`, `work(task)`, which returns a Counter and a list of
failures and runs in a process of its own, and `summed(counts)`, which returns the rows to be shown and what its
controls miss. Workers are forked after `tasks`, and inherit what it has made. Interrupted, it ends all that it has
started, removes its directories, and records nothing.
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

import cuts
import disks
import flips
import fuzz
import hostile
import kills
import locks
import nursery
import shards
import storms
import surroundings

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "faults" / "record"
CAMPAIGNS: dict[str, ModuleType] = {
    "kills": kills,
    "storms": storms,
    "cuts": cuts,
    "disks": disks,
    "locks": locks,
    "surroundings": surroundings,
    "shards": shards,
    "hostile": hostile,
    "flips": flips,
    "fuzz": fuzz,
}
#: What a worker brings: counts, and failures.
Outcome = tuple[Counter[str], list[str]]
T = TypeVar("T")


class Campaign(TypedDict):
    """What is recorded of one."""

    title: str
    seconds: float
    seed: int
    counts: dict[str, int]
    failures: list[str]


#: So many failures are printed of each campaign.
MOST_SHOWN = 20
SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Seconds in which a worker that is interrupted puts its things away.
PATIENCE = 20


def interrupted(number: int, frame: FrameType | None) -> None:
    """Leaves whatever is going on; what is put away then is not interrupted again."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise SystemExit(128 + number)


def listen() -> None:
    for one in SIGNALS:
        signal.signal(one, interrupted)


def begin() -> None:
    """A worker leads a group of its own: all that it starts can be ended with it, and Ctrl-C reaches only who waits for it."""
    os.setpgid(0, 0)
    listen()


def part(work: Callable[[T], Outcome], task: T) -> Outcome:
    """What a worker does next, unless it was interrupted before: then it may still be given something."""
    if signal.getsignal(signal.SIGTERM) != interrupted:
        raise SystemExit
    return work(task)


def end(workers: list[BaseProcess]) -> None:
    """Interrupts the workers and whatever they have started, and ends what stays."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid or 0, number)
        for worker in workers:
            worker.join(PATIENCE)


def run(module: ModuleType, quick: bool, seed: int, jobs: int) -> Campaign:
    begun = time.monotonic()
    counts: Counter[str] = Counter()
    failures: list[str] = []
    tasks = module.tasks(quick, seed)
    shown = begun
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), begin)
    try:
        futures = [pool.submit(part, module.work, task) for task in tasks]
        for done, future in enumerate(as_completed(futures), 1):
            found, wrong = future.result()
            counts.update(found)
            for text in wrong[: max(0, MOST_SHOWN - len(failures))]:
                print(f"FAILED: {text}", flush=True)
            failures += wrong
            if time.monotonic() - shown > 10:
                shown = time.monotonic()
                print(f"  {done} of {len(tasks)} parts, {len(failures)} failures, {shown - begun:.0f} s", flush=True)
        pool.shutdown()
    except BaseException:
        print("ending all that was started", flush=True)
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


def said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()


def machine() -> dict[str, object]:
    """What a count may depend on."""
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "other_sqlite": sqlite3.sqlite_version,
    }


def free_name() -> Path:
    """A record is never replaced: the next one of the day gets a number."""
    cpu = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(.*?\)|@.*", "", str(machine()["cpu"])).lower()).strip("-")
    path = RECORDS / f"{datetime.now(timezone.utc).date()}-{cpu}.json"
    names = [path, *(path.with_stem(f"{path.stem}-{number}") for number in range(2, 1000))]
    return next(name for name in names if not name.exists())


def about() -> dict[str, object]:
    """What is tested, and where."""
    return {
        "machine": machine(),
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "git_commit": said("git", "rev-parse", "HEAD"),
        "uncommitted_changes": bool(said("git", "status", "--porcelain", "--", "crates", "faults", "Cargo.lock")),
    }


def keep(record: dict[str, object]) -> Path:
    """Writes a record."""
    path = free_name()
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small counts; nothing is recorded")
    parser.add_argument("--only", choices=CAMPAIGNS, action="append", help="this campaign alone")
    parser.add_argument("--seed", type=int, default=0, help="what decides every random choice")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parts that run at a time")
    arguments = parser.parse_args()
    listen()
    begun, record = time.monotonic(), about()
    done: dict[str, Campaign] = {}
    with tempfile.TemporaryDirectory(prefix="qorpus-faults-", dir=nursery.memory(), ignore_cleanup_errors=True) as nursery.place:
        for name in arguments.only or CAMPAIGNS:
            print(f"{CAMPAIGNS[name].TITLE}", flush=True)
            done[name] = run(CAMPAIGNS[name], arguments.quick, arguments.seed, arguments.jobs)
            for what, count in done[name]["counts"].items():
                print(f"  {count:>8} {what}")
            print(f"  {done[name]['seconds']:>8} seconds, {len(done[name]['failures'])} failures", flush=True)
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes in all")
    if not arguments.quick:
        print(f"recorded in {keep(record | {'campaigns': done}).relative_to(ROOT)}")
    return int(any(campaign["failures"] for campaign in done.values()))


if __name__ == "__main__":
    sys.exit(main())
