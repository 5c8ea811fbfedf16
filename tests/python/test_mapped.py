"""Mapped files that someone truncates, or writes over, while they are read: errors or right
records, never the end of the process."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import qorpus as package
from command import PATIENCE, QORPUS, generate

# A reader that has died without a word is not to take the tests with it, so all of this runs in
# processes of its own.
READS = """
    import contextlib, faulthandler, os, sys, threading, time
    import numpy as np
    import qorpus

    faulthandler.enable()
    path, files = sys.argv[1], sys.argv[2:]
    good = [open(file, "rb").read() for file in files]

    def spoil(size):
        for file in files:
            os.truncate(file, size)

    def restore():
        # As `cp` does it: the file is empty first.
        for file, whole in zip(files, good):
            with open(file, "wb") as out:
                out.write(whole)

    def refused(read, first=False):
        try:
            read()
        except qorpus.Error as error:
            # The second sentence is of a file that is opened anew, the third of a shard.
            said = ["was truncated or overwritten while it was being read", "is truncated: it ends after", "bytes instead of"]
            assert any(words in str(error) for words in said[: 1 if first else 3]), error
            assert ".db" in str(error)
        else:
            raise AssertionError("nothing was refused")

    def opened():
        # Chunks at both ends were looked up, and are mapped.
        corpus = qorpus.open(path)
        corpus[0], corpus[len(corpus) - 1], corpus.unitaries([1, len(corpus) - 2])
        return corpus

    everything = opened().unitaries(slice(None))
    length = len(everything)
    some = np.random.default_rng(0).integers(0, length, 5000)
