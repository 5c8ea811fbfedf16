"""Appending: records that you compute yourself, from any number of processes."""

from qorpus import _qorpus


class Writer(_qorpus.Writer):
    """A corpus to which records are appended, by any number of processes and threads at once.

    `append` says accepted; when `flush` returns, or the `with` block ends, all that was accepted is durable. What
    was not flushed when a process dies, or when the block ends by an exception, may be lost; nothing else is.
    Inherited through a fork it refuses: open another one in the child.

        with qorpus.Writer("mine.db", gates=["h", "s", "t"], qubits=1) as writer:
            writer.append(["h", "t"])                          # the unitary is computed
            writer.append(["h", "t"], unitary, reward=0.5)     # or given, with labels
            writer.extend(circuits, unitaries, reward=rewards) # many at once, also as arrays
            writer.flush()

    Args:
        path: the file; created if need be.
        gates: a preset or a list as text, names, pairs of a name and a matrix, or a mapping from names to matrices or
            None. A name that the library does not know is an opaque gate: it may stand on any qubits, and each record
            with it must bring its unitary. Left out, the file must exist, and its gates hold.
        qubits: 1 to 8.
        coupling: "all", "line", "ring", or pairs such as "0-1,1-2".
        dtype: "complex128" or "complex64" of the stored unitaries.
        unitaries: whether unitaries are stored; if not, they are computed on reading, and none can be given.
        tolerance: how far a given unitary may be from unitary, as the largest entry of U†U - 1; None checks only that
            its entries are finite.
        durability: "full": nothing flushed is lost, even by a power cut. "normal": a power cut may lose the last
            commits. "off": a power cut may ruin the file.

    Raises:
        qorpus.InvalidArgument: gates, qubits or options that cannot be.
        qorpus.Error: the path holds something else, or a corpus of other gates, or cannot be written.
    """
