"""Haar-random unitaries: drawn as the format specifies them, the same from every face, with the
distribution that theory and SciPy have, and no circuit anywhere."""

import hashlib
import json
import math
import pickle
import random
import signal
import time
from pathlib import Path

import fdlibm
import format_v1
import haar_unitaries
import numpy as np
import pyarrow.parquet
import pytest
import qorpus
import torch
from command import content_hash, finish, generate, info, show, snapshot, start
from command import qorpus as command
from scipy import stats
from torch.utils.data import DataLoader

QUBITS = range(1, 9)

#: The first bytes of the SHA-256 of a unitary, by the number of qubits.
GOLDEN = {
    1: "8331c70d1d42eb96",
    2: "682282a115df8eda",
    3: "db3b061e5bf59827",
    4: "74b18b493337707d",
    5: "563dd6b087d32675",
    6: "aaab05a046bee76b",
    7: "75a85df3284fee11",
    8: "4f5c883f2562c12b",
}


#: Recipes, their hashes, and a row of a unitary.
CORPORA = json.loads(Path(__file__).with_name("golden_haar.json").read_text())


def haar(qubits, records=60, **options):
    return qorpus.Recipe(haar=records, qubits=qubits, **options)


def same(found, expected):
    """The same bits, signs of zeros included."""
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.ascontiguousarray(found).tobytes() == np.ascontiguousarray(expected).tobytes()
    return True


# Records.


@pytest.mark.parametrize("qubits", QUBITS)
def test_the_second_implementation_draws_the_same_unitaries(qubits):
    """To the bit, from the specification alone."""
    seed, records = 2**64 - 5, haar(qubits, 2**63, seed=2**64 - 5)
    for id in [*range(max(1, 100 >> qubits)), 2**40 + 3, 2**63 - 1]:
        same(records.unitaries([id])[0], haar_unitaries.unitary(seed, id, qubits))


def test_its_functions_are_those_of_any_other_library():
    chance = random.Random(1)
    for place in range(100_000):
        fdlibm.check(chance.random() * 2.0 ** -(place % 53), chance.random() * math.tau)
    for multiple in range(1, 9):
        for step in range(-100, 101):
            fdlibm.check(0.5 + step * 1e-9, min(multiple * math.pi / 4 * (1 + step * 2.0**-52), math.tau))


@pytest.mark.parametrize("qubits", [1, 2, 3])
@pytest.mark.parametrize("flags", [[], ["--no-unitaries"], ["--dtype", "complex64"]])
def test_an_independent_reader_agrees(corpus, qubits, flags):
    """Recipe, checks and hashes, from the bytes alone."""
    generate(corpus, "--haar", 300, "--qubits", qubits, "--seed", 7, *flags)
    decoded, facts = format_v1.decode(corpus), info(corpus)
    assert (facts["recipe_hash"], facts["content_hash"]) == (decoded.recipe_hash, decoded.content_hash)
    assert decoded.recipe["space"] == {"haar": {"records": 300, "seed": 7}}
    assert decoded.recipe["format_version"] == facts["format_version"] == 2
    assert (decoded.recipe["gates"], decoded.recipe["coupling"], decoded.recipe["length"]) == ([], "all", [0, 0])
    assert decoded.letters == facts["alphabet"] == [] and decoded.circuits == [[]] * 300
    if decoded.unitaries is not None:
        expected = np.array([haar_unitaries.unitary(7, id, qubits) for id in range(300)])
        same(decoded.unitaries, expected.astype(decoded.unitaries.dtype))


def test_records_are_frozen():
    """The unitaries of a seed never change with a new version."""
    digest = {qubits: hashlib.sha256(haar(qubits, 10**12, seed=5).unitaries([10**11])).hexdigest()[:16] for qubits in QUBITS}
    assert digest == GOLDEN
    assert haar(2, 1000).hash.startswith("4d90d6cd3bff4aa8")


@pytest.mark.parametrize("golden", CORPORA, ids=lambda golden: golden["flags"])
def test_corpora_are_frozen(corpus, golden):
    generate(corpus, *golden["flags"].split())
    facts = info(corpus)
    assert (facts["recipe_hash"], facts["content_hash"]) == (golden["recipe_hash"], golden["content_hash"])
    row = qorpus.open(corpus).unitaries([golden["id"]])[0, -1]
    assert [[float(entry.real).hex(), float(entry.imag).hex()] for entry in row] == golden["last_row"]


