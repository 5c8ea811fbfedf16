"""Arguments, recipes and files that cannot be: one clear sentence, the right status, and nothing is
touched.

Exit status 2 is wrong usage (arguments, recipes, gate files), 1 is everything else.
"""

import sqlite3

import pytest
from command import generate, info, qorpus, snapshot

SMALL = "--gates h,s,t --qubits 1 --random 2000".split()


def refused(directory, *arguments, status) -> str:
    """Runs a command that must be refused, in a directory in which nothing may change; returns what
    it says."""
    before = snapshot(directory)
    result = qorpus(*arguments, status=status, cwd=directory)
    assert snapshot(directory) == before, "files were touched"
    assert result.stderr.startswith("error: ") and len(result.stderr) > 20, result.stderr
    assert not any(debug in result.stderr for debug in ["Error {", "Some(", "Err(", "Os {"]), result.stderr
    return result.stderr


USAGE = {
    "an unknown gate": ("--gates hh", ["unknown gate 'hh'", "h"]),
    "exchanged letters": ("--gates h,tgd", ["'tgd'", "tdg"]),
    "a misspelt preset": ("--gates cliford", ["'cliford'", "clifford"]),
    "a missing angle": ("--gates rz", ["rz", "angle"]),
    "an angle too many": ("--gates h(pi)", ["h(pi)", "no angle"]),
    "an angle that is no expression": ("--gates rz(tua)", ["rz(tua)", "tua"]),
    "a division by zero": ("--gates rz(1/0)", ["1/0", "divides by zero"]),
    "an infinite angle": ("--gates rz(1e308*1e308)", ["1e308*1e308", "finite"]),
    "an open parenthesis": ("--gates rz(pi", ["rz(pi", ")"]),
    "a gate twice": ("--gates h,t,h", ["h", "twice"]),
    "an empty name": ("--gates h,,t", ["unknown gate ''"]),
    "no gates": ("--gates=", ["empty"]),
    "no qubits": ("--qubits 0", ["0 qubits", "1 to 8"]),
    "too many qubits": ("--qubits 9", ["9 qubits", "1 to 8"]),
    "qubits that are no number": ("--qubits two", ["two", "--qubits"]),
    "coupling of qubits that do not exist": ("--qubits 3 --coupling 0-1,1-3", ["0-1,1-3", "qubit 3"]),
    "a qubit coupled with itself": ("--coupling 1-1", ["1-1", "itself"]),
    "no coupling": ("--coupling star", ["star", "ring"]),
    "a gate wider than the circuit": ("--gates h,ccx --qubits 2", ["ccx", "3 qubits", "2"]),
    "an alphabet without letters": ("--gates ccx --qubits 3 --coupling 0-1", ["alphabet is empty"]),
    "reversed lengths": ("--length 9..3", ["9..3"]),
    "no length": ("--length five", ["five", "5..15"]),
    "circuits too long": ("--length 0..65536", ["65,535"]),
    "more words than 2^63": ("--gates h,t --qubits 1 --words --length 0..63", ["2^63"]),
    "vastly more words": ("--words --length 0..65535", ["2^63"]),
    "more random circuits than 2^63": ("--random 9223372036854775809", ["2^63"]),
    "more than 64 bits": ("--random 99999999T", ["99999999T"]),
    "no records": ("--random 0", ["0"]),
    "a negative count": ("--random=-5", ["-5"]),
    "no count": ("--random many", ["many", "1M"]),
    "a seed beyond 64 bits": ("--seed 18446744073709551616", ["18446744073709551616"]),
    "words and random": ("--words --random 10", ["--words", "--random"]),
    "words and seed": ("--words --seed 1", ["--words", "--seed"]),
    "a weight of an unknown gate": ("--weights x=2", ["weight 'x=2'", "its gates are h, s"]),
    "a weight that is no number": ("--weights t=much", ["weight 't=much'", "above 0"]),
    "a weight without a gate": ("--weights 3", ["weight '3'", "GATE=WEIGHT"]),
    "no weight": ("--weights t=0", ["'t'", "above 0"]),
    "a negative weight": ("--weights t=-1", ["'t'", "above 0"]),
    "an infinite weight": ("--weights t=inf", ["'t'", "at most"]),
    "a weight that is not a number": ("--weights t=nan", ["'t'", "above 0"]),
    "a weight too small to be drawn": ("--weights t=1e-9", ["'t'", "leave the gate out"]),
    "a gate weighed twice": ("--weights t=1,t=2", ["t=2", "named twice"]),
    "weights of words": ("--words --weights t=1", ["--words", "--weights"]),
    "an exact number of an unknown gate": ("--exactly x=2", ["exact number 'x=2'", "its gates are h, s"]),
    "a negative exact number": ("--exactly cx=-1", ["exact number 'cx=-1'", "whole number"]),
    "half a letter": ("--exactly cx=1.5", ["exact number 'cx=1.5'", "whole number"]),
    "more letters than a circuit has": ("--exactly cx=16", ["16 letters", "15 at most"]),
    "more letters than short circuits have": ("--exactly cx=3,t=4", ["7 letters", "use a length from 7 on"]),
    "exact numbers of all gates": ("--gates h,t --exactly h=2,t=3", ["5 letters", "use the length 5"]),
    "exact numbers of words": ("--words --exactly t=1", ["--words", "--exactly"]),
    "nothing that does not cancel": ("--gates x --qubits 1 --no-cancelling", ["no circuit of 5 letters"]),
    "exact numbers that must cancel": ("--gates x,t --qubits 1 --exactly x=4 --length 5 --no-cancelling", ["no circuit of 5"]),
    "words that do not cancel": ("--words --no-cancelling", ["--words", "--no-cancelling"]),
    "tables beyond memory": ("--gates h,cx --qubits 8 --length 60000 --no-cancelling", ["a table of more than"]),
    "no dtype": ("--dtype float32", ["float32", "complex64"]),
}


