"""Many processes append to one file: what a flush acknowledged is there exactly once, to the bit,
whatever happens.

Moments are drawn at random, but none decides whether a test passes.
"""

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import qorpus
import writing
from command import PATIENCE, companions, info, integrity
from command import qorpus as command

CONTEXTS = ["fork", "spawn", "forkserver"]


@pytest.fixture
def chance():
    """Random numbers whose seed is printed when the test fails; QORPUS_TEST_SEED repeats it."""
    seed = int(os.environ.get("QORPUS_TEST_SEED", time.time_ns() % 10**9))
    print(f"QORPUS_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def ledgers(tmp_path):
    directory = tmp_path / "ledgers"
    directory.mkdir()
    return directory


def started(context: str, target, *arguments):
    process = multiprocessing.get_context(context).Process(target=target, args=arguments)
    process.start()
    return process


def join(processes) -> list[int]:
    """Waits for processes to end; returns their exit codes."""
    deadline = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    hanging = [process for process in processes if process.is_alive()]
    for process in hanging:
        process.kill()
    assert not hanging, f"{len(hanging)} processes hang"
    return [process.exitcode for process in processes]


def wait_for(path) -> qorpus.Corpus:
    """The corpus, as soon as someone has made it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return qorpus.open(path)
        except qorpus.Error:
            assert time.monotonic() < deadline, "nobody makes it"
            time.sleep(0.01)


def contents(path) -> dict[int, int]:
    """Checks every record against what it must be; returns how many numbers each process has, all
    from 0 on."""
    corpus = qorpus.open(path)
    if len(corpus) == 0:
        return {}
    (batch,) = corpus.stream(len(corpus), shuffle=False, columns=("labels", "circuits", "unitaries"))
    owners, numbers = batch.labels["process"], batch.labels["number"]
    assert not np.isnan(owners).any() and not np.isnan(numbers).any(), "a record lacks a label"
    owners, numbers = owners.astype(np.int64), numbers.astype(np.int64)
    found = np.full((len(corpus), 8), -1)
    found[:, : batch.circuits.shape[1]] = batch.circuits
    counts = {}
    for process in np.unique(owners).tolist():
        places = np.flatnonzero(owners == process)
        # In the order in which it appended them: none twice, none left out.
        assert np.array_equal(numbers[places], np.arange(len(places))), f"process {process}"
        assert batch.unitaries[places].tobytes() == writing.unitaries(process, numbers[places]).tobytes(), f"process {process}"
        assert np.array_equal(found[places], writing.padded(process, numbers[places])), f"process {process}"
        # The same circuits as letters, of some records.
        some = range(0, len(places), 1 + len(places) // 50)
        assert corpus.circuits(places[some]) == [writing.circuit(process, number) for number in some]
        counts[process] = len(places)
    return counts


def check_file(path):
    """Sound for every SQLite and for us, and one plain file."""
    assert companions(path) == []
    assert integrity(path) == "ok"
    command("verify", path, "--quiet")
    assert info(path)["records"] == len(qorpus.open(path))


@pytest.mark.parametrize("killed", [0, 11])
def test_32_processes_fill_one_file_while_it_is_read(corpus, ledgers, chance, killed):
    """They race to create a file, and some are killed; flushed records are there once and to the
    bit, and readers see no others."""
    each = 3000
    tables = {process: writing.unitaries(process, range(each)).tobytes() for process in range(32)}
    processes = [
        started(["fork", "spawn"][process % 2], writing.fill, corpus, ledgers, process, each, 200)
        for process in range(32)
    ]
    victims = chance.sample(range(32), killed)
    # Each dies when this many records are there, before it can be done with its own; the first at
    # once.
    moments = sorted([0, *(chance.randrange(48_000) for _ in victims[1:])][:killed])
    reader, seen = wait_for(corpus), 0
    while any(process.is_alive() for process in processes):
        while moments and moments[0] <= len(reader):
            processes[victims[len(moments) - 1]].kill()
            del moments[0]
        for record in reader[seen : seen + 4096]:
            process, number = record.labels["process"], record.labels["number"]
            assert record.unitary.tobytes() == tables[process][number * 64 : number * 64 + 64]
            assert record.id == seen
            seen += 1
    codes = join(processes)
    assert all(codes[process] == 0 or (process in victims and codes[process] == -signal.SIGKILL) for process in range(32))
    assert seen > 0 and (-signal.SIGKILL in codes) == (killed > 0)
    flushed, there = writing.bounds(ledgers), contents(corpus)
    assert there.keys() <= set(range(32)) and (killed or there == dict.fromkeys(range(32), each))
    for process in range(32):
        assert flushed.get(process, 0) <= there.get(process, 0) <= each
        assert process in victims or there[process] == flushed[process] == each
    assert sum(1 for _ in reader) == len(reader) == sum(there.values())
    del reader
    print(f"{codes.count(-signal.SIGKILL)} of {killed} died of it; {sum(there.values())} records are there")
    check_file(corpus)


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_third_is_killed(corpus, ledgers, chance, context):
    """SIGKILL loses nothing that was flushed, tears and invents nothing; survivors and successors
    do not notice."""
    count = 3000
    for _ in range(2 if context == "fork" else 1):
        corpus.unlink(missing_ok=True)
        [path.unlink() for path in ledgers.iterdir()]
        processes = [started(context, writing.fill, corpus, ledgers, process, count, 60) for process in range(12)]
        victims, spread = chance.sample(range(12), 4), chance.choice([0.1, 1.0, 2.0])
        wait_for(corpus)
        begun = time.monotonic()
        for moment, victim in zip(sorted(chance.random() * spread for _ in victims), victims):
            time.sleep(max(0.0, begun + moment - time.monotonic()))
            processes[victim].kill()
        codes = join(processes)
        assert all(codes[process] == 0 for process in range(12) if process not in victims), codes
        assert all(codes[victim] in (0, -signal.SIGKILL) for victim in victims), codes
        flushed, there = writing.bounds(ledgers), contents(corpus)
        for process in range(12):
            assert flushed.get(process, 0) <= there.get(process, 0) <= count
            assert process in victims or there[process] == flushed[process] == count
        writing.whole_task(corpus, 99)
        assert contents(corpus) == there | {99: 100}
        check_file(corpus)


def test_all_are_killed_again_and_again(corpus, ledgers, chance):
    """With no survivor to clean up, the next writers go on with a file in which everything that was
    flushed is."""
    there = {}
    for round_number in range(4):
        names = range(round_number * 4, round_number * 4 + 4)
        processes = [started("fork", writing.fill, corpus, ledgers, process, 10**6, 60) for process in names]
        wait_for(corpus)
        time.sleep(chance.random() * chance.choice([0.1, 1.0]))
        for process in processes:
            process.kill()
        assert join(processes) == [-signal.SIGKILL] * 4
        before, there = there, contents(corpus)
        assert all(there.get(process, 0) >= bound for process, bound in writing.bounds(ledgers).items())
        assert there | before == there, "what was read once stays as it is"
    writing.whole_task(corpus, 99)
    assert contents(corpus) == there | {99: 100}
    check_file(corpus)


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_pool_whose_workers_keep_a_writer(corpus, context):
    """Workers of multiprocessing.Pool that end with it lose nothing, without a flush or a close."""
    with multiprocessing.get_context(context).Pool(3, writing.open_one, (corpus,)) as pool:
        assert pool.map(writing.task, range(12), chunksize=1) == list(range(12))
        pool.close()
        pool.join()
    assert contents(corpus) == dict.fromkeys(range(12), 100)
    check_file(corpus)


def test_a_pool_that_is_terminated(corpus):
    """Leaving `with Pool(...)` kills the workers: what they flushed is there."""
    with multiprocessing.get_context("fork").Pool(3, writing.open_one, (corpus,)) as pool:
        assert pool.map(writing.flushed_task, range(12), chunksize=1) == list(range(12))
    writing.whole_task(corpus, 99)
    assert contents(corpus) == dict.fromkeys([*range(12), 99], 100)
    check_file(corpus)


def test_a_pool_that_replaces_its_workers(corpus):
    """Workers that end after some tasks leave everything behind that they accepted."""
    context = multiprocessing.get_context("fork")
    with context.Pool(2, writing.open_one, (corpus,), maxtasksperchild=2) as pool:
        assert pool.map(writing.task, range(10), chunksize=1) == list(range(10))
        pool.close()
        pool.join()
    assert contents(corpus) == dict.fromkeys(range(10), 100)


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_process_pool_executor(corpus, context):
    """Workers of concurrent.futures end with everything durable that they accepted."""
    start = multiprocessing.get_context(context)
    with ProcessPoolExecutor(3, mp_context=start, initializer=writing.open_one, initargs=(corpus,)) as executor:
        assert list(executor.map(writing.task, range(12))) == list(range(12))
    assert contents(corpus) == dict.fromkeys(range(12), 100)
    check_file(corpus)


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_writer_that_a_process_drops(corpus, context):
    """A function of a child that opens a writer and returns without closing it loses nothing."""
    assert join([started(context, writing.whole_task, corpus, process) for process in range(4)]) == [0] * 4
    assert contents(corpus) == dict.fromkeys(range(4), 100)
    check_file(corpus)


def test_eight_threads_share_a_writer(corpus):
    """Threads append through one writer at once, in every way, and nothing is lost or torn."""
    with qorpus.Writer(corpus, gates=writing.GATES, qubits=1) as writer:

        def work(name):
            for start in range(0, 2000, 40):
                writing.add(writer, (name + start // 40) % 3, name, range(start, start + 40))

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        [thread.start() for thread in threads]
        [thread.join(PATIENCE) for thread in threads]
        assert not any(thread.is_alive() for thread in threads)
    assert contents(corpus) == dict.fromkeys(range(8), 2000)
    check_file(corpus)


def test_a_flush_does_not_wait_for_later_records(corpus):
    """A flush returns although other threads never stop to append; what was accepted before it is
    readable then."""
    done, goes_on, counts = threading.Event(), threading.Event(), [0] * 5
    with qorpus.Writer(corpus, gates=writing.GATES, qubits=1, durability="off") as writer:

        def work(name):
            while not done.is_set():
                goes_on.wait()
                writing.add(writer, 0, name, range(counts[name], counts[name] + 500))
                counts[name] += 500

        threads = [threading.Thread(target=work, args=(name,), daemon=True) for name in range(1, 5)]
        [thread.start() for thread in threads]
        for number in range(5):
            before = list(counts)
            goes_on.set()
            while any(count == start for count, start in zip(counts[1:], before[1:])):
                time.sleep(0.001)
            writing.add(writer, number % 3, 0, range(number, number + 1))
            assert writer.flush() > number
            # They append while it flushes, and not while the records are looked at.
            goes_on.clear()
            reader = qorpus.open(corpus)
            own = list(reader.sql("select number from records where process = 0 order by id"))
            assert own == [(each,) for each in range(number + 1)]
        done.set()
        goes_on.set()
        [thread.join(PATIENCE) for thread in threads]
        assert not any(thread.is_alive() for thread in threads)
    assert contents(corpus) == {0: 5} | {name: counts[name] for name in range(1, 5)}


def test_a_writer_is_closed_while_threads_append(corpus):
    """Each append either is durable once the writer is closed, or raises: nothing is accepted and
    then forgotten."""
    for round_number in range(40):
        path = corpus.with_name(f"{round_number}.db")
        writer = qorpus.Writer(path, gates=writing.GATES, qubits=1, durability="off")
        accepted, began = [0] * 3, threading.Barrier(4)

        def work(name, writer=writer, accepted=accepted, began=began):
            began.wait()
            try:
                while True:
                    writing.add(writer, 2, name, range(accepted[name], accepted[name] + 1))
                    accepted[name] += 1
            except qorpus.Error as error:
                assert "closed" in str(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
        [thread.start() for thread in threads]
        began.wait()
        while sum(accepted) < 10 + 20 * round_number:
            pass
        writer.close()
        [thread.join(PATIENCE) for thread in threads]
        assert contents(path) == {name: count for name, count in enumerate(accepted) if count}


def test_several_writers_in_one_process(corpus):
    """Writers of one process share a file, or have one each, without waiting for each other for
    ever."""
    other = corpus.with_name("other.db")
    writers = [qorpus.Writer(path, gates=writing.GATES, qubits=1) for path in [corpus, corpus, other, corpus]]
    for number in range(0, 200, 10):
        for name, writer in enumerate(writers):
            writing.add(writer, name % 3, name, range(number, number + 10))
            if number % 30 == 0:
                assert writer.flush() == number + 10
    for writer in writers:
        writer.close()
    assert contents(corpus) == {0: 200, 1: 200, 3: 200}
    assert contents(other) == {2: 200}
    check_file(corpus)
    check_file(other)


# Programs of their own, since they fork, die or end in ways that the tests must not.

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
