"""Sharded corpora in an S3-compatible store, over HTTP: many processes, some killed; a small cache;
damage; what cannot be reached."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import qorpus as package
from command import content_hash, described, finish, generate, info, qorpus, show, start
from object_store import BUCKET, SECRET, running

# Long circuits make small chunks: some twenty shards of some hundred kilobytes.
RECIPE = "--gates h,s,t --qubits 1 --random 40000 --length 200..300 --no-unitaries".split()
SHARD = ["--shard", "2000"]


@pytest.fixture(scope="module")
def server():
    with running() as store:
        yield store


@pytest.fixture
def store(server, tmp_path):
    """The server, and a cache that is this test's own."""
    with described({**server.environment, "QORPUS_CACHE": str(tmp_path / "cache")}):
        yield server


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One file with all records."""
    path = tmp_path_factory.mktemp("whole") / "c.db"
    generate(path, *RECIPE)
    return path


@pytest.fixture(scope="module")
def finished(server, tmp_path_factory):
    """A complete corpus in the store. Tests do not change it."""
    path = f"s3://{BUCKET}/finished"
    with described({**server.environment, "QORPUS_CACHE": str(tmp_path_factory.mktemp("cache"))}):
        generate(path, *RECIPE, *SHARD)
    return path


@pytest.fixture
def big(store, finished, request):
    """A copy of it to do harm to."""
    prefix = request.node.name
    for name in store.objects("finished/"):
        store.put(f"{prefix}/{name}", store.get(f"finished/{name}"))
    return f"s3://{BUCKET}/{prefix}"


def shards(store, prefix):
    return sorted(name for name in store.objects(f"{prefix}/") if name.endswith(".db"))


def copies(cache):
    """Return the files that this user's cache has of that place."""
    return sorted(path for path in Path(cache).glob(f"qorpus-cache-{os.geteuid()}/*.db"))


def test_a_bucket_is_one_corpus_for_every_command(store, finished, whole, tmp_path):
    facts, of_file = info(finished), info(whole)
    assert facts["path"] == finished and facts["complete"]
    for key in ["records", "expected", "content_hash", "recipe", "recipe_hash", "alphabet", "format_version"]:
        assert facts[key] == of_file[key], key
    # Opening reads the manifest alone.
    assert not (tmp_path / "cache").exists()
    assert facts["bytes"] == sum(size for name, size in store.objects("finished/").items() if name.endswith(".db"))
    for one, other in zip(show(f"{finished}/", [0, 7, 39_999, 7]), show(whole, [0, 7, 39_999, 7]), strict=True):
        assert one.circuit == other.circuit and np.array_equal(one.unitary, other.unitary)
    assert len(copies(tmp_path / "cache")) == 2
    assert "clean" in qorpus("verify", finished, "--sample", "0.01", "--quiet").stdout
    qorpus("export", finished, tmp_path / "many.npy", "--quiet")
    qorpus("export", whole, tmp_path / "one.npy", "--quiet")
    assert (tmp_path / "many.npy").read_bytes() == (tmp_path / "one.npy").read_bytes()
    query = "select id, circuit, length from records where id in (0, 17777, 39999)"
    for form in ["--csv", "--json"]:
        assert qorpus("sql", finished, query, form).stdout == qorpus("sql", whole, query, form).stdout
    assert "complete" in qorpus("seal", finished).stdout
    again = qorpus("generate", finished, *RECIPE).stdout
    assert "nothing to do" in again
    assert "seed 1" in qorpus("generate", finished, *RECIPE, "--seed", "1", status=1).stderr
    for command in [["merge", finished, whole], ["find", finished, "--circuit", "h 0"], ["distinct", finished, "--max-length", "3"]]:
        assert "name a file" in qorpus(*command, status=1).stderr
    # Nothing that was built or verified is left on this machine.
    assert {path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file()} <= {".db", ".TAG", ""}
    (stage,) = (tmp_path / "cache").glob("*/stage")
    assert not list(stage.iterdir())


