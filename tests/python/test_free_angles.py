"""Gates with free angles through every face. Qiskit, Cirq, BQSKit and the second implementation of the
format are the oracles; kernels and codec are tested to the bit in Rust."""

import json
import math
import pickle
from pathlib import Path

import cirq
import format_v1
import numpy as np
import pytest
import qorpus
from command import generate, info
from command import qorpus as command
from oracles import cirq_big, qiskit_big
from qiskit.quantum_info import Operator

#: Every gate with free angles, and fixed ones between them.
EVERY = "rx(?),ry(?),rz(?),p(?),u3(?,?,?),h,sx,cp(?),crx(?),cry(?),crz(?),cx"

OPTIONS = {"gates": "rz(?),u3(?,?,?),sx,cp(?),cx", "qubits": 3, "random": 500, "length": (0, 12), "seed": 7}

GOLDEN = json.loads(Path(__file__).with_name("golden_free_angles.json").read_text())


def gates(qubits: int) -> str:
    return EVERY if qubits > 1 else EVERY.partition(",cp")[0]


@pytest.mark.parametrize("qubits", [1, 2, 3, 4, 5])
def test_unitaries_are_those_of_qiskit_and_cirq(qubits):
    recipe = qorpus.Recipe(gates(qubits), qubits, random=60, length=(0, 14), seed=qubits)
    seen = set()
    for record in recipe:
        seen |= {letter.partition("(")[0].partition(" ")[0] for letter in record.circuit}
        assert np.abs(record.unitary - qiskit_big(record.circuit, qubits)).max() < 1e-12
        assert np.abs(record.unitary - cirq_big(record.circuit, qubits)).max() < 1e-12
    assert seen == {gate.partition("(")[0] for gate in recipe.gates}


def test_conversions_take_the_angles():
    little = qorpus.Recipe(gates(2), 2, random=25, length=8, seed=3)
    for record in little:
        built = Operator(record.to_qiskit().reverse_bits()).data
        assert np.abs(built - record.unitary).max() < 1e-12
        cirq_circuit = record.to_cirq().unitary(cirq.LineQubit.range(2), cirq.LineQubit.range(2))
        assert np.abs(cirq_circuit - record.unitary).max() < 1e-12
        bqskit = record.to_bqskit().get_unitary().numpy
        overlap = abs(np.trace(bqskit.conj().T @ record.unitary)) / 4
        assert overlap == pytest.approx(1, abs=1e-12)
        assert "?" not in record.to_qasm2() + record.to_qasm3() + str(record.draw())


def test_angles_stand_where_their_letters_do():
    recipe = qorpus.Recipe(**OPTIONS)
    angles, letters = recipe.angles(slice(None)), recipe.letters_array(slice(None))
    assert angles.dtype == np.float64 and angles.shape == (500, 12, 3)
    needed = np.array([*(letter.count("?") for letter in recipe.letters), 0])
    assert (np.isfinite(angles).sum(axis=2) == needed[letters]).all()
    for record in recipe[::7]:
        own = angles[record.id, : len(record.circuit)]
        assert np.array_equal(record.angles, own, equal_nan=True) and record.angles.shape == (len(record.circuit), 3)
        texts = [numbers_of(letter) for letter in record.circuit]
        assert texts == [[angle for angle in row if not math.isnan(angle)] for row in own.tolist()]
        assert pickle.loads(pickle.dumps(record)) == record
        assert np.array_equal(pickle.loads(pickle.dumps(record)).angles, own, equal_nan=True)
    # Gates without any have none.
    fixed = qorpus.Recipe("h,t", 1, random=5, length=4)
    assert np.isnan(fixed.angles([0, 1])).all() and np.isnan(fixed[0].angles).all() and fixed[0].angles.shape == (4, 3)


def numbers_of(letter: str) -> list[float]:
    """The numbers in the text of a letter, which give the same bits again."""
    inside = letter.partition("(")[2].partition(")")[0]
    return [float(number) for number in inside.split(",")] if inside else []


