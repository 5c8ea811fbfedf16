"""Every bit of a small finished corpus, flipped: each flip is noticed, or changes no answer.

A flip is *refused* if the file cannot be opened. It is *noticed* if a record, the summary or
`verify` fails. It is *harmless* if records, labels, content hash and summary are those of the
undamaged file. Another record, and a difference that `verify` calls intact, are failures.

With pages of 64 KiB, as Qorpus makes them, such a file is nearly all free space, of which only some
bits are flipped. With pages of 4 KiB, which Qorpus reads as well, every bit is.
"""

import json
import os
import sqlite3
import struct
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from built import QORPUS as COMMAND
import numpy as np
import numpy.typing as npt
import qorpus
from qorpus import _qorpus
from outcome import Outcome, Summary
from process_server import in_memory

TITLE = "Bit flips"

#: The fewest records that fill every table and column, and two blocks of a column.
RECORDS = 70
#: The distance of flipped bits, in a long run and in a quick one.
STEPS = {
    "pages of 64 KiB, what SQLite may look at": (1, 997),
    "pages of 64 KiB, free space": (97, 4999),
    "pages of 4 KiB, everything": (1, 997),
}
#: Bits of a task.
BATCH_BITS = 10_000

#: Files by name, and the number of bits of each kind. Workers inherit them.
files: dict[str, bytes] = {}
there: Counter[str] = Counter()


@dataclass(frozen=True)
class Flips:
    """Bits of a file to flip, one at a time."""

    file: str
    kind: str
    bits: npt.NDArray[np.int64]


#: The answers of a corpus: records, summary and recipe.
Contents = tuple[tuple[object, object, bytes], dict[str, object], str]


def small(directory: Path) -> list[Path]:
    """Make a generated corpus and an appended one."""
    recipe = f"--gates h,s,t --qubits 1 --random {RECORDS} --length 0..6".split()
    generated, appended = directory / "generated.db", directory / "appended.db"
    subprocess.run([COMMAND, "generate", generated, *recipe, "--quiet"], check=True)
    with qorpus.Writer(appended, gates=["h", "s", "t"], qubits=1) as writer:
        for number in range(RECORDS):
            writer.append(["h", "t", "s"][: number % 4], note=f"record {number}", reward=number)
            if number == RECORDS // 2:
                writer.flush()
    return [generated, appended]


