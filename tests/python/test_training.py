"""Training on a corpus: orders without tables, shards without overlap, splits that stay, exact
resuming, PyTorch."""

import itertools
import json
import multiprocessing
import pickle
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import qorpus
import qorpus.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from qorpus._qorpus import Permutation
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

RECIPE = {"gates": "h,t,cx", "qubits": 2, "random": 700, "length": (0, 9), "seed": 3}

# PyTorch finds more workers than cores worth a warning.
# torchdata calls a function of PyTorch that PyTorch has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated"),
]

SEEDS = st.integers(0, 2**64 - 1)


@pytest.fixture(scope="module")
def recipe():
    return qorpus.Recipe(**RECIPE)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return qorpus.generate(tmp_path_factory.mktemp("training") / "c.db", progress=False, **RECIPE)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Forty appended records, of which every third one has a name, and all have a reward."""
    path = tmp_path_factory.mktemp("labelled") / "c.db"
    with qorpus.Writer(path, gates="h,t,cx", qubits=2) as writer:
        for number in range(40):
            labels = {"name": f"n{number}"} if number % 3 == 0 else {}
            writer.append(["h 0", "cx 0 1", "t 1"][: number % 4], reward=number / 8, **labels)
    return qorpus.open(path)


# Orders.


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


# Streams.


def test_batches_hold_the_records_of_their_ids(corpus):
    """Unitaries, circuits and labels of a batch are those of its ids, in its order."""
    for batch in corpus.stream(64, columns=("unitaries", "circuits", "labels")):
        assert batch.ids.dtype == np.int64 and len(batch.ids) in (64, 700 % 64)
        assert batch.unitaries.tobytes() == corpus.unitaries(batch.ids).tobytes()
        assert np.array_equal(batch.circuits, corpus.letters_array(batch.ids))
        labels = corpus.labels(batch.ids)
        assert batch.labels.keys() == labels[0].keys()
        assert all(values.tolist() == [label[name] for label in labels] for name, values in batch.labels.items())


def test_columns_and_parts(recipe):
    """Columns that are left out are None and not read; parts are real numbers, of the narrower type
    too."""
    narrow = qorpus.Recipe(**RECIPE, dtype="complex64")
    for records, real in [(recipe, np.float64), (narrow, np.float32)]:
        whole, parts = next(iter(records.stream(8))), next(iter(records.stream(8, real_imag=True, columns=["unitaries"])))
        assert parts.unitaries.shape == (8, 2, 4, 4) and parts.unitaries.dtype == real
        assert np.array_equal(parts.unitaries[:, 0] + 1j * parts.unitaries[:, 1], whole.unitaries)
        assert parts.circuits is None and parts.labels is None and whole.labels is None
    bare = next(iter(qorpus.Recipe(random=10**15).stream(8, columns=())))
    assert bare.unitaries is bare.circuits is bare.labels is None and len(set(bare.ids)) == 8


def test_labels_of_appended_records(labelled):
    """A label that a record lacks is NaN among numbers and an empty text among texts."""
    batch = next(iter(labelled.stream(40, shuffle=False, columns=["labels"])))
    assert batch.labels["reward"].tolist() == [number / 8 for number in range(40)]
    assert batch.labels["name"].tolist() == [f"n{number}" if number % 3 == 0 else "" for number in range(40)]
    assert batch.labels["length"].tolist() == [number % 4 for number in range(40)]


SHARDS = {
    "size": st.integers(1, 300),
    "batch_size": st.integers(1, 40),
    "world_size": st.integers(1, 6),
    "workers": st.integers(1, 4),
    "drop_last": st.booleans(),
    "shuffle": st.booleans(),
    "seed": SEEDS,
}


@settings(max_examples=150)
@given(**SHARDS)
def test_shards_partition(size, batch_size, world_size, workers, drop_last, shuffle, seed):
    """Over all ranks every id occurs once; with `drop_last` what is missing is less than a batch
    for each rank."""
    records = qorpus.Recipe(gates="h,t", qubits=1, random=size, length=1)
    options = {"drop_last": drop_last, "shuffle": shuffle, "seed": seed, "world_size": world_size}
    streams = [records.stream(batch_size, rank=rank, columns=(), **options) for rank in range(world_size)]
    shards = [[batch.ids.tolist() for batch in stream] for stream in streams]
    lengths = [len(shard) for shard in shards]
    assert lengths == [len(stream) for stream in streams] and max(lengths) - min(lengths) <= 1
    ids = [id for shard in shards for batch in shard for id in batch]
    assert len(set(ids)) == len(ids) and set(ids) <= set(range(size))
    if drop_last:
        assert len(set(lengths)) == 1 and size - len(ids) < batch_size * world_size
        assert all(len(batch) == batch_size for shard in shards for batch in shard)
    else:
        assert len(ids) == size
    # Rank r has batches r, r + n, ... of what one rank alone would have.
    alone = [batch.ids.tolist() for batch in records.stream(batch_size, shuffle=shuffle, seed=seed, columns=())]
    assert all(shard == alone[rank::world_size][: len(shard)] for rank, shard in enumerate(shards))
    if not shuffle and not drop_last:
        assert [id for batch in alone for id in batch] == list(range(size))
    # The workers of a loader, asked in turn, have a rank's batches in order.
    for rank, shard in enumerate(shards):
        dealt = [list(as_worker(records.torch(batch_size, rank=rank, **options), w, workers)) for w in range(workers)]
        dealt = [batch["id"].tolist() for turn in itertools.zip_longest(*dealt) for batch in turn if batch is not None]
        assert dealt == shard


def as_worker(stream, worker: int, workers: int):
    """Return the batches of the stream in one of a loader's workers."""
    with pytest.MonkeyPatch.context() as patch:
        info = SimpleNamespace(id=worker, num_workers=workers, seed=7 + worker)
        patch.setattr(qorpus.torch, "get_worker_info", lambda: info)
        iterator = iter(stream)
        first = next(iterator, None)
    # The loader asks once, at the beginning.
    return itertools.chain([] if first is None else [first], iterator)


