"""The file format, read by an implementation of its own, and frozen.

A corpus lives longer than the program that wrote it: what another program decodes from the
documented bytes must be what `qorpus` shows, and neither the circuits of a seed nor any byte may
change with a new version.
"""

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import format_v1
import numpy as np
import pytest
from command import companions, generate, info, integrity, qorpus, show
from constrained_circuits import ConstrainedCircuits

# A name, and a recipe as on the command line.
SHAPES = {
    "stored complex128": "--gates h,s,t --qubits 1 --random 3000 --length 5..14",
    "stored complex64": "--gates clifford+t --qubits 2 --random 1500 --dtype complex64",
    "derived": "--gates nam --qubits 3 --random 2000 --length 0..20 --no-unitaries",
    "derived complex64": "--gates ht --qubits 1 --random 200 --no-unitaries --dtype complex64",
    "words of several lengths": "--gates h,t,cx --qubits 2 --words --length 0..4",
    "words of one length": "--gates h,s,t --qubits 1 --words --length 7",
    "derived words": "--gates ht --qubits 1 --words --length 2..10 --no-unitaries",
    "one letter": "--gates t --qubits 1 --words --length 0..300",
    "one letter at random": "--gates t --qubits 1 --random 500 --length 0..200 --no-unitaries",
    "one letter of one length": "--gates t --qubits 1 --random 200 --length 9",
    "one record": "--gates h --qubits 1 --words --length 0",
    "a large seed": "--gates ht --qubits 1 --random 300 --seed 18446744073709551615",
    "long circuits": "--gates clifford+t --qubits 3 --random 120 --length 900..1000",
    "the longest circuits": "--gates h,t,cx --qubits 2 --random 1 --length 65500..65535 --no-unitaries",
    "many letters": "--gates clifford+t,rz(0.1),swap,ccx --qubits 8 --random 400 --length 1..30 --no-unitaries",
    "large unitaries": "--gates clifford --qubits 5 --random 23 --coupling ring",
    "weights": "--gates h,s,t,cx --qubits 3 --random 400 --weights t=3,cx=0.25 --length 0..12",
    "exact numbers": "--gates h,s,t,cx --qubits 2 --random 400 --exactly cx=3,t=2 --length 5..12",
    "only exact numbers": "--gates h,t,cx --qubits 2 --random 300 --exactly h=2,cx=1,t=3 --length 6",
    "no gate of a kind": "--gates h,t,cx --qubits 2 --random 300 --exactly t=0 --length 0..6 --no-unitaries",
    "no cancelling": "--gates clifford+t --qubits 3 --random 400 --no-cancelling --length 0..20",
    "no cancelling by phase": "--gates y,rx(pi),x,rz(0.3),rz(-0.3),cz,swap --qubits 2 --random 300 --no-cancelling",
    "no cancelling on three": "--gates h,ccx,cswap,cx --qubits 4 --coupling ring --random 300 --no-cancelling",
    "all constraints": "--gates clifford+t --qubits 2 --random 400 --weights h=2,t=0.5 --exactly cx=4,tdg=1 --no-cancelling",
    "a coupling of pairs": "--gates h,cx,cz,ccx,cswap --qubits 4 --coupling 3-1,0-2,1-2 --random 500",
}


def expected_circuits(recipe: dict, letters: list[str], gates: list[dict]) -> Callable[[int], list[int]]:
    """A function from ids to circuits."""
    shortest, longest = recipe["length"]
    if recipe["space"] == "words":
        return lambda index: format_v1.word(index, len(letters), shortest)
    if recipe["space"]["random"].keys() > {"records", "seed"}:
        matrices = {gate["name"]: np.array(gate["matrix"]) @ [1, 1j] for gate in gates}
        return ConstrainedCircuits(recipe, letters, matrices).circuit
    seed = recipe["space"]["random"]["seed"]
    return lambda index: format_v1.random_circuit(seed, index, len(letters), shortest, longest)


def expected_unitary(decoded: format_v1.Decoded, gates: list[dict], index: int) -> np.ndarray:
    matrices = {gate["name"]: np.array(gate["matrix"]) @ [1, 1j] for gate in gates}
    letters = [decoded.letters[letter].split() for letter in decoded.circuits[index]]
    circuit = [(matrices[name], [int(place) for place in places]) for name, *places in letters]
    wide = format_v1.unitary(circuit, decoded.recipe["qubits"])
    return wide.astype({"complex128": np.complex128, "complex64": np.complex64}[decoded.recipe["dtype"]])


