"""SQL over records: what the columns and functions say against NumPy, and that a query reads and
does nothing else."""

import os
import pickle
import subprocess
import sys
from array import array
from collections import deque
from collections.abc import Mapping

import numpy as np
import pyarrow
import pytest
import qorpus
from command import PATIENCE

RECIPE = {"gates": "h,t,cx,rz(pi/8)", "qubits": 2, "random": 3000, "length": (0, 9), "seed": 3}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("sql")


@pytest.fixture(scope="module")
def corpus(directory):
    return qorpus.generate(directory / "c.db", progress=False, **RECIPE)


@pytest.fixture(scope="module")
def labelled(directory):
    """Records with labels of each kind, of which some lack one, and some names that SQL has to
    quote."""
    path = directory / "labelled.db"
    with qorpus.Writer(path, gates="h,t", qubits=1) as writer:
        for number in range(20):
            labels = {"reward": number / 8, "step": number, "name": f"n{number}", 'a "b"; --': 1.5}
            writer.append(list("ht")[: number % 3], **(labels if number % 2 else {"reward": -1.0}))
    return qorpus.open(path)


def unitary_of(blob: bytes, dtype="complex128") -> np.ndarray:
    return np.frombuffer(blob, dtype).reshape(4, 4)


# Columns, functions.


@pytest.mark.parametrize("kind", ["corpus", "recipe", "derived", "narrow"])
def test_columns(corpus, directory, kind):
    """Each column says what the record of the row's id says, for stored, derived, virtual and
    narrow records."""
    if kind == "recipe":
        corpus = corpus.recipe
    elif kind != "corpus":
        options = {"derived": {"unitaries": False}, "narrow": {"dtype": "complex64"}}[kind]
        corpus = qorpus.generate(directory / f"{kind}.db", progress=False, **RECIPE, **options)
    rows = corpus.sql("select * from records")
    assert rows.columns == ["id", "circuit", "length", "unitary", *(f"count_{gate}" for gate in corpus.gates)]
    assert len(rows) == 3000 and isinstance(rows, list)
    for row, record in zip(rows[::101], corpus[::101]):
        id, circuit, length, unitary, *counts = row
        assert (id, circuit, length) == (record.id, "; ".join(record.circuit), len(record.circuit))
        assert unitary == record.unitary.tobytes() and type(unitary) is bytes
        assert counts == [record.labels[f"count_{gate}"] for gate in corpus.gates]


def test_little_order(corpus):
    """With order="little" the BLOBs are the unitaries of that order, and so are those that are
    compared with them."""
    little = qorpus.open(corpus.paths, order="little")
    for id, blob in little.sql("select id, unitary from records where id % 500 = 7"):
        assert blob == little[id].unitary.tobytes()
    target = little[7].unitary
    assert (7,) in little.sql("select id from records where distance(unitary, ?) < 1e-7", [target])
    differ = [id for id in range(3000) if (little[id].unitary != corpus[id].unitary).any()]
    found = little.sql("select id from records where unitary != ? and id = ?", [corpus[differ[0]].unitary, differ[0]])
    assert found == [(differ[0],)]


def test_fidelity_and_distance(corpus):
    """|tr(A†B)|²/d² and sqrt(1 - |tr(A†B)|/d) as NumPy computes them, of stored and given
    unitaries; no phase shows."""
    target = corpus[1234].unitary * np.exp(0.7j)
    traces = np.abs(np.einsum("ij,kij->k", target.conj(), corpus.unitaries(slice(None)))) / 4
    rows = corpus.sql("select fidelity(unitary, ?), distance(?, unitary) from records", [target, target])
    found = np.array(rows)
    assert np.abs(found[:, 0] - traces**2).max() < 1e-12
    assert np.abs(found[:, 1] - np.sqrt(np.maximum(1 - traces, 0))).max() < 1e-7
    assert found[1234, 0] == pytest.approx(1) and found[1234, 1] < 1e-7 and found[:, 1].max() > 0.5
    nearest = corpus.sql("select id from records order by distance(unitary, ?), id limit 1", [target])
    assert nearest[0][0] == np.flatnonzero(np.isclose(traces, 1))[0]
    assert corpus.sql("select fidelity(null, unitary), distance(unitary, null) from records limit 1") == [(None, None)]


