"""Samples that were read together, which PyTorch collates without copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import torch
from torch.utils.data._utils.collate import collate, default_collate_fn_map


class Sample(dict[str, Any]):
    """A sample of `Samples`, whose type tells PyTorch how to collate it."""


class Samples(Sequence[dict[str, Any]]):
    """Samples that were read together. Each is made on its first use.

    PyTorch's default collation takes the tensors that they were read into, instead of stacking their
    rows.
    """

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns, self._size = columns, len(columns["id"])
        self._made: dict[int, Sample] = {}
        #: The first sample, and its labels, as they were made.
        self._first: tuple[dict[str, Any], dict[str, Any]] = {}, {}

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[row] for row in range(*place.indices(self._size))]
        row = range(self._size)[place]
        if row not in self._made:
            made = self._made[row] = self._sample(row)
            if row == 0:
                self._first = dict(made), dict(made.get("labels", {}))
        return self._made[row]

    def _sample(self, row: int) -> Sample:
        sample = Sample((name, column[row]) for name, column in self._columns.items() if name != "labels")
        labels = self._columns.get("labels")
        if labels is not None:
            sample["labels"] = {
                name: values[row].item() if isinstance(values, torch.Tensor) else values[row] for name, values in labels.items()
            }
        return sample

    def collated(self) -> dict[str, Any] | None:
        """Return the batch, unless a sample that was made may have been changed since."""
        # The default collation looks at the first sample.
        if self._made.keys() - {0}:
            return None
        first = self._made.get(0)
        # A tensor that was changed in place has changed its column, too.
        unchanged = first is None or (
            _has_same(first, self._first[0]) and _has_same(first.get("labels", {}), self._first[1])
        )
        return self._columns if unchanged else None


def _has_same(found: dict[str, Any], made: dict[str, Any]) -> bool:
    """Return whether two dicts have the very same values."""
    return found.keys() == made.keys() and all(found[name] is value for name, value in made.items())


def _collate(batch: Sequence[dict[str, Any]], *, collate_fn_map: Any = None) -> dict[str, Any]:
    """Collate samples as PyTorch collates dicts, or return the tensors that they are rows of."""
    columns = batch.collated() if isinstance(batch, Samples) else None
    if columns is not None:
        return columns
    collated: dict[str, Any] = collate([dict(sample) for sample in batch], collate_fn_map=collate_fn_map)
    return collated


# How PyTorch's documentation extends the default collation to a type.
default_collate_fn_map[Sample] = _collate
