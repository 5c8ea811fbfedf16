"""Labels that a `qorpus.Writer` is given: as they may be written, refused, and read back."""

import math

import numpy as np
import pytest
import qorpus
from appending import U, records
from command import qorpus as command

LABELS = {
    "int": (3, 3, int),
    "negative": (-(1 << 63), -(1 << 63), int),
    "largest": ((1 << 63) - 1, (1 << 63) - 1, int),
    "float": (0.1, 0.1, float),
    "infinite": (-math.inf, -math.inf, float),
    "True": (True, 1, int),
    "str": ("λ 🙂 \0 ;", "λ 🙂 \0 ;", str),
    "empty": ("", "", str),
    "np.str_": (np.str_("x"), "x", str),
    "np.int8": (np.int8(-3), -3, int),
    "np.uint64": (np.uint64(7), 7, int),
    "np.float32": (np.float32(0.1), float(np.float32(0.1)), float),
    "np.float64": (np.float64(0.1), 0.1, float),
    "np.bool_": (np.bool_(True), 1, int),
    "an array of no dimension": (np.array(5), 5, int),
}


@pytest.mark.parametrize("case", LABELS)
def test_a_label_may_be(writer, case):
    """Numbers and texts of Python and NumPy come back as int, float or str, one by one and as
    columns."""
    value, expected, kind = LABELS[case]
    writer.append("h", mine=value)
    writer.extend(["h", "t"], mine=[value, value])
    writer.extend(["h"], mine=(value,))
    writer.append("h", mine=None)
    writer.extend(["h"], mine=None)
    *have, none, neither = [record.labels for record in records(writer)]
    assert [(labels["mine"], type(labels["mine"])) for labels in have] == [(expected, kind)] * 4
    assert "mine" not in none and "mine" not in neither


def test_a_label_that_is_not_a_number(writer):
    """NaN is a label like any other real."""
    writer.append("h", mine=math.nan)
    (record,) = records(writer)
    assert math.isnan(record.labels["mine"])


