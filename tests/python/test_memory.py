"""Memory does not grow with the corpus."""

import subprocess
import sys

import pytest
from command import QORPUS

LIMIT = 300 * 1024  # KiB


@pytest.mark.parametrize(
    "recipe",
    [
        "--random 1M --no-unitaries",
        "--random 20M --gates h,s,t --qubits 1 --no-unitaries",
        "--random 3M --gates h,s,t --qubits 1",
        "--random 20k --gates h --qubits 1 --length 0..65535 --no-unitaries",
        "--random 400 --qubits 7",
    ],
)
def test_generate_stays_below_300_megabytes(corpus, recipe):
    """The kernel's own account of the process's peak, for few and many, small and large records."""
    command = [str(QORPUS), "generate", str(corpus), *recipe.split(), "--quiet", "--jobs", "2"]
    # A process begins its account with the memory of the one that starts it: so not with that of
    # these tests.
    account = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    account += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    result = subprocess.run([sys.executable, "-I", "-c", account, *command], capture_output=True, text=True, check=True)
    assert int(result.stdout) < LIMIT
