"""A Ray cluster of several nodes on this machine: shards made while a node dies and tasks run
twice, in a directory and in an S3-compatible store, and read as a dataset; distinct unitaries, row
by row those of one machine, also when a node dies."""

import contextlib
import json
import sqlite3
import threading

import numpy as np
import pytest
import qorpus
import ray
from command import PATIENCE, content_hash, described, generate
from command import qorpus as run
from docstrings import EXAMPLES, run_examples
from nodes import STORE, several_nodes
from object_store import BUCKET, running

# Ray warns of what it does itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TWO = {"gates": "h,t,tdg,cx", "qubits": 2}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store, described to this process and to the nodes that come after it, with a cache that
    holds a few shards."""
    with running() as store:
        cache = {"QORPUS_CACHE": str(tmp_path_factory.mktemp("cache")), "QORPUS_CACHE_SIZE": "2M"}
        with described({**store.environment, **cache}):
            yield store


@pytest.fixture(scope="module")
def cluster(store):
    with several_nodes() as cluster:
        yield cluster


def made_while_a_node_dies(cluster, recipe, path):
    """The corpus, of shards of which two are made twice while one of three nodes is killed."""
    again = ray.remote(num_cpus=0.5)(qorpus.ray.make_shard)
    killed, twice = [], []

    def progress(records, expected):
        # In the middle, and not by a farewell: the node's processes are killed.
        if records > expected / 4 and not killed:
            killed.append(cluster.nodes.pop())
            cluster.remove_node(killed[0], allow_graceful=False)
        if records > expected / 2 and not twice:
            of = qorpus.seal(path)["of"]
            # One that is there, and one that may be under way, or is to come.
            twice.extend(again.remote(str(path), recipe.json, number, of, 1, None, None) for number in (0, of - 1))

    # Some hundred thousand letters each.
    corpus = qorpus.ray.generate(recipe, path, shard=2_500, progress=progress)
    receipts = [json.loads(receipt) for receipt in ray.get(twice, timeout=PATIENCE)]
    assert killed and [receipt["end_id"] for receipt in receipts][-1] == len(recipe)
    cluster.nodes.append(cluster.add_node(num_cpus=1, object_store_memory=STORE))
    return corpus


@pytest.mark.parametrize(("where", "records"), [("a directory", 60_000), ("a bucket", 40_000)])
def test_shards_while_a_node_dies_and_tasks_run_twice(cluster, store, tmp_path, where, records):
    whole = tmp_path / "whole.db"
    generate(whole, *f"--gates h,s,t --qubits 1 --random {records} --length 200..300 --no-unitaries".split())
    recipe = qorpus.open(whole).recipe
    path = tmp_path / "big" if where == "a directory" else f"s3://{BUCKET}/big"
    corpus = made_while_a_node_dies(cluster, recipe, path)
    assert corpus.complete and [*map(str, corpus.paths)] == [str(path)] and corpus.content_hash == content_hash(whole)
    assert "clean" in run("verify", path, "--sample", "0.1", "--quiet").stdout
    if where == "a directory":
        assert not list(path.glob(".*.db"))
        sizes = {file.name: file.stat().st_size for file in path.glob("*.db")}
    else:
        sizes = {name: size for name, size in store.objects("big/").items() if name.endswith(".db")}
    # More than the cache of a bucket holds.
    assert len(sizes) == qorpus.seal(path)["of"] and sum(sizes.values()) > 2_000_000
    ids = np.random.default_rng(7).integers(0, records, 10_000)
    assert corpus.circuits(ids) == recipe.circuits(ids)
    seen = 0
    for batch in qorpus.ray.read(corpus).iter_batches(batch_size=5_000):
        letters, unitaries = recipe.pairs(batch["id"])
        assert np.array_equal(batch["circuit"][:, : letters.shape[1]], letters)
        assert np.array_equal(np.ascontiguousarray(batch["unitary"]).view(np.complex128)[..., 0], unitaries)
        seen += len(batch["id"])
    assert seen == records


def test_shards_go_on_where_they_were(cluster, tmp_path):
    recipe = qorpus.Recipe("h,s,t", 1, random=50_000, length=(200, 300), unitaries=False)
    path, told = tmp_path / "big", []

    class Enough(Exception):
        pass

    def stop(records, expected):
        if records:
            raise Enough

    with pytest.raises(Enough):
        qorpus.ray.generate(recipe, path, shard=2_500, stage=tmp_path, progress=stop)
    begun = qorpus.seal(path)["records"]
    assert begun > 0
    corpus = qorpus.ray.generate(recipe, path, stage=tmp_path, progress=lambda records, expected: told.append(records))
    assert told[0] >= begun and told[-1] == 50_000 and corpus.complete
    for id in (0, 31_415, 49_999):
        assert corpus[id] == recipe[id]
    other = qorpus.Recipe("h,s,t", 1, random=50_000, length=(200, 300), unitaries=False, seed=1)
    with pytest.raises(qorpus.Error, match="holds another corpus"):
        qorpus.ray.generate(other, path, progress=False)


def test_shards_grow(cluster, tmp_path):
    """Stopped in between: a task lets the corpus grow, and the next call makes the rest."""
    path, options = tmp_path / "big", {"length": (200, 300), "unitaries": False}
    recipes = [qorpus.Recipe("h,s,t", 1, random=random, **options) for random in (20_001, 50_000)]
    before = qorpus.ray.generate(recipes[0], path, shard=2_500, progress=False)

    class Enough(Exception):
        pass

    def stop(records, expected):
        assert expected == 50_000
        if records > 22_000:
            raise Enough

    with pytest.raises(Enough):
        qorpus.ray.generate(recipes[1], path, progress=stop)
    corpus = qorpus.ray.generate(recipes[1], path, progress=False)
    whole = qorpus.generate(tmp_path / "whole.db", recipe=recipes[1], progress=False)
    assert corpus.complete and corpus.content_hash == whole.content_hash
    assert len(before) == 20_001 and before[20_000] == recipes[0][20_000] == corpus[20_000]
    assert "clean" in run("verify", path, "--quiet").stdout
    with pytest.raises(qorpus.Error, match="already holds more"):
        qorpus.ray.generate(recipes[0], path, progress=False)


def test_an_error_of_a_shard_is_that_of_the_library(cluster, tmp_path):
    recipe = qorpus.Recipe("h,s,t", 1, random=10_000, length=(200, 300), unitaries=False)
    with pytest.raises(qorpus.Error, match="does not exist; create it first"):
        qorpus.ray.generate(recipe, tmp_path / "big", stage=tmp_path / "nowhere", progress=False)


def test_a_seal_that_fails_hides_no_error(cluster, tmp_path):
    recipe = qorpus.Recipe("h,s,t", 1, random=10_000, length=(200, 300), unitaries=False)

    class Enough(Exception):
        pass

    def stop(records, expected):
        if records:
            # A missing one would be written again by a task under way.
            (tmp_path / "big" / "manifest.json").write_text("damaged")
            raise Enough

    with pytest.warns(qorpus.errors.QorpusWarning, match="were not sealed"), pytest.raises(Enough):
        qorpus.ray.generate(recipe, tmp_path / "big", shard=2_500, progress=stop)


def test_a_corpus_is_a_dataset(cluster, tmp_path):
    recipe = qorpus.Recipe("clifford+t", 2, random=20_000, dtype="complex64")
    corpus = qorpus.ray.generate(recipe, tmp_path / "big", shard=4_000, progress=False)
    for source in (corpus, recipe):
        dataset = qorpus.ray.read(source)
        assert dataset.count() == 20_000
        seen = 0
        for batch in dataset.iter_batches(batch_size=1_000):
            ids = batch["id"]
            letters, unitaries = corpus.pairs(ids)
            assert np.array_equal(np.ascontiguousarray(batch["unitary"]).view(np.complex64)[..., 0], unitaries)
            assert np.array_equal(batch["circuit"][:, : letters.shape[1]], letters)
            assert np.array_equal(batch["length"], (letters >= 0).sum(axis=1))
            seen += len(ids)
        assert seen == 20_000
    longest = qorpus.ray.read(corpus).max("length")
    assert longest == 15


@pytest.mark.parametrize("unitaries", [True, False])
def test_haar_random_unitaries(cluster, tmp_path, unitaries):
    recipe = qorpus.Recipe(haar=20_000, qubits=2, unitaries=unitaries)
    corpus = qorpus.ray.generate(recipe, tmp_path / "big", shard=4_000, progress=False)
    assert corpus.content_hash == qorpus.generate(tmp_path / "whole.db", recipe, progress=False).content_hash
    for source in (corpus, recipe):
        for batch in qorpus.ray.read(source).iter_batches(batch_size=5_000):
            assert set(batch) == {"id", "unitary"}
            found = np.ascontiguousarray(batch["unitary"]).view(np.complex128)[..., 0]
            assert np.array_equal(found, recipe.unitaries(batch["id"]))


def tables(path):
    """All rows that an enumeration writes."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = ("chunks", "keys", "levels", "labels", "totals")
        return {name: sorted(connection.execute(f"select * from {name}")) for name in names}


