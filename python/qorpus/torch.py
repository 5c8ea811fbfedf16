"""Corpora for PyTorch: a map-style dataset, and a stream that shuffles without memory and resumes exactly.

Imported by `corpus.torch()`; nothing else in the package needs PyTorch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from qorpus import streams
from qorpus.batches import Batch

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from qorpus._qorpus import Records

    class LoadingOptions(streams.OrderOptions, total=False):
        """The options of `Stream`."""

        num_workers: int
        multiprocessing_context: str | None
        persistent_workers: bool
        longest: int | None
        labels: bool
        pin_memory: bool
        prefetch_factor: int | None


#: Which batch a worker makes: the epoch, how many records it is of, and the batch's number.
Key: TypeAlias = tuple[int, int, int]

#: Batches that each worker reads ahead, as PyTorch's do.
AHEAD = 2


def _padded(circuits: NDArray[np.int32], longest: int, ids: NDArray[np.int64]) -> NDArray[np.int32]:
    """The same circuits in rows of `longest` letters."""
    if circuits.shape[1] > longest:
        row = int(np.argmax((circuits >= 0).sum(axis=1)))
        raise ValueError(
            f"record {ids[row]} has {(circuits[row] >= 0).sum()} letters, more than longest={longest} leaves room for"
        )
    if circuits.shape[1] == longest:
        return circuits
    return np.pad(circuits, ((0, 0), (0, longest - circuits.shape[1])), constant_values=-1)


def _longest(records: Records, longest: int | None) -> int:
    if longest is not None:
        return longest
    if records.is_appended:
        raise ValueError("how long appended circuits are, nobody knows beforehand; say longest=...")
    return records.lengths[1]


def _unitaries(unitaries: NDArray[Any], parts: bool) -> torch.Tensor:
    tensor = torch.from_numpy(unitaries)
    return torch.stack([tensor.real, tensor.imag], dim=1) if parts else tensor


class Dataset(torch.utils.data.Dataset[dict[str, Any]]):
    """Single records for a DataLoader; what it collates are batches of tensors.

        loader = DataLoader(corpus.torch(), batch_size=64, shuffle=True, num_workers=2)
        for batch in loader:
            batch["unitary"]           # (64, d, d), complex
            batch["circuit"]           # (64, longest), int64: numbers of letters, padded with -1
            batch["length"]            # (64,), int64
            batch["id"]                # (64,), int64

    A DataLoader's own shuffling keeps a permutation of all ids in memory; `Stream` does not.

    Args:
        records: a corpus, a recipe, or a split of one.
        longest: letters that a circuit is padded to; by default the longest that the recipe allows.
        parts: unitaries as real and imaginary parts, (2, d, d), instead of complex numbers.
        labels: whether samples have labels: "labels", a dict of numbers and texts, which collates to tensors and lists.
            What a record lacks is NaN or "".

    Raises:
        ValueError: the records were appended, and `longest` is left out.
    """

    def __init__(
        self, records: Records, *, longest: int | None = None, parts: bool = False, labels: bool = False
    ) -> None:
        self.records, self.longest = records, _longest(records, longest)
        self.parts, self.labels = parts, labels

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """The samples at these places, read together: what a DataLoader calls.

        Raises:
            IndexError: there is no such place.
        """
        records = self.records
        ids = np.asarray(places, np.int64)
        if isinstance(records, streams.Split):
            ids = records.ids(ids)
        elif (ids < 0).any():
            ids = np.where(ids < 0, ids + len(records), ids)
        unitaries, circuits = records._pairs(places)
        columns = {
            "id": torch.from_numpy(ids),
            "unitary": _unitaries(unitaries, self.parts),
            "circuit": torch.from_numpy(_padded(circuits, self.longest, ids).astype(np.int64)),
            "length": torch.from_numpy((circuits >= 0).sum(axis=1)),
        }
        samples: list[dict[str, Any]] = [
            {name: column[row] for name, column in columns.items()} for row in range(len(ids))
        ]
        if self.labels:
            labels = streams.columns_of(records.labels(places), records.label_types())
            for row, sample in enumerate(samples):
                sample["labels"] = {name: values[row].item() for name, values in labels.items()}
        return samples


class Stream(IterableDataset[dict[str, Any]]):
    """Batches of tensors, epoch after epoch, in an order that takes no memory; see `qorpus.Stream`.

        stream = corpus.torch(batch_size=256, seed=1, num_workers=4)
        for epoch in range(3):
            for batch in stream:
                batch["unitary"], batch["circuit"], batch["length"], batch["id"]
        checkpoint = stream.state_dict()          # exact, whatever the workers have read ahead

    The batches and their order depend neither on the number of workers nor on any random state of PyTorch's. Which
    rank this is, is never guessed: see `qorpus.Stream`.

    Given to a DataLoader of your own, with `batch_size=None`, it is sharded over the workers all the same. Then call
    `set_epoch` before each epoch and count the batches yourself; workers that live on do not hear of it, so leave
    `persistent_workers` to the stream. A loader that asks its workers for their states gets them from `state_dict`.

    Args:
        records: a corpus, a recipe, or a split of one.
        batch_size: records of a batch.
        num_workers: threads that read ahead, or processes; 0 reads when a batch is asked for.
        multiprocessing_context: how processes are started: "fork", "spawn" or "forkserver". None means threads: reading
            lets go of Python's interpreter, and nothing must be sent from process to process.
        persistent_workers: whether processes live on from one epoch to the next.
        longest: letters that circuits are padded to; by default the longest that the recipe allows.
        labels: whether batches have labels: "labels", a dict of tensors, and of lists of texts.
        pin_memory: whether tensors are put where a GPU gets them faster.
        prefetch_factor: batches that each worker reads ahead.
        **options: those of `qorpus.Stream`: shuffle, seed, epoch, rank, world_size, drop_last, parts.

    Raises:
        ValueError: an option that cannot be, or the records were appended, and `longest` is left out.
    """

    def __init__(
        self,
        records: Records,
        batch_size: int,
        *,
        num_workers: int = 0,
        multiprocessing_context: str | None = None,
        persistent_workers: bool = False,
        longest: int | None = None,
        labels: bool = False,
        pin_memory: bool = False,
        prefetch_factor: int | None = None,
        **options: Unpack[streams.OrderOptions],
    ) -> None:
        columns = ("unitaries", "circuits", "labels") if labels else ("unitaries", "circuits")
        self._stream = streams.Stream(records, batch_size, columns=columns, **options)
        self._batches = _Batches(copy(self._stream), _longest(records, longest))
        self._threads = _Threads(num_workers, prefetch_factor, pin_memory)
        self._loading: dict[str, Any] | None = None
        if num_workers and multiprocessing_context is not None:
            self._loading = {
                "num_workers": num_workers,
                "pin_memory": pin_memory,
                "multiprocessing_context": multiprocessing_context,
                "persistent_workers": persistent_workers,
                "prefetch_factor": prefetch_factor,
            }
        self._loader: DataLoader[dict[str, Any]] | None = None
        self._given_by_worker: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Workers get the stream, not the loader that starts them.
        return {**self.__dict__, "_loader": None}

    def __len__(self) -> int:
        return len(self._stream)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        stream, worker = self._stream, get_worker_info()
        if worker is not None:
            # DataLoader asks its workers in turn: together they give the batches in order.
            for first in range(stream._given, len(stream), worker.num_workers):
                if first + worker.id < len(stream):
                    self._given_by_worker = first + worker.num_workers
                    yield self._batches.tensors(stream.batch(first + worker.id))
        elif self._loading is None:
            # Threads that are still reading for a loop that was left must not see where this one goes.
            batches = _Batches(copy(stream), self._batches.longest)
            yield from self._counted(self._threads.map(batches.__getitem__, _Keys(stream)))
        else:
            loader = self._loader
            if loader is None:
                loader = DataLoader(self._batches, sampler=_Keys(stream), batch_size=None, **self._loading)
            if self._loading["persistent_workers"]:
                self._loader = loader
            yield from self._counted(loader)

    def _counted(self, batches: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for batch in batches:
            self._stream._given += 1
            yield batch
        self._stream.next_epoch()

    def set_epoch(self, epoch: int) -> None:
        """Begins this epoch.

        Args:
            epoch: its number, counted from 0.
        """
        self._stream.set_epoch(epoch)

    @property
    def epoch(self) -> int:
        """The present epoch."""
        return self._stream.epoch

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands: behind the last batch that was given.

        Returns:
            Numbers and truth values by name, which JSON can hold. In a worker of a DataLoader of your own: where that
            worker stands, for the worker with its number among as many.
        """
        state = self._stream.state_dict()
        if self._given_by_worker is not None:
            state["batches"] = self._given_by_worker * self._stream.world_size
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where a stream stood, exactly; the number of workers may be another one.

        Args:
            state: what `state_dict` returned.

        Raises:
            ValueError: the state does not fit this stream.
        """
        self._stream.load_state_dict(state)
        self._given_by_worker = None


class _Threads:
    """Threads that read batches ahead, in order."""

    def __init__(self, number: int, ahead: int | None, pin_memory: bool) -> None:
        if number < 0 or (ahead is not None and ahead < 1):
            raise ValueError(f"num_workers={number}, prefetch_factor={ahead}: there is no such number")
        self.number, self.ahead = number, number * (ahead or AHEAD)
        self.pin_memory = pin_memory and torch.cuda.is_available()

    def map(self, read: Callable[[Key], dict[str, Any]], keys: Iterable[Key]) -> Iterator[dict[str, Any]]:
        """The batches of these keys; errors are raised where their batch would be."""
        if self.number == 0:
            yield from (self._ready(read, key) for key in keys)
            return
        coming: deque[Future[dict[str, Any]]] = deque()
        with ThreadPoolExecutor(self.number, "qorpus-stream") as pool:
            try:
                for key in keys:
                    coming.append(pool.submit(self._ready, read, key))
                    if len(coming) > self.ahead:
                        yield coming.popleft().result()
                while coming:
                    yield coming.popleft().result()
            finally:
                for future in coming:
                    future.cancel()

    def _ready(self, read: Callable[[Key], dict[str, Any]], key: Key) -> dict[str, Any]:
        batch = read(key)
        if self.pin_memory:
            batch |= {name: value.pin_memory() for name, value in batch.items() if isinstance(value, torch.Tensor)}
        return batch


class _Batches(torch.utils.data.Dataset[dict[str, Any]]):
    """A stream's batches by key, as tensors: workers need not know where the stream stands.

    It is apart from the stream, which keeps a loader of it whose workers live on. Were the loader to lead back to the
    stream, they would be garbage together, and of such garbage PyTorch ends the workers only after seconds.
    """

    def __init__(self, stream: streams.Stream, longest: int) -> None:
        self.stream, self.longest = stream, longest

    def __getitem__(self, key: Key) -> dict[str, Any]:
        self.stream.epoch, self.stream._size, number = key
        return self.tensors(self.stream.batch(number))

    def tensors(self, batch: Batch) -> dict[str, Any]:
        """A batch of arrays as one of tensors."""
        assert batch.unitaries is not None and batch.circuits is not None
        circuits = _padded(batch.circuits, self.longest, batch.ids)
        tensors: dict[str, Any] = {
            "id": torch.from_numpy(batch.ids),
            "unitary": torch.from_numpy(batch.unitaries),
            "circuit": torch.from_numpy(circuits.astype(np.int64)),
            "length": torch.from_numpy((circuits >= 0).sum(axis=1)),
        }
        if batch.labels is not None:
            tensors["labels"] = {
                name: values.tolist() if values.dtype.kind == "U" else torch.from_numpy(values)
                for name, values in batch.labels.items()
            }
        return tensors


class _Keys(torch.utils.data.Sampler[Key]):
    """The keys of the batches that are left of a stream's epoch."""

    def __init__(self, stream: streams.Stream) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[Key]:
        stream = self.stream
        for number in range(stream._given, len(stream)):
            yield stream.epoch, stream._size, number
