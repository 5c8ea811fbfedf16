"""Messages of the command and the package when the system, the disk or a copy is at fault, and the
files that stay."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import pytest
from command import ENVIRONMENT, QORPUS, finish, generate, info, qorpus, snapshot, start

import qorpus as package

HUGE = "5_000_000_000_000_000"


@pytest.mark.parametrize("out", ["c.db", "c/", "staged/"])
def test_a_corpus_that_does_not_fit_is_not_begun(tmp_path, out):
    stage = ["--stage", tmp_path] if out == "staged/" else []
    shard = ["--shard", "1T"] if out.endswith("/") else []
    result = qorpus("generate", out, "--random", HUGE, *stage, *shard, status=1, cwd=tmp_path)
    free = os.statvfs(tmp_path)
    digits = [int(word.replace(",", "")) for word in result.stderr.split() if word.replace(",", "").isdigit()]
    assert len(digits) == 2 and digits[0] > digits[1], result.stderr
    # Others use the disk meanwhile.
    assert 0.5 < digits[1] / (free.f_bavail * free.f_frsize) < 2
    assert "--force" in result.stderr and snapshot(tmp_path) == {} and list(tmp_path.iterdir()) == []


def test_the_package_refuses_it_in_the_same_words(tmp_path):
    said = qorpus("generate", "c.db", "--random", HUGE, status=1, cwd=tmp_path).stderr
    with pytest.raises(package.Error) as raised:
        package.generate(tmp_path / "c.db", random=int(HUGE), progress=False)
    assert said.split("; free")[1].strip() == str(raised.value).split("; free")[1].strip()
    assert list(tmp_path.iterdir()) == []


def test_force_begins_all_the_same(tmp_path):
    corpus = tmp_path / "c.db"
    process = start("generate", corpus, "--random", HUGE, "--quiet", "--force")
    while not (corpus.exists() and corpus.stat().st_size > 2**20):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    finish(process, status=130)
    # An existing part resumes, or is refused again, by the bytes that are missing.
    assert "--force" in qorpus("generate", corpus, "--random", HUGE, status=1).stderr
    assert info(corpus)["records"] > 0


def test_a_part_without_work_says_so(tmp_path):
    for out, unit in [("d/", "1 shard for 64 parts"), ("c.db", "426 chunks for 1000 parts")]:
        part = "17/64" if out == "d/" else "0/1000"
        said = qorpus("generate", out, "--random", "100k", "--part", part, cwd=tmp_path).stdout
        assert f"part {part} has nothing to generate" in said and unit in said and "complete" not in said
        assert ("--shard" in said) == (out == "d/")
        with pytest.warns(package.QorpusWarning, match="has nothing to generate"):
            package.generate(f"{tmp_path}/{out}", random="100k", part=part, progress=False)


@pytest.mark.parametrize(
    "arguments", [["completions", "bash"], ["--help"], ["generate", "--help"], ["info", "c.db"], ["show", "c.db", *range(200)]]
)
def test_a_closed_pipe_is_no_failure(tmp_path, arguments):
    generate(tmp_path / "c.db", "--random", 1000)
    read, write = os.pipe()
    os.close(read)
    command = [str(QORPUS), *map(str, arguments)]
    result = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=ENVIRONMENT)
    os.close(write)
    assert result.stderr == "" and result.returncode == 0


def test_alternatives_are_named_together(tmp_path):
    generate(tmp_path / "c.db", "--random", 10)
    find = qorpus("find", tmp_path / "c.db", status=2).stderr
    assert "--circuit" in find and "--unitary" in find
    distinct = qorpus("distinct", tmp_path / "d.db", status=2).stderr
    assert "--max-length" in distinct and "--cost" in distinct


def test_one_is_not_many(tmp_path):
    assert "1 record in" in qorpus("generate", tmp_path / "c.db", "--random", 1).stdout
    assert "complete with 1 record;" in qorpus("generate", tmp_path / "c.db", "--random", 1).stdout
    assert "1 record intact" in qorpus("verify", tmp_path / "c.db").stdout
    assert "in a directory  1 shard\n" in qorpus("plan", "--random", 1).stdout
    assert "there is one, number 0" in qorpus("show", tmp_path / "c.db", 1, status=1).stderr


def test_missing_paths_are_named_by_their_kind(tmp_path):
    generate(tmp_path / "c.db", "--random", 10)
    (tmp_path / "circle.db").symlink_to("circle.db")
    for path, words in [
        ("c.db/x.db", "not a directory"),
        ("circle.db", "symbolic links"),
        ("x" * 300 + ".db", "name is too long"),
        ("no.db", "does not exist"),
        ("no/no.db", "the directory"),
    ]:
        said = qorpus("info", path, status=1, cwd=tmp_path).stderr
        assert words in said
        with pytest.raises(package.Error) as raised:
            package.open(tmp_path / path)
        assert words in str(raised.value)
        assert isinstance(raised.value, package.MissingFile) == path.startswith("no")


LIMITED = """
import resource, sys, qorpus
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
kept = []
try:
    for _ in range(60):
        kept.append(qorpus.open(sys.argv[1]))
        kept[-1][0]
