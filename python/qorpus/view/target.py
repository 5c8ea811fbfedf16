"""Circuits and unitaries that a reader searches for."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qorpus import _qorpus
from qorpus._letters import MAX_UNITARY_QUBITS, gate_text
from qorpus.errors import Error
from qorpus.view.refusal import Refusal
from qorpus.view.source import Source

#: Characters of a search.
MAX_CHARACTERS = 1 << 16


class Target(NamedTuple):
    """The circuit, its text in the corpus, and the unitary; None where there is none."""

    circuit: str | None
    letters: tuple[str, ...] | None
    unitary: NDArray[np.complex128] | None


def target(source: Source, text: str) -> Target:
    """Read a circuit ("h 0; cx 0 1") or a matrix (rows by lines, or JSON).

    Raises:
        Refusal: it is neither, or does not fit the corpus.
    """
    text = text.strip()
    if len(text) > MAX_CHARACTERS:
        raise Refusal(400, f"The search has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.")
    if re.match(r"[\[(\d.+-]", text):
        return Target(None, None, _matrix(source, text))
    letters = tuple(" ".join(letter.split()) for letter in text.split(";") if letter.strip())
    if source.records.qubits == 1:
        letters = tuple(letter if re.search(r" \d+$", letter) else f"{letter} 0" for letter in letters)
    return Target(text, letters, _unitary(source, letters))


def _matrix(source: Source, text: str) -> NDArray[np.complex128]:
    dim = 1 << source.records.qubits
    try:
        lines = [re.split(r"[\s,]+", row.strip()) for row in re.split(r"[;\n]", text)]
        rows = json.loads(text) if text.startswith("[") else lines
        matrix = np.array([[_entry(entry) for entry in row] for row in rows if row != [""]], np.complex128)
    except (ValueError, TypeError, RecursionError):
        raise Refusal(
            400,
            "The search is not a matrix. Write its rows on lines, such as '1 0' and '0 1j'; or as JSON, "
            "with [re, im] for a complex entry. A circuit begins with the name of a gate.",
        ) from None
    if matrix.shape != (dim, dim):
        shape = " by ".join(map(str, matrix.shape))
        raise Refusal(400, f"The matrix is {shape}; the corpus has unitaries of {dim} by {dim}.")
    if not np.isfinite(matrix).all() or np.abs(matrix @ matrix.conj().T - np.eye(dim)).max() > 0.1:
        raise Refusal(400, "The matrix is not unitary: its rows are not orthonormal, even to one decimal.")
    return matrix


def _entry(entry: Any) -> complex:
    if isinstance(entry, str):
        return complex(re.sub(r"i$", "j", entry.strip()))
    return complex(*entry) if isinstance(entry, list) else complex(entry)


def _unitary(source: Source, letters: tuple[str, ...]) -> NDArray[np.complex128] | None:
    """Multiply the letters, in the corpus's order of qubits; None beyond eight qubits."""
    records, qubits = source.records, source.records.qubits
    try:
        placed = _qorpus.placed(letters, qubits, records.matrices)
    except Error as error:
        raise Refusal(400, f"The search is not a circuit of this corpus: {error}") from None
    if qubits > MAX_UNITARY_QUBITS:
        return None
    dim = 1 << qubits
    product = np.eye(dim, dtype=np.complex128).reshape((2,) * qubits + (dim,))
    for (name, angles, on), letter in zip(placed, letters, strict=True):
        gate = letter.split(" ")[0]
        matrix = records.matrices.get(gate)
        if matrix is None:
            try:
                matrix = _qorpus.matrix(gate_text(name, angles))
            except Error:
                return None
        count = len(on)
        moved = np.tensordot(matrix.reshape((2,) * (2 * count)), product, axes=(range(count, 2 * count), on))
        product = np.moveaxis(moved, range(count), on)
    return product.reshape(dim, dim)
