"""Times the Python package beside other stores of the same records: writing, single and batch reads, one process.

Records are one-qubit circuits of 5 to 14 letters with their unitaries in complex128. Every store holds id, circuit and
unitary, is written durably, and is read with warm caches; every answer is compared with that of the memory it was
written from. Stores take turns, so that a machine that is slow for a while is slow for all.

    target/package/bin/python benches/package.py          # after scripts/test
"""

import argparse
import importlib.metadata
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import lmdb
import numpy as np
import qorpus
from original import LONGEST, SHORTEST
from surroundings import ROOT, Neighbours, keep, machine, summary

NAMES = ("h 0", "s 0", "t 0")
BATCH = 1024
LARGE = 16_384
#: Records that peers write in one transaction or call.
GROUP = 10_000

Record = tuple[tuple[str, ...], np.ndarray]


class Data:
    """The records in memory: letters padded with -1, unitaries, and circuits as tuples of letters."""

    def __init__(self, records: int) -> None:
        recipe = qorpus.Recipe(gates="h,s,t", qubits=1, random=records, length=(SHORTEST, LONGEST), seed=1)
        assert recipe.letters == NAMES
        self.recipe = recipe
        self.letters = recipe.letters_array(slice(None)).astype(np.int8)
        self.unitaries = recipe.unitaries(slice(None))
        self.circuits = recipe.circuits(slice(0, min(records, 200_000)))
        # The matrices are written down here once more: the data must not be wrong either.
        own = {"h 0": np.array([[1, 1], [1, -1]]) / np.sqrt(2), "s 0": np.diag([1, 1j]), "t 0": np.diag([1, (1 + 1j) / np.sqrt(2)])}
        for circuit, unitary in zip(self.circuits[:1000], self.unitaries):
            product = np.eye(2, dtype=complex)
            for letter in circuit:
                product = own[letter] @ product
            assert np.abs(product - unitary).max() < 1e-12

    def groups(self) -> Iterator[slice]:
        return (slice(at, min(at + GROUP, len(self.unitaries))) for at in range(0, len(self.unitaries), GROUP))


def circuit_of(row: bytes) -> tuple[str, ...]:
    """Letters from the numbers in which peers keep them; all of them are padded with 255."""
    return tuple([NAMES[number] for number in row if number != 255])


class Qorpus:
    """A corpus; `unitaries=False` computes them while reading."""

    def __init__(self, data: Data, directory: Path, *, unitaries: bool = True) -> None:
        self.data, self.path, self.stored = data, directory / f"{unitaries}.db", unitaries

    def write(self) -> None:
        with qorpus.Writer(self.path, ["h", "s", "t"], qubits=1, unitaries=self.stored) as writer:
            for group in self.data.groups():
                given = self.data.unitaries[group] if self.stored else None
                writer.extend(self.data.letters[group], given)

    def open(self) -> None:
        self.corpus = qorpus.open(self.path)

    def single(self, index: int) -> Record:
        record = self.corpus[index]
        return record.circuit, record.unitary

    def batch(self, ids: np.ndarray) -> np.ndarray:
        return self.corpus.unitaries(ids)

    def run(self, start: int, stop: int) -> np.ndarray:
        return self.corpus.unitaries(slice(start, stop))

    def size(self) -> int:
        return self.path.stat().st_size


class Generated(Qorpus):
    """A corpus that Qorpus makes itself: to write it is to compute it."""

    def write(self) -> None:
        qorpus.generate(self.path, self.data.recipe, progress=False)


class Virtual(Qorpus):
    """A recipe: nothing is stored."""

    def write(self) -> None:
        self.path.touch()

    def open(self) -> None:
        self.corpus = self.data.recipe


