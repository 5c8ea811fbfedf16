"""Disks that fail or fill up: errors at every call, once and for ever, and full file systems.

After an error the program reports it and stops, or it continues correctly. Nothing acknowledged is
missing, and the job can be finished on a working disk. Power cuts also follow a failed sync: its
data may be lost although a later sync succeeds.
"""

import contextlib
import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import oracle
from crash_states import CrashStates
from jobs import BY_NAME, FLAGS, JOBS, command
from ledger import ledgers
from outcome import Outcome, Summary
from power_cuts import crashed
from process_server import Answer, ProcessServer
from shim import Fault
from sweep import Sweep

TITLE = "Disks that fail or fill up"
#: The failures by name: the error, and the calls that fail.
FAULTS = {
    "EIO of a write": ("EIO", ("write",)),
    "EIO of a sync": ("EIO", ("sync",)),
    "EIO of anything": ("EIO", ()),
    "ENOSPC": ("ENOSPC", ("open", "write", "truncate")),
    "short writes": ("short", ("write",)),
}
NAMES = ("generate, the command", "generate, resumed after a kill", "Writer", "Writers, three processes", "merge")


@dataclass(frozen=True)
class CallErrors:
    """An error at every n-th call of a job."""

    name: str
    sweep: Sweep


@dataclass(frozen=True)
class SyncErrors:
    """A failed sync, and crash states after it."""

    sweep: Sweep
    crashes: int


@dataclass(frozen=True)
class FullDisk:
    """File systems of a kind, each a little larger than the one before."""

    kind: str
    sizes: tuple[int, ...]


DiskTask = CallErrors | SyncErrors | FullDisk


def tasks(quick: bool, seed: int) -> list[DiskTask]:
    made: list[DiskTask] = []
    for name in NAMES:
        for place, (title, (action, kinds)) in enumerate(FAULTS.items()):
            for for_ever in (False, True):
                stride = 31 if quick else 2
                first = Fault(1 + (5 * place + 3 * for_ever) % stride, action, kinds, for_ever)
                how = f"{title}, {'for ever' if for_ever else 'once'}"
                made.append(CallErrors(how, Sweep(name, first, stride, seed)))
        if name != "merge":
            sweep = Sweep(name, Fault(1, "EIO", ("sync",)), 13 if quick else 1, seed)
            made.append(SyncErrors(sweep, 3 if quick else 10))
    kib = 1024
    for kind, step in {"tmpfs": 256 if quick else 32, "ext4": 512 if quick else 128}.items():
        made.append(FullDisk(kind, tuple(range(64 * kib, 1300 * kib, step * kib))))
    return made


def work(task: DiskTask) -> Outcome:
    match task:
        case CallErrors():
            return fail_calls(task)
        case SyncErrors():
            return cut_after_failed_sync(task)
        case FullDisk():
            return fill(task)


def is_clear(answer: Answer) -> bool:
    """Return whether an answer is success, or an error with the file's name and no panic."""
    if answer.status == 0:
        return True
    text = answer.output
    return answer.status == 1 and "c.db" in text and "panicked" not in text and "Traceback" not in text


def fail_calls(task: CallErrors) -> Outcome:
    job, outcome, chance = BY_NAME[task.sweep.job], Outcome(), random.Random(f"{task}")
    with ProcessServer() as server:
        expected = oracle.undisturbed(server, job)

        def fail(fault: Fault) -> bool:
            run, sqlite_first = job.run(server, fault), chance.random() < 0.5
            has_failed = run.observed.steps() >= fault.at
            outcome.counts[task.name] += has_failed
            reported = any(answer.status == 1 for answer in run.answers)
            outcome.counts["of these, runs that ended with a clear error"] += has_failed and reported
            if unclear := [answer for answer in run.answers if not is_clear(answer)]:
                outcome.failures.append(f"{job.name}, {fault}: unclear: {unclear}")
                return has_failed
            acknowledged = ledgers(run.directory)
            found = oracle.examine(server, run.directory, job, acknowledged, expected, sqlite_first, may_leave_memory=True)
            outcome.failures += found.failures(f"{job.name}, {fault}")
            return has_failed

        task.sweep.run(2, fail)
    return outcome


def cut_after_failed_sync(task: SyncErrors) -> Outcome:
    job, outcome, chance = BY_NAME[task.sweep.job], Outcome(), random.Random(f"{task}")
    with ProcessServer() as server:
        expected = oracle.undisturbed(server, job)

        def fail(fault: Fault) -> bool:
            run = job.run(server, fault, record=True)
            if run.observed.steps() < fault.at:
                return False
            run.trace.read(run.observed.trace)
            states = CrashStates(run.trace)
            failed = next((number for number, event in enumerate(run.trace.events) if event.error), 0)
            for _ in range(task.crashes):
                crash, seed = chance.randrange(failed, len(run.trace.events) + 1), chance.randrange(1 << 30)
                directory, acknowledged = crashed(server, states, crash, seed), run.trace.ledgers(crash)
                sqlite_first = seed % 2 == 0
                found = oracle.examine(server, directory, job, acknowledged, expected, sqlite_first, may_leave_memory=True)
                outcome.counts["power cuts after a sync that failed"] += 1
                where = f"sync {fault.at} fails, cut before event {crash}, seed {seed}"
                outcome.failures += found.failures(f"{job.name}: {where}")
            return True

        task.sweep.run(1, fail)
    return outcome


def is_done(*command: object) -> bool:
    """Run a program; return whether it exists and succeeds."""
    try:
        return subprocess.run(list(map(str, command)), capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def mounted(server: ProcessServer, kind: str, size: int) -> Iterator[Path | None]:
    """Mount a file system of this size; None if this machine does not allow it."""
    path = server.directory("small")
    if kind == "tmpfs":
        is_mounted = is_done("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path)
    else:
        image = server.root / "image"
        with open(image, "wb") as file:
            file.truncate(8 << 20)
        is_mounted = is_done("mkfs.ext4", "-q", "-m", "0", image) and is_done("mount", "-o", "loop", image, path)
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


def fill(task: FullDisk) -> Outcome:
    outcome, job = Outcome(), JOBS[0]
    with ProcessServer() as server:
        expected = oracle.undisturbed(server, job)
        for size in task.sizes:
            with mounted(server, task.kind, size) as path:
                if path is None:
                    outcome.counts[f"file systems ({task.kind}) that cannot be made here"] += 1
                    continue
                (answer,) = server.run(command("generate", f"{path}/c.db", *FLAGS, "--force", "--quiet"))
                outcome.counts[f"{task.kind} file systems filled"] += answer.status == 1
                names_cause = answer.status == 0 or "full" in answer.output or "space" in answer.output
                if not is_clear(answer) or not names_cause:
                    outcome.failures.append(f"{task.kind} of {size} bytes: unclear: {answer}")
                make_room(task.kind, path)
                found = oracle.examine(server, path, job, {}, expected, size % 3 == 0)
                outcome.failures += found.failures(f"{task.kind} of {size} bytes")
    return outcome


def summed(counts: Counter[str]) -> Summary:
    missed = [] if counts["of these, runs that ended with a clear error"] else ["control: no run saw an error"]
    return dict(sorted(counts.items())), missed