def is_the_same(corpus, expected):
    assert corpus.complete and corpus.content_hash == expected.content_hash and corpus.levels == expected.levels
    # Circuits, labels and the index, in the same chunks and blocks.
    assert tables(corpus.paths[0]) == tables(expected.paths[0])


@pytest.mark.parametrize("when", ["while tasks work", "while survivors come"])
def test_distinct_while_a_node_dies(cluster, tmp_path, when):
    whole = qorpus.distinct(tmp_path / "whole.db", **TWO, max_length=8, progress=False)
    first, killed = whole.levels[8].ids.start, []

    def kill():
        # Not by a farewell: the node's processes are killed, and what is in its object store is
        # lost.
        cluster.remove_node(cluster.nodes.pop(), allow_graceful=False)

    def progress(length, records):
        if length == 8 and not killed:
            if when == "while tasks work":
                killed.append(threading.Timer(2, kill))
                killed[0].start()
            elif records > first:
                killed.append(threading.Thread(target=kill))
                killed[0].start()
                killed[0].join()

    corpus = qorpus.ray.distinct(tmp_path / "c.db", **TWO, max_length=8, alone="50K", memory="16MiB", progress=progress)
    killed[0].join()
    assert len(cluster.nodes) == 2
    cluster.nodes.append(cluster.add_node(num_cpus=1, object_store_memory=STORE))
    is_the_same(corpus, whole)
    assert "clean" in run("verify", tmp_path / "c.db", "--quiet").stdout
    record = corpus[corpus.levels[8].ids[1234]]
    assert corpus.find(record.unitary) == whole.find(record.unitary) == (record.circuit, record.id, None)


