"""Records as the pages and their JSON have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from qorpus._drawing import Drawing
from qorpus._heat_map import cells
from qorpus.view.sample import MASKS

#: Letters of a circuit, labels and characters of a value that a list shows.
LETTERS, LABELS, CHARACTERS = 40, 12, 80

#: Qubits whose circuits a list draws.
DRAWN_QUBITS = 10


def as_json(record: Any) -> dict[str, Any]:
    """Return what `qorpus show --json` has."""
    unitary = None if record.unitary is None else np.stack([record.unitary.real, record.unitary.imag], axis=-1).tolist()
    circuit = None if record.circuit is None else list(record.circuit)
    return {"id": record.id, "circuit": circuit, "unitary": unitary, "labels": record.labels}


def card(record: Any, pixels: int = 72, letters: int = LETTERS) -> dict[str, Any]:
    """Return a record for a list: pictures, and its labels."""
    circuit = record.circuit
    drawing = None
    if circuit is not None and record.qubits <= DRAWN_QUBITS:
        drawing = Drawing(circuit, record.qubits).box(letters)
    # A drawing shows the length and the gates.
    derived = ("length", *(f"count_{letter.split(' ')[0]}" for letter in circuit or ()))
    chips = [
        (name, text(value))
        for name, value in record.labels.items()
        if value is not None and name not in derived and name not in MASKS and not (value == 0 and name.startswith("count_"))
    ]
    return {
        "id": record.id,
        "drawing": drawing,
        "text": None if circuit is None else "; ".join(circuit[:letters]) + ("; …" if len(circuit) > letters else ""),
        "length": None if circuit is None else len(circuit),
        "map": None if record.unitary is None else cells(record.unitary, pixels, most=16, hover=False),
        "chips": chips[:LABELS],
        "more": max(0, len(chips) - LABELS),
    }


def text(value: Any, most: int = CHARACTERS) -> str:
    """Write the value of a label or of SQL in a few characters."""
    if isinstance(value, float):
        written = f"{value:.6g}"
    else:
        written = f"{value:,}" if isinstance(value, int) else str(value)
    return written if len(written) <= most else written[: most - 1] + "…"
