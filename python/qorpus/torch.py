"""Corpora for PyTorch: a map-style dataset, and a stream that shuffles without memory.

`corpus.torch()` imports this module; nothing else in the package needs PyTorch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from qorpus import _torch_workers as workers
from qorpus._arguments import integer, integers, truth
from qorpus._batches import Batch, columns_of
from qorpus._qorpus import padded
from qorpus._subset import Subset
from qorpus._torch_samples import Samples
from qorpus.errors import Error, InvalidArgument
from qorpus.stream import OrderOptions
from qorpus.stream import Stream as ArrayStream

if TYPE_CHECKING:
    from torch.utils.data._utils.worker import WorkerInfo
    from typing_extensions import Unpack

    from qorpus._qorpus import Records

    class LoadingOptions(OrderOptions, total=False):
        """The options of `Stream`."""

        num_workers: int
        multiprocessing_context: str | None
        persistent_workers: bool
        longest: int | None
        labels: bool
        channels: bool
        pin_memory: bool
        prefetch_factor: int | None


#: The key of a batch: the epoch, the number of its records, and the batch's number.
Key: TypeAlias = tuple[int, int, int]

#: The batches that each worker reads ahead, by default; the same number as in PyTorch.
PREFETCH_BATCHES = 2


def _longest(records: Records, longest: int | None) -> int:
    """Return the number of letters to which circuits are padded; 0 if there are none."""
    if longest is not None:
        if not records.has_circuits:
            raise InvalidArgument("longest pads circuits, but Haar-random unitaries have no circuits; leave out longest")
        return integer(longest, "longest", most=np.iinfo(np.int32).max)
    known = records.longest
    if known is None:
        raise InvalidArgument("appended circuits may have any length; pass longest=, the letters to which they are padded")
    return known


def _tensors(
    ids: NDArray[np.int64],
    unitaries: torch.Tensor | None,
    circuits: NDArray[np.int32] | None,
    angles: NDArray[np.float64] | None,
    longest: int,
) -> dict[str, torch.Tensor]:
    """Return the tensors of some records by name, circuits padded to `longest` letters."""
    tensors = {"id": torch.from_numpy(ids)}
    if unitaries is not None:
        tensors["unitary"] = unitaries
    if circuits is None:
        return tensors
    width = circuits.shape[1]
    if width > longest:
        lengths = (circuits >= 0).sum(axis=1)
        row = int(np.argmax(lengths))
        raise InvalidArgument(f"record {ids[row]} has {lengths[row]} letters, more than longest={longest}; pass a larger longest")
    rows, lengths = padded(circuits, longest)
    tensors["circuit"], tensors["length"] = torch.from_numpy(rows), torch.from_numpy(lengths)
    if angles is not None:
        padding = ((0, 0), (0, longest - width), (0, 0))
        tensors["angles"] = torch.from_numpy(np.pad(angles, padding, constant_values=np.nan))
    return tensors


def _tensors_of_labels(labels: dict[str, NDArray[Any]]) -> dict[str, torch.Tensor | list[str]]:
    """Return labels as tensors of numbers and lists of texts."""
    return {name: values.tolist() if values.dtype.kind == "U" else torch.from_numpy(values) for name, values in labels.items()}


class Dataset(torch.utils.data.Dataset[dict[str, Any]]):
    """Single records for a DataLoader, which collates them to batches of tensors.

    `corpus.torch()` makes one. A sample is a dict:

    * "unitary": shape (d, d) for d = 2**qubits, complex128 or complex64; with `real_imag` real and
      imaginary parts of shape (2, d, d).
    * "circuit": int64 of shape (longest,): numbers of letters in time order, padded with -1.
    * "length": the number of letters, int64.
    * "angles", if gates have free angles: float64 of shape (longest, 3): the angles of each letter
      in radians, then NaN.
    * "id": the id in the corpus, int64.

    Haar-random unitaries have no "circuit" and no "length", and records on more than 8 qubits no
    "unitary".

    Shuffling in a DataLoader keeps a permutation of all ids in memory; `Stream` does not.

    Args:
        records: a corpus, a recipe, or a split of one.
        longest: the number of letters to which circuits are padded; by default the largest length
            that the recipe allows or, of an enumeration, the length of its last level.
        real_imag: whether unitaries are real and imaginary parts instead of complex numbers.
        labels: whether samples have "labels": a dict of numbers and strings, which collates to
            tensors and lists. A missing label is NaN or "".

    Raises:
        qorpus.InvalidArgument: the records were appended, and `longest` is left out; or they are
            Haar-random unitaries, and it is given.
        qorpus.WrongType: an option has the wrong type.

    Examples:
        >>> from torch.utils.data import DataLoader
        >>> recipe = qorpus.Recipe(gates="h,t,cx", qubits=2, random=1000)
        >>> loader = DataLoader(recipe.torch(), batch_size=64, shuffle=True)
        >>> batch = next(iter(loader))
        >>> batch["unitary"].shape, batch["circuit"].shape, batch["length"].shape, batch["id"].shape
        (torch.Size([64, 4, 4]), torch.Size([64, 15]), torch.Size([64]), torch.Size([64]))
    """

    def __init__(self, records: Records, *, longest: int | None = None, real_imag: bool = False, labels: bool = False) -> None:
        if real_imag and not records.has_unitaries:
            raise InvalidArgument(f"real_imag is for unitaries, but records on {records.qubits} qubits have none; leave it out")
        self.records, self.longest = records, _longest(records, longest)
        self.real_imag, self.labels = real_imag, labels

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        padded = f"circuits padded to {self.longest} letters, of " if self.records.has_circuits else ""
        return f"Dataset({padded}{self.records!r})"

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: Sequence[int]) -> Sequence[dict[str, Any]]:
        """Read the samples at these places together. A DataLoader calls this, and its default
        collation takes the tensors that they were read into.

        Raises:
            qorpus.MissingRecord: a place does not exist.
            qorpus.WrongType: the places are not integers.
        """
        records, given = self.records, integers(places, "places")
        if isinstance(records, Subset):
            whole, given = records._records, records.ids(given)
        else:
            whole = records
        unitaries, circuits, angles = whole._rows(given)
        # What is read exists, so a negative place counts from the end.
        ids = np.where(given < 0, given + len(whole), given) if (given < 0).any() else given
        tensor = None if unitaries is None else torch.from_numpy(unitaries)
        if self.real_imag and tensor is not None:
            tensor = torch.stack([tensor.real, tensor.imag], dim=1)
        columns: dict[str, Any] = {
            **_tensors(ids, tensor, circuits if records.has_circuits else None, angles, self.longest)
        }
        if self.labels:
            columns["labels"] = _tensors_of_labels(columns_of(whole.labels(ids), whole.label_types()))
        return Samples(columns)


class Stream(IterableDataset[dict[str, Any]]):
    """Batches of tensors, epoch after epoch, in an order that takes no memory; see `qorpus.Stream`.

    `corpus.torch(batch_size=...)` makes one. A batch is a dict of "unitary", "circuit", "length"
    and "id", as in `Dataset`; without "circuit" and "length" for Haar-random unitaries, and without
    "unitary" on more than 8 qubits. The batches and their order depend neither on the number of
    workers nor on any random state of PyTorch. The rank is never guessed; see `qorpus.Stream`.

    A DataLoader of your own takes the stream with `batch_size=None`. It shares the batches among
    its workers, and each loop over the loader is a whole epoch. Call `set_epoch` before each loop;
    it also reaches persistent workers. Without it, workers with `persistent_workers=True` start the
    next epoch with each loop, also after a loop that ended early; workers that are started for each
    loop start with the stream's epoch again.

    The stream in the main process does not see how far such a loader is, so count its batches
    yourself. A loader that asks its workers for their states, such as torchdata's
    StatefulDataLoader, gets them from `state_dict`, resumes exactly, and has whole epochs from then
    on. Loading refuses only a state that was saved between the last batch of an epoch and the end
    of its loop, because the workers' states do not show that the epoch has ended.

    Args:
        records: a corpus, a recipe, or a split of one.
        batch_size: records of a batch.
        num_workers: the number of threads or processes that read ahead. With 0, a batch is read
            when it is asked for.
        multiprocessing_context: how processes are started: "fork", "spawn" or "forkserver". None
            uses threads: reading releases the GIL, and nothing is sent between processes.
        persistent_workers: whether processes are kept from one epoch to the next.
        longest: the number of letters to which circuits are padded; by default the largest length
            that the recipe allows or, of an enumeration, the length of its last level.
        labels: whether batches have "labels": a dict of tensors, and of lists of strings.
        channels: whether batches have "channel", the Pauli transfer matrices: float64 of shape
            (k, 4**n, 4**n), or of the precision of `dtype`.
        pin_memory: whether tensors are in page-locked memory, from which a GPU copies faster.
        prefetch_factor: the number of batches that each worker reads ahead; by default 2.
        **options: the options of `qorpus.Stream`: shuffle, window, seed, epoch, rank, world_size,
            drop_last, real_imag, dtype and augment.

    Raises:
        qorpus.InvalidArgument: an option is invalid; or the records were appended, and `longest` is
            left out; or they are Haar-random unitaries, and it is given.
        qorpus.WrongType: an option has the wrong type.

    Examples:
        >>> recipe = qorpus.Recipe(gates="h,t,cx", qubits=2, random=1000)
        >>> stream = recipe.torch(batch_size=256, seed=1, num_workers=2)
        >>> for epoch in range(2):
        ...     for batch in stream:
        ...         unitaries, circuits = batch["unitary"], batch["circuit"]
        >>> unitaries.shape, circuits.shape
        (torch.Size([232, 4, 4]), torch.Size([232, 15]))
        >>> checkpoint = stream.state_dict()
    """

    def __init__(
        self,
        records: Records,
        batch_size: int,
        *,
        num_workers: int = 0,
        multiprocessing_context: str | None = None,
        persistent_workers: bool = False,
        longest: int | None = None,
        labels: bool = False,
        channels: bool = False,
        pin_memory: bool = False,
        prefetch_factor: int | None = None,
        **options: Unpack[OrderOptions],
    ) -> None:
        columns = ["unitaries"] * records.has_unitaries + ["circuits"] * records.has_circuits
        columns += ["labels"] * truth(labels, "labels") + ["channels"] * truth(channels, "channels")
        self._stream = ArrayStream(records, batch_size, columns=columns, **options)
        self._batches = _Batches(copy(self._stream), _longest(records, longest))
        num_workers = integer(num_workers, "num_workers", most=workers.MAX_WORKERS)
        if prefetch_factor is not None:
            prefetch_factor = integer(prefetch_factor, "prefetch_factor", least=1, most=workers.MAX_WORKERS)
        self._threads = _Threads(num_workers, prefetch_factor, pin_memory)
        self._loading: dict[str, Any] | None = None
        known = isinstance(multiprocessing_context, str) and multiprocessing_context in ("fork", "spawn", "forkserver")
        if multiprocessing_context is not None and not known:
            raise InvalidArgument("multiprocessing_context must be 'fork', 'spawn', 'forkserver', or None for threads")
        if num_workers and multiprocessing_context is not None:
            self._loading = {
                "num_workers": num_workers, "pin_memory": pin_memory, "prefetch_factor": prefetch_factor,
                "multiprocessing_context": multiprocessing_context, "persistent_workers": persistent_workers,
            }  # fmt: skip
        self._loader: DataLoader[dict[str, Any]] | None = None
        self._position = workers.SharedPosition()
        #: In a worker of a user's loader: its place, and the batches of the rounds that it took part in.
        self._worker: workers.WorkerPlace | None = None
        self._worker_yielded: int | None = None
        self._began = False

    def __getstate__(self) -> dict[str, Any]:
        # Workers get the stream without the loader that starts them.
        return {**self.__dict__, "_loader": None}

    def __len__(self) -> int:
        return len(self._stream)

    def __repr__(self) -> str:
        return f"qorpus.torch.{self._stream!r}"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = get_worker_info()
        if worker is not None:
            # The loop starts here, not with the first batch: a loader announces a loop to its workers
            # and asks for batches later.
            return self._batches_of_worker(worker, resumed=self._begin(worker))
        if self._worker is not None:
            number, of = self._worker
            raise Error(f"the stream loaded the state of worker {number} of {of}; only that worker can resume from it")
        return self._stream._counted(self._read_ahead)

    def _read_ahead(self) -> Iterator[dict[str, Any]]:
        """Return the remaining batches of the epoch, read by threads or processes."""
        stream = self._stream
        if self._loading is None:
            # Threads that still read for an abandoned loop must not see this loop's position.
            batches = _Batches(copy(stream), self._batches.longest)
            return self._threads.map(batches.__getitem__, _Keys(stream))
        loader = self._loader
        if loader is None:
            loader = DataLoader(self._batches, sampler=_Keys(stream), batch_size=None, **self._loading)
        if self._loading["persistent_workers"]:
            self._loader = loader
        return iter(loader)

    def _begin(self, worker: WorkerInfo) -> bool:
        """Start a loop in a worker of a loader; return whether it resumes from a state."""
        stream, place = self._stream, self._worker
        if place is not None and (place.number, place.of) != (worker.id, worker.num_workers):
            raise Error(
                f"the state belongs to worker {place.number} of {place.of}, but this is worker {worker.id} of "
                f"{worker.num_workers}; resume with {place.of} workers, each with its own state"
            )
        resumed = place is not None and not self._began
        # The first loop in a process continues the state it started with; later loops are new epochs.
        if self._began and not self._position.follow(stream):
            # Keep the number of records: other workers may see another number by now.
            stream._move(stream.epoch + 1, 0, stream._size)
        if place is None:
            place = workers.WorkerPlace(worker.id, worker.num_workers)
        if resumed and place.has_last_batch(stream):
            self._position.announce_end(worker, not place.has_batches_left(stream))
        self._worker, self._worker_yielded, self._began = place, stream._yielded, True
        return resumed

    def _batches_of_worker(self, worker: WorkerInfo, resumed: bool) -> Iterator[dict[str, Any]]:
        """Yield the batches of one worker of a loader, which asks its workers in turn."""
        stream, number, of = copy(self._stream), worker.id, worker.num_workers
        if resumed and 0 < len(stream) <= stream._yielded + number and self._position.wait_for_end(worker):
            # Raise with the first batch: a loader that is iterated once more discards this loop before
            # that and starts another.
            raise Error(
                f"the state was saved after the last batch of epoch {stream.epoch}, but before its loop ended, so the loader "
                f"would yield no batches; load no state, and call set_epoch({stream.epoch + 1}) instead"
            )
        for first in range(stream._yielded, len(stream), of):
            if first + number < len(stream):
                self._worker_yielded = first + of
                yield self._batches.tensors(stream.batch(first + number))

    def set_epoch(self, epoch: int) -> None:
        """Start an epoch from its first batch, as `qorpus.Stream.set_epoch` does.

        Args:
            epoch: the epoch, 0 or more.

        Raises:
            qorpus.InvalidArgument: `epoch` is negative.
            qorpus.WrongType: `epoch` is not an integer.

        Examples:
            >>> stream = qorpus.Recipe(random=1000).torch(batch_size=256)
            >>> stream.set_epoch(7)
            >>> stream.epoch
            7
        """
        self._stream.set_epoch(epoch)
        self._publish()

    def _publish(self) -> None:
        """Share the position with the workers of loaders. Workers share nothing."""
        if get_worker_info() is None:
            self._position = self._position.publish(self._stream)

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return self._stream.epoch

    def state_dict(self) -> dict[str, Any]:
        """Return the position after the last yielded batch, for `load_state_dict`.

        Batches that workers have read ahead do not count. In a worker of a DataLoader of your own
        it is the position of that worker; the worker with the same number among as many workers can
        load it.

        Returns:
            A dict that JSON can store.

        Examples:
            >>> stream = qorpus.Recipe(random=1000).torch(batch_size=256, seed=1, num_workers=2)
            >>> first = next(iter(stream))
            >>> stream.state_dict()["batches"]
            1
        """
        state = self._stream.state_dict()
        if self._worker_yielded is not None:
            state["batches"] = self._worker_yielded * self._stream.world_size
        if self._worker is not None:
            state["worker"] = self._worker._asdict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume exactly at the position of a state, as `qorpus.Stream.load_state_dict` does.

        Args:
            state: a dict from `state_dict`.

        Raises:
            qorpus.InvalidArgument: the state belongs to another order or to more records, or the
                ranks cannot share the rest of the epoch.
            qorpus.WrongType: `state` is not a dict.

        Examples:
            >>> recipe = qorpus.Recipe(random=1000)
            >>> stream = recipe.torch(batch_size=256, seed=1)
            >>> first = next(iter(stream))
            >>> resumed = recipe.torch(batch_size=256, seed=1)
            >>> resumed.load_state_dict(stream.state_dict())
            >>> len(list(resumed))
            3
        """
        place = self._stream._place_of(state)
        self._worker, self._worker_yielded, self._began = workers.WorkerPlace.of_state(state), None, False
        if self._worker is None:
            self._stream.load_state_dict(state)
        else:
            # Stay in the epoch: other workers may have batches left of it.
            self._stream._move(*place)
        self._publish()


