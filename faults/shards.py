"""SIGKILL at every step of processes that make a directory of shards: what has a name is whole, and the rest is made."""

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import xxhash
from nursery import Json, Nursery, Request
from oracle import integrity
from shim import Fault

TITLE = "Kills while shards are published"
ACTIONS = ("kill-before", "kill-within", "kill-after")
#: Three shards of one or two chunks each: 13 chunks would be 13 times the same.
RECIPE = ("--random", "1200", "--shard", "500")
#: What runs at the same time. A stage is another directory, here of the same file system.
JOBS: dict[str, list[tuple[str, ...]]] = {
    "generate": [()],
    "generate, two processes": [(), ()],
    "generate --stage": [("--stage", "stage")],
    "generate --part, two processes": [("--part", "0/2"), ("--part", "1/2")],
}


@dataclass(frozen=True)
class Task:
    """Every `stride`-th step of a job, from `first` on."""

    job: str
    action: str
    first: int
    stride: int
    seed: int


def tasks(quick: bool, seed: int) -> list[Task]:
    stride = 29 if quick else 1
    return [
        Task(job, action, 1 + (place * stride // 3 if quick else place), stride, seed)
        for job in JOBS
        for place, action in enumerate(ACTIONS)
    ]


def command(*words: str) -> Request:
    return Request("binary", words=words)


def requests(directory: Path, job: str) -> list[Request]:
    def placed(word: str) -> str:
        return f"{directory}/stage" if word == "stage" else word

    return [
        command("generate", f"{directory}/big/", *RECIPE, *map(placed, options), "--quiet") for options in JOBS[job]
    ]


def begun(nursery: Nursery, name: str) -> Path:
    directory = nursery.directory(name)
    (directory / "stage").mkdir()
    return directory


def listed(big: Path) -> list[Json]:
    """What the manifest and the receipts say is there."""
    texts = [path.read_text() for path in big.glob("receipts/[0-9]*.json")]
    shards = [json.loads(text) for text in texts]
    if (big / "manifest.json").exists():
        shards += json.loads((big / "manifest.json").read_text())["shards"]
    return shards


def half_written(big: Path) -> str:
    """What has a name that is read and is not whole: looked at without Qorpus."""
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


def hash_of(nursery: Nursery, big: Path) -> str:
    """Of a corpus that Qorpus calls complete and clean."""
    for words in (("seal", str(big)), ("verify", str(big), "--quiet")):
        (answer,) = nursery.run(command(*words))
        if answer.status != 0:
            return f"{words[0]}: {answer}"
    (answer,) = nursery.run(command("info", str(big), "--json"))
    return str(json.loads(answer.output)["content_hash"])


def work(task: Task) -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with Nursery() as nursery:
        undisturbed = begun(nursery, "undisturbed")
        (answer,) = nursery.run(*requests(undisturbed, "generate"))
        assert answer.status == 0, answer
        expected, step, missed = hash_of(nursery, undisturbed / "big"), task.first, 0
        assert len(expected) == 32, expected
        # How many steps there are is not the same each time.
        while missed < 3:
            directory, fault = begun(nursery, "observed"), Fault(step, task.action)
            environment = nursery.observed(directory).environment(fault)
            answers = nursery.run(*requests(directory, task.job), environment=environment)
            killed = sum(answer.status == -9 for answer in answers)
            missed = 0 if killed else missed + 1
            counts[task.job] += killed
            where, big = f"{task.job}, {fault}", directory / "big"
            if wrong := [answer for answer in answers if answer.status not in (0, -9)]:
                failures.append(f"{where}: a process that was not killed: {wrong[0]}")
            if found := half_written(big):
                failures.append(f"{where}: {found}")
            for answer in nursery.run(*requests(directory, task.job)):
                if answer.status != 0:
                    failures.append(f"{where}: run again: {answer}")
            if (found := hash_of(nursery, big)) != expected:
                failures.append(f"{where}: at the end {found}")
            left = [path.name for path in [*big.iterdir(), *(directory / "stage").iterdir()] if is_left(path)]
            if left:
                failures.append(f"{where}: left at the end: {', '.join(sorted(left))}")
            step += task.stride
    return counts, failures


def is_left(path: Path) -> bool:
    """Whether it is neither a shard, nor what a sealed directory has, nor a lock that is free."""
    names = {"manifest.json", "manifest.json-lock", "receipts"}
    return not (path.name in names or path.name.endswith("-claim") or (path.suffix == ".db" and path.name[0].isdigit()))


def summed(counts: Counter[str]) -> tuple[dict[str, int], list[str]]:
    shown = {"kills": sum(counts.values())} | {f"of {job}": counts[job] for job in JOBS if counts[job]}
    return shown, [] if shown["kills"] else ["control: nobody was killed"]
