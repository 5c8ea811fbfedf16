"""Corruptions: functions that change a corpus file, or the files beside it, as an enemy would."""

import hashlib
import json
import os
import random
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAGE = 65536
Corruption = Callable[[Path, random.Random], None]

# Expressions that SQLite lets anyone write into a schema; all they can do is take time and memory.
SLOW = "(length(printf('%.*c', 60000000, 'x')) IS NULL)"
LARGE = "length(replace(hex(zeroblob(20000000)), '00', 'xxxx')) >= 0"
TABLES = ["meta", "chunks", "work", "totals", "labels"]
COLUMNS = {
    "meta": "key, value",
    "chunks": "first_id, count, checksum, content, circuits, unitaries, labels",
    "work": "first_chunk, end_chunk, owner",
    "totals": "one, records, content",
    "labels": "name, is_text",
}


CORRUPTIONS: dict[str, Corruption] = {}


def corruption(change: Corruption) -> Corruption:
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
    """Run statements with Python's SQLite, which believes everything."""
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
    return str(values(path, f"SELECT sql FROM sqlite_schema WHERE name = '{table}'")[0])


def root(path: Path, table: str) -> int:
    return int(values(path, f"SELECT rootpage FROM sqlite_schema WHERE name = '{table}'")[0])


def define(path: Path, table: str, text: str, kind: str = "table", **columns: int) -> None:
    """Put another text into the schema, and leave the pages as they are."""
    change = "".join(f", {name} = {value}" for name, value in columns.items())
    statement = (f"UPDATE sqlite_schema SET type = ?, sql = ?{change} WHERE name = ?", (kind, text, table))
    # A new schema cookie has the schema read again.
    sql(path, statement, "PRAGMA schema_version = 4711", schema=True)


def rebuilt(path: Path, table: str, text: str) -> None:
    """Replace a table by another one with the same rows."""
    sql(
        path,
        f"ALTER TABLE {table} RENAME TO before",
        text,
        f"INSERT INTO {table} ({COLUMNS[table]}) SELECT {COLUMNS[table]} FROM before",
        "DROP TABLE before",
    )


# Bytes ------------------------------------------------------------------------------------------


@corruption_of_bytes
def random_bytes(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 4, 64, 4096])):
        data[chance.randrange(len(data))] = chance.randrange(256)


