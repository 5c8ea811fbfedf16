"""Processes that write to a corpus, and checks of all that they have written."""

import multiprocessing
import time

import numpy as np
import qorpus
import writing
from command import PATIENCE, companions, info, integrity
from command import qorpus as command


def started(context: str, target, *arguments):
    process = multiprocessing.get_context(context).Process(target=target, args=arguments)
    process.start()
    return process


def join(processes) -> list[int]:
    """Waits for processes to end; returns their exit codes."""
    deadline = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    hanging = [process for process in processes if process.is_alive()]
    for process in hanging:
        process.kill()
    assert not hanging, f"{len(hanging)} processes hang"
    return [process.exitcode for process in processes]


def contents(path) -> dict[int, int]:
    """Checks every record against what it must be; returns how many numbers each process has, all
    from 0 on."""
    corpus = qorpus.open(path)
    if len(corpus) == 0:
        return {}
    (batch,) = corpus.stream(len(corpus), shuffle=False, columns=("labels", "circuits", "unitaries"))
    owners, numbers = batch.labels["process"], batch.labels["number"]
    assert not np.isnan(owners).any() and not np.isnan(numbers).any(), "a record lacks a label"
    owners, numbers = owners.astype(np.int64), numbers.astype(np.int64)
    found = np.full((len(corpus), 8), -1)
    found[:, : batch.circuits.shape[1]] = batch.circuits
    counts = {}
    for process in np.unique(owners).tolist():
        places = np.flatnonzero(owners == process)
        # In the order in which it appended them: none twice, none left out.
        assert np.array_equal(numbers[places], np.arange(len(places))), f"process {process}"
        assert batch.unitaries[places].tobytes() == writing.unitaries(process, numbers[places]).tobytes(), f"process {process}"
        assert np.array_equal(found[places], writing.padded(process, numbers[places])), f"process {process}"
        # The same circuits as letters, of some records.
        some = range(0, len(places), 1 + len(places) // 50)
        assert corpus.circuits(places[some]) == [writing.circuit(process, number) for number in some]
        counts[process] = len(places)
    return counts


def check_file(path):
    """Sound for every SQLite and for us, and one plain file."""
    assert companions(path) == []
    assert integrity(path) == "ok"
    command("verify", path, "--quiet")
    assert info(path)["records"] == len(qorpus.open(path))