# The distribution.


@pytest.mark.parametrize("qubits", [1, 2, 3])
def test_entries_have_their_distribution_also_when_multiplied(qubits):
    """|u|² is Beta(1, d - 1) and phases are uniform, for every entry, and remain so if a fixed unitary
    stands before or behind."""
    dim, unitaries = 2**qubits, haar(qubits, 40_000 >> qubits, seed=3).unitaries(slice(None))
    fixed = haar(qubits, seed=4).unitaries([0])[0]
    for moved in (unitaries, fixed @ unitaries, unitaries @ fixed):
        for row, column in np.ndindex(dim, dim):
            entries = moved[:, row, column]
            # Each of up to 384 tests fails for one seed in a million.
            assert stats.kstest(np.abs(entries) ** 2, stats.beta(1, dim - 1).cdf).pvalue > 1e-6
            assert stats.kstest(np.angle(entries) / math.tau + 0.5, "uniform").pvalue > 1e-6


@pytest.mark.parametrize("qubits", [1, 2, 3])
def test_eigenvalues_repel_each_other(qubits):
    """The angles between neighbouring eigenvalues, and the largest one, are those of SciPy's unitaries;
    on one qubit the density of the smaller one is (1 - cos) / pi."""
    dim, count = 2**qubits, 20_000
    ours = haar(qubits, count, seed=5).unitaries(slice(None))
    theirs = stats.unitary_group.rvs(dim, size=count, random_state=6)
    phases = [np.sort(np.angle(np.linalg.eigvals(unitaries))) for unitaries in (ours, theirs)]
    gaps = [np.diff(each, axis=1, append=each[:, :1] + math.tau) for each in phases]
    assert stats.ks_2samp(gaps[0][:, 0], gaps[1][:, 0]).pvalue > 1e-6
    assert stats.ks_2samp(gaps[0].max(axis=1), gaps[1].max(axis=1)).pvalue > 1e-6
    assert stats.ks_2samp(phases[0][:, 0], phases[1][:, 0]).pvalue > 1e-6
    if qubits == 1:
        assert stats.kstest(gaps[0].min(axis=1), lambda x: (x - np.sin(x)) / math.pi).pvalue > 1e-6


@pytest.mark.parametrize("qubits", [1, 2, 3, 4])
def test_traces_have_their_moments(qubits):
    """E|tr U^k|² = min(k, d), and E|tr U|⁴ = 2."""
    dim, count = 2**qubits, 20_000
    unitaries = haar(qubits, count, seed=8).unitaries(slice(None))
    power = unitaries
    for k in range(1, dim + 3):
        squares = np.abs(np.trace(power, axis1=1, axis2=2)) ** 2
        assert abs(squares.mean() - min(k, dim)) < 5 * squares.std() / math.sqrt(count)
        if k == 1:
            assert abs((squares**2).mean() - 2) < 5 * (squares**2).std() / math.sqrt(count)
        power = power @ unitaries


@pytest.mark.parametrize("qubits", QUBITS)
def test_they_are_unitary(qubits):
    unitaries = haar(qubits, 4).unitaries(slice(None))
    product = unitaries @ unitaries.conj().transpose(0, 2, 1)
    assert np.abs(product - np.eye(2**qubits)).max() < 1e-14


# Faces.


def test_every_face_has_the_same_unitaries(corpus, tmp_path):
    options = ("--haar", "2k", "--qubits", 2, "--seed", 7)
    recipe = haar(2, "2k", seed=7)
    expected = recipe.unitaries(slice(None))
    generate(corpus, *options)
    derived, shards = tmp_path / "derived.db", tmp_path / "shards"
    generate(derived, *options, "--no-unitaries")
    generate(f"{shards}/", *options, "--no-unitaries", "--shard", 500)
    made = qorpus.generate(tmp_path / "made.db", haar=2000, qubits=2, seed=7, progress=False)
    assert made.content_hash == content_hash(corpus)
    assert content_hash(derived) == content_hash(shards)
    assert made.recipe == recipe == pickle.loads(pickle.dumps(recipe)) == qorpus.Recipe.from_json(recipe.json)
    assert "2,000 Haar-random unitaries on 2 qubits, without circuits, seed 7" in repr(recipe)
    ids = np.random.default_rng(1).permutation(2000)
    for path in (corpus, derived, shards, tmp_path / "made.db"):
        command("verify", path)
        opened = qorpus.open(path)
        assert same(opened.unitaries(slice(None)), expected) and same(opened.unitaries(ids), expected[ids])
        assert opened[7] == made[7] and same(opened[-1].unitary, expected[-1])
    for record in show(derived, [0, 7, 1999]):
        assert record.circuit is None and record.labels == {} and same(record.unitary, expected[record.id])
    plan = json.loads(command("plan", *options, "--json").stdout)
    assert plan["recipe"] == json.loads(recipe.json) and plan["records"] == 2000


