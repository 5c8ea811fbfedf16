"""Corpora on a Ray cluster: generated, enumerated, and read as a Ray Data dataset.

Shards are written to a directory that all nodes see under the same name, or to a prefix of a
bucket, `s3://bucket/prefix`. Needs Ray: `pip install 'ray[data]'`.
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

#: The most retries of a shard whose workers or nodes die: nodes may come and go, but a shard that
#: kills its workers must not be retried forever.
MAX_RETRIES = 10

#: The approximate bytes of unitaries in a block of a dataset, or of letters without unitaries.
BLOCK_BYTES = 32 << 20


def make_shard(
    path: str, recipe: str, number: int, of: int, jobs: int = 1, stage: str | None = None, durability: str | None = "full"
) -> str:
    """Make one shard of a corpus that `generate` has started, unless it exists; return its receipt.

    The tasks of `generate` call this. Calling it twice, even at the same time, does no harm.

    Args:
        path: the directory or `s3://bucket/prefix`.
        recipe: the recipe as JSON, `Recipe.json`.
        number: the number of the shard, counted from 0.
        of: the number of shards.
        jobs: the number of threads.
        stage: as for `generate`.
        durability: as for `generate`.

    Returns:
        The receipt of the shard, as JSON.

    Raises:
        qorpus.Error: the shard cannot be made.

    Examples:
        >>> recipe = qorpus.Recipe("h,s,t", 1, random=20_000, unitaries=False)
        >>> corpus = qorpus.ray.generate(recipe, "shards/", shard=10_000, progress=False)
        >>> of = qorpus.seal("shards/")["of"]
        >>> receipt = qorpus.ray.make_shard("shards/", recipe.json, 0, of)
    """
    _qorpus.generate(path, recipe, part=(number, of), jobs=jobs, stage=stage, durability=durability)
    receipt = _qorpus.receipt(path, recipe, number)
    if receipt is None:
        raise Error(f"{path}: shard {number} was removed after it was published; call qorpus.ray.generate again")
    return receipt


def generate(
    recipe: Recipe,
    path: Path,
    *,
    jobs: int = 1,
    shard: int | str | None = None,
    stage: Path | None = None,
    durability: str = "full",
    progress: bool | Callable[[int, int], object] = True,
) -> Corpus:
    """Make the missing shards of a corpus on all nodes of the Ray cluster, and open the corpus.

    A task makes one shard, publishes it and returns its receipt. If its worker or node dies, the
    task runs again elsewhere. The driver hands out as many tasks as the cluster can run, and a few
    in reserve, and seals the corpus at the end. After an interrupt, published shards are kept,
    running tasks finish, and the next call continues.

    Args:
        recipe: the recipe.
        path: a directory that all nodes see under this name, created if it does not exist; or
            `s3://bucket/prefix`, of a store that the environment variables `AWS_*` describe on each
            node.
        jobs: the number of threads of a task, and of cores that Ray reserves for it.
        shard: the records of a shard, as for `qorpus.generate`.
        stage: a directory on a local disk of each node in which shards are built, if `path` is on a
            network file system. For buckets shards are built in the cache by default.
        durability: "full", "normal" or "off", as for `qorpus.generate`.
        progress: True shows the progress on a terminal or in a notebook. A function is called
            instead, with the number of records made and of all.

    Returns:
        The corpus, opened for reading.

    Raises:
        qorpus.InvalidArgument: an option is invalid.
        qorpus.WrongType: `recipe` is not a `Recipe`.
        qorpus.MissingLibrary: Ray is not installed.
        qorpus.Error: the directory holds something else, or a shard cannot be made.
        ray.exceptions.RayError: the cluster failed, or the workers of a shard died too often.

    Examples:
        >>> recipe = qorpus.Recipe("h,s,t", 1, random=20_000, unitaries=False)
        >>> corpus = qorpus.ray.generate(recipe, "big/", shard=10_000, progress=False)
        >>> len(corpus), corpus.complete
        (20000, True)
    """
    _require_ray()
    import ray

    if not isinstance(recipe, Recipe):
        raise WrongType(f"recipe must be a qorpus.Recipe, not {kind(recipe)}")
    jobs = integer(jobs, "jobs", least=1, most=1 << 22)
    # A trailing slash marks a new directory, which is created before a node sees its path.
    named = _path(path)
    # Check options before Ray starts and the directory is created.
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
            # Nodes come and go, so ask the cluster each time.
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
            # The cause is often the same, and the first exception must not be hidden.
            warnings.warn(f"{place}: the published shards were not sealed: {unsealed}", QorpusWarning, stacklevel=2)
        raise
    _qorpus.seal(place)
    return open(place, recipe.order)


def _require_ray() -> None:
    """Raise an error if Ray is not installed."""
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise MissingLibrary("qorpus.ray needs Ray; pip install 'ray[data]'") from error


def _path(path: Path) -> str:
    """Return a path as a string."""
    try:
        text = os.fspath(path)
    except (TypeError, ValueError) as error:
        raise WrongType(f"path must be a str or os.PathLike, not {kind(path)}") from error
    if not isinstance(text, str):
        raise WrongType(f"path must be a str or os.PathLike, not {kind(path)}")
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
    alone: int | str = 16_777_216,
    durability: str = "full",
    progress: bool | Callable[[int, int], object] = True,
    **options: Unpack[DistinctOptions],
) -> Corpus:
    """Enumerate every distinct unitary on all nodes of the Ray cluster, and open the corpus.

    The corpus is the one that `qorpus.distinct` makes on a single machine, with the same
    `content_hash`, labels and index.

    Tasks extend the circuits of earlier levels by one letter, a Ray Data shuffle groups the
    candidates by key, tasks deduplicate them, and the driver writes the survivors in order. Ray
    spills to the disks of the nodes when its object store is full. If a worker or node dies, its
    tasks run again elsewhere; the driver's own node must survive.

    After an interrupt, finished levels are kept. The next call, also of `qorpus.distinct`,
    continues with the next level.

    Args:
        path: the file, on a disk of the driver's node, created if it does not exist. No other node
            needs it.
        memory: the bytes for candidates in the driver and in each task, of which a node runs one
            per core; by default 512 MiB.
        jobs: the number of threads of the driver; by default one per core.
        alone: the largest number of candidates of a level that the driver processes alone, which
            takes seconds.
        durability: "full", "normal" or "off", as for `Writer`.
        progress: as for `qorpus.distinct`.
        **options: the options of `qorpus.distinct` that decide the recipe: gates, qubits, coupling,
            letters, max_length, cost, max_cost, up_to and dtype.

    Returns:
        The corpus, opened for reading.

    Raises:
        qorpus.InvalidArgument: an option is invalid.
        qorpus.MissingLibrary: Ray is not installed.
        qorpus.Error: two unitaries in floating point are neither equal nor clearly different, or
            the file holds something else or cannot be written.
        ray.exceptions.RayError: the cluster failed.
        KeyboardInterrupt: the call was interrupted; finished levels are kept.

    Examples:
        >>> corpus = qorpus.ray.distinct("two.db", gates="h,t,tdg,cx", qubits=2, max_length=3)
        >>> len(corpus)
        249
    """
    _require_ray()
    import ray

    recipe = _qorpus.distinct_recipe(**options)
    place = os.path.abspath(_path(path))
    # Check options before Ray starts.
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
    """Read a corpus or a recipe as a Ray Data dataset.

    Blocks are read in parallel, straight from the shards, on any node that has room. A row has
    `id`; `length`; `circuit`, numbers of `corpus.letters` padded with -1 to the longest circuit;
    and `unitary`, an array of shape (d, d, 2) for d = 2**qubits with real and imaginary parts,
    because Arrow has no complex numbers. Haar-random unitaries have no `length` and no `circuit`,
    and records on more than 8 qubits no `unitary`.

    Args:
        corpus: a corpus in files that all nodes see under the same names, or in a bucket, whose
            shards each node caches; or a recipe, whose records are computed.

    Returns:
        A `ray.data.Dataset` with a row for each record.

    Raises:
        qorpus.WrongType: `corpus` is neither a corpus nor a recipe.
        qorpus.MissingLibrary: Ray is not installed.
        qorpus.MissingRecord: a record is not made yet when it is read.

    Examples:
        >>> recipe = qorpus.Recipe(gates="h,t,cx", qubits=2, random=1000)
        >>> for batch in qorpus.ray.read(recipe).iter_batches(batch_size=1000):
        ...     unitaries = np.ascontiguousarray(batch["unitary"]).view("complex128")[..., 0]
        >>> unitaries.shape
        (1000, 4, 4)
    """
    _require_ray()
    import ray.data

    if not isinstance(corpus, Corpus | Recipe):
        raise WrongType(f"read() takes a Corpus or a Recipe, not {kind(corpus)}")
    dim = 2**corpus.qubits
    row_bytes = dim * dim * corpus.dtype.itemsize if corpus.has_unitaries else 4 * max(corpus.lengths[1], 1)
    blocks = -(-len(corpus) * row_bytes // BLOCK_BYTES)

    def rows(batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        ids = batch["id"]
        # A block usually has consecutive ids, which a slice reads faster.
        consecutive = len(ids) > 0 and int(ids[-1]) - int(ids[0]) + 1 == len(ids)
        unitaries, letters, angles = corpus._rows(slice(int(ids[0]), int(ids[-1]) + 1) if consecutive else ids)
        longest = corpus.lengths[1]
        circuits = np.full((len(ids), longest), -1, np.int32)
        circuits[:, : letters.shape[1]] = letters
        columns: dict[str, NDArray[Any]] = {"id": ids}
        if corpus.has_circuits:
            columns |= {"length": (letters >= 0).sum(axis=1), "circuit": circuits}
        if unitaries is not None:
            columns["unitary"] = unitaries.view(unitaries.real.dtype).reshape(len(ids), dim, dim, 2)
        if angles is not None:
            columns["angles"] = np.full((len(ids), longest, 3), np.nan)
            columns["angles"][:, : angles.shape[1]] = angles
        return columns

    least = min(len(corpus), 2 * int(ray.cluster_resources().get("CPU", 1))) if ray.is_initialized() else 1
    return ray.data.range(len(corpus), override_num_blocks=max(blocks, least, 1)).map_batches(rows, batch_size=None)


__all__ = ["distinct", "generate", "make_shard", "read"]
