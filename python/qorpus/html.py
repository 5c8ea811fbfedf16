"""What notebooks show: a record with its unitary as a heat map, a corpus as a card, rows as a table."""

from __future__ import annotations

import cmath
import colorsys
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from qorpus._qorpus import Records
    from qorpus.sql import Rows

#: Circuits and rows beyond these are left out.
MOST_CIRCUITS = 5
MOST_ROWS = 50
MOST_LETTERS = 30

#: A heat map is about this many pixels wide, whatever the size of the unitary.
MAP_PIXELS = 128


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th style='text-align:left'>{name}</th><td>{value}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def _circuit(letters: tuple[str, ...]) -> str:
    shown = "; ".join(letters[:MOST_LETTERS])
    more = f"; … {len(letters) - MOST_LETTERS} more" if len(letters) > MOST_LETTERS else ""
    return f"<code>{escape(shown)}{more}</code>"


def heat_map(unitary: np.ndarray[Any, Any]) -> str:
    """The matrix as SVG: brightness is the magnitude of an entry, hue its phase; hovering tells the number."""
    size = max(2, MAP_PIXELS // len(unitary))
    cells = []
    for row, entries in enumerate(unitary.tolist()):
        for column, entry in enumerate(entries):
            magnitude = min(abs(entry), 1.0)
            red, green, blue = colorsys.hls_to_rgb(
                cmath.phase(entry) / (2 * cmath.pi) % 1.0, 1 - 0.55 * magnitude, 0.8 if magnitude > 1e-12 else 0.0
            )
            colour = f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
            cells.append(
                f"<rect x='{column * size}' y='{row * size}' width='{size}' height='{size}' fill='{colour}'>"
                f"<title>[{row}, {column}] {entry:.4g}</title></rect>"
            )
    side = size * len(unitary)
    return f"<svg width='{side}' height='{side}' style='border:1px solid #888'>{''.join(cells)}</svg>"


def record(id: int, circuit: tuple[str, ...], unitary: np.ndarray[Any, Any], labels: dict[str, Any]) -> str:
    """A record: circuit, labels, heat map."""
    shown = ", ".join(f"{escape(str(k))} {escape(str(v))}" for k, v in labels.items() if v or k == "length")
    return _table([("record", str(id)), ("circuit", _circuit(circuit)), ("labels", shown), ("unitary", heat_map(unitary))])


def card(records: Records, title: str, facts: list[tuple[str, str]]) -> str:
    """A corpus or recipe: what it is, its first circuits, and the unitary of the first one that is not empty."""
    rows = [(escape(name), escape(value)) for name, value in facts]
    first = records.circuits(range(min(MOST_CIRCUITS, len(records))))
    for id, circuit in enumerate(first):
        rows.append((f"[{id}]", _circuit(circuit)))
    if first:
        id = next((id for id, circuit in enumerate(first) if circuit), 0)
        rows.append((f"[{id}].unitary", heat_map(records.unitaries([id])[0])))
    return f"<b>{escape(title)}</b>{_table(rows)}"


def rows(found: Rows) -> str:
    """The first rows of a query."""

    def cell(value: Any) -> str:
        text = f"{len(value)} bytes" if isinstance(value, bytes) else str(value)
        return f"<td>{escape(text)}</td>"

    head = "".join(f"<th>{escape(name)}</th>" for name in found.columns)
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in found[:MOST_ROWS])
    more = f"<p>… {len(found) - MOST_ROWS} more rows</p>" if len(found) > MOST_ROWS else ""
    return f"<table><tr>{head}</tr>{body}</table>{more}"
