"""Sharded corpora: many processes without a coordinator, some killed; hostile manifests; reading
like one file."""

import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import qorpus as package
import xxhash
from command import PATIENCE, QORPUS, ROOT, content_hash, finish, generate, info, integrity, qorpus, show, start

# Long circuits make small chunks: about a hundred shards, more than a reader keeps open.
RECIPE = "--gates h,s,t --qubits 1 --random 100000 --length 200..300 --no-unitaries".split()
SHARD = ["--shard", "1"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One file with all records."""
    path = tmp_path_factory.mktemp("whole") / "c.db"
    generate(path, *RECIPE)
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A complete directory of shards. Tests do not change it."""
    path = tmp_path_factory.mktemp("finished") / "big"
    generate(f"{path}/", *RECIPE, *SHARD)
    return path


@pytest.fixture
def big(tmp_path, finished):
    """A directory of shards to do harm to."""
    path = tmp_path / "big"
    subprocess.run(["cp", "-r", finished, path], check=True)
    return path


def shards(path):
    return sorted(path.glob("[0-9]*.db"))


def visible(path):
    return sorted(entry.name for entry in path.iterdir() if not entry.name.endswith(".db"))


def test_a_directory_is_one_corpus_for_every_command(finished, whole, tmp_path):
    facts, of_file = info(finished), info(whole)
    assert facts["path"] == str(finished) and facts["complete"]
    for key in ["records", "expected", "content_hash", "recipe", "recipe_hash", "alphabet", "format_version"]:
        assert facts[key] == of_file[key], key
    assert facts["bytes"] == sum(shard.stat().st_size for shard in shards(finished))
    ids = [0, 7, 54_321, 99_999, 7]
    for one, other in zip(show(finished, ids), show(whole, ids), strict=True):
        assert (one.circuit, one.labels) == (other.circuit, other.labels) and np.array_equal(one.unitary, other.unitary)
    assert "clean" in qorpus("verify", finished, "--sample", "0.01", "--quiet").stdout
    for ending in ["npy", "csv"]:
        qorpus("export", finished, tmp_path / f"many.{ending}", "--quiet")
        qorpus("export", whole, tmp_path / f"one.{ending}", "--quiet")
        assert (tmp_path / f"many.{ending}").read_bytes() == (tmp_path / f"one.{ending}").read_bytes()
    refused = qorpus("show", finished, 100_000, status=1)
    assert "there is no record 100000" in refused.stderr
    for command in [["merge", finished, whole], ["find", finished, "--circuit", "h 0"]]:
        assert "name a file" in qorpus(*command, status=1).stderr


def test_each_shard_is_an_ordinary_corpus_with_a_receipt(finished, whole):
    manifest = json.loads((finished / "manifest.json").read_text())
    assert visible(finished) == ["manifest.json", "receipts"]
    assert len(manifest["shards"]) == len(shards(finished)) > 64
    for shard, listed in zip(shards(finished), manifest["shards"], strict=True):
        assert shard.name == f"{listed['first_id']:012}-{listed['end_id']:012}.db"
        receipt = json.loads((finished / "receipts" / f"{shard.stem}.json").read_text())
        assert receipt["xxh128"] == listed["xxh128"] == xxhash.xxh3_128_hexdigest(shard.read_bytes())
        assert receipt["content_hash"] == listed["content_hash"] == content_hash(shard)
    assert integrity(shards(finished)[3]) == "ok"
    sums = sum(int(shard["content_hash"], 16) for shard in manifest["shards"]) % 2**128
    assert f"{sums:032x}" == manifest["content_hash"] == content_hash(whole)
    text = (finished / "manifest.json").read_bytes()
    body, check = text.split(b'"check":')
    assert json.loads(b"{" + b'"check":' + check)["check"] == xxhash.xxh3_128_hexdigest(body)


def test_64_processes_of_which_a_third_is_killed(tmp_path, whole, chance):
    """No coordinator: each process has a part; those that are killed run again."""
    path, recipe = tmp_path / "big", [*RECIPE, *SHARD]
    parts = list(range(64))
    chance.shuffle(parts)

    def run(part):
        process = start("generate", f"{path}/", *recipe, "--part", f"{part}/64", "--jobs", "1", "--quiet")
        if part % 3 == 0:
            time.sleep(chance.random() * 0.2)
            process.send_signal(signal.SIGKILL)
        return finish(process, status=None).returncode

    with ThreadPoolExecutor(16) as pool:
        statuses = dict(zip(parts, pool.map(run, parts), strict=True))
    killed = [part for part, status in statuses.items() if status]
    assert all(statuses[part] == -signal.SIGKILL and part % 3 == 0 for part in killed)
    sealed = json.loads(qorpus("seal", path, "--json", status=None).stdout)
    assert sealed["complete"] == (not sealed["missing"])
    # Some are done already: a task that runs twice does no harm.
    again = killed + parts[:5]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda part: generate(path, *recipe, "--part", f"{part}/64", "--jobs", "1"), again))
    assert "complete" in qorpus("seal", path).stdout
    assert content_hash(path) == content_hash(whole)
    assert "clean" in qorpus("verify", path, "--sample", "0.1", "--quiet").stdout
    # Drafts of the killed are gone.
    assert visible(path) == ["manifest.json", "receipts"] and not list(path.glob(".*"))


