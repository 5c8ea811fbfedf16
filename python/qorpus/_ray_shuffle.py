"""One level of an enumeration of distinct unitaries, as a Ray Data shuffle.

This module only moves bytes; the native `Worker` reads and writes their contents.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qorpus._qorpus import Worker

if TYPE_CHECKING:
    import pyarrow as pa

# Pieces that the driver's node reads at the same time: few, because reading is cheap and must not
# fill its memory.
MAX_READERS = 2


def survivors(division: str, path: str) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the places and rows of the surviving candidates, in order, for `enumerate_elsewhere`.

    The driver's node, which has the corpus, reads pieces, and all nodes expand them. The result of
    each piece is split by ranges of keys; a row of bytes for each range goes to the node that
    merges that range. Survivors are sorted by their places. Ray's object store holds the blocks,
    spills them to disk, and recreates those of nodes that die.
    """
    import ray
    import ray.data

    pieces = Worker(division).pieces

    def read(batch: dict[str, Any]) -> pa.Table:
        worker = Worker(division)
        return _table("parcel", [(int(piece), parcel) for piece in batch["id"] for parcel in worker.read(path, int(piece))])

    def expand(batch: pa.Table) -> pa.Table:
        return _table("range", Worker(division).expand(_bytes(batch)))

    def merge(batch: pa.Table) -> pa.Table:
        return _table("place", Worker(division).merge(batch["range"][0].as_py(), _bytes(batch)))

    numbers = ray.data.range(pieces, override_num_blocks=pieces)
    _set_up(numbers.context)
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    readers = ray.data.TaskPoolStrategy(size=min(MAX_READERS, pieces))
    parcels = numbers.map_batches(read, batch_size=None, num_cpus=0, label_selector=here, compute=readers)
    candidates = parcels.map_batches(expand, batch_size=None, batch_format="pyarrow", num_cpus=1)
    found = candidates.groupby("range").map_groups(merge, batch_format="pyarrow", num_cpus=1)
    place, rows = 0, list[bytes]()
    for batch in found.sort("place").iter_batches(batch_size=None, batch_format="pyarrow"):
        for at, row in zip(batch["place"], batch["rows"], strict=True):
            if at.as_py() != place:
                yield place, rows
                place, rows = at.as_py(), []
            rows.append(row.as_py())
    yield place, rows


def _set_up(context: Any) -> None:
    """Set the context of these datasets, independent of the driver's own settings."""
    from ray.data.context import ShuffleStrategy

    # Only tasks, which Ray restarts when nodes die; actors would lose the shuffled data with their
    # nodes.
    context.shuffle_strategy = ShuffleStrategy.SORT_SHUFFLE_PULL_BASED
    context.raise_original_map_exception = True
    context.enable_progress_bars = False
    context.print_on_execution_start = False


def _table(name: str, rows: list[tuple[int, bytes]]) -> pa.Table:
    import pyarrow as pa

    numbers = pa.array([number for number, _ in rows], pa.int64())
    return pa.table({name: numbers, "rows": pa.array([row for _, row in rows], pa.large_binary())})


def _bytes(batch: pa.Table) -> list[bytes]:
    return [row.as_py() for row in batch["rows"]]
