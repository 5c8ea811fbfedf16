"""Places that several users share: caches, stages, directories and lock files, with real users and
a store."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import command
import pytest
import qorpus as package
from command import content_hash, described, finish, generate, info, qorpus, start
from object_store import BUCKET, running

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="Linux lets only root change its user id")

# Three users and a group, none of which need have a name.
ALICE, BOB, MALLORY, GROUP = 30001, 30002, 30003, 34242

# Some twenty shards of some hundred kilobytes.
RECIPE = "--gates h,s,t --qubits 1 --random 40000 --length 200..300 --no-unitaries".split()
SHARD = ["--shard", "2000"]


@pytest.fixture
def place(monkeypatch):
    """A directory that everyone can enter, and a copy of the command that everyone can run."""
    path = Path(tempfile.mkdtemp(prefix="shared-", dir="/tmp"))
    path.chmod(0o755)
    shutil.copy(command.QORPUS, path / "qorpus")
    monkeypatch.setattr(command, "QORPUS", path / "qorpus")
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def store():
    with running() as store:
        yield store


def user(uid, *groups):
    """Has a command run as this user."""
    return {"user": uid, "group": groups[0] if groups else uid, "extra_groups": list(groups)}


def directory(path, mode, uid=None, gid=None):
    path.mkdir()
    if uid is not None or gid is not None:
        shutil.chown(path, uid, gid)
    path.chmod(mode)
    return path


def within(seconds, holds):
    """Waits until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def files(path):
    return sorted(found for found in path.rglob("*") if found.is_file())


@pytest.fixture
def buckets(store, place):
    """Two prefixes with the same objects, one of them a stranger's."""
    names = ["trusted", "stranger"]
    with described({**store.environment, "QORPUS_CACHE": str(place / "making")}):
        generate(f"s3://{BUCKET}/{names[0]}", *RECIPE, *SHARD)
        for name in store.objects(f"{names[0]}/"):
            store.put(f"{names[1]}/{name}", store.get(f"{names[0]}/{name}"))
    with described({**store.environment, "QORPUS_CACHE": str(place / "cache")}):
        yield [f"s3://{BUCKET}/{name}" for name in names]


def test_a_bucket_does_not_answer_for_another(buckets, place):
    trusted, stranger = buckets
    expected = package.open(trusted).recipe[0]
    assert package.open(stranger)[0] == expected
    (copy,) = place.glob("cache/*/*.db")
    # As if the stranger had found other bytes of the same size and checksum.
    copy.write_bytes(os.urandom(copy.stat().st_size))
    assert package.open(trusted)[0] == expected
    assert len(list(place.glob("cache/*/*.db"))) == 2 and copy.exists()


def test_the_cache_removes_nothing_that_it_did_not_make(buckets, place):
    cache = directory(place / "cache", 0o755)
    others = ["run-20261129.db", "000000000000-000000002000.db", "x-1000.part", "x-1000.part-claim", "job-claim", "lock"]
    for name in others:
        (cache / name).write_text("precious")
    making = [*RECIPE, *SHARD, "--seed", "1", "--jobs", "1", "--quiet", "--stage", cache]
    with described({"QORPUS_CACHE_SIZE": "1000k"}):
        process = start("generate", f"{place}/big/", *making)
        corpus = package.open(buckets[0])
        for id in range(0, 40_000, 2_000):
            assert corpus.circuits([id]) == corpus.recipe.circuits([id])
        assert 0 < len(list(cache.glob("*/*.db"))) < 20
        finish(process)
    assert info(place / "big")["complete"]
    assert all((cache / name).read_text() == "precious" for name in others)
    assert {path.name for path in cache.iterdir()} == {*others, f"qorpus-cache-{os.geteuid()}"}


def test_a_directory_with_something_else_in_it_is_no_cache(buckets, place):
    own = directory(place / "cache", 0o700) / f"qorpus-cache-{os.geteuid()}"
    own.mkdir(mode=0o700)
    (own / "mine.db").write_text("precious")
    said = qorpus("show", buckets[0], 0, status=1).stderr
    assert "CACHEDIR.TAG" in said and "QORPUS_CACHE" in said and files(own) == [own / "mine.db"]


