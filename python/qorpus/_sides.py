"""Parts of a split: by id among some records, or by unitary."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qorpus import _qorpus
from qorpus._ranges import Ranges

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qorpus._qorpus import Records


class IdSide:
    """A part of a split by id, within some ranges, with the interface of `_qorpus.Split`."""

    def __init__(self, share: _qorpus.Split, among: Ranges) -> None:
        self._share, self._among = share, among
        # Places count members in the order of ids, so members of a range have consecutive places.
        self._places = Ranges([*map(share.count, among.starts)], [*map(share.count, among.stops)])

    def count(self, records: int) -> int:
        """Return the number of members."""
        return len(self._places)

    def ids(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids at these places. Ids ascend with places."""
        return self._share.ids(self._places.ids(places))

    def contains(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each id whether it is in the part."""
        return self._share.contains(ids) & self._among.contains(ids)


class UnitarySides:
    """The parts of a split by unitary, each with the interface of `_qorpus.Split`.

    The first use of a part reads all records, or only those that are split. Later uses read only
    records that were added since.
    """

    def __init__(
        self,
        records: Records,
        parts: list[tuple[int, int]],
        seed: int,
        progress: bool | Callable[[int, int], object],
        among: Ranges | None = None,
    ) -> None:
        self.records: Records | Ranges = records if among is None else among
        self.among, self._progress = among, progress
        pairs = None if among is None else [(start, stop) for start, stop in among.pairs]
        self._parts = _qorpus.UnitaryParts(records, parts, seed, pairs)
        self._known = 0

    def known(self, records: int | None = None) -> _qorpus.UnitaryParts:
        """Return the parts after reading this many records, by default all."""
        records = len(self.records) if records is None else records
        if records > self._known:
            self._parts.update(records, self._progress)
            self._known = records
        return self._parts


class UnitarySide:
    """One part of a split by unitary."""

    def __init__(self, sides: UnitarySides, number: int) -> None:
        self._sides, self._number = sides, number

    def count(self, records: int) -> int:
        """Return the number of members among the first `records` records."""
        return self._sides.known(records).count(self._number, records)

    def ids(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids at these places. Ids ascend with places."""
        found = self._sides.known().ids(self._number, places)
        return found if self._sides.among is None else self._sides.among.ids(found)

    def contains(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each id whether it is in the part."""
        among = self._sides.among
        inside: NDArray[Any] = (ids >= 0) & (ids < len(self._sides.records)) if among is None else among.contains(ids)
        places = ids[inside] if among is None else among.places(ids[inside])
        belong = inside.copy()
        belong[inside] = self._sides.known().contains(self._number, places)
        return belong
