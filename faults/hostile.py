"""Hostile files: every command answers correctly about a corrupted corpus, or reports the error.

Each case is a good corpus with a corruption. Every command, the Python reader and writer, and
`sqlite3` with the extension open it in a process of their own with little memory and time. A panic, a
signal, a traceback, a hang, memory beyond the limit and a message that is not a sentence are
failures. So are a record that differs from the one before, any effect of foreign code, and
unexpected files.
"""

import csv
import json
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from built import QORPUS as COMMAND
import numpy as np
import qorpus
from corruptions import CONSISTENT, CORRUPTIONS, REFUSED
from outcome import Outcome, Summary
from process_server import in_memory
from sandbox import MESSAGE_LENGTH, Misbehaviour, in_a_child, is_sentence, run

TITLE = "Hostile files"

#: Cases of each corruption, in a long run.
ROUNDS = 24


@dataclass
class Truth:
    """A good corpus and its records."""

    name: str
    file: bytes
    arguments: list[str]
    recipe: str
    records: dict[int, tuple[tuple[str, ...], bytes, dict[str, object]]]
    total: int
    ids: list[int] = field(default_factory=list)


def truths(directory: Path) -> list[Truth]:
    """Make corpora: stored and computed unitaries, unfinished, appended with labels."""
    recipes = {
        "stored": "--gates h,s,t --qubits 1 --random 2500 --length 0..6",
        "derived": "--gates h,t --qubits 1 --words --length 0..9 --no-unitaries",
        "wide": "--gates clifford+t --qubits 3 --random 150 --length 3..9 --dtype complex64",
        "unfinished": "--gates h,s,t --qubits 1 --random 2500 --length 0..6 --seed 1",
    }
    found = []
    for name, recipe in recipes.items():
        path, arguments = directory / f"{name}.db", recipe.split()
        part = ["--part", "0/2"] if name == "unfinished" else []
        subprocess.run([COMMAND, "generate", path, *arguments, *part, "--quiet"], check=True)
        found.append(truth(name, path, arguments))
    path = directory / "appended.db"
    with qorpus.Writer(path, gates=["h", "s", "t"], qubits=1) as writer:
        for number in range(900):
            labels = {"reward": number, "note": f"record {number}"} if number % 3 == 0 else {"weight": number / 8}
            writer.append(["h", "t", "s"][: number % 4], **labels)
            if number % 250 == 0:
                writer.flush()
    found.append(truth("appended", path, []))
    return found


