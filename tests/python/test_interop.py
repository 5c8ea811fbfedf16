"""Circuits of other libraries become letters with the same unitary, or are refused with a
reason."""

import pickle
from pathlib import Path
from random import Random

import numpy as np
import pytest

pytest.importorskip("qiskit")
pytest.importorskip("cirq")
pytest.importorskip("bqskit")

import bqskit
import bqskit.ir.gates as bq
import cirq
import sympy
from qiskit import QuantumCircuit, QuantumRegister
from qiskit.circuit import ClassicalRegister, Gate, Parameter
from qiskit.circuit import library as ql
from qiskit.circuit.classical import expr, types
from qiskit.circuit.library import PauliEvolutionGate, get_standard_gate_name_mapping
from qiskit.quantum_info import Operator, SparsePauliOp, random_clifford
from qiskit.synthesis import QDrift, SuzukiTrotter
from test_circuits import OWN, of_bqskit, of_cirq, of_qiskit, same, unitary

import qorpus
from qorpus.errors import InvalidArgument, WrongType

# The oracle warns: Qiskit exponentiates sparse matrices so.
pytestmark = pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")

HEAD = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
HEAD3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
CIRCUITS = 40


# Random circuits of the libraries' own gates.


def qiskit_gates(random):
    gates = []
    for name, gate in get_standard_gate_name_mapping().items():
        if gate.num_qubits in (1, 2, 3) and name not in ("measure", "reset", "delay"):
            gates.append(type(gate)(*(random.uniform(-4, 4) for _ in gate.params)) if gate.params else gate)
    angles = [random.uniform(-4, 4) for _ in range(4)]
    return [
        *gates,
        *(
            ql.RZZGate(angles[0]).control(1, annotated=False),
            ql.UGate(*angles[:3]).control(2, ctrl_state=1, annotated=False),
            ql.MCXGate(2, ctrl_state=2),
        ),
        *(
            ql.SwapGate().control(1, ctrl_state=0, annotated=False),
            ql.MCPhaseGate(angles[1], 2),
            ql.iSwapGate().inverse(),
        ),
        *(ql.UnitaryGate(np.diag(np.exp(1j * np.array(angles)))), PauliEvolutionGate(SparsePauliOp(["ZZ"]), angles[2])),
    ]


def cirq_gates(random):
    a, b, c = (random.uniform(-2, 2) for _ in range(3))
    return [
        *(cirq.X**a, cirq.Y**b, cirq.Z**c, cirq.H**a, cirq.PhasedXPowGate(phase_exponent=a, exponent=b)),
        *(cirq.CX**a, cirq.CZ**b, cirq.SWAP**c, cirq.ISWAP**a, cirq.XX**b, cirq.YY**c, cirq.ZZ**a, cirq.SQRT_ISWAP),
        *(cirq.FSimGate(a, b), cirq.PhasedISwapPowGate(phase_exponent=a, exponent=b), cirq.givens(c), cirq.ms(a)),
        *(
            cirq.CCX,
            cirq.CCZ,
            cirq.CCX**a,
            cirq.CCZ**b,
            cirq.CSWAP,
            cirq.ThreeQubitDiagonalGate([a, b, c] * 2 + [0, 1]),
        ),
        *(cirq.ControlledGate(cirq.Y**a, control_values=[0]), cirq.ControlledGate(cirq.SWAP, control_values=[0])),
        *(cirq.TwoQubitDiagonalGate([a, b, c, 0]), cirq.ControlledGate(cirq.H**b, num_controls=2), cirq.CX**2),
        *(
            cirq.QuantumFourierTransformGate(3),
            cirq.riswap(a),
            cirq.cphase(b),
            cirq.MatrixGate(cirq.unitary(cirq.ry(a))),
        ),
        *(cirq.ControlledGate(cirq.ISWAP**a, control_values=[0]), cirq.PhaseGradientGate(num_qubits=3, exponent=a)),
    ]


