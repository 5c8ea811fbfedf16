"""The records of all stores: one-qubit circuits of 5 to 14 letters and their unitaries."""

from collections.abc import Iterator

import numpy as np
import qorpus
from original import LONGEST, SHORTEST
from original import letters as matrices_of_letters

NAMES = ("h 0", "s 0", "t 0")
BATCH = 1024
#: Records that are written in one transaction or call.
GROUP = 65_536

#: A circuit and its unitary.
Record = tuple[tuple[str, ...], np.ndarray]
#: Circuits as numbers of letters, padded with -1, and their unitaries.
Batch = tuple[np.ndarray, np.ndarray]


class Data:
    """The records: numbers of letters (n, 14) as int8, and unitaries (n, 2, 2) as complex128."""

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
        """Return the groups of one of several equal shares."""
        start, stop = len(self) * part // parts, len(self) * (part + 1) // parts
        return (slice(at, min(at + GROUP, stop)) for at in range(start, stop, GROUP))


def padded(letters: np.ndarray) -> np.ndarray:
    """Pad letters to rows of the longest circuit."""
    return np.pad(letters, ((0, 0), (0, LONGEST - letters.shape[1])), constant_values=-1).astype(np.int8)


def check(batch: Batch) -> None:
    """Check that every unitary is the product of its letters, by NumPy's matrices."""
    letters, unitaries = batch
    # The last matrix is that of the padding.
    matrices = np.array([*matrices_of_letters(1).values(), np.eye(2)], np.complex128)
    product = np.broadcast_to(np.eye(2, dtype=np.complex128), (len(letters), 2, 2))
    for column in np.asarray(letters).T:
        product = matrices[column] @ product
    assert product.shape == np.shape(unitaries) and np.abs(product - unitaries).max(initial=0) < 1e-12


def same(one: Batch, other: Batch) -> bool:
    """Return whether two batches are equal, to the bit."""
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
    """Return a batch as rows of bytes."""
    rows = np.empty((len(letters), ROW_BYTES), np.uint8)
    rows[:, :UNITARY_BYTES] = np.ascontiguousarray(unitaries).reshape(-1, 4).view(np.uint8)
    rows[:, UNITARY_BYTES:] = letters.view(np.uint8)
    return rows


def parted(rows: bytes | np.ndarray) -> Batch:
    """Return the batch of joined rows."""
    table = np.frombuffer(rows, np.uint8).reshape(-1, ROW_BYTES)
    unitaries = np.ascontiguousarray(table[:, :UNITARY_BYTES]).view(np.complex128).reshape(-1, 2, 2)
    return table[:, UNITARY_BYTES:].view(np.int8), unitaries


def circuit_of(letters: bytes) -> tuple[str, ...]:
    """Return the letters of numbers that are bytes padded with 255."""
    return tuple([NAMES[number] for number in letters if number != 255])


def record_of(letters: bytes, unitary: bytes) -> Record:
    """Return the record of the bytes of its letters and its unitary."""
    return circuit_of(letters), np.frombuffer(unitary, np.complex128, 4).reshape(2, 2)
