"""Writers whose file is taken away, or that are carried through a fork: what they are told."""

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


#: What somebody does to the file between two commits.
HARMS: dict[str, Callable[[Path], None]] = {
    "deleted": Path.unlink,
    "replaced": replace,
    "emptied": lambda path: os.truncate(path, 0),
    "cut to half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "cut by a byte": lambda path: os.truncate(path, path.stat().st_size - 1),
    "deleted with all that stands beside it": delete_all,
}


def robbed(corpus: str, harm: str, others: int) -> None:
    """Appends and flushes before and after the harm; with others, there is a write-ahead log."""
    with contextlib.ExitStack() as opened:
        writers = [opened.enter_context(qorpus.Writer(corpus, gates=writing.GATES, qubits=1)) for _ in range(1 + others)]
        for first in (0, 3000):
            writing.add(writers[0], 0, 0, range(first, first + 3000))
            writers[0].flush()
            if first == 0:
                HARMS[harm](Path(corpus))
    raise AssertionError("it was told that all is durable")


def forked(corpus: str) -> None:
    """The child is refused and loses nothing of its parent's, which goes on."""
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
