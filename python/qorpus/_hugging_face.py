"""Records as a dataset of Hugging Face: Parquet files and a card."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as Directory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qorpus._arguments import integer, kind
from qorpus._dataset_card import Column, Part, card, is_enumeration
from qorpus._letters import has_free_angles
from qorpus._standing import Standing
from qorpus._subset import Subset
from qorpus.errors import Error, InvalidArgument, MissingFile, MissingLibrary, MissingRecord, WrongType

if TYPE_CHECKING:
    from qorpus._qorpus import Path, Records

#: The bytes of a file before compression, and of the records in memory at once.
FILE_BYTES = 512 << 20
GROUP_BYTES = 32 << 20

#: The bytes of a letter, as a text and as a number.
LETTER_BYTES = 16

#: The most records in memory at once.
GROUP_RECORDS = 1 << 16

#: The largest integer up to which all have an exact binary64.
MAX_EXACT = 1 << 53


def write(
    records: Records,
    path: Path,
    splits: Mapping[str, Records] | None,
    shard: int | None,
    progress: bool | Callable[[int, int], object],
) -> None:
    """Write a dataset to a new directory, which appears when it is complete."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingLibrary("to_hf() needs pyarrow; pip install pyarrow") from error
    parts = _checked(records, {"train": records} if splits is None else splits)
    shard = None if shard is None else integer(shard, "shard", least=1)
    report = Standing.of(progress, sum(map(len, parts.values())))
    directory = _vacant(path)
    table = _Table(_source(records))
    try:
        # Beside the directory, because a file system renames only within itself.
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as draft:
            # Unlike the temporary directory, it gets the usual permissions.
            inner = Directory(draft, directory.name)
            (inner / "data").mkdir(parents=True)
            written = [table.write(inner / "data", name, part, shard, report) for name, part in parts.items()]
            (inner / "README.md").write_text(card(_source(records), table.columns, written), encoding="utf-8")
            for name in (inner / "README.md", inner / "data", inner):
                _sync(name)
            os.rename(inner, directory)
            _sync(directory.parent)
    except OSError as error:
        if isinstance(error, Error):
            raise
        raise Error(f"{directory} cannot be written: {error.strerror or error}") from error
    report.end()


def _checked(records: Records, splits: Mapping[str, Records]) -> dict[str, Records]:
    """Return the splits to write, after all checks that need no reading."""
    if not isinstance(splits, Mapping):
        raise WrongType(f"splits must be a dict from names to splits, as split() returns, not {kind(splits)}")
    source = _source(records)
    if not splits:
        raise InvalidArgument("splits is empty; leave it out, or pass the result of split()")
    for name, part in splits.items():
        if not isinstance(name, str):
            raise WrongType(f"the name of a split must be a string, not {kind(name)}")
        if not re.fullmatch(r"[A-Za-z0-9_]+", name):
            raise InvalidArgument(f"split {name!r}: Hugging Face needs a name of letters, digits and '_'")
        if not hasattr(part, "letters_array"):
            raise WrongType(f"split {name!r} must be a corpus, a recipe or a split, not {kind(part)}")
        other = _source(part)
        if (other._recipe_json, other.order) != (source._recipe_json, source.order):
            raise InvalidArgument(f"split {name!r} belongs to another corpus; all splits must be of one corpus")
        whole = part._state[0] if isinstance(part, Subset) and hasattr(part, "_state") else part
        if not getattr(whole, "complete", True):
            raise MissingRecord(f"{whole!r} is not complete; generate the rest, or write corpus.present().to_hf(...)")
        if len(part) == 0:
            raise InvalidArgument(f"split {name!r} has no records")
    return dict(splits)


def _source(records: Records) -> Records:
    """Return the native records of which these are a part."""
    return records._records if isinstance(records, Subset) else records


def _vacant(path: Path) -> Directory:
    """Return the absolute path of a directory that does not exist, or is empty."""
    try:
        directory = Directory(os.path.abspath(path))
    except TypeError as error:
        raise WrongType(f"path must be a path, not {kind(path)}") from error
    if not directory.parent.is_dir():
        raise MissingFile(f"{directory.parent} does not exist; create it first")
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise Error(f"{directory} already exists and is not a directory; choose another path")
    if directory.is_dir() and any(directory.iterdir()):
        raise Error(f"{directory} already contains files; choose another directory, or delete it")
    return directory


