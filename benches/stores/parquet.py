"""Parquet by pyarrow: a data set of one file a writer."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stores.columns import SCHEMA, arrays, columns
from stores.records import BATCH, Batch, Record, record_of
from stores.store import Reader, Store, blocks_of_a_share, shuffled

#: Records of a row group: small enough for single reads, large enough for scans.
GROUP_RECORDS = 8192
#: Row groups in the shuffle buffer.
BUFFER_GROUPS = 16


class ParquetReader(Reader):
    def __init__(self, paths: list[Path]) -> None:
        self.files = [pq.ParquetFile(path, memory_map=True, pre_buffer=False) for path in paths]
        #: The file and the number of each row group, and its first record.
        self.groups = [(file, group) for file in self.files for group in range(file.num_row_groups)]
        sizes = [file.metadata.row_group(group).num_rows for file, group in self.groups]
        self.firsts = np.concatenate([[0], np.cumsum(sizes)])
        super().__init__(int(self.firsts[-1]))

    def table(self, numbers: np.ndarray, threads: bool = True) -> pa.Table:
        """Read row groups one after the other, by one call a file."""
        tables = []
        for file in self.files:
            some = [group for owner, group in (self.groups[number] for number in numbers) if owner is file]
            if some:
                tables.append(file.read_row_groups(some, use_threads=threads))
        return pa.concat_tables(tables)

    def single(self, index: int) -> Record:
        number = int(np.searchsorted(self.firsts, index, "right")) - 1
        file, group = self.groups[number]
        row = file.read_row_group(group, use_threads=False).slice(index - int(self.firsts[number]), 1)
        return record_of(row["circuit"][0].as_py(), row["unitary"][0].as_py())

    def batch(self, ids: np.ndarray) -> Batch:
        numbers = np.searchsorted(self.firsts, ids, "right") - 1
        wanted, places = np.unique(numbers, return_inverse=True)
        starts = np.concatenate([[0], np.cumsum(np.diff(self.firsts)[wanted])])
        return arrays(self.table(wanted).take(starts[places] + ids - self.firsts[numbers]))

    def scan(self) -> Iterator[Batch]:
        return (arrays(batch) for file in self.files for batch in file.iter_batches(BATCH))

    def epoch(self, seed: int, part: int = 0, parts: int = 1) -> Iterator[Batch]:
        numbers = blocks_of_a_share(len(self.groups), seed, part, parts)
        for at in range(0, len(numbers), BUFFER_GROUPS):
            yield from shuffled(*arrays(self.table(numbers[at : at + BUFFER_GROUPS])), seed + at)


class Parquet(Store):
    name = "Parquet"
    settings = (
        "pyarrow; fixed-size binary columns, row groups of 8192, plain, not compressed, no dictionary, no statistics, "
        "mapped; single reads and batches read the row groups they touch; epochs and loaders shuffle row groups, and "
        "records in a buffer of 16 of them; two processes write two files of a data set"
    )
    packages = ("pyarrow",)
    by_blocks = True

    def write_part(self, part: int, parts: int) -> None:
        options = {"compression": "none", "use_dictionary": False, "write_statistics": False}
        with pq.ParquetWriter(self.directory / f"part-{part}.parquet", SCHEMA, **options) as writer:
            for group in self.data.groups(part, parts):
                writer.write_batch(columns(*self.data.batch(group)), row_group_size=GROUP_RECORDS)
        self.sync()

    def reader(self) -> Callable[[], Reader]:
        return partial(ParquetReader, sorted(self.directory.glob("*.parquet")))