def bqskit_gates():
    """Return the gates on one to three qubits; random angles are the caller's."""
    return [
        *(bq.RZZGate(), bq.RXXGate(), bq.RYYGate(), bq.CCPGate(), bq.CUGate(), bq.FSIMGate(), bq.SqrtISwapGate()),
        *(bq.SycamoreGate(), bq.ECRGate(), bq.IToffoliGate(), bq.MargolusGate(), bq.XXGate(), bq.YYGate(), bq.ZZGate()),
        *(bq.CSGate(), bq.CTGate(), bq.DiagonalGate(2), bq.MPRYGate(3)),
        *(bq.MPRZGate(3), bq.U2Gate(), bq.U1qGate(), bq.PhasedXZGate(), bq.BGate()),
        *(bq.ControlledGate(bq.U3Gate()), bq.ControlledGate(bq.XGate(), 1, [2], [0]), bq.IdentityGate(2)),
        *(bq.ControlledGate(bq.XGate(), 2, [2, 2], [[0], [1]]), bq.ControlledGate(bq.U3Gate(), 2), bq.PauliZGate(2)),
        *(bq.DaggerGate(bq.RZZGate()), bq.FrozenParameterGate(bq.U3Gate(), {0: 0.5}), bq.ControlledGate(bq.SwapGate())),
        bq.ControlledGate(bq.SwapGate(), 1, [2], [0]),
    ]


def random_qiskit(random):
    built = QuantumCircuit(3)
    for gate in random.choices(qiskit_gates(random), k=6):
        built.append(gate, random.sample(range(3), gate.num_qubits))
    return built, of_qiskit(built), qorpus.from_qiskit


def random_cirq(random):
    line = cirq.LineQubit.range(3)
    gates = random.choices(cirq_gates(random), k=6)
    built = cirq.Circuit(gate(*random.sample(line, cirq.num_qubits(gate))) for gate in gates)
    return built, of_cirq(built, 3), qorpus.from_cirq


def random_bqskit(random):
    built = bqskit.Circuit(3)
    for gate in random.choices(bqskit_gates(), k=6):
        angles = [random.uniform(-3, 3) for _ in range(gate.num_params)]
        built.append_gate(gate, random.sample(range(3), gate.num_qudits), angles)
    return built, of_bqskit(built), qorpus.from_bqskit


def test_random_circuits_of_the_libraries_gates():
    for make in (random_qiskit, random_cirq, random_bqskit):
        agreeing = 0
        for seed in range(CIRCUITS):
            built, expected, read = make(Random(seed))
            try:
                letters = read(built, ignore_phase=True)
            except InvalidArgument as error:
                assert "is not a gate of Qorpus and has no exact decomposition" in str(error), error
                continue
            found = unitary(letters, 3)
            turn = np.vdot(found, expected)
            assert same(found * turn / abs(turn), expected), (make, seed)
            agreeing += 1
            # Without that permission the phase is there, too.
            try:
                exactly = read(built)
            except InvalidArgument as error:
                assert "global phase" in str(error), error
            else:
                assert same(unitary(exactly, 3), expected), (make, seed)
        assert agreeing >= CIRCUITS * 3 // 4, (make, agreeing)


@pytest.mark.parametrize("library", ["qiskit", "cirq", "bqskit"])
def test_each_gate_of_a_library_becomes_letters(library):
    """Each, but those that no rule decomposes exactly."""
    random, refused = Random(7), []
    if library == "bqskit":
        gates = [(gate, gate.num_qudits) for gate in bqskit_gates()]
    elif library == "cirq":
        gates = [(gate, cirq.num_qubits(gate)) for gate in cirq_gates(random)]
    else:
        gates = [(gate, gate.num_qubits) for gate in qiskit_gates(random)]
    for gate, qubits in gates:
        places = random.sample(range(3), qubits)
        if library == "bqskit":
            built = bqskit.Circuit(3)
            built.append_gate(gate, places, [random.uniform(-3, 3) for _ in range(gate.num_params)])
            expected, read = of_bqskit(built), qorpus.from_bqskit
        elif library == "cirq":
            built = cirq.Circuit(gate(*(cirq.LineQubit(place) for place in places)))
            expected, read = of_cirq(built, 3), qorpus.from_cirq
        else:
            built = QuantumCircuit(3)
            built.append(gate, places)
            expected, read = of_qiskit(built), qorpus.from_qiskit
        try:
            letters = read(built, ignore_phase=True)
        except InvalidArgument:
            refused.append(str(gate))
            continue
        used = max((int(place) for letter in letters for place in letter.split(" ")[1:]), default=0)
        assert used <= max(places)
        assert abs(abs(np.vdot(unitary(letters, 3), expected)) / 8 - 1) < 1e-12, gate
    assert len(refused) <= 2, refused


