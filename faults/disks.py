"""Disks that fail or fill up: errors at every call, once and for ever, and small file systems that are really full.

After an error the program says so and stops, or it has gone on rightly; nothing that was acknowledged is missing, and
with a disk that works the job is finished. A sync that failed is followed by power cuts as well: what it was to save
may be lost although a later sync succeeds.
"""

import contextlib
import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cuts
import oracle
from jobs import FLAGS, JOBS, Job, command
from medium import Medium
from nursery import Answer, Nursery
from oracle import WHOLE, End
from shim import Fault
from tracing import Trace

TITLE = "Disks that fail or fill up"
#: What fails, how, and what it is called.
FAULTS = {
    "EIO of a write": ("EIO", ("write",)),
    "EIO of a sync": ("EIO", ("sync",)),
    "EIO of anything": ("EIO", ()),
    "ENOSPC": ("ENOSPC", ("open", "write", "truncate")),
    "short writes": ("short", ("write",)),
}
NAMES = ("generate, the command", "generate, resumed after a kill", "Writer", "Writers, three processes", "merge")


@dataclass(frozen=True)
class Task:
    """A kind of error at every `stride`-th call of a job."""

    job: int
    fault: str
    for_ever: bool
    first: int
    stride: int
    seed: int


@dataclass(frozen=True)
class FullDisk:
    """File systems of a kind, each a little larger than the one before."""

    kind: str
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class CutTask:
    """Power cuts after a sync that failed."""

    job: int
    first: int
    stride: int
    cuts: int
    seed: int


def tasks(quick: bool, seed: int) -> list[Task | FullDisk | CutTask]:
    made: list[Task | FullDisk | CutTask] = []
    for number, job in enumerate(JOBS):
        if job.name not in NAMES:
            continue
        for place, fault in enumerate(FAULTS):
            for for_ever in (False, True):
                stride = 31 if quick else 2
                made.append(Task(number, fault, for_ever, 1 + (5 * place + 3 * for_ever) % stride, stride, seed))
        if "full" in job.durabilities and "merge" not in job.name:
            made.append(CutTask(number, 1, 13 if quick else 1, 3 if quick else 10, seed))
    kib = 1024
    made += [FullDisk("tmpfs", tuple(range(64 * kib, 1300 * kib, (256 if quick else 32) * kib)))]
    made += [FullDisk("ext4", tuple(range(64 * kib, 1300 * kib, (512 if quick else 128) * kib)))]
    return made


def clear(answer: Answer) -> bool:
    """Whether an answer is what a person can use: success, or an error with the file's name and no panic."""
    if answer.status == 0:
        return True
    text = answer.output
    return answer.status == 1 and "c.db" in text and "panicked" not in text and "Traceback" not in text


def fail(nursery: Nursery, job: Job, fault: Fault, end: End, sqlite_first: bool) -> tuple[int, int, str]:
    """One error: how many calls failed, how many processes said so, and what is wrong."""
    directory = nursery.directory()
    job.prepare(nursery, directory)
    observed = nursery.observed(directory)
    answers = nursery.run(*job.requests(nursery, directory, "full"), environment=observed.environment(fault))
    hit = observed.steps() >= fault.at
    said = sum(answer.status == 1 for answer in answers)
    if unclear := [answer for answer in answers if not clear(answer)]:
        return hit, said, f"unclear: {unclear}"
    found = oracle.examine(nursery, directory, job, oracle.ledgers(directory), end, sqlite_first, may_leave_memory=True)
    return hit, said, "" if found.state == WHOLE else f"{found.state}: {found.reason}"


def work(task: Task | FullDisk | CutTask) -> tuple[Counter[str], list[str]]:
    if isinstance(task, FullDisk):
        return fill(task)
    if isinstance(task, CutTask):
        return cut_after_failed_sync(task)
    job = JOBS[task.job]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    chance = random.Random(f"{task}")
    action, kinds = FAULTS[task.fault]
    how = f"{task.fault}, {'for ever' if task.for_ever else 'once'}"
    with Nursery() as nursery:
        end, at, missed = oracle.end(nursery, job), task.first, 0
        while missed < 2:
            fault = Fault(at, action, kinds, task.for_ever)
            hit, said, wrong = fail(nursery, job, fault, end, chance.random() < 0.5)
            missed = 0 if hit else missed + 1
            counts[how] += hit
            counts["of these, runs that ended with a clear error"] += hit and said > 0
            if wrong:
                failures.append(f"{job.name}, {fault}: {wrong}")
            at += task.stride
    return counts, failures


