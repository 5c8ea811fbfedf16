"""The programs that are disturbed and that look at what is left, each a function run in a process of its own.

A ledger is a file beside the corpus: after each acknowledgement the program writes down what it was told is durable.
"""

import contextlib
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "python"))

import numpy as np
import qorpus
import writing
from command import QORPUS
from contenders import contend, halt, look_in, visit  # noqa: F401
from nursery import Json
from robbers import forked, robbed  # noqa: F401
from qorpus._qorpus import command as qorpus_command


class Ledger:
    """Lines of one process, none of them buffered."""

    def __init__(self, path: str | Path):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.last: int | None = None

    def write(self, bound: int) -> None:
        if bound != self.last:
            os.write(self.file, f"{bound}\n".encode())
            self.last = bound


def generate(corpus: str, ledger: str, durability: str = "full", **recipe: Any) -> None:
    """`qorpus.generate`; the ledger has how many records each commit left there."""
    told = Ledger(ledger)
    qorpus.generate(corpus, durability=durability, progress=lambda records, _: told.write(records), **recipe)
    told.write(len(qorpus.Recipe(**recipe)))


def append(
    corpus: str, ledger: str, process: int, count: int, batch: int, durability: str = "full", start: int = 0
) -> None:
    """Appends the records `start` to `count` of a process, with a flush after each batch."""
    told = Ledger(ledger)
    with qorpus.Writer(corpus, gates=writing.GATES, qubits=1, durability=durability) as writer:
        for first in range(start, count, batch):
            numbers = range(first, min(count, first + batch))
            writing.add(writer, 0, process, numbers)
            writer.flush()
            told.write(numbers.stop)
    told.write(count)


def binary(*arguments: str) -> None:
    """The `qorpus` command as people have it: this process becomes it."""
    os.execv(QORPUS, [str(QORPUS), *arguments])


def read_along(corpus: str, records: int) -> None:
    """Reads what others write until there are so many records: the writer turns the log on for it."""
    reader, since = None, time.monotonic()
    while reader is None and time.monotonic() - since < 0.1:
        with contextlib.suppress(qorpus.Error):
            reader = qorpus.open(corpus)
        time.sleep(0.001)
    if reader is None:
        return
    seen, since = 0, time.monotonic()
    # Who writes may be killed.
    while seen < records and time.monotonic() - since < 0.1:
        if len(reader) > seen:
            seen, since = len(reader), time.monotonic()
            reader[seen - 1]
        time.sleep(0.001)


def keys(corpus: "qorpus.Corpus") -> list[list[int]]:
    """Whose the records are, in order: process, first number, end. All bytes must be what that process appended."""
    ids = range(len(corpus))
    found = [(labels["process"], labels["number"]) for labels in corpus.labels(ids)]
    unitaries, circuits = corpus.unitaries(ids), corpus.circuits(ids)
    table = np.array(found, dtype=np.int64).reshape(-1, 2)
    runs: list[list[int]] = []
    for process, number in found:
        if runs and runs[-1][0] == process and runs[-1][2] == number:
            runs[-1][2] += 1
        else:
            runs.append([process, number, number + 1])
    for process in sorted(set(table[:, 0].tolist())):
        places = np.flatnonzero(table[:, 0] == process)
        numbers = table[places, 1]
        assert np.array_equal(numbers, np.arange(len(places))), f"process {process} has {numbers.tolist()}"
        exact = writing.unitaries(process, numbers)
        assert unitaries[places].tobytes() == exact.tobytes(), f"unitaries of process {process} are not its own"
        for place, number in zip(places.tolist(), numbers.tolist()):
            assert circuits[place] == writing.circuit(process, number), f"record {place} is no record of {process}"
    return runs


