"""Shards as tasks of a Ray cluster, into an S3-compatible store: a node dies, tasks run twice, and a dataset is read back."""

import json

import numpy as np
import pytest
import qorpus
import ray
from command import PATIENCE, content_hash, generate
from command import qorpus as run
from nodes import several_nodes
from object_store import BUCKET, described, running

# Ray warns of what it does itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RECIPE = "--gates h,s,t --qubits 1 --random 60000 --length 200..300 --no-unitaries".split()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store, described to this process and to the nodes that come after it, with a cache that holds a few shards."""
    with running() as store:
        cache = {"QORPUS_CACHE": str(tmp_path_factory.mktemp("cache")), "QORPUS_CACHE_SIZE": "2M"}
        with described({**store.environment, **cache}):
            yield store


@pytest.fixture(scope="module")
def cluster(store):
    with several_nodes() as cluster:
        yield cluster


def test_a_node_dies_and_tasks_run_twice(cluster, store, tmp_path):
    whole = tmp_path / "whole.db"
    generate(whole, *RECIPE)
    recipe, path, killed, twice = qorpus.open(whole).recipe, f"s3://{BUCKET}/big", [], []
    again = ray.remote(num_cpus=0.5)(qorpus.ray.make_shard)

    def progress(records, expected):
        # In the middle, and not by a farewell: the node's processes are killed.
        if records > expected / 4 and not killed:
            killed.append(cluster.nodes.pop())
            cluster.remove_node(killed[0], allow_graceful=False)
        if records > expected / 2 and not twice:
            of = qorpus.seal(path)["of"]
            # One that is there, and one that may be under way, or is to come.
            twice.extend(again.remote(path, recipe.json, number, of, 1, None, None) for number in (0, of - 1))

    corpus = qorpus.ray.generate(recipe, path, shard=2_500, progress=progress)
    receipts = [json.loads(receipt) for receipt in ray.get(twice, timeout=PATIENCE)]
    assert killed and [receipt["end_id"] for receipt in receipts][-1] == 60_000
    assert corpus.complete and corpus.paths == [path] and corpus.content_hash == content_hash(whole)
    assert "clean" in run("verify", path, "--sample", "0.1", "--quiet").stdout
    shards = [name for name in store.objects("big/") if name.endswith(".db")]
    assert len(shards) == qorpus.seal(path)["of"]
    # Read back through the cache, which holds some of them.
    assert sum(size for name, size in store.objects("big/").items() if name.endswith(".db")) > 2_000_000
    ids = np.random.default_rng(7).integers(0, 60_000, 10_000)
    assert corpus.circuits(ids) == recipe.circuits(ids)
    seen = 0
    for batch in qorpus.ray.read(corpus).iter_batches(batch_size=5_000):
        letters, unitaries = recipe.pairs(batch["id"])
        assert np.array_equal(batch["circuit"][:, : letters.shape[1]], letters)
        assert np.array_equal(np.ascontiguousarray(batch["unitary"]).view(np.complex128)[..., 0], unitaries)
        seen += len(batch["id"])
    assert seen == 60_000
