"""Limits of the system, and texts that ask for more than there is: each ends in an error that says
so, never in an abort."""

import json
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import qorpus as package
import xxhash
from command import ENVIRONMENT, PATIENCE, QORPUS, generate, qorpus

GIB = 1 << 30


def limited(stack: int, *arguments, memory: int | None = None) -> subprocess.CompletedProcess:
    """Runs the command with threads that each want so much memory, of which there may be little."""

    def limit():
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    done = subprocess.run(
        [str(QORPUS), *map(str, arguments)],
        env=ENVIRONMENT | {"RUST_MIN_STACK": str(stack)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        preexec_fn=limit,
    )
    assert "panicked" not in done.stderr and done.returncode >= 0, done.stderr
    return done


JOBS = [
    ["generate", "new.db", "--random", "3000"],
    ["generate", "shards/", "--random", "3000"],
    ["distinct", "new.db", "--gates", "h,t", "--qubits", 1, "--max-length", 4],
    ["verify", "there.db"],
    ["verify", "levels.db"],
    ["repair", "there.db"],
]


@pytest.fixture
def there(tmp_path):
    generate(tmp_path / "there.db", "--random", 3000)
    qorpus("distinct", tmp_path / "levels.db", "--gates", "h,t", "--qubits", 1, "--max-length", 4, "--quiet")
    return tmp_path


@pytest.mark.parametrize("job", JOBS, ids=lambda job: "-".join(map(str, job[:2])))
def test_without_a_thread_there_is_an_error(there, job):
    done = limited(1 << 60, job[0], there / job[1] if not job[1].endswith("/") else f"{there / job[1]}/", *job[2:])
    assert done.returncode == 1 and "no thread can be started" in done.stderr and "ulimit -u" in done.stderr


@pytest.mark.parametrize("job", JOBS, ids=lambda job: "-".join(map(str, job[:2])))
def test_a_job_runs_with_fewer_threads(there, job):
    """Stacks of 1 GiB, and room for two of them: the handler of Ctrl-C has one, and one worker the
    other."""
    path = there / job[1] if not job[1].endswith("/") else f"{there / job[1]}/"
    done = limited(GIB, job[0], path, *job[2:], "--jobs", 8, memory=3 * GIB)
    assert done.returncode == 0, done.stderr
    assert "of 8 threads can be started" in done.stderr or "verify" in job or "distinct" in job
    assert done.stderr.count("threads can be started") <= 1
    assert qorpus("verify", path)


PLAN = """
import qorpus
rows = qorpus.Recipe(random=10**7).unitaries(slice(2_000_000))
assert rows.shape == (2_000_000, 4, 4)
"""


def test_reading_needs_no_threads():
    """If no thread can be started, the calling thread reads all shares."""
    environment = ENVIRONMENT | {"RUST_MIN_STACK": str(1 << 60)}
    done = subprocess.run([sys.executable, "-c", PLAN], env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


MEMORY = """
import resource, sys, qorpus
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
recipe = qorpus.Recipe(random=2**63 - 1)
try:
    eval(sys.argv[1])
except MemoryError as error:
    assert isinstance(error, qorpus.Error), error
    print("refused:", error)
assert len(recipe.circuits(slice(5))) == len(recipe[:5]) == 5
"""

TOO_MANY = [
    f"recipe.{what}(slice(0, 2**{bits}))"
    for what in ["circuits", "letters_array", "labels", "unitaries", "pairs", "__getitems__"]
    for bits in [62, 33, 28, 24]
]


@pytest.mark.parametrize("read", [*TOO_MANY, "recipe[:2**62]", "recipe.circuits(range(2**62))", "recipe.circuits(slice(None))"])
def test_more_records_than_memory_are_a_memory_error(read):
    """Never the end of the process, whatever of a record is asked for, and whichever allocation
    would be the last one."""
    done = subprocess.run([sys.executable, "-c", MEMORY, read], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused:") and "do not fit in memory" in done.stdout


def test_circuits_in_pieces_are_those_of_the_ids():
    """More than are read at once: what is put together is in order, for runs and for lists."""
    recipe = package.Recipe(gates="h,t", qubits=1, random=3_000_000, length=(0, 9))
    numbers = recipe.letters_array(slice(500, 2_600_500))
    assert len(numbers) == 2_600_000
    places = np.array([0, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (2 << 20) - 1, 2 << 20, 2_599_999])
    few = recipe.letters_array(places + 500)
    assert (numbers[places][:, : few.shape[1]] == few).all() and (numbers[places][:, few.shape[1] :] == -1).all()
    backwards = recipe.letters_array(np.arange(2_600_499, 499, -1))
    assert (backwards[::-1] == numbers).all()


def test_the_last_record_of_the_largest_corpus():
    """2^63 - 1 records end within a block of a split; its places are counted from both ends."""
    recipe = package.Recipe(random=2**63 - 1)
    seen = []
    for split in recipe.split(train=0.8, test=0.2).values():
        last = split[-1]
        assert last.id == split.ids([-1])[0] == split.ids([len(split) - 1])[0] < 2**63 - 1
        assert split.contains([last.id]).all() and split.ids(slice(-3, None)).tolist()[-1] == last.id
        with pytest.raises(IndexError):
            split[len(split)]
        seen.append(last.id)
    assert max(seen) == 2**63 - 2
    assert recipe[-1].id == 2**63 - 2


BOMBS = {
    "recipe": ('"recipe":{', lambda found, size: found + '"x":[' + "[]," * (size // 3) + "0],"),
    "numbers": ('"recipe":{', lambda found, size: found + '"x":[' + "0," * (size // 2) + "0],"),
    "gates": ('"gates":[', lambda found, size: found + '"h",' * (size // 4)),
    "matrix": ('"gates":[', lambda found, size: found + '{"name":"g","qubits":1,"matrix":[' + "[]," * (size // 3) + "[]]},"),
    "field": ('"gates":[', lambda found, size: found + '{"name":"g","x":[' + "0," * (size // 2) + "0]},"),
    "shards": ('"shards":[', lambda found, size: found + '{"first_id":0,"end_id":1,"content_hash":"","bytes":0,"xxh128":""},' * (size // 68)),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_large_manifest_takes_no_more_memory_than_its_text(tmp_path, bomb):
    """120 MB, with a check that fits, in 700 MB of addresses, of which the program itself takes
    some."""
    generate(f"{tmp_path}/d/", "--random", 3000)
    manifest = tmp_path / "d" / "manifest.json"
    text, (place, change) = manifest.read_text(), BOMBS[bomb]
    body = text[: text.rindex('"check":"')]
    assert json.loads(text) and place in body
    body = body.replace(place, change(place, 120_000_000), 1)
    manifest.write_text(f'{body}"check":"{xxhash.xxh3_128_hexdigest(body.encode())}"}}\n')

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    said = qorpus("info", tmp_path / "d", status=1, preexec_fn=limit).stderr
    assert "manifest.json" in said and len(said) < 2000


@pytest.mark.parametrize("ending", ["npy", "csv", "parquet", "qasm"])
def test_a_limit_on_the_sizes_of_files(tmp_path, ending):
    """SIGXFSZ ends a process unless it ignores it."""
    generate(tmp_path / "c.db", "--random", 20_000)

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100 << 10, 100 << 10))

    said = qorpus("export", tmp_path / "c.db", tmp_path / f"x.{ending}", status=1, preexec_fn=limit).stderr
    assert "file too large" in said and "ulimit -f" in said
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("x")] == []


def test_environments_that_do_not_fit_in_memory_are_an_error():
    """Half a GiB of residuals under a limit of 2 GiB fits; 16 GiB do not."""
    code = """
import resource
import qorpus.gym
resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))
for options in ({"gates": "h,cx", "qubits": 8}, {"gates": "h,t", "max_steps": 65_535}):
    try:
        qorpus.gym.VectorEnv(16_384, observation="none", **options)
    except qorpus.Error as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0 and done.stdout.count("not enough memory for their residuals and letters") == 1, done
