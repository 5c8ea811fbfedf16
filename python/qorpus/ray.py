"""Corpora on a Ray cluster: made, enumerated, and read as a Ray Data dataset.

    import qorpus.ray

    corpus = qorpus.ray.generate(recipe, "/shared/big/", stage="/tmp")
    dataset = qorpus.ray.read(corpus)
    corpus = qorpus.ray.distinct("two.db", gates="h,t,tdg,cx", qubits=2, max_length=14)

The shards' destination must be a directory that all nodes see under this name, or a prefix of a
bucket: `s3://bucket/big`. Needs Ray: `pip install 'ray[data]'`.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qorpus import _notebook, _qorpus
from qorpus._arguments import integer, kind
from qorpus._ray_shuffle import survivors
from qorpus.corpus import Corpus, open
from qorpus.errors import Error, MissingLibrary, QorpusWarning, WrongType
from qorpus.recipe import Recipe

if TYPE_CHECKING:
    import ray.data
    from typing_extensions import Unpack

    from qorpus._jobs import DistinctOptions
    from qorpus._qorpus import Path

#: The most attempts at a shard whose workers or nodes die: nodes may come and go, but a shard that
#: kills its workers must not be tried for ever.
MAX_RETRIES = 10

#: The bytes of unitaries in a block of a dataset, about.
BLOCK_BYTES = 32 << 20


def make_shard(path: str, recipe: str, number: int, of: int, jobs: int, stage: str | None, durability: str | None) -> str:
    """Make one shard of a corpus that was begun, unless it is there, and return its receipt.

    Tasks of `generate` call it. Running it twice, also at the same time, does no harm.
    """
    _qorpus.generate(path, recipe, part=(number, of), jobs=jobs, stage=stage, durability=durability)
    receipt = _qorpus.receipt(path, number)
    if receipt is None:
        raise Error(f"shard {number} of {path} vanished after it was published")
    return receipt


def generate(
    recipe: Recipe,
    path: Path,
    *,
    jobs: int = 1,
    shard: int | str | None = None,
    stage: Path | None = None,
    durability: str | None = None,
    progress: bool | Callable[[int, int], object] = True,
) -> Corpus:
    """Make the shards that a directory lacks, on all nodes of the Ray cluster, and open it.

    A task makes one shard, publishes it and returns its receipt. Tasks of workers and nodes that
    die run again elsewhere. The driver hands out as many tasks as the cluster runs at once and a
    few in reserve, and seals the corpus at the end. After an interrupt published shards stay, tasks
    under way run to their end, and the next call continues.

        corpus = qorpus.ray.generate(qorpus.Recipe("hst", 1, random="10G", unitaries=False), "/shared/big/", stage="/tmp")

    Args:
        recipe: the recipe.
        path: the directory, which all nodes must see under this name, created if need be; or
            `s3://bucket/prefix`, of a store that the variables `AWS_*` describe on each node.
        jobs: threads of a task, and the cores that Ray counts for it.
        shard: records of a shard, as for `qorpus.generate`.
        stage: a directory on a local disk of each node where shards are built, if `path` is on a
            network file system; for buckets the cache, unless another one is named.
        durability: "full", "normal" or "off", as for `qorpus.generate`.
        progress: whether a terminal shows the progress; or a function that is called instead, with
            the number of records so far and in all.

    Raises:
        qorpus.InvalidArgument: an option is invalid.
        qorpus.Error: the directory holds something else, or a shard could not be made.
        ray.exceptions.RayError: the cluster failed, or a shard's workers died too often.
    """
    _require_ray()
    import ray

    if not isinstance(recipe, Recipe):
        raise WrongType(f"a recipe is a qorpus.Recipe, not {kind(recipe)}")
    jobs = integer(jobs, "jobs", least=1, most=1 << 22)
    # The slash marks a directory that does not exist yet; it exists before a node sees its path.
    named = _path(path)
    # Options are checked before Ray starts and the directory is made.
    _qorpus.check_job(durability=durability, stage=stage, progress=progress)
    place = named if named.startswith("s3:") else os.path.abspath(named)
    begun = _qorpus.begin(place, recipe.json, shard)
    if not ray.is_initialized():
        ray.init()
    tell = _shown(begun["records"]) if progress is True else progress or (lambda records, expected: None)
    todo = _numbers(begun["missing"], begun["shard_records"])
    task = ray.remote(num_cpus=jobs, max_retries=MAX_RETRIES, scheduling_strategy="SPREAD")(make_shard)
    records = begun["records"]
    running = dict[Any, int]()
    where = None if stage is None else os.fspath(stage)
    tell(records, begun["expected"])
    try:
        while True:
            # Nodes come and go, so the cluster is asked each time.
            places = int(ray.cluster_resources().get("CPU", 1) // jobs) or 1
            while len(running) < places + places // 2 + 1 and (number := next(todo, None)) is not None:
                made = task.remote(place, recipe.json, number, begun["of"], jobs, where, durability)
                running[made] = number
            if not running:
                break
            done, _ = ray.wait(list(running), timeout=1)
            for made in done:
                ray.get(made)
                first = running.pop(made) * begun["shard_records"]
                records += min(begun["shard_records"], begun["expected"] - first)
            tell(records, begun["expected"])
    except BaseException:
        # Tasks under way are not cancelled: Ray aborts the driver if one ends just then
        # (ray-project/ray#54785). They are few, and their shards count.
        try:
            _qorpus.seal(place)
        except Error as unsealed:
            # This often has the same cause, which must not be hidden.
            warnings.warn(f"what is published was not sealed: {unsealed}", QorpusWarning, stacklevel=2)
        raise
    _qorpus.seal(place)
    return open(place, recipe.order)


def _require_ray() -> None:
    """Raise an error if Ray is not installed."""
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise MissingLibrary("this needs Ray; pip install 'ray[data]'") from error


def _path(path: Path) -> str:
    """Return a path as a text."""
    try:
        text = os.fspath(path)
    except (TypeError, ValueError) as error:
        raise WrongType(f"a path is a text or a pathlib.Path, not {kind(path)}") from error
    if not isinstance(text, str):
        raise WrongType(f"a path is a text or a pathlib.Path, not {kind(path)}")
    return text


def _numbers(missing: list[tuple[int, int]], shard_records: int) -> Iterator[int]:
    """Yield the numbers of the shards with these ids."""
    for first, end in missing:
        yield from range(first // shard_records, -(-end // shard_records))


def _shown(begun: int) -> Callable[[int, int], None]:
    """Return a function that shows records, their rate and the time left on a terminal."""
    start = time.monotonic()
    bar = _notebook.bar()

    def show(records: int, expected: int) -> None:
        if bar is None and not sys.stderr.isatty():
            return
        rate = (records - begun) / max(time.monotonic() - start, 1e-9)
        left = f", {(expected - records) / rate:.0f} s left" if rate else ""
        line = f"{records:,} of {expected:,} records, {rate / 1e6:.2f} M/s{left}"
        if bar is not None:
            bar((records, expected), line)
            return
        end = "\n" if records == expected else "\r"
        print(f"{line}   ", end=end, file=sys.stderr, flush=True)

    return show


def distinct(
    path: Path,
    *,
    memory: int | str | None = None,
    jobs: int | None = None,
    alone: int | str | None = None,
    durability: str | None = None,
    progress: bool | Callable[[int, int], object] = True,
    **options: Unpack[DistinctOptions],
) -> Corpus:
    """Enumerate every distinct unitary on all nodes of the Ray cluster, and open the corpus.

    It is the corpus that `qorpus.distinct` makes on one machine, with the same `content_hash`,
    labels and index.

    Tasks extend the circuits of earlier levels by one letter, a Ray Data shuffle groups candidates
    by key, tasks deduplicate them, and the driver writes the survivors in order, part by part. Ray
    spills to the disks of the nodes when its object store is full. Tasks of workers and nodes that
    die run again elsewhere; the driver's own node must live.

    After an interrupt finished levels stay, and the next call, also of `qorpus.distinct`, continues
    with the next one.

        corpus = qorpus.ray.distinct("two.db", gates="h,t,tdg,cx", qubits=2, max_length=14)

    Args:
        path: the file, on a disk of the driver's node, created if need be; no other node needs it.
        memory: bytes for candidates in each task, of which a node runs one a core, and in the
            driver; by default 512 MiB.
        jobs: threads of the driver; by default one a core.
        alone: the most candidates of a level that the driver makes alone, in seconds; by default 16
            million.
        durability: "full", "normal" or "off", as for `Writer`.
        progress: as for `qorpus.distinct`.
        **options: the options of `qorpus.distinct` that decide the recipe: gates, qubits, coupling,
            max_length, cost, max_cost, up_to and dtype.

    Raises:
        qorpus.InvalidArgument: an option is invalid.
        qorpus.Error: unitaries in floating point are neither equal nor clearly different, or the
            file holds something else or cannot be written.
        ray.exceptions.RayError: the cluster failed.
        KeyboardInterrupt: it was interrupted; finished levels stay.
    """
    _require_ray()
    import ray

    recipe = _qorpus.distinct_recipe(**options)
    place = os.path.abspath(_path(path))
    # Options are checked before Ray starts.
    _qorpus.check_job(memory=memory, jobs=jobs, alone=alone, durability=durability, progress=progress)
    if not ray.is_initialized():
        ray.init()
    _qorpus.enumerate_elsewhere(
        place, recipe, lambda division: survivors(division, place),
        workers=int(ray.cluster_resources().get("CPU", 1)) or 1,
        alone=alone, memory=memory, jobs=jobs, durability=durability, progress=progress,
    )  # fmt: skip
    return open(place)


def read(corpus: Corpus | Recipe) -> ray.data.Dataset:
    """Read a corpus, or a recipe that is computed while it is read, as a Ray Data dataset.

    Blocks are read in parallel, wherever the cluster has room, straight from the shards. Rows have
    `id`, `length`, `circuit` (numbers of `corpus.letters`, then -1 up to the longest circuit), and
    `unitary`, an array of shape `(2**n, 2**n, 2)` of real and imaginary parts, because Arrow knows
    no complex numbers.

        for batch in qorpus.ray.read(corpus).iter_batches(batch_size=1024):
            unitaries = batch["unitary"].view("complex128")[..., 0]

    Args:
        corpus: the corpus, in files that all nodes see under their names, or in a bucket, of which
            each node caches shards; or a recipe.

    Raises:
        qorpus.MissingRecord: a record is not made yet when it is read.
    """
    _require_ray()
    import ray.data

    if not isinstance(corpus, Corpus | Recipe):
        raise WrongType(f"what is read is a corpus or a recipe, not {kind(corpus)}")
    dim = 2**corpus.qubits
    blocks = -(-len(corpus) * dim * dim * corpus.dtype.itemsize // BLOCK_BYTES)

    def rows(batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        ids = batch["id"]
        # A block usually has consecutive ids, which a slice reads faster.
        consecutive = len(ids) > 0 and int(ids[-1]) - int(ids[0]) + 1 == len(ids)
        letters, unitaries = corpus.pairs(slice(int(ids[0]), int(ids[-1]) + 1) if consecutive else ids)
        longest = corpus.lengths[1]
        circuits = np.full((len(ids), longest), -1, np.int32)
        circuits[:, : letters.shape[1]] = letters
        parts = unitaries.view(unitaries.real.dtype).reshape(len(ids), dim, dim, 2)
        return {"id": ids, "length": (letters >= 0).sum(axis=1), "circuit": circuits, "unitary": parts}

    least = min(len(corpus), 2 * int(ray.cluster_resources().get("CPU", 1))) if ray.is_initialized() else 1
    return ray.data.range(len(corpus), override_num_blocks=max(blocks, least, 1)).map_batches(rows, batch_size=None)


__all__ = ["distinct", "generate", "make_shard", "read"]
