"""Convert circuits to and from Qiskit, Cirq, BQSKit and OpenQASM with exactly the same unitaries.

A circuit is a sequence of letters in time order, such as `("h 0", "cx 0 1")`. Qubit k is qubit k
everywhere. The libraries are imported on demand.
"""

from qorpus._qorpus import to_qasm2, to_qasm3
from qorpus.interop.bqskit import from_bqskit, to_bqskit
from qorpus.interop.cirq import from_cirq, to_cirq
from qorpus.interop.imported import Imported
from qorpus.interop.qasm import from_qasm2, from_qasm3
from qorpus.interop.qiskit import from_qiskit, to_qiskit

# fmt: off
__all__ = [
    "Imported", "from_bqskit", "from_cirq", "from_qasm2", "from_qasm3", "from_qiskit", "to_bqskit", "to_cirq",
    "to_qasm2", "to_qasm3", "to_qiskit",
]
# fmt: on
