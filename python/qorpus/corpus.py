"""Corpora: sequences of records that are stored."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qorpus import _html
from qorpus._arguments import kind
from qorpus._distinct import Found, Level
from qorpus._qorpus import Records, ordered
from qorpus._ranges import Ranges
from qorpus._subset import Subset
from qorpus.dataset import Readable
from qorpus.errors import WrongType
from qorpus.recipe import Recipe, RecordSequence

if TYPE_CHECKING:
    from qorpus._qorpus import Path


class Corpus(RecordSequence):
    """A sequence of stored records: a file, several read as one, or a directory of shards.

        corpus = qorpus.open("c.db")
        len(corpus); corpus[7]; corpus[-1]; corpus[10:20]; corpus[[3, 1, 2]]
        corpus.unitaries(slice(0, 1000))          # (1000, 2**n, 2**n)
        corpus.circuits([1, 2, 3])                # tuples of letters

    It may be pickled, shared among threads and carried through a fork, and it sees what others
    write. Its length is that of the recipe, or the number of records appended so far; a record that
    is not made yet raises `qorpus.MissingRecord`.
    """

    def __new__(cls, paths: Sequence[Path], order: str = "big") -> Corpus:
        return super().__new__(cls, files=paths, order=order)

    @property
    def recipe(self) -> Recipe:
        """The recipe. It has no records if the corpus is of appended ones."""
        return Recipe.from_json(self._recipe_json, self.order)

    @property
    def paths(self) -> list[str]:
        """The absolute paths of the files; of a sharded corpus the directory or bucket."""
        return self._paths

    @property
    def info(self) -> dict[str, Any]:
        """The facts of `qorpus info --json` without `path`, summed over several files."""
        return self._info()

    def present(self, ranges: Sequence[Sequence[int]] | None = None) -> Present:
        """Return the records that exist now, to read them while others are still made.

            present = corpus.present()
            train = present.split(train=0.9, test=0.1)["train"]
            for batch in train.stream(256, seed=1):
                ...

        Of a directory or bucket these are the records of all published shards, sealed or not, in
        the order of their ids, with places counted from 0. Later records do not change them: ask
        again for more. Splits are those of the corpus: a record is in the split `train` of what is
        present if it is in the split `train` of all records.

        Args:
            ranges: those of an earlier answer, for the same records again: `present.ranges`, or
                `state["present"]` of a stream's state, which then resumes exactly.

        Raises:
            qorpus.MissingRecord: records of the ranges are missing.
            qorpus.WrongType: the ranges are something else.
        """
        return Present(self, self._present_ranges(ranges))

    @property
    def content_hash(self) -> str:
        """The sum of the records' hashes, each of an id, a circuit and a stored unitary."""
        return str(self._summary()["content_hash"])

    @property
    def complete(self) -> bool:
        """Whether every record of the recipe is there; a corpus of appended records always is."""
        return bool(self._summary()["complete"])

    @property
    def levels(self) -> list[Level]:
        """The finished levels, in order, of a corpus that `qorpus.distinct` made."""
        return [Level(cost, length, range(first, first + records)) for cost, length, first, records in self._levels]

    def find(
        self, target: ArrayLike | str | Sequence[str], *, further: bool = True, tolerance: float | None = None
    ) -> Found:
        """Find the shortest circuit of a unitary, or the proof that there is none.

        The corpus must be one that `qorpus.distinct` made.

            corpus.find(numpy.kron(a, b))
            corpus.find("cx 0 1; cx 1 0; cx 0 1").circuit
            corpus.find(noisy, tolerance=0.01).id

        A target whose entries are right to 1e-9 (to 1e-12 if some gate is not over Z[i, 1/sqrt(2)])
        is found or proven absent. The precision of an array follows from its dtype, its digits and
        its distance from unitarity. A less precise one, such as an array of complex64 or of numbers
        rounded to six decimals, is compared with the records within the tolerance that this
        implies: a record that is clearly nearer than all others is found. Otherwise `nearest` and
        `distance` name the nearest one, in time proportional to the number of records, and nothing
        is proven.

        If the corpus is of unitaries up to a global phase, the target's phase does not matter.

        Args:
            target: an array of shape `(2**n, 2**n)`, in the corpus's order of qubits; or a circuit
                of any standard gates, as text or letters.
            further: whether to search circuits up to twice as long as those of the corpus as well,
                put together from two of them.
            tolerance: the largest difference of entries at which the nearest record counts as
                found. With a tolerance nothing is proven.

        Raises:
            qorpus.InvalidArgument: the corpus is another one, or the target is not a finite unitary
                on as many qubits.
        """
        return self.find_many([target], further=further, tolerance=tolerance)[0]

    def find_many(
        self,
        targets: NDArray[Any] | Sequence[ArrayLike | str | Sequence[str]],
        *,
        further: bool = True,
        tolerance: float | None = None,
    ) -> list[Found]:
        """Find many unitaries as `find` does, on all cores, in one pass over the records.

            found = corpus.find_many(unitaries)              # shape (k, 2**n, 2**n)

        Args:
            targets: an array of shape `(k, 2**n, 2**n)`, or a list of targets of `find`.
            further: as for `find`.
            tolerance: as for `find`.

        Raises:
            qorpus.InvalidArgument: as for `find`, of the first invalid target.
        """
        answers = self._find(targets, further, tolerance)
        return [Found(circuit, id, none_up_to, **(more or {})) for circuit, id, none_up_to, more in answers]

    def sample(self, *, distance: int, n: int, seed: int = 0) -> NDArray[np.int64]:
        """Draw distinct unitaries at a distance from the identity, uniformly, each at most once.

            corpus.unitaries(corpus.sample(distance=5, n=256, seed=1))

        Args:
            distance: the length of the shortest circuits; or their cost, if gates have costs.
            n: the number of unitaries.
            seed: the seed of the draw; a seed draws the same ids in every version.

        Raises:
            qorpus.InvalidArgument: there are fewer.
        """
        return self._sample(distance, n, seed)

    def __reduce__(self) -> tuple[Any, ...]:
        return Corpus, (self.paths, self.order)

    def __repr__(self) -> str:
        return f"Corpus({self._where}: {len(self):,} records; {self._recipe_text})"

    @property
    def _where(self) -> str:
        paths = self.paths
        return repr(paths[0]) if len(paths) == 1 else f"{len(paths)} files"

    def _repr_html_(self) -> str:
        info = self.info
        made = "" if info["complete"] else f" of {info['expected']:,} are there"
        facts = [
            ("recipe", self._recipe_text),
            ("records", f"{info['records']:,}{made}"),
            ("size", f"{info['bytes']:,} bytes, {info['bytes_per_record']:.1f} a record"),
            ("content hash", info["content_hash"]),
        ]
        return _html.card(self, f"Corpus {self._where}", facts)