@pytest.mark.parametrize(
    "given",
    [np.eye(4), np.eye(4, dtype=int), np.eye(4, dtype="f4"), np.eye(4, dtype="c8"), np.eye(4, dtype=">c16"),
     np.eye(4, dtype="c16")[:, ::-1][:, ::-1], np.asfortranarray(np.eye(4, dtype="c16")),
     np.eye(4, dtype="c16").tobytes(), np.eye(4, dtype="c8").tobytes()],
    ids=["float", "int", "float32", "complex64", "big-endian", "strided", "Fortran", "bytes", "narrow bytes"],
)  # fmt: skip
def test_arrays_are_unitaries(corpus, given):
    """An array of any numbers and any layout is the matrix it is."""
    traces = np.abs(corpus.unitaries(slice(100)).trace(axis1=1, axis2=2)) / 4
    found = corpus.sql("select fidelity(?, unitary) from records where id < 100", [given])
    assert np.abs(np.array(found)[:, 0] - traces**2).max() < 1e-12


def test_layouts_that_matter(corpus):
    """A transposed view is the transposed matrix, not the bytes under it."""
    turned = corpus[5].unitary.T
    assert corpus.sql("select ?", [turned]) == [(np.ascontiguousarray(turned).tobytes(),)]


def test_labels_are_columns(labelled):
    """Labels have columns, of their own types, NULL where a record has none, also under names that
    must be quoted."""
    rows = labelled.sql("select * from records")
    fixed = ["id", "circuit", "length", "unitary", "count_h", "count_t"]
    assert rows.columns == [*fixed, 'a "b"; --', "name", "reward", "step"]
    for row in rows:
        number, labels = row[0], dict(zip(rows.columns, row))
        assert labels["reward"] == (number / 8 if number % 2 else -1.0)
        assert (labels["step"], labels["name"]) == ((number, f"n{number}") if number % 2 else (None, None))
    assert labelled.sql("select count(*) from records where \"a \"\"b\"\"; --\" = 1.5") == [(10,)]
    assert labelled.sql("select id from records where reward > 2 order by reward desc limit 2") == [(19,), (17,)]


QUERIES = {
    "select count(*), min(id), max(id) from records": lambda r: [(3000, 0, 2999)],
    "select id from records where id = 17": lambda r: [(17,)],
    "select id from records where id = 3000": lambda r: [],
    "select id from records where id = -1": lambda r: [],
    "select id from records where id = 'x'": lambda r: [],
    "select id from records where id = 17.0": lambda r: [(17,)],
    "select id from records where id = 17.5": lambda r: [],
    "select id from records where id > 2997": lambda r: [(2998,), (2999,)],
    "select id from records where id >= 2998.5": lambda r: [(2999,)],
    "select id from records where id < 2": lambda r: [(0,), (1,)],
    "select id from records where id < 1.5": lambda r: [(0,), (1,)],
    "select id from records where id <= -0.5": lambda r: [],
    "select id from records where id between 5 and 7": lambda r: [(5,), (6,), (7,)],
    "select id from records where id between 7 and 5": lambda r: [],
    "select id from records where id > 9223372036854775806": lambda r: [],
    "select id from records where id < null": lambda r: [],
    "select id from records where id in (5, 3, 5, 4000)": lambda r: [(3,), (5,)],
    "select rowid from records where rowid = 5": lambda r: [(5,)],
    "select id from records order by id limit 2": lambda r: [(0,), (1,)],
    "select id from records order by id desc limit 2": lambda r: [(2999,), (2998,)],
    "select id from records where id > 5 order by id desc, length limit 1": lambda r: [(2999,)],
    "select length, count(*) from records group by length order by length": lambda r: [
        (length, sum(len(circuit) == length for circuit in r.circuits(slice(None)))) for length in range(10)
    ],
    "select sum(count_h), sum(\"count_rz(pi/8)\") from records": lambda r: [
        tuple(sum(label[f"count_{gate}"] for label in r.labels(slice(None))) for gate in ["h", "rz(pi/8)"])
    ],
    "select a.id from records a join records b on a.id = b.id + 1 where b.id in (4, 2999)": lambda r: [(5,)],
    "with few as (select id, length from records limit 4) select count(*) from few": lambda r: [(4,)],
    "select count(distinct unitary) from records": lambda r: [(len({u.tobytes() for u in r.unitaries(slice(None))}),)],
    "select 1 + 1 as two": lambda r: [(2,)],
    "values (1), (2)": lambda r: [(1,), (2,)],
}  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_queries(corpus, query):
    """Bounds, orders, groups and joins find what Python finds, for stored and virtual records."""
    expected = QUERIES[query](corpus)
    for records in [corpus, corpus.recipe]:
        assert records.sql(query) == expected


