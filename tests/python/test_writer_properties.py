"""Properties of a `qorpus.Writer`: whatever is accepted comes back, and whatever is wrong is refused."""

import contextlib
import tempfile
from pathlib import Path

import numpy as np
import qorpus
from appending import REFUSALS, unitary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

COUPLINGS = {1: ["all"], 2: ["all"], 3: ["all", "line", "ring", "0-2"]}
LABEL_VALUES = {
    "i": st.integers(-(1 << 63), (1 << 63) - 1),
    "r": st.floats(allow_nan=False),
    "t": st.text(max_size=8),
    "m": st.one_of(st.integers(-(1 << 53), 1 << 53), st.floats(allow_nan=False)),
}
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
SETTINGS = settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=SLOW)


@SETTINGS
@given(st.data())
def test_written_records_are_read_back(data):
    """Circuits, unitaries and labels come back to the bit, through any sequence of append, extend,
    flush and reopen."""
    qubits = data.draw(st.integers(1, 3))
    options = {
        "gates": data.draw(st.sampled_from([["h", "t", "magic"], ["h", "s", "cx"], ["u3(pi/7,1,2)", "cz", "sx"]])),
        "qubits": qubits,
        "coupling": data.draw(st.sampled_from(COUPLINGS[qubits])),
        "dtype": data.draw(st.sampled_from(["complex128", "complex64"])),
    }
    if qubits == 1:
        options["gates"] = [gate for gate in options["gates"] if gate not in ("cx", "cz")]
    options |= {"durability": "off", "check": "none"}
    expected = []
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as opened:
        path = Path(directory) / "c.db"
        writer = qorpus.Writer(path, **options)
        opened.callback(lambda: writer.close())
        letters = writer.letters
        numbers = st.lists(st.integers(0, len(letters) - 1), max_size=12)

        def draw_labels():
            names = data.draw(st.sets(st.sampled_from(list(LABEL_VALUES))))
            return {name: data.draw(LABEL_VALUES[name]) for name in names}

        def draw_unitary():
            return unitary(data.draw(st.integers(0, 99)), 2**qubits)

        for step in data.draw(st.lists(st.sampled_from("aaeefr"), max_size=12)):
            if step == "a":
                circuit, value, labels = data.draw(numbers), draw_unitary(), draw_labels()
                as_text = data.draw(st.booleans())
                writer.append("; ".join(letters[k] for k in circuit) if as_text else circuit, value, **labels)
                expected.append((circuit, value, labels))
            elif step == "e":
                circuits = data.draw(st.lists(numbers, max_size=4))
                values = [draw_unitary() for _ in circuits]
                names = data.draw(st.sets(st.sampled_from(list(LABEL_VALUES)))) if circuits else []
                columns = {name: [data.draw(LABEL_VALUES[name]) for _ in circuits] for name in names}
                shape = (len(circuits), 2**qubits, 2**qubits)
                writer.extend(circuits, np.array(values, dtype=complex).reshape(shape), **columns)
                rows = [{name: column[row] for name, column in columns.items()} for row in range(len(circuits))]
                expected += zip(circuits, values, rows)
            elif step == "f":
                assert writer.flush() <= len(expected)
                assert len(qorpus.open(path)) == len(expected)
            else:
                writer.close()
                again = options if data.draw(st.booleans()) else {"durability": "off", "check": "none"}
                writer = qorpus.Writer(path, **again)
        writer.close()
        corpus = qorpus.open(path)
        assert len(corpus) == len(expected)
        for record, (circuit, value, labels) in zip(corpus, expected):
            assert record.circuit == tuple(letters[k] for k in circuit)
            assert record.unitary.tobytes() == value.astype(options["dtype"]).tobytes()
            assert {name: record.labels[name] for name in LABEL_VALUES if name in record.labels} == labels


