"""The SQLite extension in other programs: Debian's `sqlite3` and a Python whose `sqlite3` can load
extensions. Records are those of `corpus.sql`, files stay as they are, and locks are kept."""

import functools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import numpy as np
import pytest
import qorpus
from command import PATIENCE, ROOT, finish, start
from command import qorpus as command

EXTENSION = qorpus.sqlite_extension()


@functools.cache
def host():
    """A Python whose sqlite3 loads extensions; not every build does."""
    found = [sys.executable, "/usr/bin/python3", shutil.which("python3")]
    program = "import sqlite3; sqlite3.connect(':memory:').enable_load_extension(True)"
    able = [name for name in found if name and subprocess.run([name, "-c", program], capture_output=True).returncode == 0]
    assert able, "no Python here was built with loadable SQLite extensions; install Debian's python3"
    return able[0]


PRELUDE = """
import json, os, sqlite3, sys
def connect(path=":memory:", **options):
    connection = sqlite3.connect(path, **options)
    connection.enable_load_extension(True)
    connection.load_extension(EXTENSION)
    return connection
def plain(value):
    return {"blob": value.hex()} if isinstance(value, bytes) else value
def rows(connection, query, *parameters):
    return [[plain(value) for value in row] for row in connection.execute(query, parameters)]
"""


