"""Circuits of Qiskit, Cirq, BQSKit and OpenQASM, out and in, with exactly the same unitaries, global phase included.

A circuit is a sequence of letters in time order, such as `("h 0", "cx 0 1")`. Qubit k is qubit k everywhere. The
libraries are imported when they are needed.
"""

from __future__ import annotations

from cmath import phase
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stderr
from functools import cache
from importlib import import_module
from io import StringIO
from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qorpus._qorpus import matrix, placed, to_qasm2, to_qasm3
from qorpus.errors import InvalidArgument
from qorpus.letters import FIXED, QUBITS, TURNING, Taken, gate_text, is_gate, permuted, qubits_text

if TYPE_CHECKING:
    from bqskit.ir import Circuit
    from cirq import Circuit as CirqCircuit
    from cirq import Qid
    from qiskit import QuantumCircuit

    Matrix = NDArray[np.complex128]
    Matrices = Mapping[str, ArrayLike]

__all__ = [
    "from_bqskit",
    "from_cirq",
    "from_qasm2",
    "from_qasm3",
    "from_qiskit",
    "to_bqskit",
    "to_cirq",
    "to_qasm2",
    "to_qasm3",
    "to_qiskit",
]

#: Gates that Qiskit calls otherwise: the name of its method first, then what else has the same matrix.
_QISKIT = {"u3": ("u", "u3"), "p": ("p", "u1"), "cp": ("cp", "cu1")}
_FROM_QISKIT = {name: name for name in (*FIXED, *TURNING)} | {
    theirs: ours for ours, names in _QISKIT.items() for theirs in names
}

def to_qiskit(circuit: str | Iterable[str], qubits: int, matrices: Matrices | None = None) -> QuantumCircuit:
    """The circuit as a `qiskit.QuantumCircuit`, whose `Operator` is the unitary in little order.

    Args:
        circuit: letters in time order.
        qubits: how many there are, 1 to 8.
        matrices: gates of one's own, first qubit most significant; they become `UnitaryGate`s labelled by name.

    Returns:
        A `qiskit.QuantumCircuit` on `qubits` qubits.

    Raises:
        ImportError: Qiskit is not installed.
        qorpus.InvalidArgument: a letter that cannot be, or a gate whose matrix is not known.
    """
    qiskit = _library("qiskit", "to_qiskit", "Qiskit", "qiskit")
    unitary_gate = import_module("qiskit.circuit.library").UnitaryGate
    letters = placed(circuit, qubits, matrices)
    built = qiskit.QuantumCircuit(qubits)
    for name, angles, places in letters:
        if matrices and name in matrices:
            # Qiskit's first qubit is the least significant.
            built.append(unitary_gate(_array(matrices[name]), label=name), places[::-1])
        else:
            getattr(built, _QISKIT.get(name, (name,))[0])(*angles, *places)
    return built


def to_cirq(circuit: str | Iterable[str], qubits: int, matrices: Matrices | None = None) -> CirqCircuit:
    """The circuit as a `cirq.Circuit` on `cirq.LineQubit`s, one operation for each letter.

    A circuit of Cirq has no idle qubits: for the whole unitary pass them, as in
    `c.unitary(qubit_order=line, qubits_that_should_be_present=line)` with `line = cirq.LineQubit.range(qubits)`.

    Args:
        circuit: letters in time order.
        qubits: how many there are, 1 to 8.
        matrices: gates of one's own, first qubit most significant; they become a `MatrixGate` with their name. So does
            u3, which Cirq does not have with this global phase.

    Returns:
        A `cirq.Circuit`.

    Raises:
        ImportError: Cirq is not installed.
        qorpus.InvalidArgument: a letter that cannot be, or a gate whose matrix is not known.
    """
    cirq = _library("cirq", "to_cirq", "Cirq", "cirq-core")
    letters = placed(circuit, qubits, matrices)
    gates, line = _cirq_gates(), cirq.LineQubit.range(qubits)

    def gate(name: str, angles: Sequence[float]) -> Any:
        if matrices and name in matrices:
            return cirq.MatrixGate(_array(matrices[name]), name=name)
        if name == "u3":
            text = gate_text(name, angles)
            return cirq.MatrixGate(matrix(text), name=text)
        return gates[name](*angles) if angles else gates[name]

    return cirq.Circuit(gate(name, angles)(*(line[place] for place in places)) for name, angles, places in letters)


