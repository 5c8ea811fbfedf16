"""Corpora: sequences of stored records."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qorpus import _html, _qorpus
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
    """A sequence of stored records: of one file, of several files, or of a directory of shards.

    `qorpus.open`, `qorpus.generate` and `qorpus.distinct` return one. A corpus can be pickled,
    shared among threads and carried through a fork, and it sees records that other processes add.
    Its length is the number of records of the recipe, or the number appended so far. Reading a
    record that is not made yet raises `qorpus.MissingRecord`.

    Args:
        paths: paths as `qorpus.open` accepts them, in a list.
        order: "big" or "little", as for `qorpus.open`.

    Examples:
        >>> corpus = qorpus.generate("demo.db", gates="clifford+t", qubits=2, random=10_000)
        >>> len(corpus), corpus[7].id, corpus[-1].id, len(corpus[10:20])
        (10000, 7, 9999, 10)
        >>> corpus.unitaries([3, 1, 2]).shape
        (3, 4, 4)
    """

    def __new__(cls, paths: Sequence[Path], order: str = "big") -> Corpus:
        return super().__new__(cls, files=paths, order=order)

    @property
    def recipe(self) -> Recipe:
        """The recipe. If the records were appended, it has no records of its own."""
        return Recipe.from_json(self._recipe_json, self.order)

    @property
    def paths(self) -> list[str]:
        """The absolute paths of the files; for a sharded corpus the directory or bucket."""
        return _qorpus.paths(self)

    @property
    def info(self) -> dict[str, Any]:
        """The facts of `qorpus info --json` without `path`; several files are summed."""
        return _qorpus.info(self)

    def present(self, ranges: Sequence[Sequence[int]] | None = None) -> Present:
        """Return the records that exist now, so that you can read a corpus while it is being made.

        In a directory or bucket these are the records of all published shards, sealed or not, in
        the order of their ids. Records that come later do not change the result; call `present`
        again to include them. Splits agree with those of the corpus: a record is in the split
        `train` of the result if it is in the split `train` of the corpus.

        Args:
            ranges: ranges of ids, to get the same records as before: `present.ranges`, or
                `state["present"]` of a stream's state, from which the stream resumes exactly. By
                default all records that exist.

        Returns:
            The records, with places counted from 0.

        Raises:
            qorpus.MissingRecord: records of the ranges do not exist.
            qorpus.WrongType: `ranges` are not pairs of ids.

        Examples:
            >>> corpus = qorpus.generate("half.db", random=10_000, part="0/2")
            >>> present = corpus.present()
            >>> len(corpus), len(present) < len(corpus)
            (10000, True)
            >>> train = present.split(train=0.9, test=0.1)["train"]
        """
        return Present(self, _qorpus.present_ranges(self, ranges))

    @property
    def content_hash(self) -> str:
        """The sum of the records' hashes: of id, circuit and stored unitary."""
        return str(_qorpus.summary(self)["content_hash"])

    @property
    def complete(self) -> bool:
        """Whether every record of the recipe exists; always true if records were appended."""
        return bool(_qorpus.summary(self)["complete"])

    @property
    def levels(self) -> list[Level]:
        """The finished levels of an enumeration by `qorpus.distinct`, in order."""
        return [Level(cost, length, range(first, first + records)) for cost, length, first, records in _qorpus.levels(self)]

    @property
    def is_group(self) -> bool:
        """Whether an enumeration has every unitary that its gates can make, however long the
        circuits: they form a finite group. False for other corpora.

        Examples:
            >>> qorpus.distinct("cliffords.db", gates="h,s,cx", qubits=2, max_length=9, up_to="pauli").is_group
            True
        """
        return _qorpus.is_group(self)

    def find(
        self, target: ArrayLike | str | Sequence[str] | Any, *, further: bool = True, tolerance: float | None = None
    ) -> Found:
        """Find the shortest circuit of a unitary, or a proof that there is none.

        The corpus must come from `qorpus.distinct`. If it identifies unitaries up to a global
        phase, the target's phase does not matter.

        A target whose entries are right to 1e-9 (to 1e-12 if some gate is not over Z[i, 1/sqrt(2)])
        is found or proven absent. The precision of an array follows from its dtype, its digits and
        its distance from unitarity. A less precise array, such as complex64 or numbers rounded to
        six decimals, is compared with the records within the tolerance that its precision implies.
        It is found if one record is clearly nearer than all others. Otherwise nothing is proven,
        and `nearest` and `distance` describe the nearest record; this takes time proportional to
        the number of records.

        Args:
            target: an array of shape (d, d) for d = 2**qubits, in the corpus's order of qubits; a
                circuit of any standard gates, as a string or letters; or a circuit, a `Clifford`, a
                `LinearFunction` or a `PermutationGate` of Qiskit. Where the corpus compares
                tableaus (`up_to="pauli"`, or gates such as cx and swap alone) also a bool array of
                shape (2n, 2n + 1), a tableau with signs; (2n, 2n), one without; or (n, n), a linear
                function A, which maps a basis vector x to A x; or n integers, in an array, a list or
                a tuple: a permutation, which moves qubit p[k] to place k.
            further: whether to search circuits up to twice as long as those in the corpus as well,
                by joining two of them.
            tolerance: the largest difference of entries at which the nearest record counts as
                found. Nothing is proven then. By default the target's precision decides.

        Returns:
            A `Found` with circuit, id, and the length up to which absence is proven.

        Raises:
            qorpus.InvalidArgument: the corpus is not an enumeration, or the target is not a finite
                unitary on the corpus's qubits.
            qorpus.WrongType: the target is neither an array of numbers nor a circuit.

        Examples:
            >>> every = qorpus.distinct("two.db", gates="h,t,tdg,cx", qubits=2, max_length=3)
            >>> every.find("cx 0 1; cx 1 0; cx 0 1").circuit
            ('cx 0 1', 'cx 1 0', 'cx 0 1')
            >>> every.find(np.kron([[0, 1], [1, 0]], np.eye(2))).circuit
            ('h 0', 't 0', 't 0', 't 0', 't 0', 'h 0')
            >>> noisy = every[5].unitary + 1e-4
            >>> every.find(noisy, tolerance=0.01).id
            5
        """
        return self.find_many([target], further=further, tolerance=tolerance)[0]

    def find_many(
        self,
        targets: NDArray[Any] | Sequence[Any],
        *,
        further: bool = True,
        tolerance: float | None = None,
    ) -> list[Found]:
        """Find many unitaries as `find` does, on all cores and in one pass over the records.

        The first 5 ms of the search have one core: few targets take less time than more cores need
        to open the file.

        Args:
            targets: an array of shape (k, d, d), or a list of targets of `find`.
            further: as for `find`.
            tolerance: as for `find`.

        Returns:
            A list of k answers.

        Raises:
            qorpus.InvalidArgument: as for `find`, for the first invalid target.
            qorpus.WrongType: as for `find`.

        Examples:
            >>> every = qorpus.distinct("two.db", gates="h,t,tdg,cx", qubits=2, max_length=3)
            >>> found = every.find_many(every.unitaries(slice(0, 100)))
            >>> [answer.id for answer in found] == list(range(100))
            True
        """
        answers = _qorpus.find(self, _targets(targets, self._has_tableaus), further, tolerance)
        return [Found(circuit, id, none_up_to, **(more or {})) for circuit, id, none_up_to, more in answers]

    def sample(self, *, distance: int, n: int, seed: int = 0) -> NDArray[np.int64]:
        """Draw distinct unitaries at a distance from the identity, uniformly.

        Args:
            distance: the length of the shortest circuits; or their cost, if gates have costs.
            n: the number of unitaries, each drawn at most once.
            seed: the seed of the draw. A seed draws the same ids in every version.

        Returns:
            An int64 array of n ids.

        Raises:
            qorpus.InvalidArgument: the level has fewer than n records.

        Examples:
            >>> every = qorpus.distinct("two.db", gates="h,t,tdg,cx", qubits=2, max_length=3)
            >>> ids = every.sample(distance=3, n=16, seed=1)
            >>> {len(circuit) for circuit in every.circuits(ids)}
            {3}
        """
        return _qorpus.sample(self, distance, n, seed)

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
        of = "" if info["expected"] is None else f" of {info['expected']:,}"
        made = "" if info["complete"] else f"{of or ' so far'}"
        facts = [
            ("recipe", self._recipe_text),
            ("records", f"{info['records']:,}{made}"),
            ("size", f"{info['bytes']:,} bytes, {info['bytes_per_record']:.1f} a record"),
            ("content hash", info["content_hash"]),
        ]
        return _html.card(self, f"Corpus {self._where}", facts)