# Parameters, rows.


PARAMETERS = [
    (None, None), (5, 5), (-(2**63), -(2**63)), (2**63 - 1, 2**63 - 1), (True, 1), (1.5, 1.5),
    (float("inf"), float("inf")),
    ("text ' \" ; é 🦀", "text ' \" ; é 🦀"), ("", ""), (b"\x00\xff", b"\x00\xff"), (b"", b""), (np.int32(7), 7),
    (np.uint64(7), 7), (np.float32(0.5), 0.5), (np.float64(0.1), 0.1), (np.bool_(True), 1), (np.array(3), 3),
    (np.str_("s"), "s"), (np.eye(2, dtype="c16"), np.eye(2, dtype="c16").tobytes()), (float("nan"), None),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), PARAMETERS, ids=lambda value: repr(value)[:30])
def test_parameters(corpus, given, expected):
    """A value goes into a query and comes out the same, with Python's own type for it."""
    ((found,),) = corpus.sql("select ?", [given])
    assert found == expected and type(found) is type(expected if expected is not True else 1)


def test_parameters_stand_for_values_only(corpus):
    """A parameter that looks like SQL is a text, and parameters are counted."""
    evil = "'; drop table records; --"
    assert corpus.sql("select count(*) from records where circuit = ?", (evil,)) == [(0,)]
    assert corpus.sql("select ?2, ?1", [1, 2]) == [(2, 1)]
    for parameters in [[], [1], [1, 2, 3]]:
        with pytest.raises(ValueError, match=f"has 2 parameters, but {len(parameters)} value"):
            corpus.sql("select ?, ?", parameters)
    for bad, kind in [([2**63], ValueError), ([-(2**63) - 1], ValueError), ([object()], TypeError), ([[1]], TypeError),
                      ([1j], TypeError), ([np.array(["a", "b"])], TypeError)]:  # fmt: skip
        with pytest.raises(kind):
            corpus.sql("select ?", bad)


class Names(Mapping):
    """A mapping that is not a dict."""

    def __getitem__(self, name):
        return {"most": 2}[name]

    def __iter__(self):
        return iter(["most"])

    def __len__(self):
        return 1


@pytest.mark.parametrize("mark", [":", "@", "$"])
def test_parameters_by_name(corpus, mark):
    """A mapping gives a value to each name, whatever the order, however often the query has it."""
    query = f"select count(*) from records where length < {mark}most and id >= {mark}least and length < {mark}most"
    ((expected,),) = corpus.sql("select count(*) from records where length < 4 and id >= 100")
    assert 0 < expected < 3000
    for given in [{"most": 4, "least": 100}, {"least": np.int64(100), "most": 4.0}]:
        assert corpus.sql(query, given) == [(expected,)]
    assert corpus.sql(f"select {mark}most", Names()) == [(2,)]
    target = corpus[17].unitary
    assert corpus.sql(f"select fidelity(unitary, {mark}u) from records where id = 17", {"u": target}) == [(pytest.approx(1),)]


@pytest.mark.parametrize(
    "given", [[3, 4], (3, 4), np.array([3, 4]), np.array([3.0, 4.0]), range(3, 5), deque([3, 4]), array("q", [3, 4])], ids=repr
)
def test_parameters_in_order(corpus, given):
    """A sequence, or an array in one dimension, gives a value to each "?"."""
    assert corpus.sql("select ?, ?", given) == [(3, 4)]


@pytest.mark.parametrize(
    "given",
    [{1}, frozenset([1]), {1: 2}.keys(), {1: 2}.values(), {1: 2}.items(), "1", b"1", bytearray(b"1"), memoryview(b"1"), iter([1]),
     (value for value in [1]), map(int, "1"), 1, 1.5, None, object(), np.array(1), np.eye(1)],
    ids=lambda given: type(given).__name__,
)  # fmt: skip
def test_arguments_that_are_not_parameters(corpus, given):
    """Parameters without an order, for a single pass, or of one value are refused, whatever their
    number."""
    for query in ["select ?", "select :name", "select 1"]:
        with pytest.raises(qorpus.WrongType, match=r"parameters must be a list of values for \?, or a mapping from names"):
            corpus.sql(query, given)


