"""Circuits on 9 to 16 qubits, which enumerations by tableaus have: the same circuits from every face,
and no unitary anywhere."""

import csv
import itertools
import json
import pickle
import subprocess
import sys
from pathlib import Path

import cirq
import numpy as np
import pyarrow.parquet
import pytest
import qorpus
import qorpus.torch
from command import info
from command import qorpus as command
from qiskit import QuantumCircuit
from qiskit.quantum_info import Clifford
from torch.utils.data import DataLoader

MAX_LENGTH = 5

#: What every refusal of a dense unitary begins with.
REFUSED = "9 qubits are out of range: unitaries have 1 to 8 qubits; only enumerations by tableaus"


def mahonian(things, most):
    """The permutations of `things` things with 0 to `most` inversions: the coefficients of the product
    of 1 + x + ... + x**(m - 1) for m up to `things`."""
    counts = np.array([1], dtype=object)
    for m in range(1, things + 1):
        counts = np.convolve(counts, np.ones(m, dtype=object))
    return counts[: most + 1].tolist()


def moved(circuit, qubits):
    """The place of each thing after the exchanges of a circuit."""
    things = list(range(qubits))
    for letter in circuit:
        gate, a, b = letter.split()
        assert gate == "swap"
        things[int(a)], things[int(b)] = things[int(b)], things[int(a)]
    return tuple(things)


@pytest.fixture(scope="module")
def ten(tmp_path_factory):
    """The permutations of ten qubits on a line by at most five exchanges."""
    path = tmp_path_factory.mktemp("wide") / "ten.db"
    return qorpus.distinct(path, gates="swap", qubits=10, coupling="line", max_length=MAX_LENGTH, durability="off", progress=False)


@pytest.fixture(scope="module")
def nine(tmp_path_factory):
    """Clifford operators on nine qubits up to Paulis."""
    path = tmp_path_factory.mktemp("wide") / "nine.db"
    options = {"gates": "h,s,cz", "qubits": 9, "coupling": "line", "max_length": 3, "up_to": "pauli"}
    return qorpus.distinct(path, **options, durability="off", progress=False)


# Contents.


def test_permutations_are_counted_by_inversions(ten):
    assert [len(level.ids) for level in ten.levels] == mahonian(10, MAX_LENGTH)
    assert len({moved(circuit, 10) for circuit in ten.circuits(slice(0, sum(mahonian(10, MAX_LENGTH))))}) == len(ten)
    for circuit in ten.circuits(slice(None)):
        there = moved(circuit, 10)
        assert sum(a > b for a, b in itertools.combinations(there, 2)) == len(circuit)


def test_clifford_operators_are_distinct_as_qiskit_sees_them(nine):
    seen = {Clifford(qorpus.to_qiskit(circuit, 9)).symplectic_matrix.tobytes() for circuit in nine.circuits(slice(None))}
    assert len(seen) == len(nine)
    # A letter leads from each record of a level either back or to a record: nothing is missing.
    first, second = nine.levels[1].ids, nine.levels[2].ids
    letters = [Clifford(qorpus.to_qiskit([letter], 9)) for letter in nine.letters]
    known = {Clifford(qorpus.to_qiskit(nine.circuits([id])[0], 9)).symplectic_matrix.tobytes() for id in range(second.stop)}
    for id in first:
        one = Clifford(qorpus.to_qiskit(nine.circuits([id])[0], 9))
        for letter in letters:
            assert one.compose(letter).symplectic_matrix.tobytes() in known


# Reading.


def test_records_have_circuits_and_no_unitaries(ten):
    assert (ten.has_circuits, ten.has_unitaries, ten.qubits) == (True, False, 10)
    record = ten[-1]
    assert record.unitary is None and len(record.circuit) == MAX_LENGTH
    assert record.labels["length"] == record.labels["two_qubit_count"] == MAX_LENGTH
    assert pickle.loads(pickle.dumps(record)) == record
    assert [one.circuit for one in ten[[3, 1, 3]]] == ten.circuits([3, 1, 3])
    assert all(one.unitary is None for one in ten[:7])
    assert "<svg" in record._repr_html_() and "<svg" in ten._repr_html_()
    assert ten.letters_array(slice(0, 3)).shape == (3, 1)
    assert "without unitaries" in repr(ten)
    assert qorpus.open(ten.paths[0], order="little")[5].circuit == ten[5].circuit
    assert pickle.loads(pickle.dumps(ten))[9].circuit == ten[9].circuit


