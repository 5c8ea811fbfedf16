"""Times Haar-random unitaries against SciPy's, and tests that both have the distribution.

SciPy draws a whole batch in one call, as Qorpus does, or one unitary a call. Rates are of processor
time on one core. The angles between neighbouring eigenvalues of both are compared (Kolmogorov and
Smirnov), and every unitary of Qorpus that is compared is unitary to rounding.

    target/package/bin/python benches/haar.py            # after scripts/test or scripts/bench
"""

import time

import numpy as np
from unitaries import alone_on_a_core

QUBITS = range(1, 6)
#: Entries of the unitaries of one repetition, and the unitaries that SciPy draws one by one.
ENTRIES, SINGLES = 1 << 20, 300
#: The probability at which two samples of one distribution are taken for different ones.
DOUBT = 1e-6


def gaps(unitaries: np.ndarray) -> np.ndarray:
    """Return the angle between the first two eigenvalues of each unitary, in the order of their phases."""
    phases = np.sort(np.angle(np.linalg.eigvals(unitaries)), axis=1)
    return phases[:, 1] - phases[:, 0]


def distribution(qubits: int, records: int) -> dict:
    """Compare the eigenvalues with those of SciPy."""
    import qorpus
    from scipy import stats

    dim = 2**qubits
    ours = qorpus.Recipe(haar=records, qubits=qubits, seed=1).unitaries(slice(None))
    theirs = stats.unitary_group.rvs(dim, size=records, random_state=2)
    assert np.abs(ours @ ours.conj().transpose(0, 2, 1) - np.eye(dim)).max() < 1e-13
    found = stats.ks_2samp(gaps(ours), gaps(theirs))
    assert found.pvalue > DOUBT, f"{qubits} qubits: the eigenvalues differ from SciPy's, p = {found.pvalue}"
    return {"distance": round(float(found.statistic), 5), "p": round(float(found.pvalue), 3)}


def rates(qubits: int, start: int, smoke: bool) -> dict[str, float]:
    """Return the unitaries a second of Qorpus, of SciPy, and of SciPy one by one."""
    import qorpus
    from scipy.stats import unitary_group

    recipe, random = qorpus.Recipe(haar=1 << 40, qubits=qubits), np.random.default_rng(start)
    dim, singles = 2**qubits, 2 if smoke else SINGLES
    records = 100 if smoke else ENTRIES // dim**2
    found = {}
    for name, count, draw in [
        ("Qorpus", records, lambda: recipe.unitaries(slice(start, start + records))),
        ("SciPy", records, lambda: unitary_group.rvs(dim, size=records, random_state=random)),
        ("SciPy, one by one", singles, lambda: [unitary_group.rvs(dim, random_state=random) for _ in range(singles)]),
    ]:
        begun = time.process_time()
        draw()
        found[name] = count / max(time.process_time() - begun, 1e-9)
    return found


def main() -> None:
    alone_on_a_core()
    import scipy
    from harness import Neighbours, keep, parser, summary

    options = parser(__doc__, repetitions=5)
    options.add_argument("--records", type=int, default=20_000, help="unitaries whose eigenvalues are compared")
    arguments = options.parse_args()
    if arguments.smoke:
        arguments.repetitions, arguments.records = 1, 2_000

    neighbours, results = Neighbours(), []
    for qubits in QUBITS:
        # The first time is slower.
        rates(qubits, 1 << 39, smoke=True)
        found = [rates(qubits, turn << 24, arguments.smoke) for turn in range(arguments.repetitions)]
        unitaries = {name: summary([one[name] for one in found]) for name in found[0]}
        compared = distribution(qubits, arguments.records)
        results.append({"qubits": qubits, "unitaries_per_second": unitaries, "eigenvalues": compared})
    section = {"results": results, "packages": {"scipy": scipy.__version__}, "records": arguments.records}
    keep("haar", arguments, section, neighbours)


if __name__ == "__main__":
    main()
