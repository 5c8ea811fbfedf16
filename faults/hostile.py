"""Hostile files: every command answers right about a corrupted corpus, or says what is wrong.

Each case is a good corpus with a corruption. Every command, and the Python reader and writer, meet
it in a process of their own with little memory and time. A panic, a signal, a traceback, a hang,
memory beyond the limit and a message that is not a sentence are failures. So are a record that is
not the one that was there before, any effect of foreign code, and files that nobody asked for.
"""

import csv
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import traceback
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

TITLE = "Hostile files"

# Commands on these files take milliseconds; a machine under load may still take long.
SECONDS = 20
# Bytes of address space and memory of a process; a good corpus of this size takes a tenth.
ADDRESSES = 2 << 30
RESIDENT = 400 << 20
# Characters of a sentence.
MESSAGE = 4000
# Cases of each corruption, in a long run.
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


class Wrong(Exception):
    """A failure of a command."""


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def is_sentence(text: str) -> bool:
    return len(text) <= MESSAGE and all(c.isprintable() or c in "\n\t" for c in text)


def run(directory: Path, *arguments: object) -> tuple[int, str]:
    """Run a command in the directory; return its status and what it printed."""
    process = subprocess.Popen(
        [COMMAND, *map(str, arguments)], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=limit, env={"PATH": os.environ["PATH"], "HOME": str(directory), "RUST_BACKTRACE": "0"},
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Wrong(f"hangs for {SECONDS} s") from None
    said, status = err.decode(errors="replace"), process.returncode
    if status < 0 or "panicked" in said or "memory allocation" in said:
        raise Wrong(f"status {status}: {said[-2000:]}")
    if status not in (0, 1, 2) or (status != 0 and not out and not said.startswith("error: ")):
        raise Wrong(f"status {status} with no error: {said[-2000:]}")
    if not is_sentence(said):
        raise Wrong(f"a message that is not a sentence, {len(said)} long: {said[:200]!r}")
    return status, out.decode(errors="replace")


def in_a_child(act: Callable[[], None]) -> None:
    """Run Python code in a process of its own, which may fail only with errors of the library."""
    sys.stdout.flush()
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        status = 9
        try:
            os.close(reading)
            limit()
            signal.alarm(SECONDS)
            text = ""
            try:
                act()
                status = 0
            except (qorpus.Error, ValueError, IndexError, OSError) as error:
                status = 0 if is_sentence(str(error)) else 8
                text = "" if status == 0 else f"a message that is not a sentence: {str(error)[:200]!r}"
            except Wrong as error:
                text = str(error)
            except BaseException:
                text = traceback.format_exc()
            os.write(writing, text.encode(errors="replace")[-3000:])
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode()
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        kind = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "failed"
        raise Wrong(f"Python {kind}: {text}")
    if usage.ru_maxrss * 1024 > RESIDENT:
        raise Wrong(f"Python took {usage.ru_maxrss >> 10} MiB")


#: Corpora without corruptions; workers inherit them.
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
        """Check that a record is the one of before, or of the recipe and not made yet."""
        if self.corruption in CONSISTENT:
            return
        right = self.truth.records.get(number)
        if right is None and self.truth.name == "unfinished" and number < self.truth.total:
            return
        if right is None:
            raise Wrong(f"a record {number} that never was")
        if circuit != right[0] or (unitary is not None and unitary != right[1]) or (labels is not None and labels != right[2]):
            raise Wrong(f"record {number} is {circuit} {labels}, not {right}")

    def steps(self) -> dict[str, Callable[[Path], None]]:
        """Return what meets the file, each in a directory of its own with case.db in it."""
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
            "write": lambda at: in_a_child(lambda: self.write(at / "case.db")),
        }

    def info(self, at: Path, *options: str) -> None:
        status, out = run(at, "info", "case.db", *options)
        if status == 0 and self.corruption in REFUSED:
            raise Wrong("a schema that is not ours is believed")
        if status == 0 and options:
            json.loads(out)
        elif not is_sentence(out[:MESSAGE]):
            raise Wrong(f"info shows control characters: {out[:300]!r}")

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
            # Every record of a file that is called intact is there and right.
            in_a_child(lambda: self.read_in_order(at / "case.db", whole=True))
        if not is_sentence(out[:MESSAGE]):
            raise Wrong(f"verify shows control characters: {out[:300]!r}")

    def export(self, at: Path, ending: str) -> None:
        status, _ = run(at, "export", "case.db", f"out.{ending}", "--quiet")
        if status != 0:
            left = [name.name for name in at.glob("out*")]
            if left:
                raise Wrong(f"a failed export leaves {left}")
        elif ending == "npy":
            for number, unitary in enumerate(np.load(at / "out.npy")):
                if self.corruption not in CONSISTENT and unitary.tobytes() != self.truth.records[number][1]:
                    raise Wrong(f"exported unitary {number} is wrong")
        elif ending == "csv":
            with (at / "out.csv").open(newline="") as file:
                for row in csv.DictReader(file):
                    circuit = tuple(filter(None, row["circuit"].split("; ")))
                    self.check(int(row["id"]), circuit)

    def written(self, at: Path, name: str, *arguments: object) -> None:
        """Run a command that writes a corpus; what can be read there afterwards is right."""
        run(at, *arguments)
        if (at / name).is_file():
            in_a_child(lambda: self.read(at / name))

    def generate(self, at: Path, name: str, *arguments: str) -> None:
        """As `written`, but an empty file rightly becomes another corpus."""
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
        """Read single records and random batches; each may be refused by itself."""
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
            raise Wrong(f"{len(corpus)} records are called intact, and there were {self.truth.total}")
        for start in range(0, self.truth.total, 500):
            ids = list(range(start, min(start + 500, self.truth.total)))
            try:
                self.records(corpus, ids)
            except (qorpus.Error, IndexError) as error:
                if whole and self.corruption not in CONSISTENT and self.truth.name != "unfinished":
                    raise Wrong(f"verify calls the file intact, and records cannot be read: {error}") from None

    def sql(self, path: Path) -> None:
        corpus = qorpus.open(path)
        for number, circuit in corpus.sql("SELECT id, circuit FROM records LIMIT 700"):
            self.check(number, tuple(filter(None, circuit.split("; "))))
        corpus.sql("SELECT * FROM records WHERE id BETWEEN 60 AND 70")

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
            raise Wrong("a file beside the corpus was changed")
        allowed = {f"{name}{ending}" for name in ("case.db", "good.db", "new.db") for ending in ("", "-wal", "-shm", "-journal", "-lock")}
        allowed |= {"out.npy", "out.circuits.npy", "out.lengths.npy", "out.letters.json", "out.labels.csv", "out.csv", "out.parquet", "out.qasm"}
        now = {entry.name for entry in at.iterdir()}
        if strange := now - before - allowed:
            raise Wrong(f"files that nobody asked for: {strange}")
        if lost := {name for name in before - now if name == "precious"}:
            raise Wrong(f"lost files: {lost}")
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
            raise Wrong(f"foreign triggers ran: {executed}")


def work(case: Case) -> Outcome:
    """Have everything meet a case."""
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
            except Wrong as error:
                failures.append(f"{case}: {step}: {error}")
            shutil.rmtree(at)
    return Outcome(counts, failures)


def copy(origin: Path, target: Path) -> None:
    """Copy a directory, with what is not a file."""
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
