"""Other libraries: imported when needed, and their failures as errors of Qorpus."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from qorpus.errors import Error, InvalidArgument, MissingLibrary, WrongType
from qorpus.interop.fragment import Refusal


def library(module: str, function: str, name: str, package: str) -> Any:
    """Import a module of a library, or say how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingLibrary(f"{function} needs {name}; pip install {package}") from error


def expect(value: object, kind: type, function: str, name: str) -> None:
    """Refuse an argument that is not the library's circuit."""
    if not isinstance(value, kind):
        raise WrongType(f"{function} takes a {name}, not {described(value)}")


def described(value: object) -> str:
    """Describe an object by its class, as in 'a list'."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def message(error: BaseException) -> str:
    """Return the text of an exception on one line. Qiskit's exceptions would print it in quotes."""
    return " ".join(str(getattr(error, "message", error)).split())


def reason(error: BaseException) -> str:
    """Return the reason that an exception gives, or its class if it gives none."""
    text, name = message(error), type(error).__name__
    if not text:
        return f"it raises {name} without a reason"
    return text if name.startswith(("QASM", "Qiskit", "Circuit", "Conversion")) else f"{name}: {text}"


@contextmanager
def asking(name: str, about: str, explain: Callable[[BaseException], str] = reason) -> Iterator[None]:
    """Turn every exception of a library or of a user's gate into an error of Qorpus.

    A parser or a definition may raise anything, panics of Rust included, so no list of classes
    would be complete.
    """
    try:
        # A library warns about its own affairs, such as the format of a sparse matrix.
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
        # The panic of a library in Rust derives from BaseException alone.
        if type(error).__name__ != "PanicException":
            raise
        raise InvalidArgument(f"{name} cannot read {about}: it failed inside: {error}") from error
