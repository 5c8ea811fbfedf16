"""Uniformly random Clifford operators: drawn as the format specifies, read by every face, and Clifford
operators according to Qiskit."""

import json
import pickle

import clifford_operators
import format_v1
import numpy as np
import pytest
import qorpus
from command import generate, info, snapshot
from command import qorpus as command
from oracles import qiskit_circuit
from qiskit.quantum_info import Clifford, Operator, Pauli

QUBITS = range(1, 9)

#: The first letters of a record, by the number of qubits.
GOLDEN = {
    1: ("x 0",),
    2: ("h 0", "s 0", "h 0", "cx 1 0", "s 1"),
    3: ("h 1", "s 1", "h 1", "cx 0 1", "cx 1 0"),
    4: ("h 3", "s 3", "h 3", "h 0", "cx 3 0"),
    5: ("h 0", "cx 0 3", "h 2", "cx 2 0", "cx 3 0"),
    6: ("s 1", "h 0", "cx 1 0", "cx 2 3", "cx 0 1"),
    7: ("h 4", "s 4", "h 4", "cx 0 4", "h 5"),
    8: ("h 0", "cx 0 2", "h 4", "s 4", "h 4"),
}


def cliffords(qubits, records=60, **options):
    return qorpus.Recipe(cliffords=records, qubits=qubits, **options)


# Records.


@pytest.mark.parametrize("qubits", QUBITS)
def test_an_independent_reader_agrees(corpus, qubits):
    """Recipe, letters, circuits, checks and hashes, from the bytes alone and the documented algorithm."""
    generate(corpus, "--cliffords", 300, "--qubits", qubits, "--seed", 2**64 - 1, "--no-unitaries")
    decoded, facts = format_v1.decode(corpus), info(corpus)
    assert (facts["recipe_hash"], facts["content_hash"]) == (decoded.recipe_hash, decoded.content_hash)
    assert decoded.recipe["length"] == [0, clifford_operators.longest(qubits)]
    assert decoded.recipe["space"] == {"cliffords": {"records": 300, "seed": 2**64 - 1}}
    assert decoded.recipe["format_version"] == facts["format_version"] == 2
    assert decoded.letters == format_v1.alphabet(decoded.recipe["gates"], qubits, "all")
    for index, circuit in enumerate(decoded.texts()):
        assert circuit == clifford_operators.circuit(2**64 - 1, index, qubits), index


@pytest.mark.parametrize("qubits", QUBITS)
def test_circuits_are_the_operators_that_were_drawn(qubits):
    """The letters from each qubit on turn the pair that was drawn for it into its X and Z: Qiskit's
    tableau of the circuit says so, and equals the one that Qiskit finds in the unitary."""
    recipe = cliffords(qubits, order="little")
    for record in recipe[:20] if qubits < 6 else recipe[:3]:
        found = Clifford.from_operator(Operator(record.unitary)) if qubits < 7 else Clifford(record.to_qiskit())
        assert found == Clifford(record.to_qiskit())
    for index in range(len(recipe)):
        steps = clifford_operators.steps(0, index, qubits)
        assert [letter for *_, letters in steps for letter in letters] == list(recipe[index].circuit)
        for first in range(qubits):
            later = [letter for *_, letters in steps[first:] for letter in letters]
            operator = Clifford(qiskit_circuit(later, qubits))
            for drawn, expected in zip(steps[first][:2], "XZ"):
                # Qiskit writes qubit 0 at the end.
                image = Pauli("".join(reversed(drawn))).evolve(operator, frame="s")
                target = "".join(reversed(["I"] * first + [expected] + ["I"] * (qubits - first - 1)))
                assert image.to_label().lstrip("-") == target, (index, first)


def test_operators_of_one_qubit_are_uniform():
    """Unitaries up to phase: 24, each as often as the others."""
    unitaries = cliffords(1, 24_000, seed=11).unitaries(slice(None)).reshape(-1, 4)
    # The products of entries and conjugate entries do not depend on a phase.
    products = np.einsum("ni,nj->nij", unitaries, unitaries.conj()).reshape(-1, 16)
    keys = np.round(np.concatenate([products.real, products.imag], axis=1), 6) + 0.0
    _, counts = np.unique(keys, axis=0, return_counts=True)
    # 23 degrees of freedom: 60 is exceeded once in 30,000 seeds.
    assert len(counts) == 24 and ((counts - 1000) ** 2 / 1000).sum() < 60


def test_records_are_frozen():
    """The circuits of a seed never change with a new version."""
    assert {qubits: cliffords(qubits, 10**12, seed=5)[10**11].circuit[:5] for qubits in QUBITS} == GOLDEN
    assert cliffords(2, 1000).hash.startswith("ed75867999452a9b")


