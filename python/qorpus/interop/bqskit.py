"""Circuits of BQSKit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from qorpus._letters import FIXED, MAX_QUBITS, TURNING, gate_text
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
        circuit: letters in time order.
        qubits: how many there are, 1 to 8.
        matrices: gates of one's own, first qubit most significant; each becomes a
            `ConstantUnitaryGate` with its name.

    Raises:
        qorpus.errors.MissingLibrary: BQSKit is not installed.
        qorpus.InvalidArgument: a letter that cannot be, or a gate whose matrix is not known.
    """
    ir = library("bqskit.ir", "to_bqskit", "BQSKit", "bqskit")
    gates = dict(_bqskit_gates())
    own = import_module("bqskit.ir.gates").ConstantUnitaryGate
    letters = placed(circuit, qubits, matrices)
    built = ir.Circuit(qubits)
    for name, angles, places in letters:
        if matrices and name in matrices and name not in gates:
            gates[name] = own(np.asarray(matrices[name], dtype=np.complex128))
            # BQSKit keeps the name of every gate here.
            gates[name]._name = name
        built.append_gate(gates[name], places, angles)
    return built


def from_bqskit(
    circuit: Circuit, *, ignore_phase: bool = False, final_measurements: Choice = "refuse", idle_qubits: Choice = "refuse"
) -> Imported:
    """Convert a `bqskit.ir.Circuit` to letters, cycle by cycle.

    `CircuitGate`s are unfolded, and barriers left out. A gate that Qorpus does not have is
    decomposed by its matrix, if a rule of Qorpus gives letters with the same unitary to 1e-12 in
    every entry: diagonal and controlled gates, rotations such as RXX, and FSim are among them. An
    identity on several qubits adds no letter.

    Args:
        circuit: at most 8 qubits, without measurements.
        ignore_phase: as for `qorpus.from_qiskit`.
        final_measurements: as for `qorpus.from_qiskit`.
        idle_qubits: as for `qorpus.from_qiskit`.

    Raises:
        qorpus.errors.MissingLibrary: BQSKit is not installed.
        qorpus.InvalidArgument: something in it that letters cannot express, such as a measurement
            or a global phase.
        qorpus.errors.WrongType: an argument of another type.
    """
    ir = library("bqskit.ir", "from_bqskit", "BQSKit", "bqskit")
    expect(circuit, ir.Circuit, "from_bqskit", "bqskit.ir.Circuit")
    taken = Taken(final_measurements, idle_qubits)
    taken.expect(circuit.num_qudits)
    with asking("BQSKit", "the circuit"):
        if not circuit.is_qubit_only():
            levels = ", ".join(map(str, circuit.radixes))
            raise InvalidArgument(f"the circuit is on qudits with {levels} levels; letters act on qubits, with 2 each")
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
    """Return the letters of an operation on its own qubits. Refusals name those of the circuit."""
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
    if len(places) <= MAX_QUBITS and (found := fragment_of(np.asarray(operation.get_unitary().numpy))):
        return found
    remedy = "decompose it into gates that are, such as u3 and cx, and pass the result"
    raise no_letters(gate.name, location, f"{remedy} (bqskit.compile does so to within a chosen error)")


@cache
def _bqskit_names() -> dict[Any, str]:
    return {gate: name for name, gate in _bqskit_gates().items()}


@cache
def _bqskit_gates() -> dict[str, Any]:
    """Gates of BQSKit with exactly our matrices."""
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