# A gate's matrix and its definition.


def evolution(synthesis=None, time=1.0, terms=("ZZ", "XI", "IX")):
    return PauliEvolutionGate(SparsePauliOp(list(terms), [1, 0.7, 0.7][: len(terms)]), time, synthesis=synthesis)


class Both(Gate):
    """A user's gate, whose matrix is x, and whose definition is x or is not."""

    def __init__(self, right):
        super().__init__("both", 1, [])
        self.right = right

    def _define(self):
        self.definition = QuantumCircuit(1)
        (self.definition.x if self.right else self.definition.z)(0)

    def __array__(self, dtype=None, copy=None):
        return np.array([[0, 1], [1, 0]], dtype=dtype or complex)


def composed(gate):
    built = QuantumCircuit(gate.num_qubits, name="composed")
    built.append(gate, range(gate.num_qubits))
    return built.to_gate()


NOT_THEIR_MATRIX = [
    evolution(),
    evolution(SuzukiTrotter(order=2, reps=2)),
    evolution(QDrift(reps=3, seed=1)),
    evolution().inverse(),
    evolution().control(1, annotated=False),
    evolution().control(2, ctrl_state=1, annotated=False),
    evolution().inverse().control(1, annotated=False),
    composed(evolution()),
    composed(composed(evolution().control(1, annotated=False))),
    evolution(terms=("ZZZZZZZZ", "XIIIIIII")),
    Both(False),
    Both(False).control(1, annotated=False),
    composed(Both(False)),
]


@pytest.mark.parametrize("gate", NOT_THEIR_MATRIX, ids=range(len(NOT_THEIR_MATRIX)))
def test_definitions_that_are_not_the_matrix_are_refused(gate):
    built = QuantumCircuit(gate.num_qubits)
    built.h(0)
    built.append(gate, range(gate.num_qubits))
    with pytest.raises(InvalidArgument, match="has a definition that is not its matrix: their entries differ by up to"):
        qorpus.from_qiskit(built, ignore_phase=True)


@pytest.mark.parametrize(
    "gate",
    [
        evolution(terms=("ZZ", "IZ")),
        evolution(terms=("ZZ", "IZ")).control(1, annotated=False),
        Both(True),
        Both(True).control(2, annotated=False),
        composed(Both(True)),
    ],
)
def test_definitions_that_are_the_matrix_become_letters(gate):
    built = QuantumCircuit(gate.num_qubits)
    built.append(gate, range(gate.num_qubits)[::-1])
    assert same(unitary(qorpus.from_qiskit(built), gate.num_qubits), of_qiskit(built))


def test_annotated_operations():
    built = QuantumCircuit(3)
    built.append(ql.SXGate().control(1, annotated=True), [0, 2])
    built.append(ql.RZZGate(0.3).inverse(annotated=True), [1, 2])
    built.append(ql.TGate().power(3, annotated=True), [1])
    assert same(unitary(qorpus.from_qiskit(built), 3), of_qiskit(built))
    built.append(evolution().control(1, annotated=True), [0, 1, 2])
    with pytest.raises(InvalidArgument, match="not its matrix"):
        qorpus.from_qiskit(built)