@needs_root
def test_users_share_a_place_for_caches(buckets, place):
    cache = directory(place / "cache", 0o1777)
    for uid in (ALICE, BOB):
        qorpus("show", buckets[0], 0, **user(uid))
    for uid in (ALICE, BOB):
        found = (cache / f"qorpus-cache-{uid}").stat()
        assert found.st_uid == uid and stat.S_IMODE(found.st_mode) == 0o700
    # A file of another user in its place is not used, whatever it is.
    elsewhere = directory(place / "elsewhere", 0o777)
    own = cache / f"qorpus-cache-{os.geteuid()}"
    own.symlink_to(elsewhere)
    assert "link" in qorpus("show", buckets[0], 0, status=1).stderr
    own.unlink()
    directory(own, 0o777, MALLORY)
    assert f"uid {MALLORY}" in qorpus("show", buckets[0], 0, status=1).stderr
    cache.chmod(0o777)
    assert "sticky" in qorpus("show", buckets[0], 0, status=1, **user(ALICE)).stderr
    assert not files(elsewhere) and not files(own)


@needs_root
def test_users_share_a_place_for_stages(place):
    stage = directory(place / "stage", 0o1777)
    processes = []
    for uid in (ALICE, BOB):
        home = directory(place / str(uid), 0o755, uid)
        # Two processes make one recipe, and Alice's is killed.
        run = [*RECIPE, *SHARD, "--quiet", "--jobs", "1", "--stage", stage]
        processes.append((home, start("generate", f"{home}/big/", *run, **user(uid))))
    within(60, lambda: list(stage.glob(f"qorpus-stage-{ALICE}/*.db")))
    processes[0][1].kill()
    finish(processes[0][1], status=None)
    finish(processes[1][1])
    assert info(place / str(BOB) / "big")["complete"]
    generate(f"{place}/{ALICE}/big/", *RECIPE, *SHARD, "--stage", stage, **user(ALICE))
    assert content_hash(place / str(ALICE) / "big") == content_hash(place / str(BOB) / "big")
    assert not list(stage.iterdir())
    # Drafts of shards belong to their maker alone.
    own = stage / f"qorpus-stage-{os.geteuid()}"
    directory(own, 0o777, MALLORY)
    said = generate(f"{place}/big/", *RECIPE, *SHARD, "--stage", stage, status=1).stderr
    assert f"uid {MALLORY}" in said and "--stage" in said and not files(own) and not (place / "big").exists()
    own.rmdir()
    own.symlink_to(directory(place / "elsewhere", 0o777))
    assert "link" in generate(f"{place}/big/", *RECIPE, *SHARD, "--stage", stage, status=1).stderr
    assert not files(place / "elsewhere")


def test_a_draft_that_is_a_link_is_refused(tmp_path):
    generate(f"{tmp_path}/big/", *RECIPE, *SHARD)
    (shard, *_) = sorted((tmp_path / "big").glob("*.db"))
    shard.unlink()
    (tmp_path / "big" / "receipts" / f"{shard.stem}.json").unlink()
    (tmp_path / "elsewhere").write_text("")
    (shard.parent / f".{shard.name}").symlink_to(tmp_path / "elsewhere")
    said = generate(f"{tmp_path}/big/", *RECIPE, status=1).stderr
    assert f".{shard.name}" in said and "regular file" in said
    assert (tmp_path / "elsewhere").read_text() == "" and not shard.exists()


@needs_root
def test_a_draft_of_another_user_is_refused(place):
    big = directory(place / "big", 0o1777)
    generate(f"{big}/", *RECIPE, *SHARD)
    (shard, *_) = sorted(big.glob("*.db"))
    shard.unlink()
    (big / "receipts" / f"{shard.stem}.json").unlink()
    draft = big / f".{shard.name}"
    draft.write_text("")
    shutil.chown(draft, MALLORY)
    draft.chmod(0o666)
    said = generate(f"{big}/", *RECIPE, status=1).stderr
    assert str(draft) in said and f"uid {MALLORY}" in said and draft.read_text() == "" and not shard.exists()