except qorpus.Error as error:
    print(type(error).__name__, error)
"""


def test_too_many_open_files(tmp_path):
    generate(tmp_path / "c.db", "--random", 10)
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "c.db")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("Error ") and "too many open files" in said and "ulimit -n" in said


@pytest.mark.parametrize("kibibytes", [300, 5000])
def test_a_limit_on_sizes(tmp_path, kibibytes):
    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kibibytes << 10, kibibytes << 10))

    said = qorpus("generate", tmp_path / "c.db", "--random", "100k", "--quiet", status=1, preexec_fn=limited).stderr
    assert "file too large" in said and "ulimit -f" in said
    # With room it resumes.
    generate(tmp_path / "c.db", "--random", "100k")
    assert info(tmp_path / "c.db")["complete"]


def permission_denied(path) -> bool:
    """A process of another user gets the message, too."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            package.open(path)
        except package.PermissionDenied as error:
            status = 0 if "permission denied" in str(error) and isinstance(error, PermissionError) else 2
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="Linux lets only root change its user id")
def test_permissions():
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "private").mkdir(mode=0o700)
        generate(directory / "c.db", "--random", 10)
        shutil.copy(directory / "c.db", directory / "private")
        (directory / "c.db").chmod(0o600)
        assert permission_denied(directory / "c.db")
        assert permission_denied(directory / "private" / "c.db")


@pytest.fixture
def copy(tmp_path):
    """A file that was copied without its WAL while two writers had acknowledged records."""
    options = {"gates": ["h", "t"], "qubits": 1}
    writers = [package.Writer(tmp_path / "c.db", **options) for _ in range(2)]
    for writer in writers:
        writer.append("h 0")
        writer.flush()
    shutil.copy(tmp_path / "c.db", tmp_path / "copy.db")
    yield tmp_path / "copy.db"
    for writer in writers:
        writer.close()


def test_a_copy_without_its_wal_is_noticed(copy):
    for _ in range(2):
        said = qorpus("info", copy)
        assert "warning: " in said.stderr and "copy.db-wal, is not beside it" in said.stderr
        assert info(copy)["wal_missing"] is True
        verified = qorpus("verify", copy)
        assert "its WAL is missing" in verified.stdout and "clean" not in verified.stdout
        with pytest.warns(package.QorpusWarning, match="copy.db-wal, is not beside it"):
            package.open(copy)
    assert "accepted the file without its WAL" in qorpus("repair", copy).stdout
    assert "clean" in qorpus("verify", copy).stdout and info(copy)["wal_missing"] is False


def test_a_writer_warns_of_it_once(copy):
    with pytest.warns(package.QorpusWarning, match="committed records are missing"):
        package.Writer(copy).close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        package.Writer(copy).close()
        package.open(copy)


