"""Conditions on records, as the parameters of a URL and as SQL."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from qorpus.view.refusal import Refusal
from qorpus.view.source import Source

#: The beginning of a parameter for a label.
LABEL = "label."

#: Parameters that are not conditions.
RESERVED = ("from",)


class Filter(NamedTuple):
    """A condition: a number between two, both included, or a text."""

    key: str
    low: float = 0
    high: float = 0
    text: str | None = None

    @property
    def value(self) -> str:
        """The condition in a URL."""
        if self.text is not None:
            return self.text
        return f"{self.low!r}" if self.low == self.high else f"{self.low!r}..{self.high!r}"

    @property
    def words(self) -> str:
        """The condition for a reader."""
        name = self.key.removeprefix(LABEL).removeprefix("count_")
        if self.text is not None:
            return f"{name} = {self.text}"
        if self.low == self.high:
            return f"{name} = {_short(self.low)}"
        if self.low == 1 and self.key.startswith("count_") and self.high >= (1 << 31) - 1:
            return f"with {name}"
        return f"{name} from {_short(self.low)} to {_short(self.high)}"

    @property
    def column(self) -> str:
        """The column of the table `records`, quoted."""
        return '"' + self.key.removeprefix(LABEL).replace('"', '""') + '"'


class Filters:
    """Conditions that all hold.

    Args:
        source: the records.
        pairs: the parameters of a URL.

    Raises:
        Refusal: a condition is unknown, or its value is not one.
    """

    def __init__(self, source: Source, pairs: list[tuple[str, str]]) -> None:
        self._source = source
        self.all = [self._parsed(key, value) for key, value in pairs if key not in RESERVED]

    def _parsed(self, key: str, value: str) -> Filter:
        records = self._source.records
        types: dict[str, type] = records.label_types()
        known = [f"count_{gate}" for gate in records.gates] + [LABEL + name for name in types]
        if records.has_circuits:
            known.insert(0, "length")
        if self._source.levels:
            known.append("level")
        if key not in known:
            raise Refusal(400, f"There is no filter '{key}'. There are {', '.join(known[:20])}.")
        if key.startswith(LABEL) and types[key.removeprefix(LABEL)] is str:
            return Filter(key, text=value)
        low, dots, high = value.partition("..")
        try:
            return Filter(key, _number(low), _number(high if dots else low))
        except ValueError:
            raise Refusal(400, f"The filter '{key}' is '{value}'; write a number such as 3, or a range such as 3..5.") from None

    def __bool__(self) -> bool:
        return bool(self.all)

    @property
    def where(self) -> tuple[str, list[Any]]:
        """The condition in SQL, and its parameters; levels are ranges of ids."""
        parts: list[str] = ["true"]
        values: list[Any] = []
        for one in self.all:
            if one.text is not None:
                parts.append(f"{one.column} = ?")
                values.append(one.text)
            elif one.key != "level":
                parts.append(f"{one.column} between ? and ?")
                values += [one.low, one.high]
        return " and ".join(parts), values

    def ids(self, stop: int) -> tuple[int, int]:
        """Return the range of ids that the levels leave of those below `stop`."""
        first = 0
        for one in self.all:
            if one.key == "level":
                chosen = [level.ids for number, level in enumerate(self._source.levels) if one.low <= number <= one.high]
                first = max(first, min((ids.start for ids in chosen), default=stop))
                stop = min(stop, max((ids.stop for ids in chosen), default=0))
        return first, stop

    def url(self, **more: int) -> str:
        """Return the address of the records that satisfy the conditions."""
        return _url([*((one.key, one.value) for one in self.all), *((key, str(value)) for key, value in more.items())])

    def url_with(self, extra: Filter) -> str:
        """Return the address with a condition more, or instead of one with its name."""
        return _url([(one.key, one.value) for one in self.all if one.key != extra.key] + [(extra.key, extra.value)])

    def url_without(self, one: Filter) -> str:
        """Return the address without a condition."""
        return _url([(other.key, other.value) for other in self.all if other != one])


def _short(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:.5g}"


def _number(text: str) -> float:
    try:
        whole = int(text)
        return whole if abs(whole) < 1 << 63 else float(text)
    except ValueError:
        return float(text)


def _url(pairs: list[tuple[str, str]]) -> str:
    return "/corpus/records" + ("?" + urlencode(pairs, quote_via=quote) if pairs else "")