def test_far_records_are_found_directly():
    far = qorpus.Recipe(cliffords=2**63, qubits=3)
    assert far[2**63 - 1].circuit == tuple(clifford_operators.circuit(0, 2**63 - 1, 3))


# Faces.


def test_command_and_python_make_the_same_corpus(corpus, tmp_path):
    generate(corpus, "--cliffords", "2k", "--qubits", 2, "--seed", 7)
    recipe = cliffords(2, "2k", seed=7)
    made = qorpus.generate(tmp_path / "made.db", cliffords=2000, qubits=2, seed=7, progress=False)
    sharded = qorpus.generate(f"{tmp_path}/shards/", recipe, shard=500, progress=False)
    plan = json.loads(command("plan", "--cliffords", 2000, "--seed", 7, "--json").stdout)
    assert plan["recipe"] == json.loads(recipe.json) and plan["records"] == 2000
    assert info(corpus)["content_hash"] == made.content_hash == sharded.content_hash
    assert made.recipe == sharded.recipe == recipe == pickle.loads(pickle.dumps(recipe))
    assert "2,000 uniformly random Clifford operators, seed 7" in repr(recipe)
    for path in [corpus, tmp_path / "made.db", tmp_path / "shards"]:
        command("verify", path)
    assert np.array_equal(made.unitaries(slice(None)), recipe.unitaries(slice(None)))


def test_what_reads_random_circuits_reads_cliffords():
    recipe = cliffords(2, 1000)
    letters = "count_h + count_s + count_cx + count_x + count_y + count_z"
    assert recipe.sql(f"select max(length) <= 16, sum({letters} - length) from records") == [(1, 0)]
    batch = next(iter(recipe.stream(100, seed=1)))
    assert np.array_equal(batch.unitaries, recipe.unitaries(batch.ids))
    sides = recipe.split(train=0.5, test=0.5)
    assert len(sides["train"]) + len(sides["test"]) == 1000
    # A record may be longer than the bound of a smaller group's circuits, but never than its own.
    for qubits in QUBITS:
        letters = cliffords(qubits, 2000).letters_array(slice(None))
        assert letters.shape[1] <= clifford_operators.longest(qubits)


def test_a_corpus_of_another_recipe_is_not_resumed(corpus):
    generate(corpus, "--cliffords", 100)
    for other in (["--cliffords", 100, "--seed", 1], ["--random", 100]):
        assert "recipe" in command("generate", corpus, *other, status=1).stderr
    generate(corpus, "--cliffords", 100)


def test_a_corpus_grows(corpus, tmp_path):
    generate(corpus, "--cliffords", 100)
    generate(corpus, "--cliffords", 2000)
    generate(tmp_path / "once.db", "--cliffords", 2000)
    assert info(corpus)["content_hash"] == info(tmp_path / "once.db")["content_hash"]


# Refusals.


@pytest.mark.parametrize("flags", ["--gates h,s,cx", "--coupling line", "--coupling all", "--length 5", "--words",
                                   "--random 7"])  # fmt: skip
def test_flags_that_exclude_each_other(tmp_path, flags):
    before = snapshot(tmp_path)
    said = command("generate", "new.db", "--cliffords", 5, *flags.split(), status=2, cwd=tmp_path).stderr
    assert "--cliffords" in said and flags.split()[0] in said and snapshot(tmp_path) == before


REFUSED = [
    ({"gates": "h,s,cx"}, "leave out gates"),
    ({"coupling": "line"}, "leave out coupling"),
    ({"length": 5}, "leave out length"),
    ({"words": True}, "leave out words"),
    ({"random": 1_000_000}, "leave out random"),
    ({"cliffords": 0}, "number of records is 0"),
    ({"cliffords": 2**63 + 1}, "2^63"),
    ({"cliffords": "many"}, "many"),
    ({"cliffords": -1}, "cliffords"),
    ({"qubits": 9}, "1 to 8"),
]


@pytest.mark.parametrize(("options", "reason"), REFUSED)
def test_options_that_exclude_each_other(options, reason):
    with pytest.raises(qorpus.InvalidArgument) as refused:
        qorpus.Recipe(**{"cliffords": 5} | options)
    assert reason in str(refused.value)


def test_a_recipe_with_other_letters_is_refused():
    text = cliffords(2, 10).json
    for old, new in [('"s",', ""), ("[0,16]", "[0,99]"), ('version":2', 'version":1')]:
        with pytest.raises(qorpus.Error, match="recipe"):
            qorpus.Recipe.from_json(text.replace(old, new))