def _sync(path: Directory) -> None:
    """Make a file or directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Table:
    """The columns of the dataset, and their contents."""

    def __init__(self, source: Records) -> None:
        self._letters, self._gates = source.letters, source.gates
        self._has_circuits, self._has_unitaries = source.has_circuits, source.has_unitaries
        self._dim = 1 << source.qubits if source.has_unitaries else 0
        self._real = np.dtype(np.float32 if source.dtype == np.complex64 else np.float64)
        self._given = source.label_types()
        self._integers = is_enumeration(source)
        self._row_bytes = 2 * self._real.itemsize * self._dim**2 + LETTER_BYTES * max(1, min(source.lengths[1], 64))
        number = "int64" if self._integers else "float64"
        self.columns = [
            Column("id", "int64"),
            Column("circuit", "string"),
            # A feature of numbers with names needs a name.
            *([Column("letters", "int64", is_list=True, names=self._letters)] if self._has_circuits else []),
            *([Column("angles", "float64", is_list=True)] if has_free_angles(source) else []),
            Column("length", "int32"),
            *(Column(f"count_{gate}", "int32") for gate in self._gates),
            *(Column(name, "string" if given is str else number) for name, given in self._given.items()),
            *([Column("unitary", self._real.name, shape=(self._dim, self._dim, 2))] if self._has_unitaries else []),
        ]
        if "letters" in self._given:
            raise InvalidArgument("the records have a label 'letters', which is the name of a column of the dataset")
        numbers = {gate: number for number, gate in enumerate(self._gates)}
        #: The gate of each letter; the last entry is for the padding, -1.
        self._gate_of = np.array([*(numbers[letter.partition(" ")[0]] for letter in self._letters), -1])

    def write(self, directory: Directory, name: str, part: Records, shard: int | None, report: Standing) -> Part:
        """Write the files of a split."""
        import pyarrow.parquet

        shard = shard or max(1, FILE_BYTES // self._row_bytes)
        files = -(-len(part) // shard)
        group = max(1, min(GROUP_RECORDS, GROUP_BYTES // self._row_bytes))
        described = Part(name, part, len(part))
        # Files of about equal size.
        ends = [len(part) * file // files for file in range(files + 1)]
        for file, (start, stop) in enumerate(zip(ends, ends[1:])):
            path = directory / f"{name}-{file:05}-of-{files:05}.parquet"
            with open(path, "xb") as sink:
                with pyarrow.parquet.ParquetWriter(sink, self._schema(), compression="snappy") as writer:
                    for table in self._groups(part, start, stop, group):
                        writer.write_table(table)
                        described.bytes += table.nbytes
                        report.add(len(table))
                sink.flush()
                os.fsync(sink.fileno())
            described.file_bytes += path.stat().st_size
        return described

    def _schema(self) -> Any:
        import pyarrow

        types: dict[str, Any] = {"int64": pyarrow.int64(), "int32": pyarrow.int32(), "string": pyarrow.string()}
        types |= {"float64": pyarrow.float64(), "float32": pyarrow.float32()}
        fields = []
        for column in self.columns:
            found = pyarrow.list_(types[column.dtype]) if column.is_list else types[column.dtype]
            for size in reversed(column.shape):
                found = pyarrow.list_(found, size)
            fields.append(pyarrow.field(column.name, found))
        return pyarrow.schema(fields)

    def _groups(self, part: Records, start: int, stop: int, group: int) -> Iterator[Any]:
        """Yield the records of a range of places, as tables."""
        import pyarrow

        for first in range(start, stop, group):
            places = np.arange(first, min(first + group, stop), dtype=np.int64)
            ids = part.ids(places) if isinstance(part, Subset) else places
            yield pyarrow.table(self._values(part, places, ids), schema=self._schema())

    def _values(self, part: Records, places: NDArray[np.int64], ids: NDArray[np.int64]) -> list[Any]:
        """Return the columns of some records."""
        import pyarrow
        from pyarrow import compute

        unitaries, circuits, angles = part._rows(places)
        matrices = [] if unitaries is None else [self._matrices(unitaries)]
        if not self._has_circuits:
            return [pyarrow.array(ids), *(pyarrow.nulls(len(ids), kind) for kind in (pyarrow.string(), pyarrow.int32())), *matrices]
        lengths = (circuits >= 0).sum(axis=1, dtype=np.int32)
        flat, offsets = circuits[circuits >= 0], np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        if angles is None:
            letters = pyarrow.array(self._letters, pyarrow.string()).take(pyarrow.array(flat))
        else:
            # Each letter has angles of its own.
            texts = [letter for circuit in part.circuits(places) for letter in circuit]
            letters = pyarrow.array(texts, pyarrow.string())
        gates = self._gate_of[circuits]
        return [
            pyarrow.array(ids),
            compute.binary_join(pyarrow.ListArray.from_arrays(offsets, letters), "; "),
            pyarrow.ListArray.from_arrays(offsets, pyarrow.array(flat.astype(np.int64))),
            *([] if angles is None else [self._angles(angles)]),
            pyarrow.array(lengths),
            *(pyarrow.array((gates == gate).sum(axis=1, dtype=np.int32)) for gate in range(len(self._gates))),
            *self._labels(part, places, ids),
            *matrices,
        ]

    def _matrices(self, unitaries: NDArray[Any]) -> Any:
        """Return unitaries as nested lists of rows, columns, and real and imaginary parts."""
        import pyarrow

        entries = pyarrow.array(np.ascontiguousarray(unitaries).view(self._real).reshape(-1))
        for size in (2, self._dim, self._dim):
            entries = pyarrow.FixedSizeListArray.from_arrays(entries, size)
        return entries

    def _angles(self, angles: NDArray[np.float64]) -> Any:
        """Return the angles of each circuit as a list."""
        import pyarrow

        given = ~np.isnan(angles)
        offsets = np.concatenate([[0], np.cumsum(given.sum(axis=(1, 2)))]).astype(np.int32)
        return pyarrow.ListArray.from_arrays(offsets, pyarrow.array(angles[given]))

    def _labels(self, part: Records, places: NDArray[np.int64], ids: NDArray[np.int64]) -> list[Any]:
        """Return the columns of labels that were appended; null where a record lacks one."""
        import pyarrow

        if not self._given:
            return []
        labels, columns = part.labels(places), []
        for name, given in self._given.items():
            values = [label.get(name) for label in labels]
            if given is not str and not self._integers:
                for place, value in enumerate(values):
                    if isinstance(value, int) and abs(value) > MAX_EXACT:
                        reason = f"record {ids[place]} has the label {name}={value}, which float64 cannot hold exactly"
                        raise InvalidArgument(f"{reason}; append it as a string instead")
                values = [None if value is None else float(value) for value in values]
            columns.append(pyarrow.array(values, pyarrow.string() if given is str else None, from_pandas=False))
        types = [column.dtype for column in self.columns if column.name in self._given]
        return [column.cast(getattr(pyarrow, dtype)()) for column, dtype in zip(columns, types)]
