"""Ranges of integers, numbered through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Integers: TypeAlias = "NDArray[np.int64]"


class Ranges:
    """Disjoint ascending ranges of integers.

    The place of an integer is its position among all integers of the ranges, counted from 0.
    """

    def __init__(self, starts: Sequence[int] | Integers, stops: Sequence[int] | Integers) -> None:
        self.starts, self.stops = np.asarray(starts, np.int64), np.asarray(stops, np.int64)
        #: The number of integers up to the end of each range.
        self._until = np.cumsum(self.stops - self.starts)

    def __len__(self) -> int:
        return int(self._until[-1]) if self._until.size else 0

    @property
    def pairs(self) -> list[list[int]]:
        """The ranges as pairs [first, last + 1]."""
        pairs: list[list[int]] = np.stack([self.starts, self.stops], axis=1).tolist()
        return pairs

    def ids(self, places: Integers) -> Integers:
        """Return the integers at these places, all of which must exist."""
        ranges = np.searchsorted(self._until, places, side="right")
        integers: Integers = self.stops[ranges] - self._until[ranges] + places
        return integers

    def contains(self, integers: Integers) -> NDArray[np.bool_]:
        """Return for each integer whether it is in one of the ranges."""
        ranges = np.searchsorted(self.starts, integers, side="right") - 1
        inside: NDArray[np.bool_] = ranges >= 0
        inside[inside] = integers[inside] < self.stops[ranges[inside]]
        return inside

    def places(self, integers: Integers) -> Integers:
        """Return the places of integers, all of which must be in one of the ranges."""
        ranges = np.searchsorted(self.starts, integers, side="right") - 1
        places: Integers = integers - self.stops[ranges] + self._until[ranges]
        return places
