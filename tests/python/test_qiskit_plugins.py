"""Qiskit's transpiler synthesizes Cliffords, linear functions and permutations by tables."""

import multiprocessing
import random

import numpy as np
import pytest
import qorpus
import qorpus.qiskit_plugins
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import AnnotatedOperation, ControlModifier
from qiskit.circuit.library import LinearFunction, PermutationGate
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Clifford, Operator, random_clifford
from qiskit.transpiler import CouplingMap, PassManager, generate_preset_pass_manager
from qiskit.transpiler.passes import HighLevelSynthesis, HLSConfig
from qiskit.transpiler.passes.synthesis.plugin import HighLevelSynthesisPluginManager

KINDS = ("clifford", "linear_function", "permutation")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The path of a table for each class of operators, on three qubits in a line."""
    directory = tmp_path_factory.mktemp("tables")
    # Joined circuits have up to 14 letters.
    cliffords = {"gates": "h,s,cx", "max_length": 7, "up_to": "pauli"}
    options = {"clifford": cliffords, "linear_function": {"gates": "cx"}, "permutation": {"gates": "swap"}}
    for name, more in options.items():
        qorpus.distinct(directory / f"{name}.db", **{"qubits": 3, "coupling": "line", "max_length": 20} | more)
    return {name: directory / f"{name}.db" for name in options}


def config(tables, *after, **options):
    """The method "qorpus" for every class of operators, and methods after it."""
    return HLSConfig(**{name: [("qorpus", {"table": table, **options}), *after] for name, table in tables.items()})


def synthesized(operator, qubits, size, config, coupling=None):
    """The circuit of a block on qubits of a device, by the pass alone."""
    circuit = QuantumCircuit(size)
    circuit.append(operator, qubits)
    after_layout = coupling is not None
    return circuit, PassManager(
        [HighLevelSynthesis(hls_config=config, coupling_map=coupling, use_qubit_indices=after_layout)]
    ).run(circuit)


def random_linear(qubits, seed):
    circuit, generator = QuantumCircuit(qubits), random.Random(seed)
    for _ in range(20):
        circuit.cx(*generator.sample(range(qubits), 2))
    return LinearFunction(circuit)


def random_operator(name, qubits, seed):
    if name == "clifford":
        return random_clifford(qubits, seed=seed)
    if name == "linear_function":
        return random_linear(qubits, seed)
    return PermutationGate(random.Random(seed).sample(range(qubits), qubits))


def distances(generators):
    """The lengths of shortest products of binary matrices: a breadth-first search."""
    start = np.eye(len(generators[0]), dtype=int)
    known, frontier, length = {start.tobytes(): 0}, [start], 0
    while frontier:
        length, following = length + 1, []
        for matrix in frontier:
            for generator in generators:
                product = matrix @ generator % 2
                if product.tobytes() not in known:
                    known[product.tobytes()] = length
                    following.append(product)
        frontier = following
    return known


def couplings(circuit):
    """The pairs of qubits of the gates on two qubits."""
    return {tuple(circuit.find_bit(qubit).index for qubit in gate.qubits) for gate in circuit.data if len(gate.qubits) > 1}


def test_qiskit_knows_the_methods():
    manager = HighLevelSynthesisPluginManager()
    for name in KINDS:
        assert "qorpus" in manager.method_names(name)
        assert type(manager.method(name, "qorpus")).__module__ == "qorpus.qiskit_plugins"


def test_linear_functions_have_their_shortest_circuits(tables):
    letters = []
    for pair in [(0, 1), (1, 0), (1, 2), (2, 1)]:
        circuit = QuantumCircuit(3)
        circuit.cx(*pair)
        letters.append(np.array(LinearFunction(circuit).linear, dtype=int))
    optimum = distances(letters)
    assert len(optimum) == 168
    for seed in range(60):
        function = random_linear(3, seed)
        before, after = synthesized(function, range(3), 3, config(tables))
        assert Operator(after) == Operator(before) and set(after.count_ops()) <= {"cx"}
        # The length of the inverse is the same, so the order of products does not matter.
        assert after.size() == optimum[np.array(function.linear, dtype=int).tobytes()]


def test_permutations_have_their_shortest_circuits(tables):
    for seed in range(20):
        gate = random_operator("permutation", 3, seed)
        before, after = synthesized(gate, range(3), 3, config(tables))
        pattern = list(gate.pattern)
        inversions = sum(a > b for place, a in enumerate(pattern) for b in pattern[place:])
        assert Operator(after) == Operator(before) and after.count_ops() == ({"swap": inversions} if inversions else {})


def test_cliffords_have_their_shortest_circuits(tmp_path):
    table = qorpus.distinct(tmp_path / "two.db", gates="h,s,cx", qubits=2, max_length=9, up_to="pauli")
    letters = [Clifford(qorpus.to_qiskit([letter], 2)).symplectic_matrix.astype(int) for letter in table.letters]
    optimum = distances(letters)
    assert len(optimum) == 720
    for seed in range(60):
        target = random_clifford(2, seed=seed)
        before, after = synthesized(target, range(2), 2, config({"clifford": table}))
        assert Operator(after).equiv(before) and Clifford(after) == target
        letters = [gate for gate in after.data if gate.operation.name not in "xyz"]
        assert len(letters) == optimum[target.symplectic_matrix.astype(int).tobytes()]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_tables_are_placed_on_the_device(tables, name, order):
    """A block in the middle of a device, with its qubits in any order."""
    coupling = CouplingMap.from_line(6)
    inner = (2, 3, 4)
    for seed in range(12):
        operator = random_operator(name, 3, seed)
        qubits = [inner[place] for place in order]
        before, after = synthesized(operator, qubits, 6, config(tables), coupling)
        assert name not in after.count_ops(), "the table was not used"
        assert Operator(after).equiv(before)
        assert couplings(after) <= {*coupling.get_edges()}


@pytest.mark.parametrize(
    ("pairs", "used"),
    [
        ([(0, 1), (2, 1)], {"permutation"}),
        ([(0, 1), (1, 0), (1, 2)], {"permutation"}),
        ([(0, 1), (1, 0), (1, 2), (2, 1)], {*KINDS}),
        ([(0, 1), (1, 0)], set()),
        ([(0, 3), (3, 0), (1, 3), (3, 1)], set()),
    ],
)
def test_letters_need_their_couplings_and_directions(tables, pairs, used):
    """The block is on qubits 0 to 2. Without a coupling that a letter needs, Qiskit goes on."""
    coupling = CouplingMap([*pairs, (2, 4), (4, 3)])
    for name in KINDS:
        operator = random_operator(name, 3, 5)
        before, after = synthesized(operator, range(3), 5, config(tables), coupling)
        assert (name not in after.count_ops()) == (name in used)
        _, default = synthesized(operator, range(3), 5, HLSConfig(), coupling)
        _, after = synthesized(operator, range(3), 5, config(tables, "default"), coupling)
        assert Operator(after).equiv(before) and (name in used or after == default)


def test_directed_letters_are_used_on_directed_couplings(tmp_path):
    letters = ["cx 1 0", "cx 1 2", "h 0", "h 1", "h 2", "s 1"]
    table = qorpus.distinct(tmp_path / "out.db", letters=letters, qubits=3, max_length=5, up_to="pauli")
    # The middle of the table must become the qubit that has two targets.
    letters = ["cx 0 1", "h 1", "cx 0 2", "s 0", "x 2", "h 2"]
    target, coupling = Clifford(qorpus.to_qiskit(letters, 3)), CouplingMap([(0, 1), (0, 2)])
    before, after = synthesized(target, range(3), 3, config({"clifford": table}), coupling)
    assert Operator(after).equiv(before)
    assert couplings(after) == {(0, 1), (0, 2)} and after.count_ops()["cx"] == 2
    # Against the directions of the letters, Qiskit goes on.
    assert synthesized(target, range(3), 3, config({"clifford": table}), CouplingMap([(1, 0), (2, 0)]))[1] == before


def blocks(qubits, seed):
    """A random circuit with blocks of all classes."""
    generator, circuit = random.Random(seed), QuantumCircuit(qubits)
    for number in range(6):
        circuit.append(random_operator(KINDS[number % 3], 3, 10 * seed + number), generator.sample(range(qubits), 3))
        circuit.rz(generator.random(), generator.randrange(qubits))
    return circuit


@pytest.mark.parametrize("seed", range(3))
def test_transpile(tables, seed):
    circuit, backend = blocks(5, seed), GenericBackendV2(5, coupling_map=CouplingMap.from_line(5), seed=1)
    plans = config(tables, "default")
    compiled = transpile(circuit, backend, hls_config=plans, seed_transpiler=seed, optimization_level=seed + 1)
    assert Operator.from_circuit(compiled).equiv(circuit)
    manager = generate_preset_pass_manager(1, basis_gates=["cx", "u"], hls_config=plans, seed_transpiler=seed)
    assert Operator.from_circuit(manager.run(circuit)).equiv(circuit)


def test_another_method_follows(tables):
    plans = config(tables, "default")
    for name in KINDS:
        # Another number of qubits.
        before, after = synthesized(random_operator(name, 4, 1), range(4), 4, plans)
        assert name not in after.count_ops() and Operator(after).equiv(before)
        assert synthesized(random_operator(name, 4, 1), range(4), 4, config(tables))[1] == before
    # Tables of several sizes.
    wide = qorpus.distinct(tables["permutation"].with_name("wide.db"), gates="swap", qubits=4, max_length=9)
    both = HLSConfig(permutation=[("qorpus", {"table": table}) for table in (tables["permutation"], wide)])
    for qubits in (3, 4):
        assert "swap" in synthesized(PermutationGate(range(qubits)[::-1]), range(qubits), 4, both)[1].count_ops()
    # Out of reach.
    far = random_clifford(3, seed=1)
    corpus = qorpus.open(tables["clifford"])
    assert corpus.find(far, further=False).circuit is None and corpus.find(far).circuit is not None
    before, after = synthesized(far, range(3), 3, config(tables, further=False))
    assert after == before
    before, after = synthesized(far, range(3), 3, config(tables))
    assert Operator(after).equiv(before)
    assert len([gate for gate in after.data if gate.operation.name not in "xyz"]) > 7


def test_tables_of_wider_classes_are_exact(tables):
    """A permutation is a linear function, and this a Clifford operator; its phase is kept."""
    for name in ["linear_function", "permutation"]:
        for seed in range(8):
            operator = random_operator(name, 3, seed)
            for wider in KINDS[: KINDS.index(name)]:
                plans = config({name: tables[wider]})
                before, after = synthesized(operator, range(3), 3, plans)
                assert name not in after.count_ops() and Operator(after) == Operator(before)
    # A Clifford operator with signs is not a linear function.
    flip = QuantumCircuit(3)
    flip.x(0)
    before, after = synthesized(Clifford(flip), range(3), 3, config({"clifford": tables["linear_function"]}))
    assert after == before


def test_phases_can_be_controlled(tmp_path):
    """The letters have a phase that a linear function and a permutation lack."""
    turned = np.exp(0.3j) * qorpus.Recipe(gates="cx", qubits=2, words=True, length=1)[0].unitary
    gates = [("turned", turned), "h"]
    table = qorpus.distinct(tmp_path / "phases.db", gates=gates, qubits=2, max_length=9, up_to="pauli")
    circuit, plans = QuantumCircuit(3), config({"linear_function": table, "permutation": table})
    for operator in [random_linear(2, 3), random_linear(2, 4), PermutationGate([1, 0])]:
        circuit.append(AnnotatedOperation(operator, ControlModifier(1)), [2, 0, 1])
    compiled = generate_preset_pass_manager(1, basis_gates=["cx", "u"], hls_config=plans).run(circuit)
    # Controlled matrices, by NumPy.
    expected = np.eye(8)
    for gate in circuit.data:
        base = Operator(gate.operation.base_op).data
        expected = np.kron(np.diag([1, 0]), np.eye(4)) @ expected + np.kron(np.diag([0, 1]), base) @ expected
    assert Operator(compiled).equiv(Operator(expected))


def test_gates_of_your_own(tmp_path):
    own = np.array([[1, 0, 0, 0], [0, 0, -1j, 0], [0, -1j, 0, 0], [0, 0, 0, 1]])
    gates = [("own", own), "h", "s"]
    table = qorpus.distinct(tmp_path / "own.db", gates=gates, qubits=2, max_length=5, up_to="pauli")
    target = Clifford(qorpus.to_qiskit("swap 0 1; cz 0 1; x 0", 2))
    before, after = synthesized(target, [1, 0], 2, config({"clifford": table}), CouplingMap([(0, 1)]))
    assert "unitary" in after.count_ops() and Operator(after).equiv(before)


def test_methods_are_compared(tables):
    plans = config(tables, "default")
    plans.plugin_selection = "all"
    function = random_linear(3, 2)
    _, best = synthesized(function, range(3), 3, plans)
    assert best.size() <= synthesized(function, range(3), 3, HLSConfig())[1].size()


def test_tables_that_are_wrong(tables, tmp_path):
    qorpus.generate(tmp_path / "random.db", random=100, progress=False)
    qorpus.distinct(tmp_path / "dense.db", gates="h,t", qubits=1, max_length=3)
    (tmp_path / "text.db").write_text("text")
    for table, error, reason in [
        (None, qorpus.InvalidArgument, "lacks its option 'table'"),
        (5, qorpus.WrongType, "must be a path or a Corpus, not int"),
        (tmp_path / "missing.db", qorpus.MissingFile, "'table' of the synthesis method 'qorpus': .*missing.db does not exist"),
        (tmp_path / "text.db", qorpus.Error, "'table' of the synthesis method 'qorpus': "),
        (tmp_path / "random.db", qorpus.InvalidArgument, "does not compare tableaus; make a table with"),
        (tmp_path / "dense.db", qorpus.InvalidArgument, "does not compare tableaus; make a table with"),
    ]:
        with pytest.raises(error, match=reason):
            synthesized(PermutationGate([1, 0]), [0, 1], 2, config({"permutation": table}, "default"))
    assert not (tmp_path / "missing.db").exists()


def test_a_table_is_opened_once(tables, monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr(qorpus.qiskit_plugins, "open", lambda path: opened.append(path) or qorpus.open(path))
    path = tmp_path / "table.db"
    for gates in ["swap", "cx"]:
        path.unlink(missing_ok=True)
        qorpus.distinct(path, gates=gates, qubits=2, max_length=9)
        for _ in range(3):
            _, after = synthesized(PermutationGate([1, 0]), [0, 1], 2, config({"permutation": path}))
            # A new file at the path is another table.
            assert after.count_ops() == {gates: 1 if gates == "swap" else 3}
    monkeypatch.chdir(tmp_path)
    synthesized(PermutationGate([1, 0]), [0, 1], 2, config({"permutation": "table.db"}))
    assert opened == 2 * [str(path)]


def sizes(tables, seeds):
    plans = config(tables)
    return [synthesized(random_linear(3, seed), range(3), 3, plans)[1].size() for seed in seeds]


def test_tables_cross_forks(tables):
    expected = sizes(tables, range(10))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.starmap(sizes, 4 * [(tables, range(10))]) == 4 * [expected]
    compiled = transpile([blocks(5, 1)] * 3, basis_gates=["cx", "u"], hls_config=config(tables, "default"), num_processes=2)
    assert all(Operator.from_circuit(circuit).equiv(blocks(5, 1)) for circuit in compiled)
