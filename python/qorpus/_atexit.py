"""Writers that nobody closed: what they accepted becomes durable when the process ends."""

import os
from multiprocessing import util

from qorpus._qorpus import close_writers

_watched = None


def watch() -> None:
    """Has the writers closed when this process ends; whoever opens one calls it.

    A forked child of multiprocessing, such as a worker of a pool, ends without Python's own end: nothing is dropped
    there, and only multiprocessing's finalizers run. In other processes they run too, at exit.
    """
    global _watched
    if _watched != os.getpid():
        _watched = os.getpid()
        # A finalizer does nothing in a fork of its process.
        util.Finalize(None, close_writers, exitpriority=-100)


__all__ = ["watch"]