def test_what_needs_unitaries_says_so(ten):
    for read in (ten.unitaries, ten.pairs, ten.channels):
        with pytest.raises(qorpus.InvalidArgument, match="10 qubits|on 10|5 qubits"):
            read([0, 1])
    with pytest.raises(qorpus.InvalidArgument, match=r"on 10 qubits a unitary would have 2\^20 entries.*corpus.tableaus"):
        ten.unitaries(slice(None))
    with pytest.raises(qorpus.InvalidArgument, match="no two have equal tableaus, so split by id"):
        ten.split(by="unitary", train=0.5)
    with pytest.raises(qorpus.InvalidArgument, match="at most 8 qubits"):
        ten.find(np.eye(1024))
    for columns in (["unitaries"], ["circuits", "channels"]):
        with pytest.raises(qorpus.InvalidArgument, match="columns contains .*records on 10 qubits have no unitaries"):
            ten.stream(4, columns=columns)
    with pytest.raises(qorpus.InvalidArgument, match="real_imag is for unitaries"):
        ten.stream(4, real_imag=True)
    with pytest.raises(qorpus.InvalidArgument, match="dtype is for unitaries"):
        ten.stream(4, dtype="complex64")
    for kind in ("permutation", "phase"):
        with pytest.raises(qorpus.InvalidArgument, match=f"augment contains '{kind}'.*at most 8 qubits"):
            ten.stream(4, augment=[kind])
    with pytest.raises(qorpus.InvalidArgument, match="real_imag is for unitaries"):
        ten.torch(longest=MAX_LENGTH, real_imag=True)
    with pytest.raises(qorpus.InvalidArgument, match="real_imag is for unitaries"):
        ten.torch(batch_size=4, longest=MAX_LENGTH, real_imag=True)


def test_streams_leave_unitaries_out(ten):
    batches = list(ten.stream(64, seed=1))
    assert sum(len(batch.ids) for batch in batches) == len(ten)
    for batch in batches[:3]:
        assert batch.unitaries is None
        letters = [tuple(ten.letters[j] for j in row if j >= 0) for row in batch.circuits]
        assert letters == ten.circuits(batch.ids)
    windows = list(ten.stream(64, seed=1, window=256, columns=["circuits", "labels"]))
    assert sorted(np.concatenate([batch.ids for batch in windows])) == list(range(len(ten)))
    assert (windows[0].labels["length"] == windows[0].lengths).all()


def test_inverses_are_augmentations(ten):
    changed = 0
    for batch in ten.stream(64, shuffle=False, augment=["inverse"]):
        for id, row in zip(batch.ids, batch.circuits, strict=True):
            circuit, own = tuple(ten.letters[j] for j in row if j >= 0), ten.circuits([id])[0]
            assert circuit in (own, own[::-1])
            changed += circuit != own
    assert changed > 0


def test_torch_leaves_unitaries_out(ten):
    batch = next(iter(DataLoader(ten.torch(longest=MAX_LENGTH, labels=True), batch_size=32)))
    assert set(batch) == {"id", "circuit", "length", "labels"}
    assert batch["circuit"].shape == (32, MAX_LENGTH)
    for workers in (0, 2):
        batch = next(iter(ten.torch(batch_size=32, longest=MAX_LENGTH, seed=3, num_workers=workers)))
        assert set(batch) == {"id", "circuit", "length"}
        assert batch["length"].tolist() == [len(circuit) for circuit in ten.circuits(batch["id"].numpy())]


def test_splits_by_id(ten):
    splits = ten.split(train=0.8, test=0.2)
    assert sum(map(len, splits.values())) == len(ten)
    assert splits["train"].has_unitaries is False and splits["train"][0].unitary is None


def test_circuits_are_found(ten, nine):
    for record in (ten[0], ten[-1], ten[77]):
        assert ten.find(record.circuit).id == record.id
    # An exchange is three CNOTs, and a longer circuit is joined from two.
    assert ten.find("cx 3 4; cx 4 3; cx 3 4").circuit == ("swap 3 4",)
    far = "; ".join(f"swap {k} {k + 1}" for k in range(8))
    assert len(ten.find(far).circuit) == 8
    assert ten.find("h 0").circuit is None
    assert nine.find("h 8; cx 7 8; h 8; x 3").circuit == ("cz 7 8", "x 3")
    with pytest.raises(qorpus.InvalidArgument, match="'t' is not a Clifford gate"):
        ten.find("t 0")


# The command, and tools.


