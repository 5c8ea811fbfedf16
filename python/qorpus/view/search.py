"""Search by a circuit, a unitary, or the unitary of a record."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from qorpus._drawing import Drawing
from qorpus._heat_map import cells, legend
from qorpus.view.card import card
from qorpus.view.page import Page
from qorpus.view.records import whole_number
from qorpus.view.target import Target, target

if TYPE_CHECKING:
    from qorpus.view.site import Site

#: Records that a search lists.
RECORDS = 10

#: Distances below this are differences of rounding.
SAME = 1e-7


async def page(site: Site, request: Any) -> Page:
    """Build the page of a search and its answers."""
    source, ranges = site.source, await site.ranges()
    text, like = request.args.get("q") or "", request.args.get("record")
    if like is not None:
        id = whole_number(like, "record")
        record = await asyncio.to_thread(source.record, id)
        letters = record.circuit
        wanted = Target(None, letters, record.unitary)
        title = f"the unitary of record {id:,}"
    elif text.strip():
        wanted, title = target(source, text), ""
    else:
        return Page("search", {}, {"asked": False})
    first = whole_number(request.args.get("from") or "0", "from")
    stop = int(ranges.stops[-1]) if len(ranges) else 0
    data: dict[str, Any] = {"find": None, "same_circuit": None, "nearest": None}
    if source.is_enumeration and like is None:
        asked = list(wanted.letters) if wanted.letters is not None else wanted.unitary
        data["find"] = await site.workers.run("find", asked)
    if wanted.circuit is not None and wanted.letters is not None and not source.is_enumeration:
        shortest, longest = source.records.lengths
        if shortest <= len(wanted.letters) <= longest or source.records.is_appended:
            found, came = await site.workers.run("scan", *_same_circuit(source, wanted.letters), first, stop, RECORDS)
        else:
            found, came = [], stop
        data["same_circuit"] = {"ids": found, "first": first, "last": came - 1, "ended": came >= stop}
    if wanted.unitary is not None and source.records.has_unitaries:
        pairs, came = await site.workers.run("nearest", wanted.unitary, first, stop, RECORDS)
        near = [{"id": id, "distance": distance} for distance, id in pairs]
        data["nearest"] = {"records": near, "first": first, "last": came - 1, "ended": came >= stop}
    shown = {"asked": True, "title": title, "total": len(ranges), "like": like, "legend": legend(72), "same": SAME}
    shown |= await asyncio.to_thread(_pictures, site, data, wanted)
    return Page("search", data, shown)


def _same_circuit(source: Any, letters: tuple[str, ...]) -> tuple[str, list[Any]]:
    """Return a condition for one circuit; counts, which are quicker to read, are compared first."""
    where, values = "length = ?", [len(letters)]
    for gate in source.records.gates:
        column = f"count_{gate}".replace('"', '""')
        where += f' and "{column}" = ?'
        values.append(sum(letter.split(" ")[0] == gate for letter in letters))
    return f"{where} and circuit = ?", [*values, "; ".join(letters)]


def _pictures(site: Site, data: dict[str, Any], wanted: Target) -> dict[str, Any]:
    """Draw the target and the records that were found."""
    source = site.source
    shown: dict[str, Any] = {}
    if wanted.letters is not None:
        shown["drawing"] = Drawing(wanted.letters, source.records.qubits).box(200)
    if wanted.unitary is not None:
        shown["map"] = cells(wanted.unitary, 72, most=16, hover=True)
    if data["same_circuit"]:
        shown["same_cards"] = [card(record) for record in source.at(data["same_circuit"]["ids"])]
    if data["nearest"]:
        near = data["nearest"]["records"]
        cards = [card(record) for record in source.at([one["id"] for one in near])]
        shown["near_cards"] = [{**one, "distance": pair["distance"]} for one, pair in zip(cards, near, strict=True)]
    found = data["find"]
    if found and found["circuit"] is not None:
        shown["found_drawing"] = Drawing(tuple(found["circuit"]), source.records.qubits).box(200)
    return shown
