"""Recipes: sequences of records that are computed while they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from numpy.typing import DTypeLike

from qorpus import _html, _plot, _qorpus
from qorpus._arguments import integer
from qorpus._qorpus import Record, Records
from qorpus._sql import Rows
from qorpus._subset import ahead
from qorpus.dataset import Readable
from qorpus.errors import InvalidArgument, MissingRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from qorpus._qorpus import Gates

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
_BEYOND_IDS = 1 << 64


class RecordSequence(Records, Readable):
    """A sequence of records, stored or computed."""

    def __iter__(self) -> Iterator[Record]:
        """Yield the records in order; of a corpus that grows also those that come meanwhile."""
        start, count = 0, ahead(self)
        while ids := range(start, min(len(self), start + count)):
            yield from self.__getitems__(ids)
            start = ids.stop

    def __reversed__(self) -> Iterator[Record]:
        count = ahead(self)
        for stop in range(len(self), 0, -count):
            yield from reversed(self.__getitems__(range(max(0, stop - count), stop)))

    def __contains__(self, record: object) -> bool:
        try:
            return isinstance(record, Record) and self[record.id] == record
        except MissingRecord:
            return False

    def index(self, record: object, start: int = 0, stop: int | None = None) -> int:
        """Return the id of a record that is in the sequence.

        Raises:
            qorpus.InvalidArgument: it is not, or not between `start` and `stop`.
        """
        if not isinstance(record, Record) or record not in self:
            raise InvalidArgument("the record is not in the sequence")
        begin = integer(start, "start", least=-_BEYOND_IDS)
        end = None if stop is None else integer(stop, "stop", least=-_BEYOND_IDS)
        if record.id not in range(*slice(begin, end).indices(len(self))):
            raise InvalidArgument(f"record {record.id} is not between start and stop")
        return record.id

    def count(self, record: object) -> int:
        """Return 1 if the record is in the sequence, or 0: every id occurs once."""
        return int(record in self)

    def sql(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Rows:
        """Run one SELECT over the table `records`, with a row for each record.

        Columns: `id`, `circuit` (letters joined by "; "), `length`, `unitary` (row-major bytes of
        the corpus's dtype), `count_GATE` for each gate, and one for each label. Functions:
        `fidelity(a, b)` = |tr(A†B)|²/d² and `distance(a, b)` = sqrt(1 - |tr(A†B)|/d), which does
        not see a global phase, of two unitaries. Only what a query looks at is read or computed.

            corpus.sql("select id, circuit from records where length = 5 and count_t = 1 limit 5")
            corpus.sql("select id from records order by distance(unitary, ?) limit 1", [target])
            corpus.sql("select id from records where length < :most", {"most": 5})

        Args:
            query: the SELECT.
            parameters: a list of values for its "?", in order, or a mapping from names to values
                for ":name", "@name" or "$name": None, numbers, texts, bytes, or arrays, which stand
                for unitaries. An array in one dimension is such a list.

        Raises:
            qorpus.InvalidArgument: it is not a single SELECT, or a parameter has no value, or a
                value no parameter.
            qorpus.WrongType: the parameters are something else, such as a text or a set.
            qorpus.Error: it failed.
        """
        return Rows(*self._select(query, parameters))

    def plot(self) -> Figure:
        """Plot the lengths of circuits, or the levels of an enumeration, and the counts of gates.

        Of more than 65,536 records a sample is plotted, spread evenly over all ids, and the title
        says so. Levels are always counted exactly.

        Returns:
            A `matplotlib.figure.Figure` with two axes.

        Raises:
            qorpus.MissingLibrary: matplotlib is not installed.
            qorpus.InvalidArgument: there are no records.

        Examples:
            >>> figure = qorpus.Recipe(gates="h,t,cx", words=True, length=(0, 3)).plot()
            >>> figure.get_suptitle()
            '259 records'
            >>> figure.savefig("lengths.png")
        """
        return _plot.figure(self)


Sequence.register(RecordSequence)


class Recipe(RecordSequence):
    """A recipe of records, which is also the sequence of them: computed on reading, not stored.

        r = qorpus.Recipe(gates="h,t,cx", qubits=2, words=True, length=(0, 10))
        len(r); r[123]; r.unitaries([1, 2, 3])

    Omitted options have the defaults of the command line. Random circuits and words repeat
    unitaries: several records may have the same one, up to a global phase. A corpus that
    `qorpus.distinct` made has each once.

    Args:
        gates: a preset ("clifford", "clifford+t", "ht", "nam", "ibm", "rigetti"), a gate file
            ("my.toml"), gates separated by commas, names, pairs of a name and a matrix, or a
            mapping from names to matrices or None.
        qubits: 1 to 8.
        coupling: "all", "line", "ring", or pairs such as "0-1,1-2".
        words: every word of these lengths instead of random circuits.
        random: the number of random circuits; an integer, or a text such as "1M".
        seed: the seed of the random circuits.
        length: (shortest, longest) in letters, both included; a number; or a text such as "5..15".
        dtype: "complex128" or "complex64".
        unitaries: whether a corpus of the recipe stores unitaries, or computes them on reading.
        order: the order of qubits of unitaries that are read: "big" (qubit 0 is the most
            significant bit) or "little" (Qiskit's).

    Raises:
        qorpus.InvalidArgument: an option is invalid.
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
            gates=gates, qubits=qubits, coupling=coupling, words=words, random=random, seed=seed, length=length,
            dtype=dtype, unitaries=unitaries,
        )  # fmt: skip
        return cls.from_json(text, order)

    @classmethod
    def from_json(cls, text: str, order: str = "big") -> Recipe:
        """Make a recipe from the text of `json`."""
        return super().__new__(cls, recipe=text, order=order)

    @property
    def json(self) -> str:
        """The recipe as one line of JSON, as corpora store and hash it."""
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
        return Recipe.from_json, (self.json, self.order)

    def __repr__(self) -> str:
        return f"Recipe({self._recipe_text})"

    def _repr_html_(self) -> str:
        records = "appended" if self.is_appended else f"{len(self):,}"
        return _html.card(self, "Recipe", [("recipe", self._recipe_text), ("records", records)])
