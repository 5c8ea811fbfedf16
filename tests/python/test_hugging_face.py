"""Datasets for Hugging Face, read by its own library without a network."""

import os
import re
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import qorpus

with pytest.MonkeyPatch.context() as patch:
    # The library reads these when it is imported.
    patch.setenv("HF_HUB_OFFLINE", "1")
    patch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

ALL = dict(gates="clifford+t,rz(pi/3)", qubits=2, random=1000, length=(0, 9))


@pytest.fixture
def load(tmp_path):
    """Read a directory, and keep the library's copy among the test's files."""
    datasets.disable_progress_bars()
    return lambda path: datasets.load_dataset(str(path), cache_dir=str(tmp_path / "cache"))


def unitaries_of(split):
    precision = np.dtype(split.features["unitary"].dtype).type
    parts = split.with_format("numpy", dtype=precision)[:]["unitary"]
    return parts[..., 0] + 1j * parts[..., 1]


def check(split, records, ids):
    """Every row is the record."""
    assert split["id"][:] == list(ids)
    assert (unitaries_of(split) == records.unitaries(list(range(len(ids))))).all()
    feature = split.features["letters"].feature
    assert tuple(feature.names) == records.letters
    for row, circuit, labels in zip(split, records.circuits(range(len(ids))), records.labels(range(len(ids)))):
        assert row["circuit"] == "; ".join(circuit)
        assert tuple(feature.int2str(row["letters"])) == circuit if circuit else row["letters"] == []
        counted = {name: row[name] for name in labels}
        assert counted == labels


@pytest.mark.parametrize("options", [{}, {"dtype": "complex64"}, {"order": "little"}, {"gates": "h,t", "qubits": 1}, {"qubits": 3}])
def test_a_recipe(tmp_path, load, options):
    recipe = qorpus.Recipe(**ALL | options)
    recipe.to_hf(tmp_path / "out", shard=300)
    names = sorted(file.name for file in (tmp_path / "out/data").iterdir())
    assert names == [f"train-0000{file}-of-00004.parquet" for file in range(4)]
    loaded = load(tmp_path / "out")
    assert list(loaded) == ["train"]
    check(loaded["train"], recipe, range(1000))
    assert loaded["train"].features["unitary"].shape == (2**recipe.qubits, 2**recipe.qubits, 2)


def test_records_without_circuits(tmp_path, load):
    recipe = qorpus.Recipe(haar=500, qubits=2)
    recipe.to_hf(tmp_path / "out", recipe.split(train=0.8, test=0.2), shard=300)
    loaded = load(tmp_path / "out")
    train, test = loaded["train"], loaded["test"]
    assert train.column_names == ["id", "circuit", "length", "unitary"] and len(train) + len(test) == 500
    for split in (train, test):
        assert set(split["circuit"][:]) == set(split["length"][:]) == {None}
        assert (unitaries_of(split) == recipe.unitaries(split["id"][:])).all()
    card = (tmp_path / "out/README.md").read_text()
    assert "# Haar-random unitaries on 2 qubits" in card and "letters" not in card


@pytest.mark.parametrize("by", ["id", "unitary"])
def test_splits(tmp_path, load, by):
    corpus = qorpus.generate(tmp_path / "c.db", **ALL, progress=False)
    splits = corpus.split(by=by, train=0.8, test=0.2, progress=False)
    corpus.to_hf(tmp_path / "out", splits)
    loaded = load(tmp_path / "out")
    assert set(loaded) == {"train", "test"}
    for name, split in splits.items():
        check(loaded[name], split, split.ids(slice(None)).tolist())


