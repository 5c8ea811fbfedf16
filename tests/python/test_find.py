"""Unitaries that people hand over are found, or the answer says what it does not know: nothing
imprecise is called proven."""

import json
import pickle

import numpy as np
import pytest
import qorpus
from command import qorpus as command
from qiskit.quantum_info import Operator
from scipy.linalg import expm, polar


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    return qorpus.distinct(tmp_path_factory.mktemp("exact") / "c.db", gates="h,t,tdg,cx", qubits=2, max_length=3, progress=False)


@pytest.fixture(scope="module")
def floating(tmp_path_factory):
    return qorpus.distinct(tmp_path_factory.mktemp("floating") / "c.db", gates="sx,rz(0.3),cz", qubits=2, max_length=3, progress=False)


@pytest.fixture(scope="module", params=["exact", "floating"])
def corpus(request):
    return request.getfixturevalue(request.param)


def losses(seed):
    """Return ways in which people change a unitary before `find`, by name."""
    chance = np.random.default_rng(seed)
    noise = chance.normal(size=(4, 4)) + 1j * chance.normal(size=(4, 4))
    return {
        "complex64": lambda u: u.astype(np.complex64),
        "complex64 and back": lambda u: u.astype(np.complex64).astype(complex),
        "8 decimals": lambda u: u.round(8),
        "4 decimals": lambda u: u.round(4),
        "noise of 1e-7": lambda u: u + 1e-7 * noise,
        "noise of 1e-4": lambda u: u + 1e-4 * noise,
        "a factor": lambda u: u * (1 + 1e-6),
        "read from text": lambda u: np.array([[complex(f"{z:.7g}") for z in row] for row in u]),
    }


@pytest.mark.parametrize("loss", losses(0))
def test_unitaries_that_lost_digits_are_found(corpus, loss):
    """Each of a corpus's own unitaries, one by one and together."""
    lost = [losses(record.id)[loss](np.exp(0.3j * record.id) * record.unitary) for record in corpus]
    found = corpus.find_many(lost)
    assert [one.id for one in found] == list(range(len(corpus)))
    assert [one.circuit for one in found] == [record.circuit for record in corpus]
    assert all(one.tolerance is None or one.distance <= one.tolerance for one in found)
    assert corpus.find(lost[7]) == found[7]


def test_own_unitaries_of_complex64_are_found(tmp_path):
    for number, gates in enumerate(["h,t,tdg,cx", "sx,rz(0.3),cz", "h,s"]):
        corpus = qorpus.distinct(
            tmp_path / f"{number}.db", gates=gates, qubits=1 + (number < 2), max_length=3, dtype="complex64", progress=False
        )
        assert corpus.unitaries([0]).dtype == np.complex64
        assert [corpus.find(record.unitary).id for record in corpus] == list(range(len(corpus)))


def test_a_unitary_between_two_records_is_neither(corpus):
    """Nothing within the tolerance, or several: the nearest is named, and nothing is proven."""
    one, other = corpus[3].unitary, corpus[4].unitary
    middle, _ = polar(one + 0.8 * other * np.exp(-1j * np.angle(np.trace(one.conj().T @ other))))
    for target in [middle.round(5), middle.astype(np.complex64)]:
        found = corpus.find(target)
        assert found == (None, None, None) and not found.proven and found.within == 0
        off = [distance(target, record.unitary) for record in corpus]
        assert found.nearest == np.argmin(off)
        assert found.distance == pytest.approx(min(off), abs=1e-9)
        assert found.tolerance < found.distance
    assert corpus.find(middle, tolerance=0.9).id == np.argmin([distance(middle, record.unitary) for record in corpus])


def distance(one, other):
    """The largest difference of entries where the phase makes the overlap positive."""
    overlap = np.vdot(one, other)
    return np.abs(one * (overlap / abs(overlap) if overlap else 1) - other).max()


