"""The sandbox of hostile files: commands and Python code with little memory and time."""

import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from built import QORPUS as COMMAND
import qorpus

#: Commands on hostile files take milliseconds, but the machine may be loaded.
TIMEOUT_SECONDS = 20
#: The address space and the memory of a process; a good corpus of this size takes a tenth.
ADDRESS_BYTES = 2 << 30
RESIDENT_BYTES = 400 << 20
#: The most characters of a message.
MESSAGE_LENGTH = 4000


class Misbehaviour(Exception):
    """A failure of a command."""


def limit() -> None:
    """Limit this process's memory, and write no core file."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def is_sentence(text: str) -> bool:
    """Return whether a message is of reasonable length and has no control characters."""
    return len(text) <= MESSAGE_LENGTH and all(c.isprintable() or c in "\n\t" for c in text)


def run(directory: Path, *arguments: object, program: str | Path = COMMAND, failure: str = "error: ") -> tuple[int, str]:
    """Run a command in the directory, or another program whose messages begin with `failure`; return its
    status and output."""
    process = subprocess.Popen(
        [program, *map(str, arguments)], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=limit, env={"PATH": os.environ["PATH"], "HOME": str(directory), "RUST_BACKTRACE": "0"},
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Misbehaviour(f"hangs for {TIMEOUT_SECONDS} s") from None
    message, status = err.decode(errors="replace"), process.returncode
    if status < 0 or "panicked" in message or "memory allocation" in message:
        raise Misbehaviour(f"status {status}: {message[-2000:]}")
    if status not in (0, 1, 2) or (status != 0 and not out and not message.lower().startswith(failure)):
        raise Misbehaviour(f"status {status} with no error: {message[-2000:]}")
    if not is_sentence(message):
        raise Misbehaviour(f"a message that is not a sentence, {len(message)} long: {message[:200]!r}")
    return status, out.decode(errors="replace")


def in_a_child(act: Callable[[], None]) -> None:
    """Run Python code in a process of its own, which may fail only with errors of the library."""
    sys.stdout.flush()
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        status = 9
        try:
            os.close(reading)
            limit()
            signal.alarm(TIMEOUT_SECONDS)
            text = ""
            try:
                act()
                status = 0
            except (qorpus.Error, ValueError, IndexError, OSError) as error:
                status = 0 if is_sentence(str(error)) else 8
                text = "" if status == 0 else f"a message that is not a sentence: {str(error)[:200]!r}"
            except Misbehaviour as error:
                text = str(error)
            except BaseException:
                text = traceback.format_exc()
            os.write(writing, text.encode(errors="replace")[-3000:])
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode()
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        kind = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "failed"
        raise Misbehaviour(f"Python {kind}: {text}")
    if usage.ru_maxrss * 1024 > RESIDENT_BYTES:
        raise Misbehaviour(f"Python took {usage.ru_maxrss >> 10} MiB")
