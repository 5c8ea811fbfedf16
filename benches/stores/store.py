"""What every store can be asked: to be written, by one process or several, and to be read in each way that is timed."""

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

#: A batch as it goes into a training.
Tensors = dict[str, torch.Tensor]


class Reader(ABC):
    """An open store. A way to read that a store does not have, it lists in `Store.missing`."""

    #: Ids that one call reads in a shuffled epoch, which is then cut into batches.
    together: ClassVar[int] = BATCH

    def __init__(self, records: int) -> None:
        self.records = records

    def single(self, index: int) -> Record:
        raise NotImplementedError

    def batch(self, ids: np.ndarray) -> Batch:
        raise NotImplementedError

    @abstractmethod
    def scan(self) -> Iterator[Batch]:
        """All records in order, in batches."""

    def epoch(self, seed: int, part: int = 0, parts: int = 1) -> Iterator[Batch]:
        """Every record once, in a random order, in batches: by default shuffled ids."""
        order = np.random.default_rng(seed).permutation(self.records)
        for at in range(0, len(order), self.together):
            letters, unitaries = self.batch(order[at : at + self.together])
            yield from cut(letters, unitaries)


class Store(ABC):
    """A kind of store: how its experts would write and read it."""

    name: ClassVar[str]
    #: What to know about it in order to judge it.
    settings: ClassVar[str]
    #: Packages whose versions count.
    packages: ClassVar[tuple[str, ...]] = ()
    #: Columns that it has not, and why.
    missing: ClassVar[dict[str, str]] = {}
    #: Whether records keep their ids when several processes write them.
    ordered: ClassVar[bool] = True
    #: How processes of a DataLoader begin. Libraries with threads of their own must not be forked once they run.
    start: ClassVar[str] = "fork"

    def __init__(self, data: Data, directory: Path) -> None:
        self.data, self.directory = data, directory

    @abstractmethod
    def write(self) -> None:
        """Writes all records, in order, so that a power cut would lose none."""

    def begin(self) -> None:
        """What has to be there before several processes write."""

    def write_part(self, part: int, parts: int) -> None:
        """One of several processes writes its share."""
        raise NotImplementedError

    def end(self) -> None:
        """What is left to do after several processes have written."""

    @abstractmethod
    def reader(self) -> Callable[[], Reader]:
        """What opens it, in any process."""

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file())

    def loader(self, workers: int) -> Any:
        """Shuffled batches for PyTorch: by default of a dataset that reads a batch at once."""
        dataset = ShuffledIds(self.reader(), len(self.data))
        return DataLoader(dataset, BATCH, shuffle=True, collate_fn=as_it_is, **self.loading(workers))

    def loading(self, workers: int) -> dict[str, Any]:
        return {"num_workers": workers, "multiprocessing_context": self.start if workers else None}

    def sync(self) -> None:
        """Makes all files durable, where the library does not."""
        for path in [self.directory, *self.directory.rglob("*")]:
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def cut(letters: np.ndarray, unitaries: np.ndarray) -> Iterator[Batch]:
    for at in range(0, len(letters), BATCH):
        yield letters[at : at + BATCH], unitaries[at : at + BATCH]


def blocks_of_a_share(blocks: int, seed: int, part: int, parts: int) -> np.ndarray:
    """Blocks in a random order, dealt out to those who share them."""
    return np.random.default_rng(seed).permutation(blocks)[part::parts]


def shuffled(letters: np.ndarray, unitaries: np.ndarray, seed: int) -> Iterator[Batch]:
    """A buffer of records in a random order, in batches."""
    order = np.random.default_rng(seed).permutation(len(letters))
    yield from cut(letters[order], unitaries[order])


def tensors(batch: Batch) -> Tensors:
    """What `corpus.torch` gives as well: numbers of letters ready for an embedding, and complex unitaries."""
    return {"circuit": torch.from_numpy(batch[0].astype(np.int64)), "unitary": torch.from_numpy(batch[1])}


def as_it_is(batch: Tensors) -> Tensors:
    return batch


class ShuffledIds(Dataset):
    """Batches of ids that a DataLoader shuffles; every process opens the store by itself, when it reads first."""

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
