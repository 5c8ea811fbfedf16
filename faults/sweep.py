"""Sweeps: a fault at every n-th step of a job, run after run."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from shim import KILLS, Fault


@dataclass(frozen=True)
class Sweep:
    """A job and its first fault; each next run has its fault `stride` steps later."""

    job: str
    first: Fault
    stride: int
    seed: int

    def run(self, misses: int, disturb: Callable[[Fault], bool]) -> None:
        """Disturb one run after another, until `misses` in a row have ended before their fault.

        The number of steps is not the same in every run.
        """
        fault, missed = self.first, 0
        while missed < misses:
            missed = 0 if disturb(fault) else missed + 1
            fault = replace(fault, at=fault.at + self.stride)


def kill_sweeps(job: str, stride: int, seed: int) -> list[Sweep]:
    """Return a sweep for each moment of a step; together they are spread over all steps."""
    firsts = {action: 1 + place * stride // len(KILLS) for place, action in enumerate(KILLS)}
    return [Sweep(job, Fault(at, action), stride, seed) for action, at in firsts.items()]
