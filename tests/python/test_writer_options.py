"""Gates, qubits and other options of a `qorpus.Writer`, and the names that letters may have."""

import math

import numpy as np
import pytest
import qorpus
from appending import REFUSALS, H, T, records, unitary
from command import companions

ROOT_Y = np.array([[0.5 + 0.5j, -0.5 - 0.5j], [0.5 + 0.5j, 0.5 + 0.5j]])
OWN = {
    "a mapping": {"h": None, "root_y": ROOT_Y},
    "pairs": ["h", ("root_y", ROOT_Y)],
    "pairs with None": [("h", None), ("root_y", ROOT_Y.tolist())],
    "a generator": (gate for gate in ["h", ["root_y", ROOT_Y]]),
}


@pytest.mark.parametrize("way", OWN)
def test_gates_of_ones_own(corpus, way):
    """Names with matrices, given in any way, make one alphabet, and unitaries are computed from
    them."""
    with qorpus.Writer(corpus, gates=OWN[way], qubits=1) as writer:
        assert writer.letters == ("h 0", "root_y 0")
        writer.append("root_y; root_y")
    (record,) = records(corpus)
    assert np.allclose(record.unitary, ROOT_Y @ ROOT_Y)
    with qorpus.Writer(corpus, gates={"h": None, "root_y": ROOT_Y}, qubits=1) as writer:
        writer.append("h")
    assert len(qorpus.open(corpus)) == 2


def test_a_gate_file(corpus):
    """A TOML file gives the gates, as a text or as a path."""
    path = corpus.with_name("mine.toml")
    matrix = [[["1/2", "1/2"], ["-1/2", "-1/2"]], [["1/2", "1/2"], ["1/2", "1/2"]]]
    path.write_text(f'gates = ["h", "root_y"]\n[[gate]]\nname = "root_y"\nqubits = 1\nmatrix = {matrix}\n')
    for given in [str(path), path]:
        with qorpus.Writer(corpus, gates=given, qubits=1) as writer:
            writer.append("root_y; h")
    assert [record.circuit for record in records(corpus)] == [("root_y 0", "h 0")] * 2
    assert np.allclose(records(corpus)[0].unitary, H @ ROOT_Y)
    with pytest.raises(qorpus.MissingFile, match="other.toml"):
        qorpus.Writer(corpus, gates=str(corpus.with_name("other.toml")), qubits=1)


def test_a_preset(corpus):
    """A preset is a gate set, with as many qubits as the command line has by default."""
    with qorpus.Writer(corpus, gates="clifford+t") as writer:
        assert writer.recipe.qubits == qorpus.Recipe().qubits == 2
        assert writer.recipe.gates == ("h", "s", "sdg", "t", "tdg", "cx")
        writer.append("h 0; cx 0 1")
        with pytest.raises(ValueError, match="'h'"):
            writer.append("h")
    assert np.allclose(records(corpus)[0].unitary[:, 0], [math.sqrt(0.5), 0, 0, math.sqrt(0.5)])


def test_gates_with_angles_and_coupling(corpus):
    """Angles are part of a name, and letters stand only where the coupling allows."""
    with qorpus.Writer(corpus, gates=["rz(pi/4)", "cx"], qubits=3, coupling="line") as writer:
        assert "cx 0 1" in writer.letters and "cx 0 2" not in writer.letters
        writer.append(["rz(pi/4) 2", "cx 1 2"])
        with pytest.raises(ValueError, match="cx 0 2"):
            writer.append("cx 0 2")
    (record,) = records(corpus)
    assert record.circuit == ("rz(pi/4) 2", "cx 1 2") and record.unitary.shape == (8, 8)


def test_opaque_gates(corpus):
    """An undefined name is a gate too; a record with it must bring its unitary, others need not."""
    with qorpus.Writer(corpus, gates=["h", "magic"], qubits=2) as writer:
        writer.append("h 0")
        writer.append("h 0; magic", unitary(1, 4))
        writer.append(["magic 1", "magic 1 0"], unitary(2, 4))
        with pytest.raises(ValueError, match="'magic 1 0'.*must come with its unitary"):
            writer.append("h 1; magic 1 0")
        with pytest.raises(ValueError, match="record 2 .*'magic'"):
            writer.extend(["h 0", "h 1", "magic"])
        with pytest.raises(ValueError, match="magic 2"):
            writer.append("magic 2", unitary(2, 4))
        writer.extend(["magic", "h 0; magic 1"], np.stack([unitary(3, 4), unitary(4, 4)]))
    found = records(corpus)
    assert [record.circuit for record in found] == [
        ("h 0",), ("h 0", "magic"), ("magic 1", "magic 1 0"), ("magic",), ("h 0", "magic 1"),
    ]  # fmt: skip
    for record, seed in zip(found[1:], [1, 2, 3, 4]):
        assert record.unitary.tobytes() == unitary(seed, 4).tobytes()
    with pytest.raises(ValueError, match="magic"):
        qorpus.Writer(corpus.with_name("other.db"), gates=["magic"], qubits=2, unitaries=False)
    assert not corpus.with_name("other.db").exists()


