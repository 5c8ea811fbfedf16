"""`qorpus sql`: tables, JSON and CSV of any corpus, row by row, against corpus.sql."""

import csv
import io
import itertools
import json
import resource
import signal
import subprocess
import time

import numpy as np
import pytest
import qorpus
from command import QORPUS, finish, start
from command import qorpus as command


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("sql")


@pytest.fixture(scope="module")
def corpus(directory):
    return qorpus.generate(directory / "c.db", gates="h,t,cx", random=3000, length=(0, 9), seed=3, progress=False)


@pytest.fixture(scope="module")
def labelled(directory):
    path = directory / "labelled.db"
    texts = ["plain", 'a "quoted", text', "two\nlines", "\x1b[31mred", "", "é🦀", "=1+1"]
    with qorpus.Writer(path, gates="h,t", qubits=1) as writer:
        for number, text in enumerate(texts):
            writer.append(["h"] * (number % 3), note=text, weight=number / 8 if number else float("inf"))
        writer.append(["t"])
    return qorpus.open(path)


def rows_of(corpus, query, *flags):
    return command("sql", corpus.paths[0], query, *flags).stdout


QUERIES = [
    "select * from records where id < 40",
    "select count(*) as n, avg(length) as mean from records",
    "select id, unitary as u, length from records where id in (3, 4)",
    "select id from records where id < 0",
    "select null as empty, 1.5e300 as large, x'00ff' as bytes, 'text' as text",
]


@pytest.mark.parametrize("query", QUERIES)
def test_json(corpus, query):
    """An object per row, with the unitary as `show --json` prints it and other BLOBs as digits."""
    expected = corpus.sql(query)
    found = [json.loads(line) for line in rows_of(corpus, query, "--json").splitlines()]
    assert len(found) == len(expected)
    for row, values in zip(found, expected, strict=True):
        assert list(row) == expected.columns
        for name, value, wanted in zip(row, row.values(), values, strict=True):
            if name in ("unitary", "u"):
                parts = np.array(value)
                assert (parts[..., 0] + 1j * parts[..., 1]).tobytes() == wanted
            elif isinstance(wanted, bytes):
                assert bytes.fromhex(value) == wanted
            else:
                assert value == wanted and type(value) is type(wanted)


@pytest.mark.parametrize("query", QUERIES)
def test_csv(corpus, query):
    """A line of names, then a line per row; NULL is empty, a BLOB its hexadecimal digits."""
    expected = corpus.sql(query)
    names, *found = csv.reader(io.StringIO(rows_of(corpus, query, "--csv")))
    assert names == expected.columns and len(found) == len(expected)
    for row, values in zip(found, expected, strict=True):
        for text, wanted in zip(row, values, strict=True):
            kinds = {bytes: lambda text: bytes.fromhex(text), str: str, int: int, float: float, type(None): lambda text: text or None}
            assert kinds[type(wanted)](text) == wanted


def test_texts_and_infinity(labelled):
    """Texts survive JSON and CSV whatever they hold, and an infinity is read as one."""
    expected = labelled.sql("select note, weight from records")
    found = [json.loads(line) for line in rows_of(labelled, "select note, weight from records", "--json").splitlines()]
    assert [(row["note"], row["weight"]) for row in found] == expected
    _, *lines = csv.reader(io.StringIO(rows_of(labelled, "select note, weight from records", "--csv"), newline=""))
    assert [(note or None, float(weight) if weight else None) for note, weight in lines] == [
        (note or None, weight) for note, weight in expected
    ]


def test_table(corpus, labelled):
    """Columns that stand under their names; numbers right, texts left; nothing reaches the terminal
    unescaped."""
    lines = rows_of(corpus, "select id, length, circuit, unitary from records where id in (7, 2999)").splitlines()
    assert len(lines) == 3 and lines[0].split() == ["id", "length", "circuit", "unitary"]
    for line, id in zip(lines[1:], [7, 2999], strict=True):
        assert line[:4] == f"{id:>4}" and line.endswith("<BLOB of 256 bytes>")
        start = lines[0].index("circuit")
        assert line[start:].startswith("; ".join(corpus[id].circuit))
    table = rows_of(labelled, "select note, weight from records")
    assert "\x1b" not in table and r"\u{1b}[31mred" in table and r"two\nlines" in table
    assert len(table.splitlines()) == 9 and "NULL" in table.splitlines()[-1]
    assert rows_of(corpus, "select id from records where id < 0").split() == ["id"]


