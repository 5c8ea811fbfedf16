"""Locks: many processes on one file, holders that stop or die, readers that never end, everyone at once."""

import contextlib
import json
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from built import QORPUS, TARGET
import oracle
from jobs import FLAGS, Job, command
from nursery import Json, Nursery, Request

TITLE = "Locks"
#: Beyond it a writer waits for whoever keeps the log from being written back.
LOG_LIMIT = 1 << 30
#: Seconds. Nobody waits for a holder that is gone; but a busy machine may be slow.
PATIENCE = 20
#: 1.6 GB of unitaries, written while a reader does not let go.
LARGE = ("--qubits", "3", "--random", "1500000", "--length", "5..14", "--quiet")


@dataclass(frozen=True)
class Contention:
    """Processes that write single records, each as durable as the others, for so long."""

    processes: int
    seconds: float


@dataclass(frozen=True)
class Halt:
    """A process that is stopped in its turn for so long, or killed then."""

    seconds: float
    is_killed: bool
    repetitions: int


@dataclass(frozen=True)
class Situation:
    """One of the functions below."""

    name: str
    quick: bool


Task = Contention | Halt | Situation


def tasks(quick: bool, seed: int) -> list[list[Task]]:
    """One after the other, since they measure how long others wait."""
    seconds = 1.5 if quick else 5.0
    processes = (2, 16, 64) if quick else (2, 4, 8, 16, 32, 64, 128, 256)
    made: list[Task] = [Contention(number, seconds) for number in processes]
    made += [Halt(2 if quick else 30, False, 1 if quick else 2), Halt(0.5, True, 3 if quick else 20)]
    made += [Situation(name, quick) for name in SITUATIONS]
    return [made]


def fairness(shares: list[int]) -> float:
    """Jain's index: 1 if all have the same, 1/n if one has all. Jain, Chiu, Hawe: A Quantitative Measure of Fairness (1984)."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0


@contextlib.contextmanager
def on_disk() -> Iterator[Path]:
    """A directory where syncs take time."""
    with tempfile.TemporaryDirectory(dir=TARGET, prefix="faults-") as name:
        yield Path(name)


def answered(nursery: Nursery, request: Request) -> Json:
    (answer,) = nursery.run(request)
    assert answer.status == 0, answer
    found: Json = json.loads(answer.output.splitlines()[-1])
    return found


def contend(nursery: Nursery, task: Contention, counts: Counter[str]) -> list[str]:
    failures = []
    for way in ("Qorpus", "SQLite"):
        with on_disk() as directory:
            path = directory / "c.db"
            request = {"way": way, "path": str(path), "processes": task.processes, "seconds": task.seconds}
            found = answered(nursery, Request("contend", request))
            writes, errors, waits = (list(column) for column in zip(*found["tally"]))
            row = f"{task.processes} processes, {way}"
            counts[f"{row}: writes"] = sum(writes)
            counts[f"{row}: lock errors"] = sum(errors)
            counts[f"{row}: longest wait, ms"] = round(1000 * max(waits))
            counts[f"{row}: fairness (Jain), %"] = round(100 * fairness(writes))
            if way == "Qorpus":
                failures += check(nursery, path, {str(process): count for process, count in enumerate(writes)})
                failures += [f"{task}: exit codes {found['codes']}"] if any(found["codes"]) else []
    return failures


def check(nursery: Nursery, path: Path, told: dict[str, int], more: bool = False) -> list[str]:
    """Each process has just the records that it was told are durable; a killed one may have `more`."""
    job = Job("Writer", lambda *_: [], lambda *_: [], appended=True)
    if (found := oracle.integrity(path)) != "ok":
        return [f"integrity_check: {found}"]
    keys = oracle.expanded(oracle.look(nursery, path.parent, job)["keys"])
    there = Counter(str(process) for process, _ in keys)
    wrong = {name: (count, there[name]) for name, count in told.items() if there[name] < count or (not more and there[name] > count)}
    return [f"told, and there: {wrong}"] if wrong else []


def halt(nursery: Nursery, task: Halt, counts: Counter[str]) -> list[str]:
    failures = []
    for _ in range(task.repetitions):
        with on_disk() as directory:
            path = directory / "c.db"
            request = {"path": str(path), "directory": str(directory), "seconds": task.seconds, "is_killed": task.is_killed}
            found = answered(nursery, Request("halt", request))
            told = {str(process): count for process, (count, _, _) in enumerate(found["tally"])}
            failures += check(nursery, path, told, more=True)
            bad = [code for code in found["codes"] if code != 0 and not (task.is_killed and code == -9)]
            if bad or found["resumed"] > PATIENCE:
                failures.append(f"{task}: {found}")
            how = "killed in its turn" if task.is_killed else f"stopped in its turn for {task.seconds} s"
            counts[f"{how}"] += 1
            longest = f"{how}: longest until others went on, ms"
            counts[longest] = max(counts[longest], round(1000 * found["resumed"]))
    return failures


def generating(path: Path, processes: int, *recipe: str) -> list[subprocess.Popen[bytes]]:
    """Started; what they say goes to the file `said` beside the corpus."""
    arguments = [str(QORPUS), "generate", str(path), *recipe]
    with open(path.with_name("said"), "a") as said:
        return [subprocess.Popen(arguments, stderr=said) for _ in range(processes)]


def saying(path: Path, writers: list[subprocess.Popen[bytes]]) -> Iterator[str]:
    """What has been said so far, again and again, until that is that they wait for a reader, or they end."""
    end = time.monotonic() + 120
    while "waiting for a reader" not in (text := path.with_name("said").read_text()) and any(writer.poll() is None for writer in writers):
        if time.monotonic() > end:
            break
        yield text
        time.sleep(0.01)
    yield text


def a_reader_never_ends(nursery: Nursery, quick: bool, counts: Counter[str]) -> list[str]:
    """Two write more than the log may hold while another SQLite keeps its transaction open: they wait and say why."""
    with on_disk() as directory:
        path = directory / "c.db"
        writers = generating(path, 2, *LARGE)
        reader, largest, said = None, 0, ""
        while reader is None:
            with contextlib.suppress(sqlite3.Error):
                reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
                reader.execute("begin")
                # It is the log that it holds, once there is one.
                if reader.execute("pragma journal_mode").fetchone() == ("wal",):
                    reader.execute("select count(*) from chunks").fetchone()
                    continue
            reader = None
            assert all(writer.poll() is None for writer in writers), "they ended too soon"
        log = path.with_name("c.db-wal")
        for said in saying(path, writers):
            largest = max(largest, log.stat().st_size if log.exists() else 0)
        reader.close()
        statuses = [writer.wait(120) for writer in writers]
        counts["log with a reader that never ends: largest, MiB"] = largest >> 20
        failures = [] if "waiting for a reader" in said else [f"the writers did not say what holds them: {said}"]
        if any(statuses) or largest > LOG_LIMIT + (64 << 20):
            failures.append(f"statuses {statuses}, a log of {largest >> 20} MiB")
        return failures + verified(path)


def a_reader_was_there_first(nursery: Nursery, quick: bool, counts: Counter[str]) -> list[str]:
    """A lone writer, without a log, waits for a reader's transaction to end, and says so."""
    with on_disk() as directory:
        path = directory / "c.db"
        assert generating(path, 1, *FLAGS, "--part", "0/2", "--quiet")[0].wait(60) == 0
        reader = sqlite3.connect(path)
        reader.execute("begin")
        reader.execute("select count(*) from chunks").fetchone()
        (writer,) = generating(path, 1, *FLAGS, "--quiet")
        *_, said = saying(path, [writer])
        reader.close()
        status = writer.wait(60)
        counts["writers that waited for a reader, and said so"] += 1
        failures = [] if "waiting for a reader" in said and status == 0 else [f"status {status}: {said}"]
        return failures + verified(path)


