"""Conversions to and from Qiskit, Cirq, BQSKit and OpenQASM keep the unitary, global phase
included."""

import re
import sys
from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

qiskit = pytest.importorskip("qiskit")
cirq = pytest.importorskip("cirq")
bqskit = pytest.importorskip("bqskit")
sympy = pytest.importorskip("sympy")

import qiskit.qasm2
import qiskit.qasm3
from bqskit.ir.gates import BarrierPlaceholder, CircuitGate, ConstantUnitaryGate, MeasurementPlaceholder
from bqskit.ir.lang.qasm2 import OPENQASM2Language
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CU1Gate, U2Gate, XGate
from qiskit.quantum_info import Operator, random_unitary

import qorpus
from qorpus import interop
from qorpus._qorpus import evaluate, matrix, placed
from qorpus.errors import InvalidArgument
from qorpus._letters import FIXED, TURNING, gate_text

TOLERANCE = 1e-12
PRESETS = ["clifford", "clifford+t", "ht", "nam", "ibm", "rigetti"]
ONE = "id x y z h s sdg t tdg sx sxdg rx(pi/3) ry(-0.7) rz(5) p(2.5*pi) u3(0.3,1.1,-2) u3(pi,0,1) u3(-1,2,3)".split()
TWO = "cx cy cz ch csx swap iswap cp(pi/4) crx(0.3) cry(-5) crz(7*pi/4)".split()
THREE = ["ccx", "cswap"]
PLACED = [*(f"{gate} 2" for gate in ONE), *(f"{gate} 2 0" for gate in TWO), *(f"{gate} 2 0 1" for gate in THREE)]
GATES = {1: ONE, 2: ONE + TWO, 3: ONE + TWO + THREE, 4: ONE + TWO + THREE}
LETTERS = [name.split("(")[0] for name in ONE + TWO + THREE]


def unitary(circuit, qubits, matrices=None):
    """The oracle: products of matrices spread over all qubits, qubit 0 the most significant."""
    total = np.eye(2**qubits, dtype=complex)
    for letter in circuit:
        name, places = re.fullmatch(r"(\S+?(?:\(.*\))?) ([\d ]+)", letter).groups()
        places = [int(place) for place in places.split()]
        gate = np.asarray(matrices[name]) if name in (matrices or {}) else matrix(name)
        width = len(places)
        state = total.reshape([2] * qubits + [2**qubits])
        state = np.tensordot(gate.reshape([2] * (2 * width)), state, (range(width, 2 * width), places))
        total = np.moveaxis(state, range(width), places).reshape(total.shape)
    return total


def of_qiskit(circuit):
    return Operator(circuit.reverse_bits()).data


def of_cirq(circuit, qubits):
    line = cirq.LineQubit.range(qubits)
    return circuit.unitary(qubit_order=line, qubits_that_should_be_present=line)


def of_bqskit(circuit):
    return circuit.get_unitary().numpy


def of_qasm2(text, strict):
    if strict:
        return of_qiskit(qiskit.qasm2.loads(text, strict=True))
    return of_qiskit(QuantumCircuit.from_qasm_str(text))


# Each: out, the unitary of what comes out, and in again.
WAYS = {
    "qiskit": (interop.to_qiskit, lambda out, _: of_qiskit(out), interop.from_qiskit),
    "cirq": (interop.to_cirq, of_cirq, interop.from_cirq),
    "bqskit": (interop.to_bqskit, lambda out, _: of_bqskit(out), interop.from_bqskit),
    "qasm2": (interop.to_qasm2, lambda out, _: of_qasm2(out, True), interop.from_qasm2),
    "qasm3": (interop.to_qasm3, lambda out, _: of_qiskit(qiskit.qasm3.loads(out)), interop.from_qasm3),
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)


def same(a, b):
    return a.shape == b.shape and np.abs(a - b).max() < TOLERANCE


def check(way, circuit, qubits):
    """Out and in again: the same unitary twice; returns the letters that came back."""
    out, unitary_of, back = WAYS[way]
    expected = unitary(circuit, qubits)
    converted = out(circuit, qubits)
    assert same(unitary_of(converted, qubits), expected), circuit
    letters = back(converted)
    assert same(unitary(letters, qubits), expected), (circuit, letters)
    return letters


