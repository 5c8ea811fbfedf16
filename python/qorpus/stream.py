"""Streams for training: batches in a shuffled order that takes no memory, for any number of ranks.

The order of an epoch is a keyed permutation of the ids, and each place of it is computed on its
own. A stream over 10**12 records therefore costs as little as one over ten, can be resumed
anywhere, and is the same on every machine.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from qorpus import _html, _qorpus
from qorpus._arguments import integer, kind, short, texts, truth
from qorpus._augmentation import Augmentation
from qorpus._batches import Batch, Window, columns_of, precision
from qorpus._epoch_order import EpochOrder
from qorpus._letters import has_free_angles
from qorpus._subset import Subset, ahead
from qorpus.errors import Error, InvalidArgument, MissingRecord, WrongType

if TYPE_CHECKING:
    from qorpus._qorpus import Records

T = TypeVar("T")

#: The columns of a batch besides the ids.
COLUMNS = ("unitaries", "circuits", "labels", "channels")

#: The options that decide the order of an epoch. A state must agree with them.
ORDER = ("batch_size", "shuffle", "window", "seed", "drop_last")

#: The largest epoch, rank and batch size.
MAX_NUMBER = (1 << 63) - 1


class OrderOptions(TypedDict, total=False):
    """The options that `Stream` shares with the stream for PyTorch."""

    shuffle: bool
    window: int | None
    seed: int
    epoch: int
    rank: int
    world_size: int
    drop_last: bool
    real_imag: bool
    dtype: DTypeLike | None
    augment: Sequence[str]


class StreamOptions(OrderOptions, total=False):
    """The options of `Stream`."""

    columns: Sequence[str] | None


class Stream:
    """Batches of records, epoch after epoch, in an order that only the seed and the epoch decide.

    Iterating yields the remaining batches of the epoch. The epoch ends when its last batch is
    yielded, even if the loop never asks for another one: `epoch` and `state_dict` then describe the
    next epoch, which the next loop yields. After a loop that ended early, or a loaded state, the
    next loop resumes after the last batch.

    A stream has one position, so only one loop at a time can use it. The loop that starts last
    resumes from the position. An older loop that asks for more of an unfinished epoch raises
    `qorpus.Error`, as it does after `set_epoch`, `next_epoch` or `load_state_dict`. Two loops at
    the same time need two streams.

    Batch g of an epoch holds the records from place g * batch_size of its order. Rank r of n has
    the batches r, r + n, r + 2n and so on. No record is left out or repeated, and memory does not
    grow with the number of records.

    The rank is never guessed. Under `torch.distributed`, pass `rank=torch.distributed.get_rank(),
    world_size=torch.distributed.get_world_size()`.

    With a `window`, runs of 128 neighbouring records come in random order, and the records of each
    window are permuted exactly. This reads files several times as fast and holds a window in
    memory. For records that are drawn at random, such as the random circuits of a recipe, it is as
    good as a permutation of all records; for others, a larger window mixes better. Every rank reads
    every window as a whole.

    Args:
        records: a corpus, a recipe, or a split of one.
        batch_size: records of a batch. The last batch of an epoch may be shorter.
        shuffle: whether the order is random; otherwise it is the order of ids.
        window: the least number of records of a window, rounded up to whole batches. None permutes
            all records.
        seed: the seed of the permutations.
        epoch: the first epoch.
        rank: the number of this rank, counted from 0.
        world_size: the number of ranks.
        drop_last: whether to leave out a short last batch, and batches that only some ranks would
            have.
        columns: the columns of a batch, among "unitaries", "circuits", "labels" and "channels", the
            Pauli transfer matrices. Circuits bring the angles of their letters, if gates have free
            ones. By default unitaries and circuits; unitaries alone if the records are Haar-random
            unitaries, which have no circuits; circuits alone on more than 8 qubits.
        real_imag: whether unitaries are real and imaginary parts of shape (k, 2, d, d) instead of
            complex numbers of shape (k, d, d).
        dtype: the dtype of unitaries: complex128 or complex64; or float64, float32 or float16,
            which implies `real_imag`. By default that of the corpus.
        augment: changes of the records, among "inverse", "permutation" and "phase". The seed, the
            epoch and the id of a record decide them. "inverse" replaces every second record, on
            average, by its inverse: letters in the opposite order, each inverted. "permutation"
            permutes the qubits, uniformly among the permutations that map letters to letters.
            "phase" multiplies the unitary by a uniform global phase; the circuit stays. Labels
            remain those of the record. Haar-random unitaries have no augmentation: a Haar-random
            unitary, multiplied, inverted or permuted, is Haar-random.

    Raises:
        qorpus.InvalidArgument: a number, a column or a dtype is invalid, or the gates do not permit
            an augmentation: a letter has no inverse, or every permutation moves a letter to where
            there is none.
        qorpus.WrongType: an option has the wrong type, such as 3.0 for an integer.

    Examples:
        >>> recipe = qorpus.Recipe(gates="h,t,cx", qubits=2, random=1000)
        >>> stream = qorpus.Stream(recipe, 256, seed=1)
        >>> for epoch in range(3):
        ...     for batch in stream:
        ...         unitaries, circuits = batch.unitaries, batch.circuits
        >>> stream.epoch, len(stream)
        (3, 4)
        >>> checkpoint = stream.state_dict()
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
        columns: Sequence[str] | None = None,
        real_imag: bool = False,
        dtype: DTypeLike | None = None,
        augment: Sequence[str] = (),
    ) -> None:
        self.records = records
        self.shuffle = truth(shuffle, "shuffle")
        self.drop_last = truth(drop_last, "drop_last")
        self.real_imag, self.dtype = precision(records, truth(real_imag, "real_imag"), dtype)
        self.batch_size = integer(batch_size, "batch_size", least=1, most=MAX_NUMBER)
        self.seed = integer(seed, "seed")
        self.world_size = integer(world_size, "world_size", least=1, most=MAX_NUMBER)
        self.rank = integer(rank, "rank", most=self.world_size - 1)
        if columns is None:
            columns = ["unitaries"] * records.has_unitaries + ["circuits"] * records.has_circuits
        self.columns = texts(columns, "columns")
        self._reads_unitaries = bool({"unitaries", "channels"} & {*self.columns})
        if unknown := [column for column in self.columns if column not in COLUMNS]:
            raise InvalidArgument(f"columns contains {unknown[0]!r}; the columns of a batch are {', '.join(COLUMNS)}")
        if "circuits" in self.columns and not records.has_circuits:
            raise InvalidArgument("columns contains 'circuits', but Haar-random unitaries have no circuits; leave it out")
        if not records.has_unitaries:
            self._refuse_unitaries(records.qubits, real_imag or dtype is not None)
        if "channels" in self.columns:
            # Refuse too many qubits before reading.
            dim = 1 << records.qubits
            _qorpus.channels(np.empty((0, dim, dim), np.complex128))
        self._augmentation = Augmentation(records, augment)
        #: The augmentations, in the order in which they are made.
        self.augment = self._augmentation.kinds
        if window is not None and not self.shuffle:
            raise InvalidArgument(f"window is {window!r}, but shuffle is False; leave window out or shuffle")
        #: The records of a window, a multiple of the batch size.
        self.window = None
        if window is not None:
            self.window = -(-integer(window, "window", least=1, most=MAX_NUMBER) // self.batch_size) * self.batch_size
        self.epoch = integer(epoch, "epoch", most=MAX_NUMBER)
        self._yielded = 0
        self._size = len(records)
        #: The loop that may move the stream.
        self._loop: object = None
        self._order: EpochOrder | None = None
        self._window = Window()

    def _refuse_unitaries(self, qubits: int, has_precision: bool) -> None:
        """Refuse options for unitaries: records on more than 8 qubits have none."""
        without = f"records on {qubits} qubits have no unitaries; leave it out"
        if column := next((each for each in self.columns if each in ("unitaries", "channels")), None):
            raise InvalidArgument(f"columns contains {column!r}, but {without}")
        if has_precision:
            raise InvalidArgument(f"{'real_imag' if self.real_imag else 'dtype'} is for unitaries, but {without}")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_order": None, "_window": None, "_loop": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _window=Window())

    def _batches(self) -> int:
        """Return the number of batches of an epoch, over all ranks."""
        batches, rest = divmod(self._size, self.batch_size)
        if self.drop_last:
            return batches - batches % self.world_size
        return batches + (rest > 0)

    def __len__(self) -> int:
        """Return the number of batches of an epoch that this rank has."""
        return len(range(self.rank, self._batches(), self.world_size))

    def ids(self, number: int) -> NDArray[np.int64]:
        """Return the ids of a batch of this rank in the current epoch, without reading records.

        Args:
            number: the number of the batch, counted from 0.

        Returns:
            An int64 array of shape (k,).

        Raises:
            qorpus.MissingRecord: the batch does not exist.

        Examples:
            >>> stream = qorpus.Recipe(random=1000).stream(256, shuffle=False)
            >>> stream.ids(3)[:2]
            array([768, 769])
        """
        places = self._places(self._existing(number))
        if not self.shuffle:
            return np.arange(places.start, places.stop, dtype=np.int64)
        return self._epoch_order().ids(places)

    def _places(self, number: int) -> range:
        """Return the places of this rank's batch `number` in the order of the epoch."""
        first = (self.rank + number * self.world_size) * self.batch_size
        return range(first, max(first, min(first + self.batch_size, self._size)))

    def _epoch_order(self) -> EpochOrder:
        """Return the shuffled order of the current epoch."""
        order = self._order
        if order is None or order.key != (self._size, self.epoch):
            order = self._order = EpochOrder(self._size, self.seed, self.epoch, self.window)
        return order

    def batch(self, number: int) -> Batch:
        """Read a batch of this rank in the current epoch. The stream keeps its position.

        Args:
            number: the number of the batch, counted from 0.

        Raises:
            qorpus.MissingRecord: the batch does not exist.

        Examples:
            >>> stream = qorpus.Recipe(qubits=2, random=1000).stream(256, seed=1)
            >>> stream.batch(3).unitaries.shape
            (232, 4, 4)
        """
        number = self._existing(number)
        if self.window is None:
            return self._read(self.ids(number))
        epoch_order = self._epoch_order()
        window, within = epoch_order.within(self._places(number))

        def read() -> tuple[NDArray[np.int64], Iterator[Batch]]:
            places, order = epoch_order.window_ids(window), epoch_order.window_order(window)
            count = ahead(self.records)
            if self.records._is_sharded:
                # In ascending order each shard is opened or fetched once. Batches keep their order.
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
            missing = short(operator.index(number))
            raise MissingRecord(f"there is no batch {missing}; this rank has {len(self)}, numbered from 0") from error

    def _read(self, places: NDArray[np.int64]) -> Batch:
        """Read the records at these places."""
        ids = self.records.ids(places) if isinstance(self.records, Subset) else places
        unitaries = circuits = labels = channels = angles = None
        if self._reads_unitaries and "circuits" in self.columns:
            unitaries, circuits, angles = self.records._rows(places)
        elif self._reads_unitaries:
            unitaries = self.records.unitaries(places)
        elif "circuits" in self.columns:
            circuits = self.records.letters_array(places)
            angles = self.records.angles(places) if has_free_angles(self.records) else None
        if self.augment:
            augmented = self._augmentation.apply(ids, unitaries, circuits, angles, self.seed, self.epoch)
            unitaries, circuits, angles = augmented
        if unitaries is not None and "channels" in self.columns:
            channels = _qorpus.channels(unitaries).astype(self.dtype.type(0).real.dtype, copy=False)
        if unitaries is not None:
            unitaries = self._output(unitaries) if "unitaries" in self.columns else None
        if "labels" in self.columns:
            labels = columns_of(self.records.labels(places), self.records.label_types())
        return Batch(ids, unitaries, circuits, labels, channels, angles)

    def _output(self, unitaries: NDArray[Any]) -> NDArray[Any]:
        """Return unitaries in the dtype of the stream."""
        if not self.real_imag:
            return unitaries.astype(self.dtype, copy=False)
        count, dim, _ = unitaries.shape
        parts = np.empty((count, 2, dim, dim), self.dtype)
        parts[:, 0], parts[:, 1] = unitaries.real, unitaries.imag
        return parts

    def __iter__(self) -> Iterator[Batch]:
        return self._counted(lambda: map(self.batch, range(self._yielded, len(self))))

    def _counted(self, begin: Callable[[], Iterator[T]]) -> Iterator[T]:
        """Yield and count the remaining batches of the epoch, which ends with the last one.

        `begin` is called when the first batch is asked for, and returns the remaining batches.
        """
        loop = self._loop = object()
        batches = begin()
        for left in reversed(range(len(self) - self._yielded)):
            if self._loop is not loop:
                raise Error(
                    "this loop lost its place in the stream: another loop over the stream started, or its epoch or state "
                    "was set; use two streams for two loops at the same time"
                )
            batch = next(batches)
            self._yielded += 1
            if not left:
                # End reading ahead now, because the loop may never ask again.
                next(batches, None)
                self.next_epoch()
            yield batch
        if self._loop is loop:
            # No batch was left: this rank has none, or has yielded all while other ranks have not.
            self.next_epoch()

    def next_epoch(self) -> None:
        """Start the next epoch. If the corpus has grown, the epoch includes the new records.

        Examples:
            >>> stream = qorpus.Recipe(random=1000).stream(256)
            >>> stream.next_epoch()
            >>> stream.epoch
            1
        """
        self.set_epoch(self.epoch + 1)

    def set_epoch(self, epoch: int) -> None:
        """Start an epoch from its first batch.

        Args:
            epoch: the epoch, 0 or more.

        Raises:
            qorpus.InvalidArgument: `epoch` is negative.
            qorpus.WrongType: `epoch` is not an integer.

        Examples:
            >>> stream = qorpus.Recipe(random=1000).stream(256)
            >>> stream.set_epoch(7)
            >>> stream.epoch
            7
        """
        self._move(integer(epoch, "epoch", most=MAX_NUMBER), 0, len(self.records))

    def _move(self, epoch: int, yielded: int, size: int) -> None:
        self.epoch, self._yielded, self._size, self._loop = epoch, yielded, size, None

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the stream, for `load_state_dict`.

        All ranks have the same state after the same number of batches. After its last batch a rank
        is at the next epoch, even if other ranks have one batch more. Keep the state of rank 0,
        which has the most batches.

        Returns:
            A dict that JSON can store. For a stream over `corpus.present()`, its item "present" has
            the ranges of ids: `corpus.present(state["present"])` returns the same records again,
            however many were added since.

        Examples:
            >>> stream = qorpus.Recipe(random=1000).stream(256, seed=1)
            >>> first = next(iter(stream))
            >>> stream.state_dict()["batches"]
            1
        """
        state: dict[str, Any] = {"epoch": self.epoch, "batches": self._yielded * self.world_size, "records": self._size}
        state |= {name: getattr(self, name) for name in ORDER}
        if self.augment:
            state["augment"] = list(self.augment)
        if (present := self._present()) is not None:
            state["present"] = present
        return state

    def _present(self) -> list[list[int]] | None:
        """Return the ranges of ids from which records are chosen, or None for all."""
        present = self.records._present if isinstance(self.records, Subset) else None
        return None if present is None else present.pairs

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume exactly at the position of a state, also with another number of ranks or workers.

        Args:
            state: a dict from `state_dict`.

        Raises:
            qorpus.InvalidArgument: the state belongs to another order or to more records, or the
                ranks cannot share the rest of the epoch.
            qorpus.WrongType: `state` is not a dict.

        Examples:
            >>> recipe = qorpus.Recipe(random=1000)
            >>> stream = recipe.stream(256, seed=1)
            >>> first = next(iter(stream))
            >>> resumed = recipe.stream(256, seed=1)
            >>> resumed.load_state_dict(stream.state_dict())
            >>> bool((next(iter(resumed)).ids == stream.ids(1)).all())
            True
        """
        if isinstance(state, Mapping) and state.get("worker") is not None:
            raise InvalidArgument("the state belongs to one worker of a DataLoader; only that worker can resume from it")
        self._move(*self._place_of(state))
        if self._yielded * self.world_size >= self._batches() > 0:
            # Such a state was saved after the last batch of an epoch.
            self.next_epoch()

    def _place_of(self, state: Mapping[str, Any]) -> tuple[int, int, int]:
        """Return the epoch, this rank's batches and the number of records of a state."""
        if not isinstance(state, Mapping):
            raise WrongType(f"state must be a dict from state_dict, not {kind(state)}")
        if (present := state.get("present")) != self._present():
            again = "the corpus" if present is None else 'corpus.present(state["present"])'
            raise InvalidArgument(f"the state belongs to a stream over other records; resume with a stream over {again}")
        if (augment := tuple(state.get("augment", ()))) != self.augment:
            raise InvalidArgument(f"the state belongs to a stream with augment={augment}; resume with the same augment")
        if missing := self.state_dict().keys() - state.keys():
            raise InvalidArgument(f"the state lacks {', '.join(sorted(missing))}; pass a dict from state_dict")
        for name in ORDER:
            if state[name] != getattr(self, name):
                raise InvalidArgument(
                    f"the state has {name}={state[name]}, but this stream has {name}={getattr(self, name)}; resume with the "
                    "options of the stream that saved it"
                )
        epoch, batches, size = (integer(state[name], name, most=MAX_NUMBER) for name in ("epoch", "batches", "records"))
        if size > len(self.records):
            fewer = f"the state covers {size} records, but there are only {len(self.records)}"
            raise InvalidArgument(f"{fewer}; resume with the same records")
        yielded, rest = divmod(batches, self.world_size)
        if rest:
            uneven = f"the state is after {batches} batches of the epoch, which {self.world_size} ranks cannot share evenly"
            raise InvalidArgument(f"{uneven}; resume with a number of ranks that divides {batches}")
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
        if self.augment:
            facts.insert(-1, ("augmented by", ", ".join(self.augment)))
        if self.world_size > 1:
            facts.insert(1, ("rank", f"{self.rank} of {self.world_size}"))
        return _html.facts("Stream", facts)