def test_objects_equal_the_files_of_a_directory(store, finished, tmp_path):
    directory = tmp_path / "big"
    generate(f"{directory}/", *RECIPE, *SHARD)
    files = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    assert set(store.objects("finished/")) == files
    for name, content in store.objects("finished/").items():
        assert content == (directory / name).stat().st_size or name == "manifest.json" or name.startswith("receipts")
    # Fetched by any other program, it is a corpus.
    for name in files:
        (directory / name).write_bytes(store.get(f"finished/{name}"))
    assert "clean" in qorpus("verify", directory, "--sample", "0", "--quiet").stdout


def test_processes_of_which_some_are_killed(store, whole, tmp_path, chance):
    """No coordinator: parts on several machines, here with stages of their own; one runs twice, the
    killed run again."""
    path, parts = f"s3://{BUCKET}/killed", list(range(6))
    stages = [tmp_path / "one", tmp_path / "other"]
    for stage in stages:
        stage.mkdir()

    def run(part, killed=False, stage=0):
        options = ["--part", f"{part}/6", "--jobs", "1", "--quiet", "--stage", stages[stage]]
        process = start("generate", path, *RECIPE, *SHARD, *options)
        if killed:
            time.sleep(chance.random() * 0.4)
            process.send_signal(signal.SIGKILL)
        return finish(process, status=None).returncode

    with ThreadPoolExecutor(8) as pool:
        twice = pool.submit(run, 1, stage=1)
        statuses = list(pool.map(lambda part: run(part, part % 3 == 0), parts))
    assert twice.result() == 0 and all(statuses[part] == 0 for part in parts if part % 3)
    sealed = json.loads(qorpus("seal", path, "--json", status=None).stdout)
    assert sealed["complete"] == (not sealed["missing"])
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, [0, 3, 2])) == [0, 0, 0]
    # Two who seal at once.
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda _: json.loads(qorpus("seal", path, "--json").stdout), range(4)))
    assert all(sealed["complete"] and sealed["content_hash"] == content_hash(whole) for sealed in said)
    assert content_hash(path) == content_hash(whole)
    assert "clean" in qorpus("verify", path, "--sample", "0.1", "--quiet").stdout
    assert len(shards(store, "killed")) == sealed["of"] == len(store.objects("killed/receipts/"))
    assert not [file for stage in stages for file in stage.rglob("*.db")]


def test_processes_without_parts(store, whole, tmp_path):
    """Machines that see nothing of each other make the same shards; each is there once."""
    path = f"s3://{BUCKET}/shared"
    processes = []
    for machine in range(3):
        stage = tmp_path / str(machine)
        stage.mkdir()
        processes.append(start("generate", path, *RECIPE, "--shard", "8000", "--jobs", "1", "--quiet", "--stage", stage))
    for process in processes:
        finish(process)
    assert info(path)["complete"] and content_hash(path) == content_hash(whole)


def test_sealing_while_shards_are_made_loses_none(store, tmp_path):
    """Processes that write the manifest at the same time replace no version that they have not
    read."""
    path, parts = f"s3://{BUCKET}/folded", 10
    run = "--random 20000 --length 200..300 --gates h,s,t --qubits 1 --no-unitaries --shard 1".split()
    qorpus("generate", path, *run, "--part", f"0/{parts}", "--quiet")

    def make_and_seal(part):
        generate(path, *run, "--part", f"{part}/{parts}", "--jobs", "1")
        sealed = json.loads(qorpus("seal", path, "--json", status=None).stdout)
        return sealed["version"], sealed["shards"]

    with ThreadPoolExecutor(5) as pool:
        versions = list(pool.map(make_and_seal, range(1, parts)))
    assert json.loads(qorpus("seal", path, "--json").stdout)["complete"]
    # There is one text of each version.
    counts = {}
    for version, count in versions:
        assert counts.setdefault(version, count) == count


