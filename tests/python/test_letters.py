"""Letters one by one: couplings with a direction, and gates on some qubits only.

Qiskit, a search by brute force and the second implementation of the format are the oracles.
"""

import hashlib
import itertools
import json
import multiprocessing
import pickle
import shlex
from pathlib import Path

import format_v1
import numpy as np
import pytest
import qorpus
import writing
from command import content_hash, generate, info, show
from command import qorpus as command
from oracles import qiskit_big
from qiskit import QuantumCircuit

#: qiskit-gym's model on three qubits, which has H and S on qubit 0 alone.
MODEL = ["h 0", "s 0", "cx 0 1", "cx 1 2"]

#: Every kind of placement on four qubits, each in one direction only.
DIRECTED = "sx 3; rz(pi/8) 0; cx 0 1; cx 2 1; ch 3 0; crz(0.3) 1 3; cz 2 0; swap 3 2; iswap 0 3; ccx 3 0 2; cswap 1 3 0; u3(1,2,3) 2"

GOLDEN = json.loads(Path(__file__).with_name("golden_letters.json").read_text())


# Recipes.


def test_a_recipe_of_letters():
    recipe = qorpus.Recipe(letters=MODEL, random=1000)
    assert (recipe.letters, recipe.gates, recipe.qubits) == (tuple(MODEL), ("h", "s", "cx"), 3)
    found = json.loads(recipe.json)
    assert list(found)[:5] == ["format_version", "qubits", "gates", "letters", "length"]
    assert (found["format_version"], found["letters"]) == (2, MODEL)
    assert repr(recipe).startswith("Recipe(h, s, cx on 3 qubits (letters 'h 0', 's 0', 'cx 0 1', 'cx 1 2'); 1,000 random")
    assert qorpus.Recipe.from_json(recipe.json) == pickle.loads(pickle.dumps(recipe)) == recipe
    assert recipe != qorpus.Recipe(letters=MODEL[::-1], random=1000)
    assert {letter for circuit in recipe.circuits(slice(0, 1000)) for letter in circuit} == set(MODEL)


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({"letters": MODEL}, ["--letters", "h 0; s 0; cx 0 1; cx 1 2"]),
        ({"letters": "H 0; s  0;cx 0 1; cx 1 2;"}, ["--letters", "h 0; s 0; cx 0 1; cx 1 2"]),
        ({"letters": iter(MODEL), "qubits": 5, "random": 7}, ["--letters", "; ".join(MODEL), "--qubits", 5, "--random", 7]),
        ({"letters": "h; t", "words": True, "length": 3}, ["--letters", "h; t", "--words", "--length", 3]),
        ({"letters": ("rz(pi/4) 0", "cz 1 0"), "gates": "nam,cz"}, ["--letters", "rz(pi/4) 0; cz 0 1", "--gates", "nam,cz"]),
    ],
)
def test_options_equal_flags(options, flags):
    plan = json.loads(command("plan", *flags, "--json").stdout)
    recipe = qorpus.Recipe(**options)
    assert json.loads(recipe.json) == plan["recipe"] and len(recipe) == plan["records"]


@pytest.mark.parametrize(
    ("gates", "qubits", "coupling"),
    [("h,t,cx", 2, "all"), ("clifford+t", 3, "line"), ("cx,h", 4, "ring"), ("cz,ccx,s", 4, "0-2,1-2,2-3"), ("ht", 1, "all")],
)
def test_letters_of_a_coupling_are_the_same_recipe(gates, qubits, coupling):
    recipe = qorpus.Recipe(gates=gates, qubits=qubits, coupling=coupling)
    listed = qorpus.Recipe(letters=recipe.letters, qubits=qubits)
    assert listed == recipe and listed.hash == recipe.hash and json.loads(listed.json)["format_version"] == 1
    assert json.loads(qorpus.Recipe(letters=recipe.letters[1:], qubits=qubits).json)["format_version"] == 2 or qubits == 1


