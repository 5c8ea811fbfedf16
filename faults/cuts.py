"""Power cuts: jobs are recorded once, and what a cut may leave of them is looked at as often as wanted."""

import itertools
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import oracle
from jobs import BATCH, JOBS, Job
from medium import Medium
from nursery import Nursery, Request
from oracle import LOST, RUINED, WHOLE, End
from shim import Fault
from tracing import CREATE, WRITE, Trace

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
    #: Whether a process was killed before, and another has finished the job.
    killed: bool = False


def tasks(quick: bool, seed: int) -> list[Task]:
    made = []
    for number, job in enumerate(JOBS):
        if job.is_long and quick:
            continue
        # Recordings, and cuts of each.
        if quick:
            full, normal, off, lies = (1, 30), (1, 20), (1, 15), (1, 10)
        elif job.is_long:
            full, normal, off, lies = (1, 150), (1, 75), (1, 20), (1, 10)
        else:
            full, normal, off, lies = (3, 300), (2, 150), (1, 150), (1, 75)
        plan = [("full", False, full), ("normal", False, normal), ("off", False, off), ("full", True, lies)]
        for durability, is_lie, (recordings, cuts) in plan:
            if durability in job.durabilities:
                made += [Task(number, durability, is_lie, cuts, seed + recording) for recording in range(recordings)]
        if not job.is_long:
            recordings, cuts = (2, 10) if quick else (15, 20)
            made += [
                Task(number, "full", False, cuts, seed + recording, killed=True) for recording in range(recordings)
            ]
    return made


def record(nursery: Nursery, job: Job, durability: str, fault: Fault | None = None) -> tuple[Trace, End]:
    """An undisturbed run, or one with a kill after which the job is finished: its trace and its end."""
    directory = nursery.directory("recorded")
    job.prepare(nursery, directory)
    observed, trace = nursery.observed(directory), Trace(directory)
    environment = observed.environment(fault, record=True)
    answers = nursery.run(*job.requests(nursery, directory, durability), environment=environment)
    assert all(answer.status in (0, -9 if fault else 0) for answer in answers), answers
    if fault:
        resume = [vars(request) for request in job.resume(nursery, directory)]
        request = Request("examine", {"corpus": f"{directory}/c.db", "resume": resume, "appended": job.appended})
        (answer,) = nursery.run(request, environment=observed.environment(record=True, go_on=True))
        assert answer.status == 0, answer
    trace.read(observed.trace)
    found = oracle.look(nursery, directory, job)
    return trace, End(found["records"], found["hash"], found["keys"])


def moments(trace: Trace, count: int, chance: random.Random, written_back: bool) -> list[int]:
    """Every moment equally often, in a random order; or only those from where the log is first written back."""
    first = 0
    if written_back:
        (log,), (corpus,) = (
            [number for number, event in enumerate(trace.events) if event.kind == CREATE and event.name == name][:1]
            for name in ("c.db-wal", "c.db")
        )
        file = trace.events[corpus].file
        first = next(
            number
            for number, event in enumerate(trace.events)
            if number > log and event.kind == WRITE and event.file == file
        )
    moments = list(range(first, len(trace.events) + 1))
    chance.shuffle(moments)
    return list(itertools.islice(itertools.cycle(moments), count))


def restore(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (directory / name).write_bytes(content)


def cut(
    nursery: Nursery, medium: Medium, moment: int, seed: int, job: Job, end: End, killed: bool
) -> oracle.Finding:
    """Cuts the power once, and looks."""
    directory = nursery.directory()
    files = medium.survivors(moment, seed)
    restore(directory, {name: content for name, content in files.items() if not name.endswith(".ledger")})
    told = medium.trace.ledgers(moment)
    if moment == len(medium.trace.events) and not job.appended:
        # A command has ended well, which is an acknowledgement as well.
        told["0.ledger"] = f"{end.records}\n"
    untold = BATCH if killed else 0
    return oracle.examine(nursery, directory, job, told, end, seed % 2 == 0, True, untold, may_leave_memory=True)


def work(task: Task) -> tuple[Counter[str], list[str]]:
    """Counts findings by durability."""
    job = JOBS[task.job]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    chance = random.Random(f"{task}")
    with Nursery() as nursery:
        fault = None
        if task.killed:
            # The last step of an undisturbed run is about the hundred and fiftieth.
            fault = Fault(chance.randrange(1, 150), chance.choice(["kill-before", "kill-within", "kill-after"]))
        trace, end = record(nursery, job, task.durability, fault)
        medium = Medium(trace, task.lies)
        what = "a disk that lies" if task.lies else "full, after a kill" if task.killed else task.durability
        allowed = {"off": {WHOLE, LOST, RUINED}, "normal": {WHOLE, LOST}, "a disk that lies": {WHOLE, LOST, RUINED}}
        counts["events recorded"] += len(trace.events)
        counts["with a write-ahead log"] += any(event.name.endswith("-wal") for event in trace.events)
        for moment in moments(trace, task.cuts, chance, job.is_long):
            seed = chance.randrange(1 << 30)
            found = cut(nursery, medium, moment, seed, job, end, task.killed)
            counts[f"{what}: {found.state}"] += 1
            if found.state not in allowed.get(what, {WHOLE}):
                where = f"{fault or ''} before event {moment} of {len(trace.events)}, seed {seed}"
                failures.append(f"{job.name}, {what}: {where}: {found.state}: {found.reason}")
    return counts, failures


def summed(counts: Counter[str]) -> tuple[dict[str, int], list[str]]:
    """The counts as they are shown, and what the positive controls miss."""
    kinds = ("full", "full, after a kill", "normal", "off", "a disk that lies")
    ends = {what: counts[what] for what in (f"{kind}: {state}" for kind in kinds for state in (WHOLE, LOST, RUINED))}
    shown = {"moments and seeds tried": sum(ends.values())} | ends
    shown["steps recorded"] = counts["events recorded"]
    shown["recordings with a write-ahead log"] = counts["with a write-ahead log"]
    missed = []
    for what, states in {"off": (LOST, RUINED), "a disk that lies": (LOST, RUINED), "normal": (LOST,)}.items():
        if not any(counts[f"{what}: {state}"] for state in states):
            missed.append(f"control: {what} was not seen to lose anything, so these cuts prove nothing")
    if not counts["with a write-ahead log"]:
        missed.append("control: no recording has a write-ahead log")
    return shown, missed