class _Threads:
    """Threads that read batches ahead, in order."""

    def __init__(self, number: int, ahead: int | None, pin_memory: bool) -> None:
        self.number, self.ahead = number, number * (ahead or PREFETCH_BATCHES)
        self.pin_memory = pin_memory and torch.cuda.is_available()

    def map(self, read: Callable[[Key], dict[str, Any]], keys: Iterable[Key]) -> Iterator[dict[str, Any]]:
        """Yield the batches of these keys; an error is raised at the place of its batch."""
        if self.number == 0:
            yield from (self._ready(read, key) for key in keys)
            return
        coming: deque[Future[dict[str, Any]]] = deque()
        with ThreadPoolExecutor(self.number, "qorpus-stream") as pool:
            try:
                for key in keys:
                    coming.append(pool.submit(self._ready, read, key))
                    if len(coming) > self.ahead:
                        yield coming.popleft().result()
                while coming:
                    yield coming.popleft().result()
            finally:
                for future in coming:
                    future.cancel()

    def _ready(self, read: Callable[[Key], dict[str, Any]], key: Key) -> dict[str, Any]:
        batch = read(key)
        if self.pin_memory:
            batch |= {name: value.pin_memory() for name, value in batch.items() if isinstance(value, torch.Tensor)}
        return batch


