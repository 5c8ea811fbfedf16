"""A sample of records, whose lengths, gates and labels the pages count."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qorpus.view.filters import LABEL, Filter
from qorpus.view.source import Source

if TYPE_CHECKING:
    from qorpus._ranges import Ranges

#: Runs of neighbours, which a file reads quickly; records of a run; and letters of all.
RUNS, RUN_RECORDS, LETTERS = 64, 256, 2_000_000

#: Records whose labels are counted.
LABELLED = 1024

#: Labels of enumerations that are sets of letters, as bits.
MASKS = ("first_letters", "last_letters")

#: Bars of a histogram, of values and of gates.
MAX_BARS, MAX_GATES = 16, 40

#: More letters than a circuit has.
MOST_LETTERS = (1 << 31) - 1


class Bar(NamedTuple):
    """One value or range of a histogram, and the filter for its records."""

    name: str
    records: int
    filter: Filter


class Histogram(NamedTuple):
    """The number of records with each value."""

    title: str
    bars: list[Bar]
    #: Whether bars grow with the logarithms of the counts.
    is_log: bool = False

    def share(self, bar: Bar) -> float:
        """Return the length of a bar, of at most 1."""
        most = max(one.records for one in self.bars)
        if not most:
            return 0.0
        return math.log1p(bar.records) / math.log1p(most) if self.is_log else bar.records / most


class Sample(NamedTuple):
    """Lengths, gates and labels of some records."""

    records: int
    of: int
    lengths: NDArray[np.int64] | None
    #: For each record the number of letters with each gate.
    gates: NDArray[np.int64] | None
    labels: list[dict[str, Any]]

    @property
    def is_whole(self) -> bool:
        """Whether the sample has every record."""
        return self.records == self.of


def sample(source: Source, ranges: Ranges) -> Sample:
    """Read runs of records, spread evenly over those that exist."""
    records, total = source.records, len(ranges)
    # The recipe decides the letters of generated records, which need not be fetched from a bucket.
    decided = not records.is_appended and not source.levels
    if not total or not (decided or not getattr(records, "_is_sharded", False)):
        return Sample(0, total, None, None, [])
    labelled = _spread(total, LABELLED // RUNS) if source.levels or records.is_appended else []
    labels = [one for run in labelled for one in source.labels(ranges.ids(run))]
    if not records.has_circuits:
        return Sample(len(labels), total, None, None, labels)
    reader = getattr(records, "recipe", records) if decided else source
    probed = reader.letters_array(ranges.ids(np.concatenate(_spread(total, 1))))
    mean = max(1, int((probed >= 0).sum(axis=1).mean()))
    gate_of = [records.gates.index(letter.split(" ")[0]) for letter in records.letters]
    # A place for -1, with which rows of letters are filled up.
    gate_of.append(-1)
    lengths, counts = [], []
    for run in _spread(total, max(4, min(RUN_RECORDS, LETTERS // (RUNS * mean)))):
        gates = np.array(gate_of, np.int64)[reader.letters_array(ranges.ids(run))]
        lengths.append((gates >= 0).sum(axis=1))
        counts.append(np.stack([(gates == gate).sum(axis=1) for gate in range(len(records.gates))], axis=1))
    taken = np.concatenate(lengths)
    return Sample(len(taken), total, taken, np.concatenate(counts), labels)


def _spread(total: int, run: int) -> list[NDArray[np.int64]]:
    """Return the places of the runs, or of all records if they are few."""
    if total <= RUNS * run:
        return [np.arange(first, min(first + run, total)) for first in range(0, total, run)]
    # Whole numbers: ids have up to 63 bits, floats only 53.
    starts = [number * (total - run) // (RUNS - 1) for number in range(RUNS)]
    return [np.arange(start, start + run) for start in starts]


def level_histogram(source: Source) -> Histogram | None:
    """Count the records of each level of an enumeration, all of them."""
    bars = []
    costs = any(level.cost for level in source.levels)
    for number, level in enumerate(source.levels):
        name = f"{level.cost}, length {level.length}" if costs else str(level.length)
        bars.append(Bar(name, len(level.ids), Filter("level", number, number)))
    return Histogram("Level: cost" if costs else "Level: length", bars, is_log=True) if bars else None


def length_histogram(taken: Sample) -> Histogram | None:
    """Count the lengths in a sample."""
    return None if taken.lengths is None else _numbers("Length", "length", taken.lengths)


def gate_histogram(source: Source, taken: Sample) -> Histogram | None:
    """Count the records of a sample that have each gate."""
    if taken.gates is None:
        return None
    bars = []
    for place, gate in enumerate(source.records.gates):
        counts = taken.gates[:, place]
        bars.append(Bar(gate, int((counts > 0).sum()), Filter(f"count_{gate}", 1, MOST_LETTERS)))
    return Histogram("Records with a gate", bars[:MAX_GATES])


def gate_histograms(source: Source, taken: Sample) -> list[Histogram]:
    """Count, for each gate, its numbers of letters in a sample."""
    if taken.gates is None:
        return []
    return [_numbers(gate, f"count_{gate}", taken.gates[:, place]) for place, gate in enumerate(source.records.gates)]


def label_histograms(source: Source, taken: Sample) -> list[Histogram]:
    """Count the values of each label that was appended, in a sample."""
    histograms = []
    for name in source.records.label_types() if taken.labels else ():
        if source.levels and name in MASKS:
            continue
        values = [labels[name] for labels in taken.labels if labels.get(name) is not None]
        if values and all(isinstance(value, int | float) for value in values):
            histograms.append(_numbers(name, LABEL + name, np.array(values, np.float64)))
        elif values:
            common = Counter(map(str, values)).most_common(MAX_BARS)
            bars = [Bar(value, count, Filter(LABEL + name, text=value)) for value, count in common]
            histograms.append(Histogram(name, bars))
    return histograms


def _numbers(title: str, key: str, values: NDArray[Any]) -> Histogram:
    """Count numbers: each by itself if they are few, or in ranges."""
    values = values[np.isfinite(values)]
    if values.size and (values == np.trunc(values)).all() and np.abs(values).max() < 1 << 53:
        values = values.astype(np.int64)
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= MAX_BARS:
        pairs = zip(distinct.tolist(), counts.tolist(), strict=True)
        names = [(f"{value:,}" if isinstance(value, int) else f"{value:g}", value, count) for value, count in pairs]
        return Histogram(title, [Bar(name, count, Filter(key, value, value)) for name, value, count in names])
    if np.issubdtype(values.dtype, np.integer):
        width = -(-int(distinct[-1] - distinct[0] + 1) // MAX_BARS)
        lows = range(int(distinct[0]), int(distinct[-1]) + 1, width)
        bars = []
        for low in lows:
            records = int(counts[(distinct >= low) & (distinct < low + width)].sum())
            name = f"{low:,}–{low + width - 1:,}" if width > 1 else f"{low:,}"
            bars.append(Bar(name, records, Filter(key, low, low + width - 1)))
        return Histogram(title, bars)
    heights, edges = np.histogram(values, bins=MAX_BARS)
    bars = []
    for number, (low, high, count) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), heights.tolist(), strict=True)):
        # The upper end belongs to the next range, except that of the last.
        end = high if number == len(heights) - 1 else float(np.nextafter(high, low))
        bars.append(Bar(f"{low:.4g} – {high:.4g}".replace("-", "−"), count, Filter(key, low, end)))
    return Histogram(title, bars)