def test_precise_unitaries_are_proven_absent(exact, floating):
    for corpus in [exact, floating]:
        for target in ["rz(0.1) 0", np.kron(np.diag([1, np.exp(0.1j)]), np.eye(2))]:
            found = corpus.find(target, further=False)
            assert found == (None, None, 3) and found.proven
            assert found.tolerance is found.distance is found.nearest is None


def test_a_unitary_next_to_a_record_proves_nothing(corpus):
    """Digits that were lost before a matrix was made unitary again leave no trace in it."""
    for record in list(corpus)[1::5]:
        unitary, _ = polar(record.unitary.astype(np.complex64).astype(complex))
        found = corpus.find(unitary)
        assert not found.proven and record.id in (found.id, found.nearest), found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda u: u * np.nan, "row 0, column 0 is not a finite number"),
        (lambda u: np.where(np.eye(4)[::-1], np.inf, u), "row 0, column 3 is not a finite number"),
        (lambda u: u * 0, "not unitary.* 1.000, more than 0.05"),
        (lambda u: u * 2, "not unitary.* 3.000"),
        (lambda u: u * 1e200, "not unitary"),
        (lambda u: np.ones((4, 4)), "not unitary.* 4.000"),
        (lambda u: u + np.triu(np.ones((4, 4))) / 3, "not unitary"),
        (lambda u: u[:2], "shape"),
        (lambda u: u[0], "shape"),
    ],
)
def test_targets_that_are_not_unitary_are_refused(corpus, tmp_path, change, reason):
    target = change(corpus[1].unitary)
    for call in [lambda: corpus.find(target), lambda: corpus.find_many([corpus[0].unitary, target])]:
        with pytest.raises(qorpus.InvalidArgument, match=reason):
            call()
    np.save(tmp_path / "u.npy", target)
    refused = command("find", corpus.paths[0], "--unitary", tmp_path / "u.npy", status=2)
    assert "proof" not in refused.stdout + refused.stderr


@pytest.mark.parametrize("tolerance", [0, -0.1, 3, float("nan"), float("inf")])
def test_tolerances_that_cannot_be_are_refused(exact, tolerance):
    with pytest.raises(qorpus.InvalidArgument, match="tolerance"):
        exact.find("h 0", tolerance=tolerance)


def test_a_tolerance_never_proves(exact):
    found = exact.find("h 0", tolerance=1e-6)
    assert found.id == exact.find("h 0").id and found.tolerance == 1e-6 and found.distance < 1e-12
    absent = exact.find("rz(0.1) 0", tolerance=1e-6)
    assert absent == (None, None, None) and not absent.proven and absent.within == 0


def test_longer_circuits_are_put_together_for_few_digits(corpus):
    for circuit in ["cx 0 1; t 0; h 0; cx 1 0", "cx 0 1; h 0; cx 1 0; h 1", "cz 0 1; sx 0; cz 0 1; sx 1; sx 1"]:
        target = made(circuit)
        expected = corpus.find(target).circuit
        found = corpus.find(target.astype(np.complex64))
        assert found.circuit == expected
        assert expected is None or found.distance is None or found.distance < 1e-6


def made(circuit):
    return Operator(qorpus.to_qiskit(circuit, 2).reverse_bits()).data


def test_the_command_prints_that_nothing_is_proven(exact, tmp_path):
    path, file = exact.paths[0], tmp_path / "u.npy"
    np.save(file, exact[30].unitary.astype(np.complex64))
    said = command("find", path, "--unitary", file).stdout
    assert "record 30" in said and "not proven" in said
    shown = json.loads(command("find", path, "--unitary", file, "--json").stdout)
    assert shown["id"] == 30 and shown["distance"] <= shown["tolerance"] < 1e-6
    np.save(file, made("rz(0.1) 0").astype(np.complex64))
    said = command("find", path, "--unitary", file).stdout
    assert "no record is within" in said and "nearest: record 0" in said and "proven" not in said
    shown = json.loads(command("find", path, "--unitary", file, "--json").stdout)
    assert shown["circuit"] is None and shown["proven"] is False and shown["nearest"]["id"] == 0
    shown = json.loads(command("find", path, "--unitary", file, "--tolerance", "0.1", "--json").stdout)
    assert shown["id"] == 0
    assert "proven: no circuit" in command("find", path, "--circuit", "rz(0.1) 0").stdout


