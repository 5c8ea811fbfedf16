"""Check arguments of the package's Python half; an invalid one raises an `Error` that names it."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qorpus._qorpus import ordered
from qorpus.errors import InvalidArgument, MissingRecord, WrongType

#: The largest seed.
MAX_UINT64 = (1 << 64) - 1


def integer(value: Any, name: str, *, least: int = 0, most: int = MAX_UINT64) -> int:
    """Return an integer within a range as an int. NumPy integers are accepted; 3.0 is not."""
    try:
        number = operator.index(value)
    except (TypeError, ValueError) as error:
        raise WrongType(f"{name} must be an integer, not {kind(value)}") from error
    if not least <= number <= most:
        largest = {MAX_UINT64: "2**64 - 1", (1 << 63) - 1: "2**63 - 1"}.get(most, str(most))
        raise InvalidArgument(f"{name} is {short(number)}; it must be from {least} to {largest}")
    return number


def integers(values: Any, name: str) -> NDArray[np.int64]:
    """Return one-dimensional integers as int64.

    An integer outside int64 raises `MissingRecord`, because no corpus has such an id.
    """
    ordered(values, name)
    beyond = f"{name} contains an integer beyond 2**63; no corpus has such a record"
    expected = f"{name} must be a slice or a one-dimensional sequence of integers"
    if isinstance(values, range) and values and max(abs(values[0]), abs(values[-1])) > MAX_UINT64 >> 1:
        raise MissingRecord(beyond)
    try:
        array = np.asarray(values)
        if array.ndim == 1 and (array.dtype.kind == "O" or (array.dtype.kind == "f" and not isinstance(values, np.ndarray))):
            # NumPy turns integers too large for it into objects, and mixed kinds into floats.
            array = np.array([operator.index(value) for value in values], np.int64)
    except OverflowError as error:
        raise MissingRecord(beyond) from error
    except (TypeError, ValueError) as error:
        raise WrongType(f"{expected}, not {kind(values)}") from error
    if array.size == 0 and array.ndim == 1:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        found = f"{array.dtype} in {array.ndim} dimensions" if array.ndim else kind(values)
        raise WrongType(f"{expected}, not {found}")
    if array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max:
        raise MissingRecord(beyond)
    return array.astype(np.int64)


def truth(value: Any, name: str) -> bool:
    """Return a truth value as a bool. An array has no truth value."""
    try:
        return bool(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise WrongType(f"{name} must be True or False, not {kind(value)}") from error


def texts(values: Any, name: str) -> tuple[str, ...]:
    """Return strings in order, as a tuple. A single string or a set is refused."""
    ordered(values, name)
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise WrongType(f"{name} must be a sequence of strings, not {kind(values)}")
    try:
        members = iter(values)
    except (TypeError, ValueError) as error:
        raise WrongType(f"{name} must be a sequence of strings, not {kind(values)}") from error
    several = []
    # One at a time, because the iterator may be infinite.
    for value in members:
        if not isinstance(value, str):
            raise WrongType(f"{name} must be a sequence of strings, not of {kind(value)}")
        several.append(value)
    return tuple(several)


def kind(value: Any) -> str:
    """Return the name of a value's type, for messages."""
    return type(value).__name__


def short(number: int) -> str:
    """Format an integer for messages, also one with more digits than Python prints."""
    return str(number) if number.bit_length() <= 256 else f"an integer of {number.bit_length()} bits"