def test_a_gate_that_occurs_often_is_read_once(monkeypatch):
    counted = []
    gate = Both(True)
    monkeypatch.setattr(
        Both, "__array__", lambda *_, **__: counted.append(1) or np.array([[0, 1], [1, 0]], dtype=complex)
    )
    built = QuantumCircuit(1)
    for _ in range(50):
        built.append(gate, [0], copy=False)
    assert len(qorpus.from_qiskit(built)) == 50 and len(counted) == 1


# Measurements at the end, and qubits that no letter acts on.


def measured():
    """Return one circuit in each library: 20 qubits, of which gates act on 3 and 17."""
    text = "h q[3]; cx q[3],q[17]; barrier q; measure q[3] -> c[0]; measure q[17] -> c[1];"
    bits = QuantumCircuit(20, 2)
    bits.h(3)
    bits.cx(3, 17)
    bits.barrier()
    bits.measure([3, 17], [0, 1])
    line = cirq.LineQubit.range(20)
    kept = bqskit.Circuit(20)
    kept.append_gate(bq.HGate(), 3)
    kept.append_gate(bq.CXGate(), (3, 17))
    kept.append_gate(bq.BarrierPlaceholder(20), range(20))
    kept.append_gate(bq.MeasurementPlaceholder([("c", 2)], {3: ("c", 0), 17: ("c", 1)}), (3, 17))
    return [
        (qorpus.from_qiskit, bits),
        (
            qorpus.from_cirq,
            cirq.Circuit(cirq.H(line[3]), cirq.CNOT(line[3], line[17]), cirq.measure(line[3], line[17], key="c")),
        ),
        (qorpus.from_bqskit, kept),
        (qorpus.from_qasm2, f"{HEAD}qreg q[20]; creg c[2]; {text}"),
        (qorpus.from_qasm3, f"{HEAD3}qubit[20] q; bit[2] c; h q[3]; cx q[3],q[17]; barrier q; c[0] = measure q[3];"),
    ]


@pytest.mark.parametrize(("read", "circuit"), measured(), ids=[read.__name__ for read, _ in measured()])
def test_final_measurements_and_idle_qubits_are_left_out_on_request(read, circuit):
    found = read(circuit, final_measurements="drop", idle_qubits="drop")
    assert found == ("h 0", "cx 0 1") and found.qubits == (3, 17)
    with pytest.raises(InvalidArgument, match="measure.* on qubits? 3.* has no unitary; pass final_measurements="):
        read(circuit, idle_qubits="drop")
    with pytest.raises(InvalidArgument, match='idle_qubits="drop"'):
        read(circuit, final_measurements="drop")
    for name in ("final_measurements", "idle_qubits"):
        with pytest.raises(InvalidArgument, match=f'{name} is \'keep\'; it must be "refuse" or "drop"'):
            read(circuit, **{name: "keep"})


def test_measurements_in_the_middle_stay_refused():
    drop = {"final_measurements": "drop", "idle_qubits": "drop"}
    a, b = cirq.LineQubit.range(2)
    middle = bqskit.Circuit(1)
    middle.append_gate(bq.MeasurementPlaceholder([("c", 1)], {0: ("c", 0)}), (0,))
    middle.append_gate(bq.XGate(), 0)
    for read, circuit in [
        (qorpus.from_qasm2, HEAD + "qreg q[2]; creg c[2]; measure q[1] -> c[0]; barrier q; h q[1];"),
        (qorpus.from_qasm2, HEAD + "qreg q[2]; creg c[2]; h q; measure q -> c; cx q[0],q[1];"),
        (qorpus.from_qasm3, HEAD3 + "qubit q; bit c; c = measure q; x q;"),
        (qorpus.from_cirq, cirq.Circuit(cirq.measure(a, key="m"), cirq.CX(b, a))),
        (qorpus.from_bqskit, middle),
    ]:
        with pytest.raises(InvalidArgument, match="is not final: '.*' follows; a measurement in the middle"):
            read(circuit, **drop)
    for text in ["if (c == 1) x q[1];", "reset q[0];", "reset q[1];"]:
        with pytest.raises(InvalidArgument, match="has no unitary"):
            qorpus.from_qasm2(f"{HEAD}qreg q[2]; creg c[1]; measure q[0] -> c[0]; {text}", **drop)
    with pytest.raises(InvalidArgument, match="has no unitary"):
        qorpus.from_cirq(cirq.Circuit(cirq.measure(a, key="m"), cirq.X(b).with_classical_controls("m")), **drop)
    with pytest.raises(InvalidArgument, match="gates act on 17 qubits; at most 16"):
        qorpus.from_qasm2(f"{HEAD}qreg q[20]; {' '.join(f'h q[{place}];' for place in range(17))}", **drop)


