"""Docstrings of the package, native ones included, and their examples."""

import doctest
import importlib
import inspect
import pkgutil

import numpy
import qorpus
from run_page import OPTIONS


def docstrings():
    """Return every docstring of the package by the name of its object."""
    # The SQLite extension has the name of a module, but is none.
    others = {"qorpus.__main__", "qorpus.libqorpus_sqlite"}
    modules = [info.name for info in pkgutil.iter_modules(qorpus.__path__, "qorpus.") if info.name not in others]
    found = {}
    for module in map(importlib.import_module, ["qorpus", *modules]):
        found[module.__name__] = module.__doc__
        for name, thing in vars(module).items():
            home = str(getattr(thing, "__module__", ""))
            if home.split(".")[0] != "qorpus" or not (inspect.isclass(thing) or inspect.isroutine(thing)):
                continue
            found[f"{home}.{name}"] = thing.__doc__
            if inspect.isclass(thing):
                found |= {f"{home}.{name}.{member}": inspect.getdoc(value) for member, value in vars(thing).items()}
    return found


#: Docstrings with examples.
EXAMPLES = {name: text for name, text in docstrings().items() if text and ">>>" in text}


def run_examples(name):
    """Run the examples of a docstring in the current directory."""
    test = doctest.DocTestParser().get_doctest(EXAMPLES[name], {"qorpus": qorpus, "np": numpy}, name, None, 0)
    said = []
    assert doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=said.append).failed == 0, "".join(said)


def public():
    """Yield the qualified name and docstring of every public function, class and method, but not of
    exceptions."""
    import qorpus.gym
    import qorpus.torch

    for module in (qorpus, qorpus.ray, qorpus.torch, qorpus.gym):
        for name in getattr(module, "__all__", ("Dataset", "Stream")):
            thing = getattr(module, name)
            if inspect.isroutine(thing):
                yield f"{module.__name__}.{name}", inspect.getdoc(thing) or ""
            elif inspect.isclass(thing) and not issubclass(thing, Exception):
                yield f"{module.__name__}.{name}", inspect.getdoc(thing) or ""
                for base in thing.__mro__:
                    if base.__module__.split(".")[0] == "qorpus":
                        for member, value in vars(base).items():
                            if member[0] != "_" and (inspect.isroutine(value) or isinstance(value, classmethod)):
                                yield f"{base.__module__}.{base.__name__}.{member}", inspect.getdoc(value) or ""
