"""Fixtures of all tests."""

import os
import random
import signal
import time

# Four processes test at a time, each with small matrices: more threads of PyTorch or OpenBLAS would
# wait for each other, and burn the processors' time meanwhile. Set before either is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import qorpus
from command import QORPUS, described, end_started
from hypothesis import settings

# A machine under load is slow, and a failure's example is printed: nothing need be kept beside the
# tests.
settings.register_profile("qorpus", deadline=None, database=None)
settings.load_profile("qorpus")

#: The files that take longest, which start first: at the end, all processes have short ones.
LONGEST = [
    f"test_{name}.py"
    for name in (
        "benchmarks ray writer_processes examples docs processes view streams training limits damage weather recipe format"
        " oracle mapped writer_programs shared_places object_store clusters_page circuits haar jobs sharded_growth sharded letters interop"
    ).split()
]


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_configure():
    # A shell that runs the tests in the background lets them ignore Ctrl-C, and so would whatever
    # they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not QORPUS.is_file():
        pytest.exit(f"{QORPUS} does not exist: run 'cargo build --release' or set QORPUS_BIN", returncode=2)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep the cache of stores out of the home directory of the user who runs the tests."""
    with described({"QORPUS_CACHE": str(tmp_path_factory.mktemp("cache"))}):
        yield


@pytest.fixture(autouse=True)
def ended():
    """Leave no command behind."""
    yield
    end_started()


@pytest.fixture
def chance():
    """Random numbers whose seed is printed when the test fails; QORPUS_TEST_SEED repeats it."""
    seed = int(os.environ.get("QORPUS_TEST_SEED", time.time_ns() % 10**9))
    print(f"QORPUS_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def corpus(tmp_path):
    """The path of a corpus that does not exist yet, alone in its directory."""
    directory = tmp_path / "corpora"
    directory.mkdir()
    return directory / "c.db"


@pytest.fixture
def writer(corpus):
    """A writer of one-qubit records, with any unitaries."""
    with qorpus.Writer(corpus, gates=["h", "t"], qubits=1, check="none", durability="off") as writer:
        yield writer
