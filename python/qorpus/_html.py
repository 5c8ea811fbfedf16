"""HTML for notebooks: records with heat maps, corpora as cards, rows as tables."""

from __future__ import annotations

import cmath
import colorsys
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from qorpus.errors import MissingRecord

if TYPE_CHECKING:
    from qorpus._qorpus import Records

#: Circuits and rows beyond these are left out.
MAX_CIRCUITS = 5
MAX_ROWS = 50
MAX_LETTERS = 30

#: The width of a heat map, about, and the most cells of a side, whatever the size of the unitary.
MAP_PIXELS = 128
MAP_CELLS = 32


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th style='text-align:left'>{name}</th><td>{value}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def _circuit(letters: tuple[str, ...]) -> str:
    shown = "; ".join(letters[:MAX_LETTERS])
    more = f"; … {len(letters) - MAX_LETTERS} more" if len(letters) > MAX_LETTERS else ""
    return f"<code>{escape(shown)}{more}</code>"


def _colour(entry: complex) -> str:
    magnitude = min(abs(entry), 1.0)
    hue, saturation = cmath.phase(entry) / (2 * cmath.pi) % 1.0, 0.8 if magnitude > 1e-12 else 0.0
    parts = colorsys.hls_to_rgb(hue, 1 - 0.55 * magnitude, saturation)
    return "#" + "".join(f"{round(part * 255):02x}" for part in parts)


def heat_map(unitary: np.ndarray[Any, Any]) -> str:
    """Draw a square matrix, of a power of two of rows, as an `<svg>` element.

    Brightness is the magnitude of an entry, hue its phase; hovering tells the number. If there are
    more than 32 rows, each cell shows the largest entry of a square block.

    Example:
        >>> from qorpus._html import heat_map
        >>> heat_map(np.eye(2)).count("<rect")
        4
    """
    dim = len(unitary)
    count = min(dim, MAP_CELLS)
    width, size = dim // count, max(2, MAP_PIXELS // count)
    blocks = unitary.reshape(count, width, count, width).swapaxes(1, 2).reshape(count, count, -1)
    largest = np.abs(blocks).argmax(axis=2)
    cells = []
    for (row, column), place in np.ndenumerate(largest):
        entry = complex(blocks[row, column, place])
        at = f"[{row * width + place // width}, {column * width + place % width}]"
        cells.append(
            f"<rect x='{column * size}' y='{row * size}' width='{size}' height='{size}' fill='{_colour(entry)}'>"
            f"<title>{at} {entry:.4g}</title></rect>"
        )
    side = size * count
    return f"<svg width='{side}' height='{side}' style='border:1px solid #888'>{''.join(cells)}</svg>"


def record(id: int, circuit: tuple[str, ...], unitary: np.ndarray[Any, Any], labels: dict[str, Any]) -> str:
    """Show a record: circuit, labels, heat map."""
    shown = ", ".join(f"{escape(str(k))} {escape(str(v))}" for k, v in labels.items() if v or k == "length")
    facts = [("record", str(id)), ("circuit", _circuit(circuit)), ("labels", shown), ("unitary", heat_map(unitary))]
    return _table(facts)


def card(records: Records, title: str, facts: list[tuple[str, str]]) -> str:
    """Show a corpus or recipe: facts, its first circuits, and a unitary."""
    rows = [(escape(name), escape(value)) for name, value in facts]
    try:
        # A recipe of appended records has none.
        first = records.circuits(range(min(MAX_CIRCUITS, len(records)))) if records else []
    except MissingRecord:
        first = []
    for id, circuit in enumerate(first):
        rows.append((f"[{id}]", _circuit(circuit)))
    if first:
        id = next((id for id, circuit in enumerate(first) if circuit), 0)
        rows.append((f"[{id}].unitary", heat_map(records.unitaries([id])[0])))
    return f"<b>{escape(title)}</b>{_table(rows)}"


def rows(columns: list[str], found: Sequence[tuple[Any, ...]]) -> str:
    """Show the first rows of a query."""

    def cell(value: Any) -> str:
        text = f"{len(value)} bytes" if isinstance(value, bytes) else str(value)
        return f"<td>{escape(text)}</td>"

    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in found[:MAX_ROWS])
    more = f"<p>… {len(found) - MAX_ROWS} more rows</p>" if len(found) > MAX_ROWS else ""
    return f"<table><tr>{head}</tr>{body}</table>{more}"
