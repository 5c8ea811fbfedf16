"""Circuits of Cirq."""

from __future__ import annotations

from cmath import phase, rect
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from qorpus._letters import FIXED, MAX_QUBITS, MAX_UNITARY_QUBITS, TURNING, Matrix, gate_text
from qorpus._qorpus import matrix, placed
from qorpus.errors import InvalidArgument, WrongType
from qorpus.interop.fragment import TOLERANCE, Fragment, Refusal, Step, checked, difference, no_letters, no_unitary
from qorpus.interop.imported import Choice, Imported, Taken
from qorpus.interop.library import asking, expect, library
from qorpus.interop.synthesis import fragment_of

if TYPE_CHECKING:
    from cirq import Circuit, Qid, QubitOrder


def to_cirq(circuit: str | Iterable[str], qubits: int, matrices: Mapping[str, ArrayLike] | None = None) -> Circuit:
    """Convert letters to a `cirq.Circuit` on `cirq.LineQubit`s, one operation per letter.

    A circuit of Cirq has no idle qubits. Pass the qubits to get the whole unitary:
    `c.unitary(qubit_order=line, qubits_that_should_be_present=line)` with `line =
    cirq.LineQubit.range(qubits)`.

    Args:
        circuit: letters in time order, such as ("h 0", "cx 0 1"), or one string, "h 0; cx 0 1".
        qubits: the number of qubits, 1 to 16.
        matrices: matrices of your own gates by name, the first qubit most significant. Each becomes
            a `MatrixGate` of its name. So does u3, which Cirq does not have with this global phase.

    Returns:
        The circuit.

    Raises:
        qorpus.MissingLibrary: Cirq is not installed.
        qorpus.InvalidArgument: a letter is invalid, or the matrix of a gate is missing.

    Examples:
        >>> print(qorpus.to_cirq(("h 0", "cx 0 1"), 2))
        0: ───H───@───
                  │
        1: ───────X───
    """
    cirq = library("cirq", "to_cirq", "Cirq", "cirq-core")
    letters = placed(circuit, qubits, matrices)
    gates = _cirq_gates()
    line = cirq.LineQubit.range(qubits)

    def gate(name: str, angles: Sequence[float]) -> Any:
        if matrices and name in matrices:
            return cirq.MatrixGate(np.asarray(matrices[name], dtype=np.complex128), name=name)
        if name == "u3":
            text = gate_text(name, angles)
            return cirq.MatrixGate(matrix(text), name=text)
        return gates[name](*angles) if angles else gates[name]

    return cirq.Circuit(gate(name, angles)(*(line[place] for place in places)) for name, angles, places in letters)


def from_cirq(
    circuit: Circuit,
    qubits: Sequence[Qid] | QubitOrder | None = None,
    *,
    ignore_phase: bool = False,
    final_measurements: Choice = "refuse",
    idle_qubits: Choice = "refuse",
) -> Imported:
    """Convert a `cirq.Circuit` to letters, moment by moment.

    A gate that Qorpus does not have is decomposed by its matrix or by `cirq.decompose_once`, if the
    unitary of the letters agrees to 1e-12 in every entry. An identity on several qubits adds no
    letter.

    Args:
        circuit: a circuit on at most 16 qubits without measurements, with resolved parameters.
        qubits: the qubits in order, starting with qubit 0: a list or a `cirq.QubitOrder`. By
            default `LineQubit(k)` is qubit k, and other qubits are sorted in Cirq's order.
            `Imported.qubits` refers to this order.
        ignore_phase: whether a global phase that letters cannot express is dropped; otherwise it is
            refused.
        final_measurements: "drop" leaves out measurements that no gate on the same qubit follows.
            "refuse" raises an error for them.
        idle_qubits: "drop" leaves out qubits without letters, and numbers the others from 0 in
            their order. The circuit may then have any number of qubits, of which at most 16 have
            letters.

    Returns:
        The letters, a tuple of strings.

    Raises:
        qorpus.MissingLibrary: Cirq is not installed.
        qorpus.InvalidArgument: letters cannot express something in it, such as a measurement or a
            global phase.
        qorpus.WrongType: `circuit` is not a `cirq.Circuit`, or `qubits` has no order.

    Examples:
        >>> import cirq
        >>> a, b = cirq.LineQubit.range(2)
        >>> qorpus.from_cirq(cirq.Circuit(cirq.H(a), cirq.CNOT(a, b)))
        ('h 0', 'cx 0 1')
    """
    cirq = library("cirq", "from_cirq", "Cirq", "cirq-core")
    expect(circuit, cirq.AbstractCircuit, "from_cirq", "cirq.Circuit")
    taken = Taken(final_measurements, idle_qubits)
    with asking("Cirq", "the circuit"):
        numbers = _numbers(cirq, circuit, qubits, taken.drop_idle)
        taken.expect(max(numbers.values(), default=-1) + 1)
        read: dict[int, tuple[Any, Fragment]] = {}
        for operation in circuit.all_operations():
            _take(taken, operation, numbers, read)
    return taken.letters(ignore_phase)


