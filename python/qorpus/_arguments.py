"""Arguments of the package's Python half, checked and refused with an `Error` that names them."""

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
    """Return an integer in a range as Python's own. NumPy's are integers too; 3.0 is not."""
    try:
        number = operator.index(value)
    except (TypeError, ValueError) as error:
        raise WrongType(f"{name} is an integer, not {kind(value)}") from error
    if not least <= number <= most:
        largest = {MAX_UINT64: "2**64 - 1", (1 << 63) - 1: "2**63 - 1"}.get(most, str(most))
        raise InvalidArgument(f"{name} is {short(number)}; it must be from {least} to {largest}")
    return number


def integers(values: Any, name: str) -> NDArray[np.int64]:
    """Return integers in one dimension as int64. One beyond 2**63 is a missing record."""
    ordered(values, name)
    if isinstance(values, range) and values and max(abs(values[0]), abs(values[-1])) > MAX_UINT64 >> 1:
        raise MissingRecord(f"{name} has a number that no corpus has, beyond 2**63")
    try:
        array = np.asarray(values)
        if array.ndim == 1 and (array.dtype.kind == "O" or (array.dtype.kind == "f" and not isinstance(values, np.ndarray))):
            # NumPy makes objects of integers that are too large for it, and floats of mixed kinds.
            array = np.array([operator.index(value) for value in values], np.int64)
    except OverflowError as error:
        raise MissingRecord(f"{name} has a number that no corpus has, beyond 2**63") from error
    except (TypeError, ValueError) as error:
        raise WrongType(f"{name} is a slice or integers in one dimension, not {kind(values)}") from error
    if array.size == 0 and array.ndim == 1:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        found = f"{array.dtype} in {array.ndim} dimensions"
        raise WrongType(f"{name} is a slice or integers in one dimension, not {found}")
    if array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max:
        raise MissingRecord(f"{name} has a number that no corpus has, beyond 2**63")
    return array.astype(np.int64)


def truth(value: Any, name: str) -> bool:
    """Return a truth value as Python's own. An array is neither true nor false."""
    try:
        return bool(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise WrongType(f"{name} is True or False, not {kind(value)}") from error


def texts(values: Any, name: str) -> tuple[str, ...]:
    """Return several texts, in order. A single text or a set is refused."""
    ordered(values, name)
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise WrongType(f"{name} is a sequence of texts, not {kind(values)}")
    try:
        members = iter(values)
    except (TypeError, ValueError) as error:
        raise WrongType(f"{name} is a sequence of texts, not {kind(values)}") from error
    several = []
    # One by one: the iterator may be endless.
    for value in members:
        if not isinstance(value, str):
            raise WrongType(f"{name} is a sequence of texts, not of {kind(value)}")
        several.append(value)
    return tuple(several)


def kind(value: Any) -> str:
    """Return the name of a value's type, for messages."""
    return type(value).__name__


def short(number: int) -> str:
    """Format an integer for messages, even if it has more digits than Python prints."""
    return str(number) if number.bit_length() <= 256 else f"an integer of {number.bit_length()} bits"
