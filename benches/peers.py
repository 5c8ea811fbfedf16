"""Times Qorpus beside other stores of the same records: writing, reading, feeding PyTorch.

Every store holds the same records in the same order and is synced at the end of each write. One
process reads it with warm caches (loaders: several workers), always the whole record, circuit and
unitary. Every answer is compared with the data that was written. Stores take turns, each in its own
process, so that a slow moment of the machine does not favour one of them.

    target/package/bin/python benches/peers.py          # after scripts/test or scripts/bench
"""

import gc
import importlib.metadata
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import qorpus
from stores import STORES
from stores.corpus import Appended, CorpusReader
from stores.records import BATCH, NAMES, Data, check, fingerprint, same
from stores.store import Reader, Store
from harness import Neighbours, keep, parser, summary

LARGE = 16_384
WORKERS = (0, 2, 4)
COLUMNS = [
    "write",
    "write, 2 processes",
    "random single",
    f"random {BATCH}",
    f"random {LARGE}",
    "shuffled epoch",
    "sequential",
    *(f"loader, {workers} workers" for workers in WORKERS),
]
# Four workers on two cores are part of the benchmark.
warnings.filterwarnings("ignore", "This DataLoader will create")
# Workers that are not forked come from a server, which imports `stores` by this path.
os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
multiprocessing.set_forkserver_preload(["stores"])
#: Forked processes inherit the data.
FORK = multiprocessing.get_context("fork")

Rates = dict[str, float]


