"""Wrong arguments: whatever is passed wherever, what comes out is an exception of the package, and
nothing is written."""

import faulthandler
import itertools
import math
import os
import warnings
from fractions import Fraction

import numpy as np
import pytest
import qorpus
import qorpus.gym
import qorpus.torch
import ray
from command import PATIENCE
from qorpus import _qorpus

RECIPE = {"gates": "h,t,cx", "qubits": 2, "random": 50, "length": (1, 5)}


class Started(Exception):
    """Stands for Ray, which would start now."""


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


def environments(every):
    """Return environments that have begun their episodes, by name."""
    envs = qorpus.gym.VectorEnv(2, targets=every, table=every)
    env, native = qorpus.gym.Env(targets=every), qorpus.gym.VectorEnv(2, gates="h,t", qubits=1)._native
    envs.reset()
    env.reset()
    native.reset()
    return {"envs": envs, "env": env, "environments": native}


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """Return objects with methods, by name, and a directory in which nothing must be written."""
    directory = tmp_path_factory.mktemp("arguments")
    corpus = qorpus.generate(directory / "c.db", progress=False, **RECIPE)
    every = qorpus.distinct(directory / "d.db", gates="h,t", qubits=1, max_length=3, progress=False)
    split = corpus.split(train=0.5)["train"]
    writer = qorpus.Writer(directory / "w.db", gates=["h", "t", "cx"], qubits=2)
    yield {
        "qorpus": qorpus, "corpus": corpus, "every": every, "split": split, "writer": writer, "recipe": qorpus.Recipe(**RECIPE),
        "stream": corpus.stream(8), "tensors": corpus.torch(batch_size=8), "dataset": corpus.torch(), "record": corpus[3], "records": type(corpus),
        "native": _qorpus, "permutation": _qorpus.Permutation(50, 1), "share": _qorpus.Split(0, 500, 1),
        "ray": qorpus.ray, "directory": directory, "gym": qorpus.gym, **environments(every),
    }  # fmt: skip
    writer.close()