def everyone_creates(nursery: Nursery, quick: bool, counts: Counter[str]) -> list[str]:
    """64 processes create the same corpus at once."""
    failures, hashes = [], set()
    for _ in range(2 if quick else 10):
        directory = nursery.directory()
        path = directory / "c.db"
        answers = nursery.run(*[command("generate", str(path), *FLAGS, "--quiet") for _ in range(64)])
        failures += [f"64 create: {answer}" for answer in answers if answer.status or answer.output.strip()]
        hashes.add(subprocess.run([QORPUS, "info", path, "--json"], check=True, capture_output=True).stdout)
        failures += verified(path)
        counts["times that 64 processes created one corpus"] += 1
    return failures + ([f"their corpora differ: {hashes}"] if len({json.loads(text)["content_hash"] for text in hashes}) > 1 else [])


def logs_begin_and_end(nursery: Nursery, quick: bool, counts: Counter[str]) -> list[str]:
    """Eight open, append, flush and close on tmpfs while another SQLite reads: the log is reset and written back all the
    time, which is where SQLite before 3.51.3 could lose commits."""
    visits, failures = 25 if quick else 300, []
    directory = nursery.directory()
    path = directory / "c.db"
    requests = [
        Request("visit", {"corpus": str(path), "ledger": f"{directory}/{process}.ledger", "process": process, "visits": visits, "batch": 3})
        for process in range(8)
    ]
    readers = [Request("look_in", {"path": str(path), "seconds": visits / 30}) for _ in range(2)]
    for answer in nursery.run(*requests, *readers):
        if answer.status:
            failures.append(f"logs begin and end: {answer}")
    told = {name.removesuffix(".ledger"): oracle.bound(text) for name, text in oracle.ledgers(directory).items()}
    counts["writers opened and closed while the log was reset"] += 8 * visits
    return failures + check(nursery, path, told)


def verified(path: Path) -> list[str]:
    found = subprocess.run([QORPUS, "verify", path, "--quiet"], capture_output=True, text=True)
    beside = sorted(other.name for other in path.parent.glob("c.db?*"))
    wrong = [f"verify: {found.stdout}{found.stderr}"] if found.returncode else []
    wrong += [f"left beside it: {beside}"] if beside else []
    return wrong + ([] if (text := oracle.integrity(path)) == "ok" else [f"integrity_check: {text}"])


SITUATIONS = {
    situation.__name__: situation
    for situation in (a_reader_never_ends, a_reader_was_there_first, everyone_creates, logs_begin_and_end)
}


def work(parts: list[Task]) -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with Nursery() as nursery:
        for task in parts:
            match task:
                case Contention():
                    failures += contend(nursery, task, counts)
                case Halt():
                    failures += halt(nursery, task, counts)
                case Situation():
                    failures += SITUATIONS[task.name](nursery, task.quick, counts)
    return counts, failures


def summed(counts: Counter[str]) -> tuple[dict[str, int], list[str]]:
    errors = sum(count for what, count in counts.items() if "Qorpus: lock errors" in what)
    return dict(counts), [f"{errors} lock errors"] if errors else []
