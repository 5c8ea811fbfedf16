"""Sixteen processes on one file, of which one after the other is killed at a random moment and replaced."""

import json
import random
from collections import Counter
from dataclasses import dataclass

import oracle
from jobs import Job
from nursery import Json, Nursery, Request
from oracle import WHOLE, End

TITLE = "Storms of kills"
PROCESSES = 16
#: Large enough that it is not over before they are killed.
RECIPE = {"random": 1_000_000, "length": [200, 300], "unitaries": False}
SMALL = {"random": 40_000, "length": [200, 300], "unitaries": False}


@dataclass(frozen=True)
class Task:
    appended: bool
    kills: int
    quick: bool
    seed: int


def tasks(quick: bool, seed: int) -> list[Task]:
    kills, storms = (15, 1) if quick else (100, 10)
    return [Task(appended, kills, quick, seed + storm) for storm in range(storms) for appended in (False, True)]


def work(task: Task) -> tuple[Counter[str], list[str]]:
    chance = random.Random(f"{task}")
    call = "append" if task.appended else "generate"
    arguments: Json = SMALL if task.quick else RECIPE
    if task.appended:
        arguments = {"count": 1000 if task.quick else 4000, "batch": 50}
    with Nursery() as nursery:
        directory = nursery.directory()
        place: Json = {"directory": str(directory), "processes": PROCESSES, "kills": task.kills}
        request = Request("storm", {"call": call, "arguments": arguments, "seed": chance.randrange(1 << 30)} | place)
        (answer,) = nursery.run(request)
        assert answer.status == 0, answer
        storm = json.loads(answer.output.splitlines()[-1])
        failures = [answer.output] if storm["failed"] else []
        told = oracle.ledgers(directory)
        # One more, to whom nothing happens.
        last: Json = {"corpus": f"{directory}/c.db", "ledger": f"{directory}/100000.ledger"}
        last |= {"process": 100_000} if task.appended else {}
        job = Job(call, lambda *_: [], lambda *_: [Request(call, arguments | last)], appended=task.appended)
        if not task.appended:
            other = {"corpus": f"{nursery.directory('undisturbed')}/c.db", "ledger": "/dev/null"}
            (answer,) = nursery.run(Request("generate", arguments | other))
            assert answer.status == 0, answer
            found = oracle.look(nursery, nursery.root / "undisturbed", job)
            end = End(found["records"], found["hash"], [])
        else:
            # Whoever was not killed has appended all; how far the others came only the corpus knows.
            found = oracle.look(nursery, directory, job)
            keys = [*found["keys"], [100_000, 0, arguments["count"]]]
            end = End(found["records"] + arguments["count"], "", keys)
        finding = oracle.examine(nursery, directory, job, told, end, chance.random() < 0.5, same_run=task.appended)
    if finding.state != WHOLE:
        failures.append(f"{finding.state}: {finding.reason}")
    counts = Counter({f"among {PROCESSES} processes of {call}": storm["killed"]})
    return counts, [f"{task}: {text}" for text in failures]


def summed(counts: Counter[str]) -> tuple[dict[str, int], list[str]]:
    shown = {"kills": sum(counts.values())} | dict(sorted(counts.items()))
    return shown, [] if shown["kills"] else ["control: nobody was killed"]
