"""Augmented streams: circuits and unitaries agree, and follow from seed, epoch and id alone."""

import json

import numpy as np
import pytest
import qorpus

KINDS = ("inverse", "permutation", "phase")
#: Alphabets with inverses: symmetric gates, gates on three qubits, and a coupling with two permutations.
RECIPES = {
    "two qubits": dict(gates="h,s,sdg,t,tdg,cx,cz,rz(0.3),rz(-0.3)", qubits=2),
    "little": dict(gates="h,s,sdg,cx", qubits=3, order="little"),
    "three qubits": dict(gates="h,ccx,cswap,swap,t,tdg", qubits=3),
    "a line": dict(gates="x,sx,sxdg,cx", qubits=3, coupling="line"),
    "single precision": dict(gates="h,t,tdg,cx", qubits=2, dtype="complex64"),
    "an own gate": dict(gates=[("f", [[0, 1j], [-1j, 0]]), "h", "cz"], qubits=2),
}


def recipe_of(name):
    return qorpus.Recipe(**RECIPES[name], random=700, length=(0, 9))


def product(records, letters):
    """The unitary of a circuit, computed apart from the package's kernels."""
    qubits, own = records.qubits, records.matrices
    unitary = np.eye(2**qubits, dtype=complex).reshape([2] * qubits + [2**qubits])
    for letter in letters:
        gate, *at = records.letters[letter].split()
        matrix, at = own[gate] if gate in own else qorpus._qorpus.matrix(gate), [*map(int, at)]
        axes = at if records.order == "big" else [qubits - 1 - qubit for qubit in at]
        tensor = np.asarray(matrix).reshape([2] * (2 * len(at)))
        unitary = np.moveaxis(np.tensordot(tensor, unitary, (range(len(at), 2 * len(at)), axes)), range(len(at)), axes)
    return unitary.reshape(2**qubits, 2**qubits)


def products(records, circuits):
    return np.array([product(records, [letter for letter in circuit if letter >= 0]) for circuit in circuits])


def whole(stream):
    """The epoch of a stream, sorted by id."""
    batches = list(stream)
    ids = np.concatenate([batch.ids for batch in batches])
    width = max(batch.circuits.shape[1] for batch in batches)
    rows = [np.pad(batch.circuits, ((0, 0), (0, width - batch.circuits.shape[1])), constant_values=-1) for batch in batches]
    turn = np.argsort(ids)
    return np.concatenate(rows)[turn], np.concatenate([batch.unitaries for batch in batches])[turn]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("kinds", [("inverse",), ("permutation",), ("phase",), KINDS])
def test_circuits_compute_their_unitaries(name, kinds):
    records = recipe_of(name)
    circuits, unitaries = whole(records.stream(128, augment=kinds, seed=3))
    expected, precision = products(records, circuits), 1e-6 if records.dtype == np.complex64 else 1e-12
    assert unitaries.dtype == records.dtype
    if "phase" in kinds:
        ratio = (unitaries * expected.conj()).sum(axis=(1, 2)) / len(expected[0])
        assert np.abs(np.abs(ratio) - 1).max() < precision
        expected = expected * ratio[:, None, None]
        # Uniform angles: no sector of eight is rare.
        sectors = np.bincount(((np.angle(ratio) / (2 * np.pi)) % 1 * 8).astype(int) % 8, minlength=8)
        assert sectors.min() > 700 / 8 / 2
    assert np.abs(unitaries - expected).max() < precision


@pytest.mark.parametrize("name", RECIPES)
def test_inverses(name):
    """About every second record becomes its inverse, and the others stay."""
    records = recipe_of(name)
    circuits, unitaries = whole(records.stream(100, augment=["inverse"]))
    plain = records.unitaries(slice(None))
    adjoint = plain.conj().transpose(0, 2, 1)
    stay, turned = ((unitaries == each).all(axis=(1, 2)) for each in (plain, adjoint))
    assert (stay | turned).all()
    only = ~(stay & turned)
    assert 0.4 < turned[only].mean() < 0.6