@pytest.mark.parametrize("name", USAGE)
def test_recipes_that_cannot_be(corpus, name):
    """Refused alike by every command that takes a recipe, with and without a corpus being there
    already."""
    recipe, words = USAGE[name]
    for command in [["plan"], ["generate", "new.db"], ["generate", "c.db"]]:
        said = refused(corpus.parent, *command, *recipe.split(), status=2)
        assert all(word in said for word in words), said
        if not corpus.exists():
            generate(corpus, *SMALL)


ARGUMENTS = {
    "part without slash": "generate new.db --part 3",
    "part past the end": "generate new.db --part 2/2",
    "part of nothing": "generate new.db --part 0/0",
    "negative part": "generate new.db --part=-1/2",
    "part of letters": "generate new.db --part a/b",
    "three parts": "generate new.db --part 1/2/3",
    "fractional part": "generate new.db --part 0.5/2",
    "no such durability": "generate new.db --durability maybe",
    "jobs that are no number": "generate new.db --jobs all",
    "no file": "generate",
    "empty file name": ["generate", ""],
    "no command": "",
    "no such command": "generat new.db",
    "no such option": "info c.db --jsn",
    "no id": "show c.db",
    "negative id": "show c.db -- -1",
    "id of letters": "show c.db seven",
    "no such order": "show c.db 0 --order middle",
    "sample above 1": "verify c.db --sample 1.5",
    "negative sample": "verify c.db --sample=-0.5",
    "sample that is no number": "verify c.db --sample all",
    "sample that is not a number": "verify c.db --sample nan",
    "nothing to merge": "merge new.db",
    "no such shell": "completions cmd",
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_that_cannot_be(corpus, name):
    generate(corpus, *SMALL)
    arguments = ARGUMENTS[name]
    arguments = arguments.split() if isinstance(arguments, str) else arguments
    if arguments:
        refused(corpus.parent, *arguments, status=2)
    else:
        assert "Usage: qorpus" in qorpus(status=2).stderr


GATE = """
[[gate]]
name = "mine"
qubits = 1
matrix = [[1, 0], [0, [0, 1]]]
"""

GATE_FILES = {
    "no TOML": ("[[gate", ["gates.toml"]),
    "not unitary": (GATE.replace("[[1, 0]", "[[1.001, 0]"), ["mine", "not unitary"]),
    "hardly unitary": (GATE.replace("[[1, 0]", "[[1.000000001, 0]"), ["mine", "not unitary"]),
    "not a number": (GATE.replace("[[1, 0]", "[[nan, 0]"), ["mine"]),
    "infinite": (GATE.replace("[[1, 0]", "[[inf, 0]"), ["mine"]),
    "a row too short": (GATE.replace("[1, 0]", "[1]"), ["mine", "row 0"]),
    "too few rows": (GATE.replace(", [0, [0, 1]]", ""), ["mine"]),
    "no rows": (GATE.replace("[[1, 0], [0, [0, 1]]]", "[]"), ["mine"]),
    "wrong size": (GATE.replace("qubits = 1", "qubits = 2"), ["mine", "4 x 4"]),
    "no qubits": (GATE.replace("qubits = 1", "qubits = 0"), ["mine", "0 qubits"]),
    "too many qubits": (GATE.replace("qubits = 1", "qubits = 4"), ["mine", "4 qubits"]),
    "absurdly many qubits": (GATE.replace("qubits = 1", "qubits = 1000000"), ["mine", "qubits"]),
    "negative qubits": (GATE.replace("qubits = 1", "qubits = -1"), ["gates.toml"]),
    "a name with blanks": (GATE.replace('"mine"', '"my gate"'), ["my gate"]),
    "an empty name": (GATE.replace('"mine"', '""'), ["name"]),
    "a standard name": (GATE.replace('"mine"', '"h"'), ["h", "standard gate"]),
    "a standard name in capitals": (GATE.replace('"mine"', '"CX"'), ["CX", "standard gate"]),
    "a wrong expression": (GATE.replace("[[1, 0]", '[["1/sqr(1)", 0]'), ["mine", "sqr"]),
    "three numbers": (GATE.replace("[0, 1]", "[0, 1, 0]"), ["gates.toml"]),
    "a missing key": (GATE.replace('name = "mine"\n', ""), ["gates.toml", "name"]),
    "an unknown key": (GATE + "colour = 1", ["gates.toml", "colour"]),
    "an unknown gate in the list": ('gates = ["mine", "hh"]\n' + GATE, ["hh"]),
    "a gate twice in the list": ('gates = ["mine", "mine"]\n' + GATE, ["mine", "twice"]),
    "a definition twice": (GATE + GATE, ["mine", "twice"]),
    "nothing in it": ("", ["empty"]),
}


@pytest.mark.parametrize("name", GATE_FILES)
def test_gate_files_that_cannot_be(corpus, name):
    text, words = GATE_FILES[name]
    (corpus.parent / "gates.toml").write_text(text)
    said = refused(corpus.parent, "generate", "new.db", "--gates", "gates.toml", status=2)
    assert all(word in said for word in words), said


def test_gate_files_that_cannot_be_read(corpus):
    directory = corpus.parent
    assert "no.toml" in refused(directory, "generate", "new.db", "--gates", "no.toml", status=1)
    (directory / "folder.toml").mkdir()
    assert "folder.toml" in refused(directory, "generate", "new.db", "--gates", "folder.toml", status=1)
    (directory / "bytes.toml").write_bytes(b"\xff\xfe\x00gate")
    assert "bytes.toml" in refused(directory, "generate", "new.db", "--gates", "bytes.toml", status=None)


COMMANDS = [["info"], ["show", 0], ["verify"], ["generate"], ["export", "out.npy"], ["merge", "good.db"]]


def on(command, file):
    """The command with the file as its corpus."""
    return [command[0], file, *command[1:]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_files_that_are_no_corpus(corpus, command):
    """Text, another program's database, an older relative: never read as a corpus, never written
    to."""
    directory = corpus.parent
    generate(directory / "good.db", *SMALL)
    (directory / "text.db").write_text("Dear diary, today I learnt about SQLite. " * 50)
    (directory / "zeros.db").write_bytes(bytes(100_000))
    other = sqlite3.connect(directory / "other.db")
    other.execute("CREATE TABLE chunks (first_id INTEGER PRIMARY KEY)")
    other.close()
    for name in ["text.db", "zeros.db", "other.db"]:
        assert f"{name} is not a Qorpus corpus" in refused(directory, *on(command, name), status=1)
        if command[0] == "merge":
            assert f"{name} is not a Qorpus corpus" in refused(directory, "merge", "new.db", "good.db", name, status=1)
    if command[0] not in ("generate", "merge"):
        (directory / "empty.db").write_bytes(b"")
        assert "empty.db" in refused(directory, *on(command, "empty.db"), status=1)
        assert "no.db does not exist" in refused(directory, *on(command, "no.db"), status=1)
    assert "nowhere" in refused(directory, *on(command, "nowhere/c.db"), status=1)


def test_corpora_that_cannot_be_merged(corpus):
    directory = corpus.parent
    generate(corpus, *SMALL)
    generate(directory / "other.db", *SMALL, "--seed", 1)
    said = refused(directory, "merge", "c.db", "other.db", status=1)
    assert "c.db" in said and "other.db" in said or ("seed 0" in said and "seed 1" in said), said
    refused(directory, "merge", "new.db", "c.db", "other.db", status=1)
    refused(directory, "merge", "new.db", "no.db", status=1)


@pytest.mark.parametrize(
    "change",
    ["--seed 1", "--gates h,t,s", "--length 5..16", "--dtype complex64", "--no-unitaries", "--qubits 2"],
)
def test_resuming_with_another_recipe(corpus, change):
    """The error names both recipes, so that one sees what differs."""
    generate(corpus, *SMALL)
    facts = info(corpus)
    options = dict(zip(SMALL[::2], SMALL[1::2]))
    name, *value = change.split()
    arguments = [item for pair in (options | {name: value[0]}).items() for item in pair] if value else [*SMALL, name]
    said = refused(corpus.parent, "generate", "c.db", *arguments, status=1)
    there, asked = (line for line in said.splitlines() if "circuits" in line)
    assert "h, s, t on 1 qubit" in there and facts["recipe_hash"][:12] in there and there.strip() != asked.strip()


def test_ids_past_the_end(corpus):
    generate(corpus, *SMALL)
    for identifier in [2000, 2**63, 2**64 - 1]:
        said = refused(corpus.parent, "show", "c.db", identifier, status=1)
        assert f"no record {identifier}" in said and "1999" in said
    refused(corpus.parent, "show", "c.db", 2**64, status=2)
    result = qorpus("show", corpus, 0, 2000, 1, "--json", status=1)
    assert result.stdout.count("\n") == 1, "what comes before the missing record is shown"


def test_a_record_that_is_not_made_yet(corpus):
    generate(corpus, *SMALL, "--part", "0/3")
    assert "not generated yet" in refused(corpus.parent, "show", "c.db", 1999, status=1)
