"""What processes do that compete for one file: run by the nursery, in forks of one process that has everything loaded."""

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

#: A wait that is longer is a hang.
PATIENCE = 60.0


class Tally:
    """What each of several processes has done so far, in memory that they share."""

    ENTRY = struct.Struct("=qqd")

    def __init__(self, processes: int):
        self.processes = processes
        self.memory = mmap.mmap(-1, processes * self.ENTRY.size)
        self.ready = mmap.mmap(-1, processes)

    def meet(self, process: int) -> None:
        """Waits for all others to come here."""
        self.ready[process] = 1
        while any(not ready for ready in self.ready[:]):
            time.sleep(0.002)

    def count(self, process: int, writes: int, errors: int, longest: float) -> None:
        self.ENTRY.pack_into(self.memory, process * self.ENTRY.size, writes, errors, longest)

    def all(self) -> list[tuple[int, int, float]]:
        """Writes, errors, and the longest wait in seconds, of each process."""
        return list(self.ENTRY.iter_unpack(self.memory[:]))

    def writes(self, *but: int) -> int:
        """Of all processes but these."""
        return sum(found[0] for process, found in enumerate(self.all()) if process not in but)


@contextlib.contextmanager
def by_qorpus(corpus: str, process: int) -> Iterator[Callable[[int], None]]:
    """One durable record."""
    with qorpus.Writer(corpus, gates=writing.GATES, qubits=1) as writer:

        def write(number: int) -> None:
            writing.add(writer, 2, process, range(number, number + 1))
            writer.flush()

        yield write


@contextlib.contextmanager
def by_sqlite(path: str, process: int) -> Iterator[Callable[[int], None]]:
    """One durable row in the way that is usually recommended: the write-ahead log, and sqlite3's own timeout of 5 s."""
    connection = sqlite3.connect(path)
    connection.execute("pragma synchronous = full")

    def write(number: int) -> None:
        with connection:
            row = (process * 10**9 + number, "; ".join(writing.circuit(process, number)))
            connection.execute("insert into records values (?, ?, ?)", (*row, writing.unitaries(process, [number]).tobytes()))

    yield write
    connection.close()


WAYS = {"Qorpus": by_qorpus, "SQLite": by_sqlite}


def compete(way: str, path: str, process: int, tally: Tally, goes_on: Callable[[float], bool]) -> None:
    """Writes one after the other, and how long each takes, once all have opened the file; `goes_on` is told since when."""
    writes, errors, longest = 0, 0, 0.0
    with WAYS[way](path, process) as write:
        tally.meet(process)
        since = time.monotonic()
        while goes_on(since):
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
    """Forks, one a process of the tally; they begin together."""
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


def ended(children: list[int]) -> list[int]:
    """Exit codes."""
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def contend(way: str, path: str, processes: int, seconds: float) -> None:
    """So many processes write single records for so long; prints what each has done."""
    if way == "SQLite":
        connection = sqlite3.connect(path)
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table records (id integer primary key, circuit text, unitary blob)")
        connection.close()
    tally = Tally(processes)

    def goes_on(since: float) -> bool:
        return time.monotonic() < since + seconds

    codes = ended(start(tally, lambda process: compete(way, path, process, tally, goes_on)))
    print("\n" + json.dumps({"codes": codes, "tally": tally.all()}))


def halt(path: str, directory: str, seconds: float, is_killed: bool) -> None:
    """Stops one of four processes while it has the turn to write, for so long, or kills it then; prints the seconds until the
    others went on."""
    tally, stop = Tally(4), Path(directory) / "stop"
    children = start(tally, lambda process: compete("Qorpus", path, process, tally, lambda _: not stop.exists()))
    begun, victim = time.monotonic(), 0
    while True:
        assert time.monotonic() < begun + PATIENCE + 10 * seconds, "it was never stopped in its turn"
        time.sleep(0.003)
        os.kill(children[victim], signal.SIGSTOP)
        before = tally.writes(victim)
        time.sleep(0.2)
        # Then none of the others comes to its turn; if one does later, it was only slow.
        if before and tally.writes(victim) == before:
            time.sleep(seconds)
            if tally.writes(victim) == before:
                break
        os.kill(children[victim], signal.SIGCONT)
    if is_killed:
        os.kill(children[victim], signal.SIGKILL)
    os.kill(children[victim], signal.SIGCONT)
    begun = time.monotonic()
    while tally.writes(victim) == before and time.monotonic() < begun + PATIENCE:
        time.sleep(0.001)
    resumed = time.monotonic() - begun
    time.sleep(0.2)
    stop.touch()
    print("\n" + json.dumps({"codes": ended(children), "resumed": resumed, "tally": tally.all()}))


def visit(corpus: str, ledger: str, process: int, visits: int, batch: int) -> None:
    """Opens, appends, flushes and closes, again and again: logs are begun, written back and removed all the time."""
    told = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number in range(visits):
        with qorpus.Writer(corpus, gates=writing.GATES, qubits=1) as writer:
            numbers = range(number * batch, (number + 1) * batch)
            writing.add(writer, number % 3, process, numbers)
            writer.flush()
            os.write(told, f"{numbers.stop}\n".encode())


def look_in(path: str, seconds: float) -> None:
    """Another SQLite reads what others write: each time a consistent state, and never fewer records than before."""
    end, most = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        if not os.path.exists(path):
            continue
        connection = sqlite3.connect(path, timeout=PATIENCE)
        try:
            rows = connection.execute("select (select sum(count) from chunks), records from totals").fetchall()
            for there, counted in rows:
                assert (there or 0) == counted >= most, (there, counted, most)
                most = counted
        except sqlite3.OperationalError as error:
            # Nobody has made it yet.
            assert "no such table" in str(error), error
        finally:
            connection.close()
