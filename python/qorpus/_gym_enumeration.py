"""Enumerations as targets of environments: when their distances hold for the environments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qorpus._qorpus import Records
from qorpus._subset import Subset
from qorpus.errors import InvalidArgument

if TYPE_CHECKING:
    from qorpus._augmentation import Augmentation

#: The words for unitaries that count as equal.
EQUAL = {"phase": "equal up to a global phase", "nothing": "equal exactly", "pauli": "equal up to Paulis"}


class Enumeration:
    """Records of `qorpus.distinct`, with the rules of their distances."""

    def __init__(self, records: Records, rules: dict[str, Any]) -> None:
        self.records = records
        #: When two unitaries count as equal: "phase" or "nothing".
        self.up_to = str(rules["up_to"])
        costs = dict(zip(records.gates, rules["costs"], strict=True))
        #: The cost of each gate; empty if distances are lengths.
        self.costs: dict[str, int] = costs if any(costs.values()) else {}

    def check_distances(self, letters: Sequence[str], matrices: dict[str, NDArray[Any]], up_to: str) -> None:
        """Refuse environments in which the distances of the records are not true."""
        ours, remedy = self.records.letters, "leave out distance, or enumerate with the letters and up_to of the environments"
        if up_to != self.up_to:
            raise InvalidArgument(
                f"distance is not true here: unitaries of targets are {EQUAL[self.up_to]}, those of the environments {EQUAL[up_to]}; "
                f"pass up_to={self.up_to!r}, or leave out distance"
            )
        for names, others, who in ((letters, ours, "the environments have"), (ours, letters, "targets have")):
            if lacking := next((name for name in names if name not in others), None):
                raise InvalidArgument(f"distance is not true here: only {who} the letter '{lacking}'; {remedy}")
        for gate, matrix in self.records.matrices.items():
            if gate not in matrices or not np.array_equal(matrix, matrices[gate]):
                raise InvalidArgument(f"distance is not true here: gate '{gate}' has another matrix in targets; {remedy}")

    def check_symmetries(self, symmetries: Augmentation, letters: Sequence[str]) -> None:
        """Refuse inverses that cost more or less than the letters they invert."""
        inverse = symmetries.inverse_letters
        if inverse is None or not self.costs:
            return
        for letter, other in zip(letters, inverse, strict=True):
            gate, of_inverse = letter.partition(" ")[0], letters[other].partition(" ")[0]
            if gate in self.costs and self.costs[gate] != (cost := self.costs.get(of_inverse)):
                found = "has no cost in targets" if cost is None else f"costs {cost}"
                raise InvalidArgument(
                    f"symmetries by inverse would change distances: gate '{gate}' costs {self.costs[gate]}, but its inverse "
                    f"'{of_inverse}' {found}; leave out 'inverse', or enumerate with equal costs for both"
                )


def enumeration_of(source: Any) -> Enumeration | None:
    """Return the enumeration to which records belong, or None."""
    records = source._records if isinstance(source, Subset) else source
    space = json.loads(records._recipe_json)["space"] if isinstance(records, Records) else None
    return Enumeration(records, space["distinct"]) if isinstance(space, dict) and "distinct" in space else None