def truth(name: str, path: Path, arguments: list[str]) -> Truth:
    corpus, records = qorpus.open(path), {}
    for number in range(len(corpus)):
        try:
            record = corpus[number]
        except qorpus.Error:
            continue
        records[number] = (record.circuit, record.unitary.tobytes(), record.labels)
    assert records
    ids = [0, 1, 63, 64, len(records) // 2, len(records) - 1, len(corpus) - 1]
    return Truth(name, path.read_bytes(), arguments, str(corpus.recipe), records, len(corpus), ids)


#: Corpora without corruptions, which workers inherit.
good: list[Truth] = []


@dataclass
class Case:
    of: int
    corruption: str
    seed: int

    @property
    def truth(self) -> Truth:
        return good[self.of]

    def __str__(self) -> str:
        return f"{self.corruption} in {self.truth.name}, seed {self.seed}"

    def check(self, number: int, circuit: tuple[str, ...], unitary: bytes | None = None, labels: dict[str, object] | None = None) -> None:
        """Check that a record is the original one, or is of the recipe and was not made yet."""
        if self.corruption in CONSISTENT:
            return
        right = self.truth.records.get(number)
        if right is None and self.truth.name == "unfinished" and number < self.truth.total:
            return
        if right is None:
            raise Misbehaviour(f"a record {number} that never was")
        if circuit != right[0] or (unitary is not None and unitary != right[1]) or (labels is not None and labels != right[2]):
            raise Misbehaviour(f"record {number} is {circuit} {labels}, not {right}")

    def steps(self) -> dict[str, Callable[[Path], None]]:
        """Return the uses of the file by name, each for a directory of its own with case.db."""
        arguments, ids = self.truth.arguments, self.truth.ids
        return {
            "info": lambda at: self.info(at, "--json"),
            "info in words": lambda at: self.info(at),
            "show": lambda at: self.show(at, ids),
            "verify": lambda at: self.verify(at),
            "export npy": lambda at: self.export(at, "npy"),
            "export csv": lambda at: self.export(at, "csv"),
            "export parquet": lambda at: self.export(at, "parquet"),
            "export qasm": lambda at: self.export(at, "qasm"),
            "merge": lambda at: self.written(at, "new.db", "merge", "new.db", "case.db", "--quiet"),
            "merge into": lambda at: self.merge_into(at),
            "generate": lambda at: self.generate(at, "case.db", *arguments),
            "repair": lambda at: self.written(at, "case.db", "repair", "case.db", "--quiet"),
            "read": lambda at: in_a_child(lambda: self.read(at / "case.db")),
            "read in order": lambda at: in_a_child(lambda: self.read_in_order(at / "case.db")),
            "sql": lambda at: in_a_child(lambda: self.sql(at / "case.db")),
            "sqlite extension": lambda at: self.extension(at),
            "write": lambda at: in_a_child(lambda: self.write(at / "case.db")),
        }

    def info(self, at: Path, *options: str) -> None:
        status, out = run(at, "info", "case.db", *options)
        if status == 0 and self.corruption in REFUSED:
            raise Misbehaviour("a schema that is not ours is believed")
        if status == 0 and options:
            json.loads(out)
        elif not is_sentence(out[:MESSAGE_LENGTH]):
            raise Misbehaviour(f"info shows control characters: {out[:300]!r}")

    def show(self, at: Path, ids: list[int]) -> None:
        for number in ids:
            _, out = run(at, "show", "case.db", number, "--json")
            for line in out.splitlines():
                record = json.loads(line)
                parts = np.array(record["unitary"], dtype=float)
                kind = np.complex64 if self.truth.name == "wide" else np.complex128
                unitary = (parts[..., 0] + 1j * parts[..., 1]).astype(kind)
                self.check(record["id"], tuple(record["circuit"]), unitary.tobytes(), record["labels"])

    def verify(self, at: Path) -> None:
        status, out = run(at, "verify", "case.db", "--quiet")
        if status == 0:
            # Every record of a file that is called intact must be there and right.
            in_a_child(lambda: self.read_in_order(at / "case.db", whole=True))
        if not is_sentence(out[:MESSAGE_LENGTH]):
            raise Misbehaviour(f"verify shows control characters: {out[:300]!r}")

    def export(self, at: Path, ending: str) -> None:
        status, _ = run(at, "export", "case.db", f"out.{ending}", "--quiet")
        if status != 0:
            left = [name.name for name in at.glob("out*")]
            if left:
                raise Misbehaviour(f"a failed export leaves {left}")
        elif ending == "npy":
            for number, unitary in enumerate(np.load(at / "out.npy")):
                if self.corruption not in CONSISTENT and unitary.tobytes() != self.truth.records[number][1]:
                    raise Misbehaviour(f"exported unitary {number} is wrong")
        elif ending == "csv":
            with (at / "out.csv").open(newline="") as file:
                for row in csv.DictReader(file):
                    circuit = tuple(filter(None, row["circuit"].split("; ")))
                    self.check(int(row["id"]), circuit)

    def written(self, at: Path, name: str, *arguments: object) -> None:
        """Run a command that writes a corpus; records that can be read afterwards must be right."""
        run(at, *arguments)
        if (at / name).is_file():
            in_a_child(lambda: self.read(at / name))

    def generate(self, at: Path, name: str, *arguments: str) -> None:
        """Do as `written`, but an empty file rightly becomes another corpus."""
        run(at, "generate", name, *arguments, "--quiet")

        def read() -> None:
            if str(qorpus.open(at / name).recipe) == self.truth.recipe:
                self.read(at / name)

        if (at / name).is_file():
            in_a_child(read)

    def merge_into(self, at: Path) -> None:
        (at / "good.db").write_bytes(self.truth.file)
        self.written(at, "case.db", "merge", "case.db", "good.db", "--quiet")

    def records(self, corpus: "qorpus.Corpus", ids: list[int]) -> None:
        for record in corpus[ids]:
            self.check(record.id, record.circuit, record.unitary.tobytes(), record.labels)

    def read(self, path: Path) -> None:
        """Read single records and random batches, each of which may be refused."""
        corpus = qorpus.open(path)
        chance = random.Random(self.seed)
        for number in self.truth.ids + [chance.randrange(self.truth.total) for _ in range(20)]:
            for ids in [[number], [number, 0, number ^ 1]]:
                try:
                    self.records(corpus, ids)
                except (qorpus.Error, IndexError) as error:
                    if not is_sentence(str(error)):
                        raise
        ids = [chance.randrange(self.truth.total) for _ in range(100)]
        for number, unitary in zip(ids, corpus.unitaries(ids), strict=True):
            self.check(number, self.truth.records.get(number, ((),))[0], unitary.tobytes())

    def read_in_order(self, path: Path, whole: bool = False) -> None:
        corpus = qorpus.open(path)
        if whole and self.corruption not in CONSISTENT and self.truth.name != "unfinished" and len(corpus) != self.truth.total:
            raise Misbehaviour(f"{len(corpus)} records are called intact, and there were {self.truth.total}")
        for start in range(0, self.truth.total, 500):
            ids = list(range(start, min(start + 500, self.truth.total)))
            try:
                self.records(corpus, ids)
            except (qorpus.Error, IndexError) as error:
                if whole and self.corruption not in CONSISTENT and self.truth.name != "unfinished":
                    raise Misbehaviour(f"verify calls the file intact, and records cannot be read: {error}") from None

    def sql(self, path: Path) -> None:
        corpus = qorpus.open(path)
        for number, circuit in corpus.sql("SELECT id, circuit FROM records LIMIT 700"):
            self.check(number, tuple(filter(None, circuit.split("; "))))
        corpus.sql("SELECT * FROM records WHERE id BETWEEN 60 AND 70")

    def extension(self, at: Path) -> None:
        """Read records in the SQLite of another program."""
        load = ["-batch", "-json", "-cmd", f".load {qorpus.sqlite_extension()}", ":memory:"]
        for query in [
            "SELECT id, circuit, hex(unitary) AS unitary FROM qorpus('case.db') LIMIT 700",
            "SELECT id, circuit, hex(unitary) AS unitary, labels FROM qorpus('case.db') WHERE id BETWEEN 60 AND 70",
        ]:
            status, out = run(at, *load, query, program="sqlite3", failure="")
            for row in json.loads(out) if status == 0 and out else []:
                self.check(row["id"], tuple(filter(None, row["circuit"].split("; "))), bytes.fromhex(row["unitary"]))
        with_table = "CREATE VIRTUAL TABLE temp.records USING qorpus('case.db'); SELECT count(*) FROM records"
        run(at, *load, with_table, program="sqlite3", failure="")

    def write(self, path: Path) -> None:
        with qorpus.Writer(path) as writer:
            writer.append([writer.letters[0]] if writer.letters else [])
            writer.flush()
        corpus = qorpus.open(path)
        if self.truth.name == "appended" and self.corruption not in CONSISTENT:
            for number in self.truth.ids:
                try:
                    self.records(corpus, [number])
                except (qorpus.Error, IndexError):
                    continue

    def effects(self, at: Path, before: set[str]) -> None:
        """Check that foreign code has had no effect."""
        precious = at / "precious"
        if precious.exists() and not precious.read_text().startswith("do not"):
            raise Misbehaviour("a file beside the corpus was changed")
        allowed = {f"{name}{ending}" for name in ("case.db", "good.db", "new.db") for ending in ("", "-wal", "-shm", "-journal", "-lock")}
        allowed |= {"out.npy", "out.circuits.npy", "out.lengths.npy", "out.letters.json", "out.labels.csv", "out.csv", "out.parquet", "out.qasm"}
        now = {entry.name for entry in at.iterdir()}
        if strange := now - before - allowed:
            raise Misbehaviour(f"unexpected files: {strange}")
        if lost := {name for name in before - now if name == "precious"}:
            raise Misbehaviour(f"lost files: {lost}")
        if not (at / "case.db").is_file():
            return
        connection = sqlite3.connect(f"file:{at / 'case.db'}?immutable=1", uri=True)
        try:
            executed = connection.execute("SELECT * FROM executed").fetchall()
        except (sqlite3.Error, UnicodeDecodeError):
            executed = []
        finally:
            connection.close()
        if executed:
            raise Misbehaviour(f"foreign triggers ran: {executed}")


def work(case: Case) -> Outcome:
    """Use a case in every way."""
    counts, failures = Counter({"hostile files": 1}), []
    with tempfile.TemporaryDirectory(dir=in_memory()) as name:
        origin = Path(name) / "origin"
        origin.mkdir()
        path = origin / "case.db"
        path.write_bytes(case.truth.file)
        CORRUPTIONS[case.corruption](path, random.Random(case.seed))
        before = {entry.name for entry in origin.iterdir()}
        for step, act in case.steps().items():
            at = Path(name) / "case"
            copy(origin, at)
            counts["commands"] += 1
            try:
                act(at)
                case.effects(at, before)
            except Misbehaviour as error:
                failures.append(f"{case}: {step}: {error}")
            shutil.rmtree(at)
    return Outcome(counts, failures)


def copy(origin: Path, target: Path) -> None:
    """Copy a directory, with links, pipes and directories in it."""
    target.mkdir()
    for entry in origin.iterdir():
        to = target / entry.name
        if entry.is_symlink():
            # A link within the directory leads to the copy.
            link = entry.readlink()
            to.symlink_to(target / link.relative_to(origin) if link.is_relative_to(origin) else link)
        elif entry.is_dir():
            to.mkdir()
        elif entry.is_fifo():
            os.mkfifo(to)
        else:
            shutil.copyfile(entry, to)


def tasks(quick: bool, seed: int) -> list[Case]:
    chance, found = random.Random(seed), []
    with tempfile.TemporaryDirectory(dir=in_memory()) as name:
        good.extend(truths(Path(name)))
    for corruption in CORRUPTIONS:
        # A large file takes long.
        rounds = 1 if corruption == "rows_that_share_their_bytes" else 2 if quick else ROUNDS
        for number in range(rounds):
            of = (number + chance.randrange(len(good))) % len(good)
            found.append(Case(of, corruption, chance.randrange(1 << 30)))
    return found


def summed(counts: Counter[str]) -> Summary:
    return dict(counts), [] if counts["commands"] else ["control: nothing was tried"]
