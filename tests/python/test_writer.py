"""`qorpus.Writer` in one process: what it accepts comes back to the bit, and what it refuses leaves
no trace."""

import contextlib
import copy
import gc
import math
import multiprocessing
import pickle
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import qorpus
from command import companions, info, integrity
from command import qorpus as command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

T = np.diag([1, np.exp(0.25j * np.pi)])
H = np.array([[1, 1], [1, -1]]) / math.sqrt(2)
REFUSALS = (TypeError, ValueError, IndexError, qorpus.Error)


@pytest.fixture
def writer(corpus):
    """A writer of one-qubit records, with any unitaries."""
    with qorpus.Writer(corpus, gates=["h", "t"], qubits=1, check="none", durability="off") as writer:
        yield writer


def records(writer_or_path) -> list[qorpus.Record]:
    """All records, after a flush."""
    if isinstance(writer_or_path, qorpus.Writer):
        writer_or_path.flush()
        return list(qorpus.open(writer_or_path.path))
    return list(qorpus.open(writer_or_path))


def unitary(seed: int, dim: int = 2) -> np.ndarray:
    """A random unitary."""
    random = np.random.default_rng(seed)
    q, _ = np.linalg.qr(random.normal(size=(dim, dim)) + 1j * random.normal(size=(dim, dim)))
    return q


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
    "letters behind the padding": (np.array([0, -1, 1]), ValueError, ["-1", "pads"]),
    "an array of two dimensions": (np.array([[0, 1]]), ValueError, ["(1, 2)"]),
    "an array of no dimension": (np.array(0), ValueError, ["()"]),
    "an array of reals": (np.array([0.0, 1.0]), TypeError, ["float64"]),
    "reals": ([0.0], TypeError, ["float"]),
    "a number": (3, TypeError, ["int"]),
    "None": (None, TypeError, ["NoneType"]),
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


# Unitaries.

U = unitary(7)
GIVEN = {
    "complex128": U,
    "lists": U.tolist(),
    "tuples": tuple(map(tuple, U.tolist())),
    "Fortran order": np.asfortranarray(U),
    "not contiguous": np.kron(U, np.ones((2, 3)))[::2, ::3],
    "backwards": U[::-1, ::-1][::-1, ::-1],
    "transposed": U.T.copy().T,
    "big-endian": U.astype(">c16"),
    "a subclass": U.view(type("Mine", (np.ndarray,), {})),
    "a matrix": U.view(np.matrix),
    "not aligned": np.frombuffer(b"\0" + U.tobytes(), np.uint8)[1:].view(np.complex128).reshape(2, 2),
    "a record's field": np.array([(1, U)], dtype=[("a", "i1"), ("u", "c16", (2, 2))])["u"][0],
}


@pytest.mark.parametrize("way", GIVEN)
def test_a_unitary_may_be_given_as(writer, way):
    """Every way to give a unitary keeps its bits, in append, in extend, and if the array is
    read-only."""
    value = GIVEN[way]
    writer.append("h", value)
    writer.extend(["h", "t"], [value, value])
    if isinstance(value, np.ndarray):
        value = value.copy("K")
        value.flags.writeable = False
        writer.append("h", value)
        value = np.broadcast_to(value, (3, 2, 2))
        writer.extend(["h"] * 3, value)
    for record in records(writer):
        assert record.unitary.tobytes() == U.tobytes()


