"""What an enumeration of distinct unitaries consists of, and what is known of a unitary."""

from __future__ import annotations

from typing import NamedTuple


class Level(NamedTuple):
    """The records of one cost and length, each the first circuit that makes its unitary."""

    cost: int
    """What each circuit costs; 0 if no gate has a cost."""
    length: int
    """The letters of each circuit."""
    ids: range
    """The records."""


class Found(NamedTuple):
    """What is known of a unitary."""

    circuit: tuple[str, ...] | None
    """The first of its shortest circuits, or of its cheapest ones if gates have costs; None if there is none, or none is known."""
    id: int | None
    """The record with this circuit; None if the circuit is longer than those of the corpus."""
    none_up_to: int | None
    """If there is no circuit: the length, or the cost, up to which none makes the unitary, which is proven. None if no circuit of any
    length does: all that the gates make were enumerated."""


__all__ = ["Found", "Level"]
