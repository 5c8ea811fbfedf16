"""The records that the pages show."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

import qorpus
from qorpus import _qorpus
from qorpus._qorpus import Records
from qorpus._ranges import Ranges
from qorpus.errors import Error, InvalidArgument, MissingRecord


class Source:
    """A corpus, or a recipe in a file of JSON, whose records are computed.

    Args:
        path: a path of `qorpus.open`, or a file whose name ends in ".json".

    Raises:
        qorpus.Error: there is no corpus and no recipe.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.records: qorpus.Corpus | qorpus.Recipe = _opened(path)
        if isinstance(self.records, qorpus.Recipe) and self.records.is_appended:
            raise InvalidArgument(f"{path} is the recipe of a corpus of appended records, and has no records; view the corpus")

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rstrip("/").rsplit("/", 1)[-1] or self.path

    @property
    def is_computed(self) -> bool:
        """Whether nothing is stored."""
        return isinstance(self.records, qorpus.Recipe)

    def ranges(self) -> Ranges:
        """Return the ids that exist now."""
        pairs = _qorpus.present_ranges(self.records) if isinstance(self.records, qorpus.Corpus) else [(0, len(self.records))]
        pairs = [pair for pair in pairs if pair[0] < pair[1]]
        return Ranges([start for start, _ in pairs], [stop for _, stop in pairs])

    def at(self, ids: list[int]) -> list[Any]:
        """Read the records with some ids that exist."""
        return self._readable.__getitems__(ids) if ids else []

    def record(self, id: int) -> Any:
        """Read one record."""
        if not 0 <= id < 1 << 63:
            raise MissingRecord(f"there is no record {id}; ids are counted from 0")
        return self._readable[id]

    @cached_property
    def _readable(self) -> Records:
        # A corpus of shards reads the sealed ones; the others exist as well.
        if isinstance(self.records, qorpus.Recipe):
            return self.records
        return Records(files=self.records.paths, order=self.records.order, unsealed=True)

    def letters_array(self, ids: Any) -> Any:
        """Read the letters of the records with some ids that exist."""
        return self._readable.letters_array(ids)

    def labels(self, ids: Any) -> list[dict[str, Any]]:
        """Read the labels of the records with some ids that exist."""
        return self._readable.labels(ids)

    @cached_property
    def levels(self) -> list[qorpus.Level]:
        """The levels of an enumeration; none of other records."""
        return self.records.levels if isinstance(self.records, qorpus.Corpus) else []

    @property
    def is_enumeration(self) -> bool:
        """Whether `find` answers questions about the records."""
        return bool(self.levels)

    def refuse_open_databases(self, databases: Iterable[Any]) -> None:
        """Refuse a corpus that Datasette has opened as a database.

        Two copies of SQLite in one process break each other's locks on a file.
        """
        for database in databases:
            if database.path and os.path.exists(self.path) and os.path.samefile(database.path, self.path):
                raise Error(f"{self.path} is also a database of this Datasette; name it in the plugin's settings alone")


def place_from(ranges: Ranges, id: int) -> int:
    """Return the place of the first id that is not below `id`."""
    index = int(np.searchsorted(ranges.stops, id, side="right"))
    if index == len(ranges.starts):
        return len(ranges)
    return int(ranges.places(np.array([max(id, int(ranges.starts[index]))]))[0])


def ids_at(ranges: Ranges, place: int, most: int) -> list[int]:
    """Return the ids at a place and after it."""
    ids: list[int] = ranges.ids(np.arange(place, min(place + most, len(ranges)))).tolist()
    return ids


def _opened(path: str) -> qorpus.Corpus | qorpus.Recipe:
    if not path.endswith(".json") or not os.path.isfile(path):
        return qorpus.open(path)
    try:
        with open(path, encoding="utf-8") as file:
            return qorpus.Recipe.from_json(file.read(16 << 20))
    except (OSError, UnicodeDecodeError) as error:
        raise Error(f"{path} cannot be read as a recipe: {error}") from None
