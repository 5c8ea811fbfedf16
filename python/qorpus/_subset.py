"""Some of the records of a corpus, with its reading interface."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from qorpus._arguments import integers
from qorpus.errors import InvalidArgument, MissingRecord, WrongType

if TYPE_CHECKING:
    from qorpus import _qorpus
    from qorpus._qorpus import Ids, Record, Records
    from qorpus._ranges import Ranges
    from qorpus._sides import IdSide, UnitarySide

#: The most records, and bytes of their unitaries, that iterating reads ahead.
PREFETCH_RECORDS = 1024
PREFETCH_BYTES = 16 << 20


def ahead(records: Records) -> int:
    """Return the number of records to read at once."""
    unitary_bytes: int = records.dtype.itemsize << 2 * records.qubits
    return max(1, min(PREFETCH_RECORDS, PREFETCH_BYTES // unitary_bytes))


class Subset:
    """Some records of a corpus, with its reading interface; their places are counted from 0."""

    #: The noun for them in messages.
    _noun = "subset"

    def __init__(self, records: Records, members: Ranges | _qorpus.Split | IdSide | UnitarySide) -> None:
        self._records, self._members = records, members
        #: The ids among which they are chosen, if not among all: states of streams name them.
        self._present: Ranges | None = None

    def __len__(self) -> int:
        raise NotImplementedError

    def _whole(self) -> tuple[Records, Ranges | None]:
        """Return the records to split, and the ids of some if not all are to be split."""
        return cast("Records", self), None

    def ids(self, places: Ids) -> NDArray[np.int64]:
        """Return the ids of the records at these places: a slice, or integers.

        Raises:
            qorpus.MissingRecord: there is no such place.
            qorpus.WrongType: they are something else.
        """
        size = len(self)
        if isinstance(places, slice):
            return self._members.ids(np.arange(*_indices(places, size), dtype=np.int64))
        array = integers(places, "places")
        outside = array[(array < -size) | (array >= size)]
        if outside.size:
            raise MissingRecord(f"there is no record {outside[0]}; the {self._noun} has {size}, numbered from 0")
        return self._members.ids(np.where(array < 0, array + size, array))

    def contains(self, ids: Sequence[int] | NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether the records with these ids are among them."""
        return self._members.contains(integers(ids, "ids"))

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice | Sequence[int] | NDArray[Any]) -> list[Record]: ...

    def __getitem__(self, place: Any) -> Record | list[Record]:
        try:
            one = operator.index(place)
        except (TypeError, ValueError):
            return self._records.__getitems__(self.ids(place))
        return self._records[int(self.ids([one])[0])]

    def __getitems__(self, places: Ids) -> list[Record]:
        """Read the records at these places. A PyTorch DataLoader calls this."""
        return self._records.__getitems__(self.ids(places))

    def __iter__(self) -> Iterator[Record]:
        count = ahead(self._records)
        for start in range(0, len(self), count):
            yield from self[start : start + count]

    def unitaries(self, places: Ids) -> NDArray[Any]:
        """Read the unitaries at these places, of shape (k, d, d)."""
        return self._records.unitaries(self.ids(places))

    def circuits(self, places: Ids) -> list[tuple[str, ...]]:
        """Read the circuits at these places."""
        return self._records.circuits(self.ids(places))

    def letters_array(self, places: Ids) -> NDArray[np.int32]:
        """Read the circuits at these places as numbers of letters, padded with -1."""
        return self._records.letters_array(self.ids(places))

    def _pairs(self, places: Ids) -> tuple[NDArray[Any], NDArray[np.int32]]:
        return self._records._pairs(self.ids(places))

    def labels(self, places: Ids) -> list[dict[str, Any]]:
        """Read the labels at these places."""
        return self._records.labels(self.ids(places))

    def label_types(self) -> dict[str, type]:
        """Return the types of the labels that records brought with them: `float` or `str`."""
        return self._records.label_types()

    @property
    def qubits(self) -> int:
        """The number of qubits."""
        return self._records.qubits

    @property
    def order(self) -> str:
        """The order of the qubits: "big" or "little"."""
        return self._records.order

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the unitaries."""
        return self._records.dtype

    @property
    def gates(self) -> tuple[str, ...]:
        """The names of the gates."""
        return self._records.gates

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters in order: letter number k is the k-th."""
        return self._records.letters

    @property
    def lengths(self) -> tuple[int, int]:
        """The shortest and the longest circuit that there can be."""
        return self._records.lengths

    @property
    def is_appended(self) -> bool:
        """Whether the records were appended."""
        return self._records.is_appended

    @property
    def _is_sharded(self) -> bool:
        return self._records._is_sharded


def _indices(places: slice, size: int) -> tuple[int, int, int]:
    """Return start, stop and step of a slice."""
    try:
        return places.indices(size)
    except TypeError as error:
        raise WrongType(f"a slice is of integers: {error}") from error
    except ValueError as error:
        raise InvalidArgument(f"a slice cannot be: {error}") from error
