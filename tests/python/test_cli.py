"""The command line as people and scripts use it: options, output, and what interface.md
promises."""

import json
import re
import shlex
import subprocess

import format_v1
import numpy as np
import pytest
from command import QORPUS, described, generate, info, qorpus, show, snapshot
from object_store import running
from oracles import qiskit_big

SMALL = "--gates h,s,t --qubits 1 --random 2000".split()
COMMANDS = [
    "generate", "distinct", "plan", "info", "show", "find", "verify", "repair", "seal", "merge", "export", "completions"
]  # fmt: skip


def test_generate_alone_is_useful(corpus):
    """`qorpus generate demo.db`: a million circuits, clifford+t, two qubits, lengths 5..15, seed 0,
    stored."""
    result = qorpus("generate", corpus)
    assert "1,000,000" in result.stdout and str(corpus) in result.stdout
    facts = info(corpus)
    assert facts["records"] == 1_000_000 and facts["complete"] is True and facts["qubits"] == 2
    assert facts["gates"] == ["h", "s", "sdg", "t", "tdg", "cx"]
    assert facts["recipe"]["length"] == [5, 15]
    assert facts["recipe"]["space"] == {"random": {"records": 1_000_000, "seed": 0}}
    assert (facts["recipe"]["dtype"], facts["recipe"]["unitaries"]) == ("complex128", True)
    again = qorpus("generate", corpus)
    assert "complete" in again.stdout and info(corpus) == facts


def test_info_json_has_the_promised_keys(corpus):
    generate(corpus, *SMALL, "--part", "0/2")
    facts = info(corpus)
    types = {
        "records": int,
        "expected": int,
        "complete": bool,
        "qubits": int,
        "gates": list,
        "alphabet": list,
        "recipe": dict,
        "recipe_hash": str,
        "content_hash": str,
        "bytes": int,
        "bytes_per_record": float,
        "sqlite_version": str,
        "format_version": int,
    }
    assert {key: type(facts[key]) for key in types} == types
    assert 0 < facts["records"] < facts["expected"] == 2000 and not facts["complete"]
    assert facts["alphabet"] == ["h 0", "s 0", "t 0"]
    assert facts["bytes"] == corpus.stat().st_size
    assert facts["bytes_per_record"] == pytest.approx(facts["bytes"] / facts["records"])
    assert re.fullmatch("[0-9a-f]{64}", facts["recipe_hash"]) and re.fullmatch("[0-9a-f]{32}", facts["content_hash"])
    version = tuple(map(int, facts["sqlite_version"].split(".")))
    assert version >= (3, 51, 3) and version != (3, 52, 0), "older ones can lose committed data"


def test_info_for_people(corpus):
    generate(corpus, *SMALL)
    text, facts = qorpus("info", corpus).stdout, info(corpus)
    for expected in [facts["recipe_hash"], facts["content_hash"], "2,000", "complete", "h 0, s 0, t 0", "seed 0"]:
        assert expected in text
    assert "\x1b" not in text, "no colours in a pipe"


def test_info_says_when_records_may_repeat(corpus, tmp_path):
    """Random circuits and words may have the same unitary twice, which one line says; distinct ones
    have not."""
    note = 'may repeat; in Python, split(by="unitary") keeps equal ones in one split'
    generate(corpus, *SMALL)
    qorpus("generate", tmp_path / "words.db", "--words", *"--gates h,t --qubits 1 --length 0..3 --quiet".split())
    qorpus("distinct", tmp_path / "distinct.db", *"--gates h,t --qubits 1 --max-length 3 --quiet".split())
    for path, expected in [(corpus, 1), (tmp_path / "words.db", 1), (tmp_path / "distinct.db", 0)]:
        lines = qorpus("info", path).stdout.splitlines()
        assert [line.split("  ")[-1] for line in lines if "repeat" in line or "split" in line] == [note] * expected


def test_show_json_is_one_object_a_line(corpus):
    generate(corpus, *SMALL)
    lines = qorpus("show", corpus, 7, 0, 7, "--json").stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["id"] for record in records] == [7, 0, 7] and lines[0] == lines[2]
    for record in records:
        assert set(record) == {"id", "circuit", "unitary", "labels"}
        names = [letter.split()[0] for letter in record["circuit"]]
        counts = {f"count_{gate}": names.count(gate) for gate in ["h", "s", "t"]}
        assert record["labels"] == {"length": len(names)} | counts
        assert np.shape(record["unitary"]) == (2, 2, 2)


