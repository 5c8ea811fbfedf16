"""The outcome of a campaign's tasks: counts and failures."""

from collections import Counter
from dataclasses import dataclass, field

#: The rows of a campaign's table, and a sentence for each control that failed.
Summary = tuple[dict[str, int], list[str]]


@dataclass
class Outcome:
    """The counts of a task, and a sentence for each failure."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def totalled(total: str, rows: dict[str, int], control: str) -> Summary:
    """Put the total above the rows. If nothing was counted, the control fails."""
    shown = {total: sum(rows.values())} | rows
    return shown, [] if shown[total] else [f"control: {control}"]
