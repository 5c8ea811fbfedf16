"""Unitaries that a `qorpus.Writer` is given: as they may be written, refused, and compared with their
circuits."""

import math

import numpy as np
import pytest
import qorpus
from appending import H, T, U, records, unitary
from command import qorpus as command

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
    "a mapping": ({0: 1}, TypeError, ["array of numbers, not dict"]),
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
        with pytest.raises(ValueError, match="append the circuit alone"):
            writer.append("h", np.eye(2))
        with pytest.raises(ValueError, match="append the circuit alone"):
            writer.extend(["h"], np.eye(2)[None])
    (record,) = records(corpus)
    assert np.allclose(record.unitary, T @ H) and record.labels["kind"] == "x"
    assert qorpus.open(corpus).stores_unitaries is False


# Unitaries and their circuits.


def little(value: np.ndarray) -> np.ndarray:
    """A unitary of two qubits in the other order of qubits."""
    return value.reshape([2] * 4).transpose([1, 0, 3, 2]).reshape(4, 4)


BELL = ["h 0", "t 0", "rz(0.3) 1", "cx 0 1", "u3(0.3,0.2,1) 0"]
MISTAKES = {
    "the other order": (little, "qubits are in reverse order.*little"),
    "the conjugate": (np.conj, "the conjugate of the circuit's"),
    "the transpose": (np.transpose, "the transpose of the circuit's"),
    "the inverse": (lambda value: value.conj().T, "the inverse"),
    "both": (lambda value: little(value).conj(), "the conjugate of the circuit's, and its qubits are in reverse order"),
    "another one": (lambda value: value @ np.diag([1, 1, 1, -1]), "the unitary of another circuit"),
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
        with pytest.raises(ValueError, match="qubits are in reverse order"):
            writer.append(BELL, right)
    assert given.tobytes() == little(right).tobytes()
    assert all(record.unitary.tobytes() == right.tobytes() for record in records(path))
    with pytest.raises(ValueError, match="order is 'middle'; it must be 'big' or"):
        qorpus.Writer(path, order="middle")


def test_how_unitaries_are_compared(corpus, pair):
    """Up to a phase, exactly, or not at all; rounding to fewer digits is not a mistake."""
    _, right = pair
    gates, path = ["h", "t", "rz(0.3)", "cx", "u3(0.3,0.2,1)"], corpus.with_name("how.db")
    with qorpus.Writer(path, gates=gates, qubits=2, check="exact") as writer:
        writer.append(BELL, right.astype(np.complex64))
        with pytest.raises(ValueError, match="by a global phase of 0.7"):
            writer.append(BELL, right * np.exp(0.7j))
    with qorpus.Writer(path, tolerance=1e-2) as writer:
        writer.append(BELL, np.round(right, 3))
        with pytest.raises(ValueError, match="qubits are in reverse order"):
            writer.append(BELL, np.round(little(right), 3))
    assert "clean" in command("verify", path).stdout
    with qorpus.Writer(path, check="none") as writer:
        writer.append(BELL, little(right))
    with pytest.raises(ValueError, match="check 'all' is unknown; use 'phase', 'exact' or 'none'"):
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
    assert "record 3: the unitary is not that of the circuit" in found and "record 444:" in found
    assert "qubits are in reverse order" in found and "500 recomputed, 1 with a gate whose matrix is unknown" in found
    before = path.read_bytes()
    assert "records, the first of them record 3" in command("repair", path, status=1).stderr
    assert path.read_bytes() == before