def test_labels_count_free_letters():
    recipe = qorpus.Recipe("rz(?),rz(pi/4),h", 1, random=200, length=9)
    rows = recipe.sql('select id, "count_rz(?)", "count_rz(pi/4)", count_h from records')
    for (id, *counts), record in zip(rows, recipe, strict=True):
        names = ["count_rz(?)", "count_rz(pi/4)", "count_h"]
        assert [record.labels[name] for name in names] == counts == [recipe.labels([id])[0][name] for name in names]
    assert all(sum(counts) == 9 for _, *counts in rows)


# The second implementation.


@pytest.mark.parametrize("golden", GOLDEN, ids=[golden["flags"] for golden in GOLDEN])
def test_an_independent_reader_agrees(corpus, golden):
    generate(corpus, *golden["flags"].split())
    decoded, facts = format_v1.decode(corpus), info(corpus)
    for found in (facts["recipe_hash"], facts["content_hash"]), (decoded.recipe_hash, decoded.content_hash):
        assert found == (golden["recipe_hash"], golden["content_hash"])
    assert facts["format_version"] == 2
    gates = decoded.recipe["gates"]
    assert decoded.letters == format_v1.alphabet(gates, decoded.recipe["qubits"], decoded.recipe["coupling"])
    seed, opened = decoded.recipe["space"]["random"]["seed"], qorpus.open(corpus)
    angles = opened.angles(slice(None))
    for id, circuit in enumerate(decoded.circuits):
        if "weights" not in decoded.recipe["space"]["random"]:
            assert circuit == format_v1.random_circuit(seed, id, len(decoded.letters), *decoded.recipe["length"])
        expected = format_v1.random_angles(seed, id, [decoded.letters[letter] for letter in circuit])
        found = angles[id][np.isfinite(angles[id])]
        # acos of two libraries may differ in the last bit.
        assert np.abs(found - expected).max(initial=0) < 1e-15 and found.shape == (len(expected),)
        exact = [k for k, (a, b) in enumerate(zip(found, expected, strict=True)) if a == b]
        assert len(exact) >= sum(not decoded.letters[letter].startswith("u3") for letter in circuit if "?" in decoded.letters[letter])
    first = [[letter, *map(float.hex, numbers_of(letter))] for letter in opened[golden["id"]].circuit]
    assert first == golden["circuit"]
    assert [float.hex(part) for part in opened[golden["id"]].unitary[0].view(opened.dtype.type(0).real.dtype).tolist()] == golden["row"]


def test_an_independent_reader_finds_stored_angles(tmp_path):
    recipe = qorpus.Recipe(**OPTIONS)
    circuits, angles, unitaries = (read(slice(None)) for read in (recipe.letters_array, recipe.angles, recipe.unitaries))
    hashes = set()
    for stored in (True, False):
        path = tmp_path / f"{stored}.db"
        with qorpus.Writer(path, OPTIONS["gates"], 3, unitaries=stored) as writer:
            writer.extend(circuits[:300], unitaries[:300] if stored else None, angles=angles[:300])
            writer.extend([record.circuit for record in recipe[300:]])
        decoded, corpus = format_v1.decode(path), qorpus.open(path)
        assert corpus.content_hash == decoded.content_hash and info(path)["format_version"] == 2
        hashes.add(corpus.content_hash)
        for id, (circuit, own) in enumerate(zip(decoded.circuits, decoded.angles, strict=True)):
            assert circuit == [letter for letter in circuits[id].tolist() if letter >= 0]
            assert own == angles[id][np.isfinite(angles[id])].tolist()
        assert np.array_equal(corpus.angles(slice(None)), angles, equal_nan=True)
        assert np.array_equal(corpus.unitaries(slice(None)), unitaries)
        assert command("verify", path).returncode == 0
    assert len(hashes) == 2


# Faces.


