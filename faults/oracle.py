"""What is left of a corpus after a fault, held against the ledgers: by an SQLite of its own, and by Qorpus."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from jobs import Job
from nursery import Json, Nursery, Request

WHOLE, LOST, RUINED = "whole", "lost", "ruined"


@dataclass(frozen=True)
class Finding:
    """`whole`: all that was acknowledged is there. `lost`: the file is sound, but its last commits are missing.
    `ruined`: anything else."""

    state: str
    reason: str = ""


@dataclass(frozen=True)
class End:
    """How an undisturbed run ended."""

    records: int
    hash: str
    keys: list[list[int]]


def bound(text: str) -> int:
    """What a ledger says; a line that a dying process left without its end says nothing."""
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return int(lines[-1]) if lines else 0


def ledgers(directory: Path) -> dict[str, str]:
    """What processes that were not cut off from power have written down."""
    return {path.name: path.read_text() for path in directory.glob("*.ledger")}


def integrity(path: Path) -> str:
    """What another SQLite finds than the one that wrote; it rolls back or reads the log by itself."""
    if not path.exists():
        return "ok"
    connection = sqlite3.connect(path)
    try:
        return "; ".join(str(row[0]) for row in connection.execute("pragma integrity_check"))
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        connection.close()


def expanded(keys: list[list[int]]) -> list[tuple[int, int]]:
    return [(process, number) for process, first, end in keys for number in range(first, end)]


def look(nursery: Nursery, directory: Path, job: Job) -> Json:
    """How an undisturbed run has ended."""
    request = Request("examine", {"corpus": f"{directory}/c.db", "resume": None, "appended": job.appended})
    (answer,) = nursery.run(request)
    assert answer.status == 0, answer.output
    found: Json = json.loads(answer.output.splitlines()[-1])
    return found


def end(nursery: Nursery, job: Job) -> End:
    """How the job ends if nothing disturbs it."""
    directory = nursery.directory("undisturbed")
    job.prepare(nursery, directory)
    for answer in nursery.run(*job.requests(nursery, directory, "full")):
        assert answer.status == 0, answer.output
    found = look(nursery, directory, job)
    return End(found["records"], found["hash"], found["keys"])


def examine(
    nursery: Nursery,
    directory: Path,
    job: Job,
    told: dict[str, str],
    undisturbed: End,
    sqlite_first: bool,
    same_run: bool = False,
    untold: int = 0,
    may_leave_memory: bool = False,
) -> Finding:
    """Judges `c.db` in the directory by the ledgers' texts, and finishes the job.

    `sqlite_first`: whether the other SQLite is the first to open the file. `same_run`: whether `undisturbed` is the
    end of the very run whose remains these are; then records must be its first ones, and after them at most `untold` of one
    process, which was killed in that run: what it had written but told nobody of, the run wrote over, and a cut may keep.
    `may_leave_memory`: whether FILE-shm may stay
    beside the finished corpus.
    """
    path = directory / "c.db"
    if sqlite_first and (found := integrity(path)) != "ok":
        return Finding(RUINED, f"integrity_check: {found}")
    resume = [vars(request) for request in job.resume(nursery, directory)]
    request = Request("examine", {"corpus": str(path), "resume": resume, "appended": job.appended})
    (answer,) = nursery.run(request)
    if answer.status != 0:
        return Finding(RUINED, answer.output.strip())
    if (found := integrity(path)) != "ok":
        return Finding(RUINED, f"integrity_check at the end: {found}")
    result = json.loads(answer.output.splitlines()[-1])
    beside = sorted(other.name for other in directory.glob("c.db?*"))
    # Where the log's name was lost and that of its memory was not, nobody comes to remove it.
    if beside and not (may_leave_memory and beside == ["c.db-shm"]):
        return Finding(RUINED, f"left beside it at the end: {', '.join(beside)}")
    keys, run = expanded(result["keys"]), expanded(undisturbed.keys)
    common = next((place for place, (key, other) in enumerate(zip(keys, run, strict=False)) if key != other), len(run))
    rest = keys[common:]
    if same_run and rest and (len(rest) > untold or rest != [(rest[0][0], rest[0][1] + k) for k in range(len(rest))]):
        return Finding(RUINED, "its records are not the first ones of the run")
    if result["end"] != undisturbed.records:
        return Finding(RUINED, f"{result['end']} of {undisturbed.records} records at the end")
    if job.appended:
        alike = sorted(expanded(result["end_keys"])) == sorted(expanded(undisturbed.keys))
    else:
        alike = result["hash"] == undisturbed.hash
    if not alike:
        return Finding(RUINED, "the finished corpus is not that of an undisturbed run")
    for name, text in sorted(told.items()):
        said, number = bound(text), int(Path(name).stem)
        there = sum(process == number for process, _ in keys) if job.appended else result["records"]
        if there < said:
            return Finding(LOST, f"{name} says {said} records, {there} are there")
    return Finding(WHOLE)
