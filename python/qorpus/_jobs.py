"""Jobs that make a corpus and open it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from qorpus import _qorpus
from qorpus._arguments import kind
from qorpus.corpus import Corpus, open
from qorpus.errors import WrongType
from qorpus.recipe import Recipe

if TYPE_CHECKING:
    from numpy.typing import DTypeLike
    from typing_extensions import Unpack

    from qorpus._qorpus import Gates, Path
    from qorpus.recipe import RecipeOptions

    class DistinctOptions(TypedDict, total=False):
        """The options of `distinct` that decide the recipe."""

        gates: Gates | None
        qubits: int | None
        coupling: str | None
        max_length: int | None
        cost: str | Mapping[str, int] | None
        max_cost: int | None
        up_to: str | None
        dtype: DTypeLike | None


def generate(
    path: Path,
    recipe: Recipe | None = None,
    *,
    jobs: int | None = None,
    part: tuple[int, int] | str | None = None,
    durability: str | None = None,
    shard: int | str | None = None,
    stage: Path | None = None,
    force: bool = False,
    progress: bool | Callable[[int, int], object] = True,
    **options: Unpack[RecipeOptions],
) -> Corpus:
    """Make the records of a recipe that a file lacks, on all cores, and open it.

    Any number of processes may do so on one file at once: they share the work. An interrupted call
    keeps what is committed, and the next call continues.

        corpus = qorpus.generate("c.db", gates="clifford+t", qubits=2, random="10M", length=(5, 15), seed=0)

    A path that ends in a slash, or is a directory, is a sharded corpus: a directory of files of
    some hundred megabytes, which machines can make together. A call without `part` seals it.

        qorpus.generate("big/", gates="hst", qubits=1, random="10G", unitaries=False)

    `s3://bucket/prefix` is the same in an object store, which the variables `AWS_*` of the
    environment describe.

    Args:
        path: the file or directory, created if need be; or a prefix of a bucket.
        recipe: the recipe; or leave it out and give its options, those of `Recipe`.
        jobs: worker threads; by default one a core.
        part: (i, n) or "i/n": only the i-th of n equal shares, counted from 0; of a directory the
            shards i, i + n, and so on.
        durability: "full", "normal" or "off", as for `Writer`.
        shard: records of a shard, rounded up to whole chunks; by default as many as 512 MiB hold.
        stage: a directory on a local disk where shards are built before they are copied to a
            network file system or a bucket.
        force: begin although the file system has fewer bytes free than the corpus needs.
        progress: whether a terminal shows a bar, and a log a line every half minute; or a function
            that is called instead, with the number of records so far and in all.
        **options: options of a recipe.

    Raises:
        qorpus.InvalidArgument: an option is invalid.
        qorpus.Error: the file holds something else, or cannot be written.
        KeyboardInterrupt: it was interrupted; what is committed stays.
    """
    if recipe is None:
        recipe = Recipe(**options)
    elif not isinstance(recipe, Recipe):
        raise WrongType(f"a recipe is a qorpus.Recipe, not {kind(recipe)}; pass its options by name")
    elif options:
        raise WrongType(f"a recipe is given, so {', '.join(options)} cannot be")
    _qorpus.generate(
        path, recipe.json, jobs=jobs, part=part, durability=durability, shard=shard, stage=stage, force=force, progress=progress
    )
    return open(path, recipe.order)


def seal(path: Path) -> dict[str, Any]:
    """List the published shards in the manifest of a sharded corpus, and return what is missing.

    It does the work of `qorpus seal`, for a corpus whose parts were made one by one. Receipts are
    read, not records; sealing again changes nothing.

        while not qorpus.seal("big/")["complete"]:
            time.sleep(60)

    Returns:
        The object of `qorpus seal --json`: among others `complete`, `records`, `content_hash`, and
            `missing`, ranges of ids.

    Raises:
        qorpus.Error: there is no sharded corpus, or its manifest cannot be believed.
    """
    return _qorpus.seal(path)


def distinct(
    path: Path,
    *,
    gates: Gates | None = None,
    qubits: int | None = None,
    coupling: str | None = None,
    max_length: int | None = None,
    cost: str | Mapping[str, int] | None = None,
    max_cost: int | None = None,
    up_to: str | None = None,
    dtype: DTypeLike | None = None,
    memory: int | str | None = None,
    jobs: int | None = None,
    durability: str | None = None,
    progress: bool | Callable[[int, int], object] = True,
) -> Corpus:
    """Enumerate every distinct unitary, exactly, on all cores, and open the corpus.

    There is one record for each, with the first of its provably shortest circuits.

        corpus = qorpus.distinct("two.db", gates="h,t,tdg,cx", qubits=2, max_length=8)
        corpus = qorpus.distinct("t.db", qubits=1, cost={"t": 1, "tdg": 1}, max_cost=12)

    An interrupted call keeps the finished levels, and the next call continues. It needs room for
    temporary files beside the corpus.

    Every record has the labels `shortest_circuits` (the number of circuits as short that make the
    unitary), `first_letters` and `last_letters` (bit k is set if one of these begins, or ends, with
    letter number k), `t_count`, `two_qubit_count`, and, if gates have costs, `cost`.

    Args:
        path: the file; created if need be.
        gates: a gate set, as for `Recipe`. Unitaries over Z[i, 1/sqrt(2)], such as those of
            Clifford+T, are compared exactly, others in floating point.
        qubits: the number of qubits.
        coupling: "all", "line", "ring", or pairs such as "0-1,1-2".
        max_length: the most letters of a circuit.
        cost: costs of gates, such as `{"t": 1}` or "t=1"; others cost nothing. Circuits are then
            the cheapest, and the shortest among those.
        max_cost: the largest cost of a circuit.
        up_to: "phase" if unitaries that differ by a global phase alone are the same, or "nothing".
        dtype: "complex128" or "complex64": of the unitaries, which are computed on reading.
        memory: bytes for candidates, such as "4GiB"; by default half of what is free.
        jobs: worker threads; by default one a core.
        durability: "full", "normal" or "off", as for `Writer`.
        progress: whether a terminal shows a bar; or a function that is called instead, with the
            length that is being made and the number of records.

    Raises:
        qorpus.InvalidArgument: an option is invalid.
        qorpus.Error: unitaries in floating point are neither equal nor clearly different, the file
            holds something else or cannot be written, or there is too little room.
        KeyboardInterrupt: it was interrupted; the finished levels stay.
    """
    recipe = _qorpus.distinct_recipe(
        gates=gates, qubits=qubits, coupling=coupling, max_length=max_length, cost=cost, max_cost=max_cost,
        up_to=up_to, dtype=dtype,
    )  # fmt: skip
    _qorpus.enumerate(path, recipe, memory=memory, jobs=jobs, durability=durability, progress=progress)
    return open(path)
