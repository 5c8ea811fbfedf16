"""HTML for notebooks: cards of records, corpora and streams; rows as tables.

Cards have no colours of their own but those of gates and phases: text and lines have the colour of
the notebook's text, on its background.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from qorpus._drawing import Drawing
from qorpus._heat_map import heat_map
from qorpus.errors import MissingRecord

if TYPE_CHECKING:
    from qorpus._qorpus import Record, Records
    from qorpus._subset import Subset

#: Circuits, rows, labels, letters and characters beyond these are left out.
MAX_CIRCUITS = 5
MAX_ROWS = 50
MAX_LABELS = 40
MAX_LETTERS = 30
LISTED_LETTERS = 12
MAX_CHARACTERS = 200

#: Letters of a circuit that a card draws.
DRAWN_LETTERS = 150

#: Records among which a card looks for one to show, the longest.
CANDIDATES = 32


def record(record: Record) -> str:
    """Show a record: its circuit drawn and written, its labels, and a heat map."""
    return _card(f"Record {record.id:,}", _size(record.circuit, record.qubits), _record(record))


def card(records: Records | Subset, title: str, facts: list[tuple[str, str]]) -> str:
    """Show a sequence of records: facts, its first circuits, and one record."""
    first = _first_circuits(records)
    listed = [] if None in first else first[:MAX_CIRCUITS]
    shown = [(f"[{place}]", _circuit(circuit, LISTED_LETTERS)) for place, circuit in enumerate(listed)]
    body = _facts([(escape(name), escape(_short(value))) for name, value in facts] + shown)
    if first:
        longest = max(range(len(first)), key=lambda place: len(first[place] or ()))
        one = records[longest]
        body += f"<div style='margin-top:8px'>Record {one.id:,}{_quiet(_size(one.circuit, one.qubits))}</div>{_record(one)}"
    return _card(title, "", body)


def facts(title: str, facts: list[tuple[str, str]]) -> str:
    """Show named texts."""
    return _card(title, "", _facts([(escape(name), escape(_short(value))) for name, value in facts]))


def found(title: str, circuit: tuple[str, ...] | None, facts: list[tuple[str, str]]) -> str:
    """Show an answer about a unitary: the circuit, if there is one, and facts."""
    known = [(escape(name), escape(value)) for name, value in facts]
    if circuit is None:
        return _card(title, "", _facts(known))
    # An answer does not know its qubits beyond the last one that the circuit uses.
    qubits = 1 + max((int(place) for letter in circuit for place in letter.split(" ")[1:]), default=0)
    drawn = Drawing(circuit, qubits).box(DRAWN_LETTERS)
    return _card(title, _letters(circuit), drawn + _facts([("circuit", _circuit(circuit)), *known]))


def rows(columns: list[str], found: Sequence[tuple[Any, ...]]) -> str:
    """Show the first rows of a query."""

    def cell(value: Any) -> str:
        text = f"{len(value)} bytes" if isinstance(value, bytes) else str(value)
        return f"<td style='text-align:left'>{escape(_short(text))}</td>"

    head = "".join(f"<th style='text-align:left'>{escape(_short(name))}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in found[:MAX_ROWS])
    more = f"<p>… {len(found) - MAX_ROWS:,} more rows</p>" if len(found) > MAX_ROWS else ""
    return f"<table style='margin-left:0'><tr>{head}</tr>{body}</table>{more}"


def _first_circuits(records: Records | Subset) -> list[tuple[str, ...] | None]:
    # A recipe of appended records has none, and of an unfinished corpus the first may be missing.
    for count in (CANDIDATES, MAX_CIRCUITS) if records else ():
        try:
            return records.circuits(range(min(count, len(records))))
        except MissingRecord:
            continue
    return []


def _card(title: str, subtitle: str, body: str) -> str:
    head = f"<div style='margin-bottom:6px'><b>{escape(title)}</b>{_quiet(subtitle)}</div>"
    return f"<div style='text-align:left;line-height:1.5;max-width:100%'>{head}{body}</div>"


def _quiet(text: str) -> str:
    return f"<span style='opacity:.65;margin-left:10px'>{escape(text)}</span>" if text else ""


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    """Show names and values, which are HTML, in two columns."""
    cells = "".join(
        f"<div style='opacity:.65'>{name}</div><div style='overflow-wrap:anywhere'>{value}</div>" for name, value in facts
    )
    return f"<div style='display:grid;grid-template-columns:max-content minmax(0,1fr);gap:0 16px'>{cells}</div>"


def _record(record: Record) -> str:
    """Show a record without its title."""
    labels = [(name, value) for name, value in record.labels.items() if value or name == "length"]
    chips = [f"{escape(_short(str(name)))} {escape(_short(str(value)))}" for name, value in labels[:MAX_LABELS]]
    if len(labels) > MAX_LABELS:
        chips.append(f"… {len(labels) - MAX_LABELS:,} more labels")
    style = "display:inline-block;border:1px solid rgba(128,128,128,.5);border-radius:9px;padding:0 8px;margin:0 6px 4px 0"
    shown = "".join(f"<span style='{style}'>{chip}</span>" for chip in chips)
    drawing = "" if record.circuit is None else Drawing(record.circuit, record.qubits).box(DRAWN_LETTERS)
    return (
        "<div style='display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start'>"
        f"<div style='flex:0 1 auto;min-width:0;max-width:100%'>{drawing}"
        f"<div style='margin:6px 0'>{_circuit(record.circuit)}</div><div>{shown}</div></div>"
        f"<div style='flex:none'>{'' if record.unitary is None else heat_map(record.unitary)}</div></div>"
    )


def _size(circuit: tuple[str, ...] | None, qubits: int) -> str:
    return f"{qubits} qubit{'s' * (qubits > 1)}{'' if circuit is None else f', {_letters(circuit)}'}"


def _letters(circuit: tuple[str, ...]) -> str:
    return f"{len(circuit):,} letter{'s' * (len(circuit) != 1)}"


def _circuit(letters: tuple[str, ...] | None, most: int = MAX_LETTERS) -> str:
    if letters is None:
        return "<i>no circuit: a Haar-random unitary</i>"
    if not letters:
        return "<i>the empty circuit</i>"
    shown = "; ".join(letters[:most])
    more = f"; … {len(letters) - most:,} more" if len(letters) > most else ""
    return f"<code>{escape(shown)}{more}</code>"


def _short(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
