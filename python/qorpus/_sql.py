"""The result of an SQL query."""

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

    Examples:
        >>> recipe = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 2))
        >>> rows = recipe.sql("select id, circuit from records where length = 2 limit 2")
        >>> rows.columns, rows[0]
        (['id', 'circuit'], (3, 'h 0; h 0'))
    """

    def __init__(self, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        super().__init__(rows)
        self.columns = columns

    def to_arrow(self) -> pyarrow.Table:
        """Convert the rows to a `pyarrow.Table`, for pandas, Polars or DuckDB. Needs pyarrow.

        Returns:
            A table with the same column names; unitaries are binary columns.

        Raises:
            qorpus.MissingLibrary: pyarrow is not installed.
            pyarrow.ArrowInvalid: a column contains both strings and numbers.

        Examples:
            >>> rows = qorpus.Recipe(random=100).sql("select id, length from records")
            >>> rows.to_arrow().shape
            (100, 2)
        """
        try:
            import pyarrow
        except ImportError as error:
            raise MissingLibrary("to_arrow needs pyarrow; pip install pyarrow") from error
        columns = zip(*self) if self else ((),) * len(self.columns)
        return pyarrow.Table.from_arrays([pyarrow.array(list(column)) for column in columns], names=self.columns)

    def _repr_html_(self) -> str:
        return _html.rows(self.columns, self)
