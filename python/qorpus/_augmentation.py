"""Augmentation: other circuits and unitaries that follow from a record, decided by its id."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qorpus import _qorpus
from qorpus._arguments import texts
from qorpus._subset import Subset
from qorpus.errors import InvalidArgument

if TYPE_CHECKING:
    from qorpus._qorpus import Records

#: The changes of a record, in the order in which they are made.
KINDS = ("inverse", "permutation", "phase")

#: Odd 64-bit factors that spread consecutive numbers, one for each meaning.
EPOCH_FACTOR, ID_FACTOR, KIND_FACTOR = 0xD1B54A32D192ED03, 0x9E3779B97F4A7C15, 0x8CB92BA72F3D8DD7
MASK = (1 << 64) - 1

#: Matrices whose entries differ by less are equal: the rounding of exact angles.
ROUNDING = 1e-12

#: Angles at which a gate has no symmetry that it does not have at all angles.
GENERIC_ANGLES = ("0.3", "1.1", "-2")

#: More qubits than records with unitaries have, and the place of qubits that a letter does not have.
NOWHERE = 8


class Augmentation:
    """Changes of records, drawn from the seed, the epoch and the id of each record."""

    def __init__(
        self, records: Records, kinds: Sequence[str], option: str = "augment", known: Sequence[str] = KINDS
    ) -> None:
        kinds = texts(kinds, option)
        if unknown := [each for each in kinds if each not in known]:
            raise InvalidArgument(f"{option} contains {unknown[0]!r}; it may contain {', '.join(known)}")
        self.kinds = tuple(each for each in KINDS if each in kinds)
        source = records._records if isinstance(records, Subset) else records
        if kinds and not source.has_circuits:
            raise InvalidArgument(
                "augment changes nothing here: a Haar-random unitary that is inverted, permuted or multiplied by a phase is "
                "Haar-random again; leave out augment, and draw more unitaries instead"
            )
        if not source.has_unitaries and (kind := next((each for each in self.kinds if each != "inverse"), None)):
            raise InvalidArgument(
                f"{option} contains {kind!r}, which is for records with unitaries, on at most 8 qubits; on {source.qubits} only "
                "'inverse' is possible"
            )
        self._qubits = source.qubits
        letters = _Letters(source, option) if {"inverse", "permutation"} & {*kinds} else None
        #: The inverse of each letter; the last entry is for the padding.
        self._inverse = letters.inverse() if letters is not None and "inverse" in kinds else None
        self._letters: NDArray[np.int32] | None = None
        if letters is not None and "permutation" in kinds:
            permutations, self._letters = letters.permutations()
            self._basis = _basis(permutations, self._qubits, source.order)

    @property
    def inverse_letters(self) -> list[int] | None:
        """The number of each letter's inverse; None if nothing is inverted."""
        return None if self._inverse is None else self._inverse[:-1].tolist()

    def apply(
        self,
        ids: NDArray[np.int64],
        unitaries: NDArray[Any] | None,
        circuits: NDArray[np.int32] | None,
        angles: NDArray[np.float64] | None,
        seed: int,
        epoch: int,
    ) -> tuple[NDArray[Any] | None, NDArray[np.int32] | None, NDArray[np.float64] | None]:
        """Return the augmented unitaries, circuits and free angles of these records."""
        words = {each: _words(ids, seed, epoch, KINDS.index(each)) for each in self.kinds}
        if self._inverse is not None:
            chosen = words["inverse"] >> np.uint64(63) == 1
            if unitaries is not None:
                adjoint = unitaries[chosen].conj().transpose(0, 2, 1)
                unitaries = unitaries.copy()
                unitaries[chosen] = adjoint
            if circuits is not None:
                places = _backwards(circuits[chosen])
                if angles is not None:
                    angles = angles.copy()
                    angles[chosen] = _inverse_angles(_moved(angles[chosen], places))
                circuits = circuits.copy()
                circuits[chosen] = self._inverse[_moved(circuits[chosen], places)]
        if self._letters is not None:
            count = np.uint64(len(self._letters))
            turn = ((words["permutation"] >> np.uint64(32)) * count >> np.uint64(32)).astype(np.intp)
            if circuits is not None:
                circuits = self._letters[turn[:, None], circuits]
            if unitaries is not None:
                basis, dim = self._basis[turn], 1 << self._qubits
                places = basis[:, :, None] * dim + basis[:, None, :]
                flat = unitaries.reshape(len(ids), dim * dim)
                unitaries = np.take_along_axis(flat, places.reshape(len(ids), -1), axis=1).reshape(unitaries.shape)
        if "phase" in self.kinds and unitaries is not None:
            phases = (words["phase"] >> np.uint64(11)) * (2 * np.pi / 2**53)
            unitaries = (unitaries * np.exp(1j * phases)[:, None, None]).astype(unitaries.dtype, copy=False)
        return unitaries, circuits, angles


def _words(ids: NDArray[np.int64], seed: int, epoch: int, number: int) -> NDArray[np.uint64]:
    """Return a pseudo-random word for each id: the output function of SplitMix64, twice."""
    start = np.uint64((seed + epoch * EPOCH_FACTOR + (number + 1) * KIND_FACTOR) & MASK)
    # Seeds and ids are scrambled one after the other: their sum alone would meet others.
    return _scrambled(ids.astype(np.uint64) * np.uint64(ID_FACTOR) ^ _scrambled(np.array([start])))


