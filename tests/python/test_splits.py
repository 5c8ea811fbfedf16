"""Splits that partition a corpus and do not change when it grows."""

import pickle

import numpy as np
import pytest
import qorpus
from hypothesis import given, settings
from hypothesis import strategies as st
from training_records import SEEDS
from training_records import corpus, recipe  # noqa: F401

FRACTIONS = st.lists(st.integers(0, 1000), min_size=1, max_size=5).filter(lambda parts: 0 < sum(parts) <= 1000)


@settings(max_examples=60)
@given(FRACTIONS, st.integers(0, 4000), st.integers(0, 3000), SEEDS)
def test_splits_partition_and_stay(thousandths, size, more, seed):
    """Splits are disjoint and as large as asked; every id is in one if they add up; growth moves no
    id."""
    fractions = {f"s{place}": part / 1000 for place, part in enumerate([*thousandths, 1000 - sum(thousandths)])}
    small, large = (qorpus.Recipe(gates="h,t", qubits=1, random=n, length=1) for n in (size + 1, size + 1 + more))
    splits, grown = small.split(seed=seed, **fractions), large.split(seed=seed, **fractions)
    ids = {name: split.ids(slice(None)) for name, split in splits.items()}
    assert sorted(id for members in ids.values() for id in members) == list(range(size + 1))
    for name, split in splits.items():
        assert np.array_equal(grown[name].ids(slice(None))[: len(split)], ids[name]) and len(ids[name]) == len(split)
        assert np.array_equal(split.contains(np.arange(size + 1)), np.isin(np.arange(size + 1), ids[name]))
        # Every whole thousand is split exactly.
        whole = (size + 1) // 1000
        counts = np.bincount(ids[name] // 1000, minlength=whole + 1)[:whole]
        assert (counts == round(fractions[name] * 1000)).all()


def test_splits_are_shuffled_and_seeded(recipe):
    """Another seed makes other splits, and membership shows no pattern of neighbours."""
    large = qorpus.Recipe(random=10**12)
    first, other = (large.split(seed=seed, train=0.5)["train"].ids(slice(0, 5000)) for seed in (0, 1))
    assert not np.array_equal(first, other) and len(np.intersect1d(first, other)) < 3000
    gaps = np.bincount(np.diff(first))
    assert 0.45 < gaps[1] / 5000 < 0.55 and len(gaps) > 8
    far = large.split(test=0.001)["test"]
    assert len(far) == 10**9 and far.contains(far.ids([-1])).all()


def test_a_split_reads_like_a_corpus(corpus):
    """All ways of reading a split are those of the corpus at the split's ids."""
    split = corpus.split(seed=7, train=0.7, test=0.2)["test"]
    ids = split.ids(slice(None))
    assert [record.id for record in split] == ids.tolist()
    assert split[3] == corpus[ids[3]] and split[-1] == corpus[ids[-1]]
    for index in [slice(5, 50, 3), [4, -1, 4], np.array([0, 2]), []]:
        chosen = split.ids(index)
        assert np.array_equal(chosen, ids[index] if len(index_list(index)) else [])
        assert split[index] == split.__getitems__(index) == corpus[chosen]
        assert split.unitaries(index).tobytes() == corpus.unitaries(chosen).tobytes()
        assert split.circuits(index) == corpus.circuits(chosen) and split.labels(index) == corpus.labels(chosen)
        assert np.array_equal(split.letters_array(index), corpus.letters_array(chosen))
        for records, some in [(split, index), (corpus, chosen)]:
            letters, unitaries = records.pairs(some)
            assert np.array_equal(letters, corpus.letters_array(chosen)) and letters.dtype == np.int32
            assert unitaries.tobytes() == corpus.unitaries(chosen).tobytes()
    for name in ["qubits", "order", "dtype", "gates", "letters", "lengths", "is_appended"]:
        assert getattr(split, name) == getattr(corpus, name)
    assert split.label_types() == corpus.label_types()
    for bad in [len(split), -len(split) - 1]:
        with pytest.raises(IndexError):
            split[bad]
        with pytest.raises(IndexError):
            split.unitaries([0, bad])
    with pytest.raises(TypeError):
        split.ids([0.5])
    assert pickle.loads(pickle.dumps(split))[3] == split[3]


def index_list(index):
    return range(100)[index] if isinstance(index, slice) else index


def test_a_stream_of_a_split(corpus):
    """Streams of the splits give each id of the split once in an epoch, and no other."""
    splits = corpus.split(train=0.8, test=0.2)
    for split in splits.values():
        for shuffle in [True, False]:
            batches = list(split.stream(32, shuffle=shuffle))
            ids = np.concatenate([batch.ids for batch in batches])
            assert sorted(ids) == split.ids(slice(None)).tolist() and (np.diff(ids) > 0).all() != shuffle
            unitaries = np.concatenate([batch.unitaries for batch in batches])
            assert unitaries.tobytes() == corpus.unitaries(ids).tobytes()
    assert len(list(corpus.split(none=0)["none"].stream(32))) == 0


@pytest.mark.parametrize(("fractions", "text"), [({"a": 0.6, "b": 0.5}, "together"), ({"a": 1 / 3}, "multiple of 0.001"),
                         ({"a": -0.1}, "multiple of 0.001"), ({"a": 1.001}, "together")])  # fmt: skip
def test_splits_that_cannot_be(recipe, fractions, text):
    """Shares that are too many, negative or no thousandths are refused."""
    with pytest.raises(ValueError, match=text):
        recipe.split(**fractions)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_a_share_of_any_integer_type(corpus, kind):
    """The share 1 is all records, also as a NumPy integer that has no room for a thousand."""
    assert len(corpus.split(train=kind(1))["train"]) == len(corpus)
