"""Many processes on one file: starting together, dying, being interrupted, reading meanwhile,
sharing by parts.

Whatever happens, the corpus that comes out has the content hash of a single undisturbed run.
Moments are drawn at random, but none decides whether a test passes.
"""

import multiprocessing
import os
import signal
import sqlite3
import time

import numpy as np
import pytest
import qorpus as package
from command import PATIENCE, companions, complaints, content_hash, finish, generate, info, integrity, qorpus, show, start

# Many letters and small unitaries: about a second of computing for some megabytes, so that the disk
# hardly matters.
SHARED = "--qubits 4 --length 600..800 --dtype complex64".split()
SECOND = [*SHARED, "--random", "8000"]
# Many commits: also on a fast machine it is not over before the test has done what it wants to do
# meanwhile.
LONG = [*SHARED, "--random", "40000"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Content hashes of runs of one process alone."""
    hashes, directory = {}, tmp_path_factory.mktemp("undisturbed")

    def of(recipe: list[str]) -> str:
        key = " ".join(recipe)
        if key not in hashes:
            path = directory / f"{len(hashes)}.db"
            generate(path, *recipe)
            hashes[key] = content_hash(path)
            path.unlink()
        return hashes[key]

    return of


def writer(corpus, recipe, *options):
    return start("generate", corpus, *recipe, *options, "--jobs", "1", "--quiet")


def check_finished(corpus, expected_hash):
    """Complete, as expected, verified, and one plain file."""
    facts = info(corpus)
    assert facts["complete"] and facts["records"] == facts["expected"]
    assert facts["content_hash"] == expected_hash
    qorpus("verify", corpus, "--sample", "0.2", "--quiet")
    assert companions(corpus) == []
    assert integrity(corpus) == "ok"


def wait_until(condition):
    """Polls until `condition()` is true; fails only when something hangs."""
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.01)
    return result


def readable(corpus):
    return qorpus("info", corpus, status=None).returncode == 0


def test_sixteen_processes_create_and_fill_one_file(corpus, undisturbed):
    """They race for a file that does not exist; none sees a lock error, none does work twice or
    leaves a gap."""
    processes = [writer(corpus, SECOND) for _ in range(16)]
    for process in processes:
        assert complaints(finish(process)) == []
    check_finished(corpus, undisturbed(SECOND))


def test_half_of_sixteen_are_killed(corpus, undisturbed, chance):
    """Twelve times SIGKILL for eight of sixteen at random moments, early and late: the others take over
    what the dead had claimed."""
    for round_number, spread in enumerate([0.03, 0.3, 1.0] * 4):
        path = corpus.with_name(f"{round_number}.db")
        processes = [writer(path, SECOND) for _ in range(16)]
        victims = chance.sample(processes, 8)
        begin = time.monotonic()
        for moment, victim in zip(sorted(chance.random() * spread for _ in victims), victims):
            time.sleep(max(0.0, begin + moment - time.monotonic()))
            victim.kill()
        for process in processes:
            result = finish(process, None)
            killed = process in victims and result.returncode == -signal.SIGKILL
            assert killed or (result.returncode == 0 and complaints(result) == []), result
        generate(path, *SECOND)
        check_finished(path, undisturbed(SECOND))
        path.unlink()


@pytest.mark.parametrize("writers", [1, 4])
def test_all_are_killed_again_and_again(corpus, undisturbed, chance, writers):
    """No survivor cleans up: the next writers and readers recover the file, and nothing that was
    committed is lost."""
    records = 0
    for spread in [0.1, 1.0, 1.5, 0.1, 1.0, 1.5, 0.1, 1.0]:
        processes = [writer(corpus, LONG) for _ in range(writers)]
        begin = time.monotonic()
        for moment, process in zip(sorted(chance.random() * spread for _ in processes), processes):
            time.sleep(max(0.0, begin + moment - time.monotonic()))
            process.kill()
        for process in processes:
            result = finish(process, None)
            assert result.returncode in (0, -signal.SIGKILL) and complaints(result) == [], result
        if readable(corpus):
            qorpus("verify", corpus, "--sample", "0.01", "--quiet")
            facts = info(corpus)
            assert facts["records"] >= records
            records = facts["records"]
        else:
            assert records == 0, "a corpus that was readable stays readable"
    generate(corpus, *LONG)
    check_finished(corpus, undisturbed(LONG))


@pytest.mark.parametrize("writers", [1, 3])
def test_interrupted(corpus, undisturbed, writers):
    """Ctrl-C ends with status 130; committed chunks stay, and the command resumes to the same
    corpus."""
    processes = [writer(corpus, LONG) for _ in range(writers)]
    wait_until(lambda: readable(corpus) and info(corpus)["records"] > 0)
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        assert complaints(finish(process, 130)) == []
    facts = info(corpus)
    assert 0 < facts["records"] < facts["expected"] and facts["complete"] is False
    assert companions(corpus) == []
    qorpus("verify", corpus, "--sample", "0.1", "--quiet")
    generate(corpus, *LONG)
    check_finished(corpus, undisturbed(LONG))


def test_interrupted_before_the_first_commit(corpus, undisturbed):
    """SIGINT at once: either nothing was begun, or a corpus that the same command finishes."""
    process = writer(corpus, SECOND)
    wait_until(corpus.exists)
    process.send_signal(signal.SIGINT)
    finish(process, None)
    generate(corpus, *SECOND)
    check_finished(corpus, undisturbed(SECOND))


def test_one_file_by_several_names(corpus, undisturbed):
    """Links lead to one corpus and one queue of writers, whichever name a process was given."""
    directory = corpus.with_name("elsewhere")
    directory.symlink_to(corpus.parent)
    link = corpus.with_name("link.db")
    link.symlink_to(corpus)
    names = [corpus, link, directory / "c.db", directory / "link.db"]
    for process in [writer(names[number % 4], SECOND) for number in range(12)]:
        assert complaints(finish(process)) == []
    check_finished(corpus, undisturbed(SECOND))
    assert {content_hash(name) for name in names} == {undisturbed(SECOND)}
    assert sorted(path.name for path in corpus.parent.iterdir()) == ["c.db", "elsewhere", "link.db"]


@pytest.mark.parametrize("together", [True, False])
def test_parts_in_one_file(corpus, undisturbed, together):
    """Shares of the chunks, made at the same time or one after the other, add up to the whole."""
    if together:
        for process in [writer(corpus, SECOND, "--part", f"{part}/5") for part in range(5)]:
            assert complaints(finish(process)) == []
    else:
        for part in [3, 0, 4, 1, 2]:
            assert not (corpus.exists() and info(corpus)["complete"])
            generate(corpus, *SECOND, "--part", f"{part}/5")
    check_finished(corpus, undisturbed(SECOND))


def test_merged_parts(corpus, undisturbed):
    """Parts made in files of their own are merged in any order, and in several steps."""
    parts = [corpus.with_name(f"part{part}.db") for part in range(3)]
    for process in [writer(path, SECOND, "--part", f"{part}/3") for part, path in enumerate(parts)]:
        assert complaints(finish(process)) == []
    hashes = [content_hash(path) for path in parts]
    qorpus("merge", corpus, parts[2], parts[0], "--quiet")
    facts = info(corpus)
    assert facts["complete"] is False
    assert facts["records"] == info(parts[0])["records"] + info(parts[2])["records"]
    qorpus("verify", corpus, "--quiet")
    qorpus("merge", corpus, parts[1], parts[0], "--quiet")
    check_finished(corpus, undisturbed(SECOND))
    assert [content_hash(path) for path in parts] == hashes, "what is merged stays as it was"


def test_generate_completes_a_merged_corpus(corpus, undisturbed):
    """A merged part is work done: generate makes only the rest."""
    part = corpus.with_name("part.db")
    generate(part, *SECOND, "--part", "1/2")
    qorpus("merge", corpus, part, "--quiet")
    generate(corpus, *SECOND)
    check_finished(corpus, undisturbed(SECOND))


def test_reading_while_four_write(corpus, undisturbed):
    """Readers see whole committed records only, in a count that never falls, and never an error."""
    finished = corpus.with_name("finished.db")
    generate(finished, *LONG)
    ids = list(range(0, 40000, 801))
    expected = {record.id: record for record in show(finished, ids)}
    processes = [writer(corpus, LONG) for _ in range(4)]
    wait_until(lambda: readable(corpus))
    counts, seen, chunk_ids = [], set(), iter(ids * 100)
    while any(process.poll() is None for process in processes):
        facts = info(corpus)
        counts.append(facts["records"])
        assert facts["complete"] == (facts["records"] == facts["expected"])
        qorpus("verify", corpus, "--sample", "0", "--quiet")
        wanted = next(chunk_ids)
        result = qorpus("show", corpus, wanted, "--json", status=None)
        if result.returncode == 0:
            (record,) = show(corpus, [wanted])
            assert record.circuit == expected[wanted].circuit
            assert (record.unitary == expected[wanted].unitary).all()
            seen.add(wanted)
        else:
            assert wanted not in seen and "not generated yet" in result.stderr, result.stderr
    for process in processes:
        assert complaints(finish(process)) == []
    assert counts == sorted(counts)
    # If a reader outlived the last writer, the WAL is still there; the next writer checkpoints it.
    generate(corpus, *LONG)
    check_finished(corpus, undisturbed(LONG))
    for record in show(corpus, ids):
        assert np.array_equal(record.unitary, expected[record.id].unitary)


def foreign_reader(corpus) -> sqlite3.Connection:
    """Python's own SQLite, as any tool would open the file."""
    return sqlite3.connect(f"file:{corpus}?mode=ro", uri=True, timeout=PATIENCE, isolation_level=None)


def counted(reader) -> tuple[int, int]:
    """Records by the chunks and by the totals, in the reader's present transaction."""
    (by_chunks,) = reader.execute("SELECT ifnull(sum(count), 0) FROM chunks").fetchone()
    (by_totals,) = reader.execute("SELECT records FROM totals").fetchone()
    return by_chunks, by_totals


def test_a_foreign_reader_looks_again_and_again(corpus, undisturbed):
    """Another program's SQLite sees a consistent corpus at every moment, and the writer never fails
    because of it."""
    process = writer(corpus, LONG)
    wait_until(lambda: readable(corpus))
    reader = foreign_reader(corpus)
    while process.poll() is None:
        reader.execute("BEGIN")
        by_chunks, by_totals = counted(reader)
        assert by_chunks == by_totals
        reader.execute("COMMIT")
        time.sleep(0.02)
    reader.close()
    assert complaints(finish(process)) == []
    generate(corpus, *LONG)
    check_finished(corpus, undisturbed(LONG))


def test_a_foreign_reader_keeps_its_transaction(corpus, undisturbed):
    """While several write, an open read transaction neither stops them nor sees what they commit
    meanwhile."""
    processes = [writer(corpus, LONG) for _ in range(3)]
    wait_until(lambda: companions(corpus) and any(name.endswith("-wal") for name in companions(corpus)))
    wait_until(lambda: readable(corpus) and info(corpus)["records"] > 0)
    reader = foreign_reader(corpus)
    reader.execute("BEGIN")
    before = counted(reader)
    for process in processes:
        assert complaints(finish(process)) == []
    assert counted(reader) == before and before[0] == before[1] < 40000
    reader.execute("COMMIT")
    assert counted(reader) == (40000, 40000)
    reader.close()
    # The last to leave could not fold the log while it was being read; the next writer does.
    generate(corpus, *LONG)
    check_finished(corpus, undisturbed(LONG))


def test_a_foreign_reader_was_there_first(corpus, undisturbed):
    """A read transaction that is already open when a writer starts delays it at most; it ends
    well."""
    generate(corpus, *SECOND, "--part", "0/2")
    reader = foreign_reader(corpus)
    reader.execute("BEGIN")
    before = counted(reader)
    process = writer(corpus, SECOND)
    time.sleep(2)
    assert counted(reader) == before
    reader.execute("COMMIT")
    assert complaints(finish(process)) == []
    reader.close()
    generate(corpus, *SECOND)
    check_finished(corpus, undisturbed(SECOND))


def generate_and_die(path, records):
    """Kill this process as soon as that many records are there."""

    def progress(there, _):
        if there >= records:
            os.kill(os.getpid(), signal.SIGKILL)

    package.generate(path, random=3000, progress=progress)


def test_a_fork_does_not_take_the_claims_of_a_dead_fork_for_its_own(corpus, undisturbed):
    """Forks of one process draw the same random numbers, and so have the same name among the
    writers."""
    context = multiprocessing.get_context("fork")
    for records in (1, 2000):
        process = context.Process(target=generate_and_die, args=(corpus, records))
        process.start()
        process.join(PATIENCE)
        assert process.exitcode == -signal.SIGKILL
    process = context.Process(target=package.generate, args=(corpus,), kwargs={"random": 3000})
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == 0
    check_finished(corpus, undisturbed(["--random", "3000"]))