def test_gates_define_what_letters_use(tmp_path):
    """With own gates, by a mapping or a gate file, letters place them."""
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    path = tmp_path / "mine.toml"
    path.write_text('gates = ["turn", "clifford"]\n[[gate]]\nname = "turn"\nqubits = 1\nmatrix = [[0.6, -0.8], [0.8, 0.6]]\n')
    letters = ["turn 1", "cx 1 0"]
    recipes = [qorpus.Recipe(gates, letters=letters, words=True, length=1) for gates in [{"turn": turn, "cx": None}, path]]
    assert recipes[0] == recipes[1] and recipes[0].gates == ("turn", "cx")
    assert qorpus.Recipe.from_json(recipes[0].json) == recipes[0]
    assert np.array_equal(recipes[0][0].unitary, np.kron(np.eye(2), turn))
    with pytest.raises(qorpus.InvalidArgument, match="gate 't': a letter has it, but the gates are turn, cx"):
        qorpus.Recipe({"turn": turn, "cx": None}, letters="turn 0; t 1")


# Records.


def test_words_are_in_the_order_of_the_letters():
    recipe = qorpus.Recipe(letters=MODEL, words=True, length=(0, 4))
    expected = [word for length in range(5) for word in itertools.product(MODEL, repeat=length)]
    assert recipe.circuits(slice(None)) == expected


@pytest.mark.parametrize(("letters", "qubits"), [(DIRECTED, 4), ("; ".join(MODEL), 3), ("cx 1 0; rz(0.3) 1; h 1", 2)])
def test_unitaries_are_qiskits(letters, qubits):
    recipe = qorpus.Recipe(letters=letters, random=400, length=(0, 25), seed=3)
    assert recipe.qubits == qubits
    for record in recipe.__getitems__(range(400)):
        assert np.abs(record.unitary - qiskit_big(record.circuit, qubits)).max() < 1e-12
    assert recipe.unitaries(slice(None)).tobytes() == recipe.unitaries(range(400)).tobytes()


def test_circuits_of_qiskit_and_back(corpus):
    """Converted circuits are in the letters of a writer, whatever the order of symmetric qubits."""
    recipe = qorpus.Recipe(letters=DIRECTED, random=50, length=20, seed=1)
    records = recipe.__getitems__(range(50))
    with qorpus.Writer(corpus, letters=DIRECTED) as writer:
        back = [qorpus.from_qiskit(record.to_qiskit()) for record in records]
        writer.extend(back, [record.unitary for record in records])
    assert qorpus.open(corpus).circuits(slice(None)) == recipe.circuits(slice(None))


# Files.


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["arguments"])
def test_frozen_and_read_by_an_independent_reader(corpus, golden):
    """Recipe, circuits and unitaries are what they were when version 2 was fixed, and what the
    second implementation reads and computes."""
    generate(corpus, *shlex.split(golden["arguments"]))
    decoded, facts = format_v1.decode(corpus), info(corpus)
    connection = format_v1.connect(corpus)
    (recipe,), (gates,) = connection.execute("SELECT value FROM meta WHERE key IN ('recipe', 'gates') ORDER BY key DESC")
    version = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    assert version == (2,) and facts["format_version"] == 2
    assert recipe == golden["recipe"] and hashlib.sha256(recipe.encode()).hexdigest() == decoded.recipe_hash
    assert facts["content_hash"] == decoded.content_hash == golden["content_hash"]
    assert decoded.letters == format_v1.listed(decoded.recipe) == facts["alphabet"]
    assert ["; ".join(text) for text in decoded.texts()[:3]] == golden["circuits"]
    matrices = {gate["name"]: np.array(gate["matrix"]) @ [1, 1j] for gate in json.loads(gates)}
    shortest, longest = decoded.recipe["length"]
    for record in show(corpus, range(len(decoded.circuits))):
        if decoded.recipe["space"] == "words":
            expected = format_v1.word(record.id, len(decoded.letters), shortest)
        else:
            seed = decoded.recipe["space"]["random"]["seed"]
            expected = format_v1.random_circuit(seed, record.id, len(decoded.letters), shortest, longest)
        assert decoded.circuits[record.id] == expected
        assert record.circuit == [decoded.letters[letter] for letter in expected]
        placed = [(matrices[name], [*map(int, places)]) for name, *places in map(str.split, record.circuit)]
        assert record.unitary.tobytes() == format_v1.unitary(placed, decoded.recipe["qubits"]).tobytes()


