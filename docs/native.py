"""Give mkdocstrings the facts about the package that its sources do not show.

* Docstrings of the native module are in the compiled module; its stub, `_qorpus.pyi`, has the
  signatures. A default that the stub writes as `...` is that of the compiled function.
* `__new__` is the constructor of many classes.
* `**options` that are typed by a `TypedDict` are shown and described one by one, with the defaults
  of the function that they are passed on to.
"""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import griffe

import qorpus._qorpus

#: For each dictionary of options the function or class that has them as arguments and describes
#: them. Those that pass options on themselves come after their own owners.
OWNERS = {
    "RecipeOptions": "recipe.Recipe",
    "OrderOptions": "stream.Stream",
    "StreamOptions": "stream.Stream",
    "LoadingOptions": "torch.Stream",
    "DistinctOptions": "_jobs.distinct",
}


class Native(griffe.Extension):
    """Makes the package look as if all of it were written in Python, with each option in place."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **_: Any) -> None:
        """Complete a package that griffe has read."""
        document(pkg["_qorpus"], qorpus._qorpus, loader)
        documented = list(walk(pkg))
        for one in documented:
            if one.is_class:
                construct(one)
        for one in [*map(pkg.__getitem__, OWNERS.values()), *documented]:
            unpack(one, pkg)


def walk(parent: griffe.Module | griffe.Class) -> Iterator[Any]:
    """Yield the classes and functions below a module or class."""
    for member in parent.members.values():
        if member.is_alias:
            continue
        if member.is_class or member.is_function:
            yield member
        if member.is_class or member.is_module:
            yield from walk(member)


def document(stub: griffe.Module | griffe.Class, native: Any, loader: griffe.GriffeLoader) -> None:
    """Give members of the stub the docstrings and defaults of the native module."""
    for name, member in stub.members.items():
        if member.is_alias:
            continue
        if member.is_function:
            complete(member, native if name == "__new__" else vars(native).get(name))
        docstring = inspect.getdoc(vars(native).get(name))
        if docstring and not name.startswith("__"):
            member.docstring = griffe.Docstring(
                docstring, parent=member, parser=loader.docstring_parser, parser_options=loader.docstring_options
            )
            if member.is_class:
                document(member, getattr(native, name), loader)


def complete(function: griffe.Function, native: Any) -> None:
    """Replace defaults that the stub writes as `...` by those of the native function."""
    unknown = [parameter for parameter in function.parameters if parameter.default == "..."]
    known = inspect.signature(native).parameters if unknown else {}
    for parameter in unknown:
        parameter.default = repr(known[parameter.name].default)


def construct(one: griffe.Class) -> None:
    """Show the arguments of `__new__` as those of the class."""
    if "__new__" in one.members and "__init__" not in one.members:
        one.set_member("__init__", one.members["__new__"])
        one.members["__init__"].name = "__init__"
        one.del_member("__new__")


def function_of(documented: Any) -> griffe.Function | None:
    """Return a function, or the constructor of a class."""
    found = documented.members.get("__init__") if documented.is_class else documented
    return found if found is not None and found.is_function else None


def unpack(documented: Any, pkg: griffe.Module) -> None:
    """Show and describe the options that a function or class takes as `**options: Unpack[...]`."""
    function = function_of(documented)
    if function is None:
        return
    for each in [function, *(function.overloads or ())]:
        for parameter in list(each.parameters):
            found = re.search(r"\bUnpack\[(?:\w+\.)*(\w+)\]", str(parameter.annotation))
            if not found or found[1] not in OWNERS:
                continue
            owner = pkg[OWNERS[found[1]]]
            options = list(option_names(found[1], pkg))
            del each.parameters[parameter.name]
            for known in list(function_of(owner).parameters):
                if known.name in options and known.name not in each.parameters:
                    keyword = griffe.ParameterKind.keyword_only
                    option = griffe.Parameter(known.name, annotation=known.annotation, kind=keyword, default=known.default)
                    each.parameters.add(option)
            if each is function and documented.docstring:
                describe(documented.docstring, parameter.name, owner.docstring.value, options)


def option_names(dictionary: str, pkg: griffe.Module) -> Iterator[str]:
    """Yield the keys of a dictionary of options, those of the one it extends first."""
    (found,) = [one for one in walk(pkg) if one.is_class and one.name == dictionary]
    for base in found.bases:
        if str(base) in OWNERS:
            yield from option_names(str(base), pkg)
    yield from found.attributes


def describe(docstring: griffe.Docstring, parameter: str, owner: str, options: list[str]) -> None:
    """Replace the description of `**options` by those of the options in the docstring `owner`."""
    described = descriptions(owner)
    entries = "".join(text for name, text in described.items() if name in options)
    text = docstring.value + "\n"
    docstring.value = text.replace(descriptions(text).get(f"**{parameter}", "\0"), entries)


def descriptions(docstring: str) -> dict[str, str]:
    """Return the lines that describe each argument in a docstring."""
    section = re.search(r"^Args:\n((?: {4}.*\n|\n)*)", docstring + "\n", re.MULTILINE)
    entries = re.finditer(r"^ {4}(\*{0,2}\w+):.*\n(?: {5,}.*\n)*", section[1] if section else "", re.MULTILINE)
    return {entry[1]: entry[0] for entry in entries}
