"""The programs that are disturbed, and those that examine the files, each in its own process."""

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

from built import QORPUS
import numpy as np
import qorpus
import writing
from contenders import contend, look_in, stop_lock_holder, visit
from file_loss import write_through_fork, write_through_loss
from ledger import Ledger
from process_server import Json
from qorpus._qorpus import command as qorpus_command


def generate(corpus: str, ledger: str, durability: str = "full", **recipe: Any) -> None:
    """Run `qorpus.generate`; the ledger gets the number of records after each commit."""
    acknowledged = Ledger(ledger)
    qorpus.generate(corpus, durability=durability, progress=lambda records, _: acknowledged.write(records), **recipe)
    acknowledged.write(len(qorpus.Recipe(**recipe)))


def append(
    corpus: str, ledger: str, process: int, count: int, batch: int, durability: str = "full", start: int = 0
) -> None:
    """Append the records `start` to `count` of a process, with a flush after each batch."""
    acknowledged = Ledger(ledger)
    with qorpus.Writer(corpus, gates=writing.GATES, qubits=1, durability=durability) as writer:
        for first in range(start, count, batch):
            numbers = range(first, min(count, first + batch))
            writing.add(writer, 0, process, numbers)
            writer.flush()
            acknowledged.write(numbers.stop)
    acknowledged.write(count)


def execute(*arguments: str) -> None:
    """Become the `qorpus` command."""
    os.execv(QORPUS, [str(QORPUS), *arguments])


def read_along(corpus: str, records: int) -> None:
    """Read the first `records` records as others write them; a reader makes them use a WAL."""
    reader, since = None, time.monotonic()
    while reader is None and time.monotonic() - since < 0.1:
        with contextlib.suppress(qorpus.Error):
            reader = qorpus.open(corpus)
        time.sleep(0.001)
    if reader is None:
        return
    seen, since = 0, time.monotonic()
    # The writer may have been killed.
    while seen < records and time.monotonic() - since < 0.1:
        if len(reader) > seen:
            seen, since = len(reader), time.monotonic()
            reader[seen - 1]
        time.sleep(0.001)


def keys(corpus: "qorpus.Corpus") -> list[list[int]]:
    """Return runs of records: process, first number, end. Every byte must be the process's own."""
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
            assert circuits[place] == writing.circuit(process, number), f"record {place} is not a record of {process}"
    return runs


def examine(corpus: str, resume: list[Json] | None, appended: bool) -> None:
    """Verify a corpus after a fault, finish the job with `resume`, and print the findings as JSON.

    An empty file, or none, is a corpus that was not begun.
    """
    found: Json = {"records": 0, "keys": []}
    # A hot journal may empty the file; only an open shows it.
    status = qorpus_command(["verify", corpus, "--quiet"])
    if os.path.exists(corpus) and os.path.getsize(corpus) > 0:
        assert status == 0, f"verify finds fault (exit status {status})"
        reader = qorpus.open(corpus)
        # A generated corpus has all ids of its recipe from the beginning.
        records = reader.info["records"]
        found |= {"records": records, "hash": reader.content_hash, "keys": keys(reader) if appended else []}
        del reader
    if resume is not None:
        for request in resume:
            arguments = dict(request["arguments"])
            if appended:
                ends = [end for process, _, end in found["keys"] if process == arguments["process"]]
                arguments["start"] = max(ends, default=0)
            status = WORKLOADS[request["call"]](*request.get("words", ()), **arguments) or 0
            assert status == 0, f"the job cannot be finished (exit status {status})"
        assert qorpus_command(["verify", corpus, "--quiet"]) == 0, "verify finds fault at the end"
        reader = qorpus.open(corpus)
        found |= {"end": reader.info["records"], "hash": reader.content_hash, "end_keys": keys(reader) if appended else []}
        del reader
    print("\n" + json.dumps(found))


def storm(call: str, arguments: Json, directory: str, processes: int, kills: int, seed: int) -> None:
    """Run some processes at a time, kill one after another and replace it; then let all finish.

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


#: The functions that a request may call.
WORKLOADS: dict[str, Callable[..., int | None]] = {
    workload.__name__: workload
    for workload in (
        generate, append, execute, read_along, examine, storm,
        contend, stop_lock_holder, visit, look_in, write_through_loss, write_through_fork,
    )
}  # fmt: skip


def run(request: Json) -> int:
    """Run a workload and return its exit status; print an error as the command would."""
    try:
        return WORKLOADS[request["call"]](*request.get("words", ()), **request.get("arguments", {})) or 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        if not isinstance(error, (qorpus.Error, AssertionError)):
            traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()


def serve() -> None:
    """Run batches of workloads, each in a fork of this process, which has loaded everything."""
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
        deadline, waiting = time.monotonic() + batch["timeout"], dict(started)
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
