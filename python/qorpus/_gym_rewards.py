"""Rewards of environments: costs of letters by the names of their gates, and a bonus."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from qorpus._arguments import kind
from qorpus.errors import InvalidArgument, WrongType

#: The cost of every letter, and the reward of a solution, by default.
COST, BONUS = 0.01, 1.0

#: The costs of a gate and of a CNOT in qiskit-gym, and its reward of a solution: `MetricsWeights::default`
#: in rust/src/envs/metrics.rs and `step` in rust/src/envs/clifford.rs of its version 0.4.2.
QISKIT_GYM_GATE, QISKIT_GYM_CNOT, QISKIT_GYM_BONUS = 0.0001, 0.01, 1.0

#: The gates and the CNOTs that qiskit-gym counts for a gate on two qubits: `MetricsTracker::apply_gate`.
QISKIT_GYM_COUNTS = {"cx": (1, 1), "cz": (3, 1), "swap": (3, 3)}


def rewards_of(letters: Sequence[str], costs: Any, bonus: Any, rewards: Any) -> tuple[list[float], float]:
    """Return the cost of each letter, and the bonus of a solution."""
    if rewards is not None:
        if not isinstance(rewards, str):
            raise WrongType(f"rewards must be 'qiskit-gym' or None, not {kind(rewards)}")
        if rewards != "qiskit-gym":
            raise InvalidArgument(f"rewards is {rewards!r}; it must be 'qiskit-gym', or None for costs and bonus")
        if costs is not None or bonus is not None:
            raise InvalidArgument("rewards='qiskit-gym' has its own costs and bonus; leave out costs and bonus")
        return [_qiskit_gym_cost(letter) for letter in letters], QISKIT_GYM_BONUS
    bonus = BONUS if bonus is None else number(bonus, "bonus")
    if not isinstance(costs, Mapping):
        cost = COST if costs is None else number(costs, "costs")
        return [cost] * len(letters), bonus
    gates = [gate_of(letter) for letter in letters]
    for name in costs:
        if not isinstance(name, str):
            raise WrongType(f"costs must map names of gates to numbers, not {kind(name)}")
        if name not in gates:
            raise InvalidArgument(f"costs names {name!r}, but the gates are {', '.join(dict.fromkeys(gates))}")
    by_gate = {name: number(cost, f"the cost of '{name}'") for name, cost in costs.items()}
    return [by_gate.get(gate, 0.0) for gate in gates], bonus


def gate_of(letter: str) -> str:
    """Return the gate of a letter, with its angles."""
    return letter.partition(" ")[0]


def _qiskit_gym_cost(letter: str) -> float:
    gate, _, places = letter.partition(" ")
    if len(places.split()) == 1:
        return QISKIT_GYM_GATE
    if gate not in QISKIT_GYM_COUNTS:
        raise InvalidArgument(f"rewards='qiskit-gym' has no cost for '{gate}', which qiskit-gym does not have; pass costs=")
    gates, cnots = QISKIT_GYM_COUNTS[gate]
    return gates * QISKIT_GYM_GATE + cnots * QISKIT_GYM_CNOT


def number(value: Any, name: str) -> float:
    """Return a finite number as a float."""
    if isinstance(value, str | bytes | bool) or value is None:
        raise WrongType(f"{name} must be a number, not {kind(value)}")
    try:
        found = float(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise WrongType(f"{name} must be a number, not {kind(value)}") from error
    except OverflowError as error:
        raise InvalidArgument(f"{name} is too large; it must be a finite number") from error
    if not math.isfinite(found):
        raise InvalidArgument(f"{name} is {found}; it must be a finite number")
    return found
