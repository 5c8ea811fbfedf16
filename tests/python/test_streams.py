"""Streams of batches: shards without overlap, epochs, and exact resuming."""

import itertools
import pickle

import numpy as np
import pytest
import qorpus
from hypothesis import given, settings
from hypothesis import strategies as st
from training_records import LOADER_WARNINGS, RECIPE, SEEDS, as_worker, numbers, through_json
from training_records import corpus, labelled, recipe  # noqa: F401

pytestmark = LOADER_WARNINGS


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


# Resuming.


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


def test_state_of_a_worker_is_refused(corpus):
    """A NumPy stream has no workers: where one of them stands is not where the stream stands."""
    stream = corpus.stream(16)
    with pytest.raises(qorpus.InvalidArgument, match="one worker of a DataLoader"):
        stream.load_state_dict({**stream.state_dict(), "worker": {"number": 0, "of": 2}})