COLUMNS = {
    "ints": ([1, 2, 3], [1, 2, 3]),
    "floats": ([0.5, 1.5, 2.5], [0.5, 1.5, 2.5]),
    "bools": ([True, False, True], [1, 0, 1]),
    "texts": (("a", "", "λ"), ["a", "", "λ"]),
    "ints and floats": ([1, 0.5, 2], [1.0, 0.5, 2.0]),
    "bools and NumPy's": ([True, np.int64(2), np.float32(0.5)], [1.0, 2.0, 0.5]),
    "range": (range(3), [0, 1, 2]),
    "int64": (np.arange(3), [0, 1, 2]),
    "uint8": (np.arange(3, dtype=np.uint8), [0, 1, 2]),
    "uint64": (np.arange(3, dtype=np.uint64), [0, 1, 2]),
    "float16": (np.array([0.5, 1, 2], dtype=np.float16), [0.5, 1.0, 2.0]),
    "big-endian": (np.array([1, 2, 3], dtype=">i8"), [1, 2, 3]),
    "not contiguous": (np.arange(6)[::2], [0, 2, 4]),
    "array of bools": (np.array([True, False, True]), [1, 0, 1]),
    "array of texts": (np.array(["a", "bc", ""]), ["a", "bc", ""]),
    "objects that are texts": (np.array(["a", "bc", "λ"], dtype=object), ["a", "bc", "λ"]),
    "objects that are numbers": (np.array([1, 2.5, True], dtype=object), [1.0, 2.5, 1.0]),
    "large integers": ([1 << 60, (1 << 60) + 1, -5], [1 << 60, (1 << 60) + 1, -5]),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_a_column_of_labels_may_be(writer, case):
    """A value for each record, as list, tuple or array, comes back through records, `labels` and
    SQL."""
    values, expected = COLUMNS[case]
    writer.append("t", mine=expected[0])
    writer.extend(["h", "t", "h"], mine=values)
    expected = [expected[0], *expected]
    assert [record.labels["mine"] for record in records(writer)] == expected
    reader = qorpus.open(writer.path)
    assert [labels["mine"] for labels in reader.labels(range(4))] == expected
    assert [row[0] for row in reader.sql("select mine from records order by id")] == expected


def test_columns_of_tensors(writer):
    """Tensors are columns of labels too, and their elements labels."""
    torch = pytest.importorskip("torch")
    writer.extend(["h", "t"], reward=torch.tensor([0.25, 0.5]), steps=torch.tensor([1, 2]))
    writer.append("h", reward=torch.tensor(0.75), steps=torch.tensor(3))
    assert [record.labels["reward"] for record in records(writer)] == [0.25, 0.5, 0.75]
    assert [record.labels["steps"] for record in records(writer)] == [1, 2, 3]


SINGLE = {
    "bytes": (b"x", TypeError, ["bytes"]),
    "complex": (1j, TypeError, ["complex"]),
    "list": ([1], TypeError, ["list"]),
    "array": (np.arange(2), TypeError, ["ndarray"]),
    "dict": ({}, TypeError, ["dict"]),
    "object": (object(), TypeError, ["object"]),
    "too large": (1 << 63, ValueError, [str(1 << 63), "64 bits"]),
    "too small": (-(1 << 63) - 1, ValueError, ["64 bits"]),
    "too large for NumPy": (1 << 70, ValueError, ["64 bits"]),
    "NumPy's too large": (np.uint64(1 << 63), ValueError, ["64 bits"]),
    "a lone surrogate": ("\ud800", ValueError, []),
}


@pytest.mark.parametrize("case", SINGLE)
def test_labels_that_are_refused(writer, case):
    """Names the label, in append and in extend, and nothing of the call is accepted."""
    value, exception, words = SINGLE[case]
    writer.append("t", mine=1)
    for call in [
        lambda: writer.append("h", other=1, mine=value),
        lambda: writer.extend(["h", "h"], other=[1, 2], mine=[1, value]),
    ]:
        with pytest.raises((TypeError, ValueError)) as said:
            call()
        assert isinstance(said.value, exception)
        assert all(word in str(said.value) for word in words), said.value
        assert not words or "mine" in str(said.value)
    (record,) = records(writer)
    assert "other" not in record.labels


COLUMNS_REFUSED = {
    "too few": ([1], ["1 values for 2 records"]),
    "too many": ([1, 2, 3], ["3 values for 2 records"]),
    "none": ([], ["0 values for 2 records"]),
    "a number": (5, ["int"]),
    "a text": ("ab", ["str"]),
    "a generator": ((number for number in range(2)), ["generator"]),
    "None for one": ([1, None], ["None", "record 1"]),
    "None among objects": (np.array(["a", None], dtype=object), ["None", "record 1"]),
    "texts and numbers": (["a", 1], ["text", "number"]),
    "numbers and texts": ([1, "a"], ["text", "number"]),
    "reals and integers that are no reals": ([0.5, (1 << 53) + 1], ["too large"]),
    "integers that are no reals, and reals": ([(1 << 53) + 1, 0.5], ["too large"]),
    "two dimensions": (np.zeros((2, 1)), ["2 dimensions"]),
    "complex": (np.zeros(2, dtype=complex), ["complex128"]),
    "longdouble": (np.zeros(2, dtype=np.longdouble), [str(np.dtype(np.longdouble))]),
    "dates": (np.zeros(2, dtype="M8[s]"), ["datetime64"]),
    "uint64 too large": (np.array([0, 1 << 63], dtype=np.uint64), ["64 bits"]),
}


@pytest.mark.parametrize("case", COLUMNS_REFUSED)
def test_columns_of_labels_that_are_refused(writer, case):
    """Names the label and what is wrong, and nothing of the call is accepted."""
    values, words = COLUMNS_REFUSED[case]
    writer.append("t")
    with pytest.raises((TypeError, ValueError), match="mine") as said:
        writer.extend(["h", "h"], np.stack([U, U]), other=[1, 2], mine=values)
    assert all(word in str(said.value) for word in words), said.value
    writer.append("t", other="still free")
    assert [record.circuit for record in records(writer)] == [("t 0",)] * 2


NO_NAMES = ["id", "length", "count_h", "count_anything", "", "x" * 65, "λ" * 33, "new\nline", "\ud800"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_labels_cannot_have(writer, name):
    """Names of existing columns, and texts that are not names, are refused."""
    with pytest.raises(ValueError):
        writer.append("h", **{name: 1})
    with pytest.raises(ValueError):
        writer.extend(["h"], **{name: [1]})
    assert records(writer) == []


@pytest.mark.parametrize("name", ["circuit", "unitary"])
def test_names_of_parameters(writer, name):
    """A label cannot have the name of a parameter or of a column."""
    for call in [
        lambda: writer.append("h", U, **{name: 1}),
        lambda: writer.extend(["h"], [U], **{name: [1]}),
    ]:
        with pytest.raises((TypeError, ValueError)):
            call()
    assert records(writer) == []


NAMES = ["x", "λ" * 32, "x" * 64, "class", "a b", 'quo"te', "semi;colon", "Reward", "é", "É", "rowid", "self"]


def test_names_that_labels_can_have(writer):
    """Any other name may be given; records and columns keep them apart, as SQL does."""
    given = {name: number for number, name in enumerate(NAMES)}
    writer.append("h", **given)
    writer.extend(["h"], **{name: [value] for name, value in given.items()})
    for record in records(writer):
        own = {name: value for name, value in record.labels.items() if name in given}
        assert own == given
    reader = qorpus.open(writer.path)
    assert sorted(reader.label_types()) == sorted(NAMES)
    assert reader.sql('select "quo""te", "a b" from records where id = 1')[0] == (given['quo"te'], given["a b"])
    rows = reader.sql("select * from records where id = 0")
    assert set(given.values()) <= {value for row in rows for value in row if isinstance(value, int)}
    for name, value in given.items():
        assert reader.sql(f'select "{name.replace(chr(34), chr(34) * 2)}" from records where id = 0')[0] == (value,)


def test_a_text_and_a_number_under_one_name(writer):
    """One writer keeps a name to texts or to numbers, however its records are grouped into
    commits."""
    writer.append("h", mine=1, text="a")
    for flush in [False, True, True]:
        if flush:
            writer.flush()
        with pytest.raises(ValueError, match="'mine'.* text"):
            writer.append("h", mine="a")
        with pytest.raises(ValueError, match="'text'.* text"):
            writer.append("h", text=1)
        writer.append("h", mine=0.5, text="b")
    assert [record.labels["mine"] for record in records(writer)] == [1, 0.5, 0.5, 0.5]


def test_integers_and_reals_under_one_name(writer):
    """They mix as long as no integer would change, however records are grouped; a refusal changes
    nothing."""
    writer.append("h", small=1, large=1 << 60)
    with pytest.raises(TypeError, match="mine"):
        writer.append("h", small=0.5, mine=b"no")
    with pytest.raises(ValueError, match="id"):
        writer.append("h", small=0.5, id=3)
    for _ in range(2):
        with pytest.raises(ValueError, match="large"):
            writer.append("h", small=0.5, large=0.5)
        writer.flush()
    first = records(writer)[0].labels
    assert first["small"] == 1 and type(first["small"]) is int and first["large"] == 1 << 60
    writer.append("h", small=0.5)
    with pytest.raises(ValueError, match="small"):
        writer.append("h", small=(1 << 53) + 1)
    assert [record.labels["small"] for record in records(writer)] == [1, 0.5]


def test_most_labels(corpus, writer):
    """255 names, and no more, however records are grouped; they can be read by SQL too."""
    writer.append("h", **{f"label{number}": number for number in range(200)})
    writer.flush()
    writer.append("h", **{f"label{number}": number for number in range(255)})
    for _ in range(2):
        with pytest.raises(ValueError, match="255"):
            writer.append("h", one_more=1)
        writer.flush()
    last = records(writer)[-1].labels
    assert [last[f"label{number}"] for number in range(255)] == list(range(255))
    assert qorpus.open(corpus).sql("select label254 from records where id = 1")[0][0] == 254


def test_long_texts(writer):
    """Texts of megabytes come back; many of them do not make one row that is too large."""
    texts = [chr(97 + number % 26) * (1 << 20) for number in range(12)]
    writer.extend(["h"] * 12, text=texts)
    writer.append("t", text="x" * (9 << 20))
    assert [record.labels["text"] for record in records(writer)] == [*texts, "x" * (9 << 20)]


def test_a_label_is_a_number_or_a_text_throughout_a_file(corpus):
    """A label of another type than in the file is refused: at once, or, if both are new to the
    file, at the flush."""
    first, second = (qorpus.Writer(corpus, gates=["h"], qubits=1) for _ in range(2))
    first.append("h", reward=1)
    second.append("h", reward="much")
    first.close()
    with pytest.raises(qorpus.Error, match="'reward'.*text for some records and a number for others"):
        second.flush()
    for use in [lambda: second.append("h"), second.close]:
        with pytest.raises(qorpus.Error, match="reward"):
            use()
    with qorpus.Writer(corpus) as third:
        with pytest.raises(ValueError, match="'reward'.*text for some"):
            third.append("h", reward="much")
        third.append("h", reward=0.5)
    reader = qorpus.open(corpus)
    assert [record.labels["reward"] for record in reader] == [1, 0.5]
    assert reader.label_types() == {"reward": float}
    command("verify", corpus, "--quiet")


@pytest.mark.parametrize("name", ["Seed", "SEED", "ID", "Length", "Circuit", "UNITARY", "Count_h"])
def test_labels_that_sql_takes_for_one_are_refused(writer, name):
    """SQL does not see letter case: names that differ in it alone are refused, whatever was
    appended before."""
    writer.append("h", seed=1)
    with pytest.raises(ValueError, match="SQL ignores"):
        writer.append("h", **{name: 2})
    with pytest.raises(ValueError, match="SQL ignores"):
        writer.extend(["h"], gate=[1], Gate=[2])
    (record,) = records(writer)
    assert record.labels["seed"] == 1