def with_small_pages(path: Path) -> Path:
    """Copy a corpus into pages of 4 KiB."""
    target = path.with_stem(f"{path.stem}, 4 KiB")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA page_size = 4096")
    connection.execute("VACUUM INTO ?", (str(target),))
    connection.close()
    assert target.read_bytes()[16:18] == b"\x10\x00"
    assert content_hash(target) == content_hash(path)
    subprocess.run([COMMAND, "verify", target, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return target


def content_hash(path: Path) -> str:
    info = subprocess.run([COMMAND, "info", path, "--json"], check=True, capture_output=True).stdout
    return cast(str, json.loads(info)["content_hash"])


def free(file: bytes) -> list[range]:
    """Return the bytes between the cell pointers of each table's first page and its cells.

    Other pages count as full. <https://sqlite.org/fileformat2.html>, "B-tree Pages".
    """
    connection = sqlite3.connect(":memory:")
    connection.deserialize(file)
    tables = connection.execute("SELECT rootpage FROM sqlite_schema WHERE rootpage > 0").fetchall()
    # SQLite knows the page size once it has read the file.
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    found = []
    for page in sorted({1} | {root for (root,) in tables}):
        start = size * (page - 1)
        header = start + (100 if page == 1 else 0)
        kind, _, cells, content = struct.unpack_from(">BHHH", file, header)
        assert kind in (2, 5, 10, 13), "a page of a tree"
        pointers = header + (12 if kind in (2, 5) else 8)
        # 65536 does not fit and is written as 0.
        found.append(range(pointers + 2 * cells, start + (content or 65536)))
    return found


def tasks(quick: bool, seed: int) -> list[Flips]:
    chosen: list[tuple[str, str, npt.NDArray[np.int64]]] = []
    with tempfile.TemporaryDirectory(dir=in_memory()) as name:
        for path in small(Path(name)):
            files[path.stem] = file = path.read_bytes()
            is_free = np.zeros(8 * len(file), dtype=bool)
            for span in free(file):
                is_free[8 * span.start : 8 * span.stop] = True
            chosen += [(path.stem, kind, np.flatnonzero(some)) for kind, some in zip(STEPS, (~is_free, is_free))]
            path = with_small_pages(path)
            files[path.stem] = path.read_bytes()
            chosen.append((path.stem, list(STEPS)[2], np.arange(8 * len(files[path.stem]))))
    made = []
    for stem, kind, some in chosen:
        step = STEPS[kind][quick]
        there[kind] += len(some)
        some = some[seed % step :: step]
        made += [Flips(stem, kind, some[at : at + BATCH_BITS]) for at in range(0, len(some), BATCH_BITS)]
    return made


class Refused(Exception):
    """The file cannot be opened."""


def reading(path: Path) -> Contents:
    try:
        corpus = qorpus.open(path)
    except (qorpus.Error, OSError, ValueError):
        raise Refused from None
    summary = {key: value for key, value in _qorpus.summary(corpus).items() if key != "bytes"}
    every = slice(0, RECORDS)
    if len(corpus) != RECORDS:
        raise qorpus.Error(f"{len(corpus)} records")
    records = (corpus.circuits(every), corpus.labels(range(RECORDS)), corpus.unitaries(every).tobytes())
    return records, summary, str(corpus.recipe)


def work(task: Flips) -> Outcome:
    counts, failures = Counter({f"{task.kind}: flipped": len(task.bits)}), []
    whole = files[task.file]
    with tempfile.TemporaryDirectory(dir=in_memory()) as name:
        path = Path(name) / "c.db"
        path.write_bytes(whole)
        truth = reading(path)
        file = os.open(path, os.O_RDWR)
        for bit in task.bits.tolist():
            at = bit // 8
            os.pwrite(file, bytes([whole[at] ^ 1 << bit % 8]), at)
            kind = consequence(path, truth)
            counts[f"{task.kind}: {kind.split(':')[0]}"] += 1
            if kind.startswith("wrong"):
                failures.append(f"{task.file}, bit {bit}: {kind}")
            # Reading has changed nothing and left nothing behind.
            os.pwrite(file, whole[at : at + 1], at)
            left = os.listdir(name)
            if left != ["c.db"] or os.fstat(file).st_size != len(whole) or (bit % 64 == 0 and path.read_bytes() != whole):
                failures.append(f"{task.file}, bit {bit}: reading changed the file or left {left}")
                for other in left:
                    os.remove(Path(name) / other)
                os.close(file)
                path.write_bytes(whole)
                file = os.open(path, os.O_RDWR)
        os.close(file)
    return Outcome(counts, failures)


def consequence(path: Path, truth: Contents) -> str:
    try:
        found = reading(path)
    except Refused:
        return "refused"
    except (qorpus.Error, OSError, ValueError):
        return "noticed"
    if found == truth:
        return "harmless"
    if found[0] != truth[0]:
        return "wrong: other records"
    # The records are right and the summary is not: verify must say so.
    verified = subprocess.run([COMMAND, "verify", path, "--quiet"], capture_output=True, text=True)
    return "noticed" if verified.returncode == 1 else f"wrong: {found[1:]} is called intact"


def summed(counts: Counter[str]) -> Summary:
    shown: dict[str, int] = {}
    for kind in STEPS:
        shown[f"{kind}: bits"] = there[kind]
        shown |= {f"{kind}: {end}": counts[f"{kind}: {end}"] for end in ("flipped", "refused", "noticed", "harmless")}
    missed = [f"control: nothing was flipped of {kind}" for kind in STEPS if not shown[f"{kind}: flipped"]]
    return shown, missed
