"""Compares published synthesis methods with the shortest circuits, over the same letters.

The methods are those of Qiskit and the three models of qiskit-gym. Targets are uniform over all
operators of a kind. The optimum comes from an enumeration by `qorpus.distinct`; that of permutations
of a grid is compared with a breadth-first search of this program. Qiskit checks every circuit against
its target.

    target/package/bin/python benches/optimality_gap.py --models DIRECTORY \\
        --record docs/qiskit/gap.json --plot docs/qiskit/gap.svg

The models are perm_square_3x3, lf_5_line and clifford_3q_custom: .json and .pt in the folder
examples/models of qiskit-gym's repository, which its package does not include. They need a few more
packages than benches/gym.py:

    .venv/bin/pip install --no-deps --target target/qiskit-gym -r benches/qiskit-gym.txt \\
        twisterl==0.5.1 tensorboard loguru safetensors absl-py

Without --models, their rows are left out. With --only, the other problems stay in the record as they
are.
"""

import argparse
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from harness import TARGET
from qiskit import QuantumCircuit
from qiskit.circuit.library import LinearFunction, PermutationGate
from qiskit.quantum_info import Clifford, random_clifford
from qiskit.transpiler import CouplingMap
from qiskit.transpiler.passes.synthesis.plugin import HighLevelSynthesisPluginManager

import qorpus

#: Searches of a model, of which the shortest circuit counts.
SEARCHES = 100
#: In % of the optimum.
LONGEST_BAR = 100
#: The letters of qiskit-gym's model of Clifford operators.
GYM_CLIFFORDS = ("cx 0 1", "cx 1 0", "cx 1 2", "cx 2 1", "swap 0 1", "swap 1 2", "h 0", "s 0")
#: The costs of gates: each letter, or CNOTs alone. Pauli gates are free.
FREE = dict.fromkeys(("x", "y", "z", "id"), 0)
LETTERS = FREE | dict.fromkeys(("h", "s", "sdg", "cx", "swap"), 1)
CNOTS = FREE | dict.fromkeys(("h", "s", "sdg", "sx", "sxdg"), 0) | {"cx": 1, "cz": 1, "swap": 3}

Operator = Clifford | LinearFunction | PermutationGate
#: Returns a circuit of an operator.
Method = Callable[[Operator], QuantumCircuit | None]


