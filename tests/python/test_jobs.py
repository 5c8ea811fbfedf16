"""A sharded corpus on its way: what is published is used before it is sealed, and every job finds
its way on after an accident."""

import json
import pickle
import signal
import subprocess
import time

import numpy as np
import pytest
import qorpus as package
from command import ENVIRONMENT, PATIENCE, QORPUS, described, finish, generate, info, qorpus, show, snapshot, start
from object_store import BUCKET, running

# Long circuits make small chunks: nine shards of some hundred kilobytes.
RECIPE = "--gates h,s,t --qubits 1 --random 24000 --length 200..300 --no-unitaries".split()
SHARD = ["--shard", "2000"]


@pytest.fixture(scope="module")
def server():
    with running() as store:
        yield store


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One file with all records."""
    path = tmp_path_factory.mktemp("whole") / "c.db"
    generate(path, *RECIPE)
    return path


class Place:
    """An empty place for a sharded corpus, in a directory or a bucket, and what an accident may do
    to it."""

    def __init__(self, path, store=None):
        self.path, self.store = path, store
        self.prefix = str(path).removeprefix(f"s3://{BUCKET}/")

    def shards(self):
        names = self.store.objects(f"{self.prefix}/") if self.store else [file.name for file in self.path.iterdir()]
        return sorted(name for name in names if name.endswith(".db") and not name.startswith("."))

    def named(self, name):
        """Return its name in messages."""
        return f"{self.path}/{name}"

    def get(self, name):
        return self.store.get(f"{self.prefix}/{name}") if self.store else (self.path / name).read_bytes()

    def put(self, name, content):
        if self.store:
            self.store.put(f"{self.prefix}/{name}", content)
        else:
            # Another file under the name: who has the old one open keeps it.
            (self.path / name).unlink(missing_ok=True)
            (self.path / name).write_bytes(content)

    def delete(self, name):
        if self.store:
            self.store.delete(f"{self.prefix}/{name}")
        else:
            (self.path / name).unlink()


@pytest.fixture(params=["directory", "bucket"])
def place(request, tmp_path, server):
    if request.param == "directory":
        (tmp_path / "big").mkdir()
        yield Place(tmp_path / "big")
    else:
        with described({**server.environment, "QORPUS_CACHE": str(tmp_path / "cache")}):
            yield Place(f"s3://{BUCKET}/{request.node.name.split('[')[0]}", server)


ACCIDENTS = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "its header only": lambda content: content[:100],
    "rubbish": lambda content: b"rubbish" * 1000,
    "a page of zeros": lambda content: content[:65536] + bytes(65536) + content[131072:] + bytes(65536),
}


@pytest.mark.parametrize("job", ["repair", "generate"])
def test_a_shard_that_an_accident_met_before_it_was_sealed_is_made_again(place, whole, job, tmp_path):
    """`seal` does not list what has another size than its receipt says; then its name is taken by
    something unreadable."""
    generate(place.path, *RECIPE, *SHARD)
    victims = dict(zip(place.shards()[1:], ACCIDENTS.values(), strict=False))
    for name, accident in victims.items():
        place.put(name, accident(place.get(name)))
    said = qorpus("seal", place.path, status=1)
    for name in victims:
        assert f"{place.named(name)}: it has" in said.stderr and "no longer listed" in said.stderr
    said = qorpus("verify", place.path, "--quiet", status=1).stdout
    assert said.count("it is not listed, and it") >= 4 and f"'qorpus repair {place.path}'" in said
    # No message names a copy on this machine.
    assert str(tmp_path / "cache") not in said
    command = [*RECIPE, *SHARD] if job == "generate" else ["--sample", "0"]
    said = qorpus(job, place.path, *command, "--quiet")
    assert str(tmp_path / "cache") not in said.stderr
    qorpus("verify", place.path, "--quiet")
    assert info(place.path)["content_hash"] == info(whole)["content_hash"]


def test_repair_makes_damaged_shards_and_generate_refuses_foreign_ones(place, tmp_path):
    generate(place.path, *RECIPE, *SHARD)
    name = place.shards()[3]
    other = tmp_path / "other"
    generate(f"{other}/", *RECIPE, *SHARD, "--seed", "1")
    place.put(name, (other / name).read_bytes() + bytes(4096))
    assert "no longer listed" in qorpus("seal", place.path, status=1).stderr
    # It may belong to a person: a generation says what can be done, and changes nothing.
    said = qorpus("generate", place.path, *RECIPE, *SHARD, status=1).stderr
    assert f"{place.named(name)}: it holds another corpus" in said and "seed 1" in said and "qorpus repair" in said
    assert len(place.get(name)) > 4096
    qorpus("repair", place.path, "--sample", "0", "--quiet")
    assert info(place.path)["complete"]


def test_a_name_that_no_file_can_have_is_an_error(tmp_path):
    """A directory under a shard's name stays; a link that leads nowhere does not."""
    path = tmp_path / "big"
    generate(f"{path}/", *RECIPE, *SHARD)
    names = sorted(path.glob("*.db"))
    names[2].unlink()
    names[2].symlink_to("/nowhere/at/all")
    qorpus("seal", path, status=1)
    generate(path, *RECIPE)
    assert not names[2].is_symlink() and info(path)["complete"]
    names[2].unlink()
    names[2].mkdir()
    qorpus("seal", path, status=1)
    for command in [["repair"], ["generate", *RECIPE]]:
        said = qorpus(command[0], path, *command[1:], status=1).stderr
        assert f"{names[2]} is not a regular file" in said and "move it away" in said
    names[2].rmdir()
    generate(path, *RECIPE)
    assert info(path)["complete"]