class Session:
    """A store that is written, checked and timed once."""

    def __init__(self, kind: type[Store], data: Data, directory: Path, seconds: float, thorough: bool) -> None:
        self.kind, self.data, self.directory = kind, data, directory
        self.seconds, self.thorough = seconds, thorough
        #: Whether whole epochs of every loader are compared: in a smoke run, where they are short.
        self.complete_loaders = thorough and len(data) <= 50_000
        self.print = fingerprint(data.batch(slice(None))) if thorough else 0

    def measure(self) -> tuple[Rates, float]:
        """Return records a second by column, and bytes a record."""
        rates: Rates = {}
        if "write, 2 processes" not in self.kind.missing:
            with tempfile.TemporaryDirectory(dir=self.directory) as name:
                store = self.kind(self.data, Path(name))
                os.sync()
                rates["write, 2 processes"] = self.rate(lambda: self.write_by_processes(store, 2))
                in_processes(partial(self.check_all, store))
        with tempfile.TemporaryDirectory(dir=self.directory) as name:
            store = self.kind(self.data, Path(name))
            os.sync()
            if "write" in self.kind.missing:
                store.write()
            else:
                rates["write"] = self.rate(store.write)
            size = store.size() / len(self.data)
            reader = store.reader()()
            rates |= self.reads(reader)
            # Forked workers must not have it open.
            del reader
            gc.collect()
            for workers in WORKERS:
                rates[f"loader, {workers} workers"] = self.loader(store, workers)
            if self.kind is Appended:
                rates |= self.appended_one_by_one()
        return rates, size

    def rate(self, work: Callable[[], object]) -> float:
        start = time.perf_counter()
        work()
        return len(self.data) / (time.perf_counter() - start)

    def write_by_processes(self, store: Store, parts: int) -> None:
        # Begin and end in processes of their own: one whose library has threads must not fork.
        in_processes(store.begin)
        in_processes(*(partial(store.write_part, part, parts) for part in range(parts)))
        in_processes(store.end)

    def check_all(self, store: Store) -> None:
        """Check that the store holds all records in order; in later repetitions, some of them."""
        total, at = 0, 0
        for batch in store.reader()().scan():
            check(batch)
            if store.ordered:
                written = self.data.batch(slice(at, at + len(batch[1])))
                assert same(batch, written), f"{store.name}: other records than were written"
            at += len(batch[1])
            if self.thorough:
                total += fingerprint(batch)
            elif at > 20 * BATCH:
                return
        assert at == len(self.data) and (not self.thorough or total % 2**64 == self.print), f"{store.name}: not all"

    def reads(self, reader: Reader) -> Rates:
        """Time each way to read, after comparing its answers."""
        chance = np.random.default_rng(0)
        order, missing, rates = chance.permutation(len(self.data)), self.kind.missing, {}
        some = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
        large = [order[at : at + LARGE] for at in range(0, max(1, len(order) - LARGE + 1), LARGE)]
        # A scan first warms the caches.
        at = 0
        for batch in reader.scan():
            assert same(batch, self.data.batch(slice(at, at := at + len(batch[1]))))
        assert at == len(self.data)
        if "random single" not in missing:
            for index in order[:200].tolist():
                circuit, unitary = reader.single(index)
                assert np.array_equal(unitary, self.data.unitaries[index])
                assert circuit == tuple(NAMES[number] for number in self.data.letters[index] if number >= 0)
            rates["random single"] = self.fill(lambda: self.singles(reader, order.tolist()))
        if f"random {BATCH}" not in missing:
            for ids in [*some[:8], *large[:1]]:
                assert same(reader.batch(ids), self.data.batch(ids))
            rates[f"random {BATCH}"] = self.fill(lambda: (len(reader.batch(ids)[1]) for ids in some))
            rates[f"random {LARGE}"] = self.fill(lambda: (len(reader.batch(ids)[1]) for ids in large))
        self.check_epoch(reader)
        rates["shuffled epoch"] = self.fill(lambda: (len(unitaries) for _, unitaries in reader.epoch(1)))
        if isinstance(reader, CorpusReader) and self.kind is Appended:
            rates["epoch, all ids permuted"] = self.fill(lambda: (len(pairs[1]) for pairs in reader.streamed(1, None)))
        rates["sequential"] = self.fill(lambda: (len(unitaries) for _, unitaries in reader.scan()))
        return rates

    @staticmethod
    def singles(reader: Reader, ids: list[int]) -> Iterator[int]:
        single = reader.single
        for at in range(0, len(ids), 64):
            some = ids[at : at + 64]
            for index in some:
                single(index)
            yield len(some)

    def fill(self, some: Callable[[], Iterable[int]]) -> float:
        """Repeat `some`, which yields numbers of records it reads; return the rate."""
        start, records = time.perf_counter(), 0
        while True:
            for count in some():
                records += count
                if (elapsed := time.perf_counter() - start) > self.seconds:
                    return records / elapsed

    def check_epoch(self, reader: Reader) -> None:
        total, records, first = 0, 0, None
        for batch in reader.epoch(1):
            check(batch)
            first = batch if first is None else first
            records += len(batch[1])
            total += fingerprint(batch)
            if not self.thorough and records > 8 * BATCH:
                break
        assert first is not None and not same(first, self.data.batch(slice(0, len(first[1])))), "not shuffled"
        assert not self.thorough or (records == len(self.data) and total % 2**64 == self.print), "not every record once"

    def loader(self, store: Store, workers: int) -> float:
        """Return records a second once the workers run and have read ahead."""
        loader, total, records = store.loader(workers), 0, 0
        if self.complete_loaders:
            for batch in loader:
                total += fingerprint((batch["circuit"].numpy(), batch["unitary"].numpy()))
                records += len(batch["unitary"])
            assert records == len(self.data) and total % 2**64 == self.print, f"{store.name}: not every record once"
        batches, enough = iter(loader), time.perf_counter() + 4 * self.seconds
        for _ in range(max(1, min(2 * workers + 1, len(self.data) // BATCH // 4))):
            batch = next(batches)
            check((batch["circuit"].numpy(), batch["unitary"].numpy()))
            if time.perf_counter() > enough:
                break
        start, records, elapsed = time.perf_counter(), 0, 0.0
        for batch in batches:
            records += len(batch["unitary"])
            if (elapsed := time.perf_counter() - start) > self.seconds:
                break
        del batches, loader
        gc.collect()
        return records / elapsed

    def appended_one_by_one(self) -> Rates:
        """Return durable records a second of `Writer.append`, with a unitary and without."""
        rates, circuits = {}, self.data.recipe.circuits(slice(0, 200_000))
        for name, given in [("append, unitary given", self.data.unitaries), ("append, unitary computed", None)]:
            path = self.directory / "appended.db"
            start = time.perf_counter()
            with qorpus.Writer(path, ["h", "s", "t"], qubits=1) as writer:
                if given is None:
                    for circuit in circuits:
                        writer.append(circuit)
                else:
                    for circuit, unitary in zip(circuits, given):
                        writer.append(circuit, unitary)
            rates[name] = len(circuits) / (time.perf_counter() - start)
            corpus = qorpus.open(path)
            assert len(corpus) == len(circuits)
            assert np.array_equal(corpus.unitaries(slice(None)), self.data.unitaries[: len(corpus)])
            path.unlink()
        return rates


def in_processes(*work: Callable[[], object]) -> None:
    """Run functions at the same time, each in a process of its own."""
    processes = [FORK.Process(target=some) for some in work]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert all(process.exitcode == 0 for process in processes), "a process failed; see above"


def run(session: Session, answer: Connection) -> None:
    # The garbage collector need not search the objects of the imports.
    gc.collect()
    gc.freeze()
    try:
        answer.send(session.measure())
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        answer.close()


def in_a_process(session: Session) -> tuple[Rates, float]:
    """Measure in a new process, without the threads and caches of others."""
    answer, given = FORK.Pipe(duplex=False)
    process = FORK.Process(target=run, args=(session, given))
    process.start()
    given.close()
    try:
        measured = answer.recv()
    except EOFError:
        raise SystemExit(f"{session.kind.name} failed; see above") from None
    process.join()
    return measured


def main() -> None:
    options = parser(__doc__, repetitions=3)
    options.add_argument("--records", type=int, default=1_000_000)
    options.add_argument("--seconds", type=float, default=0.4, help="about how long each way of reading is timed")
    options.add_argument("--store", action="append", help="only stores whose name contains this; no record")
    arguments = options.parse_args()
    if arguments.smoke:
        arguments.records, arguments.seconds, arguments.repetitions = 20_000, 0.01, 1
    kinds = [kind for kind in STORES if not arguments.store or any(some in kind.name for some in arguments.store)]
    arguments.no_record |= len(kinds) < len(STORES)

    neighbours, data = Neighbours(), Data(arguments.records)
    measured: dict[str, dict[str, list[float]]] = {kind.name: {} for kind in kinds}
    sizes = {}
    for repetition in range(arguments.repetitions):
        for kind in kinds:
            start = time.perf_counter()
            with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
                session = Session(kind, data, Path(name), arguments.seconds, thorough=repetition == 0)
                rates, sizes[kind.name] = in_a_process(session)
            for column, rate in rates.items():
                measured[kind.name].setdefault(column, []).append(rate)
            about = f"repetition {repetition + 1} of {arguments.repetitions}: {kind.name}"
            print(f"{about}, {time.perf_counter() - start:.1f} s", file=sys.stderr)
    results = {name: {column: summary(rates) for column, rates in found.items()} for name, found in measured.items()}
    section = {
        "records": arguments.records,
        "seconds_a_cell": arguments.seconds,
        "columns": COLUMNS,
        "settings": {kind.name: kind.settings for kind in kinds},
        "missing": {kind.name: kind.missing for kind in kinds},
        "packages": {name: importlib.metadata.version(name) for kind in kinds for name in kind.packages},
        "torch": importlib.metadata.version("torch"),
        "records_per_second": results,
        "bytes_per_record": {name: round(size, 2) for name, size in sizes.items()},
    }
    keep("peers", arguments, section, neighbours)


if __name__ == "__main__":
    main()
