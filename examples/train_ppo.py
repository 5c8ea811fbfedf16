"""Trains PPO to compile three-qubit Clifford operators, and compares it with the shortest circuits.

The letters are those of the model that qiskit-gym publishes for three qubits: cx and swap between
neighbours, h and s on the first qubit. PPO of stable-baselines3 acts in `qorpus.gym.VectorEnv`, on
random circuits that grow longer when it solves most of them. It is then tested on operators that
are uniform over the Clifford group. A breadth-first search over all 1,451,520 tableaus has the true
distances, and Qiskit checks every circuit.

    python examples/train_ppo.py                # sb3-contrib, Qiskit; under 10 minutes on two cores
    python examples/train_ppo.py --quick        # seconds: a smaller network learns the shortest circuits alone
    python examples/train_ppo.py --rival clifford_3q_custom

The rival is qiskit-gym's model: the files clifford_3q_custom.json and .pt of its repository, which
its package does not include. It needs `pip install qiskit-gym`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.quantum_info import Clifford
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

import qorpus
import qorpus.gym

QUBITS = 3
LETTERS = ("cx 0 1", "cx 1 0", "cx 1 2", "cx 2 1", "swap 0 1", "swap 1 2", "h 0", "s 0")
#: Environments that step together, and letters after which an episode ends.
ENVIRONMENTS, STEPS = 256, 32
#: Circuits grow when this share of episodes ends with a solution.
GROW = 0.8

#: The letters of a circuit; None if the search failed.
Answer: TypeAlias = Sequence[str] | None


def environments(count: int, targets: Any, seed: int, mode: str) -> qorpus.gym.VectorEnv:
    """Return environments in which tableaus are compiled."""
    options = {"targets": targets, "max_steps": STEPS, "observation": "tableau", "up_to": "pauli", "seed": seed}
    return qorpus.gym.VectorEnv(count, letters=LETTERS, qubits=QUBITS, autoreset_mode=mode, **options)


class Adapter(VecEnv):
    """The environments as stable-baselines3 wants them."""

    def __init__(self, envs: qorpus.gym.VectorEnv) -> None:
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)
        self.envs, self.solved, self.ended = envs, 0, 0

    def reset(self) -> NDArray[Any]:
        return self.envs.reset()[0]

    def step_async(self, actions: NDArray[Any]) -> None:
        self.actions = actions

    def step_wait(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], list[dict[str, Any]]]:
        observations, rewards, solved, truncated, info = self.envs.step(self.actions)
        ended = solved | truncated
        self.solved, self.ended = self.solved + int(solved.sum()), self.ended + int(ended.sum())
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for place in np.flatnonzero(ended):
            infos[place] = {"terminal_observation": info["final_obs"][place], "TimeLimit.truncated": bool(truncated[place])}
        return observations, rewards.astype(np.float32), ended, infos

    def env_method(self, method_name: str, *_: Any, **__: Any) -> list[Any]:
        return list(getattr(self.envs, method_name)())

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [None if attr_name == "render_mode" else getattr(self.envs, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self.envs, attr_name, value)

    def env_is_wrapped(self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: Any = None) -> list[bool]:
        return [False] * self.num_envs

    def close(self) -> None:
        self.envs.close()


class Curriculum(BaseCallback):
    """Grows the circuits of the targets, and ends the training after some processor time."""

    def __init__(self, adapter: Adapter, minutes: float) -> None:
        super().__init__()
        self.adapter, self.seconds, self.begin = adapter, 60 * minutes, time.process_time()
        self.length = 1
        self.curve: list[dict[str, float]] = []

    def _on_rollout_end(self) -> None:
        solved, ended = self.adapter.solved, self.adapter.ended
        self.adapter.solved = self.adapter.ended = 0
        self.curve.append({"steps": self.num_timesteps, "length": self.length, "solved": solved / max(1, ended)})
        if len(self.curve) % 10 == 1:
            print("{steps:>10,} steps: circuits of up to {length} letters, {solved:.1%} solved".format(**self.curve[-1]))
        if solved > GROW * ended:
            self.length += 1
            self.adapter.envs.set_targets((1, self.length))

    def _on_step(self) -> bool:
        return time.process_time() - self.begin < self.seconds


def train(minutes: float, steps: int, layers: list[int], seed: int) -> tuple[MaskablePPO, list[dict[str, float]]]:
    """Train for minutes of processor time or steps; return the agent and its learning curve."""
    adapter = Adapter(environments(ENVIRONMENTS, (1, 1), seed, "SameStep"))
    curriculum = Curriculum(adapter, minutes)
    agent = MaskablePPO(
        "MlpPolicy",
        adapter,
        n_steps=64,
        batch_size=2048,
        n_epochs=4,
        learning_rate=5e-4,
        ent_coef=0.005,
        policy_kwargs={"net_arch": layers, "activation_fn": torch.nn.ReLU},
        seed=seed,
        device="cpu",
    )
    agent.learn(steps, callback=curriculum)
    return agent, curriculum.curve


def searched(agent: MaskablePPO, envs: qorpus.gym.VectorEnv, state: bytes, searches: int) -> list[Answer]:
    """Compile the targets of a state; return the shortest circuits that were found.

    The first search takes the likeliest letters, the others draw letters.
    """
    best: list[Answer] = [None] * envs.num_envs
    for search in range(searches):
        envs.set_state(state)
        observations, running = envs.residuals(), np.ones(envs.num_envs, dtype=bool)
        for _ in range(STEPS):
            actions, _ = agent.predict(observations, action_masks=envs.action_masks(), deterministic=search == 0)
            observations, _, solved, truncated, _ = envs.step(actions)
            if (solved & running).any():
                circuits = envs.circuits()
                for place in np.flatnonzero(solved & running):
                    known = best[place]
                    if known is None or len(circuits[place]) < len(known):
                        best[place] = circuits[place]
            # Environments whose episode has ended go on with other targets, which do not count.
            running &= ~(solved | truncated)
            if not running.any():
                break
    return best


def rival(tableaus: NDArray[np.int8], model: Path, searches: int) -> list[Answer]:
    """Compile tableaus with a model of qiskit-gym in the same way."""
    synthesis = importlib.import_module("qiskit_gym.rl").RLSynthesis
    trained = synthesis.from_config_json(str(model.with_suffix(".json")), str(model.with_suffix(".pt")))
    best: list[Answer] = []
    for tableau in tableaus:
        target = Clifford(np.column_stack([tableau, np.zeros(2 * QUBITS)]).astype(bool))
        circuits = [trained.synth(target, deterministic=search == 0, num_searches=1) for search in range(searches)]
        best.append(min((letters_of(circuit) for circuit in circuits if circuit is not None), key=len, default=None))
    return best


def letters_of(circuit: Any) -> list[str]:
    """Return the letters of a Qiskit circuit up to Paulis: without them, and with s for sdg."""
    found = []
    for instruction in circuit.data:
        places = " ".join(str(circuit.find_bit(qubit).index) for qubit in instruction.qubits)
        found.append(f"{instruction.operation.name.removesuffix('dg')} {places}")
    return [letter for letter in found if letter[0] not in "xyz"]


def check(tableaus: NDArray[np.int8], answers: Sequence[Answer]) -> None:
    """Compare each circuit with its target in Qiskit, up to Paulis."""
    for tableau, answer in zip(tableaus, answers, strict=True):
        if answer is not None:
            assert set(answer) <= {*LETTERS}, "the circuit has other letters"
            found = Clifford(qorpus.to_qiskit(answer, QUBITS)).symplectic_matrix
            assert (found == tableau.astype(bool)).all(), "Qiskit computes a different operator"


#: A tableau as a number: bits 6k to 6k + 5 are row k.
ROW, MASK = np.uint64(2 * QUBITS), np.uint64((1 << 2 * QUBITS) - 1)
States: TypeAlias = NDArray[np.uint64]


def states_of(tableaus: NDArray[np.int8]) -> States:
    """Return tableaus as numbers."""
    bits = tableaus.reshape(len(tableaus), -1).astype(np.uint64) << np.arange(4 * QUBITS**2, dtype=np.uint64)
    return np.asarray(bits.sum(axis=1), dtype=np.uint64)


def add(states: States, to: int, row: int) -> States:
    """Return the tableaus with one row added to another."""
    added = (states >> ROW * np.uint64(row) & MASK) << ROW * np.uint64(to)
    return np.asarray(states ^ added, dtype=np.uint64)


def exchange(states: States, left: int, right: int) -> States:
    """Return the tableaus with two rows exchanged."""
    return add(add(add(states, left, right), right, left), left, right)


def applied(letter: str, states: States) -> States:
    """Return the tableaus times a letter. Rows 0 to 2 are the images of X, the others of Z."""
    gate, *places = letter.split()
    first, last = int(places[0]), int(places[-1])
    if gate == "h":
        return exchange(states, first, first + QUBITS)
    if gate == "s":
        return add(states, first, first + QUBITS)
    if gate == "swap":
        return exchange(exchange(states, first, last), first + QUBITS, last + QUBITS)
    return add(add(states, first, last), last + QUBITS, first + QUBITS)


def true_distances(tableaus: NDArray[np.int8]) -> list[int]:
    """Return the lengths of the shortest circuits, by breadth-first search over all tableaus."""
    wanted, distances = states_of(tableaus), np.full(len(tableaus), -1)
    level, before, length = states_of(np.eye(2 * QUBITS, dtype=np.int8)[None]), np.empty(0, dtype=np.uint64), 0
    while len(level):
        distances[np.isin(wanted, level)] = length
        following = np.sort(np.concatenate([applied(letter, level) for letter in LETTERS]))
        following = following[np.append(True, following[1:] != following[:-1])]
        # Every letter undoes itself, so a neighbour is in this level, the one before, or the next.
        following = np.setdiff1d(np.setdiff1d(following, level, assume_unique=True), before, assume_unique=True)
        before, level, length = level, following, length + 1
    assert (distances >= 0).all(), "the letters do not generate this operator"
    return [int(distance) for distance in distances]


def score(distances: Sequence[int], answers: Sequence[Answer]) -> list[dict[str, int]]:
    """Return for each distance how many targets were solved, and how well."""
    rows = []
    for distance in sorted(set(distances)):
        found = [answer for answer, true in zip(answers, distances, strict=True) if true == distance]
        excess = [len(answer) - distance for answer in found if answer is not None]
        rows.append(
            {
                "distance": distance,
                "targets": len(found),
                "solved": len(excess),
                "optimal": excess.count(0),
                "excess": sum(excess),
            }
        )
    return rows


def table(record: dict[str, Any]) -> str:
    """Return the scores as a table in Markdown: % solved, % optimal, mean excess in letters."""

    def cell(rows: Sequence[dict[str, int]]) -> str:
        targets, solved, optimal, excess = (sum(row[name] for row in rows) for name in ("targets", "solved", "optimal", "excess"))
        mean = f"{excess / solved:.2f}" if solved else "–"
        # Rounded down: 100 means all of them.
        shares = [f"{1000 * part // targets / 10:g}" for part in (solved, optimal)]
        return " / ".join([*shares, mean])

    scores = record["scores"]
    first = next(iter(scores.values()))["rows"]
    groups = [(str(row["distance"]), slice(place, place + 1)) for place, row in enumerate(first)] + [("all", slice(None))]
    lines = [["distance", "targets", *scores], ["---"] * (2 + len(scores))]
    for name, places in groups:
        targets = sum(row["targets"] for row in first[places])
        lines.append([name, str(targets), *(cell(way["rows"][places]) for way in scores.values())])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plot(record: dict[str, Any], path: Path) -> None:
    """Draw the learning curve, for light and dark pages."""
    matplotlib: Any = importlib.import_module("matplotlib")
    grey = "#7d8590"
    greys = ["text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color"]
    style = {"svg.hashsalt": "qorpus", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False}
    style |= {"axes.grid": True, "grid.color": grey, "grid.alpha": 0.25}
    with matplotlib.rc_context(style | dict.fromkeys(greys, grey)):
        figure = importlib.import_module("matplotlib.figure").Figure(figsize=(7, 3))
        left = figure.subplots()
        right = left.twinx()
        steps = [point["steps"] / 1e6 for point in record["curve"]]
        left.plot(steps, [100 * point["solved"] for point in record["curve"]], color="#1a9c86")
        right.plot(steps, [point["length"] for point in record["curve"]], color="#c77d2e")
        left.set(xlabel="million steps", ylabel="% of episodes solved", ylim=(0, 103))
        right.set(ylabel="letters of the longest targets")
        right.grid(visible=False)
        left.yaxis.label.set_color("#1a9c86")
        right.yaxis.label.set_color("#c77d2e")
        figure.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None})


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train and compare; return the record of the run."""
    begin = time.process_time()
    torch.set_num_threads(1)  # the network is small: more threads would wait for each other
    steps, count, searches = (10 * 64 * ENVIRONMENTS, 50, 10) if arguments.quick else (10**9, 500, 100)
    agent, curve = train(arguments.minutes, steps, [256] if arguments.quick else [512, 256], arguments.seed)

    targets = qorpus.Recipe(cliffords=1 << 30, qubits=QUBITS, seed=arguments.seed + 1)
    envs = environments(count, targets, arguments.seed + 1, "NextStep")
    tableaus, _ = envs.reset()
    state, distances = envs.get_state(), true_distances(tableaus)
    ways: dict[str, Callable[[], list[Answer]]] = {}
    for number in (1, searches):
        ways[f"PPO, {number} search{'es' * (number > 1)}"] = partial(searched, agent, envs, state, number)
    if arguments.rival:
        for number in (1, searches):
            ways[f"qiskit-gym, {number} search{'es' * (number > 1)}"] = partial(rival, tableaus, arguments.rival, number)
    scores = {}
    for name, compiled in ways.items():
        started = time.process_time()
        answers = compiled()
        seconds = time.process_time() - started
        check(tableaus, answers)
        scores[name] = {"seconds": round(seconds, 1), "rows": score(distances, answers)}
        print(f"{name}: {seconds:.1f} s")
    packages = ["torch", "qiskit", "stable_baselines3", "sb3_contrib", *["qiskit_gym"] * bool(arguments.rival)]
    versions = {name: version(name) for name in packages} | {"qorpus": qorpus.__version__}
    minutes = round((time.process_time() - begin) / 60, 2)
    return {"seed": arguments.seed, "processor_minutes": minutes, "versions": versions, "curve": curve, "scores": scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4, help="processor time of the training")
    parser.add_argument("--quick", action="store_true", help="train for seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rival", type=Path, help="the model of qiskit-gym: the path of its .json and .pt, without these")
    parser.add_argument("--plot", type=Path, help="write the learning curve as SVG; needs Matplotlib")
    parser.add_argument("--record", type=Path, help="write the curve and the scores as JSON")
    arguments = parser.parse_args()
    if arguments.minutes <= 0:
        parser.error("--minutes must be more than 0")
    for needed in ["matplotlib"] * bool(arguments.plot) + ["qiskit_gym.rl"] * bool(arguments.rival):
        importlib.import_module(needed)  # before the training, if it is not installed

    record = run(arguments)
    if arguments.record:
        arguments.record.write_text(json.dumps(record, indent=1) + "\n")
    if arguments.plot:
        plot(record, arguments.plot)
    print("\n% solved / % optimal / mean excess in letters; Qiskit confirmed every circuit\n")
    print(table(record))


if __name__ == "__main__":
    main()
