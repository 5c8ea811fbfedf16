"""Every distinct unitary, with its proven shortest circuit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from qorpus import _qorpus
from qorpus.corpus import Corpus, open

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from qorpus._qorpus import Gates, Path


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
    """Enumerates every distinct unitary, exactly, on all cores, and opens the corpus: one record each, with the first of its
    shortest circuits.

        corpus = qorpus.distinct("two.db", gates="h,t,tdg,cx", qubits=2, max_length=8)
        corpus = qorpus.distinct("t.db", qubits=1, cost={"t": 1, "tdg": 1}, max_cost=12)

    Interrupted, it keeps what is done, and called again it goes on. It needs room for temporary files beside the corpus.

    Every record has the labels `shortest_circuits` (how many circuits as short make the unitary), `first_letters` and
    `last_letters` (bit k is set if one of these begins, or ends, with letter number k), `t_count`, `two_qubit_count`, and, if gates
    have costs, `cost`.

    Args:
        path: the file; created if need be.
        gates: a gate set, as for `Recipe`. Unitaries over Z[i, 1/sqrt(2)], such as those of Clifford+T, are told apart exactly, others in
            floating point.
        qubits: how many.
        coupling: "all", "line", "ring", or pairs such as "0-1,1-2".
        max_length: the most letters of a circuit.
        cost: what gates cost instead, such as `{"t": 1}` or "t=1"; the others cost nothing. Circuits then are the cheapest,
            and the shortest among those.
        max_cost: the most that a circuit costs.
        up_to: "phase" if unitaries that differ by a global phase alone are the same, or "nothing".
        dtype: "complex128" or "complex64": of the unitaries, which are computed on reading.
        memory: bytes for candidates, such as "4GiB"; half of what is free.
        jobs: worker threads; one a core.
        durability: "full", "normal" or "off", as for `Writer`.
        progress: whether a terminal shows a bar; or what is called instead now and then, with the length that is being
            made and the number of records.

    Raises:
        qorpus.InvalidArgument: an option that cannot be.
        qorpus.Error: unitaries in floating point are neither equal nor clearly different, the file holds something else, cannot
            be written, or there is too little room.
        KeyboardInterrupt: it was interrupted; what is done stays.
    """
    recipe = _qorpus.distinct_recipe(
        gates=gates,
        qubits=qubits,
        coupling=coupling,
        max_length=max_length,
        cost=cost,
        max_cost=max_cost,
        up_to=up_to,
        dtype=dtype,
    )
    _qorpus.enumerate(path, recipe, memory=memory, jobs=jobs, durability=durability, progress=progress)
    return open(path)


__all__ = ["distinct"]
