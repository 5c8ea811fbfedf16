"""Exceptions. Each is an `Error`, and also the class that Python has for it, if there is one."""


class Error(Exception):
    """A failure; the text says what happened, where, and what to do."""


class InvalidArgument(Error, ValueError):
    """An argument that cannot be, such as an unknown gate or a record that a writer refuses."""


class WrongType(Error, TypeError):
    """An argument of a wrong type, such as a number for a circuit, or a set where order matters."""


class MissingRecord(Error, IndexError):
    """A record that is not there, or not made yet."""


class _SystemError(Error):
    # OSError would print its two arguments otherwise.
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class PermissionDenied(_SystemError, PermissionError):
    """A file or directory that the operating system forbids to read or write."""


class MissingFile(_SystemError, FileNotFoundError):
    """A file that is not there, or has no directory to be in."""


class MissingLibrary(Error, ImportError):
    """An optional library that is not installed; the text says how to install it."""


class TooManyRecords(Error, MemoryError):
    """More records at once than fit in memory; fewer at a time do."""


class QorpusWarning(Error, UserWarning):
    """A warning before a result is relied on, such as that a copy of a corpus lacks its WAL."""


# fmt: off
__all__ = [
    "Error", "InvalidArgument", "MissingFile", "MissingLibrary", "MissingRecord", "PermissionDenied", "QorpusWarning",
    "TooManyRecords", "WrongType",
]
# fmt: on
