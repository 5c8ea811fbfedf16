"""What tests of reading share: six thousand records of a recipe, and three hundred with labels."""

import pytest
import qorpus

RECIPE = {"gates": "clifford+t,rz(0.3)", "qubits": 2, "random": 6000, "length": (0, 12), "seed": 5}


def made(path, **options):
    """The corpus of these options of a recipe."""
    return qorpus.generate(path, progress=False, **options)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def shared(directory):
    """A corpus that tests read and do not change."""
    return made(directory / "shared.db", **RECIPE)


@pytest.fixture(scope="module")
def appended(directory):
    """Records that were appended, with labels that not all of them have."""
    path = directory / "appended.db"
    with qorpus.Writer(path, gates="h,t,cx", qubits=2) as writer:
        for number in range(300):
            labels = {"reward": number / 8, "step": number} | ({"name": f"n{number}"} if number % 3 == 0 else {})
            writer.append(["h 0", "cx 0 1", "t 1"][: number % 4], **labels)
    return qorpus.open(path)