BAD = [{"batch_size": 0}, {"rank": 1}, {"rank": -1}, {"world_size": 0}, {"seed": -1}, {"seed": 2**64}, {"epoch": -1},
       {"columns": ["matrices"]}, {"window": 0}, {"window": 9, "shuffle": False}]  # fmt: skip


@pytest.mark.parametrize("options", BAD, ids=str)
def test_streams_that_cannot_be(recipe, options):
    """Numbers out of range and unknown columns are refused by name when the stream is made."""
    with pytest.raises(ValueError, match=next(iter(options)).split("_")[0][:4]):
        recipe.stream(**{"batch_size": 4} | options)


def test_no_batch_beyond_the_last(recipe):
    """A batch is found by its number without moving the stream, and there is none before the first
    or past the last."""
    stream = recipe.stream(64, seed=1)
    assert np.array_equal(stream.batch(10).ids, stream.ids(10)) and len(stream.batch(10).ids) == 60
    assert np.array_equal(next(iter(stream)).ids, stream.ids(0))
    for number in [-1, 11]:
        with pytest.raises(IndexError):
            stream.batch(number)


def test_loops_are_epochs(recipe):
    """Each loop is the next epoch; after a loop that was left the next one resumes."""
    stream, expected = recipe.stream(100, seed=9, columns=()), []
    for epoch in range(3):
        expected += [batch.ids.tolist() for batch in recipe.stream(100, seed=9, epoch=epoch, columns=())]
    seen = [batch.ids.tolist() for batch in stream]
    for batch in itertools.islice(stream, 3):
        seen.append(batch.ids.tolist())
    assert (stream.epoch, len(stream)) == (1, 7)
    seen += [batch.ids.tolist() for _ in range(2) for batch in stream]
    assert seen == expected and stream.epoch == 3
    stream.set_epoch(1)
    assert [batch.ids.tolist() for batch in stream] == expected[7:14]


#: Loops that people write, each of which takes the given number of batches and no more.
LOOPS = {
    "zip": lambda stream, count: [batch for _, batch in zip(range(count), stream)],
    "islice": lambda stream, count: list(itertools.islice(stream, count)),
    "next": lambda stream, count: list(map(next, itertools.repeat(iter(stream), count))),
    "break": lambda stream, count: list(until(stream, count)),
    "whole": lambda stream, count: list(stream),
}


def until(stream, count):
    for number, batch in enumerate(stream, 1):
        yield batch
        if number == count:
            break


def numbers(batch):
    """The ids of a batch of arrays, or of tensors."""
    return (batch["id"] if isinstance(batch, dict) else batch.ids).tolist()


STREAMS = {
    "arrays": lambda records, **options: records.stream(**options),
    "tensors": lambda records, **options: records.torch(**options),
    "threads": lambda records, **options: records.torch(num_workers=2, **options),
}
ENDS = [{}, {"drop_last": True}, {"window": 200}, {"shuffle": False}, {"rank": 1, "world_size": 3}]


@pytest.mark.parametrize("options", ENDS, ids=str)
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", STREAMS)
def test_an_epoch_is_over_with_its_last_batch(recipe, kind, loop, options):
    """If a loop stops after the last batch, the next loop, and a state saved there, are of the next
    epoch."""
    options = {"batch_size": 96, "seed": 5} | options
    stream = STREAMS[kind](recipe, **options)
    count = len(stream)
    for epoch in range(3):
        assert stream.epoch == epoch
        expected = [numbers(batch) for batch in recipe.stream(**options, epoch=epoch)]
        assert [numbers(batch) for batch in LOOPS[loop](stream, count)] == expected
        state = through_json(stream.state_dict())
        assert (state["epoch"], state["batches"]) == (epoch + 1, 0)
        resumed = STREAMS[kind](recipe, **options)
        resumed.load_state_dict(state)
        assert len(list(resumed)) == count and resumed.epoch == epoch + 2