def test_every_face_has_the_same_records(tmp_path):
    recipe = qorpus.Recipe(**OPTIONS)
    one = qorpus.generate(tmp_path / "one.db", recipe, progress=False)
    derived = qorpus.generate(tmp_path / "derived.db", unitaries=False, progress=False, **OPTIONS)
    shards = qorpus.generate(f"{tmp_path}/shards/", recipe, shard=200, progress=False)
    flags = f"--qubits 3 --random 500 --length 0..12 --seed 7 --gates {OPTIONS['gates']}"
    generate(tmp_path / "command.db", *flags.split())
    assert one.content_hash == shards.content_hash == info(tmp_path / "command.db")["content_hash"]
    ids = [0, 17, 499, 3]
    for corpus in (one, derived, shards, recipe, recipe.split(all=1)["all"]):
        assert np.array_equal(corpus.angles(ids), recipe.angles(ids), equal_nan=True)
        assert corpus.circuits(ids) == recipe.circuits(ids)
        assert np.array_equal(corpus.unitaries(ids), recipe.unitaries(ids))
    shown = json.loads(command("show", tmp_path / "command.db", 17, "--json").stdout)
    record = recipe[17]
    assert shown["circuit"] == list(record.circuit)
    assert shown["angles"] == record.angles[np.isfinite(record.angles)].tolist()
    assert recipe.sql("select circuit, angles from records where id = 17") == [
        ("; ".join(record.circuit), json.dumps(shown["angles"], separators=(",", ":")))
    ]


@pytest.mark.parametrize("window", [None, 128])
def test_streams_bring_angles(window):
    recipe = qorpus.Recipe(**OPTIONS)
    for columns in (("unitaries", "circuits"), ("circuits",)):
        for batch in recipe.stream(64, seed=2, window=window, columns=columns):
            assert np.array_equal(batch.angles, recipe.angles(batch.ids)[:, : batch.circuits.shape[1]], equal_nan=True)
    assert next(iter(recipe.stream(64, columns=["unitaries"]))).angles is None
    assert next(iter(qorpus.Recipe("h,t", 1, random=99).stream(64))).angles is None
    batch = next(iter(recipe.torch(batch_size=64, shuffle=False)))
    assert np.array_equal(batch["angles"].numpy(), recipe.angles(slice(64)), equal_nan=True)
    assert recipe.torch()[3]["angles"].shape == (12, 3)


def test_augmented_circuits_have_their_unitaries(tmp_path):
    recipe = qorpus.Recipe("rz(?),u3(?,?,?),h,cp(?),crx(?),cx", 3, random=200, length=(0, 9), seed=2)
    for augment in (["inverse"], ["permutation"], ["inverse", "permutation", "phase"]):
        check = "phase" if "phase" in augment else "exact"
        for batch in recipe.stream(100, seed=3, augment=augment):
            with qorpus.Writer(tmp_path / f"{'-'.join(augment)}-{batch.ids[0]}.db", recipe.gates, 3, check=check) as writer:
                writer.extend(batch.circuits, batch.unitaries, angles=batch.angles)
            changed = [not np.array_equal(a, b) for a, b in zip(batch.circuits, recipe.letters_array(batch.ids))]
            assert sum(changed) > 20


def test_files_have_angles(tmp_path):
    import pyarrow.parquet

    corpus = qorpus.generate(tmp_path / "c.db", qorpus.Recipe(**OPTIONS), progress=False)
    for name in ("x.parquet", "x.npy", "x.csv", "x.qasm"):
        command("export", tmp_path / "c.db", tmp_path / name)
    angles = corpus.angles(slice(None))
    assert np.array_equal(np.load(tmp_path / "x.angles.npy"), angles, equal_nan=True)
    table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    flat = [row[np.isfinite(row)].tolist() for row in angles]
    assert table["angles"].to_pylist() == flat
    assert table["circuit"].to_pylist() == ["; ".join(circuit) for circuit in corpus.circuits(slice(None))]


def test_a_dataset_of_hugging_face_has_angles(tmp_path):
    import pyarrow.parquet

    recipe = qorpus.Recipe(**OPTIONS)
    recipe.to_hf(tmp_path / "hf", progress=False)
    table = pyarrow.parquet.read_table(tmp_path / "hf" / "data")
    angles = recipe.angles(slice(None))
    assert table["angles"].to_pylist() == [row[np.isfinite(row)].tolist() for row in angles]
    assert table["circuit"][17].as_py() == "; ".join(recipe[17].circuit)
    assert "`angles`" in (tmp_path / "hf" / "README.md").read_text()


