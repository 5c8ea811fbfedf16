"""Corpora as data sets: splits, and streams for training."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from qorpus import _html, _qorpus
from qorpus._arguments import integer, kind, short
from qorpus._sides import IdSide, UnitarySide, UnitarySides
from qorpus._subset import Subset
from qorpus.errors import InvalidArgument, MissingLibrary, WrongType
from qorpus.stream import Stream, StreamOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    import qorpus.torch
    from qorpus._qorpus import Ids, Records


class Readable:
    """Records that can be split, and streamed into a training."""

    def stream(self, batch_size: int, **options: Unpack[StreamOptions]) -> Stream:
        """Stream batches as NumPy arrays.

            for batch in corpus.stream(256, seed=1):
                batch.unitaries, batch.circuits, batch.ids

        Args:
            batch_size: records of a batch.
            **options: those of `Stream`.

        Raises:
            qorpus.InvalidArgument: an option is invalid.
            qorpus.WrongType: an option has the wrong type.
        """
        return Stream(cast("Records", self), batch_size, **options)

    @overload
    def torch(
        self, batch_size: None = None, *, longest: int | None = None, real_imag: bool = False, labels: bool = False
    ) -> qorpus.torch.Dataset: ...

    @overload
    def torch(self, batch_size: int, **options: Unpack[qorpus.torch.LoadingOptions]) -> qorpus.torch.Stream: ...

    def torch(self, batch_size: int | None = None, **options: Any) -> qorpus.torch.Dataset | qorpus.torch.Stream:
        """Make a data set or a stream for PyTorch.

        Without a batch size this is a `qorpus.torch.Dataset`, which a DataLoader takes and may
        shuffle. With one it is a `qorpus.torch.Stream`, which shuffles without memory, is sharded
        over ranks and workers, and resumes exactly.

            loader = torch.utils.data.DataLoader(corpus.torch(), batch_size=64, shuffle=True, num_workers=2)
            stream = corpus.torch(batch_size=64, seed=0, num_workers=4)

        Args:
            batch_size: records of a batch, or None for single records.
            **options: those of `qorpus.torch.Dataset` or `qorpus.torch.Stream`.

        Raises:
            qorpus.MissingLibrary: PyTorch is not installed.
            qorpus.InvalidArgument: an option is invalid.
            qorpus.WrongType: an option has the wrong type.
        """
        try:
            from qorpus import torch
        except ImportError as error:
            raise MissingLibrary("this needs PyTorch; pip install torch") from error
        records = cast("Records", self)
        if batch_size is None:
            if others := options.keys() - {"longest", "real_imag", "labels"}:
                raise WrongType(
                    f"without a batch_size there is no {', '.join(sorted(others))}: a DataLoader that takes the dataset has such "
                    "options; pass a batch_size for a stream that has them itself"
                )
            return torch.Dataset(records, **options)
        return torch.Stream(records, batch_size, **options)

    def pairs(self, ids: Ids) -> tuple[NDArray[np.int32], NDArray[Any]]:
        """Read the circuits and unitaries of some records in one go.

            letters, unitaries = corpus.pairs(slice(0, 1024))

        Args:
            ids: a slice, or integers in one dimension, in any order, also repeated. Negative ones
                count from the end.

        Returns:
            The arrays that `letters_array` and `unitaries` return. Where unitaries are computed on
                reading, this takes half as long as two calls.

        Raises:
            IndexError: there is no such record.
        """
        unitaries, letters = cast("Records", self)._pairs(ids)
        return letters, unitaries

    def split(
        self, *, by: str = "id", seed: int = 0, progress: bool | Callable[[int, int], object] = True, **fractions: float
    ) -> dict[str, Split]:
        """Cut the records into named splits, as in `corpus.split(train=0.8, test=0.2)`.

        The split of a record depends on its id, the fractions and the seed alone: it does not
        change when a corpus grows. Every 1000 consecutive records are split exactly.

        Random circuits, words and appended records may repeat a unitary. Records with equal
        unitaries are then in several splits, and a network is tested on answers that it has seen.
        `split(by="unitary", ...)` keeps records whose unitaries are equal up to a global phase
        together. A corpus that `qorpus.distinct` made has each unitary once and needs no such care.

        By unitary, a record's split depends on its unitary, the fractions and the seed alone.
        Fractions are those of the unitaries, and hold for the records on average. All records are
        read once, when the splits are first read, on all cores: about a million two-qubit records
        in a second on two cores. That takes a bit a record for each split, in a temporary file; a
        pickled split does it anew. Unitaries over Z[i, 1/sqrt(2)] are compared exactly if no
        circuit is longer than 28 letters. Others are compared in floating point: two unitaries
        whose difference has a Frobenius norm of at most 1e-11 are never in two splits, and the few
        records (about 1 in 20,000) that are so near to the border between two splits are in none.

        Args:
            by: "id" or "unitary".
            seed: the seed of the split.
            progress: by unitary, whether a terminal shows a bar; or a function that is called
                instead, with the number of records read so far and in all.
            **fractions: for each name its share of the records, in thousandths; together at most 1.

        Raises:
            qorpus.InvalidArgument: shares are not thousandths, or more than 1 together; or, by
                unitary, gates have no matrices or unitaries are complex64, which is too imprecise.
            qorpus.WrongType: a share is not a number, or the seed is not an integer.
        """
        seed = integer(seed, "seed")
        ranges: dict[str, tuple[int, int]] = {}
        start = 0
        for name, fraction in fractions.items():
            size = _thousandths(name, fraction)
            ranges[name] = (start, start := start + size)
        if start > 1000:
            raise InvalidArgument(f"the splits take {start / 1000} of the records; together they may take at most 1")
        if not isinstance(by, str):
            raise WrongType(f"records are split by 'id' or 'unitary', a text, not by {kind(by)}")
        if by not in ("id", "unitary"):
            raise InvalidArgument(f"records are split by 'id' or 'unitary', not by {by!r}")
        records = cast("Records", self)
        if by == "id":
            return {name: Split(records, name, *shares, seed) for name, shares in ranges.items()}
        sides = _sides(records, list(ranges.values()), seed, progress)
        return {
            name: Split(records, name, *shares, seed, UnitarySide(sides, number))
            for number, (name, shares) in enumerate(ranges.items())
        }


class Split(Subset, Readable):
    """A split of a corpus, with its reading interface; places are counted from 0.

    `Record.id` and `ids` have the records' ids in the corpus. Unless they were split
    `by="unitary"`, records of other splits may have the same unitaries.
    """

    _noun = "split"

    def __init__(
        self, records: Records | Subset, name: str, start: int, stop: int, seed: int, side: UnitarySide | None = None
    ) -> None:
        whole, among = records._whole() if isinstance(records, Subset) else (records, None)
        share = _qorpus.Split(start, stop, seed)
        self._split = side or (share if among is None else IdSide(share, among))
        super().__init__(whole, self._split)
        self._state = (records, name, start, stop, seed)
        self._present = records._present if isinstance(records, Subset) else None
        self._by = "id" if side is None else "unitary"

    def __reduce__(self) -> tuple[Any, ...]:
        return _split_again, (*self._state, self._by)

    def __len__(self) -> int:
        return self._split.count(len(self._state[0]))

    def __repr__(self) -> str:
        by = "" if self._by == "id" else ", by unitary"
        return f"Split({self._state[1]!r}: {len(self):,} of the records of {self._state[0]!r}{by})"

    def _repr_html_(self) -> str:
        facts = [("records", f"{len(self):,} of {len(self._state[0]):,}"), ("split by", self._by), ("of", repr(self._state[0]))]
        return _html.card(self, f"Split {self._state[1]!r}", facts)


def _thousandths(name: str, fraction: float) -> int:
    """Return the share of a split as a number of thousandths."""
    if not isinstance(fraction, Real):
        raise WrongType(f"split {name!r}: a share is a number such as 0.125, not {kind(fraction)}")
    # NumPy's small integers cannot hold a thousand.
    share = (int(fraction) if isinstance(fraction, Integral) else fraction) * 1000
    if not 0 <= share <= 1e6 or abs(round(share) - share) > 1e-6:
        found = short(fraction) if isinstance(fraction, int) else str(fraction)
        raise InvalidArgument(f"split {name!r}: {found} is not a number of thousandths, such as 0.125")
    return round(share)


def _sides(
    records: Records | Subset, parts: list[tuple[int, int]], seed: int, progress: bool | Callable[[int, int], object]
) -> UnitarySides:
    """Return the parts of a split by unitary."""
    whole, among = records._whole() if isinstance(records, Subset) else (records, None)
    return UnitarySides(whole, parts, seed, progress, among)


def _split_again(records: Records | Subset, name: str, start: int, stop: int, seed: int, by: str) -> Split:
    """Return a split that was pickled."""
    side = None if by == "id" else UnitarySide(_sides(records, [(start, stop)], seed, progress=False), 0)
    return Split(records, name, start, stop, seed, side)
