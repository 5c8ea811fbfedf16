"""Records one page after another, all or those that satisfy filters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from qorpus._heat_map import legend
from qorpus.view import sample
from qorpus.view.card import as_json, card
from qorpus.view.filters import Filters
from qorpus.view.page import Page
from qorpus.view.refusal import Refusal
from qorpus.view.source import ids_at, place_from

if TYPE_CHECKING:
    from qorpus.view.site import Site

#: Records of a page.
RECORDS = 25


async def page(site: Site, request: Any) -> Page:
    """Build a page of records, from an id on."""
    source, ranges = site.source, await site.ranges()
    filters = Filters(source, _pairs(request))
    first = whole_number(request.args.get("from") or "0", "from")
    stop = int(ranges.stops[-1]) if len(ranges) else 0
    if filters:
        first, stop = max(first, filters.ids(stop)[0]), filters.ids(stop)[1]
        ids, came = await site.workers.run("scan", *filters.where, first, stop, RECORDS)
        looked: dict[str, Any] = {"first": first, "last": came - 1, "ended": came >= stop}
        following = None if came >= stop else came
        previous = None
    else:
        place = place_from(ranges, first)
        ids = ids_at(ranges, place, RECORDS)
        following = None if place + len(ids) >= len(ranges) else ids_at(ranges, place + len(ids), 1)[0]
        previous = ids_at(ranges, max(0, place - RECORDS), 1)[0] if 0 < place and len(ranges) else None
        looked = {}
    read = await asyncio.to_thread(source.at, ids)
    data = {"records": [as_json(record) for record in read], "next": following, "looked_at": looked or None}
    taken = await site.sample()
    shown = {
        "filters": filters, "looked": looked, "previous": previous, "following": following, "legend": legend(72),
        "cards": [card(record) for record in read], "total": len(ranges), "taken": taken,
        "facets": [one for one in [
            sample.level_histogram(source) or sample.length_histogram(taken),
            *(one._replace(title=f"Number of {one.title}") for one in sample.gate_histograms(source, taken)),
            *sample.label_histograms(source, taken),
        ] if one],
    }  # fmt: skip
    return Page("records", data, shown)


def whole_number(text: str, name: str) -> int:
    """Read a count or an id of a URL."""
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or int(text) >= 1 << 63:
        raise Refusal(400, f"{name} is '{text[:40]}'; it must be a whole number, such as 7.")
    return int(text)


def _pairs(request: Any) -> list[tuple[str, str]]:
    return [(key, value) for key in request.args for value in request.args.getlist(key)]
