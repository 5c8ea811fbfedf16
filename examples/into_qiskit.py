"""Converts records of a corpus to Qiskit, checks their unitaries, and transpiles them.

    python examples/into_qiskit.py [CORPUS]

Without a corpus, it generates a small one in a temporary directory.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from qiskit import transpile
from qiskit.quantum_info import Operator

import qorpus

#: The number of converted records, spread over the corpus.
RECORDS = 5


def main() -> None:
    if len(sys.argv) > 1:
        show(sys.argv[1])
        return
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "demo.db")
        qorpus.generate(path, gates="clifford+t", qubits=3, random=10_000, length=(20, 60), seed=1)
        show(path)


def show(path: str) -> None:
    # In Qiskit's qubit order, the entries of both unitaries can be compared.
    corpus = qorpus.open(path, order="little")
    print(f"{'record':>8} {'letters':>8} {'transpiled':>11} {'saved':>6} {'largest difference':>20}")
    letters: tuple[str, ...] = ()
    for id in range(0, len(corpus), max(1, len(corpus) // RECORDS))[:RECORDS]:
        record = corpus[id]
        circuit = record.to_qiskit()
        difference = float(np.abs(Operator(circuit).data - record.unitary).max())
        shorter = transpile(circuit, basis_gates=["rz", "sx", "x", "cx"], optimization_level=3, seed_transpiler=0)
        before, after = len(circuit.data), len(shorter.data)
        saved = 1 - after / before if before else 0.0
        print(f"{id:>8} {before:>8} {after:>11} {saved:>6.0%} {difference:>20.1e}")
        assert difference < 1e-6, "Qiskit computes a different unitary"
        # The transpiler preserves unitaries up to a global phase, which letters cannot express.
        letters = qorpus.from_qiskit(shorter, ignore_phase=True)
    print("\nThe last one, transpiled:", "; ".join(letters[:8]), "..." if len(letters) > 8 else "")


if __name__ == "__main__":
    main()