def test_present_records(tmp_path, load):
    corpus = qorpus.generate(tmp_path / "c.db", **ALL, part="1/2", progress=False)
    with pytest.raises(qorpus.MissingRecord, match="present"):
        corpus.to_hf(tmp_path / "out")
    with pytest.raises(qorpus.MissingRecord, match="present"):
        corpus.split(train=0.5)["train"].to_hf(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    present = corpus.present()
    present.to_hf(tmp_path / "out")
    check(load(tmp_path / "out")["train"], present, present.ids(slice(None)).tolist())


def test_appended_labels(tmp_path, load):
    with qorpus.Writer(tmp_path / "c.db", gates=["h", "t"], qubits=1) as writer:
        writer.append("h; t", reward=0.5, by="me")
        writer.append("", reward=3)
        writer.append("t", by="é: 'x'")
    corpus = qorpus.open(tmp_path / "c.db")
    corpus.to_hf(tmp_path / "out")
    train = load(tmp_path / "out")["train"]
    assert train["reward"][:] == [0.5, 3.0, None] and train["by"][:] == ["me", None, "é: 'x'"]
    with qorpus.Writer(tmp_path / "c.db") as writer:
        writer.append("t", reward=2**53 + 1)
    with pytest.raises(qorpus.InvalidArgument, match="record 3.*9007199254740993"):
        qorpus.open(tmp_path / "c.db").to_hf(tmp_path / "more")
    assert sorted(path.name for path in tmp_path.iterdir() if "more" in path.name) == []


def test_labels_of_an_enumeration(tmp_path, load):
    corpus = qorpus.distinct(tmp_path / "d.db", gates="h,t,cx", qubits=2, max_length=3, progress=False)
    corpus.to_hf(tmp_path / "out")
    train = load(tmp_path / "out")["train"]
    check(train, corpus, range(len(corpus)))
    assert train.features["shortest_circuits"].dtype == "int64"


def test_the_card(tmp_path):
    """The card's features are those of the files, and its code computes the records again."""
    recipe = qorpus.Recipe(**ALL, order="little")
    recipe.to_hf(tmp_path / "out", recipe.split(train=0.5, test=0.5))
    text = (tmp_path / "out/README.md").read_text()
    for part in ["pretty_name:", "- quantum", "size_categories:\n- 1K<n<10K", "least significant", recipe.hash, recipe.json]:
        assert part in text, part
    assert "license:" not in text.split("---")[1]
    loading, again = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    program = "import datasets\ndatasets.disable_progress_bars()\n" + loading.replace("PATH", str(tmp_path / "out")) + again
    program += "row = datasets.load_dataset(%r, split='train')[5]\n" % str(tmp_path / "out")
    program += "assert '; '.join(recipe[row['id']].circuit) == row['circuit'] and unitaries.shape == (64, 4, 4)\n"
    program += "assert (recipe.unitaries([row['id']])[0] == unitaries[5]).all()\n"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr


def test_refusals(tmp_path):
    recipe = qorpus.Recipe(**ALL)
    other = qorpus.Recipe(**ALL, seed=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/precious").write_text("x")
    (tmp_path / "file").write_text("x")
    out = tmp_path / "out"
    cases = [
        (tmp_path / "full", {}, qorpus.Error, "already contains files"),
        (tmp_path / "file", {}, qorpus.Error, "not a directory"),
        (tmp_path / "nowhere/out", {}, qorpus.MissingFile, "nowhere does not exist"),
        (3, {}, qorpus.WrongType, "path must be a path, not int"),
        (out, {"splits": [recipe]}, qorpus.WrongType, "splits must be a dict"),
        (out, {"splits": {}}, qorpus.InvalidArgument, "splits is empty"),
        (out, {"splits": {1: recipe}}, qorpus.WrongType, "the name of a split"),
        (out, {"splits": {"a-b": recipe}}, qorpus.InvalidArgument, "letters, digits"),
        (out, {"splits": {"train": 3}}, qorpus.WrongType, "must be a corpus"),
        (out, {"splits": {"train": recipe, "test": other}}, qorpus.InvalidArgument, "another corpus"),
        (out, {"splits": recipe.split(train=1, test=0)}, qorpus.InvalidArgument, "'test' has no records"),
        (out, {"shard": 0}, qorpus.InvalidArgument, "shard is 0"),
        (out, {"shard": 1.5}, qorpus.WrongType, "shard must be an integer"),
        (out, {"progress": 3}, qorpus.WrongType, "progress must be"),
    ]
    for path, options, error, match in cases:
        with pytest.raises(error, match=match):
            recipe.to_hf(path, **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]
    assert (tmp_path / "full/precious").read_text() == "x"


def test_progress_and_failures(tmp_path):
    recipe, seen = qorpus.Recipe(**ALL), []
    (tmp_path / "out").mkdir()
    recipe.to_hf(tmp_path / "out", shard=400, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(333, 1000), (666, 1000), (1000, 1000)]

    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recipe.to_hf(tmp_path / "other", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_killed_process_leaves_no_dataset(tmp_path):
    program = f"""
        import os, signal, qorpus
        recipe = qorpus.Recipe(random=1000)
        recipe.to_hf({str(tmp_path / "out")!r}, shard=100, progress=lambda done, of: done < 500 or os.kill(os.getpid(), {int(signal.SIGKILL)}))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=300)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists() and all(path.name.startswith(".out.") for path in tmp_path.iterdir())


def test_memory_is_bounded(tmp_path, monkeypatch):
    """No more records are read at once than fit in a group."""
    from qorpus import _hugging_face

    monkeypatch.setattr(_hugging_face, "GROUP_BYTES", 1 << 14)
    recipe, sizes = qorpus.Recipe(**ALL), [0]
    recipe.to_hf(tmp_path / "out", progress=lambda done, of: sizes.append(done))
    assert max(np.diff(sizes)) * 2 * 8 * 16 <= 1 << 14 and sizes[-1] == 1000