class _Batches(torch.utils.data.Dataset[dict[str, Any]]):
    """The batches of a stream by key, as tensors. Workers need not know the stream's position.

    This is separate from the stream, which keeps a loader of it with persistent workers. A loader
    that referred to the stream would form a cycle with it, and PyTorch ends the workers of a
    collected cycle only after seconds.
    """

    def __init__(self, stream: ArrayStream, longest: int) -> None:
        self.stream, self.longest = stream, longest

    def __getitem__(self, key: Key) -> dict[str, Any]:
        self.stream.epoch, self.stream._size, number = key
        return self.tensors(self.stream.batch(number))

    def tensors(self, batch: Batch) -> dict[str, Any]:
        """Convert a batch of arrays to tensors."""
        unitaries = None if batch.unitaries is None else torch.from_numpy(batch.unitaries)
        tensors: dict[str, Any] = {**_tensors(batch.ids, unitaries, batch.circuits, batch.angles, self.longest)}
        if batch.channels is not None:
            tensors["channel"] = torch.from_numpy(batch.channels)
        if batch.labels is not None:
            tensors["labels"] = _tensors_of_labels(batch.labels)
        return tensors


class _Keys(torch.utils.data.Sampler[Key]):
    """The keys of the remaining batches of a stream's epoch."""

    def __init__(self, stream: ArrayStream) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[Key]:
        stream = self.stream
        epoch, size = stream.epoch, stream._size
        for number in range(stream._yielded, len(stream)):
            yield epoch, size, number
