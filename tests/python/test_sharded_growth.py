"""Sharded corpora that grow, in directories and in a bucket: killed in between, by several processes,
beside readers, and read by the second implementation of the format.

What comes out has the content hash of a corpus that was made at once.
"""

import hashlib
import json
import random
import signal
import time

import numpy as np
import pytest
import qorpus as package
from command import complaints, described, finish, generate, info, qorpus, start
from format_v1 import Decoder, chunks_of, connect
from object_store import BUCKET, running

SHARED = "--qubits 4 --length 100..120 --dtype complex64 --no-unitaries".split()
SMALL, LARGE = [*SHARED, "--random", "21000"], [*SHARED, "--random", "60000"]
SHARD = ["--shard", "1"]


@pytest.fixture(scope="module")
def at_once(tmp_path_factory):
    """What is known of the larger corpus, made by one process at once."""
    path = tmp_path_factory.mktemp("at once") / "c.db"
    generate(path, *LARGE)
    return info(path)


def begun(path):
    """Makes a part of the smaller corpus, which decides the size of shards."""
    generate(path, *SMALL, *SHARD, "--part", "0/3")


def manifest(path):
    return json.loads((path / "manifest.json").read_text())


def check_grown(path, at_once, place=None):
    facts = info(path)
    assert facts["complete"] and (facts["format_version"], at_once["format_version"]) == (2, 1)
    for key in ("records", "content_hash", "recipe_hash", "recipe"):
        assert facts[key] == at_once[key]
    qorpus("verify", path, "--sample", "0.2", "--quiet")
    if place:
        names = sorted(entry.name for entry in place.iterdir() if not entry.name.endswith("-claim"))
        listed = [f"{shard['first_id']:012}-{shard['end_id']:012}" for shard in manifest(place)["shards"]]
        assert names == [*(f"{name}.db" for name in listed), "manifest.json", "receipts"]
        assert sorted(receipt.stem for receipt in (place / "receipts").iterdir()) == listed