def test_files_shards_and_sql_agree(tmp_path):
    recipe = qorpus.Recipe(letters=MODEL, random=40_000, unitaries=False)
    one = qorpus.generate(tmp_path / "one.db", recipe, progress=False)
    shards = qorpus.generate(f"{tmp_path}/shards/", recipe, shard=16_384, progress=False)
    assert one.recipe == shards.recipe == recipe and one.content_hash == shards.content_hash
    assert one.circuits([0, 39_999]) == shards.circuits([0, 39_999]) == recipe.circuits([0, 39_999])
    counted = one.sql("select sum(count_h), sum(count_s), sum(count_cx), sum(length) from records")
    letters = np.unique(recipe.letters_array(slice(None)), return_counts=True)[1][1:]
    assert counted == [(int(letters[0]), int(letters[1]), int(letters[2] + letters[3]), int(letters.sum()))]
    for path in [tmp_path / "one.db", tmp_path / "shards"]:
        command("verify", path, "--quiet")
    merged = tmp_path / "merged.db"
    command("merge", merged, tmp_path / "shards", "--quiet")
    assert content_hash(merged) == one.content_hash
    said = command("generate", tmp_path / "one.db", "--letters", "h 0; s 0; cx 1 0; cx 1 2", "--no-unitaries", status=1).stderr
    assert "'cx 0 1'" in said and "'cx 1 0'" in said


# Distinct unitaries.


def by_brute_force(letters, qubits, longest):
    """The number of unitaries up to phase by the length of their shortest circuits, and one
    unitary of each."""
    matrices = [qiskit_big([letter], qubits) for letter in letters]

    def key(unitary):
        flat = unitary.ravel()
        flat = flat * np.exp(-1j * np.angle(flat[np.argmax(np.abs(flat) > 1e-6)]))
        return (np.round(flat, 6) + (0.0 + 0.0j)).tobytes()

    start = np.eye(2**qubits, dtype=complex)
    known, level, counts = {key(start): start}, [start], [1]
    for _ in range(longest):
        new = {}
        for unitary, matrix in itertools.product(level, matrices):
            product = matrix @ unitary
            if (name := key(product)) not in known:
                new.setdefault(name, product)
        known |= new
        level = list(new.values())
        counts.append(len(level))
    return counts, level


@pytest.mark.parametrize(
    ("letters", "qubits", "longest"),
    [(MODEL, 3, 9), (["h 0", "t 0", "cx 0 1"], 2, 9), (["sx 1", "rz(0.3) 0", "cx 1 0", "cz 0 1"], 2, 6)],
)
def test_distinct_unitaries_by_brute_force(tmp_path, letters, qubits, longest):
    corpus = qorpus.distinct(tmp_path / "d.db", letters=letters, max_length=longest, progress=False)
    counts, last = by_brute_force(letters, qubits, longest)
    assert [len(level.ids) for level in corpus.levels] == counts
    assert corpus.letters == tuple(letters) and corpus.qubits == qubits
    for found, unitary in zip(corpus.find_many(last[:50]), last[:50], strict=True):
        assert len(found.circuit) == longest
        overlap = np.trace(qiskit_big(found.circuit, qubits).conj().T @ unitary)
        assert abs(abs(overlap) - 2**qubits) < 1e-9
    command("verify", tmp_path / "d.db", "--quiet")
    flags = ["--letters", "; ".join(letters), "--max-length", longest, "--quiet"]
    command("distinct", tmp_path / "c.db", *flags)
    assert content_hash(tmp_path / "c.db") == corpus.content_hash


def test_longer_circuits_are_found_over_one_direction(tmp_path):
    """A search from both ends uses these letters alone, of which some have no inverse."""
    corpus = qorpus.distinct(tmp_path / "d.db", letters=MODEL, max_length=5, progress=False)
    longer = qorpus.distinct(tmp_path / "long.db", letters=MODEL, max_length=9, progress=False)
    for record in longer.__getitems__(range(longer.levels[8].ids[0], longer.levels[8].ids[0] + 40)):
        found = corpus.find(record.unitary)
        assert len(found.circuit) == 8 and set(found.circuit) <= set(MODEL)
    assert corpus.find("cx 1 0").circuit is None and corpus.find("cx 1 0; cx 1 0").id == 0


# A writer.