def test_a_draft_that_a_power_cut_has_torn_is_built_again(tmp_path):
    path, stage = tmp_path / "big", tmp_path / "stage"
    stage.mkdir()
    generate(f"{path}/", *RECIPE, *SHARD, "--part", "0/9")
    name = next(path.glob("*.db")).name
    content = (path / name).read_bytes()
    (path / name).unlink()
    (path / f".{name}").write_bytes(content[: len(content) // 2])
    generate(path, *RECIPE)
    assert info(path)["complete"] and not list(path.glob(".*.db*"))


def test_failures_of_this_machine_are_not_damage(server, tmp_path):
    """A cache without room says nothing of the shards: a repair must not replace them."""
    with described({**server.environment, "QORPUS_CACHE": str(tmp_path / "cache")}):
        place = Place(f"s3://{BUCKET}/healthy", server)
        generate(place.path, *RECIPE, *SHARD)
        before = {name: server.get(f"healthy/{name}") for name in place.shards()}
        # A process may write only this many bytes to a file, as if the disk were full.
        limited = ["bash", "-c", 'ulimit -f 16; trap "" XFSZ; exec "$@"', "-"]
        for command in (["verify", "--quiet"], ["repair", "--quiet"]):
            said = subprocess.run([*limited, QORPUS, command[0], place.path, *command[1:]], env=ENVIRONMENT, capture_output=True, text=True)
            assert said.returncode == 1 and "file too large" in said.stderr and "damaged" not in said.stdout, said
        assert {name: server.get(f"healthy/{name}") for name in place.shards()} == before


def test_a_lost_manifest_is_reported(place):
    generate(place.path, *RECIPE, *SHARD)
    before = info(place.path)["content_hash"]
    place.delete("manifest.json")
    for command in [["info"], ["show", "0"], ["verify"], ["repair"], ["seal"]]:
        said = qorpus(command[0], place.path, *command[1:], status=1).stderr
        assert "has shards but no manifest.json" in said and "run the same generate again" in said
    with pytest.raises(package.Error, match="has shards but no manifest.json"):
        package.open(place.path)
    assert "nothing to do" in qorpus("generate", place.path, *RECIPE, *SHARD).stdout
    assert info(place.path)["content_hash"] == before


def test_a_copy_of_the_files_alone_is_read_as_such(tmp_path):
    """Without receipts there was no manifest to lose."""
    generate(f"{tmp_path}/big/", *RECIPE, *SHARD)
    (tmp_path / "copy").mkdir()
    for file in (tmp_path / "big").glob("*.db"):
        (tmp_path / "copy" / file.name).write_bytes(file.read_bytes())
    assert info(tmp_path / "copy")["complete"]


def some_parts(path, *parts):
    for part in parts:
        generate(path if str(path).startswith("s3:") else f"{path}/", *RECIPE, *SHARD, "--part", f"{part}/9")


def test_info_counts_published_shards(place):
    some_parts(place.path, 1, 2, 5)
    said = qorpus("info", place.path).stdout
    listed = json.loads(qorpus("info", place.path, "--json").stdout)
    unsealed = listed["unsealed"]
    assert listed["records"] == 0 and unsealed["shards"] == 3 and unsealed["of"] == len(place.shards()) + 6
    assert f"{unsealed['records']:,} of {unsealed['expected']:,} (" in said and "published in 3 of 9 shards" in said and "qorpus seal" in said
    assert package.open(place.path).info["unsealed"]["records"] == unsealed["records"]
    sealed = json.loads(qorpus("seal", place.path, "--json", status=1).stdout)
    assert {**unsealed, "version": 1} == sealed
    facts = info(place.path)
    assert facts["unsealed"] is None and facts["records"] == unsealed["records"] > 0
    assert "qorpus seal" not in qorpus("info", place.path).stdout


def test_present_records_are_read_split_and_streamed(place, whole):
    """While an array job runs: nothing is sealed, and more comes meanwhile."""
    some_parts(place.path, 1, 2, 5)
    corpus, one = package.open(place.path), package.open(whole)
    present = corpus.present()
    ids = np.concatenate([np.arange(*range_) for range_ in present.ranges])
    assert len(present.ranges) == 2 and len(present) == len(ids) == corpus.info["unsealed"]["records"]
    assert np.array_equal(present.ids(slice(None)), ids) and present.contains(range(len(corpus))).sum() == len(ids)
    assert present.contains([-1, 0, 1 << 62]).tolist() == [False, 0 in ids, False]
    places = np.random.default_rng(0).integers(-len(present), len(present), 500)
    assert present.circuits(places) == one.circuits(ids[places])
    assert present[7].id == ids[7] and present[-1] == one[int(ids[-1])] and [record.id for record in present[5:8]] == ids[5:8].tolist()
    with pytest.raises(package.MissingRecord, match="was present has"):
        present[len(present)]
    stream = present.stream(100, seed=3, columns=["circuits"])
    first = [next(iter(stream)).ids for _ in range(5)]
    # More comes; what is there of the stream stays as it was.
    some_parts(place.path, 0, 7)
    more = corpus.present()
    assert len(more) > len(present) and more.contains(ids).all()
    state = json.loads(json.dumps(stream.state_dict()))
    rest = [batch.ids for batch in stream]
    assert np.array_equal(np.sort(np.concatenate([*first, *rest])), ids)
    # It resumes exactly over the same records, and over no others.
    again = package.open(place.path).present(state["present"]).stream(100, seed=3, columns=["circuits"])
    again.load_state_dict(state)
    assert all(np.array_equal(batch.ids, other) for batch, other in zip(again, rest, strict=True))
    for others in (more, corpus):
        with pytest.raises(package.InvalidArgument, match=r'corpus\.present\(state\["present"\]\)'):
            others.stream(100, seed=3).load_state_dict(state)
    with pytest.raises(package.InvalidArgument, match="a stream over the corpus"):
        present.stream(100, seed=3).load_state_dict(corpus.stream(100, seed=3).state_dict())
    with pytest.raises(package.MissingRecord, match="does not exist"):
        corpus.present([[0, len(corpus)]])
    # In another process, too.
    assert pickle.loads(pickle.dumps(present)).ranges == present.ranges
    # All that there is, when it is complete.
    generate(place.path, *RECIPE)
    assert corpus.present().ranges == [[0, len(corpus)]]


def test_windows_and_ranks_over_present_records(tmp_path):
    some_parts(tmp_path / "big", 1, 4, 7)
    present = package.open(tmp_path / "big").present()
    ids = set(present.ids(slice(None)).tolist())
    given = [id for rank in range(3) for batch in present.stream(64, window=500, rank=rank, world_size=3, columns=["circuits"]) for id in batch.ids.tolist()]
    assert len(given) == len(ids) and set(given) == ids


def test_splits_of_present_records_are_those_of_the_corpus(tmp_path, whole):
    """No record changes sides when more comes, so that what is trained on is never tested."""
    path = tmp_path / "big"
    shares = {"train": 0.8, "validation": 0.05, "test": 0.15}
    all_of_them = package.open(whole).split(seed=4, **shares)
    some_parts(path, 1, 2, 5, 8)
    corpus = package.open(path)
    present = corpus.present()
    ids = present.ids(slice(None))
    splits = present.split(seed=4, **shares)
    assert sum(map(len, splits.values())) == len(present)
    for name, split in splits.items():
        belong = ids[all_of_them[name].contains(ids)]
        assert np.array_equal(split.ids(slice(None)), belong) and len(split) == len(belong)
        assert np.array_equal(split.contains(range(24_000)), np.isin(np.arange(24_000), belong))
        assert split.circuits([0, -1]) == package.open(whole).circuits(belong[[0, -1]])
        assert pickle.loads(pickle.dumps(split)).ids([0, 5]).tolist() == belong[[0, 5]].tolist()
    state = splits["train"].stream(32, columns=["circuits"]).state_dict()
    some_parts(path, 0)
    again = corpus.present(state["present"]).split(seed=4, **shares)["train"].stream(32, columns=["circuits"])
    again.load_state_dict(state)
    with pytest.raises(package.InvalidArgument, match="present"):
        corpus.present().split(seed=4, **shares)["train"].stream(32).load_state_dict(state)


def test_splits_by_unitary_of_present_records(tmp_path):
    recipe = "--gates h,s,t --qubits 1 --random 200000 --length 3..8 --no-unitaries --shard 65536".split()
    generate(f"{tmp_path}/big/", *recipe, "--part", "1/2")
    corpus = package.open(tmp_path / "big")
    present, every = corpus.present(), corpus.recipe.split(by="unitary", seed=1, progress=False, train=0.7, test=0.3)
    splits = present.split(by="unitary", seed=1, progress=False, train=0.7, test=0.3)
    ids = present.ids(slice(None))
    assert len(present.ranges) >= 1 and 0 < len(ids) < 200_000
    for name, split in splits.items():
        belong = ids[every[name].contains(ids)]
        assert np.array_equal(split.ids(slice(None)), belong)
        assert np.array_equal(split.contains(range(0, 200_000, 7)), np.isin(np.arange(0, 200_000, 7), belong))
        assert len(pickle.loads(pickle.dumps(split))) == len(belong)


def test_present_records_of_a_file(tmp_path, whole):
    """A single file that a job makes has present records, too."""
    path = tmp_path / "c.db"
    generate(path, *RECIPE, "--part", "1/3")
    generate(path, *RECIPE, "--part", "2/3")
    corpus = package.open(path)
    present = corpus.present()
    assert 0 < len(present) == corpus.info["records"] < len(corpus)
    assert present.circuits([0, -1]) == package.open(whole).circuits(present.ids([0, -1]))
    assert package.open(whole).present().ranges == [[0, 24_000]]
    assert corpus.recipe and corpus.info["unsealed"] is None


def test_workers_stream_present_records(tmp_path):
    """Threads, and processes that are spawned: each opens what is not sealed."""
    pytest.importorskip("torch")
    some_parts(tmp_path / "big", 3, 8)
    present = package.open(tmp_path / "big").present()
    ids = present.ids(slice(None))
    for options in ({"num_workers": 2}, {"num_workers": 2, "multiprocessing_context": "fork"}):
        stream = present.torch(batch_size=256, seed=1, **options)
        batches = list(stream)
        assert np.array_equal(np.sort(np.concatenate([batch["id"].numpy() for batch in batches])), ids)
        assert stream.state_dict()["present"] == present.ranges
    sample = present.torch()[5]
    assert int(sample["id"]) == ids[5]


def test_merge_takes_directories_and_buckets(place, whole, tmp_path):
    """Published shards are merged before they are sealed; again when there are more."""
    some_parts(place.path, 0, 1, 7)
    out = tmp_path / "all.db"
    said = qorpus("merge", out, place.path).stdout
    records = package.open(place.path).info["unsealed"]["records"]
    assert f"{records:,} of 24,000 records so far" in said
    generate(place.path, *RECIPE, *SHARD)
    (tmp_path / "files").mkdir()
    generate(tmp_path / "files" / "part.db", *RECIPE, "--part", "3/5")
    assert "complete" in qorpus("merge", out, tmp_path / "files", place.path).stdout
    assert info(out)["content_hash"] == info(whole)["content_hash"]
    qorpus("verify", out, "--quiet")
    for one, other in zip(show(out, [0, 23_999]), show(whole, [0, 23_999]), strict=True):
        assert one.circuit == other.circuit
    # Invalid options are refused before anything is written.
    generate(tmp_path / "seed.db", *RECIPE, "--seed", "1")
    for inputs in ([place.path, tmp_path / "seed.db"], [tmp_path / "seed.db", place.path]):
        assert "seed 1" in qorpus("merge", tmp_path / "no.db", *inputs, status=1).stderr
    assert not (tmp_path / "no.db").exists()
    assert "name a file" in qorpus("merge", place.path, whole, status=1).stderr
    if not place.store:
        before = snapshot(place.path)
        for name in (place.shards()[0], "new.db"):
            assert "both an input and the output" in qorpus("merge", place.path / name, place.path, status=2).stderr
        assert snapshot(place.path) == before


def test_merge_names_a_damaged_shard(place, tmp_path):
    generate(place.path, *RECIPE, *SHARD)
    name = place.shards()[4]
    content = bytearray(place.get(name))
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    place.put(name, bytes(content))
    said = qorpus("merge", tmp_path / "all.db", place.path, status=1).stderr
    assert place.named(name) in said and str(tmp_path / "cache") not in said


@pytest.mark.parametrize("stage", [False, True])
def test_an_interruption_says_where_the_work_is(place, stage, tmp_path):
    """Records of an unfinished shard are where shards are built."""
    recipe = "--qubits 4 --length 600..800 --dtype complex64 --random 40000 --shard 20000 --jobs 1".split()
    options = []
    if stage:
        (tmp_path / "stage").mkdir()
        options = ["--stage", tmp_path / "stage"]
    path = place.path if place.store else f"{place.path}/"
    process = start("generate", path, *recipe, *options, "--quiet")
    built = tmp_path / "stage" if stage else tmp_path / "cache" if place.store else place.path
    deadline = time.monotonic() + PATIENCE

    def is_building():
        return any(file.stat().st_size > 1_000_000 for file in built.rglob("*.db*") if file.exists())

    while not is_building():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = finish(process, status=130).stdout
    if stage or place.store:
        there = said.split(" of 40,000 records committed in ")[0].split(": ")[1]
        here = said.split(", and ")[1].split(" of an unfinished")[0]
        assert there == "0" and int(here.replace(",", "")) > 0
        assert f"in {built}" in said and "run the same command again on this machine" in said
    else:
        assert "on this machine" not in said and f"committed in {path}; run the same command again" in said


def test_ids_take_underscores(whole):
    one, other = show(whole, [1000]), qorpus("show", whole, "1_000", "--json").stdout
    assert json.loads(other)["circuit"] == one[0].circuit
    for wrong in ("1k", "_", "", "1.5", "0x3", "99999999999999999999"):
        assert "not the id of a record" in qorpus("show", whole, wrong, status=2).stderr