def test_files_in_use_raise_no_alarm(copy):
    original = copy.with_name("c.db")
    assert info(original)["wal_missing"] is False and qorpus("info", original).stderr == ""
    # A whole copy is one with its WAL.
    shutil.copy(original, copy.with_name("whole.db"))
    shutil.copy(f"{original}-wal", copy.with_name("whole.db-wal"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(package.open(copy.with_name("whole.db"))) == 2
    assert "clean" in qorpus("verify", copy.with_name("whole.db")).stdout


def test_the_last_reader_leaves_one_plain_file(tmp_path):
    path = tmp_path / "c.db"
    writers = [package.Writer(path, gates=["h"], qubits=1) for _ in range(2)]
    for writer in writers:
        writer.append("h 0")
        writer.flush()
    reader = package.open(path)
    assert len(reader) == 2
    for writer in writers:
        writer.close()
    del reader
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.db"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(package.open(path)) == 2


def test_a_killed_writer_raises_no_alarm(tmp_path):
    path = tmp_path / "c.db"
    code = (
        "import os, sys, qorpus\n"
        "w = [qorpus.Writer(sys.argv[1], gates=['h'], qubits=1) for _ in range(2)]\n"
        "for one in w: one.append('h 0'); one.flush()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert qorpus("info", path).stderr == "" and info(path)["records"] == 2
    assert info(path)["wal_missing"] is False and "clean" in qorpus("verify", path).stdout


@pytest.mark.parametrize("arguments", [
    ["info", "pipe"], ["verify", "pipe"], ["show", "pipe", "0"], ["export", "pipe", "c.csv"], ["merge", "m.db", "pipe"],
    ["find", "pipe", "--circuit", "h 0"], ["repair", "pipe"], ["generate", "pipe", "--random", "10"],
    ["distinct", "pipe", "--gates", "h,t", "--qubits", "1", "--max-length", "2"],
], ids=lambda arguments: arguments[0])  # fmt: skip
def test_a_pipe_is_not_waited_for(tmp_path, arguments):
    os.mkfifo(tmp_path / "pipe")
    result = qorpus(*arguments, status=1, cwd=tmp_path)
    assert "pipe is not a regular file" in result.stderr


@pytest.mark.parametrize("name, said", [("loop", "symbolic links"), ("n" * 300, "too long")])
def test_seal_names_the_error_of_the_system(tmp_path, name, said):
    (tmp_path / "loop").symlink_to("loop")
    assert said in qorpus("seal", name, status=1, cwd=tmp_path).stderr


def killed(path):
    """A corpus with records, beside the lock file that a killed writer leaves."""
    generate(path, "--random", "2000")
    Path(f"{path}-lock").touch()


def test_reading_after_a_killed_writer_leaves_a_file_that_may_be_copied(tmp_path):
    path, copy = tmp_path / "c.db", tmp_path / "copy.db"
    killed(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            assert len(package.open(path)) == 2000
            shutil.copy(path, copy)
            assert package.open(copy)[1999].id == 1999
            assert "clean" in qorpus("verify", copy).stdout
            copy.unlink()


def test_a_missing_wal_beside_the_lock_of_a_killed_writer_is_warned_of(tmp_path):
    path, left = tmp_path / "c.db", tmp_path / "left.db"
    writers = [package.Writer(path, gates=["h"], qubits=1) for _ in range(2)]
    for writer in writers:
        writer.append("h 0")
        writer.flush()
    shutil.copy(path, left)
    Path(f"{left}-lock").touch()
    with pytest.warns(package.QorpusWarning, match="left.db-wal, is not beside it"):
        package.open(left)
    assert "WAL is missing" in qorpus("verify", left).stdout
    assert "accepted the file without its WAL" in qorpus("repair", left).stdout and qorpus("info", left).stderr == ""
    for writer in writers:
        writer.close()