def examine(corpus: str, resume: list[Json] | None, appended: bool) -> None:
    """What Qorpus finds in a corpus after a fault, and whether the job can be finished; printed as JSON.

    An empty file, or none, is a corpus that nobody has begun.
    """
    found: Json = {"records": 0, "keys": []}
    # A journal beside it may make it empty; only an open shows it.
    status = qorpus_command(["verify", corpus, "--quiet"])
    found["begun"] = os.path.exists(corpus) and os.path.getsize(corpus) > 0
    if found["begun"]:
        assert status == 0, f"verify finds fault (exit status {status})"
        reader = qorpus.open(corpus)
        found["records"] = len(reader)
        found["keys"] = keys(reader) if appended else []
        found["hash"] = reader.content_hash
        del reader
    if resume is not None:
        for request in resume:
            arguments = dict(request["arguments"])
            if appended:
                arguments["start"] = max(
                    [end for process, _, end in found["keys"] if process == arguments["process"]], default=0
                )
            status = globals()[request["call"]](*request.get("words", ()), **arguments)
            assert not status, f"the job cannot be finished (exit status {status})"
        assert qorpus_command(["verify", corpus, "--quiet"]) == 0, "verify finds fault at the end"
        reader = qorpus.open(corpus)
        found["end"] = len(reader)
        found["hash"] = reader.content_hash
        found["end_keys"] = keys(reader) if appended else []
        del reader
    print("\n" + json.dumps(found))


def storm(call: str, arguments: Json, directory: str, processes: int, kills: int, seed: int) -> None:
    """Runs so many processes at a time, kills one after the other and replaces it; then all may finish.

    Prints how many were killed before they had ended, and how many failed.
    """
    chance, number, alive = random.Random(seed), 0, {}
    killed = failed = 0

    def begin() -> None:
        nonlocal number
        own = arguments | {"corpus": f"{directory}/c.db", "ledger": f"{directory}/{number}.ledger"}
        own |= {"process": number} if call == "append" else {}
        process = os.fork()
        if process == 0:
            os._exit(run({"call": call, "arguments": own}))
        alive[process] = number
        number += 1

    def ended(flags: int) -> int:
        nonlocal failed, killed
        process, status = os.waitpid(-1, flags)
        if process:
            del alive[process]
            code = os.waitstatus_to_exitcode(status)
            killed += code == -signal.SIGKILL
            failed += code not in (0, -signal.SIGKILL)
        return process

    for _ in range(processes):
        begin()
    for _ in range(kills):
        time.sleep(chance.random() * 0.01)
        os.kill(chance.choice(list(alive)), signal.SIGKILL)
        ended(0)
        while alive and ended(os.WNOHANG):
            pass
        # Not one for each that ends: once the job is done they end faster than they are begun.
        while len(alive) < processes:
            begin()
    while alive:
        ended(0)
    print("\n" + json.dumps({"killed": killed, "failed": failed}))


def run(request: Json) -> int:
    """Runs one of these functions and returns its exit status; an error is told as a person would be told it."""
    try:
        call: Callable[..., int | None] = globals()[request["call"]]
        return call(*request.get("words", ()), **request.get("arguments", {})) or 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        if not isinstance(error, (qorpus.Error, AssertionError)):
            traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()


def serve() -> None:
    """Runs batches of these functions, each in a fork of this process, which has loaded everything already."""
    for line in sys.stdin:
        batch = json.loads(line)
        started = {}
        for number, request in enumerate(batch["requests"]):
            output = f"{batch['scratch']}/{number}.output"
            Path(output).write_bytes(b"")
            process = os.fork()
            if process == 0:
                for stream in (1, 2):
                    os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), stream)
                os.environ.update(request.get("environment", {}))
                os._exit(run(request))
            started[process] = number
        answers: list[object] = [None] * len(started)
        deadline, waiting = time.monotonic() + batch["patience"], dict(started)
        while waiting:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                if time.monotonic() > deadline:
                    for process in waiting:
                        os.kill(process, signal.SIGKILL)
                        answers[waiting[process]] = "hangs"
                    deadline = float("inf")
                time.sleep(0.0005)
                continue
            number = waiting.pop(process)
            text = Path(f"{batch['scratch']}/{number}.output").read_text(errors="replace")
            answers[number] = {"status": answers[number] or os.waitstatus_to_exitcode(status), "output": text}
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    serve()