class Lmdb:
    """LMDB: the id as key, letters and unitary as value; a transaction a group, synced at each commit."""

    def __init__(self, data: Data, directory: Path) -> None:
        self.data, self.path = data, directory / "lmdb"

    def write(self) -> None:
        environment = lmdb.open(str(self.path), map_size=4 << 30)
        width = self.data.letters.shape[1]
        for group in self.data.groups():
            rows = np.empty((group.stop - group.start, width + 64), np.uint8)
            rows[:, :width] = self.data.letters[group].view(np.uint8)
            rows[:, width:] = self.data.unitaries[group].reshape(-1, 4).view(np.uint8)
            values, keys = rows.tobytes(), np.arange(group.start, group.stop, dtype=">u8").tobytes()
            size = width + 64
            pairs = [(keys[8 * k : 8 * k + 8], values[size * k : size * (k + 1)]) for k in range(len(rows))]
            with environment.begin(write=True) as transaction, transaction.cursor() as cursor:
                cursor.putmulti(pairs, append=True)
        environment.close()

    def open(self) -> None:
        self.environment = lmdb.open(str(self.path), readonly=True, lock=False, map_size=4 << 30)
        self.transaction = self.environment.begin(buffers=True)
        self.width = self.data.letters.shape[1]

    def single(self, index: int) -> Record:
        value = self.transaction.get(index.to_bytes(8, "big"))
        unitary = np.frombuffer(value, np.complex128, offset=self.width) if self.width % 16 == 0 else np.frombuffer(
            bytes(value[self.width :]), np.complex128
        )
        return circuit_of(value[: self.width]), unitary.reshape(2, 2)

    def batch(self, ids: np.ndarray) -> np.ndarray:
        keys = ids.astype(">u8").tobytes()
        with self.transaction.cursor() as cursor:
            found = cursor.getmulti([keys[at : at + 8] for at in range(0, len(keys), 8)])
        # A repeated key comes once.
        values = {bytes(key): value for key, value in found}
        joined = b"".join([values[keys[at : at + 8]][self.width :] for at in range(0, len(keys), 8)])
        return np.frombuffer(joined, np.complex128).reshape(-1, 2, 2)

    def run(self, start: int, stop: int) -> np.ndarray:
        with self.transaction.cursor() as cursor:
            cursor.set_key(start.to_bytes(8, "big"))
            values = cursor.iternext(keys=False)
            joined = b"".join([next(values)[self.width :] for _ in range(stop - start)])
        return np.frombuffer(joined, np.complex128).reshape(-1, 2, 2)

    def size(self) -> int:
        return (self.path / "data.mdb").stat().st_size


class Hdf5:
    """HDF5: a data set of letters and one of unitaries, in chunks of 4096 records, not compressed."""

    def __init__(self, data: Data, directory: Path) -> None:
        self.data, self.path = data, directory / "records.h5"

    def write(self) -> None:
        data, records = self.data, len(self.data.unitaries)
        with h5py.File(self.path, "w") as file:
            width = data.letters.shape[1]
            letters = file.create_dataset("letters", (records, width), np.int8, chunks=(4096, width))
            unitaries = file.create_dataset("unitaries", (records, 2, 2), np.complex128, chunks=(4096, 2, 2))
            for group in data.groups():
                letters[group], unitaries[group] = data.letters[group], data.unitaries[group]
        sync(self.path)

    def open(self) -> None:
        self.file = h5py.File(self.path, "r", rdcc_nbytes=1 << 30, rdcc_nslots=100_003)
        self.letters, self.unitaries = self.file["letters"], self.file["unitaries"]

    def single(self, index: int) -> Record:
        return circuit_of(self.letters[index].tobytes()), self.unitaries[index]

    def batch(self, ids: np.ndarray) -> np.ndarray:
        ascending, places = np.unique(ids, return_inverse=True)
        return self.unitaries[ascending][places]

    def run(self, start: int, stop: int) -> np.ndarray:
        return self.unitaries[start:stop]

    def size(self) -> int:
        return self.path.stat().st_size


class Npy:
    """Two .npy files, mapped."""

    def __init__(self, data: Data, directory: Path) -> None:
        self.data, self.paths = data, [directory / "letters.npy", directory / "unitaries.npy"]

    def write(self) -> None:
        for path, array in zip(self.paths, [self.data.letters, self.data.unitaries]):
            np.save(path, array)
            sync(path)

    def open(self) -> None:
        self.letters, self.unitaries = (np.load(path, mmap_mode="r") for path in self.paths)

    def single(self, index: int) -> Record:
        return circuit_of(self.letters[index].tobytes()), np.array(self.unitaries[index])

    def batch(self, ids: np.ndarray) -> np.ndarray:
        return np.asarray(self.unitaries[ids])

    def run(self, start: int, stop: int) -> np.ndarray:
        return np.array(self.unitaries[start:stop])

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.paths)


