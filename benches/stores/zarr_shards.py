"""Zarr 3: two arrays in shards."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import zarr
from original import LONGEST

from stores.records import Batch, Record, circuit_of
from stores.store import Reader, Store, blocks_of_a_share, cut, shuffled

CHUNK = 4096
#: Records of a shard, which is written at once, and is the shuffle buffer.
SHARD = 65_536
# The codecs in Rust, which are faster than zarr-python's own.
zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})


class ShardsReader(Reader):
    def __init__(self, path: Path) -> None:
        group = zarr.open_group(path, mode="r")
        self.letters, self.unitaries = group["letters"], group["unitaries"]
        super().__init__(self.letters.shape[0])

    def single(self, index: int) -> Record:
        return circuit_of(self.letters[index].tobytes()), self.unitaries[index]

    def batch(self, ids: np.ndarray) -> Batch:
        # Sorted, each chunk is read once.
        order = np.argsort(ids)
        back = np.empty_like(order)
        back[order] = np.arange(len(ids))
        return self.letters.oindex[ids[order]][back], self.unitaries.oindex[ids[order]][back]

    def scan(self) -> Iterator[Batch]:
        # A shard at a time is much faster than a batch at a time.
        for at in range(0, self.records, SHARD):
            letters, unitaries = self.letters[at : at + SHARD], self.unitaries[at : at + SHARD]
            yield from cut(letters, unitaries)

    def epoch(self, seed: int, part: int = 0, parts: int = 1) -> Iterator[Batch]:
        for number in blocks_of_a_share(-(-self.records // SHARD), seed, part, parts):
            some = slice(number * SHARD, (number + 1) * SHARD)
            yield from shuffled(self.letters[some], self.unitaries[some], seed + number)


class Zarr(Store):
    name = "Zarr 3"
    settings = (
        "with zarrs, the codecs in Rust; arrays of letters and unitaries, chunks of 4096 in shards of 65,536 records, "
        "not compressed; batches by `oindex` with sorted ids; scans by whole shards; epochs and loaders shuffle "
        "shards, and records within one"
    )
    packages = ("zarr", "zarrs")
    start = "forkserver"
    by_blocks = True

    def path(self) -> Path:
        return self.directory / "records.zarr"

    def begin(self) -> None:
        group, records = zarr.open_group(self.path(), mode="w"), len(self.data)
        for name, shape, kind in [("letters", (LONGEST,), "i1"), ("unitaries", (2, 2), "c16")]:
            sizes = {"chunks": (CHUNK, *shape), "shards": (SHARD, *shape)}
            group.create_array(name, shape=(records, *shape), dtype=kind, compressors=None, **sizes)

    def write_part(self, part: int, parts: int) -> None:
        group, records = zarr.open_group(self.path(), mode="r+"), len(self.data)
        letters, unitaries = group["letters"], group["unitaries"]
        # A shard has one writer: two would overwrite each other's records.
        for number in range(part, -(-records // SHARD), parts):
            some = slice(number * SHARD, min((number + 1) * SHARD, records))
            letters[some], unitaries[some] = self.data.batch(some)
        self.sync()

    def reader(self) -> Callable[[], Reader]:
        return partial(ShardsReader, self.path())