def test_imported_letters_are_a_tuple_that_knows_its_qubits():
    found = qorpus.from_qasm2(HEAD + "qreg a[2]; qreg b[3]; cx b[2],a[1];")
    assert found == ("cx 4 1",) and isinstance(found, tuple) and found.qubits == (0, 1, 2, 3, 4)
    found = qorpus.from_qasm2(HEAD + "qreg a[2]; qreg b[3]; cx b[2],a[1];", idle_qubits="drop")
    assert found == ("cx 1 0",) and found.qubits == (1, 4)
    again = pickle.loads(pickle.dumps(found))
    assert again == found and again.qubits == found.qubits
    assert qorpus.to_qasm2(found, len(found.qubits)).endswith("cx q[1], q[0];\n")
    empty = qorpus.from_qiskit(QuantumCircuit(12), idle_qubits="drop")
    assert empty == () and empty.qubits == ()


# Identities.


def test_identities_on_several_qubits_add_no_letter():
    q = cirq.LineQubit.range(3)
    several = [cirq.CX**2, cirq.SWAP**2, cirq.ISWAP**4, cirq.IdentityGate(2), cirq.MatrixGate(np.eye(4)), cirq.CZ**2]
    for gate in [*several, cirq.CZ**0, cirq.IdentityGate(3), cirq.CCX**2, cirq.ControlledGate(cirq.X**2)]:
        assert qorpus.from_cirq(cirq.Circuit(gate(*q[: cirq.num_qubits(gate)]))) == (), gate
    assert qorpus.from_cirq(cirq.Circuit((cirq.X**2)(q[0]))) == ("id 0",)
    built = QuantumCircuit(3)
    built.cp(0, 0, 1)
    built.rzz(0, 1, 2)
    built.unitary(np.eye(8), [0, 1, 2])
    built.crx(4 * np.pi, 0, 2)
    built.id(1)
    assert qorpus.from_qiskit(built) == ("id 1",) or same(unitary(qorpus.from_qiskit(built), 3), np.eye(8))
    kept = bqskit.Circuit(2)
    kept.append_gate(bq.IdentityGate(2), (0, 1))
    kept.append_gate(bq.CPGate(), (0, 1), [0.0])
    kept.append_gate(bq.RZZGate(), (1, 0), [0.0])
    assert qorpus.from_bqskit(kept) == ()


# Order.


def test_qubits_without_an_order_are_refused():
    a, b = cirq.NamedQubit("a"), cirq.NamedQubit("b")
    circuit = cirq.Circuit(cirq.CNOT(a, b))
    places = {a: 0, b: 1}
    for qubits in [{a, b}, frozenset([a, b]), circuit.all_qubits(), places, places.keys(), iter({a, b})]:
        with pytest.raises(WrongType, match="the order of qubits matters, and a .* may have none; pass a list"):
            qorpus.from_cirq(circuit, qubits)
    for qubits in [[a, b, a], (b, a, b), [a, a, b]]:
        with pytest.raises(InvalidArgument, match="names cirq.NamedQubit.* twice"):
            qorpus.from_cirq(circuit, qubits)
    assert qorpus.from_cirq(circuit, (b, a)) == qorpus.from_cirq(circuit, np.array([b, a])) == ("cx 1 0",)


# Boxes, loops, and what has no unitary.