class SqliteRows:
    """Python's own sqlite3, a row a record, WAL and synchronous=FULL, a transaction a group."""

    def __init__(self, data: Data, directory: Path) -> None:
        self.data, self.path = data, directory / "rows.sqlite"

    def write(self) -> None:
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE records(id INTEGER PRIMARY KEY, circuit BLOB, unitary BLOB)")
        for group in self.data.groups():
            letters = [row.tobytes() for row in self.data.letters[group]]
            unitaries = [unitary.tobytes() for unitary in self.data.unitaries[group]]
            connection.execute("BEGIN IMMEDIATE")
            rows = zip(range(group.start, group.stop), letters, unitaries)
            connection.executemany("INSERT INTO records VALUES(?, ?, ?)", rows)
            connection.execute("COMMIT")
        connection.close()

    def open(self) -> None:
        self.connection = sqlite3.connect(self.path)
        self.connection.executescript("PRAGMA mmap_size=4294967296; PRAGMA cache_size=-1000000")

    def single(self, index: int) -> Record:
        row = self.connection.execute("SELECT circuit, unitary FROM records WHERE id = ?", (index,)).fetchone()
        return circuit_of(row[0]), np.frombuffer(row[1], np.complex128).reshape(2, 2)

    def batch(self, ids: np.ndarray) -> np.ndarray:
        wanted = ids.tolist()
        marks = ",".join("?" * len(wanted))
        found = dict(self.connection.execute(f"SELECT id, unitary FROM records WHERE id IN ({marks})", wanted))
        return np.frombuffer(b"".join([found[index] for index in wanted]), np.complex128).reshape(-1, 2, 2)

    def run(self, start: int, stop: int) -> np.ndarray:
        query = "SELECT unitary FROM records WHERE id >= ? AND id < ? ORDER BY id"
        joined = b"".join([row[0] for row in self.connection.execute(query, (start, stop))])
        return np.frombuffer(joined, np.complex128).reshape(-1, 2, 2)

    def size(self) -> int:
        return self.path.stat().st_size


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


STORES: dict[str, Callable[[Data, Path], Qorpus | Lmdb | Hdf5 | Npy | SqliteRows]] = {
    "qorpus, appended": Qorpus,
    "qorpus, generated": Generated,
    "qorpus, derived": lambda data, directory: Qorpus(data, directory, unitaries=False),
    "qorpus, virtual": Virtual,
    "LMDB": Lmdb,
    "HDF5": Hdf5,
    "npy, mapped": Npy,
    "sqlite3 rows": SqliteRows,
}


def rate(records: int, work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return records / (time.perf_counter() - start)


def reads(store: Qorpus, data: Data, seconds: float, chance: np.random.Generator) -> dict[str, float]:
    """Records a second of each way to read, after all answers were compared."""
    ids = chance.integers(0, len(data.unitaries), 1 << 20)
    for index in ids[:200].tolist():
        circuit, unitary = store.single(index)
        assert unitary.tobytes() == data.unitaries[index].tobytes()
        assert circuit == tuple(NAMES[number] for number in data.letters[index] if number >= 0)
    for at in range(0, 8 * BATCH, BATCH):
        some = ids[at : at + BATCH]
        assert np.array_equal(store.batch(some), data.unitaries[some])
        assert np.array_equal(store.run(at, at + BATCH), data.unitaries[at : at + BATCH])

    def fill(step: int, some: Callable[[int], object]) -> float:
        """Calls `some` with 0, step, 2 * step, ... for about this time; each call reads `step` records."""
        start, at = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - start) < seconds:
            some(at)
            at += step
        return at / elapsed

    plain, single, last = ids.tolist(), store.single, len(data.unitaries) - BATCH

    def singles(at: int) -> None:
        for index in plain[at % len(plain) : at % len(plain) + BATCH]:
            single(index)

    return {
        "random single": fill(BATCH, singles),
        "random 1024": fill(BATCH, lambda at: store.batch(ids[at % len(ids) :][:BATCH])),
        "random 16384": fill(LARGE, lambda at: store.batch(ids[at % len(ids) :][:LARGE])),
        "sequential": fill(BATCH, lambda at: store.run(at % last, at % last + BATCH)),
    }