@corruption_of_bytes
def random_header_bytes(data: bytearray, chance: random.Random) -> None:
    """The bytes that SQLite navigates by: where pages and their cells begin."""
    for _ in range(chance.choice([1, 3, 20])):
        page = chance.randrange(len(data) // PAGE)
        at = chance.randrange(100) if page == 0 and chance.random() < 0.5 else chance.randrange(40)
        data[page * PAGE + at] = chance.choice([0, 1, 5, 13, 0x7F, 0x80, 0xFF, chance.randrange(256)])


@corruption_of_bytes
def random_cell_bytes(data: bytearray, chance: random.Random) -> None:
    """The heads of rows: lengths, ids and kinds of columns."""
    for _ in range(chance.choice([1, 2, 6])):
        page = chance.randrange(1, len(data) // PAGE) * PAGE
        first = 12 if data[page] == 5 else 8
        (cells,) = struct.unpack_from(">H", data, page + 3)
        if cells == 0:
            continue
        (cell,) = struct.unpack_from(">H", data, page + first + 2 * chance.randrange(cells))
        data[min(len(data) - 1, page + cell + chance.randrange(24))] = chance.randrange(256)


@corruption
def swapped_pages(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    pages = [data[at : at + PAGE] for at in range(0, len(data), PAGE)]
    for _ in range(chance.choice([1, 1, 3])):
        a, b = chance.randrange(len(pages)), chance.randrange(len(pages))
        if chance.random() < 0.5:
            pages[a], pages[b] = pages[b], pages[a]
        else:
            pages[a] = pages[b]
    path.write_bytes(b"".join(pages))


@corruption_of_bytes
def zeroed_page(data: bytearray, chance: random.Random) -> None:
    page = chance.randrange(len(data) // PAGE) * PAGE
    data[page : page + PAGE] = bytes(PAGE) if chance.random() < 0.5 else chance.randbytes(PAGE)


@corruption
def truncated(path: Path, chance: random.Random) -> None:
    length = path.stat().st_size
    os.truncate(path, chance.choice([0, 1, 99, 511, 512, PAGE - 1, PAGE, length - PAGE, length - 1, chance.randrange(length)]))


@corruption
def lengthened(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(chance.randbytes(chance.choice([1, 512, PAGE, 3 * PAGE + 7])))


@corruption
def nothing_but_noise(path: Path, chance: random.Random) -> None:
    head = b"SQLite format 3\0" if chance.random() < 0.5 else b""
    path.write_bytes(head + chance.randbytes(chance.choice([10, 600, 2 * PAGE])))


@corruption_of_bytes
def other_header(data: bytearray, chance: random.Random) -> None:
    """The header: page sizes, format numbers, reserved bytes, encodings, modes, sizes."""
    at, value = chance.choice([
        (16, b"\x02\x00"), (16, b"\x10\x00"), (16, b"\x00\x00"), (18, b"\x02\x02"), (18, b"\x01\x02"), (18, b"\x09\x09"),
        (20, b"\x20"), (20, b"\xff"), (28, b"\xff\xff\xff\xff"), (28, b"\0\0\0\1"), (32, b"\0\0\0\2"), (36, b"\xff\xff\xff\xff"),
        (40, b"\0\0\0\0"), (44, b"\0\0\0\x09"), (52, b"\0\0\0\3"), (56, b"\0\0\0\2"), (56, b"\0\0\0\x77"), (60, b"\0\0\0\2"),
        (60, b"\xff\xff\xff\xff"), (68, b"\0\0\0\0"), (92, b"\xff\xff\xff\xff"),
    ])  # fmt: skip
    data[at : at + len(value)] = value


@corruption
def rows_that_share_their_bytes(path: Path, _: random.Random) -> None:
    """Forty rows of 40 MB that share their overflow pages: a file of 40 MB reads as 1.6 GB."""
    size = 40 << 20
    sql(path, "DELETE FROM chunks", ("INSERT INTO chunks VALUES (0, 4, 0, zeroblob(16), ?, NULL, NULL)", (bytes(size),)))
    data = bytearray(path.read_bytes())
    page = (root(path, "chunks") - 1) * PAGE
    (cell,) = struct.unpack_from(">H", data, page + 8)
    # Payload length and key are varints of four bytes and one; the rest is the same in each row.
    end = page + PAGE
    head, tail = bytes(data[page + cell : page + cell + 4]), bytes(data[page + cell + 5 : end])
    leaves = []
    for leaf in range(6):
        content, cells, at = bytearray(PAGE), [], PAGE
        for row in range(7):
            body = head + varint((leaf * 7 + row) * 4) + tail
            at -= len(body)
            content[at : at + len(body)] = body
            cells.append(at)
        content[0:8] = struct.pack(">BHHHB", 13, 0, len(cells), at, 0)
        content[8 : 8 + 2 * len(cells)] = struct.pack(f">{len(cells)}H", *cells)
        leaves.append(bytes(content))
    first = len(data) // PAGE + 1
    inner, at = bytearray(PAGE), PAGE
    pointers = []
    for leaf in range(5):
        body = struct.pack(">I", first + leaf) + varint((leaf * 7 + 6) * 4)
        at -= len(body)
        inner[at : at + len(body)] = body
        pointers.append(at)
    inner[0:12] = struct.pack(">BHHHBI", 5, 0, 5, at, 0, first + 5)
    inner[12 : 12 + 10] = struct.pack(">5H", *pointers)
    data[page:end] = inner
    data += b"".join(leaves)
    struct.pack_into(">I", data, 28, len(data) // PAGE)
    path.write_bytes(data)


def varint(value: int) -> bytes:
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))


# Schemas ----------------------------------------------------------------------------------------


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
    columns = [name for name in COLUMNS[table].split(", ") if name != column]
    sql(
        path,
        f"ALTER TABLE {table} RENAME TO before",
        f"CREATE TABLE {table} ({', '.join(name + (' INTEGER PRIMARY KEY' if name in ('first_id', 'one', 'first_chunk') else '') for name in columns)}, "
        f"{column} AS (CASE WHEN {expression} THEN NULL ELSE NULL END))",
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns)} FROM before",
        "DROP TABLE before",
    )


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
    # Made while it is harmless, then changed.
    sql(path, f"CREATE INDEX intruder ON {table} ({column}, abs(1)){where}")
    define(path, "intruder", f"CREATE INDEX intruder ON {table} ({column}, ({SLOW})){where}", kind="index")


@corruption
def index_that_lies(path: Path, chance: random.Random) -> None:
    table, columns = chance.choice([("totals", "one, records, content"), ("chunks", "count, content"), ("work", "end_chunk, owner")])
    sql(path, f"CREATE INDEX intruder ON {table} ({columns})")
    data, page = bytearray(path.read_bytes()), (root(path, "intruder") - 1) * PAGE
    # An empty leaf of an index: nothing is found.
    data[page : page + 8] = struct.pack(">BHHHB", 10, 0, 0, 0, 0)
    path.write_bytes(data)


@corruption
def other_columns(path: Path, chance: random.Random) -> None:
    """A table of the same name with other types, orders, keys, more columns or fewer."""
    sql_of = {
        "loose": "CREATE TABLE chunks (first_id INTEGER PRIMARY KEY, count, checksum, content, circuits, unitaries, labels)",
        "no rowid": "CREATE TABLE chunks (first_id INTEGER PRIMARY KEY, count, checksum, content, circuits, unitaries, labels) WITHOUT ROWID",
        "text key": "CREATE TABLE chunks (first_id TEXT PRIMARY KEY, count, checksum, content, circuits, unitaries, labels)",
        "order": "CREATE TABLE chunks (labels, unitaries, circuits, content, checksum, count, first_id INTEGER PRIMARY KEY)",
        "more": "CREATE TABLE chunks (first_id INTEGER PRIMARY KEY, count, checksum, content, circuits, unitaries, labels, more)",
        "no key": "CREATE TABLE chunks (first_id, count, checksum, content, circuits, unitaries, labels)",
    }
    rebuilt(path, "chunks", chance.choice(list(sql_of.values())))


@corruption
def wrong_types(path: Path, chance: random.Random) -> None:
    rebuilt(path, "chunks", "CREATE TABLE chunks (first_id INTEGER PRIMARY KEY, count, checksum, content, circuits, unitaries, labels)")
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
    rebuilt(path, table, text)
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
    """The same tables and rows in a database of another page size and encoding."""
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


# Rows -------------------------------------------------------------------------------------------

HUGE = 2**63 - 1


def rows(name: str, *choices: str) -> None:
    CORRUPTIONS[name] = lambda path, chance: sql(path, chance.choice(choices))


rows(
    "lying_totals",
    f"UPDATE totals SET records = {HUGE}",
    "UPDATE totals SET records = -1",
    "UPDATE totals SET records = 0",
    "UPDATE totals SET records = records + 1",
    "UPDATE totals SET content = zeroblob(16)",
    "UPDATE totals SET content = zeroblob(50000000)",
    "DELETE FROM totals",
    "INSERT INTO totals VALUES (2, 5, zeroblob(16))",
)
rows(
    "lying_chunks",
    f"UPDATE chunks SET count = {HUGE} WHERE first_id = 0",
    "UPDATE chunks SET count = 0",
    "UPDATE chunks SET count = -1",
    "UPDATE chunks SET count = count + 1",
    "UPDATE chunks SET circuits = zeroblob(60000000) WHERE first_id = 0",
    "UPDATE chunks SET unitaries = zeroblob(60000000) WHERE first_id = 0",
    "UPDATE chunks SET labels = zeroblob(60000000) WHERE first_id = 0",
    "UPDATE chunks SET circuits = zeroblob(100000000) WHERE first_id = 0",
    "INSERT OR REPLACE INTO chunks SELECT first_id + 1, count, checksum, content, circuits, unitaries, labels FROM chunks WHERE first_id = 0",
    f"INSERT INTO chunks SELECT {HUGE}, count, checksum, content, circuits, unitaries, labels FROM chunks WHERE first_id = 0",
    f"INSERT INTO chunks SELECT -{HUGE}, count, checksum, content, circuits, unitaries, labels FROM chunks WHERE first_id = 0",
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 200000) INSERT OR IGNORE INTO chunks "
    "SELECT i, 1, 0, zeroblob(16), x'', NULL, NULL FROM n",
    "DELETE FROM chunks WHERE first_id = 0",
    "DELETE FROM chunks",
    "UPDATE chunks SET (checksum, content, circuits, unitaries) = (SELECT checksum, content, circuits, unitaries FROM chunks "
    "ORDER BY first_id DESC LIMIT 1)",
)
rows(
    "lying_work",
    f"INSERT OR REPLACE INTO work VALUES (0, {HUGE}, NULL)",
    "INSERT OR REPLACE INTO work VALUES (0, 1, NULL)",
    "INSERT OR REPLACE INTO work VALUES (0, 1, 12345)",
    "INSERT OR REPLACE INTO work VALUES (0, 1, -1)",
    f"INSERT OR REPLACE INTO work VALUES (0, 2, {HUGE})",
    "INSERT OR REPLACE INTO work VALUES (-5, 1, NULL)",
    "INSERT OR REPLACE INTO work VALUES (5, 1, NULL)",
    "INSERT OR REPLACE INTO work VALUES (0, 2, NULL), (1, 2, 7), (-1, 3, NULL)",
    f"INSERT OR REPLACE INTO work VALUES (0, {HUGE}, NULL), (1, {HUGE}, 7), (2, {HUGE}, NULL)",
    "DELETE FROM work",
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 200000) INSERT OR REPLACE INTO work SELECT i, i + 1, NULL FROM n",
    f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 5000) INSERT OR REPLACE INTO work SELECT i, {HUGE}, 5 FROM n",
)