OPTIONS = {
    "no gates": ({"gates": []}, ValueError, ["gates"]),
    "a gate twice": ({"gates": ["h", "h"]}, ValueError, ["twice"]),
    "a gate too wide": ({"gates": ["ccx"]}, ValueError, ["ccx", "3 qubits"]),
    "a name that cannot be": ({"gates": ["h 0"]}, ValueError, ["h 0"]),
    "a number as a gate": ({"gates": [1]}, TypeError, ["names"]),
    "a number as gates": ({"gates": 1}, TypeError, ["names"]),
    "a matrix of three rows": ({"gates": {"mine": np.eye(3)}}, ValueError, ["(3, 3)"]),
    "a matrix that is not unitary": ({"gates": {"mine": np.ones((2, 2))}}, ValueError, ["mine", "not unitary"]),
    "a matrix of NaN": ({"gates": {"mine": np.full((2, 2), math.nan)}}, ValueError, ["mine"]),
    "a matrix of texts": ({"gates": {"mine": [["1", "0"], ["0", "1"]]}}, TypeError, ["mine"]),
    "another matrix of a standard gate": ({"gates": {"h": np.eye(2)}}, ValueError, ["'h'", "standard"]),
    "no qubits": ({"qubits": 0}, ValueError, ["0 qubits"]),
    "nine qubits": ({"qubits": 9}, ValueError, ["9 qubits"]),
    "fewer than none": ({"qubits": -1}, ValueError, ["qubits is -1"]),
    "a real number of qubits": ({"qubits": 1.0}, TypeError, ["qubits", "float"]),
    "too many bits of qubits": ({"qubits": 1 << 64}, ValueError, ["qubits"]),
    "a coupling that is none": ({"coupling": "star"}, ValueError, ["star"]),
    "a coupling of numbers": ({"coupling": 3}, TypeError, ["coupling", "a string, not int"]),
    "float64": ({"dtype": float}, ValueError, ["float64"]),
    "no dtype": ({"dtype": "complex129"}, TypeError, ["complex129"]),
    "a number for unitaries": ({"unitaries": 2}, TypeError, ["unitaries must be True or False, not int"]),
    "a negative tolerance": ({"tolerance": -1e-9}, ValueError, ["tolerance"]),
    "a tolerance that is no number": ({"tolerance": math.nan}, ValueError, ["tolerance"]),
    "a tolerance past all reals": ({"tolerance": 10**400}, ValueError, ["tolerance"]),
    "a text as tolerance": ({"tolerance": "1e-6"}, TypeError, ["tolerance"]),
    "no durability": ({"durability": "some"}, ValueError, ["some", "'full'"]),
    "an unknown keyword": ({"qubit": 1}, TypeError, ["qubit"]),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_that_are_refused(corpus, case):
    """Says what is wrong, and makes no file."""
    options, exception, words = OPTIONS[case]
    with pytest.raises(exception) as said:
        qorpus.Writer(corpus, **{"gates": ["h"], "qubits": 1} | options)
    assert all(word in str(said.value) for word in words), said.value
    assert list(corpus.parent.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"gates": ["h"]},
        {"gates": ["t", "h"]},
        {"gates": ["h", "t", "s"]},
        {"qubits": 2},
        {"dtype": "complex64"},
        {"unitaries": False},
        {"gates": {"h": None, "tee": T}},
    ],
    ids=repr,
)
def test_another_corpus_is_there(corpus, options):
    """A writer with other gates, qubits, dtype or unitaries is refused by an error that names
    both."""
    mine = {"gates": ["h", "t"], "qubits": 1}
    with qorpus.Writer(corpus, **mine) as writer:
        writer.append("h")
    before = corpus.read_bytes()
    with pytest.raises(qorpus.Error) as said:
        qorpus.Writer(corpus, **mine | options)
    text = str(said.value)
    assert str(corpus) in text and not isinstance(said.value, ValueError)
    there, asked = (line for line in text.splitlines() if line.strip().startswith(("there:", "asked:")))
    assert there.split(":", 1)[1] != asked.split(":", 1)[1] and "h, t on 1 qubit" in there
    assert corpus.read_bytes() == before and companions(corpus) == []


def test_gates_are_left_out(corpus):
    """Without gates a corpus that exists is continued; without one, or with other options, that is
    an error."""
    with pytest.raises(qorpus.MissingFile, match="does not exist"):
        qorpus.Writer(corpus)
    assert not corpus.exists()
    with qorpus.Writer(corpus, gates=["h", "magic"], qubits=2, dtype="complex64") as writer:
        writer.append("h 0")
    with qorpus.Writer(corpus) as writer:
        assert writer.letters[:2] == ("h 0", "h 1") and writer.recipe.qubits == 2
        writer.append("magic 0", unitary(1, 4))
    assert [record.circuit for record in records(corpus)] == [("h 0",), ("magic 0",)]
    for options in [{"qubits": 1}, {"coupling": "line"}, {"dtype": "complex128"}, {"unitaries": True}]:
        with pytest.raises(ValueError, match=next(iter(options))):
            qorpus.Writer(corpus, **options)
    assert len(qorpus.open(corpus)) == 2


