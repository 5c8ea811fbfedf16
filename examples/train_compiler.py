"""Trains a network to compile: from the unitary of a circuit it predicts the circuit's last gate.

Removing that gate leaves a shorter circuit, so repeated predictions compile a unitary gate by gate.
The network learns from shortest circuits in h, s, t and cx on two qubits, which `qorpus.distinct`
enumerates. Every unitary occurs once, so it has one target, and the network never saw the held-out
unitaries.

    python examples/train_compiler.py runs                  # needs PyTorch; under a minute on two cores
    python examples/train_compiler.py runs --length 4 --epochs 8

The directory receives the corpus and a checkpoint. Run it again with more epochs to resume.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import qorpus

QUBITS, DIM = 2, 4
PAULIS = torch.tensor([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=torch.complex128)
PAIRS = torch.stack([torch.kron(a, b) for a in PAULIS for b in PAULIS])


def features(unitaries: torch.Tensor) -> torch.Tensor:
    """Return the unitaries as rotations of the Pauli matrices: tr(P U Q U†)/d for each P and Q."""
    left = torch.einsum("pab,kbc->kpac", PAIRS, unitaries).flatten(2)
    right = torch.einsum("kac,qcd->kqad", unitaries.conj(), PAIRS.mT).flatten(2)
    return (left @ right.mT).real[:, 1:, 1:].flatten(1).float() / DIM


def without_identity(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the batch without the identity, whose circuit has no last letter."""
    return {name: column[batch["length"] > 0] for name, column in batch.items()}


def last_letters(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the targets of the network: the last letter of each circuit."""
    return batch["circuit"].gather(1, batch["length"][:, None] - 1)[:, 0]


def compiled(network: torch.nn.Module, unitaries: torch.Tensor, letters: torch.Tensor, steps: int) -> float:
    """Return the share of unitaries that removing at most `steps` letters makes the identity."""
    done = torch.zeros(len(unitaries), dtype=torch.bool)
    for _ in range(steps):
        found = letters[network(features(unitaries)).argmax(dim=1)]
        unitaries = found.mH @ unitaries
        done |= unitaries.diagonal(dim1=1, dim2=2).sum(dim=1).abs() > DIM - 1e-6
    return float(done.double().mean())


def train(directory: Path, length: int, epochs: int) -> dict[str, float]:
    """Train, print the progress, and return the accuracy on the test split beside baselines."""
    torch.manual_seed(0)
    torch.set_num_threads(1)                # the network is small: more threads would wait for each other

    # Each unitary up to this length once, with the first of its shortest circuits. If the corpus is
    # complete, it is only opened.
    path = directory / f"distinct-{length}.db"
    corpus = qorpus.distinct(path, gates="h,s,t,cx", qubits=QUBITS, max_length=length, progress=False)
    print(f"{len(corpus)} distinct unitaries in the corpus")

    # The split of a record depends on its id alone, and no unitary is in two splits. The stream
    # shuffles without a table of ids.
    split = corpus.split(train=0.8, validation=0.1, test=0.1)
    stream = split["train"].torch(batch_size=256, seed=1, longest=length)
    whole = {name: without_identity(next(iter(part.torch(batch_size=len(part), longest=length)))) for name, part in split.items()}

    network = torch.nn.Sequential(
        torch.nn.Linear((DIM**2 - 1) ** 2, 256),
        torch.nn.ReLU(),
        torch.nn.Linear(256, 256),
        torch.nn.ReLU(),
        torch.nn.Linear(256, len(corpus.letters)),
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3)
    checkpoint = directory / f"checkpoint-{length}.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        stream.load_state_dict(state["stream"])

    def accuracy(batch: dict[str, torch.Tensor]) -> float:
        right = network(features(batch["unitary"])).argmax(dim=1) == last_letters(batch)
        return float(right.double().mean())

    for epoch in range(stream.epoch, epochs):
        for batch in stream:
            batch = without_identity(batch)
            loss = torch.nn.functional.cross_entropy(network(features(batch["unitary"])), last_letters(batch))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        print(f"epoch {epoch}: accuracy {accuracy(whole['train']):.3f}, on validation {accuracy(whole['validation']):.3f}")
        state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "stream": stream.state_dict()}
        torch.save(state, checkpoint)

    with torch.no_grad():
        majority = torch.bincount(last_letters(whole["train"])).argmax()
        letters = torch.from_numpy(qorpus.Recipe(gates=corpus.gates, qubits=QUBITS, words=True, length=1).unitaries(slice(None)))
        return {
            "accuracy": accuracy(whole["test"]),
            "chance": 1 / len(corpus.letters),
            "majority": float((last_letters(whole["test"]) == majority).double().mean()),
            "compiled": compiled(network, whole["test"]["unitary"], letters, 3 * length),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("runs"), help="for the corpus and the checkpoint")
    parser.add_argument("--length", type=int, default=6, help="letters of the longest circuits")
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)

    result = train(arguments.directory, arguments.length, arguments.epochs)
    print(f"last gate of held-out circuits: accuracy {result['accuracy']:.3f}")
    print(f"    chance {result['chance']:.3f}, always the most frequent letter {result['majority']:.3f}")
    print(f"held-out unitaries compiled, with at most three times the gates: {result['compiled']:.3f}")


if __name__ == "__main__":
    main()
