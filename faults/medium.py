"""A medium after a power cut: what was synced is there, of the rest anything may be.

As pessimistic as POSIX allows. Bytes and sizes of a file last from a sync of that file on, names from a sync of the
directory on. What was not synced is lost, kept or torn, each write by itself, whatever came before or after it: a file
may have grown without its bytes, which are then zeros or garbage. A sync that failed saves nothing, neither then nor
when it is repeated; but names that a failed sync of the directory has not saved are saved by the next one that succeeds, as
file systems that journal them do, which go read-only when they cannot. Two things are assumed: what was synced stays, also when bytes beside it are written, and 512
bytes that are aligned are written as a whole or not at all.
"""

import random
from collections.abc import Callable

from tracing import CREATE, LINK, RENAME, SYNC, TRUNCATE, UNLINK, WRITE, Event, Trace

#: Larger than any number of an event.
NEVER = 1 << 62


class Medium:
    """The states in which a power cut may leave the directory of a trace."""

    def __init__(self, trace: Trace, lies: bool = False):
        """`lies`: syncs do nothing, as on a disk that says so and does not."""
        self.trace = trace
        self.lasting = [NEVER] * len(trace.events)
        waiting: dict[int, list[int]] = {}
        for number, event in enumerate(trace.events):
            if event.kind == SYNC:
                if event.file == 0 and event.error:
                    continue
                for earlier in waiting.pop(event.file, []):
                    if not event.error and not lies:
                        self.lasting[earlier] = number
            else:
                of_file = event.kind in (WRITE, TRUNCATE)
                waiting.setdefault(event.file if of_file else 0, []).append(number)

    def cuts(self) -> int:
        """Power may fail before each event and after the last."""
        return len(self.trace.events) + 1

    def survivors(self, cut: int, seed: int) -> dict[str, bytes]:
        """Names and contents after a power cut before the event number `cut`."""
        chance = random.Random(f"{cut} {seed}")
        keep, torn = tastes(chance)
        contents = {number: bytearray(self.trace.before[name]) for number, name in self.trace.names.items()}
        names = {name: number for number, name in self.trace.names.items()}
        for number, event in enumerate(self.trace.events[:cut]):
            lasts = self.lasting[number] < cut
            if event.kind == SYNC:
                continue
            if event.kind in (WRITE, TRUNCATE):
                change(contents[event.file], event, lasts or keep(), lasts or not torn(), chance)
                continue
            if event.kind == CREATE:
                contents[event.file] = bytearray()
            if lasts or keep():
                rename(names, event)
        left = {name: bytes(contents[number]) for name, number in names.items()}
        # Shared memory is written without anybody seeing it; after a power cut its file is what it happens to be.
        for name in left:
            if name.endswith("-shm") and chance.random() < 0.5:
                left[name] = chance.randbytes(32768)
        return left


def tastes(chance: random.Random) -> tuple[Callable[[], bool], Callable[[], bool]]:
    """Whether a write is kept, and whether it is torn: some cuts lose nearly everything, others one write alone."""
    kept = chance.choice([0.0, 0.1, 0.5, 0.9, 1.0])
    torn = chance.choice([0.0, 0.0, 0.2, 0.7])
    return lambda: chance.random() < kept, lambda: chance.random() < torn


def change(content: bytearray, event: Event, is_kept: bool, is_whole: bool, chance: random.Random) -> None:
    """Makes a change of a file, or part of it, or only its file longer."""
    if event.kind == TRUNCATE:
        if is_kept:
            del content[event.offset :]
            content.extend(bytes(event.offset - len(content)))
        return
    start, end = event.offset, event.offset + len(event.data)
    if not is_kept and chance.random() < 0.7:
        return
    if end > len(content):
        hole = end - len(content)
        content.extend(chance.randbytes(hole) if chance.random() < 0.2 and not (is_kept and is_whole) else bytes(hole))
    if not is_kept:
        return
    if is_whole:
        content[start:end] = event.data
        return
    sector = chance.choice([512, 4096])
    share = chance.choice([0.1, 0.5, 0.9])
    for at in range(start - start % sector, end, sector):
        if chance.random() < share:
            low, high = max(start, at), min(end, at + sector)
            content[low:high] = event.data[low - start : high - start]


def rename(names: dict[str, int], event: Event) -> None:
    """Makes a change of the directory."""
    if event.kind in (CREATE, LINK):
        names[event.name if event.kind == CREATE else event.data.decode()] = event.file
    elif event.kind == UNLINK:
        if names.get(event.name) == event.file:
            del names[event.name]
    elif event.kind == RENAME and names.get(event.name) == event.file:
        names[event.data.decode()] = names.pop(event.name)
