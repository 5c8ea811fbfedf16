"""Processes to disturb: forks of a server that has all modules loaded and runs under the shim."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import shim

#: The time after which a process hangs. None takes seconds, but the machine may be loaded.
TIMEOUT_SECONDS = 300
#: More memory than any job needs.
NEEDED_BYTES = 1 << 30
#: A message to or from a program.
Json = dict[str, Any]
#: The directory of all campaigns, which is removed at once; workers inherit it.
workspace: str | None = None


def in_memory() -> str | None:
    """Return a directory in memory, where syncs cost nothing; None is the usual place."""
    if workspace:
        return workspace
    with contextlib.suppress(OSError):
        room = os.statvfs("/dev/shm")
        if os.access("/dev/shm", os.W_OK) and room.f_bavail * room.f_frsize > NEEDED_BYTES:
            return "/dev/shm"
    return None


@dataclass
class Request:
    """A function of workloads.py, to run in a process of its own."""

    call: str
    arguments: Json = field(default_factory=dict)
    words: tuple[str, ...] = ()


@dataclass
class Answer:
    """The end of a process: exit status, minus a signal, or "hangs"; and its output."""

    status: int | str
    output: str

    def json(self) -> Json:
        """Return the object that a successful workload prints last."""
        assert self.status == 0, self
        found: Json = json.loads(self.output.splitlines()[-1])
        return found


#: The running workloads.py of this process, by the process's id: forks start their own.
running: dict[int, subprocess.Popen[str]] = {}


def server_of_this_process() -> subprocess.Popen[str]:
    """Return a running workloads.py. It loads its modules once, for all tasks of this process."""
    if os.getpid() not in running:
        environment = os.environ | {"LD_PRELOAD": str(shim.library()), "OPENBLAS_NUM_THREADS": "1", "NO_COLOR": "1"}
        command = [sys.executable, "-u", str(Path(__file__).with_name("workloads.py"))]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        running[os.getpid()] = server
        # The end of its input ends the server. Workers of a pool run finalizers, and not atexit.
        Finalize(None, server.__exit__, (None, None, None), exitpriority=0)
    return running[os.getpid()]


class ProcessServer:
    """A context manager that owns a directory in memory, and has a running workloads.py."""

    def __enter__(self) -> "ProcessServer":
        self.root = Path(tempfile.mkdtemp(prefix="qorpus-faults-", dir=in_memory())).resolve()
        (self.root / "scratch").mkdir()
        self.server = server_of_this_process()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.root)

    def directory(self, name: str = "observed") -> Path:
        """Make an empty directory, in the place of the last one of this name."""
        path = self.root / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

    def observed(self, directory: Path) -> shim.Observed:
        return shim.Observed(directory, self.root / "scratch")

    def run(self, *requests: Request, environment: dict[str, str] | None = None) -> list[Answer]:
        """Run all requests at the same time, and wait for all."""
        batch = {
            "requests": [vars(request) | {"environment": environment or {}} for request in requests],
            "scratch": str(self.root / "scratch"),
            "timeout": TIMEOUT_SECONDS,
        }
        assert self.server.stdin and self.server.stdout
        self.server.stdin.write(json.dumps(batch) + "\n")
        self.server.stdin.flush()
        return [Answer(**answer) for answer in json.loads(self.server.stdout.readline())]

    def succeed(self, *requests: Request, environment: dict[str, str] | None = None) -> list[Answer]:
        """Run requests that must succeed."""
        answers = self.run(*requests, environment=environment)
        assert all(answer.status == 0 for answer in answers), answers
        return answers

    def ask(self, request: Request, environment: dict[str, str] | None = None) -> Json:
        """Run a request that must succeed, and return the object that it prints last."""
        return self.succeed(request, environment=environment)[0].json()
