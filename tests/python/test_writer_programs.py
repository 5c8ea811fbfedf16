"""Programs with an open writer that fork, end, or are interrupted, in ways that the tests must not:
what was flushed is there, and nothing twice.

Moments are drawn at random, but none decides whether a test passes.
"""

import contextlib
import multiprocessing
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
import qorpus
import writing
from command import PATIENCE
from written import check_file, contents, join, started

PRELUDE = """
import atexit, os, signal, sys, threading, time
sys.path.insert(0, {tests!r})
import qorpus, writing
path = {path!r}
new = lambda: qorpus.Writer(path, gates=writing.GATES, qubits=1)
def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
def refused(use):
    try:
        use()
    except qorpus.Error as error:
        assert "opened in another process" in str(error) and path in str(error), error
    else:
        raise AssertionError("no error")
"""


def program(corpus, text: str) -> subprocess.Popen:
    prelude = PRELUDE.format(tests=str(Path(__file__).parent), path=str(corpus))
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", prelude + textwrap.dedent(text)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen, status: int = 0) -> str:
    """Waits for a program, which must end with this status; returns what it said on stderr."""
    try:
        _, stderr = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"it hangs; so far it said:\n{process.communicate()[1]}") from None
    assert process.returncode == status, stderr
    assert "panicked" not in stderr and "PanicException" not in stderr, stderr
    return stderr


@contextlib.contextmanager
def patience(process: subprocess.Popen):
    """End a program that hangs, so that the reader of its output does not."""
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()


def run(corpus, text: str, status: int = 0) -> str:
    return ended(program(corpus, text), status)


def test_an_inherited_writer_refuses(corpus):
    """In the child of a fork a writer says that it is another process's; the parent's works."""
    writer = qorpus.Writer(corpus, gates=writing.GATES, qubits=1)
    writing.add(writer, 0, 0, range(50))
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    process = started("fork", writing.use_inherited, writer, results)
    said = results.get()
    assert join([process]) == [0]
    assert set(said) == {"append", "extend", "flush"}
    assert all("opened in another process" in text and str(corpus) in text for text in said.values()), said
    writing.add(writer, 1, 0, range(50, 100))
    assert writer.flush() == 100
    writer.close()
    assert contents(corpus) == {0: 100}
    check_file(corpus)


@pytest.mark.parametrize(
    "end",
    [
        "os._exit(0)",
        "sys.exit(0)",
        "raise SystemExit",
        "writer.close(); os._exit(0)",
        "refused(writer.flush); sys.exit(0)",
        "del writer; import gc; gc.collect(); os._exit(0)",
        "os.execv(sys.executable, [sys.executable, '-c', ''])",
    ],
)
def test_a_child_commits_nothing_of_its_parent(corpus, end):
    """Records that the parent accepted before a fork are committed once, by the parent, however the
    child ends."""
    text = f"""
    with new() as writer:
        writing.add(writer, 2, 0, range(100))
        pid = os.fork()
        if pid == 0:
            {end}
        assert os.waitpid(pid, 0)[1] == 0
        assert len(qorpus.open(path)) in (0, 100)
        writing.add(writer, 2, 0, range(100, 150))
        assert writer.flush() == 150
    """
    assert run(corpus, text) == ""
    assert contents(corpus) == {0: 150}
    check_file(corpus)


def test_a_parent_that_never_appends_again(corpus):
    """Closing, or ending without closing, commits what was accepted before a fork."""
    text = """
    writer = new()
    writing.add(writer, 2, 0, range(100))
    child(lambda: refused(writer.flush))
    {}
    """
    for name, end in enumerate(["writer.close()", "writer.flush()", "del writer", ""]):
        path = corpus.with_name(f"{name}.db")
        assert run(path, text.format(end)) == ""
        assert contents(path) == {0: 100}
        check_file(path)


def test_a_child_has_a_writer_of_its_own(corpus):
    """Parent and children, and their children, append to one file through writers of their own."""
    text = """
    writer = new()
    writing.add(writer, 0, 0, range(100))
    def work():
        refused(lambda: writer.append("one"))
        with new() as own:
            writing.add(own, 1, 1, range(100))
            child(lambda: (refused(own.flush), writing.whole_task(path, 2)))
            writing.add(own, 1, 1, range(100, 200))
    child(work)
    writing.add(writer, 0, 0, range(100, 200))
    """
    assert run(corpus, text) == ""
    assert contents(corpus) == {0: 200, 1: 200, 2: 100}
    check_file(corpus)


def test_forks_while_threads_append(corpus):
    """A process forks again and again while its threads append and flush: no child hangs, nothing
    is lost."""
    text = """
    writer, stop = new(), threading.Event()
    counts = [0] * 4
    def work(name):
        while not stop.is_set():
            writing.add(writer, 2, name, range(counts[name], counts[name] + 5))
            counts[name] += 5
            if name == 0:
                writer.flush()
    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    [thread.start() for thread in threads]
    def own():
        refused(writer.flush)
        assert len(qorpus.open(path)) >= 0
    for number in range(60):
        child(own if number % 4 == 0 else lambda: refused(writer.flush))
    stop.set()
    [thread.join() for thread in threads]
    writer.close()
    print(*counts)
    """
    process = program(corpus, text)
    said, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and stderr == "", stderr
    counts = dict(enumerate(map(int, said.split())))
    assert contents(corpus) == {name: count for name, count in counts.items() if count}
    check_file(corpus)


