"""Corruptions of the files beside the corpus, and replacements of the corpus itself."""

import os
import random
import sqlite3
import struct
from pathlib import Path

from corruptions.registry import PAGE_BYTES, corruption


def beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def journal_header(pages: int, records: int, nonce: int = 0) -> bytes:
    magic = bytes.fromhex("d9d505f920a163d7")
    return (magic + struct.pack(">IIIII", records, nonce, pages, 512, PAGE_BYTES)).ljust(512, b"\0")


@corruption
def hot_journal(path: Path, chance: random.Random) -> None:
    """A journal as a killed writer leaves it, with foreign pages in the place of good ones."""
    data = path.read_bytes()
    pages, number = len(data) // PAGE_BYTES, chance.randrange(len(data) // PAGE_BYTES)
    content = chance.randbytes(PAGE_BYTES) if chance.random() < 0.5 else data[:PAGE_BYTES]
    check = sum(content[at] for at in range(PAGE_BYTES - 200, 0, -200))
    record = struct.pack(">I", number + 1) + content + struct.pack(">I", check & 0xFFFFFFFF)
    beside(path, "-journal").write_bytes(journal_header(chance.choice([pages, 1, 0, 2**31]), 1) + record)


@corruption
def journal_that_names_a_file(path: Path, chance: random.Random) -> None:
    """A journal that names a super-journal, which SQLite removes: it must not be any file."""
    (precious := path.with_name("precious")).write_text("do not remove me")
    named = path.with_name("case.db-mj0123459AB") if chance.random() < 0.5 else precious
    if named != precious:
        named.write_bytes(os.fsencode(beside(path, "-journal")) + b"\0")
    name = os.fsencode(named)
    tail = struct.pack(">I", 2**30 // PAGE_BYTES + 1) + name + struct.pack(">II", len(name), sum(name)) + bytes.fromhex("d9d505f920a163d7")
    beside(path, "-journal").write_bytes(journal_header(path.stat().st_size // PAGE_BYTES, 0) + tail)


@corruption
def noise_beside(path: Path, chance: random.Random) -> None:
    for ending in ["-journal", "-wal", "-shm", "-lock"]:
        if chance.random() < 0.5:
            beside(path, ending).write_bytes(chance.randbytes(chance.choice([0, 1, 32, 600, 40_000])))


@corruption
def foreign_wal(path: Path, chance: random.Random) -> None:
    """The WAL of another database, each of its frames intact."""
    other = path.with_name("foreign")
    other.write_bytes(path.read_bytes())
    connection = sqlite3.connect(other, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for statement in ["DELETE FROM chunks", "UPDATE totals SET records = 77", "CREATE TABLE executed (what)"]:
        connection.execute(statement)
    beside(path, "-wal").write_bytes(beside(other, "-wal").read_bytes())
    if chance.random() < 0.5:
        beside(path, "-shm").write_bytes(beside(other, "-shm").read_bytes())
    connection.close()
    for name in path.parent.glob("foreign*"):
        name.unlink()
    if chance.random() < 0.5:
        data = bytearray(path.read_bytes())
        data[18:20] = b"\2\2"
        path.write_bytes(data)


@corruption
def links_beside(path: Path, chance: random.Random) -> None:
    """Links beside the file that lead to a file of the user's, to nowhere, or in a circle."""
    (precious := path.with_name("precious")).write_text("do not touch me")
    ending = chance.choice(["-lock", "-journal", "-wal", "-shm"])
    target = chance.choice([precious, path.with_name("nowhere"), beside(path, ending), path])
    beside(path, ending).symlink_to(target)


@corruption
def things_beside(path: Path, chance: random.Random) -> None:
    name = beside(path, chance.choice(["-lock", "-journal", "-wal", "-shm"]))
    if chance.random() < 0.5:
        name.mkdir()
    else:
        os.mkfifo(name)


@corruption
def not_a_file(path: Path, chance: random.Random) -> None:
    path.unlink()
    kind = chance.choice(["fifo", "circle", "directory", "zero", "nowhere"])
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "circle":
            path.symlink_to(path)
        case "directory":
            path.mkdir()
        case "zero":
            path.symlink_to("/dev/zero")
        case "nowhere":
            path.symlink_to(path.with_name("nowhere") / "else")