def test_order_and_precision():
    recipe, plain = haar(3, order="little"), haar(3)
    reversed_bits = [int(f"{row:03b}"[::-1], 2) for row in range(8)]
    same(recipe[5].unitary, np.ascontiguousarray(plain[5].unitary[np.ix_(reversed_bits, reversed_bits)]))
    same(haar(3, dtype="complex64").unitaries([5]), plain.unitaries([5]).astype(np.complex64))


def test_a_record_has_no_circuit():
    recipe = haar(2, 1000)
    record = recipe[7]
    assert record.circuit is None and record.labels == {} and record.angles.shape == (0, 3)
    assert repr(record) == "Record(id=7, circuit=None, qubits=2)"
    assert pickle.loads(pickle.dumps(record)) == record and record != haar(2, 1000, seed=1)[7]
    assert recipe.circuits([1, 2]) == [None, None] and recipe.labels([1]) == [{}]
    assert recipe.angles([1]).shape == (1, 0, 3)
    assert not recipe.has_circuits and qorpus.Recipe(random=9).has_circuits
    assert (recipe.letters, recipe.gates, recipe.lengths) == ((), (), (0, 0))
    for text in (record._repr_html_(), recipe._repr_html_(), recipe.split(a=1)["a"]._repr_html_()):
        assert "the empty circuit" not in text and "letter" not in text
    assert "no circuit" in record._repr_html_()


@pytest.mark.parametrize("name", ["to_qiskit", "to_cirq", "to_bqskit", "to_qasm2", "to_qasm3", "draw"])
def test_a_record_converts_to_no_circuit(name):
    with pytest.raises(qorpus.Error, match="record 7 is a Haar-random unitary and has no circuit"):
        getattr(haar(2)[7], name)()


def test_text_for_people(corpus):
    generate(corpus, "--haar", 20)
    shown = command("show", corpus, 7).stdout
    assert "a Haar-random unitary, without a circuit" in shown and "q0" not in shown and "length" not in shown
    told = command("info", corpus).stdout
    assert "20 Haar-random unitaries on 2 qubits, without circuits, seed 0" in told and "letters" not in told
    plan = command("plan", "--haar", 20).stdout
    assert "ids only" in plan and "circuits only" not in plan and "letters" not in plan
    assert "circuits only" in command("plan", "--random", 20).stdout


def test_sql():
    recipe = haar(2, 1000)
    rows = recipe.sql("select id, circuit, length, unitary from records where id in (3, 999)")
    assert [row[:3] for row in rows] == [(3, None, None), (999, None, None)]
    assert [row[3] for row in rows] == [unitary.tobytes() for unitary in recipe.unitaries([3, 999])]
    assert recipe.sql("select count(*), count(circuit), count(length), sum(length) from records") == [(1000, 0, 0, None)]
    target = recipe.unitaries([42])[0]
    assert recipe.sql("select id from records order by distance(unitary, ?) limit 1", [target]) == [(42,)]