def test_json_numbers_lose_nothing(corpus):
    """Printed and read back, a number has the same bits as the stored one."""
    generate(corpus, *SMALL)
    stored = format_v1.decode(corpus).unitaries
    for record in show(corpus, range(0, 2000, 7)):
        assert record.unitary.tobytes() == stored[record.id].tobytes()


def test_show_draws_the_circuit(corpus):
    """Wires, letters, labels and the matrix, readable without colours."""
    generate(corpus, "--gates", "h,tdg,cx", "--qubits", 2, "--words", "--length", 3)
    alphabet = info(corpus)["alphabet"]
    h, cx, tdg = (alphabet.index(letter) for letter in ["h 0", "cx 0 1", "tdg 1"])
    id = (h * len(alphabet) + cx) * len(alphabet) + tdg
    text = qorpus("show", corpus, id).stdout
    assert "h 0; cx 0 1; tdg 1" in text
    assert "q0 ─H─●────\n      │\nq1 ───⊕─T†─\n" in text
    assert "length 3" in text and "count_cx 1" in text and "count_h 1" in text
    assert "0.7071" in text and "0.5000-0.5000i" in text and "\x1b" not in text
    rows = [line for line in text.splitlines() if line.startswith("│")]
    assert len(rows) == 4 and len({len(row) for row in rows}) == 1


def test_columns_do_not_change_the_records(corpus):
    """Stored, derived and narrow corpora hold the same circuits, and the same unitaries rounded at
    most once."""
    recipe = "--gates clifford+t,rz(0.3) --qubits 3 --random 300".split()
    paths = [corpus.with_name(f"{name}.db") for name in ["stored", "derived", "narrow", "narrow-derived"]]
    options = [[], ["--no-unitaries"], ["--dtype", "complex64"], ["--dtype", "complex64", "--no-unitaries"]]
    for path, columns in zip(paths, options):
        generate(path, *recipe, *columns)
    for stored, derived, narrow, narrow_derived in zip(*(show(path, range(300)) for path in paths)):
        assert stored.circuit == derived.circuit == narrow.circuit == narrow_derived.circuit
        assert stored.unitary.tobytes() == derived.unitary.tobytes()
        rounded = stored.unitary.astype(np.complex64).astype(np.complex128).tobytes()
        assert narrow.unitary.tobytes() == narrow_derived.unitary.tobytes() == rounded


GATE_FILE = """
gates = ["h", "root_y", "cx", "quarter", "givens", "rz(pi/8)", "cycle"]

[[gate]]
name = "root_y"
qubits = 1
matrix = [
    [[0.5, 0.5], [-0.5, -0.5]],
    [["1/2", "sqrt(1)/2"], [0.5, "sin(pi/6)"]],
]

[[gate]]
name = "quarter"
qubits = 1
matrix = [[1, 0], [0, ["cos(pi/8)", "sin(pi/8)"]]]

[[gate]]
name = "givens"
qubits = 2
matrix = [[1, 0, 0, 0], [0, 0.6, -0.8, 0], [0, 0.8, 0.6, 0], [0, 0, 0, 1]]

[[gate]]
name = "cycle"
qubits = 3
matrix = [
    [1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 0, 0],
    [0, 0, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 0], [0, 0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1],
]
"""


def test_gates_of_ones_own(corpus):
    """A gate file's matrices, on every placement and mixed with standard gates, against plain
    NumPy."""
    path = corpus.parent / "mine.toml"
    path.write_text(GATE_FILE)
    generate(corpus, "--gates", path, "--qubits", 3, "--random", 400, "--length", "0..12")
    facts = info(corpus)
    assert facts["gates"] == ["h", "root_y", "cx", "quarter", "givens", "rz(pi/8)", "cycle"]
    # The bits of the index move one place on.
    cycle = np.zeros((8, 8))
    for row, column in enumerate([0, 4, 1, 5, 2, 6, 3, 7]):
        cycle[row, column] = 1
    matrices = {
        "root_y": (1 + 1j) / 2 * np.array([[1, -1], [1, 1]]),
        "quarter": np.diag([1, np.exp(0.125j * np.pi)]),
        "givens": np.array([[1, 0, 0, 0], [0, 0.6, -0.8, 0], [0, 0.8, 0.6, 0], [0, 0, 0, 1]]),
        "cycle": cycle,
    }
    seen = set()
    for record in show(corpus, range(400)):
        expected = np.eye(8, dtype=complex)
        for letter in record.circuit:
            name, *places = letter.split()
            matrix = matrices[name] if name in matrices else None
            step = qiskit_big([letter], 3) if matrix is None else placed(matrix, [int(place) for place in places])
            expected = step @ expected
        assert np.abs(record.unitary - expected).max() < 1e-12
        seen |= set(record.circuit)
    # The cycle means the same on qubits that are exchanged in a cycle: two placements are left of
    # six.
    assert seen == set(facts["alphabet"]) and len(seen) == 3 + 3 + 6 + 3 + 6 + 3 + 2


