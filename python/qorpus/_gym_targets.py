"""Targets of environments: random letters, or unitaries drawn from records."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qorpus import _qorpus
from qorpus._arguments import integer, kind
from qorpus._augmentation import Augmentation
from qorpus._gym_enumeration import enumeration_of
from qorpus._qorpus import Records
from qorpus._subset import Subset
from qorpus.errors import Error, InvalidArgument, MissingRecord, WrongType

if TYPE_CHECKING:
    from qorpus._qorpus import Environments
    from qorpus.recipe import Recipe

#: The symmetries of targets.
SYMMETRIES = ("inverse", "permutation")

#: The most random letters of a target.
MAX_LETTERS = 65_535

#: Numbers below this decide symmetries.
WORDS = (1 << 63) - 1

#: The most draws of a target, while those drawn are solved from the start.
ATTEMPTS = 256


class Unitaries(Protocol):
    """A sequence of unitaries: a corpus, a recipe, a split, or an object with these two methods."""

    def __len__(self) -> int:
        """Return the number of unitaries."""

    def unitaries(self, ids: NDArray[np.int64], /) -> NDArray[Any]:
        """Return the unitaries with these ids, an array of shape (k, d, d)."""


Targets: TypeAlias = int | tuple[int, int] | Unitaries
Distance: TypeAlias = int | tuple[int, int]


class Letters(NamedTuple):
    """Random letters, as many as a number drawn uniformly from a range."""

    shortest: int
    longest: int

    def begin(self, native: Environments, which: NDArray[np.bool_] | None, seed: int | None) -> None:
        """Begin the next episode of all environments, or of some."""
        native.reset(which, seed, None)


class Rules(NamedTuple):
    """The properties of environments that their targets must fit."""

    letters: Sequence[str]
    matrices: dict[str, NDArray[np.complex128]]
    qubits: int
    observation: str
    up_to: str
    tolerance: float | None
    first_env: int
    symmetries: Augmentation | None = None

    @property
    def is_exact(self) -> bool:
        """Whether a solution must have the target's unitary."""
        return self.tolerance is None and self.observation != "tableau"


class Drawn:
    """Unitaries of records whose ids are drawn uniformly from a range."""

    def __init__(self, source: Unitaries, low: int, high: int, rules: Rules) -> None:
        self.source, self.low, self.high, self.dim = source, low, high, 1 << rules.qubits
        self._is_exact, self._symmetries, self._first_env = rules.is_exact, rules.symmetries, rules.first_env

    def begin(self, native: Environments, which: NDArray[np.bool_] | None, seed: int | None) -> None:
        """Begin the next episode of all environments, or of some."""
        chosen = np.ones(native.count, np.bool_) if which is None else which
        if seed is not None:
            # Draws are keyed by the seed, which a reset of no environment sets.
            none = np.empty((0, self.dim, self.dim), np.complex128)
            native.reset(np.zeros_like(chosen), seed, none)
        for attempt in range(ATTEMPTS):
            ids = native.draw(chosen, self.low, self.high, attempt)
            words = native.draw(chosen, 0, WORDS, attempt)
            native.reset(chosen, None, self.unitaries(ids, words))
            chosen = chosen & native.solved()
            if not chosen.any():
                return
        number = int(np.argmax(chosen)) + self._first_env
        raise Error(f"environment {number}: {ATTEMPTS} targets in a row are the identity; call set_targets() with other targets")

    def unitaries(self, ids: NDArray[np.int64], words: NDArray[np.int64]) -> NDArray[np.complex128]:
        """Read unitaries, qubit 0 most significant, each with the symmetries that its word decides."""
        expected = (len(ids), self.dim, self.dim)
        given = self.source.unitaries(ids)
        try:
            read = np.asarray(given)
        except (TypeError, ValueError, RuntimeError) as error:
            raise Error(f"targets.unitaries returned {kind(given)}, not an array; expected complex128 of shape {expected}") from error
        if read.shape != expected or read.dtype.kind not in "fc":
            raise Error(f"targets.unitaries returned {read.dtype} of shape {read.shape}; expected complex128 of shape {expected}")
        _check_precision(read.dtype, self._is_exact)
        read = read.astype(np.complex128, copy=False)
        if getattr(self.source, "order", "big") == "little":
            rows = _reversed_bits(self.dim)
            read = read[:, rows[:, None], rows[None, :]]
        if self._symmetries is not None:
            changed, _, _ = self._symmetries.apply(words, read, None, None, 0, 0)
            assert changed is not None
            read = changed
        return np.ascontiguousarray(read)


