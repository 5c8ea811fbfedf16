"""Cliffords modulo Paulis, linear functions and permutations: enumerated and found as tableaus."""

import itertools
import json
import random
import sqlite3
from math import factorial

import numpy as np
import pytest
import qorpus
import stim
import xxhash
from command import qorpus as command
from qiskit import QuantumCircuit
from qiskit.circuit.library import LinearFunction, PermutationGate
from qiskit.quantum_info import Clifford, Operator, random_clifford

#: New operators at each length, made by another program.
COUNTS = [
    ({"gates": "swap", "qubits": 5, "coupling": "line"}, [1, 4, 9, 15, 20, 22, 20, 15, 9, 4, 1]),
    ({"gates": "swap", "qubits": 6, "coupling": "ring"}, [1, 6, 21, 56, 126, 197, 195, 100, 17, 1]),
    ({"gates": "cx", "qubits": 4, "coupling": "all"}, [1, 12, 96, 542, 2058, 5316, 7530, 4058, 541, 6]),
    ({"gates": "h,s", "qubits": 1, "up_to": "pauli"}, [1, 2, 2, 1]),
    ({"gates": "h,s,cx", "qubits": 2, "up_to": "pauli"}, [1, 6, 24, 78, 167, 222, 164, 54, 4]),
    (
        {"gates": "h,s,cx", "qubits": 3, "up_to": "pauli"},
        [1, 12, 96, 620, 3357, 15508, 59576, 179232, 385820, 498432, 284042, 24770, 54],
    ),
]
#: The first lengths of GL(5, 2) on a line, which has 9,999,360 functions.
GL5 = [1, 8, 38, 148, 526, 1668, 4801, 12782, 31395, 70886, 148288]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("tableaus")


@pytest.fixture(scope="module")
def cliffords(directory):
    """All two-qubit Cliffords modulo Paulis."""
    return qorpus.distinct(directory / "cliffords.db", gates="h,s,cx", qubits=2, max_length=9, up_to="pauli")


@pytest.fixture(scope="module")
def linear(directory):
    """All linear functions of three bits."""
    return qorpus.distinct(directory / "linear.db", gates="cx", qubits=3, coupling="line", max_length=20)


@pytest.fixture(scope="module")
def permutations(directory):
    """All permutations of five qubits."""
    return qorpus.distinct(directory / "permutations.db", gates="swap", qubits=5, coupling="ring", max_length=20)


def unitary(letters, qubits):
    """The unitary of letters by Qiskit, qubit 0 most significant."""
    return Operator(qorpus.to_qiskit(letters, qubits).reverse_bits()).data


def sizes(corpus):
    return [len(level.ids) for level in corpus.levels if level.ids]


@pytest.mark.parametrize(("options", "counts"), COUNTS, ids=lambda value: value.get("gates") if isinstance(value, dict) else "")
def test_counts(tmp_path, options, counts):
    corpus = qorpus.distinct(tmp_path / "group.db", max_length=100, **options)
    assert sizes(corpus) == counts and corpus.is_group
    command("verify", tmp_path / "group.db")


def test_counts_of_a_bounded_enumeration(tmp_path):
    corpus = qorpus.distinct(tmp_path / "gl5.db", gates="cx", qubits=5, coupling="line", max_length=10)
    assert sizes(corpus) == GL5 and not corpus.is_group


def test_counts_by_cost(tmp_path):
    costs = {"cost": {"cx": 1}, "max_cost": 20}
    corpus = qorpus.distinct(tmp_path / "cost.db", gates="h,s,cx", qubits=2, up_to="pauli", **costs)
    by_cost = {}
    for level in corpus.levels:
        by_cost[level.cost] = by_cost.get(level.cost, 0) + len(level.ids)
    assert [count for count in by_cost.values() if count] == [36, 324, 324, 36] and corpus.is_group


@pytest.mark.parametrize(
    ("gates", "qubits", "length"), [("cx,swap", 3, 6), ("swap", 4, 5), ("cx", 4, 5)], ids=lambda value: str(value)
)
def test_agrees_with_dense_arithmetic(tmp_path, gates, qubits, length):
    """The same unitaries at the same distances as a search through dense matrices."""
    bits = qorpus.distinct(tmp_path / "bits.db", gates=gates, qubits=qubits, max_length=length)
    # Oracle: multiply matrices by breadth-first search, letter by letter.
    letters = [unitary([letter], qubits) for letter in bits.letters]
    known = {np.eye(2**qubits).tobytes(): 0}
    frontier, counts = [np.eye(2**qubits)], [1]
    for distance in range(1, length + 1):
        new = []
        for earlier, letter in itertools.product(frontier, letters):
            product = (letter @ earlier).real.round() + 0.0
            if product.tobytes() not in known:
                known[product.tobytes()] = distance
                new.append(product)
        frontier = new
        counts.append(len(new))
    assert sizes(bits) == counts[: len(sizes(bits))] and sum(counts) == len(bits)
    rows = zip(bits.unitaries(slice(None)), bits.circuits(slice(None)), strict=True)
    found = {(matrix.real.round() + 0.0).tobytes(): len(circuit) for matrix, circuit in rows}
    assert found == known


