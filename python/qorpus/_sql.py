"""The rows of a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qorpus import _html
from qorpus.errors import MissingLibrary

if TYPE_CHECKING:
    import pyarrow


class Rows(list[tuple[Any, ...]]):
    """The rows of a query, as a list of tuples.

    Attributes:
        columns: the names of the columns.
    """

    def __init__(self, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        super().__init__(rows)
        self.columns = columns

    def to_arrow(self) -> pyarrow.Table:
        """Make a `pyarrow.Table` of the rows; unitaries are binary columns. Needs pyarrow.

        Raises:
            qorpus.MissingLibrary: pyarrow is not installed.
            pyarrow.ArrowInvalid: a column mixes texts and numbers.
        """
        try:
            import pyarrow
        except ImportError as error:
            raise MissingLibrary("an Arrow table needs pyarrow; pip install pyarrow") from error
        columns = zip(*self) if self else ((),) * len(self.columns)
        return pyarrow.Table.from_arrays([pyarrow.array(list(column)) for column in columns], names=self.columns)

    def _repr_html_(self) -> str:
        return _html.rows(self.columns, self)
