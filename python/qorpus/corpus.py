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

    It may be pickled, shared among threads and carried through a fork, and it follows what others
    write to it. Its length is that of the recipe, or what was appended so far; a record that is not
    made yet raises `qorpus.MissingRecord`.
    """

    def __new__(cls, paths: Sequence[Path], order: str = "big") -> Corpus:
        return super().__new__(cls, files=paths, order=order)

    @property
    def recipe(self) -> Recipe:
        """The recipe. That of appended records has no records itself."""
        return Recipe.from_json(self._recipe_json, self.order)

    @property
    def paths(self) -> list[str]:
        """The files, absolute; of a sharded corpus the directory or bucket."""
        return self._paths

    @property
    def info(self) -> dict[str, Any]:
        """The facts that `qorpus info --json` prints, without `path`; sums, of several files."""
        return self._info()

    def present(self, ranges: Sequence[Sequence[int]] | None = None) -> Present:
        """Return the records that are there now, to read them while others are still made.

            present = corpus.present()
            train = present.split(train=0.9, test=0.1)["train"]
            for batch in train.stream(256, seed=1):
                ...

        Of a directory or bucket these are the records of all shards that are published, sealed or
        not. What comes later does not change them: so long as a stream lives, its order is of these
        records; ask again for more. Splits are those of the corpus: a record is in the split
        `train` of what is present if it is in the split `train` of all records.

        Args:
            ranges: those of an earlier answer, for the same records again: `present.ranges`, or `state["present"]` of a
                stream's state, which goes on exactly, whatever has come since.

        Returns:
            The records, in the order of their ids, with their places counted from 0.

        Raises:
            qorpus.MissingRecord: some of the ranges are not there.
            qorpus.WrongType: the ranges are something else.
        """
        return Present(self, self._present_ranges(ranges))

    @property
    def content_hash(self) -> str:
        """The sum of the records' hashes. It depends on ids, circuits and stored unitaries
        alone."""
        return str(self._summary()["content_hash"])

    @property
    def complete(self) -> bool:
        """Whether every record of the recipe is there; a corpus that people append to always is."""
        return bool(self._summary()["complete"])

    @property
    def levels(self) -> list[Level]:
        """The finished levels of a corpus that `qorpus.distinct` made, in order; others have
        none."""
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
        is found or proven absent. How precise an array is, its dtype, its digits and its distance
        from unitarity say. Of a less precise one, such as an array of complex64 or of numbers
        rounded to six decimals, the records are compared within the tolerance that this implies:
        one that is clearly nearer than all others is found; otherwise `nearest` and `distance` say
        which comes nearest, in time proportional to the number of records, and nothing is proven.

        If the corpus is of unitaries up to a global phase, the target's phase does not matter.

        Args:
            target: an array of shape `(2**n, 2**n)`, in the corpus's order of qubits; or a circuit of any standard gates, as
                text or letters.
            further: whether circuits up to twice as long as those of the corpus are looked for as well, put together from
                two of them.
            tolerance: the largest difference of entries of the nearest record that is taken; never proves anything.

        Raises:
            qorpus.InvalidArgument: the corpus is another one, or the target is not a finite unitary on as many qubits.
        """
        return self.find_many([target], further=further, tolerance=tolerance)[0]

    def find_many(
        self,
        targets: NDArray[Any] | Sequence[ArrayLike | str | Sequence[str]],
        *,
        further: bool = True,
        tolerance: float | None = None,
    ) -> list[Found]:
        """Look for many unitaries as `find` does, on all cores, in one pass over the records.

            found = corpus.find_many(unitaries)              # shape (k, 2**n, 2**n)

        Args:
            targets: an array of shape `(k, 2**n, 2**n)`, or a list of what `find` takes.
            further: as for `find`.
            tolerance: as for `find`.

        Returns:
            What is known of each, in order.

        Raises:
            qorpus.InvalidArgument: as `find`, for the first target that cannot be.
        """
        answers = self._find(targets, further, tolerance)
        return [Found(circuit, id, none_up_to, **(more or {})) for circuit, id, none_up_to, more in answers]

    def sample(self, *, distance: int, n: int, seed: int = 0) -> NDArray[np.int64]:
        """Draw distinct unitaries at a distance from the identity, uniformly, each at most once.

            corpus.unitaries(corpus.sample(distance=5, n=256, seed=1))

        Args:
            distance: the length of the shortest circuits; or what they cost, if gates have costs.
            n: how many.
            seed: what decides the draw; the same seed draws the same for ever.

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
    """The records that were there of a corpus when it was asked: `corpus.present()`.

    They have the reading interface of a corpus; their places are counted from 0, and `ids` tells
    which records of the corpus they are. What comes later does not change them: it is in what
    `corpus.present()` returns then.
    """

    _noun = "part that was present"

    def __init__(self, corpus: Corpus, ranges: Sequence[Sequence[int]]) -> None:
        # A corpus reads what is sealed.
        super().__init__(Records(files=corpus.paths, order=corpus.order, unsealed=True))
        self._corpus = corpus
        self._ranges = self._present = Ranges([start for start, _ in ranges], [stop for _, stop in ranges])

    def __reduce__(self) -> tuple[Any, ...]:
        return Present, (self._corpus, self.ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    @property
    def ranges(self) -> list[list[int]]:
        """Their ids, as pairs of a first id and the one behind the last. `corpus.present` takes
        them."""
        return self._ranges.pairs

    def _chosen(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._ranges.at(places)

    def _contains(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self._ranges.contains(ids)

    def _whole(self) -> tuple[Records, Ranges]:
        # Splits are those of the corpus, whatever was there of it.
        return self._records, self._ranges

    def __repr__(self) -> str:
        return f"Present({len(self):,} of the records of {self._corpus!r})"


def open(path: Path | Sequence[Path], order: str = "big") -> Corpus:
    """Open a corpus for reading.

    Args:
        path: a sharded corpus, whose files are opened when they are needed, also `s3://bucket/prefix`; or a file, a directory of files, or a list of
            either, read as one sequence. Generated files must be parts of one recipe; files to which records were appended
            follow one another.
        order: "big": qubit 0 is the most significant bit of a unitary's indices, as in textbooks, Cirq and BQSKit.
            "little": it is the least significant one, as in Qiskit.

    Raises:
        qorpus.MissingFile: there is no such file.
        qorpus.Error: it is not a corpus, is damaged, or the files do not belong together.
    """
    ordered(path, "paths")
    if not isinstance(path, str | os.PathLike) and not hasattr(path, "__iter__"):
        raise WrongType(f"a corpus is opened by its path, or a list of paths, not {kind(path)}")
    return Corpus([path] if isinstance(path, str | os.PathLike) else path, order)


__all__ = ["Corpus", "Present", "open"]
