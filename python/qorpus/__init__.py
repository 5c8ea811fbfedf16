"""Corpora for quantum compiling: large sets of (circuit, unitary) pairs in one SQLite file.

Examples:
    >>> import qorpus
    >>> corpus = qorpus.generate("demo.db", gates="clifford+t", qubits=2, random=10_000)
    >>> corpus[7].unitary.shape, corpus.unitaries(slice(0, 1000)).shape
    ((4, 4), (1000, 4, 4))
    >>> with qorpus.Writer("mine.db", gates=["h", "s", "t"], qubits=1) as writer:
    ...     writer.append(["h", "t"], reward=0.5)
    >>> qorpus.open("mine.db")[0].labels["reward"]
    0.5
    >>> every = qorpus.distinct("every.db", gates="h,t", qubits=1, max_length=6)
    >>> every.find("t; h; h").circuit
    ('t 0',)
"""

import os

from qorpus import errors, interop, ray
from qorpus._batches import Batch
from qorpus._distinct import Found, Level
from qorpus._drawing import Drawing
from qorpus._jobs import distinct, generate, seal
from qorpus._qorpus import Record, Writer, __version__, after_fork, before_fork, sqlite_extension
from qorpus._sql import Rows
from qorpus.corpus import Corpus, Present, open
from qorpus.dataset import Split
from qorpus.errors import *
from qorpus.interop import *
from qorpus.recipe import Recipe
from qorpus.stream import Stream

# fmt: off
__all__ = [
    "Batch", "Corpus", "Drawing", "Found", "Level", "Present", "Recipe", "Record", "Rows", "Split", "Stream", "Writer",
    "__version__", "distinct", "generate", "open", "ray", "seal", "sqlite_extension",
]
# fmt: on
__all__ += errors.__all__
__all__ += interop.__all__

# SQLite's handles and locks must not cross a fork: they are closed before it and reopened on demand.
os.register_at_fork(before=before_fork, after_in_parent=after_fork, after_in_child=after_fork)
