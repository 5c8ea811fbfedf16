"""Programs in OpenQASM 2 become the letters of what their own text says, or are refused."""

import pytest

pytest.importorskip("qiskit")

import qiskit.qasm2
from programs import NAMES, Program
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator
from test_circuits import same, unitary

import qorpus
from qorpus.errors import InvalidArgument

HEAD = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
PROGRAMS = 200
AGREEING = 170


def strict(text):
    """The oracle: Qiskit's strict reading without barriers and measurements; its qubits, and their
    unitary."""
    read = qiskit.qasm2.loads(text)
    gates = [gate for gate in read.data if gate.operation.name not in ("barrier", "measure")]
    places = [[read.find_bit(qubit).index for qubit in gate.qubits] for gate in gates]
    qubits = sorted({place for on in places for place in on})
    built = QuantumCircuit(len(qubits), global_phase=read.global_phase)
    for gate, on in zip(gates, places, strict=True):
        built.append(gate.operation, [qubits.index(place) for place in on])
    return qubits, Operator(built.reverse_bits()).data


def agrees(text, **options):
    found = qorpus.from_qasm2(text, final_measurements="drop", idle_qubits="drop", **options)
    qubits, expected = strict(text)
    # Qubits of gates that do nothing there are left out.
    numbers = [str(qubits.index(qubit)) for qubit in found.qubits]
    places = [[letter.split(" ")[0], *(numbers[int(place)] for place in letter.split(" ")[1:])] for letter in found]
    return same(unitary([" ".join(parts) for parts in places], len(qubits)), expected)


def test_programs_agree_with_the_strict_reading():
    agreeing, own = 0, 0
    for seed in range(PROGRAMS):
        program = Program(seed)
        text = program.text
        try:
            assert agrees(text), text
        except qorpus.Error as error:
            assert len(str(error)) > 20, text
            continue
        assert program.has_unitary, text
        agreeing += 1
        own += any(f"gate {name}" in text for name in NAMES)
    assert agreeing >= AGREEING and own >= AGREEING // 2, (agreeing, own)


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("gate swap a,b { h a; } qreg q[2]; swap q[0],q[1];", ("h 0",)),
        ("gate p(x) a { rz(x) a; } qreg q[1]; p(0.3) q[0];", ("rz(0.3) 0",)),
        (
            "gate rzz(t) a,b { cx a,b; u1(t) b; cx a,b; } qreg q[2]; rzz(0.3) q[0],q[1];",
            ("cx 0 1", "p(0.3) 1", "cx 0 1"),
        ),
        ("gate csx a,b { cx b,a; } qreg q[2]; csx q[0],q[1];", ("cx 1 0",)),
        ("gate cu(a) c,t { cu1(a) c,t; } qreg q[2]; cu(0.3) q[0],q[1];", ("cp(0.3) 0 1",)),
        ("gate u(a) c { rx(a) c; } qreg q[1]; u(0.3) q[0];", ("rx(0.3) 0",)),
        ("gate c3x a { x a; } gate c4x a { c3x a; } qreg q[1]; c4x q[0];", ("x 0",)),
        ("gate sx a { rx(pi/2) a; } gate g a { sx a; } qreg q[2]; g q;", ("rx(pi/2) 0", "rx(pi/2) 1")),
        # Nothing but a gate's definition makes it one of the program's own.
        ("// gate swap a,b { h a; }\nqreg q[2]; swap q[0],q[1];", ("swap 0 1",)),
        ("gate g(p) a { rz(p) a; } qreg q[2]; g(1) q[0]; swap q[0],q[1];", ("rz(1.0) 0", "swap 0 1")),
        ("qreg swap[2]; cx swap[0],swap[1];", ("cx 0 1",)),
        ("qreg sx[3]; cswap sx[0],sx[1],sx[2];", ("cswap 0 1 2",)),
        # A definition that is the gate of its name is that gate.
        ("gate swap a,b { cx a,b; cx b,a; cx a,b; } qreg q[2]; swap q[0],q[1];", ("swap 0 1",)),
        # Newer names, which the program does not define.
        ("qreg q[2]; p(0.5) q[0]; sx q[1]; crx(1) q[0],q[1]; rz(acos(1)) q[0]; id q[1];", None),
    ],
)
def test_the_definition_of_a_program_wins(text, letters):
    found = qorpus.from_qasm2(HEAD + text)
    assert found == letters or letters is None and len(found) == 5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (HEAD + "qreg q[2]; swap q[0],q[1]; gate swap a,b { h a; }", "'swap' is not defined"),
        ('OPENQASM 2.0; qreg q[2]; swap q[0],q[1]; include "qelib1.inc";', "'swap' is not defined"),
        ("OPENQASM 2.0; qreg q[1]; sx q[0];", "'sx' is not defined"),
        (HEAD + "opaque swap a,b; qreg q[2]; swap q[0],q[1];", "'swap' on qubits 0, 1 is opaque"),
        (HEAD + "opaque rc3x a; qreg q[2]; h q; rc3x q[1];", "'rc3x' on qubit 1 is opaque"),
        (HEAD + "qreg q[2]; swap(0.3) q[0],q[1];", "takes 0 parameters"),
        (HEAD + "gate h a { x a; } qreg q[1]; h q[0];", "'h' is already defined"),
        (HEAD + "gate g(a) q { rz(1/a) q; } qreg q[1]; g(0) q[0];", "cannot divide by zero"),
        (HEAD + "gate g(a) q { rz(ln(a)) q; } qreg q[1]; g(-1) q[0];", "'ln' is undefined"),
        (HEAD + "gate g(a) q { rz(a) q; } gate f(a) q { g(sqrt(a)) q; } qreg q[1]; f(-1) q[0];", "'sqrt' is undefined"),
        (HEAD + "// \ud800\nqreg q[1];", "half of a surrogate pair"),
        (HEAD + "qreg q[1]; creg c[1]; h q[0]; if(c==1) x q[0];", "'if_else' on qubit 0 has no unitary"),
        (HEAD + "qreg q[2]; reset q[1];", "'reset' on qubit 1 has no unitary"),
        ("", "the text is empty"),
        ("circuits/a.qasm", "is the path of a file"),
        ("/no/such/file", "is the path of a file"),
    ],
)
def test_programs_that_are_refused(text, reason):
    with pytest.raises(InvalidArgument) as caught:
        qorpus.from_qasm2(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize("levels", [400, 1500])
def test_deep_definitions_give_letters_or_a_reason(levels):
    nested = "gate g0 a { h a; }\n" + "".join(f"gate g{i} a {{ g{i - 1} a; }}\n" for i in range(1, levels))
    text = f"{HEAD}{nested}qreg q[1];\ng{levels - 1} q[0];\n"
    for read in (lambda: qorpus.from_qasm2(text), lambda: qorpus.from_qiskit(qiskit.qasm2.loads(text))):
        try:
            assert read() == ("h 0",)
        except InvalidArgument as error:
            assert "nests definitions or expressions too deeply" in str(error)


def test_definitions_that_double_are_refused_before_memory_ends():
    nested = "gate g0 a { h a; }\n" + "".join(f"gate g{i} a {{ g{i - 1} a; g{i - 1} a; }}\n" for i in range(1, 60))
    with pytest.raises(InvalidArgument, match="more than 1,000,000 letters"):
        qorpus.from_qasm2(f"{HEAD}{nested}qreg q[1];\ng59 q[0];\n")
