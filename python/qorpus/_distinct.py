"""Levels of an enumeration of distinct unitaries, and answers about single unitaries."""

from __future__ import annotations

from typing import Any, NamedTuple

from qorpus import _html


class Level(NamedTuple):
    """The records of an enumeration whose circuits have the same cost and length.

    Examples:
        >>> every = qorpus.distinct("every.db", gates="h,t", qubits=1, max_length=3)
        >>> every.levels[2]
        Level(cost=0, length=2, ids=range(3, 6))
    """

    cost: int
    """Cost of each circuit; 0 if no gate has a cost."""
    length: int
    """Number of letters of each circuit."""
    ids: range
    """Ids of the records."""


class _Found(NamedTuple):
    circuit: tuple[str, ...] | None
    id: int | None
    none_up_to: int | None


class Found(_Found):
    """The answer of `find`: a tuple (circuit, id, none_up_to) with more attributes.

    Attributes:
        circuit: the first of the unitary's shortest circuits, or of its cheapest ones if gates have
            costs; None if there is none or none is known.
        id: the id of the record with this circuit; None if the circuit is longer than those in the
            corpus.
        none_up_to: the largest length (or cost) for which it is proven that no circuit up to that
            length makes the unitary. None if nothing is proven, or if no circuit of any length
            makes it; `proven` distinguishes the two.
        proven: whether it is proven that there is no circuit, up to `none_up_to` or at all.
        tolerance: the largest difference of entries at which a record counted as found. None if the
            comparison was exact.
        distance: with a tolerance, the largest difference of entries between the target and the
            nearest record or the circuit; up to a global phase if the corpus is.
        nearest: with a tolerance, the id of the nearest record, even beyond the tolerance.
        within: the number of records within the tolerance, if none of them is clearly nearest.
        paulis: the number of Pauli gates at the end of the circuit, if the corpus identifies
            operators up to Pauli operators: they make the circuit exactly the target.

    Examples:
        >>> every = qorpus.distinct("every.db", gates="h,t,tdg", qubits=1, max_length=3)
        >>> every.find("t; t; h; h")
        Found(circuit=('t 0', 't 0'), id=7, none_up_to=None)
        >>> every.find("h; t; h; t; h; t; h").none_up_to
        6
    """

    proven: bool = False
    tolerance: float | None = None
    distance: float | None = None
    nearest: int | None = None
    within: int | None = None
    paulis: int = 0

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
        absent = "No circuit" if self.none_up_to is None else f"No circuit up to {self.none_up_to}"
        known = absent if self.proven else "No circuit known"
        title = known if self.circuit is None else "Circuit found"
        return _html.found(title, self.circuit, list(facts.items()))
