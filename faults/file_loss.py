"""Writers whose file is taken away, or that are used in a fork: each must get an error."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import qorpus
import writing


def replace(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    os.replace(copy, path)


def delete_all(path: Path) -> None:
    for other in path.parent.glob("c.db*"):
        other.unlink()


#: The losses of the file between two commits.
LOSSES: dict[str, Callable[[Path], None]] = {
    "deleted": Path.unlink,
    "replaced": replace,
    "emptied": lambda path: os.truncate(path, 0),
    "cut to half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "cut by a byte": lambda path: os.truncate(path, path.stat().st_size - 1),
    "deleted with all that stands beside it": delete_all,
}


def write_through_loss(corpus: str, loss: str, others: int) -> None:
    """Append and flush before and after the loss; with other writers there is a WAL."""
    with contextlib.ExitStack() as opened:
        writers = [
            opened.enter_context(qorpus.Writer(corpus, gates=writing.GATES, qubits=1)) for _ in range(1 + others)
        ]
        for first in (0, 3000):
            writing.add(writers[0], 0, 0, range(first, first + 3000))
            writers[0].flush()
            if first == 0:
                LOSSES[loss](Path(corpus))
    raise AssertionError("the writer says that all is durable")


def write_through_fork(corpus: str) -> None:
    """Use a writer in a child, which must be refused and lose nothing; then in the parent."""
    writer = qorpus.Writer(corpus, gates=writing.GATES, qubits=1)
    writing.add(writer, 2, 0, range(10))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            writer.append(writing.LETTERS[0])
        except qorpus.Error as error:
            status = 0 if "fork" in str(error) else 2
        os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, f"the child ends with {status}"
    writing.add(writer, 2, 0, range(10, 20))
    writer.close()
    assert len(qorpus.open(corpus)) == 20
