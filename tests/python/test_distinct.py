"""Distinct unitaries: against Qiskit's table of sequences, and what the command and the package say
of them."""

import json
import pickle
import random
import resource
import signal
import subprocess
import time

import numpy as np
import pytest
from command import QORPUS, content_hash, info
from command import qorpus as command
from qiskit.quantum_info import Operator

import qorpus


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two qubits, up to six letters."""
    path = tmp_path_factory.mktemp("distinct") / "two.db"
    return qorpus.distinct(path, gates="h,t,tdg,cx", qubits=2, max_length=6)


@pytest.mark.parametrize(("basis", "depth"), [(["h", "t", "tdg"], 12), (["h", "s", "t"], 9)])
def test_qiskit_holds_as_many_sequences(basis, depth, tmp_path):
    from qiskit.synthesis import SolovayKitaevDecomposition

    # There is no public name for them in Qiskit 2.
    sequences = SolovayKitaevDecomposition(basis_gates=basis, depth=depth)._sk.get_gate_sequences()
    corpus = qorpus.distinct(tmp_path / "c.db", gates=basis, qubits=1, max_length=depth)
    assert len(sequences) == len(corpus)


def test_the_command_and_the_package_make_the_same(two, tmp_path):
    path = tmp_path / "c.db"
    options = ["--gates", "h,t,tdg,cx", "--max-length", "6"]
    said = command("distinct", path, *options, "--jobs", "1", "--memory", "16MiB").stdout
    assert "14,817 distinct unitaries" in said
    found = info(path)
    assert found["content_hash"] == two.content_hash and found["complete"] and found["expected"] == len(two) == 14817
    assert [(level.length, len(level.ids)) for level in two.levels] == list(enumerate([1, 8, 43, 197, 806, 3059, 10703]))
    assert command("distinct", path, *options, "--quiet").stdout == ""
    command("verify", path)
    assert not (tmp_path / "c.db-distinct").exists()


def test_records_have_labels(two):
    record = two[14816]
    assert record.labels["length"] == len(record.circuit) == 6
    assert {"shortest_circuits", "first_letters", "last_letters", "t_count", "two_qubit_count"} <= set(record.labels)
    ends = [letter for bit, letter in enumerate(two.letters) if record.labels["last_letters"] >> bit & 1]
    assert record.circuit[-1] in ends
    [[most]] = two.sql("select max(shortest_circuits) from records where length = 6")
    assert most > 10


def test_unitaries_are_found(two):
    chance = np.random.default_rng(1)
    for number in chance.integers(0, len(two), 50):
        record = two[int(number)]
        phase = np.exp(1j * chance.uniform(0, 7))
        assert two.find(phase * record.unitary) == (record.circuit, record.id, None)
        assert two.find(list(record.circuit)).id == record.id
    little = qorpus.open(two.paths[0], order="little")
    assert little.find(Operator(little[5000].to_qiskit()).data).id == 5000
    assert pickle.loads(pickle.dumps(two)).find("").id == 0
    assert two.find("swap 0 1").circuit == ("cx 0 1", "cx 1 0", "cx 0 1")
    assert two.find("rz(0.1) 0") == (None, None, 6)


def test_circuits_of_twice_the_length_are_the_shortest(two, tmp_path):
    """Eight random letters, from corpora of four and six, held against an enumeration of eight."""
    long = qorpus.distinct(tmp_path / "long.db", gates="h,t,tdg,cx", qubits=2, max_length=8)
    short = qorpus.distinct(tmp_path / "short.db", gates="h,t,tdg,cx", qubits=2, max_length=4)
    chance = random.Random(2)
    for _ in range(100):
        circuit = [chance.choice(long.letters) for _ in range(8)]
        expected = long.find(circuit)
        assert short.find(circuit).circuit == expected.circuit, circuit
        assert two.find(circuit).circuit == expected.circuit
    seven = next(long[i] for i in long.levels[7].ids if i % 7 == 0)
    assert short.find(seven.unitary, further=False) == (None, None, 4)
    assert short.find(seven.unitary) == (seven.circuit, None, None)


def test_the_command_finds(two, tmp_path):
    path = two.paths[0]
    assert json.loads(command("find", path, "--circuit", "swap 0 1", "--json").stdout)["circuit"] == ["cx 0 1", "cx 1 0", "cx 0 1"]
    unitary = tmp_path / "u.npy"
    np.save(unitary, np.asfortranarray(two[9000].unitary))
    assert json.loads(command("find", path, "--unitary", unitary, "--json").stdout)["id"] == 9000
    np.save(unitary, two[9000].unitary.astype(np.complex64)[:2])
    assert "4 x 4" in command("find", path, "--unitary", unitary, status=2).stderr


def test_samples_are_of_one_distance(two):
    ids = two.sample(distance=5, n=3059, seed=3)
    assert sorted(ids) == list(two.levels[5].ids)
    assert (two.sample(distance=5, n=100, seed=3) == ids[:100]).all()
    assert (two.sample(distance=5, n=100, seed=4) != ids[:100]).any()
    with pytest.raises(qorpus.InvalidArgument, match="3059 records at distance 5"):
        two.sample(distance=5, n=3060)


def test_costs(tmp_path):
    corpus = qorpus.distinct(tmp_path / "t.db", qubits=1, gates="h,s,t", cost={"t": 1}, max_cost=5)
    for cost in range(6):
        assert sum(len(level.ids) for level in corpus.levels if level.cost <= cost) == 24 * (3 * 2**cost - 2)
    ids = corpus.sample(distance=5, n=10)
    assert all(corpus[int(id)].labels["cost"] == corpus[int(id)].labels["t_count"] == 5 for id in ids)
    assert corpus.find("t 0; h 0; t 0; h 0; t 0; h 0; t 0; h 0; t 0; h 0; t 0; h 0; t 0").none_up_to == 5


def test_any_angles(tmp_path):
    """Gates off the ring, compared with Qiskit's own test of equality up to a phase."""
    corpus = qorpus.distinct(tmp_path / "f.db", gates="sx,rz(0.3),cz", qubits=2, max_length=4, progress=False)
    operators = [Operator(record.to_qiskit()) for record in corpus if len(record.circuit) <= 3]
    for number, one in enumerate(operators):
        assert not any(one.equiv(other) for other in operators[:number])
    for record in corpus:
        assert corpus.find(record.unitary * np.exp(0.7j)).id == record.id
    assert corpus.find("rz(0.3) 1; cz 1 0; rz(-0.3) 1").circuit == ("cz 0 1",)
    assert corpus.find("rz(0.31) 0").none_up_to == 8
    with pytest.raises(qorpus.Error, match="neither equal nor clearly different"):
        qorpus.distinct(tmp_path / "unclear.db", gates="rz(0.5),rz(0.50000000002)", qubits=1, max_length=2)