@EVERY_WAY
@pytest.mark.parametrize("qubits", GATES)
def test_every_gate_on_every_placement(way, qubits):
    """One letter alone; together the placements are asymmetric enough to show any mistake in the
    order of qubits."""
    for record in qorpus.Recipe(gates=GATES[qubits], qubits=qubits, words=True, length=(0, 1)):
        letters = check(way, record.circuit, qubits)
        assert len(letters) == len(record.circuit)
        # Qiskit makes its own gate of OpenQASM 3's id, and Cirq has names for some angles.
        if way in ("qiskit", "bqskit", "qasm2"):
            assert names(letters) == names(record.circuit)


def names(letters):
    return [re.split(r"[( ]", letter)[0] for letter in letters]


def test_the_gates_of_these_tests_are_all_there_are():
    assert set(LETTERS) == {*FIXED, *TURNING} and len(set(LETTERS)) == 29


@EVERY_WAY
@pytest.mark.parametrize("qubits", GATES)
def test_random_circuits_of_all_gates(way, qubits):
    for record in qorpus.Recipe(gates=GATES[qubits], qubits=qubits, random=20, length=(0, 25), seed=3):
        assert same(record.unitary, unitary(record.circuit, qubits))
        check(way, record.circuit, qubits)


@EVERY_WAY
@pytest.mark.parametrize("qubits", GATES)
@pytest.mark.parametrize("preset", PRESETS)
def test_presets_come_back_letter_by_letter(way, preset, qubits):
    """Cirq and BQSKit keep circuits as moments, in which letters on different qubits change
    places."""
    for record in qorpus.Recipe(gates=preset, qubits=qubits, random=10, length=(0, 30), seed=5):
        letters = check(way, record.circuit, qubits)
        if way in ("cirq", "bqskit") and qubits > 1:
            assert sorted(letters) == sorted(record.circuit)
        else:
            assert letters == record.circuit


def test_records_convert_themselves():
    record = qorpus.Recipe(gates="nam", qubits=3, random=1, length=(30, 30), seed=1)[0]
    assert same(of_qiskit(record.to_qiskit()), record.unitary)
    assert same(of_cirq(record.to_cirq(), 3), record.unitary)
    assert same(of_bqskit(record.to_bqskit()), record.unitary)
    assert same(of_qasm2(record.to_qasm2(), True), record.unitary)
    assert same(of_qiskit(qiskit.qasm3.loads(record.to_qasm3())), record.unitary)


# By hand: where circuits take basis states, written with qubit 0 first.
@pytest.mark.parametrize(
    ("circuit", "source", "target"),
    [
        (("x 0",), "000", "100"),
        (("x 0", "cx 0 2"), "000", "101"),
        (("ccx 0 2 1",), "101", "111"),
        (("cswap 1 0 2",), "011", "110"),
    ],
)
def test_qubit_k_is_qubit_k(circuit, source, target):
    column, row = int(source, 2), int(target, 2)
    little_column, little_row = int(source[::-1], 2), int(target[::-1], 2)
    assert Operator(interop.to_qiskit(circuit, 3)).data[little_row, little_column] == pytest.approx(1)
    assert of_cirq(interop.to_cirq(circuit, 3), 3)[row, column] == pytest.approx(1)
    assert of_bqskit(interop.to_bqskit(circuit, 3))[row, column] == pytest.approx(1)
    assert of_qasm2(interop.to_qasm2(circuit, 3), True)[row, column] == pytest.approx(1)


def test_idle_qubits_stay():
    assert interop.to_qiskit((), 4).num_qubits == interop.to_bqskit((), 4).num_qudits == 4
    assert interop.to_qasm2("", 4).endswith("qreg q[4];\n") and interop.to_qasm3([], 4).endswith("qubit[4] q;\n")
    assert interop.from_cirq(interop.to_cirq(("h 3",), 4)) == ("h 3",)


def test_one_gate_a_letter():
    """A letter is one operation in each library, so that gates can be counted there."""
    assert len(interop.to_qiskit(PLACED, 3).data) == len(PLACED)
    assert len(list(interop.to_cirq(PLACED, 3).all_operations())) == len(PLACED)
    assert interop.to_bqskit(PLACED, 3).num_operations == len(PLACED)


