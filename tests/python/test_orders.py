"""Orders of ids without tables, and windows in which runs of neighbours are shuffled."""

import itertools

import numpy as np
import pytest
import qorpus
from hypothesis import given, settings
from hypothesis import strategies as st
from qorpus._qorpus import Permutation
from training_records import SEEDS
from training_records import corpus, labelled, recipe  # noqa: F401

SIZES = st.integers(1, 3000) | st.sampled_from([2**k + off for k in range(1, 13) for off in (-1, 0, 1)])


@settings(max_examples=150)
@given(SIZES, SEEDS)
def test_an_order_is_a_bijection(size, seed):
    """Every number below the size occurs exactly once."""
    order = Permutation(size, seed).apply(np.arange(size))
    assert len(Permutation(size, seed)) == size and order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(size))


@settings(max_examples=60)
@given(st.integers(12, 62), st.sampled_from([-1, 0, 1]), SEEDS)
def test_orders_of_any_size(power, off, seed):
    """Of up to 2^62 numbers, thousands of places, near and far, have distinct numbers in range,
    twice the same."""
    size = 2**power + off
    far = np.random.default_rng(seed % 2**32).integers(0, size, 2000)
    places = np.unique(np.concatenate([np.arange(1000), np.arange(size - 1000, size), far]))
    numbers = Permutation(size, seed).apply(places)
    assert len(np.unique(numbers)) == len(places) and numbers.min() >= 0 and numbers.max() < size
    assert np.array_equal(numbers, Permutation(size, seed).apply(places))
    assert not np.array_equal(numbers, Permutation(size, seed ^ 1).apply(places))


def test_an_order_looks_shuffled():
    """Neighbours end up far apart, half of the pairs ascend, few stay, and no part is preferred:
    all loosely."""
    size = 10_000
    for seed in range(5):
        order = Permutation(size, seed).apply(np.arange(size))
        assert abs(np.abs(np.diff(order)).mean() / (size / 3) - 1) < 0.03
        assert abs(np.abs(order - np.arange(size)).mean() / (size / 3) - 1) < 0.03
        assert abs((np.diff(order) > 0).mean() - 0.5) < 0.03
        assert (order == np.arange(size)).sum() < 10
        tenths = np.histogram2d(np.arange(size), order, bins=10)[0]
        assert ((tenths - 100) ** 2 / 100).sum() < 81 + 8 * np.sqrt(2 * 81)


def test_epochs_and_seeds_have_orders_of_their_own(recipe):
    """No two of many neighbouring seeds and epochs share an order, and each is the same every
    time."""
    orders = {}
    for seed, epoch in itertools.product([0, 1, 2, 2**64 - 1], range(8)):
        stream = recipe.stream(700, seed=seed, epoch=epoch)
        orders[seed, epoch] = tuple(stream.ids(0))
        assert tuple(recipe.stream(700, seed=seed, epoch=epoch).ids(0)) == orders[seed, epoch]
    assert len(set(orders.values())) == len(orders)
    assert all(sorted(order) == list(range(700)) for order in orders.values())


def test_an_order_that_cannot_be(recipe):
    """Sizes and places out of range are refused, not wrapped around."""
    for size in [0, 2**63 + 1]:
        with pytest.raises(ValueError):
            Permutation(size, 0)
    for place in [-1, 10]:
        with pytest.raises(IndexError):
            Permutation(10, 0).apply(np.array([place]))


# Windows.


WINDOWED = st.tuples(st.integers(1, 1000), st.integers(1, 90), st.integers(1, 1000), SEEDS)