#: Right calls by object, with positional and named arguments. Each is replaced by wrong ones.
CALLS = {
    "qorpus.generate": (["@c.db"], {"recipe": None, "jobs": 1, "part": (0, 1), "durability": "off", "shard": "1K", "stage": None,
                                    "progress": False, **RECIPE, "coupling": "all", "letters": None, "words": None, "seed": 0, "dtype": "complex128",
                                    "unitaries": True, "order": "big"}),
    "qorpus.Recipe": ([], {**RECIPE, "coupling": "all", "letters": None, "words": None, "seed": 0, "dtype": "complex128", "unitaries": True,
                           "order": "big"}),
    "qorpus.distinct": (["@d.db"], {"gates": "h,t", "qubits": 1, "coupling": "all", "letters": None, "max_length": 3, "cost": None, "max_cost": None,
                                    "up_to": "phase", "dtype": None, "memory": "1MiB", "jobs": 1, "durability": "off",
                                    "progress": False}),
    "qorpus.Writer": (["@w2.db"], {"gates": ["h"], "qubits": 1, "coupling": "all", "letters": None, "dtype": None, "unitaries": True,
                                   "tolerance": 1e-9, "durability": "off"}),
    "qorpus.open": (["@c.db"], {"order": "big"}),
    "qorpus.seal": (["@none/"], {}),
    "qorpus.to_qasm2": ([["h 0"], 1], {"matrices": {}}),
    "qorpus.to_qasm3": ([["h 0"], 1], {"matrices": {}}),
    "corpus.__getitem__": ([3], {}), "corpus.__getitems__": ([[3]], {}), "corpus.unitaries": ([[3]], {}),
    "corpus.circuits": ([[3]], {}), "corpus.letters_array": ([[3]], {}), "corpus.pairs": ([[3]], {}), "corpus.labels": ([[3]], {}),
    "corpus.index": (["record"], {"start": 0, "stop": 5}), "corpus.count": (["record"], {}), "corpus.__contains__": ([3], {}),
    "corpus.present": ([], {"ranges": [[0, 3]]}),
    "corpus.sql": (["select ?"], {"parameters": [1]}),
    "corpus.split": ([], {"by": "unitary", "seed": 1, "progress": False, "train": 0.5}),
    "corpus.stream": ([8], {"shuffle": True, "window": 16, "seed": 1, "epoch": 0, "rank": 0, "world_size": 1, "drop_last": False,
                            "columns": ["labels"], "real_imag": False}),
    "corpus.torch": ([8], {"num_workers": 0, "multiprocessing_context": None, "longest": 9, "labels": False, "prefetch_factor": None,
                           "window": 16, "seed": 1, "epoch": 0, "rank": 0, "world_size": 1}),
    "every.find": (["h 0"], {"further": True, "tolerance": None}),
    "every.find_many": ([["h 0"]], {"further": True, "tolerance": None}),
    "every.sample": ([], {"distance": 1, "n": 1, "seed": 0}),
    "split.__getitem__": ([3], {}), "split.__getitems__": ([[3]], {}), "split.ids": ([[3]], {}), "split.contains": ([[3]], {}),
    "split.unitaries": ([[3]], {}), "split.circuits": ([[3]], {}), "split.letters_array": ([[3]], {}), "split.pairs": ([[3]], {}),
    "split.labels": ([[3]], {}), "split.split": ([], {"by": "id", "seed": 1, "half": 0.5}), "split.stream": ([8], {"seed": 1}),
    "stream.batch": ([0], {}), "stream.ids": ([0], {}), "stream.set_epoch": ([0], {}), "stream.load_state_dict": (["state"], {}),
    "tensors.set_epoch": ([0], {}), "tensors.load_state_dict": (["state"], {}),
    "dataset.__getitem__": ([0], {}), "dataset.__getitems__": ([[0]], {}),
    "writer.append": ([["h 0"]], {"unitary": None, "label": 1}),
    "writer.extend": ([[["h 0"]]], {"unitaries": None, "label": [1]}),
    "qorpus.from_qasm2": (["OPENQASM 2.0; qreg q[1];"], {}), "qorpus.from_qasm3": (["OPENQASM 3.0; qubit[1] q;"], {}),
    "qorpus.from_qiskit": ([None], {}), "qorpus.from_cirq": ([None], {}), "qorpus.from_bqskit": ([None], {}),
    "record.__eq__": ([3], {}),
    "native.Record": ([3, ("h 0",), None, None, None], {}), "native.Records": ([], {"files": None, "recipe": None, "order": "big", "unsealed": None}),
    "native.Origin": (["{}", "big"], {}), "native.Permutation": ([5, 1], {}), "native.shuffled": ([5, 1], {}),
    "permutation.apply": ([np.arange(5)], {}), "permutation.place": ([3], {}),
    "native.Split": ([0, 500, 1], {}), "share.contains": ([np.arange(5)], {}), "share.count": ([5], {}),
    "share.ids": ([np.arange(5)], {}),
    "native.UnitaryParts": (["corpus", [(0, 500)], 1], {"among": [(0, 3)]}),
    "ray.generate": ([qorpus.Recipe(**RECIPE), "@r/"], {"jobs": 1, "shard": 10, "stage": None, "durability": "off",
                                                       "progress": False}),
    "ray.distinct": (["@rd.db"], {"gates": "h,t", "qubits": 1, "coupling": "all", "letters": None, "max_length": 3, "cost": None, "max_cost": None,
                                  "up_to": "phase", "dtype": None, "memory": "1MiB", "jobs": 1, "alone": 10, "durability": "off",
                                  "progress": False}),
    "ray.read": (["recipe"], {}),
    "gym.VectorEnv": ([2], {"gates": "h,t", "qubits": 1, "coupling": "all", "letters": None, "targets": 3, "distance": None, "max_steps": 4,
                            "observation": "unitary", "up_to": None, "tolerance": None, "costs": None, "bonus": 1, "rewards": None,
                            "table": None, "seed": 0, "first_env": 0, "autoreset_mode": "NextStep", "copy": True, "threads": 1}),
    "gym.Env": ([], {"gates": "h,t", "qubits": 1, "targets": 3}),
    "envs.reset": ([], {"seed": 1, "options": None}), "envs.step": ([[0, 1]], {}),
    "envs.set_targets": ([3], {"distance": None}), "envs.set_state": ([b""], {}),
    "env.reset": ([], {"seed": 1, "options": None}), "env.step": ([0], {}), "env.set_targets": ([3], {"distance": None}),
    "env.set_state": ([b""], {}),
    "native.Environments": ([2], {"gates": "h,t", "qubits": 1, "coupling": "all", "letters": None, "length": 3, "max_steps": 4,
                                  "observation": "unitary", "up_to": "phase", "tolerance": None, "costs": [1, 1], "bonus": 1, "table": None,
                                  "seed": 0, "first": 0, "threads": 1}),
    "environments.set_length": ([3], {}), "environments.reset": ([None, 1, None], {}), "environments.draw": ([None, 0, 3, 0], {}),
    "environments.step": ([np.zeros(2, int), None, np.zeros(2), np.zeros(2, bool), np.zeros(2, bool)], {}),
    "environments.observe": ([np.zeros((2, 2, 2, 2), np.float32)], {}), "environments.action_mask": ([np.zeros((2, 2), np.int8)], {}),
    "environments.distances": ([np.zeros(2, np.int32), np.zeros((2, 2), np.int8)], {}), "environments.set_state": ([b""], {}),
}  # fmt: skip
ARGUMENTS = [(call, argument) for call, (given, named) in CALLS.items() for argument in [*range(len(given)), *named]]


