"""The progress of jobs of the package's Python half, shown like that of the engine's jobs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from qorpus import _notebook
from qorpus._arguments import kind
from qorpus.errors import WrongType

#: Seconds between two updates of a terminal, and between two lines of a log.
TERMINAL_SECONDS = 0.2
LOG_SECONDS = 30.0


class Standing:
    """The records that are done, of all; shown on a terminal, in a notebook or in a log."""

    def __init__(self, of: int, call: Callable[[int, int], object] | None, bar: _notebook.Bar | None, shown: bool) -> None:
        self.done, self._of = 0, of
        self._call, self._bar, self._shown = call, bar, shown
        self._terminal = shown and sys.stderr is not None and sys.stderr.isatty()
        self._due = time.monotonic() + (TERMINAL_SECONDS if self._terminal else LOG_SECONDS)

    @staticmethod
    def of(progress: bool | Callable[[int, int], object], records: int) -> Standing:
        """Read the option `progress` of a job over this many records."""
        if isinstance(progress, bool):
            bar = _notebook.bar() if progress else None
            return Standing(records, None, bar, progress and bar is None)
        if not callable(progress):
            raise WrongType(f"progress must be True, False or a function, not {kind(progress)}")
        return Standing(records, progress, None, False)

    def add(self, records: int) -> None:
        """Count records that are done."""
        self.done += records
        if self._call is not None:
            self._call(self.done, self._of)
        if self._bar is not None:
            self._bar((self.done, self._of), self._line())
        if self._shown and time.monotonic() >= self._due:
            self._due = time.monotonic() + (TERMINAL_SECONDS if self._terminal else LOG_SECONDS)
            self._write(f"\r\x1b[2K{self._line()}" if self._terminal else f"{self._line()}\n")

    def end(self) -> None:
        """Clear the line on a terminal."""
        if self._terminal:
            self._write("\r\x1b[2K")

    def _line(self) -> str:
        return f"{self.done:,} of {self._of:,} records"

    def _write(self, text: str) -> None:
        stream: Any = sys.stderr
        stream.write(text)
        stream.flush()
