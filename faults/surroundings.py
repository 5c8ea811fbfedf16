"""Unsupported environments: network file systems, lost files, read-only media, forks, clocks.

Each is refused with a helpful message, or makes no difference.
"""

import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from built import ROOT
import oracle
from disks import mounted
from file_loss import LOSSES
from jobs import FLAGS, append, command, generate
from outcome import Outcome, Summary
from process_server import Answer, ProcessServer, Request
from shim import Fault

TITLE = "Unsupported environments"
#: Types of statfs(2) that the shim reports, and their names in messages.
NETWORKS = {
    "6969": "NFS", "517B": "SMB", "FF534D42": "CIFS", "FE534D42": "SMB", "01021997": "9p", "65735546": "FUSE",
    "5346414F": "AFS", "00C36400": "Ceph", "73757245": "Coda", "0BD00BD0": "Lustre", "47504653": "GPFS",
    "19830326": "BeeGFS",
}  # fmt: skip
#: Commands that read a corpus.
READING = (("info",), ("show", "0"), ("verify",))


def error_with(answer: Answer, *words: str) -> list[str]:
    """Check that a process ended with an error message that has these words."""
    text = answer.output
    crashed = "panicked" in text or "Traceback" in text
    is_fine = answer.status == 1 and all(word in text for word in words) and not crashed
    return [] if is_fine else [f"no error with {words}: {answer}"]


def succeeded(*answers: Answer) -> list[str]:
    return [f"{answer}" for answer in answers if answer.status != 0]


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def made(path: object, *options: str) -> Request:
    return command("generate", str(path), *FLAGS, *options, "--quiet")


def reading(path: object) -> list[Request]:
    return [command(first, str(path), *rest) for first, *rest in READING]


def network_file_systems(server: ProcessServer, outcome: Outcome) -> None:
    """Nothing is written there; a finished corpus is read."""
    for kind, name in NETWORKS.items():
        directory = server.directory()
        path = directory / "c.db"
        environment = server.observed(directory).environment() | {"FAULTS_FILE_SYSTEM": kind}
        for answer in server.run(made(path), append(directory, 0), generate(directory, 1), environment=environment):
            outcome.failures += error_with(answer, f"({name})", "build the corpus on a local disk")
        if any(not left.endswith(".ledger") for left in files(directory)):
            outcome.failures.append(f"{name}: written: {list(files(directory))}")
        outcome.failures += succeeded(*server.run(made(path)))
        outcome.failures += succeeded(*server.run(*reading(path), environment=environment))
        outcome.counts["network file systems refused, as statfs names them"] += 1


def a_real_fuse_mount(server: ProcessServer, outcome: Outcome) -> None:
    """Write on a real FUSE file system, without the shim's word."""
    if not shutil.which("bindfs"):
        outcome.counts["real FUSE mounts refused (needs bindfs)"] = 0
        return
    directory, mirror = server.directory(), server.directory("mirror")
    if subprocess.run(["bindfs", directory, mirror], capture_output=True).returncode:
        outcome.counts["real FUSE mounts refused (not allowed here)"] = 0
        return
    try:
        (answer,) = server.run(made(mirror / "c.db"))
        outcome.failures += error_with(answer, "(FUSE)", "build the corpus on a local disk")
        outcome.failures += [f"written: {list(files(directory))}"] if files(directory) else []
    finally:
        subprocess.run(["umount", mirror], check=True)
    outcome.counts["real FUSE mounts refused"] += 1


def a_file_taken_away(server: ProcessServer, outcome: Outcome) -> None:
    """A writer whose file is taken away gets an error, and no acknowledgement."""
    for loss in LOSSES:
        for others in (0, 1):
            arguments = {"corpus": f"{server.directory()}/c.db", "loss": loss, "others": others}
            (answer,) = server.run(Request("write_through_loss", arguments))
            outcome.failures += [f"{loss}, {others} others: {text}" for text in error_with(answer, "c.db", "while")]
            outcome.counts["files taken away under a writer, which said so"] += 1


#: Corpora on read-only media: options that made them, or processes and the step of their kill.
STATES: dict[str, tuple[str, ...] | tuple[int, int]] = {
    "finished": (),
    "unfinished": ("--part", "0/2"),
    "killed in a commit": (1, 58),
    "killed with a log": (2, 120),
}


def all_but_size(answer: Answer, directory: Path) -> list[str]:
    """Return the output without sizes: closing a file may checkpoint its WAL and change them."""
    lines = answer.output.replace(str(directory), "").splitlines()
    return [line for line in lines if not line.strip().startswith("size ")]


