"""What tests of training share: seven hundred records of a recipe, and forty with labels."""

import itertools
import json
from types import SimpleNamespace

import pytest
import qorpus
import qorpus.torch
from hypothesis import strategies as st

RECIPE = {"gates": "h,t,cx", "qubits": 2, "random": 700, "length": (0, 9), "seed": 3}

# PyTorch finds more workers than cores worth a warning.
# torchdata calls a function of PyTorch that PyTorch has deprecated.
LOADER_WARNINGS = [
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


def through_json(state):
    return json.loads(json.dumps(state))


def as_worker(stream, worker: int, workers: int):
    """Return the batches of the stream in one of a loader's workers."""
    with pytest.MonkeyPatch.context() as patch:
        info = SimpleNamespace(id=worker, num_workers=workers, seed=7 + worker)
        patch.setattr(qorpus.torch, "get_worker_info", lambda: info)
        iterator = iter(stream)
        first = next(iterator, None)
    # The loader asks once, at the beginning.
    return itertools.chain([] if first is None else [first], iterator)


def numbers(batch):
    """The ids of a batch of arrays, or of tensors."""
    return (batch["id"] if isinstance(batch, dict) else batch.ids).tolist()
