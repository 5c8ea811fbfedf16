"""Training streams: batches of a corpus in a shuffled order that takes no memory, for any number of ranks.

The order of an epoch is a keyed permutation of the ids, of which any place is found at once. So a stream over
10**12 records is as cheap as one over ten, may be resumed anywhere, and is the same on every machine.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

from qorpus import _qorpus
from qorpus.arguments import integer, integers, kind, short, texts, truth
from qorpus.batches import Batch, Window
from qorpus.errors import Error, InvalidArgument, MissingLibrary, MissingRecord, WrongType
from qorpus.ranges import Ranges
from qorpus.sides import IdSide, UnitarySide, UnitarySides

if TYPE_CHECKING:
    from typing_extensions import Unpack

    import qorpus.torch
    from qorpus._qorpus import Ids, Record, Records

#: What a batch may hold besides its ids.
COLUMNS = ("unitaries", "circuits", "labels")

#: The largest number of an epoch, a rank, or records of a batch.
MOST = (1 << 63) - 1

#: Records that iterating reads ahead, and bytes of unitaries, whichever is less.
AHEAD = 1024
AHEAD_BYTES = 16 << 20


def ahead(records: Records) -> int:
    """How many records are read at once."""
    unitary_bytes: int = records.dtype.itemsize << 2 * records.qubits
    return max(1, min(AHEAD, AHEAD_BYTES // unitary_bytes))


T = TypeVar("T")

#: Neighbours that stay together on their way into a window: so many that what is checked at both ends counts little.
RUN = 128


class OrderOptions(TypedDict, total=False):
    """Those options of `Stream` that one for PyTorch has as well."""

    shuffle: bool
    window: int | None
    seed: int
    epoch: int
    rank: int
    world_size: int
    drop_last: bool
    parts: bool


class StreamOptions(OrderOptions, total=False):
    """The options of `Stream`."""

    columns: Sequence[str]


class Readable:
    """What can be split, and streamed into a training."""

    def stream(self, batch_size: int, **options: Unpack[StreamOptions]) -> Stream:
        """Batches as NumPy arrays.

            for batch in corpus.stream(256, seed=1):
                batch.unitaries, batch.circuits, batch.ids

        Args:
            batch_size: records of a batch.
            **options: those of `Stream`.

        Returns:
            The stream, at the beginning of its epoch.

        Raises:
            qorpus.InvalidArgument: an option that cannot be.
            qorpus.WrongType: an option of the wrong type.
        """
        return Stream(cast("Records", self), batch_size, **options)

    @overload
    def torch(
        self, batch_size: None = None, *, longest: int | None = None, parts: bool = False, labels: bool = False
    ) -> qorpus.torch.Dataset: ...

    @overload
    def torch(self, batch_size: int, **options: Unpack[qorpus.torch.LoadingOptions]) -> qorpus.torch.Stream: ...

    def torch(self, batch_size: int | None = None, **options: Any) -> qorpus.torch.Dataset | qorpus.torch.Stream:
        """For PyTorch: without a batch size a `qorpus.torch.Dataset`, which a DataLoader takes and may shuffle; with
        one a `qorpus.torch.Stream`, which shuffles without memory, is sharded over ranks and workers, and resumes
        exactly.

            loader = torch.utils.data.DataLoader(corpus.torch(), batch_size=64, shuffle=True, num_workers=2)
            stream = corpus.torch(batch_size=64, seed=0, num_workers=4)

        Args:
            batch_size: records of a batch, or None for single records.
            **options: those of `qorpus.torch.Dataset` or `qorpus.torch.Stream`.

        Returns:
            The dataset, or the stream.

        Raises:
            qorpus.MissingLibrary: PyTorch is not installed.
            qorpus.InvalidArgument: an option that cannot be.
            qorpus.WrongType: an option of the wrong type.
        """
        try:
            from qorpus import torch
        except ImportError as error:
            raise MissingLibrary("this needs PyTorch; pip install torch") from error
        records = cast("Records", self)
        if batch_size is None:
            if others := options.keys() - {"longest", "parts", "labels"}:
                raise WrongType(
                    f"without a batch_size there is no {', '.join(sorted(others))}: a DataLoader that takes the dataset has such "
                    "options; pass a batch_size for a stream that has them itself"
                )
            return torch.Dataset(records, **options)
        return torch.Stream(records, batch_size, **options)

    def split(
        self,
        *,
        by: str = "id",
        seed: int = 0,
        progress: bool | Callable[[int, int], object] = True,
        **fractions: float,
    ) -> dict[str, Split]:
        """Cut the records into named splits, such as `corpus.split(train=0.8, validation=0.1, test=0.1)`.

        To which split a record belongs depends on its id, the fractions and the seed alone: it does not change when a
        corpus grows. Every 1000 consecutive records are split exactly.

        Random circuits, words and appended records may repeat a unitary, and records with equal unitaries then are in
        several splits: a network that is tested has seen some of the answers. `split(by="unitary", ...)` keeps records
        whose unitaries are equal up to a global phase together. A corpus that `qorpus.distinct` made has each unitary
        once, and needs no such care.

        By unitary, a record's split depends on its unitary, the fractions and the seed alone. Fractions are those of
        the unitaries, and hold for the records on average. The records are gone through once, when the splits are
        first read, on all cores: about a million two-qubit records in a second on two cores. That takes a bit a record
        for each split, in a temporary file; a split that is pickled does it anew. Unitaries over Z[i, 1/sqrt(2)] are
        compared exactly if no circuit is longer than 28 letters. Others are compared in floating point: two unitaries
        whose difference has a Frobenius norm of at most 1e-11 are never in two splits, and the few records
        (about 1 in 20,000) that are so near to the border between two splits are in none.

        Args:
            by: "id" or "unitary".
            seed: what decides who belongs where.
            progress: by unitary, whether a terminal shows a bar; or what is called instead now and then, with the number
                of records that were gone through and of all.
            **fractions: for each name its share of the records, in thousandths; together at most 1.

        Raises:
            qorpus.InvalidArgument: shares that are not thousandths, or more than 1 together; or, by unitary, gates
                without matrices and unitaries in complex64, which are too imprecise.
            qorpus.WrongType: a share that is not a number, or a seed that is not an integer.
        """
        seed, ranges, start = integer(seed, "seed"), {}, 0
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
            name: Split(records, name, *shares, seed, sides.part(number))
            for number, (name, shares) in enumerate(ranges.items())
        }


def _thousandths(name: str, fraction: float) -> int:
    """The share of a split as a number of thousandths."""
    if not isinstance(fraction, Real):
        raise WrongType(f"split {name!r}: a share is a number such as 0.125, not {kind(fraction)}")
    # NumPy's small integers have no room for a thousand.
    share = (int(fraction) if isinstance(fraction, Integral) else fraction) * 1000
    if not 0 <= share <= 1e6 or abs(round(share) - share) > 1e-6:
        found = short(fraction) if isinstance(fraction, int) else str(fraction)
        raise InvalidArgument(f"split {name!r}: {found} is not a number of thousandths, such as 0.125")
    return round(share)


def _sides(
    records: Records | Subset, parts: list[tuple[int, int]], seed: int, progress: bool | Callable[[int, int], object]
) -> UnitarySides:
    """The parts of a split by unitary."""
    whole, among = records._whole() if isinstance(records, Subset) else (records, None)
    return UnitarySides(whole, parts, seed, progress, among)


def _split_again(records: Records | Subset, name: str, start: int, stop: int, seed: int, by: str) -> Split:
    """A split that was pickled."""
    side = None if by == "id" else _sides(records, [(start, stop)], seed, progress=False).part(0)
    return Split(records, name, start, stop, seed, side)


class Subset(Readable):
    """Some of the records of a corpus, with the same reading interface; their places are counted from 0."""

    #: What they are called in messages.
    _noun = "subset"

    def __init__(self, records: Records) -> None:
        self._records = records
        #: The ids that they are chosen among, if not among all: states of streams name them.
        self._present: Ranges | None = None

    def __len__(self) -> int:
        raise NotImplementedError

    def _chosen(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The ids of the records at these places, all of which there are."""
        raise NotImplementedError

    def _contains(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        raise NotImplementedError

    def _whole(self) -> tuple[Records, Ranges | None]:
        """What is split when they are split: records, and the ids of some of them if it is not all."""
        return cast("Records", self), None

    def ids(self, places: Ids) -> NDArray[np.int64]:
        """The ids in the corpus of the records at these places: a slice, or integers.

        Raises:
            qorpus.MissingRecord: there is no such place.
            qorpus.WrongType: they are something else.
        """
        size = len(self)
        if isinstance(places, slice):
            return self._chosen(np.arange(*_indices(places, size), dtype=np.int64))
        array = integers(places, "places")
        outside = array[(array < -size) | (array >= size)]
        if outside.size:
            raise MissingRecord(f"there is no record {outside[0]}; the {self._noun} has {size}, numbered from 0")
        return self._chosen(np.where(array < 0, array + size, array))

    def contains(self, ids: Sequence[int] | NDArray[Any]) -> NDArray[np.bool_]:
        """Whether the records with these ids are among them."""
        return self._contains(integers(ids, "ids"))

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice | Sequence[int] | NDArray[Any]) -> list[Record]: ...

    def __getitem__(self, place: Any) -> Record | list[Record]:
        try:
            one = operator.index(place)
        except (TypeError, ValueError):
            return self._records.__getitems__(self.ids(place))
        return self._records[int(self.ids([one])[0])]

    def __getitems__(self, places: Ids) -> list[Record]:
        """What a PyTorch DataLoader calls."""
        return self._records.__getitems__(self.ids(places))

    def __iter__(self) -> Iterator[Record]:
        count = ahead(self._records)
        for start in range(0, len(self), count):
            yield from self[start : start + count]

    def unitaries(self, places: Ids) -> NDArray[Any]:
        """The unitaries at these places, of shape (k, d, d)."""
        return self._records.unitaries(self.ids(places))

    def circuits(self, places: Ids) -> list[tuple[str, ...]]:
        """The circuits at these places."""
        return self._records.circuits(self.ids(places))

    def letters_array(self, places: Ids) -> NDArray[np.int32]:
        """The circuits at these places as numbers of letters, padded with -1."""
        return self._records.letters_array(self.ids(places))

    def pairs(self, places: Ids) -> tuple[NDArray[np.int32], NDArray[Any]]:
        """The circuits and unitaries at these places, as `letters_array` and `unitaries` give them, read in one go."""
        unitaries, letters = self._pairs(places)
        return letters, unitaries

    def _pairs(self, places: Ids) -> tuple[NDArray[Any], NDArray[np.int32]]:
        return self._records._pairs(self.ids(places))

    def labels(self, places: Ids) -> list[dict[str, Any]]:
        """The labels at these places."""
        return self._records.labels(self.ids(places))

    def label_types(self) -> dict[str, type]:
        """The labels that records of the corpus brought with them: `float` for numbers, `str` for texts."""
        return self._records.label_types()

    @property
    def qubits(self) -> int:
        """The number of qubits."""
        return self._records.qubits

    @property
    def order(self) -> str:
        """The order of the qubits: "big" or "little"."""
        return self._records.order

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the unitaries."""
        return self._records.dtype

    @property
    def gates(self) -> tuple[str, ...]:
        """The names of the gates."""
        return self._records.gates

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters in order: letter number k is the k-th."""
        return self._records.letters

    @property
    def lengths(self) -> tuple[int, int]:
        """The shortest and the longest circuit that there can be."""
        return self._records.lengths

    @property
    def is_appended(self) -> bool:
        """Whether the records were appended by someone."""
        return self._records.is_appended

    @property
    def _is_sharded(self) -> bool:
        return self._records._is_sharded


