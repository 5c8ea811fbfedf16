"""SIGKILL at every step: before it, in the middle of a write, after it, whichever process is at it."""

import random
from collections import Counter
from dataclasses import dataclass

import oracle
from jobs import JOBS, Job
from nursery import Nursery
from oracle import WHOLE, End
from shim import Fault

TITLE = "Kills at every step"
ACTIONS = ("kill-before", "kill-within", "kill-after")


@dataclass(frozen=True)
class Task:
    """Every `stride`-th step of a job, from `first` on."""

    job: int
    action: str
    first: int
    stride: int
    seed: int


def tasks(quick: bool, seed: int) -> list[Task]:
    """In a quick run each action has its own third of the steps, of the first job every one."""
    made = []
    for number, job in enumerate(JOBS):
        if job.is_long:
            # Some thousand steps, most of them alike.
            stride = 101
        else:
            stride = 15 if number else 3
        for place, action in enumerate(ACTIONS):
            if quick and not job.is_long:
                made.append(Task(number, action, 1 + place * stride // 3, stride, seed))
            elif not quick:
                made.append(Task(number, action, 1 + place, stride if job.is_long else 1, seed))
    return made


def kill(nursery: Nursery, job: Job, fault: Fault, end: End, sqlite_first: bool) -> tuple[bool, oracle.Finding]:
    """Runs the job with one kill; the other processes must go on. Says whether anyone was killed."""
    directory = nursery.directory()
    job.prepare(nursery, directory)
    environment = nursery.observed(directory).environment(fault)
    answers = nursery.run(*job.requests(nursery, directory, "full"), environment=environment)
    killed = sum(answer.status == -9 for answer in answers)
    for answer in answers:
        # Whoever reads what nobody writes any more waits for ever.
        if answer.status not in (0, -9):
            return killed > 0, oracle.Finding(oracle.RUINED, f"a process that was not killed: {answer}")
    return killed > 0, oracle.examine(nursery, directory, job, oracle.ledgers(directory), end, sqlite_first)


def work(task: Task) -> tuple[Counter[str], list[str]]:
    job = JOBS[task.job]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    chance = random.Random(f"{task}")
    with Nursery() as nursery:
        end, step, missed = oracle.end(nursery, job), task.first, 0
        # How many steps there are is not the same each time.
        while missed < 3:
            fault = Fault(step, task.action)
            killed, found = kill(nursery, job, fault, end, chance.random() < 0.5)
            missed = 0 if killed else missed + 1
            counts[job.name] += killed
            if found.state != WHOLE:
                failures.append(f"{job.name}, {fault}: {found.state}: {found.reason}")
            step += task.stride
    return counts, failures


def summed(counts: Counter[str]) -> tuple[dict[str, int], list[str]]:
    shown = {"kills": sum(counts.values())} | {f"of {job.name}": counts[job.name] for job in JOBS if counts[job.name]}
    return shown, [] if shown["kills"] else ["control: nobody was killed"]
