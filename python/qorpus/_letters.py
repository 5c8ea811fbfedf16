"""Letters for the gates of other libraries, found by name, angles or matrix."""

from __future__ import annotations

from cmath import phase
from collections.abc import Iterable, Iterator, Sequence
from math import atan2, isfinite, pi
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qorpus._qorpus import matrix
from qorpus.errors import InvalidArgument

if TYPE_CHECKING:
    from qorpus._qorpus import Records

Matrix: TypeAlias = NDArray[np.complex128]

#: Standard gates without angles, and with them.
FIXED = (
    *("id", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg"),
    *("cx", "cy", "cz", "ch", "csx", "swap", "iswap", "ccx", "cswap"),
)
TURNING = ("rx", "ry", "rz", "p", "u3", "cp", "crx", "cry", "crz")

#: The largest difference between entries of matrices that count as equal.
_SAME_MATRIX = 1e-13

#: The most qubits of a circuit, and of a unitary that is computed.
MAX_QUBITS, MAX_UNITARY_QUBITS = 16, 8

#: Divisors of pi that are common in angles.
_DIVISORS = (*range(1, 17), 32, 64)


def has_free_angles(records: Records) -> bool:
    """Return whether the letters of these records have free angles."""
    return any("?" in gate for gate in records.gates)


def gate_text(name: str, angles: Iterable[float]) -> str:
    """Write a gate with its angles."""
    texts = [angle_text(float(angle)) for angle in angles]
    return f"{name}({','.join(texts)})" if texts else name


def angle_text(value: float) -> str:
    """Write an angle as a multiple of pi if it is one to the last bits, else as a decimal."""
    if not isfinite(value):
        raise InvalidArgument(f"{value} is not an angle; an angle must be a finite number")
    for divisor in _DIVISORS if abs(value) < 1000 else ():
        multiple = round(value / pi * divisor)
        if 0 < abs(multiple) <= 256 and abs(multiple * pi / divisor - value) <= 1e-15 * abs(value):
            factor = "" if abs(multiple) == 1 else f"{abs(multiple)}*"
            return f"{'-' if multiple < 0 else ''}{factor}pi{'' if divisor == 1 else f'/{divisor}'}"
    return repr(value) if value else "0"


def named(unitary: Matrix) -> str | None:
    """Return the standard gate with exactly this matrix, if there is one."""
    return next((name for name in _candidates(unitary) if is_gate(name, unitary)), None)


def _candidates(unitary: Matrix) -> Iterator[str]:
    """Yield gates that may have this matrix, the simplest first."""
    yield from FIXED
    if len(unitary) == 2:
        (a, b), (c, d) = unitary.tolist()
        yield gate_text("rx", [2 * atan2(-c.imag, a.real)])
        yield gate_text("ry", [2 * atan2(c.real, a.real)])
        yield gate_text("rz", [2 * phase(d)])
        yield gate_text("p", [phase(d)])
        phi = phase(c) if abs(c) > _SAME_MATRIX else 0.0
        # The phase of a small entry is mostly rounding.
        turn = phase(-b) if abs(c) > abs(d) else phase(d * a.real) - phi
        yield gate_text("u3", [2 * atan2(abs(c), a.real), phi, turn])
    elif len(unitary) > 2:
        half = len(unitary) // 2
        yield from (f"c{name}" for name in _candidates(unitary[half:, half:]))


def is_gate(name: str, unitary: Matrix) -> bool:
    """Return whether a standard gate of this name has this matrix."""
    if name.split("(")[0] not in (*FIXED, *TURNING):
        return False
    known = matrix(name)
    return known.shape == unitary.shape and bool(np.abs(known - unitary).max() <= _SAME_MATRIX)


def phase_of(unitary: Matrix) -> float:
    """Return the phase relative to a gate of ours, whose corner entry is 1 or a cosine."""
    return phase(unitary[0, 0] if abs(unitary[0, 0]) > _SAME_MATRIX else unitary[1, 0])


def permuted(unitary: Matrix, order: Sequence[int]) -> Matrix:
    """Return the matrix with its qubits reordered: qubit k was qubit `order[k]`."""
    axes = [*order, *(len(order) + qubit for qubit in order)]
    return unitary.reshape([2] * len(axes)).transpose(axes).reshape(unitary.shape)


def qubits_text(places: Sequence[int]) -> str:
    """Name qubits for messages, as in 'qubits 0, 3'."""
    return f"qubit{'s' * (len(places) > 1)} {', '.join(map(str, places))}" if places else "no qubit"