def test_the_script_for_slurm(tmp_path, chance):
    """As Slurm would run its tasks, one of them twice."""
    script = ROOT / "examples" / "generate.sbatch"
    (array,) = [line for line in script.read_text().splitlines() if line.startswith("#SBATCH --array=")]
    assert array == "#SBATCH --array=0-999%100" and "PARTS:-1000" in script.read_text()
    told = {"DIR": f"{tmp_path}/big/", "STAGE": str(tmp_path / "node" / "stage"), "RECORDS": "30k", "PARTS": "3", "SRUN": "env"}
    path = f"{QORPUS.parent}:{os.environ['PATH']}"
    for task in chance.sample(range(3), 3) + [0]:
        environment = {**os.environ, **told, "PATH": path, "SLURM_ARRAY_TASK_ID": str(task)}
        done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
    assert json.loads(qorpus("seal", tmp_path / "big", "--json").stdout)["complete"]
    assert info(tmp_path / "big")["records"] == 30_000 and not list(tmp_path.rglob("qorpus-*"))


def test_processes_without_parts_share_the_shards(tmp_path, whole, chance):
    path, recipe = tmp_path / "big", [*RECIPE, "--shard", "8000", "--jobs", "1", "--quiet"]
    processes = [start("generate", f"{path}/", *recipe) for _ in range(6)]
    time.sleep(chance.random() * 0.2)
    for process in processes[:3]:
        process.send_signal(signal.SIGKILL)
    for process in processes[:3]:
        finish(process, status=None)
    for process in processes[3:]:
        finish(process)
    assert content_hash(path) == content_hash(whole) and info(path)["complete"]
    assert not list(path.glob(".*"))


def test_an_interrupted_generation_resumes(tmp_path):
    path = tmp_path / "big"
    recipe = "--qubits 4 --length 600..800 --dtype complex64 --random 40000 --shard 8000".split()
    process = start("generate", f"{path}/", *recipe, "--jobs", "1")
    deadline = time.monotonic() + PATIENCE
    while not shards(path) if path.exists() else True:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = finish(process, status=None)
    assert said.returncode in (0, 130)
    if said.returncode == 130:
        assert "run the same command again" in said.stdout
        assert "incomplete" in qorpus("seal", path, status=1).stdout
    generate(path, *recipe)
    assert info(path)["complete"]


def test_shards_that_do_not_belong_together_are_refused(finished, tmp_path):
    other = [*RECIPE, "--seed", "1"]
    said = qorpus("generate", finished, *other, status=1).stderr
    assert "seed 0" in said and "seed 1" in said
    said = qorpus("generate", finished, *RECIPE, "--shard", "50000", status=2).stderr
    assert "leave the shard size out (--shard" in said
    said = qorpus("generate", tmp_path / "c.db", *RECIPE, "--stage", tmp_path, status=2).stderr
    assert "need a directory" in said and not (tmp_path / "c.db").exists()
    (tmp_path / "mine.txt").write_text("precious")
    assert "mine.txt" in qorpus("generate", tmp_path, *RECIPE, status=1).stderr
    assert "too many" in qorpus("generate", f"{tmp_path}/x/", "--random", "1T", "--shard", "1", status=2).stderr
    assert not (tmp_path / "x").exists()
    assert "no manifest.json" in qorpus("seal", tmp_path, status=1).stderr
    for command in ["seal", "verify", "repair"]:
        assert "does not exist" in qorpus(command, tmp_path / "no", status=1).stderr
    for command in ["info", "verify", "repair"]:
        assert "holds no corpora" in qorpus(command, tmp_path, status=2).stderr
    with pytest.raises(package.InvalidArgument, match="open it alone"):
        package.open([finished, finished])


