"""Corruptions of rows: totals, chunks, claims, labels, metadata and the recipe that are wrong."""

import hashlib
import json
import random
from pathlib import Path

from corruptions.registry import CORRUPTIONS, corruption, sql, values

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
