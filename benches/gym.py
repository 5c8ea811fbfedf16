"""Times environments from Python on one core, beside those of qiskit-gym if it is installed.

Every environment takes random letters, and episodes begin and end as in training. Rates are letters a
second of processor time. Afterwards, Qiskit checks that residuals and circuits make up the targets, and
`find` that distances are right.

    target/package/bin/python benches/gym.py            # after scripts/test or scripts/bench
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from unitaries import alone_on_a_core

#: Environments that step together.
ENVIRONMENTS = 4096
#: Random letters of a target, and the letters after which an episode ends.
TARGETS, MAX_STEPS = 8, 32
#: Steps of all environments in one repetition, and letters of qiskit-gym.
STEPS, SINGLE_STEPS = 1000, 50_000
#: Arrays of random actions, drawn before the clock starts.
ARRAYS = 64
#: The enumeration in which residuals are looked up; its letters are also those of the last workload.
TABLE = {"gates": "h,t,tdg,cx", "qubits": 2, "max_length": 10}
#: Environments that are checked.
CHECKED = 16
#: The gates of qiskit-gym's environment, on three qubits that are all coupled.
RIVAL_GATES = ("H", "S", "Sdg", "CX")

WORKLOADS = {
    "2 qubits, clifford+t, residuals alone": {"gates": "clifford+t", "qubits": 2, "observation": "none"},
    "2 qubits, clifford+t, unitaries": {"gates": "clifford+t", "qubits": 2, "observation": "unitary"},
    "2 qubits, clifford+t, channels": {"gates": "clifford+t", "qubits": 2, "observation": "channel"},
    "3 qubits, clifford+t, unitaries": {"gates": "clifford+t", "qubits": 3, "observation": "unitary"},
    "3 qubits, h, s, sdg, cx, tableaus": {"gates": "h,s,sdg,cx", "qubits": 3, "observation": "tableau"},
}


def rates(options: dict, steps: int) -> Iterator[float]:
    """Yield the letters a second of environments with these options, one repetition after the other."""
    from qorpus.gym import VectorEnv

    envs = VectorEnv(ENVIRONMENTS, targets=TARGETS, max_steps=MAX_STEPS, copy=False, threads=1, seed=1, **options)
    random = np.random.default_rng(0)
    actions = [random.integers(0, len(envs.letters), ENVIRONMENTS) for _ in range(ARRAYS)]
    envs.reset()
    for turn in range(MAX_STEPS):
        envs.step(actions[turn % ARRAYS])
    while True:
        letters, ended, begun = 0, np.zeros(ENVIRONMENTS, bool), time.process_time()
        for turn in range(steps):
            _, _, terminated, truncated, _ = envs.step(actions[turn % ARRAYS])
            # Environments that began an episode took no letter.
            letters += ENVIRONMENTS - int(np.count_nonzero(ended))
            ended = terminated | truncated
        yield letters / (time.process_time() - begun)


def check(options: dict) -> None:
    """Compare residuals and circuits with targets, according to Qiskit."""
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import Operator
    from qorpus.gym import VectorEnv

    if options["observation"] == "tableau":
        # Its residuals have no unitaries; those of the same letters do.
        options = options | {"observation": "none"}
    envs = VectorEnv(CHECKED, targets=TARGETS, max_steps=MAX_STEPS, autoreset_mode="Disabled", seed=2, **options)
    random = np.random.default_rng(1)
    envs.reset()
    targets = envs.residuals()
    for _ in range(TARGETS):
        _, _, terminated, _, _ = envs.step(random.integers(0, len(envs.letters), CHECKED))
        if terminated.any():
            break
    for target, residual, circuit in zip(targets, envs.residuals(), envs.circuits(), strict=True):
        built = QuantumCircuit(envs.qubits)
        for letter in circuit:
            gate, _, places = letter.partition(" ")
            getattr(built, gate)(*map(int, places.split()))
        applied = Operator(built.reverse_bits()).data
        assert np.abs(residual @ applied - target).max() < 1e-12, f"{circuit}: not the target"


def check_distances(table: object, options: dict) -> None:
    """Compare distances with the lengths of the circuits that `find` finds."""
    from qorpus.gym import VectorEnv

    envs = VectorEnv(CHECKED, table=table, targets=TARGETS, seed=3, **options)
    _, info = envs.reset()
    for _ in range(3):
        found = table.find_many(envs.residuals(), further=False)
        expected = [-1 if one.circuit is None else len(one.circuit) for one in found]
        assert info["distance"].tolist() == expected, "a wrong distance"
        *_, info = envs.step(envs.action_space.sample())


def rival(directory: Path) -> tuple[Callable[[int], float], dict[str, str]] | None:
    """Return the rate of qiskit-gym's environment for a number of letters, and its version."""
    sys.path.append(str(directory))
    try:
        from qiskit_gym.envs.synthesis import CliffordGym
    except ImportError:
        print(f"qiskit-gym is not in {directory}; scripts/bench installs it")
        return None
    from importlib.metadata import version

    pairs = [(0, 1), (1, 2), (0, 2), (1, 0), (2, 1), (2, 0)]
    env = CliffordGym.from_coupling_map(pairs, RIVAL_GATES, difficulty=TARGETS, depth_slope=MAX_STEPS // TARGETS)

    def begin() -> None:
        env.reset()
        # Its targets may be the identity, from which it takes no letter.
        while env.is_final():
            env.reset()

    def rate(steps: int) -> float:
        actions = np.random.default_rng(0).integers(0, env.action_space.n, steps)
        begin()
        begun = time.process_time()
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                begin()
        return steps / (time.process_time() - begun)

    return rate, {"qiskit-gym": version("qiskit-gym")}


def main() -> None:
    alone_on_a_core()
    import gymnasium
    import qiskit
    import qorpus
    from harness import TARGET, Neighbours, keep, parser, summary

    options = parser(__doc__, repetitions=5)
    arguments = options.parse_args()
    recipe, steps, single = TABLE, STEPS, SINGLE_STEPS
    if arguments.smoke:
        arguments.repetitions, recipe, steps, single = 1, TABLE | {"max_length": 4}, 4, 200

    neighbours, found = Neighbours(), {}
    packages = {"gymnasium": gymnasium.__version__, "qiskit": qiskit.__version__}
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        table = qorpus.distinct(Path(directory) / "table.db", progress=False, **recipe)
        letters = {"gates": recipe["gates"], "qubits": recipe["qubits"], "observation": "none"}
        last = f"2 qubits, {recipe['gates'].replace(',', ', ')}, distances"
        workloads = WORKLOADS | {last: letters | {"table": table}}
        measured = {name: rates(options, steps) for name, options in workloads.items()}
        against = rival(TARGET / "qiskit-gym")
        # In turn, so that a slow minute of the machine hits all.
        for _ in range(arguments.repetitions):
            for name, rate in measured.items():
                found.setdefault(name, []).append(next(rate))
            if against:
                found.setdefault("qiskit-gym, 3 qubits", []).append(against[0](single))
        for workload in WORKLOADS.values():
            check(workload)
        check_distances(table, letters)
        records = len(table)
    section = {
        "letters_per_second": {name: summary(values) for name, values in found.items()},
        "environments": ENVIRONMENTS,
        "targets": TARGETS,
        "max_steps": MAX_STEPS,
        "table_records": records,
        "packages": packages | (against[1] if against else {}),
    }
    keep("gym", arguments, section, neighbours)


if __name__ == "__main__":
    main()