def cut_after_failed_sync(task: CutTask) -> tuple[Counter[str], list[str]]:
    job = JOBS[task.job]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    chance = random.Random(f"{task}")
    with Nursery() as nursery:
        end, at, hit = oracle.end(nursery, job), task.first, True
        while hit:
            directory = nursery.directory("recorded")
            job.prepare(nursery, directory)
            observed, trace = nursery.observed(directory), Trace(directory)
            environment = observed.environment(Fault(at, "EIO", ("sync",)), record=True)
            nursery.run(*job.requests(nursery, directory, "full"), environment=environment)
            hit = observed.steps() >= at
            trace.read(observed.trace)
            medium = Medium(trace)
            failed = next((number for number, event in enumerate(trace.events) if event.error), 0)
            for _ in range(task.cuts if hit else 0):
                moment, seed = chance.randrange(failed, medium.cuts()), chance.randrange(1 << 30)
                directory = nursery.directory()
                files = medium.survivors(moment, seed)
                cuts.restore(directory, {name: files[name] for name in files if not name.endswith(".ledger")})
                found = oracle.examine(nursery, directory, job, trace.ledgers(moment), end, seed % 2 == 0, may_leave_memory=True)
                counts["power cuts after a sync that failed"] += 1
                if found.state != WHOLE:
                    where = f"sync {at} fails, cut before event {moment}, seed {seed}"
                    failures.append(f"{job.name}: {where}: {found.state}: {found.reason}")
            at += task.stride
    return counts, failures


def managed(*command: object) -> bool:
    """Whether a program is there and succeeds."""
    try:
        return subprocess.run(list(map(str, command)), capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def mounted(nursery: Nursery, kind: str, size: int) -> Iterator[Path | None]:
    """A file system with so much room; None if this machine does not let us make one."""
    path = nursery.directory("small")
    if kind == "tmpfs":
        is_mounted = managed("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path)
    else:
        image = nursery.root / "image"
        with open(image, "wb") as file:
            file.truncate(8 << 20)
        is_mounted = managed("mkfs.ext4", "-q", "-m", "0", image) and managed("mount", "-o", "loop", image, path)
    if not is_mounted:
        yield None
        return
    try:
        if kind == "ext4":
            room = os.statvfs(path)
            (path / "ballast").write_bytes(bytes(room.f_bavail * room.f_bsize - size))
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def make_room(kind: str, path: Path) -> None:
    if kind == "tmpfs":
        subprocess.run(["mount", "-o", f"remount,size={64 << 20}", path], check=True)
    else:
        (path / "ballast").unlink()


def fill(task: FullDisk) -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with Nursery() as nursery:
        job = JOBS[0]
        end = oracle.end(nursery, job)
        for size in task.sizes:
            with mounted(nursery, task.kind, size) as path:
                if path is None:
                    counts[f"file systems ({task.kind}) that cannot be made here"] += 1
                    continue
                (answer,) = nursery.run(command("generate", f"{path}/c.db", *FLAGS, "--force", "--quiet"))
                counts[f"{task.kind} file systems filled"] += answer.status == 1
                if not clear(answer) or (
                    answer.status == 1 and "full" not in answer.output and "space" not in answer.output
                ):
                    failures.append(f"{task.kind} of {size} bytes: unclear: {answer}")
                make_room(task.kind, path)
                found = oracle.examine(nursery, path, job, {}, end, size % 3 == 0)
                if found.state != WHOLE:
                    failures.append(f"{task.kind} of {size} bytes: {found.state}: {found.reason}")
    return counts, failures


def summed(counts: Counter[str]) -> tuple[dict[str, int], list[str]]:
    shown = dict(sorted(counts.items()))
    missed = [] if counts["of these, runs that ended with a clear error"] else ["control: no error was seen by anybody"]
    return shown, missed