def in_host(program, *arguments, status=0):
    """Runs a program in the other Python and returns what it prints, as JSON."""
    text = PRELUDE.replace("EXTENSION", repr(EXTENSION)) + textwrap.dedent(program)
    done = subprocess.run([host(), "-c", text, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout) if status == 0 else done.stderr


def shell(database, *lines, status=0):
    """Runs lines in Debian's sqlite3 and returns its output."""
    script = "\n".join([f".load {EXTENSION}", ".mode list", *lines, ""])
    done = subprocess.run(
        ["sqlite3", "-batch", "-bail", str(database)], input=script, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stderr


def plain(rows):
    """Rows of corpus.sql as the other Python prints them."""
    return [[{"blob": value.hex()} if isinstance(value, bytes) else value for value in row] for row in rows]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("extension")


@pytest.fixture(scope="module")
def corpora(directory):
    """A corpus of each kind, by name."""
    common = {"progress": False, "length": (0, 9), "seed": 3}
    made = {
        "stored": qorpus.generate(directory / "stored.db", gates="h,t,cx,rz(pi/8)", random=3000, **common),
        "derived": qorpus.generate(directory / "derived.db", gates="h,t,cx", random=3000, unitaries=False, **common),
        "narrow": qorpus.generate(directory / "narrow.db", gates="h,t,cx", random=500, dtype="complex64", **common),
        "angles": qorpus.generate(directory / "angles.db", gates="rz(?),sx,cx", random=500, **common),
        "haar": qorpus.generate(directory / "haar.db", haar=50, seed=3, progress=False),
        "shards": qorpus.generate(f"{directory}/shards/", gates="h,t,cx", random=3000, **common),
    }
    with qorpus.Writer(directory / "labelled.db", gates="h,t", qubits=1) as writer:
        for number in range(40):
            labels = {"reward": number / 8, "step": number, "name": f"n{number}", 'a "b"; --': 1.5, "big": float("inf")}
            writer.append(list("ht")[: number % 3], **(labels if number % 2 else {"reward": -1.0}))
    made["labelled"] = qorpus.open(directory / "labelled.db")
    return made


NAMES = ["stored", "derived", "narrow", "angles", "haar", "shards", "labelled"]

QUERIES = [
    "select * from records",
    "select id, circuit, length from records where id < 10",
    "select count(*), min(id), max(id) from records",
    "select id from records where id = 17",
    "select id, unitary from records where id between 5 and 7",
    "select id from records where id in (3, 5, 10000000)",
    "select id from records order by id desc limit 3",
    "select id from records where circuit like '%h 0%' limit 5",
    "select length, count(*) from records group by length order by length",
    "select a.id from records a join records b on a.id = b.id + 1 where b.id in (4, 9)",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_created_table_has_the_rows_of_corpus_sql(corpora, name):
    """The same columns and rows in another program's SQLite, of a query for all and of others."""
    corpus = corpora[name]
    program = """
        connection = connect()
        connection.execute("create virtual table temp.records using qorpus('%s')" % sys.argv[1])
        found = []
        for query in sys.argv[2:]:
            cursor = connection.execute(query)
            found.append([[column[0] for column in cursor.description], [[plain(v) for v in row] for row in cursor]])
        print(json.dumps(found))
        """
    for query, (columns, rows) in zip(QUERIES, in_host(program, corpus.paths[0], *QUERIES), strict=True):
        expected = corpus.sql(query)
        assert columns == expected.columns, query
        assert rows == plain(expected), query
    assert len(corpus.sql(QUERIES[0])) == len(corpus)


@pytest.mark.parametrize("name", NAMES)
def test_the_function_has_the_columns_of_any_corpus(corpora, name):
    """qorpus('path') says the same with JSON in place of the counts and the labels."""
    corpus, program = corpora[name], """
        connection = connect()
        print(json.dumps(rows(connection, "select * from qorpus(?) where id % 7 = 3", sys.argv[1])))
        """
    found = in_host(program, corpus.paths[0])
    assert [row[0] for row in found] == [id for id in range(len(corpus)) if id % 7 == 3]
    for id, circuit, length, unitary, angles, counts, labels in found[::5]:
        record = corpus[id]
        given = {key: value for key, value in record.labels.items() if not key.startswith("count_") and key != "length"}
        has_circuit = name != "haar"
        assert circuit == ("; ".join(record.circuit) if has_circuit else None)
        assert length == (len(record.circuit) if has_circuit else None)
        assert bytes.fromhex(unitary["blob"]) == record.unitary.tobytes()
        assert json.loads(labels) == given
        expected = {gate: record.labels[f"count_{gate}"] for gate in corpus.gates} if has_circuit else {}
        assert {gate: count for gate, count in json.loads(counts).items() if has_circuit} == expected
        if name == "angles":
            assert json.loads(angles) == [value for value in record.angles.ravel() if not np.isnan(value)]
        else:
            assert angles is None


def test_the_shell(corpora):
    """Debian's sqlite3: rows, the file that it has open, and bounds that are pushed down."""
    corpus = corpora["stored"]
    path = corpus.paths[0]
    query = "select id, circuit, length, hex(unitary) from {} where id < 40 order by id"
    expected = [f"{id}|{circuit}|{length}|{blob.hex().upper()}" for id, circuit, length, blob in
                corpus.sql("select id, circuit, length, unitary from records where id < 40")]  # fmt: skip
    assert shell(":memory:", query.format(f"qorpus('{path}')") + ";").splitlines() == expected
    assert shell(path, query.format("qorpus") + ";").splitlines() == expected
    assert shell(path, query.format("qorpus()") + ";").splitlines() == expected
    created = shell(path, "create virtual table temp.records using qorpus();", query.format("records") + ";")
    assert created.splitlines() == expected
    plan = shell(":memory:", f"explain query plan select * from qorpus('{path}') where id = 5;")
    assert "VIRTUAL TABLE INDEX" in plan


def test_ids_and_limits_are_pushed_down(directory, corpora):
    """Reading few records of many takes few reads: a damaged chunk that a query does not need is
    not noticed, and one that it needs is."""
    path = directory / "damaged.db"
    shutil.copy(corpora["stored"].paths[0], path)
    with sqlite3.connect(path) as connection:
        first, blob = connection.execute("select first_id, circuits from chunks order by first_id desc limit 1").fetchone()
        connection.execute("update chunks set circuits = ? where first_id = ?", (bytes(255 - byte for byte in blob), first))
    connection.close()
    assert first > 100
    good = shell(":memory:", f"select count(*) from qorpus('{path}') where id < 50;",
                 f"select id from qorpus('{path}') limit 2;", f"select id from qorpus('{path}') where id = 7;")  # fmt: skip
    assert good.split() == ["50", "0", "1", "7"]
    assert "is damaged" in shell(":memory:", f"select count(*) from qorpus('{path}');", status=1)


def test_distance_and_fidelity(corpora):
    """The functions agree with corpus.sql for each precision and with the first record's size."""
    program = """
        connection, found = connect(), []
        for path in sys.argv[1:]:
            found.append(rows(connection, '''select distance(a.unitary, b.unitary), fidelity(a.unitary, b.unitary)
                from qorpus(?1) a join qorpus(?1) b where a.id = 7 and b.id < 20''', path))
        print(json.dumps(found))
        """
    names = ["stored", "narrow", "haar", "labelled"]
    for name, found in zip(names, in_host(program, *(corpora[name].paths[0] for name in names)), strict=True):
        query = """select distance(a.unitary, b.unitary), fidelity(a.unitary, b.unitary)
                   from records a join records b where a.id = 7 and b.id < 20"""
        assert found == [list(row) for row in corpora[name].sql(query)]
        assert max(row[0] for row in found) > 0.1


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select * from qorpus('/nonexistent/x.db')", "/nonexistent does not exist"),
        ("select * from qorpus('{text}.db')", "text.txt.db does not exist"),
        ("select * from qorpus(null)", "must be the path of a corpus, a text, not Null"),
        ("select * from qorpus(5)", "must be the path of a corpus, a text, not Integer"),
        ("select * from qorpus", "this connection has no file; name a corpus"),
        ("select * from qorpus('{path}', 'middle')", "must be 'big' or 'little', not 'middle'"),
        ("select * from qorpus('{path}', 'big', 1)", "too many arguments"),
        ("select * from qorpus('{text}')", "is not a Qorpus corpus"),
        ("select * from qorpus('s3://bucket/x')", "buckets"),
        ("create virtual table records using qorpus('{path}')", "CREATE VIRTUAL TABLE temp.records USING"),
        ("create virtual table temp.records using qorpus('{path}', 'little', 'x')", "takes a path and the order"),
        ("create virtual table temp.records using qorpus('/nonexistent')", "/nonexistent"),
        ("create virtual table temp.records using qorpus()", "this connection has no file"),
        ("delete from qorpus", "may not be modified"),
        ("select distance(x'00', x'00')", "a unitary must be a BLOB of 4^n entries"),
        ("select distance(zeroblob(64), zeroblob(256))", "one unitary is 2 x 2, the other 4 x 4"),
    ],
)
def test_errors_are_sentences(corpora, directory, query, words):
    text = directory / "text.txt"
    text.write_text("no database at all, but long enough to be looked at\n" * 20)
    said = shell(":memory:", query.format(path=corpora["stored"].paths[0], text=text) + ";", status=1)
    assert words in said and "panicked" not in said


def test_a_view_cannot_read_other_files(corpora, directory):
    """A hostile database cannot have its views read files of whoever opens it."""
    path = directory / "hostile_view.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"create view v as select * from qorpus('{corpora['stored'].paths[0]}')")
    connection.close()
    assert "unsafe use of virtual table" in shell(path, "select * from v;", status=1)


def test_qubit_order(corpora):
    little = qorpus.open(corpora["stored"].paths, order="little")
    for query in ["select hex(unitary) from qorpus('{}', 'little') where id = 1234;",
                  "create virtual table temp.r using qorpus('{}', 'little'); select hex(unitary) from r where id = 1234;"]:  # fmt: skip
        assert shell(":memory:", query.format(little.paths[0])).strip() == little[1234].unitary.tobytes().hex().upper()
    assert (little[1234].unitary != corpora["stored"][1234].unitary).any()


def test_nothing_changes(corpora):
    """Reading leaves every file of a corpus as it was."""
    path = corpora["labelled"].paths[0]
    folder = os.path.dirname(path)

    def state():
        found = {}
        for name in os.listdir(folder):
            if name.startswith("labelled.db"):
                status = os.stat(os.path.join(folder, name))
                found[name] = (status.st_mtime_ns, status.st_size, status.st_ino)
        return found

    before = state()
    assert shell(path, f"select count(*) from qorpus; select count(*) from qorpus('{path}');").split() == ["40", "40"]
    assert state() == before and "labelled.db" in before


def test_reading_while_others_write(directory):
    """A host that keeps its connection sees what a writer of another process commits, and nothing
    less."""
    path = directory / "growing.db"
    program = """
        connection, seen = connect(), []
        while not seen or seen[-1] < 2000:
            seen.append(rows(connection, "select count(*), max(id) from qorpus(?)", sys.argv[1])[0])
            assert seen[-1][1] is None or seen[-1][0] == seen[-1][1] + 1, seen[-1]
            seen[-1] = seen[-1][0]
        print(json.dumps(seen))
        """
    with qorpus.Writer(path, gates="h,t", qubits=1) as writer:
        writer.append(["h"])
        writer.flush()
        text = PRELUDE.replace("EXTENSION", repr(EXTENSION)) + textwrap.dedent(program)
        reader = subprocess.Popen([host(), "-c", text, str(path)], stdout=subprocess.PIPE, text=True)
        for number in range(1, 2000):
            writer.append(["h", "t"][: number % 3])
            if number % 50 == 0:
                writer.flush()
        writer.flush()
        output, _ = reader.communicate(timeout=PATIENCE)
    seen = json.loads(output)
    assert seen == sorted(seen) and seen[-1] == 2000 and reader.returncode == 0
    assert len(qorpus.open(path)) == 2000 and command("verify", path, "--quiet").returncode == 0


def test_the_locks_of_the_host_stay(corpora, directory):
    """A transaction of the host on the same file keeps its locks while the extension reads it:
    another process still sees them."""
    path = directory / "locked.db"
    shutil.copy(corpora["stored"].paths[0], path)
    program = """
        import subprocess
        path = sys.argv[1]
        connection = connect(path, isolation_level=None)
        connection.execute("begin immediate")
        other = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None); c.execute('begin immediate')"
        def refused():
            done = subprocess.run([sys.executable, "-c", other, path], capture_output=True, text=True)
            return "database is locked" in done.stderr
        before = refused()
        counts = [rows(connection, "select count(*) from qorpus"), rows(connection, "select count(*) from qorpus(?)", path)]
        connection.execute("create virtual table temp.records using qorpus()")
        counts.append(rows(connection, "select count(*) from records"))
        connection.execute("drop table temp.records")
        during = refused()
        connection.execute("rollback")
        print(json.dumps([before, counts, during, refused()]))
        """
    assert in_host(program, path) == [True, [[[3000]]] * 3, True, False]


def test_a_killed_writer(directory):
    """What a killed writer left in the WAL is read. A copy without its WAL is refused."""
    path = directory / "killed.db"
    writer = f"""
import os, qorpus
one, two = (qorpus.Writer({str(path)!r}, gates="h,t", qubits=1) for _ in range(2))
for number in range(100):
    one.append(["h"]); two.append(["t"])
one.flush(); two.flush()
print("written", flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", writer], capture_output=True, text=True)
    assert done.stdout == "written\n" and done.returncode == -9
    assert os.path.getsize(f"{path}-wal") > 0
    copy = directory / "copied.db"
    shutil.copy(path, copy)
    assert shell(":memory:", f"select count(*) from qorpus('{path}');").strip() == "200"
    assert "is not beside it" in shell(":memory:", f"select count(*) from qorpus('{copy}');", status=1)
    assert not os.path.exists(f"{copy}-wal")
    assert command("verify", path, "--quiet").returncode == 0


def test_threads_and_many_connections(corpora):
    """Connections of several threads read the same file at the same time."""
    program = """
        from concurrent.futures import ThreadPoolExecutor
        def count(number):
            connection = connect()
            return rows(connection, "select count(*), sum(length), max(hex(unitary)) from qorpus(?)", sys.argv[1])[0]
        with ThreadPoolExecutor(8) as pool:
            print(json.dumps(list(pool.map(count, range(24)))))
        """
    ((count, total),) = corpora["stored"].sql("select count(*), sum(length) from records")
    found = in_host(program, corpora["stored"].paths[0])
    assert len(found) == 24 and {tuple(row[:2]) for row in found} == {(count, total)} and len(set(map(tuple, found))) == 1


def test_a_fork_of_the_host(corpora):
    """A child that inherits a connection gets an error or the right rows, and the parent continues."""
    program = """
        connection = connect()
        query = "select count(*) from qorpus(?)"
        before = rows(connection, query, sys.argv[1])
        child = os.fork()
        if child == 0:
            try:
                good = rows(connection, query, sys.argv[1]) == before
            except sqlite3.Error as error:
                good = "another process" in str(error)
            os._exit(0 if good else 1)
        _, status = os.waitpid(child, 0)
        print(json.dumps([status, before, rows(connection, query, sys.argv[1])]))
        """
    assert in_host(program, corpora["stored"].paths[0]) == [0, [[3000]], [[3000]]]


def test_replaced_files(corpora, directory):
    """A connection that has read a path reads another corpus that takes its place."""
    path = directory / "replaced.db"
    program = """
        import shutil
        connection, found = connect(), []
        for source in sys.argv[2:]:
            shutil.copy(source, sys.argv[1] + ".new")
            os.replace(sys.argv[1] + ".new", sys.argv[1])
            found.append(rows(connection, "select count(*) from qorpus(?)", sys.argv[1]))
        print(json.dumps(found))
        """
    paths = [corpora[name].paths[0] for name in ("stored", "narrow", "labelled")]
    assert in_host(program, path, *paths) == [[[3000]], [[500]], [[40]]]


def test_corruptions_are_errors(corpora, directory):
    """Files with random bytes, or without their end: rows are those of the good file, or there is an
    error."""
    good = Path(corpora["labelled"].paths[0]).read_bytes()
    rng, used = np.random.default_rng(5), np.flatnonzero(np.frombuffer(good, "u1"))
    paths = []
    for number in range(150):
        damaged, at = bytearray(good), int(rng.choice(used))
        for place in range(at, min(at + int(rng.integers(1, 40)), len(good))):
            damaged[place] = int(rng.integers(0, 256))
        if number % 10 == 9:
            del damaged[int(rng.integers(1, len(good))) :]
        path = directory / f"corrupt{number}.db"
        path.write_bytes(damaged)
        paths.append(path)
    program = """
        connection, found = connect(), []
        for path in sys.argv[1:]:
            try:
                found.append(rows(connection, "select id, circuit, unitary, labels from qorpus(?)", path))
            except sqlite3.Error as error:
                found.append(str(error))
        print(json.dumps(found))
        """
    (truth, *found) = in_host(program, corpora["labelled"].paths[0], *paths)
    truth = {row[0]: row for row in truth}
    assert len(truth) == 40
    errors = [result for result in found if isinstance(result, str)]
    assert all("panicked" not in error and "bug" not in error and len(error) > 20 for error in errors)
    assert 20 < len(errors) < 150
    for result in found:
        if not isinstance(result, str):
            assert all(truth[row[0]] == row for row in result)


def test_the_lock_file_has_the_versions_of_the_workspace():
    """The extension reads files as the rest does: with the same version of every library."""

    def versions(path):
        return {(package["name"], package["version"]) for package in tomllib.loads(path.read_text())["package"]}

    own = versions(ROOT / "crates" / "qorpus-sqlite" / "Cargo.lock")
    # A build script of libsqlite3-sys needs the last one for loadable extensions.
    assert {name for name, _ in own - versions(ROOT / "Cargo.lock")} <= {"qorpus-sqlite", "prettyplease"}


def test_the_command_prints_the_path():
    """The command of the wheel names the wheel's file."""
    said = finish(start("sqlite-extension"), None)
    printed = subprocess.run([sys.executable, "-m", "qorpus", "sqlite-extension"], capture_output=True, text=True, check=True)
    assert printed.stdout == f"{EXTENSION}\n" and os.path.isfile(EXTENSION)
    assert said.returncode == 0 or "built without it" in said.stderr
