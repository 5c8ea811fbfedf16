"""Corpora that grow: killed in between, by several processes, beside readers, and read by the second
implementation of the format.

What comes out has the content hash of a corpus that was made at once.
"""

import random
import signal
import time

import numpy as np
import pytest
import qorpus as package
from command import companions, complaints, finish, generate, info, integrity, qorpus, start
from format_v1 import connect, decode

SHARED = "--qubits 4 --length 100..120 --dtype complex64".split()
SMALL, LARGE = [*SHARED, "--random", "9001"], [*SHARED, "--random", "40000"]


@pytest.fixture(scope="module")
def at_once(tmp_path_factory):
    """What is known of the larger corpus, made by one process at once."""
    path = tmp_path_factory.mktemp("at once") / "c.db"
    generate(path, *LARGE)
    return info(path)


def check_grown(path, at_once):
    facts = info(path)
    assert facts["complete"] and (facts["format_version"], at_once["format_version"]) == (2, 1)
    for key in ("records", "content_hash", "recipe_hash", "recipe"):
        assert facts[key] == at_once[key]
    qorpus("verify", path, "--sample", "0.2", "--quiet")
    assert companions(path) == [] and integrity(path) == "ok"


def test_the_second_implementation_reads_it(tmp_path):
    """Chunks from before and after the growth, the one that was filled, and the seed of the checks."""
    for number, (small, large, words) in enumerate([(700, 1500, []), (65, 300, ["--no-unitaries"])]):
        grown, whole = tmp_path / f"grown {number}.db", tmp_path / f"whole {number}.db"
        flags = ["--gates", "h,t,cx", "--length", "2..9", *words, "--random"]
        generate(grown, *flags, small)
        seed = info(grown)["recipe_hash"][:16]
        generate(grown, *flags, large)
        generate(whole, *flags, large)
        found, expected = decode(grown), decode(whole)
        assert found.circuits == expected.circuits and found.ids == list(range(large))
        assert (found.recipe_hash, found.content_hash) == (expected.recipe_hash, expected.content_hash)
        if not words:
            assert found.unitaries.tobytes() == expected.unitaries.tobytes()
        connection = connect(grown)
        sql = "SELECT value FROM meta WHERE key = 'check_seed'"
        assert connection.execute(sql).fetchone() == (seed,)
        connection.close()


@pytest.mark.parametrize("writers", [1, 3])
def test_kills_in_between(tmp_path, at_once, writers):
    """SIGKILL at random moments, first of jobs of the smaller corpus, then of the larger one: around
    the growth, which is one transaction, and after it."""
    chance = random.Random(writers)
    path, records, grown = tmp_path / "c.db", 0, False
    for step in range(14):
        job = SMALL if step < 4 else LARGE
        processes = [start("generate", path, *job, "--jobs", "1", "--quiet") for _ in range(writers)]
        for process in processes:
            time.sleep(chance.choice([0.02, 0.1, 0.3]) * chance.random())
            process.kill()
        for process in processes:
            result = finish(process, None)
            assert result.returncode in (0, -signal.SIGKILL) and complaints(result) == [], result
        seen = qorpus("info", path, "--json", status=None)
        if seen.returncode == 0:
            facts = info(path)
            assert facts["records"] >= records and (facts["expected"] == 40000 or not grown)
            records, grown = facts["records"], facts["expected"] == 40000
            qorpus("verify", path, "--quiet")
    generate(path, *SMALL, status=1 if grown else 0)
    generate(path, *LARGE)
    check_grown(path, at_once)


def test_a_job_of_the_smaller_corpus_runs_meanwhile(tmp_path, at_once):
    """It ends well or says why it stopped, and the larger job has all records."""
    for pause in (0.0, 0.05, 0.2, 0.4):
        path = tmp_path / f"{pause}.db"
        generate(path, *SMALL, "--part", "0/9")
        smaller = start("generate", path, *SMALL, "--jobs", "1", "--quiet")
        time.sleep(pause)
        larger = [start("generate", path, *LARGE, "--quiet") for _ in range(2)]
        for process in larger:
            assert complaints(finish(process)) == []
        result = finish(smaller, None)
        refused = "was grown by another process" in result.stderr or "already holds more" in result.stderr
        assert (result.returncode, refused) in [(0, False), (1, True)], result
        check_grown(path, at_once)


def test_readers_and_splits_go_on(tmp_path):
    """A corpus that was open keeps its records, in any order and from several processes' caches; one
    that is opened afterwards has all. No record changes its split."""
    path, options = tmp_path / "c.db", {"gates": "h,t,cx", "seed": 5, "progress": False}
    before = package.generate(path, random=2_345, **options)
    ids = np.random.default_rng(1).permutation(2_345)
    expected, test = before.unitaries(ids), before.split(train=0.8, test=0.2)["test"]
    hash_before, members = before.content_hash, test.ids(slice(None))
    after = package.generate(path, random="10k", **options)
    assert len(before) == 2_345 and len(after) == 10_000
    assert before.unitaries(ids).tobytes() == expected.tobytes() == after.unitaries(ids).tobytes()
    with pytest.raises(IndexError):
        before[2_345]
    assert before.content_hash == after.content_hash != hash_before
    assert before.sql("select count(*) from records") == [(2_345,)]
    more = after.split(train=0.8, test=0.2)["test"].ids(slice(None))
    assert members.tolist() == [id for id in more.tolist() if id < 2_345]


def test_what_cannot_grow_says_so(tmp_path):
    path = tmp_path / "c.db"
    generate(path, "--random", 1000)
    before = path.read_bytes()
    said = generate(path, "--random", 999, status=1).stderr
    assert "already holds more" in said and "999 random circuits" in said and "1,000 random circuits" in said
    said = generate(path, "--random", 2000, "--seed", 1, status=1).stderr
    assert "holds another corpus" in said and "seed 0" in said and "seed 1" in said
    with pytest.raises(package.Error, match="grows but does not shrink"):
        package.generate(path, random=10, progress=False)
    assert path.read_bytes() == before


def test_distinct_grows_by_cost(tmp_path):
    flags = ["--gates", "clifford+t", "--qubits", "1", "--cost", "t=1,tdg=1", "--quiet", "--max-cost"]
    for cost in (2, 4):
        qorpus("distinct", tmp_path / "grown.db", *flags, cost)
    qorpus("distinct", tmp_path / "whole.db", *flags, 4)
    grown, whole = info(tmp_path / "grown.db"), info(tmp_path / "whole.db")
    assert grown["complete"] and grown["content_hash"] == whole["content_hash"]
    assert grown["recipe_hash"] == whole["recipe_hash"]
    qorpus("verify", tmp_path / "grown.db", "--sample", "1", "--quiet")
    assert "already holds more" in qorpus("distinct", tmp_path / "grown.db", *flags, 3, status=1).stderr
