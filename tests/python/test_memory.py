"""Memory does not grow with the corpus."""

import os

import pytest
from command import start

LIMIT = 300 * 1024  # KiB


@pytest.mark.parametrize(
    "recipe",
    [
        "--random 1M --no-unitaries",
        "--random 20M --gates h,s,t --qubits 1 --no-unitaries",
        "--random 3M --gates h,s,t --qubits 1",
        "--random 100k --gates h --qubits 1 --length 0..65535 --no-unitaries",
        "--random 400 --qubits 7",
    ],
)
def test_generate_stays_below_300_megabytes(corpus, recipe):
    """The kernel's own account of the process's peak, for few and many, small and large records."""
    with start("generate", corpus, *recipe.split(), "--quiet", "--jobs", "2") as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert usage.ru_maxrss < LIMIT
