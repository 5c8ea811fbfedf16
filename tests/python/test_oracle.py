"""Every unitary against Qiskit and Cirq, to 1e-12 and with its global phase.

Both know the gates by name, so nothing here comes from our own matrices. Asymmetric placements and
circuits are among the cases, because a mistake in the order of qubits or of time hides in symmetric
ones.
"""

import json

import numpy as np
import pytest
from command import generate, info, qorpus, show
from oracles import cirq_big, product, qiskit_big, qiskit_little

TOLERANCE = 1e-12

FIXED = "id,x,y,z,h,s,sdg,t,tdg,sx,sxdg"
ANGLES = ["pi/4", "-3*pi/4", "2*pi", "pi", "0.3", "-5.5", "1/sqrt(2)", "0"]
TRIPLES = ["pi/2,0,pi", "0.3,1.1,-2", "pi,-pi/3,7", "2*pi,0.1,0.2"]
ONE = ",".join([FIXED, *(f"{g}({a})" for g in ["rx", "ry", "rz", "p"] for a in ANGLES), *(f"u3({a})" for a in TRIPLES)])
TWO = ",".join(["cx,cy,cz,ch,csx,swap,iswap", *(f"{g}({a})" for g in ["cp", "crx", "cry", "crz"] for a in ANGLES)])
THREE = "ccx,cswap"
GATES = {1: ONE, 2: f"{ONE},{TWO}"} | {qubits: f"{ONE},{TWO},{THREE}" for qubits in [3, 4, 5]}
PRESETS = ["clifford", "clifford+t", "ht", "nam", "ibm", "rigetti"]


def check(records, qubits):
    """Each record's unitary against both libraries; returns how many letters were seen.

    The libraries compute every letter, and every tenth circuit as a whole.
    """
    for oracle in [qiskit_big, cirq_big]:
        for place, record in enumerate(records):
            expected = [product(oracle, record.circuit, qubits)]
            expected += [oracle(record.circuit, qubits)] if place % 10 == 0 else []
            difference = max(np.abs(record.unitary - unitary).max() for unitary in expected)
            assert difference < TOLERANCE, (oracle.__name__, record.circuit, difference)
    return {letter for record in records for letter in record.circuit}


@pytest.mark.parametrize("qubits", GATES)
def test_every_gate_on_every_placement(corpus, qubits):
    """One letter alone, for all standard gates and several angles: the words of length 0 and 1."""
    generate(corpus, "--gates", GATES[qubits], "--qubits", qubits, "--words", "--length", "0..1")
    facts = info(corpus)
    seen = check(show(corpus, range(facts["records"])), qubits)
    assert seen == set(facts["alphabet"]) and len(facts["gates"]) == len(set(facts["gates"]))


@pytest.mark.parametrize("qubits", GATES)
def test_random_circuits_of_all_gates(corpus, qubits):
    """Long enough that every gate meets every other, on all numbers of qubits."""
    generate(corpus, "--gates", GATES[qubits], "--qubits", qubits, "--random", 500, "--length", "0..30", "--seed", 1)
    assert len(check(show(corpus, range(500)), qubits)) > 40


@pytest.mark.parametrize("qubits", GATES)
@pytest.mark.parametrize("preset", PRESETS)
def test_presets(corpus, preset, qubits):
    """The gate sets that people use, on a coupling that is not symmetric."""
    coupling = "line" if qubits < 3 else "0-1,1-2"
    generate(
        corpus, "--gates", preset, "--qubits", qubits, "--random", 60, "--length", "5..40", "--coupling", coupling
    )
    check(show(corpus, range(60)), qubits)


@pytest.mark.parametrize("qubits", GATES)
def test_little_endian_is_qiskits_own_matrix(corpus, qubits):
    """`--order little` needs no conversion on Qiskit's side, and differs from the stored order
    where it should."""
    generate(corpus, "--gates", GATES[qubits], "--qubits", qubits, "--random", 100, "--length", "1..12")
    little, big = show(corpus, range(100), "--order", "little"), show(corpus, range(100), "--order", "big")
    for record in little:
        assert np.abs(record.unitary - qiskit_little(record.circuit, qubits)).max() < TOLERANCE
    differs = any((a.unitary != b.unitary).any() for a, b in zip(little, big))
    assert differs == (qubits > 1)


