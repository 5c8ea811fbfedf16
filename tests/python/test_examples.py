"""The programs in examples/: each is run as a person would run it, small, and looked at for what it
made. Second runs of one may be in this process."""

import contextlib
import importlib.util
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import qorpus
from command import PATIENCE, ROOT
from qiskit.quantum_info import Clifford

EXAMPLES = ROOT / "examples"


def run(example, directory, *arguments):
    """Runs an example in a directory; returns what it printed."""
    command = [sys.executable, str(EXAMPLES / example), *map(str, arguments)]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def module(name):
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


def run_here(name, *arguments):
    """Run an example in this process, which has its libraries already; return what it printed."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.setattr(sys, "argv", [name, *map(str, arguments)])
        module(name).main()
    return said.getvalue()


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
    arguments = ["--length", 4, "--epochs"]
    said = run_here("train_compiler", directory / "whole", *arguments, 8)
    whole = said[said.index("last gate of held-out circuits") :]
    accuracy, chance, majority, compiled = map(float, re.findall(r"\d\.\d+", whole))
    assert accuracy > 2 * chance and accuracy > 1.5 * majority and compiled > chance, whole
    # The checkpoint leaves no trace: stopped and resumed by another process it ends in the same numbers.
    run("train_compiler.py", directory, directory / "resumed", *arguments, 3)
    assert run_here("train_compiler", directory / "resumed", *arguments, 8).endswith(whole)


def into_qiskit(directory: Path):
    said = run("into_qiskit.py", directory)
    assert "The last one, transpiled: " in said
    differences = [float(line.split()[-1]) for line in said.splitlines() if line.endswith(("e-15", "e-16", "e-17", "e+00"))]
    assert len(differences) == 5 and max(differences) < 1e-12, said


def rows_of(said):
    """The Markdown table at the end of an output: its head, and the cells of each row by name."""
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in said.splitlines() if line.startswith("|")]
    return head, {row[0]: row[1:] for row in rows}


def totals(way):
    return {name: sum(row[name] for row in way["rows"]) for name in ("targets", "solved", "optimal", "excess")}


def train_agent(directory: Path):
    arguments = [directory / "runs", "--quick", "--record", directory / "agent.json", "--plot", directory / "agent.svg"]
    said = run("train_agent.py", directory, *arguments)
    record = json.loads((directory / "agent.json").read_text())
    network, overlap, frequency, look_up = (totals(record["scores"][name]) for name in (
        "network, beam 8", "overlap, beam 8", "frequency, beam 8", "look-up"
    ))  # fmt: skip
    count = look_up["targets"]
    assert look_up == {"targets": count, "solved": count, "optimal": count, "excess": 0}
    assert network["solved"] >= 0.95 * count and network["excess"] < 0.5 * count, said
    assert max(overlap["solved"], frequency["solved"]) < 0.7 * count, said
    assert record["curve"][-1]["first_letter"] > 2 * record["curve"][0]["first_letter"] - 0.2 > 0, said
    head, rows = rows_of(said)
    assert head == ["distance", "targets", *record["scores"]]
    assert rows["1 to 6"][-1] == rows["7 to 7"][-1] == "100 / 100 / 0.00"
    assert "<svg" in (directory / "agent.svg").read_text()
    # The second run has the network of the first one.
    again = run_here("train_agent", directory / "runs", "--quick")
    assert " samples: " not in again and rows_of(again) == rows_of(said)


def train_ppo(directory: Path):
    said = run("train_ppo.py", directory, "--quick", "--record", directory / "ppo.json", "--plot", directory / "ppo.svg")
    record = json.loads((directory / "ppo.json").read_text())
    # Before it has learnt anything, it solves a fifth of the shortest targets.
    assert record["curve"][0]["solved"] < 0.5 and record["curve"][-1]["length"] >= 3, said
    one, ten = (totals(record["scores"][name]) for name in ("PPO, 1 search", "PPO, 10 searches"))
    assert one["targets"] == ten["targets"] == 50 and one["solved"] <= ten["solved"]
    assert all(row["excess"] >= row["solved"] - row["optimal"] for way in record["scores"].values() for row in way["rows"])
    head, rows = rows_of(said)
    assert head == ["distance", "targets", *record["scores"]] and rows["all"][0] == "50"
    assert "<svg" in (directory / "ppo.svg").read_text()


CHECKS = {
    check.__name__: check for check in (multiprocessing_writer, train_compiler, into_qiskit, train_agent, train_ppo)
}


@pytest.mark.parametrize("example", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_example(example, tmp_path):
    CHECKS[example](tmp_path)
    assert not list(EXAMPLES.glob("*.db*")), "it wrote beside itself"


def test_agent_never_trains_on_its_targets(tmp_path):
    """No training unitary equals a target, or one symmetric to it, up to a global phase."""
    example = module("train_agent")
    path = tmp_path / "every.db"
    corpus = qorpus.distinct(path, gates=example.GATES, qubits=2, max_length=5, progress=False)
    size = example.Size(longest=5, farthest=6, targets=8, width=8, beams=(1,))
    targets, train, validation = example.held_out(path, corpus, size, seed=3)
    assert not {*train.tolist()} & {*validation.tolist()}
    assert 0.85 * len(corpus) < len(train) < 0.9 * len(corpus)
    assert {*targets.distances} == {1, 2, 3, 4, 5, 6}

    exchange = np.eye(4)[[0, 2, 1, 3]]
    images = [*targets.unitaries]
    images += [exchange @ image @ exchange for image in images]
    images += [image.conj() for image in images]
    images += [image.T for image in images]
    known = qorpus.open(path, order="little").unitaries(train.numpy()).reshape(-1, 16)
    overlaps = np.abs(known.conj() @ np.array(images).reshape(-1, 16).T)
    assert overlaps.max() < 4 - 1e-6
    # The same comparison finds all of them, but for those beyond the corpus, among all records.
    whole = qorpus.open(path, order="little").unitaries(slice(None)).reshape(-1, 16)
    assert (np.abs(whole.conj() @ np.array(images).reshape(-1, 16).T) > 4 - 1e-6).any(axis=0).sum() == 8 * sum(
        distance <= 5 for distance in targets.distances
    )


def test_distances_of_tableaus():
    """The search over numbers of 36 bits agrees with one over products of matrices of bits."""
    example = module("train_ppo")
    letters = [Clifford(qorpus.to_qiskit([letter], 3)).symplectic_matrix.astype(np.int8) for letter in example.LETTERS]
    level, distances = [np.eye(6, dtype=np.int8)], {}
    for distance in range(5):
        level = [tableau for tableau in level if tableau.tobytes() not in distances]
        distances |= {tableau.tobytes(): distance for tableau in level}
        level = [*{each.tobytes(): each for tableau in level for letter in letters for each in [letter @ tableau % 2]}.values()]
    tableaus = np.array([np.frombuffer(key, np.int8).reshape(6, 6) for key in distances])
    assert len(tableaus) > 500
    assert example.true_distances(tableaus) == [*distances.values()]
