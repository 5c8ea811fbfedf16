"""What mkdocstrings cannot see by itself: the docstrings of native classes, and constructors that are `__new__`.

Signatures of the native module come from its stub, `_qorpus.pyi`; its docstrings are in the compiled module.
"""

import inspect
from typing import Any

import griffe

import qorpus._qorpus


class Native(griffe.Extension):
    """Makes the native module look as if it were written in Python."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **_: Any) -> None:
        """What griffe calls when it has read a package."""
        document(pkg["_qorpus"], qorpus._qorpus, loader)
        for module in pkg.modules.values():
            for one in module.classes.values():
                construct(one)


def document(stub: griffe.Module | griffe.Class, native: Any, loader: griffe.GriffeLoader) -> None:
    """Gives what the stub declares the docstrings of the native module."""
    for name, member in stub.members.items():
        docstring = inspect.getdoc(vars(native).get(name))
        if docstring and not member.is_alias and not name.startswith("__"):
            member.docstring = griffe.Docstring(
                docstring, parent=member, parser=loader.docstring_parser, parser_options=loader.docstring_options
            )
            if member.is_class:
                document(member, getattr(native, name), loader)


def construct(one: griffe.Class | griffe.Alias) -> None:
    """Shows the arguments of `__new__` as those of the class."""
    if not one.is_alias and "__new__" in one.members and "__init__" not in one.members:
        one.set_member("__init__", one.members["__new__"])
        one.members["__init__"].name = "__init__"
        one.del_member("__new__")