def test_the_second_implementation_reads_it(tmp_path):
    """The manifest's keys, the receipts' recipe, and the seed of each shard's checks."""
    path, flags = tmp_path / "big", ["--gates", "h,t,cx", "--length", "2..9", "--random"]
    generate(f"{path}/", *flags, 700, *SHARD)
    first = info(path)
    size = manifest(path)["shard_records"]
    assert manifest(path)["qorpus_manifest"] == 1 and size < 350
    generate(path, *flags, 3000)
    grown, whole = manifest(path), tmp_path / "c.db"
    generate(whole, *flags, 3000)
    keys = "qorpus_manifest version recipe recipe_hash created_as shard_records records content_hash bytes shards check"
    assert list(grown) == keys.split() and grown["qorpus_manifest"] == 2
    text = json.dumps(grown["created_as"], separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == first["recipe_hash"]
    assert grown["recipe_hash"] == info(whole)["recipe_hash"] and grown["content_hash"] == info(whole)["content_hash"]
    total, ids = 0, []
    for shard in grown["shards"]:
        name = f"{shard['first_id']:012}-{shard['end_id']:012}"
        receipt = json.loads((path / "receipts" / f"{name}.json").read_text())
        assert (receipt["qorpus_receipt"], receipt["recipe_hash"]) == (1, first["recipe_hash"])
        connection = connect(path / f"{name}.db")
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        is_old = shard["end_id"] <= 700
        assert meta.get("check_seed") == (None if is_old else first["recipe_hash"][:16])
        assert meta["recipe_hash"] == (first if is_old else grown)["recipe_hash"]
        decoder = Decoder(meta["recipe"], json.loads(meta["letters"]), meta.get("check_seed"))
        for chunk in chunks_of(connection):
            total += decoder.decode(chunk)[3]
            ids += range(chunk.first_id, chunk.first_id + chunk.count)
        connection.close()
    assert ids == list(range(3000)) and f"{total % 2**128:032x}" == grown["content_hash"]


@pytest.mark.parametrize("writers", [1, 3])
def test_kills_in_between(tmp_path, at_once, writers):
    """SIGKILL at random moments, first of jobs of the smaller corpus, then of the larger one."""
    chance = random.Random(writers)
    path, records, expected = tmp_path / "big", 0, 21_000
    begun(f"{path}/")
    for step in range(14):
        job = SMALL if step < 4 else LARGE
        processes = [start("generate", path, *job, "--jobs", "1", "--quiet") for _ in range(writers)]
        for process in processes:
            time.sleep(chance.choice([0.02, 0.1, 0.3]) * chance.random())
            process.kill()
        for process in processes:
            result = finish(process, None)
            assert result.returncode in (0, -signal.SIGKILL) and complaints(result) == [], result
        qorpus("seal", path, status=None)
        facts = info(path)
        assert facts["expected"] in (expected, 60_000) and facts["records"] >= records
        records, expected = facts["records"], facts["expected"]
        assert "damaged" not in qorpus("verify", path, "--quiet", status=None).stdout
    generate(path, *SMALL, status=None)
    generate(path, *LARGE)
    check_grown(path, at_once, path)


def test_a_job_of_the_smaller_corpus_runs_meanwhile(tmp_path, at_once):
    """It ends well or says why it stopped, and the larger job has all records."""
    for pause in (0.0, 0.05, 0.2, 0.4):
        path = tmp_path / f"{pause}"
        begun(f"{path}/")
        smaller = start("generate", path, *SMALL, "--jobs", "1", "--quiet")
        time.sleep(pause)
        larger = [start("generate", path, *LARGE, "--quiet") for _ in range(2)]
        for process in larger:
            assert complaints(finish(process)) == []
        result = finish(smaller, None)
        refused = "was grown by another process" in result.stderr or "already holds more" in result.stderr
        assert (result.returncode, refused) in [(0, False), (1, True)], result
        qorpus("seal", path)
        check_grown(path, at_once, path)


def test_readers_splits_and_streams_go_on(tmp_path):
    """A corpus that was open keeps its records; one that is opened afterwards has all. No record
    changes its split, and a stream goes on over the same records."""
    path, options = f"{tmp_path}/big/", {"gates": "h,t,cx", "seed": 5, "progress": False}
    before = package.generate(path, random=2_345, shard=500, **options)
    unread = package.open(path)
    ids = np.random.default_rng(1).permutation(2_345)
    expected, test = before.unitaries(ids), before.split(train=0.8, test=0.2)["test"]
    hash_before, members = before.content_hash, test.ids(slice(None))
    stream = test.stream(16, seed=1)
    first = next(iter(stream)).ids.tolist()
    state = stream.state_dict()
    after = package.generate(path, random="10k", **options)
    assert len(before) == len(unread) == 2_345 and len(after) == 10_000
    for corpus in (before, unread, after):
        assert corpus.unitaries(ids).tobytes() == expected.tobytes()
    with pytest.raises(IndexError):
        unread[2_345]
    assert before.content_hash == after.content_hash != hash_before
    assert unread.sql("select count(*) from records") == [(2_345,)]
    more = after.split(train=0.8, test=0.2)["test"].ids(slice(None))
    assert members.tolist() == [id for id in more.tolist() if id < 2_345]
    again = unread.split(train=0.8, test=0.2)["test"].stream(16, seed=1)
    again.load_state_dict(state)
    rest = [id for batch in again for id in batch.ids.tolist()]
    assert sorted(first + rest) == sorted(members.tolist())


def test_parts_and_stages(tmp_path, at_once):
    """Each part is a process of its own, as on a cluster; the first ones do not see the growth yet."""
    path = tmp_path / "big"
    generate(f"{path}/", *SMALL, *SHARD)
    (tmp_path / "stage").mkdir()
    parts = [start("generate", path, *LARGE, "--quiet", "--part", f"{part}/5", "--stage", tmp_path / "stage") for part in range(5)]
    assert all(complaints(finish(part)) == [] for part in parts)
    assert "complete" in qorpus("seal", path).stdout
    check_grown(path, at_once, path)
    assert list((tmp_path / "stage").iterdir()) == []


def test_what_cannot_grow_says_so(tmp_path):
    path = tmp_path / "big"
    generate(f"{path}/", "--random", 1000)
    before = (path / "manifest.json").read_bytes()
    assert "already holds more" in generate(path, "--random", 999, status=1).stderr
    assert "holds another corpus" in generate(path, "--random", 2000, "--seed", 1, status=1).stderr
    flags = ["--words", "--gates", "h,t,cx", "--qubits", "2", "--length"]
    generate(f"{tmp_path}/words/", *flags, "0..3")
    said = generate(f"{tmp_path}/words/", *flags, "0..4", status=1).stderr
    assert "longer words are packed into other chunks" in said and "0 to 3 letters" in said
    assert (path / "manifest.json").read_bytes() == before


def test_a_bucket_grows(tmp_path, at_once):
    """Two processes, of which one is killed; a reader from before, whose last shard is replaced; and a
    job of the smaller corpus."""
    with running() as store, described({**store.environment, "QORPUS_CACHE": str(tmp_path / "cache")}):
        path = f"s3://{BUCKET}/big"
        begun(path)
        generate(path, *SMALL)
        before = package.open(path)
        hash_before = before.content_hash
        replaced = json.loads(store.get("big/manifest.json"))["shards"][-1]
        name = f"{replaced['first_id']:012}-000000021000"
        assert f"{name}.db" in store.objects("big/")
        killed, other = (start("generate", path, *LARGE, "--quiet") for _ in range(2))
        time.sleep(0.5)
        killed.kill()
        finish(killed, None)
        assert complaints(finish(other)) == []
        generate(path, *LARGE)
        check_grown(path, at_once)
        assert not [left for left in store.objects("big/") if name in left]
        # As of a process that was killed between the new manifest and the removal.
        for left in (f"{name}.db", f"receipts/{name}.json"):
            store.put(f"big/{left}", b"{}")
        generate(path, *LARGE)
        check_grown(path, at_once)
        assert not [left for left in store.objects("big/") if name in left]
        ids = [20_999, 5, replaced["first_id"]]
        expected = package.Recipe(gates=None, qubits=4, random=60_000, length=(100, 120), dtype="complex64")
        assert before.unitaries(ids).tobytes() == expected.unitaries(ids).tobytes()
        assert before.content_hash == at_once["content_hash"] != hash_before and len(before) == 21_000
        assert "already holds more" in generate(path, *SMALL, status=1).stderr
