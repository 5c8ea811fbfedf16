"""The page of one record."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np

from qorpus._drawing import Drawing
from qorpus._heat_map import heat_map
from qorpus.errors import InvalidArgument, MissingRecord
from qorpus.view.card import as_json, text
from qorpus.view.page import Page
from qorpus.view.records import whole_number
from qorpus.view.source import Source, ids_at, place_from

if TYPE_CHECKING:
    from qorpus._ranges import Ranges
    from qorpus.view.site import Site

#: Letters that are drawn and written, labels, and angles.
LETTERS, LABELS, ANGLES = 1000, 200, 200

#: Rows of a unitary that are written as numbers.
ENTRIES = 8


async def page(site: Site, request: Any) -> Page:
    """Build the page of a record."""
    id = whole_number(request.url_vars["id"], "The id of a record")
    source, ranges = site.source, await site.ranges()
    place = place_from(ranges, id)
    if ids_at(ranges, place, 1) != [id]:
        raise MissingRecord(f"there is no record {id:,}{_existing(ranges)}")
    record, tableau = await asyncio.to_thread(_read, source, id)
    level = next((level for level in source.levels if id in level.ids), None)
    shown = {
        "record": record,
        "drawing": Drawing(record.circuit, record.qubits).box(LETTERS) if record.circuit is not None else None,
        "text": _written(record.circuit),
        "map": heat_map(record.unitary) if record.unitary is not None else None,
        "entries": _entries(record.unitary),
        "tableau": tableau,
        "angles": _angles(record, source),
        "shown_labels": [(name, text(value)) for name, value in record.labels.items()][:LABELS],
        "level": level,
        "neighbours": {
            name: ids_at(ranges, at, 1)[0] if 0 <= at < len(ranges) else None
            for name, at in {"first": 0, "previous": place - 1, "next": place + 1, "last": len(ranges) - 1}.items()
        },
    }
    return Page("record", {**as_json(record), "tableau": tableau}, shown)


def _existing(ranges: Ranges) -> str:
    if not len(ranges):
        return "; there are none yet"
    return f"; ids reach from {int(ranges.starts[0]):,} to {int(ranges.stops[-1]) - 1:,}"


def _read(source: Source, id: int) -> tuple[Any, list[list[int]] | None]:
    record = source.record(id)
    if record.circuit is None:
        return record, None
    try:
        return record, source.records.tableaus([id])[0].astype(int).tolist()
    except InvalidArgument:
        # Some gate is not a Clifford gate.
        return record, None


def _written(circuit: tuple[str, ...] | None) -> str | None:
    if circuit is None:
        return None
    more = f"; … {len(circuit) - LETTERS:,} more" if len(circuit) > LETTERS else ""
    return "; ".join(circuit[:LETTERS]) + more


def _entries(unitary: Any) -> list[list[str]] | None:
    """Write the entries of a small unitary with four digits."""
    if unitary is None or len(unitary) > ENTRIES:
        return None
    return [[_number(complex(entry)) for entry in row] for row in unitary]


def _number(entry: complex) -> str:
    real, imag = round(entry.real, 4) + 0.0, round(entry.imag, 4) + 0.0
    if not imag:
        return f"{real:.4f}".replace("-", "−") if real else "0"
    if not real:
        return f"{imag:.4f}i".replace("-", "−")
    return f"{real:.4f}{imag:+.4f}i".replace("-", "−")


def _angles(record: Any, source: Source) -> list[tuple[int, str, str]]:
    """Return the number of a letter, the letter and its angles, of letters with free angles."""
    if record.circuit is None or not any("?" in gate for gate in source.records.gates):
        return []
    return [
        (number, letter, ", ".join(f"{angle:.6f}" for angle in angles[~np.isnan(angles)]).replace("-", "−"))
        for number, (letter, angles) in enumerate(zip(record.circuit, record.angles, strict=False))
        if not np.isnan(angles).all()
    ][:ANGLES]