def test_boxes_and_loops_over_numbers_are_their_bodies():
    built, angle = QuantumCircuit(2), Parameter("angle")
    with built.box():
        built.t(0)
        built.cx(1, 0)
    with built.for_loop(range(3)):
        built.s(1)
    with built.for_loop((1, 4), angle):
        built.rx(angle, 0)
    assert qorpus.from_qiskit(built) == ("t 0", "cx 1 0", "s 1", "s 1", "s 1", "rx(1.0) 0", "rx(4.0) 0")


def without_unitary(add, qubits=2):
    built = QuantumCircuit(QuantumRegister(qubits), ClassicalRegister(1, "c"))
    add(built)
    return built


def while_loop(built):
    with built.while_loop((built.clbits[0], 1)):
        built.x(1)


def switch(built):
    with built.switch(built.clbits[0]) as case, case(0):
        built.x(1)


def breaking(built):
    with built.for_loop(range(2)):
        built.x(1)
        built.break_loop()


@pytest.mark.parametrize(
    ("circuit", "reason"),
    [
        (without_unitary(while_loop), "'while_loop' on qubit 1 has no unitary"),
        (without_unitary(switch), "'switch_case' on qubit 1 has no unitary"),
        (without_unitary(breaking), "'break_loop' on qubit 1 has no unitary"),
        (without_unitary(lambda built: built.add_var("v", expr.lift(5, types.Uint(8)))), "'store' on no qubit"),
        (
            without_unitary(lambda built: built.append(Gate("secret", 2, []), [1, 0])),
            "'secret' on qubits 1, 0 is opaque",
        ),
    ],
)
def test_messages_name_the_operation_and_its_qubits(circuit, reason):
    with pytest.raises(InvalidArgument) as caught:
        qorpus.from_qiskit(circuit)
    assert reason in str(caught.value)


# Any input.


@pytest.mark.parametrize("function", ["from_qiskit", "from_cirq", "from_bqskit", "from_qasm2", "from_qasm3"])
@pytest.mark.parametrize("value", [None, 7, [], b"OPENQASM 3.0;", Path("a.qasm"), object(), ["h 0"], {"h 0"}])
def test_other_objects_are_refused(function, value):
    with pytest.raises(WrongType, match=f"{function} takes a .*, not ") as caught:
        getattr(qorpus, function)(value)
    assert isinstance(caught.value, qorpus.Error) and isinstance(caught.value, TypeError)


def test_circuits_of_another_library_are_refused():
    with pytest.raises(WrongType, match=r"from_cirq takes a cirq.Circuit, not a QuantumCircuit"):
        qorpus.from_cirq(QuantumCircuit(1))
    with pytest.raises(WrongType, match=r"from_bqskit takes a bqskit.ir.Circuit, not a Circuit"):
        qorpus.from_bqskit(cirq.Circuit())


class Failing(Gate):
    def __init__(self, error):
        super().__init__("failing", 1, [])
        self.error = error

    def _define(self):
        raise self.error


@pytest.mark.parametrize("error", [KeyError("x"), ZeroDivisionError(), IndexError("far away"), RecursionError()])
def test_a_gate_that_raises_anything(error):
    built = QuantumCircuit(1)
    built.append(Failing(error), [0])
    with pytest.raises(InvalidArgument, match="Qiskit cannot read the circuit: .*[A-Z]|nests definitions"):
        qorpus.from_qiskit(built)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the text is empty"),
        ("  \n", "the text is empty"),
        (HEAD3 + "qubit q; rx(1/0) q;", "line 3, column .*ZeroDivisionError"),
        (HEAD3 + "qubit[2] q; h q[5];", "line 3, column .*out of range"),
        (HEAD3 + "qubit[2] q; for int i in [0:1] { h q[i]; }", "line 3, column "),
        (HEAD3 + "qubit[2] q; cx q[0];", "does not match the gate expectation"),
        (HEAD3 + "qubit[2] q; cx q[0],q[0];", "duplicate"),
        (HEAD3 + "qubit[-1] q;", "non-negative"),
        (HEAD3 + "qubit[2] q; ctrl(-1) @ x q[0];", "line 3, column "),
        (HEAD3 + "bit[2] c; qubit q; c[5] = measure q;", "line 3, column .*out of range"),
        (HEAD3 + "qubit[2] q; let a = q[5:9]; h a[0];", "out of range"),
        (HEAD3 + f"qubit q; rz({'(' * 500}1{')' * 500}) q;", "nests definitions or expressions too deeply"),
        (HEAD3 + "qubit q; h q", "line 3, column 13: unexpected end of the text"),
        (HEAD3 + "gate g a { h a;", "line 3, column 16: unexpected end of the text"),
        (HEAD3 + "qubit if;", "line 3, column 7: unexpected 'if'"),
        (HEAD3 + "qubit q; \ud800", "half of a surrogate pair"),
        ("hello world", "line 1, column 12: unexpected end of the text"),
        ("programs/a.qasm", "is the path of a file"),
    ],
)
def test_texts_that_are_not_openqasm_3(text, reason, capfd):
    with pytest.raises(InvalidArgument, match=reason):
        qorpus.from_qasm3(text)
    assert capfd.readouterr() == ("", "")