class Present(Subset, Readable):
    """The records of a corpus that existed when `corpus.present()` was called.

    They have the reading interface of a corpus; their places are counted from 0, and `ids` returns
    their ids in the corpus. Later records do not change them: call `corpus.present()` again.
    """

    _noun = "part that was present"

    def __init__(self, corpus: Corpus, ranges: Sequence[Sequence[int]]) -> None:
        self._corpus = corpus
        self._ranges = Ranges([start for start, _ in ranges], [stop for _, stop in ranges])
        # A corpus reads sealed shards only.
        super().__init__(Records(files=corpus.paths, order=corpus.order, unsealed=True), self._ranges)
        self._present = self._ranges

    def __reduce__(self) -> tuple[Any, ...]:
        return Present, (self._corpus, self.ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    @property
    def ranges(self) -> list[list[int]]:
        """Their ids, as pairs of a first id and the one after the last, for `corpus.present`."""
        return self._ranges.pairs

    def _whole(self) -> tuple[Records, Ranges]:
        # Splits are those of the corpus, whatever part of it existed.
        return self._records, self._ranges

    def __repr__(self) -> str:
        return f"Present({len(self):,} of the records of {self._corpus!r})"

    def _repr_html_(self) -> str:
        return _html.card(self, "Present", [("records", f"{len(self):,}"), ("of", repr(self._corpus))])


def open(path: Path | Sequence[Path], order: str = "big") -> Corpus:
    """Open a corpus for reading.

    Args:
        path: a sharded corpus, whose files are opened when they are needed, also
            `s3://bucket/prefix`; or a file, a directory of files, or a list of either, read as one
            sequence. Generated files must be parts of one recipe; files of appended records follow
            one another.
        order: "big": qubit 0 is the most significant bit of a unitary's indices, as in textbooks,
            Cirq and BQSKit. "little": it is the least significant one, as in Qiskit.

    Raises:
        qorpus.MissingFile: there is no such file.
        qorpus.Error: it is not a corpus, is damaged, or the files do not belong together.
    """
    ordered(path, "paths")
    if not isinstance(path, str | os.PathLike) and not hasattr(path, "__iter__"):
        raise WrongType(f"a corpus is opened by its path, or a list of paths, not {kind(path)}")
    return Corpus([path] if isinstance(path, str | os.PathLike) else path, order)
