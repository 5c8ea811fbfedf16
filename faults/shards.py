"""SIGKILL at every step of processes that make or grow a directory of shards: every named file is
whole."""

import json
import sqlite3
from collections import Counter
from pathlib import Path

import xxhash
from jobs import command
from oracle import integrity
from outcome import Outcome, Summary, totalled
from process_server import Json, ProcessServer, Request
from shim import Fault
from sweep import Sweep, kill_sweeps

TITLE = "Kills while shards are published"
#: Three shards of one or two chunks each: 13 chunks would be 13 times the same.
RECIPE = ("--random", "1200", "--shard", "500")
#: A full shard that stays, one that is replaced, and a new one.
SMALLER = ("--random", "900", "--shard", "500")
LARGER = ("--random", "1900", "--shard", "500")
#: Jobs that begin with the smaller corpus.
GROWN = ("generate, grown", "generate, grown by two processes")
#: Options of processes that run at once. The stage is a directory of the same file system.
JOBS: dict[str, list[tuple[str, ...]]] = {
    "generate": [()],
    "generate, two processes": [(), ()],
    "generate --stage": [("--stage", "stage")],
    "generate --part, two processes": [("--part", "0/2"), ("--part", "1/2")],
    "generate, grown": [()],
    "generate, grown by two processes": [(), ()],
}


def tasks(quick: bool, seed: int) -> list[Sweep]:
    return [sweep for job in JOBS for sweep in kill_sweeps(job, 29 if quick else 1, seed)]


def requests(directory: Path, job: str) -> list[Request]:
    def placed(word: str) -> str:
        return f"{directory}/stage" if word == "stage" else word

    recipe = LARGER if job in GROWN else RECIPE
    return [command("generate", f"{directory}/big/", *recipe, *map(placed, options), "--quiet") for options in JOBS[job]]


def begun(server: ProcessServer, name: str, job: str) -> Path:
    directory = server.directory(name)
    (directory / "stage").mkdir()
    if job in GROWN and name != "undisturbed":
        server.succeed(command("generate", f"{directory}/big/", *SMALLER, "--quiet"))
    return directory


def listed(big: Path) -> list[Json]:
    """Return the shards that the manifest and the receipts list."""
    texts = [path.read_text() for path in big.glob("receipts/[0-9]*.json")]
    shards = [json.loads(text) for text in texts]
    if (big / "manifest.json").exists():
        shards += json.loads((big / "manifest.json").read_text())["shards"]
    return shards


def half_written(big: Path) -> str:
    """Find, without Qorpus, a file that has the name of a finished one and is not whole."""
    for file in big.glob("[0-9]*.db"):
        first, end = map(int, file.stem.split("-"))
        if (found := integrity(file)) != "ok":
            return f"{file.name}: {found}"
        connection = sqlite3.connect(file)
        (records,) = connection.execute("select sum(count) from chunks").fetchone()
        connection.close()
        if records != end - first:
            return f"{file.name} has {records} records"
    for shard in listed(big):
        file = big / f"{shard['first_id']:012}-{shard['end_id']:012}.db"
        if not file.exists():
            return f"{file.name} is listed and missing"
        content = file.read_bytes()
        if (len(content), xxhash.xxh3_128_hexdigest(content)) != (shard["bytes"], shard["xxh128"]):
            return f"{file.name} is not the one that is listed"
    return ""


def hash_of(server: ProcessServer, big: Path) -> str:
    """Return the hash of a corpus that Qorpus reports as complete and sound, or its defects."""
    for words in (("seal", str(big)), ("verify", str(big), "--quiet")):
        (answer,) = server.run(command(*words))
        if answer.status != 0:
            return f"{words[0]}: {answer}"
    (answer,) = server.run(command("info", str(big), "--json"))
    return str(json.loads(answer.output)["content_hash"])


def work(sweep: Sweep) -> Outcome:
    outcome = Outcome()
    with ProcessServer() as server:
        undisturbed = begun(server, "undisturbed", sweep.job)
        server.succeed(*requests(undisturbed, GROWN[0] if sweep.job in GROWN else "generate"))
        expected = hash_of(server, undisturbed / "big")
        assert len(expected) == 32, expected

        def kill(fault: Fault) -> bool:
            directory, wrong = begun(server, "observed", sweep.job), []
            environment, big = server.observed(directory).environment(fault), directory / "big"
            answers = server.run(*requests(directory, sweep.job), environment=environment)
            is_killed = any(answer.status == -9 for answer in answers)
            outcome.counts[sweep.job] += is_killed
            if others := [answer for answer in answers if answer.status not in (0, -9)]:
                wrong.append(f"a process that was not killed: {others[0]}")
            if found := half_written(big):
                wrong.append(found)
            again = server.run(*requests(directory, sweep.job))
            wrong += [f"run again: {answer}" for answer in again if answer.status != 0]
            if (found := hash_of(server, big)) != expected:
                wrong.append(f"at the end {found}")
            names = {f"{shard['first_id']:012}-{shard['end_id']:012}.db" for shard in listed(big)}
            left = [path.name for path in [*big.iterdir(), *(directory / "stage").iterdir()] if is_left(path, names)]
            if left:
                wrong.append(f"left at the end: {', '.join(sorted(left))}")
            outcome.failures.extend(f"{sweep.job}, {fault}: {text}" for text in wrong)
            return is_killed

        sweep.run(3, kill)
    return outcome


def is_left(path: Path, shards: set[str]) -> bool:
    """Return whether a file is none of these shards, not part of a sealed directory, and not a free lock."""
    names = {"manifest.json", "manifest.json-lock", "receipts"} | shards
    return not (path.name in names or path.name.endswith("-claim"))


def summed(counts: Counter[str]) -> Summary:
    return totalled("kills", {f"of {job}": counts[job] for job in JOBS if counts[job]}, "no process was killed")
