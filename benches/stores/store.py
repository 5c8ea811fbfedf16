"""The interface of a store: written by one process or several, read in each way that is timed."""

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from stores.records import BATCH, Batch, Data, Record

# Nothing writes to the tensors of stores that give views of their bytes.
warnings.filterwarnings("ignore", "The given NumPy array is not writable")

#: A batch as a training takes it.
Tensors = dict[str, torch.Tensor]


class Reader(ABC):
    """An open store. `Store.missing` lists the ways to read that it does not have."""

    #: Ids that one call reads in a shuffled epoch, which is then cut into batches.
    together: ClassVar[int] = BATCH

    def __init__(self, records: int) -> None:
        self.records = records

    def single(self, index: int) -> Record:
        raise NotImplementedError

    def batch(self, ids: np.ndarray | slice) -> Batch:
        raise NotImplementedError

    def scan(self) -> Iterator[Batch]:
        """Yield all records in order, in batches."""
        return (self.batch(slice(at, at + BATCH)) for at in range(0, self.records, BATCH))

    def epoch(self, seed: int, part: int = 0, parts: int = 1) -> Iterator[Batch]:
        """Yield every record once in a random order, in batches: by default by shuffled ids."""
        order = np.random.default_rng(seed).permutation(self.records)
        for at in range(0, len(order), self.together):
            letters, unitaries = self.batch(order[at : at + self.together])
            yield from cut(letters, unitaries)


class Store(ABC):
    """A kind of store: how its experts would write and read it."""

    name: ClassVar[str]
    #: Its settings, in words.
    settings: ClassVar[str]
    #: Packages whose versions count.
    packages: ClassVar[tuple[str, ...]] = ()
    #: Columns that it does not have, and why.
    missing: ClassVar[dict[str, str]] = {}
    #: Whether records keep their ids when several processes write them.
    ordered: ClassVar[bool] = True
    #: The start method of a DataLoader's processes: a library with threads must not be forked.
    start: ClassVar[str] = "fork"
    #: Whether loaders take the reader's own epochs, and do not shuffle ids.
    by_blocks: ClassVar[bool] = False

    def __init__(self, data: Data, directory: Path) -> None:
        self.data, self.directory = data, directory

    def write(self) -> None:
        """Write all records in order, so that a power cut would lose none."""
        self.begin()
        self.write_part(0, 1)

    def begin(self) -> None:
        """Make the files that must exist before several processes write."""

    def write_part(self, part: int, parts: int) -> None:
        """Write the share of one of several processes."""
        raise NotImplementedError

    def end(self) -> None:
        """Finish after several processes have written."""

    @abstractmethod
    def reader(self) -> Callable[[], Reader]:
        """Return a function that opens the store, in any process."""

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file())

    def loader(self, workers: int) -> Any:
        """Return a loader of shuffled batches for PyTorch; each batch is read at once."""
        options = {"num_workers": workers, "multiprocessing_context": self.start if workers else None}
        if self.by_blocks:
            return DataLoader(ShuffledBlocks(self.reader()), batch_size=None, **options)
        dataset = ShuffledIds(self.reader(), len(self.data))
        return DataLoader(dataset, BATCH, shuffle=True, collate_fn=unchanged, **options)

    def sync(self) -> None:
        """Make all files durable, where the library does not."""
        for path in [self.directory, *self.directory.rglob("*")]:
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def cut(letters: np.ndarray, unitaries: np.ndarray) -> Iterator[Batch]:
    for at in range(0, len(letters), BATCH):
        yield letters[at : at + BATCH], unitaries[at : at + BATCH]


def blocks_of_a_share(blocks: int, seed: int, part: int, parts: int) -> np.ndarray:
    """Return the blocks of one of several shares, in a random order."""
    return np.random.default_rng(seed).permutation(blocks)[part::parts]


def shuffled(letters: np.ndarray, unitaries: np.ndarray, seed: int) -> Iterator[Batch]:
    """Yield a buffer of records in a random order, in batches."""
    order = np.random.default_rng(seed).permutation(len(letters))
    yield from cut(letters[order], unitaries[order])


def tensors(batch: Batch) -> Tensors:
    """Return tensors as `corpus.torch` does: letters for an embedding, and complex unitaries."""
    return {"circuit": torch.from_numpy(batch[0].astype(np.int64)), "unitary": torch.from_numpy(batch[1])}


def unchanged(batch: Tensors) -> Tensors:
    return batch


class ShuffledIds(Dataset):
    """Batches of ids that a DataLoader shuffles; each process opens the store to read."""

    def __init__(self, reader: Callable[[], Reader], records: int) -> None:
        self.reader, self.records = reader, records
        self.opened: Reader | None = None

    def __len__(self) -> int:
        return self.records

    def __getitem__(self, index: int) -> Any:
        return self.__getitems__([index])

    def __getitems__(self, ids: list[int]) -> Tensors:
        if self.opened is None:
            self.opened = self.reader()
        return tensors(self.opened.batch(np.array(ids)))


class ShuffledBlocks(IterableDataset):
    """The batches of a reader's own shuffled epoch, which workers share."""

    def __init__(self, reader: Callable[[], Reader]) -> None:
        self.reader = reader

    def __iter__(self) -> Iterator[Tensors]:
        worker = get_worker_info()
        part, parts = (worker.id, worker.num_workers) if worker else (0, 1)
        yield from map(tensors, self.reader().epoch(0, part, parts))