def test_answers_are_tuples_that_can_be_kept(exact):
    found = exact.find(exact[1].unitary.astype(np.complex64))
    copy = pickle.loads(pickle.dumps(found))
    assert copy == found == (exact[1].circuit, 1, None)
    assert vars(copy) == vars(found) and "distance" in repr(copy)


def test_many_of_different_kinds_are_found_in_order(exact):
    targets = ["h 0", exact[5].unitary, ["t 0", "h 0"], "rz(0.1) 1", exact[6].unitary.round(5)]
    found = exact.find_many(targets, further=False)
    assert [one.id for one in found] == [exact.find("h 0").id, 5, exact.find("t 0; h 0").id, None, 6]
    assert [one.proven for one in found] == [False, False, False, True, False]
    assert exact.find_many([]) == []


@pytest.mark.parametrize("error", [1e-12, 1e-11, 1e-9, 1e-7])
def test_meeting_in_the_middle_proves_nothing_about_a_unitary_nearby(floating, error):
    """A unitary that is off, and unitary to the last bits, is not proven to have no circuit as long
    as the one it is next to."""
    chance = np.random.default_rng(3)
    for circuit in ["sx 0; cz 0 1; sx 0; cz 0 1; rz(0.3) 0", "rz(0.3) 0; sx 0; rz(0.3) 0; sx 0; rz(0.3) 0; sx 0"]:
        noise = chance.normal(size=(4, 4)) + 1j * chance.normal(size=(4, 4))
        found = floating.find(made(circuit) @ expm(1j * error * (noise + noise.conj().T)))
        length = len(circuit.split(";"))
        assert not found.proven or found.none_up_to < length, found
        assert floating.find(made(circuit)).circuit is not None


def test_integers_and_half_precision_are_read_from_files(exact, tmp_path):
    swapped, file = made("cx 0 1").real, tmp_path / "u.npy"
    expected = exact.find("cx 0 1").id
    for dtype in ["i1", "u1", "i2", "u2", ">i4", "u4", "i8", "u8", "?", "f2", ">f4", "f8", "c8", ">c16"]:
        for order in [np.ascontiguousarray, np.asfortranarray]:
            given = order(swapped.astype(dtype))
            np.save(file, given)
            shown = json.loads(command("find", exact.paths[0], "--unitary", file, "--json").stdout)
            assert shown["id"] == exact.find(given).id == expected, dtype
    np.save(file, exact[1].unitary.real.astype("f2"))
    shown = json.loads(command("find", exact.paths[0], "--unitary", file, "--json").stdout)
    assert shown["id"] == 1 and shown["distance"] < 1e-3 < shown["tolerance"]


def test_arguments_that_are_no_targets(exact):
    for targets in ["h 0", None, 3, np.array(1.0), {"h 0", "t 1"}, {"h 0": 1}]:
        with pytest.raises(TypeError, match="targets") as refused:
            exact.find_many(targets)
        assert isinstance(refused.value, qorpus.Error)
    assert exact.find([]).circuit == ()
    with pytest.raises(qorpus.InvalidArgument, match="shape"):
        exact.find(np.zeros((0, 0)))
    for target in [None, {}, {"h 0"}, exact[1]]:
        with pytest.raises(TypeError, match="must be an array of numbers, not "):
            exact.find(target)
    with pytest.raises(TypeError, match=r"astype\(complex\)"):
        exact.find(exact[1].unitary.astype(np.clongdouble))


def test_the_reason_of_a_library_that_gives_no_array_is_kept(exact):
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("call detach() first")

    with pytest.raises(qorpus.InvalidArgument, match=r"not Tensor: call detach\(\) first"):
        exact.find(Tensor())
