"""The programs in examples/: each is run as a person would run it, small, and looked at for what it
made."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import qorpus
from command import PATIENCE, ROOT

EXAMPLES = ROOT / "examples"


def run(example, directory, *arguments):
    """Runs an example in a directory; returns what it printed."""
    command = [sys.executable, str(EXAMPLES / example), *map(str, arguments)]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def multiprocessing_writer(directory: Path):
    path = directory / "mine.db"
    for qubits in (1, 2):
        path.unlink(missing_ok=True)
        said = run("multiprocessing_writer.py", directory, path, "--rows", 3001, "--processes", 3, "--qubits", qubits)
        assert said.startswith("3001 rows, ")
        corpus = qorpus.open(path)
        assert len(corpus) == 3001
        # The unitaries that the processes computed are those of their circuits.
        gates = ["h", "s", "t", "cx"][: 2 + qubits]
        with qorpus.Writer(directory / f"again{qubits}.db", gates=gates, qubits=qubits) as writer:
            writer.extend(corpus.circuits(slice(None)))
        again = qorpus.open(directory / f"again{qubits}.db")
        np.testing.assert_allclose(corpus.unitaries(slice(None)), again.unitaries(slice(None)), atol=1e-12)


def train_compiler(directory: Path):
    def trained(name, *epochs):
        for number in epochs:
            said = run("train_compiler.py", directory, directory / name, "--length", 4, "--epochs", number)
        return said[said.index("last gate of held-out circuits") :]

    whole = trained("whole", 8)
    accuracy, chance, majority, compiled = map(float, re.findall(r"\d\.\d+", whole))
    assert accuracy > 2 * chance and accuracy > 1.5 * majority and compiled > chance, whole
    # The checkpoint leaves no trace: stopped and resumed it ends in the same numbers.
    assert trained("resumed", 3, 8) == whole


def into_qiskit(directory: Path):
    said = run("into_qiskit.py", directory)
    assert "The last one, transpiled: " in said
    differences = [float(line.split()[-1]) for line in said.splitlines() if line.endswith(("e-15", "e-16", "e-17", "e+00"))]
    assert len(differences) == 5 and max(differences) < 1e-12, said


CHECKS = {check.__name__: check for check in (multiprocessing_writer, train_compiler, into_qiskit)}


@pytest.mark.parametrize("example", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_example(example, tmp_path):
    CHECKS[example](tmp_path)
    assert not list(EXAMPLES.glob("*.db*")), "it wrote beside itself"
