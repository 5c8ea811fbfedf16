"""Splits by unitary: no unitary, up to a phase, is in two of them, whatever circuits make it."""

import pickle

import numpy as np
import pytest
import qorpus


def keys(records, places=slice(None)):
    """Return unitaries up to phase, as bytes: rounded, after their first entry that is not 0 was
    made positive."""
    found = []
    for start in range(0, len(records), 50_000)[places]:
        u = records.unitaries(slice(start, start + 50_000)).reshape(-1, 4**records.qubits)
        first = np.argmax(np.abs(u) > 1e-6, axis=1)[:, None]
        pivot = np.take_along_axis(u, first, axis=1)
        rounded = np.round(u * pivot.conj() / np.abs(pivot), 5).astype(complex).view(float) + 0.0
        found += [row.tobytes() for row in rounded]
    return found


def test_a_million_records_leak_none(tmp_path):
    """The corpus of the first command. By id, most of the test records' unitaries are in the
    training set."""
    corpus = qorpus.generate(tmp_path / "c.db", random=1_000_000, progress=False)
    by_id = corpus.split(train=0.9, test=0.1)
    train = set(keys(by_id["train"], slice(0, 4)))
    assert sum(key in train for key in keys(by_id["test"], slice(0, 1))) > 25_000
    split = corpus.split(by="unitary", train=0.9, test=0.1)
    assert sum(map(len, split.values())) == 1_000_000
    assert 85_000 < len(split["test"]) < 115_000
    train, test = (set(keys(split[name])) for name in ("train", "test"))
    assert len(test) > 10_000 and not train & test
    assert split["test"][100].id == split["test"].ids([100])[0]


def recipes():
    yield "exact", dict(gates="h,t,cx", qubits=2, random=20_000, length=(1, 6))
    yield "off the ring", dict(gates="h,rz(0.3),rz(-0.3),cx", qubits=2, random=20_000, length=(1, 6))
    yield "long", dict(gates="h,s,cx", qubits=2, random=20_000, length=(30, 60))
    yield "complex64", dict(gates="h,rz(pi/8)", qubits=1, random=20_000, length=(1, 9), dtype="complex64")
    yield "three qubits", dict(gates="h,t,cx", qubits=3, random=20_000, length=(1, 5), unitaries=False)


@pytest.mark.parametrize(("kind", "recipe"), list(recipes()))
def test_no_unitary_is_in_two_splits(tmp_path, kind, recipe):
    for records in [qorpus.Recipe(**recipe), qorpus.generate(tmp_path / "c.db", **recipe, progress=False)]:
        split = records.split(by="unitary", seed=3, train=0.5, validation=0.25, test=0.25)
        sides = [set(keys(part)) for part in split.values()]
        assert all(sides) and not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
        ids = np.sort(np.concatenate([part.ids(slice(None)) for part in split.values()]))
        assert len(ids) == len(set(ids)) >= 19_990
        everything = np.arange(-3, 20_010)
        for part in split.values():
            assert (everything[part.contains(everything)] == part.ids(slice(None))).all()


def test_a_split_is_the_same_everywhere(tmp_path):
    """In stored and computed records, in shards, after pickling, with other splits beside it;
    another with another seed."""
    recipe = qorpus.Recipe(gates="clifford+t", qubits=1, random=100_000, length=(1, 10))
    test = recipe.split(by="unitary", test=0.25)["test"]
    shards = qorpus.generate(f"{tmp_path}/shards/", recipe, shard=30_000, progress=False)
    expected = test.ids(slice(None))
    for records in [qorpus.generate(tmp_path / "c.db", recipe, progress=False), shards]:
        assert (records.split(by="unitary", test=0.25)["test"].ids(slice(None)) == expected).all()
    assert (pickle.loads(pickle.dumps(test)).ids(slice(None)) == expected).all()
    more = recipe.split(by="unitary", test=0.25, train=0.5)
    assert (more["test"].ids(slice(None)) == expected).all()
    other = recipe.split(by="unitary", seed=1, test=0.25)["test"].ids(slice(None))
    assert len(np.intersect1d(other, expected)) < len(expected) * 0.9


def test_a_split_grows_with_its_corpus(tmp_path):
    """Records keep their sides while others are appended, also of gates that have no matrix."""
    chance = np.random.default_rng(4)
    unitaries = [np.linalg.qr(chance.normal(size=(2, 2)) + 1j * chance.normal(size=(2, 2)))[0] for _ in range(200)]
    with qorpus.Writer(tmp_path / "c.db", gates=["mystery"], qubits=1) as writer:
        corpus, known = None, {}
        for _ in range(3):
            for number in chance.integers(0, 200, 20_000):
                phase = np.exp(1j * chance.uniform(0, 7))
                writer.append(["mystery"], unitaries[number] * phase, number=int(number))
            writer.flush()
            corpus = corpus or qorpus.open(tmp_path / "c.db")
            split = corpus.split(by="unitary", train=0.7, test=0.3)
            sides = {name: set(part.ids(slice(None)).tolist()) for name, part in split.items()}
            assert all(known.get(name, set()) <= ids for name, ids in sides.items())
            known = sides
            numbers = {name: {labels["number"] for labels in part.labels(slice(None))} for name, part in split.items()}
            assert not numbers["train"] & numbers["test"] and len(numbers["train"] | numbers["test"]) >= 195


def test_imprecise_unitaries_are_refused(tmp_path):
    with qorpus.Writer(tmp_path / "c.db", gates=["mystery"], qubits=1, dtype="complex64") as writer:
        writer.append(["mystery"], np.eye(2))
    with pytest.raises(qorpus.InvalidArgument, match="too imprecise"):
        qorpus.open(tmp_path / "c.db").split(by="unitary", train=0.5)
    with pytest.raises(qorpus.InvalidArgument, match="'id' or 'unitary'"):
        qorpus.Recipe(random=10).split(by="phase", train=0.5)


def test_streams_over_a_split_by_unitary(tmp_path):
    corpus = qorpus.generate(tmp_path / "c.db", random=50_000, progress=False)
    train = corpus.split(by="unitary", train=0.9, test=0.1)["train"]
    for options in [{}, {"window": 5_000}, {"shuffle": False}]:
        ids = np.concatenate([batch.ids for batch in train.stream(1000, seed=1, **options)])
        assert (np.sort(ids) == train.ids(slice(None))).all()