def test_permutations_on_a_line_are_counted_by_inversions(tmp_path):
    corpus = qorpus.distinct(tmp_path / "line.db", gates="swap", qubits=7, coupling="line", max_length=21)
    # Mahonian numbers: the product of 1 + x + ... + x^k.
    counts = np.array([1])
    for k in range(1, 7):
        counts = np.convolve(counts, np.ones(k + 1, dtype=int))
    assert sizes(corpus) == counts.tolist() and len(corpus) == factorial(7)


def test_tableaus_are_those_of_qiskit(cliffords):
    picked = random.Random(1).sample(range(len(cliffords)), 60)
    for tableau, letters in zip(cliffords.tableaus(picked), cliffords.circuits(picked), strict=True):
        expected = Clifford(qorpus.to_qiskit(letters, 2))
        assert tableau.dtype == bool and (tableau == expected.symplectic_matrix).all()


def test_tableaus_are_those_of_stim():
    recipe = qorpus.Recipe(gates="h,s,sdg,cx,cz,swap,y", qubits=4, random=50, length=(1, 30), seed=3)
    names = {"h": "H", "s": "S", "sdg": "S_DAG", "cx": "CX", "cz": "CZ", "swap": "SWAP", "y": "Y"}
    for tableau, letters in zip(recipe.tableaus(slice(None)), recipe.circuits(slice(None)), strict=True):
        circuit = stim.Circuit("I 0 1 2 3")
        for letter in letters:
            name, *places = letter.split()
            circuit.append(names[name], [int(place) for place in places])
        x2x, x2z, z2x, z2z, *_ = circuit.to_tableau().to_numpy()
        assert (tableau == np.block([[x2x, x2z], [z2x, z2z]])).all()


def test_tableaus_of_other_gates_are_refused():
    with pytest.raises(qorpus.InvalidArgument, match="gate 't' is not a Clifford gate"):
        qorpus.Recipe(gates="h,t", qubits=1, random=3).tableaus([0])
    with pytest.raises(qorpus.InvalidArgument, match="no tableaus"):
        qorpus.Recipe(haar=3, qubits=1).tableaus([0])


def makes(found, target, qubits):
    """Whether the circuit that was found is the target up to a phase, by Qiskit."""
    return Operator(qorpus.to_qiskit(found.circuit, qubits)).equiv(Operator(target))


def test_cliffords_are_found_with_their_paulis(cliffords):
    for seed in range(150):
        target = random_clifford(2, seed=seed)
        found = cliffords.find(target)
        assert makes(found, target, 2)
        # Paulis are the last gates, and the rest is the record.
        letters = len(found.circuit) - found.paulis
        assert found.circuit[:letters] == cliffords[found.id].circuit
        assert all(letter[0] in "xyz" for letter in found.circuit[letters:])
        # The same by the tableau, by the circuit, and by the unitary.
        assert cliffords.find(np.array(target.tableau)) == found
        circuit = target.to_circuit()
        assert cliffords.find(circuit) == found
        assert cliffords.find(Operator(circuit.reverse_bits()).data) == found
        # Without signs nothing has to be corrected.
        plain = cliffords.find(np.array(target.symplectic_matrix))
        assert plain.id == found.id and plain.paulis == 0


def test_find_many(cliffords):
    targets = [random_clifford(2, seed=seed) for seed in range(20)]
    assert cliffords.find_many(targets) == [cliffords.find(target) for target in targets]


def test_meeting_in_the_middle(tmp_path, cliffords):
    half = qorpus.distinct(tmp_path / "half.db", gates="h,s,cx", qubits=2, max_length=4, up_to="pauli")
    for seed in range(60):
        target = random_clifford(2, seed=seed)
        whole, found = cliffords.find(target), half.find(target)
        optimum = len(whole.circuit) - whole.paulis
        if optimum <= 8:
            assert len(found.circuit) - found.paulis == optimum and makes(found, target, 2)
            assert (found.id is None) == (optimum > 4)
        stored = half.find(target, further=False)
        assert (stored.circuit is None and stored.none_up_to == 4) == (optimum > 4)


