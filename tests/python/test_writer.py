"""`qorpus.Writer` in one process: the circuits that it accepts come back, what it refuses leaves no trace,
and how it ends."""

import copy
import gc
import multiprocessing
import pickle
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import qorpus
from appending import H, T, records
from command import companions, info, integrity
from command import qorpus as command

# Written records are read back.


def test_the_first_example(corpus):
    """The example of the documentation does what it says."""
    with qorpus.Writer(corpus, gates=["h", "s", "t"], qubits=1) as writer:
        assert writer.append(["h", "t"]) is None
        writer.append("t; h", reward=0.5)
        assert writer.flush() == 2
        writer.append("h; h", np.eye(2), reward=1)
        assert writer.flush() == 3 and writer.flush() == 3
    first, second, third = qorpus.open(corpus)
    assert (first.circuit, second.circuit, third.circuit) == (("h 0", "t 0"), ("t 0", "h 0"), ("h 0", "h 0"))
    assert np.allclose(first.unitary, T @ H) and np.allclose(second.unitary, H @ T)
    assert third.unitary.tobytes() == np.eye(2, dtype=complex).tobytes()
    assert "reward" not in first.labels and second.labels["reward"] == 0.5 and third.labels["reward"] == 1
    assert second.labels["length"] == 2 and second.labels["count_h"] == 1
    assert companions(corpus) == [] and integrity(corpus) == "ok"
    command("verify", corpus, "--quiet")


def test_attributes_and_text_of_a_writer(corpus, writer):
    """Path, letters, recipe and repr name the corpus."""
    assert Path(writer.path) == corpus
    assert writer.letters == ("h 0", "t 0")
    assert writer.recipe.is_appended and writer.recipe.gates == ("h", "t")
    assert str(corpus) in repr(writer) and repr(writer).startswith("Writer(") and "h, t" in repr(writer)
    assert writer.recipe.hash == qorpus.open(corpus).recipe.hash == info(corpus)["recipe_hash"]


def test_a_relative_path_and_a_path_object(corpus, monkeypatch):
    """Paths may be relative, and belong to the directory in which the writer was opened."""
    monkeypatch.chdir(corpus.parent)
    writer = qorpus.Writer(corpus.name, gates=["h"], qubits=1)
    monkeypatch.chdir("/")
    writer.append("h")
    writer.close()
    assert Path(writer.path) == corpus and len(qorpus.open(corpus)) == 1
    with qorpus.Writer(corpus, gates=["h"], qubits=1) as again:
        again.append("")
    assert len(qorpus.open(corpus)) == 2


def test_ids_go_on_in_the_order_of_appending(corpus):
    """Several writers one after the other, and groups of every size, number their records without
    gaps."""
    sizes = [1, 700, 1, 5000, 3]
    for size in sizes:
        with qorpus.Writer(corpus, gates=["h", "t"], qubits=1) as writer:
            writer.extend([[0] * (number % 5) for number in range(size)], number=range(size))
    reader = qorpus.open(corpus)
    expected = [number for size in sizes for number in range(size)]
    assert [label["number"] for label in reader.labels(range(len(reader)))] == expected
    assert [record.id for record in reader] == list(range(sum(sizes)))
    command("verify", corpus, "--quiet")


# Circuits.

