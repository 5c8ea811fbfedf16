"""Close the writers that are still open when the process exits: their records become durable."""

import os
from multiprocessing import util

from qorpus._qorpus import close_writers

_watched = None


def watch() -> None:
    """Close all open writers when this process exits. Opening a writer calls this.

    Forked children of multiprocessing, such as the workers of a pool, skip Python's normal
    shutdown and run only multiprocessing's finalizers. Other processes run these at exit as well.
    """
    global _watched
    if _watched != os.getpid():
        _watched = os.getpid()
        # A finalizer does nothing in a fork of the process that registered it.
        util.Finalize(None, close_writers, exitpriority=-100)