def test_streams_and_batches():
    recipe = haar(2, 1000)
    expected = recipe.unitaries(slice(None))
    seen = np.concatenate([batch.ids for batch in recipe.stream(64, seed=1)])
    assert np.array_equal(np.sort(seen), np.arange(1000))
    batch = next(iter(recipe.stream(100, seed=1, columns=["unitaries", "labels", "channels"])))
    assert same(batch.unitaries, expected[batch.ids]) and batch.labels == {}
    assert same(batch.channels, recipe.channels(batch.ids))
    for options in ({}, {"window": 300}):
        stream = recipe.split(all=1)["all"].stream(100, seed=1, **options)
        batch = next(iter(stream))
        assert stream.columns == ("unitaries",) and same(batch.unitaries, expected[batch.ids])
        assert (batch.circuits, batch.lengths, batch.angles) == (None, None, None)
    assert qorpus.Recipe(random=9).stream(3).columns == ("unitaries", "circuits")
    half = next(iter(recipe.stream(100, seed=1, dtype="float16")))
    assert half.unitaries.dtype == np.float16
    assert np.array_equal(half.unitaries[:, 1], expected[half.ids].imag.astype(np.float16))
    loaded = next(iter(DataLoader(recipe.torch(), batch_size=50)))
    assert torch.equal(loaded["unitary"], torch.from_numpy(expected[:50]))
    assert loaded.keys() == {"id", "unitary"}
    assert recipe.torch(labels=True)[3].keys() == {"id", "unitary", "labels"} and "letters" not in repr(recipe.torch())
    for workers in ({}, {"num_workers": 2}, {"num_workers": 1, "multiprocessing_context": "fork"}):
        batch = next(iter(recipe.torch(batch_size=50, real_imag=True, seed=1, **workers)))
        assert batch.keys() == {"id", "unitary"}
        assert np.array_equal(batch["unitary"][:, 0].numpy(), expected[batch["id"].numpy()].real)


def test_no_reader_returns_empty_circuits():
    """They would be circuits of the identity."""
    recipe = haar(2, 100)
    for records in (recipe, recipe.split(a=0.5)["a"]):
        for read in (records.pairs, records.letters_array):
            with pytest.raises(qorpus.InvalidArgument, match=r"have no circuits; read them with unitaries\(\)"):
                read([0, 1])
        for columns in (["circuits"], ["unitaries", "circuits"]):
            with pytest.raises(qorpus.InvalidArgument, match="columns contains 'circuits', but Haar-random unitaries"):
                records.stream(10, columns=columns)
        for batch_size in (None, 10):
            with pytest.raises(qorpus.InvalidArgument, match="Haar-random unitaries have no circuits; leave out longest"):
                records.torch(batch_size, longest=2)


def test_a_writer_takes_no_record_without_a_circuit(corpus):
    record = haar(1)[7]
    refused = pytest.raises(qorpus.WrongType, match="not None; Haar-random records have no circuit")
    with qorpus.Writer(corpus, gates=["h"], qubits=1) as writer:
        with refused:
            writer.append(record.circuit, record.unitary)
        with refused:
            writer.extend([("h 0",), record.circuit])
        with refused:
            writer.extend(next(iter(haar(1).stream(5))).circuits)
    assert len(qorpus.open(corpus)) == 0


@pytest.mark.parametrize("name", ["Drawing", "to_qiskit", "to_cirq", "to_bqskit", "to_qasm2", "to_qasm3"])
def test_no_circuit_is_not_converted(name):
    with pytest.raises(qorpus.WrongType, match="not None; Haar-random records have no circuit"):
        getattr(qorpus, name)(haar(1)[7].circuit, 1)


@pytest.mark.parametrize("draws", ["haar", "cliffords"])
def test_the_length_is_refused_also_if_it_is_the_default(tmp_path, draws):
    for length in ((5, 15), "5..15", 5, (0, 0)):
        with pytest.raises(qorpus.InvalidArgument, match=f"^{draws} makes .*; leave out length$"):
            qorpus.Recipe(**{draws: 5}, length=length)
    assert qorpus.Recipe(**{draws: 5}, length=None, seed=0) == qorpus.Recipe(**{draws: 5})
    said = command("generate", "new.db", f"--{draws}", 5, "--length", "5..15", status=2, cwd=tmp_path).stderr
    assert "--length" in said and not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["haar", "cliffords", "random"])
@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_not_a_count(name, value):
    with pytest.raises(qorpus.WrongType, match=f"^{name} must be an integer or a string such as \"1M\", not bool$"):
        qorpus.Recipe(**{name: value})