@pytest.mark.parametrize(
    ("query", "given", "words"),
    [
        ("select :a, :b", {"a": 1}, "parameter named 'b', but no value of that name"),
        ("select :a", {}, "parameter named 'a', but no value"),
        ("select :a", {"A": 1}, "parameter named 'a', but no value"),
        ("select :a", {":a": 1}, "parameter named 'a', but no value"),
        ("select :a", {"a": 1, "c": 2}, "a value named 'c' was given, but the query has no :c"),
        ("select 1", {"c": 2}, "a value named 'c' was given, but the query has no :c"),
        ("select ?", {"a": 1}, "unnamed parameter [?]"),
        ("select ?1", {"1": 1}, "unnamed parameter [?]"),
        ("select ?, :a", {"a": 1}, "unnamed parameter [?]"),
        ("select :a", [1], "named parameter :a: give values by name"),
        ("select ?, @a", [1, 2], "named parameter @a: give values by name"),
        ("select $a", (), "named parameter [$]a: give values by name"),
        ("select ?", [], "1 parameter, but 0 values"),
        ("select 1", [1], "0 parameters, but 1 value "),
    ],
)
def test_parameters_that_do_not_fit(corpus, query, given, words):
    """Each parameter has one value, and each value a parameter: what is missing or left over is
    named."""
    with pytest.raises(qorpus.InvalidArgument, match=words):
        corpus.sql(query, given)


def test_names_of_parameters_are_texts(corpus):
    """A name that is not a text is refused, and so is a value that SQL does not have."""
    with pytest.raises(qorpus.WrongType, match="the name of a parameter must be a string, not int"):
        corpus.sql("select :a", {1: 1})
    with pytest.raises(qorpus.WrongType, match="a parameter must be None, a number, a string, bytes or an array, not list"):
        corpus.sql("select :a", {"a": [1]})


def test_rows(corpus):
    """Rows are a list of tuples with the columns' names; they pickle, and notebooks show the first
    of them."""
    rows = corpus.sql("select id, circuit as c, 1.5, null, x'00' from records limit 60")
    assert rows.columns[:2] == ["id", "c"] and rows[0][2:] == (1.5, None, b"\x00") and type(rows[0]) is tuple
    copy = pickle.loads(pickle.dumps(rows))
    assert copy == rows and copy.columns == rows.columns
    page = rows._repr_html_()
    assert page.count("<tr>") == 51 and "10 more rows" in page and "1 bytes" in page


def test_arrow(corpus, labelled):
    """`to_arrow` keeps names, values and NULLs; numbers, texts and unitaries have types of their
    own, rows or not."""
    query = "select id, circuit, unitary, distance(unitary, unitary) as d from records"
    table = corpus.sql(query).to_arrow()
    assert table.schema.names == ["id", "circuit", "unitary", "d"] and table.num_rows == 3000
    assert table.schema.types == [pyarrow.int64(), pyarrow.string(), pyarrow.binary(), pyarrow.float64()]
    assert unitary_of(table["unitary"][7].as_py()).tobytes() == corpus[7].unitary.tobytes()
    mixed = labelled.sql("select name, step, reward from records").to_arrow()
    assert mixed["name"].null_count == 10 and mixed["step"].type == pyarrow.int64() and mixed.num_rows == 20
    empty = corpus.sql(query + " where id < 0").to_arrow()
    assert empty.schema.names == ["id", "circuit", "unitary", "d"] and empty.num_rows == 0
    with pytest.raises(pyarrow.ArrowInvalid):
        corpus.sql("select 1 union all select 'a'").to_arrow()


# Errors.


WRITES = [
    "insert into records values (1)", "update records set id = 1", "delete from records", "drop table records",
    "create table t(x)", "create table t as select * from records", "create temp view v as select 1",
    "attach '{path}' as other", "attach ':memory:' as m", "vacuum into '{new}'", "pragma user_version = 7",
    "select 1; delete from records", "begin", "replace into records values (1)", "alter table records rename to r",
    "with few as (select 1) delete from records", "reindex", "analyze", "", "  ", "-- nothing", "detach main",
]  # fmt: skip


@pytest.mark.parametrize("query", WRITES)
def test_writes_are_refused(corpus, query):
    """A text that is not one SELECT is refused, and neither the corpus nor its directory
    changes."""
    directory = os.path.dirname(corpus.paths[0])
    before = {name: os.stat(os.path.join(directory, name)).st_mtime_ns for name in os.listdir(directory)}
    with pytest.raises(qorpus.Error):
        corpus.sql(query.format(path=corpus.paths[0], new=f"{directory}/new.db"))
    after = {name: os.stat(os.path.join(directory, name)).st_mtime_ns for name in os.listdir(directory)}
    assert after == before and corpus.sql("select count(*) from records") == [(3000,)]


