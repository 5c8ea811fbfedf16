"""Streams for training: batches in a shuffled order that takes no memory, for any number of ranks.

The order of an epoch is a keyed permutation of the ids, each place of which is computed by itself.
So a stream over 10**12 records is as cheap as one over ten, may be resumed anywhere, and is equal
on every machine.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from qorpus import _html, _qorpus
from qorpus._arguments import integer, kind, short, texts, truth
from qorpus._batches import Batch, Window
from qorpus._subset import Subset, ahead
from qorpus.errors import Error, InvalidArgument, MissingRecord, WrongType

if TYPE_CHECKING:
    from qorpus._qorpus import Records

T = TypeVar("T")

#: The columns of a batch besides its ids.
COLUMNS = ("unitaries", "circuits", "labels")

#: The options that decide the order of an epoch, which a state must share.
ORDER = ("batch_size", "shuffle", "window", "seed", "drop_last")

#: The largest number of an epoch, a rank, or records of a batch.
MAX_NUMBER = (1 << 63) - 1

#: Neighbours that come into a window together: enough to make the checks at both ends cheap.
RUN_RECORDS = 128


class OrderOptions(TypedDict, total=False):
    """The options that `Stream` and the one for PyTorch share."""

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
    was yielded, whether or not the loop asks once more: from then on `epoch` and `state_dict` are
    those of the next epoch, which the next loop yields. After a loop that was left early, or a
    loaded state, the next loop resumes after the last batch.

    A stream has one place, so one loop at a time: the loop that begins last resumes at the stream's
    place. An older loop that is asked for more of an unfinished epoch raises `qorpus.Error`, also
    if `set_epoch`, `next_epoch` or `load_state_dict` has moved the stream meanwhile. Two loops at
    once need two streams.

        stream = corpus.stream(256, seed=1)
        for epoch in range(3):
            for batch in stream:
                ...                                   # batch.unitaries, batch.circuits
        checkpoint = stream.state_dict()

    Batch g of an epoch holds the records from place g * batch_size of its order; rank r of n has
    the batches r, r + n, r + 2n and so on. Nothing is left out or yielded twice, and no memory
    grows with the number of records.

    The rank is never guessed. Under `torch.distributed` pass

        corpus.stream(256, rank=torch.distributed.get_rank(), world_size=torch.distributed.get_world_size())

    With a `window`, runs of 128 neighbours come in a random order, and the records of a window are
    permuted exactly. This reads files several times as fast, and holds a window in memory. For
    records that are drawn at random, such as those of a recipe, it is as good as a permutation of
    all; a larger window mixes others better. Every rank reads all windows, whole.

    Args:
        records: the records to stream.
        batch_size: records of a batch; the last one of an epoch may be shorter.
        shuffle: whether the order is random, or that of the ids.
        window: the fewest records of a window, which has whole batches. None permutes all records.
        seed: the seed of the permutations.
        epoch: the first epoch.
        rank: the number of this rank, counted from 0.
        world_size: the number of ranks.
        drop_last: leave out the short batch, and batches that some ranks would have and others not.
        columns: the columns of a batch, of "unitaries", "circuits" and "labels".
        real_imag: unitaries as real and imaginary parts, of shape (k, 2, d, d), instead of complex
            numbers.

    Raises:
        qorpus.InvalidArgument: a number or a column is invalid.
        qorpus.WrongType: an option has the wrong type, such as 3.0 for an integer.
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
        self._yielded = 0
        self._size = len(records)
        #: The loop that moves the stream.
        self._loop: object = None
        self._order: tuple[tuple[int, int], _qorpus.Permutation] | None = None
        self._window = Window()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_order": None, "_window": None, "_loop": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _window=Window())

    def _batches(self) -> int:
        """Return the number of batches of an epoch, of all ranks."""
        batches, rest = divmod(self._size, self.batch_size)
        if self.drop_last:
            return batches - batches % self.world_size
        return batches + (rest > 0)

    def __len__(self) -> int:
        """Return the number of batches of an epoch that this rank has."""
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
        return self._window_ids(window)[self._window_order(window)[within]]

    def _places(self, number: int) -> range:
        """Return the places in the epoch's order of this rank's batch `number`."""
        first = (self.rank + number * self.world_size) * self.batch_size
        return range(first, max(first, min(first + self.batch_size, self._size)))

    def _mixed(self, window: int = 0) -> int:
        """Return the seed of the epoch, or of one of its windows, counted from 1."""
        # Consecutive ones must not share orders: odd numbers of 64 bits spread them.
        return (self.seed + self.epoch * 0xD1B54A32D192ED03 + window * 0x8CB92BA72F3D8DD7) % (1 << 64)

    def _permutation(self, size: int) -> _qorpus.Permutation:
        """Return the epoch's permutation of so many places."""
        order, key = self._order, (size, self.epoch)
        if order is None or order[0] != key:
            order = self._order = (key, _qorpus.Permutation(size, self._mixed()))
        return order[1]

    def _within(self, places: range) -> tuple[int, slice]:
        """Return the window that has these places, and their places in it."""
        assert self.window is not None
        window, start = divmod(places.start, self.window)
        return window, slice(start, start + len(places))

    def _window_places(self, window: int) -> range:
        assert self.window is not None
        return range(window * self.window, min((window + 1) * self.window, self._size))

    def _window_order(self, window: int) -> NDArray[np.int64]:
        """Return the permutation of a window's records."""
        return _qorpus.shuffled(len(self._window_places(window)), self._mixed(window + 1))

    def _window_ids(self, window: int) -> NDArray[np.int64]:
        """Return the ids of a window: runs of neighbours, in the order in which they are read."""
        runs, places = -(-self._size // RUN_RECORDS), self._window_places(window)
        missing, order = runs * RUN_RECORDS - self._size, self._permutation(runs)
        at = np.arange(places.start, places.stop, dtype=np.int64)
        if missing:
            # The last run is short; later places continue as if it were not.
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
                # Reading shard by shard opens, or fetches, each once. The order of batches stays.
                ascending = np.argsort(places, kind="stable")
                rank = np.empty_like(ascending)
                rank[ascending] = np.arange(len(places))
                places, order = places[ascending], rank[order]
            pieces = (self._read(places[at : at + count]) for at in range(0, len(places), count))
            return order, pieces

        return self._window.batch((self._size, self.epoch, window), read, within)

    def _existing(self, number: int) -> int:
        """Return the number of a batch that exists."""
        try:
            return integer(number, "the number of a batch", most=len(self) - 1)
        except InvalidArgument as error:
            raise MissingRecord(f"there is no batch {short(operator.index(number))}; this rank has {len(self)}") from error

    def _read(self, places: NDArray[np.int64]) -> Batch:
        """Read the records at these places."""
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
        return self._counted(lambda: map(self.batch, range(self._yielded, len(self))))

    def _counted(self, begin: Callable[[], Iterator[T]]) -> Iterator[T]:
        """Yield and count the batches that are left of the epoch, which is over with the last one.

        `begin` is called when the first one is asked for, and returns as many as are left.
        """
        loop = self._loop = object()
        batches = begin()
        for left in reversed(range(len(self) - self._yielded)):
            if self._loop is not loop:
                raise Error(
                    "the stream has gone on elsewhere since this loop gave its last batch: another loop has begun, or "
                    "its epoch or state was set; two loops at once need two streams"
                )
            batch = next(batches)
            self._yielded += 1
            if not left:
                # The reader ahead ends now: this loop may never be asked again.
                next(batches, None)
                self.next_epoch()
            yield batch
        if self._loop is loop:
            # Nothing was left: this rank has no batch, or has yielded all while others have not.
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

    def _move(self, epoch: int, yielded: int, size: int) -> None:
        self.epoch, self._yielded, self._size, self._loop = epoch, yielded, size, None

    def state_dict(self) -> dict[str, Any]:
        """Return the place of the stream, for `load_state_dict`: a dict that JSON can hold.

        If the stream is of what was present of a corpus, `present` has the ranges of ids:
        `corpus.present(state["present"])` are the same records again, however many have come since.

        All ranks have the same state after the same number of batches. After its last batch a rank
        is at the next epoch, also if others have one batch more: then keep the state of rank 0,
        which has most.
        """
        state: dict[str, Any] = {"epoch": self.epoch, "batches": self._yielded * self.world_size, "records": self._size}
        state |= {name: getattr(self, name) for name in ORDER}
        if (present := self._present()) is not None:
            state["present"] = present
        return state

    def _present(self) -> list[list[int]] | None:
        """Return the ranges of ids among which records are chosen, if not the whole corpus."""
        present = self.records._present if isinstance(self.records, Subset) else None
        return None if present is None else present.pairs

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume exactly at the place of a state, also with another number of ranks or workers.

        Raises:
            qorpus.InvalidArgument: the state is of a stream in another order, or of more records,
                or the ranks cannot share the rest of the epoch.
            qorpus.WrongType: it is not a dict of `state_dict`.
        """
        if isinstance(state, Mapping) and state.get("worker") is not None:
            raise InvalidArgument("the state is of one worker of a DataLoader, which alone can go on from it")
        self._move(*self._place_of(state))
        if self._yielded * self.world_size >= self._batches() > 0:
            # Earlier versions saved this state after the last batch.
            self.next_epoch()

    def _place_of(self, state: Mapping[str, Any]) -> tuple[int, int, int]:
        """Return the epoch, this rank's batches and the records of a state."""
        if not isinstance(state, Mapping):
            raise WrongType(f"a state is the dict that state_dict returned, not {kind(state)}")
        if (present := state.get("present")) != self._present():
            again = "the corpus" if present is None else 'corpus.present(state["present"])'
            raise InvalidArgument(f"the state is of a stream over other records of the corpus; it goes on over those of {again}")
        if missing := self.state_dict().keys() - state.keys():
            raise InvalidArgument(f"the state lacks {', '.join(sorted(missing))}; pass what state_dict returned")
        for name in ORDER:
            if state[name] != getattr(self, name):
                raise InvalidArgument(f"the state has {name}={state[name]}, this stream {name}={getattr(self, name)}")
        epoch, batches, size = (integer(state[name], name, most=MAX_NUMBER) for name in ("epoch", "batches", "records"))
        if size > len(self.records):
            raise InvalidArgument(f"the state is of {size} records, and there are only {len(self.records)}")
        yielded, rest = divmod(batches, self.world_size)
        if rest:
            uneven = f"{batches} batches of the epoch were given, which {self.world_size} ranks cannot have shared evenly"
            raise InvalidArgument(f"{uneven}; resume with a number of ranks that divides it")
        return epoch, yielded, size

    def __repr__(self) -> str:
        return f"Stream(epoch {self.epoch}, batch {self._yielded} of {len(self)}, of {self.records!r})"

    def _repr_html_(self) -> str:
        order = f"shuffled, seed {self.seed}" if self.shuffle else "by id"
        facts = [
            ("place", f"epoch {self.epoch}, batch {self._yielded:,} of {len(self):,}"),
            ("batch size", f"{self.batch_size:,}"),
            ("order", order if self.window is None else f"{order}, in windows of {self.window:,} records"),
            ("columns", ", ".join(self.columns)),
            ("records", repr(self.records)),
        ]
        if self.world_size > 1:
            facts.insert(1, ("rank", f"{self.rank} of {self.world_size}"))
        return _html.facts("Stream", facts)


def columns_of(labels: list[dict[str, Any]], given: dict[str, type]) -> dict[str, NDArray[Any]]:
    """Make arrays of labels, both counted ones and those that were given with records."""
    counted = [name for name in (labels[0] if labels else {}) if name not in given]
    columns: dict[str, NDArray[Any]] = {}
    for name in [*counted, *given]:
        values = [label.get(name) for label in labels]
        if given.get(name) is str:
            columns[name] = np.array(["" if value is None else str(value) for value in values], np.str_)
        else:
            columns[name] = np.array([np.nan if value is None else value for value in values], np.float64)
    return columns
