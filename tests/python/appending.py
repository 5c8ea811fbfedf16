"""What tests of a writer in one process share: matrices, and the records that were written."""

import math

import numpy as np
import qorpus

T = np.diag([1, np.exp(0.25j * np.pi)])
H = np.array([[1, 1], [1, -1]]) / math.sqrt(2)
REFUSALS = (TypeError, ValueError, IndexError, qorpus.Error)


def records(writer_or_path) -> list[qorpus.Record]:
    """All records, after a flush."""
    if isinstance(writer_or_path, qorpus.Writer):
        writer_or_path.flush()
        return list(qorpus.open(writer_or_path.path))
    return list(qorpus.open(writer_or_path))


def unitary(seed: int, dim: int = 2) -> np.ndarray:
    """A random unitary."""
    random = np.random.default_rng(seed)
    q, _ = np.linalg.qr(random.normal(size=(dim, dim)) + 1j * random.normal(size=(dim, dim)))
    return q


U = unitary(7)