def to_bqskit(circuit: str | Iterable[str], qubits: int, matrices: Matrices | None = None) -> Circuit:
    """The circuit as a `bqskit.ir.Circuit`.

    Args:
        circuit: letters in time order.
        qubits: how many there are, 1 to 8.
        matrices: gates of one's own, first qubit most significant; they become a `ConstantUnitaryGate` with their name.

    Returns:
        A `bqskit.ir.Circuit` on `qubits` qubits.

    Raises:
        ImportError: BQSKit is not installed.
        qorpus.InvalidArgument: a letter that cannot be, or a gate whose matrix is not known.
    """
    ir = _library("bqskit.ir", "to_bqskit", "BQSKit", "bqskit")
    gates, own = dict(_bqskit_gates()), import_module("bqskit.ir.gates").ConstantUnitaryGate
    letters = placed(circuit, qubits, matrices)
    built = ir.Circuit(qubits)
    for name, angles, places in letters:
        if matrices and name in matrices and name not in gates:
            gates[name] = own(_array(matrices[name]))
            # What all gates of BQSKit have their name from.
            gates[name]._name = name
        built.append_gate(gates[name], places, angles)
    return built


def from_qiskit(circuit: QuantumCircuit, *, ignore_phase: bool = False) -> tuple[str, ...]:
    """The letters of a `qiskit.QuantumCircuit`, qubit k as qubit k.

    Gates that are not standard are expanded by their definitions, or found by their matrix; barriers are left out.

    Args:
        circuit: at most 8 qubits, parameters bound, without measurements.
        ignore_phase: whether a global phase that the letters do not have is dropped rather than refused.

    Returns:
        Letters in time order.

    Raises:
        ImportError: Qiskit is not installed.
        qorpus.InvalidArgument: something in it that no letters say, such as a measurement or a global phase.
    """
    _library("qiskit", "from_qiskit", "Qiskit", "qiskit")
    taken = Taken(circuit.num_qubits)
    _take_qiskit(taken, circuit, range(circuit.num_qubits))
    return taken.letters(ignore_phase)


def from_cirq(
    circuit: CirqCircuit, qubits: Sequence[Qid] | None = None, *, ignore_phase: bool = False
) -> tuple[str, ...]:
    """The letters of a `cirq.Circuit`, moment by moment.

    Args:
        circuit: at most 8 qubits, parameters resolved, without measurements.
        qubits: which is qubit 0, which 1 and so on. By default `LineQubit(k)` is qubit k; if there are others than
            `LineQubit`s, they are taken in Cirq's order.
        ignore_phase: whether a global phase that the letters do not have is dropped rather than refused.

    Returns:
        Letters in time order.

    Raises:
        ImportError: Cirq is not installed.
        qorpus.InvalidArgument: something in it that no letters say, such as a measurement or a global phase.
    """
    cirq = _library("cirq", "from_cirq", "Cirq", "cirq-core")
    found = sorted(circuit.all_qubits())
    if qubits is not None:
        numbers = {qubit: number for number, qubit in enumerate(qubits)}
    elif all(isinstance(qubit, cirq.LineQubit) for qubit in found):
        numbers = {qubit: qubit.x for qubit in found}
    else:
        numbers = {qubit: number for number, qubit in enumerate(found)}
    for qubit in found:
        if numbers.get(qubit, -1) not in range(QUBITS) or qubit.dimension != 2:
            raise InvalidArgument(
                f"{qubit!r} is none of the qubits 0 to {QUBITS - 1}; pass all qubits, at most {QUBITS}, in their "
                "order in qubits"
            )
    taken = Taken(max(numbers.values(), default=-1) + 1)
    for operation in circuit.all_operations():
        _take_cirq(taken, operation, numbers)
    return taken.letters(ignore_phase)


