"""Recipes: sequences of records that are computed on reading."""

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
        letters: Sequence[str] | str
        words: bool
        random: int | str
        cliffords: int | str
        haar: int | str
        seed: int
        weights: Mapping[str, float] | str
        exactly: Mapping[str, int] | str
        no_cancelling: bool
        length: tuple[int, int] | int | str
        dtype: DTypeLike
        unitaries: bool
        order: str


#: Larger than any id; the least place counted from the end.
_BEYOND_IDS = 1 << 64


class RecordSequence(Records, Readable):
    """A sequence of records, stored or computed."""

    def __iter__(self) -> Iterator[Record]:
        """Yield the records in order, including those added to the corpus meanwhile."""
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
        """Return the id of a record of this sequence.

        Args:
            record: the record.
            start: the first id that counts.
            stop: the id after the last that counts; by default all count.

        Raises:
            qorpus.InvalidArgument: the record is not in the sequence, or not between `start` and
                `stop`.

        Examples:
            >>> recipe = qorpus.Recipe(random=1000)
            >>> recipe.index(recipe[7])
            7
        """
        if not isinstance(record, Record) or record not in self:
            raise InvalidArgument("the record is not in the sequence")
        begin = integer(start, "start", least=-_BEYOND_IDS)
        end = None if stop is None else integer(stop, "stop", least=-_BEYOND_IDS)
        if record.id not in range(*slice(begin, end).indices(len(self))):
            raise InvalidArgument(f"record {record.id} is in the sequence, but not between start and stop")
        return record.id

    def count(self, record: object) -> int:
        """Return 1 if the record is in the sequence, else 0. Every id occurs once.

        Args:
            record: the record.

        Examples:
            >>> recipe = qorpus.Recipe(random=1000)
            >>> recipe.count(recipe[7]), recipe.count(qorpus.Recipe(random=1000, seed=1)[7])
            (1, 0)
        """
        return int(record in self)

    def sql(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Rows:
        """Run a SELECT over the table `records`, which has a row for each record.

        Columns are `id`, `circuit` (letters joined by "; "), `length`, `unitary` (row-major bytes
        in the corpus's dtype), `count_GATE` for each gate, and one for each label. For two
        unitaries, `fidelity(a, b)` is |tr(A†B)|²/d² and `distance(a, b)` is sqrt(1 - |tr(A†B)|/d),
        which ignores a global phase. Records without circuits have NULL as `circuit` and `length`.
        Only the columns that a query uses are read or computed.

        Args:
            query: the SELECT.
            parameters: a list of values for each "?" in order, or a mapping from names to values
                for ":name", "@name" or "$name". Values are None, numbers, strings, bytes, or arrays
                that stand for unitaries. A one-dimensional array is a list of values.

        Returns:
            The rows, a list of tuples with the names of the columns.

        Raises:
            qorpus.InvalidArgument: the query is not a single SELECT, a parameter has no value, or a
                value has no parameter.
            qorpus.WrongType: `parameters` is neither a list nor a mapping.
            qorpus.Error: the query failed.

        Examples:
            >>> words = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 4))
            >>> words.sql("select id, circuit from records where length = 2 and count_t = 1")
            [(4, 'h 0; t 0'), (5, 't 0; h 0')]
            >>> words.sql("select count(*) from records where length < :most", {"most": 3})
            [(7,)]
            >>> target = np.diag([1, 1j])
            >>> words.sql("select circuit from records order by distance(unitary, ?), id limit 1", [target])
            [('t 0; t 0',)]
        """
        return Rows(*_qorpus.select(self, query, parameters))

    def plot(self) -> Figure:
        """Plot the lengths of circuits, or the levels of an enumeration, and the counts of gates.

        Of more than 65,536 records a sample is plotted, spread evenly over all ids, and the title
        says so. Levels are always counted exactly.

        Returns:
            A `matplotlib.figure.Figure` with two axes.

        Raises:
            qorpus.MissingLibrary: matplotlib is not installed.
            qorpus.InvalidArgument: there are no records, or they have no circuits.

        Examples:
            >>> figure = qorpus.Recipe(gates="h,t,cx", words=True, length=(0, 3)).plot()
            >>> figure.get_suptitle()
            '259 records'
            >>> figure.savefig("lengths.png")
        """
        return _plot.figure(self)


Sequence.register(RecordSequence)


class Recipe(RecordSequence):
    """A recipe, and the sequence of its records: computed on reading, not stored.

    Random circuits and words repeat unitaries: several records may have the same unitary up to a
    global phase. `qorpus.distinct` makes a corpus that has each unitary once.

    Args:
        gates: a preset ("clifford", "clifford+t", "ht", "nam", "ibm", "rigetti"); a gate file
            ("my.toml"); gates in one string, separated by commas; a list of names and of pairs
            (name, matrix); or a mapping from names to matrices, or to None for a standard gate. A
            matrix has shape (2**k, 2**k), the first qubit most significant. By default
            "clifford+t". With `letters`, the gates that these may use, by default all standard
            gates.
        qubits: the number of qubits, 1 to 8; by default 2, or as many as `letters` need.
        coupling: the pairs of qubits on which gates may act: "all", "line", "ring", or pairs such
            as "0-1,1-2"; by default "all".
        letters: the letters one by one, a list (["h 0", "cx 0 1"]) or one string ("h 0; cx 0 1"),
            instead of `coupling`: for couplings with a direction, and gates on some qubits only.
            Their order is that of `Recipe.letters`.
        words: whether the records are all words of the lengths instead of random circuits.
        random: the number of random circuits, an integer or a string such as "1M"; by default
            1,000,000. Leave it out with `words`.
        cliffords: the number of Clifford operators, uniformly random up to a global phase, instead
            of random circuits. Each has a short circuit of h, s, cx, x, y and z, so `gates`,
            `coupling` and `length` are left out.
        haar: the number of Haar-random unitaries, instead of random circuits. They have no circuits,
            so `gates`, `coupling` and `length` are left out.
        seed: the seed of the random circuits, Clifford operators or unitaries, 0 to 2**64 - 1; by
            default 0. Leave it out with `words`.
        weights: weights of gates in random circuits, as {"t": 1, "cx": 3} or "t=1,cx=3". A letter is
            drawn by the weight of its gate, then uniformly among the gate's letters. A gate without
            a weight has weight 1. By default all letters are equally likely.
        exactly: exact numbers of letters in every random circuit, as {"cx": 3} or "cx=3". All
            circuits of a length that have them are equally likely, or as likely as the weights of
            the other gates say. By default all numbers are free.
        no_cancelling: whether no letter of a random circuit undoes, up to a global phase, the
            letter before it on the same qubits; letters on other qubits may lie in between. All
            such circuits of a length are equally likely, or as `weights` and `exactly` say.
        length: the lengths of circuits in letters: (shortest, longest), both included; one number;
            or a string such as "5..15"; by default (5, 15).
        dtype: the dtype of unitaries, "complex128" or "complex64".
        unitaries: whether a corpus of this recipe stores unitaries. If not, they are computed on
            reading.
        order: the order of qubits in unitaries: "big" (qubit 0 is the most significant bit) or
            "little" (Qiskit's).

    Raises:
        qorpus.InvalidArgument: an option is invalid.
        qorpus.WrongType: an option has the wrong type.

    Examples:
        >>> words = qorpus.Recipe(gates="h,t,cx", qubits=2, words=True, length=(0, 10))
        >>> len(words), words[123].circuit
        (72559411, ('t 0', 'h 1', 't 0'))
        >>> words.unitaries([1, 2, 3]).shape
        (3, 4, 4)
        >>> recipe = qorpus.Recipe(weights={"t": 3}, exactly={"cx": 2}, no_cancelling=True, length=8)
        >>> [letter.split()[0] for letter in recipe[0].circuit].count("cx")
        2
        >>> cliffords = qorpus.Recipe(cliffords=1000, qubits=3)
        >>> cliffords[7].circuit[:4]
        ('s 0', 'h 0', 'h 1', 'cx 1 0')
        >>> targets = qorpus.Recipe(haar=1000, qubits=3)
        >>> targets.unitaries([7]).shape, targets[7].circuit
        ((1, 8, 8), None)
        >>> one_way = qorpus.Recipe(letters=["h 0", "s 0", "cx 0 1", "cx 1 2"])
        >>> one_way.qubits, one_way.gates
        (3, ('h', 's', 'cx'))
    """

    def __new__(
        cls,
        gates: Gates | None = None,
        qubits: int | None = None,
        *,
        coupling: str | None = None,
        letters: Sequence[str] | str | None = None,
        words: bool = False,
        random: int | str | None = None,
        cliffords: int | str | None = None,
        haar: int | str | None = None,
        seed: int | None = None,
        weights: Mapping[str, float] | str | None = None,
        exactly: Mapping[str, int] | str | None = None,
        no_cancelling: bool = False,
        length: tuple[int, int] | int | str | None = None,
        dtype: DTypeLike = "complex128",
        unitaries: bool = True,
        order: str = "big",
    ) -> Recipe:
        text = _qorpus.recipe(
            gates=gates, qubits=qubits, coupling=coupling, letters=letters, words=words, random=random, cliffords=cliffords,
            haar=haar, seed=seed, weights=weights, exactly=exactly, no_cancelling=no_cancelling, length=length, dtype=dtype,
            unitaries=unitaries,
        )  # fmt: skip
        return cls.from_json(text, order)

    @classmethod
    def from_json(cls, text: str, order: str = "big") -> Recipe:
        """Make a recipe from the text of its property `json`.

        Args:
            text: the recipe as JSON.
            order: "big" or "little", as for `Recipe`.

        Raises:
            qorpus.Error: the text is not a recipe.

        Examples:
            >>> recipe = qorpus.Recipe(gates="h,t", qubits=1, random=1000)
            >>> qorpus.Recipe.from_json(recipe.json) == recipe
            True
        """
        return super().__new__(cls, recipe=text, order=order)

    @property
    def json(self) -> str:
        """The recipe as one line of JSON, as corpora store and hash it."""
        return self._recipe_json

    @property
    def hash(self) -> str:
        """The SHA-256 of the recipe in hexadecimal, which identifies its corpora."""
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