# Constraints, and what is refused.


def test_constraints_hold_with_free_angles():
    options = {"gates": "rz(?),sx,cx", "qubits": 2, "random": 300, "length": 8}
    recipe = qorpus.Recipe(**options, exactly={"rz(?)": 3}, weights={"cx": 2}, no_cancelling=True)
    assert recipe.sql('select distinct "count_rz(?)" from records') == [(3,)]
    assert not any("cx 0 1" == a == b for circuit in recipe.circuits(slice(None)) for a, b in zip(circuit, circuit[1:]))
    # Two rotations by different angles do not undo each other.
    assert any(a[:3] == b[:3] == "rz(" and a[-1] == b[-1] for circuit in recipe.circuits(slice(None)) for a, b in zip(circuit, circuit[1:]))


def test_a_corpus_grows_with_its_angles(tmp_path):
    qorpus.generate(tmp_path / "c.db", qorpus.Recipe(**OPTIONS), progress=False)
    grown = qorpus.generate(tmp_path / "c.db", **OPTIONS | {"random": 900}, progress=False)
    once = qorpus.Recipe(**OPTIONS | {"random": 900})
    assert np.array_equal(grown.angles(slice(None)), once.angles(slice(None)), equal_nan=True)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: qorpus.Recipe("rz(?)", 1, words=True, length=3), "gate 'rz\\(\\?\\)' has a free angle, but words need fixed"),
        (lambda: qorpus.distinct("x.db", gates="h,rz(?)", qubits=1, max_length=2), "distinct unitaries need fixed gates"),
        (lambda: qorpus.Recipe("u3(?,0,?)", 1), "all of its angles are free or none: 'u3\\(\\?,\\?,\\?\\)'"),
        (lambda: qorpus.Recipe("h(?)", 1), "it takes no angle"),
        (lambda: qorpus.Recipe("rz(2*?)", 1), "unexpected '\\?'"),
        (lambda: qorpus.to_qiskit(["rz(?) 0"], 1), "give it a value, such as 'rz\\(pi/4\\)'"),
    ],
)
def test_refusals(call, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(qorpus.InvalidArgument, match=said):
        call()
    assert list(tmp_path.iterdir()) == []


def test_a_writer_needs_every_angle(tmp_path):
    with qorpus.Writer(tmp_path / "w.db", "rz(?),u3(?,?,?),h", 1) as writer:
        for circuit, more, said in [
            ("rz(?) 0", {}, "its angle is missing; write 'rz\\(0.5\\) 0'"),
            ([0], {}, "1 free angle, but 0 were given"),
            ([0, 2], {"angles": [[0.5, 0, 0]]}, "angles must have shape \\(1, 2, 3\\)"),
            ([0], {"angles": [[np.nan] * 3]}, "NaN is not a finite number"),
            ([0], {"angles": [[math.inf] * 3]}, "inf is not a finite number"),
            ("rz(0.5)", {"angles": [[0.5, 0, 0]]}, "given twice"),
            ("ry(0.5)", {}, "'ry\\(0.5\\)' is not a letter"),
            ("h", {"unitary": np.eye(2)}, "unitary"),
        ]:
            with pytest.raises(qorpus.InvalidArgument, match=said):
                writer.append(circuit, **more)
        with pytest.raises(qorpus.InvalidArgument, match="column of this name"):
            writer.append("h", **{"Angles": 1.0})
        with pytest.raises(qorpus.WrongType, match="array of real numbers"):
            writer.append([0], angles=[["x", "y", "z"]])
        writer.append("rz(pi/4); u3(0.1, -0.2, 3e-7); h")
        writer.append([0, 2], angles=[[-1.5, 9, 9], [np.nan] * 3])
    first, second = qorpus.open(tmp_path / "w.db")
    assert first.circuit == ("rz(0.7853981633974483) 0", "u3(0.1,-0.2,3e-7) 0", "h 0")
    assert second.circuit == ("rz(-1.5) 0", "h 0") and second.angles[0, 0] == -1.5
    assert np.abs(first.unitary - qiskit_big(first.circuit, 1)).max() < 1e-14
