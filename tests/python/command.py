"""The real `qorpus` command, run as a person or a script would run it, and what it prints."""

import contextlib
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
# Cargo's directory. A relative path starts at the root of the repository, where scripts run.
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
QORPUS = Path(os.environ.get("QORPUS_BIN", TARGET / "release" / "qorpus")).resolve()

# No command of these tests takes seconds; a machine under load may still take long. It only ends
# what hangs.
PATIENCE = 240

# The terminal in which the tests run must not matter.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CLICOLOR_FORCE")}
ENVIRONMENT |= {"COLUMNS": "120"}


@contextlib.contextmanager
def described(variables):
    """Has commands and this process know some variables, as long as this lasts."""
    before = {name: (os.environ.get(name), ENVIRONMENT.get(name)) for name in variables}
    os.environ.update(variables)
    ENVIRONMENT.update(variables)
    try:
        yield
    finally:
        for name, values in before.items():
            for place, value in zip((os.environ, ENVIRONMENT), values, strict=True):
                if value is None:
                    place.pop(name, None)
                else:
                    place[name] = value


@dataclass
class Record:
    """One line of `show --json`."""

    id: int
    circuit: list[str]
    unitary: np.ndarray
    labels: dict


# The commands of a test that were started.
STARTED: list[subprocess.Popen] = []


def start(*arguments, **options) -> subprocess.Popen:
    """Starts `qorpus ARGUMENTS` and returns at once."""
    command = [str(QORPUS), *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    process = subprocess.Popen(command, text=True, env=ENVIRONMENT, **pipes, **options)
    STARTED.append(process)
    return process


def end_started():
    """Ends what a failed test has left, with its pipes: a later test would be blamed for them."""
    for process in STARTED:
        with process:
            process.kill()
    STARTED.clear()


def finish(process: subprocess.Popen, status: int | None = 0) -> subprocess.CompletedProcess:
    """Waits for a started command, which must end with `status` (None: any) and never panic."""
    try:
        stdout, stderr = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(f"{process.args} hangs; so far it said:\n{stdout}\n{stderr}") from None
    said = f"{' '.join(process.args)}\nexit status {process.returncode}\n{stdout[-2000:]}\n{stderr[-4000:]}"
    assert status is None or process.returncode == status, said
    assert "panicked" not in stderr and "RUST_BACKTRACE" not in stderr, said
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def complaints(result: subprocess.CompletedProcess) -> list[str]:
    """What a command said, but for waits for locks of others, which a busy machine makes long."""
    is_wait = re.compile(r": waiting for .*, which is held by ").search
    return [line for line in result.stderr.splitlines() if not is_wait(line)]


def qorpus(*arguments, status: int | None = 0, **options) -> subprocess.CompletedProcess:
    """Runs `qorpus ARGUMENTS` to its end."""
    return finish(start(*arguments, **options), status)


def generate(corpus, *recipe, **options) -> subprocess.CompletedProcess:
    """Makes a corpus; `recipe` is written as on the command line."""
    return qorpus("generate", corpus, *recipe, "--quiet", **options)


def info(corpus) -> dict:
    return json.loads(qorpus("info", corpus, "--json").stdout)


def content_hash(corpus) -> str:
    return info(corpus)["content_hash"]


def parse_records(text: str) -> list[Record]:
    """Parse the output of `show --json`: one object a line."""
    records = []
    for line in text.splitlines():
        fields = json.loads(line)
        parts = np.array(fields["unitary"], dtype=np.float64)
        unitary = parts[..., 0] + 1j * parts[..., 1]
        records.append(Record(fields["id"], fields["circuit"], unitary, fields["labels"]))
    return records


def show(corpus, ids, *options) -> list[Record]:
    """The records with these ids, asked for in batches that fit on a command line."""
    ids, records = list(ids), []
    for at in range(0, len(ids), 1000):
        batch = ids[at : at + 1000]
        records += parse_records(qorpus("show", corpus, *batch, "--json", *options).stdout)
    assert [record.id for record in records] == ids
    return records


def snapshot(directory: Path) -> dict[str, bytes]:
    """Every file below a directory and its bytes, to see that nothing was touched."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def companions(corpus: Path) -> list[str]:
    """The names of the files that stand beside a corpus and begin with its name: journals, logs,
    locks."""
    return sorted(path.name for path in corpus.parent.glob(f"{corpus.name}?*"))


def integrity(corpus) -> str:
    """Run the integrity check of Debian's `sqlite3` shell: every SQLite must find the file
    sound."""
    command = ["sqlite3", "-readonly", str(corpus), "pragma integrity_check"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
