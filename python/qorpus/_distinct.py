"""Levels of an enumeration of distinct unitaries, and answers about single unitaries."""

from __future__ import annotations

from typing import Any, NamedTuple

from qorpus import _html


class Level(NamedTuple):
    """The records of one cost and length, each the first circuit that makes its unitary."""

    cost: int
    """The cost of each circuit; 0 if no gate has a cost."""
    length: int
    """The number of letters of each circuit."""
    ids: range
    """The records."""


class _Found(NamedTuple):
    circuit: tuple[str, ...] | None
    id: int | None
    none_up_to: int | None


class Found(_Found):
    """An answer about a unitary: a tuple of circuit, id and none_up_to, with more attributes.

    Attributes:
        circuit: the first of its shortest circuits, or of its cheapest ones if gates have costs;
            None if there is none, or none is known.
        id: the record with this circuit; None if the circuit is longer than those of the corpus.
        none_up_to: the largest length, or cost, up to which it is proven that no circuit makes the
            unitary. None if no circuit of any length does (see `proven`), or if nothing is proven.
        proven: whether it is proven that there is no circuit.
        tolerance: the tolerance within which records were compared, because the target was not
            precise or because one was given. None if the question was exact.
        distance: with a tolerance, the largest difference of entries between the target and the
            nearest record or the circuit; up to a global phase if the corpus is.
        nearest: with a tolerance, the id of the nearest record, even if it is farther than that.
        within: the number of records within the tolerance, if none is clearly the one meant.
    """

    proven: bool = False
    tolerance: float | None = None
    distance: float | None = None
    nearest: int | None = None
    within: int | None = None

    def __new__(cls, circuit: tuple[str, ...] | None, id: int | None, none_up_to: int | None, **more: Any) -> Found:
        found = super().__new__(cls, circuit, id, none_up_to)
        if more:
            found.__dict__.update(more)
        return found

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return tuple(self), self.__dict__

    def __repr__(self) -> str:
        return f"Found({', '.join(f'{name}={value!r}' for name, value in self._known().items())})"

    def _known(self) -> dict[str, Any]:
        return {**self._asdict(), **self.__dict__}

    def _repr_html_(self) -> str:
        facts = {name: str(value) for name, value in self._known().items() if name != "circuit" and value is not None}
        known = "No circuit" if self.proven or self.none_up_to is not None else "No circuit known"
        title = known if self.circuit is None else "Circuit found"
        return _html.found(title, self.circuit, list(facts.items()))
