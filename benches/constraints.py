"""Times constrained random circuits beside unconstrained ones, and compares millions with their
exact distribution.

All run on one core.

    target/package/bin/python benches/constraints.py          # after scripts/test or scripts/bench
"""

import itertools
import sys
import time

import numpy as np
from unitaries import alone_on_a_core

GATES = "clifford+t"
QUBITS = (1, 2, 3)
LENGTH = 10
#: The constraints that are timed.
TIMED = {
    "unconstrained": {},
    "weights": {"weights": {"t": 3, "h": 2}},
    "exactly": {"exactly": {"t": 2}},
    "no cancelling": {"no_cancelling": True},
    "all three": {"weights": {"h": 2}, "exactly": {"t": 2}, "no_cancelling": True},
}
#: The constraints whose distribution is checked, over h, t and cx on two qubits.
CHECKED = {
    "unconstrained": {},
    "weights": {"weights": {"t": 3, "cx": 0.5}},
    "exactly": {"exactly": {"cx": 2}},
    "no cancelling": {"no_cancelling": True},
    "all three": {"weights": {"t": 3}, "exactly": {"cx": 1}, "no_cancelling": True},
}
SHORT = 5
#: The smallest probability of a deviation that does not end the benchmark.
LEAST_PROBABILITY = 1e-6


def rate(recipe, start: int, count: int, seconds: float) -> float:
    begun, done = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begun) < seconds:
        recipe.unitaries(slice(start + done, start + done + count))
        done += count
    return done / elapsed


def exact(letters: list[list[str]], constraints: dict) -> np.ndarray:
    """The probability of every word of the short length, by its number, from the definition."""
    weights, exactly = constraints.get("weights"), constraints.get("exactly", {})
    names = [letter[0] for letter in letters]
    weight = [1 if weights is None else weights.get(name, 1) / names.count(name) for name in names]
    found = np.zeros(len(letters) ** SHORT)
    for number, word in enumerate(itertools.product(range(len(letters)), repeat=SHORT)):
        if any([names[letter] for letter in word].count(gate) != wanted for gate, wanted in exactly.items()):
            continue
        if constraints.get("no_cancelling") and cancels([letters[letter] for letter in word]):
            continue
        found[number] = np.prod([weight[letter] for letter in word])
    return found / found.sum()


def cancels(word: list[list[str]]) -> bool:
    """Return whether an h or cx follows itself on its qubits."""
    last = {}
    for letter in word:
        gate, *qubits = letter
        if gate in ("h", "cx") and all(last.get(qubit) is letter for qubit in qubits):
            return True
        last |= dict.fromkeys(qubits, letter)
    return False


def deviations(counts: np.ndarray, expected: np.ndarray, letters: list[list[str]]) -> dict:
    """Return chi-square, degrees of freedom and probability for circuits, and for gates, letters
    and pairs at each position."""
    from scipy.stats import chi2

    size, names = len(letters), [letter[0] for letter in letters]
    gates = [names.index(name) for name in names]

    def compared(found: np.ndarray, wanted: np.ndarray) -> tuple[float, int, float]:
        some = wanted > 0
        assert found[~some].sum() == 0, "a circuit that is not allowed was drawn"
        statistic = float((((found - wanted) ** 2)[some] / wanted[some]).sum())
        freedom = int(some.sum()) - 1
        return statistic, freedom, float(chi2.sf(statistic, freedom))

    def summed(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        others = tuple(axis for axis in range(SHORT) if axis not in axes)
        return values.reshape((size,) * SHORT).sum(axis=others).ravel()

    def by_gate(values: np.ndarray) -> np.ndarray:
        return np.bincount(gates, weights=values, minlength=size)

    wanted = expected * counts.sum()
    found = {"circuits": [compared(counts, wanted)]}
    places = [(place,) for place in range(SHORT)]
    found["gates"] = [compared(by_gate(summed(counts, at)), by_gate(summed(wanted, at))) for at in places]
    found["letters"] = [compared(summed(counts, at), summed(wanted, at)) for at in places]
    pairs = [(place, place + 1) for place in range(SHORT - 1)]
    found["pairs"] = [compared(summed(counts, at), summed(wanted, at)) for at in pairs]
    worst = {what: min(tests, key=lambda test: test[2]) for what, tests in found.items()}
    assert all(test[2] > LEAST_PROBABILITY for test in worst.values()), worst
    return {
        what: {"chi_square": round(test[0], 1), "freedom": test[1], "probability": round(test[2], 4), "tests": len(found[what])}
        for what, test in worst.items()
    }


def drawn(recipe, records: int) -> np.ndarray:
    """Count the circuits of the short length by their numbers."""
    size = len(recipe.letters)
    powers = size ** np.arange(SHORT - 1, -1, -1)
    counts = np.zeros(size**SHORT)
    for start in range(0, records, 1 << 18):
        letters = recipe.letters_array(slice(start, min(records, start + (1 << 18))))
        counts += np.bincount(letters @ powers, minlength=len(counts))
    return counts


def main() -> None:
    alone_on_a_core()
    import qorpus
    from harness import Neighbours, keep, parser, summary

    options = parser(__doc__, repetitions=5)
    options.add_argument("--seconds", type=float, default=0.3, help="about how long each cell is timed")
    options.add_argument("--records", type=int, default=10_000_000, help="records whose distribution is checked")
    arguments = options.parse_args()
    if arguments.smoke:
        arguments.repetitions, arguments.seconds, arguments.records = 1, 0.001, 100_000

    neighbours, results, checks = Neighbours(), [], {}
    for qubits in QUBITS:
        base = {"gates": GATES, "qubits": qubits, "length": LENGTH, "random": 1 << 40}
        recipes = {name: qorpus.Recipe(**base, **constraints) for name, constraints in TIMED.items()}
        rates: dict[str, list[float]] = {name: [] for name in recipes}
        for turn in range(arguments.repetitions):
            for name, recipe in recipes.items():
                rates[name].append(rate(recipe, turn << 30, (1 << 15) >> (2 * qubits), arguments.seconds))
        results.append({"qubits": qubits, "records_per_second": {name: summary(found) for name, found in rates.items()}})
    for name, constraints in CHECKED.items():
        recipe = qorpus.Recipe("h,t,cx", 2, length=SHORT, random=arguments.records, seed=1, **constraints)
        letters = [letter.split() for letter in recipe.letters]
        checks[name] = deviations(drawn(recipe, arguments.records), exact(letters, constraints), letters)
        print(f"{name} has its distribution", file=sys.stderr)
    section = {
        "gates": GATES,
        "length": LENGTH,
        "constraints": {name: spelt(constraints) for name, constraints in TIMED.items()},
        "results": results,
        "records": arguments.records,
        "short_length": SHORT,
        "distribution": checks,
    }
    keep("constraints", arguments, section, neighbours)


def spelt(constraints: dict) -> str:
    """Return the flags of the command."""
    flags = {"weights": "--weights", "exactly": "--exactly", "no_cancelling": "--no-cancelling"}
    values = {
        name: " " + ",".join(f"{gate}={value}" for gate, value in value.items()) if isinstance(value, dict) else ""
        for name, value in constraints.items()
    }
    return " ".join(flags[name] + value for name, value in values.items())


if __name__ == "__main__":
    main()
