"""Constrained random circuits through every face. Their distribution is tested in Rust, by enumeration;
the draws, in test_format.py, against a second implementation."""

import numpy as np
import pytest
import qorpus
from command import content_hash, generate, info
from qiskit import QuantumCircuit
from qiskit.circuit.library import CXGate, HGate, SdgGate, SGate, TdgGate, TGate
from qiskit.transpiler.passes import InverseCancellation

ALL = {"weights": {"t": 0.5}, "exactly": {"cx": 3, "s": 1}, "no_cancelling": True}
OPTIONS = {"gates": "clifford+t", "qubits": 3, "random": 3000, "length": (6, 14), "seed": 4}


def shortened(circuit: QuantumCircuit) -> int:
    """How many gates Qiskit's cancellation of neighbours takes away."""
    inverses = [HGate(), CXGate(), (SGate(), SdgGate()), (TGate(), TdgGate())]
    return circuit.size() - InverseCancellation(inverses)(circuit).size()


@pytest.mark.parametrize("exactly", [None, {"cx": 2}])
def test_nothing_is_left_for_qiskit_to_cancel(exactly):
    options = OPTIONS | {"random": 300, "length": (5, 30), "exactly": exactly}
    unchanged = qorpus.Recipe(**options, no_cancelling=True)
    assert [shortened(record.to_qiskit()) for record in unchanged] == [0] * 300
    assert sum(shortened(record.to_qiskit()) > 0 for record in qorpus.Recipe(**options)) > 100


def test_the_numbers_of_letters_are_exact():
    recipe = qorpus.Recipe(**OPTIONS, **ALL)
    assert recipe.sql("select distinct count_cx, count_s from records") == [(3, 1)]
    lengths = dict(recipe.sql("select length, count(*) from records group by length"))
    assert lengths.keys() == set(range(6, 15))
    # Six standard deviations of a binomial count.
    assert all(abs(found - 3000 / 9) < 6 * (3000 * 8 / 81) ** 0.5 for found in lengths.values())


def test_weights_are_those_of_gates():
    """A gate is drawn by its weight, however many letters it has."""
    recipe = qorpus.Recipe("h,t,cx", 3, random=20_000, length=10, weights={"h": 2, "t": 1, "cx": 5})
    ((h, t, cx),) = recipe.sql("select sum(count_h), sum(count_t), sum(count_cx) from records")
    assert h + t + cx == 200_000
    for found, share in [(h, 2 / 8), (t, 1 / 8), (cx, 5 / 8)]:
        assert abs(found - 200_000 * share) < 6 * (200_000 * share * (1 - share)) ** 0.5


def test_every_face_has_the_same_records(tmp_path):
    """File, parts, shards, merge, the command and what is computed on reading."""
    recipe = qorpus.Recipe(**OPTIONS, **ALL)
    one = qorpus.generate(tmp_path / "one.db", recipe, progress=False)
    for part in [(1, 2), (0, 2)]:
        parts = qorpus.generate(tmp_path / "parts.db", recipe, part=part, jobs=1, progress=False)
    shards = qorpus.generate(f"{tmp_path}/shards/", recipe, shard=1000, progress=False)
    flags = "--gates clifford+t --qubits 3 --random 3000 --length 6..14 --seed 4 --weights t=0.5 --exactly s=1,cx=3"
    generate(tmp_path / "command.db", *flags.split(), "--no-cancelling")
    assert len({one.content_hash, parts.content_hash, shards.content_hash, content_hash(tmp_path / "command.db")}) == 1
    assert info(tmp_path / "command.db")["recipe_hash"] == recipe.hash == shards.recipe.hash
    ids = [0, 17, 2999]
    for corpus in (one, shards, recipe):
        assert corpus.circuits(ids) == recipe.circuits(ids)
        assert np.array_equal(corpus.unitaries(ids), one.unitaries(ids))
    assert qorpus.Recipe.from_json(recipe.json) == recipe == shards.recipe
    assert "weights h=1, s=1, sdg=1, t=0.5, tdg=1, cx=1, exactly s=1, cx=3, no cancelling" in repr(recipe)
    batch = next(iter(shards.stream(100, shuffle=False)))
    assert np.array_equal(batch.circuits, recipe.letters_array(slice(0, 100)))