def test_permutations():
    """All permutations of the qubits occur, equally often; a line has only its reflection."""
    for name, count in [("three qubits", 6), ("a line", 2), ("two qubits", 2)]:
        records = recipe_of(name)
        circuits, _ = whole(records.stream(100, augment=["permutation"]))
        plain = records.letters_array(slice(None))
        first = plain[:, 0]
        chosen = (first >= 0) & np.char.startswith(np.array(records.letters)[first], ("h ", "x ")[name == "a line"])
        moved = np.array(records.letters)[circuits[chosen, 0]]
        before = np.array(records.letters)[first[chosen]]
        ends = before != f"{before[0].split()[0]} 1" if name == "a line" else np.ones(len(before), bool)
        share = (moved[ends] != before[ends]).mean()
        assert abs(share - (1 - 1 / (count if count == 2 else 3))) < 0.15, (name, share)
        lengths = (circuits >= 0).sum(axis=1)
        assert (lengths == (plain >= 0).sum(axis=1)).all()


def test_values_follow_from_seed_epoch_and_id():
    """Neither the size of batches, nor windows, order, ranks or splits decide them."""
    records = recipe_of("two qubits")
    expected = whole(records.stream(700, augment=KINDS, shuffle=False, seed=5, epoch=2))
    for options in [{"batch_size": 33}, {"batch_size": 64, "window": 256}, {"batch_size": 64, "shuffle": False}]:
        found = whole(records.stream(augment=reversed(KINDS), seed=5, epoch=2, **options))
        assert all((one == other).all() for one, other in zip(found, expected)), options
    for other in [{"seed": 6, "epoch": 2}, {"seed": 5, "epoch": 3}]:
        assert (whole(records.stream(64, augment=KINDS, **other))[1] != expected[1]).any(axis=(1, 2)).mean() > 0.99
    for rank in range(2):
        for batch in records.stream(50, augment=KINDS, seed=5, epoch=2, rank=rank, world_size=2):
            assert (batch.unitaries == expected[1][batch.ids]).all()
    test = records.split(train=0.8, test=0.2)["test"]
    for batch in test.stream(50, augment=KINDS, seed=5, epoch=2, columns=["unitaries"]):
        assert (batch.unitaries == expected[1][batch.ids]).all() and batch.circuits is None
    for batch in test.stream(50, augment=KINDS, seed=5, epoch=2, columns=["circuits"]):
        assert (batch.circuits == expected[0][batch.ids][:, : batch.circuits.shape[1]]).all()


#: Augmented circuits, and the angles of the determinants of their unitaries.
FROZEN_CIRCUITS = [[1, 0], [0, 0], [4, 1], [4, 0], [3, 0], [2, 0], [1, 6], [1, 7]]
FROZEN_ANGLES = [
    1.868956503446, -3.109546993077, 1.486924287215, -1.819258850699,
    2.330434612064, 2.786499049812, -0.401762101185, -3.111498982106,
]  # fmt: skip


@pytest.mark.parametrize("workers", [{}, {"num_workers": 3}, {"num_workers": 2, "multiprocessing_context": "fork"}])
def test_tensors_do_not_depend_on_workers(workers):
    import torch

    records = recipe_of("two qubits")
    expected = whole(records.stream(700, augment=KINDS, seed=5))
    stream = records.torch(64, augment=KINDS, seed=5, **workers)
    seen = 0
    for batch in stream:
        assert (batch["unitary"].numpy() == expected[1][batch["id"].numpy()]).all()
        assert (batch["length"] == (batch["circuit"] >= 0).sum(dim=1)).all()
        seen += len(batch["id"])
    assert seen == 700 and stream.epoch == 1 and torch.is_complex(batch["unitary"])


def test_draws_stay():
    """Another version changes no training."""
    records = qorpus.Recipe(gates="h,s,sdg,cx", qubits=2, words=True, length=(2, 2))
    batch = records.stream(8, augment=KINDS, seed=1, shuffle=False).batch(1)
    assert batch.circuits.tolist() == FROZEN_CIRCUITS
    np.testing.assert_allclose(np.angle(np.linalg.det(batch.unitaries)), FROZEN_ANGLES, atol=1e-12)


