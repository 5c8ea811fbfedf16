"""Jobs that make a corpus and open it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

        gates: Gates
        qubits: int
        coupling: str
        letters: Sequence[str] | str
        max_length: int | None
        cost: str | Mapping[str, int] | None
        max_cost: int | None
        up_to: str
        dtype: DTypeLike


def generate(
    path: Path,
    recipe: Recipe | None = None,
    *,
    jobs: int | None = None,
    part: tuple[int, int] | str | None = None,
    durability: str = "full",
    shard: int | str | None = None,
    stage: Path | None = None,
    force: bool = False,
    progress: bool | Callable[[int, int], object] = True,
    **options: Unpack[RecipeOptions],
) -> Corpus:
    """Make the records of a recipe that a file lacks, on all cores, and open the corpus.

    Any number of processes may call this for one file at the same time; they share the work. An
    interrupted call keeps the committed records, and the next call continues.

    A corpus that was made with a smaller `random`, `cliffords` or `haar`, or words with a smaller `length`, and otherwise
    the same recipe, grows: it becomes the corpus that would have been made at once. Corpora that are
    open keep their records and their length.

    A path that ends in a slash or is a directory becomes a sharded corpus: a directory of files of
    a few hundred megabytes each, which several machines can make together. A call without `part`
    seals it. `s3://bucket/prefix` is a sharded corpus in an object store, which the environment
    variables `AWS_*` describe.

    Args:
        path: the file, directory or `s3://bucket/prefix`, which is created if it does not exist.
        recipe: the recipe; or leave it out and pass the options of `Recipe` by name.
        jobs: the number of worker threads; by default one per core.
        part: (i, n) or "i/n": make only the i-th of n equal shares, counted from 0; of a directory
            the shards i, i + n and so on. By default make all.
        durability: "full", "normal" or "off", as for `Writer`.
        shard: the records of a shard, rounded up to whole chunks; by default as many as fit in 512
            MiB.
        stage: a directory on a local disk in which shards are built before they are copied to a
            network file system or a bucket.
        force: whether to start although the file system has fewer bytes free than the corpus needs.
        progress: True shows a progress bar on a terminal or in a notebook, and a line every 30
            seconds elsewhere. A function is called instead, with the number of records made and of all.
        **options: the options of `Recipe`: gates, qubits, coupling, letters, words, random, cliffords,
            haar, seed, weights, exactly, no_cancelling, length, dtype, unitaries and order.

    Returns:
        The corpus, opened for reading.

    Raises:
        qorpus.InvalidArgument: an option is invalid.
        qorpus.Error: the file holds something else or cannot be written.
        KeyboardInterrupt: the call was interrupted; committed records are kept.

    Examples:
        >>> corpus = qorpus.generate("demo.db", gates="clifford+t", qubits=2, random=10_000, seed=0)
        >>> len(corpus), corpus.unitaries(slice(0, 64)).shape
        (10000, (64, 4, 4))
        >>> big = qorpus.generate("big/", gates="h,s,t", qubits=1, random="20k", unitaries=False)
        >>> big.complete
        True
    """
    if recipe is None:
        recipe = Recipe(**options)
    elif not isinstance(recipe, Recipe):
        raise WrongType(f"recipe must be a qorpus.Recipe, not {kind(recipe)}; pass the options of a recipe by name")
    elif options:
        raise WrongType(f"generate() takes a recipe or its options, not both; leave out {', '.join(options)}")
    _qorpus.generate(
        path, recipe.json, jobs=jobs, part=part, durability=durability, shard=shard, stage=stage, force=force, progress=progress
    )
    return open(path, recipe.order)


def seal(path: Path) -> dict[str, Any]:
    """List the published shards in the manifest of a sharded corpus, and return the missing ranges.

    This is `qorpus seal`, for a corpus whose parts were made one by one. It reads receipts, not
    records. Sealing again changes nothing.

    Args:
        path: the directory or `s3://bucket/prefix`.

    Returns:
        The object of `qorpus seal --json`: among others `complete`, `records`, `content_hash`, and
        `missing`, a list of ranges (first id, last id + 1).

    Raises:
        qorpus.Error: the path has no sharded corpus, or its manifest is damaged.

    Examples:
        >>> recipe = qorpus.Recipe(gates="h,s,t", qubits=1, random=20_000, unitaries=False)
        >>> half = qorpus.generate("big/", recipe, part="0/2", shard=10_000)
        >>> state = qorpus.seal("big/")
        >>> state["complete"], len(state["missing"])
        (False, 1)
    """
    return _qorpus.seal(path)


def distinct(
    path: Path,
    *,
    gates: Gates | None = None,
    qubits: int | None = None,
    coupling: str | None = None,
    letters: Sequence[str] | str | None = None,
    max_length: int | None = None,
    cost: str | Mapping[str, int] | None = None,
    max_cost: int | None = None,
    up_to: str = "phase",
    dtype: DTypeLike = "complex128",
    memory: int | str | None = None,
    jobs: int | None = None,
    durability: str = "full",
    progress: bool | Callable[[int, int], object] = True,
) -> Corpus:
    """Enumerate every distinct unitary exactly, on all cores, and open the corpus.

    Each unitary has one record, with the first of its provably shortest circuits. An interrupted
    call keeps the finished levels, and the next call continues. A larger `max_length` or `max_cost`
    extends a file of otherwise the same recipe. Temporary files are written beside the corpus and
    need free disk space there.

    Every record has these labels: `shortest_circuits`, the number of equally short circuits of the
    unitary; `first_letters` and `last_letters`, in which bit j is set if one of these circuits
    begins or ends with letter number j; `t_count`; `two_qubit_count`; and `cost`, if gates have
    costs.

    Say how far to go with `max_length`, or with `cost` and `max_cost`.

    Args:
        path: the file, which is created if it does not exist.
        gates: a gate set, as for `Recipe`; by default "clifford+t". Unitaries over Z[i, 1/sqrt(2)],
            such as those of Clifford+T, are compared exactly, others in floating point.
        qubits: the number of qubits, 1 to 8; by default 2, or as many as `letters` need. Up to 16 if
            circuits are compared by their tableaus: with `up_to="pauli"`, or if all gates are cx and
            swap. On more than 8 qubits the records have no unitaries.
        coupling: "all", "line", "ring", or pairs such as "0-1,1-2"; by default "all".
        letters: the letters one by one, instead of `coupling`, as for `Recipe`.
        max_length: the largest number of letters of a circuit.
        cost: costs of gates, a mapping such as `{"t": 1}` or a string such as "t=1"; other gates
            cost nothing. Records then hold the cheapest circuits, and the shortest among these.
        max_cost: the largest cost of a circuit.
        up_to: what equal unitaries may differ by: "phase", a global phase; "nothing"; or "pauli",
            Pauli operators and a global phase, for Clifford gates. Tableaus are compared then.
        dtype: the dtype of unitaries, "complex128" or "complex64". They are computed on reading.
        memory: the bytes for candidates, an integer or a string such as "4GiB"; by default half of
            the free memory. Larger levels spill to disk.
        jobs: the number of worker threads; by default one per core.
        durability: "full", "normal" or "off", as for `Writer`.
        progress: True shows a progress bar on a terminal or in a notebook, and a line every 30
            seconds elsewhere. A function is called instead, with the length that is being enumerated and the number of
            records.

    Returns:
        The corpus, opened for reading.

    Raises:
        qorpus.InvalidArgument: an option is invalid.
        qorpus.Error: two unitaries in floating point are neither equal nor clearly different, the
            file holds something else or cannot be written, or the disk or memory is too small.
        KeyboardInterrupt: the call was interrupted; finished levels are kept.

    Examples:
        >>> corpus = qorpus.distinct("two.db", gates="h,t,tdg,cx", qubits=2, max_length=3)
        >>> len(corpus), corpus[-1].circuit
        (249, ('cx 1 0', 'cx 0 1', 'h 1'))
        >>> cheap = qorpus.distinct("t.db", qubits=1, cost={"t": 1, "tdg": 1}, max_cost=2)
        >>> max(cheap[id].labels["t_count"] for id in range(len(cheap)))
        2
    """
    recipe = _qorpus.distinct_recipe(
        gates=gates, qubits=qubits, coupling=coupling, letters=letters, max_length=max_length, cost=cost,
        max_cost=max_cost, up_to=up_to, dtype=dtype,
    )  # fmt: skip
    _qorpus.enumerate(path, recipe, memory=memory, jobs=jobs, durability=durability, progress=progress)
    return open(path)
