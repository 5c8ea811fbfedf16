"""Wrong surroundings: network file systems, files that are taken away, media that cannot be written, handles after a fork, other
versions, clocks that run backwards. Each is refused with a sentence that helps, or makes no difference."""

import shutil
import sqlite3
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from built import QORPUS, ROOT
import oracle
from disks import mounted
from jobs import FLAGS, Job, append, command, generate
from nursery import Answer, Nursery, Request
from shim import Fault

TITLE = "Wrong surroundings"
#: Types of statfs(2) that the shim says, and what people call them.
NETWORKS = {
    "6969": "NFS",
    "517B": "SMB",
    "FF534D42": "CIFS",
    "FE534D42": "SMB",
    "01021997": "9p",
    "65735546": "FUSE",
    "5346414F": "AFS",
    "00C36400": "Ceph",
    "73757245": "Coda",
    "0BD00BD0": "Lustre",
    "47504653": "GPFS",
    "19830326": "BeeGFS",
}
#: Names in robbers.py.
HARMS = ("deleted", "replaced", "emptied", "cut to half", "cut by a byte", "deleted with all that stands beside it")
#: What every command and the Writer are asked to do with a corpus that they cannot have.
READING = (("info",), ("show", "0"), ("verify",))


@dataclass(frozen=True)
class Situation:
    """One of the functions below."""

    name: str
    quick: bool


def tasks(quick: bool, seed: int) -> list[Situation]:
    return [Situation(name, quick) for name in SITUATIONS if not quick or name not in SLOW]


def said(answer: Answer, *words: str) -> list[str]:
    """Whether it ended with an error for people that has these words."""
    text = answer.output
    fine = answer.status == 1 and all(word in text for word in words) and "panicked" not in text and "Traceback" not in text
    return [] if fine else [f"not said, {words}: {answer}"]


def succeeded(*answers: Answer) -> list[str]:
    return [f"{answer}" for answer in answers if answer.status != 0]


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def network_file_systems(nursery: Nursery, counts: Counter[str]) -> list[str]:
    """Nothing is written there, by anyone; a finished corpus is read."""
    failures = []
    for kind, name in NETWORKS.items():
        directory = nursery.directory()
        path = f"{directory}/c.db"
        environment = nursery.observed(directory).environment() | {"FAULTS_FILE_SYSTEM": kind}
        writers = [command("generate", path, *FLAGS, "--quiet"), append(directory, 0), generate(directory, 1)]
        for answer in nursery.run(*writers, environment=environment):
            failures += said(answer, f"({name})", "build the corpus on a local disk")
        if any(not left.endswith(".ledger") for left in files(directory)):
            failures.append(f"{name}: written: {list(files(directory))}")
        failures += succeeded(*nursery.run(*writers[:1]))
        failures += succeeded(*nursery.run(*[command(first, path, *rest) for first, *rest in READING], environment=environment))
        counts["network file systems refused, as statfs names them"] += 1
    return failures


def a_real_fuse_mount(nursery: Nursery, counts: Counter[str]) -> list[str]:
    """The same without a shim."""
    if not shutil.which("bindfs"):
        counts["real FUSE mounts refused (needs bindfs)"] = 0
        return []
    directory, mirror = nursery.directory(), nursery.root / "mirror"
    mirror.mkdir()
    if subprocess.run(["bindfs", directory, mirror], capture_output=True).returncode:
        counts["real FUSE mounts refused (not allowed here)"] = 0
        return []
    try:
        (answer,) = nursery.run(command("generate", f"{mirror}/c.db", *FLAGS, "--quiet"))
        failures = said(answer, "(FUSE)", "build the corpus on a local disk")
        failures += [f"written: {list(files(directory))}"] if files(directory) else []
    finally:
        subprocess.run(["umount", mirror], check=True)
    counts["real FUSE mounts refused"] += 1
    return failures


def a_file_taken_away(nursery: Nursery, counts: Counter[str]) -> list[str]:
    """A writer that is told that records are durable finds them again, or is told that the file is gone."""
    failures = []
    for harm in HARMS:
        for others in (0, 1):
            directory = nursery.directory()
            (answer,) = nursery.run(Request("robbed", {"corpus": f"{directory}/c.db", "harm": harm, "others": others}))
            failures += [f"{harm}, {others} others: {text}" for text in said(answer, "c.db", "while")]
            counts["files taken away under a writer, which said so"] += 1
    return failures


#: Corpora on media that cannot be written, and how they came to be: the share that is made, or the step at which every
#: process that makes it is killed.
STATES: dict[str, tuple[str, ...] | tuple[int, int]] = {
    "finished": (),
    "unfinished": ("--part", "0/2"),
    "killed in a commit": (1, 58),
    "killed with a log": (2, 120),
}


def all_but_size(answer: Answer, directory: Path) -> list[str]:
    """What was printed: where a log can be written back, whoever closes the file last makes both together smaller."""
    lines = answer.output.replace(str(directory), "").splitlines()
    return [line for line in lines if not line.strip().startswith("size ")]


