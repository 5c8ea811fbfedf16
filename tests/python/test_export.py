"""Exported files, read by the programs they are meant for, hold what `show` prints.

The arrays of `.npy` are compared with Qiskit and Cirq in test_oracle.py.
"""

import csv
import json
import signal
import sqlite3

import numpy as np
import pyarrow.parquet
import pytest
from command import finish, generate, info, qorpus, show, snapshot, start
from qiskit import qasm3
from qiskit.quantum_info import Operator
from test_bad_input import refused

import qorpus as qorpus_package

RECIPE = "--gates clifford+t,rz(-3*pi/4),crx(0.3) --qubits 3 --random 2000 --length 0..9".split()
COLUMNS = {"complex128": [], "complex64": ["--dtype", "complex64"], "derived": ["--no-unitaries"]}
ENDINGS = ["npy", "parquet", "csv", "qasm"]


@pytest.mark.parametrize("columns", COLUMNS)
def test_parquet(corpus, columns):
    generate(corpus, *RECIPE, *COLUMNS[columns])
    out, facts = corpus.with_name("out.parquet"), info(corpus)
    qorpus("export", corpus, out)
    table = pyarrow.parquet.read_table(out)
    counts = [f"count_{gate}" for gate in facts["gates"]]
    assert table.column_names == ["id", "circuit", "length", *counts, "unitary"]
    narrow = columns == "complex64"
    assert str(table.schema.field("unitary").type.value_type) == ("float" if narrow else "double")
    metadata = {key.decode(): value.decode() for key, value in pyarrow.parquet.read_metadata(out).metadata.items()}
    assert metadata["recipe_hash"] == facts["recipe_hash"] and metadata["content_hash"] == facts["content_hash"]
    assert json.loads(metadata["recipe"]) == facts["recipe"]
    rows = table.to_pylist()
    assert [row["id"] for row in rows] == list(range(2000))
    for record in show(corpus, range(0, 2000, 9)):
        row = rows[record.id]
        assert row["circuit"] == "; ".join(record.circuit)
        assert {name: row[name] for name in ["length", *counts]} == record.labels
        parts = np.array(row["unitary"]).reshape(8, 8, 2)
        assert (parts[..., 0] + 1j * parts[..., 1] == record.unitary).all()


@pytest.mark.parametrize("columns", COLUMNS)
def test_csv(corpus, columns):
    generate(corpus, *RECIPE, *COLUMNS[columns])
    out, gates = corpus.with_name("out.csv"), info(corpus)["gates"]
    qorpus("export", corpus, out)
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    parts = [f"u_{row}_{column}_{part}" for row in range(8) for column in range(8) for part in ["re", "im"]]
    labels = ["length", *(f"count_{gate}" for gate in gates)]
    assert list(rows[0]) == ["id", "circuit", *labels, *parts] and len(rows) == 2000
    precision = np.float32 if columns == "complex64" else np.float64
    for record in show(corpus, range(0, 2000, 9)):
        row = rows[record.id]
        assert (row["id"], row["circuit"]) == (str(record.id), "; ".join(record.circuit))
        assert {name: int(row[name]) for name in labels} == record.labels
        numbers = np.array([precision(row[part]) for part in parts]).reshape(8, 8, 2)
        assert (numbers[..., 0] + 1j * numbers[..., 1] == record.unitary).all()


EVERY_GATE = (
    "id,x,y,z,h,s,sdg,t,tdg,sx,sxdg,rx(0.3),ry(-2),rz(3*pi/4),p(1.1),u3(0.3,1.1,-2),cx,cy,cz,ch,cp(0.7),crx(0.3),"
    "cry(-2),crz(2*pi),csx,swap,iswap,ccx,cswap,rz(1/sqrt(2))"
)
OWN_GATES = """
gates = ["h", "root_y", "U", "cx"]
[[gate]]
name = "root_y"
qubits = 1
matrix = [[[0.5, 0.5], [-0.5, -0.5]], [[0.5, 0.5], [0.5, 0.5]]]
[[gate]]
name = "U"
qubits = 1
matrix = [[0, [0, 1]], [[0.6, 0.8], 0]]
"""