def appended_one_by_one(data: Data, directory: Path) -> dict[str, float]:
    """Records a second of `Writer.append`, given a unitary and not, up to their being durable."""
    rates = {}
    for name, given in [("append, unitary given", data.unitaries), ("append, unitary computed", None)]:
        path, circuits = directory / "appended.db", data.circuits

        def write() -> None:
            with qorpus.Writer(path, ["h", "s", "t"], qubits=1) as writer:
                if given is None:
                    for circuit in circuits:
                        writer.append(circuit)
                else:
                    for circuit, unitary in zip(circuits, given):
                        writer.append(circuit, unitary)

        rates[name] = rate(len(circuits), write)
        corpus = qorpus.open(path)
        assert len(corpus) == len(circuits) and np.array_equal(corpus.unitaries(slice(None)), data.unitaries[: len(corpus)])
        path.unlink()
    return rates


def programs(directory: Path, rows: int) -> dict[str, float]:
    """Rows a second of the original program, which is not safe, and of the same with a Writer, which is."""
    rates = {}
    for name, program, options in [
        ("original program", "benches/original.py", ["--db", str(directory / "original.db")]),
        ("the same with a Writer", "examples/multiprocessing_writer.py", [str(directory / "mine.db")]),
    ]:
        os.sync()
        command = [sys.executable, str(ROOT / program), *options, "--rows", str(rows), "--processes", str(os.cpu_count())]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        rates[name] = float(re.search(r"(\d+) rows/s", result.stdout)[1])
    assert len(qorpus.open(directory / "mine.db")) == rows
    return rates


def table(results: dict[str, dict[str, dict]], sizes: dict[str, float]) -> str:
    ways = ["write", "random single", "random 1024", "random 16384", "sequential"]
    lines = [f"{'M records/s, medians':20}" + "".join(f"{way:>16}" for way in ways) + f"{'bytes/record':>16}"]
    for store, rates in results.items():
        if store == "programs":
            continue
        cells = (f"{rates[way]['median'] / 1e6:16.3f}" if way in rates else f"{'':16}" for way in ways)
        lines.append(f"{store:20}{''.join(cells)}{sizes.get(store, 0):16.1f}")
    for rates in results.values():
        lines += [f"{way}: {rate['median'] / 1e6:.3f}" for way, rate in rates.items() if way not in ways]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the two programs")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long each way of reading is timed")
    parser.add_argument("--directory", type=Path, default=ROOT / "target", help="on the disk to measure")
    parser.add_argument("--no-record", action="store_true", help="print the table only")
    arguments = parser.parse_args()

    data, chance, neighbours = Data(arguments.records), np.random.default_rng(0), Neighbours()
    measured: dict[str, dict[str, list[float]]] = {name: {} for name in [*STORES, "programs"]}
    sizes = {}
    for repetition in range(arguments.repetitions):
        for name, make in STORES.items():
            print(f"repetition {repetition + 1} of {arguments.repetitions}: {name}", file=sys.stderr)
            with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
                store = make(data, Path(directory))
                os.sync()
                found = {"write": rate(arguments.records, store.write)}
                sizes[name] = store.size() / arguments.records
                store.open()
                found |= reads(store, data, arguments.seconds, chance)
                if name == "qorpus, virtual":
                    del found["write"]
                if name == "qorpus, appended":
                    found |= appended_one_by_one(data, Path(directory))
                for way, value in found.items():
                    measured[name].setdefault(way, []).append(value)
                del store
        with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
            for name, value in programs(Path(directory), arguments.rows).items():
                measured["programs"].setdefault(name, []).append(value)
    results = {name: {way: summary(values) for way, values in ways.items()} for name, ways in measured.items()}
    others = neighbours.share()
    print(table(results, sizes))
    print(f"{others:.0%} of the processors were used by others" + ("; repeat it on a quiet machine" if others > 0.1 else ""))
    if not arguments.no_record:
        packages = {name: importlib.metadata.version(name) for name in ["qorpus", "lmdb", "h5py", "numpy"]}
        record = {"packages": packages, "records": arguments.records, "repetitions": arguments.repetitions}
        record |= {"sequential_batch": BATCH, "records_per_second": results, "bytes_per_record": sizes}
        keep("package", machine(arguments.directory), record | {"cpu_share_of_others": others})


if __name__ == "__main__":
    main()