def media_that_cannot_be_written(server: ProcessServer, outcome: Outcome) -> None:
    """A corpus is read as on other media, or refused; nothing is written."""
    for state, how in STATES.items():
        with mounted(server, "tmpfs", 4 << 20) as medium:
            if medium is None:
                outcome.counts["read-only media (not allowed here)"] = 0
                return
            path = medium / "c.db"
            if how and isinstance(how[0], int):
                fault = Fault(int(how[1]), "kill-before", for_ever=True)
                environment = server.observed(medium).environment(fault)
                server.run(*[generate(medium, number) for number in range(how[0])], environment=environment)
            else:
                outcome.failures += succeeded(*server.run(made(path, *map(str, how))))
            before, copy = files(medium), server.directory("copy")
            for name, content in before.items():
                (copy / name).write_bytes(content)
            subprocess.run(["mount", "-o", "remount,ro", medium], check=True)
            writers = server.run(made(path), command("repair", str(path)))
            outcome.failures += [text for answer in writers if answer.status for text in error_with(answer, "c.db")]
            readers = [server.run(*reading(at / "c.db")) for at in (medium, copy)]
            for here, elsewhere in zip(*readers):
                alike = all_but_size(here, medium) == all_but_size(elsewhere, copy)
                if not alike:
                    outcome.failures += error_with(here, "c.db") + [f"instead of {elsewhere}"] * (here.status != 1)
                outcome.counts[f"read-only media, a corpus {state}: commands that read it"] += alike
            outcome.failures += [f"{state}: something was written"] if files(medium) != before else []


def a_handle_after_a_fork(server: ProcessServer, outcome: Outcome) -> None:
    """The child is refused, and the parent's writer works."""
    (answer,) = server.run(Request("write_through_fork", {"corpus": f"{server.directory()}/c.db"}))
    outcome.counts["writers used after a fork, refused"] += 1
    outcome.failures += succeeded(answer)


def other_versions(server: ProcessServer, outcome: Outcome) -> None:
    """Every command refuses a newer format, and reads the corpus of the first version."""
    directory = server.directory()
    path = directory / "c.db"
    outcome.failures += succeeded(*server.run(made(path)))
    connection = sqlite3.connect(path)
    connection.execute("pragma user_version = 1000")
    connection.close()
    before = files(directory)
    writers = [made(path), append(directory, 0), command("merge", str(path), str(path))]
    for answer in server.run(*writers, *reading(path)):
        outcome.failures += error_with(answer, "c.db", "newer")
        outcome.counts["refusals of a newer format"] += 1
    changed = {name for name, content in files(directory).items() if before.get(name) != content}
    outcome.failures += [f"a newer format was changed: {changed}"] if changed - {"0.ledger"} else []
    for old in sorted((ROOT / "tests" / "data").glob("format-v*.db")):
        copy = server.directory() / "c.db"
        shutil.copy(old, copy)
        outcome.failures += succeeded(*server.run(*reading(copy)))
        outcome.counts["corpora of older versions read"] += 1


def a_clock_that_runs_backwards(server: ProcessServer, outcome: Outcome) -> None:
    """The clock goes back an hour every second, for two that generate and three that append."""
    hashes = set()
    for clock in ({}, {"FAULTS_CLOCK": "1"}):
        directory = server.directory()
        environment = server.observed(directory).environment() | clock
        answers = server.run(generate(directory, 0), generate(directory, 1), environment=environment)
        outcome.failures += succeeded(*answers)
        hashes.add(oracle.final(server, directory, False).hash)
        directory = server.directory()
        environment = server.observed(directory).environment() | clock
        answers = server.run(*[append(directory, process) for process in range(3)], environment=environment)
        outcome.failures += succeeded(*answers)
        outcome.counts["jobs under a clock that runs backwards"] += 2 * bool(clock)
    outcome.failures += [f"corpora differ: {hashes}"] if len(hashes) > 1 else []


SITUATIONS: dict[str, Callable[[ProcessServer, Outcome], None]] = {
    situation.__name__: situation
    for situation in (
        network_file_systems, a_real_fuse_mount, a_file_taken_away, media_that_cannot_be_written,
        a_handle_after_a_fork, other_versions, a_clock_that_runs_backwards,
    )
}  # fmt: skip


def tasks(quick: bool, seed: int) -> list[str]:
    return list(SITUATIONS)


def work(name: str) -> Outcome:
    outcome = Outcome()
    with ProcessServer() as server:
        SITUATIONS[name](server, outcome)
    return Outcome(outcome.counts, [f"{name}: {text}" for text in outcome.failures])


def summed(counts: Counter[str]) -> Summary:
    return dict(sorted(counts.items())), []