def placed(matrix, places):
    """A gate's matrix on some of three qubits: its first qubit is the most significant bit, like
    qubit 0."""
    tensor = matrix.reshape([2] * 2 * len(places))
    whole = np.eye(8, dtype=complex).reshape([2] * 6)
    whole = np.tensordot(tensor, whole, axes=(range(len(places), 2 * len(places)), places))
    return np.moveaxis(whole, range(len(places)), places).reshape(8, 8)


def test_a_gate_file_is_part_of_the_identity(corpus):
    """The matrices are kept in the corpus: it is read without the file, and resumed only with equal
    matrices."""
    path = corpus.parent / "mine.toml"
    path.write_text(GATE_FILE)
    arguments = ["--gates", path, "--qubits", 3, "--random", 3000]
    generate(corpus, *arguments, "--part", "0/2")
    path.write_text(GATE_FILE.replace("0.6", "0.8").replace("0.8, -0.8", "0.8, -0.6").replace("0, 0.8, 0.8", "0, 0.6, 0.8"))
    assert "holds another corpus" in generate(corpus, *arguments, status=1).stderr
    path.unlink()
    qorpus("verify", corpus, "--quiet")
    path.write_text(GATE_FILE.replace("gates = [", "# the same gates\ngates = ["))
    generate(corpus, *arguments)
    assert info(corpus)["complete"]


@pytest.mark.parametrize("count", ["3000", "3_000", "3k", "3K", "3KB"])
def test_counts(corpus, count):
    generate(corpus, "--random", count)
    assert info(corpus)["records"] == 3000


def test_binary_counts_and_lengths(corpus):
    generate(corpus, "--random", "2KiB", "--length", "7")
    facts = info(corpus)
    assert facts["records"] == 2048 and facts["recipe"]["length"] == [7, 7]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command):
    for flag in ["--help", "-h"]:
        text = qorpus(command, flag).stdout
        assert "Usage: qorpus" in text
        explanations, commands = examples(text)[::2], examples(text)[1::2]
        assert len(commands) >= 2 and all(line.startswith(f"  qorpus {command}") for line in commands)
        assert len(explanations) == len(commands) and all(line.startswith("  # ") for line in explanations)
        # A longer line would be broken on a terminal of 80 columns, where a shell does not join it.
        assert max(map(len, examples(text))) <= 80


def examples(text):
    """The lines of the examples in a help text: explanations and commands in turn."""
    return text.split("Examples:\n")[1].splitlines()


def test_help_is_readable_on_narrow_terminals():
    with described({"COLUMNS": "80"}):
        for command in [[], *([command] for command in COMMANDS)]:
            lines = qorpus(*command, "--help").stdout.splitlines()
            assert not [line for line in lines if len(line) > 80 and not line.startswith("Usage: ")], command


def test_examples_of_the_help_run(corpus):
    """The examples of the help work verbatim, except for sizes that would take minutes."""
    directory = corpus.parent
    (directory / "my-gates.toml").write_text(GATE_FILE)
    generate(directory / "part0.db", "--part", "0/2", "--random", 3000)
    generate(directory / "part1.db", "--part", "1/2", "--random", 3000)
    generate(directory / "demo.db", "--random", 3000)
    generate(f"{directory}/big/", "--random", 3000, "--no-unitaries")
    np.save(directory / "target.npy", qiskit_big(["cx 0 1", "h 0"], 2))
    with running() as store, described({**store.environment, "QORPUS_CACHE": str(directory / "cache")}):
        store.client.create_bucket(Bucket="bucket")
        for command in COMMANDS:
            for line in examples(qorpus(command, "--help").stdout)[1::2]:
                small = shlex.split(re.sub(r"--random \d+G", "--random 3000", line.split("|")[0].split(">")[0]))
                assert small[:2] == ["qorpus", command]
                if command == "generate" and not {"--random", "--words", "--cliffords", "--haar"} & set(small):
                    small += ["--random", "3000"]
                qorpus(*small[1:], cwd=directory)


