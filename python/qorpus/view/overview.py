"""The first page: facts, histograms, and the first records."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import qorpus
from qorpus._heat_map import legend
from qorpus.view import sample
from qorpus.view.card import card
from qorpus.view.filters import Filters
from qorpus.view.page import Page
from qorpus.view.source import ids_at

if TYPE_CHECKING:
    from qorpus.view.site import Site

#: Records, and histograms of labels, of the first page.
RECORDS, LABELS = 8, 7


async def page(site: Site, request: Any) -> Page:
    """Build the first page of a corpus."""
    source, ranges, taken = site.source, await site.ranges(), await site.sample()
    facts = await asyncio.to_thread(_facts, source.records)
    first = await asyncio.to_thread(source.at, ids_at(ranges, 0, RECORDS))
    lengths = sample.level_histogram(source) or sample.length_histogram(taken)
    gates = sample.gate_histogram(source, taken)
    labels = sample.label_histograms(source, taken)
    shown = {
        "facts": _lines(source.records, facts),
        "recipe": re.sub(r"\b\d{5,}(?= (random|Clifford|Haar))", lambda count: f"{int(count[0]):,}", source.records._recipe_text),
        "histograms": [one for one in (lengths, gates, *labels[:LABELS]) if one],
        "counted": [*(["lengths"] if lengths and not source.levels else []), *(["gates"] if gates else [])],
        "labelled": len(taken.labels),
        "more_labels": max(0, len(labels) - LABELS),
        "taken": taken,
        "filters": Filters(source, []),
        "cards": [card(record) for record in first],
        "legend": legend(72),
        "total": len(ranges),
        "next": RECORDS if len(ranges) > RECORDS else None,
    }
    return Page("overview", facts, shown)


def _facts(records: qorpus.Corpus | qorpus.Recipe) -> dict[str, Any]:
    """Return the facts of `qorpus info --json`; a recipe has some of them."""
    if isinstance(records, qorpus.Corpus):
        return records.info
    return {
        "records": len(records),
        "expected": len(records),
        "qubits": records.qubits,
        "gates": list(records.gates),
        "alphabet": list(records.letters),
        "recipe_hash": records.hash,
    }


def _lines(records: qorpus.Corpus | qorpus.Recipe, facts: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return facts for readers: names, values, and which are code."""
    lines = [("records", _amount(facts), ""), ("qubits", str(facts["qubits"]), "")]
    if records.has_circuits:
        letters = facts["alphabet"]
        more = f"; … {len(letters) - 24:,} more" if len(letters) > 24 else ""
        lines.append((f"{len(letters):,} letters", "; ".join(letters[:24]) + more, "code"))
    if "bytes" in facts:
        each = f", {facts['bytes_per_record']:,.1f} a record" if facts["records"] else ""
        lines.append(("size", f"{facts['bytes']:,} bytes{each}", ""))
    else:
        lines.append(("size", "nothing is stored; records are computed when they are read", ""))
    lines.append(("recipe hash", facts["recipe_hash"], "code"))
    if "content_hash" in facts:
        lines.append(("content hash", facts["content_hash"], "code"))
    if "format_version" in facts:
        lines.append(("format", f"version {facts['format_version']}, read by SQLite {facts['sqlite_version']}", ""))
    return lines


def _amount(facts: dict[str, Any]) -> str:
    count, expected = f"{facts['records']:,}", facts["expected"]
    if expected is None:
        return f"{count} appended so far"
    if "complete" not in facts:
        return count
    return f"{count}, complete" if facts["complete"] else f"{count} of {expected:,}"
