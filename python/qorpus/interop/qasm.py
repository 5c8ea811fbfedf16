"""Programs in OpenQASM 2 and 3, as Qiskit reads them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from itertools import pairwise
from traceback import walk_tb
from typing import Any

from qorpus.errors import InvalidArgument, WrongType
from qorpus.interop.imported import Choice, Imported, Taken
from qorpus.interop.library import asking, described, library, message, reason
from qorpus.interop.qiskit import take

#: Functions that Qiskit's older reader accepted in addition to those of OpenQASM 2.
_FUNCTIONS = {"asin", "acos", "atan"}

#: The tokens of OpenQASM 2 that distinguish names of gates from everything else, without comments.
_TOKENS = re.compile(r'//[^\n]*|("[^"\n]*"|\'[^\'\n]*\'|[A-Za-z_]\w*|[^\s\w])')


def from_qasm2(
    text: str, *, ignore_phase: bool = False, final_measurements: Choice = "refuse", idle_qubits: Choice = "refuse"
) -> Imported:
    """Convert an OpenQASM 2 program to letters. Qubits are numbered through all registers.

    Qiskit reads the program. Definitions of gates in the program take precedence. Gates of newer
    versions of `qelib1.inc`, such as `swap`, `p` and `rzz`, are Qiskit's.

    Args:
        text: the program. It may include no file other than `qelib1.inc`.
        ignore_phase: whether a global phase that letters cannot express is dropped; otherwise it is
            refused.
        final_measurements: "drop" leaves out measurements that no gate on the same qubit follows.
            "refuse" raises an error for them.
        idle_qubits: "drop" leaves out qubits without letters, and numbers the others from 0 in
            their order. The circuit may then have any number of qubits, of which at most 16 have
            letters.

    Returns:
        The letters, a tuple of strings.

    Raises:
        qorpus.MissingLibrary: Qiskit is not installed.
        qorpus.InvalidArgument: the text is not OpenQASM 2, or letters cannot express something in
            it.
        qorpus.WrongType: `text` is not a string.

    Examples:
        >>> program = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; h q[0]; cx q[0], q[1];'
        >>> qorpus.from_qasm2(program)
        ('h 0', 'cx 0 1')
    """
    qasm2 = library("qiskit.qasm2", "from_qasm2", "Qiskit", "qiskit")
    text = _text(text, "from_qasm2", 2)
    taken = Taken(final_measurements, idle_qubits)
    # Definitions are evaluated, and fail, on demand.
    with _reading("OpenQASM 2"):
        take(taken, _loaded(qasm2, text))
    return taken.letters(ignore_phase)


def from_qasm3(
    text: str, *, ignore_phase: bool = False, final_measurements: Choice = "refuse", idle_qubits: Choice = "refuse"
) -> Imported:
    """Convert an OpenQASM 3 program to letters. Qubits are numbered through all registers.

    Qiskit reads the program.

    Args:
        text: the program.
        ignore_phase: whether a global phase that letters cannot express is dropped; otherwise it is
            refused.
        final_measurements: "drop" leaves out measurements that no gate on the same qubit follows.
            "refuse" raises an error for them.
        idle_qubits: "drop" leaves out qubits without letters, and numbers the others from 0 in
            their order. The circuit may then have any number of qubits, of which at most 16 have
            letters.

    Returns:
        The letters, a tuple of strings.

    Raises:
        qorpus.MissingLibrary: Qiskit or qiskit-qasm3-import is not installed.
        qorpus.InvalidArgument: the text is not OpenQASM 3, or letters cannot express something in
            it.
        qorpus.WrongType: `text` is not a string.

    Examples:
        >>> program = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; h q[0]; ctrl @ z q[0], q[1];'
        >>> qorpus.from_qasm3(program)
        ('h 0', 'cz 0 1')
    """
    library("qiskit_qasm3_import", "from_qasm3", "Qiskit's importer", "qiskit qiskit-qasm3-import")
    qasm3 = library("qiskit.qasm3", "from_qasm3", "Qiskit", "qiskit")
    text = _text(text, "from_qasm3", 3)
    taken = Taken(final_measurements, idle_qubits)
    with _reading("OpenQASM 3"):
        take(taken, qasm3.loads(text))
    return taken.letters(ignore_phase)


def _loaded(qasm2: Any, text: str) -> Any:
    """Read the text strictly, or else with the gates that newer versions of `qelib1.inc` add."""
    words = [match.group(1) for match in _TOKENS.finditer(text) if match.group(1)]
    own = {name for word, name in pairwise(words) if word in ("gate", "opaque", "qreg", "creg")}
    # OpenQASM's identity, which Qiskit would read as a rotation by 0.
    custom = [gate for gate in qasm2.LEGACY_CUSTOM_INSTRUCTIONS if gate.name == "id" and "id" not in own]
    try:
        return qasm2.loads(text, include_path=(), custom_instructions=custom)
    except qasm2.QASM2ParseError:
        applied, called = _applied(words), {word for word, after in pairwise(words) if after == "("}
        custom += [gate for gate in qasm2.LEGACY_CUSTOM_INSTRUCTIONS if gate.builtin and gate.name in applied - own]
        functions = [qasm2.CustomClassical(name, 1, getattr(math, name)) for name in _FUNCTIONS & called - own]
        return qasm2.loads(text, include_path=(), custom_instructions=custom, custom_classical=functions)


def _applied(words: list[str]) -> set[str]:
    """Return the names of applied gates, which begin a statement after the `include`."""
    includes = ([word, name.strip("\"'")] == ["include", "qelib1.inc"] for word, name in pairwise(words))
    after = words[next((at for at, include in enumerate(includes) if include), len(words)) :]
    return {word for before, word in pairwise(after) if before in (";", "{", "}", ")")}


def _text(text: object, function: str, version: int) -> str:
    """Return the program without a byte order mark; refuse anything that is not a program."""
    language, other = f"OpenQASM {version}", 5 - version
    if hasattr(text, "read_text"):
        raise WrongType(f"{function} takes a program as a str, not a path; pass path.read_text()")
    if not isinstance(text, str):
        raise WrongType(f"{function} takes a program as a str, not {described(text)}")
    if not text.strip():
        raise InvalidArgument(f"the text is empty; pass a program in {language}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(
            f"the text is not {language}: character {error.start} is half of a surrogate pair, "
            "which UTF-8 cannot encode; read the file as UTF-8"
        ) from error
    line = text.strip()
    if line and "\n" not in line and ";" not in line and re.search(r"\.(qasm|inc|txt)\d?$|^(/|\.{1,2}/)", line):
        raise InvalidArgument(
            f"{line!r} is the path of a file, not {language}; pass the text of the file to {function}, for example "
            "pathlib.Path(path).read_text()"
        )
    if re.match(rf"\ufeff?(\s|//[^\n]*\n)*OPENQASM\s+{other}\b", text):
        raise InvalidArgument(f"the program declares OpenQASM {other}; pass it to from_qasm{other}")
    return text.removeprefix("\ufeff")


@contextmanager
def _reading(language: str) -> Iterator[None]:
    """Turn failures of a parser into errors that name the place."""
    # The parser of OpenQASM 3 only prints some reasons, on standard error.
    with redirect_stderr(StringIO()) as printed:
        with asking("Qiskit", f"the text as {language}", lambda error: _where(error, printed.getvalue())):
            yield


def _where(error: BaseException, printed: str) -> str:
    """Return the parser's reason, with the place at which it stopped unless it names it."""
    cause: Any = error
    while cause is not None:
        for found in (cause, *cause.args):
            token = getattr(found, "offendingToken", None)
            if token is not None and not message(error):
                stop = "end of the text" if token.text == "<EOF>" else f"'{token.text}'"
                said = re.sub(r"line \d+:\d+ ", "", " ".join(printed.split()))
                return f"line {token.line}, column {token.column + 1}: {said or f'unexpected {stop}'}"
        cause = cause.__cause__ or cause.__context__
    span = _span(error)
    place = f"line {span.start_line}, column {span.start_column + 1}: " if span else ""
    return place + reason(error)


def _span(error: BaseException) -> Any:
    """Return the place that Qiskit's importer was reading when something in Qiskit failed."""
    # The importer's own errors name the place.
    steps = [] if type(error).__name__.startswith(("Conversion", "QASM")) else list(walk_tb(error.__traceback__))
    spans = (getattr(frame.f_locals.get("node"), "span", None) for frame, _ in reversed(steps))
    return next((span for span in spans if span is not None), None)