def test_only_lost_and_damaged_shards_are_made_again(big, chance):
    files, before = shards(big), content_hash(big)
    lost, damaged, renamed = chance.sample(range(len(files)), 3)
    files[lost].unlink()
    content = bytearray(files[damaged].read_bytes())
    content[len(content) // 2] ^= 1
    files[damaged].write_bytes(content)
    other = next(number for number in range(len(files)) if number not in (lost, damaged, renamed))
    files[renamed].write_bytes(files[other].read_bytes())
    said = qorpus("verify", big, "--sample", "0", "--quiet", status=1).stdout
    assert "missing, although the manifest lists it" in said and "qorpus repair" in said
    corpus = package.open(big)
    with pytest.raises(package.Error, match="qorpus repair"):
        corpus[json.loads((big / "manifest.json").read_text())["shards"][lost]["first_id"]]
    times = {file: file.stat().st_mtime_ns for file in shards(big)}
    assert "clean" in qorpus("repair", big, "--sample", "0", "--quiet").stdout
    assert content_hash(big) == before
    changed = {file for file in shards(big) if times.get(file) != file.stat().st_mtime_ns}
    assert changed == {files[lost], files[damaged], files[renamed]}
    assert "clean" in qorpus("verify", big, "--sample", "0.1", "--quiet").stdout


def test_sealing_removes_drafts_of_dead_processes(big):
    name = shards(big)[3].stem
    left = [f".manifest.json.{'0' * 16}", f".{name}.db.{'1' * 16}", f".{name}.db", f"receipts/.{name}.json.{'2' * 16}"]
    for draft in left:
        (big / draft).write_text("half of it")
    before = content_hash(big)
    qorpus("seal", big)
    assert not [path for path in big.rglob(".*")] and content_hash(big) == before


def test_a_lost_manifest_is_found_again(big, whole):
    (big / "manifest.json").unlink()
    assert "no manifest.json" in qorpus("seal", big, status=1).stderr
    said = qorpus("generate", big, *RECIPE, *SHARD).stdout
    assert "nothing to do" in said and content_hash(big) == content_hash(whole)


HOSTILE = {
    "empty": "",
    "no JSON": "\x1b[2J",
    "another JSON": "[1]",
    "a later version": '{"qorpus_manifest": 2}',
    "deep": "[" * 100_000,
    "long": " " * (1 << 20),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_manifest_is_refused(big, text):
    (big / "manifest.json").write_text(text)
    for command in [["info"], ["show", 0], ["verify"], ["repair"], ["seal"], ["generate", *RECIPE]]:
        said = qorpus(command[0], big, *command[1:], status=1).stderr
        assert "manifest.json" in said and "\x1b[2J" not in said


def test_a_manifest_that_lies_is_refused(big):
    """Each manifest has a check that fits: the author of a manifest can write that, too."""
    manifest = big / "manifest.json"
    text = manifest.read_text()

    def lie(change):
        body = change(text[: text.rindex('"check":"')])
        manifest.write_text(f'{body}"check":"{xxhash.xxh3_128_hexdigest(body.encode())}"}}\n')
        return qorpus("info", big, status=None)

    assert lie(lambda body: body).returncode == 0
    size = json.loads(text)["shard_records"]
    second = f'"first_id":{size},"end_id":{2 * size}'
    lies = [
        lambda body: body.replace(second, f'"first_id":0,"end_id":{size}'),
        lambda body: body.replace(second, f'"first_id":{size + 1},"end_id":{2 * size}'),
        lambda body: body.replace(second, '"first_id":18446744073709551615,"end_id":18446744073709551615'),
        lambda body: body.replace('"shard_records":', '"shard_records":1'),
        lambda body: body.replace('"shard_records":', '"shard_records":0,"x":'),
        lambda body: body.replace('"seed":0', '"seed":1'),
        lambda body: body.replace('"records":100000', '"records":100001'),
        lambda body: body.replace('"content_hash":"', '"content_hash":"\\u0000', 1),
    ]
    for change in lies:
        said = lie(change)
        assert said.returncode == 1 and "manifest.json" in said.stderr, said
    # Damage that no check detects is found when shards are read.
    bytes_of = f'"bytes":{shards(big)[0].stat().st_size}'
    total = f'"bytes":{sum(shard.stat().st_size for shard in shards(big))},\n'
    less = int(total.split(":")[1][:-2]) - 1
    one_less = f'"bytes":{shards(big)[0].stat().st_size - 1}'
    assert lie(lambda body: body.replace(bytes_of, one_less, 1).replace(total, f'"bytes":{less},\n')).returncode == 0
    assert "instead of" in qorpus("show", big, 0, status=1).stderr


def test_links_and_pipes_are_left_alone(big):
    manifest = big / "manifest.json"
    manifest.unlink()
    os.mkfifo(manifest)
    for command in [["info"], ["verify"], ["seal"], ["generate", *RECIPE]]:
        assert "not a regular file" in qorpus(command[0], big, *command[1:], status=1).stderr


def test_python_reads_and_makes_directories(tmp_path, whole, finished):
    corpus, one = package.open(finished), package.open(whole)
    assert len(corpus) == len(one) == 100_000 and corpus.paths == [str(finished)]
    assert corpus.complete and corpus.content_hash == one.content_hash
    ids = np.random.default_rng(5).integers(0, len(corpus), 5_000)
    assert np.array_equal(corpus.unitaries(ids), one.unitaries(ids))
    assert corpus.circuits(ids[:100]) == one.circuits(ids[:100]) and corpus[-1] == one[-1]
    assert pickle.loads(pickle.dumps(corpus))[123] == one[123]
    query = "select count(*), sum(length), sum(count_t) from records where id between 20000 and 70000"
    assert list(corpus.sql(query)) == list(one.sql(query))
    path = f"{tmp_path}/big/"
    said = []
    made = package.generate(
        path, corpus.recipe, shard="20k", stage=tmp_path, part=(0, 2), progress=lambda *numbers: said.append(numbers)
    )
    assert not made.complete and said[-1][0] == said[-1][1] < 100_000
    # A corpus is what is listed, also for a query.
    with pytest.raises(package.MissingRecord, match="not generated yet"):
        made[0]
    assert made.present()[0] == one[0] and list(made.sql("select count(*) from records"))[0][0] == 0
    sealed = package.seal(path)
    assert not sealed["complete"] and sealed["records"] == said[-1][1] and sealed["missing"]
    assert made[0] == one[0]
    assert list(made.sql("select count(*) from records"))[0][0] == sealed["records"]
    package.generate(path, corpus.recipe, progress=False)
    assert package.seal(path)["complete"] and made.content_hash == one.content_hash


def test_threads_and_forks_read_directories(finished, whole):
    """More shards than stay open, by several threads, and in a child."""
    corpus, one = package.open(finished), package.open(whole)
    ids = np.random.default_rng(1).integers(0, len(corpus), 400)
    expected = [record.circuit for record in one[ids]]

    def read(shift):
        order = np.roll(np.arange(len(ids)), shift)
        return all(corpus[int(ids[place])].circuit == expected[place] for place in order)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))
    child = os.fork()
    if child == 0:
        os._exit(0 if read(3) else 1)
    assert os.waitpid(child, 0)[1] == 0 and read(4)