def _numbers(cirq: Any, circuit: Any, qubits: Any, any_number: bool) -> dict[Any, int]:
    """Return the number of each qubit."""
    found = sorted(circuit.all_qubits())
    if isinstance(qubits, cirq.QubitOrder):
        qubits = qubits.order_for(found)
    if qubits is not None:
        # A set has no order, and an iterator may come from a set.
        if not isinstance(qubits, Sequence | np.ndarray):
            raise WrongType(
                f"the order of qubits matters, and a {type(qubits).__name__} may have none; pass a list, such as "
                "sorted(circuit.all_qubits())"
            )
        numbers = {qubit: number for number, qubit in enumerate(qubits)}
        if len(numbers) < len(qubits):
            twice = next(qubit for number, qubit in enumerate(qubits) if numbers[qubit] != number)
            raise InvalidArgument(f"qubits names {twice!r} twice; name each qubit once")
    elif all(isinstance(qubit, cirq.LineQubit) for qubit in found):
        numbers = {qubit: qubit.x for qubit in found}
    else:
        numbers = {qubit: number for number, qubit in enumerate(found)}
    for qubit in found:
        if qubit.dimension != 2:
            raise InvalidArgument(f"{qubit!r} has {qubit.dimension} levels; letters act on qubits with 2 levels")
        if qubit not in numbers:
            raise InvalidArgument(f"qubits does not name {qubit!r}, which the circuit acts on; name all qubits in order")
        number = numbers[qubit]
        if number < 0 or (number >= MAX_QUBITS and not any_number):
            raise InvalidArgument(
                f"{qubit!r} is none of the qubits 0 to {MAX_QUBITS - 1}; pass all qubits in order with qubits=, at most "
                f'{MAX_QUBITS}, or idle_qubits="drop" if the others are idle'
            )
    return numbers


def _take(taken: Taken, operation: Any, numbers: Mapping[Any, int], read: dict[int, tuple[Any, Fragment]]) -> None:
    """Take the letters of an operation; `read` has the gates read so far, by object id."""
    cirq = import_module("cirq")
    operation = operation.untagged
    if isinstance(operation, cirq.CircuitOperation) and operation.repeat_until is None:
        for inner in operation.mapped_circuit(deep=True).all_operations():
            _take(taken, inner, numbers, read)
        return
    places = [numbers[qubit] for qubit in operation.qubits]
    try:
        # Equal gates of Cirq may differ by 1e-8, so gates are cached by identity. The cache keeps a
        # gate alive, so that its id is not reused.
        gate = operation.gate
        if gate is None or id(gate) not in read:
            read[id(gate)] = gate, _fragment(operation)
    except Refusal as refusal:
        raise refusal.on(places) from None
    taken.take(read[id(gate)][1], places)


def _fragment(operation: Any) -> Fragment:
    """Return the letters of an operation on its own qubits."""
    cirq = import_module("cirq")
    places = tuple(range(len(operation.qubits)))
    name = _name(operation)
    if cirq.is_parameterized(operation):
        if cirq.parameter_names(operation):
            remedy = "resolve them first, for example with cirq.resolve_parameters"
            raise InvalidArgument(f"'{name}' has parameters without values; {remedy}")
        # Cirq converts SymPy numbers to floats when it resolves anything.
        operation = cirq.resolve_parameters(operation, {"": 0})
    if isinstance(operation.gate, cirq.GlobalPhaseGate):
        return Fragment([], phase(operation.gate.coefficient))
    if isinstance(operation.gate, cirq.MeasurementGate):
        return Fragment([Step(None, places)])
    if known := _cirq_name(operation.gate):
        return Fragment([Step(gate_text(*known), places)])
    if not cirq.has_unitary(operation):
        if _is_opaque(cirq, operation):
            raise Refusal(name, places, "is opaque: Cirq knows neither its unitary nor a decomposition; define one")
        raise no_unitary(name, places)
    # Decompositions of Cirq may lose the global phase, which only the unitary shows.
    if len(places) <= MAX_UNITARY_QUBITS:
        unitary = checked(np.asarray(cirq.unitary(operation)), name, places)
        if found := fragment_of(unitary) or _decomposed(cirq, operation, unitary):
            return found
    remedy = "decompose it first, for example with cirq.decompose or cirq.optimize_for_target_gateset"
    raise no_letters(name, places, remedy)