def test_writers_in_two_processes(tmp_path):
    path = tmp_path / "w.db"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=writing.every_second, args=(path, MODEL, start)) for start in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0, 0]
    corpus = qorpus.open(path)
    assert len(corpus) == 1000 and corpus.letters == tuple(MODEL) and info(path)["format_version"] == 2
    numbers = [labels["number"] for labels in corpus.labels(range(1000))]
    assert sorted(numbers) == list(range(1000))
    for record in corpus.__getitems__(range(0, 1000, 37)):
        number = record.labels["number"]
        assert record.circuit == (MODEL[number % 4], MODEL[number // 4 % 4])
        assert np.abs(record.unitary - qiskit_big(record.circuit, 3)).max() < 1e-12
    with qorpus.Writer(path) as writer:
        assert writer.recipe == corpus.recipe
    before = path.read_bytes()
    with pytest.raises(qorpus.Error, match="'cx 1 2', 'cx 0 1'"):
        qorpus.Writer(path, letters=["h 0", "s 0", "cx 1 2", "cx 0 1"])
    assert path.read_bytes() == before


def test_a_writer_of_letters_and_opaque_gates(corpus):
    with qorpus.Writer(corpus, letters=["h 0", "cx 0 1", "pulse 1", "kick 1 0"]) as writer:
        with pytest.raises(qorpus.InvalidArgument, match="'h 1' is not a letter of this alphabet"):
            writer.append(["h 1"])
        with pytest.raises(qorpus.InvalidArgument, match="must come with its unitary"):
            writer.append(["pulse 1"])
        writer.append("h 0; cx 0 1")
        writer.append(["kick 1 0", "pulse 1"], np.eye(4))
        circuit = QuantumCircuit(2)
        circuit.cx(0, 1)
        writer.append(qorpus.from_qiskit(circuit))
    found = qorpus.open(corpus)
    assert found.circuits(slice(None)) == [("h 0", "cx 0 1"), ("kick 1 0", "pulse 1"), ("cx 0 1",)]
    assert found.gates == ("h", "cx", "pulse", "kick")


# Refusals.

REFUSED = {
    "no letters": ("", {}, "no letters were given"),
    "an unknown gate": ("hh 0", {}, "unknown gate 'hh'"),
    "a letter twice": ("h 0; cx 0 1; h 0", {}, "letter 'h 0': it is listed twice"),
    "one placement twice": ("cz 0 1; cz 1 0", {}, "'cz 1 0': it is the same letter as 'cz 0 1'"),
    "one gate in two spellings": ("rz(pi/4) 0; rz(0.7853981633974483) 1", {}, "are the same gate"),
    "too few qubits": ("cx 0", {}, "acts on 2 qubits, not on 1"),
    "too many qubits": ("h 0 1", {}, "acts on 1 qubit, not on 2"),
    "a qubit twice": ("cx 1 1", {}, "qubit 1 is named twice"),
    "a qubit that does not exist": ("cx 0 2", {"qubits": 2}, "there is no qubit 2; the qubits are 0 to 1"),
    "a ninth qubit": ("h 8", {}, "9 qubits are out of range: unitaries have 1 to 8 qubits"),
    "a seventeenth qubit": ("h 16", {}, "there is no qubit 16; the qubits are 0 to 15"),
    "no number": ("h a", {}, "there is no qubit a"),
    "a coupling": ("h 0", {"coupling": "line"}, "letters and the coupling 'line' exclude each other"),
    "gates without it": ("h 0; t 0", {"gates": "h,cx"}, "gate 't': a letter has it, but the gates are h, cx"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refusals(tmp_path, reason):
    letters, options, sentence = REFUSED[reason]
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    path = tmp_path / "c.db"
    for arguments in [["generate", path], ["plan"], ["distinct", path, "--max-length", 3]]:
        said = command(*arguments, f"--letters={letters}", *flags, status=2).stderr
        assert sentence in said and len(said.strip().splitlines()) <= 2, said
    for attempt in [
        lambda: qorpus.Recipe(letters=letters, **options),
        lambda: qorpus.generate(path, letters=letters.split(";"), **options),
        lambda: qorpus.distinct(path, letters=letters, max_length=3, **options),
    ]:
        with pytest.raises(qorpus.InvalidArgument) as caught:
            attempt()
        assert sentence in str(caught.value)
    # To a writer, an unknown name is an opaque gate.
    if reason != "an unknown gate":
        with pytest.raises(qorpus.InvalidArgument) as caught:
            qorpus.Writer(path, letters=letters, **options)
        assert sentence in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("letters", [3, {"h 0"}, {"h 0": None}, ["h 0", 7], b"h 0", [b"h 0"]])
def test_letters_of_other_types(letters):
    with pytest.raises(qorpus.WrongType):
        qorpus.Recipe(letters=letters)
