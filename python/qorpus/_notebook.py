"""Progress bars in notebooks, where standard error is not a terminal."""

from __future__ import annotations

import os
import sys
import time
from html import escape
from typing import Any

#: Seconds before a bar appears, so that short jobs show none, and between two updates.
DELAY = 0.5
INTERVAL = 0.2


def bar() -> Bar | None:
    """Return a bar if this process is the kernel of a notebook, otherwise None."""
    try:
        kernel = sys.modules["IPython"].get_ipython().kernel
        # A fork of a kernel cannot write to the notebook.
        return Bar() if kernel is not None and kernel.session.pid == os.getpid() else None
    except Exception:
        return None


class Bar:
    """One bar of a notebook, updated in place.

    It appears after half a second and stays where the job ended. A notebook that cannot show it
    does not stop the job.
    """

    def __init__(self) -> None:
        self._due = time.monotonic() + DELAY
        self._handle: Any = None
        self._line = ""

    def __call__(self, counts: tuple[int, int], line: str) -> None:
        """Show how the job stands: `counts` is how much is done, and of how much."""
        now = time.monotonic()
        ended = self._handle is not None and counts[0] >= counts[1]
        if line == self._line or (now < self._due and not ended):
            return
        self._due, self._line = now + INTERVAL, line
        try:
            self._show(_Standing(*counts, line))
        except Exception:
            self._due = float("inf")
            self._handle = None

    def _show(self, standing: _Standing) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(standing, display_id=True)
        else:
            self._handle.update(standing)


class _Standing:
    """The progress of a job."""

    def __init__(self, done: int, of: int, line: str) -> None:
        self._share = min(done / of, 1.0) if of else 0.0
        self._line = line

    def __repr__(self) -> str:
        return self._line

    def _repr_html_(self) -> str:
        line = escape(self._line)
        return (
            "<div style='display:flex;align-items:center;gap:10px;font-variant-numeric:tabular-nums'>"
            f"<progress max='1' value='{self._share:.4f}' aria-label='{line}' style='flex:0 1 280px'></progress>"
            f"<span>{line}</span></div>"
        )