def test_nothing_but_records_is_there(corpus):
    """A query sees neither the tables of the file nor other files, and loads no code."""
    for query in ["select * from chunks", "select * from meta", "select readfile('/etc/passwd')",
                  "select load_extension('x')", "select * from pragma_database_list('x')",
                  "select * from pragma_database_list", "select * from pragma_hard_heap_limit(1000)",
                  "pragma hard_heap_limit = 1000", "pragma soft_heap_limit = 1000"]:  # fmt: skip
        with pytest.raises(qorpus.Error):
            corpus.sql(query)
    # A heap limit would be one of the whole process.
    assert corpus.sql("select count(*) from records") == [(3000,)]


ERRORS = [
    ("selec 1", ValueError, "syntax error"),
    ("select missing from records", ValueError, "no such column: missing"),
    ("select * from elsewhere", ValueError, "no such table: elsewhere"),
    ("select nonsense(id) from records", ValueError, "no such function: nonsense"),
    ("select fidelity(unitary) from records", ValueError, "wrong number of arguments"),
    ("select fidelity(unitary, x'00') from records", qorpus.Error, "a unitary must be a BLOB of 256 or 128 bytes"),
    ("select distance(unitary, 'text') from records", qorpus.Error, "a unitary must be a BLOB"),
    ("select abs(-9223372036854775808)", qorpus.Error, "integer overflow"),
]


@pytest.mark.parametrize(("query", "kind", "text"), ERRORS, ids=[query for query, _, _ in ERRORS])
def test_errors(corpus, query, kind, text):
    """A query that cannot be is a ValueError, one that fails a qorpus.Error, with SQLite's own
    words."""
    with pytest.raises(kind, match=text) as refusal:
        corpus.sql(query)
    assert isinstance(refusal.value, qorpus.Error)
    with pytest.raises(TypeError):
        corpus.sql(7)


def test_an_unfinished_corpus_has_rows_for_its_records(directory):
    """Records that are not made yet have no row, wherever the gaps are; nothing made is no rows."""
    path, recipe = directory / "unfinished.db", qorpus.Recipe(random=60_000)
    made = set()
    for part in [1, 4]:
        corpus = qorpus.generate(path, recipe, part=(part, 6), progress=False)
        made = {id for (id,) in corpus.sql("select id from records")}
        assert len(made) == corpus.info["records"] < 60_000 and 0 not in made and 59_999 not in made
    first = min(made)
    assert corpus.sql("select id, length from records limit 1") == [(first, len(recipe[first].circuit))]
    assert corpus.sql("select max(id) from records") == [(max(made),)]
    assert corpus.sql("select count(*) from records where id < ?", [first]) == [(0,)]
    parts = [directory / "p0.db", directory / "p5.db"]
    for part, file in zip([0, 5], parts):
        qorpus.generate(file, recipe, part=(part, 6), progress=False)
    both = qorpus.open(parts)
    assert both.sql("select count(*), min(id), max(id) from records") == [(both.info["records"], 0, 59_999)]


# Large corpora, interrupts.