@pytest.mark.parametrize(
    "options",
    [
        # From the first letter on; letters that nothing takes back, so that any level may come out
        # again.
        {"gates": "h,t", "qubits": 1, "max_length": 4, "alone": 0},
        {"gates": "h,s,t", "qubits": 1, "cost": {"t": 1}, "max_cost": 3, "alone": 140},
        {"gates": "sx,rz(0.3),cz", "qubits": 2, "max_length": 5, "up_to": "nothing", "alone": 500},
    ],
    ids=["any level again", "costs", "floating point"],
)
def test_distinct_over_other_gates(cluster, tmp_path, options):
    corpus = qorpus.ray.distinct(tmp_path / "c.db", **options, progress=False)
    del options["alone"]
    is_the_same(corpus, qorpus.distinct(tmp_path / "whole.db", **options, progress=False))


def test_distinct_resumes(cluster, tmp_path):
    whole = qorpus.distinct(tmp_path / "whole.db", **TWO, max_length=7, progress=False)
    path = tmp_path / "c.db"

    class Enough(Exception):
        pass

    def stop(length, records):
        if records > whole.levels[length].ids.start and length == 7:
            raise Enough

    with pytest.raises(Enough):
        qorpus.ray.distinct(path, **TWO, max_length=7, alone="10K", progress=stop)
    assert qorpus.open(path).levels == whole.levels[:7]
    is_the_same(qorpus.distinct(path, **TWO, max_length=7, progress=False), whole)


def test_an_error_of_distinct_is_that_of_the_library(cluster, tmp_path):
    with pytest.raises(qorpus.Error, match=r"'rz\(0.50000000002\).* neither equal nor clearly different"):
        qorpus.ray.distinct(tmp_path / "c.db", gates="rz(0.5),rz(0.50000000002)", qubits=1, max_length=2, alone=0, progress=False)
    # The file is gone for those that read it: tasks, not the driver.
    path = tmp_path / "gone.db"

    def lose(length, records):
        if length == 3:
            path.rename(tmp_path / "moved.db")

    with pytest.raises(qorpus.Error, match="gone.db"):
        qorpus.ray.distinct(path, **TWO, max_length=3, alone=100, progress=lose)


def test_distinct_refuses_invalid_options(cluster, tmp_path):
    path = tmp_path / "no.db"
    for options in [
        {},
        {"max_length": 3, "cost": "t=1", "max_cost": 1},
        {"max_length": 3, "up_to": "sign"},
        {"max_length": 3, "gates": "no"},
        {"max_length": 3, "memory": "1MiB"},
        {"max_length": 3, "alone": -1},
        {"max_length": 3, "jobs": 0},
        {"max_length": 3, "durability": "most"},
    ]:
        with pytest.raises(ValueError, match=r"."):
            qorpus.ray.distinct(path, **options)
    assert not list(tmp_path.iterdir())
    generated = qorpus.generate(tmp_path / "g.db", gates="h,t", qubits=1, random=10, progress=False)
    with pytest.raises(qorpus.Error, match="holds another corpus"):
        qorpus.ray.distinct(generated.paths[0], gates="h,t", qubits=1, max_length=3, progress=False)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith("qorpus.ray.")])
def test_docstring(cluster, tmp_path, monkeypatch, name):
    """The examples of docstrings, on this cluster."""
    monkeypatch.chdir(tmp_path)
    run_examples(name)