def test_unitaries_of_other_kinds(writer):
    """Objects that convert to complex128 without loss are accepted: reals, integers, truth values,
    complex64, other libraries' arrays."""
    torch = pytest.importorskip("torch")
    writer.append("h", [[0, 1], [1, 0]])
    writer.append("h", np.array([[0, 1], [1, 0]], dtype=bool))
    writer.append("h", np.array([[0, 1], [1, 0]], dtype=np.float32))
    writer.append("h", np.array([[0, 1], [1, 0]], dtype=np.int8))
    writer.append("h", torch.tensor([[0, 1], [1, 0]], dtype=torch.complex64))
    writer.append("h", torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    writer.extend(["h", "t"], torch.tensor([[[0, 1], [1, 0]]] * 2, dtype=torch.complex128))
    writer.append("h", U.astype(np.complex64))
    *flips, last = records(writer)
    assert len(flips) == 8
    assert all(record.unitary.tolist() == [[0, 1], [1, 0]] for record in flips)
    assert last.unitary.tobytes() == U.astype(np.complex64).astype(np.complex128).tobytes()


UNITARIES = {
    "another shape": (np.eye(3), ValueError, ["(3, 3)", "(2, 2)"]),
    "flat": (np.ones(4) / 2, ValueError, ["(4,)", "(2, 2)"]),
    "a batch of one": (np.eye(2)[None], ValueError, ["(1, 2, 2)", "(2, 2)"]),
    "a scalar": (1.0, ValueError, ["()"]),
    "not unitary": (np.ones((2, 2)), ValueError, ["not unitary", "1.0e-6", "record 0"]),
    "hardly unitary": (np.eye(2) * (1 + 1e-6), ValueError, ["not unitary", "2.0e-6"]),
    "not a number": (np.array([[1, 0], [0, math.nan]]), ValueError, ["not a finite"]),
    "infinite": (np.array([[1, 0], [0, complex(0, math.inf)]]), ValueError, ["not a finite"]),
    "enormous": (np.eye(2) * 1e200, ValueError, ["not unitary"]),
    "clongdouble": (np.eye(2, dtype=np.clongdouble), TypeError, ["without loss"]),
    "longdouble": (np.eye(2, dtype=np.longdouble), TypeError, ["without loss"]),
    "objects": (np.eye(2).astype(object), TypeError, ["object"]),
    "texts": ([["1", "0"], ["0", "1"]], TypeError, ["<U1"]),
    "a text": ("identity", TypeError, ["<U8"]),
    "bytes": (b"1", TypeError, ["S1"]),
    "dates": (np.zeros((2, 2), dtype="M8[s]"), TypeError, ["datetime64"]),
    "a structure": (np.zeros((2, 2), dtype=[("re", "f8"), ("im", "f8")]), TypeError, ["re"]),
    "a mapping": ({0: 1}, TypeError, ["array of numbers, but dict"]),
    "lists of other lengths": ([[1, 0], [1]], ValueError, ["inhomogeneous"]),
}


@pytest.mark.parametrize("case", UNITARIES)
def test_unitaries_that_are_refused(writer, case):
    """Says what is wrong, and nothing of the call is accepted."""
    value, exception, words = UNITARIES[case]
    writer.append("t")
    with pytest.raises(exception) as said:
        writer.append("h", value)
    assert all(word in str(said.value) for word in words), said.value
    with pytest.raises((TypeError, ValueError)):
        writer.extend(["h", "h"], [np.eye(2), value])
    assert [record.circuit for record in records(writer)] == [("t 0",)]


def test_which_unitary_is_refused(writer):
    """The message counts from 0, and the records before it are not accepted either."""
    given = np.array([unitary(seed) for seed in range(50)])
    given[37] *= 1.1
    with pytest.raises(ValueError, match="record 37 of those given.*not unitary"):
        writer.extend(["h"] * 50, given)
    for wrong in [given[:49], given[:0], np.concatenate([given, given])]:
        with pytest.raises(ValueError, match="50, 2, 2"):
            writer.extend(["h"] * 50, wrong)
    assert records(writer) == []


def test_the_tolerance(corpus):
    """A tolerance widens or narrows what is unitary; math.inf takes anything finite."""
    off = np.eye(2) * (1 + 1e-4)
    with qorpus.Writer(corpus, gates=["h"], qubits=1, tolerance=1e-3) as writer:
        writer.append("h; h", off)
        with pytest.raises(ValueError, match=r"1\.0e-3"):
            writer.append("h; h", np.eye(2) * 1.1)
    with qorpus.Writer(corpus, gates=["h"], qubits=1, tolerance=0) as writer:
        writer.append("h; h", np.eye(2))
        with pytest.raises(ValueError, match="not unitary"):
            writer.append("h; h", off)
    with qorpus.Writer(corpus, gates=["h"], qubits=1, tolerance=math.inf) as writer:
        writer.append("h; h", np.full((2, 2), 1e300))
        writer.extend(["h; h"], np.zeros((1, 2, 2)))
        for value in [math.nan, math.inf, -math.inf, complex(0, math.nan)]:
            with pytest.raises(ValueError, match="not a finite"):
                writer.append("h; h", np.array([[0, 0], [value, 0]]))
    found = [record.unitary.tolist() for record in records(corpus)]
    assert found == [off.tolist(), np.eye(2).tolist(), np.full((2, 2), 1e300).tolist(), np.zeros((2, 2)).tolist()]


def test_complex64_corpora(corpus):
    """Unitaries are rounded once to the corpus's dtype; what that makes infinite is refused."""
    given = np.array([unitary(seed) for seed in range(20)])
    with qorpus.Writer(corpus, gates=["h", "t"], qubits=1, dtype="complex64", tolerance=math.inf, check="none") as writer:
        writer.extend(["h"] * 20, given)
        writer.append("h", given[0].astype(np.complex64))
        writer.append("h; t")
        for value in [1e39, -1e39j]:
            with pytest.raises(ValueError, match="not a finite"):
                writer.append("h", np.full((2, 2), value))
    reader = qorpus.open(corpus)
    found = reader.unitaries(slice(None))
    assert found.dtype == np.complex64
    assert found[:20].tobytes() == given.astype(np.complex64).tobytes()
    assert found[20].tobytes() == found[0].tobytes()
    assert np.allclose(found[21], T @ H) and len(found) == 22


def test_signs_of_zeros_stay(writer):
    """A given unitary keeps even the signs of its zeros."""
    value = np.array([[1, -0.0], [complex(-0.0, -0.0), -1]])
    writer.append("h", value)
    (record,) = records(writer)
    assert record.unitary.tobytes() == value.tobytes()


def test_corpora_without_unitaries(corpus):
    """If unitaries are computed on reading, none can be given, and they are those of the
    circuits."""
    with qorpus.Writer(corpus, gates=["h", "t"], qubits=1, unitaries=False) as writer:
        writer.append("h; t", kind="x")
        with pytest.raises(ValueError, match="leave it out"):
            writer.append("h", np.eye(2))
        with pytest.raises(ValueError, match="leave it out"):
            writer.extend(["h"], np.eye(2)[None])
    (record,) = records(corpus)
    assert np.allclose(record.unitary, T @ H) and record.labels["kind"] == "x"
    assert qorpus.open(corpus).stores_unitaries is False


# Labels.

LABELS = {
    "int": (3, 3, int),
    "negative": (-(1 << 63), -(1 << 63), int),
    "largest": ((1 << 63) - 1, (1 << 63) - 1, int),
    "float": (0.1, 0.1, float),
    "infinite": (-math.inf, -math.inf, float),
    "True": (True, 1, int),
    "str": ("λ 🙂 \0 ;", "λ 🙂 \0 ;", str),
    "empty": ("", "", str),
    "np.str_": (np.str_("x"), "x", str),
    "np.int8": (np.int8(-3), -3, int),
    "np.uint64": (np.uint64(7), 7, int),
    "np.float32": (np.float32(0.1), float(np.float32(0.1)), float),
    "np.float64": (np.float64(0.1), 0.1, float),
    "np.bool_": (np.bool_(True), 1, int),
    "an array of no dimension": (np.array(5), 5, int),
}


@pytest.mark.parametrize("case", LABELS)
def test_a_label_may_be(writer, case):
    """Numbers and texts of Python and NumPy come back as int, float or str, one by one and as
    columns."""
    value, expected, kind = LABELS[case]
    writer.append("h", mine=value)
    writer.extend(["h", "t"], mine=[value, value])
    writer.extend(["h"], mine=(value,))
    writer.append("h", mine=None)
    writer.extend(["h"], mine=None)
    *have, none, neither = [record.labels for record in records(writer)]
    assert [(labels["mine"], type(labels["mine"])) for labels in have] == [(expected, kind)] * 4
    assert "mine" not in none and "mine" not in neither


def test_a_label_that_is_not_a_number(writer):
    """NaN is a label like any other real."""
    writer.append("h", mine=math.nan)
    (record,) = records(writer)
    assert math.isnan(record.labels["mine"])


COLUMNS = {
    "ints": ([1, 2, 3], [1, 2, 3]),
    "floats": ([0.5, 1.5, 2.5], [0.5, 1.5, 2.5]),
    "bools": ([True, False, True], [1, 0, 1]),
    "texts": (("a", "", "λ"), ["a", "", "λ"]),
    "ints and floats": ([1, 0.5, 2], [1.0, 0.5, 2.0]),
    "bools and NumPy's": ([True, np.int64(2), np.float32(0.5)], [1.0, 2.0, 0.5]),
    "range": (range(3), [0, 1, 2]),
    "int64": (np.arange(3), [0, 1, 2]),
    "uint8": (np.arange(3, dtype=np.uint8), [0, 1, 2]),
    "uint64": (np.arange(3, dtype=np.uint64), [0, 1, 2]),
    "float16": (np.array([0.5, 1, 2], dtype=np.float16), [0.5, 1.0, 2.0]),
    "big-endian": (np.array([1, 2, 3], dtype=">i8"), [1, 2, 3]),
    "not contiguous": (np.arange(6)[::2], [0, 2, 4]),
    "array of bools": (np.array([True, False, True]), [1, 0, 1]),
    "array of texts": (np.array(["a", "bc", ""]), ["a", "bc", ""]),
    "objects that are texts": (np.array(["a", "bc", "λ"], dtype=object), ["a", "bc", "λ"]),
    "objects that are numbers": (np.array([1, 2.5, True], dtype=object), [1.0, 2.5, 1.0]),
    "large integers": ([1 << 60, (1 << 60) + 1, -5], [1 << 60, (1 << 60) + 1, -5]),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_a_column_of_labels_may_be(writer, case):
    """A value for each record, as list, tuple or array, comes back through records, `labels` and
    SQL."""
    values, expected = COLUMNS[case]
    writer.append("t", mine=expected[0])
    writer.extend(["h", "t", "h"], mine=values)
    expected = [expected[0], *expected]
    assert [record.labels["mine"] for record in records(writer)] == expected
    reader = qorpus.open(writer.path)
    assert [labels["mine"] for labels in reader.labels(range(4))] == expected
    assert [row[0] for row in reader.sql("select mine from records order by id")] == expected


def test_columns_of_tensors(writer):
    """Tensors are columns of labels too, and their elements labels."""
    torch = pytest.importorskip("torch")
    writer.extend(["h", "t"], reward=torch.tensor([0.25, 0.5]), steps=torch.tensor([1, 2]))
    writer.append("h", reward=torch.tensor(0.75), steps=torch.tensor(3))
    assert [record.labels["reward"] for record in records(writer)] == [0.25, 0.5, 0.75]
    assert [record.labels["steps"] for record in records(writer)] == [1, 2, 3]


SINGLE = {
    "bytes": (b"x", TypeError, ["bytes"]),
    "complex": (1j, TypeError, ["complex"]),
    "list": ([1], TypeError, ["list"]),
    "array": (np.arange(2), TypeError, ["ndarray"]),
    "dict": ({}, TypeError, ["dict"]),
    "object": (object(), TypeError, ["object"]),
    "too large": (1 << 63, ValueError, [str(1 << 63), "64 bits"]),
    "too small": (-(1 << 63) - 1, ValueError, ["64 bits"]),
    "too large for NumPy": (1 << 70, ValueError, ["64 bits"]),
    "NumPy's too large": (np.uint64(1 << 63), ValueError, ["64 bits"]),
    "a lone surrogate": ("\ud800", ValueError, []),
}


@pytest.mark.parametrize("case", SINGLE)
def test_labels_that_are_refused(writer, case):
    """Names the label, in append and in extend, and nothing of the call is accepted."""
    value, exception, words = SINGLE[case]
    writer.append("t", mine=1)
    for call in [
        lambda: writer.append("h", other=1, mine=value),
        lambda: writer.extend(["h", "h"], other=[1, 2], mine=[1, value]),
    ]:
        with pytest.raises((TypeError, ValueError)) as said:
            call()
        assert isinstance(said.value, exception)
        assert all(word in str(said.value) for word in words), said.value
        assert not words or "mine" in str(said.value)
    (record,) = records(writer)
    assert "other" not in record.labels


COLUMNS_REFUSED = {
    "too few": ([1], ["1 values for 2 records"]),
    "too many": ([1, 2, 3], ["3 values for 2 records"]),
    "none": ([], ["0 values for 2 records"]),
    "a number": (5, ["int"]),
    "a text": ("ab", ["str"]),
    "a generator": ((number for number in range(2)), ["generator"]),
    "None for one": ([1, None], ["None", "record 1"]),
    "None among objects": (np.array(["a", None], dtype=object), ["None", "record 1"]),
    "texts and numbers": (["a", 1], ["text", "number"]),
    "numbers and texts": ([1, "a"], ["text", "number"]),
    "reals and integers that are no reals": ([0.5, (1 << 53) + 1], ["too large"]),
    "integers that are no reals, and reals": ([(1 << 53) + 1, 0.5], ["too large"]),
    "two dimensions": (np.zeros((2, 1)), ["2 dimensions"]),
    "complex": (np.zeros(2, dtype=complex), ["complex128"]),
    "longdouble": (np.zeros(2, dtype=np.longdouble), [str(np.dtype(np.longdouble))]),
    "dates": (np.zeros(2, dtype="M8[s]"), ["datetime64"]),
    "uint64 too large": (np.array([0, 1 << 63], dtype=np.uint64), ["64 bits"]),
}


@pytest.mark.parametrize("case", COLUMNS_REFUSED)
def test_columns_of_labels_that_are_refused(writer, case):
    """Names the label and what is wrong, and nothing of the call is accepted."""
    values, words = COLUMNS_REFUSED[case]
    writer.append("t")
    with pytest.raises((TypeError, ValueError), match="mine") as said:
        writer.extend(["h", "h"], np.stack([U, U]), other=[1, 2], mine=values)
    assert all(word in str(said.value) for word in words), said.value
    writer.append("t", other="still free")
    assert [record.circuit for record in records(writer)] == [("t 0",)] * 2


NO_NAMES = ["id", "length", "count_h", "count_anything", "", "x" * 65, "λ" * 33, "new\nline", "\ud800"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_labels_cannot_have(writer, name):
    """Names of existing columns, and texts that are not names, are refused."""
    with pytest.raises(ValueError):
        writer.append("h", **{name: 1})
    with pytest.raises(ValueError):
        writer.extend(["h"], **{name: [1]})
    assert records(writer) == []


@pytest.mark.parametrize("name", ["circuit", "unitary"])
def test_names_of_parameters(writer, name):
    """A label cannot have the name of a parameter or of a column."""
    for call in [
        lambda: writer.append("h", U, **{name: 1}),
        lambda: writer.extend(["h"], [U], **{name: [1]}),
    ]:
        with pytest.raises((TypeError, ValueError)):
            call()
    assert records(writer) == []


NAMES = ["x", "λ" * 32, "x" * 64, "class", "a b", 'quo"te', "semi;colon", "Reward", "é", "É", "rowid", "self"]


def test_names_that_labels_can_have(writer):
    """Any other name may be given; records and columns keep them apart, as SQL does."""
    given = {name: number for number, name in enumerate(NAMES)}
    writer.append("h", **given)
    writer.extend(["h"], **{name: [value] for name, value in given.items()})
    for record in records(writer):
        own = {name: value for name, value in record.labels.items() if name in given}
        assert own == given
    reader = qorpus.open(writer.path)
    assert sorted(reader.label_types()) == sorted(NAMES)
    assert reader.sql('select "quo""te", "a b" from records where id = 1')[0] == (given['quo"te'], given["a b"])
    rows = reader.sql("select * from records where id = 0")
    assert set(given.values()) <= {value for row in rows for value in row if isinstance(value, int)}
    for name, value in given.items():
        assert reader.sql(f'select "{name.replace(chr(34), chr(34) * 2)}" from records where id = 0')[0] == (value,)


def test_a_text_and_a_number_under_one_name(writer):
    """One writer keeps a name to texts or to numbers, however its records are grouped into
    commits."""
    writer.append("h", mine=1, text="a")
    for flush in [False, True, True]:
        if flush:
            writer.flush()
        with pytest.raises(ValueError, match="'mine'.* text"):
            writer.append("h", mine="a")
        with pytest.raises(ValueError, match="'text'.* text"):
            writer.append("h", text=1)
        writer.append("h", mine=0.5, text="b")
    assert [record.labels["mine"] for record in records(writer)] == [1, 0.5, 0.5, 0.5]


def test_integers_and_reals_under_one_name(writer):
    """They mix as long as no integer would change, however records are grouped; a refusal changes
    nothing."""
    writer.append("h", small=1, large=1 << 60)
    with pytest.raises(TypeError, match="mine"):
        writer.append("h", small=0.5, mine=b"no")
    with pytest.raises(ValueError, match="id"):
        writer.append("h", small=0.5, id=3)
    for _ in range(2):
        with pytest.raises(ValueError, match="large"):
            writer.append("h", small=0.5, large=0.5)
        writer.flush()
    first = records(writer)[0].labels
    assert first["small"] == 1 and type(first["small"]) is int and first["large"] == 1 << 60
    writer.append("h", small=0.5)
    with pytest.raises(ValueError, match="small"):
        writer.append("h", small=(1 << 53) + 1)
    assert [record.labels["small"] for record in records(writer)] == [1, 0.5]


def test_most_labels(corpus, writer):
    """255 names, and no more, however records are grouped; they can be read by SQL too."""
    writer.append("h", **{f"label{number}": number for number in range(200)})
    writer.flush()
    writer.append("h", **{f"label{number}": number for number in range(255)})
    for _ in range(2):
        with pytest.raises(ValueError, match="255"):
            writer.append("h", one_more=1)
        writer.flush()
    last = records(writer)[-1].labels
    assert [last[f"label{number}"] for number in range(255)] == list(range(255))
    assert qorpus.open(corpus).sql("select label254 from records where id = 1")[0][0] == 254


def test_long_texts(writer):
    """Texts of megabytes come back; many of them do not make one row that is too large."""
    texts = [chr(97 + number % 26) * (1 << 20) for number in range(12)]
    writer.extend(["h"] * 12, text=texts)
    writer.append("t", text="x" * (9 << 20))
    assert [record.labels["text"] for record in records(writer)] == [*texts, "x" * (9 << 20)]


# Gates, qubits and other options.

ROOT_Y = np.array([[0.5 + 0.5j, -0.5 - 0.5j], [0.5 + 0.5j, 0.5 + 0.5j]])
OWN = {
    "a mapping": {"h": None, "root_y": ROOT_Y},
    "pairs": ["h", ("root_y", ROOT_Y)],
    "pairs with None": [("h", None), ("root_y", ROOT_Y.tolist())],
    "a generator": (gate for gate in ["h", ["root_y", ROOT_Y]]),
}


@pytest.mark.parametrize("way", OWN)
def test_gates_of_ones_own(corpus, way):
    """Names with matrices, given in any way, make one alphabet, and unitaries are computed from
    them."""
    with qorpus.Writer(corpus, gates=OWN[way], qubits=1) as writer:
        assert writer.letters == ("h 0", "root_y 0")
        writer.append("root_y; root_y")
    (record,) = records(corpus)
    assert np.allclose(record.unitary, ROOT_Y @ ROOT_Y)
    with qorpus.Writer(corpus, gates={"h": None, "root_y": ROOT_Y}, qubits=1) as writer:
        writer.append("h")
    assert len(qorpus.open(corpus)) == 2


def test_a_gate_file(corpus):
    """A TOML file gives the gates, as a text or as a path."""
    path = corpus.with_name("mine.toml")
    matrix = [[["1/2", "1/2"], ["-1/2", "-1/2"]], [["1/2", "1/2"], ["1/2", "1/2"]]]
    path.write_text(f'gates = ["h", "root_y"]\n[[gate]]\nname = "root_y"\nqubits = 1\nmatrix = {matrix}\n')
    for given in [str(path), path]:
        with qorpus.Writer(corpus, gates=given, qubits=1) as writer:
            writer.append("root_y; h")
    assert [record.circuit for record in records(corpus)] == [("root_y 0", "h 0")] * 2
    assert np.allclose(records(corpus)[0].unitary, H @ ROOT_Y)
    with pytest.raises(qorpus.MissingFile, match="other.toml"):
        qorpus.Writer(corpus, gates=str(corpus.with_name("other.toml")), qubits=1)


def test_a_preset(corpus):
    """A preset is a gate set, with as many qubits as the command line has by default."""
    with qorpus.Writer(corpus, gates="clifford+t") as writer:
        assert writer.recipe.qubits == qorpus.Recipe().qubits == 2
        assert writer.recipe.gates == ("h", "s", "sdg", "t", "tdg", "cx")
        writer.append("h 0; cx 0 1")
        with pytest.raises(ValueError, match="'h'"):
            writer.append("h")
    assert np.allclose(records(corpus)[0].unitary[:, 0], [math.sqrt(0.5), 0, 0, math.sqrt(0.5)])


def test_gates_with_angles_and_coupling(corpus):
    """Angles are part of a name, and letters stand only where the coupling allows."""
    with qorpus.Writer(corpus, gates=["rz(pi/4)", "cx"], qubits=3, coupling="line") as writer:
        assert "cx 0 1" in writer.letters and "cx 0 2" not in writer.letters
        writer.append(["rz(pi/4) 2", "cx 1 2"])
        with pytest.raises(ValueError, match="cx 0 2"):
            writer.append("cx 0 2")
    (record,) = records(corpus)
    assert record.circuit == ("rz(pi/4) 2", "cx 1 2") and record.unitary.shape == (8, 8)


def test_opaque_gates(corpus):
    """An undefined name is a gate too; a record with it must bring its unitary, others need not."""
    with qorpus.Writer(corpus, gates=["h", "magic"], qubits=2) as writer:
        writer.append("h 0")
        writer.append("h 0; magic", unitary(1, 4))
        writer.append(["magic 1", "magic 1 0"], unitary(2, 4))
        with pytest.raises(ValueError, match="'magic 1 0'.*must bring its unitary"):
            writer.append("h 1; magic 1 0")
        with pytest.raises(ValueError, match="record 2 .*'magic'"):
            writer.extend(["h 0", "h 1", "magic"])
        with pytest.raises(ValueError, match="magic 2"):
            writer.append("magic 2", unitary(2, 4))
        writer.extend(["magic", "h 0; magic 1"], np.stack([unitary(3, 4), unitary(4, 4)]))
    found = records(corpus)
    assert [record.circuit for record in found] == [
        ("h 0",), ("h 0", "magic"), ("magic 1", "magic 1 0"), ("magic",), ("h 0", "magic 1"),
    ]  # fmt: skip
    for record, seed in zip(found[1:], [1, 2, 3, 4]):
        assert record.unitary.tobytes() == unitary(seed, 4).tobytes()
    with pytest.raises(ValueError, match="magic"):
        qorpus.Writer(corpus.with_name("other.db"), gates=["magic"], qubits=2, unitaries=False)
    assert not corpus.with_name("other.db").exists()


OPTIONS = {
    "no gates": ({"gates": []}, ValueError, ["gates"]),
    "a gate twice": ({"gates": ["h", "h"]}, ValueError, ["twice"]),
    "a gate too wide": ({"gates": ["ccx"]}, ValueError, ["ccx", "3 qubits"]),
    "a name that cannot be": ({"gates": ["h 0"]}, ValueError, ["h 0"]),
    "a number as a gate": ({"gates": [1]}, TypeError, ["names"]),
    "a number as gates": ({"gates": 1}, TypeError, ["names"]),
    "a matrix of three rows": ({"gates": {"mine": np.eye(3)}}, ValueError, ["(3, 3)"]),
    "a matrix that is not unitary": ({"gates": {"mine": np.ones((2, 2))}}, ValueError, ["mine", "not unitary"]),
    "a matrix of NaN": ({"gates": {"mine": np.full((2, 2), math.nan)}}, ValueError, ["mine"]),
    "a matrix of texts": ({"gates": {"mine": [["1", "0"], ["0", "1"]]}}, TypeError, ["mine"]),
    "another matrix of a standard gate": ({"gates": {"h": np.eye(2)}}, ValueError, ["'h'", "standard"]),
    "no qubits": ({"qubits": 0}, ValueError, ["0 qubits"]),
    "nine qubits": ({"qubits": 9}, ValueError, ["9 qubits"]),
    "fewer than none": ({"qubits": -1}, ValueError, ["qubits is -1"]),
    "a real number of qubits": ({"qubits": 1.0}, TypeError, ["qubits", "float"]),
    "too many bits of qubits": ({"qubits": 1 << 64}, ValueError, ["qubits"]),
    "a coupling that is none": ({"coupling": "star"}, ValueError, ["star"]),
    "a coupling of numbers": ({"coupling": 3}, TypeError, ["coupling", "a text, not int"]),
    "float64": ({"dtype": float}, ValueError, ["float64"]),
    "no dtype": ({"dtype": "complex129"}, TypeError, ["complex129"]),
    "a number for unitaries": ({"unitaries": 2}, TypeError, ["unitaries is True or False, not int"]),
    "a negative tolerance": ({"tolerance": -1e-9}, ValueError, ["tolerance"]),
    "a tolerance that is no number": ({"tolerance": math.nan}, ValueError, ["tolerance"]),
    "a tolerance past all reals": ({"tolerance": 10**400}, ValueError, ["tolerance"]),
    "a text as tolerance": ({"tolerance": "1e-6"}, TypeError, ["tolerance"]),
    "no durability": ({"durability": "some"}, ValueError, ["some", "'full'"]),
    "an unknown keyword": ({"qubit": 1}, TypeError, ["qubit"]),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_that_are_refused(corpus, case):
    """Says what is wrong, and makes no file."""
    options, exception, words = OPTIONS[case]
    with pytest.raises(exception) as said:
        qorpus.Writer(corpus, **{"gates": ["h"], "qubits": 1} | options)
    assert all(word in str(said.value) for word in words), said.value
    assert list(corpus.parent.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"gates": ["h"]},
        {"gates": ["t", "h"]},
        {"gates": ["h", "t", "s"]},
        {"qubits": 2},
        {"dtype": "complex64"},
        {"unitaries": False},
        {"gates": {"h": None, "tee": T}},
    ],
    ids=repr,
)
def test_another_corpus_is_there(corpus, options):
    """A writer with other gates, qubits, dtype or unitaries is refused by an error that names
    both."""
    mine = {"gates": ["h", "t"], "qubits": 1}
    with qorpus.Writer(corpus, **mine) as writer:
        writer.append("h")
    before = corpus.read_bytes()
    with pytest.raises(qorpus.Error) as said:
        qorpus.Writer(corpus, **mine | options)
    text = str(said.value)
    assert str(corpus) in text and not isinstance(said.value, ValueError)
    there, asked = (line for line in text.splitlines() if line.strip().startswith(("there:", "asked:")))
    assert there.split(":", 1)[1] != asked.split(":", 1)[1] and "h, t on 1 qubit" in there
    assert corpus.read_bytes() == before and companions(corpus) == []


def test_gates_are_left_out(corpus):
    """Without gates a corpus that exists is continued; without one, or with other options, that is
    an error."""
    with pytest.raises(qorpus.MissingFile, match="does not exist"):
        qorpus.Writer(corpus)
    assert not corpus.exists()
    with qorpus.Writer(corpus, gates=["h", "magic"], qubits=2, dtype="complex64") as writer:
        writer.append("h 0")
    with qorpus.Writer(corpus) as writer:
        assert writer.letters[:2] == ("h 0", "h 1") and writer.recipe.qubits == 2
        writer.append("magic 0", unitary(1, 4))
    assert [record.circuit for record in records(corpus)] == [("h 0",), ("magic 0",)]
    for options in [{"qubits": 1}, {"coupling": "line"}, {"dtype": "complex128"}, {"unitaries": True}]:
        with pytest.raises(ValueError, match=next(iter(options))):
            qorpus.Writer(corpus, **options)
    assert len(qorpus.open(corpus)) == 2


def test_paths_that_cannot_hold_a_corpus(corpus):
    """Generated corpora, other files, directories and missing directories are refused and not
    touched."""
    qorpus.generate(corpus, gates="ht", qubits=1, random=100, progress=False)
    text, before = corpus.with_name("text.db"), corpus.read_bytes()
    text.write_text("not a corpus " * 10000)
    for options in [{}, {"gates": "ht", "qubits": 1}]:
        with pytest.raises(qorpus.Error, match=r"c\.db"):
            qorpus.Writer(corpus, **options)
        with pytest.raises(qorpus.Error, match="not a Qorpus corpus"):
            qorpus.Writer(text, **options)
        with pytest.raises(qorpus.Error, match="directory"):
            qorpus.Writer(corpus.parent, **options)
        with pytest.raises(qorpus.MissingFile, match="no_such"):
            qorpus.Writer(corpus.parent / "no_such" / "c.db", **options)
    with pytest.raises(qorpus.Error, match="append to another file"):
        qorpus.Writer(corpus)
    assert corpus.read_bytes() == before and text.read_text() == "not a corpus " * 10000
    assert sorted(path.name for path in corpus.parent.iterdir()) == ["c.db", "text.db"]


@pytest.mark.parametrize("path", [None, 3, b"c.db", ["c.db"], "a\0b", "\ud800x", ""], ids=repr)
def test_paths_that_are_none(path, monkeypatch, tmp_path):
    """An object that is not a path is a TypeError or ValueError or an error of the library."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(REFUSALS):
        qorpus.Writer(path, gates=["h"], qubits=1)


@pytest.mark.parametrize("durability", ["full", "normal", "off"])
def test_durability(corpus, durability):
    """Flushed records are there with every durability."""
    with qorpus.Writer(corpus, gates=["h"], qubits=1, durability=durability) as writer:
        writer.extend(["h"] * 1000)
        assert writer.flush() == 1000
        assert len(qorpus.open(corpus)) == 1000


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
    assert "records that were accepted before are lost" in said.value.__notes__[0] and str(corpus) in said.value.__notes__[0]


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


def test_a_label_is_a_number_or_a_text_throughout_a_file(corpus):
    """A label of another type than in the file is refused: at once, or, if both are new to the
    file, at the flush."""
    first, second = (qorpus.Writer(corpus, gates=["h"], qubits=1) for _ in range(2))
    first.append("h", reward=1)
    second.append("h", reward="much")
    first.close()
    with pytest.raises(qorpus.Error, match="'reward'.*text for some records and a number for others"):
        second.flush()
    for use in [lambda: second.append("h"), second.close]:
        with pytest.raises(qorpus.Error, match="reward"):
            use()
    with qorpus.Writer(corpus) as third:
        with pytest.raises(ValueError, match="'reward'.*text for some"):
            third.append("h", reward="much")
        third.append("h", reward=0.5)
    reader = qorpus.open(corpus)
    assert [record.labels["reward"] for record in reader] == [1, 0.5]
    assert reader.label_types() == {"reward": float}
    command("verify", corpus, "--quiet")


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


# Properties.

COUPLINGS = {1: ["all"], 2: ["all"], 3: ["all", "line", "ring", "0-2"]}
LABEL_VALUES = {
    "i": st.integers(-(1 << 63), (1 << 63) - 1),
    "r": st.floats(allow_nan=False),
    "t": st.text(max_size=8),
    "m": st.one_of(st.integers(-(1 << 53), 1 << 53), st.floats(allow_nan=False)),
}
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
SETTINGS = settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=SLOW)


@SETTINGS
@given(st.data())
def test_written_records_are_read_back(data):
    """Circuits, unitaries and labels come back to the bit, through any sequence of append, extend,
    flush and reopen."""
    qubits = data.draw(st.integers(1, 3))
    options = {
        "gates": data.draw(st.sampled_from([["h", "t", "magic"], ["h", "s", "cx"], ["u3(pi/7,1,2)", "cz", "sx"]])),
        "qubits": qubits,
        "coupling": data.draw(st.sampled_from(COUPLINGS[qubits])),
        "dtype": data.draw(st.sampled_from(["complex128", "complex64"])),
    }
    if qubits == 1:
        options["gates"] = [gate for gate in options["gates"] if gate not in ("cx", "cz")]
    options |= {"durability": "off", "check": "none"}
    expected = []
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as opened:
        path = Path(directory) / "c.db"
        writer = qorpus.Writer(path, **options)
        opened.callback(lambda: writer.close())
        letters = writer.letters
        numbers = st.lists(st.integers(0, len(letters) - 1), max_size=12)

        def draw_labels():
            names = data.draw(st.sets(st.sampled_from(list(LABEL_VALUES))))
            return {name: data.draw(LABEL_VALUES[name]) for name in names}

        def draw_unitary():
            return unitary(data.draw(st.integers(0, 99)), 2**qubits)

        for step in data.draw(st.lists(st.sampled_from("aaeefr"), max_size=12)):
            if step == "a":
                circuit, value, labels = data.draw(numbers), draw_unitary(), draw_labels()
                as_text = data.draw(st.booleans())
                writer.append("; ".join(letters[k] for k in circuit) if as_text else circuit, value, **labels)
                expected.append((circuit, value, labels))
            elif step == "e":
                circuits = data.draw(st.lists(numbers, max_size=4))
                values = [draw_unitary() for _ in circuits]
                names = data.draw(st.sets(st.sampled_from(list(LABEL_VALUES)))) if circuits else []
                columns = {name: [data.draw(LABEL_VALUES[name]) for _ in circuits] for name in names}
                shape = (len(circuits), 2**qubits, 2**qubits)
                writer.extend(circuits, np.array(values, dtype=complex).reshape(shape), **columns)
                rows = [{name: column[row] for name, column in columns.items()} for row in range(len(circuits))]
                expected += zip(circuits, values, rows)
            elif step == "f":
                assert writer.flush() <= len(expected)
                assert len(qorpus.open(path)) == len(expected)
            else:
                writer.close()
                again = options if data.draw(st.booleans()) else {"durability": "off", "check": "none"}
                writer = qorpus.Writer(path, **again)
        writer.close()
        corpus = qorpus.open(path)
        assert len(corpus) == len(expected)
        for record, (circuit, value, labels) in zip(corpus, expected):
            assert record.circuit == tuple(letters[k] for k in circuit)
            assert record.unitary.tobytes() == value.astype(options["dtype"]).tobytes()
            assert {name: record.labels[name] for name in LABEL_VALUES if name in record.labels} == labels


@SETTINGS
@given(st.integers(1, 3), st.data())
def test_unitaries_are_computed_as_the_recipe_computes_them(qubits, data):
    """An appended circuit has the unitary, to the bit, that the same circuit has in a computed
    corpus."""
    gates = ["h", "t", "sx"] if qubits == 1 else ["h", "t", "cx"]
    recipe = qorpus.Recipe(gates=gates, qubits=qubits, random=1000, length=(0, 20), seed=data.draw(st.integers(0, 99)))
    ids = data.draw(st.lists(st.integers(0, 999), max_size=20))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "c.db"
        with qorpus.Writer(path, gates=gates, qubits=qubits) as writer:
            writer.extend(recipe.circuits(ids))
        assert qorpus.open(path).unitaries(slice(None)).tobytes() == recipe.unitaries(ids).tobytes()
        assert qorpus.open(path).circuits(slice(None)) == recipe.circuits(ids)


class Hostile:
    """An object whose every question is answered by an exception."""

    def __getattr__(self, name):
        raise ValueError(name)

    def __iter__(self):
        raise ValueError("iter")

    def __len__(self):
        raise ValueError("len")

    def __index__(self):
        raise ValueError("index")

    def __float__(self):
        raise ValueError("float")

    def __array__(self, *arguments, **keywords):
        raise ValueError("array")

    def __str__(self):
        raise ValueError("str")

    __repr__ = object.__repr__


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([1 << 63, 1 << 64, -(1 << 63) - 1, 10**400, 65535, 65536]),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=5),
    st.sampled_from(["h", "h 0", "t;h", "cx 0 1", "rz(", "h()", "\ud800", "complex64", "full", "all", "0-1"]),
    st.binary(max_size=5),
    st.builds(object),
    st.builds(Hostile),
    st.sampled_from([int, len, Hostile, np, ..., np.float64, np.dtype("c8"), np.datetime64("nat")]),
    arrays.arrays(
        dtype=st.one_of(arrays.scalar_dtypes(), st.sampled_from([np.dtype(object), np.dtype("c16"), np.dtype("c32")])),
        shape=arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    ),
)
THINGS = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=3), inner, max_size=2),
        st.lists(inner, max_size=2).map(iter),
    ),
    max_leaves=5,
)


def refuses_or_not(call) -> bool:
    """Return whether the call was refused by the right exception, never by an abort or a panic."""
    try:
        call()
    except REFUSALS as error:
        assert "panic" not in type(error).__name__.lower() and "panicked" not in Hostile.__repr__(error)
        return True
    return False


@settings(SETTINGS, max_examples=300)
@given(THINGS, st.one_of(st.none(), THINGS), st.dictionaries(st.text(max_size=3), THINGS, max_size=2))
def test_wrong_arguments_of_append_and_extend(circuit, value, labels):
    """Any objects whatever are either accepted or refused by an exception that says so; a refusal
    leaves no trace."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "c.db"
        writer, accepted = qorpus.Writer(path, gates=["h", "t"], qubits=1, durability="off"), 0
        accepted += not refuses_or_not(lambda: writer.append(circuit, value, **labels))
        accepted += not refuses_or_not(lambda: writer.append("h", value, **labels))
        accepted += not refuses_or_not(lambda: writer.append("h", **labels))
        accepted += not refuses_or_not(lambda: writer.append(circuit))
        accepted += not refuses_or_not(lambda: writer.extend([circuit]))
        accepted += 2 * (not refuses_or_not(lambda: writer.extend(["h", "t"], value, **labels)))
        assert refuses_or_not(lambda: writer.extend(["h", circuit, "no such letter"], value, **labels))
        assert writer.flush() == accepted
        writer.close()
        assert len(list(qorpus.open(path))) == accepted


OPTION_NAMES = ["gates", "qubits", "coupling", "dtype", "unitaries", "tolerance", "durability"]


@settings(SETTINGS, max_examples=300)
@given(st.dictionaries(st.sampled_from(OPTION_NAMES), THINGS, min_size=1, max_size=3))
def test_wrong_options(options):
    """Any objects whatever as options make a writer that works, or an exception and no file."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "c.db"
        made = []
        if refuses_or_not(lambda: made.append(qorpus.Writer(path, **{"gates": ["h"], "qubits": 1} | options))):
            assert list(Path(directory).iterdir()) == []
        else:
            made.pop().close()
            assert len(qorpus.open(path)) == 0


@settings(SETTINGS, max_examples=100)
@given(THINGS.filter(lambda thing: not isinstance(thing, str)))
def test_wrong_paths(path):
    """An object that is not a path is refused."""
    assert refuses_or_not(lambda: qorpus.Writer(path, gates=["h"], qubits=1))


# Unitaries and their circuits.


def little(value: np.ndarray) -> np.ndarray:
    """A unitary of two qubits in the other order of qubits."""
    return value.reshape([2] * 4).transpose([1, 0, 3, 2]).reshape(4, 4)


BELL = ["h 0", "t 0", "rz(0.3) 1", "cx 0 1", "u3(0.3,0.2,1) 0"]
MISTAKES = {
    "the other order": (little, "qubits are in the other order.*little"),
    "the conjugate": (np.conj, "its conjugate"),
    "the transpose": (np.transpose, "its transpose"),
    "the inverse": (lambda value: value.conj().T, "its inverse"),
    "both": (lambda value: little(value).conj(), "its conjugate, and the qubits are in the other order"),
    "another one": (lambda value: value @ np.diag([1, 1, 1, -1]), "that of another circuit"),
}


@pytest.fixture
def pair(corpus):
    """A writer of two-qubit records, and the right unitary of a circuit."""
    with qorpus.Writer(corpus, gates=["h", "t", "rz(0.3)", "cx", "u3(0.3,0.2,1)", "magic"], qubits=2) as writer:
        with qorpus.Writer(corpus.with_name("right.db"), gates=writer.recipe.gates, qubits=2) as other:
            other.append(BELL)
        right = qorpus.open(corpus.with_name("right.db"))[0].unitary
        yield writer, right


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_unitary_of_another_circuit_is_refused(pair, mistake):
    """The error names the record, the difference and the mistake; nothing of the call is
    accepted."""
    (writer, right), (make, said) = pair, MISTAKES[mistake]
    with pytest.raises(qorpus.InvalidArgument, match=f"record 0 .*'h 0; t 0; .*differ by up to .*{said}"):
        writer.append(BELL, make(right))
    with pytest.raises(qorpus.InvalidArgument, match=f"record 2 .*{said}"):
        writer.extend([BELL] * 4, [right, right, make(right), right])
    writer.append(BELL, right * np.exp(0.7j))
    writer.append([*BELL, "magic 0"], make(right))
    assert len(records(writer)) == 2


def test_the_order_of_given_unitaries(corpus, pair):
    """order="little" takes what Qiskit computes, in append and extend, and stores it in the
    corpus's own order."""
    _, right = pair
    gates, path = ["h", "t", "rz(0.3)", "cx", "u3(0.3,0.2,1)"], corpus.with_name("little.db")
    given = little(right).copy()
    with qorpus.Writer(path, gates=gates, qubits=2, order="little", check="exact") as writer:
        writer.append(BELL, given)
        writer.extend([BELL] * 300, [given] * 300)
        with pytest.raises(ValueError, match="the other order"):
            writer.append(BELL, right)
    assert given.tobytes() == little(right).tobytes()
    assert all(record.unitary.tobytes() == right.tobytes() for record in records(path))
    with pytest.raises(ValueError, match="'middle' is neither"):
        qorpus.Writer(path, order="middle")


def test_how_unitaries_are_compared(corpus, pair):
    """Up to a phase, exactly, or not at all; rounding to fewer digits is not a mistake."""
    _, right = pair
    gates, path = ["h", "t", "rz(0.3)", "cx", "u3(0.3,0.2,1)"], corpus.with_name("how.db")
    with qorpus.Writer(path, gates=gates, qubits=2, check="exact") as writer:
        writer.append(BELL, right.astype(np.complex64))
        with pytest.raises(ValueError, match="but for a global phase of 0.7"):
            writer.append(BELL, right * np.exp(0.7j))
    with qorpus.Writer(path, tolerance=1e-2) as writer:
        writer.append(BELL, np.round(right, 3))
        with pytest.raises(ValueError, match="the other order"):
            writer.append(BELL, np.round(little(right), 3))
    assert "clean" in command("verify", path).stdout
    with qorpus.Writer(path, check="none") as writer:
        writer.append(BELL, little(right))
    with pytest.raises(ValueError, match="check 'all' is none of 'phase', 'exact', 'none'"):
        qorpus.Writer(path, check="all")
    assert len(qorpus.open(path)) == 3


def test_verify_recomputes_appended_records(corpus, pair):
    """verify names records whose unitary is not their circuit's, and repair leaves them as they
    are."""
    _, right = pair
    gates, path = ["h", "t", "rz(0.3)", "cx", "u3(0.3,0.2,1)", "magic"], corpus.with_name("mixed.db")
    with qorpus.Writer(path, gates=gates, qubits=2, check="none") as writer:
        writer.extend([BELL] * 500, [little(right) if number in (3, 444) else right for number in range(500)])
        writer.append("magic 0", right)
    found = command("verify", path, status=1).stdout
    assert "record 3: its unitary does not belong to its circuit" in found and "record 444:" in found
    assert "the other order" in found and "500 of them recomputed (1 cannot be" in found
    before = path.read_bytes()
    assert "records, the first of them record 3" in command("repair", path, status=1).stderr
    assert path.read_bytes() == before


# Names that mean one thing.


@pytest.mark.parametrize(
    ("gate", "letter"),
    [
        ("rz(0.7853981633974483)", "rz(pi/4) 0"),
        ("rz(pi/4)", "rz(0.7853981633974483)"),
        ("rz(0.5)", "rz(.5) 0"),
        ("rz(1e-5)", "rz(1e-05) 0"),
        ("rz(3*pi/8)", "rz(1.1780972450961724) 0"),
        ("rz(2**-1)", "rz(0.5) 0"),
        ("rz(π/4)", "rz(tau/8) 0"),
    ],
)
def test_letters_are_found_by_the_value_of_their_angle(corpus, gate, letter):
    """Every spelling of an angle is the alphabet's letter."""
    with qorpus.Writer(corpus, gates=[gate, "h"], qubits=1) as writer:
        writer.append([letter])
        writer.extend([letter, [letter, "h"]])
        assert {record.circuit[0] for record in records(writer)} == {writer.letters[0]}
    (again,) = qorpus.Recipe(gates=[gate], qubits=1, words=True, length=(1, 1)).letters
    assert again == qorpus.open(corpus).recipe.letters[0]


def test_one_gate_has_one_spelling(corpus):
    """A gate set with one gate twice is refused, naming both spellings."""
    for gates in ["rz(pi/4),rz(0.7853981633974483)", ["rz(pi/4)", "h", "rz(0.25*pi)"]]:
        for make in [lambda gates=gates: qorpus.Recipe(gates=gates, qubits=1, random=1), lambda gates=gates: qorpus.Writer(corpus, gates, 1)]:
            with pytest.raises(qorpus.InvalidArgument, match=r"'rz\(pi/4\)' and 'rz\(.*' are the same gate"):
                make()
    assert not corpus.exists()


def test_names_of_other_tools(corpus):
    """A letter or a gate that another tool calls otherwise is named."""
    with qorpus.Writer(corpus, gates=["h", "cx"], qubits=2) as writer, pytest.raises(ValueError, match="did you mean 'cx'"):
        writer.append("cnot 0 1")
    with qorpus.Writer(corpus.with_name("2.db"), gates=["cnot"], qubits=2) as writer:
        with pytest.raises(ValueError, match="must bring its unitary.*did you mean 'cx'"):
            writer.append("cnot 0 1")
    with pytest.raises(ValueError, match=r"did you mean 'p'\? Here the gate is 'p\(pi/4\)'"):
        qorpus.Writer(corpus.with_name("3.db"), gates=["u1(pi/4)"], qubits=1)


@pytest.mark.parametrize("name", ["Seed", "SEED", "ID", "Length", "Circuit", "UNITARY", "Count_h"])
def test_labels_that_sql_takes_for_one_are_refused(writer, name):
    """SQL does not see letter case: names that differ in it alone are refused, whatever was
    appended before."""
    writer.append("h", seed=1)
    with pytest.raises(ValueError, match="SQL does not see"):
        writer.append("h", **{name: 2})
    with pytest.raises(ValueError, match="SQL does not see"):
        writer.extend(["h"], gate=[1], Gate=[2])
    (record,) = records(writer)
    assert record.labels["seed"] == 1
