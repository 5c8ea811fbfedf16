"""Exact letters for matrices of standard gates, and for products and controls of one-qubit gates.

A decomposition is used only if the product of its letters is the matrix, so no rule needs to be
trusted.
"""

from __future__ import annotations

from cmath import exp, phase, rect, sqrt
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations, product
from math import atan2

import numpy as np

from qorpus._letters import Matrix, gate_text, named, permuted, phase_of
from qorpus.interop.fragment import TOLERANCE, Fragment, Step, difference

#: The largest angle that counts as a rounding error.
_NO_ANGLE = 1e-15

#: The largest entry that counts as a rounding error.
_ZERO = 1e-13

_X = np.array([[0, 1], [1, 0]], dtype=np.complex128)


def fragment_of(unitary: Matrix) -> Fragment | None:
    """Return letters with this matrix, first qubit most significant; None if no rule applies."""
    qubits = len(unitary).bit_length() - 1
    if not np.isfinite(unitary).all() or difference(unitary @ unitary.conj().T, _eye(len(unitary))) > TOLERANCE:
        return None
    for rule in (_identity, _standard, _permutation, _independent, _open_controls, _diagonal, _multiplexer, _conjugated):
        found = rule(unitary, qubits)
        made = found.unitary(qubits) if found else None
        if found and made is not None and difference(made, unitary) <= TOLERANCE:
            return found
    return None


def _identity(unitary: Matrix, qubits: int) -> Fragment | None:
    """Decompose the identity on several qubits, which needs no letter, times a phase."""
    angle = phase(unitary[0, 0])
    if qubits > 1 and difference(unitary * rect(1, -angle), _eye(len(unitary))) < _ZERO:
        return Fragment([], angle)
    return None


def _standard(unitary: Matrix, qubits: int) -> Fragment | None:
    """Decompose one letter, on the qubits in any order, times a phase."""
    if qubits > 3:
        return None
    for order in permutations(range(qubits)):
        gate = permuted(unitary, order)
        for angle in (0.0, phase_of(gate)):
            if name := named(gate * rect(1, -angle)):
                return Fragment([Step(name, order)], angle)
    return None