def _scrambled(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = (words ^ words >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ words >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return words ^ words >> np.uint64(31)


def _backwards(circuits: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the places of letters in the opposite order; the padding stays where it is."""
    lengths = (circuits >= 0).sum(axis=1)[:, None]
    places = np.arange(circuits.shape[1])
    return np.where(places < lengths, lengths - 1 - places, places)


def _moved(values: NDArray[Any], places: NDArray[np.int64]) -> NDArray[Any]:
    """Return the values of each record from these places."""
    return values[np.arange(len(values))[:, None], places]


def _inverse_angles(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angles of inverse letters: a rotation turns back, and u3(a, b, c) becomes u3(-a, -c, -b)."""
    three = ~np.isnan(angles[..., 2:])
    return -np.where(three, angles[..., [0, 2, 1]], angles)


def _basis(permutations: list[tuple[int, ...]], qubits: int, order: str) -> NDArray[np.intp]:
    """Return for each permutation the old row of each new row: qubit q becomes permutation[q]."""
    rows = np.arange(1 << qubits)
    shift = [qubits - 1 - qubit if order == "big" else qubit for qubit in range(qubits)]
    old = [sum((rows >> shift[new] & 1) << shift[qubit] for qubit, new in enumerate(each)) for each in permutations]
    return np.array(old, np.intp)


class _Letters:
    """The letters of an alphabet: their gates, their qubits, and their matrices."""

    def __init__(self, source: Records, option: str) -> None:
        self.option = option
        self.names, self.gates, self.qubits = source.letters, source.gates, source.qubits
        own = source.matrices
        number = {gate: place for place, gate in enumerate(self.gates)}
        parted = (name.partition(" ") for name in self.names)
        self.letters = [(number[gate], tuple(map(int, at.split()))) for gate, _, at in parted]
        self.matrices = []
        for gate in self.gates:
            try:
                matrix = own[gate] if gate in own else _qorpus.matrix(_at_generic_angles(gate))
            except InvalidArgument as error:
                raise InvalidArgument(f"gate '{gate}' has no matrix, so {option} may contain only 'phase'") from error
            self.matrices.append(np.asarray(matrix))

    def inverse(self) -> NDArray[np.int32]:
        """Return the inverse of each letter, and -1 for the padding."""
        at: dict[tuple[int, ...], list[tuple[int, NDArray[Any]]]] = {}
        for place, (gate, qubits) in enumerate(self.letters):
            at.setdefault(tuple(sorted(qubits)), []).append((place, _ascending(self.matrices[gate], qubits)))
        inverse = np.full(len(self.letters) + 1, -1, np.int32)
        for others in at.values():
            for place, matrix in others:
                if "?" in self.gates[self.letters[place][0]]:
                    # The same letter by other angles.
                    inverse[place] = place
                    continue
                # A letter whose angle is free has no matrix of its own.
                fixed = [other for other in others if "?" not in self.gates[self.letters[other[0]][0]]]
                found = [other for other, candidate in fixed if _equal(candidate, matrix.conj().T)]
                if not found:
                    raise InvalidArgument(
                        f"{self.option} by inverse needs the inverse of every letter, global phase included; '{self.names[place]}' "
                        "has none among the gates of the corpus"
                    )
                inverse[place] = found[0]
        return inverse

    def permutations(self) -> tuple[list[tuple[int, ...]], NDArray[np.int32]]:
        """Return the permutations of qubits that map letters to letters, and the letters' images.

        Each row of images ends with -1 for the padding.
        """
        # The letter of a gate on qubits, also in the orders that mean the same.
        table = np.full((len(self.gates), NOWHERE + 1, NOWHERE + 1, NOWHERE + 1), -1, np.int32)
        qubits_of = np.full((len(self.letters), 3), NOWHERE)
        gate_of = np.array([gate for gate, _ in self.letters], np.intp)
        same = [_same_orders(matrix) for matrix in self.matrices]
        for place, (gate, qubits) in enumerate(self.letters):
            qubits_of[place, : len(qubits)] = qubits
            for order in same[gate]:
                table[(gate, *(qubits[k] for k in order), *[NOWHERE] * (3 - len(qubits)))] = place
        kept, images = [], []
        for permutation in itertools.permutations(range(self.qubits)):
            moved = np.array([*permutation, *[NOWHERE] * (NOWHERE + 1 - self.qubits)])[qubits_of]
            found = table[gate_of, moved[:, 0], moved[:, 1], moved[:, 2]]
            if (found >= 0).all():
                kept.append(permutation)
                images.append(np.append(found, np.int32(-1)))
        if len(kept) == 1:
            reason = "there is only one qubit" if self.qubits == 1 else "every other one moves some gate to where the corpus has none"
            raise InvalidArgument(f"{self.option} by permutation needs a permutation of the qubits other than the identity: {reason}")
        return kept, np.array(images, np.int32)


def _at_generic_angles(gate: str) -> str:
    """Return the name of a gate with values for its free angles."""
    for angle in GENERIC_ANGLES:
        gate = gate.replace("?", angle, 1)
    return gate


def _ascending(matrix: NDArray[Any], qubits: Sequence[int]) -> NDArray[Any]:
    """Return a gate's matrix for its qubits in ascending order."""
    return _reordered(matrix, sorted(range(len(qubits)), key=qubits.__getitem__))


def _reordered(matrix: NDArray[Any], order: Sequence[int]) -> NDArray[Any]:
    """Return a gate's matrix for its qubits in another order; the first is the most significant."""
    count = len(order)
    axes = [*order, *(count + place for place in order)]
    return matrix.reshape([2] * (2 * count)).transpose(axes).reshape(matrix.shape)


def _same_orders(matrix: NDArray[Any]) -> list[tuple[int, ...]]:
    """Return the orders of a gate's qubits that do not change its matrix."""
    count = len(matrix).bit_length() - 1
    return [order for order in itertools.permutations(range(count)) if _equal(_reordered(matrix, order), matrix)]


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return bool(np.abs(one - other).max() < ROUNDING)