def test_numbers_of_sympy_are_numbers():
    q = cirq.LineQubit.range(2)
    built = cirq.Circuit(
        cirq.rx(sympy.pi / 3)(q[0]), cirq.CZ(*q) ** sympy.Rational(1, 4), cirq.X(q[1]) ** sympy.Integer(1)
    )
    assert qorpus.from_cirq(built) == ("rx(pi/3) 0", "cp(pi/4) 0 1", "x 1")
    with pytest.raises(
        InvalidArgument, match="parameters without values; resolve them first, for example with cirq.resolve_parameters"
    ):
        qorpus.from_cirq(cirq.Circuit(cirq.rx(sympy.pi * sympy.Symbol("a"))(q[0])))


class MatrixOnly(cirq.Gate):
    """A user's gate that Cirq does not decompose either."""

    def _num_qubits_(self):
        return 2

    def _unitary_(self):
        return OWN["two"]


def test_messages_name_the_functions_of_the_libraries():
    q = cirq.LineQubit.range(2)
    kept, built = bqskit.Circuit(2), QuantumCircuit(2)
    kept.append_gate(bq.ConstantUnitaryGate(OWN["two"]), (0, 1))
    built.unitary(OWN["two"], [0, 1])
    for read, circuit, function in [
        (qorpus.from_cirq, cirq.Circuit(MatrixOnly()(*q)), "cirq.optimize_for_target_gateset"),
        (qorpus.from_bqskit, kept, "bqskit.compile"),
        (qorpus.from_qiskit, built, "qiskit.transpile"),
    ]:
        with pytest.raises(InvalidArgument, match=function):
            read(circuit)
    import qiskit

    transpiled = qiskit.transpile(built, basis_gates=["u3", "cx"])
    assert (
        abs(abs(np.vdot(unitary(qorpus.from_qiskit(transpiled, ignore_phase=True), 2), of_qiskit(built))) / 4 - 1)
        < 1e-9
    )


def test_operators_agree_on_more_controls():
    q = cirq.LineQubit.range(5)
    built = cirq.Circuit(cirq.X(q[4]).controlled_by(*q[:4], control_values=[1, 0, 1, 1]))
    assert same(unitary(qorpus.from_cirq(built), 5), of_cirq(built, 5))
    wide = QuantumCircuit(6)
    wide.append(ql.UGate(1, 2, 3).control(5, ctrl_state=19, annotated=False), range(6))
    assert same(unitary(qorpus.from_qiskit(wide), 6), Operator(wide.reverse_bits()).data)


def test_permutations_become_swaps():
    for order in ([2, 0, 1], [4, 2, 0, 1, 3], [0, 2, 1]):
        circuit = QuantumCircuit(len(order))
        circuit.append(ql.PermutationGate(order), range(len(order)))
        letters = qorpus.from_qiskit(circuit)
        assert {letter.split()[0] for letter in letters} == {"swap"} and len(letters) < len(order)
        np.testing.assert_array_equal(unitary(letters, len(order)), of_qiskit(circuit))