@corruption
def lying_labels(path: Path, chance: random.Random) -> None:
    names = [
        ['"; DROP TABLE x; --', "'", '""', "nul\0nul", "", " ", "\x1b[2J\x1b]0;owned\x07"],
        ["id", "ID", "Circuit", "unitary", "length", "count_h", "reward", "REWARD"],
        ["n" * 5_000_000],
        [f"label {number}" for number in range(1000)],
        ["\ud7ff\U0010ffff", "a, b, c) --", "rowid", "_rowid_", "hidden", "x HIDDEN"],
    ]
    values = [(name, chance.randrange(2)) for name in chance.choice(names)]
    sql(path, *[("INSERT OR REPLACE INTO labels VALUES (?, ?)", value) for value in values])
    if chance.random() < 0.3:
        sql(path, "UPDATE labels SET is_text = 7")


@corruption
def lying_meta(path: Path, chance: random.Random) -> None:
    value = chance.choice(["", "{", "null", "[" * 100_000, '{"a":' * 50_000, "\0", "9" * 1_000_000, "x" * 30_000_000])
    sql(path, ("UPDATE meta SET value = ? WHERE key = ?", (value, chance.choice(["recipe", "recipe", "recipe_hash", "gates", "about"]))))


@corruption
def other_recipe(path: Path, chance: random.Random) -> None:
    """Another recipe with the right hash: not the one that the chunks were made for."""
    recipe = json.loads(values(path, "SELECT value FROM meta WHERE key = 'recipe'")[0])
    long, many = "g" * 900_000, [{"opaque": f"g{number}"} for number in range(163)]
    change: dict[str, object] = chance.choice([
        {"chunk_records": 16384}, {"chunk_records": 4}, {"chunk_records": 0}, {"chunk_records": HUGE},
        {"space": {"random": {"records": 2**63, "seed": 2**64 - 1}}}, {"space": {"random": {"records": 2**62, "seed": 0}}, "unitaries": False},
        {"space": {"random": {"records": 0, "seed": 0}}}, {"space": "words", "length": [0, 62], "gates": ["h", "t"]},
        {"space": "words", "length": [0, 65535], "gates": ["h"]}, {"space": "appended", "length": [0, 65535]},
        {"length": [65535, 65535]}, {"length": [0, 65535]}, {"length": [9, 1]}, {"qubits": 8}, {"qubits": 0}, {"qubits": 2**40},
        {"gates": [{"opaque": long}], "space": "appended", "length": [0, 65535], "unitaries": True, "qubits": 8},
        {"gates": many, "space": "appended", "length": [0, 65535], "unitaries": True, "qubits": 8},
        {"gates": [{"name": long, "qubits": 1, "matrix": [[[1, 0], [0, 0]], [[0, 0], [1, 0]]]}], "qubits": 8},
        {"gates": ["rz(" + "-" * 100_000 + "1)"]}, {"gates": ["rz(" + "1+" * 400_000 + "1)"], "qubits": 8},
        {"gates": ["\x1b[2J\x1b]0;owned\x07"]}, {"coupling": "0-1," * 300_000 + "0-1", "qubits": 2}, {"coupling": "\x1b[2J"},
        {"dtype": "complex64"}, {"unitaries": not recipe["unitaries"]}, {"gates": []}, {"format_version": 2},
    ])  # fmt: skip
    if change.get("space") == "appended" and not change.get("gates"):
        change["unitaries"] = True
    text = json.dumps(recipe | change, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    sql(path, ("UPDATE meta SET value = ? WHERE key = 'recipe'", (text,)), ("UPDATE meta SET value = ? WHERE key = 'recipe_hash'", (digest,)))
    if chance.random() < 0.5:
        records = chance.choice([0, 1, 2**40, HUGE])
        sql(path, "DELETE FROM work", f"UPDATE totals SET records = {records}")


# Beside the file --------------------------------------------------------------------------------


def beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def journal_header(pages: int, records: int, nonce: int = 0) -> bytes:
    magic = bytes.fromhex("d9d505f920a163d7")
    return (magic + struct.pack(">IIIII", records, nonce, pages, 512, PAGE)).ljust(512, b"\0")


@corruption
def hot_journal(path: Path, chance: random.Random) -> None:
    """A journal as a killed writer leaves it, with foreign pages in the place of good ones."""
    data = path.read_bytes()
    pages, number = len(data) // PAGE, chance.randrange(len(data) // PAGE)
    content = chance.randbytes(PAGE) if chance.random() < 0.5 else data[:PAGE]
    check = sum(content[at] for at in range(PAGE - 200, 0, -200))
    record = struct.pack(">I", number + 1) + content + struct.pack(">I", check & 0xFFFFFFFF)
    beside(path, "-journal").write_bytes(journal_header(chance.choice([pages, 1, 0, 2**31]), 1) + record)


@corruption
def journal_that_names_a_file(path: Path, chance: random.Random) -> None:
    """A journal that names a super-journal, which SQLite removes: never the enemy's choice."""
    (precious := path.with_name("precious")).write_text("do not remove me")
    named = path.with_name("case.db-mj0123459AB") if chance.random() < 0.5 else precious
    if named != precious:
        named.write_bytes(os.fsencode(beside(path, "-journal")) + b"\0")
    name = os.fsencode(named)
    tail = struct.pack(">I", 2**30 // PAGE + 1) + name + struct.pack(">II", len(name), sum(name)) + bytes.fromhex("d9d505f920a163d7")
    beside(path, "-journal").write_bytes(journal_header(path.stat().st_size // PAGE, 0) + tail)


@corruption
def noise_beside(path: Path, chance: random.Random) -> None:
    for ending in ["-journal", "-wal", "-shm", "-lock"]:
        if chance.random() < 0.5:
            beside(path, ending).write_bytes(chance.randbytes(chance.choice([0, 1, 32, 600, 40_000])))


@corruption
def foreign_wal(path: Path, chance: random.Random) -> None:
    """The WAL of another database, each of its frames intact."""
    other = path.with_name("foreign")
    other.write_bytes(path.read_bytes())
    connection = sqlite3.connect(other, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for statement in ["DELETE FROM chunks", "UPDATE totals SET records = 77", "CREATE TABLE executed (what)"]:
        connection.execute(statement)
    beside(path, "-wal").write_bytes(beside(other, "-wal").read_bytes())
    if chance.random() < 0.5:
        beside(path, "-shm").write_bytes(beside(other, "-shm").read_bytes())
    connection.close()
    for name in path.parent.glob("foreign*"):
        name.unlink()
    if chance.random() < 0.5:
        data = bytearray(path.read_bytes())
        data[18:20] = b"\2\2"
        path.write_bytes(data)


@corruption
def links_beside(path: Path, chance: random.Random) -> None:
    """Links beside the file that lead to a file of the user's, to nowhere, or in a circle."""
    (precious := path.with_name("precious")).write_text("do not touch me")
    ending = chance.choice(["-lock", "-journal", "-wal", "-shm"])
    target = chance.choice([precious, path.with_name("nowhere"), beside(path, ending), path])
    beside(path, ending).symlink_to(target)


@corruption
def things_beside(path: Path, chance: random.Random) -> None:
    name = beside(path, chance.choice(["-lock", "-journal", "-wal", "-shm"]))
    if chance.random() < 0.5:
        name.mkdir()
    else:
        os.mkfifo(name)


@corruption
def not_a_file(path: Path, chance: random.Random) -> None:
    path.unlink()
    kind = chance.choice(["fifo", "circle", "directory", "zero", "nowhere"])
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "circle":
            path.symlink_to(path)
        case "directory":
            path.mkdir()
        case "zero":
            path.symlink_to("/dev/zero")
        case "nowhere":
            path.symlink_to(path.with_name("nowhere") / "else")


#: Every command refuses these before SQLite can run anything.
REFUSED = {
    "view_in_place_of_a_table", "view_with_triggers", "virtual_table", "generated_column", "check_that_runs",
    "default_that_runs", "index_that_runs", "index_that_lies", "other_columns", "wrong_types",
    "wrong_types_elsewhere", "broken_schema",
}  # fmt: skip
#: After these the file may honestly say something else than before, and records are not compared.
CONSISTENT = {"other_recipe"}