def test_many_rows_of_a_table(corpus):
    """Later rows that are wider widen their columns; all are there."""
    lines = rows_of(corpus, "select id, id * id * id * id as power from records").splitlines()[1:]
    assert [tuple(map(int, line.split())) for line in lines] == [(id, id**4) for id in range(3000)]


@pytest.mark.parametrize("kind", ["directory", "files"])
def test_other_corpora(directory, kind):
    recipe = {"gates": "h,t,cx", "random": 3000, "length": (0, 9), "seed": 3, "progress": False}
    if kind == "directory":
        place = f"{directory}/shards/"
        qorpus.generate(place, **recipe)
    else:
        place = directory / "parts"
        place.mkdir()
        for part in range(2):
            qorpus.generate(place / f"{part}.db", part=(part, 2), **recipe)
    query = "select count(*), sum(id), sum(length) from records"
    ((count, ids, lengths),) = qorpus.Recipe(**{key: recipe[key] for key in ("gates", "random", "length", "seed")}).sql(query)
    _, *found = csv.reader(io.StringIO(command("sql", place, query, "--csv").stdout))
    assert found == [[str(count), str(ids), str(lengths)]]


@pytest.mark.parametrize(
    ("query", "flags", "status", "words"),
    [
        ("selec 1", [], 2, "syntax error"),
        ("delete from records", [], 2, "may not be modified"),
        ("select 1; select 2", [], 2, "a query must be a single SELECT"),
        ("select lenth from records", [], 2, "did you mean length"),
        ("select ?", [], 2, "has 1 parameter, but 0 values"),
        ("select * from chunks", [], 2, ""),
        ("select id, id from records", ["--json"], 2, "two columns are named 'id'"),
        ("select id from records", ["--json", "--csv"], 2, "cannot be used with"),
        ("select distance(unitary, x'00') from records", [], 1, "a unitary must be a BLOB"),
    ],
)
def test_errors(corpus, query, flags, status, words):
    done = command("sql", corpus.paths[0], query, *flags, status=status)
    # The names of the columns are known before the first row.
    assert words in done.stderr and len(done.stdout.splitlines()) <= status % 2
    assert corpus.sql("select id, id from records where id = 1") == [(1, 1)]


def test_rows_before_an_error_are_shown(corpus):
    query = "select id, case when id < 5 then 0 else distance(unitary, x'00') end as d from records"
    done = command("sql", corpus.paths[0], query, "--csv", status=1)
    assert done.stdout.split() == ["id,d", *(f"{id},0" for id in range(5))] and "a unitary must be" in done.stderr


def test_missing_corpus(directory):
    assert "missing.db" in command("sql", directory / "missing.db", "select 1", status=1).stderr


LONG = "with recursive n(i) as (select 1 union all select i + 1 from n) select i, i * i as square from n"


@pytest.mark.parametrize("flag", ["--csv", "--json", None])
def test_memory_is_bounded(corpus, flag):
    """A result of any size goes to the output as it is found: under a limit on memory that a tenth
    of the rows would pass, rows keep coming until the reader leaves, which is not an error."""
    arguments = [str(QORPUS), "sql", str(corpus.paths[0]), LONG, *([flag] if flag else [])]
    limit = lambda: resource.setrlimit(resource.RLIMIT_DATA, (256 << 20, 256 << 20))
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limit) as process:
        lines = sum(1 for _ in itertools.islice(process.stdout, 3_000_000))
        process.stdout.close()
        said = process.stderr.read()
    assert lines == 3_000_000 and said == b"" and process.returncode == 0


def test_interrupt(corpus):
    """Ctrl-C ends a query with status 130."""
    process = start("sql", corpus.paths[0], "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n")
    while not catches_interrupts(process.pid):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert finish(process, 130).stdout == "max(i)\n"


def catches_interrupts(pid):
    """Whether a process has a handler of SIGINT by now."""
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("SigCgt"))
    return bool(int(line.split()[1], 16) & 1 << (signal.SIGINT - 1))
