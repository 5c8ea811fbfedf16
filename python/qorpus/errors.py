"""What can go wrong: every exception of this package is an `Error`, and where Python has a class for it, that too."""


class Error(Exception):
    """Something failed; the text says what happened, where, and what to do."""


class InvalidArgument(Error, ValueError):
    """An argument that cannot be, such as an unknown gate, or a record that a writer does not accept."""


class WrongType(Error, TypeError):
    """An argument of a type that cannot be meant, such as a number for a circuit, or a set where the order matters."""


class MissingRecord(Error, IndexError):
    """There is no record with this id, or it is not made yet."""


class MissingFile(Error, FileNotFoundError):
    """There is no such file, or no directory for it."""

    # OSError would print its two arguments otherwise.
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class MissingLibrary(Error, ImportError):
    """An optional library, such as PyTorch or pyarrow, is not installed; the text says how to install it."""


class TooManyRecords(Error, MemoryError):
    """So many records at once do not fit in memory; fewer at a time do."""


__all__ = [
    "Error",
    "InvalidArgument",
    "MissingFile",
    "MissingLibrary",
    "MissingRecord",
    "TooManyRecords",
    "WrongType",
]