def test_half_an_upload_is_never_seen(tmp_path):
    """A large shard goes up in parts; its maker is killed between two of them."""
    recipe = "--gates h,s,t --qubits 1 --random 400000 --length 5..14".split()
    path = f"s3://{BUCKET}/large"
    gate = tmp_path / "gate"
    with running(gate) as slow, described({**slow.environment, "QORPUS_CACHE": str(tmp_path / "cache")}):
        process = start("generate", path, *recipe, "--quiet")
        parts = []
        while process.poll() is None and not parts:
            time.sleep(0.01)
            for upload in slow.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
                parts = slow.client.list_parts(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"]).get("Parts", [])
        process.send_signal(signal.SIGKILL)
        finish(process, status=-signal.SIGKILL)
        gate.touch()
        assert parts and shards(slow, "large") == [] and "large/receipts" not in slow.objects()
        sealed = json.loads(qorpus("seal", path, "--json", status=1).stdout)
        assert sealed["shards"] == 0 and sealed["of"] == 1
        # The shard is still on this machine, and is uploaded again; the other one that tries at
        # the same time loses.
        (tmp_path / "other").mkdir()
        both = [start("generate", path, *recipe, "--quiet", *more) for more in ([], ["--stage", tmp_path / "other"])]
        for process in both:
            finish(process)
        assert len(shards(slow, "large")) == 1
        one = tmp_path / "c.db"
        generate(one, *recipe)
        assert content_hash(path) == content_hash(one)
        assert "clean" in qorpus("verify", path, "--sample", "0.01", "--quiet").stdout


def test_random_records_through_a_small_cache(store, finished, tmp_path):
    """A cache with room for six of twenty shards: each record is that of the recipe, and never is
    more kept."""
    sizes = [size for name, size in store.objects("finished/").items() if name.endswith(".db")]
    room, cache = 6 * max(sizes), tmp_path / "cache"
    with described({"QORPUS_CACHE_SIZE": str(room)}):
        corpus = package.open(finished)
        recipe, ids = corpus.recipe, np.random.default_rng(3).integers(0, len(corpus), 10_000)
        for at in range(0, 400, 100):
            assert np.array_equal(corpus.unitaries(ids[at : at + 100]), recipe.unitaries(ids[at : at + 100]))
            assert sum(path.stat().st_size for path in copies(cache)) <= room
        assert corpus.circuits(ids) == recipe.circuits(ids)
        assert 0 < len(copies(cache)) < len(sizes)
        for id in ids[:20]:
            assert corpus[int(id)].circuit == recipe[int(id)].circuit
        assert sum(path.stat().st_size for path in copies(cache)) <= room
        # Evicted files are not kept open either.
        open_files = (os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}"))
        assert not [name for name in open_files if str(cache) in name and name.endswith("(deleted)")]
    with described({"QORPUS_CACHE_SIZE": "1000"}):
        with pytest.raises(package.InvalidArgument, match="QORPUS_CACHE_SIZE"):
            package.open(finished).circuits(range(39_000, 40_000))
    with described({"QORPUS_CACHE_SIZE": "much"}), pytest.raises(package.InvalidArgument, match="QORPUS_CACHE_SIZE"):
        package.open(finished)[0]


def test_processes_share_the_cache(store, finished, whole, tmp_path):
    """One too small for all, and one of them killed: no file that is used is torn, and nothing
    unbounded is left."""
    program = f"""
import numpy as np, qorpus, sys
corpus = qorpus.open({finished!r})
one = qorpus.open({str(whole)!r})
random = np.random.default_rng(int(sys.argv[1]))
for _ in range(5):
    ids = random.integers(0, len(corpus), 10)
    assert np.array_equal(corpus.unitaries(ids), one.unitaries(ids))
"""
    most = max(size for name, size in store.objects("finished/").items() if name.endswith(".db"))
    environment = {**os.environ, "QORPUS_CACHE_SIZE": str(3 * most)}
    readers = [subprocess.Popen([sys.executable, "-c", program, str(seed)], env=environment, stderr=subprocess.PIPE, text=True) for seed in range(5)]
    time.sleep(1)
    readers[0].kill()
    said = [reader.communicate()[1] for reader in readers]
    assert [reader.returncode for reader in readers[1:]] == [0] * 4, said
    with described({"QORPUS_CACHE_SIZE": str(3 * most)}):
        corpus = package.open(finished)
        assert corpus.circuits(range(0, 40_000, 2_500)) == package.open(whole).circuits(range(0, 40_000, 2_500))
    assert len(copies(tmp_path / "cache")) <= 3
    assert not list((tmp_path / "cache").rglob("*.part*"))


def test_threads_forks_and_pickles(store, finished, whole):
    corpus, one = package.open(finished), package.open(whole)
    ids = [int(id) for id in np.random.default_rng(1).integers(0, len(corpus), 100)]
    expected = [record.circuit for record in one[ids]]

    def read(shift):
        return all(corpus[ids[place]].circuit == expected[place] for place in np.roll(np.arange(len(ids)), shift))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, range(4)))
    child = os.fork()
    if child == 0:
        # Operations that ask the store again are among them.
        os._exit(0 if read(3) and corpus.content_hash == one.content_hash else 1)
    assert os.waitpid(child, 0)[1] == 0 and read(2)
    assert pickle.loads(pickle.dumps(corpus))[123] == one[123]
    assert corpus.paths == [finished] and list(corpus.sql("select sum(length) from records")) == list(one.sql("select sum(length) from records"))


