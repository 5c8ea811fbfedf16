"""Circuits as pictures of Matplotlib, with the layout of the SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from qorpus._layout import BOX, CONTROL, NAMES, ROWS, SWAPPED, TARGET, WIRE, Letter, Row, is_box, lines, middle, rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Pixels of an inch, points of a pixel, and the width of lines in points.
DPI, POINTS, LINE = 100, 0.72, 1.0


def figure(letters: list[Letter], qubits: int, name: str) -> Figure:
    """Draw a circuit as a figure, whose metadata have its name."""
    parted = list(rows(letters))
    height = qubits * WIRE + ROWS
    width, bottom = max(row.end for row in parted) + 12, len(parted) * height - ROWS
    drawn = Figure(figsize=(width / DPI, bottom / DPI), dpi=DPI)
    drawn.set_label(name)
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(bottom, 0), aspect="equal")
    axes.set_axis_off()
    for number, row in enumerate(parted):
        _row(axes, row, qubits, number * height)
    return drawn


def _row(axes: Axes, row: Row, qubits: int, top: float) -> None:
    for qubit in range(qubits):
        y = top + middle(qubit)
        _text(axes, NAMES - 14, y, f"q{qubit}", 12)
        axes.plot([NAMES, row.end], [y, y], color="black", alpha=0.5, linewidth=LINE, zorder=1)
    for letter in row.letters:
        x = row.places[letter.column]
        if len(letter.on) > 1:
            ends = [top + middle(qubit) for qubit in (letter.on[0][0], letter.on[-1][0])]
            axes.plot([x, x], ends, color="black", linewidth=LINE, zorder=2)
        for qubit, symbol in letter.on:
            _symbol(axes, symbol, x, top + middle(qubit), letter)


def _symbol(axes: Axes, symbol: str, x: float, y: float, letter: Letter) -> None:
    if symbol == CONTROL:
        axes.add_patch(Circle((x, y), 4, color="black", zorder=3))
    elif symbol == TARGET:
        axes.add_patch(Circle((x, y), 9, facecolor="white", edgecolor="black", linewidth=LINE, zorder=3))
        axes.plot([x - 9, x + 9], [y, y], color="black", linewidth=LINE, zorder=4)
        axes.plot([x, x], [y - 9, y + 9], color="black", linewidth=LINE, zorder=4)
    elif symbol == SWAPPED:
        for sign in (1, -1):
            axes.plot([x - 6, x + 6], [y - 6 * sign, y + 6 * sign], color="black", linewidth=LINE, zorder=3)
    else:
        assert is_box(symbol)
        corner = (x - letter.width / 2, y - BOX / 2)
        # White below the colour hides the wire.
        axes.add_patch(Rectangle(corner, letter.width, BOX, color="white", zorder=3))
        axes.add_patch(Rectangle(corner, letter.width, BOX, facecolor=letter.colour, alpha=0.18, zorder=4))
        axes.add_patch(Rectangle(corner, letter.width, BOX, fill=False, edgecolor=letter.colour, linewidth=LINE, zorder=5))
        name, angles = lines(symbol)
        if angles:
            _text(axes, x, y - 4, name, 11)
            _text(axes, x, y + 7, angles, 9)
        else:
            _text(axes, x, y, name, 13)


def _text(axes: Axes, x: float, y: float, text: str, size: int) -> None:
    """Write a text, of which nothing is mathematics, in the middle of a place."""
    axes.text(x, y, text, fontsize=size * POINTS, ha="center", va="center", zorder=6, parse_math=False)
