"""Which records are in which part of a split by unitary."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qorpus import _qorpus

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qorpus._qorpus import Records


class UnitarySides:
    """The parts of a split by unitary, each with the interface of `_qorpus.Split`.

    Records are gone through when they are first asked for, and again only if there are more of them.
    """

    def __init__(
        self, records: Records, parts: list[tuple[int, int]], seed: int, progress: bool | Callable[[int, int], object]
    ) -> None:
        self._records, self._progress = records, progress
        self._parts = _qorpus.UnitaryParts(records, parts, seed)
        self._known = 0

    def part(self, number: int) -> UnitarySide:
        """The part with this number."""
        return UnitarySide(self, number)

    def known(self, records: int | None = None) -> _qorpus.UnitaryParts:
        """The parts, with that many records known, or all that there are."""
        records = len(self._records) if records is None else records
        if records > self._known:
            self._parts.update(records, self._progress)
            self._known = records
        return self._parts


class UnitarySide:
    """One part of a split by unitary."""

    def __init__(self, sides: UnitarySides, number: int) -> None:
        self._sides, self._number = sides, number

    def count(self, records: int) -> int:
        """How many of so many records belong to it."""
        return self._sides.known(records).count(self._number, records)

    def ids(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Its ids at these places, which ascend with them."""
        return self._sides.known().ids(self._number, places)

    def contains(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these ids belong to it."""
        inside: NDArray[Any] = (ids >= 0) & (ids < len(self._sides._records))
        belong = inside.copy()
        belong[inside] = self._sides.known().contains(self._number, ids[inside])
        return belong