def _name(operation: Any) -> str:
    """Return the name of an operation on one line; for matrices and circuits, their class."""
    named = operation.gate or operation
    text = str(named)
    return type(named).__name__ if "\n" in text or text.startswith("<") or len(text) > 80 else text


def _is_opaque(cirq: Any, operation: Any) -> bool:
    """Return whether Cirq knows no effect of an operation."""
    if operation.gate is None or cirq.has_kraus(operation) or cirq.is_measurement(operation):
        return False
    return cirq.decompose_once(operation, None) is None


def _decomposed(cirq: Any, operation: Any, unitary: Matrix) -> Fragment | None:
    """Return the letters of Cirq's decomposition, if their unitary is the operation's."""
    parts = cirq.decompose_once(operation, None)
    numbers = {qubit: number for number, qubit in enumerate(operation.qubits)}
    if parts is None or any(qubit not in numbers for part in parts for qubit in part.qubits):
        return None
    found = Fragment()
    for part in parts:
        try:
            found.extend(_fragment(part.untagged), [numbers[qubit] for qubit in part.qubits])
        except Refusal:
            return None
    made = found.unitary(len(operation.qubits))
    if made is None:
        return None
    # Cirq's decompositions may lose only the global phase.
    lost = phase(complex(np.vdot(made, unitary)))
    found.phase += lost
    return found if difference(made * rect(1, lost), unitary) <= TOLERANCE else None


def _cirq_name(gate: Any) -> tuple[str, list[float]] | None:
    """Return our name and the angles of a gate of Cirq with exactly our matrix."""
    cirq = import_module("cirq")
    if isinstance(gate, cirq.ControlledGate):
        inner = _cirq_name(gate.sub_gate)
        if inner and gate.control_values == cirq.ProductOfSums([(1,)] * gate.num_controls()):
            name = "c" * gate.num_controls() + inner[0]
            return (name, inner[1]) if name in (*FIXED, *TURNING) else None
        return None
    if isinstance(gate, cirq.EigenGate | cirq.IdentityGate) and (name := _cirq_names().get(gate)):
        return name, []
    name = _cirq_names().get(_family(gate))
    return (name, [float(gate.exponent) * pi]) if name else None


def _family(gate: Any) -> tuple[Any, float] | None:
    """Return the family of a gate. Gates of one family differ only in their angle."""
    cirq = import_module("cirq")
    for family in (cirq.XPowGate, cirq.YPowGate, cirq.ZPowGate, cirq.CZPowGate):
        if isinstance(gate, family):
            return family, float(gate.global_shift)
    return None


@cache
def _cirq_gates() -> dict[str, Any]:
    """Return the gates of Cirq with exactly our matrices, or functions from angles to them."""
    cirq = import_module("cirq")
    fixed = (
        *(cirq.I, cirq.X, cirq.Y, cirq.Z, cirq.H, cirq.S, cirq.S**-1, cirq.T, cirq.T**-1, cirq.X**0.5, cirq.X**-0.5),
        *(cirq.CNOT, cirq.ControlledGate(cirq.Y), cirq.CZ, cirq.ControlledGate(cirq.H), cirq.CNOT**0.5),
        *(cirq.SWAP, cirq.ISWAP, cirq.CCX, cirq.CSWAP),
    )
    return dict(zip(FIXED, fixed, strict=True)) | {
        "rx": cirq.rx,
        "ry": cirq.ry,
        "rz": cirq.rz,
        "p": lambda angle: cirq.ZPowGate(exponent=angle / pi),
        "cp": lambda angle: cirq.CZPowGate(exponent=angle / pi),
        "crx": lambda angle: cirq.ControlledGate(cirq.rx(angle)),
        "cry": lambda angle: cirq.ControlledGate(cirq.ry(angle)),
        "crz": lambda angle: cirq.ControlledGate(cirq.rz(angle)),
    }


@cache
def _cirq_names() -> dict[Any, str]:
    """Return our names of gates without angles, and of families."""
    gates = _cirq_gates()
    families = {_family(gates[name](1.0)): name for name in ("rx", "ry", "rz", "p", "cp")}
    return {gates[name]: name for name in FIXED} | families