def call(things, name, given, named):
    home, function = name.split(".")
    given = [things["directory"] / value[1:] if isinstance(value, str) and value.startswith("@") else value for value in given]
    return getattr(things[home], function)(*given, **named)


@pytest.fixture(scope="module")
def terminal(request):
    """Standard error, which pytest takes away."""
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        copy = os.dup(2)
    yield copy
    os.close(copy)


@pytest.fixture(autouse=True)
def guarded(terminal, tmp_path, monkeypatch):
    """End a run that hangs, with its place; write in another directory; do not start Ray."""

    def start(*_, **__):
        raise Started

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ray, "init", start)
    monkeypatch.setattr(ray.data, "range", start)
    faulthandler.dump_traceback_later(PATIENCE, exit=True, file=terminal)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS, ids=lambda value: str(value))
def test_a_wrong_argument(things, name, argument):
    """Every argument is accepted, or refused by an exception of the package with a reason in
    words."""
    given, named = CALLS[name]
    for what, wrong in WRONG.items():
        some = [wrong if argument == place else value for place, value in enumerate(given)]
        others = {key: wrong if argument == key else value for key, value in named.items()}
        try:
            # Warnings of the package are exceptions, too; here they are not raised.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", qorpus.QorpusWarning)
                call(things, name, some, others)
        except Started:
            pass
        except qorpus.Error as error:
            assert str(error).strip() and "object is not" not in str(error).split("\n")[0], (what, error)
        except BaseException as error:  # noqa: BLE001
            pytest.fail(f"{name}, {argument} is {what}: {type(error).__name__}: {str(error)[:200]}")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("writer.append", lambda: [itertools.repeat("h 0")]),
        ("writer.append", lambda: [itertools.repeat(0)]),
        ("writer.extend", lambda: [[itertools.repeat(0)]]),
        ("writer.extend", lambda: [itertools.count()]),
        ("qorpus.Recipe", lambda: [itertools.repeat("h")]),
        ("qorpus.Recipe", lambda: [itertools.count()]),
        ("qorpus.Recipe", lambda: [["h", itertools.count()]]),
        ("qorpus.to_qasm2", lambda: [itertools.count(), 1]),
        ("corpus.sql", lambda: ["select 1", itertools.count()]),
        ("corpus.__getitems__", lambda: [itertools.count()]),
        ("every.find_many", lambda: [itertools.count()]),
    ],
)
def test_endless_iterators_are_refused(things, name, given):
    """No more elements of an endless iterator are read than a valid argument could have."""
    with pytest.raises(qorpus.Error):
        call(things, name, given(), {})


