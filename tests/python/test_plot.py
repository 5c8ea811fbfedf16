"""Plots of corpora and recipes: what they show, and what they cost."""

import sys

import matplotlib
import numpy as np
import pytest
import qorpus

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    import matplotlib.pyplot

    matplotlib.pyplot.close("all")


def bars(axes):
    """The heights of vertical bars, by their middles."""
    return {bar.get_x() + bar.get_width() / 2: bar.get_height() for bar in axes.patches}


def gates(axes):
    """The lengths of horizontal bars, by their names."""
    return dict(zip([label.get_text() for label in axes.get_yticklabels()], [bar.get_width() for bar in axes.patches]))


def test_all_words():
    """Of a small recipe every circuit counts."""
    words = qorpus.Recipe(gates="h,t,cx", qubits=2, words=True, length=(0, 3))
    figure = words.plot()
    left, right = figure.axes
    assert bars(left) == {0: 1, 1: 6, 2: 36, 3: 216} and figure.get_suptitle() == "259 records"
    mean = (6 + 2 * 36 + 3 * 216) / 259 / 3
    assert gates(right) == pytest.approx({"h": mean, "t": mean, "cx": mean})


def test_large_recipes_are_sampled():
    """A million million circuits are plotted from some thousands, and the title says so."""
    figure = qorpus.Recipe(gates="h,cx", qubits=2, random=10**12, length=(5, 8)).plot()
    assert figure.get_suptitle() == "1,000,000,000,000 records; a sample of 65,536"
    heights = bars(figure.axes[0])
    assert sorted(heights) == [5, 6, 7, 8] and sum(heights.values()) == 65_536
    assert all(abs(height / 65_536 - 0.25) < 0.02 for height in heights.values())
    assert sum(gates(figure.axes[1]).values()) == pytest.approx(6.5, abs=0.05)


def test_long_circuits_make_a_smaller_sample():
    figure = qorpus.Recipe(gates="h,cx", qubits=2, random=10**6, length=20_000).plot()
    assert figure.get_suptitle() == "1,000,000 records; a sample of 1,024" and bars(figure.axes[0]) == {20_000: 1024}


def test_levels_of_an_enumeration_are_exact(tmp_path):
    corpus = qorpus.distinct(tmp_path / "c.db", gates="h,t,cx", qubits=2, max_length=4, progress=False)
    figure = corpus.plot()
    assert bars(figure.axes[0]) == {level.length: len(level.ids) for level in corpus.levels}
    assert figure.axes[0].get_yscale() == "log" and figure.axes[0].get_xlabel() == "length"
    costs = qorpus.distinct(tmp_path / "t.db", qubits=1, gates="h,s,t", cost="t=1", max_cost=3, progress=False)
    left, _ = costs.plot().axes
    assert left.get_xlabel() == "cost" and sum(bars(left).values()) == len(costs)


def test_corpora_of_records_that_exist(tmp_path):
    """Stored, appended and unfinished corpora are plotted as far as they exist."""
    with qorpus.Writer(tmp_path / "a.db", gates="h,t", qubits=1) as writer:
        with pytest.raises(qorpus.InvalidArgument, match="there are no records to plot"):
            qorpus.open(tmp_path / "a.db").plot()
        writer.extend([["h"], ["t"], ["h", "t"]])
    figure = qorpus.open(tmp_path / "a.db").plot()
    assert bars(figure.axes[0]) == {1: 2, 2: 1} and gates(figure.axes[1]) == pytest.approx({"h": 2 / 3, "t": 2 / 3})
    with pytest.raises(qorpus.InvalidArgument, match="there are no records to plot"):
        qorpus.open(tmp_path / "a.db").recipe.plot()
    half = qorpus.generate(tmp_path / "h.db", random=100_000, length=4, part=(0, 2), progress=False)
    (height,) = bars(half.plot().axes[0]).values()
    assert height == half.info["records"] < 100_000


def test_many_gates_and_lengths_fit(tmp_path):
    names = [f"g{number}" for number in range(60)]
    with qorpus.Writer(tmp_path / "c.db", gates=names, qubits=1, check="none") as writer:
        for number in range(500):
            writer.append([names[number % 50]] * number, np.eye(2))
    left, right = qorpus.open(tmp_path / "c.db").plot().axes
    assert len(left.patches) <= 100 and sum(bars(left).values()) == 500
    assert len(right.patches) == 30 and "the 30 most frequent" in right.get_xlabel()


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(qorpus.MissingLibrary, match="pip install matplotlib"):
        qorpus.Recipe().plot()


def test_a_drawing_as_a_figure(tmp_path):
    """Each letter has its symbols on its wires, in columns in time order, and each box its name."""
    recipe = qorpus.Recipe(gates="h,t,cx,swap,ccx,rz(pi/4)", qubits=3, random=50, length=(0, 40), seed=2)
    for record in recipe[::7]:
        (axes,) = record.draw().plot().axes
        gates = [letter.split(" ")[0] for letter in record.circuit]
        patches = [type(patch).__name__ for patch in axes.patches]
        controlled = {"cx": 2, "ccx": 3}
        assert patches.count("Circle") == sum(controlled.get(gate, 0) for gate in gates)
        boxes = [gate for gate in gates if gate in ("h", "t", "rz(pi/4)")]
        # A white ground, a colour and an edge.
        assert patches.count("Rectangle") == 3 * len(boxes)
        texts = [text.get_text() for text in axes.texts if text.get_text() not in ("q0", "q1", "q2", "π/4")]
        assert sorted(texts) == sorted({"h": "H", "t": "T", "rz(pi/4)": "RZ"}[gate] for gate in boxes)
    for ending, magic in [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<svg")]:
        recipe[3].draw(tmp_path / f"c.{ending}")
        assert (tmp_path / f"c.{ending}").read_bytes().startswith(magic)
    empty = qorpus.Recipe(gates="h", qubits=1, words=True, length=(0, 0))[0].draw().plot()
    assert [text.get_text() for text in empty.axes[0].texts] == ["q0"]