def test_an_inherited_reader_works(corpus):
    """A corpus that was opened before a fork reads in the child, also while the parent's writer is
    in use."""
    text = """
    writer = new()
    writing.add(writer, 0, 0, range(100))
    writer.flush()
    reader = qorpus.open(path)
    expected = writing.unitaries(0, range(100)).tobytes()
    assert reader.unitaries(range(100)).tobytes() == expected
    for number in range(5):
        writing.add(writer, 2, 1, range(number, number + 1))
        def work():
            assert reader.unitaries(range(100)).tobytes() == expected
            assert reader[99].labels["number"] == 99 and len(reader) >= 100
        child(work)
        work()
    writer.close()
    """
    assert run(corpus, text) == ""
    assert contents(corpus) == {0: 100, 1: 5}
    check_file(corpus)


ENDS = {
    "global": "writer = new(); hundred(writer)",
    "cycle": """
    def work():
        writer = new()
        hundred(writer)
        work.cycle = [writer, work]
    work()""",
    "exit": "writer = new(); hundred(writer); sys.exit(0)",
    "module": "import qorpus.stream; qorpus.stream.kept = new(); hundred(qorpus.stream.kept)",
    "thread": """
    writer = new()
    threading.Thread(target=lambda: (time.sleep(0.2), hundred(writer))).start()""",
    "atexit": "writer = new(); atexit.register(lambda: hundred(writer))",
    "generator": """
    def generator():
        with new() as writer:
            hundred(writer)
            writer.flush()
            yield
    held = generator()
    next(held)""",
}


@pytest.mark.parametrize("end", ENDS)
def test_the_interpreter_ends_with_an_open_writer(corpus, end):
    """Whatever object holds a writer when a program ends, its records are durable, and one plain
    file is left."""
    text = f"""
    hundred = lambda writer: writing.add(writer, 2, 0, range(100))
    {ENDS[end]}
    """
    assert run(corpus, text) == ""
    assert contents(corpus) == {0: 100}
    check_file(corpus)


def test_an_exception_that_ends_the_program(corpus):
    """An exception inside the `with` loses what was never flushed, and nothing else."""
    text = """
    with new() as writer:
        writing.add(writer, 2, 0, range(100))
        assert writer.flush() == 100
        writing.add(writer, 2, 0, range(100, 150))
        raise RuntimeError("that was it")
    """
    assert "that was it" in run(corpus, text, status=1)
    assert 100 <= contents(corpus)[0] <= 150
    check_file(corpus)


# What a first Writer imports is there before: where Python itself is interrupted while it reads a
# module, it leaves the file open.
LOOP = """
import multiprocessing.util, random
chance, number_of_rounds = random.Random({seed}), {rounds}
for process in range(number_of_rounds):
    number = bound = 0
    try:
        print("ready", flush=True)
        with new() as writer:
            while True:
                numbers = range(number, number + chance.randrange(1, 30))
                writing.add(writer, chance.randrange(3), process, numbers)
                number = numbers.stop
                if chance.randrange(3) == 0:
                    writer.flush()
                    bound = number
    except KeyboardInterrupt:
        print("caught", bound, flush=True)
"""


def test_interrupted_at_any_moment(corpus, chance):
    """Ctrl-C during append, extend, flush or open raises KeyboardInterrupt soon; what was flushed
    is there."""
    rounds, least = 40, {}
    process = program(corpus, LOOP.format(seed=chance.randrange(10**6), rounds=rounds))
    with patience(process):
        for name in range(rounds):
            assert process.stdout.readline() == "ready\n", ended(process)
            time.sleep(chance.random() * chance.choice([0.005, 0.1]))
            process.send_signal(signal.SIGINT)
            said = process.stdout.readline().split()
            assert said[:1] == ["caught"], ended(process)
            least[name] = int(said[1])
        assert ended(process) == ""
    there = contents(corpus)
    assert all(there.get(name, 0) >= bound for name, bound in least.items())
    assert sum(there.values()) > 0
    check_file(corpus)


@pytest.mark.parametrize("use", ["writer.flush()", "writer.close()", "fill()"])
def test_interrupted_while_it_waits(corpus, use):
    """Ctrl-C ends a writer that waits for another program to give up its lock on the file."""
    writing.whole_task(corpus, 0)
    text = f"""
    identities = [[[1, 0], [0, 1]]] * 5000
    def fill():
        for number in range(10**6):
            writer.extend(["one; two; three; " * 100] * 5000, identities)
    writer = new()
    with writer:
        writing.add(writer, 2, 1, range(100))
        print("ready", flush=True)
        sys.stdin.readline()
        print("going", flush=True)
        try:
            {use}
        except KeyboardInterrupt:
            print("caught", flush=True)
            sys.stdin.readline()
            raise
    """
    process = program(corpus, text)
    # A process that opened the file through another SQLite would drop our locks.
    holder = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)"
    holder += "; c.execute('begin immediate'); print('held', flush=True); sys.stdin.readline()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with patience(process), subprocess.Popen([sys.executable, "-c", holder, str(corpus)], **pipes) as other:
        try:
            assert process.stdout.readline() == "ready\n", ended(process)
            assert other.stdout.readline() == "held\n"
            print(file=process.stdin, flush=True)
            assert process.stdout.readline() == "going\n", ended(process)
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "caught\n", ended(process)
        finally:
            other.communicate("\n")
        print(file=process.stdin, flush=True)
        assert "KeyboardInterrupt" in ended(process, -signal.SIGINT)
    assert contents_of_first(corpus) == 100
    check_file(corpus)


def contents_of_first(corpus) -> int:
    reader = qorpus.open(corpus)
    return sum(label.get("process") == 0 for label in reader.labels(range(len(reader))))
