"""Random kills: sixteen processes on one file are killed at random, one by one, and replaced."""

import random
from collections import Counter
from dataclasses import dataclass

import oracle
from jobs import Job
from ledger import ledgers
from outcome import Outcome, Summary, totalled
from process_server import Json, ProcessServer, Request

TITLE = "Random kills"
PROCESSES = 16
#: Large enough not to be finished before the last kill.
RECIPE: Json = {"random": 1_000_000, "length": [200, 300], "unitaries": False}
SMALL: Json = {"random": 40_000, "length": [200, 300], "unitaries": False}


@dataclass(frozen=True)
class Storm:
    appended: bool
    kills: int
    quick: bool
    seed: int


def tasks(quick: bool, seed: int) -> list[Storm]:
    kills, storms = (15, 1) if quick else (100, 10)
    return [Storm(appended, kills, quick, seed + storm) for storm in range(storms) for appended in (False, True)]


def work(storm: Storm) -> Outcome:
    chance, outcome = random.Random(f"{storm}"), Outcome()
    call = "append" if storm.appended else "generate"
    arguments = SMALL if storm.quick else RECIPE
    if storm.appended:
        arguments = {"count": 1000 if storm.quick else 4000, "batch": 50}
    with ProcessServer() as server:
        directory = server.directory()
        request = {"call": call, "arguments": arguments, "seed": chance.randrange(1 << 30)}
        request |= {"directory": str(directory), "processes": PROCESSES, "kills": storm.kills}
        (answer,) = server.succeed(Request("storm", request))
        if answer.json()["failed"]:
            outcome.failures.append(f"{storm}: {answer.output}")
        outcome.counts[f"among {PROCESSES} processes of {call}"] += answer.json()["killed"]
        acknowledged = ledgers(directory)
        # One more process finishes the job, undisturbed.
        last = arguments | {"corpus": f"{directory}/c.db", "ledger": f"{directory}/100000.ledger"}
        last |= {"process": 100_000} if storm.appended else {}
        job = Job(call, lambda *_: [], lambda *_: [Request(call, last)], appended=storm.appended)
        if storm.appended:
            # Processes that were not killed have appended everything; the corpus shows the others.
            found = oracle.final(server, directory, True)
            keys = [*found.keys, [100_000, 0, arguments["count"]]]
            expected = oracle.Final(found.records + arguments["count"], "", keys)
        else:
            other = server.directory("undisturbed")
            server.succeed(Request("generate", arguments | {"corpus": f"{other}/c.db", "ledger": "/dev/null"}))
            expected = oracle.final(server, other, False)
        sqlite_first = chance.random() < 0.5
        finding = oracle.examine(server, directory, job, acknowledged, expected, sqlite_first, storm.appended)
    outcome.failures += finding.failures(f"{storm}")
    return outcome


def summed(counts: Counter[str]) -> Summary:
    return totalled("kills", dict(sorted(counts.items())), "no process was killed")
