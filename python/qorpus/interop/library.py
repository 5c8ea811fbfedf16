"""Other libraries: imported on demand, and their failures as errors of Qorpus."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from qorpus.errors import Error, InvalidArgument, MissingLibrary, WrongType
from qorpus.interop.fragment import Refusal


def library(module: str, function: str, name: str, package: str) -> Any:
    """Import a module of a library, or raise an error with the command that installs it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingLibrary(f"{function} needs {name}; pip install {package}") from error


def expect(value: object, kind: type, function: str, name: str) -> None:
    """Refuse an argument that is not a circuit of the library."""
    if not isinstance(value, kind):
        raise WrongType(f"{function} takes a {name}, not {described(value)}")


def described(value: object) -> str:
    """Describe an object by its class, as in 'a list'."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def message(error: BaseException) -> str:
    """Return the text of an exception on one line, without the quotes that Qiskit adds."""
    return " ".join(str(getattr(error, "message", error)).split())


def reason(error: BaseException) -> str:
    """Return the message of an exception, or its class if it has none."""
    text, name = message(error), type(error).__name__
    if not text:
        return f"it raised {name} without a message"
    return text if name.startswith(("QASM", "Qiskit", "Circuit", "Conversion")) else f"{name}: {text}"


@contextmanager
def asking(name: str, about: str, explain: Callable[[BaseException], str] = reason) -> Iterator[None]:
    """Turn every exception of a library or of a user's gate into an error of Qorpus.

    A parser or a definition may raise anything, even a panic of Rust, so a list of classes would
    never be complete.
    """
    try:
        # Warnings of the library are about its own internals, such as the format of a sparse matrix.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Error:
        raise
    except Refusal as refusal:
        raise InvalidArgument(str(refusal)) from None
    except RecursionError as error:
        raise InvalidArgument(
            f"{about} nests definitions or expressions too deeply for Python's recursion limit; flatten it, or raise "
            "the limit with sys.setrecursionlimit"
        ) from error
    except Exception as error:
        raise InvalidArgument(f"{name} cannot read {about}: {explain(error)}") from error
    except BaseException as error:
        # The panic of a Rust library derives directly from BaseException.
        if type(error).__name__ != "PanicException":
            raise
        raise InvalidArgument(f"{name} cannot read {about}: it failed internally: {error}") from error