@pytest.mark.parametrize("persistent", [False, True])
def test_an_epoch_read_by_processes_is_over_with_its_last_batch(corpus, persistent):
    """Processes that read ahead, and end or persist, change nothing of this."""
    options = {"batch_size": 96, "seed": 5}
    stream = corpus.torch(num_workers=2, multiprocessing_context="fork", persistent_workers=persistent, **options)
    for epoch, loop in enumerate(["zip", "next", "break"]):
        expected = [numbers(batch) for batch in corpus.stream(**options, epoch=epoch)]
        assert [numbers(batch) for batch in LOOPS[loop](stream, len(stream))] == expected
    assert stream.epoch == 3


@pytest.mark.parametrize("kind", STREAMS)
def test_a_loop_that_was_left_open(recipe, kind):
    """It takes nothing of the next epoch, and is over with its own; asked in the middle of one, it
    refuses."""
    stream = STREAMS[kind](recipe, batch_size=100, seed=2)
    finished = iter(stream)
    for _ in range(7):
        next(finished)
    left = iter(stream)
    next(left)
    for _ in range(2):
        assert next(finished, None) is None
    # Another loop resumes at the stream's place.
    assert len(list(stream)) == 6 and len(list(stream)) == 7 and stream.epoch == 3
    with pytest.raises(qorpus.Error, match="two streams"):
        next(left)
    assert len(list(stream)) == 7
    for move in [lambda: stream.set_epoch(9), lambda: stream.load_state_dict(stream.state_dict())]:
        begun = iter(stream)
        next(begun)
        move()
        with pytest.raises(qorpus.Error, match="its epoch or state was set"):
            next(begun)
        stream.set_epoch(9)
        assert len(list(stream)) == 7


def test_an_epoch_without_batches(recipe):
    """More ranks than batches: a loop over nothing is an epoch, and nothing loops for ever."""
    stream = recipe.stream(700, rank=2, world_size=3, columns=())
    assert len(stream) == 0 and [list(stream) for _ in range(3)] == [[], [], []] and stream.epoch == 3
    stream.load_state_dict(stream.state_dict())
    assert stream.epoch == 3 and stream.state_dict()["batches"] == 0
    tensors = recipe.torch(batch_size=700, rank=2, world_size=3)
    assert list(tensors) == [] and tensors.epoch == 1


def contents(batch):
    """A batch with all its numbers, of which its own text has only the shapes."""
    return batch if isinstance(batch, dict) else tuple(batch)


def test_integers_of_numpy(recipe, tmp_path):
    """They are integers everywhere: the same batches and records, and states that JSON takes."""
    numbers = {"batch_size": 100, "seed": 3, "epoch": 1, "window": 300, "rank": 1, "world_size": 2}
    for kind in [np.int64, np.uint64, np.int8, np.uint32]:
        given = {name: kind(min(number, np.iinfo(kind).max)) for name, number in numbers.items()}
        plain = {name: int(number) for name, number in given.items()}
        for make in [recipe.stream, recipe.torch]:
            stream, expected = make(**given), make(**plain)
            assert through_json(stream.state_dict()) == expected.state_dict() == stream.state_dict()
            assert str(contents(next(iter(stream)))) == str(contents(next(iter(expected))))
            stream.set_epoch(kind(4))
            assert through_json(stream.state_dict())["epoch"] == 4
            stream.load_state_dict(stream.state_dict() | {name: given[name] for name in ("seed", "epoch", "batch_size")})
            assert through_json(stream.state_dict()) == expected.state_dict() | {"batches": 0}
        assert recipe.split(seed=kind(2), test=0.1)["test"].ids([kind(3)]) == recipe.split(seed=2, test=0.1)["test"].ids([3])
        options = {"qubits": kind(1), "random": kind(20), "seed": kind(3), "length": (kind(2), kind(4))}
        made = qorpus.generate(tmp_path / f"{kind.__name__}.db", jobs=kind(1), progress=False, gates="h,t", **options)
        assert made.recipe == qorpus.Recipe(gates="h,t", qubits=1, random=20, seed=3, length=(2, 4))
        every = qorpus.distinct(tmp_path / f"d{kind.__name__}.db", qubits=kind(1), max_length=kind(3), progress=False)
        assert len(every.sample(distance=kind(2), n=kind(3), seed=kind(1))) == 3
        with qorpus.Writer(tmp_path / f"w{kind.__name__}.db", gates=["h", "t"], qubits=kind(1)) as writer:
            writer.append([kind(0), kind(1)], number=kind(5))
        assert len(recipe.torch(longest=kind(20))[kind(2)]["circuit"]) == 20
    for name in numbers:
        for wrong in [3.0, np.float64(3), "3", None if name != "window" else [3]]:
            with pytest.raises(qorpus.WrongType, match=name):
                recipe.stream(**{**numbers, name: wrong})


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


