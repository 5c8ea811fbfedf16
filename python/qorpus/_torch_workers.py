"""Workers of a user's own DataLoader: their batches, and the positions that they share."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from qorpus._arguments import integer
from qorpus.errors import Error, InvalidArgument

if TYPE_CHECKING:
    from torch.utils.data._utils.worker import WorkerInfo

    from qorpus.stream import Stream

#: The longest wait of a worker for another that starts at the same time.
TIMEOUT_SECONDS = 300

#: The largest number of workers, and of batches that each reads ahead.
MAX_WORKERS = 1 << 22


class WorkerPlace(NamedTuple):
    """The place of a worker among the workers of a loop."""

    number: int
    """Number of the worker in the loader, counted from 0."""
    of: int
    """Number of workers."""

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> WorkerPlace | None:
        """Return the worker to which a state belongs, or None.

        Raises:
            qorpus.InvalidArgument: the state's worker is invalid.
        """
        place = state.get("worker")
        if place is None:
            return None
        if not isinstance(place, Mapping) or not place.keys() >= set(cls._fields):
            raise InvalidArgument("the state's worker lacks its number or the number of workers; pass a dict from state_dict")
        of = integer(place["of"], "the number of workers", least=1, most=MAX_WORKERS)
        return cls(integer(place["number"], "the worker's number", most=of - 1), of)

    def has_batches_left(self, stream: Stream) -> bool:
        """Return whether the worker has batches left of the stream's epoch."""
        return stream._yielded + self.number < len(stream)

    def has_last_batch(self, stream: Stream) -> bool:
        """Return whether the worker has the last batch of an epoch."""
        return self.number == (len(stream) - 1) % self.of


def _shared(numbers: torch.Tensor) -> torch.Tensor:
    """Move numbers to memory that processes share."""
    numbers.share_memory_()  # type: ignore[no-untyped-call]  # PyTorch gives it no types.
    return numbers


class SharedPosition:
    """The latest position of a stream, in memory shared with a loader's persistent workers.

    Forked and spawned processes share it with the process that started them. Only that process
    writes it.
    """

    def __init__(self) -> None:
        #: The number of positions so far; the epoch, batches and records of the latest.
        self._latest = _shared(torch.zeros(4, dtype=torch.int64))
        #: The loop that resumes from states of workers, and whether their epoch has ended.
        self._end = _shared(torch.full((2,), -1, dtype=torch.int64))
        self._seen, self._owner = 0, os.getpid()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # A pickled copy has its own memory, to be shared with its workers.
        _shared(self._latest)
        _shared(self._end)

    def publish(self, stream: Stream) -> SharedPosition:
        """Share the stream's position; return a new object if another process owns the memory."""
        own = self if self._owner == os.getpid() else SharedPosition()
        own._seen += 1
        own._latest.copy_(torch.tensor([own._seen, stream.epoch, stream._yielded, stream._size]))
        return own

    def follow(self, stream: Stream) -> bool:
        """Move the stream to the latest position; return False if it was there before."""
        number, epoch, yielded, size = self._latest.tolist()
        if number == self._seen:
            return False
        self._seen = number
        stream._move(epoch, yielded, size)
        return True

    def announce_end(self, worker: WorkerInfo, over: bool) -> None:
        """Tell the other workers of a loop whether the epoch's last batch was yielded."""
        self._end[1] = over
        self._end[0] = worker.seed - worker.id

    def wait_for_end(self, worker: WorkerInfo) -> bool:
        """Wait for `announce_end`; return whether the last batch was yielded."""
        begun = time.monotonic()
        # PyTorch draws a new base of the workers' seeds for each loop.
        while self._end[0] != worker.seed - worker.id:
            if time.monotonic() - begun > TIMEOUT_SECONDS:
                raise Error(
                    f"the other workers of the loader loaded no states within {TIMEOUT_SECONDS} s; load one for each worker"
                )
            time.sleep(0.001)
        return bool(self._end[1])
