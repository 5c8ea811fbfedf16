"""Circuits as pictures: SVG, with the columns of the drawing that `qorpus show` prints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from qorpus import _qorpus
from qorpus._letters import FIXED, TURNING

if TYPE_CHECKING:
    from qorpus._qorpus import Path

#: Letters that a notebook shows; `Drawing.svg` has all.
NOTEBOOK_LETTERS = 1000

#: Letters that an accessible name lists.
NAMED_LETTERS = 30

#: Lengths in pixels: from wire to wire, the side of the smallest box, the space between columns,
#: the width at which a circuit wraps, the space for the names of the wires, and between two rows.
WIRE, BOX, SPACE, WRAP, NAMES, ROWS = 36, 26, 10, 720, 34, 14

#: The width of a character of a gate's name and of its angles, about, and the most that a box has.
NAME_WIDTH, ANGLE_WIDTH, MAX_CHARACTERS = 8.0, 5.6, 16

#: Colours that can be read on white and on black: gates without angles, T, angles, the user's own.
COLOURS = {"fixed": "#4c86e0", "t": "#e0862c", "angle": "#2a9d8f", "own": "#8b8f98"}

#: The symbols of a drawing that are not boxes.
CONTROL, TARGET, SWAPPED = "●", "⊕", "×"


class Drawing:
    """A picture of a circuit: SVG in a notebook, and characters where it is printed.

    Time runs from left to right, with a line for each qubit. Long circuits wrap.

    Attributes:
        circuit: the letters, in time order.
        qubits: the number of qubits.

    Examples:
        >>> drawing = qorpus.Recipe(gates="h,cx", qubits=2, words=True, length=(0, 2))[7].draw()
        >>> print(drawing)
        q0 ─H─●─
              │
        q1 ───⊕─
        >>> drawing.svg.startswith("<svg")
        True
    """

    def __init__(self, circuit: tuple[str, ...], qubits: int) -> None:
        self.circuit, self.qubits = circuit, qubits
        self._letters, self._text = _qorpus.draw(circuit, qubits)

    @property
    def svg(self) -> str:
        """The picture as SVG, in the colour of the text around it, on a transparent background."""
        return self._svg(len(self.circuit))

    def save(self, path: Path) -> None:
        """Write the SVG to a file.

        Args:
            path: the file, which is replaced if it exists.

        Raises:
            OSError: the file cannot be written.

        Examples:
            >>> record = qorpus.Recipe(gates="h,cx", qubits=2, words=True, length=(0, 2))[7]
            >>> record.draw().save("bell.svg")
        """
        with open(os.fspath(path), "w", encoding="utf-8") as file:
            file.write(self.svg + "\n")

    def __str__(self) -> str:
        return self._text.rstrip("\n")

    # The prompt shows the drawing as well, as it does Qiskit's.
    __repr__ = __str__

    def __reduce__(self) -> tuple[type[Drawing], tuple[tuple[str, ...], int]]:
        return Drawing, (self.circuit, self.qubits)

    def _repr_svg_(self) -> str:
        return self._svg(NOTEBOOK_LETTERS)

    def _repr_html_(self) -> str:
        # Notebooks show SVG by itself as an image, which cannot have the colour of their text.
        return self.box(NOTEBOOK_LETTERS)

    def box(self, most: int) -> str:
        """Return the picture of the first letters as HTML that scrolls if it is too wide.

        Args:
            most: the number of letters that are drawn.

        Examples:
            >>> record = qorpus.Recipe(gates="h,cx", qubits=2, words=True, length=(0, 2))[7]
            >>> record.draw().box(most=10).count("<svg")
            1
        """
        return f"<div style='overflow-x:auto;max-width:100%;text-align:left'>{self._svg(most)}</div>"

    def _svg(self, most: int) -> str:
        letters = [_Letter(text, *placed) for text, placed in zip(self.circuit[:most], self._letters)]
        rows = list(_rows(letters))
        height = self.qubits * WIRE + ROWS
        parts = []
        for number, row in enumerate(rows):
            parts.append(f"<g transform='translate(0 {number * height})'>{self._row(row, number == len(rows) - 1)}</g>")
        width, bottom = max(row.end for row in rows), len(rows) * height
        if more := len(self.circuit) - len(letters):
            parts.append(_text(NAMES, bottom + 4, f"… {more:,} more letters", anchor="start", size=12))
            bottom += 20
        if not letters:
            parts.append(_text(width + 10, height / 2 - ROWS / 2, "the empty circuit", anchor="start", size=13))
            width += 130
        name = self._name()
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:g}' height='{bottom}' viewBox='0 0 {width:g} {bottom}' "
            f"role='img' aria-label='{escape(name)}' fill='none' stroke='currentColor' stroke-width='1.3' "
            f"font-family='ui-sans-serif,system-ui,sans-serif' style='display:block'>{''.join(parts)}</svg>"
        )

    def _name(self) -> str:
        """Return the accessible name of the picture."""
        count, qubits = len(self.circuit), f"{self.qubits} qubit{'s' * (self.qubits > 1)}"
        if not count:
            return f"The empty circuit on {qubits}"
        shown = "; ".join(self.circuit[:NAMED_LETTERS]) + ("; …" if count > NAMED_LETTERS else "")
        return f"Circuit of {count:,} letter{'s' * (count > 1)} on {qubits}: {shown}"

    def _row(self, row: _Row, last: bool) -> str:
        """Draw one row of a circuit that wraps."""
        wires = [[f"M{NAMES} {_middle(qubit)}"] for qubit in range(self.qubits)]
        for letter in row.letters:
            half = letter.width / 2
            for qubit, symbol in letter.on:
                if _is_box(symbol):
                    wires[qubit].append(f"H{row.places[letter.column] - half:g}m{letter.width:g} 0")
        end = row.end if last else row.end - 8
        parts = []
        for qubit, wire in enumerate(wires):
            parts.append(_text(NAMES - 8, _middle(qubit), f"q{qubit}", anchor="end", size=12))
            parts.append(f"<path class='wire' opacity='.5' d='{''.join(wire)}H{end:g}'/>")
            if not last:
                parts.append(f"<path opacity='.5' stroke-dasharray='2 2' d='M{end:g} {_middle(qubit)}h12'/>")
        parts.extend(letter.svg(row.places[letter.column]) for letter in row.letters)
        return "".join(parts)


class _Letter:
    """A letter in a drawing."""

    def __init__(self, text: str, column: int, top: int, symbols: list[str | None]) -> None:
        self.text, self.column = text, column
        #: The qubits on which the letter acts, each with its symbol.
        self.on = [(top + below, symbol) for below, symbol in enumerate(symbols) if symbol is not None]
        self.width = max(_box_width(symbol) if _is_box(symbol) else BOX for _, symbol in self.on)

    def svg(self, x: float) -> str:
        """Draw the letter in the middle of a column."""
        parts = [f"<g class='letter'><title>{escape(self.text)}</title>"]
        for (qubit, symbol), (next_qubit, next_symbol) in zip(self.on, self.on[1:]):
            begin = _middle(qubit) + (BOX / 2 if _is_box(symbol) else 0)
            end = _middle(next_qubit) - (BOX / 2 if _is_box(next_symbol) else 0)
            parts.append(f"<path d='M{x:g} {begin:g}V{end:g}'/>")
        name = self.text.split(" ")[0].split("(")[0]
        for qubit, symbol in self.on:
            parts.append(_symbol(symbol, x, _middle(qubit), self.width, COLOURS[_family(name)]))
        return "".join(parts) + "</g>"


class _Row(NamedTuple):
    """The letters of one row, the middles of its columns, and where it ends."""

    letters: list[_Letter]
    places: dict[int, float]
    end: float


def _rows(letters: list[_Letter]) -> Iterator[_Row]:
    """Divide letters among rows; a circuit without letters has one row."""
    widths: dict[int, float] = {}
    for letter in letters:
        widths[letter.column] = max(widths.get(letter.column, 0), letter.width)
    row_of: dict[int, int] = {}
    rows: list[tuple[dict[int, float], float]] = [({}, NAMES + SPACE)]
    for column in range(len(widths)):
        places, end = rows[-1]
        if places and end + widths[column] + SPACE > WRAP:
            rows.append(({}, NAMES + SPACE))
            places, end = rows[-1]
        places[column] = end + widths[column] / 2
        row_of[column] = len(rows) - 1
        rows[-1] = places, end + widths[column] + SPACE
    members: list[list[_Letter]] = [[] for _ in rows]
    # The letters of a wire ascend with their columns, as the boxes that interrupt it must.
    for letter in letters:
        members[row_of[letter.column]].append(letter)
    for mine, (places, end) in zip(members, rows):
        yield _Row(mine, places, end if places else NAMES + 80)


def _middle(qubit: int) -> float:
    """Return how far down a wire is."""
    return WIRE / 2 + qubit * WIRE


def _is_box(symbol: str) -> bool:
    return symbol not in (CONTROL, TARGET, SWAPPED)


def _family(gate: str) -> str:
    """Return the colour of a gate."""
    if gate in ("t", "tdg"):
        return "t"
    if gate in TURNING:
        return "angle"
    return "fixed" if gate in FIXED else "own"


def _lines(label: str) -> tuple[str, str]:
    """Return the lines of a box: the name of a gate, and its angles or the number of its qubit."""
    name, bracket, angles = label.partition("(")
    if not bracket:
        name, _, angles = label.partition(".")
    return _short(name), _short(angles.removesuffix(")"))


def _short(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"


def _box_width(label: str) -> float:
    name, angles = _lines(label)
    return max(BOX, len(name) * NAME_WIDTH + 10, len(angles) * ANGLE_WIDTH + 8)


def _symbol(symbol: str, x: float, y: float, width: float, colour: str) -> str:
    """Draw the symbol of a letter on one qubit."""
    if symbol == CONTROL:
        return f"<circle cx='{x:g}' cy='{y:g}' r='4' fill='currentColor' stroke='none'/>"
    if symbol == TARGET:
        return f"<circle cx='{x:g}' cy='{y:g}' r='9'/><path d='M{x - 9:g} {y:g}h18M{x:g} {y - 9:g}v18'/>"
    if symbol == SWAPPED:
        return f"<path d='M{x - 6:g} {y - 6:g}l12 12m0 -12l-12 12'/>"
    name, angles = _lines(symbol)
    texts = _text(x, y - 4, name, size=11) + _text(x, y + 7, angles, size=9) if angles else _text(x, y, name, size=13)
    return (
        f"<rect x='{x - width / 2:g}' y='{y - BOX / 2:g}' width='{width:g}' height='{BOX}' rx='3' "
        f"fill='{colour}' fill-opacity='.18' stroke='{colour}'/>{texts}"
    )


def _text(x: float, y: float, text: str, *, size: int, anchor: str = "middle") -> str:
    """Write a text whose middle is at a height."""
    return (
        f"<text x='{x:g}' y='{y + 0.36 * size:g}' font-size='{size}' text-anchor='{anchor}' "
        f"fill='currentColor' stroke='none'>{escape(text)}</text>"
    )
