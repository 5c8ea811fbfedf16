"""Programs that processes of the writer's tests run, and what the records they write must be.

Record `number` of `process` is a pure function of the two, computed by single real operations only,
so that every process computes the same bits, whether for one record or for many.
"""

import os
import random
from pathlib import Path

import numpy as np
import qorpus

#: Gates by name only: the library has no matrices to hold these unitaries against.
GATES = ["one", "two", "three"]
LETTERS = ("one 0", "two 0", "three 0")


def unitaries(process: int, numbers) -> np.ndarray:
    """The unitaries of records: a rotation by rational cosines, with rational phases."""
    x = np.asarray(numbers, dtype=np.int64) * 7919 + process * 104729
    cosine, sine = _on_circle(1 + x % 997, 1 + x % 1009)
    re, im = _on_circle(1 + x % 1013, 1 + x % 991)
    out = np.zeros((*x.shape, 2, 2), dtype=np.complex128)
    for (row, column), value in {(0, 0): cosine, (0, 1): -sine, (1, 0): sine, (1, 1): cosine}.items():
        out[..., row, column].real = value * re if row else value
        out[..., row, column].imag = value * im if row else 0.0
    return out


def _on_circle(m, n):
    m, n = m.astype(np.float64), n.astype(np.float64)
    return (m * m - n * n) / (m * m + n * n), 2.0 * m * n / (m * m + n * n)


def numbers_of_letters(process: int, number: int) -> list[int]:
    """The circuit of a record, never the empty one, whose unitary is known."""
    x = number * 2654435761 + process
    return [x // 3**place % 3 for place in range(1 + x % 8)]


def circuit(process: int, number: int) -> tuple[str, ...]:
    """Return the circuit of a record in letters."""
    return tuple(LETTERS[letter] for letter in numbers_of_letters(process, number))


def padded(process: int, numbers) -> np.ndarray:
    """Circuits as one array."""
    x = np.asarray(numbers, dtype=np.int64)[:, None] * 2654435761 + process
    places = np.arange(8)
    return np.where(places <= x % 8, x // 3**places % 3, -1).astype(np.int32)


class Ledger:
    """The records that a process was told are durable, in a file of its own: a bound below which
    all its numbers are."""

    def __init__(self, directory, process: int):
        self.file = open(Path(directory) / f"{process}.ledger", "a")  # noqa: SIM115

    def write(self, bound: int):
        self.file.write(f"{bound}\n")
        self.file.flush()
        os.fsync(self.file.fileno())


def bounds(directory) -> dict[int, int]:
    """Return the bounds of the ledgers, without the unfinished line of a killed process."""
    found = {}
    for path in Path(directory).glob("*.ledger"):
        lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        found[int(path.stem)] = int(lines[-1]) if lines else 0
    return found


def fill(path, directory, process: int, count: int, batch: int):
    """Appends records in every way there is, flushing now and then."""
    chance = random.Random(process)
    ledger = Ledger(directory, process)
    with qorpus.Writer(path, gates=GATES, qubits=1) as writer:
        number = 0
        while number < count:
            numbers = range(number, min(count, number + chance.randrange(1, batch)))
            add(writer, chance.randrange(3), process, numbers)
            number = numbers.stop
            if chance.randrange(4) == 0:
                assert writer.flush() == number
                ledger.write(number)
    ledger.write(count)


def add(writer, way: int, process: int, numbers: range):
    """Adds these records, as arrays, as lists, or one by one."""
    given = unitaries(process, numbers)
    if way == 0:
        labels = {"process": np.full(len(numbers), process), "number": np.arange(numbers.start, numbers.stop)}
        writer.extend(padded(process, numbers), given, **labels)
    elif way == 1:
        texts = ["; ".join(circuit(process, number)) for number in numbers]
        writer.extend(texts, given, process=[process] * len(numbers), number=list(numbers))
    else:
        for number, unitary in zip(numbers, given):
            writer.append(numbers_of_letters(process, number), unitary, process=process, number=number)


# A worker of a pool keeps one writer for all its tasks.
kept = None


def open_one(path):
    global kept
    kept = qorpus.Writer(path, gates=GATES, qubits=1)


def task(process: int) -> int:
    """Appends a hundred records and does not flush."""
    add(kept, process % 3, process, range(100))
    return process


def flushed_task(process: int) -> int:
    task(process)
    kept.flush()
    return process


def whole_task(path, process: int, count: int = 100):
    """Opens a writer, appends, and leaves it to be dropped."""
    writer = qorpus.Writer(path, gates=GATES, qubits=1)
    add(writer, process % 3, process, range(count))


def every_second(path, letters: list[str], start: int):
    """Appends every second of 1000 records, each of two of four letters."""
    with qorpus.Writer(path, letters=letters) as writer:
        for number in range(start, 1000, 2):
            writer.append([letters[number % 4], letters[number // 4 % 4]], number=number)


def use_inherited(writer, results):
    """Use the parent's writer in the child of a fork, and send the errors."""
    said = {}
    for name, use in {
        "append": lambda: writer.append("one"),
        "extend": lambda: writer.extend(["one", "two"]),
        "flush": writer.flush,
    }.items():
        try:
            use()
            said[name] = "no error"
        except qorpus.Error as error:
            said[name] = str(error)
    writer.close()
    results.put(said)