@pytest.mark.parametrize("gates", ["every standard gate", "own gates"])
def test_qasm(corpus, gates):
    """Qiskit's OpenQASM 3 importer builds every record's gate, and its matrix is the record's,
    phase included."""
    path = corpus.with_name("own.toml")
    path.write_text(OWN_GATES)
    named = EVERY_GATE if gates == "every standard gate" else str(path)
    generate(corpus, "--gates", named, "--qubits", 3, "--random", 150, "--length", "0..12")
    out = corpus.with_name("out.qasm")
    qorpus("export", corpus, out)
    calls = "".join(f"c{id} q[0], q[1], q[2];\n" for id in range(150))
    circuit = qasm3.loads(out.read_text() + "qubit[3] q;\n" + calls)
    assert len(circuit.data) == 150
    for record, instruction in zip(show(corpus, range(150), "--order", "little"), circuit.data):
        assert instruction.operation.name == f"c{record.id}"
        difference = np.abs(Operator(instruction.operation).data - record.unitary).max()
        assert difference < 1e-12, (record.circuit, difference)


def test_qasm_needs_decompositions(corpus):
    """Only the matrix of a two-qubit gate of one's own is known: the sentence names other
    formats."""
    path = corpus.with_name("own.toml")
    path.write_text('[[gate]]\nname = "g"\nqubits = 2\nmatrix = [[1,0,0,0],[0,0.6,-0.8,0],[0,0.8,0.6,0],[0,0,0,1]]')
    generate(corpus, "--gates", path, "--random", 10)
    said = refused(corpus.parent, "export", "c.db", "out.qasm", status=1)
    assert "'g'" in said and ".parquet" in said


@pytest.mark.parametrize("ending", ENDINGS)
def test_exports_that_are_refused(corpus, ending):
    """Nothing is overwritten, and nothing half-done is left behind."""
    directory = corpus.parent
    generate(corpus, *RECIPE)
    (directory / f"there.{ending}").write_text("precious")
    assert f"there.{ending} already exists" in refused(directory, "export", "c.db", f"there.{ending}", status=1)
    assert "nowhere" in refused(directory, "export", "c.db", f"nowhere/out.{ending}", status=1)
    for name in ["out.xlsx", "out", f"{ending}"]:
        said = refused(directory, "export", "c.db", name, status=2)
        assert all(known in said for known in ENDINGS)


@pytest.mark.parametrize("ending", ENDINGS)
def test_exporting_an_unfinished_corpus(corpus, ending):
    """An array's index is an id, so .npy needs every record; the tables hold those that are
    there."""
    generate(corpus, *RECIPE, "--part", "1/2")
    out, records = corpus.with_name(f"out.{ending}"), info(corpus)["records"]
    if ending == "npy":
        assert "complete" in refused(corpus.parent, "export", "c.db", out, status=1)
        return
    qorpus("export", corpus, out, "--quiet")
    if ending == "parquet":
        ids = pyarrow.parquet.read_table(out).column("id").to_pylist()
    elif ending == "csv":
        ids = [int(line.split(",")[0]) for line in out.read_text().splitlines()[1:]]
    else:
        ids = [int(line.split()[2].rstrip(",")) for line in out.read_text().splitlines() if "// record " in line]
    assert ids == list(range(2000 - records, 2000)) and 0 < records < 2000


@pytest.mark.parametrize("ending", ENDINGS)
def test_exporting_a_damaged_corpus(corpus, ending):
    """A damaged chunk is named, and no file with a hole in it appears."""
    generate(corpus, *RECIPE)
    connection = sqlite3.connect(corpus)
    connection.execute("UPDATE chunks SET circuits = zeroblob(length(circuits)) WHERE first_id > 0")
    connection.commit()
    connection.close()
    assert "chunk 1 " in refused(corpus.parent, "export", "c.db", f"out.{ending}", status=1)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_interrupted_export_leaves_nothing(corpus, ending):
    """Ctrl-C ends with status 130 and without a file: half an export must not look like a whole
    one."""
    generate(corpus, *"--qubits 3 --random 300k --no-unitaries".split())
    before = snapshot(corpus.parent)
    process = start("export", corpus, corpus.with_name(f"out.{ending}"), "--quiet")
    while not any(corpus.parent.glob("*.partial")):
        assert process.poll() is None, "it ended before it could be interrupted"
    process.send_signal(signal.SIGINT)
    finish(process, 130)
    assert snapshot(corpus.parent) == before


