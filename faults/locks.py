"""Locks: many processes on one file, holders that stop or die, readers that never end."""

import contextlib
import json
import re
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from built import QORPUS, TARGET
import oracle
from jobs import FLAGS, command
from ledger import bound, ledgers
from outcome import Outcome, Summary
from process_server import ProcessServer, Request

TITLE = "Locks"
#: The size of a WAL beyond which a writer waits for a reader that prevents a checkpoint.
WAL_LIMIT_BYTES = 1 << 30
#: The longest wait for a lock whose holder died: no time at all, but a busy machine may be slow.
TIMEOUT_SECONDS = 20
#: The recipe of 1.3 GB of unitaries, written while a reader keeps its transaction.
LARGE = ("--qubits", "3", "--random", "1200000", "--length", "5..14", "--quiet")


#: A measurement: it gets a server, and counts.
LockTask = Callable[[ProcessServer, Outcome], None]


def tasks(quick: bool, seed: int) -> list[list[LockTask]]:
    """Return one list, because tasks that measure waits must not run side by side; two if quick."""
    seconds = 1.5 if quick else 5.0
    processes = (2, 16, 64) if quick else (2, 4, 8, 16, 32, 64, 128, 256)
    measures: list[LockTask] = [
        *(partial(contend, number, seconds) for number in processes),
        partial(stop_holder, 2 if quick else 30, False, 1 if quick else 2),
        partial(stop_holder, 0.5, True, 3 if quick else 20),
        partial(many_create, 2 if quick else 10),
        partial(wals_begin_and_end, 25 if quick else 300),
    ]
    readers: list[LockTask] = [a_reader_never_ends, a_reader_was_there_first]
    return [readers, measures] if quick else [measures + readers]


def fairness(shares: list[int]) -> float:
    """Return Jain's index: 1 if all shares are equal, 1/n if one has everything.

    Jain, Chiu, Hawe: A Quantitative Measure of Fairness (1984).
    """
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0


@contextlib.contextmanager
def on_disk() -> Iterator[Path]:
    """Make a corpus's path in a directory where syncs take time."""
    with tempfile.TemporaryDirectory(dir=TARGET, prefix="faults-") as name:
        yield Path(name) / "c.db"


def contend(processes: int, seconds: float, server: ProcessServer, outcome: Outcome) -> None:
    """Have processes write single durable records for some seconds, by Qorpus and by SQLite."""
    for writer in ("Qorpus", "SQLite"):
        with on_disk() as path:
            request = {"writer": writer, "path": str(path), "processes": processes, "seconds": seconds}
            found = server.ask(Request("contend", request))
            writes, errors, waits = (list(column) for column in zip(*found["tally"]))
            row = f"{processes} processes, {writer}"
            outcome.counts[f"{row}: writes"] = sum(writes)
            outcome.counts[f"{row}: lock errors"] = sum(errors)
            outcome.counts[f"{row}: longest wait, ms"] = round(1000 * max(waits))
            outcome.counts[f"{row}: fairness (Jain), %"] = round(100 * fairness(writes))
            if writer == "Qorpus":
                outcome.failures += compared(server, path, dict(enumerate(writes)))
                outcome.failures += [f"{row}: exit codes {found['codes']}"] if any(found["codes"]) else []


def compared(server: ProcessServer, path: Path, acknowledged: dict[int, int], more: bool = False) -> list[str]:
    """Check that each process has exactly its acknowledged records, or `more` if it was killed."""
    if (found := oracle.integrity(path)) != "ok":
        return [f"integrity_check: {found}"]
    there = Counter(process for process, _ in oracle.expanded(oracle.final(server, path.parent, True).keys))
    wrong = {
        process: (count, there[process])
        for process, count in acknowledged.items()
        if there[process] < count or (not more and there[process] > count)
    }
    return [f"records acknowledged, and there, by process: {wrong}"] if wrong else []


def stop_holder(seconds: float, is_killed: bool, repetitions: int, server: ProcessServer, outcome: Outcome) -> None:
    """Stop a process for some seconds while it holds the write lock, or kill it then."""
    how = "killed in its turn" if is_killed else f"stopped in its turn for {seconds} s"
    longest = f"{how}: longest until others went on, ms"
    for _ in range(repetitions):
        with on_disk() as path:
            request = {"path": str(path), "directory": str(path.parent), "seconds": seconds}
            found = server.ask(Request("stop_lock_holder", request | {"is_killed": is_killed}))
            acknowledged = {process: count for process, (count, _, _) in enumerate(found["tally"])}
            outcome.failures += compared(server, path, acknowledged, more=True)
            bad = [code for code in found["codes"] if code != 0 and not (is_killed and code == -9)]
            if bad or found["resumed"] > TIMEOUT_SECONDS:
                outcome.failures.append(f"{how}: {found}")
            outcome.counts[how] += 1
            outcome.counts[longest] = max(outcome.counts[longest], round(1000 * found["resumed"]))


def generating(path: Path, processes: int, *recipe: str) -> list[subprocess.Popen[bytes]]:
    """Start `generate`; messages go to the file `messages` beside the corpus."""
    arguments = [str(QORPUS), "generate", str(path), *recipe]
    with open(path.with_name("messages"), "a") as messages:
        return [subprocess.Popen(arguments, stderr=messages) for _ in range(processes)]