def test_refusals(two, tmp_path):
    for options in [{}, {"max_length": 3, "cost": "t=1", "max_cost": 1}, {"cost": {"x": 1}, "max_cost": 1}, {"max_length": 3, "up_to": "sign"}]:
        with pytest.raises(ValueError, match=r"."):
            qorpus.distinct(tmp_path / "no.db", **options)
    assert not (tmp_path / "no.db").exists()
    with pytest.raises(qorpus.InvalidArgument, match="shape"):
        two.find(np.eye(2))
    with pytest.raises(qorpus.Error, match="follow from a recipe"):
        qorpus.Writer(two.paths[0])
    generated = qorpus.generate(tmp_path / "g.db", gates="h,t", qubits=1, random=10, progress=False)
    with pytest.raises(qorpus.InvalidArgument, match="qorpus distinct"):
        generated.find("h 0")
    assert generated.levels == []


def test_a_killed_job_resumes(two, tmp_path):
    """Twenty kills; what is there at the end is what an undisturbed run makes."""
    path = tmp_path / "c.db"
    long = ["distinct", path, "--gates", "h,t,tdg,cx", "--max-length", "9", "--memory", "16MiB", "--quiet"]
    chance, kills = random.Random(5), 0
    while kills < 20:
        process = subprocess.Popen([QORPUS, *long])
        time.sleep(chance.uniform(0.01, 0.15))
        process.send_signal(signal.SIGKILL)
        if process.wait() == -signal.SIGKILL:
            kills += 1
        else:
            path.unlink()
    command(*long)
    corpus = qorpus.open(path)
    assert [len(level.ids) for level in corpus.levels][7:] == [35347, 112402, 345948]
    whole = qorpus.distinct(tmp_path / "whole.db", gates="h,t,tdg,cx", qubits=2, max_length=9, progress=False)
    assert content_hash(path) == whole.content_hash
    command("verify", path)


def test_verifying_takes_no_more_than_making(tmp_path):
    """Times are of one processor, each the smallest of three."""

    def took(*arguments):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command(*arguments, "--jobs", "1", "--quiet")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    recipe = ["--gates", "h,t,tdg,cx", "--max-length", "9"]
    made = min(took("distinct", tmp_path / f"{k}.db", *recipe) for k in range(3))
    assert min(took("verify", tmp_path / f"{k}.db") for k in range(3)) < 1.2 * made
