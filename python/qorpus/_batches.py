"""Batches of records as arrays, and windows of records that are shuffled in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from qorpus import _html
from qorpus._arguments import kind
from qorpus.errors import InvalidArgument, WrongType

if TYPE_CHECKING:
    from qorpus._qorpus import Records


class Batch(NamedTuple):
    """A batch of k records as arrays. A column that the stream leaves out is None.

    Attributes:
        ids: int64 of shape (k,): the ids in the corpus.
        unitaries: shape (k, d, d) for d = 2**qubits, in the stream's dtype; with `real_imag` real
            and imaginary parts of shape (k, 2, d, d). None if the records have no unitaries.
        circuits: int32 of shape (k, longest): numbers of letters in time order, padded with -1.
            Letter number j is `letters[j]` of the corpus. None if the records have no circuits.
        labels: an array of shape (k,) for each label, float64 or strings. A record without the
            label has NaN or "".
        channels: shape (k, 4**n, 4**n) for n qubits: the Pauli transfer matrices that `channels` of
            the corpus returns, as real numbers of the precision of the unitaries.
        angles: beside `circuits`, if gates have free angles: float64 of shape (k, longest, 3): the
            angles of each letter in radians, then NaN.

    Examples:
        >>> recipe = qorpus.Recipe(gates="h,t,cx", qubits=2, random=1000)
        >>> batch = next(iter(recipe.stream(64, seed=1)))
        >>> batch.ids.shape, batch.unitaries.shape, batch.labels
        ((64,), (64, 4, 4), None)
    """

    ids: NDArray[np.int64]
    unitaries: NDArray[Any] | None
    circuits: NDArray[np.int32] | None
    labels: dict[str, NDArray[Any]] | None
    channels: NDArray[Any] | None = None
    angles: NDArray[np.float64] | None = None

    @property
    def lengths(self) -> NDArray[np.int64] | None:
        """The number of letters of each circuit, of shape (k,); None without circuits."""
        return None if self.circuits is None else (self.circuits >= 0).sum(axis=1, dtype=np.int64)

    def take(self, places: NDArray[np.int64]) -> Batch:
        """Copy the records at the given places of the batch.

        Args:
            places: int64 of shape (j,): places within the batch, counted from 0.

        Returns:
            A batch of j records with the same columns.

        Examples:
            >>> batch = next(iter(qorpus.Recipe(random=1000).stream(64)))
            >>> batch.take(np.array([0, 3])).ids.shape
            (2,)
        """
        return Batch(
            self.ids[places],
            None if self.unitaries is None else self.unitaries.take(places, axis=0),
            None if self.circuits is None else self.circuits.take(places, axis=0),
            None if self.labels is None else {name: values[places] for name, values in self.labels.items()},
            None if self.channels is None else self.channels.take(places, axis=0),
            None if self.angles is None else self.angles.take(places, axis=0),
        )

    def __repr__(self) -> str:
        return f"Batch({len(self.ids):,} records: {', '.join(f'{name} {text}' for name, text in self._columns())})"

    def _repr_html_(self) -> str:
        return _html.facts(f"Batch of {len(self.ids):,} records", self._columns())

    def _columns(self) -> list[tuple[str, str]]:
        """Return the name of each column, and its shape and dtype."""
        arrays = {
            "ids": self.ids, "unitaries": self.unitaries, "circuits": self.circuits, "angles": self.angles,
            "channels": self.channels,
        }  # fmt: skip
        columns = [(name, f"{array.shape} {array.dtype}") for name, array in arrays.items() if array is not None]
        return columns if self.labels is None else [*columns, ("labels", ", ".join(self.labels))]


class Window:
    """The window that was read last, for any number of threads.

    Each window is written to the memory of the previous one, because new memory from the system
    costs more than reading.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: Hashable = None
        self._records: Batch | None = None
        self._unitaries: NDArray[Any] | None = None
        self._circuits: NDArray[np.int32] | None = None
        self._channels: NDArray[Any] | None = None
        self._angles: NDArray[np.float64] | None = None
        self._order = np.empty(0, np.int64)

    def batch(self, key: Hashable, read: Callable[[], tuple[NDArray[np.int64], Iterable[Batch]]], places: slice) -> Batch:
        """Copy records of the window with this key, which is read first if needed.

        `read` returns the order of the window and its records in pieces.
        """
        # The lock is held while records are copied: the next window would overwrite them.
        with self._lock:
            if self._records is None or self._key != key:
                self._records = None
                self._order, pieces = read()
                self._records, self._key = self._filled(pieces, len(self._order)), key
            return self._records.take(self._order[places])

    def _filled(self, pieces: Iterable[Batch], size: int) -> Batch:
        read, longest, at = [], 0, 0
        for piece in pieces:
            end = at + len(piece.ids)
            if piece.unitaries is not None:
                self._unitaries = _room(self._unitaries, size, piece.unitaries)
                self._unitaries[at:end] = piece.unitaries
            if piece.channels is not None:
                self._channels = _room(self._channels, size, piece.channels)
                self._channels[at:end] = piece.channels
            if piece.circuits is not None:
                width = piece.circuits.shape[1]
                self._circuits = _room(self._circuits, size, piece.circuits)
                self._circuits[at:end, :width] = piece.circuits
                self._circuits[at:end, width:] = -1
                longest = max(longest, width)
            if piece.angles is not None:
                width = piece.angles.shape[1]
                self._angles = _room(self._angles, size, piece.angles)
                self._angles[at:end, :width] = piece.angles
                self._angles[at:end, width:] = np.nan
            read.append(piece._replace(unitaries=None, circuits=None, channels=None, angles=None))
            at = end
        labels = None
        if read[0].labels is not None:
            columns = [piece.labels for piece in read if piece.labels is not None]
            labels = {name: np.concatenate([column[name] for column in columns]) for name in columns[0]}
        return Batch(
            np.concatenate([piece.ids for piece in read]),
            None if self._unitaries is None else self._unitaries[:size],
            None if self._circuits is None else self._circuits[:size, :longest],
            labels,
            None if self._channels is None else self._channels[:size],
            None if self._angles is None else self._angles[:size, :longest],
        )


