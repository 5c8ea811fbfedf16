"""The jobs that are disturbed: they create, commit, checkpoint, resume, merge and finish."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from process_server import Answer, Json, ProcessServer, Request
from shim import Fault, Observed
from tracing import Trace

#: 13 chunks, committed in five or six groups.
RECIPE: Json = {"random": 3000}
FLAGS = ("--random", "3000")
#: The corpus before it grows, with six chunks.
SMALLER: Json = {"random": 1300}
#: 86 MB: the WAL outgrows 32 MiB, is checkpointed, and is reset in place.
LONG: Json = {"random": 300, "qubits": 7, "gates": "h,t,cx", "length": [1, 3]}
APPENDED = 600
#: Records between two flushes, which is a commit.
BATCH = 100

#: Requests of a job in a directory, with a durability.
Requests = Callable[[ProcessServer, Path, str], list[Request]]


@dataclass(frozen=True)
class Run:
    """A job that has run under the shim. The trace has the directory before it."""

    directory: Path
    observed: Observed
    trace: Trace
    answers: list[Answer]

    def killed(self) -> bool:
        return any(answer.status == -9 for answer in self.answers)


@dataclass(frozen=True)
class Job:
    """Processes that run at once on `c.db` in a directory, and those that resume after a fault."""

    name: str
    requests: Requests
    resume: Requests
    appended: bool = False
    #: Fills the directory before the job.
    prepare: Callable[[ProcessServer, Path], None] = lambda server, directory: None
    durabilities: tuple[str, ...] = ("full", "normal", "off")
    #: Whether a power cut takes long to simulate.
    is_long: bool = False

    def run(self, server: ProcessServer, fault: Fault | None = None, durability: str = "full", record: bool = False) -> Run:
        """Run the job once, with a fault or without, in a new directory."""
        directory = server.directory("recorded" if record else "observed")
        self.prepare(server, directory)
        observed, trace = server.observed(directory), Trace(directory)
        environment = observed.environment(fault, record)
        answers = server.run(*self.requests(server, directory, durability), environment=environment)
        return Run(directory, observed, trace, answers)


def generate(directory: Path, number: int, durability: str = "full", recipe: Json = RECIPE) -> Request:
    arguments = {"corpus": f"{directory}/c.db", "ledger": f"{directory}/{number}.ledger", "durability": durability}
    return Request("generate", arguments | recipe)


def append(directory: Path, process: int, durability: str = "full") -> Request:
    arguments = {"corpus": f"{directory}/c.db", "ledger": f"{directory}/{process}.ledger", "durability": durability}
    return Request("append", arguments | {"process": process, "count": APPENDED, "batch": BATCH})


def command(*words: str) -> Request:
    """Return a request for the `qorpus` command."""
    return Request("execute", words=words)


def generating(*numbers: int, recipe: Json = RECIPE) -> Requests:
    return lambda _, directory, durability: [generate(directory, number, durability, recipe) for number in numbers]


def appending(*processes: int) -> Requests:
    return lambda _, directory, durability: [append(directory, process, durability) for process in processes]


def resumed(recipe: Json = RECIPE) -> Requests:
    """Generate the rest, with a ledger that no process of the job has."""
    return lambda _, directory, __: [generate(directory, 9, recipe=recipe)]


def killed_half_way(server: ProcessServer, directory: Path) -> None:
    """Leave a corpus whose maker was killed at the end of a commit, with a hot journal."""
    environment = server.observed(directory).environment(Fault(58, "kill-before"))
    (answer,) = server.run(generate(directory, 0), environment=environment)
    assert answer.status == -9, answer


def smaller(server: ProcessServer, directory: Path) -> None:
    """Leave a smaller corpus of the recipe, whose last chunk is not full."""
    server.succeed(generate(directory, 8, recipe=SMALLER))


def merge(server: ProcessServer, directory: Path, _: str) -> list[Request]:
    """Merge two corpora that together have all records; they are made once, elsewhere."""
    inputs = [f"{server.root}/inputs/{part}.db" for part in range(2)]
    if not Path(inputs[0]).exists():
        server.directory("inputs")
        for part, path in enumerate(inputs):
            server.succeed(command("generate", path, *FLAGS, "--part", f"{part}/2", "--quiet"))
    return [command("merge", f"{directory}/c.db", *inputs, "--quiet")]


def by_command(_: ProcessServer, directory: Path, durability: str) -> list[Request]:
    return [command("generate", f"{directory}/c.db", *FLAGS, "--quiet", "--durability", durability)]


def append_and_read(_: ProcessServer, directory: Path, durability: str) -> list[Request]:
    reader = Request("read_along", {"corpus": f"{directory}/c.db", "records": APPENDED})
    return [append(directory, 0, durability), reader]


JOBS = [
    Job("generate", generating(0), resumed()),
    Job("generate, the command", by_command, resumed()),
    Job("generate, two processes", generating(0, 1), resumed()),
    Job("generate, resumed after a kill", generating(1), resumed(), prepare=killed_half_way),
    Job("generate, grown", generating(0), resumed(), prepare=smaller),
    Job("generate, grown by two processes", generating(0, 1), resumed(), prepare=smaller),
    Job("generate, two processes, the log written back", generating(0, 1, recipe=LONG), resumed(LONG), is_long=True),
    Job("Writer", appending(0), appending(0), appended=True),
    Job("Writer and reader", append_and_read, appending(0), appended=True),
    Job("Writers, three processes", appending(0, 1, 2), appending(0, 1, 2), appended=True),
    Job("merge", merge, resumed(), durabilities=("full",)),
]
#: The jobs by name; the first one is the simplest.
BY_NAME = {job.name: job for job in JOBS}
