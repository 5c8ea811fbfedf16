"""The tasks of a worker: queries, scans and searches, each within limits."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from qorpus.errors import InvalidArgument
from qorpus.view.source import Source

#: Seconds after which a scan stops and says how far it came.
SCAN_SECONDS = 1.5

#: Records that a scan reads at once, at first; and seconds after which it does not read more.
WINDOW, WINDOW_SECONDS = 2048, 0.2


def query(source: Source, text: str, parameters: dict[str, str], most: int) -> tuple[list[str], list[tuple[Any, ...]], bool]:
    """Run a SELECT.

    Returns:
        The names of the columns, at most `most` rows, and whether there are more.
    """
    used = {name: _value(value) for name, value in parameters.items() if re.search(rf"[:@$]{re.escape(name)}\b", text)}
    alone = text.strip().rstrip(";")
    if re.match(r"explain\b", alone, re.IGNORECASE):
        rows = source.records.sql(alone, used)
    else:
        # The text must be a query by itself before it becomes part of another.
        source.records.sql(f"explain {alone}", used)
        rows = source.records.sql(f"select * from (\n{alone}\n) limit {most + 1}", used)
    return rows.columns, list(rows[:most]), len(rows) > most


def _value(text: str) -> int | float | str:
    """Return a parameter of a URL as a number if it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def scan(source: Source, where: str, values: Sequence[Any], first: int, stop: int, most: int) -> tuple[list[int], int]:
    """Find records that satisfy a condition, in the order of their ids.

    Returns:
        At most `most` ids, and the id up to which the scan came.
    """
    text = f"select id from records where id >= ? and id < ? and ({where}) limit ?"
    found: list[int] = []
    for begin, end in _windows(first, stop):
        found += [id for (id,) in source.records.sql(text, [begin, end, *values, most - len(found)])]
        if len(found) == most:
            return found, found[-1] + 1
        first = end
    return found, first


def nearest(source: Source, target: Any, first: int, stop: int, most: int) -> tuple[list[tuple[float, int]], int]:
    """Find the records whose unitaries are nearest to a unitary.

    Returns:
        At most `most` pairs of distance and id, nearest first, and the id up to which the scan came.
    """
    text = "select distance(unitary, ?) as d, id from records where id >= ? and id < ? order by d, id limit ?"
    found: list[tuple[float, int]] = []
    for begin, end in _windows(first, stop):
        found = heapq.nsmallest(most, [*found, *source.records.sql(text, [target, begin, end, most])])
        first = end
    return found, first


def find(source: Source, target: Any) -> dict[str, Any]:
    """Find the shortest circuit of a unitary or a circuit in an enumeration."""
    if not hasattr(source.records, "find"):
        raise InvalidArgument("only an enumeration finds circuits; 'qorpus distinct' makes one")
    return dict(source.records.find(target)._known())


def _windows(first: int, stop: int) -> Any:
    """Yield ranges of ids that grow while there is time."""
    begun, window = monotonic(), WINDOW
    while first < stop and monotonic() - begun < SCAN_SECONDS:
        before = monotonic()
        end = min(first + window, stop)
        yield first, end
        first = end
        if monotonic() - before < WINDOW_SECONDS / 2:
            window *= 2


TASKS: dict[str, Callable[..., Any]] = {"query": query, "scan": scan, "nearest": nearest, "find": find}
