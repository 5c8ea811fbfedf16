"""Workloads that compete for one file, in forks of a process that has all modules loaded."""

import contextlib
import json
import mmap
import os
import signal
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import qorpus
import writing
from ledger import Ledger

#: A longer wait is a hang.
TIMEOUT_SECONDS = 60.0


class Tally:
    """Counts of several processes, in memory that they share."""

    ENTRY = struct.Struct("=qqd")

    def __init__(self, processes: int):
        self.processes = processes
        self.memory = mmap.mmap(-1, processes * self.ENTRY.size)
        self.ready = mmap.mmap(-1, processes)

    def meet(self, process: int) -> None:
        """Wait until every process has called this."""
        self.ready[process] = 1
        while any(not ready for ready in self.ready[:]):
            time.sleep(0.002)

    def count(self, process: int, writes: int, errors: int, longest: float) -> None:
        self.ENTRY.pack_into(self.memory, process * self.ENTRY.size, writes, errors, longest)

    def all(self) -> list[tuple[int, int, float]]:
        """Return writes, errors and the longest wait in seconds of each process."""
        return list(self.ENTRY.iter_unpack(self.memory[:]))

    def writes(self, *but: int) -> int:
        """Return the writes of all processes but these."""
        return sum(found[0] for process, found in enumerate(self.all()) if process not in but)


@contextlib.contextmanager
def by_qorpus(corpus: str, process: int) -> Iterator[Callable[[int], None]]:
    """Write one durable record at a time."""
    with qorpus.Writer(corpus, gates=writing.GATES, qubits=1) as writer:

        def write(number: int) -> None:
            writing.add(writer, 2, process, range(number, number + 1))
            writer.flush()

        yield write


@contextlib.contextmanager
def by_sqlite(path: str, process: int) -> Iterator[Callable[[int], None]]:
    """Write one durable row at a time as usually recommended: WAL, and sqlite3's timeout of 5 s."""
    connection = sqlite3.connect(path)
    connection.execute("pragma synchronous = full")

    def write(number: int) -> None:
        row = (process * 10**9 + number, "; ".join(writing.circuit(process, number)))
        with connection:
            values = (*row, writing.unitaries(process, [number]).tobytes())
            connection.execute("insert into records values (?, ?, ?)", values)

    yield write
    connection.close()


WRITERS = {"Qorpus": by_qorpus, "SQLite": by_sqlite}


def compete(writer: str, path: str, process: int, tally: Tally, is_on: Callable[[float], bool]) -> None:
    """Write and tally while `is_on(start)`, beginning once all processes have the file open."""
    writes, errors, longest = 0, 0, 0.0
    with WRITERS[writer](path, process) as write:
        tally.meet(process)
        since = time.monotonic()
        while is_on(since):
            begun = time.monotonic()
            try:
                write(writes)
                writes += 1
            except sqlite3.OperationalError as error:
                assert "locked" in str(error), error
                errors += 1
            longest = max(longest, time.monotonic() - begun)
            tally.count(process, writes, errors, longest)


def start(tally: Tally, work: Callable[[int], None]) -> list[int]:
    """Fork the processes of the tally; they begin together."""
    waiting, go = os.pipe()
    children = []
    for process in range(tally.processes):
        child = os.fork()
        if child == 0:
            os.close(go)
            os.read(waiting, 1)
            try:
                work(process)
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", flush=True)
                os._exit(1)
            os._exit(0)
        children.append(child)
    os.close(waiting)
    os.close(go)
    return children


def exit_codes(children: list[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def contend(writer: str, path: str, processes: int, seconds: float) -> None:
    """Have processes write single records for some time; print the tally."""
    if writer == "SQLite":
        connection = sqlite3.connect(path)
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table records (id integer primary key, circuit text, unitary blob)")
        connection.close()
    tally = Tally(processes)

    def is_on(since: float) -> bool:
        return time.monotonic() < since + seconds

    codes = exit_codes(start(tally, lambda process: compete(writer, path, process, tally, is_on)))
    print("\n" + json.dumps({"codes": codes, "tally": tally.all()}))


def stop_lock_holder(path: str, directory: str, seconds: float, is_killed: bool) -> None:
    """Stop one of four processes while it holds the write lock, or kill it then.

    Prints the seconds until the others went on.
    """
    tally, stop = Tally(4), Path(directory) / "stop"
    children = start(tally, lambda process: compete("Qorpus", path, process, tally, lambda _: not stop.exists()))
    begun, holder = time.monotonic(), 0
    while True:
        assert time.monotonic() < begun + TIMEOUT_SECONDS + 10 * seconds, "it was never stopped with the lock"
        time.sleep(0.003)
        os.kill(children[holder], signal.SIGSTOP)
        before = tally.writes(holder)
        time.sleep(0.2)
        # If the stopped process has the lock, no other one writes; one that writes later was slow.
        if before and tally.writes(holder) == before:
            time.sleep(seconds)
            if tally.writes(holder) == before:
                break
        os.kill(children[holder], signal.SIGCONT)
    if is_killed:
        os.kill(children[holder], signal.SIGKILL)
    os.kill(children[holder], signal.SIGCONT)
    begun = time.monotonic()
    while tally.writes(holder) == before and time.monotonic() < begun + TIMEOUT_SECONDS:
        time.sleep(0.001)
    resumed = time.monotonic() - begun
    time.sleep(0.2)
    stop.touch()
    print("\n" + json.dumps({"codes": exit_codes(children), "resumed": resumed, "tally": tally.all()}))


def visit(corpus: str, ledger: str, process: int, visits: int, batch: int) -> None:
    """Open, append, flush and close repeatedly: WALs are begun, checkpointed and removed."""
    acknowledged = Ledger(ledger)
    for number in range(visits):
        with qorpus.Writer(corpus, gates=writing.GATES, qubits=1) as writer:
            numbers = range(number * batch, (number + 1) * batch)
            writing.add(writer, number % 3, process, numbers)
            writer.flush()
            acknowledged.write(numbers.stop)


def look_in(path: str, seconds: float) -> None:
    """Read with Python's SQLite: each state is consistent, and no record vanishes."""
    end, most = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        if not os.path.exists(path):
            continue
        connection = sqlite3.connect(path, timeout=TIMEOUT_SECONDS)
        try:
            rows = connection.execute("select (select sum(count) from chunks), records from totals").fetchall()
            for there, counted in rows:
                assert (there or 0) == counted >= most, (there, counted, most)
                most = counted
        except sqlite3.OperationalError as error:
            # The file exists before its tables do.
            assert "no such table" in str(error), error
        finally:
            connection.close()
