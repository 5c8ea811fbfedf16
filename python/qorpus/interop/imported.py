"""Circuits of other libraries as letters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import pi, tau
from typing import Any, Literal

import numpy as np

from qorpus._letters import MAX_QUBITS
from qorpus._qorpus import matrix
from qorpus.errors import InvalidArgument
from qorpus.interop.fragment import TOLERANCE, Fragment, Refusal

#: The treatments of measurements at the end, or of qubits without letters.
Choice = Literal["refuse", "drop"]


class Imported(tuple[str, ...]):
    """Letters in time order, as a tuple of strings that knows the qubits on which they act.

    Attributes:
        qubits: for each qubit of the letters its number in the circuit. This is `(0, 1, ..., n -
            1)` unless `idle_qubits="drop"` left qubits out: with `(3, 7)`, the letters' qubits 0
            and 1 are the circuit's qubits 3 and 7.

    Examples:
        >>> program = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[20]; h q[3]; cx q[3], q[7];'
        >>> imported = qorpus.from_qasm2(program, idle_qubits="drop")
        >>> imported, imported.qubits
        (('h 0', 'cx 0 1'), (3, 7))
    """

    qubits: tuple[int, ...]

    def __new__(cls, letters: Iterable[str], qubits: Iterable[int]) -> Imported:
        made = super().__new__(cls, letters)
        made.qubits = tuple(qubits)
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self), self.qubits


class Taken:
    """The letters taken from a circuit so far, their global phase, and the measurements."""

    def __init__(self, final_measurements: Choice, idle_qubits: Choice) -> None:
        for name, value in (("final_measurements", final_measurements), ("idle_qubits", idle_qubits)):
            if value not in ("refuse", "drop"):
                raise InvalidArgument(f'{name} is {value!r}; it must be "refuse" or "drop"')
        self._qubits = 0
        self._drop_measurements = final_measurements == "drop"
        self.drop_idle = idle_qubits == "drop"
        self._letters: list[tuple[str, tuple[int, ...]]] = []
        self._measured: dict[int, tuple[int, ...]] = {}
        self._phase = 0.0

    def expect(self, qubits: int) -> None:
        """Set the number of qubits of the circuit."""
        if qubits > MAX_QUBITS and not self.drop_idle:
            raise InvalidArgument(
                f'the circuit has {qubits} qubits; at most {MAX_QUBITS} are supported; pass idle_qubits="drop" to leave '
                "out qubits without gates"
            )
        self._qubits = qubits

    def take(self, fragment: Fragment, places: Sequence[int]) -> None:
        """Take a fragment whose qubit k is the circuit's qubit `places[k]`."""
        self._phase += fragment.phase
        for gate, on in fragment.steps:
            there = tuple(places[place] for place in on)
            if gate is None:
                self._measured.update(dict.fromkeys(there, there))
            elif len(there) == 1 or not _is_identity(gate):
                self._gate(gate, there)

    def _gate(self, gate: str, places: tuple[int, ...]) -> None:
        if measured := self._measured.keys() & places:
            why = f"is not final: '{gate}' follows; a measurement in the middle of a circuit has no unitary; remove it"
            raise Refusal("measure", sorted(measured), why)
        self._letters.append((gate, places))

    def letters(self, ignore_phase: bool) -> Imported:
        """Return all letters; refuse a phase and measurements that may not be dropped."""
        if self._measured and not self._drop_measurements:
            why = 'has no unitary; pass final_measurements="drop" to leave out final measurements'
            raise InvalidArgument(str(Refusal("measure", next(iter(self._measured.values())), why)))
        left = (self._phase + pi) % tau - pi
        if abs(left) > TOLERANCE and not ignore_phase:
            remedy = "pass ignore_phase=True to drop it"
            raise InvalidArgument(f"the circuit has a global phase of {left:.6g}, which letters cannot express; {remedy}")
        qubits: Sequence[int] = range(self._qubits)
        if self.drop_idle:
            qubits = sorted({place for _, places in self._letters for place in places})
        if len(qubits) > MAX_QUBITS:
            raise InvalidArgument(f"the circuit's gates act on {len(qubits)} qubits; at most {MAX_QUBITS} are supported")
        numbers = {place: number for number, place in enumerate(qubits)}
        texts = (" ".join([gate, *(str(numbers[place]) for place in places)]) for gate, places in self._letters)
        return Imported(texts, qubits)


@lru_cache(4096)
def _is_identity(gate: str) -> bool:
    """Return whether the gate is an identity, such as cp(0)."""
    found = matrix(gate)
    return bool(np.abs(found - np.eye(len(found))).max() < 1e-14)