@dataclass
class Problem:
    """Operators that are compiled, and what counts."""

    name: str
    #: Qiskit's name of the operators.
    kind: str
    #: The options of the enumeration.
    table: dict[str, Any]
    draw: Callable[[np.random.Generator], Operator]
    #: Qiskit's methods.
    methods: Sequence[str] = ()
    model: str | None = None
    #: The cost of each gate.
    counts: dict[str, int] = field(default_factory=lambda: LETTERS)
    coupling: CouplingMap | None = None

    @property
    def qubits(self) -> int:
        return int(self.table["qubits"])

    def length(self, circuit: QuantumCircuit) -> int:
        """Return what the gates of a circuit count."""
        return sum(self.counts[gate.operation.name] for gate in circuit.data)

    def flat(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return a circuit with definitions in place of gates that have no count."""
        while unknown := {gate.operation.name for gate in circuit.data} - self.counts.keys():
            circuit = circuit.decompose(gates_to_decompose=[*unknown])
        return circuit


def random_linear(random: np.random.Generator, qubits: int) -> LinearFunction:
    """Return a uniform linear function: a random matrix, if it has an inverse."""
    while True:
        matrix = random.integers(0, 2, (qubits, qubits))
        if round(np.linalg.det(matrix)) % 2:
            return LinearFunction(matrix.astype(bool))


def problems(smoke: bool) -> list[Problem]:
    """Return the problems; those of a smoke run are small."""
    wide, small = (4, 2) if smoke else (5, 3)
    grid = CouplingMap.from_grid(2 if smoke else 3, 3)
    swaps = sorted({f"swap {min(pair)} {max(pair)}" for pair in grid.get_edges()})
    gym = [letter for letter in GYM_CLIFFORDS if "2" not in letter] if smoke else [*GYM_CLIFFORDS]
    cliffords: dict[str, Any] = {"kind": "clifford", "draw": lambda random: random_clifford(small, seed=random)}
    functions: dict[str, Any] = {"kind": "linear_function", "draw": lambda random: random_linear(random, wide)}
    by_cnots = {"gates": "h,s,cx", "qubits": small, "up_to": "pauli", "cost": {"cx": 1}, "max_cost": 99}
    line: dict[str, Any] = {"coupling": CouplingMap.from_line(small), "counts": CNOTS}
    return [
        Problem(
            f"permutations of a {2 if smoke else 3} x 3 grid, SWAPs",
            "permutation",
            {"letters": swaps, "qubits": grid.size(), "max_length": 99},
            lambda random: PermutationGate(random.permutation(grid.size())),
            ["token_swapper"],
            "perm_square_3x3",
            coupling=grid,
        ),
        Problem(
            f"linear functions on a line of {wide}, CNOTs",
            table={"gates": "cx", "qubits": wide, "coupling": "line", "max_length": 99},
            methods=["kms"],
            model="lf_5_line",
            coupling=CouplingMap.from_line(wide),
            **functions,
        ),
        Problem(
            f"linear functions on {wide} coupled qubits, CNOTs",
            table={"gates": "cx", "qubits": wide, "max_length": 99},
            methods=["default"],
            **functions,
        ),
        Problem(
            f"Cliffords on {small} qubits, the model's letters",
            table={"letters": gym, "qubits": small, "up_to": "pauli", "max_length": 99},
            model="clifford_3q_custom",
            coupling=CouplingMap.from_line(small),
            **cliffords,
        ),
        Problem(
            f"Cliffords on {small} coupled qubits, CNOTs",
            table=by_cnots,
            methods=["default", "greedy", "ag", "layers"],
            counts=CNOTS,
            **cliffords,
        ),
        Problem(f"Cliffords on a line of {small}, CNOTs", table=by_cnots | {"coupling": "line"}, methods=["lnn"], **line, **cliffords),
    ]


def of_qiskit(problem: Problem, method: str) -> Method:
    """Return a method of Qiskit."""
    found = HighLevelSynthesisPluginManager().method(problem.kind, method)
    qubits = list(range(problem.qubits))
    return partial(found.run, coupling_map=problem.coupling, qubits=None if problem.coupling is None else qubits)


def of_model(problem: Problem, model: Path, searches: int) -> Method:
    """Return the searches of a model. The first takes the likeliest letters, the others draw them."""
    synthesis = importlib.import_module("qiskit_gym.rl").RLSynthesis
    trained = synthesis.from_config_json(str(model.with_suffix(".json")), str(model.with_suffix(".pt")))

    def search(operator: Operator) -> QuantumCircuit | None:
        found = [trained.synth(operator, deterministic=number == 0, num_searches=1) for number in range(searches)]
        return min((circuit for circuit in found if circuit is not None), key=problem.length, default=None)

    return search


def permutation_distances(letters: Sequence[str], qubits: int) -> dict[tuple[int, ...], int]:
    """Return the number of swaps that each permutation takes, by breadth-first search."""
    pairs = [tuple(map(int, letter.split()[1:])) for letter in letters]
    frontier = [tuple(range(qubits))]
    known = {frontier[0]: 0}
    while frontier:
        following = []
        for earlier in frontier:
            for first, last in pairs:
                swapped = [*earlier]
                swapped[first], swapped[last] = swapped[last], swapped[first]
                permutation = tuple(swapped)
                if permutation not in known:
                    known[permutation] = known[earlier] + 1
                    following.append(permutation)
        frontier = following
    return known


def check(problem: Problem, operator: Operator, circuit: QuantumCircuit) -> None:
    """Compare a circuit with its target, and its couplings with those of the problem."""
    assert Clifford(circuit) == Clifford(operator), "the circuit is not the target"
    allowed = None if problem.coupling is None else {*problem.coupling.get_edges()}
    for gate in circuit.data:
        places = tuple(circuit.find_bit(qubit).index for qubit in gate.qubits)
        assert allowed is None or len(places) == 1 or places in allowed, "the circuit leaves the coupling"


def measured(problem: Problem, method: Method, targets: Sequence[Operator], optima: Sequence[int]) -> dict[str, Any]:
    """Return how far the circuits of a method are from the optimum."""
    begin = time.process_time()
    circuits = [method(target) for target in targets]
    seconds = time.process_time() - begin
    excess = []
    for target, circuit, optimum in zip(targets, circuits, optima, strict=True):
        if circuit is not None:
            circuit = problem.flat(circuit)
            check(problem, target, circuit)
            excess.append(problem.length(circuit) - optimum)
            assert excess[-1] >= 0, "a circuit is shorter than the optimum"
    return {
        "solved": len(excess),
        "optimal": excess.count(0),
        "excess": sum(excess),
        "worst": max(excess, default=0),
        "milliseconds": float(f"{1000 * seconds / len(targets):.3g}"),
    }


def solved(problem: Problem, arguments: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Measure all methods on one problem."""
    random = np.random.default_rng(arguments.seed)
    targets = [problem.draw(random) for _ in range(arguments.targets)]
    ways: dict[str, Method] = {}
    enumeration = qorpus.distinct(directory / "table.db", progress=False, **problem.table)
    assert enumeration.is_group, "the optimum is not known of every operator"
    circuits = [answer.circuit for answer in enumeration.find_many(targets)]
    assert None not in circuits, "the table lacks an operator"
    found = [qorpus.to_qiskit(circuit, problem.qubits) for circuit in circuits]
    optima = [problem.length(circuit) for circuit in found]
    if problem.kind == "permutation":
        distances = permutation_distances(problem.table["letters"], problem.qubits)
        assert len(distances) == len(enumeration), "the table is not the whole group"
        assert optima == [distances[tuple(int(place) for place in target.pattern)] for target in targets]
    plugin = HighLevelSynthesisPluginManager().method(problem.kind, "qorpus")
    ways["Qorpus"] = partial(plugin.run, table=enumeration)
    ways |= {f"Qiskit, {method}": of_qiskit(problem, method) for method in problem.methods}
    if problem.model and arguments.models:
        for searches in (1, SEARCHES):
            name = f"qiskit-gym, {searches} search{'es' * (searches > 1)}"
            ways[name] = of_model(problem, arguments.models / problem.model, searches)
    methods = {}
    for name, method in ways.items():
        method(targets[0])  # opens what it needs
        methods[name] = measured(problem, method, targets, optima)
        print(f"{problem.name}: {name}: {methods[name]}", flush=True)
    assert methods["Qorpus"]["optimal"] == len(targets), "the table lacks an optimum"
    counts = {"operators": len(enumeration), "targets": len(targets), "optimum": sum(optima)}
    return {"name": problem.name, **counts, "methods": methods}


def table(record: dict[str, Any]) -> str:
    """Return the measurements as a table in Markdown."""
    lines = [["operators, and what counts", "method", "mean", "too many", "% optimal", "worst", "ms"], ["---"] * 7]
    for problem in record["problems"]:
        optimum = problem["optimum"] / problem["targets"]
        lines.append([problem["name"], "*optimum*", f"{optimum:.2f}", "", "", "", ""])
        for name, method in problem["methods"].items():
            # Rounded down: 100 means all of them.
            share = f"{1000 * method['optimal'] // problem['targets'] / 10:g}"
            mean = method["excess"] / method["solved"]
            cells = [f"{optimum + mean:.2f}", f"{mean:.2f}", share, f"+{method['worst']}", f"{method['milliseconds']:g}"]
            lines.append(["", name, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plot(record: dict[str, Any], path: Path) -> None:
    """Draw how many percent the circuits of each method are longer, for light and dark pages."""
    matplotlib: Any = importlib.import_module("matplotlib")
    grey = "#7d8590"
    greys = ["text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color"]
    style = {"svg.hashsalt": "qorpus", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False}
    style |= {"axes.spines.right": False, "axes.axisbelow": True, "grid.color": grey, "grid.alpha": 0.25}
    colors = {"Qorpus": "#1a9c86", "Qiskit": "#5b7bd5", "qiskit-gym": "#c77d2e"}
    with matplotlib.rc_context(style | dict.fromkeys(greys, grey)):
        rows = sum(len(problem["methods"]) + 1 for problem in record["problems"])
        figure = importlib.import_module("matplotlib.figure").Figure(figsize=(7, 0.24 * rows + 0.5))
        axes, place, places, names = figure.subplots(), 0, [], []
        for problem in record["problems"]:
            axes.text(0, place, problem["name"], fontweight="bold", va="center")
            for name, method in problem["methods"].items():
                place += 1
                longer = 100 * method["excess"] / method["solved"] / (problem["optimum"] / problem["targets"])
                drawn = min(longer, LONGEST_BAR)
                axes.barh(place, drawn, color=colors[name.partition(",")[0]])
                axes.text(drawn, place, f" {longer:.1f} %", va="center")
                places, names = [*places, place], [*names, name]
            place += 1
        axes.set_yticks(places, names)
        axes.tick_params(axis="y", length=0)
        xlabel = f"excess over the optimum, in % of it; bars end at {LONGEST_BAR} %"
        axes.set(xlabel=xlabel, xlim=(0, 1.1 * LONGEST_BAR), ylim=(place - 0.4, -0.8))
        axes.grid(axis="x")
        figure.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=500, help="targets of each problem")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=Path, help="the directory of qiskit-gym's models")
    parser.add_argument("--directory", type=Path, help="where the enumerations are made")
    parser.add_argument("--record", type=Path, help="write the measurements as JSON")
    parser.add_argument("--plot", type=Path, help="draw them as SVG; needs Matplotlib")
    parser.add_argument("--only", default="", help="measure the problems with this text in their names")
    parser.add_argument("--smoke", action="store_true", help="small problems, without models")
    arguments = parser.parse_args()
    packages = ["qorpus", "qiskit", "numpy"]
    if arguments.models:
        sys.path.append(str(TARGET / "qiskit-gym"))
        importlib.import_module("loguru").logger.remove()
        importlib.import_module("torch").set_num_threads(1)
        packages += ["qiskit-gym", "twisterl", "torch"]
    found = json.loads(arguments.record.read_text())["problems"] if arguments.only else []
    for problem in problems(arguments.smoke):
        if arguments.only not in problem.name:
            continue
        with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
            measurement = solved(problem, arguments, Path(directory))
        names = [earlier["name"] for earlier in found]
        place = names.index(problem.name) if problem.name in names else len(found)
        found[place : place + 1] = [measurement]
    versions = {name: version(name) for name in packages}
    record = {"seed": arguments.seed, "searches": SEARCHES, "versions": versions, "problems": found}
    if arguments.record:
        arguments.record.parent.mkdir(exist_ok=True)
        arguments.record.write_text(json.dumps(record, indent=1) + "\n")
    if arguments.plot:
        plot(record, arguments.plot)
    print(f"\n{table(record)}")


if __name__ == "__main__":
    main()
