"""Recipes, and making corpora of them from Python: the same records, defaults and refusals as the
command has."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import qorpus
from command import ENVIRONMENT, PATIENCE, content_hash, generate, info, show
from command import qorpus as command

SMALL = {"gates": "h,s,t", "qubits": 1, "random": 2000}
SMALL_FLAGS = "--gates h,s,t --qubits 1 --random 2000".split()

# Much computing for few bytes, so that it is not over before a test has done what it wants to do
# meanwhile.
LONG = {"qubits": 4, "length": (600, 800), "dtype": "complex64", "random": 40_000}


# Recipes.


def test_defaults_are_those_of_the_command(corpus, tmp_path):
    """A recipe without options is what `generate` makes without flags: recipe, hash and content."""
    generate(corpus)
    facts, recipe = info(corpus), qorpus.Recipe()
    assert json.loads(recipe.json) == facts["recipe"] and recipe.hash == facts["recipe_hash"]
    made = qorpus.generate(tmp_path / "c.db", progress=False)
    assert made.content_hash == facts["content_hash"] and made.recipe == recipe and len(made) == len(recipe)
    ids = [0, 7, 999_999]
    for record in show(corpus, ids):
        assert recipe[record.id].circuit == tuple(record.circuit)
        assert recipe[record.id].unitary.tobytes() == record.unitary.tobytes()


SPELLINGS = [
    ({"gates": "ht", "qubits": 1}, "--gates ht --qubits 1"),
    ({"gates": "h,t,cx", "random": "3k", "seed": 2**64 - 1}, f"--gates h,t,cx --random 3k --seed {2**64 - 1}"),
    ({"gates": ["h", "rz(1)", "cx"], "qubits": 3, "coupling": "ring"}, "--gates h,rz(1),cx --qubits 3 --coupling ring"),
    ({"gates": ["s", "ht"], "length": 7}, "--gates s,ht --length 7"),
    ({"gates": "h,t", "words": True, "length": (0, 6), "qubits": 1}, "--gates h,t --words --length 0..6 --qubits 1"),
    ({"cliffords": "2k", "qubits": 3, "seed": 4}, "--cliffords 2k --qubits 3 --seed 4"),
    ({"haar": "2k", "qubits": 3, "seed": 4}, "--haar 2k --qubits 3 --seed 4"),
    ({"coupling": "0-1,1-2", "qubits": 3, "length": "3..4"}, "--coupling 0-1,1-2 --qubits 3 --length 3..4"),
    ({"weights": {"t": 3, "cx": np.float32(0.5)}}, "--weights t=3,cx=0.5"),
    ({"weights": "T = 0.1, cx=2", "exactly": {"tdg": 2}}, "--weights t=0.1,cx=2 --exactly tdg=2"),
    ({"exactly": "cx=3,t=0", "no_cancelling": True}, "--exactly t=0,cx=3 --no-cancelling"),
    ({"weights": None, "exactly": None, "no_cancelling": False}, ""),
    ({"dtype": np.complex64, "unitaries": False}, "--dtype complex64 --no-unitaries"),
    ({"dtype": "complex64", "unitaries": True, "words": False}, "--dtype complex64"),
    ({"random": np.int64(500), "qubits": np.uint8(4)}, "--random 500 --qubits 4"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "flags"), SPELLINGS, ids=[flags for _, flags in SPELLINGS])
def test_options_equal_flags(corpus, options, flags):
    """Every option of a recipe has the meaning of the flag of the same name."""
    plan = json.loads(command("plan", *flags.split(), "--json").stdout)
    recipe = qorpus.Recipe(**options)
    assert json.loads(recipe.json) == plan["recipe"] and len(recipe) == plan["records"]


def test_gates_of_ones_own(tmp_path):
    """A gate file, pairs of a name and a matrix, and a mapping make the same recipe, whose records
    use the matrix."""
    matrix = np.array([[0.6, -0.8], [0.8, 0.6]])
    path = tmp_path / "mine.toml"
    path.write_text('gates = ["h", "turn"]\n[[gate]]\nname = "turn"\nqubits = 1\nmatrix = [[0.6, -0.8], [0.8, 0.6]]\n')
    pairs = [["h", ("turn", matrix)], ["h", ("turn", matrix.tolist())]]
    spellings = [path, str(path), *pairs, {"h": None, "turn": matrix}]
    recipes = [qorpus.Recipe(gates, 1, words=True, length=(0, 2)) for gates in spellings]
    assert len(set(recipes)) == 1 and recipes[0].gates == ("h", "turn")
    assert recipes[0].matrices["turn"].tolist() == matrix.tolist() and list(recipes[0].matrices) == ["turn"]
    record = recipes[0][4]
    assert record.circuit == ("h 0", "turn 0")
    assert np.abs(record.unitary - matrix @ np.array([[1, 1], [1, -1]]) / np.sqrt(2)).max() < 1e-15


def test_words():
    """The words of a length range are all words, the shorter first, each in the order of its
    letters."""
    recipe = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 3))
    expected = [()] + [(a,) for a in "ht"] + [(a, b) for a in "ht" for b in "ht"]
    expected += [(a, b, c) for a in "ht" for b in "ht" for c in "ht"]
    assert len(recipe) == 15 and recipe.lengths == (0, 3)
    assert recipe.circuits(slice(None)) == [tuple(f"{letter} 0" for letter in word) for word in expected]
    assert recipe[0].unitary.tolist() == np.eye(2).tolist()
    many = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=62)
    assert len(many) == 2**62 and many[-1].circuit == ("t 0",) * 62


def test_equality_hash_and_pickle():
    """Recipes that decide the same records in the same order are equal, hash alike and pickle;
    others differ."""
    recipe = qorpus.Recipe(gates="h,t", random=100)
    same = [qorpus.Recipe(["h", "t"], 2, random="100", seed=0), pickle.loads(pickle.dumps(recipe)),
            qorpus.Recipe.from_json(recipe.json)]  # fmt: skip
    assert all(recipe == other and hash(recipe) == hash(other) for other in same)
    changes = [{"gates": "t,h"}, {"random": 101}, {"seed": 1}, {"length": 5}, {"unitaries": False},
               {"dtype": "complex64"}, {"order": "little"}]  # fmt: skip
    others = [qorpus.Recipe(**{"gates": "h,t", "random": 100} | change) for change in changes]
    assert len({recipe, *others}) == 1 + len(changes) and recipe not in others and recipe != recipe.json
    assert pickle.loads(pickle.dumps(others[-1])).order == "little"
    assert len({other.hash for other in [recipe, *others]}) == len(changes), "the order is no matter of the recipe"


BAD = [
    ({"gates": "h,q"}, ValueError, "q"),
    ({"gates": ""}, ValueError, ""),
    ({"gates": []}, ValueError, ""),
    ({"gates": 7}, TypeError, "gates must be a string"),
    ({"gates": [7]}, TypeError, "gates must be a string"),
    ({"gates": [("u", [[1, 0], [0, 2]])]}, ValueError, "u"),
    ({"gates": [("u", [[1, 0, 0], [0, 1, 0], [0, 0, 1]])]}, ValueError, "(2, 2), (4, 4) or (8, 8)"),
    ({"gates": [("u", [["a", "b"], ["c", "d"]])]}, TypeError, "complex128"),
    ({"gates": "no.toml"}, FileNotFoundError, "no.toml"),
    ({"qubits": 0}, ValueError, "qubits"),
    ({"qubits": 9}, ValueError, "qubits"),
    ({"qubits": -1}, ValueError, "qubits is -1"),
    ({"qubits": "two"}, TypeError, "qubits must be an integer"),
    ({"qubits": 2.0}, TypeError, "qubits must be an integer"),
    ({"coupling": "star"}, ValueError, "star"),
    ({"coupling": "0-5"}, ValueError, "5"),
    ({"random": -1}, ValueError, "random is -1"),
    ({"random": 2**64}, ValueError, "random is"),
    ({"random": "many"}, ValueError, "many"),
    ({"random": 1.5}, TypeError, "random"),
    ({"seed": -1}, ValueError, "seed"),
    ({"seed": 2**64}, ValueError, "seed"),
    ({"length": (5, 3)}, ValueError, "5"),
    ({"length": "3-5"}, ValueError, "3-5"),
    ({"length": (1, 2, 3)}, TypeError, "length"),
    ({"length": None, "dtype": "float64"}, ValueError, "float64"),
    ({"dtype": "quaternion"}, TypeError, "quaternion"),
    ({"order": "middle"}, ValueError, "middle"),
    ({"words": True, "random": 5}, ValueError, "leave out random"),
    ({"words": True, "seed": 5}, ValueError, "leave out seed or words"),
    ({"words": True, "weights": {"t": 2}}, ValueError, "leave out weights or words"),
    ({"words": True, "no_cancelling": True}, ValueError, "are for random circuits"),
    ({"weights": {"t": "2"}}, TypeError, "weights of 't' must be a number"),
    ({"weights": {"t": 10**400}}, ValueError, "too large"),
    ({"weights": {"t": float("nan")}}, ValueError, "the weight of 't' is NaN"),
    ({"weights": {"u": 1}}, ValueError, "weight 'u=1': the alphabet has no such gate"),
    ({"weights": 3}, TypeError, "weights (such as \"t=0.5\", or a mapping from gates to numbers)"),
    ({"exactly": {"cx": 1.5}}, TypeError, "exactly of 'cx' must be an integer"),
    ({"exactly": {"cx": -1}}, ValueError, "exactly of 'cx' is -1"),
    ({"exactly": {"cx": 70_000}}, ValueError, "whole number from 0 to 65,535"),
    ({"exactly": {"cx": 9}}, ValueError, "use a length from 9 on"),
    ({"words": True, "length": 64}, ValueError, ""),
    ({"qbits": 2}, TypeError, "qbits"),
]


@pytest.mark.parametrize(("options", "kind", "text"), BAD, ids=[str(options)[:60] for options, _, _ in BAD])
def test_bad_options(options, kind, text):
    """An option that cannot be is a ValueError of ours that names it, a file that is not there a
    FileNotFoundError of ours, and a wrong type a TypeError."""
    with pytest.raises(kind) as refusal:
        qorpus.Recipe(**options)
    assert text in str(refusal.value) and "panicked" not in str(refusal.value)
    own = {ValueError: qorpus.InvalidArgument, FileNotFoundError: qorpus.MissingFile}
    assert kind is TypeError or refusal.type is own[kind] and isinstance(refusal.value, qorpus.Error)


# Making.


def test_generate_makes_opens_and_resumes(corpus):
    """The first call makes, later ones find all of it made and change nothing; options and a recipe
    do the same."""
    made = qorpus.generate(corpus, progress=False, **SMALL)
    assert isinstance(made, qorpus.Corpus) and made.complete and made.paths == [str(corpus)]
    before = corpus.read_bytes()
    again = qorpus.generate(str(corpus), qorpus.Recipe(**SMALL), progress=False)
    assert again.content_hash == made.content_hash and corpus.read_bytes() == before
    generate(corpus.with_name("other.db"), *SMALL_FLAGS)
    assert content_hash(corpus.with_name("other.db")) == made.content_hash


def test_another_recipe_is_refused(corpus):
    """A file that holds another corpus is an error that names both recipes, and does not change."""
    qorpus.generate(corpus, progress=False, **SMALL)
    before = corpus.read_bytes()
    with pytest.raises(qorpus.Error, match="(?s)c.db holds another corpus.*seed 0.*recipe .*seed 1.*recipe "):
        qorpus.generate(corpus, progress=False, **SMALL, seed=1)
    assert corpus.read_bytes() == before


def test_bad_options_of_generate(corpus):
    """Invalid options are refused before there is a file."""
    bad = [
        (ValueError, {"jobs": 0}), (ValueError, {"jobs": -1}), (TypeError, {"jobs": "two"}),
        (ValueError, {"jobs": 2000}),
        (ValueError, {"part": (3, 3)}), (ValueError, {"part": "3/3"}), (ValueError, {"part": "half"}),
        (TypeError, {"part": 3}), (TypeError, {"part": (1, 2, 3)}), (ValueError, {"part": (-1, 3)}),
        (ValueError, {"durability": "some"}), (ValueError, {"gates": "q"}), (TypeError, {"progress": 7}),
    ]  # fmt: skip
    for kind, options in bad:
        with pytest.raises(kind):
            qorpus.generate(corpus, **{"progress": False, **SMALL, **options})
        assert os.listdir(corpus.parent) == [], options
    with pytest.raises(TypeError, match="a recipe or its options, not both; leave out seed"):
        qorpus.generate(corpus, qorpus.Recipe(), seed=1)
    with pytest.raises(qorpus.MissingFile, match="no/such does not exist"):
        qorpus.generate(corpus.parent / "no" / "such" / "c.db", progress=False)
    # A directory would become a sharded corpus, but not one with something else in it.
    (corpus.parent / "mine.txt").touch()
    with pytest.raises(qorpus.Error, match="no manifest.json in it, but mine.txt"):
        qorpus.generate(corpus.parent, progress=False)


@pytest.mark.parametrize("options", [{"jobs": 1}, {"jobs": 3, "durability": "off"}, {"durability": "normal"}])
def test_jobs_and_durability_do_not_show(corpus, options):
    """The content does not depend on the number of workers or on the durability."""
    recipe = qorpus.Recipe(**SMALL)
    expected = qorpus.generate(corpus, recipe, progress=False)
    made = qorpus.generate(corpus.with_name("other.db"), recipe, progress=False, **options)
    assert made.content_hash == expected.content_hash


def test_parts(corpus):
    """Each part makes its share alone, in either spelling, and together they are everything."""
    recipe, shares = qorpus.Recipe(random=30_000), []
    for part in [(0, 3), "1/3", (np.int64(2), 3)]:
        before = shares[-1] if shares else 0
        shares.append(qorpus.generate(corpus, recipe, part=part, progress=False).info["records"])
        assert shares[-1] > before
    whole = qorpus.open(corpus)
    assert whole.complete and shares[-1] == 30_000
    assert whole.content_hash == qorpus.generate(corpus.with_name("w.db"), recipe, progress=False).content_hash


def test_progress_is_reported(corpus):
    """A function given as `progress` is called with the records so far and in all, up to all of
    them."""
    calls = []
    qorpus.generate(corpus, progress=lambda *numbers: calls.append(numbers), **{**LONG, "random": 2000})
    assert all(expected == 2000 and 0 <= records <= 2000 for records, expected in calls)
    assert calls == sorted(calls) and calls[-1] == (2000, 2000)


def test_no_bar_where_there_is_no_terminal(corpus):
    """Progress is for terminals: nothing is printed to a pipe."""
    code = "import qorpus, sys; qorpus.generate(sys.argv[1], random=2000)"
    done = subprocess.run([sys.executable, "-c", code, str(corpus)], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_exception_in_progress_stops_and_keeps(corpus):
    """An exception of `progress` is raised unchanged; made records stay, and the next call
    finishes."""

    class Enough(Exception):
        pass

    def stop(records, expected):
        if records > 0:
            raise Enough(records)

    with pytest.raises(Enough) as raised:
        qorpus.generate(corpus, progress=stop, **LONG)
    unfinished = qorpus.open(corpus)
    records = unfinished.info["records"]
    assert 0 < raised.value.args[0] <= records < 40_000 and not unfinished.complete
    ids = range(5)
    assert unfinished.unitaries(ids).tobytes() == unfinished.recipe.unitaries(ids).tobytes()
    calls = []
    with pytest.raises(ZeroDivisionError):
        qorpus.generate(corpus, progress=lambda *numbers: calls.append(numbers) or 1 / 0, **LONG)
    assert calls == [(records, 40_000)], "it goes on where it stood, and who has stopped it is not asked again"


MAPPINGS = {
    "gates of a recipe": lambda corpus, it: qorpus.Recipe(gates=it, qubits=1),
    "gates of a writer": lambda corpus, it: qorpus.Writer(corpus, gates=it, qubits=1),
    "costs": lambda corpus, it: qorpus.distinct(corpus, qubits=1, max_length=1, cost=it),
    "matrices": lambda corpus, it: qorpus.to_qasm2("h", 1, it),
}


@pytest.mark.parametrize("use", MAPPINGS)
def test_interrupted_among_the_arguments(corpus, use, capfd):
    """Ctrl-C while something is asked whether it is a mapping, which Python code answers, is not
    lost."""

    class Interrupted:
        @property
        def __class__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        MAPPINGS[use](corpus, Interrupted())
    assert capfd.readouterr().err == "" and not corpus.exists()


def test_interrupted(corpus):
    """SIGINT ends generating by KeyboardInterrupt; the file opens, has no gaps to hide, and
    resumes."""
    code = "import qorpus, sys; qorpus.generate(sys.argv[1], qorpus.Recipe.from_json(sys.argv[2]), progress=print)"
    recipe = qorpus.Recipe(**LONG)
    child = subprocess.Popen(
        [sys.executable, "-u", "-c", code, str(corpus), recipe.json],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    # Some records are there, and by far not all.
    while (line := child.stdout.readline()).startswith("0 "):
        pass
    assert line.endswith(" 40000\n")
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=PATIENCE)
    assert errors.splitlines()[-1] == "KeyboardInterrupt" and child.returncode in (-signal.SIGINT, 130), errors
    records = qorpus.open(corpus).info["records"]
    assert 0 < records < 40_000 and os.listdir(corpus.parent) == ["c.db"]
    calls = []
    with pytest.raises(ZeroDivisionError):
        qorpus.generate(corpus, recipe, progress=lambda *numbers: calls.append(numbers) or 1 / 0)
    assert calls == [(records, 40_000)]


def test_python_threads_run_while_generating(corpus):
    """Generating gives the interpreter up: other threads read meanwhile what is there already."""
    finished, seen = threading.Event(), []

    def make():
        qorpus.generate(corpus, progress=False, **{**LONG, "random": 3000})
        finished.set()

    maker = threading.Thread(target=make)
    maker.start()
    while not finished.is_set() and maker.is_alive():
        try:
            seen.append(qorpus.open(corpus).info["records"])
        except qorpus.Error:
            time.sleep(0.001)
    maker.join(PATIENCE)
    assert finished.is_set() and seen == sorted(seen) and len(set(seen)) > 1


# The command.


def scripts():
    """The ways to run the command that the package brings."""
    script = Path(sys.executable).with_name("qorpus")
    return [[sys.executable, "-m", "qorpus"], [str(script)]]


@pytest.mark.parametrize("script", scripts(), ids=["module", "script"])
def test_the_packages_command_is_the_binary(corpus, script):
    """`python -m qorpus` and the script `qorpus` print what the binary prints, and end with the
    same status."""

    def run(*arguments):
        arguments = [*script, *map(str, arguments)]
        return subprocess.run(arguments, capture_output=True, text=True, env=ENVIRONMENT, timeout=PATIENCE)

    made = run("generate", corpus, *SMALL_FLAGS, "--quiet")
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    cases = [["info", corpus, "--json"], ["show", corpus, 7, 3], ["show", corpus, 7, "--json", "--order", "little"],
             ["plan", "--json", "--jobs", 2, "--random", 10], ["--version"], ["--help"], ["show", "--help"],
             ["show", corpus, 2000], ["info", "no.db"], ["generate", corpus, "--quiet"], ["generate"], ["frob"], [],
             ["generate", "x.db", "--gates", "q"], ["show", corpus, "seven"]]  # fmt: skip
    statuses = set()
    # The script is one more way to the same function.
    for arguments in cases if script[1:] else cases[::3] + [["frob"]]:
        own, binary = run(*arguments), command(*arguments, status=None)
        statuses.add(own.returncode)
        if arguments[0:1] == ["plan"]:
            # The expected time is measured.
            own, binary = (json.loads(done.stdout) for done in (own, binary))
            assert own.keys() == binary.keys() and own["recipe"] == binary["recipe"] and own["bytes"] == binary["bytes"]
            continue
        assert (own.returncode, own.stdout, own.stderr) == (binary.returncode, binary.stdout, binary.stderr), arguments
    assert statuses == {0, 1, 2}


def test_an_interrupted_command(corpus):
    """Ctrl-C ends `python -m qorpus generate` with the command's own status 130 and what it says,
    not a traceback."""
    flags = "--qubits 4 --length 600..800 --dtype complex64 --random 40000".split()
    command_line = [sys.executable, "-m", "qorpus", "generate", str(corpus), *flags]
    child = subprocess.Popen(command_line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if qorpus.open(corpus).info["records"] > 0:
                break
        except qorpus.Error:
            pass
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=PATIENCE)
    assert child.returncode == 130 and "Traceback" not in errors, errors
    assert 0 < info(corpus)["records"] < 40_000