def targets_of(targets: Any, distance: Any, rules: Rules) -> Letters | Drawn:
    """Return the targets that the arguments `targets` and `distance` describe."""
    if hasattr(targets, "unitaries") and hasattr(targets, "__len__"):
        return _drawn(targets, distance, rules)
    if distance is not None:
        raise InvalidArgument("distance needs targets=, an enumeration by qorpus.distinct; random letters have no known distance")
    if rules.symmetries is not None:
        raise InvalidArgument("symmetries are for targets from records; leave them out with random letters")
    expected = "targets must be a number of letters, a pair (a, b), or records with unitaries"
    if _are_matrices(targets):
        raise WrongType(
            f"{expected}, not {kind(targets)}; for matrices pass a corpus that qorpus.Writer made of them, or an object with "
            "__len__ and unitaries(ids)"
        )
    return Letters(*_range(targets, "targets", expected, most=MAX_LETTERS))


def _are_matrices(targets: Any) -> bool:
    """Whether targets are an array, or a list of something other than numbers."""
    if isinstance(targets, tuple | list):
        return not all(isinstance(each, Number) for each in targets)
    return not isinstance(targets, str) and hasattr(targets, "__len__") and getattr(targets, "ndim", 1) > 0


def symmetries_of(kinds: Sequence[str], recipe: Recipe) -> Augmentation | None:
    """Return the symmetries by which targets are changed, which map the letters of a recipe to letters."""
    symmetries = Augmentation(recipe, kinds, "symmetries", SYMMETRIES)
    return symmetries if symmetries.kinds else None


def _drawn(source: Any, distance: Any, rules: Rules) -> Drawn:
    qubits = getattr(source, "qubits", rules.qubits)
    if qubits != rules.qubits:
        raise InvalidArgument(f"targets are on {qubits} qubit{'s' * (qubits != 1)}, but the environments on {rules.qubits}")
    _check_precision(getattr(source, "dtype", None), rules.is_exact)
    records = source._records if isinstance(source, Subset) else source
    if isinstance(records, Records) and rules.is_exact:
        _check_letters(records, rules)
    _check_complete(source)
    enumeration = enumeration_of(source)
    if enumeration is not None and rules.symmetries is not None:
        enumeration.check_symmetries(rules.symmetries, rules.letters)
    if distance is not None:
        if enumeration is not None:
            enumeration.check_distances(rules.letters, rules.matrices, rules.up_to)
        low, high = _places_at(source, distance)
    else:
        low, high = 0, len(source)
        if not high:
            raise InvalidArgument("targets has no records")
    return Drawn(source, low, high, rules)


def _check_complete(source: Any) -> None:
    """Refuse a corpus, or a split of one, with records that are not generated yet."""
    whole = source._state[0] if isinstance(source, Subset) and hasattr(source, "_state") else source
    # The records of an enumeration and of a writer follow one another, also while there will be more.
    if isinstance(whole, Records) and not whole.is_appended and not _qorpus.levels(whole) and not getattr(whole, "complete", True):
        instead = "pass corpus.present()" if whole is source else "split corpus.present()"
        raise MissingRecord(f"targets: {whole!r} is not complete; generate the rest, or {instead}")


def _check_letters(records: Records, rules: Rules) -> None:
    """Refuse records whose circuits have letters that the environments do not have."""
    if not records.letters:
        raise InvalidArgument("Haar-random targets have no exact circuit; pass tolerance=, the largest difference of entries")
    lacking = next((letter for letter in records.letters if letter not in rules.letters), None)
    if lacking is not None:
        raise InvalidArgument(
            f"targets have the letter '{lacking}', which is not a letter of the environments; pass its gate in gates=, or "
            "tolerance= for approximate solutions"
        )
    for gate, matrix in records.matrices.items():
        if gate not in rules.matrices or not np.array_equal(matrix, rules.matrices[gate]):
            raise InvalidArgument(f"gate '{gate}' has one matrix in targets and another one in gates; give it one of them")


