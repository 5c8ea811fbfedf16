"""Exceptions of the package.

Each is an `Error`, and also the built-in exception of its kind, if Python has one.
"""


class Error(Exception):
    """The base class of the package's exceptions.

    The text says what happened, where, and what to do next.

    Examples:
        >>> try:
        ...     qorpus.open("missing.db")
        ... except qorpus.Error as error:
        ...     print(type(error).__name__)
        MissingFile
    """


class InvalidArgument(Error, ValueError):
    """An argument with an invalid value, such as an unknown gate or a record that a writer refuses.

    Examples:
        >>> qorpus.Recipe(order="middle")
        Traceback (most recent call last):
        qorpus.errors.InvalidArgument: order is 'middle'; it must be 'big' or 'little'
    """


class WrongType(Error, TypeError):
    """An argument of the wrong type, such as a number for a circuit, or a set where order matters.

    Examples:
        >>> qorpus.Recipe(gates={"h", "t"})
        Traceback (most recent call last):
        qorpus.errors.WrongType: the order of gates matters...
    """


class MissingRecord(Error, IndexError):
    """A record that does not exist, or is not generated yet.

    Examples:
        >>> qorpus.Recipe(random=1000)[1000]
        Traceback (most recent call last):
        qorpus.errors.MissingRecord: there is no record 1000...
    """


class _SystemError(Error):
    # OSError would print its arguments as an errno and a text.
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class PermissionDenied(_SystemError, PermissionError):
    """A file or directory that the operating system does not permit to read or write."""


class MissingFile(_SystemError, FileNotFoundError):
    """A file that does not exist, or whose directory does not exist.

    Examples:
        >>> qorpus.open("missing.db")
        Traceback (most recent call last):
        qorpus.errors.MissingFile: ...missing.db does not exist...
    """


class MissingLibrary(Error, ImportError):
    """An optional library that is not installed. The text has the command that installs it."""


class TooManyRecords(Error, MemoryError):
    """More records at once than fit in memory. Read fewer at a time.

    Examples:
        >>> qorpus.Recipe(random=10**15).unitaries(slice(None))
        Traceback (most recent call last):
        qorpus.errors.TooManyRecords: ...
    """


class QorpusWarning(Error, UserWarning):
    """A warning about a result before you rely on it, such as a corpus copied without its WAL."""


# fmt: off
__all__ = [
    "Error", "InvalidArgument", "MissingFile", "MissingLibrary", "MissingRecord", "PermissionDenied", "QorpusWarning",
    "TooManyRecords", "WrongType",
]
# fmt: on
