"""The oldest Qiskit that pyproject.toml allows gives the same letters, its conditions are refused,
and it finds circuits in tables."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from lowest_qiskit import REQUIREMENTS, environment

import qorpus

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def found():
    # Beside the environment of these tests, in the directory of everything that is built.
    python = environment(Path(sys.prefix).resolve().parent / "qiskit-lowest")
    package = Path(qorpus.__file__).resolve().parents[1]
    command = [python, "-W", "error", HERE / "on_lowest_qiskit.py"]
    printed = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(package)}, capture_output=True, text=True)
    assert printed.returncode == 0, printed.stderr
    return json.loads(printed.stdout)


def test_it_is_the_lower_bound(found):
    bound = re.search(r'"qiskit>=([\d.]+)"', (HERE.parents[1] / "pyproject.toml").read_text())[1]
    assert f"qiskit=={bound}" in REQUIREMENTS.read_text().splitlines() and found["version"] == bound


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("condition", "'x' on qubit 0 has a condition and therefore no unitary"),
        ("c_if", "'x' on qubit 0 has a condition and therefore no unitary"),
        ("c_if inside", "'x' on qubit 0 has a condition and therefore no unitary"),
        ("reset", "'reset' on qubit 0 has no unitary"),
        ("middle", "'measure' on qubit 0 is not final: 'x' follows"),
        ("evolution", "'PauliEvolution' on qubits 0, 1 has a definition that is not its matrix"),
    ],
)
def test_operations_without_a_unitary_are_refused(found, case, reason):
    assert isinstance(found[case], str) and reason in found[case]


def test_the_same_letters_come_in(found):
    assert found["own swap"] == ["h 0"]
    assert found["own cu"] == ["cp(0.5) 0 1"]
    assert found["newer names"] == ["p(0.5) 0", "sx 1", "crx(0.5) 0 1", "rx(0) 0", "id 1"]
    assert found["final"] == ["h 0", "cx 0 1"]
    assert found["standard"] == []


def test_tables_are_used(found):
    # After the layout the first two qubits of the block are apart, and the others neighbours.
    assert found["synthesis"] == {"clifford": [4, 7], "linear_function": [4, 7], "permutation": [3, 1]}
