"""The records of all stores: one-qubit circuits of 5 to 14 letters and their unitaries."""

from collections.abc import Iterator

import numpy as np
import qorpus
from original import LONGEST, SHORTEST

NAMES = ("h 0", "s 0", "t 0")
BATCH = 1024
#: Records that are written in one transaction or call.
GROUP = 65_536

#: A circuit and its unitary.
Record = tuple[tuple[str, ...], np.ndarray]
#: Circuits as numbers of letters, padded with -1, and their unitaries.
Batch = tuple[np.ndarray, np.ndarray]

MATRICES = {
    "h 0": np.array([[1, 1], [1, -1]]) / np.sqrt(2),
    "s 0": np.diag([1, 1j]),
    "t 0": np.diag([1, (1 + 1j) / np.sqrt(2)]),
}


class Data:
    """Numbers of letters (n, 14) as int8, and unitaries (n, 2, 2) as complex128."""

    def __init__(self, records: int) -> None:
        self.recipe = qorpus.Recipe(gates="h,s,t", qubits=1, random=records, length=(SHORTEST, LONGEST), seed=1)
        assert self.recipe.letters == NAMES
        self.letters = padded(self.recipe.letters_array(slice(None)))
        self.unitaries = self.recipe.unitaries(slice(None))
        for at in range(0, records, GROUP):
            check(self.batch(slice(at, at + GROUP)))

    def __len__(self) -> int:
        return len(self.unitaries)

    def batch(self, some: slice | np.ndarray) -> Batch:
        return self.letters[some], self.unitaries[some]

    def groups(self, part: int = 0, parts: int = 1) -> Iterator[slice]:
        """The groups of one of several equal shares."""
        start, stop = len(self) * part // parts, len(self) * (part + 1) // parts
        return (slice(at, min(at + GROUP, stop)) for at in range(start, stop, GROUP))


def padded(letters: np.ndarray) -> np.ndarray:
    """Letters in rows of the longest circuit."""
    missing = LONGEST - letters.shape[1]
    return np.pad(letters, ((0, 0), (0, missing)), constant_values=-1).astype(np.int8)


def check(batch: Batch) -> None:
    """Every unitary must be the product of its letters, by matrices that are not Qorpus's."""
    letters, unitaries = batch
    # One more matrix, so that the padding does nothing.
    matrices = np.array([*(MATRICES[name] for name in NAMES), np.eye(2)], np.complex128)
    product = np.broadcast_to(np.eye(2, dtype=np.complex128), (len(letters), 2, 2))
    for column in np.asarray(letters).T:
        product = matrices[column] @ product
    assert product.shape == np.shape(unitaries) and np.abs(product - unitaries).max(initial=0) < 1e-12


def same(one: Batch, other: Batch) -> bool:
    """Whether two batches are equal, to the bit."""
    letters, others = padded(one[0]), padded(other[0])
    return np.array_equal(letters, others) and np.array_equal(one[1], other[1])


def fingerprint(batch: Batch) -> int:
    """Return a number that changes if a record is missing or damaged, but not with the order.

    The numbers of several batches add up, modulo 2**64.
    """
    rows = joined(padded(batch[0]), batch[1])
    words = np.zeros((len(rows), 80), np.uint8)
    words[:, : rows.shape[1]] = rows
    numbers = words.view(np.uint64)
    odd = np.random.default_rng(5).integers(0, 1 << 63, numbers.shape[1], np.uint64) * np.uint64(2) + np.uint64(1)
    mixed = (numbers * odd).sum(axis=1, dtype=np.uint64)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return int((mixed ^ (mixed >> np.uint64(32))).sum(dtype=np.uint64))


# A record as 78 bytes: the unitary first, so that it is aligned, then the letters.
UNITARY_BYTES = 64
ROW_BYTES = UNITARY_BYTES + LONGEST


def joined(letters: np.ndarray, unitaries: np.ndarray) -> np.ndarray:
    rows = np.empty((len(letters), ROW_BYTES), np.uint8)
    rows[:, :UNITARY_BYTES] = np.ascontiguousarray(unitaries).reshape(-1, 4).view(np.uint8)
    rows[:, UNITARY_BYTES:] = letters.view(np.uint8)
    return rows


def parted(rows: bytes | np.ndarray) -> Batch:
    """The batch of joined rows."""
    table = np.frombuffer(rows, np.uint8).reshape(-1, ROW_BYTES)
    unitaries = np.ascontiguousarray(table[:, :UNITARY_BYTES]).view(np.complex128).reshape(-1, 2, 2)
    return table[:, UNITARY_BYTES:].view(np.int8), unitaries


def circuit_of(row: bytes) -> tuple[str, ...]:
    """The letters of the numbers, padded with 255, that stores of bytes keep."""
    return tuple([NAMES[number] for number in row if number != 255])
