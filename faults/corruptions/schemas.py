"""Corruptions of the schema: other tables, columns and types, and code that SQLite would run."""

import random
import sqlite3
import struct
from pathlib import Path

from corruptions.registry import COLUMNS, PAGE_BYTES, TABLES, corruption, define, definition, rebuild, root, sql, values

# Expressions that a schema may have. All they can do is take time and memory.
SLOW = "(length(printf('%.*c', 60000000, 'x')) IS NULL)"
LARGE = "length(replace(hex(zeroblob(20000000)), '00', 'xxxx')) >= 0"

# Columns of `chunks` without the constraints of ours.
LOOSE_CHUNKS = "first_id INTEGER PRIMARY KEY, count, checksum, content, circuits, unitaries, labels"


@corruption
def triggers(path: Path, _: random.Random) -> None:
    statements = ["CREATE TABLE executed (what)"]
    for table in TABLES:
        for event in ["INSERT", "UPDATE", "DELETE"]:
            for when in ["BEFORE", "AFTER"]:
                name = f"t_{table}_{event}_{when}"
                statements.append(f"CREATE TRIGGER {name} {when} {event} ON {table} BEGIN INSERT INTO executed VALUES ('{name}'); END")
    sql(path, *statements)


@corruption
def view_in_place_of_a_table(path: Path, chance: random.Random) -> None:
    table = chance.choice(TABLES)
    columns = COLUMNS[table].split(", ")
    columns[-1] = f"CASE WHEN {SLOW} THEN {columns[-1]} ELSE {columns[-1]} END AS {columns[-1]}"
    sql(path, f"ALTER TABLE {table} RENAME TO behind", f"CREATE VIEW {table} AS SELECT {', '.join(columns)} FROM behind")


@corruption
def view_with_triggers(path: Path, _: random.Random) -> None:
    sql(
        path,
        "CREATE TABLE executed (what)",
        "ALTER TABLE chunks RENAME TO behind",
        "CREATE VIEW chunks AS SELECT * FROM behind",
        "CREATE TRIGGER t INSTEAD OF INSERT ON chunks BEGIN INSERT INTO executed VALUES ('view'); END",
    )


@corruption
def virtual_table(path: Path, chance: random.Random) -> None:
    module = chance.choice(["fts3(x)", "fts5(x)", "rtree(a, b, c)", "dbstat", "csv(filename='/etc/passwd')", "nothing", "pragma_database_list"])
    table = chance.choice(TABLES)
    define(path, table, f"CREATE VIRTUAL TABLE {table} USING {module}", rootpage=0)


@corruption
def generated_column(path: Path, chance: random.Random) -> None:
    """A column that runs a foreign expression for each row."""
    table, expression = chance.choice(["meta", "chunks", "work", "totals"]), chance.choice([SLOW, LARGE])
    column = {"meta": "value", "chunks": "labels", "work": "owner", "totals": "content"}[table]
    others = [name for name in COLUMNS[table].split(", ") if name != column]
    typed = [f"{name} INTEGER PRIMARY KEY" if name in ("first_id", "one", "first_chunk") else name for name in others]
    generated = f"{column} AS (CASE WHEN {expression} THEN NULL ELSE NULL END)"
    rebuild(path, table, f"CREATE TABLE {table} ({', '.join([*typed, generated])})", ", ".join(others))


@corruption
def check_that_runs(path: Path, chance: random.Random) -> None:
    table = chance.choice(TABLES)
    text = definition(path, table)
    at = text.rindex(")")
    define(path, table, f"{text[:at]}, CHECK ({chance.choice([SLOW, LARGE])} OR 1) {text[at:]}")


@corruption
def default_that_runs(path: Path, _: random.Random) -> None:
    text = definition(path, "chunks").replace("labels    BLOB", f"labels BLOB DEFAULT ({SLOW})")
    assert "DEFAULT" in text
    define(path, "chunks", text)


@corruption
def index_that_runs(path: Path, chance: random.Random) -> None:
    table, column = chance.choice([("chunks", "count"), ("work", "end_chunk"), ("totals", "records"), ("meta", "value"), ("labels", "is_text")])
    where = chance.choice(["", f" WHERE {column} IS NOT NULL"])
    # It is created while it is harmless, and then changed.
    sql(path, f"CREATE INDEX intruder ON {table} ({column}, abs(1)){where}")
    define(path, "intruder", f"CREATE INDEX intruder ON {table} ({column}, ({SLOW})){where}", kind="index")


