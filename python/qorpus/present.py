"""What is there of a corpus that is still being made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qorpus._qorpus import Records
from qorpus.ranges import Ranges
from qorpus.streams import Subset

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from qorpus.corpus import Corpus


class Present(Subset):
    """The records that were there of a corpus when it was asked: `corpus.present()`.

    They have the reading interface of a corpus; their places are counted from 0, and `ids` tells which records of the
    corpus they are. What comes later does not change them: it is in what `corpus.present()` returns then.
    """

    _noun = "part that was present"

    def __init__(self, corpus: Corpus, ranges: Sequence[Sequence[int]]) -> None:
        # A corpus reads what is sealed.
        super().__init__(Records(files=corpus.paths, order=corpus.order, unsealed=True))
        self._corpus = corpus
        self._ranges = self._present = Ranges([start for start, _ in ranges], [stop for _, stop in ranges])

    def __reduce__(self) -> tuple[Any, ...]:
        return Present, (self._corpus, self.ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    @property
    def ranges(self) -> list[list[int]]:
        """Their ids, as pairs of a first id and the one behind the last, in order: what `corpus.present` takes, and JSON can hold."""
        return self._ranges.pairs

    def _chosen(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._ranges.at(places)

    def _contains(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self._ranges.contains(ids)

    def _whole(self) -> tuple[Records, Ranges]:
        # Splits are those of the corpus, whatever was there of it.
        return self._records, self._ranges

    def __repr__(self) -> str:
        return f"Present({len(self):,} of the records of {self._corpus!r})"


__all__ = ["Present"]
