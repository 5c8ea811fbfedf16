"""Unitaries as heat maps: phase as hue, magnitude as opacity."""

from __future__ import annotations

import cmath
from html import escape
from math import cos, pi, radians, sin
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The width of a map, about, and the most cells of a side, whatever the size of the unitary.
PIXELS = 144
MAX_CELLS = 32

#: Steps of the legend, and the space that it takes beside the map.
STEPS = 24
LEGEND = 134


def heat_map(unitary: NDArray[Any]) -> str:
    """Draw a square matrix, with a power of two of rows, and its legend as an `<svg>` element.

    The hue of a cell is the phase of an entry. Its opacity is the entry's magnitude, relative to
    the largest, so that an entry of zero shows the background, bright or dark. Hovering shows the
    number. If there are more than 32 rows, each cell shows the largest entry of a square block.

    Examples:
        >>> from qorpus._heat_map import heat_map
        >>> heat_map(np.eye(2)).count("<rect")
        4
    """
    rects, side, top, name = _grid(unitary, PIXELS, MAX_CELLS, hover=True)
    return _svg(side + LEGEND, side, name, f"{rects}{_frame(0, 0, side, side)}{_legend(side + 16, side, f'{top:.2g}')}")


def cells(unitary: NDArray[Any], pixels: int, most: int, hover: bool) -> str:
    """Draw a square matrix as `heat_map` does, without a legend.

    Args:
        unitary: the matrix.
        pixels: the width, about.
        most: the most cells of a side.
        hover: whether hovering shows the numbers.

    Examples:
        >>> from qorpus._heat_map import cells
        >>> cells(np.eye(2), 72, most=16, hover=False).count("<rect")
        4
    """
    rects, side, _, name = _grid(unitary, pixels, most, hover)
    return _svg(side + 2, side, name, rects + _frame(0, 0, side, side))


def legend(pixels: int) -> str:
    """Draw the legend of several maps, whose largest magnitudes differ.

    Examples:
        >>> from qorpus._heat_map import legend
        >>> legend(72).startswith("<svg")
        True
    """
    return _svg(LEGEND - 16, pixels, "Legend: hue is the phase, opacity the magnitude", _legend(2, pixels, "max"))


def _grid(unitary: NDArray[Any], pixels: int, most: int, hover: bool) -> tuple[str, int, float, str]:
    """Return the cells of a map, its side, the largest magnitude and the accessible name."""
    dim = len(unitary)
    count = min(dim, most)
    width, size = dim // count, max(4 if pixels < PIXELS else 5, pixels // count)
    blocks = unitary.reshape(count, width, count, width).swapaxes(1, 2).reshape(count, count, -1)
    largest = np.abs(np.nan_to_num(blocks)).argmax(axis=2)
    entries = np.take_along_axis(blocks, largest[..., None], axis=2)[..., 0]
    top = float(np.abs(np.nan_to_num(entries)).max()) or 1.0
    rects = []
    for (row, column), place in np.ndenumerate(largest):
        entry = complex(entries[row, column])
        known = entry if cmath.isfinite(entry) else 0j
        at = f"[{row * width + place // width}, {column * width + place % width}]"
        rects.append(
            f"<rect x='{column * size}' y='{row * size}' width='{size}' height='{size}' fill='{colour(cmath.phase(known))}' "
            f"fill-opacity='{min(abs(known) / top, 1.0):.3g}'>{f'<title>{at} {entry:.4g}</title>' if hover else ''}</rect>"
        )
    name = f"Heat map of a unitary with {dim} rows: hue is the phase, opacity the magnitude, at most {top:.3g}"
    if width > 1:
        name += f"; a cell is the largest of {width} by {width} entries"
    return "".join(rects), size * count, top, name


def _svg(width: float, side: float, name: str, inner: str) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{side + 2}' "
        f"viewBox='-1 -1 {width} {side + 2}' role='img' aria-label='{escape(name)}' "
        f"font-family='ui-sans-serif,system-ui,sans-serif' font-size='11' style='display:block'>{inner}</svg>"
    )


def colour(phase: float) -> str:
    """Return the hue of a phase: red for 0, cyan for pi, all of the same lightness.

    Examples:
        >>> from qorpus._heat_map import colour
        >>> colour(0.0)
        '#de6f6a'
    """
    # Oklch, whose hues are equally light, with hue 24 degrees for phase 0.
    a, b = (0.14 * turned for turned in (cos(phase + radians(24)), sin(phase + radians(24))))
    cones = (
        (0.67 + 0.3963377774 * a + 0.2158037573 * b) ** 3,
        (0.67 - 0.1055613458 * a - 0.0638541728 * b) ** 3,
        (0.67 - 0.0894841775 * a - 1.2914855480 * b) ** 3,
    )
    to_linear = (
        (4.0767416621, -3.3077115913, 0.2309699292),
        (-1.2684380046, 2.6097574011, -0.3413193965),
        (-0.0041960863, -0.7034186147, 1.7076147010),
    )
    parts = (sum(factor * cone for factor, cone in zip(row, cones)) for row in to_linear)
    return "#" + "".join(f"{round(255 * _gamma(min(max(part, 0.0), 1.0))):02x}" for part in parts)


def _gamma(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _frame(x: float, y: float, width: float, height: float) -> str:
    return f"<path d='M{x:g} {y:g}h{width:g}v{height:g}h{-width:g}z' fill='none' stroke='currentColor' stroke-opacity='.4'/>"


def _legend(left: float, side: float, top: str) -> str:
    """Draw the scales of phase and magnitude, as high as the map without their captions."""
    height, parts = side - 18, []
    phases, magnitudes = left, left + 52
    for step in range(STEPS):
        y, tall = height * step / STEPS, height / STEPS
        share = 1 - (step + 0.5) / STEPS
        parts.append(f"<path d='M{phases} {y:g}h10v{tall:g}h-10z' fill='{colour(pi * (2 * share - 1))}'/>")
        parts.append(f"<path d='M{magnitudes} {y:g}h10v{tall:g}h-10z' fill='currentColor' fill-opacity='{share:.3g}'/>")
    texts = [
        (phases + 14, 8, "π"), (phases + 14, height / 2 + 4, "0"), (phases + 14, height, "−π"),
        (phases - 2, side - 1, "phase"), (magnitudes + 14, 8, top), (magnitudes + 14, height, "0"),
        (magnitudes - 2, side - 1, "magnitude"),
    ]  # fmt: skip
    parts.extend(f"<text x='{x:g}' y='{y:g}' fill='currentColor'>{text}</text>" for x, y, text in texts)
    return _frame(phases, 0, 10, height) + _frame(magnitudes, 0, 10, height) + "".join(parts)