@pytest.mark.parametrize("shape", SHAPES)
def test_an_independent_reader_agrees(corpus, shape):
    """Circuits, unitaries, checks, hashes and totals, from the bytes alone, against `show` and
    `info`."""
    generate(corpus, *SHAPES[shape].split())
    decoded, facts = format_v1.decode(corpus), info(corpus)
    assert facts["records"] == facts["expected"] == len(decoded.circuits) and facts["complete"] is True
    assert (facts["recipe_hash"], facts["content_hash"]) == (decoded.recipe_hash, decoded.content_hash)
    assert (facts["recipe"], facts["alphabet"]) == (decoded.recipe, decoded.letters)
    gates = decoded.recipe["gates"]
    assert decoded.letters == format_v1.alphabet(gates, decoded.recipe["qubits"], decoded.recipe["coupling"])
    connection = format_v1.connect(corpus)
    (gates_json,) = connection.execute("SELECT value FROM meta WHERE key = 'gates'").fetchone()
    connection.close()
    expected_circuit = expected_circuits(decoded.recipe, decoded.letters, json.loads(gates_json))
    for index, circuit in enumerate(decoded.circuits):
        assert circuit == expected_circuit(index), index

    texts = decoded.texts()
    last = len(texts) - 1
    chosen = {0, min(1, last), min(63, last), min(64, last), last // 2, last}
    if decoded.recipe["length"][1] < 100 and decoded.recipe["qubits"] < 6:
        chosen |= set(range(0, last, max(1, last // 200)))
    for record in show(corpus, sorted(chosen)):
        assert record.circuit == texts[record.id]
        expected = expected_unitary(decoded, json.loads(gates_json), record.id)
        assert record.unitary.tobytes() == expected.astype(np.complex128).tobytes(), record.id
        if decoded.unitaries is not None:
            assert decoded.unitaries[record.id].tobytes() == expected.tobytes()


def test_every_stored_unitary_to_the_bit(corpus):
    """All records of one corpus, signs of zeros included."""
    generate(corpus, *"--gates rigetti,ch,iswap --qubits 2 --random 600 --length 0..30".split())
    decoded = format_v1.decode(corpus)
    connection = format_v1.connect(corpus)
    (gates,) = connection.execute("SELECT value FROM meta WHERE key = 'gates'").fetchone()
    connection.close()
    for index in range(600):
        assert decoded.unitaries[index].tobytes() == expected_unitary(decoded, json.loads(gates), index).tobytes()


def test_philox_known_answers():
    """The published answers (Random123, `kat_vectors`): the generator is the one the literature
    describes."""
    ones = format_v1.U32
    assert format_v1.philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert format_v1.philox([ones] * 4, [ones] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_sqlite_can_open_it(corpus, shape):
    """A finished corpus is one sound, plain SQLite file that Debian's own shell reads."""
    generate(corpus, *SHAPES[shape].split())
    assert companions(corpus) == []
    assert integrity(corpus) == "ok"
    pragmas = "pragma application_id; pragma user_version; pragma page_size; pragma journal_mode"
    version = str(info(corpus)["format_version"])
    shell = subprocess.run(["sqlite3", str(corpus), pragmas], capture_output=True, text=True, check=True)
    assert shell.stdout.split() == [str(format_v1.APPLICATION_ID), version, "65536", "delete"]


def test_the_file_explains_itself(corpus):
    """The file has its recipe, letters, matrices and a description, for a reader in ten years."""
    generate(corpus, "--gates", "h,rz(pi/4)", "--qubits", 1, "--random", 10)
    connection = format_v1.connect(corpus)
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    connection.close()
    assert json.loads(meta["letters"]) == ["h 0", "rz(pi/4) 0"]
    (h, rz) = json.loads(meta["gates"])
    root = 0.5**0.5
    assert np.allclose(np.array(h["matrix"]) @ [1, 1j], [[root, root], [root, -root]], atol=1e-15)
    assert np.allclose(np.array(rz["matrix"]) @ [1, 1j], np.diag(np.exp([-0.125j * np.pi, 0.125j * np.pi])), atol=1e-15)
    assert "docs/format.md" in meta["about"] and meta["created_by"].startswith("qorpus ")


def test_the_recipe_alone_decides_every_byte_of_the_chunks(corpus):
    """Two runs with different numbers of threads store the same rows."""
    rows = []
    for jobs in [1, 4]:
        path = corpus.with_name(f"{jobs}.db")
        generate(path, "--random", 5000, "--jobs", jobs)
        connection = format_v1.connect(path)
        rows.append(format_v1.chunks_of(connection))
        connection.close()
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    "recipe",
    [
        "--gates nam --qubits 2 --random 1T --length 5..15 --seed 3 --no-unitaries",
        "--gates h,s,t --qubits 1 --words --length 1..39 --no-unitaries",
        "--gates h,s,t --qubits 1 --random 9G --length 300 --seed 3",
    ],
)
def test_ids_beyond_32_bits(corpus, recipe):
    """The circuits of the last chunk of spaces too large to store are those of the
    specification."""
    plan = json.loads(qorpus("plan", *recipe.split(), "--json").stdout)
    records, chunks = plan["records"], plan["chunks"]
    assert records > 2**33
    generate(corpus, *recipe.split(), "--part", f"{chunks - 1}/{chunks}")
    facts = info(corpus)
    assert facts["expected"] == records and facts["complete"] is False
    ids = [records - facts["records"], records - 2, records - 1]
    expected_circuit = expected_circuits(facts["recipe"], facts["alphabet"], [])
    for record in show(corpus, ids):
        assert record.circuit == [facts["alphabet"][letter] for letter in expected_circuit(record.id)]


# Entries are added, never changed: a failure here means that corpora made before no longer match
# their recipe.
GOLDEN = [
    golden
    for version in (1, 2)
    for golden in json.loads(Path(__file__).with_name(f"golden_v{version}.json").read_text())
]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["arguments"])
def test_frozen(corpus, golden):
    """Recipe text, circuits and all bits of all unitaries are what they were when their version was
    fixed."""
    generate(corpus, *golden["arguments"].split())
    facts = info(corpus)
    connection = format_v1.connect(corpus)
    (recipe,) = connection.execute("SELECT value FROM meta WHERE key = 'recipe'").fetchone()
    connection.close()
    assert recipe == golden["recipe"]
    assert facts["recipe_hash"] == hashlib.sha256(recipe.encode()).hexdigest()
    assert facts["content_hash"] == golden["content_hash"]
    circuits = {int(index): text for index, text in golden["circuits"].items()}
    for record in show(corpus, sorted(circuits)):
        assert "; ".join(record.circuit) == circuits[record.id]
        assert hashlib.sha256(record.unitary.tobytes()).hexdigest() == golden["unitaries"][str(record.id)]
