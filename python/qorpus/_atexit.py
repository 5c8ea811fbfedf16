"""Closing of the writers that are open when the process ends: their records become durable."""

import os
from multiprocessing import util

from qorpus._qorpus import close_writers

_watched = None


def watch() -> None:
    """Close the writers when this process ends. Opening a writer calls this.

    A forked child of multiprocessing, such as a worker of a pool, ends without Python's own end:
    nothing is dropped there, and only multiprocessing's finalizers run. In other processes they run
    too, at exit.
    """
    global _watched
    if _watched != os.getpid():
        _watched = os.getpid()
        # A finalizer does nothing in a fork of its process.
        util.Finalize(None, close_writers, exitpriority=-100)
