"""Crash states: the states of a directory after a power cut, as pessimistic as POSIX allows.

Bytes and sizes of a file last from a sync of that file on, names from a sync of the directory on.
Every other write is lost, kept or torn by itself, whatever came before or after it. A file may have
grown without its bytes, which are then zeros or garbage.

A failed sync of a file saves nothing, neither then nor when it is repeated. Names that a failed
sync of the directory did not save are saved by the next one that succeeds: file systems journal
names, and become read-only when they cannot.

Two things are assumed. Synced bytes stay when bytes beside them are written. 512 aligned bytes are
written as a whole or not at all.
"""

import random
from collections.abc import Callable

from tracing import CREATE, LINK, RENAME, SYNC, TRUNCATE, UNLINK, WRITE, Event, Trace

#: Larger than any number of an event.
NEVER = 1 << 62


class CrashStates:
    """The states in which a power cut may leave the directory of a trace."""

    def __init__(self, trace: Trace, lying_disk: bool = False):
        """`lying_disk`: syncs succeed and do nothing."""
        self.trace = trace
        #: The event from which on each event lasts.
        self.durable_from = [NEVER] * len(trace.events)
        pending: dict[int, list[int]] = {}
        for number, event in enumerate(trace.events):
            if event.kind == SYNC:
                if event.file == 0 and event.error:
                    continue
                for earlier in pending.pop(event.file, []):
                    if not event.error and not lying_disk:
                        self.durable_from[earlier] = number
            else:
                of_file = event.kind in (WRITE, TRUNCATE)
                pending.setdefault(event.file if of_file else 0, []).append(number)

    def state(self, crash: int, seed: int) -> dict[str, bytes]:
        """Return names and contents after a power cut before the event `crash`."""
        chance = random.Random(f"{crash} {seed}")
        keep, tear = odds(chance)
        contents = {number: bytearray(self.trace.before[name]) for number, name in self.trace.names.items()}
        names = {name: number for number, name in self.trace.names.items()}
        for number, event in enumerate(self.trace.events[:crash]):
            is_durable = self.durable_from[number] < crash
            if event.kind == SYNC:
                continue
            if event.kind in (WRITE, TRUNCATE):
                change(contents[event.file], event, is_durable or keep(), is_durable or not tear(), chance)
                continue
            if event.kind == CREATE:
                contents[event.file] = bytearray()
            if is_durable or keep():
                rename(names, event)
        left = {name: bytes(contents[number]) for name, number in names.items()}
        # The shim does not see writes to shared memory: its file may have any bytes.
        for name in left:
            if name.endswith("-shm") and chance.random() < 0.5:
                left[name] = chance.randbytes(32768)
        return left


def odds(chance: random.Random) -> tuple[Callable[[], bool], Callable[[], bool]]:
    """Draw whether writes are kept and torn: some crashes lose nearly all, others one."""
    kept = chance.choice([0.0, 0.1, 0.5, 0.9, 1.0])
    torn = chance.choice([0.0, 0.0, 0.2, 0.7])
    return lambda: chance.random() < kept, lambda: chance.random() < torn


def change(content: bytearray, event: Event, is_kept: bool, is_whole: bool, chance: random.Random) -> None:
    """Make a change of a file, or a part of it, or only lengthen the file."""
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
    """Make a change of the directory."""
    if event.kind in (CREATE, LINK):
        names[event.name if event.kind == CREATE else event.data.decode()] = event.file
    elif event.kind == UNLINK:
        if names.get(event.name) == event.file:
            del names[event.name]
    elif event.kind == RENAME and names.get(event.name) == event.file:
        names[event.data.decode()] = names.pop(event.name)
