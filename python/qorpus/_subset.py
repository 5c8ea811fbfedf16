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
    from qorpus._qorpus import Ids, MaybeNone, Record, Records
    from qorpus._ranges import Ranges
    from qorpus._sides import IdSide, UnitarySide

#: The most records, and bytes of their unitaries, that iteration reads ahead.
PREFETCH_RECORDS = 1024
PREFETCH_BYTES = 16 << 20


def ahead(records: Records) -> int:
    """Return the number of records to read at once."""
    unitary_bytes: int = records.dtype.itemsize << 2 * records.qubits
    return max(1, min(PREFETCH_RECORDS, PREFETCH_BYTES // unitary_bytes))


class Subset:
    """Some records of a corpus, with its reading interface; places are counted from 0."""

    #: The noun for these records in messages.
    _noun = "subset"

    def __init__(self, records: Records, members: Ranges | _qorpus.Split | IdSide | UnitarySide) -> None:
        self._records, self._members = records, members
        #: The ids from which the records are chosen, unless from all; states of streams contain them.
        self._present: Ranges | None = None

    def __len__(self) -> int:
        raise NotImplementedError

    def _whole(self) -> tuple[Records, Ranges | None]:
        """Return the records to split, and the ids among them unless all are to be split."""
        return cast("Records", self), None

    def ids(self, places: Ids) -> NDArray[np.int64]:
        """Return the ids in the corpus of the records at some places.

        Args:
            places: a slice, or integers in one dimension; negative ones count from the end.

        Returns:
            An int64 array of shape (k,).

        Raises:
            qorpus.MissingRecord: a place does not exist.
            qorpus.WrongType: `places` is neither a slice nor integers.

        Examples:
            >>> test = qorpus.Recipe(random=1000).split(train=0.9, test=0.1)["test"]
            >>> test.ids(slice(0, 5)).shape, test.ids([3]).tolist() == [test[3].id]
            ((5,), True)
        """
        size = len(self)
        if isinstance(places, slice):
            return self._members.ids(np.arange(*_indices(places, size), dtype=np.int64))
        array = integers(places, "places")
        outside = array[(array < -size) | (array >= size)]
        if outside.size:
            raise MissingRecord(f"there is no record {outside[0]}; the {self._noun} has {size} records, numbered from 0")
        return self._members.ids(np.where(array < 0, array + size, array))

    def contains(self, ids: Sequence[int] | NDArray[Any]) -> NDArray[np.bool_]:
        """Return for each id of the corpus whether its record is among these.

        Args:
            ids: integers in one dimension.

        Returns:
            A bool array of the same length.

        Examples:
            >>> split = qorpus.Recipe(random=1000).split(train=0.9, test=0.1)
            >>> ids = split["test"].ids([0, 1])
            >>> split["test"].contains(ids).tolist(), split["train"].contains(ids).tolist()
            ([True, True], [False, False])
        """
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
        """Read the unitaries of the records at some places.

        Args:
            places: a slice, or integers in one dimension; negative ones count from the end.

        Returns:
            An array of shape (k, d, d) for d = 2**qubits, in the corpus's dtype.

        Raises:
            qorpus.MissingRecord: a place does not exist.

        Examples:
            >>> train = qorpus.Recipe(qubits=2, random=1000).split(train=0.9)["train"]
            >>> train.unitaries(slice(0, 64)).shape
            (64, 4, 4)
        """
        return self._records.unitaries(self.ids(places))

    def circuits(self, places: Ids) -> list[tuple[str, ...] | MaybeNone]:
        """Read the circuits of the records at some places.

        Args:
            places: a slice, or integers in one dimension; negative ones count from the end.

        Returns:
            A tuple of letters in time order for each place, or None if the records have no circuits.

        Raises:
            qorpus.MissingRecord: a place does not exist.

        Examples:
            >>> recipe = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 2))
            >>> recipe.split(all=1)["all"].circuits([0, 4])
            [(), ('h 0', 't 0')]
        """
        return self._records.circuits(self.ids(places))

    def letters_array(self, places: Ids) -> NDArray[np.int32]:
        """Read the circuits of the records at some places as numbers of letters.

        Args:
            places: a slice, or integers in one dimension; negative ones count from the end.

        Returns:
            An int32 array of shape (k, longest) in time order, padded with -1.

        Raises:
            qorpus.InvalidArgument: the records are Haar-random unitaries, which have no circuits.
            qorpus.MissingRecord: a place does not exist.

        Examples:
            >>> recipe = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 2))
            >>> recipe.split(all=1)["all"].letters_array([1, 4]).tolist()
            [[0, -1], [0, 1]]
        """
        return self._records.letters_array(self.ids(places))

    def angles(self, places: Ids) -> NDArray[np.float64]:
        """Read the free angles of the letters of the records at some places.

        Args:
            places: a slice, or integers in one dimension; negative ones count from the end.

        Returns:
            A float64 array of shape (k, longest, 3): the angles of each letter in radians, then NaN.

        Raises:
            qorpus.MissingRecord: a place does not exist.

        Examples:
            >>> part = qorpus.Recipe(gates="rz(?)", random=9, length=2).split(all=1)["all"]
            >>> part.angles([1, 4]).shape
            (2, 2, 3)
        """
        return self._records.angles(self.ids(places))

    def tableaus(self, places: Ids) -> NDArray[np.bool_]:
        """Compute the tableaus of the circuits at some places.

        Args:
            places: a slice, or integers in one dimension; negative ones count from the end.

        Returns:
            A bool array of shape (k, 2n, 2n), as `tableaus` of the corpus returns it.

        Raises:
            qorpus.InvalidArgument: some gate is not a Clifford gate.
            qorpus.MissingRecord: a place does not exist.

        Examples:
            >>> part = qorpus.Recipe(gates="h,s,cx", random=9).split(all=1)["all"]
            >>> part.tableaus([1, 4]).shape
            (2, 4, 4)
        """
        return self._records.tableaus(self.ids(places))

    def _rows(self, places: Ids) -> tuple[NDArray[Any] | None, NDArray[np.int32], NDArray[np.float64] | None]:
        return self._records._rows(self.ids(places))

    def labels(self, places: Ids) -> list[dict[str, Any]]:
        """Read the labels of the records at some places.

        Args:
            places: a slice, or integers in one dimension; negative ones count from the end.

        Returns:
            A dict of labels by name for each place.

        Raises:
            qorpus.MissingRecord: a place does not exist.

        Examples:
            >>> recipe = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 2))
            >>> recipe.split(all=1)["all"].labels([4])
            [{'count_h': 1, 'count_t': 1, 'length': 2}]
        """
        return self._records.labels(self.ids(places))

    def label_types(self) -> dict[str, type]:
        """Return the types of the labels that were appended with the records: `float` or `str`.

        Returns:
            A dict from names to types; empty for records of a recipe.

        Examples:
            >>> qorpus.Recipe(random=1000).split(train=0.9)["train"].label_types()
            {}
        """
        return self._records.label_types()

    @property
    def qubits(self) -> int:
        """The number of qubits."""
        return self._records.qubits

    @property
    def order(self) -> str:
        """The order of qubits: "big" or "little"."""
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
        """The letters in order: letter number j is `letters[j]`."""
        return self._records.letters

    @property
    def lengths(self) -> tuple[int, int]:
        """The lengths of the shortest and longest possible circuit, in letters."""
        return self._records.lengths

    @property
    def longest(self) -> int | None:
        """The number of letters of the longest circuit of the whole corpus.

        None if a `Writer` appended the records: their circuits may have any length.
        """
        return self._records.longest

    @property
    def has_circuits(self) -> bool:
        """Whether the records have circuits. Haar-random unitaries have none."""
        return self._records.has_circuits

    @property
    def has_unitaries(self) -> bool:
        """Whether the records have unitaries. On more than 8 qubits they have none."""
        return self._records.has_unitaries

    @property
    def is_appended(self) -> bool:
        """Whether a `Writer` appended the records or an enumeration found them."""
        return self._records.is_appended

    @property
    def _is_sharded(self) -> bool:
        return self._records._is_sharded


def _indices(places: slice, size: int) -> tuple[int, int, int]:
    """Return start, stop and step of a slice."""
    try:
        return places.indices(size)
    except TypeError as error:
        raise WrongType(f"a slice must have integer bounds and step: {error}") from error
    except ValueError as error:
        raise InvalidArgument(f"the slice is invalid: {error}") from error
