"""Pauli transfer matrices, compared with Qiskit's and with their definition."""

import itertools

import numpy as np
import pytest
import qorpus
from qiskit.quantum_info import PTM, Operator

PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]


def by_definition(unitary):
    qubits = len(unitary).bit_length() - 1
    operators = []
    for letters in itertools.product(PAULIS, repeat=qubits):
        operator = np.eye(1)
        for letter in letters:
            operator = np.kron(operator, letter)
        operators.append(operator)
    operators = np.array(operators)
    images = unitary @ operators @ unitary.conj().T
    return np.einsum("iab,jba->ij", operators, images).real / len(unitary)


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
@pytest.mark.parametrize("qubits", [1, 2, 3])
def test_channels_are_those_of_qiskit(qubits, dtype, order):
    recipe = qorpus.Recipe(gates="h,t,rx(0.3),u3(0.3,1.1,-2)" + ",cx,iswap" * (qubits > 1), qubits=qubits, dtype=dtype, random=50, order=order)
    found, unitaries = recipe.channels(slice(0, 21)), recipe.unitaries(slice(0, 21))
    assert found.shape == (21, 4**qubits, 4**qubits) and found.dtype == np.float64
    precision = 1e-12 if dtype == "complex128" else 1e-5
    for channel, unitary in zip(found, unitaries):
        assert np.abs(channel - by_definition(unitary)).max() < precision
        if dtype == "complex128":
            assert np.abs(channel - PTM(Operator(unitary)).data).max() < precision
    # Qiskit's circuit has its own order of qubits.
    if order == "little" and dtype == "complex128":
        assert np.abs(found[7] - PTM(recipe[7].to_qiskit()).data).max() < precision


def test_a_hand_made_channel():
    """cx maps X on the control to XX, and Z on the target to ZZ."""
    (channel,) = qorpus.Recipe(gates="cx", qubits=2, words=True, length=(1, 1)).channels([0])
    names = ["".join(pair) for pair in itertools.product("IXYZ", repeat=2)]
    images = {names[j]: (names[i], channel[i, j].round(12)) for i, j in np.argwhere(np.abs(channel) > 0.5)}
    assert images["XI"] == ("XX", 1) and images["IZ"] == ("ZZ", 1) and images["IX"] == ("IX", 1)
    assert images["XZ"] == ("YY", -1) and len(images) == 16


def test_places_and_subsets(tmp_path):
    corpus = qorpus.generate(tmp_path / "c.db", random=200, progress=False)
    test = corpus.split(train=0.5, test=0.5)["test"]
    assert (test.channels([3, -1]) == corpus.channels(test.ids([3, -1]))).all()
    assert (corpus.present().channels(slice(0, 9)) == corpus.channels(range(9))).all()
    assert corpus.channels([]).shape == (0, 16, 16)
    with pytest.raises(qorpus.MissingRecord):
        corpus.channels([200])


def test_refusals():
    with pytest.raises(qorpus.InvalidArgument, match="at most 5 qubits; on 6 a single one would take 128 MiB"):
        qorpus.Recipe(qubits=6, random=10**12).channels(slice(None))
    with pytest.raises(qorpus.InvalidArgument, match="at most 5 qubits"):
        qorpus.Recipe(qubits=8, random=10).stream(5, columns=["channels"])
    with pytest.raises(qorpus.TooManyRecords):
        qorpus.Recipe(qubits=1, random=10**14).channels(slice(None))
    for shape in [(2, 2), (1, 3, 3), (1, 2, 4), (1, 1, 1), (1, 0, 0)]:
        with pytest.raises(qorpus.InvalidArgument, match="unitaries have the shape"):
            qorpus._qorpus.channels(np.zeros(shape))


def test_five_qubits():
    recipe = qorpus.Recipe(gates="h,t,cx", qubits=5, random=2)
    (channel,) = recipe.channels([1])
    # Orthogonal, and it keeps the identity.
    assert np.abs(channel @ channel.T - np.eye(1024)).max() < 1e-12 and channel[0, 0] == pytest.approx(1)


@pytest.mark.parametrize("dtype, precision", [(None, "float64"), ("complex64", "float32"), ("float32", "float32"), ("float16", "float16")])
@pytest.mark.parametrize("window", [None, 128])
def test_streams(dtype, precision, window):
    recipe = qorpus.Recipe(gates="h,t,tdg,cx", qubits=2, random=300)
    options = dict(dtype=dtype, window=window, seed=1)
    for batch in recipe.stream(50, columns=["channels"], **options):
        assert batch.unitaries is None and batch.circuits is None and batch.channels.dtype == precision
        assert (batch.channels == recipe.channels(batch.ids).astype(precision)).all()
    tensors = next(iter(recipe.torch(50, channels=True, **options)))
    assert (tensors["channel"].numpy() == recipe.channels(tensors["id"].numpy()).astype(precision)).all()
    augmented = recipe.stream(50, columns=["channels", "unitaries"], augment=["inverse", "phase"], window=window).batch(0)
    expected = np.array([by_definition(unitary) for unitary in augmented.unitaries])
    assert np.abs(augmented.channels - expected).max() < 1e-12