def media_that_cannot_be_written(nursery: Nursery, counts: Counter[str]) -> list[str]:
    """What is there is read as from other media, or refused; nothing is written."""
    failures = []
    for state, how in STATES.items():
        with mounted(nursery, "tmpfs", 4 << 20) as place:
            if place is None:
                counts["read-only media (not allowed here)"] = 0
                return []
            path, job = place / "c.db", Job("", lambda *_: [], lambda *_: [])
            if how and isinstance(how[0], int):
                observed = nursery.observed(place)
                environment = observed.environment(Fault(int(how[1]), "kill-before", for_ever=True))
                nursery.run(*[generate(place, number) for number in range(how[0])], environment=environment)
            else:
                failures += succeeded(*nursery.run(command("generate", str(path), *FLAGS, *map(str, how), "--quiet")))
            copy = nursery.directory("copy")
            for name, content in files(place).items():
                (copy / name).write_bytes(content)
            subprocess.run(["mount", "-o", "remount,ro", place], check=True)
            before = files(place)
            writers = nursery.run(command("generate", str(path), *FLAGS, "--quiet"), command("repair", str(path)))
            failures += [text for answer in writers if answer.status for text in said(answer, "c.db")]
            readers = [nursery.run(*[command(first, f"{at}/c.db", *rest) for first, *rest in READING]) for at in (place, copy)]
            for here, elsewhere in zip(*readers):
                alike = all_but_size(here, place) == all_but_size(elsewhere, copy)
                failures += [] if alike else said(here, "c.db") + [f"instead of {elsewhere}"] * (here.status != 1)
                counts[f"read-only media, a corpus {state}: commands that read it"] += alike
            failures += [f"{state}: something was written"] if files(place) != before else []
    return failures


def a_handle_after_a_fork(nursery: Nursery, counts: Counter[str]) -> list[str]:
    """The child is refused, the parent goes on."""
    directory = nursery.directory()
    (answer,) = nursery.run(Request("forked", {"corpus": f"{directory}/c.db"}))
    counts["writers used after a fork, refused"] += 1
    return succeeded(answer)


def other_versions(nursery: Nursery, counts: Counter[str]) -> list[str]:
    """A newer format is refused by every command; the corpus that the first version wrote is read and verified."""
    directory, failures = nursery.directory(), []
    path = f"{directory}/c.db"
    failures += succeeded(*nursery.run(command("generate", path, *FLAGS, "--quiet")))
    connection = sqlite3.connect(path)
    connection.execute("pragma user_version = 2")
    connection.close()
    before = files(directory)
    writers = [command("generate", path, *FLAGS, "--quiet"), append(directory, 0), command("merge", path, path)]
    for answer in nursery.run(*writers, *[command(first, path, *rest) for first, *rest in READING]):
        failures += said(answer, "c.db", "newer")
        counts["refusals of a newer format"] += 1
    changed = {name for name, content in files(directory).items() if before.get(name) != content}
    failures += [f"a newer format was touched: {changed}"] if changed - {"0.ledger"} else []
    for old in sorted((ROOT / "tests" / "data").glob("format-v*.db")):
        copy = nursery.directory() / "c.db"
        shutil.copy(old, copy)
        failures += succeeded(*nursery.run(*[command(first, str(copy), *rest) for first, *rest in READING]))
        counts["corpora of older versions read"] += 1
    return failures


def a_clock_that_runs_backwards(nursery: Nursery, counts: Counter[str]) -> list[str]:
    """An hour back every second, for two that generate and three that append."""
    failures, hashes = [], set()
    for clock in ({}, {"FAULTS_CLOCK": "1"}):
        directory = nursery.directory()
        environment = nursery.observed(directory).environment() | clock
        failures += succeeded(*nursery.run(generate(directory, 0), generate(directory, 1), environment=environment))
        job = Job("", lambda *_: [], lambda *_: [])
        hashes.add(oracle.look(nursery, directory, job)["hash"])
        directory = nursery.directory()
        environment = nursery.observed(directory).environment() | clock
        failures += succeeded(*nursery.run(*[append(directory, process) for process in range(3)], environment=environment))
        counts["jobs under a clock that runs backwards"] += 2 * bool(clock)
    return failures + ([f"corpora differ: {hashes}"] if len(hashes) > 1 else [])


SITUATIONS = {
    situation.__name__: situation
    for situation in (
        network_file_systems,
        a_real_fuse_mount,
        a_file_taken_away,
        media_that_cannot_be_written,
        a_handle_after_a_fork,
        other_versions,
        a_clock_that_runs_backwards,
    )
}
SLOW: tuple[str, ...] = ()


def work(task: Situation) -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    with Nursery() as nursery:
        failures = SITUATIONS[task.name](nursery, counts)
    return counts, [f"{task.name}: {text}" for text in failures]


def summed(counts: Counter[str]) -> tuple[dict[str, int], list[str]]:
    return dict(sorted(counts.items())), []
