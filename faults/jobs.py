"""What is disturbed: small jobs that create, commit, check the log in, resume, merge and finish."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nursery import Json, Nursery, Request
from shim import Fault

#: 13 chunks, committed in five or six groups.
RECIPE = {"random": 3000}
FLAGS = ("--random", "3000")
#: A recipe whose log grows beyond the size from which it is written back, 32 MiB, and is begun anew: 86 MB.
LONG = {"random": 300, "qubits": 7, "gates": "h,t,cx", "length": [1, 3]}
APPENDED = 600
#: Records between two flushes, so of one commit.
BATCH = 100


@dataclass(frozen=True)
class Job:
    """Processes that run at the same time on `c.db` in one directory, and how it is finished after a fault."""

    name: str
    requests: Callable[[Nursery, Path, str], list[Request]]
    resume: Callable[[Nursery, Path], list[Request]]
    appended: bool = False
    #: What is in the directory before.
    prepare: Callable[[Nursery, Path], None] = lambda nursery, directory: None
    durabilities: tuple[str, ...] = ("full", "normal", "off")
    #: Whether a power cut takes long to simulate.
    is_long: bool = False


def generate(directory: Path, number: int, durability: str = "full", recipe: Json | None = None) -> Request:
    arguments = {"corpus": f"{directory}/c.db", "ledger": f"{directory}/{number}.ledger", "durability": durability}
    return Request("generate", arguments | (recipe or RECIPE))


def append(directory: Path, process: int, durability: str = "full") -> Request:
    arguments = {"corpus": f"{directory}/c.db", "ledger": f"{directory}/{process}.ledger", "durability": durability}
    return Request("append", arguments | {"process": process, "count": APPENDED, "batch": BATCH})


def command(*words: str) -> Request:
    return Request("binary", words=words)


def killed_half_way(nursery: Nursery, directory: Path) -> None:
    """A corpus whose maker was killed at the end of a commit, before its journal was put out of force."""
    observed = nursery.observed(directory)
    fault = Fault(58, "kill-before")
    (answer,) = nursery.run(generate(directory, 0), environment=observed.environment(fault))
    assert answer.status == -9, answer


def inputs(nursery: Nursery) -> list[str]:
    """Two corpora which together have all records; they lie elsewhere."""
    directory = nursery.root / "inputs"
    if not directory.exists():
        directory.mkdir()
        for part in range(2):
            flags = ("--part", f"{part}/2", "--quiet")
            (answer,) = nursery.run(command("generate", f"{directory}/{part}.db", *FLAGS, *flags))
            assert answer.status == 0, answer
    return [f"{directory}/{part}.db" for part in range(2)]


def merge(nursery: Nursery, directory: Path) -> list[Request]:
    return [command("merge", f"{directory}/c.db", *inputs(nursery), "--quiet")]


JOBS = [
    Job(
        "generate",
        lambda _, directory, durability: [generate(directory, 0, durability)],
        lambda _, directory: [generate(directory, 9)],
    ),
    Job(
        "generate, the command",
        lambda _, directory, durability: [
            command("generate", f"{directory}/c.db", *FLAGS, "--quiet", "--durability", durability)
        ],
        lambda _, directory: [generate(directory, 9)],
    ),
    Job(
        "generate, two processes",
        lambda _, directory, durability: [generate(directory, number, durability) for number in range(2)],
        lambda _, directory: [generate(directory, 9)],
    ),
    Job(
        "generate, resumed after a kill",
        lambda _, directory, durability: [generate(directory, 1, durability)],
        lambda _, directory: [generate(directory, 9)],
        prepare=killed_half_way,
    ),
    Job(
        "generate, two processes, the log written back",
        lambda _, directory, durability: [generate(directory, number, durability, LONG) for number in range(2)],
        lambda _, directory: [generate(directory, 9, recipe=LONG)],
        is_long=True,
    ),
    Job(
        "Writer",
        lambda _, directory, durability: [append(directory, 0, durability)],
        lambda _, directory: [append(directory, 0)],
        appended=True,
    ),
    Job(
        "Writer and reader",
        lambda _, directory, durability: [
            append(directory, 0, durability),
            Request("read_along", {"corpus": f"{directory}/c.db", "records": APPENDED}),
        ],
        lambda _, directory: [append(directory, 0)],
        appended=True,
    ),
    Job(
        "Writers, three processes",
        lambda _, directory, durability: [append(directory, process, durability) for process in range(3)],
        lambda _, directory: [append(directory, process) for process in range(3)],
        appended=True,
    ),
    Job(
        "merge",
        lambda nursery, directory, _: merge(nursery, directory),
        lambda _, directory: [generate(directory, 9)],
        durabilities=("full",),
    ),
]
