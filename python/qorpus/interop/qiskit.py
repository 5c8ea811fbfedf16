"""Circuits of Qiskit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from qorpus._letters import FIXED, MAX_UNITARY_QUBITS, TURNING, Matrix, gate_text, is_gate, permuted
from qorpus._qorpus import placed
from qorpus.errors import InvalidArgument
from qorpus.interop.fragment import TOLERANCE, Fragment, Refusal, Step, applied, checked, difference, no_letters, no_unitary
from qorpus.interop.imported import Choice, Imported, Taken
from qorpus.interop.library import asking, expect, library
from qorpus.interop.synthesis import fragment_of

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

#: Gates with other names in Qiskit: the name of its method first, then its other gates with the same
#: matrix.
_QISKIT = {"u3": ("u", "u3"), "p": ("p", "u1"), "cp": ("cp", "cu1")}
_FROM_QISKIT = {name: name for name in (*FIXED, *TURNING)} | {
    theirs: ours for ours, names in _QISKIT.items() for theirs in names
}


def to_qiskit(circuit: str | Iterable[str], qubits: int, matrices: Mapping[str, ArrayLike] | None = None) -> QuantumCircuit:
    """Convert letters to a `qiskit.QuantumCircuit`.

    Qubits keep their numbers, so the circuit's `Operator` is the unitary in little order.

    Args:
        circuit: letters in time order, such as ("h 0", "cx 0 1"), or one string, "h 0; cx 0 1".
        qubits: the number of qubits, 1 to 16.
        matrices: matrices of your own gates by name, the first qubit most significant. Each becomes
            a `UnitaryGate` with its name as the label.

    Returns:
        The circuit.

    Raises:
        qorpus.MissingLibrary: Qiskit is not installed.
        qorpus.InvalidArgument: a letter is invalid, or the matrix of a gate is missing.

    Examples:
        >>> circuit = qorpus.to_qiskit(("h 0", "cx 0 1"), 2)
        >>> [(operation.name, len(operation.qubits)) for operation in circuit.data]
        [('h', 1), ('cx', 2)]
    """
    qiskit = library("qiskit", "to_qiskit", "Qiskit", "qiskit")
    unitary_gate = import_module("qiskit.circuit.library").UnitaryGate
    letters = placed(circuit, qubits, matrices)
    built = qiskit.QuantumCircuit(qubits)
    for name, angles, places in letters:
        if matrices and name in matrices:
            # Qiskit's first qubit is the least significant.
            built.append(unitary_gate(np.asarray(matrices[name], dtype=np.complex128), label=name), places[::-1])
        else:
            getattr(built, _QISKIT.get(name, (name,))[0])(*angles, *places)
    return built


def from_qiskit(
    circuit: QuantumCircuit,
    *,
    ignore_phase: bool = False,
    final_measurements: Choice = "refuse",
    idle_qubits: Choice = "refuse",
) -> Imported:
    """Convert a `qiskit.QuantumCircuit` to letters. Qubit k stays qubit k.

    Gates that are not standard are expanded by their definitions or decomposed by their matrices. A
    gate that has both is refused if they differ by more than 1e-12 in an entry; on more than 8
    qubits the definition is not checked. Barriers are left out. Boxes, and `for` loops over
    numbers, are replaced by their bodies. An identity on several qubits adds no letter.

    Args:
        circuit: a circuit on at most 16 qubits without measurements, with bound parameters.
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
        qorpus.MissingLibrary: Qiskit is not installed.
        qorpus.InvalidArgument: letters cannot express something in it, such as a measurement or a
            global phase.
        qorpus.WrongType: `circuit` is not a `qiskit.QuantumCircuit`.

    Examples:
        >>> from qiskit import QuantumCircuit
        >>> circuit = QuantumCircuit(2)
        >>> _ = circuit.h(0)
        >>> _ = circuit.cx(0, 1)
        >>> qorpus.from_qiskit(circuit)
        ('h 0', 'cx 0 1')
    """
    qiskit = library("qiskit", "from_qiskit", "Qiskit", "qiskit")
    expect(circuit, qiskit.QuantumCircuit, "from_qiskit", "qiskit.QuantumCircuit")
    taken = Taken(final_measurements, idle_qubits)
    with asking("Qiskit", "the circuit"):
        take(taken, circuit)
    return taken.letters(ignore_phase)


def take(taken: Taken, circuit: QuantumCircuit) -> None:
    """Take the letters of a circuit."""
    taken.expect(circuit.num_qubits)
    taken.take(_Reader().circuit(circuit), range(circuit.num_qubits))


class _Reader:
    """The reader of one circuit. It reads each of its gates once."""

    def __init__(self) -> None:
        # The operation is kept alive, so that its id is not reused.
        self._fragments: dict[Any, tuple[Any, Fragment]] = {}
        self._matrices: dict[Any, tuple[Any, Matrix | None]] = {}

    def circuit(self, circuit: Any) -> Fragment:
        """Return the letters of a circuit."""
        read = Fragment([], _number(circuit.global_phase, "the global phase"))
        for instruction in circuit.data:
            places = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
            try:
                read.extend(self._fragment(instruction.operation), places)
            except Refusal as refusal:
                raise refusal.on(places) from None
        return read

    def _fragment(self, operation: Any) -> Fragment:
        key = _key(operation)
        if key not in self._fragments:
            self._fragments[key] = operation, self._read(operation)
        return self._fragments[key][1]

    def _read(self, operation: Any) -> Fragment:
        qiskit = import_module("qiskit.circuit")
        places = tuple(range(operation.num_qubits))
        if isinstance(operation, qiskit.ControlFlowOp):
            return self._control_flow(operation, places)
        # Qiskit 1 puts a condition on any operation, whose class and matrix stay the same.
        if getattr(operation, "_condition", None) is not None:
            raise Refusal(operation.name, places, "has a condition and therefore no unitary; remove it from the circuit")
        if isinstance(operation, qiskit.Barrier):
            return Fragment()
        if isinstance(operation, qiskit.Measure):
            return Fragment([Step(None, places)])
        standard = _standard_classes().get(operation.name)
        if standard and getattr(operation, "base_class", None) is standard:
            angles = [_number(angle, f"'{operation.name}'") for angle in operation.params]
            return Fragment([Step(gate_text(_FROM_QISKIT[operation.name], angles), places)])
        if isinstance(operation, qiskit.AnnotatedOperation):
            return self._annotated(operation, places)
        matrix_only = isinstance(operation, import_module("qiskit.circuit.library").UnitaryGate)
        definition = None if matrix_only else getattr(operation, "definition", None)
        if definition is None and isinstance(operation, import_module("qiskit.quantum_info").Clifford):
            definition = operation.to_circuit()
        if definition is None:
            return self._by_matrix(operation, places)
        return self._by_definition(operation, definition, places)

    def _control_flow(self, operation: Any, places: Sequence[int]) -> Fragment:
        """Return the body of a box, or of a `for` loop over numbers; refuse anything else."""
        if operation.name == "box":
            return self.circuit(operation.blocks[0])
        if operation.name != "for_loop":
            raise no_unitary(operation.name, places)
        values, parameter, body = operation.params
        if not isinstance(values, Iterable):
            raise Refusal(operation.name, places, "loops over values that are not numbers; unroll the loop first")
        read = Fragment()
        once = self.circuit(body) if parameter is None else None
        for value in values:
            step = once if once is not None else self.circuit(body.assign_parameters({parameter: value}))
            read.extend(step, places)
        return read

    def _annotated(self, operation: Any, places: Sequence[int]) -> Fragment:
        """Read an operation with modifiers, which Qiskit applies late. Its matrix must agree."""
        made = operation.base_op
        for modifier in operation.modifiers:
            kind = type(modifier).__name__
            if kind == "InverseModifier":
                made = made.inverse()
            elif kind == "ControlModifier":
                made = made.control(modifier.num_ctrl_qubits, ctrl_state=modifier.ctrl_state, annotated=False)
            elif kind == "PowerModifier" and float(modifier.power).is_integer():
                made = _repeated(made, int(modifier.power))
            else:
                return self._by_matrix(operation, places)
        read = self._fragment(made)
        return self._agreeing(operation.name, read, self._matrix(operation), places)

    def _by_matrix(self, operation: Any, places: Sequence[int]) -> Fragment:
        unitary = self._matrix(operation)
        if unitary is None:
            if isinstance(operation, import_module("qiskit.circuit").Gate):
                raise Refusal(operation.name, places, "is opaque: it has neither a definition nor a matrix; define it")
            raise no_unitary(operation.name, places)
        if found := fragment_of(unitary):
            return found
        remedy = 'decompose it first, for example with qiskit.transpile(circuit, basis_gates=["u3", "cx"])'
        raise no_letters(operation.name, places, remedy)

    def _by_definition(self, operation: Any, definition: Any, places: Sequence[int]) -> Fragment:
        read = self.circuit(definition)
        # Gates of OpenQASM 2 compute their matrix from their definition, again at every level.
        if type(operation).__module__ != "qiskit.qasm2.parse":
            read = self._agreeing(operation.name, read, self._matrix(operation), places)
        if operation.name in _FROM_QISKIT and len(places) < 4 and (unitary := read.unitary(len(places))) is not None:
            # The circuit defines a gate with the name of one of ours, as OpenQASM programs do.
            name, angles = _FROM_QISKIT[operation.name], [float(angle) for angle in operation.params]
            known = gate_text(name, angles)
            if len(angles) == (3 if name == "u3" else name in TURNING) and is_gate(known, unitary):
                return Fragment([Step(known, tuple(places))])
        return read

    def _agreeing(self, name: str, read: Fragment, own: Matrix | None, places: Sequence[int]) -> Fragment:
        """Refuse an operation whose definition and own matrix differ."""
        made = None if own is None else read.unitary(len(places))
        if own is not None and made is not None and (apart := difference(made, own)) > TOLERANCE:
            why = f"has a definition that is not its matrix: their entries differ by up to {apart:.2g}; "
            why += "replace the gate by its definition, for example with circuit.decompose(), if the definition is right"
            raise Refusal(name, places, why)
        return read

    def _matrix(self, operation: Any) -> Matrix | None:
        """Return the matrix that an operation has apart from its definition, first qubit first."""
        key = _key(operation)
        if key not in self._matrices:
            self._matrices[key] = operation, self._own_matrix(operation)
        return self._matrices[key][1]

    def _own_matrix(self, operation: Any) -> Matrix | None:
        qubits = operation.num_qubits
        if qubits > MAX_UNITARY_QUBITS:
            return None
        # A class without its own matrix raises one of these.
        with suppress(AttributeError, import_module("qiskit.exceptions").QiskitError):
            little = np.asarray(operation.to_matrix(), dtype=np.complex128)
            return permuted(checked(little, operation.name, range(qubits)), range(qubits)[::-1])
        if isinstance(operation, import_module("qiskit.circuit.library").PauliEvolutionGate):
            return permuted(_evolved(operation), range(qubits)[::-1])
        base = getattr(operation, "base_gate", None)
        controls = getattr(operation, "num_ctrl_qubits", 0)
        # Some gates have more qubits, which only the definition knows.
        if base is None or controls + base.num_qubits != qubits:
            return None
        inner = self._matrix_of_all(base)
        return None if inner is None else _controlled(inner, controls, operation.ctrl_state)

    def _matrix_of_all(self, operation: Any) -> Matrix | None:
        """Return the matrix of an operation, computed from its definition if it has none."""
        own = self._matrix(operation)
        definition = getattr(operation, "definition", None) if own is None else None
        if definition is None or operation.num_qubits > MAX_UNITARY_QUBITS:
            return own
        total: Matrix = np.eye(2**operation.num_qubits, dtype=np.complex128)
        total *= np.exp(1j * _number(definition.global_phase, "the global phase"))
        for instruction in definition.data:
            if isinstance(instruction.operation, import_module("qiskit.circuit").Barrier):
                continue
            part = self._matrix_of_all(instruction.operation)
            if part is None:
                return None
            total = applied(part, total, [definition.find_bit(qubit).index for qubit in instruction.qubits])
        return total


def _key(operation: Any) -> Any:
    """Return a key that only operations with equal definitions and matrices share."""
    # Each gate without angles has its own class, which belongs to no module.
    module = str(getattr(operation, "base_class", type(operation)).__module__)
    params = getattr(operation, "params", [])
    if getattr(operation, "_condition", None) is None and all(isinstance(angle, int | float) for angle in params):
        if module.startswith("qiskit.circuit.library.standard_gates."):
            return type(operation), operation.name, operation.num_qubits, getattr(operation, "ctrl_state", 0), *params
        if module == "qiskit.qasm2.parse" and hasattr(operation, "_gates"):
            return operation.name, id(operation._gates), *params
    return id(operation)


def _controlled(inner: Matrix, controls: int, state: int) -> Matrix:
    """Return the matrix of a gate with controls; the first is the lowest bit of `state`."""
    size = len(inner)
    first = int(format(state, f"0{controls}b")[::-1], 2) * size
    whole = np.eye(size << controls, dtype=np.complex128)
    whole[first : first + size, first : first + size] = inner
    return whole


def _evolved(operation: Any) -> Matrix:
    """Return the matrix of a `PauliEvolutionGate`, which old versions of Qiskit lack."""
    total: Matrix = np.eye(2**operation.num_qubits, dtype=np.complex128)
    operators = operation.operator if isinstance(operation.operator, list) else [operation.operator]
    for operator in operators:
        generator = -1j * _number(operation.time, "the time") * operator.to_matrix()
        total = import_module("scipy.linalg").expm(generator) @ total
    return total


def _repeated(gate: Any, power: int) -> Any:
    """Return the gate repeated `power` times; its inverse if `power` is negative."""
    repeated = import_module("qiskit").QuantumCircuit(gate.num_qubits)
    for _ in range(abs(power)):
        repeated.append(gate if power > 0 else gate.inverse(), range(gate.num_qubits))
    return repeated.to_gate()


@cache
def _standard_classes() -> dict[str, Any]:
    """Return Qiskit's classes of the gates that Qorpus has, by Qiskit's names."""
    known = import_module("qiskit.circuit.library").get_standard_gate_name_mapping()
    return {name: known[name].base_class for name in _FROM_QISKIT if name in known}


def _number(value: Any, of: str) -> float:
    try:
        return float(value)
    except TypeError as error:
        remedy = "bind it first, for example with assign_parameters"
        raise InvalidArgument(f"{of} has the parameter '{value}' without a value; {remedy}") from error


def target_of(value: Any, has_tableaus: bool) -> Any:
    """Return what `find` takes in place of an object of Qiskit; other values as they are.

    A `Clifford`, a `LinearFunction` and a permutation become arrays where tableaus are compared, and
    circuits elsewhere. A circuit becomes letters.
    """
    if type(value).__module__.partition(".")[0] != "qiskit":
        return value
    qiskit = import_module("qiskit")
    library_of_gates, information = import_module("qiskit.circuit.library"), import_module("qiskit.quantum_info")
    if isinstance(value, information.Clifford):
        return np.array(value.tableau, dtype=bool) if has_tableaus else _letters(value.to_circuit())
    if isinstance(value, (library_of_gates.LinearFunction, library_of_gates.PermutationGate)):
        if not has_tableaus:
            circuit = qiskit.QuantumCircuit(value.num_qubits)
            circuit.append(value, range(value.num_qubits))
            return _letters(circuit)
        if isinstance(value, library_of_gates.PermutationGate):
            return np.array(value.pattern, dtype=np.int64)
        return np.array(value.linear, dtype=bool)
    return _letters(value) if isinstance(value, qiskit.QuantumCircuit) else value


def _letters(circuit: QuantumCircuit) -> tuple[str, ...]:
    """Return the letters of a circuit whose global phase may be dropped where it does not count."""
    return tuple(from_qiskit(circuit, ignore_phase=True))
