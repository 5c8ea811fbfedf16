"""Streams for training: batches in a shuffled order that takes no memory, for any number of ranks.

The order of an epoch is a keyed permutation of the ids, of which any place is found at once. So a
stream over 10**12 records is as cheap as one over ten, may be resumed anywhere, and is the same on
every machine.
"""


from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from qorpus import _qorpus
from qorpus._arguments import integer, kind, short, texts, truth
from qorpus._batches import Batch, Window
from qorpus._subset import Subset, ahead
from qorpus.errors import Error, InvalidArgument, MissingRecord, WrongType

if TYPE_CHECKING:
    from qorpus._qorpus import Records

T = TypeVar("T")

#: What a batch may hold besides its ids.
COLUMNS = ("unitaries", "circuits", "labels")

#: The largest number of an epoch, a rank, or records of a batch.
MAX_NUMBER = (1 << 63) - 1

#: Neighbours that stay together on their way into a window: so many that what is checked at both ends counts little.
RUN_RECORDS = 128


class OrderOptions(TypedDict, total=False):
    """Those options of `Stream` that one for PyTorch has as well."""

    shuffle: bool
    window: int | None
    seed: int
    epoch: int
    rank: int
    world_size: int
    drop_last: bool
    real_imag: bool


class StreamOptions(OrderOptions, total=False):
    """The options of `Stream`."""

    columns: Sequence[str]


class Stream:
    """Batches of records, epoch after epoch, in an order that depends on seed and epoch alone.

    Iterating yields the batches that are left of the epoch. The epoch is over when its last batch
    was given, whether or not the loop asks once more: from then on `epoch` and `state_dict` are
    those of the next epoch, which the next loop yields. A loop that was left early, or a stream
    that loaded a state, goes on behind the last batch it gave.

    A stream has one place, so one loop at a time: the loop that begins last goes on where the
    stream stands, and an older one that is asked for more of an unfinished epoch raises
    `qorpus.Error`. So it does when `set_epoch`, `next_epoch` or `load_state_dict` has moved the
    stream meanwhile. Two loops at once need two streams.

        stream = corpus.stream(256, seed=1)
        for epoch in range(3):
            for batch in stream:
                ...                                   # batch.unitaries, batch.circuits
        checkpoint = stream.state_dict()

    Batch g of an epoch holds the records at places g * batch_size and on in its order; rank r of n
    has the batches r, r + n, r + 2n and so on. Nothing is left out or given twice, and no memory
    grows with the number of records.

    Which rank this is, is never guessed. Under `torch.distributed` say

        corpus.stream(256, rank=torch.distributed.get_rank(), world_size=torch.distributed.get_world_size())

    With a `window` runs of 128 neighbours come in a random order, and so many records as a window
    has are permuted exactly. Files are read several times as fast so, and a window is in memory. Of
    records that are drawn at random, such as those of a recipe, this is as good as a permutation of
    all; others get mixed the better, the larger the window is. Every rank reads all windows, whole.

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
        real_imag: unitaries as real and imaginary parts, of shape (k, 2, d, d), instead of complex numbers.

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
        real_imag: bool = False,
    ) -> None:
        self.records = records
        self.shuffle = truth(shuffle, "shuffle")
        self.drop_last = truth(drop_last, "drop_last")
        self.real_imag = truth(real_imag, "real_imag")
        self.batch_size = integer(batch_size, "batch_size", least=1, most=MAX_NUMBER)
        self.seed = integer(seed, "seed")
        self.world_size = integer(world_size, "world_size", least=1, most=MAX_NUMBER)
        self.rank = integer(rank, "rank", most=self.world_size - 1)
        self.columns = texts(columns, "columns")
        if unknown := [column for column in self.columns if column not in COLUMNS]:
            raise InvalidArgument(f"columns has {unknown[0]!r}; a batch may have {', '.join(COLUMNS)}")
        if window is not None and not self.shuffle:
            raise InvalidArgument(f"window is {window!r}, but only shuffled streams have windows")
        #: Records of a window: whole batches.
        self.window = None
        if window is not None:
            self.window = -(-integer(window, "window", least=1, most=MAX_NUMBER) // self.batch_size) * self.batch_size
        self.epoch = integer(epoch, "epoch", most=MAX_NUMBER)
        self._given = 0
        self._size = len(records)
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
        """Return the ids of this rank's batch `number` in the present epoch.

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
        order = self._order
        key = (size, self.epoch)
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
        runs, places = -(-self._size // RUN_RECORDS), self._window_places(window)
        missing, order = runs * RUN_RECORDS - self._size, self._permutation(runs)
        at = np.arange(places.start, places.stop, dtype=np.int64)
        if missing:
            # The last run is short; what comes behind it, is as if it were not.
            at[at >= (order.place(runs - 1) + 1) * RUN_RECORDS - missing] += missing
        turn, within = np.divmod(at, RUN_RECORDS)
        first = turn[0]
        ids: NDArray[np.int64] = order.apply(np.arange(first, turn[-1] + 1))[turn - first] * RUN_RECORDS + within
        return ids

    def batch(self, number: int) -> Batch:
        """Read this rank's batch `number` in the present epoch, counted from 0.

        The stream stays where it is.

        Raises:
            qorpus.MissingRecord: there is no such batch.
        """
        number = self._existing(number)
        if self.window is None:
            return self._read(self.ids(number))
        window, within = self._within(self._places(number))

        def read() -> tuple[NDArray[np.int64], Iterator[Batch]]:
            places = self._window_ids(window)
            order = self._window_order(window)
            count = ahead(self.records)
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
        if unitaries is not None and self.real_imag:
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
            # Nothing was left: this rank has no batch, or has given all of them while others have
            # not.
            self.next_epoch()

    def next_epoch(self) -> None:
        """Begin the next epoch; of a corpus that has grown, with all its records."""
        self.set_epoch(self.epoch + 1)

    def set_epoch(self, epoch: int) -> None:
        """Begin this epoch.

        Raises:
            qorpus.InvalidArgument: a negative number.
            qorpus.WrongType: it is not an integer.
        """
        self._move(integer(epoch, "epoch", most=MAX_NUMBER), 0, len(self.records))

    def _move(self, epoch: int, given: int, size: int) -> None:
        self.epoch, self._given, self._size, self._loop = epoch, given, size, None

    def state_dict(self) -> dict[str, Any]:
        """Return the place of the stream, for `load_state_dict`: a dict that JSON can hold.

        If the stream is of what was present of a corpus, `present` has the ranges of ids:
        `corpus.present(state["present"])` are the same records again, however many have come since.

        All ranks have the same state after the same number of batches. Behind its last batch a rank
        stands at the next epoch, also if others have one batch more: then keep the state of rank 0,
        which has most.
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
        """Go on exactly where a stream stood; the number of ranks and workers may be another one.

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
        epoch, batches, size = (integer(state[name], name, most=MAX_NUMBER) for name in ("epoch", "batches", "records"))
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
    """Make arrays of labels, both those that are counted and those that records brought."""
    counted = [name for name in (labels[0] if labels else {}) if name not in given]
    columns: dict[str, NDArray[Any]] = {}
    for name in [*counted, *given]:
        values = [label.get(name) for label in labels]
        if given.get(name) is str:
            columns[name] = np.array(["" if value is None else str(value) for value in values], np.str_)
        else:
            columns[name] = np.array([np.nan if value is None else value for value in values], np.float64)
    return columns


__all__ = ["OrderOptions", "Stream", "StreamOptions", "columns_of"]
