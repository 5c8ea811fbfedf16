"""The oracle: checks a corpus after a fault against the ledgers, by two SQLites and Qorpus."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from jobs import Job
from ledger import bound
from process_server import ProcessServer, Request

WHOLE, LOST, RUINED = "whole", "lost", "ruined"


@dataclass(frozen=True)
class Finding:
    """The state of a corpus after a fault.

    `whole`: everything acknowledged is there. `lost`: the last commits are missing.
    `ruined`: anything else; the file may be unsound.
    """

    state: str
    reason: str = ""

    def failures(self, where: str, allowed: Collection[str] = (WHOLE,)) -> list[str]:
        return [] if self.state in allowed else [f"{where}: {self.state}: {self.reason}"]


@dataclass(frozen=True)
class Final:
    """A corpus at the end of a run. Keys are runs of records: process, first number, end."""

    records: int
    hash: str
    keys: list[list[int]]


def integrity(path: Path) -> str:
    """Return what Python's SQLite finds; it rolls back or recovers the WAL by itself."""
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


def examination(server: ProcessServer, directory: Path, job: Job) -> Request:
    """Return the request that verifies `c.db`, finishes the job, and verifies again."""
    resume = [vars(request) for request in job.resume(server, directory, "full")]
    return Request("examine", {"corpus": f"{directory}/c.db", "resume": resume, "appended": job.appended})


def final(server: ProcessServer, directory: Path, appended: bool) -> Final:
    """Verify a corpus that is finished, and return what it has."""
    arguments = {"corpus": f"{directory}/c.db", "resume": None, "appended": appended}
    found = server.ask(Request("examine", arguments))
    return Final(found["records"], found["hash"], found["keys"])


def undisturbed(server: ProcessServer, job: Job) -> Final:
    """Run the job without a fault."""
    directory = server.directory("undisturbed")
    job.prepare(server, directory)
    server.succeed(*job.requests(server, directory, "full"))
    return final(server, directory, job.appended)


def examine(
    server: ProcessServer,
    directory: Path,
    job: Job,
    acknowledged: dict[str, str],
    expected: Final,
    sqlite_first: bool,
    same_run: bool = False,
    unacknowledged: int = 0,
    may_leave_memory: bool = False,
) -> Finding:
    """Judge `c.db` by the texts of ledgers, and finish the job.

    `sqlite_first`: whether Python's SQLite is the first to open the file.
    `same_run`: whether `expected` is the end of the very run that left these files. Then records
    must be its first ones. After them may come at most `unacknowledged` records of one process that
    was killed in that run: the run wrote over its last commit, and a power cut may keep it.
    `may_leave_memory`: whether FILE-shm may stay beside the finished corpus.
    """
    path = directory / "c.db"
    if sqlite_first and (found := integrity(path)) != "ok":
        return Finding(RUINED, f"integrity_check: {found}")
    (answer,) = server.run(examination(server, directory, job))
    if answer.status != 0:
        return Finding(RUINED, answer.output.strip())
    if (found := integrity(path)) != "ok":
        return Finding(RUINED, f"integrity_check at the end: {found}")
    result = answer.json()
    beside = sorted(other.name for other in directory.glob("c.db?*"))
    # If the name of the WAL was lost and that of its index was not, the index stays.
    if beside and not (may_leave_memory and beside == ["c.db-shm"]):
        return Finding(RUINED, f"left beside it at the end: {', '.join(beside)}")
    keys, run = expanded(result["keys"]), expanded(expected.keys)
    common = next((place for place, (key, other) in enumerate(zip(keys, run, strict=False)) if key != other), len(run))
    rest = keys[common:]
    one_process = [(rest[0][0], rest[0][1] + number) for number in range(len(rest))] if rest else []
    if same_run and (len(rest) > unacknowledged or rest != one_process):
        return Finding(RUINED, "its records are not the first ones of the run")
    if result["end"] != expected.records:
        return Finding(RUINED, f"{result['end']} of {expected.records} records at the end")
    same_keys = sorted(expanded(result["end_keys"])) == sorted(run)
    if not (same_keys if job.appended else result["hash"] == expected.hash):
        return Finding(RUINED, "the finished corpus is not that of an undisturbed run")
    for name, text in sorted(acknowledged.items()):
        promised, number = bound(text), int(Path(name).stem)
        there = sum(process == number for process, _ in keys) if job.appended else result["records"]
        if there < promised:
            return Finding(LOST, f"{name} has {promised} records, and {there} are there")
    return Finding(WHOLE)
