"""SQLite by Python's own module: a row a record."""

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from original import LONGEST

from stores.records import BATCH, Batch, Record, record_of
from stores.store import Reader, Store


class RowsReader(Reader):
    def __init__(self, path: Path, records: int) -> None:
        super().__init__(records)
        self.connection = sqlite3.connect(path)
        self.connection.executescript("PRAGMA mmap_size=8589934592; PRAGMA cache_size=-1000000; PRAGMA query_only=ON")

    def single(self, index: int) -> Record:
        return record_of(*self.connection.execute("SELECT circuit, unitary FROM records WHERE id = ?", (index,)).fetchone())

    def batch(self, ids: np.ndarray) -> Batch:
        # Rows in the order of the list, which is faster than "id IN (?, ?, ...)" and sorting.
        query = "SELECT circuit, unitary FROM json_each(?) CROSS JOIN records ON records.id = value"
        return arrays(self.connection.execute(query, (str(ids.tolist()),)).fetchall())

    def scan(self) -> Iterator[Batch]:
        cursor = self.connection.execute("SELECT circuit, unitary FROM records ORDER BY id")
        while rows := cursor.fetchmany(BATCH):
            yield arrays(rows)


def arrays(rows: list[tuple[bytes, bytes]]) -> Batch:
    letters = np.frombuffer(b"".join([row[0] for row in rows]), np.int8).reshape(-1, LONGEST)
    return letters, np.frombuffer(b"".join([row[1] for row in rows]), np.complex128).reshape(-1, 2, 2)


class SqliteRows(Store):
    name = "SQLite, a row a record"
    settings = (
        "Python's sqlite3; page_size 16384, WAL, synchronous=FULL, transactions of 65,536 rows; read with mmap_size 8 "
        "GiB and a cache of 1 GB, batches by a join with json_each"
    )

    def path(self) -> Path:
        return self.directory / "rows.sqlite"

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path(), timeout=600, isolation_level=None)
        connection.executescript("PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
        return connection

    def begin(self) -> None:
        connection = self.connect()
        connection.execute("CREATE TABLE records(id INTEGER PRIMARY KEY, circuit BLOB, unitary BLOB)")
        connection.close()

    def write_part(self, part: int, parts: int) -> None:
        connection = self.connect()
        for group in self.data.groups(part, parts):
            letters, unitaries = (array.tobytes() for array in self.data.batch(group))
            rows = (
                (group.start + at, letters[LONGEST * at : LONGEST * (at + 1)], unitaries[64 * at : 64 * (at + 1)])
                for at in range(group.stop - group.start)
            )
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO records VALUES(?, ?, ?)", rows)
            connection.execute("COMMIT")
        connection.close()

    def reader(self) -> Callable[[], Reader]:
        return partial(RowsReader, self.path(), len(self.data))