"""


def run(source: str, path, expected: int = 0) -> str:
    files = sorted(path.glob("*.db")) if path.is_dir() else [path]
    source = textwrap.dedent(READS) + textwrap.dedent(source)
    command = [sys.executable, "-c", source, str(path), *map(str, files)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == expected, result.stderr
    return result.stderr


@pytest.fixture(scope="module", params=["file", "shards", "appended", "derived"])
def path(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("mapped") / ("c" if request.param == "shards" else "c.db")
    if request.param == "appended":
        with package.Writer(path, gates=["h", "t"], qubits=1) as writer:
            writer.extend([["h", "t"] * (k % 5) for k in range(40_000)])
    else:
        more = {"shards": ["--shard", "10k"], "derived": ["--no-unitaries"]}.get(request.param, [])
        generate(f"{path}/" if request.param == "shards" else path, "--random", "40k", "--qubits", "2", *more)
    return path


def test_reading_a_cut_file_is_an_error_until_it_is_whole_again(path):
    run(
        """
        reads = [
            lambda corpus: corpus[length - 1],
            lambda corpus: corpus.unitaries(some),
            lambda corpus: corpus.unitaries(slice(None)),
            lambda corpus: corpus.circuits(slice(None)),
            lambda corpus: list(corpus),
            lambda corpus: corpus.sql("SELECT max(length) FROM records").fetchall(),
        ]
        for size in [0, 65_536, 65_537, 140_000]:
            for read in reads:
                corpus = opened()
                spoil(size)
                # Several threads may open a shard once more.
                refused(lambda: read(corpus), first=read is reads[0] or not os.path.isdir(path))
                restore()
                assert (corpus.unitaries(some) == everything[some]).all()
        """,
        path,
    )


def test_threads_and_forks_get_the_error_too(path):
    run(
        """
        corpus, errors = opened(), []
        def thread():
            try:
                corpus.unitaries(np.arange(length)[::-1])
            except qorpus.Error as error:
                errors.append(error)
        spoil(65_536)
        threads = [threading.Thread(target=thread) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert len(errors) == 8
        restore()
        corpus.unitaries(some)
        child = os.fork()
        if child == 0:
            corpus.unitaries(some)
            spoil(65_536)
            refused(lambda: corpus.unitaries(slice(None)))
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        refused(lambda: corpus.unitaries(slice(None)))
        restore()
        """,
        path,
    )


def test_a_copy_over_the_file_is_an_error_or_right(path):
    """Again and again the same bytes are written where readers read."""
    run(
        """
        corpus, end = opened(), time.monotonic() + 3
        def copy():
            while time.monotonic() < end:
                restore()
                time.sleep(0.01)
        def read(seed):
            ids = np.random.default_rng(seed).integers(0, length, 64)
            with contextlib.suppress(qorpus.Error):
                assert (corpus.unitaries(ids) == everything[ids]).all()
                return 1
            return 0
        thread, right, seed = threading.Thread(target=copy), 0, 0
        thread.start()
        while thread.is_alive():
            right, seed = right + read(seed), seed + 1
        assert right > 0
        assert read(0) == 1
        """,
        path,
    )


@pytest.mark.parametrize("command", [["verify"], ["export", "OUT"]])
def test_commands_whose_file_is_cut_fail_with_a_sentence(tmp_path, command):
    path = tmp_path / "c.db"
    generate(path, "--random", "400k", "--qubits", "2")
    name, *rest = command
    rest = [str(tmp_path / "out.npy") for _ in rest]
    begun = subprocess.Popen([QORPUS, name, path, *rest], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    maps = Path(f"/proc/{begun.pid}/maps")
    # Some way on: it has mapped the file and read of it.
    while str(path) not in maps.read_text():
        assert begun.poll() is None
        time.sleep(0.001)
    time.sleep(0.05)
    begun.send_signal(signal.SIGSTOP)
    os.truncate(path, 65_536)
    begun.send_signal(signal.SIGCONT)
    said, _ = begun.communicate(timeout=PATIENCE)
    assert begun.returncode == 1, said
    assert "was truncated or overwritten while it was being read" in said


def test_handlers_of_others_do_not_stand_in_the_way(corpus):
    """PyTorch puts its own handler into each worker of a loader."""
    pytest.importorskip("torch")
    generate(corpus, "--random", "40k", "--qubits", "2")
    run(
        """
        import torch
        corpus = opened()
        torch.utils.data._utils.signal_handling._set_worker_signal_handlers()
        time.sleep(0.05)
        spoil(65_536)
        refused(lambda: corpus.unitaries(slice(None)))
        """,
        corpus,
    )


def test_the_signal_is_handled_as_before_for_other_files(corpus):
    generate(corpus, "--random", "40k", "--qubits", "2")
    others = """
        import mmap
        corpus = opened()
        with open(path + "-other", "w+b") as file:
            file.write(bytes(100_000))
            file.flush()
            memory = mmap.mmap(file.fileno(), 0)
            file.truncate(0)
            corpus.unitaries(some)
            memory[50_000]
    """
    assert "Bus error" in run(others, corpus, -signal.SIGBUS)
    sent = """
        corpus = opened()
        os.kill(os.getpid(), 7)
        time.sleep(60)
    """
    assert "Bus error" in run(sent, corpus, -signal.SIGBUS)


def test_an_interrupt_during_the_first_read_is_an_interrupt(corpus):
    """Names that NumPy would look up during the first read are looked up before."""
    generate(corpus, "--random", "100", "--qubits", "2")
    source = """
        import sys, numpy.lib, qorpus
        class Interrupted:
            def __init__(self, *arguments):
                raise KeyboardInterrupt
        numpy.lib.NumpyVersion = Interrupted
        corpus = qorpus.open(sys.argv[1])
        print(corpus.unitaries(slice(0, 3)).shape)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), corpus], capture_output=True, text=True, timeout=PATIENCE
    )
    assert result.stdout == "(3, 4, 4)\n", result.stderr


@pytest.mark.parametrize(
    ("recipe", "ids"),
    [
        # A run in each of 120 shards, which computes its unitaries, and a record in each of 250,
        # whose block is large.
        ("--random 2M --gates h,s,t --qubits 1 --no-unitaries --shard 1", "range(0, len(corpus), 8192)"),
        ("--random 1000 --qubits 7 --length 5 --shard 1", "None"),
    ],
)
def test_shards_share_their_memory(corpus, recipe, ids):
    directory = corpus.with_suffix("")
    generate(f"{directory}/", *recipe.split(), "--force")
    shards = len(list(directory.glob("*.db")))
    source = f"""
        import sys, numpy as np, qorpus
        def used():
            status = open("/proc/self/status").read()
            return int(status.split("RssAnon:")[1].split()[0])
        corpus = qorpus.open(sys.argv[1])
        corpus[0], corpus[len(corpus) - 1]
        before = used()
        for start in {ids} or []:
            corpus.unitaries(slice(start, min(start + 8192, len(corpus))))
        if {ids} is None:
            for id in range(len(corpus)):
                corpus[id]
        print(used() - before)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), f"{directory}/"], capture_output=True, text=True, timeout=PATIENCE
    )
    assert result.returncode == 0, result.stderr
    assert shards >= 100
    assert int(result.stdout) < 12 * 1024  # KiB