@pytest.mark.parametrize("ids", [{3}, frozenset([3]), {3: 4}, {3: 4}.keys(), {3: 4}.values(), b"\3", bytearray(b"\3")], ids=lambda value: type(value).__name__)
def test_arguments_that_are_not_ids(things, ids):
    """Bytes and objects without an order are not ids: of a corpus, a split, or a PyTorch
    dataset."""
    for home in ("corpus", "split", "dataset"):
        for name in ("__getitems__", "unitaries", "circuits", "labels", "letters_array", "pairs"):
            if callable(getattr(things[home], name, None)):
                with pytest.raises(qorpus.WrongType, match="pass a list|sequence|one dimension"):
                    getattr(things[home], name)(ids)


@pytest.mark.parametrize("none", [{"h 0", "t 1"}, frozenset(["h 0"]), {"h 0": 1}, {"h 0": 1}.keys(), {"h 0": 1}.items(), b"h 0",
                                  bytearray(b"\0\1"), memoryview(b"\0\1")], ids=lambda value: type(value).__name__)  # fmt: skip
def test_arguments_that_are_not_circuits(things, none):
    """A set has another order in each process, of a mapping only keys would be taken, and of bytes
    numbers."""
    before = things["writer"].flush()
    for name, given in [("writer.append", [none]), ("writer.append", [[none]]), ("writer.extend", [[none]]), ("writer.extend", [none]),
                        ("qorpus.to_qasm2", [none, 2]), ("qorpus.to_qasm3", [none, 2]), ("every.find_many", [none])]:  # fmt: skip
        with pytest.raises(qorpus.WrongType, match="pass a list|a letter must be a string or a number"):
            call(things, name, given, {})
    with pytest.raises(qorpus.Error):
        things["every"].find(none)
    assert things["writer"].flush() == before


@pytest.mark.parametrize("none", [{"h", "t"}, frozenset(["h"]), {"h": None}.keys(), {"h": None}.items(), b"h", bytearray(b"h"), {("h", None)}],
                         ids=lambda value: type(value).__name__)  # fmt: skip
def test_arguments_that_are_not_gates(things, none):
    """Gates are numbered in order: what has none is refused, however it is passed."""
    for name, given in [("qorpus.Recipe", []), ("qorpus.generate", ["@no.db"]), ("qorpus.distinct", ["@no.db"]),
                        ("qorpus.Writer", ["@no.db"])]:  # fmt: skip
        with pytest.raises(qorpus.WrongType, match="pass a list"):
            call(things, name, given, {"gates": none, "qubits": 1})
    assert not (things["directory"] / "no.db").exists()


@pytest.mark.parametrize("none", [{"0-1"}, {(0, 1)}, [(0, 1)], {0: 1}, {0: 1}.items(), b"0-1", bytearray(b"0-1")], ids=lambda value: type(value).__name__)
def test_arguments_that_are_not_couplings(things, none):
    """A coupling is a text: pairs in a set, which have no order, are not guessed at."""
    for name, given in [("qorpus.Recipe", []), ("qorpus.distinct", ["@no.db"]), ("qorpus.Writer", ["@no.db", "h", 2])]:
        with pytest.raises(qorpus.WrongType, match="coupling .* must be a string, not"):
            call(things, name, given, {"coupling": none})
    assert not (things["directory"] / "no.db").exists()
