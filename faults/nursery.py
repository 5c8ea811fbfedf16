"""Processes to disturb: forks of one that has everything loaded and the shim before its C library."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import shim

#: No program here takes seconds; a machine under load may still take long. It only ends what hangs.
PATIENCE = 300
#: More than any job here needs.
ROOM = 1 << 30


#: What is said to programs and by them.
Json = dict[str, Any]
#: Where campaigns have their directories, so that all are removed however they end; workers inherit it.
place: str | None = None


def memory() -> str | None:
    """A directory in memory, where syncs cost nothing, if there is one with room; None is the usual place."""
    if place:
        return place
    with contextlib.suppress(OSError):
        room = os.statvfs("/dev/shm")
        if os.access("/dev/shm", os.W_OK) and room.f_bavail * room.f_frsize > ROOM:
            return "/dev/shm"
    return None


@dataclass
class Request:
    """A function of victims.py, to be run in a process of its own."""

    call: str
    arguments: Json = field(default_factory=dict)
    words: tuple[str, ...] = ()


@dataclass
class Answer:
    """How it ended: an exit status, minus a signal, or "hangs"; and what it printed."""

    status: int | str
    output: str


class Nursery:
    """Owns a server of victims.py and a directory in memory; to be used in a `with`."""

    def __enter__(self) -> "Nursery":
        self.root = Path(tempfile.mkdtemp(prefix="qorpus-faults-", dir=memory())).resolve()
        (self.root / "scratch").mkdir()
        environment = os.environ | {"LD_PRELOAD": str(shim.library()), "OPENBLAS_NUM_THREADS": "1", "NO_COLOR": "1"}
        command = [sys.executable, "-u", str(Path(__file__).with_name("victims.py"))]
        self.server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(self, *_: object) -> None:
        # Closes its pipes, which it takes for the end.
        with self.server:
            pass
        shutil.rmtree(self.root)

    def directory(self, name: str = "observed") -> Path:
        """An empty one."""
        path = self.root / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

    def observed(self, directory: Path) -> shim.Observed:
        return shim.Observed(directory, self.root / "scratch")

    def run(self, *requests: Request, environment: dict[str, str] | None = None) -> list[Answer]:
        """Runs them at the same time and waits for all."""
        batch = {
            "requests": [vars(request) | {"environment": environment or {}} for request in requests],
            "scratch": str(self.root / "scratch"),
            "patience": PATIENCE,
        }
        assert self.server.stdin and self.server.stdout
        self.server.stdin.write(json.dumps(batch) + "\n")
        self.server.stdin.flush()
        return [Answer(**answer) for answer in json.loads(self.server.stdout.readline())]