def test_only_lost_and_damaged_shards_are_made_again(store, big, whole, tmp_path, chance):
    prefix = big.removeprefix(f"s3://{BUCKET}/")
    names = shards(store, prefix)
    lost, damaged, renamed, rubbish, short, other = chance.sample(names, 6)
    store.delete(f"{prefix}/{lost}")
    content = bytearray(store.get(f"{prefix}/{damaged}"))
    content[len(content) // 2] ^= 1
    store.put(f"{prefix}/{damaged}", bytes(content))
    store.put(f"{prefix}/{renamed}", store.get(f"{prefix}/{other}"))
    store.put(f"{prefix}/{rubbish}", bytes(len(store.get(f"{prefix}/{rubbish}"))))
    store.put(f"{prefix}/{short}", b"rubbish")
    said = qorpus("verify", big, "--sample", "0", "--quiet", status=1).stdout
    assert "missing, although the manifest lists it" in said and "qorpus repair" in said
    assert "not an SQLite file" in said and "it has 7 bytes instead of" in said
    assert ".part" not in said
    corpus = package.open(big)
    for name in (lost, damaged, renamed, rubbish, short):
        with pytest.raises(package.Error, match="qorpus repair"):
            corpus[int(name.split("-")[0])]
    times = {entry["Key"]: entry["LastModified"] for entry in store.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/")["Contents"]}
    time.sleep(1.1)
    (tmp_path / "stage").mkdir()
    assert "does not exist" in qorpus("repair", big, "--stage", tmp_path / "nowhere", status=1).stderr
    assert "clean" in qorpus("repair", big, "--sample", "0", "--quiet", "--stage", tmp_path / "stage").stdout
    now = {entry["Key"]: entry["LastModified"] for entry in store.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/")["Contents"]}
    changed = {key.removeprefix(f"{prefix}/") for key in now if now[key] != times.get(key) and key.endswith(".db")}
    assert changed == {lost, damaged, renamed, rubbish, short}
    assert content_hash(big) == content_hash(whole) and not list((tmp_path / "stage").iterdir())
    # A reader that has it open continues.
    assert corpus[int(lost.split("-")[0])].circuit == package.open(whole)[int(lost.split("-")[0])].circuit


def test_damage_of_a_copy_is_not_that_of_the_shard(store, finished, whole, tmp_path):
    corpus = package.open(finished)
    assert corpus[0] == package.open(whole)[0]
    (copy,) = copies(tmp_path / "cache")
    content = bytearray(copy.read_bytes())
    content[65_536:] = bytes(len(content) - 65_536)
    copy.write_bytes(content)
    assert package.open(finished)[0] == package.open(whole)[0]


def test_a_repaired_directory_on_a_stage(tmp_path):
    """On a network file system nothing is built where the corpus is."""
    path, stage = tmp_path / "big", tmp_path / "stage"
    stage.mkdir()
    generate(f"{path}/", *RECIPE, *SHARD)
    before = content_hash(path)
    sorted(path.glob("*.db"))[3].unlink()
    assert "clean" in qorpus("repair", path, "--sample", "0", "--quiet", "--stage", stage).stdout
    assert content_hash(path) == before and not list(stage.iterdir())
    assert "need a directory" in qorpus("repair", sorted(path.glob("*.db"))[0], "--stage", stage, status=2).stderr


def test_a_hostile_manifest_is_refused(store, big):
    key = big.removeprefix(f"s3://{BUCKET}/") + "/manifest.json"
    for text in [b"", b"\x1b[2J", b'{"qorpus_manifest": 2}', b"[" * 100_000]:
        store.put(key, text)
        for command in [["info"], ["verify"], ["seal"], ["generate", *RECIPE]]:
            said = qorpus(command[0], big, *command[1:], status=1).stderr
            assert "manifest.json" in said and "\x1b[2J" not in said


def test_a_place_with_something_else_in_it(store):
    store.put("mine/precious.txt", b"precious")
    said = qorpus("generate", f"s3://{BUCKET}/mine/", *RECIPE, status=1).stderr
    assert "precious.txt" in said and list(store.objects("mine/")) == ["precious.txt"]
    for command in ["info", "seal", "verify", "repair"]:
        assert "no manifest.json" in qorpus(command, f"s3://{BUCKET}/nothing", status=1).stderr
    with pytest.raises(package.InvalidArgument, match="s3://corpora/x"):
        package.open(Path("s3://corpora/x"))
    for name in ["s3://", "s3://a//b"]:
        assert name in qorpus("generate", name, *RECIPE, status=2).stderr


def test_an_unreachable_store_is_reported(store, finished, tmp_path):
    """Each is one sentence that says what to look at, and no secret."""

    def refused(path, **variables):
        with described(variables):
            said = [
                qorpus("info", path, status=1).stderr,
                qorpus("generate", path, *RECIPE, status=1).stderr,
                qorpus("seal", path, status=1).stderr,
            ]
            with pytest.raises(package.Error) as raised:
                package.open(path)
        said = "\n".join([*said, str(raised.value)])
        assert SECRET not in said and "Traceback" not in said and "<" not in said and "RetryError" not in said
        return said

    said = refused("s3://no-such-bucket/x")
    assert "no bucket no-such-bucket" in said and "AWS_ENDPOINT_URL" in said
    said = refused(finished, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert "cannot be reached" in said and "Connection refused" in said and "AWS_ENDPOINT_URL" in said
    said = refused(finished, AWS_ENDPOINT_URL="no address")
    assert finished in said
    with described({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            del os.environ[name]
        without = {name: value for name, value in os.environ.items()}
        without["AWS_METADATA_ENDPOINT"] = "http://127.0.0.1:9"
        asked = subprocess.run([sys.executable, "-m", "qorpus", "info", finished], env=without, capture_output=True, text=True)
    assert asked.returncode == 1 and "AWS_ACCESS_KEY_ID" in asked.stderr, asked.stderr


def test_wrong_credentials(tmp_path):
    """moto checks signatures after a number of requests: those that make a user and a bucket."""
    with running(INITIAL_NO_AUTH_ACTION_COUNT="4") as strict:
        users = strict.clients("iam")
        users.create_user(UserName="tester")
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        users.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=json.dumps(everything))
        key = users.create_access_key(UserName="tester")["AccessKey"]
        right = {**strict.environment, "AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        path = f"s3://{BUCKET}/mine"
        with described({**right, "QORPUS_CACHE": str(tmp_path / "cache")}):
            generate(path, "--random", "1000")
            assert info(path)["complete"]
            for wrong in [{"AWS_SECRET_ACCESS_KEY": SECRET}, {"AWS_ACCESS_KEY_ID": "AKIDOFNOBODY"}]:
                with described(wrong):
                    said = qorpus("info", path, status=1).stderr
                    assert "refuses these credentials" in said and "AWS_SECRET_ACCESS_KEY" in said
                    assert SECRET not in said and key["SecretAccessKey"] not in said
