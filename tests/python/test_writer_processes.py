"""Many processes append to one file: what a flush acknowledged is there exactly once, to the bit,
whatever happens.

Moments are drawn at random, but none decides whether a test passes.
"""

import multiprocessing
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import pytest
import qorpus
import writing
from command import PATIENCE
from written import check_file, contents, join, started

CONTEXTS = ["fork", "spawn", "forkserver"]


@pytest.fixture
def ledgers(tmp_path):
    directory = tmp_path / "ledgers"
    directory.mkdir()
    return directory


def wait_for(path) -> qorpus.Corpus:
    """The corpus, as soon as someone has made it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return qorpus.open(path)
        except qorpus.Error:
            assert time.monotonic() < deadline, "nobody makes it"
            time.sleep(0.01)


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