@pytest.fixture
def labelled(tmp_path):
    """Labels of every kind: some records lack some, some are integers in one chunk and reals in
    another."""
    path = tmp_path / "mine.db"
    with qorpus_package.Writer(path, gates=["h", "t"], qubits=1) as writer:
        writer.append("h 0", reward=0.1, note='a "b",\nc', visits=2**60)
        writer.append("t 0", visits=-3)
        writer.append("h 0; t 0", reward=1e300, note="λ")
        writer.flush()
        writer.append("t 0; t 0", mixed=7)
        writer.flush()
        writer.append("", mixed=0.5)
    return path


LABELS = {
    "mixed": [None, None, None, 7.0, 0.5],
    "note": ['a "b",\nc', None, "λ", None, None],
    "reward": [0.1, None, 1e300, None, None],
    "visits": [2**60, -3, None, None, None],
}


def test_parquet_keeps_labels(labelled):
    qorpus("export", labelled, labelled.with_suffix(".parquet"))
    table = pyarrow.parquet.read_table(labelled.with_suffix(".parquet"))
    assert table.column_names == ["id", "circuit", "length", "count_h", "count_t", *LABELS, "unitary"]
    assert {name: table[name].to_pylist() for name in LABELS} == LABELS
    types = {name: str(table.schema.field(name).type) for name in LABELS}
    assert types == {"mixed": "double", "note": "string", "reward": "double", "visits": "int64"}


@pytest.mark.parametrize("out", ["mine.csv", "mine.npy"])
def test_csv_and_the_table_beside_arrays_keep_labels(labelled, out):
    qorpus("export", labelled, labelled.with_name(out))
    table = "mine.csv" if out == "mine.csv" else "mine.labels.csv"
    with open(labelled.with_name(table), newline="") as file:
        rows = list(csv.DictReader(file))
    if out == "mine.npy":
        assert list(rows[0]) == ["id", *LABELS]
    kinds = {"note": str, "visits": int, "mixed": float, "reward": float}
    found = {name: [kinds[name](row[name]) if row[name] else None for row in rows] for name in LABELS}
    assert found == LABELS and [row["id"] for row in rows] == list("01234")
    assert rows[3]["mixed"] == "7" and rows[4]["mixed"] == "0.5"


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ({"note": '=WEBSERVICE("http://example.org")'}, "label 'note' of record 1"),
        ({"note": "+1"}, "label 'note' of record 1"),
        ({"note": "-1+1"}, "label 'note' of record 1"),
        ({"note": "@SUM(A1:A9)"}, "label 'note' of record 1"),
        ({"note": "\t=1"}, "label 'note' of record 1"),
        ({"=1+1": 3}, "the name of the label '=1+1'"),
        # Numbers are no texts, and signs inside are harmless.
        ({"note": "a=1", "reward": -1.5}, None),
    ],
)
@pytest.mark.parametrize("out", ["mine.csv", "mine.npy"])
def test_labels_that_a_spreadsheet_would_run_are_kept_with_a_warning(tmp_path, labels, named, out):
    path = tmp_path / "mine.db"
    with qorpus_package.Writer(path, gates=["h"], qubits=1) as writer:
        writer.append("h", note="harmless")
        for _ in range(2):
            writer.append("h", **labels)
    said = qorpus("export", path, tmp_path / out).stderr
    table = tmp_path / ("mine.csv" if out == "mine.csv" else "mine.labels.csv")
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert {name: rows[1][name] for name in labels} == {name: str(label) for name, label in labels.items()}
    if named:
        # Once a file.
        assert said.count("begins like a formula") == 1 and f"{table}: {named}" in said
    else:
        assert said == ""