WAYS = {
    "a text": "h 0; t 0; t 0",
    "a text without qubits": "h; t; t",
    "blanks and capitals": "  H ;t 0;; T  ",
    "a list": ["h", "t 0", "t"],
    "a tuple": ("h 0", "t", "t"),
    "a generator": (letter for letter in ["h", "t", "t"]),
    "numbers": [0, 1, 1],
    "letters and numbers": ["h", 1, np.int64(1)],
    "a range": map(int, "011"),
    "int8": np.array([0, 1, 1], dtype=np.int8),
    "int32": np.array([0, 1, 1], dtype=np.int32),
    "uint16": np.array([0, 1, 1], dtype=np.uint16),
    "uint64": np.array([0, 1, 1], dtype=np.uint64),
    "big-endian": np.array([0, 1, 1], dtype=">i4"),
    "padded": np.array([0, 1, 1, -1, -1]),
    "not contiguous": np.array([0, 9, 1, 9, 1, 9])[::2],
    "backwards": np.array([1, 1, 0])[::-1],
    "not aligned": np.frombuffer(b"\0" + np.array([0, 1, 1], dtype=np.int32).tobytes(), np.uint8)[1:].view(np.int32),
    "an array of texts": np.array(["h", "t", "t 0"]),
    "an array of objects": np.array(["h", 1, "t 0"], dtype=object),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_circuit_may_be_written_as(writer, way):
    """Every way to write a circuit means the same letters."""
    writer.append(WAYS[way])
    (record,) = records(writer)
    assert record.circuit == ("h 0", "t 0", "t 0")
    assert np.allclose(record.unitary, T @ T @ H)


# Their texts are no names: that of an iterator has an address, and two processes of tests would not
# agree on it.
@pytest.mark.parametrize(
    "empty",
    ["", " ; ", [], (), iter([]), np.array([], dtype=int), np.array([-1, -1])],
    ids=lambda empty: type(empty).__name__,
)
def test_empty_circuits(writer, empty):
    """A circuit without letters is one, and its unitary is the identity."""
    writer.append(empty)
    (record,) = records(writer)
    assert record.circuit == () and record.unitary.tobytes() == np.eye(2, dtype=complex).tobytes()


def test_extend_takes_a_mixture(writer):
    """One call takes circuits written in different ways, and a generator of them."""
    writer.extend(way for way in ["h; t", ["h", "t"], (0, 1), np.array([0, 1]), np.array([0, 1, -1]), iter("ht")])
    writer.extend([])
    writer.extend(np.empty((0, 5), dtype=int))
    writer.extend(np.empty((2, 0), dtype=int))
    circuits = [record.circuit for record in records(writer)]
    assert circuits == [("h 0", "t 0")] * 6 + [()] * 2


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", ">i2", "uint8", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_extend_takes_padded_arrays(writer, dtype, order):
    """Arrays of numbers of any integer type and order, padded behind with -1 where the type has
    it."""
    rows = [[0, 1, 0], [1, 1, 1]] if np.dtype(dtype).kind == "u" else [[0, 1, -1], [-1, -1, -1], [1, 1, 1]]
    writer.extend(np.array(rows, dtype=dtype, order=order))
    expected = [tuple(writer.letters[number] for number in row if number >= 0) for row in rows]
    assert [record.circuit for record in records(writer)] == expected


CIRCUITS = {
    "an unknown letter": ("hh", ValueError, ["hh", "'h 0'"]),
    "a qubit that does not exist": (["h 1"], ValueError, ["h 1", "'h 0'"]),
    "a number past the end": ([0, 2], ValueError, ["2", "0 to 1"]),
    "a negative number": ([-1], ValueError, ["-1"]),
    "a number past 16 bits": ([65536], ValueError, ["65536"]),
    "a number past 64 bits": ([1 << 70], ValueError, [str(1 << 70)]),
    "a number of an array": (np.array([0, 7]), ValueError, ["7"]),
    "a negative number of an array": (np.array([0, -2]), ValueError, ["-2"]),
    "a large number of an array": (np.array([1 << 63], dtype=np.uint64), ValueError, [str(1 << 63)]),
    "65535, which is no padding": (np.array([65535], dtype=np.uint16), ValueError, ["65535"]),
    "letters behind the padding": (np.array([0, -1, 1]), ValueError, ["-1", "padding"]),
    "an array of two dimensions": (np.array([[0, 1]]), ValueError, ["(1, 2)"]),
    "an array of no dimension": (np.array(0), ValueError, ["()"]),
    "an array of reals": (np.array([0.0, 1.0]), TypeError, ["float64"]),
    "reals": ([0.0], TypeError, ["float"]),
    "a number": (3, TypeError, ["int"]),
    "None": (None, TypeError, ["None", "Haar-random records have no circuit"]),
    "bytes": ([b"h"], TypeError, ["bytes"]),
    "letters in letters": ([["h"]], TypeError, ["list"]),
    "too many letters": ([0] * 65536, ValueError, ["65536", "65535"]),
    "too many letters of an array": (np.zeros(65536, dtype=np.uint8), ValueError, ["65536", "65535"]),
    "a lone surrogate": ("\ud800", ValueError, ["surrogate"]),
}


@pytest.mark.parametrize("case", CIRCUITS)
def test_circuits_that_are_refused(writer, case):
    """Says what is wrong and which record it is, and nothing of the call is accepted."""
    circuit, exception, words = CIRCUITS[case]
    writer.append("t")
    with pytest.raises(exception) as said:
        writer.append(circuit)
    assert all(word in str(said.value) for word in words), said.value
    with pytest.raises(exception) as said:
        writer.extend(["h", circuit, "h"])
    assert "record 1 of those given" in str(said.value), said.value
    assert [record.circuit for record in records(writer)] == [("t 0",)]


def test_the_longest_circuit(writer):
    """A circuit of 65535 letters comes back."""
    letters = np.arange(65535) % 2
    writer.append(letters)
    writer.extend(letters.reshape(1, -1))
    for record in records(writer):
        assert np.array_equal([writer.letters.index(letter) for letter in record.circuit], letters)


NO_CIRCUITS = ["h; t", 5, None, {"hh": 1}, np.array([0, 1]), np.zeros((1, 1, 1), dtype=int)]


@pytest.mark.parametrize("circuits", NO_CIRCUITS, ids=repr)
def test_arguments_that_are_not_sequences_of_circuits(writer, circuits):
    """One text, a number or an array of another dimension is refused by extend; so is a record
    among letters."""
    with pytest.raises((TypeError, ValueError)):
        writer.extend(circuits)
    assert records(writer) == []


def test_a_letter_that_fails(writer):
    """An exception of a letter itself, such as an interrupt, is raised unchanged if it is not about
    the record."""

    class Interrupted:
        def __index__(self):
            raise KeyboardInterrupt

    for call in [lambda: writer.append([Interrupted()]), lambda: writer.extend(["h", [Interrupted()]])]:
        with pytest.raises(KeyboardInterrupt):
            call()
    assert records(writer) == []


def test_an_iterator_that_fails(writer):
    """An exception of the caller's iterator is raised unchanged, and nothing is accepted."""

    def broken():
        yield "h"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        writer.extend(broken())
    with pytest.raises(KeyError, match="mine"):
        writer.append(broken())
    assert records(writer) == []


# The life of a writer.


def test_closing(corpus):
    """Closing flushes; closing again does nothing; everything else raises an error that says so."""
    writer = qorpus.Writer(corpus, gates=["h"], qubits=1)
    writer.append("h")
    assert writer.close() is None and writer.close() is None
    for use in [
        lambda: writer.append("h"),
        lambda: writer.extend(["h"]),
        writer.flush,
    ]:
        with pytest.raises(qorpus.Error, match="closed") as said:
            use()
        assert str(corpus) in str(said.value)
    with writer:
        pass
    assert writer.letters == ("h 0",) and "Writer(" in repr(writer)
    assert len(qorpus.open(corpus)) == 1 and companions(corpus) == []


def test_leaving_the_with_twice(corpus):
    """A `with` returns the writer itself and closes it."""
    with qorpus.Writer(corpus, gates=["h"], qubits=1) as writer:
        with writer as same:
            assert same is writer
            writer.append("h")
        with pytest.raises(qorpus.Error, match="closed"):
            writer.append("h")
    assert len(qorpus.open(corpus)) == 1


@pytest.mark.parametrize("exception", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_exception_inside_the_with(corpus, exception):
    """The exception is raised unchanged, and the records accepted before it are there, flushed or
    not."""
    raised = exception("mine")
    with pytest.raises(exception) as said, qorpus.Writer(corpus, gates=["h"], qubits=1) as writer:
        writer.extend(["h"] * 100, number=range(100))
        writer.flush()
        writer.extend(["h"] * 100, number=range(100, 200))
        raise raised
    assert said.value is raised and not hasattr(raised, "__notes__")
    with pytest.raises(qorpus.Error, match="closed"):
        writer.append("h")
    numbers = [record.labels["number"] for record in records(corpus)]
    assert numbers == list(range(200))
    assert companions(corpus) == [] and integrity(corpus) == "ok"


def fail_after(path, process):
    """Appends records, and fails inside the with."""
    with qorpus.Writer(path, gates=["h"], qubits=1) as writer:
        for number in range(250):
            writer.append("h", number=1000 * process + number)
        raise RuntimeError(f"process {process}")


def test_exceptions_inside_the_with_of_several_processes(corpus):
    """The records that each process appended before its block raised are there, and the exceptions
    are those of the blocks."""
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        failed = [pool.submit(fail_after, corpus, process).exception() for process in range(3)]
    assert [str(error) for error in failed] == ["process 0", "process 1", "process 2"]
    numbers = sorted(record.labels["number"] for record in records(corpus))
    assert numbers == [1000 * process + number for process in range(3) for number in range(250)]
    assert companions(corpus) == [] and integrity(corpus) == "ok"


def test_a_commit_that_fails_behind_an_exception(corpus, tmp_path):
    """The exception of the block is raised, with a note of what is lost besides."""
    with pytest.raises(KeyError) as said, qorpus.Writer(corpus, gates=["h"], qubits=1) as writer:
        writer.append("h")
        corpus.rename(tmp_path / "elsewhere.db")
        raise KeyError("mine")
    assert said.value.args == ("mine",)
    assert "records that the writer had accepted are lost" in said.value.__notes__[0] and str(corpus) in said.value.__notes__[0]


def test_an_exception_before_the_first_commit(corpus):
    """Nothing was flushed and a second has not passed: the corpus is there and empty."""
    with pytest.raises(RuntimeError), qorpus.Writer(corpus, gates=["h"], qubits=1):
        raise RuntimeError
    assert len(qorpus.open(corpus)) == 0 and list(qorpus.open(corpus)) == []
    command("verify", corpus, "--quiet")


def test_dropping(corpus):
    """A writer that is garbage has flushed its records."""
    writer = qorpus.Writer(corpus, gates=["h"], qubits=1)
    writer.append("h")
    del writer
    gc.collect()
    assert len(qorpus.open(corpus)) == 1 and companions(corpus) == []


def test_accepted_records_become_durable_without_a_flush(corpus):
    """A record is there for others about a second after it was accepted, without a flush."""
    with qorpus.Writer(corpus, gates=["h"], qubits=1) as writer:
        writer.append("h")
        deadline = time.monotonic() + 60
        reader = qorpus.open(corpus)
        while len(reader) == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert writer.flush() == 1


def test_it_stays_in_its_process(writer):
    """A writer cannot be pickled or copied."""
    for use in [pickle.dumps, copy.copy, copy.deepcopy]:
        with pytest.raises(TypeError, match="open one in each"):
            use(writer)


def test_a_file_that_is_removed(corpus):
    """A writer whose file is removed never claims that what it accepted is durable in a file that
    is gone."""
    writer = qorpus.Writer(corpus, gates=["h"], qubits=1)
    writer.append("h")
    writer.flush()
    corpus.with_name(corpus.name + "-lock").unlink()
    writer.append("h")
    with pytest.raises(qorpus.Error, match="lock"):
        writer.flush()
    with pytest.raises(qorpus.Error, match="an earlier commit failed"):
        writer.append("h")
    with pytest.raises(qorpus.Error, match="an earlier commit failed"):
        writer.close()
    writer.close()
    assert len(qorpus.open(corpus)) == 1
