"""A Ray cluster of several nodes on this machine: shards made while a node dies and tasks run twice, and read as a dataset."""

import json

import numpy as np
import pytest
import qorpus
import ray
from command import PATIENCE, content_hash, generate
from command import qorpus as run
from nodes import several_nodes

# Ray warns of what it does itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RECIPE = "--gates h,s,t --qubits 1 --random 100000 --length 200..300 --no-unitaries".split()


@pytest.fixture(scope="module")
def cluster():
    with several_nodes() as cluster:
        yield cluster


def test_a_node_dies_and_tasks_run_twice(cluster, tmp_path):
    whole = tmp_path / "whole.db"
    generate(whole, *RECIPE)
    recipe, path, killed = qorpus.open(whole).recipe, tmp_path / "big", []
    again = ray.remote(num_cpus=0.5)(qorpus.ray.make_shard)
    twice = []

    def progress(records, expected):
        # In the middle, and not by a farewell: the node's processes are killed.
        if records > expected / 4 and not killed:
            killed.append(cluster.nodes.pop())
            cluster.remove_node(killed[0], allow_graceful=False)
        if records > expected / 2 and not twice:
            of = qorpus.seal(path)["of"]
            # One that is there, and one that may be under way, or is to come.
            twice.extend(again.remote(str(path), recipe.json, number, of, 1, None, None) for number in (0, of - 1))

    # Forty shards of some hundred thousand letters each.
    corpus = qorpus.ray.generate(recipe, path, shard=2_500, progress=progress)
    receipts = [json.loads(receipt) for receipt in ray.get(twice, timeout=PATIENCE)]
    assert killed and [receipt["end_id"] for receipt in receipts][-1] == 100_000
    assert corpus.complete and corpus.content_hash == content_hash(whole)
    assert "clean" in run("verify", path, "--sample", "0.1", "--quiet").stdout
    assert len(list(path.glob("*.db"))) == qorpus.seal(path)["of"] and not list(path.glob(".*.db"))
    cluster.nodes.append(cluster.add_node(num_cpus=1, object_store_memory=80 << 20))


def test_it_goes_on_where_it_was(cluster, tmp_path):
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


def test_an_error_of_a_task_is_that_of_the_library(cluster, tmp_path):
    recipe = qorpus.Recipe("h,s,t", 1, random=10_000, length=(200, 300), unitaries=False)
    with pytest.raises(qorpus.Error, match="does not exist; create it first"):
        qorpus.ray.generate(recipe, tmp_path / "big", stage=tmp_path / "nowhere", progress=False)


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
