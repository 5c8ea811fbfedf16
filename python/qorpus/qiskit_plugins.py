"""Synthesis methods for Qiskit's transpiler that look up shortest circuits.

Qiskit finds them by the entry points of the package, under the name "qorpus". Each takes the option
`table`: the path of an enumeration by `qorpus.distinct` that compares tableaus, or its `Corpus`.
The option `further` is that of `Corpus.find`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.circuit.library import LinearFunction, PermutationGate
from qiskit.quantum_info import Clifford, Statevector
from qiskit.transpiler.passes.synthesis.plugin import HighLevelSynthesisPlugin

from qorpus._arguments import kind
from qorpus._letters import gate_text
from qorpus._qorpus import matrix, placed
from qorpus.corpus import Corpus, open
from qorpus.errors import Error, InvalidArgument, WrongType
from qorpus.interop.qiskit import target_of, to_qiskit


class _Pair(NamedTuple):
    """Two qubits of a table on which a gate acts."""

    first: int
    second: int
    directed: bool


class _Synthesis(HighLevelSynthesisPlugin):  # type: ignore[misc]  # Qiskit has no types.
    """A synthesis method for one class of operators."""

    _operators: ClassVar[Any]
    #: Whether the operator has a global phase, which other gates may control.
    _has_phase: ClassVar[bool]

    def run(
        self, high_level_object: Any, coupling_map: Any = None, target: Any = None, qubits: Any = None, **options: Any
    ) -> QuantumCircuit | None:
        """Return the shortest circuit over the letters of the table, or None.

        After None, Qiskit tries its next method. It is None if the table has another number of
        qubits, if the operator is not in reach of it, or if the device lacks a coupling that its
        letters need.
        """
        corpus = _table(options)
        if not isinstance(high_level_object, self._operators) or high_level_object.num_qubits != corpus.qubits:
            return None
        places = _places(corpus, coupling_map, qubits)
        if places is None:
            return None
        operator = _moved(target_of(high_level_object, True), places)
        found = corpus.find(operator, **{name: options[name] for name in ["further"] if name in options})
        if found.circuit is None:
            return None
        letters = to_qiskit(found.circuit, corpus.qubits, corpus.recipe.matrices)
        circuit = QuantumCircuit(corpus.qubits)
        circuit.compose(letters, places, inplace=True)
        if self._has_phase:
            # Linear functions map |0...0> to itself.
            circuit.global_phase -= float(np.angle(Statevector(circuit).data[0]))
        return circuit


class CliffordSynthesis(_Synthesis):
    """The method "qorpus" for `Clifford`. The global phase of the circuit is arbitrary.

    Examples:
        >>> from qorpus.qiskit_plugins import CliffordSynthesis
        >>> from qiskit.quantum_info import Clifford, random_clifford
        >>> _ = qorpus.distinct("cliffords.db", gates="h,s,cx", qubits=2, max_length=9, up_to="pauli")
        >>> operator = random_clifford(2, seed=1)
        >>> circuit = CliffordSynthesis().run(operator, table="cliffords.db")
        >>> bool(Clifford(circuit) == operator)
        True
    """

    _operators, _has_phase = Clifford, False


class LinearFunctionSynthesis(_Synthesis):
    """The method "qorpus" for `LinearFunction`.

    Examples:
        >>> from qorpus.qiskit_plugins import LinearFunctionSynthesis
        >>> from qiskit.circuit.library import LinearFunction
        >>> _ = qorpus.distinct("line.db", gates="cx", qubits=2, max_length=9)
        >>> function = LinearFunction([[False, True], [True, False]])
        >>> LinearFunctionSynthesis().run(function, table="line.db").size()
        3
    """

    _operators, _has_phase = LinearFunction, True


class PermutationSynthesis(_Synthesis):
    """The method "qorpus" for `PermutationGate`.

    Examples:
        >>> from qorpus.qiskit_plugins import PermutationSynthesis
        >>> from qiskit.circuit.library import PermutationGate
        >>> _ = qorpus.distinct("swaps.db", gates="swap", qubits=3, coupling="line", max_length=9)
        >>> PermutationSynthesis().run(PermutationGate([2, 1, 0]), table="swaps.db").size()
        3
    """

    _operators, _has_phase = PermutationGate, True


def _table(options: dict[str, Any]) -> Corpus:
    """Return the enumeration of the option `table`."""
    usage = '("qorpus", {"table": "cliffords.db"})'
    table = options.get("table")
    if table is None:
        raise InvalidArgument(f"the synthesis method 'qorpus' lacks its option 'table'; write {usage}")
    if isinstance(table, Corpus):
        return _with_tableaus(table)
    if not isinstance(table, str | os.PathLike):
        raise WrongType(f"the option 'table' of the synthesis method 'qorpus' must be a path or a Corpus, not {kind(table)}")
    path = os.path.abspath(table) if os.path.exists(table) else os.fspath(table)
    return _opened(path, _identity(path))


def _identity(path: str) -> tuple[int, int] | None:
    """Return what distinguishes a file from a later one of the same path."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