class Present(Subset, Readable):
    """The records of a corpus that existed when `corpus.present()` was called.

    They have the reading interface of a corpus. Places are counted from 0, and `ids` returns the
    ids in the corpus. Records that come later do not change them; call `corpus.present()` again.

    Examples:
        >>> corpus = qorpus.generate("half.db", random=10_000, part="1/2")
        >>> present = corpus.present()
        >>> present.ids([0]).tolist() == [present[0].id] == present.ranges[0][:1]
        True
    """

    _noun = "part that was present"

    def __init__(self, corpus: Corpus, ranges: Sequence[Sequence[int]]) -> None:
        self._corpus = corpus
        self._ranges = Ranges([start for start, _ in ranges], [stop for _, stop in ranges])
        # A corpus reads only sealed shards.
        super().__init__(Records(files=corpus.paths, order=corpus.order, unsealed=True), self._ranges)
        self._present = self._ranges

    def __reduce__(self) -> tuple[Any, ...]:
        return Present, (self._corpus, self.ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    @property
    def ranges(self) -> list[list[int]]:
        """The ids as pairs [first, last + 1], for `corpus.present`."""
        return self._ranges.pairs

    def _whole(self) -> tuple[Records, Ranges]:
        # Splits are those of the whole corpus.
        return self._records, self._ranges

    def __repr__(self) -> str:
        return f"Present({len(self):,} of the records of {self._corpus!r})"

    def _repr_html_(self) -> str:
        return _html.card(self, "Present", [("records", f"{len(self):,}"), ("of", repr(self._corpus))])


def _targets(targets: Any, has_tableaus: bool) -> Any:
    """Return targets with arrays or letters in place of objects of Qiskit."""
    if "qiskit" not in sys.modules or not isinstance(targets, list | tuple):
        return targets
    from qorpus.interop.qiskit import target_of

    return [target_of(target, has_tableaus) for target in targets]


def open(path: Path | Sequence[Path], order: str = "big") -> Corpus:
    """Open a corpus for reading.

    Args:
        path: a file; a directory of files or a list of paths, read as one sequence; or a sharded
            corpus, a directory or `s3://bucket/prefix`, whose files are opened on demand. Several
            files of generated records must be parts of one recipe; files of appended records follow
            one another.
        order: the order of qubits in unitaries. "big": qubit 0 is the most significant bit of the
            indices, as in textbooks, Cirq and BQSKit. "little": it is the least significant bit, as
            in Qiskit.

    Returns:
        The corpus.

    Raises:
        qorpus.MissingFile: the file does not exist.
        qorpus.Error: the file is not a corpus or is damaged, or the files do not belong together.

    Examples:
        >>> with qorpus.Writer("mine.db", gates=["h", "t"], qubits=1) as writer:
        ...     writer.append("h; t")
        >>> qorpus.open("mine.db")[0].circuit
        ('h 0', 't 0')
        >>> len(qorpus.open(["mine.db", "mine.db"]))
        2
    """
    ordered(path, "paths")
    if not isinstance(path, str | os.PathLike) and not hasattr(path, "__iter__"):
        raise WrongType(f"path must be a path or a list of paths, not {kind(path)}")
    return Corpus([path] if isinstance(path, str | os.PathLike) else path, order)
