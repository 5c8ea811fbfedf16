"""Corpora for PyTorch: a map-style dataset, and a stream that shuffles without memory and resumes exactly.

Imported by `corpus.torch()`; nothing else in the package needs PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from qorpus import streams

if TYPE_CHECKING:
    from qorpus._qorpus import Records


def _padded(circuits: NDArray[np.int32], longest: int, ids: NDArray[np.int64]) -> NDArray[np.int32]:
    """The same circuits in rows of `longest` letters."""
    if circuits.shape[1] > longest:
        row = int(np.argmax((circuits >= 0).sum(axis=1)))
        raise ValueError(
            f"record {ids[row]} has {(circuits[row] >= 0).sum()} letters, more than longest={longest} leaves room for"
        )
    return np.pad(circuits, ((0, 0), (0, longest - circuits.shape[1])), constant_values=-1)


def _longest(records: Records, longest: int | None) -> int:
    if longest is not None:
        return longest
    if records.is_appended:
        raise ValueError("how long appended circuits are, nobody knows beforehand; say longest=...")
    return records.lengths[1]


class Dataset(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
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
    """

    def __init__(self, records: Records, *, longest: int | None = None, parts: bool = False) -> None:
        self.records, self.longest, self.parts = records, _longest(records, longest), parts

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: Sequence[int]) -> list[dict[str, torch.Tensor]]:
        """The samples at these places, read together."""
        records = self.records
        ids = np.asarray(places, np.int64)
        if isinstance(records, streams.Split):
            ids = records.ids(ids)
        else:
            ids = np.where(ids < 0, ids + len(records), ids)
        circuits = records.letters_array(places)
        columns = {
            "id": torch.from_numpy(ids),
            "unitary": _unitaries(records.unitaries(places), self.parts),
            "circuit": torch.from_numpy(_padded(circuits, self.longest, ids).astype(np.int64)),
            "length": torch.from_numpy((circuits >= 0).sum(axis=1)),
        }
        return [{name: column[row] for name, column in columns.items()} for row in range(len(ids))]


def _unitaries(unitaries: NDArray[Any], parts: bool) -> torch.Tensor:
    tensor = torch.from_numpy(unitaries)
    return torch.stack([tensor.real, tensor.imag], dim=1) if parts else tensor


class Stream(IterableDataset[dict[str, Any]]):
    """Batches of tensors, epoch after epoch, in an order that takes no memory; see `qorpus.Stream`.

        stream = corpus.torch(batch_size=256, seed=1, num_workers=4)
        for epoch in range(3):
            for batch in stream:
                batch["unitary"], batch["circuit"], batch["length"], batch["id"]
        checkpoint = stream.state_dict()          # exact, whatever the workers have read ahead

    The batches and their order do not depend on the number of workers. Given to a DataLoader of your own, with
    `batch_size=None`, it is sharded over the workers all the same; then call `set_epoch` before each epoch, and
    count the batches yourself.

    Args:
        records: a corpus, a recipe, or a split of one.
        batch_size: records of a batch.
        num_workers: processes that read ahead; 0 reads in this one.
        multiprocessing_context: how they are started: "fork", "spawn" or "forkserver".
        longest: letters that circuits are padded to; by default the longest that the recipe allows.
        labels: whether batches have labels: "labels", a dict of tensors, and of lists of texts.
        pin_memory: whether tensors are put where a GPU gets them faster.
        prefetch_factor: batches that each worker reads ahead.
        **options: those of `qorpus.Stream`: shuffle, seed, epoch, rank, world_size, drop_last, parts.
    """

    def __init__(
        self,
        records: Records,
        batch_size: int,
        *,
        num_workers: int = 0,
        multiprocessing_context: str | None = None,
        longest: int | None = None,
        labels: bool = False,
        pin_memory: bool = False,
        prefetch_factor: int | None = None,
        **options: Any,
    ) -> None:
        columns = ("unitaries", "circuits", "labels") if labels else ("unitaries", "circuits")
        parts = options.pop("parts", False)
        self._stream = streams.Stream(records, batch_size, columns=columns, **options)
        self._parts, self._longest = parts, _longest(records, longest)
        self._loading: dict[str, Any] = {
            "num_workers": num_workers,
            "multiprocessing_context": multiprocessing_context if num_workers else None,
            "pin_memory": pin_memory,
            "prefetch_factor": prefetch_factor if num_workers else None,
        }

    def __len__(self) -> int:
        return len(self._stream)

    def _tensors(self, batch: streams.Batch) -> dict[str, Any]:
        assert batch.unitaries is not None and batch.circuits is not None
        circuits = _padded(batch.circuits, self._longest, batch.ids)
        tensors: dict[str, Any] = {
            "id": torch.from_numpy(batch.ids),
            "unitary": _unitaries(batch.unitaries, self._parts),
            "circuit": torch.from_numpy(circuits.astype(np.int64)),
            "length": torch.from_numpy((circuits >= 0).sum(axis=1)),
        }
        if batch.labels is not None:
            tensors["labels"] = {
                name: values.tolist() if values.dtype.kind == "U" else torch.from_numpy(values)
                for name, values in batch.labels.items()
            }
        return tensors

    def __iter__(self) -> Iterator[dict[str, Any]]:
        stream, worker = self._stream, get_worker_info()
        if worker is not None:
            # DataLoader asks its workers in turn: together they give the batches in order.
            for number in range(stream._given + worker.id, len(stream), worker.num_workers):
                yield self._tensors(stream.batch(number))
        elif self._loading["num_workers"] == 0:
            yield from map(self._tensors, stream)
        else:
            loader: DataLoader[dict[str, Any]] = DataLoader(self, batch_size=None, **self._loading)
            for batch in loader:
                stream._given += 1
                yield batch
            stream.next_epoch()

    def set_epoch(self, epoch: int) -> None:
        """Begins this epoch."""
        self._stream.set_epoch(epoch)

    @property
    def epoch(self) -> int:
        """The present epoch."""
        return self._stream.epoch

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands: behind the last batch that was given."""
        return self._stream.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where a stream stood, exactly; the number of workers may be another one.

        Raises:
            ValueError: the state does not fit this stream.
        """
        self._stream.load_state_dict(state)