def test_resuming():
    records = recipe_of("two qubits")
    stream = records.stream(100, augment=KINDS, seed=2)
    batches = iter(stream)
    next(batches), next(batches)
    state = json.loads(json.dumps(stream.state_dict()))
    rest = [batch.unitaries for batch in batches]
    resumed = records.stream(100, augment=KINDS, seed=2)
    resumed.load_state_dict(state)
    again = [batch.unitaries for batch in resumed]
    assert len(again) == len(rest) == 5 and all((one == other).all() for one, other in zip(again, rest))
    for other in ((), ("phase",)):
        with pytest.raises(qorpus.InvalidArgument, match="resume with the same augment"):
            records.stream(100, augment=other, seed=2).load_state_dict(state)
    plain = records.stream(100, seed=2)
    assert "augment" not in plain.state_dict()
    with pytest.raises(qorpus.InvalidArgument, match="resume with the same augment"):
        stream.load_state_dict(plain.state_dict())


def test_refusals(tmp_path):
    def refused(match, error=qorpus.InvalidArgument, augment=("inverse",), **options):
        with pytest.raises(error, match=match):
            qorpus.Recipe(random=10, **options).stream(5, augment=augment)

    refused("'s 0' has none", gates="h,s,cx", qubits=2)
    # rz(-pi) is the inverse of rz(pi) only up to a phase.
    refused(r"'rz\(pi\) 0' has none", gates="rz(pi)", qubits=1)
    refused("only one qubit", augment=["permutation"], gates="h", qubits=1)
    # A graph of six qubits without a symmetry.
    refused("moves some gate", augment=["permutation"], gates="h,cx", qubits=6, coupling="0-1,1-2,2-3,3-4,1-5,2-5")
    refused("'mirror'.*inverse, permutation, phase", augment=["mirror"])
    refused("augment must be a sequence", qorpus.WrongType, augment="inverse")
    with qorpus.Writer(tmp_path / "c.db", gates=[("f", None), "h"], qubits=1) as writer:
        writer.append("f", [[0, 1], [1, 0]])
    corpus = qorpus.open(tmp_path / "c.db")
    with pytest.raises(qorpus.InvalidArgument, match="'f' has no matrix"):
        corpus.stream(5, augment=["inverse"])
    assert len(list(corpus.stream(5, augment=["phase"]))) == 1


@pytest.mark.parametrize(
    "dtype, parts", [("complex128", False), (np.complex64, False), ("float64", True), ("float32", True), (np.float16, True)]
)
def test_outputs(dtype, parts):
    records = recipe_of("two qubits")
    plain = records.stream(64, seed=1, shuffle=False).batch(0)
    for options in [{}, {"window": 128}]:
        for batch in records.stream(64, dtype=dtype, seed=1, **options):
            expected = records.unitaries(batch.ids)
            if parts:
                expected = np.stack([expected.real, expected.imag], axis=1)
            assert batch.unitaries.dtype == np.dtype(dtype) and (batch.unitaries == expected.astype(dtype)).all()
            assert (batch.lengths == [len(circuit) for circuit in records.circuits(batch.ids)]).all()
    assert plain.unitaries.dtype == np.complex128
    tensors = next(iter(records.torch(64, dtype=dtype, shuffle=False)))
    expected = plain.unitaries if not parts else np.stack([plain.unitaries.real, plain.unitaries.imag], axis=1)
    assert (tensors["unitary"].numpy() == expected.astype(dtype)).all()
    assert records.stream(5, columns=["unitaries"]).batch(0).lengths is None


def test_outputs_that_are_refused():
    records = recipe_of("two qubits")
    with pytest.raises(qorpus.InvalidArgument, match="dtype is int64; it must be one of complex128"):
        records.stream(5, dtype=int)
    with pytest.raises(qorpus.InvalidArgument, match="real_imag gives real numbers, but dtype is complex64"):
        records.stream(5, dtype="complex64", real_imag=True)
    with pytest.raises(qorpus.WrongType, match="dtype is 'bfloat16'"):
        records.stream(5, dtype="bfloat16")
    assert records.stream(5, dtype="float16", real_imag=True).batch(0).unitaries.dtype == np.float16
    assert recipe_of("single precision").stream(5, real_imag=True).batch(0).unitaries.dtype == np.float32