def test_damage_in_a_mapped_shard_is_not_believed(big, whole, tmp_path):
    """Each record is right, or an error says that it is not, wherever a bit has changed."""
    one = package.open(whole)
    listed = json.loads((big / "manifest.json").read_text())["shards"]
    known, file = listed[0]["first_id"], shards(big)[5]
    first, end = listed[5]["first_id"], listed[5]["end_id"]
    intact, right, refused = file.read_bytes(), 0, 0
    for at in range(0, len(intact), 4_999):
        content = bytearray(intact)
        content[at] ^= 0x10
        file.write_bytes(content)
        corpus = package.open(big)
        # SQLite reads this one, and the other has its layout.
        assert corpus[known] == one[known]
        for id in range(first, end, 97):
            try:
                assert corpus[id] == one[id], at
                right += 1
            except package.Error:
                refused += 1
    assert right and refused
    # A shard of another recipe.
    other = tmp_path / "other"
    generate(f"{other}/", *RECIPE, "--seed", "1", *SHARD)
    content = shards(other)[5].read_bytes()
    file.write_bytes(content)
    assert listed[5]["bytes"] == len(content)
    corpus = package.open(big)
    assert corpus[known] == one[known]
    with pytest.raises(package.Error, match="seed 1"):
        corpus[first]


def test_a_repaired_shard_is_read_anew(big, whole):
    corpus, one = package.open(big), package.open(whole)
    first = json.loads((big / "manifest.json").read_text())["shards"][7]["first_id"]
    assert corpus[0] == one[0] and corpus[first] == one[first]
    file = shards(big)[7]
    content = bytearray(file.read_bytes())
    connection = sqlite3.connect(file)
    (circuits,) = connection.execute("select circuits from chunks").fetchone()
    connection.close()
    at = content.index(circuits[:1000])
    content[at : at + 1000] = bytes(1000)
    file.unlink()
    file.write_bytes(content)
    time.sleep(0.1)
    with pytest.raises(package.Error, match="qorpus repair"):
        corpus[first]
    qorpus("repair", big, "--sample", "0", "--quiet")
    time.sleep(0.1)
    assert corpus[first] == one[first]


def test_memory_and_files_stay_bounded(tmp_path):
    """Many more shards than stay open."""
    path = tmp_path / "big"
    recipe = "--gates h,s,t --qubits 1 --random 300k --length 200..300 --no-unitaries".split()
    generate(f"{path}/", *recipe, "--shard", "1", "--durability", "off")
    program = f"""
import os, qorpus
corpus = qorpus.open({str(path)!r})
files = lambda: len(os.listdir("/proc/self/fd"))
before = files()
for k in range(2000):
    corpus[k * 7919 % len(corpus)]
# Published shards are mapped, and take no descriptors.
assert files() - before < 10, files()
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert int(said.stdout) < 300_000
