"""Two .npy files, mapped."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from original import LONGEST

from stores.records import Batch, Record, circuit_of
from stores.store import Reader, Store


class MappedReader(Reader):
    def __init__(self, directory: Path) -> None:
        self.letters = np.load(directory / "letters.npy", mmap_mode="r")
        self.unitaries = np.load(directory / "unitaries.npy", mmap_mode="r")
        super().__init__(len(self.unitaries))

    def single(self, index: int) -> Record:
        return circuit_of(self.letters[index].tobytes()), np.array(self.unitaries[index])

    def batch(self, ids: np.ndarray | slice) -> Batch:
        return np.array(self.letters[ids]), np.array(self.unitaries[ids])


class Npy(Store):
    name = "two .npy, mapped"
    settings = "np.save, then np.load with mmap_mode; two processes fill halves of open_memmap; no checks, no appending"
    packages = ("numpy",)

    def write(self) -> None:
        np.save(self.directory / "letters.npy", self.data.letters)
        np.save(self.directory / "unitaries.npy", self.data.unitaries)
        self.sync()

    def begin(self) -> None:
        shapes = {"letters": ((len(self.data), LONGEST), np.int8), "unitaries": ((len(self.data), 2, 2), np.complex128)}
        for name, (shape, kind) in shapes.items():
            np.lib.format.open_memmap(self.directory / f"{name}.npy", "w+", kind, shape)

    def write_part(self, part: int, parts: int) -> None:
        for name, array in [("letters", self.data.letters), ("unitaries", self.data.unitaries)]:
            mapped = np.load(self.directory / f"{name}.npy", mmap_mode="r+")
            for group in self.data.groups(part, parts):
                mapped[group] = array[group]
            mapped.flush()
        self.sync()

    def reader(self) -> Callable[[], Reader]:
        return partial(MappedReader, self.directory)