def test_the_command_shows_circuits(ten):
    path = ten.paths[0]
    found = command("find", path, "--circuit", "swap 0 1; swap 1 2").stdout
    assert "swap 0 1; swap 1 2" in found
    lines = command("show", path, 3, "--json").stdout.splitlines()
    assert json.loads(lines[0])["unitary"] is None and json.loads(lines[0])["circuit"] == list(ten[3].circuit)
    text = command("show", path, 3).stdout
    assert "without a unitary" in text and "q9" in text
    assert info(path)["qubits"] == 10
    assert "without unitaries" in command("info", path).stdout
    command("verify", path)
    np.save(path + ".npy", np.eye(1024))
    assert "at most 8 qubits" in command("find", path, "--unitary", path + ".npy", status=None).stderr


def test_sql_has_null(ten):
    rows = ten.sql("select count(*), count(unitary), sum(count_swap) from records")
    assert list(rows[0]) == [len(ten), 0, sum(len(circuit) for circuit in ten.circuits(slice(None)))]
    for function in ("distance", "fidelity"):
        with pytest.raises(qorpus.Error, match="the records have no unitaries"):
            ten.sql(f"select {function}(unitary, unitary) from records")


def test_exports(ten, tmp_path):
    command("export", ten.paths[0], tmp_path / "x.npy")
    assert not (tmp_path / "x.npy").exists()
    circuits, lengths = np.load(tmp_path / "x.circuits.npy"), np.load(tmp_path / "x.lengths.npy")
    names = json.loads((tmp_path / "x.letters.json").read_text())
    found = [tuple(names[j] for j in row[:length]) for row, length in zip(circuits, lengths, strict=True)]
    assert found == ten.circuits(slice(None))
    command("export", ten.paths[0], tmp_path / "x.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    assert table["unitary"].null_count == table.num_rows == len(ten)
    assert table["circuit"].to_pylist() == ["; ".join(circuit) for circuit in ten.circuits(slice(None))]
    command("export", ten.paths[0], tmp_path / "x.csv")
    with open(tmp_path / "x.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["circuit"] for row in rows] == table["circuit"].to_pylist()
    assert not any(name.startswith("u_") for name in rows[0])
    command("export", ten.paths[0], tmp_path / "x.qasm")
    assert "gate c1 q0, q1, q2, q3, q4, q5, q6, q7, q8, q9 { swap q0, q1; }" in (tmp_path / "x.qasm").read_text()


def test_datasets_of_hugging_face_leave_unitaries_out(ten, tmp_path):
    datasets = pytest.importorskip("datasets")
    ten.to_hf(tmp_path / "hub", progress=False)
    table = pyarrow.parquet.read_table(next((tmp_path / "hub" / "data").iterdir()))
    assert "unitary" not in table.column_names
    assert table["circuit"].to_pylist() == ["; ".join(circuit) for circuit in ten.circuits(slice(None))]
    card = (tmp_path / "hub" / "README.md").read_text()
    assert "# Circuits on 10 qubits" in card and "unitary" not in card.split("## Loading")[0].split("## Records")[1]
    loaded = datasets.load_dataset(str(tmp_path / "hub"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded[3]["circuit"] == "; ".join(ten[3].circuit)


# Circuits without a corpus.


def test_circuits_on_sixteen_qubits_go_through_other_libraries():
    letters = ("h 15", "cx 15 0", "swap 3 14", "rz(pi/8) 9", "ccx 1 13 7")
    for to, back in (
        (qorpus.to_qiskit, qorpus.from_qiskit),
        (qorpus.to_qasm2, qorpus.from_qasm2),
        (qorpus.to_qasm3, qorpus.from_qasm3),
        (qorpus.to_bqskit, qorpus.from_bqskit),
    ):
        # Letters on different qubits may come in another order.
        assert sorted(back(to(letters, 16))) == sorted(letters)
    line = cirq.LineQubit.range(16)
    assert sorted(qorpus.from_cirq(qorpus.to_cirq(letters, 16), qubits=line)) == sorted(letters)
    for refused in (lambda: qorpus.to_qiskit(("h 0",), 17), lambda: qorpus.from_qiskit(QuantumCircuit(17))):
        with pytest.raises(qorpus.InvalidArgument, match="17 qubits"):
            refused()


def test_a_gate_of_cirq_on_nine_qubits_is_not_guessed():
    """Cirq's decompositions may lose the global phase, and no matrix can show it."""
    gate = cirq.QuantumFourierTransformGate(9).on(*cirq.LineQubit.range(9))
    with pytest.raises(qorpus.InvalidArgument, match="decompose it first"):
        qorpus.from_cirq(cirq.Circuit(gate))


# Refusals.


@pytest.mark.parametrize(
    "options",
    [
        {"random": 10},
        {"words": True, "length": (0, 2)},
        {"cliffords": 10},
        {"haar": 10},
        {"random": 10, "unitaries": False},
    ],
)
def test_other_recipes_are_refused(options, corpus):
    gates = {} if {"cliffords", "haar"} & {*options} else {"gates": "h,cx"}
    with pytest.raises(qorpus.InvalidArgument, match=REFUSED):
        qorpus.Recipe(qubits=9, **gates, **options)
    with pytest.raises(qorpus.InvalidArgument, match=REFUSED):
        qorpus.generate(corpus, qubits=9, **gates, **options)
    assert not list(corpus.parent.iterdir())


def test_writers_enumerations_and_environments_are_refused(corpus):
    with pytest.raises(qorpus.InvalidArgument, match=REFUSED):
        qorpus.Writer(corpus, gates=["h", "cx"], qubits=9)
    with pytest.raises(qorpus.InvalidArgument, match=REFUSED):
        qorpus.distinct(corpus, gates="h,cx", qubits=9, coupling="line", max_length=2, progress=False)
    with pytest.raises(qorpus.InvalidArgument, match="use up_to phase, which means the same"):
        qorpus.distinct(corpus, gates="swap", qubits=9, coupling="line", max_length=2, up_to="nothing", progress=False)
    with pytest.raises(qorpus.InvalidArgument, match="17 qubits are out of range: circuits have 1 to 16"):
        qorpus.distinct(corpus, gates="swap", qubits=17, coupling="line", max_length=2, progress=False)
    gym = pytest.importorskip("qorpus.gym")
    with pytest.raises(qorpus.InvalidArgument, match=REFUSED):
        gym.VectorEnv(2, gates="h,cx", qubits=9, targets=3)
    refused = command("generate", corpus, "--gates", "h,cx", "--qubits", 9, "--random", 10, status=None)
    assert refused.returncode != 0 and REFUSED in refused.stderr
    assert not list(corpus.parent.iterdir())


@pytest.mark.parametrize(
    "space",
    ['"words"', '{"random":{"records":1000,"seed":0}}', '{"cliffords":{"records":10,"seed":0}}', '{"haar":{"records":10,"seed":0}}'],
)
def test_a_hostile_recipe_is_refused_when_a_file_is_opened(ten, space, tmp_path):
    """A file that claims unitaries on 16 qubits must not take 64 GiB for the first one."""
    sqlite = pytest.importorskip("sqlite3")
    path = tmp_path / "hostile.db"
    path.write_bytes(Path(ten.paths[0]).read_bytes())
    recipe = json.loads(ten.recipe.json)
    wanted = json.dumps({**recipe, "qubits": 16, "space": json.loads(space)}, separators=(",", ":"))
    connection = sqlite.connect(path)
    connection.execute("update meta set value = ? where key = 'recipe'", [wanted])
    connection.commit()
    connection.close()
    for version in (1, 2):
        with pytest.raises(qorpus.Error):
            qorpus.Recipe.from_json(wanted.replace('"format_version":2', f'"format_version":{version}'))
    with pytest.raises(qorpus.Error):
        qorpus.open(path)
    assert command("info", path, status=None).returncode == 1


# Memory.

#: Everything with 16 qubits, in an address space of three gigabytes, where one unitary of 64 GiB, and
#: even one of its rows a record, would not fit.
SIXTEEN = """
import resource
import sys
from pathlib import Path

import qorpus

resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
corpus = qorpus.distinct(
    sys.argv[1], gates="swap", qubits=16, coupling="line", max_length=4, durability="off", memory="64MiB", jobs=2, progress=False
)
assert [len(level.ids) for level in corpus.levels] == [1, 15, 119, 664, 2924], corpus.levels
record = corpus[-1]
assert record.unitary is None and record.to_qasm3() and str(record.draw()) and record._repr_html_()
assert len(corpus[:]) == len(corpus) == len(corpus.labels(slice(None)))
assert corpus.find(record.circuit).id == record.id
assert sum(len(batch.ids) for batch in corpus.stream(256)) == len(corpus)
assert corpus.sql("select count(*), count(unitary) from records")[0][1] == 0
for ask in (corpus.unitaries, corpus.channels, corpus.pairs):
    try:
        ask(slice(None))
    except qorpus.InvalidArgument:
        continue
    raise AssertionError(ask)
"""


def test_sixteen_qubits_take_no_gigabytes(tmp_path):
    done = subprocess.run([sys.executable, "-c", SIXTEEN, str(tmp_path / "sixteen.db")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert mahonian(16, 4) == [1, 15, 119, 664, 2924]
    command("verify", tmp_path / "sixteen.db")
    for ending in ("csv", "npy", "parquet", "qasm"):
        command("export", tmp_path / "sixteen.db", tmp_path / f"x.{ending}")
    assert len(command("show", tmp_path / "sixteen.db", 5, "--json").stdout.splitlines()) == 1
