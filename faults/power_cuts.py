"""Power cuts: a job is recorded once, and any number of its crash states are examined."""

import itertools
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import oracle
from crash_states import CrashStates
from jobs import BATCH, BY_NAME, JOBS, Job
from oracle import LOST, RUINED, WHOLE, Final
from outcome import Outcome, Summary
from process_server import ProcessServer
from shim import KILLS, Fault
from tracing import CREATE, WRITE, Trace

TITLE = "Power cuts"
LIES = "a disk that lies"


@dataclass(frozen=True)
class Recording:
    """A recording of a job, and how many crash states of it are examined."""

    job: str
    durability: str
    lying_disk: bool
    crashes: int
    seed: int
    #: Whether a process is killed first, and another finishes the job.
    killed: bool = False

    def __str__(self) -> str:
        """Return the seed of its random choices, which no name in this file changes."""
        return f"{self.job}, {self.kind()}, {self.crashes} crashes, seed {self.seed}"

    def kind(self) -> str:
        return LIES if self.lying_disk else "full, after a kill" if self.killed else self.durability


def tasks(quick: bool, seed: int) -> list[Recording]:
    made = []
    for job in JOBS:
        if job.is_long and quick:
            continue
        # Recordings, and crash states of each.
        if quick:
            full, normal, off, lies = (1, 30), (1, 20), (1, 15), (1, 10)
        elif job.is_long:
            full, normal, off, lies = (1, 150), (1, 75), (1, 20), (1, 10)
        else:
            full, normal, off, lies = (3, 300), (2, 150), (1, 150), (1, 75)
        plan = [("full", False, full), ("normal", False, normal), ("off", False, off), ("full", True, lies)]
        for durability, lying_disk, (recordings, crashes) in plan:
            if durability in job.durabilities:
                seeds = range(seed, seed + recordings)
                made += [Recording(job.name, durability, lying_disk, crashes, one) for one in seeds]
        if not job.is_long:
            recordings, crashes = (2, 10) if quick else (15, 20)
            seeds = range(seed, seed + recordings)
            made += [Recording(job.name, "full", False, crashes, one, killed=True) for one in seeds]
    return made


def record(server: ProcessServer, job: Job, durability: str, fault: Fault | None = None) -> tuple[Trace, Final]:
    """Record a run, undisturbed or with a kill after which the job is finished."""
    run = job.run(server, fault, durability, record=True)
    assert all(answer.status in (0, -9 if fault else 0) for answer in run.answers), run.answers
    if fault:
        environment = run.observed.environment(record=True, append=True)
        server.succeed(oracle.examination(server, run.directory, job), environment=environment)
    run.trace.read(run.observed.trace)
    return run.trace, oracle.final(server, run.directory, job.appended)


def moments(trace: Trace, count: int, chance: random.Random, checkpointed: bool) -> list[int]:
    """Draw moments, each equally often; if `checkpointed`, from the first checkpoint on."""
    first, numbered = 0, list(enumerate(trace.events))
    if checkpointed:
        wal, corpus = (
            next(number for number, event in numbered if event.kind == CREATE and event.name == name)
            for name in ("c.db-wal", "c.db")
        )
        file = trace.events[corpus].file
        first = next(
            number for number, event in numbered if number > wal and event.kind == WRITE and event.file == file
        )
    every = list(range(first, len(trace.events) + 1))
    chance.shuffle(every)
    return list(itertools.islice(itertools.cycle(every), count))


def crashed(server: ProcessServer, states: CrashStates, crash: int, seed: int) -> Path:
    """Write a crash state into a new directory. Ledgers are not part of it."""
    directory = server.directory()
    for name, content in states.state(crash, seed).items():
        if not name.endswith(".ledger"):
            (directory / name).write_bytes(content)
    return directory


def work(task: Recording) -> Outcome:
    """Count findings by durability."""
    job, outcome, chance, kind = BY_NAME[task.job], Outcome(), random.Random(f"{task}"), task.kind()
    allowed = {"off": {WHOLE, LOST, RUINED}, "normal": {WHOLE, LOST}, LIES: {WHOLE, LOST, RUINED}}.get(kind, {WHOLE})
    with ProcessServer() as server:
        # An undisturbed run has about a hundred and fifty steps.
        fault = Fault(chance.randrange(1, 150), chance.choice(KILLS)) if task.killed else None
        trace, expected = record(server, job, task.durability, fault)
        states = CrashStates(trace, task.lying_disk)
        outcome.counts["events recorded"] += len(trace.events)
        outcome.counts["with a write-ahead log"] += any(event.name.endswith("-wal") for event in trace.events)
        for crash in moments(trace, task.crashes, chance, job.is_long):
            seed = chance.randrange(1 << 30)
            directory, acknowledged = crashed(server, states, crash, seed), trace.ledgers(crash)
            if crash == len(trace.events) and not job.appended:
                # The success of a command is an acknowledgement, too.
                acknowledged["0.ledger"] = f"{expected.records}\n"
            unacknowledged = BATCH if task.killed else 0
            sqlite_first = seed % 2 == 0
            found = oracle.examine(server, directory, job, acknowledged, expected, sqlite_first, True, unacknowledged, True)
            outcome.counts[f"{kind}: {found.state}"] += 1
            where = f"{fault or ''} before event {crash} of {len(trace.events)}, seed {seed}"
            outcome.failures += found.failures(f"{job.name}, {kind}: {where}", allowed)
    return outcome


def summed(counts: Counter[str]) -> Summary:
    """Return the counts as they are shown, and what the positive controls miss."""
    kinds = ("full", "full, after a kill", "normal", "off", LIES)
    ends = {what: counts[what] for what in (f"{kind}: {state}" for kind in kinds for state in (WHOLE, LOST, RUINED))}
    shown = {"moments and seeds tried": sum(ends.values())} | ends
    shown["steps recorded"] = counts["events recorded"]
    shown["recordings with a write-ahead log"] = counts["with a write-ahead log"]
    missed = []
    for kind, states in {"off": (LOST, RUINED), LIES: (LOST, RUINED), "normal": (LOST,)}.items():
        if not any(counts[f"{kind}: {state}"] for state in states):
            missed.append(f"control: {kind} was not seen to lose anything, so these cuts prove nothing")
    if not counts["with a write-ahead log"]:
        missed.append("control: no recording has a write-ahead log")
    return shown, missed
