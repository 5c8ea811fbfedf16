"""What the shim has recorded: every change of the files of a directory, in the order in which they were made."""

import struct
from dataclasses import dataclass
from pathlib import Path

CREATE, WRITE, TRUNCATE, SYNC, UNLINK, RENAME, LINK, MKDIR = range(8)
#: `struct entry` of shim.c.
ENTRY = struct.Struct("<IIIIQQQ")


@dataclass(frozen=True)
class Event:
    """A step that was made. `file` is a number that no other file of the trace has, the directory's is 0."""

    kind: int
    error: int
    file: int
    name: str
    offset: int
    data: bytes


class Trace:
    """Events, and what was in the directory before the first of them."""

    def __init__(self, directory: Path):
        """Looks at the directory now, before it changes."""
        self.before = {path.name: path.read_bytes() for path in directory.iterdir()}
        self.files = {path.stat().st_ino: number for number, path in enumerate(directory.iterdir(), 1)}
        self.names = {number: name for name, number in zip(self.before, self.files.values())}
        self.directory = directory.stat().st_ino
        self.events: list[Event] = []

    def read(self, path: Path) -> None:
        """Adds what was recorded."""
        data, at = path.read_bytes(), 0
        files = {self.directory: 0} | self.files
        count = len(self.files)
        while at < len(data):
            kind, _process, error, name_length, inode, offset, length = ENTRY.unpack_from(data, at)
            at += ENTRY.size
            name = data[at : at + name_length].decode()
            at += name_length
            if kind == CREATE:
                # The number of an inode is used again, that of a file is not.
                count += 1
                files[inode] = count
            if inode not in files:
                raise ValueError(f"the trace has a file that nobody has made: {kind} {name}")
            self.events.append(Event(kind, error, files[inode], name, offset, data[at : at + length]))
            at += length

    def ledgers(self, cut: int) -> dict[str, str]:
        """What stood in the ledgers before the event number `cut`, synced or not: it had been said by then."""
        names = dict(self.names)
        texts: dict[str, list[str]] = {}
        for event in self.events[:cut]:
            if event.kind == CREATE:
                names[event.file] = event.name
            if event.kind == WRITE and names.get(event.file, "").endswith(".ledger"):
                texts.setdefault(names[event.file], []).append(event.data.decode())
        return {name: "".join(parts) for name, parts in texts.items()}
