"""Constrained random circuits by the book: format version 2, an implementation of its own that shares
nothing with the Rust one."""

import functools
import itertools

import numpy as np
from format_v1 import words_of_record


def wide(matrix: np.ndarray, places: list[int], qubits: list[int]) -> np.ndarray:
    """The matrix of a gate on `places`, as a matrix on `qubits`, the first most significant."""
    order = [places.index(qubit) for qubit in qubits]
    width = len(qubits)
    return matrix.reshape([2] * 2 * width).transpose([*order, *(width + place for place in order)]).reshape(matrix.shape)


class ConstrainedCircuits:
    """The circuits of a recipe, by its JSON, the texts of its letters, and the matrices of its gates."""

    def __init__(self, recipe: dict, letters: list[str], matrices: dict[str, np.ndarray]) -> None:
        space = recipe["space"]["random"]
        self.seed, (self.shortest, self.longest) = space["seed"], recipe["length"]
        names = list(matrices)
        self.gates = [names.index(letter.split()[0]) for letter in letters]
        self.places = [[int(place) for place in letter.split()[1:]] for letter in letters]
        exactly = space.get("exactly", [None] * len(names))
        exact = [gate for gate, count in enumerate(exactly) if count is not None]
        self.counts = tuple(exactly[gate] for gate in exact)
        self.no_cancelling = space.get("no_cancelling", False)
        self.is_alike = not exact and not self.no_cancelling
        category = [exact.index(gate) + 1 if gate in exact else 0 for gate in self.gates]
        weights = space.get("weights")
        weight = [1.0 if weights is None else weights[gate] / self.gates.count(gate) for gate in self.gates]
        totals = [sum(w for w, own in zip(weight, category) if own == k) for k in range(len(exact) + 1)]
        share = [w / totals[own] for w, own in zip(weight, category)]
        undone = [set[int]() for _ in letters]
        if self.no_cancelling:
            for a, b in itertools.product(range(len(letters)), repeat=2):
                if sorted(self.places[a]) == sorted(self.places[b]):
                    qubits = sorted(self.places[a])
                    first, second = (wide(matrices[names[self.gates[k]]], self.places[k], qubits) for k in (a, b))
                    product = second @ first
                    if np.abs(product - product[0, 0] * np.eye(len(product))).max() <= 1e-12:
                        undone[a].add(b)
        self.undone = undone
        key = [
            (tuple(sorted(self.places[letter])) if self.no_cancelling else (), category[letter], share[letter])
            for letter in range(len(letters))
        ]
        while True:
            finer = [(key[a], tuple(sorted(map(repr, (key[b] for b in undone[a]))))) for a in range(len(letters))]
            if len(set(finer)) == len(set(key)):
                break
            key = [list(dict.fromkeys(finer)).index(one) for one in finer]
        self.classes = [[a for a in range(len(letters)) if key[a] == one] for one in dict.fromkeys(key)]
        self.category = [category[members[0]] for members in self.classes]
        self.share = [share[members[0]] for members in self.classes]
        self.qubits = [frozenset(self.places[members[0]]) if self.no_cancelling else frozenset() for members in self.classes]
        self.completions = functools.cache(self.completions_of)

    def forbidden(self, state: frozenset[int], number: int) -> int:
        """How many letters of a class are forbidden in a state."""
        for last in state:
            if self.qubits[last] == self.qubits[number]:
                return len(self.undone[self.classes[last][0]] & set(self.classes[number]))
        return 0

    def after(self, state: frozenset[int], number: int) -> frozenset[int]:
        left = {last for last in state if not self.qubits[last] & self.qubits[number]}
        return frozenset(left | {number} if self.undone[self.classes[number][0]] else left)

    def sums(self, left: int, counts: tuple[int, ...], state: frozenset[int]) -> list[float]:
        """The partial sums over the classes."""
        total, sums = 0.0, []
        for number, members in enumerate(self.classes):
            own = self.category[number]
            missing = left - sum(counts) if own == 0 else counts[own - 1]
            if missing > 0 and sum(counts) <= left:
                fewer = tuple(count - (k + 1 == own) for k, count in enumerate(counts))
                share = (len(members) - self.forbidden(state, number)) * self.share[number]
                following = 1.0 if self.is_alike else self.completions(left - 1, fewer, self.after(state, number))
                total += (missing / left) * share * following
            sums.append(total)
        return sums

    def completions_of(self, left: int, counts: tuple[int, ...], state: frozenset[int]) -> float:
        if left == 0:
            return 0.0 if any(counts) else 1.0
        return self.sums(left, counts, state)[-1]

    def circuit(self, record: int) -> list[int]:
        words = words_of_record(self.seed, record)
        lengths = self.longest - self.shortest + 1
        word = next(word for word in words if word * lengths % 2**64 >= 2**64 % lengths)
        length = self.shortest + (word * lengths >> 64)
        circuit, counts, state = [], self.counts, frozenset()
        for left in range(length, 0, -1):
            word = next(words)
            sums = self.sums(1 if self.is_alike else left, counts, state)
            number = next(k for k, bound in enumerate(sums) if word >> 33 < int(bound / sums[-1] * 2**31))
            members = self.classes[number]
            if self.forbidden(state, number):
                touching = (a for a in reversed(circuit) if self.qubits[number] & set(self.places[a]))
                before = next(touching)
                members = [letter for letter in members if letter not in self.undone[before]]
            circuit.append(members[(word % 2**32) * len(members) >> 32])
            if self.category[number]:
                counts = tuple(count - (k + 1 == self.category[number]) for k, count in enumerate(counts))
            state = self.after(state, number)
        return circuit
