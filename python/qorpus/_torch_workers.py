"""Workers of a user's own DataLoader: the batches of each, and news for persistent ones."""

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

#: The longest wait of a worker for another one, which starts at the same time.
TIMEOUT_SECONDS = 300

#: The largest number of workers, and of batches that each reads ahead: no machine has more threads.
MAX_WORKERS = 1 << 22


class Seat(NamedTuple):
    """The place of a worker among those of a loop."""

    number: int
    """Its number in the loader, counted from 0."""
    of: int
    """The number of workers."""

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Seat | None:
        """Return the worker that a state is of, if it is of one.

        Raises:
            qorpus.InvalidArgument: it has something else in its place.
        """
        seat = state.get("worker")
        if seat is None:
            return None
        if not isinstance(seat, Mapping) or not seat.keys() >= set(cls._fields):
            raise InvalidArgument("the state has a worker without a number, or without how many there are")
        of = integer(seat["of"], "the number of workers", least=1, most=MAX_WORKERS)
        return cls(integer(seat["number"], "the worker's number", most=of - 1), of)

    def has_left(self, stream: Stream) -> bool:
        """Return whether it deals batches that are left of the stream's epoch."""
        return stream._given + self.number < len(stream)

    def deals_the_last(self, stream: Stream) -> bool:
        """Return whether it deals the last batch of an epoch."""
        return self.number == (len(stream) - 1) % self.of


def _shared(numbers: torch.Tensor) -> torch.Tensor:
    """Move numbers to memory that processes share."""
    numbers.share_memory_()  # type: ignore[no-untyped-call]  # PyTorch gives it no types.
    return numbers


class News:
    """The place where a stream was put after a loader's workers were started, in shared memory.

    Processes that are forked or spawned share it with the process that started them, which alone
    writes there.
    """

    def __init__(self) -> None:
        #: The number of news so far, and the epoch, batches and records of the last.
        self._place = _shared(torch.zeros(4, dtype=torch.int64))
        #: The loop that resumes from states of workers, and whether their epoch is over.
        self._over = _shared(torch.full((2,), -1, dtype=torch.int64))
        self._taken, self._owner = 0, os.getpid()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # A pickled copy has memory of its own, which its workers are to share.
        _shared(self._place)
        _shared(self._over)

    def told(self, stream: Stream) -> News:
        """Publish the stream's place; return the news, new ones if these are another process's."""
        # Inherited news belongs to the parent.
        news = self if self._owner == os.getpid() else News()
        news._taken += 1
        news._place.copy_(torch.tensor([news._taken, stream.epoch, stream._given, stream._size]))
        return news

    def take(self, stream: Stream) -> bool:
        """Move the stream to the place of the last news; return False if there was none since."""
        number, epoch, given, size = self._place.tolist()
        if number == self._taken:
            return False
        self._taken = number
        stream._move(epoch, given, size)
        return True

    def tell_others(self, worker: WorkerInfo, over: bool) -> None:
        """Tell the other workers of a loop whether the last batch of the epoch was given."""
        self._over[1] = over
        self._over[0] = worker.seed - worker.id

    def is_over(self, worker: WorkerInfo) -> bool:
        """Wait for the worker that knows; return whether the last batch was given."""
        begun = time.monotonic()
        # PyTorch draws the base of the workers' seeds anew for each loop.
        while self._over[0] != worker.seed - worker.id:
            if time.monotonic() - begun > TIMEOUT_SECONDS:
                raise Error("the other workers of the loader have not loaded their states; load one for each of them")
            time.sleep(0.001)
        return bool(self._over[1])