def messages_of(path: Path, writers: list[subprocess.Popen[bytes]]) -> Iterator[str]:
    """Yield all messages so far, repeatedly, until writers wait for a reader or end."""
    end, messages = time.monotonic() + 120, path.with_name("messages")
    while "waiting for a reader" not in (text := messages.read_text()) and any(one.poll() is None for one in writers):
        if time.monotonic() > end:
            break
        yield text
        time.sleep(0.01)
    yield text


def a_reader_never_ends(server: ProcessServer, outcome: Outcome) -> None:
    """Two writers fill the WAL while another SQLite keeps a read transaction, and wait."""
    with on_disk() as path:
        writers = generating(path, 2, *LARGE)
        reader, largest, messages = None, 0, ""
        while reader is None:
            with contextlib.suppress(sqlite3.Error):
                reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
                reader.execute("begin")
                # Its transaction keeps the WAL, once there is one, from being reset.
                if reader.execute("pragma journal_mode").fetchone() == ("wal",):
                    reader.execute("select count(*) from chunks").fetchone()
                    continue
            reader = None
            assert all(writer.poll() is None for writer in writers), "they ended too soon"
        wal = path.with_name("c.db-wal")
        for messages in messages_of(path, writers):
            largest = max(largest, wal.stat().st_size if wal.exists() else 0)
        reader.close()
        statuses = [writer.wait(120) for writer in writers]
        outcome.counts["log with a reader that never ends: largest, MiB"] = largest >> 20
        if "waiting for a reader" not in messages:
            outcome.failures.append(f"the writers did not report that they wait: {messages}")
        if any(statuses) or largest > WAL_LIMIT_BYTES + (64 << 20):
            outcome.failures.append(f"statuses {statuses}, a WAL of {largest >> 20} MiB")
        outcome.failures += verified(path)


def a_reader_was_there_first(server: ProcessServer, outcome: Outcome) -> None:
    """A lone writer, without a WAL, waits for a reader's transaction to end, and reports it."""
    with on_disk() as path:
        assert generating(path, 1, *FLAGS, "--part", "0/2", "--quiet")[0].wait(60) == 0
        reader = sqlite3.connect(path)
        reader.execute("begin")
        reader.execute("select count(*) from chunks").fetchone()
        (writer,) = generating(path, 1, *FLAGS, "--quiet")
        *_, messages = messages_of(path, [writer])
        reader.close()
        status = writer.wait(60)
        outcome.counts["writers that waited for a reader, and said so"] += 1
        if "waiting for a reader" not in messages or status != 0:
            outcome.failures.append(f"status {status}: {messages}")
        outcome.failures += verified(path)


def many_create(repetitions: int, server: ProcessServer, outcome: Outcome) -> None:
    """64 processes create the same corpus at once."""
    hashes = set()
    for _ in range(repetitions):
        path = server.directory() / "c.db"
        answers = server.run(*[command("generate", str(path), *FLAGS, "--quiet") for _ in range(64)])
        outcome.failures += [f"64 create: {answer}" for answer in answers if answer.status or complaints(answer.output)]
        info = subprocess.run([QORPUS, "info", path, "--json"], check=True, capture_output=True).stdout
        hashes.add(json.loads(info)["content_hash"])
        outcome.failures += verified(path)
        outcome.counts["times that 64 processes created one corpus"] += 1
    outcome.failures += [f"their corpora differ: {hashes}"] if len(hashes) > 1 else []


def complaints(output: str) -> list[str]:
    """Return what was said, but for waits for locks of others, which a busy machine makes long."""
    is_wait = re.compile(r": waiting for .*, which is held by ").search
    return [line for line in output.splitlines() if not is_wait(line)]


def wals_begin_and_end(visits: int, server: ProcessServer, outcome: Outcome) -> None:
    """Eight processes open, append, flush and close in memory while Python's SQLite reads.

    The WAL is reset and checkpointed all the time: SQLite before 3.51.3 could lose commits then.
    """
    directory = server.directory()
    path = directory / "c.db"
    requests = []
    for process in range(8):
        arguments = {"corpus": str(path), "ledger": f"{directory}/{process}.ledger", "process": process}
        requests.append(Request("visit", arguments | {"visits": visits, "batch": 3}))
    requests += [Request("look_in", {"path": str(path), "seconds": visits / 30}) for _ in range(2)]
    for answer in server.run(*requests):
        if answer.status:
            outcome.failures.append(f"WALs begin and end: {answer}")
    acknowledged = {int(name.removesuffix(".ledger")): bound(text) for name, text in ledgers(directory).items()}
    outcome.counts["writers opened and closed while the log was reset"] += 8 * visits
    outcome.failures += compared(server, path, acknowledged)


def verified(path: Path) -> list[str]:
    """Return the defects of a finished corpus."""
    found = subprocess.run([QORPUS, "verify", path, "--quiet"], capture_output=True, text=True)
    beside = sorted(other.name for other in path.parent.glob("c.db?*"))
    wrong = [f"verify: {found.stdout}{found.stderr}"] if found.returncode else []
    wrong += [f"left beside it: {beside}"] if beside else []
    return wrong + ([] if (text := oracle.integrity(path)) == "ok" else [f"integrity_check: {text}"])


def work(tasks: list[LockTask]) -> Outcome:
    outcome = Outcome()
    with ProcessServer() as server:
        for task in tasks:
            task(server, outcome)
    return outcome


def summed(counts: Counter[str]) -> Summary:
    errors = sum(count for what, count in counts.items() if "Qorpus: lock errors" in what)
    return dict(counts), [f"{errors} lock errors"] if errors else []
