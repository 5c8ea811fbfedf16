"""Corpora and recipes: sequences of records that are stored, or computed while they are read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from qorpus import _qorpus
from qorpus._qorpus import Record, Records
from qorpus.arguments import integer, kind, ordered
from qorpus.levels import Found, Level
from qorpus.errors import InvalidArgument, MissingRecord, WrongType
from qorpus.present import Present
from qorpus.sql import Rows
from qorpus.streams import Readable, ahead

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from qorpus._qorpus import Gates, Ids, Path

    class RecipeOptions(TypedDict, total=False):
        """The options of `Recipe`."""

        gates: Gates
        qubits: int
        coupling: str
        words: bool
        random: int | str
        seed: int
        length: tuple[int, int] | int | str
        dtype: DTypeLike
        unitaries: bool
        order: str


#: More than any id, for places counted from the end.
LARGEST = 1 << 64


class _Sequence(Records, Readable):
    """What a corpus and a recipe have in common."""

    def __iter__(self) -> Iterator[Record]:
        """The records in order; of a corpus that grows also those that come meanwhile."""
        start, count = 0, ahead(self)
        while ids := range(start, min(len(self), start + count)):
            yield from self.__getitems__(ids)
            start = ids.stop

    def __reversed__(self) -> Iterator[Record]:
        count = ahead(self)
        for stop in range(len(self), 0, -count):
            yield from reversed(self.__getitems__(range(max(0, stop - count), stop)))

    def pairs(self, ids: Ids) -> tuple[NDArray[np.int32], NDArray[Any]]:
        """The circuits and unitaries of some records, as `letters_array` and `unitaries` give them, read in one go.

            letters, unitaries = corpus.pairs(slice(0, 1024))

        Args:
            ids: a slice, or integers in one dimension, in any order, also repeated; negative ones count from the end.

        Returns:
            Both arrays. Where unitaries are computed on reading, this takes half as long as to ask for each.

        Raises:
            IndexError: there is no such record.
        """
        unitaries, letters = self._pairs(ids)
        return letters, unitaries

    def __contains__(self, record: object) -> bool:
        try:
            return isinstance(record, Record) and self[record.id] == record
        except MissingRecord:
            return False

    def index(self, record: object, start: int = 0, stop: int | None = None) -> int:
        """The id of a record that is in the sequence.

        Raises:
            qorpus.InvalidArgument: it is not, or not between `start` and `stop`.
        """
        if not isinstance(record, Record) or record not in self:
            raise InvalidArgument("the record is not in the sequence")
        begin = integer(start, "start", least=-LARGEST)
        end = None if stop is None else integer(stop, "stop", least=-LARGEST)
        if record.id not in range(*slice(begin, end).indices(len(self))):
            raise InvalidArgument(f"record {record.id} is not between start and stop")
        return record.id

    def count(self, record: object) -> int:
        """1 if the record is in the sequence, or 0: every id occurs once."""
        return int(record in self)

    def sql(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Rows:
        """Runs one SELECT over the table `records`, with a row for each record.

        Columns: `id`, `circuit` (letters joined by "; "), `length`, `unitary` (row-major bytes of the corpus's dtype),
        `count_GATE` for each gate, and one for each label. Functions: `fidelity(a, b)` = |tr(A†B)|²/d² and
        `distance(a, b)` = sqrt(1 - |tr(A†B)|/d), which does not see a global phase, of two unitaries. Only what a query
        looks at is read or computed.

            corpus.sql("select id, circuit from records where length = 5 and count_t = 1 limit 5")
            corpus.sql("select id from records order by distance(unitary, ?) limit 1", [target])
            corpus.sql("select id from records where length < :most", {"most": 5})

        Args:
            query: the SELECT.
            parameters: a list of values for its "?", in order, or a mapping from names to values for ":name", "@name" or
                "$name": None, numbers, texts, bytes, or arrays, which stand for unitaries. An array in one dimension
                is such a list.

        Returns:
            The rows; `.columns` names the columns, `.to_arrow()` makes a `pyarrow.Table` of them.

        Raises:
            qorpus.InvalidArgument: it is not a single SELECT, or a parameter has no value, or a value no parameter.
            qorpus.WrongType: parameters that are something else, such as a text or a set.
            qorpus.Error: it failed.
        """
        return Rows(*self._select(query, parameters))


Sequence.register(_Sequence)


class Recipe(_Sequence):
    """What decides records, and the records themselves, computed while they are read; nothing is stored.

        r = qorpus.Recipe(gates="h,t,cx", qubits=2, words=True, length=(0, 10))
        len(r); r[123]; r.unitaries([1, 2, 3])

    What is left out has the default of the command line. Random circuits and words repeat unitaries: several records may
    have the same one, up to a global phase. A corpus that `qorpus.distinct` made has each once.

    Args:
        gates: a preset ("clifford", "clifford+t", "ht", "nam", "ibm", "rigetti"), a gate file ("my.toml"), gates
            separated by commas, names, pairs of a name and a matrix, or a mapping from names to matrices or None.
        qubits: 1 to 8.
        coupling: "all", "line", "ring", or pairs such as "0-1,1-2".
        words: every word of these lengths instead of random circuits.
        random: how many random circuits; a number, or a text such as "1M".
        seed: what decides the random circuits.
        length: (shortest, longest) in letters, both included; a number; or a text such as "5..15".
        dtype: "complex128" or "complex64".
        unitaries: whether a corpus of the recipe stores unitaries, or computes them on reading.
        order: "big" (qubit 0 is the most significant bit) or "little" (Qiskit's order) of the unitaries that are read.

    Raises:
        qorpus.InvalidArgument: an option that cannot be.
    """

    def __new__(
        cls,
        gates: Gates | None = None,
        qubits: int | None = None,
        *,
        coupling: str | None = None,
        words: bool | None = None,
        random: int | str | None = None,
        seed: int | None = None,
        length: tuple[int, int] | int | str | None = None,
        dtype: DTypeLike | None = None,
        unitaries: bool | None = None,
        order: str = "big",
    ) -> Recipe:
        text = _qorpus.recipe(
            gates=gates,
            qubits=qubits,
            coupling=coupling,
            words=words,
            random=random,
            seed=seed,
            length=length,
            dtype=dtype,
            unitaries=unitaries,
        )
        return cls.from_json(text, order)

    @classmethod
    def from_json(cls, text: str, order: str = "big") -> Recipe:
        """The recipe that `json` gave."""
        return super().__new__(cls, recipe=text, order=order)

    @property
    def json(self) -> str:
        """The recipe as one line of JSON: what is stored and hashed."""
        return self._recipe_json

    @property
    def hash(self) -> str:
        """SHA-256 of the recipe, in hexadecimal: the identity of its corpora."""
        return self._recipe_hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and (self.json, self.order) == (other.json, other.order)

    def __hash__(self) -> int:
        return hash(self.json)

    def __reduce__(self) -> tuple[Any, ...]:
        return _recipe, (self.json, self.order)

    def __repr__(self) -> str:
        return f"Recipe({self._recipe_text})"

    def _repr_html_(self) -> str:
        from qorpus import html

        records = "appended" if self.is_appended else f"{len(self):,}"
        return html.card(self, "Recipe", [("recipe", self._recipe_text), ("records", records)])


class Corpus(_Sequence):
    """A sequence of stored records: a file, several read as one, or a directory of shards.

        corpus = qorpus.open("c.db")
        len(corpus); corpus[7]; corpus[-1]; corpus[10:20]; corpus[[3, 1, 2]]
        corpus.unitaries(slice(0, 1000))          # (1000, 2**n, 2**n)
        corpus.circuits([1, 2, 3])                # tuples of letters

    It may be pickled, shared among threads and carried through a fork, and it follows what others write to it. Its
    length is that of the recipe, or what was appended so far; a record that is not made yet raises
    `qorpus.MissingRecord`.
    """

    def __new__(cls, paths: Sequence[Path], order: str = "big") -> Corpus:
        return super().__new__(cls, files=paths, order=order)

    @property
    def recipe(self) -> Recipe:
        """What decides the records; of appended ones what they have in common, and then it has no records itself."""
        return Recipe.from_json(self._recipe_json, self.order)

    @property
    def paths(self) -> list[str]:
        """The files, absolute; of a sharded corpus the directory or bucket."""
        return self._paths

    @property
    def info(self) -> dict[str, Any]:
        """What `qorpus info --json` says, but for `paths`; of several files their sums."""
        summary = self._summary()
        return {
            **summary,
            "unsealed": self._unsealed(),
            "qubits": self.qubits,
            "gates": list(self.gates),
            "alphabet": list(self.letters),
            "recipe": json.loads(self._recipe_json),
            "bytes_per_record": summary["bytes"] / max(summary["records"], 1),
        }

    def present(self, ranges: Sequence[Sequence[int]] | None = None) -> Present:
        """The records that are there at this moment, to be read, split and streamed while others are still made.

            present = corpus.present()
            train = present.split(train=0.9, test=0.1)["train"]
            for batch in train.stream(256, seed=1):
                ...

        Of a directory or bucket these are the records of all shards that are published, sealed or not. What comes later
        does not change them: so long as a stream lives, its order is of these records; ask again for more. Splits are those
        of the corpus: a record is in the split `train` of what is present if it is in the split `train` of all records.

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
        """The sum of the records' hashes: depends on ids, circuits and stored unitaries alone."""
        return str(self._summary()["content_hash"])

    @property
    def complete(self) -> bool:
        """Whether every record of the recipe is there; a corpus that people append to always is."""
        return bool(self._summary()["complete"])

    @property
    def levels(self) -> list[Level]:
        """The finished levels of a corpus that `qorpus.distinct` made, in order; none of another corpus."""
        return [Level(cost, length, range(first, first + records)) for cost, length, first, records in self._levels]

    def find(
        self, target: ArrayLike | str | Sequence[str], *, further: bool = True, tolerance: float | None = None
    ) -> Found:
        """The shortest circuit of a unitary in a corpus that `qorpus.distinct` made, or the proof that there is none.

            corpus.find(numpy.kron(a, b))
            corpus.find("cx 0 1; cx 1 0; cx 0 1").circuit
            corpus.find(noisy, tolerance=0.01).id

        A target whose entries are right to 1e-9 (to 1e-12 if some gate is not over Z[i, 1/sqrt(2)]) is found or proven
        absent. How precise an array is, its dtype, its digits and its distance from unitarity say. Of a less precise one,
        such as an array of complex64 or of numbers rounded to six decimals, the records are compared within the tolerance
        that this implies: one that is clearly nearer than all others is found; otherwise `nearest` and `distance` say which
        comes nearest, in time proportional to the number of records, and nothing is proven.

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
        """Looks for many unitaries as `find` does, on all cores, and goes through the records at most once.

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
        """Ids of distinct unitaries at a distance from the identity, drawn uniformly and without repetition.

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
        from qorpus import html

        info = self.info
        made = "" if info["complete"] else f" of {info['expected']:,} are there"
        facts = [
            ("recipe", self._recipe_text),
            ("records", f"{info['records']:,}{made}"),
            ("size", f"{info['bytes']:,} bytes, {info['bytes_per_record']:.1f} a record"),
            ("content hash", info["content_hash"]),
        ]
        return html.card(self, f"Corpus {self._where}", facts)


def open(path: Path | Sequence[Path], order: str = "big") -> Corpus:
    """Opens a corpus for reading.

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


def generate(
    path: Path,
    recipe: Recipe | None = None,
    *,
    jobs: int | None = None,
    part: tuple[int, int] | str | None = None,
    durability: str | None = None,
    shard: int | str | None = None,
    stage: Path | None = None,
    force: bool = False,
    progress: bool | Callable[[int, int], object] = True,
    **options: Unpack[RecipeOptions],
) -> Corpus:
    """Makes the records of a recipe that a file lacks, on all cores, and opens it.

    Any number of processes may do so on one file at once: they share the work. Interrupted, it keeps what is
    committed, and called again it goes on.

        corpus = qorpus.generate("c.db", gates="clifford+t", qubits=2, random="10M", length=(5, 15), seed=0)

    A path that ends in a slash, or is a directory, is a sharded corpus: a directory of files of some hundred megabytes, which
    machines can make together. A call without `part` seals it at its end.

        qorpus.generate("big/", gates="hst", qubits=1, random="10G", unitaries=False)

    `s3://bucket/prefix` is the same in an object store, which the variables `AWS_*` of the environment describe.

    Args:
        path: the file or directory, created if need be; or a prefix of a bucket.
        recipe: the recipe; or leave it out and give its options, those of `Recipe`.
        jobs: worker threads; one a core.
        part: (i, n) or "i/n": only the i-th of n equal shares, counted from 0; of a directory the shards i, i + n, and so on.
        durability: "full", "normal" or "off", as for `Writer`.
        shard: records of a shard, rounded up to whole chunks; those of up to 512 MiB.
        stage: a directory on a local disk where shards are built before they are copied to a network file system or a bucket.
        force: begin although the file system has fewer bytes free than the corpus needs.
        progress: whether a terminal shows a bar, and a log a line every half minute; or what is called instead now and then, with the number of records
            that are there and that will be.
        **options: options of a recipe.

    Raises:
        qorpus.InvalidArgument: an option that cannot be.
        qorpus.Error: the file holds something else, or cannot be written.
        KeyboardInterrupt: it was interrupted; what is committed stays.
    """
    if recipe is None:
        recipe = Recipe(**options)
    elif not isinstance(recipe, Recipe):
        raise WrongType(f"a recipe is a qorpus.Recipe, not {kind(recipe)}; pass its options by name")
    elif options:
        raise WrongType(f"a recipe is given, so {', '.join(options)} cannot be")
    _qorpus.generate(
        path, recipe.json, jobs=jobs, part=part, durability=durability, shard=shard, stage=stage, force=force, progress=progress
    )
    return open(path, recipe.order)


def seal(path: Path) -> dict[str, Any]:
    """Lists the shards that are published in the manifest of a sharded corpus, and says what is missing.

    What `qorpus seal` does, for a corpus whose parts were made one by one. Receipts are read, not records; to seal again
    changes nothing.

        while not qorpus.seal("big/")["complete"]:
            time.sleep(60)

    Returns:
        What `qorpus seal --json` says: among others `complete`, `records`, `content_hash`, and `missing`, ranges of ids.

    Raises:
        qorpus.Error: there is no sharded corpus, or its manifest cannot be believed.
    """
    return _qorpus.seal(path)


def _recipe(text: str, order: str) -> Recipe:
    return Recipe.from_json(text, order)


__all__ = ["Corpus", "Recipe", "generate", "open", "seal"]