@pytest.mark.parametrize("by", ["id", "unitary"])
def test_splits(by):
    recipe = haar(2, 1000)
    sides = recipe.split(by=by, train=0.8, test=0.2, progress=False)
    ids = [side.ids(slice(None)) for side in sides.values()]
    together = np.concatenate(ids)
    assert len(np.unique(together)) == len(together) >= 998 and len(ids[1]) in range(130, 270)
    same(sides["test"].unitaries(slice(None)), recipe.unitaries(ids[1]))
    assert sides["test"][0].circuit is None and sides["test"].circuits([0]) == [None]
    assert not sides["test"].has_circuits


def test_wide_unitaries_are_read_in_small_batches(tmp_path):
    """A chunk without stored unitaries has thousands of records, of a megabyte each when they are drawn."""
    path = tmp_path / "wide.db"
    generate(path, "--haar", 5000, "--qubits", 8, "--no-unitaries")
    assert info(path)["recipe"]["chunk_records"] == 16384
    corpus = qorpus.open(path)
    same(corpus.unitaries([4999, 3]), haar(8, 5000).unitaries([4999, 3]))
    assert corpus.sql("select id, length(unitary) from records where id > 4997") == [(4998, 2**20), (4999, 2**20)]


def test_exports(corpus, tmp_path):
    generate(corpus, "--haar", 700, "--qubits", 1)
    opened = qorpus.open(corpus)
    expected = opened.unitaries(slice(None))
    for name in ("c.npy", "c.parquet", "c.csv"):
        command("export", corpus, tmp_path / name)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"c.npy", "c.parquet", "c.csv"}
    assert same(np.load(tmp_path / "c.npy"), expected)
    table = pyarrow.parquet.read_table(tmp_path / "c.parquet")
    assert table.column_names == ["id", "circuit", "length", "unitary"]
    assert table["circuit"].null_count == table["length"].null_count == 700
    flat = np.array(table["unitary"].to_pylist())
    assert np.array_equal(flat, expected.reshape(700, -1).view(float))
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert lines[0].startswith("id,circuit,length,u_0_0_re") and lines[8].startswith("7,,,")
    assert np.array_equal(np.array(lines[8].split(",")[3:], float), expected[7].reshape(-1).view(float))
    said = command("export", corpus, tmp_path / "c.qasm", status=1).stderr
    assert "Haar-random unitaries and have no circuits" in said and not (tmp_path / "c.qasm").exists()


def test_parts_merge(tmp_path):
    parts = [tmp_path / f"{part}.db" for part in range(3)]
    for part, path in enumerate(parts):
        generate(path, "--haar", 2000, "--part", f"{part}/3")
    command("merge", tmp_path / "all.db", *parts)
    generate(tmp_path / "once.db", "--haar", 2000)
    assert content_hash(tmp_path / "all.db") == content_hash(tmp_path / "once.db")
    together = qorpus.open(parts)
    same(together.unitaries(slice(None)), haar(2, 2000).unitaries(slice(None)))


def test_a_corpus_of_another_recipe_is_not_resumed(corpus):
    generate(corpus, "--haar", 100)
    for other in (["--haar", 100, "--seed", 1], ["--haar", 100, "--qubits", 1], ["--random", 100], ["--cliffords", 100]):
        assert "recipe" in command("generate", corpus, *other, status=1).stderr
    with pytest.raises(qorpus.Error):
        qorpus.Writer(corpus, gates=["h"], qubits=2)
    generate(corpus, "--haar", 100)


@pytest.mark.parametrize("flags", [[], ["--no-unitaries"]])
def test_a_corpus_grows(corpus, tmp_path, flags):
    for count in (100, 2000):
        generate(corpus, "--haar", count, *flags)
        generate(f"{tmp_path}/shards/", "--haar", count, "--shard", 240, *flags)
    generate(tmp_path / "once.db", "--haar", 2000, *flags)
    once = info(tmp_path / "once.db")["content_hash"]
    assert info(corpus)["content_hash"] == info(tmp_path / "shards")["content_hash"] == once
    for path in (corpus, tmp_path / "shards"):
        command("verify", path)
        same(qorpus.open(path).unitaries([1999, 0, 150]), haar(2, 2000).unitaries([1999, 0, 150]))


