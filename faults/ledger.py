"""Ledgers: files beside a corpus in which a program writes down its acknowledged records."""

import os
from pathlib import Path


class Ledger:
    """The ledger of one process. Its lines are not buffered."""

    def __init__(self, path: str | Path):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.last: int | None = None

    def write(self, bound: int) -> None:
        if bound != self.last:
            os.write(self.file, f"{bound}\n".encode())
            self.last = bound


def bound(text: str) -> int:
    """Return the last bound of a ledger; an unfinished line of a killed process does not count."""
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return int(lines[-1]) if lines else 0


def ledgers(directory: Path) -> dict[str, str]:
    """Return the texts of all ledgers by name."""
    return {path.name: path.read_text() for path in directory.glob("*.ledger")}
