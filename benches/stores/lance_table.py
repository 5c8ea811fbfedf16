"""Lance: a table with random access."""

import json
import os
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa

os.environ.setdefault("LANCE_LOG", "error")
import lance  # noqa: E402

from stores.columns import SCHEMA, arrays, columns  # noqa: E402
from stores.records import BATCH, Batch, Record, record_of  # noqa: E402
from stores.store import Reader, Store  # noqa: E402

# A process is forked only before Lance has started a thread in it.
warnings.filterwarnings("ignore", "lance is not fork-safe")


class LanceReader(Reader):
    together = 16_384

    def __init__(self, uri: str) -> None:
        self.table = lance.dataset(uri)
        super().__init__(self.table.count_rows())

    def single(self, index: int) -> Record:
        row = self.table.take([index])
        return record_of(row["circuit"][0].as_py(), row["unitary"][0].as_py())

    def batch(self, ids: np.ndarray) -> Batch:
        return arrays(self.table.take(ids.tolist()))

    def scan(self) -> Iterator[Batch]:
        return (arrays(batch) for batch in self.table.to_batches(batch_size=BATCH))


class Lance(Store):
    name = "Lance"
    settings = (
        "format 2.1, fixed-size binary columns; `take` for single reads and batches, epochs by 16,384 shuffled ids, "
        "scans by `to_batches`; two processes write fragments that one commits"
    )
    packages = ("pylance",)
    start = "forkserver"

    def uri(self) -> str:
        return str(self.directory / "records.lance")

    def batches(self, part: int, parts: int) -> pa.RecordBatchReader:
        groups = self.data.groups(part, parts)
        return pa.RecordBatchReader.from_batches(SCHEMA, (columns(*self.data.batch(group)) for group in groups))

    def write(self) -> None:
        lance.write_dataset(self.batches(0, 1), self.uri(), data_storage_version="2.1")
        self.sync()

    def write_part(self, part: int, parts: int) -> None:
        batches = self.batches(part, parts)
        fragments = lance.fragment.write_fragments(batches, self.uri(), SCHEMA, data_storage_version="2.1")
        (self.directory / f"part-{part}").write_text(json.dumps([fragment.to_json() for fragment in fragments]))

    def end(self) -> None:
        parts = sorted(self.directory.glob("part-*"))
        found = [fragment for path in parts for fragment in json.loads(path.read_text())]
        fragments = [lance.FragmentMetadata.from_json(json.dumps(fragment)) for fragment in found]
        lance.LanceDataset.commit(self.uri(), lance.LanceOperation.Overwrite(SCHEMA, fragments))
        for path in parts:
            path.unlink()
        self.sync()

    def reader(self) -> Callable[[], Reader]:
        return partial(LanceReader, self.uri())