def from_bqskit(circuit: Circuit, *, ignore_phase: bool = False) -> tuple[str, ...]:
    """The letters of a `bqskit.ir.Circuit`, cycle by cycle, with `CircuitGate`s unfolded and barriers left out.

    Args:
        circuit: at most 8 qubits, without measurements.
        ignore_phase: whether a global phase that the letters do not have is dropped rather than refused.

    Returns:
        Letters in time order.

    Raises:
        ImportError: BQSKit is not installed.
        qorpus.InvalidArgument: something in it that no letters say, such as a measurement or a global phase.
    """
    _library("bqskit.ir", "from_bqskit", "BQSKit", "bqskit")
    gates = import_module("bqskit.ir.gates")
    barrier = import_module("bqskit.ir.gates.barrier").BarrierPlaceholder
    measure = import_module("bqskit.ir.gates.measure").MeasurementPlaceholder
    reset = import_module("bqskit.ir.gates.reset").Reset
    names = {gate: name for name, gate in _bqskit_gates().items()}
    taken = Taken(circuit.num_qudits)
    unfolded = circuit.copy()
    if any(isinstance(gate, gates.CircuitGate) for gate in circuit.gate_set):
        unfolded.unfold_all()
    for operation in unfolded:
        gate, places = operation.gate, list(operation.location)
        if isinstance(gate, barrier):
            continue
        if isinstance(gate, measure | reset) or not gate.is_qubit_only():
            raise _no_unitary(gate.name, places)
        if name := names.get(gate):
            taken.gate(name, operation.params, places)
        else:
            taken.matrix(operation.get_unitary().numpy if len(places) < 4 else None, places, gate.name)
    return taken.letters(ignore_phase)


def from_qasm2(text: str, *, ignore_phase: bool = False) -> tuple[str, ...]:
    """The letters of an OpenQASM 2 program, as Qiskit reads it: qubits are numbered through all registers.

    Args:
        text: the program; of other files it may include `qelib1.inc` only.
        ignore_phase: whether a global phase that the letters do not have is dropped rather than refused.

    Returns:
        Letters in time order.

    Raises:
        ImportError: Qiskit is not installed.
        qorpus.InvalidArgument: the text is no OpenQASM 2, or says something that no letters say.
    """
    qasm2 = _library("qiskit.qasm2", "from_qasm2", "Qiskit", "qiskit")
    try:
        loaded = qasm2.loads(
            text,
            include_path=(),
            custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS,
            custom_classical=qasm2.LEGACY_CUSTOM_CLASSICAL,
        )
    except qasm2.QASM2ParseError as error:
        raise InvalidArgument(f"Qiskit cannot read the text as OpenQASM 2: {error}") from error
    return from_qiskit(loaded, ignore_phase=ignore_phase)


def from_qasm3(text: str, *, ignore_phase: bool = False) -> tuple[str, ...]:
    """The letters of an OpenQASM 3 program, as Qiskit reads it: qubits are numbered through all registers.

    Args:
        text: the program.
        ignore_phase: whether a global phase that the letters do not have is dropped rather than refused.

    Returns:
        Letters in time order.

    Raises:
        ImportError: Qiskit or qiskit-qasm3-import is not installed.
        qorpus.InvalidArgument: the text is no OpenQASM 3, or says something that no letters say.
    """
    _library("qiskit_qasm3_import", "from_qasm3", "Qiskit's importer", "qiskit qiskit-qasm3-import")
    qasm3 = _library("qiskit.qasm3", "from_qasm3", "Qiskit", "qiskit")
    unreadable = (qasm3.QASM3ImporterError, import_module("openqasm3.parser").QASM3ParsingError)
    # The parser says what is wrong on the terminal only.
    with redirect_stderr(StringIO()) as said:
        try:
            loaded = qasm3.loads(text)
        except unreadable as error:
            reason = str(error) or said.getvalue().strip()
            raise InvalidArgument(f"Qiskit cannot read the text as OpenQASM 3: {reason}") from error
    return from_qiskit(loaded, ignore_phase=ignore_phase)


def _take_qiskit(taken: Taken, circuit: QuantumCircuit, places: Sequence[int]) -> None:
    qiskit = import_module("qiskit.circuit")
    taken.phase += _number(circuit.global_phase, "the global phase")
    for instruction in circuit.data:
        operation = instruction.operation
        name, on = operation.name, [places[circuit.find_bit(qubit).index] for qubit in instruction.qubits]
        if isinstance(operation, qiskit.Barrier):
            continue
        if isinstance(operation, qiskit.ControlFlowOp):
            raise _no_unitary(name, on)
        standard = _qiskit_classes().get(name)
        if standard and getattr(operation, "base_class", None) is standard:
            taken.gate(_FROM_QISKIT[name], [_number(angle, f"'{name}'") for angle in operation.params], on)
            continue
        matrix_only = isinstance(operation, import_module("qiskit.circuit.library").UnitaryGate)
        definition = None if matrix_only else getattr(operation, "definition", None)
        if definition is not None and name not in FIXED:
            _take_qiskit(taken, definition, on)
            continue
        unitary = None
        if len(on) < 4:
            try:
                little = import_module("qiskit.quantum_info").Operator(operation).data
                unitary = permuted(little, range(len(on))[::-1])
            except import_module("qiskit.exceptions").QiskitError as error:
                raise _no_unitary(name, on) from error
        if definition is None:
            taken.matrix(unitary, on, name)
        # A gate of the circuit's own that is named like one of ours, as in OpenQASM, which lacks some.
        elif unitary is not None and is_gate(name, unitary):
            taken.gate(name, (), on)
        else:
            _take_qiskit(taken, definition, on)