def _independent(unitary: Matrix, qubits: int) -> Fragment | None:
    """Decompose a gate that leaves one of its qubits unchanged."""
    for idle in range(qubits if qubits > 1 else 0):
        rest = [qubit for qubit in range(qubits) if qubit != idle]
        blocks = permuted(unitary, [idle, *rest]).reshape(2, len(unitary) // 2, 2, len(unitary) // 2)
        alone = max(np.abs(blocks[0, :, 1]).max(), np.abs(blocks[1, :, 0]).max())
        if alone < _ZERO and difference(blocks[0, :, 0], blocks[1, :, 1]) < _ZERO:
            inner = fragment_of(np.ascontiguousarray(blocks[0, :, 0]))
            return inner and _on(inner, rest)
    return None


def _permutation(unitary: Matrix, qubits: int) -> Fragment | None:
    """Decompose a permutation of qubits into swaps."""
    if np.count_nonzero(unitary) != len(unitary):
        return None
    # The images of the basis states with a single qubit in state 1.
    states = np.abs(unitary[:, [1 << (qubits - 1 - qubit) for qubit in range(qubits)]]).argmax(axis=0).tolist()
    goes = [qubits - state.bit_length() for state in states]
    if sorted(goes) != list(range(qubits)):
        return None
    made = Fragment()
    for qubit in range(qubits):
        while goes[qubit] != qubit:
            other = goes[qubit]
            made.add("swap", qubit, other)
            goes[qubit], goes[other] = goes[other], other
    return made


def _open_controls(unitary: Matrix, qubits: int) -> Fragment | None:
    """Decompose a letter between x on some of its qubits, such as cswap controlled on 0."""
    if qubits != 3:
        return None
    for flips in product((0, 1), repeat=qubits):
        around = Fragment([Step("x", (qubit,)) for qubit in range(qubits) if flips[qubit]])
        inner = _standard(_between(around, unitary, qubits), qubits) if around.steps else None
        if inner:
            return _wrapped(around, inner)
    return None


def _diagonal(unitary: Matrix, qubits: int) -> Fragment | None:
    """Decompose a diagonal matrix: an angle per parity of qubits, between ladders of cx."""
    entries = np.diagonal(unitary)
    if qubits > 6 or np.abs(unitary - np.diag(entries)).max() > _ZERO:
        return None
    angles = np.angle(entries / entries[0])
    # -pi and pi are the same angle; rounding must not choose between them.
    angles[angles < _ZERO - np.pi] += 2 * np.pi
    subsets = list(product((0, 1), repeat=qubits))
    signs = 1 - 2 * (np.array(subsets) @ np.array(subsets).T % 2)
    turns = -2 * (signs @ angles) / len(entries)
    made = Fragment([], phase(entries[0]))
    # p and rz differ by a phase: use the one that leaves no global phase.
    half = float(turns[1:].sum()) / 2
    gate = "rz" if abs(exp(1j * (made.phase + half)) - 1) < _ZERO < abs(exp(1j * made.phase) - 1) else "p"
    made.phase += half if gate == "rz" else 0.0
    for subset, turn in zip(subsets[1:], turns[1:], strict=True):
        if abs(turn) > _NO_ANGLE:
            *others, last = (qubit for qubit in range(qubits) if subset[qubit])
            ladder = [Step("cx", (other, last)) for other in others]
            made.steps += [*ladder, Step(gate_text(gate, [turn]), (last,)), *reversed(ladder)]
    return made


def _multiplexer(unitary: Matrix, qubits: int) -> Fragment | None:
    """Decompose a one-qubit gate for each value of the other qubits by controlled gates."""
    for target in range(qubits if qubits > 1 else 0):
        others = [qubit for qubit in range(qubits) if qubit != target]
        size = len(unitary) // 2
        blocks = permuted(unitary, [*others, target]).reshape(size, 2, size, 2).transpose(0, 2, 1, 3)
        gates = blocks[range(size), range(size)]
        rest = blocks.copy()
        rest[range(size), range(size)] = 0
        if np.abs(rest).max() > _ZERO:
            continue
        active = [value for value in range(size) if difference(gates[value], _eye(2)) > _ZERO]
        if len(active) > 1 and qubits > 3:
            continue
        made = Fragment()
        for value in active:
            off = [other for place, other in enumerate(others) if not value >> (len(others) - 1 - place) & 1]
            around = Fragment([Step("x", (qubit,)) for qubit in off])
            made.extend(_wrapped(around, _controlled(gates[value], others, target)), range(qubits))
        return made
    return None


def _conjugated(unitary: Matrix, qubits: int) -> Fragment | None:
    """Decompose a two-qubit gate that is diagonal or a multiplexer in another basis.

    RXX, FSim and ECR are examples.
    """
    if qubits != 2:
        return None
    for around in _bases():
        changed = _between(around, unitary, qubits)
        for flips in ((), (0,), (1,), (0, 1)):
            last = Fragment([Step("x", (qubit,)) for qubit in flips])
            turned = _product(last, changed)
            rules: tuple[Callable[[Matrix, int], Fragment | None], ...] = (_diagonal, _multiplexer)
            for rule in rules:
                if inner := rule(turned, qubits):
                    inner.extend(last, range(qubits))
                    return _wrapped(around, inner)
    return None


def _bases() -> Iterator[Fragment]:
    local = ((), ("h",), ("sx",))
    for first, second in product(local, repeat=2):
        yield Fragment([*(Step(gate, (0,)) for gate in first), *(Step(gate, (1,)) for gate in second)])
    yield Fragment([Step("cx", (0, 1))])
    yield Fragment([Step("cx", (1, 0))])


def _controlled(gate: Matrix, controls: Sequence[int], target: int) -> Fragment:
    """Decompose a one-qubit gate with controls.

    See Barenco et al., PRA 52, 3457, lemmas 5.1 and 7.5.
    """
    whole = _eye(2 ** (len(controls) + 1))
    whole[-2:, -2:] = gate
    if len(controls) < 3 and (name := named(whole)):
        return Fragment([Step(name, (*controls, target))])
    if abs(gate[0, 1]) < _ZERO and abs(gate[1, 0]) < _ZERO and abs(gate[0, 0] - 1) < _ZERO and len(controls) < 6:
        return _on(_diagonal(whole, len(controls) + 1) or Fragment(), [*controls, target])
    if len(controls) == 1:
        return _controlled_once(gate, controls[0], target)
    *others, last = controls
    root = _root(gate)
    made = Fragment()
    flip = _controlled(_X, others, last)
    for part in (
        *(_controlled(root, [last], target), flip, _controlled(root.conj().T, [last], target), flip),
        _controlled(root, others, target),
    ):
        made.steps += part.steps
    return made


def _controlled_once(gate: Matrix, control: int, target: int) -> Fragment:
    """Decompose a one-qubit gate with one control.

    The result is a phase of the control, and one rotation or three rotations around two cx.
    """
    angle = phase(np.linalg.det(gate)) / 2
    special = gate * exp(-1j * angle)
    (a, _), (c, d) = special.tolist()
    made = Fragment()
    for sign in (1, -1):
        name = named(sign * special)
        if name and name.split("(")[0] in ("rx", "ry", "rz"):
            made.add(f"c{name}", control, target)
            angle += 0 if sign == 1 else np.pi
            break
    else:
        # special = rz(beta) ry(gamma) rz(delta)
        gamma = 2 * atan2(abs(c), abs(a))
        total = 2 * phase(d) if abs(d) > _ZERO else 0.0
        between = 2 * phase(c) if abs(c) > _ZERO else 0.0
        beta, delta = (total + between) / 2, (total - between) / 2
        _turn(made, "rz", (delta - beta) / 2, target)
        made.add("cx", control, target)
        _turn(made, "rz", -(delta + beta) / 2, target)
        _turn(made, "ry", -gamma / 2, target)
        made.add("cx", control, target)
        _turn(made, "ry", gamma / 2, target)
        _turn(made, "rz", beta, target)
    _turn(made, "p", angle, control)
    return made


def _turn(made: Fragment, gate: str, angle: float, place: int) -> None:
    if abs(angle) > _NO_ANGLE:
        made.add(gate_text(gate, [angle]), place)


def _root(gate: Matrix) -> Matrix:
    """Return a square root of a unitary 2 x 2 matrix, by the Cayley-Hamilton theorem."""
    (a, b), (c, d) = gate.tolist()
    root = sqrt(a * d - b * c)
    if abs(a + d + 2 * root) < abs(a + d - 2 * root):
        root = -root
    found: Matrix = (gate + root * np.eye(2)) / sqrt(a + d + 2 * root)
    return found


def _between(around: Fragment, unitary: Matrix, qubits: int) -> Matrix:
    """Return the matrix that is `unitary` between `around` and its inverse."""
    return _product(around, _product(around, unitary.conj().T).conj().T)


def _product(fragment: Fragment, unitary: Matrix) -> Matrix:
    """Return the matrix of `unitary` followed by the fragment."""
    made = fragment.unitary(len(unitary).bit_length() - 1)
    assert made is not None, "a fragment here has no measurement"
    return made @ unitary


def _wrapped(around: Fragment, inner: Fragment) -> Fragment:
    """Put a fragment between `around` and its inverse."""
    return Fragment([*around.steps, *inner.steps, *around.inverse().steps], inner.phase)


def _eye(size: int) -> Matrix:
    return np.eye(size, dtype=np.complex128)


def _on(inner: Fragment, places: Sequence[int]) -> Fragment:
    made = Fragment()
    made.extend(inner, places)
    return made