def test_paths_that_cannot_hold_a_corpus(corpus):
    """Generated corpora, other files, directories and missing directories are refused and not
    touched."""
    qorpus.generate(corpus, gates="ht", qubits=1, random=100, progress=False)
    text, before = corpus.with_name("text.db"), corpus.read_bytes()
    text.write_text("not a corpus " * 10000)
    for options in [{}, {"gates": "ht", "qubits": 1}]:
        with pytest.raises(qorpus.Error, match=r"c\.db"):
            qorpus.Writer(corpus, **options)
        with pytest.raises(qorpus.Error, match="not a Qorpus corpus"):
            qorpus.Writer(text, **options)
        with pytest.raises(qorpus.Error, match="directory"):
            qorpus.Writer(corpus.parent, **options)
        with pytest.raises(qorpus.MissingFile, match="no_such"):
            qorpus.Writer(corpus.parent / "no_such" / "c.db", **options)
    with pytest.raises(qorpus.Error, match="append to another file"):
        qorpus.Writer(corpus)
    assert corpus.read_bytes() == before and text.read_text() == "not a corpus " * 10000
    assert sorted(path.name for path in corpus.parent.iterdir()) == ["c.db", "text.db"]


@pytest.mark.parametrize("path", [None, 3, b"c.db", ["c.db"], "a\0b", "\ud800x", ""], ids=repr)
def test_paths_that_are_none(path, monkeypatch, tmp_path):
    """An object that is not a path is a TypeError or ValueError or an error of the library."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(REFUSALS):
        qorpus.Writer(path, gates=["h"], qubits=1)


@pytest.mark.parametrize("durability", ["full", "normal", "off"])
def test_durability(corpus, durability):
    """Flushed records are there with every durability."""
    with qorpus.Writer(corpus, gates=["h"], qubits=1, durability=durability) as writer:
        writer.extend(["h"] * 1000)
        assert writer.flush() == 1000
        assert len(qorpus.open(corpus)) == 1000


# Names that mean one thing.


@pytest.mark.parametrize(
    ("gate", "letter"),
    [
        ("rz(0.7853981633974483)", "rz(pi/4) 0"),
        ("rz(pi/4)", "rz(0.7853981633974483)"),
        ("rz(0.5)", "rz(.5) 0"),
        ("rz(1e-5)", "rz(1e-05) 0"),
        ("rz(3*pi/8)", "rz(1.1780972450961724) 0"),
        ("rz(2**-1)", "rz(0.5) 0"),
        ("rz(π/4)", "rz(tau/8) 0"),
    ],
)
def test_letters_are_found_by_the_value_of_their_angle(corpus, gate, letter):
    """Every spelling of an angle is the alphabet's letter."""
    with qorpus.Writer(corpus, gates=[gate, "h"], qubits=1) as writer:
        writer.append([letter])
        writer.extend([letter, [letter, "h"]])
        assert {record.circuit[0] for record in records(writer)} == {writer.letters[0]}
    (again,) = qorpus.Recipe(gates=[gate], qubits=1, words=True, length=(1, 1)).letters
    assert again == qorpus.open(corpus).recipe.letters[0]


def test_one_gate_has_one_spelling(corpus):
    """A gate set with one gate twice is refused, naming both spellings."""
    for gates in ["rz(pi/4),rz(0.7853981633974483)", ["rz(pi/4)", "h", "rz(0.25*pi)"]]:
        for make in [lambda gates=gates: qorpus.Recipe(gates=gates, qubits=1, random=1), lambda gates=gates: qorpus.Writer(corpus, gates, 1)]:
            with pytest.raises(qorpus.InvalidArgument, match=r"'rz\(pi/4\)' and 'rz\(.*' are the same gate"):
                make()
    assert not corpus.exists()


def test_names_of_other_tools(corpus):
    """A letter or a gate that another tool calls otherwise is named."""
    with qorpus.Writer(corpus, gates=["h", "cx"], qubits=2) as writer, pytest.raises(ValueError, match="did you mean 'cx'"):
        writer.append("cnot 0 1")
    with qorpus.Writer(corpus.with_name("2.db"), gates=["cnot"], qubits=2) as writer:
        with pytest.raises(ValueError, match="must come with its unitary.*did you mean 'cx'"):
            writer.append("cnot 0 1")
    with pytest.raises(ValueError, match=r"did you mean 'p'\? Write it as 'p\(pi/4\)'"):
        qorpus.Writer(corpus.with_name("3.db"), gates=["u1(pi/4)"], qubits=1)
