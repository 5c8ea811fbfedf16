"""Where the letters of a circuit are in a picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from qorpus._letters import FIXED, TURNING

#: Lengths in pixels: from wire to wire, the side of the smallest box, the space between columns,
#: the width at which a circuit wraps, the space for the names of the wires, and between two rows.
WIRE, BOX, SPACE, WRAP, NAMES, ROWS = 36, 26, 10, 720, 34, 14

#: The width of a character of a gate's name and of its angles, about, and the most that a box has.
NAME_WIDTH, ANGLE_WIDTH, MAX_CHARACTERS = 8.0, 5.6, 16

#: Colours that can be read on white and on black: gates without angles, T, angles, the user's own.
COLOURS = {"fixed": "#4c86e0", "t": "#e0862c", "angle": "#2a9d8f", "own": "#8b8f98"}

#: The symbols of a drawing that are not boxes.
CONTROL, TARGET, SWAPPED = "●", "⊕", "×"


class Letter:
    """A letter in a drawing."""

    def __init__(self, text: str, column: int, top: int, symbols: list[str | None]) -> None:
        self.text, self.column = text, column
        #: The qubits on which the letter acts, each with its symbol.
        self.on = [(top + below, symbol) for below, symbol in enumerate(symbols) if symbol is not None]
        self.width = max(_box_width(symbol) if is_box(symbol) else BOX for _, symbol in self.on)

    @property
    def colour(self) -> str:
        """The colour of the gate."""
        return COLOURS[_family(self.text.split(" ")[0].split("(")[0])]


class Row(NamedTuple):
    """The letters of one row, the middles of its columns, and where it ends."""

    letters: list[Letter]
    places: dict[int, float]
    end: float


def rows(letters: list[Letter]) -> Iterator[Row]:
    """Divide letters among rows; a circuit without letters has one row."""
    widths: dict[int, float] = {}
    for letter in letters:
        widths[letter.column] = max(widths.get(letter.column, 0), letter.width)
    row_of: dict[int, int] = {}
    made: list[tuple[dict[int, float], float]] = [({}, NAMES + SPACE)]
    for column in range(len(widths)):
        places, end = made[-1]
        if places and end + widths[column] + SPACE > WRAP:
            made.append(({}, NAMES + SPACE))
            places, end = made[-1]
        places[column] = end + widths[column] / 2
        row_of[column] = len(made) - 1
        made[-1] = places, end + widths[column] + SPACE
    members: list[list[Letter]] = [[] for _ in made]
    # The letters of a wire ascend with their columns, as the boxes that interrupt it must.
    for letter in letters:
        members[row_of[letter.column]].append(letter)
    for mine, (places, end) in zip(members, made):
        yield Row(mine, places, end if places else NAMES + 80)


def middle(qubit: int) -> float:
    """Return how far down a wire is."""
    return WIRE / 2 + qubit * WIRE


def is_box(symbol: str) -> bool:
    return symbol not in (CONTROL, TARGET, SWAPPED)


def _family(gate: str) -> str:
    """Return the colour of a gate."""
    if gate in ("t", "tdg"):
        return "t"
    if gate in TURNING:
        return "angle"
    return "fixed" if gate in FIXED else "own"


def lines(label: str) -> tuple[str, str]:
    """Return the lines of a box: the name of a gate, and its angles or the number of its qubit."""
    name, bracket, angles = label.partition("(")
    if not bracket:
        name, _, angles = label.partition(".")
    return _short(name), _short(angles.removesuffix(")"))


def _short(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"


def _box_width(label: str) -> float:
    name, angles = lines(label)
    return max(BOX, len(name) * NAME_WIDTH + 10, len(angles) * ANGLE_WIDTH + 8)
