"""Threads, forks, processes and writers do not disturb the reader of a corpus."""

import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import qorpus
from command import PATIENCE, finish, start
from corpus_records import RECIPE, made
from corpus_records import directory, shared  # noqa: F401


def test_pickling(shared):
    """A pickled corpus, recipe or split opens the same records with the same order, also in another
    process."""
    little = qorpus.open(shared.paths, order="little")
    split = shared.split(train=0.8, test=0.2)["test"]
    for records in [shared, little, shared.recipe, little.recipe, split]:
        copy = pickle.loads(pickle.dumps(records))
        assert type(copy) is type(records) and len(copy) == len(records) and copy.order == records.order
        assert copy[7] == records[7] and copy.unitaries([1, 0]).tobytes() == records.unitaries([1, 0]).tobytes()
    code = "import pickle, sys; c = pickle.load(sys.stdin.buffer); print(c.content_hash, c[7] == c.recipe[7])"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(shared), capture_output=True, cwd="/")
    assert done.stdout.decode().split() == [shared.content_hash, "True"], done.stderr


def test_a_relative_path_survives_a_change_of_directory(tmp_path, monkeypatch):
    """The paths of a corpus are absolute, so that a copy elsewhere finds the files."""
    monkeypatch.chdir(tmp_path)
    corpus = made("c.db", random=100)
    monkeypatch.chdir("/")
    assert corpus.paths == [str(tmp_path / "c.db")] and pickle.loads(pickle.dumps(corpus))[7] == corpus[7]


def test_eight_threads(shared):
    """Threads that read random ids of one object at the same time each get the right records."""
    expected, failures = shared.recipe.unitaries(slice(None)), []

    def read(seed: int) -> None:
        chance = np.random.default_rng(seed)
        try:
            for round in range(30):
                ids = chance.integers(0, 6000, 1500 if round % 10 == 0 else 20)
                assert shared.unitaries(ids).tobytes() == expected[ids].tobytes()
                id = int(ids[0])
                assert shared[id].unitary.tobytes() == expected[id].tobytes()
                assert shared.sql("select id from records where id between ? and ?", [id, id]) == [(id,)]
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    [thread.start() for thread in threads]
    [thread.join(PATIENCE) for thread in threads]
    assert not any(thread.is_alive() for thread in threads) and failures == []


def test_reading_lets_other_threads_run(shared):
    """During a long read another Python thread gets on: it needs the interpreter, which the read
    gives up."""
    recipe, steps, stop = shared.recipe, [0], threading.Event()

    def step() -> None:
        while not stop.is_set():
            steps[0] += 1
            time.sleep(0.0005)

    ids = np.tile(np.arange(6000), 50)
    thread, interval = threading.Thread(target=step), sys.getswitchinterval()
    thread.start()
    try:
        # From now on a thread runs only where another one gives the interpreter up of its own
        # accord.
        sys.setswitchinterval(1000)
        for read in [recipe.unitaries, shared.unitaries, shared.circuits]:
            before = steps[0]
            read(ids)
            assert steps[0] > before, read
        # A query may be over before the other thread has woken up on a busy machine.
        before, until = steps[0], time.monotonic() + PATIENCE
        while steps[0] == before:
            assert time.monotonic() < until
            shared.sql("select count(*) from records where count_h > 3")
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        thread.join()