def test_sealing_removes_drafts_alone(tmp_path):
    big = tmp_path / "big"
    generate(f"{big}/", *RECIPE, *SHARD)
    (shard, *_) = sorted(path.stem for path in big.glob("*.db"))
    mine = [f".manifest.json.{'0' * 16}~", ".manifest.json.swp", f".{shard}.db.bak", f".{shard}.db.swp", f".{shard}.db-notes"]
    mine += [f"receipts/.{shard}.json.swp"]
    drafts = [f".manifest.json.{'0' * 16}", f".{shard}.db.{'f' * 16}", f".{shard}.db", f".{shard}.db-journal", f"receipts/.{shard}.json.{'1' * 16}"]
    for name in mine + drafts:
        (big / name).write_text("precious")
    assert "complete" in qorpus("seal", big).stdout
    assert all((big / name).exists() for name in mine) and not any((big / name).exists() for name in drafts)


@needs_root
def test_the_next_member_of_a_group_resumes_after_a_kill(place):
    team = directory(place / "team", 0o2770, gid=GROUP)
    run = ["--random", "20M", "--jobs", "1", "--quiet", "--force"]
    path = team / "c.db"
    generate(path, "--random", "20M", "--part", "1/2000", **user(ALICE, GROUP))
    path.chmod(0o660)
    for uid in (ALICE, BOB):
        grown = path.stat().st_size + (1 << 20)
        process = start("generate", path, *run, **user(uid, GROUP))
        within(60, lambda grown=grown: (team / "c.db-lock").exists() and path.stat().st_size > grown)
        process.kill()
        finish(process, status=None)
        for file in team.iterdir():
            found = file.stat()
            assert found.st_gid == GROUP and stat.S_IMODE(found.st_mode) == 0o660, file
    records = info(path)["records"]
    generate(path, "--random", "20M", "--part", "1000/2000", **user(ALICE, GROUP))
    generate(path, "--random", "20M", "--part", "1001/2000", **user(BOB, GROUP))
    assert info(path)["records"] > records and [file.name for file in team.iterdir()] == ["c.db"]


@needs_root
def test_the_next_member_of_a_group_resumes_with_shards(place):
    team = directory(place / "team", 0o2775, gid=GROUP)
    run = ["--random", "3M", "--shard", "1M", "--jobs", "1", "--quiet", "--length", "20..30"]
    directory(team / "big", 0o2775, ALICE, GROUP)
    process = start("generate", f"{team}/big/", *run, **user(ALICE, GROUP))
    within(60, lambda: any(path.stat().st_size > 1 << 20 for path in team.glob("big/.*.db")))
    process.kill()
    finish(process, status=None)
    assert list(team.glob("big/.*.db-claim"))
    qorpus("generate", f"{team}/big/", *run, **user(BOB, GROUP))
    assert info(team / "big")["complete"] and not list(team.glob("big/.*"))


@needs_root
def test_root_leaves_files_to_the_owner(place):
    home = directory(place / "home", 0o755, ALICE)
    generate(home / "c.db", "--random", "20M", "--part", "1/2000", **user(ALICE))
    process = start("generate", home / "c.db", "--random", "20M", "--jobs", "1", "--quiet", "--force")
    within(60, lambda: (home / "c.db-lock").exists() and (home / "c.db").stat().st_size > 4 << 20)
    process.kill()
    finish(process, status=None)
    assert {file.stat().st_uid for file in home.iterdir()} == {ALICE}
    generate(home / "c.db", "--random", "20M", "--part", "1000/2000", **user(ALICE))


@needs_root
def test_readers_cannot_open_lock_files(place):
    path = place / "c.db"
    with package.Writer(path, gates=["h"], qubits=1) as writer:
        writer.append("h 0")
        writer.flush()
        path.chmod(0o644)
    with package.Writer(path) as writer:
        asked = subprocess.run(["cat", f"{path}-lock"], capture_output=True, text=True, check=False, **user(MALLORY))
        assert "Permission denied" in asked.stderr
        assert subprocess.run(["cat", path], capture_output=True, check=False, **user(MALLORY)).returncode == 0
        writer.append("h 0")
        assert writer.flush() == 1


