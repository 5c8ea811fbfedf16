"""Damaged, truncated, foreign and read-only files, and full disks: noticed, named, never a crash or
a wrong record."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import format_v1
import pytest
from command import (
    QORPUS,
    companions,
    content_hash,
    generate,
    info,
    parse_records,
    qorpus,
    show,
    snapshot,
)
from test_bad_input import refused

STORED = "--gates h,s,t --qubits 1 --random 6000 --length 5..14".split()
DERIVED = "--gates clifford+t --qubits 3 --random 30000 --length 5..15 --no-unitaries".split()


class Victim:
    """A finished corpus, its right records, and where each chunk's blobs lie in the file."""

    def __init__(self, path: Path, recipe: list[str]):
        generate(path, *recipe)
        self.bytes = path.read_bytes()
        connection = format_v1.connect(path)
        (json_text,) = connection.execute("SELECT value FROM meta WHERE key = 'recipe'").fetchone()
        self.chunks = format_v1.chunks_of(connection)
        connection.close()
        self.decoder = format_v1.Decoder(json_text, info(path)["alphabet"])
        self.records = {id: show(path, [id])[0] for chunk in self.chunks for id in self.probes(chunk)}
        self.starts = {
            (index, column): self.find(path, index, column)
            for index, chunk in enumerate(self.chunks)
            for column in ["circuits", "unitaries"]
            if getattr(chunk, column)
        }

    def find(self, path: Path, index: int, column: str) -> int:
        """Return the place of a blob in the file: not of an old copy on a page that SQLite has
        split."""
        blob, start = getattr(self.chunks[index], column), -1
        while (start := self.bytes.find(blob, start + 1)) >= 0:
            path.write_bytes(self.flipped(8 * start))
            connection = format_v1.connect(path)
            changed = getattr(format_v1.chunks_of(connection)[index], column) != blob
            connection.close()
            if changed:
                return start
        raise AssertionError("a chunk's blob lies on one page")

    @staticmethod
    def probes(chunk):
        """Some records of a chunk: in its first, a middle and its last block."""
        return sorted({chunk.first_id, chunk.first_id + chunk.count // 2, chunk.first_id + chunk.count - 1})

    def blob_bits(self, chance: random.Random):
        """A random bit of a random chunk's blobs: its chunk, its column, its byte in it and in the
        file."""
        index = chance.randrange(len(self.chunks))
        chunk = self.chunks[index]
        column = "unitaries" if chunk.unitaries and chance.random() < 0.5 else "circuits"
        at = chance.randrange(len(getattr(chunk, column)))
        return index, column, at, 8 * (self.starts[index, column] + at) + chance.randrange(8)

    def flipped(self, bit: int) -> bytes:
        damaged = bytearray(self.bytes)
        damaged[bit // 8] ^= 1 << bit % 8
        return bytes(damaged)

    def record_in_block(self, index: int, column: str, at: int) -> int:
        """A record whose block, or whose block's check, contains byte `at` of the column."""
        chunk = self.chunks[index]
        if column == "unitaries":
            size = chunk.count * self.decoder.unitary_bytes
            block = at // (self.decoder.in_block * self.decoder.unitary_bytes) if at < size else (at - size) // 8
            return chunk.first_id + block * self.decoder.in_block
        blocks, entries = self.decoder.split_circuits(chunk)
        if at >= len(chunk.circuits) - len(entries):
            return chunk.first_id + (at - len(chunk.circuits) + len(entries)) // 12 * format_v1.BLOCK
        block = 0
        while at >= len(blocks[block]):
            at, block = at - len(blocks[block]), block + 1
        return chunk.first_id + block * format_v1.BLOCK


@pytest.fixture(scope="module", params=["stored", "derived"])
def victim(request, tmp_path_factory):
    recipe = {"stored": STORED, "derived": DERIVED}[request.param]
    return Victim(tmp_path_factory.mktemp("victim") / "c.db", recipe)


def shown_right_or_refused(corpus, victim, id) -> bool:
    """Shows one record: the right one, or an error sentence and nothing else. True if it was
    shown."""
    result = qorpus("show", corpus, id, "--json", status=None)
    if result.returncode != 0:
        assert result.returncode == 1 and result.stderr.startswith("error: ") and result.stdout == "", result
        return False
    (record,), right = parse_records(result.stdout), victim.records.get(id)
    if right is not None:
        assert record.circuit == right.circuit and (record.unitary == right.unitary).all()
    return True


def test_a_flipped_bit_in_a_chunk(corpus, victim, chance):
    """`verify` names the chunk; the records of the damaged block are refused and all others are
    shown right."""
    for _ in range(40):
        index, column, at, bit = victim.blob_bits(chance)
        print(f"chunk {index}, {column}, byte {at}, bit {bit}")
        corpus.write_bytes(victim.flipped(bit))
        result = qorpus("verify", corpus, "--quiet", "--sample", "0", status=1)
        assert f"chunk {index} " in result.stdout + result.stderr, result
        hit = victim.record_in_block(index, column, at)
        assert not shown_right_or_refused(corpus, victim, hit)
        for number in {index, (index + 1) % len(victim.chunks), chance.randrange(len(victim.chunks))}:
            for id in victim.probes(victim.chunks[number]):
                shown = shown_right_or_refused(corpus, victim, id)
                assert shown or number == index
        assert corpus.read_bytes() == victim.flipped(bit), "looking at it changes nothing"


def test_repair(corpus, victim, chance):
    """A damaged chunk is a function of the recipe like any other: repair computes it again, to the
    bit."""
    for _ in range(5):
        corpus.write_bytes(victim.bytes)
        expected = content_hash(corpus)
        index, _, _, bit = victim.blob_bits(chance)
        corpus.write_bytes(victim.flipped(bit))
        qorpus("repair", corpus, "--quiet")
        qorpus("verify", corpus, "--quiet")
        assert content_hash(corpus) == expected == format_v1.decode(corpus).content_hash
        assert companions(corpus) == []


#: Reads all records, lets a bit be flipped behind the back of all checks, and reads them again.
READ_TWICE = """
import os, sys
import numpy as np
import qorpus

path, bit = sys.argv[1], int(sys.argv[2])
corpus = qorpus.open(path)
before, circuits = corpus.unitaries(slice(None)), corpus.circuits(slice(None))
found = os.stat(path)
with open(path, "r+b", buffering=0) as file:
    file.seek(bit // 8)
    (byte,) = file.read(1)
    file.seek(bit // 8)
    file.write(bytes([byte ^ 1 << bit % 8]))
os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
wrong, refused = set(), set()
for id in range(len(corpus)):
    try:
        record = corpus[id]
    except qorpus.Error as error:
        assert "chunk" in str(error), error
        refused.add(id)
    else:
        if record.circuit != circuits[id] or (record.unitary != before[id]).any():
            wrong.add(id)
for ids in [slice(None), np.random.default_rng(0).permutation(len(corpus))]:
    try:
        assert len(corpus.unitaries(ids)) == len(corpus.circuits(ids)) == len(corpus)
    except qorpus.Error as error:
        assert "chunk" in str(error), error
print(len(wrong), len(refused), min(wrong | refused, default=-1), max(wrong | refused, default=-1))
"""


@pytest.mark.parametrize("check", ["once", "always"])
def test_damage_after_a_block_was_checked(corpus, victim, chance, check):
    """It is not noticed before the file or the process is another one, but stays in its block, and
    nothing crashes. A check on every read notices it."""
    noticed = 0
    for _ in range(6):
        corpus.write_bytes(victim.bytes)
        os.utime(corpus, (1_700_000_000, 1_700_000_000))
        index, column, at, bit = victim.blob_bits(chance)
        print(f"chunk {index}, {column}, byte {at}, bit {bit}")
        command = [sys.executable, "-c", READ_TWICE, str(corpus), str(bit)]
        result = subprocess.run(command, env={**os.environ, "QORPUS_CHECK": check}, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        wrong, refused, first, last = map(int, result.stdout.split())
        block = victim.decoder.in_block if column == "unitaries" else format_v1.BLOCK
        hit = victim.record_in_block(index, column, at)
        if check == "always":
            assert wrong == 0 and refused >= 1
        if wrong + refused:
            # The list of block ends belongs to two blocks.
            assert hit <= first <= last < hit + 2 * block
        noticed += refused > 0
        # Another process checks the block.
        assert not shown_right_or_refused(corpus, victim, hit)
        assert qorpus("verify", corpus, "--quiet", "--sample", "0", status=1)
    assert check == "once" or noticed == 6


def test_a_flipped_bit_anywhere(corpus, victim, chance):
    """Damage in SQLite's own structures, too, leads to a right answer or to an error message."""
    for _ in range(40):
        bit = chance.randrange(8 * len(victim.bytes))
        if chance.random() < 0.5:
            # Headers of pages, where SQLite keeps what it navigates by.
            page = chance.randrange(len(victim.bytes) // format_v1.PAGE_SIZE)
            bit = 8 * (page * format_v1.PAGE_SIZE + chance.randrange(120)) + chance.randrange(8)
        print(f"bit {bit}")
        corpus.write_bytes(victim.flipped(bit))
        for id in victim.probes(victim.chunks[chance.randrange(len(victim.chunks))]):
            shown_right_or_refused(corpus, victim, id)
        result = qorpus("verify", corpus, "--quiet", status=None)
        assert result.returncode in (0, 1) and (result.returncode == 0 or result.stdout + result.stderr), result
        if result.returncode == 0:
            for chunk in victim.chunks:
                assert all(shown_right_or_refused(corpus, victim, id) for id in victim.probes(chunk)[:1])
        corpus.unlink()
        for name in companions(corpus):
            corpus.with_name(name).unlink()


TAMPERING = {
    "too few counted": "UPDATE totals SET records = records - 1",
    "too many counted": "UPDATE totals SET records = records + 1",
    "another content hash": "UPDATE totals SET content = randomblob(16)",
    "a short content hash": "UPDATE totals SET content = x'00'",
    "no totals": "DELETE FROM totals",
    "a chunk lost": "DELETE FROM chunks WHERE first_id = (SELECT max(first_id) FROM chunks)",
    "a chunk elsewhere": "UPDATE chunks SET first_id = first_id + 1 WHERE first_id = (SELECT max(first_id) FROM chunks)",
    "a chunk beyond the end": "UPDATE chunks SET first_id = first_id * 100 WHERE first_id = (SELECT max(first_id) FROM chunks)",
    "a negative id": "UPDATE chunks SET first_id = -5 WHERE first_id = 0",
    "a record less": "UPDATE chunks SET count = count - 1 WHERE first_id = 0",
    "a count of zero": "UPDATE chunks SET count = 0 WHERE first_id = 0",
    "a negative count": "UPDATE chunks SET count = -1 WHERE first_id = 0",
    "an absurd count": "UPDATE chunks SET count = 9223372036854775807 WHERE first_id = 0",
    "another checksum": "UPDATE chunks SET checksum = checksum + 1 WHERE first_id = 0",
    "another chunk's content hash": "UPDATE chunks SET content = (SELECT content FROM chunks WHERE first_id > 0) WHERE first_id = 0",
    "an empty content hash": "UPDATE chunks SET content = x'' WHERE first_id = 0",
    "no circuits": "UPDATE chunks SET circuits = x'' WHERE first_id = 0",
    "few circuits": "UPDATE chunks SET circuits = zeroblob(10) WHERE first_id = 0",
    "circuits of zeros": "UPDATE chunks SET circuits = zeroblob(length(circuits)) WHERE first_id = 0",
    "a byte too many": "UPDATE chunks SET circuits = CAST(circuits || x'00' AS BLOB) WHERE first_id = 0",
    "another chunk's columns": "UPDATE chunks SET (checksum, content, circuits, unitaries) = (SELECT checksum, content, "
    "circuits, unitaries FROM chunks WHERE first_id > 0 ORDER BY first_id LIMIT 1) WHERE first_id = 0",
    "work on what is done": "INSERT INTO work VALUES (0, 1, NULL)",
}


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering(corpus, victim, name):
    """Rows changed with another program: `verify` notices, `show` gives right records or none."""
    corpus.write_bytes(victim.bytes)
    connection = sqlite3.connect(corpus)
    assert connection.execute(TAMPERING[name]).rowcount == 1
    connection.commit()
    connection.close()
    result = qorpus("verify", corpus, "--quiet", status=1)
    assert "damaged" in result.stdout or result.stderr.startswith("error: "), result
    for chunk in victim.chunks:
        for id in victim.probes(chunk):
            shown_right_or_refused(corpus, victim, id)
    qorpus("info", corpus, "--json", status=None)


def test_stored_and_missing_unitaries(corpus, victim):
    """A column too many or too few is damage, whichever the recipe promises."""
    corpus.write_bytes(victim.bytes)
    connection = sqlite3.connect(corpus)
    value = "NULL" if victim.chunks[0].unitaries else "zeroblob(1000)"
    connection.execute(f"UPDATE chunks SET unitaries = {value} WHERE first_id = 0")
    connection.commit()
    connection.close()
    assert "chunk 0 " in qorpus("verify", corpus, "--quiet", status=1).stdout


METADATA = {
    "no recipe": "DELETE FROM meta WHERE key = 'recipe'",
    "another recipe": """UPDATE meta SET value = replace(value, '"length":[5', '"length":[4') WHERE key = 'recipe'""",
    "no JSON": "UPDATE meta SET value = '{' WHERE key = 'recipe'",
    "an empty recipe": "UPDATE meta SET value = '' WHERE key = 'recipe'",
    "another hash": "UPDATE meta SET value = replace(value, substr(value, 1, 1), 'g') WHERE key = 'recipe_hash'",
    "no hash": "DELETE FROM meta WHERE key = 'recipe_hash'",
}


@pytest.mark.parametrize("name", METADATA)
def test_metadata_that_does_not_match(corpus, victim, name):
    """A recipe that is not the one the file was made with is not believed by any command."""
    corpus.write_bytes(victim.bytes)
    connection = sqlite3.connect(corpus)
    assert connection.execute(METADATA[name]).rowcount == 1
    connection.commit()
    connection.close()
    for command in [["info"], ["show"], ["verify"]]:
        said = refused(corpus.parent, *command, "c.db", *([0] if command == ["show"] else []), status=1)
        assert "c.db is not a Qorpus corpus" in said
    refused(corpus.parent, "generate", "c.db", *STORED, status=1)


def test_a_newer_format(corpus):
    """A file of a later version is left alone, and the remedy is named."""
    generate(corpus, *STORED)
    connection = sqlite3.connect(corpus)
    connection.execute("PRAGMA user_version = 1000")
    connection.close()
    arguments = [["info"], ["show", 0], ["verify"], ["generate", *STORED], ["export", "out.npy"], ["merge", "o.db"]]
    for command in arguments:
        said = refused(corpus.parent, command[0], "c.db", *command[1:], status=1)
        assert "format version 1000" in said or command[0] == "merge" and "o.db" in said


@pytest.mark.parametrize("keep", [1, 50, 99, 512, 65535, 65536, 65537, 200_000, -65536, -65535, -4096, -1])
def test_truncated(corpus, keep):
    """A file that ends early, wherever: nothing is read from it and nothing written to it."""
    generate(corpus, *STORED)
    whole = corpus.read_bytes()
    corpus.write_bytes(whole[:keep])
    for command in [["info"], ["show", 0], ["verify"], ["generate", *STORED], ["export", "out.npy"]]:
        said = refused(corpus.parent, command[0], "c.db", *command[1:], status=1)
        assert "c.db" in said


# A disk of 12 MB for a corpus of 27 MB, in a mount namespace of its own; then room is made.
FULL_DISK = """
set -eu
mount -t tmpfs -o size=12m tmpfs "$DISK"
for number in $(seq $WRITERS); do
    ( status=0; "$QORPUS" generate "$DISK/c.db" $RECIPE --force --quiet 2> "$OUT/stderr$number" || status=$?
      echo $status > "$OUT/status$number" ) &
done
wait
ls "$DISK" > "$OUT/files"
"$QORPUS" verify "$DISK/c.db" --quiet > "$OUT/verify"
"$QORPUS" info "$DISK/c.db" --json > "$OUT/info"
mount -o remount,size=300m "$DISK"
"$QORPUS" generate "$DISK/c.db" $RECIPE --force --quiet
cp "$DISK/c.db" "$OUT/finished.db"
"""
# This limits the size of files instead, for machines on which a test may not mount anything.
FULL_QUOTA = FULL_DISK.replace("mount -t tmpfs -o size=12m tmpfs", "ulimit -S -f 12000; trap '' XFSZ; :").replace(
    "mount -o remount,size=300m", "ulimit -S -f unlimited; :"
)


def namespace() -> list[str]:
    """The command prefix under which mounting works, or an empty one."""
    for prefix in [["unshare", "-m"], ["unshare", "-r", "-m"]]:
        with tempfile.TemporaryDirectory() as directory:
            command = [*prefix, "mount", "-t", "tmpfs", "tmpfs", directory]
            if subprocess.run(command, capture_output=True).returncode == 0:
                return prefix
    return []


@pytest.mark.parametrize("writers", [1, 3])
def test_a_full_disk(corpus, tmp_path, writers):
    """The error says so, what was committed is intact, and with more room the same command goes
    on."""
    recipe = "--gates h,s,t --qubits 1 --random 400000 --length 5..14".split()
    (disk := tmp_path / "disk").mkdir()
    (out := tmp_path / "out").mkdir()
    prefix = namespace()
    paths = {"QORPUS": str(QORPUS), "DISK": str(disk), "OUT": str(out)}
    environment = os.environ | paths | {"RECIPE": " ".join(recipe), "WRITERS": str(writers)}
    command = [*prefix, "bash", "-c", FULL_DISK if prefix else FULL_QUOTA]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, (result, snapshot(out))
    for number in range(1, writers + 1):
        said = (out / f"stderr{number}").read_text()
        assert (out / f"status{number}").read_text() == "1\n", said
        assert said.startswith("error: ") and "full" in said and "panicked" not in said, said
    assert "intact" in (out / "verify").read_text()
    generate(corpus, *recipe)
    assert content_hash(out / "finished.db") == content_hash(corpus)


@pytest.fixture
def as_nobody():
    """A directory in which the commands of a test may read but not write, and how to run them
    so."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        shutil.copy(QORPUS, directory / "qorpus")
        (directory / "data").mkdir()
        nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}

        def run(*arguments):
            command = [str(directory / "qorpus"), *map(str, arguments)]
            (directory / "data").chmod(0o555)
            directory.chmod(0o755)
            result = subprocess.run(command, capture_output=True, text=True, cwd=directory / "data", **nobody)
            (directory / "data").chmod(0o755)
            assert "panicked" not in result.stderr, result
            return result

        yield directory / "data", run


def test_a_read_only_directory(as_nobody):
    """Nothing can be made there, and the sentence says what to look at; a finished corpus can be
    read all the same."""
    directory, run = as_nobody
    finished, begun = directory / "finished.db", directory / "begun.db"
    generate(finished, *STORED)
    generate(begun, *STORED, "--part", "0/2")
    for path in [finished, begun]:
        path.chmod(0o444)
    before = snapshot(directory)
    for command in [
        ["generate", "new.db", *STORED],
        ["generate", "begun.db", *STORED],
        ["merge", "new.db", "finished.db"],
        ["export", "finished.db", "out.npy"],
    ]:
        result = run(*command)
        assert result.returncode == 1 and result.stderr.startswith("error: "), result
        assert ".db" in result.stderr or "out.npy" in result.stderr or str(directory) in result.stderr
    for name in ["finished.db", "begun.db"]:
        for command in [["info", name, "--json"], ["show", name, 0, "--json"], ["verify", name, "--quiet"]]:
            result = run(*command)
            assert result.returncode == 0 and result.stderr == "", result
    assert snapshot(directory) == before


def test_a_file_that_may_not_be_read(as_nobody):
    directory, run = as_nobody
    generate(directory / "secret.db", *STORED)
    (directory / "secret.db").chmod(0o000)
    for command in [["info"], ["show", 0], ["verify"], ["generate", *STORED]]:
        result = run(command[0], "secret.db", *command[1:])
        assert result.returncode == 1 and result.stderr.startswith("error: ") and "secret.db" in result.stderr, result
