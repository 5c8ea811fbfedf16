"""Corpora for quantum compiling: huge sets of (circuit, unitary) pairs, in one SQLite file.

    import qorpus

    qorpus.generate("c.db", gates="clifford+t", qubits=2, random=1_000_000)
    corpus = qorpus.open("c.db")
    corpus[7].unitary                      # (4, 4) complex128
    corpus.unitaries(slice(0, 1000))       # (1000, 4, 4)

    qorpus.distinct("all.db", gates="h,t,tdg,cx", qubits=2, max_length=8)

    with qorpus.Writer("mine.db", gates=["h", "s", "t"], qubits=1) as writer:
        writer.append(["h", "t"], reward=0.5)
"""

import os

from qorpus import errors, interop, ray
from qorpus._batches import Batch
from qorpus._distinct import Found, Level
from qorpus._drawing import Drawing
from qorpus._jobs import distinct, generate, seal
from qorpus._qorpus import Record, Writer, __version__, after_fork, before_fork
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
    "__version__", "distinct", "generate", "open", "ray", "seal",
]
# fmt: on
__all__ += errors.__all__
__all__ += interop.__all__

# SQLite's handles and locks do not live through a fork: they are closed before it and opened again
# when needed.
os.register_at_fork(before=before_fork, after_in_parent=after_fork, after_in_child=after_fork)