def _check_precision(dtype: Any, is_exact: bool) -> None:
    """Refuse unitaries in single precision where only equality counts."""
    if is_exact and dtype in (np.complex64, np.float32, np.float16):
        remedy = "pass complex128, or tolerance=, such as 1e-5"
        raise InvalidArgument(f"targets are {dtype}, too imprecise for exact solutions; {remedy}")


def _range(value: Any, name: str, expected: str, *, most: int) -> tuple[int, int]:
    """Return a number or a pair of numbers as a range, both ends included."""
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise InvalidArgument(f"{expected}; it has {len(value)} numbers")
        low, high = (integer(each, f"{name}[{place}]", least=1, most=most) for place, each in enumerate(value))
        if low > high:
            raise InvalidArgument(f"{name} is ({low}, {high}); the first number must not exceed the second")
        return low, high
    if isinstance(value, bool | str) or not hasattr(value, "__index__"):
        raise WrongType(f"{expected}, not {kind(value)}")
    number = integer(value, name, least=1, most=most)
    return number, number


def _places_at(source: Any, distance: Any) -> tuple[int, int]:
    """Return the first place of records at some distances, and the place after the last."""
    records = source._records if isinstance(source, Subset) else source
    levels = _qorpus.levels(records) if isinstance(records, Records) else []
    if not levels:
        raise InvalidArgument("distance needs targets with known distances: an enumeration by qorpus.distinct, or a split of one")
    low, high = _range(distance, "distance", "distance must be a number or a pair (a, b)", most=1 << 32)
    has_costs = any(cost for cost, _, _, _ in levels)
    chosen = [
        (first, first + count)
        for cost, length, first, count in levels
        if count and low <= (cost if has_costs else length) <= high
    ]
    if not chosen:
        farthest = max(cost if has_costs else length for cost, length, _, count in levels if count)
        raise InvalidArgument(f"targets has no records at distance {distance}; its distances are 1 to {farthest}")
    start, stop = chosen[0][0], chosen[-1][1]
    if isinstance(source, Subset):
        start, stop = _place(source, start), _place(source, stop)
        if start == stop:
            raise InvalidArgument(f"targets has no records at distance {distance}; the split has none of the enumeration's")
    return start, stop


def _place(subset: Subset, id: int) -> int:
    """Return the first place of a subset whose id is at least this. Ids ascend with places."""
    low, high = 0, len(subset)
    while low < high:
        middle = (low + high) // 2
        if subset.ids([middle])[0] < id:
            low = middle + 1
        else:
            high = middle
    return low


def _reversed_bits(dim: int) -> NDArray[np.intp]:
    """Return for each index of a basis state the index with the order of qubits reversed."""
    qubits = dim.bit_length() - 1
    rows = np.arange(dim)
    reversed_rows: NDArray[np.intp] = np.sum([(rows >> qubit & 1) << (qubits - 1 - qubit) for qubit in range(qubits)], axis=0)
    return reversed_rows


def alphabet_source(table: Any, targets: Any) -> Records | None:
    """Return the records whose letters environments have unless the caller says which."""
    for each in (table, targets):
        records = each._records if isinstance(each, Subset) else each
        if isinstance(records, Records):
            return records
    return None


def alphabet(source: Records | None, given: dict[str, Any]) -> Recipe:
    """Return a recipe with the letters of the options, by default those of records."""
    from qorpus.recipe import Recipe

    is_open = all(value is None for name, value in given.items() if name != "qubits")
    if source is not None and is_open and given["qubits"] in (None, source.qubits):
        given = {"qubits": source.qubits}
        if source.letters:
            gates = {name: source.matrices.get(name) for name in source.gates}
            given |= {"gates": gates, "letters": list(source.letters)}
    return Recipe(**given, random=1)
