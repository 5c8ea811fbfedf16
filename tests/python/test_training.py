"""Loaders of PyTorch: data sets, streams with workers, and training."""

import itertools
import multiprocessing
import pickle
import threading

import numpy as np
import pytest
import qorpus
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader
from training_records import LOADER_WARNINGS, RECIPE, as_worker, numbers, through_json
from training_records import corpus, labelled, recipe  # noqa: F401

pytestmark = LOADER_WARNINGS


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
