"""Circuits of BQSKit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from qorpus._letters import FIXED, MAX_UNITARY_QUBITS, TURNING, gate_text
from qorpus._qorpus import placed
from qorpus.errors import InvalidArgument
from qorpus.interop.fragment import Fragment, Step, no_letters, no_unitary
from qorpus.interop.imported import Choice, Imported, Taken
from qorpus.interop.library import asking, expect, library
from qorpus.interop.synthesis import fragment_of

if TYPE_CHECKING:
    from bqskit.ir import Circuit


def to_bqskit(circuit: str | Iterable[str], qubits: int, matrices: Mapping[str, ArrayLike] | None = None) -> Circuit:
    """Convert letters to a `bqskit.ir.Circuit`.

    Args:
        circuit: letters in time order, such as ("h 0", "cx 0 1"), or one string, "h 0; cx 0 1".
        qubits: the number of qubits, 1 to 16.
        matrices: matrices of your own gates by name, the first qubit most significant. Each becomes
            a `ConstantUnitaryGate` of its name.

    Returns:
        The circuit.

    Raises:
        qorpus.MissingLibrary: BQSKit is not installed.
        qorpus.InvalidArgument: a letter is invalid, or the matrix of a gate is missing.

    Examples:
        >>> circuit = qorpus.to_bqskit(("h 0", "cx 0 1"), 2)
        >>> circuit.num_qudits, circuit.num_operations
        (2, 2)
    """
    ir = library("bqskit.ir", "to_bqskit", "BQSKit", "bqskit")
    gates = dict(_bqskit_gates())
    own = import_module("bqskit.ir.gates").ConstantUnitaryGate
    letters = placed(circuit, qubits, matrices)
    built = ir.Circuit(qubits)
    for name, angles, places in letters:
        if matrices and name in matrices and name not in gates:
            gates[name] = own(np.asarray(matrices[name], dtype=np.complex128))
            # BQSKit stores the name of every gate here.
            gates[name]._name = name
        built.append_gate(gates[name], places, angles)
    return built


def from_bqskit(
    circuit: Circuit, *, ignore_phase: bool = False, final_measurements: Choice = "refuse", idle_qubits: Choice = "refuse"
) -> Imported:
    """Convert a `bqskit.ir.Circuit` to letters, cycle by cycle.

    `CircuitGate`s are unfolded, and barriers are left out. A gate that Qorpus does not have is
    decomposed by its matrix, if a rule of Qorpus gives letters whose unitary agrees to 1e-12 in
    every entry. Diagonal and controlled gates, rotations such as RXX, and FSim are among these. An
    identity on several qubits adds no letter.

    Args:
        circuit: a circuit on at most 16 qubits without measurements.
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
        qorpus.MissingLibrary: BQSKit is not installed.
        qorpus.InvalidArgument: letters cannot express something in it, such as a measurement or a
            global phase.
        qorpus.WrongType: `circuit` is not a `bqskit.ir.Circuit`.

    Examples:
        >>> from bqskit.ir import Circuit
        >>> from bqskit.ir.gates import CNOTGate, HGate
        >>> circuit = Circuit(2)
        >>> _ = circuit.append_gate(HGate(), 0)
        >>> _ = circuit.append_gate(CNOTGate(), (0, 1))
        >>> qorpus.from_bqskit(circuit)
        ('h 0', 'cx 0 1')
    """
    ir = library("bqskit.ir", "from_bqskit", "BQSKit", "bqskit")
    expect(circuit, ir.Circuit, "from_bqskit", "bqskit.ir.Circuit")
    taken = Taken(final_measurements, idle_qubits)
    taken.expect(circuit.num_qudits)
    with asking("BQSKit", "the circuit"):
        if not circuit.is_qubit_only():
            levels = ", ".join(map(str, circuit.radixes))
            raise InvalidArgument(f"the circuit has qudits with {levels} levels; letters act on qubits with 2 levels")
        unfolded = circuit.copy()
        if any(isinstance(gate, import_module("bqskit.ir.gates").CircuitGate) for gate in circuit.gate_set):
            unfolded.unfold_all()
        read: dict[Any, Fragment] = {}
        for operation in unfolded:
            key = operation.gate, tuple(operation.params)
            if key not in read:
                read[key] = _fragment(operation)
            taken.take(read[key], tuple(operation.location))
    return taken.letters(ignore_phase)


def _fragment(operation: Any) -> Fragment:
    """Return the letters of an operation on its own qubits. Errors name the circuit's qubits."""
    gate, location = operation.gate, tuple(operation.location)
    places = tuple(range(len(location)))
    if isinstance(gate, import_module("bqskit.ir.gates.barrier").BarrierPlaceholder):
        return Fragment()
    if isinstance(gate, import_module("bqskit.ir.gates.measure").MeasurementPlaceholder):
        return Fragment([Step(None, places)])
    if isinstance(gate, import_module("bqskit.ir.gates.reset").Reset):
        raise no_unitary(gate.name, location)
    if name := _bqskit_names().get(gate):
        return Fragment([Step(gate_text(name, operation.params), places)])
    if len(places) <= MAX_UNITARY_QUBITS and (found := fragment_of(np.asarray(operation.get_unitary().numpy))):
        return found
    remedy = "decompose it first into gates such as u3 and cx, for example with bqskit.compile"
    raise no_letters(gate.name, location, remedy)


@cache
def _bqskit_names() -> dict[Any, str]:
    return {gate: name for name, gate in _bqskit_gates().items()}


@cache
def _bqskit_gates() -> dict[str, Any]:
    """Return the gates of BQSKit with exactly our matrices."""
    g = import_module("bqskit.ir.gates")
    fixed = (
        *(g.IdentityGate(), g.XGate(), g.YGate(), g.ZGate(), g.HGate(), g.SGate(), g.SdgGate(), g.TGate(), g.TdgGate()),
        *(g.SqrtXGate(), g.DaggerGate(g.SqrtXGate()), g.CNOTGate(), g.CYGate(), g.CZGate(), g.CHGate()),
        *(g.SqrtCNOTGate(), g.SwapGate(), g.ISwapGate(), g.CCXGate(), g.ControlledGate(g.SwapGate())),
    )
    turning = (
        *(g.RXGate(), g.RYGate(), g.RZGate(), g.U1Gate(), g.U3Gate()),
        *(g.CPGate(), g.CRXGate(), g.CRYGate(), g.CRZGate()),
    )
    return dict(zip((*FIXED, *TURNING), (*fixed, *turning), strict=True))