def test_qasm_keeps_labels_in_comments(labelled):
    out = labelled.with_suffix(".qasm")
    qorpus("export", labelled, out)
    comments = [line for line in out.read_text().splitlines() if line.startswith("// record ") and "length" in line]
    found = [json.loads(text.split(", labels ")[1]) if ", labels " in text else {} for text in comments]
    expected = [{name: column[row] for name, column in LABELS.items() if column[row] is not None} for row in range(5)]
    assert found == expected
    qasm3.loads(out.read_text())


def test_distinct_corpora_keep_their_labels(tmp_path):
    path = tmp_path / "d.db"
    corpus = qorpus_package.distinct(path, gates="h,t", qubits=1, max_length=3, progress=False)
    columns = corpus.sql("select * from records").columns
    for ending in ["csv", "parquet"]:
        qorpus("export", path, path.with_suffix(f".{ending}"))
    table = pyarrow.parquet.read_table(path.with_suffix(".parquet"))
    assert sorted(table.column_names) == sorted(columns)
    names = columns[columns.index("count_t") + 1 :]
    assert "shortest_circuits" in names and "t_count" in names
    with open(path.with_suffix(".csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    for name in names:
        values = [row[0] for row in corpus.sql(f"select {name} from records")]
        assert table[name].to_pylist() == values == [int(row[name]) for row in rows]
        assert str(table.schema.field(name).type) == "int64"


def test_a_label_named_like_an_entry_is_refused(tmp_path):
    path = tmp_path / "mine.db"
    with qorpus_package.Writer(path, gates=["h"], qubits=1) as writer:
        writer.append("h", u_0_0_re=1)
    assert "label 'u_0_0_re'" in refused(tmp_path, "export", path, path.with_suffix(".csv"), status=1)
    qorpus("export", path, path.with_suffix(".parquet"))
    assert pyarrow.parquet.read_table(path.with_suffix(".parquet"))["u_0_0_re"].to_pylist() == [1]


def test_an_integer_that_is_not_exact_as_a_real_is_refused(tmp_path):
    path = tmp_path / "mine.db"
    for score in [2**53 + 1, 0.5]:
        with qorpus_package.Writer(path, gates=["h"], qubits=1) as writer:
            writer.append("h", score=score)
    assert str(2**53 + 1) in refused(tmp_path, "export", path, path.with_suffix(".parquet"), status=1)
    qorpus("export", path, path.with_suffix(".csv"))
    with open(path.with_suffix(".csv"), newline="") as file:
        assert [row["score"] for row in csv.DictReader(file)] == [str(2**53 + 1), "0.5"]


@pytest.mark.parametrize("name", ["circuits.npy", "lengths.npy", "letters.json", "angles.npy", "labels.csv"])
def test_an_array_never_stands_beside_the_files_of_another_corpus(tmp_path, name):
    """Unitaries without circuits, angles or labels would seem to have those of the files."""
    generate(tmp_path / "haar.db", "--haar", 5)
    (tmp_path / f"out.{name}").touch()
    said = qorpus("export", tmp_path / "haar.db", tmp_path / "out.npy", status=1).stderr
    assert f"out.{name} already exists" in said and not (tmp_path / "out.npy").exists()


def test_files_say_that_haar_random_records_have_no_circuits(tmp_path):
    generate(tmp_path / "haar.db", "--haar", 5)
    with sqlite3.connect(tmp_path / "haar.db") as connection:
        (about,) = connection.execute("SELECT value FROM meta WHERE key = 'about'").fetchone()
    assert "Haar-random unitaries" in about and "Record i is a circuit" not in about
    qorpus("export", tmp_path / "haar.db", tmp_path / "out.parquet")
    assert b"have no circuits" in pyarrow.parquet.read_metadata(tmp_path / "out.parquet").metadata[b"circuit"]
