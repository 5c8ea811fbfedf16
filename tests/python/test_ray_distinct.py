"""Distinct unitaries enumerated on a Ray cluster of several nodes on this machine: row by row the corpus of one machine, also when a node
dies."""

import contextlib
import sqlite3
import threading

import pytest
import qorpus
import ray
from command import qorpus as run
from nodes import STORE, several_nodes

# Ray warns of what it does itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TWO = {"gates": "h,t,tdg,cx", "qubits": 2}


@pytest.fixture(scope="module")
def cluster():
    with several_nodes() as cluster:
        yield cluster


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
def test_a_node_dies(cluster, tmp_path, when):
    whole = qorpus.distinct(tmp_path / "whole.db", **TWO, max_length=8, progress=False)
    first, killed = whole.levels[8].ids.start, []

    def kill():
        # Not by a farewell: the node's processes are killed, and what is in its object store is lost.
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
        # From the first letter on; letters that nothing takes back, so that any level may come out again.
        {"gates": "h,t", "qubits": 1, "max_length": 4, "alone": 0},
        {"gates": "h,s,t", "qubits": 1, "cost": {"t": 1}, "max_cost": 3, "alone": 140},
        {"gates": "sx,rz(0.3),cz", "qubits": 2, "max_length": 5, "up_to": "nothing", "alone": 500},
    ],
    ids=["any level again", "costs", "floating point"],
)
def test_other_gates(cluster, tmp_path, options):
    corpus = qorpus.ray.distinct(tmp_path / "c.db", **options, progress=False)
    del options["alone"]
    is_the_same(corpus, qorpus.distinct(tmp_path / "whole.db", **options, progress=False))


def test_it_goes_on_where_it_was(cluster, tmp_path):
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


def test_an_error_of_a_task_is_that_of_the_library(cluster, tmp_path):
    with pytest.raises(qorpus.Error, match=r"'rz\(0.50000000002\).* neither equal nor clearly different"):
        qorpus.ray.distinct(tmp_path / "c.db", gates="rz(0.5),rz(0.50000000002)", qubits=1, max_length=2, alone=0, progress=False)
    # The file is gone for those that read it: tasks, not the driver.
    path = tmp_path / "gone.db"

    def lose(length, records):
        if length == 3:
            path.rename(tmp_path / "moved.db")

    with pytest.raises(qorpus.Error, match="gone.db"):
        qorpus.ray.distinct(path, **TWO, max_length=3, alone=100, progress=lose)


def test_refusals(cluster, tmp_path):
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
