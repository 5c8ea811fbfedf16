"""Plots of the lengths and gates of a corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qorpus import _qorpus
from qorpus._ranges import Ranges
from qorpus.errors import InvalidArgument, MissingLibrary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from qorpus._qorpus import Records

#: The most records whose circuits are read: runs of neighbours, which a file reads quickly. If
#: circuits are long, runs are shorter.
RUNS, RUN_RECORDS, SHORTEST_RUN, LETTERS = 64, 1024, 16, 20_000_000

#: Bars for which there is room.
MAX_GATES, MAX_LENGTHS = 30, 100


class _Counts(NamedTuple):
    """The lengths and letters of some circuits."""

    records: int
    #: The number of records with each length.
    lengths: NDArray[np.int64]
    #: The number of times that each letter occurs.
    letters: NDArray[np.int64]


def figure(records: Records) -> Figure:
    """Plot how long circuits are, and how often they have each gate."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingLibrary("a plot needs matplotlib; pip install matplotlib") from error
    if not records.has_circuits:
        raise InvalidArgument("a plot shows lengths and gates of circuits, and Haar-random unitaries have no circuits")
    present = _qorpus.present_ranges(records) if records else []
    ids = Ranges([start for start, _ in present], [stop for _, stop in present])
    if not len(ids):
        raise InvalidArgument("there are no records to plot")
    levels = _qorpus.levels(records)
    # Circuits that the recipe decides need not be read, which might fetch shards from a bucket.
    decided = not levels and not records.is_appended
    counts = _count(getattr(records, "recipe", records) if decided else records, ids)
    sample = f"a sample of {counts.records:,}" if counts.records < len(ids) else ""
    drawn, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    drawn.suptitle(f"{len(ids):,} records" + (f"; gates of {sample}" if levels and sample else f"; {sample}" if sample else ""))
    if levels:
        _plot_levels(left, levels)
    else:
        _plot_lengths(left, counts, "records of the sample" if sample else "records")
    _plot_gates(right, counts, records)
    if "inline" in plt.get_backend():
        # A notebook would show it twice: as the result of the call, and as an open figure.
        plt.close(drawn)
    return drawn


def _count(records: Records, ids: Ranges) -> _Counts:
    """Count lengths and letters, of all records or of runs that are spread evenly."""
    # Whole numbers: ids have up to 63 bits, floats only 53.
    probed = np.unique([place * (len(ids) - 1) // (RUNS - 1) for place in range(RUNS)])
    probe = records.letters_array(ids.ids(probed))
    mean = max(1.0, float((probe >= 0).sum(axis=1).mean()))
    run = max(SHORTEST_RUN, min(RUN_RECORDS, int(LETTERS / (RUNS * mean))))
    if len(ids) <= RUNS * run:
        starts = list(range(0, len(ids), run))
    else:
        starts = [place * (len(ids) - run) // (RUNS - 1) for place in range(RUNS)]
    lengths, letters, total = np.zeros(1, np.int64), np.zeros(len(records.letters), np.int64), 0
    for start in starts:
        read = records.letters_array(ids.ids(np.arange(start, min(start + run, len(ids)))))
        counted = np.bincount((read >= 0).sum(axis=1), minlength=len(lengths))
        counted[: len(lengths)] += lengths
        lengths = counted
        letters += np.bincount(read[read >= 0], minlength=len(letters))
        total += len(read)
    return _Counts(total, lengths, letters)


def _plot_levels(axes: Axes, levels: list[tuple[int, int, int, int]]) -> None:
    """Plot the records of each level of an enumeration."""
    by_cost = any(cost for cost, *_ in levels)
    sizes: dict[int, int] = {}
    for cost, length, _, records in levels:
        key = cost if by_cost else length
        sizes[key] = sizes.get(key, 0) + records
    axes.bar(list(sizes), list(sizes.values()))
    axes.set(xlabel="cost" if by_cost else "length", ylabel="distinct unitaries", yscale="log")
    axes.locator_params(axis="x", integer=True)


def _plot_lengths(axes: Axes, counts: _Counts, ylabel: str) -> None:
    """Plot the records of each length."""
    first = int(np.flatnonzero(counts.lengths)[0])
    width = -(-(len(counts.lengths) - first) // MAX_LENGTHS)
    edges = range(first, len(counts.lengths), width)
    heights = [int(counts.lengths[edge : edge + width].sum()) for edge in edges]
    axes.bar([edge + (width - 1) / 2 for edge in edges], heights, width=0.8 * width)
    axes.set(xlabel="length", ylabel=ylabel, xlim=(first - width, len(counts.lengths) - 1 + width))
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.locator_params(axis="x", integer=True)


def _plot_gates(axes: Axes, counts: _Counts, records: Records) -> None:
    """Plot how often a circuit has each gate, on average."""
    place = {gate: number for number, gate in enumerate(records.gates)}
    totals = np.zeros(len(place))
    np.add.at(totals, [place[letter.split(" ")[0]] for letter in records.letters], counts.letters)
    shown = np.arange(len(totals))
    if len(totals) > MAX_GATES:
        shown = np.argsort(-totals, kind="stable")[:MAX_GATES]
    axes.barh([records.gates[gate] for gate in shown], totals[shown] / counts.records)
    axes.invert_yaxis()
    axes.set(xlabel="mean number in a circuit" + (f", the {MAX_GATES} most frequent" if len(totals) > MAX_GATES else ""))
