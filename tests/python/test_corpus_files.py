"""The files of a corpus: several as one, missing, strange or damaged ones."""

import sqlite3

import format_v1
import numpy as np
import pytest
import qorpus
from corpus_records import RECIPE, made
from corpus_records import directory, shared  # noqa: F401


def test_parts_are_read_as_one(directory, shared):
    """Files made with part=(i, n), as a list in any order or as their directory, are the one
    corpus."""
    parts = directory / "parts"
    parts.mkdir()
    for index in range(3):
        qorpus.generate(parts / f"{index}.db", part=(index, 3), progress=False, **RECIPE)
    (parts / "notes.txt").write_text("not a corpus")
    files = sorted(parts.glob("*.db"))
    for path in [files, files[::-1], parts, [parts], str(parts), [files[1], *files[::2]]]:
        corpus = qorpus.open(path)
        assert corpus.complete and len(corpus) == 6000 and len(corpus.paths) == 3
        assert corpus.content_hash == shared.content_hash and corpus.info["records"] == 6000
        ids = np.random.default_rng(1).permutation(6000)[:2000]
        assert corpus.unitaries(ids).tobytes() == shared.unitaries(ids).tobytes()
        assert corpus.circuits(ids) == shared.circuits(ids)
    some = qorpus.open(files[:2])
    assert not some.complete and len(some) == 6000 and some.info["records"] < 6000
    with pytest.raises(qorpus.MissingRecord, match="not generated yet"):
        some[5999]


def test_appended_files_follow_one_another(tmp_path):
    """Several files that people appended to are one sequence in the order they are named, and the
    last may grow."""
    for name, letters in [("a", ["h"]), ("b", ["t", "t"])]:
        with qorpus.Writer(tmp_path / f"{name}.db", gates="h,t", qubits=1) as writer:
            writer.extend([letters] * 5)
    both = qorpus.open(tmp_path)
    assert len(both) == 10 and both.circuits([0, 4, 5, 9]) == [("h 0",)] * 2 + [("t 0", "t 0")] * 2
    assert [record.id for record in both] == list(range(10))
    with qorpus.Writer(tmp_path / "b.db") as writer:
        writer.append(["h"])
    assert len(both) == 11 and both[-1].circuit == ("h 0",)
    assert qorpus.open([tmp_path / "b.db", tmp_path / "a.db"])[0].circuit == ("t 0", "t 0")


def test_missing_files(tmp_path, shared):
    """No file, an empty directory and an empty list are told apart, and a missing file is a
    FileNotFoundError."""
    for path in [tmp_path / "no.db", tmp_path / "no" / "no.db", [shared.paths[0], tmp_path / "no.db"]]:
        with pytest.raises(FileNotFoundError, match=r"no.*does not exist") as refusal:
            qorpus.open(path)
        assert refusal.type is qorpus.MissingFile and isinstance(refusal.value, qorpus.Error)
    with pytest.raises(qorpus.Error, match="holds no corpora"):
        qorpus.open(tmp_path)
    with pytest.raises(qorpus.Error, match="at least one corpus"):
        qorpus.open([])
    with pytest.raises(TypeError):
        qorpus.open(7)


def test_files_of_different_recipes(tmp_path, shared):
    """Files that do not belong together are refused with both recipes named."""
    other = made(tmp_path / "other.db", gates="h,t", qubits=1, random=100)
    with pytest.raises(qorpus.Error, match="(?s)other.db holds another corpus.*h, t on 1.*rz.*on 2"):
        qorpus.open([*shared.paths, *other.paths])


def test_files_that_are_not_corpora(tmp_path):
    """Texts, empty files and other programs' databases are refused by name."""
    (tmp_path / "text.db").write_text("hello " * 1000)
    (tmp_path / "empty.db").write_bytes(b"")
    connection = sqlite3.connect(tmp_path / "foreign.db")
    connection.execute("create table t(x)")
    connection.close()
    for name in ["text", "empty", "foreign"]:
        with pytest.raises(qorpus.Error, match=f"{name}.db is not a Qorpus corpus"):
            qorpus.open(tmp_path / f"{name}.db")


@pytest.mark.parametrize("stored", [True, False])
def test_damage(tmp_path, stored):
    """A damaged chunk is an error that names it, in every way of reading, and the other chunks stay
    readable."""
    original = made(tmp_path / "c.db", **{**RECIPE, "random": 20_000}, unitaries=stored)
    connection = format_v1.connect(tmp_path / "c.db")
    chunks = format_v1.chunks_of(connection)
    connection.close()
    victim = chunks[1]
    blob = victim.unitaries if stored else victim.circuits
    content = (tmp_path / "c.db").read_bytes()
    assert len(chunks) > 1 and content.count(blob) == 1
    at = content.index(blob)
    expected = original.recipe.unitaries(slice(None))
    damaged = bytearray(content)
    damaged[at : at + len(blob)] = bytes(byte ^ 0x11 for byte in blob)
    (tmp_path / "d.db").write_bytes(damaged)
    corpus, id = qorpus.open(tmp_path / "d.db"), victim.first_id + 3
    reads = [lambda: corpus[id], lambda: corpus.unitaries([0, id]), lambda: corpus.unitaries(slice(None)),
             lambda: list(corpus), lambda: corpus.sql("select unitary from records")]  # fmt: skip
    for read in reads:
        with pytest.raises(qorpus.Error, match=r"d\.db: chunk 1 \(records \d+ to \d+\) is damaged"):
            read()
    for chunk in [chunks[0], *chunks[2:]]:
        ids = slice(chunk.first_id, chunk.first_id + chunk.count)
        assert corpus.unitaries(ids).tobytes() == expected[ids].tobytes()
