"""SIGKILL at every step: before it, in the middle of a write, and after it."""

import random
from collections import Counter

import oracle
from jobs import BY_NAME, JOBS
from ledger import ledgers
from outcome import Outcome, Summary, totalled
from process_server import ProcessServer
from shim import Fault
from sweep import Sweep, kill_sweeps

TITLE = "Kills at every step"


def tasks(quick: bool, seed: int) -> list[Sweep]:
    """Return sweeps of all jobs. The steps of long jobs are mostly alike: their stride is large."""
    made = []
    for job in JOBS:
        if quick:
            made += [] if job.is_long else kill_sweeps(job.name, 3 if job is JOBS[0] else 15, seed)
        else:
            made += kill_sweeps(job.name, 101 if job.is_long else 1, seed)
    return made


def work(sweep: Sweep) -> Outcome:
    job, outcome, chance = BY_NAME[sweep.job], Outcome(), random.Random(f"{sweep}")
    with ProcessServer() as server:
        expected = oracle.undisturbed(server, job)

        def kill(fault: Fault) -> bool:
            run, sqlite_first = job.run(server, fault), chance.random() < 0.5
            outcome.counts[job.name] += run.killed()
            if others := [answer for answer in run.answers if answer.status not in (0, -9)]:
                outcome.failures.append(f"{job.name}, {fault}: a process that was not killed: {others[0]}")
                return run.killed()
            found = oracle.examine(server, run.directory, job, ledgers(run.directory), expected, sqlite_first)
            outcome.failures += found.failures(f"{job.name}, {fault}")
            return run.killed()

        sweep.run(3, kill)
    return outcome


def summed(counts: Counter[str]) -> Summary:
    rows = {f"of {job.name}": counts[job.name] for job in JOBS if counts[job.name]}
    return totalled("kills", rows, "no process was killed")
