"""Circuits as pictures: SVG, with the columns of the drawing that `qorpus show` prints."""

from __future__ import annotations

import os
from html import escape
from typing import TYPE_CHECKING

from qorpus import _qorpus
from qorpus._layout import (
    BOX, CONTROL, NAMES, ROWS, SWAPPED, TARGET, WIRE, Letter, Row, is_box, lines, middle, rows,
)  # fmt: skip
from qorpus.errors import MissingLibrary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from qorpus._qorpus import Path

#: Letters that a notebook shows; `Drawing.svg` has all.
NOTEBOOK_LETTERS = 1000

#: Endings of files that Matplotlib writes.
BY_MATPLOTLIB = (".png", ".pdf", ".jpg", ".jpeg", ".webp", ".eps")

#: Letters that an accessible name lists.
NAMED_LETTERS = 30

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
        """Write the picture to a file: SVG, or what Matplotlib writes, such as PNG and PDF.

        Args:
            path: the file, which is replaced if it exists. The ending .png, .pdf, .jpg, .webp or
                .eps selects Matplotlib; any other is SVG.

        Raises:
            OSError: the file cannot be written.
            qorpus.MissingLibrary: the file is not SVG, and Matplotlib is not installed.

        Examples:
            >>> record = qorpus.Recipe(gates="h,cx", qubits=2, words=True, length=(0, 2))[7]
            >>> record.draw().save("bell.svg")
        """
        path = os.fspath(path)
        if path.lower().endswith(BY_MATPLOTLIB):
            self.plot().savefig(path)
            return
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.svg + "\n")

    def plot(self) -> Figure:
        """Draw the circuit with Matplotlib.

        Returns:
            A `matplotlib.figure.Figure` with one axes, as large as the SVG at 100 pixels an inch.

        Raises:
            qorpus.MissingLibrary: Matplotlib is not installed.

        Examples:
            >>> drawing = qorpus.Recipe(gates="h,cx", qubits=2, words=True, length=(0, 2))[7].draw()
            >>> figure = drawing.plot()
            >>> figure.savefig("bell.pdf")
        """
        try:
            from qorpus import _drawing_plot
        except ImportError as error:
            raise MissingLibrary("a drawing as a figure needs Matplotlib; pip install matplotlib") from error
        letters = [Letter(text, *placed) for text, placed in zip(self.circuit, self._letters)]
        return _drawing_plot.figure(letters, self.qubits, self._name())

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
        letters = [Letter(text, *placed) for text, placed in zip(self.circuit[:most], self._letters)]
        parted = list(rows(letters))
        height = self.qubits * WIRE + ROWS
        parts = []
        for number, row in enumerate(parted):
            parts.append(f"<g transform='translate(0 {number * height})'>{self._row(row, number == len(parted) - 1)}</g>")
        width, bottom = max(row.end for row in parted), len(parted) * height
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

    def _row(self, row: Row, last: bool) -> str:
        """Draw one row of a circuit that wraps."""
        wires = [[f"M{NAMES} {middle(qubit)}"] for qubit in range(self.qubits)]
        for letter in row.letters:
            half = letter.width / 2
            for qubit, symbol in letter.on:
                if is_box(symbol):
                    wires[qubit].append(f"H{row.places[letter.column] - half:g}m{letter.width:g} 0")
        end = row.end if last else row.end - 8
        parts = []
        for qubit, wire in enumerate(wires):
            parts.append(_text(NAMES - 8, middle(qubit), f"q{qubit}", anchor="end", size=12))
            parts.append(f"<path class='wire' opacity='.5' d='{''.join(wire)}H{end:g}'/>")
            if not last:
                parts.append(f"<path opacity='.5' stroke-dasharray='2 2' d='M{end:g} {middle(qubit)}h12'/>")
        parts.extend(_letter(letter, row.places[letter.column]) for letter in row.letters)
        return "".join(parts)


def _letter(letter: Letter, x: float) -> str:
    """Draw a letter in the middle of a column."""
    parts = [f"<g class='letter'><title>{escape(letter.text)}</title>"]
    for (qubit, symbol), (next_qubit, next_symbol) in zip(letter.on, letter.on[1:]):
        begin = middle(qubit) + (BOX / 2 if is_box(symbol) else 0)
        end = middle(next_qubit) - (BOX / 2 if is_box(next_symbol) else 0)
        parts.append(f"<path d='M{x:g} {begin:g}V{end:g}'/>")
    for qubit, symbol in letter.on:
        parts.append(_symbol(symbol, x, middle(qubit), letter.width, letter.colour))
    return "".join(parts) + "</g>"


def _symbol(symbol: str, x: float, y: float, width: float, colour: str) -> str:
    """Draw the symbol of a letter on one qubit."""
    if symbol == CONTROL:
        return f"<circle cx='{x:g}' cy='{y:g}' r='4' fill='currentColor' stroke='none'/>"
    if symbol == TARGET:
        return f"<circle cx='{x:g}' cy='{y:g}' r='9'/><path d='M{x - 9:g} {y:g}h18M{x:g} {y - 9:g}v18'/>"
    if symbol == SWAPPED:
        return f"<path d='M{x - 6:g} {y - 6:g}l12 12m0 -12l-12 12'/>"
    name, angles = lines(symbol)
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