def isolated(code: str, *arguments) -> subprocess.CompletedProcess:
    """Runs Python code that has to end by itself in a process of its own, so that what never ends
    fails."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


def test_a_query_reads_only_fetched_rows(directory):
    """Limits and bounds on the id end a query over 10^12 records, virtual or hardly begun, that
    would take years."""
    code = """if True:
        import sys, qorpus
        recipe = qorpus.Recipe(random=10**12, unitaries=False)
        assert len(recipe.sql("select * from records where length = 7 limit 5")) == 5
        assert recipe.sql("select id from records where id > 999999999990 limit 3")[0] == (999999999991,)
        assert recipe.sql("select id from records where id = ?", [10**11 + 7]) == [(10**11 + 7,)]
        assert recipe.sql("select id from records order by id limit 2") == [(0,), (1,)]
        assert recipe.sql("select sum(length) from records where id between 5 and 9")[0][0] > 0

        class Enough(Exception):
            pass
        def stop(records, expected):
            if records:
                raise Enough
        try:
            qorpus.generate(sys.argv[1], recipe, part=(1, 2), force=True, progress=stop)
        except Enough:
            pass
        corpus = qorpus.open(sys.argv[1])
        made = corpus.info["records"]
        ((count, first),) = corpus.sql("select count(*), min(id) from records")
        assert count == made and first > 4 * 10**11, (count, made, first)
    """
    done = isolated(code, directory / "begun.db")
    assert done.returncode == 0, done.stderr


INTERRUPTED = {
    "rows": "select sum(length) from records",
    "no rows": "select id from records where length > 100",
    "unitaries": "select max(distance(unitary, unitary)) from records",
    "like": "select ?1 like '%' || ?1 || 'b%'",
    "functions": "with recursive n(i) as (select 1 union all select i + 1 from n) select sum(instr(?1, 'b') + length(upper(?1))) from n",
    "without records": "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n",
}


@pytest.mark.parametrize("kind", INTERRUPTED)
def test_an_interrupted_query(kind):
    """SIGINT ends a query that would take years by KeyboardInterrupt, also one over wide unitaries;
    then others run."""
    qubits = 6 if kind == "unitaries" else 2
    code = f"""if True:
        import os, signal, threading, time, qorpus
        recipe = qorpus.Recipe(random=10**15, qubits={qubits})
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        begun = time.monotonic()
        try:
            query = {INTERRUPTED[kind]!r}
            recipe.sql(query, ["a" * 4_000_000] if "?1" in query else [])
        except KeyboardInterrupt:
            assert time.monotonic() - begun < 5, time.monotonic() - begun
            print("interrupted", recipe.sql("select count(*) from records where id < 9"))
    """
    done = isolated(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted [(9,)]\n", "")


def test_exceptions_of_a_signal_handler(corpus):
    """An exception of a signal handler of one's own comes out of the query; a handler that returns
    does not stop it."""
    code = """if True:
        import signal, qorpus
        calls = []
        def handler(number, frame):
            calls.append(number)
            # It may read, and fork, in the middle of a query.
            assert len(recipe.sql("select id from records limit 3")) == 3 and recipe[7].id == 7
            import os
            pid = os.fork()
            if pid == 0:
                os._exit(0 if recipe.sql("select 1") == [(1,)] else 1)
            assert os.waitpid(pid, 0)[1] == 0
            if len(calls) == 3:
                raise LookupError("enough")
        signal.signal(signal.SIGALRM, handler)
        recipe = qorpus.Recipe(random=10**15)
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.3)
        try:
            recipe.sql("select sum(length) from records")
        except LookupError as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            print(error, len(calls))
    """
    done = isolated(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "enough 3\n", "")


def test_labels_of_files_that_differ_by_case(tmp_path):
    """Labels of several files that SQL cannot tell apart have numbered columns; the bare name is an
    error."""
    paths = [tmp_path / "a.db", tmp_path / "b.db"]
    for path, name in zip(paths, ["seed", "Seed"], strict=True):
        with qorpus.Writer(path, gates=["h"], qubits=1) as writer:
            writer.append("h 0", **{name: 7, "other": 1})
    both = qorpus.open(paths)
    columns = both.sql("select * from records").columns
    seeds = [name for name in columns if name.lower().startswith("seed")]
    assert len(seeds) == 2 and not {"seed", "Seed"} & set(columns) and "other" in columns
    for name in ["seed", "Seed", '"seed"', "SEED"]:
        with pytest.raises(qorpus.InvalidArgument, match="no such column"):
            both.sql(f"select {name} from records")
    assert [both.sql(f'select sum("{name}") from records') for name in seeds] == [[(7,)], [(7,)]]
    assert qorpus.open(paths[0]).sql("select Seed from records") == [(7,)]


@pytest.mark.parametrize("text", ["5", "%h%", "cnt", "h 0", "x"])
def test_a_text_in_double_quotes(corpus, text):
    """A name unlike any column is not called misspelt: the columns are named, and how texts are
    written."""
    with pytest.raises(qorpus.InvalidArgument) as refused:
        corpus.sql(f'select id from records where circuit like "{text}"')
    said = str(refused.value)
    assert "did you mean" not in said and "the columns are id, circuit" in said and "single quotes" in said


def test_parameters_are_counted_in_words(corpus):
    """One is singular."""
    for query, values, said in [("select ?", [1, 2], "1 parameter, but 2 values were"), ("select ?, ?", [1], "2 parameters, but 1 value was")]:
        with pytest.raises(qorpus.InvalidArgument, match=said):
            corpus.sql(query, values)
