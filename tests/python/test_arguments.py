"""Wrong arguments: whatever is passed wherever, what comes out is an exception of the package, and nothing is written."""

import inspect
import math
from fractions import Fraction

import numpy as np
import pytest
import qorpus
import qorpus.torch

RECIPE = {"gates": "h,t,cx", "qubits": 2, "random": 50, "length": (1, 5)}


class Odd:
    """Something that is nothing the package knows."""


class Failing:
    """Something that raises when it is converted."""

    def __index__(self):
        raise ValueError("mine")

    __float__ = __array__ = __iter__ = __fspath__ = __index__


def itself():
    """A list that holds itself."""
    values = []
    values.append(values)
    return values


def object_array():
    """An array without dimensions that holds itself."""
    array = np.empty((), object)
    array[()] = array
    return array


WRONG = {
    "None": None, "True": True, "float": 2.5, "nan": math.nan, "inf": math.inf, "complex": 1j, "negative": -7,
    "huge": 1 << 70, "more digits than Python prints": 10**5000, "minus huge": -(10**5000), "text": "no such thing",
    "empty": "", "surrogate": "\ud800", "zero byte": "\0", "bytes": b"h", "bytearray": bytearray(b"\1"), "list": [[1], [1, 2]],
    "itself": itself(), "dict": {"a": object()}, "keys": {1: 2}, "set": {"h", "t", "cx"}, "frozenset": frozenset([1, 2]),
    "object": Odd(), "failing": Failing(), "class": Odd, "function": len, "slice": slice("a", "b"), "step": slice(0, 5, 0),
    "range": range(10**30), "generator": (item for item in [object()]), "array": np.array(["a"]), "objects": object_array(),
    "structured": np.zeros(2, "i4,f8"), "dates": np.array(["2020-01-01"], "M8"), "fraction": Fraction(1, 3), "NumPy": np.float64(3),
}  # fmt: skip


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """What has methods, by name, and a directory for what must not be written."""
    directory = tmp_path_factory.mktemp("arguments")
    corpus = qorpus.generate(directory / "c.db", progress=False, **RECIPE)
    every = qorpus.distinct(directory / "d.db", gates="h,t", qubits=1, max_length=3, progress=False)
    split = corpus.split(train=0.5)["train"]
    writer = qorpus.Writer(directory / "w.db", gates=["h", "t", "cx"], qubits=2)
    yield {
        "qorpus": qorpus, "corpus": corpus, "every": every, "split": split, "writer": writer, "recipe": qorpus.Recipe(**RECIPE),
        "stream": corpus.stream(8), "tensors": corpus.torch(batch_size=8), "dataset": corpus.torch(), "rows": corpus.sql("select 1"),
        "directory": directory,
    }  # fmt: skip
    writer.close()


#: Calls that are right, by what they are of: positional and named arguments, each of which is replaced by all that is wrong.
CALLS = {
    "qorpus.generate": (["@c.db"], {"recipe": None, "jobs": 1, "part": (0, 1), "durability": "off", "shard": "1K", "stage": None,
                                    "progress": False, **RECIPE, "coupling": "all", "words": None, "seed": 0, "dtype": "complex128",
                                    "unitaries": True, "order": "big"}),
    "qorpus.Recipe": ([], {**RECIPE, "coupling": "all", "words": None, "seed": 0, "dtype": "complex128", "unitaries": True,
                           "order": "big"}),
    "qorpus.distinct": (["@d.db"], {"gates": "h,t", "qubits": 1, "coupling": "all", "max_length": 3, "cost": None, "max_cost": None,
                                    "up_to": "phase", "dtype": None, "memory": "1MiB", "jobs": 1, "durability": "off",
                                    "progress": False}),
    "qorpus.Writer": (["@w2.db"], {"gates": ["h"], "qubits": 1, "coupling": "all", "dtype": None, "unitaries": True,
                                   "tolerance": 1e-9, "durability": "off"}),
    "qorpus.open": (["@c.db"], {"order": "big"}),
    "qorpus.seal": (["@none/"], {}),
    "qorpus.to_qasm2": ([["h 0"], 1], {"matrices": {}}),
    "qorpus.to_qasm3": ([["h 0"], 1], {"matrices": {}}),
    "corpus.__getitem__": ([3], {}), "corpus.__getitems__": ([[3]], {}), "corpus.unitaries": ([[3]], {}),
    "corpus.circuits": ([[3]], {}), "corpus.letters_array": ([[3]], {}), "corpus.pairs": ([[3]], {}), "corpus.labels": ([[3]], {}),
    "corpus.index": (["record"], {"start": 0, "stop": 5}), "corpus.count": (["record"], {}),
    "corpus.sql": (["select ?"], {"parameters": [1]}),
    "corpus.split": ([], {"seed": 1, "train": 0.5}),
    "corpus.stream": ([8], {"shuffle": True, "window": 16, "seed": 1, "epoch": 0, "rank": 0, "world_size": 1, "drop_last": False,
                            "columns": ["labels"], "parts": False}),
    "corpus.torch": ([8], {"num_workers": 0, "multiprocessing_context": None, "longest": 9, "labels": False, "prefetch_factor": None,
                           "window": 16, "seed": 1, "epoch": 0, "rank": 0, "world_size": 1}),
    "every.find": (["h 0"], {"further": True}),
    "every.sample": ([], {"distance": 1, "n": 1, "seed": 0}),
    "split.__getitem__": ([3], {}), "split.__getitems__": ([[3]], {}), "split.ids": ([[3]], {}), "split.contains": ([[3]], {}),
    "split.unitaries": ([[3]], {}), "split.circuits": ([[3]], {}), "split.letters_array": ([[3]], {}), "split.pairs": ([[3]], {}),
    "split.labels": ([[3]], {}),
    "stream.batch": ([0], {}), "stream.ids": ([0], {}), "stream.set_epoch": ([0], {}), "stream.load_state_dict": (["state"], {}),
    "tensors.set_epoch": ([0], {}), "tensors.load_state_dict": (["state"], {}),
    "dataset.__getitem__": ([0], {}), "dataset.__getitems__": ([[0]], {}),
    "writer.append": ([["h 0"]], {"unitary": None, "label": 1}),
    "writer.extend": ([[["h 0"]]], {"unitaries": None, "label": [1]}),
}  # fmt: skip
ARGUMENTS = [(call, argument) for call, (given, named) in CALLS.items() for argument in [*range(len(given)), *named]]


def call(things, name, given, named):
    home, function = name.split(".")
    given = [things["directory"] / value[1:] if isinstance(value, str) and value.startswith("@") else value for value in given]
    return getattr(things[home], function)(*given, **named)


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS, ids=lambda value: str(value))
def test_a_wrong_argument(things, name, argument):
    """Whatever it is, it is taken, or refused by an exception of the package with a reason in words."""
    given, named = CALLS[name]
    for what, wrong in WRONG.items():
        if what == "None" or (name, argument) == ("corpus.stream", "window") and wrong is True:
            continue
        some = [wrong if argument == place else value for place, value in enumerate(given)]
        others = {key: wrong if argument == key else value for key, value in named.items()}
        if name in ("qorpus.generate", "qorpus.distinct") and argument == "random":
            continue
        try:
            call(things, name, some, others)
        except qorpus.Error as error:
            assert str(error).strip() and "object is not" not in str(error).split("\n")[0], (what, error)
        except BaseException as error:  # noqa: BLE001
            pytest.fail(f"{name}, {argument} is {what}: {type(error).__name__}: {str(error)[:200]}")