def test_forks_while_threads_read(shared):
    """Children that are forked while threads read and query read right, and so does their parent
    afterwards."""
    expected, stop, failures = shared.recipe.unitaries(slice(None)), threading.Event(), []

    def read(seed: int) -> None:
        chance = np.random.default_rng(seed)
        try:
            while not stop.is_set():
                ids = chance.integers(0, 6000, 1500 if seed == 0 else 10)
                assert shared.unitaries(ids).tobytes() == expected[ids].tobytes()
                if seed == 1:
                    assert len(shared.sql("select id from records where length = 5 limit 50")) == 50
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    [thread.start() for thread in threads]
    try:
        for child in range(30):
            pid = os.fork()
            if pid == 0:
                # An alarm ends a child that hangs; nothing of the test framework may run in it.
                signal.alarm(60)
                ids = np.random.default_rng(child).integers(0, 6000, 1500)
                right = shared.unitaries(ids).tobytes() == expected[ids].tobytes()
                right = right and len(shared.sql("select id from records limit 9")) == 9
                os._exit(0 if right else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, f"child {child}"
    finally:
        stop.set()
        [thread.join(PATIENCE) for thread in threads]
    assert failures == []


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(shared, method):
    """A corpus that was read here is read alike by the processes of every start method."""
    ids = [5999, 0, 7, 3000]
    expected = [shared.unitaries([id])[0] for id in ids]
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.map(shared.__getitem__, ids)
        assert pool.map(shared.recipe.unitaries, [[7], [0]])[0].tobytes() == expected[2].tobytes()
    assert [record.unitary.tobytes() for record in found] == [unitary.tobytes() for unitary in expected]
    assert shared[7] == found[2]


def test_reading_while_three_processes_write(tmp_path):
    """A reader in a loop sees every record either right or not made yet, never again not once it
    was there."""
    path = tmp_path / "c.db"
    options = "--qubits 4 --length 600..800 --dtype complex64 --random 6000".split()
    recipe = qorpus.Recipe(qubits=4, length="600..800", dtype="complex64", random=6000)
    with pytest.warns(qorpus.QorpusWarning, match="part 0/1000000 has nothing to generate"):
        qorpus.generate(path, recipe, part=(0, 10**6), progress=False)
    corpus, chance, seen, missed = qorpus.open(path), random.Random(1), set(), 0
    with pytest.raises(qorpus.MissingRecord, match="record 17 is not generated yet"):
        corpus[17]
    assert corpus.info["records"] == 0 and not corpus.complete and recipe[17] not in corpus
    writers = [start("generate", path, *options, "--jobs", 1, "--quiet") for _ in range(3)]
    while any(writer.poll() is None for writer in writers):
        id = chance.randrange(6000)
        try:
            record = corpus[id]
        except qorpus.MissingRecord as missing:
            assert "not generated yet" in str(missing) and id not in seen
            missed += 1
            continue
        seen.add(id)
        if len(seen) % 10 == 0:
            assert record == recipe[id]
    assert [finish(writer).stderr for writer in writers] == [""] * 3
    assert missed and corpus.complete and corpus[17] == recipe[17] and recipe[17] in corpus
    ids = [*seen][:200]
    assert corpus.unitaries(ids).tobytes() == recipe.unitaries(ids).tobytes()


def test_iterating_stops_where_nothing_is_made(tmp_path):
    """Iterating over an unfinished corpus ends in an error that says what is missing, not as if it
    were all."""
    corpus = qorpus.generate(tmp_path / "c.db", **{**RECIPE, "random": 20_000}, part=(0, 2), progress=False)
    seen = 0
    with pytest.raises(qorpus.MissingRecord, match="is not generated yet"):
        for record in corpus:
            seen += record.id == seen
    assert 0 < seen <= corpus.info["records"] < 20_000


@pytest.mark.parametrize("read_before", [True, False])
@pytest.mark.parametrize("another", [{"seed": 6}, {"gates": "h,t", "qubits": 1}], ids=["seed", "gates"])
def test_a_file_that_is_replaced(tmp_path, read_before, another):
    """Records of another recipe under the same name are never taken for those that were opened."""
    path = tmp_path / "c.db"
    corpus, expected = made(path, **RECIPE), qorpus.Recipe(**RECIPE)
    if read_before:
        assert corpus[7] == expected[7]
    path.unlink()
    made(path, **{**RECIPE, **another})
    # The file is checked now and then; until then the open one is read.
    deadline = time.monotonic() + PATIENCE
    with pytest.raises(qorpus.Error, match=r"(?s)c\.db holds another corpus.*seed"):
        while time.monotonic() < deadline:
            assert corpus.unitaries([7, 5999]).tobytes() == expected.unitaries([7, 5999]).tobytes()
            assert corpus[7] == expected[7]
    path.unlink()
    made(path, **RECIPE)
    assert corpus[7] == expected[7], "the same records are back"


def test_a_file_that_grows_under_the_reader(tmp_path):
    """The length of appended records follows other writers, and iterating yields later records,
    too."""
    path = tmp_path / "c.db"
    with qorpus.Writer(path, gates="h,t", qubits=1) as writer:
        writer.append(["h"])
        writer.flush()
        corpus = qorpus.open(path)
        assert len(corpus) == 1 and corpus[-1].circuit == ("h 0",)
        records = iter(corpus)
        assert next(records).id == 0
        with pytest.raises(qorpus.MissingRecord):
            corpus[1]
        writer.extend([["t"], ["t", "h"]], reward=[1.0, 2.0])
        writer.flush()
        assert len(corpus) == 3 and corpus[-1].circuit == ("t 0", "h 0") and corpus[2].labels["reward"] == 2.0
        assert [record.id for record in records] == [1, 2]