def _room(memory: NDArray[Any] | None, size: int, piece: NDArray[Any]) -> NDArray[Any]:
    """Return memory for `size` rows as wide as the piece; keep `memory` if it is large enough."""
    if memory is not None and len(memory) >= size and memory.shape[1] >= piece.shape[1]:
        return memory
    rows, width = (0, 0) if memory is None else memory.shape[:2]
    # An earlier window may have had fewer records and longer circuits.
    larger = np.full((max(rows, size), max(width, piece.shape[1]), *piece.shape[2:]), -1, piece.dtype)
    if memory is not None:
        larger[:rows, :width] = memory
    return larger


#: The dtypes of unitaries, each with whether it is that of real and imaginary parts.
DTYPES = {"complex128": False, "complex64": False, "float64": True, "float32": True, "float16": True}


def precision(records: Records, real_imag: bool, dtype: DTypeLike | None) -> tuple[bool, np.dtype[Any]]:
    """Return whether unitaries are real and imaginary parts, and the dtype of their numbers."""
    if dtype is None:
        return real_imag, np.dtype(records.dtype.type(0).real.dtype if real_imag else records.dtype)
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        name = repr(dtype) if isinstance(dtype, str) else kind(dtype)
        raise WrongType(f"dtype is {name}; it must be one of {', '.join(DTYPES)}") from error
    if found.name not in DTYPES:
        raise InvalidArgument(f"dtype is {found.name}; it must be one of {', '.join(DTYPES)}")
    if real_imag and not DTYPES[found.name]:
        raise InvalidArgument(f"real_imag gives real numbers, but dtype is {found.name}; pass float64, float32 or float16")
    return DTYPES[found.name], np.dtype(found.type)


def columns_of(labels: list[dict[str, Any]], given: dict[str, type]) -> dict[str, NDArray[Any]]:
    """Return arrays of labels, both counted ones and those appended with records."""
    counted = [name for name in (labels[0] if labels else {}) if name not in given]
    columns: dict[str, NDArray[Any]] = {}
    for name in [*counted, *given]:
        values = [label.get(name) for label in labels]
        if given.get(name) is str:
            columns[name] = np.array(["" if value is None else str(value) for value in values], np.str_)
        else:
            columns[name] = np.array([np.nan if value is None else value for value in values], np.float64)
    return columns