def test_help_and_version():
    text = qorpus("--help").stdout
    assert all(f"\n  {command} " in text for command in COMMANDS)
    assert re.fullmatch(r"qorpus \d+\.\d+\.\d+\n", qorpus("--version").stdout)


def test_quiet_prints_nothing(corpus):
    for arguments in [["generate", corpus, *SMALL], ["generate", corpus, *SMALL], ["merge", corpus.with_name("m.db"), corpus]]:
        result = qorpus(*arguments, "--quiet")
        assert result.stdout == result.stderr == ""


def test_no_progress_bar_in_a_pipe(corpus):
    """Progress is for terminals: a log gets one line, not thousands."""
    result = qorpus("generate", corpus, *SMALL)
    assert result.stdout.count("\n") == 1 and result.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions(shell):
    text = qorpus("completions", shell).stdout
    assert all(command in text for command in COMMANDS) and "no-unitaries" in text


def test_bash_accepts_the_completions():
    text = qorpus("completions", "bash").stdout
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_plan(corpus):
    """The plan of a recipe says what the corpus will have, and writes nothing."""
    before = snapshot(corpus.parent)
    recipe = "--gates nam --qubits 2 --random 50k --length 3..9".split()
    plan = json.loads(qorpus("plan", *recipe, "--json", cwd=corpus.parent).stdout)
    assert snapshot(corpus.parent) == before
    generate(corpus, *recipe)
    facts = info(corpus)
    assert (plan["records"], plan["recipe"]) == (50_000, facts["recipe"])
    assert 0.8 < plan["bytes"] / facts["bytes"] < 1.25
    assert plan["seconds"] > 0 and plan["jobs"] >= 1
    text = qorpus("plan", *recipe).stdout
    assert "50,000" in text and "nam" not in text and "rz(pi/4)" in text


def test_plan_of_a_corpus_larger_than_any_disk():
    plan = json.loads(qorpus("plan", *"--gates ht --qubits 1 --random 300G --no-unitaries".split(), "--json").stdout)
    assert plan["records"] == 300 * 10**9 and 10**11 < plan["bytes"] < 10**12
    words = json.loads(qorpus("plan", *"--gates ht --qubits 1 --words --length 0..62".split(), "--json").stdout)
    assert words["records"] == 2**63 - 1


def test_parts_that_are_empty(corpus):
    """More parts than chunks: some have nothing to do, and say so with status 0."""
    generate(corpus, *SMALL, "--part", "5/1000")
    facts = info(corpus)
    assert facts["complete"] is False
    for part in ["999/1000", "0/1000"]:
        generate(corpus, *SMALL, "--part", part)
    generate(corpus, *SMALL)
    assert info(corpus)["complete"]


@pytest.mark.parametrize("durability", ["full", "normal", "off"])
def test_durability_and_jobs_do_not_show_in_the_data(corpus, durability):
    other = corpus.with_name("other.db")
    generate(corpus, *SMALL, "--durability", durability, "--jobs", 3)
    generate(other, *SMALL)
    assert info(corpus)["content_hash"] == info(other)["content_hash"]


def test_names_that_look_like_something_else(corpus):
    """A file name is a file name: no URI, no option of SQLite, blanks and accents included."""
    for name in ["file:c.db?mode=memory", "two words.db", "Größe.db", ":memory:", "c%20d.db", "c"]:
        generate(corpus.with_name(name), *SMALL, cwd=corpus.parent)
        assert info(corpus.with_name(name))["complete"]
    generate("relative.db", *SMALL, cwd=corpus.parent)
    assert corpus.with_name("relative.db").is_file()
    qorpus("generate", "--quiet", *SMALL, "--", "-dash.db", cwd=corpus.parent)
    assert corpus.with_name("-dash.db").is_file()


def test_a_closed_pipe_is_no_error(corpus):
    """`qorpus show ... | head` ends quietly."""
    generate(corpus, *SMALL)
    ids = " ".join(map(str, range(2000)))
    command = f"set -o pipefail; {QORPUS} show {corpus} {ids} | head -n 1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert result.returncode == 0 and result.stderr == "" and "record" in result.stdout


def test_output_that_cannot_be_written(corpus):
    generate(corpus, *SMALL)
    with open("/dev/full", "w") as full:
        result = subprocess.run([QORPUS, "show", corpus, "0"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1 and result.stderr.startswith("error: ")
