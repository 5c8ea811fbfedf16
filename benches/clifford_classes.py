"""Counts the Clifford operators on four qubits, modulo Paulis, by their number of CX gates, up to five.

A Clifford operator on one qubit costs no CX. So all operators U·L with such an L on every qubit have
the number of CX gates of U, and are one class of 6**n operators. U is known by the images of X and Z
on each qubit, vectors of bits. L mixes the two of a qubit, so a class is a plane of three vectors
for each qubit, {x, z, x + z}. A CX gate between classes is exp(iπ/4 P⊗Q) for a Pauli P of one qubit
and Q of another: of their planes {p, r, p + r} and {q, s, q + s} it makes those of p, r + q and of
q, s + p. There are 9 such gates for each pair of qubits.

This is a search of its own, with NumPy alone. Its first levels are compared with `qorpus distinct`.

    target/package/bin/python benches/clifford_classes.py          # after scripts/test or scripts/bench
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np
from harness import Neighbours, keep, parser, workplace
from numpy.typing import NDArray

import qorpus

#: Classes whose neighbours are computed at once.
BATCH = 200_000

#: The largest level that is compared with `qorpus distinct`.
COMPARED = 2


def packed(planes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return classes as numbers: the two smallest vectors of each plane, of shape (k, n, 2)."""
    return np.ascontiguousarray(planes).reshape(len(planes), -1).view(np.uint64)[:, 0]


def unpacked(classes: NDArray[np.uint64], qubits: int) -> NDArray[np.uint8]:
    """Return the planes of classes, of shape (k, n, 3)."""
    smallest = classes[:, None].view(np.uint8).reshape(len(classes), -1, 2)[:, :qubits]
    return np.concatenate([smallest, smallest[:, :, :1] ^ smallest[:, :, 1:]], axis=2)


def plane(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the two smallest vectors of the planes that two vectors span."""
    vectors = np.stack([first, second, first ^ second], axis=1)
    vectors.sort(axis=1)
    return vectors[:, :2]


def neighbours(classes: NDArray[np.uint64], qubits: int) -> NDArray[np.uint64]:
    """Return the classes that are one CX gate away, sorted, each once."""
    planes = unpacked(classes, qubits)
    found = []
    for one in range(qubits):
        for other in range(one):
            for p in range(3):
                for q in range(3):
                    after = np.zeros((len(classes), 4, 2), np.uint8)
                    after[:, :qubits] = planes[:, :, :2]
                    after[:, one] = plane(planes[:, one, p], planes[:, one, p - 1] ^ planes[:, other, q])
                    after[:, other] = plane(planes[:, other, q], planes[:, other, q - 1] ^ planes[:, one, p])
                    found.append(packed(after))
    return np.unique(np.concatenate(found))


def without(values: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the sorted values that are not among the known ones, which are sorted."""
    places = np.searchsorted(known, values)
    return values[known[np.minimum(places, len(known) - 1)] != values]


def levels(qubits: int, most: int) -> list[int]:
    """Return the number of classes for each number of CX gates, up to `most`."""
    units = np.zeros((1, 4, 2), np.uint8)
    for qubit in range(qubits):
        units[0, qubit] = (1 << qubit, 1 << (4 + qubit))
    before, level, counts = np.zeros(0, np.uint64), packed(units), []
    while len(level) and len(counts) <= most:
        counts.append(len(level))
        print(f"{len(counts) - 1} CX: {len(level):,} classes", file=sys.stderr)
        if len(counts) > most:
            break
        known, after = np.union1d(before, level), np.zeros(0, np.uint64)
        for start in range(0, len(level), BATCH):
            # A gate is its own inverse between classes, so no earlier level can be reached.
            fresh = without(neighbours(level[start : start + BATCH], qubits), known)
            after = np.union1d(after, fresh)
        before, level = level, after
    return counts


def main() -> None:
    options = parser(__doc__, repetitions=1)
    options.add_argument("--qubits", type=int, default=4, choices=[2, 3, 4])
    options.add_argument("--most", type=int, default=5, help="the largest number of CX gates")
    arguments = options.parse_args()
    if arguments.smoke:
        arguments.qubits, arguments.most = 3, 6
    watch, start = Neighbours(), time.perf_counter()
    classes = levels(arguments.qubits, arguments.most)
    seconds = time.perf_counter() - start
    operators = [count * 6**arguments.qubits for count in classes]
    order = 2 ** (arguments.qubits**2) * int(np.prod([4**k - 1 for k in range(1, arguments.qubits + 1)], dtype=object))
    assert sum(operators) <= order and (sum(operators) == order or len(classes) == arguments.most + 1)
    assert not arguments.smoke or sum(operators) == order == 1_451_520
    with workplace(arguments) as (directory, _):
        path, costs = Path(directory) / "c.db", {"cx": 1}
        corpus = qorpus.distinct(
            path, gates="h,s,cx", qubits=arguments.qubits, cost=costs, max_cost=COMPARED, up_to="pauli"
        )
        compared = [sum(len(level.ids) for level in corpus.levels if level.cost == each) for each in range(COMPARED + 1)]
    assert compared == operators[: COMPARED + 1], f"qorpus distinct finds {compared}"
    section = {
        "qubits": arguments.qubits,
        "order": order,
        "classes": classes,
        "operators": operators,
        "compared_levels": COMPARED + 1,
        "seconds_of_search": seconds,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    for cost, (of_classes, of_operators) in enumerate(zip(classes, operators)):
        print(f"{cost} CX: {of_classes:,} classes, {of_operators:,} operators")
    keep("clifford_classes", arguments, section, watch)


if __name__ == "__main__":
    main()