def test_cliffords_of_qiskit_become_their_circuits():
    for seed in range(5):
        circuit = QuantumCircuit(3)
        circuit.append(random_clifford(3, seed=seed), [2, 0, 1])
        made = unitary(qorpus.from_qiskit(circuit), 3)
        np.testing.assert_allclose(made, of_qiskit(circuit), atol=1e-12)


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [(np.eye(4), r"shape \(4, 4\), not \(2, 2\)"), (np.diag([1, 2]), "not unitary.* is 3;"), (None, "opaque")],
)
def test_a_gate_of_cirq_that_says_nothing_right_is_refused(matrix, reason):
    class Mine(cirq.Gate):
        def _num_qubits_(self):
            return 1

        def _unitary_(self):
            return NotImplemented if matrix is None else matrix

    with pytest.raises(qorpus.InvalidArgument, match=f"^'Mine' on qubit 0 .*{reason}"):
        qorpus.from_cirq(cirq.Circuit(Mine()(cirq.LineQubit(0))))


def test_operations_of_cirq_are_named_in_one_line():
    line = cirq.LineQubit.range(2)
    part = cirq.CircuitOperation(cirq.FrozenCircuit(cirq.H(line[0]), cirq.measure(line[0], key="m")))
    again = part.replace(use_repetition_ids=False, repeat_until=cirq.KeyCondition(cirq.MeasurementKey("m")))
    for operation in (again, cirq.KrausChannel([np.eye(2)])(line[0]), cirq.X(line[1]).with_classical_controls("m")):
        with pytest.raises(qorpus.InvalidArgument, match="has no unitary") as refused:
            qorpus.from_cirq(cirq.Circuit(operation))
        assert "\n" not in str(refused.value)


def test_an_order_of_cirq_is_an_order():
    a, b = cirq.NamedQubit("a"), cirq.NamedQubit("b")
    circuit = cirq.Circuit(cirq.CX(a, b))
    assert qorpus.from_cirq(circuit, cirq.QubitOrder.explicit([b, a])) == ("cx 1 0",)
    assert qorpus.from_cirq(circuit, cirq.QubitOrder.DEFAULT) == ("cx 0 1",)
    with pytest.raises(qorpus.InvalidArgument, match=r"does not name cirq.NamedQubit\('b'\)"):
        qorpus.from_cirq(circuit, [a])


def test_qudits_are_refused_also_idle_ones():
    mixed = bqskit.ir.Circuit(2, [2, 3])
    mixed.append_gate(bqskit.ir.gates.HGate(), 0)
    with pytest.raises(qorpus.InvalidArgument, match="2, 3 levels"):
        qorpus.from_bqskit(mixed)
    with pytest.raises(qorpus.InvalidArgument, match="3 levels"):
        qorpus.from_cirq(cirq.Circuit(cirq.XPowGate(dimension=3)(cirq.LineQid(0, 3))))


def test_advice_about_measurements_is_right():
    """Only measurements that no gate follows can be left out."""
    head = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; creg c[1]; measure q -> c; '
    with pytest.raises(qorpus.InvalidArgument, match="pass final_measurements"):
        qorpus.from_qasm2(head)
    with pytest.raises(qorpus.InvalidArgument, match="'h' follows") as refused:
        qorpus.from_qasm2(head + "h q[0];")
    assert "final_measurements" not in str(refused.value)


def test_programs_with_a_byte_order_mark_or_of_the_other_version():
    two = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; h q[0];'
    three = '// a comment\nOPENQASM 3.0; include "stdgates.inc"; qubit q; h q;'
    assert qorpus.from_qasm2("\ufeff" + two) == qorpus.from_qasm3("\ufeff" + three) == ("h 0",)
    with pytest.raises(qorpus.InvalidArgument, match="pass it to from_qasm3"):
        qorpus.from_qasm2(three)
    with pytest.raises(qorpus.InvalidArgument, match="pass it to from_qasm2"):
        qorpus.from_qasm3(two)