@SETTINGS
@given(st.integers(1, 3), st.data())
def test_unitaries_are_computed_as_the_recipe_computes_them(qubits, data):
    """An appended circuit has the unitary, to the bit, that the same circuit has in a computed
    corpus."""
    gates = ["h", "t", "sx"] if qubits == 1 else ["h", "t", "cx"]
    recipe = qorpus.Recipe(gates=gates, qubits=qubits, random=1000, length=(0, 20), seed=data.draw(st.integers(0, 99)))
    ids = data.draw(st.lists(st.integers(0, 999), max_size=20))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "c.db"
        with qorpus.Writer(path, gates=gates, qubits=qubits) as writer:
            writer.extend(recipe.circuits(ids))
        assert qorpus.open(path).unitaries(slice(None)).tobytes() == recipe.unitaries(ids).tobytes()
        assert qorpus.open(path).circuits(slice(None)) == recipe.circuits(ids)


class Hostile:
    """An object whose every question is answered by an exception."""

    def __getattr__(self, name):
        raise ValueError(name)

    def __iter__(self):
        raise ValueError("iter")

    def __len__(self):
        raise ValueError("len")

    def __index__(self):
        raise ValueError("index")

    def __float__(self):
        raise ValueError("float")

    def __array__(self, *arguments, **keywords):
        raise ValueError("array")

    def __str__(self):
        raise ValueError("str")

    __repr__ = object.__repr__


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([1 << 63, 1 << 64, -(1 << 63) - 1, 10**400, 65535, 65536]),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=5),
    st.sampled_from(["h", "h 0", "t;h", "cx 0 1", "rz(", "h()", "\ud800", "complex64", "full", "all", "0-1"]),
    st.binary(max_size=5),
    st.builds(object),
    st.builds(Hostile),
    st.sampled_from([int, len, Hostile, np, ..., np.float64, np.dtype("c8"), np.datetime64("nat")]),
    arrays.arrays(
        dtype=st.one_of(arrays.scalar_dtypes(), st.sampled_from([np.dtype(object), np.dtype("c16"), np.dtype("c32")])),
        shape=arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    ),
)
THINGS = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=3), inner, max_size=2),
        st.lists(inner, max_size=2).map(iter),
    ),
    max_leaves=5,
)


def refuses_or_not(call) -> bool:
    """Return whether the call was refused by the right exception, never by an abort or a panic."""
    try:
        call()
    except REFUSALS as error:
        assert "panic" not in type(error).__name__.lower() and "panicked" not in Hostile.__repr__(error)
        return True
    return False


@settings(SETTINGS, max_examples=300)
@given(THINGS, st.one_of(st.none(), THINGS), st.dictionaries(st.text(max_size=3), THINGS, max_size=2))
def test_wrong_arguments_of_append_and_extend(circuit, value, labels):
    """Any objects whatever are either accepted or refused by an exception that says so; a refusal
    leaves no trace."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "c.db"
        writer, accepted = qorpus.Writer(path, gates=["h", "t"], qubits=1, durability="off"), 0
        accepted += not refuses_or_not(lambda: writer.append(circuit, value, **labels))
        accepted += not refuses_or_not(lambda: writer.append("h", value, **labels))
        accepted += not refuses_or_not(lambda: writer.append("h", **labels))
        accepted += not refuses_or_not(lambda: writer.append(circuit))
        accepted += not refuses_or_not(lambda: writer.extend([circuit]))
        accepted += 2 * (not refuses_or_not(lambda: writer.extend(["h", "t"], value, **labels)))
        assert refuses_or_not(lambda: writer.extend(["h", circuit, "no such letter"], value, **labels))
        assert writer.flush() == accepted
        writer.close()
        assert len(list(qorpus.open(path))) == accepted


OPTION_NAMES = ["gates", "qubits", "coupling", "dtype", "unitaries", "tolerance", "durability"]


@settings(SETTINGS, max_examples=300)
@given(st.dictionaries(st.sampled_from(OPTION_NAMES), THINGS, min_size=1, max_size=3))
def test_wrong_options(options):
    """Any objects whatever as options make a writer that works, or an exception and no file."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "c.db"
        made = []
        if refuses_or_not(lambda: made.append(qorpus.Writer(path, **{"gates": ["h"], "qubits": 1} | options))):
            assert list(Path(directory).iterdir()) == []
        else:
            made.pop().close()
            assert len(qorpus.open(path)) == 0


@settings(SETTINGS, max_examples=100)
@given(THINGS.filter(lambda thing: not isinstance(thing, str)))
def test_wrong_paths(path):
    """An object that is not a path is refused."""
    assert refuses_or_not(lambda: qorpus.Writer(path, gates=["h"], qubits=1))
