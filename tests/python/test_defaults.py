"""Signatures show the engine's defaults.

Python, help(), the stub and the documentation repeat these defaults, so each is compared here.
`mypy.stubtest` compares the stub with the signatures of the native module.
"""

import inspect

import pytest
import qorpus
from qorpus import _qorpus

#: Options of a function with another default, or with one that depends on other options.
OTHERS = {("Recipe", "random"), ("Recipe", "seed"), ("Recipe", "length"), ("ray.generate", "jobs"), ("ray.make_shard", "jobs")}
OTHERS |= {(name, option) for name in ["Recipe", "distinct", "Writer"] for option in ["gates", "qubits", "coupling"]}

#: Functions and classes, and the name of their defaults in the engine.
SHOWN = {
    "Recipe": (qorpus.Recipe, "Recipe"),
    "generate": (qorpus.generate, "generate"),
    "distinct": (qorpus.distinct, "distinct"),
    "Writer": (qorpus.Writer, "Writer"),
    "ray.generate": (qorpus.ray.generate, "generate"),
    "ray.distinct": (qorpus.ray.distinct, "distinct"),
    "ray.make_shard": (qorpus.ray.make_shard, "generate"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_signatures_show_the_engines_defaults(name):
    function, engine = SHOWN[name]
    expected = _qorpus.defaults()[engine]
    shown = {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}
    compared = {option for option in shown.keys() & expected.keys() if (name, option) not in OTHERS}
    assert compared, shown
    assert {option: shown[option] for option in compared} == {option: expected[option] for option in compared}


def test_every_option_is_in_a_signature():
    for name in ["Recipe", "generate", "distinct", "Writer"]:
        shown = inspect.signature(SHOWN[name][0]).parameters
        assert _qorpus.defaults()[name].keys() - shown.keys() <= {"alone"}
    assert "alone" in inspect.signature(qorpus.ray.distinct).parameters


def test_documented_defaults():
    """The defaults of random circuits hold without `words`, those of an alphabet without `letters`, and
    that of lengths without `cliffords` and `haar`, so the signature shows None."""
    for name in ["Recipe", "distinct", "Writer"]:
        text, engine = " ".join(getattr(qorpus, name).__doc__.split()), _qorpus.defaults()[name]
        assert f"by default {engine['qubits']}, or" in text and f'by default "{engine["coupling"]}".' in text
        assert name == "Writer" or f'y default "{engine["gates"]}".' in text
    alphabet = {option: engine[option] for option in ["qubits", "coupling"]}
    assert qorpus.Recipe() == qorpus.Recipe(gates=_qorpus.defaults()["Recipe"]["gates"], **alphabet)
    engine = _qorpus.defaults()["Recipe"]
    text = " ".join(qorpus.Recipe.__doc__.split())
    assert f"by default {engine['random']:,}." in text and f"by default {engine['seed']}." in text
    assert f"by default {engine['length']}." in text
    assert qorpus.Recipe() == qorpus.Recipe(random=engine["random"], seed=engine["seed"], length=engine["length"])


def test_none_means_the_default():
    for qubits in (2, 4):
        assert qorpus.Recipe(qubits=qubits).json == _qorpus.recipe(qubits=qubits)
    given = dict.fromkeys(_qorpus.defaults()["Recipe"])
    assert qorpus.Recipe(**given) == qorpus.Recipe()