def test_what_is_no_clifford_is_never_found(cliffords):
    found = cliffords.find("t 0")
    assert found.circuit is None and found.proven and found.none_up_to is None
    with pytest.raises(qorpus.InvalidArgument, match="compares tableaus"):
        cliffords.find("h 0", tolerance=0.1)
    noisy = unitary("h 0; cx 0 1", 2) + 1e-4
    with pytest.raises(qorpus.InvalidArgument, match="1e-6 of a Clifford operator"):
        cliffords.find(noisy)
    # Numbers of complex64 are near one, which is no proof.
    single = cliffords.find(unitary("h 0; cx 0 1; x 1", 2).astype(np.complex64))
    assert single.circuit[-1][0] in "xyz" and not single.proven and 0 < single.distance < single.tolerance == 1e-6
    for wrong, reason in [
        (np.zeros((4, 4), dtype=bool), "not symplectic"),
        (np.ones((2, 2), dtype=bool), "no inverse"),
        (np.zeros((3, 3), dtype=bool), r"shape \(3, 3\); on 2 qubits"),
        (np.array([0, 0]), "permutation of 2 qubits"),
        (np.array([0, 2**64 - 1], dtype=np.uint64), "permutation of 2 qubits"),
    ]:
        with pytest.raises(qorpus.InvalidArgument, match=reason):
            cliffords.find(wrong)


def test_linear_functions_are_found(linear):
    assert len(linear) == 168
    for seed in range(40):
        circuit = QuantumCircuit(3)
        generator = random.Random(seed)
        for _ in range(generator.randrange(12)):
            circuit.cx(*generator.sample(range(3), 2))
        function = LinearFunction(circuit)
        found = linear.find(function)
        assert found.paulis == 0 and makes(found, circuit, 3)
        assert linear.find(np.array(function.linear, dtype=bool)) == found == linear.find(Clifford(circuit))
        assert linear.find(circuit) == found
    # Where Paulis count, an operator with one is no linear function.
    for other in ["x 0", "h 0", "cz 0 1", "rz(0.1) 0"]:
        assert linear.find(other).proven and linear.find(other).none_up_to is None


def test_permutations_are_found(permutations):
    assert len(permutations) == 120 and permutations.is_group
    for pattern in itertools.permutations(range(5)):
        gate = PermutationGate(pattern)
        circuit = QuantumCircuit(5)
        circuit.append(gate, range(5))
        found = permutations.find(gate)
        assert found == permutations.find(np.array(pattern))
        assert found == permutations.find(pattern) == permutations.find([*np.array(pattern)])
        assert makes(found, circuit, 5)
    assert permutations.find("cx 0 1").proven
    assert permutations.find_many([[1, 0, 2, 3, 4], (1, 0, 2, 3, 4), "swap 0 1"]) == [permutations.find("swap 0 1")] * 3
    assert permutations.find([]).circuit == ()
    for wrong in [[1, 0, 2, 3], [0, 0, 2, 3, 4], [1, 0, 2, 3, 5], [-1, 0, 1, 2, 3], (4, 3, 2, 1, 0, 5)]:
        with pytest.raises(qorpus.InvalidArgument, match="permutation"):
            permutations.find(wrong)
    for wrong in [[True, False, True, False, True], [1.0, 0, 2, 3, 4], [1 << 70, 0, 2, 3, 4], [1, "h 0", 2, 3, 4]]:
        with pytest.raises(qorpus.Error):
            permutations.find(wrong)


def test_circuits_of_an_enumeration_are_as_long_as_its_last_level(tmp_path, cliffords, permutations):
    torch = pytest.importorskip("torch")
    for corpus in (cliffords, permutations):
        longest = max(map(len, corpus.circuits(slice(None))))
        assert corpus.longest == longest == corpus.levels[-1].length - (not len(corpus.levels[-1].ids))
        assert corpus.split(train=0.5)["train"].longest == longest
        assert corpus.torch()[3]["circuit"].shape == (longest,)
        assert {tuple(batch["circuit"].shape)[1:] for batch in corpus.torch(batch_size=50)} == {(longest,)}
    by_cost = qorpus.distinct(tmp_path / "cost.db", gates="h,s", qubits=1, cost={"h": 1}, max_cost=2)
    assert by_cost.longest == max(map(len, by_cost.circuits(slice(None))))
    assert torch.equal(by_cost.torch()[0]["circuit"], torch.full((by_cost.longest,), -1))
    assert qorpus.Recipe(length=(3, 7)).longest == 7
    with qorpus.Writer(tmp_path / "mine.db", gates=["h"], qubits=1) as writer:
        writer.append("h")
    assert qorpus.open(tmp_path / "mine.db").longest is None


