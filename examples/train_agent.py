"""Trains a compiler of two-qubit unitaries, and compares its circuits with the shortest ones.

`qorpus.distinct` enumerates every unitary that at most ten of the letters h, t, tdg and cx make,
with the length and all optimal first letters of its shortest circuits. A network learns both from
nine tenths of them. A beam search with the network then compiles unitaries that it has not seen,
also longer ones than it was trained on. Qiskit checks every circuit.

    python examples/train_agent.py runs             # PyTorch, Qiskit; under 10 minutes on two cores
    python examples/train_agent.py runs --plot agent.svg --record agent.json
    python examples/train_agent.py runs --quick     # seconds: a small network and short circuits

The directory receives the corpus and the network. A second run compiles without training again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.quantum_info import Operator
from torch.nn import functional

import qorpus

GATES, QUBITS = "h,t,tdg,cx", 2
#: Rows and columns of a channel, without the identity, whose row and column are always the same.
PAULIS = 4**QUBITS - 1
#: Absolute values that entries of the channels of short circuits often have.
VALUES = (0.0, 0.25, math.sqrt(0.125), 0.5, math.sqrt(0.5), 1.0)
BATCH = 2048

#: From channels, (k, PAULIS, PAULIS), to their estimated distances from the identity, (k,), and the
#: cost of each letter as the next one, (k, letters) or (k, 1).
Guide: TypeAlias = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
#: Numbers of letters in time order; None if the search failed.
Answer: TypeAlias = tuple[int, ...] | None


@dataclass(frozen=True)
class Size:
    """The size of a run."""

    longest: int  # letters of the longest circuits in the corpus
    farthest: int  # the largest distance of targets; those above `longest` are not in the corpus
    targets: int  # held-out targets of each distance
    width: int  # neurons of a layer
    beams: tuple[int, ...]  # widths of the beam; the baselines have the last


FULL = Size(longest=10, farthest=16, targets=100, width=512, beams=(1, 8, 64))
QUICK = Size(longest=6, farthest=7, targets=10, width=128, beams=(1, 8))


class Network(torch.nn.Module):
    """Estimates the distance of a unitary, and which letters may begin its shortest circuits."""

    def __init__(self, width: int, letters: int, longest: int) -> None:
        super().__init__()
        self.letters = letters
        self.first = torch.nn.Linear((2 + len(VALUES)) * PAULIS**2, width)
        self.block = torch.nn.Sequential(
            torch.nn.LayerNorm(width), torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, width)
        )
        self.last = torch.nn.Sequential(torch.nn.LayerNorm(width), torch.nn.Linear(width, letters + longest + 1))
        self.register_buffer("lengths", torch.arange(longest + 1.0))

    def forward(self, channels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits of the letters, and of the distances."""
        entries = channels.flatten(1).float()
        sizes = entries.abs()
        # Which entries are exactly 0, 1/2, 1, ... says more than a number that is nearly so.
        near = [((sizes - value).abs() < 2e-3).float() for value in VALUES]
        hidden = torch.relu(self.first(torch.cat([entries, sizes, *near], dim=1)))
        logits = self.last(hidden + self.block(hidden))
        return logits[:, : self.letters], logits[:, self.letters :]

    @torch.no_grad()
    def guide(self, channels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return expected distances, and the probability that each letter is not optimal."""
        letters, distances = self(channels)
        return distances.softmax(dim=1) @ self.lengths, 1 - letters.sigmoid()


@dataclass
class Data:
    """The whole corpus in memory: channels, distances, and optimal first letters."""

    channels: torch.Tensor
    distances: torch.Tensor
    optimal: torch.Tensor

    @staticmethod
    def read(corpus: qorpus.Corpus) -> Data:
        """Read the corpus in pieces; half precision tells all entries apart."""
        channels = np.empty((len(corpus), PAULIS, PAULIS), dtype=np.float16)
        for start in range(0, len(corpus), 1 << 16):
            ids = range(start, min(start + (1 << 16), len(corpus)))
            channels[ids.start : ids.stop] = corpus.channels(ids)[:, 1:, 1:]
        masks = np.array(list(corpus.sql("select first_letters from records order by id")), dtype=np.int64)
        optimal = (masks >> np.arange(len(corpus.letters))) & 1
        distances = np.repeat([level.length for level in corpus.levels], [len(level.ids) for level in corpus.levels])
        return Data(*map(torch.from_numpy, (channels, distances, optimal.astype(np.int8))))


@dataclass
class Targets:
    """Unitaries to compile, in Qiskit's order of qubits, with their shortest circuits."""

    unitaries: NDArray[np.complex128]
    channels: torch.Tensor
    circuits: list[tuple[str, ...]]

    @property
    def distances(self) -> list[int]:
        """The true distances."""
        return [len(circuit) for circuit in self.circuits]


def symmetric(circuit: Sequence[str]) -> list[tuple[str, ...]]:
    """Return equally long circuits: qubits exchanged, inverse, complex conjugate."""
    exchange, conjugate = str.maketrans("01", "10"), {"t": "tdg", "tdg": "t"}
    found = [tuple(circuit)]
    found += [tuple(letter.translate(exchange) for letter in each) for each in found]
    found += [tuple(f"{conjugate.get(gate, gate)} {qubits}" for gate, qubits in map(gate_and_qubits, each)) for each in found]
    # The transpose: gates are symmetric matrices. With the conjugate it is the inverse.
    return found + [each[::-1] for each in found]


def gate_and_qubits(letter: str) -> tuple[str, str]:
    gate, _, qubits = letter.partition(" ")
    return gate, qubits


def held_out(path: Path, corpus: qorpus.Corpus, size: Size, seed: int) -> tuple[Targets, torch.Tensor, torch.Tensor]:
    """Return targets, the ids to train on, and the ids to validate with.

    The corpus has each unitary once, up to a global phase, and channels have no phase: a split by
    id has no unitary on both sides. Unitaries that are symmetric to a target are not trained on
    either.
    """
    split = corpus.split(train=0.9, test=0.1, seed=seed)
    generator = np.random.default_rng(seed)
    test = generator.permutation(split["test"].ids(slice(None)))
    chosen = [test[(test >= level.ids.start) & (test < level.ids.stop)][: size.targets] for level in corpus.levels[1:]]
    ids = np.concatenate(chosen)
    symmetries = [each for circuit in corpus.circuits(ids) for each in symmetric(circuit)]
    similar = np.array([found.id for found in corpus.find_many(symmetries, further=False)], dtype=np.int64)
    train = np.setdiff1d(split["train"].ids(slice(None)), similar)

    # Longer circuits are drawn at random; `find` joins two records to their shortest circuits.
    length = (size.longest + 4, 2 * size.longest + 4)
    random, in_qiskit = (
        qorpus.Recipe(gates=GATES, qubits=QUBITS, random=2000, length=length, seed=seed, order=order)
        for order in ("big", "little")
    )
    shortest = [found.circuit or () for found in corpus.find_many(random.unitaries(slice(None)))]
    lengths = np.array([len(circuit) for circuit in shortest])
    farther = range(size.longest + 1, size.farthest + 1)
    far = np.concatenate([np.flatnonzero(lengths == distance)[: size.targets // 2] for distance in farther])

    unitaries = qorpus.open(path, order="little").unitaries(ids), in_qiskit.unitaries(far)
    channels = np.concatenate([corpus.channels(ids), random.channels(far)])[:, 1:, 1:]
    circuits = corpus.circuits(ids) + [shortest[place] for place in far]
    targets = Targets(np.concatenate(unitaries), torch.from_numpy(channels).float(), circuits)
    return targets, torch.from_numpy(train), torch.from_numpy(test[:10_000])


def train(
    network: Network, data: Data, ids: torch.Tensor, validation: torch.Tensor, minutes: float, steps: float
) -> list[dict[str, float]]:
    """Train for these minutes of processor time, or these steps; return the learning curve."""
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    begin, step, progress = time.process_time(), 0, 0.0
    curve: list[dict[str, float]] = []
    order, place = ids[torch.randperm(len(ids))], 0
    while progress < 1:
        if place + BATCH > len(ids):
            order, place = ids[torch.randperm(len(ids))], 0
        batch = order[place : place + BATCH]
        place += len(batch)
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 100) * (1 + math.cos(math.pi * progress)) / 2
        letters, distances = network(data.channels[batch])
        loss = functional.cross_entropy(distances, data.distances[batch])
        loss = loss + 2 * functional.binary_cross_entropy_with_logits(letters, data.optimal[batch].float())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        progress = max(step / steps, (time.process_time() - begin) / (60 * minutes))
        if progress >= min(1, (len(curve) + 1) / 25):
            curve.append({"samples": step * BATCH, **validate(network, data, validation)})
            text = "{samples:>10,} samples: first letter optimal {first_letter:.1%}, distance wrong by {distance_error:.3f}"
            print(text.format(**curve[-1]))
    return curve


def validate(network: Network, data: Data, ids: torch.Tensor) -> dict[str, float]:
    """Return how often the likeliest first letter is optimal, and the error of the distance."""
    ids = ids[data.distances[ids] > 0]
    distances, costs = network.guide(data.channels[ids])
    optimal = data.optimal[ids].gather(1, costs.argmin(dim=1, keepdim=True))
    error = (distances - data.distances[ids]).abs()
    return {"first_letter": float(optimal.double().mean()), "distance_error": float(error.mean())}


#: A random direction, on which different channels have different components.
DIRECTION = torch.randn(PAULIS**2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def search(target: torch.Tensor, letters: torch.Tensor, guide: Guide, width: int, longest: int) -> Answer:
    """Compile a channel by beam search.

    A residual is the target without the letters found so far, R = U A⁻¹. The beam has the `width`
    residuals that the guide considers nearest to the identity.
    """
    inverses, count = letters.mT, len(letters)
    residuals, words, seen = target[None], [()], set[int]()
    _, costs = guide(residuals)
    for _ in range(longest):
        children = (residuals[:, None] @ inverses).flatten(0, 1)
        solved = (children.diagonal(dim1=1, dim2=2).sum(dim=1) > PAULIS - 1e-2).nonzero()
        if len(solved):
            parent, letter = divmod(int(solved[0, 0]), count)
            return *words[parent], letter
        # Of equal residuals, which circuits of the same unitary leave, the first stays.
        keys = (children.flatten(1).double() @ DIRECTION * 1e4).round().long().tolist()
        first = {key: number for number, key in reversed([*enumerate(keys)])}
        new = sorted(number for key, number in first.items() if key not in seen)
        seen.update(first)
        if not new:
            return None
        distances, next_costs = guide(children[new])
        scores = distances + costs.expand(-1, count).flatten()[new]
        best = scores.topk(min(width, len(new)), largest=False).indices
        places = [new[number] for number in best.tolist()]
        residuals, costs = children[places], next_costs[best]
        words = [(*words[place // count], place % count) for place in places]
    return None


def beam_search(targets: Targets, letters: torch.Tensor, guide: Guide, width: int, longest: int) -> list[Answer]:
    """Compile all targets by beam search."""
    return [search(target, letters, guide, width, longest) for target in targets.channels]


def look_up(targets: Targets, names: Sequence[str]) -> list[Answer]:
    """Return the shortest circuits: of the corpus, or found by joining two of its circuits."""
    return [tuple(map(names.index, circuit)) for circuit in targets.circuits]


def overlap(channels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A guide without a network: the nearer the trace is to that of the identity, the better."""
    return -channels.diagonal(dim1=1, dim2=2).sum(dim=1), torch.zeros(len(channels), 1)


def frequency(data: Data, ids: torch.Tensor) -> Guide:
    """Return a guide that draws letters as often as they begin shortest circuits."""
    logarithms = data.optimal[ids].double().mean(dim=0).log().float()
    generator = torch.Generator().manual_seed(0)

    def guide(channels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # The lowest of these costs are a draw without replacement (Gumbel).
        gumbel = -torch.log(-torch.log(torch.rand(len(channels), len(logarithms), generator=generator).clamp(1e-9, 1 - 1e-7)))
        return torch.zeros(len(channels)), -(logarithms + gumbel)

    return guide


def check(targets: Targets, answers: Sequence[Answer], names: Sequence[str]) -> None:
    """Compare each circuit with its target in Qiskit."""
    for unitary, answer in zip(targets.unitaries, answers, strict=True):
        if answer is not None:
            circuit = qorpus.to_qiskit([names[letter] for letter in answer], QUBITS)
            assert Operator(circuit).equiv(Operator(unitary)), "Qiskit computes a different unitary"


def score(targets: Targets, answers: Sequence[Answer]) -> list[dict[str, int]]:
    """Return for each distance how many targets were solved, and how well."""
    rows = []
    for distance in sorted(set(targets.distances)):
        found = [answer for answer, true in zip(answers, targets.distances, strict=True) if true == distance]
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


def compare(
    network: Network, names: Sequence[str], data: Data, ids: torch.Tensor, targets: Targets, size: Size
) -> dict[str, Any]:
    """Compile all targets in several ways; return the scores of each."""
    recipe = qorpus.Recipe(gates=GATES, qubits=QUBITS, words=True, length=1)
    letters = torch.from_numpy(recipe.channels(slice(None))[:, 1:, 1:]).float()
    ways: list[tuple[str, Guide, int]] = [(f"network, beam {width}", network.guide, width) for width in size.beams]
    ways += [(f"overlap, beam {size.beams[-1]}", overlap, size.beams[-1])]
    ways += [(f"frequency, beam {size.beams[-1]}", frequency(data, ids), size.beams[-1])]
    compilers: dict[str, Callable[[], list[Answer]]] = {
        name: partial(beam_search, targets, letters, guide, width, 2 * size.farthest) for name, guide, width in ways
    }
    compilers["look-up"] = partial(look_up, targets, names)
    scores = {}
    for name, compiled in compilers.items():
        begin = time.process_time()
        answers = compiled()
        seconds = time.process_time() - begin
        check(targets, answers, names)
        scores[name] = {"seconds": round(seconds, 1), "rows": score(targets, answers)}
        print(f"{name}: {seconds:.1f} s")
    return scores


def table(record: dict[str, Any]) -> str:
    """Return the scores as a table in Markdown: % solved, % optimal, mean excess in letters."""

    def cell(rows: Sequence[dict[str, int]]) -> str:
        targets, solved, optimal, excess = (sum(row[name] for row in rows) for name in ("targets", "solved", "optimal", "excess"))
        mean = f"{excess / solved:.2f}" if solved else "–"
        # Rounded down: 100 means all of them.
        shares = [f"{1000 * part // targets / 10:g}" for part in (solved, optimal)]
        return " / ".join([*shares, mean])

    scores, longest = record["scores"], record["longest"]
    lines = [["distance", "targets", *scores], ["---"] * (2 + len(scores))]
    first = next(iter(scores.values()))["rows"]
    groups = [(str(row["distance"]), [place]) for place, row in enumerate(first)]
    near = [place for place, row in enumerate(first) if row["distance"] <= longest]
    far = [place for place, row in enumerate(first) if row["distance"] > longest]
    groups += [(f"1 to {longest}", near), (f"{longest + 1} to {first[-1]['distance']}", far)]
    for name, places in groups:
        cells = [cell([way["rows"][place] for place in places]) for way in scores.values() if places]
        lines.append([name, str(sum(first[place]["targets"] for place in places)), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plot(record: dict[str, Any], path: Path) -> None:
    """Draw the learning curve, and the share of solved targets, for light and dark pages."""
    matplotlib: Any = importlib.import_module("matplotlib")
    grey, colours = "#7d8590", ["#1a9c86", "#5b7fd6", "#9a6fd0", "#c77d2e", "#d05c5c"]
    greys = ["text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color"]
    style = {"svg.hashsalt": "qorpus", "svg.fonttype": "none", "font.size": 9, "legend.frameon": False}
    style |= {"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": grey, "grid.alpha": 0.25}
    with matplotlib.rc_context(style | dict.fromkeys(greys, grey)):
        figure = importlib.import_module("matplotlib.figure").Figure(figsize=(9, 3.2))
        left, right = figure.subplots(1, 2)
        samples = [point["samples"] / 1e6 for point in record["curve"]]
        left.plot(samples, [100 * point["first_letter"] for point in record["curve"]], color=colours[0])
        left.set(xlabel="million samples", ylabel="%", title="held-out: the first letter is optimal")
        for (name, way), colour in zip(record["scores"].items(), colours, strict=False):
            rows = way["rows"]
            shares = [100 * row["optimal"] / row["targets"] for row in rows]
            right.plot([row["distance"] for row in rows], shares, color=colour, marker=".", label=name)
        right.axvline(record["longest"] + 0.5, color=grey, linestyle=":")
        right.set(xlabel="true distance", ylabel="%", ylim=(-3, 103), title="targets compiled optimally")
        right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        figure.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None})


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Enumerate, train and compare; return the record of the run."""
    begin, size = time.process_time(), QUICK if arguments.quick else FULL
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)  # the network is small: more threads would wait for each other
    path = arguments.directory / f"distinct-{size.longest}.db"
    corpus = qorpus.distinct(path, gates=GATES, qubits=QUBITS, max_length=size.longest, progress=False)
    targets, ids, validation = held_out(path, corpus, size, arguments.seed)
    data = Data.read(corpus)
    print(f"{len(corpus):,} unitaries, {len(ids):,} to train on, {len(targets.distances)} targets")

    network = Network(size.width, len(corpus.letters), size.longest)
    checkpoint = arguments.directory / f"agent-{size.longest}-{arguments.seed}.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        network.load_state_dict(state["network"])
    else:
        steps = 80 if arguments.quick else math.inf
        curve = train(network, data, ids, validation, arguments.minutes, steps)
        minutes = (time.process_time() - begin) / 60
        state = {"curve": curve, "minutes": minutes, "network": network.state_dict()}
        torch.save(state, checkpoint)
        begin = time.process_time()
    scores = compare(network, corpus.letters, data, ids, targets, size)
    minutes = round(state["minutes"] + (time.process_time() - begin) / 60, 2)
    versions = {name: version(name) for name in ("torch", "qiskit")} | {"qorpus": qorpus.__version__}
    facts = {"unitaries": len(corpus), "trained_on": len(ids), "processor_minutes": minutes, "versions": versions}
    return {"seed": arguments.seed, **asdict(size), **facts, "curve": state["curve"], "scores": scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("runs"), help="for the corpus and the network")
    parser.add_argument("--minutes", type=float, default=4, help="processor time of the training")
    parser.add_argument("--quick", action="store_true", help="a small network, trained for seconds on circuits of six letters")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, help="write the learning curve and the scores as SVG; needs Matplotlib")
    parser.add_argument("--record", type=Path, help="write the curve and the scores as JSON")
    arguments = parser.parse_args()
    if arguments.minutes <= 0:
        parser.error("--minutes must be more than 0")
    if arguments.plot:
        importlib.import_module("matplotlib")  # before the training, if it is not installed
    arguments.directory.mkdir(parents=True, exist_ok=True)

    record = run(arguments)
    if arguments.record:
        arguments.record.write_text(json.dumps(record, indent=1) + "\n")
    if arguments.plot:
        plot(record, arguments.plot)
    print("\n% solved / % optimal / mean excess in letters; Qiskit confirmed every circuit\n")
    print(table(record))


if __name__ == "__main__":
    main()
