"""The shim's recording: every change of the files of a directory, in order."""

import struct
from dataclasses import dataclass
from pathlib import Path

CREATE, WRITE, TRUNCATE, SYNC, UNLINK, RENAME, LINK, MKDIR = range(8)
#: `struct entry` of shim.c.
ENTRY = struct.Struct("<IIIIQQQ")


@dataclass(frozen=True)
class Event:
    """A recorded step. `file` is unique within the trace; the directory has 0."""

    kind: int
    error: int
    file: int
    name: str
    offset: int
    data: bytes


class Trace:
    """Events, and the contents of the directory before the first of them."""

    def __init__(self, directory: Path):
        """Read the present state of the directory."""
        self.before = {path.name: path.read_bytes() for path in directory.iterdir()}
        self.files = {(directory / name).stat().st_ino: number for number, name in enumerate(self.before, 1)}
        self.names = dict(enumerate(self.before, 1))
        self.directory = directory.stat().st_ino
        self.events: list[Event] = []

    def read(self, path: Path) -> None:
        """Add the events of a recording."""
        data, at = path.read_bytes(), 0
        files = {self.directory: 0} | self.files
        count = len(self.files)
        while at < len(data):
            kind, _process, error, name_length, inode, offset, length = ENTRY.unpack_from(data, at)
            at += ENTRY.size
            name = data[at : at + name_length].decode()
            at += name_length
            if kind == CREATE:
                # An inode's number is used again, a file's is not.
                count += 1
                files[inode] = count
            if inode not in files:
                raise ValueError(f"the trace has a file that was never created: {kind} {name}")
            self.events.append(Event(kind, error, files[inode], name, offset, data[at : at + length]))
            at += length

    def ledgers(self, crash: int) -> dict[str, str]:
        """Return the ledgers before the event `crash`, synced or not: they were acknowledged."""
        names = dict(self.names)
        texts: dict[str, list[str]] = {}
        for event in self.events[:crash]:
            if event.kind == CREATE:
                names[event.file] = event.name
            if event.kind == WRITE and names.get(event.file, "").endswith(".ledger"):
                texts.setdefault(names[event.file], []).append(event.data.decode())
        return {name: "".join(parts) for name, parts in texts.items()}