# Resuming.


def through_json(state):
    return json.loads(json.dumps(state))


@settings(max_examples=60)
@given(st.data())
def test_resuming_is_exact(data):
    """A stream that is stopped, saved as JSON and resumed any number of times has the batches of
    one that was not."""
    size, batch_size = data.draw(st.integers(1, 120)), data.draw(st.integers(1, 30))
    world = data.draw(st.integers(1, 3))
    options = {"seed": data.draw(SEEDS), "shuffle": data.draw(st.booleans()), "drop_last": data.draw(st.booleans())}
    options["window"] = data.draw(st.none() | st.integers(1, 200)) if options["shuffle"] else None
    options |= {"rank": data.draw(st.integers(0, world - 1)), "world_size": world, "columns": ()}
    records = qorpus.Recipe(gates="h,t", qubits=1, random=size, length=1)

    def forever(stream):
        while len(stream):
            yield from stream

    expected = [batch.ids.tolist() for batch in itertools.islice(forever(records.stream(batch_size, **options)), 40)]
    stream, seen = records.stream(batch_size, **options), []
    while len(seen) < len(expected):
        count = min(data.draw(st.integers(0, 12)), len(expected) - len(seen))
        seen += [batch.ids.tolist() for batch in itertools.islice(forever(stream), count)]
        state = through_json(stream.state_dict())
        stream = records.stream(batch_size, **options)
        stream.load_state_dict(state)
        if count == 0 and len(seen) < len(expected):
            seen.append(next(forever(stream)).ids.tolist())
    assert seen == expected


def test_resuming_with_another_number_of_ranks(recipe):
    """Ranks that stopped together go on as more or fewer ranks, and together give exactly what is
    left."""
    # 88 batches of 8: two ranks give 12 each, then three 8 each, then four the rest.
    state, seen = None, []
    for world, count in [(2, 12), (3, 8), (4, None)]:
        states = []
        for rank in range(world):
            stream = recipe.stream(8, seed=4, rank=rank, world_size=world, columns=())
            if state:
                stream.load_state_dict(state)
            seen += [id for batch in itertools.islice(stream, count) for id in batch.ids]
            states.append(through_json(stream.state_dict()))
        assert all(other == states[0] for other in states), "all ranks save the same"
        state = states[0]
    assert sorted(seen) == list(range(700)) and state["epoch"] == 1
    odd = recipe.stream(8, seed=4, rank=0, world_size=2, columns=())
    next(iter(odd))
    with pytest.raises(ValueError, match="after 2 batches of the epoch, which 3 ranks cannot"):
        recipe.stream(8, seed=4, rank=0, world_size=3).load_state_dict(odd.state_dict())


def test_resuming_at_the_end_of_an_epoch(recipe):
    """Behind the last batch, and when the loop has ended, the next epoch begins; so with a state
    that says all were given."""
    stream = recipe.stream(100, seed=2, columns=())
    batches = iter(stream)
    for _ in range(7):
        next(batches)
    last = through_json(stream.state_dict())
    assert next(batches, None) is None
    for state in [last, stream.state_dict(), last | {"epoch": 0, "batches": 7}]:
        resumed = recipe.stream(100, seed=2, columns=())
        resumed.load_state_dict(state)
        assert len(list(resumed)) == 7
        assert next(iter(resumed)).ids.tolist() == recipe.stream(100, seed=2, epoch=2).ids(0).tolist()


def test_states_that_do_not_fit(recipe):
    """A state of another order, or of more records than there are, is refused by what differs."""
    state = recipe.stream(8, seed=4).state_dict()
    for options in [{"batch_size": 9}, {"seed": 5}, {"shuffle": False}, {"window": 80}, {"drop_last": True}]:
        with pytest.raises(ValueError, match=next(iter(options))):
            recipe.stream(**{"batch_size": 8, "seed": 4} | options).load_state_dict(state)
    with pytest.raises(ValueError, match="700 records"):
        qorpus.Recipe(**{**RECIPE, "random": 600}).stream(8, seed=4).load_state_dict(state)


def test_a_corpus_that_grows(tmp_path):
    """An epoch keeps the records that it began with, also when it is resumed; the next one has all
    of them."""
    path = tmp_path / "c.db"
    with qorpus.Writer(path, gates="h,t", qubits=1) as writer:
        writer.extend([["h"]] * 50)
        writer.flush()
        corpus = qorpus.open(path)
        stream = corpus.stream(8, seed=1, columns=())
        seen = [id for batch in itertools.islice(stream, 3) for id in batch.ids]
        writer.extend([["t"]] * 50)
        writer.flush()
        resumed = corpus.stream(8, seed=1, columns=())
        resumed.load_state_dict(stream.state_dict())
        seen += [id for batch in resumed for id in batch.ids]
        assert sorted(seen) == list(range(50))
        assert sorted(id for batch in resumed for id in batch.ids) == list(range(100))


