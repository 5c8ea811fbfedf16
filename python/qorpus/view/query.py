"""SQL over the records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qorpus._heat_map import cells
from qorpus.view.card import text
from qorpus.view.page import Page
from qorpus.view.records import whole_number
from qorpus.view.refusal import Refusal
from qorpus.view.worker import SECONDS

if TYPE_CHECKING:
    from qorpus.view.site import Site

#: Rows that a page shows, and rows of JSON by default and at most.
ROWS, MOST_ROWS = 100, 10_000

#: Unitaries that a page draws, and characters of a circuit.
MAPS, CIRCUIT = 25, 400


async def page(site: Site, request: Any) -> Page:
    """Build the page of a query and its rows."""
    query = (request.args.get("sql") or "").strip()
    limit = whole_number(request.args.get("limit") or str(ROWS), "limit")
    if not 0 < limit <= MOST_ROWS:
        raise Refusal(400, f"limit is {limit:,}; it must be from 1 to {MOST_ROWS:,}.")
    shown = {"query": query, "seconds": SECONDS, "examples": _examples(site), "columns_known": _columns(site)}
    if not query:
        return Page("sql", {"columns": [], "rows": [], "truncated": False}, {**shown, "asked": False})
    parameters = {name: request.args.get(name) for name in request.args if name not in ("sql", "limit")}
    try:
        columns, rows, truncated = await site.workers.run("query", query, parameters, limit)
    except Refusal as refusal:
        if request.url_vars.get("json"):
            raise
        return Page("sql", {"error": refusal.sentence}, {**shown, "asked": True, "status": refusal.status})
    data = {"columns": columns, "rows": rows, "truncated": truncated}
    shown |= {"asked": True, "table": _table(site, columns, rows[:ROWS]), "kinds": _kinds(rows)}
    return Page("sql", data, shown)


def _table(site: Site, columns: list[str], rows: list[tuple[Any, ...]]) -> list[list[dict[str, Any]]]:
    """Return the cells of a table: text, a link to a record, or a picture of a unitary."""
    records, drawn = site.source.records, 0
    table = []
    for row in rows:
        line = []
        for name, value in zip(columns, row, strict=True):
            cell: dict[str, Any] = {"text": "" if value is None else text(value), "null": value is None}
            if isinstance(value, bytes):
                cell["text"] = f"{len(value):,} bytes"
                dim = 1 << records.qubits if records.has_unitaries else 0
                if name == "unitary" and dim and len(value) == dim * dim * records.dtype.itemsize and drawn < MAPS:
                    cell["map"] = cells(np.frombuffer(value, records.dtype).reshape(dim, dim), 48, most=16, hover=False)
                    drawn += 1
            elif name == "id" and isinstance(value, int) and value >= 0:
                cell |= {"id": value, "text": f"{value:,}"}
            elif name == "circuit" and isinstance(value, str):
                cell |= {"code": True, "text": text(value, CIRCUIT)}
            line.append(cell)
        table.append(line)
    return table


def _kinds(rows: list[tuple[Any, ...]]) -> list[bool]:
    """Return for each column whether it has numbers alone, which are aligned at the right."""
    columns = zip(*rows, strict=True)
    return [all(value is None or isinstance(value, int | float) for value in column) for column in columns]


def _columns(site: Site) -> list[str]:
    records = site.source.records
    gates = [f"count_{gate}" for gate in records.gates] if records.has_circuits else []
    return ["id", "circuit", "length", "unitary", *gates, *records.label_types()]


def _examples(site: Site) -> list[tuple[str, str]]:
    """Return titles and queries that suit the records."""
    records = site.source.records
    examples = []
    if records.has_circuits:
        gate = records.gates[0]
        examples.append(("Lengths of the first records", (
            "select length, count(*) from records\nwhere id < 100000 group by length"
        )))  # fmt: skip
        quoted = f'"count_{gate}"' if not gate.isidentifier() else f"count_{gate}"
        examples.append((f"Circuits with three {gate}", (
            f"select id, circuit from records\nwhere {quoted} = 3 limit 20"
        )))  # fmt: skip
    if records.has_unitaries:
        examples.append(("Nearest to the unitary of record 0", (
            "select id, distance(unitary, (select unitary from records where id = 0)) as d,\n"
            "  unitary from records where id < 10000 order by d limit 10"
        )))  # fmt: skip
    return examples