@corruption
def index_that_lies(path: Path, chance: random.Random) -> None:
    table, columns = chance.choice([("totals", "one, records, content"), ("chunks", "count, content"), ("work", "end_chunk, owner")])
    sql(path, f"CREATE INDEX intruder ON {table} ({columns})")
    data, page = bytearray(path.read_bytes()), (root(path, "intruder") - 1) * PAGE_BYTES
    # An empty leaf of an index: nothing is found.
    data[page : page + 8] = struct.pack(">BHHHB", 10, 0, 0, 0, 0)
    path.write_bytes(data)


@corruption
def other_columns(path: Path, chance: random.Random) -> None:
    """A table of the same name with other types, orders, keys, more columns or fewer."""
    definitions = [
        f"({LOOSE_CHUNKS})",
        f"({LOOSE_CHUNKS}) WITHOUT ROWID",
        "(first_id TEXT PRIMARY KEY, count, checksum, content, circuits, unitaries, labels)",
        "(labels, unitaries, circuits, content, checksum, count, first_id INTEGER PRIMARY KEY)",
        f"({LOOSE_CHUNKS}, more)",
        f"({COLUMNS['chunks']})",
    ]
    rebuild(path, "chunks", f"CREATE TABLE chunks {chance.choice(definitions)}")


@corruption
def wrong_types(path: Path, chance: random.Random) -> None:
    rebuild(path, "chunks", f"CREATE TABLE chunks ({LOOSE_CHUNKS})")
    column = chance.choice(["count", "checksum", "content", "circuits", "unitaries", "labels"])
    value = chance.choice(["'text'", "1.5", "NULL", "7", "x''", "x'00'", "zeroblob(1000000)", "9e999"])
    sql(path, f"UPDATE chunks SET {column} = {value} WHERE first_id = 0")


@corruption
def wrong_types_elsewhere(path: Path, chance: random.Random) -> None:
    """Other tables than `chunks` with values of other types."""
    statements: dict[str, tuple[str, str, list[str]]] = {
        "totals": ("CREATE TABLE totals (one INTEGER PRIMARY KEY, records, content)", "UPDATE totals SET {} = {}", ["records", "content"]),
        "work": ("CREATE TABLE work (first_chunk INTEGER PRIMARY KEY, end_chunk, owner)",
                 "INSERT INTO work (first_chunk, end_chunk) VALUES (0, 5) ON CONFLICT DO UPDATE SET {} = {}", ["end_chunk", "owner"]),
        "meta": ("CREATE TABLE meta (key, value)", "UPDATE meta SET {} = {}", ["value", "key"]),
    }  # fmt: skip
    table, (text, update, columns) = chance.choice(list(statements.items()))
    rebuild(path, table, text)
    value = chance.choice(["'text'", "1.5", "NULL", "-7", "x'ff'", "CAST(x'ff' AS TEXT)", "9223372036854775807"])
    sql(path, update.format(chance.choice(columns), value))


@corruption
def other_root(path: Path, chance: random.Random) -> None:
    roots = values(path, "SELECT rootpage FROM sqlite_schema WHERE rootpage")
    table = chance.choice(TABLES)
    define(path, table, definition(path, table), rootpage=chance.choice([*roots, 0, 1, 2, 999999, -5]))


@corruption
def broken_schema(path: Path, chance: random.Random) -> None:
    table = chance.choice(TABLES)
    text = chance.choice(["", "CREATE TABLE", "SELECT 1", "CREATE TABLE x (y)", "CREATE TABLE " + table + " AS SELECT 1",
                          f"CREATE TABLE {table} (" + "(" * 5000, f"CREATE TABLE {table} (a" + ", a" * 100 + ")"])  # fmt: skip
    define(path, table, text)


@corruption
def schema_of_many_tables(path: Path, _: random.Random) -> None:
    sql(path, *[f"CREATE TABLE t{number} (a, b, c)" for number in range(500)])


@corruption
def other_encoding(path: Path, chance: random.Random) -> None:
    """Copy tables and rows into a database of another page size and encoding."""
    other = path.with_name("other")
    source, target = sqlite3.connect(path), sqlite3.connect(other)
    target.execute(f"PRAGMA page_size = {chance.choice([512, 4096, 65536])}")
    target.execute(f"PRAGMA encoding = '{chance.choice(['UTF-8', 'UTF-16le', 'UTF-16be'])}'")
    target.execute(f"PRAGMA auto_vacuum = {chance.choice([0, 1, 2])}")
    target.execute("PRAGMA ignore_check_constraints = ON")
    for (text,) in source.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"):
        target.execute(text)
    for table, columns in COLUMNS.items():
        marks = ", ".join("?" * len(columns.split(", ")))
        target.executemany(f"INSERT INTO {table} VALUES ({marks})", source.execute(f"SELECT {columns} FROM {table}"))
    target.execute("PRAGMA application_id = 0x51727073")
    target.execute("PRAGMA user_version = 1")
    target.commit()
    target.close()
    source.close()
    other.replace(path)
