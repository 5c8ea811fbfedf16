"""LMDB: the id as key, unitary and letters as value."""

from collections.abc import Callable, Iterator
from functools import partial

import lmdb
import numpy as np

from stores.records import BATCH, ROW_BYTES, UNITARY_BYTES, Batch, Record, joined, parted, record_of
from stores.store import Reader, Store

MAP_BYTES = 64 << 30


class MapReader(Reader):
    def __init__(self, path: str, records: int) -> None:
        super().__init__(records)
        environment = lmdb.open(path, readonly=True, lock=False, readahead=False, map_size=MAP_BYTES, max_dbs=1)
        table = environment.open_db(b"records", integerkey=True, create=False)
        self.transaction = environment.begin(db=table, buffers=True)

    def single(self, index: int) -> Record:
        value = self.transaction.get(index.to_bytes(8, "little"))
        return record_of(bytes(value[UNITARY_BYTES:]), value)

    def batch(self, ids: np.ndarray) -> Batch:
        # A loop of `get` is about twice as fast as the cursor's `getmulti`.
        keys, get = ids.astype("<u8").tobytes(), self.transaction.get
        return parted(b"".join([get(keys[at : at + 8]) for at in range(0, len(keys), 8)]))

    def scan(self) -> Iterator[Batch]:
        with self.transaction.cursor() as cursor:
            cursor.first()
            values = cursor.iternext(keys=False)
            for at in range(0, self.records, BATCH):
                yield parted(b"".join([next(values) for _ in range(min(BATCH, self.records - at))]))


class Lmdb(Store):
    name = "LMDB"
    settings = (
        "map of 64 GiB, integer keys, `putmulti` by groups of 65,536 and appending, a synced transaction a group; read "
        "without locks and readahead, with buffers"
    )
    packages = ("lmdb",)

    def path(self) -> str:
        return str(self.directory / "lmdb")

    def write_part(self, part: int, parts: int) -> None:
        environment = lmdb.open(self.path(), map_size=MAP_BYTES, max_dbs=1)
        table = environment.open_db(b"records", integerkey=True)
        for group in self.data.groups(part, parts):
            values = joined(*self.data.batch(group)).tobytes()
            keys = np.arange(group.start, group.stop, dtype="<u8").tobytes()
            pairs = [
                (keys[8 * at : 8 * at + 8], values[ROW_BYTES * at : ROW_BYTES * (at + 1)])
                for at in range(group.stop - group.start)
            ]
            with environment.begin(write=True, db=table) as transaction, transaction.cursor() as cursor:
                # Only what comes behind all others can be appended.
                cursor.putmulti(pairs, append=part == parts - 1)
        environment.close()

    def reader(self) -> Callable[[], Reader]:
        return partial(MapReader, self.path(), len(self.data))