@settings(max_examples=100, deadline=None)
@given(WINDOWED, st.integers(1, 4), st.booleans())
def test_windows_hold_every_record_once(numbers, world_size, drop_last):
    """For all sizes each id comes once an epoch, in windows of whole batches of shuffled runs of
    neighbours."""
    size, batch_size, window, seed = numbers
    records = qorpus.Recipe(gates="h,t", qubits=1, random=size, length=1)
    options = {"window": window, "seed": seed, "world_size": world_size, "drop_last": drop_last, "columns": ()}
    ranks = [records.stream(batch_size, rank=rank, **options) for rank in range(world_size)]
    batches = [batch for rank in ranks for batch in rank]
    ids = np.concatenate([np.empty(0, int), *(batch.ids for batch in batches)])
    assert len(np.unique(ids)) == len(ids) and set(ids) <= set(range(size))
    assert drop_last or len(ids) == size
    # One rank's order is that of all: whole windows, of which each is some runs, and parts of at
    # most two.
    alone = records.stream(batch_size, window=window, seed=seed, columns=())
    whole = np.concatenate([batch.ids for batch in alone])
    held = -(-window // batch_size) * batch_size
    for at in range(0, size, held):
        some = np.sort(whole[at : at + held])
        pieces = 1 + (np.diff(some) > 1).sum()
        assert pieces <= len(some) / 128 + 3


def test_windows_are_read_like_records(corpus, labelled, recipe):
    """Batches of windows are the records of their ids, from files, recipes and splits, in all
    columns and as parts."""
    for records in [corpus, recipe, corpus.split(train=0.9)["train"]]:
        for batch in records.stream(48, window=200, seed=2):
            assert np.array_equal(batch.unitaries, corpus.unitaries(batch.ids))
            letters = corpus.letters_array(batch.ids)
            assert np.array_equal(batch.circuits[:, : letters.shape[1]], letters)
            assert (batch.circuits[:, letters.shape[1] :] == -1).all()
    for batch in labelled.stream(7, window=20, columns=("labels", "unitaries"), real_imag=True):
        assert batch.labels["reward"].tolist() == [number / 8 for number in batch.ids]
        assert batch.labels["name"].tolist() == [f"n{number}" if number % 3 == 0 else "" for number in batch.ids]
        assert np.array_equal(batch.unitaries[:, 0] + 1j * batch.unitaries[:, 1], labelled.unitaries(batch.ids))


def test_windows_are_shuffled():
    """Epochs, seeds and windows have orders of their own; neighbours are far apart within a window,
    and runs in the epoch."""
    records = qorpus.Recipe(gates="h,t", qubits=1, random=64_000, length=1)

    def order(**options):
        return np.concatenate([batch.ids for batch in records.stream(100, window=6_400, columns=(), **options)])

    orders = [order(seed=1), order(seed=2), order(seed=1, epoch=1), order(seed=2, epoch=1)]
    for one, other in itertools.combinations(orders, 2):
        assert (one == other).mean() < 0.01
    for ids in orders:
        # The mean distance of 50 random runs in 500 is a third of all.
        assert abs(np.abs(np.diff(ids)).mean() / (64_000 / 3) - 1) < 0.15
        # Windows are shuffled differently: places of the ids in a window, told by their rank there,
        # agree by chance.
        ranks = [np.argsort(np.argsort(ids[at : at + 6_400])) for at in range(0, 64_000, 6_400)]
        assert all((one == other).mean() < 0.01 for one, other in itertools.combinations(ranks, 2))


def test_orders_of_windows_are_frozen(recipe):
    """A resumed stream has this order in every version."""
    stream = recipe.stream(100, window=300, seed=5, columns=())
    assert stream.window == 300 and recipe.stream(100, window=201).window == 300
    assert FROZEN == [stream.ids(number)[:4].tolist() for number in range(7)]


FROZEN = [[230, 644, 566, 643], [203, 531, 206, 675], [609, 225, 673, 686], [415, 312, 320, 259], [412, 287, 499, 282], [363, 1, 397, 413], [50, 90, 81, 33]]


def test_windows_of_other_sizes_and_widths(tmp_path):
    """A long window is read behind a short one whose circuits are longer, and the other way
    round."""
    path = tmp_path / "c.db"
    with qorpus.Writer(path, gates=["h", "t"], qubits=1) as writer:
        writer.extend([["t 0"]] * 8 + [["h 0"] * 9] * 3)
    # 11 records are one run of neighbours, so the last window has the ids 6 to 10.
    for numbers in [(3, 0), (0, 3, 1, 2)]:
        stream = qorpus.open(path).stream(3, window=6, seed=1)
        for number in numbers:
            batch = stream.batch(number)
            assert [(row >= 0).sum() for row in batch.circuits] == [1 if id < 8 else 9 for id in batch.ids]