@pytest.mark.parametrize("letter", PLACED)
def test_openqasm_2_in_other_parsers(letter):
    """With Qiskit's legacy instructions, in BQSKit, and in Cirq if its parser is there."""
    expected, text = unitary([letter], 3), interop.to_qasm2((letter,), 3)
    assert same(of_qasm2(text, False), expected)
    loads = qiskit.qasm2.loads(text, custom_instructions=qiskit.qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
    assert same(of_qiskit(loads), expected)
    assert same(of_bqskit(OPENQASM2Language().decode(text)), expected)
    pytest.importorskip("ply")
    from cirq.contrib.qasm_import import circuit_from_qasm

    line = [cirq.NamedQubit(f"q_{number}") for number in range(3)]
    found = circuit_from_qasm(text).unitary(qubit_order=line, qubits_that_should_be_present=line)
    # Cirq takes the first angle of u3 modulo 2 pi, which is half its period.
    assert same(found, expected) or letter.startswith("u3(-1")


# Gates of one's own.

TURN = np.exp(0.3j)
OWN = {
    "phase": TURN * np.eye(2),
    "V1": np.array([[1, 1j], [1j, 1]]) / np.sqrt(2),
    "minus": -matrix("u3(1,2,3)"),
    "two": random_unitary(4, seed=1).data,
    "three": random_unitary(8, seed=2).data,
}
OWN_LETTERS = ["h 0", "V1 2", "two 2 0", "phase 1", "three 1 2 0", "minus 0", "two 0 1"]


@pytest.mark.parametrize("way", ["qiskit", "cirq", "bqskit"])
def test_own_gates_become_matrix_gates(way):
    out, unitary_of, _ = WAYS[way]
    converted = out(OWN_LETTERS, 3, OWN)
    assert same(unitary_of(converted, 3), unitary(OWN_LETTERS, 3, OWN))
    drawn = str([operation.gate.name for operation in converted]) if way == "bqskit" else str(converted)
    assert all(name in drawn for name in OWN)


def test_own_gates_on_one_qubit_in_openqasm():
    letters = ["h 0", "V1 1", "phase 0", "minus 1", "V1 0"]
    text = interop.to_qasm3(letters, 2, OWN)
    assert same(of_qiskit(qiskit.qasm3.loads(text)), unitary(letters, 2, OWN))
    letters = ["h 0", "V1 1", "minus 1", "V1 0"]
    text, expected = interop.to_qasm2(letters, 2, OWN), unitary(letters, 2, OWN)
    assert same(of_qasm2(text, True), expected) and same(of_qasm2(text, False), expected)
    assert same(of_bqskit(OPENQASM2Language().decode(text)), expected)
    assert same(unitary(interop.from_qasm2(text), 2), expected)


@pytest.mark.parametrize("name", ["if", "u1", "ecr", "b", "q", "Mine", "_x", "gate", "opaque"])
def test_own_names_that_mean_something_else(name):
    own = {name: matrix("u3(1,2,3)")}
    expected = unitary([f"{name} 1"], 2, own)
    assert same(of_qasm2(interop.to_qasm2((f"{name} 1",), 2, own), True), expected)
    assert same(of_qiskit(qiskit.qasm3.loads(interop.to_qasm3((f"{name} 1",), 2, own))), expected)


@pytest.mark.parametrize(
    ("function", "name", "text"),
    [
        (interop.to_qasm2, "phase", "cannot express the global phase of the gate 'phase', but OpenQASM 3 can"),
        (interop.to_qasm2, "two", "a decomposition of the gate 'two' on 2 qubits"),
        (interop.to_qasm3, "three", "a decomposition of the gate 'three' on 3 qubits"),
    ],
)
def test_own_gates_that_openqasm_cannot_say(function, name, text):
    places = {"phase": "0", "two": "0 1", "three": "0 1 2"}[name]
    with pytest.raises(InvalidArgument, match=re.escape(text)) as caught:
        function((f"{name} {places}",), 3, OWN)
    assert "convert the circuit to Qiskit, Cirq or BQSKit" in str(caught.value)


TO = [interop.to_qiskit, interop.to_cirq, interop.to_bqskit, interop.to_qasm2, interop.to_qasm3]


@pytest.mark.parametrize("to", TO)
@pytest.mark.parametrize(
    ("circuit", "qubits", "text"),
    [
        (("secret 0",), 2, "gate 'secret' is unknown to Qorpus; it needs a matrix"),
        (("h 2",), 2, "'h 2': there is no qubit 2; the qubits are 0 to 1"),
        (("cx 1 1",), 2, "'cx 1 1': qubit 1 is named twice"),
        (("cx 1",), 2, "'cx 1': gate 'cx' acts on 2 qubits, not on 1"),
        (("h",), 2, "'h': gate 'h' acts on 1 qubit, not on 0"),
        (("rz 0",), 2, "gate 'rz': it needs one angle"),
        (("h 0",), 17, "17 qubits are out of range"),
        ((), 17, "17 qubits are out of range"),
        ((), 0, "0 qubits are out of range"),
        (("h 0",), -1, "qubits is -1"),
    ],
)
def test_letters_that_cannot_be(to, circuit, qubits, text):
    with pytest.raises(InvalidArgument, match=re.escape(text)):
        to(circuit, qubits)


@pytest.mark.parametrize("to", TO)
def test_circuits_as_people_write_them(to):
    assert str(to(["H 0", " rz( pi/2 ) 0"], 1)) == str(to("h; rz(pi/2)", 1)) == str(to(iter(["h", "rz(pi/2) 0"]), 1))
    for circuit in [7, [7], [("h", 0)]]:
        with pytest.raises(TypeError, match="a circuit must be a string or a sequence of letters"):
            to(circuit, 1)
    with pytest.raises(InvalidArgument, match="not unitary"):
        to(("m 0",), 1, {"m": 2 * np.eye(2)})
    with pytest.raises(InvalidArgument, match="standard gate"):
        to(("h 0",), 1, {"h": np.eye(2)})


# Circuits of the libraries.


def test_qiskit_synonyms_and_definitions():
    inner = QuantumCircuit(2, name="inner", global_phase=0.25)
    inner.cx(1, 0)
    inner.p(0.5, 0)
    middle = QuantumCircuit(3, name="middle", global_phase=-0.25)
    middle.append(inner.to_gate(), [2, 0])
    middle.h(1)
    built = QuantumCircuit(3)
    built.append(middle.to_instruction(), [1, 2, 0])
    built.barrier()
    built.append(U2Gate(0.1, pi / 4), [1])
    built.append(CU1Gate(pi / 8), [2, 0])
    built.u(0.1, 0.2, 0.3, 2)
    built.cx(0, 1, ctrl_state=0)
    built.append(XGate().control(2), [2, 0, 1])
    built.rzz(0.7, 0, 2)
    letters = interop.from_qiskit(built)
    assert letters[:6] == ("cx 1 0", "p(0.5) 0", "h 2", "u3(pi/2,0.1,pi/4) 1", "cp(pi/8) 2 0", "u3(0.1,0.2,0.3) 2")
    assert letters[6:] == ("x 0", "cx 0 1", "x 0", "ccx 2 0 1", "cx 0 2", "rz(0.7) 2", "cx 0 2")
    assert same(unitary(letters, 3), of_qiskit(built))


def test_qiskit_matrices():
    built = QuantumCircuit(3)
    gates = [("cx", [2, 0]), ("crx(0.3)", [1, 2]), ("iswap", [0, 1]), ("u3(0.3,1,2)", [1]), ("ry(pi/5)", [0])]
    for name, places in gates:
        built.unitary(matrix(name), places[::-1])
    letters = interop.from_qiskit(built)
    assert names(letters) == ["cx", "crx", "iswap", "u3", "ry"]
    assert letters[4] == "ry(pi/5) 0"
    assert same(unitary(letters, 3), of_qiskit(built))


def test_names_alone_are_not_believed():
    impostor = QuantumCircuit(1, name="h")
    impostor.t(0)
    built = QuantumCircuit(1)
    built.append(impostor.to_gate(), [0])
    assert interop.from_qiskit(built) == ("t 0",)
    text = 'OPENQASM 3.0; include "stdgates.inc"; gate sxdg a { h a; s a; h a; } qubit q; sxdg q;'
    assert interop.from_qasm3(text) == ("h 0", "s 0", "h 0")


def test_global_phases_are_refused_or_ignored():
    built = QuantumCircuit(1, global_phase=pi / 4)
    built.h(0)
    with pytest.raises(InvalidArgument, match="global phase of 0.785398.*ignore_phase=True"):
        interop.from_qiskit(built)
    assert interop.from_qiskit(built, ignore_phase=True) == ("h 0",)
    built.global_phase = 2 * pi
    assert interop.from_qiskit(built) == ("h 0",)
    q = cirq.LineQubit(0)
    turned = cirq.Circuit(cirq.X(q) ** 0.3)
    with pytest.raises(InvalidArgument, match="global phase"):
        interop.from_cirq(turned)
    assert interop.from_cirq(turned, ignore_phase=True) == ("rx(3*pi/10) 0",)
    assert len(interop.from_cirq(cirq.Circuit(turned, cirq.X(q) ** -0.3))) == 2
    assert interop.from_cirq(cirq.Circuit(cirq.global_phase_operation(1j), turned, cirq.Y(q)), ignore_phase=True)
    own = interop.to_bqskit(("phase 0",), 1, OWN)
    with pytest.raises(InvalidArgument, match="global phase of 0.3"):
        interop.from_bqskit(own)
    assert interop.from_bqskit(own, ignore_phase=True) == ("id 0",)
    with pytest.raises(InvalidArgument, match="global phase"):
        interop.from_qasm3("OPENQASM 3.0; qubit q; gphase(0.5);")
    assert interop.from_qasm3("OPENQASM 3.0; qubit q; gphase(0.5);", ignore_phase=True) == ()


def test_cirq_gates_of_all_sorts():
    a, b, c = cirq.LineQubit.range(3)
    built = cirq.Circuit(
        [cirq.Z(a) ** 0.3, cirq.CZ(a, c) ** 0.25, cirq.S(b).controlled_by(a), cirq.X(a).controlled_by(c)],
        [cirq.H(b).controlled_by(c), cirq.rx(0.3)(a).controlled_by(b), cirq.X(c).with_tags("tagged")],
        cirq.CircuitOperation(cirq.FrozenCircuit(cirq.H(a), cirq.CNOT(b, c)), repetitions=2),
        [cirq.MatrixGate(matrix("cry(1)"))(c, a), cirq.SWAP(a, b).controlled_by(c)],
        [cirq.PhasedXZGate(x_exponent=0, z_exponent=0.25, axis_phase_exponent=0.1)(a)],
    )
    assert same(unitary(interop.from_cirq(built), 3), of_cirq(built, 3))
    grid = cirq.Circuit(cirq.X(cirq.GridQubit(2, 3)), cirq.CNOT(cirq.GridQubit(0, 1), cirq.GridQubit(2, 3)))
    assert interop.from_cirq(grid) == ("x 1", "cx 0 1")
    assert interop.from_cirq(grid, sorted(grid.all_qubits())[::-1]) == ("x 0", "cx 1 0")
    assert interop.from_cirq(cirq.Circuit(cirq.X(cirq.LineQubit(9))), [cirq.LineQubit(9)]) == ("x 0",)


def test_bqskit_blocks_and_barriers():
    inner = interop.to_bqskit(("h 0", "rz(pi/4) 1", "cx 1 0"), 2)
    built = bqskit.Circuit(3)
    built.append_gate(CircuitGate(inner), (2, 0), inner.params)
    built.append_gate(BarrierPlaceholder(3), (0, 1, 2))
    built.append_gate(CircuitGate(inner), (0, 1), inner.params)
    letters = interop.from_bqskit(built)
    assert sorted(letters) == sorted(("h 2", "rz(pi/4) 0", "cx 0 2", "h 0", "rz(pi/4) 1", "cx 1 0"))
    assert same(unitary(letters, 3), of_bqskit(built))
    assert any(isinstance(gate, CircuitGate) for gate in built.gate_set)


def with_gate(add, qubits=2, bits=1):
    built = QuantumCircuit(qubits, bits)
    add(built)
    return built


def if_test(built):
    with built.if_test((0, True)):
        built.x(0)


NOT_QISKIT = [
    (with_gate(lambda built: built.measure(1, 0)), "'measure' on qubit 1 has no unitary"),
    (with_gate(lambda built: built.reset(0)), "'reset' on qubit 0 has no unitary"),
    (with_gate(lambda built: built.initialize([0, 1], 0)), "'reset' on qubit 0 has no unitary"),
    (with_gate(if_test), "'if_else' on qubit 0 has no unitary"),
    (with_gate(lambda built: built.rx(Parameter("angle"), 0)), "'rx' has the parameter 'angle' without a value"),
    (with_gate(lambda built: built.rzz(Parameter("angle"), 0, 1)), "the parameter 'angle' without a value"),
    (with_gate(lambda built: built.unitary(OWN["two"], [0, 1])), "'unitary' on qubits 0, 1 is not a gate of Qorpus"),
    (with_gate(lambda built: built.rx(float("inf"), 0)), "inf is not an angle"),
    (QuantumCircuit(17), "the circuit has 17 qubits; at most 16"),
]


@pytest.mark.parametrize(("built", "text"), NOT_QISKIT, ids=[text for _, text in NOT_QISKIT])
def test_circuits_of_qiskit_without_letters_are_refused(built, text):
    with pytest.raises(InvalidArgument, match=re.escape(text)):
        interop.from_qiskit(built, ignore_phase=True)


class Unnamed(cirq.Gate):
    """A user's gate that Cirq does not decompose either."""

    def _num_qubits_(self):
        return 2

    def _unitary_(self):
        return OWN["two"]

    def __str__(self):
        return "Unnamed"


def test_circuits_of_cirq_without_letters_are_refused():
    a, b, c = cirq.LineQubit.range(3)
    for operations, text in [
        ([cirq.measure(a)], "on qubit 0 has no unitary"),
        ([cirq.reset(b)], "on qubit 1 has no unitary"),
        ([cirq.measure(a, key="m"), cirq.X(b).with_classical_controls("m")], "has no unitary"),
        ([cirq.rx(sympy.Symbol("angle"))(a)], "has parameters without values"),
        ([Unnamed()(a, c)], "'Unnamed' on qubits 0, 2 is not a gate of Qorpus and has no exact decomposition"),
        ([cirq.X(cirq.LineQubit(16))], "is none of the qubits 0 to 15; pass all qubits"),
        ([cirq.IdentityGate(qid_shape=(3,))(cirq.LineQid(0, 3))], "has 3 levels; letters act on qubits"),
    ]:
        with pytest.raises(InvalidArgument, match=re.escape(text)):
            interop.from_cirq(cirq.Circuit(operations), ignore_phase=True)
    with pytest.raises(InvalidArgument, match="name all qubits in order"):
        interop.from_cirq(cirq.Circuit(cirq.X(a), cirq.X(b)), [a])


def test_circuits_of_bqskit_without_letters_are_refused():
    for gate, params, text in [
        (MeasurementPlaceholder([("c", 1)], {0: ("c", 0)}), [], "has no unitary"),
        (ConstantUnitaryGate(OWN["two"]), [], "on qubits 0, 1 is not a gate of Qorpus and has no exact decomposition"),
    ]:
        built = bqskit.Circuit(2)
        built.append_gate(gate, list(range(gate.num_qudits)), params)
        with pytest.raises(InvalidArgument, match=re.escape(text)):
            interop.from_bqskit(built)
    with pytest.raises(InvalidArgument, match="17 qubits"):
        interop.from_bqskit(bqskit.Circuit(17))


def test_texts_that_are_no_openqasm(capfd):
    with pytest.raises(InvalidArgument, match="cannot read the text as OpenQASM 2: .*'foo' is not defined"):
        interop.from_qasm2('OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; foo q[0];')
    with pytest.raises(InvalidArgument, match="unable to find '/etc/passwd'"):
        interop.from_qasm2('OPENQASM 2.0; include "/etc/passwd";')
    with pytest.raises(InvalidArgument, match="cannot read the text as OpenQASM 3: .*foo"):
        interop.from_qasm3("OPENQASM 3.0; foo")
    with pytest.raises(InvalidArgument, match="cannot read the text as OpenQASM 3: .*nosuch"):
        interop.from_qasm3("OPENQASM 3.0; qubit q; nosuch q;")
    with pytest.raises(InvalidArgument, match="'measure' on qubit 0"):
        interop.from_qasm2("OPENQASM 2.0; qreg q[1]; creg c[1]; measure q -> c;")
    assert capfd.readouterr() == ("", "")


def without_torch():
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(qorpus, "torch", raising=False)
        qorpus.Recipe(random=1).torch()


@pytest.mark.parametrize(
    ("module", "call", "text"),
    [
        ("qiskit", lambda: interop.to_qiskit(("h",), 1), "to_qiskit needs Qiskit; pip install qiskit"),
        ("cirq", lambda: interop.to_cirq(("h",), 1), "to_cirq needs Cirq; pip install cirq-core"),
        ("bqskit.ir", lambda: interop.to_bqskit(("h",), 1), "to_bqskit needs BQSKit; pip install bqskit"),
        ("qiskit_qasm3_import", lambda: interop.from_qasm3(""), "pip install qiskit qiskit-qasm3-import"),
        ("qorpus.torch", lambda: without_torch(), r"torch\(\) needs PyTorch; pip install torch"),
        ("ray.data", lambda: qorpus.ray.read(qorpus.Recipe(random=1)), r"qorpus.ray needs Ray; pip install 'ray\[data\]'"),
        ("pyarrow", lambda: qorpus.Rows(["a"], [(1,)]).to_arrow(), "to_arrow needs pyarrow; pip install pyarrow"),
    ],
)
def test_missing_libraries(monkeypatch, module, call, text):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(qorpus.MissingLibrary, match=text) as missing:
        call()
    assert isinstance(missing.value, ImportError)


# Properties.

ANGLES = st.one_of(
    st.floats(-20, 20),
    st.sampled_from([1e-300, -1e-17, 1e-9, pi, 2 * pi, -4 * pi]),
    st.builds(lambda k, d: k * pi / d, st.integers(-256, 256), st.sampled_from([*range(1, 17), 32, 64])),
)


@given(st.one_of(ANGLES, st.floats(allow_nan=False, allow_infinity=False)))
def test_angles_are_written_to_the_last_bits(angle):
    text = gate_text("rz", [angle])[3:-1]
    assert abs(evaluate(text) - angle) <= 1e-15 * abs(angle)


@given(st.integers(1, 16), st.integers(1, 16), st.booleans(), st.sampled_from([-1, 0, 1]))
def test_multiples_of_pi_are_recognised(multiple, divisor, negative, ulps):
    angle = (-multiple if negative else multiple) * pi / divisor
    near = angle + ulps * np.spacing(angle)
    assert "pi" in gate_text("rz", [near])
    assert gate_text("rz", [near]) == gate_text("rz", [angle])


def test_angles_in_the_spelling_of_presets():
    for text in ["rz(-3*pi/4)", "rx(-pi/2)", "rz(pi)", "u3(pi/2,0,pi)", "p(2*pi)", "rz(0)", "rz(0.3)", "rz(1e-09)"]:
        name, angles, _ = placed([text], 1)[0]
        assert gate_text(name, angles) == text


@st.composite
def letters(draw, qubits):
    widths = {**dict.fromkeys(FIXED, 1), **dict.fromkeys(TURNING, 1)}
    widths |= {name: 2 for name in widths if name[0] == "c"} | {"swap": 2, "iswap": 2, "ccx": 3, "cswap": 3}
    name = draw(st.sampled_from([name for name, width in widths.items() if width <= qubits]))
    angles = [draw(ANGLES) for _ in range(3 if name == "u3" else name in TURNING)]
    text = f"{name}({','.join(map(repr, angles))})" if angles else name
    return " ".join([text, *map(str, draw(st.permutations(range(qubits)))[: widths[name]])])


CIRCUITS = st.integers(1, 4).flatmap(lambda qubits: st.tuples(st.lists(letters(qubits), max_size=8), st.just(qubits)))


@EVERY_WAY
@settings(max_examples=60, deadline=None)
@given(case=CIRCUITS)
def test_any_circuit_goes_out_and_comes_back(way, case):
    check(way, *case)


@settings(max_examples=100, deadline=None)
@given(angles=st.tuples(ANGLES, ANGLES, ANGLES, ANGLES))
def test_any_gate_on_one_qubit_is_found_by_its_matrix_up_to_a_phase(angles):
    gate = matrix("u3({!r},{!r},{!r})".format(*angles[:3]))
    built = QuantumCircuit(1)
    built.unitary(np.exp(1j * angles[3]) * gate, [0])
    found = unitary(interop.from_qiskit(built, ignore_phase=True), 1)
    assert abs(abs(np.vdot(found, gate)) / 2 - 1) < TOLERANCE


def test_transpiled_circuits_come_back():
    record = qorpus.Recipe(gates="clifford+t", qubits=2, random=1, length=(40, 40), seed=2)[0]
    shorter = qiskit.transpile(record.to_qiskit(), basis_gates=["rz", "sx", "cx"], optimization_level=3)
    found = unitary(interop.from_qiskit(shorter, ignore_phase=True), 2)
    assert abs(abs(np.vdot(found, record.unitary)) / 4 - 1) < TOLERANCE
