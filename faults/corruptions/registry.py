"""The registry of corruptions, and the ways to change a corpus file without Qorpus."""

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAGE_BYTES = 65536
#: The columns of each table, in the order of its definition.
COLUMNS = {
    "meta": "key, value",
    "chunks": "first_id, count, checksum, content, circuits, unitaries, labels",
    "work": "first_chunk, end_chunk, owner",
    "totals": "one, records, content",
    "labels": "name, is_text",
}
TABLES = list(COLUMNS)

Corruption = Callable[[Path, random.Random], None]
CORRUPTIONS: dict[str, Corruption] = {}


def corruption(change: Corruption) -> Corruption:
    """Add a corruption."""
    CORRUPTIONS[change.__name__] = change
    return change


def corruption_of_bytes(change: Callable[[bytearray, random.Random], None]) -> None:
    """Add a corruption that changes the bytes of the file."""

    def corrupt(path: Path, chance: random.Random) -> None:
        data = bytearray(path.read_bytes())
        change(data, chance)
        path.write_bytes(data)

    CORRUPTIONS[change.__name__] = corrupt


def sql(path: Path, *statements: str | tuple[str, tuple[object, ...]], schema: bool = False) -> None:
    """Run statements with Python's SQLite, which checks nothing."""
    connection = sqlite3.connect(path, isolation_level=None)
    if schema:
        connection.execute("PRAGMA writable_schema = ON")
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute("BEGIN")
    for statement in statements:
        text, values = (statement, ()) if isinstance(statement, str) else statement
        connection.execute(text, values)
    connection.execute("COMMIT")
    connection.close()


def values(path: Path, query: str) -> list[Any]:
    """Return the first column of a query."""
    connection = sqlite3.connect(path)
    found = [row[0] for row in connection.execute(query)]
    connection.close()
    return found


def definition(path: Path, table: str) -> str:
    """Return the text of a table in the schema."""
    return str(values(path, f"SELECT sql FROM sqlite_schema WHERE name = '{table}'")[0])


def root(path: Path, table: str) -> int:
    """Return the number of the first page of a table."""
    return int(values(path, f"SELECT rootpage FROM sqlite_schema WHERE name = '{table}'")[0])


def define(path: Path, table: str, text: str, kind: str = "table", **columns: int) -> None:
    """Put another text into the schema, and leave the pages unchanged."""
    change = "".join(f", {name} = {value}" for name, value in columns.items())
    statement = (f"UPDATE sqlite_schema SET type = ?, sql = ?{change} WHERE name = ?", (kind, text, table))
    # A new schema cookie makes SQLite read the schema again.
    sql(path, statement, "PRAGMA schema_version = 4711", schema=True)


def rebuild(path: Path, table: str, text: str, columns: str | None = None) -> None:
    """Replace a table by another one with the same rows, or with some columns of them."""
    some = columns or COLUMNS[table]
    copy = f"INSERT INTO {table} ({some}) SELECT {some} FROM before"
    sql(path, f"ALTER TABLE {table} RENAME TO before", text, copy, "DROP TABLE before")
