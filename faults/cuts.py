"""Power cuts: jobs are recorded once, and what a cut may leave of them is looked at as often as wanted."""

import itertools
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import oracle
from jobs import JOBS, Job
from medium import Medium
from nursery import Nursery
from oracle import LOST, RUINED, WHOLE, End
from tracing import Trace

TITLE = "Power cuts"


@dataclass(frozen=True)
class Task:
    """A recording of a job, and how many cuts of it are tried."""

    job: int
    durability: str
    #: Whether the disk says that it has synced, and has not.
    lies: bool
    cuts: int
    seed: int


def tasks(quick: bool, seed: int) -> list[Task]:
    made = []
    for number, job in enumerate(JOBS):
        if job.is_long and quick:
            continue
        # (durability, a lying disk): recordings, and cuts of each.
        plan = {("full", False): (1, 40), ("normal", False): (1, 25), ("off", False): (1, 15), ("full", True): (1, 10)}
        if not quick:
            plan = {("full", False): (5, 300), ("normal", False): (3, 200), ("off", False): (1, 200), ("full", True): (1, 100)}
        if job.is_long:
            plan = {("full", False): (1, 150), ("normal", False): (1, 75), ("off", False): (1, 20), ("full", True): (1, 10)}
        for (durability, lies), (recordings, cuts) in plan.items():
            if durability in job.durabilities:
                made += [Task(number, durability, lies, cuts, seed + recording) for recording in range(recordings)]
    return made


def record(nursery: Nursery, job: Job, durability: str) -> tuple[Trace, End]:
    """An undisturbed run: its trace and its end."""
    directory = nursery.directory("recorded")
    job.prepare(nursery, directory)
    observed, trace = nursery.observed(directory), Trace(directory)
    answers = nursery.run(*job.requests(nursery, directory, durability), environment=observed.environment(record=True))
    assert all(answer.status == 0 for answer in answers), answers
    trace.read(observed.trace)
    found = oracle.look(nursery, directory, job)
    return trace, End(found["records"], found["hash"], found["keys"])


def moments(trace: Trace, count: int, chance: random.Random) -> list[int]:
    """Every moment equally often, in a random order."""
    moments = list(range(len(trace.events) + 1))
    chance.shuffle(moments)
    return list(itertools.islice(itertools.cycle(moments), count))


def restore(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (directory / name).write_bytes(content)


def cut(nursery: Nursery, medium: Medium, moment: int, seed: int, job: Job, end: End) -> oracle.Finding:
    """Cuts the power once, and looks."""
    directory = nursery.directory()
    files = medium.survivors(moment, seed)
    restore(directory, {name: content for name, content in files.items() if not name.endswith(".ledger")})
    return oracle.examine(nursery, directory, job, medium.trace.ledgers(moment), end, seed % 2 == 0, same_run=True)


def work(task: Task) -> tuple[Counter, list[str]]:
    """Counts findings by durability."""
    job, counts, failures = JOBS[task.job], Counter(), []
    chance = random.Random(f"{task}")
    with Nursery() as nursery:
        trace, end = record(nursery, job, task.durability)
        medium = Medium(trace, task.lies)
        what = "a disk that lies" if task.lies else task.durability
        allowed = {"full": {WHOLE}, "normal": {WHOLE, LOST}}.get(what, {WHOLE, LOST, RUINED})
        counts["events recorded"] += len(trace.events)
        counts["with a write-ahead log"] += any(event.name.endswith("-wal") for event in trace.events)
        for moment in moments(trace, task.cuts, chance):
            seed = chance.randrange(1 << 30)
            found = cut(nursery, medium, moment, seed, job, end)
            counts[what, found.state] += 1
            if found.state not in allowed:
                where = f"before event {moment} of {len(trace.events)}, seed {seed}"
                failures.append(f"{job.name}, {what}: {where}: {found.state}: {found.reason}")
    return counts, failures


def summed(counts: Counter) -> tuple[dict, list[str]]:
    """The counts as they are shown, and what the positive controls miss."""
    shown = {"moments and seeds tried": sum(count for key, count in counts.items() if isinstance(key, tuple))}
    for what in ("full", "normal", "off", "a disk that lies"):
        for state in (WHOLE, LOST, RUINED):
            shown[f"{what}: {state}"] = counts[what, state]
    shown["steps recorded"] = counts["events recorded"]
    shown["recordings with a write-ahead log"] = counts["with a write-ahead log"]
    missed = []
    for what, states in {"off": (LOST, RUINED), "a disk that lies": (LOST, RUINED), "normal": (LOST,)}.items():
        if not any(counts[what, state] for state in states):
            missed.append(f"control: {what} was not seen to lose anything, so these cuts prove nothing")
    if not counts["with a write-ahead log"]:
        missed.append("control: no recording has a write-ahead log")
    return shown, missed