def test_killed_processes_lose_nothing(corpus, tmp_path):
    """SIGKILL at random moments, of jobs of a smaller corpus and then of the larger one."""
    chance, records = random.Random(1), 0
    for step in range(8):
        job = ("--haar", 9_000 if step < 3 else 20_000, "--qubits", 4)
        processes = [start("generate", corpus, *job, "--jobs", 1, "--quiet") for _ in range(2)]
        time.sleep(0.3 * chance.random())
        for process in processes:
            process.kill()
            assert finish(process, None).returncode in (0, -signal.SIGKILL)
        if command("info", corpus, "--json", status=None).returncode == 0:
            assert info(corpus)["records"] >= records
            records = info(corpus)["records"]
    generate(corpus, *job)
    generate(tmp_path / "once.db", *job)
    assert info(corpus)["complete"] and content_hash(corpus) == content_hash(tmp_path / "once.db")
    command("verify", corpus, "--sample", "0.2")


# Refusals.


EXCLUDED = ["--gates h,s,cx", "--coupling line", "--letters h", "--length 5", "--words", "--random 7", "--cliffords 7",
            "--weights h=2", "--exactly h=2", "--no-cancelling"]  # fmt: skip


@pytest.mark.parametrize("flags", EXCLUDED)
def test_flags_that_exclude_each_other(tmp_path, flags):
    before = snapshot(tmp_path)
    said = command("generate", "new.db", "--haar", 5, *flags.split(), status=2, cwd=tmp_path).stderr
    assert "--haar" in said and flags.split()[0] in said and snapshot(tmp_path) == before


REFUSED = [
    ({"gates": "h,s,cx"}, "they have no circuits; leave out gates"),
    ({"coupling": "line"}, "leave out coupling"),
    ({"letters": "h 0"}, "leave out letters"),
    ({"length": 5}, "leave out length"),
    ({"words": True}, "leave out words"),
    ({"random": 1_000_000}, "leave out random"),
    ({"cliffords": 5}, "leave out cliffords"),
    ({"weights": "h=2"}, "leave out weights"),
    ({"exactly": "h=2"}, "leave out exactly"),
    ({"no_cancelling": True}, "leave out no_cancelling"),
    ({"haar": 0}, "number of records is 0"),
    ({"haar": 2**63 + 1}, "2^63"),
    ({"haar": "many"}, "many"),
    ({"haar": -1}, "haar"),
    ({"qubits": 9}, "1 to 8"),
    ({"qubits": 0}, "1 to 8"),
]


@pytest.mark.parametrize(("options", "reason"), REFUSED)
def test_options_that_exclude_each_other(options, reason):
    with pytest.raises(qorpus.InvalidArgument) as refused:
        qorpus.Recipe(**{"haar": 5} | options)
    assert reason in str(refused.value)


def test_what_needs_circuits_is_refused(corpus, tmp_path):
    recipe = haar(2, 100)
    for kind in ("inverse", "permutation", "phase"):
        with pytest.raises(qorpus.InvalidArgument, match="a Haar-random unitary that is inverted, permuted"):
            recipe.stream(10, augment=[kind])
    with pytest.raises(qorpus.InvalidArgument, match="Haar-random unitaries have no circuits"):
        recipe.plot()
    made = qorpus.generate(corpus, recipe, progress=False)
    for target in ("", "h 0", np.eye(4)):
        with pytest.raises(qorpus.Error, match="distinct"):
            made.find(target)
    with pytest.raises(qorpus.InvalidArgument, match="^complex64 unitaries are too imprecise .*; split by id, or use complex128$"):
        haar(2, 100, dtype="complex64").split(by="unitary", train=0.5, test=0.5, progress=False)
    assert "distinct" in command("find", corpus, "--circuit", "", status=None).stderr


@pytest.mark.parametrize(("old", "new"), [
    ('"gates":[]', '"gates":["h"]'), ('"all"', '"line"'), ("[0,0]", "[0,9]"), ('version":2', 'version":1'),
    ('"coupling":"all"', '"letters":[]'), ('{"haar":{"records":10,"seed":0}}', '"words"'), ('"haar"', '"random"'),
    ('"haar"', '"cliffords"'), ('"records":10', '"records":0'),
])  # fmt: skip
def test_a_hostile_recipe_is_refused(old, new):
    text = haar(2, 10).json
    assert old in text
    with pytest.raises(qorpus.Error):
        qorpus.Recipe.from_json(text.replace(old, new))