def test_streams_are_pickled(corpus):
    """A stream that is sent to another process stands where it stood."""
    stream = corpus.stream(64, seed=1)
    next(iter(stream))
    copy = pickle.loads(pickle.dumps(stream))
    assert copy.state_dict() == stream.state_dict()
    assert [batch.ids.tolist() for batch in copy] == [batch.ids.tolist() for batch in stream]


# Splits.


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


# PyTorch.


def equal(first: dict, second: dict) -> bool:
    """Return whether two batches of tensors have the same bits and types."""
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) and first[name].dtype == second[name].dtype for name in first
    )


# Each process that is spawned loads PyTorch for seconds: so not everything with every context. Those
# of the server are its forks, and it loads PyTorch once.
multiprocessing.set_forkserver_preload(["qorpus.torch"])
THREADS = [(1, None), (3, None)]
LOADERS = [(2, "fork"), (4, "fork"), (2, "spawn"), (2, "forkserver")]


@pytest.mark.parametrize(("workers", "context"), LOADERS)
def test_dataset_in_a_loader(corpus, workers, context):
    """A DataLoader over single records has the same batches however many workers it has and however
    they start."""
    split = corpus.split(train=0.5, test=0.5)["test"]
    expected = list(DataLoader(split.torch(), batch_size=48))
    found = list(DataLoader(split.torch(), batch_size=48, num_workers=workers, multiprocessing_context=context))
    assert len(found) == len(expected) == -(-len(split) // 48) and all(map(equal, found, expected))
    ids = torch.cat([batch["id"] for batch in found]).numpy()
    assert np.array_equal(ids, split.ids(slice(None)))
    assert torch.cat([batch["unitary"] for batch in found]).numpy().tobytes() == corpus.unitaries(ids).tobytes()
    assert corpus[7].id == 7, "the parent reads on"


def test_dataset(corpus, recipe):
    """A sample has the record's unitary, padded circuit, length and id; a recipe's are those of its
    corpus."""
    dataset = corpus.torch()
    assert isinstance(dataset, torch.utils.data.Dataset) and len(dataset) == 700
    for place in [0, 13, 699, -1]:
        sample, record = dataset[place], corpus[place]
        length = len(record.circuit)
        assert sample["id"].item() == record.id and sample["length"].item() == length
        assert sample["unitary"].numpy().tobytes() == record.unitary.tobytes()
        assert sample["circuit"].dtype == torch.int64 and sample["circuit"].shape == (9,)
        letters = [corpus.letters[number] for number in sample["circuit"][:length]]
        assert letters == list(record.circuit) and (sample["circuit"][length:] == -1).all()
        assert equal(sample, recipe.torch()[place])
    assert all(map(equal, dataset.__getitems__([5, 2, -1]), [dataset[5], dataset[2], dataset[699]]))
    for bad in [700, -701]:
        with pytest.raises(IndexError):
            dataset[bad]
    shuffled = DataLoader(dataset, batch_size=100, shuffle=True, generator=torch.Generator().manual_seed(1))
    ids = torch.cat([batch["id"] for batch in shuffled]).tolist()
    assert sorted(ids) == list(range(700)) != ids


def test_dtypes_and_parts():
    """complex64 stays complex64, and parts are the real and the imaginary numbers of the complex
    ones."""
    for whole, real in [(torch.complex128, torch.float64), (torch.complex64, torch.float32)]:
        records = qorpus.Recipe(**RECIPE, dtype=str(whole).removeprefix("torch."))
        complete, parts = records.torch()[7]["unitary"], records.torch(real_imag=True)[7]["unitary"]
        assert (complete.dtype, parts.dtype, parts.shape) == (whole, real, (2, 4, 4))
        assert torch.equal(torch.complex(parts[0], parts[1]), complete)
        complete, parts = (next(iter(records.torch(16, real_imag=parts)))["unitary"] for parts in (False, True))
        assert (complete.dtype, parts.dtype, parts.shape) == (whole, real, (16, 2, 4, 4))
        assert torch.equal(torch.complex(parts[:, 0], parts[:, 1]), complete)


def test_appended_records_and_their_labels(labelled):
    """Appended records need `longest`, which must leave room; labels are tensors of numbers and
    lists of texts."""
    for options in [{}, {"batch_size": 4}]:
        with pytest.raises(ValueError, match="longest"):
            labelled.torch(**options)
    with pytest.raises(ValueError, match=r"record 3 has 3 letters, more than longest=2"):
        labelled.torch(longest=2)[3]
    with pytest.raises(ValueError, match="more than longest=2"):
        list(labelled.torch(40, longest=2))
    loader = DataLoader(labelled.torch(longest=5, labels=True), batch_size=40)
    for batch in [next(iter(loader)), next(iter(labelled.torch(40, longest=5, labels=True, shuffle=False)))]:
        assert batch["circuit"].shape == (40, 5) and batch["labels"]["reward"].dtype == torch.float64
        assert batch["labels"]["reward"].tolist() == [number / 8 for number in range(40)]
        assert batch["labels"]["name"] == [f"n{number}" if number % 3 == 0 else "" for number in range(40)]
        assert batch["labels"]["length"].tolist() == batch["length"].tolist()
    assert labelled.torch(longest=5, labels=True)[3]["labels"]["name"] == "n3"


def same_batch(found: dict, expected: dict) -> bool:
    """Return whether two batches have the same tensors and labels."""
    tensors = [{name: batch[name] for name in batch if name != "labels"} for batch in (found, expected)]
    labels = [batch.get("labels", {}) for batch in (found, expected)]
    numbers = [{name: given[name] for name in given if name != "name"} for given in labels]
    return equal(*tensors) and equal(*numbers) and labels[0].get("name") == labels[1].get("name")


@pytest.mark.parametrize("kind", ["corpus", "recipe", "split", "labelled"])
def test_default_collation_takes_what_was_read(corpus, recipe, labelled, kind):
    """Batches are those of single samples, whether or not samples were looked at before."""
    dataset = {
        "corpus": lambda: corpus.torch(),
        "recipe": lambda: recipe.torch(real_imag=True),
        "split": lambda: corpus.split(a=0.5)["a"].torch(),
        "labelled": lambda: labelled.torch(longest=9, labels=True),
    }[kind]()
    collate, places = torch.utils.data.default_collate, [5, 2, -1, 5]
    expected = collate([dict(dataset[place]) for place in places])
    assert ("labels" in expected) == (kind == "labelled")
    samples = dataset.__getitems__(places)
    assert same_batch(collate(samples), expected)
    assert collate(samples)["id"].data_ptr() == collate(samples)["id"].data_ptr(), "taken as it was read"
    assert len(samples) == 4 and samples[-1]["id"] == samples[0]["id"] == expected["id"][0]
    assert [sample["id"].item() for sample in samples[1:3]] == expected["id"][1:3].tolist()
    assert same_batch(collate(samples), expected) and same_batch(collate(list(samples)), expected)
    with pytest.raises(IndexError):
        samples[4]


def test_samples_that_were_changed_are_collated_as_they_are(corpus, labelled):
    collate, dataset = torch.utils.data.default_collate, corpus.torch()
    for place in (0, 2):
        samples = dataset.__getitems__([3, 4, 5])
        samples[place]["id"] = torch.tensor(77)
        assert collate(samples)["id"].tolist() == [77 if row == place else 3 + row for row in range(3)]
    samples = dataset.__getitems__([3, 4, 5])
    del samples[0]["unitary"]
    assert "unitary" not in collate(samples)
    samples = dataset.__getitems__([3, 4, 5])
    samples[0]["length"] += 1
    lengths = [len(corpus[place].circuit) for place in (3, 4, 5)]
    assert collate(samples)["length"].tolist() == [lengths[0] + 1, *lengths[1:]]
    samples = labelled.torch(longest=9, labels=True).__getitems__([3, 4])
    samples[0]["labels"]["name"] = "mine"
    assert collate(samples)["labels"]["name"] == ["mine", samples[1]["labels"]["name"]]


@pytest.mark.parametrize(
    ("workers", "context", "window"),
    [(*loader, window) for loader in [*THREADS, *LOADERS] for window in [None, 150] if (loader[1], window) != ("spawn", None)],
)
def test_stream_with_workers(corpus, workers, context, window):
    """A stream's epochs are the same with workers as without, also after a loop was left, and when
    they live on."""
    options = {"batch_size": 48, "seed": 1, "rank": 1, "world_size": 2, "window": window}
    alone = corpus.torch(**options)
    expected = [batch for _ in range(2) for batch in alone]
    persistent = context != "fork" or workers == 4
    stream = corpus.torch(
        num_workers=workers, multiprocessing_context=context, persistent_workers=persistent, **options
    )
    assert len(stream) == len(alone) == 7 and isinstance(stream, torch.utils.data.IterableDataset)
    found = list(itertools.islice(stream, 3))
    state = through_json(stream.state_dict())
    found += [*stream, *stream]
    assert len(found) == len(expected) == 14 and all(map(equal, found, expected)) and stream.epoch == 2
    # The place was behind the batches that were given, whatever the workers had read ahead.
    resumed = corpus.torch(**options)
    resumed.load_state_dict(state)
    assert all(map(equal, resumed, expected[3:7]))
    stream.load_state_dict(state)
    assert all(map(equal, stream, expected[3:7]))


def test_threads_end_with_their_loop(corpus):
    """A loop that is left or done leaves no thread behind, and what fails in one is raised where
    its batch would be."""
    # Threads of earlier tests may still be ending.
    before = set(threading.enumerate())

    def begun():
        return len(set(threading.enumerate()) - before)

    stream = corpus.torch(batch_size=10, seed=1, num_workers=3, prefetch_factor=4)
    loop = iter(stream)
    next(loop)
    assert begun() == 3
    loop.close()
    assert begun() == 0
    assert len(list(stream)) == 69 and begun() == 0
    short = corpus.torch(batch_size=10, seed=1, num_workers=3, longest=8)
    given = 0
    with pytest.raises(ValueError, match="longest=8"):
        for batch in short:
            given += 1
            assert batch["circuit"].shape == (10, 8)
    lengths = [batch["length"].max() for batch in corpus.torch(batch_size=10, seed=1)]
    assert given == next(number for number, longest in enumerate(lengths) if longest > 8)
    assert begun() == 0
    for options, name in [({"num_workers": -1}, "num_workers"), ({"num_workers": 1, "prefetch_factor": 0}, "prefetch_factor")]:
        with pytest.raises(qorpus.InvalidArgument, match=f"{name} is .*; it must be from"):
            corpus.torch(batch_size=10, **options)


def test_resuming_with_another_number_of_workers(corpus):
    """Two resumes in a row, with 0, 2 and 4 workers, within an epoch and across its end, lose and
    repeat nothing."""
    options = {"batch_size": 32, "seed": 6}
    alone = corpus.torch(**options)
    expected = [batch["id"].tolist() for _ in range(2) for batch in alone]
    state, found = None, []
    for workers, count in [(0, 5), (2, 9), (4, 8), (0, 22)]:
        stream = corpus.torch(num_workers=workers, **options)
        if state is not None:
            stream.load_state_dict(state)
        for _ in range(2):
            for batch in itertools.islice(stream, count):
                found.append(batch["id"].tolist())
                count -= 1
        state = through_json(stream.state_dict())
    assert found == expected and len(found) == 44


def test_stream_in_a_loader_of_ones_own(corpus):
    """Given to a DataLoader, a stream is dealt out over the workers: the same batches in the same
    order."""
    for epoch in [0, 3]:
        stream = corpus.torch(batch_size=48, seed=1)
        stream.set_epoch(epoch)
        found = list(DataLoader(stream, batch_size=None, num_workers=3, multiprocessing_context="fork"))
        assert all(map(equal, found, corpus.torch(batch_size=48, seed=1, epoch=epoch))) and len(found) == 15


@settings(max_examples=40)
@given(st.integers(1, 100), st.integers(1, 12), st.integers(1, 4), st.data())
def test_states_of_workers(size, batch_size, workers, data):
    """The state of a worker of such a loader brings a worker in its place exactly there."""
    records = qorpus.Recipe(gates="h,t", qubits=1, random=size, length=1)
    for worker in range(workers):
        stream = records.torch(batch_size)
        whole = [batch["id"].tolist() for batch in as_worker(records.torch(batch_size), worker, workers)]
        # One that has no more waits for the others to tell whether the epoch is over.
        count = data.draw(st.integers(0, max(0, len(whole) - 1)))
        seen = [batch["id"].tolist() for batch in itertools.islice(as_worker(stream, worker, workers), count)]
        resumed = records.torch(batch_size)
        # To look at the first one is to be given it.
        if count:
            resumed.load_state_dict(through_json(stream.state_dict()))
        seen += [batch["id"].tolist() for batch in as_worker(resumed, worker, workers)]
        assert seen == whole


@pytest.mark.parametrize("context", ["fork", "forkserver"])
def test_persistent_workers_of_a_loader_of_ones_own(corpus, context):
    """The epoch that was set reaches workers that live on; without it each loop is the next epoch,
    and all are whole."""
    stream = pickle.loads(pickle.dumps(corpus.torch(batch_size=48, seed=1)))
    options = {"num_workers": 2, "persistent_workers": True, "multiprocessing_context": context}
    loader = DataLoader(stream, batch_size=None, **options)

    def expected(epoch):
        return [numbers(batch) for batch in corpus.stream(48, seed=1, epoch=epoch, columns=())]

    for epoch in [0, 3, 3, 1]:
        stream.set_epoch(epoch)
        assert [numbers(batch) for batch in loader] == expected(epoch)
    assert [numbers(batch) for batch in loader] == expected(2)
    for batch in loader:
        assert numbers(batch) == expected(3)[0]
        break
    assert [numbers(batch) for batch in loader] == expected(4)


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_a_loader_that_saves_the_states_of_its_workers(corpus, workers):
    """It resumes exactly in the middle of an epoch and at its end, with whole epochs from then
    on."""
    expected = [[numbers(batch) for batch in corpus.stream(48, seed=1, epoch=epoch, columns=())] for epoch in range(4)]

    def loader():
        stream = corpus.torch(batch_size=48, seed=1)
        return StatefulDataLoader(stream, batch_size=None, num_workers=workers, persistent_workers=workers > 0)

    # In the middle, just before the last of 15 batches, and asked once more than there are.
    for count in [4, 14, 16]:
        stopped = loader()
        taken = [numbers(batch) for batch in itertools.islice(stopped, count)]
        assert taken == expected[0][:count]
        resumed = loader()
        resumed.load_state_dict(stopped.state_dict())
        found = [[numbers(batch) for batch in resumed] for _ in range(3)]
        assert found == ([expected[0][count:]] if count < 15 else []) + expected[1 : 3 + (count >= 15)]
    stopped, resumed = loader(), loader()
    iterator = iter(stopped)
    for _ in range(15):
        next(iterator)
    resumed.load_state_dict(stopped.state_dict())
    if workers == 0:
        assert [numbers(batch) for batch in resumed] == expected[1]
    else:
        with pytest.raises(qorpus.Error, match=r"after the last batch of epoch 0.*set_epoch\(1\)"):
            list(resumed)


def test_states_of_workers_that_do_not_fit(corpus):
    """A state of a worker is for that worker of as many, and for no stream without workers."""
    state = through_json(next_state(corpus.torch(batch_size=48), 1, 3))
    for worker, workers in [(0, 3), (1, 2)]:
        stream = corpus.torch(batch_size=48)
        stream.load_state_dict(state)
        with pytest.raises(qorpus.Error, match="worker 1 of 3"):
            as_worker(stream, worker, workers)
        with pytest.raises(qorpus.Error, match="worker 1 of 3"):
            iter(stream)
    for worker in [3, {}, {"number": 3, "of": 3}]:
        with pytest.raises(qorpus.InvalidArgument):
            corpus.torch(batch_size=48).load_state_dict(state | {"worker": worker})


def next_state(stream, worker, workers):
    """The state of a worker that has given a batch."""
    next(as_worker(stream, worker, workers))
    return stream.state_dict()


def test_no_random_state_of_pytorch_matters(corpus):
    """Batches depend on seed and epoch alone, and reading draws nothing from PyTorch's or NumPy's
    random state."""
    batches = []
    for seed in [0, 1]:
        torch.manual_seed(seed)
        np.random.seed(seed)
        before = torch.get_rng_state(), np.random.get_state()[1].tolist()
        batches.append(next(iter(corpus.torch(batch_size=48, seed=5))))
        assert torch.equal(torch.get_rng_state(), before[0]) and np.random.get_state()[1].tolist() == before[1]
    assert equal(*batches)


def test_a_stream_over_a_virtual_corpus():
    """10^15 records that exist nowhere are streamed, split, sharded and resumed like seven
    hundred."""
    split = qorpus.Recipe(random=10**15, gates="h,t", qubits=1).split(train=0.9, test=0.1)["train"]
    stream = split.torch(batch_size=8, rank=5, world_size=64, seed=2)
    first = next(iter(stream))
    assert len(stream) == -(-9 * 10**14 // 8) // 64 + 1 or len(stream) == -(-9 * 10**14 // 8) // 64
    assert first["id"].max() > 10**12 and split.contains(first["id"].numpy()).all()
    resumed = split.torch(batch_size=8, rank=5, world_size=64, seed=2)
    resumed.load_state_dict(through_json(stream.state_dict()))
    assert equal(next(iter(resumed)), next(iter(stream)))


def test_a_model_learns_from_a_stream(corpus):
    """The batches are what a training step takes: gradients flow and the loss falls."""
    # An optimiser of torch.optim would load a compiler for half a minute.
    torch.manual_seed(0)
    model, losses = torch.nn.Linear(32, 1), []
    for _ in range(4):
        for batch in corpus.torch(batch_size=70, real_imag=True, seed=1):
            predicted = model(batch["unitary"].flatten(1).float()).squeeze(1)
            loss = torch.nn.functional.mse_loss(predicted, batch["length"].float())
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.05 * parameter.grad
            losses.append(loss.item())
    assert losses[-1] < losses[0]


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


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_a_share_of_any_integer_type(corpus, kind):
    """The share 1 is all records, also as a NumPy integer that has no room for a thousand."""
    assert len(corpus.split(train=kind(1))["train"]) == len(corpus)


def test_state_of_a_worker_is_refused(corpus):
    """A NumPy stream has no workers: where one of them stands is not where the stream stands."""
    stream = corpus.stream(16)
    with pytest.raises(qorpus.InvalidArgument, match="one worker of a DataLoader"):
        stream.load_state_dict({**stream.state_dict(), "worker": {"number": 0, "of": 2}})
