"""A piece of a circuit: letters on the qubits of one operation, times a global phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import isnan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qorpus._letters import MAX_QUBITS, qubits_text
from qorpus._qorpus import matrix
from qorpus.errors import InvalidArgument

if TYPE_CHECKING:
    Matrix = NDArray[np.complex128]

#: The largest difference between entries of the unitaries of an operation and of its letters, and the largest global
#: phase that counts as none.
TOLERANCE = 1e-12

#: The most letters of a circuit. Definitions and loops double them with each line, so a short text can have any number.
_MAX_STEPS = 1_000_000


class Step(NamedTuple):
    """A gate of Qorpus with its angles, or a measurement, on its qubits."""

    gate: str | None
    places: tuple[int, ...]


class Refusal(Exception):
    """An operation that no letters have, with its qubits as the circuit around it numbers them."""

    def __init__(self, operation: str, places: Sequence[int], why: str) -> None:
        super().__init__(operation, places, why)
        self.operation, self.places, self.why = operation, tuple(places), why

    def on(self, places: Sequence[int]) -> Refusal:
        """The refusal with qubit k numbered `places[k]`."""
        return Refusal(self.operation, [places[place] for place in self.places], self.why)

    def __str__(self) -> str:
        return f"'{self.operation}' on {qubits_text(self.places)} {self.why}"


def no_unitary(operation: str, places: Sequence[int]) -> Refusal:
    """Refuse an operation that is not unitary."""
    return Refusal(operation, places, "has no unitary; remove it and pass the rest")


def checked(unitary: Matrix, operation: str, places: Sequence[int]) -> Matrix:
    """Refuse the matrix of an operation if it has another size, or is not unitary."""
    size = 2 ** len(places)
    if unitary.shape != (size, size):
        raise Refusal(operation, places, f"has a matrix of shape {unitary.shape}, not {(size, size)}")
    if (off := difference(unitary @ unitary.conj().T, np.eye(size, dtype=np.complex128))) > TOLERANCE:
        raise Refusal(
            operation, places, f"has a matrix that is not unitary: the largest entry of |UU† - 1| is {off:.2g}; correct it"
        )
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
                "pass a part of it"
            )
        self.steps += [Step(gate, tuple(places[place] for place in on)) for gate, on in other.steps]
        self.phase += other.phase

    def inverse(self) -> Fragment:
        """The fragment backwards. All its gates are their own inverses, or in `_INVERSE`."""
        return Fragment([Step(_INVERSE.get(gate or "", gate), on) for gate, on in reversed(self.steps)], -self.phase)

    def unitary(self, qubits: int) -> Matrix | None:
        """The unitary, qubit 0 most significant; None on more than 8 qubits or with a
        measurement."""
        if qubits > MAX_QUBITS or any(step.gate is None for step in self.steps):
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
    """The product of a gate on these qubits and a matrix on all qubits."""
    width, qubits = len(places), len(to).bit_length() - 1
    state = to.reshape([2] * qubits + [len(to)])
    state = np.tensordot(gate.reshape([2] * (2 * width)), state, (range(width, 2 * width), list(places)))
    return np.ascontiguousarray(np.moveaxis(state, range(width), list(places)).reshape(to.shape))


def difference(a: Matrix, b: Matrix) -> float:
    """The largest difference between entries; infinite for other shapes or NaN."""
    if a.shape != b.shape:
        return float("inf")
    largest = float(np.abs(a - b).max())
    return float("inf") if isnan(largest) else largest