@contextlib.contextmanager
def turn_of(path):
    """A process that has the write lock and does not give it back: its number."""
    # struct flock, and F_OFD_SETLK, of Linux with 64 bits.
    program = f"""
import fcntl, os, struct, time
lock = os.open({str(path) + "-lock"!r}, os.O_RDWR | os.O_CREAT, 0o600)
fcntl.fcntl(lock, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0))
print("mine", flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "mine\n"
            yield process
        finally:
            process.kill()


def test_a_wait_says_for_whom_and_ctrl_c_ends_it(corpus):
    generate(corpus, "--random", "100k", "--part", "0/2")
    before = content_hash(corpus)
    with turn_of(corpus) as holder:
        process = start("generate", corpus, "--random", "100k", "--quiet")
        said = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said += finish(process, status=130).stderr
    assert f"held by process {holder.pid} (python" in said and "the write lock" in said
    assert content_hash(corpus) == before
    generate(corpus, "--random", "100k")
    assert info(corpus)["complete"]


def test_every_waiting_writer_gets_the_lock_in_the_end(corpus):
    generate(corpus, "--random", "100k", "--part", "0/2")
    with turn_of(corpus) as holder:
        process = start("generate", corpus, "--random", "100k", "--quiet")
        said = process.stderr.readline()
        holder.kill()
        said += finish(process).stderr
    assert said.count("waiting for") == 1 and info(corpus)["complete"]


@pytest.mark.parametrize("act", ["opening", "flushing"])
def test_ctrl_c_ends_a_wait_in_python(corpus, act):
    program = f"""
import qorpus, sys, warnings
with qorpus.Writer({str(corpus)!r}, gates=["h"], qubits=1) as writer:
    writer.append("h 0")
    writer.flush()
    print("open", flush=True)
    sys.stdin.readline()
    writer.append("h 0")
    writer.flush()
"""
    pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    held = contextlib.ExitStack()
    if act == "opening":
        with package.Writer(corpus, gates=["h"], qubits=1):
            pass
        holder = held.enter_context(turn_of(corpus))
    with held, subprocess.Popen([sys.executable, "-c", program], text=True, **pipes) as process:
        if act == "flushing":
            assert process.stdout.readline() == "open\n"
            holder = held.enter_context(turn_of(corpus))
            process.stdin.write("\n")
            process.stdin.flush()
        # Until it says what it waits for, which it does on a line of its own.
        said = ""
        while "held by" not in said:
            assert process.poll() is None, said
            said += process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said += process.communicate(timeout=60)[1]
        assert "KeyboardInterrupt" in said and f"held by process {holder.pid}" in said and "panicked" not in said
    assert info(corpus)["records"] == (1 if act == "flushing" else 0)


def test_a_damaged_copy_is_fetched_again(buckets, place):
    """The damage is found by the check or by SQLite, in every way of reading."""
    path = buckets[0]
    expected = [package.open(path).recipe[id] for id in (0, 1_999)]

    def copy():
        (found,) = place.glob("cache/*/*.db")
        return found

    def zeros(content, start, end):
        content[start:end] = bytes(end - start)

    damages = {
        "a chunk": lambda content: zeros(content, 3 << 16, len(content)),
        "all pages but the first": lambda content: zeros(content, 1 << 16, len(content)),
        "the first page": lambda content: zeros(content, 100, 1 << 16),
        "the header": lambda content: zeros(content, 0, 100),
        "everything": lambda content: content.__setitem__(slice(None), os.urandom(len(content))),
    }
    reads = {
        "one": lambda corpus: corpus[0],
        "some": lambda corpus: corpus[[0, 1_999]],
        "circuits": lambda corpus: corpus.circuits([0, 1_999]),
        "unitaries": lambda corpus: corpus.unitaries(range(2_000)),
    }
    for damage, harm in damages.items():
        for read, act in reads.items():
            assert package.open(path)[0] == expected[0]
            opened = package.open(path)
            content = bytearray(copy().read_bytes())
            harm(content)
            copy().write_bytes(content)
            found = act(package.open(path))
            if read == "some":
                assert [record.circuit for record in found] == [record.circuit for record in expected], damage
            assert opened[[0, 1_999]] == expected, (damage, read)
            assert bytes(content) != copy().read_bytes(), (damage, read)
        content = bytearray(copy().read_bytes())
        harm(content)
        copy().write_bytes(content)
        (place / "out.csv").unlink(missing_ok=True)
        with described({"QORPUS_CACHE_SIZE": "30M"}):
            said = qorpus("export", path, place / "out.csv", "--quiet")
        assert "fetched again" in said.stderr and len((place / "out.csv").read_text().splitlines()) == 40_001, damage
        shutil.rmtree(place / "cache")