class Split(Subset):
    """Some of the records of a corpus, with the same reading interface; their places are counted from 0.

    `Record.id` and `ids` tell which records of the corpus they are. Unless they were split `by="unitary"`, records of
    other splits may have the same unitaries.
    """

    _noun = "split"

    def __init__(
        self, records: Records | Subset, name: str, start: int, stop: int, seed: int, side: UnitarySide | None = None
    ) -> None:
        whole, among = records._whole() if isinstance(records, Subset) else (records, None)
        super().__init__(whole)
        self._state = (records, name, start, stop, seed)
        self._present = records._present if isinstance(records, Subset) else None
        self._by = "id" if side is None else "unitary"
        self._split: _qorpus.Split | IdSide | UnitarySide = side or _qorpus.Split(start, stop, seed)
        if isinstance(self._split, _qorpus.Split) and among is not None:
            self._split = IdSide(self._split, among)

    def __reduce__(self) -> tuple[Any, ...]:
        return _split_again, (*self._state, self._by)

    def __len__(self) -> int:
        return self._split.count(len(self._state[0]))

    def _chosen(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._split.ids(places)

    def _contains(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self._split.contains(ids)

    def __repr__(self) -> str:
        by = "" if self._by == "id" else ", by unitary"
        return f"Split({self._state[1]!r}: {len(self):,} of the records of {self._state[0]!r}{by})"


def _indices(places: slice, size: int) -> tuple[int, int, int]:
    """Start, stop and step of a slice."""
    try:
        return places.indices(size)
    except TypeError as error:
        raise WrongType(f"a slice is of integers: {error}") from error
    except ValueError as error:
        raise InvalidArgument(f"a slice cannot be: {error}") from error


class Stream:
    """Batches of records, epoch after epoch, in an order that depends on seed and epoch alone.

    Iterating yields the batches that are left of the epoch. The epoch is over when its last batch was given, whether or
    not the loop asks once more: from then on `epoch` and `state_dict` are those of the next epoch, which the next loop
    yields. A loop that was left early, or a stream that loaded a state, goes on behind the last batch it gave.

    A stream has one place, so one loop at a time: the loop that begins last goes on where the stream stands, and an
    older one that is asked for more of an unfinished epoch raises `qorpus.Error`. So it does when `set_epoch`,
    `next_epoch` or `load_state_dict` has moved the stream meanwhile. Two loops at once need two streams.

        stream = corpus.stream(256, seed=1)
        for epoch in range(3):
            for batch in stream:
                ...                                   # batch.unitaries, batch.circuits
        checkpoint = stream.state_dict()

    Batch g of an epoch holds the records at places g * batch_size and on in its order; rank r of n has the batches r,
    r + n, r + 2n and so on. Nothing is left out or given twice, and no memory grows with the number of records.

    Which rank this is, is never guessed. Under `torch.distributed` say

        corpus.stream(256, rank=torch.distributed.get_rank(), world_size=torch.distributed.get_world_size())

    With a `window` runs of 128 neighbours come in a random order, and so many records as a window has are permuted exactly.
    Files are read several times as fast so, and a window is in memory. Of records that are drawn at random, such as those
    of a recipe, this is as good as a permutation of all; others get mixed the better, the larger the window is. Every rank
    reads all windows, whole.

    Args:
        records: what is streamed.
        batch_size: records of a batch; the last one of an epoch may be shorter.
        shuffle: whether the order is random, or that of the ids.
        window: records of a window, at least; there are whole batches in each. None permutes all records.
        seed: what decides the permutations.
        epoch: with which epoch to begin.
        rank: which of the ranks this is, counted from 0.
        world_size: how many ranks there are.
        drop_last: leaves out the short batch, and what would give some ranks more batches than others.
        columns: which of "unitaries", "circuits" and "labels" a batch has.
        parts: unitaries as real and imaginary parts, of shape (k, 2, d, d), instead of complex numbers.

    Raises:
        qorpus.InvalidArgument: a number or a column that cannot be.
        qorpus.WrongType: an option of the wrong type, such as 3.0 for an integer. NumPy's integers are integers.
    """

    def __init__(
        self,
        records: Records,
        batch_size: int,
        *,
        shuffle: bool = True,
        window: int | None = None,
        seed: int = 0,
        epoch: int = 0,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
        columns: Sequence[str] = ("unitaries", "circuits"),
        parts: bool = False,
    ) -> None:
        self.records, self.shuffle = records, truth(shuffle, "shuffle")
        self.drop_last, self.parts = truth(drop_last, "drop_last"), truth(parts, "parts")
        self.batch_size, self.seed = integer(batch_size, "batch_size", least=1, most=MOST), integer(seed, "seed")
        self.world_size = integer(world_size, "world_size", least=1, most=MOST)
        self.rank = integer(rank, "rank", most=self.world_size - 1)
        self.columns = texts(columns, "columns")
        if unknown := [column for column in self.columns if column not in COLUMNS]:
            raise InvalidArgument(f"columns has {unknown[0]!r}; a batch may have {', '.join(COLUMNS)}")
        if window is not None and not self.shuffle:
            raise InvalidArgument(f"window is {window!r}, but only shuffled streams have windows")
        #: Records of a window: whole batches.
        self.window = None
        if window is not None:
            self.window = -(-integer(window, "window", least=1, most=MOST) // self.batch_size) * self.batch_size
        self.epoch, self._given, self._size = integer(epoch, "epoch", most=MOST), 0, len(records)
        #: The loop that has the stream's place.
        self._loop: object = None
        self._order: tuple[tuple[int, int], _qorpus.Permutation] | None = None
        self._window = Window()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_order": None, "_window": None, "_loop": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _window=Window())

    def _batches(self) -> int:
        """Batches of an epoch, of all ranks."""
        batches, rest = divmod(self._size, self.batch_size)
        if self.drop_last:
            return batches - batches % self.world_size
        return batches + (rest > 0)

    def __len__(self) -> int:
        """Batches of an epoch that this rank has."""
        return len(range(self.rank, self._batches(), self.world_size))

    def ids(self, number: int) -> NDArray[np.int64]:
        """The ids of this rank's batch `number` in the present epoch.

        Raises:
            qorpus.MissingRecord: there is no such batch.
        """
        places = self._places(self._existing(number))
        if not self.shuffle:
            return np.arange(places.start, places.stop, dtype=np.int64)
        if self.window is None:
            return self._permutation(self._size).apply(np.arange(places.start, places.stop, dtype=np.int64))
        window, within = self._within(places)
        ids: NDArray[np.int64] = self._window_ids(window)[self._window_order(window)[within]]
        return ids

    def _places(self, number: int) -> range:
        """The places in the epoch's order of this rank's batch `number`."""
        first = (self.rank + number * self.world_size) * self.batch_size
        return range(first, max(first, min(first + self.batch_size, self._size)))

    def _mixed(self, window: int = 0) -> int:
        """The seed of the epoch, or of one of its windows, counted from 1."""
        # Consecutive ones must not share orders: odd numbers of 64 bits spread them.
        return (self.seed + self.epoch * 0xD1B54A32D192ED03 + window * 0x8CB92BA72F3D8DD7) % (1 << 64)

    def _permutation(self, size: int) -> _qorpus.Permutation:
        """The epoch's order of so many."""
        order, key = self._order, (size, self.epoch)
        if order is None or order[0] != key:
            order = self._order = (key, _qorpus.Permutation(size, self._mixed()))
        return order[1]

    def _within(self, places: range) -> tuple[int, slice]:
        """In which window these places are, and where in it."""
        assert self.window is not None
        window, start = divmod(places.start, self.window)
        return window, slice(start, start + len(places))

    def _window_places(self, window: int) -> range:
        assert self.window is not None
        return range(window * self.window, min((window + 1) * self.window, self._size))

    def _window_order(self, window: int) -> NDArray[np.int64]:
        """Which of a window's records is at each of its places."""
        return _qorpus.shuffled(len(self._window_places(window)), self._mixed(window + 1))

    def _window_ids(self, window: int) -> NDArray[np.int64]:
        """The ids of a window: runs of neighbours, in the order in which they are read."""
        runs, places = -(-self._size // RUN), self._window_places(window)
        missing, order = runs * RUN - self._size, self._permutation(runs)
        at = np.arange(places.start, places.stop, dtype=np.int64)
        if missing:
            # The last run is short; what comes behind it, is as if it were not.
            at[at >= (order.place(runs - 1) + 1) * RUN - missing] += missing
        turn, within = np.divmod(at, RUN)
        first = turn[0]
        ids: NDArray[np.int64] = order.apply(np.arange(first, turn[-1] + 1))[turn - first] * RUN + within
        return ids

    def batch(self, number: int) -> Batch:
        """This rank's batch `number` in the present epoch, counted from 0; gives nothing away of the stream's place.

        Raises:
            qorpus.MissingRecord: there is no such batch.
        """
        number = self._existing(number)
        if self.window is None:
            return self._read(self.ids(number))
        window, within = self._within(self._places(number))

        def read() -> tuple[NDArray[np.int64], Iterator[Batch]]:
            places, order, count = self._window_ids(window), self._window_order(window), ahead(self.records)
            if self.records._is_sharded:
                # Shard by shard, so that each is opened, or fetched, once. The order stays.
                ascending = np.argsort(places, kind="stable")
                rank = np.empty_like(ascending)
                rank[ascending] = np.arange(len(places))
                places, order = places[ascending], rank[order]
            pieces = (self._read(places[at : at + count]) for at in range(0, len(places), count))
            return order, pieces

        return self._window.batch((self._size, self.epoch, window), read, within)

    def _existing(self, number: int) -> int:
        """The number of a batch that there is."""
        try:
            return integer(number, "the number of a batch", most=len(self) - 1)
        except InvalidArgument as error:
            raise MissingRecord(f"there is no batch {short(operator.index(number))}; this rank has {len(self)}") from error

    def _read(self, places: NDArray[np.int64]) -> Batch:
        """The records at these places of what is streamed."""
        ids = self.records.ids(places) if isinstance(self.records, Subset) else places
        unitaries = circuits = labels = None
        if "unitaries" in self.columns and "circuits" in self.columns:
            unitaries, circuits = self.records._pairs(places)
        elif "unitaries" in self.columns:
            unitaries = self.records.unitaries(places)
        elif "circuits" in self.columns:
            circuits = self.records.letters_array(places)
        if unitaries is not None and self.parts:
            unitaries = np.stack([unitaries.real, unitaries.imag], axis=1)
        if "labels" in self.columns:
            labels = columns_of(self.records.labels(places), self.records.label_types())
        return Batch(ids, unitaries, circuits, labels)

    def __iter__(self) -> Iterator[Batch]:
        return self._given_by(lambda: map(self.batch, range(self._given, len(self))))

    def _given_by(self, begin: Callable[[], Iterator[T]]) -> Iterator[T]:
        """The batches that are left of the epoch, counted; it is over when its last one was given.

        `begin` is called when the first one is asked for, and returns as many as are left.
        """
        loop = self._loop = object()
        batches = begin()
        for left in reversed(range(len(self) - self._given)):
            if self._loop is not loop:
                raise Error(
                    "the stream has gone on elsewhere since this loop gave its last batch: another loop has begun, or "
                    "its epoch or state was set; two loops at once need two streams"
                )
            batch = next(batches)
            self._given += 1
            if not left:
                # Whoever reads ahead ends now: nobody may ask this loop again.
                next(batches, None)
                self.next_epoch()
            yield batch
        if self._loop is loop:
            # Nothing was left: this rank has no batch, or has given all of them while others have not.
            self.next_epoch()

    def next_epoch(self) -> None:
        """Begins the next epoch; of a corpus that has grown, with all its records."""
        self.set_epoch(self.epoch + 1)

    def set_epoch(self, epoch: int) -> None:
        """Begins this epoch.

        Raises:
            qorpus.InvalidArgument: a negative number.
            qorpus.WrongType: it is not an integer.
        """
        self._move(integer(epoch, "epoch", most=MOST), 0, len(self.records))

    def _move(self, epoch: int, given: int, size: int) -> None:
        self.epoch, self._given, self._size, self._loop = epoch, given, size, None

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, for `load_state_dict`: numbers, truth values and None by name, which JSON can hold.

        If the stream is of what was present of a corpus, `present` has the ranges of ids: `corpus.present(state["present"])`
        are the same records again, however many have come since.

        All ranks have the same state after the same number of batches. Behind its last batch a rank stands at the next
        epoch, also if others have one batch more: then keep the state of rank 0, which has most.
        """
        state: dict[str, Any] = {
            "epoch": self.epoch,
            "batches": self._given * self.world_size,
            "records": self._size,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "window": self.window,
            "seed": self.seed,
            "drop_last": self.drop_last,
        }
        if (present := self._present()) is not None:
            state["present"] = present
        return state

    def _present(self) -> list[list[int]] | None:
        """The ranges of ids that the records are chosen among, if that is not the whole corpus."""
        present = self.records._present if isinstance(self.records, Subset) else None
        return None if present is None else present.pairs

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where a stream stood, exactly; the number of ranks and workers may be another one.

        Raises:
            qorpus.InvalidArgument: the state is of a stream in another order, or of fewer records, or the ranks cannot
                share what is left.
            qorpus.WrongType: it is not what `state_dict` returned.
        """
        if isinstance(state, Mapping) and state.get("worker") is not None:
            raise InvalidArgument("the state is of one worker of a DataLoader, which alone can go on from it")
        self._move(*self._place_of(state))
        if self._given * self.world_size >= self._batches() > 0:
            # What earlier versions saved behind the last batch.
            self.next_epoch()

    def _place_of(self, state: Mapping[str, Any]) -> tuple[int, int, int]:
        """The epoch, this rank's number of batches, and the records, where a stream stood."""
        if not isinstance(state, Mapping):
            raise WrongType(f"a state is the dict that state_dict returned, not {kind(state)}")
        if (present := state.get("present")) != self._present():
            again = "the corpus" if present is None else 'corpus.present(state["present"])'
            raise InvalidArgument(f"the state is of a stream over other records of the corpus; it goes on over those of {again}")
        if missing := self.state_dict().keys() - state.keys():
            raise InvalidArgument(f"the state lacks {', '.join(sorted(missing))}; pass what state_dict returned")
        for name in ("batch_size", "shuffle", "window", "seed", "drop_last"):
            if state[name] != getattr(self, name):
                raise InvalidArgument(f"the state has {name}={state[name]}, this stream {name}={getattr(self, name)}")
        epoch, batches, size = (integer(state[name], name, most=MOST) for name in ("epoch", "batches", "records"))
        if size > len(self.records):
            raise InvalidArgument(f"the state is of {size} records, and there are only {len(self.records)}")
        given, rest = divmod(batches, self.world_size)
        if rest:
            raise InvalidArgument(
                f"{batches} batches of the epoch were given, which {self.world_size} ranks cannot have "
                "shared evenly; resume with a number of ranks that divides it"
            )
        return epoch, given, size

    def __repr__(self) -> str:
        return f"Stream(epoch {self.epoch}, batch {self._given} of {len(self)}, of {self.records!r})"


def columns_of(labels: list[dict[str, Any]], given: dict[str, type]) -> dict[str, NDArray[Any]]:
    """Labels as arrays: those that are counted, and those that records brought with them, which are of these types."""
    counted = [name for name in (labels[0] if labels else {}) if name not in given]
    columns: dict[str, NDArray[Any]] = {}
    for name in [*counted, *given]:
        values = [label.get(name) for label in labels]
        if given.get(name) is str:
            columns[name] = np.array(["" if value is None else str(value) for value in values], np.str_)
        else:
            columns[name] = np.array([np.nan if value is None else value for value in values], np.float64)
    return columns
