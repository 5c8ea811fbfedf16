"""The shuffled order of an epoch, each place of which is computed on its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qorpus import _qorpus

#: The length of the runs in a window: long enough to make the checks at both ends cheap.
RUN_RECORDS = 128


class EpochOrder:
    """A shuffled order of `size` ids.

    With a window, ids are read in shuffled runs of neighbours, and shuffled again within windows of
    `window` records.
    """

    def __init__(self, size: int, seed: int, epoch: int, window: int | None) -> None:
        self.key = (size, epoch)
        self._size, self._seed, self._epoch = size, seed, epoch
        self._window, self._runs = window, -(-size // RUN_RECORDS)
        self._permutation = _qorpus.Permutation(size if window is None else self._runs, self._mixed(0))

    def _mixed(self, window: int) -> int:
        """Return the seed of the epoch, or of one of its windows, counted from 1."""
        # Consecutive seeds and epochs must not share orders; odd 64-bit factors spread them.
        return (self._seed + self._epoch * 0xD1B54A32D192ED03 + window * 0x8CB92BA72F3D8DD7) % (1 << 64)

    def ids(self, places: range) -> NDArray[np.int64]:
        """Return the ids at places of the order, which with a window are in one."""
        if self._window is None:
            return self._permutation.apply(np.arange(places.start, places.stop, dtype=np.int64))
        window, within = self.within(places)
        return self.window_ids(window)[self.window_order(window)[within]]

    def within(self, places: range) -> tuple[int, slice]:
        """Return the window that contains these places, and their places in it."""
        assert self._window is not None
        window, start = divmod(places.start, self._window)
        return window, slice(start, start + len(places))

    def window_order(self, window: int) -> NDArray[np.int64]:
        """Return the permutation of a window's records."""
        return _qorpus.shuffled(len(self._places(window)), self._mixed(window + 1))

    def window_ids(self, window: int) -> NDArray[np.int64]:
        """Return the ids of a window, as runs of neighbours in the order of reading."""
        places, missing = self._places(window), self._runs * RUN_RECORDS - self._size
        at = np.arange(places.start, places.stop, dtype=np.int64)
        if missing:
            # The last run is short: places after it in the order are shifted past the gap.
            at[at >= (self._permutation.place(self._runs - 1) + 1) * RUN_RECORDS - missing] += missing
        turn, within = np.divmod(at, RUN_RECORDS)
        first = turn[0]
        ids: NDArray[np.int64] = self._permutation.apply(np.arange(first, turn[-1] + 1))[turn - first] * RUN_RECORDS + within
        return ids

    def _places(self, window: int) -> range:
        assert self._window is not None
        return range(window * self._window, min((window + 1) * self._window, self._size))