# Kets are written with qubit 0 first. Each line: a circuit, and where it takes which basis state.
BY_HAND = [
    ("x 0", {"000": ("100", 1)}),
    ("x 0; cx 0 2", {"000": ("101", 1), "100": ("000", 1)}),
    ("cx 0 2; t 1", {"110": ("111", np.exp(0.25j * np.pi)), "100": ("101", 1), "001": ("001", 1)}),
    ("cx 2 0; s 2", {"001": ("101", 1j), "100": ("100", 1)}),
    ("x 1; s 1", {"000": ("010", 1j), "010": ("000", 1)}),
    ("s 1; x 1", {"000": ("010", 1), "010": ("000", 1j)}),
    ("ccx 0 2 1", {"101": ("111", 1), "110": ("110", 1)}),
    ("cswap 1 0 2", {"011": ("110", 1), "110": ("011", 1), "101": ("101", 1)}),
    ("crz(pi) 2 1", {"001": ("001", -1j), "011": ("011", 1j), "010": ("010", 1)}),
]


@pytest.mark.parametrize(("circuit", "expected"), BY_HAND)
def test_by_hand(corpus, circuit, expected):
    """Asymmetric circuits worked out on paper: no library stands between the reader and the
    answer."""
    letters = circuit.split("; ")
    gates = list(dict.fromkeys(letter.split()[0] for letter in letters))
    length = str(len(letters))
    generate(corpus, "--gates", ",".join(gates), "--qubits", 3, "--words", "--length", length)
    alphabet = info(corpus)["alphabet"]
    index = 0
    for letter in letters:
        index = index * len(alphabet) + alphabet.index(letter)
    (record,) = show(corpus, [index])
    assert record.circuit == letters
    for source, (target, factor) in expected.items():
        column = np.zeros(8, dtype=complex)
        column[int(target, 2)] = factor
        assert np.abs(record.unitary[:, int(source, 2)] - column).max() < TOLERANCE


@pytest.mark.parametrize("qubits", GATES)
@pytest.mark.parametrize("columns", [[], ["--no-unitaries"], ["--dtype", "complex64"]])
def test_exported_arrays(corpus, qubits, columns):
    """NumPy loads the unitaries that Qiskit and Cirq compute and `show` prints, to the bit."""
    generate(corpus, "--gates", GATES[qubits], "--qubits", qubits, "--random", 100, "--length", "3..20", *columns)
    out = corpus.parent / "out.npy"
    qorpus("export", corpus, out)
    unitaries = np.load(out)
    lengths = np.load(corpus.parent / "out.lengths.npy")
    circuits = np.load(corpus.parent / "out.circuits.npy")
    letters = json.loads((corpus.parent / "out.letters.json").read_text())
    narrow = "complex64" in columns
    assert unitaries.shape == (100, 2**qubits, 2**qubits)
    assert unitaries.dtype == (np.complex64 if narrow else np.complex128)
    for record in show(corpus, range(100)):
        assert [letters[letter] for letter in circuits[record.id][: lengths[record.id]]] == record.circuit
        assert (unitaries[record.id] == record.unitary).all()
        for oracle in [qiskit_big, cirq_big]:
            difference = np.abs(unitaries[record.id] - product(oracle, record.circuit, qubits)).max()
            assert difference < (1e-6 if narrow else TOLERANCE)


def test_eight_qubits(corpus):
    """The largest unitaries there are, a few of them."""
    gates = ["--gates", "h,t,rz(0.3),cx,crx(1.1),ccx", "--qubits", 8, "--coupling", "ring"]
    generate(corpus, *gates, "--random", 6, "--length", "30..40")
    check(show(corpus, range(6)), 8)