def test_objects_of_qiskit_are_found_in_other_enumerations(tmp_path):
    every = qorpus.distinct(tmp_path / "two.db", gates="h,t,s,cx", qubits=2, max_length=5)
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    assert every.find(circuit) == every.find("h 0; cx 0 1") == every.find(Clifford(circuit))
    swap = QuantumCircuit(2)
    swap.swap(0, 1)
    assert every.find(PermutationGate([1, 0])) == every.find("swap 0 1") == every.find(LinearFunction(swap))


def test_threads_memory_and_resuming_change_nothing(tmp_path):
    options = {"gates": "h,s,cx", "qubits": 3, "coupling": "line", "max_length": 7, "up_to": "pauli"}
    hashes = {
        qorpus.distinct(tmp_path / f"{jobs}-{memory}.db", **options, jobs=jobs, memory=memory).content_hash
        for jobs, memory in [(1, "1GiB"), (2, "16MiB"), (1, "16MiB")]
    }
    grown = tmp_path / "grown.db"
    for length in (2, 5, 7):
        corpus = qorpus.distinct(grown, **(options | {"max_length": length}))
    assert hashes == {corpus.content_hash}
    letters = corpus.circuits(slice(None))
    found = corpus.find_many([list(circuit) for circuit in letters[:500]])
    assert [answer.id for answer in found] == list(range(500))


def key_of(circuit, gates, qubits):
    """The key of a circuit as docs/format.md specifies it."""
    size = {"swap": qubits, "cx": qubits}.get(gates, 2 * qubits)
    permutation = gates == "swap"
    columns = list(range(size)) if permutation else [1 << k for k in range(size)]
    for letter in circuit:
        name, *places = letter.split()
        places = [int(place) for place in places]
        zs = [qubits + place for place in places]
        if name == "swap":
            a, b = places
            columns[a], columns[b] = columns[b], columns[a]
        elif name == "cx":
            columns[places[1]] ^= columns[places[0]]
            if size == 2 * qubits:
                columns[zs[0]] ^= columns[zs[1]]
        elif name == "h":
            columns[places[0]], columns[zs[0]] = columns[zs[0]], columns[places[0]]
        elif name == "s":
            columns[zs[0]] ^= columns[places[0]]
    bits = (qubits - 1).bit_length() if permutation else size
    if size * bits > 128:
        return xxhash.xxh3_128_intdigest(b"".join(column.to_bytes(4, "little") for column in columns))
    key = sum(column << bits * k for k, column in enumerate(columns))
    for _ in range(2):
        key = key * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128
        key ^= key >> 64
    return key


@pytest.mark.parametrize(
    ("gates", "qubits", "up_to", "length"), [("swap", 6, "phase", 6), ("cx", 4, "phase", 4), ("h,s,cx", 3, "pauli", 5), ("h,s,cx", 6, "pauli", 2)]
)
def test_the_index_has_the_keys_of_the_specification(tmp_path, gates, qubits, up_to, length):
    path = tmp_path / "keys.db"
    coupling = "line" if qubits > 5 else "all"
    corpus = qorpus.distinct(path, gates=gates, qubits=qubits, coupling=coupling, max_length=length, up_to=up_to)
    with sqlite3.connect(path) as connection:
        blocks = dict(connection.execute("select place, entries from keys"))
    connection.close()
    for number, level in enumerate(corpus.levels):
        count = max(1, -(-len(level.ids) // 128))
        bits = (count - 1).bit_length()
        expected = sorted(key_of(circuit, gates, qubits) for circuit in corpus.circuits(level.ids))
        parts = []
        for block in range(1 << bits):
            mine = [key for key in expected if key >> 128 - bits == block]
            entries = blocks[(number << 40) + block]
            assert [key << bits >> 88 & (1 << 40) - 1 for key in mine] == [
                int.from_bytes(entries[5 * k : 5 * k + 5], "big") for k in range(len(mine))
            ]
            parts += mine
        assert len(set(parts)) == len(level.ids)


def test_the_command_says_that_a_group_is_complete(tmp_path):
    made = command("distinct", tmp_path / "s.db", "--gates", "swap", "--qubits", 3, "--max-length", 9)
    assert made.returncode == 0 and "finite group" in made.stdout
    lengths = [line.split() for line in made.stdout.splitlines()[1:-2]]
    assert [int(count) for _, count in lengths] == [1, 3, 2]
    found = command("find", tmp_path / "s.db", "--circuit", "swap 0 1; swap 1 2", "--json")
    assert len(json.loads(found.stdout)["circuit"]) == 2


def test_paulis_need_cliffords(tmp_path):
    with pytest.raises(qorpus.InvalidArgument, match="gate 't' is not a Clifford gate"):
        qorpus.distinct(tmp_path / "t.db", gates="h,t", qubits=1, max_length=3, up_to="pauli")
    assert not (tmp_path / "t.db").exists()