@cache
def _qiskit_classes() -> dict[str, Any]:
    """The classes of the gates that Qorpus has, too, by the names that Qiskit gives them."""
    known = import_module("qiskit.circuit.library").get_standard_gate_name_mapping()
    return {name: known[name].base_class for name in _FROM_QISKIT}


def _take_cirq(taken: Taken, operation: Any, numbers: Mapping[Any, int]) -> None:
    cirq, operation = import_module("cirq"), operation.untagged
    if isinstance(operation, cirq.CircuitOperation):
        for inner in operation.mapped_circuit(deep=True).all_operations():
            _take_cirq(taken, inner, numbers)
        return
    places = [numbers[qubit] for qubit in operation.qubits]
    if cirq.is_parameterized(operation):
        raise InvalidArgument(f"'{operation}' has parameters without values; resolve them and pass the result")
    if isinstance(operation.gate, cirq.GlobalPhaseGate):
        taken.phase += phase(operation.gate.coefficient)
    elif known := _cirq_name(operation.gate):
        taken.gate(*known, places)
    elif not cirq.has_unitary(operation):
        raise _no_unitary(str(operation.gate or operation), places)
    else:
        taken.matrix(cirq.unitary(operation) if len(places) < 4 else None, places, str(operation.gate or operation))


def _cirq_name(gate: Any) -> tuple[str, list[float]] | None:
    """The name and the angles of a gate of Cirq that has exactly the matrix of ours."""
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
    """What gates that differ in their angle alone have in common."""
    cirq = import_module("cirq")
    for family in (cirq.XPowGate, cirq.YPowGate, cirq.ZPowGate, cirq.CZPowGate):
        if isinstance(gate, family):
            return family, float(gate.global_shift)
    return None


@cache
def _cirq_gates() -> dict[str, Any]:
    """Gates of Cirq with exactly our matrices; of those with an angle, what makes them."""
    cirq = import_module("cirq")
    fixed = (
        *(cirq.I, cirq.X, cirq.Y, cirq.Z, cirq.H, cirq.S, cirq.S**-1, cirq.T, cirq.T**-1, cirq.X**0.5, cirq.X**-0.5),
        *(cirq.CNOT, cirq.ControlledGate(cirq.Y), cirq.CZ, cirq.ControlledGate(cirq.H), cirq.CNOT**0.5),
        *(cirq.SWAP, cirq.ISWAP, cirq.CCX, cirq.CSWAP),
    )

    def controlled(make: Callable[[float], Any]) -> Callable[[float], Any]:
        return lambda angle: cirq.ControlledGate(make(angle))

    turning: dict[str, Callable[[float], Any]] = {
        "rx": cirq.rx,
        "ry": cirq.ry,
        "rz": cirq.rz,
        "p": lambda angle: cirq.ZPowGate(exponent=angle / pi),
        "cp": lambda angle: cirq.CZPowGate(exponent=angle / pi),
    }
    return dict(zip(FIXED, fixed, strict=True)) | turning | {
        f"c{name}": controlled(turning[name]) for name in ("rx", "ry", "rz")
    }


@cache
def _cirq_names() -> dict[Any, str]:
    """Our names of gates without angles, and of families."""
    gates = _cirq_gates()
    families = {_family(make(1.0)): name for name, make in gates.items() if name in TURNING}
    return {gates[name]: name for name in FIXED} | {family: name for family, name in families.items() if family}


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


def _array(values: ArrayLike) -> Matrix:
    return np.asarray(values, dtype=np.complex128)


def _number(value: Any, of: str) -> float:
    try:
        return float(value)
    except TypeError as error:
        raise InvalidArgument(
            f"{of} has the parameter '{value}' without a value; bind it, as with assign_parameters, and pass the result"
        ) from error


def _no_unitary(operation: str, places: Sequence[int]) -> InvalidArgument:
    return InvalidArgument(f"'{operation}' on {qubits_text(places)} has no unitary; remove it and pass the rest")


def _library(module: str, function: str, name: str, package: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"{function} needs {name}; pip install {package}") from error
