"""A piece of a circuit: letters on the qubits of one operation, times a global phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf, isnan, nan
from typing import NamedTuple

import numpy as np

from qorpus._letters import MAX_UNITARY_QUBITS, Matrix, qubits_text
from qorpus._qorpus import matrix
from qorpus.errors import InvalidArgument

#: The largest difference between the entries of an operation's unitary and its letters' unitary, and
#: the largest global phase that counts as zero.
TOLERANCE = 1e-12

#: The largest number of letters of a circuit: definitions and loops can double it with every line of
#: a program.
_MAX_STEPS = 1_000_000


class Step(NamedTuple):
    """A gate of Qorpus with its angles, or a measurement, on its qubits."""

    gate: str | None
    places: tuple[int, ...]


class Refusal(Exception):
    """An operation that letters cannot express, and its qubits in the surrounding circuit."""

    def __init__(self, operation: str, places: Sequence[int], why: str) -> None:
        super().__init__(operation, places, why)
        self.operation, self.places, self.why = operation, tuple(places), why

    def on(self, places: Sequence[int]) -> Refusal:
        """Return the refusal with qubit k renumbered `places[k]`."""
        return Refusal(self.operation, [places[place] for place in self.places], self.why)

    def __str__(self) -> str:
        return f"'{self.operation}' on {qubits_text(self.places)} {self.why}"


def no_unitary(operation: str, places: Sequence[int]) -> Refusal:
    """Return the refusal of an operation that is not unitary."""
    return Refusal(operation, places, "has no unitary; remove it from the circuit")


def no_letters(operation: str, places: Sequence[int], remedy: str) -> Refusal:
    """Return the refusal of a unitary operation without exact letters."""
    why = f"is not a gate of Qorpus and has no exact decomposition; {remedy}"
    return Refusal(operation, places, why)


def checked(unitary: Matrix, operation: str, places: Sequence[int]) -> Matrix:
    """Return the matrix of an operation; refuse a matrix of another size or not unitary."""
    size = 2 ** len(places)
    if unitary.shape != (size, size):
        raise Refusal(operation, places, f"has a matrix of shape {unitary.shape}, not {(size, size)}")
    if (off := difference(unitary @ unitary.conj().T, np.eye(size, dtype=np.complex128))) > TOLERANCE:
        why = f"has a matrix that is not unitary: the largest entry of |UU† - 1| is {off:.2g}; correct the matrix"
        raise Refusal(operation, places, why)
    return unitary


@dataclass
class Fragment:
    """Letters in time order, times a global phase."""

    steps: list[Step] = field(default_factory=list)
    phase: float = 0.0

    def add(self, gate: str, *places: int) -> None:
        """Append a gate."""
        self.steps.append(Step(gate, places))

    def extend(self, other: Fragment, places: Sequence[int]) -> None:
        """Append another fragment, whose qubit k is qubit `places[k]`."""
        if len(self.steps) + len(other.steps) > _MAX_STEPS:
            raise InvalidArgument(
                f"the circuit has more than {_MAX_STEPS:,} letters when its definitions and loops are expanded; "
                "convert it in parts"
            )
        self.steps += [Step(gate, tuple(places[place] for place in on)) for gate, on in other.steps]
        self.phase += other.phase

    def inverse(self) -> Fragment:
        """Return the inverse. Each gate must be its own inverse or be in `_INVERSE`."""
        return Fragment([Step(_INVERSE.get(gate or "", gate), on) for gate, on in reversed(self.steps)], -self.phase)

    def unitary(self, qubits: int) -> Matrix | None:
        """Return the unitary, qubit 0 most significant; None beyond 8 qubits or if measured."""
        if qubits > MAX_UNITARY_QUBITS or any(step.gate is None for step in self.steps):
            return None
        total: Matrix = np.eye(2**qubits, dtype=np.complex128) * np.exp(1j * self.phase)
        for gate, places in self.steps:
            total = applied(_matrix(gate or ""), total, places)
        return total


_INVERSE = {"sx": "sxdg", "sxdg": "sx"}


@lru_cache(4096)
def _matrix(gate: str) -> Matrix:
    return matrix(gate)


def applied(gate: Matrix, to: Matrix, places: Sequence[int]) -> Matrix:
    """Return the product of a gate on these qubits and a matrix on all qubits."""
    width, qubits = len(places), len(to).bit_length() - 1
    state = to.reshape([2] * qubits + [len(to)])
    state = np.tensordot(gate.reshape([2] * (2 * width)), state, (range(width, 2 * width), list(places)))
    return np.ascontiguousarray(np.moveaxis(state, range(width), list(places)).reshape(to.shape))


def difference(a: Matrix, b: Matrix) -> float:
    """Return the largest difference between entries; infinite for other shapes or NaN."""
    largest = float(np.abs(a - b).max()) if a.shape == b.shape else nan
    return inf if isnan(largest) else largest
