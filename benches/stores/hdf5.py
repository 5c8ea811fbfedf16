"""HDF5: one data set of records."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from stores.records import BATCH, ROW_BYTES, UNITARY_BYTES, Batch, Record, joined, parted, record_of
from stores.store import Reader, Store

CHUNK = 16_384


class DatasetReader(Reader):
    together = CHUNK

    def __init__(self, path: Path) -> None:
        self.file = h5py.File(path, "r", rdcc_nbytes=1 << 30, rdcc_nslots=100_003)
        self.rows = self.file["records"]
        super().__init__(len(self.rows))

    def single(self, index: int) -> Record:
        row = self.rows[index].tobytes()
        return record_of(row[UNITARY_BYTES:], row)

    def batch(self, ids: np.ndarray) -> Batch:
        # HDF5 wants ids in order, each once.
        ascending, places = np.unique(ids, return_inverse=True)
        return parted(self.rows[ascending][places].view(np.uint8))

    def scan(self) -> Iterator[Batch]:
        return (parted(self.rows[at : at + BATCH].view(np.uint8)) for at in range(0, self.records, BATCH))


class Hdf5(Store):
    name = "HDF5"
    settings = (
        "one data set of opaque records of 78 bytes, which is faster than compounds and than two data sets; chunks of "
        "16,384 records, not compressed, chunk cache of 1 GiB; batches with sorted ids, epochs by 16,384 shuffled ids"
    )
    packages = ("h5py",)
    missing = {"write, 2 processes": "one writer, unless built with MPI"}

    def path(self) -> Path:
        return self.directory / "records.h5"

    def write(self) -> None:
        with h5py.File(self.path(), "w", libver="latest") as file:
            kind = np.dtype((np.void, ROW_BYTES))
            rows = file.create_dataset("records", len(self.data), kind, chunks=(min(CHUNK, len(self.data)),))
            for group in self.data.groups():
                rows[group] = joined(*self.data.batch(group)).view(kind).ravel()
        self.sync()

    def reader(self) -> Callable[[], Reader]:
        return partial(DatasetReader, self.path())
