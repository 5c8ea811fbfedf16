"""Processes that read a corpus for a limited time, with limited memory."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import queue
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from qorpus.errors import Error
from qorpus.view.refusal import Refusal
from qorpus.view.source import Source
from qorpus.view.tasks import TASKS

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

#: Tasks at the same time, those that may wait, and what a task may allocate.
WORKERS, WAITING, MEMORY = 2, 16, 2 << 30

#: Seconds after which a task ends, whatever it does.
SECONDS = 5.0


class Workers:
    """Some processes, of which each runs one task at a time."""

    def __init__(self, path: str) -> None:
        self._threads = ThreadPoolExecutor(WORKERS, "qorpus-view")
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._asked = 0
        for _ in range(WORKERS):
            self._free.put(Worker(path))

    async def run(self, task: str, *arguments: Any) -> Any:
        """Run a task and return its result.

        Raises:
            Refusal: the task failed, or took too much time or memory.
        """
        if self._asked >= WORKERS + WAITING:
            raise Refusal(503, "The server is busy with other queries. Try again in some seconds.")
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, partial(self._run, task, *arguments))
        finally:
            self._asked -= 1

    def _run(self, task: str, *arguments: Any) -> Any:
        worker = self._free.get()
        try:
            return worker.run(task, *arguments)
        finally:
            self._free.put(worker)


class Worker:
    """A process that runs tasks, and is replaced when one ends it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, self._path), daemon=True)
        self._process.start()
        theirs.close()

    def run(self, task: str, *arguments: Any) -> Any:
        """Run a task and return its result."""
        try:
            self._pipe.send((task, arguments))
            succeeded, answer = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            ended = self._process.exitcode
            self._start()
            raise Refusal(*_reason(ended)) from None
        if not succeeded:
            raise Refusal(400, answer)
        return answer


def _reason(exitcode: int | None) -> tuple[int, str]:
    """Explain the end of a process in a task."""
    if exitcode == -signal.SIGALRM:
        advice = "Ask for fewer records, such as 'where id < 100000'."
        return 400, f"This took more than {SECONDS:g} seconds and was stopped. {advice}"
    if exitcode in (-signal.SIGABRT, -signal.SIGKILL):
        return 400, f"This needed more than {MEMORY >> 30} GiB of memory and was stopped. Ask for fewer records or columns."
    return 500, "The process that ran this has ended. Try again; if it ends again, check the corpus with 'qorpus verify'."


def _work(pipe: Connection, path: str) -> None:
    """Run tasks until the server closes the pipe or ends."""
    # Ctrl-C in the terminal is for the server.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _limit_memory()
    source: Source | None = None
    while True:
        try:
            task, arguments = pipe.recv()
        except EOFError:
            return
        # Ends even a task that outlives the server.
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            source = source or Source(path)
            answer = True, TASKS[task](source, *arguments)
        except MemoryError:
            answer = False, _reason(-signal.SIGABRT)[1]
        except Error as error:
            answer = False, str(error)
        signal.setitimer(signal.ITIMER_REAL, 0)
        pipe.send(answer)


def _limit_memory() -> None:
    """Limit what this process may allocate beyond what it has."""
    with contextlib.suppress(OSError, ValueError), open("/proc/self/status", encoding="ascii") as file:
        has = next(int(line.split()[1]) << 10 for line in file if line.startswith("VmData:"))
        resource.setrlimit(resource.RLIMIT_DATA, (has + MEMORY, has + MEMORY))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