@lru_cache(maxsize=64)
def _opened(path: str, identity: tuple[int, int] | None) -> Corpus:
    """Open a table once in a process. A corpus can be shared by threads and carried through a fork."""
    try:
        corpus = open(path)
    except Error as error:
        raise type(error)(f"the option 'table' of the synthesis method 'qorpus': {error}") from error
    return _with_tableaus(corpus)


def _with_tableaus(corpus: Corpus) -> Corpus:
    if not corpus._has_tableaus:
        raise InvalidArgument(
            f"the option 'table' of the synthesis method 'qorpus': {corpus!r} does not compare tableaus; make a table with "
            'qorpus.distinct(..., up_to="pauli"), or with gates such as cx and swap alone'
        )
    return corpus


def _places(corpus: Corpus, coupling_map: Any, qubits: Sequence[int] | None) -> tuple[int, ...] | None:
    """Return the place in the block of each qubit of the table, so that the device has the couplings
    of all letters; None if no order has them."""
    if coupling_map is None or qubits is None:
        # Before the layout, qubits are not yet those of the device.
        return tuple(range(corpus.qubits))
    graph = coupling_map.graph
    edges = [[graph.has_edge(first, second) for second in qubits] for first in qubits]

    def allowed(pair: _Pair, first: int, second: int) -> bool:
        return edges[first][second] or (not pair.directed and edges[second][first])

    return _placed(_pairs(corpus), allowed, (), corpus.qubits)


def _placed(
    pairs: Sequence[_Pair], allowed: Callable[[_Pair, int, int], bool], places: tuple[int, ...], count: int
) -> tuple[int, ...] | None:
    """Return the first order of all places, of those that begin with these, that allows every pair."""
    last = len(places) - 1
    for pair in pairs:
        if max(pair.first, pair.second) == last and not allowed(pair, places[pair.first], places[pair.second]):
            return None
    if len(places) == count:
        return places
    for place in range(count):
        if place not in places:
            found = _placed(pairs, allowed, (*places, place), count)
            if found:
                return found
    return None


@lru_cache(maxsize=64)
def _pairs(corpus: Corpus) -> tuple[_Pair, ...]:
    """Return the pairs of qubits that the letters of a table couple."""
    matrices, found = corpus.recipe.matrices, set()
    for name, angles, places in placed(corpus.letters, corpus.qubits, matrices):
        if len(places) > 1:
            unitary = matrices[name] if name in matrices else matrix(gate_text(name, angles))
            exchanged = unitary[np.ix_([0, 2, 1, 3], [0, 2, 1, 3])]
            found.add(_Pair(places[0], places[1], not np.allclose(unitary, exchanged)))
    return tuple(sorted(found))


def _moved(operator: NDArray[Any], places: Sequence[int]) -> NDArray[Any]:
    """Return a tableau, a linear function or a permutation with qubits in the order of a table."""
    order: NDArray[Any] = np.array(places)
    if operator.ndim == 1:
        return np.argsort(order).take(operator.take(order))
    rows = order if len(operator) == len(order) else np.concatenate([order, order + len(order)])
    # A tableau has a column of signs.
    columns = rows if operator.shape[1] == len(rows) else np.append(rows, len(rows))
    return operator.take(rows, axis=0).take(columns, axis=1)
