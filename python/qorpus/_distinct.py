"""Levels of an enumeration of distinct unitaries, and answers about single unitaries."""

from __future__ import annotations

from typing import Any, NamedTuple


class Level(NamedTuple):
    """The records of one cost and length, each the first circuit that makes its unitary."""

    cost: int
    """The cost of each circuit; 0 if no gate has a cost."""
    length: int
    """The letters of each circuit."""
    ids: range
    """The records."""


class _Found(NamedTuple):
    circuit: tuple[str, ...] | None
    id: int | None
    none_up_to: int | None


class Found(_Found):
    """An answer about a unitary: a tuple of circuit, id and none_up_to, with more attributes.

    Attributes:
        circuit: the first of its shortest circuits, or of its cheapest ones if gates have costs; None if there is none, or
            none is known.
        id: the record with this circuit; None if the circuit is longer than those of the corpus.
        none_up_to: if it is proven that no circuit of some length, or cost, makes the unitary: that length or cost. None
            if no circuit of any length does, as `proven` says, or if nothing is proven.
        proven: whether it is proven that there is no circuit.
        tolerance: if records were compared within a tolerance, because the target was not precise or one was given: the
            tolerance. None if the question was exact.
        distance: then how far the nearest record, or the circuit, is from the target: the largest difference of entries, up
            to a global phase if the corpus is.
        nearest: then the id of the nearest record, within the tolerance or not.
        within: if no record is clearly the one that was meant: how many are within the tolerance.
    """

    proven: bool = False
    tolerance: float | None = None
    distance: float | None = None
    nearest: int | None = None
    within: int | None = None

    def __new__(cls, circuit: tuple[str, ...] | None, id: int | None, none_up_to: int | None, **more: Any) -> Found:
        found = super().__new__(cls, circuit, id, none_up_to)
        # Most have nothing else.
        if more:
            found.__dict__.update(more)
        return found

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return tuple(self), self.__dict__

    def __repr__(self) -> str:
        fields = {**self._asdict(), **self.__dict__}
        return f"Found({', '.join(f'{name}={value!r}' for name, value in fields.items())})"
