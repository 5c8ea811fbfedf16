"""Qorpus: given records, generated records, circuits alone, and nothing stored."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import qorpus
from original import LONGEST
from qorpus.corpus import Corpus, Recipe

from stores.records import BATCH, Batch, Record
from stores.store import Reader, Store


def opened(path: Path) -> "CorpusReader":
    return CorpusReader(qorpus.open(path))


#: Records of an epoch that are permuted at a time: 128 runs from all over the corpus.
WINDOW = 16_384


class CorpusReader(Reader):
    """A corpus: `pairs` are a batch, a stream is an epoch."""

    def __init__(self, corpus: Corpus | Recipe) -> None:
        super().__init__(len(corpus))
        self.corpus = corpus

    def single(self, index: int) -> Record:
        record = self.corpus[index]
        return record.circuit, record.unitary

    def batch(self, ids: np.ndarray | slice) -> Batch:
        return self.corpus.pairs(ids)

    def epoch(self, seed: int, part: int = 0, parts: int = 1) -> Iterator[Batch]:
        return self.streamed(seed, WINDOW)

    def streamed(self, seed: int, window: int | None) -> Iterator[Batch]:
        for batch in self.corpus.stream(BATCH, seed=seed, window=window):
            assert batch.circuits is not None and batch.unitaries is not None
            yield batch.circuits, batch.unitaries


class Appended(Store):
    """A corpus of given records."""

    name = "Qorpus, records of your own"
    settings = (
        "`Writer.extend` by groups of 65,536, durability full; epochs by `corpus.stream`, loaders by `corpus.torch`, whose "
        "workers are threads; both shuffle runs of 128 records, and records in windows of 16,384"
    )
    packages = ("qorpus",)
    # A record gets its id when it is committed.
    ordered = False
    unitaries = True

    def path(self) -> Path:
        return self.directory / "c.db"

    def write_part(self, part: int, parts: int) -> None:
        data = self.data
        with qorpus.Writer(self.path(), ["h", "s", "t"], qubits=1, unitaries=self.unitaries) as writer:
            for group in data.groups(part, parts):
                writer.extend(data.letters[group], data.unitaries[group] if self.unitaries else None)

    def reader(self) -> Callable[[], Reader]:
        return partial(opened, self.path())

    def loader(self, workers: int) -> Any:
        return self.corpus().torch(batch_size=BATCH, seed=1, window=WINDOW, num_workers=workers, longest=LONGEST)

    def corpus(self) -> Corpus | Recipe:
        return qorpus.open(self.path())


class Derived(Appended):
    name = "Qorpus, circuits alone"
    settings = "as records of your own, with `unitaries=False`: unitaries are computed while they are read"
    unitaries = False


class Generated(Appended):
    name = "Qorpus, generated"
    settings = "`qorpus.generate`, durability full: the records are computed while they are written"
    ordered = True

    def write_part(self, part: int, parts: int) -> None:
        qorpus.generate(self.path(), self.data.recipe, progress=False)


class Virtual(Appended):
    name = "Qorpus, nothing stored"
    settings = "`qorpus.Recipe`: circuits and unitaries are computed while they are read"
    missing = {"write": "nothing is written", "write, 2 processes": "nothing is written"}

    def write(self) -> None:
        pass

    def reader(self) -> Callable[[], Reader]:
        return partial(CorpusReader, self.data.recipe)

    def corpus(self) -> Corpus | Recipe:
        return self.data.recipe
